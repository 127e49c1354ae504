"""Say what is wrong with a split."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils import check_array

from skrec.exceptions import ColdStartWarning, LeakageWarning, NoPositivesWarning
from skrec.model_selection._log import Columns, marked, positives


def _count_cold(ids, positive, train, test):
    """Return how many ids have a positive in `test`, and how many of these have no row in `train`."""
    tested = marked(ids.codes[test & positive], ids.n_unique)
    known = marked(ids.codes[train], ids.n_unique)
    return int(np.count_nonzero(tested)), int(np.count_nonzero(tested & ~known))


def warn_if_cold(users, positive, train, test):
    """Warn when most of the users to be tested have no training row."""
    n_tested, n_cold = _count_cold(users, positive, train, test)
    if 2 * n_cold > n_tested:
        warnings.warn(
            f"{n_cold} of the {n_tested} users tested have no training row, so their ranking cannot be personal. "
            "UserKFold and LeaveLastOut keep users on both sides; ColdUserKFold is for testing new users on purpose.",
            ColdStartWarning,
            stacklevel=3,
        )


def warn_if_no_positives(positive, train, test):
    """Warn when one of the two sets has no positive."""
    for name, mask, lost in (("training", train, "learn from"), ("test", test, "rank")):
        if not (positive & mask).any():
            warnings.warn(
                f"none of the {np.count_nonzero(mask)} {name} rows is a positive (y > 0): there is nothing to {lost}",
                NoPositivesWarning,
                stacklevel=3,
            )


class SplitReport(NamedTuple):
    """What :func:`check_split` counts. Times compare strictly: rows of equal time are not later."""

    n_train: int
    """Rows of training."""
    n_test: int
    """Rows of test."""
    n_shared: int
    """Rows in both."""
    n_train_positives: int
    """Positives among the rows of training."""
    n_test_positives: int
    """Positives among the rows of test."""
    n_test_users: int
    """Users with a positive in test: those that a ranking metric averages over."""
    n_cold_users: int
    """Those of them without any training row."""
    n_test_items: int
    """Items with a positive in test."""
    n_cold_items: int
    """Those of them without any training row."""
    n_repeated: int
    """Test positives whose (user, item) pair is a positive of training too; rankings leave such items out."""
    n_users_ahead: int | None
    """Users with a training row later than one of their test rows; ``None`` without times."""
    n_rows_ahead: int | None
    """Training rows, of anybody, later than the first test row; ``None`` without times."""


def check_split(X, y, train, test, *, time=None, leakage="user", user=0, item=1):
    """Count what a split of interactions gets wrong, and warn of what makes its score misleading.

    Read more in the :ref:`User Guide <split>`.

    Parameters
    ----------
    X : frame or array-like of shape (n_rows, n_columns)
        One interaction a row.
    y : array-like of shape (n_rows,) or None
        A row is a positive where ``y > 0``. ``None``: every row is a positive.
    train, test : array-like of int
        Row numbers, as a splitter yields them.
    time : int or column name, default=None
        Column of the times. ``None``: nothing is known of time, and leaks are not looked for.
    leakage : {"user", "global"}, default="user"
        What counts as a leak of the future: ``"user"``, a training row later than a test row of the same user;
        ``"global"``, a training row of anybody later than any test row. Only :class:`GlobalTimeSplit` is free of the
        second.
    user, item : int or column name, default=0 and 1
        Columns of the ids.

    Returns
    -------
    report : SplitReport
        Named tuple of counts.

    Raises
    ------
    ValueError
        When `train` or `test` is empty or holds a number that is not a row of X, and for bad columns as the splitters.

    Warns
    -----
    skrec.exceptions.LeakageWarning
        When `train` and `test` share rows, or training rows are later than test rows in the sense of `leakage`.
    skrec.exceptions.ColdStartWarning
        When most of the users tested have no training row.
    skrec.exceptions.NoPositivesWarning
        When `train` or `test` holds no positive.

    See Also
    --------
    CheckedSplit : Applies this to each fold of any splitter.

    Examples
    --------
    A plain k-fold on rows that are sorted by user tests on users that the model has never seen:

    >>> import warnings
    >>> import numpy as np
    >>> from sklearn.model_selection import KFold
    >>> from skrec.model_selection import check_split
    >>> X = np.array([[1, 7], [1, 8], [2, 7], [2, 9], [3, 8], [3, 9]])
    >>> train, test = next(KFold(3).split(X))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     report = check_split(X, None, train, test)
    >>> report.n_test_users, report.n_cold_users, caught[0].category.__name__
    (1, 1, 'ColdStartWarning')
    """
    _check_leakage(leakage)
    columns = Columns(X)
    positive = positives(y, columns.n_rows)
    users, items = columns.ids(user, "user"), columns.ids(item, "item")
    times = None if time is None else columns.times(time)
    train, test = _as_mask(train, columns.n_rows, "train"), _as_mask(test, columns.n_rows, "test")

    n_test_users, n_cold_users = _count_cold(users, positive, train, test)
    n_test_items, n_cold_items = _count_cold(items, positive, train, test)
    report = SplitReport(
        n_train=int(np.count_nonzero(train)),
        n_test=int(np.count_nonzero(test)),
        n_shared=int(np.count_nonzero(train & test)),
        n_train_positives=int(np.count_nonzero(train & positive)),
        n_test_positives=int(np.count_nonzero(test & positive)),
        n_test_users=n_test_users,
        n_cold_users=n_cold_users,
        n_test_items=n_test_items,
        n_cold_items=n_cold_items,
        n_repeated=_count_repeated(users, items, train & positive, test & positive),
        n_users_ahead=None if times is None else _count_users_ahead(users, times, train, test),
        n_rows_ahead=None if times is None else int(np.count_nonzero(times[train] > times[test].min())),
    )
    _warn_of_leaks(report, leakage)
    warn_if_no_positives(positive, train, test)
    warn_if_cold(users, positive, train, test)
    return report


class CheckedSplit(BaseCrossValidator):
    """Any splitter, with :func:`check_split` applied to each of its folds.

    Wherever a `cv` is taken, this one yields the same folds and warns of what is wrong with them.

    Read more in the :ref:`User Guide <split>`.

    Parameters
    ----------
    cv : int, splitter or iterable of (train, test), default=5
        The splitter to check; an int means :class:`~sklearn.model_selection.KFold` without shuffling, as in
        scikit-learn.
    time : int or column name, default=None
        Column of the times. ``None``: leaks of the future are not looked for.
    leakage : {"user", "global"}, default="user"
        What counts as a leak of the future, as in :func:`check_split`.
    user, item : int or column name, default=0 and 1
        Columns of the ids.

    Warns
    -----
    skrec.exceptions.LeakageWarning, skrec.exceptions.ColdStartWarning, skrec.exceptions.NoPositivesWarning
        As :func:`check_split`, by ``split``.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.model_selection import CheckedSplit, UserKFold
    >>> X = np.array([[1, 7], [1, 8], [2, 7], [2, 9], [3, 8], [3, 9]])
    >>> cv = CheckedSplit(UserKFold(2, random_state=0))
    >>> sum(len(test) for train, test in cv.split(X))
    6
    """

    def __init__(self, cv=5, *, time=None, leakage="user", user=0, item=1):
        _check_leakage(leakage)
        # As scikit-learn's own wrapper does, so that an iterable that can be read once is kept.
        self.cv = check_cv(cv)
        self.time = time
        self.leakage = leakage
        self.user = user
        self.item = item

    def split(self, X, y=None, groups=None):
        """Generate the folds of `cv`, each checked before it is handed out.

        Parameters
        ----------
        X : frame or array-like of shape (n_rows, n_columns)
            One interaction a row.
        y : array-like of shape (n_rows,), default=None
            A row is a positive where ``y > 0``. ``None``: every row is a positive.
        groups : array-like of shape (n_rows,), default=None
            Passed on to `cv`.

        Yields
        ------
        train : ndarray of shape (n_train,)
            Row numbers of the training set.
        test : ndarray of shape (n_test,)
            Row numbers of the test set.
        """
        for train, test in self.cv.split(X, y, groups):
            check_split(X, y, train, test, time=self.time, leakage=self.leakage, user=self.user, item=self.item)
            yield train, test

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds of `cv`.

        Parameters
        ----------
        X, y, groups : array-like, default=None
            Passed on to `cv`.

        Returns
        -------
        n_splits : int
            Number of pairs that ``split`` yields.
        """
        return self.cv.get_n_splits(X, y, groups)

    def get_metadata_routing(self):
        """Return the metadata that `cv` asks for: groups, for a splitter of groups.

        Returns
        -------
        routing : MetadataRequest
            The request of `cv`.
        """
        if hasattr(self.cv, "get_metadata_routing"):
            return self.cv.get_metadata_routing()
        return super().get_metadata_routing()


