"""Items in buckets by popularity: the head, the tail and what is between."""

import numpy as np


def popularity_buckets(item_popularity, n_buckets):
    """Put items in buckets that hold about the same number of training positives each.

    Items are lined up from the most popular to the least, and the line of their positives is cut into equal parts.
    Items of one popularity are never parted: they go where the middle of their stretch of the line lies.

    Parameters
    ----------
    item_popularity : ndarray of shape (n_items,)
        Training positives of each item.
    n_buckets : int

    Returns
    -------
    ndarray of shape (n_items,), int32
        0 for the most popular, n_buckets - 1 for the least, which is also where items without a positive are.
    """
    counts, of_item, n_items = np.unique(item_popularity, return_inverse=True, return_counts=True)
    mass = counts * n_items
    if not mass.sum():
        raise ValueError("item_popularity is 0 for every item: there is no head and no tail to tell apart.")
    twice_the_middle = 2 * (mass.sum() - np.cumsum(mass)) + mass
    bucket = twice_the_middle * n_buckets // (2 * mass.sum())
    return np.minimum(bucket, n_buckets - 1).astype(np.int32)[of_item]
