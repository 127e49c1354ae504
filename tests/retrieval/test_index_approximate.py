"""The approximate index finds nearly all, never what it may not, and always as many as there are."""

import copy
import pickle
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrec.retrieval import ApproximateIndex, ExactIndex
from skrec.retrieval._plot import recall_of

pytest.importorskip("hnswlib", reason="the ann extra is not installed")
METRICS = ["inner_product", "cosine"]
N_ITEMS, N_QUERIES = 20_000, 200


@parametrize_with_checks([ApproximateIndex(), ApproximateIndex("cosine")])
def test_scikit_learn_checks(estimator, check):
    """No check is expected to fail."""
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, 16))
    vectors = centres[rng.integers(50, size=N_ITEMS)] + rng.normal(size=(N_ITEMS, 16))
    vectors *= rng.lognormal(0, 0.3, size=(N_ITEMS, 1))
    return vectors.astype(np.float32), (centres[rng.integers(50, size=N_QUERIES)] + rng.normal(size=(N_QUERIES, 16)))


@pytest.fixture(scope="module")
def fitted(data):
    """For each metric the approximate index and the exact one."""
    vectors, _ = data
    return {m: (ApproximateIndex(m, expansion_add=64).fit(vectors), ExactIndex(m).fit(vectors)) for m in METRICS}


@pytest.fixture(scope="module")
def lists():
    rng = np.random.default_rng(1)
    return [rng.choice(N_ITEMS, size=rng.integers(0, 300), replace=False) for _ in range(N_QUERIES)]


@pytest.mark.parametrize("metric", METRICS)
def test_finds_nearly_all_with_the_scores_of_the_exact_index(fitted, data, metric):
    approximate, exact = fitted[metric]
    codes, scores = approximate.query(data[1], 10)
    true_codes, _ = exact.query(data[1], 10)
    assert recall_of(true_codes, codes) > 0.9
    # The exact index, told to choose from what was found, must agree on order and on every bit of the scores.
    again, exact_scores = exact.query(data[1], 10, candidates=codes)
    np.testing.assert_array_equal(codes, again)
    np.testing.assert_array_equal(scores, exact_scores)


def test_a_wider_search_finds_more(fitted, data):
    approximate, exact = fitted["inner_product"]
    true_codes, _ = exact.query(data[1], 10)
    recalls = [
        recall_of(true_codes, copy.copy(approximate).set_params(expansion_search=width).query(data[1], 10)[0])
        for width in (10, 40, 400)
    ]
    assert recalls == sorted(recalls) and recalls[-1] > max(0.98, recalls[0])


@pytest.mark.parametrize("shared", [True, False])
def test_what_is_excluded_is_never_found_and_k_are_left(fitted, data, lists, shared):
    approximate, exact = fitted["inner_product"]
    best = exact.query(data[1], 150)[0]
    # The best items of each query: exclusions that matter, as those of seen items do.
    exclude = np.unique(best[:3]) if shared else [np.append(a, b[: len(a)]) for a, b in zip(lists, best, strict=True)]
    codes, _ = approximate.query(data[1], 10, exclude=exclude)
    assert (codes >= 0).all()
    for row, code in enumerate(codes):
        assert not np.isin(code, exclude if shared else exclude[row]).any()
        assert len(np.unique(code)) == 10
    assert recall_of(exact.query(data[1], 10, exclude=exclude)[0], codes) > 0.9


@pytest.mark.parametrize("size", [0, 3, 500, 5_000, 15_000])
@pytest.mark.parametrize("shared", [True, False])
def test_only_candidates_are_found_and_as_many_as_there_are(fitted, data, lists, size, shared):
    approximate, exact = fitted["inner_product"]
    rng = np.random.default_rng(size)
    queries = data[1][:40]
    candidates = [rng.choice(N_ITEMS, size=size, replace=False) for _ in queries]
    candidates = candidates[0] if shared else candidates
    exclude = lists[:40]
    codes, scores = approximate.query(queries, 10, candidates=candidates, exclude=exclude)
    true_codes, true_scores = exact.query(queries, 10, candidates=candidates, exclude=exclude)
    np.testing.assert_array_equal(codes >= 0, true_codes >= 0)
    np.testing.assert_array_equal(np.isneginf(scores), codes < 0)
    assert recall_of(true_codes, codes) > 0.9
    if size <= 1024:
        np.testing.assert_array_equal(codes, true_codes)
        np.testing.assert_array_equal(scores, true_scores)


def test_short_lists_never_reach_the_graph(fitted, data, monkeypatch):
    approximate, _ = fitted["inner_product"]
    walks = []
    walk = ApproximateIndex._walk
    monkeypatch.setattr(ApproximateIndex, "_walk", lambda *args: walks.append(len(args[1])) or walk(*args))
    approximate.query(data[1], 10, candidates=np.arange(1000))
    approximate.query(data[1], 10, candidates=[np.arange(1000)] * N_QUERIES)
    approximate.query(data[1][:5], N_ITEMS)
    assert walks == []
    approximate.query(data[1], 10)
    assert sum(walks) == N_QUERIES


def test_candidates_far_from_the_query_are_still_found(data):
    """The graph offers the nearest items; a list of the furthest makes it come back for more, in the end exactly."""
    vectors, queries = data
    approximate, exact = ApproximateIndex().fit(vectors[:3000]), ExactIndex().fit(vectors[:3000])
    worst = exact.query(queries[:5], 2500, furthest=True)[0]
    codes, scores = approximate.query(queries[:5], 10, candidates=worst)
    assert (codes >= 0).all()
    np.testing.assert_array_equal(codes, exact.query(queries[:5], 10, candidates=worst)[0])


