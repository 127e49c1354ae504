"""xoshiro256++ generators, one row of state per chunk of work.

Reference: D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47 (2021).
"""

import numpy as np

from skrec._kernels._jit import kernel

_WORDS = 4
_ROW = 8  # words per row: a 64-byte line each, so that threads do not share one

_U17 = np.uint64(17)
_U23 = np.uint64(23)
_U45 = np.uint64(45)
_U11 = np.uint64(11)
_U32 = np.uint64(32)
_U64 = np.uint64(64)
_LOW = np.uint64(0xFFFFFFFF)
_TWO32 = np.uint64(1 << 32)
_UNIT = 2.0**-53


def seed_states(seed, n_rows):
    """Make independent generator states from one seed.

    Parameters
    ----------
    seed : int or sequence of int
        Entropy, as for :class:`numpy.random.SeedSequence`.
    n_rows : int
        Number of generators.

    Returns
    -------
    ndarray of shape (n_rows, 8), dtype uint64
        Four words of state and four of padding a row.
    """
    states = np.zeros((n_rows, _ROW), dtype=np.uint64)
    words = np.random.SeedSequence(seed).generate_state(n_rows * _WORDS, np.uint64)
    states[:, :_WORDS] = words.reshape(n_rows, _WORDS)
    return states


@kernel
def next_uint64(rng):
    """Advance the generator `rng` (one row) and return 64 random bits."""
    s0, s1, s2, s3 = rng[0], rng[1], rng[2], rng[3]
    total = s0 + s3
    result = ((total << _U23) | (total >> (_U64 - _U23))) + s0
    shifted = s1 << _U17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = (s3 << _U45) | (s3 >> (_U64 - _U45))
    rng[0], rng[1], rng[2], rng[3] = s0, s1, s2, s3
    return result


@kernel
def next_float(rng):
    """Return a float64 uniform on [0, 1), from the top 53 bits."""
    return (next_uint64(rng) >> _U11) * _UNIT


@kernel
def next_below(rng, n):
    """Return an int64 uniform on 0..n-1, 0 < n < 2**32, without modulo bias (Lemire, ACM TOMACS 29, 2019)."""
    bound = np.uint64(n)
    product = (next_uint64(rng) >> _U32) * bound
    if (product & _LOW) < bound:
        threshold = (_TWO32 - bound) % bound
        while (product & _LOW) < threshold:
            product = (next_uint64(rng) >> _U32) * bound
    return np.int64(product >> _U32)


@kernel
def shuffle(rng, values):
    """Permute a 1-D array in place, every order equally likely (Fisher-Yates)."""
    for last in range(values.shape[0] - 1, 0, -1):
        other = next_below(rng, last + 1)
        values[last], values[other] = values[other], values[last]
