"""What a ranker is trained on and judged by: clicks and the rest of each row's weight."""

import numpy as np
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length


def check_target(estimator, y, n_rows, sample_weight, classes=None):
    """Read labels or shares.

    Parameters
    ----------
    estimator : estimator
        Named in messages.
    y : array-like of shape (n_rows,)
        Two classes, or shares between 0 and 1.
    n_rows : int
    sample_weight : ndarray of shape (n_rows,), or None
        Shares need it: it says of how many.
    classes : array-like of shape (2,), default=None
        The classes that are possible, where that is known.

    Returns
    -------
    shares : ndarray of shape (n_rows,), float64
        Share of each row that is of the second class.
    classes : ndarray of shape (2,) or (1,)
        Sorted; one where all rows are of one and no other is known.

    Raises
    ------
    ValueError
        When `y` is neither, or holds a class that is not known.
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None: a class for each row."
        )
    y = column_or_1d(y, warn=True)
    check_consistent_length(np.empty(n_rows), y)
    if y.dtype.kind == "f":
        check_array(y, ensure_2d=False, input_name="y")
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    if kind == "continuous":
        if sample_weight is None or y.min() < 0 or y.max() > 1:
            raise ValueError(
                f"Unknown label type: {kind}. y must hold two classes; or shares of clicks in impressions, between 0 "
                "and 1, with the impressions as sample_weight."
            )
        y, found = y.astype(np.float64), np.array([0, 1])
        if classes is None:
            return y, found
        if not np.array_equal(np.asarray(classes), found):
            raise ValueError(f"y holds shares, whose classes are 0 and 1; the classes are {list(classes)}.")
        return y, np.asarray(classes)
    if kind not in ("binary", "multiclass"):
        raise ValueError(f"Unknown label type: {kind}. y must hold two classes.")
    found, codes = np.unique(y, return_inverse=True)
    if classes is not None:
        classes = np.unique(classes)
        if len(classes) != 2:
            raise ValueError(f"Only binary classification is supported. Got {len(classes)} classes: {list(classes)}.")
        unknown = ~np.isin(found, classes)
        if unknown.any():
            raise ValueError(f"y holds {found[unknown][0]!r}, which is not one of the classes {list(classes)}.")
        return (y == classes[1]).astype(np.float64), classes
    if len(found) > 2:
        raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
    return codes.astype(np.float64), found


def hold_out(clicks, others, fraction, seed):
    """Split rows at random, within those that are mostly clicks and within the rest.

    Parameters
    ----------
    clicks, others : ndarray of shape (n_rows,), float64
        Weight of either class in each row.
    fraction : float
        Share to hold out.
    seed : int

    Returns
    -------
    training, validation : ndarray of int64
        Places of the rows, sorted.
    """
    rng = np.random.default_rng([seed, 1])
    held = np.zeros(len(clicks), bool)
    for rows in (np.flatnonzero(clicks > others), np.flatnonzero(clicks <= others)):
        if len(rows) > 1:
            n = int(np.clip(round(fraction * len(rows)), 1, len(rows) - 1))
            held[rng.permutation(rows)[:n]] = True
    both = [(part[rows] > 0).any() for part in (clicks, others) for rows in (held, ~held)]
    if not all(both):
        raise ValueError(
            "early_stopping holds out rows of both classes and needs two of each, all of them different. Set "
            "early_stopping=False."
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


def log_loss(logits, clicks, others):
    """Return the mean cross-entropy of logits, by weight."""
    total = (clicks * np.logaddexp(0, -logits) + others * np.logaddexp(0, logits)).sum()
    return total / (clicks.sum() + others.sum())


def user_aucs(users, scores, clicks, others):
    """Return the area under the weighted ROC curve of each user's rows.

    Parameters
    ----------
    users : ndarray of shape (n_rows,), int
        Codes from 0.
    scores : ndarray of shape (n_rows,), float64
    clicks, others : ndarray of shape (n_rows,), float64
        Weight of either class in each row.

    Returns
    -------
    ndarray of shape (n_users,), float64
        nan for users without weight in one of the classes.
    """
    n_users = int(users.max(initial=-1)) + 1
    order = np.lexsort((scores, users))
    users, scores, clicks, others = users[order], scores[order], clicks[order], others[order]
    # Rows of one user and score are a tie, of which half counts.
    first = np.ones(len(users), bool)
    first[1:] = (users[1:] != users[:-1]) | (scores[1:] != scores[:-1])
    tie = np.cumsum(first) - 1
    owner = users[first]
    clicks, others = np.bincount(tie, clicks), np.bincount(tie, others)
    total_clicks, total_others = np.bincount(owner, clicks, n_users), np.bincount(owner, others, n_users)
    below = np.cumsum(others) - others - (np.cumsum(total_others) - total_others)[owner]
    wins = np.bincount(owner, clicks * (below + 0.5 * others), n_users)
    pairs = total_clicks * total_others
    return np.divide(wins, pairs, out=np.full(n_users, np.nan), where=pairs > 0)
