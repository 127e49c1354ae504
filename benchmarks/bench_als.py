"""ImplicitALS beside implicit's AlternatingLeastSquares on ML-1M m1: seconds an epoch, and quality at equal size.

    python benchmarks/bench_als.py [--quick] [--threads 1 2] [--components 64 128] [--rounds 5] [--seeds 3]
    python benchmarks/bench_als.py --search [--candidates 20]
    python benchmarks/bench_als.py --defaults [--candidates 20]

*Speed.* Seconds of an epoch (one solution for all users and all items) are the time of a fit less that of a fit of no
epochs, in alternation; positives a second are the pairs of the matrix over that. implicit does 3 conjugate gradient
steps, its default, or solves exactly (`cholesky`); ImplicitALS does 2 steps, along principal axes. What the epochs are
worth is in the last table: NDCG@20 on test after ever more of them, with the chosen settings.

*Quality.* `--search` fits on a random nine tenths of the train pairs, with equally many random draws from the grid of
each contestant and size, and keeps the draw with the highest NDCG@20 on the other tenth, in als_settings.json. The
comparison fits the chosen settings, and both contestants' defaults, on all train pairs and judges them on test, once a
seed. Every item that the user did not like in training is ranked.

*Defaults.* `--defaults` does the same search for ImplicitALS on four data sets, the number of components among the
parameters, and compares the test NDCG@20 of the defaults with that of the chosen settings, both as a mean of 3 seeds.
Test is the published split, on Amazon Beauty each user's last item.
"""

import argparse
import json
import statistics
from pathlib import Path

import common
import numpy as np
from scipy import sparse
from sklearn.model_selection import ParameterSampler

SETTINGS = Path(__file__).resolve().parent / "als_settings.json"
SHAPE = (6022, 3043)
EPOCHS = 10
GRIDS = {
    "skrec": {
        "unobserved_weight": [4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0],
        "l2": [0.3, 0.4, 0.5, 0.6, 0.7, 0.9],
        "max_iter": [8, 16, 32],
    },
    "implicit": {
        "alpha": [0.5, 1.0, 2.0, 4.0, 8.0, 16.0],
        "regularization": [0.01, 1.0, 3.0, 10.0, 20.0, 40.0, 80.0],
        "iterations": [8, 15, 30],
    },
}
DEFAULTS_GRID = {**GRIDS["skrec"], "n_components": [64, 128, 256]}
# How much faster an epoch has to be, and the quality to beat at 64 components.
TARGET_SPEED_UP = 1.0
TARGET_QUALITY = {"recall": 0.270, "ndcg": 0.254}


def skrec_model(n_components, threads, seed, **settings):
    from skrec import ImplicitALS

    return ImplicitALS(n_components, n_jobs=threads, random_state=seed, **settings)


def implicit_model(n_components, threads, seed, **settings):
    from implicit.cpu.als import AlternatingLeastSquares

    return AlternatingLeastSquares(n_components, num_threads=threads, random_state=seed, **settings)


def to_csr(pairs, shape=SHAPE):
    return sparse.csr_matrix((np.ones(len(pairs), np.float32), pairs.T), shape=shape)


def fit_skrec(pairs, *options, **settings):
    """Return the seconds of a fit, and the scores."""
    seconds, model = common.stopwatch(skrec_model(*options, **settings).fit, pairs)
    scores = np.full(SHAPE, -np.inf, np.float32)
    scores[np.ix_(model.user_ids_, model.item_ids_)] = model.user_factors_ @ model.item_factors_.T
    return seconds, scores


def fit_implicit(pairs, *options, **settings):
    model, matrix = implicit_model(*options, **settings), to_csr(pairs)
    seconds, _ = common.stopwatch(model.fit, matrix, show_progress=False)
    scores = model.user_factors @ model.item_factors.T
    scores[:, np.setdiff1d(np.arange(SHAPE[1]), pairs[:, 1])] = -np.inf
    return seconds, scores


FITS = {"skrec": fit_skrec, "implicit": fit_implicit}
EPOCHS_OF = {"skrec": "max_iter", "implicit": "iterations"}


