"""A fit that cannot succeed says why, and leaves the estimator as it was."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skrec import TwoTowerRetriever
from skrec.exceptions import DivergenceError
from skrec.losses import CosineContrastiveLoss, LogisticLoss, SoftmaxLoss
from skrec.retrieval._engine import BlockEngine
from skrec.samplers import BaseSampler, DynamicSampler, InBatchSampler, MixedSampler, PopularitySampler, UniformSampler

TINY = TwoTowerRetriever(n_components=4, max_iter=3, batch_size=64, random_state=0)


def picture(model):
    """All attributes of the model, as bytes that compare."""
    return {name: pickle.dumps(value) for name, value in vars(model).items()}


@pytest.fixture
def some(rows):
    return rows[:4000]


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("hidden_layers", [(), (8,)], ids=str)
@pytest.mark.parametrize("sampler", [None, UniformSampler()])
def test_a_learning_rate_that_diverges_is_named(some, similarity, hidden_layers, sampler):
    model = clone(TINY).set_params(
        similarity=similarity, hidden_layers=hidden_layers, sampler=sampler, n_negatives=50, learning_rate=1e30
    )
    before = picture(model)
    with pytest.raises(DivergenceError, match=r"learning_rate=1e\+30"):
        model.fit(some)
    assert picture(model) == before


@pytest.mark.parametrize("loss", ["softmax", "bpr", "hinge", "contrastive"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("hidden_layers", [(), (8,)], ids=str)
def test_no_fit_that_succeeds_holds_a_number_that_is_not_finite(some, loss, similarity, hidden_layers):
    """From rates that work to rates that cannot: either an error or finite vectors that can be used."""
    succeeded = []
    for rate in 10.0 ** np.arange(-3, 39, 3):
        model = clone(TINY).set_params(
            loss=loss, similarity=similarity, hidden_layers=hidden_layers, learning_rate=rate, max_iter=2
        )
        try:
            model.fit(some)
        except DivergenceError:
            continue
        succeeded.append(rate)
        assert np.isfinite(model.loss_curve_).all()
        assert np.isfinite(model.predict(some)).all()
        assert np.isfinite(model.recommend([some[0, 0]], 3)[1]).all()
    assert 1e-3 in succeeded and max(succeeded) < 1e30


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fold_in"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_interrupted_in_the_middle_it_is_as_before(some, monkeypatch, method, error):
    model = clone(TINY).set_params(warm_start=True, hidden_layers=(6,)).fit(some)
    before, scores = picture(model), model.predict(some)
    run_epoch = BlockEngine.run_epoch

    def interrupted(*arguments):
        run_epoch(*arguments)
        raise error

    monkeypatch.setattr(BlockEngine, "run_epoch", interrupted)
    with pytest.raises(error):
        getattr(model, method)(some[:2000])
    assert picture(model) == before
    np.testing.assert_array_equal(model.predict(some), scores)


OUT_OF_RANGE = [
    ({"n_components": 0}, "n_components"),
    ({"similarity": "euclidean"}, "similarity"),
    ({"loss": "warp"}, "loss"),
    ({"loss": LogisticLoss()}, "loss"),
    ({"loss": SoftmaxLoss(temperature=0)}, "temperature"),
    ({"loss": SoftmaxLoss(temperature="low")}, "temperature"),
    ({"loss": CosineContrastiveLoss(margin=2)}, "margin"),
    ({"sampler": "uniform"}, "sampler"),
    ({"sampler": PopularitySampler(alpha=-1)}, "alpha"),
    ({"sampler": DynamicSampler()}, "DynamicSampler"),
    ({"sampler": MixedSampler([("hard", DynamicSampler(), 1), ("any", UniformSampler(), 1)])}, "DynamicSampler"),
    ({"sampler": InBatchSampler(frequency="daily")}, "frequency"),
    ({"n_negatives": 0}, "n_negatives"),
    ({"n_hard_negatives": 0}, "n_hard_negatives"),
    ({"explicit_negative_weight": -1}, "explicit_negative_weight"),
    ({"explicit_negative_weight": np.inf}, "explicit_negative_weight"),
    ({"user_embedding": "yes"}, "user_embedding"),
    ({"item_embedding": False}, "item_embedding=False.*item_features"),
    ({"user_embedding": False, "history_weight": 0.0}, "user_embedding=False.*user_features"),
    ({"history_weight": -1}, "history_weight"),
    ({"history_dropout": 1.0}, "history_dropout"),
    ({"hidden_layers": 8}, "hidden_layers"),
    ({"hidden_layers": (8, 0)}, r"hidden_layers=\(8, 0\)"),
    ({"hidden_layers": (8.5,)}, r"hidden_layers=\(8.5,\)"),
    ({"hidden_layers": ["8"]}, r"hidden_layers=\['8'\]"),
    ({"user_encoder": "onehot"}, "user_encoder"),
    ({"learning_rate": 0}, "learning_rate"),
    ({"learning_rate": np.nan}, "learning_rate"),
    ({"l2": -1}, "l2"),
    ({"batch_size": 0}, "batch_size"),
    ({"max_iter": -1}, "max_iter"),
    ({"validation_fraction": 1.0}, "validation_fraction"),
    ({"n_iter_no_change": 0}, "n_iter_no_change"),
    ({"tol": -1}, "tol"),
    ({"index": "exact"}, "index"),
    ({"n_jobs": 1.5}, "n_jobs"),
    ({"on_unknown": "ignore"}, "on_unknown"),
    ({"user": 1}, "user=1 and item=1"),
    ({"item": 2}, "item=2"),
    ({"item": "film"}, "item='film'"),
]


@pytest.mark.parametrize(("parameters", "message"), OUT_OF_RANGE, ids=str)
def test_a_parameter_out_of_range_is_named_and_nothing_is_changed(some, parameters, message):
    model = clone(TINY).fit(some)
    model.set_params(**parameters)
    before = picture(model)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(some)
    assert picture(model) == before


def test_a_sampler_in_plain_python_draws_for_single_positives_and_is_refused(some):
    class Own(BaseSampler):
        def draw_block(self, users, positives, rng):
            return np.zeros(len(users), int)

    with pytest.raises((ValueError, NotImplementedError), match="Own"):
        clone(TINY).set_params(sampler=Own()).fit(some)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([[0, 1]], "user_features should be a frame"),
        (pd.DataFrame({"age": [1, 2]}, index=[0, 0]), r"user_features .* more than one row for 1 id\(s\): 0"),
        (pd.DataFrame(index=[0, 1]), "user_features has no features"),
        (pd.DataFrame({"age": [1.0]}, index=[10**6]), "user_features has none of the"),
        (pd.DataFrame({"age": [1.0]}, index=["u0"]), "user_features .*type"),
        (pd.DataFrame({"age": [1.0, np.inf]}, index=[0, 1]), "infinity|finite"),
    ],
    ids=["array", "two rows for an id", "no columns", "none of the ids", "text ids", "infinite"],
)
def test_a_table_that_says_nothing_sound_is_named_and_nothing_is_changed(some, bad, message):
    model = clone(TINY).fit(some)
    before = picture(model)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(some, user_features=bad)
    assert picture(model) == before


@pytest.mark.parametrize("side", ["user", "item"])
def test_features_that_were_not_learnt_from_cannot_be_used(planted, some, side):
    model = clone(TINY).fit(some)
    before = picture(model)
    table = {f"{side}_features": planted[f"{side}_features"]}
    calls = [
        lambda: model.predict(some, **table),
        lambda: model.recommend([1], **table),
        lambda: model.score(some, **table),
        lambda: model.partial_fit(some, **table),
        lambda: clone(TINY).set_params(warm_start=True).fit(some).fit(some, **table),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"{side}_features was not given to the first fit"):
            call()
    assert picture(model) == before


def test_rows_without_a_positive_are_an_error(some):
    model = clone(TINY)
    with pytest.raises(ValueError, match="y holds no positive"):
        model.fit(some, np.zeros(len(some)))
    assert vars(model) == vars(clone(TINY))


def test_unknown_ids_are_an_error_where_asked_for(some):
    model = clone(TINY).set_params(on_unknown="error").fit(some)
    unknown = [[10**6, some[0, 1]]]
    for call in (lambda: model.predict(unknown), lambda: model.transform(unknown), lambda: model.recommend([10**6])):
        with pytest.raises(ValueError, match="1000000"):
            call()
