"""The first of two stages: candidates of users, and the columns that a ranker sees of them."""

from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from skrec.base import best_of
from skrec.preprocessing._side_table import align_features
from skrec.utils._ids import encode_ids
from skrec.utils._validation import count_positives

__all__ = ["FirstStage", "Pairs", "Tables", "best_unseen"]

RETRIEVER = "retriever"
_SIDES = ("user_features", "item_features")


class Pairs(NamedTuple):
    """Pairs of some users: the row of each one's user in the block at hand, ascending, and the code of its item."""

    rows: np.ndarray
    items: np.ndarray


class FirstStage:
    """Recommenders fitted on the same rows, seen through common codes of users and items.

    Parameters
    ----------
    parts : dict of str to recommender
        Fitted; "retriever" is one of them. Each gives the ranker a column ``<name>_score``.
    matrix : csr_array of shape (n_users, n_items), int8
        What they were fitted on, in the common codes.
    user_ids, item_ids : ndarray
        Ids of the common codes.
    """

    def __init__(self, parts, matrix, user_ids, item_ids):
        self.parts, self.matrix = parts, matrix
        self._places = {
            name: (encode_ids(user_ids, part.user_ids_), encode_ids(item_ids, part.item_ids_))
            for name, part in parts.items()
        }
        self._popularity = _relative(count_positives(matrix))
        self._activity = _relative(np.diff(np.append(0, np.cumsum(matrix.data > 0))[matrix.indptr]))

    def knows(self, user_codes):
        """Whether the retriever knows the users."""
        return self._places[RETRIEVER][0][user_codes] >= 0

    def scores(self, user_codes, name=RETRIEVER):
        """Score the catalogue for users by one of the parts; -inf for items that it lacks. May be written to."""
        users, items = self._places[name]
        block = self.parts[name]._score_block(users[user_codes])
        if len(items) == block.shape[1] and np.array_equal(items, np.arange(len(items))):
            return block
        scores = block[:, items]
        scores[:, items < 0] = -np.inf
        return scores

    def seen(self, user_codes):
        """Pairs of the users that were trained on, liked or not."""
        part = self.matrix[user_codes]
        return Pairs(np.repeat(np.arange(len(user_codes)), np.diff(part.indptr)), part.indices)

    def describe(self, user_codes, pairs, scores, tables):
        """Make the frame that a ranker sees.

        Parameters
        ----------
        user_codes : ndarray of shape (n_users,)
            The users of a block.
        pairs : Pairs
            The rows of the frame.
        scores : ndarray of shape (n_users, n_items), float32
            The retriever's.
        tables : Tables

        Returns
        -------
        pandas.DataFrame of shape (n_pairs, n_columns)
        """
        seen = self.seen(user_codes)
        columns = {}
        for name in self.parts:
            block = scores if name == RETRIEVER else self.scores(user_codes, name)
            unseen = block.copy()
            unseen[seen] = -np.inf
            columns[f"{name}_score"] = _z_scores(block, unseen, pairs)
            if name == RETRIEVER:
                columns["retriever_rank"] = _ranks(block, unseen, pairs)
        columns["item_popularity"] = self._popularity[pairs.items]
        columns["user_activity"] = self._activity[user_codes[pairs.rows]]
        return tables.frame(user_codes[pairs.rows], pairs.items, columns)


