"""How many threads a call may use, how work is cut for them, and keeping BLAS out of the way of our own."""

from joblib import effective_n_jobs
from threadpoolctl import threadpool_limits

__all__ = ["blas_threads", "effective_n_jobs", "split", "work"]


def blas_threads(n_threads):
    """Limit BLAS to `n_threads` within a ``with`` block.

    One thread inside a pool of our own, where each BLAS call starting a pool too would make them fight over the cores.

    Parameters
    ----------
    n_threads : int
        Threads that each BLAS call may use.

    Returns
    -------
    threadpoolctl.threadpool_limits
        A context manager; the old limit is back afterwards.
    """
    return threadpool_limits(limits=n_threads, user_api="blas")


def split(n, parts):
    """Cut range(n) into at most `parts` ranges of about equal length, as pairs of int."""
    parts = max(1, min(parts, n))
    bounds = [n * p // parts for p in range(parts + 1)]
    return list(zip(bounds[:-1], bounds[1:], strict=True))


def work(pool, function, arguments):
    """Call a function on each argument, by the threads of a pool where there is one; return the results in order."""
    return list(map(function, arguments) if pool is None else pool.map(function, arguments))
