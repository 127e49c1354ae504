"""Machine code is made once and kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from skrec import TwoTowerRetriever
from skrec.retrieval import ExactIndex
from skrec.samplers import InBatchSampler
assert "numba" not in sys.modules
from skrec.datasets import make_interactions
data = make_interactions(n_users=100, n_items=50, n_interactions=1000, random_state=0)
X, y = data.data, data.target
tables = {"user_features": data.user_features, "item_features": data.item_features}
from numba.core import event
for model in (
    TwoTowerRetriever(hidden_layers=(8,), max_iter=2, l2=0, learning_rate=1, random_state=0),
    TwoTowerRetriever(sampler=InBatchSampler(), index=ExactIndex(), max_iter=2, batch_size=32, random_state=0),
):
    with event.install_recorder("numba:compile") as recorder:
        model.fit(X, y, **tables)
        model.recommend([1, 2, 3], **tables)
        model.fold_in(X.iloc[:3])
        model.partial_fit(X.iloc[:10])
        model.score(X, y)
    print(len(recorder.buffer))
"""


def count_compilations(cache):
    """Compilations of a first model, and what a second one adds to them."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(line) for line in run.stdout.split()]


@pytest.mark.compile
def test_a_second_process_compiles_nothing(tmp_path):
    assert min(count_compilations(tmp_path)) > 0
    assert count_compilations(tmp_path) == [0, 0]
