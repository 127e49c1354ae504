"""Metrics of estimators: one pass for many, inside searches, pipelines and cross-validation."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skrec.metrics as m
from skrec.metrics import make_ranking_scorer, ranking_metrics

N_USERS, N_ITEMS = 30, 25
NAMES = [
    *("auc", "auc_head", "auc_middle", "auc_tail", "precision@5", "recall@5", "ndcg@5", "map@5", "mrr@5", "hit_rate@5"),
    *("coverage@5", "novelty@5", "popularity_share@5", "gini@5", "ndcg@10", "coverage@2"),
]


class PlantedRecommender(BaseEstimator):
    """Knows the taste that `make_log` plants; `noise` blurs it."""

    n_passes = 0

    def __init__(self, noise=0.0):
        self.noise = noise

    def fit(self, X, y=None):
        X = np.asarray(X)
        self.train_ = csr_array((np.ones(len(X)), (X[:, 0], X[:, 1])), shape=(N_USERS, N_ITEMS))
        self.scores_ = planted_scores() + self.noise * np.random.default_rng(1).normal(size=(N_USERS, N_ITEMS))
        return self

    def _ranking_problem(self, X, y=None):
        type(self).n_passes += 1
        X = np.asarray(X)
        y = np.ones(len(X)) if y is None else np.asarray(y)
        test = csr_array((np.where(y > 0, 1, -1), (X[:, 0], X[:, 1])), shape=(N_USERS, N_ITEMS))
        users = np.flatnonzero((test > 0).sum(axis=1))
        scores = self.scores_[users].astype(np.float32)
        positives = (test[users] > 0).astype(np.int8)
        return m.RankingProblem(
            positives=positives,
            negatives=(test[users] < 0).astype(np.int8) if (y <= 0).any() else None,
            excluded=self.train_[users] - self.train_[users].multiply(positives),
            scores=lambda start, stop: scores[start:stop],
            item_popularity=np.asarray(self.train_.sum(axis=0)).astype(int),
            user_ids=np.array([f"user {u}" for u in users]),
            item_ids=np.arange(N_ITEMS),
        )


def planted_scores():
    return np.random.default_rng(0).normal(size=(N_USERS, N_ITEMS))


def make_log():
    liked = planted_scores() + np.random.default_rng(2).normal(scale=0.3, size=(N_USERS, N_ITEMS)) > 0.5
    X = np.argwhere(liked)
    return np.random.default_rng(3).permutation(X), np.ones(len(X))


@pytest.fixture
def fitted():
    X, _ = make_log()
    return PlantedRecommender(noise=0.5).fit(X[::2]), X[1::2]


def test_every_metric_equals_its_plain_function(fitted):
    model, X = fitted
    problem = model._ranking_problem(X)
    scores = problem.scores(0, None)
    report = ranking_metrics(model, X, metrics=NAMES)
    assert list(report.scores) == NAMES
    matrix = (problem.positives, scores)
    popularity = problem.item_popularity
    exclude = problem.excluded
    buckets = m.auc_by_popularity(*matrix, popularity, n_buckets=3, exclude=exclude)
    expected = {
        "auc": m.average_user_roc_auc(*matrix, exclude=exclude),
        **dict(zip(["auc_head", "auc_middle", "auc_tail"], buckets.auc, strict=True)),
        "precision@5": m.precision_at_k(*matrix, k=5, exclude=exclude),
        "recall@5": m.recall_at_k(*matrix, k=5, exclude=exclude),
        "ndcg@5": m.ndcg_at_k(*matrix, k=5, exclude=exclude),
        "map@5": m.map_at_k(*matrix, k=5, exclude=exclude),
        "mrr@5": m.mrr_at_k(*matrix, k=5, exclude=exclude),
        "hit_rate@5": m.hit_rate_at_k(*matrix, k=5, exclude=exclude),
        "coverage@5": m.coverage_at_k(scores, k=5, exclude=exclude),
        "novelty@5": m.novelty_at_k(scores, popularity, k=5, exclude=exclude),
        "popularity_share@5": m.popularity_share_at_k(scores, popularity, k=5, exclude=exclude),
        "gini@5": m.gini_at_k(scores, k=5, exclude=exclude),
        "ndcg@10": m.ndcg_at_k(*matrix, k=10, exclude=exclude),
        "coverage@2": m.coverage_at_k(scores, k=2, exclude=exclude),
    }
    assert report.scores == pytest.approx(expected, rel=1e-12)


def test_values_are_the_means_of_the_vectors(fitted):
    report = ranking_metrics(*fitted, metrics=NAMES)
    assert set(report.per_user) == set(NAMES) - {"coverage@5", "gini@5", "coverage@2"}
    for name, values in report.per_user.items():
        assert values.shape == report.user_ids.shape
        assert np.nanmean(values) == pytest.approx(report.scores[name], rel=1e-12)
    assert report.user_ids[0].startswith("user ")


def test_explicit_negatives_are_those_of_the_held_out_rows():
    X, _ = make_log()
    model = PlantedRecommender().fit(X[:1])
    rows = np.array([[0, 0], [0, 1], [0, 2]])
    order = model.scores_[0, :3].argsort()
    y = np.zeros(3)
    y[order[1]] = 1
    assert ranking_metrics(model, rows, y, metrics="auc", negatives="explicit").scores == {"auc": 0.5}
    with pytest.warns(UndefinedMetricWarning, match="auc is undefined"):
        assert np.isnan(ranking_metrics(model, rows, metrics="auc", negatives="explicit").scores["auc"])


def test_one_metric_gives_a_float_and_a_list_a_dict_from_one_pass(fitted):
    one = make_ranking_scorer("ndcg@5")(*fitted)
    assert isinstance(one, float)
    PlantedRecommender.n_passes = 0
    several = make_ranking_scorer(["auc", "ndcg@5"])(*fitted)
    assert PlantedRecommender.n_passes == 1
    assert several["ndcg@5"] == one
    assert list(several) == ["auc", "ndcg@5"]


def test_search_prefers_the_less_noisy_model():
    X, y = make_log()
    grid = {"noise": [0.0, 5.0]}
    search = GridSearchCV(PlantedRecommender(), grid, cv=KFold(3), scoring=make_ranking_scorer("auc")).fit(X, y)
    assert search.best_params_ == {"noise": 0.0}
    scorer = make_ranking_scorer(["auc", "ndcg@10"])
    search = GridSearchCV(PlantedRecommender(), grid, cv=KFold(3), scoring=scorer, refit="ndcg@10").fit(X, y)
    assert search.best_params_ == {"noise": 0.0}
    assert "mean_test_auc" in search.cv_results_


@pytest.mark.parametrize("routing", [False, True])
def test_cross_validate_gets_all_metrics_with_metadata_routing_on_or_off(routing):
    X, y = make_log()
    with config_context(enable_metadata_routing=routing):
        results = cross_validate(PlantedRecommender(), X, y, cv=3, scoring=make_ranking_scorer(["auc", "mrr@3"]))
        GridSearchCV(PlantedRecommender(), {"noise": [0.0]}, cv=3, scoring=make_ranking_scorer()).fit(X, y)
    assert results["test_auc"].shape == results["test_mrr@3"].shape == (3,)
    assert np.all(results["test_auc"] > 0.8)


def test_pipelines_transform_and_searches_give_their_best():
    X, y = make_log()
    shifted = X - [1000, 0]
    model = PlantedRecommender(noise=0.5)
    expected = make_ranking_scorer("auc")(clone(model).fit(X[::2]), X[1::2])
    pipeline = make_pipeline(FunctionTransformer(lambda X: X + [1000, 0]), model).fit(shifted[::2])
    assert make_ranking_scorer("auc")(pipeline, shifted[1::2]) == expected
    assert make_ranking_scorer("auc")(make_pipeline(clone(model)).fit(X[::2]), X[1::2]) == expected
    search = GridSearchCV(pipeline, {"plantedrecommender__noise": [0.5]}, scoring=make_ranking_scorer(), cv=2)
    search.fit(shifted[::2], y[::2])
    assert make_ranking_scorer("auc")(search, shifted[1::2]) == expected
    inner = GridSearchCV(model, {"noise": [0.5]}, scoring=make_ranking_scorer(), cv=2)
    nested = make_pipeline("passthrough", inner).fit(X[::2], y[::2])
    assert make_ranking_scorer("auc")(nested, X[1::2]) == expected


def test_search_that_is_not_fitted_says_so(fitted):
    with pytest.raises(NotFittedError):
        make_ranking_scorer()(GridSearchCV(PlantedRecommender(), {}), fitted[1])


def test_other_estimators_are_refused(fitted):
    with pytest.raises(TypeError, match=r"BaseEstimator\(\) cannot be judged by ranking metrics"):
        make_ranking_scorer()(BaseEstimator(), fitted[1])


@pytest.mark.parametrize("metrics", ["auc", ["auc", "ndcg@5"]])
def test_scorer_survives_pickle_clone_and_checks(fitted, metrics):
    scorer = make_ranking_scorer(metrics, n_jobs=2)
    expected = scorer(*fitted)
    assert pickle.loads(pickle.dumps(scorer))(*fitted) == expected
    search = GridSearchCV(PlantedRecommender(), {}, scoring=scorer, refit="auc")
    assert clone(search).scoring(*fitted) == expected
    assert check_scoring(PlantedRecommender(), scoring=scorer) is scorer


def test_repr_is_the_call():
    assert repr(make_ranking_scorer("auc")) == "make_ranking_scorer('auc')"
    scorer = make_ranking_scorer(("auc", "map@3"), negatives="explicit", n_jobs=2)
    assert repr(scorer) == "make_ranking_scorer(['auc', 'map@3'], negatives='explicit', n_jobs=2)"


@pytest.mark.wants_jit
@pytest.mark.parametrize("n_jobs", [2, -1])
def test_numbers_are_equal_for_any_number_of_threads(n_jobs):
    rng = np.random.default_rng(5)
    users, items = rng.normal(size=(2000, 16)).astype(np.float32), rng.normal(size=(300, 16)).astype(np.float32)
    positives = csr_array((rng.random((2000, 300)) < 0.03).astype(np.int8))

    class Factors(BaseEstimator):
        def _ranking_problem(self, X, y=None):
            return m.RankingProblem(
                positives,
                None,
                None,
                lambda a, b: users[a:b] @ items.T,
                np.arange(300),
                np.arange(2000),
                np.arange(300),
            )

    one, many = (ranking_metrics(Factors(), None, metrics=NAMES, n_jobs=n) for n in (1, n_jobs))
    assert one.scores == many.scores
    for name, values in one.per_user.items():
        np.testing.assert_array_equal(values, many.per_user[name])


def test_nan_scores_name_the_user(fitted):
    model, X = fitted
    model.scores_[5] = np.nan
    with pytest.raises(ValueError, match="The scores of user 'user 5' contain NaN"):
        make_ranking_scorer()(model, X)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("acu", "'acu' is not a metric. Allowed are 'auc', .*'recall@20'"),
        ("recall", "metric 'recall' needs the length of the list, at least 1: for instance 'recall@10'"),
        ("recall@0", "metric 'recall@0' needs the length"),
        ("recall@-3", "metric 'recall@-3' needs the length"),
        ("recall@2.5", "metric 'recall@2.5' needs the length"),
        ("auc@10", "'auc@10' is not a metric"),
        (["auc", 3], "3 is not a metric"),
        ([], "metrics is empty"),
    ],
)
def test_bad_metric_is_named_when_the_scorer_is_made(metrics, message):
    with pytest.raises(ValueError, match=message):
        make_ranking_scorer(metrics)


def test_bad_negatives_are_named():
    with pytest.raises(ValueError, match="negatives='all' must be one of 'unobserved', 'explicit'"):
        make_ranking_scorer("auc", negatives="all")
