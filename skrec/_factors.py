"""What recommenders share whose score is the product of a user's vector and an item's."""

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from skrec.base import BaseRecommender
from skrec.utils._ids import encode_ids, first_few
from skrec.utils._validation import column_name

# Pairs whose vectors are gathered at once.
_PAIRS = 1 << 16


class FactorRecommender(TransformerMixin, BaseRecommender):
    """Base class of recommenders with `user_factors_` and `item_factors_`, rows in the order of the ids."""

    def _score_users(self, user_codes):
        return self.user_factors_[user_codes] @ self.item_factors_.T

    def _score_pairs(self, user_codes, item_codes):
        scores = np.empty(len(user_codes), dtype=np.float32)
        for pairs in gen_batches(max(len(scores), 1), _PAIRS):
            users, items = self.user_factors_[user_codes[pairs]], self.item_factors_[item_codes[pairs]]
            np.einsum("nk,nk->n", users, items, out=scores[pairs])
        return scores

    def _item_vectors(self):
        return self.item_factors_

    def _refuse_new_items(self, item_ids):
        """Raise where users are to be placed by items that have no vector."""
        unknown = item_ids[encode_ids(item_ids, self.item_ids_, column_name("item", self.item)) < 0]
        if len(unknown):
            raise ValueError(
                f"X holds {len(unknown)} item(s) that the estimator was not fitted on: {first_few(unknown)}. Users are "
                "placed by items that it knows: leave the rows out, or use partial_fit."
            )

    def transform(self, X):
        """Return the vectors of the user and of the item of each row, as features for another model.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features_in_)
            Pairs, in the columns that the estimator was fitted on.

        Returns
        -------
        ndarray of shape (n_rows, 2 * n_components), float32
            `user_factors_` of the row's user, then `item_factors_` of its item; zeros for an unknown id, which is an
            error where ``on_unknown="error"``.
        """
        check_is_fitted(self)
        user_codes, item_codes = self._pair_codes(X)
        features = np.hstack([self.user_factors_[user_codes], self.item_factors_[item_codes]])
        features[user_codes < 0, : self.user_factors_.shape[1]] = 0.0
        features[item_codes < 0, self.user_factors_.shape[1] :] = 0.0
        return features

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns of `transform`: that of the class, then ``_user0``, ..., ``_item0``, ...

        Parameters
        ----------
        input_features : Ignored
            Present for API consistency.

        Returns
        -------
        ndarray of shape (2 * n_components,), object
        """
        check_is_fitted(self)
        prefix = type(self).__name__.lower()
        numbers = range(self.user_factors_.shape[1])
        return np.array([f"{prefix}_{side}{k}" for side in ("user", "item") for k in numbers], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
