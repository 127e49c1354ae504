"""Plots of fitted recommenders: where the items lie, and how training went."""

from skrec.inspection._embedding_map import EmbeddingMapDisplay
from skrec.inspection._training_curve import TrainingCurveDisplay

__all__ = ["EmbeddingMapDisplay", "TrainingCurveDisplay"]
