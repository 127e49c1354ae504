"""The triplet engine: one step on (user, positive, negative) at a time, over one chunk of a partition."""

import numpy as np

from skrec._kernels._jit import kernel
from skrec._kernels._losses import loss_grad
from skrec._kernels._partition import EXPLICIT, TRAIN
from skrec._kernels._sampling import Pool, draw
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
def _score_positive(model, u, i):
    s_pos = np.float32(0.0)
    for k in range(model.U.shape[1]):
        s_pos += model.w[k] * model.U[u, k] * model.V[i, k]
    if model.cosine:
        s_pos *= model.u_scale[u] * model.v_scale[i]
    if model.biased:
        s_pos += model.bias[i]
    return s_pos


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


@kernel(inline=False)
def train_chunk(words, weights, start, stop, items, item_start, item_stop, mark, explicit, model, optimizer, sampler, loss, rng, stats):
    """Train on words[start:stop], the interactions of one group of users with one block of items.

    Parameters
    ----------
    words, weights : ndarray of shape (n_words,), int32 and float32
        As written by :func:`~skrec._kernels._partition.fill_words`; `weights` may be empty.
    items : ndarray of shape (n_items,), int32
        Items in block order; the block is items[item_start:item_stop].
    mark, explicit : ndarray of shape (largest block,), int32
        Scratch.
    model, optimizer : namedtuple
        Changed in place, rows of the chunk's users and items only.
    sampler, loss : namedtuple
        States; their types choose the draw and the loss at compile time.
    rng : ndarray of shape (8,), uint64
        Generator row of the group, advanced.
    stats : ndarray of shape (4,), float64
        Sums of losses, steps, zero-gradient steps and weights, added to.
    """
    size = item_stop - item_start
    mark[:size] = 0
    stamp = np.int64(1)
    weighted = weights.shape[0] > 0
    t = start
    while t < stop:
        u = ~words[t]
        t += 1
        end = t
        n_explicit = 0
        while end < stop and words[end] >= 0:
            kind = words[end] & 3
            position = words[end] >> 2
            if kind == EXPLICIT:
                mark[position] = stamp + 1
                explicit[n_explicit] = position
                n_explicit += 1
            else:
                mark[position] = stamp
            end += 1
        pool = Pool(items, item_start, size, mark, stamp, sampler.depth, explicit, n_explicit)
        for at in range(t, end):
            if words[at] & 3 != TRAIN:
                continue
            i = items[item_start + (words[at] >> 2)]
            s_draw = np.float32(0.0)
            position, weight = draw(sampler, u, i, s_draw, pool, model, rng)
            if position < 0:
                continue
            j = items[item_start + position]
            s_pos, s_neg = _pair_scores(model, u, i, j)
            if model.biased:
                value, g_pos, g_neg = loss_grad(loss, s_pos + model.bias[i], s_neg + model.bias[j])
            else:
                value, g_pos, g_neg = loss_grad(loss, s_pos, s_neg)
            if weighted:
                weight *= weights[at]
            stats[LOSS] += weight * value
            stats[STEPS] += 1
            stats[WEIGHT] += weight
            if g_pos == 0.0 and g_neg == 0.0:
                stats[ZERO] += 1
            else:
                _step(model, optimizer, u, i, j, s_pos, s_neg, weight * g_pos, weight * g_neg)
        stamp += 2
        t = end
