"""Uniform negatives."""

import numpy as np

from skrec.samplers._base import BaseSampler


class UniformSampler(BaseSampler):
    """Any item with the same probability.

    Parameters
    ----------
    exclude_positives : bool, default=True
        Whether the user's positives are never drawn. Where they may be, a positive drawn as its own negative is no
        step.
    exclude_explicit : bool, default=True
        Whether the user's explicit negatives are never drawn: unobserved items only. False admits them to the pool;
        :class:`ExplicitSampler` draws nothing else.

    Attributes
    ----------
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    Notes
    -----
    A draw that hits an excluded item is repeated, which keeps the law uniform over the rest; a user with nothing left
    has no negative, and the step is skipped. Cost: one generator step and, for a user who has seen the share f of the
    items, 1 / (1 - f) tests. Negatives that a block of users shares are drawn without replacement: as many as there are
    items are the whole catalogue.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from skrec.samplers import UniformSampler
    >>> seen = csr_array([[1, 1, 0, 0], [0, 0, 0, 1]])
    >>> sampler = UniformSampler().fit(seen)
    >>> sampler.sampling_probability([0, 1, 2, 3], users=[0, 0, 0, 0])
    array([0. , 0. , 0.5, 0.5])
    >>> bool((sampler.sample([0], n_samples=100, random_state=0) >= 2).all())
    True
    """

    def __init__(self, exclude_positives=True, exclude_explicit=True):
        self.exclude_positives = exclude_positives
        self.exclude_explicit = exclude_explicit

    def _law(self):
        return np.full(self.n_features_in_, 1.0 / self.n_features_in_)

    def _make_state(self, partition, loss):
        from skrec._kernels._sampling import UniformState

        return UniformState(self._excludes)

    def _draw_shared(self, n, block, rng):
        n_items = self.n_features_in_
        return np.arange(n_items) if n >= n_items else rng.choice(n_items, n, replace=False, shuffle=False)

    def _expected_counts(self, codes, n, block):
        return np.full(len(codes), min(1.0, n / self.n_features_in_))
