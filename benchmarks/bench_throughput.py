"""Positives per second of training at 64 components: TripletMF beside implicit, LightFM and Cornac.

    python benchmarks/bench_throughput.py [--quick] [--data ml-1m-m1 large] [--threads 1 2] [--rounds 5]

All contestants run in this process, alternating, on the same pairs in the same order. What is timed are whole epochs,
from outside, and preparation apart from them:

- TripletMF: the time of `fit` with `max_iter=epochs` less the time with `max_iter=0`; partitioning, sorting and the
  test for known positives happen in the epoch and are counted. Preparation is the fit with `max_iter=0`: reading the
  raw pairs, encoding the ids, drawing the first factors.
- LightFM: each `fit_partial(epochs=1)` after a `fit_partial(epochs=0)` that prepares.
- implicit, Cornac: the time of `fit` with that many epochs less the time with none.

The peers are handed ready matrices of encoded ids, made outside the clock. The contestants do not do the same work per
positive: README.md says how their draws of negatives differ. The first run of each is a warm-up and is not reported.
"""

import argparse
import gc
import time
import warnings

import common
import numpy as np
from scipy import sparse

N_COMPONENTS = 64
MAX_SAMPLED = 10  # WARP draws at most so many negatives for a positive, ours and LightFM's (its default)

LEARNING_RATE = 0.05  # LightFM's default

# (contestant of ours, peer, how many times faster ours has to be)
TARGETS = [
    ("skrec bpr sgd", "implicit bpr", 4.0),
    ("skrec bpr", "implicit bpr", 4.0),
    ("skrec bpr sgd", "lightfm bpr", 25.0),
    ("skrec bpr", "lightfm bpr", 25.0),
    ("skrec warp sgd", "lightfm warp", 15.0),
    ("skrec warp", "lightfm warp", 15.0),
]
TARGET_SPEED_UP = 1.6  # two threads over one

# Epochs of one measurement; WARP gets slower as it learns, so that both sides must train equally long.
EPOCHS = {
    "ml-1m-m1": {
        "skrec bpr": 20,
        "skrec bpr sgd": 20,
        "implicit bpr": 5,
        "lightfm bpr": 2,
        "cornac bpr": 5,
        "skrec warp": 5,
        "skrec warp sgd": 5,
        "lightfm warp": 5,
    },
    "large": {
        "skrec bpr": 3,
        "skrec bpr sgd": 3,
        "implicit bpr": 1,
        "lightfm bpr": 1,
        "cornac bpr": 1,
        "skrec warp": 1,
        "skrec warp sgd": 1,
        "lightfm warp": 1,
    },
}


def clock():
    """Wall and CPU seconds of this process, all its threads."""
    return np.array([time.perf_counter(), time.process_time()])


def timed(function, *args, **kwargs):
    """Wall and CPU seconds of one call."""
    gc.collect()
    start = clock()
    function(*args, **kwargs)
    return clock() - start


def run_skrec(loss, optimizer, pairs, threads, epochs):
    from skrec import TripletMF
    from skrec.samplers import UniformSampler, WARPSampler

    model = TripletMF(
        N_COMPONENTS,
        similarity="dot",
        loss=loss,
        sampler=WARPSampler(max_sampled=MAX_SAMPLED) if loss == "warp" else UniformSampler(),
        optimizer=optimizer,
        learning_rate=LEARNING_RATE,
        n_jobs=threads,
        random_state=0,
    )
    preparation = timed(model.set_params(max_iter=0).fit, pairs)
    whole = timed(model.set_params(max_iter=epochs).fit, pairs)
    return preparation, common.less_preparation(whole, preparation), 1.0 if loss == "bpr" else None


def run_implicit(matrix, threads, epochs):
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    settings = {"factors": N_COMPONENTS, "verify_negative_samples": True, "num_threads": threads, "random_state": 0}
    trained = []
    preparation = timed(BayesianPersonalizedRanking(iterations=0, **settings).fit, matrix, show_progress=False)
    whole = timed(
        BayesianPersonalizedRanking(iterations=epochs, **settings).fit,
        matrix,
        show_progress=False,
        callback=lambda epoch, elapsed, correct, skipped: trained.append(1 - skipped / matrix.nnz),
    )
    return preparation, common.less_preparation(whole, preparation), sum(trained) / epochs


