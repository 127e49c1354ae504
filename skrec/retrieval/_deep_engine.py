"""The deep triplet model: its parameters, its scores, and the steps of a batch of triplets.

The first layer takes the concatenated vectors of user and item. Its product is the sum of what it makes of each of the
two, so that it is computed once for each user and item of a batch, or of the catalogue, and not once for each pair.
Masks of dropout are therefore drawn for each user and item of a step. Work is cut into parts whose number depends on
the data alone and BLAS runs on one thread, so the bits do not depend on the number of threads.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from skrec import _layers
from skrec._kernels import _block, _match, _rng
from skrec._kernels._partition import TRAIN, make_partition
from skrec._kernels._sampling import make_scratch, sample_many, zero_model
from skrec.retrieval._towers import Towers
from skrec.utils._threads import blas_threads, effective_n_jobs, split, work
from skrec.utils._validation import kernel_array

_PARTS = 4
# Positives whose negatives are drawn at once.
_DRAWN_AT_ONCE = 1 << 16
# Numbers of hidden activations that stand side by side when more than one layer scores.
_BLOCK = 1 << 22


class Settings(NamedTuple):
    """The parameters of a deep triplet model, as `start_towers` and `Towers.sides` ask for them."""

    n_components: tuple  # (of users, of items)
    widths: tuple  # of the hidden layers over the concatenation
    l2: float
    rectified: bool  # whether ReLU stands after the last layer too
    history_weight: float
    history_dropout: float
    similarity: str = "dot"
    hidden_layers: tuple = ()  # of each tower
    user_embedding: bool = True
    item_embedding: bool = True
    audience_weight: float = 0.0
    audience_dropout: float = 0.0


class Match(NamedTuple):
    """The parameters of a deep triplet model, and its inputs."""

    towers: Towers  # without layers: their outputs are what is concatenated
    layers: list  # of (weights, offsets), from the concatenation to the score

    def copy(self):
        """Return a model with parameters of its own, which training does not change."""
        return Match(self.towers.copy(), _layers.copy_layers(self.layers))

    def with_history(self, matrix, settings):
        """Return a model that shares these parameters, with the positives of `matrix` as the users' histories."""
        return self._replace(towers=self.towers.with_history(matrix, settings))

    def parameters(self):
        """Return all parameters."""
        return self.towers.parameters() + [parameter for layer in self.layers for parameter in layer]

    def scorer(self, settings):
        """Return what scores with these parameters.

        Once something has been learnt, ids whose own embeddings no step has changed count as the mean of the others:
        that says nothing of them, while a layer knows nothing of where training began, nor of zeros.
        """
        towers = self.towers
        if towers.epoch > 0:
            towers = towers._replace(user_table=_with_mean(towers.user_table), item_table=_with_mean(towers.item_table))
        # The bits of a product may depend on how many threads it is cut for.
        with blas_threads(1):
            vectors = [side.forward().output for side in towers.sides(settings)]
            return Scorer(*vectors, self.layers, settings.rectified)


def start_match(towers, settings, old):
    """Return a model over towers, with layers of its own: new ones, or copies of those of an `old` model.

    Raises
    ------
    ValueError
        When `hidden_layers` is not what the old ones were made with.
    """
    if old is None:
        rng = np.random.default_rng([towers.seed, 3])
        return Match(towers, _layers.make_layers([sum(settings.n_components), *settings.widths, 1], rng))
    widths = tuple(weights.weights.shape[1] for weights, _ in old.layers[:-1])
    if widths != settings.widths:
        raise ValueError(
            f"hidden_layers={settings.widths} is not what the model was made with, {widths}: set it back, or "
            "fit anew with warm_start=False."
        )
    return Match(towers, _layers.copy_layers(old.layers))


def _with_mean(table):
    """Return a table whose rows that were never stepped hold the mean of the others."""
    stepped = table.counts > 0
    if stepped.all():
        return table
    mean = table.weights[stepped].mean(axis=0, dtype=np.float64) if stepped.any() else 0.0
    return table._replace(weights=np.where(stepped[:, None], table.weights, np.float32(mean)))


