"""Likes and dislikes by two retrievers: what the fusion of their scores must be."""

import copy

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError

from skrec import EASERecommender, PopularityRecommender, PosNegRetriever, TripletMF
from skrec.base import BaseRecommender
from skrec.compose._pos_neg import _hold_out, _with_references
from skrec.datasets import make_interactions
from skrec.exceptions import NoNegativesWarning
from skrec.metrics import make_ranking_scorer
from skrec.model_selection import UserKFold
from skrec.utils._sklearn_compat import fit_context
from skrec.utils._validation import check_interactions

CALIBRATIONS = [None, "zscore", "rank", "platt", "isotonic"]
LEARNT = ["platt", "isotonic"]
every_calibration = pytest.mark.parametrize("calibration", CALIBRATIONS)


class Table(BaseRecommender):
    """Scores by a table whose rows and columns are user and item ids; remembers what it was given."""

    def __init__(self, scores, user=0, item=1, on_unknown="popular", random_state=None):
        self.scores = scores
        self.user = user
        self.item = item
        self.on_unknown = on_unknown
        self.random_state = random_state

    @fit_context
    def fit(self, X, y=None, sample_weight=None, item_features=None):
        interactions = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item)
        self._store_interactions(interactions)
        self.given_ = X, y, sample_weight, item_features
        self.seed_ = check_random_state(self.random_state).randint(2**31 - 1)
        return self

    def _score_users(self, user_codes):
        return np.asarray(self.scores, dtype=np.float32)[
            np.ix_(self.user_ids_[user_codes].astype(int), self.item_ids_.astype(int))
        ]


N_USERS, N_ITEMS = 40, 30


@pytest.fixture(scope="module")
def world():
    """All pairs of 40 users and 30 items, a third each liked, disliked and unobserved; every user has both."""
    rng = np.random.default_rng(0)
    kind = rng.integers(-1, 2, size=(N_USERS, N_ITEMS))
    kind[:, :2] = 1, -1
    kind[0] = np.where(np.arange(N_ITEMS) % 2, 1, -1)  # every item is liked or disliked by somebody
    kind[1] = -kind[0]
    pairs = np.argwhere(kind != 0)
    return pairs, (kind[tuple(pairs.T)] > 0).astype(int), rng.normal(size=(2, N_USERS, N_ITEMS)).astype(np.float32)


@pytest.fixture(scope="module")
def data():
    X, y = make_interactions(
        n_users=80, n_items=60, n_interactions=2400, negative_fraction=0.4, random_state=0, return_X_y=True
    )
    return X[["user_id", "item_id"]].to_numpy(), y.to_numpy()


def scores_of(model):
    """All scores of a fitted model, in the order of its ids."""
    pairs = np.stack(np.meshgrid(model.user_ids_, model.item_ids_, indexing="ij"), axis=-1).reshape(-1, 2)
    return model.predict(pairs).reshape(len(model.user_ids_), -1)


def order(scores):
    return np.argsort(-scores, axis=1, kind="stable")


# --- known answers


@every_calibration
def test_without_weight_the_ranking_is_that_of_likes(calibration, world):
    X, y, (likes, dislikes) = world
    model = PosNegRetriever(Table(likes), Table(dislikes), calibration=calibration, weight=0.0, random_state=0).fit(
        X, y
    )
    np.testing.assert_array_equal(order(scores_of(model)), order(likes))


@every_calibration
def test_two_models_that_agree_cancel(calibration, world):
    X, y, (likes, _) = world
    model = PosNegRetriever(Table(likes), Table(likes), calibration=calibration, weight=1.0, random_state=0).fit(X, y)
    # Where nothing is learnt. A learnt map sees other pairs for likes than for dislikes.
    if calibration not in LEARNT:
        np.testing.assert_array_equal(scores_of(model), 0)
    model.negative_calibrator_ = model.positive_calibrator_
    np.testing.assert_array_equal(scores_of(model), 0)


def test_fused_ranks_do_not_see_monotone_maps_of_either_model(world):
    X, y, (likes, dislikes) = world
    fused = [
        scores_of(PosNegRetriever(Table(a), Table(b), calibration="rank", weight=0.7).fit(X, y))
        for a, b in ((likes, dislikes), (np.exp(likes), 5 * dislikes**3 - 2))
    ]
    np.testing.assert_array_equal(*fused)


