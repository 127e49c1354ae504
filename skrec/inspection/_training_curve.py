"""How training went: the loss of each epoch, and what it was worth on held-out rows."""

import numpy as np
from sklearn.utils.validation import check_is_fitted


class TrainingCurveDisplay:
    """Loss of each epoch and, where there was early stopping, the validation score beside it.

    Create one with `from_estimator`; the constructor takes the curves.

    Parameters
    ----------
    loss : array-like of shape (n_epochs,)
        Mean loss of each epoch.
    validation_scores : array-like of shape (n_epochs,), default=None
        Score on held-out rows after each epoch, the higher the better. Where training went on after early stopping it
        is shorter.
    name : str, default=None
        Name of the curves.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the loss.
    validation_ax_ : matplotlib Axes or None
        Axes of the score, which shares the epochs with `ax_`.
    figure_ : matplotlib Figure
        Figure of the plot.
    lines_ : list of matplotlib Line2D
        The loss, and the score if there is one.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.datasets import make_interactions
    >>> from skrec.inspection import TrainingCurveDisplay
    >>> X, y = make_interactions(return_X_y=True, random_state=0)
    >>> model = TripletMF(max_iter=30, early_stopping=True, n_iter_no_change=3, random_state=0).fit(X, y)
    >>> display = TrainingCurveDisplay.from_estimator(model)
    >>> len(display.loss) == len(display.validation_scores) == model.n_iter_
    True
    """

    def __init__(self, loss, *, validation_scores=None, name=None):
        self.loss = loss
        self.validation_scores = validation_scores
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None, **kwargs):
        """Draw the curves that a fit has left.

        Parameters
        ----------
        estimator : fitted estimator
            Has `loss_curve_`, and `validation_scores_` if its training watched a validation score:
            :class:`~skrec.TripletMF` and other trained models of this package, and
            :class:`~sklearn.neural_network.MLPClassifier`.
        name : str, default=None
            Name of the curves; None is the name of the class.
        ax : matplotlib Axes or pair of Axes, default=None
            Where to draw, as in `plot`.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        TrainingCurveDisplay
            Already drawn.

        Raises
        ------
        TypeError
            When the estimator has no `loss_curve_`.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "loss_curve_"):
            raise TypeError(f"{type(estimator).__name__} has no loss_curve_: it is not trained in epochs.")
        display = cls(
            estimator.loss_curve_,
            validation_scores=getattr(estimator, "validation_scores_", None),
            name=type(estimator).__name__ if name is None else name,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, name=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or pair of Axes, default=None
            Where to draw. In one Axes the score has a scale of its own on the right; of two, the second gets the score,
            which is the clearer way to lay several models over each other. None draws in a new figure.
        name : str, default=None
            Name of the curves; None is that of the display.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        TrainingCurveDisplay
            Itself, with `ax_`, `validation_ax_`, `figure_` and `lines_`.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        panels = np.ravel(np.asarray(ax, dtype=object))
        if len(panels) > 2:
            raise ValueError(f"ax must be one Axes, or two for the loss and the score; got {len(panels)}.")
        self.ax_, self.figure_ = panels[0], panels[0].figure
        name = self.name if name is None else name
        self.lines_ = [_draw(self.ax_, self.loss, "loss", name, **kwargs)]
        self.validation_ax_ = None
        scores = self.validation_scores
        if scores is not None and len(scores):
            twin = len(panels) == 1
            self.validation_ax_ = self.ax_.twinx() if twin else panels[1]
            # Two lines in one place differ in style and colour; in places of their own, models do in colour alone.
            style = {"color": "C1", "linestyle": "--"} if twin else {}
            line = _draw(self.validation_ax_, scores, "validation score", name, **{**style, **kwargs})
            best = int(np.argmax(scores))
            self.validation_ax_.plot(best + 1, scores[best], "o", color=line.get_color())
            self.lines_.append(line)
        for panel in {self.ax_, self.validation_ax_} - {None}:
            panel.xaxis.get_major_locator().set_params(integer=True)
        if self.validation_ax_ is not None and len(panels) == 1:
            self.validation_ax_.legend(self.lines_, ["loss", "validation score"], loc="center right")
            self.ax_.set_title(name or "")
        elif name is not None:
            for panel in panels[: len(self.lines_)]:
                panel.legend(loc="best")
        return self


def _draw(ax, values, what, name, **style):
    """Draw a curve over epochs counted from 1."""
    (line,) = ax.plot(np.arange(1, len(values) + 1), values, **{"label": name, **style})
    ax.set(xlabel="epoch", ylabel=what)
    return line
