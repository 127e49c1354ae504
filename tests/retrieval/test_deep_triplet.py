"""DeepTriplet: its gradients by differences, its scores, what it learns, and what it refuses."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skrec import DeepTriplet, _layers
from skrec.exceptions import DivergenceError
from skrec.losses import BPRLoss, HingeLoss, WARPLoss
from skrec.retrieval import _deep_engine
from skrec.retrieval._side import Side
from skrec.samplers import (
    BaseSampler,
    DynamicSampler,
    ExplicitSampler,
    InBatchSampler,
    MixedSampler,
    PopularitySampler,
    RankBandSampler,
    UniformSampler,
    VarianceSampler,
    WARPSampler,
)

pytestmark = pytest.mark.slow

N_USERS, N_ITEMS = 6, 8
USERS = pd.DataFrame({"age": np.linspace(-1, 1, N_USERS), "sex": list("mfmfmf")}, index=np.arange(N_USERS))
ITEMS = pd.DataFrame({"price": np.linspace(2, -1, N_ITEMS) ** 2, "kind": list("abcabcab")}, index=np.arange(N_ITEMS))
SMALL = DeepTriplet(
    5,
    7,
    hidden_layers=(9,),
    n_negatives=3,
    n_hard_negatives=None,
    history_dropout=0.0,
    l2=0.0,
    batch_size=100,
    max_iter=1,
    random_state=0,
)


@pytest.fixture(scope="module")
def groups():
    """Rows of 120 users and 60 items in four groups: users like items of their own group alone."""
    rng = np.random.default_rng(0)
    X = np.array([(u, i) for u in range(120) for i in range(60) if u % 4 == i % 4 and rng.random() < 0.6])
    held = np.arange(len(X)) % 5 == 0
    return X[~held], X[held]


def interactions():
    rng = np.random.default_rng(1)
    marks = rng.choice([0, 1, -1], p=[0.5, 0.3, 0.2], size=(N_USERS, N_ITEMS))
    marks[np.arange(N_USERS), np.arange(N_USERS)] = 1
    users, items = marks.nonzero()
    weights = rng.integers(1, 4, size=len(users)).astype(float)
    return np.column_stack([users, items]), marks[users, items], weights


def record(monkeypatch, model, **features):
    """Fit without stepping; return the model with the gradients of its parameters and the negatives drawn."""
    found, drawn = {}, []
    draw = _deep_engine.MatchEngine._draw

    def note(parameter, codes, gradient, *rest, **options):
        total = found.setdefault(id(parameter.weights), np.zeros(parameter.weights.shape))
        total[codes] += gradient
        parameter.counts[codes] += 1

    def note_drawn(self, *arguments):
        drawn.append(draw(self, *arguments))
        return drawn[-1]

    monkeypatch.setattr(_layers, "step_rows", note)
    monkeypatch.setattr(Side, "_step", lambda self, parameter, codes, gradient, *rest: note(parameter, codes, gradient))
    monkeypatch.setattr(_deep_engine.MatchEngine, "_draw", note_drawn)
    X, y, weights = interactions()
    model.fit(X, y, sample_weight=weights, **features)
    return found, drawn[0]


def loss_by_hand(tables, layers, inputs, model, negatives):
    """The mean loss over the positives of one batch, in float64 and pair by pair."""
    X, y, weights = interactions()
    users = (
        tables["user_table"]
        + inputs[2] @ tables["history_table"]
        + (inputs[0] @ tables["user_input_table"] if inputs[0] is not None else 0)
    )
    items = tables["item_table"] + (inputs[1] @ tables["item_input_table"] if inputs[1] is not None else 0)

    def score(u, i):
        out = np.concatenate([users[u], items[i]])
        for place, (weights, offsets) in enumerate(layers):
            out = out @ weights + offsets[0]
            if place + 1 < len(layers) or model.output_activation == "relu":
                out = np.maximum(out, 0)
        return out[0]

    loss = model.loss_
    total = 0.0
    positives = np.flatnonzero(y > 0)
    for (u, i), weight, others in zip(X[positives], weights[positives], negatives, strict=True):
        scores = np.sort([score(u, j) for j in others])[::-1]
        if model.n_hard_negatives:  # and more where they are equal: an item may be drawn twice
            scores = scores[scores >= scores[model.n_hard_negatives - 1] - 1e-12]
        total += weight * loss(np.full(len(scores), score(u, i)), scores).mean()
    return total / len(positives)


@pytest.mark.parametrize("hidden_layers", [(9,), (9, 6), (8, 6, 5)], ids=str)
@pytest.mark.parametrize(
    ("loss", "features", "output"),
    [(HingeLoss(margin=1.0), False, "relu"), (HingeLoss(margin=1.0), True, "linear"), (BPRLoss(), True, "relu")],
    ids=["hinge relu", "hinge features hard", "bpr features relu"],
)
def test_gradients_are_those_by_differences(monkeypatch, hidden_layers, loss, features, output):
    model = clone(SMALL).set_params(
        hidden_layers=hidden_layers,
        loss=loss,
        output_activation=output,
        n_hard_negatives=2 if output == "linear" and features else None,
        random_state=3,
    )
    given = {"user_features": USERS, "item_features": ITEMS} if features else {}
    found, negatives = record(monkeypatch, model, **given)
    towers, layers = model._match
    inputs = [None if m is None else m.toarray().astype(float) for m in (towers.user_inputs, towers.item_inputs)]
    inputs.append(towers.history.toarray().astype(float))
    names = [
        name
        for name in ("user_table", "item_table", "history_table", "user_input_table", "item_input_table")
        if getattr(towers, name) is not None
    ]
    tables = {name: getattr(towers, name).weights.astype(float) for name in names}
    exact = [tuple(part.weights.astype(float) for part in layer) for layer in layers]
    X, y, weights = interactions()
    start = loss_by_hand(tables, exact, inputs, model, negatives)
    assert model.loss_curve_[0] * weights[y > 0].sum() / (y > 0).sum() == pytest.approx(start, rel=1e-5)

    arrays = [(name, tables[name], getattr(towers, name)) for name in names]
    arrays += [
        (f"layer {n}", array, parameter)
        for n, (own, layer) in enumerate(zip(exact, layers, strict=True))
        for array, parameter in zip(own, layer, strict=True)
    ]
    rng, slopes = np.random.default_rng(0), []
    for name, array, parameter in arrays:
        for direction in rng.standard_normal((2, *array.shape)):
            before, ends = array.copy(), []
            for step in (1e-7, -1e-7):
                array[:] = before + step * direction
                ends.append(loss_by_hand(tables, exact, inputs, model, negatives))
            array[:] = before
            slopes.append((ends[0] - ends[1]) / 2e-7)
            gradient = found[id(parameter.weights)]
            assert (gradient * direction).sum() == pytest.approx(slopes[-1], rel=2e-3, abs=2e-5), name
    assert np.abs(slopes).max() > 1e-2


@pytest.mark.parametrize("hidden_layers", [(9,), (9, 6)], ids=str)
@pytest.mark.parametrize("output", ["linear", "relu"])
def test_scores_are_those_of_the_fitted_attributes(groups, hidden_layers, output):
    model = clone(SMALL).set_params(hidden_layers=hidden_layers, output_activation=output, max_iter=3).fit(groups[0])
    users, items = np.repeat(np.arange(120), 60), np.tile(np.arange(60), 120)
    out = np.hstack([model.user_factors_[users], model.item_factors_[items]])
    for weights, offsets in model.layers_[:-1]:
        out = np.maximum(out @ weights + offsets, 0)
    out = (out @ model.layers_[-1][0] + model.layers_[-1][1])[:, 0]
    out = np.maximum(out, 0) if output == "relu" else out
    np.testing.assert_allclose(model.predict(np.column_stack([users, items])), out, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model._score_users(np.arange(120)).ravel(), out, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"loss": "bpr"},
        {"hidden_layers": (32, 16)},
        {"n_negatives": 1, "n_hard_negatives": None, "dropout": 0.1},
        {"sampler": MixedSampler([("any", UniformSampler(), 1), ("popular", PopularitySampler(), 1)])},
    ],
    ids=["defaults", "bpr", "two layers", "as the notebook", "mixed"],
)
def test_groups_are_told_apart(groups, parameters):
    model = DeepTriplet(batch_size=128, random_state=0).set_params(**parameters).fit(groups[0])
    # The items of the user's group in neither set cannot be told from those held out: the best possible is 0.94.
    assert model.score(groups[1]) > 0.92


def test_an_untrained_model_knows_nothing(groups):
    model = DeepTriplet(max_iter=0, random_state=0).fit(groups[0])
    assert model.score(groups[1]) == pytest.approx(0.5, abs=0.08)
    assert model.loss_curve_ == []
    assert len(np.unique(model.predict(groups[1]))) > 100


@pytest.mark.parametrize("hidden_layers", [(16,), (16, 8)], ids=str)
def test_threads_do_not_change_a_bit(groups, monkeypatch, hidden_layers):
    model = DeepTriplet(hidden_layers=hidden_layers, batch_size=200, max_iter=2, random_state=5)
    one = clone(model).fit(groups[0])
    monkeypatch.setattr(_layers, "_WORTH_A_THREAD", 16)
    monkeypatch.setattr(_deep_engine, "effective_n_jobs", lambda n_jobs: n_jobs or 1)
    many = clone(model).set_params(n_jobs=3).fit(groups[0])
    np.testing.assert_array_equal(one.user_factors_, many.user_factors_)
    np.testing.assert_array_equal(one.predict(groups[1]), many.predict(groups[1]))
    assert one.loss_curve_ == many.loss_curve_
    assert not np.array_equal(one.user_factors_, clone(model).set_params(random_state=6).fit(groups[0]).user_factors_)


def test_drawing_in_parts_does_not_change_how_often_positives_are_trained_on(groups, monkeypatch):
    monkeypatch.setattr(_deep_engine, "_DRAWN_AT_ONCE", 100)
    model = DeepTriplet(batch_size=64, random_state=0).fit(groups[0])
    assert model.score(groups[1]) > 0.9


def test_early_stopping_keeps_the_best_epoch(groups):
    model = DeepTriplet(batch_size=64, max_iter=60, early_stopping=True, n_iter_no_change=2, random_state=0)
    model.fit(groups[0])
    assert model.n_iter_ == len(model.validation_scores_) < 60
    assert model.score(groups[1]) > 0.88
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        clone(model).set_params(max_iter=1).fit(groups[0])
    model.set_params(early_stopping=False, max_iter=1).fit(groups[0])
    assert not hasattr(model, "validation_scores_")


def test_a_warm_start_goes_on_and_remembers_the_seed(groups):
    model = DeepTriplet(batch_size=128, max_iter=4, warm_start=True, random_state=None)
    model.fit(groups[0])
    seed, first = model._seed, model.loss_curve_[0]
    model.fit(groups[0])
    assert model._seed == seed
    assert model.loss_curve_[0] < first
    with pytest.raises(ValueError, match="hidden_layers="):
        model.set_params(hidden_layers=(4,)).fit(groups[0])
    with pytest.raises(ValueError, match="n_components"):
        model.set_params(hidden_layers=(128,), n_item_components=8).fit(groups[0])


def test_partial_fit_places_new_users_and_leaves_the_embeddings_of_others_alone(groups):
    X, held = groups
    model = DeepTriplet(batch_size=64, random_state=0).fit(X)
    before = model._towers.user_table.weights.copy()
    newcomers = np.column_stack([np.full(10, 500), np.arange(0, 40, 4)])
    for _ in range(3):
        model.partial_fit(newcomers)
    np.testing.assert_array_equal(model._towers.user_table.weights[:120], before)
    assert model.n_iter_ == len(model.loss_curve_) == 13
    assert model.score(np.column_stack([np.full(5, 500), np.arange(40, 60, 4)])) > 0.9
    assert model.score(held) > 0.85


def test_features_place_those_who_have_no_rows(groups):
    X, held = groups
    ages = pd.DataFrame({"group": [f"g{u % 4}" for u in range(124)]}, index=np.arange(124))
    kinds = pd.DataFrame({"kind": [f"k{i % 4}" for i in range(64)]}, index=np.arange(64))
    model = DeepTriplet(batch_size=64, random_state=0).fit(X, user_features=ages, item_features=kinds)
    assert model.score(held) > 0.92
    new = {"user_features": ages[120:], "item_features": kinds[60:]}
    ids, scores = model.recommend([120, 121, 122, 123], 8, **new)
    assert (ids % 4 == np.arange(4)[:, None]).mean() > 0.9
    pairs = np.array([(120 + g, 60 + i) for g in range(4) for i in range(4)])
    liked = model.predict(pairs, **new).reshape(4, 4)
    assert (liked.argmax(axis=1) == np.arange(4)).all()
    assert model.score(pairs[::5], **new) > 0.9
    # Nothing of this was kept, and a later table of features goes on from the first one.
    assert 120 not in model.user_ids_
    model.partial_fit([[120, 0]], user_features=ages[120:121])
    assert 120 in model.user_ids_
    with pytest.raises(ValueError, match="item_features was not given to the first fit"):
        DeepTriplet(max_iter=1).fit(X).recommend([0], item_features=kinds[60:])


def test_explicit_negatives_can_be_drawn(groups):
    X, _ = groups
    disliked = np.array([(u, i) for u in range(120) for i in range(60) if u % 4 == (i + 1) % 4 and i % 3 == 0])
    rows, marks = np.vstack([X, disliked]), np.repeat([1, 0], [len(X), len(disliked)])
    sampler = MixedSampler([("shown", ExplicitSampler(), 1), ("any", UniformSampler(), 1)])
    model = DeepTriplet(batch_size=128, sampler=sampler, random_state=0).fit(rows, marks)
    assert model.predict(X).mean() > model.predict(disliked).mean() + 0.5


class EveryOther(BaseSampler):
    """A sampler in plain Python: each user's group's neighbours."""

    def draw_block(self, users, positives, rng):
        return (positives + 1 + rng.integers(3, size=len(users))) % self.n_features_in_


def test_samplers_in_plain_python_are_asked_for_each_negative(groups):
    model = DeepTriplet(batch_size=128, sampler=EveryOther(), n_negatives=3, random_state=0).fit(groups[0])
    assert model.score(groups[1]) > 0.9


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sampler": DynamicSampler()}, "DynamicSampler.*n_hard_negatives"),
        ({"sampler": WARPSampler()}, "no products of vectors"),
        ({"sampler": VarianceSampler()}, "no products of vectors"),
        ({"sampler": RankBandSampler()}, "no products of vectors"),
        ({"sampler": MixedSampler([("a", UniformSampler(), 1), ("b", DynamicSampler(), 1)])}, "no products of vectors"),
        ({"sampler": InBatchSampler()}, "InBatchSampler draws for a block"),
        ({"loss": WARPLoss()}, "HingeLoss and n_hard_negatives"),
        ({"loss": HingeLoss(margin=-1.0)}, "'margin' of HingeLoss"),
        ({"hidden_layers": ()}, "hidden_layers=\\(\\) leaves nothing"),
        ({"hidden_layers": (8, 0)}, "hidden_layers=\\(8, 0\\) must hold"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"output_activation": "tanh"}, "'output_activation' parameter"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_changes_nothing(groups, parameters, message):
    model = clone(SMALL).fit(groups[0])
    before = vars(model).copy()
    with pytest.raises(ValueError, match=message):
        model.set_params(**parameters).fit(groups[0])
    after = vars(model)
    assert all(after[name] is value for name, value in before.items() if name not in parameters)


def test_a_fit_that_diverges_says_so_and_changes_nothing(groups):
    model = clone(SMALL).fit(groups[0])
    scores = model.predict(groups[1])
    model.set_params(learning_rate=1e18, max_iter=5)
    with pytest.raises(DivergenceError, match="Lower learning_rate"):
        model.fit(groups[0])
    np.testing.assert_array_equal(model.predict(groups[1]), scores)


def test_users_without_positives_stand_in_the_middle(groups):
    X, _ = groups
    rows, marks = np.vstack([X, [[777, 0], [777, 1]]]), np.append(np.ones(len(X)), [0, 0])
    model = DeepTriplet(batch_size=128, history_weight=0.0, max_iter=5, random_state=0).fit(rows, marks)
    place = np.flatnonzero(model.user_ids_ == 777)[0]
    np.testing.assert_allclose(model.user_factors_[place], model.user_factors_[:120].mean(axis=0), rtol=1e-4, atol=1e-6)
    assert np.isfinite(model.recommend([777], 5)[1]).all()


def test_a_pickled_model_goes_on_training_like_the_original(groups):
    model = DeepTriplet(batch_size=128, max_iter=2, random_state=0).fit(groups[0])
    again = pickle.loads(pickle.dumps(model))
    one, other = copy.deepcopy(model).partial_fit(groups[1]), again.partial_fit(groups[1])
    np.testing.assert_array_equal(one.predict(groups[1]), other.predict(groups[1]))


def test_similar_items_are_of_the_same_group(groups):
    model = DeepTriplet(batch_size=64, random_state=0).fit(groups[0])
    ids, cosines = model.similar_items(np.arange(60), 5)
    assert (ids % 4 == np.arange(60)[:, None] % 4).mean() > 0.8
    assert (np.abs(cosines) < 1.001).all()
