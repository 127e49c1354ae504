"""Learning in batches, and going on from an earlier fit."""

import numpy as np
import pytest
from sklearn.base import clone

from skrec import TripletMF
from skrec.samplers import BaseSampler

TINY = TripletMF(n_components=4, max_iter=3, random_state=0)


class Recorder(BaseSampler):
    """Uniform in plain Python, and remembers what it was asked for."""

    asked = []

    def draw_block(self, users, positives, rng):
        Recorder.asked.append((users.copy(), positives.copy()))
        return rng.integers(self.n_features_in_, size=len(users))


def state(model):
    """Vectors by id."""
    users = dict(zip(model.user_ids_.tolist(), model.user_factors_.tolist(), strict=True))
    items = dict(zip(model.item_ids_.tolist(), model.item_factors_.tolist(), strict=True))
    return users, items


def assert_kept(new, old, similarity="cosine"):
    """The ids of `old` have the vectors that they had: to the bit, for cosine to that of scaling back and forth."""
    new, old = np.array([new[name] for name in old]), np.array(list(old.values()))
    np.testing.assert_allclose(new, old, rtol=0, atol=3e-7 if similarity == "cosine" else 0)


@pytest.fixture
def rows(planted):
    return planted.data[["user_id", "item_id"]].to_numpy()


@pytest.mark.parametrize("similarity", ["cosine", "dot", "gmf"])
def test_first_call_is_fit_with_one_epoch(rows, similarity):
    model = clone(TINY).set_params(similarity=similarity)
    once = clone(model).set_params(max_iter=1).fit(rows)
    first = clone(model).partial_fit(rows)
    assert state(first) == state(once)
    assert first.loss_curve_ == once.loss_curve_
    assert first.n_iter_ == 1


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "sgd"])
@pytest.mark.parametrize("similarity", ["dot", "gmf"])
def test_epochs_of_partial_fit_are_those_of_fit(rows, similarity, optimizer):
    model = clone(TINY).set_params(similarity=similarity, optimizer=optimizer, learning_rate=0.02, item_bias=True)
    whole = clone(model).fit(rows)
    parts = clone(model).partial_fit(rows).partial_fit(rows).partial_fit(rows)
    assert state(parts) == state(whole)
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.zero_gradient_share_ == whole.zero_gradient_share_
    assert parts.n_iter_ == 3


def test_epochs_of_partial_fit_are_those_of_fit_to_rounding_for_the_cosine(rows):
    whole = clone(TINY).fit(rows)
    parts = clone(TINY).partial_fit(rows).partial_fit(rows).partial_fit(rows)
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(parts.user_factors_, whole.user_factors_, atol=1e-3)


def test_new_users_and_items_get_rows_of_their_own(rows):
    model = clone(TINY).fit(rows)
    known_users, known_items = model.user_ids_, model.item_ids_
    model.partial_fit([[1000, 2000], [1000, known_items[0]], [known_users[0], 2000]])
    assert model.user_ids_.tolist() == [*known_users.tolist(), 1000]
    assert model.item_ids_.tolist() == [*known_items.tolist(), 2000]
    assert model.user_factors_.shape == (len(known_users) + 1, 4)
    assert model.item_factors_.shape == (len(known_items) + 1, 4)
    assert model.interactions_.shape == (len(known_users) + 1, len(known_items) + 1)
    assert model.item_popularity_[-1] == 2
    assert 2000 not in model.recommend([1000], 100)[0]


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "sgd"])
def test_users_without_new_rows_keep_their_vectors(rows, similarity, optimizer):
    model = clone(TINY).set_params(similarity=similarity, optimizer=optimizer, learning_rate=0.02).fit(rows)
    before, _ = state(model)
    batch = rows[rows[:, 0] < 20]
    model.partial_fit(batch)
    after, _ = state(model)
    told = set(batch[:, 0].tolist())
    assert_kept(after, {user: vector for user, vector in before.items() if user not in told}, similarity)
    assert max(np.abs(np.subtract(after[user], before[user])).max() for user in told) > 1e-3