def test_z_scores_do_not_see_the_spread_of_either_model(world):
    X, y, (likes, dislikes) = world
    fused = [
        scores_of(PosNegRetriever(Table(a), Table(b), weight=0.7).fit(X, y))
        for a, b in ((likes, dislikes), (likes * 100 + 3, dislikes * 0.01))
    ]
    np.testing.assert_allclose(*fused, atol=1e-4)


def test_raw_scores_are_subtracted_as_they_are(world):
    X, y, (likes, dislikes) = world
    model = PosNegRetriever(Table(likes), Table(dislikes), calibration=None, weight=0.25).fit(X, y)
    np.testing.assert_allclose(scores_of(model), likes - 0.25 * dislikes, rtol=1e-5, atol=1e-6)


def known_world(seed=0, n_users=60, n_items=80, n_shown=40):
    """Impressions of a world whose exposure and click probabilities are known, and the true log p(i | u, outcome)."""
    rng = np.random.default_rng(seed)
    exposure = rng.dirichlet(np.full(n_items, 2.0), size=n_users)
    click = rng.uniform(0.1, 0.9, size=(n_users, n_items))
    conditional = [exposure * click, exposure * (1 - click)]
    likes, dislikes = (np.log(joint / joint.sum(axis=1, keepdims=True)) for joint in conditional)
    shown = np.array([rng.choice(n_items, size=n_shown, replace=False, p=p) for p in exposure])
    X = np.column_stack([np.repeat(np.arange(n_users), n_shown), shown.ravel()])
    return X, (rng.random(len(X)) < click[tuple(X.T)]).astype(int), click, likes, dislikes


def test_true_log_conditionals_order_by_click_probability():
    X, y, click, likes, dislikes = known_world()
    rng = np.random.default_rng(1)
    of_user = rng.normal(size=(2, len(click), 1)) * 5  # numbers for the user change no ranking
    model = PosNegRetriever(Table(likes + of_user[0]), Table(dislikes + of_user[1]), calibration=None, weight=1.0)
    np.testing.assert_array_equal(order(scores_of(model.fit(X, y))), order(click))


@pytest.mark.parametrize("calibration", LEARNT)
def test_learnt_maps_undo_what_training_did_to_the_scale_of_the_two_models(calibration):
    """Scores of different spread, which raw scores or a weight of 1 could not fuse."""
    X, y, click, likes, dislikes = known_world(n_users=300)
    bent = (Table(likes * 0.1), Table(dislikes * 3 + 20))

    def mean_correlation(name):
        scores = scores_of(PosNegRetriever(*bent, calibration=name, weight=1.0, random_state=0).fit(X, y))
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(scores, click, strict=True)])

    assert mean_correlation(calibration) > 0.9
    assert mean_correlation(None) < 0.7


# --- who gets which rows


def test_each_retriever_gets_whole_rows_of_its_kind(world):
    X, y, (likes, dislikes) = world
    frame = pd.DataFrame(X, columns=["u", "i"]).assign(when=np.arange(len(X)))
    strength = np.where(y > 0, 3.5, -1.0)
    weight = np.arange(len(X)) % 4 + 0.5
    model = PosNegRetriever(Table(likes), Table(dislikes), user="u", item="i").fit(
        frame, strength, sample_weight=weight
    )
    rows, target, given_weight, _ = model.positive_.given_
    pd.testing.assert_frame_equal(rows, frame[y > 0])
    np.testing.assert_array_equal(target, 3.5)
    np.testing.assert_array_equal(given_weight, weight[y > 0])
    rows, target, given_weight, _ = model.negative_.given_
    pd.testing.assert_frame_equal(rows, frame[y <= 0])
    assert target is None
    np.testing.assert_array_equal(given_weight, weight[y <= 0])


def test_a_pair_with_rows_of_both_kinds_is_a_like():
    X = [[0, 0], [0, 0], [0, 1], [1, 0], [1, 1]]
    model = PosNegRetriever(Table(np.eye(2)), Table(np.eye(2))).fit(X, [1, 0, 0, 1, 0])
    assert np.asarray(model.positive_.given_[0]).tolist() == [[0, 0], [1, 0]]
    assert np.asarray(model.negative_.given_[0]).tolist() == [[0, 1], [1, 1]]


