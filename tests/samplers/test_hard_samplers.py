"""DNS and WARP against their closed forms, with scores of a model that is known."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chisquare

from skrec import TripletMF
from skrec._kernels._sampling import zero_model
from skrec.losses import HingeLoss
from skrec.samplers import DynamicSampler, MixedSampler, PopularitySampler, UniformSampler, WARPSampler

N = 10
N_DRAWS = 8000


def recommender(scores):
    """A fitted model, as far as samplers look, with the same scores for each of two users."""
    model = zero_model(2, len(scores))._replace(biased=True)
    model.bias[:] = scores
    return SimpleNamespace(_kernel_model=lambda: model)


def counts_by_rank(sampler, scores, seen=None, **arguments):
    """How often the item of each rank (best first) is drawn for user 0."""
    seen = np.zeros((2, len(scores)), int) if seen is None else seen
    drawn = sampler.fit(seen).sample(
        [0], n_samples=N_DRAWS, recommender=recommender(scores), random_state=0, **arguments
    )[0]
    return np.bincount(drawn, minlength=len(scores))[np.argsort(-np.asarray(scores))]


def scores_in_any_order():
    return np.random.default_rng(0).permutation(N).astype(float)


@pytest.mark.parametrize("n_candidates", [1, 2, 5])
def test_the_hardest_of_several_follows_the_rank_law(n_candidates):
    r = np.arange(1, N + 1)
    law = ((N - r + 1.0) ** n_candidates - (N - r) ** n_candidates) / N**n_candidates
    counts = counts_by_rank(DynamicSampler(n_candidates=n_candidates), scores_in_any_order())
    expected = law * N_DRAWS
    rare = expected < 5
    assert abs(counts[rare].sum() - expected[rare].sum()) < 10
    kept = np.append(counts[~rare], counts[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    keep = kept[1] > 0
    assert chisquare(kept[0][keep], kept[1][keep]).pvalue > 1e-3


@pytest.mark.parametrize("n_candidates", [2, 4])
def test_one_of_all_candidates_is_uniform(n_candidates):
    counts = counts_by_rank(DynamicSampler(n_candidates=n_candidates, top_m=n_candidates), scores_in_any_order())
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(("top_m", "n_candidates"), [(2, 3), (3, 5)])
def test_one_of_the_top_m_follows_the_law_of_order_statistics(top_m, n_candidates):
    # The k-th best of the candidates has a rank of at most r where at least k of them do: a binomial tail.
    from scipy.stats import binom

    r = np.arange(N + 1)
    at_most = np.mean([binom.sf(k - 1, n_candidates, r / N) for k in range(1, top_m + 1)], axis=0)
    counts = counts_by_rank(DynamicSampler(n_candidates=n_candidates, top_m=top_m), scores_in_any_order())
    assert chisquare(counts, np.diff(at_most) * N_DRAWS).pvalue > 1e-3


@pytest.mark.wants_jit
@pytest.mark.parametrize("top_m", [1, 3])
def test_candidates_are_never_seen_items(top_m):
    scores, seen = scores_in_any_order(), np.zeros((2, N), int)
    best, second = np.argsort(-scores)[:2]
    seen[0, best], seen[0, second] = 1, -1
    counts = counts_by_rank(DynamicSampler(n_candidates=6, top_m=top_m), scores, seen)
    assert counts[:2].sum() == 0 and counts.sum() == N_DRAWS


@pytest.mark.parametrize("sampler", [DynamicSampler(), DynamicSampler(top_m=2), WARPSampler()])
def test_a_user_with_every_item_has_no_negative(sampler):
    assert sampler.fit(np.ones((2, N), int)).sample([0, 1], n_samples=5).tolist() == [[-1] * 5] * 2


def test_the_hardest_is_judged_by_the_scores_of_the_recommender():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.repeat(np.arange(20), 5), rng.integers(0, 40, 100)])
    model = TripletMF(n_components=8, max_iter=20, random_state=0).fit(X)
    hard = DynamicSampler(n_candidates=500).fit(model.interactions_)
    drawn = hard.sample(np.arange(20), recommender=model, random_state=0)[:, 0]
    scores = model.user_factors_ @ model.item_factors_.T + model.item_biases_
    scores[model.interactions_.toarray() != 0] = -np.inf
    np.testing.assert_array_equal(drawn, scores.argmax(axis=1))


def test_a_recommender_of_another_size_is_refused():
    with pytest.raises(ValueError, match="recommender must have been fitted on the 2 users and 4 items"):
        UniformSampler().fit(np.zeros((2, 4), int)).sample([0], recommender=recommender(np.zeros(5)))


def warp_draws(scores, seen, max_sampled, margin=1.0, n=3000):
    """Positions and weights of draws for user 0, whose positive is item 0."""
    from skrec._kernels._rng import seed_states
    from skrec._kernels._sampling import Pool, draw

    sampler = WARPSampler(max_sampled=max_sampled).fit(np.asarray([seen, seen]))
    state = sampler._make_state(None, HingeLoss(margin=margin))
    model, rng = recommender(scores)._kernel_model(), seed_states(0, 1)[0]
    size = len(scores)
    mark = np.where(np.asarray(seen) > 0, 1, np.where(np.asarray(seen) < 0, 2, 0)).astype(np.int32)
    scratch = np.zeros(1, np.int32), np.zeros(1, np.float32)
    pool = Pool(
        np.arange(size, dtype=np.int32), 0, size, mark, 1, state.excludes, np.zeros(size, np.int32), 0, *scratch
    )
    s_pos = np.float32(scores[0])
    drawn = [draw(state, 0, 0, s_pos, pool, model, rng) for _ in range(n)]
    return state, np.array([position for position, _ in drawn]), np.array([weight for _, weight in drawn])


def harmonic(k):
    return np.sum(1 / np.arange(1, k + 1))


def test_with_equal_scores_warp_takes_the_first_draw_with_full_weight():
    _, positions, weights = warp_draws(np.zeros(8), np.zeros(8, int), max_sampled=10)
    assert (weights == 1.0).all()
    assert chisquare(np.bincount(positions, minlength=8)).pvalue > 1e-3


def test_warp_weighs_by_the_rank_that_the_number_of_draws_implies():
    n = 21
    state = WARPSampler(max_sampled=30).fit(np.zeros((2, n)))._make_state(None, HingeLoss(margin=0.5))
    assert state.margin == 0.5
    expected = [harmonic(max((n - 1) // t, 1)) / harmonic(n - 1) for t in range(1, 31)]
    np.testing.assert_allclose(state.rank_weight[1:], expected)


def test_the_number_of_warp_draws_is_geometric():
    # 4 of 16 items violate: T is geometric with q = 1/4, cut at max_sampled.
    scores = np.full(16, -5.0)
    scores[[0, 3, 7, 11, 15]] = [0.0, 2.0, 1.0, -0.5, 0.5]
    max_sampled, q, n = 6, 3 / 16 + 1 / 16, 6000
    seen = np.zeros(16, int)
    seen[0] = 1
    state, positions, weights = warp_draws(scores, seen, max_sampled, n=n)
    # Weights of the ranks 15 // t tell the numbers of draws apart: 15, 7, 5, 3, 3 (again), 2.
    observed = np.array(
        [(weights == w).sum() for w in np.unique(state.rank_weight[1:])[::-1]] + [(positions < 0).sum()]
    )
    geometric = q * (1 - q) ** np.arange(max_sampled)
    law = np.array([*geometric[:3], geometric[3] + geometric[4], geometric[5], (1 - q) ** max_sampled])
    assert chisquare(observed, law * n).pvalue > 1e-3
    # The positive violates its own margin, but may not be taken: such a draw counts and goes on.
    assert set(positions.tolist()) == {-1, 3, 7, 11, 15}


def test_a_violator_exceeds_the_positive_less_the_margin():
    scores = np.array([0.0, -0.3, -0.7])
    _, positions, _ = warp_draws(scores, np.array([1, 0, 0]), max_sampled=50, margin=0.5, n=200)
    assert set(positions.tolist()) == {1}


def test_without_a_violator_warp_draws_nothing():
    _, positions, weights = warp_draws(np.array([9.0, 0.0, 1.0]), np.array([1, 0, 0]), max_sampled=10, n=100)
    assert (positions == -1).all() and (weights == 0).all()


def test_an_epoch_without_a_draw_changes_no_parameter():
    X = np.array([[u, i] for u in range(5) for i in range(4)])  # everybody has everything
    before, after = (
        TripletMF(n_components=4, loss="warp", optimizer="sgd", max_iter=n, random_state=0).fit(X) for n in (0, 3)
    )
    np.testing.assert_array_equal(after.user_factors_, before.user_factors_)
    np.testing.assert_array_equal(after.item_factors_, before.item_factors_)
    assert after.loss_curve_ == [0.0] * 3


def test_warp_in_a_mixture_sees_the_score_of_the_positive():
    # Only item 1 violates the margin of the positive, item 0; scores of 0 would make item 2 a violator as well.
    scores = np.array([5.0, 6.0, 3.0, 2.0])
    seen = np.array([[1, 0, 0, 0]] * 2)
    mixed = MixedSampler([("warp", WARPSampler(max_sampled=200), 1.0)]).fit(seen)
    drawn = mixed.sample([0], n_samples=200, recommender=recommender(scores), random_state=0)
    assert set(drawn.ravel().tolist()) == {1}


@pytest.mark.wants_jit
def test_a_mixture_holds_its_shares_of_hard_and_easy_negatives():
    scores = scores_in_any_order()
    mixed = MixedSampler(
        [
            ("easy", UniformSampler(), 0.25),
            ("hard", DynamicSampler(n_candidates=300), 0.5),
            ("p", PopularitySampler(), 0.25),
        ]
    )
    counts = counts_by_rank(mixed, scores)
    np.testing.assert_allclose(counts / N_DRAWS, [0.55] + [0.05] * 9, atol=0.02)
