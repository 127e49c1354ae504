"""A sampler that draws as another does and counts what is drawn in training."""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from skrec._kernels._sampling import draw
from skrec.samplers import BaseSampler, draw_uniform, register_draw, score

# Uniform items that each drawn one is compared with.
N_COMPARED = 8
DRAWS, HITS, CHANCE, LOWER, COMPARED = range(5)


class RecordedState(NamedTuple):
    """The state of the sampler that is recorded, what counts as a hit, and the counts."""

    excludes: int
    inner: tuple
    hidden: np.ndarray  # (n_users, n_items) bool
    chance: np.ndarray  # (n_users,) float64: that a uniform draw hits
    totals: np.ndarray  # (5,) float64


@register_draw(RecordedState, scores_positive=True)
def draw_recorded(state, u, i, s_pos, pool, model, rng):
    """Draw, count, and estimate the rank of what was drawn at this moment."""
    position, weight = draw(state.inner, u, i, s_pos, pool, model, rng)
    if position >= 0:
        item = pool.items[pool.start + position]
        own = score(model, u, pool, position)
        state.totals[DRAWS] += 1
        state.totals[HITS] += state.hidden[u, item]
        state.totals[CHANCE] += state.chance[u]
        for _ in range(N_COMPARED):
            other = draw_uniform(pool, rng)
            if other != position:
                state.totals[COMPARED] += 1
                state.totals[LOWER] += score(model, u, pool, other) < own
    return position, weight


class RecordedSampler(BaseSampler):
    """`sampler`, with its draws counted, and how many hit the pairs of ids in `hidden`. For fits on one thread."""

    def __init__(self, sampler, hidden):
        self.sampler = sampler
        self.hidden = hidden

    def _fit_ids(self, matrix, user_ids, item_ids):
        self.sampler_ = clone(self.sampler).fit(matrix, user_ids=user_ids, item_ids=item_ids)
        rows, columns = np.searchsorted(user_ids, self.hidden[:, 0]), np.searchsorted(item_ids, self.hidden[:, 1])
        self.is_hidden_ = np.zeros(matrix.shape, bool)
        self.is_hidden_[rows, columns] = True
        self.chance_ = self.is_hidden_.sum(axis=1) / np.maximum(matrix.shape[1] - np.diff(matrix.indptr), 1)
        self.totals_ = np.zeros(5)

    @property
    def _max_blocks(self):
        return self.sampler_._max_blocks

    @property
    def _scratch_size(self):
        return self.sampler_._scratch_size

    def _begin_epoch(self, *arguments):
        self.sampler_._begin_epoch(*arguments)

    def _make_state(self, partition, loss):
        inner = self.sampler_._make_state(partition, loss)
        return RecordedState(inner.excludes, inner, self.is_hidden_, self.chance_, self.totals_)

    @property
    def hardness_(self):
        """Share of uniform items that score lower than the drawn one when it is drawn."""
        return self.totals_[LOWER] / self.totals_[COMPARED]

    @property
    def lift_(self):
        """How many hidden items were drawn, over how many a uniform draw would have."""
        return self.totals_[HITS] / self.totals_[CHANCE]
