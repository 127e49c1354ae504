"""Early stopping holds out positives, stops in time and keeps the best epoch."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skrec import TripletMF
from skrec._holdout import hold_out
from skrec.samplers import BaseSampler
from skrec.utils._validation import check_interactions

STOPPING = TripletMF(n_components=8, max_iter=200, early_stopping=True, n_iter_no_change=3, random_state=0)


class Recorder(BaseSampler):
    """Uniform in plain Python, and remembers the pairs that it was asked for."""

    pairs = set()

    def draw_block(self, users, positives, rng):
        Recorder.pairs.update(zip(users.tolist(), positives.tolist(), strict=True))
        return rng.integers(self.n_features_in_, size=len(users))


def held_out(model, X, y=None):
    """What the fit of `model` held out."""
    interactions = check_interactions(clone(model), X, y)
    return hold_out(interactions.matrix, interactions.weight, model.validation_fraction, model._seed)


@pytest.fixture(scope="module")
def stopped(planted):
    return clone(STOPPING).fit(planted.data)


def test_stops_after_n_epochs_without_improvement_by_tol(stopped):
    assert stopped.n_iter_ < 200
    assert len(stopped.validation_scores_) == len(stopped.loss_curve_) == stopped.n_iter_
    best, stale = -np.inf, []
    for score in stopped.validation_scores_:
        improved = score > best + stopped.tol
        stale.append(0 if improved else stale[-1] + 1)
        best = score if improved else best
    assert stale.index(3) == stopped.n_iter_ - 1


def test_keeps_the_best_epoch(planted):
    model = clone(STOPPING).set_params(tol=0.0).fit(planted.data)
    best = int(np.argmax(model.validation_scores_))
    assert best == model.n_iter_ - 4
    validation = held_out(model, planted.data)
    kept = validation.auc(model.user_factors_, model.item_factors_, model.item_biases_)
    assert kept == model.validation_scores_[best]
    assert kept > model.validation_scores_[-1]


def test_the_score_is_the_auc_of_held_out_positives_among_unobserved_items(stopped, planted):
    from sklearn.metrics import roc_auc_score

    validation = held_out(stopped, planted.data)
    positives, others = validation.positives.toarray(), validation.excluded.toarray()
    scores = stopped.user_factors_ @ stopped.item_factors_.T
    aucs = [
        roc_auc_score(positives[u][others[u] == 0], scores[u][others[u] == 0])
        for u in np.flatnonzero(positives.sum(axis=1))
    ]
    assert stopped.validation_scores_[-4] == pytest.approx(np.mean(aucs))


def test_a_tenth_of_each_users_positives_is_held_out_and_at_least_one_of_two(planted):
    model = clone(STOPPING).set_params(max_iter=1)
    with pytest.warns(ConvergenceWarning):
        model.fit(planted.data)
    counts = np.diff(model.interactions_.indptr)
    held = np.diff(held_out(model, planted.data).positives.indptr)
    np.testing.assert_array_equal(held, np.where(counts > 1, np.clip(np.round(counts / 10), 1, counts - 1), 0))


def test_held_out_positives_are_to_training_as_if_they_were_absent(planted):
    model = clone(STOPPING).set_params(sampler=Recorder(), max_iter=2, n_iter_no_change=1)
    Recorder.pairs.clear()
    with pytest.warns(ConvergenceWarning):
        model.fit(planted.data)
    validation = held_out(model, planted.data)
    held = set(zip(*(side.tolist() for side in validation.positives.nonzero()), strict=True))
    rest = set(zip(*(side.tolist() for side in validation.excluded.nonzero()), strict=True))
    assert Recorder.pairs == rest
    assert not held & rest
    seen = model.sampler_.matrix_
    assert seen.nnz == model.interactions_.nnz - len(held)
    assert not held & set(zip(*(side.tolist() for side in seen.nonzero()), strict=True))


def test_held_out_positives_are_drawn_as_often_as_any_unobserved_item(planted):
    with pytest.warns(ConvergenceWarning):
        model = clone(STOPPING).set_params(max_iter=1).fit(planted.data)
    validation = held_out(model, planted.data)
    n_users, n_items = validation.positives.shape
    draws = model.sampler_.sample(np.arange(n_users), 400, random_state=0)
    hits = np.asarray(validation.positives[np.repeat(np.arange(n_users), 400), draws.ravel()]).ravel() > 0
    expected = np.diff(validation.positives.indptr) / (n_items - np.diff(validation.training.indptr))
    assert hits.mean() == pytest.approx(expected.mean(), rel=0.05)


def test_partial_fit_holds_nothing_out(planted):
    model = clone(STOPPING).partial_fit(planted.data)
    assert not hasattr(model, "validation_scores_")
    assert model.sampler_.matrix_.nnz == model.interactions_.nnz


def test_explicit_negatives_are_not_held_out():
    X = [["u", "a"], ["u", "b"], ["u", "c"], ["v", "a"], ["v", "d"]]
    y = [1, 1, 0, 1, 0]
    with pytest.warns(ConvergenceWarning):
        model = clone(STOPPING).set_params(max_iter=1).fit(X, y)
    held = held_out(model, np.array(X, dtype=object), y).positives.toarray()
    assert held.sum() == 1 and held[0, :2].sum() == 1


def test_warns_where_max_iter_ends_first(planted):
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        model = clone(STOPPING).set_params(max_iter=2).fit(planted.data)
    assert model.n_iter_ == 2


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


def test_the_seed_chooses_what_is_held_out(planted):
    scores = []
    for seed in (0, 0, 1):
        with pytest.warns(ConvergenceWarning):
            scores.append(
                clone(STOPPING).set_params(max_iter=1, random_state=seed).fit(planted.data).validation_scores_
            )
    assert scores[0] == scores[1] != scores[2]
