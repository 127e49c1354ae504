"""Losses of a pair of scores, and of all scores of a user: known answers, derivatives, stability."""

import pickle

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from sklearn.base import clone

from skrec import TripletMF, TwoTowerRetriever
from skrec.losses import (
    BaseBlockLoss,
    BaseLoss,
    BilateralSoftmaxLoss,
    BPRLoss,
    CosineContrastiveLoss,
    HingeLoss,
    LogisticLoss,
    PairwiseSoftmaxLoss,
    SoftmaxAtKLoss,
    SoftmaxLoss,
    WARPLoss,
)

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


# Of all scores of a user.
BLOCK_LOSSES = [
    SoftmaxLoss(temperature=0.17),
    SoftmaxLoss(temperature=1.0),
    SoftmaxLoss(temperature=0.1, include_positive=False),
    BilateralSoftmaxLoss(temperature=0.2, positive_temperature=0.3),
    BilateralSoftmaxLoss(temperature=0.2, positive_temperature=np.inf),
    SoftmaxAtKLoss(temperature=0.2, weight_temperature=0.3, k=4),
    PairwiseSoftmaxLoss(temperature=0.2),
    PairwiseSoftmaxLoss(temperature=0.2, activation="tanh"),
    PairwiseSoftmaxLoss(temperature=0.5, activation="arctan"),
    PairwiseSoftmaxLoss(temperature=1.5),
    CosineContrastiveLoss(margin=0.1, negative_weight=20.0),
]
each_block_loss = pytest.mark.parametrize("loss", BLOCK_LOSSES, ids=repr)
of_differences = pytest.mark.parametrize(
    "loss", [loss for loss in BLOCK_LOSSES if not isinstance(loss, CosineContrastiveLoss)], ids=repr
)
ACTIVATIONS = {
    "relu": lambda d: np.maximum(d + 1, 0),
    "tanh": lambda d: np.tanh(d) + 1,
    "arctan": lambda d: np.maximum(np.arctan(d) + 1, 0),
}


def row(seed=0, n_pos=3, n_neg=12):
    """Cosines of a user, which float32 holds exactly; some differ by more than 1, where two activations end."""
    rng = np.random.default_rng(seed)
    return [np.round(rng.uniform(-0.95, 0.95, n) * 4096 + 0.5) / 4096 for n in (n_pos, n_neg)]


def formula(loss, s_pos, s_neg, at=None):
    """The loss as its page states it, in float64; `at`: the positives' scores where what is not differentiated is."""
    tau = getattr(loss, "temperature", None)
    if isinstance(loss, SoftmaxLoss):
        own = [] if not loss.include_positive else [0.0]
        return sum(logsumexp(np.append((s_neg - s) / tau, own)) for s in s_pos)
    if isinstance(loss, BilateralSoftmaxLoss):
        n, m, tau_1 = len(s_pos), len(s_neg), loss.positive_temperature
        mean = s_pos.mean() if tau_1 == np.inf else tau_1 * (logsumexp(s_pos / tau_1) - np.log(n))
        return n / tau * (tau * (logsumexp(s_neg / tau) - np.log(m)) - mean)
    if isinstance(loss, SoftmaxAtKLoss):
        fixed_pos, fixed_neg = (s_pos, s_neg) if at is None else at
        beta = np.sort(np.append(fixed_pos, fixed_neg))[::-1][: loss.k][-1]
        weights = expit((fixed_pos - beta) / loss.weight_temperature)
        return sum(w * logsumexp((s_neg - s) / tau) for w, s in zip(weights, s_pos, strict=True))
    if isinstance(loss, PairwiseSoftmaxLoss):
        act = ACTIVATIONS[loss.activation]
        return sum(np.log((act(s_neg - s) ** (1 / tau)).sum()) for s in s_pos)
    pushed = loss.negative_weight * np.maximum(s_neg - loss.margin, 0).mean()
    return sum(max(1 - s, 0) + pushed for s in s_pos)


def central_differences(loss, s_pos, s_neg, step=1e-6):
    scores = np.append(s_pos, s_neg)
    out = np.empty_like(scores)
    for place in range(len(scores)):
        ends = []
        for sign in (1, -1):
            moved = scores.copy()
            moved[place] += sign * step
            ends.append(formula(loss, moved[: len(s_pos)], moved[len(s_pos) :], at=(s_pos, s_neg)))
        out[place] = (ends[0] - ends[1]) / (2 * step)
    return out[: len(s_pos)], out[len(s_pos) :]


