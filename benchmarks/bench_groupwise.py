"""Every positive of a user against every negative, or triplets: pairs a second, and time to the same quality.

    python benchmarks/bench_groupwise.py [--rounds 5] [--epochs 60] [--search] [--quick]

ML-1M m1, hinge, 64 components, ids alone (no history), one thread. The group-wise optimiser is
`TwoTowerRetriever(loss="hinge", history_weight=0)`, the triplet kernel `TripletMF(loss="hinge")`, uniform negatives.

- Pairs a second: (positive, negative) pairs that an epoch has compared over the time of an epoch, that of a fit less
  that of one of fewer epochs; contestants alternate in turning order within one process. By wall clock and by the
  thread's CPU clock, which is the steadier one where others use the machine. Target: 10 times as many.
- Time to quality: the triplet kernel trains with its settings, and its best NDCG@20 on the test rows over its epochs,
  looked at every few, is what the group-wise fits, of a rising number of epochs, have to reach. Seconds of both are
  those of whole fits, preparation included, without judging. Target: a fifth of the time.

Learning rates and the numbers of negatives come from `--search`, which reads only the training rows: the highest
NDCG@20 on a tenth of them, after 20 epochs of triplets and 8 of groups.
"""

import argparse
import time
import warnings

import common
import numpy as np

from skrec import TripletMF, TwoTowerRetriever
from skrec.metrics import ranking_metrics
from skrec.samplers import UniformSampler

N_COMPONENTS = 64
# What --search has chosen.
TRIPLETS = {"cosine": {"learning_rate": 0.2}, "gmf": {"learning_rate": 0.05, "l2": 0.03}}
GROUPS = {
    "cosine": {"learning_rate": 0.1, "batch_size": 32},
    "gmf": {"learning_rate": 0.1, "batch_size": 128, "l2": 0.0003},
}
# Times the triplets' seconds after which a slower rung is not tried.
_GIVE_UP = 4
LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24)


def triplet(similarity, epochs, **settings):
    settings = TRIPLETS[similarity] | settings
    return TripletMF(N_COMPONENTS, similarity=similarity, loss="hinge", max_iter=epochs, random_state=0, **settings)


def group(similarity, epochs, n_negatives=None, **settings):
    """Against the whole catalogue, or so many uniform negatives that a block shares."""
    settings = GROUPS[similarity] | settings
    if n_negatives is not None:
        settings |= {"sampler": UniformSampler(), "n_negatives": n_negatives}
    return TwoTowerRetriever(
        N_COMPONENTS,
        similarity=similarity,
        loss="hinge",
        history_weight=0.0,
        max_iter=epochs,
        random_state=0,
        **settings,
    )


def clocks(function):
    """Wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.thread_time()
    function()
    return np.array([time.perf_counter() - wall, time.thread_time() - cpu])


def count_pairs(train, n_items, n_negatives):
    """Pairs that an epoch compares; a user's own positives are no negatives."""
    own = np.bincount(train[:, 0])
    if n_negatives is None:
        return float((own * (n_items - own)).sum())
    distinct = n_items * (1 - (1 - 1 / n_items) ** n_negatives)  # shared draws are with replacement
    return float((own * distinct * (1 - own / n_items)).sum())


def throughput(train, similarity, rounds):
    n_items = len(np.unique(train[:, 1]))
    contestants = {
        "triplets": (lambda n: triplet(similarity, n), (2, 12), float(len(train))),
        "group, all negatives": (lambda n: group(similarity, n), (1, 3), count_pairs(train, n_items, None)),
        "group, 500 uniform": (lambda n: group(similarity, n, 500), (1, 5), count_pairs(train, n_items, 500)),
    }

    def measure(make, epochs):
        few, many = (clocks(lambda n=n: make(n).fit(train)) for n in epochs)
        return (many - few) / (epochs[1] - epochs[0])

    for make, _, _ in contestants.values():
        make(1).fit(train)  # compiles
    seconds = common.alternate(
        {name: lambda m=make, e=epochs: measure(m, e) for name, (make, epochs, _) in contestants.items()}, rounds
    )
    rates = {name: contestants[name][2] / np.array(own) for name, own in seconds.items()}
    rows, record = [], {}
    for name, rate in rates.items():
        ratio = np.median(rate / rates["triplets"], axis=0)
        record[name] = {"rates": rate.tolist(), "ratio": ratio.tolist(), "pairs": contestants[name][2]}
        wall, cpu = np.median(rate, axis=0) / 1e6
        met = "" if name == "triplets" else "yes" if ratio.min() >= 10 else "NO"
        rows.append(
            (
                name,
                f"{contestants[name][2] / 1e6:.1f} M",
                f"{wall:.1f} M",
                f"{cpu:.1f} M",
                *(f"{r:.1f}" for r in ratio),
                met,
            )
        )
    print(f"\nPairs a second, {similarity}, {N_COMPONENTS} components, one thread\n")
    header = "optimiser", "pairs an epoch", "a second, wall", "a second, CPU", "ratio, wall", "ratio, CPU", "10 times"
    common.print_table(header, rows)
    return record