def test_furthest_items_score_as_they_do_exactly(fitted, data):
    approximate, exact = fitted["cosine"]
    codes, scores = approximate.query(data[1], 10, furthest=True)
    true_codes, true_scores = exact.query(data[1], 10, furthest=True)
    assert (np.diff(scores, axis=1) >= 0).all()
    assert (scores >= true_scores).all()
    assert recall_of(true_codes, codes) > 0.7


def test_as_many_as_there_are_is_exact(data):
    vectors, queries = data[0][:30], data[1][:5]
    for k in (30, 50):
        codes, scores = ApproximateIndex().fit(vectors).query(queries, k)
        true_codes, true_scores = ExactIndex().fit(vectors).query(queries, k)
        np.testing.assert_array_equal(codes, true_codes)
        np.testing.assert_array_equal(scores, true_scores)


def test_the_same_fit_gives_the_same_graph_whatever_n_jobs(data):
    vectors, queries = data[0][:3000], data[1]
    expected = ApproximateIndex(n_jobs=1).fit(vectors)
    graph = pickle.dumps(expected._graph)
    for n_jobs in (1, 2, 4):
        index = ApproximateIndex(n_jobs=n_jobs).fit(vectors)
        assert pickle.dumps(index._graph) == graph
        np.testing.assert_array_equal(index.query(queries, 10)[0], expected.query(queries, 10)[0])


def test_a_query_is_answered_alone_as_in_company(fitted, data):
    approximate, _ = fitted["cosine"]
    codes, scores = approximate.query(data[1], 10)
    for row in (0, 7, 199):
        alone = approximate.query(data[1][row : row + 1], 10)
        np.testing.assert_array_equal(alone[0][0], codes[row])
        np.testing.assert_array_equal(alone[1][0], scores[row])


def test_threads_may_build_the_graph(data):
    vectors, queries = data[0][:5000], data[1]
    index = ApproximateIndex(parallel_build=True, n_jobs=2).fit(vectors)
    assert recall_of(ExactIndex().fit(vectors).query(queries, 10)[0], index.query(queries, 10)[0]) > 0.9


def test_copies_find_the_same(fitted, data, tmp_path):
    index, _ = fitted["inner_product"]
    codes, _ = index.query(data[1], 10)
    joblib.dump(index, tmp_path / "index.joblib")
    for other in (
        pickle.loads(pickle.dumps(index)),
        copy.deepcopy(index),
        joblib.load(tmp_path / "index.joblib"),
        joblib.load(tmp_path / "index.joblib", mmap_mode="r"),
    ):
        np.testing.assert_array_equal(other.query(data[1], 10)[0], codes)
        assert other.get_params() == index.get_params()


def test_added_vectors_are_found(data):
    vectors, queries = data[0][:6000], data[1]
    for metric in METRICS:
        index = ApproximateIndex(metric).fit(vectors[:4000])
        before = index._graph
        index.partial_fit(vectors[4000:5000]).partial_fit(10 * vectors[5000:])
        assert before.get_current_count() == 4000, "the old graph was written to"
        codes, _ = index.query(queries, 10)
        exact = ExactIndex(metric).fit(np.concatenate([vectors[:5000], 10 * vectors[5000:]]))
        assert recall_of(exact.query(queries, 10)[0], codes) > 0.9


@pytest.mark.parametrize("length_quantile", [0.0, 0.5, 1.0])
def test_the_further_component_changes_no_score(data, length_quantile):
    vectors, queries = data[0][:2000], data[1][:20]
    index = ApproximateIndex(length_quantile=length_quantile, expansion_search=2000).fit(vectors)
    codes, scores = index.query(queries, 5)
    np.testing.assert_allclose(scores, np.take_along_axis(queries @ vectors.T, codes, axis=1), rtol=1e-5)


def test_equal_lengths_hurt_where_lengths_spread_much():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6000, 48)) * rng.lognormal(0, 0.4, size=(6000, 1))
    queries = rng.normal(size=(50, 48))
    true_codes, _ = ExactIndex().fit(vectors).query(queries, 10)
    found = {
        q: recall_of(true_codes, ApproximateIndex(length_quantile=q).fit(vectors).query(queries, 10)[0])
        for q in (0.9, 1.0)
    }
    assert found[0.9] > 0.85 > 0.5 > found[1.0]


def test_where_the_graph_reaches_too_few_they_are_found_exactly():
    """Copies of one vector link to each other only, and the graph falls apart."""
    vectors = np.repeat(np.random.default_rng(0).normal(size=(20, 8)), 200, axis=0)
    index = ApproximateIndex("cosine", connectivity=2, expansion_add=2).fit(vectors)
    with pytest.raises(RuntimeError):
        index._graph.knn_query(vectors[:20].astype(np.float32), 1000)
    codes, scores = index.query(vectors[:20], 1000)
    assert (codes >= 0).all() and all(len(np.unique(row)) == 1000 for row in codes)


def test_vectors_of_zeros_and_copies_are_fine():
    vectors = np.zeros((50, 4))
    codes, scores = ApproximateIndex().fit(vectors).query(np.ones((2, 4)), 5)
    assert (codes >= 0).all() and (scores == 0).all()
    assert all(len(set(row)) == 5 for row in codes.tolist())


def test_a_clone_is_not_fitted_and_parameters_are_checked(fitted):
    other = clone(fitted["cosine"][0])
    assert not hasattr(other, "vectors_") and other.metric == "cosine"
    with pytest.raises(ValueError, match="'expansion_search' parameter"):
        other.set_params(expansion_search=0).fit([[1.0]])


def test_without_its_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    with pytest.raises(ImportError, match=r'pip install "skrec-learn\[ann\]"'):
        ApproximateIndex().fit([[1.0], [2.0]])
