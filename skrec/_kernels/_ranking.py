"""One pass over a block of scores that gathers what every ranking metric is computed from."""

from typing import NamedTuple

import numpy as np

from skrec._kernels._auc import count_wins, make_workspace
from skrec._kernels._jit import kernel
from skrec._kernels._topk import top_k_row


class Judgements(NamedTuple):
    """What is known of the candidates of each user, as rows of CSR matrices without repeated entries.

    Row pointers are int64, columns int32. `negatives` matter only where `explicit`: then they are the negatives, in
    place of every candidate that is neither positive nor excluded. `bucket` (n_candidates,) int32 puts each candidate
    in one of the buckets that wins are summed over.
    """

    positive_indptr: np.ndarray
    positive_indices: np.ndarray
    excluded_indptr: np.ndarray
    excluded_indices: np.ndarray
    negative_indptr: np.ndarray
    negative_indices: np.ndarray
    explicit: bool
    bucket: np.ndarray


class Tally(NamedTuple):
    """What `judge_rows` fills, one row a user of the block.

    `items` (n_rows, k) int32 and `hits` (n_rows, k) bool: the top of the list, -1 and False where it ends early.
    `n_positives` and `wins` (n_rows, n_buckets) int64, `n_negatives` (n_rows,) int64: wins of the positives of each
    bucket over all negatives, two for a pair and one for a tie.
    """

    items: np.ndarray
    hits: np.ndarray
    n_positives: np.ndarray
    n_negatives: np.ndarray
    wins: np.ndarray


@kernel(inline=False)
def _judge_rows(block, first, judgements, count, row, is_positive, top_scores, work, tally):
    n_candidates = block.shape[1]
    for r in range(block.shape[0]):
        u = first + r
        n_missing = 0
        for j in range(n_candidates):
            row[j] = block[r, j]
            n_missing += row[j] != row[j]
        if n_missing > 0:
            return r

        # From here on NaN marks what is out of the ranking: no comparison with it is true.
        n_left = n_candidates
        for at in range(judgements.excluded_indptr[u], judgements.excluded_indptr[u + 1]):
            row[judgements.excluded_indices[at]] = np.nan
            n_left -= 1
        top_k_row(row, tally.items[r], top_scores)

        n_positives = 0
        for at in range(judgements.positive_indptr[u], judgements.positive_indptr[u + 1]):
            j = judgements.positive_indices[at]
            if row[j] == row[j]:
                work.ids[n_positives] = j
                n_positives += 1
                row[j] = np.nan
                is_positive[j] = True
                tally.n_positives[r, judgements.bucket[j]] += 1
        for place in range(tally.items.shape[1]):
            j = tally.items[r, place]
            tally.hits[r, place] = j >= 0 and is_positive[j]
        for p in range(n_positives):
            is_positive[work.ids[p]] = False
        if not count:
            continue

        negatives = row
        n_negatives = n_left - n_positives
        if judgements.explicit:
            n_negatives = 0
            for at in range(judgements.negative_indptr[u], judgements.negative_indptr[u + 1]):
                score = row[judgements.negative_indices[at]]
                if score == score:
                    work.negatives[n_negatives] = score
                    n_negatives += 1
            negatives = work.negatives[:n_negatives]
        tally.n_negatives[r] = n_negatives
        for bucket in range(tally.wins.shape[1]):
            n = 0
            for p in range(n_positives):
                if judgements.bucket[work.ids[p]] == bucket:
                    work.positives[n] = block[r, work.ids[p]]
                    n += 1
            tally.wins[r, bucket] = count_wins(work, n, negatives)
    return -1


def judge_rows(block, first, judgements, count, tally):
    """Judge the scores of users `first`, `first` + 1, ... in the rows of `block`.

    Fills `tally`, whose counts must be 0 before; negatives and wins only where `count`. Excluded candidates are neither
    recommended nor counted, even if they are positives. Returns the first row with a NaN among its scores, where it
    stops, or -1. `block` is float32 or float64 and C-contiguous, and stays as it is.
    """
    n_rows, n_candidates = block.shape
    most = [
        int(np.diff(indptr[first : first + n_rows + 1]).max(initial=0))
        for indptr in (judgements.positive_indptr, judgements.negative_indptr)
    ]
    return _judge_rows(
        block,
        first,
        judgements,
        count,
        np.empty(n_candidates, dtype=block.dtype),
        np.zeros(n_candidates, dtype=np.bool_),
        np.empty(tally.items.shape[1], dtype=block.dtype),
        make_workspace(*most, block.dtype),
        tally,
    )
