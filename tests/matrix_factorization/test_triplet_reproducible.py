"""Equal seeds give equal bits, whatever runs them."""

import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from skrec import TripletMF
from skrec.matrix_factorization._engine import TripletEngine, choose_cut
from skrec.samplers import BaseSampler, MixedSampler, PopularitySampler, RejectedSampler, UniformSampler, WARPSampler

ROOT = Path(__file__).parents[2]


class CodesInPython(BaseSampler):
    """Uniform, in plain Python."""

    def draw_block(self, users, positives, rng):
        return rng.integers(self.n_features_in_, size=len(users))


MODELS = {
    "default": TripletMF(n_components=8, max_iter=2, random_state=3),
    "popularity": TripletMF(n_components=8, max_iter=2, sampler=PopularitySampler(alpha=0.3), random_state=3),
    "warp": TripletMF(n_components=8, max_iter=2, loss="warp", optimizer="sgd", random_state=3),
    "mixed": TripletMF(
        n_components=8,
        max_iter=2,
        loss="warp",
        sampler=MixedSampler([("easy", UniformSampler(), 1), ("warp", WARPSampler(), 1)]),
        optimizer="adam",
        learning_rate=0.01,
        random_state=3,
    ),
    "gmf": TripletMF(n_components=8, max_iter=2, similarity="gmf", loss="bpr", item_bias=True, random_state=3),
    "python": TripletMF(n_components=8, max_iter=2, sampler=CodesInPython(), random_state=3),
}


def learnt(model):
    """All that training made, as bytes."""
    names = ("user_factors_", "item_factors_", "item_biases_", "component_weights_")
    arrays = [getattr(model, name) for name in names] + [np.array(model.loss_curve_)]
    return b"".join(array.tobytes() for array in arrays)


@pytest.fixture(scope="module")
def one_thread(large):
    """What each model learns on one thread."""
    return {name: learnt(clone(model).fit(*large)) for name, model in MODELS.items()}


def test_the_data_are_cut_into_eight_blocks_so_that_threads_have_work(large):
    sampler = UniformSampler().fit(np.ones((1, 600)))
    assert choose_cut(len(large[1]), 600, 64, sampler) == (8, 8)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_jobs", [2, 4])
def test_number_of_threads_changes_nothing(large, one_thread, name, n_jobs):
    model = clone(MODELS[name]).set_params(n_jobs=n_jobs).fit(*large)
    assert learnt(model) == one_thread[name]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("ahead", [1, 6])
def test_to_ask_memory_for_rows_ahead_and_to_draw_before_training_changes_nothing(
    large, one_thread, name, ahead, monkeypatch
):
    make = TripletEngine.__init__

    def make_with_ahead(engine, *args, **kwargs):
        make(engine, *args, **kwargs)
        assert engine.ahead == 0  # what `one_thread` was learnt with
        engine.ahead = ahead

    monkeypatch.setattr(TripletEngine, "__init__", make_with_ahead)
    assert learnt(clone(MODELS[name]).fit(*large)) == one_thread[name]


def test_rows_are_asked_for_ahead_where_a_chunk_is_beyond_the_cache(monkeypatch):
    aheads = []
    make = TripletEngine.__init__

    def make_and_note(engine, *args, **kwargs):
        make(engine, *args, **kwargs)
        aheads.append(engine.ahead)

    monkeypatch.setattr(TripletEngine, "__init__", make_and_note)
    rng = np.random.default_rng(0)
    for n_users in (100, 10_000):
        X = np.unique(np.column_stack([rng.integers(0, n_users, 20_000), rng.integers(0, 50, 20_000)]), axis=0)
        TripletMF(n_components=32, max_iter=1, random_state=0).fit(X)
    assert aheads[0] == 0 and aheads[1] > 0


def test_threads_can_come_from_the_parallel_config(large, one_thread):
    with joblib.parallel_config(n_jobs=2):
        model = clone(MODELS["default"]).fit(*large)
    assert learnt(model) == one_thread["default"]


@pytest.mark.parametrize("name", MODELS)
def test_same_seed_same_bits_and_another_seed_others(large, one_thread, name):
    rows = slice(0, 20_000)
    X, y = large[0][rows], large[1][rows]
    first, again = (learnt(clone(MODELS[name]).fit(X, y)) for _ in range(2))
    other = learnt(clone(MODELS[name]).set_params(random_state=4).fit(X, y))
    assert first == again
    assert first != other


