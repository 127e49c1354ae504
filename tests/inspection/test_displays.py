"""Displays draw what they are given, where they are told to."""

import pickle
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.manifold import TSNE
from sklearn.neural_network import MLPClassifier

from skrec import PopularityRecommender, TripletMF
from skrec.datasets import make_interactions
from skrec.inspection import EmbeddingMapDisplay, TrainingCurveDisplay


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


class Placed(BaseEstimator):
    """A recommender of which nothing but vectors and ids is asked."""

    def fit(self, ids, factors):
        self.item_ids_, self.item_factors_ = np.asarray(ids), np.asarray(factors)
        return self


VECTORS = np.random.default_rng(0).normal(size=(12, 5)) * [5, 3, 1, 1, 1]


@pytest.fixture(scope="module")
def data():
    return make_interactions(n_users=80, n_items=50, n_interactions=1500, random_state=0)


@pytest.fixture(scope="module")
def stopped(data):
    return TripletMF(
        n_components=4, max_iter=60, early_stopping=True, n_iter_no_change=2, learning_rate=0.3, random_state=0
    ).fit(data.data, data.target)


# The map


def test_the_map_is_the_principal_components():
    display = EmbeddingMapDisplay.from_predictions(VECTORS, name="a map")
    pca = PCA(2, random_state=0).fit(VECTORS)
    np.testing.assert_allclose(display.points, pca.transform(VECTORS))
    np.testing.assert_array_equal(display.scatters_[0].get_offsets(), display.points)
    assert display.ax_.get_xlabel() == f"component 1 ({pca.explained_variance_ratio_[0]:.0%} of variance)"
    assert display.ax_.get_title() == "a map"
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize("method", [TruncatedSVD(2, random_state=0), TSNE(2, perplexity=3, random_state=0)])
def test_any_transformer_may_draw_the_map(method):
    display = EmbeddingMapDisplay.from_predictions(VECTORS.astype(np.float32), method=method)
    expected = type(method)(**method.get_params()).fit_transform(VECTORS.astype(np.float32))
    np.testing.assert_allclose(display.points, expected, rtol=1e-4)
    assert not hasattr(method, "components_") and not hasattr(method, "embedding_")


def test_labels_are_colours_with_a_legend():
    labels = list("aaabbbbccccc")
    display = EmbeddingMapDisplay.from_predictions(VECTORS, labels=labels)
    shown = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert shown == ["c", "b", "a"]
    for label, scatter in zip(shown, display.scatters_, strict=True):
        np.testing.assert_array_equal(scatter.get_offsets(), display.points[np.array(labels) == label])
    colours = {tuple(scatter.get_facecolor()[0]) for scatter in display.scatters_}
    assert len(colours) == 3


def test_rare_and_missing_labels_are_gray():
    labels = [*"aabbccddeeffgghhiijk", None]
    vectors = np.random.default_rng(1).normal(size=(len(labels), 3))
    display = EmbeddingMapDisplay.from_predictions(vectors, labels=labels)
    shown = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert shown == ["other", *"abcdefghi"]
    np.testing.assert_array_equal(display.scatters_[0].get_offsets(), display.points[-3:])
    np.testing.assert_allclose(display.scatters_[0].get_facecolor()[0, :3], 0.7)


def test_numbers_are_a_scale():
    years = pd.Series(np.arange(12.0), name="year")
    years[3] = np.nan
    display = EmbeddingMapDisplay.from_predictions(VECTORS, labels=years)
    np.testing.assert_array_equal(display.scatters_[0].get_array(), np.delete(np.arange(12), 3))
    np.testing.assert_array_equal(display.scatters_[1].get_offsets(), display.points[[3]])
    assert display.figure_.axes[1].get_ylabel() == "year"
    flags = EmbeddingMapDisplay.from_predictions(VECTORS, labels=np.arange(12) % 2 == 0)
    assert len(flags.scatters_) == 2


def test_a_series_is_read_by_id_and_an_array_by_place():
    model = Placed().fit(list("lkjihgfedcba"), VECTORS)
    table = pd.Series({"a": "x", "b": "y", "zzz": "x", "c": "x"})
    display = EmbeddingMapDisplay.from_estimator(model, labels=table)
    assert display.labels.tolist()[-3:] == ["x", "y", "x"]
    assert display.labels.isna().tolist() == [True] * 9 + [False] * 3
    assert display.name == "Placed"
    by_place = EmbeddingMapDisplay.from_estimator(model, labels=list("xyxyxyxyxyxy"))
    assert by_place.labels == list("xyxyxyxyxyxy")
    nothing = EmbeddingMapDisplay.from_estimator(model, labels=table[:0])
    assert nothing.labels.isna().all()


def test_items_and_users_of_a_model_are_mapped(data, stopped):
    items = EmbeddingMapDisplay.from_estimator(stopped, labels=data.item_features["price"])
    assert items.points.shape == (len(stopped.item_ids_), 2)
    np.testing.assert_array_equal(items.labels, data.item_features.loc[stopped.item_ids_, "price"])
    users = EmbeddingMapDisplay.from_estimator(stopped, side="user", labels=data.user_features["country"], ax=items.ax_)
    assert users.points.shape == (len(stopped.user_ids_), 2)
    assert users.ax_ is items.ax_


