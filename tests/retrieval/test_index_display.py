"""The display of recall against speed shows what it was given, and measures what it says."""

import time

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skrec.retrieval import ApproximateIndex, ExactIndex, RetrievalRecallDisplay


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_recall_is_the_share_of_the_true_items_that_were_found():
    truth = [[1, 2, 3], [4, -1, -1]]
    found = [[[1, 2, 3], [4, -1, -1]], [[3, 9, 1], [5, -1, -1]], [[4, -1, -1], [1, -1, -1]]]
    display = RetrievalRecallDisplay.from_predictions(
        truth, found, [0.5, 0.25, 0.1], values=[3, 2, 1], exact_seconds=2.0
    )
    assert display.recall.tolist() == [1.0, 0.5, 0.0]
    assert display.queries_per_second.tolist() == [4.0, 8.0, 20.0]
    assert display.exact_queries_per_second == 1.0
    np.testing.assert_array_equal(display.line_.get_xydata(), np.transpose([display.recall, [4, 8, 20]]))
    assert [text.get_text() for text in display.ax_.texts] == ["3", "2", "1"]
    assert display.ax_.get_xlabel() == "recall@3"


def test_an_index_is_queried_with_each_value_and_stays_as_it_was(monkeypatch):
    pytest.importorskip("hnswlib", reason="the ann extra is not installed")
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(3000, 8)), rng.normal(size=(50, 8))
    index = ApproximateIndex(expansion_search=7).fit(vectors)
    clock = iter(np.arange(100.0))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    _, ax = plt.subplots()
    display = RetrievalRecallDisplay.from_estimator(
        index, queries, k=5, values=[5, 500], exclude=[0], ax=ax, color="C3"
    )
    assert index.expansion_search == 7
    assert 0.5 < display.recall[0] < display.recall[1] <= 1.0
    assert display.queries_per_second.tolist() == [50.0, 50.0]
    assert display.ax_ is ax and display.line_.get_color() == "C3"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ApproximateIndex", "exact"]


def test_the_exact_index_finds_all():
    vectors = np.random.default_rng(0).normal(size=(100, 4))
    display = RetrievalRecallDisplay.from_estimator(
        ExactIndex("cosine").fit(vectors), vectors[:9], parameter="n_jobs", values=[1, 2]
    )
    assert display.recall.tolist() == [1.0, 1.0]


def test_lists_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match=r"true codes have shape \(1, 2\)"):
        RetrievalRecallDisplay.from_predictions([[1, 2]], [[[1]]], [1.0])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        RetrievalRecallDisplay.from_predictions([[1, 2]], [[[1, 2]]], [1.0, 2.0])
