"""Parameters that Adam steps row by row, and dense layers of them: what the models with hidden layers share.

A layer is a pair of parameters, weights (n_in, n_out) and offsets (1, n_out). ReLU stands after each but the last one.
All numbers are float32. Products are BLAS's: within ``blas_threads(1)`` the same arguments give the same bits.
"""

from typing import NamedTuple

import numpy as np

from skrec._kernels import _block, _dense
from skrec.utils._threads import split, work

_DECAY_1, _DECAY_2 = 0.9, 0.99
# Fewer numbers than this are not worth a second thread.
_WORTH_A_THREAD = 1 << 16
_PARTS = 4


class Parameter(NamedTuple):
    """A table of weights and Adam's memory of it, by row."""

    weights: np.ndarray  # (n, width) float32
    first: np.ndarray
    second: np.ndarray
    counts: np.ndarray  # (n,) int32: steps that each row has made


def make_parameter(n, width, scale, rng):
    """Return a parameter of normal weights."""
    weights = rng.standard_normal((n, width), dtype=np.float32)
    weights *= np.float32(scale)
    return Parameter(weights, np.zeros_like(weights), np.zeros_like(weights), np.zeros(n, np.int32))


def take_parameter(parameter, rows=None):
    """Return a parameter with copies of some rows, or of all; plain arrays, also of memory-mapped ones."""
    return Parameter(*(np.array(array) if rows is None else np.asarray(array)[rows] for array in parameter))


def step_rows(parameter, codes, gradient, rate, *, l2=0.0, decay=_DECAY_2, pool=None):
    """Make one step of Adam, in place.

    Parameters
    ----------
    parameter : Parameter
    codes : ndarray of shape (n,), int32
        Distinct rows to step.
    gradient : ndarray of shape (n, width), float32
    rate : float
    l2 : float, default=0.0
        Added to the gradient, times the weights.
    decay : float, default=0.99
        Of the memory of squared gradients.
    pool : concurrent.futures.Executor or None
    """
    table, first, second, counts = parameter
    by_rows(
        pool,
        gradient,
        _block.adam_rows,
        *(codes, table, first, second, counts, gradient, rate, _DECAY_1, decay, float(l2)),
    )


def by_rows(pool, like, kernel, *arguments):
    """Call a kernel on ranges of the rows of `like`, side by side where that is worth it."""
    parts = split(len(like), _PARTS if like.size > _WORTH_A_THREAD else 1)
    work(pool, lambda part: kernel(part, *arguments), parts)


def make_layers(widths, rng):
    """Return dense layers between the given widths, input first, of He's scale and offsets of 0."""
    layers = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
        layers.append((make_parameter(n_in, n_out, np.sqrt(2 / n_in), rng), make_parameter(1, n_out, 0.0, rng)))
    return layers


def copy_layers(layers):
    """Return layers with parameters of their own."""
    return [tuple(take_parameter(parameter) for parameter in layer) for layer in layers]


def forward(layers, inputs, *, dropout=0.0, rng=None):
    """Compute the output of layers.

    Parameters
    ----------
    layers : list of (Parameter, Parameter)
    inputs : ndarray of shape (n, n_in), float32
    dropout : float, default=0.0
        Share of the hidden activations that is set to 0 where `rng` is given; the others grow to the same mean.
    rng : numpy.random.Generator, default=None
        Given in training alone.

    Returns
    -------
    output : ndarray of shape (n, n_out), float32
    activations : list of ndarray
        What went into each layer, for `backward`.
    """
    activations, out = [], inputs
    for place, (weights, offsets) in enumerate(layers):
        activations.append(out)
        out = out @ weights.weights
        if place + 1 == len(layers):
            out += offsets.weights
        else:
            _dense.activate(out, offsets.weights[0])
            if rng is not None and dropout:
                drop_out(out, dropout, rng)
    return out, activations


def drop_out(values, share, rng):
    """Set a share of the numbers to 0, at random and in place; the others grow to the same mean."""
    _dense.drop_out(values, share, *rng.integers(2**32, size=2, dtype=np.uint32))


def backward(layers, activations, gradient, *, dropout=0.0):
    """Carry a gradient back through layers.

    Parameters
    ----------
    layers : list of (Parameter, Parameter)
    activations : list of ndarray
        From `forward`.
    gradient : ndarray of shape (n, n_out), float32
        With respect to the output.
    dropout : float, default=0.0
        What `forward` was called with, 0 where it had no `rng`.

    Returns
    -------
    gradient : ndarray of shape (n, n_in), float32
        With respect to the inputs.
    changes : list of (Parameter, ndarray)
        Each parameter and the gradient with respect to it, for `step_layers`.
    """
    changes, sums = [], gradient.sum(axis=0, keepdims=True)
    for place in range(len(layers) - 1, -1, -1):
        weights, offsets = layers[place]
        inputs = activations[place]
        changes += [(weights, inputs.T @ gradient), (offsets, sums)]
        # Of one column BLAS's product takes several times as long as the plain one.
        gradient = gradient * weights.weights.T if gradient.shape[1] == 1 else gradient @ weights.weights.T
        if place > 0:
            sums = np.empty((1, gradient.shape[1]), gradient.dtype)
            _dense.deactivate(gradient, inputs, np.float32(1 / (1 - dropout)), sums[0])
    return gradient, changes


def step_layers(changes, rate, *, l2=0.0, decay=_DECAY_2, pool=None):
    """Make one step of Adam with what `backward` returned."""
    for parameter, gradient in changes:
        step_rows(parameter, np.arange(len(gradient), dtype=np.int32), gradient, rate, l2=l2, decay=decay, pool=pool)
