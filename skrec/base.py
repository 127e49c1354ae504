"""What all recommenders have in common: from ids to scores, lists and an average per-user ROC AUC."""

import warnings
from abc import ABCMeta, abstractmethod
from itertools import chain
from numbers import Integral

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar, gen_batches
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrec.exceptions import ColdStartWarning
from skrec.metrics import RankingProblem, average_user_roc_auc
from skrec.utils._ids import as_id_column, encode_ids, fill_value
from skrec.utils._sklearn_compat import Interval, StrOptions
from skrec.utils._validation import Interactions, check_interactions, check_pairs, column_name, count_positives

__all__ = ["BaseRecommender"]

# A block of scores of users against the catalogue. Large enough for BLAS, small beside any model.
_BLOCK_BYTES = 1 << 25


class BaseRecommender(BaseEstimator, metaclass=ABCMeta):
    """Base class of recommenders.

    A subclass takes `user`, `item` and `on_unknown` in its constructor, calls `_store_interactions` at the end of
    `fit`, and has `_score_users`. It may override `_score_pairs` where single pairs are cheaper than whole rows, and
    define `_item_vectors`, which gives it `similar_items`.

    Decorate `fit` and `partial_fit` with ``skrec.utils._sklearn_compat.fit_context``: it checks the parameters against
    ``_parameter_constraints`` and puts the estimator back when anything fails.
    """

    _parameter_constraints: dict = {
        "user": [Interval(Integral, 0, None, closed="left"), str],
        "item": [Interval(Integral, 0, None, closed="left"), str],
        "on_unknown": [StrOptions({"popular", "error"})],
    }

    @abstractmethod
    def _score_users(self, user_codes):
        """Score the whole catalogue for known users.

        Parameters
        ----------
        user_codes : ndarray of shape (n,), int32

        Returns
        -------
        ndarray of shape (n, n_items), float32
            The caller may write to it.
        """

    def _score_pairs(self, user_codes, item_codes):
        """Score pairs of a known user and a known item; float32 of shape (n,)."""
        scores = np.empty(len(user_codes), dtype=np.float32)
        for places, rows, block in self._user_blocks(user_codes):
            scores[places] = block[rows, item_codes[places]]
        return scores

    def _score_unknown_user(self):
        """Score the catalogue for a user without history: popularity scaled to [0, 1]; float32 of shape (n_items,)."""
        return (self.item_popularity_ / max(self.item_popularity_.max(), 1)).astype(np.float32)

    def _store_interactions(self, interactions):
        """Set the fitted attributes that come from the training rows.

        Parameters
        ----------
        interactions : Interactions
        """
        for name, value in self._interaction_attributes(interactions).items():
            setattr(self, name, value)

    @staticmethod
    def _interaction_attributes(interactions):
        """Names and values of the fitted attributes that come from the training rows."""
        return {
            "user_ids_": interactions.user_ids,
            "item_ids_": interactions.item_ids,
            "interactions_": interactions.matrix,
            "item_popularity_": count_positives(interactions.matrix),
            "_interaction_weight": interactions.weight,
        }

    def _stored_interactions(self):
        """Return the training rows as `_store_interactions` took them."""
        return Interactions(self.interactions_, self._interaction_weight, self.user_ids_, self.item_ids_)

    def _pair_codes(self, X):
        """Return the codes of the users and of the items of rows, int32 of shape (n,), -1 for unknown ids."""
        return check_pairs(
            self,
            X,
            user=self.user,
            item=self.item,
            user_ids=self.user_ids_,
            item_ids=self.item_ids_,
            allow_unknown=self.on_unknown != "error",
        )

    def predict(self, X):
        """Score pairs of a user and an item.

        Parameters
        ----------
        X : array-like or frame of shape (n_pairs, n_features_in_)
            One pair a row, in the columns that the estimator was fitted on.

        Returns
        -------
        ndarray of shape (n_pairs,), float32
            The higher, the better the item suits the user. A user who was not in the training rows gets each item's
            popularity, scaled to [0, 1]; an item that was not there gets the user's lowest score in the catalogue.

        Raises
        ------
        ValueError
            When an id is unknown and ``on_unknown="error"``, or `X` is not made of such rows.
        """
        check_is_fitted(self)
        user_codes, item_codes = self._pair_codes(X)
        known_user, known_item = user_codes >= 0, item_codes >= 0
        scores = np.empty(len(user_codes), dtype=np.float32)
        both = known_user & known_item
        scores[both] = self._score_pairs(user_codes[both], item_codes[both])
        if not known_user.all():
            fallback = self._score_unknown_user()
            scores[~known_user] = np.append(fallback, fallback.min())[item_codes[~known_user]]
        if not known_item.all():
            new = np.flatnonzero(known_user & ~known_item)
            for places, rows, block in self._user_blocks(user_codes[new]):
                scores[new[places]] = block.min(axis=1)[rows]
        return scores

    def recommend(self, users, n_recommendations=10, *, exclude_seen=True, candidates=None, exclude=None):
        """List the items with the highest scores for each user.

        Parameters
        ----------
        users : array-like of shape (n_users,)
            Ids of the users; an id may occur more than once. Users who were not in the training rows get the most
            popular items, or an error where ``on_unknown="error"``.
        n_recommendations : int, default=10
            How many items to list.
        exclude_seen : bool, default=True
            Leave out every item of the user's training rows, liked or not.
        candidates : list of ids or list of lists of ids, default=None
            The only items to choose from: one list for all users, or a list (array, set, series) for each. None: the
            whole catalogue. Ids that were not in the training rows cannot be chosen; they are an error where
            ``on_unknown="error"``.
        exclude : list of ids or list of lists of ids, default=None
            Items not to list, in the same two forms. Unknown ids are ignored.

        Returns
        -------
        ids : ndarray of shape (n_users, n_recommendations)
            Item ids, best first; equal scores in the order of ``item_ids_``. Where a user has fewer items to choose
            from, the row is filled with -1 (integer ids), nan (floats), NaT (dates), ``""`` (string arrays) or None
            (objects).
        scores : ndarray of shape (n_users, n_recommendations), float32
            Their scores; -inf beside filled places.

        Raises
        ------
        ValueError
            When an id is unknown and ``on_unknown="error"``, or a list for each user does not match `users` in number.
        TypeError
            When ids are text where those of the training rows are numbers, or the reverse: none could ever be found.
        """
        check_is_fitted(self)
        check_scalar(n_recommendations, "n_recommendations", Integral, min_val=1)
        strict = self.on_unknown == "error"
        codes = encode_ids(users, self.user_ids_, "users", allow_unknown=not strict)
        wanted = self._item_lists(candidates, "candidates", len(codes), allow_unknown=not strict)
        unwanted = self._item_lists(exclude, "exclude", len(codes), allow_unknown=True)
        columns = None
        if isinstance(wanted, np.ndarray):
            columns, wanted = np.unique(wanted), None

        items = np.empty((len(codes), n_recommendations), dtype=np.int32)
        scores = np.empty((len(codes), n_recommendations), dtype=np.float32)
        for batch in self._batches(len(codes)):
            block = self._first_scores(codes[batch])
            if exclude_seen:
                known = np.flatnonzero(codes[batch] >= 0)
                seen = self.interactions_[codes[batch][known]]
                block[np.repeat(known, np.diff(seen.indptr)), seen.indices] = -np.inf
            if isinstance(unwanted, np.ndarray):
                block[:, unwanted] = -np.inf
            elif unwanted is not None:
                block[_cells(unwanted, batch)] = -np.inf
            if wanted is not None:
                cells = _cells(wanted, batch)
                kept = block[cells]
                block[:] = -np.inf
                block[cells] = kept
            block = self._final_scores(codes[batch], block, columns, n_recommendations)
            items[batch], scores[batch] = best_of(block, n_recommendations, columns)
        return self._item_labels(items), scores

    @available_if(lambda self: hasattr(self, "_item_vectors"))
    def similar_items(self, items, n_recommendations=10):
        """List the items whose factors have the highest cosine with those of each given item.

        Parameters
        ----------
        items : array-like of shape (n_queries,)
            Item ids. Items that were not in the training rows get the most popular items, or an error where
            ``on_unknown="error"``.
        n_recommendations : int, default=10
            How many items to list.

        Returns
        -------
        ids : ndarray of shape (n_queries, n_recommendations)
            Item ids, most similar first, the given item left out; filled as by `recommend`.
        similarities : ndarray of shape (n_queries, n_recommendations), float32
            Cosines in [-1, 1]; -inf beside filled places.
        """
        check_is_fitted(self)
        check_scalar(n_recommendations, "n_recommendations", Integral, min_val=1)
        codes = encode_ids(items, self.item_ids_, "items", allow_unknown=self.on_unknown != "error")
        vectors = np.asarray(self._item_vectors(), dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.where(lengths > 0, lengths, 1)

        found = np.empty((len(codes), n_recommendations), dtype=np.int32)
        similarities = np.empty((len(codes), n_recommendations), dtype=np.float32)
        for batch in self._batches(len(codes)):
            block = vectors[codes[batch]] @ vectors.T
            known = np.flatnonzero(codes[batch] >= 0)
            block[known, codes[batch][known]] = -np.inf
            block[codes[batch] < 0] = self._score_unknown_user()
            found[batch], similarities[batch] = best_of(block, n_recommendations)
        return self._item_labels(found), similarities

    def score(self, X, y=None, sample_weight=None):
        """Average per-user ROC AUC on held-out rows.

        For each user, the chance that a held-out positive scores above an item that is neither a held-out positive
        nor a training positive of the user, ties counting half; then the mean over users. Explicit negatives, of the
        training rows and of `X`, are among the items to beat.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features_in_)
            Held-out interactions. Rows that were trained on may be among them: they are ranked like any other positive.
        y : array-like of shape (n_rows,), default=None
            Above 0: positive. None: every row is a positive.
        sample_weight : array-like of shape (n_rows,), default=None
            Rows of weight 0 are left out. Other weights do not matter: each user counts alike, and each of the user's
            positives.

        Returns
        -------
        float
            Between 0 and 1; 0.5 is chance. Users without a held-out positive do not count. Items that were not in the
            training rows rank last, users who were not there are ranked by popularity.

        Warns
        -----
        ColdStartWarning
            When most of the users were not in the training rows.
        """
        check_is_fitted(self)
        problem = self._ranking_problem(X, y, sample_weight)
        return average_user_roc_auc(problem.positives, problem.scores, exclude=problem.excluded)

    def _ranking_problem(self, X, y=None, sample_weight=None):
        """Return what the metrics need to judge the rankings of held-out rows.

        Training positives are left out of a user's ranking unless they are held-out positives too, so that training
        rows can be scored. Items that were not in the training rows are further columns, scored like the worst of the
        catalogue.

        Parameters
        ----------
        X, y, sample_weight
            As in `score`.

        Returns
        -------
        RankingProblem
            One row for each user with a held-out positive.
        """
        check_is_fitted(self)
        test = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item, reset=False)
        allow_unknown = self.on_unknown != "error"
        user_codes = encode_ids(
            test.user_ids, self.user_ids_, column_name("user", self.user), allow_unknown=allow_unknown
        )
        item_codes = encode_ids(
            test.item_ids, self.item_ids_, column_name("item", self.item), allow_unknown=allow_unknown
        )
        new_items = item_codes < 0
        n_items, n_new = len(self.item_ids_), int(new_items.sum())
        item_codes[new_items] = np.arange(n_items, n_items + n_new)

        evaluated = np.flatnonzero(_select(test.matrix, 1).sum(axis=1))
        user_codes = user_codes[evaluated]
        known = user_codes >= 0
        if 2 * known.sum() < len(known):
            self._warn_cold(len(known) - int(known.sum()), len(known))
        test_matrix = test.matrix[evaluated]
        test_matrix = csr_array(
            (test_matrix.data, item_codes[test_matrix.indices], test_matrix.indptr),
            shape=(len(evaluated), n_items + n_new),
        )
        test_matrix.sort_indices()
        positives = _select(test_matrix, 1)
        negatives = _select(test_matrix, -1)

        # Rows of the training matrix, an empty one for each unknown user.
        lengths = np.zeros(len(known), dtype=np.int64)
        seen = self.interactions_[user_codes[known]]
        lengths[known] = np.diff(seen.indptr)
        seen = csr_array((seen.data, seen.indices, np.append(0, np.cumsum(lengths))), shape=positives.shape)
        trained = _select(seen, 1)
        excluded = trained - trained.multiply(positives)
        excluded.eliminate_zeros()

        def scores(start, stop):
            block = self._score_block(user_codes[start:stop])
            if n_new:
                block = np.hstack([block, np.repeat(block.min(axis=1, keepdims=True), n_new, axis=1)])
            return block

        return RankingProblem(
            positives=positives,
            negatives=negatives if negatives.nnz else None,
            excluded=excluded,
            scores=scores,
            item_popularity=np.append(self.item_popularity_, np.zeros(n_new, dtype=np.int64)),
            user_ids=test.user_ids[evaluated],
            item_ids=np.concatenate([self.item_ids_, test.item_ids[new_items]]),
        )

    def _warn_cold(self, n_cold, n_users):
        warnings.warn(
            f"{n_cold} of the {n_users} users to score {type(self).__name__} on were not in its training rows; "
            "they are ranked by popularity. A plain KFold on rows sorted by user splits so. Use "
            "skrec.model_selection.UserKFold or LeaveLastOut, which keep rows of each user on both sides.",
            ColdStartWarning,
            stacklevel=4,
        )

    def _score_block(self, user_codes):
        """Score the catalogue for users, unknown ones (-1) included; float32, may be written to."""
        unknown = user_codes < 0
        if not unknown.any():
            return self._score_users(user_codes)
        block = np.empty((len(user_codes), len(self.item_ids_)), dtype=np.float32)
        block[unknown] = self._score_unknown_user()
        if not unknown.all():
            block[~unknown] = self._score_users(user_codes[~unknown])
        return block

    def _first_scores(self, user_codes):
        """Score the catalogue for `recommend`, which then makes what may not be listed -inf."""
        return self._score_block(user_codes)

    def _final_scores(self, user_codes, block, columns, n):
        """Return the scores to list by, where a second stage changes them once it is known what may be listed.

        Parameters
        ----------
        user_codes : ndarray of shape (n_users,), int32
            -1 for unknown users.
        block : ndarray of shape (n_users, n_items), float32
            Scores; -inf for what may not be listed.
        columns : ndarray or None
            The only items that may be, for all users.
        n : int
            How many will be listed.
        """
        return block

    def _batches(self, n):
        """Yield slices of rows such that a block of scores keeps within memory."""
        return gen_batches(n, max(1, _BLOCK_BYTES // (4 * len(self.item_ids_)))) if n else iter(())

    def _user_blocks(self, user_codes):
        """Yield, for blocks of distinct users, the places of their pairs, their rows in the block, and the block."""
        users, inverse = np.unique(user_codes, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        bounds = np.searchsorted(inverse, np.arange(len(users) + 1), sorter=order)
        for batch in self._batches(len(users)):
            places = order[bounds[batch.start] : bounds[batch.stop]]
            yield places, inverse[places] - batch.start, self._score_users(users[batch])

    def _item_lists(self, lists, name, n_users, *, allow_unknown):
        """Encode one list of items for all users as an array, or one for each as a boolean matrix."""
        if lists is None:
            return None
        if not _is_list_per_user(lists):
            codes = encode_ids(lists, self.item_ids_, name, allow_unknown=allow_unknown)
            return codes[codes >= 0]
        if len(lists) != n_users:
            raise ValueError(
                f"{name} holds {len(lists)} lists for {n_users} users: give one list of ids for all, or one for each."
            )
        columns = [as_id_column(one, f"{name}[{place}]") for place, one in enumerate(lists)]
        rows = np.repeat(np.arange(n_users), [len(column) for column in columns])
        together = list(chain.from_iterable(columns))
        codes = encode_ids(together, self.item_ids_, name, allow_unknown=allow_unknown)
        known = codes >= 0
        shape = (n_users, len(self.item_ids_))
        return csr_array((np.ones(known.sum(), dtype=bool), (rows[known], codes[known])), shape=shape)

    def _item_labels(self, codes):
        """Ids of item codes, and the padding for -1."""
        return np.append(self.item_ids_, fill_value(self.item_ids_))[codes]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def best_of(block, n, columns=None):
    """Pick the `n` highest scores of each row, among `columns` (sorted) where given."""
    from skrec._kernels._topk import top_k

    if columns is None:
        return top_k(block, n)
    places, scores = top_k(block[:, columns], n)
    return np.append(columns, -1)[places], scores


def _is_list_per_user(lists):
    """Whether `lists` holds a list for each user: containers that cannot themselves be ids, as tuples can."""
    if isinstance(lists, np.ndarray) and lists.ndim == 2:
        return True
    if not hasattr(lists, "__len__") or isinstance(lists, (str, bytes)) or len(lists) == 0:
        return False
    first = next(iter(lists))
    return hasattr(first, "__len__") and not isinstance(first, (str, bytes, tuple, frozenset))


def _cells(matrix, batch):
    """Rows and columns of the entries of some rows of a matrix, the rows counted from the first of them."""
    part = matrix[batch]
    return np.repeat(np.arange(part.shape[0]), np.diff(part.indptr)), part.indices


def _select(matrix, sign):
    """Entries of one sign as ones; sorted like `matrix`."""
    kept = matrix.data == sign
    indptr = np.append(0, np.cumsum(kept))[matrix.indptr]
    return csr_array((np.ones(kept.sum(), dtype=np.int8), matrix.indices[kept], indptr), shape=matrix.shape)
