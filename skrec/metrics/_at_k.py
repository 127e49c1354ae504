"""Metrics of the first k places of each user's ranking, for matrices of users by items."""

from skrec.metrics._evaluate import evaluate
from skrec.metrics._names import Metric, check_count, check_option
from skrec.metrics._problem import lists_problem, matrix_problem


def precision_at_k(y_true, y_score, *, k=10, exclude=None, average="user", n_jobs=None):
    """Share of the first `k` places that hold a positive.

    Parameters
    ----------
    y_true : sparse or dense array of shape (n_users, n_items)
        Positives are above 0.
    y_score : ndarray of shape (n_users, n_items), or callable
        Scores, the higher the better; equal scores rank by column. A callable ``y_score(start, stop)`` returns the
        block of scores of users start..stop.
    k : int, default=10
        Length of the list. The denominator is `k` even where a user has fewer candidates.
    exclude : sparse or dense array of shape (n_users, n_items), default=None
        Entries above 0 are left out of the user's ranking, be they positive or not. As a rule, the training positives.
    average : "user" or None, default="user"
        The mean over users, or one value for each.
    n_jobs : int, default=None
        Threads. The result does not depend on it.

    Returns
    -------
    float or ndarray of shape (n_users,)
        Between 0 and 1. Users without a positive among their candidates do not enter the mean; their value is nan.

    Examples
    --------
    >>> from skrec.metrics import precision_at_k
    >>> precision_at_k([[1, 0, 0, 1]], [[0.9, 0.1, 0.5, 0.4]], k=2)
    0.5
    """
    return _judge_positives("precision", y_true, y_score, k, exclude, average, n_jobs)


def recall_at_k(y_true, y_score, *, k=10, exclude=None, average="user", n_jobs=None):
    """Share of a user's positives that are in the first `k` places.

    The denominator is the number of positives, not the lesser of it and `k`: a user with more than `k` positives cannot
    reach 1. Published tables of recall@20 divide so.

    Parameters
    ----------
    y_true, y_score, k, exclude, average, n_jobs
        As in :func:`precision_at_k`.

    Returns
    -------
    float or ndarray of shape (n_users,)
        Between 0 and 1. Users without a positive among their candidates do not enter the mean; their value is nan.

    Examples
    --------
    >>> from skrec.metrics import recall_at_k
    >>> recall_at_k([[1, 0, 0, 1]], [[0.9, 0.1, 0.5, 0.4]], k=2)
    0.5
    """
    return _judge_positives("recall", y_true, y_score, k, exclude, average, n_jobs)


def hit_rate_at_k(y_true, y_score, *, k=10, exclude=None, average="user", n_jobs=None):
    """Share of users with at least one positive in the first `k` places.

    Parameters
    ----------
    y_true, y_score, k, exclude, average, n_jobs
        As in :func:`precision_at_k`.

    Returns
    -------
    float or ndarray of shape (n_users,)
        Between 0 and 1; 0 or 1 for each user. Users without a positive among their candidates do not enter the mean;
        their value is nan.

    Examples
    --------
    >>> from skrec.metrics import hit_rate_at_k
    >>> hit_rate_at_k([[1, 0, 0], [0, 0, 1]], [[0.9, 0.1, 0.5], [0.9, 0.1, 0.5]], k=1)
    0.5
    """
    return _judge_positives("hit_rate", y_true, y_score, k, exclude, average, n_jobs)


def ndcg_at_k(y_true, y_score, *, k=10, exclude=None, average="user", n_jobs=None):
    r"""Discounted gain of the first `k` places, relative to the best possible.

    A positive in place r gains :math:`1 / \log_2(r + 1)`; all positives are worth the same, whatever their value. The
    ideal list begins with the user's positives, :math:`\min(k, p)` of them where there are p.

    Parameters
    ----------
    y_true, y_score, k, exclude, average, n_jobs
        As in :func:`precision_at_k`.

    Returns
    -------
    float or ndarray of shape (n_users,)
        Between 0 and 1. Users without a positive among their candidates do not enter the mean; their value is nan.

    References
    ----------
    .. [1] K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM Transactions on
       Information Systems 20(4), 2002. Their discount :math:`\log_b r` begins at place b; the one above, which every
       place feels, has become the custom.

    Examples
    --------
    >>> from skrec.metrics import ndcg_at_k
    >>> round(ndcg_at_k([[1, 0, 0, 1]], [[0.9, 0.1, 0.5, 0.4]], k=3), 3)
    0.92
    """
    return _judge_positives("ndcg", y_true, y_score, k, exclude, average, n_jobs)


def map_at_k(y_true, y_score, *, k=10, exclude=None, average="user", n_jobs=None):
    """Mean average precision: the precision at each hit in the first `k` places, averaged.

    The sum over hits is divided by the lesser of `k` and the number of the user's positives, so that a list with
    nothing but hits has 1.

    Parameters
    ----------
    y_true, y_score, k, exclude, average, n_jobs
        As in :func:`precision_at_k`.

    Returns
    -------
    float or ndarray of shape (n_users,)
        Between 0 and 1. Users without a positive among their candidates do not enter the mean; their value is nan.

    Examples
    --------
    >>> from skrec.metrics import map_at_k
    >>> round(map_at_k([[1, 0, 0, 1]], [[0.9, 0.1, 0.5, 0.4]], k=3), 3)
    0.833
    """
    return _judge_positives("map", y_true, y_score, k, exclude, average, n_jobs)


