"""One side of a two-tower model: sums of embedding rows, hidden layers, and the way back."""

from typing import NamedTuple

import numpy as np

from skrec import _layers
from skrec._kernels import _block
from skrec._layers import Parameter, by_rows
from skrec.utils._validation import kernel_array

_EPS = 1e-12


class Bag(NamedTuple):
    """One input of a tower: a sparse matrix whose rows are multiplied with an embedding table."""

    parameter: Parameter
    matrix: object  # csr_array (n_rows, n_inputs) float32; None: the identity
    dropout: float  # share of each row's entries left out in a step
    trains: bool  # whether a step changes the table
    most: int = 0  # entries of a row that a step uses at most, of rows whose values are all alike; 0: all


class Pass(NamedTuple):
    """What a forward pass leaves for the way back."""

    codes: np.ndarray
    output: np.ndarray
    lengths: np.ndarray
    bags: list
    activations: list
    unscaled: np.ndarray | None  # the output before it was weighted by component


class Side:
    """A tower: ``normalise(layers(sum of bags))``, or without normalising weighted by component.

    Parameters
    ----------
    n_rows : int
        Users, or items.
    bags : list of Bag
    layers : list of (Parameter, Parameter)
        Weights (n_in, n_out) and offsets (1, n_out) of dense layers; ReLU after each but the last.
    normalised : bool
        Whether the output is scaled to length 1.
    l2 : float
        Added to the gradient, times the weights, of rows that are stepped.
    trains : bool
        Whether a step changes the layers and the component weights.
    component_table : Parameter or None
        What the weights of the components are beyond 1, (1, width), so that `l2` pulls them to 1.
    """

    def __init__(self, n_rows, bags, layers, *, normalised, l2, trains=True, component_table=None):
        self.n_rows, self.bags, self.layers = n_rows, bags, layers
        self.component_table = component_table
        self.normalised, self.l2, self.trains = normalised, float(l2), trains
        self.width = bags[0].parameter.weights.shape[1]

    def forward(self, codes=None, rng=None, pool=None):
        """Embed some rows, or all (None); with `rng`, as in training (entries are dropped)."""
        everything = codes is None
        if everything:
            codes = np.arange(self.n_rows, dtype=np.int32)
        first, *others = self.bags
        if first.matrix is None:
            out = first.parameter.weights.copy() if everything else first.parameter.weights[codes]
            used = [None]
        else:
            out = np.zeros((len(codes), self.width), np.float32)
            others, used = self.bags, []
        for bag in others:
            if bag.matrix is None:
                out += bag.parameter.weights if everything else bag.parameter.weights[codes]
                used.append(None)
                continue
            indptr, columns, values = (
                bag.matrix.indptr.astype(np.int64, copy=False),
                bag.matrix.indices,
                bag.matrix.data,
            )
            if rng is not None and bag.most:
                indptr, places, growth = _draw(indptr, codes, bag.dropout, bag.most, rng)
                columns, values = columns[places], values[places] * growth
            elif not everything:
                # Not matrix[codes]: scipy would first copy the whole matrix to one type of index.
                indptr, places = find_rows(indptr, codes)
                columns, values = columns[places], values[places]
            if rng is not None and bag.dropout and not bag.most:
                values = _drop(indptr, values, bag.dropout, rng)
            by_rows(pool, out, _block.add_bags, indptr, columns, values, bag.parameter.weights, out)
            used.append((indptr, columns, values))
        out, activations = _layers.forward(self.layers, out)
        lengths = np.empty(len(codes) if self.normalised else 0, np.float32)
        if self.normalised:
            by_rows(pool, out, _block.normalise_rows, out, lengths, _EPS)
        unscaled = out
        if self.component_table is not None:
            out = unscaled * (1 + self.component_table.weights)
        return Pass(codes, out, lengths, used, activations, unscaled)

    def backward(self, done, gradient, rate, pool=None):
        """Step the parameters of a pass; `gradient` is with respect to its output and is overwritten."""
        if self.normalised:
            by_rows(pool, gradient, _block.back_through_norm, done.output, done.lengths, gradient)
            # A row of zeros has no direction, and what is divided by its length would drown all other rows.
            gradient[done.lengths <= np.float32(_EPS)] = 0.0
        if self.component_table is not None:
            d_components = np.einsum("nk,nk->k", gradient, done.unscaled)[None]
            gradient = gradient * (1 + self.component_table.weights)
            if self.trains:
                self._step(self.component_table, np.zeros(1, np.int32), d_components, rate, pool)
        gradient, changes = _layers.backward(self.layers, done.activations, gradient)
        if self.trains:
            for parameter, d_parameter in changes:
                self._step(parameter, np.arange(len(d_parameter), dtype=np.int32), d_parameter, rate, pool)
        for bag, entries in zip(self.bags, done.bags, strict=True):
            if not bag.trains:
                continue
            if entries is None:
                self._step(bag.parameter, done.codes, gradient, rate, pool)
            else:
                self._step_bag(bag.parameter, entries, gradient, rate, pool)

    def _step_bag(self, parameter, entries, gradient, rate, pool):
        indptr, columns, values = entries
        n_inputs = len(parameter.weights)
        place_of = np.full(n_inputs, -1, np.int32)
        touched = np.empty(min(len(columns), n_inputs), np.int32)
        n = _block.number_distinct(columns, place_of, touched)
        places = place_of[columns]
        starts = np.empty(n + 1, np.int64)
        entry_rows, order = np.empty(len(columns), np.int32), np.empty(len(columns), np.int32)
        _block.transpose_block(indptr, places, starts, entry_rows, order)
        summed = np.zeros((n, gradient.shape[1]), np.float32)
        by_rows(pool, summed, _block.add_transposed, summed, gradient, starts, entry_rows, order, values)
        self._step(parameter, touched[:n], summed, rate, pool)

    def _step(self, parameter, codes, gradient, rate, pool):
        _layers.step_rows(parameter, codes, gradient, rate, l2=self.l2, pool=pool)


