"""Leave each user's last positives out."""

import numpy as np

from skrec.model_selection._base import BaseInteractionSplitter, check_count
from skrec.model_selection._log import grouped_order


class LeaveLastOut(BaseInteractionSplitter):
    """Hold out the end of each user's history: their last `n` positives.

    A user's history is cut in front of their `n`-th last positive. What comes before is training, and what comes after
    is test, explicit negatives included: a model that is trained on a rejection later than the held-out positive would
    know the user's future. A user for whom no positive would be left to train on stays in training whole.

    Read more in the :ref:`User Guide <split>`.

    Parameters
    ----------
    n : int, default=1
        Positives held out per user.
    n_splits : int, default=1
        Number of folds. Fold by fold, oldest first, the held-out window moves towards the present: the last fold is
        the split described above, the fold before it pretends that each user's last `n` positives, and what follows,
        have not happened yet, and so on. One fold costs one fit per candidate of a search; several tell how much a
        score varies.
    time : int or column name, default=None
        Column of the times: numbers, datetimes or timedeltas. Rows of equal time keep their order. ``None``: rows are
        in order of time.
    user : int or column name, default=0
        Column of the user ids.

    Raises
    ------
    ValueError
        By ``split``, when no user has enough positives to hold `n` out in each fold, when a column is missing, or when
        an id or a time is.

    See Also
    --------
    GlobalTimeSplit : One cut in time for all users, the protocol closest to deployment.
    UserKFold : Tests on every positive once, regardless of time.

    Notes
    -----
    In the fold `s` steps before the last, a user with at least ``(s + 1) * n + 1`` positives is tested on the window;
    what they do after the window is in neither set. All others are in training whole. The rows of *other* users may be
    later than a held-out positive: this is the field's leave-one-last-item protocol, whose scores are optimistic about
    trends [1]_. Where that matters use :class:`GlobalTimeSplit`. When the log repeats (user, item) pairs, the held-out
    one may be an item the user was trained on, which rankings leave out; :func:`check_split` counts such rows.

    Cost: one sort of the times and O(n_rows).

    References
    ----------
    .. [1] Y. Ji, A. Sun, J. Zhang and C. Li, "A Critical Study on Data Leakage in Recommender System Offline
       Evaluation", ACM Transactions on Information Systems 41(3), 2023.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrec.model_selection import LeaveLastOut
    >>> X = pd.DataFrame({"user": [1, 1, 1, 2, 2, 3], "item": [7, 8, 9, 7, 9, 8], "day": [3, 1, 2, 5, 6, 1]})
    >>> y = [1, 1, 1, 1, 0, 1]
    >>> for train, test in LeaveLastOut(time="day").split(X, y):
    ...     print(train, test)
    [1 2 3 4 5] [0]
    """

    def __init__(self, n=1, *, n_splits=1, time=None, user=0):
        check_count("n", n, 1)
        check_count("n_splits", n_splits, 1)
        self.n = n
        self.n_splits = n_splits
        self.time = time
        self.user = user

    def _masks(self, columns, positive):
        users = columns.ids(self.user, "user")
        n_positives = np.bincount(users.codes, weights=positive, minlength=users.n_unique).astype(np.intp)
        needed = self.n * self.n_splits + 1
        if n_positives.max() < needed:
            raise ValueError(
                f"no user has the {needed} positives that n={self.n} with n_splits={self.n_splits} needs "
                f"(the most is {n_positives.max()}): one to train on and {self.n} to test on in each fold"
            )
        rank = self._rank_of_positives(columns, users, positive)
        n_positives = n_positives[users.codes]
        for steps_back in reversed(range(self.n_splits)):
            end = n_positives - steps_back * self.n
            start = end - self.n
            tested = start >= 1
            yield ~tested | (rank <= start), tested & (start < rank) & (rank <= end)

    def _rank_of_positives(self, columns, users, positive):
        """Return, for each row, how many positives its user has up to and including it."""
        if self.time is None:
            order = grouped_order(users.codes, users.n_unique)
        else:
            order = np.argsort(columns.times(self.time), kind="stable")
            order = order[grouped_order(users.codes[order], users.n_unique)]
        running = np.cumsum(positive[order])
        n_rows = np.bincount(users.codes, minlength=users.n_unique)
        starts = np.cumsum(n_rows) - n_rows
        before = running[starts] - positive[order[starts]]
        rank = np.empty(columns.n_rows, dtype=np.intp)
        rank[order] = running - np.repeat(before, n_rows)
        return rank
