"""A frame of features as one sparse matrix of inputs."""

import copy
from numbers import Integral

import numpy as np
from scipy.sparse import hstack
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skrec.preprocessing._columns import read_columns
from skrec.preprocessing._encoded_columns import fit_column
from skrec.utils._sklearn_compat import Interval, check_feature_names_in, fit_context

__all__ = ["FeatureEncoder"]


class FeatureEncoder(TransformerMixin, BaseEstimator):
    """Turn features of users or of items into the sparse inputs of a model.

    Each column becomes a few inputs, and every column weighs about alike: a row of its inputs has length 1, or an
    average square of 1 where they are numbers. What a column is, is seen from it:

    ===========================================  ============================================================
    column                                       inputs
    ===========================================  ============================================================
    numbers                                      one: less the mean, divided by the standard deviation
    booleans, and numbers that are all 0 or 1    one: 0 or 1
    dates, times, durations                      as numbers (days)
    text, categories, other objects              one for each category that is frequent enough: 1 or 0
    lists, tuples, sets, arrays in cells         one for each value that is frequent enough: 1 / sqrt(n) where the
                                                 row has n of them, else 0
    text with a `delimiter`                      as of lists
    ===========================================  ============================================================

    A missing cell (None, NaN, NaT) has no other input than one of its own, and not even that where `fit` saw the column
    complete.

    Parameters
    ----------
    categorical : list of str or int, default=None
        Columns, by name or position, whose values are categories whatever they look like: numbers that stand for
        something, such as 7 for "lawyer". Their text is not split either.
    numeric : list of str or int, default=None
        Columns to be standardised whatever they look like: booleans, and numbers that are all 0 or 1.
    hashed : list of str or int, default=None
        Columns of categories, one or several a cell, of which too many or too many new ones are expected: each
        category is sent to one of `n_buckets` inputs by a hash of its text, seen in `fit` or not.
    delimiter : str or dict, default=None
        What stands between values in text, such as ``"|"`` in ``"Action|Comedy"``: for every column of text, or by
        column, as in ``{"genres": "|"}``. Blanks around values do not count, nor do empty values.
    min_frequency : int, default=2
        How many rows of `fit` must have a category for it to get an input. Rarer ones of a column share one, and so do
        those that come up later. A category of a single row tells of no other row: it is a second id. 1 keeps all.
    n_buckets : int, default=1024
        Number of inputs of each hashed column.

    Attributes
    ----------
    kinds_ : list of str
        For each column: "numeric", "flag", "date", "categorical", "multivalued" or "hashed".
    categories_ : list of ndarray or None
        For each column its frequent categories, in the order of their inputs; None where it has none.
    fields_ : ndarray of shape (n_inputs,), int32
        The position of the column that each input comes from.
    mean_, scale_ : ndarray of shape (n_features_in_,), float64
        What each number is reduced by and divided by; 0 and 1 for flags, NaN where the column is not one of numbers.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns; only when `X` was a frame whose columns have names.

    Raises
    ------
    ValueError
        When a parameter is not one of its values or names a column that is not there, when a column holds infinity,
        or when `X` has other columns than in `fit`, or in another order.
    TypeError
        When a column mixes text and other types, or holds another type than in `fit`.

    Notes
    -----
    *Unknown categories.* As in :class:`~sklearn.preprocessing.OneHotEncoder` with
    ``handle_unknown="infrequent_if_exist"``: a category that `fit` did not see takes the column's input for infrequent
    ones, and is all zeros where there is no such input because every category was frequent.

    *Lists.* A value that a cell has twice counts once. The weight 1 / sqrt(n) gives each row of the column length 1,
    like the row of a plain category, so that the sum of n independent embeddings is as long as one, whereas a mean
    would fade the more is known about an item.

    *Numbers.* Values beyond those of `fit` count as the nearest of `fit`: a model knows nothing of what lies outside.
    A number whose distribution has a long tail (prices, counts) is better given as its logarithm. A column with one
    value in `fit` is 0 throughout. Missing values become 0, which is the mean.

    *Hashes* are MurmurHash3 of the UTF-8 text with seed 0, modulo `n_buckets`: the same in every process and on every
    platform. With d distinct categories, one shares its input with another with a probability of about d / n_buckets.

    The output is sparse, hence ``set_output`` can ask for nothing else. Cost: linear in the cells; distinct values are
    hashed once, and no row is looped over but where a cell is a list.

    References
    ----------
    K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009, without its random signs,
    which serve inner products of hashed vectors; here an embedding is learnt for each bucket.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrec.preprocessing import FeatureEncoder
    >>> films = pd.DataFrame({
    ...     "year": [1979, 1985, 1942, None],
    ...     "country": ["US", "UK", "US", "UK"],
    ...     "genres": ["Horror|SciFi", "SciFi", "Drama", "Drama"],
    ... })
    >>> encoder = FeatureEncoder(delimiter="|").fit(films)
    >>> encoder.get_feature_names_out().tolist()
    ['year', 'year:missing', 'country=UK', 'country=US', 'genres=Drama', 'genres=SciFi', 'genres:infrequent']
    >>> encoder.transform(films).toarray().round(2)
    array([[ 0.54,  0.  ,  0.  ,  1.  ,  0.  ,  0.71,  0.71],
           [ 0.86,  0.  ,  1.  ,  0.  ,  0.  ,  1.  ,  0.  ],
           [-1.4 ,  0.  ,  0.  ,  1.  ,  1.  ,  0.  ,  0.  ],
           [ 0.  ,  1.  ,  1.  ,  0.  ,  1.  ,  0.  ,  0.  ]], dtype=float32)
    """

    _parameter_constraints: dict = {
        "categorical": ["array-like", None],
        "numeric": ["array-like", None],
        "hashed": ["array-like", None],
        "delimiter": [str, dict, None],
        "min_frequency": [Interval(Integral, 1, None, closed="left")],
        "n_buckets": [Interval(Integral, 1, 2**31 - 1, closed="both")],
    }

    def __init__(self, *, categorical=None, numeric=None, hashed=None, delimiter=None, min_frequency=2, n_buckets=1024):
        self.categorical = categorical
        self.numeric = numeric
        self.hashed = hashed
        self.delimiter = delimiter
        self.min_frequency = min_frequency
        self.n_buckets = n_buckets

    @fit_context
    def fit(self, X, y=None):
        """Learn the categories, means and scales of the columns.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            One user or item a row, one feature a column: a frame that narwhals knows (pandas, polars, pyarrow), a 2-D
            array, or a list of rows.
        y : None
            Ignored.

        Returns
        -------
        self : FeatureEncoder
        """
        return self._fit(X)

    def _fit(self, X, sample_weight=None):
        """Fit; the weights of the rows count in means and scales, while `min_frequency` counts rows."""
        columns = read_columns(self, X, reset=True)
        stated = self._stated()
        delimiters = self._delimiters(stated)
        self._columns = [
            fit_column(
                column,
                self._column_name(place),
                stated=stated.get(place),
                delimiter=delimiters.get(place),
                min_frequency=self.min_frequency,
                n_buckets=self.n_buckets,
                sample_weight=sample_weight,
            )
            for place, column in enumerate(columns)
        ]
        self._set_learnt()
        return self

    def _set_learnt(self):
        """Set the public attributes from what was learnt of each column."""
        self.kinds_ = [column.kind for column in self._columns]
        self.categories_ = [getattr(column, "categories", None) for column in self._columns]
        self.mean_ = np.array([getattr(column, "mean", np.nan) for column in self._columns])
        self.scale_ = np.array([getattr(column, "scale", np.nan) for column in self._columns])
        widths = [column.n_inputs for column in self._columns]
        self.fields_ = np.repeat(np.arange(len(widths), dtype=np.int32), widths)

    def transform(self, X):
        """Encode rows.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            The columns of `fit`, in its order. May have no rows.

        Returns
        -------
        csr_array of shape (n_rows, n_inputs), float32
            Indices are sorted, and zeros are not stored. The inputs are named by `get_feature_names_out`.
        """
        check_is_fitted(self)
        return hstack(list(self._blocks(X)), format="csr", dtype=np.float32)

    def _blocks(self, X):
        """Yield the inputs of each column, csr_array of shape (n_rows, n_inputs of the column)."""
        columns = read_columns(self, X, reset=False)
        for place, (learnt, column) in enumerate(zip(self._columns, columns, strict=True)):
            yield learnt.encode(column, self._column_name(place))

    def _grown(self, X):
        """Return an encoder that also knows the new categories of `X`, and where its inputs come from.

        A category gets an input when `min_frequency` rows of `X` have it. Numbers keep their mean, scale and range.

        Returns
        -------
        encoder : FeatureEncoder
            A new one; this one stays as it is.
        sources : ndarray of shape (n_inputs,), int64
            The input of this encoder that each input of the new one is, -1 where it is new.
        """
        columns = read_columns(self, X, reset=False)
        encoder = copy.copy(self)
        encoder._columns, sources, offset = [], [], 0
        for place, (learnt, column) in enumerate(zip(self._columns, columns, strict=True)):
            grown, own = learnt.grow(column, self._column_name(place), self.min_frequency)
            encoder._columns.append(grown)
            sources.append(np.where(own >= 0, own + offset, -1))
            offset += learnt.n_inputs
        encoder._set_learnt()
        return encoder, np.concatenate(sources)

    def get_feature_names_out(self, input_features=None):
        """Name the inputs.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns: those of `fit` where it saw any, otherwise what they are to be called; by default
            x0, x1 and so on.

        Returns
        -------
        ndarray of shape (n_inputs,), object
            ``age`` for a number, ``gender=F`` for a category or value, ``zip:bucket3`` for the fourth input of a hashed
            column, and ``gender:infrequent`` and ``gender:missing``.
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        inputs = [name for column, given in zip(self._columns, names, strict=True) for name in column.names(given)]
        return np.array(inputs, dtype=object)

    def _stated(self):
        """Position of each column that a parameter names, and what it says of it."""
        stated = {}
        for kind in ("categorical", "numeric", "hashed"):
            keys = getattr(self, kind)
            for place in (self._locate(key, kind) for key in (() if keys is None else keys)):
                if stated.setdefault(place, kind) != kind:
                    raise ValueError(f"{self._column_name(place)} is named in both {stated[place]} and {kind}.")
        return stated

    def _delimiters(self, stated):
        """Position of each column that may be split, and the delimiter."""
        given = self.delimiter
        if given is None:
            return {}
        named = {self._locate(key, "delimiter"): text for key, text in given.items()} if isinstance(given, dict) else {}
        for text in named.values() if isinstance(given, dict) else [given]:
            if not isinstance(text, str) or not text:
                raise ValueError(f"A delimiter must be text of at least one character, got {text!r}.")
        for place in named:
            if stated.get(place) in ("categorical", "numeric"):
                raise ValueError(f"{self._column_name(place)} has a delimiter, and is named in {stated[place]}.")
        return named if isinstance(given, dict) else dict.fromkeys(range(self.n_features_in_), given)

    def _locate(self, key, parameter):
        """Position of the column that is named by position or by name."""
        names = getattr(self, "feature_names_in_", None)
        if isinstance(key, str):
            if names is None:
                raise ValueError(
                    f"{parameter} names the column {key!r}, but the columns of X have no names: give a frame, or "
                    "positions."
                )
            if key not in names:
                raise ValueError(f"{parameter} names the column {key!r}. The columns of X are {names.tolist()}.")
            return names.tolist().index(key)
        if not isinstance(key, Integral) or not 0 <= key < self.n_features_in_:
            raise ValueError(f"{parameter} names the column {key!r}, but X has columns 0 to {self.n_features_in_ - 1}.")
        return int(key)

    def _column_name(self, place):
        """Return what a column is called in messages."""
        names = getattr(self, "feature_names_in_", None)
        return f"Column {place} of X" if names is None else f"Column {names[place]!r} of X"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
