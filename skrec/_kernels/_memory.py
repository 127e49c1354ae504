"""Memories of items per user: refreshed before an epoch, drawn from in it.

The memory of user u are the places ``bounds[u]`` to ``bounds[u + 1]`` (int64) of ``items`` (int32, -1 where a place is
free) and, beside it, ``values`` (uint16), what a sampler holds of each item for the epoch. The places of a user are
sorted by the block of the epoch's partition that their item is in, in random order within a block: ``starts[u, b]`` to
``starts[u, b + 1]`` (n_users, n_blocks + 1) uint16, counted from ``bounds[u]``, belong to block b, and free places come
last. A user is written to by the calls for one group of users only.
"""

import math
from typing import NamedTuple

import numpy as np

from skrec._kernels._jit import kernel
from skrec._kernels._losses import softplus_grad
from skrec._kernels._partition import EXPLICIT
from skrec._kernels._rng import next_below, next_float, shuffle
from skrec._kernels._sampling import draw_uniform, is_excluded, register_draw, row_score, score
from skrec._kernels._topk import top_k_row

# What stands for 1 in the fixed point of `values`.
ONE = 65535
# New items are drawn until they are admitted while one in this many items is, and chosen from a list otherwise.
_LEAST_SHARE = 16


_P1, _P3, _P5, _P7, _P9, _P11, _P13 = np.array(
    [
        4.89352455891786e-03,
        6.37261928875436e-04,
        1.48572235717979e-05,
        5.12229709037114e-08,
        -8.60467152213735e-11,
        2.00018790482477e-13,
        -2.76076847742355e-16,
    ],
    np.float32,
)
_Q0, _Q2, _Q4, _Q6 = np.array(
    [4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06], np.float32
)
_LARGE = np.float32(3e38)


class RefreshScratch(NamedTuple):
    """What :func:`refresh_memory` works in; `size` is that of the largest memory."""

    mark: np.ndarray  # (n_items,) int32, zeros
    items: np.ndarray  # (size + most new items,) int32
    keys: np.ndarray  # (size + most new items,) float32
    dropped: np.ndarray  # (most new items,) int32
    dropped_keys: np.ndarray  # (most new items,) float32


def make_refresh_scratch(n_items, size, ratio):
    """Allocate the scratch of :func:`refresh_memory`."""
    n_new = count_new(size, ratio)
    return RefreshScratch(
        np.zeros(n_items, np.int32),
        np.empty(size + n_new, np.int32),
        np.empty(size + n_new, np.float32),
        np.empty(n_new, np.int32),
        np.empty(n_new, np.float32),
    )


@kernel
def count_new(size, ratio):
    """Return the number of new items that a memory of `size` places is refreshed from."""
    return np.int64(np.ceil(size * ratio))


@kernel
def _mark_excluded(indptr, indices, kinds, excludes, u, stamp, mark):
    """Mark the items that may not be drawn for u; return how many they are."""
    n = 0
    for t in range(indptr[u], indptr[u + 1]):
        bit = 1 if kinds[t] == EXPLICIT else 0
        if (excludes >> bit) & 1:
            mark[indices[t]] = stamp
            n += 1
    return n


@kernel
def _gather_held(memory, stamp, scratch):
    """Put what a memory holds and may hold into the scratch; return how many items."""
    n = 0
    for place in range(memory.shape[0]):
        item = memory[place]
        if item >= 0 and scratch.mark[item] != stamp:
            scratch.mark[item] = stamp
            scratch.items[n] = item
            n += 1
    return n


@kernel
def _add_new(n, n_new, n_left, stamp, scratch, rng):
    """Add `n_new` of the `n_left` items without the mark, uniformly, to the n in the scratch."""
    n_items = scratch.mark.shape[0]
    if (n_left - n_new) * _LEAST_SHARE < n_items:  # hard to hit: choose while passing over all (Knuth's algorithm S)
        for item in range(n_items):
            if scratch.mark[item] != stamp:
                if next_below(rng, n_left) < n_new:
                    scratch.items[n] = item
                    n += 1
                    n_new -= 1
                n_left -= 1
        return
    while n_new > 0:
        item = next_below(rng, n_items)
        if scratch.mark[item] != stamp:
            scratch.mark[item] = stamp
            scratch.items[n] = item
            n += 1
            n_new -= 1


@kernel
def _keep_alike(n, size, n_new, scratch, rng):
    """Keep of n items those that a uniform subset of `size` of them and of `n_new` others would hold; return how many.

    Item by item with the share of the places that are left (Knuth, The Art of Computer Programming 2, algorithm S).
    """
    n_kept = 0
    for k in range(n):
        if next_below(rng, n - k + n_new) < size - n_kept:
            scratch.items[n_kept] = scratch.items[k]
            n_kept += 1
    return n_kept


