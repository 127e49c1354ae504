"""xoshiro256++: the published sequence, and unbiased integers, floats and orders."""

import numpy as np
from scipy.stats import chisquare

from skrec._kernels._rng import next_below, next_float, next_uint64, seed_states, shuffle

# First outputs from the state (1, 2, 3, 4), by the authors' C code (also in rand_xoshiro and NumPy-compatible ports).
PUBLISHED = [
    41943041,
    58720359,
    3588806011781223,
    3591011842654386,
    9228616714210784205,
    9973669472204895162,
    14011001112246962877,
    12406186145184390807,
    15849039046786891736,
    10450023813501588000,
]


def test_generator_gives_the_published_sequence():
    state = np.array([1, 2, 3, 4, 0, 0, 0, 0], np.uint64)
    assert [int(next_uint64(state)) for _ in PUBLISHED] == PUBLISHED


def test_integers_below_a_bound_are_uniform():
    rng = seed_states(0, 1)[0]
    counts = np.bincount([next_below(rng, 7) for _ in range(3500)], minlength=7)
    assert len(counts) == 7
    assert chisquare(counts).pvalue > 1e-3


def test_integers_below_a_bound_near_the_range_have_no_modulo_bias():
    # Without redraws every third value below 3 * 2**30 would come up twice as often.
    rng = seed_states(1, 1)[0]
    counts = np.bincount([next_below(rng, 3 << 30) % 3 for _ in range(1500)], minlength=3)
    assert chisquare(counts).pvalue > 1e-3


def test_the_only_integer_below_one_is_zero():
    rng = seed_states(0, 1)[0]
    assert {int(next_below(rng, 1)) for _ in range(20)} == {0}


def test_floats_fill_the_unit_interval_evenly():
    rng = seed_states(2, 1)[0]
    values = np.array([next_float(rng) for _ in range(2000)])
    assert values.min() >= 0.0 and values.max() < 1.0
    assert chisquare(np.bincount((values * 10).astype(int), minlength=10)).pvalue > 1e-3


def test_the_largest_float_is_below_one():
    top = (1 << 64) - 1  # a state whose next output has all bits set: rotl(s0 + s3, 23) + s0 with s0 = 0
    state = np.array([0, 0, 0, top, 0, 0, 0, 0], np.uint64)
    assert next_float(state) == 1.0 - 2.0**-53


def test_rows_of_states_differ_and_come_from_the_seed_alone():
    states = seed_states([3, 5], 64)
    assert states.shape == (64, 8) and states.dtype == np.uint64
    assert len(np.unique(states[:, :4], axis=0)) == 64
    assert not states[:, 4:].any()
    np.testing.assert_array_equal(states, seed_states([3, 5], 64))
    assert not np.array_equal(states, seed_states([3, 6], 64))


def test_shuffle_gives_every_order_equally_often():
    rng = seed_states(4, 1)[0]
    orders = []
    for _ in range(1200):
        values = np.arange(4, dtype=np.int32)
        shuffle(rng, values)
        orders.append(tuple(values))
    distinct, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(distinct) == 24
    assert chisquare(counts).pvalue > 1e-3
