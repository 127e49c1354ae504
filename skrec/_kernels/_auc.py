"""ROC AUC by counting how many negatives each positive beats, in integers: nothing is rounded before the mean."""

from typing import NamedTuple

import numpy as np

from skrec._kernels._jit import kernel
from skrec._kernels._topk import sort_best_first

# Up to this many positives it is faster to compare each with every negative than to search.
_FEW = 4
# Negatives that go down the search together: one level for all of them compiles to vector instructions.
_CHUNK = 256


class Workspace(NamedTuple):
    """Room for one user: `positives` and `negatives` are scores, `ids` tell the positives apart.

    `positives`, `ids` (int32), `wins` and `equal` (int64) have a place for each positive of the user with the most,
    `negatives` one for each negative; `place` is uint32 of any length.
    """

    positives: np.ndarray
    ids: np.ndarray
    wins: np.ndarray
    equal: np.ndarray
    negatives: np.ndarray
    place: np.ndarray


def make_workspace(n_positives, n_negatives, dtype):
    """Allocate a `Workspace` for users of at most so many positives and negatives with scores of `dtype`."""
    return Workspace(
        positives=np.empty(n_positives, dtype=dtype),
        ids=np.empty(n_positives, dtype=np.int32),
        wins=np.empty(n_positives, dtype=np.int64),
        equal=np.empty(n_positives, dtype=np.int64),
        negatives=np.empty(n_negatives, dtype=dtype),
        place=np.empty(_CHUNK, dtype=np.uint32),
    )


@kernel
def count_wins(work, n_positives, negatives):
    """Count, for each of the first `n_positives` of `work`, twice the `negatives` below it plus those equal to it.

    Fills ``work.wins``; the positives and their ids may change places, together. They hold no NaN. A NaN among
    `negatives` counts for nothing, which is how callers leave one out. Compares all pairs where there are few
    positives; otherwise sorts these and searches the place of each negative among them: O((P + N) log P).
    """
    ranked = work.positives[:n_positives]
    if n_positives <= _FEW:
        for p in range(n_positives):
            below = np.int64(0)
            equal = np.int64(0)
            for score in negatives:
                below += score < ranked[p]
                equal += score == ranked[p]
            work.wins[p] = 2 * below + equal
        return

    sort_best_first(ranked, work.ids[:n_positives])
    # First the negatives whose last positive at or above them is p, and those among them that equal it.
    for p in range(n_positives):
        work.wins[p] = 0
        work.equal[p] = 0
    for start in range(0, negatives.shape[0], work.place.shape[0]):
        chunk = negatives[start : start + work.place.shape[0]]
        place = work.place[: chunk.shape[0]]
        place[:] = 0
        left = np.uint32(n_positives)
        while left > 1:
            half = np.uint32(left >> np.uint32(1))
            for j in range(chunk.shape[0]):
                place[j] += half if ranked[place[j] + half] >= chunk[j] else np.uint32(0)
            left = np.uint32(left - half)
        for j in range(chunk.shape[0]):
            p = place[j]
            if chunk[j] <= ranked[p]:
                work.wins[p] += 1
                work.equal[p] += chunk[j] == ranked[p]
    # Then, from the end, the sums; equal ones are noted at the last of a run of equal positives.
    total = np.int64(0)
    last = n_positives - 1
    for p in range(n_positives - 1, -1, -1):
        if ranked[p] != ranked[last]:
            last = p
        total += work.wins[p]
        work.wins[p] = 2 * total - work.equal[last]


@kernel(inline=False)
def count_group_wins(is_positive, scores, indptr, work, wins, n_positives):
    """Count the wins within groups of rows: group g is ``indptr[g]:indptr[g + 1]`` of `is_positive` and `scores`.

    Fills `wins` (n_groups,) int64 with the sums of what `count_wins` counts, and `n_positives` (n_groups,) int64.
    `indptr` is int64; `work` has room for each group.
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
        count_wins(work, n, work.negatives[:m])
        wins[g] = 0
        for p in range(n):
            wins[g] += work.wins[p]
        n_positives[g] = n
