"""Draws of hard negatives: by a single coordinate's order, near a target hardness, from a list of the user's own."""

import math
from typing import NamedTuple

import numpy as np

from skrec._kernels._jit import kernel
from skrec._kernels._rng import next_below, next_float
from skrec._kernels._sampling import draw_uniform, is_excluded, register_draw, score

# Redraws after hitting excluded items before the nearest admitted one is looked for.
_MAX_REDRAWS = 32
# Coordinates are sorted as integers of 16 bits, from the smallest to the largest of a block, by two digits.
_LEVELS = 65535.0
_RADIX = 256
# A positive that scores so low that its target hardness is undefined asks for the hardest candidate.
_LEAST_LEVEL = 1e-6


class OversamplingState(NamedTuple):
    """Ranks from a truncated geometric law, in the order of a coordinate that is drawn for the user (AOBPR).

    A row of `orders` is a coordinate: the components, then the item bias where the model has one.
    """

    excludes: int
    log_ratio: float  # log of the probability of a rank over that of the rank before
    mass: np.ndarray  # (n_blocks,) float64: exp(log_ratio * size) - 1, by which the law is cut at the block's size
    period: float  # draws for each item of a block until its orders are made anew
    orders: np.ndarray  # (n_rows, n_items) int32: positions in their block, largest coordinate first
    spread: np.ndarray  # (n_blocks, n_rows) float32: standard deviation over the block's items
    left: np.ndarray  # (n_blocks,) int64: draws left until then
    user: np.ndarray  # (n_blocks,) int32: whom `cumulative` belongs to, -1 for no one
    cumulative: np.ndarray  # (n_blocks, n_rows) float32: sums of the user's coordinates times their spread
    block: np.ndarray  # (n_items,) int32
    keys: np.ndarray  # (n_items,) float32, scratch of each block
    pairs: np.ndarray  # (2, n_items) uint64, scratch
    counts: np.ndarray  # (n_blocks, 2, 256) int32, scratch


def make_oversampling_state(excludes, log_ratio, partition, n_rows):
    """Allocate the state for one epoch; the first draw from each block fills what it needs."""
    n_items, n_blocks = len(partition.items), len(partition.item_starts) - 1
    return OversamplingState(
        excludes,
        log_ratio,
        np.expm1(np.diff(partition.item_starts) * log_ratio),
        max(math.log(n_items), 1.0),
        np.empty((n_rows, n_items), np.int32),
        np.empty((n_blocks, n_rows), np.float32),
        np.zeros(n_blocks, np.int64),
        np.empty(n_blocks, np.int32),
        np.empty((n_blocks, n_rows), np.float32),
        partition.block,
        np.empty(n_items, np.float32),
        np.empty((2, n_items), np.uint64),
        np.empty((n_blocks, 2, _RADIX), np.int32),
    )


@kernel
def _coordinate(model, row, j):
    if row == model.U.shape[1]:
        return model.bias[j]
    x = model.V[j, row]
    return x * model.v_scale[j] if model.cosine else x


@kernel
def _user_coordinate(model, row, u):
    if row == model.U.shape[1]:
        return np.float32(1.0)
    x = model.U[u, row] * model.w[row]
    return x * model.u_scale[u] if model.cosine else x


@kernel(inline=False)
def refresh_orders(state, b, start, size, model):
    """Sort the items of block b by each coordinate, and measure how far the coordinate spreads.

    Cost: O(n_rows * size). Coordinates that agree to a 65,535th of their range keep the order of their positions.
    """
    keys, counts = state.keys[start : start + size], state.counts[b]
    pairs, sorted_once = state.pairs[0, start : start + size], state.pairs[1, start : start + size]
    for row in range(state.orders.shape[0]):
        for p in range(size):
            keys[p] = _coordinate(model, row, start + p)
        total, squares, least, largest = 0.0, 0.0, keys[0], keys[0]
        for p in range(size):
            x = keys[p]
            total += x
            squares += x * x
            least, largest = min(least, x), max(largest, x)
        state.spread[b, row] = math.sqrt(max(squares / size - (total / size) ** 2, 0.0))
        scale = np.float32(_LEVELS) / (largest - least) if largest > least else np.float32(0.0)
        counts[:] = 0
        for p in range(size):
            level = np.uint64(np.int64((largest - keys[p]) * scale))
            low, high = level & np.uint64(255), (level >> np.uint64(8)) & np.uint64(255)
            counts[0, low] += 1
            counts[1, high] += 1
            pairs[p] = high << np.uint64(40) | low << np.uint64(32) | np.uint64(p)
        low_before, high_before = np.int32(0), np.int32(0)
        for value in range(_RADIX):
            low_here, high_here = counts[0, value], counts[1, value]
            counts[0, value], counts[1, value] = low_before, high_before
            low_before += low_here
            high_before += high_here
        for p in range(size):
            value = (pairs[p] >> np.uint64(32)) & np.uint64(255)
            sorted_once[counts[0, value]] = pairs[p]
            counts[0, value] += 1
        for p in range(size):
            value = sorted_once[p] >> np.uint64(40)
            state.orders[row, start + counts[1, value]] = np.int32(sorted_once[p] & np.uint64(0xFFFFFFFF))
            counts[1, value] += 1


