"""ROC AUC of each user, and its mean."""

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import Bunch, check_consistent_length, column_or_1d

from skrec.metrics._evaluate import BOTH_CLASSES, Counts, judge, mean_over_users
from skrec.metrics._names import check_count, check_option
from skrec.metrics._popularity import popularity_buckets
from skrec.metrics._problem import matrix_problem
from skrec.utils._ids import as_id_column, factorize

NEGATIVES = ("unobserved", "explicit")


def average_user_roc_auc(
    y_true, y_score, *, users=None, exclude=None, negatives="unobserved", weight="user", n_jobs=None
):
    """Average over users of the area under the ROC curve of each user's ranking.

    The AUC of a user is the share of pairs of one positive and one negative of that user in which the positive has the
    higher score; equal scores count half. It looks at the whole ranking, needs no cut-off, and 0.5 is chance.

    Parameters
    ----------
    y_true : sparse or dense array of shape (n_users, n_items), or array-like of shape (n_rows,)
        Above 0: positive. In a sparse matrix a stored entry of 0 or below, and in a dense one an entry below 0, is an
        explicit negative; all else is unobserved. With `users`, one entry a row: above 0 positive, else negative.
    y_score : ndarray of shape (n_users, n_items), callable, or array-like of shape (n_rows,)
        Scores, the higher the better. A callable ``y_score(start, stop)`` returns the block of scores of users
        start..stop, of shape (stop - start, n_items), so that the matrix never has to exist; with ``n_jobs > 1`` it is
        called from several threads. float32 and float64 are compared as they are, anything else as float64.
    users : array-like of shape (n_rows,), default=None
        User of each row. Given, each user's AUC is over that user's rows alone: the candidates are the pairs listed.
    exclude : sparse or dense array of shape (n_users, n_items), default=None
        Entries above 0 are left out of the user's ranking, be they positive or not. As a rule, the training positives.
        Not together with `users`: leave the rows out there.
    negatives : {"unobserved", "explicit"}, default="unobserved"
        The negatives of a user. "unobserved": every candidate that is neither positive nor excluded, explicit negatives
        included. "explicit": the explicit negatives only. With `users`, the negatives are always the rows given.
    weight : {"user", "positives", "pairs"}, default="user"
        How users are averaged: all alike, by their number of positives, or by their number of pairs of a positive and a
        negative. The last is the share of right pairs among the pairs of all users.
    n_jobs : int, default=None
        Threads. None means 1 unless in a :obj:`joblib.parallel_config` context. The result does not depend on it.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        When shapes do not match, or scores or labels contain NaN.

    Warns
    -----
    UndefinedMetricWarning
        When no user has both a positive and a negative; the result is nan then.

    See Also
    --------
    user_roc_auc : The AUC of each user.
    auc_by_popularity : The same for positives of each level of popularity.

    Notes
    -----
    A user without a positive, or without a negative, has no AUC and does not enter the average. Each user's AUC equals
    :func:`sklearn.metrics.roc_auc_score` of that user's candidates. Pairs are counted in integers; a user with n
    candidates and p positives takes O(n log p). Scores are taken in blocks of at most 32 MiB a thread.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.metrics import average_user_roc_auc
    >>> y_true = np.array([[1, 0, 0, 1], [0, 1, 0, 0]])
    >>> y_score = np.array([[0.9, 0.1, 0.5, 0.4], [0.3, 0.3, 0.1, 0.2]])
    >>> round(average_user_roc_auc(y_true, y_score), 3)
    0.792
    >>> average_user_roc_auc([1, 0, 0, 1, 0], [0.9, 0.1, 0.5, 0.4, 0.3], users=["a", "a", "a", "b", "b"])
    1.0
    """
    check_option(weight, "weight", ("user", "positives", "pairs"))
    counts = _count(y_true, y_score, users=users, exclude=exclude, negatives=negatives, n_jobs=n_jobs)
    weights = {"user": None, "positives": counts.n_positives.sum(axis=1), "pairs": counts.n_pairs()}[weight]
    return mean_over_users(counts.auc(), "The average per-user ROC AUC", BOTH_CLASSES, weights)


def user_roc_auc(y_true, y_score, *, users=None, exclude=None, negatives="unobserved", n_jobs=None):
    """Area under the ROC curve of each user's ranking.

    Parameters
    ----------
    y_true, y_score, users, exclude, negatives, n_jobs
        As in :func:`average_user_roc_auc`.

    Returns
    -------
    ndarray of shape (n_users,), float64
        nan for users without a positive or without a negative. With `users`, the order is that of the distinct users
        sorted, as by :func:`numpy.unique`.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.metrics import user_roc_auc
    >>> y_true = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]])
    >>> y_score = np.array([[0.9, 0.1, 0.5, 0.4], [0.3, 0.3, 0.1, 0.2], [0.1, 0.2, 0.3, 0.4]])
    >>> user_roc_auc(y_true, y_score)
    array([0.75      , 0.83333333,        nan])
    """
    return _count(y_true, y_score, users=users, exclude=exclude, negatives=negatives, n_jobs=n_jobs).auc()


