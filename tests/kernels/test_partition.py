"""A partition's chunks hold every interaction once, and those of a round share no row."""

from itertools import combinations

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array
from scipy.stats import chisquare

from skrec._kernels._partition import (
    EXPLICIT,
    KNOWN,
    TRAIN,
    bound_words,
    count_items,
    cut_users,
    deal_items,
    fill_words,
    make_partition,
    permute_rows,
)
from skrec._kernels._rng import seed_states

N_USERS, N_ITEMS = 30, 17


def example(seed=0):
    """A matrix of kinds with empty first, middle and last users, and weights of its entries."""
    rng = np.random.default_rng(seed)
    matrix = csr_array(random_array((N_USERS, N_ITEMS), density=0.3, rng=rng, format="csr"))
    dense = matrix.toarray()
    dense[[0, 12, 13, N_USERS - 1]] = 0
    matrix = csr_array(dense)
    matrix.data = rng.choice(np.array([TRAIN, EXPLICIT, KNOWN], np.int8), matrix.nnz)
    return matrix, rng.random(matrix.nnz).astype(np.float32)


def cut(matrix, weights, n_groups, n_blocks, seed=0):
    """Deal and sort, as an epoch does; return the partition and a list of (group, block, words, weights)."""
    indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    partition = make_partition(indptr, matrix.shape[1], n_groups, n_blocks)
    deal_items(partition, seed_states(seed, 1)[0])
    last_user = np.empty(n_blocks, np.int32)
    chunks = []
    every_bound = bound_words(partition, count_items(partition, indptr, indices))
    assert every_bound.shape == (n_groups, n_blocks) and every_bound.sum() <= 2 * matrix.nnz
    for group, bounds in enumerate(every_bound):
        starts = np.cumsum(bounds) - bounds
        stops = starts.copy()
        words = np.zeros(bounds.sum(), np.int32)
        word_weights = np.zeros(len(words) if len(weights) else 0, np.float32)
        fill_words(partition, group, indptr, indices, matrix.data, weights, last_user, stops, words, word_weights)
        assert (stops - starts <= bounds).all()
        for b in range(n_blocks):
            place = slice(starts[b], stops[b])
            chunks.append((group, b, words[place], word_weights[place]))
    return partition, chunks


def decode(partition, block, words, weights):
    """(user, item, kind, weight) of each interaction of a chunk."""
    rows = []
    for at, word in enumerate(words):
        if word < 0:
            user = ~word
        else:
            item = partition.items[partition.item_starts[block] + (word >> 2)]
            kind = {TRAIN & 3: TRAIN, EXPLICIT & 3: EXPLICIT, KNOWN & 3: KNOWN}[int(word & 3)]
            rows.append((int(user), int(item), kind, float(weights[at]) if len(weights) else 1.0))
    return rows


@pytest.mark.parametrize(("n_groups", "n_blocks"), [(1, 1), (2, 3), (4, 4), (5, 5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_chunks_decode_back_to_every_interaction_once(n_groups, n_blocks, weighted):
    matrix, weights = example()
    if not weighted:
        weights = np.empty(0, np.float32)
    partition, chunks = cut(matrix, weights, n_groups, n_blocks)
    decoded = sorted(row for _, b, words, own in chunks for row in decode(partition, b, words, own))
    users = np.repeat(np.arange(N_USERS), np.diff(matrix.indptr))
    values = weights.tolist() if weighted else [1.0] * matrix.nnz
    assert decoded == sorted(zip(users.tolist(), matrix.indices.tolist(), matrix.data.tolist(), values, strict=True))


def test_chunks_of_one_round_share_neither_user_nor_item():
    n = 4
    matrix, weights = example()
    partition, chunks = cut(matrix, weights, n, n)
    rows = {(g, b): decode(partition, b, words, own) for g, b, words, own in chunks}
    for turn in range(n):
        for one, other in combinations([(g, (g + turn) % n) for g in range(n)], 2):
            for field in (0, 1):
                assert not {row[field] for row in rows[one]} & {row[field] for row in rows[other]}


def test_each_user_opens_one_run_in_a_chunk():
    matrix, weights = example()
    _, chunks = cut(matrix, weights, 3, 3)
    for _, _, words, _ in chunks:
        opened = words[words < 0]
        assert len(np.unique(opened)) == len(opened)


def test_items_are_dealt_into_blocks_of_about_equal_size():
    partition = make_partition(np.array([0, 0]), 17, 1, 5)
    deal_items(partition, seed_states(0, 1)[0])
    assert set(np.diff(partition.item_starts)) == {3, 4}
    np.testing.assert_array_equal(np.sort(partition.items), np.arange(17))
    slots = partition.item_starts[partition.block] + partition.position
    np.testing.assert_array_equal(partition.items[slots], np.arange(17))


def test_any_items_share_a_block_with_the_same_probability():
    partition = make_partition(np.array([0, 0]), 8, 1, 2)
    rng = seed_states(3, 1)[0]
    companions = []
    for _ in range(1400):
        deal_items(partition, rng)
        companions.append(np.flatnonzero(partition.block == partition.block[0])[1:])
    sets, counts = np.unique(companions, axis=0, return_counts=True)
    assert len(sets) == 35  # 3 of the 7 others
    assert chisquare(counts).pvalue > 1e-3
    # and so any single pair with probability (size - 1) / (n - 1)
    shared = np.bincount(np.concatenate(companions), minlength=8)[1:] / 1400
    np.testing.assert_allclose(shared, 3 / 7, atol=0.06)


def test_the_deal_depends_on_the_generator_alone():
    one, other = (make_partition(np.array([0, 0]), 20, 1, 4) for _ in range(2))
    deal_items(one, seed_states(1, 1)[0])
    deal_items(one, seed_states(2, 1)[0])
    deal_items(other, seed_states(2, 1)[0])
    np.testing.assert_array_equal(one.items, other.items)


@pytest.mark.parametrize("n_groups", [1, 2, 7])
def test_groups_of_users_have_about_equally_many_interactions(n_groups):
    lengths = np.random.default_rng(0).integers(0, 20, 200)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    starts = cut_users(indptr, n_groups)
    assert starts[0] == 0 and starts[-1] == 200
    sizes = np.diff(indptr[starts])
    assert sizes.sum() == indptr[-1]
    assert np.abs(sizes - indptr[-1] / n_groups).max() <= lengths.max()


def test_more_groups_than_users_leave_groups_empty():
    starts = cut_users(np.array([0, 3, 5]), 6)
    assert len(starts) == 7
    assert (np.diff(starts) >= 0).all() and starts[-1] == 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_columns", [1, 5])
def test_rows_are_permuted_in_place_and_back(n_columns, seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 1000, (40, n_columns)).astype(np.int32)
    order = rng.permutation(40).astype(np.int32)
    before, carried, moved = table.copy(), np.empty(n_columns, np.int32), np.empty(40, bool)
    permute_rows(table, order, carried, moved)
    np.testing.assert_array_equal(table, before[order])
    permute_rows(table, np.argsort(order).astype(np.int32), carried, moved)
    np.testing.assert_array_equal(table, before)
    permute_rows(table, np.arange(40, dtype=np.int32), carried, moved)
    np.testing.assert_array_equal(table, before)
