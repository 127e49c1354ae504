"""The kernels of the pointwise engine against double loops and finite differences, in float64."""

import numpy as np
import pytest

from skrec._kernels import _pointwise
from skrec._layers import Parameter
from skrec.ranking._engine import Batch, Model, PointwiseEngine, Shape, divide_penalty, forward_cross, start_model
from skrec.ranking._rows import Rows

N_COMPONENTS, N_FIELDS = 3, 4
FIELD_OF = np.repeat(np.arange(N_FIELDS, dtype=np.int32), [5, 4, 3, 6])


def exact(parameter, rng):
    """A parameter of float64 numbers, none of them zero."""
    weights = rng.normal(size=parameter.weights.shape)
    return Parameter(weights, np.zeros_like(weights), np.zeros_like(weights), np.zeros(len(weights), np.int32))


def exact_engine(interaction, seed=0, hidden_layers=(6, 5), n_cross_layers=2):
    """An engine with float64 weights."""
    rng = np.random.default_rng(seed)
    shape = Shape(interaction, N_COMPONENTS, N_FIELDS, FIELD_OF, hidden_layers, n_cross_layers)
    model = start_model(shape, rng)
    layers, crosses = ([tuple(exact(p, rng) for p in layer) for layer in part] for part in model[2:4])
    head = None if model.head is None else exact(model.head, rng)
    return PointwiseEngine(Model(exact(model.intercept, rng), exact(model.inputs, rng), layers, crosses, head), shape)


def exact_batch(seed=1, n_rows=7):
    """Rows of none to five inputs, several of one column among them, with values."""
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.choice(len(FIELD_OF), size=n, replace=False)) for n in [0, 1, 5, 3, 5, 2, 4][:n_rows]]
    indptr = np.append(0, np.cumsum([len(row) for row in rows])).astype(np.int64)
    columns = np.concatenate(rows).astype(np.int32)
    return Batch(indptr, columns, rng.normal(size=len(columns)))


def double_loop(engine, batch):
    table, shape = engine.model.inputs.weights, engine.shape
    logits = np.full(len(batch.indptr) - 1, engine.model.intercept.weights[0, 0])
    for r in range(len(logits)):
        own = range(batch.indptr[r], batch.indptr[r + 1])
        for a in own:
            i, x = batch.columns[a], batch.values[a]
            logits[r] += table[i, 0] * x
            for b in own:
                j = batch.columns[b]
                if b <= a or shape.interaction == "linear":
                    continue
                v, w = table[i, 1:], table[j, 1:]
                if shape.interaction == "ffm":
                    v = v.reshape(N_FIELDS, -1)[FIELD_OF[j]]
                    w = w.reshape(N_FIELDS, -1)[FIELD_OF[i]]
                logits[r] += v @ w * x * batch.values[b]
    return logits


@pytest.mark.parametrize("interaction", ["linear", "fm", "ffm"])
def test_logits_equal_the_double_loop(interaction):
    engine, batch = exact_engine(interaction), exact_batch()
    np.testing.assert_allclose(engine.forward(batch)[0].logits, double_loop(engine, batch), rtol=1e-12, atol=1e-12)


def test_one_input_has_nothing_to_interact_with():
    batch = Batch(np.array([0, 1]), np.array([7], np.int32), np.array([1.7]))
    for interaction in ("fm", "ffm"):
        engine = exact_engine(interaction)
        expected = engine.model.intercept.weights[0, 0] + 1.7 * engine.model.inputs.weights[7, 0]
        np.testing.assert_allclose(engine.forward(batch)[0].logits, expected, rtol=1e-12)


def test_field_aware_embeddings_that_do_not_differ_by_field_are_a_factorisation_machine():
    plain, aware, batch = exact_engine("fm"), exact_engine("ffm"), exact_batch()
    aware.model.intercept.weights[:] = plain.model.intercept.weights
    aware.model.inputs.weights[:, 0] = plain.model.inputs.weights[:, 0]
    aware.model.inputs.weights[:, 1:] = np.tile(plain.model.inputs.weights[:, 1:], N_FIELDS)
    np.testing.assert_allclose(aware.forward(batch)[0].logits, plain.forward(batch)[0].logits, rtol=1e-12)


