"""Quality of TwoTowerRetriever from ids alone: with its defaults and with settings that a search chose on train.

ML-1M m1, ML-100K (ua; ratings of 4 or more are positives, the others explicit negatives), Last.fm (the split of
LightGCN's repository) and Amazon Beauty (the last fifth of each user's sequence). `--search` chooses settings on a
tenth of the training rows, one parameter after the other, and writes `retriever_settings.json`; without it they are
read from there, fitted on all of train and judged on test, once per seed. The defaults are fitted with
`audience_weight=1` too, and on ML-100K with features: genres and release date of the films, age, gender and occupation
of the users. Published figures for m1 stand beside: they were chosen on test by their authors. `--settings` judges
what it is given instead, beside the defaults: '{"n_components": 64}', or '{"n_negatives": 4096}' for all items where
the defaults sample them.
"""

import argparse
import json
import time
from pathlib import Path

import common  # first: it limits BLAS
import numpy as np

from skrec import TwoTowerRetriever
from skrec.datasets import fetch_amazon_beauty, fetch_lastfm, fetch_movielens_1m_m1, fetch_movielens_100k
from skrec.losses import SoftmaxLoss
from skrec.metrics import ranking_metrics

SETTINGS = Path(__file__).with_name("retriever_settings.json")
METRICS = ["recall@20", "ndcg@20", "auc"]
WITH_FEATURES = "defaults, with features"
# The axes of the search, in its order; the first values are where it starts: the defaults, but for the last.
AXES = {
    "temperature": [0.17, 0.13, 0.15, 0.2, 0.25, 0.3],
    "learning_rate": [0.05, 0.02, 0.08],
    "history_weight": [0.7, 0.3, 1.0, 1.5],
    "history_dropout": [0.3, 0.15, 0.5],
    "audience_weight": [0.0, 1.0, 1.5],
    "audience_dropout": [0.3, 0.6],
    "explicit_negative_weight": [1.0, 0.3],
    "batch_size": [128, 64, 256],
    "max_iter": [30, 15, 50],
    "n_components": [64, 128, 256],  # last, as it multiplies the time of all that comes after it
}
PUBLISHED = {
    "LightGCN": (0.2576, 0.2427),
    "UltraGCN": (0.2787, 0.2642),
    "SimpleX": (0.2802, 0.2670),
    "MF + BSL": (0.2804, 0.2681),
    "MF + sampled softmax": (0.2809, 0.2662),
    "EASE (run beside, l2=1000)": (0.2755, 0.2674),
}


