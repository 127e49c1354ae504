"""Time of an epoch and peak memory of TripletMF from 1 to 20 million rows of 200,000 users and 50,000 items.

    python benchmarks/make_large.py && python benchmarks/bench_scale.py [--quick] [--optimizer adagrad] [--threads 1 2]

Every size runs in a process of its own, several times. The time of an epoch is the difference of two fits, as in
bench_throughput.py, over more epochs for fewer rows, so that the difference is never small beside either; the target
is that the time of a row is within 30 % of its time at the largest size. Peak memory is the largest resident size of
the process (getrusage) less what it was before the data were read, after the imports and a fit on a thousand rows
with a warm kernel cache; the target is 2.5 times the input (the array of pairs) and the factors (64 float32 for each
user and item).
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import warnings

import common
import numpy as np

N_COMPONENTS = 64
MEMORY_TARGET, LINEAR_TARGET = 2.5, 0.3
MOST_TIMES = 10  # as many epochs as of the largest size


def peak_memory():
    """Largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(n_rows, dtype, loss, optimizer, threads, epochs):
    """Fit in this process; print the record as JSON on the last line."""
    from skrec import TripletMF

    warnings.filterwarnings("ignore", module="skrec")  # two epochs do not converge
    parameters = {"similarity": "dot", "loss": loss, "optimizer": optimizer, "n_jobs": threads, "random_state": 0}
    model = TripletMF(N_COMPONENTS, max_iter=1, **parameters)
    model.fit(common.load_large(1000, dtype))
    before = peak_memory()
    pairs = common.load_large(n_rows, dtype)
    loaded = peak_memory()
    model.fit(pairs)
    peak = peak_memory()  # later fits start with the fitted arrays of this one still there
    model.set_params(max_iter=0).fit(pairs)  # the next one finds memory as the fits after it do
    preparation, _ = common.stopwatch(model.fit, pairs)
    whole, _ = common.stopwatch(model.set_params(max_iter=epochs).fit, pairs)
    factors = model.user_factors_.nbytes + model.item_factors_.nbytes
    record = {
        "rows": n_rows,
        "users": len(model.user_ids_),
        "items": len(model.item_ids_),
        "dtype": dtype,
        "loss": loss,
        "optimizer": optimizer,
        "threads": threads,
        "epoch_seconds": common.less_preparation(whole, preparation) / epochs,
        "preparation_seconds": preparation,
        "input_bytes": pairs.nbytes,
        "factor_bytes": factors,
        "peak_bytes": peak,
        "peak_bytes_before_data": before,
        "peak_bytes_of_loading": loaded - before,
        "memory_ratio": (peak - before) / (pairs.nbytes + factors),
    }
    print(json.dumps(record))


def run_child(*arguments):
    """Run `measure` in a process of its own. This process stays small: a child's peak begins with its parent's."""
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 2, 5, 10, 20], help="in millions of rows")
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--loss", nargs="+", default=["bpr"])
    parser.add_argument("--optimizer", nargs="+", default=["adagrad", "sgd"])
    parser.add_argument("--dtype", nargs="+", default=["int64", "int32"], help="of the ids in the input")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3, help="of the largest size; smaller ones get more")
    parser.add_argument("--quick", action="store_true", help="does it run: 0.1 and 0.2 million rows, one round")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/scale.json")
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        n_rows, dtype, loss, optimizer, threads, epochs = options.child
        measure(int(n_rows), dtype, loss, optimizer, int(threads), int(epochs))
        return
    header = {"machine": common.machine(), "options": vars(options)}
    sizes = [100_000, 200_000] if options.quick else [size * 1_000_000 for size in options.sizes]
    rounds = 1 if options.quick else options.rounds

    settings = list(itertools.product(options.dtype, options.loss, options.optimizer, options.threads))
    for setting in settings:
        run_child(1000, *setting, 1)  # fills the kernel cache
    runs = {
        (n_rows, *setting): lambda n_rows=n_rows, setting=setting: run_child(
            n_rows, *setting, options.epochs * min(max(sizes) // n_rows, MOST_TIMES)
        )
        for setting in settings
        for n_rows in sizes
    }
    results = common.alternate(runs, rounds, lambda r, key, _: print(f"  round {r + 1}: {key}", flush=True))

    records, rows = [], []
    for (n_rows, *setting), repeated in results.items():
        record = repeated[-1] | {
            "epoch_seconds": common.spread(r["epoch_seconds"] for r in repeated),
            "preparation_seconds": common.spread(r["preparation_seconds"] for r in repeated),
            "memory_ratio": max(r["memory_ratio"] for r in repeated),
        }
        largest = np.median([r["epoch_seconds"] for r in results[max(sizes), *setting]]) / max(sizes)
        record["row_seconds_over_largest"] = record["epoch_seconds"]["median"] / n_rows / largest
        record["linear"] = bool(abs(record["row_seconds_over_largest"] - 1) <= LINEAR_TARGET)
        record["memory_met"] = record["memory_ratio"] <= MEMORY_TARGET
        records.append(record)
        rows.append(
            (
                f"{n_rows / 1e6:g} M",
                *setting,
                f"{record['epoch_seconds']['median']:.3f}",
                f"{record['row_seconds_over_largest']:.2f}",
                "yes" if record["linear"] else "NO",
                f"{record['preparation_seconds']['median']:.2f}",
                f"{record['peak_bytes'] / 1e6:.0f} MB",
                f"{(record['input_bytes'] + record['factor_bytes']) / 1e6:.0f} MB",
                f"{record['memory_ratio']:.2f}",
                "yes" if record["memory_met"] else "NO",
            )
        )
    print()
    common.print_table(
        (
            "rows",
            "ids",
            "loss",
            "optimizer",
            "threads",
            "epoch s",
            "a row, over largest",
            f"within {LINEAR_TARGET:.0%}",
            "preparation s",
            "peak of process",
            "input + factors",
            "memory ratio",
            f"<= {MEMORY_TARGET}",
        ),
        rows,
    )
    common.save("scale-quick" if options.quick else "scale", header | {"sizes": records}, options.output)


if __name__ == "__main__":
    main()
