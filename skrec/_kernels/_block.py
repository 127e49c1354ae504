"""The block engine: a block of users against a block of items, the scores made and used up by matrix products.

Around the products, which BLAS does, stand the kernels here: losses over a row of scores, bags of embedding rows, and
the way back through the normalisation. A row of scores is one user's; its negatives are the columns of the row, its
positives come apart, because a loss compares each with all negatives but not with the other positives.
"""

from typing import NamedTuple

import numpy as np

from skrec._kernels._jit import kernel

SOFTMAX = 0
BILATERAL = 1
SOFTMAX_AT_K = 2
PAIRWISE_SOFTMAX = 3
CONTRASTIVE = 4
BPR = 5
HINGE = 6

RELU = 0
TANH = 1
ARCTAN = 2

# Score of a column that is not a negative of the row. Its exponential is 0, and no difference with it overflows.
NEVER = np.float32(-1e30)
# Below it a score is taken for NEVER.
_MASKED = np.float32(-1e29)
# exp(-60) is nothing beside 1, and far enough from the smallest float32 that no product becomes subnormal.
_LOWEST = np.float32(-60.0)
# Least value of an activation whose logarithm is taken.
_FLOOR = np.float32(1e-20)


class BlockLossState(NamedTuple):
    """A loss over a row: its code and its numbers, whose meaning depends on the code."""

    code: int
    temperature: float
    # SOFTMAX: 1 with the positive in the denominator. BILATERAL: temperature of the positives. SOFTMAX_AT_K: that of
    # the weight. CONTRASTIVE and HINGE: margin.
    first: float
    second: float  # SOFTMAX_AT_K: K. CONTRASTIVE: weight of the negatives.
    activation: int


@kernel
def exp32(x):
    """e^x of a float32 of at most 88 within 2e-7, 0 below -60, in operations that vectorise (Cephes' polynomial)."""
    nothing = x < _LOWEST
    x = max(x, _LOWEST)
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    f = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * f + np.float32(1.3981999507e-3)
    p = p * f + np.float32(8.3334519073e-3)
    p = p * f + np.float32(4.1665795894e-2)
    p = p * f + np.float32(1.6666665459e-1)
    p = p * f + np.float32(5.0000001201e-1)
    p = p * f * f + f + np.float32(1.0)
    bits = np.int32((np.int32(n) + np.int32(127)) << np.int32(23))
    return np.float32(0.0) if nothing else p * bits.view(np.float32)


@kernel
def log32(x):
    """Natural logarithm of a positive normal float32 within 2e-7, in operations that vectorise (Cephes' polynomial)."""
    bits = np.float32(x).view(np.int32)
    exponent = np.float32((bits >> np.int32(23)) - np.int32(126))
    m = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)).view(np.float32)  # in [0.5, 1)
    low = m < np.float32(0.70710678)
    exponent = exponent - np.float32(1.0) if low else exponent
    f = m + m - np.float32(1.0) if low else m - np.float32(1.0)
    q = f * f
    p = np.float32(7.0376836292e-2)
    p = p * f - np.float32(1.1514610310e-1)
    p = p * f + np.float32(1.1676998740e-1)
    p = p * f - np.float32(1.2420140846e-1)
    p = p * f + np.float32(1.4249322787e-1)
    p = p * f - np.float32(1.6668057665e-1)
    p = p * f + np.float32(2.0000714765e-1)
    p = p * f - np.float32(2.4999993993e-1)
    p = p * f + np.float32(3.3333331174e-1)
    y = f * q * p - np.float32(2.12194440e-4) * exponent - np.float32(0.5) * q
    return f + y + np.float32(0.693359375) * exponent


@kernel
def row_max(z):
    """Largest value of a row, NEVER where nothing in it is a negative."""
    top = NEVER
    for j in range(z.shape[0]):
        top = max(top, z[j])
    return top


@kernel
def nth_largest(values, n):
    """Return the n-th largest (n from 1) of `values`, which it reorders: Hoare's selection, O(size) on average."""
    low, high, target = 0, values.shape[0] - 1, n - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        a, b = low, high
        while a <= b:
            while values[a] > pivot:
                a += 1
            while values[b] < pivot:
                b -= 1
            if a <= b:
                held = values[a]
                values[a] = values[b]
                values[b] = held
                a += 1
                b -= 1
        if target <= b:
            high = b
        elif target >= a:
            low = a
        else:
            break
    return values[target]


