"""Samplers that draw from a list of items of each user."""

import numpy as np

from skrec.samplers._base import BaseSampler

# Items of an average list that a block should hold, so that few draws find none: e^-4 is 2 %.
_ITEMS_IN_BLOCK = 4


class ListSampler(BaseSampler):
    """Uniform over the user's list, in `_starts` (n_users + 1,) int64 and `_items` (n,) int32."""

    _starts = np.zeros(1, np.int64)
    _items = np.zeros(0, np.int32)

    @property
    def _list_length(self):
        """Length of an average list of those that are not empty."""
        return len(self._items) / max(np.count_nonzero(np.diff(self._starts)), 1)

    @property
    def _max_blocks(self):
        return max(1, int(self._list_length / _ITEMS_IN_BLOCK))

    def _make_state(self, partition, loss):
        from skrec._kernels._hard import ListState, arrange_lists

        n_users, n_blocks = len(self._starts) - 1, len(partition.item_starts) - 1
        slots = np.empty(max(len(self._items), 1), np.int32)
        scratch = np.empty(n_blocks + 1 + int(np.diff(self._starts).max(initial=0)), np.int64)
        arrange_lists(partition, self._starts, self._items, slots, 0, n_users, scratch)
        return ListState(self._excludes, self._starts, slots)
