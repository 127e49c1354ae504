"""Metrics of rankings, of predicted probabilities and of policies, with intervals, comparisons and scorers."""

from skrec.metrics._at_k import (
    coverage_at_k,
    gini_at_k,
    hit_rate_at_k,
    map_at_k,
    mrr_at_k,
    ndcg_at_k,
    novelty_at_k,
    popularity_share_at_k,
    precision_at_k,
    recall_at_k,
)
from skrec.metrics._calibration import calibration_bins, expected_calibration_error
from skrec.metrics._click_rates import smoothed_rates
from skrec.metrics._inference import bootstrap_interval, compare_models
from skrec.metrics._off_policy import doubly_robust_value, ips_value, snips_value
from skrec.metrics._problem import RankingProblem
from skrec.metrics._roc_auc import auc_by_popularity, average_user_roc_auc, user_roc_auc
from skrec.metrics._scorer import make_ranking_scorer, ranking_metrics

__all__ = [
    "RankingProblem",
    "auc_by_popularity",
    "average_user_roc_auc",
    "bootstrap_interval",
    "calibration_bins",
    "compare_models",
    "coverage_at_k",
    "doubly_robust_value",
    "expected_calibration_error",
    "gini_at_k",
    "hit_rate_at_k",
    "ips_value",
    "make_ranking_scorer",
    "map_at_k",
    "mrr_at_k",
    "ndcg_at_k",
    "novelty_at_k",
    "popularity_share_at_k",
    "precision_at_k",
    "ranking_metrics",
    "recall_at_k",
    "smoothed_rates",
    "snips_value",
    "user_roc_auc",
]