def run_lightfm(loss, matrix, threads, epochs):
    from lightfm import LightFM

    model = LightFM(no_components=N_COMPONENTS, loss=loss, max_sampled=MAX_SAMPLED, random_state=0)
    preparation = timed(model.fit_partial, matrix, epochs=0, num_threads=threads)
    seconds = [timed(model.fit_partial, matrix, epochs=1, num_threads=threads) for _ in range(epochs)]
    return preparation, sum(seconds), 1.0 if loss == "bpr" else None


def run_cornac(dataset, threads, epochs):
    from cornac.models import BPR

    # No seed: with one, Cornac would train on one thread whatever is asked.
    preparation = timed(BPR(k=N_COMPONENTS, max_iter=0, num_threads=threads).fit, dataset)
    whole = timed(BPR(k=N_COMPONENTS, max_iter=epochs, num_threads=threads).fit, dataset)
    counts = np.diff(dataset.csr_matrix.indptr)
    skipped = np.sum(counts.astype(np.float64) ** 2) / (dataset.num_ratings * dataset.num_items)  # expected
    return preparation, common.less_preparation(whole, preparation), 1.0 - skipped


def contestants(pairs, with_skrec=True):
    """Return {name: function of (threads, epochs)}; each returns preparation, epochs and a share.

    Preparation and epochs are pairs of wall and CPU seconds.

    The share is that of the positives with a negative to train on: implicit and Cornac draw once and skip the positive
    when the draw is known to be liked, the others draw again. It is None for WARP, which skips by design.
    """
    from cornac.data import Dataset

    users, items = np.ascontiguousarray(pairs.T)
    ones = np.ones(len(pairs), dtype=np.float32)
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1
    coo = sparse.coo_matrix((ones, (users, items)), shape=(n_users, n_items))
    csr = coo.tocsr()
    csr.sort_indices()
    ids = [dict.fromkeys(range(n), 0) for n in (n_users, n_items)]  # Cornac only counts them
    dataset = Dataset(n_users, n_items, *ids, (users, items, ones))
    peers = {
        "implicit bpr": lambda threads, epochs: run_implicit(csr, threads, epochs),
        "lightfm bpr": lambda threads, epochs: run_lightfm("bpr", coo, threads, epochs),
        "cornac bpr": lambda threads, epochs: run_cornac(dataset, threads, epochs),
        "lightfm warp": lambda threads, epochs: run_lightfm("warp", coo, threads, epochs),
    }
    if not with_skrec:
        return peers
    ours = {
        "skrec bpr": lambda threads, epochs: run_skrec("bpr", "adagrad", pairs, threads, epochs),
        "skrec bpr sgd": lambda threads, epochs: run_skrec("bpr", "sgd", pairs, threads, epochs),
        "skrec warp": lambda threads, epochs: run_skrec("warp", "adagrad", pairs, threads, epochs),
        "skrec warp sgd": lambda threads, epochs: run_skrec("warp", "sgd", pairs, threads, epochs),
    }
    return ours | peers


def measure(data, pairs, thread_counts, rounds, only, quick):
    """Return one record a contestant and thread count: rates of whole epochs, preparation, whole-fit rates."""
    epochs = dict.fromkeys(EPOCHS[data], 1) if quick else EPOCHS[data]
    runs = {}
    for name, run in contestants(pairs, with_skrec=only is None or any(n.startswith("skrec") for n in only)).items():
        if only is None or name in only:
            for threads in thread_counts:
                runs[name, threads] = lambda run=run, name=name, threads=threads: run(threads, epochs[name])

    print(f"\n{data}: {len(pairs):,} pairs; warming up", flush=True)
    for run in runs.values():
        run()  # ours compiles here, and everybody's pages and threads get warm

    def report(r, key, run):
        name, threads = key
        rate = len(pairs) * epochs[name] / run[1][0]
        print(f"  round {r + 1}, {name}, {threads} thread(s): {rate / 1e6:.3f} M/s", flush=True)

    records = []
    for (name, threads), results in common.alternate(runs, rounds, report).items():
        prepared, trained = (np.array(seconds) for seconds in zip(*((p, t) for p, t, _ in results), strict=True))
        positives = len(pairs) * epochs[name]
        records.append(
            {
                "data": data,
                "contestant": name,
                "threads": threads,
                "epochs": epochs[name],
                "positives_per_second": common.spread(positives / trained[:, 0]),
                "positives_per_cpu_second": common.spread(positives / trained[:, 1]),
                "positives_per_second_with_preparation": common.spread(positives / (prepared + trained)[:, 0]),
                "preparation_seconds": common.spread(prepared[:, 0]),
                "share_with_negative": results[-1][2],
            }
        )
    return records


