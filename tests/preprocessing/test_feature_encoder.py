"""`FeatureEncoder`: every kind of column, by known answers and against scikit-learn's encoders."""

import datetime as dt
import pickle
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, issparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer, OneHotEncoder, StandardScaler

from skrec.datasets import fetch_movielens_100k, make_interactions
from skrec.preprocessing import FeatureEncoder


def encode(X, **parameters):
    """Names and dense rows."""
    encoder = FeatureEncoder(**{"min_frequency": 1, **parameters})
    encoded = encoder.fit_transform(X)
    assert isinstance(encoded, csr_array) and encoded.dtype == np.float32 and encoded.has_canonical_format
    assert (encoded.data != 0).all()
    return encoder.get_feature_names_out().tolist(), encoded.toarray()


# Known answers


def test_numbers_are_standardised_and_a_missing_one_is_said_to_be_so():
    names, rows = encode(pd.DataFrame({"age": [10.0, 30.0, np.nan]}))
    assert names == ["age", "age:missing"]
    np.testing.assert_array_equal(rows, [[-1, 0], [1, 0], [0, 1]])


def test_a_category_is_a_one():
    names, rows = encode(pd.DataFrame({"gender": ["M", "F", None]}))
    assert names == ["gender=F", "gender=M", "gender:missing"]
    np.testing.assert_array_equal(rows, [[0, 1, 0], [1, 0, 0], [0, 0, 1]])


def test_a_row_of_several_values_has_length_one():
    X = pd.DataFrame({"genres": [("war", "drama", "war", None), [], {"noir"}, None, np.array(["war", "noir"])]})
    names, rows = encode(X)
    assert names == ["genres=drama", "genres=noir", "genres=war", "genres:missing"]
    r = np.float32(np.sqrt(0.5))
    np.testing.assert_array_equal(rows, [[r, 0, r, 0], [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, r, r, 0]])


def test_delimited_text_is_a_list():
    lists = pd.DataFrame({"genres": [["a", "b"], ["c"], [], None, ["b", "a"]]})
    text = pd.DataFrame({"genres": ["a|b", " c ", "", None, "b| a||"]})
    expected = encode(lists)
    for delimiter in ("|", {"genres": "|"}, {0: "|"}):
        names, rows = encode(text, delimiter=delimiter)
        assert names == expected[0]
        np.testing.assert_array_equal(rows, expected[1])


def test_one_delimiter_for_all_text_leaves_single_values_what_they_are():
    X = pd.DataFrame({"gender": ["M", "F"], "age": [1, 2], "genres": ["a|b", "b"]})
    names, rows = encode(X, delimiter="|")
    np.testing.assert_array_equal(rows[:, :3], encode(X[["gender", "age"]])[1])
    assert names == ["gender=F", "gender=M", "age", "genres=a", "genres=b"]
    assert encode(X, delimiter="|", categorical=["genres"])[0][-2:] == ["genres=a|b", "genres=b"]


@pytest.mark.parametrize(
    "column",
    [[True, False, True], [1, 0, 1], [1.0, 0.0, 1.0], np.array([1, 0, 1], dtype=np.uint8)],
    ids=["bool", "int", "float", "uint8"],
)
def test_flags_stay_zero_and_one_unless_they_are_named_numeric(column):
    X = pd.DataFrame({"war": column})
    assert FeatureEncoder().fit(X).kinds_ == ["flag"]
    np.testing.assert_array_equal(encode(X)[1], [[1], [0], [1]])
    np.testing.assert_allclose(encode(X, numeric=["war"])[1].ravel(), [np.sqrt(0.5), -np.sqrt(2), np.sqrt(0.5)])


def test_genre_flags_are_read_as_flags_and_what_is_missing_is_said_to_be_so():
    X = pd.DataFrame({"war": pd.array([True, False, None], dtype="boolean"), "noir": [True, True, False]})
    names, rows = encode(X)
    assert names == ["war", "war:missing", "noir"]
    np.testing.assert_array_equal(rows, [[1, 0, 1], [0, 0, 1], [0, 1, 0]])


