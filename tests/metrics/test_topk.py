"""Partial selection: the columns that a stable sort of the negated scores would put first."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from skrec._kernels._topk import top_k


def reference_top_k(block, k):
    masked = np.where(np.isnan(block), -np.inf, block)
    order = np.argsort(-masked, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(masked, order, axis=1)
    missing = k - order.shape[1]
    order = np.pad(order, ((0, 0), (0, max(missing, 0))), constant_values=-1)
    scores = np.pad(scores, ((0, 0), (0, max(missing, 0))), constant_values=-np.inf)
    return np.where(np.isneginf(scores), -1, order), scores


def assert_same_selection(block, k):
    items, scores = top_k(block, k)
    expected_items, expected_scores = reference_top_k(block, k)
    np.testing.assert_array_equal(items, expected_items)
    np.testing.assert_array_equal(scores, expected_scores)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 2, 7, 64, 300])
@pytest.mark.parametrize("n_levels", [2, 10, 10**6])
def test_selects_what_a_stable_sort_puts_first(k, n_levels, dtype):
    rng = np.random.default_rng(0)
    assert_same_selection(rng.integers(n_levels, size=(5, 257)).astype(dtype), k)


@pytest.mark.wants_jit
@settings(max_examples=50)
@given(
    block=arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(-2, 2).map(float)),
    k=st.integers(1, 45),
)
def test_selects_what_a_stable_sort_puts_first_on_many_ties(block, k):
    assert_same_selection(block, k)


@pytest.mark.parametrize("mask", [-np.inf, np.nan])
def test_masked_columns_are_never_chosen(mask):
    rng = np.random.default_rng(1)
    block = rng.normal(size=(6, 200)).astype(np.float32)
    block[rng.random(block.shape) < 0.9] = mask
    block[3] = mask
    assert_same_selection(block, 30)
    items, scores = top_k(block, 30)
    assert (items[3] == -1).all()
    assert np.isneginf(scores[3]).all()


@pytest.mark.parametrize("order", [1, -1])
def test_sorted_rows_are_selected_right(order):
    assert_same_selection(order * np.arange(500, dtype=np.float32)[np.newaxis], 10)


def test_infinite_score_is_a_score():
    items, _ = top_k(np.array([[0.0, np.inf, 1.0]], dtype=np.float32), 2)
    np.testing.assert_array_equal(items, [[1, 2]])


def test_nothing_is_chosen_from_no_columns_or_no_rows():
    items, scores = top_k(np.empty((2, 0), dtype=np.float32), 3)
    np.testing.assert_array_equal(items, np.full((2, 3), -1))
    assert top_k(np.empty((0, 4), dtype=np.float32), 3)[0].shape == (0, 3)
    assert top_k(np.ones((2, 4), dtype=np.float32), 0)[0].shape == (2, 0)


def test_layout_of_the_input_does_not_matter_and_it_stays_unchanged():
    block = np.random.default_rng(2).normal(size=(40, 30)).astype(np.float32)
    expected, _ = top_k(block, 5)
    frozen = block.copy()
    frozen.setflags(write=False)
    wide = np.zeros((40, 60), dtype=np.float32)
    wide[:, ::2] = block
    for same in (frozen, np.asfortranarray(block), wide[:, ::2]):
        before = same.copy()
        np.testing.assert_array_equal(top_k(same, 5)[0], expected)
        np.testing.assert_array_equal(same, before)
