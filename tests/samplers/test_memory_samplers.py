"""SRNS and GDNS: memories, their refresh, the spread and the gain of a preference, and what is drawn by them."""

import itertools
import pickle
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import chisquare
from sklearn.base import clone

from skrec import TripletMF
from skrec._kernels._memory import (
    _logistic,
    expected_preference,
    gain_of,
    make_refresh_scratch,
    refresh_memory,
    spread_of,
)
from skrec._kernels._partition import deal_items, make_partition
from skrec._kernels._rng import seed_states
from skrec._kernels._sampling import zero_model
from skrec.losses import HingeLoss
from skrec.samplers import DynamicSampler, GainSampler, MixedSampler, UniformSampler, VarianceSampler
from skrec.samplers._base import run_in_turn

each_sampler = pytest.mark.parametrize("sampler", [VarianceSampler(), GainSampler()], ids=["variance", "gain"])

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow in plain Python, which has one thread anyway")


def model_of(scores):
    """A model of two users with the same scores."""
    model = zero_model(2, len(scores))._replace(biased=True)
    model.bias[:] = scores
    return model


def recommender(scores):
    return SimpleNamespace(_kernel_model=lambda: model_of(scores))


def begun(sampler, seen, scores_by_epoch, n_blocks=1):
    """The sampler before the epoch that follows these, of a model with the scores of each."""
    seen = csr_array(np.asarray(seen, dtype=np.int8))
    fitted = clone(sampler).fit(seen)
    partition = make_partition(seen.indptr.astype(np.int64), seen.shape[1], n_blocks, n_blocks)
    for epoch, scores in enumerate(scores_by_epoch):
        fitted._begin_epoch(model_of(scores), epoch, np.random.default_rng([0, epoch]), partition, run_in_turn)
    return fitted


def memories(sampler):
    """The remembered items of each user, without free places."""
    rows = np.split(sampler.memory_, sampler._bounds[1:-1])
    return [row[row >= 0] for row in rows]


def interactions(n_users=60, n_items=40, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.repeat(np.arange(n_users), 8), rng.integers(0, n_items, 8 * n_users)])
    return np.unique(np.vstack([X, np.column_stack([np.arange(n_items) % n_users, np.arange(n_items)])]), axis=0)


def fit(sampler, X=None, **parameters):
    parameters = {"n_components": 8, "max_iter": 6, "random_state": 0, **parameters}
    return TripletMF(sampler=sampler, **parameters).fit(interactions() if X is None else X)


# --- known answers


def test_the_spread_is_the_standard_deviation_of_the_snapshots():
    history = np.array([[0, 0, 1, 1, 0.5], [0.3] * 5], np.float32).T.copy()
    out = np.empty(2, np.float32)
    spread_of(history, out)
    np.testing.assert_allclose(out, [0.4472, 0.0], atol=1e-4)


def test_a_pair_with_less_history_has_the_spread_of_what_there_is_and_0_of_one():
    nan = np.nan
    history = np.array([[0.2, 0.6, nan, nan], [0.7, nan, nan, nan], [nan] * 4], np.float32).T.copy()
    out = np.empty(3, np.float32)
    spread_of(history, out)
    np.testing.assert_allclose(out, [0.2, 0.0, 0.0], atol=1e-6)


def gains(history, smoothing=0.5, epsilon=0.1):
    out = np.empty(np.shape(history)[0], np.float32)
    gain_of(np.array(history, np.float32)[:, ::-1].T.copy(), smoothing, epsilon, out)  # the latest comes first
    return out


def test_the_gain_of_a_constant_preference_stays_at_a_half():
    np.testing.assert_allclose(gains([[0.3] * 5]), 0.5)


def test_the_gain_follows_its_recursion():
    h, g = [0.6, 0.4, 0.5, 0.1], 0.5
    for before, now in itertools.pairwise(h):
        g = 0.7 * g + 0.3 / (1 + np.exp(-(before - now) / (now + 0.05)))
    np.testing.assert_allclose(gains([h], smoothing=0.7, epsilon=0.05), g, rtol=1e-6)


def test_each_step_of_the_gain_lies_between_sigmoid_of_minus_1_and_1():
    rng = np.random.default_rng(0)
    drawn = gains(rng.random((500, 2)), smoothing=0.0, epsilon=1e-6)
    assert 0.2689 < drawn.min() < 0.3 and 0.9 < drawn.max() <= 1.0


