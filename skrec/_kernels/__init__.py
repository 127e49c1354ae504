"""Compiled kernels: numpy and numba only, no scikit-learn, scipy or pandas.

Dtypes are chosen here, once: indices of users and items are int32, positions in a list of interactions (row pointers)
int64, factors and scores float32, sums of losses float64. Kernels take arrays and scalars, fill the outputs that they
are given and raise nothing. Each also runs as plain Python with ``NUMBA_DISABLE_JIT=1``.
"""
