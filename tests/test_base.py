"""What every recommender inherits, on a model whose scores are known."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from skrec import base
from skrec.base import BaseRecommender
from skrec.exceptions import ColdStartWarning
from skrec.utils._sklearn_compat import fit_context
from skrec.utils._validation import check_interactions

N_USERS, N_ITEMS = 30, 20


class KnownScores(BaseRecommender):
    """Scores each pair by a fixed table with many ties."""

    def __init__(self, *, user=0, item=1, on_unknown="popular", fails=False):
        self.user = user
        self.item = item
        self.on_unknown = on_unknown
        self.fails = fails

    @fit_context
    def fit(self, X, y=None, sample_weight=None):
        self._store_interactions(check_interactions(self, X, y, sample_weight, user=self.user, item=self.item))
        shape = self.interactions_.shape
        self.table_ = np.random.default_rng(0).integers(-9, 9, shape).astype(np.float32)
        if self.fails:
            raise KeyboardInterrupt
        return self

    def _score_users(self, user_codes):
        return self.table_[user_codes]


class WithVectors(KnownScores):
    def _item_vectors(self):
        return self.table_.T


def rows(seed=1):
    rng = np.random.default_rng(seed)
    cells = rng.random((N_USERS, N_ITEMS))
    cells[0] = 0.0  # the first user has met every item
    X = np.argwhere(cells < 0.3)
    return X, np.where(rng.random(len(X)) < 0.8, 1, -1)


@pytest.fixture
def model():
    return KnownScores().fit(*rows())


@pytest.fixture(params=[1, 25], ids=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param > 1:
        monkeypatch.setattr(base, "_BLOCK_BYTES", 4 * N_ITEMS * 3)


def by_hand(scores, allowed, k):
    """Best k allowed items, ties by item order; -1 and -inf where there are fewer."""
    order = [i for i in np.lexsort((np.arange(len(scores)), -scores)) if allowed[i]][:k]
    padding = k - len(order)
    return order + [-1] * padding, [*scores[order], *[-np.inf] * padding]


def expected_lists(model, users, k, *, exclude_seen=True, candidates=None, exclude=None):
    ids, scores = [], []
    for place, user in enumerate(users):
        allowed = np.ones(N_ITEMS, dtype=bool)
        known = user < N_USERS
        row = model.table_[user] if known else model.item_popularity_ / model.item_popularity_.max()
        if exclude_seen and known:
            allowed[model.interactions_[[user]].indices] = False
        if candidates is not None:
            allowed &= np.isin(np.arange(N_ITEMS), candidates[place])
        if exclude is not None:
            allowed &= ~np.isin(np.arange(N_ITEMS), exclude[place])
        best, their = by_hand(row.astype(np.float32), allowed, k)
        ids.append(best)
        scores.append(their)
    return np.array(ids), np.array(scores, dtype=np.float32)


def assert_lists(actual, expected):
    np.testing.assert_array_equal(actual[0], expected[0])
    np.testing.assert_array_equal(actual[1], expected[1])


USERS = [3, 0, 29, 3, 77, 12, 5, 99, 1]


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("k", [1, 5, N_ITEMS, N_ITEMS + 4])
def test_lists_hold_the_best_unseen_items_in_order_and_are_padded(model, blocks, k, exclude_seen):
    actual = model.recommend(USERS, k, exclude_seen=exclude_seen)
    assert_lists(actual, expected_lists(model, USERS, k, exclude_seen=exclude_seen))
    assert actual[1].dtype == np.float32


def test_a_user_who_has_met_every_item_gets_padding_only(model):
    ids, scores = model.recommend([0], 3)
    assert ids.tolist() == [[-1, -1, -1]]
    assert np.isneginf(scores).all()


def test_candidates_and_exclusions_for_all_users(model, blocks):
    some, other = [7, 2, 2, 15, 11, 19], [15, 3]
    expected = expected_lists(model, USERS, 5, candidates=[some] * 9, exclude=[other] * 9)
    assert_lists(model.recommend(USERS, 5, candidates=some, exclude=other), expected)
    assert_lists(model.recommend(USERS, 5, candidates=np.array(some), exclude=pd.Series(other)), expected)


def test_candidates_and_exclusions_for_each_user(model, blocks):
    rng = np.random.default_rng(2)
    some = [rng.permutation(N_ITEMS)[: rng.integers(0, 12)] for _ in USERS]
    other = [set(rng.permutation(N_ITEMS)[:4].tolist()) for _ in USERS]
    expected = expected_lists(model, USERS, 5, candidates=some, exclude=[list(o) for o in other])
    assert_lists(model.recommend(USERS, 5, candidates=some, exclude=other), expected)
    square = np.array([[1, 2, 3]] * 9)
    assert_lists(model.recommend(USERS, 5, candidates=square), expected_lists(model, USERS, 5, candidates=square))


def test_no_candidate_at_all_gives_padding(model):
    assert (model.recommend([3, 4], 2, candidates=[])[0] == -1).all()
    assert (model.recommend([3, 4], 2, candidates=[[], []])[0] == -1).all()
    assert_lists(model.recommend([3, 4], 2, exclude=[]), model.recommend([3, 4], 2))


def test_unknown_candidates_cannot_be_chosen_and_unknown_exclusions_do_not_matter(model):
    assert_lists(model.recommend([3], 5, candidates=[1, 2, 777]), model.recommend([3], 5, candidates=[1, 2]))
    assert_lists(model.recommend([3], 5, exclude=[1, 777]), model.recommend([3], 5, exclude=[1]))
    strict = KnownScores(on_unknown="error").fit(*rows())
    with pytest.raises(ValueError, match=r"candidates holds 1 id\(s\) .* not fitted on: 777"):
        strict.recommend([3], candidates=[1, 777])
    strict.recommend([3], exclude=[777])


def test_no_users_give_empty_lists(model):
    ids, scores = model.recommend([], 4)
    assert ids.shape == scores.shape == (0, 4)


def test_a_batch_equals_its_users_one_by_one(model):
    ids, scores = model.recommend(USERS, 6)
    for place, user in enumerate(USERS):
        one = model.recommend([user], 6)
        assert_lists(one, (ids[place : place + 1], scores[place : place + 1]))


@pytest.mark.parametrize(
    ("make", "padding"),
    [
        (lambda i: i, -1),
        (lambda i: f"item {i:02d}", None),
        (lambda i: i + 0.5, np.nan),
        (lambda i: pd.Timestamp(2020, 1, 1 + i), np.datetime64("NaT")),
        (lambda i: (i, "x"), None),
    ],
    ids=["int", "str", "float", "date", "tuple"],
)
def test_lists_hold_the_ids_that_were_given(make, padding):
    X, y = rows()
    frame = pd.DataFrame({"u": X[:, 0], "i": pd.Series([make(i) for i in X[:, 1]])})
    model = KnownScores().fit(frame, y)
    ids, _ = model.recommend([3, 0], 2)
    plain, _ = KnownScores().fit(X, y).recommend([3, 0], 2)
    assert [pd.Timestamp(i) if ids.dtype.kind == "M" else i for i in ids[0]] == [make(i) for i in plain[0]]
    np.testing.assert_array_equal(ids[1], np.array([padding] * 2, dtype=ids.dtype))


def test_string_arrays_are_padded_by_empty_strings():
    ids, _ = KnownScores().fit(np.array([["a", "x"], ["b", "y"]])).recommend(["a"], 3)
    assert ids.tolist() == [["y", "", ""]]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"users": 3}, ValueError, r"users should be a list .* write \[3\]"),
        ({"users": "ann"}, ValueError, r"write \['ann'\]"),
        ({"users": [[1, 2]]}, TypeError, "cannot be hashed"),
        ({"users": ["ann"]}, TypeError, "another type than the training rows: 'ann' here, 0 there"),
        ({"users": [np.nan]}, ValueError, "users holds a missing id"),
        ({"n_recommendations": 0}, ValueError, "n_recommendations == 0, must be >= 1"),
        ({"n_recommendations": 2.0}, TypeError, "n_recommendations must be an instance of int"),
        ({"candidates": 5}, ValueError, "candidates should be a list"),
        ({"candidates": [[1], [2]]}, ValueError, "candidates holds 2 lists for 1 users"),
        ({"exclude": [[1], [2], [3]]}, ValueError, "exclude holds 3 lists for 1 users"),
        ({"exclude": ["x"]}, TypeError, "exclude holds ids of another type"),
    ],
    ids=str,
)
def test_bad_requests_are_refused_in_words_that_help(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.recommend(**{"users": [3], **arguments})


def test_pairs_are_scored_in_any_order_and_number(model, blocks):
    rng = np.random.default_rng(4)
    pairs = np.column_stack([rng.integers(0, N_USERS, 500), rng.integers(0, N_ITEMS, 500)])
    np.testing.assert_array_equal(model.predict(pairs), model.table_[tuple(pairs.T)])


def test_unknown_users_are_scored_by_scaled_popularity_and_unknown_items_as_the_worst(model, blocks):
    popularity = (model.item_popularity_ / model.item_popularity_.max()).astype(np.float32)
    scores = model.predict([[3, 5], [88, 5], [3, 500], [88, 500], [4, 501]])
    expected = [model.table_[3, 5], popularity[5], model.table_[3].min(), popularity.min(), model.table_[4].min()]
    np.testing.assert_array_equal(scores, np.array(expected, dtype=np.float32))
    assert popularity.max() == 1.0


def test_unknown_pairs_may_be_refused():
    model = KnownScores(on_unknown="error").fit(*rows())
    with pytest.raises(ValueError, match=r"user column of X \(user=0\) holds 2 id\(s\) .*: 88, 99"):
        model.predict([[88, 5], [99, 4], [3, 5]])
    with pytest.raises(ValueError, match=r"item column of X .* holds 6 id\(s\) .*: 100, 101, 102, 103, 104, \.\.\."):
        model.predict([[3, i] for i in range(100, 106)])


def test_similar_items_are_those_of_highest_cosine(blocks):
    model = WithVectors().fit(*rows())
    vectors = model.table_.T / np.linalg.norm(model.table_.T, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    ids, similarities = model.similar_items([4, 19, 4], 6)
    np.testing.assert_array_equal(ids, np.argsort(-cosines, axis=1, kind="stable")[[4, 19, 4], :6])
    np.testing.assert_allclose(similarities, -np.sort(-cosines, axis=1)[[4, 19, 4], :6], rtol=1e-5)


def test_the_whole_catalogue_is_similar_but_the_item_itself():
    ids, _ = WithVectors().fit(*rows()).similar_items([4], N_ITEMS)
    assert sorted(ids[0]) == [-1, *[i for i in range(N_ITEMS) if i != 4]]


def test_items_similar_to_an_unknown_one_are_the_popular_ones():
    model = WithVectors().fit(*rows())
    np.testing.assert_array_equal(model.similar_items([555], 3)[0], model.recommend([555], 3)[0])
    model.on_unknown = "error"
    with pytest.raises(ValueError, match="items holds 1 id"):
        model.similar_items([555])


def test_similar_items_needs_item_vectors(model):
    assert not hasattr(model, "similar_items")
    assert hasattr(WithVectors(), "similar_items")


def held_out(seed=5):
    """Rows with users and items that were not trained on, explicit negatives, and some training rows."""
    X, y = rows(seed)
    extra = np.array([[3, 700], [50, 4], [50, 700], [2, 701], [51, 1], [60, 2]])
    return np.vstack([X, extra]), np.append(y, [1, 1, 1, 1, 1, -1])


def test_the_ranking_problem_holds_what_the_rows_say(model):
    X, y = held_out()
    problem = model._ranking_problem(X, y)
    columns = {item: place for place, item in enumerate(problem.item_ids)}
    assert list(columns) == [*range(N_ITEMS), 700, 701]
    train = {(u, i) for u, i, liked in np.column_stack([*np.transpose(rows()[0]), rows()[1]]) if liked > 0}
    liked = {(u, i) for (u, i), sign in zip(X.tolist(), y, strict=True) if sign > 0}
    refused = {(u, i) for (u, i), sign in zip(X.tolist(), y, strict=True) if sign <= 0}
    users = sorted({u for u, _ in liked})
    assert problem.user_ids.tolist() == users
    for matrix, wanted in [
        (problem.positives, liked),
        (problem.negatives, refused),
        (problem.excluded, train - liked),
    ]:
        expected = np.zeros((len(users), len(columns)))
        for u, i in wanted:
            if u in users:
                expected[users.index(u), columns[i]] = 1
        np.testing.assert_array_equal(matrix.toarray(), expected)
        assert matrix.has_sorted_indices
    np.testing.assert_array_equal(problem.item_popularity, [*model.item_popularity_, 0, 0])
    scores = problem.scores(0, len(users))
    pairs = [[u, i] for u in users for i in columns]
    np.testing.assert_array_equal(scores, model.predict(pairs).reshape(scores.shape))
    np.testing.assert_array_equal(problem.scores(3, 5), scores[3:5])


def test_without_explicit_negatives_there_are_none(model):
    assert model._ranking_problem([[3, 4], [5, 6]]).negatives is None


def auc_by_hand(problem):
    scores = problem.scores(0, len(problem.user_ids))
    areas = []
    for row, liked, out in zip(scores, problem.positives.toarray() > 0, problem.excluded.toarray() > 0, strict=True):
        kept = ~out
        n_liked, n_other = liked[kept].sum(), (~liked[kept]).sum()
        if n_liked and n_other:
            rank = rankdata(row[kept])[liked[kept]].sum()
            areas.append((rank - n_liked * (n_liked + 1) / 2) / (n_liked * n_other))
    return np.mean(areas)


def test_score_is_the_average_area_over_users(model):
    X, y = held_out()
    assert model.score(X, y) == pytest.approx(auc_by_hand(model._ranking_problem(X, y)), abs=1e-12)


def test_training_rows_can_be_scored(model):
    X, y = rows()
    problem = model._ranking_problem(X, y)
    assert problem.excluded.nnz == 0
    assert model.score(X, y) == pytest.approx(auc_by_hand(problem), abs=1e-12)


def test_weights_leave_rows_out_of_the_score_and_do_no_more(model):
    X, y = held_out()
    weight = np.random.default_rng(0).integers(0, 3, size=len(X))
    assert model.score(X, y, sample_weight=weight) == model.score(X[weight > 0], y[weight > 0])


def test_an_untrained_model_scores_one_half():
    rng = np.random.default_rng(0)
    X, held = (np.unique(rng.integers(0, [400, 200], size=(5000, 2)), axis=0) for _ in range(2))
    assert KnownScores().fit(X).score(held) == pytest.approx(0.5, abs=0.02)


def test_a_test_set_of_strangers_is_warned_about(model):
    strangers = np.array([[100 + u, u % N_ITEMS] for u in range(6)])
    with pytest.warns(ColdStartWarning, match=r"6 of the 9 users .* KnownScores .*UserKFold or LeaveLastOut"):
        model.score(np.vstack([strangers, [[1, 2], [2, 3], [3, 4]]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.score(np.vstack([strangers[:3], [[1, 2], [2, 3], [3, 4]]]))


def test_unknown_users_or_items_may_be_refused_in_score():
    model = KnownScores(on_unknown="error").fit(*rows())
    with pytest.raises(ValueError, match="user column .* 99"):
        model.score([[99, 2]])
    with pytest.raises(ValueError, match="item column .* 700"):
        model.score([[3, 700]])


@pytest.mark.parametrize("method", ["predict", "recommend", "score", "similar_items"])
def test_everything_needs_fit(method):
    with pytest.raises(NotFittedError):
        getattr(WithVectors(), method)([[1, 2]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"user": -1}, "The 'user' parameter of KnownScores must be .* Got -1"),
        ({"item": 1.5}, "The 'item' parameter"),
        ({"on_unknown": "ignore"}, "The 'on_unknown' parameter .* must be a str among .* Got 'ignore'"),
    ],
    ids=str,
)
def test_bad_parameters_are_named_in_fit(parameters, message):
    with pytest.raises(InvalidParameterError, match=message):
        KnownScores(**parameters).fit(*rows())


def test_a_fit_that_fails_leaves_the_estimator_as_it_was(model):
    before = dict(vars(model))
    for X, y in [(np.array([[1.0, np.nan]]), None), (np.eye(3), [0, 0, 0]), (np.eye(3), [1.0, np.nan, 1.0])]:
        with pytest.raises(ValueError):
            model.fit(pd.DataFrame(X), y)
        assert vars(model) == before
    model.fails = True
    before["fails"] = True
    with pytest.raises(KeyboardInterrupt):
        model.fit(np.eye(3))
    assert vars(model) == before
    fresh = KnownScores(fails=True)
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(np.eye(3))
    assert vars(fresh) == vars(KnownScores(fails=True))