def test_earlier_positives_are_neither_trained_on_nor_drawn(rows):
    first, second = rows[:8000], rows[8000:]
    model = clone(TINY).set_params(sampler=Recorder())
    Recorder.asked.clear()
    model.partial_fit(first).partial_fit(second)
    users, positives = Recorder.asked[-1]
    trained = {(model.user_ids_[u], model.item_ids_[i]) for u, i in zip(users, positives, strict=True)}
    assert trained == set(map(tuple, second.tolist()))
    draws = model.sampler_.sample(np.arange(len(model.user_ids_)), 200, random_state=0)
    seen = model.interactions_.toarray() > 0
    assert not seen[np.arange(len(draws))[:, None], draws].any()


def test_a_user_with_nothing_left_to_draw_learns_nothing():
    """Were an earlier positive drawn, the one item left would be it."""
    model = clone(TINY).partial_fit([["u", "a"], ["v", "b"]])
    before, _ = state(model)
    model.partial_fit([["u", "b"]])
    after, _ = state(model)
    assert_kept(after, before)
    assert model.zero_gradient_share_[-1] == 1.0


def test_weights_of_a_batch_count_in_that_batch_alone(rows):
    first, second = rows[:8000], rows[8000:]
    model = clone(TINY).fit(first, sample_weight=np.full(len(first), 3.0))
    plain = clone(TINY).fit(first, sample_weight=np.full(len(first), 3.0))
    model.partial_fit(second, sample_weight=np.ones(len(second)))
    plain.partial_fit(second)
    assert state(model) == state(plain)


def test_warm_start_goes_on_where_the_last_fit_ended(rows):
    model = clone(TINY).set_params(similarity="dot", warm_start=True)
    losses = [*model.fit(rows).loss_curve_, *model.fit(rows).loss_curve_]
    whole = clone(TINY).set_params(similarity="dot", max_iter=6).fit(rows)
    assert losses == whole.loss_curve_
    assert state(model) == state(whole)
    assert model.n_iter_ == 3


def test_warm_start_without_epochs_keeps_the_vectors_of_known_ids(rows):
    model = clone(TINY).set_params(warm_start=True).fit(rows)
    users, items = state(model)
    model.set_params(max_iter=0).fit(np.vstack([rows[rows[:, 0] != 7], [[1000, 2000]]]))
    new_users, new_items = state(model)
    assert 7 not in new_users and 1000 in new_users and 2000 in new_items
    assert_kept(new_users, {user: vector for user, vector in users.items() if user != 7})
    assert_kept(new_items, {item: vector for item, vector in items.items() if item in new_items})


@pytest.mark.parametrize("change", [{"n_components": 5}, {"similarity": "dot"}])
def test_going_on_with_other_vectors_is_an_error_and_changes_nothing(rows, change):
    model = clone(TINY).set_params(warm_start=True).fit(rows)
    before = state(model)
    model.set_params(**change)
    with pytest.raises(ValueError, match="n_components.*similarity.*warm_start=False"):
        model.fit(rows)
    with pytest.raises(ValueError, match="n_components.*similarity"):
        model.partial_fit(rows)
    assert state(model) == before


def test_fit_without_warm_start_starts_anew(rows):
    model = clone(TINY).fit(rows)
    first, losses = state(model), model.loss_curve_
    model.partial_fit(rows[:100])
    model.fit(rows)
    assert state(model) == first
    assert model.loss_curve_ == losses


def test_going_on_does_not_write_into_what_was_handed_out(rows):
    model = clone(TINY).set_params(similarity="dot").fit(rows)
    users, kept = model.user_factors_, model.user_factors_.copy()
    model.partial_fit(rows)
    np.testing.assert_array_equal(users, kept)