def mean_loss(engine, batch, targets, weights):
    slopes = np.empty(len(targets))
    return _pointwise.bce(engine.forward(batch)[0].logits, targets, weights, 1.0, slopes)


@pytest.mark.parametrize("interaction", ["linear", "fm", "ffm", "deepfm", "dcn"])
def test_gradients_equal_finite_differences(interaction):
    engine, batch = exact_engine(interaction), exact_batch()
    rng = np.random.default_rng(2)
    targets, weights = rng.random(7), rng.random(7) + 0.5
    made, kept = engine.forward(batch)
    _pointwise.bce(made.logits, targets, weights, 1.0, made.slopes)
    touched, gradient, changes = engine.backward(batch, made, kept)
    assert sorted(touched) == sorted(set(batch.columns))
    assert len(changes) == len(engine.model.dense())
    changes.append((engine.model.inputs, np.zeros_like(engine.model.inputs.weights)))
    changes[-1][1][touched] = gradient
    for parameter, found in changes:
        table, expected = parameter.weights, np.empty_like(parameter.weights)
        for place in np.ndindex(table.shape):
            before = table[place]
            table[place] = before + 1e-6
            above = mean_loss(engine, batch, targets, weights)
            table[place] = before - 1e-6
            expected[place] = (above - mean_loss(engine, batch, targets, weights)) / 2e-6
            table[place] = before
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("interaction", ["deepfm", "dcn"])
def test_deep_logits_equal_plain_numpy(interaction):
    engine, batch = exact_engine(interaction), exact_batch()
    model, table = engine.model, engine.model.inputs.weights
    logits = double_loop(engine, batch) if interaction == "deepfm" else np.full(7, model.intercept.weights[0, 0])
    for r in range(7):
        own = slice(batch.indptr[r], batch.indptr[r + 1])
        columns, x = batch.columns[own], batch.values[own]
        fields = np.zeros((N_FIELDS, N_COMPONENTS))
        np.add.at(fields, FIELD_OF[columns], x[:, None] * table[columns, 1:])
        e = fields.ravel()
        hidden = e
        for weights, offsets in model.layers[:-1]:
            hidden = np.maximum(hidden @ weights.weights + offsets.weights[0], 0)
        logits[r] += (hidden @ model.layers[-1][0].weights + model.layers[-1][1].weights[0])[0]
        if interaction == "dcn":
            logits[r] += x @ table[columns, 0]
            crossed = e
            for weights, offsets in model.crosses:
                crossed = e * (crossed @ weights.weights + offsets.weights[0]) + crossed
            logits[r] += (crossed @ model.head.weights)[0]
    np.testing.assert_allclose(engine.forward(batch)[0].logits, logits, rtol=1e-12)


def test_cross_layers_of_zeros_change_nothing():
    engine = exact_engine("dcn")
    for layer in engine.model.crosses:
        for parameter in layer:
            parameter.weights[:] = 0
    fields = np.random.default_rng(0).normal(size=(4, N_FIELDS * N_COMPONENTS))
    np.testing.assert_array_equal(forward_cross(engine.model.crosses, fields)[0], fields)


def test_the_loss_of_a_share_is_the_binomial_likelihood_and_never_overflows():
    logits = np.array([0.4, -800.0, 800.0, 800.0])
    slopes = np.empty(4)
    found = _pointwise.bce(logits, np.array([0.25, 1.0, 1.0, 0.0]), np.array([8.0, 1.0, 1.0, 0.0]), 1.0, slopes)
    p = 1 / (1 + np.exp(-0.4))
    assert found == pytest.approx(-2 * np.log(p) - 6 * np.log(1 - p) + 800)
    np.testing.assert_allclose(slopes, [8 * p - 2, -1, 0, 0], atol=1e-12)


