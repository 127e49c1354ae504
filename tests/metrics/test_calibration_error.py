"""Calibration error and its bins: against the definition, and the same for rows and for counts."""

import numpy as np
import pytest
from sklearn.calibration import CalibrationDisplay, calibration_curve

from skrec.metrics import calibration_bins, expected_calibration_error


def _rows(n_rows=2000, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.beta(1, 6, n_rows)
    return (rng.random(n_rows) < probability**1.3).astype(int), probability


def test_ece_is_the_mean_distance_by_hand():
    y, p = [0, 0, 1, 1, 1, 0], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9]
    by_hand = 0.5 * abs(1 / 3 - 0.2) + 0.5 * abs(2 / 3 - 0.8)
    assert expected_calibration_error(y, p, n_bins=2) == pytest.approx(by_hand)
    assert expected_calibration_error(y, p, n_bins=2, strategy="uniform") == pytest.approx(by_hand)
    assert expected_calibration_error(y, p, n_bins=1) == pytest.approx(0)


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
def test_bins_are_those_of_scikit_learn(strategy):
    y, p = _rows()
    bins = calibration_bins(y, p, n_bins=8, strategy=strategy)
    prob_true, prob_pred = calibration_curve(y, p, n_bins=8, strategy=strategy)
    # With quantile bins scikit-learn's edges lie between rows, and may give a row at an edge to the other side.
    tolerance = 0.01 if strategy == "quantile" else 1e-12
    np.testing.assert_allclose(bins.prob_true, prob_true, atol=tolerance)
    np.testing.assert_allclose(bins.prob_pred, prob_pred, atol=tolerance)
    assert CalibrationDisplay(bins.prob_true, bins.prob_pred, p).plot().line_ is not None


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
def test_shares_with_impressions_as_weights_equal_a_row_for_each_impression(strategy):
    rng = np.random.default_rng(1)
    impressions = rng.integers(0, 9, 300)
    p = rng.choice(np.linspace(0.01, 0.6, 40), 300)
    clicks = rng.binomial(impressions, p)
    expanded_y = np.concatenate([np.repeat([1, 0], [k, n - k]) for k, n in zip(clicks, impressions, strict=True)])
    expanded = calibration_bins(expanded_y, np.repeat(p, impressions), strategy=strategy)
    share = np.divide(clicks, impressions, out=np.zeros(300), where=impressions > 0)
    counted = calibration_bins(share, p, sample_weight=impressions, strategy=strategy)
    for name in ("prob_true", "prob_pred", "low", "high", "weight"):
        np.testing.assert_allclose(counted[name], expanded[name], rtol=1e-12)


def test_the_order_of_equal_predictions_does_not_matter():
    y, p = np.r_[np.ones(50), np.zeros(50)], np.full(100, 0.5)
    assert expected_calibration_error(y, p, n_bins=10) == 0
    y, p = _rows()
    order = np.random.default_rng(0).permutation(len(y))
    p = p.round(2)
    assert expected_calibration_error(y[order], p[order]) == pytest.approx(expected_calibration_error(y, p), abs=1e-15)


def test_calibrated_rows_are_near_zero_as_the_note_says_and_others_are_not():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.01, 0.05, 20_000)
    y = rng.random(20_000) < p
    by_chance = np.sqrt(2 * 10 * 0.03 * 0.97 / (np.pi * 20_000))
    assert expected_calibration_error(y, p) < 2 * by_chance
    assert expected_calibration_error(y, 2 * p) == pytest.approx(0.03, abs=3 * by_chance)


def test_intervals_of_the_bins_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(2)
    held = []
    for _ in range(40):
        p = rng.choice([0.01, 0.03, 0.08, 0.2], 2000)
        bins = calibration_bins(rng.random(2000) < p, p, n_bins=4, strategy="uniform")
        truth = bins.prob_pred
        held += ((bins.low <= truth) & (truth <= bins.high)).tolist()
    assert 0.88 < np.mean(held) <= 1


@pytest.mark.parametrize(
    ("y", "p", "options", "message"),
    [
        ([0, 1], [0.5, 1.5], {}, "y_prob must be within 0 and 1; got 1.5 in row 1.*predict_proba"),
        ([0, 1], [0.5, -2.0], {}, "y_prob must be within 0 and 1; got -2.0 in row 1"),
        ([0, 1], [0.5, np.nan], {}, "y_prob must be within 0 and 1; got nan in row 1"),
        ([0, 2], [0.5, 0.5], {}, "y_true must be within 0 and 1; got 2.0 in row 1"),
        ([0, 1], [[0.5, 0.5], [0.5, 0.5]], {}, r"y_prob must be numbers, one a row.*\[:, 1\]"),
        ([0, 1, 1], [0.5, 0.5], {}, "one entry a row; got 3, 2 and 2"),
        ([0, 1], [0.5, 0.5], {"sample_weight": [1, -1]}, "sample_weight must be finite and at least 0"),
        ([0, 1], [0.5, 0.5], {"sample_weight": [0, 0]}, "no row of positive weight"),
        ([0, 1], [0.5, 0.5], {"n_bins": 0}, "n_bins=0 must be an integer of at least 1"),
        ([0, 1], [0.5, 0.5], {"strategy": "mass"}, "strategy='mass' must be one of 'quantile', 'uniform'"),
    ],
)
def test_what_is_no_probability_is_named(y, p, options, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(y, p, **options)
