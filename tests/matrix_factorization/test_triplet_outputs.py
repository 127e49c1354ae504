"""What a fitted TripletMF gives: scores, lists, vectors."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skrec import TripletMF

MODELS = {
    f"{similarity}{' with biases' * item_bias}": TripletMF(
        n_components=6, similarity=similarity, loss="bpr", item_bias=item_bias, max_iter=5, random_state=0
    )
    for similarity in ("cosine", "dot", "gmf")
    for item_bias in (False, True)
}


@pytest.fixture(scope="module", params=MODELS)
def model(request, planted):
    return clone(MODELS[request.param]).fit(planted.data)


def test_predict_gives_the_scores_of_recommend(model, planted):
    ids, scores = model.recommend(model.user_ids_[:20], 150, exclude_seen=False)
    assert (ids >= 0).all()
    pairs = pd.DataFrame({"user_id": np.repeat(model.user_ids_[:20], 150), "item_id": ids.ravel(), "timestamp": 0})
    np.testing.assert_allclose(model.predict(pairs), scores.ravel(), rtol=1e-4, atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_a_score_is_a_dot_product_and_a_bias(model, planted):
    users = np.searchsorted(model.user_ids_, planted.data["user_id"])
    items = np.searchsorted(model.item_ids_, planted.data["item_id"])
    scores = np.sum(model.user_factors_[users] * model.item_factors_[items], axis=1) + model.item_biases_[items]
    np.testing.assert_allclose(model.predict(planted.data), scores, rtol=1e-4, atol=1e-5)


def test_biases_are_learnt_where_asked_for_and_else_zero(model):
    assert model.item_biases_.any() == model.item_bias


def test_vectors_are_float32_and_of_length_one_for_the_cosine(model):
    assert model.user_factors_.dtype == model.item_factors_.dtype == model.item_biases_.dtype == np.float32
    if model.similarity == "cosine":
        np.testing.assert_allclose(np.linalg.norm(model.user_factors_, axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(model.item_factors_, axis=1), 1, rtol=1e-5)


def test_component_weights_are_learnt_by_gmf_alone(model):
    assert (model.component_weights_ == 1).all() == (model.similarity != "gmf")


def test_transform_gives_both_vectors_of_each_row(model, planted):
    features = model.transform(planted.data.iloc[:50])
    users = np.searchsorted(model.user_ids_, planted.data["user_id"][:50])
    items = np.searchsorted(model.item_ids_, planted.data["item_id"][:50])
    np.testing.assert_array_equal(features, np.hstack([model.user_factors_[users], model.item_factors_[items]]))
    assert features.dtype == np.float32


def test_transform_gives_zeros_for_unknown_ids(model):
    pairs = pd.DataFrame({"user_id": [10**6, model.user_ids_[0]], "item_id": [model.item_ids_[0], 10**6]})
    features = model.transform(pairs.assign(timestamp=0))
    assert not features[0, :6].any() and features[0, 6:].any()
    assert features[1, :6].any() and not features[1, 6:].any()


def test_similar_items_are_those_of_the_highest_cosine(model):
    ids, similarities = model.similar_items(model.item_ids_[:10], 5)
    unit = model.item_factors_ / np.linalg.norm(model.item_factors_, axis=1, keepdims=True)
    cosines = unit[:10] @ unit.T
    np.fill_diagonal(cosines[:, :10], -np.inf)
    np.testing.assert_array_equal(ids, model.item_ids_[np.argsort(-cosines, axis=1, kind="stable")[:, :5]])
    np.testing.assert_allclose(similarities, -np.sort(-cosines, axis=1)[:, :5], rtol=1e-5, atol=1e-6)


def test_feature_names_say_whose_vector(planted):
    model = TripletMF(n_components=2, max_iter=0).fit(planted.data)
    expected = ["tripletmf_user0", "tripletmf_user1", "tripletmf_item0", "tripletmf_item1"]
    assert model.get_feature_names_out().tolist() == expected


@pytest.mark.parametrize(("output", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output_gives_named_frames(planted, output, kind):
    model = TripletMF(n_components=2, max_iter=1, random_state=0).fit(planted.data)
    plain = model.transform(planted.data)
    frame = model.set_output(transform=output).transform(planted.data)
    assert isinstance(frame, kind)
    assert list(frame.columns) == model.get_feature_names_out().tolist()
    np.testing.assert_array_equal(frame.to_numpy(), plain)


def test_vectors_feed_a_classifier_in_a_pipeline(planted):
    rng = np.random.default_rng(0)
    X = planted.data[["user_id", "item_id"]]
    absent = pd.DataFrame({"user_id": rng.permutation(X["user_id"]), "item_id": X["item_id"]})
    X, y = pd.concat([X, absent]), np.repeat([1, 0], len(X))
    pipeline = make_pipeline(TripletMF(n_components=4, max_iter=2, random_state=0), LogisticRegression())
    assert pipeline.fit(X, y).predict_proba(X).shape == (len(X), 2)


def test_unknown_ids_are_an_error_where_asked_for(planted):
    model = TripletMF(n_components=2, max_iter=0, on_unknown="error").fit(planted.data)
    unknown = planted.data.iloc[:1].assign(user_id=10**6)
    for method in (model.predict, model.transform):
        with pytest.raises(ValueError, match="user.*1000000"):
            method(unknown)
