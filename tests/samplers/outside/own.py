"""A sampler in plain Python, a sampler in Numba and a loss in Numba."""

from typing import NamedTuple

import numpy as np

from skrec.losses import BaseLoss
from skrec.samplers import BaseSampler, is_excluded, next_below, register_draw, register_loss


class NextItemSampler(BaseSampler):
    """The item after the positive (plain Python); -1 after the last. Records what it was asked for."""

    def draw_block(self, users, positives, rng):
        self.asked_ = [*getattr(self, "asked_", []), (users.copy(), positives.copy())]
        following = positives + 1
        return np.where(following < self.n_features_in_, following, -1)


class OwnItemSampler(BaseSampler):
    """Item u for user u (plain Python): shows whose negative is whose."""

    def draw_block(self, users, positives, rng):
        return users


class LowState(NamedTuple):
    excludes: int
    below: int


@register_draw(LowState)
def draw_low(state, u, i, s_pos, pool, model, rng):
    for _ in range(100):
        position = next_below(rng, min(state.below, pool.size))
        if not is_excluded(pool, position):
            return position, 0.5
    return np.int64(-1), 0.5


class LowSampler(BaseSampler):
    """One of the first `below` items, with half the weight (Numba)."""

    _max_blocks = 1

    def __init__(self, below=3):
        self.below = below

    def _check_parameters(self):
        if not isinstance(self.below, int):
            raise ValueError(f"below must be an int. Got {self.below!r} instead.")

    def _make_state(self, partition, loss):
        return LowState(self._excludes, self.below)


class SquaredState(NamedTuple):
    target: float


@register_loss(SquaredState)
def squared(state, s_pos, s_neg):
    x = s_pos - s_neg - state.target
    return 0.5 * x * x, x, -x


class SquaredLoss(BaseLoss):
    """(s_pos - s_neg - target)^2 / 2 (Numba)."""

    def __init__(self, target=1.0):
        self.target = target

    def _make_state(self):
        return SquaredState(float(self.target))
