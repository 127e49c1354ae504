"""What a metric judges: rankings of candidates for users, whoever made them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


class RankingProblem(NamedTuple):
    """The rankings of a model for the users of held-out rows, and what those rows say about them.

    Estimators return it from ``_ranking_problem(X, y)``.

    Parameters
    ----------
    positives : csr_array of shape (n_users, n_candidates)
        Held-out positives of the users to evaluate.
    negatives : csr_array of shape (n_users, n_candidates), or None
        Held-out explicit negatives. None: there are none.
    excluded : csr_array of shape (n_users, n_candidates), or None
        Candidates left out of each user's ranking: as a rule the training positives.
    scores : callable
        ``scores(start, stop)`` returns the block of scores of users start..stop, float32 or float64 of shape
        (stop - start, n_candidates). Called from several threads, for disjoint blocks.
    item_popularity : ndarray of shape (n_candidates,)
        Training positives of each item.
    user_ids, item_ids : ndarray of shape (n_users,) and (n_candidates,)
        Labels of the rows and columns.
    """

    positives: csr_array
    negatives: csr_array | None
    excluded: csr_array | None
    scores: Callable[[int, int], np.ndarray]
    item_popularity: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray


def estimator_problem(estimator, X, y):
    """Ask a fitted recommender for its `RankingProblem`, through pipelines and searches that it may be wrapped in."""
    if hasattr(estimator, "_ranking_problem"):
        return estimator._ranking_problem(X, y)
    if isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            X = estimator[:-1].transform(X)
        return estimator_problem(estimator[-1], X, y)
    if hasattr(estimator, "best_estimator_"):
        return estimator_problem(estimator.best_estimator_, X, y)
    if hasattr(estimator, "refit"):
        check_is_fitted(estimator, "best_estimator_")
    raise TypeError(
        f"{estimator!r} cannot be judged by ranking metrics: expected a recommender of skrec, or a Pipeline or a "
        "fitted search that ends in one."
    )


def matrix_problem(y_true, y_score, exclude=None, item_popularity=None):
    """Make a `RankingProblem` of matrices of users by items."""
    positives, negatives = _check_y_true(y_true)
    if exclude is not None:
        exclude, _ = _split_by_sign(exclude, "exclude")
        _check_same_shape(exclude.shape, "exclude", positives.shape)
    if item_popularity is None:
        item_popularity = np.zeros(positives.shape[1], dtype=np.int64)
    return RankingProblem(
        positives=positives,
        negatives=negatives,
        excluded=exclude,
        scores=y_score if callable(y_score) else _check_y_score(y_score, positives.shape),
        item_popularity=check_item_popularity(item_popularity, positives.shape[1]),
        user_ids=np.arange(positives.shape[0]),
        item_ids=np.arange(positives.shape[1]),
    )


def lists_problem(y_score, exclude=None, item_popularity=None):
    """Make a `RankingProblem` without held-out rows, for what can be said of the lists alone."""
    shape = np.shape(y_score)
    if len(shape) != 2:
        raise ValueError(f"y_score must be an array of shape (n_users, n_items), got shape {shape}.")
    return matrix_problem(csr_array(shape, dtype=np.int8), y_score, exclude, item_popularity)


def check_item_popularity(item_popularity, n_items):
    """Check training positives per item."""
    popularity = np.asarray(item_popularity)
    if popularity.shape != (n_items,):
        raise ValueError(
            f"item_popularity must have one number for each of the {n_items} items, got shape {popularity.shape}."
        )
    if popularity.dtype.kind not in "iufb" or not np.all(np.isfinite(popularity)) or np.any(popularity < 0):
        raise ValueError("item_popularity must hold finite numbers of at least 0: the training positives of each item.")
    return popularity


def _check_y_true(y_true):
    positives, negatives = _split_by_sign(y_true, "y_true")
    return positives, negatives if negatives.nnz else None


def _split_by_sign(matrix, name):
    """Return the entries above zero and the other entries, as two matrices without repeated entries."""
    if not issparse(matrix):
        dense = np.asarray(matrix)
        if dense.ndim != 2:
            raise ValueError(
                f"{name} must be a matrix of shape (n_users, n_items), got shape {dense.shape}."
                + (" For one row a (user, item) pair, give users=." if name == "y_true" and dense.ndim == 1 else "")
            )
        if dense.dtype.kind not in "biuf":
            raise ValueError(f"{name} must hold numbers or booleans, got dtype {dense.dtype}.")
        matrix = csr_array(dense)
    matrix = csr_array(matrix)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if matrix.dtype.kind == "f" and np.isnan(matrix.data).any():
        raise ValueError(f"{name} contains NaN.")
    above = matrix.data > 0
    if above.all():
        return matrix, csr_array(matrix.shape, dtype=np.int8)
    return _take_entries(matrix, above), _take_entries(matrix, ~above)


def _take_entries(matrix, chosen):
    indptr = np.append(0, np.cumsum(chosen))[matrix.indptr]
    taken = csr_array((np.ones(indptr[-1], dtype=np.int8), matrix.indices[chosen], indptr), shape=matrix.shape)
    taken.has_canonical_format = True
    return taken


def _check_y_score(y_score, shape):
    if issparse(y_score):
        raise TypeError("y_score is sparse: every candidate needs a score. Give an array, or a callable(start, stop).")
    scores = np.asarray(y_score)
    _check_same_shape(scores.shape, "y_score", shape)
    if scores.dtype.kind not in "biuf":
        raise ValueError(f"y_score must hold numbers, got dtype {scores.dtype}.")
    return lambda start, stop: scores[start:stop]


def _check_same_shape(shape, name, expected):
    if shape != expected:
        raise ValueError(f"{name} must have the shape of y_true, {expected}, got {shape}.")
