"""Data sets: generated ones whose truth is known, and loaders of public ones."""

from skrec.datasets._make_interactions import make_interactions

__all__ = ["make_interactions"]
