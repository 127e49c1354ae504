"""Epochs of the triplet engine: the same bits on any number of threads, and nothing trained on twice."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from skrec.losses import BPRLoss
from skrec.matrix_factorization import _engine
from skrec.matrix_factorization._engine import TripletEngine, choose_cut
from skrec.matrix_factorization._parameters import start_parameters
from skrec.samplers import ExplicitSampler, PopularitySampler, UniformSampler

N_USERS, N_ITEMS = 60, 24


def interactions():
    matrix = csr_array(random_array((N_USERS, N_ITEMS), density=0.25, rng=np.random.default_rng(0), format="csr"))
    matrix.data = np.random.default_rng(1).choice(np.array([1, 1, 1, -1], np.int8), matrix.nnz)
    return matrix


def train(monkeypatch, n_jobs, *, cut=(4, 4), n_epochs=2, sampler=None, weight=None, seed=0, **parameters):
    """Train for some epochs, cut as a larger matrix would be; return the parameters and the statistics."""
    monkeypatch.setattr(_engine, "choose_cut", lambda *arguments: cut)
    estimator = SimpleNamespace(
        **{
            "n_components": 4,
            "similarity": "cosine",
            "optimizer": "adagrad",
            "learning_rate": 0.1,
            "l2": 0.01,
            "item_bias": True,
            **parameters,
        }
    )
    matrix = interactions()
    start = start_parameters(estimator, np.arange(N_USERS), np.arange(N_ITEMS), seed)
    engine = TripletEngine(
        matrix,
        matrix.data,
        weight,
        start.model,
        start.optimizer,
        (UniformSampler() if sampler is None else sampler).fit(matrix),
        BPRLoss(),
        seed=seed,
        epoch=0,
        n_jobs=n_jobs,
    )
    pool = engine.threads()
    statistics = [engine.run_epoch(pool) for _ in range(n_epochs)]
    if pool is not None:
        pool.shutdown()
    return start, statistics


def assert_same_bits(one, other):
    for a, b in [*zip(one.model, other.model, strict=True), *zip(one.optimizer, other.optimizer, strict=True)]:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "gmf"])
def test_the_number_of_threads_does_not_change_a_bit(monkeypatch, similarity, optimizer):
    arguments = {"similarity": similarity, "optimizer": optimizer}
    one, statistics = train(monkeypatch, 1, **arguments)
    for n_jobs in (2, 3, 4):
        other, same = train(monkeypatch, n_jobs, **arguments)
        assert_same_bits(one, other)
        assert same == statistics


def test_the_number_of_threads_does_not_change_a_bit_with_weights_and_alias_tables(monkeypatch):
    weight = np.random.default_rng(0).random(interactions().nnz).astype(np.float32)
    one, _ = train(monkeypatch, 1, sampler=PopularitySampler(), weight=weight)
    other, _ = train(monkeypatch, 4, sampler=PopularitySampler(), weight=weight)
    assert_same_bits(one, other)


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_asking_for_rows_ahead_changes_no_bit(monkeypatch, optimizer):
    one, statistics = train(monkeypatch, 1, optimizer=optimizer)
    monkeypatch.setattr(_engine, "_BLOCK_BYTES", 0)  # so that every chunk is beyond the cache
    other, same = train(monkeypatch, 2, optimizer=optimizer)
    assert_same_bits(one, other)
    assert same == statistics


def test_the_seed_changes_the_result(monkeypatch):
    one, _ = train(monkeypatch, 1)
    other, _ = train(monkeypatch, 1, seed=1)
    assert not np.array_equal(one.model.U, other.model.U)


@pytest.mark.parametrize("cut", [(1, 1), (2, 2), (4, 4)])
def test_an_epoch_takes_one_step_for_each_positive(monkeypatch, cut):
    matrix = interactions()
    assert (np.diff(matrix.indptr) < N_ITEMS).all()
    _, statistics = train(monkeypatch, 1, cut=cut, n_epochs=1)
    # A user who has seen a whole (small) block has no negative there: the step is left out.
    n_positives = int((matrix.data > 0).sum())
    assert statistics[0].n_steps <= n_positives
    assert statistics[0].n_steps >= 0.97 * n_positives
    if cut == (1, 1):
        assert statistics[0].n_steps == n_positives


def test_weights_of_one_change_nothing(monkeypatch):
    one, _ = train(monkeypatch, 1)
    other, _ = train(monkeypatch, 1, weight=np.ones(interactions().nnz, np.float32))
    assert_same_bits(one, other)


def test_the_cut_grows_with_the_data_and_stays_within_the_samplers_limit():
    uniform = UniformSampler()
    assert choose_cut(1000, 500, 256, uniform) == (1, 1)
    groups, blocks = choose_cut(10_000_000, 20_000, 512, uniform)
    assert groups == blocks > 1
    assert choose_cut(10_000_000, 20_000, 512, ExplicitSampler()) == (1, 1)
    assert choose_cut(10_000_000, 1, 512, uniform) == (1, 1)
    skewed = PopularitySampler(alpha=1).fit(np.array([[1] + [0] * 9]))
    assert choose_cut(10_000_000, 10, 512, skewed) == (1, 1)
