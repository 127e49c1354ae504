"""Rates of clicks from few impressions: drawn to the common rate as far as chance goes, with intervals."""

import numpy as np
from scipy.special import betaincinv
from sklearn.utils import Bunch

from skrec.metrics._inference import _check_confidence


def smoothed_rates(clicks, impressions, *, prior=None, confidence_level=0.95):
    """Click rates of many ads, or other groups, smoothed by what they have in common, with intervals.

    An ad with 1 click in 3 impressions does not have a rate of a third. The rates are taken to follow a Beta(a, b)
    distribution, whose moments the counts tell; an ad's rate is then ``(clicks + a) / (impressions + a + b)``: the
    common rate where there are few impressions, its own where there are many.

    Parameters
    ----------
    clicks : array-like of shape (n_groups,)
        Number of clicks of each group, at least 0 and at most its impressions.
    impressions : array-like of shape (n_groups,)
        Number of impressions. Fractions are allowed: impressions times the probability that they were looked at give
        the rate of those that were.
    prior : (float, float), default=None
        The a and b of the Beta distribution, both above 0, to use those of an earlier log. None: from these counts.
    confidence_level : float, default=0.95
        Of the intervals: between 0 and 1, both excluded.

    Returns
    -------
    Bunch
        Of arrays of shape (n_groups,): `rate`, `low` and `high`, the mean and the middle `confidence_level` of the
        posterior distribution; and `prior`, the pair (a, b).

    Raises
    ------
    ValueError
        When counts are negative, not finite or of different lengths, clicks exceed impressions, or `prior` is not
        two numbers above 0.

    Notes
    -----
    The spread between groups is that of Kleinman's weighted moments [1]_, with the impressions as weights. Where the
    rates differ by no more than chance would make them, ``a + b`` is the number of all impressions: no group is known
    better than the common rate. One group alone gets Jeffreys' prior, (0.5, 0.5).

    The intervals hold for the groups on average, `confidence_level` of them. They take a and b as given, and are a
    little narrow where there are few groups.

    References
    ----------
    .. [1] J. C. Kleinman, "Proportions with Extraneous Variance: Single and Independent Samples", JASA 68, 1973,
       section 2.

    Examples
    --------
    >>> from skrec.metrics import smoothed_rates
    >>> rates = smoothed_rates(clicks=[1, 2, 50, 5], impressions=[3, 100, 1000, 500])
    >>> rates.rate.round(3)
    array([0.058, 0.024, 0.049, 0.012])
    >>> rates.low.round(3), rates.high.round(3)
    (array([0.009, 0.006, 0.037, 0.005]), array([0.145, 0.056, 0.063, 0.023]))
    """
    clicks, impressions = _check_counts(clicks, "clicks"), _check_counts(impressions, "impressions")
    if len(clicks) != len(impressions):
        raise ValueError(f"clicks and impressions must have one entry a group; got {len(clicks)}, {len(impressions)}.")
    more = clicks > impressions
    if more.any():
        k = np.flatnonzero(more)[0]
        raise ValueError(f"clicks must not exceed impressions; group {k} has {clicks[k]:g} in {impressions[k]:g}.")
    _check_confidence(confidence_level)
    a, b = _fit_prior(clicks, impressions) if prior is None else _check_prior(prior)
    of_clicks, of_others = a + clicks, b + (impressions - clicks)
    tail = (1 - confidence_level) / 2
    return Bunch(
        rate=of_clicks / (of_clicks + of_others),
        low=betaincinv(of_clicks, of_others, tail),
        high=betaincinv(of_clicks, of_others, 1 - tail),
        prior=(float(a), float(b)),
    )


def _fit_prior(clicks, impressions):
    """Moments of a beta-binomial: a + b is 1 / correlation - 1, of two impressions of one group."""
    is_shown = impressions > 0
    n, rate = impressions[is_shown], clicks[is_shown] / impressions[is_shown]
    total = n.sum()
    if len(n) < 2:
        return 0.5, 0.5
    common = np.average(rate, weights=n)
    if common in (0, 1):  # half a click more, and half a miss: a rate of exactly 0 has no spread to speak of
        common = (common * total + 0.5) / (total + 1)
    variance = common * (1 - common)
    free = 1 - n / total
    between = np.sum(n * (rate - common) ** 2) - variance * np.sum(free)
    pairs = variance * np.sum(free * (n - 1))
    correlation = between / pairs if pairs > 0 else 0.0
    # a + b from 1, below which rates near 0 and 1 would be the likely ones, to the number of all impressions.
    strength = 1 / np.clip(correlation, 1 / (1 + total), 0.5) - 1
    return common * strength, (1 - common) * strength


def _check_counts(values, name):
    values = np.asarray(values)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers, one a group; got shape {values.shape} and dtype {values.dtype}.")
    values = values.astype(np.float64)
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        raise ValueError(
            f"{name} must be finite and at least 0; group {np.flatnonzero(wrong)[0]} has {values[wrong][0]}."
        )
    return values


def _check_prior(prior):
    values = np.asarray(prior, dtype=np.float64)
    if values.shape != (2,) or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"prior must be two numbers above 0, or None; got {prior!r}.")
    return values
