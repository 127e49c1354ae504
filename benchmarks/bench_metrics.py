"""Average per-user ROC AUC beside the loop of the triplet notebook, which calls scikit-learn once a user.

Both must give the same number to 1e-6: the loop starts from a ready matrix of scores, ours multiplies the factors too, a
block at a time, which may round otherwise. They take turns, and medians are compared. Factors are random: the work of
neither side depends on how good they are.

    python benchmarks/bench_metrics.py [--quick] [--rounds 3] [--n-jobs 2]
"""

import argparse

import common  # First: it holds BLAS to one thread.
import numpy as np
from scipy.sparse import csr_array
from sklearn.metrics import roc_auc_score

from skrec.metrics import average_user_roc_auc
from skrec.metrics._evaluate import evaluate
from skrec.metrics._names import parse_metrics
from skrec.metrics._problem import matrix_problem

N_COMPONENTS = 64
LOOP = "loop over roc_auc_score, scores ready"
TARGETS = {"ML-100K": 100, "ML-1M m1": 300}
TOP_OF_LIST = ["precision@20", "recall@20", "ndcg@20", "map@20", "mrr@20", "hit_rate@20", "coverage@20", "gini@20"]


def to_matrix(pairs, shape):
    return csr_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=shape)


def load(name):
    """Return train and test positives as matrices of users by items."""
    if name == "ML-1M m1":
        train, test = common.load_ml_1m("train.txt"), common.load_ml_1m("test.txt")
    else:
        (train, rated), (test, rated_test) = common.load_ml_100k("ua.base"), common.load_ml_100k("ua.test")
        train, test = train[rated >= 4], test[rated_test >= 4]
    shape = tuple(np.concatenate([train, test]).max(axis=0) + 1)
    return to_matrix(train, shape), to_matrix(test, shape)


def notebook_loop(test, scores, train):
    """Average per-user ROC AUC, a user at a time."""
    aucs = []
    for u in range(test.shape[0]):
        positives = test.indices[test.indptr[u] : test.indptr[u + 1]]
        if len(positives) == 0:
            continue
        candidates = np.ones(test.shape[1], dtype=bool)
        candidates[train.indices[train.indptr[u] : train.indptr[u + 1]]] = False
        truth = np.zeros(test.shape[1])
        truth[positives] = 1
        aucs.append(roc_auc_score(truth[candidates], scores[u, candidates]))
    return np.mean(aucs)


def measure(name, rounds, n_jobs):
    train, test = load(name)
    rng = np.random.default_rng(0)
    users = rng.normal(size=(test.shape[0], N_COMPONENTS)).astype(np.float32)
    items = rng.normal(size=(test.shape[1], N_COMPONENTS)).astype(np.float32)
    ready = users @ items.T

    def scores(start, stop):
        return users[start:stop] @ items.T

    def ours(n):
        return average_user_roc_auc(test, scores, exclude=train, n_jobs=n)

    def many(n):
        return evaluate(matrix_problem(test, scores, train), parse_metrics(["auc", *TOP_OF_LIST]), n_jobs=n)[0]["auc"]

    contestants = {
        LOOP: lambda: notebook_loop(test, ready, train),
        "skrec, 1 thread": lambda: ours(1),
        f"skrec, {n_jobs} threads": lambda: ours(n_jobs),
        f"skrec, AUC and {len(TOP_OF_LIST)} metrics at 20, {n_jobs} threads": lambda: many(n_jobs),
    }
    for contestant in list(contestants)[1:]:
        contestants[contestant]()  # Compiles.
    runs = common.alternate({key: lambda run=run: common.stopwatch(run) for key, run in contestants.items()}, rounds)
    values = {contestant: float(result[0][1]) for contestant, result in runs.items()}
    assert max(values.values()) - min(values.values()) < 1e-6, values

    seconds = {contestant: common.spread(wall for wall, _ in result) for contestant, result in runs.items()}
    print(f"\n{name}: {test.shape[0]} users, {test.shape[1]} items, {test.nnz} test positives, {train.nnz} excluded")
    loop = seconds[LOOP]["median"]
    common.print_table(
        ("average per-user ROC AUC", "median ms", "lowest", "highest", "times the loop"),
        [
            (key, *(f"{value[k] * 1e3:.1f}" for k in ("median", "min", "max")), f"{loop / value['median']:.0f}")
            for key, value in seconds.items()
        ],
    )
    met = loop / seconds[f"skrec, {n_jobs} threads"]["median"] >= TARGETS[name]
    print(f"at least {TARGETS[name]} times the loop, scoring included: {'yes' if met else 'NO'}")
    return {"auc": values, "seconds": seconds, "target": TARGETS[name], "met": met}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="does it run: MovieLens 100K only, one round")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/metrics.json")
    options = parser.parse_args()
    record = {"machine": common.machine(), "options": vars(options)}
    for name in ["ML-100K"] if options.quick else TARGETS:
        record[name] = measure(name, 1 if options.quick else options.rounds, options.n_jobs)
    common.save("metrics-quick" if options.quick else "metrics", record, options.output)


if __name__ == "__main__":
    main()