def test_rows_of_weight_zero_reach_nobody():
    X = [[0, 0], [0, 0], [0, 1], [1, 0], [1, 1]]
    model = PosNegRetriever(Table(np.eye(2)), Table(np.eye(2)))
    model.fit(X, [1, 0, 0, 1, 0], sample_weight=[0, 1, 1, 1, 1])
    assert np.asarray(model.negative_.given_[0]).tolist() == [[0, 0], [0, 1], [1, 1]]


@pytest.mark.parametrize("to_frame", [pd.DataFrame, lambda X: pl.DataFrame(X, schema=["u", "i"])])
def test_columns_named_once_hold_for_both(to_frame, world):
    X, y, (likes, dislikes) = world
    frame = to_frame(X[:, ::-1])
    model = PosNegRetriever(Table(likes), Table(dislikes), user=1, item=0).fit(frame, y)
    assert model.positive_.user == 1 and model.negative_.item == 0
    np.testing.assert_array_equal(model.user_ids_, np.arange(N_USERS))


def test_without_negatives_there_is_a_warning_and_the_ranking_of_likes(world):
    X, _, (likes, dislikes) = world
    model = PosNegRetriever(Table(likes), Table(dislikes))
    with pytest.warns(NoNegativesWarning, match="no row with y <= 0"):
        model.fit(X)
    assert model.negative_ is None
    np.testing.assert_array_equal(order(scores_of(model)), order(likes))
    with pytest.raises(ValueError, match="furthest needs explicit negatives"):
        model.furthest([0])


# --- ids that one of the two does not know


@every_calibration
def test_a_user_without_dislikes_has_no_penalty(calibration, world):
    X, y, (likes, dislikes) = world
    kept = (X[:, 0] != 3) | (y > 0)
    model = PosNegRetriever(Table(likes), Table(dislikes), calibration=calibration, weight=2.0, random_state=0)
    scores = scores_of(model.fit(X[kept], y[kept]))[3]
    np.testing.assert_array_equal(scores, scores_of(model.set_params(weight=0.0))[3])


@every_calibration
def test_an_item_that_nobody_dislikes_gets_the_mean_penalty_of_the_user(calibration, world):
    X, y, (likes, dislikes) = world
    kept = (X[:, 1] != 5) | (y > 0)
    model = PosNegRetriever(Table(likes), Table(dislikes), calibration=calibration, weight=2.0, random_state=0)
    with_penalty = scores_of(model.fit(X[kept], y[kept]))
    penalty = scores_of(model.set_params(weight=0.0)) - with_penalty
    others = np.delete(penalty, 5, axis=1)
    np.testing.assert_allclose(penalty[:, 5], others.mean(axis=1), rtol=1e-4, atol=1e-5)
    if calibration == "zscore":
        np.testing.assert_allclose(penalty[:, 5], 0, atol=1e-5)


def test_an_item_that_nobody_likes_gets_the_worst_of_the_likes(world):
    X, y, (likes, dislikes) = world
    kept = (X[:, 1] != 5) | (y <= 0)
    model = PosNegRetriever(Table(likes), Table(dislikes), weight=0.0).fit(X[kept], y[kept])
    scores = scores_of(model)
    np.testing.assert_array_equal(scores[:, 5], np.delete(scores, 5, axis=1).min(axis=1))


def test_a_user_without_likes_is_scored_by_popularity_less_the_penalty(world):
    X, y, (likes, dislikes) = world
    kept = (X[:, 0] != 3) | (y <= 0)
    model = PosNegRetriever(Table(likes), Table(dislikes), calibration=None, weight=0.5).fit(X[kept], y[kept])
    popularity = model.item_popularity_ / model.item_popularity_.max()
    np.testing.assert_allclose(scores_of(model)[3], popularity - 0.5 * dislikes[3], rtol=1e-4, atol=1e-6)


# --- what the learnt maps learn from


