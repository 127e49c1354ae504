"""What holds for every splitter of interactions, and for each by its known answers."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_val_predict, cross_validate

from skrec.exceptions import ColdStartWarning, NoPositivesWarning
from skrec.model_selection import ColdItemKFold, ColdUserKFold, GlobalTimeSplit, LeaveLastOut, UserKFold

SPLITTERS = [
    UserKFold(3, random_state=0),
    UserKFold(3, shuffle=False),
    LeaveLastOut(time=2),
    LeaveLastOut(2, n_splits=2),
    GlobalTimeSplit(time=2),
    GlobalTimeSplit(0.1, n_splits=3, time=2),
    GlobalTimeSplit(cut=[40, 70], time=2),
    ColdUserKFold(3, random_state=0),
    ColdItemKFold(3, shuffle=False),
]
PARTITIONS = [cv for cv in SPLITTERS if isinstance(cv, UserKFold | ColdUserKFold | ColdItemKFold)]


def make_log(n_rows=300, n_users=12, n_items=15, seed=0):
    rng = np.random.default_rng(seed)
    X = np.c_[rng.integers(0, n_users, n_rows), rng.integers(0, n_items, n_rows), rng.integers(0, 100, n_rows)]
    return X, rng.integers(0, 2, n_rows)


def folds(cv, X, y=None):
    return [(train.tolist(), test.tolist()) for train, test in cv.split(X, y)]


@st.composite
def logs(draw):
    """Logs with ties, repeated pairs and users without a positive; an int column each for user, item, time; and y."""
    n_rows = draw(st.integers(1, 40))
    column = lambda top: draw(st.lists(st.integers(0, top), min_size=n_rows, max_size=n_rows))
    X = np.c_[column(6), column(5), column(9)]
    return X, np.array(column(1))


def folds_or_none(cv, X, y):
    """The folds, or None when the log is too small for the splitter, which must then say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ColdStartWarning)
        warnings.simplefilter("ignore", NoPositivesWarning)
        try:
            return list(cv.split(X, y))
        except ValueError as error:
            assert re.search("no user has|is more than the number of|no row is|leave nothing of", str(error))
            return None


# Properties of all


@pytest.mark.parametrize("cv", SPLITTERS, ids=str)
@given(log=logs())
@settings(max_examples=60)
def test_train_and_test_are_ascending_disjoint_and_not_empty(cv, log):
    X, y = log
    result = folds_or_none(cv, X, y)
    if result is not None:
        assert len(result) == cv.get_n_splits(X, y)
        for train, test in result:
            assert len(train) and len(test)
            assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()
            assert not np.intersect1d(train, test).size


@pytest.mark.parametrize("cv", PARTITIONS, ids=str)
@given(log=logs())
@settings(max_examples=60)
def test_k_folds_test_each_row_once_and_train_on_all_others(cv, log):
    X, y = log
    result = folds_or_none(cv, X, y)
    if result is not None:
        assert np.array_equal(np.sort(np.concatenate([test for _, test in result])), np.arange(len(X)))
        assert all(len(train) + len(test) == len(X) for train, test in result)
        assert all(y[test].any() for _, test in result)


@pytest.mark.parametrize("cv", SPLITTERS, ids=str)
@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "list", "objects", "fortran"])
def test_the_kind_of_container_makes_no_difference(cv, kind):
    X, y = make_log()
    columns = {"u": X[:, 0], "i": X[:, 1], "t": X[:, 2]}
    container = {
        "pandas": lambda: (pd.DataFrame(columns, index=np.arange(len(X)) + 7), pd.Series(y > 0, index=X[:, 0])),
        "polars": lambda: (pl.DataFrame(columns), pl.Series(y)),
        "pyarrow": lambda: (pa.table(columns), pa.array(y)),
        "list": lambda: (X.tolist(), y.tolist()),
        "objects": lambda: (np.array([[str(u), (i, i), t] for u, i, t in X] + [[None] * 3], dtype=object)[:-1], y),
        "fortran": lambda: (np.asfortranarray(X, dtype=float), y.astype(np.float32)),
    }[kind]
    assert folds(cv, *container()) == folds(cv, X, y)


@pytest.mark.parametrize("cv", SPLITTERS, ids=str)
def test_pickle_and_copy_split_alike(cv):
    X, y = make_log()
    for copy in (pickle.loads(pickle.dumps(cv)), clone(cv, safe=False)):
        assert repr(copy) == repr(cv)
        assert folds(copy, X, y) == folds(cv, X, y)