def test_dates_are_standardised_whatever_their_unit_and_zone():
    days = [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 3), None, dt.datetime(2020, 1, 5)]
    dates = pd.Series(days)
    columns = {
        "default": dates,
        "seconds": dates.astype("datetime64[s]"),
        "zone": dates.dt.tz_localize("Asia/Tokyo"),
        "objects": pd.Series(days, dtype=object),
        "date objects": pd.Series([None if d is None else d.date() for d in days], dtype=object),
        "durations": dates - dt.datetime(2019, 1, 1),
        "duration objects": pd.Series([None if d is None else d - days[0] for d in days], dtype=object),
    }
    expected = StandardScaler().fit_transform([[0], [2], [4]]).ravel()
    frames = {name: pd.DataFrame({"day": column}) for name, column in columns.items()}
    frames["polars"] = pl.DataFrame({"day": days})
    frames["polars dates"] = pl.DataFrame({"day": pl.Series(days).cast(pl.Date)})
    frames["polars durations"] = pl.DataFrame({"day": pl.Series(days) - days[0]})
    frames["pyarrow"] = frames["polars"].to_arrow()
    frames["array"] = dates.to_numpy()[:, None]
    for name, X in frames.items():
        encoder = FeatureEncoder().fit(X)
        assert encoder.kinds_ == ["date"], name
        rows = encoder.transform(X).toarray()
        np.testing.assert_allclose(rows[[0, 1, 3], 0], expected, rtol=1e-6, err_msg=name)
        np.testing.assert_array_equal(rows[:, 1], [0, 0, 1, 0])
    encoder = FeatureEncoder().fit(frames["default"])
    assert encoder.mean_[0] == 18264 and encoder.scale_[0] == pytest.approx(np.sqrt(8 / 3))


# Against scikit-learn


def test_numbers_are_those_of_standard_scaler():
    X = np.random.default_rng(0).lognormal(size=(200, 4))
    X[3, 1] = np.nan
    encoder, scaler = FeatureEncoder().fit(X), StandardScaler().fit(X)
    found = encoder.transform(X).toarray()
    np.testing.assert_allclose(found[:, [0, 1, 3, 4]], np.nan_to_num(scaler.transform(X)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found[:, 2], np.isnan(X[:, 1]))
    np.testing.assert_allclose(encoder.mean_, scaler.mean_)
    np.testing.assert_allclose(encoder.scale_, scaler.scale_)


@pytest.mark.parametrize("min_frequency", [1, 2, 4, 100])
def test_categories_are_those_of_one_hot_encoder(min_frequency):
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnop"), dtype=object)
    train = letters[np.minimum(rng.geometric(0.25, size=(60, 3)), 15)]
    new = letters[rng.integers(16, size=(50, 3))]
    encoder = FeatureEncoder(min_frequency=min_frequency).fit(train)
    onehot = OneHotEncoder(min_frequency=min_frequency, handle_unknown="infrequent_if_exist").fit(train)
    if min_frequency < 100:
        assert len(encoder.categories_[0]) < 15
    for X in (train, new):
        np.testing.assert_array_equal(encoder.transform(X).toarray(), onehot.transform(X).toarray())


texts = st.text(alphabet="abc", min_size=1, max_size=2)


@settings(max_examples=60)
@given(st.lists(st.lists(texts, max_size=5), min_size=1, max_size=12))
def test_lists_are_those_of_multi_label_binarizer(lists):
    binarizer = MultiLabelBinarizer().fit(lists)
    ones = binarizer.transform(lists)
    column = np.fromiter(lists, dtype=object, count=len(lists))
    encoder = FeatureEncoder(min_frequency=1).fit(pd.DataFrame({"tags": column}))
    found = encoder.transform(pd.DataFrame({"tags": column}))
    np.testing.assert_allclose(found.toarray(), ones / np.sqrt(np.maximum(ones.sum(axis=1, keepdims=True), 1)))
    assert encoder.categories_[0].tolist() == binarizer.classes_.tolist()


@settings(max_examples=60)
@given(
    st.lists(st.lists(texts, max_size=4), min_size=1, max_size=12),
    st.integers(1, 4),
)
def test_infrequent_values_share_one_input_and_rows_keep_length_one(lists, min_frequency):
    X = pd.DataFrame({"tags": np.fromiter(lists, dtype=object, count=len(lists))})
    encoder = FeatureEncoder(min_frequency=min_frequency).fit(X)
    rows = [set(row) for row in lists]
    count = {value: sum(value in row for row in rows) for value in set().union(*rows)}
    frequent = sorted(value for value in count if count[value] >= min_frequency)
    expected = np.zeros((len(rows), len(frequent) + (len(frequent) < len(count))))
    for place, row in enumerate(rows):
        for value in row:
            expected[place, frequent.index(value) if value in frequent else -1] = 1
    norms = np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.transform(X).toarray(), expected / np.maximum(norms, 1), rtol=1e-6)


