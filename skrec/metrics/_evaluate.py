"""The engine: all metrics of a ranking problem from one pass over blocks of scores."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning

from skrec.metrics._names import AUC
from skrec.metrics._popularity import popularity_buckets
from skrec.utils._threads import blas_threads, effective_n_jobs
from skrec.utils._validation import kernel_array

# A block of scores is at most this many bytes (or one user), for each thread; and at most this many users, so that it
# stays near the processor and there are enough blocks to share out. Neither depends on the number of threads: the
# blocks, and with them all numbers, are the same for any.
_BLOCK_BYTES = 1 << 25
_BLOCK_USERS = 256


class Counts(NamedTuple):
    """Integers that the AUCs of all users are computed from.

    `wins` and `n_positives` (n_users, n_buckets) int64, `n_negatives` (n_users,) int64; see ``_kernels/_auc.py``.
    """

    wins: np.ndarray
    n_positives: np.ndarray
    n_negatives: np.ndarray

    def auc(self, bucket=None):
        """AUC of each user, over the positives of one bucket or of all; nan where there is none or no negative."""
        wins = self.wins.sum(axis=1) if bucket is None else self.wins[:, bucket]
        pairs = self.n_pairs(bucket)
        return np.divide(wins, 2 * pairs, out=np.full(len(wins), np.nan), where=pairs > 0)

    def n_pairs(self, bucket=None):
        """Pairs of a positive and a negative of each user."""
        positives = self.n_positives.sum(axis=1) if bucket is None else self.n_positives[:, bucket]
        return positives * self.n_negatives


def evaluate(problem, metrics, *, negatives="unobserved", n_jobs=None):
    """Compute metrics.

    Parameters
    ----------
    problem : RankingProblem
    metrics : list of Metric
    negatives : {"unobserved", "explicit"}
        The negatives of the AUCs.
    n_jobs : int, default=None

    Returns
    -------
    values : dict of str to float
        nan where no user qualifies, with a warning.
    per_user : dict of str to ndarray of shape (n_users,)
        For the metrics that are means over users; nan for the users who do not enter.
    """
    per_user = {
        str(m): np.empty(problem.positives.shape[0]) for m in metrics if m.kind in _OF_USER or m.kind in _OF_LIST
    }
    counts_at = {m.k: np.zeros(problem.positives.shape[1], dtype=np.int64) for m in metrics if m.kind in _OF_ALL_LISTS}
    by_list = {m.kind: _OF_LIST[m.kind](problem.item_popularity) for m in metrics if m.kind in _OF_LIST}
    lock = threading.Lock()

    def reduce(batch, tally):
        n_positives = tally.n_positives.sum(axis=1)
        for metric in metrics:
            if metric.kind in _OF_USER:
                found = _OF_USER[metric.kind](tally.hits[:, : metric.k], n_positives, metric.k)
                per_user[str(metric)][batch] = np.where(n_positives > 0, found, np.nan)
            elif metric.kind in _OF_LIST:
                per_user[str(metric)][batch] = _mean_of_list(by_list[metric.kind], tally.items[:, : metric.k])
        for k, item_counts in counts_at.items():
            top = tally.items[:, :k]
            with lock:
                np.add.at(item_counts, top[top >= 0], 1)

    n_buckets = 3 if any(m.kind in AUC[1:] for m in metrics) else 1
    counts = judge(
        problem,
        k=max(m.k for m in metrics),
        bucket=popularity_buckets(problem.item_popularity, n_buckets) if n_buckets > 1 else None,
        n_buckets=n_buckets,
        count=any(m.kind in AUC for m in metrics),
        negatives=negatives,
        n_jobs=n_jobs,
        reduce=reduce,
    )
    values = {}
    for metric in metrics:
        name = str(metric)
        if metric.kind in AUC:
            per_user[name] = counts.auc(None if metric.kind == "auc" else AUC.index(metric.kind) - 1)
        if metric.kind not in _OF_ALL_LISTS:
            values[name] = mean_over_users(per_user[name], name, _NEEDED[metric.kind])
        elif counts_at[metric.k].any():
            values[name] = _OF_ALL_LISTS[metric.kind](counts_at[metric.k])
        else:
            values[name] = _undefined(name, _NEEDED[metric.kind])
    return values, {str(m): per_user[str(m)] for m in metrics if str(m) in per_user}


def judge(problem, *, k=0, bucket=None, n_buckets=1, count=True, negatives="unobserved", n_jobs=None, reduce=None):
    """Pass over the scores in blocks of users, and count the wins of positives over negatives.

    Parameters
    ----------
    problem : RankingProblem
    k : int
        Length of the lists to make; 0 for none.
    bucket : ndarray of shape (n_candidates,), default=None
        Bucket of each candidate, below `n_buckets`. None: all in bucket 0.
    n_buckets : int
    count : bool
        Whether to count wins. If not, `wins` and `n_negatives` of the result mean nothing.
    negatives : {"unobserved", "explicit"}
    n_jobs : int, default=None
        Threads.
    reduce : callable, default=None
        Called as ``reduce(batch, tally)`` with the slice of users and the `Tally` of each block, from several threads.

    Returns
    -------
    Counts
    """
    from skrec._kernels._ranking import Judgements, Tally, judge_rows

    n_users, n_candidates = problem.positives.shape
    bucket = np.zeros(n_candidates, dtype=np.int32) if bucket is None else kernel_array(bucket, np.int32)
    judgements = Judgements(
        *_csr_arrays(problem.positives, n_users),
        *_csr_arrays(problem.excluded, n_users),
        *_csr_arrays(problem.negatives, n_users),
        negatives == "explicit",
        bucket,
    )
    counts = Counts(
        wins=np.zeros((n_users, n_buckets), dtype=np.int64),
        n_positives=np.zeros((n_users, n_buckets), dtype=np.int64),
        n_negatives=np.zeros(n_users, dtype=np.int64),
    )

    def judge_block(batch):
        n_rows = batch.stop - batch.start
        block = _check_block(problem.scores(batch.start, batch.stop), (n_rows, n_candidates))
        tally = Tally(
            items=np.empty((n_rows, k), dtype=np.int32),
            hits=np.empty((n_rows, k), dtype=np.bool_),
            n_positives=counts.n_positives[batch],
            n_negatives=counts.n_negatives[batch],
            wins=counts.wins[batch],
        )
        missing = judge_rows(block, batch.start, judgements, count, tally)
        if missing >= 0:
            user = problem.user_ids[batch.start + missing :].tolist()[0]
            raise ValueError(f"The scores of user {user!r} contain NaN: nothing can be ranked by them.")
        if reduce is not None:
            reduce(batch, tally)

    rows = max(1, min(_BLOCK_USERS, _BLOCK_BYTES // max(1, 8 * n_candidates)))
    batches = [slice(start, min(start + rows, n_users)) for start in range(0, n_users, rows)]
    n_threads = min(effective_n_jobs(n_jobs), len(batches))
    with blas_threads(1):
        if n_threads > 1:
            # Not a joblib pool: it looks for results every 10 ms, and a small data set takes less than that.
            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(judge_block, batches))
        else:
            for batch in batches:
                judge_block(batch)
    return counts


def mean_over_users(values, name, needed, weights=None):
    """Mean over the users who have a value; nan and a warning when nobody has what is `needed` for one."""
    defined = ~np.isnan(values)
    if not defined.any():
        return _undefined(name, needed)
    return float(np.average(values[defined], weights=None if weights is None else weights[defined]))


def _undefined(name, needed):
    warnings.warn(f"{name} is undefined and set to nan: no user has {needed}.", UndefinedMetricWarning, stacklevel=5)
    return float("nan")


def _csr_arrays(matrix, n_rows):
    if matrix is None:
        return np.zeros(n_rows + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return kernel_array(matrix.indptr, np.int64), kernel_array(matrix.indices, np.int32)


def _check_block(block, shape):
    block = np.asarray(block)
    if block.shape != shape:
        raise ValueError(f"scores(start, stop) returned an array of shape {block.shape} where {shape} was asked for.")
    return kernel_array(block, np.float32 if block.dtype in (np.float32, np.float16) else np.float64)


def _precision(hits, n_positives, k):
    return hits.sum(axis=1) / k


def _recall(hits, n_positives, k):
    return hits.sum(axis=1) / np.maximum(n_positives, 1)


def _hit_rate(hits, n_positives, k):
    return hits.any(axis=1).astype(np.float64)


def _ndcg(hits, n_positives, k):
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.append(0.0, np.cumsum(discount))[np.minimum(n_positives, k)]
    return np.divide(_sum_where(hits, discount), ideal, out=np.zeros(len(hits)), where=ideal > 0)


def _average_precision(hits, n_positives, k):
    precision = np.cumsum(hits, axis=1) / np.arange(1, k + 1)
    return _sum_where(hits, precision) / np.maximum(np.minimum(n_positives, k), 1)


def _reciprocal_rank(hits, n_positives, k):
    return hits.any(axis=1) / (hits.argmax(axis=1) + 1)


def _sum_where(hits, values):
    return np.where(hits, values, 0.0).sum(axis=1)


def _self_information(item_popularity):
    """Bits of surprise at meeting an item, if items were met in proportion to their training positives."""
    total = item_popularity.sum()
    return np.log2(max(total, 1)) - np.log2(np.maximum(item_popularity, 1))


def _in_head(item_popularity):
    return (popularity_buckets(item_popularity, 3) == 0).astype(np.float64)


def _mean_of_list(values, items):
    """Mean of the values of the items listed for each user; nan for an empty list."""
    lengths = (items >= 0).sum(axis=1)
    sums = np.append(values, 0.0)[items].sum(axis=1)
    return np.divide(sums, lengths, out=np.full(len(items), np.nan), where=lengths > 0)


def _coverage(item_counts):
    return float(np.mean(item_counts > 0))


def _gini(item_counts):
    """Twice the area between the diagonal and the Lorenz curve, from exact integers."""
    n = len(item_counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ np.sort(item_counts) / (n * item_counts.sum()))


# Of the places of hits in a user's list and the number of positives; of the items in each list; of all lists together.
_OF_USER = {
    "precision": _precision,
    "recall": _recall,
    "ndcg": _ndcg,
    "map": _average_precision,
    "mrr": _reciprocal_rank,
    "hit_rate": _hit_rate,
}
_OF_LIST = {"novelty": _self_information, "popularity_share": _in_head}
_OF_ALL_LISTS = {"coverage": _coverage, "gini": _gini}

BOTH_CLASSES = "both a positive and a negative among the candidates"
_NEEDED = {
    **dict.fromkeys(AUC, BOTH_CLASSES),
    **dict.fromkeys(_OF_USER, "a positive among the candidates"),
    **dict.fromkeys((*_OF_LIST, *_OF_ALL_LISTS), "a candidate to recommend"),
}
