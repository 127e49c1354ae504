"""The triplet engine: one step on (user, positive, negative) at a time, over one chunk of a partition."""

from typing import NamedTuple

import numpy as np

from skrec._kernels._jit import kernel
from skrec._kernels._losses import loss_grad
from skrec._kernels._partition import EXPLICIT, TRAIN
from skrec._kernels._prefetch import prefetch_row
from skrec._kernels._sampling import Model, Pool, draw, reads_model, reads_positive_score, similarity
from skrec._kernels._updates import inverse_norm, step_bias, step_rows

# Columns of the statistics row of a group of users.
LOSS = 0  # sum of weighted losses
STEPS = 1  # positives that had a negative
ZERO = 2  # of these, steps whose gradient was zero
WEIGHT = 3  # sum of the weights


@kernel
def _pair_scores(model, u, i, j):
    s_pos, s_neg = np.float32(0.0), np.float32(0.0)
    for k in range(model.U.shape[1]):
        x = model.w[k] * model.U[u, k]
        s_pos += x * model.V[i, k]
        s_neg += x * model.V[j, k]
    if model.cosine:
        s_pos *= model.u_scale[u] * model.v_scale[i]
        s_neg *= model.u_scale[u] * model.v_scale[j]
    return s_pos, s_neg


@kernel
def _step(model, optimizer, u, i, j, s_pos, s_neg, g_pos, g_neg):
    """Apply the step of one triplet, given raw similarities (without biases) and weighted loss derivatives."""
    b_i, b_j = np.float32(g_pos), np.float32(g_neg)
    l2 = np.float32(optimizer.l2)
    a_u, a_i, a_j = l2, l2, l2
    if model.cosine:
        x, p, n = model.u_scale[u], model.v_scale[i], model.v_scale[j]
        a_u -= (b_i * s_pos + b_j * s_neg) * x * x
        a_i -= b_i * s_pos * p * p
        a_j -= b_j * s_neg * n * n
        b_i *= x * p
        b_j *= x * n
    step_rows(model, optimizer, u, i, j, a_u, a_i, a_j, b_i, b_j)
    if model.cosine:
        model.u_scale[u] = inverse_norm(model.U, u)
        model.v_scale[i] = inverse_norm(model.V, i)
        model.v_scale[j] = inverse_norm(model.V, j)
    if model.biased:
        step_bias(model, optimizer, i, g_pos)
        step_bias(model, optimizer, j, g_neg)


@kernel
def _next_weights(model, optimizer, u, i, j, g_pos, g_neg, out):
    """Fill `out` with the component weights of GMF after a plain step; the penalty pulls them to 1."""
    rate, l2 = np.float32(optimizer.learning_rate), np.float32(optimizer.l2)
    p, n = np.float32(g_pos), np.float32(g_neg)
    for k in range(model.U.shape[1]):
        c = model.w[k]
        out[k] = c - rate * (l2 * (c - np.float32(1)) + model.U[u, k] * (p * model.V[i, k] + n * model.V[j, k]))


class Chunks(NamedTuple):
    """An epoch's interactions, as :mod:`~skrec._kernels._partition` writes them."""

    words: np.ndarray  # (n_words,) int32
    weights: np.ndarray  # (n_words,) float32, or empty
    starts: np.ndarray  # (n_groups, n_blocks) int64
    stops: np.ndarray
    drawn: np.ndarray  # (n_groups, longest chunk) int32, or empty: rows of negatives drawn ahead, for the chunk at work
    drawn_weights: np.ndarray  # the same, float32: weights of their steps
    ahead: int  # how many words before it is trained on a row is asked for; 0: never


@kernel
def _mark_run(words, at, stamp, mark, explicit):
    """Mark the items of the run from words[at] on; return where it ends and how many are explicit negatives."""
    n_explicit = 0
    while at < words.shape[0] and words[at] >= 0:
        position = words[at] >> 2
        if words[at] & 3 == EXPLICIT & 3:
            mark[position] = stamp + 1
            explicit[n_explicit] = position
            n_explicit += 1
        else:
            mark[position] = stamp
        at += 1
    return at, n_explicit


