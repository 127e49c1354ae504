"""K-fold that deals each user's rows over the folds."""

import numpy as np

from skrec.model_selection._audit import warn_if_cold
from skrec.model_selection._base import BaseFolds
from skrec.model_selection._log import grouped_order


class UserKFold(BaseFolds):
    """K-fold per user: each user's items are dealt over the folds like cards.

    Each fold tests on about ``1 / n_splits`` of each user's positives and trains on the rest, so a user with at least
    two positives is never tested without having been trained on. What is dealt are (user, item) pairs: all rows of a
    pair share a fold, because a test row of a pair that was trained on asks the model what it has been told. Each row
    is tested exactly once, as :func:`~sklearn.model_selection.cross_val_predict` needs.

    Read more in the :ref:`User Guide <split>`.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2 and at most the number of positive pairs.
    shuffle : bool, default=True
        Deal each user's pairs in random order. ``False`` deals them in order of first appearance.
    random_state : int, RandomState instance or None, default=None
        Controls the shuffling. An int gives the same folds at each call of ``split``. Must be ``None`` with
        ``shuffle=False``.
    user, item : int or column name, default=0 and 1
        Columns of the ids.

    Raises
    ------
    ValueError
        By ``split``, when there are fewer positive pairs than folds, a column is missing or an id is.

    Warns
    -----
    skrec.exceptions.ColdStartWarning
        When most users tested in a fold have no training row in it, because most users have a single pair.

    See Also
    --------
    LeaveLastOut : Tests on each user's latest positives; needs one fit.
    ColdUserKFold : Tests on users that do not occur in training.

    Notes
    -----
    The pairs are laid out user by user, positives of all users first and explicit negatives behind them, and position
    p goes to fold ``p % n_splits``. Hence folds differ by at most one in their number of positive pairs and of pairs,
    and in the number of positive pairs of any user. A user with fewer positive pairs than there are folds is tested
    in as many folds as they have pairs. A user with one positive pair is tested on it in one fold, untrained. A pair
    that is positive in one row and negative in another is positive. Time plays no part, so models are trained on
    what comes after the test rows; :func:`check_split` counts how many.

    Cost: O(n_rows), no sorting by comparison.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.model_selection import UserKFold
    >>> X = np.array([["ann", "a"], ["ann", "b"], ["ann", "c"], ["bob", "a"], ["bob", "b"]])
    >>> for train, test in UserKFold(n_splits=2, shuffle=False).split(X):
    ...     print(train, test)
    [1 3] [0 2 4]
    [0 2 4] [1 3]
    """

    def __init__(self, n_splits=5, *, shuffle=True, random_state=None, user=0, item=1):
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)
        self.user = user
        self.item = item

    def _fold_of_rows(self, columns, positive, rng):
        users, items = columns.ids(self.user, "user"), columns.ids(self.item, "item")
        pair_of_rows, first_rows = _number_pairs(users, items)
        pair_user = users.codes[first_rows]
        pair_positive = np.zeros(len(first_rows), dtype=bool)
        pair_positive[pair_of_rows[positive]] = True
        self._check_enough(np.count_nonzero(pair_positive), "positive (user, item) pairs")

        if rng is None:
            cards = np.arange(len(first_rows))
            seats = pair_user
        else:
            cards = rng.permutation(len(first_rows))
            seats = rng.permutation(users.n_unique)[pair_user]
        deal = np.where(pair_positive, seats, seats + users.n_unique)[cards]
        fold_of_pairs = np.empty(len(cards), dtype=np.intp)
        fold_of_pairs[cards[grouped_order(deal, 2 * users.n_unique)]] = np.arange(len(cards)) % self.n_splits
        return fold_of_pairs[pair_of_rows]

    def _masks(self, columns, positive):
        users = columns.ids(self.user, "user")
        for train, test in super()._masks(columns, positive):
            warn_if_cold(users, positive, train, test)
            yield train, test


def _number_pairs(users, items):
    """Give each distinct (user, item) pair a number, in order of appearance.

    Returns
    -------
    pair_of_rows : ndarray of shape (n_rows,)
        The number of each row's pair.
    first_rows : ndarray of shape (n_pairs,)
        The first row of each pair, ascending.
    """
    order = grouped_order(items.codes, items.n_unique)
    order = order[grouped_order(users.codes[order], users.n_unique)]
    u, i = users.codes[order], items.codes[order]
    starts = np.r_[True, (u[1:] != u[:-1]) | (i[1:] != i[:-1])]
    # Both sorts are stable, so the first row of a run of equal pairs is the earliest.
    first_of_rows = np.empty(len(order), dtype=np.intp)
    first_of_rows[order] = order[starts][np.cumsum(starts) - 1]
    is_first = first_of_rows == np.arange(len(order))
    return (np.cumsum(is_first) - 1)[first_of_rows], np.flatnonzero(is_first)