def time_epochs(n_components, threads, rounds, pairs):
    """Return {contestant: [seconds of an epoch in each round]}."""
    matrix = to_csr(pairs)

    def skrec_fit(epochs):
        return common.stopwatch(skrec_model(n_components, threads, 0, max_iter=epochs).fit, pairs)[0]

    def implicit_fit(epochs, use_cg):
        model = implicit_model(n_components, threads, 0, iterations=epochs, use_cg=use_cg)
        return common.stopwatch(model.fit, matrix, show_progress=False)[0]

    def epoch(fit, *args):
        return lambda: common.less_preparation(fit(EPOCHS, *args), fit(0, *args)) / EPOCHS

    contestants = {
        "skrec": epoch(skrec_fit),
        "implicit cg": epoch(implicit_fit, True),
        "implicit cholesky": epoch(implicit_fit, False),
    }
    for one in contestants.values():
        one()  # compiles, loads libraries, starts threads
    return common.alternate(contestants, rounds)


def compare_speed(options):
    pairs = common.load_ml_1m()
    rows = []
    for n_components in options.components:
        for threads in options.threads:
            seconds = time_epochs(n_components, threads, options.rounds, pairs)
            for name, values in seconds.items():
                ratios = [other / own for own, other in zip(seconds["skrec"], values, strict=True)]
                rows.append(
                    {
                        "contestant": name,
                        "components": n_components,
                        "threads": threads,
                        "seconds": common.spread(values),
                        "positives_per_second": len(pairs) / statistics.median(values),
                        "times_skrec": common.spread(ratios),
                    }
                )
    common.print_table(
        ("contestant", "components", "threads", "s / epoch", "M positives / s", "skrec is faster by (target)"),
        [
            (
                r["contestant"],
                r["components"],
                r["threads"],
                f"{r['seconds']['median']:.4f}",
                f"{r['positives_per_second'] / 1e6:.2f}",
                "" if r["contestant"] == "skrec" else f"{r['times_skrec']['median']:.2f} ({TARGET_SPEED_UP})",
            )
            for r in rows
        ],
    )
    return rows


def judge(name, train, test, n_components, threads, seed, **settings):
    """Fit once; return seconds and quality."""
    seconds, scores = FITS[name](train, n_components, threads, seed, **settings)
    masks = (common.pair_mask(pairs, SHAPE) for pairs in (train, test))
    return {"seconds": seconds} | common.ranking_quality(scores, *masks)


def compare_quality(options):
    train, test = common.load_ml_1m(), common.load_ml_1m("test.txt")
    stored = json.loads(SETTINGS.read_text())["ml-1m-m1"]
    threads = max(options.threads)
    rows = []
    for n_components in options.components:
        for kind in ("chosen", "defaults"):
            for name in FITS:
                settings = stored[f"{name} {n_components}"] if kind == "chosen" else {}
                results = [
                    judge(name, train, test, n_components, threads, seed, **settings) for seed in range(options.seeds)
                ]
                rows.append(
                    {"contestant": name, "components": n_components, "kind": kind, "settings": settings}
                    | {key: common.spread(r[key] for r in results) for key in results[0]}
                )
    print()
    common.print_table(
        ("contestant", "components", "settings", "Recall@20", "NDCG@20", "AUC", "fit s"),
        [
            (
                r["contestant"],
                r["components"],
                r["settings"] or "defaults",
                *(f"{r[k]['median']:.4f}" for k in ("recall", "ndcg", "auc")),
                f"{r['seconds']['median']:.2f}",
            )
            for r in rows
        ],
    )
    print(f"To beat at 64 components: Recall@20 {TARGET_QUALITY['recall']}, NDCG@20 {TARGET_QUALITY['ndcg']}")
    return rows


def compare_progress(options):
    """NDCG@20 after ever more epochs."""
    train, test = common.load_ml_1m(), common.load_ml_1m("test.txt")
    stored = json.loads(SETTINGS.read_text())["ml-1m-m1"]
    n_components, rungs = options.components[0], (1, 2, 4, 8, 16)
    rows = []
    for name in FITS:
        settings = stored[f"{name} {n_components}"]
        results = [
            judge(name, train, test, n_components, max(options.threads), 0, **{**settings, EPOCHS_OF[name]: epochs})
            for epochs in rungs
        ]
        rows.append({"contestant": name, "components": n_components, "epochs": rungs, "results": results})
    print()
    common.print_table(
        ("contestant", "components", *(f"NDCG@20 (s) after {epochs}" for epochs in rungs)),
        [
            (r["contestant"], r["components"], *(f"{one['ndcg']:.4f} ({one['seconds']:.2f})" for one in r["results"]))
            for r in rows
        ],
    )
    return rows


def draws(grid, n):
    return list(ParameterSampler(grid, n, random_state=0))