@kernel
def keep_hardest(z, n, scratch):
    """Leave the n largest of a row (more where equal) and make the others no negatives."""
    if n < z.shape[0]:
        for j in range(z.shape[0]):
            scratch[j] = z[j]
        least = nth_largest(scratch[: z.shape[0]], n)
        for j in range(z.shape[0]):
            z[j] = z[j] if z[j] >= least else NEVER


@kernel
def softmax_row(z, positives, weights, temperature, own):
    """Return the softmax loss, each positive against all negatives and, if `own`, itself. z: logits, positives: scores.

    In place: z and positives become derivatives with respect to the logits.
    """
    inverse = np.float32(1.0 / temperature)
    top = row_max(z)
    if top < _MASKED:
        return no_negatives(z, positives)
    total = np.float32(0.0)
    for j in range(z.shape[0]):
        e = exp32(z[j] - top)
        z[j] = e
        total += e
    loss = 0.0
    coefficient = np.float32(0.0)
    for k in range(positives.shape[0]):
        logit = positives[k] * inverse
        # Relative to the higher of the two sides, either of which may be all that counts.
        level = max(top, logit) if own else top
        scale = exp32(top - level)
        mine = exp32(logit - level) if own else np.float32(0.0)
        both = total * scale + mine
        w = weights[k] / both
        coefficient += w * scale
        loss += weights[k] * (np.log(np.float64(both)) + level - logit)
        positives[k] = -w * total * scale if own else -weights[k]
    for j in range(z.shape[0]):
        z[j] *= coefficient
    return loss


@kernel
def no_negatives(z, positives):
    """Return 0 for a row in which positives have nothing to be compared with; derivatives are 0."""
    for j in range(z.shape[0]):
        z[j] = np.float32(0.0)
    for k in range(positives.shape[0]):
        positives[k] = np.float32(0.0)
    return 0.0


@kernel
def bilateral_row(z, positives, weights, temperature, positive_temperature):
    """BSL: log-mean-exp of the negatives' logits less that of the positives, at a temperature of their own.

    In units of `temperature` and times the weight of the row. z: logits, positives: scores; as in `softmax_row`.
    """
    top = row_max(z)
    if top < _MASKED or positives.shape[0] == 0:
        return no_negatives(z, positives)
    total = np.float32(0.0)
    count = 0
    for j in range(z.shape[0]):
        count += z[j] > _MASKED
        e = exp32(z[j] - top)
        z[j] = e
        total += e
    log_mean = np.log(np.float64(total) / count) + top
    highest, weight, mean = NEVER, np.float32(0.0), 0.0
    for k in range(positives.shape[0]):
        highest = max(highest, positives[k])
        weight += weights[k]
        mean += weights[k] * positives[k]
    inverse = np.float32(1.0 / positive_temperature)
    own_total = np.float32(0.0)
    for k in range(positives.shape[0]):
        weights[k] *= exp32((positives[k] - highest) * inverse)
        own_total += weights[k]
    if inverse > 0.0:
        mean = weight * (highest + positive_temperature * np.log(np.float64(own_total) / weight))
    loss = weight * log_mean - mean / temperature
    for k in range(positives.shape[0]):
        positives[k] = -weight * weights[k] / own_total
    coefficient = weight / total
    for j in range(z.shape[0]):
        z[j] *= coefficient
    return loss


@kernel
def softmax_at_k_row(z, positives, weights, shift, temperature, weight_temperature, k_best, scratch):
    """SL@K: softmax losses weighted by sigma((s - beta) / tau_w), beta the K-th best of positives and negatives.

    The quantile is taken afresh from the scores at hand, and neither it nor the weight is differentiated. `shift` is
    what the logits were corrected by, or empty.
    """
    n, m = positives.shape[0], z.shape[0]
    for k in range(n):
        scratch[k] = positives[k]
    size = n
    for j in range(m):
        if z[j] > _MASKED:
            logit = z[j] - shift[j] if shift.shape[0] > 0 else z[j]
            scratch[size] = logit * np.float32(temperature)
            size += 1
    beta = nth_largest(scratch[:size], min(int(k_best), size))
    for k in range(n):
        x = (positives[k] - beta) / np.float32(weight_temperature)
        weights[k] *= np.float32(1.0) / (np.float32(1.0) + exp32(-min(max(x, np.float32(-30.0)), np.float32(30.0))))
    return softmax_row(z, positives, weights, temperature, False)


