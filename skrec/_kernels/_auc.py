"""ROC AUC by counting how many negatives each positive beats, in integers: nothing is rounded before the mean."""

from typing import NamedTuple

import numpy as np

from skrec._kernels._jit import kernel
from skrec._kernels._topk import sort_best_first

# Up to this many positives it is faster to compare each with every negative than to search.
_FEW = 48
# Negatives that are handled together; few enough to stay in the nearest cache, and the inner loops over them have no
# branch and no sum across, so that they compile to vector instructions.
_CHUNK = 256


class Workspace(NamedTuple):
    """Room for one user.

    `positives` and `negatives` are scores; `ids` (int32) and `run` (int32) have as many places as `positives`, `lane`
    (uint32) has one for each negative of a chunk.
    """

    positives: np.ndarray
    negatives: np.ndarray
    ids: np.ndarray
    run: np.ndarray
    lane: np.ndarray


def make_workspace(n_positives, n_negatives, dtype):
    """Allocate a `Workspace` for users of at most so many positives and negatives with scores of `dtype`."""
    return Workspace(
        positives=np.empty(n_positives, dtype=dtype),
        negatives=np.empty(n_negatives, dtype=dtype),
        ids=np.empty(n_positives, dtype=np.int32),
        run=np.empty(n_positives, dtype=np.int32),
        lane=np.empty(_CHUNK, dtype=np.uint32),
    )


@kernel
def _compare_all(positives, chunk, lane):
    lane[:] = 0
    for score in positives:
        for j in range(chunk.shape[0]):
            lane[j] += np.uint32(chunk[j] < score) + np.uint32(chunk[j] <= score)
    wins = np.uint32(0)
    for j in range(chunk.shape[0]):
        wins += lane[j]
    return np.int64(wins)


@kernel
def _search_all(ranked, run, chunk, lane):
    """Find for each negative the last of the positives, ranked best first, that is not below it: those before win."""
    lane[:] = 0
    left = np.uint32(ranked.shape[0])
    while left > 1:
        half = np.uint32(left >> np.uint32(1))
        for j in range(chunk.shape[0]):
            lane[j] += half if ranked[lane[j] + half] >= chunk[j] else np.uint32(0)
        left = np.uint32(left - half)
    n_not_below = np.uint32(0)
    n_tied = np.uint32(0)
    for j in range(chunk.shape[0]):
        last = ranked[lane[j]]
        n_not_below += lane[j] + np.uint32(1) if last >= chunk[j] else np.uint32(0)
        n_tied += np.uint32(last == chunk[j])
    wins = 2 * np.int64(n_not_below)
    if n_tied > 0:
        for j in range(chunk.shape[0]):
            if ranked[lane[j]] == chunk[j]:
                wins -= run[lane[j]]
    return wins


@kernel
def count_wins(work, n_positives, negatives):
    """Count the pairs in which one of the first `n_positives` of `work` is above a negative twice, ties once.

    The positives hold no NaN and may change places. A NaN among `negatives` counts for nothing, which is how callers
    leave one out. Compares all pairs where there are few positives; otherwise sorts these and searches the place of
    each negative among them: O((P + N) log P).
    """
    positives = work.positives[:n_positives]
    run = work.run[:n_positives]
    if n_positives > _FEW:
        # What goes along with the sort does not matter: afterwards it is how many equal ones end at each place.
        run[:] = 0
        sort_best_first(positives, run)
        for p in range(n_positives):
            run[p] = run[p - 1] + 1 if p > 0 and positives[p] == positives[p - 1] else 1
    wins = np.int64(0)
    for start in range(0, negatives.shape[0], work.lane.shape[0]):
        chunk = negatives[start : start + work.lane.shape[0]]
        lane = work.lane[: chunk.shape[0]]
        if n_positives > _FEW:
            wins += _search_all(positives, run, chunk, lane)
        else:
            wins += _compare_all(positives, chunk, lane)
    return wins


@kernel(inline=False)
def count_group_wins(is_positive, scores, indptr, work, wins, n_positives):
    """Count the wins within groups of rows: group g is ``indptr[g]:indptr[g + 1]`` of `is_positive` and `scores`.

    Fills `wins` and `n_positives`, (n_groups,) int64. `indptr` is int64; `work` has room for each group.
    """
    for g in range(indptr.shape[0] - 1):
        n = 0
        m = 0
        for at in range(indptr[g], indptr[g + 1]):
            if is_positive[at]:
                work.positives[n] = scores[at]
                n += 1
            else:
                work.negatives[m] = scores[at]
                m += 1
        wins[g] = count_wins(work, n, work.negatives[:m])
        n_positives[g] = n
