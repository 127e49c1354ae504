"""The same list for everyone."""

import numpy as np

from skrec.base import BaseRecommender
from skrec.utils._sklearn_compat import fit_context
from skrec.utils._validation import check_interactions, merge_interactions


class PopularityRecommender(BaseRecommender):
    """Recommend what most users liked, the same to everyone.

    The baseline without any taste: where a model does not beat it, the model has learnt nothing about single users.

    Parameters
    ----------
    user, item : int or str, default=0 and 1
        Position or name of the column of `X` that holds user ids and item ids.
    on_unknown : {"popular", "error"}, default="popular"
        What to do with users who were not in the training rows: score them like everyone else, or raise.

    Attributes
    ----------
    item_scores_ : ndarray of shape (n_items,), float64
        Summed weight of each item's positive pairs.
    item_popularity_ : ndarray of shape (n_items,), int64
        Number of users who have a positive with each item.
    user_ids_, item_ids_ : ndarray
        Ids seen in `fit`, sorted where they can be compared.
    interactions_ : csr_array of shape (n_users, n_items), int8
        The training rows: 1 positive, -1 explicit negative.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where `X` has any.

    See Also
    --------
    EASERecommender : The closed-form baseline that knows the user.

    Examples
    --------
    >>> from skrec import PopularityRecommender
    >>> X = [["ann", "tea"], ["bob", "tea"], ["bob", "jam"], ["eve", "tea"], ["eve", "jam"], ["eve", "rye"]]
    >>> model = PopularityRecommender().fit(X)
    >>> ids, scores = model.recommend(["ann", "somebody new"], n_recommendations=2)
    >>> ids
    array([['jam', 'rye'],
           ['tea', 'jam']], dtype=object)
    >>> scores
    array([[2., 1.],
           [3., 2.]], dtype=float32)
    """

    def __init__(self, *, user=0, item=1, on_unknown="popular"):
        self.user = user
        self.item = item
        self.on_unknown = on_unknown

    @fit_context
    def fit(self, X, y=None, sample_weight=None):
        """Count positives.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features)
            One interaction a row.
        y : array-like of shape (n_rows,), default=None
            Above 0: positive. 0 and below: explicit negative, not counted. None: every row is a positive.
        sample_weight : array-like of shape (n_rows,), default=None
            What each row counts; 1 by default.

        Returns
        -------
        self : PopularityRecommender
        """
        return self._count(check_interactions(self, X, y, sample_weight, user=self.user, item=self.item))

    @fit_context
    def partial_fit(self, X, y=None, sample_weight=None):
        """Count further positives; users and items may be new.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`. Batch after batch gives the counts of all rows at once.

        Returns
        -------
        self : PopularityRecommender
        """
        first = not hasattr(self, "item_ids_")
        batch = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item, reset=first)
        return self._count(batch if first else merge_interactions(self._stored_interactions(), batch)[0])

    def _count(self, interactions):
        self._store_interactions(interactions)
        positive = self.interactions_.data > 0
        self.item_scores_ = np.bincount(
            self.interactions_.indices[positive],
            weights=None if interactions.weight is None else interactions.weight[positive],
            minlength=len(self.item_ids_),
        ).astype(np.float64)
        return self

    def _score_users(self, user_codes):
        return np.tile(self._score_unknown_user(), (len(user_codes), 1))

    def _score_pairs(self, user_codes, item_codes):
        return self._score_unknown_user()[item_codes]

    def _score_unknown_user(self):
        return self.item_scores_.astype(np.float32)