@kernel
def arctan32(x):
    """Arc tangent of a float32 within 2e-7, in operations that vectorise (Cephes' polynomial)."""
    size = abs(x)
    far, middle = size > np.float32(2.41421356), size > np.float32(0.41421356)
    start = np.float32(1.57079633) if far else (np.float32(0.78539816) if middle else np.float32(0.0))
    top = np.float32(-1.0) if far else (size - np.float32(1.0) if middle else size)
    bottom = size if far else (size + np.float32(1.0) if middle else np.float32(1.0))
    t = top / bottom
    q = t * t
    p = np.float32(8.05374449538e-2)
    p = p * q - np.float32(1.38776856032e-1)
    p = p * q + np.float32(1.99777106478e-1)
    p = p * q - np.float32(3.33329491539e-1)
    y = start + (p * q * t + t)
    return -y if x < np.float32(0.0) else y


@kernel
def _activate(d, activation):
    """PSL's activation of a difference, at least _FLOOR."""
    if activation == RELU:
        return max(d + np.float32(1.0), _FLOOR)
    if activation == TANH:
        # tanh(d) + 1 as a logistic function, whose exponential vectorises.
        return max(np.float32(2.0) / (np.float32(1.0) + exp32(min(np.float32(-2.0) * d, np.float32(80.0)))), _FLOOR)
    return max(np.float32(1.0) + arctan32(d), _FLOOR)


@kernel
def _activate_slope(d, activated, activation):
    """Return the derivative of the activation, 0 where it is at its floor."""
    if activation == RELU:
        slope = np.float32(1.0)
    elif activation == TANH:
        slope = activated * (np.float32(2.0) - activated)
    else:
        slope = np.float32(1.0) / (np.float32(1.0) + d * d)
    return slope if activated > _FLOOR else np.float32(0.0)


@kernel
def _pairwise_softmax(z, positives, weights, temperature, activation, gradient, slopes):
    highest = row_max(z)
    if highest < _MASKED:
        return no_negatives(z, positives)
    inverse = np.float32(1.0 / temperature)
    loss = 0.0
    for j in range(z.shape[0]):
        gradient[j] = np.float32(0.0)
    for k in range(positives.shape[0]):
        own = positives[k]
        # Activations rise with the difference.
        scale = inverse * log32(_activate(highest - own, activation))
        total, slope = np.float32(0.0), np.float32(0.0)
        for j in range(z.shape[0]):
            d = z[j] - own
            a = _activate(d, activation)
            e = exp32(inverse * log32(a) - scale) if z[j] > _MASKED else np.float32(0.0)
            g = e * _activate_slope(d, a, activation) / a
            slopes[j] = g
            total += e
            slope += g
        loss += weights[k] * (np.log(np.float64(total)) + scale)
        w = weights[k] * inverse / total
        for j in range(z.shape[0]):
            gradient[j] += w * slopes[j]
        positives[k] = -w * slope
    for j in range(z.shape[0]):
        z[j] = gradient[j]
    return loss


@kernel
def pairwise_softmax_row(z, positives, weights, temperature, activation, scratch):
    """PSL: log sum_j act(s_j - s_i)^(1/tau) for each positive i. z: scores."""
    m = z.shape[0]
    gradient, slopes = scratch[:m], scratch[m : 2 * m]
    # Each with an activation that is known when it is compiled, so that the loops hold no branch.
    if activation == RELU:
        return _pairwise_softmax(z, positives, weights, temperature, RELU, gradient, slopes)
    if activation == TANH:
        return _pairwise_softmax(z, positives, weights, temperature, TANH, gradient, slopes)
    return _pairwise_softmax(z, positives, weights, temperature, ARCTAN, gradient, slopes)


@kernel
def contrastive_row(z, positives, weights, margin, negative_weight):
    """CCL: max(0, 1 - s) + w mean_j max(0, s_j - margin). z: scores."""
    total, count = np.float32(0.0), 0
    margin = np.float32(margin)
    for j in range(z.shape[0]):
        count += z[j] > _MASKED
        total += max(z[j] - margin, np.float32(0.0))
    share = np.float32(negative_weight) / np.float32(max(count, 1))
    weight, loss = np.float32(0.0), 0.0
    for k in range(positives.shape[0]):
        missing = np.float32(1.0) - positives[k]
        loss += weights[k] * (max(missing, np.float32(0.0)) + share * total)
        weight += weights[k]
        positives[k] = -weights[k] if missing > 0.0 else np.float32(0.0)
    for j in range(z.shape[0]):
        z[j] = weight * share if z[j] > margin else np.float32(0.0)
    return loss


