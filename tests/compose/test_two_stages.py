"""Two stages: what the ranker learns from, what it is asked, and what comes of both."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrec import EASERecommender, ImplicitALS, PopularityRecommender, RetrieveThenRank, TripletMF, TwoTowerRetriever
from skrec.base import BaseRecommender
from skrec.datasets import make_interactions
from skrec.exceptions import NoRankerWarning
from skrec.model_selection import LeaveLastOut, UserKFold
from skrec.samplers import MixedSampler, PopularitySampler, RejectedSampler, UniformSampler
from skrec.utils._sklearn_compat import fit_context
from skrec.utils._validation import check_interactions

pytestmark = pytest.mark.slow

LOG = []  # the positives that each Recorder was fitted on
OWN = ["retriever_score", "retriever_rank", "item_popularity", "user_activity"]


class Recorder(EASERecommender):
    """Remembers all rows that its clones are fitted on."""

    @fit_context
    def fit(self, X, y=None, sample_weight=None):
        LOG.append({tuple(pair) for pair in np.asarray(X)[:, :2].tolist()})
        return super().fit(X, y, sample_weight)


class Watcher(ClassifierMixin, BaseEstimator):
    """Ranks by a column, and keeps the frames that it is given."""

    def __init__(self, column="retriever_score", sign=1):
        self.column = column
        self.sign = sign

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.frame_, self.target_, self.weight_ = X, y, sample_weight
        return self

    def predict_proba(self, X):
        self.asked_ = X
        positive = 1 / (1 + np.exp(-self.sign * X[self.column].to_numpy(dtype=float)))
        return np.column_stack([1 - positive, positive])


def logistic():
    return make_pipeline(make_column_transformer(("passthrough", OWN)), StandardScaler(), LogisticRegression())


@pytest.fixture(scope="module")
def data():
    """80 users, 60 items, a third of the rows explicit negatives."""
    X, y = make_interactions(
        n_users=80, n_items=60, n_interactions=1600, negative_fraction=0.35, random_state=0, return_X_y=True
    )
    X = X[["user_id", "item_id", "timestamp"]].drop_duplicates(["user_id", "item_id"])
    return X, y[X.index].to_numpy()


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    users = pd.DataFrame({"age": rng.integers(10, 80, 80), "job": pd.Categorical(rng.choice(["a", "b"], 80))})
    items = pd.DataFrame({"year": rng.normal(size=60), "genres": [("x", "y")] * 60})
    return {"user_features": users, "item_features": items}


def pairs_of(frame):
    return list(map(tuple, frame[["user_id", "item_id"]].to_numpy().tolist()))


# --- what the ranker learns from


@pytest.mark.parametrize(
    "cv",
    [2, 5, LeaveLastOut(n=2, time="timestamp"), LeaveLastOut(n=1, n_splits=2, time=2), UserKFold(3, random_state=0)],
)
def test_no_row_of_the_ranker_was_a_row_of_the_retriever_that_scored_it(cv, data):
    X, y = data
    LOG.clear()
    model = RetrieveThenRank(Recorder(), Watcher(), cv=cv, missed_positives=True, random_state=0)
    rows = model.make_ranking_data(X, y)
    assert len(LOG) == len(set(rows.fold)) > 0
    for fold, trained in enumerate(LOG):
        own = {pair for pair, number in zip(pairs_of(rows.data), rows.fold, strict=True) if number == fold}
        assert own
        assert not own & trained
    # fit makes the same rows, and its last retriever sees everything.
    LOG.clear()
    model.fit(X, y)
    pd.testing.assert_frame_equal(model.ranker_.frame_, rows.data)
    assert LOG[-1] == set(map(tuple, X.to_numpy()[:, :2].tolist()))


def test_labels_are_what_the_rows_say(data):
    X, y = data
    said = dict(zip(pairs_of(X), y > 0, strict=True))
    rows = RetrieveThenRank(EASERecommender(), n_candidates=10, random_state=0).make_ranking_data(X, y)
    pairs = pairs_of(rows.data)
    assert [said.get(pair, False) for pair in pairs] == (rows.target == 1).tolist()
    assert {pair for pair, liked in said.items() if not liked} <= set(pairs)  # every explicit negative, once
    assert len(set(zip(pairs, rows.fold, strict=True))) == len(pairs)


def test_candidates_are_the_best_that_were_not_seen(data):
    X, y = data
    rows = RetrieveThenRank(EASERecommender(), n_candidates=7, explicit_negatives=False, random_state=0)
    rows = rows.make_ranking_data(X, y)
    assert rows.data["retriever_rank"].max() <= 7 + 35  # what is left out takes a place in the order
    sizes = rows.data.assign(fold=rows.fold).groupby(["user_id", "fold"]).size()
    assert sizes.max() == 7
    explicit = set(pairs_of(X[y <= 0]))
    assert not explicit & set(pairs_of(rows.data))


def test_each_positive_of_a_user_with_two_is_held_out_once(data):
    X, y = data
    rows = RetrieveThenRank(EASERecommender(), missed_positives=True, cv=3, random_state=0).make_ranking_data(X, y)
    liked = X[y > 0]
    several = liked[liked.groupby("user_id")["item_id"].transform("size") > 1]
    counts = several.groupby("item_id")["user_id"].transform("size")
    held = pairs_of(rows.data[rows.target == 1])
    assert len(held) == len(set(held))
    assert set(held) <= set(pairs_of(several))
    assert set(pairs_of(several[counts > 5])) <= set(held)  # an item that a fold lacks cannot be scored


def test_only_so_many_negatives_are_drawn(data):
    X, y = data
    model = RetrieveThenRank(EASERecommender(), n_negatives=4, random_state=0)
    rows = model.make_ranking_data(X, y)
    said = set(pairs_of(X))
    drawn = rows.data.assign(fold=rows.fold)[[pair not in said for pair in pairs_of(rows.data)]]
    assert drawn.groupby(["user_id", "fold"]).size().max() == 4
    everything = model.set_params(n_negatives=None).make_ranking_data(X, y)
    assert rows.target.sum() == everything.target.sum()
    assert len(rows.target) < len(everything.target)


def test_features_counts_and_scores_stand_beside_the_ids(data, tables):
    X, y = data
    model = RetrieveThenRank(
        EASERecommender(), Watcher(), scorers=[("popular", PopularityRecommender())], random_state=0
    ).fit(X, y, **tables)
    assert model.ranker_.frame_.columns.tolist() == (
        ["user_id", "age", "job", "item_id", "year", "genres", "retriever_score", "retriever_rank"]
        + ["popular_score", "item_popularity", "user_activity"]
    )
    frame = model.ranker_.frame_
    users, items = tables.values()
    np.testing.assert_array_equal(frame["age"], users["age"][frame["user_id"]])
    np.testing.assert_array_equal(frame["year"], items["year"][frame["item_id"]])
    assert frame["job"].dtype == users["job"].dtype
    # What is learnt of parts of the rows is asked of all of them: no column may move.
    model.recommend(model.user_ids_, exclude_seen=True)
    asked = model.ranker_.asked_
    assert asked.columns.tolist() == frame.columns.tolist()
    assert abs(asked["user_activity"].mean() - frame["user_activity"].mean()) < 0.15


def test_the_score_is_a_z_score_of_unseen_items_and_the_rank_their_order(data):
    X, y = data
    model = RetrieveThenRank(EASERecommender(), Watcher(), n_candidates=60, random_state=0).fit(X, y)
    model.recommend([3], 60)
    asked = model.ranker_.asked_.set_index("item_id")
    grid = [[3, item] for item in asked.index]
    raw = model.retriever_.predict(pd.DataFrame(grid, columns=["user_id", "item_id"]).assign(timestamp=0))
    np.testing.assert_allclose(asked["retriever_score"], (raw - raw.mean()) / raw.std(), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(asked["retriever_rank"], [1 + (raw > one).sum() for one in raw])


def test_weights_reach_the_ranker(data):
    X, y = data
    weight = np.random.default_rng(0).integers(1, 4, size=len(X)).astype(float)
    model = RetrieveThenRank(EASERecommender(), Watcher(), random_state=0).fit(X, y, sample_weight=weight)
    given = dict(zip(pairs_of(X), weight, strict=True))
    expected = [given.get(pair, np.float32(weight).mean()) for pair in pairs_of(model.ranker_.frame_)]
    np.testing.assert_allclose(model.ranker_.weight_, expected, rtol=1e-6)
    pipeline = RetrieveThenRank(EASERecommender(), logistic(), random_state=0)
    changed = pipeline.fit(X, y, sample_weight=weight).ranker_[-1].coef_
    assert not np.allclose(pipeline.fit(X, y).ranker_[-1].coef_, changed)


# --- what comes of it


def test_the_ranker_decides_among_the_candidates_and_the_retriever_behind_them(data):
    X, y = data
    retriever = EASERecommender()
    model = RetrieveThenRank(retriever, Watcher(sign=-1), n_candidates=10, random_state=0).fit(X, y)
    ids, scores, retriever_scores = model.recommend(model.user_ids_, 15, return_retriever_scores=True)
    plain, plain_scores = model.retriever_.recommend(model.user_ids_, 15)
    np.testing.assert_array_equal(ids[:, :10], plain[:, 9::-1])  # its order turned around
    np.testing.assert_array_equal(ids[:, 10:], plain[:, 10:])
    np.testing.assert_allclose(retriever_scores[:, 9::-1], plain_scores[:, :10], rtol=1e-6)
    assert (scores[:, :10] > 0).all()
    assert (scores[:, 10:] < 0).all()
    assert (np.diff(scores, axis=1) < 0).all()


def test_a_ranker_without_an_opinion_keeps_the_order_of_the_retriever(data):
    X, y = data
    model = RetrieveThenRank(EASERecommender(), DummyClassifier(), random_state=0).fit(X, y)
    ids, scores = model.recommend(model.user_ids_, 10)
    np.testing.assert_array_equal(ids, model.retriever_.recommend(model.user_ids_, 10)[0])
    np.testing.assert_allclose(scores, scores[0, 0], rtol=1e-5)
    assert model.score(X, y) == pytest.approx(model.retriever_.score(X, y))


def test_candidates_are_chosen_from_what_may_be_listed(data):
    X, y = data
    model = RetrieveThenRank(EASERecommender(), Watcher(sign=-1), n_candidates=5, random_state=0).fit(X, y)
    allowed = list(range(20, 60))
    lists = [allowed] * len(model.user_ids_)
    expected = model.retriever_.recommend(model.user_ids_, 5, candidates=allowed)[0][:, ::-1]
    np.testing.assert_array_equal(model.recommend(model.user_ids_, 5, candidates=allowed)[0], expected)
    np.testing.assert_array_equal(model.recommend(model.user_ids_, 5, candidates=lists)[0], expected)
    np.testing.assert_array_equal(model.recommend(model.user_ids_, 5, exclude=list(range(20)))[0], expected)
    seen = model.recommend(model.user_ids_, 5, exclude_seen=False)[0]
    np.testing.assert_array_equal(seen, model.retriever_.recommend(model.user_ids_, 5, exclude_seen=False)[0][:, ::-1])


def test_pairs_are_scored_as_lists_are(data):
    X, y = data
    model = RetrieveThenRank(EASERecommender(), logistic(), n_candidates=8, random_state=0).fit(X, y)
    ids, scores = model.recommend(model.user_ids_, 8)
    pairs = pd.DataFrame({"user_id": np.repeat(model.user_ids_, 8), "item_id": ids.ravel(), "timestamp": 0})
    np.testing.assert_allclose(model.predict(pairs), scores.ravel(), rtol=1e-4)
    everything = pd.DataFrame({"user_id": 3, "item_id": model.item_ids_, "timestamp": 0})
    own = model.predict(everything)
    n_seen = len(set(X["item_id"][X["user_id"] == 3]))
    assert 8 <= (own > 0).sum() <= 8 + n_seen
    assert len(set(own)) == len(own)


def test_decision_functions_are_ranked_by_too(data):
    X, y = data
    ranker = make_pipeline(
        make_column_transformer(("passthrough", OWN)), StandardScaler(), SGDClassifier(random_state=0)
    )
    model = RetrieveThenRank(EASERecommender(), ranker, random_state=0).fit(X, y)
    scores = model.recommend([1, 2], 5)[1]
    assert ((scores > 0) & (scores < 1)).all()


def test_a_ranker_that_knows_more_beats_its_retriever():
    """The retriever sees ids; who likes an item is decided by a feature of both, and by it alone."""
    rng = np.random.default_rng(0)
    n_users, n_items = 150, 80
    kind_of_user, kind_of_item = rng.integers(0, 4, n_users), rng.integers(0, 4, n_items)
    shown = rng.random((n_users, n_items)) < 0.35
    liked = shown & (kind_of_user[:, None] == kind_of_item)
    X = np.argwhere(shown)
    y = liked[tuple(X.T)]
    held = rng.random(len(X)) < 0.3
    tables = {
        "user_features": pd.DataFrame({"user_kind": kind_of_user}),
        "item_features": pd.DataFrame({"item_kind": kind_of_item}),
    }
    model = RetrieveThenRank(PopularityRecommender(), HistGradientBoostingClassifier(), n_candidates=80, random_state=0)
    model.fit(X[~held], y[~held], **tables)
    test = X[held], y[held]
    assert model.score(*test) > 0.9 > 0.7 > model.retriever_.score(*test)


def test_nothing_to_learn_from_leaves_the_retriever(data):
    one_each = [[user, user % 3] for user in range(9)]
    with pytest.warns(NoRankerWarning, match="two positives"):
        model = RetrieveThenRank(EASERecommender()).fit(one_each)
    assert model.ranker_ is None
    assert model.make_ranking_data(one_each) is None
    np.testing.assert_array_equal(model.recommend([0, 5], 2)[0], model.retriever_.recommend([0, 5], 2)[0])
    np.testing.assert_array_equal(model.predict(one_each), model.retriever_.predict(one_each))


# --- parts and parameters


def test_parameters_of_all_parts_are_axes_of_a_grid(data):
    X, y = data
    sampler = MixedSampler([("easy", UniformSampler(), 0.5), ("popular", PopularitySampler(), 0.5)])
    model = RetrieveThenRank(
        TripletMF(4, max_iter=2, sampler=PopularitySampler()),
        logistic(),
        scorers=[("mixed", TripletMF(4, max_iter=2, sampler=sampler))],
        cv=2,
        random_state=0,
    )
    grid = {
        "retriever__sampler__alpha": [0.5, 1.0],
        "ranker__logisticregression__C": [0.01, 1.0],
    }
    search = GridSearchCV(model, grid, cv=UserKFold(2, random_state=0)).fit(X, y)
    assert search.best_estimator_.retriever_.sampler_.alpha in (0.5, 1.0)
    assert search.best_estimator_.ranker_[-1].C in (0.01, 1.0)


def test_ctr_ranker_is_told_which_columns_hold_ids(data, tables):
    from skrec import CTRRanker

    X, y = data
    model = RetrieveThenRank(EASERecommender(), CTRRanker(max_iter=2), cv=2, random_state=0).fit(X, y, **tables)
    assert (model.ranker_.user, model.ranker_.item) == ("user_id", "item_id")
    assert model.set_params(ranker__n_components=3).fit(X, y, **tables).ranker_.embeddings_.shape[1] == 3
    assert model.recommend([1], 5)[0].shape == (1, 5)


def test_a_grid_search_may_be_the_ranker(data):
    X, y = data
    ranker = GridSearchCV(logistic(), {"logisticregression__C": [0.01, 1.0]}, cv=2)
    model = RetrieveThenRank(EASERecommender(), ranker, cv=2, random_state=0).fit(X, y)
    assert model.ranker_.best_params_


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"scorers": [("retriever", EASERecommender())]}, "names of their own"),
        ({"scorers": [("a", EASERecommender()), ("a", EASERecommender())]}, "names of their own"),
        ({"ranker": EASERecommender()}, "'ranker' parameter"),
        ({"cv": 1}, "'cv' parameter"),
        ({"n_candidates": 0}, "'n_candidates' parameter"),
    ],
)
def test_wrong_parameters_are_named(parameters, message, data):
    with pytest.raises(ValueError, match=message):
        RetrieveThenRank(**{"retriever": EASERecommender(), **parameters}).fit(*data)


def test_two_columns_of_one_name_are_refused(data, tables):
    twice = {**tables, "item_features": tables["item_features"].rename(columns={"year": "age"})}
    with pytest.raises(ValueError, match="two columns named 'age'"):
        RetrieveThenRank(EASERecommender(), random_state=0).fit(*data, **twice)


def test_tables_reach_the_parts_that_take_them(data, tables):
    X, y = data
    towers = TwoTowerRetriever(4, max_iter=1)
    model = RetrieveThenRank(towers, logistic(), cv=2, random_state=0).fit(X, y, **tables)
    assert model.retriever_.user_encoder_.feature_names_in_.tolist() == ["age", "job"]
    ids_only = RetrieveThenRank(EASERecommender(), logistic(), scorers=[("towers", towers)], cv=2, random_state=0)
    assert hasattr(ids_only.fit(X, y, **tables).scorers_[0][1], "item_encoder_")
    with sklearn.config_context(enable_metadata_routing=True):
        towers = TwoTowerRetriever(4, max_iter=1).set_fit_request(user_features=True, item_features=False)
        routed = RetrieveThenRank(towers, logistic(), cv=2, random_state=0).fit(X, y, **tables)
        assert hasattr(routed.retriever_, "user_encoder_")
        assert not hasattr(routed.retriever_, "item_encoder_")


def test_cold_users_and_items_are_ranked_by_their_features(data, tables):
    X, y = data
    model = RetrieveThenRank(TwoTowerRetriever(4, max_iter=2), logistic(), cv=2, n_candidates=70, random_state=0)
    model.fit(X, y, **tables)
    users = pd.DataFrame({"age": [20, 70], "job": pd.Categorical(["a", "b"])}, index=[900, 901])
    items = pd.DataFrame({"year": [0.5], "genres": [("x",)]}, index=[777])
    before = model.predict(X)
    ids, scores = model.recommend([900, 901, 3], 61, user_features=users, item_features=items)
    assert (ids == 777).any(axis=1).all()
    assert (scores[:, :10] > 0).all()
    assert np.isfinite(model.score(X, y, user_features=users))
    np.testing.assert_array_equal(model.predict(X), before)
    changed = tables["user_features"].assign(age=5)
    assert model.predict(X, user_features=changed).shape == before.shape
    with pytest.raises(ValueError, match=r"now missing:\n- job\n\nX is user_features"):  # the retriever's encoder
        model.recommend([3], user_features=users[["age"]])


def test_tables_at_prediction_need_the_columns_of_fit(data, tables):
    X, y = data
    model = RetrieveThenRank(EASERecommender(), logistic(), cv=2, random_state=0).fit(X, y, **tables)
    with pytest.raises(ValueError, match="user_features must have the columns that fit was given"):
        model.recommend([3], user_features=tables["user_features"][["age"]])


def test_new_rows_train_the_ranker_before_the_retriever_sees_them(data):
    X, y = data
    first = X["timestamp"] < X["timestamp"].quantile(0.7)
    ranker = make_pipeline(
        make_column_transformer(("passthrough", OWN)), SGDClassifier(loss="log_loss", random_state=0)
    )
    model = RetrieveThenRank(EASERecommender(), _Stream(), random_state=0).fit(X[first], y[first])
    frozen = RetrieveThenRank(EASERecommender(), ranker, random_state=0).fit(X[first], y[first])
    old = copy.deepcopy(frozen.ranker_[-1].coef_)
    trained = set(pairs_of(X[first]))
    model.partial_fit(X[~first], y[~first])
    frozen.partial_fit(X[~first], y[~first])
    rows = set(pairs_of(model.ranker_.later_))
    assert rows & set(pairs_of(X[~first]))
    assert not rows & trained
    np.testing.assert_array_equal(frozen.ranker_[-1].coef_, old)  # a Pipeline has no partial_fit
    assert len(model.retriever_.user_ids_) == X["user_id"].nunique()


class _Stream(Watcher):
    def partial_fit(self, X, y, classes=None):
        self.later_ = X
        return self


# --- the loop


def test_what_the_ranker_rejects_becomes_the_retrievers_negatives(data):
    X, y = data
    model = RetrieveThenRank(ImplicitALS(8), logistic(), n_candidates=20, random_state=0).fit(X, y)
    rejected = model.rejected(n_kept=5)
    lists = model.recommend(model.user_ids_, 20)[0]
    for user, row in zip(model.user_ids_, lists, strict=True):
        own = rejected["item_id"][rejected["user_id"] == user].tolist()
        assert own == row[row >= 0][:4:-1].tolist()
    assert not set(pairs_of(rejected)) & set(pairs_of(X))
    worst = model.rejected([3, 4, 10_000], n_kept=5, n_rejected=2)
    assert pairs_of(worst) == [(user, item) for user in (3, 4) for item in lists[user][:-3:-1]]

    mixed = MixedSampler([("easy", UniformSampler(), 0.5), ("hard", RejectedSampler(rejected), 0.5)])
    harder = RetrieveThenRank(TripletMF(4, max_iter=2, sampler=mixed), logistic(), cv=2, random_state=0).fit(X, y)
    assert harder.recommend([3], 5)[0].shape == (1, 5)


def test_a_pickle_ranks_alike(data, tables):
    X, y = data
    model = RetrieveThenRank(EASERecommender(), random_state=0).fit(X, y, **tables)  # the default ranker
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.recommend(model.user_ids_)[0], model.recommend(model.user_ids_)[0])
    np.testing.assert_array_equal(clone(model).fit(X, y, **tables).predict(X), model.predict(X))


class _Known(BaseRecommender):
    """Scores from a table, without an item that others know."""

    def __init__(self, user=0, item=1, on_unknown="popular"):
        self.user, self.item, self.on_unknown = user, item, on_unknown

    @fit_context
    def fit(self, X, y=None, sample_weight=None):
        X = np.asarray(X)[np.asarray(X)[:, 1] != 7]
        self._store_interactions(check_interactions(self, X, user=0, item=1))
        return self

    def _score_users(self, user_codes):
        return np.tile(np.arange(len(self.item_ids_), dtype=np.float32), (len(user_codes), 1))


def test_items_that_the_retriever_does_not_know_come_last(data):
    X, _ = data
    model = RetrieveThenRank(_Known(), Watcher(), n_candidates=5, random_state=0).fit(X.to_numpy())
    assert 7 in model.item_ids_
    assert np.isfinite(model.predict(X.to_numpy())).all()
    ids, _ = model.recommend(model.user_ids_, 60, exclude_seen=False)
    assert (ids != 7).all()
