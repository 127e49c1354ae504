"""The pointwise engine's Python side: parameters, batches, and the parts that they are cut into.

Work is cut into parts whose number depends on the data alone and BLAS runs on one thread in each, so the bits do not
depend on the number of threads.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from skrec._kernels import _block, _pointwise
from skrec.utils._threads import effective_n_jobs

OPTIMIZERS = {"adam": _pointwise.ADAM, "adagrad": _pointwise.ADAGRAD, "ftrl": _pointwise.FTRL}
# Fewer numbers than this in a batch are not worth a second thread.
_WORTH_A_THREAD = 1 << 17
_PARTS = 4
# Rows that are scored at once.
_BLOCK = 1 << 14
# Standard deviation of a new embedding, times the root of its length.
_SPREAD = 0.1


class Table(NamedTuple):
    """Weights and the optimiser's memory of them, by row."""

    weights: np.ndarray  # (n, width) float32
    first: np.ndarray
    second: np.ndarray
    counts: np.ndarray  # (n,) int32: steps that each row has made

    def copy(self):
        """Return a copy that training leaves alone."""
        return Table(*(part.copy() for part in self))


class Model(NamedTuple):
    """What is learnt."""

    intercept: Table  # (1, 1)
    inputs: Table  # (n_inputs, 1 + width): linear weight, then embedding

    def copy(self):
        """Return a copy that training leaves alone."""
        return Model(self.intercept.copy(), self.inputs.copy())


class Shape(NamedTuple):
    """What kind of model it is, and of how many inputs."""

    interaction: str
    n_components: int
    n_fields: int
    field_of: np.ndarray  # (n_inputs,) int32

    @property
    def width(self):
        """Length of a row of the table: the linear weight and what the interaction needs."""
        own = {"linear": 0, "ffm": self.n_components * self.n_fields}.get(self.interaction, self.n_components)
        return 1 + own


def make_table(n, width, rng=None, spread=0.0):
    """Return a table of zeros, with normal embeddings after the first column where `rng` is given."""
    weights = np.zeros((n, width), np.float32)
    if rng is not None and width > 1:
        weights[:, 1:] = rng.standard_normal((n, width - 1), dtype=np.float32)
        weights[:, 1:] *= np.float32(spread)
    return Table(weights, np.zeros_like(weights), np.zeros_like(weights), np.zeros(n, np.int32))


def start_model(shape, rng):
    """Return an untrained model."""
    spread = _SPREAD / np.sqrt(shape.n_components)
    return Model(make_table(1, 1), make_table(len(shape.field_of), shape.width, rng, spread))


def prepare_ftrl(table, rate, l2):
    """Set z such that FTRL's closed form without its first penalty gives the weights that the table starts with."""
    fresh = table.counts == 0
    table.first[fresh] = -table.weights[fresh] * (1.0 / rate + l2[fresh, None])


class Batch(NamedTuple):
    """Some rows, laid one after the other."""

    indptr: np.ndarray
    columns: np.ndarray
    values: np.ndarray


