"""Columns of frames and of 2-D arrays, read as numbers or as values with codes.

A column is a narwhals series or a 1-D array. pandas is imported where it is used: importing the package must not load
it.
"""

from datetime import timedelta
from itertools import chain
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

_LISTS = (list, tuple, set, frozenset, np.ndarray)
_MICROSECONDS_A_DAY = 86_400e6


class Values(NamedTuple):
    """What the cells of a column hold: one value each, or any number of them.

    Parameters
    ----------
    codes : ndarray of shape (n_values,), int64
        Position of each value in `distinct`, row after row; -1 stands for a missing cell.
    distinct : ndarray of shape (n_distinct,), object
        The values, each once, in order of appearance.
    lengths : ndarray of shape (n_rows,), int64, or None
        How many entries of `codes` each row has. None: one each.
    """

    codes: np.ndarray
    distinct: np.ndarray
    lengths: np.ndarray | None


def read_columns(estimator, X, *, reset):
    """Check `X` and take it apart.

    Parameters
    ----------
    estimator : estimator
        Receives ``n_features_in_`` and ``feature_names_in_`` when `reset`, and is held to them otherwise.
    X : array-like or frame of shape (n_rows, n_columns)
        2-D array, list of rows, or a frame that narwhals knows.
    reset : bool
        Whether this is `fit`. Then `X` must have a row.

    Returns
    -------
    list of narwhals Series or of ndarray of shape (n_rows,)
    """
    if nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        n_rows, n_columns = frame.shape
        for n, kind, least in ((n_rows, "sample", int(reset)), (n_columns, "feature", 1)):
            if n < least:
                raise ValueError(
                    f"Found array with {n} {kind}(s) (shape={frame.shape}) while a minimum of {least} is required by "
                    f"{type(estimator).__name__}."
                )
        return [frame[:, place] for place in range(n_columns)]
    if isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame):
        raise TypeError(f"X is lazy ({type(X).__name__}): collect it into a frame first.")
    if isinstance(X, (list, tuple)) and np.asarray(X).dtype.kind in "USO":
        # numpy would turn the numbers of rows that also hold text into text.
        X = np.array(X, dtype=object)
    X = check_array(
        X,
        dtype=None,
        ensure_all_finite=False,
        ensure_min_samples=int(reset),
        estimator=estimator,
        input_name="X",
    )
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return list(X.T)


def kind_of(column):
    """Say what a column holds.

    Returns
    -------
    {"number", "flag", "date", "lists", "values", "nothing"}
        "flag" is bool, "lists" has lists, tuples, sets or arrays in its cells, "nothing" is a column of objects in
        which every cell is missing: it may be anything.
    """
    if isinstance(column, nw.Series):
        dtype = column.dtype
        if dtype.is_numeric():
            return "number"
        if dtype == nw.Boolean:
            return "flag"
        if dtype in (nw.Date, nw.Datetime, nw.Duration):
            return "date"
        if dtype in (nw.List, nw.Array):
            return "lists"
        if column.is_null().all():
            return "nothing"
        return _kind_of_objects(column.to_numpy()) if dtype in (nw.Object, nw.Unknown) else "values"
    kinds = {"b": "flag", "i": "number", "u": "number", "f": "number", "M": "date", "m": "date"}
    return _kind_of_objects(column) if column.dtype.kind == "O" else kinds.get(column.dtype.kind, "values")


def numbers(column):
    """Return a column of kind number, flag, date or nothing as float64, NaN where it is missing.

    Dates are days since 1970-01-01 (UTC where they have a time zone), durations are days.
    """
    if isinstance(column, nw.Series):
        dtype = column.dtype
        if dtype.is_numeric() or dtype == nw.Boolean:
            return column.cast(nw.Float64).to_numpy()
        if dtype == nw.Duration:
            return column.dt.total_microseconds().cast(nw.Float64).to_numpy() / _MICROSECONDS_A_DAY
        if dtype in (nw.Date, nw.Datetime):
            column = column.cast(nw.Datetime("us")) if dtype == nw.Date else column
            return column.dt.timestamp("us").cast(nw.Float64).to_numpy() / _MICROSECONDS_A_DAY
        column = column.to_numpy()
    if column.dtype.kind == "O":
        return _numbers_of_objects(column)
    if column.dtype.kind in "mM":
        days = column.astype(f"{column.dtype.kind}8[us]").astype(np.int64) / _MICROSECONDS_A_DAY
        return np.where(np.isnat(column), np.nan, days)
    return column.astype(np.float64)


def values(column, what):
    """Read a column as one value a cell.

    Parameters
    ----------
    column : narwhals Series or ndarray of shape (n_rows,)
    what : str
        What the column is called in messages.

    Returns
    -------
    Values
    """
    if not isinstance(column, nw.Series):
        return Values(*_factorize(column.astype(object) if column.dtype.kind in "US" else column, what), None)
    if column.implementation.is_pandas():
        # pandas numbers its own extension types (text, categories, time zones) without unpacking them.
        return Values(*_factorize(column.to_native(), what), None)
    if column.dtype in (nw.Categorical, nw.Enum):
        column = column.cast(nw.String)
    present = ~column.is_null().to_numpy()
    codes = np.full(len(present), -1, dtype=np.int64)
    known = column.drop_nulls()
    cells = known.to_list() if known.dtype in (nw.List, nw.Array, nw.Struct) else known.to_numpy()
    codes[present], distinct = _factorize(_objects(cells) if isinstance(cells, list) else cells, what)
    return Values(codes, distinct, None)


