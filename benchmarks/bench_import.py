"""Seconds that skrec adds to `import sklearn`, and what the first fit compiles in a new and in a second process.

    python benchmarks/bench_import.py [--quick]

Every measurement is a new process. Targets: `import skrec` adds less than 50 ms to `import sklearn`; with a warm kernel
cache a fit and a recommendation on 1,000 rows compile nothing, which is counted by numba's own events.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import common

CHECKOUT = Path(__file__).resolve().parents[1]
IMPORT_TARGET = 0.050

IMPORTS = """
import json, sys, time
start = time.perf_counter()
import sklearn
sklearn_done = time.perf_counter()
before = set(sys.modules)
import skrec
skrec_done = time.perf_counter()
import sklearn.base, sklearn.utils.validation, scipy.sparse
sklearn_base_done = time.perf_counter()
from skrec import TripletMF
estimator_done = time.perf_counter()
heavy = [name for name in ("numba", "pandas", "matplotlib") if name in set(sys.modules) - before]
print(json.dumps({
    "import sklearn": sklearn_done - start,
    "import skrec": skrec_done - sklearn_done,
    "import sklearn.base, scipy.sparse": sklearn_base_done - skrec_done,
    "from skrec import TripletMF": estimator_done - sklearn_base_done,
    "heavy": heavy,
}))
"""

FIRST_FIT = """
import json, time, warnings
start = time.perf_counter()
import numpy as np
from skrec import TripletMF
imported = time.perf_counter()
from numba.core import event
compiled = event.RecordingListener()
event.register("numba:compile", compiled)
numba_imported = time.perf_counter()
rng = np.random.default_rng(0)
X = np.column_stack([rng.integers(100, size=1000), rng.integers(50, size=1000)])
warnings.simplefilter("ignore")
model = TripletMF(8, max_iter=2, random_state=0).fit(X)
fitted = time.perf_counter()
model.recommend(model.user_ids_[:3], 5)
done = time.perf_counter()
print(json.dumps({
    "import numpy and TripletMF": imported - start,
    "import numba": numba_imported - imported,
    "fit 1,000 rows": fitted - numba_imported,
    "recommend": done - fitted,
    "functions compiled": sum(e.is_start for _, e in compiled.buffer),
}))
"""


def run(code, **environment):
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)} | environment
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, env=environment
    ).stdout
    return json.loads(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="does it run: two rounds")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/import.json")
    options = parser.parse_args()
    header = {"machine": common.machine(), "options": vars(options)}
    rounds = 2 if options.quick else options.rounds

    run(IMPORTS)  # byte code, and the files into memory
    repeated = [run(IMPORTS) for _ in range(rounds)]
    imports = {name: common.spread(r[name] for r in repeated) for name in repeated[0] if name != "heavy"}
    common.print_table(
        ("import, each after the one above", "median ms", "lowest", "highest"),
        [(name, *(f"{values[k] * 1e3:.1f}" for k in ("median", "min", "max"))) for name, values in imports.items()],
    )
    met = imports["import skrec"]["median"] < IMPORT_TARGET
    print(f"import skrec under {IMPORT_TARGET * 1e3:.0f} ms: {'yes' if met else 'NO'}")
    print(f"heavy modules that `from skrec import TripletMF` loads: {repeated[0]['heavy'] or 'none'}\n")

    with tempfile.TemporaryDirectory() as cache:
        processes = {name: run(FIRST_FIT, NUMBA_CACHE_DIR=cache) for name in ("empty cache", "second process")}
    common.print_table(
        ("process", *processes["empty cache"]),
        [
            (name, *(f"{v:.2f} s" if isinstance(v, float) else v for v in values.values()))
            for name, values in processes.items()
        ],
    )
    nothing = processes["second process"]["functions compiled"] == 0
    print(f"second process compiles nothing: {'yes' if nothing else 'NO'}")
    record = header | {"imports": imports, "heavy": repeated[0]["heavy"], "first_fit": processes}
    common.save("import-quick" if options.quick else "import", record, options.output)


if __name__ == "__main__":
    main()
