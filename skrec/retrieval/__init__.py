"""Retrieval: from the vectors of queries to the best of many items."""

from skrec.retrieval._approximate import ApproximateIndex
from skrec.retrieval._exact import ExactIndex
from skrec.retrieval._plot import RetrievalRecallDisplay

__all__ = ["ApproximateIndex", "ExactIndex", "RetrievalRecallDisplay"]