@kernel
def _keep_by_score(u, n, size, model, inverse_temperature, scratch, rng):
    """Keep `size` of n items, without replacement, in proportion to exp(score / temperature); return how many.

    Those stay whose exponential variates, divided by their masses, are the smallest (Efraimidis and Spirakis,
    Information Processing Letters 97, 2006).
    """
    if n <= size:
        return n
    for k in range(n):
        key = math.log(-math.log(next_float(rng))) - inverse_temperature * row_score(model, u, scratch.items[k])
        # Held within the finite numbers: the largest are looked for, and NaN would never be found.
        scratch.keys[k] = max(key, -_LARGE) if key < _LARGE else _LARGE
    n_dropped = n - size
    top_k_row(scratch.keys[:n], scratch.dropped[:n_dropped], scratch.dropped_keys[:n_dropped])
    for k in range(n_dropped):
        scratch.items[scratch.dropped[k]] = -1
    n_kept = 0
    for k in range(n):
        if scratch.items[k] >= 0:
            scratch.items[n_kept] = scratch.items[k]
            n_kept += 1
    return n_kept


@kernel
def _arrange(kept, block, memory, starts):
    """Write the items that were kept to a memory, sorted by block; `starts` (n_blocks + 1,) is filled."""
    n_blocks = starts.shape[0] - 1
    starts[:] = 0
    for k in range(kept.shape[0]):
        b = block[kept[k]]
        if b + 2 <= n_blocks:
            starts[b + 2] += 1
    for b in range(2, n_blocks + 1):
        starts[b] += starts[b - 1]
    for k in range(
        kept.shape[0]
    ):  # starts[b + 1] is the next place of block b, and in the end the first of block b + 1
        b = block[kept[k]]
        memory[starts[b + 1]] = kept[k]
        starts[b + 1] += 1
    memory[kept.shape[0] :] = -1


@kernel(inline=False)
def refresh_memory(
    first,
    last,
    indptr,
    indices,
    kinds,
    excludes,
    model,
    inverse_temperature,
    ratio,
    block,
    bounds,
    items,
    starts,
    scratch,
    rng,
):
    """Renew the memories of users first <= u < last, and sort them by the epoch's blocks.

    To the items of a memory, new uniform ones are added, `ratio` for each place; of all of them as many as there are
    places stay, drawn without replacement in proportion to exp(score / temperature). Free places count as new ones, and
    items that have become excluded go.

    Parameters
    ----------
    indptr, indices, kinds : ndarray
        Rows of seen items.
    excludes : int
        What may not be drawn, see :class:`~skrec._kernels._sampling.Pool`.
    model : Model
    inverse_temperature : float
        0 keeps each item with the same probability, without a score.
    ratio : float
    block : ndarray of shape (n_items,), int32
        Block of each item.
    bounds, items, starts : ndarray
        The memories; `items` and `starts` are changed in the users' rows.
    scratch : RefreshScratch
        Its `mark` is below `first` + 1.
    rng : ndarray of shape (8,), uint64
    """
    for u in range(first, last):
        memory = items[bounds[u] : bounds[u + 1]]
        size = memory.shape[0]
        stamp = np.int32(u + 1)
        n_admitted = scratch.mark.shape[0] - _mark_excluded(indptr, indices, kinds, excludes, u, stamp, scratch.mark)
        n = _gather_held(memory, stamp, scratch)
        n_left = n_admitted - n
        n_new = min(size - n + count_new(size, ratio), n_left)
        if inverse_temperature > 0.0:
            _add_new(n, n_new, n_left, stamp, scratch, rng)
            n = _keep_by_score(u, n + n_new, size, model, inverse_temperature, scratch, rng)
        else:  # those that would not stay are not drawn
            n_kept = _keep_alike(n, size, n_new, scratch, rng)
            n = min(size, n + n_new)
            _add_new(n_kept, n - n_kept, n_left, stamp, scratch, rng)
        kept = scratch.items[:n]
        shuffle(rng, kept)
        _arrange(kept, block, memory, starts[u])


@kernel
def _logistic(x):
    """Logistic function of a float32, within 1e-6, by the rational minimax of tanh(x / 2) that Eigen uses.

    No branch and no table: a loop over it compiles to vector instructions.
    """
    z = min(max(np.float32(0.5) * x, np.float32(-9.0)), np.float32(9.0))
    y = z * z
    p = _P13 * y + _P11
    p = p * y + _P9
    p = p * y + _P7
    p = p * y + _P5
    p = p * y + _P3
    p = p * y + _P1
    q = _Q6 * y + _Q4
    q = q * y + _Q2
    q = q * y + _Q0
    return np.float32(0.5) + np.float32(0.5) * (z * p / q)


@kernel(inline=False)
def expected_preference(first, last, indptr, indices, kinds, model, bounds, items, positive_scores, out):
    """Fill `out` float32 with H(u, j), the mean over u's positives i of sigmoid(s_uj - s_ui), for users' memories.

    `out` has one number for each place of the users first <= u < last, and row 0 of the model's users is user `first`.
    Of a user with more positives than `positive_scores` (n,) float32, scratch, has room for, n are taken, evenly over
    the row, the same ones as long as the row stays the same. 1/2 where the user has none and at free places; NaN where
    the model has NaN for the user or the item. Cost: a score for each place and positive, and a logistic function for
    each pair of them.
    """
    room = positive_scores.shape[0]
    for u in range(first, last):
        n_positives = 0
        for t in range(indptr[u], indptr[u + 1]):
            n_positives += kinds[t] > 0
        n = min(room, n_positives)
        taken, passed = 0, 0
        for t in range(indptr[u], indptr[u + 1]):
            if taken < n and kinds[t] > 0:
                if passed == taken * n_positives // n:
                    positive_scores[taken] = row_score(model, u - first, indices[t])
                    taken += 1
                passed += 1
        for place in range(bounds[u], bounds[u + 1]):
            total = np.float32(0.0)
            if items[place] >= 0:
                own = row_score(model, u - first, items[place])
                for k in range(n):
                    total += _logistic(own - positive_scores[k])
            known = n > 0 and items[place] >= 0
            out[place - bounds[first]] = total / np.float32(n) if known else np.float32(0.5)


