"""What the parts share: checks of input, ids and their codes, threads. Not part of the public API."""
