"""Explicit negatives: the third state beside positive and unobserved."""

import numpy as np
import pytest
from sklearn.base import clone

from skrec import TripletMF
from skrec.datasets import make_interactions
from skrec.samplers import BaseSampler, ExplicitSampler, MixedSampler, UniformSampler

TINY = TripletMF(n_components=4, max_iter=3, random_state=0)


class Recorder(BaseSampler):
    """Uniform in plain Python, and remembers the pairs that it was asked for."""

    pairs = set()

    def __init__(self, exclude_explicit=True):
        self.exclude_explicit = exclude_explicit

    def draw_block(self, users, positives, rng):
        Recorder.pairs.update(zip(users.tolist(), positives.tolist(), strict=True))
        return rng.integers(self.n_features_in_, size=len(users))


@pytest.fixture(scope="module")
def rated():
    return make_interactions(negative_fraction=0.4, random_state=0)


def drawn_signs(model, n=100):
    """What the users are to the items that the fitted sampler draws for them: 1, -1 or 0."""
    users = np.arange(len(model.user_ids_))
    draws = model.sampler_.sample(users, n, random_state=0)
    return set(model.interactions_.toarray()[users[:, None], draws].ravel().tolist())


def test_explicit_negatives_are_never_positives(rated):
    Recorder.pairs.clear()
    model = clone(TINY).set_params(sampler=Recorder()).fit(rated.data, rated.target)
    positive = set(zip(*(side.tolist() for side in (model.interactions_ > 0).nonzero()), strict=True))
    assert Recorder.pairs == positive
    assert model.item_popularity_.sum() == rated.target.sum()


def test_they_are_not_drawn_by_default(rated):
    assert drawn_signs(clone(TINY).fit(rated.data, rated.target)) == {0}


def test_they_are_drawn_where_they_are_admitted(rated):
    model = clone(TINY).set_params(sampler=UniformSampler(exclude_explicit=False)).fit(rated.data, rated.target)
    assert drawn_signs(model) == {0, -1}


@pytest.mark.parametrize(("exclude_explicit", "signs"), [(True, {0}), (False, {0, -1})])
def test_the_rule_holds_for_samplers_in_plain_python(rated, exclude_explicit, signs):
    model = clone(TINY).set_params(sampler=Recorder(exclude_explicit)).fit(rated.data, rated.target)
    assert drawn_signs(model) == signs


def test_an_explicit_negative_that_is_not_drawn_says_nothing():
    """By default the vectors of items that a user was only shown do not move, whatever is trained."""
    X = [["u", "a"], ["u", "b"], ["u", "c"]]
    start, trained = (clone(TINY).set_params(max_iter=n).fit(X, [1, 0, 0]) for n in (0, 5))
    np.testing.assert_array_equal(start.item_factors_, trained.item_factors_)
    assert trained.zero_gradient_share_ == [1.0] * 5


def test_explicit_sampler_ranks_what_was_liked_above_what_was_not(rated):
    model = clone(TINY).set_params(n_components=16, max_iter=60, sampler=ExplicitSampler())
    model.fit(rated.data, rated.target)
    scores = model.predict(rated.data)
    liked = rated.target.to_numpy() > 0
    plain = clone(TINY).set_params(n_components=16, max_iter=60).fit(rated.data, rated.target).predict(rated.data)
    assert scores[liked].mean() - scores[~liked].mean() > plain[liked].mean() - plain[~liked].mean()
    assert np.mean(scores[liked]) > np.mean(scores[~liked]) + 0.5


def test_explicit_sampler_mixed_with_another_still_learns_the_unobserved(rated):
    mixed = MixedSampler([("shown", ExplicitSampler(), 0.5), ("any", UniformSampler(), 0.5)])
    model = clone(TINY).set_params(n_components=8, max_iter=30, sampler=mixed).fit(rated.data, rated.target)
    assert drawn_signs(model) == {0, -1}
    assert model.score(rated.data, rated.target) > 0.8


def test_users_without_explicit_negatives_learn_nothing_from_explicit_sampler():
    X = [["u", "a"], ["u", "b"], ["v", "a"], ["v", "c"]]
    start, trained = (
        clone(TINY).set_params(max_iter=n, similarity="dot", sampler=ExplicitSampler()).fit(X, [1, 0, 1, 1])
        for n in (0, 5)
    )
    np.testing.assert_array_equal(start.user_factors_[1], trained.user_factors_[1])
    assert (start.user_factors_[0] != trained.user_factors_[0]).any()


def test_what_was_seen_is_not_recommended_liked_or_not(rated):
    model = clone(TINY).fit(rated.data, rated.target)
    ids, _ = model.recommend(model.user_ids_, 150)
    recommended = {(u, i) for u, row in zip(model.user_ids_.tolist(), ids.tolist(), strict=True) for i in row if i >= 0}
    seen = set(zip(rated.data["user_id"].tolist(), rated.data["item_id"].tolist(), strict=True))
    assert not recommended & seen


def test_training_negatives_are_among_the_items_that_score_ranks():
    """Of four items, the held-out one beats the shown one and loses to the unobserved one; the positive is out."""
    model = TripletMF(n_components=1, max_iter=0, similarity="dot", random_state=0)
    model.fit([["u", "a"], ["u", "shown"], ["v", "other"], ["v", "held"]], [1, 0, 1, 1])
    values = dict(zip(model.item_ids_, (model.item_factors_ @ model.user_factors_[0]).tolist(), strict=True))
    wins = (values["held"] > values["shown"]) + (values["held"] > values["other"])
    assert model.score([["u", "held"]]) == wins / 2


def test_rows_at_or_below_zero_and_false_are_explicit_negatives():
    X = [["u", "a"], ["u", "b"], ["u", "c"], ["v", "a"]]
    models = [clone(TINY).fit(X, y) for y in ([1, 0, 0, 1], [2.5, -1, 0, 0.5], [True, False, False, True])]
    for model in models:
        assert model.interactions_.toarray().tolist() == [[1, -1, -1], [1, 0, 0]]
    np.testing.assert_array_equal(models[0].user_factors_, models[1].user_factors_)
    np.testing.assert_array_equal(models[0].user_factors_, models[2].user_factors_)


def test_a_pair_with_both_is_a_positive():
    model = clone(TINY).fit([["u", "a"], ["u", "a"], ["v", "b"]], [0, 1, 1])
    assert model.interactions_.toarray().tolist() == [[1, 0], [0, 1]]


def test_a_later_positive_makes_an_explicit_negative_a_positive():
    model = clone(TINY).partial_fit([["u", "a"], ["u", "b"]], [1, 0]).partial_fit([["u", "b"]])
    assert model.interactions_.toarray().tolist() == [[1, 1]]
    model.partial_fit([["u", "a"]], [0])
    assert model.interactions_.toarray().tolist() == [[1, 1]]
