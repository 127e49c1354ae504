"""Machine code is made once and kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
import skrec
assert "numba" not in sys.modules
from skrec import TripletMF
assert "numba" not in sys.modules
from skrec.datasets import make_interactions
X, y = make_interactions(n_users=100, n_items=50, n_interactions=1000, return_X_y=True, random_state=0)
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    model = TripletMF(random_state=0).fit(X, y)
    model.recommend([1, 2, 3])
    model.similar_items([1])
    model.score(X, y)
print(len(recorder.buffer))
"""


def count_compilations(cache):
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(run.stdout)


@pytest.mark.compile
def test_a_second_process_compiles_nothing(tmp_path):
    assert count_compilations(tmp_path) > 0
    assert count_compilations(tmp_path) == 0