def test_held_out_pairs_are_distinct_and_leave_every_user_one():
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(20 * 50, size=300))
    held = _hold_out(pairs, 50, 0.5, rng)
    assert len(held) == len(np.unique(held)) == round(0.5 * len(pairs))
    assert set(held) <= set(pairs)
    assert set(pairs // 50) == set(np.setdiff1d(pairs, held) // 50)
    assert len(_hold_out(np.arange(20) * 50, 50, 0.5, rng)) == 0  # nobody has two


def test_references_are_unobserved_pairs_of_the_same_users_uniform_over_items():
    rng = np.random.default_rng(0)
    matrix = csr_array(rng.choice([0, 0, 1, -1], size=(5, 12)).astype(np.int8))
    held = np.tile([0 * 12 + 3, 2 * 12 + 1], 20_000)
    users, items, is_own = _with_references(held, matrix, rng)
    np.testing.assert_array_equal(users[is_own] * 12 + items[is_own], held)
    dense = matrix.toarray()
    for user in (0, 2):
        counts = np.bincount(items[~is_own & (users == user)], minlength=12)
        free = dense[user] == 0
        assert counts[~free].sum() == 0
        expected = 4 * 20_000 / 12
        assert np.all(np.abs(counts[free] - expected) < 5 * np.sqrt(expected))


@pytest.mark.parametrize("calibration", LEARNT)
def test_maps_are_learnt_from_pairs_that_the_model_has_not_seen(calibration, data):
    """A model that knows its training pairs by heart would be far too sure if they were what it is judged on."""
    X, y = data

    class Memory(Table):
        def _score_users(self, user_codes):
            return (self.interactions_[user_codes].toarray() > 0).astype(np.float32)

    model = PosNegRetriever(Memory(None), calibration=calibration, random_state=0).fit(X, y)
    low, high = model.positive_calibrator_.transform(np.array([[0.0, 1.0]]))[0]
    assert abs(high - low) < 0.5


@pytest.mark.parametrize("calibration", LEARNT)
def test_the_final_retrievers_have_learnt_from_all_rows(calibration, world):
    X, y, (likes, dislikes) = world
    model = PosNegRetriever(Table(likes), Table(dislikes), calibration=calibration, random_state=0).fit(X, y)
    assert len(model.positive_.given_[0]) == y.sum()
    assert len(model.negative_.given_[0]) == len(y) - y.sum()


@pytest.mark.parametrize("calibration", LEARNT)
def test_the_order_of_rows_and_their_repetition_change_no_learnt_map(calibration, data):
    X, y = data
    model = PosNegRetriever(EASERecommender(l2=20.0), calibration=calibration, random_state=0)
    expected = scores_of(clone(model).fit(X, y))
    turn = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(scores_of(clone(model).fit(X[turn], y[turn])), expected)
    weighted = scores_of(clone(model).fit(X, y, sample_weight=np.full(len(X), 2.0)))
    repeated = scores_of(clone(model).fit(np.vstack([X, X]), np.append(y, y)))
    np.testing.assert_array_equal(weighted, repeated)


def test_too_few_pairs_for_a_learnt_map_are_an_error_that_says_what_to_do(data):
    X, y = data
    few = np.flatnonzero(y > 0)[:300].tolist() + np.flatnonzero(y <= 0)[:2].tolist()
    model = PosNegRetriever(EASERecommender(), calibration="platt", random_state=0)
    with pytest.raises(ValueError, match=r"calibration='platt' .* 2 negative pair\(s\) are too few.*'zscore'"):
        model.fit(X[few], y[few])
    assert not hasattr(model, "positive_")


# --- furthest


def test_furthest_lists_what_the_model_of_dislikes_scores_lowest(world):
    X, y, (likes, dislikes) = world
    model = PosNegRetriever(Table(likes), Table(dislikes)).fit(X, y)
    ids, scores = model.furthest([4, 9], 6, exclude_seen=False)
    np.testing.assert_array_equal(ids, np.argsort(dislikes[[4, 9]], axis=1)[:, :6])
    np.testing.assert_allclose(scores, -np.sort(dislikes[[4, 9]], axis=1)[:, :6])
    nearest, _ = model.negative_.recommend([4], N_ITEMS, exclude_seen=False)
    np.testing.assert_array_equal(model.furthest([4], N_ITEMS, exclude_seen=False)[0][0], nearest[0][::-1])


def test_furthest_leaves_out_what_is_seen_excluded_or_no_candidate(world):
    X, y, (likes, dislikes) = world
    model = PosNegRetriever(Table(likes), Table(dislikes)).fit(X, y)
    seen = set(X[X[:, 0] == 4, 1])
    assert not seen & set(model.furthest([4], N_ITEMS)[0][0])
    ids, _ = model.furthest([4], 5, exclude_seen=False, candidates=[1, 2, 3], exclude=[2])
    assert sorted(ids[0].tolist()) == [-1, -1, -1, 1, 3]


def test_furthest_does_not_list_items_that_nobody_dislikes(world):
    X, y, (likes, dislikes) = world
    kept = (X[:, 1] != 5) | (y > 0)
    model = PosNegRetriever(Table(likes), Table(dislikes)).fit(X[kept], y[kept])
    assert 5 not in model.furthest([4], N_ITEMS, exclude_seen=False)[0]


def test_furthest_takes_users_without_dislikes_for_unknown(world):
    X, y, (likes, dislikes) = world
    kept = (X[:, 0] != 3) | (y > 0)
    X, y = X[kept], y[kept]
    model = PosNegRetriever(Table(likes), Table(dislikes)).fit(X, y)
    popular = PopularityRecommender().fit(X, y)
    for user in (3, 777):
        np.testing.assert_array_equal(model.furthest([user], 5)[0], popular.recommend([user], 5)[0])
    strict = PosNegRetriever(Table(likes), Table(dislikes), on_unknown="error").fit(X, y)
    with pytest.raises(ValueError, match="3"):
        strict.furthest([3])


# --- as scikit-learn has it


def test_parameters_of_the_retrievers_are_parameters():
    model = PosNegRetriever(TripletMF(n_components=4), EASERecommender())
    assert model.get_params()["positive__n_components"] == 4
    model.set_params(positive__n_components=5, negative__l2=7.0)
    copied = clone(model)
    assert copied.positive.n_components == 5 and copied.negative.l2 == 7.0
    assert copied.positive is not model.positive


def test_the_diagram_shows_both_retrievers():
    diagram = PosNegRetriever(TripletMF(), EASERecommender())._repr_html_()
    assert all(name in diagram for name in ("PosNegRetriever", "TripletMF", "EASERecommender"))


def test_defaults_are_two_triplet_models_with_seeds_of_their_own(data):
    X, y = data
    model = PosNegRetriever(random_state=0).fit(X, y)
    assert isinstance(model.positive_, TripletMF) and isinstance(model.negative_, TripletMF)
    seeds = [model.positive_.random_state, model.negative_.random_state]
    assert seeds[0] != seeds[1]
    again = PosNegRetriever(random_state=0).fit(X, y)
    assert seeds == [again.positive_.random_state, again.negative_.random_state]
    np.testing.assert_array_equal(scores_of(again), scores_of(model))


def test_what_was_given_is_not_changed(world):
    X, y, (likes, dislikes) = world
    positive = Table(likes, random_state=7)
    model = PosNegRetriever(positive, user=0, item=1, random_state=0).fit(X, y)
    assert vars(positive).keys() == {"scores", "user", "item", "on_unknown", "random_state"}
    assert model.positive is positive
    assert model.negative is None and model.negative_.random_state == 7


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_a_search_chooses_calibration_weight_and_parameters_of_the_retrievers(calibration, data):
    X, y = data
    search = GridSearchCV(
        PosNegRetriever(EASERecommender(), random_state=0),
        {"calibration": [calibration], "weight": [0.0, 0.3], "positive__l2": [20.0, 1e6]},
        cv=UserKFold(2, shuffle=True, random_state=0),
        scoring=make_ranking_scorer("ndcg@10"),
        error_score="raise",
    ).fit(X, y)
    assert search.best_params_.keys() == {"calibration", "weight", "positive__l2"}
    assert len(set(search.cv_results_["mean_test_score"])) == 4  # each axis makes a difference


def test_the_weight_may_change_without_another_fit(world):
    X, y, (likes, dislikes) = world
    model = PosNegRetriever(Table(likes), Table(dislikes), weight=0.1).fit(X, y)
    expected = scores_of(PosNegRetriever(Table(likes), Table(dislikes), weight=0.9).fit(X, y))
    np.testing.assert_array_equal(scores_of(model.set_params(weight=0.9)), expected)


def test_other_arguments_of_fit_reach_both_retrievers(world):
    X, y, (likes, dislikes) = world
    table = pd.DataFrame({"price": range(N_ITEMS)})
    model = PosNegRetriever(Table(likes), Table(dislikes)).fit(X, y, item_features=table)
    assert model.positive_.given_[3] is table and model.negative_.given_[3] is table


def test_with_routing_other_arguments_reach_who_asks_for_them(world):
    X, y, (likes, dislikes) = world
    table = pd.DataFrame({"price": range(N_ITEMS)})
    with sklearn.config_context(enable_metadata_routing=True):
        asking = Table(likes).set_fit_request(item_features=True)
        model = PosNegRetriever(asking, Table(dislikes).set_fit_request(item_features=False))
        model.fit(X, y, sample_weight=np.ones(len(X)), item_features=table)
        assert model.positive_.given_[3] is table and model.negative_.given_[3] is None
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="item_features"):
            PosNegRetriever(Table(likes)).fit(X, y, item_features=table)
        search = GridSearchCV(model.set_fit_request(sample_weight=True), {"weight": [0.5]}, cv=2)
        routed = search.get_metadata_routing().consumes("fit", ["sample_weight", "item_features", "other"])
        assert routed == {"sample_weight", "item_features"}


