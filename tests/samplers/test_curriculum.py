"""The share of hard negatives grows as PinSage's does."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from skrec import TripletMF
from skrec.samplers import (
    BaseSampler,
    CurriculumSampler,
    DynamicSampler,
    MixedSampler,
    RejectedSampler,
    UniformSampler,
    WARPSampler,
)


class Constant(BaseSampler):
    """Item 0 or 1 (plain Python), so that draws tell who drew."""

    def __init__(self, item=0):
        self.item = item

    def draw_block(self, users, positives, rng):
        return np.full(len(users), self.item)


def pairs():
    """Users who like none of items 0 and 1; two more who put these in the catalogue."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.repeat(np.arange(60), 5), 2 + np.argsort(rng.random((60, 20)), axis=1)[:, :5].ravel()])
    return np.vstack([X, [[60, 0], [61, 1]]])


def test_epoch_e_has_e_less_one_hard_negatives_beside_the_easy_ones():
    for n_epochs in (1, 2, 5):
        sampler = CurriculumSampler(n_easy=8)
        fitted = TripletMF(n_components=2, max_iter=n_epochs, sampler=sampler, random_state=0).fit(pairs()).sampler_
        (_, _, easy), (_, _, hard) = fitted.samplers_
        assert fitted.epoch_ == n_epochs - 1
        assert easy + hard == pytest.approx(1.0)
        assert hard == pytest.approx((n_epochs - 1) / (8 + n_epochs - 1))


@pytest.mark.parametrize(
    ("epoch", "n_easy"), [(0, 4), (1, 100), (4, 4), pytest.param(30, 10, marks=pytest.mark.wants_jit)]
)
def test_draws_hold_the_share_of_the_epoch(epoch, n_easy):
    from skrec._kernels._partition import make_partition
    from skrec._kernels._sampling import zero_model

    sampler = CurriculumSampler(Constant(0), Constant(1), n_easy=n_easy).fit(np.zeros((1, 3)))
    sampler._begin_epoch(zero_model(1, 3), epoch, None, make_partition(np.array([0, 0]), 3, 1, 1), None)
    drawn = sampler.sample([0], 8000, random_state=0)[0]
    share = epoch / (n_easy + epoch)
    assert (drawn == 1).mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 8000) + 1e-12)
    assert set(drawn) <= {0, 1}


def test_the_first_epoch_is_that_of_the_easy_sampler():
    # Hard negatives would come from a list of two items, which then would lie far from the others.
    rejected = np.column_stack([np.repeat(np.arange(60), 2), np.tile([0, 1], 60)])
    first, third = (
        TripletMF(
            n_components=4,
            max_iter=n,
            optimizer="sgd",
            sampler=CurriculumSampler(hard=RejectedSampler(rejected), n_easy=0.1),
            random_state=0,
        ).fit(pairs())
        for n in (1, 3)
    )
    drawn = [model.sampler_.sample(np.arange(60), 50, random_state=0) < 2 for model in (first, third)]
    assert drawn[0].mean() == pytest.approx(2 / 17, abs=0.03)
    assert drawn[1].mean() > 0.9


def test_the_curriculum_goes_on_in_partial_fit():
    model = TripletMF(n_components=2, sampler=CurriculumSampler(n_easy=1), random_state=0)
    shares = [model.partial_fit(pairs()).sampler_.samplers_[1][2] for _ in range(4)]
    assert shares == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4])


def test_parts_are_set_by_name_and_defaults_are_uniform_and_dynamic():
    sampler = CurriculumSampler(hard=DynamicSampler(n_candidates=3))
    assert sampler.set_params(hard__n_candidates=7).hard.n_candidates == 7
    fitted = CurriculumSampler().fit(csr_array(np.eye(3)))
    assert [type(part) for _, part, _ in fitted.samplers_] == [UniformSampler, DynamicSampler]


def test_a_curriculum_in_a_mixture_keeps_its_course():
    inner = CurriculumSampler(Constant(0), Constant(1), n_easy=1)
    mixed = MixedSampler([("course", inner, 0.5), ("easy", Constant(0), 0.5)])
    fitted = TripletMF(n_components=2, max_iter=2, sampler=mixed, random_state=0).fit(pairs()).sampler_
    drawn = fitted.sample(np.arange(60), 200, random_state=0)
    assert (drawn == 1).mean() == pytest.approx(0.25, abs=0.02)


def test_warp_may_be_the_hard_part():
    sampler = CurriculumSampler(hard=WARPSampler(), n_easy=2)
    model = TripletMF(n_components=2, max_iter=3, loss="warp", sampler=sampler, random_state=0).fit(pairs())
    assert np.isfinite(model.loss_curve_).all()
    with pytest.raises(ValueError, match="a WARPSampler or a mixture with one"):
        TripletMF(loss="warp", sampler=CurriculumSampler()).fit(pairs())


@pytest.mark.parametrize(
    ("parameters", "allowed"),
    [
        ({"n_easy": 0}, "a finite number above 0"),
        ({"n_easy": np.inf}, "a finite number above 0"),
        ({"hard": "hard"}, "a sampler or None"),
        ({"easy": 3}, "a sampler or None"),
    ],
)
def test_bad_parameters_are_refused(parameters, allowed):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"'{name}' parameter of CurriculumSampler must be {allowed}"):
        CurriculumSampler(**parameters).fit(np.eye(3))
