"""From rows of interactions, in whatever form they come, to codes and one sparse matrix."""

from numbers import Integral, Real
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from scipy.sparse import coo_array, csr_array
from sklearn.utils import check_array, column_or_1d, gen_batches
from sklearn.utils.validation import check_consistent_length, validate_data

from skrec.utils._ids import encode_ids, factorize, series_values
from skrec.utils._sklearn_compat import check_sample_weight

__all__ = [
    "Interactions",
    "check_feedback",
    "check_interactions",
    "check_pairs",
    "check_parameter",
    "column_name",
    "encode_ids",
    "is_integer",
    "is_real",
    "kernel_array",
    "locate_ids",
    "merge_interactions",
]


class Interactions(NamedTuple):
    """The rows that a model is fitted on, one entry a pair.

    Parameters
    ----------
    matrix : csr_array of shape (n_users, n_items), int8
        1 where the user has a positive row with the item, -1 where all rows of the pair are explicit negatives.
        Sorted indices, no pair twice. Both index arrays are int32, as scipy wants them alike; kernels take
        ``kernel_array(matrix.indptr, np.int64)``.
    weight : ndarray of shape (nnz,), float32, or None
        Summed weights of the rows of each pair, aligned with ``matrix.data``. None when all are one.
    user_ids, item_ids : ndarray of shape (n_users,) and (n_items,)
        Ids of the rows and columns, sorted where they can be compared.
    """

    matrix: csr_array
    weight: np.ndarray | None
    user_ids: np.ndarray
    item_ids: np.ndarray


def check_interactions(estimator, X, y=None, sample_weight=None, *, user=0, item=1, reset=True):
    """Check rows of interactions and gather them into one entry a pair.

    Parameters
    ----------
    estimator : estimator
        Receives ``n_features_in_`` and ``feature_names_in_`` when `reset`, and is held to them otherwise.
    X : array-like or frame of shape (n_rows, n_columns)
        Array, list of rows, or a frame of pandas, polars, pyarrow or another library that narwhals knows.
    y : array-like of shape (n_rows,), default=None
        Above 0: positive. 0 and below, or False: explicit negative. None: every row is a positive.
    sample_weight : array-like of shape (n_rows,), default=None
        Weights of the rows. Rows of weight 0 are as good as absent, their ids included.
    user, item : int or str, default=0 and 1
        Position or name of the two columns.
    reset : bool, default=True
        Whether this is the first data that `estimator` sees. Then it must hold a positive.

    Returns
    -------
    Interactions
        A pair that occurs in several rows is one entry: positive if any of its rows is, of the summed weight. Does
        not depend on the order of the rows when the ids can be compared.

    Notes
    -----
    Columns are read one by one. Integer ids within a range about as long as the column are numbered by a table, others
    by hashing. Beyond the result, the codes of both columns (8 bytes a row) are the largest temporary.
    """
    users, items = _id_columns(estimator, X, user=user, item=item, reset=reset)
    n_rows = len(users)
    positive = None if y is None else check_feedback(y, n_rows)
    weight = None
    if sample_weight is not None:
        weight = check_sample_weight(sample_weight, users, ensure_non_negative=True, dtype=np.float32, copy=True)
        if weight.min() == 0.0:
            kept = np.flatnonzero(weight)
            users, items, weight = _take(users, kept), _take(items, kept), weight[kept]
            positive = None if positive is None else positive[kept]
    if reset and positive is not None and not positive.any():
        raise ValueError(
            f"y holds no positive: a model needs at least one row with y > 0 (or True), and none of {len(positive)} "
            "sample(s) is one."
        )
    user_codes, user_ids = factorize(users, column_name("user", user))
    del users
    item_codes, item_ids = factorize(items, column_name("item", item))
    del items
    data = np.ones(len(user_codes), dtype=np.int8) if weight is None else weight
    if positive is not None:
        np.negative(data, where=~positive, out=data)
    pairs = _sort_pairs(user_codes, item_codes, data, (len(user_ids), len(item_ids)))
    del user_codes, item_codes, data, weight
    return Interactions(*_unite_pairs(pairs), user_ids, item_ids)


