"""A map of users or items: their vectors in two dimensions."""

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skrec.utils._ids import encode_ids, first_few

# Colours that can be told apart; what is rarer than so many categories is drawn in gray.
_MAX_CATEGORIES = 9


class EmbeddingMapDisplay:
    """Vectors of items or users as points of a plane, coloured by what is known of them.

    Create one with `from_estimator` or `from_predictions`; the constructor takes what they computed.

    Parameters
    ----------
    points : ndarray of shape (n_points, 2)
        Where they lie.
    labels : array-like of shape (n_points,), default=None
        Colours: a scale for numbers, otherwise a colour for each of the nine commonest and gray for the rest. A missing
        label is gray. None: one colour.
    axis_names : tuple of str, default=("component 1", "component 2")
        Names of the axes.
    name : str, default=None
        Title of the plot.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the plot.
    scatters_ : list of matplotlib PathCollection
        The points, a collection for each colour of the legend.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.datasets import make_interactions
    >>> from skrec.inspection import EmbeddingMapDisplay
    >>> data = make_interactions(random_state=0)
    >>> model = TripletMF(max_iter=2, random_state=0).fit(data.data, data.target)
    >>> display = EmbeddingMapDisplay.from_estimator(model, labels=data.item_features["category"])
    >>> display.points.shape == (len(model.item_ids_), 2)
    True
    """

    def __init__(self, points, *, labels=None, axis_names=("component 1", "component 2"), name=None):
        self.points = points
        self.labels = labels
        self.axis_names = axis_names
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, side="item", labels=None, method=None, name=None, ax=None, **kwargs):
        """Map the items or the users of a fitted recommender.

        Parameters
        ----------
        estimator : fitted recommender
            Has `item_ids_` and `item_factors_`, or those of users.
        side : {"item", "user"}, default="item"
            What to map.
        labels : pandas Series or array-like of shape (n_ids,), default=None
            A Series is read by its index: a column of a side table, whose other rows do not matter, and an id that it
            lacks has no label. Anything else is in the order of `item_ids_`.
        method : transformer, default=None
            Anything with a `fit_transform` that makes two columns of the vectors, such as
            :class:`~sklearn.manifold.TSNE`. It is cloned. None is a :class:`~sklearn.decomposition.PCA`.
        name : str, default=None
            Title of the plot; None is the name of the class.
        ax : matplotlib Axes, default=None
            Where to draw; None draws in a new figure.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        EmbeddingMapDisplay
            Already drawn.

        Raises
        ------
        ValueError
            When `side` is neither, labels and ids do not match in number, or the points are not in a plane.
        TypeError
            When the estimator has no vectors of that side.
        """
        if side not in ("item", "user"):
            raise ValueError(f"side must be 'item' or 'user', got {side!r}.")
        check_is_fitted(estimator)
        vectors = getattr(estimator, f"{side}_factors_", None)
        if vectors is None:
            raise TypeError(f"{type(estimator).__name__} has no {side}_factors_: it places no {side}s to map.")
        if type(labels).__module__.partition(".")[0] == "pandas" and hasattr(labels, "index"):
            labels = _labels_of(getattr(estimator, f"{side}_ids_"), labels)
        name = type(estimator).__name__ if name is None else name
        return cls.from_predictions(vectors, labels=labels, method=method, name=name, ax=ax, **kwargs)

    @classmethod
    def from_predictions(cls, embeddings, *, labels=None, method=None, name=None, ax=None, **kwargs):
        """Map vectors.

        Parameters
        ----------
        embeddings : array-like of shape (n_points, n_components)
            The vectors.
        labels : array-like of shape (n_points,), default=None
            What to colour them by, in their order.
        method : transformer, default=None
            As in `from_estimator`.
        name : str, default=None
            Title of the plot.
        ax : matplotlib Axes, default=None
            Where to draw; None draws in a new figure.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        EmbeddingMapDisplay
            Already drawn.
        """
        embeddings = check_array(embeddings, ensure_min_samples=2, ensure_min_features=2, input_name="embeddings")
        if labels is not None and len(labels) != len(embeddings):
            raise ValueError(f"labels has {len(labels)} entries for {len(embeddings)} points.")
        method = PCA(2, random_state=0) if method is None else clone(method)
        points = np.asarray(method.fit_transform(embeddings))
        if points.shape != (len(embeddings), 2):
            raise ValueError(
                f"method={method!r} must make two columns of the vectors; it made an array of shape {points.shape}."
            )
        axis_names = ("component 1", "component 2")
        if hasattr(method, "explained_variance_ratio_"):
            shares = method.explained_variance_ratio_
            axis_names = tuple(
                f"{axis} ({share:.0%} of variance)" for axis, share in zip(axis_names, shares, strict=True)
            )
        return cls(points, labels=labels, axis_names=axis_names, name=name).plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, name=None, **kwargs):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None draws in a new figure.
        name : str, default=None
            Title; None is that of the display.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        EmbeddingMapDisplay
            Itself, with `ax_`, `figure_` and `scatters_`.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        style = {"s": 12, "alpha": 0.7, "linewidths": 0, **kwargs}
        values, categories = _colours(self.labels, len(self.points))
        if values is not None:
            missing = np.isnan(values)
            points = ax.scatter(*self.points[~missing].T, c=values[~missing], **style)
            self.scatters_ = [points]
            if missing.any():
                self.scatters_.append(ax.scatter(*self.points[missing].T, **{**style, "color": "0.7"}, label="missing"))
            ax.figure.colorbar(points, ax=ax, label=getattr(self.labels, "name", None) or "")
        else:
            self.scatters_ = [
                ax.scatter(*self.points[rows].T, **{**style, **({"color": "0.7"} if gray else {})}, label=label)
                for label, rows, gray in categories
            ]
            if self.labels is not None:
                ax.legend(loc="best", fontsize="small", markerscale=2)
        ax.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1], title=(self.name if name is None else name) or "")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _labels_of(ids, labels):
    """Bring a pandas Series into the order of ids; what it lacks is missing."""
    if not labels.index.is_unique:
        twice = first_few(labels.index[labels.index.duplicated()], 1)
        raise ValueError(f"labels has more than one entry for the id {twice}.")
    places = encode_ids(ids, np.asarray(labels.index), "labels")
    found = labels.iloc[np.maximum(places, 0)] if len(labels) else labels.reindex(ids)
    return found.where(places >= 0)


def _colours(labels, n_points):
    """Return numbers for a scale, or (label, rows, whether it is gray) for each colour."""
    import pandas as pd

    if labels is None:
        return None, [(None, np.arange(n_points), False)]
    labels = pd.Series(labels)
    if pd.api.types.is_numeric_dtype(labels) and not pd.api.types.is_bool_dtype(labels):
        return labels.to_numpy(dtype=np.float64, na_value=np.nan), None
    try:
        codes, distinct = pd.factorize(labels)
    except TypeError as error:
        raise TypeError(f"labels must have one label a point, to colour it by; got {labels.iloc[0]!r}.") from error
    count = np.bincount(codes[codes >= 0], minlength=len(distinct))
    common = np.argsort(-count, kind="stable")[:_MAX_CATEGORIES]
    categories = [(str(distinct[code]), np.flatnonzero(codes == code), False) for code in common]
    rest = np.flatnonzero(~np.isin(codes, common))
    return None, [*([("other", rest, True)] if len(rest) else []), *categories]
