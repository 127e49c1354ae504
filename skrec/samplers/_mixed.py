"""Weighted mixtures of samplers."""

import copy

import numpy as np
from sklearn.base import clone

from skrec.samplers._base import BaseSampler
from skrec.utils._sklearn_compat import BaseComposition
from skrec.utils._validation import check_parameter, is_real


class Mixture(BaseSampler):
    """What samplers that choose one of several have in common: fitted, these are `samplers_`, each with its share."""

    def _given(self):
        """Return the samplers that were given, unfitted, each with its name and share."""
        raise NotImplementedError

    def _fit_ids(self, matrix, user_ids, item_ids):
        self.samplers_ = [
            (name, clone(sampler).fit(matrix, user_ids=user_ids, item_ids=item_ids), share)
            for name, sampler, share in self._given()
        ]

    def _begin_epoch(self, model, epoch, rng, partition, run):
        for _, sampler, _ in self.samplers_:
            sampler._begin_epoch(model, epoch, rng, partition, run)

    def _leaves(self):
        """Yield each fitted sampler and its share; mixtures within are taken apart: a kernel cannot nest them."""
        total = sum(share for _, _, share in self.samplers_)
        for _, sampler, share in self.samplers_:
            if isinstance(sampler, Mixture):
                for leaf, own_share in sampler._leaves():
                    yield leaf, own_share * share / total
            else:
                yield sampler, share / total

    @property
    def _parts(self):
        return [sampler for sampler, _ in self._leaves()]

    @property
    def _max_blocks(self):
        limits = [part._max_blocks for part in self._parts if part._max_blocks is not None]
        return min(limits, default=None)

    @property
    def _scratch_size(self):
        return max(part._scratch_size for part in self._parts)

    @property
    def _reads_model(self):
        return any(part._reads_model for part in self._parts)

    @property
    def _in_python(self):
        return any(part._in_python for part in self._parts)

    @property
    def _excludes(self):
        bits = 0
        for part in self._parts:
            bits |= part._excludes
        return bits

    def _as_sampled(self, model, rng, partition):
        sampler = copy.copy(self)
        sampler.samplers_ = [
            (name, part._as_sampled(model, rng, partition), share) for name, part, share in self.samplers_
        ]
        return sampler

    def _carry_over(self, old, users, items):
        if isinstance(old, Mixture):
            before = {name: part for name, part, _ in old.samplers_}
            for name, part, _ in self.samplers_:
                if name in before:
                    part._carry_over(before[name], users, items)

    def _shares(self):
        return np.array([share for _, share in self._leaves()], dtype=np.float64)

    def _law(self):
        laws = [part._law() for part in self._parts]
        if any(law is None for law in laws):
            return None
        return self._shares() @ np.array(laws)

    def _admitted_law(self, items, users, excluded):
        # The draw is repeated within the sampler that was chosen, so that shares hold after exclusion too.
        return self._shares() @ np.array([part._admitted_law(items, users, excluded) for part in self._parts])

    def _make_state(self, partition, loss):
        from skrec._kernels._sampling import MixedState

        states = tuple(part._make_state(partition, loss) for part in self._parts)
        cursor = np.zeros(int(self._in_python), np.int64)
        return MixedState(self._excludes, np.cumsum(self._shares()), states, cursor)

    def _refill(self, state, users, positives, rng, cursor):
        if not self._in_python:
            return state
        parts = zip(self._parts, state.states, strict=True)
        states = tuple(part._refill(own, users, positives, rng, cursor) for part, own in parts)
        return state._replace(states=states, cursor=cursor)


