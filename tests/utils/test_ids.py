"""Ids become codes: exactly, whatever they are, and with a clear word where they cannot."""

import datetime
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skrec.utils import _ids
from skrec.utils._ids import encode_ids, factorize, fill_value


def decoded(values):
    codes, ids = factorize(values, "ids")
    assert codes.dtype == np.int32
    return codes, ids


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_numbers_of_every_width_are_numbered_in_their_order(dtype):
    values = np.array([7, 3, 120, 3, 0, 7], dtype=dtype)
    codes, ids = decoded(values)
    np.testing.assert_array_equal(ids, [0, 3, 7, 120])
    np.testing.assert_array_equal(ids[codes], values)
    assert ids.dtype == (np.float64 if dtype.startswith("float") else np.int64)


def test_the_full_range_of_int8_does_not_overflow():
    values = np.array([127, -128, 0], dtype=np.int8)
    codes, ids = decoded(values)
    np.testing.assert_array_equal(ids[codes], values)


@pytest.mark.parametrize(
    "values",
    [
        np.array([-(2**62), 2**62, 5, 5]),
        np.array([2**64 - 1, 2**63, 0], dtype=np.uint64),
        np.array([0.5, -0.25, 1e300, 0.5]),
        np.array([-(2**63), 2**63 - 1]),
    ],
    ids=["sparse", "unsigned", "fractions", "extremes"],
)
def test_numbers_over_a_long_range_are_hashed_exactly(values):
    codes, ids = decoded(values)
    np.testing.assert_array_equal(ids, np.unique(values))
    np.testing.assert_array_equal(ids[codes], values)


