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
# Steps over which AdaGrad's rate rises to its full size: its first ones have the same length whatever the gradient, and
# where that is mostly noise they would throw frequent inputs far off.
_WARM_UP = 10
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


class Made(NamedTuple):
    """What is made of a batch on the way to its logits, by row."""

    logits: np.ndarray
    slopes: np.ndarray  # of the loss by the logits
    sums: np.ndarray | None  # of the embeddings of a row
    fields: np.ndarray | None  # the embeddings of a row's fields, what the dense layers read; later, their gradient


class Inputs(NamedTuple):
    """The distinct inputs of a batch, and for each the entries that hold it."""

    touched: np.ndarray
    starts: np.ndarray
    rows: np.ndarray  # of the entries
    entries: np.ndarray


def add_up(changes):
    """Return a parameter and the sum of its gradients, from pairs of both."""
    (parameter, first), *others = changes
    for _, gradient in others:
        first += gradient
    return parameter, first


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
        if rows.length and not len(rows.values):
            columns = rows.columns.reshape(-1, rows.length).take(which, axis=0).ravel()
            return Batch(rows.indptr[: len(which) + 1], columns, np.ones(len(columns), np.float32))
        starts = np.empty(len(which) + 1, np.int64)
        _pointwise.count_rows(rows.indptr, which, starts)
        columns, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
        _pointwise.take_rows(rows.indptr, rows.columns, rows.values, which, starts, columns, values)
        return Batch(starts, columns, values)

    def step(self, batch, targets, weights, scale, rng=None, pool=None):
        """Make one step on a batch; return its summed loss before the step."""
        made, parts = self.start(batch), self._parts(batch, rng)
        pool = pool if len(parts) > 1 else None

        def there_and_back(part):
            kept = self._forward(batch, made, *part)
            own = slice(*part[0])
            loss = _pointwise.bce(made.logits[own], targets[own], weights[own], scale, made.slopes[own])
            return loss, self._backward(made, *kept)

        losses, changes = zip(*work(pool, there_and_back, parts), strict=True)
        inputs, rate = self._sort(batch), self._rate()
        gradient = np.empty((len(inputs.touched), self.shape.width), self.model.inputs.weights.dtype)
        ranges = self._ranges(len(inputs.touched), len(batch.columns))
        # All gradients before any step: those of "ffm" read the weights of other inputs.
        work(pool, lambda places: self._gradient(batch, made, inputs, gradient, places), ranges)
        tasks = [(self._step_inputs, (inputs.touched, gradient, rate, places)) for places in ranges]
        tasks += [(self._step_dense, (same, rate)) for same in zip(*changes, strict=True)]
        work(pool, lambda task: task[0](*task[1]), tasks)
        return sum(losses)

    def start(self, batch):
        """Return arrays for what is made of a batch."""
        shape, dtype = self.shape, self.model.inputs.weights.dtype
        n_rows = len(batch.indptr) - 1
        sums = fields = None
        if shape.interaction in ("fm", "deepfm"):
            sums = np.empty((n_rows, shape.n_components), dtype)
        if shape.deep:
            fields = np.empty((n_rows, shape.n_fields * shape.n_components), dtype)
        return Made(np.empty(n_rows, dtype), np.empty(n_rows, dtype), sums, fields)

    def forward(self, batch, pool=None):
        """Return what is made of a batch, its logits among it, and of each part what :meth:`backward` needs."""
        made, parts = self.start(batch), self._parts(batch)
        return made, work(pool, lambda part: self._forward(batch, made, *part), parts)

    def backward(self, batch, made, kept):
        """Return the inputs that occur in a batch, the gradients of their rows, and those of the dense parameters."""
        changes = zip(*(self._backward(made, *part) for part in kept), strict=True)
        inputs = self._sort(batch)
        gradient = np.empty((len(inputs.touched), self.shape.width), made.logits.dtype)
        self._gradient(batch, made, inputs, gradient, (0, len(inputs.touched)))
        return inputs.touched, gradient, [add_up(same) for same in changes]

    def _forward(self, batch, made, part, seed):
        """Compute the logits of a range of rows; return the range, and what the dense layers keep of it."""
        table, shape, model = self.model.inputs.weights, self.shape, self.model
        own = slice(*part)
        made.logits[own] = model.intercept.weights[0, 0]
        if shape.interaction in ("linear", "dcn"):
            _pointwise.forward_linear(part, *batch, table, made.logits)
        elif shape.interaction == "ffm":
            _pointwise.forward_ffm(part, *batch, shape.field_of, shape.n_components, table, made.logits)
        else:
            _pointwise.forward_fm(part, *batch, table, made.sums, made.logits)
        if not shape.deep:
            return part, None
        _pointwise.forward_fields(part, *batch, shape.field_of, table, made.fields)
        fields = made.fields[own]
        rng = None if seed is None else np.random.Generator(np.random.SFC64(int(seed)))
        out, activations = _layers.forward(model.layers, fields, dropout=self.dropout, rng=rng)
        made.logits[own] += out[:, 0]
        crossed = through = None
        if model.head is not None:
            crossed, through = forward_cross(model.crosses, fields)
            made.logits[own] += (crossed @ model.head.weights)[:, 0]
        return part, (activations, 0.0 if seed is None else self.dropout, crossed, through)

    def _backward(self, made, part, kept):
        """Return the gradients of the dense parameters by a range of rows; that of the fields replaces the fields."""
        model, own = self.model, slice(*part)
        slopes = made.slopes[own, None]
        changes = [(model.intercept, slopes.sum(axis=0, keepdims=True))]
        if kept is None:
            return changes
        activations, dropout, crossed, through = kept
        gradient, more = _layers.backward(model.layers, activations, slopes, dropout=dropout)
        changes += more
        if model.head is not None:
            crossing, more = backward_cross(model.crosses, activations[0], through, slopes * model.head.weights[:, 0])
            gradient += crossing
            changes += [*more, (model.head, crossed.T @ slopes)]
        made.fields[own] = gradient
        return changes

    def _sort(self, batch):
        """Sort the entries of a batch by input."""
        n_entries = len(batch.columns)
        touched = np.empty(min(n_entries, len(self.place_of)), np.int32)
        touched = touched[: _block.number_distinct(batch.columns, self.place_of, touched)]
        places = self.place_of[batch.columns]
        self.place_of[touched] = -1
        starts = np.empty(len(touched) + 1, np.int64)
        rows, entries = np.empty(n_entries, np.int32), np.empty(n_entries, np.int32)
        _block.transpose_block(batch.indptr, places, starts, rows, entries)
        return Inputs(touched, starts, rows, entries)

    def _gradient(self, batch, made, inputs, gradient, places):
        """Fill a range of the rows of `gradient`."""
        table, shape = self.model.inputs.weights, self.shape
        if shape.interaction in ("linear", "dcn"):
            gradient[slice(*places), 1:] = 0
            _pointwise.gradient_linear(places, *inputs[1:], batch.values, made.slopes, gradient)
        elif shape.interaction == "ffm":
            rest = shape.field_of, shape.n_components, table, made.slopes, gradient
            _pointwise.gradient_ffm(places, *inputs, *batch, *rest)
        else:
            _pointwise.gradient_fm(places, *inputs, batch.values, table, made.sums, made.slopes, gradient)
        if shape.deep:
            _pointwise.add_gradient_fields(places, *inputs, batch.values, shape.field_of, made.fields, gradient)

    def _rate(self):
        """Return the step size of the table and the intercept."""
        if self.optimizer != _pointwise.ADAGRAD:
            return self.rate
        return self.rate * min(1.0, (int(self.model.intercept.counts[0]) + 1) / _WARM_UP)

    def _step_inputs(self, touched, gradient, rate, places):
        """Step a range of the inputs that occur in a batch."""
        rest = gradient, self.l2, self.optimizer, rate, self.l1
        _pointwise.step_rows(places, touched, *self.model.inputs, *rest)

    def _step_dense(self, changes, rate):
        """Step a dense parameter by the sum of what the parts of a batch found."""
        parameter, gradient = add_up(changes)
        own = parameter is self.model.intercept
        optimizer, rate = (self.optimizer, rate) if own else (_pointwise.ADAM, self.dense_rate)
        every, rest = self.every[: len(gradient)], (gradient, self.no_l2, optimizer, rate, 0.0)
        _pointwise.step_rows((0, len(gradient)), every, *parameter, *rest)

    def _parts(self, batch, rng=None):
        """Cut a batch into ranges of rows, each with a seed of its dropout where `rng` is given."""
        n_rows = len(batch.indptr) - 1
        if self.shape.deep:
            ranges = split(n_rows, min(_PARTS, n_rows // _DENSE_ROWS))
        else:
            ranges = self._ranges(n_rows, len(batch.columns))
        if rng is None or not self.dropout:
            return [(part, None) for part in ranges]
        return list(zip(ranges, rng.integers(2**63, size=len(ranges)), strict=True))

    def _ranges(self, n, n_entries):
        """Cut n rows or inputs into ranges, where they have so many entries that it is worth it."""
        return split(n, _PARTS if n_entries * self.shape.width >= _WORTH_A_THREAD else 1)

    def decision(self, rows, which=None, pool=None):
        """Return the logits of rows, float32."""
        which = np.arange(rows.n_rows) if which is None else which
        out = np.empty(len(which), np.float32)
        for start in range(0, len(which), _BLOCK):
            some = which[start : start + _BLOCK]
            out[start : start + _BLOCK] = self.forward(self.take(rows, some), pool)[0].logits
        return out