def test_points_are_drawn_as_asked():
    fig, ax = plt.subplots()
    display = EmbeddingMapDisplay.from_predictions(VECTORS, ax=ax, s=40, marker="x", linewidths=1)
    assert display.ax_ is ax and display.figure_ is fig
    assert display.scatters_[0].get_sizes() == [40]
    again = display.plot(name="again")
    assert again is display and again.ax_ is not ax
    assert again.ax_.get_title() == "again"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: EmbeddingMapDisplay.from_estimator(m, side="films"), ValueError, "side must be .* got 'films'"),
        (lambda m: EmbeddingMapDisplay.from_estimator(m, side="user"), TypeError, "Placed has no user_factors_"),
        (lambda m: EmbeddingMapDisplay.from_estimator(Placed()), NotFittedError, "not fitted"),
        (lambda m: EmbeddingMapDisplay.from_estimator(m, labels=[1, 2]), ValueError, "2 entries for 12 points"),
        (lambda m: EmbeddingMapDisplay.from_estimator(m, method=PCA(3)), ValueError, r"two columns .* \(12, 3\)"),
        (lambda m: EmbeddingMapDisplay.from_predictions(VECTORS[:, :1]), ValueError, "minimum of 2 is required"),
        (lambda m: EmbeddingMapDisplay.from_predictions(VECTORS, labels=[[1]] * 12), TypeError, "one label a point"),
        (
            lambda m: EmbeddingMapDisplay.from_estimator(m, labels=pd.Series([1, 2], index=[5, 5])),
            ValueError,
            "more than one entry for the id 5",
        ),
        (
            lambda m: EmbeddingMapDisplay.from_estimator(m, labels=pd.Series([1, 2], index=["5", "6"])),
            TypeError,
            "ids of another type",
        ),
    ],
)
def test_a_map_that_cannot_be_drawn_says_why(call, error, message):
    with pytest.raises(error, match=message):
        call(Placed().fit(np.arange(12), VECTORS))


def test_models_without_vectors_cannot_be_mapped(data):
    model = PopularityRecommender().fit(data.data, data.target)
    with pytest.raises(TypeError, match="PopularityRecommender has no item_factors_"):
        EmbeddingMapDisplay.from_estimator(model)
    with pytest.raises(TypeError, match="PopularityRecommender has no loss_curve_"):
        TrainingCurveDisplay.from_estimator(model)


# The training curve


def test_the_curves_are_those_of_the_model(stopped):
    display = TrainingCurveDisplay.from_estimator(stopped)
    epochs = np.arange(1, stopped.n_iter_ + 1)
    loss, score = display.lines_
    np.testing.assert_array_equal(loss.get_xydata(), np.column_stack([epochs, stopped.loss_curve_]))
    np.testing.assert_array_equal(score.get_xydata(), np.column_stack([epochs, stopped.validation_scores_]))
    best = int(np.argmax(stopped.validation_scores_))
    assert display.validation_ax_.lines[1].get_xydata().tolist() == [[best + 1, stopped.validation_scores_[best]]]
    assert display.validation_ax_ is not display.ax_
    assert display.ax_.get_xlabel() == "epoch" and display.ax_.get_ylabel() == "loss"
    assert display.validation_ax_.get_ylabel() == "validation score"
    assert loss.get_color() != score.get_color()


def test_without_early_stopping_there_is_one_curve(data):
    model = TripletMF(n_components=4, max_iter=3, random_state=0).fit(data.data, data.target)
    display = TrainingCurveDisplay.from_estimator(model)
    assert len(display.lines_) == 1
    assert display.validation_ax_ is None
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["TripletMF"]


def test_several_models_are_laid_over_each_other_in_two_panels(stopped):
    fig, axes = plt.subplots(1, 2)
    for name in ("one", "two"):
        display = TrainingCurveDisplay.from_estimator(stopped, name=name, ax=axes, linewidth=3)
        assert display.ax_ is axes[0] and display.validation_ax_ is axes[1] and display.figure_ is fig
        assert {line.get_linewidth() for line in display.lines_} == {3}
    for ax in axes:
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]
    with pytest.raises(ValueError, match="got 3"):
        TrainingCurveDisplay.from_estimator(stopped, ax=plt.subplots(1, 3)[1])


def test_models_of_scikit_learn_are_drawn_too():
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = MLPClassifier(4, early_stopping=True, max_iter=200, random_state=0, tol=1.0).fit(X, X[:, 0] > 0)
    display = TrainingCurveDisplay.from_estimator(model)
    assert [len(line.get_xdata()) for line in display.lines_] == [model.n_iter_, model.n_iter_]
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(MLPClassifier())


# Both


def test_displays_that_are_not_drawn_can_be_stored(stopped):
    curve = TrainingCurveDisplay(stopped.loss_curve_, validation_scores=stopped.validation_scores_)
    points = EmbeddingMapDisplay(VECTORS[:, :2], labels=list("abcabcabcabc"))
    for display in (curve, points):
        assert vars(pickle.loads(pickle.dumps(display))).keys() == vars(display).keys()
        display.plot()


def test_matplotlib_is_imported_by_the_first_plot():
    script = (
        "import sys, numpy as np; from skrec.inspection import SamplerDiagnosticsDisplay, TrainingCurveDisplay; "
        "d = TrainingCurveDisplay([1.0]); print('matplotlib' in sys.modules); d.plot(); "
        "print('matplotlib' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "True"]