def test_table_and_hashing_agree_across_chunks(monkeypatch):
    values = np.random.default_rng(0).integers(-50, 950, size=10_000)
    expected_ids, expected = np.unique(values, return_inverse=True)
    for chunk in (64, 1 << 20):
        monkeypatch.setattr(_ids, "_CHUNK", chunk)
        for column in (values, values * 10_000_019):
            codes, ids = decoded(column)
            np.testing.assert_array_equal(codes, expected)
            np.testing.assert_array_equal(ids // (column[0] // values[0]), expected_ids)


@pytest.mark.parametrize(
    "values",
    [
        ["b", "a", "b", "é"],
        [uuid.UUID(int=3), uuid.UUID(int=1), uuid.UUID(int=3)],
        [("x", 2), ("x", 1), ("a", 9)],
        [pd.Timestamp("2020-02-01"), pd.Timestamp("2020-01-01")],
        [datetime.date(2020, 2, 1), datetime.date(2020, 1, 1)],
        [pd.Timestamp("2020-02-01", tz="UTC"), pd.Timestamp("2020-01-01", tz="UTC")],
        [b"z", b"a"],
        [True, False, True],
    ],
    ids=["str", "uuid", "tuple", "timestamp", "date", "zoned", "bytes", "bool"],
)
def test_any_comparable_hashable_is_sorted_and_found_again(values):
    column = np.fromiter(values, dtype=object, count=len(values))
    codes, ids = decoded(column)
    assert sorted(set(values)) == [pd.Timestamp(i) if ids.dtype.kind == "M" else i for i in ids]
    np.testing.assert_array_equal(encode_ids(values, ids), codes)


def test_ids_that_cannot_be_compared_keep_the_order_of_appearance():
    a, b = object(), object()
    codes, ids = decoded(np.array([b, a, b], dtype=object))
    assert list(ids) == [b, a]
    np.testing.assert_array_equal(codes, [0, 1, 0])


def test_string_arrays_stay_string_arrays():
    _, ids = decoded(np.array(["bb", "a", "bb"]))
    assert ids.dtype == np.dtype("<U2")


def test_objects_that_are_all_integers_become_integers():
    _, ids = decoded(np.array([3, np.int8(1), 3], dtype=object))
    assert ids.dtype == np.int64
    _, ids = decoded(np.array([2**63, 1], dtype=object))
    assert ids.dtype == np.uint64
    _, ids = decoded(np.array([2**80, 1], dtype=object))
    assert ids.dtype == object


@pytest.mark.parametrize(
    "make",
    [
        lambda v: pd.Series(v),
        lambda v: pd.Series(v, dtype="category"),
        lambda v: pd.Series(v, dtype="string"),
        lambda v: pd.Series(v, dtype=object),
        lambda v: pd.Index(v),
        lambda v: pl.Series(v),
        lambda v: pl.Series(v, dtype=pl.Categorical),
        lambda v: pa.chunked_array([v]),
        lambda v: tuple(v),
        lambda v: np.array(v),
    ],
)
def test_strings_are_found_in_every_container(make):
    known = np.array(["a", "b", "c"], dtype=object)
    np.testing.assert_array_equal(encode_ids(make(["c", "zz", "a"]), known), [2, -1, 0])


@pytest.mark.parametrize(
    "make",
    [
        lambda v: pd.Series(v, dtype="Int64"),
        lambda v: pd.Series(v, dtype="int64[pyarrow]"),
        lambda v: pd.Series(v, dtype="Float64"),
        lambda v: pl.Series(v),
        lambda v: pa.chunked_array([v]),
        lambda v: np.array(v, dtype=object),
        lambda v: list(v),
        lambda v: np.array(v, dtype=np.uint8),
        lambda v: range(v[0], v[-1] + 1),
    ],
)
@pytest.mark.parametrize("known_dtype", [np.int64, np.float64])
def test_numbers_are_found_whatever_their_type(make, known_dtype):
    known = np.array([9, 4, 5], dtype=known_dtype)  # not sorted: ids of a later batch are appended
    np.testing.assert_array_equal(encode_ids(make([4, 5, 6]), known), [1, 2, -1])


def test_a_fraction_is_not_found_among_integers():
    np.testing.assert_array_equal(encode_ids([1.5, 1.0], np.array([1, 2])), [-1, 0])


def test_no_ids_give_no_codes():
    assert encode_ids([], np.array([1, 2])).shape == (0,)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.array([1.0, np.nan]), ValueError, r"missing id .* in row 1"),
        (np.array([1.0, -np.inf]), ValueError, r"infinite id .* in row 1"),
        (["a", None], ValueError, r"missing id .* in row 1"),
        ([1.0, np.inf], ValueError, "infinite id"),
        (np.array(["2020", "NaT"], dtype="M8[D]"), ValueError, r"missing id .* in row 1"),
        (pd.Series([1, None], dtype="Int64"), ValueError, r"missing id .* in row 1"),
        (pl.Series([1, None]), ValueError, r"missing id .* in row 1"),
        (pl.Series(["a", None]), ValueError, r"missing id .* in row 1"),
        ([1, "1"], TypeError, r"mixes str ids \(such as '1'\) and int ids \(such as 1\).*astype\(str\)"),
        ([("a",), "a"], TypeError, "mixes str ids"),
        ([["a"], ["b"]], TypeError, "cannot be hashed"),
        (np.zeros(2, dtype=[("a", int)]), TypeError, "cannot be ids"),
        (np.zeros((2, 2)), ValueError, r"1-D array of ids, got an array of shape \(2, 2\)"),
        ("abc", ValueError, r"write \['abc'\]"),
        (7, ValueError, r"write \[7\]"),
        (None, ValueError, "should be a list"),
    ],
)
def test_what_cannot_be_an_id_is_said(values, error, message):
    with pytest.raises(error, match=message):
        encode_ids(values, np.array([1, 2]), "users")


@pytest.mark.parametrize(
    ("ids", "known"), [(["1"], np.array([1])), ([1], np.array(["1"])), ([1.0], np.array(["a"], dtype=object))]
)
def test_numbers_asked_of_text_are_an_error_rather_than_all_unknown(ids, known):
    with pytest.raises(TypeError, match="users holds ids of another type"):
        encode_ids(ids, known, "users")


def test_each_type_has_its_padding():
    assert fill_value(np.array([1])) == -1
    assert fill_value(np.array([2**63], dtype=np.uint64)) == 2**64 - 1
    assert np.isnan(fill_value(np.array([1.0])))
    assert fill_value(np.array(["a"])) == ""
    assert fill_value(np.array(["a"], dtype=object)) is None
    assert np.isnat(fill_value(np.array(["2020"], dtype="M8[D]")))
