"""Easy negatives first, hard ones as training goes on."""

from skrec.samplers._dynamic import DynamicSampler
from skrec.samplers._mixed import Mixture
from skrec.samplers._uniform import UniformSampler
from skrec.utils._validation import check_parameter, is_real


class CurriculumSampler(Mixture):
    """Easy negatives, and from epoch to epoch more hard ones: PinSage's curriculum.

    Parameters
    ----------
    easy : sampler or None, default=None
        Draws the easy ones. None: :class:`UniformSampler`.
    hard : sampler or None, default=None
        Draws the hard ones. None: :class:`DynamicSampler`.
    n_easy : float, default=100
        Easy negatives, above 0, beside which epoch e (1 the first) has e - 1 hard ones. Small numbers raise the share
        of hard negatives sooner: it reaches a half in epoch ``n_easy + 1``.

    Attributes
    ----------
    samplers_ : list of (str, sampler, float)
        Fitted clones and their shares in the last epoch.
    epoch_ : int
        Epochs before the last that it was used in: also how many hard negatives that one had for `n_easy` easy ones.
        0 before training. Counts on in `partial_fit`.
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    See Also
    --------
    MixedSampler : Shares that stay what they are.

    Notes
    -----
    The paper has 500 easy negatives for each batch and e - 1 hard ones for each query; here each positive has one
    negative, which is hard with the share ``(e - 1) / (n_easy + e - 1)``. With 100 the second epoch has the hundred
    easy negatives a hard one that other work has found best, and the sixtieth 37 % hard ones. A sampler that has no
    negative for a user passes on to the other.

    References
    ----------
    Ying et al., "Graph convolutional neural networks for web-scale recommender systems", KDD 2018, section 3.3.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.datasets import make_interactions
    >>> from skrec.samplers import CurriculumSampler, DynamicSampler
    >>> X, y = make_interactions(return_X_y=True, random_state=0)
    >>> sampler = CurriculumSampler(hard=DynamicSampler(n_candidates=20), n_easy=10)
    >>> model = TripletMF(n_components=16, sampler=sampler, max_iter=11, random_state=0).fit(X, y)
    >>> [(name, share) for name, _, share in model.sampler_.samplers_]
    [('easy', 0.5), ('hard', 0.5)]
    """

    def __init__(self, easy=None, hard=None, n_easy=100):
        self.easy = easy
        self.hard = hard
        self.n_easy = n_easy

    def _check_parameters(self):
        for name in ("easy", "hard"):
            sampler = getattr(self, name)
            check_parameter(self, name, sampler is None or hasattr(sampler, "_make_state"), "a sampler or None")
        check_parameter(self, "n_easy", is_real(self.n_easy, 0) and self.n_easy > 0, "a finite number above 0")

    def _given(self):
        easy = UniformSampler() if self.easy is None else self.easy
        hard = DynamicSampler() if self.hard is None else self.hard
        return [("easy", easy, 1.0), ("hard", hard, 0.0)]

    def _fit_ids(self, matrix, user_ids, item_ids):
        super()._fit_ids(matrix, user_ids, item_ids)
        self.epoch_ = 0

    def _begin_epoch(self, model, epoch, rng, partition, run):
        self.epoch_ = epoch
        hard = epoch / (self.n_easy + epoch)
        self.samplers_ = [
            (name, sampler, share) for (name, sampler, _), share in zip(self.samplers_, (1.0 - hard, hard), strict=True)
        ]
        super()._begin_epoch(model, epoch, rng, partition, run)
