"""Features place users and items that were never trained on, and tables are read in any form."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skrec import PopularityRecommender, TwoTowerRetriever
from skrec.metrics import average_user_roc_auc
from skrec.model_selection import UserKFold
from skrec.preprocessing import FeatureEncoder
from skrec.retrieval import ExactIndex

BASE = TwoTowerRetriever(n_components=8, max_iter=15, batch_size=32, random_state=0)
N_COLD = 30


@pytest.fixture(scope="module")
def world():
    """Eight groups: users like items of their own, and features tell the group; the last ids of each are cold."""
    rng = np.random.default_rng(0)
    n_users, n_items, n_groups = 240, 160, 8
    user_groups, item_groups = np.arange(n_users) % n_groups, np.arange(n_items) % n_groups
    likes = rng.random((n_users, n_items)) < np.where(user_groups[:, None] == item_groups, 0.6, 0.02)
    users, items = likes.nonzero()
    return {
        "pairs": pd.DataFrame({"user_id": users, "item_id": items}),
        "likes": likes,
        "user_features": pd.DataFrame({"club": [f"c{g}" for g in user_groups], "age": rng.normal(size=n_users)}),
        "item_features": pd.DataFrame(
            {"genres": [(f"g{g}", "any") for g in item_groups], "price": rng.lognormal(size=n_items)}
        ),
    }


def tables(world, *sides):
    return {f"{side}_features": world[f"{side}_features"] for side in sides}


def cold_item_auc(world, scores):
    """Average AUC over users of scores (n_users, N_COLD) of the cold items."""
    return average_user_roc_auc(world["likes"][:, -N_COLD:].astype(int), scores)


@pytest.fixture(scope="module")
def warm_rows(world):
    n_items = world["likes"].shape[1]
    return world["pairs"][world["pairs"]["item_id"] < n_items - N_COLD]


COLD = {
    "own embeddings": clone(BASE),
    "features alone": clone(BASE).set_params(item_embedding=False),
    "layers": clone(BASE).set_params(item_embedding=False, hidden_layers=(16,)),
    "dot": clone(BASE).set_params(item_embedding=False, similarity="dot"),
    "index": clone(BASE).set_params(index=ExactIndex()),
}


@pytest.mark.parametrize("name", COLD)
def test_cold_items_become_candidates_and_rank_by_their_features(world, warm_rows, name):
    n_users, n_items = world["likes"].shape
    model = clone(COLD[name]).fit(warm_rows, **tables(world, "item"))
    cold = np.arange(n_items - N_COLD, n_items)
    pairs = pd.DataFrame({"user_id": np.repeat(np.arange(n_users), N_COLD), "item_id": np.tile(cold, n_users)})
    blind = model.predict(pairs).reshape(n_users, N_COLD)
    assert (np.ptp(blind, axis=1) == 0).all()
    scores = model.predict(pairs, **tables(world, "item")).reshape(n_users, N_COLD)
    assert cold_item_auc(world, scores) > 0.85

    assert not np.isin(model.recommend(np.arange(n_users), n_items)[0], cold).any()
    ids, _ = model.recommend(np.arange(n_users), n_items, **tables(world, "item"))
    assert all(set(cold) <= set(row) for row in ids)
    only, only_scores = model.recommend([3], N_COLD, candidates=cold, **tables(world, "item"))
    np.testing.assert_array_equal(np.sort(only[0]), cold)
    np.testing.assert_allclose(only_scores[0], scores[3][only[0] - cold[0]], rtol=1e-4, atol=1e-6)

    held = world["pairs"][world["pairs"]["item_id"] >= n_items - N_COLD]
    assert model.score(held, **tables(world, "item")) > 0.75 > 0.3 > model.score(held)


@pytest.mark.parametrize(
    "change", [{}, {"user_embedding": False, "history_weight": 0.0}, {"hidden_layers": (16,)}], ids=str
)
def test_cold_users_are_ranked_by_their_features_and_better_than_by_popularity(world, change):
    warm, cold = (
        world["pairs"][known] for known in (world["pairs"]["user_id"] < 180, world["pairs"]["user_id"] >= 180)
    )
    # Each user of a club likes what the others like: without own embeddings to fall back on, features carry the taste.
    model = clone(BASE).set_params(**change).fit(warm, **tables(world, "user"))
    popular = PopularityRecommender().fit(warm)
    with pytest.warns(UserWarning, match="were not in its training rows"):
        by_popularity = popular.score(cold)
    assert model.score(cold, **tables(world, "user")) > by_popularity + 0.2
    ids, _ = model.recommend([200, 201], 5, **tables(world, "user"))
    assert (ids % 8 == [[0], [1]]).mean() > 0.7
    np.testing.assert_array_equal(model.recommend([200], 5)[0], popular.recommend([200], 5)[0])


def test_features_of_cold_ids_change_nothing_in_the_model(world, warm_rows):
    model = clone(BASE).fit(warm_rows, **tables(world, "user", "item"))
    before = vars(model).copy()
    scores = model.predict(warm_rows)
    model.recommend([1], **tables(world, "user", "item"))
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict(warm_rows), scores)
    np.testing.assert_array_equal(model.predict(warm_rows, **tables(world, "user", "item")), scores)


def test_ids_without_a_row_have_no_features_and_rows_of_other_ids_none_to_train(world):
    some = {"item_features": world["item_features"].iloc[40:], "user_features": world["user_features"].iloc[:100]}
    model = clone(BASE).fit(world["pairs"][world["pairs"]["item_id"] < 150], **some)
    lengths = np.diff(model._towers.item_inputs.indptr)
    assert not lengths[:40].any() and lengths[40:].all()
    assert model._towers.item_inputs.shape[0] == 150
    assert not np.diff(model._towers.user_inputs.indptr)[100:].any()
    assert model.score(world["pairs"]) > 0.8


def test_features_of_batches_join_those_that_are_known(world):
    early, late = world["pairs"][world["pairs"]["user_id"] < 120], world["pairs"][world["pairs"]["user_id"] >= 120]
    model = clone(BASE).fit(early, user_features=world["user_features"].iloc[:120])
    known = model._towers.user_inputs.toarray()
    model.partial_fit(late, user_features=world["user_features"].iloc[120:])
    whole = model._towers.user_inputs.toarray()
    np.testing.assert_array_equal(whole[:120], known)
    assert whole[120:].any(axis=1).all()
    model.fold_in(pd.DataFrame({"user_id": [900], "item_id": [3]}))
    np.testing.assert_array_equal(model._towers.user_inputs.toarray()[:-1], whole)
    assert not model._towers.user_inputs.toarray()[-1].any()


def test_fold_in_takes_the_features_of_new_users(world):
    warm = world["pairs"][world["pairs"]["user_id"] < 180]
    model = clone(BASE).set_params(user_embedding=False).fit(warm, **tables(world, "user"))
    model.fold_in(pd.DataFrame({"user_id": [200], "item_id": [1]}), user_features=world["user_features"].iloc[[200]])
    assert (model.recommend([200], 5)[0] % 8 == 0).mean() > 0.5


def test_warm_start_finds_the_features_of_known_ids_again(world):
    model = clone(BASE).set_params(warm_start=True, max_iter=1).fit(world["pairs"], **tables(world, "user"))
    inputs = model._towers.user_inputs.toarray()
    part = world["pairs"][world["pairs"]["user_id"] % 3 == 2]
    model.fit(part)
    np.testing.assert_array_equal(model._towers.user_inputs.toarray(), inputs[2::3])


def test_fitted_encoders_are_kept_while_there_are_features(world):
    model = clone(BASE).set_params(max_iter=1).fit(world["pairs"], **tables(world, "user"))
    assert hasattr(model, "user_encoder_") and not hasattr(model, "item_encoder_")
    model.fit(world["pairs"])
    assert not hasattr(model, "user_encoder_")


def test_any_transformer_may_encode_the_features(world, warm_rows):
    # OneHotEncoder wants one value a cell.
    table = world["item_features"].assign(genres=[row[0] for row in world["item_features"]["genres"]])
    encoder = make_column_transformer((OneHotEncoder(), ["genres"]), (StandardScaler(), ["price"]))
    model = clone(BASE).set_params(item_encoder=encoder, item_embedding=False).fit(warm_rows, item_features=table)
    assert model.item_encoder_ is not encoder and not hasattr(encoder, "transformers_")
    assert model.item_encoder_.named_transformers_["onehotencoder"].categories_[0].tolist() == [
        f"g{group}" for group in range(8)
    ]
    n_users, n_items = world["likes"].shape
    cold = np.arange(n_items - N_COLD, n_items)
    pairs = pd.DataFrame({"user_id": np.repeat(np.arange(n_users), N_COLD), "item_id": np.tile(cold, n_users)})
    assert cold_item_auc(world, model.predict(pairs, item_features=table).reshape(n_users, N_COLD)) > 0.85
    with pytest.raises(ValueError, match="unknown categories") as caught:
        model.predict(pairs, item_features=pd.DataFrame({"genres": ["new"], "price": [1.0]}, index=[5000]))
    assert any("item_features" in note for note in caught.value.__notes__)


def test_an_unknown_category_is_no_category_by_default(world, warm_rows):
    model = clone(BASE).fit(warm_rows, **tables(world, "item"))
    new = pd.DataFrame({"genres": [("new",)], "price": [np.nan]}, index=[5000])
    pair = pd.DataFrame({"user_id": [1], "item_id": [5000]})
    assert np.isfinite(model.predict(pair, item_features=new)).all()


@pytest.mark.parametrize("kind", ["pandas with a column of ids", "polars", "pyarrow"])
def test_tables_are_read_in_any_form(world, warm_rows, kind):
    table = world["item_features"].assign(genres=[list(row) for row in world["item_features"]["genres"]])
    expected = clone(BASE).fit(warm_rows, item_features=table)
    table = table.rename_axis("item_id").reset_index()
    if kind == "pandas with a column of ids":
        given = table.sample(frac=1, random_state=0)
    else:
        given = pl.from_pandas(table)
        given = given.to_arrow() if kind == "pyarrow" else given
    model = clone(BASE).set_params(user="user_id", item="item_id").fit(warm_rows, item_features=given)
    np.testing.assert_array_equal(model.predict(warm_rows), expected.predict(warm_rows))
    ids, _ = model.recommend([3], 5, item_features=given)
    np.testing.assert_array_equal(ids, expected.recommend([3], 5, **tables(world, "item"))[0])


def test_two_rows_for_an_id_are_refused(world, warm_rows):
    twice = pd.concat([world["item_features"], world["item_features"].iloc[:1]])
    with pytest.raises(ValueError, match=r"item_features .* more than one row for 1 id\(s\): 0"):
        clone(BASE).fit(warm_rows, item_features=twice)
    model = clone(BASE).set_params(max_iter=1).fit(warm_rows, **tables(world, "item"))
    with pytest.raises(ValueError, match=r"item_features .* more than one row for 1 id\(s\): 0"):
        model.recommend([1], item_features=twice)


def test_text_ids_have_features_too(world):
    pairs = world["pairs"].map(lambda code: f"id{code:04d}")
    table = world["item_features"].set_axis([f"id{code:04d}" for code in range(160)])
    named = clone(BASE).fit(pairs, item_features=table)
    plain = clone(BASE).fit(world["pairs"], **tables(world, "item"))
    np.testing.assert_array_equal(named.predict(pairs), plain.predict(world["pairs"]))


def test_tables_are_routed_where_they_are_asked_for(world):
    pairs, y = world["pairs"], np.ones(len(world["pairs"]))
    given = tables(world, "user", "item")
    expected = clone(BASE).fit(pairs, y, **given).predict(pairs)
    with sklearn.config_context(enable_metadata_routing=True):
        asking = clone(BASE).set_fit_request(user_features=True, item_features=True)
        asking.set_score_request(user_features=True, item_features=True)
        pipeline = make_pipeline(FunctionTransformer(), asking)
        np.testing.assert_array_equal(pipeline.fit(pairs, y, **given).predict(pairs), expected)
        cv = UserKFold(2, shuffle=True, random_state=0)
        result = cross_validate(pipeline, pairs, y, cv=cv, params=given, error_score="raise")
        assert (result["test_score"] > 0.7).all()
        search = GridSearchCV(clone(asking), {"item_embedding": [True, False]}, cv=cv, error_score="raise")
        search.fit(pairs, y, **given)
        assert hasattr(search.best_estimator_, "item_encoder_")


def test_tables_reach_the_estimator_of_a_search_without_routing(world):
    cv = UserKFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(clone(BASE), {"user_embedding": [True, False]}, cv=cv, error_score="raise")
    search.fit(world["pairs"], **tables(world, "user", "item"))
    assert hasattr(search.best_estimator_, "user_encoder_") and search.best_score_ > 0.7


def test_a_parameter_of_the_encoder_is_an_axis_of_a_search(world):
    model = clone(BASE).set_params(item_encoder=FeatureEncoder(), max_iter=2)
    grid = {"item_encoder__min_frequency": [1, 1000]}
    search = GridSearchCV(model, grid, cv=UserKFold(2, shuffle=True, random_state=0), error_score="raise")
    search.fit(world["pairs"], **tables(world, "item"))
    # With 1000 no category is frequent enough to have an input.
    assert len(set(search.cv_results_["mean_test_score"])) == 2
