"""Intervals and comparisons: exact answers in small cases, coverage and level by simulation."""

import numpy as np
import pytest
from scipy.stats import bootstrap, kstest, permutation_test

from skrec.metrics import bootstrap_interval, compare_models


def test_estimate_is_the_mean_of_the_users_with_a_value():
    assert bootstrap_interval([1.0, 2.0, np.nan, 6.0], random_state=0).estimate == 3.0
    assert bootstrap_interval([1.0, 2.0, 6.0], weights=[1, 1, 2], random_state=0).estimate == 3.75


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(0).exponential(size=200)
    found = bootstrap_interval(values, n_resamples=20_000, random_state=0)
    expected = bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert found.low == pytest.approx(expected.low, abs=0.01)
    assert found.high == pytest.approx(expected.high, abs=0.01)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_interval_covers_the_truth_as_often_as_it_says(level):
    rng = np.random.default_rng(1)
    samples = rng.beta(9, 1, size=(600, 150))
    intervals = np.array(
        [bootstrap_interval(s, confidence_level=level, n_resamples=400, random_state=0) for s in samples]
    )
    covered = np.mean((intervals[:, 1] <= 0.9) & (intervals[:, 2] >= 0.9))
    assert covered == pytest.approx(level, abs=0.04)


def test_constant_values_have_an_interval_of_no_width():
    assert bootstrap_interval(np.full(10, 0.25), random_state=0) == (0.25, 0.25, 0.25)


def test_users_of_weight_zero_do_not_enter():
    values = np.random.default_rng(2).normal(size=50)
    padded, weights = np.append(values, [100.0, np.nan]), np.append(np.ones(50), [0.0, 1.0])
    assert bootstrap_interval(padded, weights=weights, random_state=0) == bootstrap_interval(values, random_state=0)


def test_same_seed_same_interval():
    values = np.random.default_rng(3).normal(size=5000)
    one, two, other = (bootstrap_interval(values, random_state=seed) for seed in (0, 0, 1))
    assert one == two
    assert one != other


def test_three_equal_differences_are_matched_by_two_of_eight_signs():
    result = compare_models([1.0, 2.0, 3.0], [0.5, 1.5, 2.5], random_state=0)
    assert result.difference == 0.5
    assert result.p_value == 2 / 8
    assert (result.low, result.high, result.n_users) == (0.5, 0.5, 3)


def test_exact_p_value_equals_scipy():
    a, b = np.random.default_rng(4).normal(size=(2, 11))
    expected = permutation_test((a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf)
    assert compare_models(a, b, n_resamples=5000).p_value == pytest.approx(expected.pvalue, rel=1e-12)


def test_drawn_signs_agree_with_all_signs():
    a, b = np.random.default_rng(5).normal(size=(2, 14)) + [[0.3], [0.0]]
    exact = compare_models(a, b, n_resamples=2**14).p_value
    drawn = compare_models(a, b, n_resamples=2**14 - 1, random_state=0).p_value
    assert drawn == pytest.approx(exact, abs=0.015)


def test_p_values_are_uniform_when_the_models_are_alike():
    rng = np.random.default_rng(6)
    pairs = rng.normal(size=(500, 2, 40)) + rng.normal(scale=3, size=(500, 1, 40))
    p_values = [compare_models(a, b, n_resamples=199, random_state=i).p_value for i, (a, b) in enumerate(pairs)]
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.025)


def test_clear_difference_has_the_least_p_value_and_an_interval_above_zero():
    rng = np.random.default_rng(7)
    b = rng.normal(size=300)
    result = compare_models(b + rng.normal(0.5, 0.1, size=300), b, n_resamples=999, random_state=0)
    assert result.p_value == 1 / 1000
    assert 0.47 < result.low < result.difference < result.high < 0.53
    assert result.high - result.low == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(300), rel=0.15)


def test_swapping_the_models_turns_the_sign():
    a, b = np.random.default_rng(8).normal(size=(2, 100))
    there, back = compare_models(a, b, random_state=0), compare_models(b, a, random_state=0)
    assert there.difference == -back.difference
    assert there.p_value == back.p_value


def test_identical_models_do_not_differ():
    a = np.random.default_rng(9).normal(size=50)
    assert compare_models(a, a, random_state=0) == (0.0, 0.0, 0.0, 1.0, 50)


def test_only_users_with_both_values_enter():
    assert compare_models([1.0, np.nan, 3.0], [0.0, 1.0, np.nan]).n_users == 1


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([[1.0]], {}, r"values must be numbers, one a user, got shape \(1, 1\)"),
        (["a"], {}, "values must be numbers, one a user"),
        ([np.inf], {}, "values contains infinity"),
        ([np.nan], {}, "values holds no user with a value"),
        ([], {}, "values holds no user with a value"),
        ([1.0], {"weights": [1.0, 2.0]}, r"weights must have the shape of values, \(1,\), got \(2,\)"),
        ([1.0], {"weights": [-1.0]}, "weights must be at least 0"),
        ([1.0], {"confidence_level": 95}, "confidence_level=95 must be a number between 0 and 1"),
        ([1.0], {"n_resamples": 0}, "n_resamples=0 must be an integer of at least 1"),
    ],
)
def test_bad_input_of_an_interval_is_named(values, options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(values, **options)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1.0, 2.0], [1.0], "a and b must hold the same users, got 2 and 1"),
        ([1.0, np.nan], [np.nan, 1.0], "No user has a value for both a and b"),
        ([1.0], ["x"], "b must be numbers"),
    ],
)
def test_bad_input_of_a_comparison_is_named(a, b, message):
    with pytest.raises(ValueError, match=message):
        compare_models(a, b)
