"""What is learnt about one column, and how it becomes inputs.

Each class has ``fit(...)``, which makes one from a column, ``encode(column, what)``, which returns a csr_array of shape
(n_rows, n_inputs), ``names(column_name)``, and ``grow(column, what, min_frequency)``, which returns one that also knows
the new categories of a column, and for each of its inputs which one it was, -1 for none. They are named
tuples, so that a fitted encoder pickles as arrays.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import murmurhash3_32

from skrec.preprocessing._columns import is_text, kind_of, list_values, numbers, split_values, values

# How the cells of a column hold values: one each, in lists, or in text with a delimiter.
_ONE, _LIST = "one", "list"


class NumericColumn(NamedTuple):
    """A column of numbers, flags or dates: ``(x - mean) / scale``, x being kept within what fit saw."""

    kind: str
    mean: float
    scale: float
    low: float
    high: float
    has_missing: bool

    @classmethod
    def fit(cls, column, what, *, stated, sample_weight=None):
        """Learn the moments; `stated` says that the caller wants them whatever the values are."""
        kind = {"flag": "flag", "date": "date"}.get(kind_of(column), "numeric")
        x = _finite_numbers(column, what)
        missing = np.isnan(x)
        present = x[~missing]
        if len(present) == 0:
            return cls(kind, 0.0, 1.0, 0.0, 0.0, True)
        low, high = float(present.min()), float(present.max())
        if low == high:
            return cls(kind, low, 1.0, low, high, bool(missing.any()))
        if kind == "numeric" and not stated and (low, high) == (0.0, 1.0) and np.isin(present, (0.0, 1.0)).all():
            kind = "flag"
        if kind == "flag" and not stated:
            return cls(kind, 0.0, 1.0, low, high, bool(missing.any()))
        if sample_weight is None:
            mean, scale = float(present.mean()), float(present.std())
        else:
            weight = sample_weight[~missing]
            if not weight.any():
                weight = np.ones(len(present))
            mean = float(np.average(present, weights=weight))
            scale = float(np.sqrt(np.average((present - mean) ** 2, weights=weight)))
        if not np.isfinite(scale):
            raise ValueError(f"{what} holds numbers too large to standardise: they range from {low} to {high}.")
        return cls("numeric" if kind == "flag" else kind, mean, scale or 1.0, low, high, bool(missing.any()))

    @property
    def n_inputs(self):
        return 1 + self.has_missing

    def encode(self, column, what):
        found = kind_of(column)
        expected = ("date",) if self.kind == "date" else ("number", "flag")
        if found not in (*expected, "nothing"):
            raise TypeError(f"{what} was {self.kind} when fitted, and now holds {_describe(found)}.")
        x = _finite_numbers(column, what)
        missing = np.isnan(x)
        data = (np.clip(x, self.low, self.high) - self.mean) / self.scale
        data[missing] = self.has_missing
        rows = data != 0
        return _one_each(np.where(missing, 1, 0), data, rows, self.n_inputs)

    def names(self, name):
        return [name, f"{name}:missing"][: self.n_inputs]

    def grow(self, column, what, min_frequency):
        has_missing = self.has_missing or bool(np.isnan(_finite_numbers(column, what)).any())
        return self._replace(has_missing=has_missing), np.array([0, 1 if self.has_missing else -1][: 1 + has_missing])


class CategoricalColumn(NamedTuple):
    """A column of categories, one or several a row: an input for each that is frequent enough."""

    form: str
    delimiter: str | None
    categories: np.ndarray
    has_infrequent: bool
    has_missing: bool

    @classmethod
    def fit(cls, column, what, *, form, delimiter, min_frequency):
        found = _read(column, what, form, delimiter)
        count = _count_rows(found)
        frequent = count >= min_frequency
        categories = _sorted(found.distinct[frequent])
        return cls(form, delimiter, categories, not frequent.all(), bool((found.codes < 0).any()))

    @property
    def kind(self):
        return "categorical" if self.form == _ONE else "multivalued"

    @property
    def n_inputs(self):
        return len(self.categories) + self.has_infrequent + self.has_missing

    def _find(self, column, what):
        """Read a column; return its values and the input of each distinct one, -1 for unknown ones."""
        import pandas as pd

        found = _read(column, what, self.form, self.delimiter)
        here, there = is_text(found.distinct), is_text(self.categories)
        if here is not there and None not in (here, there):
            raise TypeError(
                f"{what} holds values of another type than when fitted: {found.distinct[0]!r} here, "
                f"{self.categories[0]!r} there. None of them could be found; convert them first."
            )
        known = pd.Index(self.categories.astype(object), dtype=object, tupleize_cols=False)
        return found, known.get_indexer(pd.Index(found.distinct, dtype=object, tupleize_cols=False))

    def grow(self, column, what, min_frequency):
        found, inputs = self._find(column, what)
        new = inputs < 0
        frequent = new & (_count_rows(found) >= min_frequency)
        n, more = len(self.categories), _sorted(found.distinct[frequent])
        if len(more) and n:
            dtype = self.categories.dtype
            more = more.astype(dtype if dtype == more.dtype else object)
            categories = np.concatenate([self.categories.astype(more.dtype), more])
        else:
            categories = more if len(more) else self.categories
        grown = self._replace(
            categories=categories,
            has_infrequent=self.has_infrequent or bool((new & ~frequent).any()),
            has_missing=self.has_missing or bool((found.codes < 0).any()),
        )
        sources = [*range(n), *[-1] * len(more)]
        sources += [n if self.has_infrequent else -1] * grown.has_infrequent
        sources += [n + self.has_infrequent if self.has_missing else -1] * grown.has_missing
        return grown, np.array(sources, dtype=np.int64)

    def encode(self, column, what):
        found, inputs = self._find(column, what)
        if self.has_infrequent:
            inputs[inputs < 0] = len(self.categories)
        return _spread(found, inputs, self.n_inputs, self.has_missing)

    def names(self, name):
        further = [f"{name}:infrequent"] * self.has_infrequent + [f"{name}:missing"] * self.has_missing
        return [*(f"{name}={category}" for category in self.categories.tolist()), *further]


class HashedColumn(NamedTuple):
    """A column of categories, each of which shares one of `n_buckets` inputs with others."""

    form: str
    delimiter: str | None
    n_buckets: int
    has_missing: bool
    kind: str = "hashed"

    @classmethod
    def fit(cls, column, what, *, form, delimiter, n_buckets):
        found = _read(column, what, form, delimiter)
        return cls(form, delimiter, int(n_buckets), bool((found.codes < 0).any()))

    @property
    def n_inputs(self):
        return self.n_buckets + self.has_missing

    def encode(self, column, what):
        found = _read(column, what, self.form, self.delimiter)
        hashes = (murmurhash3_32(_text(value), seed=0, positive=True) for value in found.distinct)
        inputs = np.fromiter(hashes, dtype=np.int64, count=len(found.distinct)) % self.n_buckets
        return _spread(found, inputs, self.n_inputs, self.has_missing)

    def names(self, name):
        further = [f"{name}:missing"] * self.has_missing
        return [*(f"{name}:bucket{bucket}" for bucket in range(self.n_buckets)), *further]

    def grow(self, column, what, min_frequency):
        found = _read(column, what, self.form, self.delimiter)
        has_missing = self.has_missing or bool((found.codes < 0).any())
        sources = [*range(self.n_buckets), *[self.n_buckets if self.has_missing else -1] * has_missing]
        return self._replace(has_missing=has_missing), np.array(sources, dtype=np.int64)


def _finite_numbers(column, what):
    """Return float64 numbers, NaN where they are missing, or say which row is infinite."""
    x = numbers(column)
    infinite = np.isinf(x)
    if infinite.any():
        row = int(infinite.argmax())
        raise ValueError(
            f"{what} holds infinity ({x[row]}) in row {row}: a number must be finite, or missing (NaN or None)."
        )
    return x


def _read(column, what, form, delimiter):
    """Read the values of a column whose form is known."""
    found = kind_of(column)
    if form == _LIST:
        if found not in ("lists", "nothing"):
            raise TypeError(f"{what} held several values a cell when fitted, and now holds {_describe(found)}.")
        return list_values(column, what)
    return values(column, what) if form == _ONE else split_values(column, delimiter, what)


def _describe(kind):
    return {"number": "numbers", "flag": "booleans", "date": "dates", "values": "text or objects"}.get(kind, kind)


def _count_rows(found):
    """How many rows have each distinct value."""
    n = len(found.distinct)
    if found.lengths is None:
        return np.bincount(found.codes[found.codes >= 0], minlength=n)
    return np.bincount(_indicator(found.codes, found.lengths, n).indices, minlength=n)


def _sorted(distinct):
    """Categories in order, of a number's type where all are numbers; of no order where they cannot be compared."""
    from pandas.api.types import infer_dtype

    dtype = {"integer": np.int64, "floating": np.float64, "mixed-integer-float": np.float64}.get(
        infer_dtype(distinct, skipna=False), object
    )
    try:
        distinct = distinct.astype(dtype)
    except OverflowError:
        pass
    try:
        return np.sort(distinct, kind="stable")
    except TypeError:
        return distinct


