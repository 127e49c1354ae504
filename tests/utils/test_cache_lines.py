"""Arrays begin with a cache line, and rows that threads write to share none."""

import numpy as np
import pytest

from skrec.utils._cache_lines import aligned_empty, rows_apart


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 5), (1000, 64), (7, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_an_array_begins_with_a_line_and_is_as_any_other(shape, dtype):
    array = aligned_empty(shape, dtype)
    assert array.shape == shape and array.dtype == dtype
    assert array.size == 0 or array.ctypes.data % 64 == 0
    assert array.flags.c_contiguous and array.flags.writeable


@pytest.mark.parametrize("n_columns", [1, 8, 9, 16, 33])
@pytest.mark.parametrize("dtype", [np.float64, np.int32])
def test_rows_share_no_line(n_columns, dtype):
    rows = rows_apart(5, n_columns, dtype)
    assert rows.shape == (5, n_columns)
    rows[:] = np.arange(5)[:, None]
    lines = [{address // 64 for address in (row.ctypes.data, row.ctypes.data + row.nbytes - 1)} for row in rows]
    assert all(one.isdisjoint(other) for one, other in zip(lines, lines[1:], strict=False))
    assert all(row.flags.c_contiguous and (row == n).all() for n, row in enumerate(rows))
