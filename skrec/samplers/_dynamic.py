"""Hard negatives by the scores of the model in training."""

import numpy as np

from skrec.samplers._base import BaseSampler
from skrec.utils._validation import check_parameter, is_integer


class DynamicSampler(BaseSampler):
    """One of the best scored of several uniform candidates: DNS(M, N).

    Parameters
    ----------
    n_candidates : int, default=5
        N, candidates drawn uniformly with replacement for each step. 1 is uniform sampling.
    top_m : int, default=1
        M, the negative is one of the M best scored candidates, each as likely; at most `n_candidates`, where it is
        uniform sampling.
    exclude_positives, exclude_explicit : bool, default=True
        Whether the user's positives, and explicit negatives, are never candidates.

    Attributes
    ----------
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    Notes
    -----
    Cost: N scores a step. The paper weights the M hardest 1/M each; drawing one of them has the same expectation.
    Candidates come from the block of items of the step, a uniform sample of the catalogue, which leaves the law as it
    is.

    References
    ----------
    Zhang et al., "Optimizing top-n collaborative filtering via dynamic negative item sampling", SIGIR 2013 (M = 1); Shi
    et al., "On the theories behind hard negative sampling for recommendation", WWW 2023, algorithm 1.

    Examples
    --------
    >>> from skrec.samplers import DynamicSampler
    >>> DynamicSampler(n_candidates=10, top_m=2).get_params()["top_m"]
    2
    """

    _reads_model = True

    def __init__(self, n_candidates=5, top_m=1, exclude_positives=True, exclude_explicit=True):
        self.n_candidates = n_candidates
        self.top_m = top_m
        self.exclude_positives = exclude_positives
        self.exclude_explicit = exclude_explicit

    def _check_parameters(self):
        super()._check_parameters()
        check_parameter(self, "n_candidates", is_integer(self.n_candidates, 1), "an int of at least 1")
        allowed = is_integer(self.top_m, 1) and self.top_m <= self.n_candidates
        check_parameter(self, "top_m", allowed, f"an int from 1 to n_candidates={self.n_candidates}")

    @property
    def _scratch_size(self):
        return self.top_m

    def _make_state(self, partition, loss):
        from skrec._kernels._sampling import DynamicState

        return DynamicState(self._excludes, int(self.n_candidates), int(self.top_m))


class WARPSampler(BaseSampler):
    """The first of several uniform draws that violates the margin, weighted by the rank that this implies.

    Parameters
    ----------
    max_sampled : int, default=10
        Most draws for a positive. Where none violates the margin the positive is ranked well enough, and the step is
        skipped.
    exclude_positives, exclude_explicit : bool, default=True
        Whether the user's positives, and explicit negatives, are never taken. A violator that may not be taken counts
        as a draw.

    Attributes
    ----------
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    Notes
    -----
    An item j violates when ``s_j > s_pos - margin``, with the margin of the estimator's loss (1 where it has none).
    After T draws the rank is estimated by ``floor((n_items - 1) / T)`` and the step is weighted by ``sum(1 / k for k in
    1..rank)`` over its value at the largest rank, so that weights lie in (0, 1] and a learning rate means the same as
    with other samplers. (The paper leaves this constant factor to the learning rate.) Cost: T scores a step, T growing
    as training succeeds.

    References
    ----------
    Weston, Bengio and Usunier, "WSABIE: scaling up to large vocabulary image annotation", IJCAI 2011, section 3 and
    algorithm 1.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.samplers import WARPSampler
    >>> TripletMF(sampler=WARPSampler(max_sampled=20)).get_params()["sampler__max_sampled"]
    20
    """

    _reads_model = True

    def __init__(self, max_sampled=10, exclude_positives=True, exclude_explicit=True):
        self.max_sampled = max_sampled
        self.exclude_positives = exclude_positives
        self.exclude_explicit = exclude_explicit

    def _check_parameters(self):
        super()._check_parameters()
        check_parameter(self, "max_sampled", is_integer(self.max_sampled, 1), "an int of at least 1")

    def _make_state(self, partition, loss):
        from skrec._kernels._sampling import WARPState

        largest = max(self.n_features_in_ - 1, 1)
        harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, largest + 1))])
        draws = np.arange(1, self.max_sampled + 1)
        weight = harmonic[np.maximum(largest // draws, 1)] / harmonic[largest]
        return WARPState(self._excludes, float(getattr(loss, "margin", 1.0)), np.concatenate([[0.0], weight]))
