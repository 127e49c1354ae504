"""Every parameter's gradient is that of the loss as the documentation writes it, in float64 and by differences."""

import numpy as np
import pandas as pd
import pytest

from skrec import TwoTowerRetriever
from skrec.losses import SoftmaxLoss
from skrec.retrieval._side import Side
from skrec.retrieval._towers import TABLES
from skrec.samplers import UniformSampler

N_USERS, N_ITEMS, TEMPERATURE = 7, 9, 0.4
USERS = pd.DataFrame({"age": np.linspace(-1, 1, N_USERS), "sex": list("mfmfmfm")}, index=np.arange(N_USERS))
ITEMS = pd.DataFrame({"price": np.linspace(2, -1, N_ITEMS) ** 2, "kind": list("abcabcabc")}, index=np.arange(N_ITEMS))
MODEL = TwoTowerRetriever(
    n_components=4,
    loss=SoftmaxLoss(temperature=TEMPERATURE),
    batch_size=50,
    history_dropout=0.0,
    history_weight=0.7,
    audience_weight=0.9,
    audience_dropout=0.0,
    explicit_negative_weight=2.5,
    max_iter=1,
    random_state=0,
)


def interactions():
    """Marks of the users (rows) for the items and weights of the positives."""
    rng = np.random.default_rng(1)
    marks = rng.choice([0, 1, -1], p=[0.45, 0.35, 0.2], size=(N_USERS, N_ITEMS))
    marks[np.arange(N_USERS), np.arange(N_USERS)] = 1
    marks[0, N_USERS:] = 1, -1
    return marks, np.where(marks > 0, rng.integers(1, 4, size=marks.shape), 0).astype(float)


def record(monkeypatch, model):
    """Fit on all inputs without stepping; return parameters, their gradients and what was drawn."""
    marks, weights = interactions()
    gradients, drawn = {}, []
    draw = UniformSampler._draw_shared

    def note(side, parameter, codes, gradient, rate, pool):
        total = gradients.setdefault(id(parameter.weights), np.zeros(parameter.weights.shape))
        total[codes] += gradient
        parameter.counts[codes] += 1

    def note_drawn(*arguments):
        drawn.append(draw(*arguments))
        return drawn[-1]

    monkeypatch.setattr(Side, "_step", note)
    monkeypatch.setattr(UniformSampler, "_draw_shared", note_drawn)
    users, items = marks.nonzero()
    model.fit(
        np.column_stack([users, items]),
        marks[users, items],
        sample_weight=np.where(marks > 0, weights, 1)[users, items],
        user_features=USERS,
        item_features=ITEMS,
    )
    return model._towers, gradients, drawn


def names_and_arrays(towers):
    for name in TABLES:
        if getattr(towers, name) is not None:
            yield name, getattr(towers, name).weights
    for side in ("user", "item"):
        for place, (weights, offsets) in enumerate(getattr(towers, f"{side}_layers")):
            yield f"{side} weights {place}", weights.weights
            yield f"{side} offsets {place}", offsets.weights


def embed(own, bags, layers, similarity):
    """A tower in float64."""
    out = own + sum(matrix @ table for matrix, table in bags)
    for place, (weights, offsets) in enumerate(layers):
        out = out @ weights + offsets
        if place + 1 < len(layers):
            out = np.maximum(out, 0)
    return out / np.linalg.norm(out, axis=1, keepdims=True) if similarity == "cosine" else out


def loss(parameters, inputs, model, drawn):
    """The mean over users of the documented loss."""
    marks, weights = interactions()
    liked = marks > 0
    history = model.history_weight * liked / np.sqrt(liked.sum(axis=1, keepdims=True))
    layers = {
        side: [
            (parameters[f"{side} weights {place}"], parameters[f"{side} offsets {place}"])
            for place in range(len(model.hidden_layers) + 1 if model.hidden_layers else 0)
        ]
        for side in ("user", "item")
    }
    bags = [(history, parameters["history_table"]), (inputs[0], parameters["user_input_table"])]
    U = embed(parameters["user_table"], bags, layers["user"], model.similarity)
    audience = (model.audience_weight * liked / np.sqrt(np.maximum(liked.sum(axis=0), 1))).T
    bags = [(audience, parameters["audience_table"]), (inputs[1], parameters["item_input_table"])]
    V = embed(parameters["item_table"], bags, layers["item"], model.similarity)
    logits = U * (1 + parameters.get("component_table", 0)) @ V.T / TEMPERATURE
    copies = np.ones(N_ITEMS)
    if drawn:
        # Each draw is uniform, so that an item is expected n / N_ITEMS times.
        copies = np.bincount(drawn[0], minlength=N_ITEMS) * N_ITEMS / len(drawn[0])
    competing = copies * np.where(liked, 0.0, np.where(marks < 0, model.explicit_negative_weight, 1.0))
    mass = weights.sum(axis=1)
    scale = 1 / np.sqrt(mass)
    scale *= N_USERS / (scale * mass).sum()
    total = 0.0
    for u in range(N_USERS):
        others = competing[u] * np.exp(logits[u])
        if model.n_hard_negatives is not None:
            with np.errstate(divide="ignore"):
                order = np.argsort(-(logits[u] + np.log(competing[u])))
            others = others[order[: model.n_hard_negatives]]
        for i in np.flatnonzero(liked[u]):
            total += scale[u] * weights[u, i] * (np.log(np.exp(logits[u, i]) + others.sum()) - logits[u, i])
    return total / N_USERS


@pytest.mark.parametrize("hidden_layers", [(), (6,), (9, 8)], ids=str)
@pytest.mark.parametrize("similarity", ["cosine", "dot", "gmf"])
@pytest.mark.parametrize("negatives", ["all", "sampled", "hard", "hard of sampled"])
def test_gradients_are_those_of_the_documented_loss(monkeypatch, negatives, similarity, hidden_layers):
    model = TwoTowerRetriever(**MODEL.get_params(deep=False)).set_params(
        similarity=similarity,
        hidden_layers=hidden_layers,
        sampler=UniformSampler() if "sampled" in negatives else None,
        n_negatives=6,
        n_hard_negatives=2 if "hard" in negatives else None,
    )
    towers, gradients, drawn = record(monkeypatch, model)
    assert model.engine_ == ("sampled" if "sampled" in negatives else "exact")
    inputs = towers.user_inputs.toarray().astype(float), towers.item_inputs.toarray().astype(float)
    parameters = {name: array.astype(float) for name, array in names_and_arrays(towers)}
    assert model.loss_curve_[0] == pytest.approx(loss(parameters, inputs, model, drawn), rel=1e-5)
    rng = np.random.default_rng(0)
    for name, array in names_and_arrays(towers):
        found, start = gradients[id(array)], parameters[name]
        directions = rng.standard_normal((5, *start.shape))
        slopes = []
        for direction in directions:
            ends = [
                loss({**parameters, name: start + step * direction}, inputs, model, drawn) for step in (1e-6, -1e-6)
            ]
            slopes.append((ends[0] - ends[1]) / 2e-6)
        np.testing.assert_allclose(np.tensordot(directions, found), slopes, rtol=2e-3, atol=5e-5, err_msg=name)
        # What all items have in common says nothing to a softmax over products.
        if similarity == "cosine" or name != f"item offsets {len(hidden_layers)}":
            assert np.abs(slopes).max() > 1e-2, name
