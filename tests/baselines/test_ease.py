"""EASE against its own definition: a ridge regression of each item on all others."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge

from skrec import EASERecommender, PopularityRecommender
from skrec.baselines import _ease


def planted(n_users=60, n_items=25, density=0.3, seed=0):
    rng = np.random.default_rng(seed)
    matrix = rng.random((n_users, n_items)) < density
    matrix[np.arange(n_items), np.arange(n_items)] = True  # no item without a user
    return matrix.astype(float), np.argwhere(matrix)


def test_each_column_is_the_ridge_regression_on_the_other_items():
    matrix, X = planted()
    model = EASERecommender(l2=3.0).fit(X)
    for j in range(matrix.shape[1]):
        others = np.delete(np.arange(matrix.shape[1]), j)
        ridge = Ridge(alpha=3.0, fit_intercept=False, solver="cholesky").fit(matrix[:, others], matrix[:, j])
        np.testing.assert_allclose(model.item_weights_[others, j], ridge.coef_, rtol=0, atol=1e-8)
        assert model.item_weights_[j, j] == 0.0


def test_a_huge_penalty_leaves_co_occurrence():
    matrix, X = planted()
    model = EASERecommender(l2=1e9).fit(X)
    together = matrix.T @ matrix
    np.fill_diagonal(together, 0)
    np.testing.assert_allclose(model.item_weights_ * 1e9, together, atol=1e-4)


def test_items_with_equal_histories_get_symmetric_weights():
    matrix, _ = planted()
    matrix[:, 7] = matrix[:, 3]
    weights = EASERecommender(l2=2.0).fit(np.argwhere(matrix)).item_weights_
    assert weights[3, 7] == pytest.approx(weights[7, 3], abs=1e-12)
    others = np.delete(np.arange(matrix.shape[1]), [3, 7])
    np.testing.assert_allclose(weights[others, 3], weights[others, 7], atol=1e-12)
    np.testing.assert_allclose(weights[3, others], weights[7, others], atol=1e-12)


def test_scores_are_the_history_times_the_weights():
    matrix, X = planted()
    model = EASERecommender(l2=3.0).fit(X)
    expected = matrix @ model.item_weights_
    np.testing.assert_allclose(model._score_users(np.arange(60, dtype=np.int32)), expected, rtol=1e-6, atol=1e-6)
    pairs = np.random.default_rng(1).integers(0, [60, 25], size=(200, 2))
    np.testing.assert_allclose(model.predict(pairs), expected[tuple(pairs.T)], rtol=1e-6, atol=1e-6)


def test_the_blocks_of_the_computation_do_not_show(monkeypatch):
    _, X = planted(n_items=50)
    expected = EASERecommender(l2=3.0).fit(X).item_weights_
    monkeypatch.setattr(_ease, "_TILE", 7)
    monkeypatch.setattr(_ease, "_GRAM_BYTES", 50 * 8 * 3)
    np.testing.assert_allclose(EASERecommender(l2=3.0).fit(X).item_weights_, expected, atol=1e-14)


def test_float32_is_close_and_takes_half_the_memory():
    _, X = planted()
    double, single = EASERecommender(l2=3.0).fit(X), EASERecommender(l2=3.0, dtype=np.float32).fit(X)
    assert single.item_weights_.dtype == np.float32
    np.testing.assert_allclose(single.item_weights_, double.item_weights_, atol=1e-5)


def test_weights_enter_the_matrix():
    matrix, X = planted()
    weight = np.random.default_rng(2).integers(1, 5, size=len(X))
    model = EASERecommender(l2=3.0).fit(X, sample_weight=weight)
    weighted = csr_array((weight.astype(float), X.T), shape=matrix.shape).toarray()
    inverse = np.linalg.inv(weighted.T @ weighted + 3.0 * np.eye(matrix.shape[1]))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(model.item_weights_, expected, atol=1e-10)


def test_explicit_negatives_are_zeros_but_seen():
    _, X = planted()
    with_negative = np.vstack([X, [[0, 24]]]) if [0, 24] not in X.tolist() else X
    y = np.append(np.ones(len(X)), np.zeros(len(with_negative) - len(X)))
    assert len(with_negative) == len(X) + 1
    model, plain = EASERecommender(l2=3.0).fit(with_negative, y), EASERecommender(l2=3.0).fit(X)
    np.testing.assert_array_equal(model.item_weights_, plain.item_weights_)
    assert 24 in plain.recommend([0], 25)[0]
    assert 24 not in model.recommend([0], 25)[0]


def test_batches_give_the_weights_of_all_rows():
    _, X = planted()
    whole = EASERecommender(l2=3.0).fit(X)
    parts = EASERecommender(l2=3.0).partial_fit(X[300:]).partial_fit(X[:300])
    pairs = np.argwhere(np.ones((60, 25)))
    np.testing.assert_allclose(parts.predict(pairs), whole.predict(pairs), atol=1e-6)


def test_a_catalogue_that_does_not_fit_is_refused_before_it_is_allocated():
    X = np.column_stack([np.zeros(200_000, dtype=int), np.arange(200_000)])
    with pytest.raises(MemoryError, match=r"200000 x 200000 items, 298 GiB, but memory_limit=8.0 GiB.*float32"):
        EASERecommender().fit(X)


def test_a_penalty_lost_in_rounding_is_named():
    X = np.argwhere(np.ones((40, 3)))
    with pytest.raises(ValueError, match="l2=1e-30 is too small"):
        EASERecommender(l2=1e-30).fit(X)


def read_lists(path):
    rows = [np.array(line.split(), dtype=np.int64) for line in path.read_text().splitlines()]
    return np.vstack([np.column_stack([np.full(len(row) - 1, row[0]), row[1:]]) for row in rows if len(row) > 1])


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("l2", "recall", "ndcg", "auc"), [(500.0, 0.2759, 0.2660, 0.9044), (1000.0, 0.2755, 0.2674, None)]
)
def test_movielens_1m_gives_the_known_figures(data_home, l2, recall, ndcg, auc):
    train, test = (read_lists(data_home / "ml-1m-m1" / f"{part}.txt") for part in ("train", "test"))
    model = EASERecommender(l2=l2).fit(train)
    positives = csr_array((np.ones(len(test)), test.T), shape=(6022, 3043))
    lists, _ = model.recommend(np.arange(6022), 20)
    hits = positives[np.arange(6022)[:, None], lists].toarray()
    discount = 1 / np.log2(np.arange(2, 22))
    n_held_out = np.diff(positives.indptr)
    evaluated = n_held_out > 0
    ideal = np.append(0, np.cumsum(discount))[np.minimum(n_held_out, 20)]
    assert np.mean((hits.sum(axis=1))[evaluated] / n_held_out[evaluated]) == pytest.approx(recall, abs=5e-5)
    assert np.mean((hits @ discount)[evaluated] / ideal[evaluated]) == pytest.approx(ndcg, abs=5e-5)
    if auc is not None:
        assert model.score(test) == pytest.approx(auc, abs=5e-5)


@pytest.mark.data
def test_movielens_100k_is_ranked_far_better_than_by_popularity(data_home):
    train, test = (np.loadtxt(data_home / "ml-100k" / f"ua.{part}", dtype=np.int64) for part in ("base", "test"))
    fit = {"X": train[:, :2], "y": train[:, 2] >= 4}
    held_out = test[:, :2], test[:, 2] >= 4
    assert PopularityRecommender().fit(**fit).score(*held_out) == pytest.approx(0.8724, abs=5e-5)
    assert EASERecommender(l2=500.0).fit(**fit).score(*held_out) == pytest.approx(0.9274, abs=5e-5)