class Scorer:
    """Scores from vectors and layers.

    Parameters
    ----------
    user_vectors : ndarray of shape (n_users, n_user_components), float32
    item_vectors : ndarray of shape (n_items, n_item_components), float32
    layers : list of (Parameter, Parameter)
    rectified : bool
        Whether ReLU stands after the last layer too.
    """

    def __init__(self, user_vectors, item_vectors, layers, rectified):
        self.user_vectors, self.item_vectors = user_vectors, item_vectors
        self.layers, self.rectified = layers, rectified
        (first, offsets), *self.rest = layers
        width = user_vectors.shape[1]
        self.a = user_vectors @ first.weights[:width] + offsets.weights
        self.c = item_vectors @ first.weights[width:]
        weights, offsets = self.rest[-1]
        self.w, self.offset = np.ascontiguousarray(weights.weights[:, 0]), offsets.weights[0, 0]

    def users(self, codes):
        """Score the catalogue for some users; float32 of shape (n, n_items)."""
        scores = np.empty((len(codes), len(self.c)), np.float32)
        a = self.a[codes]
        if len(self.rest) == 1:
            _match.score_block((0, len(a)), a, self.c, self.w, self.offset, self.rectified, scores)
            return scores
        for row, own in enumerate(a):
            scores[row] = self._through(own + self.c)
        return scores

    def pairs(self, user_codes, item_codes):
        """Score pairs; float32 of shape (n,)."""
        n = len(user_codes)
        scores = np.empty(n, np.float32)
        codes = kernel_array(user_codes, np.int32), kernel_array(item_codes, np.int32)
        if len(self.rest) == 1:
            _match.score_each((0, n), self.a, self.c, *codes, self.w, self.offset, self.rectified, scores)
            return scores
        for first, last in split(n, -(-n * self.a.shape[1] // _BLOCK)) if n else ():
            here = slice(first, last)
            scores[here] = self._through(self.a[codes[0][here]] + self.c[codes[1][here]])
        return scores

    def _through(self, hidden):
        """Finish pairs whose first layer's sums are `hidden`, which is overwritten."""
        np.maximum(hidden, 0, out=hidden)
        scores = _layers.forward(self.rest, hidden)[0][:, 0]
        return np.maximum(scores, 0) if self.rectified else scores


class MatchEngine:
    """Trains a deep triplet model in place.

    Parameters
    ----------
    matrix : csr_array of shape (n_users, n_items), int8
        Interactions, which say what the sampler excludes.
    kinds, weights : ndarray of shape (nnz,)
        What each entry is, and its weight (None: ones).
    model : Match
    settings : object
        What the towers were made with, see `Towers.sides`.
    loss_state : LossState
    sampler, loss : fitted sampler, loss object
    n_negatives, n_hard : int
        Negatives drawn for each positive, and how many of them are kept, those of the highest scores; 0: all.
    dropout : float
    batch_size, seed, n_jobs : int
    """

    def __init__(
        self,
        matrix,
        kinds,
        weights,
        model,
        settings,
        sampler,
        loss,
        *,
        n_negatives,
        n_hard,
        dropout,
        batch_size,
        seed,
        n_jobs,
    ):
        self.model, self.sampler, self.loss = model, sampler, loss
        self.user_side, self.item_side = model.towers.sides(settings)
        self.l2, self.rectified, self.dropout = float(settings.l2), settings.rectified, dropout
        self.loss_state = loss._make_state()
        self.seen = (
            kernel_array(matrix.indptr, np.int64),
            kernel_array(matrix.indices, np.int32),
            kernel_array(matrix.data, np.int8),
        )
        trained = kinds == TRAIN
        users = np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
        self.users, self.items = users[trained], self.seen[1][trained]
        self.weights = (
            np.ones(len(self.users), np.float32) if weights is None else kernel_array(weights[trained], np.float32)
        )
        self.n_items = matrix.shape[1]
        self.n_negatives, self.n_hard = n_negatives, n_hard
        self.batch_size, self.seed = batch_size, seed
        self.n_threads = min(effective_n_jobs(n_jobs), _PARTS)
        self.partition = make_partition(self.seen[0], self.n_items, 1, 1)
        self.scratch = make_scratch(1, self.n_items, sampler._scratch_size)
        self.nothing = zero_model(*matrix.shape)
        self.place_of = np.full(self.n_items, -1, np.int32)

    def threads(self):
        """Return an executor for :meth:`run_epoch`, or None where one thread is used."""
        return ThreadPoolExecutor(self.n_threads) if self.n_threads > 1 else None

    def n_steps(self):
        """Return the number of steps of an epoch."""
        return -(-len(self.users) // self.batch_size)

    def run_epoch(self, epoch, rates, pool):
        """Train once on every positive and return the mean loss.

        Parameters
        ----------
        epoch : int
            The random numbers come from it and the seed.
        rates : callable
            Learning rate of each step of the epoch.
        pool : concurrent.futures.Executor or None
        """
        rng = np.random.default_rng([self.seed, epoch])
        sampler = self.sampler
        sampler._begin_epoch(
            self.nothing,
            epoch,
            np.random.default_rng([self.seed, epoch, 1]),
            self.partition,
            lambda f, each: work(None, f, each),
        )
        state = sampler._make_state(self.partition, self.loss)
        order = rng.permutation(len(self.users))
        at_once = -(-_DRAWN_AT_ONCE // self.batch_size) * self.batch_size
        total, step = 0.0, 0
        for start in range(0, len(order), at_once):
            part = order[start : start + at_once]
            # Positives stand in the order of the users.
            drawn = np.sort(part)
            negatives = self._draw(state, drawn, epoch, start)
            for first in range(0, len(part), self.batch_size):
                batch = np.sort(part[first : first + self.batch_size])
                total += self._step(batch, negatives[np.searchsorted(drawn, batch)], rates(step), rng, pool)
                step += 1
        return total / max(self.weights.sum(dtype=np.float64), 1e-12)

    def _draw(self, state, positives, epoch, number):
        """Return negatives for some positives, (n, n_negatives) int32; -1 where there is none."""
        users, items = self.users[positives], self.items[positives]
        generators = _rng.seed_states([self.seed, epoch, number], self.n_negatives)
        out = np.empty((self.n_negatives, len(positives)), np.int32)
        for k in range(self.n_negatives):
            rng = np.random.default_rng([self.seed, epoch, number, k])
            own = self.sampler._refill(state, users, items, rng, np.zeros(1, np.int64))
            sample_many(
                own, users, items, *self.seen, self.partition.items, self.nothing, self.scratch, generators[k], out[k]
            )
        return out.T

    def _step(self, batch, negatives, rate, rng, pool):
        user_codes, starts = np.unique(self.users[batch], return_index=True)
        starts = np.append(starts, len(batch)).astype(np.int64)
        codes = np.column_stack([self.items[batch], negatives])
        item_codes, places = self._number(codes)
        user_pass, user_vectors, user_mask = self._embed(self.user_side, user_codes, rng, pool)
        item_pass, item_vectors, item_mask = self._embed(self.item_side, item_codes, rng, pool)
        (first, offsets), *rest = self.model.layers
        width = user_vectors.shape[1]
        a = user_vectors @ first.weights[:width]
        a += offsets.weights
        c = item_vectors @ first.weights[width:]
        scale = np.ones_like(a)
        if self.dropout:
            _layers.drop_out(scale, self.dropout, rng)
        back = self._shallow if len(rest) == 1 else self._deep
        loss, d_a, d_c, changes = back(a, c, scale, starts, places, self.weights[batch], rest, rng, pool)
        d_first = np.vstack([user_vectors.T @ d_a, item_vectors.T @ d_c])
        changes += [(first, d_first), (offsets, d_a.sum(axis=0, keepdims=True))]
        d_users, d_items = d_a @ first.weights[:width].T, d_c @ first.weights[width:].T
        if self.dropout:
            d_users *= user_mask
            d_items *= item_mask
        _layers.step_layers(changes, rate, l2=self.l2, pool=pool)
        self.user_side.backward(user_pass, d_users, rate, pool)
        self.item_side.backward(item_pass, d_items, rate, pool)
        return loss * len(batch)

    def _number(self, codes):
        """Return the distinct items of an array of codes, and each code's place among them; -1 stays."""
        flat = np.ascontiguousarray(codes).ravel()
        there = flat >= 0
        distinct = np.empty(min(len(flat), self.n_items), np.int32)
        n = _block.number_distinct(flat[there], self.place_of, distinct)
        distinct = distinct[:n]
        places = np.where(there, self.place_of[flat], np.int32(-1)).reshape(codes.shape)
        self.place_of[distinct] = -1
        return distinct, places

    def _embed(self, side, codes, rng, pool):
        """Return a tower's pass, its output with dropout, and the factors that this multiplied with."""
        done = side.forward(codes, rng, pool)
        if not self.dropout:
            return done, done.output, None
        mask = np.ones_like(done.output)
        _layers.drop_out(mask, self.dropout, rng)
        return done, done.output * mask, mask

    def _losses(self, scores, weights, pool):
        """Turn scores into derivatives of the batch's mean loss; return the loss."""
        n, width = scores.shape
        parts = split(n, _PARTS)
        scratch = np.empty((len(parts), 2 * width), np.float32)
        weights = weights / np.float32(n)

        def lose(part):
            return _match.triplet_losses(
                parts[part], self.loss_state, scores, weights, self.n_hard, self.rectified, scratch[part]
            )

        return float(sum(work(pool, lose, range(len(parts)))))

    def _transpose(self, starts, places, n):
        entry_users, entries = np.empty(places.size, np.int32), np.empty(places.size, np.int32)
        bounds = np.empty(n + 1, np.int64)
        _block.transpose_block(starts * places.shape[1], places.ravel(), bounds, entry_users, entries)
        return bounds, entry_users, entries

    def _shallow(self, a, c, scale, starts, places, weights, rest, rng, pool):
        """Go forth and back where the hidden layer is the only one."""
        ((out, offset),) = rest
        w = scale * out.weights[:, 0]
        scores = np.empty(places.shape, np.float32)
        d_a, d_c, d_w = np.empty_like(a), np.empty_like(c), np.empty_like(a)
        parts = split(len(a), _PARTS)
        work(
            pool,
            lambda part: _match.score_triplets(part, starts, a, c, w, offset.weights[0, 0], places, scores),
            parts,
        )
        loss = self._losses(scores, weights, pool)
        work(pool, lambda part: _match.back_to_users(part, starts, a, c, w, places, scores, d_a, d_w), parts)
        bounds, entry_users, entries = self._transpose(starts, places, len(c))
        d = scores.ravel()
        work(
            pool,
            lambda part: _match.back_to_items(part, bounds, entry_users, entries, a, c, w, d, d_c),
            split(len(c), _PARTS),
        )
        d_w *= scale
        changes = [(out, d_w.sum(axis=0)[:, None]), (offset, scores.sum(keepdims=True))]
        return loss, d_a, d_c, changes

    def _deep(self, a, c, scale, starts, places, weights, rest, rng, pool):
        """Go forth and back where more layers follow, whose products are of all pairs."""
        hidden = np.empty((places.size, a.shape[1]), np.float32)
        work(pool, lambda part: _match.hidden_rows(part, starts, a, c, scale, places, hidden), split(len(a), _PARTS))
        output, activations = _layers.forward(rest, hidden, dropout=self.dropout, rng=rng)
        scores = output.reshape(places.shape)
        scores[places < 0] = _block.NEVER
        loss = self._losses(scores, weights, pool)
        d_hidden, changes = _layers.backward(rest, activations, scores.reshape(-1, 1), dropout=self.dropout)
        counts = np.diff(starts) * places.shape[1]
        d_hidden *= hidden > 0
        d_hidden *= np.repeat(scale, counts, axis=0)
        d_a = np.add.reduceat(d_hidden, starts[:-1] * places.shape[1], axis=0)
        bounds, _, entries = self._transpose(starts, places, len(c))
        d_c, ones = np.zeros_like(c), np.ones(places.size, np.float32)
        work(
            pool,
            lambda part: _block.add_transposed(part, d_c, d_hidden, bounds, entries, entries, ones),
            split(len(c), _PARTS),
        )
        return loss, d_a, d_c, changes
