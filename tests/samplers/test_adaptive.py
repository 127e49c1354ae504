"""AOBPR against its closed forms: the law of ranks, the law of coordinates, both within blocks."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chisquare

from skrec import TripletMF
from skrec._kernels._sampling import zero_model
from skrec.datasets import make_interactions
from skrec.samplers import AdaptiveOversamplingSampler

N = 40
N_DRAWS = 8000


def model(U, V, bias=None):
    """Return parameters of dot products, plus a bias where there is one."""
    U, V = np.atleast_2d(U).astype(np.float32), np.asarray(V, np.float32)
    given = {"U": U, "V": V, "w": np.ones(U.shape[1], np.float32)}
    if bias is not None:
        given |= {"biased": True, "bias": np.asarray(bias, np.float32)}
    return zero_model(len(U), len(V))._replace(**given)


def drawn(sampler, parameters, seen=None, n=N_DRAWS):
    n_users, n_items = len(parameters.U), len(parameters.V)
    seen = np.zeros((n_users, n_items), int) if seen is None else seen
    recommender = SimpleNamespace(_kernel_model=lambda: parameters)
    return sampler.fit(seen).sample([0], n_samples=n, recommender=recommender, random_state=0)[0]


def scores():
    return np.random.default_rng(0).permutation(N).astype(float) - N / 2


def law(scale, n=N):
    mass = np.exp(-np.arange(n) / (scale * n))
    return mass / mass.sum()


def assert_follows(counts, expected):
    rare = expected * counts.sum() < 5
    pair = [np.append(x[~rare], x[rare].sum()) for x in (counts, expected * counts.sum())]
    some = pair[1] > 0
    assert chisquare(pair[0][some], pair[1][some]).pvalue > 1e-3


@pytest.mark.parametrize("scale", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("sign", [1.0, -0.5])
def test_with_one_coordinate_the_rank_law_is_exact(scale, sign):
    s = scores()
    counts = np.bincount(drawn(AdaptiveOversamplingSampler(scale), model([[sign]], s[:, None])), minlength=N)
    assert_follows(counts[np.argsort(-sign * s)], law(scale))


@pytest.mark.parametrize("scale", [1e3, 1e12, 1e300])
def test_a_large_scale_is_uniform(scale):
    counts = np.bincount(drawn(AdaptiveOversamplingSampler(scale), model([[1.0]], scores()[:, None])), minlength=N)
    assert chisquare(counts).pvalue > 1e-3


def test_a_small_scale_draws_the_first_of_a_coordinate_which_is_drawn_by_size_times_spread():
    rng = np.random.default_rng(1)
    V = rng.standard_normal((N, 3)) * [1.0, 2.0, 0.5]
    U = np.array([0.3, -0.4, 2.0])
    tops = np.where(U > 0, V.argmax(axis=0), V.argmin(axis=0))
    assert len(set(tops)) == 3
    counts = np.bincount(drawn(AdaptiveOversamplingSampler(1e-6), model(U, V)), minlength=N)
    mass = np.abs(U) * V.std(axis=0)
    assert counts[tops].sum() == N_DRAWS
    assert chisquare(counts[tops], mass / mass.sum() * N_DRAWS).pvalue > 1e-3


def test_an_item_bias_is_a_coordinate_on_which_the_user_has_one():
    rng = np.random.default_rng(2)
    V, bias, U = rng.standard_normal((N, 1)), 3 * rng.standard_normal(N), np.array([[0.5]])
    tops = [V[:, 0].argmax(), bias.argmax()]
    counts = np.bincount(drawn(AdaptiveOversamplingSampler(1e-6), model(U, V, bias)), minlength=N)
    mass = np.array([0.5 * V.std(), bias.std()])
    assert tops[0] != tops[1] and counts[tops].sum() == N_DRAWS
    assert chisquare(counts[tops], mass / mass.sum() * N_DRAWS).pvalue > 1e-3


def test_component_weights_and_norms_of_a_cosine_count():
    V = np.random.default_rng(3).standard_normal((N, 2)).astype(np.float32)
    v_scale = np.random.default_rng(4).uniform(0.1, 1.0, N).astype(np.float32)
    gmf = model([[1.0, 1.0]], V)._replace(w=np.array([-1.0, 0.0], np.float32), weighted=True)
    assert set(drawn(AdaptiveOversamplingSampler(1e-6), gmf, n=50)) == {V[:, 0].argmin()}
    cosine = model([[1.0, 0.0]], V)._replace(cosine=True, v_scale=v_scale)
    assert set(drawn(AdaptiveOversamplingSampler(1e-6), cosine, n=50)) == {(V[:, 0] * v_scale).argmax()}


def test_without_any_model_all_items_can_be_drawn():
    sampler = AdaptiveOversamplingSampler(scale=1e3).fit(np.zeros((1, N)))
    assert chisquare(np.bincount(sampler.sample([0], N_DRAWS, random_state=0)[0], minlength=N)).pvalue > 1e-3


def test_excluded_items_are_drawn_again_and_the_law_over_the_rest_stays_in_proportion():
    s = scores()
    order = np.argsort(-s)
    seen = np.zeros((1, N), int)
    seen[0, order[[0, 2]]] = [1, -1]
    counts = np.bincount(drawn(AdaptiveOversamplingSampler(0.1), model([[1.0]], s[:, None]), seen), minlength=N)[order]
    expected = law(0.1)
    expected[[0, 2]] = 0
    assert counts[[0, 2]].sum() == 0
    keep = expected > 0
    assert_follows(counts[keep], (expected / expected.sum())[keep])


def test_where_all_likely_items_are_excluded_the_next_of_the_order_is_drawn():
    s = scores()
    order = np.argsort(-s)
    seen = np.ones((1, N), int)
    seen[0, order[[30, 35]]] = 0
    assert set(drawn(AdaptiveOversamplingSampler(1e-6), model([[1.0]], s[:, None]), seen, n=50)) == {order[30]}
    assert set(drawn(AdaptiveOversamplingSampler(1e-6), model([[-1.0]], s[:, None]), seen, n=50)) == {order[35]}
    seen[0] = 1
    assert set(drawn(AdaptiveOversamplingSampler(0.1), model([[1.0]], s[:, None]), seen, n=50)) == {-1}


def pool_of(partition, b):
    from skrec._kernels._sampling import Pool

    start, stop = partition.item_starts[b], partition.item_starts[b + 1]
    mark, none = np.zeros(len(partition.items), np.int32), np.zeros(1, np.int32)
    return Pool(
        partition.items, start, stop - start, mark, 1, 0, none, 0, np.zeros(8, np.int32), np.zeros(8, np.float32)
    )


@pytest.mark.parametrize("n_blocks", [2, pytest.param(8, marks=pytest.mark.wants_jit)])
def test_over_blocks_the_rank_in_the_catalogue_keeps_its_law(n_blocks):
    from skrec._kernels._partition import deal_items, make_partition
    from skrec._kernels._rng import seed_states
    from skrec._kernels._sampling import draw

    n, scale = 160, 0.1
    s = np.random.default_rng(0).permutation(n).astype(float)
    parameters = model([[1.0]], s[:, None])
    sampler = AdaptiveOversamplingSampler(scale).fit(np.zeros((1, n)))
    assert sampler._max_blocks >= n_blocks
    rank = np.empty(n, int)
    rank[np.argsort(-s)] = np.arange(n)
    rngs = seed_states(0, 1)
    partition = make_partition(np.array([0, 0]), n, 1, n_blocks)
    ranks = []
    for _ in range(400):  # each deal is an epoch, each block as likely as the others
        deal_items(partition, rngs[0])
        state = sampler._make_state(partition, None)
        dealt = parameters._replace(V=parameters.V[partition.items])
        for b in range(n_blocks):
            pool = pool_of(partition, b)
            for _ in range(24 // n_blocks):
                position, _ = draw(state, 0, -1, np.float32(0), pool, dealt, rngs[0])
                ranks.append(rank[partition.items[pool.start + position]])
    ranks = np.array(ranks)
    lam = scale * n
    expected = np.average(np.arange(n), weights=law(scale, n))
    assert ranks.mean() == pytest.approx(expected, rel=0.05)
    # Draws from one deal depend on each other; the quantiles of the exponential law within a few percent.
    for quantile in (0.25, 0.5, 0.9):
        exact = -lam * np.log1p(-quantile * (1 - np.exp(-n / lam)))
        assert np.quantile(ranks + 0.5, quantile) == pytest.approx(exact, rel=0.1, abs=1)


def test_orders_are_made_anew_after_n_log_n_draws():
    from skrec._kernels._partition import make_partition
    from skrec._kernels._rng import seed_states
    from skrec._kernels._sampling import draw

    V = scores()[:, None].copy()
    parameters, partition = model([[1.0]], V), make_partition(np.array([0, 0]), N, 1, 1)
    state = AdaptiveOversamplingSampler(1e-6).fit(np.zeros((1, N)))._make_state(partition, None)
    pool, rng = pool_of(partition, 0), seed_states(0, 1)[0]
    first = draw(state, 0, -1, np.float32(0), pool, parameters, rng)[0]
    assert first == V.argmax()
    parameters.V[:] *= -1  # the order is now the reverse
    period = int(N * np.log(N))
    following = [draw(state, 0, -1, np.float32(0), pool, parameters, rng)[0] for _ in range(period)]
    assert set(following[: period - 1]) == {first}
    assert following[-1] == V.argmin()


def test_blocks_are_no_smaller_than_the_law_allows():
    seen = np.zeros((1, 1000))
    assert AdaptiveOversamplingSampler(scale=0.01).fit(seen)._max_blocks == 10
    assert AdaptiveOversamplingSampler(scale=1e-9).fit(seen)._max_blocks == 1


@pytest.mark.wants_jit
@pytest.mark.parametrize(
    "parameters", [{}, {"similarity": "dot", "loss": "bpr", "item_bias": True}, {"similarity": "gmf"}]
)
def test_its_negatives_are_harder_than_uniform_ones(parameters):
    X, y = make_interactions(return_X_y=True, random_state=0)
    given = {"n_components": 8, "max_iter": 8, "learning_rate": 0.1, "random_state": 0, **parameters}
    hard = TripletMF(sampler=AdaptiveOversamplingSampler(scale=0.05), **given).fit(X, y)
    easy = TripletMF(**given).fit(X, y)
    assert hard.loss_curve_[-1] > easy.loss_curve_[-1]


@pytest.mark.parametrize("scale", [0, -1, np.inf, np.nan, "0.1", True, None])
def test_a_bad_scale_is_refused(scale):
    with pytest.raises(
        ValueError, match="'scale' parameter of AdaptiveOversamplingSampler must be a finite number above"
    ):
        AdaptiveOversamplingSampler(scale=scale).fit(np.zeros((1, 3)))
