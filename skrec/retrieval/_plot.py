"""Recall of an approximate index against its speed."""

import time

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from skrec.retrieval._exact import ExactIndex


class RetrievalRecallDisplay:
    """Recall of an approximate index against queries per second, a point for each value of a parameter.

    Use `from_estimator` or `from_predictions`; the constructor takes what they computed.

    Parameters
    ----------
    recall : array-like of shape (n_points,)
        Share of the truly best items that were found, from 0 to 1.
    queries_per_second : array-like of shape (n_points,)
        Speed.
    k : int
        How many items were looked for.
    values : array-like of shape (n_points,), default=None
        Values of the parameter, written beside the points.
    exact_queries_per_second : float, default=None
        Speed of exact search, drawn as a line.
    name : str, default=None
        Name of the curve.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the plot.
    line_ : matplotlib Line2D
        The curve.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.retrieval import ApproximateIndex, RetrievalRecallDisplay
    >>> vectors = np.random.default_rng(0).normal(size=(500, 8))
    >>> index = ApproximateIndex().fit(vectors)
    >>> display = RetrievalRecallDisplay.from_estimator(index, vectors[:20], values=[8, 64])
    >>> display.recall.shape
    (2,)
    """

    def __init__(self, recall, queries_per_second, *, k, values=None, exact_queries_per_second=None, name=None):
        self.recall = recall
        self.queries_per_second = queries_per_second
        self.k = k
        self.values = values
        self.exact_queries_per_second = exact_queries_per_second
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        k=10,
        values=(16, 32, 64, 128, 256),
        parameter="expansion_search",
        candidates=None,
        exclude=None,
        name=None,
        ax=None,
        **kwargs,
    ):
        """Query a fitted index with each value of a parameter, time it, and compare with exact search.

        Parameters
        ----------
        estimator : fitted index
            Stays as it is.
        X : array-like of shape (n_queries, n_features)
            Queries; take those that will be asked. Hundreds, for times that mean something.
        k : int, default=10
            How many items to find.
        values : array-like of shape (n_points,), default=(16, 32, 64, 128, 256)
            Values of the parameter.
        parameter : str, default="expansion_search"
            A parameter that `query` reads.
        candidates, exclude : lists, default=None
            As in :meth:`ApproximateIndex.query`.
        name : str, default=None
            Name of the curve; None is the name of the class.
        ax : matplotlib Axes, default=None
            Where to draw; None draws in a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``, as `plot` does.

        Returns
        -------
        RetrievalRecallDisplay
            Already drawn.
        """
        check_is_fitted(estimator)
        exact = ExactIndex(estimator.metric, n_jobs=estimator.n_jobs).fit(estimator.vectors_)

        def ask(index):
            index.query(X, k, candidates=candidates, exclude=exclude)  # compiles, and warms the caches
            start = time.perf_counter()
            codes, _ = index.query(X, k, candidates=candidates, exclude=exclude)
            return codes, time.perf_counter() - start

        true_codes, exact_seconds = ask(exact)
        answers = [ask(copy_with(estimator, parameter, value)) for value in values]
        display = cls._compute(
            true_codes,
            [codes for codes, _ in answers],
            [seconds for _, seconds in answers],
            values=np.asarray(values),
            exact_seconds=exact_seconds,
            name=type(estimator).__name__ if name is None else name,
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls, true_codes, found_codes, seconds, *, values=None, exact_seconds=None, name=None, ax=None, **kwargs
    ):
        """Compare what an index found in several runs with what it should have found.

        Parameters
        ----------
        true_codes : array-like of shape (n_queries, k)
            The best items of each query, -1 in free places.
        found_codes : list of array-like of shape (n_queries, k)
            What each run found.
        seconds : array-like of shape (n_runs,)
            Time of each run, for all queries together.
        values : array-like of shape (n_runs,), default=None
            Values of the parameter that the runs differ in.
        exact_seconds : float, default=None
            Time of exact search.
        name : str, default=None
            Name of the curve.
        ax : matplotlib Axes, default=None
            Where to draw; None draws in a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``, as `plot` does.

        Returns
        -------
        RetrievalRecallDisplay
            Already drawn.
        """
        display = cls._compute(true_codes, found_codes, seconds, values=values, exact_seconds=exact_seconds, name=name)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def _compute(cls, true_codes, found_codes, seconds, *, values, exact_seconds, name):
        true_codes = np.asarray(true_codes)
        check_consistent_length(found_codes, seconds)
        n_queries, k = true_codes.shape
        return cls(
            np.array([recall_of(true_codes, np.asarray(found)) for found in found_codes]),
            n_queries / np.asarray(seconds, dtype=np.float64),
            k=k,
            values=values,
            exact_queries_per_second=None if exact_seconds is None else n_queries / exact_seconds,
            name=name,
        )

    def plot(self, ax=None, *, name=None, **kwargs):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None draws in a new figure.
        name : str, default=None
            Name of the curve; None is that of the display.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        RetrievalRecallDisplay
            Itself, with `ax_`, `figure_` and `line_`.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        name = self.name if name is None else name
        style = {"marker": "o", "label": name, **kwargs}
        (self.line_,) = ax.plot(self.recall, self.queries_per_second, **style)
        if self.values is not None:
            for value, recall, speed in zip(self.values, self.recall, self.queries_per_second, strict=True):
                ax.annotate(str(value), (recall, speed), textcoords="offset points", xytext=(4, 4), fontsize="small")
        if self.exact_queries_per_second is not None:
            ax.axhline(self.exact_queries_per_second, color="0.5", linestyle="--", label="exact")
        ax.set(xlabel=f"recall@{self.k}", ylabel="queries per second", yscale="log")
        if name is not None or self.exact_queries_per_second is not None:
            ax.legend(loc="best")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def recall_of(true_codes, found_codes):
    """Share of the true codes, -1 apart, that were found; 1 where there are none."""
    if true_codes.shape != found_codes.shape:
        raise ValueError(f"true codes have shape {true_codes.shape}, found ones {found_codes.shape}.")
    # Codes of different queries set apart, one membership test answers for all.
    stride = max(true_codes.max(initial=0), found_codes.max(initial=0)) + 1
    offset = np.arange(len(true_codes), dtype=np.int64)[:, None] * stride
    is_true, is_found = true_codes >= 0, found_codes >= 0
    hits = np.isin((true_codes + offset)[is_true], (found_codes + offset)[is_found])
    return float(hits.mean()) if len(hits) else 1.0


def copy_with(estimator, parameter, value):
    """Return a shallow copy of a fitted estimator with another value of a parameter that only `query` reads."""
    state = vars(estimator).copy()
    other = type(estimator).__new__(type(estimator))
    vars(other).update(state)
    return other.set_params(**{parameter: value})
