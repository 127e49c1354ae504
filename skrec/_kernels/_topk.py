"""The k best of each row, ties broken towards the lower column, as a stable sort of the negated scores would."""

import numpy as np

from skrec._kernels._jit import kernel

# Columns tested at once against the score to beat: the maximum of a chunk compiles to vector instructions, and nearly
# every chunk of a long row holds no candidate.
_CHUNK = 64


@kernel
def _is_worse(score_a, item_a, score_b, item_b):
    return score_a < score_b or (score_a == score_b and item_a > item_b)


@kernel
def _sift_down(scores, items, hole, size, score, item):
    """Put (score, item) in place `hole` of a heap of `size` entries, or as far below as due; the root is the worst."""
    child = 2 * hole + 1
    while child < size:
        if child + 1 < size and _is_worse(scores[child + 1], items[child + 1], scores[child], items[child]):
            child += 1
        if not _is_worse(scores[child], items[child], score, item):
            break
        scores[hole] = scores[child]
        items[hole] = items[child]
        hole = child
        child = 2 * hole + 1
    scores[hole] = score
    items[hole] = item


@kernel
def _sort_heap(scores, items):
    """Turn a heap into a list, best first: the worst of what is left goes to the end."""
    for last in range(scores.shape[0] - 1, 0, -1):
        score = scores[last]
        item = items[last]
        scores[last] = scores[0]
        items[last] = items[0]
        _sift_down(scores, items, 0, last, score, item)


@kernel
def sort_best_first(scores, items):
    """Sort both arrays, of one length n, by falling score, equal scores by rising item. In place, O(n log n)."""
    n = scores.shape[0]
    for parent in range(n // 2 - 1, -1, -1):
        _sift_down(scores, items, parent, n, scores[parent], items[parent])
    _sort_heap(scores, items)


@kernel
def top_k_row(row, items, scores):
    """Fill `items` (k,) int32 and `scores` (k,) with the best columns of `row` (n,) and their scores, best first.

    Equal scores: the lower column first. Columns of score -inf or NaN are never chosen; places that stay free hold
    column -1 and score -inf. O(n) to pass over the row and O(log k) for each column that enters the heap, about
    k log(n / k) of them when the order of the columns says nothing about their scores.
    """
    items[:] = -1
    scores[:] = -np.inf
    if items.shape[0] == 0:
        return
    for start in range(0, row.shape[0], _CHUNK):
        chunk = row[start : start + _CHUNK]
        best = scores[0]
        for score in chunk:
            best = score if score > best else best
        if best > scores[0]:
            for j in range(chunk.shape[0]):
                # Strictly better is the whole test: an equal score further right loses to the ones already in the heap.
                if chunk[j] > scores[0]:
                    _sift_down(scores, items, 0, items.shape[0], chunk[j], np.int32(start + j))
    _sort_heap(scores, items)


@kernel(inline=False)
def top_k_rows(block, items, scores):
    """Apply `top_k_row` to each row of `block` (n_rows, n); fills `items` int32 and `scores`, both (n_rows, k)."""
    for r in range(block.shape[0]):
        top_k_row(block[r], items[r], scores[r])


def top_k(block, k):
    """Return the `k` best columns of each row of `block` and their scores.

    The one entrance for code outside the kernels: it brings any array to the one memory layout that the kernel is
    compiled for.

    Parameters
    ----------
    block : ndarray of shape (n_rows, n_columns)
        Scores. Columns that must not be chosen hold -inf (or NaN). float64 is ranked as such, anything else as float32.
    k : int
        How many to choose; may exceed n_columns.

    Returns
    -------
    items : ndarray of shape (n_rows, k), int32
        Columns, best first; equal scores by column; -1 where a row has fewer than `k` columns to choose from.
    scores : ndarray of shape (n_rows, k)
        Their scores, -inf beside -1.
    """
    block = np.asarray(block)
    dtype = np.float64 if block.dtype == np.float64 else np.float32
    block = np.require(block, dtype, ["C", "A", "W"])
    items = np.empty((block.shape[0], k), dtype=np.int32)
    scores = np.empty((block.shape[0], k), dtype=dtype)
    top_k_rows(block, items, scores)
    return items, scores
