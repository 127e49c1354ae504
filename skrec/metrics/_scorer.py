"""Metrics of a fitted recommender: for a report, and as ``scoring=`` of searches and cross-validation."""

from sklearn.utils import Bunch

from skrec.metrics._evaluate import evaluate
from skrec.metrics._names import check_option, parse_metrics
from skrec.metrics._problem import estimator_problem
from skrec.metrics._roc_auc import NEGATIVES


def ranking_metrics(
    estimator, X, y=None, *, metrics=("auc", "recall@10", "ndcg@10"), negatives="unobserved", n_jobs=None
):
    """Judge the rankings of a fitted recommender on held-out rows: any number of metrics from one pass over the scores.

    Each user with a held-out positive gets a ranking of every item but the user's training positives; explicit
    negatives stay candidates. See the :ref:`user guide <evaluate>` for what each metric divides by.

    Parameters
    ----------
    estimator : estimator
        A fitted recommender, or a Pipeline or fitted search that ends in one.
    X : array-like or frame of shape (n_rows, n_features)
        Held-out interactions, in the columns that the estimator was fitted on.
    y : array-like of shape (n_rows,), default=None
        Above 0: positive. None: every row is a positive.
    metrics : str or list of str, default=("auc", "recall@10", "ndcg@10")
        Of the whole ranking: "auc", and "auc_head", "auc_middle", "auc_tail" for the positives among the items of high,
        middle and low popularity. Of the first k places, with any k behind the @: "precision@k", "recall@k", "ndcg@k",
        "map@k", "mrr@k", "hit_rate@k", "coverage@k", "novelty@k", "popularity_share@k", "gini@k".
    negatives : {"unobserved", "explicit"}, default="unobserved"
        The negatives of the AUCs: see :func:`average_user_roc_auc`. "explicit" are those of the held-out rows.
    n_jobs : int, default=None
        Threads. None means 1 unless in a :obj:`joblib.parallel_config` context. The numbers do not depend on it.

    Returns
    -------
    Bunch
        `scores`, a dict with a float for each metric; `per_user`, a dict with an array of shape (n_users,) for each
        metric that is a mean over users, nan where a user does not enter (see :func:`bootstrap_interval` and
        :func:`compare_models`); `user_ids`, the users of these arrays.

    Warns
    -----
    UndefinedMetricWarning
        When a metric is defined for no user; it is nan then.

    Notes
    -----
    Scores are taken in blocks of at most 32 MiB (or one user) a thread. Beyond these, memory holds one number for each
    user and metric.

    Examples
    --------
    >>> from skrec import PopularityRecommender
    >>> from skrec.metrics import ranking_metrics
    >>> X = [["ann", "tea"], ["ann", "jam"], ["ann", "ham"], ["bob", "tea"], ["eve", "jam"]]
    >>> model = PopularityRecommender().fit(X)
    >>> report = ranking_metrics(model, [["bob", "jam"], ["eve", "ham"]], metrics=["auc", "mrr@2"])
    >>> report.scores
    {'auc': 0.5, 'mrr@2': 0.75}
    >>> report.per_user["mrr@2"]
    array([1. , 0.5])
    """
    metrics = parse_metrics(metrics)
    check_option(negatives, "negatives", NEGATIVES)
    problem = estimator_problem(estimator, X, y)
    scores, per_user = evaluate(problem, metrics, negatives=negatives, n_jobs=n_jobs)
    return Bunch(scores=scores, per_user=per_user, user_ids=problem.user_ids)


def make_ranking_scorer(metrics="auc", *, negatives="unobserved", n_jobs=None):
    """Make a scorer of ranking metrics for ``scoring=`` of searches and cross-validation.

    Parameters
    ----------
    metrics : str or list of str, default="auc"
        Names as in :func:`ranking_metrics`. A string makes a scorer that returns a float; a list makes one that returns
        a dict, all of it from one pass over the scores: give a search ``refit="ndcg@10"`` to say which one picks the
        model. Searches pick the highest value, and a high "gini@k" or "popularity_share@k" is seldom what is wanted.
    negatives : {"unobserved", "explicit"}, default="unobserved"
        As in :func:`ranking_metrics`.
    n_jobs : int, default=None
        Threads of each call.

    Returns
    -------
    callable
        ``scorer(estimator, X, y=None)``. The estimator is a fitted recommender, or a Pipeline or fitted search that
        ends in one.

    Examples
    --------
    >>> from skrec.metrics import make_ranking_scorer
    >>> make_ranking_scorer(["auc", "ndcg@10"])
    make_ranking_scorer(['auc', 'ndcg@10'])
    """
    names = [str(metric) for metric in parse_metrics(metrics)]
    check_option(negatives, "negatives", NEGATIVES)
    return _RankingScorer(metrics if isinstance(metrics, str) else names, negatives, n_jobs)


class _RankingScorer:
    """What `make_ranking_scorer` returns; a class, so that it can be pickled."""

    def __init__(self, metrics, negatives, n_jobs):
        self.metrics = metrics
        self.negatives = negatives
        self.n_jobs = n_jobs

    def __call__(self, estimator, X, y=None):
        report = ranking_metrics(estimator, X, y, metrics=self.metrics, negatives=self.negatives, n_jobs=self.n_jobs)
        return report.scores[self.metrics] if isinstance(self.metrics, str) else report.scores

    def __repr__(self):
        options = ", ".join(
            [repr(self.metrics)]
            + [f"negatives={self.negatives!r}"] * (self.negatives != "unobserved")
            + [f"n_jobs={self.n_jobs!r}"] * (self.n_jobs is not None)
        )
        return f"make_ranking_scorer({options})"