# Values that fit did not see


def test_unseen_categories_join_the_infrequent_ones_or_are_nothing():
    X = pd.DataFrame({"a": ["x", "x", "y", "y"], "b": ["p", "p", "q", "r"]})
    encoder = FeatureEncoder(min_frequency=2).fit(X)
    assert encoder.get_feature_names_out().tolist() == ["a=x", "a=y", "b=p", "b:infrequent"]
    new = pd.DataFrame({"a": ["new", None], "b": ["new", None]})
    np.testing.assert_array_equal(encoder.transform(new).toarray(), [[0, 0, 0, 1], [0, 0, 0, 0]])


def test_unseen_values_of_a_list_do_not_dilute_the_seen_ones():
    encoder = FeatureEncoder(min_frequency=1).fit(pd.DataFrame({"tags": [["a"], ["b"]]}))
    found = encoder.transform(pd.DataFrame({"tags": [["a", "new", "newer"], ["new"]]})).toarray()
    np.testing.assert_array_equal(found, [[1, 0], [0, 0]])


def test_numbers_beyond_those_of_fit_count_as_the_nearest():
    encoder = FeatureEncoder().fit([[0.0], [10.0], [20.0]])
    np.testing.assert_array_equal(
        encoder.transform([[1e30], [-1.0], [20.0], [0.0]]).toarray()[:2],
        encoder.transform([[20.0], [0.0]]).toarray(),
    )
    flags = FeatureEncoder().fit([[0], [1]])
    np.testing.assert_array_equal(flags.transform([[7], [-7]]).toarray(), [[1], [0]])


def test_a_missing_value_is_nothing_where_fit_saw_none():
    X = pd.DataFrame({"age": [1.0, 2.0], "gender": ["M", "F"], "tags": [["a"], ["b"]]})
    encoder = FeatureEncoder(min_frequency=1).fit(X)
    nothing = pd.DataFrame({"age": [np.nan], "gender": [None], "tags": [None]})
    assert encoder.transform(nothing).nnz == 0


@pytest.mark.parametrize("column", [["a", "b"], ["a|b", "b"], [["a"], ["b"]], [1, 2], [True, False]])
def test_a_column_that_is_all_missing_fits_any_kind(column):
    encoder = FeatureEncoder(delimiter="|").fit(pd.DataFrame({"a": column}))
    for missing in (
        pd.DataFrame({"a": [None, None]}, dtype=object),
        pl.DataFrame({"a": [None, None]}),
        pl.DataFrame({"a": [None, None]}).to_arrow(),
    ):
        assert encoder.transform(missing).nnz == 0


def test_a_column_that_fit_saw_all_missing_has_one_input():
    X = pd.DataFrame({"age": [np.nan, np.nan], "gender": pd.Series([None, None], dtype=object)})
    names, rows = encode(X)
    assert names == ["age", "age:missing", "gender:missing"]
    np.testing.assert_array_equal(rows, [[0, 1, 1], [0, 1, 1]])
    encoder = FeatureEncoder().fit(X)
    later = encoder.transform(pd.DataFrame({"age": [7.0], "gender": ["M"]}))
    assert later.nnz == 0
    assert encode(X[["gender"]], numeric=["gender"])[0] == ["gender", "gender:missing"]


@pytest.mark.parametrize("value", [0.1, 7, 0, 1, 1e300, True])
def test_a_constant_column_tells_nothing(value):
    assert FeatureEncoder().fit_transform(pd.DataFrame({"a": [value] * 5})).nnz == 0


# Hashes


