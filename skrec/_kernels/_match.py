"""Scores of pairs by a hidden layer, ``w . relu(a_u + c_i)``, in which user and item meet for the first time.

`a` is what the layer makes of the user, its offsets included, and `c` what it makes of the item: both are products that
BLAS has done once for each user and item, however many pairs they are in. All arrays are float32.
"""

import numpy as np

from skrec._kernels._block import _MASKED, NEVER, keep_hardest
from skrec._kernels._jit import kernel
from skrec._kernels._losses import loss_grad

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@kernel
def _score(a, c, w):
    total = _ZERO
    for f in range(a.shape[0]):
        total += w[f] * max(a[f] + c[f], _ZERO)
    return total


@kernel(inline=False)
def score_block(rows, a, c, w, offset, rectified, out):
    """Score some users (rows of `a`) with all items (rows of `c`) into `out` (n_users, n_items)."""
    for r in range(rows[0], rows[1]):
        for j in range(c.shape[0]):
            s = _score(a[r], c[j], w) + offset
            out[r, j] = max(s, _ZERO) if rectified else s


@kernel(inline=False)
def score_each(rows, a, c, users, items, w, offset, rectified, out):
    """Score some pairs of a row of `a` and a row of `c` into `out` (n_pairs,)."""
    for t in range(rows[0], rows[1]):
        s = _score(a[users[t]], c[items[t]], w) + offset
        out[t] = max(s, _ZERO) if rectified else s


@kernel(inline=False)
def score_triplets(rows, starts, a, c, w, offset, places, out):
    """Score the triplets of some users.

    Parameters
    ----------
    rows : (int, int)
        First user, and the one past the last.
    starts : (n_users + 1,) int64
        Where each user's triplets start.
    w : (n_users, n_hidden)
        Output weights, a row for each user (dropout has set others to 0).
    places : (n_triplets, 1 + n_negatives) int32
        Rows of `c`: the positive's, then its negatives'; -1: none.
    out : (n_triplets, 1 + n_negatives)
    """
    for r in range(rows[0], rows[1]):
        for t in range(starts[r], starts[r + 1]):
            for k in range(places.shape[1]):
                out[t, k] = _score(a[r], c[places[t, k]], w[r]) + offset if places[t, k] >= 0 else NEVER


@kernel(inline=False)
def triplet_losses(rows, state, scores, weights, n_hard, rectified, scratch):
    """Turn the scores of some triplets into derivatives; return the summed loss.

    The loss of a row is the weighted mean over its negatives, the `n_hard` of the highest scores where that is above 0.
    `scratch` has room for twice as many numbers as there are negatives.
    """
    total, n = 0.0, scores.shape[1] - 1
    for t in range(rows[0], rows[1]):
        kept = scratch[:n]
        for k in range(n):
            kept[k] = scores[t, 1 + k]
        if n_hard > 0:
            keep_hardest(kept, n_hard, scratch[n:])
        own = scores[t, 0]
        count = 0
        for k in range(n):
            count += kept[k] > _MASKED or kept[k] != kept[k]
        share = weights[t] / np.float32(max(count, 1))
        s_pos = max(own, _ZERO) if rectified else own
        d_pos = _ZERO
        for k in range(n):
            z = kept[k]
            scores[t, 1 + k] = _ZERO
            if z <= _MASKED:
                continue
            loss, one, other = loss_grad(state, s_pos, max(z, _ZERO) if rectified else z)
            total += share * loss
            d_pos += share * np.float32(one)
            if not (rectified and z <= _ZERO):
                scores[t, 1 + k] = share * np.float32(other)
        scores[t, 0] = _ZERO if rectified and own <= _ZERO else d_pos
    return total


@kernel(inline=False)
def back_to_users(rows, starts, a, c, w, places, d, d_a, d_w):
    """Carry the derivatives `d` of scores to `a`, and to each user's row of the output weights, in `d_a` and `d_w`."""
    for r in range(rows[0], rows[1]):
        d_a[r] = _ZERO
        d_w[r] = _ZERO
        for t in range(starts[r], starts[r + 1]):
            for k in range(places.shape[1]):
                g = d[t, k]
                if g != _ZERO:
                    p = places[t, k]
                    for f in range(a.shape[1]):
                        h = a[r, f] + c[p, f]
                        d_a[r, f] += g if h > _ZERO else _ZERO
                        d_w[r, f] += g * max(h, _ZERO)
        for f in range(a.shape[1]):
            d_a[r, f] *= w[r, f]


@kernel(inline=False)
def back_to_items(rows, starts, entry_users, entries, a, c, w, d, d_c):
    """Carry the derivatives `d` (n_entries,) to some rows of `c`, in `d_c`: row p has the entries from starts[p] on."""
    for p in range(rows[0], rows[1]):
        d_c[p] = _ZERO
        for t in range(starts[p], starts[p + 1]):
            g = d[entries[t]]
            if g != _ZERO:
                u = entry_users[t]
                for f in range(a.shape[1]):
                    d_c[p, f] += g * w[u, f] if a[u, f] + c[p, f] > _ZERO else _ZERO


@kernel(inline=False)
def hidden_rows(rows, starts, a, c, scale, places, out):
    """Fill `out` (n_triplets * width of places, n_hidden) with hidden activations, times the user's row of `scale`."""
    width = places.shape[1]
    for r in range(rows[0], rows[1]):
        for t in range(starts[r], starts[r + 1]):
            for k in range(width):
                row, p = t * width + k, places[t, k]
                for f in range(a.shape[1]):
                    out[row, f] = scale[r, f] * max(a[r, f] + c[p, f], _ZERO) if p >= 0 else _ZERO
