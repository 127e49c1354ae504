"""What the model learns is what was planted, and on real data it reaches the numbers that it promises."""

import numpy as np
import pytest
from sklearn.base import clone

from skrec import PopularityRecommender, TripletMF
from skrec.datasets import fetch_movielens_100k, make_interactions
from skrec.samplers import DynamicSampler, MixedSampler, PopularitySampler, UniformSampler, WARPSampler

RATES = {"adagrad": 0.1, "adam": 0.01, "sgd": 0.05}


def correlation_with_truth(model, truth):
    """Mean over users of the correlation of scores with the log-odds that were planted."""
    scores = model.user_factors_ @ model.item_factors_.T
    planted = truth.user_factors[model.user_ids_] @ truth.item_factors[model.item_ids_].T
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(scores, planted, strict=True)])


@pytest.fixture(scope="module")
def popularity(planted):
    model = PopularityRecommender().fit(planted.data.iloc[planted.train])
    return model.score(planted.data.iloc[planted.test])


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "sgd"])
@pytest.mark.parametrize("loss", ["hinge", "bpr", "warp", "logistic"])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "gmf"])
def test_beats_popularity_and_finds_the_planted_preference(planted, popularity, similarity, loss, optimizer):
    model = TripletMF(
        n_components=8,
        similarity=similarity,
        loss=loss,
        optimizer=optimizer,
        learning_rate=RATES[optimizer],
        max_iter=20,
        random_state=0,
    ).fit(planted.data.iloc[planted.train])
    assert model.score(planted.data.iloc[planted.test]) > popularity + 0.15
    assert correlation_with_truth(model, planted.true_preference) > 0.6
    if loss == "warp":  # its mean is over violators alone, which become fewer, not closer
        assert model.zero_gradient_share_[-1] == 0.0
    else:
        assert model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.parametrize(
    "sampler",
    [
        PopularitySampler(),
        DynamicSampler(n_candidates=4, top_m=2),
        WARPSampler(),
        MixedSampler([("easy", UniformSampler(), 1), ("hard", DynamicSampler(), 1)]),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_learns_from_every_sampler(planted, popularity, sampler):
    model = TripletMF(n_components=8, sampler=sampler, max_iter=20, random_state=0)
    model.fit(planted.data.iloc[planted.train])
    assert model.score(planted.data.iloc[planted.test]) > popularity + 0.15


def test_item_biases_learn_popularity(planted):
    model = TripletMF(n_components=1, similarity="dot", loss="bpr", item_bias=True, max_iter=30, random_state=0)
    model.fit(planted.data)
    assert np.corrcoef(model.item_biases_, np.log1p(model.item_popularity_))[0, 1] > 0.8


def test_penalty_shortens_the_vectors(planted):
    lengths = [
        np.linalg.norm(
            TripletMF(n_components=8, similarity="dot", l2=l2, max_iter=10, random_state=0)
            .fit(planted.data)
            .user_factors_
        )
        for l2 in (0.0, 0.01, 0.1)
    ]
    assert lengths[0] > lengths[1] > lengths[2]


@pytest.mark.parametrize("similarity", ["cosine", "dot", "gmf"])
def test_an_untrained_model_scores_one_half(planted, similarity):
    scores = [
        TripletMF(similarity=similarity, max_iter=0, random_state=seed).fit(planted.data).score(planted.data)
        for seed in range(10)
    ]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.02)


def test_nothing_is_learnt_where_nothing_is_planted():
    data = make_interactions(n_users=400, n_items=150, signal=0.0, popularity_exponent=0.0, random_state=0)
    held_out = np.arange(len(data.target)) % 5 == 0
    model = TripletMF(n_components=8, max_iter=20, random_state=0).fit(data.data[~held_out])
    assert model.score(data.data[held_out]) == pytest.approx(0.5, abs=0.03)


def test_fits_rows_of_text_ids_like_rows_of_numbers(planted):
    numbers = planted.data[["user_id", "item_id"]]
    names = numbers.map(lambda code: f"{code:05d}")
    of_numbers, of_names = (TripletMF(n_components=4, max_iter=2, random_state=0).fit(X) for X in (numbers, names))
    np.testing.assert_array_equal(of_numbers.predict(numbers), of_names.predict(names))


def test_curves_hold_one_number_an_epoch(planted):
    model = TripletMF(n_components=8, max_iter=6, random_state=0).fit(planted.data)
    assert len(model.loss_curve_) == len(model.zero_gradient_share_) == model.n_iter_ == 6
    assert all(0 <= share <= 1 for share in model.zero_gradient_share_)
    assert model.zero_gradient_share_[-1] > model.zero_gradient_share_[0]


def test_smooth_losses_have_a_gradient_at_every_triplet(planted):
    model = TripletMF(n_components=8, loss="bpr", max_iter=3, random_state=0).fit(planted.data)
    assert model.zero_gradient_share_ == [0.0, 0.0, 0.0]


def test_hard_samplers_waste_fewer_triplets(planted):
    uniform, hard = (
        TripletMF(n_components=8, sampler=sampler, max_iter=10, random_state=0).fit(planted.data)
        for sampler in (UniformSampler(), DynamicSampler(n_candidates=8))
    )
    assert hard.zero_gradient_share_[-1] < uniform.zero_gradient_share_[-1] / 2


def test_first_loss_is_that_of_the_margin(planted):
    """Random unit vectors score about 0, so that nearly every triplet costs the margin before the first step."""
    model = TripletMF(n_components=256, learning_rate=1e-6, max_iter=1, random_state=0).fit(planted.data)
    assert model.loss_curve_[0] == pytest.approx(0.6, abs=0.01)


def test_verbose_prints_a_line_an_epoch(planted, capsys):
    clone(TripletMF(n_components=4, max_iter=3, verbose=1, random_state=0)).fit(planted.data)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"[TripletMF] epoch {epoch}/3" for epoch in (1, 2, 3)]
    assert all("loss" in line and "zero-gradient triplets" in line for line in lines)


def test_verbose_prints_the_validation_auc_where_there_is_one(planted, capsys):
    TripletMF(n_components=4, early_stopping=True, n_iter_no_change=1, tol=1.0, verbose=1, random_state=0).fit(
        planted.data
    )
    assert all("validation AUC 0." in line for line in capsys.readouterr().out.splitlines())


def test_quiet_by_default(planted, capsys):
    TripletMF(n_components=4, max_iter=1, random_state=0).fit(planted.data)
    assert capsys.readouterr().out == ""


@pytest.mark.data
def test_defaults_on_movielens_100k_score_more_than_the_notebook(data_home):
    X, y = fetch_movielens_100k(split="ua", subset="train", return_X_y=True)
    X_test, y_test = fetch_movielens_100k(split="ua", subset="test", return_X_y=True)
    model = TripletMF(random_state=0).fit(X, y >= 4)
    assert (model.n_components, model.similarity, model.loss) == (64, "cosine", "hinge")
    assert model.score(X_test, y_test >= 4) >= 0.930