def test_hashes_are_those_of_murmurhash3():
    words = ["hello", "The quick brown fox jumps over the lazy dog", "", "Zürich"]
    published = np.array([0x248BFA47, 0x2E4FF723, 0x00000000])
    X = pd.DataFrame({"word": words})
    for n_buckets in (10, 1024, 1000003):
        encoder = FeatureEncoder(hashed=["word"], n_buckets=n_buckets)
        assert encoder.fit_transform(X).indices[:3].tolist() == (published % n_buckets).tolist()
    assert FeatureEncoder(hashed=["word"], n_buckets=1000).fit_transform(X).indices.tolist() == [351, 547, 0, 1]


def test_hashes_are_the_same_in_another_process():
    script = (
        "import pandas as pd; from skrec.preprocessing import FeatureEncoder; "
        "X = pd.DataFrame({'a': [('x', 'y'), ('z',)], 'b': [7.0, 8.5]}); "
        "print(FeatureEncoder(hashed=['a', 'b'], n_buckets=50).fit_transform(X).indices.tolist())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    X = pd.DataFrame({"a": [("x", "y"), ("z",)], "b": [7.0, 8.5]})
    expected = FeatureEncoder(hashed=["a", "b"], n_buckets=50).fit_transform(X).indices.tolist()
    assert found == {f"{expected}\n"}


def test_whole_numbers_hash_alike_as_int_float_and_text():
    encoder = FeatureEncoder(hashed=["zip"]).fit(pd.DataFrame({"zip": [85711, 94043]}))
    expected = encoder.transform(pd.DataFrame({"zip": [85711, 94043]})).toarray()
    for column in ([85711.0, 94043.0], ["85711", "94043"], pd.array([85711, 94043], dtype="Int64")):
        np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"zip": column})).toarray(), expected)


def test_hashed_columns_know_values_that_fit_did_not_see():
    encoder = FeatureEncoder(hashed=[0], delimiter="|", n_buckets=7).fit(
        np.array([["a|b"], ["c"], [None]], dtype=object)
    )
    assert encoder.get_feature_names_out().tolist() == [*(f"x0:bucket{b}" for b in range(7)), "x0:missing"]
    new = encoder.transform(np.array([["never|seen|before"], ["new"], [None], [""]], dtype=object))
    np.testing.assert_allclose(new.power(2).sum(axis=1), [1, 1, 1, 0], rtol=1e-6)
    assert new.toarray()[2, 7] == 1


# Frames


def sample():
    return pd.DataFrame(
        {
            "age": [24, 53, 23, 24, 33],
            "height": [1.5, np.nan, 1.7, 1.8, 1.75],
            "vip": [True, False, True, True, False],
            "gender": ["M", "F", None, "M", "M"],
            "zip": ["85711", "94043", "32067", "85711", "94043"],
            "tags": ["a|b", "b", None, "", "c|a"],
            "seen": pd.to_datetime(["2020-01-01", None, "2020-02-01", "2021-01-01", "2020-06-01"]),
            "code": [7, 8, 7, 9, 9],
        }
    )


