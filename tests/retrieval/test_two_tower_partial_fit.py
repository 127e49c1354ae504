"""Learning in batches, going on from an earlier fit, and placing users without training the rest."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skrec import TwoTowerRetriever
from skrec.retrieval import ExactIndex
from skrec.samplers import UniformSampler

TINY = TwoTowerRetriever(n_components=8, max_iter=3, batch_size=64, random_state=0)


def state(model):
    """Vectors by id."""
    users = dict(zip(model.user_ids_.tolist(), model.user_factors_.tolist(), strict=True))
    items = dict(zip(model.item_ids_.tolist(), model.item_factors_.tolist(), strict=True))
    return users, items


@pytest.mark.parametrize("sampler", [None, UniformSampler()])
def test_first_call_is_an_epoch_at_the_full_learning_rate(rows, sampler):
    model = clone(TINY).set_params(batch_size=1000, sampler=sampler, n_negatives=50)
    first = clone(model).partial_fit(rows)
    assert state(first) == state(clone(model).set_params(max_iter=1).fit(rows))
    assert first.n_iter_ == 1
    first.partial_fit(rows)
    assert first.n_iter_ == len(first.loss_curve_) == 2


def test_learning_in_epochs_of_partial_fit_gets_as_far_as_fit(planted):
    train, test = planted.data.iloc[planted.train], planted.data.iloc[planted.test]
    model = clone(TINY).set_params(max_iter=5)
    parts = clone(model)
    for _ in range(5):
        parts.partial_fit(train)
    assert parts.score(test) > model.fit(train).score(test) - 0.03


def test_new_users_and_items_get_rows_of_their_own_and_known_ones_keep_their_codes(rows):
    model = clone(TINY).fit(rows)
    users, items = model.user_ids_, model.item_ids_
    model.partial_fit([[1000, 2000], [1000, items[0]], [users[0], 2000]])
    assert model.user_ids_.tolist() == [*users.tolist(), 1000]
    assert model.item_ids_.tolist() == [*items.tolist(), 2000]
    assert model.user_factors_.shape == (len(users) + 1, 8)
    assert model.item_factors_.shape == (len(items) + 1, 8)
    assert model.item_popularity_[-1] == 2
    assert 2000 not in model.recommend([1000], 100)[0]


def test_users_without_new_rows_keep_their_vectors_where_these_are_theirs_alone(rows):
    model = clone(TINY).set_params(history_weight=0.0).fit(rows)
    before, _ = state(model)
    batch = rows[rows[:, 0] < 20]
    after, _ = state(model.partial_fit(batch))
    told = set(batch[:, 0].tolist())
    assert all(after[user] == before[user] for user in before if user not in told)
    assert all(after[user] != before[user] for user in told)


def test_earlier_positives_stay_in_the_history_and_out_of_the_negatives():
    model = clone(TINY).partial_fit([["u", "a"], ["v", "b"]])
    assert model.loss_curve_[-1] > 0.1
    model.partial_fit([["u", "b"]])
    # There is nothing left that the new positive could lose to.
    assert model.loss_curve_[-1] == pytest.approx(0.0, abs=1e-6)
    assert model._towers.history.toarray().astype(bool).tolist() == [[True, True], [False, True]]


def test_earlier_positives_are_not_trained_on_again(rows):
    model = clone(TINY).set_params(history_weight=0.0).fit(rows)
    before = model._towers.user_table.counts.copy()
    model.partial_fit(rows[rows[:, 0] == 7][:1])
    stepped = np.flatnonzero(model._towers.user_table.counts - before)
    assert stepped.tolist() == [7]


def test_weights_of_a_batch_count_in_that_batch_alone(rows):
    first, second = rows[:8000], rows[8000:]
    models = [clone(TINY).fit(first, sample_weight=np.full(len(first), 3.0)) for _ in range(2)]
    models[0].partial_fit(second, sample_weight=np.ones(len(second)))
    models[1].partial_fit(second)
    assert state(models[0]) == state(models[1])


def test_going_on_does_not_write_into_what_was_handed_out(rows):
    model = clone(TINY).set_params(hidden_layers=(6,)).fit(rows)
    kept = pickle.dumps([model.user_factors_, model._towers])
    handed_out = [model.user_factors_, model._towers]
    model.partial_fit(rows)
    model.fold_in([[7, rows[0, 1]]])
    assert pickle.dumps(handed_out) == kept


def test_warm_start_goes_on_where_the_last_fit_ended(rows):
    model = clone(TINY).set_params(warm_start=True)
    losses = [model.fit(rows).loss_curve_[-1] for _ in range(3)]
    assert losses[0] > losses[1] > losses[2]
    assert model.n_iter_ == 3
    cold = clone(TINY).fit(rows)
    assert cold.fit(rows).loss_curve_[-1] == losses[0]


def test_warm_start_finds_ids_again_where_the_rows_are_others(rows):
    model = clone(TINY).set_params(warm_start=True, history_weight=0.0).fit(rows)
    users, items = state(model)
    model.set_params(max_iter=0).fit(np.vstack([[[1000, 2000]], rows[rows[:, 0] % 3 == 1]]))
    new_users, new_items = state(model)
    assert set(new_users) == {1000, *(user for user in users if user % 3 == 1)}
    assert all(new_users[user] == users[user] for user in new_users if user != 1000)
    assert all(new_items[item] == items[item] for item in new_items if item != 2000)
    assert not any(new_users[1000]) and not any(new_items[2000])


CHANGES = [{"n_components": 5}, {"hidden_layers": (4,)}, {"user_embedding": False}, {"history_weight": 0.0}]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_going_on_with_other_towers_is_an_error_and_changes_nothing(rows, change):
    model = clone(TINY).set_params(warm_start=True).fit(rows)
    before = state(model)
    model.set_params(**change)
    for call in (model.fit, model.partial_fit, model.fold_in):
        with pytest.raises(ValueError, match=f"{next(iter(change))}.*warm_start=False"):
            call(rows)
        assert state(model) == before


def test_fit_without_warm_start_starts_anew(rows):
    model = clone(TINY).fit(rows)
    first, losses = state(model), model.loss_curve_
    model.partial_fit(rows[:100])
    model.fold_in([[1000, rows[0, 1]]])
    assert state(model.fit(rows)) == first
    assert model.loss_curve_ == losses


FOLDED = {
    "exact": clone(TINY),
    "sampled": clone(TINY).set_params(sampler=UniformSampler(), n_negatives=60),
    "no history": clone(TINY).set_params(history_weight=0.0),
    "history alone": clone(TINY).set_params(user_embedding=False),
    "layers": clone(TINY).set_params(hidden_layers=(16,)),
}


@pytest.mark.parametrize("name", FOLDED)
def test_fold_in_places_new_users_nearly_as_well_as_training_does(planted, name):
    columns = ["user_id", "item_id"]
    train, test = planted.data.iloc[planted.train][columns], planted.data.iloc[planted.test][columns]
    late, late_test = train[train["user_id"] >= 300], test[test["user_id"] >= 300]
    model = clone(FOLDED[name]).set_params(max_iter=12)
    everyone = clone(model).fit(train).score(late_test)
    model.fit(train[train["user_id"] < 300])
    before_users, before_items = state(model)
    users, items = state(model.fold_in(late))
    assert items == before_items
    assert all(users[user] == vector for user, vector in before_users.items())
    assert model.score(late_test) > max(everyone - 0.06, 0.75)
    assert not {*model.recommend([300], 20)[0].ravel()} & {*late["item_id"][late["user_id"] == 300]}


def test_fold_in_is_the_same_each_time_and_for_any_number_of_threads(rows):
    late = rows[rows[:, 0] >= 300]
    model = clone(TINY).fit(rows[rows[:, 0] < 300])
    copies = [pickle.loads(pickle.dumps(model)).set_params(n_jobs=n_jobs).fold_in(late) for n_jobs in (1, 1, 2)]
    assert state(copies[0]) == state(copies[1]) == state(copies[2])


def test_fold_in_places_a_known_user_again_by_all_rows(rows):
    model = clone(TINY).fit(rows)
    before, _ = state(model)
    item = np.setdiff1d(model.item_ids_, rows[rows[:, 0] == 7, 1])[0]
    old_score = model.predict([[7, item]])[0]
    after, _ = state(model.fold_in([[7, item]]))
    assert [user for user in before if after[user] != before[user]] == [7]
    assert model.predict([[7, item]])[0] > old_score
    assert model.interactions_[7].sum() == len(rows[rows[:, 0] == 7]) + 1


def test_fold_in_refuses_unknown_items_and_changes_nothing(rows):
    model = clone(TINY).fit(rows)
    before = vars(model).copy()
    with pytest.raises(ValueError, match=r"1 item\(s\) that the estimator was not fitted on: 2000.*partial_fit"):
        model.fold_in([[1000, 2000], [1000, rows[0, 1]]])
    assert vars(model) == before


def test_fold_in_of_dislikes_alone_leaves_the_user_to_popularity(rows):
    model = clone(TINY).fit(rows)
    model.fold_in([[1000, rows[0, 1]]], [0])
    popular, _ = model.recommend([5000], 10, exclude_seen=False)
    np.testing.assert_array_equal(model.recommend([1000], 10, exclude_seen=False)[0], popular)
    assert rows[0, 1] not in model.recommend([1000], 150)[0]


def test_fold_in_keeps_the_index(rows):
    model = clone(TINY).set_params(index=ExactIndex()).fit(rows)
    index = model.index_
    assert model.fold_in([[1000, rows[0, 1]]]).index_ is index
    assert model.partial_fit([[1000, rows[1, 1]]]).index_ is not index


def test_fold_in_needs_a_fitted_estimator(rows):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        clone(TINY).fold_in(rows)