def _check_leakage(leakage):
    if leakage not in ("user", "global"):
        raise ValueError(f"leakage={leakage!r} is not allowed: it must be 'user' or 'global'")


def _as_mask(rows, n_rows, name):
    rows = check_array(rows, ensure_2d=False, dtype=None, ensure_min_samples=0, input_name=name)
    if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has shape {rows.shape} and dtype {rows.dtype}; it must be a list of row numbers, not empty"
        )
    if rows.min() < 0 or rows.max() >= n_rows:
        raise ValueError(
            f"{name} holds row numbers from {rows.min()} to {rows.max()}; X has the rows 0 to {n_rows - 1}"
        )
    return marked(rows, n_rows)


def _count_repeated(users, items, train, test):
    pairs = users.codes.astype(np.int64) * items.n_unique + items.codes
    return int(np.count_nonzero(np.isin(pairs[test], pairs[train])))


def _count_users_ahead(users, times, train, test):
    """Count the users whose latest training row is later than their earliest test row."""
    _, rank = np.unique(times, return_inverse=True)
    latest = np.full(users.n_unique, -1)
    np.maximum.at(latest, users.codes[train], rank[train])
    earliest = np.full(users.n_unique, len(rank))
    np.minimum.at(earliest, users.codes[test], rank[test])
    return int(np.count_nonzero(latest > earliest))


def _warn_of_leaks(report, leakage):
    if report.n_shared:
        warnings.warn(f"{report.n_shared} rows are in train and in test", LeakageWarning, stacklevel=3)
    if leakage == "user" and report.n_users_ahead:
        warnings.warn(
            f"{report.n_users_ahead} users have a training row later than one of their test rows: the model is "
            "trained on what it is asked to foresee. LeaveLastOut(time=...) cuts each user's history.",
            LeakageWarning,
            stacklevel=3,
        )
    if leakage == "global" and report.n_rows_ahead:
        warnings.warn(
            f"{report.n_rows_ahead} of {report.n_train} training rows are later than the first test row: the model is "
            "trained on the future of those it is tested on. GlobalTimeSplit(time=...) cuts the log for all users.",
            LeakageWarning,
            stacklevel=3,
        )
