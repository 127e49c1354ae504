"""The epochs of a fit: callbacks are told of each, early stopping judges it, the best one is kept."""

import warnings
from contextlib import contextmanager

import numpy as np
from sklearn.exceptions import ConvergenceWarning


class FitTask:
    """A fit as the callbacks of an estimator see it: a task, with a subtask an epoch."""

    def __init__(self, estimator, X, y, max_iter):
        self._context = estimator._init_callback_context(max_subtasks=max_iter)
        self._given = {"estimator": estimator, "X": X, "y": y}

    @contextmanager
    def whole(self):
        """Tell of the fit's begin, and of its end unless it fails."""
        self._context.call_on_fit_task_begin(**self._given)
        yield
        self._context.call_on_fit_task_end(**self._given, reconstruction_attributes=dict)

    def begin_epoch(self):
        """Tell of an epoch's begin; return what to call at its end.

        That takes a callable, which makes the attributes of an estimator fitted so far, and returns whether a callback
        asks to stop.
        """
        epoch = self._context.subcontext(task_name="epoch")
        epoch.call_on_fit_task_begin(**self._given)
        return lambda attributes: epoch.call_on_fit_task_end(**self._given, reconstruction_attributes=attributes)


def run_epochs(estimator, task, max_iter, run, attributes, *, judge=None, keep=None, measure="AUC", depth=6):
    """Run epochs until all are over, one of the callbacks asks to stop, or the validation score no longer improves.

    Parameters
    ----------
    estimator : estimator
        Has `verbose`; and `tol` and `n_iter_no_change`, where epochs are judged.
    task : FitTask or None
        None: tell nobody, and print nothing.
    max_iter : int
    run : callable
        Trains the epoch of the number given, from 0; returns what `verbose` shall say of it.
    attributes : callable
        Returns the fitted attributes that the model so far would have, as a dict of what later epochs leave alone.
    judge : callable, default=None
        Returns the validation score of the model so far; the higher the better.
    keep : callable, default=None
        Returns a copy of the model so far.
    measure : str, default="AUC"
        What `judge` measures, or the negative of it.
    depth : int, default=6
        How many calls lie between the user and this one.

    Returns
    -------
    scores : list of float
        Of the epochs that were judged.
    best : object or None
        What was kept of the best of them.

    Warns
    -----
    ConvergenceWarning
        When the scores were still improving after the last epoch.
    """
    scores, best, best_score, stale, stopped = [], None, -np.inf, 0, False
    for epoch in range(max_iter):
        end = (lambda attributes: False) if task is None else task.begin_epoch()
        said = run(epoch)
        if judge is not None:
            scores.append(judge())
            said += f", validation {measure} {abs(scores[-1]):.4f}"
            if scores[-1] > best_score + estimator.tol:
                best_score, best, stale = scores[-1], keep(), 0
            else:
                stale += 1
                stopped = stale >= estimator.n_iter_no_change
        if task is not None and estimator.verbose:
            print(f"[{type(estimator).__name__}] epoch {epoch + 1}/{max_iter}: {said}")
        if end(attributes) or stopped:
            stopped = True
            break
    if judge is not None and not stopped:
        warnings.warn(
            f"The validation {measure} had not stopped improving when max_iter={max_iter} epochs were over; raise "
            "max_iter or learning_rate.",
            ConvergenceWarning,
            stacklevel=depth + 1,
        )
    return scores, best


def step_sizes(rate, epoch, max_iter, n_steps):
    """Return a function of the number of a step in its epoch: a rate that falls linearly, to 0 at the end of the fit.

    Without `max_iter`, the rate of every step.
    """
    if max_iter is None:
        return lambda step: rate
    return lambda step: rate * (1 - (epoch * n_steps + step) / (max_iter * n_steps))


def store_curves(estimator, losses, scores=None, *, going_on=False):
    """Set what tells of the epochs: losses, and validation scores where they were judged.

    A fit that goes on from an earlier one without judging leaves that one's scores.
    """
    estimator.loss_curve_, estimator.n_iter_ = losses, len(losses)
    if scores is not None:
        estimator.validation_scores_ = scores
    elif hasattr(estimator, "validation_scores_") and not going_on:
        del estimator.validation_scores_
