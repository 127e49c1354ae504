"""check_split and CheckedSplit count what is wrong with a split, and warn of it."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold

from skrec.exceptions import ColdStartWarning, LeakageWarning, NoPositivesWarning
from skrec.model_selection import (
    CheckedSplit,
    ColdItemKFold,
    ColdUserKFold,
    GlobalTimeSplit,
    LeaveLastOut,
    UserKFold,
    check_split,
)

# user, item, time; sorted by user
X = np.array([[1, 7, 1], [1, 8, 2], [1, 9, 3], [2, 7, 2], [2, 8, 9], [3, 9, 4], [3, 7, 4]])
y = np.array([1, 1, 0, 1, 1, 1, 1])


def messages(X, y, train, test, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = check_split(X, y, train, test, **options)
    return report, [(warning.category, str(warning.message)) for warning in caught]


def test_a_sound_split_is_counted_and_warns_of_nothing():
    report, caught = messages(X, y, [0, 3, 5], [1, 2, 4, 6], time=2)
    assert caught == []
    assert report._asdict() == {
        "n_train": 3,
        "n_test": 4,
        "n_shared": 0,
        "n_train_positives": 3,
        "n_test_positives": 3,
        "n_test_users": 3,
        "n_cold_users": 0,
        "n_test_items": 2,
        "n_cold_items": 1,
        "n_repeated": 0,
        "n_users_ahead": 0,
        "n_rows_ahead": 1,
    }


def test_without_times_leaks_are_not_looked_for():
    report, caught = messages(X, y, [1, 4], [0, 3])
    assert (report.n_users_ahead, report.n_rows_ahead, caught) == (None, None, [])


def test_a_training_row_later_than_a_test_row_of_the_same_user_warns():
    report, caught = messages(X, y, [1, 4, 5], [0, 3, 6], time=2)
    # user 3 has both rows at the same time, which is not later
    assert report.n_users_ahead == 2
    assert [category for category, _ in caught] == [LeakageWarning]
    assert caught[0][1].startswith("2 users have a training row later than one of their test rows")


def test_a_training_row_of_anybody_later_than_the_first_test_row_warns_when_asked():
    train, test = [0, 3, 5], [1, 4, 6]
    assert messages(X, y, train, test, time=2)[1] == []
    report, caught = messages(X, y, train, test, time=2, leakage="global")
    assert report.n_rows_ahead == 1
    assert caught[0][0] is LeakageWarning
    assert caught[0][1].startswith("1 of 3 training rows are later than the first test row")


def test_shared_rows_warn():
    report, caught = messages(X, y, [0, 1, 3], [1, 4])
    assert report.n_shared == 1
    assert caught == [(LeakageWarning, "1 rows are in train and in test")]


def test_repeated_pairs_are_counted_when_both_rows_are_positive():
    repeated = np.array([[1, 7], [1, 7], [1, 8], [1, 8]])
    assert check_split(repeated, [1, 1, 0, 1], [0, 2], [1, 3]).n_repeated == 1


def test_users_are_cold_when_most_and_not_when_half_of_them_have_no_training_row():
    assert messages(X, y, [0, 5], [1, 3])[1] == []
    report, caught = messages(X, y, [0, 2], [1, 3, 6])
    assert (report.n_test_users, report.n_cold_users) == (3, 2)
    assert caught[0][0] is ColdStartWarning
    assert caught[0][1].startswith("2 of the 3 users tested have no training row")


def test_sides_without_a_positive_warn():
    assert [category for category, _ in messages(X, y, [0, 3], [2])[1]] == [NoPositivesWarning]
    assert messages(X, y, [2], [0])[1][0][1].startswith("none of the 1 training rows is a positive")


def test_counts_equal_a_loop_on_a_random_split():
    rng = np.random.default_rng(0)
    log = np.c_[rng.integers(0, 30, 400), rng.integers(0, 20, 400), rng.integers(0, 50, 400)]
    liked = rng.integers(0, 2, 400)
    side = rng.permutation(400)
    train, test = side[:300], side[300:360]
    report = messages(log, liked, train, test, time=2)[0]
    ahead = sum(
        log[train][log[train, 0] == user, 2].max(initial=-1) > log[test][log[test, 0] == user, 2].min(initial=99)
        for user in range(30)
    )
    assert report.n_users_ahead == ahead
    assert report.n_rows_ahead == sum(log[row, 2] > log[test, 2].min() for row in train)
    known = {(u, i) for u, i, _ in log[train[liked[train] > 0]]}
    assert report.n_repeated == sum((u, i) in known for u, i, _ in log[test[liked[test] > 0]])


def test_our_splitters_pass_their_own_protocols():
    rng = np.random.default_rng(1)
    log = np.c_[rng.integers(0, 10, 300), np.arange(300), rng.integers(0, 50, 300)]
    liked = rng.integers(0, 2, 300)
    for cv in (UserKFold(random_state=0), ColdItemKFold(random_state=0), CheckedSplit(UserKFold(random_state=0))):
        list(CheckedSplit(cv).split(log, liked))
    list(CheckedSplit(LeaveLastOut(2, n_splits=2, time=2), time=2).split(log, liked))
    list(CheckedSplit(GlobalTimeSplit(0.1, n_splits=3, time=2), time=2, leakage="global").split(log, liked))
    with pytest.warns(ColdStartWarning):
        list(CheckedSplit(ColdUserKFold(random_state=0)).split(log, liked))


# CheckedSplit


class Constant(BaseEstimator):
    def fit(self, X, y=None):
        return self

    def score(self, X, y=None):
        return 0.5


SORTED = pd.DataFrame({"user": np.repeat(np.arange(10), 4), "item": np.tile(np.arange(4), 10), "time": np.arange(40)})


def test_a_plain_k_fold_on_rows_sorted_by_user_warns_of_cold_users_in_a_search():
    with pytest.warns(ColdStartWarning, match="2 of the 2 users tested have no training row"):
        GridSearchCV(Constant(), {}, cv=CheckedSplit(KFold(5))).fit(SORTED)
    with pytest.warns(ColdStartWarning):
        GridSearchCV(Constant(), {}, cv=CheckedSplit()).fit(SORTED)


def test_a_shuffled_k_fold_warns_of_the_future_when_times_are_given():
    cv = KFold(5, shuffle=True, random_state=0)
    assert len(list(CheckedSplit(cv).split(SORTED))) == 5
    with pytest.warns(LeakageWarning, match=r"LeaveLastOut\(time=...\) cuts each user's history"):
        list(CheckedSplit(cv, time="time", user="user", item="item").split(SORTED))


def test_checked_folds_are_the_folds_of_the_splitter():
    cv = UserKFold(4, random_state=0)
    checked = CheckedSplit(cv)
    assert checked.get_n_splits(SORTED) == 4
    for (train, test), (checked_train, checked_test) in zip(cv.split(SORTED), checked.split(SORTED), strict=True):
        assert np.array_equal(train, checked_train) and np.array_equal(test, checked_test)


def test_an_iterable_of_folds_is_checked_too():
    rows = np.arange(40)
    checked = CheckedSplit((rows[rows % 2 == side], rows[rows % 2 != side]) for side in (0, 1))
    assert checked.get_n_splits() == 2
    assert len(list(checked.split(SORTED))) == len(list(checked.split(SORTED))) == 2


@pytest.mark.parametrize("routing", [False, True])
def test_groups_reach_a_splitter_of_groups(routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        search = GridSearchCV(Constant(), {}, cv=CheckedSplit(GroupKFold(2)))
        search.fit(SORTED, groups=SORTED["item"])
    assert search.n_splits_ == 2


def test_a_splitter_without_metadata_routing_is_checked_too():
    class Halves:
        def split(self, X, y=None, groups=None):
            yield np.arange(0, 40, 2), np.arange(1, 40, 2)

        def get_n_splits(self, X=None, y=None, groups=None):
            return 1

    with sklearn.config_context(enable_metadata_routing=True):
        assert GridSearchCV(Constant(), {}, cv=CheckedSplit(Halves())).fit(SORTED).n_splits_ == 1


def test_the_repr_shows_the_splitter_inside():
    assert "cv=LeaveLastOut(n=1, n_splits=1, time=None, user=0)" in repr(CheckedSplit(LeaveLastOut()))


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": []}, r"train has shape \(0,\) and dtype float64; it must be a list of row numbers, not empty"),
        ({"test": [0.5]}, r"test has shape \(1,\) and dtype float64"),
        ({"test": [[0]]}, r"test has shape \(1, 1\)"),
        ({"test": [7]}, r"test holds row numbers from 7 to 7; X has the rows 0 to 6"),
        ({"train": [-1, 3]}, r"train holds row numbers from -1 to 3"),
        ({"leakage": "item"}, r"leakage='item' is not allowed: it must be 'user' or 'global'"),
        ({"time": "when"}, r"time='when' is a name, but X is an array without names"),
    ],
)
def test_bad_arguments_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        check_split(X, y, **{"train": [0], "test": [1], **options})


def test_a_checked_split_refuses_a_leakage_it_does_not_know():
    with pytest.raises(ValueError, match="leakage='all' is not allowed"):
        CheckedSplit(leakage="all")
