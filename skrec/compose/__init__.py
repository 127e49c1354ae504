"""Estimators made of other estimators: likes and dislikes fused, and a retriever with a ranker behind it."""

from skrec.compose._pos_neg import PosNegRetriever
from skrec.compose._two_stages import RetrieveThenRank

__all__ = ["PosNegRetriever", "RetrieveThenRank"]
