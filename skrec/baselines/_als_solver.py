"""Alternating least squares on positives and their weights: both tables of factors, a side at a time."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import gen_batches

from skrec.utils._threads import blas_threads, effective_n_jobs
from skrec.utils._validation import kernel_array

# Conjugate gradient steps of a row in an epoch. In the benchmarks' data sets the objective after four epochs is then
# within 0.1 % of the one that exact solutions reach, and lists cannot be told apart.
_STEPS = 2
# A row that is solved by itself: the residual relative to its start, and more steps than that has ever taken.
_EXACT_TOL, _EXACT_STEPS = 1e-6, 10_000
# Rows that a thread multiplies at once, Gram matrices that are then added up, and positives that a thread solves for.
# All cut the work by the data alone, so that every sum has the same order whatever the number of threads.
_PIECE = 512
_GRAMS = 16
_CHUNK = 1 << 15


class Positives(NamedTuple):
    """The positives of one side's rows."""

    indptr: np.ndarray  # (n_rows + 1,) int64
    indices: np.ndarray  # (nnz,) int32
    weights: np.ndarray  # (nnz,) float32, of mean one; empty where all are one

    @classmethod
    def of(cls, matrix):
        """Take the arrays of a csr_array; int8 data say that all weights are one."""
        weights = np.empty(0) if matrix.dtype == np.int8 else matrix.data
        return cls(
            kernel_array(matrix.indptr, np.int64),
            kernel_array(matrix.indices, np.int32),
            kernel_array(weights, np.float32),
        )

    def totals(self):
        """Return the summed weight of each row, float64."""
        if not len(self.weights):
            return np.diff(self.indptr).astype(np.float64)
        sums = np.append(0.0, np.cumsum(self.weights, dtype=np.float64))
        return np.diff(sums[self.indptr])

    def chunks(self):
        """Return the bounds of groups of rows that are about equally much work."""
        work = self.indptr + 8 * np.arange(len(self.indptr))
        n_chunks = -(-int(work[-1]) // _CHUNK)
        return np.unique(np.searchsorted(work, np.linspace(0, work[-1], n_chunks + 1)))


def weigh_pairs(matrix, weight, exposure_weight=0.0, mean_weight=None):
    """Return the pairs that are pulled to 1 with their weights, of mean one over the positives, and the mean they had.

    Parameters
    ----------
    matrix : csr_array of shape (n_users, n_items), int8
        1 positive, -1 explicit negative.
    weight : ndarray of shape (nnz,), float32, or None
    exposure_weight : float, default=0.0
        What an explicit negative weighs beside a positive; at 0 it is left out.
    mean_weight : float, default=None
        What to divide by, by default the mean.

    Returns
    -------
    pairs : csr_array
        Of the weights, float32, or of ones, int8, where all are one.
    mean_weight : float
    """
    positive = matrix.data > 0
    kept = positive if exposure_weight == 0 else np.ones(matrix.nnz, bool)
    if weight is None and mean_weight in (None, 1.0) and positive.all():
        return matrix, 1.0
    data = np.ones(matrix.nnz, np.float64) if weight is None else weight.astype(np.float64)
    if mean_weight is None:
        mean_weight = float(data[positive].mean())
    data = (np.where(positive, data, data * exposure_weight)[kept] / mean_weight).astype(np.float32)
    before = np.append(0, np.cumsum(kept))
    indptr = before[matrix.indptr].astype(matrix.indptr.dtype)
    if (data == 1.0).all():
        data = data.astype(np.int8)
    return csr_array((data, matrix.indices[kept], indptr), shape=matrix.shape), mean_weight


class ALSSolver:
    """Improves two tables of factors in place.

    Parameters
    ----------
    positives : csr_array of shape (n_users, n_items)
        As :func:`weigh_pairs` returns them.
    user_factors, item_factors : ndarray of shape (n_users or n_items, n_components), float32
        Changed in place.
    alpha : float
        Weight of each pair of a user and an item in the pull to zero.
    l2 : float
        Penalty for each unit of a row's weight, the pull to zero included.
    n_jobs : int or None
    """

    def __init__(self, positives, user_factors, item_factors, *, alpha, l2, n_jobs):
        self.tables = {"user": user_factors, "item": item_factors}
        self.positives = {"user": Positives.of(positives), "item": Positives.of(positives.T.tocsr())}
        sizes = {"user": positives.shape[1], "item": positives.shape[0]}
        self.alpha = alpha
        self.penalties = {
            side: penalties(self.positives[side], sizes[side], alpha=alpha, l2=l2) for side in ("user", "item")
        }
        self.n_threads = effective_n_jobs(n_jobs)
        self.total = float(self.positives["user"].totals().sum())
        self._pool = None

    def __enter__(self):
        self._limits = blas_threads(1)
        self._limits.__enter__()
        self._pool = ThreadPoolExecutor(self.n_threads) if self.n_threads > 1 else None
        return self

    def __exit__(self, *raised):
        if self._pool is not None:
            self._pool.shutdown()
        self._limits.__exit__(*raised)

    def _map(self, function, pieces):
        """Call `function` on each piece, on the threads there are; results in the order of the pieces."""
        return list(self._pool.map(function, pieces) if self._pool is not None else map(function, pieces))

    def run_epoch(self):
        """Solve for the items, then for the users.

        Returns
        -------
        loss : float
            Objective for each unit of weight of the positives.
        energy : ndarray of shape (n_components,), float32
            As of :meth:`align` for the items.
        """
        self.improve("item", "user")
        objective, energy = self.improve("user", "item")
        return float(objective / self.total), energy

    def improve(self, side, other):
        """Improve the factors of one side; return the objective, and what :meth:`align` did for the other side."""
        from skrec._kernels._als import solve_rows

        energy = self.align(other)
        positives, penalty = self.positives[side], self.penalties[side]
        table, fixed = self.tables[side], self.tables[other]

        def solve(rows):
            scratch = np.empty((4, table.shape[1]), np.float32)
            return solve_rows(*positives, rows, table, fixed, energy, penalty, _STEPS, 0.0, scratch)

        solve((0, 0))  # Compiles, if need be, before there are threads.
        objective = sum(self._map(solve, pairwise(positives.chunks().tolist())))
        return objective + self._penalty(other), energy

    def align(self, side):
        """Turn both tables to the principal axes of one; return alpha times the squared length of each axis, float32.

        Scores stay what they are, and the Gram matrix of that side becomes diagonal.
        """
        table = self.tables[side]

        def gram(part):
            rows = table[part]
            return sum((rows[piece].T @ rows[piece]).astype(np.float64) for piece in gen_batches(len(rows), _PIECE))

        squares, axes = np.linalg.eigh(sum(self._map(gram, gen_batches(len(table), -(-len(table) // _GRAMS)))))
        axes = np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)
        for turned in self.tables.values():

            def turn(piece, turned=turned):
                turned[piece] = turned[piece] @ axes

            self._map(turn, gen_batches(len(turned), _PIECE))
        return (self.alpha * np.maximum(squares[::-1], 0.0)).astype(np.float32)

    def _penalty(self, side):
        table, penalty = self.tables[side], self.penalties[side]

        def cost(piece):
            return np.dot(penalty[piece], np.einsum("nk,nk->n", table[piece], table[piece], dtype=np.float64))

        return sum(self._map(cost, gen_batches(len(table), _PIECE)))


def penalties(positives, n_others, *, alpha, l2):
    """Return the l2 penalty of each row: `l2` times the weight of its pairs, observed or not; float32."""
    return (l2 * (positives.totals() + alpha * n_others)).astype(np.float32)


def place_rows(positives, fixed, energy, penalty):
    """Return the factors that minimise the objective for rows of positives, the other side as it is.

    Parameters
    ----------
    positives : Positives
        Of the rows.
    fixed : ndarray of shape (n_columns, n_components), float32
        Factors of the other side, along their principal axes.
    energy : ndarray of shape (n_components,), float32
        As :meth:`ALSSolver.align` returns it.
    penalty : ndarray of shape (n_rows,), float32

    Returns
    -------
    ndarray of shape (n_rows, n_components), float32
    """
    from skrec._kernels._als import solve_rows

    table = np.zeros((len(penalty), fixed.shape[1]), np.float32)
    scratch = np.empty((4, fixed.shape[1]), np.float32)
    fixed = kernel_array(fixed, np.float32)
    solve_rows(*positives, (0, len(table)), table, fixed, energy, penalty, _EXACT_STEPS, _EXACT_TOL, scratch)
    return table