def _text(value):
    """Text to hash: whole numbers are the same whether they are stored as int or as float."""
    if isinstance(value, str):
        return value
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return value if isinstance(value, bytes) else str(value)


def _spread(found, inputs, n_inputs, has_missing):
    """Put the inputs of a row's values into it; a row has length 1 however many there are.

    `inputs` has the input of each distinct value, -1 for none; a missing cell has the last input if `has_missing`.
    """
    codes = np.append(inputs, n_inputs - 1 if has_missing else -1)[found.codes]
    if found.lengths is None:
        return _one_each(codes, np.ones(len(codes)), codes >= 0, n_inputs)
    block = _indicator(codes, found.lengths, n_inputs)
    sizes = np.diff(block.indptr)
    block.data = np.repeat(1.0 / np.sqrt(np.maximum(sizes, 1)), sizes).astype(np.float32)
    return block


def _one_each(codes, data, rows, n_inputs):
    """Matrix of one entry in each of the marked rows."""
    indptr = np.zeros(len(rows) + 1, dtype=np.int32)
    np.cumsum(rows, out=indptr[1:])
    return csr_array((data[rows].astype(np.float32), codes[rows].astype(np.int32), indptr), shape=(len(rows), n_inputs))


def _indicator(codes, lengths, n_columns):
    """Matrix of ones at the codes of each row, however often a row has them; negative codes are left out."""
    known = codes >= 0
    ends = np.append(0, np.cumsum(known))[np.append(0, np.cumsum(lengths))]
    ones = np.ones(int(ends[-1]), dtype=np.float32)
    block = csr_array((ones, codes[known], ends), shape=(len(lengths), n_columns))
    block.sum_duplicates()
    block.data[:] = 1.0
    return block


