"""Negatives, one draw at a time: sampler states, and `draw`, chosen at compile time by the type of the state.

A draw sees the block of items that its chunk works on (`Pool`), never the whole catalogue: a sampler whose law cannot
be kept within a block asks for a single block (see :class:`skrec.samplers.BaseSampler`).
"""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from skrec._kernels._jit import kernel
from skrec._kernels._rng import next_below, next_float

# Redraws after hitting excluded items before the pool is searched item by item: a user who has seen nearly all of a
# block.
_MAX_REDRAWS = 32


class Model(NamedTuple):
    """Parameters of a factorisation; a kernel scores with them and, in a step, changes them.

    The score of user u and the item in row j is ``sum_k w[k] * U[u, k] * V[j, k]``, times ``u_scale[u] * v_scale[j]``
    (the inverse norms) where `cosine`, plus ``bias[j]`` where `biased`. In training the items' rows are in the order of
    the blocks, see :class:`Pool`.
    """

    U: np.ndarray  # (n_users, n_components) float32
    V: np.ndarray  # (n_items, n_components) float32
    w: np.ndarray  # (n_components,) float32
    bias: np.ndarray  # (n_items,) float32
    u_scale: np.ndarray  # (n_users,) float32
    v_scale: np.ndarray  # (n_items,) float32
    cosine: bool
    biased: bool
    weighted: bool  # whether w may differ from ones


class Pool(NamedTuple):
    """The items that a draw chooses from, and which of them the user has been seen with.

    Position p of the block is item ``items[start + p]``, in row ``start + p`` of the model. The user's positives carry
    ``mark[p] == stamp``, the explicit negatives ``stamp + 1``; `excludes` says which may not be drawn: bit 0 the
    positives, bit 1 the explicit negatives.
    """

    items: np.ndarray  # (n_items,) int32, all blocks
    start: int
    size: int
    mark: np.ndarray  # (largest block,) int32
    stamp: int
    excludes: int
    explicit: np.ndarray  # (largest block,) int32: positions of the user's explicit negatives
    n_explicit: int
    kept: np.ndarray  # (scratch size of the sampler,) int32: for draws that compare candidates
    kept_scores: np.ndarray  # the same, float32


class Scratch(NamedTuple):
    """Memory that a group of users works in, one row a group."""

    mark: np.ndarray  # (n_groups, largest block) int32
    explicit: np.ndarray  # (n_groups, largest block) int32
    kept: np.ndarray  # (n_groups, scratch size of the sampler) int32
    kept_scores: np.ndarray  # (n_groups, scratch size of the sampler) float32; also holds weights of GMF


def make_scratch(n_groups, block_size, scratch_size):
    """Allocate the scratch of `n_groups` groups; `scratch_size` candidates can be held."""
    return Scratch(
        np.zeros((n_groups, block_size), np.int32),
        np.zeros((n_groups, block_size), np.int32),
        np.zeros((n_groups, max(scratch_size, 1)), np.int32),
        np.zeros((n_groups, max(scratch_size, 1)), np.float32),
    )


def zero_model(n_users, n_items):
    """Return the model whose scores are all 0."""
    return Model(
        np.zeros((n_users, 1), np.float32),
        np.zeros((n_items, 1), np.float32),
        np.ones(1, np.float32),
        np.zeros(n_items, np.float32),
        np.ones(n_users, np.float32),
        np.ones(n_items, np.float32),
        cosine=False,
        biased=False,
        weighted=False,
    )


_DRAWS = {}
_SCORES_POSITIVE = set()
_READS_MODEL = set()


def register_draw(state_class, *, scores_positive=False, reads_model=True):
    """Register a function as the draw of a sampler's state class.

    Parameters
    ----------
    state_class : type
        A module-level :class:`typing.NamedTuple` class of scalars and arrays; its first field is `excludes`, see
        :class:`Pool`.
    scores_positive : bool, default=False
        Whether the draw reads `s_pos`, which costs a score of its own; without it `s_pos` is 0.
    reads_model : bool, default=True
        Whether what it draws depends on the model, as it does with `scores_positive`. A draw that does not may be asked
        for thousands of positives before the first is trained on, so that memory has time to bring the negatives' rows.

    Returns
    -------
    callable
        Decorator for ``func(state, u, i, s_pos, pool, model, rng) -> (position, weight)``: user, positive item (both
        int), its score, the pool, the model, the generator row; returns the position of the negative in the pool, -1
        for none, and the weight of the step.
    """

    def decorate(func):
        _DRAWS[state_class] = kernel(func)
        if scores_positive:
            _SCORES_POSITIVE.add(state_class)
        if reads_model or scores_positive:
            _READS_MODEL.add(state_class)
        return _DRAWS[state_class]

    return decorate