class PointwiseEngine:
    """Trains a model in place, and scores rows.

    Parameters
    ----------
    model : Model
    shape : Shape
    optimizer : {"adam", "adagrad", "ftrl"}
    rate, l1 : float
    l2 : ndarray of shape (n_inputs,), float32
    n_jobs : int or None
    """

    def __init__(self, model, shape, *, optimizer="adam", rate=0.001, l1=0.0, l2=None, n_jobs=None):
        self.model, self.shape = model, shape
        self.optimizer, self.rate, self.l1 = OPTIMIZERS[optimizer], float(rate), float(l1)
        n_inputs = len(shape.field_of)
        self.l2 = np.zeros(n_inputs, np.float32) if l2 is None else l2
        self.no_l2 = np.zeros(1, np.float32)
        self.place_of = np.full(n_inputs, -1, np.int32)
        self.n_threads = min(effective_n_jobs(n_jobs), _PARTS)

    def threads(self):
        """Return an executor, or None where one thread is used."""
        return ThreadPoolExecutor(self.n_threads) if self.n_threads > 1 else None

    def run_epoch(self, rows, which, targets, weights, batch_size, pool=None):
        """Train once on some rows, in the order given; return the summed loss, each batch's before its step.

        The gradient of a batch is divided by `batch_size` times the mean weight: that of all rows together is the mean
        over what they weigh, and a last batch of few rows makes no larger step than they deserve.
        """
        batch_size = min(batch_size, len(which))
        scale = 1.0 / (batch_size * float(weights.mean(dtype=np.float64)))
        total = 0.0
        for start in range(0, len(which), batch_size):
            some = slice(start, start + batch_size)
            total += self.step(self.take(rows, which[some]), targets[some], weights[some], scale, pool)
        return total

    def take(self, rows, which):
        """Copy a batch."""
        starts = np.empty(len(which) + 1, np.int64)
        _pointwise.count_rows(rows.indptr, which, starts)
        columns, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
        _pointwise.take_rows(rows.indptr, rows.columns, rows.values, which, starts, columns, values)
        return Batch(starts, columns, values)

    def step(self, batch, targets, weights, scale, pool=None):
        """Make one step on a batch; return its summed loss before the step."""
        logits, kept = self.forward(batch, pool)
        slopes = np.empty(len(logits), np.float32)
        loss = _pointwise.bce(logits, targets, weights, scale, slopes)
        touched, gradient = self.backward(batch, slopes, kept, pool)
        table = self.model.inputs
        rest = self.l2, self.optimizer, self.rate, self.l1
        n, n_entries = len(touched), len(batch.columns)
        self._by_rows(pool, n, n_entries, _pointwise.step_rows, touched, *table, gradient, *rest)
        total = np.full((1, 1), slopes.sum(dtype=np.float64), np.float32)
        one = np.zeros(1, np.int32)
        _pointwise.step_rows((0, 1), one, *self.model.intercept, total, self.no_l2, self.optimizer, self.rate, 0.0)
        return loss

    def forward(self, batch, pool=None):
        """Return the logits of a batch, and what the way back needs of them."""
        table, shape = self.model.inputs.weights, self.shape
        n_rows, n_entries = len(batch.indptr) - 1, len(batch.columns)
        logits = np.full(n_rows, self.model.intercept.weights[0, 0], table.dtype)
        if shape.interaction == "linear":
            self._by_rows(pool, n_rows, n_entries, _pointwise.forward_linear, *batch, table, logits)
            return logits, None
        if shape.interaction == "ffm":
            rest = shape.field_of, shape.n_components, table, logits
            self._by_rows(pool, n_rows, n_entries, _pointwise.forward_ffm, *batch, *rest)
            return logits, None
        sums = np.empty((n_rows, shape.n_components), table.dtype)
        self._by_rows(pool, n_rows, n_entries, _pointwise.forward_fm, *batch, table, sums, logits)
        return logits, sums

    def backward(self, batch, slopes, kept, pool=None):
        """Return the inputs that occur in a batch, and the gradients of their rows of the table."""
        table, shape = self.model.inputs.weights, self.shape
        n_entries = len(batch.columns)
        touched = np.empty(min(n_entries, len(table)), np.int32)
        n = _block.number_distinct(batch.columns, self.place_of, touched)
        touched = touched[:n]
        places = self.place_of[batch.columns]
        self.place_of[touched] = -1
        starts = np.empty(n + 1, np.int64)
        entry_rows, entries = np.empty(n_entries, np.int32), np.empty(n_entries, np.int32)
        _block.transpose_block(batch.indptr, places, starts, entry_rows, entries)
        gradient = np.empty((n, table.shape[1]), table.dtype)
        where = touched, starts, entry_rows, entries
        if shape.interaction == "linear":
            self._by_rows(pool, n, n_entries, _pointwise.gradient_linear, *where[1:], batch.values, slopes, gradient)
        elif shape.interaction == "ffm":
            rest = shape.field_of, shape.n_components, table, slopes, gradient
            self._by_rows(pool, n, n_entries, _pointwise.gradient_ffm, *where, *batch, *rest)
        else:
            rest = batch.values, table, kept, slopes, gradient
            self._by_rows(pool, n, n_entries, _pointwise.gradient_fm, *where, *rest)
        return touched, gradient

    def decision(self, rows, which=None, pool=None):
        """Return the logits of rows, float32."""
        which = np.arange(rows.n_rows) if which is None else which
        out = np.empty(len(which), np.float32)
        for start in range(0, len(which), _BLOCK):
            some = which[start : start + _BLOCK]
            out[start : start + _BLOCK] = self.forward(self.take(rows, some), pool)[0]
        return out

    def _by_rows(self, pool, n, n_entries, kernel, *arguments):
        """Call a kernel on ranges of n rows, side by side where that is worth it."""
        if pool is None or n_entries * self.shape.width < _WORTH_A_THREAD:
            kernel((0, n), *arguments)
            return
        bounds = [n * part // _PARTS for part in range(_PARTS + 1)]
        list(pool.map(lambda part: kernel(part, *arguments), zip(bounds[:-1], bounds[1:], strict=True)))