class Tables:
    """Ids and features of users and of items, by code.

    Parameters
    ----------
    names : tuple of str
        What the ranker's columns of user ids and of item ids are called.
    ids : tuple of ndarray
        User ids and item ids.
    features : tuple of pandas.DataFrame or None
        For each side a row for each id, or None.
    """

    def __init__(self, names, ids, features=(None, None)):
        self.names, self.ids, self.features = names, ids, features

    def updated(self, ids, given, keys, *, first=False):
        """Return tables of more ids, with the rows of newer tables in place of older ones.

        Parameters
        ----------
        ids : tuple of ndarray
            User ids and item ids, beginning with those so far.
        given : tuple of frames or None
            `user_features` and `item_features`.
        keys : tuple of str or int
            The estimator's `user` and `item`.
        first : bool, default=False
            Whether there are no tables to agree with.
        """
        features = []
        for name, old, known, table, key in zip(_SIDES, self.features, ids, given, keys, strict=True):
            new, present = (None, None) if table is None else _aligned(table, known, name, key)
            if first:
                features.append(new)
                continue
            if old is not None:
                old = old.reindex(range(len(known)))
            if new is not None:
                if old is None or set(old.columns) - set(new.columns):
                    missing = "no" if old is None else f"the columns {list(old.columns)} of"
                    raise ValueError(f"{name} must have the columns that fit was given: it was given {missing} {name}.")
                old = _replaced(old, new[list(old.columns)], present)
            features.append(old)
        return Tables(self.names, ids, tuple(features))

    def frame(self, user_codes, item_codes, columns):
        """Join pairs, their features, and further columns."""
        import pandas as pd

        parts = []
        for name, ids, features, codes in zip(
            self.names, self.ids, self.features, (user_codes, item_codes), strict=True
        ):
            parts.append(pd.DataFrame({name: ids[codes]}))
            if features is not None:
                parts.append(features.take(codes).reset_index(drop=True))
        frame = pd.concat([*parts, pd.DataFrame(columns)], axis=1)
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            raise ValueError(
                f"The ranker would get two columns named {twice[0]!r}: rename the one in user_features or "
                f"item_features. Its columns would be {list(frame.columns)}."
            )
        return frame


def _aligned(table, ids, name, key):
    """Return a table as a pandas frame with a row for each id, and which ids it has."""
    rows, present = align_features(table, ids, name, id_column=key)
    rows = nw.from_native(rows, eager_only=True).to_pandas().reset_index(drop=True)
    if not present.all():
        place = np.full(len(ids), -1)
        place[present] = np.arange(present.sum())
        rows = rows.reindex(place).reset_index(drop=True)
    return rows, present


def _replaced(old, new, present):
    """Rows of `new` where `present`, else of `old`, in the types of `old`."""
    import pandas as pd

    both = {}
    for name in old.columns:
        column, other = old[name], new[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            other = other.astype(column.dtype)
        values = pd.concat([column, other], ignore_index=True)
        both[name] = values.take(np.where(present, np.arange(len(old)) + len(old), np.arange(len(old)))).to_numpy()
        if isinstance(column.dtype, pd.CategoricalDtype):
            both[name] = pd.Categorical(both[name], dtype=column.dtype)
    return pd.DataFrame(both)


def best_unseen(scores, seen, n_candidates):
    """Return the `n_candidates` best items of each row that were not seen; the best first."""
    unseen = scores.copy()
    unseen[seen] = -np.inf
    items, values = best_of(unseen, n_candidates)
    rows, places = np.nonzero(values > -np.inf)
    return Pairs(rows, items[rows, places])


def _relative(counts):
    """Logarithms of counts, less that of their mean: held-out rows make all counts smaller alike."""
    mean = counts[counts > 0].mean() if counts.any() else 0.0
    return (np.log1p(counts) - np.log1p(mean)).astype(np.float32)


def _z_scores(block, unseen, pairs):
    """Deviations from the mean of the user's scores of items that were not seen, in standard deviations."""
    known = np.isfinite(unseen)
    counts = np.maximum(known.sum(axis=1), 1)
    values = np.where(known, unseen, 0)
    mean = values.sum(axis=1, dtype=np.float64) / counts
    values = np.where(known, values - mean[:, None], 0)
    spread = np.sqrt(np.einsum("ij,ij->i", values, values) / counts)
    spread = np.where(spread > 0, spread, 1)
    scores = block[pairs]
    return np.where(np.isfinite(scores), (scores - mean[pairs.rows]) / spread[pairs.rows], np.nan).astype(np.float32)


def _ranks(block, unseen, pairs):
    """Return 1 and the number of items, of those that were not seen, that the retriever prefers to each."""
    ordered = np.sort(unseen, axis=1)
    ranks = np.empty(len(pairs.rows), dtype=np.float32)
    bounds = np.searchsorted(pairs.rows, np.arange(len(block) + 1))
    for row in range(len(block)):
        own = slice(bounds[row], bounds[row + 1])
        above = ordered.shape[1] - np.searchsorted(ordered[row], block[row, pairs.items[own]], side="right")
        ranks[own] = 1 + above
    return ranks
