"""Negatives that are the positives of other users of the block, and how often to expect them."""

from typing import NamedTuple

import numpy as np

from skrec.samplers._base import BaseSampler
from skrec.utils._validation import check_parameter, count_positives, is_real


class BlockPositives(NamedTuple):
    """Positives that a block of users is trained on: what samplers of shared negatives are told of a block.

    Parameters
    ----------
    items : ndarray of shape (n_positives,), int32
        Item codes, an item once for each user who has it.
    counts : ndarray of shape (n_items,), int64
        Trained positives of each item among all users.
    share : float
        Chance that one of the other users is in the block with a user.
    """

    items: np.ndarray
    counts: np.ndarray
    share: float


class StreamingFrequency:
    """Running estimate of the chance that each item is in a block, from the blocks between two sightings.

    Parameters
    ----------
    n_items : int
        Number of items. Each has a place of its own: nothing is hashed.
    rate : float
        Weight of a new gap against the running mean of the gaps.
    start : float
        Mean gap to begin with, in blocks.

    Attributes
    ----------
    gaps : ndarray of shape (n_items,), float64
        Mean gap of each item.

    References
    ----------
    Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019, algorithm
    2.
    """

    def __init__(self, n_items, rate, start):
        self.rate, self.step = rate, 0
        self.gaps, self.last = np.full(n_items, float(start)), np.zeros(n_items, np.int64)

    def update(self, codes):
        """Count a block in which the items of `codes` (distinct) are; return the chance of each."""
        self.step += 1
        self.gaps[codes] += self.rate * (self.step - self.last[codes] - self.gaps[codes])
        self.last[codes] = self.step
        return 1.0 / np.maximum(self.gaps[codes], 1.0)


class InBatchSampler(BaseSampler):
    r"""The positives of the other users of a block, for :class:`~skrec.TwoTowerRetriever`.

    They cost nothing to draw, and come in proportion to their popularity, for which the softmax losses are corrected.

    Parameters
    ----------
    logq_correction : bool, default=True
        Whether a candidate's logit is lowered by the logarithm of how often it is expected in a block, so that the sum
        over the candidates estimates the sum over the catalogue. Without, popular items are pushed down more often than
        others. Of the losses, those with a softmax over a user's scores are corrected.
    remove_accidental_hits : bool, default=True
        Whether a candidate that is one of the user's own positives is no negative for this user. With False it is one
        as often as other users of the block have brought it along.
    frequency : {"count", "streaming"}, default="count"
        Where expectations come from: the interactions counted beforehand, or a running mean of the blocks between two
        sightings of an item, which follows a stream whose popularities change. It starts anew with each call of `fit`
        and `partial_fit`.
    streaming_rate : float, default=0.01
        Weight of a new gap in the running mean.

    Attributes
    ----------
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    Notes
    -----
    Of a block with more positives than the estimator's `n_negatives`, so many are taken at random. With k users of n in
    a block, an item that c users have is expected :math:`c (k - 1) / (n - 1)` times beside a given user. An item that
    nobody has is never drawn. The positive's own logit is not corrected, as the positive is not drawn but always there
    (Khrylchenko et al.); Yi et al. correct it, which is right where the positive is one draw like the others.

    The running mean estimates the chance that an item is in a block at all; what an item weighs that is there does then
    not depend on the number of its copies. Unlike Yi et al.'s it does not hash items, and starts at the mean gap of the
    first block instead of at a constant.

    References
    ----------
    Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019. Khrylchenko
    et al., "Correcting the logQ correction", RecSys 2025, arXiv:2507.09331.

    Examples
    --------
    >>> from skrec.samplers import InBatchSampler, MixedSampler, UniformSampler
    >>> sampler = InBatchSampler().fit([[1, 1, 0], [0, 1, 0], [0, 1, 0]])
    >>> sampler.sampling_probability([0, 1, 2])
    array([0.25, 0.75, 0.  ])
    >>> mixed = MixedSampler([("batch", InBatchSampler(), 1), ("any", UniformSampler(), 1)])
    """

    def __init__(self, logq_correction=True, remove_accidental_hits=True, frequency="count", streaming_rate=0.01):
        self.logq_correction = logq_correction
        self.remove_accidental_hits = remove_accidental_hits
        self.frequency = frequency
        self.streaming_rate = streaming_rate

    def _check_parameters(self):
        for name in ("logq_correction", "remove_accidental_hits"):
            check_parameter(self, name, isinstance(getattr(self, name), (bool, np.bool_)), "a bool")
        good = isinstance(self.frequency, str) and self.frequency in ("count", "streaming")
        check_parameter(self, "frequency", good, "one of 'count' and 'streaming'")
        good = is_real(self.streaming_rate, 0) and 0 < self.streaming_rate <= 1
        check_parameter(self, "streaming_rate", good, "a number above 0 and at most 1")

    def _fit_tables(self, matrix):
        self._stream = None

    @property
    def _excludes(self):
        return int(self.remove_accidental_hits)

    def _law(self):
        counts = count_positives(self.matrix_)
        return counts / max(counts.sum(), 1)

    def _make_state(self, partition, loss):
        raise ValueError(
            "InBatchSampler draws for a block of users at once, and not one negative for each positive: give it to "
            "TwoTowerRetriever, or use PopularitySampler(alpha=1.0), whose law is the same."
        )

    def _draw_shared(self, n, block, rng):
        if len(block.items) <= n:
            return block.items
        return rng.choice(block.items, n, replace=False, shuffle=False)

    def _expected_counts(self, codes, n, block):
        if not self.logq_correction:
            return None
        taken = min(1.0, n / len(block.items))
        if self.frequency == "count":
            return block.counts[codes] * (block.share * taken)
        items, copies = np.unique(block.items, return_counts=True)
        if self._stream is None:
            start = self.n_features_in_ / len(items)
            self._stream = StreamingFrequency(self.n_features_in_, self.streaming_rate, start)
        expected = np.zeros(self.n_features_in_)
        expected[items] = self._stream.update(items) * copies * taken
        return expected[codes]

    def _hit_shift(self, codes, times, block):
        if self.remove_accidental_hits:
            return super()._hit_shift(codes, times, block)
        from skrec._kernels._block import NEVER

        return np.where(times > 1, np.log(np.maximum(times - 1, 1) / times), NEVER).astype(np.float32)
