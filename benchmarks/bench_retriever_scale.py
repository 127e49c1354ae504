"""Time of an epoch and peak memory of TwoTowerRetriever up to 1,000,000 users, 200,000 items and 20 million rows.

    python benchmarks/bench_retriever_scale.py [--sizes 1 5 20] [--threads 1 2] [--rounds 3] [--quick]

Rows grow with users: a million rows are those of 50,000 users, and all users choose among the same 200,000 items, so
that every size has 20 rows a user, and 20 million rows are those of a million users. What a step costs depends on its
users, 128, and on the negatives that these share, 2,048; so the time of an epoch should be linear in the rows, and the
target is that a row takes within 30 % of what it takes at the largest size. Popularity and activity are drawn as in
make_large.py; the rows are generated once, a second for each million, and kept beside its files.

Every size runs in a process of its own. The time of an epoch is the difference of two fits, one with max_iter=0. Peak
memory is the largest resident size of the process (getrusage); beside it stands what it was before the data were read,
after the imports and a fit on a few rows with a warm kernel cache, and a floor: the array of pairs, the tables of
users, items and histories with Adam's two memories of each, and the fitted vectors.

The last table is of the exact engine on MovieLens 1M (m1), one thread: the floating-point operations of its three
products (scores, gradient of the users, gradient of the items: 2 x users x items x components each) over the time of an
epoch, beside what a large float32 product of numpy reaches in the same minutes.
"""

import argparse
import json
import resource
import subprocess
import sys

import common
import make_large
import numpy as np

N_COMPONENTS = 64
N_ITEMS = 200_000
CHUNK_USERS, CHUNK_ROWS = 50_000, 1_000_000
LINEAR_TARGET = 0.3


# --- data


def chunk_path(chunk):
    return common.large_folder() / f"retriever-{chunk}.npy"


def make_chunk(chunk):
    """Return the (user, item) pairs of 50,000 users, int32 of shape (1,000,000, 2), in random order, no pair twice."""
    rng = np.random.default_rng([1, chunk])
    activity = rng.lognormal(sigma=1.0, size=CHUNK_USERS)
    popularity = (np.arange(N_ITEMS) + 20.0) ** -0.9
    popularity = popularity[np.random.default_rng(1).permutation(N_ITEMS)]  # the same for every chunk
    keys = np.empty(0, np.int64)
    while len(keys) < CHUNK_ROWS:
        n = int(1.1 * (CHUNK_ROWS - len(keys))) + 1000
        keys = np.unique(
            np.append(keys, make_large.draw(activity, n, rng) * N_ITEMS + make_large.draw(popularity, n, rng))
        )
    rng.shuffle(keys)
    users, items = np.divmod(keys[:CHUNK_ROWS], N_ITEMS)
    return np.column_stack([users + chunk * CHUNK_USERS, items]).astype(np.int32)


def generate(n_chunks):
    """Write the chunks that are not there yet."""
    common.large_folder().mkdir(parents=True, exist_ok=True)
    for chunk in range(n_chunks):
        if not chunk_path(chunk).exists():
            np.save(chunk_path(chunk), make_chunk(chunk))


