"""Samplers of negatives: estimators that are given to an estimator as its ``sampler``, and tuned as such."""

from skrec.samplers._adaptive import AdaptiveOversamplingSampler
from skrec.samplers._band import RankBandSampler
from skrec.samplers._base import BaseSampler
from skrec.samplers._curriculum import CurriculumSampler
from skrec.samplers._dynamic import DynamicSampler, WARPSampler
from skrec.samplers._explicit import ExplicitSampler
from skrec.samplers._gain import GainSampler
from skrec.samplers._hardness import HardnessAdaptiveSampler
from skrec.samplers._in_batch import InBatchSampler
from skrec.samplers._mixed import MixedSampler
from skrec.samplers._popularity import PopularitySampler
from skrec.samplers._positive import InversePropensityWeighter, PopularityDownSampler
from skrec.samplers._rejected import RejectedSampler
from skrec.samplers._uniform import UniformSampler
from skrec.samplers._variance import VarianceSampler

# Parts for draws and losses in Numba. Fetched when asked for: they import numba.
_KERNEL_NAMES = {
    "any_admitted": "_sampling",
    "draw_uniform": "_sampling",
    "is_excluded": "_sampling",
    "next_below": "_rng",
    "next_float": "_rng",
    "register_draw": "_sampling",
    "register_loss": "_losses",
    "score": "_sampling",
}

__all__ = [
    "AdaptiveOversamplingSampler",
    "BaseSampler",
    "CurriculumSampler",
    "DynamicSampler",
    "ExplicitSampler",
    "GainSampler",
    "HardnessAdaptiveSampler",
    "InBatchSampler",
    "InversePropensityWeighter",
    "MixedSampler",
    "PopularityDownSampler",
    "PopularitySampler",
    "RankBandSampler",
    "RejectedSampler",
    "UniformSampler",
    "VarianceSampler",
    "WARPSampler",
    *_KERNEL_NAMES,
]


def __getattr__(name):
    if name in _KERNEL_NAMES:
        import importlib

        return getattr(importlib.import_module(f"skrec._kernels.{_KERNEL_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
