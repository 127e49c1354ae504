"""Warnings and errors with a meaning of their own.

All warnings are :class:`UserWarning`, and :func:`warnings.filterwarnings` can silence each, or make it an error.
"""

__all__ = [
    "ColdStartWarning",
    "DivergenceError",
    "LeakageWarning",
    "NoNegativesWarning",
    "NoPositivesWarning",
    "NoRankerWarning",
]


class LeakageWarning(UserWarning):
    """A model is trained on what happens after the rows that it is tested on, or on those rows themselves.

    Raised by :func:`skrec.model_selection.check_split` and :class:`skrec.model_selection.CheckedSplit`.
    """


class ColdStartWarning(UserWarning):
    """Most of the users that a model is tested on do not occur in its training rows.

    Their ranking cannot be personal, so the score says little about the model. The usual cause is a plain
    :class:`~sklearn.model_selection.KFold` without shuffling on rows that are sorted by user: each fold then holds
    users of its own. :class:`skrec.model_selection.UserKFold` keeps each user on both sides.
    """


class NoPositivesWarning(UserWarning):
    """The training rows or the test rows hold no positive: nothing to learn from, or nothing to rank."""


class NoNegativesWarning(UserWarning):
    """The training rows hold no explicit negative, and the estimator is made to learn from them."""


class NoRankerWarning(UserWarning):
    """There is nothing for the second of two stages to learn from, and the ranking is that of the first."""


class DivergenceError(ArithmeticError):
    """Training left the finite numbers; the message names the parameter to lower, as a rule ``learning_rate``."""