def load(name):
    """Return the (user, item) pairs of train and of test, and which are positives."""
    if name == "ml-100k":
        parts = [fetch_movielens_100k(split="ua", subset=part) for part in ("train", "test")]
        return [(part.data[["user_id", "item_id"]], (part.target >= 4).to_numpy()) for part in parts]
    if name == "ml-1m-m1":
        train, test = (fetch_movielens_1m_m1(subset=part).data for part in ("train", "test"))
    elif name == "lastfm":
        train, test = (fetch_lastfm(subset=part).data for part in ("train", "test"))
    else:
        rows = fetch_amazon_beauty().data.sort_values(["user_id", "order"], kind="stable")
        place, size = rows.groupby("user_id").cumcount(), rows.groupby("user_id")["item_id"].transform("size")
        last = (place >= size - np.maximum(size // 5, 1)).to_numpy()
        train, test = rows[~last], rows[last]
    return [(part[["user_id", "item_id"]], np.ones(len(part), bool)) for part in (train, test)]


def make(settings, seed, n_jobs):
    """Return an estimator; the temperature goes to its loss."""
    settings = dict(settings)
    if "temperature" in settings:
        settings["loss"] = SoftmaxLoss(temperature=settings.pop("temperature"))
    return TwoTowerRetriever(random_state=seed, n_jobs=n_jobs, **settings)


def features_of_movielens_100k():
    """Return the tables of users and items, without what names a single one."""
    bunch = fetch_movielens_100k()
    return {
        "user_features": bunch.user_features[["age", "gender", "occupation"]],
        "item_features": bunch.item_features[["release_date", "genres"]],
    }


def judge(settings, train, test, seed, n_jobs, tables=None):
    """Fit once; return the metrics and the seconds of the fit."""
    model = make(settings, seed, n_jobs)
    seconds, _ = common.stopwatch(lambda: model.fit(*train, **(tables or {})))
    scores = ranking_metrics(model, *test, metrics=METRICS, n_jobs=n_jobs).scores
    return {**scores, "seconds": seconds, "engine": model.engine_}


def search(name, metric, seeds, n_jobs):
    """Choose settings on a tenth of train, one axis after the other."""
    X, y = load(name)[0]
    held = np.random.default_rng(0).random(len(X)) < 0.1
    parts = (X[~held], y[~held]), (X[held], y[held])
    best, best_score, tried = {"n_components": AXES["n_components"][0]}, -np.inf, {}

    def score(settings):
        key = json.dumps(settings, sort_keys=True)
        if key not in tried:
            tried[key] = np.mean([judge(settings, *parts, seed, n_jobs)[metric] for seed in range(seeds)])
            print(f"  {name} {metric} {tried[key]:.4f} {settings}", flush=True)
        return tried[key]

    for axis, values in AXES.items():
        for value in values:
            settings = {**best, axis: value}
            if score(settings) > best_score:
                best, best_score = settings, score(settings)
    return {"settings": best, "validation": float(best_score), "tried": len(tried)}


def main():
    """Search, or judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["ml-1m-m1", "ml-100k", "lastfm", "amazon-beauty"])
    parser.add_argument("--metric", default="ndcg@20", choices=METRICS, help="what the search looks at")
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--settings", nargs="+", type=json.loads, help="JSON objects, judged instead")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=2)
    options = parser.parse_args()
    known = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
    if options.search:
        for name in options.data:
            known[f"{name} {options.metric}"] = search(name, options.metric, min(options.seeds, 2), options.n_jobs)
            SETTINGS.write_text(json.dumps(known, indent=1) + "\n")
        return
    record = {"machine": common.machine(), "rows": {}}
    make({"max_iter": 1}, 0, 1).fit(*load("ml-100k")[0])  # compile
    for name in options.data:
        train, test = load(name)
        print(f"\n{name}: {train[1].sum():,} positives to train on")
        rows, means = [], {}
        contestants = {"defaults": {}}
        if options.settings:
            contestants |= {json.dumps(settings): settings for settings in options.settings}
        else:
            contestants |= {"defaults, with audiences": {"audience_weight": 1.0}}
            contestants |= {key: value["settings"] for key, value in known.items() if key.startswith(f"{name} ")}
            if name == "ml-100k":
                contestants[WITH_FEATURES] = {}
        for label, settings in contestants.items():
            tables = features_of_movielens_100k() if label == WITH_FEATURES else None
            runs = [judge(settings, train, test, seed, options.n_jobs, tables) for seed in range(options.seeds)]
            record["rows"][f"{name}: {label}"] = {"settings": settings, "runs": runs}
            means[label] = {m: np.mean([run[m] for run in runs]) for m in [*METRICS, "seconds"]}
            spread = {m: np.std([run[m] for run in runs], ddof=1) if len(runs) > 1 else 0.0 for m in METRICS}
            cells = [f"{means[label][m]:.4f} ± {spread[m]:.4f}" for m in METRICS]
            rows.append([label, *cells, f"{means[label]['seconds']:.1f}", runs[0]["engine"], settings or ""])
        if name == "ml-1m-m1" and not options.settings:
            rows += [[f"published: {who}", f"{r:.4f}", f"{n:.4f}", "", "", "", ""] for who, (r, n) in PUBLISHED.items()]
        common.print_table(["settings", *METRICS, "fit s", "engine", ""], rows)
        tuned = means.get(f"{name} ndcg@20")
        if tuned:
            print(f"defaults reach {means['defaults']['ndcg@20'] / tuned['ndcg@20']:.1%} of the tuned NDCG@20")
    record["finished"] = time.strftime("%Y-%m-%d %H:%M")
    common.save("retriever", record)


if __name__ == "__main__":
    main()
