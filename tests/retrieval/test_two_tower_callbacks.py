"""scikit-learn's callbacks see every epoch, can stop the fit, and are taken down whatever happens."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV

from skrec import TwoTowerRetriever
from skrec.exceptions import DivergenceError
from skrec.metrics import make_ranking_scorer
from skrec.model_selection import LeaveLastOut
from skrec.retrieval import ExactIndex

TINY = TwoTowerRetriever(n_components=4, max_iter=4, random_state=0)


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


@pytest.fixture
def Xy(planted):
    return planted.data, planted.target


def test_fit_and_every_epoch_begin_and_end(Xy):
    witness = Witness()
    clone(TINY).set_callbacks(witness).fit(*Xy)
    epochs = ["begin epoch", "end epoch"] * 4
    assert witness.log == ["setup", "begin fit", *epochs, "end fit", "teardown"]


def test_callbacks_change_nothing(Xy):
    plain, watched = clone(TINY).fit(*Xy), clone(TINY).set_callbacks(Witness()).fit(*Xy)
    np.testing.assert_array_equal(plain.user_factors_, watched.user_factors_)


CHANGES = [{}, {"similarity": "dot"}, {"hidden_layers": (6,)}, {"index": ExactIndex()}]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_model_handed_to_a_callback_is_that_of_its_epoch_and_stays_so(Xy, change):
    scores = []

    class Scoring(Witness):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                scores.append(fitted_estimator.predict(Xy[0]))
            return super().on_fit_task_end(estimator, context, fitted_estimator=fitted_estimator)

    witness = Scoring()
    model = clone(TINY).set_params(**change).set_callbacks(witness).fit(*Xy)
    for epoch, (seen, then) in enumerate(zip(witness.models, scores, strict=True), start=1):
        np.testing.assert_array_equal(seen.predict(Xy[0]), then)
        assert seen.loss_curve_ == model.loss_curve_[:epoch]
        assert seen.n_iter_ == epoch
        assert seen.recommend([1, 2], 3)[0].shape == (2, 3)
    assert all((first != second).any() for first, second in zip(scores[:-1], scores[1:], strict=True))
    np.testing.assert_array_equal(scores[-1], model.predict(Xy[0]))
    np.testing.assert_array_equal(witness.models[-1].recommend([1, 2])[0], model.recommend([1, 2])[0])


def test_a_callback_can_stop_the_fit(Xy):
    witness = Witness(stop_after=2)
    stopped = clone(TINY).set_callbacks(witness).fit(*Xy)
    assert stopped.n_iter_ == len(stopped.loss_curve_) == 2
    np.testing.assert_array_equal(stopped.user_factors_, witness.models[1].user_factors_)


def test_a_callback_that_stops_is_not_a_failure_to_converge(Xy):
    model = clone(TINY).set_params(early_stopping=True, tol=0.0).set_callbacks(Witness(stop_after=2)).fit(*Xy)
    assert model.n_iter_ == len(model.validation_scores_) == 2


def test_partial_fit_is_one_epoch_to_a_callback(Xy):
    witness = Witness()
    model = clone(TINY).set_callbacks(witness).partial_fit(*Xy).partial_fit(*Xy)
    call = ["setup", "begin fit", "begin epoch", "end epoch", "end fit", "teardown"]
    assert witness.log == 2 * call
    assert model.n_iter_ == 2
    assert witness.models[1].loss_curve_ == model.loss_curve_


def test_a_fit_without_epochs_begins_and_ends(Xy):
    witness = Witness()
    clone(TINY).set_params(max_iter=0).set_callbacks(witness).fit(*Xy)
    assert witness.log == ["setup", "begin fit", "end fit", "teardown"]


@pytest.mark.parametrize("error", [DivergenceError, KeyboardInterrupt])
def test_callbacks_are_taken_down_when_the_fit_fails(Xy, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(TwoTowerRetriever, "_check_finite", fail)
    witness = Witness()
    model = clone(TINY).set_callbacks(witness)
    with pytest.raises(error):
        model.fit(*Xy)
    assert witness.log == ["setup", "begin fit", "begin epoch", "teardown"]
    assert set(vars(model)) == set(vars(clone(TINY).set_callbacks(witness)))


def test_scoring_monitor_scores_every_epoch(Xy):
    monitor = ScoringMonitor(scoring=make_ranking_scorer(["auc", "ndcg@10"]))
    model = clone(TINY).set_callbacks(monitor).fit(*Xy)
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log["task_name"] == "epoch", "auc"]
    assert len(scores) == 4
    assert scores.iloc[-1] == model.score(*Xy)
    assert scores.is_monotonic_increasing


def test_scoring_monitor_watches_the_fits_of_a_search(Xy):
    monitor = ScoringMonitor(scoring=make_ranking_scorer(["auc", "ndcg@10"]))
    search = GridSearchCV(
        clone(TINY).set_callbacks(monitor), {"n_components": [2, 4]}, cv=LeaveLastOut(time="timestamp")
    )
    search.fit(*Xy)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "epoch"].groupby("parent_task_id_path")["auc"]
    assert epochs.size().tolist() == [4, 4, 4]  # two candidates on one fold, and the refit
    assert search.best_estimator_.score(*Xy) in epochs.last().tolist()


def test_progress_bar_shows_the_epochs(Xy, capsys):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs rich")
    clone(TINY).set_callbacks(ProgressBar()).fit(*Xy)
    printed = capsys.readouterr().out
    assert "TwoTowerRetriever" in printed and "100%" in printed


def test_progress_bar_shows_the_fits_of_a_search(Xy, capsys):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs rich")
    search = GridSearchCV(clone(TINY), {"n_components": [2, 4]}, cv=LeaveLastOut(time="timestamp"))
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*Xy)
    printed = capsys.readouterr().out
    assert "GridSearchCV" in printed and printed.count("TwoTowerRetriever") >= 3