def fit_column(column, what, *, stated, delimiter, min_frequency, n_buckets, sample_weight=None):
    """Learn a column.

    Parameters
    ----------
    column : narwhals Series or ndarray of shape (n_rows,)
    what : str
        What the column is called in messages.
    stated : {"categorical", "numeric", "hashed", None}
        What the caller says that it is. None: what it looks like.
    delimiter : str or None
        What stands between values in its text.
    min_frequency, n_buckets : int
        As in `FeatureEncoder`.
    sample_weight : ndarray of shape (n_rows,), default=None
        Weights of the rows in the moments of numbers.

    Returns
    -------
    NumericColumn, CategoricalColumn or HashedColumn
    """
    found = kind_of(column)
    is_number = found in ("number", "flag", "date")
    if stated == "numeric" and not is_number and found != "nothing":
        raise TypeError(
            f"{what} is named in numeric and holds {_describe(found)}. Convert it to numbers first, for instance with "
            "pandas.to_numeric."
        )
    if stated == "numeric" or (stated is None and is_number):
        return NumericColumn.fit(column, what, stated=stated is not None, sample_weight=sample_weight)
    form = _ONE
    if stated != "categorical":
        form = _LIST if found == "lists" else "delimited" if delimiter and found in ("values", "nothing") else _ONE
    delimiter = delimiter if form == "delimited" else None
    if stated == "hashed":
        return HashedColumn.fit(column, what, form=form, delimiter=delimiter, n_buckets=n_buckets)
    return CategoricalColumn.fit(column, what, form=form, delimiter=delimiter, min_frequency=min_frequency)
