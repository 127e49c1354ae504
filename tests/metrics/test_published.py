"""Figures for popularity on public data, computed elsewhere with other code."""

import pytest

from skrec import PopularityRecommender
from skrec.datasets import fetch_movielens_1m_m1
from skrec.metrics import ranking_metrics


@pytest.mark.data
def test_popularity_on_movielens_1m_has_the_known_recall_and_ndcg(data_home):
    X_train, _ = fetch_movielens_1m_m1(subset="train", return_X_y=True, as_frame=False)
    X_test, _ = fetch_movielens_1m_m1(subset="test", return_X_y=True, as_frame=False)
    report = ranking_metrics(PopularityRecommender().fit(X_train), X_test, metrics=["recall@20", "ndcg@20"])
    assert report.scores == pytest.approx({"recall@20": 0.1161, "ndcg@20": 0.1176}, abs=1e-4)
    assert len(report.user_ids) == 6022
