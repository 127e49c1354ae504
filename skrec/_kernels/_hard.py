"""Draws of hard negatives: by a single coordinate's order, near a target hardness, from a list of the user's own."""

import math
from typing import NamedTuple

import numpy as np

from skrec._kernels._jit import kernel
from skrec._kernels._rng import next_below, next_float
from skrec._kernels._sampling import draw_uniform, is_excluded, register_draw, score

# Redraws after hitting excluded items before the nearest admitted one is looked for.
_MAX_REDRAWS = 32
# Coordinates are sorted by the upper 24 bits of their float32, three digits of eight bits.
_DIGITS = 3
_RADIX = 256
# A positive that scores so low that its target hardness is undefined asks for the hardest candidate.
_LEAST_LEVEL = 1e-6


class OversamplingState(NamedTuple):
    """Ranks from a truncated geometric law, in the order of a coordinate that is drawn for the user (AOBPR).

    A row of `orders` is a coordinate: the components, then the item bias where the model has one.
    """

    excludes: int
    log_ratio: float  # log of the probability of a rank over that of the rank before
    period: float  # draws for each item of a block until its orders are made anew
    orders: np.ndarray  # (n_rows, n_items) int32: positions in their block, largest coordinate first
    spread: np.ndarray  # (n_blocks, n_rows) float32: standard deviation over the block's items
    left: np.ndarray  # (n_blocks,) int64: draws left until then
    block: np.ndarray  # (n_items,) int32
    keys: np.ndarray  # (n_items,) float32, scratch of each block
    bits: np.ndarray  # the same memory as uint32
    pairs: np.ndarray  # (2, n_items) uint64, scratch
    counts: np.ndarray  # (n_blocks, 3, 256) int32, scratch


def make_oversampling_state(excludes, log_ratio, partition, n_rows):
    """Allocate the state for one epoch; the first draw from each block fills what it needs."""
    n_items, n_blocks = len(partition.items), len(partition.item_starts) - 1
    keys = np.empty(n_items, np.float32)
    return OversamplingState(
        excludes,
        log_ratio,
        max(math.log(n_items), 1.0),
        np.empty((n_rows, n_items), np.int32),
        np.empty((n_blocks, n_rows), np.float32),
        np.zeros(n_blocks, np.int64),
        partition.block,
        keys,
        keys.view(np.uint32),
        np.empty((2, n_items), np.uint64),
        np.empty((n_blocks, _DIGITS, _RADIX), np.int32),
    )


@kernel
def _coordinate(model, row, item):
    if row == model.U.shape[1]:
        return model.bias[item]
    x = model.V[item, row]
    return x * model.v_scale[item] if model.cosine else x


@kernel
def _user_coordinate(model, row, u):
    if row == model.U.shape[1]:
        return np.float32(1.0)
    x = model.U[u, row] * model.w[row]
    return x * model.u_scale[u] if model.cosine else x


@kernel(inline=False)
def refresh_orders(state, b, items, start, size, model):
    """Sort the items of block b by each coordinate, and measure how far the coordinate spreads.

    Cost: O(n_rows * size); coordinates that agree in the upper 24 bits keep the order of their positions.
    """
    counts = state.counts[b]
    for row in range(state.orders.shape[0]):
        total, squares = 0.0, 0.0
        for p in range(start, start + size):
            x = _coordinate(model, row, items[p])
            state.keys[p] = x
            total += x
            squares += x * x
        state.spread[b, row] = math.sqrt(max(squares / size - (total / size) ** 2, 0.0))
        counts[:] = 0
        for p in range(start, start + size):
            bits = np.uint64(state.bits[p])
            # Ascending in this order of unsigned integers is descending in the floats.
            ordered = bits if bits >> np.uint64(31) else bits ^ np.uint64(0x7FFFFFFF)
            for digit in range(_DIGITS):
                counts[digit, (ordered >> np.uint64(8 + 8 * digit)) & np.uint64(255)] += 1
            state.pairs[0, p] = ordered << np.uint64(32) | np.uint64(p - start)
        for digit in range(_DIGITS):
            before = 0
            for value in range(_RADIX):
                here = counts[digit, value]
                counts[digit, value] = before
                before += here
            shift = np.uint64(40 + 8 * digit)
            source, target = state.pairs[digit & 1], state.pairs[1 - (digit & 1)]
            for p in range(start, start + size):
                value = (source[p] >> shift) & np.uint64(255)
                at = counts[digit, value]
                counts[digit, value] = at + 1
                target[start + at] = source[p]
        last = state.pairs[_DIGITS & 1]
        for p in range(start, start + size):
            state.orders[row, p] = np.int32(last[p] & np.uint64(0xFFFFFFFF))


@kernel
def _draw_coordinate(state, b, u, model, rng):
    """Draw a coordinate in proportion to the user's times its spread, all alike where these are 0."""
    n_rows = state.orders.shape[0]
    total = np.float32(0.0)
    for k in range(model.U.shape[1]):
        total += abs(model.U[u, k] * model.w[k]) * state.spread[b, k]
    scale = model.u_scale[u] if model.cosine else np.float32(1.0)
    bias = state.spread[b, n_rows - 1] if n_rows > model.U.shape[1] else np.float32(0.0)
    left = np.float32(next_float(rng)) * (scale * total + bias)
    left -= bias
    if left < 0.0:
        return n_rows - 1
    left /= scale
    for k in range(model.U.shape[1]):
        left -= abs(model.U[u, k] * model.w[k]) * state.spread[b, k]
        if left < 0.0:
            return k
    return next_below(rng, n_rows)


@register_draw(OversamplingState)
def draw_oversampling_state(state, u, i, s_pos, pool, model, rng):
    """Draw a coordinate and a rank in its order, again while the item is excluded."""
    b = np.int64(state.block[pool.items[pool.start]])
    if state.left[b] <= 0:
        refresh_orders(state, b, pool.items, pool.start, pool.size, model)
        state.left[b] = np.int64(pool.size * state.period)
    state.left[b] -= 1
    mass = math.expm1(pool.size * state.log_ratio)
    row, place, step = 0, np.int64(0), np.int64(1)
    for _ in range(_MAX_REDRAWS):
        row = _draw_coordinate(state, b, u, model, rng)
        rank = min(np.int64(math.log1p(next_float(rng) * mass) / state.log_ratio), pool.size - 1)
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
        distance = abs(np.float64(score(model, u, pool.items[pool.start + position])) - target)
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


@register_draw(ListState)
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