def draw(state, u, i, s_pos, pool, model, rng):
    """Draw a negative for (u, i): its position in the pool (-1: none) and the weight of the step."""
    return _DRAWS[type(state)](state, u, i, s_pos, pool, model, rng)


@overload(draw)
def _choose_draw(state, u, i, s_pos, pool, model, rng):
    compiled = _DRAWS[state.instance_class]
    return lambda state, u, i, s_pos, pool, model, rng: compiled(state, u, i, s_pos, pool, model, rng)


def reads_positive_score(state):
    """Whether the draw of this state needs the score of the positive (a constant at compile time)."""
    return _is_among(state, _SCORES_POSITIVE)


@overload(reads_positive_score)
def _choose_reads_positive_score(state):
    return _constant(_type_is_among(state, _SCORES_POSITIVE))


def reads_model(state):
    """Whether what this state draws depends on the model (a constant at compile time)."""
    return _is_among(state, _READS_MODEL)


@overload(reads_model)
def _choose_reads_model(state):
    return _constant(_type_is_among(state, _READS_MODEL))


def _is_among(state, state_classes):
    """Whether a state, or a part of a mix, is of one of the classes."""
    if isinstance(state, MixedState):
        return any(_is_among(part, state_classes) for part in state.states)
    return type(state) in state_classes


def _type_is_among(numba_type, state_classes):
    if numba_type.instance_class is MixedState:
        return any(_type_is_among(part, state_classes) for part in numba_type[MixedState._fields.index("states")])
    return numba_type.instance_class in state_classes


def _constant(answer):
    if answer:
        return lambda state: True
    return lambda state: False


@kernel
def similarity(model, u, j):
    """Score of user u and the item in row j of the model, without the item's bias."""
    total = np.float32(0.0)
    if model.weighted:
        for k in range(model.U.shape[1]):
            total += model.w[k] * model.U[u, k] * model.V[j, k]
    else:  # a third less to read, which samplers that score many candidates notice
        for k in range(model.U.shape[1]):
            total += model.U[u, k] * model.V[j, k]
    if model.cosine:
        total *= model.u_scale[u] * model.v_scale[j]
    return total


@kernel
def row_score(model, u, j):
    """Score of user u and the item in row j of the model."""
    return similarity(model, u, j) + model.bias[j] if model.biased else similarity(model, u, j)


@kernel
def score(model, u, pool, position):
    """Score of user u and the item at a position of the pool."""
    return row_score(model, u, pool.start + position)


@kernel
def is_excluded(pool, position):
    """Whether the position is a seen item that may not be drawn."""
    seen = pool.mark[position] - pool.stamp
    return seen >= 0 and ((pool.excludes >> seen) & 1) == 1


@kernel
def any_admitted(pool, rng):
    """Uniform draw among the admitted positions, -1 when there is none, by counting them. Cost: O(pool.size)."""
    n_admitted = 0
    for position in range(pool.size):
        if not is_excluded(pool, position):
            n_admitted += 1
    if n_admitted == 0:
        return -1
    left = next_below(rng, n_admitted)
    for position in range(pool.size):
        if not is_excluded(pool, position):
            if left == 0:
                return position
            left -= 1
    return -1


@kernel
def draw_uniform(pool, rng):
    """Uniform draw among the admitted positions, -1 when there is none."""
    for _ in range(_MAX_REDRAWS):
        position = next_below(rng, pool.size)
        if not is_excluded(pool, position):
            return position
    return any_admitted(pool, rng)


class UniformState(NamedTuple):
    """Uniform over the pool; `excludes` as in :class:`Pool`."""

    excludes: int


@register_draw(UniformState, reads_model=False)
def draw_uniform_state(state, u, i, s_pos, pool, model, rng):
    """Draw uniformly from the admitted items."""
    return draw_uniform(pool, rng), 1.0


class AliasState(NamedTuple):
    """Fixed law by alias tables, one per block, in the order of the partition's items."""

    excludes: int
    prob: np.ndarray  # (n_items,) float64
    alias: np.ndarray  # (n_items,) int32, positions within the block


@kernel
def build_alias(mass, start, stop, prob, alias, stack):
    """Fill prob[start:stop] and alias[start:stop] from mass[start:stop] >= 0 (Walker 1977, Vose 1991).

    `stack` is int32 scratch of at least stop - start. Cost: O(stop - start). A block without mass becomes uniform.
    """
    n = stop - start
    total = 0.0
    for k in range(start, stop):
        total += mass[k]
    if not total > 0.0:
        for k in range(n):
            prob[start + k] = 1.0
            alias[start + k] = k
        return
    small, large = 0, n
    for k in range(n):
        prob[start + k] = mass[start + k] * n / total
        alias[start + k] = k
        if prob[start + k] < 1.0:
            stack[small] = k
            small += 1
        else:
            large -= 1
            stack[large] = k
    while small > 0 and large < n:
        small -= 1
        s = stack[small]
        at = stack[large]
        alias[start + s] = at
        prob[start + at] -= 1.0 - prob[start + s]
        if prob[start + at] < 1.0:
            large += 1
            stack[small] = at
            small += 1
    while small > 0:  # left over by rounding
        small -= 1
        prob[start + stack[small]] = 1.0
    while large < n:
        prob[start + stack[large]] = 1.0
        large += 1


