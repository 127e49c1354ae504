"""What ImplicitALS gains from low ratings: by weighing them as exposures, and by knowing the verdict on these pairs.

    python benchmarks/bench_exposures.py [--seeds 5] [--threads 1] [--quick]
    python benchmarks/bench_exposures.py --search [--candidates 24]

MovieLens 100K, split `ua`: ratings of 4 or more are positives, the others explicit negatives. `--search` draws as many
settings for either contestant, with `exposure_weight=0` and with others, fits them on nine tenths of the training rows,
keeps those with the highest AUC on the other tenth, and writes exposures_settings.json; the test rows are not read.
Without it these are fitted on all training rows and judged on the test's positives, once a seed: average per-user AUC,
and NDCG@20. "unseen" ranks every item but the user's training positives, the protocol of the other benchmarks, which
known dislikes are part of; "unrated" leaves these out too, so that only what the vectors learnt counts.
"""

import argparse
import copy
import json
from pathlib import Path

import common
import numpy as np
from sklearn.model_selection import ParameterSampler

SETTINGS = Path(__file__).resolve().parent / "exposures_settings.json"
GRID = {
    "n_components": [32, 64, 128],
    "unobserved_weight": [4.0, 6.0, 8.0, 12.0, 24.0],
    "l2": [0.3, 0.4, 0.5, 0.6, 0.7, 0.9],
}
CONTESTANTS = {"ignored": [0.0], "exposures": [0.1, 0.2, 0.3, 0.5, 1.0]}
METRICS = ["auc", "ndcg@20"]
HEADER = ["auc", "ndcg@20", "auc, unrated", "ndcg@20, unrated", "seconds"]
TARGET = {"auc": 0.942, "seconds": 2.0}


def load():
    """Return rows and liked or not, of train and of test."""
    from skrec.datasets import fetch_movielens_100k

    parts = [fetch_movielens_100k(split="ua", subset=subset) for subset in ("train", "test")]
    return [(part.data[["user_id", "item_id"]], np.asarray(part.target >= 4)) for part in parts]


def split(X, y, seed=0):
    """Hold a tenth of the rows out."""
    held = np.random.default_rng(seed).random(len(X)) < 0.1
    return (X[~held], y[~held]), (X[held], y[held])


def judge(settings, train, test, seed, threads):
    """Fit once; return the seconds and, for either pool, the metrics."""
    from skrec import ImplicitALS
    from skrec.metrics import ranking_metrics

    model = ImplicitALS(n_jobs=threads, random_state=seed, **settings)
    seconds, _ = common.stopwatch(model.fit, *train)
    found = ranking_metrics(model, *test, metrics=METRICS, n_jobs=threads).scores
    unrated = copy.copy(model)
    unrated.interactions_ = abs(model.interactions_)  # as if all rows were positives: none is ranked
    others = ranking_metrics(unrated, *test, metrics=METRICS, n_jobs=threads).scores
    return {"seconds": seconds} | found | {f"{name}, unrated": value for name, value in others.items()}


def search(options):
    train, validation = split(*load()[0])
    chosen = {}
    for contestant, weights in CONTESTANTS.items():
        candidates = list(ParameterSampler(GRID | {"exposure_weight": weights}, options.candidates, random_state=0))
        found = [judge(settings, train, validation, 0, options.threads)["auc"] for settings in candidates]
        best = int(np.argmax(found))
        chosen[contestant] = candidates[best]
        print(f"{contestant}: AUC {found[best]:.4f} with {candidates[best]}", flush=True)
    SETTINGS.write_text(json.dumps(chosen, indent=1) + "\n")


def compare(options):
    train, test = load()
    judge({"max_iter": 1}, train, test, 0, options.threads)  # compiles
    record, rows = {"machine": common.machine()}, []
    for contestant, settings in json.loads(SETTINGS.read_text()).items():
        runs = [judge(settings, train, test, seed, options.threads) for seed in range(options.seeds)]
        record[contestant] = {"settings": settings, "runs": runs}
        means = [f"{np.mean([run[key] for run in runs]):.4f}" for key in HEADER[:-1]]
        rows.append([contestant, *means, f"{np.median([run['seconds'] for run in runs]):.2f}", settings])
    print(f"{train[1].sum():,} positives and {(~train[1]).sum():,} explicit negatives to train on")
    common.print_table(["low ratings", *HEADER, "settings"], rows)
    print(f"Target: AUC {TARGET['auc']} in {TARGET['seconds']} s")
    common.save("exposures-quick" if options.quick else "exposures", record, options.output)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--search", action="store_true", help="choose settings on a share of train, test unseen")
    parser.add_argument("--candidates", type=int, default=24, help="draws of each search")
    parser.add_argument("--quick", action="store_true", help="does it run: one seed")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/exposures.json")
    options = parser.parse_args()
    if options.search:
        search(options)
    else:
        options.seeds = 1 if options.quick else options.seeds
        compare(options)


if __name__ == "__main__":
    main()
