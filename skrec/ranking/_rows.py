"""From frames to what the pointwise engine reads: inputs and values, row after row."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array


class Rows(NamedTuple):
    """Sparse rows of inputs.

    Parameters
    ----------
    indptr : ndarray of shape (n_rows + 1,), int64
    columns : ndarray of shape (nnz,), int32
        Inputs, sorted by field within each row.
    values : ndarray of shape (nnz,), float32
        Of length 0 where all are one, which most often they are: half the memory.
    length : int
        Inputs of a row, where all rows have as many; else 0.
    """

    indptr: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    length: int = 0

    @property
    def n_rows(self):
        """Number of rows."""
        return len(self.indptr) - 1


def gather_rows(blocks):
    """Lay the inputs of several columns beside each other.

    Parameters
    ----------
    blocks : iterable of csr_array of shape (n_rows, n_inputs of the column)
        Taken one at a time, so that one is in memory beside what is kept of those before it.

    Returns
    -------
    Rows
    """
    kept, offset, lengths = [], 0, 0
    for block in blocks:
        n_rows = block.shape[0]
        ones = bool(np.all(block.data == 1))
        full = block.nnz == n_rows and bool(np.all(np.diff(block.indptr) == 1))
        columns = block.indices.astype(np.int32, copy=False) + np.int32(offset)
        kept.append((None if full else np.diff(block.indptr), columns, None if ones else block.data))
        lengths = lengths + (np.ones(n_rows, np.int64) if full else kept[-1][0])
        offset += block.shape[1]
    indptr = np.zeros(n_rows + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    columns = np.empty(indptr[-1], np.int32)
    values = np.empty(0 if all(data is None for _, _, data in kept) else indptr[-1], np.float32)
    length = 0 if any(own is not None for own, _, _ in kept) else len(kept)
    cursor = indptr[:-1].copy()
    for place, (own, inputs, data) in enumerate(kept):
        kept[place] = None
        if own is None:
            target = cursor
            cursor = cursor + 1
        else:
            target = np.repeat(cursor, own)
            target += np.arange(len(inputs)) - np.repeat(np.cumsum(own) - own, own)
            cursor = cursor + own
        columns[target] = inputs
        if len(values):
            values[target] = 1 if data is None else data
    return Rows(indptr, columns, values, length)


def distinct_rows(rows):
    """Find rows that are alike.

    Returns
    -------
    order : ndarray of shape (n_distinct,), int64
        The first of each kind, in an order that depends on what the rows hold, not on where they stand.
    group : ndarray of shape (n_rows,), int64
        The place in `order` of each row's kind.
    """
    from skrec._kernels import _pointwise

    hashes = np.empty(rows.n_rows, np.uint64)
    _pointwise.hash_rows(rows.indptr, rows.columns, rows.values.view(np.uint32), hashes)
    order = np.argsort(hashes, kind="stable")
    same = np.zeros(rows.n_rows, bool)
    _pointwise.same_as_before(rows.indptr, rows.columns, rows.values, order, same)
    group = np.empty(rows.n_rows, np.int64)
    group[order] = np.cumsum(~same) - 1
    return order[~same], group


def repeat_row(block, n_rows):
    """Return a csr_array of `n_rows` rows, each the only one of `block`."""
    n = block.nnz
    indptr = np.arange(n_rows + 1, dtype=np.int64) * n
    return csr_array(
        (np.tile(block.data, n_rows), np.tile(block.indices, n_rows), indptr), shape=(n_rows, block.shape[1])
    )
