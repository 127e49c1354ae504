"""What sample weights and explicit negatives do."""

import numpy as np
import pytest
from sklearn.base import clone

from skrec import TwoTowerRetriever
from skrec.datasets import make_interactions
from skrec.samplers import InBatchSampler, UniformSampler

TINY = TwoTowerRetriever(n_components=8, max_iter=3, batch_size=64, random_state=0)
MODELS = {
    "exact": TINY,
    "dot, bpr": clone(TINY).set_params(similarity="dot", loss="bpr"),
    "sampled": clone(TINY).set_params(sampler=UniformSampler(), n_negatives=50),
    "in batch": clone(TINY).set_params(sampler=InBatchSampler()),
    "layers": clone(TINY).set_params(hidden_layers=(12,)),
}
each_model = pytest.mark.parametrize("name", MODELS)


def assert_same(first, second):
    np.testing.assert_array_equal(first.user_factors_, second.user_factors_)
    np.testing.assert_array_equal(first.item_factors_, second.item_factors_)
    np.testing.assert_array_equal(first.user_ids_, second.user_ids_)
    assert first.loss_curve_ == second.loss_curve_


@each_model
def test_weight_zero_is_removal(rated, name):
    X, y = rated
    kept = np.random.default_rng(0).random(len(y)) < 0.7
    kept[X[:, 0] == 7] = False
    weighted = clone(MODELS[name]).fit(X, y, sample_weight=kept.astype(float))
    assert_same(weighted, clone(MODELS[name]).fit(X[kept], y[kept]))


@each_model
def test_weight_one_is_no_weight(rated, name):
    X, y = rated
    assert_same(clone(MODELS[name]).fit(X, y, sample_weight=np.ones(len(y))), clone(MODELS[name]).fit(X, y))


@each_model
def test_a_row_of_weight_two_is_the_row_twice(rated, name):
    X, y = rated
    twice = np.random.default_rng(0).random(len(y)) < 0.3
    weighted = clone(MODELS[name]).fit(X, y, sample_weight=1.0 + twice)
    assert_same(weighted, clone(MODELS[name]).fit(np.vstack([X, X[twice]]), np.append(y, y[twice])))


def test_one_weight_for_all_rows_changes_nothing_to_speak_of(rated):
    """A user counts by the root of the weights, but only beside the others."""
    X, y = rated
    plain, heavy = clone(TINY).fit(X, y), clone(TINY).fit(X, y, sample_weight=np.full(len(y), 4.0))
    np.testing.assert_allclose(heavy.loss_curve_, plain.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(heavy.predict(X), plain.predict(X), atol=0.02)


def test_heavy_rows_are_learnt_at_the_cost_of_others(rated):
    X, y = rated
    heavy = np.random.default_rng(0).random(len(y)) < 0.2
    model = clone(TINY).set_params(max_iter=10)
    weighted = clone(model).fit(X, y, sample_weight=np.where(heavy, 10.0, 1.0)).predict(X)
    gain = weighted - clone(model).fit(X, y).predict(X)
    assert gain[heavy & (y > 0)].mean() > gain[~heavy & (y > 0)].mean() + 0.05


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weights_below_zero_or_not_finite_are_an_error(rated, weight):
    X, y = rated
    sample_weight = np.ones(len(y))
    sample_weight[3] = weight
    with pytest.raises(ValueError, match="[Nn]egative|NaN|infinity"):
        clone(TINY).fit(X, y, sample_weight=sample_weight)


def gap(model, X, y):
    """How far liked rows score above disliked ones."""
    scores = model.predict(X)
    return scores[y > 0].mean() - scores[y == 0].mean()


@pytest.mark.parametrize("sampler", [None, UniformSampler(), InBatchSampler()], ids=str)
def test_the_more_explicit_negatives_weigh_the_lower_they_score(rated, sampler):
    X, y = rated
    model = clone(TINY).set_params(n_components=16, max_iter=15, sampler=sampler, n_negatives=100)
    gaps = [
        gap(clone(model).set_params(explicit_negative_weight=weight).fit(X, y), X, y) for weight in (0.0, 1.0, 20.0)
    ]
    assert gaps[0] + 0.02 < gaps[1] < gaps[2] - 0.02


@pytest.mark.parametrize("sampler", [None, UniformSampler()], ids=str)
def test_explicit_negatives_of_weight_zero_do_not_compete(sampler):
    X, y = [["u", "a"], ["u", "b"]], [1, 0]
    model = clone(TINY).set_params(sampler=sampler)
    assert model.set_params(explicit_negative_weight=0.0).fit(X, y).loss_curve_ == pytest.approx([0, 0, 0], abs=1e-6)
    assert model.set_params(explicit_negative_weight=1.0).fit(X, y).loss_curve_[0] > 0.01


def test_very_heavy_explicit_negatives_stay_finite(rated):
    X, y = rated
    for loss in ("softmax", "bpr", "hinge", "contrastive"):
        model = clone(TINY).set_params(explicit_negative_weight=1e30, loss=loss).fit(X, y)
        assert np.isfinite(model.loss_curve_).all() and np.isfinite(model.predict(X)).all()


def test_other_losses_know_weight_zero_and_not_zero(rated):
    X, y = rated
    fits = {
        weight: clone(TINY).set_params(loss="bpr", explicit_negative_weight=weight).fit(X, y) for weight in (0, 1, 5.0)
    }
    assert_same(fits[1], fits[5.0])
    assert (fits[0].user_factors_ != fits[1].user_factors_).any()


def test_explicit_negatives_are_no_history_and_do_not_make_an_item_popular(rated):
    X, y = rated
    model = clone(TINY).fit(X, y)
    assert model._towers.history.nnz == (model.interactions_ > 0).sum() == model.item_popularity_.sum()


def test_a_later_positive_makes_an_explicit_negative_a_positive():
    model = clone(TINY).partial_fit([["u", "a"], ["u", "b"]], [1, 0]).partial_fit([["u", "b"]])
    assert model.interactions_.toarray().tolist() == [[1, 1]]
    model.partial_fit([["u", "a"]], [0])
    assert model.interactions_.toarray().tolist() == [[1, 1]]


def test_component_weights_of_gmf_are_learnt_and_pulled_to_one():
    X, y = make_interactions(60, 40, 900, random_state=0, return_X_y=True)
    model = TwoTowerRetriever(4, similarity="gmf", loss="hinge", history_weight=0.0, max_iter=5, random_state=0)
    learnt = model.fit(X, y).user_tower_["components"]
    assert np.abs(learnt - 1).max() > 0.01
    held = model.set_params(l2=10.0).fit(X, y).user_tower_["components"]
    assert np.abs(held - 1).max() < np.abs(learnt - 1).max() / 2
    with pytest.raises(ValueError, match="similarity is not what the towers were made with"):
        model.set_params(warm_start=True, similarity="dot").fit(X, y)