def test_smoothing_of_1_freezes_the_gain():
    np.testing.assert_array_equal(gains([[0.9, 0.1, 0.5]], smoothing=1.0), 0.5)


def test_without_epsilon_an_easy_item_gains_more_than_a_hard_one_and_with_it_less():
    easy, hard = [0.01, 0.001], [0.6, 0.4]
    first, second = gains([easy, hard], smoothing=0.0, epsilon=0.0)
    assert first == pytest.approx(0.9999, abs=1e-4) and second == pytest.approx(0.6225, abs=1e-3)
    first, second = gains([easy, hard], smoothing=0.0, epsilon=0.1)
    assert first < second


def test_a_missing_snapshot_leaves_the_gain_as_it_is():
    assert gains([[np.nan, 0.6, 0.4]], smoothing=0.0)[0] == gains([[0.6, 0.4]], smoothing=0.0)[0]
    assert gains([[np.nan, np.nan, 0.4]])[0] == 0.5


def test_the_logistic_function_is_within_1e_6():
    x = np.linspace(-40, 40, 4001, dtype=np.float32)
    np.testing.assert_allclose([_logistic(value) for value in x], 1 / (1 + np.exp(-x.astype(float))), atol=2e-6)


def preference(model, seen, items):
    seen = csr_array(np.asarray(seen, dtype=np.int8))
    bounds = np.array([0, len(items)])
    out = np.empty(len(items), np.float32)
    rows = seen.indptr.astype(np.int64), seen.indices.astype(np.int32), seen.data
    memory = np.array(items, np.int32)
    expected_preference(0, 1, *rows, model, bounds, memory, np.empty(8, np.float32), out)
    return out


def test_the_expected_preference_is_the_mean_over_the_positives():
    scores = np.array([1.0, -0.5, 0.3, 2.0, -1.0])
    h = preference(model_of(scores), [[1, 1, 0, -1, 0]], [2, 4, -1])
    for k, item in enumerate([2, 4]):
        assert h[k] == pytest.approx(np.mean(1 / (1 + np.exp(scores[:2] - scores[item]))), abs=1e-6)


@pytest.mark.parametrize("seen", [[[1, 1, 0, 0]], [[0, -1, 0, 0]]], ids=["equal scores", "no positive"])
def test_the_expected_preference_is_a_half_where_nothing_is_known(seen):
    np.testing.assert_allclose(preference(model_of(np.zeros(4)), seen, [2, 3]), 0.5, atol=1e-6)


