"""Whether probabilities come true: by bins, and in one number."""

import numpy as np
from scipy.special import ndtri
from sklearn.utils import Bunch

from skrec.metrics._inference import _check_confidence
from skrec.metrics._names import check_count, check_option

_STRATEGIES = ("quantile", "uniform")


def expected_calibration_error(y_true, y_prob, *, sample_weight=None, n_bins=10, strategy="quantile"):
    """Mean distance between predicted probability and observed rate, over bins of like predictions.

    Rows are put in bins by their prediction. In each bin the mean prediction is compared with the observed rate, and
    the distances are averaged, each bin by its weight. 0 is best.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        Labels 0 and 1 (or booleans), or rates from 0 to 1, as clicks divided by impressions.
    y_prob : array-like of shape (n_rows,)
        Predicted probability of 1, as from ``predict_proba(X)[:, 1]``.
    sample_weight : array-like of shape (n_rows,), default=None
        Weights, at least 0. With ``y_true = clicks / impressions`` and the impressions as weights, the result is that
        of a row for each impression.
    n_bins : int, default=10
        Number of bins.
    strategy : {"quantile", "uniform"}, default="quantile"
        "quantile": bins of about the same weight. "uniform": bins of the same width, from 0 to 1. Where most
        probabilities are small, as click rates are, uniform bins put nearly all rows in the first and see little.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        When a probability is not within 0 and 1 (as log-odds are not), or lengths differ.

    See Also
    --------
    calibration_bins : The bins themselves, as for a reliability plot.

    Notes
    -----
    Chance keeps it above 0: with weight n in all and b bins, a perfect model with rate p has about
    ``sqrt(2 * b * p * (1 - p) / (pi * n))``. Rows of the same prediction share a bin, so that their order does not
    matter; a bin may be empty for it.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
       Binning", AAAI 2015.
    .. [2] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
       equation 3.

    Examples
    --------
    >>> from skrec.metrics import expected_calibration_error
    >>> expected_calibration_error([0, 1, 1, 1], [0.25, 0.25, 0.75, 0.75], n_bins=2)
    0.25
    >>> clicks_over_impressions, impressions = [0.1, 0.02], [100, 1000]
    >>> round(expected_calibration_error(clicks_over_impressions, [0.1, 0.03], sample_weight=impressions), 4)
    0.0091
    """
    bins = calibration_bins(y_true, y_prob, sample_weight=sample_weight, n_bins=n_bins, strategy=strategy)
    return float(np.average(np.abs(bins.prob_true - bins.prob_pred), weights=bins.weight))


def calibration_bins(y_true, y_prob, *, sample_weight=None, n_bins=10, strategy="quantile", confidence_level=0.95):
    """Mean prediction and observed rate in bins of like predictions, with weights and intervals.

    What :func:`sklearn.calibration.calibration_curve` does, for rows that stand for many impressions each. For a
    reliability plot give the result to :class:`sklearn.calibration.CalibrationDisplay`.

    Parameters
    ----------
    y_true, y_prob, sample_weight, n_bins, strategy
        As in :func:`expected_calibration_error`.
    confidence_level : float, default=0.95
        Of the intervals of `prob_true`.

    Returns
    -------
    Bunch
        Of arrays, an entry for each bin that is not empty, by ascending prediction: `prob_true`, the observed rate;
        `prob_pred`, the mean prediction; `low` and `high`, the interval of the observed rate; `weight`.

    Raises
    ------
    ValueError
        When a probability is not within 0 and 1, or lengths differ.

    Notes
    -----
    The interval is Wilson's score interval, with the bin's weight as the number of trials: it is right for rows of
    weight 1 and for impressions, and not for other weights. What a model predicts for a row counts as given.

    References
    ----------
    .. [1] E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.

    Examples
    --------
    >>> from skrec.metrics import calibration_bins
    >>> bins = calibration_bins([0.1, 0.02], [0.1, 0.03], sample_weight=[100, 1000], n_bins=2)
    >>> bins.prob_pred, bins.prob_true, bins.weight
    (array([0.03, 0.1 ]), array([0.02, 0.1 ]), array([1000.,  100.]))
    >>> bins.low.round(3), bins.high.round(3)
    (array([0.013, 0.055]), array([0.031, 0.174]))
    """
    y_true, y_prob = _check_probability(y_true, "y_true"), _check_probability(y_prob, "y_prob")
    weight = np.ones(len(y_prob)) if sample_weight is None else _check_weight(sample_weight)
    if not len(y_true) == len(y_prob) == len(weight):
        lengths = f"{len(y_true)}, {len(y_prob)} and {len(weight)}"
        raise ValueError(f"y_true, y_prob and sample_weight must have one entry a row; got {lengths} entries.")
    if not weight.any():
        raise ValueError("There is no row of positive weight: nothing can be compared.")
    n_bins = check_count(n_bins, "n_bins")
    check_option(strategy, "strategy", _STRATEGIES)
    _check_confidence(confidence_level)

    # One entry a distinct prediction, so that equal ones share a bin, and rows may come merged or one by one.
    prediction, of_row = np.unique(y_prob[weight > 0], return_inverse=True)
    mass = np.bincount(of_row, weight[weight > 0])
    observed = np.bincount(of_row, (weight * y_true)[weight > 0])
    # Where in 0 to 1 a prediction lies: by itself, or by the weight below it and half of its own.
    place = prediction if strategy == "uniform" else (np.cumsum(mass) - mass / 2) / mass.sum()
    bin_of = np.minimum((place * n_bins).astype(np.int64), n_bins - 1)
    total = np.bincount(bin_of, mass, minlength=n_bins)
    kept = total > 0
    total = total[kept]
    prob_true = np.bincount(bin_of, observed, minlength=n_bins)[kept] / total
    prob_pred = np.bincount(bin_of, mass * prediction, minlength=n_bins)[kept] / total
    low, high = _wilson(prob_true, total, confidence_level)
    return Bunch(prob_true=prob_true, prob_pred=prob_pred, low=low, high=high, weight=total)


def _wilson(rate, n, confidence_level):
    z = ndtri((1 + confidence_level) / 2)
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def _check_probability(values, name):
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        column = ": of predict_proba give the column of the positives, [:, 1]" if values.ndim == 2 else ""
        raise ValueError(
            f"{name} must be numbers, one a row{column}; got shape {values.shape} and dtype {values.dtype}."
        )
    values = values.astype(np.float64)
    wrong = ~((values >= 0) & (values <= 1))  # also nan
    if wrong.any():
        raise ValueError(
            f"{name} must be within 0 and 1; got {values[wrong][0]!s} in row {np.flatnonzero(wrong)[0]}. "
            f"Scores and log-odds are not probabilities: use predict_proba."
        )
    return values


def _check_weight(values):
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise ValueError(
            f"sample_weight must be numbers, one a row; got shape {values.shape} and dtype {values.dtype}."
        )
    values = values.astype(np.float64)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError("sample_weight must be finite and at least 0.")
    return values