@kernel(inline=False)
def spread_of(history, out):
    """Fill `out` (n,) float32 with the standard deviation of each column of `history` (n_snapshots, n).

    Of what is not NaN; 0 where that is one value or none.
    """
    for k in range(history.shape[1]):
        n, total = 0, 0.0
        for t in range(history.shape[0]):
            if not np.isnan(history[t, k]):
                n += 1
                total += history[t, k]
        squares = 0.0
        for t in range(history.shape[0]):
            if not np.isnan(history[t, k]):
                off = history[t, k] - total / n
                squares += off * off
        out[k] = np.sqrt(squares / n) if n > 1 else 0.0


@kernel(inline=False)
def gain_of(history, smoothing, epsilon, out):
    """Fill `out` (n,) float32 with the gain G of each column of `history` (n_snapshots, n), the latest H first.

    ``G = smoothing * G + (1 - smoothing) * sigmoid((H_before - H) / (H + epsilon))`` from 1/2 on; a step from or to NaN
    leaves it as it is.
    """
    for k in range(history.shape[1]):
        gain = 0.5
        for t in range(history.shape[0] - 1, 0, -1):
            before, now = np.float64(history[t, k]), np.float64(history[t - 1, k])
            if not (np.isnan(before) or np.isnan(now)):
                relative_drop = (before - now) / max(now + epsilon, 1e-12)
                gain = smoothing * gain + (1.0 - smoothing) * softplus_grad(relative_drop)[1]
        out[k] = gain


class VarianceState(NamedTuple):
    """Memories whose values are the spread of each pair, in fixed point."""

    excludes: int
    bounds: np.ndarray
    items: np.ndarray
    values: np.ndarray
    starts: np.ndarray
    block: np.ndarray  # (n_items,) int32
    position: np.ndarray  # (n_items,) int32
    n_candidates: int
    alpha: np.float32  # times the spread in fixed point


@register_draw(VarianceState, scores_positive=True)
def draw_variance_state(state, u, i, s_pos, pool, model, rng):
    """Take the best by sigmoid(s_uj - s_ui) + alpha * spread of some entries of u's memory in the block.

    The entries are neighbours in a random order, so that every subset is as likely. Without an entry: a uniform item.
    """
    b = state.block[pool.items[pool.start]]
    first = state.bounds[u] + np.int64(state.starts[u, b])
    n = state.bounds[u] + np.int64(state.starts[u, b + 1]) - first
    offset = next_below(rng, n) if n > state.n_candidates else np.int64(0)
    best, best_value = np.int64(-1), np.float32(0.0)
    for k in range(min(n, state.n_candidates)):
        place = first + (offset + k if offset + k < n else offset + k - n)
        position = np.int64(state.position[state.items[place]])
        if is_excluded(pool, position):
            continue
        value = _logistic(score(model, u, pool, position) - s_pos) + state.alpha * np.float32(state.values[place])
        if best < 0 or value > best_value:
            best, best_value = position, value
    if best < 0:
        best = draw_uniform(pool, rng)
    return best, 1.0


class GainState(NamedTuple):
    """Memories whose values are the mass of each pair."""

    excludes: int
    bounds: np.ndarray
    items: np.ndarray
    values: np.ndarray
    starts: np.ndarray
    block: np.ndarray  # (n_items,) int32
    position: np.ndarray  # (n_items,) int32


@register_draw(GainState, reads_model=False)
def draw_gain_state(state, u, i, s_pos, pool, model, rng):
    """Draw one of the entries of u's memory in the block in proportion to their masses; scores nothing.

    Where all masses are 0, one of the entries as likely; without an entry, a uniform item.
    """
    b = state.block[pool.items[pool.start]]
    first = state.bounds[u] + np.int64(state.starts[u, b])
    last = state.bounds[u] + np.int64(state.starts[u, b + 1])
    total, n = 0, 0
    for place in range(first, last):
        if not is_excluded(pool, state.position[state.items[place]]):
            total += np.int64(state.values[place])
            n += 1
    if n == 0:
        return draw_uniform(pool, rng), 1.0
    left = next_below(rng, total if total > 0 else n)
    for place in range(first, last):
        position = np.int64(state.position[state.items[place]])
        if not is_excluded(pool, position):
            left -= np.int64(state.values[place]) if total > 0 else 1
            if left < 0:
                return position, 1.0
    return np.int64(-1), 1.0
