"""Negatives that rank high and whose rank drops as training goes on (GDNS)."""

import numpy as np

from skrec.samplers._memory import MemorySampler
from skrec.utils._validation import check_parameter, is_real


class GainSampler(MemorySampler):
    """Remembered items that rank high among the positives, and drop as training goes on: after GDNS.

    Of each remembered item j of a user, H is the mean over the user's positives i of ``sigmoid(s_uj - s_ui)`` at an
    epoch's end, and the gain G is its smoothed relative drop ::

        G_t = smoothing * G_(t-1) + (1 - smoothing) * sigmoid((H_(t-1) - H_t) / (H_t + epsilon)),    G_0 = 1/2

    The idea of the paper: a true negative drops when it is trained on, a false one is pulled up again. (What became of
    it here: Notes, and :ref:`memory_samplers`.) An item is drawn in proportion to ``exp(sharpness * H * G)``.

    Parameters
    ----------
    sharpness : float, default=30.0
        0 or more. 0 is uniform sampling, more is harder.
    smoothing : float, default=0.5
        Share of the gain that stays from epoch to epoch, from 0 to 1. 1 keeps it at 1/2, so that H alone counts.
    epsilon : float, default=0.1
        0 or more. Small values favour items that are easy already, whose H is near 0.
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
        Bytes that the sampler keeps from epoch to epoch; as for :class:`VarianceSampler`.
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    Notes
    -----
    *What is the paper's.* H and G, and that G guides the choice. What is not in the sources that could be read (its
    abstract and notes on it; no code is public) was decided by ``benchmarks/ablate_gain.py`` on positives held out
    from MovieLens 100K and 1M:

    - By G alone, as softmax or argmax, training is no better than with uniform negatives: the largest relative drops
      are those of items that are easy already. H weighted in, as here, was as good as comparing G within the upper
      quarter by H, and did not cost AUC; an argmax of H * G was no better than the softmax.
    - With H weighted in, `epsilon` from 0.01 to 1 and `smoothing` from 0 to 0.9 made no difference beyond that between
      seeds.
    - H alone trained as well as H * G, and drew held-out positives no more often. What is gained over uniform negatives
      is gained by H: the paper's claim for G was not confirmed, with these data and triplets.
    - :class:`DynamicSampler` with 5 candidates was better than any of these rules on both.

    The paper trains on every pair of a group of positives and one of negatives; with triplets each positive draws its
    own negative.

    *How.* The memory, its refresh, the histories of new items and what they cost are those of :class:`VarianceSampler`:
    H at the last five epoch ends is computed before each epoch from copies of the vectors, over up to 8 of the user's
    positives, and G starts at 1/2 at the first of these. A draw compares masses that stay the same for an epoch, and
    needs no score. In an epoch's block of items, it is from the entries of the memory that lie there, or uniform where
    there are none.

    *Cost* of a step: 1 score, and 5 more for each place of a memory before the epoch, at most 5 for a positive where
    users have 32 or more.

    References
    ----------
    Zhu, Zhang, He and Dou, "A gain-tuning dynamic negative sampler for recommendation", WWW 2022.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.datasets import make_interactions
    >>> from skrec.samplers import GainSampler
    >>> X, y = make_interactions(return_X_y=True, random_state=0)
    >>> model = TripletMF(n_components=8, sampler=GainSampler(), max_iter=4, random_state=0).fit(X, y)
    >>> model.sampler_.sample([0, 1], n_samples=3, random_state=0).shape
    (2, 3)
    """

    def __init__(
        self,
        sharpness=30.0,
        smoothing=0.5,
        epsilon=0.1,
        memory_size=128,
        new_ratio=8.0,
        temperature=np.inf,
        exclude_positives=True,
        exclude_explicit=True,
    ):
        self.sharpness = sharpness
        self.smoothing = smoothing
        self.epsilon = epsilon
        self.memory_size = memory_size
        self.new_ratio = new_ratio
        self.temperature = temperature
        self.exclude_positives = exclude_positives
        self.exclude_explicit = exclude_explicit

    def _check_parameters(self):
        super()._check_parameters()
        check_parameter(self, "sharpness", is_real(self.sharpness, 0), "a finite number of at least 0")
        share = is_real(self.smoothing, 0) and self.smoothing <= 1
        check_parameter(self, "smoothing", share, "a number from 0 to 1")
        check_parameter(self, "epsilon", is_real(self.epsilon, 0), "a finite number of at least 0")

    def _judge(self, history, starts):
        from skrec._kernels._memory import gain_of

        gain = np.empty(history.shape[1], np.float32)
        gain_of(history, float(self.smoothing), float(self.epsilon), gain)
        return self._weigh(history[0], gain, starts)

    def _weigh(self, preference, gain, starts):
        """Mass of each place from its H and G, at most 1."""
        sizes = np.diff(np.append(starts, len(gain)))
        exponent = np.float32(self.sharpness) * preference * gain
        return np.exp(exponent - np.repeat(np.maximum.reduceat(exponent, starts), sizes))

    def _make_state(self, partition, loss):
        from skrec._kernels._memory import GainState

        return GainState(self._excludes, *self._memory_state(partition))