def test_partial_fit_is_there_where_both_retrievers_have_it(world):
    X, y, (likes, dislikes) = world
    assert hasattr(PosNegRetriever(TripletMF(), EASERecommender()), "partial_fit")
    assert not hasattr(PosNegRetriever(TripletMF(), Table(dislikes)), "partial_fit")
    assert not hasattr(PosNegRetriever(Table(likes)), "partial_fit")


@pytest.mark.parametrize("calibration", [None, "zscore", "rank"])
def test_batches_add_up_where_those_of_the_retrievers_do(calibration, data):
    X, y = data
    model = PosNegRetriever(EASERecommender(l2=20.0), calibration=calibration)
    for part in (slice(0, 900), slice(900, 1500), slice(1500, None)):
        model.partial_fit(X[part], y[part])
    whole = clone(model).fit(X, y)
    pairs = X[::7]
    np.testing.assert_allclose(model.predict(pairs), whole.predict(pairs), atol=1e-4)


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_dislikes_may_come_later(calibration, data):
    X, y = data
    model = PosNegRetriever(EASERecommender(l2=20.0), calibration=calibration, random_state=0)
    with pytest.warns(NoNegativesWarning):
        model.partial_fit(X[y > 0])
    assert model.negative_ is None
    model.partial_fit(X[y <= 0], y[y <= 0])
    assert model.negative_ is not None
    expected = clone(model).fit(X, y)
    np.testing.assert_array_equal(model.user_ids_, expected.user_ids_)
    assert np.isfinite(scores_of(model)).all()
    assert not np.array_equal(scores_of(model), scores_of(copy.copy(model).set_params(weight=0.0)))


