"""What a sample weight does to a step."""

import numpy as np
import pytest
from sklearn.base import clone

from skrec import TripletMF
from skrec.datasets import make_interactions
from skrec.samplers import BaseSampler, DynamicSampler

SGD = TripletMF(
    n_components=4, similarity="dot", loss="bpr", optimizer="sgd", learning_rate=0.05, max_iter=1, random_state=0
)


class Python(BaseSampler):
    """Uniform, in plain Python."""

    def draw_block(self, users, positives, rng):
        return rng.integers(self.n_features_in_, size=len(users))


MODELS = [
    SGD,
    TripletMF(n_components=4, max_iter=3, random_state=0),
    TripletMF(n_components=4, max_iter=3, similarity="gmf", optimizer="adam", learning_rate=0.01, random_state=0),
    TripletMF(n_components=4, max_iter=3, sampler=DynamicSampler(), random_state=0),
    TripletMF(n_components=4, max_iter=3, sampler=Python(), random_state=0),
]


@pytest.fixture(scope="module")
def rows():
    data = make_interactions(negative_fraction=0.2, random_state=0)
    return data.data[["user_id", "item_id"]].to_numpy(), data.target.to_numpy()


def assert_same(first, second):
    np.testing.assert_array_equal(first.user_factors_, second.user_factors_)
    np.testing.assert_array_equal(first.item_factors_, second.item_factors_)
    np.testing.assert_array_equal(first.user_ids_, second.user_ids_)
    assert first.loss_curve_ == second.loss_curve_


@pytest.mark.parametrize("model", MODELS)
def test_weight_zero_is_removal(rows, model):
    X, y = rows
    kept = np.random.default_rng(0).random(len(y)) < 0.7
    kept[X[:, 0] == 7] = False
    assert_same(clone(model).fit(X, y, sample_weight=kept.astype(float)), clone(model).fit(X[kept], y[kept]))


@pytest.mark.parametrize("model", MODELS)
def test_weight_one_is_no_weight(rows, model):
    X, y = rows
    assert_same(clone(model).fit(X, y, sample_weight=np.ones(len(y))), clone(model).fit(X, y))


@pytest.mark.parametrize("model", MODELS)
def test_a_row_of_weight_two_is_the_row_twice(rows, model):
    X, y = rows
    twice = np.random.default_rng(0).random(len(y)) < 0.3
    weighted = clone(model).fit(X, y, sample_weight=1.0 + twice)
    assert_same(weighted, clone(model).fit(np.vstack([X, X[twice]]), np.append(y, y[twice])))


def test_weights_of_two_are_twice_the_learning_rate_of_sgd(rows):
    X, y = rows
    weighted = clone(SGD).fit(X, y, sample_weight=np.full(len(y), 2.0))
    faster = clone(SGD).set_params(learning_rate=0.1).fit(X, y)
    np.testing.assert_allclose(weighted.user_factors_, faster.user_factors_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weighted.item_factors_, faster.item_factors_, rtol=1e-4, atol=1e-6)
    assert weighted.loss_curve_[0] == pytest.approx(faster.loss_curve_[0])


def test_the_loss_is_a_weighted_mean(rows):
    """Without steps to speak of, weights on some rows do not change what a row costs on average."""
    X, y = rows
    still = clone(SGD).set_params(learning_rate=1e-9, loss="hinge")
    weight = np.random.default_rng(0).choice([0.5, 100.0], len(y))
    losses = [model.loss_curve_[0] for model in (clone(still).fit(X, y), clone(still).fit(X, y, sample_weight=weight))]
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


def test_heavy_rows_are_learnt_first(rows):
    X, y = rows
    heavy = np.random.default_rng(0).random(len(y)) < 0.2
    model = clone(SGD).set_params(max_iter=10, learning_rate=0.02)
    gain = clone(model).fit(X, y, sample_weight=np.where(heavy, 10.0, 1.0)).predict(X) - clone(model).fit(X, y).predict(
        X
    )
    assert gain[heavy & (y > 0)].mean() > gain[~heavy & (y > 0)].mean() + 0.1


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weights_below_zero_or_not_finite_are_an_error(rows, weight):
    X, y = rows
    sample_weight = np.ones(len(y))
    sample_weight[3] = weight
    with pytest.raises(ValueError, match="[Nn]egative|NaN|infinity"):
        clone(SGD).fit(X, y, sample_weight=sample_weight)
