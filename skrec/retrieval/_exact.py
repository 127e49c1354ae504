"""The index that looks at every vector."""

from skrec.retrieval._base import BaseIndex
from skrec.retrieval._scan import scan


class ExactIndex(BaseIndex):
    """Index that finds the best items of a query by scoring all.

    Parameters
    ----------
    metric : {"inner_product", "cosine"}, default="inner_product"
        Score of a query and an item.
    n_jobs : int or None, default=None
        Threads of `query`. None is 1 unless in a ``joblib.parallel_config`` context, -1 all processors. Does not
        change any result.

    Attributes
    ----------
    vectors_ : ndarray of shape (n_items, n_features_in_), float32
        The vectors; of length 1 where ``metric="cosine"``.
    n_features_in_ : int
        Length of the vectors.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where `fit` was given a frame with names.

    See Also
    --------
    ApproximateIndex : Looks at a small part of the vectors.

    Notes
    -----
    Blocks of 256 queries meet tiles of 512 items, by one matrix product each. The tile stays in the second-level cache:
    it is compared with the score that each query has to beat, which few scores do; these are computed again, as the
    sum in float64 of the products of the two vectors, and enter the query's heap. The comparison leaves room for the
    rounding of the matrix product, by a bound that holds for any order of its sums. Results therefore do not depend on
    the shape of tiles, on the other queries of a call, on `n_jobs` or on the BLAS library: they are those of a stable
    sort of the scores of all pairs.

    `query` takes O(n_queries * n_items * n_features) operations and, beside what it returns, half a megabyte a
    thread. Lists of candidates shorter than a sixteenth of the catalogue are scored vector by vector instead.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.retrieval import ExactIndex
    >>> index = ExactIndex().fit([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> codes, scores = index.query([[2.0, 1.0]], k=2)
    >>> codes
    array([[2, 0]], dtype=int32)
    >>> scores
    array([[3., 2.]], dtype=float32)
    >>> index.query([[2.0, 1.0]], k=2, exclude=[2])[0]
    array([[0, 1]], dtype=int32)
    """

    def __init__(self, metric="inner_product", *, n_jobs=None):
        self.metric = metric
        self.n_jobs = n_jobs

    def _add(self, first):
        pass

    def _search(self, queries, k, candidates, exclude):
        return scan(self.vectors_, self._norms, queries, k, candidates, exclude, self.n_jobs)
