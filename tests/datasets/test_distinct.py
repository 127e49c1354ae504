import numpy as np
import pytest

from skrec.datasets import _distinct
from skrec.datasets._distinct import draw_distinct_pairs


def _accept(users, items):
    return 0.2 + 0.6 * ((users + items) % 2).astype(float)


@pytest.mark.parametrize("dense_cells", [0, 10**9])
def test_rejection_and_exact_keys_follow_the_same_law_without_replacement(monkeypatch, dense_cells):
    # With 0 the users go through rejection and only leftovers to the exact stage; with many cells all go to the latter.
    monkeypatch.setattr(_distinct, "_DENSE_CELLS", dense_cells)
    n_users = 40_000
    popularity = np.array([0.5, 0.25, 0.15, 0.1])
    keys = draw_distinct_pairs(np.full(n_users, 2), popularity, _accept, np.random.default_rng(0))
    users, items = np.divmod(keys, 4)
    np.testing.assert_array_equal(np.bincount(users), 2)
    for parity in (0, 1):
        weight = popularity * _accept(np.full(4, parity), np.arange(4))
        weight /= weight.sum()
        # An item is drawn first, or second after another.
        expected = weight + sum(weight[j] * np.where(np.arange(4) == j, 0, weight / (1 - weight[j])) for j in range(4))
        share = np.bincount(items[users % 2 == parity], minlength=4) / (n_users / 2)
        np.testing.assert_allclose(share, expected, atol=0.015)  # over four standard errors


def test_taken_pairs_are_not_drawn():
    rng = np.random.default_rng(0)
    popularity = np.full(10, 0.1)
    first = draw_distinct_pairs(np.full(50, 5), popularity, _accept, rng)
    second = draw_distinct_pairs(np.full(50, 5), popularity, _accept, rng, taken=first)
    np.testing.assert_array_equal(np.union1d(first, second), np.arange(500))


def test_blocks_do_not_change_the_number_of_pairs(monkeypatch):
    monkeypatch.setattr(_distinct, "_PROPOSALS_PER_BLOCK", 64)
    counts = np.array([0, 3, 40, 1, 0, 25, 2])
    keys = draw_distinct_pairs(counts, np.full(50, 0.02), _accept, np.random.default_rng(0))
    assert (np.diff(keys) > 0).all()
    np.testing.assert_array_equal(np.bincount(keys // 50, minlength=7), counts)
