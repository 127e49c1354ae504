"""The exact index is a stable sort of all scores, whatever is asked, in whatever form, by however many threads."""

import pickle

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrec.retrieval import ApproximateIndex, ExactIndex
from skrec.retrieval import _scan as scan_module


@parametrize_with_checks([ExactIndex(), ExactIndex("cosine")])
def test_scikit_learn_checks(estimator, check):
    """No check is expected to fail."""
    check(estimator)


def scores_of(queries, vectors, metric="inner_product"):
    """Every score: products of float32 vectors, summed in float64 and rounded once."""
    queries, vectors = (np.asarray(part, dtype=np.float32).astype(np.float64) for part in (queries, vectors))
    if metric == "cosine":
        queries, vectors = (
            (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-300)).astype(np.float32).astype(float)
            for part in (queries, vectors)
        )
    return (queries @ vectors.T).astype(np.float32)


def reference(scores, k, allowed=None):
    """The k best of each row by a stable sort."""
    scores = scores if allowed is None else np.where(allowed, scores, -np.inf)
    codes = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, codes, axis=1)
    codes = np.where(np.isneginf(best), -1, codes)
    width = ((0, 0), (0, k - codes.shape[1]))
    return np.pad(codes, width, constant_values=-1), np.pad(best, width, constant_values=-np.inf)


def assert_found(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-6, atol=1e-7)
    assert found[0].dtype == np.int32 and found[1].dtype == np.float32


