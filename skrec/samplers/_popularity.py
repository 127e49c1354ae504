"""Negatives in proportion to a power of their popularity."""

import numpy as np

from skrec.samplers._base import BaseSampler
from skrec.utils._validation import check_parameter, count_positives, is_real

# Within a block the law is renormalised, and an item of share p is drawn about (n_blocks - 1) * p too seldom: keep that
# below this.
_BIAS = 0.05


class PopularitySampler(BaseSampler):
    """Items in proportion to ``count ** alpha``, count being their number of positives.

    Parameters
    ----------
    alpha : float, default=0.75
        Exponent, 0 or more. 0 is uniform, 1 the law of the interactions themselves (what implicit's and LightFM's BPR,
        and in-batch negatives, draw by construction). An item without a positive counts as one with half a positive.
    exclude_positives, exclude_explicit : bool, default=True
        Whether the user's positives, and explicit negatives, are never drawn.

    Attributes
    ----------
    prob_ : ndarray of shape (n_items,), float64
        Probability of each item before exclusion.
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    Notes
    -----
    Drawn from alias tables (Walker 1977) in constant time, one table for each block of items that an epoch is cut into.
    Renormalised in a block, an item of share p comes up about (n_blocks - 1) p too seldom, relatively; there are never
    more blocks than keep this below 5 %. Negatives that a block of users shares are drawn with replacement.

    References
    ----------
    Mikolov et al., "Distributed representations of words and phrases and their compositionality", NIPS 2013, section
    2.2 (exponent 3/4).

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.samplers import PopularitySampler
    >>> seen = np.zeros((16, 2))
    >>> seen[0, 0] = 1
    >>> seen[:, 1] = 1
    >>> PopularitySampler(alpha=0.75).fit(seen).prob_.round(4)
    array([0.1111, 0.8889])
    """

    def __init__(self, alpha=0.75, exclude_positives=True, exclude_explicit=True):
        self.alpha = alpha
        self.exclude_positives = exclude_positives
        self.exclude_explicit = exclude_explicit

    def _check_parameters(self):
        super()._check_parameters()
        check_parameter(self, "alpha", is_real(self.alpha, 0), "a finite number of at least 0")

    def _fit_tables(self, matrix):
        mass = np.maximum(count_positives(matrix), 0.5) ** float(self.alpha)
        self.prob_ = mass / mass.sum()
        self._cumulative = np.cumsum(self.prob_)

    @property
    def _max_blocks(self):
        return 1 + int(_BIAS / self.prob_.max())

    def _law(self):
        return self.prob_

    def _make_state(self, partition, loss):
        from skrec._kernels._sampling import AliasState, build_block_aliases

        n_items = len(self.prob_)
        prob, alias = np.empty(n_items), np.empty(n_items, np.int32)
        build_block_aliases(self.prob_, partition, np.empty(n_items), np.empty(n_items, np.int32), prob, alias)
        return AliasState(self._excludes, prob, alias)

    def _draw_shared(self, n, block, rng):
        # The last sum may fall short of 1 by rounding.
        return np.searchsorted(self._cumulative[:-1], rng.random(n), side="right")

    def _expected_counts(self, codes, n, block):
        return n * self.prob_[codes]
