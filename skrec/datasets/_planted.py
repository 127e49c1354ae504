"""The truth behind generated interactions: factors, features, and the preference they make."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

_COUNTRIES = ("AT", "BR", "CA", "DK", "EG")
_CATEGORIES = ("album", "book", "film", "game", "play", "show")
_GENRES = ("action", "comedy", "crime", "drama", "family", "history", "horror", "music", "romance", "war")
_PAIRS_PER_BLOCK = 1_000_000


class PlantedPreference(NamedTuple):
    """Probability that a user likes an item: the truth that a recommender tries to recover.

    It is ``1 / (1 + exp(-(intercept + user_factors[user] @ item_factors[item])))``. It says nothing about how often
    the item is shown: popularity is apart from it.

    Parameters
    ----------
    user_factors : ndarray of shape (n_users, n_factors), float32
        Row u belongs to the user with id u.
    item_factors : ndarray of shape (n_items, n_factors), float32
        Row i belongs to the item with id i.
    intercept : float
        Log-odds of a like where the factors say nothing.

    Examples
    --------
    >>> from skrec.datasets import make_interactions
    >>> truth = make_interactions(n_users=50, n_items=30, n_interactions=300, random_state=0).true_preference
    >>> truth.matrix().shape
    (50, 30)
    >>> truth.matrix(users=[3, 7]).shape
    (2, 30)
    >>> truth.predict([[3, 0], [7, 0]]).shape
    (2,)
    """

    user_factors: np.ndarray
    item_factors: np.ndarray
    intercept: float

    def predict(self, X):
        """Preference of each given pair.

        Parameters
        ----------
        X : dataframe or array-like of shape (n_pairs, >= 2)
            The ids of users and items in the first two columns; further columns are ignored.

        Returns
        -------
        probability : ndarray of shape (n_pairs,), float32
            Probability of a like.
        """
        if hasattr(X, "iloc"):
            X = X.iloc[:, :2]
        X = np.asarray(X)
        users, items = X[:, 0].astype(np.int64), X[:, 1].astype(np.int64)
        probability = np.empty(len(X), dtype=np.float32)
        for start in range(0, len(X), _PAIRS_PER_BLOCK):
            block = slice(start, start + _PAIRS_PER_BLOCK)
            probability[block] = self.of(users[block], items[block])
        return probability

    def matrix(self, users=None, items=None):
        """Preference of each of the users for each of the items.

        Parameters
        ----------
        users, items : array-like of int, optional
            Ids; all of them when not given. Ask for some of the users at a time where the whole does not fit in memory.

        Returns
        -------
        probability : ndarray of shape (n_users, n_items), float32
            Probability of a like.
        """
        U = self.user_factors if users is None else self.user_factors[np.asarray(users)]
        V = self.item_factors if items is None else self.item_factors[np.asarray(items)]
        return expit(np.float32(self.intercept) + U @ V.T)

    def of(self, users, items):
        """Probability of a like for arrays of ids.

        Parameters
        ----------
        users, items : ndarray of shape (n_pairs,), int
            Ids. Users of shape (n_users, 1) give a table of users by items instead.

        Returns
        -------
        probability : ndarray of shape (n_pairs,) or (n_users, n_items), float32
            Probability of a like.
        """
        return expit(self._log_odds(users, items))

    def against(self, users, items):
        """Probability of a dislike for arrays of ids: one minus `of`, without its loss of digits.

        Parameters
        ----------
        users, items : ndarray of int
            As in `of`.

        Returns
        -------
        probability : ndarray of float32
            Probability of a dislike.
        """
        return expit(-self._log_odds(users, items))

    def _log_odds(self, users, items):
        U, V = self.user_factors[users.squeeze(-1) if users.ndim == 2 else users], self.item_factors[items]
        dot = U @ V.T if users.ndim == 2 else np.einsum("ij,ij->i", U, V)
        return np.float32(self.intercept) + dot


def plant_preference(n_users, n_items, n_factors, signal, intercept, feature_share, rng):
    """Draw features, and factors of which ``feature_share`` of the variance comes from the features.

    Returns
    -------
    preference : PlantedPreference
        The log-odds have mean ``intercept`` and standard deviation ``signal`` over the pairs.
    user_features, item_features : DataFrame
        Indexed by id.
    """
    import pandas as pd

    age = np.clip(rng.gamma(9.0, 4.0, n_users), 13, 90).round()
    country = rng.integers(len(_COUNTRIES), size=n_users)
    user_features = pd.DataFrame(
        {"country": pd.Categorical.from_codes(country, categories=list(_COUNTRIES)), "age": age.astype(np.int64)},
        index=pd.RangeIndex(n_users, name="user_id"),
    )
    user_factors = _mix(
        _effect(_indicator(country, len(_COUNTRIES)), n_factors, rng) + _effect(age[:, None], n_factors, rng),
        feature_share,
        rng,
    )

    category = rng.integers(len(_CATEGORIES), size=n_items)
    # One to three genres an item: those with the smallest of uniform numbers.
    rank = rng.random((n_items, len(_GENRES))).argsort(axis=1).argsort(axis=1)
    genres = rank < rng.integers(1, 4, size=n_items)[:, None]
    price = np.exp(rng.normal(2.5, 0.6, n_items)).round(2)
    item_features = pd.DataFrame(
        {
            "category": pd.Categorical.from_codes(category, categories=list(_CATEGORIES)),
            "genres": _genre_names(genres),
            "price": price,
        },
        index=pd.RangeIndex(n_items, name="item_id"),
    )
    item_factors = _mix(
        _effect(_indicator(category, len(_CATEGORIES)), n_factors, rng)
        + _effect(genres / genres.sum(axis=1, keepdims=True), n_factors, rng)
        + _effect(np.log(price)[:, None], n_factors, rng),
        feature_share,
        rng,
    )
    scale = np.float32(np.sqrt(signal / np.sqrt(n_factors)))
    preference = PlantedPreference(user_factors * scale, item_factors * scale, float(intercept))
    return preference, user_features, item_features


def _genre_names(indicator):
    """Tuples of the names of each item's genres."""
    names = np.array(_GENRES)
    item, genre = np.nonzero(indicator)
    return [tuple(part.tolist()) for part in np.split(names[genre], np.flatnonzero(np.diff(item)) + 1)]


def _indicator(codes, n_codes):
    """One column a category."""
    return (codes[:, None] == np.arange(n_codes)).astype(np.float64)


def _effect(columns, n_factors, rng):
    """Send a feature to the factors by a random map, standardised so that every feature counts alike."""
    effect = (columns - columns.mean(axis=0)) @ rng.standard_normal((columns.shape[1], n_factors))
    return _standardise(effect)


def _mix(effect, feature_share, rng):
    """Factors with mean 0 and variance 1, a share of it from the features."""
    own = rng.standard_normal(effect.shape)
    mixed = np.sqrt(feature_share) * _standardise(effect) + np.sqrt(1 - feature_share) * own
    return _standardise(mixed).astype(np.float32)


def _standardise(table):
    """Mean 0 and variance 1 by column; a constant column becomes 0."""
    table = table - table.mean(axis=0)
    spread = table.std(axis=0)
    return table / np.where(spread > 0, spread, 1)
