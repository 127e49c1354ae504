"""Smoothed rates: the prior is found, smoothing helps, and intervals hold what they say."""

import numpy as np
import pytest
from scipy.stats import beta

from skrec.metrics import smoothed_rates


def _ads(a, b, n_ads=3000, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.beta(a, b, n_ads)
    impressions = np.ceil(rng.lognormal(4, 1.5, n_ads)).astype(int)
    return truth, rng.binomial(impressions, truth), impressions


@pytest.mark.parametrize(("a", "b"), [(2.0, 60.0), (20.0, 480.0), (1.0, 3.0)])
def test_the_prior_that_made_the_rates_is_found(a, b):
    _, clicks, impressions = _ads(a, b)
    found_a, found_b = smoothed_rates(clicks, impressions).prior
    assert found_a / (found_a + found_b) == pytest.approx(a / (a + b), rel=0.05)
    assert found_a + found_b == pytest.approx(a + b, rel=0.25)


def test_the_rate_is_that_of_the_formula_and_the_interval_that_of_the_beta_distribution():
    found = smoothed_rates([10, 0], [1000, 5], prior=(2, 98), confidence_level=0.9)
    np.testing.assert_allclose(found.rate, [12 / 1100, 2 / 105])
    np.testing.assert_allclose(found.low, beta.ppf(0.05, [12, 2], [1088, 103]))
    np.testing.assert_allclose(found.high, beta.ppf(0.95, [12, 2], [1088, 103]))
    assert found.prior == (2.0, 98.0)


def test_intervals_hold_the_truth_as_often_as_they_say():
    truth, clicks, impressions = _ads(2, 60)
    found = smoothed_rates(clicks, impressions)
    assert np.mean((found.low <= truth) & (truth <= found.high)) == pytest.approx(0.95, abs=0.015)
    few = impressions < 20
    assert np.mean(((found.low <= truth) & (truth <= found.high))[few]) == pytest.approx(0.95, abs=0.03)


def test_smoothed_rates_are_nearer_to_the_truth_than_raw_and_common_ones():
    truth, clicks, impressions = _ads(2, 60)
    smoothed, raw = smoothed_rates(clicks, impressions).rate, clicks / impressions
    common = clicks.sum() / impressions.sum()
    error, raw_error, common_error = (np.mean((rate - truth) ** 2) for rate in (smoothed, raw, common))
    assert error < 0.5 * raw_error
    assert error < 0.7 * common_error


def test_rates_that_do_not_differ_become_one_and_no_surer_than_all_impressions_make_it():
    rng = np.random.default_rng(0)
    impressions = np.full(400, 50)
    found = smoothed_rates(rng.binomial(50, 0.1, 400), impressions)
    assert np.ptp(found.rate) < 0.02
    alike = smoothed_rates([5, 5, 5], [100, 100, 100])
    assert sum(alike.prior) == pytest.approx(300)
    np.testing.assert_allclose(alike.rate, 0.05)


@pytest.mark.parametrize(
    ("clicks", "impressions"), [([0, 0], [10, 20]), ([10, 20], [10, 20]), ([3], [10]), ([0, 1], [1, 1]), ([0], [0])]
)
def test_extreme_counts_give_rates_within_their_intervals(clicks, impressions):
    found = smoothed_rates(clicks, impressions)
    assert (found.low < found.rate).all()
    assert (found.rate < found.high).all()
    assert (found.low >= 0).all()
    assert (found.high <= 1).all()


@pytest.mark.parametrize(
    ("clicks", "impressions", "options", "message"),
    [
        ([1, 2], [3], {}, "one entry a group; got 2, 1"),
        ([1, 5], [3, 4], {}, "clicks must not exceed impressions; group 1 has 5 in 4"),
        ([-1, 2], [3, 4], {}, "clicks must be finite and at least 0; group 0 has -1"),
        ([1, 2], [3, np.nan], {}, "impressions must be finite and at least 0; group 1 has nan"),
        ([1], [3], {"prior": (0, 1)}, r"prior must be two numbers above 0, or None; got \(0, 1\)"),
        ([1], [3], {"confidence_level": 95}, "confidence_level=95 must be a number between 0 and 1"),
    ],
)
def test_wrong_counts_are_named(clicks, impressions, options, message):
    with pytest.raises(ValueError, match=message):
        smoothed_rates(clicks, impressions, **options)
