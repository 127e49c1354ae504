"""Machine code is kept on disk, and never outlives the sources that it came from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import skrec
from skrec._kernels import _jit

KERNELS = Path(skrec.__file__).parent / "_kernels"

# deal_items calls shuffle, next_below and next_uint64 of a neighbour file.
DEAL = """
import numpy as np
from skrec._kernels._partition import deal_items, make_partition
from skrec._kernels._rng import seed_states
partition = make_partition(np.array([0, 0]), 40, 1, 2)
deal_items(partition, seed_states(0, 1)[0])
print(sum(deal_items.stats.cache_hits.values()), sum(deal_items.stats.cache_misses.values()))
print(partition.items.tolist())
"""

OWN_LOSS = """
from typing import NamedTuple
from skrec._kernels._losses import register_loss

class OwnState(NamedTuple):
    scale: float

@register_loss(OwnState)
def own(state, s_pos, s_neg):
    return state.scale * s_neg, 0.0, state.scale
"""

EVALUATE = """
import numpy as np
from skrec._kernels._losses import BPR, LossState, loss_grad_many
{more}
out = np.empty((1, 3))
loss_grad_many({state}, np.zeros(1), np.ones(1), out)
print(out[0, 0])
"""


@pytest.fixture
def kernels(tmp_path):
    """A package of nothing but a copy of the kernels, which a test may edit."""
    package = tmp_path / "site" / "skrec"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copytree(KERNELS, package / "_kernels", ignore=shutil.ignore_patterns("__pycache__"))
    return package / "_kernels"


def run(script, kernels, *folders):
    """Output lines of a script in a process of its own that finds the copied kernels and keeps its cache by them."""
    site = kernels.parent.parent
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(folder) for folder in (site, *folders)),
        "NUMBA_CACHE_DIR": str(site.parent / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",  # an edit within a second would go unnoticed
        "NUMBA_DISABLE_JIT": "0",
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=site, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.compile
def test_the_second_process_reads_the_first_ones_machine_code_until_a_neighbour_file_changes(kernels):
    first, dealt = run(DEAL, kernels)
    assert first == "0 1"
    assert run(DEAL, kernels) == ["1 0", dealt]

    for path in kernels.glob("*.py"):
        os.utime(path, (1, 1))
    assert run(DEAL, kernels) == ["1 0", dealt], "touching files must not recompile"

    neighbour = kernels / "_rng.py"
    source = neighbour.read_text()
    assert "_U17 = np.uint64(17)" in source
    neighbour.write_text(source.replace("_U17 = np.uint64(17)", "_U17 = np.uint64(18)"))
    recompiled, dealt_otherwise = run(DEAL, kernels)
    assert recompiled == "0 1"
    assert dealt_otherwise != dealt


@pytest.mark.compile
def test_a_cache_that_names_the_classes_of_a_missing_package_is_no_error(kernels, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "gone.py").write_text(OWN_LOSS)
    own = EVALUATE.format(more="from gone import OwnState", state="OwnState(3.0)")
    built_in = EVALUATE.format(more="", state="LossState(BPR, 0.0)")
    assert run(own, kernels, elsewhere) == ["3.0"]
    (value,) = run(built_in, kernels)
    assert float(value) == pytest.approx(1.3132616875182228)
    assert run(own, kernels, elsewhere) == ["3.0"]


@pytest.mark.parametrize(
    "dispatcher",
    [
        SimpleNamespace(),
        SimpleNamespace(_cache=SimpleNamespace()),
        SimpleNamespace(_cache=SimpleNamespace(_cache_file=SimpleNamespace())),
    ],
    ids=["no cache", "no cache file", "no stamp"],
)
def test_without_the_private_attributes_the_default_stays(dispatcher):
    before = repr(dispatcher)
    assert _jit._stamp(dispatcher) is dispatcher
    assert repr(dispatcher) == before
