"""Data sets: generated ones whose truth is known, and loaders of public ones."""

from skrec.datasets._amazon_beauty import fetch_amazon_beauty
from skrec.datasets._frappe import fetch_frappe
from skrec.datasets._lastfm import fetch_lastfm
from skrec.datasets._make_interactions import make_interactions
from skrec.datasets._movielens_1m import fetch_movielens_1m, fetch_movielens_1m_m1
from skrec.datasets._movielens_100k import fetch_movielens_100k
from skrec.datasets._open_bandit import fetch_open_bandit
from skrec.datasets._planted import PlantedPreference
from skrec.datasets._remote import get_data_home

__all__ = [
    "PlantedPreference",
    "fetch_amazon_beauty",
    "fetch_frappe",
    "fetch_lastfm",
    "fetch_movielens_100k",
    "fetch_movielens_1m",
    "fetch_movielens_1m_m1",
    "fetch_open_bandit",
    "get_data_home",
    "make_interactions",
]
