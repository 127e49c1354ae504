"""Hard negatives that are unlikely to be false: high scores that still vary (SRNS)."""

import numpy as np

from skrec.samplers._memory import MemorySampler
from skrec.utils._validation import check_parameter, is_integer, is_real


class VarianceSampler(MemorySampler):
    """The best of a few remembered items by its score and by how much that has varied: SRNS.

    The idea of the paper: an item that the user would like keeps a high score from epoch to epoch, a hard negative has
    one that moves. (What became of it here: :ref:`memory_samplers`.) The sampler remembers items of each user and
    takes, for each positive i, the one with the highest ::

        P(j | u, i) + alpha_t * std(P),    P(j | u, i) = sigmoid(s_uj - s_ui),    alpha_t = alpha * min(t / warm_up, 1)

    among `n_candidates` of them, t being the number of epochs so far.

    Parameters
    ----------
    n_candidates : int, default=8
        Entries of the memory that are compared for each positive. 1 is uniform sampling, more is harder.
    alpha : float, default=5.0
        Weight of the standard deviation, 0 or more. 0 is dynamic sampling within the memory.
    warm_up : int, default=10
        Epochs over which the weight rises from 0 to `alpha`. 0: `alpha` from the start.
    memory_size : int, default=128
        Most items that are remembered of a user. Of a user with n positives, 32 to n are, as far as there are as many
        unobserved ones.
    new_ratio : float, default=8.0
        Refresh: uniform new items that compete for the places of a memory before each epoch, for each place. 0 keeps
        the memory as it is.
    temperature : float, default=inf
        The places go, without replacement, to old and new items in proportion to ``exp(score / temperature)``, above 0.
        Lower is harder, and costs a score for each item that competes; at inf, items are as likely, at no such cost.
    exclude_positives, exclude_explicit : bool, default=True
        Whether the user's positives, and explicit negatives, are never remembered.

    Attributes
    ----------
    memory_ : ndarray of shape (n_places,), int32
        Remembered items of all users, user by user; -1 where a place is free.
    memory_bytes_ : int
        Bytes that the sampler keeps from epoch to epoch, see Notes.
    alpha_ : float
        Weight of the standard deviation in the last epoch.
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    Notes
    -----
    *The memory.* An epoch deals the items into blocks, and the candidates of a step are the entries of the user's
    memory in the block of the positive, `n_candidates` neighbours in a random order where there are more. There are
    never more blocks than leave 8 entries in each on average. A user without an entry in the block gets a uniform
    negative.

    *The standard deviation* is that of the last five epoch ends, over those at hand; 0 of a single one. The paper takes
    it of P(j | u, i) for each positive i. Here it is taken of the mean of P over up to 8 of the user's positives,
    the same ones each time, which takes no memory for each interaction. It is computed before each epoch from copies
    of the vectors at the last epoch ends, in half precision, so that an item has its history when it is admitted. (The
    authors' code prepares histories of 3,000 candidates a user ahead of time instead, and draws the memory anew from
    other candidates in each epoch.) Refreshing before each epoch rather than with each batch, and the memory in
    proportion to the positives, keep the cost of a step the same for any data.

    *Defaults.* `n_candidates`, `alpha` and `new_ratio` are those of the paper on MovieLens 1M (S1 = 8, alpha = 5, S2 /
    S1 = 8). Its T0 of 50 was an eighth of its epochs, and so is `warm_up`. Its temperature of 10 leaves memories that
    are nearly uniform: the masses of cosines differ by a fifth.

    *Memory*: 6 bytes a place, 2 for each block of items and 10 beside, a user; `8 * n_components` bytes a user and an
    item for the copies. With 64 components at most 1.3 kB a user, 0.7 kB where users have 20 positives: 0.7 to 1.3 GB
    for a million.

    *Cost* of a step: `n_candidates` + 1 scores, and 5 more for each place of a memory before the epoch, at most 5 for a
    positive where users have 32 or more.

    References
    ----------
    Ding, Quan, Yao, Li and Jin, "Simplify and robustify negative sampling for implicit collaborative filtering",
    NeurIPS 2020.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.datasets import make_interactions
    >>> from skrec.samplers import VarianceSampler
    >>> X, y = make_interactions(return_X_y=True, random_state=0)
    >>> model = TripletMF(n_components=8, sampler=VarianceSampler(warm_up=2), max_iter=4, random_state=0).fit(X, y)
    >>> model.sampler_.alpha_
    5.0
    >>> model.sampler_.sample([0, 1], n_samples=3, recommender=model, random_state=0).shape
    (2, 3)
    """

    def __init__(
        self,
        n_candidates=8,
        alpha=5.0,
        warm_up=10,
        memory_size=128,
        new_ratio=8.0,
        temperature=np.inf,
        exclude_positives=True,
        exclude_explicit=True,
    ):
        self.n_candidates = n_candidates
        self.alpha = alpha
        self.warm_up = warm_up
        self.memory_size = memory_size
        self.new_ratio = new_ratio
        self.temperature = temperature
        self.exclude_positives = exclude_positives
        self.exclude_explicit = exclude_explicit

    def _check_parameters(self):
        super()._check_parameters()
        check_parameter(self, "n_candidates", is_integer(self.n_candidates, 1), "an int of at least 1")
        check_parameter(self, "alpha", is_real(self.alpha, 0), "a finite number of at least 0")
        check_parameter(self, "warm_up", is_integer(self.warm_up, 0), "an int of at least 0")

    def _begin_epoch(self, model, epoch, rng, partition, run):
        self.alpha_ = float(self.alpha) * (min(epoch / self.warm_up, 1.0) if self.warm_up else 1.0)
        super()._begin_epoch(model, epoch, rng, partition, run)

    def _judge(self, history, starts):
        from skrec._kernels._memory import spread_of

        spread = np.empty(history.shape[1], np.float32)
        spread_of(history, spread)
        return spread

    def _make_state(self, partition, loss):
        from skrec._kernels._memory import ONE, VarianceState

        memory = self._memory_state(partition)
        return VarianceState(self._excludes, *memory, int(self.n_candidates), np.float32(self.alpha_ / ONE))
