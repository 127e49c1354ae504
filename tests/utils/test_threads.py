"""BLAS is limited within the block and free again after it."""

from threadpoolctl import threadpool_info

from skrec.utils._threads import blas_threads


def blas_limits():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_is_limited_within_the_block_only():
    before = blas_limits()
    assert before
    with blas_threads(1):
        assert set(blas_limits()) == {1}
    assert blas_limits() == before
