"""The pointwise engine: sparse rows against one table of weights, factorisation machines, steps on the rows touched.

A row is a list of entries (input c, value x). Input c has row c of the table: its linear weight in column 0, its
embedding in the columns after it. The loops take float32, and float64 where a test wants the exact value: sums start
as float32 zeros, which numba widens.

A step goes: :func:`take_rows` copies a batch, :func:`~skrec._kernels._block.number_distinct` and
:func:`~skrec._kernels._block.transpose_block` sort its entries by input, a forward kernel gives logits, :func:`bce`
their gradients, a gradient kernel the gradient of each input that occurs, and :func:`step_rows` steps these inputs
alone. All but the sorting work on a range of rows that depends on nothing outside of it: the ranges may be cut in any
way, and run side by side, without changing a bit.
"""

import math

import numpy as np

from skrec._kernels._jit import kernel

ADAM = 0
ADAGRAD = 1
FTRL = 2

_U27, _U30, _U31 = np.uint64(27), np.uint64(30), np.uint64(31)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

_BETA_1, _BETA_2 = 0.9, 0.999
_EPSILON = 1e-8
# AdaGrad's sums of squares start here: small beside one gradient, so that rare inputs learn as fast as frequent ones.
_START = 1e-8


@kernel(inline=False)
def count_rows(indptr, order, starts):
    """Fill `starts` (n + 1,) with where the entries of the rows `order` begin when laid one after the other."""
    starts[0] = 0
    for r in range(order.shape[0]):
        starts[r + 1] = starts[r] + indptr[order[r] + 1] - indptr[order[r]]


@kernel(inline=False)
def take_rows(indptr, columns, values, order, starts, taken_columns, taken_values):
    """Copy the entries of the rows `order`; `values` of length 0 stands for ones."""
    weighted = values.shape[0] > 0
    for r in range(order.shape[0]):
        source = indptr[order[r]]
        for t in range(starts[r + 1] - starts[r]):
            taken_columns[starts[r] + t] = columns[source + t]
            taken_values[starts[r] + t] = values[source + t] if weighted else np.float32(1.0)


@kernel(inline=False)
def count_inputs(indptr, columns, order, counts):
    """Add to `counts` (n_inputs,) int64 how often each input occurs in the rows `order`."""
    for r in range(order.shape[0]):
        for t in range(indptr[order[r]], indptr[order[r] + 1]):
            counts[columns[t]] += 1


@kernel
def _mix(h):
    """Scramble 64 bits (splitmix64's finaliser)."""
    h ^= h >> _U30
    h *= _MIX_1
    h ^= h >> _U27
    h *= _MIX_2
    return h ^ (h >> _U31)


@kernel(inline=False)
def hash_rows(indptr, columns, bits, hashes):
    """Fill `hashes` (n_rows,) uint64 with a hash of each row's inputs and values; `bits` are those of the values."""
    weighted = bits.shape[0] > 0
    for r in range(indptr.shape[0] - 1):
        h = _MIX_1
        for t in range(indptr[r], indptr[r + 1]):
            h = _mix(h + np.uint64(columns[t] + 1))
            if weighted:
                h = _mix(h + np.uint64(bits[t]))
        hashes[r] = h


@kernel(inline=False)
def same_as_before(indptr, columns, values, order, same):
    """Mark the rows, in the order given, that equal the row before them."""
    weighted = values.shape[0] > 0
    for place in range(1, order.shape[0]):
        a, b = indptr[order[place - 1]], indptr[order[place]]
        n = indptr[order[place] + 1] - b
        equal = indptr[order[place - 1] + 1] - a == n
        t = 0
        while equal and t < n:
            equal = columns[a + t] == columns[b + t]
            if equal and weighted:
                equal = values[a + t] == values[b + t]
            t += 1
        same[place] = equal


@kernel(inline=False)
def forward_linear(rows, indptr, columns, values, table, logits):
    """Add the linear part to the logits of a range of rows: O(nnz)."""
    for r in range(rows[0], rows[1]):
        total = np.float32(0.0)
        for t in range(indptr[r], indptr[r + 1]):
            total += values[t] * table[columns[t], 0]
        logits[r] += total


