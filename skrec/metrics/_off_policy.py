"""What another policy would have earned, from the log of the one that was followed."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from skrec.metrics._inference import _bootstrap, _check_confidence, _generator
from skrec.metrics._names import check_count, check_option

_INTERVALS = ("bootstrap", "normal")


class PolicyValue(NamedTuple):
    """Value of a policy and how sure it is, as returned by :func:`ips_value`, :func:`snips_value` and the like."""

    estimate: float
    low: float
    high: float
    effective_sample_size: float
    mean_weight: float


def ips_value(
    reward,
    propensity,
    policy,
    *,
    max_weight=None,
    interval="bootstrap",
    confidence_level=0.95,
    n_resamples=2000,
    random_state=None,
):
    """Mean reward that a policy would have had, by inverse propensity scores.

    A log holds the rewards of what was shown, not of what another policy would have shown. Each row is weighted by how
    much more often the other policy would have shown its item: ``mean(policy / propensity * reward)``. This is right on
    average when the propensities are, and every item that the policy shows could have been logged.

    Parameters
    ----------
    reward : array-like of shape (n_rows,)
        What each row earned: 1 for a click and 0 for none, or any finite number.
    propensity : array-like of shape (n_rows,)
        Probability, above 0, with which the logging policy chose the item that it showed.
    policy : array-like of shape (n_rows,)
        Probability with which the policy to judge would have chosen that same item in the same place: for a policy that
        makes no random choices, 1 where it agrees with the log, and 0 elsewhere.
    max_weight : float, default=None
        Weights above it are set to it: less variance for some bias, mostly downwards. None leaves them.
    interval : {"bootstrap", "normal"}, default="bootstrap"
        "bootstrap": percentiles over rows drawn anew. "normal": the estimate and so many standard errors, which for
        millions of rows is as good and takes no time.
    confidence_level : float, default=0.95
        Between 0 and 1, both excluded.
    n_resamples : int, default=2000
        Number of resamples of the bootstrap.
    random_state : int, RandomState or None, default=None
        Source of the bootstrap's draws.

    Returns
    -------
    PolicyValue
        Named tuple of `estimate`; `low` and `high`, its interval; `effective_sample_size`, ``sum(w)**2 / sum(w**2)`` of
        the weights, the number of rows of equal weight that would tell as much; and `mean_weight`, which without
        `max_weight` is 1 but for chance, and says that something is wrong with the propensities, or that the policy
        shows what the log cannot hold, where it is far from it.

    Raises
    ------
    ValueError
        When a propensity is not above 0 and at most 1, a probability of the policy not within 0 and 1, anything nan,
        the lengths differ, or the policy shows nothing of the log.

    See Also
    --------
    snips_value : The same, divided by the mean weight: less variance.
    doubly_robust_value : The same, around the predictions of a model.

    Notes
    -----
    With ``policy = propensity`` it is the mean reward. Rows count as independent. Intervals tell chance, not a wrong
    propensity, and are too narrow where a few rows have most of the weight: look at the effective sample size.

    References
    ----------
    .. [1] D. G. Horvitz and D. J. Thompson, "A Generalization of Sampling Without Replacement from a Finite Universe",
       JASA 47, 1952.
    .. [2] L. Bottou et al., "Counterfactual Reasoning and Learning Systems: The Example of Computational Advertising",
       JMLR 14, 2013: clipped weights and intervals, section 4.

    Examples
    --------
    Half of the rows show the item of a new policy, which always shows item 1:

    >>> import numpy as np
    >>> from skrec.metrics import ips_value
    >>> rng = np.random.default_rng(0)
    >>> shown = rng.integers(2, size=4000)
    >>> clicked = rng.random(4000) < np.array([0.02, 0.10])[shown]
    >>> value = ips_value(clicked, np.full(4000, 0.5), shown == 1, random_state=0)
    >>> print(f"{value.estimate:.3f} [{value.low:.3f}, {value.high:.3f}] from {value.effective_sample_size:.0f} rows")
    0.104 [0.091, 0.118] from 2029 rows
    """
    reward, weight, unclipped = _check_log(reward, propensity, policy, max_weight)
    options = _check_options(interval, confidence_level, n_resamples, random_state)
    return _value(weight * reward, np.ones(len(reward)), weight, unclipped, options)


def snips_value(
    reward,
    propensity,
    policy,
    *,
    max_weight=None,
    interval="bootstrap",
    confidence_level=0.95,
    n_resamples=2000,
    random_state=None,
):
    """Mean reward that a policy would have had, by self-normalised inverse propensity scores.

    The weighted mean of the rewards, ``sum(w * reward) / sum(w)`` with ``w = policy / propensity``. Unlike
    :func:`ips_value` it stays within the rewards that were seen, does not move when a constant is added to all rewards,
    and varies less; it has a bias that vanishes with the number of rows. Begin with this one.

    Parameters
    ----------
    reward, propensity, policy, max_weight, interval, confidence_level, n_resamples, random_state
        As in :func:`ips_value`.

    Returns
    -------
    PolicyValue
        As in :func:`ips_value`.

    Raises
    ------
    ValueError
        As in :func:`ips_value`.

    Notes
    -----
    The normal interval is by the delta method: a standard error of ``sqrt(sum(w**2 * (reward - value)**2)) / sum(w)``.

    References
    ----------
    .. [1] A. Swaminathan and T. Joachims, "The Self-Normalized Estimator for Counterfactual Learning", NeurIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.metrics import snips_value
    >>> rng = np.random.default_rng(0)
    >>> shown = rng.integers(2, size=4000)
    >>> clicked = rng.random(4000) < np.array([0.02, 0.10])[shown]
    >>> value = snips_value(clicked, np.full(4000, 0.5), shown == 1, random_state=0)
    >>> print(f"{value.estimate:.3f} [{value.low:.3f}, {value.high:.3f}]")
    0.103 [0.090, 0.117]
    """
    reward, weight, unclipped = _check_log(reward, propensity, policy, max_weight)
    options = _check_options(interval, confidence_level, n_resamples, random_state)
    return _value(reward, weight, weight, unclipped, options)


def doubly_robust_value(
    reward,
    propensity,
    policy,
    *,
    predicted_reward,
    predicted_value,
    max_weight=None,
    interval="bootstrap",
    confidence_level=0.95,
    n_resamples=2000,
    random_state=None,
):
    """Mean reward that a policy would have had, by a model of the rewards, corrected by what was logged.

    A model predicts what the policy earns, and the log corrects it by inverse propensity scores of what it got wrong:
    ``mean(predicted_value + policy / propensity * (reward - predicted_reward))``. It is right on average when either
    the propensities or the predictions are, and varies less than :func:`ips_value` where the model predicts well.

    Parameters
    ----------
    reward, propensity, policy : array-like of shape (n_rows,)
        As in :func:`ips_value`.
    predicted_reward : array-like of shape (n_rows,)
        Predicted reward of the item that was shown.
    predicted_value : array-like of shape (n_rows,)
        Predicted reward of what the policy would show in its place: the mean over the items, each by the probability
        with which the policy chooses it.
    max_weight, interval, confidence_level, n_resamples, random_state
        As in :func:`ips_value`.

    Returns
    -------
    PolicyValue
        As in :func:`ips_value`.

    Raises
    ------
    ValueError
        As in :func:`ips_value`.

    Notes
    -----
    With predictions of 0 it is :func:`ips_value`. Predict rows with a model that has not seen them (as by
    :func:`sklearn.model_selection.cross_val_predict`): one that has learned the rewards by heart leaves nothing to
    correct.

    References
    ----------
    .. [1] M. Dudík, J. Langford and L. Li, "Doubly Robust Policy Evaluation and Learning", ICML 2011, equation 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.metrics import doubly_robust_value
    >>> rng = np.random.default_rng(0)
    >>> shown = rng.integers(2, size=4000)
    >>> clicked = rng.random(4000) < np.array([0.02, 0.10])[shown]
    >>> predicted = np.array([0.03, 0.09])
    >>> value = doubly_robust_value(
    ...     clicked,
    ...     np.full(4000, 0.5),
    ...     shown == 1,
    ...     predicted_reward=predicted[shown],
    ...     predicted_value=np.full(4000, predicted[1]),
    ...     random_state=0,
    ... )
    >>> print(f"{value.estimate:.3f} [{value.low:.3f}, {value.high:.3f}]")
    0.103 [0.090, 0.117]
    """
    reward, weight, unclipped = _check_log(reward, propensity, policy, max_weight)
    options = _check_options(interval, confidence_level, n_resamples, random_state)
    predicted_reward = _check_rows(predicted_reward, "predicted_reward", len(reward))
    predicted_value = _check_rows(predicted_value, "predicted_value", len(reward))
    terms = predicted_value + weight * (reward - predicted_reward)
    return _value(terms, np.ones(len(reward)), weight, unclipped, options)


def _value(values, mean_weights, weight, unclipped, options):
    """Weighted mean of the values and its interval, with what the rows' weights say."""
    interval, confidence_level, n_resamples, rng = options
    estimate = float(np.sum(mean_weights * values) / np.sum(mean_weights))
    if interval == "bootstrap":
        kept = mean_weights > 0
        low, high = _bootstrap(values[kept], mean_weights[kept], confidence_level, n_resamples, rng)[1:]
    else:
        error = np.sqrt(np.sum((mean_weights * (values - estimate)) ** 2)) / np.sum(mean_weights)
        half = float(ndtri((1 + confidence_level) / 2) * error)
        low, high = estimate - half, estimate + half
    size = float(np.sum(weight) ** 2 / np.sum(weight**2))
    return PolicyValue(estimate, low, high, size, float(np.mean(unclipped)))


