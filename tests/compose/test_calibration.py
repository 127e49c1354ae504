"""The maps that make scores of two models comparable, by their known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import rankdata

from skrec.compose._calibration import CALIBRATORS, Isotonic, Platt, Rank, ZScore

blocks = st.integers(0, 2**31 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(-20, 20, size=(3, 30)).astype(np.float32)
)


def logits_and_outcomes(n=40_000, seed=0):
    """Log-odds, and outcomes that happen with just these odds."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=n) * 1.5
    return scores, rng.random(n) < expit(scores)


def learnt(name, seed=0):
    calibrator = CALIBRATORS[name]()
    return calibrator.fit(*logits_and_outcomes(2000, seed)) if calibrator.is_learnt else calibrator


@pytest.mark.parametrize("name", CALIBRATORS)
@settings(max_examples=25)
@given(block=blocks)
def test_no_map_turns_two_scores_of_a_user_around_or_ties_them(name, block):
    mapped = learnt(name).transform(block)
    assert mapped.shape == block.shape and mapped.dtype == np.float64
    np.testing.assert_array_equal(rankdata(mapped.round(9), axis=1), rankdata(block, axis=1))


@pytest.mark.parametrize("name", CALIBRATORS)
def test_the_block_given_is_not_written_to(name):
    block = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32)
    before = block.copy()
    learnt(name).transform(block)[:] = 7
    np.testing.assert_array_equal(block, before)


def test_z_scores_have_mean_0_and_deviation_1_for_each_user():
    mapped = ZScore().transform(np.random.default_rng(0).normal(size=(5, 40)) * 9 + 4)
    np.testing.assert_allclose(mapped.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(mapped.std(axis=1), 1)


@settings(max_examples=25)
@given(block=blocks, slope=st.sampled_from([0.01, 3.0]), shift=st.sampled_from([-5.0, 0.0, 9.0]))
def test_z_scores_do_not_see_scale_and_shift(block, slope, shift):
    np.testing.assert_allclose(
        ZScore().transform(slope * block.astype(np.float64) + shift), ZScore().transform(block), atol=1e-9
    )


def test_equal_scores_are_0_and_not_rounding_noise_blown_up():
    block = np.full((2, 7), 0.1, dtype=np.float32)
    np.testing.assert_array_equal(ZScore().transform(block), 0)


def test_ranks_go_from_1_for_the_best_to_0_for_the_worst_and_ties_share():
    mapped = Rank().transform(np.array([[5.0, 1.0, 3.0, 3.0, 9.0]]))
    np.testing.assert_allclose(mapped, [[0.75, 0.0, 0.375, 0.375, 1.0]])
    np.testing.assert_array_equal(Rank().transform(np.array([[5.0]])), 0)


@settings(max_examples=25)
@given(block=blocks)
def test_ranks_do_not_see_monotone_maps(block):
    expected = Rank().transform(block)
    for monotone in (np.exp, np.cbrt, lambda s: 7 * s - 2):
        np.testing.assert_array_equal(Rank().transform(monotone(block.astype(np.float64))), expected)


def test_platt_leaves_calibrated_log_odds_alone():
    calibrator = Platt().fit(*logits_and_outcomes())
    assert calibrator.slope_ == pytest.approx(1, abs=0.05)
    assert calibrator.intercept_ == pytest.approx(0, abs=0.05)


def test_platt_undoes_a_scale_and_a_shift():
    scores, outcomes = logits_and_outcomes()
    calibrator = Platt().fit(scores * 4 + 3, outcomes)
    np.testing.assert_allclose(calibrator.transform(scores * 4 + 3), scores, atol=0.2)


def test_platt_minimises_its_loss_on_smoothed_targets():
    scores, outcomes = logits_and_outcomes(300)
    calibrator = Platt().fit(scores, outcomes)
    n_own, n_other = outcomes.sum(), (~outcomes).sum()
    target = np.where(outcomes, (n_own + 1) / (n_own + 2), 1 / (n_other + 2))

    def loss(slope, intercept):
        z = slope * scores + intercept
        return np.sum(np.logaddexp(0, z) - target * z)

    least = loss(calibrator.slope_, calibrator.intercept_)
    for slope, intercept in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        assert loss(calibrator.slope_ + slope, calibrator.intercept_ + intercept) > least


def test_platt_is_finite_where_the_pairs_can_be_parted():
    mapped = Platt().fit(np.array([1.0, 2, 3, 4]), np.array([False, False, True, True])).transform(np.array([[0.0, 9]]))
    assert np.isfinite(mapped).all() and mapped[0, 0] < mapped[0, 1]


@pytest.mark.parametrize("name", ["platt", "isotonic"])
def test_a_model_that_is_wrong_way_round_is_flat_and_not_turned_around(name):
    scores, outcomes = logits_and_outcomes(2000)
    calibrator = CALIBRATORS[name]().fit(-scores, outcomes)
    low, middle, high = calibrator.transform(np.array([[-1.5, 0.0, 1.5]]))[0]
    assert low < middle < high < low + 0.1
    assert middle == pytest.approx(logit(outcomes.mean()), abs=0.05)


@pytest.mark.parametrize("name", ["platt", "isotonic"])
def test_scores_that_are_all_equal_can_be_learnt_from(name):
    calibrator = CALIBRATORS[name]().fit(np.full(50, 0.3), np.arange(50) < 10)
    assert calibrator.transform(np.array([[0.3]]))[0, 0] == pytest.approx(logit(0.2), abs=0.1)


def test_isotonic_probabilities_rise_and_keep_the_mean():
    scores, outcomes = logits_and_outcomes(3000)
    regression = Isotonic().fit(scores, outcomes).regression_
    fitted = regression.predict(scores)
    assert np.all(np.diff(fitted[np.argsort(scores)]) >= 0)
    assert fitted.mean() == pytest.approx(outcomes.mean(), rel=1e-9)


def test_isotonic_finds_log_odds_behind_any_monotone_map():
    scores, outcomes = logits_and_outcomes()
    bent = np.exp(scores)
    middle = np.abs(scores) < 1.5
    found = Isotonic().fit(bent, outcomes).transform(bent)[middle]
    assert np.corrcoef(found, scores[middle])[0, 1] > 0.98
    assert np.mean(np.abs(found - scores[middle])) < 0.15


def test_isotonic_is_never_certain():
    mapped = Isotonic().fit(np.arange(100.0), np.arange(100) >= 50).transform(np.array([[-1e3, 1e3]]))
    assert np.isfinite(mapped).all() and mapped[0, 0] < 0 < mapped[0, 1]
