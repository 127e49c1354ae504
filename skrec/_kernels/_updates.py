"""One gradient step on the three rows of a triplet, by plain SGD, AdaGrad or Adam.

With the scores of :class:`~skrec._kernels._sampling.Model`, the gradients of a loss of s(u, i) and s(u, j) are
combinations of the three rows:

    grad_u = (a_u U[u] + b_i w V[i] + b_j w V[j]),  grad_i = (a_i V[i] + b_i w U[u]),  grad_j = (a_j V[j] + b_j w U[u])

with b the loss derivatives (times the inverse norms for cosine) and a the l2 penalty (less the projection on the row
for cosine, algorithm notes: each cosine gradient is orthogonal to its own row). All three steps use the rows as they
were before. The functions of the optimisers get the rows of the user, `U`, the positive, `P`, and the negative, `N`;
the item of a positive is not its own negative.
"""

import math
from typing import NamedTuple

import numpy as np

from skrec._kernels._jit import kernel

SGD = 0
ADAGRAD = 1
ADAM = 2

_BETA1 = np.float32(0.9)
_BETA2 = np.float32(0.999)
_EPSILON = np.float32(1e-8)


class Optimizer(NamedTuple):
    """An optimiser's code, step size and memory. Arrays that a code does not use are empty."""

    code: int
    learning_rate: float
    l2: float
    U1: np.ndarray  # (n_users, n_components) float32: sum of squares (AdaGrad), first moment (Adam)
    V1: np.ndarray
    U2: np.ndarray  # second moment (Adam)
    V2: np.ndarray
    u_steps: np.ndarray  # (n_users,) int32: steps of each row, for Adam's bias correction
    v_steps: np.ndarray
    bias1: np.ndarray  # (n_items,) float32: as V1 and V2, for the item biases
    bias2: np.ndarray


@kernel(distinct=True)
def sgd_rows(U, P, N, w, a_u, a_i, a_j, b_i, b_j, rate):
    """Plain step on three rows."""
    for k in range(U.shape[0]):
        x, p, n, c = U[k], P[k], N[k], w[k]
        U[k] = x - rate * (a_u * x + c * (b_i * p + b_j * n))
        P[k] = p - rate * (a_i * p + b_i * c * x)
        N[k] = n - rate * (a_j * n + b_j * c * x)


@kernel(distinct=True)
def adagrad_rows(U, P, N, U1, P1, N1, w, a_u, a_i, a_j, b_i, b_j, rate):
    """AdaGrad step on three rows, one accumulator per component (Duchi et al., JMLR 12, 2011)."""
    for k in range(U.shape[0]):
        x, p, n, c = U[k], P[k], N[k], w[k]
        gx = a_u * x + c * (b_i * p + b_j * n)
        gp = a_i * p + b_i * c * x
        gn = a_j * n + b_j * c * x
        sx = U1[k] + gx * gx
        sp = P1[k] + gp * gp
        sn = N1[k] + gn * gn
        U1[k], P1[k], N1[k] = sx, sp, sn
        U[k] = x - rate * gx / np.sqrt(sx)
        P[k] = p - rate * gp / np.sqrt(sp)
        N[k] = n - rate * gn / np.sqrt(sn)


