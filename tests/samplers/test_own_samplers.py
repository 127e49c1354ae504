"""Samplers and losses written outside the package work like the package's own."""

import pickle

import numpy as np
import pytest
from outside.own import LowSampler, NextItemSampler, OwnItemSampler, SquaredLoss
from scipy.sparse import csr_array
from sklearn.base import clone

from skrec import TripletMF
from skrec.samplers import MixedSampler, UniformSampler

N_USERS, N_ITEMS = 12, 20


def pairs():
    """Each user with three items, none of them items 0 to 2."""
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.choice(np.arange(3, N_ITEMS), 3, replace=False) for _ in range(N_USERS)])
    return np.column_stack([np.repeat(np.arange(N_USERS), 3), items])


def matrix():
    X = pairs()
    return csr_array((np.ones(len(X)), (X[:, 0], X[:, 1])), shape=(N_USERS, N_ITEMS))


def fit(**parameters):
    parameters = {"n_components": 4, "max_iter": 2, "random_state": 0, **parameters}
    # Items 0 to 2 are in the catalogue by a user of their own.
    X = np.vstack([pairs(), [[N_USERS, 0], [N_USERS, 1], [N_USERS, 2]]])
    return TripletMF(**parameters).fit(X)


def test_a_plain_python_sampler_is_asked_for_every_positive_in_every_epoch():
    model = fit(sampler=NextItemSampler())
    asked = model.sampler_.asked_
    assert len(asked) == 2  # one call an epoch
    for users, positives in asked:
        got = csr_array((np.ones(len(users)), (users, positives)), shape=model.interactions_.shape)
        np.testing.assert_array_equal(got.toarray(), model.interactions_.toarray())


def test_a_plain_python_sampler_draws_what_it_says():
    sampler = NextItemSampler().fit([[1, 0, 0], [0, 0, 1]])
    assert sampler.sample([0, 1, 0], n_samples=2, random_state=0).tolist() == [[1, 1], [-1, -1], [1, 1]]


def test_a_seen_item_drawn_in_python_is_replaced_by_an_unseen_one():
    sampler = NextItemSampler().fit([[1, 1, 0, 0], [0, 0, 0, 1]])
    drawn = sampler.sample([0], n_samples=200, random_state=0)
    assert set(drawn.ravel().tolist()) == {2, 3}


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (lambda users: users[:-1], "one integer item code for each of the 36"),
        (lambda users: users * 0.5, "type float64"),
        (lambda users: users + 100, "item codes from 0 to 19"),
        (lambda users: users * 0 - 2, "item codes from 0 to 19, or -1 for none"),
    ],
    ids=["too few", "floats", "unknown items", "below -1"],
)
def test_a_wrong_answer_of_draw_block_is_named(answer, what):
    class Wrong(OwnItemSampler):
        def draw_block(self, users, positives, rng):
            return answer(users)

    with pytest.raises(ValueError, match="Wrong.draw_block must return") as caught:
        TripletMF(n_components=2, max_iter=1, sampler=Wrong()).fit(
            np.column_stack([np.repeat(np.arange(12), 3), np.arange(36) % 20])
        )
    assert what in str(caught.value)


def test_a_mixture_gives_each_user_the_negatives_drawn_for_that_user():
    mixed = MixedSampler([("easy", UniformSampler(), 0.5), ("own", OwnItemSampler(), 0.5)]).fit(
        np.eye(6, 8, 7) + np.eye(6, 8, -6)
    )
    users = np.repeat(np.arange(6), 50)
    drawn = mixed.sample(users, n_samples=20, random_state=0)
    own = (drawn == users[:, None]).reshape(6, -1)
    # By the own half always, by the easy half in one of the 7 or 8 unseen items.
    np.testing.assert_allclose(own.mean(axis=1), 0.5 + 0.5 / 8, atol=0.07)
    others = [np.bincount(row[row != u], minlength=8).max() for u, row in enumerate(drawn.reshape(6, -1))]
    assert max(others) < 0.15 * drawn.reshape(6, -1).shape[1]


def test_a_python_sampler_in_a_nested_mixture_stays_aligned_too():
    inner = MixedSampler([("own", OwnItemSampler(), 1.0), ("low", LowSampler(), 1.0)])
    mixed = MixedSampler([("inner", inner, 0.5), ("own", OwnItemSampler(), 0.5)]).fit(np.eye(6, 8, 2))
    users = np.tile(np.arange(3, 6), 40)
    drawn = mixed.sample(users, n_samples=20, random_state=0)
    own = drawn == users[:, None]
    assert (own | (drawn < 3)).all()
    assert own.mean() == pytest.approx(0.75, abs=0.03)


def test_a_numba_sampler_trains_a_model():
    model = fit(sampler=LowSampler(below=3), optimizer="sgd", learning_rate=0.1, max_iter=5)
    before = fit(sampler=LowSampler(below=3), max_iter=0)
    # Items that no user has and the sampler draws: only these are pushed away without ever being pulled.
    moved = np.abs(model.item_factors_ - before.item_factors_).max(axis=1)
    assert (moved[:3] > 0).all()
    assert np.isfinite(model.loss_curve_).all() and model.loss_curve_[-1] < model.loss_curve_[0]


def test_a_numba_sampler_draws_from_its_own_state():
    sampler = LowSampler(below=4).fit(matrix())
    drawn = sampler.sample(np.arange(N_USERS), n_samples=50, random_state=0)
    assert set(np.unique(drawn).tolist()) <= {0, 1, 2, 3}
    assert not matrix().toarray()[np.arange(N_USERS)[:, None], drawn].any()


@pytest.mark.parametrize(
    ("sampler", "loss"),
    [(NextItemSampler(), "hinge"), (LowSampler(below=5), SquaredLoss(target=0.5))],
    ids=["python", "numba"],
)
def test_own_samplers_work_in_a_mixture_in_a_fit(sampler, loss):
    mixed = MixedSampler([("easy", UniformSampler(), 0.5), ("own", sampler, 0.5)])
    one, same = fit(sampler=mixed, loss=loss), fit(sampler=clone(mixed), loss=loss)
    np.testing.assert_array_equal(one.item_factors_, same.item_factors_)
    assert not np.array_equal(one.item_factors_, fit(sampler=UniformSampler(), loss=loss).item_factors_)


def test_own_samplers_pickle_with_the_model():
    mixed = MixedSampler([("easy", UniformSampler(), 0.5), ("low", LowSampler(below=2), 0.5)])
    model = fit(sampler=mixed, loss=SquaredLoss(target=0.5))
    again = pickle.loads(pickle.dumps(model))
    assert again.sampler_.samplers_[1][1].below == 2
    np.testing.assert_array_equal(again.item_factors_, model.item_factors_)


def test_a_sampler_that_defines_neither_way_says_so():
    from skrec.samplers import BaseSampler

    class Empty(BaseSampler):
        pass

    with pytest.raises(NotImplementedError, match="Empty defines neither draw_block nor _make_state"):
        fit(sampler=Empty())


def test_a_loss_of_ones_own_is_evaluated_and_trained_with():
    loss = SquaredLoss(target=1.0)
    np.testing.assert_allclose(loss([3.0, 1.0], [1.0, 1.0]), [0.5, 0.5])
    np.testing.assert_allclose(loss.gradient([3.0, 1.0], [1.0, 1.0]), [[1.0, -1.0], [-1.0, 1.0]])
    model = fit(loss=SquaredLoss(target=0.5), max_iter=10)
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]
    assert fit(loss=SquaredLoss(target=0.7), max_iter=10).loss_curve_ != model.loss_curve_
