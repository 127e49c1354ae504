"""What all splitters of interactions share."""

import warnings
from abc import abstractmethod
from numbers import Integral

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from skrec.model_selection._log import Columns, positives


def check_count(name, value, minimum):
    """Raise unless `value` is an integer of at least `minimum`."""
    if not isinstance(value, Integral) or isinstance(value, bool | np.bool_) or value < minimum:
        raise ValueError(f"{name}={value!r} is not allowed: it must be an integer of at least {minimum}")


class BaseInteractionSplitter(BaseCrossValidator):
    """Base of the splitters of a log of interactions.

    Subclasses define ``_masks(columns, positive)``, which yields boolean (train, test) masks over the rows.
    """

    def split(self, X, y=None, groups=None):
        """Generate the rows to train and to test on.

        Parameters
        ----------
        X : frame or array-like of shape (n_rows, n_columns)
            One interaction a row: any frame that narwhals knows (pandas, polars, pyarrow), or a 2-D array.
        y : array-like of shape (n_rows,), default=None
            What happened: a row is a positive where ``y > 0``. ``None``: every row is a positive.
        groups : object
            Ignored, with a warning; exists for API compatibility.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype int64
            Row numbers of the training set, ascending.
        test : ndarray of shape (n_test,), dtype int64
            Row numbers of the test set, ascending.
        """
        if groups is not None:
            warnings.warn(f"The groups parameter is ignored by {type(self).__name__}", UserWarning, stacklevel=2)
        columns = Columns(X)
        for train, test in self._masks(columns, positives(y, columns.n_rows)):
            yield np.flatnonzero(train), np.flatnonzero(test)

    @abstractmethod
    def _masks(self, columns, positive):
        """Yield boolean (train, test) masks over the rows."""

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object
            Ignored; exist for API compatibility.

        Returns
        -------
        n_splits : int
            Number of pairs that ``split`` yields.
        """
        return int(self.n_splits)


class BaseFolds(BaseInteractionSplitter):
    """Base of the k-folds: each row is tested in one fold and trained on in the others.

    Subclasses define ``_fold_of_rows(columns, positive, rng)``; `rng` is ``None`` without shuffling.
    """

    def __init__(self, n_splits, *, shuffle, random_state):
        check_count("n_splits", n_splits, 2)
        if not isinstance(shuffle, bool | np.bool_):
            raise ValueError(f"shuffle={shuffle!r} is not allowed: it must be True or False")
        if not shuffle and random_state is not None:
            raise ValueError(
                f"random_state={random_state!r} has no effect with shuffle=False: leave it None, or set shuffle=True"
            )
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def _check_enough(self, n_available, what):
        if n_available < self.n_splits:
            raise ValueError(f"n_splits={self.n_splits} is more than the number of {what}, {n_available}")

    @abstractmethod
    def _fold_of_rows(self, columns, positive, rng):
        """Return the fold, in [0, n_splits), that each row is tested in."""

    def _masks(self, columns, positive):
        rng = check_random_state(self.random_state) if self.shuffle else None
        fold_of_rows = self._fold_of_rows(columns, positive, rng)
        for fold in range(self.n_splits):
            test = fold_of_rows == fold
            yield ~test, test