PARAMETERS = {
    "delimiter": {"tags": "|"},
    "hashed": ["zip"],
    "categorical": ["code"],
    "n_buckets": 5,
    "min_frequency": 1,
}
FRAMES = {
    "convert_dtypes": lambda X: X.convert_dtypes(),
    "category": lambda X: X.astype({"gender": "category", "zip": "category", "tags": "category", "code": "category"}),
    "object": lambda X: X.astype(object),
    "arrow in pandas": lambda X: pl.from_pandas(X).to_pandas(use_pyarrow_extension_array=True),
    "polars": pl.from_pandas,
    "polars categories": lambda X: pl.from_pandas(X).with_columns(
        pl.col("gender").cast(pl.Enum(["M", "F"])), pl.col("zip", "tags").cast(pl.Categorical)
    ),
    "pyarrow": lambda X: pl.from_pandas(X).to_arrow(),
    "pyarrow dictionary": lambda X: pl.from_pandas(X).with_columns(pl.col("zip").cast(pl.Categorical)).to_arrow(),
    "int32 and float32": lambda X: X.astype({"age": "int32", "code": "int16"}),
    "strided": lambda X: pd.DataFrame(np.repeat(X.to_numpy(dtype=object), 2, axis=0)[::2], columns=X.columns),
    "another index": lambda X: X.set_index(pd.Index(list("vwxyz"))),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_every_kind_are_encoded_alike(name):
    X = sample()
    expected = FeatureEncoder(**PARAMETERS).fit(X)
    other = FRAMES[name](X)
    for encoder in (FeatureEncoder(**PARAMETERS).fit(other), expected):
        np.testing.assert_array_equal(encoder.transform(other).toarray(), expected.transform(X).toarray())
        assert encoder.get_feature_names_out().tolist() == expected.get_feature_names_out().tolist()
        assert encoder.kinds_ == expected.kinds_
        assert encoder.feature_names_in_.tolist() == X.columns.tolist()


@pytest.mark.parametrize(
    "convert",
    [
        lambda lists: pd.DataFrame({"tags": pl.Series(lists).to_pandas(use_pyarrow_extension_array=True)}),
        lambda lists: pl.DataFrame({"tags": lists}),
        lambda lists: pl.DataFrame({"tags": lists}).to_arrow(),
        lambda lists: pd.DataFrame({"tags": [None if row is None else np.array(row, dtype=object) for row in lists]}),
        lambda lists: pd.DataFrame({"tags": [None if row is None else set(row) for row in lists]}),
    ],
    ids=["arrow in pandas", "polars", "pyarrow", "arrays", "sets"],
)
def test_lists_of_every_kind_are_encoded_alike(convert):
    lists = [["a", "b"], None, [], ["c", None, "c"], ["a"]]
    expected = encode(pd.DataFrame({"tags": lists}))
    found = encode(convert(lists))
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])


def test_an_array_of_objects_is_read_column_by_column():
    X = np.array([[24, "M", ("a",)], [53, "F", ("a", "b")], [None, "M", ()]], dtype=object)
    assert FeatureEncoder().fit(X).kinds_ == ["numeric", "categorical", "multivalued"]
    names, rows = encode(X)
    assert names == ["x0", "x0:missing", "x1=F", "x1=M", "x2=a", "x2=b"]
    np.testing.assert_array_equal(encode([[24, "M"], [53, "F"], [None, "M"]])[1], rows[:, :4])


def test_decimals_are_numbers():
    prices = {"price": [Decimal("1.5"), None, Decimal("2.5")]}
    for X in (pd.DataFrame(prices), pl.DataFrame(prices)):
        np.testing.assert_array_equal(encode(X)[1], [[-1, 0], [0, 1], [1, 0]])


def test_numbers_named_categorical_are_found_again_as_floats():
    encoder = FeatureEncoder(categorical=["job"], min_frequency=1).fit(pd.DataFrame({"job": [3, 1, 2]}))
    assert encoder.categories_[0].tolist() == [1, 2, 3] and encoder.categories_[0].dtype == np.int64
    found = encoder.transform(pd.DataFrame({"job": [2.0, np.nan, 2.5, 1.0]})).toarray()
    np.testing.assert_array_equal(found, [[0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]])


def test_dates_flags_and_tuples_may_be_named_categorical():
    X = pd.DataFrame({"d": pd.to_datetime(["2020-01-02", "2020-01-01"]), "b": [True, False], "t": [(1, 2), (1, 1)]})
    for frame in (X, pl.DataFrame({"d": X["d"].to_list(), "b": [True, False], "t": [(1, 2), (1, 1)]})):
        encoder = FeatureEncoder(categorical=["d", "b", "t"] if frame is X else ["d", "b"], min_frequency=1).fit(frame)
        np.testing.assert_array_equal(encoder.transform(frame).toarray()[:, :4], [[0, 1, 0, 1], [1, 0, 1, 0]])


@pytest.mark.parametrize("labels", [[2**70, 1, 2**70], [(1, "a"), ("b", 1), (1, "a")]], ids=["huge", "without order"])
def test_categories_may_be_anything_that_can_be_hashed(labels):
    X = pd.DataFrame({"label": np.fromiter(labels, dtype=object, count=3)})
    rows = encode(X, categorical=["label"])[1]
    assert rows.sum(axis=0).tolist() in ([1, 2], [2, 1])
    np.testing.assert_array_equal(rows[0], rows[2])
    assert rows[0] @ rows[1] == 0


