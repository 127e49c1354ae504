"""How sure a mean over users is, and whether two models differ."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from skrec.metrics._names import check_count

# Numbers drawn at once.
_CHUNK = 1 << 21


class BootstrapInterval(NamedTuple):
    """A mean over users and its interval, as returned by :func:`bootstrap_interval`."""

    estimate: float
    low: float
    high: float


class ModelComparison(NamedTuple):
    """Difference of two models over the same users, as returned by :func:`compare_models`."""

    difference: float
    low: float
    high: float
    p_value: float
    n_users: int


def bootstrap_interval(values, *, weights=None, confidence_level=0.95, n_resamples=5000, random_state=None):
    """Percentile bootstrap interval of a mean over users.

    Users are drawn anew, with replacement, and the mean is taken again; the interval is what the middle
    `confidence_level` of these means spans. It says how far the figure would move with other users of the same kind. It
    does not say how far it would move with another seed or another split.

    Parameters
    ----------
    values : array-like of shape (n_users,)
        A metric for each user, as from :func:`user_roc_auc` or ``ranking_metrics(...).per_user["ndcg@10"]``. Users with
        nan do not enter.
    weights : array-like of shape (n_users,), default=None
        Weights of the mean, at least 0; they are drawn together with the values. None: all users alike.
    confidence_level : float, default=0.95
        Between 0 and 1, both excluded.
    n_resamples : int, default=5000
        Number of resamples. Memory does not grow with it by more than a number each.
    random_state : int, RandomState or None, default=None
        Source of the draws.

    Returns
    -------
    BootstrapInterval
        Named tuple of `estimate`, the mean of the values given, `low` and `high`.

    Raises
    ------
    ValueError
        When no user has a value, or a parameter is out of its range.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.metrics import bootstrap_interval
    >>> auc = np.random.default_rng(0).beta(9, 1, size=500)
    >>> estimate, low, high = bootstrap_interval(auc, random_state=0)
    >>> print(f"{estimate:.3f} [{low:.3f}, {high:.3f}]")
    0.901 [0.893, 0.909]
    """
    values = _check_vector(values, "values")
    weights = np.ones(len(values)) if weights is None else _check_vector(weights, "weights")
    if weights.shape != values.shape:
        raise ValueError(f"weights must have the shape of values, {values.shape}, got {weights.shape}.")
    if not np.all(weights >= 0):
        raise ValueError("weights must be at least 0.")
    kept = ~np.isnan(values) & (weights > 0)
    if not kept.any():
        raise ValueError("values holds no user with a value (of positive weight): there is no mean to estimate.")
    _check_confidence(confidence_level)
    check_count(n_resamples, "n_resamples")
    return _bootstrap(values[kept], weights[kept], confidence_level, n_resamples, _generator(random_state))


def compare_models(a, b, *, confidence_level=0.95, n_resamples=5000, random_state=None):
    """Compare two models on the same users.

    The test is paired: users differ far more from each other than two models differ on one user, and only the
    difference on each user counts. The p-value is that of a randomisation test [1]_: if the models were alike, each
    user's difference could as well have had the other sign; it is the share of random signs that give a mean at least
    as far from 0 as the one seen. The interval is the percentile bootstrap of the mean difference.

    Parameters
    ----------
    a, b : array-like of shape (n_users,)
        A metric of each model for each user, in the same order of users. Users with nan in either do not enter.
    confidence_level : float, default=0.95
        Between 0 and 1, both excluded.
    n_resamples : int, default=5000
        Number of resamples and of random signs; the smallest p-value is 1 / (n_resamples + 1). Where there are so few
        users that all signs can be tried in fewer, all are, and the p-value is exact.
    random_state : int, RandomState or None, default=None
        Source of the draws.

    Returns
    -------
    ModelComparison
        Named tuple of `difference`, the mean of a - b; `low` and `high`, its interval; `p_value`, two-sided; and
        `n_users`, the users that entered.

    Raises
    ------
    ValueError
        When the lengths differ, no user has both values, or a parameter is out of its range.

    Notes
    -----
    Testing many pairs of models needs a stricter level. Randomly drawn signs count the observed ones among them [2]_,
    so that the p-value is never 0 and the test keeps its level.

    References
    ----------
    .. [1] M. D. Smucker, J. Allan and B. Carterette, "A comparison of statistical significance tests for information
       retrieval evaluation", CIKM 2007: recommends this test.
    .. [2] B. Phipson and G. K. Smyth, "Permutation p-values should never be zero", Statistical Applications in Genetics
       and Molecular Biology 9(1), 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.metrics import compare_models
    >>> compare_models([0.9, 0.8, 0.95, 0.7], [0.8, 0.75, 0.9, 0.6], random_state=0).p_value
    0.125
    """
    a, b = _check_vector(a, "a"), _check_vector(b, "b")
    if a.shape != b.shape:
        raise ValueError(f"a and b must hold the same users, got {len(a)} and {len(b)}.")
    difference = a - b
    difference = difference[~np.isnan(difference)]
    if not len(difference):
        raise ValueError("No user has a value for both a and b: there is nothing to compare.")
    _check_confidence(confidence_level)
    check_count(n_resamples, "n_resamples")
    rng = _generator(random_state)
    interval = _bootstrap(difference, np.ones(len(difference)), confidence_level, n_resamples, rng)
    return ModelComparison(*interval, _sign_flip_p_value(difference, n_resamples, rng), len(difference))


def _bootstrap(values, weights, confidence_level, n_resamples, rng):
    n = len(values)
    weighted = values * weights
    rows = max(1, _CHUNK // n)
    means = np.empty(n_resamples)
    for start in range(0, n_resamples, rows):
        drawn = rng.integers(n, size=(min(rows, n_resamples - start), n), dtype=np.int32)
        means[start : start + rows] = weighted[drawn].sum(axis=1) / weights[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - confidence_level) / 2, (1 + confidence_level) / 2])
    return BootstrapInterval(float(weighted.sum() / weights.sum()), float(low), float(high))


def _sign_flip_p_value(difference, n_resamples, rng):
    """Two-sided p-value of the mean under random signs: exact where all of them can be tried."""
    n = len(difference)
    # Sums that are equal but for the rounding of another order are equal.
    to_reach = abs(difference.sum()) - 1e-12 * np.abs(difference).sum()
    if n < 63 and 2**n <= n_resamples:
        signs = (np.arange(2**n)[:, np.newaxis] >> np.arange(n)) & 1
        return float(np.mean(_signed_sums(signs, difference) >= to_reach))
    rows = max(1, _CHUNK // n)
    n_reached = 0
    for start in range(0, n_resamples, rows):
        n_rows = min(rows, n_resamples - start)
        packed = rng.integers(256, size=(n_rows, -(-n // 8)), dtype=np.uint8)
        n_reached += np.sum(_signed_sums(np.unpackbits(packed, axis=1, count=n), difference) >= to_reach)
    return float((1 + n_reached) / (1 + n_resamples))


def _signed_sums(is_kept, difference):
    """Absolute sums of the differences, with the sign turned where `is_kept` (n_resamples, n) is 0."""
    return np.abs(2 * (is_kept.astype(np.float64) @ difference) - difference.sum())


def _generator(random_state):
    return np.random.default_rng(check_random_state(random_state).randint(2**31 - 1, size=4))


def _check_vector(values, name):
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers, one a user, got shape {values.shape} and dtype {values.dtype}.")
    values = values.astype(np.float64)
    if np.isinf(values).any():
        raise ValueError(f"{name} contains infinity.")
    return values


def _check_confidence(confidence_level):
    if not (isinstance(confidence_level, Real) and 0 < confidence_level < 1):
        raise ValueError(f"confidence_level={confidence_level!r} must be a number between 0 and 1, both excluded.")
