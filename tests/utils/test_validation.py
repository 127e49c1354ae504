"""Rows of any make become the same matrix, and bad rows are refused in words that help."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator

from skrec.utils._validation import check_interactions, check_pairs, kernel_array, merge_interactions

USERS = [7, 3, 7, 9, 3]
ITEMS = ["b", "a", "a", "c", "b"]
Y = [1.0, 0.0, 2.5, 1.0, -1.0]
EXPECTED = [[-1, -1, 0], [1, 1, 0], [0, 0, 1]]


def gather(X, y=None, sample_weight=None, **options):
    return check_interactions(BaseEstimator(), X, y, sample_weight, **options)


def assert_same(a, b):
    np.testing.assert_array_equal(a.user_ids, b.user_ids)
    np.testing.assert_array_equal(a.item_ids, b.item_ids)
    np.testing.assert_array_equal(a.matrix.indptr, b.matrix.indptr)
    np.testing.assert_array_equal(a.matrix.indices, b.matrix.indices)
    np.testing.assert_array_equal(a.matrix.data, b.matrix.data)
    assert (a.weight is None) == (b.weight is None)
    if a.weight is not None:
        np.testing.assert_array_equal(a.weight, b.weight)


CONTAINERS = {
    "pandas": lambda: pd.DataFrame({"u": USERS, "i": ITEMS}),
    "pandas extension": lambda: pd.DataFrame(
        {"u": pd.array(USERS, dtype="Int64"), "i": pd.array(ITEMS, dtype="string")}
    ),
    "pandas category": lambda: pd.DataFrame({"u": pd.Categorical(USERS), "i": pd.Categorical(ITEMS)}),
    "pandas object": lambda: pd.DataFrame({"u": USERS, "i": ITEMS}).astype(object),
    "polars": lambda: pl.DataFrame({"u": USERS, "i": ITEMS}),
    "polars category": lambda: pl.DataFrame({"u": USERS, "i": ITEMS}, schema_overrides={"i": pl.Categorical}),
    "pyarrow": lambda: pa.table({"u": USERS, "i": ITEMS}),
    "pyarrow dictionary": lambda: pa.table({"u": USERS, "i": pa.array(ITEMS).dictionary_encode()}),
    "object array": lambda: np.array([USERS, ITEMS], dtype=object).T,
    "list of rows": lambda: [list(row) for row in zip(USERS, ITEMS, strict=True)],
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_the_same_interactions(container):
    interactions = gather(CONTAINERS[container](), Y)
    np.testing.assert_array_equal(interactions.matrix.toarray(), EXPECTED)
    assert interactions.user_ids.tolist() == [3, 7, 9]
    assert interactions.item_ids.tolist() == ["a", "b", "c"]
    assert interactions.matrix.dtype == np.int8
    assert interactions.weight is None
    assert isinstance(interactions.matrix, csr_array)


@pytest.mark.parametrize(
    "as_y",
    [
        np.array,
        list,
        pd.Series,
        pl.Series,
        lambda y: pd.Series(y, dtype="Float64"),
        lambda y: np.array(y) > 0,
        lambda y: pd.Series(np.array(y) > 0, dtype="boolean"),
        lambda y: pl.Series(np.array(y) > 0),
        lambda y: np.array(y, dtype=object),
        lambda y: pa.chunked_array([y]),
    ],
)
def test_every_container_of_feedback_is_read(as_y):
    np.testing.assert_array_equal(gather(CONTAINERS["pandas"](), as_y(Y)).matrix.toarray(), EXPECTED)


def test_without_feedback_every_row_is_positive():
    np.testing.assert_array_equal(gather(CONTAINERS["pandas"]()).matrix.toarray(), np.abs(EXPECTED))


def test_columns_are_chosen_by_name_or_position():
    expected = gather(CONTAINERS["pandas"](), Y)
    frame = pd.DataFrame({"time": np.nan, "i": ITEMS, "u": USERS})
    assert_same(gather(frame, Y, user="u", item="i"), expected)
    assert_same(gather(frame, Y, user=2, item=1), expected)
    assert_same(gather(frame.to_numpy(), Y, user=2, item=1), expected)


def test_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 30, size=(2000, 2))
    y, weight = rng.integers(-1, 3, size=2000), rng.random(2000)
    shuffled = rng.permutation(2000)
    assert_same(gather(X, y, weight), gather(X[shuffled], y[shuffled], weight[shuffled]))


def test_a_repeated_pair_is_positive_if_any_row_is_and_weighs_their_sum():
    X = np.array([[0, 0], [0, 0], [0, 1], [0, 1], [1, 1], [0, 0]])
    interactions = gather(X, [0, 3, 0, 0, 1, 0], [1.0, 2.0, 0.5, 0.25, 4.0, 1.0])
    np.testing.assert_array_equal(interactions.matrix.toarray(), [[1, -1], [0, 1]])
    np.testing.assert_array_equal(interactions.weight, np.array([4.0, 0.75, 4.0], dtype=np.float32))
    assert interactions.weight.dtype == np.float32


def test_repeating_a_row_equals_weighting_it():
    rng = np.random.default_rng(1)
    X, y, weight = rng.integers(0, 20, size=(300, 2)), rng.integers(-1, 2, size=300), rng.integers(0, 4, size=300)
    assert_same(gather(X, y, weight), gather(X.repeat(weight, axis=0), y.repeat(weight)))


def test_many_repetitions_do_not_overflow():
    interactions = gather(np.zeros((1000, 2), dtype=int), np.ones(1000))
    assert interactions.matrix.toarray().tolist() == [[1]]
    assert interactions.weight.tolist() == [1000.0]


def test_rows_of_weight_zero_are_absent_with_their_ids():
    X = pd.DataFrame({"u": pd.Categorical(["a", "b", "c"]), "i": [1, 2, 3]})
    assert_same(gather(X, [1, 1, 1], [1, 0, 2]), gather(X.iloc[[0, 2]], [1, 1], [1, 2]))


def test_equal_weights_of_one_are_no_weights():
    assert gather(CONTAINERS["pandas"](), Y, np.ones(5)).weight is None


def test_inputs_are_left_alone():
    X, y, weight = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.0, 1.0]), np.array([2, 3], dtype=np.float32)
    for array in (X, y, weight):
        array.setflags(write=False)
    np.testing.assert_array_equal(gather(X, y, weight).weight, [2, 3])
    weight.setflags(write=True)
    gather(X, y, weight)
    np.testing.assert_array_equal(weight, [2, 3])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((0, 2)), r"0 sample\(s\)"),
        (np.zeros((3, 0)), r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 2 is required"),
        (np.zeros((3, 1)), r"1 feature\(s\)"),
        (pd.DataFrame({"u": [], "i": []}), r"0 sample\(s\) \(shape=\(0, 2\)\)"),
        (pd.DataFrame({"u": [1]}), r"1 feature\(s\)"),
        (pl.DataFrame({"u": [1]}), r"1 feature\(s\)"),
        (np.zeros(3), "1D array"),
        (pd.Series([1, 2]), "Expected a 2-dimensional container"),
        (np.zeros((2, 2), dtype=complex), "Complex data not supported"),
        ([[1, np.nan], [1, 2]], r"item column of X \(item=1\) holds a missing id"),
        ([[np.inf, 1], [1, 2]], r"user column of X \(user=0\) holds an infinite id \(inf\)"),
        ([["a", 1], [None, 2]], r"user column of X \(user=0\) holds a missing id .* in row 1"),
    ],
    ids=str,
)
def test_bad_rows_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        gather(X)


def test_sparse_and_lazy_input_is_refused():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        gather(csr_array(np.eye(3)))
    with pytest.raises(TypeError, match="X is lazy .*collect"):
        gather(pl.LazyFrame({"u": [1], "i": [2]}))


def test_mixed_types_in_a_column_are_refused_with_the_way_out():
    with pytest.raises(TypeError, match=r"user column of X \(user='u'\) mixes str ids .* int ids .*astype\(str\)"):
        gather(pd.DataFrame({"u": [1, "1"], "i": [1, 2]}), user="u", item="i")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": "who"}, r"user='who' is not a column of X. Its columns are \['u', 'i'\]"),
        ({"item": 2}, "item=2 is not a column of X, which has columns 0 to 1"),
        ({"item": -1}, "item=-1 is not a column"),
        ({"item": "u"}, "are the same column"),
    ],
)
def test_wrong_columns_are_named(columns, message):
    with pytest.raises(ValueError, match=message):
        gather(pd.DataFrame({"u": [1], "i": [2]}), **columns)


def test_a_column_name_needs_a_frame():
    with pytest.raises(ValueError, match="user='u' names a column, but X is an array"):
        gather(np.zeros((2, 2)), user="u")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, np.nan], "Input y contains NaN"),
        ([1, np.inf], "Input y contains infinity"),
        (pd.Series([1, None], dtype="Int64"), "Input y contains NaN"),
        ([1, 1, 1], "inconsistent numbers of samples"),
        (["good", "bad"], "y must hold numbers or booleans, got 'good'"),
        ([0, -1], "y holds no positive"),
        ([[1, 1], [1, 1]], "1d array"),
    ],
    ids=str,
)
def test_bad_feedback_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        gather(np.eye(2), y)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, -1], "Negative values"),
        ([1, np.nan], "NaN"),
        ([1, np.inf], "infinity"),
        ([0, 0], "non-zero"),
        ([1, 1, 1], "sample_weight.shape"),
    ],
    ids=str,
)
def test_bad_weights_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        gather(np.eye(2), [1, 1], weight)


def test_a_later_batch_may_hold_no_positive():
    estimator = BaseEstimator()
    check_interactions(estimator, np.eye(2), [1, 1])
    assert check_interactions(estimator, np.eye(2), [0, 0], reset=False).matrix.data.tolist() == [-1, -1]


def test_names_and_number_of_columns_are_recorded_and_held_to():
    estimator = BaseEstimator()
    check_interactions(estimator, pd.DataFrame({"u": [1], "i": [2], "t": [3]}))
    assert estimator.n_features_in_ == 3
    assert list(estimator.feature_names_in_) == ["u", "i", "t"]
    with pytest.raises(ValueError, match="feature names should match"):
        check_interactions(estimator, pd.DataFrame({"u": [1], "j": [2], "t": [3]}), reset=False)
    with pytest.raises(ValueError, match="X has 2 features"), pytest.warns(UserWarning, match="valid feature names"):
        check_pairs(estimator, np.eye(2), user=0, item=1, user_ids=np.array([1]), item_ids=np.array([2]))


def test_pairs_are_encoded_and_unknown_ids_are_minus_one():
    frame = CONTAINERS["pandas"]()
    estimator = BaseEstimator()
    known = check_interactions(estimator, frame, Y)
    frame = pd.concat([frame, pd.DataFrame({"u": [7, 5], "i": ["zz", "a"]})])
    users, items = check_pairs(estimator, frame, user="u", item="i", user_ids=known.user_ids, item_ids=known.item_ids)
    np.testing.assert_array_equal(users, [1, 0, 1, 2, 0, 1, -1])
    np.testing.assert_array_equal(items, [1, 0, 0, 2, 1, -1, 0])


def test_merging_keeps_codes_and_sums():
    old = gather(np.array([[5, 10], [2, 20], [2, 10]]), [0, 1, 1])
    new = gather(np.array([[5, 10], [1, 5], [2, 10], [9, 20]]), [1, 1, 0, 0], [2.0, 1.0, 1.0, 0.5])
    merged, batch = merge_interactions(old, new)
    np.testing.assert_array_equal(merged.user_ids, [2, 5, 1, 9])
    np.testing.assert_array_equal(merged.item_ids, [10, 20, 5])
    np.testing.assert_array_equal(merged.matrix.toarray(), [[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, -1, 0]])
    weights = csr_array((merged.weight, merged.matrix.indices, merged.matrix.indptr)).toarray()
    np.testing.assert_array_equal(weights, [[2, 1, 0], [3, 0, 0], [0, 0, 1], [0, 0.5, 0]])
    np.testing.assert_array_equal(batch.matrix.toarray(), [[-1, 0, 0], [1, 0, 0], [0, 0, 1], [0, -1, 0]])


def test_merging_batches_equals_all_rows_at_once_when_ids_are_known():
    rng = np.random.default_rng(3)
    X, y, weight = rng.integers(0, 12, size=(500, 2)), rng.integers(-1, 2, size=500), rng.integers(1, 4, size=500)
    merged, _ = merge_interactions(gather(X[:400], y[:400], weight[:400]), gather(X[400:], y[400:], weight[400:]))
    assert_same(merged, gather(X, y, weight))


def test_kernel_arrays_are_plain_and_are_not_copied_without_need():
    plain = np.arange(6, dtype=np.float32)
    assert kernel_array(plain, np.float32) is plain
    frozen = plain.copy()
    frozen.setflags(write=False)
    for array in (frozen, np.arange(12.0)[::2], np.arange(6)):
        result = kernel_array(array, np.float32)
        assert result.flags.c_contiguous and result.flags.writeable and result.dtype == np.float32
        np.testing.assert_array_equal(result, array)


def test_large_input_needs_little_memory_beyond_itself_and_the_result():
    script = """
import resource, sys, numpy as np
from sklearn.base import BaseEstimator
from skrec.utils._validation import check_interactions
rng = np.random.default_rng(0)
X = np.empty((4_000_000, 2), dtype=np.int64)
for start in range(0, len(X), 100_000):
    X[start:start + 100_000, 0] = rng.integers(0, 40_000, 100_000)
    X[start:start + 100_000, 1] = rng.integers(0, 20_000, 100_000)
check_interactions(BaseEstimator(), X[:1000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
matrix = check_interactions(BaseEstimator(), X).matrix
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
result = matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
print((grown - result) / X.nbytes)
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(out.stdout) < 1.3
