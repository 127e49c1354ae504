"""Features of users and items as the sparse inputs of a model."""

from skrec.preprocessing._feature_encoder import FeatureEncoder

__all__ = ["FeatureEncoder"]
