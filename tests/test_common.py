"""What holds for every public estimator: scikit-learn's own checks, and ours."""

import inspect
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import skrec
from skrec import EASERecommender, PopularityRecommender, TripletMF
from skrec.datasets import make_interactions
from skrec.losses import SoftmaxLoss
from skrec.model_selection import LeaveLastOut, UserKFold
from skrec.preprocessing import FeatureEncoder
from skrec.samplers import MixedSampler, PopularitySampler, UniformSampler, WARPSampler

ESTIMATORS = sorted(
    name
    for name in skrec.__all__
    if inspect.isclass(getattr(skrec, name)) and issubclass(getattr(skrec, name), BaseEstimator)
)
RECOMMENDERS = [name for name in ESTIMATORS if hasattr(getattr(skrec, name), "recommend")]
QUICK = {
    "CTRRanker": {"random_state": 0},
    "DeepTriplet": {"max_iter": 3, "n_negatives": 4, "hidden_layers": (16,), "batch_size": 64, "random_state": 0},
    "ImplicitALS": {"n_components": 8, "random_state": 0},
    "RetrieveThenRank": {
        "retriever": EASERecommender(),
        "ranker": Pipeline(
            [
                ("columns", ColumnTransformer([("own", "passthrough", ["retriever_score", "item_popularity"])])),
                ("logistic", LogisticRegression()),
            ]
        ),
        "cv": 2,
        "random_state": 0,
    },
    "TripletMF": {"max_iter": 3, "n_components": 8, "random_state": 0},
    "PosNegRetriever": {"positive": TripletMF(max_iter=3, n_components=8), "random_state": 0},
    "TwoTowerRetriever": {"max_iter": 3, "n_components": 8, "random_state": 0},
}
# Some tests give rows without explicit negatives, of which PosNegRetriever warns, or users with one positive each, of
# which RetrieveThenRank does; checks of scikit-learn give rows in
# which no user has both classes, of which the score of CTRRanker does.
pytestmark = [
    pytest.mark.filterwarnings("ignore::skrec.exceptions.NoNegativesWarning"),
    pytest.mark.filterwarnings("ignore::skrec.exceptions.NoRankerWarning"),
    pytest.mark.filterwarnings("ignore:No user has rows of both classes"),
]


def make(name, **parameters):
    return getattr(skrec, name)(**{**QUICK.get(name, {}), **parameters})


@parametrize_with_checks(
    [
        *(make(name) for name in ESTIMATORS),
        TripletMF(max_iter=3, sampler=PopularitySampler(), loss="bpr"),
        FeatureEncoder(),
    ],
)
def test_scikit_learn_checks(estimator, check):
    """No check is expected to fail."""
    check(estimator)


every_recommender = pytest.mark.parametrize("name", RECOMMENDERS)
trainable = pytest.mark.parametrize("name", [name for name in RECOMMENDERS if name != "PopularityRecommender"])


def test_the_list_of_estimators_is_not_empty():
    assert {"EASERecommender", "PopularityRecommender", "TripletMF"} <= set(RECOMMENDERS)


@pytest.fixture(scope="module")
def data():
    """Rows of 60 users and 40 items; every tenth row is an explicit negative."""
    X, _ = make_interactions(n_users=60, n_items=40, n_interactions=900, random_state=0, return_X_y=True)
    X = np.asarray(X)[:, :2].astype(np.int64)
    return X, np.where(np.arange(len(X)) % 10 == 9, 0, 1)


@pytest.fixture(scope="module")
def pairs(data):
    users, items = np.unique(data[0][:, 0]), np.unique(data[0][:, 1])
    return np.stack(np.meshgrid(users, items, indexing="ij"), axis=-1).reshape(-1, 2)


@every_recommender
def test_order_of_rows_does_not_matter(name, data, pairs):
    X, y = data
    order = np.random.default_rng(0).permutation(len(X))
    expected = make(name).fit(X, y).predict(pairs)
    np.testing.assert_array_equal(make(name).fit(X[order], y[order]).predict(pairs), expected)


