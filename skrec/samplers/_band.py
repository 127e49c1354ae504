"""A band of ranks of the model in training."""

import numpy as np

from skrec.samplers._lists import ListSampler
from skrec.samplers._rejected import check_band
from skrec.utils._threads import blas_threads
from skrec.utils._validation import check_parameter, is_integer, kernel_array

# Users whose scores are computed at once.
_USERS = 256


class RankBandSampler(ListSampler):
    """Items of a band of ranks of the model in training, looked up anew for each epoch.

    The first ranks are left out: what stands there is too often liked. Mix it with easy negatives in a
    :class:`MixedSampler`, whose shares are the ratio of easy to hard, or in a :class:`CurriculumSampler`.

    Parameters
    ----------
    first, last : int, default=101 and 500
        Ranks to draw from, 1 being the best of the items that the sampler may draw for the user.
    n_kept : int, default=32
        Items of the band that are kept for each user for the length of an epoch, chosen at random.
    n_scored : int, default=1024
        Items that are scored for each user before an epoch; a random choice, the same for all users, where there are
        more. Ranks then are those among the chosen items, in proportion.
    exclude_positives, exclude_explicit : bool, default=True
        Whether the user's positives, and explicit negatives, are never drawn and have no rank.

    Attributes
    ----------
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    See Also
    --------
    RejectedSampler : A band of ranks of a recommender that stays what it is.

    Notes
    -----
    The paper looks the band up in an index of the whole catalogue. Where `n_scored` is the number of items or more the
    ranks are exact, at the begin of the epoch. Of C chosen among n items, the item on place r of the chosen has a rank
    of about ``r * n / C``, with a standard deviation of ``n / C * sqrt(r)`` and less. A user with fewer than `first`
    items has no negative.

    Draws come from what of a user's kept items lies in the block of items of the step; there are never more blocks than
    leave 4 items in each.

    Cost: ``n_users * min(n_scored, n_items)`` scores an epoch, by matrix products, on the threads of the fit. Memory: 8
    bytes a kept item, hence for a million users ``8 * n_kept`` MB.

    References
    ----------
    Huang et al., "Embedding-based retrieval in Facebook search", KDD 2020, section 4.2: ranks 101 to 500, 100 easy
    negatives a hard one.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.datasets import make_interactions
    >>> from skrec.samplers import MixedSampler, RankBandSampler, UniformSampler
    >>> X, y = make_interactions(return_X_y=True, random_state=0)
    >>> band = MixedSampler([("easy", UniformSampler(), 0.5), ("hard", RankBandSampler(first=20, last=60), 0.5)])
    >>> model = TripletMF(n_components=16, sampler=band, max_iter=5, random_state=0).fit(X, y)
    >>> model.get_params()["sampler__hard__last"]
    60
    """

    _reads_model = True

    def __init__(self, first=101, last=500, n_kept=32, n_scored=1024, exclude_positives=True, exclude_explicit=True):
        self.first = first
        self.last = last
        self.n_kept = n_kept
        self.n_scored = n_scored
        self.exclude_positives = exclude_positives
        self.exclude_explicit = exclude_explicit

    def _check_parameters(self):
        super()._check_parameters()
        check_band(self)
        check_parameter(self, "n_scored", is_integer(self.n_scored, 1), "an int of at least 1")

    @property
    def _places(self):
        """First and last place of the band among the scored items, counted from 0."""
        share = min(1.0, self.n_scored / self.n_features_in_)
        low = int((self.first - 1) * share)
        return low, max(low, int(np.ceil(min(self.last, self.n_features_in_) * share)) - 1)

    @property
    def _list_length(self):  # known before there are lists
        low, high = self._places
        return min(self.n_kept, high - low + 1)

    def _begin_epoch(self, model, epoch, rng, partition, run):
        from skrec._kernels._hard import keep_band, mask_seen
        from skrec._kernels._rng import seed_states

        n_users, n_items = self.matrix_.shape
        columns = np.sort(rng.permutation(n_items)[: self.n_scored]).astype(np.int32)
        place = np.full(n_items, -1, np.int32)
        place[columns] = np.arange(len(columns))
        low, high = self._places
        n_groups = len(partition.user_starts) - 1
        rngs = seed_states(int(rng.integers(np.iinfo(np.int64).max)), n_groups)
        seen = (
            kernel_array(self.matrix_.indptr, np.int64),
            kernel_array(self.matrix_.indices, np.int32),
            kernel_array(self.matrix_.data, np.int8),
        )
        V = model.V[columns]
        if model.cosine:
            V *= model.v_scale[columns, None]
        if model.weighted:
            V *= model.w
        kept = np.empty((n_users, min(self.n_kept, high - low + 1)), np.int32)
        sizes = np.zeros(n_users, np.int64)

        def look_up(group):
            first, last = int(partition.user_starts[group]), int(partition.user_starts[group + 1])
            for start in range(first, last, _USERS):
                users = slice(start, min(start + _USERS, last))
                scores = model.U[users] @ V.T
                if model.biased:
                    if model.cosine:
                        scores *= model.u_scale[users, None]
                    scores += model.bias[columns]
                mask_seen(scores, start, *seen, place, self._excludes)
                bounds = _score_bounds(scores, low, high)
                keep_band(scores, bounds, columns, rngs[group], kept[users], sizes[users])

        if low < len(columns):
            with blas_threads(1):
                run(look_up, range(n_groups))
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._items = kept[np.arange(kept.shape[1]) < sizes[:, None]]


def _score_bounds(scores, low, high):
    """Least and largest score on the places low..high, 0 the best, of each row: (n_rows, 2) float32."""
    n = scores.shape[1]
    ends = max(n - 1 - high, 0), n - 1 - low
    # Two partitions on one place each, the second within what the first leaves, are faster than one on both.
    upper = np.partition(scores, ends[1], axis=1)[:, : ends[1] + 1]
    largest = upper[:, ends[1]]
    least = np.partition(upper, ends[0], axis=1)[:, ends[0]]
    return np.ascontiguousarray(np.stack([least, largest], axis=1))
