"""Average per-user ROC AUC beside the loop of the triplet notebook, which calls scikit-learn once a user.

Both give the same number to 1e-9. The loop starts from a ready matrix of scores; ours multiplies the factors too. They
take turns, and medians are compared. Factors are random: neither side's work depends on their quality, but for ties.

    python benchmarks/bench_metrics.py [--quick] [--rounds 5] [--loop-rounds 2] [--n-jobs 2]
"""

import argparse
import statistics
import time

import common  # First: it holds BLAS to one thread.
import numpy as np
from scipy.sparse import csr_array
from sklearn.metrics import roc_auc_score

from skrec.metrics import average_user_roc_auc
from skrec.metrics._evaluate import evaluate
from skrec.metrics._names import parse_metrics
from skrec.metrics._problem import matrix_problem

N_COMPONENTS = 64
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


def timed(function):
    wall, cpu = time.perf_counter(), time.process_time()
    value = function()
    return time.perf_counter() - wall, time.process_time() - cpu, value


def measure(name, rounds, loop_rounds, n_jobs):
    train, test = load(name)
    rng = np.random.default_rng(0)
    users = rng.normal(size=(test.shape[0], N_COMPONENTS)).astype(np.float32)
    items = rng.normal(size=(test.shape[1], N_COMPONENTS)).astype(np.float32)
    ready = users @ items.T

    def scores(start, stop):
        return users[start:stop] @ items.T

    def ours(n):
        return average_user_roc_auc(test, scores, exclude=train, n_jobs=n)

    def everything(n):
        metrics = parse_metrics(["auc", *TOP_OF_LIST])
        return evaluate(matrix_problem(test, scores, train), metrics, n_jobs=n)[0]["auc"]

    contestants = {
        "loop over roc_auc_score, scores ready": lambda: notebook_loop(test, ready, train),
        "skrec, 1 thread": lambda: ours(1),
        f"skrec, {n_jobs} threads": lambda: ours(n_jobs),
        f"skrec, AUC and {len(TOP_OF_LIST)} metrics at 20, {n_jobs} threads": lambda: everything(n_jobs),
    }
    loop = next(iter(contestants))
    for contestant in list(contestants)[1:]:
        contestants[contestant]()  # Compiles.
    times = {contestant: [] for contestant in contestants}
    values = {}
    for r in range(rounds):
        for contestant, run in contestants.items():
            if contestant != loop or r < loop_rounds:
                wall, cpu, values[contestant] = timed(run)
                times[contestant].append((wall, cpu))
    assert max(values.values()) - min(values.values()) < 1e-9, values

    baseline = statistics.median(wall for wall, _ in times[loop])
    print(f"\n{name}: {test.shape[0]} users, {test.shape[1]} items, {test.nnz} test positives, {train.nnz} excluded")
    print(f"{'':58}{'wall':>10}{'CPU':>10}{'loop / wall':>13}")
    result = {}
    for contestant, runs in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{contestant:58}{wall * 1e3:8.1f}ms{cpu * 1e3:8.1f}ms{baseline / wall:12.0f}x")
        result[contestant] = {"wall": wall, "cpu": cpu, "runs": runs}
    print(f"target for the AUC: at most 1/{TARGETS[name]} of the loop")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loop-rounds", type=int, default=2, help="rounds in which the loop takes part")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="MovieLens 100K only, one round")
    args = parser.parse_args()
    names = ["ML-100K"] if args.quick else list(TARGETS)
    rounds = 1 if args.quick else args.rounds
    results = {name: measure(name, rounds, args.loop_rounds, args.n_jobs) for name in names}
    common.save_results("metrics", results)


if __name__ == "__main__":
    main()
