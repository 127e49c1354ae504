"""Side tables put into the order of ids."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skrec.preprocessing import FeatureEncoder
from skrec.preprocessing._side_table import align_features, encode_side, table_ids

TABLE = pd.DataFrame(
    {"age": [40, 10, 30, 20], "gender": ["M", "F", "M", "F"]}, index=pd.Index([4, 1, 3, 2], name="user_id")
)
COLUMNS = TABLE.reset_index()
TABLES = {
    "pandas index": (TABLE, None),
    "pandas index of another name": (TABLE.rename_axis("whatever"), "user_id"),
    "pandas column": (COLUMNS[["age", "user_id", "gender"]], "user_id"),
    "pandas index before column": (TABLE.assign(user_id=0)[["age", "gender", "user_id"]], "user_id"),
    "polars": (pl.from_pandas(COLUMNS), None),
    "polars, position of the estimator's column": (pl.from_pandas(COLUMNS), 1),
    "polars, named": (pl.from_pandas(COLUMNS[["age", "gender", "user_id"]]), "user_id"),
    "polars, another name": (pl.from_pandas(COLUMNS), "member"),
    "pyarrow": (pl.from_pandas(COLUMNS).to_arrow(), None),
}


@pytest.mark.parametrize("name", TABLES)
def test_rows_come_in_the_order_of_the_ids(name):
    frame, id_column = TABLES[name]
    rows, present = align_features(frame, [2, 9, 4, 2, -1], "user_features", id_column=id_column)
    assert type(rows) is type(frame)
    assert present.tolist() == [True, False, True, True, False]
    rows = rows if isinstance(rows, pd.DataFrame) else pl.DataFrame(rows).to_pandas()
    assert rows["age"].tolist() == [20, 40, 20]
    assert rows["gender"].tolist() == ["F", "M", "F"]
    assert rows.columns.tolist()[:2] == ["age", "gender"]
    assert len(rows.columns) == 2 or name == "pandas index before column"


@pytest.mark.parametrize(
    "convert",
    [
        str,
        float,
        lambda i: (i, "x"),
        lambda i: pd.Timestamp(2020, 1, i + 1),
    ],
    ids=["text", "float", "tuple", "date"],
)
def test_ids_of_any_type_are_found(convert):
    labels = np.fromiter(map(convert, TABLE.index), dtype=object, count=4)
    frame = TABLE.set_index(pd.Index(labels, tupleize_cols=False))
    wanted = np.fromiter(map(convert, [3, 1, 7]), dtype=object, count=3)
    rows, present = align_features(frame, wanted, "user_features")
    assert rows["age"].tolist() == [30, 10]
    assert present.tolist() == [True, True, False]


def test_ids_in_an_extension_index_are_found():
    for dtype in ("Int64", "category", "float64"):
        rows, _ = align_features(TABLE.set_index(TABLE.index.astype(dtype)), np.array([3, 1]), "user_features")
        assert rows["age"].tolist() == [30, 10]


@pytest.mark.parametrize(
    ("frame", "ids", "error", "message"),
    [
        (TABLE.to_numpy(), [1], TypeError, "user_features should be a frame .* got ndarray"),
        ({"age": [1]}, [1], TypeError, "got dict"),
        (TABLE["age"], [1], TypeError, "got Series"),
        (None, [1], TypeError, "got NoneType"),
        (pl.LazyFrame({"id": [1], "age": [1]}), [1], TypeError, "user_features is lazy"),
        (pd.concat([TABLE, TABLE[:2]]), [1], ValueError, r"its index\) has more than one row for 2 id\(s\): 1, 4"),
        (
            pl.DataFrame({"id": [1, 1], "age": [1, 2]}),
            [1],
            ValueError,
            r"'id'\) has more than one row for 1 id\(s\): 1",
        ),
        (TABLE, ["1"], TypeError, "ids of another type than the training rows: 1 here, '1' there"),
        (TABLE.set_index(TABLE.index.astype(str)), [1], TypeError, "another type than the training rows: '1' here"),
        (TABLE.set_index(pd.Index([1, 2, None, 3])), [1], ValueError, "missing id .* in row 2"),
        (TABLE.set_index(pd.Index([1, 2, "a", 3], dtype=object)), [1], TypeError, "mixes str ids"),
        (pl.DataFrame({"id": [1]}), [1], ValueError, "user_features has no features"),
        (pd.DataFrame(index=[1]), [1], ValueError, "user_features has no features"),
        (pl.DataFrame(), [1], ValueError, "user_features has no features"),
    ],
)
def test_tables_that_say_nothing_sure_are_refused(frame, ids, error, message):
    with pytest.raises(error, match=message):
        align_features(frame, ids, "user_features")


@pytest.mark.parametrize("name", TABLES)
def test_the_ids_of_a_table_are_known(name):
    frame, id_column = TABLES[name]
    assert table_ids(frame, "user_features", id_column=id_column).tolist() == [1, 2, 3, 4]
    with pytest.raises(TypeError, match="user_features should be a frame"):
        table_ids(TABLE.to_numpy(), "user_features")


@pytest.mark.parametrize("name", TABLES)
def test_absent_ids_have_rows_of_zeros(name):
    frame, id_column = TABLES[name]
    if name == "pandas index before column":
        frame = frame.drop(columns="user_id")
    encoder = FeatureEncoder(min_frequency=1)
    found = encode_side(encoder, frame, [2, 9, 4, -1], "user_features", fit=True, id_column=id_column)
    assert isinstance(found, csr_array) and found.dtype == np.float32
    assert encoder.get_feature_names_out().tolist() == ["age", "gender=F", "gender=M"]
    np.testing.assert_array_equal(found.toarray(), [[-1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]])
    later = encode_side(encoder, frame, [8, 1, 3], "user_features", fit=False, id_column=id_column)
    np.testing.assert_array_equal(later.toarray(), [[0, 0, 0], [-1, 1, 0], [0, 0, 1]])


def test_only_the_rows_of_the_ids_are_learnt_from():
    encoder = FeatureEncoder(min_frequency=1)
    encode_side(encoder, TABLE, [2, 1], "user_features", fit=True)
    assert encoder.categories_[1].tolist() == ["F"]
    assert encoder.mean_[0] == 15


@pytest.mark.parametrize("frame", [TABLE, pl.from_pandas(COLUMNS)])
def test_a_call_of_which_the_table_knows_no_id_has_rows_of_zeros_too(frame):
    for encoder in (FeatureEncoder(), OneHotEncoder(handle_unknown="ignore")):
        n_inputs = encode_side(encoder, frame, [1, 2], "user_features", fit=True).shape[1]
        found = encode_side(encoder, frame, [77, 78, 79], "user_features", fit=False)
        assert found.shape == (3, n_inputs)
        assert found.nnz == 0
    with pytest.raises(ValueError, match=r"none of the 2 id\(s\) of the training rows, such as 77, 78"):
        encode_side(FeatureEncoder(), frame, [77, 78], "user_features", fit=True)
    with pytest.raises(ValueError, match="user_features has no rows"):
        encode_side(encoder, frame[:0], [1], "user_features", fit=False)


AGES = TABLE[["age"]]


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_any_transformer_may_encode(output):
    found = encode_side(StandardScaler().set_output(transform=output), AGES, [1, 5, 2], "user_features", fit=True)
    np.testing.assert_array_equal(found.toarray(), [[-1], [0], [1]])
    assert found.dtype == np.float32
    old = FunctionTransformer(lambda X: csr_matrix(X.to_numpy()))
    np.testing.assert_array_equal(encode_side(old, AGES, [5, 1], "user_features", fit=True).toarray(), [[0], [10]])


@pytest.mark.parametrize(
    ("transformer", "error", "message"),
    [
        (FunctionTransformer(lambda X: X["age"].to_numpy()), TypeError, r"FunctionTransformer must return a matrix"),
        (FunctionTransformer(lambda X: X.astype(str).to_numpy()), TypeError, "must return a matrix of numbers"),
        (FunctionTransformer(lambda X: X.to_numpy()[:1]), ValueError, "made 1 rows of 2"),
        (FunctionTransformer(lambda X: X.to_numpy() * np.nan), ValueError, "NaN or infinity"),
        (FeatureEncoder(categorical=["height"]), ValueError, "height"),
    ],
)
def test_errors_of_a_transformer_say_which_table_they_are_about(transformer, error, message):
    with pytest.raises(error, match=message) as raised:
        encode_side(transformer, AGES, [1, 2], "user_features", fit=True)
    assert any("X is user_features" in note for note in raised.value.__notes__)