@kernel(inline=False)
def build_block_aliases(mass, partition, arranged, stack, prob, alias):
    """Build one alias table per block from `mass` (n_items,) float64, in the items' own order.

    `arranged` float64 and `stack` int32 of shape (n_items,) are scratch.
    """
    for slot in range(mass.shape[0]):
        arranged[slot] = mass[partition.items[slot]]
    for b in range(partition.item_starts.shape[0] - 1):
        build_alias(arranged, partition.item_starts[b], partition.item_starts[b + 1], prob, alias, stack)


@kernel
def draw_alias_admitted(state, pool, rng):
    """Draw from what exclusion leaves of an alias table, -1 where that is nothing. Cost: O(pool.size)."""
    total = 0.0
    for cell in range(pool.size):
        own = state.prob[pool.start + cell]
        if not is_excluded(pool, cell):
            total += own
        if not is_excluded(pool, state.alias[pool.start + cell]):
            total += 1.0 - own
    left = next_float(rng) * total
    for cell in range(pool.size):
        own = state.prob[pool.start + cell]
        if not is_excluded(pool, cell):
            left -= own
            if left < 0.0:
                return cell
        other = np.int64(state.alias[pool.start + cell])
        if not is_excluded(pool, other):
            left -= 1.0 - own
            if left < 0.0:
                return other
    return any_admitted(pool, rng)


@register_draw(AliasState, reads_model=False)
def draw_alias_state(state, u, i, s_pos, pool, model, rng):
    """Draw from the block's alias table, again while the item is excluded."""
    for _ in range(_MAX_REDRAWS):
        position = next_below(rng, pool.size)
        if next_float(rng) >= state.prob[pool.start + position]:
            position = np.int64(state.alias[pool.start + position])
        if not is_excluded(pool, position):
            return position, 1.0
    return draw_alias_admitted(state, pool, rng), 1.0


class DynamicState(NamedTuple):
    """Best scored of several uniform candidates: one of the `top_m` hardest of `n_candidates`."""

    excludes: int
    n_candidates: int
    top_m: int


@register_draw(DynamicState)
def draw_dynamic_state(state, u, i, s_pos, pool, model, rng):
    """Draw candidates, keep the top_m best scored, return one of them at random."""
    if state.top_m == 1:
        best, best_score = np.int64(-1), np.float32(0.0)
        for _ in range(state.n_candidates):
            position = draw_uniform(pool, rng)
            if position < 0:
                return np.int64(-1), 1.0
            candidate_score = score(model, u, pool, position)
            if best < 0 or candidate_score > best_score:
                best, best_score = position, candidate_score
        return best, 1.0
    top, top_score = pool.kept, pool.kept_scores
    n_top = 0
    for _ in range(state.n_candidates):
        position = draw_uniform(pool, rng)
        if position < 0:
            return np.int64(-1), 1.0
        candidate_score = score(model, u, pool, position)
        if n_top == state.top_m and candidate_score <= top_score[n_top - 1]:
            continue
        at = n_top if n_top < state.top_m else state.top_m - 1
        n_top = at + 1
        while at > 0 and top_score[at - 1] < candidate_score:
            top[at], top_score[at] = top[at - 1], top_score[at - 1]
            at -= 1
        top[at], top_score[at] = position, candidate_score
    return np.int64(top[next_below(rng, n_top)]), 1.0


class WARPState(NamedTuple):
    """First violator of a margin among uniform draws, weighted by the rank that the number of draws implies."""

    excludes: int
    margin: float
    rank_weight: np.ndarray  # (max_sampled + 1,) float64: weight after t draws


@register_draw(WARPState, scores_positive=True)
def draw_warp_state(state, u, i, s_pos, pool, model, rng):
    """Draw until an item violates the margin: score first, membership only for a violator."""
    threshold = s_pos - state.margin
    for t in range(1, state.rank_weight.shape[0]):
        position = next_below(rng, pool.size)
        if score(model, u, pool, position) > threshold and not is_excluded(pool, position):
            return position, state.rank_weight[t]
    return np.int64(-1), 0.0


class ExplicitState(NamedTuple):
    """The user's own explicit negatives."""

    excludes: int


@register_draw(ExplicitState, reads_model=False)
def draw_explicit_state(state, u, i, s_pos, pool, model, rng):
    """Draw one of the user's explicit negatives, -1 when there is none."""
    if pool.n_explicit == 0:
        return np.int64(-1), 1.0
    return np.int64(pool.explicit[next_below(rng, pool.n_explicit)]), 1.0


