"""The only file that imports private names of scikit-learn, so that a release that moves one breaks one line."""

import functools

from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing as take_rows
from sklearn.utils._param_validation import HasMethods, Hidden, Interval, MissingValues, Options, StrOptions
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "BaseComposition",
    "HasMethods",
    "Hidden",
    "Interval",
    "MissingValues",
    "Options",
    "StrOptions",
    "check_feature_names_in",
    "check_sample_weight",
    "fit_context",
    "fit_sigmoid",
    "take_rows",
]


def fit_context(method):
    """Decorate `fit` and `partial_fit`: check the parameters, and leave the estimator as it was when anything fails.

    The attributes are remembered before the call and put back when it raises, `KeyboardInterrupt` included. Attributes
    are put back, not what they refer to: compute into new arrays and set them last, never write into fitted ones.
    """
    checked = _fit_context(prefer_skip_nested_validation=False)(method)

    @functools.wraps(method)
    def all_or_nothing(estimator, *args, **kwargs):
        before = vars(estimator).copy()
        try:
            return checked(estimator, *args, **kwargs)
        except BaseException:
            vars(estimator).clear()
            vars(estimator).update(before)
            raise

    return all_or_nothing


def fit_sigmoid(scores, is_positive):
    """Fit Platt's sigmoid; return slope and intercept of the log-odds, for scores that rise with the positives."""
    # Here, as importing sklearn.calibration at the top would slow down the import of every estimator.
    from sklearn.calibration import _sigmoid_calibration

    slope, intercept = _sigmoid_calibration(scores, is_positive)
    return -slope, -intercept