@every_recommender
def test_the_same_seed_gives_the_same_scores(name, data, pairs):
    expected = make(name).fit(*data).predict(pairs)
    np.testing.assert_array_equal(make(name).fit(*data).predict(pairs), expected)
    np.testing.assert_array_equal(clone(make(name).fit(*data)).fit(*data).predict(pairs), expected)


@every_recommender
def test_a_batch_is_recommended_what_its_users_are(name, data):
    model = make(name).fit(*data)
    users = np.append(model.user_ids_[:7], 10_000)
    ids, scores = model.recommend(users, 5)
    for place, user in enumerate(users):
        one_ids, one_scores = model.recommend([user], 5)
        np.testing.assert_array_equal(one_ids[0], ids[place])
        np.testing.assert_allclose(one_scores[0], scores[place], rtol=1e-5)


@every_recommender
def test_scores_of_lists_are_those_of_pairs(name, data):
    model = make(name).fit(*data)
    ids, scores = model.recommend(model.user_ids_, 4, exclude_seen=False)
    pairs = np.column_stack([np.repeat(model.user_ids_, 4), ids.ravel()])
    np.testing.assert_allclose(model.predict(pairs), scores.ravel(), rtol=1e-4, atol=1e-6)


@every_recommender
def test_exclude_seen_leaves_out_every_row_of_the_user_liked_or_not(name, data):
    X, y = data
    model = make(name).fit(X, y)
    ids, _ = model.recommend(model.user_ids_, 40)
    listed = {(user, item) for user, row in zip(model.user_ids_, ids, strict=True) for item in row if item != -1}
    met = set(map(tuple, X.tolist()))
    assert not listed & met
    assert len(listed) + len(met) == len(model.user_ids_) * len(model.item_ids_)


@every_recommender
def test_unknown_ids_fall_back_to_popularity_or_are_refused(name, data):
    X, y = data
    model = make(name).fit(X, y)
    popular = PopularityRecommender().fit(X, y)
    np.testing.assert_array_equal(model.recommend([-7], 5)[0], popular.recommend([-7], 5)[0])
    user = X[0, 0]
    catalogue = np.column_stack([np.full(len(model.item_ids_), user), model.item_ids_])
    assert model.predict([[user, -7]])[0] == pytest.approx(model.predict(catalogue).min(), rel=1e-4, abs=1e-6)
    strict = make(name, on_unknown="error").fit(X, y)
    for call in (
        lambda: strict.recommend([-7]),
        lambda: strict.predict([[-7, X[0, 1]]]),
        lambda: strict.score([[-7, 1]]),
    ):
        with pytest.raises(ValueError, match=r"1 id\(s\) that the estimator was not fitted on: -7"):
            call()


@every_recommender
@pytest.mark.parametrize(
    "X",
    [[[0, 5], [1, 5]], [[3, 0], [3, 1]], [[3, 5]], [[u, i] for u in range(4) for i in range(3)]],
    ids=["one item", "one user", "one row", "everything liked"],
)
def test_the_smallest_worlds_are_fine(name, X):
    model = make(name).fit(X)
    user = X[0][0]
    assert np.isfinite(model.predict(X)).all()
    ids, scores = model.recommend([user], 2)
    assert ids.tolist() == [[-1, -1]]
    assert np.isneginf(scores).all()
    assert (model.recommend([user], 1, exclude_seen=False)[0] != -1).all()


