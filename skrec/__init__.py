"""Recommender models as true scikit-learn estimators.

The estimators are importable from here; all else lives in a subpackage: :mod:`skrec.samplers`,
:mod:`skrec.losses`, :mod:`skrec.metrics`, :mod:`skrec.model_selection`, :mod:`skrec.preprocessing`,
:mod:`skrec.datasets`. Importing is lazy:
``import skrec`` costs next to nothing, and numba is loaded when the first estimator is fitted.
"""

import importlib

__version__ = "0.1.0.dev0"

_ESTIMATORS = {
    "CTRRanker": "skrec.ranking",
    "DeepTriplet": "skrec.retrieval",
    "EASERecommender": "skrec.baselines",
    "ImplicitALS": "skrec.baselines",
    "PosNegRetriever": "skrec.compose",
    "PopularityRecommender": "skrec.baselines",
    "RetrieveThenRank": "skrec.compose",
    "TripletMF": "skrec.matrix_factorization",
    "TwoTowerRetriever": "skrec.retrieval",
}
_SUBPACKAGES = (
    "baselines",
    "compose",
    "datasets",
    "exceptions",
    "inspection",
    "losses",
    "matrix_factorization",
    "metrics",
    "model_selection",
    "preprocessing",
    "ranking",
    "retrieval",
    "samplers",
)
__all__ = [*_ESTIMATORS, *_SUBPACKAGES, "__version__"]


def __getattr__(name):
    if name in _ESTIMATORS:
        return getattr(importlib.import_module(_ESTIMATORS[name]), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"skrec.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