@kernel
def hinge_row(z, positives, weights, margin, gradient):
    """Group hinge: each positive against each negative, mean_j max(0, margin + s_j - s_i). z: scores."""
    count = 0
    for j in range(z.shape[0]):
        count += z[j] > _MASKED
        gradient[j] = np.float32(0.0)
    share = np.float32(1.0) / np.float32(max(count, 1))
    loss = 0.0
    for k in range(positives.shape[0]):
        bound = positives[k] - np.float32(margin)
        w = weights[k] * share
        total, active = np.float32(0.0), np.float32(0.0)
        for j in range(z.shape[0]):
            d = z[j] - bound
            total += max(d, np.float32(0.0))
            one = np.float32(d > np.float32(0.0))
            active += one
            gradient[j] += w * one
        loss += w * total
        positives[k] = -w * active
    for j in range(z.shape[0]):
        z[j] = gradient[j]
    return loss


@kernel
def bpr_row(z, positives, weights, gradient):
    """BPR of each positive against each negative, mean_j log(1 + exp(s_j - s_i)). z: scores."""
    count = 0
    for j in range(z.shape[0]):
        count += z[j] > _MASKED
        gradient[j] = np.float32(0.0)
    share = np.float32(1.0) / np.float32(max(count, 1))
    loss = 0.0
    for k in range(positives.shape[0]):
        own = positives[k]
        w = weights[k] * share
        total, slope = np.float32(0.0), np.float32(0.0)
        for j in range(z.shape[0]):
            d = z[j] - own
            e = exp32(-abs(d))
            total += max(d, np.float32(0.0)) + log32(np.float32(1.0) + e)
            s = np.float32(1.0) / (np.float32(1.0) + e)
            g = s if d > np.float32(0.0) else e * s
            gradient[j] += w * g
            slope += g
        loss += w * total
        positives[k] = -w * slope
    for j in range(z.shape[0]):
        z[j] = gradient[j]
    return loss


@kernel
def row_loss(state, z, positives, weights, shift, scratch):
    """Return the loss of a row; `z` and `positives` become derivatives with respect to the scores.

    `z` (m,) holds logits for the losses with a softmax over the row (scores over temperature, plus corrections) and
    scores for the others; NEVER where a column is no negative of this row. `positives` and `weights` (p,) are the
    positives' scores and weights; weights may be overwritten. `shift` (m,), or empty, is what logits were corrected by.
    `scratch` has room for 2 m + p.
    """
    if state.code == SOFTMAX:
        loss = softmax_row(z, positives, weights, state.temperature, state.first > 0)
    elif state.code == BILATERAL:
        loss = bilateral_row(z, positives, weights, state.temperature, state.first)
    elif state.code == SOFTMAX_AT_K:
        loss = softmax_at_k_row(z, positives, weights, shift, state.temperature, state.first, state.second, scratch)
    elif state.code == PAIRWISE_SOFTMAX:
        loss = pairwise_softmax_row(z, positives, weights, state.temperature, state.activation, scratch)
    elif state.code == CONTRASTIVE:
        loss = contrastive_row(z, positives, weights, state.first, state.second)
    elif state.code == BPR:
        loss = bpr_row(z, positives, weights, scratch)
    else:
        loss = hinge_row(z, positives, weights, state.first, scratch)
    if takes_logits(state):
        inverse = np.float32(1.0 / state.temperature)
        for j in range(z.shape[0]):
            z[j] *= inverse
        for k in range(positives.shape[0]):
            positives[k] *= inverse
    return loss


@kernel
def takes_logits(state):
    """Whether the loss is a softmax over the row, whose scores are divided by a temperature and corrected."""
    return state.code <= SOFTMAX_AT_K


@kernel(inline=False)
def evaluate_row(state, z, positives, weights, scratch):
    """Do as `row_loss`, from scores of a row that has nothing to mask or to correct."""
    if takes_logits(state):
        inverse = np.float32(1.0 / state.temperature)
        for j in range(z.shape[0]):
            z[j] *= inverse
    return row_loss(state, z, positives, weights, z[:0], scratch)