def test_rows_of_a_frame_are_encoded_alone_as_together():
    X = sample()
    encoder = FeatureEncoder(**PARAMETERS).fit(X)
    together = encoder.transform(X).toarray()
    for row in range(len(X)):
        np.testing.assert_array_equal(encoder.transform(X.iloc[[row]]).toarray(), together[[row]])
    assert encoder.transform(X.iloc[:0]).shape == (0, together.shape[1])
    order = [3, 1, 4, 0, 2]
    shuffled = FeatureEncoder(**PARAMETERS).fit(X.iloc[order])
    np.testing.assert_array_equal(shuffled.transform(X).toarray(), together)


# Bad input


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (pd.DataFrame({"a": [1.0, np.inf]}), ValueError, r"Column 'a' of X holds infinity \(inf\) in row 1"),
        (np.array([[1.0], [-np.inf]]), ValueError, r"Column 0 of X holds infinity \(-inf\)"),
        (pd.DataFrame({"a": ["x", 1]}), TypeError, r"Column 'a' of X mixes str values \(such as 'x'\) and int values"),
        (pd.DataFrame({"a": [["x"], [1]]}), TypeError, "mixes str values"),
        (pd.DataFrame({"a": [["x"], "y"]}), TypeError, "holds several values a cell, and 'y'"),
        (pd.DataFrame({"a": [{"x": 1}, {"y": 2}]}), TypeError, "cannot be hashed"),
        (pd.DataFrame({"a": [[["x"]], [["y"]]]}), TypeError, "cannot be hashed"),
        (pl.DataFrame({"a": [{"x": 1}, {"x": 2}]}), TypeError, "cannot be hashed"),
        (pd.DataFrame({"a": [-1.7e308, 1.7e308]}), ValueError, "too large to standardise"),
        (pd.DataFrame({"a": []}), ValueError, r"0 sample\(s\)"),
        (pl.DataFrame({"a": []}), ValueError, r"0 sample\(s\)"),
        (pd.DataFrame(index=[1, 2]), ValueError, r"0 feature\(s\)"),
        (pl.LazyFrame({"a": [1]}), TypeError, "collect it"),
        ([1, 2, 3], ValueError, "Expected 2D array"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_bad_columns_are_refused_and_change_nothing(X, error, message):
    for encoder in (FeatureEncoder(), FeatureEncoder().fit([["a"], ["b"]])):
        before = vars(encoder).copy()
        with pytest.raises(error, match=message):
            encoder.fit(X)
        assert vars(encoder) == before


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"categorical": ["b"]}, r"categorical names the column 'b'. The columns of X are \['a', 'n'\]"),
        ({"hashed": [2]}, "hashed names the column 2, but X has columns 0 to 1"),
        ({"numeric": [-1]}, "numeric names the column -1"),
        ({"categorical": ["a"], "hashed": [0]}, "Column 'a' of X is named in both categorical and hashed"),
        ({"delimiter": ""}, "at least one character, got ''"),
        ({"delimiter": {"a": 3}}, "at least one character, got 3"),
        ({"delimiter": {"b": "|"}}, "delimiter names the column 'b'"),
        ({"delimiter": {"a": "|"}, "categorical": ["a"]}, "has a delimiter, and is named in categorical"),
        ({"categorical": "a"}, "'categorical' parameter"),
        ({"min_frequency": 0}, "'min_frequency' parameter"),
        ({"n_buckets": 0}, "'n_buckets' parameter"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        FeatureEncoder(**parameters).fit(pd.DataFrame({"a": ["x", "y"], "n": [1, 2]}))


def test_names_need_a_frame():
    with pytest.raises(ValueError, match="the columns of X have no names"):
        FeatureEncoder(categorical=["a"]).fit([[1, 2], [3, 4]])


def test_text_is_no_number():
    with pytest.raises(TypeError, match="named in numeric and holds text"):
        FeatureEncoder(numeric=["a"]).fit(pd.DataFrame({"a": ["1", "2"]}))
    with pytest.raises(TypeError, match="has delimiter='|' and holds 7, which is not text"):
        FeatureEncoder(delimiter="|", hashed=["a"]).fit(pd.DataFrame({"a": pd.Categorical([7, 8])}))


@pytest.mark.parametrize(
    ("column", "later", "message"),
    [
        ([1.0, 2.0], ["1", "2"], "Column 'a' of X was numeric when fitted, and now holds text"),
        ([1.0, 2.0], [["a"], ["b"]], "now holds lists"),
        ([1.0, 2.0], pd.to_datetime(["2020-01-01", "2020-01-02"]), "now holds dates"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), [1.0, 2.0], "was date when fitted, and now holds numbers"),
        (["a", "b"], [1, 2], "values of another type than when fitted: 1 here, 'a' there"),
        ([["a"], ["b"]], ["a", "b"], "held several values a cell when fitted, and now holds text"),
        ([["a"], ["b"]], [[1], [2]], "another type than when fitted"),
        ([1.0, 2.0], [1.0, np.inf], "holds infinity"),
    ],
)
def test_another_kind_of_column_than_that_of_fit_is_refused(column, later, message):
    encoder = FeatureEncoder(min_frequency=1).fit(pd.DataFrame({"a": column}))
    with pytest.raises((TypeError, ValueError), match=message):
        encoder.transform(pd.DataFrame({"a": later}))