def round_ratios(records, above, below, unit="positives_per_second"):
    """Median, lowest and highest over the rounds of the rate of one record over another's, or None if not run."""
    chosen = []
    for wanted in (above, below):
        chosen += [r[unit]["values"] for r in records if (r["contestant"], r["threads"]) == wanted]
    if len(chosen) != 2:
        return None
    return common.spread(a / b for a, b in zip(*chosen, strict=True))


def compare(data, records, thread_counts):
    """Return the issue's ratios, each round's own and their median, beside what they must reach."""
    rows = []
    for threads in thread_counts:
        for ours, peer, target in TARGETS:
            ratio = round_ratios(records, (ours, threads), (peer, threads))
            if ratio:
                cpu = round_ratios(records, (ours, threads), (peer, threads), "positives_per_cpu_second")["median"]
                row = {"data": data, "what": f"{ours} / {peer}", "threads": threads, "target": target}
                rows.append(row | ratio | {"cpu_median": cpu})
    for ours in ("skrec bpr", "skrec bpr sgd", "skrec warp", "skrec warp sgd"):
        ratio = round_ratios(records, (ours, 2), (ours, 1))
        if ratio:
            rows.append(
                {"data": data, "what": f"{ours}, 2 / 1 threads", "threads": 2, "target": TARGET_SPEED_UP} | ratio
            )
    return rows


def show(records, ratios):
    print()
    common.print_table(
        (
            "data",
            "contestant",
            "threads",
            "M positives/s",
            "lowest",
            "highest",
            "a CPU second",
            "with preparation",
            "preparation s",
            "with a negative",
        ),
        [
            (
                r["data"],
                r["contestant"],
                r["threads"],
                *(f"{r['positives_per_second'][k] / 1e6:.3f}" for k in ("median", "min", "max")),
                f"{r['positives_per_cpu_second']['median'] / 1e6:.3f}",
                f"{r['positives_per_second_with_preparation']['median'] / 1e6:.3f}",
                f"{r['preparation_seconds']['median']:.2f}",
                "" if r["share_with_negative"] is None else f"{r['share_with_negative']:.2f}",
            )
            for r in records
        ],
    )
    print()
    if ratios:
        common.print_table(
            ("data", "ratio of rates", "threads", "median", "lowest", "highest", "by CPU time", "target", "met"),
            [
                (
                    r["data"],
                    r["what"],
                    r["threads"],
                    *(f"{r[k]:.2f}" for k in ("median", "min", "max")),
                    f"{r['cpu_median']:.2f}" if "cpu_median" in r else "",
                    r["target"],
                    "yes" if r["median"] >= r["target"] else "NO",
                )
                for r in ratios
            ],
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(EPOCHS), default=list(EPOCHS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows of the large set to use")
    parser.add_argument("--only", nargs="+", choices=list(EPOCHS["large"]), help="leave the other contestants out")
    parser.add_argument("--quick", action="store_true", help="does it run: one round of one epoch, 500,000 large rows")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/throughput.json")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.rows = 1, 500_000
    # An epoch or two never converge, and that is what TripletMF would warn of.
    warnings.filterwarnings("ignore", module="skrec")

    record = {"machine": common.machine(), "options": vars(options), "rates": [], "ratios": []}
    for data in options.data:
        pairs = common.load_large(options.rows) if data == "large" else common.load_ml_1m()
        rates = measure(data, pairs, options.threads, options.rounds, options.only, options.quick)
        record["rates"] += rates
        record["ratios"] += compare(data, rates, options.threads)
    show(record["rates"], record["ratios"])
    print(f"\nMachine: {record['machine']}")
    common.save("throughput-quick" if options.quick else "throughput", record, options.output)


if __name__ == "__main__":
    main()
