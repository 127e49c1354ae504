"""Early stopping holds out positives, stops in time and keeps the best epoch."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skrec import TwoTowerRetriever
from skrec._holdout import hold_out
from skrec.retrieval._engine import Entries
from skrec.utils._validation import check_interactions

STOPPING = TwoTowerRetriever(
    n_components=8, max_iter=200, early_stopping=True, n_iter_no_change=3, batch_size=64, random_state=0
)


def held_out(model, X, y=None):
    """What the fit of `model` held out."""
    interactions = check_interactions(clone(model), X, y)
    return hold_out(interactions.matrix, interactions.weight, model.validation_fraction, model._seed)


@pytest.fixture(scope="module")
def stopped(planted):
    return clone(STOPPING).fit(planted.data)


def test_stops_after_n_epochs_without_improvement_by_tol(stopped):
    assert 3 < stopped.n_iter_ < 200
    assert len(stopped.validation_scores_) == len(stopped.loss_curve_) == stopped.n_iter_
    best, stale = -np.inf, []
    for score in stopped.validation_scores_:
        improved = score > best + stopped.tol
        stale.append(0 if improved else stale[-1] + 1)
        best = score if improved else best
    assert stale.index(3) == stopped.n_iter_ - 1


@pytest.mark.parametrize("hidden_layers", [(), (12,)])
def test_keeps_the_best_epoch(planted, hidden_layers):
    model = clone(STOPPING).set_params(tol=0.0, hidden_layers=hidden_layers).fit(planted.data)
    best = int(np.argmax(model.validation_scores_))
    assert best == model.n_iter_ - 4
    validation = held_out(model, planted.data)
    towers = model._towers.with_history(validation.training, model)
    kept = validation.auc(*towers.embed(model), np.zeros(len(model.item_ids_), np.float32))
    assert kept == model.validation_scores_[best] > model.validation_scores_[-1]


def test_all_rows_are_history_when_the_fit_is_over(stopped):
    assert stopped._towers.history.nnz == stopped.interactions_.nnz


def test_the_score_is_the_auc_of_held_out_positives_among_unobserved_items(planted):
    from sklearn.metrics import roc_auc_score

    model = clone(STOPPING).set_params(history_weight=0.0, tol=0.0).fit(planted.data)
    validation = held_out(model, planted.data)
    positives, others = validation.positives.toarray(), validation.excluded.toarray()
    scores = model.user_factors_ @ model.item_factors_.T
    users = np.flatnonzero(positives.sum(axis=1))
    aucs = [roc_auc_score(positives[u][others[u] == 0], scores[u][others[u] == 0]) for u in users]
    assert max(model.validation_scores_) == pytest.approx(np.mean(aucs), abs=1e-6)


def test_held_out_positives_are_neither_trained_on_nor_known_nor_in_the_history(planted, monkeypatch):
    made, histories = [], []
    take, init = Entries.take, Entries.__init__

    def note(entries, matrix, weight, trained):
        made.append(matrix)
        init(entries, matrix, weight, trained)

    def note_history(entries, users):
        histories.append(entries)
        return take(entries, users)

    monkeypatch.setattr(Entries, "__init__", note)
    monkeypatch.setattr(Entries, "take", note_history)
    with pytest.warns(ConvergenceWarning):
        model = clone(STOPPING).set_params(max_iter=1).fit(planted.data)
    validation = held_out(model, planted.data)
    (matrix,) = made
    assert validation.positives.nnz > 0
    assert matrix.multiply(validation.positives).nnz == 0
    assert matrix.nnz + validation.positives.nnz == model.interactions_.nnz
    assert all(entries.own.sum() == matrix.nnz for entries in histories)


def test_partial_fit_and_fold_in_hold_nothing_out(planted):
    model = clone(STOPPING).partial_fit(planted.data)
    assert not hasattr(model, "validation_scores_")
    model.fold_in(planted.data.iloc[:5])
    assert not hasattr(model, "validation_scores_")


def test_explicit_negatives_are_not_held_out():
    X = [["u", "a"], ["u", "b"], ["u", "c"], ["v", "a"], ["v", "d"]]
    y = [1, 1, 0, 1, 0]
    with pytest.warns(ConvergenceWarning):
        model = clone(STOPPING).set_params(max_iter=1).fit(X, y)
    held = held_out(model, np.array(X, dtype=object), y).positives.toarray()
    assert held.sum() == 1 and held[0, :2].sum() == 1


def test_warns_where_max_iter_ends_first_and_points_at_the_call(planted):
    with pytest.warns(ConvergenceWarning, match="max_iter=2") as caught:
        model = clone(STOPPING).set_params(max_iter=2).fit(planted.data)
    assert model.n_iter_ == 2
    assert caught[0].filename == __file__


def test_nobody_with_two_positives_is_an_error():
    model = clone(STOPPING)
    with pytest.raises(ValueError, match="early_stopping=True needs a user with two positives"):
        model.fit([["u", "a"], ["v", "b"], ["v", "c"]], [1, 1, 0])
    assert vars(model) == vars(clone(STOPPING))


def test_a_fit_without_early_stopping_has_no_validation_scores(planted):
    with pytest.warns(ConvergenceWarning):
        model = clone(STOPPING).set_params(max_iter=1).fit(planted.data)
    assert len(model.validation_scores_) == 1
    model.set_params(early_stopping=False).fit(planted.data)
    assert not hasattr(model, "validation_scores_")


def test_zero_epochs_ignore_early_stopping(planted):
    assert not hasattr(clone(STOPPING).set_params(max_iter=0).fit(planted.data), "validation_scores_")


def test_the_seed_chooses_what_is_held_out(planted):
    scores = []
    for seed in (0, 0, 1):
        with pytest.warns(ConvergenceWarning):
            model = clone(STOPPING).set_params(max_iter=1, random_state=seed).fit(planted.data)
        scores.append(model.validation_scores_)
    assert scores[0] == scores[1] != scores[2]


def test_verbose_prints_a_line_an_epoch_with_the_validation_auc(planted, capsys):
    model = clone(STOPPING).set_params(n_iter_no_change=1, tol=1.0, verbose=1).fit(planted.data)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"[TwoTowerRetriever] epoch {epoch}/200" for epoch in range(1, model.n_iter_ + 1)
    ]
    assert all("loss" in line and "validation AUC 0." in line for line in lines)


def test_without_validation_there_is_none_to_print_and_by_default_nothing(planted, capsys):
    model = clone(STOPPING).set_params(early_stopping=False, max_iter=1, verbose=1).fit(planted.data)
    printed = capsys.readouterr().out
    assert "epoch 1/1: loss" in printed and "AUC" not in printed
    model.set_params(verbose=0).fit(planted.data)
    assert capsys.readouterr().out == ""
