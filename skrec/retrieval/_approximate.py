"""The index that looks at a small part of the vectors, by a graph of neighbours."""

import pickle
from numbers import Integral, Real

import numpy as np
from sklearn.utils import gen_batches

from skrec.retrieval._base import BaseIndex, normalize
from skrec.retrieval._lists import as_code_lists, n_listed, select
from skrec.retrieval._scan import TILE_COST, empty_heaps, run_blocks, scan
from skrec.utils._sklearn_compat import Interval
from skrec.utils._threads import blas_threads, effective_n_jobs

# Codes that are taken from the graph at once.
_FOUND = 1 << 22
# Landmarks, by which queries are put in order, and scores with them that are in memory at once.
_N_LANDMARKS, _SCORES = 1024, 1 << 22


class ApproximateIndex(BaseIndex):
    """Index that finds most of the best items of a query by walking a graph of neighbours (HNSW).

    Needs the package hnswlib: ``pip install "skrec-learn[ann]"``, which compiles it for the machine that it runs on and
    therefore needs a C++ compiler. The methods are those of :class:`ExactIndex`, and so are the scores, to the last
    bit; only which items are found may differ.

    Parameters
    ----------
    metric : {"inner_product", "cosine"}, default="inner_product"
        Score of a query and an item.
    connectivity : int, default=16
        Neighbours that a vector is linked to (M in [1]_). More cost memory and time and find more. Read by `fit`.
    expansion_add : int, default=128
        Vectors kept in view while a new one looks for its neighbours (efConstruction in [1]_). Read by `fit`.
    expansion_search : int, default=64
        Vectors kept in view while a query looks for its items (ef in [1]_), never less than it has to find. The
        parameter that trades recall for time; it is read by `query`, and may be set after `fit`.
    length_quantile : float, default=0.9
        For inner products: vectors shorter than this quantile of the lengths are made as long by a further component,
        which only links between items see (Notes). 0 leaves all as they are, 1 makes all equally long. What finds
        more depends on how lengths spread: much spread wants less than 1. Try both with `RetrievalRecallDisplay`.
    parallel_build : bool, default=False
        Whether `fit` and `partial_fit` use `n_jobs` threads. Which vectors see each other then depends on how the
        threads take turns: the graph is no longer the same in every run.
    n_jobs : int or None, default=None
        Threads of `query`. None is 1 unless in a ``joblib.parallel_config`` context, -1 all processors. Does not
        change what a query finds.

    Attributes
    ----------
    vectors_ : ndarray of shape (n_items, n_features_in_), float32
        The vectors; of length 1 where ``metric="cosine"``. The graph holds a copy of its own.
    n_features_in_ : int
        Length of the vectors.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where `fit` was given a frame with names.

    Raises
    ------
    ImportError
        From `fit`, where hnswlib is not installed.

    See Also
    --------
    ExactIndex : Looks at every vector. Faster up to tens of thousands of items.
    RetrievalRecallDisplay : Recall against speed over `expansion_search`.

    Notes
    -----
    *Inner products.* Links between vectors by their inner products lead to the longest ones, whatever their direction.
    The vectors therefore get one more component, sqrt(max(0, M^2 - ||v||^2)), where M is the quantile of the lengths
    that `length_quantile` tells; the queries have 0 there, and their inner products stay what they are. With the
    greatest length as M the neighbours of a vector are those in its direction, as in [2]_.

    *Many queries* are asked in an order of their own, those near the same of 1,024 landmarks (items' directions) one
    after another: what one looks at in the graph then is in the processor's caches for the next. It changes no result.

    *Excluded items.* For a query that excludes e items, k + e or more are taken from the graph, so that k are left.

    *Candidates* are looked for among 2 k n_items / n_candidates items of the graph, four times as many where that was
    too few.

    *Exact instead.* A walk that has m vectors in view looks at about ``connectivity * m``. Where a query has a list,
    and that is no less than the cost of scoring all that the query may choose from, it is answered exactly. The cost is
    1 for a candidate out of a list of the query's own, 1/16 for any other item (those are scored by matrix products).
    With k = 10 and default parameters lists of up to 1024 candidates are always scored exactly. So are queries for
    which the graph had too few items, and all where `k` is the number of items or more: exclusions and candidates
    never leave a place free that could be filled.

    *Furthest items* are those nearest to the negated query, where the graph was not made for anybody to look: expect
    less recall, and measure it.

    A build takes O(n_items log n_items) steps. With ``parallel_build=False`` the same calls give the same graph; after
    pickling, `partial_fit` may go on with other random numbers than it would have without.

    References
    ----------
    .. [1] Y. Malkov, D. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
       Navigable Small World graphs", IEEE TPAMI 2020. https://arxiv.org/abs/1603.09320
    .. [2] Y. Bachrach et al., "Speeding Up the Xbox Recommender System Using a Euclidean Transformation for
       Inner-Product Spaces", RecSys 2014, section 3. https://doi.org/10.1145/2645710.2645741

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.retrieval import ApproximateIndex
    >>> vectors = np.random.default_rng(0).normal(size=(1000, 8))
    >>> index = ApproximateIndex(metric="cosine").fit(vectors)
    >>> codes, scores = index.query(vectors[:3], k=2)
    >>> codes[:, 0]
    array([0, 1, 2], dtype=int32)
    >>> index.query(vectors[:3], k=2, exclude=[[0], [1], [2]])[0].shape
    (3, 2)
    """

    _parameter_constraints: dict = {
        **BaseIndex._parameter_constraints,
        "connectivity": [Interval(Integral, 2, None, closed="left")],
        "expansion_add": [Interval(Integral, 1, None, closed="left")],
        "expansion_search": [Interval(Integral, 1, None, closed="left")],
        "length_quantile": [Interval(Real, 0, 1, closed="both")],
        "parallel_build": ["boolean"],
    }

    def __init__(
        self,
        metric="inner_product",
        *,
        connectivity=16,
        expansion_add=128,
        expansion_search=64,
        length_quantile=0.9,
        parallel_build=False,
        n_jobs=None,
    ):
        self.metric = metric
        self.connectivity = connectivity
        self.expansion_add = expansion_add
        self.expansion_search = expansion_search
        self.length_quantile = length_quantile
        self.parallel_build = parallel_build
        self.n_jobs = n_jobs

    def _add(self, first):
        n_items = len(self.vectors_)
        if first == 0:
            self._longest = float(self._norms.max()) or 1.0
            self._level = float(np.quantile(self._norms, self.length_quantile)) / self._longest
            graph = _hnswlib().Index("ip", self.n_features_in_ + (self.metric == "inner_product"))
            graph.init_index(n_items, M=self.connectivity, ef_construction=self.expansion_add, random_seed=0)
        else:
            # A copy: should anything fail, the estimator keeps the graph that it had.
            graph = pickle.loads(pickle.dumps(self._graph))
            graph.resize_index(n_items)
        threads = effective_n_jobs(self.n_jobs) if self.parallel_build else 1
        some = normalize(self.vectors_[:: -(-n_items // _N_LANDMARKS)])
        self._landmarks = some[np.argsort((some @ some[:: len(some) // 32 + 1].T).argmax(axis=1))]
        graph.add_items(self._item_points(first), np.arange(first, n_items), num_threads=threads)
        self._graph = graph

    def _item_points(self, first=0):
        """Vectors as the graph has them; for inner products scaled, which changes no order, with one more component."""
        vectors = self.vectors_[first:]
        if self.metric == "cosine":
            return vectors
        lengths = self._norms[first:] / self._longest
        missing = np.sqrt(np.maximum(0.0, self._level**2 - lengths**2))
        return np.column_stack([vectors / np.float32(self._longest), missing.astype(np.float32)])

    def _query_points(self, queries):
        if self.metric == "cosine":
            return queries
        return np.column_stack([queries, np.zeros(len(queries), dtype=np.float32)])

    def _search(self, queries, k, candidates, exclude):
        n_queries, n_items = len(queries), len(self.vectors_)
        fetch, exact_cost = self._plan(n_queries, k, candidates, exclude)
        items, scores = empty_heaps(n_queries, k)
        listed = n_listed(candidates, n_queries) + n_listed(exclude, n_queries) > 0
        if candidates is not None:
            listed[:] = True
        exactly = (listed & (self._graph_cost(fetch) >= exact_cost)) | (k >= n_items)
        open_rows = np.flatnonzero(~exactly)
        while len(open_rows):
            for size in np.unique(fetch[open_rows]):
                rows = open_rows[fetch[open_rows] == size]
                rows = rows[self._tour(queries[rows])]
                for batch in gen_batches(len(rows), max(1, _FOUND // int(size))):
                    part = rows[batch]
                    lists = select(candidates, part), select(exclude, part)
                    items[part], scores[part] = self._walk(queries[part], k, int(size), *lists)
            open_rows = open_rows[items[open_rows, -1] < 0]
            fetch[open_rows] = np.minimum(4 * fetch[open_rows], n_items)
            too_far = (self._graph_cost(fetch[open_rows]) >= exact_cost[open_rows]) | (fetch[open_rows] == n_items)
            exactly[open_rows[too_far]] = True
            open_rows = open_rows[~too_far]
        rows = np.flatnonzero(exactly)
        if len(rows):
            lists = select(candidates, rows), select(exclude, rows)
            items[rows], scores[rows] = scan(self.vectors_, self._norms, queries[rows], k, *lists, self.n_jobs)
        return items, scores

    def _plan(self, n_queries, k, candidates, exclude):
        """How many items each query takes from the graph, and what it would cost to score all; both (n_queries,)."""
        n_items = len(self.vectors_)
        n_excluded = n_listed(exclude, n_queries)
        # Powers of two, so that few different sizes are asked for.
        surplus = np.where(n_excluded > 0, 2 ** np.ceil(np.log2(np.maximum(n_excluded, 1))), 0)
        fetch = np.minimum(k + surplus, n_items).astype(np.int64)
        if candidates is None:
            return fetch, np.full(n_queries, n_items * TILE_COST)
        n_candidates = n_listed(candidates, n_queries)
        share = 2.0 ** np.ceil(np.log2(n_items / np.maximum(n_candidates, 1)))
        fetch = np.minimum(2 * fetch * share, n_items).astype(np.int64)
        return fetch, n_candidates * (TILE_COST if isinstance(candidates, np.ndarray) else 1.0)

    def _tour(self, queries):
        """Order queries so that each follows one near it, and finds in the caches what that one looked at."""
        nearest = np.empty(len(queries), dtype=np.int64)
        with blas_threads(1):
            for batch in gen_batches(len(queries), _SCORES // _N_LANDMARKS):
                nearest[batch] = (queries[batch] @ self._landmarks.T).argmax(axis=1)
        return np.argsort(nearest, kind="stable")

    def _graph_cost(self, fetch):
        return self.connectivity * np.maximum(fetch, self.expansion_search)

    def _walk(self, queries, k, size, candidates, exclude):
        """Take `size` items from the graph for each query; the `k` best of those that it may choose from."""
        from skrec._kernels import _scan

        self._graph.set_ef(max(self.expansion_search, size))
        threads = effective_n_jobs(self.n_jobs)
        try:
            found, _ = self._graph.knn_query(self._query_points(queries), size, num_threads=threads)
        except RuntimeError:  # for one of the queries the graph has fewer than `size` within reach
            return empty_heaps(len(queries), k)
        found = found.astype(np.int32)

        items, scores = empty_heaps(len(queries), k)
        wanted, unwanted = as_code_lists(candidates, len(queries)), as_code_lists(exclude, len(queries))

        def rescore(rows):
            lists = [type(part)(part.start[rows], part.stop[rows], part.codes) for part in (wanted, unwanted)]
            _scan.scan_found(
                found[rows],
                queries[rows],
                self.vectors_,
                lists[0],
                candidates is not None,
                lists[1],
                items[rows],
                scores[rows],
            )

        run_blocks(rescore, len(queries), self.n_jobs)
        return items, scores


def _hnswlib():
    try:
        import hnswlib
    except ImportError as error:
        raise ImportError(
            'ApproximateIndex needs the package hnswlib: pip install "skrec-learn[ann]". ExactIndex does without.'
        ) from error
    return hnswlib
