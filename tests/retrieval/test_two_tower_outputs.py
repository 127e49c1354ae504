"""What a fitted TwoTowerRetriever gives: scores, lists, vectors, and which engine made them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skrec import TwoTowerRetriever
from skrec.retrieval import ApproximateIndex, ExactIndex
from skrec.samplers import PopularitySampler, UniformSampler

BASE = TwoTowerRetriever(n_components=6, max_iter=5, batch_size=64, random_state=0)
MODELS = {
    "cosine": BASE,
    "dot": clone(BASE).set_params(similarity="dot"),
    "gmf": clone(BASE).set_params(similarity="gmf"),
    "layers": clone(BASE).set_params(hidden_layers=(8,)),
    "dot, layers": clone(BASE).set_params(similarity="dot", hidden_layers=(8,)),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request, planted):
    return clone(MODELS[request.param]).fit(planted.data)


def test_predict_gives_the_scores_of_recommend(model):
    ids, scores = model.recommend(model.user_ids_[:20], 150, exclude_seen=False)
    pairs = pd.DataFrame({"user_id": np.repeat(model.user_ids_[:20], 150), "item_id": ids.ravel(), "timestamp": 0})
    np.testing.assert_allclose(model.predict(pairs), scores.ravel(), rtol=1e-4, atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_a_score_is_a_dot_product(model, planted):
    users = np.searchsorted(model.user_ids_, planted.data["user_id"])
    items = np.searchsorted(model.item_ids_, planted.data["item_id"])
    scores = np.sum(model.user_factors_[users] * model.item_factors_[items], axis=1)
    np.testing.assert_allclose(model.predict(planted.data), scores, rtol=1e-4, atol=1e-5)


def test_vectors_are_float32_and_of_length_one_for_the_cosine(model):
    assert model.user_factors_.dtype == model.item_factors_.dtype == np.float32
    of_length_one = np.abs(np.linalg.norm(model.user_factors_, axis=1) - 1).max() < 1e-5
    assert of_length_one == (model.similarity == "cosine")


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


def test_feature_names_say_whose_vector(rows):
    model = TwoTowerRetriever(n_components=2, max_iter=0).fit(rows)
    names = ["twotowerretriever_user0", "twotowerretriever_user1", "twotowerretriever_item0", "twotowerretriever_item1"]
    assert model.get_feature_names_out().tolist() == names


@pytest.mark.parametrize(("output", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output_gives_named_frames(rows, output, kind):
    model = TwoTowerRetriever(n_components=2, max_iter=1, random_state=0).fit(rows)
    plain = model.transform(rows)
    frame = model.set_output(transform=output).transform(rows)
    assert isinstance(frame, kind)
    assert list(frame.columns) == model.get_feature_names_out().tolist()
    np.testing.assert_array_equal(frame.to_numpy(), plain)


def test_vectors_feed_a_classifier_in_a_pipeline(planted):
    rng = np.random.default_rng(0)
    X = planted.data[["user_id", "item_id"]]
    absent = pd.DataFrame({"user_id": rng.permutation(X["user_id"]), "item_id": X["item_id"]})
    X, y = pd.concat([X, absent]), np.repeat([1, 0], len(X))
    pipeline = make_pipeline(clone(BASE), LogisticRegression())
    assert pipeline.fit(X, y).predict_proba(X).shape == (len(X), 2)


@pytest.mark.parametrize(
    ("sampler", "n_negatives", "engine"),
    [(None, 2048, "exact"), (None, 38, "exact"), (None, 37, "sampled"), (PopularitySampler(), 2048, "sampled")],
)
def test_engine_says_whether_all_items_competed(rows, sampler, n_negatives, engine):
    model = clone(BASE).set_params(sampler=sampler, n_negatives=n_negatives).fit(rows)
    assert len(model.item_ids_) == 150
    assert model.engine_ == engine
    assert (model.sampler_ is None) == (engine == "exact")
    if sampler is None and engine == "sampled":
        assert isinstance(model.sampler_, UniformSampler)


@pytest.mark.parametrize("loss", ["softmax", "bpr", "contrastive"])
def test_a_sample_of_the_whole_catalogue_is_the_whole_catalogue(rows, loss):
    exact = clone(BASE).set_params(loss=loss).fit(rows)
    sampled = clone(BASE).set_params(loss=loss, sampler=UniformSampler(), n_negatives=150).fit(rows)
    assert (exact.engine_, sampled.engine_) == ("exact", "sampled")
    np.testing.assert_allclose(sampled.loss_curve_, exact.loss_curve_, rtol=1e-3)
    np.testing.assert_allclose(sampled.predict(rows), exact.predict(rows), atol=0.02)


INDEXES = {"exact": ExactIndex(), "approximate": ApproximateIndex()}


@pytest.fixture(scope="module", params=INDEXES)
def with_and_without_index(request, planted):
    if request.param == "approximate":
        pytest.importorskip("hnswlib")
    # A user of dislikes alone, who has no vector.
    X = np.vstack([planted.data[["user_id", "item_id"]].to_numpy(), [[1000, 3], [1000, 4]]])
    y = np.repeat([1, 0], [len(X) - 2, 2])
    return clone(BASE).set_params(index=INDEXES[request.param]).fit(X, y), clone(BASE).fit(X, y)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"exclude_seen": False},
        {"exclude": [1, 2, 10**6]},
        {"exclude": [[1], [2, 3], [], [4, 10**6], [0]]},
        {"candidates": [1, 2, 3, 4]},
        {"candidates": [1, 2, 3, 4], "exclude": [2]},
        {"n_recommendations": 200},
    ],
    ids=str,
)
def test_an_index_finds_what_scoring_all_items_finds(with_and_without_index, options):
    indexed, plain = with_and_without_index
    users = [7, 1000, 5, 2000, 7]
    options = {"n_recommendations": 10, **options}
    ids, scores = indexed.recommend(users, **options)
    expected_ids, expected_scores = plain.recommend(users, **options)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-6)


def test_an_index_never_lists_what_was_seen(with_and_without_index):
    indexed, _ = with_and_without_index
    ids, _ = indexed.recommend(indexed.user_ids_, 100)
    seen = indexed.interactions_
    for user, row in enumerate(ids):
        met = indexed.item_ids_[seen.indices[seen.indptr[user] : seen.indptr[user + 1]]]
        assert not set(row.tolist()) & set(met.tolist())


def test_an_index_knows_the_items_of_later_batches_and_of_tables(planted):
    model = clone(BASE).set_params(index=ExactIndex()).fit(planted.data, item_features=planted.item_features)
    model.partial_fit(pd.DataFrame({"user_id": [0, 1], "item_id": [5000, 5000], "timestamp": 0}))
    assert 5000 in model.recommend([2], 200)[0]
    table = planted.item_features.iloc[:1].set_axis([6000])
    assert 6000 not in model.recommend([2], 200)[0]
    assert 6000 in model.recommend([2], 200, item_features=table)[0]
    assert len(model.index_.vectors_) == len(model.item_ids_)


def test_an_index_refuses_unknown_users_where_asked_for(rows):
    model = clone(BASE).set_params(index=ExactIndex(), on_unknown="error", max_iter=1).fit(rows)
    with pytest.raises(ValueError, match="1000"):
        model.recommend([1000])
    with pytest.raises(ValueError, match="n_recommendations"):
        model.recommend([1], 0)


def test_the_diagram_shows_the_loss_the_sampler_and_the_index():
    diagram = clone(BASE).set_params(sampler=UniformSampler(), index=ExactIndex())._repr_html_()
    for shown in ("TwoTowerRetriever", "UniformSampler", "ExactIndex"):
        assert shown in diagram
