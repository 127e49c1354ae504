"""Losses of a pair of scores: known answers, derivatives, stability."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skrec import TripletMF
from skrec.losses import BaseLoss, BPRLoss, HingeLoss, LogisticLoss, WARPLoss

LOSSES = [HingeLoss(), HingeLoss(margin=0.25), WARPLoss(margin=1.0), BPRLoss(), LogisticLoss()]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def scores(n=200, scale=3.0):
    return np.random.default_rng(0).normal(0.0, scale, (2, n))


@pytest.mark.parametrize("level", [-2.0, 0.0, 5.0])
def test_equal_scores_cost_the_margin_or_log_2(level):
    assert HingeLoss(margin=0.4)([level], [level])[0] == pytest.approx(0.4)
    assert BPRLoss()([level], [level])[0] == pytest.approx(np.log(2))


def test_losses_have_their_stated_formulas():
    s_pos, s_neg = scores()
    x = s_pos - s_neg
    np.testing.assert_allclose(HingeLoss(margin=0.3)(s_pos, s_neg), np.maximum(0, 0.3 - x))
    np.testing.assert_array_equal(WARPLoss(margin=0.3)(s_pos, s_neg), HingeLoss(margin=0.3)(s_pos, s_neg))
    np.testing.assert_allclose(BPRLoss()(s_pos, s_neg), np.log1p(np.exp(-x)))
    np.testing.assert_allclose(LogisticLoss()(s_pos, s_neg), np.log1p(np.exp(-s_pos)) + np.log1p(np.exp(s_neg)))


def test_bpr_is_the_sampled_softmax_with_one_negative():
    s_pos, s_neg = scores()
    softmax = -s_pos + np.logaddexp(s_pos, s_neg)
    np.testing.assert_allclose(BPRLoss()(s_pos, s_neg), softmax, atol=1e-12)


@each_loss
def test_derivatives_agree_with_central_differences(loss):
    s_pos, s_neg = scores()
    kink = np.abs(getattr(loss, "margin", np.inf) - (s_pos - s_neg)) < 1e-3
    s_pos, s_neg, step = s_pos[~kink], s_neg[~kink], 1e-5
    d_pos, d_neg = loss.gradient(s_pos, s_neg)
    numeric_pos = (loss(s_pos + step, s_neg) - loss(s_pos - step, s_neg)) / (2 * step)
    numeric_neg = (loss(s_pos, s_neg + step) - loss(s_pos, s_neg - step)) / (2 * step)
    np.testing.assert_allclose(d_pos, numeric_pos, atol=1e-8)
    np.testing.assert_allclose(d_neg, numeric_neg, atol=1e-8)


@each_loss
def test_a_better_positive_and_a_worse_negative_never_cost_more(loss):
    d_pos, d_neg = loss.gradient(*scores())
    assert (d_pos <= 0).all() and (d_neg >= 0).all()
    assert (d_pos < 0).any()


def test_beyond_the_margin_the_gradient_of_the_hinge_is_exactly_zero():
    s_pos, s_neg = np.array([1.0, 0.75, 0.5]), np.array([0.0, 0.0, 0.0])
    loss = HingeLoss(margin=0.75)
    assert loss(s_pos, s_neg).tolist() == [0.0, 0.0, 0.25]
    d_pos, d_neg = loss.gradient(s_pos, s_neg)
    assert d_pos.tolist() == [0.0, 0.0, -1.0]
    assert d_neg.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("loss", [HingeLoss(), BPRLoss()], ids=repr)
def test_losses_of_the_difference_do_not_depend_on_the_level(loss):
    s_pos, s_neg = scores()
    np.testing.assert_allclose(loss(s_pos + 7, s_neg + 7), loss(s_pos, s_neg), atol=1e-12)


def test_the_logistic_loss_depends_on_the_level():
    assert LogisticLoss()([3.0], [3.0])[0] > LogisticLoss()([0.0], [0.0])[0]


@each_loss
def test_huge_scores_give_finite_losses_and_gradients(loss):
    s_pos, s_neg = np.array([1000.0, -1000.0, 1000.0, -1000.0]), np.array([-1000.0, 1000.0, 1000.0, -1000.0])
    for values in (loss(s_pos, s_neg), *loss.gradient(s_pos, s_neg)):
        assert np.isfinite(values).all()
    assert loss(s_pos, s_neg)[0] == 0
    assert loss.gradient(s_pos, s_neg)[0][1] == -1
    assert loss(s_pos, s_neg)[1] >= 1999


@pytest.mark.parametrize("loss", [BPRLoss(), LogisticLoss()], ids=repr)
def test_far_ahead_the_loss_keeps_its_relative_precision(loss):
    s_pos, s_neg = np.array([40.0]), np.array([-40.0])
    x = 80.0 if isinstance(loss, BPRLoss) else 40.0 - np.log(2)
    np.testing.assert_allclose(loss(s_pos, s_neg), np.exp(-x), rtol=1e-12)
    np.testing.assert_allclose(loss.gradient(s_pos, s_neg)[1], np.exp(-80.0 if x == 80.0 else -40.0), rtol=1e-12)


@each_loss
def test_losses_and_gradients_have_one_value_a_pair(loss):
    assert loss([0.0, 1.0, 2.0], [0.0, 0.0, 0.0]).shape == (3,)
    assert loss([], []).shape == (0,)
    d_pos, d_neg = loss.gradient([0.0, 1.0, 2.0], [0.0, 0.0, 0.0])
    assert d_pos.shape == d_neg.shape == (3,)
    assert d_pos.dtype == d_neg.dtype == loss([0], [0]).dtype == np.float64


def test_one_score_is_compared_with_many():
    np.testing.assert_array_equal(HingeLoss(margin=1.0)(1.0, [0.0, 0.5, 2.0]), [0.0, 0.5, 2.0])


@each_loss
def test_losses_clone_and_pickle(loss):
    s_pos, s_neg = scores()
    for again in (clone(loss), pickle.loads(pickle.dumps(loss))):
        assert repr(again) == repr(loss)
        np.testing.assert_array_equal(again(s_pos, s_neg), loss(s_pos, s_neg))


def test_built_in_losses_share_one_state_type():
    assert len({type(loss._make_state()) for loss in LOSSES}) == 1


def test_a_name_is_short_for_the_loss_with_its_defaults():
    X = np.column_stack([np.arange(40) % 8, np.arange(40) % 13])
    for name, loss in {"hinge": HingeLoss(), "bpr": BPRLoss(), "logistic": LogisticLoss(), "warp": WARPLoss()}.items():
        by_name, by_object = (
            TripletMF(n_components=4, max_iter=2, loss=x, random_state=0).fit(X) for x in (name, loss)
        )
        assert repr(by_name.loss_) == repr(loss)
        np.testing.assert_array_equal(by_name.item_factors_, by_object.item_factors_)


def test_the_margin_is_set_through_the_recommender():
    model = TripletMF(loss=HingeLoss()).set_params(loss__margin=0.1)
    assert model.loss.margin == 0.1


@pytest.mark.parametrize("margin", [-0.1, np.inf, np.nan, "wide"])
def test_a_bad_margin_is_named_with_its_value(margin):
    with pytest.raises(ValueError, match="'margin' of HingeLoss must be a finite number of at least 0") as caught:
        TripletMF(loss=HingeLoss(margin=margin)).fit(np.array([[0, 0], [1, 1]]))
    assert repr(margin) in str(caught.value)


def test_a_loss_without_a_state_says_what_is_missing():
    class Nothing(BaseLoss):
        pass

    with pytest.raises(NotImplementedError, match="Nothing must return its kernel state from _make_state"):
        Nothing()([0.0], [0.0])


@pytest.mark.parametrize("code", ["BPR", "LOGISTIC"])
def test_of_float32_scores_training_takes_tables_that_are_within_their_rounding(code):
    from skrec._kernels import _losses

    state = _losses.LossState(getattr(_losses, code), 0.0)
    s_pos, s_neg = np.random.default_rng(0).normal(0.0, 6.0, (2, 2000)).astype(np.float32)
    fast, exact = np.empty((2, 2000, 3))
    _losses.loss_grad_many(state, s_pos, s_neg, fast)
    _losses.loss_grad_many(state, s_pos.astype(np.float64), s_neg.astype(np.float64), exact)
    np.testing.assert_allclose(fast, exact, rtol=3e-7, atol=3e-7)


@pytest.mark.parametrize("loss", [HingeLoss(), BPRLoss(), LogisticLoss()], ids=repr)
def test_nan_scores_show_in_the_loss(loss):
    from skrec._kernels._losses import loss_grad_many

    for dtype in (np.float32, np.float64):
        out = np.empty((1, 3))
        loss_grad_many(loss._make_state(), np.array([np.nan], dtype), np.zeros(1, dtype), out)
        assert np.isnan(out[0, 0])
