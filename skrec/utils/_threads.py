"""How many threads a call may use, and keeping BLAS out of the way of our own."""

from joblib import effective_n_jobs
from threadpoolctl import threadpool_limits

__all__ = ["blas_threads", "effective_n_jobs"]


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
