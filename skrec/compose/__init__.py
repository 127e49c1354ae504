"""Estimators made of other estimators: retrievers of likes and of dislikes, fused."""

from skrec.compose._pos_neg import PosNegRetriever

__all__ = ["PosNegRetriever"]
