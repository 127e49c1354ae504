"""scikit-learn's callbacks see every epoch, can stop the fit, and are taken down whatever happens."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV

from skrec import CTRRanker, DeepTriplet, ImplicitALS, TripletMF, TwoTowerRetriever
from skrec.datasets import make_interactions
from skrec.exceptions import DivergenceError
from skrec.metrics import make_ranking_scorer
from skrec.model_selection import LeaveLastOut
from skrec.retrieval import ExactIndex

TRIPLETS = TripletMF(n_components=4, max_iter=4, random_state=0)
TOWERS = TwoTowerRetriever(n_components=4, max_iter=4, random_state=0)
DEEP = DeepTriplet(4, 4, hidden_layers=(8,), max_iter=4, random_state=0)
ROWS = CTRRanker(n_components=4, max_iter=4, random_state=0)
ALS = ImplicitALS(n_components=4, max_iter=4, random_state=0)
KINDS = [TRIPLETS, TOWERS, DEEP, ROWS, ALS]
each_kind = pytest.mark.parametrize("tiny", KINDS, ids=lambda model: type(model).__name__)


class Witness:
    """Writes down what it is called with, and asks to stop after an epoch of one's choice."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.log, self.models = [], []

    def setup(self, estimator, context):
        self.log.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.log.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.log.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.models.append(fitted_estimator)
            return context.task_id + 1 == self.stop_after
        return False

    def teardown(self, estimator, context):
        self.log.append("teardown")


@pytest.fixture(scope="module")
def Xy():
    data = make_interactions(n_users=300, n_items=150, n_interactions=6_000, negative_fraction=0.3, random_state=0)
    return data.data, data.target


def scores_of(model, X):
    return model.decision_function(X) if hasattr(model, "decision_function") else model.predict(X)


@each_kind
def test_fit_and_every_epoch_begin_and_end(tiny, Xy):
    witness = Witness()
    clone(tiny).set_callbacks(witness).fit(*Xy)
    epochs = ["begin epoch", "end epoch"] * 4
    assert witness.log == ["setup", "begin fit", *epochs, "end fit", "teardown"]


CHANGES = [
    *((TRIPLETS, {"similarity": similarity, "item_bias": True}) for similarity in ("cosine", "dot", "gmf")),
    *((TOWERS, change) for change in ({}, {"similarity": "dot"}, {"hidden_layers": (6,)}, {"index": ExactIndex()})),
    (DEEP, {}),
    (DEEP, {"hidden_layers": (8, 4)}),
    *((ROWS, {"interaction": interaction}) for interaction in ("fm", "deepfm")),
    (ALS, {}),
]


@pytest.mark.parametrize(("tiny", "change"), CHANGES, ids=lambda value: type(value).__name__ + str(value)[:40])
def test_model_handed_to_a_callback_is_that_of_its_epoch_and_stays_so(tiny, change, Xy):
    scores = []

    class Scoring(Witness):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                scores.append(scores_of(fitted_estimator, Xy[0]))
            return super().on_fit_task_end(estimator, context, fitted_estimator=fitted_estimator)

    witness = Scoring()
    model = clone(tiny).set_params(**change).set_callbacks(witness).fit(*Xy)
    plain = clone(tiny).set_params(**change).fit(*Xy)
    np.testing.assert_array_equal(scores_of(model, Xy[0]), scores_of(plain, Xy[0]))
    for epoch, (seen, then) in enumerate(zip(witness.models, scores, strict=True), start=1):
        np.testing.assert_array_equal(scores_of(seen, Xy[0]), then)
        assert seen.loss_curve_ == model.loss_curve_[:epoch]
        assert seen.n_iter_ == epoch
        if hasattr(seen, "recommend"):
            assert seen.recommend([1, 2], 3)[0].shape == (2, 3)
    assert all((first != second).any() for first, second in zip(scores[:-1], scores[1:], strict=True))
    np.testing.assert_array_equal(scores[-1], scores_of(model, Xy[0]))


@each_kind
def test_a_callback_can_stop_the_fit(tiny, Xy):
    witness = Witness(stop_after=2)
    stopped = clone(tiny).set_callbacks(witness).fit(*Xy)
    assert stopped.n_iter_ == len(stopped.loss_curve_) == len(witness.models) == 2
    np.testing.assert_array_equal(scores_of(stopped, Xy[0]), scores_of(witness.models[1], Xy[0]))


