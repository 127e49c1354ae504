"""Candidates and exclusions of queries: from what a user writes to what the kernels read."""

import numpy as np
from scipy.sparse import csr_array, issparse


def read_lists(lists, name, n_queries, n_items):
    """Read lists of item codes.

    Parameters
    ----------
    lists : None, one list of codes, a list of codes for each query, or sparse matrix (n_queries, n_items)
    name : str
        What `lists` is called in messages.
    n_queries, n_items : int

    Returns
    -------
    None, ndarray of shape (n,), int32, sorted and distinct, or csr_array of shape (n_queries, n_items)
        One list for all is an array; the stored entries of a matrix are the lists, sorted and distinct.
    """
    if lists is None:
        return None
    if issparse(lists):
        if lists.shape != (n_queries, n_items):
            raise ValueError(f"{name} has shape {lists.shape}, but should be {(n_queries, n_items)}: queries by items.")
        lists = csr_array(lists)
        return lists if lists.has_canonical_format else _stored(*_cells(lists), lists.shape)
    if hasattr(lists, "ndim") and lists.ndim in (1, 2):
        lists = np.asarray(lists)
    elif not hasattr(lists, "__len__") or isinstance(lists, (str, bytes)):
        raise ValueError(f"{name}={lists!r} should be a list of item codes, or one for each query.")
    if not _is_nested(lists):
        codes = _read_codes(lists, name, n_items)
        return np.unique(codes[codes >= 0])
    if len(lists) != n_queries:
        raise ValueError(
            f"{name} holds {len(lists)} lists for {n_queries} queries: give one list of codes for all, or one for each."
        )
    rows = np.repeat(np.arange(n_queries), [len(one) for one in lists])
    codes = _read_codes(np.concatenate([np.asarray(one) for one in lists if len(one)] or [[]]), name, n_items)
    return _stored(rows[codes >= 0], codes[codes >= 0], (n_queries, n_items))


def _is_nested(lists):
    return np.ndim(lists) == 2 if isinstance(lists, np.ndarray) else any(hasattr(one, "__len__") for one in lists)


def _read_codes(codes, name, n_items):
    codes = np.asarray(codes)
    if codes.size == 0:
        return np.empty(0, dtype=np.int32)
    if codes.dtype.kind not in "iu" or codes.ndim != 1:
        raise ValueError(f"{name} should hold item codes, integers from 0 to {n_items - 1}, got dtype {codes.dtype}.")
    outside = (codes < -1) | (codes >= n_items)
    if outside.any():
        raise ValueError(
            f"{name} holds {codes[outside][0]}, which is not the code of an item: codes go from 0 to {n_items - 1}, "
            "and -1 in free places is ignored."
        )
    return codes.astype(np.int32)


def _cells(matrix):
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices


def _stored(rows, codes, shape):
    """Make a matrix whose stored entries are sorted and distinct; what they hold does not matter."""
    matrix = csr_array((np.ones(len(codes), dtype=bool), (rows, codes)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def without(candidates, exclude):
    """Take what is excluded, for all or for each query, out of lists of candidates for each query."""
    rows, codes = _cells(candidates)
    if isinstance(exclude, np.ndarray):
        is_excluded = np.zeros(candidates.shape[1], dtype=bool)
        is_excluded[exclude] = True
        kept = ~is_excluded[codes]
    else:
        n_items = candidates.shape[1]
        other_rows, other_codes = _cells(exclude)
        kept = ~np.isin(rows * n_items + codes, other_rows * n_items + other_codes, assume_unique=True)
    return _stored(rows[kept], codes[kept], candidates.shape)


def to_places(exclude, candidates):
    """Write lists of codes as places in an array of candidates, leaving out what is not among them."""
    place = np.full(exclude.shape[1], -1, dtype=np.int32)
    place[candidates] = np.arange(len(candidates), dtype=np.int32)
    rows, codes = _cells(exclude)
    kept = place[codes] >= 0
    return _stored(rows[kept], place[codes[kept]], (exclude.shape[0], len(candidates)))


def n_listed(lists, n_queries):
    """Length of the list of each query."""
    if lists is None:
        return np.zeros(n_queries, dtype=np.int64)
    if isinstance(lists, np.ndarray):
        return np.full(n_queries, len(lists), dtype=np.int64)
    return np.diff(lists.indptr).astype(np.int64)


def select(lists, rows):
    """Return the lists of some of the queries; one list for all stays as it is."""
    return lists if lists is None or isinstance(lists, np.ndarray) else lists[rows]


def as_code_lists(lists, n_queries):
    """Return lists as kernels read them; None is an empty list for all."""
    from skrec._kernels._scan import CodeLists
    from skrec.utils._validation import kernel_array

    if lists is None or isinstance(lists, np.ndarray):
        codes = np.empty(0, dtype=np.int32) if lists is None else kernel_array(lists, np.int32)
        return CodeLists(np.zeros(n_queries, dtype=np.int64), np.full(n_queries, len(codes), dtype=np.int64), codes)
    indptr = kernel_array(lists.indptr, np.int64)
    return CodeLists(indptr[:-1].copy(), indptr[1:].copy(), kernel_array(lists.indices, np.int32))
