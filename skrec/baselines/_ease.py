"""Embarrassingly shallow autoencoder: one ridge regression for each item on all others, in closed form."""

from numbers import Real

import numpy as np
from scipy.linalg import get_lapack_funcs
from scipy.sparse import csr_array

from skrec.base import BaseRecommender
from skrec.utils._sklearn_compat import Interval, Options, fit_context
from skrec.utils._validation import check_interactions, merge_interactions

# Columns of the Gram matrix made at once, as bytes of the dense result.
_GRAM_BYTES = 1 << 25
_TILE = 1024


class EASERecommender(BaseRecommender):
    r"""Score items by a linear model of the user's history whose weights have a closed form.

    Each item's column of the interaction matrix is regressed on all other columns with an l2 penalty. There is
    nothing to train and one number to choose, and on dense data the result is hard to beat.

    Parameters
    ----------
    l2 : float, default=300.0
        Penalty on the squared weights. It is added to the number of positives of each item, so compare it with those.
        Larger values turn the weights into plain co-occurrence counts, smaller ones overfit. The default comes within
        3 % of the best Recall@20 on MovieLens 1M (best near 500) and on Last.fm, where items have a tenth of the users
        (best near 100). AUC, which looks at the whole ranking, likes more: search over 50 to 2000.
    dtype : {numpy.float64, numpy.float32}, default=numpy.float64
        Type of the weights and of the arithmetic; numpy.float32 takes half the memory and about half the time.
    memory_limit : float or None, default=8.0
        Largest size of the item × item matrix in GiB. `fit` raises a MemoryError before it allocates a larger one.
        One such matrix is all that `fit` needs beside the rows. None: no limit.
    user, item : int or str, default=0 and 1
        Position or name of the column of `X` that holds user ids and item ids.
    on_unknown : {"popular", "error"}, default="popular"
        Score users who were not in the training rows by popularity, or raise.

    Attributes
    ----------
    item_weights_ : ndarray of shape (n_items, n_items), dtype `dtype`
        Weight of having item i (row) for the score of item j (column). The diagonal is zero.
    item_popularity_ : ndarray of shape (n_items,), int64
        Number of users who have a positive with each item.
    user_ids_, item_ids_ : ndarray
        Ids seen in `fit`, sorted where they can be compared.
    interactions_ : csr_array of shape (n_users, n_items), int8
        The training rows: 1 positive, -1 explicit negative.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where `X` has any.

    See Also
    --------
    PopularityRecommender : The baseline that does not know the user.

    Notes
    -----
    With X the matrix of positives and :math:`P = (X^T X + \lambda I)^{-1}`, the weights are :math:`B_{ij} = -P_{ij} /
    P_{jj}` off the diagonal and 0 on it, and the scores of a user are the user's row of :math:`X B`. The cost is the
    product :math:`X^T X` and a Cholesky inverse, :math:`O(n^3)` in the number of items, done in place.

    An entry of X is 1, or the summed `sample_weight` of the pair's rows: a pair that occurs twice counts twice. Drop
    duplicates from a log to have ones. Explicit negatives count as zeros, like pairs that do not occur; they still
    are items that the user has seen.

    References
    ----------
    H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, equation 8. :arxiv:`1905.03375`

    Examples
    --------
    >>> from skrec import EASERecommender
    >>> X = [["ann", "tea"], ["ann", "jam"], ["bob", "tea"], ["bob", "jam"], ["eve", "tea"], ["joe", "rye"]]
    >>> model = EASERecommender(l2=1.0).fit(X)
    >>> ids, scores = model.recommend(["eve"], n_recommendations=2)
    >>> ids
    array([['jam', 'rye']], dtype=object)
    >>> scores
    array([[0.5, 0. ]], dtype=float32)
    """

    _parameter_constraints: dict = {
        **BaseRecommender._parameter_constraints,
        "l2": [Interval(Real, 0, None, closed="neither")],
        "dtype": [Options(type, {np.float32, np.float64})],
        "memory_limit": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(self, l2=300.0, *, dtype=np.float64, memory_limit=8.0, user=0, item=1, on_unknown="popular"):
        self.l2 = l2
        self.dtype = dtype
        self.memory_limit = memory_limit
        self.user = user
        self.item = item
        self.on_unknown = on_unknown

    @fit_context
    def fit(self, X, y=None, sample_weight=None):
        """Solve for the weights.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features)
            One interaction a row.
        y : array-like of shape (n_rows,), default=None
            Above 0: positive. 0 and below: explicit negative. None: every row is a positive.
        sample_weight : array-like of shape (n_rows,), default=None
            Size of each row's entry in the matrix; 1 by default.

        Returns
        -------
        self : EASERecommender

        Raises
        ------
        MemoryError
            When the item × item matrix would exceed `memory_limit`.
        """
        return self._solve(check_interactions(self, X, y, sample_weight, user=self.user, item=self.item))

    @fit_context
    def partial_fit(self, X, y=None, sample_weight=None):
        """Add rows and solve again: the same as `fit` on all rows so far.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`; users and items may be new.

        Returns
        -------
        self : EASERecommender
        """
        first = not hasattr(self, "item_ids_")
        batch = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item, reset=first)
        return self._solve(batch if first else merge_interactions(self._stored_interactions(), batch)[0])

    def _solve(self, interactions):
        n_items = len(interactions.item_ids)
        size = n_items**2 * np.dtype(self.dtype).itemsize / 2**30
        if self.memory_limit is not None and size > self.memory_limit:
            raise MemoryError(
                f"EASERecommender needs a matrix of {n_items} x {n_items} items, {size:.3g} GiB, but "
                f"memory_limit={self.memory_limit} GiB. Raise the limit if there is memory, set dtype=numpy.float32 "
                "for half the size, or leave rare items out."
            )
        history = _positives(interactions, self.dtype)
        weights = self._invert(_gram(history))
        weights /= -np.diagonal(weights)
        np.fill_diagonal(weights, 0)
        self._store_interactions(interactions)
        self.item_weights_ = weights
        self._history = history
        return self

    def _invert(self, gram):
        """Replace X'X by the inverse of X'X + l2 I, in place."""
        gram.flat[:: len(gram) + 1] += self.l2
        potrf, potri = get_lapack_funcs(("potrf", "potri"), (gram,))
        # LAPACK wants Fortran order; the transpose of a symmetric matrix in C order is one.
        factor, failed = potrf(gram.T, lower=True, overwrite_a=True, clean=False)
        if not failed:
            inverse, failed = potri(factor, lower=True, overwrite_c=True)
        if failed:
            raise ValueError(
                f"l2={self.l2} is too small to determine the weights in {np.dtype(self.dtype).name}: increase it."
            )
        inverse = inverse.T
        for start in range(0, len(inverse), _TILE):
            tile = slice(start, start + _TILE)
            rest = slice(start + _TILE, None)
            inverse[tile, tile] = np.triu(inverse[tile, tile]) + np.triu(inverse[tile, tile], 1).T
            inverse[rest, tile] = inverse[tile, rest].T
        return inverse

    def _score_users(self, user_codes):
        return np.asarray(self._history[user_codes] @ self.item_weights_, dtype=np.float32)


def _positives(interactions, dtype):
    """Matrix of the positives' weights, explicit negatives as stored zeros."""
    matrix, weight = interactions.matrix, interactions.weight
    data = np.maximum(matrix.data, 0).astype(dtype)
    return csr_array((data if weight is None else data * weight, matrix.indices, matrix.indptr), shape=matrix.shape)


def _gram(matrix):
    """X'X as a dense array, some columns at a time so that no sparse product of that size is ever held."""
    n_items = matrix.shape[1]
    gram = np.empty((n_items, n_items), dtype=matrix.dtype)
    transposed, columns = matrix.T.tocsr(), matrix.tocsc()
    step = max(1, _GRAM_BYTES // (n_items * gram.itemsize))
    for start in range(0, n_items, step):
        part = slice(start, start + step)
        # Symmetric, so that rows may be written where columns were computed.
        gram[part] = (transposed[part] @ columns).toarray()
    return gram
