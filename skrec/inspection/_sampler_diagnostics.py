"""What a sampler drew while a model was trained."""

import numpy as np
from sklearn.base import clone

from skrec.inspection._sampler_monitor import SamplerMonitor

# Title of each panel and the curves in it: parameter, style, and what tells it from the others.
_PANELS = (
    ("positive's score less the negative's", (("score_gap", "-", ""),)),
    ("triplets without a gradient", (("zero_gradient_share", "-", ""),)),
    ("popularity percentile of the negatives", (("popularity_percentile", "-", ""),)),
    (
        "negatives that are held-out positives",
        (("false_negative_rate", "-", "drawn"), ("chance_rate", ":", "by chance")),
    ),
    ("H of negatives", (("expectation_false", "-", "false"), ("expectation_true", "--", "true"))),
    ("G of negatives", (("gain_false", "-", "false"), ("gain_true", "--", "true"))),
)
_CURVES = tuple(name for _, curves in _PANELS for name, _, _ in curves)


class SamplerDiagnosticsDisplay:
    """How hard the negatives were in each epoch, how popular, and how many of them false.

    Create one with `from_estimator`, or with `from_predictions` from what a :class:`SamplerMonitor` has recorded; the
    constructor takes the curves, whose meaning is told there. Curves that are None are not drawn.

    Parameters
    ----------
    score_gap, zero_gradient_share, popularity_percentile : array-like of shape (n_epochs,)
        Score of the positive less that of the negative, share of triplets without a gradient, and popularity of what
        is drawn.
    false_negative_rate, chance_rate : array-like of shape (n_epochs,), default=None
        Share of the draws that hit held-out positives, and that of uniform draws.
    expectation_false, expectation_true : array-like of shape (n_epochs,), default=None
        H of held-out positives and of other unobserved items: how likely they rank above a positive.
    gain_false, gain_true : array-like of shape (n_epochs,), default=None
        G of them: the smoothed relative drop of H.
    name : str, default=None
        Name of the curves.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        A panel for each of: gap, gradients, popularity and, where they are known, false negatives, H and G.
    figure_ : matplotlib Figure
        Figure of the plot.
    lines_ : dict of matplotlib Line2D
        The curves, by the names of the parameters.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.datasets import make_interactions
    >>> from skrec.inspection import SamplerDiagnosticsDisplay
    >>> from skrec.samplers import DynamicSampler
    >>> X, _ = make_interactions(return_X_y=True, random_state=0)
    >>> model = TripletMF(n_components=8, sampler=DynamicSampler(), max_iter=3, random_state=0)
    >>> display = SamplerDiagnosticsDisplay.from_estimator(model, X.drop(X.index[::5]), held_out=X[::5])
    >>> len(display.axes_), len(display.score_gap)
    (6, 3)
    """

    def __init__(
        self,
        score_gap,
        zero_gradient_share,
        popularity_percentile,
        *,
        false_negative_rate=None,
        chance_rate=None,
        expectation_false=None,
        expectation_true=None,
        gain_false=None,
        gain_true=None,
        name=None,
    ):
        self.score_gap = score_gap
        self.zero_gradient_share = zero_gradient_share
        self.popularity_percentile = popularity_percentile
        self.false_negative_rate = false_negative_rate
        self.chance_rate = chance_rate
        self.expectation_false = expectation_false
        self.expectation_true = expectation_true
        self.gain_false = gain_false
        self.gain_true = gain_true
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, sample_weight=None, held_out=None, random_state=0, name=None, ax=None, **kwargs
    ):
        """Train a clone of an estimator with a :class:`SamplerMonitor`, and draw what it has recorded.

        Parameters
        ----------
        estimator : TripletMF
            It is not fitted itself, nor need it be.
        X, y, sample_weight
            What to train on, as in its `fit`.
        held_out : array-like or frame, default=None
            Positives that are not in `X`, in the same columns.
        random_state : int, default=0
            Seed of the draws that are looked at.
        name : str, default=None
            Name of the curves; None is the sampler.
        ax : array of matplotlib Axes, default=None
            Where to draw, as in `plot`.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        SamplerDiagnosticsDisplay
            Already drawn.
        """
        monitor = SamplerMonitor(held_out=held_out, random_state=random_state)
        model = clone(estimator).set_callbacks(monitor).fit(X, y, sample_weight)
        name = repr(model.sampler_) if name is None else name
        return cls.from_predictions(monitor.get_logs(), name=name, ax=ax, **kwargs)

    @classmethod
    def from_predictions(cls, log, *, name=None, ax=None, **kwargs):
        """Draw what a monitor has recorded.

        Parameters
        ----------
        log : log of a SamplerMonitor, or list of dict
            What its `get_logs` returns, or rows of it: one of each epoch of one fit.
        name : str, default=None
            Name of the curves.
        ax : array of matplotlib Axes, default=None
            Where to draw, as in `plot`.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        SamplerDiagnosticsDisplay
            Already drawn.

        Raises
        ------
        ValueError
            When the log is that of several fits, as a search leaves.
        """
        rows = list(getattr(log, "data", log))
        fits = {row.get("parent_task_id_path") for row in rows}
        if len(fits) != 1:
            raise ValueError(
                f"log holds the epochs of {len(fits)} fits; give those of one: the rows of one 'parent_task_id_path'."
            )
        curves = {key: [row[key] for row in rows] for key in _CURVES if key in rows[0]}
        return cls(**curves, name=name).plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, name=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : array of matplotlib Axes, default=None
            Where to draw, as many as there are panels: `axes_` of another display lays the two over each other. None
            draws in a new figure.
        name : str, default=None
            Name of the curves; None is that of the display.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        SamplerDiagnosticsDisplay
            Itself, with `axes_`, `figure_` and `lines_`.
        """
        import matplotlib.pyplot as plt
        from matplotlib.lines import Line2D

        known = [(title, [c for c in curves if getattr(self, c[0]) is not None]) for title, curves in _PANELS]
        panels = [(title, curves) for title, curves in known if curves]
        if ax is None:
            n_rows = -(-len(panels) // 3)
            _, ax = plt.subplots(n_rows, 3, figsize=(10, 2.8 * n_rows), layout="constrained", squeeze=False)
        axes = np.ravel(np.asarray(ax, dtype=object))
        if len(axes) != len(panels):
            raise ValueError(f"ax must be {len(panels)} Axes, one for each panel; got {len(axes)}.")
        name = self.name if name is None else name
        self.axes_, self.figure_, self.lines_ = axes, axes[0].figure, {}
        for panel, (title, curves) in zip(axes, panels, strict=True):
            style = {"label": name}
            for curve, dashes, _ in curves:
                values = getattr(self, curve)
                epochs = np.arange(1, len(values) + 1)
                (self.lines_[curve],) = panel.plot(epochs, values, **{"linestyle": dashes, **style, **kwargs})
                style = {"color": self.lines_[curve].get_color()}  # two curves of one model differ in style alone
            panel.set_title(title, fontsize="medium")
            panel.set_xlabel("epoch")
            panel.xaxis.get_major_locator().set_params(integer=True)
            if len(curves) > 1:
                keys = [Line2D([], [], color="0.3", linestyle=dashes, label=which) for _, dashes, which in curves]
                panel.legend(handles=keys, fontsize="small")
            elif name is not None and panel is axes[0]:
                panel.legend(fontsize="small")
        return self
