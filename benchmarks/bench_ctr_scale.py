"""CTRRanker on generated rows with 20 categorical columns: rows per second, peak memory and growth with the rows.

    python benchmarks/bench_ctr_scale.py [--rows 1 3 10] [--interactions fm] [--threads 2]

Rows are in millions. Columns have from 10 to 200,000 categories, drawn by popularity (rank + 10)^-1; clicks follow a
linear model with a rate of about a fifth. Each size runs in a process of its own, which tells the seconds of reading
(encoding and merging rows that are alike: a fit of no epochs), of an epoch (half of what a fit of two takes beyond
that), and its peak memory above that before the fits, beside the size of the input (int32 codes). Batches are of 8192
rows.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import common
import numpy as np

SIZES = np.unique(np.geomspace(10, 200_000, 20).astype(int))


def make_rows(n, seed=0):
    rng = np.random.default_rng(seed)
    X = np.empty((n, len(SIZES)), np.int32, order="F")
    logits = np.full(n, -1.5, np.float32)
    for place, size in enumerate(SIZES):
        mass = np.cumsum(1 / (np.arange(size) + 10.0))
        weights = rng.normal(0, 0.3, size).astype(np.float32)
        X[:, place] = np.searchsorted(mass / mass[-1], rng.random(n, dtype=np.float32))
        np.minimum(X[:, place], size - 1, out=X[:, place])
        logits += weights[X[:, place]]
    return X, (rng.random(n, dtype=np.float32) < 1 / (1 + np.exp(-logits))).astype(np.int8)


def peak():
    """Return the highest resident memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(n, interaction, threads):
    from skrec import CTRRanker
    from skrec.preprocessing import FeatureEncoder

    def model(max_iter):
        encoder = FeatureEncoder(categorical=list(range(len(SIZES))), min_frequency=1)
        options = {"batch_size": 8192, "early_stopping": False, "n_jobs": threads, "random_state": 0}
        return CTRRanker(interaction=interaction, max_iter=max_iter, encoder=encoder, **options)

    small = make_rows(20_000, seed=1)
    model(1).fit(*small)
    X, y = make_rows(n)
    before, seconds = peak(), []
    for max_iter in (0, 1, 2):
        start = time.perf_counter()
        fitted = model(max_iter).fit(X, y)
        seconds.append(time.perf_counter() - start)
    print(
        json.dumps(
            {
                "rows": n,
                "reading": seconds[0],
                "epoch": (seconds[2] - seconds[0]) / 2,
                "memory": peak() - before,
                "input": X.nbytes,
                "loss": fitted.loss_curve_,
            }
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, nargs="+", default=[1, 3, 10], help="millions")
    parser.add_argument("--interactions", nargs="+", default=["fm"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--output", help="file for the record")
    options = parser.parse_args()
    if options.measure:
        return measure(int(options.measure[0]), options.measure[1], options.threads)
    table, record = [], {"machine": common.machine(), "runs": []}
    for interaction in options.interactions:
        for millions in options.rows:
            n = int(millions * 1e6)
            command = [sys.executable, __file__, "--measure", str(n), interaction, "--threads", str(options.threads)]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            record["runs"].append({"interaction": interaction, **found})
            table.append(
                [
                    interaction,
                    f"{millions:g}",
                    f"{found['reading']:.1f}",
                    f"{found['epoch']:.1f}",
                    f"{n / found['epoch'] / 1e6:.2f}",
                    f"{found['memory'] / 2**30:.2f}",
                    f"{found['input'] / 2**30:.2f}",
                ]
            )
            print(table[-1], flush=True)
    header = ["interaction", "million rows", "s reading", "s an epoch", "million rows / s", "GiB above", "GiB of input"]
    common.print_table(header, table)
    common.save("ctr_scale", record, options.output)


if __name__ == "__main__":
    main()
