"""The block kernels: losses over rows with masks, corrections and mining, and what stands around the products."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import random_array

from skrec._kernels import _block
from skrec._kernels._block import NEVER
from skrec.losses import (
    BilateralSoftmaxLoss,
    BPRLoss,
    CosineContrastiveLoss,
    HingeLoss,
    PairwiseSoftmaxLoss,
    SoftmaxAtKLoss,
    SoftmaxLoss,
)

NOTHING = np.empty(0, np.float32)
WITH_LOGITS = [
    SoftmaxLoss(temperature=0.2),
    SoftmaxLoss(temperature=0.2, include_positive=False),
    BilateralSoftmaxLoss(temperature=0.2, positive_temperature=0.5),
    SoftmaxAtKLoss(temperature=0.2, k=2),
]
WITH_SCORES = [
    PairwiseSoftmaxLoss(temperature=0.5),
    PairwiseSoftmaxLoss(temperature=0.5, activation="tanh"),
    PairwiseSoftmaxLoss(temperature=0.5, activation="arctan"),
    CosineContrastiveLoss(margin=0.0),
    HingeLoss(margin=0.5),
    BPRLoss(),
]
each_loss = pytest.mark.parametrize("loss", WITH_LOGITS + WITH_SCORES, ids=repr)


def cosines(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, shape).astype(np.float32)


def use_row(
    loss,
    scores,
    positives,
    *,
    columns=(),
    kinds=(),
    shift=NOTHING,
    hit_shift=None,
    weights=None,
    explicit=1.0,
    n_hard=0,
):
    """Return the loss of one row and the derivatives of its candidates and of its trained positives.

    `columns` and `kinds` are of further entries of the row; the trained positives are no candidates unless they are
    given there too.
    """
    m, p = len(scores), len(positives)
    z = np.array(scores, np.float32, ndmin=2)
    entries = p + len(columns)
    own = np.zeros(entries, np.int8)
    own[:p] = 1
    values, all_weights = np.zeros(entries, np.float32), np.zeros(entries, np.float32)
    values[:p] = positives
    all_weights[:p] = 1 if weights is None else weights
    value = _block.block_rows(
        loss._make_block_state(1.0),
        (0, 1),
        z,
        np.asarray(shift, np.float32),
        np.full(m, NEVER) if hit_shift is None else np.asarray(hit_shift, np.float32),
        own,
        np.concatenate([np.full(p, -1), columns]).astype(np.int32),
        np.concatenate([np.ones(p), kinds]).astype(np.int8),
        np.array([0, entries], np.int64),
        values,
        all_weights,
        np.float32(np.log(explicit)) if explicit > 0 else NEVER,
        n_hard,
        np.empty(2 * m + entries, np.float32),
    )
    return value, z[0], values[:p]


def assert_same_row(one, other, rtol=2e-6):
    for own, others in zip(one, other, strict=True):
        np.testing.assert_allclose(own, others, rtol=rtol, atol=1e-6)


def test_the_exponential_is_as_exact_as_its_type_and_0_beyond_its_range():
    x = np.linspace(-60, 88, 1500, dtype=np.float32)
    np.testing.assert_allclose([_block.exp32(v) for v in x], np.exp(x.astype(np.float64)), rtol=2e-7)
    assert _block.exp32(np.float32(0.0)) == 1.0
    assert [_block.exp32(np.float32(v)) for v in (-60.001, -1e4, NEVER)] == [0.0, 0.0, 0.0]


def test_the_logarithm_is_as_exact_as_its_type():
    x = np.concatenate([np.geomspace(1e-37, 1e38, 1000), np.linspace(0.5, 2, 501)]).astype(np.float32)
    np.testing.assert_allclose([_block.log32(v) for v in x], np.log(x.astype(np.float64)), rtol=2e-7, atol=1e-7)


def test_the_arc_tangent_is_as_exact_as_its_type():
    x = np.concatenate([np.linspace(-4, 4, 1001), [-1e30, 1e30]]).astype(np.float32)
    np.testing.assert_allclose([_block.arctan32(v) for v in x], np.arctan(x.astype(np.float64)), rtol=2e-7)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=40), st.data())
def test_the_nth_largest_is_that_of_the_sorted_list_whatever_is_equal(values, data):
    n = data.draw(st.integers(1, len(values)))
    assert _block.nth_largest(np.array(values, np.float32), n) == sorted(values, reverse=True)[n - 1]


@pytest.mark.parametrize(("n", "kept"), [(1, [3, 5]), (2, [3, 5]), (3, [0, 3, 5]), (5, [0, 1, 3, 4, 5]), (6, range(6))])
def test_the_hardest_negatives_are_kept_and_more_where_they_are_equal(n, kept):
    z = np.array([2, 1, 0, 3, 1, 3], np.float32)
    before = z.copy()
    _block.keep_hardest(z, n, np.empty(6, np.float32))
    assert np.flatnonzero(z > NEVER).tolist() == list(kept)
    np.testing.assert_array_equal(z[list(kept)], before[list(kept)])


@each_loss
def test_a_row_without_masks_costs_what_the_loss_of_its_scores_does(loss):
    scores, positives = cosines(20), cosines(3, seed=1)
    value, d_neg, d_pos = use_row(loss, scores, positives)
    if isinstance(loss, (HingeLoss, BPRLoss)):
        pairs = positives[:, None], scores
        expected = loss(*pairs).mean() * 3
        parts = [d.reshape(3, 20) / 20 for d in loss.gradient(*pairs)]
        gradients = parts[0].sum(axis=1), parts[1].sum(axis=0)
    else:
        expected, gradients = loss(positives, scores), loss.gradient(positives, scores)
    assert_same_row((value, d_pos, d_neg), (expected, *gradients))


def test_the_group_hinge_of_one_pair_is_the_triplet_hinge():
    loss = HingeLoss(margin=0.5)
    for positive, negative in [(0.25, 0.0), (0.75, 0.0)]:
        value, d_neg, d_pos = use_row(loss, [negative], [positive])
        assert value == loss(positive, negative)[0]
        own, other = loss.gradient(positive, negative)
        assert (d_pos[0], d_neg[0]) == (own[0], other[0])


def test_the_gradient_of_a_group_hinge_with_all_pairs_violated_is_the_difference_of_the_two_sums():
    rng = np.random.default_rng(0)
    user, own, others = rng.normal(size=8), rng.normal(size=(3, 8)), rng.normal(size=(5, 8))
    _, d_neg, d_pos = use_row(HingeLoss(margin=100.0), others @ user, own @ user)
    # Of the mean over the negatives: the sum over pairs is 5 times as much.
    gradient = d_pos @ own + d_neg @ others
    np.testing.assert_allclose(5 * gradient, 3 * others.sum(axis=0) - 5 * own.sum(axis=0), rtol=1e-5, atol=1e-5)


def test_beyond_the_margin_no_pair_of_a_group_has_a_gradient():
    value, d_neg, d_pos = use_row(HingeLoss(margin=0.25), [0.0, 0.25, -0.5], [0.5, 0.75])
    assert value == 0
    assert not d_neg.any() and not d_pos.any()


@each_loss
def test_a_masked_column_is_as_good_as_absent_and_has_no_gradient_at_all(loss):
    scores, positives = cosines(12), cosines(2, seed=1)
    scores[5] = 0.99  # Would count most.
    value, d_neg, d_pos = use_row(loss, scores, positives, columns=[5, 7], kinds=[1, -1], explicit=0.0)
    assert d_neg[[5, 7]].tolist() == [0.0, 0.0]
    kept = np.delete(np.arange(12), [5, 7])
    assert_same_row((value, d_neg[kept], d_pos), use_row(loss, scores[kept], positives))


@each_loss
def test_where_all_columns_are_masked_no_negative_has_a_gradient(loss):
    value, d_neg, d_pos = use_row(loss, cosines(4), [0.25], columns=range(4), kinds=[1] * 4)
    assert d_neg.tolist() == [0.0] * 4
    if isinstance(loss, CosineContrastiveLoss):
        assert (value, d_pos[0]) == (0.75, -1.0)
    else:
        assert value == pytest.approx(0.0, abs=1e-6) and d_pos[0] == pytest.approx(0.0)


@each_loss
def test_explicit_negatives_of_weight_1_are_negatives_like_others(loss):
    scores, positives = cosines(9), cosines(2, seed=1)
    one = use_row(loss, scores, positives, columns=[3, 4], kinds=[-1, -1], explicit=1.0)
    assert_same_row(one, use_row(loss, scores, positives))


@pytest.mark.parametrize("loss", WITH_LOGITS[:2], ids=repr)
def test_an_explicit_negative_of_weight_2_counts_as_two(loss):
    scores, positives = cosines(9), cosines(2, seed=1)
    value, d_neg, d_pos = use_row(loss, scores, positives, columns=[4], kinds=[-1], explicit=2.0)
    twice, d_twice, d_pos_twice = use_row(loss, np.append(scores, scores[4]), positives)
    d_twice[4] += d_twice[9]
    assert_same_row((value, d_neg, d_pos), (twice, d_twice[:9], d_pos_twice))


@pytest.mark.parametrize("loss", WITH_LOGITS[:2], ids=repr)
def test_a_candidate_with_a_correction_of_log_n_counts_as_n(loss):
    scores, positives = cosines(6), cosines(2, seed=1)
    times = np.array([1, 3, 2, 1, 1, 2])
    value, d_neg, d_pos = use_row(loss, scores, positives, shift=np.log(times))
    repeated, d_each, d_pos_repeated = use_row(loss, np.repeat(scores, times), positives)
    summed = np.add.reduceat(d_each, np.cumsum(times) - times)
    assert_same_row((value, d_neg, d_pos), (repeated, summed, d_pos_repeated))


@pytest.mark.parametrize("loss", WITH_SCORES, ids=repr)
def test_losses_without_a_softmax_over_the_row_are_not_corrected(loss):
    scores, positives = cosines(6), cosines(2, seed=1)
    shifted = use_row(loss, scores, positives, shift=np.linspace(-2, 2, 6))
    assert_same_row(shifted, use_row(loss, scores, positives), rtol=0)


def test_the_quantile_of_softmax_at_k_is_of_scores_not_of_corrected_logits():
    loss = SoftmaxAtKLoss(temperature=0.25, weight_temperature=0.01, k=1)
    # The best score is a negative's, 0.5, whatever the corrections say.
    shift = np.array([-8.0, 8.0])
    _, _, d_pos = use_row(loss, [0.5, 0.0], [0.51], shift=shift)
    weight = 1 / (1 + np.exp(-(0.51 - 0.51) / 0.01))  # The positive is the best itself: half.
    np.testing.assert_allclose(d_pos * 0.25, -weight, rtol=1e-4)
    _, _, d_pos = use_row(loss, [0.5, 0.0], [0.49], shift=shift)
    np.testing.assert_allclose(d_pos * 0.25, -1 / (1 + np.exp(1)), rtol=1e-4)


@pytest.mark.parametrize("loss", WITH_LOGITS, ids=repr)
def test_a_hit_that_is_not_left_out_is_corrected_by_its_own_share(loss):
    scores, positives = cosines(5), cosines(2, seed=1)
    shift, hit = np.log([3.0, 1, 1, 2, 1]), np.log([2 / 3, 1, 1, 1, 1])
    one = use_row(loss, scores, positives, columns=[0], kinds=[1], shift=shift, hit_shift=hit)
    assert_same_row(one, use_row(loss, scores, positives, shift=np.log([2.0, 1, 1, 2, 1])), rtol=1e-5)


@each_loss
@pytest.mark.parametrize("n_hard", [10, 11, 1000])
def test_mining_no_fewer_negatives_than_there_are_changes_nothing(loss, n_hard):
    scores, positives = cosines(10), cosines(2, seed=1)
    assert_same_row(use_row(loss, scores, positives, n_hard=n_hard), use_row(loss, scores, positives), rtol=0)


@each_loss
def test_mined_negatives_are_those_of_a_row_of_the_hardest_alone(loss):
    scores, positives = cosines(30), cosines(2, seed=1)
    value, d_neg, d_pos = use_row(loss, scores, positives, n_hard=4)
    hardest = np.argsort(-scores)[:4]
    assert not np.delete(d_neg, hardest).any()
    assert_same_row((value, d_neg[hardest], d_pos), use_row(loss, scores[hardest], positives))


def test_the_softmax_with_the_hardest_negative_alone_is_bpr_with_it():
    scores, positives = cosines(30), cosines(1, seed=1)
    value, d_neg, d_pos = use_row(SoftmaxLoss(temperature=1.0), scores, positives, n_hard=1)
    bpr = BPRLoss()
    assert value == pytest.approx(bpr(positives, scores.max())[0], rel=1e-6)
    own, other = bpr.gradient(positives, scores.max())
    assert (d_pos[0], d_neg.max()) == pytest.approx((own[0], other[0]), rel=1e-5)


def test_mining_looks_at_corrected_logits_and_after_the_masks():
    scores = [0.9, 0.8, 0.1, 0.0]
    _, d_neg, _ = use_row(
        SoftmaxLoss(temperature=1.0), scores, [0.5], columns=[0], kinds=[1], shift=[0, 0, 0, 2.0], n_hard=1
    )
    assert np.flatnonzero(d_neg).tolist() == [3]


@each_loss
def test_loss_and_derivatives_are_proportional_to_the_weights(loss):
    scores, positives = cosines(12), cosines(3, seed=1)
    once = use_row(loss, scores, positives, weights=[0.5, 0.25, 1.0])
    twice = use_row(loss, scores, positives, weights=[1.0, 0.5, 2.0])
    assert_same_row(twice, tuple(2 * part for part in once))


@pytest.mark.parametrize("loss", [x for x in WITH_LOGITS + WITH_SCORES if not isinstance(x, SoftmaxAtKLoss)], ids=repr)
def test_a_positive_of_weight_2_is_one_that_occurs_twice(loss):
    scores, positives = cosines(12), cosines(2, seed=1)
    value, d_neg, d_pos = use_row(loss, scores, positives, weights=[1.0, 2.0])
    again, d_again, d_pos_again = use_row(loss, scores, positives[[0, 1, 1]])
    d_pos_again = np.array([d_pos_again[0], d_pos_again[1] + d_pos_again[2]])
    assert_same_row((value, d_neg, d_pos), (again, d_again, d_pos_again))


@each_loss
def test_rows_of_a_block_are_what_they_are_alone(loss):
    scores = cosines(3, 8)
    positives = cosines(6, seed=1)
    indptr = np.array([0, 2, 3, 6], np.int64)
    z, values = scores.copy(), positives.copy()
    total = 0.0
    for rows in [(1, 3), (0, 1)]:
        total += _block.block_rows(
            loss._make_block_state(1.0),
            rows,
            z,
            NOTHING,
            np.full(8, NEVER),
            np.ones(6, np.int8),
            np.full(6, -1, np.int32),
            np.ones(6, np.int8),
            indptr,
            values,
            np.ones(6, np.float32),
            NEVER,
            0,
            np.empty(19, np.float32),
        )
    alone = [use_row(loss, scores[r], positives[indptr[r] : indptr[r + 1]]) for r in range(3)]
    assert total == pytest.approx(sum(value for value, _, _ in alone), rel=1e-6)
    for r, (_, d_neg, d_pos) in enumerate(alone):
        assert_same_row((z[r], values[indptr[r] : indptr[r + 1]]), (d_neg, d_pos))


def block(n_rows=5, n_places=7, d=6):
    """Entries of a block: every row has some, the last of each is not its own."""
    rng = np.random.default_rng(3)
    lengths = rng.integers(2, 5, n_rows)
    indptr = np.append(0, np.cumsum(lengths)).astype(np.int64)
    places = np.concatenate([rng.choice(n_places, n, replace=False) for n in lengths]).astype(np.int32)
    own = np.ones(len(places), np.int8)
    own[indptr[1:] - 1] = 0
    users, items = (rng.normal(size=(n, d)).astype(np.float32) for n in (n_rows, n_places))
    return indptr, places, own, users, items


def test_positives_are_scored_and_their_derivatives_returned_to_both_sides():
    indptr, places, own, users, items = block()
    rows = np.repeat(np.arange(5), np.diff(indptr))
    positives = np.zeros(len(places), np.float32)
    _block.dot_positives((0, 5), users, items, indptr, own, places, positives)
    scores = np.einsum("nd,nd->n", users[rows], items[places]) * own
    np.testing.assert_allclose(positives, scores, rtol=1e-5, atol=1e-6)

    gathered = np.zeros_like(positives)
    table = users @ items.T
    _block.gather_columns((0, 5), table, indptr, own, places, gathered)
    np.testing.assert_allclose(gathered, scores, rtol=1e-5, atol=1e-6)
    _block.scatter_columns((0, 5), table, indptr, own, places, np.full_like(positives, 7.0))
    assert (table[rows, places] == 7.0).tolist() == (own > 0).tolist()

    derivatives = cosines(len(places)) * own
    by_user, by_item = np.zeros_like(users), np.zeros_like(items)
    _block.add_positive_rows((0, 5), by_user, items, indptr, own, places, derivatives)
    dense = np.zeros((5, 7), np.float32)
    dense[rows, places] = derivatives
    np.testing.assert_allclose(by_user, dense @ items, rtol=1e-5, atol=1e-5)

    starts = np.empty(8, np.int64)
    entry_rows, entries = np.empty(len(places), np.int32), np.empty(len(places), np.int32)
    taken = np.where(own > 0, places, -1).astype(np.int32)
    _block.transpose_block(indptr, taken, starts, entry_rows, entries)
    for place in range(7):
        here = slice(starts[place], starts[place + 1])
        expected = np.flatnonzero(taken == place)
        assert entries[here].tolist() == expected.tolist()
        assert entry_rows[here].tolist() == rows[expected].tolist()
    for part in [(0, 3), (3, 7)]:
        _block.add_transposed(part, by_item, users, starts, entry_rows, entries, derivatives)
    np.testing.assert_allclose(by_item, dense.T @ users, rtol=1e-5, atol=1e-5)


def test_bags_are_products_with_a_sparse_matrix():
    matrix = random_array((6, 9), density=0.4, format="csr", dtype=np.float32, rng=np.random.default_rng(0))
    table = cosines(9, 4)
    out = np.ones((6, 4), np.float32)
    _block.add_bags((2, 6), matrix.indptr.astype(np.int64), matrix.indices, matrix.data, table, out)
    np.testing.assert_array_equal(out[:2], 1.0)
    np.testing.assert_allclose(out[2:], 1.0 + (matrix @ table)[2:], rtol=1e-5, atol=1e-6)


def test_distinct_columns_are_numbered_in_order_of_appearance():
    place_of, distinct = np.full(6, -1, np.int32), np.empty(6, np.int32)
    n = _block.number_distinct(np.array([4, 0, 4, 5, 0], np.int32), place_of, distinct)
    assert distinct[:n].tolist() == [4, 0, 5]
    assert place_of.tolist() == [1, -1, -1, -1, 0, 2]


def test_the_way_back_through_the_normalisation_agrees_with_central_differences():
    vectors, gradient = cosines(3, 5).astype(np.float64), cosines(3, 5, seed=1)

    def cost(v):
        return (v / np.linalg.norm(v, axis=1, keepdims=True) * gradient).sum()

    numeric = np.empty_like(vectors)
    for place in np.ndindex(*vectors.shape):
        ends = []
        for sign in (1, -1):
            moved = vectors.copy()
            moved[place] += sign * 1e-6
            ends.append(cost(moved))
        numeric[place] = (ends[0] - ends[1]) / 2e-6
    units, lengths = vectors.astype(np.float32), np.empty(3, np.float32)
    _block.normalise_rows((0, 3), units, lengths, 1e-12)
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(lengths, np.linalg.norm(vectors, axis=1), rtol=1e-6)
    back = gradient.copy()
    _block.back_through_norm((0, 3), units, lengths, back)
    np.testing.assert_allclose(back, numeric, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose((back * units).sum(axis=1), 0.0, atol=1e-6)


def test_a_row_of_zeros_stays_one():
    zeros, lengths = np.zeros((1, 4), np.float32), np.empty(1, np.float32)
    _block.normalise_rows((0, 1), zeros, lengths, 1e-12)
    assert not zeros.any()


def test_adam_steps_are_those_of_its_paper_with_a_count_for_each_row():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, 3)).astype(np.float32)
    first, second, counts = np.zeros_like(table), np.zeros_like(table), np.zeros(5, np.int32)
    expected, m, v, n = table.astype(np.float64), np.zeros((5, 3)), np.zeros((5, 3)), np.zeros(5)
    rate, b1, b2, l2 = 0.05, 0.9, 0.99, 0.01
    for codes in ([0, 3], [3, 1], [3, 0, 4]):
        gradient = rng.normal(size=(len(codes), 3)).astype(np.float32)
        arrays = np.array(codes, np.int32), table, first, second, counts, gradient
        _block.adam_rows((0, len(codes)), *arrays, rate, b1, b2, l2)
        g = gradient + l2 * expected[codes]
        n[codes] += 1
        m[codes], v[codes] = b1 * m[codes] + (1 - b1) * g, b2 * v[codes] + (1 - b2) * g**2
        age = n[codes][:, None]
        expected[codes] -= rate * (m[codes] / (1 - b1**age)) / (np.sqrt(v[codes] / (1 - b2**age)) + 1e-8)
    np.testing.assert_allclose(table, expected, rtol=1e-5)
    assert counts.tolist() == [2, 1, 0, 3, 1]