@kernel
def _weigh_coordinates(state, b, u, model):
    """Sum the user's coordinates times their spread."""
    total = np.float32(0.0)
    for row in range(state.orders.shape[0]):
        total += abs(_user_coordinate(model, row, u)) * state.spread[b, row]
        state.cumulative[b, row] = total
    state.user[b] = u


@kernel
def _draw_coordinate(cumulative, rng):
    """Draw a coordinate in proportion to the steps of `cumulative`, all alike where there are none."""
    n = cumulative.shape[0]
    total = cumulative[n - 1]
    if not total > 0.0:
        return next_below(rng, n)
    x = np.float32(next_float(rng)) * total
    row = np.int32(0)
    for k in range(n - 1):  # counted without a branch: vector instructions beat a search that cannot be predicted
        row += np.int32(cumulative[k] <= x)
    return np.int64(row)


@register_draw(OversamplingState)
def draw_oversampling_state(state, u, i, s_pos, pool, model, rng):
    """Draw a coordinate and a rank in its order, again while the item is excluded."""
    b = np.int64(state.block[pool.items[pool.start]])
    if state.left[b] <= 0:
        refresh_orders(state, b, pool.start, pool.size, model)
        state.left[b] = np.int64(pool.size * state.period)
        state.user[b] = -1
    state.left[b] -= 1
    if state.user[b] != u:  # the positives of a user follow each other, and share this
        _weigh_coordinates(state, b, u, model)
    row, place, step = 0, np.int64(0), np.int64(1)
    for _ in range(_MAX_REDRAWS):
        row = _draw_coordinate(state.cumulative[b], rng)
        rank = min(np.int64(math.log(1.0 + next_float(rng) * state.mass[b]) / state.log_ratio), pool.size - 1)
        upward = _user_coordinate(model, row, u) < 0.0
        place, step = (pool.size - 1 - rank, np.int64(-1)) if upward else (rank, np.int64(1))
        position = np.int64(state.orders[row, pool.start + place])
        if not is_excluded(pool, position):
            return position, 1.0
    for _ in range(pool.size):  # the user has nearly all that is likely: the next admitted item of the order
        position = np.int64(state.orders[row, pool.start + place])
        if not is_excluded(pool, position):
            return position, 1.0
        place += step
        if place < 0:
            place = pool.size - 1
        elif place == pool.size:
            place = 0
    return np.int64(-1), 1.0


class HardnessState(NamedTuple):
    """The one of several uniform candidates whose score is nearest to a target that the positive sets (AHNS)."""

    excludes: int
    n_candidates: int
    alpha: float
    beta: float
    exponent: float


@register_draw(HardnessState, scores_positive=True)
def draw_hardness_state(state, u, i, s_pos, pool, model, rng):
    """Draw candidates, return the one nearest to the target hardness."""
    level = max(np.float64(s_pos) + state.alpha, _LEAST_LEVEL)
    target = state.beta / level if state.exponent == -1.0 else state.beta * level**state.exponent
    best, nearest = np.int64(-1), 0.0
    for _ in range(state.n_candidates):
        position = draw_uniform(pool, rng)
        if position < 0:
            break
        distance = abs(np.float64(score(model, u, pool, position)) - target)
        if best < 0 or distance < nearest:
            best, nearest = position, distance
    return best, 1.0


