"""Search of an index: tiles of approximate scores are sifted for candidates, and only these are scored for good.

The score of a query and an item is `inner_product`, a function of the two vectors alone. A tile that BLAS computed is
close to it, but its last bits depend on the shape of the tile and on the library; so it only tells which items cannot
be among the k best. An error bound, the `slack` of a query, says how close.
"""

from typing import NamedTuple

import numpy as np

from skrec._kernels._jit import kernel
from skrec._kernels._topk import _is_worse, _sift_down, _sort_heap

# Scores compared at once with the one to beat. A count over a fixed number of them compiles to vector instructions; the
# maximum of a chunk, or one of varying length, takes five times as long.
_CHUNK = 64


class CodeLists(NamedTuple):
    """A sorted list of distinct item codes for each query: list r is ``codes[start[r] : stop[r]]``.

    `start` and `stop` (n_queries,) int64, `codes` int32. Queries may share a list.
    """

    start: np.ndarray
    stop: np.ndarray
    codes: np.ndarray


@kernel
def inner_product(query, vector):
    """Sum of the products of two float32 vectors, each product exact and the sum in float64, rounded to float32."""
    total = np.float64(0.0)
    for c in range(query.shape[0]):
        total += np.float64(query[c]) * np.float64(vector[c])
    return np.float32(total)


@kernel
def _scan_columns(row, start, stop, first, query, vectors, slack, items, scores):
    """Bring columns `start` to `stop` of a row of a tile into a heap."""
    bound = scores[0] - slack
    for j in range(start, stop):
        if row[j] > bound:
            item = np.int32(first + j)
            score = inner_product(query, vectors[item])
            if score > scores[0]:
                _sift_down(scores, items, 0, items.shape[0], score, item)
                bound = scores[0] - slack


@kernel(inline=False)
def scan_tile(tile, shape, first, queries, vectors, slack, exclude, place, items, scores):
    """Bring what is in the first `shape` (rows, columns) of `tile` into the heaps of the queries.

    `tile` holds about the inner products of `queries` with ``vectors[first:]``, within `slack` (n_queries,) float32.
    Overwrites excluded scores with -inf; `place` (n_queries,) int64 is how far each list of `exclude` has been read.
    `items` int32 and `scores` float32, both (n_queries, k), are heaps, -1 and -inf where they are not full yet. Tiles
    come by rising `first`: an equal score further on loses.
    """
    n_rows, width = shape
    for r in range(n_rows):
        row = tile[r]
        at = place[r]
        while at < exclude.stop[r] and exclude.codes[at] < first + width:
            row[exclude.codes[at] - first] = -np.inf
            at += 1
        place[r] = at

        n_chunks = width // _CHUNK
        for chunk in range(n_chunks):
            start = chunk * _CHUNK
            bound = scores[r, 0] - slack[r]
            n_above = np.int32(0)
            for j in range(_CHUNK):
                n_above += np.int32(row[start + j] > bound)
            if n_above > 0:
                _scan_columns(row, start, start + _CHUNK, first, queries[r], vectors, slack[r], items[r], scores[r])
        _scan_columns(row, n_chunks * _CHUNK, width, first, queries[r], vectors, slack[r], items[r], scores[r])


@kernel(inline=False)
def scan_listed(tile, shape, first, queries, vectors, slack, candidates, place, items, scores):
    """Like `scan_tile`, for the columns that are in each query's list of candidates."""
    n_rows, width = shape
    for r in range(n_rows):
        at = place[r]
        while at < candidates.stop[r] and candidates.codes[at] < first + width:
            column = candidates.codes[at] - first
            _scan_columns(tile[r], column, column + 1, first, queries[r], vectors, slack[r], items[r], scores[r])
            at += 1
        place[r] = at


@kernel(inline=False)
def scan_lists(queries, vectors, candidates, items, scores):
    """Bring the candidates of each query into its heap, each vector fetched for itself."""
    for r in range(queries.shape[0]):
        for at in range(candidates.start[r], candidates.stop[r]):
            item = candidates.codes[at]
            score = inner_product(queries[r], vectors[item])
            if score > scores[r, 0]:
                _sift_down(scores[r], items[r], 0, items.shape[1], score, item)


@kernel
def _is_listed(lists, r, item):
    low, high = lists.start[r], lists.stop[r]
    while low < high:
        middle = (low + high) // 2
        if lists.codes[middle] < item:
            low = middle + 1
        else:
            high = middle
    return low < lists.stop[r] and lists.codes[low] == item


@kernel(inline=False)
def scan_found(found, queries, vectors, candidates, limited, exclude, items, scores):
    """Write the best of what another search found, but for what is excluded, or not a candidate where `limited`.

    `found` (n_queries, n_found) int32 holds distinct codes, the better first as far as that search could tell: what
    comes about in order is put in its place at little cost. `items` and `scores`, both (n_queries, k), end best first.
    """
    k = items.shape[1]
    for r in range(found.shape[0]):
        n_taken = 0
        for at in range(found.shape[1]):
            item = found[r, at]
            if _is_listed(exclude, r, item) or (limited and not _is_listed(candidates, r, item)):
                continue
            score = inner_product(queries[r], vectors[item])
            place = n_taken
            while place > 0 and _is_worse(scores[r, place - 1], items[r, place - 1], score, item):
                if place < k:
                    scores[r, place] = scores[r, place - 1]
                    items[r, place] = items[r, place - 1]
                place -= 1
            if place < k:
                scores[r, place] = score
                items[r, place] = item
                n_taken = min(n_taken + 1, k)


@kernel(inline=False)
def sort_heaps(items, scores):
    """Sort every row best first; equal scores by item."""
    for r in range(items.shape[0]):
        _sort_heap(scores[r], items[r])
