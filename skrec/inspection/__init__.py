"""Plots of fitted recommenders: where the items lie, how training went, and what a sampler drew."""

from skrec.inspection._embedding_map import EmbeddingMapDisplay
from skrec.inspection._sampler_diagnostics import SamplerDiagnosticsDisplay
from skrec.inspection._sampler_monitor import SamplerMonitor
from skrec.inspection._training_curve import TrainingCurveDisplay

__all__ = ["EmbeddingMapDisplay", "SamplerDiagnosticsDisplay", "SamplerMonitor", "TrainingCurveDisplay"]
