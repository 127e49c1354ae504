"""The rows of a call: what of them each recommender is given, by entries of the matrix that they make."""

import numpy as np
import sklearn
from scipy.sparse import csr_array
from sklearn.utils import indexable
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import has_fit_parameter

from skrec.compose._candidates import Tables
from skrec.utils._sklearn_compat import check_sample_weight, take_rows
from skrec.utils._validation import check_interactions, check_pairs, merge_interactions

__all__ = ["Job", "is_in", "pair_keys", "select"]


class Job:
    """The rows of a call, and what each part is to be given of them."""

    def __init__(self, estimator, X, y, sample_weight, tables, params, method="fit"):
        keys = estimator.user, estimator.item
        first = method == "fit"
        self.method, self.y = method, y
        new = check_interactions(estimator, X, y, sample_weight, user=keys[0], item=keys[1], reset=first)
        self.merged = self.batch = new
        if not first:
            self.merged, self.batch = merge_interactions(estimator._stored_interactions(), new)
        self.X, self.y = indexable(X, y)
        ids = self.merged.user_ids, self.merged.item_ids
        codes = check_pairs(estimator, X, user=keys[0], item=keys[1], user_ids=ids[0], item_ids=ids[1])
        known = pair_keys(self.merged.matrix)
        keys_of_rows = codes[0] * np.int64(len(ids[1])) + codes[1]
        self._entry = np.searchsorted(known, keys_of_rows).clip(max=len(known) - 1)
        # Rows of weight 0 may have ids that no other row has, or pairs.
        self._entry[(codes[0] < 0) | (codes[1] < 0) | (known[self._entry] != keys_of_rows)] = -1
        self.sample_weight = None if sample_weight is None else check_sample_weight(sample_weight, codes[0])
        old = Tables(estimator._names(), ids) if first else estimator._tables
        self.tables = old.updated(ids, tuple(tables.values()), keys, first=first)
        self._params = self._route(estimator, {k: t for k, t in tables.items() if t is not None}, params)
        self.given = {name: [k for k in given if k in tables] for name, given in self._params.items()}

    def _route(self, estimator, tables, params):
        parts = estimator._parts()
        if not sklearn.get_config()["enable_metadata_routing"]:
            return {
                name: {key: table for key, table in tables.items() if has_fit_parameter(part, key)} | params
                for name, part in parts.items()
            }
        routed = process_routing(estimator, self.method, **tables, **params)
        return {name: dict(getattr(routed[name], self.method)) for name in parts}

    def entries_of(self, rows):
        """Mark the entries of the matrix that some rows belong to."""
        marked = np.zeros(self.merged.matrix.nnz + 1, dtype=bool)
        marked[self._entry[rows]] = True
        return marked[:-1]

    def train(self, part, name, only=None):
        """Let a recommender learn from the rows, or from those of some entries."""
        X, y, weight = self.X, self.y, self.sample_weight
        if only is not None:
            chosen = np.flatnonzero(np.append(only, False)[self._entry])
            X = take_rows(X, chosen)
            y = None if y is None else take_rows(y, chosen)
            weight = None if weight is None else weight[chosen]
        weights = {} if weight is None else {"sample_weight": weight}
        return getattr(part, self.method)(X, y, **self._params[name], **weights)


def pair_keys(matrix):
    """Return ``user * n_items + item`` of the entries of a matrix."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    return rows * matrix.shape[1] + matrix.indices


def is_in(keys, ordered):
    """Whether each key is among some in ascending order."""
    if not len(ordered):
        return np.zeros(len(keys), dtype=bool)
    return ordered[np.searchsorted(ordered, keys).clip(max=len(ordered) - 1)] == keys


def select(matrix, kept):
    """Return the matrix of the entries marked in `kept`."""
    indptr = np.append(0, np.cumsum(kept))[matrix.indptr].astype(matrix.indptr.dtype)
    return csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)
