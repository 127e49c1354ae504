"""Features in the order of ids, from a table that has them in any order."""

import narwhals.stable.v2 as nw
import numpy as np
from scipy.sparse import csr_array, issparse

from skrec.utils._ids import as_id_column, encode_ids, factorize, first_few, series_values


def align_features(frame, ids, name, *, id_column=None):
    """Take the rows of a table that belong to ids, in the order of the ids.

    Parameters
    ----------
    frame : DataFrame of pandas, polars, pyarrow or another library that narwhals knows
        One row for each user or item, in any order; rows of other ids are ignored. The ids are the column named
        `id_column` where there is one, else the index of a pandas frame, and the first column of any other.
    ids : array-like of shape (n_ids,)
        Ids to find; an id may occur more than once.
    name : str
        What the table is called in messages, such as "user_features".
    id_column : str or int, default=None
        The estimator's parameter `user` or `item`. A position says nothing about the table, and is ignored. A pandas
        index of that name goes before a column.

    Returns
    -------
    rows : DataFrame of the kind of `frame`
        The features of the ids that the table has, without the ids; an id that occurs twice has two rows.
    present : ndarray of shape (n_ids,), bool
        Whether the table has the id; True as often as there are `rows`.

    Raises
    ------
    TypeError
        When `frame` is no frame, or its ids are text and `ids` numbers, or the reverse.
    ValueError
        When an id has two rows in the table or is missing there, or the table has no features beside the ids.
    """
    native = _as_frame(frame, name)
    where, column, table = _split_off_ids(native, id_column)
    if not table.columns:
        raise ValueError(f"{name} has no features: beside the ids, in {where}, there is nothing.")
    what = f"{name} (ids in {where})"
    codes, known = factorize(column, what)
    if len(known) < len(codes):
        twice = known[np.bincount(codes) > 1]
        raise ValueError(
            f"{what} has more than one row for {len(twice)} id(s): {first_few(twice)}. Give each id one row."
        )
    wanted, distinct = factorize(as_id_column(ids, "ids"), "ids")
    place = encode_ids(known, distinct, what)[codes]
    row_of = np.full(len(distinct) + 1, -1, dtype=np.int64)
    row_of[place] = np.arange(len(place))
    row_of[-1] = -1
    rows = row_of[wanted]
    present = rows >= 0
    return table[rows[present].tolist()].to_native(), present


def table_ids(frame, name, *, id_column=None):
    """Return the distinct ids that a table has rows for.

    Parameters
    ----------
    frame, name, id_column
        As in `align_features`.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    where, column, _ = _split_off_ids(_as_frame(frame, name), id_column)
    return factorize(column, f"{name} (ids in {where})")[1]


def encode_side(encoder, frame, ids, name, *, fit, id_column=None):
    """Encode the features of ids, whether the table has them or not.

    Parameters
    ----------
    encoder : transformer
        :class:`~skrec.preprocessing.FeatureEncoder`, or any other that turns a frame into a matrix of numbers, sparse
        or dense.
    frame, ids, name, id_column
        As in `align_features`.
    fit : bool
        Whether to fit `encoder` first, on the rows of `ids` alone: a category that only other ids have would get an
        input that nothing trains.

    Returns
    -------
    csr_array of shape (n_ids, n_inputs), float32
        Ids that the table lacks have rows of zeros: nothing is known of them.

    Raises
    ------
    TypeError, ValueError
        As in `align_features` and by `encoder`, with a note that names the table; when the table has none of the ids
        to fit on, or the transformer returns something that is not one finite row of numbers for each row.
    """
    rows, present = align_features(frame, ids, name, id_column=id_column)
    if not present.any():
        if fit:
            raise ValueError(
                f"{name} has none of the {len(present)} id(s) of the training rows, such as {first_few(ids, 3)}."
            )
        # Transformers of scikit-learn refuse a frame without rows: any row tells the number of inputs.
        some = nw.from_native(frame, eager_only=True)
        if len(some) == 0:
            raise ValueError(f"{name} has no rows.")
        rows = _split_off_ids(some, id_column)[2][:1].to_native()
    try:
        if fit:
            encoder.fit(rows)
        encoded = _as_csr(encoder.transform(rows), len(nw.from_native(rows, eager_only=True)), encoder)
    except (TypeError, ValueError) as error:
        error.add_note(f"X is {name}, in {type(encoder).__name__}.")
        raise
    lengths = np.zeros(len(present) + 1, dtype=encoded.indptr.dtype)
    if present.any():
        lengths[1:][present] = np.diff(encoded.indptr)
    else:
        encoded = encoded[:0]
    return csr_array(
        (encoded.data, encoded.indices, np.cumsum(lengths, dtype=lengths.dtype)),
        shape=(len(present), encoded.shape[1]),
    )


def _as_frame(frame, name):
    """Return a table as a narwhals frame, or say why it is none."""
    native = nw.from_native(frame, eager_only=True, pass_through=True)
    if not isinstance(native, nw.DataFrame):
        if isinstance(nw.from_native(frame, pass_through=True), nw.LazyFrame):
            raise TypeError(f"{name} is lazy ({type(frame).__name__}): collect it into a frame first.")
        raise TypeError(
            f"{name} should be a frame (pandas, polars, pyarrow, ...) with a row for each id, got "
            f"{type(frame).__name__}. An array cannot say which row belongs to which id."
        )
    return native


def _split_off_ids(native, id_column):
    """Return what the ids are called, their column, and the narwhals frame without it."""
    index = native.to_native().index if native.implementation.is_pandas() else None
    named = isinstance(id_column, str) and id_column in native.columns
    if index is not None and not (named and index.name != id_column):
        return "its index", as_id_column(index, "the index"), native
    key = id_column if named else native.columns[0] if native.columns else None
    if key is None:
        return "nothing", [], native
    return f"its column {key!r}", series_values(native[key], f"The column {key!r}"), native.drop(key)


def _as_csr(encoded, n_rows, encoder):
    """Return what a transformer made as a csr_array of float32."""
    if not issparse(encoded):
        if nw.dependencies.is_into_dataframe(encoded):
            encoded = nw.from_native(encoded, eager_only=True).to_numpy()
        encoded = np.asarray(encoded)
        if encoded.ndim != 2 or encoded.dtype.kind not in "biuf":
            raise TypeError(
                f"The transformer {type(encoder).__name__} must return a matrix of numbers, sparse or dense, with a "
                f"row for each row; it returned an array of shape {encoded.shape} and dtype {encoded.dtype}."
            )
    if encoded.shape[0] != n_rows:
        raise ValueError(f"The transformer {type(encoder).__name__} made {encoded.shape[0]} rows of {n_rows}.")
    encoded = csr_array(encoded, dtype=np.float32)
    if not np.isfinite(encoded.data).all():
        raise ValueError(f"The transformer {type(encoder).__name__} returned NaN or infinity.")
    encoded.sum_duplicates()
    return encoded
