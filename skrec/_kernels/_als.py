"""Ridge regressions of alternating least squares, a row of factors at a time, by preconditioned conjugate gradients.

With the other side's factors h rotated to their principal axes, the system of a row is diagonal but for the row's own
positives:

    (diag(e + penalty) + sum_j c_j h_j h_j^T) w = sum_j c_j h_j,

with e the weight of the unobserved pairs times the squared lengths of the axes. A product with the matrix costs
O(n_positives * n_components), and its diagonal is a good enough preconditioner that two steps, from the last epoch's
solution, do for a fit what the exact solution does.
"""

import numpy as np

from skrec._kernels._jit import kernel

# A squared residual below this is nothing: the row is solved, and a further step would divide by zero.
_NOTHING = np.float32(1e-30)


@kernel
def _add_residual(indices, weights, start, stop, table, row, fixed, into, diagonal):
    """Add sum_j c_j (1 - w.h_j) h_j to `into` and sum_j c_j h_j**2 to `diagonal`; return sum_j c_j (1 - w.h_j)**2.

    Four positives at a time, so that what is accumulated is read and written a quarter as often.
    """
    one = np.float32(1.0)
    weighted = len(weights) > 0
    n_components = fixed.shape[1]
    cost = 0.0
    j = start
    while j + 4 <= stop:
        i0, i1, i2, i3 = indices[j], indices[j + 1], indices[j + 2], indices[j + 3]
        t0, t1, t2, t3 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for k in range(n_components):
            w = table[row, k]
            t0 += fixed[i0, k] * w
            t1 += fixed[i1, k] * w
            t2 += fixed[i2, k] * w
            t3 += fixed[i3, k] * w
        c0, c1, c2, c3 = one, one, one, one
        if weighted:
            c0, c1, c2, c3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        t0, t1, t2, t3 = one - t0, one - t1, one - t2, one - t3
        cost += c0 * t0 * t0 + c1 * t1 * t1 + c2 * t2 * t2 + c3 * t3 * t3
        t0, t1, t2, t3 = c0 * t0, c1 * t1, c2 * t2, c3 * t3
        for k in range(n_components):
            h0, h1, h2, h3 = fixed[i0, k], fixed[i1, k], fixed[i2, k], fixed[i3, k]
            into[k] += t0 * h0 + t1 * h1 + t2 * h2 + t3 * h3
            diagonal[k] += c0 * h0 * h0 + c1 * h1 * h1 + c2 * h2 * h2 + c3 * h3 * h3
        j += 4
    while j < stop:
        i0 = indices[j]
        t0 = np.float32(0.0)
        for k in range(n_components):
            t0 += fixed[i0, k] * table[row, k]
        c0 = weights[j] if weighted else one
        t0 = one - t0
        cost += c0 * t0 * t0
        t0 *= c0
        for k in range(n_components):
            h0 = fixed[i0, k]
            into[k] += t0 * h0
            diagonal[k] += c0 * h0 * h0
        j += 1
    return cost


@kernel
def _add_product(indices, weights, start, stop, vector, fixed, into):
    """Add sum_j c_j (h_j.vector) h_j to `into`."""
    weighted = len(weights) > 0
    n_components = fixed.shape[1]
    j = start
    while j + 4 <= stop:
        i0, i1, i2, i3 = indices[j], indices[j + 1], indices[j + 2], indices[j + 3]
        t0, t1, t2, t3 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for k in range(n_components):
            x = vector[k]
            t0 += fixed[i0, k] * x
            t1 += fixed[i1, k] * x
            t2 += fixed[i2, k] * x
            t3 += fixed[i3, k] * x
        if weighted:
            t0, t1, t2, t3 = weights[j] * t0, weights[j + 1] * t1, weights[j + 2] * t2, weights[j + 3] * t3
        for k in range(n_components):
            into[k] += t0 * fixed[i0, k] + t1 * fixed[i1, k] + t2 * fixed[i2, k] + t3 * fixed[i3, k]
        j += 4
    while j < stop:
        i0 = indices[j]
        t0 = np.float32(0.0)
        for k in range(n_components):
            t0 += fixed[i0, k] * vector[k]
        if weighted:
            t0 *= weights[j]
        for k in range(n_components):
            into[k] += t0 * fixed[i0, k]
        j += 1


@kernel(inline=False)
def solve_rows(indptr, indices, weights, rows, table, fixed, energy, penalty, max_steps, tol, scratch):
    """Improve rows of `table`, in place, by conjugate gradient steps from where they are.

    Parameters
    ----------
    indptr : (n_rows + 1,) int64
    indices : (nnz,) int32
        Positives of each row.
    weights : (nnz,) float32
        Their weights c; empty where all are one.
    rows : (int, int)
        First row, and the one after the last.
    table : (n_rows, n_components) float32
        Changed in place. Rows without positives become zeros.
    fixed : (n_columns, n_components) float32
        Factors of the other side.
    energy : (n_components,) float32
        Weight of the unobserved pairs times the diagonal of the Gram matrix of `fixed`, which has no other entries.
    penalty : (n_rows,) float32
    max_steps : int
        Steps for each row.
    tol : float
        Steps end when the preconditioned residual has become this small, relative to that at the start.
    scratch : (4, n_components) float32
        Memory of the caller's thread.

    Returns
    -------
    float
        Objective of the rows at the end: each step lowers it by a known amount.
    """
    one = np.float32(1.0)
    residual, direction, product, inverse = scratch[0], scratch[1], scratch[2], scratch[3]
    n_components = table.shape[1]
    threshold = np.float32(tol * tol)
    total = 0.0
    for row in range(rows[0], rows[1]):
        start, stop = indptr[row], indptr[row + 1]
        if start == stop:
            for k in range(n_components):
                table[row, k] = np.float32(0.0)
            continue
        cost = 0.0
        for k in range(n_components):
            diagonal, w = energy[k] + penalty[row], table[row, k]
            cost += diagonal * w * w
            residual[k] = -diagonal * w
            inverse[k] = diagonal
        cost += _add_residual(indices, weights, start, stop, table, row, fixed, residual, inverse)
        size = np.float32(0.0)
        for k in range(n_components):
            inverse[k] = one / inverse[k]
            direction[k] = inverse[k] * residual[k]
            size += residual[k] * direction[k]
        end = max(size * threshold, _NOTHING)
        step = 0
        while step < max_steps and size > end:
            for k in range(n_components):
                product[k] = (energy[k] + penalty[row]) * direction[k]
            _add_product(indices, weights, start, stop, direction, fixed, product)
            curvature = np.float32(0.0)
            for k in range(n_components):
                curvature += direction[k] * product[k]
            length = size / curvature
            cost -= length * size
            new_size = np.float32(0.0)
            for k in range(n_components):
                table[row, k] += length * direction[k]
                residual[k] -= length * product[k]
                new_size += residual[k] * residual[k] * inverse[k]
            turn = new_size / size
            size = new_size
            for k in range(n_components):
                direction[k] = inverse[k] * residual[k] + turn * direction[k]
            step += 1
        total += cost
    return total
