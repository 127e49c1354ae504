"""What samplers draw follows the law that they state, and never what they exclude."""

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix
from scipy.stats import chisquare

from skrec.samplers import ExplicitSampler, MixedSampler, PopularitySampler, UniformSampler

N_USERS, N_ITEMS, N_DRAWS = 40, 12, 6000


def interactions():
    """Positives, more of the first items; two explicit negatives of each user."""
    rng = np.random.default_rng(0)
    matrix = (rng.random((N_USERS, N_ITEMS)) < 1.2 / np.arange(2, N_ITEMS + 2)).astype(int)
    for u in range(N_USERS):
        matrix[u, rng.choice(np.flatnonzero(matrix[u] == 0), 2, replace=False)] = -1
    return matrix


STATIC = {
    "uniform": UniformSampler,
    "popularity": PopularitySampler,
    "counts": lambda **exclude: PopularitySampler(alpha=1.0, **exclude),
    "mixed": lambda **exclude: MixedSampler(
        [("uniform", UniformSampler(**exclude), 1), ("popularity", PopularitySampler(alpha=2.0, **exclude), 3)]
    ),
}
EXCLUSIONS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize(("positives", "explicit"), EXCLUSIONS)
@pytest.mark.parametrize("name", STATIC)
def test_draws_follow_the_stated_law(name, positives, explicit):
    seen = interactions()
    sampler = STATIC[name](exclude_positives=positives, exclude_explicit=explicit).fit(seen)
    users = np.argsort(-(seen > 0).sum(axis=1))[[0, 10, -1]]
    drawn = sampler.sample(users, n_samples=N_DRAWS, random_state=0)
    for user, row in zip(users, drawn, strict=True):
        law = sampler.sampling_probability(np.arange(N_ITEMS), users=np.full(N_ITEMS, user))
        assert law.sum() == pytest.approx(1)
        excluded = (positives & (seen[user] > 0)) | (explicit & (seen[user] < 0))
        np.testing.assert_array_equal(law == 0, excluded)
        counts = np.bincount(row, minlength=N_ITEMS)
        assert not counts[excluded].any()
        assert chisquare(counts[~excluded], law[~excluded] * N_DRAWS).pvalue > 1e-3


def test_without_users_the_law_is_that_before_exclusion():
    seen = interactions()
    mass = np.maximum((seen > 0).sum(axis=0), 0.5) ** 0.75
    sampler = PopularitySampler().fit(seen)
    np.testing.assert_allclose(sampler.sampling_probability(np.arange(N_ITEMS)), mass / mass.sum())
    np.testing.assert_allclose(sampler.prob_, mass / mass.sum())
    np.testing.assert_allclose(UniformSampler().fit(seen).sampling_probability([3, 3]), 1 / N_ITEMS)


def test_popularity_to_the_power_of_zero_is_uniform():
    sampler = PopularitySampler(alpha=0).fit(interactions())
    np.testing.assert_allclose(sampler.prob_, 1 / N_ITEMS)


def test_an_item_without_positives_counts_as_half_a_positive():
    sampler = PopularitySampler(alpha=1).fit([[1, 0, -1], [1, 0, 0]])
    np.testing.assert_allclose(sampler.prob_, [2 / 3, 1 / 6, 1 / 6])


@pytest.mark.wants_jit
@pytest.mark.parametrize("name", STATIC)
def test_the_law_holds_for_a_user_who_has_seen_nearly_everything(name):
    # Rejection gives up after some tries; what then finds an item must not favour any (here item 0, behind the gap).
    n = 400
    seen = np.zeros((2, n), int)
    seen[0] = 1
    left = [0, 150, 151, 152]
    seen[0, left] = 0
    seen[1, [0, 150]] = 1
    sampler = STATIC[name]().fit(seen)
    drawn = sampler.sample([0], n_samples=4000, random_state=0)[0]
    counts = np.bincount(drawn, minlength=n)
    law = sampler.sampling_probability(left, users=[0] * 4)
    assert counts[left].sum() == 4000
    assert chisquare(counts[left], law * 4000).pvalue > 1e-3


@pytest.mark.parametrize("name", STATIC)
def test_the_one_unobserved_item_is_always_drawn_and_none_where_there_is_none(name):
    seen = np.ones((3, 60), int)
    seen[0, 37] = 0
    seen[1, 5] = -1
    drawn = STATIC[name]().fit(seen).sample([0, 1, 2], n_samples=50, random_state=0)
    assert (drawn[0] == 37).all()
    assert (drawn[1:] == -1).all()