class BlockState(NamedTuple):
    """Negatives drawn beforehand in plain Python, one for each positive in the order of training."""

    excludes: int
    negatives: np.ndarray  # (n,) int32 positions (= items: there is one block)
    cursor: np.ndarray  # (1,) int64: the number of the positive


@register_draw(BlockState, reads_model=False)
def draw_block_state(state, u, i, s_pos, pool, model, rng):
    """Return the next of the negatives drawn beforehand; an excluded one is replaced by a uniform draw."""
    at = state.cursor[0]
    state.cursor[0] = at + 1
    position = np.int64(state.negatives[at])
    if position >= 0 and is_excluded(pool, position):
        return draw_uniform(pool, rng), 1.0
    return position, 1.0


class MixedState(NamedTuple):
    """A weighted mix: one component is drawn, then its negative; a component that has none passes on to the next."""

    excludes: int
    cumulative: np.ndarray  # (n_components,) float64, ends at 1
    states: tuple
    cursor: np.ndarray  # (1,) int64: the number of the positive, shared with block states; empty where there is none


def draw_nth(states, which, u, i, s_pos, pool, model, rng):
    """Draw from the state number `which` of a tuple of states."""
    return draw(states[which], u, i, s_pos, pool, model, rng)


@overload(draw_nth)
def _choose_draw_nth(states, which, u, i, s_pos, pool, model, rng):
    if len(states) == 1:
        return lambda states, which, u, i, s_pos, pool, model, rng: draw(states[0], u, i, s_pos, pool, model, rng)

    def unroll(states, which, u, i, s_pos, pool, model, rng):
        if which == 0:
            return draw(states[0], u, i, s_pos, pool, model, rng)
        return draw_nth(states[1:], which - 1, u, i, s_pos, pool, model, rng)

    return unroll


@register_draw(MixedState, reads_model=False)
def draw_mixed_state(state, u, i, s_pos, pool, model, rng):
    """Choose a component by its share and draw from it; where it has no negative the next ones are asked in turn."""
    n = state.cumulative.shape[0]
    x = next_float(rng)
    which = 0
    while which < n - 1 and x >= state.cumulative[which]:
        which += 1
    counting = state.cursor.shape[0] > 0
    number = state.cursor[0] if counting else np.int64(0)
    position, weight = np.int64(-1), 1.0
    for step in range(n):
        position, weight = draw_nth(state.states, (which + step) % n, u, i, s_pos, pool, model, rng)
        if counting:  # whichever component was asked, its next negative is that of this positive, or of the next
            state.cursor[0] = number
        if position >= 0:
            break
    if counting:
        state.cursor[0] = number + 1
    return position, weight


@kernel
def mark_user(row_items, row_kinds, mark, explicit):
    """Mark a user's positives with 1 and explicit negatives with 2; return how many of the latter there are."""
    n_explicit = 0
    for t in range(row_items.shape[0]):
        if row_kinds[t] < 0:
            mark[row_items[t]] = 2
            explicit[n_explicit] = row_items[t]
            n_explicit += 1
        else:
            mark[row_items[t]] = 1
    return n_explicit


@kernel
def unmark_user(indptr, indices, u, mark):
    """Take a user's marks away; none for -1."""
    if u >= 0:
        for t in range(indptr[u], indptr[u + 1]):
            mark[indices[t]] = 0


@kernel(inline=False)
def sample_many(state, users, positives, indptr, indices, kinds, items, model, scratch, rng, out):
    """Fill `out` (n,) int32 with one draw for each pair of `users` and `positives`, over the whole catalogue `items`.

    `indptr`, `indices`, `kinds` are the rows of seen items, positive where the kind is above 0. Scratch row 0 is used,
    whose marks are 0 before and after. Pairs of one user in a row are cheapest.
    """
    mark, explicit = scratch.mark[0], scratch.explicit[0]
    marked, n_explicit = np.int64(-1), 0
    for k in range(users.shape[0]):
        u, i = users[k], positives[k]
        if u != marked:
            unmark_user(indptr, indices, marked, mark)
            row_items, row_kinds = indices[indptr[u] : indptr[u + 1]], kinds[indptr[u] : indptr[u + 1]]
            n_explicit = mark_user(row_items, row_kinds, mark, explicit)
            marked = u
        pool = Pool(
            items,
            0,
            items.shape[0],
            mark,
            1,
            state.excludes,
            explicit,
            n_explicit,
            scratch.kept[0],
            scratch.kept_scores[0],
        )
        s_pos = row_score(model, u, i) if i >= 0 else np.float32(0.0)
        position, _ = draw(state, u, i, s_pos, pool, model, rng)
        out[k] = position
    unmark_user(indptr, indices, marked, mark)
