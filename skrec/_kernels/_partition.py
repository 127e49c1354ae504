"""Partition of an epoch's interactions into chunks that threads work on without locks.

Users are cut into contiguous groups and items, anew each epoch, into random blocks of equal size. Chunk (group g, block
b) holds the interactions of g's users with b's items; chunks that share neither group nor block touch disjoint rows of
both factor tables. A chunk is a stream of int32 words: ``~user`` opens the run of a user, then one word ``position << 2
| kind`` follows for each of the user's interactions with the block, where `position` counts within the block.
"""

from typing import NamedTuple

import numpy as np

from skrec._kernels._jit import kernel
from skrec._kernels._rng import next_float, shuffle

# Kinds of entries: the signs of an interaction matrix, and one more.
TRAIN = 1  # a positive
EXPLICIT = -1  # an explicit negative
KNOWN = 2  # a positive that is not trained on, and never a negative


class Partition(NamedTuple):
    """The cut of users and items that holds for one epoch."""

    user_starts: np.ndarray  # (n_groups + 1,) int64: users of group g are user_starts[g]..user_starts[g + 1] - 1
    items: np.ndarray  # (n_items,) int32: items in the order of their blocks
    item_starts: np.ndarray  # (n_blocks + 1,) int64: block b is items[item_starts[b]:item_starts[b + 1]]
    block: np.ndarray  # (n_items,) int32: block of each item
    position: np.ndarray  # (n_items,) int32: position of each item in its block


def cut_users(indptr, n_groups):
    """Cut users into contiguous groups of about equally many interactions: (n_groups + 1,) int64 boundaries."""
    n_users = len(indptr) - 1
    targets = np.linspace(0, indptr[-1], n_groups + 1)[1:-1]
    inner = np.minimum(np.searchsorted(indptr, targets), n_users)
    return np.concatenate([[0], inner, [n_users]]).astype(np.int64)


def count_items(partition, indptr, indices):
    """Count each group's interactions with each item: (n_groups, n_items) int32; the sums for a single block."""
    starts = indptr[partition.user_starts]
    if len(partition.item_starts) == 2:
        return np.diff(starts)[:, None]
    counts = np.empty((len(starts) - 1, len(partition.items)), np.int32)
    for row, start, stop in zip(counts, starts[:-1], starts[1:], strict=True):
        row[:] = np.bincount(indices[start:stop], minlength=counts.shape[1])
    return counts


def bound_words(partition, counts):
    """Bound the words of each chunk, (n_groups, n_blocks) int64: its interactions, and as many runs as there can be.

    Cost: a read of `counts`, see :func:`count_items`, where to count a deal's chunks would read every interaction.
    """
    if counts.shape[1] > 1:  # sums in float64, exact
        counts = np.stack([np.bincount(partition.block, weights=row) for row in counts])
    n_rows = counts.astype(np.int64)
    return n_rows + np.minimum(n_rows, np.diff(partition.user_starts)[:, None])


def make_partition(indptr, n_items, n_groups, n_blocks):
    """Allocate a partition; the items are in their own order until :func:`deal_items` is called."""
    items = np.arange(n_items, dtype=np.int32)
    item_starts = (np.arange(n_blocks + 1, dtype=np.int64) * n_items) // n_blocks
    partition = Partition(
        cut_users(indptr, n_groups), items, item_starts, np.zeros(n_items, np.int32), np.zeros(n_items, np.int32)
    )
    _locate_items(partition)
    return partition


@kernel
def _locate_items(partition):
    for b in range(partition.item_starts.shape[0] - 1):
        start = partition.item_starts[b]
        for slot in range(start, partition.item_starts[b + 1]):
            item = partition.items[slot]
            partition.block[item] = b
            partition.position[item] = slot - start


@kernel(inline=False)
def deal_items(partition, rng):
    """Deal the items over the blocks at random: any two items share a block with the same probability."""
    for item in range(partition.items.shape[0]):  # the deal depends on the generator alone, not on the deal before
        partition.items[item] = item
    shuffle(rng, partition.items)
    _locate_items(partition)


@kernel(inline=False)
def permute_rows(table, order, carried, moved):
    """Permute the rows of a table in place: row r becomes what row ``order[r]`` was.

    `carried` is scratch like a row, `moved` bool scratch of one value a row. Cost: a read and a write of the table.
    """
    moved[:] = False
    for first in range(order.shape[0]):
        if moved[first]:
            continue
        for k in range(table.shape[1]):
            carried[k] = table[first, k]
        row = np.int64(first)
        while order[row] != first:  # along the cycle that begins here
            other = np.int64(order[row])
            for k in range(table.shape[1]):
                table[row, k] = table[other, k]
            moved[row] = True
            row = other
        for k in range(table.shape[1]):
            table[row, k] = carried[k]
        moved[row] = True


@kernel(inline=False)
def fill_words(partition, group, indptr, indices, kinds, weights, last_user, cursors, words, word_weights):
    """Write the words of a group's chunks from `cursors` (n_blocks,) int64 on, in the order of users.

    `weights` and `word_weights` are float32 arrays aligned with `indices` and `words`, or empty: every weight is one.
    `last_user` (n_blocks,) int32 is scratch, `cursors` end behind the chunks. Both are written to at every interaction:
    no other thread should write next to them.
    """
    last_user[:] = -1
    weighted = weights.shape[0] > 0
    for u in range(partition.user_starts[group], partition.user_starts[group + 1]):
        for t in range(indptr[u], indptr[u + 1]):
            item = indices[t]
            b = partition.block[item]
            at = cursors[b]
            words[at] = ~u  # overwritten within a run: where runs begin no branch could be predicted
            at += last_user[b] != u
            last_user[b] = u
            words[at] = (partition.position[item] << 2) | (kinds[t] & 3)
            if weighted:
                word_weights[at] = weights[t]
            cursors[b] = at + 1


@kernel(inline=False)
def leave_out(partition, group, indptr, indices, kinds, kept, rng, out):
    """Copy the kinds of a group's entries to `out`, a share ``1 - kept[item]`` of the positives as `KNOWN`."""
    for t in range(indptr[partition.user_starts[group]], indptr[partition.user_starts[group + 1]]):
        out[t] = kinds[t]
        if kinds[t] == TRAIN and kept[indices[t]] < 1.0 and next_float(rng) >= kept[indices[t]]:
            out[t] = KNOWN