@kernel
def _draw_chunk(words, items, item_start, size, mark, explicit, kept, kept_scores, model, sampler, rng, drawn, weights):
    """Draw a negative for each positive among `words`: fill `drawn` with rows, -1 for none, and `weights`."""
    stamp = np.int64(1)
    t = 0
    while t < words.shape[0]:
        u = ~words[t]
        t += 1
        end, n_explicit = _mark_run(words, t, stamp, mark, explicit)
        pool = Pool(items, item_start, size, mark, stamp, sampler.excludes, explicit, n_explicit, kept, kept_scores)
        for at in range(t, end):
            drawn[at] = -1
            if words[at] & 3 == TRAIN:
                i = np.int64(items[item_start + (words[at] >> 2)])
                position, weight = draw(sampler, u, i, np.float32(0.0), pool, model, rng)
                if position >= 0:
                    drawn[at], weights[at] = item_start + position, weight
        stamp += 2
        t = end


@kernel
def _look_ahead(words, at, drawn, draws_ahead, item_start, model, optimizer):
    """Ask for what the word `at` will need, if there is one: rows of its user, or of its item and its negative."""
    if at >= words.shape[0]:
        return
    word = words[at]
    remembers = optimizer.U1.shape[0] > 0
    if word < 0:
        prefetch_row(model.U, ~word)
        if remembers:
            prefetch_row(optimizer.U1, ~word)
        return
    i = item_start + (word >> 2)
    prefetch_row(model.V, i)
    if remembers:
        prefetch_row(optimizer.V1, i)
    if draws_ahead and drawn[at] >= 0:
        prefetch_row(model.V, drawn[at])
        if remembers:
            prefetch_row(optimizer.V1, drawn[at])


@kernel
def _train_chunk(
    chunks,
    start,
    stop,
    items,
    item_start,
    item_stop,
    group,
    model,
    optimizer,
    sampler,
    loss,
    scratch,
    rng,
    stats,
):
    """Train on words[start:stop], the runs of one group's users with the block items[item_start:item_stop]."""
    mark, explicit = scratch.mark[group], scratch.explicit[group]
    kept, kept_scores = scratch.kept[group], scratch.kept_scores[group]
    words, ahead = chunks.words[start:stop], chunks.ahead
    drawn, drawn_weights = chunks.drawn[group], chunks.drawn_weights[group]
    size = item_stop - item_start
    mark[:size] = 0
    draws_ahead = drawn.shape[0] > 0 and not reads_model(sampler)
    if draws_ahead:
        _draw_chunk(
            words, items, item_start, size, mark, explicit, kept, kept_scores, model, sampler, rng, drawn, drawn_weights
        )
    stamp = np.int64(1)
    weighted = chunks.weights.shape[0] > 0
    t, n_words = 0, stop - start
    while t < n_words:
        u = ~words[t]
        if ahead > 0:
            _look_ahead(words, t + ahead, drawn, draws_ahead, item_start, model, optimizer)
        t += 1
        end, n_explicit = t, 0
        if draws_ahead:
            while end < n_words and words[end] >= 0:
                end += 1
        else:
            end, n_explicit = _mark_run(words, t, stamp, mark, explicit)
        pool = Pool(items, item_start, size, mark, stamp, sampler.excludes, explicit, n_explicit, kept, kept_scores)
        for at in range(t, end):
            if ahead > 0:
                _look_ahead(words, at + ahead, drawn, draws_ahead, item_start, model, optimizer)
            if words[at] & 3 != TRAIN:
                continue
            i = item_start + (words[at] >> 2)
            bias_pos = model.bias[i] if model.biased else np.float32(0.0)
            s_pos = similarity(model, u, i) if reads_positive_score(sampler) else np.float32(0.0)
            if draws_ahead:
                j, weight = np.int64(drawn[at]), np.float64(drawn_weights[at])
            else:
                position, weight = draw(sampler, u, np.int64(items[i]), s_pos + bias_pos, pool, model, rng)
                j = item_start + position if position >= 0 else np.int64(-1)
            if j < 0 or j == i:  # where positives are admitted: an item is no negative of itself
                continue
            if reads_positive_score(sampler):
                s_neg = similarity(model, u, j)
            else:
                s_pos, s_neg = _pair_scores(model, u, i, j)
            bias_neg = model.bias[j] if model.biased else np.float32(0.0)
            value, g_pos, g_neg = loss_grad(loss, s_pos + bias_pos, s_neg + bias_neg)
            if weighted:
                weight *= chunks.weights[start + at]
            stats[LOSS] += weight * value
            stats[STEPS] += 1
            stats[WEIGHT] += weight
            if g_pos == 0.0 and g_neg == 0.0:
                stats[ZERO] += 1
            else:
                scale = np.float32(weight)
                if model.weighted:  # weights and rows both step from the values before the triplet
                    _next_weights(model, optimizer, u, i, j, scale * g_pos, scale * g_neg, kept_scores)
                _step(model, optimizer, u, i, j, s_pos, s_neg, scale * g_pos, scale * g_neg)
                if model.weighted:
                    for k in range(model.w.shape[0]):
                        model.w[k] = kept_scores[k]
        stamp += 2
        t = end


