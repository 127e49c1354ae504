"""Average per-user ROC AUC beside the loop of the triplet notebook, which calls scikit-learn once a user.

The loop starts from a ready matrix of scores; ours multiplies the factors too, a block at a time. Since that may round
otherwise, the numbers must agree to 1e-6. The contestants take turns, and medians are compared. Factors are random: how
good they are changes nobody's work.

    python benchmarks/bench_metrics.py [--quick] [--rounds 3] [--n-jobs 2]
"""

import argparse

import common  # First: it holds BLAS to one thread.
import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from sklearn.metrics import roc_auc_score

from skrec.metrics import average_user_roc_auc
from skrec.metrics._evaluate import evaluate
from skrec.metrics._names import parse_metrics
from skrec.metrics._problem import matrix_problem

N_COMPONENTS = 64
LOOP = "the notebook's loop, scores ready"
TARGETS = {"ML-100K": 100, "ML-1M m1": 300}
TOP_OF_LIST = ["precision@20", "recall@20", "ndcg@20", "map@20", "mrr@20", "hit_rate@20", "coverage@20", "gini@20"]


def load(name):
    """Return train and test positives as pairs of a user and an item."""
    if name == "ML-1M m1":
        return common.load_ml_1m("train.txt"), common.load_ml_1m("test.txt")
    folds = common.load_ml_100k("ua.base"), common.load_ml_100k("ua.test")
    return tuple(pairs[ratings >= 4] for pairs, ratings in folds)


def to_matrix(pairs, shape):
    return csr_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=shape)


def notebook_loop(train, test, scores):
    """The notebook's way: for each user, rows of two frames, set operations on ids, and one call of scikit-learn."""
    aucs = []
    for user in range(scores.shape[0]):
        known = train[train["user"] == user]["item"].to_numpy()
        wanted = test[test["user"] == user]["item"].to_numpy()
        ranked = np.setdiff1d(np.arange(scores.shape[1]), known)
        truth = np.isin(ranked, wanted)
        if truth.any():
            aucs.append(roc_auc_score(truth, scores[user, ranked]))
    return np.mean(aucs)


def lean_loop(train, test, scores):
    """The same with rows of sparse matrices and masks: little is left in it but the calls of scikit-learn."""
    aucs = []
    for user in range(scores.shape[0]):
        wanted = test.indices[test.indptr[user] : test.indptr[user + 1]]
        if len(wanted):
            ranked = np.ones(test.shape[1], dtype=bool)
            ranked[train.indices[train.indptr[user] : train.indptr[user + 1]]] = False
            truth = np.zeros(test.shape[1], dtype=bool)
            truth[wanted] = True
            aucs.append(roc_auc_score(truth[ranked], scores[user, ranked]))
    return np.mean(aucs)


def measure(name, rounds, n_jobs):
    pairs = load(name)
    frames = [pd.DataFrame(p, columns=["user", "item"]) for p in pairs]
    shape = tuple(np.concatenate(pairs).max(axis=0) + 1)
    train, test = (to_matrix(p, shape) for p in pairs)
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
        LOOP: lambda: notebook_loop(*frames, ready),
        "the same loop, on sparse rows": lambda: lean_loop(train, test, ready),
        "skrec, 1 thread": lambda: ours(1),
        f"skrec, {n_jobs} threads": lambda: ours(n_jobs),
        f"skrec, AUC and {len(TOP_OF_LIST)} metrics at 20, {n_jobs} threads": lambda: many(n_jobs),
    }
    for contestant in list(contestants)[2:]:
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