@each_block_loss
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 2), (3, 12)])
def test_losses_of_a_user_have_their_stated_formulas(loss, shape):
    s_pos, s_neg = row(1, *shape)
    assert loss(s_pos, s_neg) == pytest.approx(formula(loss, s_pos, s_neg), rel=5e-6, abs=5e-6)


@each_block_loss
@pytest.mark.parametrize("seed", range(3))
def test_derivatives_of_losses_of_a_user_agree_with_central_differences(loss, seed):
    s_pos, s_neg = row(seed)
    numeric = central_differences(loss, s_pos, s_neg)
    for own, other in zip(loss.gradient(s_pos, s_neg), numeric, strict=True):
        np.testing.assert_allclose(own, other, rtol=2e-5, atol=2e-5)


def test_equal_scores_cost_the_logarithm_of_their_number():
    s_pos, s_neg = [0.25], np.full(9, 0.25)
    assert SoftmaxLoss(temperature=0.2)(s_pos, s_neg) == pytest.approx(np.log(10))
    assert SoftmaxLoss(temperature=0.2, include_positive=False)(s_pos, s_neg) == pytest.approx(np.log(9))
    assert BilateralSoftmaxLoss(temperature=0.2)(s_pos, s_neg) == pytest.approx(0.0, abs=1e-6)
    for activation in ACTIVATIONS:
        loss = PairwiseSoftmaxLoss(temperature=0.2, activation=activation)
        assert loss(s_pos, s_neg) == pytest.approx(np.log(9))
    d_pos, d_neg = SoftmaxLoss(temperature=0.2).gradient(s_pos, s_neg)
    np.testing.assert_allclose(d_pos, -0.9 / 0.2, rtol=1e-6)
    np.testing.assert_allclose(d_neg, 0.1 / 0.2, rtol=1e-6)


@of_differences
def test_softmaxes_depend_on_differences_alone(loss):
    s_pos, s_neg = row(4)
    assert loss(s_pos + 0.5, s_neg + 0.5) == pytest.approx(loss(s_pos, s_neg), rel=1e-5)
    d_pos, d_neg = loss.gradient(s_pos, s_neg)
    assert d_pos.sum() + d_neg.sum() == pytest.approx(0.0, abs=1e-5)


def test_the_contrastive_loss_depends_on_the_level():
    loss = CosineContrastiveLoss(margin=0.1)
    s_pos, s_neg = row(4)
    assert loss(s_pos + 0.1, s_neg + 0.1) > loss(s_pos, s_neg)


def test_with_one_negative_and_temperature_1_the_softmax_is_bpr():
    s_pos, s_neg = row(n_pos=1, n_neg=1)
    softmax, bpr = SoftmaxLoss(temperature=1.0), BPRLoss()
    assert softmax(s_pos, s_neg) == pytest.approx(bpr(s_pos, s_neg)[0], rel=1e-6)
    np.testing.assert_allclose(softmax.gradient(s_pos, s_neg), bpr.gradient(s_pos, s_neg), rtol=1e-6)


def test_the_lower_the_temperature_the_nearer_the_softmax_is_to_the_hardest_negative():
    for s_pos, worst in [([0.5], 0.25), ([0.0], 0.25)]:
        loss = SoftmaxLoss(temperature=1e-3)
        assert 1e-3 * loss(s_pos, [-0.5, 0.0, worst]) == pytest.approx(max(0.0, worst - s_pos[0]), abs=1e-6)


def test_the_bilateral_loss_of_one_positive_is_the_decoupled_softmax_less_the_logarithm_of_the_number():
    s_pos, s_neg = row(2, n_pos=1)
    decoupled = SoftmaxLoss(temperature=0.2, include_positive=False)
    for own in (0.05, 0.2, 10.0, np.inf):
        loss = BilateralSoftmaxLoss(temperature=0.2, positive_temperature=own)
        assert loss(s_pos, s_neg) == pytest.approx(decoupled(s_pos, s_neg) - np.log(len(s_neg)), abs=1e-5)
        np.testing.assert_allclose(loss.gradient(s_pos, s_neg)[1], decoupled.gradient(s_pos, s_neg)[1], rtol=1e-5)


def test_the_bilateral_loss_of_many_positives_nears_the_decoupled_softmax_as_their_temperature_rises():
    s_pos, s_neg = row(2)
    decoupled = SoftmaxLoss(temperature=0.2, include_positive=False)(s_pos, s_neg) - 3 * np.log(len(s_neg))
    losses = [BilateralSoftmaxLoss(0.2, positive_temperature=own)(s_pos, s_neg) for own in (0.1, 1.0, 10.0, 1000.0)]
    gaps = decoupled - np.array(losses)
    assert (np.diff(gaps) < 0).all()
    assert gaps[-1] == pytest.approx(0.0, abs=1e-2)
    assert BilateralSoftmaxLoss(0.2, positive_temperature=np.inf)(s_pos, s_neg) == pytest.approx(decoupled, rel=1e-6)


