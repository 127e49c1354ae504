"""Matrix factorisation by triplets: a user, an item that the user liked, and a sampled item."""

from skrec.matrix_factorization._triplet import TripletMF

__all__ = ["TripletMF"]