def check_pairs(estimator, X, *, user, item, user_ids, item_ids, allow_unknown=True):
    """Check rows given to a fitted estimator and return their codes.

    Parameters
    ----------
    estimator : estimator
        Fitted; `X` must have the columns that it was fitted on.
    X : array-like or frame of shape (n_rows, n_columns)
        As in `check_interactions`.
    user, item : int or str
        Position or name of the two columns.
    user_ids, item_ids : ndarray
        The ids that have codes.
    allow_unknown : bool, default=True
        Whether `X` may hold other ids.

    Returns
    -------
    user_codes, item_codes : ndarray of shape (n_rows,), int32
        -1 for ids that the estimator has not seen.
    """
    users, items = _id_columns(estimator, X, user=user, item=item, reset=False)
    return (
        encode_ids(users, user_ids, column_name("user", user), allow_unknown=allow_unknown),
        encode_ids(items, item_ids, column_name("item", item), allow_unknown=allow_unknown),
    )


def merge_interactions(old, new):
    """Unite two batches of interactions; the codes of the first stay what they were.

    Parameters
    ----------
    old, new : Interactions
        What has been learnt from, and the next batch.

    Returns
    -------
    merged : Interactions
        Ids of `old` first, in their order, then those that only `new` has, in theirs. A pair in both is positive if
        either says so, and its weights are summed.
    batch : Interactions
        The rows of `new` in the codes and shape of `merged`.
    """
    user_codes, user_ids = _extend(old.user_ids, new.user_ids, "the user column")
    item_codes, item_ids = _extend(old.item_ids, new.item_ids, "the item column")
    shape = (len(user_ids), len(item_ids))
    rows, columns, data = _entries(new)
    batch = Interactions(
        *_unite_pairs(_sort_pairs(user_codes[rows], item_codes[columns], data, shape)), user_ids, item_ids
    )
    both = zip(_entries(old), _entries(batch), strict=True)
    merged = Interactions(*_unite_pairs(_sort_pairs(*map(np.concatenate, both), shape)), user_ids, item_ids)
    return merged, batch


def count_positives(matrix):
    """Count the positives of each item, int64 of shape (n_items,), in pieces: whole it would take 8 bytes an entry."""
    counts = np.zeros(matrix.shape[1], dtype=np.int64)
    for piece in gen_batches(max(matrix.nnz, 1), 1 << 20):
        counts += np.bincount(matrix.indices[piece][matrix.data[piece] > 0], minlength=matrix.shape[1])
    return counts


def kernel_array(array, dtype):
    """Return `array` as kernels take it: C-contiguous, writable, aligned, of `dtype`. Copies only what is not.

    A read-only or strided array is another type to numba, which would quietly compile the kernel once more.
    """
    return np.require(array, dtype=dtype, requirements=["C", "W", "A", "E"])


def _id_columns(estimator, X, *, user, item, reset):
    """Take the two id columns out of `X`, as arrays or pandas series."""
    if nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        _check_shape(estimator, frame.shape)
        user_at, item_at = locate_ids(user, item, frame.columns, frame.shape[1])
        return (
            series_values(frame[:, user_at], column_name("user", user)),
            series_values(frame[:, item_at], column_name("item", item)),
        )
    if isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame):
        raise TypeError(f"X is lazy ({type(X).__name__}): collect it into a frame first.")
    if isinstance(X, (list, tuple)) and np.asarray(X).dtype.kind in "USO":
        # numpy would turn the integers of rows that also hold text into text.
        X = np.array(X, dtype=object)
    X = check_array(
        X,
        dtype=None,
        ensure_all_finite=False,
        ensure_min_features=2 if reset else 1,
        estimator=estimator,
        input_name="X",
    )
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    user_at, item_at = locate_ids(user, item, None, X.shape[1])
    return X[:, user_at], X[:, item_at]


def _check_shape(estimator, shape):
    """Refuse frames without rows or with fewer than two columns, in the words of `sklearn.utils.check_array`."""
    for n, kind, least in ((shape[0], "sample", 1), (shape[1], "feature", 2)):
        if n < least:
            raise ValueError(
                f"Found array with {n} {kind}(s) (shape={shape}) while a minimum of {least} is required by "
                f"{type(estimator).__name__}."
            )


def locate_ids(user, item, names, n_columns):
    """Positions of the user and item columns."""
    positions = []
    for parameter, key in (("user", user), ("item", item)):
        if isinstance(key, str):
            if names is None:
                raise ValueError(
                    f"{parameter}={key!r} names a column, but X is an array: give a frame, or the column's position."
                )
            if key not in names:
                raise ValueError(f"{parameter}={key!r} is not a column of X. Its columns are {list(names)}.")
            key = list(names).index(key)
        elif not (isinstance(key, Integral) and 0 <= key < n_columns):
            raise ValueError(f"{parameter}={key!r} is not a column of X, which has columns 0 to {n_columns - 1}.")
        positions.append(int(key))
    if positions[0] == positions[1]:
        raise ValueError(f"user={user!r} and item={item!r} are the same column of X: they must be two.")
    return positions


