"""Metrics by name: ``"auc"``, ``"recall@20"``."""

from numbers import Integral
from typing import NamedTuple

AUC = ("auc", "auc_head", "auc_middle", "auc_tail")
AT_K = (
    "precision",
    "recall",
    "ndcg",
    "map",
    "mrr",
    "hit_rate",
    "coverage",
    "novelty",
    "popularity_share",
    "gini",
)


class Metric(NamedTuple):
    """A metric and the length of the lists that it judges; 0 for one of the whole ranking."""

    kind: str
    k: int

    def __str__(self):
        return f"{self.kind}@{self.k}" if self.k else self.kind


def parse_metrics(metrics):
    """Return a list of `Metric` for a name or a list of names."""
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    if not names:
        raise ValueError("metrics is empty: give at least one name, such as 'auc' or 'ndcg@10'.")
    return [_parse(name) for name in names]


def check_count(value, name):
    """Check a parameter that counts something, at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r} must be an integer of at least 1.")
    return int(value)


def check_option(value, name, allowed):
    """Check a parameter that takes one of a few values."""
    if not (value is None or isinstance(value, str)) or value not in allowed:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, allowed))}.")


def _parse(name):
    kind, at, k = name.partition("@") if isinstance(name, str) else (name, "", "")
    if kind in AUC and not at:
        return Metric(kind, 0)
    if kind in AT_K and k.isdecimal() and int(k) > 0:
        return Metric(kind, int(k))
    if kind in AT_K:
        raise ValueError(f"metric {name!r} needs the length of the list, at least 1: for instance '{kind}@10'.")
    raise ValueError(
        f"{name!r} is not a metric. Allowed are {', '.join(map(repr, AUC))}, and with the length of the list behind an "
        f"@, as in 'recall@20': {', '.join(map(repr, AT_K))}."
    )