class ListState(NamedTuple):
    """Uniform over a list of the user's own.

    A slot is a place in the items' order of blocks: item ``partition.items[slot]``. The lists of all users follow each
    other; within each, slots of a block follow those of the blocks before.
    """

    excludes: int
    starts: np.ndarray  # (n_users + 1,) int64
    slots: np.ndarray  # (n,) int32


@kernel
def _first_from(slots, low, high, bound):
    """Smallest place in low..high-1 whose slot is `bound` or more, `high` where there is none."""
    while low < high:
        middle = (low + high) >> 1
        if slots[middle] < bound:
            low = middle + 1
        else:
            high = middle
    return low


@register_draw(ListState, reads_model=False)
def draw_list_state(state, u, i, s_pos, pool, model, rng):
    """Draw from what of the user's list lies in the block, -1 where none of it may be drawn."""
    first = _first_from(state.slots, state.starts[u], state.starts[u + 1], pool.start)
    last = _first_from(state.slots, first, state.starts[u + 1], pool.start + pool.size)
    if first == last:
        return np.int64(-1), 1.0
    for _ in range(_MAX_REDRAWS):
        position = np.int64(state.slots[first + next_below(rng, last - first)]) - pool.start
        if not is_excluded(pool, position):
            return position, 1.0
    admitted = 0
    for place in range(first, last):
        admitted += not is_excluded(pool, np.int64(state.slots[place]) - pool.start)
    if admitted == 0:
        return np.int64(-1), 1.0
    left = next_below(rng, admitted)
    for place in range(first, last):
        position = np.int64(state.slots[place]) - pool.start
        if not is_excluded(pool, position):
            if left == 0:
                return position, 1.0
            left -= 1
    return np.int64(-1), 1.0


@kernel(inline=False)
def arrange_lists(partition, starts, items, slots, first, last, cursors):
    """Write the slots of the lists of users first..last-1, block after block; `slots` may be `items` itself.

    `cursors` (longest list + n_blocks + 1,) int64 is scratch. Cost: O(length of the lists + n_users * n_blocks).
    """
    n_blocks = partition.item_starts.shape[0] - 1
    counts, copied = cursors[: n_blocks + 1], cursors[n_blocks + 1 :]
    for u in range(first, last):
        low = starts[u]
        size = starts[u + 1] - low
        counts[:] = 0
        for k in range(size):
            copied[k] = items[low + k]
            counts[partition.block[copied[k]] + 1] += 1
        for b in range(n_blocks):
            counts[b + 1] += counts[b]
        for k in range(size):
            b = partition.block[copied[k]]
            slots[low + counts[b]] = partition.item_starts[b] + partition.position[copied[k]]
            counts[b] += 1


@kernel(inline=False)
def mask_seen(scores, first, indptr, indices, kinds, place, excludes):
    """Set scores of excluded items of the users from `first` on to -inf; `place` is the items' column, -1 for none."""
    for r in range(scores.shape[0]):
        for t in range(indptr[first + r], indptr[first + r + 1]):
            column = place[indices[t]]
            if column >= 0 and (excludes >> (0 if kinds[t] > 0 else 1)) & 1:
                scores[r, column] = -np.inf


@kernel(inline=False)
def keep_band(scores, bounds, columns, rng, kept, sizes):
    """Keep for each row a random choice of the columns whose scores lie within its bounds.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_columns), float32
    bounds : ndarray of shape (n_rows, 2), float32
        Least and largest score of the band; -inf is never in it.
    columns : ndarray of shape (n_columns,), int32
        Item of each column.
    rng : ndarray of shape (8,), uint64
    kept : ndarray of shape (n_rows, n_kept), int32
        Filled from the left.
    sizes : ndarray of shape (n_rows,), int64
        How many of it are filled.
    """
    for r in range(scores.shape[0]):
        n_seen = 0
        for c in range(scores.shape[1]):
            s = scores[r, c]
            if s < bounds[r, 0] or s > bounds[r, 1] or s == -np.inf:
                continue
            if n_seen < kept.shape[1]:
                kept[r, n_seen] = columns[c]
            else:  # reservoir: each of those seen so far is kept with the same probability
                at = next_below(rng, n_seen + 1)
                if at < kept.shape[1]:
                    kept[r, at] = columns[c]
            n_seen += 1
        sizes[r] = min(n_seen, kept.shape[1])
