"""Click rates from impressions: the planted truth comes back, within the errors that are stated."""

import numpy as np
import pytest
from scipy.special import expit, logit

from skrec import CTRRanker
from skrec.datasets import make_interactions
from skrec.metrics import expected_calibration_error, smoothed_rates


@pytest.fixture(scope="module")
def slates():
    return make_interactions(
        n_users=1500, n_items=60, n_interactions=45_000, n_positions=6, intercept=-2.0, signal=1.5, random_state=0
    )


def _totals(log, values=None):
    return np.bincount(log.data["item_id"], values, minlength=60)


def test_rates_of_items_are_found_behind_the_position_bias(slates):
    truth = _totals(slates, slates.like_probability) / _totals(slates)
    clicks = _totals(slates, slates.target)
    found = smoothed_rates(clicks, _totals(slates, slates.examination_probability))
    assert np.mean((found.low <= truth) & (truth <= found.high)) >= 0.9
    assert found.rate.mean() == pytest.approx(truth.mean(), rel=0.05)
    seen = smoothed_rates(clicks, _totals(slates))
    assert seen.rate.mean() < 0.5 * truth.mean()  # most impressions are not looked at


def test_inverse_propensities_of_positions_are_right_but_less_sure(slates):
    truth = _totals(slates, slates.like_probability) / _totals(slates)
    weighted = slates.target / slates.examination_probability
    by_ips = _totals(slates, weighted) / _totals(slates)
    assert by_ips.mean() == pytest.approx(truth.mean(), rel=0.08)
    found = smoothed_rates(_totals(slates, slates.target), _totals(slates, slates.examination_probability)).rate
    assert np.mean((found - truth) ** 2) < 0.7 * np.mean((by_ips - truth) ** 2)


@pytest.fixture(scope="module")
def counts():
    """Impressions and clicks of ads on pages by position, where an ad that is thought good stands higher."""
    rng = np.random.default_rng(0)
    n_pages, n_ads, n_positions = 60, 40, 4
    world = make_interactions(n_pages, n_ads, 2 * n_pages, intercept=-2.5, signal=0.5, random_state=0)
    log_odds = logit(world.true_preference.matrix().astype(np.float64)) + rng.normal(0, 0.8, n_ads)
    truth = expit(log_odds).ravel()
    thought = np.argsort(np.argsort(-log_odds.ravel() + rng.normal(0, 1.5, truth.size))) / truth.size
    share = np.exp(-np.abs(np.arange(n_positions) - 3 * thought[:, None] ** 3))
    shown = rng.multinomial(rng.integers(50, 300, truth.size), share / share.sum(axis=1, keepdims=True))
    looked = 1.0 / np.arange(1, n_positions + 1)
    clicks = rng.binomial(shown, truth[:, None] * looked)
    return np.column_stack(np.divmod(np.arange(truth.size), n_ads)), truth, shown, clicks, looked


_SETTINGS = {
    "n_components": 6,
    "optimizer": "adam",
    "learning_rate": 0.005,
    "l2": 1e-5,
    "max_iter": 60,
    "early_stopping": True,
    "random_state": 0,
}


@pytest.mark.wants_jit
def test_ctr_ranker_learns_click_rates_behind_the_position_where_the_pairs_alone_cannot(counts):
    ids, truth, shown, clicks, _ = counts
    pair, place = np.nonzero(shown)
    X, weight = np.column_stack([ids[pair], place + 1]), shown[pair, place]
    y = clicks[pair, place] / weight
    neutral = CTRRanker(position=2, **_SETTINGS).fit(X, y, sample_weight=weight)
    assert neutral.position_ == 1
    rate = neutral.predict_proba(np.column_stack([ids, np.full(len(ids), 4)]))[:, 1]  # whatever position is asked for
    blind = CTRRanker(**_SETTINGS).fit(X[:, :2], y, sample_weight=weight).predict_proba(ids)[:, 1]
    assert rate.mean() == pytest.approx(truth.mean(), rel=0.1)
    assert blind.mean() < 0.85 * truth.mean()
    assert expected_calibration_error(truth, rate) < 0.5 * expected_calibration_error(truth, blind)
    pairs_alone = smoothed_rates(clicks[:, 0], shown[:, 0]).rate  # the first position only, which has no bias
    assert np.mean(np.abs(rate - truth)) < np.mean(np.abs(pairs_alone - truth))


@pytest.mark.wants_jit
def test_expected_examinations_as_weights_give_the_rates_of_what_is_looked_at(counts):
    ids, truth, shown, clicks, looked = counts
    examined, k = shown @ looked, clicks.sum(axis=1)
    rate = CTRRanker(**_SETTINGS).fit(ids, k / examined, sample_weight=examined).predict_proba(ids)[:, 1]
    assert rate.mean() == pytest.approx(truth.mean(), rel=0.05)
    assert expected_calibration_error(truth, rate) < 0.1 * truth.mean()
