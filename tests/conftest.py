"""What every test may rely on: a fresh kernel cache shared by the run, no display, real data only where it is."""

import atexit
import os
import shutil
import sys
import tempfile

# Before anything imports numba or matplotlib. The cache is empty at the start of a run, so that no test reads
# yesterday's kernels, and is inherited by the subprocesses and joblib workers that tests start. Where the variable is
# set already, this is such a subprocess, or a caller who wants the kernels kept between runs.
if "NUMBA_CACHE_DIR" not in os.environ:
    _cache = tempfile.mkdtemp(prefix="skrec-kernels-")
    os.environ["NUMBA_CACHE_DIR"] = _cache
    atexit.register(shutil.rmtree, _cache, ignore_errors=True)
os.environ.setdefault("MPLBACKEND", "Agg")

from pathlib import Path  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402

# The first example of a test may compile a kernel, and machines are shared.
hypothesis.settings.register_profile("skrec", deadline=None)
hypothesis.settings.load_profile("skrec")

if sys.gettrace() is not None:
    # numba's compiler is Python and takes half the time of all tests; coverage would make it half as long again.
    from numba.core.dispatcher import Dispatcher

    def _untraced(compile_):
        def compile_untraced(self, signature):
            tracer = sys.gettrace()
            sys.settrace(None)
            try:
                return compile_(self, signature)
            finally:
                sys.settrace(tracer)

        return compile_untraced

    Dispatcher.compile = _untraced(Dispatcher.compile)


@pytest.fixture(scope="session")
def data_home():
    """Folder of the real data sets; skips the test where there is none."""
    folder = os.environ.get("SKREC_DATA_HOME")
    if not folder:
        pytest.skip("SKREC_DATA_HOME is not set: this test reads the real data sets")
    return Path(folder)