@kernel(inline=False)
def block_rows(
    state,
    rows,
    scores,
    shift,
    hit_shift,
    own,
    columns,
    kinds,
    indptr,
    positives,
    weights,
    log_explicit,
    n_hard,
    scratch,
):
    """Turn the scores of some rows of a block into derivatives; return the summed loss.

    Parameters
    ----------
    state : BlockLossState
    rows : (int, int)
        First row, and the one past the last.
    scores : (n_rows, m) float32
        Scores of each user and the candidates; becomes derivatives.
    shift : (m,) float32 or (0,)
        What is added to a candidate's logits: minus the logarithm of how often it was expected to be drawn.
    hit_shift : (m,) float32
        What is added to a candidate's score where the user has it as a positive: NEVER to leave it out.
    own : (nnz,) bool-like int8
        1 where the entry's item is among the positives of the user that are trained on; else it is only marked.
    columns : (nnz,) int32
        Candidate's column of each entry of the users' rows; -1: not a candidate.
    kinds : (nnz,) int8
        Above 0: known positive. Below: explicit negative.
    indptr : (n_rows + 1,) int64
        Where each row's entries start, in `own`, `columns`, `kinds`, `positives`, `weights`.
    positives, weights : (nnz,) float32
        Scores and weights of the entries; those of trained positives come first in each row. Scores become derivatives.
    log_explicit : float32
        Logarithm of the weight of explicit negatives, NEVER for 0.
    n_hard : int
        Negatives to keep for each row, the highest ones; 0: all.
    scratch : (2 m + most entries of a row,) float32
    """
    loss = 0.0
    m = scores.shape[1]
    logits = takes_logits(state)
    inverse = np.float32(1.0 / state.temperature) if logits else np.float32(1.0)
    for r in range(rows[0], rows[1]):
        z = scores[r]
        first, last = indptr[r], indptr[r + 1]
        n_own = 0
        for t in range(first, last):
            n_own += own[t]
        if shift.shape[0] > 0 and logits:
            for j in range(m):
                z[j] = z[j] * inverse + shift[j]
        elif logits:
            for j in range(m):
                z[j] *= inverse
        for t in range(first, last):
            if columns[t] >= 0:
                change = hit_shift[columns[t]] if kinds[t] > 0 else log_explicit
                if logits or change == NEVER:
                    z[columns[t]] = max(z[columns[t]] + change, NEVER)
        if n_hard > 0:
            keep_hardest(z, n_hard, scratch)
        loss += row_loss(state, z, positives[first : first + n_own], weights[first : first + n_own], shift, scratch)
    return loss


@kernel(inline=False)
def gather_columns(rows, scores, indptr, own, columns, positives):
    """Copy the scores of trained positives from their columns (every one is a candidate)."""
    for r in range(rows[0], rows[1]):
        for t in range(indptr[r], indptr[r + 1]):
            if own[t]:
                positives[t] = scores[r, columns[t]]


@kernel(inline=False)
def scatter_columns(rows, scores, indptr, own, columns, positives):
    """Put the derivatives of trained positives where their scores came from."""
    for r in range(rows[0], rows[1]):
        for t in range(indptr[r], indptr[r + 1]):
            if own[t]:
                scores[r, columns[t]] = positives[t]


@kernel(inline=False)
def dot_positives(rows, users, items, indptr, own, places, positives):
    """Score trained positives: the entry's place is the row of its item among `items`."""
    d = users.shape[1]
    for r in range(rows[0], rows[1]):
        for t in range(indptr[r], indptr[r + 1]):
            if own[t]:
                s = np.float32(0.0)
                for f in range(d):
                    s += users[r, f] * items[places[t], f]
                positives[t] = s


@kernel(inline=False)
def add_positive_rows(rows, gradient, items, indptr, own, places, positives):
    """Add to the users' gradient what comes from trained positives."""
    d = gradient.shape[1]
    for r in range(rows[0], rows[1]):
        for t in range(indptr[r], indptr[r + 1]):
            if own[t]:
                for f in range(d):
                    gradient[r, f] += positives[t] * items[places[t], f]


