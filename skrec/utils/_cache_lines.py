"""Arrays that lie on the processor's cache lines as threads want them to."""

import numpy as np

_LINE = 64  # bytes


def aligned_empty(shape, dtype):
    """Allocate an array that begins with a cache line, as numpy's own seldom do.

    Rows that fill whole lines then share none: reading one touches as few lines as can be, and threads that write to
    neighbours do not take the line from each other.
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def rows_apart(n_rows, n_columns, dtype):
    """Allocate an array whose rows, of any length, share no cache line."""
    per_line = _LINE // np.dtype(dtype).itemsize
    return aligned_empty((n_rows, -(-n_columns // per_line) * per_line), dtype)[:, :n_columns]