class MixedSampler(BaseComposition, Mixture):
    """Draw each negative from one of several samplers, chosen with fixed shares.

    Parameters
    ----------
    samplers : list of (str, sampler, float)
        Name, sampler and share of each. Shares are 0 or more and are divided by their sum. Parameters are set by name,
        as in :class:`~sklearn.ensemble.VotingClassifier`: ``hard__n_candidates``. The share of the sampler called
        "hard" is the parameter ``hard_share``.

    Attributes
    ----------
    samplers_ : list of (str, sampler, float)
        Fitted clones.
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on.

    Notes
    -----
    A sampler that has no negative for a user passes on to the next in the list (after the last, the first). What is
    never drawn is what at least one of the samplers excludes.

    Of the negatives that a block of users shares, each sampler draws its share, and how often an item is to be expected
    adds up over them. With :class:`InBatchSampler` and :class:`UniformSampler` that is mixed negative sampling (Yang et
    al.).

    References
    ----------
    Yang et al., "Mixed negative sampling for learning two-tower neural networks in recommendations", WWW 2020
    companion.

    Examples
    --------
    >>> from skrec.samplers import DynamicSampler, MixedSampler, UniformSampler
    >>> mixed = MixedSampler([("easy", UniformSampler(), 0.5), ("hard", DynamicSampler(), 0.5)])
    >>> mixed.set_params(hard__n_candidates=20, hard_share=0.01).get_params()["hard__n_candidates"]
    20
    >>> mixed.samplers[1]
    ('hard', DynamicSampler(n_candidates=20), 0.01)
    """

    def __init__(self, samplers):
        self.samplers = samplers

    def get_params(self, deep=True):
        """Return the parameters, those of the samplers and their shares under their names.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return the parameters of the samplers too.

        Returns
        -------
        dict
        """
        params = {"samplers": self.samplers}
        if deep:
            for name, sampler, share in self._given():
                params[name], params[f"{name}_share"] = sampler, share
                params.update({f"{name}__{key}": value for key, value in sampler.get_params(deep=True).items()})
        return params

    def set_params(self, **params):
        """Set parameters, of samplers by ``name__parameter``; ``name`` replaces a sampler, ``name_share`` its share.

        Parameters
        ----------
        **params : dict
            Parameters and their values.

        Returns
        -------
        self : object
        """
        if "samplers" in params:
            self.samplers = params.pop("samplers")
        own = {key for name, _, _ in self._given() for key in (name, f"{name}_share")}
        replaced = {key: params.pop(key) for key in list(params) if key in own}
        if replaced:
            self.samplers = [
                (name, replaced.get(name, sampler), replaced.get(f"{name}_share", share))
                for name, sampler, share in self.samplers
            ]
        BaseSampler.set_params(self, **params)
        return self

    def _given(self):
        try:
            return [(name, sampler, share) for name, sampler, share in self.samplers]
        except (TypeError, ValueError):
            return []

    def _check_parameters(self):
        triples = self._given()
        names = [name for name, _, _ in triples]
        good = (
            bool(triples)
            and all(hasattr(sampler, "_make_state") and is_real(share, 0) for _, sampler, share in triples)
            and sum(share for _, _, share in triples) > 0
        )
        check_parameter(self, "samplers", good, "a list of (name, sampler, share of at least 0), one share above 0")
        self._validate_names([*names, *(f"{name}_share" for name in names)])

    def _draw_shared(self, n, block, rng):
        parts = zip(self._parts, self._parts_of(n), strict=True)
        return np.concatenate([part._draw_shared(own, block, rng) for part, own in parts])

    def _expected_counts(self, codes, n, block):
        parts = zip(self._parts, self._parts_of(n), strict=True)
        expected = [part._expected_counts(codes, own, block) for part, own in parts if own]
        return None if any(own is None for own in expected) else np.sum(expected, axis=0)

    def _hit_shift(self, codes, times, block):
        return np.min([part._hit_shift(codes, times, block) for part in self._parts], axis=0)

    def _parts_of(self, n):
        """Divide `n` shared draws among the samplers."""
        return np.diff(np.rint(np.cumsum(self._shares()) * n).astype(np.int64), prepend=0)