def auc_by_popularity(
    y_true, y_score, item_popularity, *, n_buckets=5, exclude=None, negatives="unobserved", n_jobs=None
):
    """Average per-user ROC AUC of the positives in each bucket of item popularity.

    Items are put in buckets that hold about the same number of training positives each, the most popular first. The
    AUC of a bucket is that of the user's positives in the bucket against all negatives of the user. A model that knows
    nothing but popularity does well in the first and badly in the last; what a personal model adds shows in the last.

    Parameters
    ----------
    y_true, y_score, exclude, negatives, n_jobs
        The matrix form of :func:`average_user_roc_auc`.
    item_popularity : array-like of shape (n_items,)
        Training positives of each item.
    n_buckets : int, default=5
        Number of buckets. Items of one popularity share a bucket, so that one may be empty.

    Returns
    -------
    Bunch
        Of arrays of shape (n_buckets,): `auc` (mean over the users with a positive in the bucket, nan where there is
        none), `n_users` (those users), `n_positives`, `n_items`, and `min_popularity` and `max_popularity` of the items
        in the bucket (nan where it is empty).

    Notes
    -----
    Weighted by pairs, the buckets would add up to the whole: the wins of a user's positives are those of the buckets
    together. The metrics "auc_head", "auc_middle" and "auc_tail" of :func:`ranking_metrics` are these with 3 buckets.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.metrics import auc_by_popularity
    >>> y_true = np.array([[1, 0, 0, 1], [0, 1, 0, 0]])
    >>> popularity = np.array([6, 3, 2, 1])
    >>> y_score = np.tile(popularity, (2, 1))
    >>> auc_by_popularity(y_true, y_score, popularity, n_buckets=2).auc.round(3)
    array([1.   , 0.333])
    """
    check_option(negatives, "negatives", NEGATIVES)
    n_buckets = check_count(n_buckets, "n_buckets")
    problem = matrix_problem(y_true, y_score, exclude, item_popularity)
    popularity = problem.item_popularity
    bucket = popularity_buckets(popularity, n_buckets)
    counts = judge(problem, bucket=bucket, n_buckets=n_buckets, negatives=negatives, n_jobs=n_jobs)
    aucs = np.column_stack([counts.auc(b) for b in range(n_buckets)])
    n_users = np.sum(~np.isnan(aucs), axis=0)
    lowest, highest = np.full(n_buckets, np.inf), np.full(n_buckets, -np.inf)
    np.minimum.at(lowest, bucket, popularity)
    np.maximum.at(highest, bucket, popularity)
    return Bunch(
        auc=np.divide(np.nansum(aucs, axis=0), n_users, out=np.full(n_buckets, np.nan), where=n_users > 0),
        n_users=n_users,
        n_positives=counts.n_positives.sum(axis=0),
        n_items=np.bincount(bucket, minlength=n_buckets),
        min_popularity=np.where(np.isinf(lowest), np.nan, lowest),
        max_popularity=np.where(np.isinf(highest), np.nan, highest),
    )


def _count(y_true, y_score, *, users, exclude, negatives, n_jobs):
    check_option(negatives, "negatives", NEGATIVES)
    if users is None:
        return judge(matrix_problem(y_true, y_score, exclude), negatives=negatives, n_jobs=n_jobs)
    if exclude is not None:
        raise ValueError("exclude is not None, but users is given: with one row a pair, leave the rows out instead.")
    return _count_groups(y_true, y_score, users)


def _count_groups(y_true, y_score, users):
    """Count wins among the rows of each user."""
    from skrec._kernels._auc import count_group_wins, make_workspace

    y_true, y_score = column_or_1d(y_true), column_or_1d(y_score)
    codes, distinct = factorize(as_id_column(users, "users"), "users")
    check_consistent_length(y_true, y_score, codes)
    for values, name in ((y_true, "y_true"), (y_score, "y_score")):
        if values.dtype.kind not in "biuf":
            raise ValueError(f"{name} must hold numbers or booleans, got dtype {values.dtype}.")
        if np.isnan(values).any():
            raise ValueError(f"{name} contains NaN.")
    # The matrix of users by rows, whose rows are the groups: a sort by counting.
    n_rows = len(codes)
    groups = csr_array((np.ones(n_rows, dtype=np.int8), (codes, np.arange(n_rows))), shape=(len(distinct), n_rows))
    order, indptr = groups.indices, groups.indptr.astype(np.int64)
    wins, n_positives = np.empty(len(distinct), dtype=np.int64), np.empty(len(distinct), dtype=np.int64)
    scores = y_score.astype(np.float32 if y_score.dtype == np.float32 else np.float64)[order]
    longest = int(np.diff(indptr).max(initial=0))
    work = make_workspace(longest, longest, scores.dtype)
    count_group_wins((y_true > 0)[order], scores, indptr, work, wins, n_positives)
    return Counts(wins[:, np.newaxis], n_positives[:, np.newaxis], np.diff(indptr) - n_positives)