@kernel(inline=False)
def forward_fm(rows, indptr, columns, values, table, sums, logits):
    """Add linear and pairwise part to the logits, by half the square of the sum less the sum of squares: O(nnz k).

    `sums` (n_rows, k) receives the sum of each row's embeddings, which the gradient needs (Rendle, ICDM 2010, eq. 5).
    """
    n_components = sums.shape[1]
    for r in range(rows[0], rows[1]):
        total, squares = np.float32(0.0), np.float32(0.0)
        sums[r, :] = 0
        for t in range(indptr[r], indptr[r + 1]):
            c, x = columns[t], values[t]
            total += x * table[c, 0]
            for k in range(n_components):
                part = x * table[c, 1 + k]
                sums[r, k] += part
                squares += part * part
        square = np.float32(0.0)
        for k in range(n_components):
            square += sums[r, k] * sums[r, k]
        logits[r] += total + np.float32(0.5) * (square - squares)


@kernel(inline=False)
def forward_ffm(rows, indptr, columns, values, field_of, n_components, table, logits):
    """Add linear part and pairs of field-aware embeddings to the logits: O(nnz**2 k) (Juan et al., RecSys 2016).

    Input c meets field f with the embedding in columns ``1 + f k`` to ``(f + 1) k`` of its row.
    """
    for r in range(rows[0], rows[1]):
        total = np.float32(0.0)
        for t in range(indptr[r], indptr[r + 1]):
            c, x = columns[t], values[t]
            mine = 1 + field_of[c] * n_components
            pairs = np.float32(0.0)
            for s in range(indptr[r], t):
                d = columns[s]
                theirs = 1 + field_of[d] * n_components
                dot = np.float32(0.0)
                for k in range(n_components):
                    dot += table[c, theirs + k] * table[d, mine + k]
                pairs += dot * values[s]
            total += x * (table[c, 0] + pairs)
        logits[r] += total


@kernel(inline=False)
def forward_fields(rows, indptr, columns, values, field_of, table, fields):
    """Fill `fields` (n_rows, n_fields * k) with the sum of the embeddings of each of the row's columns."""
    n_components = table.shape[1] - 1
    for r in range(rows[0], rows[1]):
        fields[r, :] = 0
        for t in range(indptr[r], indptr[r + 1]):
            c, x = columns[t], values[t]
            start = field_of[c] * n_components
            for k in range(n_components):
                fields[r, start + k] += x * table[c, 1 + k]