def _drop(indptr, values, share, rng):
    """Leave entries out at random; the row's others grow such that a row of equal values keeps its length's law."""
    kept = rng.random(len(values), dtype=np.float32) >= share
    lengths = np.diff(indptr)
    n_kept = np.add.reduceat(np.append(kept, False), indptr[:-1])[: len(lengths)] * (lengths > 0)
    growth = np.sqrt(lengths / np.maximum(n_kept, 1)).astype(np.float32)
    return values * kept * np.repeat(growth, lengths)


def _draw(indptr, rows, dropout, most, rng):
    """Draw from the entries of some rows, at even distances from a random start: less work than a number for each.

    Returns
    -------
    indptr : ndarray of int64
        Where each row's drawn entries start.
    places : ndarray of int64
        Where they are in the matrix.
    growth : ndarray of float32
        What values grow by, as in `_drop`.
    """
    starts = indptr[rows]
    lengths = indptr[np.asarray(rows) + 1] - starts
    # Rounded at random, so that each entry is drawn equally often.
    n_drawn = (np.minimum(lengths * (1 - dropout), most) + rng.random(len(lengths))).astype(np.int64)
    n_drawn = np.minimum(n_drawn, lengths)
    taken = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(n_drawn, out=taken[1:])
    distance = lengths / np.maximum(n_drawn, 1)
    nth = np.arange(taken[-1]) - np.repeat(taken[:-1], n_drawn)
    steps = ((nth + np.repeat(rng.random(len(rows)), n_drawn)) * np.repeat(distance, n_drawn)).astype(np.int64)
    places = np.repeat(starts, n_drawn) + np.minimum(steps, np.repeat(lengths, n_drawn) - 1)
    return taken, places, np.repeat(np.sqrt(distance), n_drawn).astype(np.float32)


def find_rows(indptr, rows):
    """Find the entries of some rows of a csr matrix.

    Returns
    -------
    indptr : ndarray of int64
        Where each row's entries start, one row after the other.
    places : ndarray of int64
        Where the entries are in the matrix.
    """
    starts = indptr[rows]
    taken = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(indptr[rows + 1] - starts, out=taken[1:])
    places = np.repeat(starts - taken[:-1], np.diff(taken)) + np.arange(taken[-1])
    return taken, places


def as_bag_matrix(matrix):
    """Return a csr_array of float32 with int32 columns and int64 row bounds, as the kernels want it."""
    matrix = matrix.tocsr()
    matrix.sort_indices()
    matrix.indptr = kernel_array(matrix.indptr, np.int64)
    matrix.data, matrix.indices = kernel_array(matrix.data, np.float32), kernel_array(matrix.indices, np.int32)
    return matrix
