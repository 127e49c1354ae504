"""One cut in time for all users."""

from numbers import Integral, Real

import numpy as np

from skrec.model_selection._audit import warn_if_cold, warn_if_no_positives
from skrec.model_selection._base import BaseInteractionSplitter, check_count


class GlobalTimeSplit(BaseInteractionSplitter):
    """Train on what happened before a point in time and test on what happened after it, for all users alike.

    This is what a deployed recommender faces: no row of training is later than, or as late as, a row of test. Users
    and items that first appear after the cut are in the test set, as they are in life.

    Read more in the :ref:`User Guide <split>`.

    Parameters
    ----------
    test_size : float or int, default=None
        Share (in (0, 1)) or number (at least 1) of the rows in a test window. ``None`` means 0.2, or that `cut` is
        given. Rows with the time of the cut are all in the test set, so that ties can make it larger.
    n_splits : int, default=1
        Number of test windows, one behind the other, of `test_size` each; the last one ends with the log. Each fold
        trains on all that precedes its window.
    cut : time or sequence of times, default=None
        Explicit cuts instead of `test_size` and `n_splits`: a row is in test from the cut on. Several, in ascending
        order, make several folds, each window ending where the next one begins. A number, or for a column of datetimes
        whatever :func:`pandas.to_datetime` reads; columns with a time zone are cut in UTC. Needs `time`.
    time : int or column name, default=None
        Column of the times: numbers, datetimes or timedeltas. ``None``: rows are in order of time.
    user : int or column name, default=0
        Column of the user ids; only a warning depends on it.

    Raises
    ------
    ValueError
        By ``split``, when a training set or a test window would be empty, when a column is missing, or when an id or a
        time is.

    Warns
    -----
    skrec.exceptions.ColdStartWarning
        When most users tested in a fold have no training row.
    skrec.exceptions.NoPositivesWarning
        When the rows of training or of test hold no positive.

    See Also
    --------
    LeaveLastOut : A cut per user: everybody with two positives is tested.
    sklearn.model_selection.TimeSeriesSplit : The same windows over rows already in order of time, ties cut through.

    Notes
    -----
    Cost: one sort of the times, then O(n_rows) a fold.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrec.model_selection import GlobalTimeSplit
    >>> day = pd.to_datetime(["2024-01-03", "2024-01-01", "2024-02-01", "2024-02-09", "2024-03-05"])
    >>> X = pd.DataFrame({"user": [1, 2, 1, 2, 1], "item": [7, 7, 8, 9, 9], "day": day})
    >>> for train, test in GlobalTimeSplit(cut=["2024-02-01", "2024-03-01"], time="day").split(X):
    ...     print(train, test)
    [0 1] [2 3]
    [0 1 2 3] [4]
    """

    def __init__(self, test_size=None, *, n_splits=1, cut=None, time=None, user=0):
        check_count("n_splits", n_splits, 1)
        if cut is not None:
            if time is None:
                raise ValueError(f"cut={cut!r} needs the column of times: set time to its position or name")
            if test_size is not None or n_splits != 1:
                raise ValueError(
                    f"test_size={test_size!r}, n_splits={n_splits!r} and cut={cut!r} contradict each other: "
                    "give either cut (several for several folds), or test_size and n_splits"
                )
            if np.size(cut) == 0:
                raise ValueError(f"cut={cut!r} is not allowed: it must hold at least one time")
        elif test_size is not None:
            _check_test_size(test_size)
        self.test_size = test_size
        self.n_splits = n_splits
        self.cut = cut
        self.time = time
        self.user = user

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object
            Ignored; exist for API compatibility.

        Returns
        -------
        n_splits : int
            `n_splits`, or the number of cuts.
        """
        return int(self.n_splits) if self.cut is None else int(np.size(self.cut))

    def _masks(self, columns, positive):
        times = columns.times(self.time)
        users = columns.ids(self.user, "user")
        cuts = self._quantile_cuts(times) if self.cut is None else self._explicit_cuts(times)
        n_before = [np.count_nonzero(times < cut) for cut in cuts]
        sizes = np.diff([0, *n_before, len(times)])
        if not sizes.all():
            empty = int(np.argmin(sizes))
            where = f"before {cuts[0]}" if empty == 0 else f"in the test window that starts at {cuts[empty - 1]}"
            raise ValueError(
                f"no row is {where}: times run from {times.min()} to {times.max()}, and {self} cuts them at "
                f"{', '.join(str(cut) for cut in cuts)}"
            )
        for fold, cut in enumerate(cuts):
            train, test = times < cut, times >= cut
            if fold + 1 < len(cuts):
                test &= times < cuts[fold + 1]
            warn_if_no_positives(positive, train, test)
            warn_if_cold(users, positive, train, test)
            yield train, test

    def _quantile_cuts(self, times):
        n_rows = len(times)
        test_size = 0.2 if self.test_size is None else self.test_size
        n_test = int(test_size) if isinstance(test_size, Integral) else max(1, round(test_size * n_rows))
        if n_test * self.n_splits >= n_rows:
            raise ValueError(
                f"n_splits={self.n_splits} windows of test_size={test_size} ({n_test} rows) leave nothing of "
                f"{n_rows} rows to train on"
            )
        return np.sort(times)[[n_rows - n_test * window for window in range(self.n_splits, 0, -1)]]

    def _explicit_cuts(self, times):
        import pandas as pd

        given = [self.cut] if np.ndim(self.cut) == 0 else list(self.cut)
        try:
            if times.dtype.kind == "M":
                # One by one, because a list of texts must share one format.
                cuts = pd.DatetimeIndex([pd.to_datetime(time, utc=True) for time in given])
                cuts = cuts.tz_localize(None).to_numpy()
            elif times.dtype.kind == "m":
                cuts = pd.to_timedelta(given).to_numpy()
            else:
                cuts = np.asarray(given)
                if cuts.dtype.kind not in "iuf":
                    raise ValueError("they are not numbers")
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"cut={self.cut!r} cannot be compared with time={self.time!r}, which holds {times.dtype}: {error}"
            ) from error
        if pd.isna(cuts).any() or not (cuts[1:] > cuts[:-1]).all():
            raise ValueError(f"cut={self.cut!r} is not allowed: times must be given, in ascending order, each once")
        return cuts


def _check_test_size(test_size):
    if isinstance(test_size, Real) and not isinstance(test_size, bool | np.bool_):
        if test_size >= 1 if isinstance(test_size, Integral) else 0 < test_size < 1:
            return
    raise ValueError(
        f"test_size={test_size!r} is not allowed: it must be a share in (0, 1) or a number of rows of at least 1"
    )
