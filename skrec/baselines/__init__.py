"""Baselines that must be beaten before anything else is believed."""

from skrec.baselines._als import ImplicitALS
from skrec.baselines._ease import EASERecommender
from skrec.baselines._popularity import PopularityRecommender

__all__ = ["EASERecommender", "ImplicitALS", "PopularityRecommender"]
