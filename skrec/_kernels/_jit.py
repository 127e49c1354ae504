"""The one way to compile a kernel: flags chosen once, cache stamped by the sources of all kernels."""

import hashlib
from pathlib import Path

import numba
import numpy as np

# Reassociation lets sums over components use vector registers. Not the whole of fastmath: that assumes away NaN and
# inf, and the engines look for them to notice a fit that diverges.
_FASTMATH = {"contract", "reassoc", "nsz", "arcp"}


def _digest():
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


SOURCE_DIGEST = _digest()


def _stamp(dispatcher):
    """Tie a function's disk cache to all kernel sources, and let it outlive packages that are gone.

    numba compares the time stamp of the file that holds the function, and so keeps old code when a function that it
    calls, in another file, has changed. And the index of a cache names the state classes of everybody's samplers and
    losses: where one cannot be imported, numba would raise for all. Such an index counts as empty. Stamp and index are
    private attributes; without them the default stays in force.
    """
    cache_file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = SOURCE_DIGEST
    if hasattr(cache_file, "_load_index"):
        cache_file._load_index = _readable_or_empty(cache_file._load_index)
    return dispatcher


def _readable_or_empty(load_index):
    def load():
        try:
            return load_index()
        except (ImportError, AttributeError):
            return {}

    return load


class _Distinct(numba.core.compiler.Compiler):
    """numba's compiler, told that no two arguments share memory."""

    def define_pipelines(self):
        self.state.flags.noalias = True
        return super().define_pipelines()


def kernel(func=None, *, inline=True, distinct=False):
    """Compile `func` at its first call, without the GIL, with its machine code kept on disk.

    Parameters
    ----------
    func : callable
        The function. Its arguments are arrays, scalars and namedtuples of them. It allocates nothing: compiled without
        numba's reference counts (an atomic operation per array and call, which took longer than a training step), it
        could not.
    inline : bool, default=True
        Whether machine code is pasted into each caller. A namedtuple of arrays is dozens of words that a real call
        copies; with calls a step of the triplet engine takes several times as long. Entry points of large loops set it
        to False.
    distinct : bool, default=False
        Whether no array argument shares memory with another, which the caller sees to. Loops that write to some and
        read others then need not compare their addresses first, which among the rows of a step by AdaGrad took over a
        hundred instructions.

    Returns
    -------
    callable
        The compiled function; with ``NUMBA_DISABLE_JIT=1`` the Python function, made as silent about integer
        wrap-around and floating-point faults as machine code is.
    """
    if func is None:
        return lambda f: kernel(f, inline=inline, distinct=distinct)
    if numba.config.DISABLE_JIT:
        return np.errstate(all="ignore")(func)
    compiled = numba.njit(
        func,
        cache=True,
        nogil=True,
        error_model="numpy",
        fastmath=_FASTMATH,
        forceinline=inline,
        pipeline_class=_Distinct if distinct else numba.core.compiler.Compiler,
        _nrt=False,
    )
    return _stamp(compiled)
