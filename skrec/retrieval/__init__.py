"""Retrieval: towers that give users and items vectors, and from the vectors of queries to the best of many items."""

from skrec.retrieval._approximate import ApproximateIndex
from skrec.retrieval._deep_triplet import DeepTriplet
from skrec.retrieval._exact import ExactIndex
from skrec.retrieval._plot import RetrievalRecallDisplay
from skrec.retrieval._retriever import TwoTowerRetriever

__all__ = ["ApproximateIndex", "DeepTriplet", "ExactIndex", "RetrievalRecallDisplay", "TwoTowerRetriever"]