def test_the_bilateral_loss_leaves_a_positive_alone_that_scores_far_below_the_others():
    false, true = BilateralSoftmaxLoss(0.2, positive_temperature=0.1).gradient([-0.5, 0.5], [0.0])[0]
    assert abs(false) < 1e-4 * abs(true)
    assert false + true == pytest.approx(-2 / 0.2)


def test_softmax_at_k_halves_the_softmax_where_weights_are_alike():
    s_pos, s_neg = row()
    decoupled = SoftmaxLoss(temperature=0.2, include_positive=False)
    alike = SoftmaxAtKLoss(temperature=0.2, weight_temperature=1e6)
    assert alike(s_pos, s_neg) == pytest.approx(decoupled(s_pos, s_neg) / 2, rel=1e-5)


def test_softmax_at_k_weighs_positives_in_the_top_k_by_1_and_others_by_0_where_the_weight_is_sharp():
    loss = SoftmaxAtKLoss(temperature=0.2, weight_temperature=1e-3, k=2)
    d_pos, _ = loss.gradient([0.75, 0.25], [0.5, 0.0])
    np.testing.assert_allclose(d_pos * 0.2, [-1.0, 0.0], atol=1e-6)


def test_the_contrastive_loss_leaves_negatives_below_the_margin_alone():
    s_pos, s_neg = [0.5, 0.25], [0.25, -0.5, 0.0]
    d_pos, d_neg = CosineContrastiveLoss(margin=0.25).gradient(s_pos, s_neg)
    assert d_pos.tolist() == [-1.0, -1.0]
    assert d_neg.tolist() == [0.0, 0.0, 0.0]
    assert CosineContrastiveLoss(margin=0.25)(s_pos, s_neg) == pytest.approx(0.5 + 0.75)


def test_weighing_the_mean_by_the_number_of_negatives_is_the_sum_over_them():
    _, s_neg = row(n_neg=7)
    loss = CosineContrastiveLoss(margin=0.0, negative_weight=7.0)
    assert loss([1.0], s_neg) == pytest.approx(np.maximum(s_neg, 0).sum(), rel=1e-6)


def test_the_pairwise_softmax_has_no_gradient_beyond_the_range_of_its_activation():
    for activation in ("relu", "arctan"):
        loss = PairwiseSoftmaxLoss(temperature=1.0, activation=activation)
        d_pos, d_neg = loss.gradient([0.9], [-0.9, 0.0])
        assert d_neg[0] == 0.0 and d_neg[1] > 0
        np.testing.assert_allclose(d_pos[0], -d_neg[1])


@each_block_loss
def test_better_positives_and_worse_negatives_never_cost_a_user_more(loss):
    d_pos, d_neg = loss.gradient(*row(5))
    assert (d_pos <= 0).all() and (d_neg >= 0).all()
    assert (d_pos < 0).any() and (d_neg > 0).any()


@each_block_loss
@pytest.mark.parametrize("temperature", [0.005, 0.05])
def test_cosines_at_their_ends_give_finite_losses_and_gradients(loss, temperature):
    loss = clone(loss)
    if "temperature" in loss.get_params():
        loss.set_params(temperature=temperature)
    for s_pos, s_neg in [([1.0, -1.0], [-1.0, -1.0]), ([-1.0], [1.0, -1.0]), ([1.0], [-1.0]), ([1.0, 0.5], [1.0])]:
        value, gradients = loss(s_pos, s_neg), loss.gradient(s_pos, s_neg)
        assert np.isfinite(value)
        assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("include_positive", [True, False])
def test_a_positive_far_from_the_negatives_is_still_compared_rightly(include_positive):
    # e^100 and more between the sides: none of the sums may vanish beside the other.
    loss = SoftmaxLoss(temperature=0.005, include_positive=include_positive)
    s_pos, s_neg = np.array([1.0, -1.0, 0.0]), np.array([0.0, 0.0078125, -0.25])
    assert loss(s_pos, s_neg) == pytest.approx(formula(loss, s_pos, s_neg), rel=1e-5)
    for own, other in zip(loss.gradient(s_pos, s_neg), central_differences(loss, s_pos, s_neg), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-3)


