"""What indexes have in common: vectors in, the best items of each query out."""

from abc import ABCMeta, abstractmethod
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from skrec.retrieval._lists import read_lists, without
from skrec.retrieval._scan import row_norms
from skrec.utils._sklearn_compat import StrOptions, fit_context


class BaseIndex(BaseEstimator, metaclass=ABCMeta):
    """Base class of indexes. A subclass has `_add`, which takes new vectors in, and `_search`."""

    _parameter_constraints: dict = {
        "metric": [StrOptions({"inner_product", "cosine"})],
        "n_jobs": [Integral, None],
    }

    @abstractmethod
    def _add(self, first):
        """Take in the vectors from code `first` on; 0 begins anew. Sets new attributes, changes no fitted ones."""

    @abstractmethod
    def _search(self, queries, k, candidates, exclude):
        """Return the codes of the `k` highest inner products of each query, and these, as `scan` does."""

    @fit_context
    def fit(self, X, y=None):
        """Index vectors, in place of any that were indexed before.

        Parameters
        ----------
        X : array-like of shape (n_items, n_features)
            One vector an item. The code of an item is its row. float32 arrays in C order are kept, not copied, unless
            ``metric="cosine"``: do not write to them.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            When `X` has no rows, or holds NaN, infinity or what float32 cannot hold.
        """
        self.vectors_, self._norms = self._prepare(self._read(X, reset=True))
        self._add(0)
        return self

    @fit_context
    def partial_fit(self, X, y=None):
        """Index further vectors; their codes go on from those of the ones before.

        Parameters
        ----------
        X : array-like of shape (n_new, n_features)
            One vector a new item.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As from `fit`, and when the vectors are not as long as those of `fit`.
        """
        if not hasattr(self, "vectors_"):
            return self.fit(X)
        vectors, norms = self._prepare(self._read(X, reset=False))
        first = len(self.vectors_)
        self.vectors_ = np.concatenate([self.vectors_, vectors])
        self._norms = np.concatenate([self._norms, norms])
        self._add(first)
        return self

    def query(self, X, k=10, *, candidates=None, exclude=None, furthest=False):
        """Find the items that score highest with each query.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
            One vector a query.
        k : int, default=10
            How many items to find; may exceed their number.
        candidates : list of codes, list of lists of codes or sparse matrix, default=None
            The only items to choose from: one list for all queries, or one for each, as a list of lists, an array with
            a row for each query in which -1 marks a free place, or the stored entries of a sparse matrix of shape
            (n_queries, n_items). None: all items.
        exclude : list of codes, list of lists of codes or sparse matrix, default=None
            Items not to choose, in the same forms.
        furthest : bool, default=False
            Find the items that score lowest: those that score highest with the negated query.

        Returns
        -------
        codes : ndarray of shape (n_queries, k), int32
            Codes of items, best first, equal scores by code; -1 where a query has fewer items to choose from.
        scores : ndarray of shape (n_queries, k), float32
            Inner products or cosines, -inf (with `furthest` inf) beside -1. The score of a pair is that of its two
            vectors, summed in float64: the same to the last bit whatever else is asked for in the call, and from every
            index. A vector of zeros has the cosine 0 with any other.

        Raises
        ------
        ValueError
            When `X` is not made of finite vectors of the right length, when a list holds what is not a code, or when
            there are not as many lists as queries.
        """
        check_is_fitted(self)
        check_scalar(k, "k", Integral, min_val=1)
        queries = self._read(X, reset=False, ensure_min_samples=0)
        if self.metric == "cosine":
            queries = normalize(queries)
        self._check_range(queries)
        n_queries, n_items = len(queries), len(self.vectors_)
        candidates = read_lists(candidates, "candidates", n_queries, n_items)
        exclude = read_lists(exclude, "exclude", n_queries, n_items)
        if candidates is not None and exclude is not None:
            if not isinstance(candidates, np.ndarray):
                candidates, exclude = without(candidates, exclude), None
            elif isinstance(exclude, np.ndarray):
                candidates, exclude = np.setdiff1d(candidates, exclude, assume_unique=True), None
        codes, scores = self._search(-queries if furthest else queries, int(k), candidates, exclude)
        return codes, -scores if furthest else scores

    def _read(self, X, **options):
        # What float32 cannot hold becomes infinite, and is refused as such.
        with np.errstate(over="ignore"):
            return validate_data(self, X, dtype=np.float32, order="C", **options)

    def _prepare(self, vectors):
        if self.metric == "cosine":
            vectors = normalize(vectors)
        return vectors, row_norms(vectors)

    def _check_range(self, queries):
        """Refuse vectors whose scores could overflow in float32."""
        longest = row_norms(queries).max(initial=0.0)
        if longest * self._norms.max() > np.finfo(np.float32).max / 4:
            raise ValueError(
                f"X holds a vector of length {longest:.3g}, and the index one of length {self._norms.max():.3g}: their "
                "inner product may be too large for float32. Scale them down."
            )


def normalize(vectors):
    """Scale rows to length 1; rows of zeros stay."""
    lengths = row_norms(vectors)
    lengths = np.where(lengths > 0, lengths, 1.0)[:, None]
    return np.divide(vectors, lengths, out=np.empty_like(vectors, order="C"), casting="same_kind")