def test_columns_added_missing_or_reordered_are_refused():
    X = sample()
    encoder = FeatureEncoder(**PARAMETERS).fit(X)
    for other in (X.assign(new=1), X.drop(columns="age"), X[X.columns[::-1]]):
        for frame in (other, pl.from_pandas(other)):
            with pytest.raises(ValueError, match="feature names"):
                encoder.transform(frame)


# As an estimator of scikit-learn


def test_pickles_and_clones_encode_alike():
    X = sample()
    encoder = FeatureEncoder(**PARAMETERS).fit(X)
    expected = encoder.transform(X).toarray()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(encoder)).transform(X).toarray(), expected)
    np.testing.assert_array_equal(clone(encoder).fit(X).transform(X).toarray(), expected)


def test_it_works_in_a_column_transformer_and_a_pipeline():
    X = sample()
    columns = ColumnTransformer(
        [("few", FeatureEncoder(min_frequency=1), ["gender", "age"]), ("logs", StandardScaler(), ["height"])],
        sparse_threshold=1.0,
    ).fit(X)
    assert columns.get_feature_names_out().tolist() == [
        "few__gender=F",
        "few__gender=M",
        "few__gender:missing",
        "few__age",
        "logs__height",
    ]
    assert issparse(columns.transform(X))
    assert make_pipeline(FeatureEncoder(), TruncatedSVD(2)).fit_transform(sample()).shape == (5, 2)


def test_a_frame_cannot_be_asked_for():
    with pytest.raises(ValueError, match="sparse"):
        FeatureEncoder().set_output(transform="pandas").fit_transform(sample())


def test_inputs_are_named_after_the_columns_given():
    encoder = FeatureEncoder().fit([["a", 1], ["a", 2]])
    assert encoder.get_feature_names_out(["letter", "n"]).tolist() == ["letter=a", "n"]


# The tables of our data sets


def test_tables_of_generated_interactions_go_in_as_they_are():
    data = make_interactions(random_state=0)
    assert FeatureEncoder().fit(data.user_features).kinds_ == ["categorical", "numeric"]
    items = FeatureEncoder().fit(data.item_features)
    assert items.kinds_ == ["categorical", "multivalued", "numeric"]
    squares = items.transform(data.item_features).power(2).sum(axis=0)
    assert squares.sum() == pytest.approx(3 * len(data.item_features), rel=1e-5)


@pytest.mark.data
def test_tables_of_movielens_go_in_as_they_are(data_home):
    data = fetch_movielens_100k()
    users = FeatureEncoder().fit(data.user_features)
    assert users.kinds_ == ["numeric", "categorical", "categorical", "categorical"]
    names = users.get_feature_names_out().tolist()
    assert names[:4] == ["age", "gender=F", "gender=M", "occupation=administrator"]
    assert names[-1] == "zip_code:infrequent"
    films = data.item_features[["release_date", "genres"]]
    items = FeatureEncoder().fit(films)
    assert items.kinds_ == ["date", "multivalued"]
    assert items.get_feature_names_out().tolist()[:3] == ["release_date", "release_date:missing", "genres=Action"]
    assert len(items.categories_[1]) == 19
    np.testing.assert_allclose(items.transform(films)[:, 2:].power(2).sum(axis=1), 1, rtol=1e-6)