@each_block_loss
def test_a_user_without_negatives_has_no_softmax_and_one_without_positives_no_loss(loss):
    assert loss([], [0.0, 0.5]) == 0.0
    assert loss.gradient([], [0.0, 0.5])[1].tolist() == [0.0, 0.0]
    if not isinstance(loss, CosineContrastiveLoss):
        assert loss([0.5, 0.25], []) == pytest.approx(0.0, abs=1e-6)
        assert loss.gradient([0.5, 0.25], [])[0].tolist() == pytest.approx([0.0, 0.0])


@each_block_loss
def test_losses_of_a_user_clone_and_pickle(loss):
    scores = row()
    for again in (clone(loss), pickle.loads(pickle.dumps(loss))):
        assert repr(again) == repr(loss)
        assert again(*scores) == loss(*scores)


def test_the_scores_that_were_given_stay_as_they_were():
    s_pos, s_neg = (scores.astype(np.float32) for scores in row())
    before = s_pos.copy(), s_neg.copy()
    SoftmaxLoss().gradient(s_pos, s_neg)
    np.testing.assert_array_equal(s_pos, before[0])
    np.testing.assert_array_equal(s_neg, before[1])


def test_the_number_that_a_loss_was_given_goes_before_that_of_the_estimator():
    for loss in (SoftmaxLoss, BilateralSoftmaxLoss, SoftmaxAtKLoss, PairwiseSoftmaxLoss):
        assert loss()._make_block_state(0.3).temperature == 0.3
        assert loss(temperature=0.1)._make_block_state(0.3).temperature == 0.1


def test_losses_of_a_user_share_one_state_type():
    states = [
        loss._make_block_state(1.0) for loss in [*BLOCK_LOSSES, HingeLoss(), BPRLoss(), SoftmaxLoss(temperature=1)]
    ]
    assert len({tuple(map(type, state)) for state in states}) == 1


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            SoftmaxLoss(temperature=0),
            "'temperature' parameter of SoftmaxLoss must be \"auto\" or a finite number above 0. Got 0",
        ),
        (SoftmaxLoss(temperature="warm"), "'temperature' parameter of SoftmaxLoss .* Got 'warm'"),
        (SoftmaxLoss(temperature=np.nan), "'temperature' parameter of SoftmaxLoss .* Got nan"),
        (SoftmaxLoss(temperature=True), "'temperature' parameter of SoftmaxLoss .* Got True"),
        (SoftmaxLoss(include_positive="no"), "'include_positive' parameter of SoftmaxLoss must be a bool. Got 'no'"),
        (BilateralSoftmaxLoss(positive_temperature=0.0), "'positive_temperature' .* above 0, or infinity. Got 0.0"),
        (BilateralSoftmaxLoss(positive_temperature=np.nan), "'positive_temperature' .* Got nan"),
        (SoftmaxAtKLoss(weight_temperature=-1), "'weight_temperature' .* above 0. Got -1"),
        (SoftmaxAtKLoss(k=0), "'k' parameter of SoftmaxAtKLoss must be an integer of at least 1. Got 0"),
        (SoftmaxAtKLoss(k=2.5), "'k' parameter .* Got 2.5"),
        (PairwiseSoftmaxLoss(activation="exp"), "'activation' .* 'relu', 'tanh' and 'arctan'. Got 'exp'"),
        (PairwiseSoftmaxLoss(activation=["relu"]), "'activation' .* Got \\['relu'\\]"),
        (CosineContrastiveLoss(margin=1.0), "'margin' .* from -1 to below 1. Got 1.0"),
        (CosineContrastiveLoss(negative_weight=-0.5), "'negative_weight' .* at least 0. Got -0.5"),
        (HingeLoss(margin=-1.0), "'margin' .* at least 0. Got -1.0"),
    ],
    ids=repr,
)
def test_a_bad_parameter_of_a_loss_of_a_user_is_named_with_its_value(loss, message):
    X = np.array([[0, 0], [1, 1], [0, 2]])
    with pytest.raises(ValueError, match=message):
        TwoTowerRetriever(loss=loss, n_components=2, max_iter=1).fit(X)


@pytest.mark.parametrize("loss", [LogisticLoss(), WARPLoss()], ids=repr)
def test_losses_that_need_pairs_are_refused_where_there_are_none(loss):
    with pytest.raises(ValueError, match=f"'loss' parameter of TwoTowerRetriever .* Got {type(loss).__name__}"):
        TwoTowerRetriever(loss=loss).fit(np.array([[0, 0], [1, 1]]))


def test_a_loss_of_a_user_without_a_state_says_what_is_missing():
    class Nothing(BaseBlockLoss):
        pass

    with pytest.raises(NotImplementedError, match="Nothing must return its kernel state from _make_block_state"):
        Nothing()([0.0], [0.0])