@pytest.fixture(scope="module")
def data():
    """Vectors in which every tenth is a copy of its neighbour, and queries."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1500, 12)).astype(np.float32)
    vectors *= rng.lognormal(0, 0.5, size=(1500, 1)).astype(np.float32)
    vectors[::10] = vectors[1::10]
    return vectors, rng.normal(size=(300, 12)).astype(np.float32)


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(scan_module, "_BLOCK", 7)
    monkeypatch.setattr(scan_module, "_TILE", 7 * 130)


@pytest.mark.parametrize("metric", ["inner_product", "cosine"])
@pytest.mark.parametrize("k", [1, 10, 700])
def test_finds_what_a_stable_sort_puts_first(data, metric, k):
    vectors, queries = data
    found = ExactIndex(metric).fit(vectors).query(queries[:40], k)
    assert_found(found, reference(scores_of(queries[:40], vectors, metric), k))


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), n=st.integers(1, 200), k=st.integers(1, 210), width=st.integers(1, 150))
def test_ties_go_to_the_lower_code_whatever_the_tiles(seed, n, k, width):
    rng = np.random.default_rng(seed)
    vectors, queries = rng.integers(-1, 2, size=(n, 3)), rng.integers(-1, 2, size=(5, 3))
    index = ExactIndex().fit(vectors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_module, "_TILE", 5 * width)
        assert_found(index.query(queries, k), reference(scores_of(queries, vectors), k))


def test_no_bit_depends_on_tiles_threads_or_company(data, monkeypatch):
    vectors, queries = data
    index = ExactIndex().fit(vectors)
    codes, scores = index.query(queries, 20)
    for n_jobs in (2, 4):
        for block, tile in ((256, 1 << 17), (7, 7 * 130), (1, 33)):
            monkeypatch.setattr(scan_module, "_BLOCK", block)
            monkeypatch.setattr(scan_module, "_TILE", tile)
            found = clone(index).set_params(n_jobs=n_jobs).fit(vectors).query(queries, 20)
            np.testing.assert_array_equal(found[0], codes)
            np.testing.assert_array_equal(found[1], scores)
    for row in (0, 17, 299):
        np.testing.assert_array_equal(index.query(queries[row : row + 1], 20)[1][0], scores[row])


def test_copies_of_an_item_score_alike_to_the_last_bit(data):
    vectors, queries = data
    codes, scores = ExactIndex().fit(vectors).query(queries[:20], len(vectors))
    by_code = np.empty_like(scores)
    np.put_along_axis(by_code, codes, scores, axis=1)
    np.testing.assert_array_equal(by_code[:, ::10], by_code[:, 1::10])


def random_lists(rng, n_queries, n_items, most):
    return [rng.choice(n_items, size=rng.integers(0, most + 1), replace=False).tolist() for _ in range(n_queries)]


def mask_of(lists, n_queries, n_items):
    mask = np.zeros((n_queries, n_items), dtype=bool)
    for row, one in enumerate(lists):
        mask[row, one] = True
    return mask


@pytest.mark.parametrize("most", [40, 1200], ids=["short lists", "long lists"])
@pytest.mark.parametrize("shared_candidates", [False, True, None])
@pytest.mark.parametrize("shared_exclude", [False, True, None])
def test_lists_leave_out_what_they_say(data, small_tiles, most, shared_candidates, shared_exclude):
    vectors, queries = data[0], data[1][:30]
    n, m = len(queries), len(vectors)
    rng = np.random.default_rng(1)
    wanted, unwanted = random_lists(rng, n, m, most), random_lists(rng, n, m, most)
    allowed, options = np.ones((n, m), dtype=bool), {}
    if shared_candidates is not None:
        options["candidates"] = wanted[0] if shared_candidates else wanted
        allowed &= mask_of([wanted[0]] * n if shared_candidates else wanted, n, m)
    if shared_exclude is not None:
        options["exclude"] = unwanted[1] if shared_exclude else unwanted
        allowed &= ~mask_of([unwanted[1]] * n if shared_exclude else unwanted, n, m)
    found = ExactIndex().fit(vectors).query(queries, 15, **options)
    assert_found(found, reference(scores_of(queries, vectors), 15, allowed))


def test_every_form_of_a_list_is_read_alike(data):
    vectors, queries = data[0], data[1][:4]
    index = ExactIndex().fit(vectors)
    lists = [[5, 3, 3, 900], [7, 8, 1], [], [1400]]
    padded = np.array([[5, 3, 3, 900], [7, 8, 1, -1], [-1, -1, -1, -1], [1400, -1, -1, -1]])
    matrix = csr_array(mask_of(lists, 4, len(vectors)).astype(np.int8))
    backwards = csr_array((np.ones(8), [900, 5, 3, 3, 8, 7, 1, 1400], [0, 4, 7, 7, 8]), shape=matrix.shape)
    for name in ("candidates", "exclude"):
        expected = index.query(queries, 6, **{name: lists})
        for form in (padded, matrix, backwards, matrix.tocoo(), [np.array(one) for one in lists]):
            assert_found(index.query(queries, 6, **{name: form}), expected)
        for shared in ([4, 4, 2], np.array([2, 4]), (4, 2, -1)):
            each = index.query(queries, 6, **{name: [[2, 4]] * 4})
            assert_found(index.query(queries, 6, **{name: shared}), each)
    assert backwards.indices[0] == 900, "the caller's matrix was changed"


def test_empty_lists_choose_nothing_or_exclude_nothing(data):
    vectors, queries = data[0], data[1][:3]
    index = ExactIndex().fit(vectors)
    for empty in ([], [[], [], []]):
        codes, scores = index.query(queries, 4, candidates=empty)
        assert (codes == -1).all() and np.isneginf(scores).all()
        assert_found(index.query(queries, 4, exclude=empty), index.query(queries, 4))


def test_furthest_is_nearest_of_the_negated_query(data):
    vectors, queries = data
    index = ExactIndex().fit(vectors)
    codes, scores = index.query(queries, 9, furthest=True, exclude=[0, 1])
    other_codes, other_scores = index.query(-queries, 9, exclude=[0, 1])
    np.testing.assert_array_equal(codes, other_codes)
    np.testing.assert_array_equal(scores, -other_scores)
    codes, scores = index.query(queries[:1], 3, candidates=[4], furthest=True)
    assert codes.tolist() == [[4, -1, -1]] and np.isposinf(scores[0, 1:]).all()


def test_a_vector_of_zeros_has_the_cosine_zero():
    index = ExactIndex("cosine").fit([[0.0, 0.0], [-1.0, 0.0], [3.0, 0.0]])
    codes, scores = index.query([[2.0, 0.0], [0.0, 0.0]], 3)
    assert codes.tolist() == [[2, 0, 1], [0, 1, 2]]
    assert scores.tolist() == [[1, 0, -1], [0, 0, 0]]


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-10, 1e15])
def test_tiny_and_huge_vectors_are_ranked_too(data, scale):
    vectors, queries = data[0] * np.float32(scale), data[1][:20]
    found = ExactIndex().fit(vectors).query(queries, 10)
    assert_found(found, reference(scores_of(queries, vectors), 10))


def test_products_that_would_overflow_are_refused():
    index = ExactIndex().fit([[1e30, 0.0]])
    with pytest.raises(ValueError, match="too large for float32"):
        index.query([[1e10, 0.0]])


def test_more_than_there_is_leaves_places_free():
    codes, scores = ExactIndex().fit([[1.0], [2.0]]).query([[1.0]], 4)
    assert codes.tolist() == [[1, 0, -1, -1]]
    assert scores.tolist() == [[2, 1, -np.inf, -np.inf]]


def test_no_queries_is_no_error(data):
    codes, scores = ExactIndex().fit(data[0]).query(np.empty((0, 12)), 3)
    assert codes.shape == scores.shape == (0, 3)


def test_memory_mapped_read_only_and_strided_vectors_are_read_alike(data, tmp_path):
    vectors, queries = data
    expected = ExactIndex().fit(vectors).query(queries[:9], 5)
    np.save(tmp_path / "vectors.npy", vectors)
    frozen = vectors.copy()
    frozen.setflags(write=False)
    wide = np.zeros((3000, 24), dtype=np.float32)
    wide[::2, ::2] = vectors
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    for form in (mapped, frozen, wide[::2, ::2], np.asfortranarray(vectors), vectors.astype(float), vectors.tolist()):
        assert_found(ExactIndex().fit(form).query(queries[:9], 5), expected)
    fixed = queries[:9].copy()
    fixed.setflags(write=False)
    assert_found(ExactIndex().fit(vectors).query(fixed, 5), expected)


def test_pickle_and_joblib_keep_every_bit(data, tmp_path):
    vectors, queries = data
    index = ExactIndex("cosine").fit(vectors)
    expected = index.query(queries, 5, exclude=[3])
    joblib.dump(index, tmp_path / "index.joblib")
    for other in (pickle.loads(pickle.dumps(index)), joblib.load(tmp_path / "index.joblib", mmap_mode="r")):
        np.testing.assert_array_equal(other.query(queries, 5, exclude=[3])[1], expected[1])


def test_added_vectors_are_found_like_those_of_one_fit(data):
    vectors, queries = data
    index = ExactIndex("cosine").partial_fit(vectors[:1000]).partial_fit(vectors[1000:])
    assert_found(index.query(queries, 5), ExactIndex("cosine").fit(vectors).query(queries, 5))


@pytest.mark.parametrize("make", [ExactIndex, ApproximateIndex])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k == 0, must be >= 1"),
        ({"candidates": [3, 1500]}, r"candidates holds 1500, .* codes go from 0 to 1499"),
        ({"exclude": [-2]}, "exclude holds -2"),
        ({"exclude": [[1], [2]]}, "exclude holds 2 lists for 3 queries"),
        ({"candidates": [0.5]}, "candidates should hold item codes"),
        ({"candidates": np.ones(1500, dtype=bool)}, "candidates should hold item codes"),
        ({"candidates": csr_array((3, 7))}, r"candidates has shape \(3, 7\), but should be \(3, 1500\)"),
        ({"candidates": 4}, "candidates=4 should be a list"),
    ],
)
def test_bad_requests_are_refused_by_name(data, make, options, message):
    if make is ApproximateIndex:
        pytest.importorskip("hnswlib")
    index = make().fit(data[0])
    with pytest.raises(ValueError, match=message):
        index.query(data[1][:3], **options)


@pytest.mark.parametrize("bad", [[[np.nan] * 12], [[np.inf] * 12], [[1e200] * 12], np.empty((0, 12)), [1.0] * 12])
def test_bad_vectors_are_refused_and_change_nothing(data, bad):
    index = ExactIndex().fit(data[0])
    for call in (index.fit, index.partial_fit):
        with pytest.raises(ValueError):
            call(bad)
    with pytest.raises(ValueError, match="features"):
        index.query([[1.0, 2.0]])
    assert index.vectors_ is data[0] or np.array_equal(index.vectors_, data[0])
    assert index.n_features_in_ == 12
