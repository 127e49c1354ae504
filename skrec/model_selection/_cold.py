"""K-folds over users or items, so that those of the test fold are new to the model."""

import numpy as np

from skrec.model_selection._base import BaseFolds


def _deal_by_activity(counts, n_splits, rng):
    """Deal codes over folds so that folds are alike in size and in activity.

    Codes are sorted by descending count, and each run of `n_splits` of them puts one into each fold. Along the runs
    the spread of counts telescopes: totals of two folds differ by at most the largest count.

    Parameters
    ----------
    counts : ndarray of shape (n_codes,)
        Positives of each code.
    n_splits : int
        Number of folds.
    rng : RandomState or None
        Order among equal counts and within runs. ``None``: to and fro, as when choosing teams.
    """
    n_codes = len(counts)
    n_runs = -(-n_codes // n_splits)
    if rng is None:
        order = np.argsort(-counts, kind="stable")
        folds = np.tile(np.arange(n_splits), (n_runs, 1))
        folds[1::2] = folds[1::2, ::-1]
    else:
        order = rng.permutation(n_codes)
        order = order[np.argsort(-counts[order], kind="stable")]
        folds = rng.random_sample((n_runs, n_splits)).argsort(axis=1)
    fold_of_codes = np.empty(n_codes, dtype=np.intp)
    fold_of_codes[order] = folds.ravel()[:n_codes]
    return fold_of_codes


class _ColdFolds(BaseFolds):
    """Folds over the ids of one column; `_column` names the parameter that holds it."""

    def _fold_of_rows(self, columns, positive, rng):
        ids = columns.ids(getattr(self, self._column), self._column)
        counts = np.bincount(ids.codes, weights=positive, minlength=ids.n_unique)
        self._check_enough(np.count_nonzero(counts), f"{self._column}s with a positive")
        return _deal_by_activity(counts, self.n_splits, rng)[ids.codes]


class ColdUserKFold(_ColdFolds):
    """K-fold over users: the users of the test fold do not occur in training.

    For models that can rank for users they have never seen, from features or by popularity. Each user is tested in
    exactly one fold, with all of their rows.

    Read more in the :ref:`User Guide <split>`.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2 and at most the number of users with a positive.
    shuffle : bool, default=True
        Deal users of like activity at random. ``False`` deals by activity alone: equal data give equal folds.
    random_state : int, RandomState instance or None, default=None
        Controls the shuffling. An int gives the same folds at each call of ``split``. Must be ``None`` with
        ``shuffle=False``.
    user : int or column name, default=0
        Column of the user ids.

    Raises
    ------
    ValueError
        By ``split``, when fewer users than `n_splits` have a positive, or a column or an id is missing.

    See Also
    --------
    ColdItemKFold : The same for items.
    sklearn.model_selection.GroupKFold : The same for any groups; it takes them as an argument of ``split``.

    Notes
    -----
    Users are sorted by their number of positives and each run of `n_splits` users puts one into each fold. So folds
    differ by at most one in their number of users, and in their number of positives by at most that of the most active
    user; each fold holds a user with a positive.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.model_selection import ColdUserKFold
    >>> X = np.array([["ann", "a"], ["ann", "b"], ["bob", "a"], ["cyd", "a"], ["dan", "c"]])
    >>> for train, test in ColdUserKFold(n_splits=2, shuffle=False).split(X):
    ...     print(train, test)
    [2 3] [0 1 4]
    [0 1 4] [2 3]
    """

    _column = "user"

    def __init__(self, n_splits=5, *, shuffle=True, random_state=None, user=0):
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)
        self.user = user


class ColdItemKFold(_ColdFolds):
    """K-fold over items: the items of the test fold do not occur in training.

    For models that can score items they have never seen, from features. A model that knows ids alone ranks them last,
    by the protocol of :mod:`skrec.metrics`. Each item is tested in exactly one fold, with all of its rows.

    Read more in the :ref:`User Guide <split>`.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2 and at most the number of items with a positive.
    shuffle : bool, default=True
        Deal items of like popularity at random. ``False`` deals by popularity alone: equal data give equal folds.
    random_state : int, RandomState instance or None, default=None
        Controls the shuffling. An int gives the same folds at each call of ``split``. Must be ``None`` with
        ``shuffle=False``.
    item : int or column name, default=1
        Column of the item ids.

    Raises
    ------
    ValueError
        By ``split``, when fewer items than `n_splits` have a positive, or a column or an id is missing.

    See Also
    --------
    ColdUserKFold : The same for users.

    Notes
    -----
    Items are dealt by popularity as :class:`ColdUserKFold` deals users by activity.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.model_selection import ColdItemKFold
    >>> X = np.array([["ann", "a"], ["ann", "b"], ["bob", "a"], ["cyd", "a"], ["dan", "c"]])
    >>> for train, test in ColdItemKFold(n_splits=2, shuffle=False).split(X):
    ...     print(train, test)
    [1 4] [0 2 3]
    [0 2 3] [1 4]
    """

    _column = "item"

    def __init__(self, n_splits=5, *, shuffle=True, random_state=None, item=1):
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)
        self.item = item