@pytest.mark.parametrize("tiny", KINDS[:4], ids=lambda model: type(model).__name__)
def test_a_callback_that_stops_is_not_a_failure_to_converge(tiny, Xy):
    model = clone(tiny).set_params(early_stopping=True, tol=0.0).set_callbacks(Witness(stop_after=2)).fit(*Xy)
    assert model.n_iter_ == len(model.validation_scores_) == 2


@each_kind
def test_partial_fit_is_one_epoch_to_a_callback(tiny, Xy):
    witness = Witness()
    model = clone(tiny).set_callbacks(witness).partial_fit(*Xy).partial_fit(*Xy)
    call = ["setup", "begin fit", "begin epoch", "end epoch", "end fit", "teardown"]
    assert witness.log == 2 * call
    assert model.n_iter_ == 2
    assert witness.models[1].loss_curve_ == model.loss_curve_


@each_kind
def test_a_fit_without_epochs_begins_and_ends(tiny, Xy):
    witness = Witness()
    clone(tiny).set_params(max_iter=0).set_callbacks(witness).fit(*Xy)
    assert witness.log == ["setup", "begin fit", "end fit", "teardown"]


@each_kind
@pytest.mark.parametrize("error", [DivergenceError, KeyboardInterrupt])
def test_callbacks_are_taken_down_when_the_fit_fails(tiny, Xy, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(type(tiny), "_check_finite", fail)
    witness = Witness()
    model = clone(tiny).set_callbacks(witness)
    with pytest.raises(error):
        model.fit(*Xy)
    assert witness.log == ["setup", "begin fit", "begin epoch", "teardown"]
    learnt = set(vars(model)) - set(vars(clone(tiny).set_callbacks(witness)))
    assert learnt <= {"n_features_in_", "feature_names_in_"}


@pytest.mark.parametrize("tiny", [TRIPLETS, TOWERS, DEEP], ids=lambda model: type(model).__name__)
def test_scoring_monitor_scores_every_epoch(tiny, Xy):
    monitor = ScoringMonitor(scoring=make_ranking_scorer(["auc", "ndcg@10"]))
    model = clone(tiny).set_callbacks(monitor).fit(*Xy)
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log["task_name"] == "epoch", "auc"]
    assert len(scores) == 4
    assert scores.iloc[-1] == model.score(*Xy)
    assert scores.iloc[-1] > scores.iloc[0]


def test_scoring_monitor_scores_the_rows_of_a_classifier(Xy):
    monitor = ScoringMonitor(scoring="neg_log_loss")
    clone(ROWS).set_callbacks(monitor).fit(*Xy)
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log["task_name"] == "epoch", "neg_log_loss"]
    assert len(scores) == 4
    assert scores.iloc[-1] > scores.iloc[0]


def test_scoring_monitor_watches_the_fits_of_a_search(Xy):
    monitor = ScoringMonitor(scoring=make_ranking_scorer(["auc", "ndcg@10"]))
    search = GridSearchCV(
        clone(TRIPLETS).set_callbacks(monitor), {"n_components": [2, 4]}, cv=LeaveLastOut(time="timestamp")
    )
    search.fit(*Xy)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "epoch"].groupby("parent_task_id_path")["auc"]
    assert epochs.size().tolist() == [4, 4, 4]  # two candidates on one fold, and the refit
    assert search.best_estimator_.score(*Xy) in epochs.last().tolist()


@each_kind
def test_progress_bar_shows_the_epochs(tiny, Xy, capsys):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs rich")
    clone(tiny).set_callbacks(ProgressBar()).fit(*Xy)
    printed = capsys.readouterr().out
    assert type(tiny).__name__ in printed and "100%" in printed


def test_progress_bar_shows_the_fits_of_a_search(Xy, capsys):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs rich")
    search = GridSearchCV(clone(TRIPLETS), {"n_components": [2, 4]}, cv=LeaveLastOut(time="timestamp"))
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*Xy)
    printed = capsys.readouterr().out
    assert "GridSearchCV" in printed and printed.count("TripletMF") >= 3