def load(n_rows):
    """Return the first rows, read straight into the result."""
    pairs = np.empty((n_rows, 2), np.int32)
    for start in range(0, n_rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, n_rows)
        pairs[start:stop] = np.load(chunk_path(start // CHUNK_ROWS), mmap_mode="r")[: stop - start]
    return pairs


# --- measuring


def peak_memory():
    """Largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def time_epochs(model, pairs, epochs):
    """Return the seconds of an epoch, and of what comes before and after the epochs."""
    preparation, _ = common.stopwatch(model.set_params(max_iter=0).fit, pairs)
    whole, _ = common.stopwatch(model.set_params(max_iter=epochs).fit, pairs)
    return common.less_preparation(whole, preparation) / epochs, preparation


def measure(n_rows, threads, epochs):
    """Fit in this process; print the record as JSON on the last line."""
    from skrec import TwoTowerRetriever
    from skrec.samplers import UniformSampler

    model = TwoTowerRetriever(N_COMPONENTS, sampler=UniformSampler(), max_iter=1, n_jobs=threads, random_state=0)
    model.fit(load(1000))
    before = peak_memory()
    pairs = load(n_rows)
    model.fit(pairs)
    peak = peak_memory()  # later fits start with the fitted arrays of this one still there
    epoch, preparation = time_epochs(model, pairs, epochs)
    tables = 3 * (model.user_factors_.nbytes + 2 * model.item_factors_.nbytes)
    record = {
        "rows": n_rows,
        "users": len(model.user_ids_),
        "items": len(model.item_ids_),
        "threads": threads,
        "epoch_seconds": epoch,
        "preparation_seconds": preparation,
        "peak_bytes": peak,
        "peak_bytes_before_data": before,
        "floor_bytes": pairs.nbytes + tables + model.user_factors_.nbytes + model.item_factors_.nbytes,
    }
    print(json.dumps(record))


def gemm_peak(n=2048, rounds=5):
    """Operations a second of a float32 product of n x n matrices on one thread, the best of some rounds."""
    a, b = np.random.default_rng(0).random((2, n, n), dtype=np.float32)
    out = np.empty_like(a)
    return max(2 * n**3 / common.stopwatch(np.matmul, a, b, out=out)[0] for _ in range(rounds))


def measure_exact(epochs, rounds):
    """Return the share of the GEMM peak that an exact epoch reaches, in alternation with the peak itself."""
    from skrec import TwoTowerRetriever

    pairs = common.load_ml_1m()
    model = TwoTowerRetriever(N_COMPONENTS, random_state=0).set_params(max_iter=1).fit(pairs)
    operations = 3 * 2 * len(model.user_ids_) * len(model.item_ids_) * N_COMPONENTS
    contestants = {"peak": gemm_peak, "epoch": lambda: time_epochs(model, pairs, epochs)[0]}
    results = common.alternate(contestants, rounds)
    rate = operations / np.median(results["epoch"])
    return {
        "engine": model.engine_,
        "users": len(model.user_ids_),
        "items": len(model.item_ids_),
        "epoch_seconds": common.spread(results["epoch"]),
        "operations": operations,
        "peak_per_second": common.spread(results["peak"]),
        "share_of_peak": float(rate / np.median(results["peak"])),
    }


def run_child(*arguments):
    """Call this script in a process of its own. This process stays small: a child's peak begins with its parent's."""
    command = [sys.executable, __file__, *map(str, arguments)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1]) if output else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 5, 20], help="in millions of rows")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="does it run: 0.1 and 0.2 million rows")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/retriever_scale.json")
    parser.add_argument("--generate", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=3, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--exact", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        return generate(options.generate)
    if options.child:
        return measure(*options.child)
    if options.exact:
        return print(json.dumps(measure_exact(*options.exact)))

    header = {"machine": common.machine(), "options": vars(options)}
    sizes = [100_000, 200_000] if options.quick else [size * CHUNK_ROWS for size in options.sizes]
    run_child("--generate", -(-max(sizes) // CHUNK_ROWS))
    run_child("--child", 1000, 1, 1)  # fills the kernel cache
    runs = {
        (size, threads): lambda size=size, threads=threads: run_child("--child", size, threads, options.epochs)
        for size in sizes
        for threads in options.threads
    }
    results = common.alternate(
        runs,
        options.rounds,
        lambda r, key, one: print(f"  round {r + 1}, {key[0]:,} rows, {key[1]} threads: {one['epoch_seconds']:.2f} s"),
    )
    exact = run_child("--exact", 1 if options.quick else 3, 1 if options.quick else 3)

    records, rows = [], []
    for (size, threads), repeated in results.items():
        record = repeated[-1] | {
            "epoch_seconds": common.spread(r["epoch_seconds"] for r in repeated),
            "preparation_seconds": common.spread(r["preparation_seconds"] for r in repeated),
            "peak_bytes": max(r["peak_bytes"] for r in repeated),
        }
        largest = np.median([r["epoch_seconds"] for r in results[max(sizes), threads]]) / max(sizes)
        record["row_seconds_over_largest"] = float(record["epoch_seconds"]["median"] / size / largest)
        record["linear"] = bool(abs(record["row_seconds_over_largest"] - 1) <= LINEAR_TARGET)
        records.append(record)
        rows.append(
            (
                f"{size / 1e6:g} M",
                f"{record['users']:,}",
                f"{record['items']:,}",
                threads,
                f"{record['epoch_seconds']['median']:.2f}",
                f"{record['row_seconds_over_largest']:.2f}",
                "yes" if record["linear"] else "NO",
                f"{record['preparation_seconds']['median']:.2f}",
                f"{record['peak_bytes'] / 1e6:.0f} MB",
                f"{record['peak_bytes_before_data'] / 1e6:.0f} MB",
                f"{record['floor_bytes'] / 1e6:.0f} MB",
            )
        )
    print()
    common.print_table(
        (
            "rows",
            "users",
            "items",
            "threads",
            "epoch s",
            "a row, over largest",
            f"within {LINEAR_TARGET:.0%}",
            "preparation s",
            "peak of process",
            "before the data",
            "floor",
        ),
        rows,
    )
    print()
    common.print_table(
        ("exact epoch", "seconds", "products GFLOP/s", "numpy's float32 product GFLOP/s", "share of peak"),
        [
            (
                f"{exact['users']:,} users x {exact['items']:,} items",
                f"{exact['epoch_seconds']['median']:.3f}",
                f"{exact['operations'] / exact['epoch_seconds']['median'] / 1e9:.1f}",
                f"{exact['peak_per_second']['median'] / 1e9:.1f}",
                f"{exact['share_of_peak']:.0%}",
            )
        ],
    )
    record = header | {"sizes": records, "exact": exact}
    common.save("retriever_scale-quick" if options.quick else "retriever_scale", record, options.output)


if __name__ == "__main__":
    main()
