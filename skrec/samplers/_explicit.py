"""The user's own explicit negatives."""

from skrec.samplers._base import BaseSampler


class ExplicitSampler(BaseSampler):
    """The user's own explicit negatives (rows with ``y <= 0``), each as likely.

    A user without any has no negative, and the step is skipped: mix it with another sampler by :class:`MixedSampler`,
    where the others then step in, unless only the users with explicit negatives shall be learnt from.

    Attributes
    ----------
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    Notes
    -----
    Needs the whole catalogue at once (a user's few explicit negatives lie in any block of items), so that an epoch runs
    on one thread.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from skrec.samplers import ExplicitSampler
    >>> rows = csr_array([[1, -1, 0, -1], [1, 0, 0, 0]])
    >>> sampler = ExplicitSampler().fit(rows)
    >>> sorted(set(sampler.sample([0], n_samples=100, random_state=0).ravel().tolist()))
    [1, 3]
    >>> sampler.sample([1]).tolist()
    [[-1]]
    """

    _max_blocks = 1
    _excludes = 1  # the positives

    def _make_state(self, partition, loss):
        from skrec._kernels._sampling import ExplicitState

        return ExplicitState(self._excludes)
