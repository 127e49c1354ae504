"""Negatives whose hardness goes by how well the positive is ranked already."""

from skrec.samplers._base import BaseSampler
from skrec.utils._validation import check_parameter, is_integer, is_real


class HardnessAdaptiveSampler(BaseSampler):
    """The one of several uniform candidates that is as hard as the positive is weak: AHNS.

    Parameters
    ----------
    n_candidates : int, default=5
        Candidates drawn uniformly with replacement for each step. The paper takes 16 or 32, at the cost of as many
        scores.
    alpha : float, default=0.1
        Added to the positive's score.
    beta : float, default=0.4
        Factor of the target, 0 or more. With 0 the candidate whose score is nearest to 0 is drawn.
    p : float, default=-2.0
        The target falls with the power ``p + 1`` of the positive's score; below -1.
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
    Of the candidates j the one with the least ``abs(s_j - beta * (s_pos + alpha) ** (p + 1))`` is drawn: a hard one
    while the positive scores low, when there is much to learn, an easier one later, when what scores high is likely to
    be a false negative. The formula needs ``s_pos + alpha > 0``, of which the paper says nothing: where it is not, the
    target is far above all scores and the hardest candidate is drawn. The scale of the scores matters: `alpha` and
    `beta` are the paper's for MovieLens 1M, where it took dot products of vectors that start small. Of cosines, with
    these, positives up to 0.53 get candidates above themselves.

    Cost: `n_candidates` scores a step. Candidates come from the block of items of the step, a uniform sample of the
    catalogue, which leaves the law as it is.

    References
    ----------
    Lai et al., "Adaptive hardness negative sampling for collaborative filtering", AAAI 2024.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.samplers import HardnessAdaptiveSampler
    >>> TripletMF(sampler=HardnessAdaptiveSampler(beta=0.2)).get_params()["sampler__beta"]
    0.2
    """

    _reads_model = True

    def __init__(self, n_candidates=5, alpha=0.1, beta=0.4, p=-2.0, exclude_positives=True, exclude_explicit=True):
        self.n_candidates = n_candidates
        self.alpha = alpha
        self.beta = beta
        self.p = p
        self.exclude_positives = exclude_positives
        self.exclude_explicit = exclude_explicit

    def _check_parameters(self):
        super()._check_parameters()
        check_parameter(self, "n_candidates", is_integer(self.n_candidates, 1), "an int of at least 1")
        check_parameter(self, "alpha", is_real(self.alpha, -float("inf")), "a finite number")
        check_parameter(self, "beta", is_real(self.beta, 0), "a finite number of at least 0")
        check_parameter(self, "p", is_real(self.p, -float("inf")) and self.p < -1, "a finite number below -1")

    def _make_state(self, partition, loss):
        from skrec._kernels._hard import HardnessState

        return HardnessState(
            self._excludes, int(self.n_candidates), float(self.alpha), float(self.beta), float(self.p) + 1.0
        )