@every_recommender
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("X", "y", "sample_weight"),
    [
        ([[0.0, np.nan], [1.0, 2.0]], None, None),
        ([["a", None], ["b", "c"]], None, None),
        ([[0.0, np.inf], [1.0, 2.0]], None, None),
        (np.empty((0, 2)), None, None),
        ([[1, 2], [3, 4]], [1, np.nan], None),
        ([[1, 2], [3, 4]], [1, 1, 1], None),
        ([[1, 2], [3, 4]], [1, 1], [1, -1]),
        ([[1, 2], [3, 4]], [1, 1], [0, 0]),
    ],
    ids=["NaN", "None", "inf", "empty", "NaN y", "long y", "negative weight", "no weight"],
)
def test_bad_rows_are_refused_and_change_nothing(name, method, X, y, sample_weight, data, pairs):
    for model in (make(name), make(name).fit(*data)):
        before = vars(model).copy()
        scores = model.predict(pairs) if "item_ids_" in before else None
        with pytest.raises(ValueError):
            getattr(model, method)(X, y, sample_weight=sample_weight)
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[key] is value for key, value in before.items())
        if scores is not None:
            np.testing.assert_array_equal(model.predict(pairs), scores)


@every_recommender
def test_batches_of_new_users_and_items_are_learnt(name, data):
    X, y = data
    model = make(name).fit(X, y)
    model.partial_fit(np.column_stack([X[:, 0] + 1000, X[:, 1] + 1000])[:50])
    assert {*X[:50, 0] + 1000} <= {*model.user_ids_}
    assert {*X[:50, 1] + 1000} <= {*model.item_ids_}
    np.testing.assert_array_equal(model.user_ids_[: len(np.unique(X[:, 0]))], np.unique(X[:, 0]))
    assert np.isfinite(model.predict(X)).all()


@every_recommender
def test_pickle_and_joblib_keep_every_score(name, data, pairs, tmp_path):
    model = make(name).fit(*data)
    expected = model.predict(pairs)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(pairs), expected)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(mapped.predict(pairs), expected)
    np.testing.assert_array_equal(mapped.recommend(model.user_ids_, 5)[0], model.recommend(model.user_ids_, 5)[0])
    mapped.partial_fit(*data)


def _fit_and_predict(model, X, y, pairs):
    return model.fit(X, y).predict(pairs)


@every_recommender
@pytest.mark.slow
def test_workers_of_loky_find_the_same_model(name, data, pairs):
    X, y = data
    with joblib.parallel_config("loky", n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(_fit_and_predict)(make(name), X, y, pairs) for _ in range(2))
    expected = make(name).fit(X, y).predict(pairs)
    for scores in found:
        np.testing.assert_array_equal(scores, expected)


@every_recommender
def test_memory_mapped_read_only_and_strided_rows_are_read_alike(name, data, pairs, tmp_path):
    X, y = data
    expected = make(name).fit(X, y).predict(pairs)
    np.save(tmp_path / "X.npy", X)
    frozen = X.copy()
    frozen.setflags(write=False)
    wide = np.zeros((len(X) * 2, 4), dtype=X.dtype)
    wide[::2, ::2] = X
    for given in (np.load(tmp_path / "X.npy", mmap_mode="r"), frozen, wide[::2, ::2], np.asfortranarray(X)):
        np.testing.assert_array_equal(make(name).fit(given, y).predict(pairs), expected)


FRAMES = {
    "pandas": lambda X: pd.DataFrame(X, columns=["user", "item"]),
    "pandas extension": lambda X: pd.DataFrame(X, columns=["user", "item"]).astype("Int64"),
    "pandas category": lambda X: pd.DataFrame(X, columns=["user", "item"]).astype("category"),
    "polars": lambda X: pl.DataFrame({"user": X[:, 0], "item": X[:, 1]}),
    "pyarrow": lambda X: pl.DataFrame({"user": X[:, 0], "item": X[:, 1]}).to_arrow(),
}


@every_recommender
@pytest.mark.parametrize("frame", FRAMES)
def test_frames_are_read_like_arrays(name, frame, data, pairs):
    X, y = data
    expected = make(name).fit(X, y)
    model = make(name, user="user", item="item").fit(FRAMES[frame](X), pd.Series(y, dtype="boolean"))
    np.testing.assert_array_equal(model.predict(FRAMES[frame](pairs)), expected.predict(pairs))
    np.testing.assert_array_equal(model.recommend([X[0, 0]])[0], expected.recommend([X[0, 0]])[0])
    assert model.feature_names_in_.tolist() == ["user", "item"]