def test_of_many_positives_the_same_ones_are_taken_evenly():
    scores = np.random.default_rng(0).normal(size=100)
    seen = np.ones((1, 100), int)
    seen[0, 50] = 0
    h = preference(model_of(scores), seen, [50])
    taken = np.flatnonzero(seen[0])[np.arange(8) * 99 // 8]
    assert h[0] == pytest.approx(np.mean(1 / (1 + np.exp(scores[taken] - scores[50]))), abs=1e-5)


# --- the memory


def refresh(memory, scores, n_excluded=0, ratio=1.0, inverse_temperature=0.0, n_rounds=3000):
    """Refresh the same memory of one user again and again; return the sets that stay."""
    n_items, size = len(scores), len(memory)
    indptr, indices = np.array([0, n_excluded]), np.arange(n_excluded, dtype=np.int32)
    kinds, block = np.ones(n_excluded, np.int8), np.zeros(n_items, np.int32)
    starts, rng = np.zeros((1, 2), np.uint16), seed_states(0, 1)[0]
    model = model_of(scores)
    scratch = make_refresh_scratch(n_items, size, ratio)
    out = np.empty((n_rounds, size), np.int32)
    for k in range(n_rounds):
        items = np.array(memory, np.int32)
        scratch.mark[:] = 0
        rows = indptr, indices, kinds, 1, model, inverse_temperature, ratio, block
        refresh_memory(0, 1, *rows, np.array([0, size]), items, starts, scratch, rng)
        assert starts[0].tolist() == [0, (items >= 0).sum()]
        out[k] = items
    return out


def test_a_refresh_at_an_infinite_temperature_is_a_uniform_sample_of_old_and_new():
    # 4 old and 4 new items compete for 4 places: an old one stays half of the time, a new one of 8 comes in a quarter.
    stayed = refresh([0, 1, 2, 3], np.zeros(12))
    assert (np.sort(stayed, axis=1)[:, 1:] > np.sort(stayed, axis=1)[:, :-1]).all()
    counts = np.bincount(stayed.ravel(), minlength=12)
    np.testing.assert_allclose(counts / len(stayed), [0.5] * 4 + [0.25] * 8, atol=0.04)
    n_old = (stayed < 4).sum(axis=1)
    law = np.array([1, 16, 36, 16, 1]) / 70  # hypergeometric
    assert chisquare(np.bincount(n_old, minlength=5), law * len(stayed)).pvalue > 1e-3


def test_a_first_fill_is_uniform():
    stayed = refresh([-1, -1, -1], np.zeros(7), n_excluded=1)
    counts = np.bincount(stayed.ravel(), minlength=7)
    assert counts[0] == 0
    assert chisquare(counts[1:]).pvalue > 1e-3


@pytest.mark.parametrize("inverse_temperature", [0.0, 1.5])
def test_the_order_in_a_memory_is_random(inverse_temperature):
    # A draw takes neighbours: each place must hold each item as often as the others.
    stayed = refresh([0, 1, 2], np.arange(6.0) / 3, ratio=0.5, inverse_temperature=inverse_temperature)
    for item in range(3):
        assert chisquare((stayed == item).sum(axis=0)).pvalue > 1e-3


def test_a_refresh_draws_without_replacement_in_proportion_to_exp_of_the_scores():
    # Two old items and every other one, so that the candidates are certain: which pair of 4 stays?
    scores, temperature = np.array([0.0, 1.0, 0.5, -0.7]), 0.8
    stayed = np.sort(refresh([0, 1], scores, inverse_temperature=1 / temperature), axis=1)
    mass = np.exp(scores / temperature)
    pairs = list(itertools.combinations(range(4), 2))
    law = [
        sum(mass[a] / mass.sum() * mass[b] / (mass.sum() - mass[a]) for a, b in itertools.permutations(p))
        for p in pairs
    ]
    counts = [(stayed == p).all(axis=1).sum() for p in pairs]
    assert chisquare(counts, np.array(law) * len(stayed)).pvalue > 1e-3


@each_sampler
def test_without_new_items_a_memory_stays_the_same_set(sampler):
    scores = np.arange(30.0)
    sampler = clone(sampler).set_params(new_ratio=0.0, memory_size=5)
    one = begun(sampler, np.eye(2, 30, dtype=int), [scores])
    three = begun(sampler, np.eye(2, 30, dtype=int), [scores, -scores, scores])
    for before, after in zip(memories(one), memories(three), strict=True):
        assert len(before) == 5 and set(before.tolist()) == set(after.tolist())


@each_sampler
def test_a_memory_holds_no_seen_item_and_none_twice_and_is_sorted_by_block(sampler):
    rng = np.random.default_rng(0)
    seen = csr_array(rng.choice([-1, 0, 0, 0, 1], (50, 90)).astype(np.int8))
    fitted = clone(sampler).fit(seen)
    partition = make_partition(seen.indptr.astype(np.int64), 90, 4, 4)
    for epoch in range(3):
        deal_items(partition, seed_states(epoch, 1)[0])
        model = zero_model(50, 90)
        fitted._begin_epoch(model, epoch, np.random.default_rng(epoch), partition, run_in_turn)
        for u, memory in enumerate(memories(fitted)):
            assert len(set(memory.tolist())) == len(memory) == max(32, (seen[[u]].data > 0).sum())
            assert not seen.toarray()[u, memory].any()
            blocks = partition.block[memory]
            assert (np.diff(blocks) >= 0).all()
            np.testing.assert_array_equal(np.searchsorted(blocks, np.arange(5)), fitted._starts[u])


@pytest.mark.parametrize("n_items", [8, 200])
@pytest.mark.parametrize("inverse_temperature", [0.0, 1e-9])
def test_the_few_items_that_are_left_are_remembered_alike(n_items, inverse_temperature):
    # 7 of 8 or 200 items are admitted, 3 remembered, of which 2 are held.
    stayed = refresh(
        [n_items - 1, n_items - 2, -1],
        np.zeros(n_items),
        n_excluded=n_items - 7,
        ratio=100.0,
        inverse_temperature=inverse_temperature,
    )
    counts = np.bincount(stayed.ravel(), minlength=n_items)
    assert counts[:-7].sum() == 0
    assert chisquare(counts[-7:]).pvalue > 1e-3


@each_sampler
def test_fewer_unobserved_items_than_places_are_all_remembered(sampler):
    seen = np.ones((2, 30), int)
    seen[0, [3, 17, 28]] = 0
    fitted = begun(sampler, seen, [np.zeros(30)] * 3)
    assert [sorted(row.tolist()) for row in memories(fitted)] == [[3, 17, 28], []]
    drawn = fitted.sample([0, 1], n_samples=50, random_state=0)
    assert set(drawn[0].tolist()) <= {3, 17, 28} and (drawn[1] == -1).all()


@each_sampler
def test_excluded_explicit_negatives_are_remembered_where_they_may_be(sampler):
    seen = np.array([[1, -1, 0, -1], [1, 0, -1, 0]])
    assert [sorted(row) for row in memories(begun(sampler, seen, [np.zeros(4)]))] == [[2], [1, 3]]
    admitting = clone(sampler).set_params(exclude_explicit=False)
    assert [sorted(row) for row in memories(begun(admitting, seen, [np.zeros(4)]))] == [[1, 2, 3]] * 2


@pytest.mark.wants_jit
@each_sampler
def test_the_memory_takes_the_bytes_that_are_stated(sampler):
    n_components = 16
    model = fit(clone(sampler).set_params(memory_size=20), n_components=n_components, max_iter=7)
    n_users, n_items = model.interactions_.shape
    n_places = np.clip(np.diff(model.interactions_.indptr), 20, 20).sum()
    n_blocks = 1
    stated = 6 * n_places + n_users * (2 * (n_blocks + 1) + 8) + 8
    stated += 8 * n_components * (n_users + n_items) + 4 * 4 * n_items
    assert model.sampler_.memory_bytes_ == stated


# --- what is drawn


def test_without_alpha_the_best_score_of_the_memory_is_drawn():
    scores = np.random.default_rng(0).permutation(12).astype(float)
    seen = np.zeros((2, 12), int)
    seen[:, np.argmax(scores)] = 1
    fitted = begun(VarianceSampler(n_candidates=16, alpha=0), seen, [scores])
    drawn = fitted.sample([0], n_samples=50, recommender=recommender(scores), random_state=0)
    assert set(drawn.ravel().tolist()) == {int(np.argsort(-scores)[1])}


def test_a_memory_of_one_place_is_what_is_drawn():
    fitted = begun(VarianceSampler(memory_size=1, new_ratio=0), np.eye(2, 9, dtype=int), [np.zeros(9)] * 2)
    drawn = fitted.sample([0, 1], n_samples=20, random_state=0)
    assert [set(row) for row in drawn.tolist()] == [set(row.tolist()) for row in memories(fitted)]


def test_one_candidate_is_uniform_over_the_memory():
    scores = np.arange(10.0)
    fitted = begun(VarianceSampler(n_candidates=1), np.eye(2, 10, dtype=int), [scores])
    drawn = fitted.sample([0], n_samples=6000, recommender=recommender(scores), random_state=0)[0]
    assert chisquare(np.bincount(drawn, minlength=10)[1:]).pvalue > 1e-3


def test_some_candidates_follow_the_rank_law_of_any_subset():
    from math import comb

    scores = np.arange(10.0)
    ranks = []
    for seed in range(40):  # the order within a memory holds for an epoch
        seen = csr_array(np.eye(2, 10, dtype=np.int8))
        fitted = VarianceSampler(n_candidates=3, alpha=0).fit(seen)
        partition = make_partition(np.array([0, 1, 2]), 10, 1, 1)
        fitted._begin_epoch(model_of(scores), 0, np.random.default_rng(seed), partition, run_in_turn)
        ranks.append(9 - fitted.sample([0], n_samples=200, recommender=recommender(scores), random_state=seed)[0])
    law = np.array([comb(9 - r, 2) / comb(9, 3) for r in range(1, 10)])  # of the items 1 to 9
    np.testing.assert_allclose(np.bincount(np.concatenate(ranks), minlength=10)[:9] / 8000, law, atol=0.06)


def test_a_varied_preference_is_drawn_before_a_steady_one_of_the_same_score():
    up, down = np.array([0.0, 1.0, 1.0, -3.0]), np.array([0.0, 1.0, -1.0, -3.0])  # item 1 is steady, item 2 is not
    seen = np.array([[1, 0, 0, 0]] * 2)
    varied = begun(VarianceSampler(alpha=5, warm_up=2), seen, [up, down, up, down, up])
    drawn = varied.sample([0], n_samples=30, recommender=recommender(up), random_state=0)
    assert set(drawn.ravel().tolist()) == {2}
    sigmoid = 1 / (1 + np.exp([-1.0, 1.0]))
    place = memories(varied)[0].tolist().index(2)
    # Snapshots of the epochs 1 to 4: the vectors before epoch 0 are not trained ones.
    expected = np.std([sigmoid[1], sigmoid[0], sigmoid[1], sigmoid[0]])
    assert varied._values[place] / 65535 == pytest.approx(expected, abs=1e-3)


def test_constant_scores_have_no_spread_and_the_draw_is_dynamic():
    scores = np.random.default_rng(1).normal(size=14)
    fitted = begun(VarianceSampler(alpha=100, warm_up=0, n_candidates=14), np.eye(2, 14, dtype=int), [scores] * 6)
    assert fitted._values.max() == 0
    drawn = fitted.sample([0], n_samples=20, recommender=recommender(scores), random_state=0)
    assert set(drawn.ravel().tolist()) == {1 + int(np.argmax(scores[1:]))}


def test_the_weight_of_the_deviation_warms_up():
    for n_epochs, alpha in [(1, 0.0), (3, 1.0), (5, 2.0), (8, 2.0)]:
        fitted = begun(VarianceSampler(alpha=2.0, warm_up=4), np.eye(2, 9, dtype=int), [np.zeros(9)] * n_epochs)
        assert fitted.alpha_ == alpha
    assert begun(VarianceSampler(warm_up=0), np.eye(2, 9, dtype=int), [np.zeros(9)]).alpha_ == 5.0


def test_no_sharpness_draws_uniformly_from_the_memory():
    fitted = begun(GainSampler(sharpness=0.0), np.eye(2, 8, dtype=int), [np.arange(8.0)] * 2)
    drawn = fitted.sample([0], n_samples=6000, random_state=0)[0]
    assert chisquare(np.bincount(drawn, minlength=8)[1:]).pvalue > 1e-3


def test_gain_draws_in_proportion_to_the_masses_of_h_and_g():
    scores = [np.array([0.0, 1.0, -1.0, 0.5]), np.array([0.0, 0.8, -1.5, 0.7])]
    scores.append(np.array([0.0, 0.2, -1.2, 0.9]))
    fitted = begun(GainSampler(sharpness=4.0, epsilon=0.05), np.array([[1, 0, 0, 0]] * 2), scores)
    h = 1 / (1 + np.exp(-np.array(scores)[1:, 1:]))  # the score of the positive is 0
    g = 0.25 + 0.5 / (1 + np.exp(-(h[0] - h[1]) / (h[1] + 0.05)))
    law = np.exp(4.0 * h[1] * g)
    drawn = fitted.sample([0], n_samples=8000, random_state=0)[0]
    assert chisquare(np.bincount(drawn, minlength=4)[1:], law / law.sum() * 8000).pvalue > 1e-3


def test_an_item_that_drops_is_drawn_more_often_than_one_that_rises_to_the_same_place():
    first, last = np.array([0.0, 2.0, -2.0, 0.0]), np.array([0.0, 0.5, 0.5, 0.0])
    fitted = begun(GainSampler(), np.array([[1, 0, 0, 1]] * 2), [first, first, last])
    counts = np.bincount(fitted.sample([0], n_samples=500, random_state=0)[0], minlength=4)
    assert counts[1] > 2 * counts[2] > 0


@each_sampler
def test_what_a_mixture_excludes_is_not_drawn_from_the_memory_either(sampler):
    seen = np.array([[1, -1, 0, -1, 0]] * 2)
    admitting = clone(sampler).set_params(exclude_explicit=False)
    mixed = MixedSampler([("hard", admitting, 0.9), ("easy", UniformSampler(), 0.1)]).fit(seen)
    assert set(mixed.sample([0], n_samples=100, random_state=0).ravel().tolist()) == {2, 4}


# --- in a fit


@compiled
@each_sampler
@pytest.mark.parametrize("similarity", ["cosine", "dot", "gmf"])
def test_the_bits_do_not_depend_on_the_number_of_threads(sampler, similarity, monkeypatch):
    monkeypatch.setattr("skrec.matrix_factorization._engine._CHUNK_ROWS", 4)
    monkeypatch.setattr("skrec.samplers._memory._PLACES", 64)
    one, *others = (fit(sampler, similarity=similarity, learning_rate=0.05, n_jobs=n_jobs) for n_jobs in (1, 2, 4))
    for other in others:
        np.testing.assert_array_equal(one.user_factors_, other.user_factors_)
        np.testing.assert_array_equal(one.item_factors_, other.item_factors_)
        np.testing.assert_array_equal(one.sampler_.memory_, other.sampler_.memory_)


@compiled
def test_in_a_mixture_each_has_a_memory_of_its_own_and_the_bits_stay_the_same(monkeypatch):
    monkeypatch.setattr("skrec.matrix_factorization._engine._CHUNK_ROWS", 4)
    mixed = MixedSampler([("a", VarianceSampler(), 0.4), ("b", GainSampler(), 0.4), ("c", GainSampler(), 0.2)])
    one, other = fit(mixed), fit(mixed, n_jobs=2)
    np.testing.assert_array_equal(one.item_factors_, other.item_factors_)
    first, second, third = (part.memory_ for _, part, _ in one.sampler_.samplers_)
    assert not np.array_equal(first, second) and not np.array_equal(second, third)
    one.partial_fit(interactions()[:9])
    assert np.isfinite(one.item_factors_).all() and len(one.sampler_.samplers_[2][1]._past) == 4


@pytest.mark.wants_jit
@each_sampler
def test_a_fit_of_several_blocks_learns(sampler, monkeypatch):
    monkeypatch.setattr("skrec.matrix_factorization._engine._CHUNK_ROWS", 4)
    model = fit(sampler, max_iter=30, learning_rate=0.1)
    assert model.sampler_._starts.shape[1] > 2
    assert model.loss_curve_[-1] < 0.7 * model.loss_curve_[0]


@pytest.mark.wants_jit
@each_sampler
def test_the_drawn_are_harder_than_uniform_negatives(sampler):
    model = fit(sampler, max_iter=15)
    users = np.arange(60)
    scores = model.user_factors_ @ model.item_factors_.T

    def hardness(other):
        drawn = other.sample(users, n_samples=50, recommender=model, random_state=0)
        return np.take_along_axis(scores, drawn, axis=1).mean()

    assert hardness(model.sampler_) > hardness(UniformSampler().fit(model.interactions_)) + 0.1


@pytest.mark.wants_jit
@each_sampler
def test_a_fit_leaves_the_given_sampler_alone_and_shares_nothing_with_another_fit(sampler):
    given = clone(sampler)
    one = fit(given)
    before = one.sampler_.memory_.copy()
    two = fit(given, max_iter=2)
    assert not hasattr(given, "memory_")
    np.testing.assert_array_equal(one.sampler_.memory_, before)
    assert not np.shares_memory(one.sampler_.memory_, two.sampler_.memory_)


@pytest.mark.wants_jit
@each_sampler
def test_looking_at_a_sampler_does_not_change_it(sampler):
    model = fit(sampler)
    before = pickle.dumps(model.sampler_)
    draws = [model.sampler_.sample([0, 1, 2], 5, recommender=model, random_state=0) for _ in range(2)]
    np.testing.assert_array_equal(*draws)
    assert pickle.dumps(model.sampler_) == before
    fresh = clone(sampler).fit(model.interactions_)
    fresh.sample([0, 1], recommender=model)
    assert (fresh.memory_ == -1).all()


@each_sampler
def test_partial_fit_goes_on_with_the_memory_for_known_users_and_items(sampler):
    X = interactions()
    sampler = clone(sampler).set_params(new_ratio=0.0, memory_size=8)
    model = fit(sampler, X, max_iter=3)
    before = dict(zip(model.user_ids_.tolist(), memories(model.sampler_), strict=True))
    # A user and an item that come before all others in the order of ids, and a remembered item that becomes a positive.
    liked = int(before[5][0])
    model.partial_fit(np.array([[-1, -7], [-1, 3], [5, liked]]))
    after = dict(zip(model.user_ids_.tolist(), memories(model.sampler_), strict=True))
    known_as = model.item_ids_
    for user in range(60):
        kept = {int(known_as[item]) for item in after[user]}
        old = {int(item) for item in before[user]}
        assert len(after[user]) == 8
        assert kept == old if user != 5 else kept - old and old - kept == {liked}
    assert len(after[-1]) == 8
    U, V, bias = model.sampler_._past[-1]  # before the new user and item were there
    assert len(model.sampler_._past) == 3
    assert np.isnan(U[model.user_ids_ == -1]).all() and np.isfinite(U[model.user_ids_ >= 0]).all()
    assert np.isnan(V[model.item_ids_ == -7]).all() and np.isfinite(V[model.item_ids_ >= 0]).all()
    model.partial_fit(X[:5])
    assert np.isfinite(model.user_factors_).all()


@pytest.mark.wants_jit
@each_sampler
def test_warm_start_goes_on_as_if_there_had_been_no_stop(sampler):
    X = interactions()
    whole = fit(sampler, X, max_iter=6, similarity="dot", optimizer="sgd", learning_rate=0.05)
    parts = fit(sampler, X, max_iter=4, similarity="dot", optimizer="sgd", learning_rate=0.05, warm_start=True)
    parts.set_params(max_iter=2).fit(X)
    np.testing.assert_array_equal(parts.sampler_.memory_, whole.sampler_.memory_)
    np.testing.assert_array_equal(parts.item_factors_, whole.item_factors_)


@pytest.mark.wants_jit
@each_sampler
def test_a_first_fit_with_another_sampler_is_gone_on_from(sampler):
    model = fit(DynamicSampler(), warm_start=True)
    model.set_params(sampler=sampler).fit(interactions())
    assert len(memories(model.sampler_)[0]) == 32


@each_sampler
def test_early_stopping_lets_the_held_out_be_remembered(sampler):
    model = fit(sampler, early_stopping=True, n_iter_no_change=2, tol=0.5, max_iter=20)
    rows = np.repeat(np.arange(60), [len(row) for row in memories(model.sampler_)])
    liked = np.asarray(model.interactions_[rows, np.concatenate(memories(model.sampler_))]).ravel()
    assert 0 < (liked > 0).sum() < len(liked) / 4


@each_sampler
@pytest.mark.parametrize("X", [[[0, 0]], [[0, 0], [1, 0]], [[u, i] for u in range(3) for i in range(4)]])
def test_without_anything_unobserved_nothing_is_drawn(sampler, X):
    model = fit(sampler, np.array(X))
    assert model.loss_curve_ == [0.0] * 6
    assert (model.sampler_.memory_ == -1).all()


@pytest.mark.wants_jit
@each_sampler
def test_a_user_with_every_item_is_passed_over_among_others(sampler):
    X = np.vstack([interactions(), [[60, i] for i in range(40)]])
    model = fit(sampler, X)
    assert len(memories(model.sampler_)[60]) == 0 and np.isfinite(model.loss_curve_).all()


@each_sampler
def test_a_low_temperature_remembers_what_scores_high(sampler):
    scores = np.arange(60.0) / 10
    small = clone(sampler).set_params(memory_size=6, new_ratio=1.0)
    warm, cold = (
        begun(small.set_params(temperature=temperature), np.eye(2, 60, dtype=int), [scores] * 10)
        for temperature in (np.inf, 0.1)
    )
    assert memories(cold)[0].mean() > 50 > 45 > memories(warm)[0].mean()


def test_states_are_of_one_type_for_any_number_of_blocks():
    fitted = begun(VarianceSampler(), np.eye(2, 64, dtype=int), [np.zeros(64)], n_blocks=2)
    for n_blocks in (1, 2):
        partition = make_partition(np.array([0, 1, 2]), 64, n_blocks, n_blocks)
        state = fitted._make_state(partition, HingeLoss())
        assert state.starts.dtype == np.uint16 and state.starts.shape == (2, n_blocks + 1)
        assert state.starts[:, -1].tolist() == [32, 32]
