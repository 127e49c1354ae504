"""Equal seeds give equal bits, whatever runs them."""

import pickle

import joblib
import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from skrec import TwoTowerRetriever, _layers
from skrec.losses import CosineContrastiveLoss
from skrec.samplers import InBatchSampler, MixedSampler, PopularitySampler, UniformSampler

BASE = TwoTowerRetriever(n_components=8, max_iter=2, n_negatives=64, batch_size=64, random_state=3)
MODELS = {
    "exact": BASE,
    "dot": clone(BASE).set_params(similarity="dot", history_weight=0.0),
    "gmf": clone(BASE).set_params(similarity="gmf"),
    "sampled": clone(BASE).set_params(sampler=UniformSampler(), n_hard_negatives=20),
    "in batch": clone(BASE).set_params(sampler=InBatchSampler(), loss="bpr"),
    "mixed": clone(BASE).set_params(
        sampler=MixedSampler([("batch", InBatchSampler(), 1), ("any", UniformSampler(), 1)]), hidden_layers=(12,)
    ),
    "layers": clone(BASE).set_params(hidden_layers=(16, 12), loss=CosineContrastiveLoss()),
    "features alone": clone(BASE).set_params(user_embedding=False, item_embedding=False, hidden_layers=[12]),
}


@pytest.fixture(scope="module", autouse=True)
def every_step_in_parts():
    """Small data are not worth a second thread: here they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_layers, "_WORTH_A_THREAD", 16)
        yield


@pytest.fixture(scope="module")
def given(planted):
    """Arguments of fit: a third of the rows, and features of most ids."""
    rows = planted.data[["user_id", "item_id"]].iloc[::3]
    return {
        "X": rows,
        "y": np.where(np.arange(len(rows)) % 7 == 3, 0, 1),
        "user_features": planted.user_features.iloc[:300],
        "item_features": planted.item_features.iloc[20:],
    }


def learnt(model):
    """All that training made, as bytes."""
    arrays = [model.user_factors_, model.item_factors_, np.array(model.loss_curve_)]
    arrays += [array for parameter in model._towers.parameters() for array in parameter]
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


@pytest.fixture(scope="module")
def one_thread(given):
    """What each model learns on one thread."""
    return {name: learnt(clone(model).fit(**given)) for name, model in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_jobs", [2, 4])
def test_number_of_threads_changes_nothing(given, one_thread, name, n_jobs):
    assert learnt(clone(MODELS[name]).set_params(n_jobs=n_jobs).fit(**given)) == one_thread[name]


def test_threads_can_come_from_the_parallel_config(given, one_thread):
    with joblib.parallel_config(n_jobs=2):
        assert learnt(clone(MODELS["mixed"]).fit(**given)) == one_thread["mixed"]


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_bits_and_another_seed_others(given, one_thread, name):
    assert learnt(clone(MODELS[name]).fit(**given)) == one_thread[name]
    assert learnt(clone(MODELS[name]).set_params(random_state=4).fit(**given)) != one_thread[name]


@pytest.mark.parametrize("name", ["exact", "mixed"])
def test_order_of_the_rows_does_not_matter(given, one_thread, name):
    order = np.random.default_rng(0).permutation(len(given["y"]))
    shuffled = {**given, "X": given["X"].iloc[order], "y": given["y"][order]}
    shuffled["user_features"] = given["user_features"].iloc[::-1]
    assert learnt(clone(MODELS[name]).fit(**shuffled)) == one_thread[name]


@pytest.mark.parametrize("name", MODELS)
def test_pickled_before_and_after_fitting_it_is_the_same(given, one_thread, name):
    model = pickle.loads(pickle.dumps(MODELS[name])).fit(**given)
    copied = pickle.loads(pickle.dumps(model))
    assert learnt(model) == learnt(copied) == one_thread[name]
    np.testing.assert_array_equal(copied.predict(given["X"]), model.predict(given["X"]))
    X, y = given["X"].iloc[:500], given["y"][:500]
    assert learnt(copied.partial_fit(X, y)) == learnt(model.partial_fit(X, y))


def test_a_copy_from_a_memory_mapped_file_goes_on_training_as_the_model_does(given, tmp_path):
    model = clone(MODELS["mixed"]).fit(**given)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(mapped.predict(given["X"]), model.predict(given["X"]))
    features = {name: given[name] for name in ("user_features", "item_features")}
    np.testing.assert_array_equal(
        mapped.recommend([1, 2], **features)[1], pickle.loads(pickle.dumps(model)).recommend([1, 2], **features)[1]
    )
    X, y = given["X"].iloc[:500], given["y"][:500]
    assert learnt(mapped.partial_fit(X, y)) == learnt(model.partial_fit(X, y))


def test_worker_processes_learn_the_same(given, one_thread):
    """In the workers steps are not cut into parts: by the tests above that changes nothing."""
    names = ["exact", "mixed", "layers"]
    fitted = joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(clone(MODELS[name]).fit)(**given) for name in names
    )
    assert [learnt(model) for model in fitted] == [one_thread[name] for name in names]


def test_workers_of_a_search_learn_the_same(given):
    X, y = given["X"].to_numpy(), given["y"]
    fold = PredefinedSplit(np.where(np.arange(len(y)) % 10, -1, 0))
    grid = {"sampler__alpha": [0.3, 0.9]}
    model = clone(BASE).set_params(sampler=PopularitySampler())
    searches = [GridSearchCV(model, grid, cv=fold, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2)]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_array_equal(*scores)
    assert scores[0][0] != scores[0][1]
    assert learnt(searches[0].best_estimator_) == learnt(searches[1].best_estimator_)


@pytest.mark.parametrize("name", ["exact", "mixed"])
def test_random_state_instance_is_drawn_from_once_a_fit(given, name):
    model = clone(MODELS[name]).set_params(random_state=np.random.RandomState(0))
    first, second = learnt(model.fit(**given)), learnt(model.fit(**given))
    assert first != second
    again = clone(MODELS[name]).set_params(random_state=np.random.RandomState(0)).fit(**given)
    assert learnt(again) == first


def test_polars_and_pyarrow_tables_are_read_like_pandas(given, one_thread):
    tables = {name: given[name].reset_index() for name in ("user_features", "item_features")}
    tables["item_features"]["genres"] = tables["item_features"]["genres"].map(list)
    for convert in (pl.from_pandas, lambda table: pl.from_pandas(table).to_arrow()):
        X = convert(given["X"].reset_index(drop=True))
        model = clone(MODELS["exact"]).fit(X, given["y"], **{name: convert(table) for name, table in tables.items()})
        assert learnt(model) == one_thread["exact"]


def test_strided_and_read_only_rows_are_rows_like_any_other(given, one_thread):
    strided = np.repeat(given["X"].to_numpy(), 2, axis=1)[:, ::2]
    strided.setflags(write=False)
    assert learnt(clone(MODELS["exact"]).fit(**{**given, "X": strided})) == one_thread["exact"]