@kernel
def _round_and_group(turn, n_rounds):
    """Return the round and the group of a turn, along the Z-order curve: two rounds of two groups, then of the next.

    A group's rows and a block's are then met again soon, while a cache may still hold them. Chunks that share a group
    or a block keep the order of their rounds: the highest bit in which the rounds differ is one in which so do what
    they do not share, and at that level the curve visits the lower round first.
    """
    if n_rounds == 1:
        return 0, turn
    r, g = 0, 0
    bit = 0
    while turn >> (2 * bit) > 0:
        g |= (turn >> (2 * bit) & 1) << bit
        r |= (turn >> (2 * bit + 1) & 1) << bit
        bit += 1
    return r, g


@kernel(inline=False)
def train_chunks(
    chunks, rounds, groups, items, item_starts, model, group_w, optimizer, sampler, loss, scratch, rngs, stats
):
    """Train on the chunks (g, g xor r) of groups[0] <= g < groups[1], for rounds[0] <= r < rounds[1].

    There are as many groups as blocks, a power of two, or a single block. Chunks of one round share no row. Nor do
    those of n rounds and n groups, n a power of two and both counted from a multiple of n, with those of the same
    rounds and other n groups: so calls for different groups may run at the same time, if each waits for the end of
    the rounds. Every row is stepped in the order of the rounds, however the calls are cut.

    Parameters
    ----------
    chunks : Chunks
    rounds, groups : pair of int
        As many rounds as groups, or one round.
    items : ndarray of shape (n_items,), int32
        Items in block order; block b is items[item_starts[b]:item_starts[b + 1]].
    model, optimizer : namedtuple
        Changed in place, in the rows of the chunks' users and items. The items' rows are in block order too, so that
        threads do not write to neighbours.
    group_w : ndarray of shape (n_groups, n_components), float32
        Component weights; changed where the model is `weighted`, each group its own copy.
    sampler, loss : namedtuple
        States; their types choose the draw and the loss at compile time.
    scratch : Scratch
    rngs : ndarray of shape (n_groups, 8), uint64
        Generator rows, advanced.
    stats : ndarray of shape (n_groups, 8), float64
        Sums of losses, steps, zero-gradient steps and weights, added to.
    """
    n_blocks = item_starts.shape[0] - 1
    n_rounds, n_groups = rounds[1] - rounds[0], groups[1] - groups[0]
    for turn in range(n_rounds * n_groups):
        r, g = _round_and_group(turn, n_rounds)
        r, g = rounds[0] + r, groups[0] + g
        b = (g ^ r) & (n_blocks - 1)
        own = Model(
            model.U,
            model.V,
            group_w[g],
            model.bias,
            model.u_scale,
            model.v_scale,
            model.cosine,
            model.biased,
            model.weighted,
        )
        _train_chunk(
            chunks,
            chunks.starts[g, b],
            chunks.stops[g, b],
            items,
            item_starts[b],
            item_starts[b + 1],
            g,
            own,
            optimizer,
            sampler,
            loss,
            scratch,
            rngs[g],
            stats[g],
        )
