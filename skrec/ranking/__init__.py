"""Rankers: classifiers over rows of a user, an item, features and context."""

from skrec.ranking._ctr import CTRRanker

__all__ = ["CTRRanker"]