def _check_options(interval, confidence_level, n_resamples, random_state):
    check_option(interval, "interval", _INTERVALS)
    _check_confidence(confidence_level)
    return interval, confidence_level, check_count(n_resamples, "n_resamples"), _generator(random_state)


def _check_log(reward, propensity, policy, max_weight):
    """Return the rewards, the weights of the rows, and the same before `max_weight`."""
    reward = _check_rows(reward, "reward", None)
    propensity, policy = (
        _check_rows(values, name, len(reward)) for values, name in ((propensity, "propensity"), (policy, "policy"))
    )
    _check_range(propensity, "propensity", (propensity > 0) & (propensity <= 1), "above 0 and at most 1")
    _check_range(policy, "policy", (policy >= 0) & (policy <= 1), "a probability, within 0 and 1")
    if not policy.any():
        raise ValueError("policy is 0 in every row: it shows nothing of what the log holds, which tells nothing of it.")
    weight = policy / propensity
    if max_weight is None:
        return reward, weight, weight
    if isinstance(max_weight, bool) or not isinstance(max_weight, Real) or not max_weight > 0:
        raise ValueError(f"max_weight={max_weight!r} must be a number above 0, or None.")
    return reward, np.minimum(weight, max_weight), weight


def _check_rows(values, name, n_rows):
    values = np.asarray(values)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers, one a row; got shape {values.shape} and dtype {values.dtype}.")
    if n_rows is not None and len(values) != n_rows:
        raise ValueError(f"{name} must have one entry a row, as many as reward, {n_rows}; got {len(values)}.")
    values = values.astype(np.float64)
    _check_range(values, name, np.isfinite(values), "finite")
    return values


def _check_range(values, name, is_right, what):
    if not is_right.all():
        row = int(np.argmin(is_right))
        raise ValueError(f"{name} must be {what}; got {values[row]} in row {row}.")