def test_explicit_negatives_are_drawn_alike_and_nothing_else():
    seen = interactions()
    sampler = ExplicitSampler().fit(seen)
    drawn = sampler.sample(np.arange(N_USERS), n_samples=1000, random_state=0)
    for row, marks in zip(drawn, seen, strict=True):
        counts = np.bincount(row, minlength=N_ITEMS)
        np.testing.assert_array_equal(counts > 0, marks < 0)
        assert chisquare(counts[marks < 0]).pvalue > 1e-4


def test_a_sampler_without_a_fixed_law_says_so():
    sampler = MixedSampler([("easy", UniformSampler(), 1), ("shown", ExplicitSampler(), 1)]).fit(interactions())
    for part in (sampler, sampler.samplers_[1][1]):
        with pytest.raises(ValueError, match=f"{type(part).__name__} has no fixed law"):
            part.sampling_probability([0])


@pytest.mark.parametrize("convert", [np.asarray, csr_matrix, csr_array, lambda m: csr_array(m).astype(np.int8)])
def test_dense_and_sparse_matrices_give_the_same_draws(convert):
    seen = interactions().astype(float) * 2.5
    expected = PopularitySampler().fit(interactions()).sample([0, 1], n_samples=20, random_state=0)
    given = convert(seen)
    sampler = PopularitySampler().fit(given)
    np.testing.assert_array_equal(sampler.sample([0, 1], n_samples=20, random_state=0), expected)
    assert sampler.n_features_in_ == N_ITEMS
    after = given.toarray() if hasattr(given, "toarray") else given
    np.testing.assert_array_equal(np.sign(after), np.sign(seen))  # not written into


def test_the_seed_decides_the_draws():
    sampler = UniformSampler().fit(interactions())
    one, same, other = (sampler.sample([0, 1], n_samples=30, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("users", [[-1], [N_USERS]])
def test_unknown_user_codes_are_refused(users):
    with pytest.raises(ValueError, match=f"users must be codes from 0 to {N_USERS - 1}"):
        UniformSampler().fit(interactions()).sample(users)


def test_shares_of_a_mixture_are_divided_by_their_sum():
    seen = np.zeros((1, 30), int)
    seen[0, 3] = -1
    mixed = MixedSampler(
        [("shown", ExplicitSampler(), 1), ("easy", UniformSampler(), 3), ("never", PopularitySampler(), 0)]
    ).fit(seen)
    drawn = mixed.sample([0], n_samples=4000, random_state=0)
    assert (drawn == 3).mean() == pytest.approx(0.25, abs=0.025)


def test_a_sampler_without_a_negative_passes_on_to_the_next():
    seen = np.array([[1, 0, 0], [1, 1, -1], [1, 1, 1]])
    mixed = MixedSampler([("easy", UniformSampler(), 0.5), ("shown", ExplicitSampler(), 0.5)]).fit(seen)
    drawn = mixed.sample([0, 1, 2], n_samples=200, random_state=0)
    assert set(drawn[0].tolist()) == {1, 2}  # no explicit negative: unobserved ones
    assert set(drawn[1].tolist()) == {2}  # nothing unobserved: the explicit negative
    assert set(drawn[2].tolist()) == {-1}


def test_explicit_negatives_stay_admitted_beside_the_explicit_sampler():
    # What ExplicitSampler excludes is the positives alone.
    seen = np.array([[1, -1, 0]])
    easy = UniformSampler(exclude_explicit=False)
    mixed = MixedSampler([("easy", easy, 1.0), ("shown", ExplicitSampler(), 0.0)]).fit(seen)
    drawn = mixed.sample([0], n_samples=400, random_state=0)
    assert (drawn == 1).mean() == pytest.approx(0.5, abs=0.08)


def test_a_mixture_in_a_mixture_draws_with_multiplied_shares():
    seen = interactions()
    inner = MixedSampler([("a", UniformSampler(), 1), ("b", PopularitySampler(alpha=1), 1)])
    nested = MixedSampler([("inner", inner, 2), ("c", PopularitySampler(alpha=3), 2)]).fit(seen)
    flat = MixedSampler(
        [("a", UniformSampler(), 1), ("b", PopularitySampler(alpha=1), 1), ("c", PopularitySampler(alpha=3), 2)]
    ).fit(seen)
    pairs = np.arange(N_ITEMS), np.zeros(N_ITEMS, int)
    law = nested.sampling_probability(*pairs)
    np.testing.assert_allclose(law, flat.sampling_probability(*pairs))
    counts = np.bincount(nested.sample([0], n_samples=N_DRAWS, random_state=0)[0], minlength=N_ITEMS)
    assert chisquare(counts[law > 0], law[law > 0] * N_DRAWS).pvalue > 1e-3
