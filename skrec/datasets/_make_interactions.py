"""Generated interactions whose truth is known."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_random_state

from skrec.datasets._distinct import draw_distinct_pairs
from skrec.datasets._planted import plant_preference

_FIRST_SECOND = 1_704_067_200  # 2024-01-01 00:00 UTC
_SECONDS = 365 * 24 * 3600

# name: type, least, greatest
_ALLOWED = {
    "n_users": (Integral, 1, 2**31 - 1),
    "n_items": (Integral, 1, 2**31 - 1),
    "n_interactions": (Integral, 1, 2**40),
    "n_factors": (Integral, 1, 1024),
    "signal": (Real, 0, 100),
    "intercept": (Real, -20, 20),
    "feature_share": (Real, 0, 1),
    "popularity_exponent": (Real, 0, 10),
    "activity_spread": (Real, 0, 10),
    "negative_fraction": (Real, 0, 0.99),
    "n_positions": (Integral, 1, 2**31 - 1),
    "position_bias": (Real, 0, 10),
}

_DESCR = """\
Generated interactions
----------------------
{n_rows} {kind} of {n_users} users with {n_items} items, {n_positives} of them positive.
data: user_id, item_id, timestamp (seconds since 1970, ascending){position}.
target: 1 for a positive, 0 for an explicit negative.
true_preference: the planted probability that a user likes an item.
item_popularity: the planted share of the times that each item is shown.
user_features, item_features: a row for each id, also for items that no row holds.
"""


def make_interactions(
    n_users=300,
    n_items=200,
    n_interactions=6000,
    *,
    n_factors=4,
    signal=4.0,
    intercept=-4.0,
    feature_share=0.5,
    popularity_exponent=0.8,
    activity_spread=0.7,
    negative_fraction=0.0,
    n_positions=None,
    position_bias=1.0,
    return_X_y=False,
    as_frame=True,
    random_state=None,
):
    """Generate users' interactions with items from a preference that is known.

    Users and items have planted factors; the dot product of a user's and an item's, plus an intercept, is the log-odds
    that the user likes the item. Items are shown by a power law of popularity that has nothing to do with taste, and
    some users are more active than others. No pair of a user and an item comes twice.

    Parameters
    ----------
    n_users : int, default=300
        Number of users, with ids 0 to n_users - 1. Each has a row, and two where n_interactions allows.
    n_items : int, default=200
        Number of items, with ids 0 to n_items - 1. Rare ones may have no row.
    n_interactions : int, default=6000
        Number of rows: at least n_users, and at most half of the n_users * n_items pairs.
    n_factors : int, default=4
        Number of planted factors.
    signal : float, default=4.0
        Standard deviation, over all pairs, of the log-odds of a like. With 0 nothing is personal.
    intercept : float, default=-4.0
        Mean, over all pairs, of the log-odds of a like. With the defaults a user likes one item in six.
    feature_share : float, default=0.5
        Share of the factors' variance that the features explain, from 0 to 1. With 1 a new item can be placed by its
        features alone.
    popularity_exponent : float, default=0.8
        The r-th most popular item is shown in proportion to ``r ** -popularity_exponent``. With 0 all items are alike.
    activity_spread : float, default=0.7
        Standard deviation of the logarithm of the rows per user. No user has rows with more than half of the items.
    negative_fraction : float, default=0.0
        Share of the rows, from 0 up to 1 (exclusive), that are explicit negatives: items shown to and disliked by the
        user. Only used when `n_positions` is None.
    n_positions : int, default=None
        None gives a log of events: likes, and explicit negatives by `negative_fraction`. An int gives a log of
        impressions instead: slates of so many items (the last slate of a user may be shorter), each row an item at a
        position, positive where the user clicked.
    position_bias : float, default=1.0
        The user looks at position p with probability ``p ** -position_bias``, and clicks what is looked at and liked.
        Only used with `n_positions`.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        Whether data and target are a pandas DataFrame and Series. False is the lean way for large data: an array of
        int32, and a target of int8.
    random_state : int, RandomState instance or None, default=None
        Seed. The same seed gives the same data for either `as_frame`.

    Returns
    -------
    data : Bunch
        data : DataFrame with columns user_id, item_id, timestamp, int64, or int32 array with these columns
            A row per interaction, in order of time (seconds since 1970, within the year 2024). With `n_positions` also
            ``position``, from 1; the rows of a slate share the timestamp.
        target : Series or array of shape (n_interactions,), int64 or int8
            1 for a positive, 0 for an explicit negative (with `n_positions`: no click).
        user_features : DataFrame of shape (n_users, 2) indexed by user_id
            ``country`` (categorical) and ``age`` (years).
        item_features : DataFrame of shape (n_items, 3) indexed by item_id
            ``category`` (categorical), ``genres`` (a tuple of one to three names) and ``price``.
        true_preference : PlantedPreference
            The probability that a user likes an item: ``predict(X)`` for pairs, ``matrix(users, items)`` for a table.
        item_popularity : ndarray of shape (n_items,), float64
            The planted share of each item among all items shown; sums to one.
        liked, examined : ndarray of shape (n_interactions,), bool
            With `n_positions`: whether the user likes the item, and whether the user looked at the position. A click is
            both, so that the negatives can be told apart into disliked and overlooked.
        like_probability, examination_probability : ndarray of shape (n_interactions,), float32 and float64
            With `n_positions`: the planted probability of each. That of a click is their product; what a model of
            click rates without the bias of position should find is the first.
        DESCR : str
            What the data set is.
    (X, y) : tuple
        ``data`` and ``target``, if `return_X_y` is True.

    Raises
    ------
    ValueError
        When a parameter is out of its range.
    TypeError
        When a parameter is of the wrong type.

    Notes
    -----
    The positives of a user are drawn without replacement with probability proportional to popularity times
    preference, explicit negatives to popularity times one minus preference, impressions to popularity. Time and memory
    grow with n_interactions and with n_users + n_items, not with their product: 20 million rows of 200,000 users and
    50,000 items take about half a minute and 1.7 GB.

    With the defaults (seed 0), each user's last row held out and the items without a row of the user as negatives, the
    average per-user ROC AUC is 0.71 by popularity, 0.88 by a truncated singular value decomposition of the other rows,
    and 0.915 by the truth (preference times popularity): there is something to learn, and a ceiling.

    Examples
    --------
    >>> from skrec.datasets import make_interactions
    >>> X, y = make_interactions(random_state=0, return_X_y=True)
    >>> X.shape, int(y.sum())
    ((6000, 3), 6000)
    >>> X.columns.tolist()
    ['user_id', 'item_id', 'timestamp']
    >>> shown = make_interactions(n_positions=5, random_state=0)
    >>> click_rate = shown.target.groupby(shown.data["position"]).mean()
    >>> bool(click_rate[1] > 2 * click_rate[5])
    True
    """
    _check_parameters(
        n_users=n_users,
        n_items=n_items,
        n_interactions=n_interactions,
        n_factors=n_factors,
        signal=signal,
        intercept=intercept,
        feature_share=feature_share,
        popularity_exponent=popularity_exponent,
        activity_spread=activity_spread,
        negative_fraction=negative_fraction,
        n_positions=n_positions,
        position_bias=position_bias,
    )
    rng = np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    preference, user_features, item_features = plant_preference(
        n_users, n_items, n_factors, signal, intercept, feature_share, rng
    )
    popularity = np.arange(1, n_items + 1) ** -float(popularity_exponent)
    popularity = rng.permutation(popularity / popularity.sum())
    activity = np.exp(activity_spread * rng.standard_normal(n_users))
    counts = _apportion(activity, n_interactions, low=min(2, n_interactions // n_users), high=max(1, n_items // 2))

    if n_positions is None:
        keys, target = _draw_events(counts, popularity, preference, negative_fraction, rng)
        slate_size = 1
    else:
        keys = draw_distinct_pairs(counts, popularity, _accept_all, rng)
        rng.shuffle(keys)
        keys = keys[np.argsort(keys // n_items, kind="stable")]  # by user, in random order within
        slate_size = n_positions

    in_time, position, timestamp = _lay_out(counts, slate_size, rng)
    users, items = np.divmod(keys[in_time], n_items)
    columns = {"user_id": users, "item_id": items, "timestamp": timestamp}
    truth = {}
    if n_positions is None:
        target = target[in_time]
    else:
        columns["position"] = position
        truth["like_probability"] = preference.predict(np.column_stack([users, items]))
        truth["examination_probability"] = position ** -float(position_bias)
        truth["liked"] = rng.random(n_interactions) < truth["like_probability"]
        truth["examined"] = rng.random(n_interactions) < truth["examination_probability"]
        target = (truth["liked"] & truth["examined"]).astype(np.int8)

    data, target = (_to_frame if as_frame else _to_array)(columns, target)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        user_features=user_features,
        item_features=item_features,
        true_preference=preference,
        item_popularity=popularity,
        **truth,
        DESCR=_DESCR.format(
            n_rows=n_interactions,
            kind="events" if n_positions is None else "impressions",
            n_users=n_users,
            n_items=n_items,
            n_positives=int(target.sum()),
            position="" if n_positions is None else ", position (from 1)",
        ),
    )


def _draw_events(counts, popularity, preference, negative_fraction, rng):
    """Keys of positives and explicit negatives, sorted, and their target."""
    n_negatives = np.diff(np.rint(np.cumsum(counts) * negative_fraction).astype(np.int64), prepend=0)
    positives = draw_distinct_pairs(counts - n_negatives, popularity, preference.of, rng)
    if not n_negatives.any():
        return positives, np.ones(positives.size, dtype=np.int8)
    negatives = draw_distinct_pairs(n_negatives, popularity, preference.against, rng, taken=positives)
    keys = np.concatenate([positives, negatives])
    order = np.argsort(keys)
    return keys[order], (order < positives.size).astype(np.int8)


def _accept_all(users, items):
    return np.ones(np.broadcast_shapes(users.shape, items.shape), dtype=np.float32)


def _lay_out(counts, slate_size, rng):
    """Cut rows sorted by user into slates and put the slates on a line of time.

    Returns
    -------
    in_time : ndarray of shape (n_rows,)
        The rows in order of time.
    position, timestamp : ndarray of shape (n_rows,)
        Position within the slate, from 1, and seconds, of the rows in order of time.
    """
    n_rows = counts.sum()
    position = (np.arange(n_rows) - np.repeat(np.cumsum(counts) - counts, counts)) % slate_size + 1
    slate = np.cumsum(position == 1) - 1
    turn = rng.permutation(slate[-1] + 1)[slate]
    in_time = np.argsort(turn, kind="stable")
    seconds = np.sort(rng.integers(_FIRST_SECOND, _FIRST_SECOND + _SECONDS, size=slate[-1] + 1))
    return in_time, position[in_time], seconds[turn[in_time]]


def _apportion(weight, total, low, high):
    """Whole numbers that sum to total, nearly in proportion to weight, none below low or above high."""
    floor, ceiling = 0.0, high / weight.min()
    for _ in range(100):  # halving until float64 cannot tell the ends apart
        middle = (floor + ceiling) / 2
        if np.clip(middle * weight, low, high).sum() < total:
            floor = middle
        else:
            ceiling = middle
    share = np.clip(ceiling * weight, low, high)
    counts = share.astype(np.int64)
    left = total - counts.sum()
    # The largest remainders get one more; the rest of `share` is whole already where it was clipped.
    counts[np.argsort(counts - share, kind="stable")[:left]] += 1
    return counts


def _to_frame(columns, target):
    import pandas as pd

    return pd.DataFrame(columns), pd.Series(target, name="target", dtype="int64")


def _to_array(columns, target):
    data = np.empty((target.size, len(columns)), dtype=np.int32)
    for k, column in enumerate(columns.values()):
        data[:, k] = column
    return data, target


def _check_parameters(**parameters):
    """Raise on a parameter of the wrong type or out of range."""
    for name, (kind, low, high) in _ALLOWED.items():
        value = parameters[name]
        if name == "n_positions" and value is None:
            continue
        is_kind = isinstance(value, kind) and not isinstance(value, bool | np.bool_)
        if not is_kind:
            noun = "an int" if kind is Integral else "a number"
            raise TypeError(f"{name} must be {noun}; got {value!r} of type {type(value).__name__}.")
        if not low <= value <= high:
            raise ValueError(f"{name} must be between {low} and {high}; got {value!r}.")
    n_users, n_items, n_interactions = (parameters[name] for name in ("n_users", "n_items", "n_interactions"))
    most = n_users * max(1, n_items // 2)
    if not n_users <= n_interactions <= most:
        raise ValueError(
            f"n_interactions must be between n_users ({n_users}), a row each, and {most}, rows with half of the "
            f"n_items ({n_items}) each; got {n_interactions!r}."
        )
