"""Ids of any hashable type and the integer codes that stand for them inside.

An id array is normalised, so that later look-ups compare like with like: integers are int64 (uint64 where they need
it), floats float64, dates datetime64, strings either a numpy string array or objects, everything else objects. pandas
is imported where it is used: importing the package must not load it.
"""

import narwhals.stable.v2 as nw
import numpy as np

# Rows taken at once where a whole column would need a temporary as long as itself.
_CHUNK = 1 << 20


def factorize(values, name):
    """Give each distinct id of a column a number.

    Parameters
    ----------
    values : ndarray of shape (n,), pandas.Series or list
        The ids.
    name : str
        What the column is called in messages.

    Returns
    -------
    codes : ndarray of shape (n,), int32
        Position in `ids` of each value.
    ids : ndarray of shape (n_ids,)
        The distinct ids, sorted where they can be compared, otherwise in order of appearance.

    Raises
    ------
    ValueError
        When an id is missing (NaN, None, NaT) or infinite.
    TypeError
        When an id is unhashable, or when text stands beside other types in one column.
    """
    kind = values.dtype.kind if isinstance(values, np.ndarray) else "O"
    if kind in "iu":
        return _factorize_integers(values)
    if kind == "f":
        _check_finite(values, name)
        with np.errstate(invalid="ignore"):
            as_integers = values.astype(np.int64)
        if np.array_equal(as_integers, values):
            codes, ids = _factorize_integers(as_integers)
            return codes, ids.astype(np.float64)
        codes, ids = _hash(values, name)
        return _sort(codes, ids.astype(np.float64, copy=False))
    if kind in "mM":
        return _sort(*_hash(values, name))
    if kind in "bSUT":
        codes, ids = _sort(*_hash(values.astype(object), name))
        return codes, ids.astype(values.dtype) if kind == "U" else ids
    if kind == "O":
        if isinstance(values, (list, tuple)):
            values = np.fromiter(values, dtype=object, count=len(values))
        codes, ids = _hash(values, name)
        return _sort(codes, _narrow(ids, name))
    raise TypeError(f"{name} holds values of dtype {values.dtype}, which cannot be ids")


def encode_ids(ids, known_ids, name="ids", *, allow_unknown=True):
    """Find the codes of ids.

    Parameters
    ----------
    ids : array-like of shape (n,)
        List, numpy array, or pandas, polars or pyarrow series.
    known_ids : ndarray of shape (n_known,)
        Distinct normalised ids, as `factorize` returns them; they need not be sorted.
    name : str, default="ids"
        What `ids` is called in messages.
    allow_unknown : bool, default=True
        Whether an id may be missing from `known_ids`.

    Returns
    -------
    ndarray of shape (n,), int32
        Position of each id in `known_ids`, -1 for ids that are not there.

    Raises
    ------
    ValueError
        When an id is unknown and may not be. The message names the first few.
    TypeError
        When `ids` are numbers and `known_ids` text, or the reverse: none could ever be found.
    """
    codes, unique = factorize(as_id_column(ids, name), name)
    found = _match(unique, known_ids, name)
    if not allow_unknown and (found < 0).any():
        unknown = unique[found < 0]
        raise ValueError(
            f"{name} holds {len(unknown)} id(s) that the estimator was not fitted on: {first_few(unknown)}. "
            "They are refused because on_unknown='error'; on_unknown='popular' falls back to popularity."
        )
    return found[codes]