class Best:
    """A callback that judges the model every few epochs."""

    def __init__(self, every, judge):
        self.every, self.judge, self.scores = every, judge, {}

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        epoch = context.task_id + 1
        if context.task_name == "epoch" and epoch % self.every == 0:
            self.scores[epoch] = self.judge(fitted_estimator)

    def teardown(self, estimator, context):
        pass


def quality(train, test, similarity, epochs, every):
    def judge(model):
        return ranking_metrics(model, test, metrics="ndcg@20").scores["ndcg@20"]

    watch = Best(every, judge)
    triplet(similarity, epochs).set_callbacks(watch).fit(train)
    best_epoch, target = max(watch.scores.items(), key=lambda item: item[1])
    base = clocks(lambda: triplet(similarity, best_epoch).fit(train))
    print(f"\nTime to quality, {similarity}: triplets reach NDCG@20 {target:.4f} after {best_epoch} epochs, ", end="")
    print(f"{base[0]:.1f} s by the wall, {base[1]:.1f} s of CPU", flush=True)
    record = {"target": target, "epochs": best_epoch, "seconds": base.tolist(), "curve": watch.scores, "groups": {}}
    rows = []
    for name, n_negatives in (("all negatives", None), ("500 uniform", 500)):
        for n in LADDER:
            model = group(similarity, n, n_negatives)
            seconds = clocks(lambda model=model: model.fit(train))
            score = judge(model)
            record["groups"].setdefault(name, []).append([n, score, *seconds.tolist()])
            share = seconds / base
            rows.append(
                (
                    name,
                    n,
                    f"{score:.4f}",
                    f"{seconds[0]:.2f}",
                    f"{seconds[1]:.2f}",
                    f"{share[0]:.2f}",
                    f"{share[1]:.2f}",
                )
            )
            if score >= target or seconds[1] > _GIVE_UP * base[1]:
                break
    header = "group, negatives", "epochs", "NDCG@20", "seconds, wall", "CPU", "of the triplets' wall", "of their CPU"
    common.print_table(header, rows)
    return record


def search(train):
    """Print validation scores of settings."""
    rng = np.random.default_rng(0)
    at = rng.random(len(train)) < 0.1
    penalties = {"cosine": ([0.0], [0.0]), "gmf": ([0.01, 0.03], [0.0003, 0.001])}
    for similarity, (for_triplets, for_groups) in penalties.items():
        models = {
            f"triplets, learning_rate={rate}, l2={l2}": triplet(similarity, 20, learning_rate=rate, l2=l2)
            for rate in ((0.1, 0.2, 0.4) if similarity == "cosine" else (0.05, 0.1, 0.2))
            for l2 in for_triplets
        }
        models |= {
            f"group, learning_rate={rate}, batch_size={size}, l2={l2}": group(
                similarity, 8, 500, learning_rate=rate, batch_size=size, l2=l2
            )
            for rate, size in ((0.1, 128), (0.2, 128), (0.05, 32), (0.1, 32))
            for l2 in for_groups
        }
        for name, model in models.items():
            score = ranking_metrics(model.fit(train[~at]), train[at], metrics="ndcg@20").scores["ndcg@20"]
            print(similarity, name, f"{score:.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60, help="of the triplet kernel")
    parser.add_argument("--every", type=int, default=5, help="epochs after which it is judged")
    parser.add_argument("--similarity", nargs="+", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--quick", action="store_true", help="does it run: MovieLens 100K, few epochs")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/groupwise.json")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="skrec")
    if options.quick:
        global LADDER
        options.rounds, options.epochs, options.every, LADDER = 1, 4, 2, (1, 2)
        parts = (common.load_ml_100k(name) for name in ("ua.base", "ua.test"))
        train, test = (pairs[rating >= 4] for pairs, rating in parts)
    else:
        train, test = common.load_ml_1m(), common.load_ml_1m("test.txt")
    if options.search:
        search(train)
        return
    test = test[np.isin(test[:, 1], train[:, 1])]
    record = {"machine": common.machine(), "options": vars(options), "throughput": {}, "quality": {}}
    for similarity in options.similarity:
        record["throughput"][similarity] = throughput(train, similarity, options.rounds)
        record["quality"][similarity] = quality(train, test, similarity, options.epochs, options.every)
    print(f"\nMachine: {record['machine']}")
    common.save("groupwise-quick" if options.quick else "groupwise", record, options.output)


if __name__ == "__main__":
    main()