@pytest.mark.parametrize("cv", SPLITTERS, ids=str)
def test_the_log_is_left_as_it_was(cv):
    X, y = make_log()
    X.setflags(write=False)
    y.setflags(write=False)
    folds(cv, X, y)


def test_repr_shows_the_parameters():
    assert repr(LeaveLastOut(time="timestamp")) == "LeaveLastOut(n=1, n_splits=1, time='timestamp', user=0)"
    assert repr(UserKFold()) == "UserKFold(item=1, n_splits=5, random_state=None, shuffle=True, user=0)"


@pytest.mark.parametrize("cls", [UserKFold, ColdUserKFold, ColdItemKFold])
def test_a_seed_fixes_the_folds_and_another_seed_changes_them(cls):
    X, y = make_log()
    cv = cls(3, random_state=1)
    assert folds(cv, X, y) == folds(cv, X, y) == folds(cls(3, random_state=1), X, y)
    assert folds(cv, X, y) != folds(cls(3, random_state=2), X, y)
    generator = cls(3, random_state=np.random.RandomState(1))
    assert folds(generator, X, y) != folds(generator, X, y)


def test_groups_are_ignored_with_a_warning():
    X, y = make_log()
    with pytest.warns(UserWarning, match="groups parameter is ignored by LeaveLastOut"):
        next(LeaveLastOut().split(X, y, groups=y))


# Inside scikit-learn


class MeanOfItem(BaseEstimator):
    """Scores a fold by how many of its rows the training rows shared an item with."""

    def __init__(self, strength=1):
        self.strength = strength

    def fit(self, X, y=None):
        self.items_ = set(np.asarray(X)[:, 1])
        return self

    def predict(self, X):
        return np.array([item in self.items_ for item in np.asarray(X)[:, 1]]) * float(self.strength)

    def score(self, X, y=None):
        return float(self.predict(X).mean())


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("cv", SPLITTERS, ids=str)
def test_grid_search_takes_every_splitter(cv, routing):
    X, y = make_log()
    X = pd.DataFrame(X, columns=["u", "i", "t"])
    with sklearn.config_context(enable_metadata_routing=routing):
        search = GridSearchCV(MeanOfItem(), {"strength": [1, 2]}, cv=cv).fit(X, y)
    assert search.n_splits_ == cv.get_n_splits()
    assert search.best_params_ == {"strength": 2} or isinstance(cv, ColdItemKFold)
    assert cross_validate(MeanOfItem(), X, y, cv=cv)["test_score"].shape == (search.n_splits_,)


def test_cold_items_are_new_to_the_model_inside_cross_validate():
    X, y = make_log()
    assert not cross_validate(MeanOfItem(), X, y, cv=ColdItemKFold(3))["test_score"].any()


def test_halving_search_takes_folds_with_a_seed():
    X, y = make_log()
    search = HalvingGridSearchCV(MeanOfItem(), {"strength": [1, 2]}, cv=UserKFold(3, random_state=0), min_resources=100)
    assert search.fit(X, y).best_params_ == {"strength": 2}
    HalvingGridSearchCV(MeanOfItem(), {"strength": [1, 2]}, cv=LeaveLastOut(n_splits=2), min_resources=100).fit(X, y)


@pytest.mark.parametrize("cv", PARTITIONS, ids=str)
def test_cross_val_predict_takes_every_k_fold(cv):
    X, y = make_log()
    predicted = cross_val_predict(DummyRegressor(), X, y, cv=cv)
    for train, test in cv.split(X, y):
        assert predicted[test] == pytest.approx(y[train].mean())


# UserKFold


