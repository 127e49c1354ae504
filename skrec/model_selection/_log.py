"""The part of (X, y) that splitters look at: ids as codes, times, and which rows are positives."""

from numbers import Integral
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d


class Ids(NamedTuple):
    """One id column: `codes` (n_rows,) integers below `n_unique`, numbered in order of appearance."""

    codes: np.ndarray
    n_unique: int


class Columns:
    """Columns of a frame that narwhals knows or of a 2-D array, by position or by name.

    Parameters
    ----------
    X : frame or array-like of shape (n_rows, n_columns)
        One interaction a row.
    """

    def __init__(self, X):
        native = nw.from_native(X, eager_only=True, pass_through=True)
        self._is_frame = isinstance(native, nw.DataFrame)
        if not self._is_frame:
            if sparse.issparse(native):
                raise TypeError("X is a sparse matrix; it must be a frame or a 2-D array with one interaction a row")
            # A list of rows of mixed types would become text; as objects, each value keeps its type.
            native = np.asarray(native, dtype=object if isinstance(native, list | tuple) else None)
            if native.ndim != 2:
                raise ValueError(
                    f"X has {native.ndim} dimension(s); it must be a frame or a 2-D array with one interaction a row"
                )
        self._data = native
        self.n_rows, self._n_columns = native.shape
        if self.n_rows == 0:
            raise ValueError("X has no rows; there is nothing to split")

    def read(self, key, parameter):
        """Return the values of a column as a 1-D array.

        Parameters
        ----------
        key : int or hashable
            Position, or name in a frame.
        parameter : str
            The parameter of the splitter that holds `key`, for messages.
        """
        if isinstance(key, Integral) and not isinstance(key, bool | np.bool_):
            if not 0 <= key < self._n_columns:
                raise ValueError(
                    f"{parameter}={key!r} is not a column of X, which has {self._n_columns} column(s): "
                    f"allowed are 0 to {self._n_columns - 1}"
                )
            return self._data[:, int(key)].to_numpy() if self._is_frame else self._data[:, key]
        if not self._is_frame:
            raise ValueError(f"{parameter}={key!r} is a name, but X is an array without names: give a position")
        if key not in self._data.columns:
            raise ValueError(f"{parameter}={key!r} is not a column of X; its columns are {self._data.columns}")
        return self._data[key].to_numpy()

    def ids(self, key, parameter):
        """Return the ids of a column as `Ids`."""
        import pandas as pd

        try:
            codes, uniques = pd.factorize(self.read(key, parameter))
        except TypeError as error:
            raise TypeError(f"column {parameter}={key!r} must hold hashable ids: {error}") from error
        if (codes < 0).any():
            raise ValueError(f"column {parameter}={key!r} has no id (None or NaN) in row {np.argmax(codes < 0)}")
        return Ids(codes, len(uniques))

    def times(self, key):
        """Return the times of a column as numbers, datetime64 or timedelta64; ``None`` gives the positions of rows."""
        import pandas as pd

        if key is None:
            return np.arange(self.n_rows)
        times = self.read(key, "time")
        missing = pd.isna(times)
        if missing.any():
            raise ValueError(f"column time={key!r} has no time (None, NaN or NaT) in row {np.argmax(missing)}")
        kind = pd.api.types.infer_dtype(times)
        if kind in ("date", "datetime"):
            # Times of a zone are compared, and cut, in UTC.
            times = pd.to_datetime(times, utc=True).tz_localize(None).to_numpy()
        elif times.dtype == object:
            times = np.asarray(pd.Series(times).infer_objects())
        if times.dtype.kind not in "iufmM":
            raise ValueError(
                f"column time={key!r} holds {kind} values; allowed are numbers and datetimes "
                "(pandas.to_datetime reads text)"
            )
        return times


def positives(y, n_rows):
    """Return which rows are positives: those with ``y > 0``, or all of them without `y`.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or None
        Numbers or booleans.
    n_rows : int
        Rows of X.
    """
    import pandas as pd

    if y is None:
        return np.ones(n_rows, dtype=bool)
    y = column_or_1d(y, warn=True)
    if len(y) != n_rows:
        raise ValueError(f"y has {len(y)} values and X has {n_rows} rows; there must be one value a row")
    missing = pd.isna(y)
    if missing.any():
        raise ValueError(f"y is missing (None or NaN) in row {np.argmax(missing)}; positive is y > 0")
    if y.dtype == object:
        y = np.asarray(pd.Series(y).infer_objects())
    if y.dtype.kind not in "biuf":
        raise ValueError(
            f"y holds {pd.api.types.infer_dtype(y)} values; allowed are numbers and booleans, and a positive is y > 0"
        )
    return y > 0


def grouped_order(codes, n_codes):
    """Return the row numbers sorted by `codes`, equal codes in row order.

    A counting sort, O(n_rows + n_codes): about ten times as fast as a stable argsort at ten million rows.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,)
        Integers in [0, n_codes).
    n_codes : int
        Upper bound of `codes`.
    """
    n_rows = len(codes)
    ones = np.ones(n_rows, dtype=bool)
    return sparse.coo_array((ones, (codes, np.arange(n_rows))), shape=(n_codes, n_rows)).tocsr().indices


def marked(codes, n_codes):
    """Return, for each code below `n_codes`, whether it occurs in `codes`."""
    mark = np.zeros(n_codes, dtype=bool)
    mark[codes] = True
    return mark
