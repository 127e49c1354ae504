"""The loop over epochs that iterative estimators share: which epoch is kept, when it stops, whom it warns."""

import warnings
from types import SimpleNamespace

import pytest
from sklearn.exceptions import ConvergenceWarning

from skrec import CTRRanker, DeepTriplet, TripletMF, TwoTowerRetriever
from skrec._epochs import run_epochs, step_sizes
from skrec.datasets import make_interactions


def go(scores, **options):
    """Run epochs with the given validation scores; what is kept is the number of the epoch."""
    epochs = []
    estimator = SimpleNamespace(tol=0.01, n_iter_no_change=2, verbose=0)
    found = run_epochs(
        estimator,
        None,
        options.pop("max_iter", len(scores)),
        lambda epoch: epochs.append(epoch) or "",
        dict,
        judge=lambda: scores[epochs[-1]],
        keep=lambda: epochs[-1],
    )
    return *found, len(epochs)


def test_the_best_epoch_is_kept_and_the_run_ends_after_two_without_improvement():
    assert go([0.5, 0.7, 0.6, 0.65, 0.9]) == ([0.5, 0.7, 0.6, 0.65], 1, 4)


def test_an_improvement_of_less_than_tol_is_none():
    assert go([0.5, 0.505, 0.509, 0.9])[1:] == (0, 3)


def test_scores_may_be_negative():
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        assert go([-0.7, -0.6, -0.5])[1:] == (2, 3)


def test_the_rate_falls_evenly_over_the_steps_of_all_epochs():
    rates = [step_sizes(0.6, epoch, 2, 3)(step) for epoch in range(2) for step in range(3)]
    assert rates == pytest.approx([0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert step_sizes(0.6, 1, None, 3)(2) == 0.6


@pytest.mark.parametrize("kind", [TripletMF, TwoTowerRetriever, DeepTriplet, CTRRanker])
def test_the_warning_points_to_the_line_that_called_fit(kind):
    X, y = make_interactions(
        n_users=40, n_items=30, n_interactions=500, negative_fraction=0.3, return_X_y=True, random_state=0
    )
    model = (
        kind(4, max_iter=1, early_stopping=True) if kind is not DeepTriplet else kind(max_iter=1, early_stopping=True)
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(X, y > 0)
    assert [warning.filename for warning in caught if warning.category is ConvergenceWarning] == [__file__]
