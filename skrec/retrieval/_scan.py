"""Exact search: blocks of queries against tiles of items, scores that never leave the cache, many threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from skrec.retrieval._lists import as_code_lists, n_listed, to_places
from skrec.utils._threads import blas_threads, effective_n_jobs

# Queries of a block: enough for BLAS to come near its peak, and for the vectors of the items, which a block reads once,
# to cost little beside the products.
_BLOCK = 256
# Scores of a tile; at 4 bytes each it shares the second-level cache with the vectors that it comes from.
_TILE = 1 << 17
# A product within a tile costs about this share of one whose vector is fetched for itself: lists of candidates that
# are longer than this share of the catalogue are looked up in tiles.
TILE_COST = 1 / 16


def scan(vectors, norms, queries, k, candidates, exclude, n_jobs):
    """Find the `k` items of the highest inner product with each query.

    Parameters
    ----------
    vectors : ndarray of shape (n_items, n_features), float32, C-contiguous
    norms : ndarray of shape (n_items,)
        Lengths of the vectors.
    queries : ndarray of shape (n_queries, n_features), float32, C-contiguous
    k : int
    candidates, exclude : None, ndarray or csr_array
        As `read_lists` returns them. Where candidates are listed for each query, nothing is excluded.
    n_jobs : int or None

    Returns
    -------
    items : ndarray of shape (n_queries, k), int32
        Best first, equal scores by code; -1 where a query has fewer.
    scores : ndarray of shape (n_queries, k), float32
        -inf beside -1.
    """
    if isinstance(candidates, np.ndarray):
        if exclude is not None:
            exclude = to_places(exclude, candidates)
        places, scores = scan(vectors[candidates], norms[candidates], queries, k, None, exclude, n_jobs)
        return np.append(candidates, np.int32(-1))[places], scores

    from skrec._kernels import _scan

    n_queries = len(queries)
    items, scores = empty_heaps(n_queries, k)
    in_tiles = candidates is None or n_listed(candidates, n_queries).mean() > TILE_COST * len(vectors)
    kernel = _scan.scan_tile if candidates is None else _scan.scan_listed
    lists = as_code_lists(exclude if candidates is None else candidates, n_queries)

    def search(rows):
        its_lists = type(lists)(lists.start[rows], lists.stop[rows], lists.codes)
        if in_tiles:
            _scan_tiles(kernel, vectors, norms, queries[rows], its_lists, items[rows], scores[rows])
        else:
            _scan.scan_lists(queries[rows], vectors, its_lists, items[rows], scores[rows])
        _scan.sort_heaps(items[rows], scores[rows])

    run_blocks(search, n_queries, n_jobs)
    return items, scores


def empty_heaps(n_queries, k):
    """Arrays of items and of scores without any entry."""
    return np.full((n_queries, k), -1, dtype=np.int32), np.full((n_queries, k), -np.inf, dtype=np.float32)


def run_blocks(work, n_queries, n_jobs):
    """Call `work` with the slice of each block of queries, on `n_jobs` threads with a BLAS of one thread each.

    The first block goes alone, so that kernels are compiled before there are threads.
    """
    blocks = [slice(start, min(start + _BLOCK, n_queries)) for start in range(0, n_queries, _BLOCK)]
    n_threads = min(effective_n_jobs(n_jobs), len(blocks))
    with blas_threads(1):
        for rows in blocks[: 1 if n_threads > 1 else None]:
            work(rows)
        if n_threads > 1:
            with ThreadPoolExecutor(n_threads) as pool:
                for _ in pool.map(work, blocks[1:]):
                    pass


def row_norms(vectors):
    """Lengths of the rows, in float64 so that no square overflows or vanishes."""
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))


def _scan_tiles(kernel, vectors, norms, queries, lists, items, scores):
    n_rows, n_features = queries.shape
    width = max(1, min(_TILE // n_rows, len(vectors)))
    tile = np.empty((n_rows, width), dtype=np.float32)
    # A float32 sum of n products, in any order, is off by at most n * 2**-24 * |q| * |v| (Cauchy-Schwarz). Twice that,
    # and two terms more, also cover the rounding of the exact score, of the bound and of the numbers here.
    per_norm = (n_features + 2) * float(np.finfo(np.float32).eps) * row_norms(queries)
    # What float32 loses in products next to zero.
    lost = np.where(per_norm > 0, n_features * float(np.finfo(np.float32).tiny), 0.0)
    place = lists.start.copy()
    for first in range(0, len(vectors), width):
        part = vectors[first : first + width]
        longest = norms[first : first + width].max()
        np.matmul(queries, part.T, out=tile[:, : len(part)])
        slack = (per_norm * longest + lost * (longest > 0)).astype(np.float32)
        kernel(tile, (n_rows, len(part)), first, queries, vectors, slack, lists, place, items, scores)
