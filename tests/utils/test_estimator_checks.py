"""Every sampler of the package passes the checks that it asks of others; broken ones fail the check that is theirs."""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.base import clone

from skrec import samplers
from skrec.samplers import (
    BaseSampler,
    MixedSampler,
    UniformSampler,
    any_admitted,
    draw_uniform,
    next_below,
    register_draw,
    score,
)
from skrec.utils.estimator_checks import check_sampler, parametrize_with_sampler_checks, sampler_checks_generator

sys.path.insert(0, str(Path(__file__).parents[1] / "samplers"))
from outside.own import LowSampler, NextItemSampler  # noqa: E402

# InBatchSampler serves blocks of users alone: it has no draw for a triplet, and says so there.
WITHOUT_DRAW = {"BaseSampler", "InBatchSampler"}
# Lists of rejected items, of users and items that are not all in the data.
PAIRS = np.column_stack([np.repeat(np.arange(50), 8), np.random.default_rng(0).integers(0, 35, 400)])
PARAMETERS = {
    "MixedSampler": {"samplers": [("easy", UniformSampler(), 0.3), ("hard", samplers.DynamicSampler(3), 0.7)]},
    "RankBandSampler": {"first": 3, "last": 12, "n_scored": 20},
    "RejectedSampler": {"rejected": PAIRS},
}
CLASSES = {
    name: getattr(samplers, name)
    for name in samplers.__all__
    if isinstance(vars(samplers).get(name), type) and issubclass(getattr(samplers, name), BaseSampler)
}
OURS = [made(**PARAMETERS.get(name, {})) for name, made in CLASSES.items() if name not in WITHOUT_DRAW]


@parametrize_with_sampler_checks([*OURS, NextItemSampler(), LowSampler()])
def test_samplers_keep_what_they_promise(sampler, check):
    check(sampler)


def test_the_suite_knows_every_sampler_of_the_package():
    assert len(OURS) >= 10
    assert {type(sampler).__name__ for sampler in OURS} == CLASSES.keys() - WITHOUT_DRAW


class Converts(UniformSampler):
    def __init__(self, exclude_positives=True, exclude_explicit=True):
        super().__init__(bool(exclude_positives), exclude_explicit)
        self.fitted = False


class Unchecked(BaseSampler):
    def __init__(self, share=0.5):
        self.share = share

    def draw_block(self, users, positives, rng):
        return rng.integers(self.n_features_in_, size=len(users))


class GlobalGenerator(BaseSampler):
    def draw_block(self, users, positives, rng):
        return np.random.randint(self.n_features_in_, size=len(users))  # noqa: NPY002


class OtherLaw(UniformSampler):
    def _law(self):
        law = np.arange(1.0, self.n_features_in_ + 1)
        return law / law.sum()


class EveryState(NamedTuple):
    excludes: int


@register_draw(EveryState)
def draw_every(state, u, i, s_pos, pool, model, rng):
    return next_below(rng, pool.size), 1.0


class DrawsTheExcluded(BaseSampler):
    def _make_state(self, partition, loss):
        return EveryState(self._excludes)


class FirstState(NamedTuple):
    excludes: int


@register_draw(FirstState)
def draw_first(state, u, i, s_pos, pool, model, rng):
    position = any_admitted(pool, rng)
    return max(position, np.int64(0)), 1.0


class NeverNone(BaseSampler):
    def _make_state(self, partition, loss):
        return FirstState(self._excludes)


class HiddenState(NamedTuple):
    excludes: int


@register_draw(HiddenState, reads_model=False)
def draw_hidden(state, u, i, s_pos, pool, model, rng):
    first, other = draw_uniform(pool, rng), draw_uniform(pool, rng)
    if min(first, other) < 0 or score(model, u, pool, first) >= 0.0:
        return first, 1.0
    return other, 1.0


class ReadsInSecret(BaseSampler):
    def _make_state(self, partition, loss):
        return HiddenState(self._excludes)


@pytest.mark.parametrize(
    ("sampler", "check"),
    [
        (Converts(), "check_sampler_parameters"),
        (Unchecked(), "check_sampler_bad_parameters"),
        (GlobalGenerator(), "check_sampler_seed"),
        (OtherLaw(), "check_sampler_law"),
        (DrawsTheExcluded(), "check_sampler_exclusion"),
        (NeverNone(), "check_sampler_user_with_every_item"),
        (ReadsInSecret(), "check_sampler_reads_model"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseSampler) else value,
)
def test_a_broken_sampler_fails_the_check_that_is_about_it(sampler, check):
    (wanted,) = (one for _, one in sampler_checks_generator(sampler) if one.__name__ == check)
    with pytest.raises((AssertionError, ValueError)):
        wanted(clone(sampler))
    with pytest.raises((AssertionError, ValueError)):
        check_sampler(sampler)


def test_all_checks_run_and_are_named():
    names = check_sampler(MixedSampler([("easy", UniformSampler(), 1.0)]))
    assert len(names) == len(set(names)) >= 15 and all(name.startswith("check_sampler_") for name in names)
    assert all(check.__doc__ for _, check in sampler_checks_generator(UniformSampler()))
