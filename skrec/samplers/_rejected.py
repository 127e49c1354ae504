"""Items that an earlier stage retrieved and dropped."""

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.base import clone
from sklearn.utils import gen_batches

from skrec.samplers._lists import ListSampler
from skrec.utils._validation import check_parameter, encode_ids, is_integer, kernel_array, series_values

# Users asked of the recommender at once.
_USERS = 1024


class RejectedSampler(ListSampler):
    """Items that an earlier stage retrieved for the user and dropped, each as likely.

    Such items were near enough to be looked at: they are harder than random ones, and less often false than the top of
    a list. Alone they teach nothing about the rest of the catalogue: mix them with easy negatives in a
    :class:`MixedSampler`, whose shares are the ratio of easy to hard.

    Parameters
    ----------
    rejected : array-like or frame of shape (n, 2), or recommender
        Pairs of a user id and an item id, from the log of the earlier stage. Users and items that are not in the
        training data are left out. Or a recommender, whose ranks `first` to `last` count as dropped: a clone of it is
        fitted on the training interactions. One that is fitted already, as a
        :class:`sklearn.frozen.FrozenEstimator`.
    first, last : int, default=101 and 500
        Ranks of the recommender that count as dropped, 1 being the best of the items that the user has not been seen
        with. Not used with pairs.
    n_kept : int, default=64
        Items of the recommender's that are kept for each user, in even steps of rank from `first` to `last`. Not used
        with pairs.
    exclude_positives, exclude_explicit : bool, default=True
        Whether the user's positives, and explicit negatives, are never drawn, though they be on the list.

    Attributes
    ----------
    recommender_ : recommender
        Fitted clone of the recommender; only where there is one.
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    See Also
    --------
    RankBandSampler : A band of ranks of the model in training.

    Notes
    -----
    A user without a list has no negative: alone the step is skipped, in a mixture the next sampler steps in. Draws come
    from what of the list lies in the block of items of the step; the blocks are dealt at random, so that over the
    epochs all items of a list are as likely. There are never more blocks than leave an average list 4 items in each; of
    lists of 4 and fewer, an epoch runs on one thread.

    Cost: that of a uniform draw, and two binary searches in the list. Memory: 8 bytes an item of the lists, hence for a
    million users at most ``8 * n_kept`` MB.

    References
    ----------
    Huang et al., "Embedding-based retrieval in Facebook search", KDD 2020, section 4.2: ranks 101 to 500 are better
    than the first hundred, and 100 easy negatives a hard one.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from skrec import EASERecommender, TripletMF
    >>> from skrec.datasets import make_interactions
    >>> from skrec.samplers import MixedSampler, RejectedSampler, UniformSampler
    >>> X, y = make_interactions(return_X_y=True, random_state=0)
    >>> earlier_stage = FrozenEstimator(EASERecommender().fit(X, y))
    >>> sampler = MixedSampler(
    ...     [("easy", UniformSampler(), 0.5), ("hard", RejectedSampler(earlier_stage, first=20, last=50), 0.5)]
    ... )
    >>> model = TripletMF(n_components=16, sampler=sampler, max_iter=5, random_state=0).fit(X, y)
    >>> pairs = [[0, 7], [0, 9], [1, 4]]
    >>> lists = RejectedSampler(pairs).fit([[1] + [0] * 9] * 3)
    >>> sorted(set(lists.sample([0], n_samples=100, random_state=0).ravel().tolist()))
    [7, 9]
    """

    def __init__(self, rejected, first=101, last=500, n_kept=64, exclude_positives=True, exclude_explicit=True):
        self.rejected = rejected
        self.first = first
        self.last = last
        self.n_kept = n_kept
        self.exclude_positives = exclude_positives
        self.exclude_explicit = exclude_explicit

    @property
    def _has_recommender(self):
        return hasattr(self.rejected, "recommend")

    def _check_parameters(self):
        super()._check_parameters()
        check_band(self)
        if not self._has_recommender:
            try:
                users, items = self._columns()
            except (TypeError, ValueError, IndexError):
                users = items = ()
            good = np.ndim(users) == 1 and len(users) > 0 and len(users) == len(items)
            check_parameter(self, "rejected", good, "pairs of user and item ids, in two columns, or a recommender")

    def _columns(self):
        """User ids and item ids of the pairs."""
        if nw.dependencies.is_into_dataframe(self.rejected):
            frame = nw.from_native(self.rejected, eager_only=True)
            users, items = frame.columns
            return series_values(frame[users], "rejected"), series_values(frame[items], "rejected")
        pairs = self.rejected
        if isinstance(pairs, (list, tuple)) and np.asarray(pairs).dtype.kind in "USO":
            pairs = np.array(pairs, dtype=object)  # integers beside text stay integers
        users, items = np.asarray(pairs).T
        return users, items

    def _fit_ids(self, matrix, user_ids, item_ids):
        if self._has_recommender:
            users, items = self._ask(matrix, np.asarray(user_ids), np.asarray(item_ids))
        else:
            ids = self._columns()
            users = encode_ids(ids[0], user_ids, "users of rejected")
            items = encode_ids(ids[1], item_ids, "items of rejected")
        known = (users >= 0) & (items >= 0)
        pairs = np.unique(users[known].astype(np.int64) * matrix.shape[1] + items[known])
        users, items = np.divmod(pairs, matrix.shape[1])
        self._starts = kernel_array(np.searchsorted(users, np.arange(matrix.shape[0] + 1)), np.int64)
        self._items = kernel_array(items, np.int32)

    def _ask(self, matrix, user_ids, item_ids):
        """Codes of users and items of the recommender's band."""
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        alike = user_ids.dtype.kind == item_ids.dtype.kind
        X = np.empty((matrix.nnz, 2), dtype=np.result_type(user_ids, item_ids) if alike else object)
        X[:, 0], X[:, 1] = user_ids[rows], item_ids[matrix.indices]
        recommender = clone(self.rejected)
        if {"user", "item"} <= set(recommender.get_params(deep=False)):  # it may have been meant for a frame
            recommender.set_params(user=0, item=1)
        self.recommender_ = recommender.fit(X, matrix.data > 0)
        ranks = np.unique(np.linspace(self.first - 1, self.last - 1, self.n_kept).round().astype(int))
        known = np.flatnonzero(encode_ids(user_ids, self.recommender_.user_ids_) >= 0)
        users, items = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for batch in gen_batches(len(known), _USERS) if len(known) else ():
            ids, scores = self.recommender_.recommend(user_ids[known[batch]], n_recommendations=int(self.last))
            row, column = np.nonzero(scores[:, ranks] > -np.inf)
            users.append(known[batch][row])
            items.append(encode_ids(ids[row, ranks[column]], item_ids))
        return np.concatenate(users), np.concatenate(items)


def check_band(sampler):
    """Raise where the band of ranks of a sampler is none."""
    check_parameter(sampler, "first", is_integer(sampler.first, 1), "an int of at least 1")
    allowed = is_integer(sampler.last, 1) and sampler.last >= sampler.first
    check_parameter(sampler, "last", allowed, f"an int of at least first={sampler.first}")
    check_parameter(sampler, "n_kept", is_integer(sampler.n_kept, 1), "an int of at least 1")
