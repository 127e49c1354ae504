"""Losses of one (positive, negative) pair of scores: value and derivatives.

The built-in losses share one state type and are told apart by a code, so that a new loss in a search compiles nothing.
A loss of one's own has a state class of its own and registers its function for it.
"""

import math
from typing import NamedTuple

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


@register_loss(LossState)
def builtin_loss_grad(state, s_pos, s_neg):
    """Loss of the built-in codes, with ``x = s_pos - s_neg`` and ``softplus(x) = log(1 + exp(x))``.

    Hinge ``max(0, margin - x)``, BPR ``softplus(-x)``, logistic ``softplus(-s_pos) + softplus(s_neg)``.
    """
    if state.code == HINGE:
        violation = state.margin - (s_pos - s_neg)
        if violation > 0.0:
            return violation, -1.0, 1.0
        return 0.0, 0.0, 0.0
    if state.code == BPR:
        x = s_pos - s_neg
        small = math.exp(-abs(x))
        gradient = (1.0 if x < 0.0 else small) / (1.0 + small)
        return max(-x, 0.0) + math.log1p(small), -gradient, gradient
    small_pos = math.exp(-abs(s_pos))
    small_neg = math.exp(-abs(s_neg))
    loss = max(-s_pos, 0.0) + math.log1p(small_pos) + max(s_neg, 0.0) + math.log1p(small_neg)
    return (
        loss,
        -(1.0 if s_pos < 0.0 else small_pos) / (1.0 + small_pos),
        (1.0 if s_neg > 0.0 else small_neg) / (1.0 + small_neg),
    )


@kernel(inline=False)
def loss_grad_many(state, s_pos, s_neg, out):
    """Fill `out` (n, 3) float64 with the loss and derivatives of each pair of scores: the public face of a loss."""
    for k in range(s_pos.shape[0]):
        out[k, 0], out[k, 1], out[k, 2] = loss_grad(state, s_pos[k], s_neg[k])
