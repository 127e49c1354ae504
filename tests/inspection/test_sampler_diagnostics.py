"""SamplerMonitor records what a sampler draws, without changing the fit; its display draws that."""

import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skrec import TripletMF, TwoTowerRetriever
from skrec.datasets import make_interactions
from skrec.inspection import SamplerDiagnosticsDisplay, SamplerMonitor
from skrec.model_selection import LeaveLastOut
from skrec.samplers import DynamicSampler, GainSampler, PopularitySampler, UniformSampler

X, _ = make_interactions(n_users=150, n_items=80, n_interactions=4000, return_X_y=True, random_state=0)
X = X.drop_duplicates(["user_id", "item_id"])
HELD_OUT, TRAIN = X[::5], X.drop(X.index[::5])
MODEL = TripletMF(n_components=8, max_iter=4, random_state=0)
FALSE = ["false_negative_rate", "chance_rate", "expectation_false", "expectation_true", "gain_false", "gain_true"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def watch(sampler, held_out=HELD_OUT, model=MODEL, **options):
    monitor = SamplerMonitor(held_out=held_out, **options)
    fitted = clone(model).set_params(sampler=sampler).set_callbacks(monitor).fit(TRAIN)
    return fitted, monitor.get_logs().data_as_pandas


def test_every_epoch_has_a_row_and_the_fit_is_as_without():
    fitted, log = watch(GainSampler())
    plain = clone(MODEL).set_params(sampler=GainSampler()).fit(TRAIN)
    np.testing.assert_array_equal(fitted.user_factors_, plain.user_factors_)
    assert log["task_id"].tolist() == [0, 1, 2, 3]
    assert log["zero_gradient_share"].tolist() == plain.zero_gradient_share_
    assert log[["score_gap", "popularity_percentile", *FALSE]].notna().all(axis=None)


def test_the_last_row_is_that_of_the_finished_model():
    fitted, log = watch(UniformSampler(), n_draws=300)
    scores = fitted.user_factors_ @ fitted.item_factors_.T
    seen = fitted.interactions_.toarray() > 0
    users = np.flatnonzero(seen.any(axis=1))
    gap = np.mean([scores[u][seen[u]].mean() - scores[u][~seen[u]].mean() for u in users])
    assert log["score_gap"].iloc[-1] == pytest.approx(gap, abs=0.01)
    users, items = fitted._pair_codes(HELD_OUT)
    known = (users >= 0) & (items >= 0)
    own = np.bincount(users[known], minlength=len(seen))
    chance = (own / (~seen).sum(axis=1))[own > 0].mean()
    assert log["chance_rate"].iloc[-1] == pytest.approx(chance)
    assert log["false_negative_rate"].iloc[-1] == pytest.approx(chance, rel=0.05)
    expected = []
    for u, i in zip(users[known], items[known], strict=True):
        liked = np.flatnonzero(seen[u])
        taken = liked[[k * len(liked) // min(len(liked), 8) for k in range(min(len(liked), 8))]]
        expected.append((1 / (1 + np.exp(scores[u, taken] - scores[u, i]))).mean())
    assert log["expectation_false"].iloc[-1] == pytest.approx(np.mean(expected), rel=1e-4)


def test_hard_negatives_are_nearer_and_more_often_false_and_popular_ones_popular():
    rows = {
        name: watch(sampler, n_draws=50)[1].iloc[-1]
        for name, sampler in {
            "uniform": UniformSampler(),
            "hard": DynamicSampler(10),
            "popular": PopularitySampler(alpha=1.0),
        }.items()
    }
    assert rows["hard"]["score_gap"] < rows["uniform"]["score_gap"] / 2
    assert rows["hard"]["false_negative_rate"] > 1.5 * rows["uniform"]["false_negative_rate"]
    assert rows["popular"]["popularity_percentile"] > rows["uniform"]["popularity_percentile"] + 0.05
    assert rows["uniform"]["expectation_false"] > rows["uniform"]["expectation_true"]


def test_gain_is_the_smoothed_relative_drop():
    _, still = watch(GainSampler(smoothing=1.0))
    assert still["gain_true"].tolist() == [0.5] * 4
    _, log = watch(GainSampler(smoothing=0.0, epsilon=1e6))
    np.testing.assert_allclose(log["gain_false"], 0.5, atol=1e-5)
    assert log["gain_false"].nunique() > 1
    _, log = watch(GainSampler(smoothing=0.0, epsilon=0.1))
    # Where the mean drops, so does nearly every part of it; the first epoch has nothing to compare with.
    assert log["gain_true"].iloc[0] == 0.5
    drops = -np.diff(log["expectation_true"])
    largest = np.argmax(np.abs(drops))
    assert np.sign(log["gain_true"].iloc[largest + 1] - 0.5) == np.sign(drops[largest])


def test_the_draws_are_those_of_the_epoch_and_stay_so():
    models = []

    class Keep:
        def setup(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def teardown(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                models.append((fitted_estimator, fitted_estimator.sampler_.sample([0, 1], 20, random_state=0)))

    model = clone(MODEL).set_params(sampler=GainSampler()).set_callbacks(Keep()).fit(TRAIN)
    for kept, drawn in models:
        np.testing.assert_array_equal(kept.sampler_.sample([0, 1], 20, random_state=0), drawn)
        assert kept.sampler_.matrix_ is model.sampler_.matrix_
    assert (models[0][0].sampler_.memory_ != models[-1][0].sampler_.memory_).any()
    last, model.sampler_ = models[-1][0], models[-1][0].sampler_
    options = {"n_samples": 5, "random_state": 0}
    hard = DynamicSampler().fit(model.interactions_)
    same = hard.sample([0, 1], recommender=last, **options), hard.sample([0, 1], recommender=model, **options)
    np.testing.assert_array_equal(*same)


def test_without_held_out_rows_nothing_is_said_of_false_negatives():
    _, log = watch(DynamicSampler(), held_out=None)
    assert not set(FALSE) & set(log)
    _, log = watch(UniformSampler(), held_out=HELD_OUT.assign(user_id=-1))
    assert log[["false_negative_rate", "gain_true"]].isna().all(axis=None)
    assert log["score_gap"].notna().all()


def test_users_are_bounded_and_draws_seeded():
    logs = [watch(UniformSampler(), max_users=20, random_state=seed)[1]["score_gap"].tolist() for seed in (0, 0, 1)]
    assert logs[0] == logs[1] != logs[2]


def test_models_without_triplets_are_refused():
    model = TwoTowerRetriever(n_components=4, max_iter=1, random_state=0).set_callbacks(SamplerMonitor())
    with pytest.raises(TypeError, match="TwoTowerRetriever draws no triplets"):
        model.fit(TRAIN)


def test_a_search_is_watched_fit_by_fit():
    monitor = SamplerMonitor(held_out=HELD_OUT)
    model = clone(MODEL).set_params(max_iter=2).set_callbacks(monitor)
    GridSearchCV(model, {"n_components": [2, 4]}, cv=LeaveLastOut(time="timestamp")).fit(TRAIN)
    log = monitor.get_logs()
    assert log.data_as_pandas.groupby("parent_task_id_path").size().tolist() == [2, 2, 2]
    assert (log.data_as_pandas["gain_true"][log.data_as_pandas["task_id"] == 0] == 0.5).all()
    with pytest.raises(ValueError, match="epochs of 3 fits"):
        SamplerDiagnosticsDisplay.from_predictions(log)
    one = [row for row in log.data if row["parent_task_id_path"] == log.data[0]["parent_task_id_path"]]
    assert len(SamplerDiagnosticsDisplay.from_predictions(one).score_gap) == 2
    assert pickle.loads(pickle.dumps(monitor))._past == {}


def test_the_display_draws_what_was_recorded():
    model = clone(MODEL).set_params(sampler=DynamicSampler())
    display = SamplerDiagnosticsDisplay.from_estimator(model, TRAIN, held_out=HELD_OUT)
    _, log = watch(DynamicSampler())
    assert not hasattr(model, "sampler_")
    assert len(display.axes_) == 6 and display.name == "DynamicSampler()"
    for name, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([[1, 2, 3, 4], log[name]]))
    other = SamplerDiagnosticsDisplay.from_estimator(MODEL, TRAIN, held_out=HELD_OUT, name="plain", ax=display.axes_)
    assert other.figure_ is display.figure_
    names = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert names == ["DynamicSampler()", "plain"]
    styles = [text.get_text() for text in display.axes_[4].get_legend().get_texts()]
    assert styles == ["false", "true"]
    few = SamplerDiagnosticsDisplay([1.0], [0.1], [0.5]).plot(color="red")
    assert [line.get_color() for line in few.lines_.values()] == ["red"] * 3
    with pytest.raises(ValueError, match="ax must be 3 Axes"):
        few.plot(ax=display.axes_)