def test_a_partial_fit_that_fails_leaves_both_retrievers_as_they_were(data):
    X, y = data

    class Refusing(EASERecommender):
        def partial_fit(self, X, y=None, sample_weight=None):
            raise ValueError("no more")

    model = PosNegRetriever(EASERecommender(), Refusing()).fit(X, y)
    before, scores = vars(model).copy(), scores_of(model)
    with pytest.raises(ValueError, match="no more"):
        model.partial_fit(X[::-1], y)
    assert vars(model) == before
    np.testing.assert_array_equal(scores_of(model), scores)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("positive", "TripletMF"),
        ("negative", object()),
        ("calibration", "sigmoid"),
        ("weight", -0.5),
        ("weight", "much"),
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
    ],
)
def test_a_bad_parameter_is_named(parameter, value, data):
    model = PosNegRetriever(EASERecommender()).fit(*data)
    before = vars(model).copy()
    with pytest.raises(InvalidParameterError, match=f"The '{parameter}' parameter"):
        model.set_params(**{parameter: value}).fit(*data)
    assert vars(model) == before | {parameter: value}


def test_fewer_dislikes_are_listed_and_likes_told_from_dislikes_better():
    """The point of it all, on generated data: held-out likes and dislikes of known preferences."""
    X, y = make_interactions(
        n_users=300, n_items=150, n_interactions=12_000, negative_fraction=0.5, random_state=0, return_X_y=True
    )
    X, y = X[["user_id", "item_id"]].to_numpy(), y.to_numpy()
    held = np.random.default_rng(0).random(len(X)) < 0.2
    model = PosNegRetriever(EASERecommender(l2=50.0), weight=0.3).fit(X[~held], y[~held])

    def in_first_20(kind):
        ids, _ = model.recommend(model.user_ids_, 20)
        listed = {(user, item) for user, row in zip(model.user_ids_, ids, strict=True) for item in row}
        return np.mean([pair in listed for pair in map(tuple, X[held & (y == kind)].tolist())])

    likes, dislikes = in_first_20(1), in_first_20(0)
    model.set_params(weight=0.0)
    assert dislikes < 0.85 * in_first_20(0)
    assert likes > 0.95 * in_first_20(1)
