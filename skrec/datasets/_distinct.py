"""Distinct (user, item) pairs drawn by popularity times a probability, without a users x items table."""

import numpy as np

_PROPOSALS_PER_BLOCK = 2_000_000  # users are drawn in blocks of about so many proposals, which bounds the memory
_DENSE_CELLS = 1_000_000  # ... or, where every item gets a key, of so many cells
_MAX_ROUNDS = 6


def draw_distinct_pairs(counts, popularity, accept, rng, *, taken=None):
    """Draw ``counts[u]`` distinct items for every user.

    A user's items are drawn one after another without replacement, each with probability proportional to
    ``popularity[item] * accept(user, item)``.

    Parameters
    ----------
    counts : ndarray of shape (n_users,), int64
        Items to draw for each user: at most as many as the user has items that are not taken.
    popularity : ndarray of shape (n_items,), float64
        Positive, sums to one.
    accept : callable
        ``accept(users, items)`` gives probabilities in (0, 1] for arrays of users and items that broadcast.
    rng : numpy.random.Generator
        Source of randomness.
    taken : ndarray of int64, optional
        Sorted keys ``user * n_items + item`` of pairs that may not be drawn.

    Returns
    -------
    keys : ndarray of shape (counts.sum(),), int64
        Sorted keys ``user * n_items + item`` of the pairs drawn.
    """
    n_items = popularity.size
    taken = np.empty(0, dtype=np.int64) if taken is None else taken
    load = np.cumsum(4 * counts + 1)
    edges = np.searchsorted(load, np.arange(_PROPOSALS_PER_BLOCK, load[-1], _PROPOSALS_PER_BLOCK))
    edges = np.unique(np.r_[0, edges, counts.size])
    drawn = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        low, high = np.searchsorted(taken, [start * n_items, stop * n_items])
        block = np.arange(start, stop)
        drawn.append(_draw_block(block, counts[start:stop], popularity, accept, rng, taken[low:high]))
    return np.concatenate(drawn)


def _draw_block(users, missing, popularity, accept, rng, taken):
    """Draw by rejection until few users are short of items, then finish those exactly.

    The two stages follow one law: the first distinct values of an independent sequence are a draw without
    replacement, and how such a draw goes on depends only on the set of items already drawn.
    """
    n_items = popularity.size
    drawn = taken
    for attempt in range(_MAX_ROUNDS):
        users, missing = users[missing > 0], missing[missing > 0]
        if users.size * n_items <= _DENSE_CELLS:
            break
        # Later rounds propose more for each missing item: what is left are users whose likely items are all drawn.
        n_proposals = np.minimum(missing * 4 ** (attempt + 1), n_items)
        new = _propose(users, n_proposals, popularity, accept, rng)
        new = new[~_contains(drawn, new)]
        owner = np.searchsorted(users, new // n_items)
        is_kept = np.arange(new.size) - np.searchsorted(owner, owner) < missing[owner]
        drawn = np.sort(np.concatenate([drawn, new[is_kept]]))
        missing = missing - np.bincount(owner[is_kept], minlength=users.size)
    step = max(1, _DENSE_CELLS // n_items)
    for k in range(0, users.size, step):
        new = _draw_exactly(users[k : k + step], missing[k : k + step], popularity, accept, rng, drawn)
        drawn = np.concatenate([drawn, new])
    drawn.sort()
    return drawn[~_contains(taken, drawn)]


def _propose(users, n_proposals, popularity, accept, rng):
    """Propose items by popularity; return the distinct accepted keys by user and in the order of proposal."""
    proposers = np.repeat(users, n_proposals)
    # Multinomial counts in random order are independent draws, and cheaper than a search for each.
    items = np.repeat(np.arange(popularity.size), rng.multinomial(proposers.size, popularity))
    rng.shuffle(items)
    is_accepted = rng.random(items.size, dtype=np.float32) < accept(proposers, items)
    keys, first = np.unique(proposers[is_accepted] * popularity.size + items[is_accepted], return_index=True)
    return keys[np.argsort(first)]


def _draw_exactly(users, missing, popularity, accept, rng, drawn):
    """Items of the smallest keys E / weight with E exponential, which are a draw without replacement."""
    n_items = popularity.size
    weight = popularity * accept(users[:, None], np.arange(n_items))
    arrival = rng.standard_exponential(weight.shape) / weight
    keys = users[:, None] * n_items + np.arange(n_items)
    arrival[_contains(drawn, keys.ravel()).reshape(keys.shape)] = np.inf
    order = np.argsort(arrival, axis=1)
    is_first = np.arange(n_items) < missing[:, None]
    return np.take_along_axis(keys, order, axis=1)[is_first]


def _contains(sorted_keys, keys):
    """Tell which keys are among the sorted ones."""
    if sorted_keys.size == 0:
        return np.zeros(keys.shape, dtype=bool)
    position = np.minimum(np.searchsorted(sorted_keys, keys), sorted_keys.size - 1)
    return sorted_keys[position] == keys
