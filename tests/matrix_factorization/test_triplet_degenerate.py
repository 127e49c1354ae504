"""Data with nothing to learn from: a defined result, no crash, no NaN."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning

from skrec import TripletMF
from skrec.samplers import (
    BaseSampler,
    DynamicSampler,
    ExplicitSampler,
    MixedSampler,
    PopularitySampler,
    UniformSampler,
    WARPSampler,
)


class Python(BaseSampler):
    """Item 0, in plain Python."""

    def draw_block(self, users, positives, rng):
        return np.zeros(len(users), int)


SAMPLERS = [
    UniformSampler(),
    PopularitySampler(),
    DynamicSampler(),
    WARPSampler(),
    ExplicitSampler(),
    MixedSampler([("a", UniformSampler(), 1), ("b", DynamicSampler(n_candidates=3, top_m=2), 1)]),
    Python(),
]
DATA = {
    "one row": ([["u", "a"]], None),
    "one item": ([["u", "a"], ["v", "a"], ["w", "a"]], None),
    "one user": ([["u", "a"], ["u", "b"], ["u", "c"]], [1, 1, 0]),
    "all rows the same pair": ([["u", "a"]] * 5, None),
    "every user has every item": ([[u, i] for u in "uvw" for i in "abc"], None),
    "two items": ([["u", "a"], ["v", "b"]], None),
    "all else explicit": ([[u, i] for u in "uv" for i in "abc"], [1, 0, 0, 1, 0, 0]),
}


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("similarity", ["cosine", "dot", "gmf"])
def test_result_is_finite(data, sampler, similarity):
    X, y = DATA[data]
    model = TripletMF(
        n_components=3, similarity=similarity, sampler=sampler, item_bias=True, max_iter=3, n_jobs=2, random_state=0
    ).fit(X, y)
    n_users, n_items = len({u for u, _ in X}), len({i for _, i in X})
    assert model.user_factors_.shape == (n_users, 3)
    assert model.item_factors_.shape == (n_items, 3)
    assert np.isfinite(model.predict(X)).all()
    assert np.isfinite(model.loss_curve_).all()
    ids, scores = model.recommend(model.user_ids_, n_items + 1, exclude_seen=False)
    assert sorted(ids[0, :-1]) == model.item_ids_.tolist()
    assert ids[0, -1] is None and scores[0, -1] == -np.inf
    model.partial_fit(X, y)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("data", ["one row", "one item", "all rows the same pair", "every user has every item"])
def test_without_a_negative_nothing_is_learnt(data):
    X, y = DATA[data]
    model = TripletMF(n_components=3, max_iter=3, random_state=0)
    trained, start = clone(model).fit(X, y), clone(model).set_params(max_iter=0).fit(X, y)
    np.testing.assert_array_equal(trained.user_factors_, start.user_factors_)
    np.testing.assert_array_equal(trained.item_factors_, start.item_factors_)
    assert trained.loss_curve_ == [0.0, 0.0, 0.0]
    assert trained.zero_gradient_share_ == [1.0, 1.0, 1.0]


def test_without_a_negative_the_score_is_nan_with_a_warning():
    X, y = DATA["every user has every item"]
    model = TripletMF(n_components=3, max_iter=1, random_state=0).fit(X, y)
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(model.score(X, y))


def test_a_user_with_every_item_does_not_disturb_the_others(planted):
    rows = planted.data[["user_id", "item_id"]].to_numpy()
    everything = np.column_stack([np.full(150, 1000), np.arange(150)])
    model = TripletMF(n_components=8, max_iter=20, random_state=0).fit(np.vstack([rows, everything]))
    assert model.score(rows) > 0.9
    ids, scores = model.recommend([1000], 3)
    assert ids.tolist() == [[-1, -1, -1]] and np.isneginf(scores).all()


def test_zero_epochs_leave_random_vectors():
    X, y = DATA["one user"]
    model = TripletMF(n_components=3, max_iter=0, random_state=0).fit(X, y)
    assert model.loss_curve_ == model.zero_gradient_share_ == []
    assert model.n_iter_ == 0
    np.testing.assert_allclose(np.linalg.norm(model.item_factors_, axis=1), 1, rtol=1e-5)
    other = TripletMF(n_components=3, max_iter=0, random_state=1).fit(X, y)
    assert (model.item_factors_ != other.item_factors_).all()


def test_zero_epochs_ignore_early_stopping():
    X, _ = DATA["two items"]
    model = TripletMF(n_components=3, max_iter=0, early_stopping=True, random_state=0).fit(X)
    assert not hasattr(model, "validation_scores_")


def test_two_items_are_ranked():
    model = TripletMF(n_components=3, max_iter=20, random_state=0).fit(DATA["two items"][0])
    assert model.recommend(["u", "v"], 1, exclude_seen=False)[0].ravel().tolist() == ["a", "b"]


def test_one_component_is_enough_to_be_defined(planted):
    model = TripletMF(n_components=1, max_iter=3, random_state=0).fit(planted.data)
    np.testing.assert_allclose(np.abs(model.user_factors_), 1, rtol=1e-5)
