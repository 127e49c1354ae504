"""The audience of an item: who is in it, when it is used, and what a step draws of it."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone

from skrec import TwoTowerRetriever
from skrec._holdout import hold_out
from skrec.datasets import fetch_movielens_100k
from skrec.retrieval._side import _draw

ROWS = np.array([[0, 0], [0, 1], [1, 1], [1, 2], [2, 1]])
TINY = TwoTowerRetriever(4, audience_weight=1.0, max_iter=2, random_state=0)


def members(model):
    return model._towers.audience.toarray().astype(bool)


def test_an_audience_is_who_has_the_item_as_a_positive():
    model = clone(TINY).fit(ROWS, [1, 1, 1, 0, 1])
    np.testing.assert_array_equal(members(model), [[1, 0, 0], [1, 1, 1], [0, 0, 0]])
    np.testing.assert_allclose(model._towers.audience.sum(axis=1), [1, np.sqrt(3), 0], rtol=1e-6)


@pytest.mark.parametrize(("n_users", "used"), [(50, True), (51, False)])
def test_auto_means_audiences_where_items_have_few_positives(n_users, used):
    users, items = np.divmod(np.arange(2 * n_users), 2)
    model = TwoTowerRetriever(2, audience_weight="auto", max_iter=1, random_state=0).fit(
        np.column_stack([users, items])
    )
    assert (model._towers.audience_table is not None) == used
    # What is decided stays: the towers have the table, or do not.
    model.partial_fit(np.column_stack([np.arange(900, 960), np.zeros(60, int)]))
    assert (model._towers.audience_table is not None) == used


def test_partial_fit_adds_to_audiences():
    model = clone(TINY).fit(ROWS).partial_fit([[-1, 2], [0, 2]])
    assert model.user_ids_.tolist() == [0, 1, 2, -1]
    np.testing.assert_array_equal(members(model), [[1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]])


def test_users_who_are_folded_in_join_no_audience_and_change_no_item():
    model = clone(TINY).fit(ROWS)
    before, known = model.item_factors_.copy(), members(model)
    for user in (-1, 7, 2):  # the last is a known one, who is placed anew
        model.fold_in([[user, 0], [user, 2]])
    np.testing.assert_array_equal(model.item_factors_, before)
    np.testing.assert_array_equal(members(model)[:, :3], known)
    assert not members(model)[:, 3:].any()


def test_held_out_positives_are_in_no_audience():
    model = clone(TINY).fit(ROWS)
    validation = hold_out(model.interactions_, None, 0.5, 0)
    assert validation.positives.nnz
    towers = model._towers.with_history(validation.training, model)
    assert not towers.audience.toarray()[validation.positives.toarray().T > 0].any()


@pytest.mark.parametrize(("dropout", "most"), [(0.0, 100), (0.6, 100), (0.3, 4)])
def test_drawn_entries_are_distinct_and_each_comes_as_often_as_it_should(dropout, most):
    lengths = np.array([0, 1, 3, 17])
    indptr = np.append(0, np.cumsum(lengths))
    rows, rng, n_rounds = np.array([3, 0, 1, 2]), np.random.default_rng(0), 4000
    times = np.zeros(indptr[-1])
    for _ in range(n_rounds):
        starts, places, growth = _draw(indptr, rows, dropout, most, rng)
        assert len(np.unique(places)) == len(places) == len(growth) == starts[-1]
        for place, row in enumerate(rows):
            mine = slice(starts[place], starts[place + 1])
            assert ((places[mine] >= indptr[row]) & (places[mine] < indptr[row + 1])).all()
            # The length of a sum of unrelated vectors stays what it was.
            np.testing.assert_allclose((growth[mine] ** 2).sum(), lengths[row] * (growth[mine].size > 0), rtol=1e-5)
        times[places] += 1
    share = np.minimum(lengths * (1 - dropout), most) / np.maximum(lengths, 1)
    np.testing.assert_allclose(times / n_rounds, np.repeat(share, lengths), atol=0.035)


def test_an_unsorted_batch_of_rows_is_drawn_as_if_alone():
    matrix = csr_array(np.array([[1.0, 1, 1], [0, 1, 0]]))
    _, places, _ = _draw(matrix.indptr.astype(np.int64), np.array([1]), 0.0, 32, np.random.default_rng(0))
    assert places.tolist() == [3]


def test_audiences_help_where_items_are_known_by_few():
    X, y = fetch_movielens_100k(split="ua", subset="train", return_X_y=True)
    liked = X[["user_id", "item_id"]].to_numpy()[(y >= 4).to_numpy()]
    held = np.random.default_rng(3).random(len(liked)) < 0.1
    scores = [
        TwoTowerRetriever(32, audience_weight=weight, max_iter=15, random_state=0).fit(liked[~held]).score(liked[held])
        for weight in (0.0, 1.0)
    ]
    assert scores[1] > scores[0] + 0.0005
