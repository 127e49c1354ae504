"""The pointwise engine's Python side: parameters, batches, and the parts that they are cut into.

Work is cut into parts whose number depends on the data alone and BLAS runs on one thread in each, so the bits do not
depend on the number of threads.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from skrec import _layers
from skrec._kernels import _block, _pointwise
from skrec._layers import Parameter, copy_layers, make_layers, make_parameter, take_parameter
from skrec.utils._threads import effective_n_jobs, split, work

OPTIMIZERS = {"adam": _pointwise.ADAM, "adagrad": _pointwise.ADAGRAD, "ftrl": _pointwise.FTRL}
# Fewer numbers than this in a batch are not worth a second thread.
_WORTH_A_THREAD = 1 << 17
_PARTS = 4
# Rows that a product of the dense layers should have at least.
_DENSE_ROWS = 256
# Rows that are scored at once.
_BLOCK = 1 << 14
# Standard deviation of a new embedding, times the root of its length.
_SPREAD = 0.1


class Model(NamedTuple):
    """What is learnt."""

    intercept: Parameter  # (1, 1)
    inputs: Parameter  # (n_inputs, 1 + width): linear weight, then embedding
    layers: list  # of the perceptron: (weights, offsets), the last of width 1; empty without hidden layers
    crosses: list  # of the cross network: (weights, offsets), each as wide as all fields
    head: Parameter | None  # (width of all fields, 1): from the cross network to the log-odds

    def copy(self):
        """Return a copy that training leaves alone."""
        intercept, inputs = take_parameter(self.intercept), take_parameter(self.inputs)
        head = None if self.head is None else take_parameter(self.head)
        return Model(intercept, inputs, copy_layers(self.layers), copy_layers(self.crosses), head)

    def dense(self):
        """Return the parameters that every row has a part in."""
        pairs = [parameter for layer in [*self.layers, *self.crosses] for parameter in layer]
        return [self.intercept, *pairs, *([] if self.head is None else [self.head])]


class Shape(NamedTuple):
    """What kind of model it is, and of how many inputs."""

    interaction: str
    n_components: int
    n_fields: int
    field_of: np.ndarray  # (n_inputs,) int32

    hidden_layers: tuple = ()
    n_cross_layers: int = 0

    @property
    def width(self):
        """Length of a row of the table: the linear weight and what the interaction needs."""
        own = {"linear": 0, "ffm": self.n_components * self.n_fields}.get(self.interaction, self.n_components)
        return 1 + own

    @property
    def deep(self):
        """Whether dense layers read the embeddings."""
        return self.interaction in ("deepfm", "dcn")


def start_model(shape, rng):
    """Return an untrained model: normal embeddings, all else zero but the dense layers."""
    inputs = make_parameter(len(shape.field_of), shape.width, _SPREAD / np.sqrt(shape.n_components), rng)
    inputs.weights[:, 0] = 0
    layers, crosses, head = [], [], None
    width = shape.n_fields * shape.n_components
    if shape.deep:
        layers = make_layers([width, *shape.hidden_layers, 1], rng)
    if shape.interaction == "dcn":
        scale = 1 / np.sqrt(width)
        for _ in range(shape.n_cross_layers):
            crosses.append((make_parameter(width, width, scale, rng), make_parameter(1, width, 0.0, rng)))
        head = make_parameter(width, 1, scale, rng)
    return Model(make_parameter(1, 1, 0.0, rng), inputs, layers, crosses, head)


def prepare_ftrl(parameter, rate, l2):
    """Set z such that FTRL's closed form without its first penalty gives the weights that a row starts with."""
    fresh = parameter.counts == 0
    parameter.first[fresh] = -parameter.weights[fresh] * (1.0 / rate + l2[fresh, None])


def forward_cross(crosses, inputs):
    """Compute x_{l+1} = x_0 * (x_l W + b) + x_l (DCN-v2); return the output, and inputs and factor of each layer."""
    kept, out = [], inputs
    for weights, offsets in crosses:
        factor = out @ weights.weights
        factor += offsets.weights
        kept.append((out, factor))
        out = inputs * factor + out
    return out, kept


def backward_cross(crosses, inputs, kept, gradient):
    """Carry a gradient back through :func:`forward_cross`; return that of the inputs, and those of the parameters."""
    changes, total = [], np.zeros_like(inputs)
    for (weights, offsets), (before, factor) in zip(reversed(crosses), reversed(kept), strict=True):
        total += gradient * factor
        slope = gradient * inputs
        changes += [(weights, before.T @ slope), (offsets, slope.sum(axis=0, keepdims=True))]
        gradient = gradient + slope @ weights.weights.T
    return total + gradient, changes


