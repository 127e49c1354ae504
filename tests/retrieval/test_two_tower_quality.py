"""What the model learns is what was planted, and on real data it reaches the numbers that it promises."""

import numpy as np
import pytest
from sklearn.base import clone

from skrec import PopularityRecommender, TwoTowerRetriever
from skrec.datasets import fetch_movielens_100k, make_interactions
from skrec.losses import BilateralSoftmaxLoss, CosineContrastiveLoss, PairwiseSoftmaxLoss, SoftmaxAtKLoss, SoftmaxLoss
from skrec.samplers import InBatchSampler, MixedSampler, PopularitySampler, UniformSampler

BASE = TwoTowerRetriever(n_components=8, max_iter=15, batch_size=64, random_state=0)


def correlation_with_truth(model, truth):
    """Mean over users of the correlation of scores with the log-odds that were planted."""
    scores = model.user_factors_ @ model.item_factors_.T
    planted = truth.user_factors[model.user_ids_] @ truth.item_factors[model.item_ids_].T
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(scores, planted, strict=True)])


@pytest.fixture(scope="module")
def popularity(planted):
    model = PopularityRecommender().fit(planted.data.iloc[planted.train])
    return model.score(planted.data.iloc[planted.test])


LOSSES = [
    "softmax",
    "bpr",
    "hinge",
    CosineContrastiveLoss(negative_weight=10.0),
    BilateralSoftmaxLoss(),
    SoftmaxAtKLoss(),
    PairwiseSoftmaxLoss(),
]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("sampler", [None, UniformSampler()], ids=str)
def test_every_loss_beats_popularity_and_finds_the_planted_preference(planted, popularity, loss, sampler):
    model = clone(BASE).set_params(loss=loss, sampler=sampler, n_negatives=75).fit(planted.data.iloc[planted.train])
    assert model.score(planted.data.iloc[planted.test]) > popularity + 0.1
    assert correlation_with_truth(model, planted.true_preference) > 0.5
    assert model.loss_curve_[-1] < model.loss_curve_[0]


CHANGES = [
    {"similarity": "dot"},
    {"similarity": "dot", "loss": "bpr"},
    {"hidden_layers": (32,), "learning_rate": 0.01, "max_iter": 30},
    {"history_weight": 0.0},
    {"user_embedding": False},
    {"n_hard_negatives": 20},
    {"sampler": PopularitySampler()},
    {"sampler": InBatchSampler()},
    {"sampler": InBatchSampler(frequency="streaming")},
    {"sampler": MixedSampler([("batch", InBatchSampler(), 1), ("any", UniformSampler(), 1)])},
    {"l2": 1e-4},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_learns_in_every_setting(planted, popularity, change):
    model = clone(BASE).set_params(n_negatives=100).set_params(**change).fit(planted.data.iloc[planted.train])
    assert model.score(planted.data.iloc[planted.test]) > popularity + 0.1
    assert correlation_with_truth(model, planted.true_preference) > 0.5


def test_nothing_is_learnt_where_nothing_is_planted():
    data = make_interactions(n_users=400, n_items=150, signal=0.0, popularity_exponent=0.0, random_state=0)
    held_out = np.arange(len(data.target)) % 5 == 0
    model = clone(BASE).fit(data.data[~held_out])
    assert model.score(data.data[held_out]) == pytest.approx(0.5, abs=0.03)


def test_first_loss_is_that_of_scores_that_say_nothing(planted):
    """Long random vectors are about orthogonal: each positive is one of all the items that the user has not liked."""
    model = TwoTowerRetriever(
        n_components=512, loss=SoftmaxLoss(1.0), history_weight=0.0, learning_rate=1e-9, max_iter=1, random_state=0
    ).fit(planted.data)
    counts = np.diff(model.interactions_.indptr)
    expected = np.average(np.log(151 - counts), weights=np.sqrt(counts))
    assert model.loss_curve_[0] == pytest.approx(expected, rel=2e-3)


@pytest.mark.data
def test_few_epochs_are_enough_on_movielens_100k_and_histories_help(data_home):
    X, y = fetch_movielens_100k(split="ua", subset="train", return_X_y=True)
    X_test, y_test = fetch_movielens_100k(split="ua", subset="test", return_X_y=True)
    model = TwoTowerRetriever(max_iter=8, random_state=0)
    with_history = clone(model).fit(X, y >= 4).score(X_test, y_test >= 4)
    assert with_history >= 0.935
    assert with_history > clone(model).set_params(history_weight=0.0).fit(X, y >= 4).score(X_test, y_test >= 4) + 0.005