def store(section, settings):
    stored = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
    stored[section] = settings
    SETTINGS.write_text(json.dumps(stored, indent=1) + "\n")
    print(f"Wrote {SETTINGS}")


def hold_out(pairs):
    """Split at random into nine tenths to fit on and a tenth to judge on."""
    held = np.random.default_rng(0).random(len(pairs)) < 0.1
    return pairs[~held], pairs[held]


def search(options):
    train, validation = hold_out(common.load_ml_1m())
    chosen = {}
    for n_components in options.components:
        for name, grid in GRIDS.items():
            candidates = draws(grid, options.candidates)
            scores = [
                judge(name, train, validation, n_components, max(options.threads), 0, **settings)["ndcg"]
                for settings in candidates
            ]
            best = int(np.argmax(scores))
            chosen[f"{name} {n_components}"] = candidates[best]
            print(f"{name}, {n_components}: NDCG@20 {scores[best]:.4f} with {candidates[best]}", flush=True)
    store("ml-1m-m1", chosen)


def load_sets():
    """Return {name: (train, test)}, pairs without repetitions."""
    from skrec.datasets import fetch_amazon_beauty, fetch_lastfm

    sets = {"ml-1m-m1": (common.load_ml_1m(), common.load_ml_1m("test.txt"))}
    rated = (common.load_ml_100k(name) for name in ("ua.base", "ua.test"))
    sets["ml-100k"] = tuple(pairs[rating >= 4] for pairs, rating in rated)
    sets["lastfm"] = tuple(
        np.unique(fetch_lastfm(subset=part, as_frame=False, return_X_y=True)[0][:, :2], axis=0)
        for part in ("train", "test")
    )
    beauty = fetch_amazon_beauty(as_frame=False, return_X_y=True)[0]
    beauty = beauty[np.lexsort((beauty[:, 2], beauty[:, 0])), :2].astype(np.int64)
    last = np.append(np.diff(beauty[:, 0]) != 0, True)
    sets["amazon-beauty"] = beauty[~last], beauty[last]
    return sets


def ndcg(train, test, threads, seed, **settings):
    from skrec import ImplicitALS
    from skrec.metrics import ranking_metrics

    model = ImplicitALS(n_jobs=threads, random_state=seed, **settings).fit(train)
    return ranking_metrics(model, test, metrics=["ndcg@20"], n_jobs=threads).scores["ndcg@20"]


def compare_defaults(options):
    threads = max(options.threads)
    rows, chosen = [], {}
    for name, (train, test) in load_sets().items():
        candidates = draws(DEFAULTS_GRID, options.candidates)
        parts = hold_out(train)
        scores = [ndcg(*parts, threads, 0, **settings) for settings in candidates]
        chosen[name] = candidates[int(np.argmax(scores))]
        tuned, plain = (
            statistics.mean(ndcg(train, test, threads, seed, **settings) for seed in range(3))
            for settings in (chosen[name], {})
        )
        rows.append({"data": name, "settings": chosen[name], "tuned": tuned, "defaults": plain})
        print(f"{name}: {chosen[name]}, {plain / tuned:.1%}", flush=True)
    common.print_table(
        ("data", "chosen of the grid", "its NDCG@20", "NDCG@20 of the defaults", "share (target 97 %)"),
        [
            (r["data"], r["settings"], f"{r['tuned']:.4f}", f"{r['defaults']:.4f}", f"{r['defaults'] / r['tuned']:.1%}")
            for r in rows
        ],
    )
    store("defaults", chosen)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--components", nargs="+", type=int, default=[64, 128])
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each speed")
    parser.add_argument("--seeds", type=int, default=3, help="fits of each quality")
    parser.add_argument("--search", action="store_true", help="choose settings on a share of train, test unseen")
    parser.add_argument("--defaults", action="store_true", help="defaults beside chosen settings on four data sets")
    parser.add_argument("--candidates", type=int, default=20, help="draws of each search")
    parser.add_argument("--quick", action="store_true", help="does it run: one round, one seed, two candidates")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/als.json")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seeds, options.candidates, options.components = 1, 1, 2, options.components[:1]
    if options.search:
        search(options)
        return
    record = {"machine": common.machine(), "options": vars(options)}
    if options.defaults:
        record["defaults"] = compare_defaults(options)
        name = "als-defaults"
    else:
        record["speed"] = compare_speed(options)
        record["quality"] = compare_quality(options)
        record["progress"] = compare_progress(options)
        name = "als"
    common.save(f"{name}-quick" if options.quick else name, record, options.output)


if __name__ == "__main__":
    main()