def divide_penalty(l2, rows, which, batch_size):
    """Divide the penalty of each input by the chance that a batch holds it.

    Steps change the inputs of their batch alone. So divided, the penalties of an epoch add up to what steps on the
    whole table would have: rare inputs, which the data tell little of, are held back more than frequent ones.
    """
    counts = np.zeros(len(l2), np.int64)
    _pointwise.count_inputs(rows.indptr, rows.columns, which, counts)
    missed = np.log1p(-min(batch_size / len(which), 1 - 1e-12))
    chance = -np.expm1(counts * missed)
    return np.divide(l2, chance, out=np.zeros(len(l2), np.float32), where=counts > 0, casting="unsafe")


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
        Of the table and the intercept; dense layers are stepped by Adam.
    rate, dense_rate, l1 : float
    l2 : ndarray of shape (n_inputs,), float32
    dropout : float
        Share of the hidden activations that a step leaves out.
    n_jobs : int or None
    """

    def __init__(
        self, model, shape, *, optimizer="adam", rate=0.001, dense_rate=0.001, l1=0.0, l2=None, dropout=0.0, n_jobs=None
    ):
        self.model, self.shape = model, shape
        self.optimizer, self.rate, self.l1, self.dropout = OPTIMIZERS[optimizer], float(rate), float(l1), dropout
        self.dense_rate = float(dense_rate)
        n_inputs = len(shape.field_of)
        self.l2 = np.zeros(n_inputs, np.float32) if l2 is None else l2
        widest = max(len(parameter.weights) for parameter in model.dense())
        self.no_l2, self.every = np.zeros(widest, np.float32), np.arange(widest, dtype=np.int32)
        self.place_of = np.full(n_inputs, -1, np.int32)
        self.n_threads = min(effective_n_jobs(n_jobs), _PARTS)

    def threads(self):
        """Return an executor, or None where one thread is used."""
        return ThreadPoolExecutor(self.n_threads) if self.n_threads > 1 else None

    def run_epoch(self, rows, which, targets, weights, batch_size, rng=None, pool=None):
        """Train once on some rows, in the order given; return the summed loss, each batch's before its step.

        For Adam the gradient of a batch is divided by `batch_size` times the mean weight: that of all rows together is
        the mean over what they weigh, and a last batch of few rows makes no larger step than they deserve. AdaGrad and
        FTRL take sums, divided by the mean weight alone, and so do their penalties.
        """
        batch_size = min(batch_size, len(which))
        n_rows = batch_size if self.optimizer == _pointwise.ADAM else 1
        scale = 1.0 / (n_rows * float(weights.mean(dtype=np.float64)))
        total = 0.0
        for start in range(0, len(which), batch_size):
            some = slice(start, start + batch_size)
            total += self.step(self.take(rows, which[some]), targets[some], weights[some], scale, rng, pool)
        return total

    def take(self, rows, which):
        """Copy a batch."""
        starts = np.empty(len(which) + 1, np.int64)
        _pointwise.count_rows(rows.indptr, which, starts)
        columns, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
        _pointwise.take_rows(rows.indptr, rows.columns, rows.values, which, starts, columns, values)
        return Batch(starts, columns, values)

    def step(self, batch, targets, weights, scale, rng=None, pool=None):
        """Make one step on a batch; return its summed loss before the step."""
        logits, kept = self.forward(batch, rng if self.dropout else None, pool)
        slopes = np.empty(len(logits), np.float32)
        loss = _pointwise.bce(logits, targets, weights, scale, slopes)
        touched, gradient, changes = self.backward(batch, slopes, kept, pool)
        rest = self.l2, self.optimizer, self.rate, self.l1
        n, n_entries = len(touched), len(batch.columns)
        table = self.model.inputs
        self._by_rows(pool, n, n_entries, _pointwise.step_rows, touched, *table, gradient, *rest)
        (intercept, change), *changes = changes
        _pointwise.step_rows((0, 1), self.every, *intercept, change, self.no_l2, self.optimizer, self.rate, 0.0)
        for parameter, change in changes:
            rest = change, self.no_l2, _pointwise.ADAM, self.dense_rate, 0.0
            _pointwise.step_rows((0, len(change)), self.every, *parameter, *rest)
        return loss

    def forward(self, batch, rng=None, pool=None):
        """Return the logits of a batch, and what the way back needs of them; `rng` draws what is dropped."""
        table, shape = self.model.inputs.weights, self.shape
        n_rows, n_entries = len(batch.indptr) - 1, len(batch.columns)
        logits = np.full(n_rows, self.model.intercept.weights[0, 0], table.dtype)
        sums = fields = None
        if shape.interaction in ("linear", "dcn"):
            self._by_rows(pool, n_rows, n_entries, _pointwise.forward_linear, *batch, table, logits)
        elif shape.interaction == "ffm":
            rest = shape.field_of, shape.n_components, table, logits
            self._by_rows(pool, n_rows, n_entries, _pointwise.forward_ffm, *batch, *rest)
        else:
            sums = np.empty((n_rows, shape.n_components), table.dtype)
            self._by_rows(pool, n_rows, n_entries, _pointwise.forward_fm, *batch, table, sums, logits)
        if not shape.deep:
            return logits, (sums, None, None)
        fields = np.empty((n_rows, shape.n_fields * shape.n_components), table.dtype)
        self._by_rows(pool, n_rows, n_entries, _pointwise.forward_fields, *batch, shape.field_of, table, fields)
        parts = self._dense_parts(n_rows)
        seeds = [None] * len(parts) if rng is None else rng.integers(2**63, size=len(parts))

        def dense(part):
            (first, last), seed = part
            own = None if seed is None else np.random.Generator(np.random.SFC64(int(seed)))
            out, activations = _layers.forward(self.model.layers, fields[first:last], dropout=self.dropout, rng=own)
            logits[first:last] += out[:, 0]
            crossed = kept = None
            if self.model.head is not None:
                crossed, kept = forward_cross(self.model.crosses, fields[first:last])
                logits[first:last] += (crossed @ self.model.head.weights)[:, 0]
            return (first, last), activations, crossed, kept

        dropped = 0.0 if rng is None else self.dropout
        return logits, (sums, dropped, work(pool, dense, zip(parts, seeds, strict=True)))

    def backward(self, batch, slopes, kept, pool=None):
        """Return the inputs that occur in a batch, the gradients of their rows, and those of the dense parameters."""
        table, shape = self.model.inputs.weights, self.shape
        sums, dropped, passes = kept
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
        if shape.interaction in ("linear", "dcn"):
            gradient[:, 1:] = 0
            rest = batch.values, slopes, gradient
            self._by_rows(pool, n, n_entries, _pointwise.gradient_linear, *where[1:], *rest)
        elif shape.interaction == "ffm":
            rest = shape.field_of, shape.n_components, table, slopes, gradient
            self._by_rows(pool, n, n_entries, _pointwise.gradient_ffm, *where, *batch, *rest)
        else:
            rest = batch.values, table, sums, slopes, gradient
            self._by_rows(pool, n, n_entries, _pointwise.gradient_fm, *where, *rest)
        intercept = np.full((1, 1), slopes.sum(dtype=np.float64), table.dtype)
        changes = [(self.model.intercept, intercept)]
        if shape.deep:
            fields, dense = self._backward_dense(slopes, dropped, passes, pool)
            changes += dense
            rest = batch.values, shape.field_of, fields, gradient
            self._by_rows(pool, n, n_entries, _pointwise.add_gradient_fields, *where, *rest)
        return touched, gradient, changes

    def _backward_dense(self, slopes, dropped, passes, pool):
        """Return the gradient of what the dense layers read, and those of their parameters, summed over the parts."""
        model = self.model

        def dense(done):
            (first, last), activations, crossed, kept = done
            slope = slopes[first:last, None]
            gradient, changes = _layers.backward(model.layers, activations, slope, dropout=dropped)
            if model.head is not None:
                inputs = activations[0]
                through, more = backward_cross(model.crosses, inputs, kept, slope * model.head.weights[:, 0])
                gradient = gradient + through
                changes += [*more, (model.head, crossed.T @ slope)]
            return gradient, changes

        found = work(pool, dense, passes)
        total = found[0][1]
        for _, changes in found[1:]:
            total = [(parameter, sum_ + part) for (parameter, sum_), (_, part) in zip(total, changes, strict=True)]
        return np.concatenate([gradient for gradient, _ in found]), total

    def _dense_parts(self, n_rows):
        """Cut a batch into ranges of rows for the dense layers; how many depends on their number alone."""
        return split(n_rows, min(_PARTS, max(1, n_rows // _DENSE_ROWS)))

    def decision(self, rows, which=None, pool=None):
        """Return the logits of rows, float32."""
        which = np.arange(rows.n_rows) if which is None else which
        out = np.empty(len(which), np.float32)
        for start in range(0, len(which), _BLOCK):
            some = which[start : start + _BLOCK]
            out[start : start + _BLOCK] = self.forward(self.take(rows, some), pool=pool)[0]
        return out

    def _by_rows(self, pool, n, n_entries, kernel, *arguments):
        """Call a kernel on ranges of n rows, side by side where that is worth it."""
        if pool is None or n_entries * self.shape.width < _WORTH_A_THREAD:
            kernel((0, n), *arguments)
            return
        work(pool, lambda part: kernel(part, *arguments), split(n, _PARTS))
