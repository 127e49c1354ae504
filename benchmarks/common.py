"""What the benchmarks share: data, ranking metrics of their own, alternation of contestants, a record of the machine.

Import this module before numpy: it holds BLAS to one thread, so that a contestant has the threads it is given and no
others, wherever its matrix products are done.
"""

import gc
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results"


# --- data


def data_home():
    """Folder of the real data sets: ml-100k/ua.base, ml-100k/ua.test, ml-1m-m1/train.txt."""
    home = os.environ.get("SKREC_DATA_HOME")
    if home is None:
        raise SystemExit("Set SKREC_DATA_HOME to a folder with ml-100k/ and ml-1m-m1/ (see benchmarks/README.md).")
    return Path(home)


def load_ml_100k(name="ua.base"):
    """Return (user, item) pairs counted from 0, int32 of shape (n, 2), and the ratings."""
    table = np.loadtxt(data_home() / "ml-100k" / name, dtype=np.int64)
    return (table[:, :2] - 1).astype(np.int32), table[:, 2]


def load_ml_1m(name="train.txt"):
    """Return the (user, item) pairs of the m1 split, a line of the file being a user and then its items."""
    pairs = []
    with open(data_home() / "ml-1m-m1" / name) as lines:
        for line in lines:
            user, *items = np.fromstring(line, dtype=np.int32, sep=" ")
            pairs.append(np.column_stack([np.full(len(items), user, dtype=np.int32), np.asarray(items, np.int32)]))
    return np.concatenate(pairs)


def large_folder():
    """Where make_large.py keeps its files: SKREC_BENCHMARK_CACHE, or a folder of the system's temporary one."""
    return Path(os.environ.get("SKREC_BENCHMARK_CACHE", Path(tempfile.gettempdir()) / "skrec-benchmarks"))


def load_large(n_rows, dtype=np.int32):
    """Return the first `n_rows` generated pairs, read straight into the result: no second copy is ever in memory.

    The rows are in random order, so that every prefix is a uniform sample of the whole.
    """
    pairs = np.empty((n_rows, 2), dtype=dtype)
    for column, name in enumerate(("users", "items")):
        path = large_folder() / f"{name}.npy"
        if not path.exists():
            raise SystemExit(f"{path} is not there: run `python benchmarks/make_large.py` first.")
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
            (n_stored,), _, stored = np.lib.format.read_array_header_1_0(file)
            if n_rows > n_stored:
                raise SystemExit(f"{path} holds {n_stored:,} rows, {n_rows:,} were asked for: run make_large.py again.")
            for start in range(0, n_rows, 1_000_000):
                stop = min(start + 1_000_000, n_rows)
                pairs[start:stop, column] = np.fromfile(file, dtype=stored, count=stop - start)
    return pairs


# --- metrics, written apart from skrec.metrics so that the judge is not a contestant


def ranking_quality(scores, train, test, k=20):
    """Mean AUC, Recall@k and NDCG@k over the users with a test positive; every item not liked in training is ranked.

    `scores` is (n_users, n_items); `train` and `test` are boolean masks of the same shape. Ties count half in the AUC.
    Recall divides by the user's test positives, NDCG by the best possible DCG of min(k, test positives).
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    rows = []
    for user in np.flatnonzero(test.any(axis=1)):
        candidates = ~train[user]
        score, relevant = scores[user, candidates], test[user, candidates]
        n_relevant = np.count_nonzero(relevant)
        if n_relevant in (0, len(relevant)):
            continue
        ordered = np.sort(score)
        below = np.searchsorted(ordered, score[relevant], side="left")
        not_above = np.searchsorted(ordered, score[relevant], side="right")
        mean_rank = (below + not_above + 1) / 2
        auc = (mean_rank.sum() - n_relevant * (n_relevant + 1) / 2) / (n_relevant * (len(score) - n_relevant))
        hits = relevant[np.argsort(-score, kind="stable")[:k]]
        best = discounts[: min(k, n_relevant)].sum()
        rows.append((auc, hits.sum() / n_relevant, (hits * discounts[: len(hits)]).sum() / best))
    return dict(zip(("auc", "recall", "ndcg"), np.mean(rows, axis=0).tolist(), strict=True))


def pair_mask(pairs, shape):
    """Boolean (n_users, n_items) array that is true at the given pairs."""
    mask = np.zeros(shape, dtype=bool)
    mask[pairs[:, 0], pairs[:, 1]] = True
    return mask


# --- measuring


def stopwatch(function, *args, **kwargs):
    """Return (seconds, result) of one call, with the garbage of earlier ones collected beforehand."""
    gc.collect()
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return time.perf_counter() - start, result


def less_preparation(whole, preparation):
    """Seconds of the epochs alone; nan when they are lost in the noise, so that no target is met by accident."""
    return np.where(np.greater(whole, preparation), np.subtract(whole, preparation), np.nan)[()]


def alternate(contestants, rounds, report=None):
    """Call every contestant once a round, in turning order, and return {name: [result of each round]}.

    Each round starts with another contestant and every second one runs backwards, so that none is always first, or
    always behind the same neighbour, while the machine warms up or slows down.
    """
    names = list(contestants)
    results = {name: [] for name in names}
    for r in range(rounds):
        order = names[r % len(names) :] + names[: r % len(names)]
        for name in order[:: -1 if r % 2 else 1]:
            results[name].append(contestants[name]())
            if report is not None:
                report(r, name, results[name][-1])
    return results


def spread(values):
    """Median, lowest and highest of some measurements, and all of them, for the record."""
    values = [float(value) for value in values]
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


def machine():
    """Processor, cores, load and versions: what a reader needs to judge a figure."""
    model = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    versions = {"python": platform.python_version()}
    for package in ("numpy", "scipy", "scikit-learn", "numba", "skrec-learn", "implicit", "lightfm-next", "cornac"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load_before": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "platform": platform.platform(),
        "versions": versions,
        "blas_threads": 1,
    }


def print_table(header, rows):
    """Print rows as a Markdown table, padded so that it reads well in a terminal too."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[c]) for row in cells) for c in range(len(header))]
    for n, row in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if n == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    sys.stdout.flush()


def save(name, record, path=None):
    """Write `record` as JSON to `path`, by default results/<name>.json beside the scripts."""
    path = Path(path) if path is not None else RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"\nSaved to {path}")