@every_recommender
def test_text_ids_come_back_as_text(name, data):
    X, y = data
    frame = pd.DataFrame({"user": [f"u{u:03d}" for u in X[:, 0]], "item": [f"i{i:03d}" for i in X[:, 1]]})
    model, plain = make(name).fit(frame, y), make(name).fit(X, y)
    ids, _ = model.recommend([f"u{X[0, 0]:03d}"])
    assert ids[0].tolist() == [f"i{i:03d}" for i in plain.recommend([X[0, 0]])[0][0]]


def swap(X):
    return X[["item", "user", "when"]]


@every_recommender
@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_a_column_transformer_may_stand_in_front(name, output, data):
    X, y = data
    frame = pd.DataFrame(X, columns=["user", "item"]).assign(when=np.arange(len(X)))
    choose = ColumnTransformer([("ids", "passthrough", ["user", "item"])], verbose_feature_names_out=False)
    model = make_pipeline(choose, make(name)).set_output(transform=output).fit(frame, y)
    np.testing.assert_array_equal(model.predict(frame), make(name).fit(X, y).predict(X))
    assert model.score(frame, y) == pytest.approx(make(name).fit(X, y).score(X, y))


@every_recommender
def test_a_pipeline_hands_over_names(name, data):
    X, y = data
    frame = pd.DataFrame(X, columns=["user", "item"]).assign(when=np.arange(len(X)))
    model = Pipeline([("swap", FunctionTransformer(swap)), ("model", make(name, user="user", item="item"))])
    np.testing.assert_array_equal(model.fit(frame, y).predict(frame), make(name).fit(X, y).predict(X))


def test_skrub_may_stand_in_front(data):
    skrub = pytest.importorskip("skrub")
    X, y = data
    frame = pd.DataFrame(X, columns=["user", "item"]).assign(when=np.arange(len(X)))
    model = make_pipeline(skrub.SelectCols(["user", "item"]), EASERecommender()).fit(frame, y)
    np.testing.assert_array_equal(model.predict(frame), EASERecommender().fit(X, y).predict(X))


GRIDS = {
    "DeepTriplet": {"n_negatives": [1, 4], "hidden_layers": [(8,), (8, 4)]},
    "EASERecommender": {"l2": [1.0, 100.0]},
    "ImplicitALS": {"unobserved_weight": [4.0, 16.0], "n_components": [4, 8]},
    "PosNegRetriever": {"calibration": ["zscore", "rank"], "weight": [0.1, 1.0], "positive__n_components": [4, 8]},
    "RetrieveThenRank": {"retriever__l2": [10.0, 100.0], "ranker__logistic__C": [0.1, 1.0]},
    "TripletMF": {"sampler": [UniformSampler(), PopularitySampler()], "n_components": [4, 8]},
    "TwoTowerRetriever": {"loss": [SoftmaxLoss()], "loss__temperature": [0.1, 0.3], "hidden_layers": [(), (8,)]},
    "PopularityRecommender": {"on_unknown": ["popular"]},
}


@every_recommender
@pytest.mark.parametrize("search", [GridSearchCV, HalvingGridSearchCV])
def test_searches_choose_by_the_average_area(name, search, data):
    X, y = data
    options = (
        {"resource": "n_samples", "min_resources": 300, "random_state": 0} if search is HalvingGridSearchCV else {}
    )
    found = search(make(name), GRIDS[name], cv=UserKFold(2, shuffle=True, random_state=0), **options).fit(X, y)
    assert np.isfinite(found.best_score_)
    assert found.best_estimator_.recommend([X[0, 0]], 3)[0].shape == (1, 3)


