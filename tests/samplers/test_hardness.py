"""AHNS against its formula."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chisquare

from skrec import TripletMF
from skrec._kernels._sampling import zero_model
from skrec.datasets import make_interactions
from skrec.samplers import HardnessAdaptiveSampler

SCORES = np.array([0.5, -1.0, -0.2, 0.05, 0.3, 0.8, 1.7, 4.1])  # of item 0, the positive, and others
SEEN = np.array([[1, 0, 0, 0, 0, 0, 0, 0]])


def drawn(sampler, s_pos=0.5, n=300):
    scores = SCORES.copy()
    scores[0] = s_pos
    model = zero_model(1, len(scores))._replace(biased=True)
    model.bias[:] = scores
    recommender = SimpleNamespace(_kernel_model=lambda: model)
    return sampler.fit(SEEN).sample([0], n, recommender=recommender, random_state=0)[0]


ALL = 200  # candidates enough to meet every item


@pytest.mark.parametrize(
    ("s_pos", "alpha", "beta", "p", "target"),
    [
        (0.5, 0.1, 0.4, -2.0, 0.667),  # 0.4 / 0.6
        (1.9, 0.1, 0.6, -2.0, 0.3),  # a strong positive: easier
        pytest.param(0.0, 0.1, 0.4, -2.0, 4.0, marks=pytest.mark.wants_jit),  # a weak one: hard
        pytest.param(0.5, 0.5, 0.4, -2.0, 0.4, marks=pytest.mark.wants_jit),
        pytest.param(1.5, 0.5, 0.2, -3.0, 0.05, marks=pytest.mark.wants_jit),  # 0.2 / 2^2
        pytest.param(3.5, 0.5, 0.8, -1.5, 0.4, marks=pytest.mark.wants_jit),  # 0.8 / sqrt(4)
    ],
)
def test_the_candidate_nearest_to_the_target_is_drawn(s_pos, alpha, beta, p, target):
    sampler = HardnessAdaptiveSampler(n_candidates=ALL, alpha=alpha, beta=beta, p=p)
    nearest = 1 + np.abs(SCORES[1:] - target).argmin()
    assert set(drawn(sampler, s_pos)) == {nearest}


def test_without_beta_the_score_nearest_to_zero_is_drawn():
    assert set(drawn(HardnessAdaptiveSampler(n_candidates=ALL, beta=0.0))) == {3}


@pytest.mark.parametrize("s_pos", [-0.1, -5.0])
def test_where_the_formula_is_undefined_the_hardest_is_drawn(s_pos):
    assert set(drawn(HardnessAdaptiveSampler(n_candidates=ALL, alpha=0.1), s_pos)) == {7}


def test_of_a_few_candidates_the_law_is_that_of_the_least_distance():
    n, n_candidates = 9000, 3
    counts = np.bincount(drawn(HardnessAdaptiveSampler(n_candidates=n_candidates), n=n), minlength=len(SCORES))
    order = 1 + np.argsort(np.abs(SCORES[1:] - 0.4 / 0.6))
    r = np.arange(1, 8)
    law = ((8.0 - r) ** n_candidates - (7.0 - r) ** n_candidates) / 7**n_candidates
    assert counts[0] == 0
    assert chisquare(counts[order], law * n).pvalue > 1e-3


def test_one_candidate_is_uniform():
    counts = np.bincount(drawn(HardnessAdaptiveSampler(n_candidates=1), n=7000), minlength=len(SCORES))
    assert chisquare(counts[1:]).pvalue > 1e-3


def test_a_user_with_every_item_has_no_negative():
    assert HardnessAdaptiveSampler().fit(np.ones((1, 5))).sample([0], 4).tolist() == [[-1] * 4]


@pytest.mark.wants_jit
def test_a_larger_beta_is_harder_in_training():
    X, y = make_interactions(return_X_y=True, random_state=0)
    given = {"n_components": 8, "max_iter": 5, "random_state": 0}
    losses = [
        TripletMF(sampler=HardnessAdaptiveSampler(n_candidates=10, beta=beta), **given).fit(X, y).loss_curve_[-1]
        for beta in (0.0, 0.4)
    ]
    assert losses[0] < losses[1]


@pytest.mark.parametrize(
    ("parameters", "allowed"),
    [
        ({"n_candidates": 0}, "an int of at least 1"),
        ({"alpha": np.inf}, "a finite number"),
        ({"beta": -0.1}, "a finite number of at least 0"),
        ({"p": -1.0}, "a finite number below -1"),
    ],
)
def test_bad_parameters_are_refused(parameters, allowed):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"'{name}' parameter of HardnessAdaptiveSampler must be {allowed}"):
        HardnessAdaptiveSampler(**parameters).fit(SEEN)
