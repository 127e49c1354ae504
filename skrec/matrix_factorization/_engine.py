"""The triplet engine's Python side: memory, partitions, threads. One object for the length of a fit."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from skrec._kernels import _partition, _rng, _sampling, _triplet
from skrec.matrix_factorization._parameters import item_tables
from skrec.utils._cache_lines import rows_apart
from skrec.utils._threads import effective_n_jobs
from skrec.utils._validation import kernel_array

# Rows of an item block (factors and optimiser memory) should lie in the second-level cache beside what streams past
# them ...
_BLOCK_BYTES = 1 << 19
# ... a chunk should be worth the call that trains on it, and blocks beyond this number only shorten the runs of a user.
_CHUNK_ROWS = 8192
_MAX_BLOCKS = 32
# Where a chunk's rows are beyond that cache, each is asked for so many words before it is trained on: a few steps, in
# which memory can answer. For the rows of negatives, these are drawn for the whole chunk first, by samplers that can.
# Where rows are within the cache, either only costs.
_AHEAD = 6
# At least this many blocks where the data allow it, so that several threads have chunks to work on.
_PARALLEL_BLOCKS = 8
# Positives for which a sampler in plain Python draws at once.
_PYTHON_BLOCK = 1 << 16
# Set random numbers of an epoch apart from those of the groups of users: a sampler's at its begin, and those that
# choose which positives are left out.
_SAMPLER = 1 << 32
_LEFT_OUT = 2 << 32


class EpochStatistics(NamedTuple):
    """What an epoch reports."""

    loss: float  # mean over the steps, by their weights
    zero_gradient_share: float  # share of the steps whose gradient was zero
    n_steps: int


def choose_cut(n_rows, n_items, row_bytes, sampler):
    """Return how many groups of users and blocks of items an epoch is cut into.

    Depends on the data and the sampler alone, so that results do not depend on the number of threads.
    """
    if sampler._in_python:
        return max(1, -(-n_rows // _PYTHON_BLOCK)), 1
    blocks = max(_PARALLEL_BLOCKS, -(-n_items * row_bytes // _BLOCK_BYTES))
    blocks = min(blocks, _MAX_BLOCKS, int(np.sqrt(n_rows / _CHUNK_ROWS)), n_items // 2)
    if sampler._max_blocks is not None:
        blocks = min(blocks, sampler._max_blocks)
    blocks = _power_of_two(max(blocks, 1))
    return blocks, blocks


def _power_of_two(n):
    """Return the largest power of two that is not above `n`."""
    return 1 << (int(n).bit_length() - 1)


class TripletEngine:
    """Trains factors in place on the interactions it was made for.

    Parameters
    ----------
    matrix : csr_array of shape (n_users, n_items), int8
        Interactions.
    kinds : ndarray of shape (nnz,), int8
        What each entry is to the engine: `TRAIN`, `EXPLICIT` or `KNOWN`.
    weight : ndarray of shape (nnz,), float32, or None
        Weights of the entries.
    model : Model
        Parameters, changed in place.
    optimizer : Optimizer
        Its memory, changed in place.
    sampler, loss : fitted sampler, loss object
    seed, epoch : int
        What the random numbers of the next epoch come from.
    n_jobs : int or None
    kept : ndarray of shape (n_items,), float64, or None
        Share of each item's positives that an epoch trains on; None: all.
    """

    def __init__(self, matrix, kinds, weight, model, optimizer, sampler, loss, *, seed, epoch, n_jobs, kept=None):
        self.indptr = kernel_array(matrix.indptr, np.int64)
        self.indices = kernel_array(matrix.indices, np.int32)
        self.kinds = self.epoch_kinds = kernel_array(kinds, np.int8)
        self.kept = None if kept is None else kernel_array(kept, np.float64)
        if kept is not None:
            self.epoch_kinds = np.empty_like(self.kinds)
        self.weights = np.empty(0, np.float32) if weight is None else kernel_array(weight, np.float32)
        self.model, self.optimizer = model, optimizer
        self.sampler, self.loss, self.loss_state = sampler, loss, loss._make_state()
        self.seed, self.epoch = seed, epoch
        n_items = matrix.shape[1]
        row_bytes = 4 * model.U.shape[1] * (1 + (optimizer.V1.size > 0) + (optimizer.V2.size > 0))
        self.n_groups, self.n_blocks = choose_cut(matrix.nnz, n_items, row_bytes, sampler)
        self.n_threads = _power_of_two(min(effective_n_jobs(n_jobs), self.n_groups)) if self.n_blocks > 1 else 1
        self.partition = _partition.make_partition(self.indptr, n_items, self.n_groups, self.n_blocks)
        self.counts = _partition.count_items(self.partition, self.indptr, self.indices)
        self.tables = item_tables(model, optimizer) if self.n_blocks > 1 else []
        largest = int(np.diff(self.partition.item_starts).max())
        chunk_bytes = row_bytes * (largest + int(np.diff(self.partition.user_starts).max()))
        self.ahead = _AHEAD if chunk_bytes > 2 * _BLOCK_BYTES else 0
        held = max(sampler._scratch_size, len(model.w))  # candidates of a draw, or the next weights of GMF
        self.scratch = _sampling.make_scratch(self.n_groups, largest, held)
        self.group_w = np.tile(model.w, (self.n_groups, 1))
        # Each group writes to its row at every step, and other threads to the next ones.
        self.cursors = rows_apart(self.n_groups, self.n_blocks, np.int64)
        self.last_user = rows_apart(self.n_groups, self.n_blocks, np.int32)
        self.rngs = rows_apart(self.n_groups + 1, 8, np.uint64)
        self.stats = rows_apart(self.n_groups, 8, np.float64)
        self.words = self.word_weights = np.empty(0, np.int32)
        self.drawn = np.empty((self.n_groups, 0), np.int32)
        self.drawn_weights = np.empty((self.n_groups, 0), np.float32)
        self.chunks = None

    def run_epoch(self, pool):
        """Train once on every positive and return the epoch's statistics.

        Parameters
        ----------
        pool : concurrent.futures.Executor or None
            Threads; None where one is enough.
        """
        # One row of generator state for each group and one for the deal of the items, made anew from seed and epoch:
        # what an epoch draws does not depend on how the epochs before it were cut.
        rngs, stats = self.rngs, self.stats
        rngs[:] = _rng.seed_states([self.seed, self.epoch], self.n_groups + 1)
        stats[:] = 0.0
        if self.n_blocks > 1:
            _partition.deal_items(self.partition, rngs[-1])
        if self.kept is not None:
            self._leave_out(pool)
        if self.chunks is None or self.n_blocks > 1 or self.kept is not None:
            self._cut(pool)
        rng = np.random.default_rng([self.seed, self.epoch, _SAMPLER])
        self.sampler._begin_epoch(
            self.model, self.epoch, rng, self.partition, lambda call, arguments: self._map(pool, call, arguments)
        )
        state = self.sampler._make_state(self.partition, self.loss)
        items = self.partition.items
        self._deal_rows(pool, items)
        try:
            self._train_all(pool, state)
        finally:
            slots = np.empty_like(items)
            slots[items] = np.arange(len(items), dtype=np.int32)
            self._deal_rows(pool, slots)
        self.epoch += 1
        total = stats.sum(axis=0)
        n_steps, weight = int(total[_triplet.STEPS]), total[_triplet.WEIGHT]
        return EpochStatistics(
            float(total[_triplet.LOSS] / weight) if weight else 0.0,
            float(total[_triplet.ZERO] / n_steps) if n_steps else 1.0,
            n_steps,
        )

    def _train_all(self, pool, state):
        """Train on every chunk."""
        rngs, stats = self.rngs, self.stats
        if self.sampler._in_python:
            for group in range(self.n_groups):
                rng = np.random.default_rng([self.seed, self.epoch, group])
                users, positives = self._positives(group)
                filled = self.sampler._refill(state, users, positives, rng, np.zeros(1, np.int64))
                self._train((0, 1), (group, group + 1), filled, rngs, stats)
                self._average_w(slice(group, group + 1))
        else:
            # As few rounds as there are threads, so that these seldom wait for each other; GMF's weights meet in each.
            n_turns = self.n_blocks if self.model.weighted else self.n_threads
            rounds, groups = self.n_blocks // n_turns, self.n_groups // self.n_threads
            for turn in range(n_turns):
                self._map(
                    pool,
                    lambda share, turn=turn: self._train(
                        (turn * rounds, (turn + 1) * rounds), (share * groups, (share + 1) * groups), state, rngs, stats
                    ),
                    range(self.n_threads),
                )
                self._average_w(slice(None))

    def _train(self, rounds, groups, state, rngs, stats):
        p = self.partition
        _triplet.train_chunks(
            self.chunks,
            (int(rounds[0]), int(rounds[1])),
            (int(groups[0]), int(groups[1])),
            p.items,
            p.item_starts,
            self.model,
            self.group_w,
            self.optimizer,
            state,
            self.loss_state,
            self.scratch,
            rngs,
            stats,
        )

    def _deal_rows(self, pool, order):
        """Bring the items' rows, in place, into another order: row r becomes that of ``order[r]``.

        An epoch's blocks are random items. Were their rows left where they are, rows that two threads write to would
        lie side by side, and a processor that fetches the neighbours of what it reads would take them from the other
        all the time. So an epoch trains on rows that are dealt as the items are.
        """

        def permute(table):
            carried, moved = np.empty(table.shape[1], np.int32), np.empty(len(table), np.bool_)
            _partition.permute_rows(table.view(np.int32), order, carried, moved)

        self._map(pool, permute, self.tables)

    def _average_w(self, groups):
        """Set the component weights to the mean of what the groups have made of them in their own copies."""
        if self.model.weighted:
            self.model.w[:] = self.group_w[groups].mean(axis=0)
            self.group_w[:] = self.model.w

    def _leave_out(self, pool):
        """Choose which positives this epoch does not train on."""
        rngs = _rng.seed_states([self.seed, self.epoch, _LEFT_OUT], self.n_groups)
        arguments = self.indptr, self.indices, self.kinds, self.kept
        self._map(
            pool,
            lambda g: _partition.leave_out(self.partition, g, *arguments, rngs[g], self.epoch_kinds),
            range(self.n_groups),
        )

    def _cut(self, pool):
        """Sort the interactions into chunks."""
        bounds = _partition.bound_words(self.partition, self.counts)
        ends = np.cumsum(bounds.ravel()).reshape(bounds.shape)
        starts = ends - bounds
        n_words = int(ends[-1, -1])
        if len(self.words) < n_words:
            room = n_words + n_words // 50  # how many runs there can be varies a little from deal to deal
            self.words = np.empty(room, np.int32)
            self.word_weights = np.empty(room if len(self.weights) else 0, np.float32)
        self.cursors[:] = starts
        self._map(
            pool,
            lambda g: _partition.fill_words(
                self.partition,
                g,
                self.indptr,
                self.indices,
                self.epoch_kinds,
                self.weights,
                self.last_user[g],
                self.cursors[g],
                self.words,
                self.word_weights,
            ),
            range(self.n_groups),
        )
        stops = self.cursors.copy()
        if self.ahead and self.n_blocks > 1:  # a single block would have to hold the draws of a whole epoch
            longest = int((stops - starts).max())
            if self.drawn.shape[1] < longest:
                self.drawn = np.empty((self.n_groups, longest), np.int32)
                self.drawn_weights = np.empty((self.n_groups, longest), np.float32)
        self.chunks = _triplet.Chunks(
            self.words, self.word_weights, starts, stops, self.drawn, self.drawn_weights, self.ahead
        )

    def _positives(self, group):
        """Users and items of the group's training positives, in the order of training."""
        first, last = self.partition.user_starts[group], self.partition.user_starts[group + 1]
        rows = slice(self.indptr[first], self.indptr[last])
        train = self.epoch_kinds[rows] == _partition.TRAIN
        users = np.repeat(np.arange(first, last, dtype=np.int32), np.diff(self.indptr[first : last + 1]))
        return users[train], self.indices[rows][train]

    @staticmethod
    def _map(pool, function, arguments):
        if pool is None:
            for argument in arguments:
                function(argument)
        else:
            list(pool.map(function, arguments))

    def threads(self):
        """Return an executor for :meth:`run_epoch`, or None where one thread is used."""
        return ThreadPoolExecutor(self.n_threads) if self.n_threads > 1 else None
