"""What samplers with a memory of items per user share: its tables, its refresh, and the vectors of the last epochs."""

import copy

import numpy as np

from skrec.samplers._base import BaseSampler, run_in_turn
from skrec.utils._validation import check_parameter, is_integer, is_real, kernel_array

# Epochs over which a preference is followed: the model before the epoch, and those before the four epochs before it.
_N_SNAPSHOTS = 5
# Positives of a user over which a preference is averaged.
_N_POSITIVES = 8
# Places of a memory whose history is held at once, in each thread.
_PLACES = 1 << 17
# Places of the memory of a user with next to no positives.
_LEAST_PLACES = 32
# Entries of a memory in a block of items, on average, below which there are fewer blocks instead.
_ENTRIES_PER_BLOCK = 8


class MemorySampler(BaseSampler):
    """Base of samplers that keep items of each user and judge them by how the user's preference for them has moved.

    Before an epoch the memories are refreshed, sorted by the epoch's blocks of items, and judged; a draw is from the
    part of the memory that lies in the block. How a preference has moved comes from copies of the vectors of the last
    epochs, so that a new item has a history too.
    """

    _reads_model = True

    def _check_parameters(self):
        super()._check_parameters()
        most = np.iinfo(np.uint16).max
        size = is_integer(self.memory_size, 1) and self.memory_size <= most
        check_parameter(self, "memory_size", size, f"an int from 1 to {most}")
        check_parameter(self, "new_ratio", is_real(self.new_ratio, 0), "a finite number of at least 0")
        hot = is_real(self.temperature, 0) and self.temperature > 0
        check_parameter(self, "temperature", hot or self.temperature == np.inf, "a number above 0, or inf")

    @property
    def _max_blocks(self):
        return max(1, int(len(self.memory_) / (len(self._bounds) - 1) / _ENTRIES_PER_BLOCK))

    @property
    def memory_bytes_(self):
        """Bytes that the sampler keeps from epoch to epoch, beside the interactions."""
        arrays = [self.memory_, self._bounds, self._values, *(array for past in self._past for array in past)]
        return sum(array.nbytes for array in arrays) + (0 if self._starts is None else self._starts.nbytes)

    def _fit_tables(self, matrix):
        n_positives = np.diff(np.append(0, np.cumsum(matrix.data > 0))[matrix.indptr])
        self._bounds = np.append(0, np.cumsum(self._count_places(n_positives))).astype(np.int64)
        self.memory_ = np.full(self._bounds[-1], -1, np.int32)
        self._values = np.zeros(self._bounds[-1], np.uint16)
        self._starts = None  # of the blocks of the last epoch; None: no epoch has begun
        self._past = []  # vectors and biases before the last epochs, the latest first

    def _count_places(self, n_positives):
        """Return the places of each user's memory: in proportion to the steps, so that a step costs the same."""
        return np.minimum(np.maximum(n_positives, _LEAST_PLACES), self.memory_size)

    def _begin_epoch(self, model, epoch, rng, partition, run):
        from skrec._kernels._memory import ONE, expected_preference, make_refresh_scratch, refresh_memory
        from skrec._kernels._rng import seed_states

        n_users, n_items = self.matrix_.shape
        n_groups, n_blocks = len(partition.user_starts) - 1, len(partition.item_starts) - 1
        if self._starts is None or self._starts.shape[1] != n_blocks + 1:
            self._starts = np.zeros((n_users, n_blocks + 1), np.uint16)
        rngs = seed_states(int(rng.integers(1 << 62)), n_groups)
        indptr = kernel_array(self.matrix_.indptr, np.int64)
        indices, kinds = kernel_array(self.matrix_.indices, np.int32), kernel_array(self.matrix_.data, np.int8)
        past_items = [(V.astype(np.float32), bias) for _, V, bias in self._past]
        ratio, inverse_temperature = float(self.new_ratio), 1.0 / self.temperature
        largest = int(np.diff(self._bounds).max(initial=0))

        def refresh(group):
            first, last = int(partition.user_starts[group]), int(partition.user_starts[group + 1])
            scratch = make_refresh_scratch(n_items, largest, ratio)
            memory = self._bounds, self.memory_
            refresh_memory(
                first,
                last,
                indptr,
                indices,
                kinds,
                self._excludes,
                model,
                inverse_temperature,
                ratio,
                partition.block,
                *memory,
                self._starts,
                scratch,
                rngs[group],
            )
            positive_scores = np.empty(_N_POSITIVES, np.float32)
            while first < last:
                stop = np.searchsorted(self._bounds, self._bounds[first] + _PLACES, side="right") - 1
                stop = min(max(int(stop), first + 1), last)
                users, places = slice(first, stop), slice(self._bounds[first], self._bounds[stop])
                models = [model._replace(U=model.U[users], u_scale=model.u_scale[users])]
                for (U, _, _), (V, bias) in zip(self._past, past_items, strict=True):
                    models.append(
                        model._replace(U=U[users].astype(np.float32), V=V, bias=bias, cosine=False, weighted=False)
                    )
                history = np.empty((len(models), places.stop - places.start), np.float32)
                for own, expected in zip(models, history, strict=True):
                    expected_preference(first, stop, indptr, indices, kinds, own, *memory, positive_scores, expected)
                judged = np.nan_to_num(self._judge(history, self._bounds[users] - places.start))
                self._values[places] = np.round(judged * ONE)
                first = stop

        run(refresh, range(n_groups))
        if epoch > 0:  # vectors that nothing was learnt by say nothing of how a preference moves
            self._past = [_snapshot(model), *self._past[: _N_SNAPSHOTS - 2]]

    def _judge(self, history, starts):
        """Return what the draws of the epoch need of each place, from 0 to 1, of some users' memories.

        `history` (n_snapshots, n_places) float32 are the expected preferences, the latest first; `starts` (n_users,)
        says where each user's places begin.
        """
        raise NotImplementedError

    def _as_sampled(self, model, rng, partition):
        sampler = copy.copy(self)
        if self._starts is None:
            sampler.memory_, sampler._values = self.memory_.copy(), self._values.copy()
            sampler._begin_epoch(model, 0, rng, partition, run_in_turn)
        return sampler

    def _carry_over(self, old, users, items):
        if type(old) is not type(self) or old._starts is None:
            return
        old_items = np.full(self.n_features_in_, -1, np.int32)
        old_items[items[items >= 0]] = np.flatnonzero(items >= 0)
        self._past = [(_take(U, users), _take(V, old_items), _take(bias, old_items)) for U, V, bias in old._past]
        known = np.flatnonzero(users >= 0)
        first, old_first = self._bounds[known], old._bounds[users[known]]
        n = np.minimum(self._bounds[known + 1] - first, old._bounds[users[known] + 1] - old_first)
        step = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        held = old.memory_[np.repeat(old_first, n) + step]
        self.memory_[np.repeat(first, n) + step] = np.where(held >= 0, items[held], -1)

    def _memory_state(self, partition):
        """Return the arrays of a state: the memory, and where the items are in the blocks."""
        if len(partition.item_starts) == 2:  # one block: whatever the memory is sorted by, all of it
            held = np.append(0, np.cumsum(self.memory_ >= 0))[self._bounds]
            starts = np.zeros((len(held) - 1, 2), np.uint16)
            starts[:, 1] = np.diff(held)
        else:
            starts = self._starts
        return self._bounds, self.memory_, self._values, starts, partition.block, partition.position


def _snapshot(model):
    """Return vectors whose dot products are the scores, in float16, and the biases.

    Half precision moves the sigmoid of a cosine by some 1e-4, and takes half the memory.
    """
    U, V = np.empty(model.U.shape, np.float16), np.empty(model.V.shape, np.float16)
    with np.errstate(over="ignore"):  # the fit says so when vectors leave the finite numbers
        np.multiply(model.U, model.u_scale[:, None] if model.cosine else model.w, out=U, casting="same_kind")
        np.multiply(model.V, model.v_scale[:, None] if model.cosine else np.float32(1), out=V, casting="same_kind")
    return U, V, model.bias.copy()


def _take(rows, codes):
    """Return the rows of the codes, NaN for code -1."""
    taken = rows[codes]
    taken[codes < 0] = np.nan
    return taken
