"""A package outside skrec with samplers and a loss of its own, as a user would write them."""