@pytest.mark.parametrize("shuffle", [True, False])
@given(log=logs(), n_splits=st.integers(2, 5))
@settings(max_examples=100)
def test_user_k_fold_deals_each_users_positive_pairs_evenly(shuffle, log, n_splits):
    X, y = log
    result = folds_or_none(UserKFold(n_splits, shuffle=shuffle, random_state=0 if shuffle else None), X, y)
    if result is None:
        return
    pair = X[:, 0] * 10 + X[:, 1]
    positive_pairs = np.unique(pair[y > 0])
    counts = np.array([[np.sum(np.unique(pair[test]) // 10 == u) for u in range(7)] for _, test in result])
    positive_counts = np.array(
        [[np.isin(positive_pairs[positive_pairs // 10 == u], pair[test]).sum() for u in range(7)] for _, test in result]
    )
    assert (np.ptp(positive_counts, axis=0) <= 1).all()
    assert np.ptp(positive_counts.sum(axis=1)) <= 1
    assert np.ptp(counts.sum(axis=1)) <= 1
    for (train, test), positives_of_users in zip(result, positive_counts, strict=True):
        assert not np.intersect1d(pair[train], pair[test]).size
        total = positive_counts.sum(axis=0)
        trained = np.isin(np.arange(7), pair[train][y[train] > 0] // 10)
        assert trained[(total >= 2) & (positives_of_users > 0)].all()


def test_user_k_fold_tests_every_user_in_every_fold_when_there_are_enough_rows():
    users = np.repeat(np.arange(50), 5)
    X = np.c_[users, np.tile(np.arange(5), 50)]
    for train, test in UserKFold(5, random_state=0).split(X):
        assert np.array_equal(users[test], np.arange(50))
        assert np.array_equal(users[train], np.repeat(np.arange(50), 4))


def test_user_k_fold_shuffles_the_items_within_a_user():
    X = np.c_[np.zeros(1000), np.arange(1000)]
    _, test = next(UserKFold(2, random_state=0).split(X))
    assert 200 < np.sum(test < 500) < 300
    assert (np.diff(test) > 2).any()


def test_user_k_fold_keeps_the_rows_of_a_pair_together():
    X = np.tile([[1, 1], [1, 2], [2, 1], [2, 2]], (25, 1))
    for train, test in UserKFold(2, random_state=0).split(X):
        assert set(map(tuple, X[train])).isdisjoint(map(tuple, X[test]))


def test_user_k_fold_of_single_pairs_warns_that_users_are_cold():
    X = np.c_[np.arange(6), np.arange(6)]
    with pytest.warns(ColdStartWarning, match="3 of the 3 users tested have no training row"):
        list(UserKFold(2, random_state=0).split(X))


# LeaveLastOut


def last_out_by_loop(X, y, n, n_splits, step):
    """The rule of LeaveLastOut, user by user."""
    train, test = [], []
    for user in np.unique(X[:, 0]):
        rows = np.flatnonzero(X[:, 0] == user)
        rows = rows[np.argsort(X[rows, 2], kind="stable")]
        liked = [place for place, row in enumerate(rows) if y[row] > 0]
        later = (n_splits - 1 - step) * n
        if len(liked) < later + n + 1:
            train += rows.tolist()
            continue
        start = liked[len(liked) - later - n]
        end = liked[len(liked) - later] if later else len(rows)
        train += rows[:start].tolist()
        test += rows[start:end].tolist()
    return sorted(train), sorted(test)


@given(log=logs(), n=st.integers(1, 3), n_splits=st.integers(1, 3))
@settings(max_examples=200)
def test_leave_last_out_equals_the_loop_over_users(log, n, n_splits):
    X, y = log
    result = folds_or_none(LeaveLastOut(n, n_splits=n_splits, time=2), X, y)
    if result is not None:
        for step, (train, test) in enumerate(result):
            assert (train.tolist(), test.tolist()) == last_out_by_loop(X, y, n, n_splits, step)


@given(log=logs())
@settings(max_examples=100)
def test_leave_last_out_holds_out_one_positive_of_each_user_with_two_and_nothing_later_is_trained_on(log):
    X, y = log
    result = folds_or_none(LeaveLastOut(time=2), X, y)
    if result is None:
        assert np.bincount(X[:, 0], weights=y).max() < 2
        return
    ((train, test),) = result
    assert len(train) + len(test) == len(X)
    for user in np.unique(X[:, 0]):
        of_user = X[:, 0] == user
        held_out = [row for row in test if of_user[row] and y[row] > 0]
        assert len(held_out) == (y[of_user].sum() >= 2)
        if held_out:
            assert X[train][of_user[train], 2].max() <= X[held_out[0], 2]


def test_ties_in_time_keep_the_order_of_rows():
    X = np.array([[1, 0, 5], [1, 1, 5], [1, 2, 5]])
    assert folds(LeaveLastOut(time=2), X) == [([0, 1], [2])]


def test_negatives_after_the_held_out_positive_are_tested_and_those_before_it_trained_on():
    X = np.c_[np.ones(5), np.arange(5)]
    assert folds(LeaveLastOut(), X, [1, -1, 0, 1, 0]) == [([0, 1, 2], [3, 4])]


def test_users_with_one_positive_stay_in_training():
    X = np.array([[1, 1], [2, 1], [2, 2], [1, 2]])
    assert folds(LeaveLastOut(), X, [1, 1, 1, 0]) == [([0, 1, 3], [2])]


def test_several_folds_move_towards_the_present():
    X = np.c_[np.ones(5), np.arange(5)]
    assert folds(LeaveLastOut(n_splits=2), X) == [([0, 1, 2], [3]), ([0, 1, 2, 3], [4])]
    assert folds(LeaveLastOut(2, n_splits=2), X) == [([0], [1, 2]), ([0, 1, 2], [3, 4])]


def test_datetimes_of_any_zone_and_type_order_rows_alike():
    day = pd.to_datetime(["2024-03-01", "2024-01-01", "2024-02-01"])
    for time in (day, day.tz_localize("Asia/Tokyo"), day.date, day.to_numpy(), day - day[0], day.astype("int64")):
        X = pd.DataFrame({"user": 1, "item": [1, 2, 3], "time": time})
        assert folds(LeaveLastOut(time="time"), X) == [([1, 2], [0])]


# GlobalTimeSplit


@pytest.mark.parametrize("n_splits", [1, 2, 3])
@given(log=logs())
@settings(max_examples=60)
def test_global_time_split_trains_on_all_that_precedes_the_window_and_only_that(n_splits, log):
    X, y = log
    time = X[:, 2]
    result = folds_or_none(GlobalTimeSplit(0.15, n_splits=n_splits, time=2), X, y)
    if result is not None:
        for fold, (train, test) in enumerate(result):
            assert time[train].max() < time[test].min()
            assert np.array_equal(train, np.flatnonzero(time < time[test].min()))
            if fold:
                assert np.array_equal(train, np.union1d(*result[fold - 1]))
        assert len(train) + len(test) == len(X)


@pytest.mark.parametrize(("test_size", "n_test"), [(None, 20), (0.3, 30), (7, 7), (0.07, 7), (0.001, 1)])
def test_size_of_the_test_window_is_a_share_or_a_number_of_rows(test_size, n_test):
    X = np.c_[np.arange(100) % 3, np.arange(100), np.arange(100)[::-1]]
    assert folds(GlobalTimeSplit(test_size, time=2), X) == [(list(range(n_test, 100)), list(range(n_test)))]


def test_without_times_the_last_rows_are_tested():
    X = np.c_[np.arange(10) % 2, np.arange(10)]
    assert folds(GlobalTimeSplit(0.1, n_splits=2), X) == [(list(range(8)), [8]), (list(range(9)), [9])]


def test_ties_with_the_cut_are_all_tested():
    X = np.array([[1, 1, 0], [1, 2, 5], [1, 3, 5], [1, 4, 5]])
    assert folds(GlobalTimeSplit(1, time=2), X) == [([0], [1, 2, 3])]


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize(
    "cut",
    ["2024-02-01", pd.Timestamp("2024-02-01"), np.datetime64("2024-02-01"), ["2024-02-01"]]
    + [pd.Timestamp("2024-02-01", tz="UTC"), pd.Timestamp("2024-02-01 09:00", tz="Asia/Tokyo")],
)
def test_cuts_are_read_as_pandas_reads_datetimes(zone, cut):
    X = pd.DataFrame({"u": 1, "i": [1, 2, 3]})
    X["t"] = pd.to_datetime(["2024-02-01 00:00", "2024-01-31 23:59", "2024-03-01 00:00"]).tz_localize(zone)
    cv = GlobalTimeSplit(cut=cut, time="t")
    assert cv.get_n_splits() == 1
    assert folds(cv, X) == [([1], [0, 2])]


def test_a_cut_in_elapsed_time_is_read_as_pandas_reads_it():
    X = pd.DataFrame({"u": 1, "i": [1, 2], "t": pd.to_timedelta(["3 days", "1 days"])})
    assert folds(GlobalTimeSplit(cut="2 days", time="t"), X) == [([1], [0])]


def test_a_window_without_a_positive_warns():
    X = np.c_[np.ones(10), np.arange(10)]
    y = np.arange(10) < 5
    with pytest.warns(NoPositivesWarning, match=r"none of the 2 test rows is a positive \(y > 0\)"):
        next(GlobalTimeSplit().split(X, y))
    with pytest.warns(NoPositivesWarning, match="none of the 8 training rows is a positive"):
        next(GlobalTimeSplit().split(X, y[::-1] & (np.arange(10) > 7)))


def test_a_window_of_new_users_warns():
    with pytest.warns(ColdStartWarning, match="2 of the 2 users tested"):
        next(GlobalTimeSplit().split(np.c_[np.arange(10), np.arange(10)]))


# Cold users and items


@pytest.mark.parametrize(("cls", "column"), [(ColdUserKFold, 0), (ColdItemKFold, 1)])
@pytest.mark.parametrize("shuffle", [True, False])
@given(log=logs(), n_splits=st.integers(2, 4))
@settings(max_examples=60)
def test_cold_folds_share_no_id_and_are_alike_in_size_and_activity(cls, column, shuffle, log, n_splits):
    X, y = log
    result = folds_or_none(cls(n_splits, shuffle=shuffle, random_state=0 if shuffle else None), X, y)
    if result is not None:
        ids = X[:, column]
        assert all(not np.intersect1d(ids[train], ids[test]).size for train, test in result)
        assert np.ptp([len(np.unique(ids[test])) for _, test in result]) <= 1
        assert np.ptp([y[test].sum() for _, test in result]) <= np.bincount(ids, weights=y).max()


def test_shuffling_deals_any_two_users_of_like_activity_together_or_apart():
    X = np.c_[np.repeat(np.arange(4), 2), np.arange(8)]
    together = [
        len({tuple(np.isin([0, 2], test)) for _, test in ColdUserKFold(2, random_state=seed).split(X)} & {(True, True)})
        for seed in range(20)
    ]
    assert 0 < sum(together) < 20


# Bad input

X_GOOD, Y_GOOD = make_log(20)
FRAME = pd.DataFrame(X_GOOD, columns=["u", "i", "t"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UserKFold(1), r"n_splits=1 is not allowed: it must be an integer of at least 2"),
        (lambda: UserKFold(2.5), r"n_splits=2.5 is not allowed"),
        (lambda: UserKFold(True), r"n_splits=True is not allowed"),
        (lambda: ColdUserKFold(shuffle="yes"), r"shuffle='yes' is not allowed: it must be True or False"),
        (lambda: ColdItemKFold(shuffle=False, random_state=0), r"random_state=0 has no effect with shuffle=False"),
        (lambda: LeaveLastOut(0), r"n=0 is not allowed: it must be an integer of at least 1"),
        (lambda: LeaveLastOut(n_splits=0), r"n_splits=0 is not allowed: it must be an integer of at least 1"),
        (lambda: GlobalTimeSplit(1.5), r"test_size=1.5 is not allowed: it must be a share in \(0, 1\) or a number"),
        (lambda: GlobalTimeSplit(0), r"test_size=0 is not allowed"),
        (lambda: GlobalTimeSplit(float("nan")), r"test_size=nan is not allowed"),
        (lambda: GlobalTimeSplit("0.2"), r"test_size='0.2' is not allowed"),
        (lambda: GlobalTimeSplit(cut=3), r"cut=3 needs the column of times: set time"),
        (lambda: GlobalTimeSplit(0.2, cut=3, time=2), r"test_size=0.2, n_splits=1 and cut=3 contradict each other"),
        (lambda: GlobalTimeSplit(cut=3, n_splits=2, time=2), r"n_splits=2 and cut=3 contradict each other"),
        (lambda: GlobalTimeSplit(cut=[], time=2), r"cut=\[\] is not allowed: it must hold at least one time"),
    ],
)
def test_bad_parameters_are_named_with_their_value_and_what_is_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (UserKFold(user="who"), r"user='who' is not a column of X; its columns are \['u', 'i', 't'\]"),
        (UserKFold(item=3), r"item=3 is not a column of X, which has 3 column\(s\): allowed are 0 to 2"),
        (LeaveLastOut(time=-1), r"time=-1 is not a column of X"),
        (LeaveLastOut(time=None, user=True), r"user=True is not a column of X"),
        (UserKFold(99), r"n_splits=99 is more than the number of positive \(user, item\) pairs, \d+"),
        (ColdUserKFold(13), r"n_splits=13 is more than the number of users with a positive, \d+"),
        (ColdItemKFold(16), r"n_splits=16 is more than the number of items with a positive, \d+"),
        (LeaveLastOut(10, n_splits=2), r"no user has the 21 positives that n=10 with n_splits=2 needs"),
        (GlobalTimeSplit(10, n_splits=2), r"n_splits=2 windows of test_size=10 \(10 rows\) leave nothing of 20 rows"),
        (GlobalTimeSplit(cut=-1, time="t"), r"no row is before -1: times run from 0 to \d+|no row is before -1"),
        (GlobalTimeSplit(cut=[50, 1000], time="t"), r"no row is in the test window that starts at 1000"),
        (GlobalTimeSplit(cut=[50, 50], time="t"), r"cut=\[50, 50\] is not allowed: times must be given, in ascending"),
        (GlobalTimeSplit(cut="2024", time="t"), r"cut='2024' cannot be compared with time='t', which holds int64"),
    ],
    ids=str,
)
def test_logs_that_do_not_fit_are_refused_by_name(cv, message):
    with pytest.raises(ValueError, match=message):
        list(cv.split(FRAME, Y_GOOD))


def test_a_cut_that_is_no_datetime_is_refused():
    X = pd.DataFrame({"u": 1, "i": [1, 2], "t": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    with pytest.raises(ValueError, match="cut='soon' cannot be compared with time='t', which holds datetime64"):
        next(GlobalTimeSplit(cut="soon", time="t").split(X))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1.0, np.nan], r"column time=2 has no time \(None, NaN or NaT\) in row 1"),
        (pd.to_datetime(["2024-01-01", None]), r"column time=2 has no time .* in row 1"),
        (pd.array([None, 1], dtype="Int64"), r"column time=2 has no time .* in row 0"),
        (["monday", "tuesday"], r"column time=2 holds string values; allowed are numbers and datetimes"),
        ([True, False], r"column time=2 holds boolean values"),
        ([(1,), (2,)], r"column time=2 holds mixed values"),
    ],
)
def test_times_that_cannot_be_ordered_are_refused(times, message):
    X = pd.DataFrame({"u": 1, "i": [1, 2], "t": times})
    for cv in (LeaveLastOut(time=2), GlobalTimeSplit(time=2)):
        with pytest.raises(ValueError, match=message):
            next(cv.split(X))


@pytest.mark.parametrize("cv", SPLITTERS, ids=str)
@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (X_GOOD, Y_GOOD[:-1], ValueError, r"y has 19 values and X has 20 rows"),
        (X_GOOD, np.r_[np.nan, Y_GOOD[1:]], ValueError, r"y is missing \(None or NaN\) in row 0; positive is y > 0"),
        (X_GOOD, ["yes"] * 20, ValueError, r"y holds string values; allowed are numbers and booleans"),
        (X_GOOD, np.ones((20, 2)), ValueError, r"y should be a 1d array"),
        (X_GOOD[:0], None, ValueError, r"X has no rows; there is nothing to split"),
        (FRAME.iloc[:0], None, ValueError, r"X has no rows"),
        (X_GOOD[:, 0], None, ValueError, r"X has 1 dimension\(s\); it must be a frame or a 2-D array"),
    ],
    ids=["short y", "nan y", "text y", "wide y", "empty array", "empty frame", "vector"],
)
def test_malformed_logs_are_refused_by_every_splitter(cv, X, y, error, message):
    with pytest.raises(error, match=message):
        next(cv.split(X, y))


def test_a_name_needs_a_frame():
    with pytest.raises(ValueError, match="user='u' is a name, but X is an array without names: give a position"):
        next(UserKFold(user="u").split(X_GOOD))


def test_sparse_matrices_are_refused():
    from scipy import sparse

    with pytest.raises(TypeError, match="X is a sparse matrix"):
        next(UserKFold().split(sparse.csr_array(X_GOOD)))


def test_missing_and_unhashable_ids_are_refused():
    with pytest.raises(ValueError, match=r"column user=0 has no id \(None or NaN\) in row 1"):
        next(LeaveLastOut().split([["ann", "a"], [None, "a"]]))
    with pytest.raises(TypeError, match=r"column user=0 must hold hashable ids: .*list"):
        next(LeaveLastOut().split([["ann", "a"], [["bob"], "a"]]))


def test_targets_that_are_objects_count_as_what_they_hold():
    for liked in ([True, True, False], [1, 2.5, 0], pd.array([True, True, False], dtype="boolean")):
        y = np.array(liked, dtype=object)
        assert folds(LeaveLastOut(), [["ann", "a"], ["ann", "b"], ["ann", "c"]], y) == [([0], [1, 2])]


def test_a_column_of_targets_is_read_as_scikit_learn_does():
    with pytest.warns(sklearn.exceptions.DataConversionWarning):
        next(LeaveLastOut().split(X_GOOD, Y_GOOD[:, None]))