@every_recommender
def test_cross_validation_scores_what_was_held_out(name, data):
    X, y = data
    splits = list(UserKFold(3, shuffle=True, random_state=0).split(X, y))
    scores = cross_val_score(make(name), X, y, cv=splits)
    by_hand = [make(name).fit(X[train], y[train]).score(X[test], y[test]) for train, test in splits]
    np.testing.assert_allclose(scores, by_hand, rtol=1e-12)
    frame = pd.DataFrame(X, columns=["user", "item"]).assign(when=np.arange(len(X)))
    result = cross_validate(make(name), frame, y, cv=LeaveLastOut(time="when"), return_train_score=True)
    assert np.isfinite(result["test_score"]).all() and np.isfinite(result["train_score"]).all()


@every_recommender
def test_cross_val_predict_scores_each_held_out_row(name, data):
    X, y = data
    cv = KFold(3, shuffle=True, random_state=0)
    found = cross_val_predict(make(name), X, y, cv=cv)
    for train, test in cv.split(X):
        np.testing.assert_array_equal(found[test], make(name).fit(X[train], y[train]).predict(X[test]))


@trainable
def test_permutation_importance_finds_that_the_item_matters(name, data):
    X, y = data
    X = np.column_stack([X, np.arange(len(X))])
    importance = permutation_importance(make(name).fit(X, y), X, y, n_repeats=3, random_state=0).importances_mean
    assert importance[1] > 0.02
    assert importance[2] == 0.0


@every_recommender
def test_sample_weight_is_routed_where_it_is_asked_for(name, data):
    X, y = data
    weight = np.random.default_rng(0).integers(0, 4, size=len(X)).astype(float)
    expected = make(name).fit(X, y, sample_weight=weight).predict(X)
    model = make_pipeline(FunctionTransformer(), make(name))
    step = name.lower()
    routed = model.fit(X, y, **{f"{step}__sample_weight": weight}).predict(X)
    np.testing.assert_array_equal(routed, expected)
    with sklearn.config_context(enable_metadata_routing=True):
        asking = make_pipeline(
            FunctionTransformer(), make(name).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        np.testing.assert_array_equal(asking.fit(X, y, sample_weight=weight).predict(X), expected)
        cv = UserKFold(2, shuffle=True, random_state=0)
        result = cross_validate(asking, X, y, cv=cv, params={"sample_weight": weight}, error_score="raise")
        assert np.isfinite(result["test_score"]).all()


@every_recommender
def test_rows_of_weight_zero_are_as_good_as_absent(name, data, pairs):
    X, y = data
    weight = np.arange(len(X)) % 3 != 0
    kept = weight > 0
    absent = make(name).fit(X[kept], y[kept])
    np.testing.assert_array_equal(make(name).fit(X, y, sample_weight=weight).predict(pairs), absent.predict(pairs))


@every_recommender
def test_the_diagram_shows_the_estimator(name, data):
    model = make(name)
    assert name in model._repr_html_()
    assert name in model.fit(*data)._repr_html_()


def test_the_diagram_shows_the_sampler_and_the_samplers_in_it():
    mixed = MixedSampler([("easy", UniformSampler(), 0.5), ("hard", WARPSampler(), 0.5)])
    diagram = TripletMF(sampler=mixed)._repr_html_()
    for shown in ("MixedSampler", "UniformSampler", "WARPSampler", "easy", "hard"):
        assert shown in diagram


@trainable
def test_planted_preferences_are_found_better_than_by_popularity(name):
    rng = np.random.default_rng(0)
    groups = 4
    X = np.array([(u, i) for u in range(120) for i in range(60) if u % groups == i % groups and rng.random() < 0.6])
    held = np.arange(len(X)) % 5 == 0
    longer = {
        "DeepTriplet": {"max_iter": 40},
        "TripletMF": {"max_iter": 40},
        "PosNegRetriever": {"positive__max_iter": 40},
        "TwoTowerRetriever": {"max_iter": 30},
    }
    model = make(name).set_params(**longer.get(name, {})).fit(X[~held])
    # The items of the user's group in neither set cannot be told from those held out: the best possible is 0.94.
    assert model.score(X[held]) > 0.92
    assert PopularityRecommender().fit(X[~held]).score(X[held]) < 0.7
