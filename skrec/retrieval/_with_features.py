"""What recommenders share whose users and items have features beside their ids."""

import copy
from numbers import Integral

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skrec.exceptions import DivergenceError
from skrec.preprocessing import FeatureEncoder
from skrec.preprocessing._side_table import encode_side
from skrec.utils._ids import encode_ids
from skrec.utils._validation import Interactions, merge_interactions

# Above the root of the largest float32 the lengths of vectors are no longer numbers.
_LARGEST_WEIGHT = 1e15


class WithFeatures:
    """Mixin of recommenders over `Towers`, which they keep as `_towers`.

    It needs `_start(interactions, old, user_features, item_features, *, learning)`, which returns parameters for the
    ids of `interactions`, and `_restored(interactions, parameters, new_items)`, which sets the fitted attributes from
    them.
    """

    def predict(self, X, *, user_features=None, item_features=None):
        """Score pairs of a user and an item.

        Parameters
        ----------
        X : array-like or frame of shape (n_pairs, n_features_in_)
            One pair a row, in the columns that the estimator was fitted on.
        user_features, item_features : frame, default=None
            Features of users and items that were not in the training rows.

        Returns
        -------
        ndarray of shape (n_pairs,), float32
            As by other recommenders; users and items that only have features are embedded from these.
        """
        return super(WithFeatures, self._with(user_features, item_features)).predict(X)

    def score(self, X, y=None, sample_weight=None, *, user_features=None, item_features=None):
        """Average per-user ROC AUC on held-out rows.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`TripletMF.score`.
        user_features, item_features : frame, default=None
            Features of users and items that were not in the training rows; the items are ranked with the others.

        Returns
        -------
        float
            Between 0 and 1; 0.5 is chance.
        """
        model = self._with(user_features, item_features)
        return super(WithFeatures, model).score(X, y, sample_weight)

    def _with(self, user_features, item_features):
        """Return this estimator, or one that also knows the ids of tables of features, without training on them."""
        from skrec.preprocessing._side_table import table_ids

        check_is_fitted(self)
        if user_features is None and item_features is None:
            return self
        ids = [self.user_ids_[:0], self.item_ids_[:0]]
        if user_features is not None:
            ids[0] = table_ids(user_features, "user_features", id_column=self.user)
        if item_features is not None:
            ids[1] = table_ids(item_features, "item_features", id_column=self.item)
        nothing = csr_array((len(ids[0]), len(ids[1])), dtype=np.int8)
        merged, _ = merge_interactions(self._stored_interactions(), Interactions(nothing, None, *ids))
        model = copy.copy(self)
        parameters = self._start(merged, self, user_features, item_features, learning=False)
        model._restored(merged, parameters, item_features is not None)
        return model

    def _start_towers(self, interactions, old, user_features, item_features, settings, learning):
        """Return towers for the ids of `interactions`: new ones, or those of a fitted estimator, grown.

        `settings` has the parameters that `start_towers` asks for; `learning`: whether items are to be trained.
        """
        from skrec.retrieval._towers import start_towers

        if not all(isinstance(width, Integral) and width >= 1 for width in self.hidden_layers):
            raise ValueError(f"hidden_layers={self.hidden_layers!r} must hold the widths of layers, integers above 0.")
        places = None, None
        if old is not None:
            places = encode_ids(interactions.user_ids, old.user_ids_), encode_ids(interactions.item_ids, old.item_ids_)
        user_inputs, user_encoder = self._encode("user", user_features, interactions.user_ids, old, places[0])
        item_inputs, item_encoder = self._encode("item", item_features, interactions.item_ids, old, places[1])
        if not (settings.item_embedding or item_inputs is not None):
            raise ValueError(
                "item_embedding=False leaves items without any input: give item_features, or set item_embedding=True."
            )
        if not (settings.user_embedding or user_inputs is not None or settings.history_weight > 0):
            raise ValueError(
                "user_embedding=False with history_weight=0 leaves users without any input: give user_features, or "
                "change one of the two."
            )
        seed = old._seed if old is not None else check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        return start_towers(
            interactions,
            (user_inputs, item_inputs),
            (user_encoder, item_encoder),
            settings,
            int(seed),
            None if old is None else old._towers,
            places,
            learning=learning,
        )

    def _encode(self, side, table, ids, old, places):
        """Return the inputs of a side's features, (n_ids, n_inputs), and the encoder; None where it has none."""
        from skrec.retrieval._towers import known_rows

        before = None if old is None else getattr(old._towers, f"{side}_inputs")
        encoder = None if old is None else getattr(old._towers, f"{side}_encoder")
        if old is not None and before is None and table is not None:
            raise ValueError(f"{side}_features was not given to the first fit, so that no weights exist for them.")
        if table is None:
            if before is None:
                return None, None
            return known_rows(before, places), encoder
        fit = encoder is None
        if fit:
            given = getattr(self, f"{side}_encoder")
            encoder = FeatureEncoder() if given is None else clone(given)
        column = getattr(self, side)
        inputs = encode_side(encoder, table, ids, f"{side}_features", fit=fit, id_column=column)
        if before is not None:
            silent = np.diff(inputs.indptr) == 0
            kept = known_rows(before, places)
            inputs = csr_array(inputs + csr_array(kept.multiply(silent[:, None])))
        return inputs, encoder

    def _check_finite(self, loss, parameters, epoch):
        largest = max(np.abs(parameter.weights).max(initial=0.0) for parameter in parameters)
        # Above the root of the largest float32 the lengths of vectors are no longer numbers.
        if not (np.isfinite(loss) and largest < _LARGEST_WEIGHT):
            raise self._divergence("loss or weights", f"epoch {epoch + 1}")

    def _divergence(self, what, when):
        return DivergenceError(
            f"{type(self).__name__} diverged in {when} with learning_rate={self.learning_rate}: its {what} are no "
            "longer finite, or too large to compute with. Lower learning_rate (or raise l2)."
        )

    def _store_encoders(self, towers):
        for side in ("user", "item"):
            encoder = getattr(towers, f"{side}_encoder")
            if encoder is not None:
                setattr(self, f"{side}_encoder_", encoder)
            elif hasattr(self, f"{side}_encoder_"):
                delattr(self, f"{side}_encoder_")