@kernel
def _softplus(z):
    """log(1 + e**z), without overflow."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


@kernel
def _sigmoid(z):
    e = math.exp(-abs(z))
    return 1.0 / (1.0 + e) if z >= 0 else e / (1.0 + e)


@kernel(inline=False)
def bce(logits, targets, weights, scale, gradient):
    """Return the summed weighted cross-entropy of logits and shares; fill `gradient` with its slopes times `scale`.

    ``weight * (log(1 + e**z) - target * z)``: of a target of k / n and weight n, that is the binomial likelihood.
    """
    total = 0.0
    for r in range(logits.shape[0]):
        z, target, weight = np.float64(logits[r]), np.float64(targets[r]), np.float64(weights[r])
        total += weight * (_softplus(z) - target * z)
        gradient[r] = scale * weight * (_sigmoid(z) - target)
    return total


@kernel(inline=False)
def gradient_linear(places, starts, entry_rows, entries, values, slopes, gradient):
    """Fill row t of `gradient` for the t-th distinct input of the batch, for a range of them; the linear weight."""
    for t in range(places[0], places[1]):
        total = np.float32(0.0)
        for e in range(starts[t], starts[t + 1]):
            total += slopes[entry_rows[e]] * values[entries[e]]
        gradient[t, 0] = total


@kernel(inline=False)
def gradient_fm(places, touched, starts, entry_rows, entries, values, table, sums, slopes, gradient):
    """As `gradient_linear`, with the embeddings: ``slope x (sum of the row - x v)``."""
    n_components = sums.shape[1]
    for t in range(places[0], places[1]):
        total, own = np.float32(0.0), np.float32(0.0)
        gradient[t, :] = 0
        for e in range(starts[t], starts[t + 1]):
            r, x = entry_rows[e], values[entries[e]]
            slope = slopes[r] * x
            total += slope
            own += slope * x
            for k in range(n_components):
                gradient[t, 1 + k] += slope * sums[r, k]
        gradient[t, 0] = total
        c = touched[t]
        for k in range(n_components):
            gradient[t, 1 + k] -= own * table[c, 1 + k]


@kernel(inline=False)
def gradient_ffm(
    places,
    touched,
    starts,
    entry_rows,
    entries,
    indptr,
    columns,
    values,
    field_of,
    n_components,
    table,
    slopes,
    gradient,
):
    """As `gradient_linear`, with the field-aware embeddings."""
    for t in range(places[0], places[1]):
        total = np.float32(0.0)
        gradient[t, :] = 0
        mine = 1 + field_of[touched[t]] * n_components
        for e in range(starts[t], starts[t + 1]):
            r, own = entry_rows[e], entries[e]
            slope = slopes[r] * values[own]
            total += slope
            for s in range(indptr[r], indptr[r + 1]):
                if s == own:
                    continue
                d = columns[s]
                theirs = 1 + field_of[d] * n_components
                weight = slope * values[s]
                for k in range(n_components):
                    gradient[t, theirs + k] += weight * table[d, mine + k]
        gradient[t, 0] = total


@kernel(inline=False)
def add_gradient_fields(places, touched, starts, entry_rows, entries, values, field_of, field_gradient, gradient):
    """Add what comes back from :func:`forward_fields` to the gradient of the embeddings."""
    n_components = gradient.shape[1] - 1
    for t in range(places[0], places[1]):
        start = field_of[touched[t]] * n_components
        for e in range(starts[t], starts[t + 1]):
            r, x = entry_rows[e], values[entries[e]]
            for k in range(n_components):
                gradient[t, 1 + k] += x * field_gradient[r, start + k]


@kernel(inline=False)
def step_rows(places, touched, table, first, second, counts, gradient, l2, optimizer, rate, l1):
    """Step the rows `touched` of the table by their gradients, and no others.

    Parameters
    ----------
    places : (int, int)
        Range of `touched`.
    touched : (n,) int32
        Rows of the table, without repetition.
    table, first, second : (n_inputs, width) float32
        Weights and the optimiser's memory: both moments (Adam), the sum of squares in `second` (AdaGrad), z and the sum
        of squares (FTRL).
    counts : (n_inputs,) int32
        Steps of each row, counted here; Adam corrects its moments by them (Kingma and Ba, alg. 1).
    gradient : (n, width) float32
    l2 : (n_inputs,) float32
        Of the penalty ``l2 / 2 * weight**2``: Adam adds its slope to the gradient, FTRL's lambda_2 it is, and AdaGrad
        steps to the minimum of both, the penalty and what the gradient and the distance cost (Duchi et al., JMLR 12,
        2011, eq. 4), which is stable however large it is.
    optimizer : int
        ADAM, ADAGRAD or FTRL.
    rate, l1 : float
        Step size, FTRL's alpha; its lambda_1. Its beta is 1 (McMahan et al., KDD 2013, alg. 1).
    """
    d = table.shape[1]
    one = np.float32(1.0)
    b1, b2 = np.float32(_BETA_1), np.float32(_BETA_2)
    step = np.float32(rate)
    for t in range(places[0], places[1]):
        c = touched[t]
        counts[c] += 1
        if optimizer == ADAM:
            correction = math.sqrt(1.0 - _BETA_2 ** counts[c])
            own = np.float32(rate * correction / (1.0 - _BETA_1 ** counts[c]))
            epsilon = np.float32(_EPSILON * correction)
            decay = l2[c]
            for k in range(d):
                g = gradient[t, k] + decay * table[c, k]
                m = b1 * first[c, k] + (one - b1) * g
                v = b2 * second[c, k] + (one - b2) * g * g
                first[c, k] = m
                second[c, k] = v
                table[c, k] -= own * m / (np.sqrt(v) + epsilon)
        elif optimizer == ADAGRAD:
            decay = l2[c]
            for k in range(d):
                g = gradient[t, k]
                v = second[c, k] + g * g
                second[c, k] = v
                root = np.sqrt(np.float32(_START) + v)
                table[c, k] = (table[c, k] * root - step * g) / (root + step * decay)
        else:
            for k in range(d):
                g = gradient[t, k]
                before = np.sqrt(second[c, k])
                after = np.sqrt(second[c, k] + g * g)
                second[c, k] += g * g
                z = first[c, k] + g - (after - before) / step * table[c, k]
                first[c, k] = z
                excess = abs(z) - np.float32(l1)
                if excess <= 0:
                    table[c, k] = 0
                else:
                    table[c, k] = -np.copysign(excess, z) / ((one + after) / step + l2[c])