def column_name(parameter, key):
    """Return what a column of ids is called in messages."""
    return f"The {parameter} column of X ({parameter}={key!r})"


def _take(column, rows):
    return column.iloc[rows] if hasattr(column, "iloc") else column[rows]


def check_feedback(y, n_rows):
    """Check `y` and tell whether each row is a positive; bool of shape (n_rows,)."""
    series = nw.from_native(y, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        if series.is_null().any():
            raise ValueError("Input y contains NaN.")
        y = series.to_numpy()
    y = column_or_1d(y, warn=True)
    check_consistent_length(np.empty(n_rows), y)
    if y.dtype.kind == "b":
        return y
    if y.dtype.kind not in "iuf":
        try:
            y = np.asarray(y, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"y must hold numbers or booleans, got {y.tolist()[0]!r}: above 0 means positive."
            ) from error
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        what = "NaN" if np.isnan(y).any() else f"infinity or a value too large for {y.dtype!r}"
        raise ValueError(f"Input y contains {what}.")
    return y > 0


def _sort_pairs(rows, columns, data, shape):
    """Return signed entries as a sorted matrix in which a pair may still occur several times.

    `data` is int8 signs where each entry has weight one, otherwise float32 weights with the sign of the entry.
    """
    pairs = coo_array((data, (rows, columns)), shape=shape)
    pairs.has_canonical_format = True  # Not so, but scipy would add up the signs of repeated pairs.
    pairs = pairs.tocsr()
    pairs.has_canonical_format = False
    pairs.has_sorted_indices = False
    pairs.sort_indices()
    return pairs


def _unite_pairs(pairs):
    """Make one entry of the repetitions of each pair; return the matrix of signs and the vector of weights."""
    data, indices, indptr = pairs.data, pairs.indices, pairs.indptr
    first = _first_of_pair(pairs)
    repeated = np.flatnonzero(~first)
    weight = None if data.dtype == np.int8 else np.abs(data[first])
    data, again = data[first], data[repeated]
    if len(repeated):
        # The k-th repetition, at place p, belongs to the entry that has p - k - 1 distinct pairs before it.
        owner = repeated - np.arange(1, len(repeated) + 1)
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        owner = owner[starts]
        if weight is None:
            weight = np.ones(len(data), dtype=np.float32)
        # Sums of float32 in float64 are exact but for extreme ranges, hence the same in any order.
        weight[owner] += np.add.reduceat(np.abs(again), starts, dtype=np.float64)
        data[owner] = np.maximum(data[owner], np.maximum.reduceat(again, starts))
        indices = indices[first]
        indptr = indptr - np.searchsorted(repeated, indptr).astype(indptr.dtype)
    sign = np.sign(data).astype(np.int8, copy=False)
    matrix = csr_array((sign, indices, indptr), shape=pairs.shape)
    matrix.has_canonical_format = True
    if weight is not None and np.all(weight == 1.0):
        weight = None
    return matrix, weight


def _first_of_pair(matrix):
    """Mark the entries of a sorted matrix that are not a repetition of the one before."""
    first = np.empty(matrix.nnz, dtype=bool)
    np.not_equal(matrix.indices[1:], matrix.indices[:-1], out=first[1:])
    first[matrix.indptr[:-1][np.diff(matrix.indptr) > 0]] = True
    return first


def _entries(interactions):
    """Rows, columns and signed weights of the entries."""
    matrix, weight = interactions.matrix, interactions.weight
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
    return rows, matrix.indices, matrix.data if weight is None else weight * matrix.data


def _extend(known_ids, ids, name):
    """Codes of `ids` among the known ones followed by the unknown ones, and all of these."""
    codes = encode_ids(ids, known_ids, name)
    unknown = codes < 0
    codes[unknown] = np.arange(len(known_ids), len(known_ids) + unknown.sum(), dtype=np.int32)
    return codes, np.concatenate([known_ids, ids[unknown]]) if unknown.any() else known_ids


def check_parameter(estimator, name, allowed, what):
    """Raise a ValueError that names the parameter, what is allowed and the value, unless `allowed`."""
    if not allowed:
        raise ValueError(
            f"The {name!r} parameter of {type(estimator).__name__} must be {what}. "
            f"Got {getattr(estimator, name)!r} instead."
        )


def is_integer(value, low):
    """Whether `value` is an integer, at least `low`."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= low


def is_real(value, low):
    """Whether `value` is a finite number, at least `low`."""
    return isinstance(value, Real) and not isinstance(value, bool) and np.isfinite(value) and value >= low