def step(optimizer, table, first, second, counts, gradient, *, l2=0.0, rate=0.1, l1=0.0):
    touched = np.array([3, 1], np.int32)
    penalties = np.full(len(table), l2)
    _pointwise.step_rows((0, 2), touched, table, first, second, counts, gradient, penalties, optimizer, rate, l1)


def test_steps_follow_the_published_rules_and_touch_nothing_else():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(5, 2))
    for optimizer in (_pointwise.ADAM, _pointwise.ADAGRAD, _pointwise.FTRL):
        table, first, second, counts = start.copy(), np.zeros((5, 2)), np.zeros((5, 2)), np.zeros(5, np.int32)
        w, m, v = start[[3, 1]], np.zeros((2, 2)), np.zeros((2, 2))
        if optimizer == _pointwise.FTRL:
            m[:] = first[[3, 1]] = -w * (1 / 0.1 + 0.02)
        for n in (1, 2, 3):
            g = rng.normal(size=(2, 2))
            step(optimizer, table, first, second, counts, g, l2=0.02, l1=0.3 * (optimizer == _pointwise.FTRL))
            if optimizer == _pointwise.ADAM:
                g = g + 0.02 * w
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
                w = w - 0.1 * (m / (1 - 0.9**n)) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
            elif optimizer == _pointwise.ADAGRAD:
                v = v + g**2
                rate = 0.1 / np.sqrt(v)
                w = (w - rate * g) / (1 + rate * 0.02)  # where g (x - w) + (x - w)**2 / 2 rate + 0.01 x**2 is least
            else:
                m = m + g - (np.sqrt(v + g**2) - np.sqrt(v)) / 0.1 * w
                v = v + g**2
                w = np.where(np.abs(m) <= 0.3, 0, -(m - np.sign(m) * 0.3) / ((1 + np.sqrt(v)) / 0.1 + 0.02))
            np.testing.assert_allclose(table[[3, 1]], w, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(table[[0, 2, 4]], start[[0, 2, 4]])
            assert counts.tolist() == [0, n, 0, n, 0]


def test_adagrad_begins_with_short_steps():
    """An input's first step is as long as the rate, whatever the gradient; the model's first ten raise that to all."""
    shape = Shape("linear", N_COMPONENTS, N_FIELDS, FIELD_OF)
    engine = PointwiseEngine(start_model(shape, np.random.default_rng(0)), shape, optimizer="adagrad", rate=0.5)
    batch = Batch(np.arange(3), np.array([1, 6], np.int32), np.ones(2, np.float32))
    for step in range(1, 13):
        engine.model.inputs.second[:] = 0
        before = engine.model.inputs.weights.copy()
        engine.step(batch, np.array([1.0, 0.0], np.float32), np.ones(2, np.float32), 1.0)
        moved = np.abs(engine.model.inputs.weights - before)[[1, 6], 0]
        np.testing.assert_allclose(moved, 0.5 * min(1.0, step / 10), rtol=1e-3)


def test_over_an_epoch_every_input_pays_what_it_would_at_every_step():
    rng = np.random.default_rng(0)
    columns = np.concatenate([np.repeat([0, 1], [2, 38]), np.full(40, 2)]).reshape(2, 40).T.ravel().astype(np.int32)
    rows = Rows(np.arange(0, 81, 2), columns, np.empty(0, np.float32))
    l2 = np.array([0.1, 0.1, 0.2, 0.3], np.float32)
    divided = divide_penalty(l2, rows, np.arange(40), 8)
    order = np.array([rng.permutation(40).reshape(5, 8) for _ in range(4000)])
    touched = (order < 2).any(axis=2).sum(axis=1).mean()  # of five batches, those that hold input 0
    assert divided[0] * touched == pytest.approx(5 * 0.1, rel=0.1)
    np.testing.assert_allclose(divided[1:3], l2[1:3], rtol=1e-3)
    assert divided[3] == 0.0  # occurs nowhere
    np.testing.assert_allclose(divide_penalty(l2, rows, np.arange(40), 40)[:3], l2[:3], rtol=1e-5)
