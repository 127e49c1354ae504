"""Data with nothing to learn from: a defined result, no crash, no NaN."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skrec import TwoTowerRetriever
from skrec.samplers import InBatchSampler, MixedSampler, PopularitySampler, UniformSampler

SAMPLERS = {
    "exact": None,
    "uniform": UniformSampler(),
    "popularity": PopularitySampler(),
    "in batch": InBatchSampler(),
    "mixed": MixedSampler([("batch", InBatchSampler(), 1), ("any", UniformSampler(), 1)]),
}
DATA = {
    "one row": ([["u", "a"]], None),
    "one item": ([["u", "a"], ["v", "a"], ["w", "a"]], None),
    "one user": ([["u", "a"], ["u", "b"], ["u", "c"]], [1, 1, 0]),
    "all rows the same pair": ([["u", "a"]] * 5, None),
    "every user has every item": ([[u, i] for u in "uvw" for i in "abc"], None),
    "two items": ([["u", "a"], ["v", "b"]], None),
    "all else explicit": ([[u, i] for u in "uv" for i in "abc"], [1, 0, 0, 1, 0, 0]),
    "a user of dislikes alone": ([["u", "a"], ["v", "b"], ["w", "a"], ["w", "b"]], [1, 1, 0, 0]),
}
TINY = TwoTowerRetriever(n_components=3, max_iter=3, random_state=0)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
    "change",
    [{}, {"similarity": "dot", "loss": "bpr"}, {"hidden_layers": (4,), "loss": "contrastive"}, {"n_negatives": 1}],
    ids=str,
)
def test_result_is_finite(data, sampler, change):
    X, y = DATA[data]
    model = clone(TINY).set_params(sampler=SAMPLERS[sampler], n_jobs=2, **change).fit(X, y)
    n_users, n_items = len({u for u, _ in X}), len({i for _, i in X})
    assert model.user_factors_.shape == (n_users, 3)
    assert model.item_factors_.shape == (n_items, 3)
    assert np.isfinite(model.predict(X)).all()
    assert np.isfinite(model.loss_curve_).all()
    ids, scores = model.recommend(model.user_ids_, n_items + 1, exclude_seen=False)
    assert sorted(ids[0, :-1]) == model.item_ids_.tolist()
    assert ids[0, -1] is None and scores[0, -1] == -np.inf
    model.partial_fit(X, y).fold_in(X, y)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("change", [{}, {"hidden_layers": (4,)}, {"sampler": UniformSampler(), "n_negatives": 5}])
def test_a_user_with_explicit_negatives_alone_gets_what_is_popular(rows, change):
    dislikes = [[1000, item] for item in np.unique(rows[:, 1])[:5]]
    X, y = np.vstack([rows[:3000], dislikes]), np.repeat([1, 0], [3000, 5])
    model = clone(TINY).set_params(**change).fit(X, y)
    assert not model.user_factors_[model.user_ids_ == 1000].any()
    for exclude_seen in (True, False):
        mine = model.recommend([1000], 20, exclude_seen=exclude_seen)[0][0]
        popular = model.recommend([2000], 20, exclude=[item for _, item in dislikes] if exclude_seen else None)[0][0]
        np.testing.assert_array_equal(mine, popular)
    popularity = model.item_popularity_ / model.item_popularity_.max()
    found = model.predict([[1000, item] for item in model.item_ids_])
    np.testing.assert_allclose(found, popularity, rtol=1e-6)
    beaten, tied = popularity[:-1] < popularity[-1], popularity[:-1] == popularity[-1]
    assert model.score([[1000, model.item_ids_[-1]]]) == pytest.approx(np.mean(beaten) + np.mean(tied) / 2)


def test_a_user_with_nothing_left_to_compete_costs_nothing():
    model = clone(TINY).fit(DATA["every user has every item"][0])
    np.testing.assert_allclose(model.loss_curve_, 0, atol=1e-6)


def test_zero_epochs_leave_the_random_vectors_of_histories_and_those_without_one_to_popularity():
    X = [["u", "a"], ["u", "b"], ["v", "b"], ["v", "c"]]
    model = clone(TINY).set_params(max_iter=0).fit(X)
    assert model.loss_curve_ == [] and model.n_iter_ == 0
    np.testing.assert_allclose(np.linalg.norm(model.user_factors_, axis=1), 1, rtol=1e-5)
    model.set_params(history_weight=0.0).fit(X)
    assert not model.user_factors_.any() and not model.item_factors_.any()
    assert model.recommend(["u"], 1, exclude_seen=False)[0] == "b"


def test_two_items_are_ranked():
    model = clone(TINY).set_params(max_iter=20).fit(DATA["two items"][0])
    assert model.recommend(["u", "v"], 1, exclude_seen=False)[0].ravel().tolist() == ["a", "b"]


@pytest.mark.parametrize("change", [{}, {"hidden_layers": (4,)}])
def test_ids_without_any_input_do_not_disturb_the_others(rows, change):
    """Items without a row in the table, which is all that the tower has, stay at nothing, whatever the others learn."""
    items = np.unique(rows[:, 1])
    table = pd.DataFrame({"group": (items % 5).astype(str)}, index=items).iloc[:-10]
    model = clone(TINY).set_params(item_embedding=False, n_components=8, **change)
    model.fit(rows, item_features=table)
    assert not model.item_factors_[-10:].any()
    np.testing.assert_allclose(np.linalg.norm(model.item_factors_[:-10], axis=1), 1, rtol=1e-5)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    seconds = [np.abs(parameter.second).max() for parameter in model._towers.parameters()]
    assert max(seconds) < 1e6


def test_a_block_of_everyone_in_the_order_of_chance_trains_as_any(planted):
    """Rows of a block belong to its users, also where the block holds as many users as there are."""
    train, test = planted.data.iloc[planted.train], planted.data.iloc[planted.test]
    model = clone(TINY).set_params(n_components=8, batch_size=10_000, max_iter=60)
    assert model.fit(train).score(test) > 0.8


def test_more_negatives_than_items_and_larger_blocks_than_users(rows):
    for sampler in SAMPLERS.values():
        model = clone(TINY).set_params(sampler=sampler, n_negatives=100_000, n_hard_negatives=100_000)
        model.set_params(batch_size=100_000).fit(rows)
        assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_ids_of_one_kind_are_taken_whatever_it_is_and_mixed_ones_refused(rows):
    frame = pd.DataFrame([(f"u{u:04d}", float(i)) for u, i in rows[:500].tolist()], columns=["user", "item"])
    np.testing.assert_array_equal(
        clone(TINY).fit(frame).predict(frame), clone(TINY).fit(rows[:500]).predict(rows[:500])
    )
    with pytest.raises(TypeError, match="mixes"):
        clone(TINY).fit([["u", "a"], [1, "b"]])
