"""Negatives that a block of users shares: what is drawn, how often that was to be expected, what losses make of it."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import logsumexp, softmax
from scipy.stats import chisquare
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from skrec import TripletMF, TwoTowerRetriever
from skrec._kernels._block import NEVER, block_rows
from skrec.datasets import make_interactions
from skrec.losses import BPRLoss, CosineContrastiveLoss, HingeLoss, PairwiseSoftmaxLoss, SoftmaxLoss
from skrec.retrieval._engine import BlockEngine, Entries
from skrec.samplers import (
    CurriculumSampler,
    DynamicSampler,
    ExplicitSampler,
    InBatchSampler,
    MixedSampler,
    PopularitySampler,
    UniformSampler,
    VarianceSampler,
)
from skrec.samplers._in_batch import BlockPositives, StreamingFrequency

N_USERS, N_ITEMS = 7, 20
SHARED = [
    UniformSampler(),
    UniformSampler(exclude_positives=False),
    PopularitySampler(alpha=0.5),
    InBatchSampler(),
    InBatchSampler(remove_accidental_hits=False),
    InBatchSampler(frequency="streaming"),
    MixedSampler([("batch", InBatchSampler(), 2), ("any", UniformSampler(), 1)]),
]
each_shared = pytest.mark.parametrize("sampler", SHARED, ids=repr)


def interactions(n_users=N_USERS, n_items=N_ITEMS, seed=0):
    """Popularities of all sizes, every item with a positive, and some explicit negatives."""
    rng = np.random.default_rng(seed)
    seen = (rng.random((n_users, n_items)) < np.linspace(0.1, 0.7, n_items)).astype(np.int8)
    seen[rng.integers(0, n_users, n_items), np.arange(n_items)] = 1
    empty = np.argwhere(seen == 0)
    seen[tuple(empty[:: max(len(empty) // 6, 1)].T)] = -1
    return csr_array(seen)


def positives_of(matrix, users, share=1.0):
    dense = matrix.toarray() > 0
    return BlockPositives(np.nonzero(dense[users])[1].astype(np.int32), dense.sum(axis=0), share)


def draws(sampler, n, block, times=4000):
    """How often each item came up in each of many draws."""
    rng = np.random.default_rng(1)
    return np.array(
        [np.bincount(sampler._draw_shared(n, block, rng), minlength=sampler.n_features_in_) for _ in range(times)]
    )


class Vectors:
    """A side of plain vectors that remembers the gradient instead of stepping."""

    def __init__(self, vectors):
        self.vectors, self.n_rows = vectors.astype(np.float32), len(vectors)
        self.gradient = np.zeros(vectors.shape)

    def forward(self, codes, rng=None, pool=None):
        codes = np.arange(self.n_rows) if codes is None else codes
        return SimpleNamespace(codes=codes, output=self.vectors[codes])

    def backward(self, done, gradient, rate, pool=None):
        np.add.at(self.gradient, done.codes, gradient)


def one_step(matrix, sampler=None, *, n_negatives=10, loss=None, users=None, items=None, block_size=None, explicit=1.0):
    """Return the loss of one step over all users, and the gradients of the users' and the items' vectors."""
    rng = np.random.default_rng(5)
    users = rng.normal(size=(matrix.shape[0], 4)) if users is None else users
    items = rng.normal(size=(matrix.shape[1], 4)) if items is None else items
    sides = Vectors(users), Vectors(items)
    engine = BlockEngine(
        Entries(matrix, None, matrix.data > 0),
        *sides,
        (loss or SoftmaxLoss())._make_block_state(1.0),
        sampler=None if sampler is None else clone(sampler).fit(matrix),
        n_negatives=n_negatives,
        n_hard=0,
        explicit_weight=explicit,
        block_size=block_size or matrix.shape[0],
        seed=0,
        n_jobs=None,
    )
    return engine.run_epoch(0, lambda step: 0.0, None), sides[0].gradient, sides[1].gradient


def test_uniform_negatives_of_a_block_are_distinct_and_all_alike():
    sampler = UniformSampler().fit(interactions())
    counts = draws(sampler, 8, None)
    assert counts.max() == 1 and (counts.sum(axis=1) == 8).all()
    assert chisquare(counts.sum(axis=0)).pvalue > 1e-3
    np.testing.assert_array_equal(sampler._expected_counts(np.arange(3), 8, None), 8 / N_ITEMS)


@pytest.mark.parametrize("n", [N_ITEMS, N_ITEMS + 1, 1000])
def test_no_fewer_uniform_negatives_than_items_are_the_catalogue_once(n):
    sampler = UniformSampler().fit(interactions())
    assert sorted(sampler._draw_shared(n, None, np.random.default_rng(0))) == list(range(N_ITEMS))
    np.testing.assert_array_equal(sampler._expected_counts(np.arange(N_ITEMS), n, None), 1.0)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_popular_negatives_of_a_block_come_by_the_power_of_their_popularity(alpha):
    sampler = PopularitySampler(alpha=alpha).fit(interactions())
    counts = draws(sampler, 8, None)
    assert chisquare(counts.sum(axis=0), sampler.prob_ * counts.sum()).pvalue > 1e-3
    np.testing.assert_allclose(sampler._expected_counts(np.arange(N_ITEMS), 8, None), 8 * sampler.prob_)


def test_a_mixture_draws_by_the_mixed_law_and_expects_it():
    matrix = interactions()
    everyone = positives_of(matrix, range(N_USERS))
    sampler = MixedSampler([("batch", InBatchSampler(), 3), ("any", UniformSampler(), 1)]).fit(matrix)
    counts = draws(sampler, 16, everyone)
    assert (counts.sum(axis=1) == 16).all()
    unigram = everyone.counts / everyone.counts.sum()
    law = (12 * unigram + 4 / N_ITEMS) / 16
    assert chisquare(counts.sum(axis=0), law * counts.sum()).pvalue > 1e-3
    np.testing.assert_allclose(sampler._expected_counts(np.arange(N_ITEMS), 16, everyone), 16 * law)


@pytest.mark.parametrize("n", [1, 2, 7, 10, 33])
def test_a_mixture_draws_as_many_as_it_is_asked_for(n):
    parts = [("a", UniformSampler(), 1), ("b", PopularitySampler(), 1), ("c", PopularitySampler(), 1)]
    sampler = MixedSampler(parts).fit(interactions(n_items=60))
    assert len(sampler._draw_shared(n, None, np.random.default_rng(0))) == n


def test_the_positives_of_a_block_are_its_negatives_and_at_most_as_many_as_asked_for():
    matrix = interactions()
    sampler = InBatchSampler().fit(matrix)
    block = positives_of(matrix, [0, 3, 4])
    drawn = sampler._draw_shared(1000, block, np.random.default_rng(0))
    assert sorted(drawn) == sorted(block.items)
    counts = draws(sampler, 5, block)
    own = np.bincount(block.items, minlength=N_ITEMS)
    assert (counts.sum(axis=1) == 5).all() and (counts <= own).all()
    assert chisquare(counts.sum(axis=0)[own > 0], (own * counts.sum() / own.sum())[own > 0]).pvalue > 1e-3


@pytest.mark.parametrize("block_size", [2, 4, 7])
def test_over_all_blocks_with_a_user_the_others_bring_items_as_often_as_expected(block_size):
    matrix = interactions()
    sampler = InBatchSampler().fit(matrix)
    dense = matrix.toarray() > 0
    others = np.flatnonzero(~dense[0])
    times, expected = [], None
    for rest in combinations(range(1, N_USERS), block_size - 1):
        block = positives_of(matrix, [0, *rest], (block_size - 1) / (N_USERS - 1))
        times.append(np.bincount(block.items, minlength=N_ITEMS)[others])
        expected = sampler._expected_counts(others, 1000, block)
    np.testing.assert_allclose(np.mean(times, axis=0), expected, rtol=1e-12)


@pytest.mark.parametrize("block_size", [2, 4, 7])
def test_over_all_blocks_with_a_user_the_corrected_sum_is_that_over_the_catalogue(block_size):
    matrix = interactions()
    sampler = InBatchSampler().fit(matrix)
    dense = matrix.toarray() > 0
    weights = np.exp(np.random.default_rng(0).normal(size=N_ITEMS)) * ~dense[0]
    sums = []
    for rest in combinations(range(1, N_USERS), block_size - 1):
        block = positives_of(matrix, [0, *rest], (block_size - 1) / (N_USERS - 1))
        codes, times = np.unique(block.items, return_counts=True)
        sums.append((times / sampler._expected_counts(codes, 1000, block) * weights[codes]).sum())
    assert np.mean(sums) == pytest.approx(weights.sum(), rel=1e-12)


@pytest.mark.parametrize(
    "sampler",
    [UniformSampler(), PopularitySampler(), MixedSampler([("a", PopularitySampler(), 1), ("b", UniformSampler(), 1)])],
    ids=repr,
)
def test_the_corrected_sum_over_drawn_items_is_that_over_the_catalogue_on_average(sampler):
    sampler = clone(sampler).fit(interactions())
    counts = draws(sampler, 10, None)
    weights = np.exp(np.random.default_rng(0).normal(size=N_ITEMS))
    sums = counts @ (weights / sampler._expected_counts(np.arange(N_ITEMS), 10, None))
    assert abs(sums.mean() - weights.sum()) < 4 * sums.std() / np.sqrt(len(sums))


def test_the_engine_tells_the_sampler_how_likely_others_are_in_the_block():
    matrix = interactions()
    seen = []

    class Watcher(UniformSampler):
        def _draw_shared(self, n, block, rng):
            seen.append(block)
            return super()._draw_shared(n, block, rng)

    one_step(matrix, Watcher(), block_size=5)
    assert [block.share for block in seen] == [4 / 6, 1 / 6]
    np.testing.assert_array_equal(seen[0].counts, (matrix.toarray() > 0).sum(axis=0))
    both = np.sort(np.concatenate([block.items for block in seen]))
    np.testing.assert_array_equal(both, np.sort(matrix.indices[matrix.data > 0]))


def full_softmax(matrix, users, items):
    """Loss and gradients of the softmax over the catalogue, in float64: what one step has to estimate."""
    dense = matrix.toarray() > 0
    scores = users @ items.T
    weights = 1 / np.sqrt(dense.sum(axis=1))
    weights *= len(users) / (weights * dense.sum(axis=1)).sum()
    loss, derivatives = 0.0, np.zeros_like(scores)
    for u, i in np.argwhere(dense):
        kept = ~dense[u]
        kept[i] = True
        loss += weights[u] * (logsumexp(scores[u, kept]) - scores[u, i])
        derivatives[u, kept] += weights[u] * softmax(scores[u, kept])
        derivatives[u, i] -= weights[u]
    return loss / len(users), derivatives @ items / len(users), derivatives.T @ users / len(users)


@pytest.mark.parametrize(
    "sampler", [None, UniformSampler(), InBatchSampler()], ids=["exact", "whole catalogue drawn", "whole batch"]
)
def test_a_step_over_all_that_there_is_has_the_gradient_of_the_full_softmax(sampler):
    matrix = interactions()
    rng = np.random.default_rng(5)
    users, items = rng.normal(size=(N_USERS, 4)), rng.normal(size=(N_ITEMS, 4))
    found = one_step(matrix, sampler, n_negatives=1000, users=users, items=items)
    for own, expected in zip(found, full_softmax(matrix, users, items), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        SoftmaxLoss(temperature=0.5, include_positive=False),
        HingeLoss(margin=1.0),
        BPRLoss(),
        PairwiseSoftmaxLoss(temperature=0.5),
        CosineContrastiveLoss(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("explicit", [0.0, 1.0])
def test_drawing_the_whole_catalogue_is_the_exact_engine(loss, explicit):
    matrix = interactions()
    drawn = one_step(matrix, UniformSampler(), n_negatives=N_ITEMS, loss=loss, explicit=explicit, block_size=3)
    exact = one_step(matrix, None, loss=loss, explicit=explicit, block_size=3)
    for own, expected in zip(drawn, exact, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


def enumerated(seed=0):
    """Scores of a positive and of its negatives, and how often each comes in a sample that is the law itself."""
    rng = np.random.default_rng(seed)
    times = rng.integers(1, 9, 30)
    return rng.normal(), rng.normal(size=30), times, times / times.sum()


def test_with_negatives_enumerated_by_their_law_the_gradient_is_the_full_softmax_s():
    positive, negatives, times, law = enumerated()
    full = softmax(np.append(positive, negatives))
    logits = np.repeat(negatives - np.log(times.sum() * law), times)
    sampled = softmax(np.append(positive, logits))
    np.testing.assert_allclose(sampled[0], full[0], atol=1e-10)
    by_item = np.add.reduceat(sampled[1:], np.cumsum(times) - times)
    np.testing.assert_allclose(by_item, full[1:], atol=1e-10)


def test_the_gradient_is_that_of_the_loss_with_a_detached_factor():
    """Khrylchenko et al.: (1 - P) (-s + log sum_j exp(s_j - log q_j)), P the estimated chance of the positive."""
    positive, negatives, _, law = enumerated(1)
    rng = np.random.default_rng(0)
    drawn = rng.choice(30, 12, p=law)
    logits = negatives[drawn] - np.log(law[drawn])
    chance = np.exp(positive) / (np.exp(positive) + np.exp(logits).mean())
    theirs = np.append(-(1 - chance), (1 - chance) * softmax(logits))
    ours = softmax(np.append(positive, negatives[drawn] - np.log(12 * law[drawn])))
    ours[0] -= 1
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_the_kernel_has_the_gradient_of_the_full_softmax_on_negatives_enumerated_by_their_law():
    positive, negatives, times, law = enumerated()
    scores, own = np.array(negatives, np.float32, ndmin=2), np.array([positive], np.float32)
    block_rows(
        SoftmaxLoss()._make_block_state(1.0),
        (0, 1),
        scores,
        np.log(times / (times.sum() * law)).astype(np.float32),
        np.full(30, NEVER),
        np.ones(1, np.int8),
        np.full(1, -1, np.int32),
        np.ones(1, np.int8),
        np.array([0, 1], np.int64),
        own,
        np.ones(1, np.float32),
        NEVER,
        0,
        np.empty(61, np.float32),
    )
    full = softmax(np.append(positive, negatives))
    np.testing.assert_allclose(scores[0], full[1:], atol=1e-5)
    np.testing.assert_allclose(own[0], full[0] - 1, atol=1e-5)


# Batch of (bob, stereo), (bob, hifi), (alice, hifi), (alice, cd): four positives, twelve cells beside the diagonal.
SHOP = csr_array(np.array([[1, 1, 0], [0, 1, 1]], np.int8))


def cells_left(sampler):
    """Negatives that the four positives have together: with scores of 0, each costs the logarithm of one more."""
    zeros = np.zeros((3, 4))
    loss, _, _ = one_step(SHOP, sampler, users=zeros[:2], items=zeros, n_negatives=100)
    return 4 * (np.exp(loss) - 1)


def test_of_twelve_cells_eight_are_hits_on_the_user_s_own_positives():
    assert cells_left(InBatchSampler(logq_correction=False)) == pytest.approx(12 - 8)


def test_with_accidental_hits_two_of_the_eight_are_negatives_for_each_that_another_user_brought():
    # Bob's hifi is alice's too, and the other way round: one more negative for each of their two positives.
    left = cells_left(InBatchSampler(logq_correction=False, remove_accidental_hits=False))
    assert left == pytest.approx(4 + 4)


def test_hits_are_left_out_or_kept_as_the_sampler_says():
    matrix = interactions()
    codes, times = np.arange(3), np.array([1, 2, 5])
    for sampler in (UniformSampler(), PopularitySampler(), InBatchSampler()):
        assert sampler.fit(matrix)._hit_shift(codes, times, None).tolist() == [NEVER] * 3
    for sampler in (UniformSampler(exclude_positives=False), PopularitySampler(exclude_positives=False)):
        assert sampler.fit(matrix)._hit_shift(codes, times, None).tolist() == [0.0] * 3
    kept = InBatchSampler(remove_accidental_hits=False).fit(matrix)._hit_shift(codes, times, None)
    np.testing.assert_allclose(kept[1:], np.log([1 / 2, 4 / 5]), rtol=1e-6)
    assert kept[0] == NEVER and kept.dtype == np.float32
    mixed = MixedSampler([("a", UniformSampler(exclude_positives=False), 1), ("b", InBatchSampler(), 1)]).fit(matrix)
    assert mixed._hit_shift(codes, times, None).tolist() == [NEVER] * 3


def test_a_block_of_one_user_has_no_negatives_of_others():
    loss, d_users, d_items = one_step(interactions(), InBatchSampler(), block_size=1)
    assert loss == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(d_users, 0.0, atol=1e-6)
    np.testing.assert_allclose(d_items, 0.0, atol=1e-6)


def test_without_logq_correction_a_candidate_counts_as_often_as_it_was_drawn():
    matrix = interactions()
    rng = np.random.default_rng(5)
    users, items = rng.normal(size=(N_USERS, 4)), rng.normal(size=(N_ITEMS, 4))
    loss, _, _ = one_step(matrix, InBatchSampler(logq_correction=False), users=users, items=items, n_negatives=1000)
    dense, scores = matrix.toarray() > 0, users @ items.T
    weights = 1 / np.sqrt(dense.sum(axis=1))
    weights *= N_USERS / (weights * dense.sum(axis=1)).sum()
    expected = 0.0
    for u, i in np.argwhere(dense):
        logits = np.where(dense[u], -np.inf, scores[u] + np.log(dense.sum(axis=0)))
        expected += weights[u] * (logsumexp(np.append(logits, scores[u, i])) - scores[u, i])
    assert loss == pytest.approx(expected / N_USERS, rel=1e-5)


def test_a_constant_gap_is_approached_geometrically():
    stream = StreamingFrequency(4, rate=0.01, start=100.0)
    for step in range(1, 501):
        stream.update(np.array([2] if step % 10 == 0 else [0]))
    assert stream.gaps[2] == pytest.approx(0.99**50 * 100 + (1 - 0.99**50) * 10, rel=1e-12)
    assert stream.gaps[2] == pytest.approx(64.4505, abs=5e-5)
    assert stream.gaps[3] == 100.0


def test_the_running_mean_finds_the_chances_of_a_stream_and_follows_them_when_they_change():
    rng = np.random.default_rng(0)
    chances = np.array([1.0, 0.5, 0.2, 0.05])
    stream = StreamingFrequency(4, rate=0.01, start=2.0)
    for p in (chances, chances[::-1]):
        means = []
        for step in range(15_000):
            stream.update(np.flatnonzero(rng.random(4) < p))
            if step >= 8_000:
                means.append(stream.gaps.copy())
        np.testing.assert_allclose(np.mean(means, axis=0), 1 / p, rtol=0.08)


def test_streamed_expectations_come_near_counted_ones():
    matrix = interactions(n_users=200, n_items=30)
    counted = InBatchSampler().fit(matrix)
    streamed = InBatchSampler(frequency="streaming", streaming_rate=0.005).fit(matrix)
    rng = np.random.default_rng(0)
    sums = np.zeros((2, 30))
    for step in range(4000):
        block = positives_of(matrix, rng.choice(200, 6, replace=False), 6 / 200)
        codes, times = np.unique(block.items, return_counts=True)
        for place, sampler in enumerate((counted, streamed)):
            expected = sampler._expected_counts(codes, 1000, block)
            if step >= 1000:
                sums[place, codes] += times / expected
    # Both weigh each item such that it counts as once a block.
    np.testing.assert_allclose(sums / 3000, 1.0, rtol=0.15)


def test_a_mixture_without_in_batch_negatives_is_the_other_sampler_bit_for_bit():
    X, y = make_interactions(n_users=60, n_items=50, n_interactions=900, return_X_y=True, random_state=0)
    mixed = MixedSampler([("batch", InBatchSampler(), 1), ("any", UniformSampler(), 0)])
    one, other = (
        TwoTowerRetriever(n_components=4, max_iter=2, batch_size=16, n_negatives=40, sampler=s, random_state=0).fit(
            X, y
        )
        for s in (mixed, InBatchSampler())
    )
    np.testing.assert_array_equal(one.item_factors_, other.item_factors_)
    assert one.loss_curve_ == other.loss_curve_


@each_shared
def test_shared_draws_give_the_same_bits_for_any_number_of_threads(sampler):
    X, y = make_interactions(n_users=60, n_items=50, n_interactions=900, return_X_y=True, random_state=0)
    model = TwoTowerRetriever(
        n_components=4, max_iter=2, batch_size=16, n_negatives=40, sampler=sampler, random_state=0
    )
    one, two, four = (clone(model).set_params(n_jobs=n).fit(X, y) for n in (1, 2, 4))
    assert one.engine_ == "sampled"
    for other in (two, four):
        np.testing.assert_array_equal(one.item_factors_, other.item_factors_)
        np.testing.assert_array_equal(one.user_factors_, other.user_factors_)


@pytest.mark.wants_jit
def test_in_batch_negatives_with_logq_correction_beat_those_without_where_popularity_counts():
    X, y = make_interactions(return_X_y=True, random_state=0)
    liked = np.asarray(X)[np.asarray(y) > 0][:, :2]
    train, test = train_test_split(liked, test_size=0.25, random_state=0)
    model = TwoTowerRetriever(n_components=16, max_iter=20, batch_size=64, sampler=InBatchSampler(), random_state=0)
    without = clone(model).set_params(sampler__logq_correction=False)
    assert model.fit(train).score(test) > without.fit(train).score(test) + 0.02


def test_the_law_of_in_batch_negatives_is_that_of_the_interactions():
    matrix = interactions()
    sampler = InBatchSampler().fit(matrix)
    counts = (matrix.toarray() > 0).sum(axis=0)
    np.testing.assert_allclose(sampler.sampling_probability(np.arange(N_ITEMS)), counts / counts.sum())


@pytest.mark.parametrize(
    "sampler",
    [
        DynamicSampler(),
        VarianceSampler(),
        ExplicitSampler(),
        CurriculumSampler(UniformSampler(), PopularitySampler()),
        MixedSampler([("easy", UniformSampler(), 1), ("hard", DynamicSampler(), 1)]),
    ],
    ids=repr,
)
def test_samplers_that_draw_for_one_user_say_that_a_block_cannot_share_them(sampler):
    X, y = make_interactions(n_users=20, n_items=15, n_interactions=100, return_X_y=True, random_state=0)
    with pytest.raises(ValueError, match="Sampler cannot be shared by a block of users; use UniformSampler, "):
        TwoTowerRetriever(sampler=sampler, max_iter=1).fit(X, y)


def test_in_batch_negatives_are_refused_where_there_are_no_blocks():
    X = np.array([[0, 0], [1, 1], [0, 2]])
    mixed = MixedSampler([("batch", InBatchSampler(), 1), ("any", UniformSampler(), 1)])
    for sampler in (InBatchSampler(), mixed):
        with pytest.raises(ValueError, match="InBatchSampler draws for a block of users at once.* TwoTowerRetriever"):
            TripletMF(sampler=sampler, max_iter=1).fit(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"logq_correction": "yes"}, "'logq_correction' parameter of InBatchSampler must be a bool. Got 'yes'"),
        ({"remove_accidental_hits": 1}, "'remove_accidental_hits' .* a bool. Got 1"),
        ({"frequency": "exact"}, "'frequency' .* one of 'count' and 'streaming'. Got 'exact'"),
        ({"streaming_rate": 0.0}, "'streaming_rate' .* above 0 and at most 1. Got 0.0"),
        ({"streaming_rate": 1.5}, "'streaming_rate' .* Got 1.5"),
    ],
)
def test_a_bad_parameter_of_the_in_batch_sampler_is_named_with_its_value(parameters, message):
    with pytest.raises(ValueError, match=message):
        InBatchSampler(**parameters).fit(interactions())