def mrr_at_k(y_true, y_score, *, k=10, exclude=None, average="user", n_jobs=None):
    """Mean reciprocal rank: 1 / r where r is the place of a user's first hit, 0 without a hit in the first `k` places.

    Parameters
    ----------
    y_true, y_score, k, exclude, average, n_jobs
        As in :func:`precision_at_k`.

    Returns
    -------
    float or ndarray of shape (n_users,)
        Between 0 and 1. Users without a positive among their candidates do not enter the mean; their value is nan.

    Examples
    --------
    >>> from skrec.metrics import mrr_at_k
    >>> mrr_at_k([[0, 0, 1, 1]], [[0.9, 0.1, 0.5, 0.4]], k=3)
    0.5
    """
    return _judge_positives("mrr", y_true, y_score, k, exclude, average, n_jobs)


def coverage_at_k(y_score, *, k=10, exclude=None, n_jobs=None):
    """Share of the items that are in the first `k` places of at least one user.

    Parameters
    ----------
    y_score : ndarray of shape (n_users, n_items)
        Scores, the higher the better; equal scores rank by column.
    k : int, default=10
        Length of the list.
    exclude : sparse or dense array of shape (n_users, n_items), default=None
        Entries above 0 are left out of the user's ranking.
    n_jobs : int, default=None
        Threads. The result does not depend on it.

    Returns
    -------
    float
        Between 0 and 1. It grows with the number of users: compare it on the same users only.

    Examples
    --------
    >>> from skrec.metrics import coverage_at_k
    >>> coverage_at_k([[0.9, 0.1, 0.5, 0.4], [0.9, 0.6, 0.5, 0.4]], k=2)
    0.75
    """
    return _judge_lists("coverage", y_score, None, k, exclude, "user", n_jobs)


def gini_at_k(y_score, *, k=10, exclude=None, n_jobs=None):
    """Inequality with which items are recommended: the Gini coefficient of how often each is in the first `k` places.

    Parameters
    ----------
    y_score, k, exclude, n_jobs
        As in :func:`coverage_at_k`.

    Returns
    -------
    float
        0 when all items are recommended alike, towards 1 when a few take all places; items that are never recommended
        count. The higher, the more concentrated.

    Examples
    --------
    >>> from skrec.metrics import gini_at_k
    >>> gini_at_k([[0.9, 0.1, 0.5, 0.4], [0.9, 0.6, 0.5, 0.4]], k=1)
    0.75
    """
    return _judge_lists("gini", y_score, None, k, exclude, "user", n_jobs)


def novelty_at_k(y_score, item_popularity, *, k=10, exclude=None, average="user", n_jobs=None):
    r"""Mean self-information of the items in the first `k` places, in bits.

    An item with a share :math:`s_i` of all training positives carries :math:`-\log_2 s_i` bits: one more for each
    halving of its popularity. An item without any counts as one with a single positive.

    Parameters
    ----------
    y_score, k, exclude, n_jobs
        As in :func:`coverage_at_k`.
    item_popularity : array-like of shape (n_items,)
        Training positives of each item.
    average : "user" or None, default="user"
        The mean over users, or one value for each.

    Returns
    -------
    float or ndarray of shape (n_users,)
        At least 0; the higher, the less known the items. nan for a user without candidates.

    References
    ----------
    .. [1] T. Zhou, Z. Kuscsik, J.-G. Liu, M. Medo, J. R. Wakeling and Y.-C. Zhang, "Solving the apparent
       diversity-accuracy dilemma of recommender systems", PNAS 107(10), 2010. There an item's share is of the users;
       here it is of the positives, so that the shares add up to one.

    Examples
    --------
    >>> from skrec.metrics import novelty_at_k
    >>> novelty_at_k([[0.9, 0.1, 0.5]], [4, 2, 2], k=2)
    1.5
    """
    return _judge_lists("novelty", y_score, item_popularity, k, exclude, average, n_jobs)


def popularity_share_at_k(y_score, item_popularity, *, k=10, exclude=None, average="user", n_jobs=None):
    """Share of the first `k` places that go to the head: the most popular items, with a third of all positives.

    Parameters
    ----------
    y_score, item_popularity, k, exclude, average, n_jobs
        As in :func:`novelty_at_k`.

    Returns
    -------
    float or ndarray of shape (n_users,)
        Between 0 and 1. Recommending items as often as they occur in the training rows gives about 1/3; more means that
        the model makes popular items more popular. nan for a user without candidates.

    Notes
    -----
    The head is the first of the three buckets of :func:`auc_by_popularity`.

    Examples
    --------
    >>> from skrec.metrics import popularity_share_at_k
    >>> popularity_share_at_k([[0.9, 0.1, 0.5, 0.4]], [4, 3, 3, 2], k=2)
    0.5
    """
    return _judge_lists("popularity_share", y_score, item_popularity, k, exclude, average, n_jobs)


def _judge_positives(kind, y_true, y_score, k, exclude, average, n_jobs):
    return _evaluate(kind, matrix_problem(y_true, y_score, exclude), k, average, n_jobs)


def _judge_lists(kind, y_score, item_popularity, k, exclude, average, n_jobs):
    return _evaluate(kind, lists_problem(y_score, exclude, item_popularity), k, average, n_jobs)


def _evaluate(kind, problem, k, average, n_jobs):
    metric = Metric(kind, check_count(k, "k"))
    check_option(average, "average", ("user", None))
    values, per_user = evaluate(problem, [metric], n_jobs=n_jobs)
    return values[str(metric)] if average == "user" else per_user[str(metric)]