def as_id_column(ids, name):
    """Return `ids` as something that `factorize` takes, or say why it is not one list of ids."""
    if isinstance(ids, (str, bytes)) or np.isscalar(ids) or not hasattr(ids, "__len__"):
        raise ValueError(f"{name} should be a list or 1-D array of ids, got {ids!r}. For a single id, write [{ids!r}].")
    series = nw.from_native(ids, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        return series_values(series, name)
    if type(ids).__module__.partition(".")[0] == "pandas" and hasattr(ids, "to_series"):
        return series_values(nw.from_native(ids.to_series(), series_only=True), name)
    if not isinstance(ids, np.ndarray):
        return list(ids)
    if ids.ndim != 1:
        raise ValueError(f"{name} should be a list or 1-D array of ids, got an array of shape {ids.shape}.")
    return ids


def series_values(series, name):
    """Return the values of a narwhals series without a detour over Python objects: an array, or a pandas series."""
    if series.dtype.is_numeric():
        if series.is_null().any():
            _raise_missing(int(np.flatnonzero(series.is_null().to_numpy())[0]), name)
        return series.to_numpy()
    native = series.to_native()
    # pandas factorizes its own extension types (strings, categories, time zones) without unpacking them.
    return native if type(native).__module__.startswith("pandas.") else series.to_numpy()


def fill_value(ids):
    """Return what pads a list of ids of this type: -1 (the largest value of uint64), nan, NaT, "" or None."""
    kinds = {"i": -1, "f": np.nan, "U": "", "O": None, "M": np.datetime64("NaT"), "m": np.timedelta64("NaT")}
    return np.iinfo(ids.dtype).max if ids.dtype.kind == "u" else kinds[ids.dtype.kind]


def first_few(ids, n=5):
    """Write the first ids of an array for a message."""
    shown = ", ".join(repr(i) for i in np.asarray(ids)[:n].tolist())
    return shown + (", ..." if len(ids) > n else "")


def _factorize_integers(values):
    """Give integers codes by a table over their range, or by hashing where the range is long beside the column."""
    n = values.shape[0]
    wide = np.uint64 if values.dtype == np.uint64 else np.int64
    low = values.min() if n else wide(0)
    span = int(values.max()) - int(low) + 1 if n else 0
    if span > max(n, _CHUNK):
        import pandas as pd

        codes, ids = pd.factorize(values)
        return _sort(codes.astype(np.int32), _signed(ids.astype(wide, copy=False)))

    def offsets(start):
        return values[start : start + _CHUNK].astype(wide) - wide(low)

    present = np.zeros(span, dtype=bool)
    for start in range(0, n, _CHUNK):
        present[offsets(start)] = True
    position = np.cumsum(present, dtype=np.int32)
    position -= 1
    codes = np.empty(n, dtype=np.int32)
    for start in range(0, n, _CHUNK):
        np.take(position, offsets(start), out=codes[start : start + _CHUNK])
    return codes, _signed(np.flatnonzero(present).astype(wide, copy=False) + wide(low))


def _signed(ids):
    """Return integers as int64 unless they need 64 bits without a sign."""
    if ids.dtype == np.uint64 and (len(ids) == 0 or ids.max() <= np.iinfo(np.int64).max):
        return ids.astype(np.int64)
    return ids


def _hash(values, name):
    import pandas as pd

    try:
        codes, ids = pd.factorize(values)
    except TypeError as error:
        raise TypeError(f"{name} holds an id that cannot be hashed ({error}): use str, int or tuple ids.") from error
    missing = codes < 0
    if missing.any():
        _raise_missing(int(missing.argmax()), name)
    return codes.astype(np.int32), ids if isinstance(ids, np.ndarray) else ids.to_numpy()


def _narrow(ids, name):
    """Give distinct ids that came as objects the type that they share, if they share one."""
    if ids.dtype.kind in "iu":
        return _signed(ids.astype(np.uint64 if ids.dtype == np.uint64 else np.int64))
    if ids.dtype.kind == "f":
        _check_finite(ids, name)
        return ids.astype(np.float64)
    if ids.dtype.kind != "O":
        return ids.astype(object) if ids.dtype.kind == "b" else ids

    from pandas.api.types import infer_dtype

    shared = infer_dtype(ids, skipna=False)
    if shared == "integer":
        for dtype in (np.int64, np.uint64):
            try:
                return ids.astype(dtype)
            except OverflowError:
                continue
        return ids
    if shared in ("floating", "mixed-integer-float"):
        ids = ids.astype(np.float64)
        _check_finite(ids, name)
        return ids
    if shared in ("datetime", "datetime64") and all(i.tzinfo is None for i in ids if hasattr(i, "tzinfo")):
        from pandas import DatetimeIndex

        return DatetimeIndex(ids).to_numpy()
    if shared != "string":
        _check_one_kind(ids, name)
    return ids


def _check_one_kind(ids, name):
    """Refuse text beside other types: an id read once as 7 and once as "7" would silently be two."""
    text = [i for i in ids if isinstance(i, (str, bytes))]
    other = [i for i in ids if not isinstance(i, (str, bytes))]
    if text and other:
        raise TypeError(
            f"{name} mixes {type(text[0]).__name__} ids (such as {text[0]!r}) and {type(other[0]).__name__} ids "
            f"(such as {other[0]!r}). Make them one type first, for instance with .astype(str)."
        )


def _check_finite(values, name):
    finite = np.isfinite(values)
    if not finite.all():
        row = int(finite.argmin())
        if np.isnan(values[row]):
            _raise_missing(row, name)
        raise ValueError(f"{name} holds an infinite id (inf) in row {row}: inf is not an id.")


def _raise_missing(row, name):
    raise ValueError(f"{name} holds a missing id (NaN, None or NaT) in row {row}: every row needs a user and an item.")


def _sort(codes, ids):
    """Put distinct ids in order and renumber the codes; ids that cannot be compared keep the order of appearance."""
    try:
        order = np.argsort(ids, kind="stable")
    except TypeError:
        return codes, ids
    rank = np.empty(len(ids), dtype=np.int32)
    rank[order] = np.arange(len(ids), dtype=np.int32)
    return rank[codes], ids[order]


def _match(ids, known_ids, name):
    """Position of each id in `known_ids`, -1 where it is not."""
    kind, known_kind = ids.dtype.kind, known_ids.dtype.kind
    found = np.full(len(ids), -1, dtype=np.int32)
    if len(ids) == 0 or len(known_ids) == 0:
        return found
    if _is_text(ids) is not _is_text(known_ids) and None not in (_is_text(ids), _is_text(known_ids)):
        raise TypeError(
            f"{name} holds ids of another type than the training rows: {first_few(ids[:1])} here, "
            f"{first_few(known_ids[:1])} there. None of them could be found; convert them first."
        )
    if kind == known_kind or (kind in "iuf" and known_kind in "iuf"):
        if kind != "O":
            order = np.argsort(known_ids, kind="stable")
            position = order[np.searchsorted(known_ids, ids, sorter=order).clip(max=len(known_ids) - 1)]
            hit = known_ids[position] == ids
            found[hit] = position[hit]
            return found
    import pandas as pd

    known = pd.Index(known_ids.astype(object), dtype=object, tupleize_cols=False)
    return known.get_indexer(pd.Index(ids.astype(object), dtype=object, tupleize_cols=False)).astype(np.int32)


def _is_text(ids):
    """Whether ids are text (True) or numbers (False); None for anything else."""
    if ids.dtype.kind == "O":
        return True if isinstance(ids[0], str) else None
    return {"U": True, "i": False, "u": False, "f": False}.get(ids.dtype.kind)