@kernel(distinct=True)
def adam_rows(U, P, N, U1, P1, N1, U2, P2, N2, w, a_u, a_i, a_j, b_i, b_j, rate_u, rate_i, rate_j):
    """Lazy Adam step on three rows: rows not in the triplet keep their moments (Kingma and Ba, ICLR 2015)."""
    for k in range(U.shape[0]):
        x, p, n, c = U[k], P[k], N[k], w[k]
        gx = a_u * x + c * (b_i * p + b_j * n)
        gp = a_i * p + b_i * c * x
        gn = a_j * n + b_j * c * x
        mx = _BETA1 * U1[k] + (np.float32(1) - _BETA1) * gx
        mp = _BETA1 * P1[k] + (np.float32(1) - _BETA1) * gp
        mn = _BETA1 * N1[k] + (np.float32(1) - _BETA1) * gn
        qx = _BETA2 * U2[k] + (np.float32(1) - _BETA2) * gx * gx
        qp = _BETA2 * P2[k] + (np.float32(1) - _BETA2) * gp * gp
        qn = _BETA2 * N2[k] + (np.float32(1) - _BETA2) * gn * gn
        U1[k], P1[k], N1[k] = mx, mp, mn
        U2[k], P2[k], N2[k] = qx, qp, qn
        U[k] = x - rate_u * mx / (np.sqrt(qx) + _EPSILON)
        P[k] = p - rate_i * mp / (np.sqrt(qp) + _EPSILON)
        N[k] = n - rate_j * mn / (np.sqrt(qn) + _EPSILON)


@kernel
def adam_rate(steps, row, rate):
    """Count a step of the row and return its step size with both bias corrections."""
    steps[row] += 1
    t = steps[row]
    return np.float32(rate * math.sqrt(1.0 - 0.999**t) / (1.0 - 0.9**t))


@kernel
def step_rows(model, optimizer, u, i, j, a_u, a_i, a_j, b_i, b_j):
    """Change the rows of u, i and j by one step of the optimiser.

    Cost: a read and a write of the three rows, and of what the optimiser remembers of them.
    """
    rate = np.float32(optimizer.learning_rate)
    U, P, N, w = model.U[u], model.V[i], model.V[j], model.w
    if optimizer.code == SGD:
        sgd_rows(U, P, N, w, a_u, a_i, a_j, b_i, b_j, rate)
        return
    U1, P1, N1 = optimizer.U1[u], optimizer.V1[i], optimizer.V1[j]
    if optimizer.code == ADAGRAD:
        adagrad_rows(U, P, N, U1, P1, N1, w, a_u, a_i, a_j, b_i, b_j, rate)
        return
    U2, P2, N2 = optimizer.U2[u], optimizer.V2[i], optimizer.V2[j]
    rate_u = adam_rate(optimizer.u_steps, u, rate)
    rate_i, rate_j = adam_rate(optimizer.v_steps, i, rate), adam_rate(optimizer.v_steps, j, rate)
    adam_rows(U, P, N, U1, P1, N1, U2, P2, N2, w, a_u, a_i, a_j, b_i, b_j, rate_u, rate_i, rate_j)


@kernel
def step_bias(model, optimizer, j, gradient):
    """Change the bias of item j by one step (for Adam, after :func:`step_rows` has counted the step of the row)."""
    g = np.float32(gradient + optimizer.l2 * model.bias[j])
    rate = np.float32(optimizer.learning_rate)
    if optimizer.code == SGD:
        model.bias[j] -= rate * g
    elif optimizer.code == ADAGRAD:
        optimizer.bias1[j] += g * g
        model.bias[j] -= rate * g / np.sqrt(optimizer.bias1[j])
    else:
        optimizer.bias1[j] = _BETA1 * optimizer.bias1[j] + (np.float32(1) - _BETA1) * g
        optimizer.bias2[j] = _BETA2 * optimizer.bias2[j] + (np.float32(1) - _BETA2) * g * g
        t = optimizer.v_steps[j]
        corrected = rate * math.sqrt(1.0 - 0.999**t) / (1.0 - 0.9**t)
        model.bias[j] -= np.float32(corrected * optimizer.bias1[j] / (np.sqrt(optimizer.bias2[j]) + _EPSILON))


@kernel
def inverse_norm(table, row):
    """1 / ||table[row]||, with the norm held above 1e-12."""
    total = np.float32(0.0)
    for k in range(table.shape[1]):
        total += table[row, k] * table[row, k]
    return np.float32(1.0) / max(np.sqrt(total), np.float32(1e-12))