@kernel(inline=False)
def transpose_block(indptr, places, starts, entry_rows, entries):
    """Sort the entries of a block by place: of place p they are starts[p] to starts[p + 1], in the order of the rows.

    `starts` (n_places + 1,) int64, `entry_rows` and `entries` (nnz,) int32 are written; entries of place -1 are left
    out.
    """
    starts[:] = 0
    n_rows = indptr.shape[0] - 1
    for t in range(indptr[0], indptr[n_rows]):
        if places[t] >= 0:
            starts[places[t] + 1] += 1
    for p in range(starts.shape[0] - 1):
        starts[p + 1] += starts[p]
    for r in range(n_rows):
        for t in range(indptr[r], indptr[r + 1]):
            p = places[t]
            if p >= 0:
                entry_rows[starts[p]] = r
                entries[starts[p]] = t
                starts[p] += 1
    for p in range(starts.shape[0] - 1, 0, -1):
        starts[p] = starts[p - 1]
    starts[0] = 0


@kernel(inline=False)
def add_transposed(places, gradient, users, starts, entry_rows, entries, values):
    """Add to the rows of `gradient` the users' rows times the values of the entries of that place."""
    d = gradient.shape[1]
    for p in range(places[0], places[1]):
        for t in range(starts[p], starts[p + 1]):
            x = values[entries[t]]
            if x != 0.0:
                u = entry_rows[t]
                for f in range(d):
                    gradient[p, f] += x * users[u, f]


@kernel(inline=False)
def add_bags(rows, indptr, columns, values, table, out):
    """Add to row r of `out` the rows of `table` named by the entries of row r, times their values."""
    d = table.shape[1]
    for r in range(rows[0], rows[1]):
        for t in range(indptr[r], indptr[r + 1]):
            x = values[t]
            if x != 0.0:
                for f in range(d):
                    out[r, f] += x * table[columns[t], f]


@kernel(inline=False)
def number_distinct(columns, place_of, distinct):
    """Give each distinct column a place in order of appearance; return how many there are.

    `place_of` (n_columns,) int32 is -1 on entry where a column has no place yet, `distinct` receives the columns.
    """
    n = 0
    for t in range(columns.shape[0]):
        if place_of[columns[t]] < 0:
            place_of[columns[t]] = n
            distinct[n] = columns[t]
            n += 1
    return n


@kernel(inline=False)
def normalise_rows(rows, vectors, lengths, eps):
    """Divide rows by their lengths, which are kept for the way back; rows shorter than `eps` count as that long."""
    d = vectors.shape[1]
    for r in range(rows[0], rows[1]):
        total = np.float32(0.0)
        for f in range(d):
            total += vectors[r, f] * vectors[r, f]
        lengths[r] = max(np.sqrt(total), np.float32(eps))
        inverse = np.float32(1.0) / lengths[r]
        for f in range(d):
            vectors[r, f] *= inverse


@kernel(inline=False)
def back_through_norm(rows, units, lengths, gradient):
    """Turn the gradient of unit vectors into that of the vectors: (g - (g.e) e) / length."""
    d = units.shape[1]
    for r in range(rows[0], rows[1]):
        along = np.float32(0.0)
        for f in range(d):
            along += gradient[r, f] * units[r, f]
        inverse = np.float32(1.0) / lengths[r]
        for f in range(d):
            gradient[r, f] = (gradient[r, f] - along * units[r, f]) * inverse


@kernel(inline=False)
def adam_rows(rows, codes, table, first, second, counts, gradient, learning_rate, decay_1, decay_2, l2):
    """One Adam step for some rows, each with a count of its own steps for the bias correction (Kingma and Ba, alg. 1).

    `codes` names the rows of `table` to which the rows of `gradient` belong, without repetition.
    """
    d = table.shape[1]
    b1, b2 = np.float32(decay_1), np.float32(decay_2)
    o1, o2 = np.float32(1.0 - decay_1), np.float32(1.0 - decay_2)
    l2 = np.float32(l2)
    for r in range(rows[0], rows[1]):
        c = codes[r]
        counts[c] += 1
        n = counts[c]
        root = np.sqrt(1.0 - decay_2**n)
        rate = np.float32(learning_rate * root / (1.0 - decay_1**n))
        eps = np.float32(1e-8 * root)
        for f in range(d):
            g = gradient[r, f] + l2 * table[c, f]
            m = b1 * first[c, f] + o1 * g
            v = b2 * second[c, f] + o2 * g * g
            first[c, f] = m
            second[c, f] = v
            table[c, f] -= rate * m / (np.sqrt(v) + eps)
