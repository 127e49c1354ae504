"""A fit that cannot succeed says why, and leaves the estimator as it was."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skrec import TripletMF
from skrec.exceptions import DivergenceError
from skrec.losses import HingeLoss
from skrec.matrix_factorization._engine import TripletEngine
from skrec.samplers import BaseSampler, DynamicSampler, MixedSampler, UniformSampler

TINY = TripletMF(n_components=4, max_iter=3, random_state=0)


def picture(model):
    """All attributes of the model, as bytes that compare."""
    return {name: pickle.dumps(value) for name, value in vars(model).items()}


@pytest.fixture
def rows(planted):
    return planted.data[["user_id", "item_id"]].to_numpy()[:4000]


@pytest.mark.parametrize("similarity", ["cosine", "dot", "gmf"])
@pytest.mark.parametrize("loss", ["hinge", "bpr", "logistic", "warp"])
@pytest.mark.parametrize("item_bias", [False, True])
def test_a_learning_rate_that_diverges_is_named(rows, similarity, loss, item_bias):
    model = clone(TINY).set_params(
        similarity=similarity, loss=loss, optimizer="sgd", learning_rate=1e30, item_bias=item_bias
    )
    before = picture(model)
    with pytest.raises(DivergenceError, match=r"learning_rate=1e\+30"):
        model.fit(rows)
    assert picture(model) == before


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "sgd"])
def test_no_fit_that_succeeds_holds_a_number_that_is_not_finite(rows, optimizer):
    """From rates that work to rates that cannot: either an error or finite vectors that can be used."""
    for rate in 10.0 ** np.arange(-3, 39, 3):
        model = clone(TINY).set_params(optimizer=optimizer, learning_rate=rate)
        try:
            model.fit(rows)
        except DivergenceError:
            continue
        assert np.isfinite(model.loss_curve_).all()
        assert np.isfinite(model.predict(rows)).all()
        np.testing.assert_allclose(np.linalg.norm(model.user_factors_, axis=1), 1, atol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(model.item_factors_, axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_interrupted_in_the_middle_it_is_as_before(rows, monkeypatch, method, error):
    model = clone(TINY).set_params(warm_start=True).fit(rows)
    before, scores = picture(model), model.predict(rows)
    run_epoch = TripletEngine.run_epoch

    def interrupted(engine, pool):
        run_epoch(engine, pool)
        raise error

    monkeypatch.setattr(TripletEngine, "run_epoch", interrupted)
    with pytest.raises(error):
        getattr(model, method)(rows[:2000])
    assert picture(model) == before
    np.testing.assert_array_equal(model.predict(rows), scores)
    monkeypatch.undo()
    np.testing.assert_array_equal(
        model.fit(rows).user_factors_, clone(TINY).set_params(warm_start=True).fit(rows).fit(rows).user_factors_
    )


def test_a_sampler_that_raises_leaves_the_estimator_as_it_was(rows):
    class Broken(BaseSampler):
        def draw_block(self, users, positives, rng):
            raise RuntimeError("out of negatives")

    model = clone(TINY).set_params(sampler=Broken())
    before = set(vars(model))
    with pytest.raises(RuntimeError, match="out of negatives"):
        model.fit(rows)
    assert set(vars(model)) == before


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components"),
        ({"similarity": "euclid"}, "similarity"),
        ({"loss": "mse"}, "loss"),
        ({"loss": HingeLoss(margin=-1)}, "margin"),
        ({"loss": HingeLoss(margin=np.nan)}, "margin"),
        ({"loss": HingeLoss(margin="wide")}, "margin"),
        ({"sampler": "uniform"}, "sampler"),
        ({"sampler": DynamicSampler(n_candidates=0)}, "n_candidates"),
        ({"sampler": DynamicSampler(n_candidates=2, top_m=3)}, "top_m"),
        ({"sampler": MixedSampler([])}, "samplers"),
        ({"sampler": MixedSampler([("a", UniformSampler(), -1)])}, "samplers"),
        ({"loss": "warp", "sampler": UniformSampler()}, "WARPSampler"),
        ({"optimizer": "lbfgs"}, "optimizer"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": np.nan}, "learning_rate"),
        ({"l2": -1}, "l2"),
        ({"max_iter": -1}, "max_iter"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"n_iter_no_change": 0}, "n_iter_no_change"),
        ({"tol": -1}, "tol"),
        ({"n_jobs": 1.5}, "n_jobs"),
        ({"on_unknown": "ignore"}, "on_unknown"),
        ({"user": 1}, "user=1 and item=1"),
        ({"item": 2}, "item=2"),
        ({"item": "film"}, "item='film'"),
    ],
    ids=str,
)
def test_a_parameter_out_of_range_is_named_and_nothing_is_changed(rows, parameters, message):
    model = clone(TINY).fit(rows)
    model.set_params(**parameters)
    before = picture(model)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(rows)
    assert picture(model) == before


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda users: np.zeros(len(users)), "integer item code"),
        (lambda users: np.zeros(len(users) + 1, int), "one integer item code for each of the 4000"),
        (lambda users: np.full(len(users), 10**6), "item codes from 0 to"),
        (lambda users: np.full(len(users), -2), "item codes from 0 to"),
        (lambda users: None, "integer item code"),
    ],
)
def test_what_a_sampler_in_plain_python_returns_is_checked(rows, returned, message):
    class Own(BaseSampler):
        def draw_block(self, users, positives, rng):
            return returned(users)

    with pytest.raises(ValueError, match=message):
        clone(TINY).set_params(sampler=Own()).fit(rows)


def test_a_sampler_that_draws_nothing_says_so(rows):
    class Empty(BaseSampler):
        pass

    with pytest.raises(NotImplementedError, match="Empty defines neither draw_block nor _make_state"):
        clone(TINY).set_params(sampler=Empty()).fit(rows)


def test_rows_without_a_positive_are_an_error(rows):
    model = clone(TINY)
    with pytest.raises(ValueError, match="y holds no positive"):
        model.fit(rows, np.zeros(len(rows)))
    assert vars(model) == vars(clone(TINY))