def list_values(column, what):
    """Read a column with lists, tuples, sets or arrays in its cells; missing values in a list are left out.

    Parameters and Returns as in `values`.
    """
    if not isinstance(column, nw.Series):
        return _flatten(column, what)
    if column.dtype != nw.List or column.implementation.is_pyarrow():
        return _flatten(_objects(column.to_list()), what)
    sizes = column.list.len().fill_null(1).to_numpy().astype(np.int64)
    # A missing and an empty cell become one missing value each.
    flat = values(column.to_frame().explode(column.name)[:, 0], what)
    rows = np.repeat(np.arange(len(sizes)), np.maximum(sizes, 1))
    return _without_missing(flat.codes, flat.distinct, rows, column.is_null().to_numpy())


def split_values(column, delimiter, what):
    """Read a column of text in which a delimiter stands between values.

    Blanks around values are cut off, and empty values left out. Each distinct text is split once.

    Parameters and Returns as in `values`.
    """
    whole = values(column, what)
    for text in whole.distinct:
        if not isinstance(text, str):
            raise TypeError(f"{what} has delimiter={delimiter!r} and holds {text!r}, which is not text.")
    parts = ([part.strip() for part in text.split(delimiter)] for text in whole.distinct)
    # One more row, of a single missing cell, answers code -1.
    table = _flatten(_objects([*([part for part in row if part] for row in parts), None]), what)
    starts = np.cumsum(table.lengths) - table.lengths
    lengths = table.lengths[whole.codes]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Values(table.codes[np.repeat(starts[whole.codes], lengths) + within], table.distinct, lengths)


def is_text(distinct):
    """Whether values are text (True) or numbers (False); None when there are none, or for anything else."""
    if len(distinct) == 0:
        return None
    if isinstance(distinct[0], str):
        return True
    return False if isinstance(distinct[0], (int, float, np.number)) else None


def _kind_of_objects(cells):
    """Kind of a column of objects."""
    import pandas as pd
    from pandas.api.types import infer_dtype

    present = cells[~pd.isna(cells)]
    if len(present) == 0:
        return "nothing"
    if isinstance(present[0], _LISTS):
        return "lists"
    inferred = infer_dtype(present, skipna=False)
    if inferred in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "number"
    if inferred == "boolean":
        return "flag"
    return "date" if inferred in ("datetime64", "datetime", "date", "timedelta64", "timedelta") else "values"


def _numbers_of_objects(cells):
    import pandas as pd

    missing = pd.isna(cells)
    found = np.full(len(cells), np.nan)
    present = cells[~missing]
    if _kind_of_objects(present) == "date":
        if isinstance(present[0], (timedelta, np.timedelta64)):
            present = numbers(pd.to_timedelta(present).to_numpy())
        else:
            present = numbers(pd.to_datetime(present, utc=True).tz_localize(None).to_numpy())
    found[~missing] = present.astype(np.float64)
    return found


def _flatten(cells, what):
    """Give the values in cells that are lists codes."""
    import pandas as pd

    missing = pd.isna(cells)
    for kind in set(map(type, cells[~missing])):
        if not issubclass(kind, _LISTS):
            other = next(cell for cell in cells if type(cell) is kind)
            raise TypeError(
                f"{what} holds several values a cell, and {other!r}, which is no list, tuple, set or array. For text "
                "with a delimiter between values, set delimiter."
            )
    cells = cells.copy()
    cells[missing] = _objects([(None,)] * int(missing.sum()))
    sizes = np.fromiter(map(len, cells), dtype=np.int64, count=len(cells))
    flat = np.fromiter(chain.from_iterable(cells), dtype=object, count=int(sizes.sum()))
    codes, distinct = _factorize(flat, what)
    return _without_missing(codes, distinct, np.repeat(np.arange(len(cells)), sizes), missing)


def _without_missing(codes, distinct, rows, missing):
    """Leave out values that are missing in a list; what stands for a missing cell stays."""
    kept = (codes >= 0) | missing[rows]
    return Values(codes[kept], distinct, np.bincount(rows[kept], minlength=len(missing)))


def _factorize(cells, what):
    """Give distinct values codes in order of appearance, -1 to missing ones; the values come as objects."""
    import pandas as pd
    from pandas.api.types import infer_dtype

    try:
        codes, distinct = pd.factorize(cells)
    except TypeError as error:
        raise TypeError(
            f"{what} holds a value that cannot be hashed ({error}): each argument must be a string or a number, or a "
            "list of such."
        ) from error
    if isinstance(distinct, np.ndarray) and distinct.dtype == object:
        objects = distinct
    else:
        objects = pd.Index(distinct, tupleize_cols=False).astype(object).to_numpy()
    if infer_dtype(objects, skipna=False).startswith("mixed"):
        text = [value for value in objects if isinstance(value, (str, bytes))]
        if text and len(text) < len(objects):
            other = next(value for value in objects if not isinstance(value, (str, bytes)))
            raise TypeError(
                f"{what} mixes {type(text[0]).__name__} values (such as {text[0]!r}) and {type(other).__name__} values "
                f"(such as {other!r}). Make them one type first, for instance with .astype(str)."
            )
    return codes.astype(np.int64, copy=False), objects


def _objects(cells):
    """Return a list as an array of objects, also where its elements are lists of equal length."""
    return np.fromiter(cells, dtype=object, count=len(cells))
