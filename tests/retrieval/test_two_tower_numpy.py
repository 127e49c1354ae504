"""The towers are what the documentation says: numpy makes the same vectors of `user_tower_`, `item_tower_`."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skrec import TwoTowerRetriever
from skrec.datasets import make_interactions

DATA = make_interactions(60, 40, 900, random_state=0)


def through(tower, summed, similarity):
    *hidden, last = tower["layers"] or [None]
    for weights, offsets in hidden:
        summed = np.maximum(summed @ weights + offsets, 0)
    if last is not None:
        summed = summed @ last[0] + last[1]
    if similarity != "cosine":
        return summed * tower.get("components", 1)
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)


@pytest.mark.parametrize("hidden_layers", [(), (8,), (8, 5)])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "gmf"])
@pytest.mark.parametrize("embedding", [True, False])
def test_numpy_makes_the_same_vectors_of_the_weights(hidden_layers, similarity, embedding):
    model = TwoTowerRetriever(
        6,
        similarity=similarity,
        hidden_layers=hidden_layers,
        user_embedding=embedding,
        item_embedding=embedding,
        history_weight=0.7,
        audience_weight=1.0,
        max_iter=2,
        learning_rate=0.01,
        random_state=0,
    ).fit(DATA.data, DATA.target, user_features=DATA.user_features, item_features=DATA.item_features)
    users, items = model.user_tower_, model.item_tower_
    assert ("embedding" in users, "embedding" in items, "history" in items) == (embedding, embedding, False)
    assert ("components" in users, "components" in items) == (similarity == "gmf", False)

    inputs = model.item_encoder_.transform(DATA.item_features.loc[model.item_ids_])
    summed = inputs @ items["features"] + items.get("embedding", 0)
    liked = (model.interactions_ > 0).astype(np.float32)
    summed += liked.T @ items["audience"] / np.sqrt(np.maximum(liked.sum(axis=0), 1))[:, None]
    np.testing.assert_allclose(through(items, summed, similarity), model.item_factors_, rtol=1e-4, atol=1e-5)

    n_liked = np.maximum(liked.sum(axis=1), 1)
    inputs = model.user_encoder_.transform(DATA.user_features.loc[model.user_ids_])
    summed = inputs @ users["features"] + users.get("embedding", 0)
    summed += 0.7 * (liked @ users["history"]) / np.sqrt(n_liked)[:, None]
    np.testing.assert_allclose(through(users, summed, similarity), model.user_factors_, rtol=1e-4, atol=1e-5)


def test_a_tower_of_ids_has_no_features_and_no_layers():
    model = TwoTowerRetriever(4, history_weight=0.0, max_iter=1, random_state=0).fit(DATA.data)
    assert model.item_tower_.keys() == model.user_tower_.keys() == {"embedding", "layers"}
    assert model.item_tower_["layers"] == []


def test_an_item_without_a_positive_counts_without_its_embedding():
    X = np.array([[0, 0], [0, 1], [1, 1], [1, 2]])
    model = TwoTowerRetriever(4, history_weight=0.0, max_iter=0, random_state=0).fit(X)
    assert not model.item_tower_["embedding"].any()


def test_towers_of_an_estimator_that_is_not_fitted_are_not_there():
    assert not hasattr(TwoTowerRetriever(), "item_tower_")
    with pytest.raises(NotFittedError):
        _ = TwoTowerRetriever().user_tower_
