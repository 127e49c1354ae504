"""The block engine's Python side: blocks of users, their candidates, and the products between the kernels.

One step takes a block of users with all of their positives. The candidates are the whole catalogue (`exact`) or items
that the block's users share (`sampled`). Work is cut into parts whose number depends on the data alone and BLAS runs on
one thread in each, so the bits do not depend on the number of threads.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from skrec._kernels import _block
from skrec.retrieval._side import find_rows
from skrec.samplers._in_batch import BlockPositives
from skrec.utils._threads import effective_n_jobs, split, work

# Parts that a step's products and losses are cut into: at most so many threads are of use.
_PARTS = 4


class Entries:
    """Rows of a csr matrix of interactions in the order that the engine wants: trained positives first in each row.

    Parameters
    ----------
    matrix : csr_array of shape (n_users, n_items), int8
        Above 0: positive; below: explicit negative.
    weight : ndarray of shape (nnz,), float32, or None
    trained : ndarray of shape (nnz,), bool
        Which entries are trained on.
    """

    def __init__(self, matrix, weight, trained):
        users = np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
        order = slice(None) if trained.all() else np.lexsort((~trained, users))
        self.indptr = matrix.indptr.astype(np.int64)
        self.items = matrix.indices[order].astype(np.int32)
        self.own = trained[order].astype(np.int8)
        self.kinds = np.sign(matrix.data)[order].astype(np.int8)
        weights = np.ones(matrix.nnz, np.float32) if weight is None else np.asarray(weight, np.float32)
        weights = np.where(trained, weights, 0)[order].astype(np.float32)
        # A user's loss is divided by the root of the user's weight: between each user alike and each positive alike.
        mass = np.bincount(users, weights, minlength=matrix.shape[0])
        scale = np.where(mass > 0, 1 / np.sqrt(np.maximum(mass, 1e-12)), 0)
        total = (scale * mass).sum()
        self.n_trained_users = int((mass > 0).sum())
        scale *= self.n_trained_users / max(total, 1e-12)
        self.weights = (weights * scale[users]).astype(np.float32)
        self.users = np.flatnonzero(mass > 0).astype(np.int32)
        self.counts = np.bincount(self.items[self.own > 0], minlength=matrix.shape[1])

    def take(self, users):
        """Return the entries of some users, one after the other, and where each user's start."""
        indptr, places = find_rows(self.indptr, users)
        return indptr, self.items[places], self.own[places], self.kinds[places], self.weights[places]