def test_order_of_the_rows_does_not_matter(large, one_thread):
    order = np.random.default_rng(0).permutation(len(large[1]))
    model = clone(MODELS["default"]).fit(large[0][order], large[1][order])
    assert learnt(model) == one_thread["default"]


def test_pickled_before_and_after_fitting_it_is_the_same(large, one_thread):
    model = pickle.loads(pickle.dumps(MODELS["mixed"])).fit(*large)
    assert learnt(model) == one_thread["mixed"]
    assert learnt(pickle.loads(pickle.dumps(model))) == one_thread["mixed"]


def test_training_goes_on_after_a_pickle_as_if_it_had_not_been(large):
    X, y = large[0][:20_000], large[1][:20_000]
    model = TripletMF(n_components=8, optimizer="adam", learning_rate=0.01, random_state=0).partial_fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    assert learnt(copied.partial_fit(X, y)) == learnt(model.partial_fit(X, y))


def test_worker_processes_learn_the_same(large, one_thread):
    fitted = joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(clone(MODELS[name]).fit)(*large) for name in ("default", "gmf")
    )
    assert [learnt(model) for model in fitted] == [one_thread["default"], one_thread["gmf"]]


def test_workers_of_a_search_learn_the_same(large):
    X, y = large[0][:20_000], large[1][:20_000]
    fold = PredefinedSplit(np.where(np.arange(len(y)) % 10, -1, 0))
    searches = [
        GridSearchCV(MODELS["default"], {"n_components": [4, 8]}, cv=fold, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*(search.cv_results_["mean_test_score"] for search in searches))
    assert learnt(searches[0].best_estimator_) == learnt(searches[1].best_estimator_)


def test_another_process_learns_the_same():
    code = """
import hashlib
from skrec import TripletMF
from skrec.datasets import make_interactions
X, y = make_interactions(random_state=0, return_X_y=True)
model = TripletMF(n_components=8, max_iter=3, random_state=0).fit(X, y)
print(hashlib.sha256(model.user_factors_.tobytes() + model.item_factors_.tobytes()).hexdigest())
"""
    hashes = {
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(hashes) == 1


@pytest.mark.parametrize("name", ["default", "python"])
def test_random_state_instance_is_drawn_from_once_a_fit(planted, name):
    rows = planted.data.iloc[:2000]
    model = clone(MODELS[name]).set_params(random_state=np.random.RandomState(0))
    first, second = learnt(model.fit(rows)), learnt(model.fit(rows))
    assert first != second
    assert first == learnt(clone(MODELS[name]).set_params(random_state=np.random.RandomState(0)).fit(rows))


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_an_epoch_deals_the_items_rows_and_puts_them_back(similarity, optimizer):
    # Users of the second half like items of the second half and have nothing to draw from, so that none of these rows
    # is trained on; all the others are.
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(1000 * 100)[:80_000], 100)
    X = np.column_stack([users, items + 100 * (users >= 500)])
    listed = np.column_stack([np.repeat(np.arange(500), 100), np.tile(np.arange(100), 500)])
    model = TripletMF(
        8,
        similarity=similarity,
        loss="bpr",
        item_bias=True,
        sampler=RejectedSampler(listed),
        optimizer=optimizer,
        max_iter=2,
        random_state=0,
    )
    start, trained = clone(model).set_params(max_iter=0).fit(X), model.fit(X)
    assert choose_cut(len(X), 200, 64, trained.sampler_)[1] > 1
    for name in ("user_factors_", "item_factors_", "item_biases_"):
        before, after = getattr(start, name), getattr(trained, name)
        same = (before == after).reshape(len(after), -1).all(axis=1)
        np.testing.assert_array_equal(same, np.arange(len(after)) >= len(after) // 2)
    # What an optimiser remembers of a row has gone its way too: half of the training goes on to the same end.
    halves = clone(model).set_params(max_iter=1, warm_start=True)
    np.testing.assert_allclose(halves.fit(X).fit(X).item_factors_, trained.item_factors_, atol=1e-4)
