"""Losses of one (positive, negative) pair of scores: value and derivatives.

The built-in losses share one state type and are told apart by a code, so that a new loss in a search compiles nothing.
A loss of one's own has a state class of its own and registers its function for it.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numba.extending import overload

from skrec._kernels._jit import kernel

HINGE = 0
BPR = 1
LOGISTIC = 2


class LossState(NamedTuple):
    """A built-in loss: its code and, for the hinge, its margin."""

    code: int
    margin: float


_LOSS_GRADS = {}


def register_loss(state_class):
    """Register a function as the loss of a state class.

    Parameters
    ----------
    state_class : type
        A module-level :class:`typing.NamedTuple` class of scalars and arrays.

    Returns
    -------
    callable
        Decorator for ``func(state, s_pos, s_neg) -> (loss, d_loss / d_s_pos, d_loss / d_s_neg)``, all floats.
    """

    def decorate(func):
        _LOSS_GRADS[state_class] = kernel(func)
        return _LOSS_GRADS[state_class]

    return decorate


def loss_grad(state, s_pos, s_neg):
    """Return the loss of a pair of scores and its two derivatives."""
    return _LOSS_GRADS[type(state)](state, s_pos, s_neg)


@overload(loss_grad)
def _choose_loss_grad(state, s_pos, s_neg):
    compiled = _LOSS_GRADS[state.instance_class]
    return lambda state, s_pos, s_neg: compiled(state, s_pos, s_neg)


# Of float32 scores, which is what training has, the logistic function and softplus, log(1 + exp(x)), are cubics between
# nodes 1 / _NODES apart, from 0 to -_REACH: calls of exp and log1p took a good part of a training step, and these are
# within 2e-7 of them, about the rounding of such a score. Of float64 scores they are exact.
_NODES = 16
_REACH = 20


def _cubics(values, slopes):
    """Coefficients of the cubics that have these values and slopes (per node) at their ends, (n, 4) float32."""
    rise, first, last = np.diff(values), slopes[:-1], slopes[1:]
    return np.column_stack(
        [values[:-1], first, 3 * rise - 2 * first - last, first + last - 2 * rise],
    ).astype(np.float32)


def _tables():
    y = np.arange(_NODES * _REACH + 1) / _NODES
    logistic = 1.0 / (1.0 + np.exp(y))
    slope = -logistic / _NODES  # of log(1 + exp(-y))
    return _cubics(logistic, -logistic * (1.0 - logistic) / _NODES), _cubics(np.log1p(np.exp(-y)), slope)


_LOGISTIC, _SOFTPLUS = _tables()
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_SCALE, _END = np.float32(_NODES), np.float32(_NODES * _REACH)


@kernel
def _softplus_grad_by_table(x):
    scaled = abs(x) * _SCALE
    if scaled != scaled:  # NaN must show
        return x, x
    if scaled >= _END:
        return max(x, _ZERO), _ONE if x > _ZERO else _ZERO
    node = np.int64(scaled)
    t = scaled - np.float32(node)
    tail = (_SOFTPLUS[node, 0] + t * _SOFTPLUS[node, 1]) + t * t * (_SOFTPLUS[node, 2] + t * _SOFTPLUS[node, 3])
    slope = (_LOGISTIC[node, 0] + t * _LOGISTIC[node, 1]) + t * t * (_LOGISTIC[node, 2] + t * _LOGISTIC[node, 3])
    return max(x, _ZERO) + tail, slope if x < _ZERO else _ONE - slope


@kernel
def _softplus_grad_exactly(x):
    small = math.exp(-abs(x))
    return max(x, 0.0) + math.log1p(small), (small if x < 0.0 else 1.0) / (1.0 + small)


def softplus_grad(x):
    """Return softplus(x) = log(1 + exp(x)) and its derivative, the logistic function."""
    return _softplus_grad_by_table(x) if isinstance(x, np.float32) else _softplus_grad_exactly(x)


@overload(softplus_grad)
def _choose_softplus_grad(x):
    compiled = _softplus_grad_by_table if x == numba.types.float32 else _softplus_grad_exactly
    return lambda x: compiled(x)


@register_loss(LossState)
def builtin_loss_grad(state, s_pos, s_neg):
    """Loss of the built-in codes, with ``x = s_pos - s_neg`` and ``softplus(x) = log(1 + exp(x))``.

    Hinge ``max(0, margin - x)``, BPR ``softplus(-x)``, logistic ``softplus(-s_pos) + softplus(s_neg)``.
    """
    if state.code == HINGE:
        violation = state.margin - (s_pos - s_neg)
        if not violation <= 0.0:  # NaN too: it must show
            return violation, -_ONE, _ONE
        return 0.0, _ZERO, _ZERO
    if state.code == BPR:
        loss, gradient = softplus_grad(s_neg - s_pos)
        return loss, -gradient, gradient
    loss_pos, gradient_pos = softplus_grad(-s_pos)
    loss_neg, gradient_neg = softplus_grad(s_neg)
    return loss_pos + loss_neg, -gradient_pos, gradient_neg


@kernel(inline=False)
def loss_grad_many(state, s_pos, s_neg, out):
    """Fill `out` (n, 3) float64 with the loss and derivatives of each pair of scores: the public face of a loss."""
    for k in range(s_pos.shape[0]):
        out[k, 0], out[k, 1], out[k, 2] = loss_grad(state, s_pos[k], s_neg[k])