class BlockEngine:
    """Trains two towers in place.

    Parameters
    ----------
    entries : Entries
    users, items : Side
        The towers; their tables are changed in place.
    loss_state : BlockLossState
    sampler : fitted sampler, or None
        Where shared negatives come from; None: every item is a candidate.
    n_negatives : int
        Shared negatives of a block.
    n_hard : int
        Negatives kept for each user, the highest scored ones; 0: all.
    explicit_weight : float
        Weight of explicit negatives beside items that were not seen.
    block_size : int
        Users of a step.
    seed : int
    n_jobs : int or None
    train_items : bool
        False: only the users' tower changes.
    """

    def __init__(
        self,
        entries,
        users,
        items,
        loss_state,
        *,
        sampler,
        n_negatives,
        n_hard,
        explicit_weight,
        block_size,
        seed,
        n_jobs,
        train_items=True,
    ):
        self.entries, self.users, self.items = entries, users, items
        self.loss_state, self.sampler = loss_state, sampler
        self.n_negatives, self.n_hard = n_negatives, n_hard
        self.log_explicit = np.float32(np.log(explicit_weight)) if explicit_weight > 0 else _block.NEVER
        self.block_size, self.seed, self.train_items = block_size, seed, train_items
        self.n_items = items.n_rows
        self.n_threads = min(effective_n_jobs(n_jobs), _PARTS)
        self.scores = np.empty(0, np.float32)
        self.never = np.full(self.n_items, _block.NEVER, np.float32)
        self.place_of = np.full(self.n_items if sampler is not None else 0, -1, np.int32)
        self.no_shift = np.empty(0, np.float32)

    def threads(self):
        """Return an executor for :meth:`run_epoch`, or None where one thread is used."""
        return ThreadPoolExecutor(self.n_threads) if self.n_threads > 1 else None

    def n_steps(self):
        """Return the number of steps of an epoch."""
        return -(-len(self.entries.users) // self.block_size)

    def run_epoch(self, epoch, rates, pool):
        """Train once on every user with a positive and return the mean loss.

        Parameters
        ----------
        epoch : int
            The random numbers come from it and the seed.
        rates : callable
            Learning rate of each step of the epoch.
        pool : concurrent.futures.Executor or None
        """
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(self.entries.users)
        total = 0.0
        for step in range(self.n_steps()):
            block = order[step * self.block_size : (step + 1) * self.block_size]
            total += self._step(block, rates(step), rng, pool)
        return total / max(self.entries.n_trained_users, 1)

    def _step(self, block, rate, rng, pool):
        indptr, entry_items, own, kinds, weights = self.entries.take(block)
        user_pass = self.users.forward(block, rng, pool)
        if self.sampler is None:
            touched, n_candidates = None, self.n_items
            shift, hit_shift = self.no_shift, self.never
            places = columns = entry_items
        else:
            touched, n_candidates, shift, hit_shift = self._candidates(entry_items[own > 0], len(block), rng)
            places = self.place_of[entry_items]
            columns = np.where(places < n_candidates, places, np.int32(-1))
            self.place_of[touched] = -1
        item_pass = self.items.forward(touched, rng, pool)
        U, V = user_pass.output, item_pass.output
        n, m = len(block), n_candidates
        if self.scores.size < n * m:
            self.scores = np.empty(n * m, np.float32)
        scores = self.scores[: n * m].reshape(n, m)
        candidates = V[:m]
        positives = np.zeros(len(entry_items), np.float32)
        gradient = np.empty_like(U)
        parts = split(n, _PARTS)
        longest = int(np.diff(indptr).max(initial=0))
        scratch = np.empty((len(parts), 2 * m + longest), np.float32)
        exact = self.sampler is None

        def use_rows(part):
            rows = parts[part]
            here = slice(*rows)
            np.matmul(U[here], candidates.T, out=scores[here])
            if exact:
                _block.gather_columns(rows, scores, indptr, own, columns, positives)
            else:
                _block.dot_positives(rows, U, V, indptr, own, places, positives)
            loss = _block.block_rows(
                self.loss_state,
                rows,
                scores,
                shift,
                hit_shift,
                own,
                columns,
                kinds,
                indptr,
                positives,
                weights,
                self.log_explicit,
                self.n_hard,
                scratch[part],
            )
            if exact:
                _block.scatter_columns(rows, scores, indptr, own, columns, positives)
            np.matmul(scores[here], candidates, out=gradient[here])
            if not exact:
                _block.add_positive_rows(rows, gradient, V, indptr, own, places, positives)
            return loss

        loss = sum(work(pool, use_rows, range(len(parts))))
        share = np.float32(1 / n)
        if self.train_items:
            item_gradient = np.empty_like(V)
            item_gradient[m:] = 0
            column_parts = split(m, _PARTS)

            def use_columns(part):
                here = slice(*column_parts[part])
                np.matmul(scores[:, here].T, U, out=item_gradient[here])

            work(pool, use_columns, range(len(column_parts)))
            if not exact:
                self._add_positives(item_gradient, U, indptr, np.where(own > 0, places, -1), positives, pool)
            item_gradient *= share
            self.items.backward(item_pass, item_gradient, rate, pool)
        gradient *= share
        self.users.backward(user_pass, gradient, rate, pool)
        return float(loss)

    def _add_positives(self, gradient, U, indptr, places, values, pool):
        """Add what comes from the positives, which are no candidates in their own rows, to the items' gradient."""
        starts = np.empty(len(gradient) + 1, np.int64)
        entry_rows, entries = np.empty(len(places), np.int32), np.empty(len(places), np.int32)
        _block.transpose_block(indptr, places.astype(np.int32), starts, entry_rows, entries)
        parts = split(len(gradient), _PARTS)
        work(
            pool,
            lambda part: _block.add_transposed(parts[part], gradient, U, starts, entry_rows, entries, values),
            range(len(parts)),
        )

    def _candidates(self, block_items, n_users, rng):
        """Draw a block's shared candidates.

        Returns
        -------
        touched : ndarray of int32
            Distinct candidates, then the other positives of the block; `place_of` holds their places.
        n_candidates : int
        shift : ndarray of shape (n_candidates,), float32
            Logarithm of how often each was drawn over how often it was expected: it makes the sum over the candidates
            an unbiased estimate of the sum over the catalogue. Without correction, of how often it was drawn.
        hit_shift : ndarray of shape (n_candidates,), float32
        """
        # Of the others; a block of one user has none, and any number will do.
        share = max(n_users - 1, 1) / max(len(self.entries.users) - 1, 1)
        block = BlockPositives(block_items, self.entries.counts, share)
        drawn = self.sampler._draw_shared(self.n_negatives, block, rng)
        codes, times = np.unique(drawn, return_counts=True)
        codes = codes.astype(np.int32)
        expected = self.sampler._expected_counts(codes, self.n_negatives, block)
        shift = np.log(times if expected is None else times / expected).astype(np.float32)
        hit_shift = self.sampler._hit_shift(codes, times, block)
        touched = np.empty(len(codes) + len(block_items), np.int32)
        touched[: len(codes)] = codes
        self.place_of[codes] = np.arange(len(codes), dtype=np.int32)
        more = _number_more(block_items, self.place_of, touched, len(codes))
        return touched[:more], len(codes), shift, hit_shift


def _number_more(columns, place_of, distinct, n):
    """Give places from `n` on to the columns that have none yet; return how many there are then."""
    new = np.unique(columns[place_of[columns] < 0])
    place_of[new] = np.arange(n, n + len(new), dtype=np.int32)
    distinct[n : n + len(new)] = new
    return n + len(new)
