"""Which entries are trained on, and the share of them held out for early stopping."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from skrec._kernels._partition import EXPLICIT, KNOWN, TRAIN


def kinds_and_weights(matrix, batch, weight):
    """Return what each entry of `matrix` is to the engine, and its weight.

    Parameters
    ----------
    matrix : csr_array of shape (n_users, n_items), int8
        All interactions.
    batch : csr_array of the same shape, int8
        Those to train on, a part of `matrix` (or `matrix` itself).
    weight : ndarray of shape (batch.nnz,), float32, or None

    Returns
    -------
    kinds : ndarray of shape (matrix.nnz,), int8
    weights : ndarray of shape (matrix.nnz,), float32, or None
    """
    if batch is matrix:
        return matrix.data, weight
    kinds = np.where(matrix.data > 0, np.int8(KNOWN), np.int8(EXPLICIT))
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    keys = rows * matrix.shape[1] + matrix.indices
    batch_rows = np.repeat(np.arange(batch.shape[0], dtype=np.int64), np.diff(batch.indptr))
    places = np.searchsorted(keys, batch_rows * batch.shape[1] + batch.indices)
    kinds[places[batch.data > 0]] = TRAIN
    if weight is None:
        return kinds, None
    weights = np.ones(matrix.nnz, np.float32)
    weights[places] = weight
    return kinds, weights


def scale_weights(weight, matrix, item_weight):
    """Return the weights of the entries of `matrix` times those of their items, float32; None stands for ones."""
    if item_weight is None:
        return weight
    own = item_weight.astype(np.float32)[matrix.indices]
    return own if weight is None else own * weight


class Validation(NamedTuple):
    """A share of the positives, held out of training: to the samplers, items like any other unobserved one.

    To keep them from being drawn would be to tell the model where they are, and no one can do that for the future items
    that they stand for.
    """

    training: csr_array  # (n_users, n_items) int8, the interactions without what is held out
    weight: np.ndarray | None  # (training.nnz,) float32
    positives: csr_array  # (n_users, n_items) held out
    excluded: csr_array  # (n_users, n_items) the other positives

    def auc(self, user_factors, item_factors, item_biases):
        """Return the average per-user ROC AUC of the held-out positives, where scores are products."""
        return self.auc_of(lambda users: user_factors[users] @ item_factors.T + item_biases)

    def auc_of(self, score_users):
        """Return the average per-user ROC AUC of the held-out positives.

        Parameters
        ----------
        score_users : callable
            Takes codes of users and returns their scores of the catalogue, (n, n_items).
        """
        from skrec.metrics import average_user_roc_auc

        users = np.flatnonzero(np.diff(self.positives.indptr))
        return average_user_roc_auc(
            self.positives[users], lambda start, stop: score_users(users[start:stop]), exclude=self.excluded[users]
        )


def hold_out(matrix, weight, fraction, seed):
    """Hold out a share of each user's positives, at least one of any two; a user's only positive is trained on.

    Parameters
    ----------
    matrix : csr_array of shape (n_users, n_items), int8
    weight : ndarray of shape (nnz,), float32, or None
    fraction : float
        Share, between 0 and 1.
    seed : int

    Returns
    -------
    Validation
    """
    rng = np.random.default_rng([seed, 1])
    liked = np.flatnonzero(matrix.data > 0)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[liked]
    order = np.lexsort((rng.random(len(liked)), rows))
    counts = np.bincount(rows, minlength=matrix.shape[0])
    place = np.arange(len(liked)) - np.repeat(np.cumsum(counts) - counts, counts)
    quota = np.where(counts > 1, np.clip(np.round(fraction * counts), 1, counts - 1), 0)
    held = np.zeros(matrix.nnz, dtype=bool)
    held[liked[order[place < np.repeat(quota, counts)]]] = True
    if not held.any():
        raise ValueError(
            "early_stopping=True needs a user with two positives or more, to hold one out; every user has just one. "
            "Set early_stopping=False."
        )
    return Validation(
        select_entries(matrix, ~held),
        None if weight is None else weight[~held],
        select_entries(matrix, held),
        select_entries(matrix, (matrix.data > 0) & ~held),
    )


def select_entries(matrix, kept):
    """Return the matrix of the entries marked in `kept`."""
    indptr = np.append(0, np.cumsum(kept))[matrix.indptr].astype(matrix.indptr.dtype)
    return csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)
