"""Dense layers: their gradients by differences, dropout, and Adam's steps by row."""

import numpy as np
import pytest
from scipy.stats import chi2

from skrec._layers import backward, copy_layers, drop_out, forward, make_layers, make_parameter, step_layers, step_rows


def loss_of(layers, inputs, target, dropout):
    """A loss that is linear in the output, in float64; equal seeds drop equally."""
    rng = np.random.default_rng(5)
    out = inputs
    for place, (weights, offsets) in enumerate(layers):
        out = out @ weights + offsets
        if place + 1 < len(layers):
            out = np.maximum(out, 0)
            if dropout:
                factors = np.ones(out.shape, np.float32)
                drop_out(factors, dropout, rng)
                out = out * factors
    return (out * target).sum()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("widths", [(5, 1), (5, 7, 1), (5, 8, 6, 3)], ids=str)
def test_gradients_are_those_by_differences(widths, dropout):
    rng = np.random.default_rng(0)
    layers = make_layers(widths, rng)
    for _, offsets in layers:
        offsets.weights[:] = rng.standard_normal(offsets.weights.shape)
    inputs = rng.standard_normal((11, widths[0]), dtype=np.float32)
    target = rng.standard_normal((11, widths[-1]), dtype=np.float32)
    output, activations = forward(layers, inputs, dropout=dropout, rng=np.random.default_rng(5))
    d_inputs, changes = backward(layers, activations, target, dropout=dropout)
    exact = [[parameter.weights.astype(float) for parameter in layer] for layer in layers]
    assert (output * target).sum() == pytest.approx(loss_of(exact, inputs, target, dropout), rel=1e-5)

    found = {id(parameter.weights): gradient for parameter, gradient in changes}
    places = [
        (array, found[id(own.weights)])
        for layer, owns in zip(exact, layers, strict=True)
        for array, own in zip(layer, owns, strict=True)
    ]
    wide = inputs.astype(float)
    for array, gradient in [*places, (wide, d_inputs)]:
        for direction in rng.standard_normal((3, *array.shape)):
            start, ends = array.copy(), []
            for step in (1e-6, -1e-6):
                array[:] = start + step * direction
                ends.append(loss_of(exact, wide, target, dropout))
            array[:] = start
            assert (direction * gradient).sum() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-3, abs=1e-3)


def test_what_is_dropped_is_a_random_share_of_every_row_and_column_anew_each_time():
    rng = np.random.default_rng(0)
    masks = [np.ones((3000, 200), np.float32) for _ in range(2)]
    for mask in masks:
        drop_out(mask, 0.3, rng)
    for mask in masks:
        assert set(np.unique(mask)) == {0.0, np.float32(1 / 0.7)}
        dropped = mask == 0
        for axis in (0, 1):
            n, counts = dropped.shape[axis], dropped.sum(axis=axis)
            statistic = ((counts - 0.3 * n) ** 2 / (0.3 * 0.7 * n)).sum()
            assert 1e-4 < chi2.sf(statistic, len(counts)) < 1 - 1e-4
        for one, other in ((dropped[:, :-1], dropped[:, 1:]), (dropped[:-1], dropped[1:])):
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 6e-3
    assert abs(np.corrcoef(masks[0].ravel(), masks[1].ravel())[0, 1]) < 6e-3


def test_dropout_keeps_the_mean_and_only_where_random_numbers_are_given():
    layers = make_layers((4, 50, 1), np.random.default_rng(0))
    inputs = np.ones((20_000, 4), np.float32)
    _, (_, plain) = forward(layers, inputs, dropout=0.4)
    _, (_, dropped) = forward(layers, inputs, dropout=0.4, rng=np.random.default_rng(1))
    alive = plain[0] > 0
    assert (dropped[:, alive] == 0).mean() == pytest.approx(0.4, abs=5e-3)
    np.testing.assert_allclose(dropped.mean(axis=0), plain[0], rtol=0.05)


def test_one_step_of_adam_goes_against_the_sign_of_the_gradient_and_leaves_other_rows_alone():
    parameter = make_parameter(5, 3, 1.0, np.random.default_rng(0))
    before = parameter.weights.copy()
    gradient = np.array([[2.0, -1, 3], [-4, 5, 6]], np.float32)
    step_rows(parameter, np.array([4, 1], np.int32), gradient, 0.1)
    np.testing.assert_allclose(parameter.weights[[4, 1]], before[[4, 1]] - 0.1 * np.sign(gradient), rtol=1e-5)
    np.testing.assert_array_equal(parameter.weights[[0, 2, 3]], before[[0, 2, 3]])
    assert parameter.counts.tolist() == [0, 1, 0, 0, 1]


def test_a_copy_of_layers_is_not_stepped_with_them():
    layers = make_layers((3, 4, 1), np.random.default_rng(0))
    copied = copy_layers(layers)
    output, activations = forward(layers, np.ones((2, 3), np.float32))
    step_layers(backward(layers, activations, np.ones_like(output))[1], 0.1)
    np.testing.assert_array_equal(forward(copied, np.ones((2, 3), np.float32))[0], output)
    assert (forward(layers, np.ones((2, 3), np.float32))[0] < output).all()
