"""Items and users that training has not seen, placed by their features: MovieLens 100K beside LightFM's hybrid model.

    python benchmarks/bench_cold_start.py [--splits 5] [--threads 2] [--quick]
    python benchmarks/bench_cold_start.py --search items users [--candidates 32]

**Items.** Each split takes a random tenth of the items out, with all of their ratings; the models are fitted on the
pairs rated 4 or more of the others, with the genres and the year of release as features. A user's held-out pairs rated
4 or more are compared with the other items that were taken out, and with no others: the average per-user ROC AUC over
the cold items alone. Contestants: TwoTowerRetriever as it comes; tuned, with the items' own embeddings beside their
features and without; LightFM likewise (an identity feature that was not trained is left out when a cold item is scored,
or it would add noise); and, so that what is personal can be told from what is popular, one list for all users: the
logarithm of the number of likes, foretold from the features by ridge regression.

**Users.** Each of five folds takes a fifth of the users out. All items are ranked for them by age, gender and
occupation, and beside that by popularity among the other users.

Settings of all contestants are chosen anew for each split by `--search`, which takes a tenth of the items (a fifth of
the users) of the training part out as validation and never looks at the others; every contestant is given equally many
random draws from its ranges. Settings for cold items are chosen by the AUC; those for cold users by the AUC and, as a
contestant of its own, by NDCG@20. The choices are in cold_start_settings.json, which the comparison reads. The year is
given as a number and as a category of periods; TwoTowerRetriever as it comes gets the date itself.

Intervals are paired: the difference of each user, averaged over the splits, and the percentile bootstrap over users.
"""

import argparse
import json
import warnings
from pathlib import Path

import common
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import ParameterSampler

from skrec import TwoTowerRetriever
from skrec.datasets import fetch_movielens_100k
from skrec.losses import SoftmaxLoss
from skrec.metrics import compare_models, ndcg_at_k, user_roc_auc
from skrec.preprocessing import FeatureEncoder

SETTINGS = Path(__file__).resolve().parent / "cold_start_settings.json"
PERIODS = [0, 1950, 1965, 1975, 1985, 1990, 1993, 1994, 1995, 1996, 1997, 1998, 1999]

# The ranges of both sides were narrowed on the validation items of three splits: the year as a number alone, or as
# periods alone, was worse for everybody, a hidden layer was for ours, and the other losses were for LightFM.
OURS = {
    "year": ["both"],
    "n_components": [32, 64, 128],
    "temperature": [0.17, 0.25, 0.4],
    "item_embedding": [False],
    "user_embedding": [False, True],
    "history_weight": [0.5, 1.0],
    "history_dropout": [0.3, 0.6],
    "learning_rate": [0.02, 0.05],
    "l2": [0.0, 0.001, 0.01, 0.03],
    "max_iter": [10, 20, 40],
}
OURS_USERS = {
    "n_components": [8, 16, 32, 64],
    "temperature": [0.17, 0.25, 0.4],
    "user_embedding": [False],
    "history_weight": [0.0, 0.5],
    "hidden_layers": [[], [64]],
    "learning_rate": [0.003, 0.01, 0.03],
    "l2": [0.0, 0.001, 0.01, 0.1],
    "max_iter": [5, 10, 20],
}
LIGHTFM = {
    "year": ["both"],
    "loss": ["warp"],
    "no_components": [16, 32, 64],
    "learning_rate": [0.02, 0.05, 0.1],
    "max_sampled": [10, 30],
    "item_alpha": [0.0, 1e-5, 1e-4, 1e-3],
    "user_alpha": [0.0, 1e-5, 1e-4],
    "epochs": [5, 10, 20],
}


# --- data


class Part:
    """Likes of users and items counted from 0, and which items (users) are cold. Ids are those of MovieLens less 1."""

    def __init__(self, pairs, cold, axis):
        out = np.isin(pairs[:, axis], cold)
        self.train, self.test, self.cold, self.axis = pairs[~out], pairs[out], cold, axis

    def users(self):
        """Users to be ranked for."""
        if self.axis == 0:
            return np.unique(self.test[:, 0])
        return np.intersect1d(self.train[:, 0], self.test[:, 0])

    def items(self):
        """Items to be ranked."""
        return self.cold if self.axis == 1 else np.unique(self.train[:, 1])


def load():
    """Return the likes, and the two tables of features, by the same counts."""
    data = fetch_movielens_100k(as_frame=True)
    pairs = data["data"][["user_id", "item_id"]].to_numpy()[data["target"].to_numpy() >= 4] - 1
    items = data["item_features"].sort_index()
    items.index = pd.RangeIndex(len(items), name="item_id")
    users = data["user_features"].sort_index()[["age", "gender", "occupation"]]
    users.index = pd.RangeIndex(len(users), name="user_id")
    return pairs, users, items[["release_date", "genres"]]


def item_table(items, year):
    """Genres, and the year as a number, as a category, or as both."""
    years = items["release_date"].dt.year
    table = items[["genres"]].copy()
    if year != "period":
        table["year"] = years.astype(float)
    if year != "number":
        table["period"] = pd.cut(years, PERIODS, right=False).astype("str")
    return table


def split_items(pairs, seed, share=0.1):
    items = np.unique(pairs[:, 1])
    return Part(pairs, np.sort(np.random.default_rng(seed).permutation(items)[: int(share * len(items))]), 1)


def split_users(pairs, fold, seed=0, n_folds=5):
    users = np.random.default_rng(seed).permutation(np.unique(pairs[:, 0]))
    return Part(pairs, np.sort(users[fold::n_folds]), 0)


def validation(part, seed):
    """A cold part of a training part."""
    if part.axis == 1:
        return split_items(part.train, [seed, 1])
    return split_users(part.train, 0, [seed, 1])


# --- contestants: (part, users' table, items' table, settings, seed, threads) -> scores of part.users() x part.items()


def make_ours(settings, seed, threads):
    settings = dict(settings)
    settings["hidden_layers"] = tuple(settings.pop("hidden_layers", ()))
    temperature = settings.pop("temperature", "auto")
    loss = SoftmaxLoss(temperature=temperature)
    return TwoTowerRetriever(loss=loss, n_jobs=threads, random_state=seed, **settings)


def grid(part):
    users, items = part.users(), part.items()
    return np.column_stack([np.repeat(users, len(items)), np.tile(items, len(users))]), (len(users), len(items))


def fit_ours(part, users, items, settings, seed, threads):
    settings = dict(settings)
    year = settings.pop("year", None)
    table = items if year is None else item_table(items, year)
    model = make_ours(settings, seed, threads).fit(part.train, item_features=table)
    pairs, shape = grid(part)
    return model.predict(pairs, item_features=table.loc[part.cold]).reshape(shape)


def fit_ours_users(part, users, items, settings, seed, threads):
    model = make_ours(settings, seed, threads).fit(part.train, user_features=users)
    pairs, shape = grid(part)
    return model.predict(pairs, user_features=users.loc[part.cold]).reshape(shape)


def fit_lightfm(identity, part, users, items, settings, seed, threads):
    from lightfm import LightFM

    settings = dict(settings)
    epochs, table = settings.pop("epochs"), item_table(items, settings.pop("year"))
    warm = np.unique(part.train[:, 1])
    features = FeatureEncoder().fit(table.loc[warm]).transform(table).astype(np.float32)
    if identity:
        own = sparse.eye_array(len(items), dtype=np.float32, format="csr")
        own.data[part.cold] = 0
        features = sparse.hstack([own, features])
    features = sparse.csr_matrix(features)
    features.indptr, features.indices = features.indptr.astype(np.int32), features.indices.astype(np.int32)
    shape = (len(users), len(items))
    ones = np.ones(len(part.train), np.float32)
    matrix = sparse.coo_matrix((ones, tuple(np.ascontiguousarray(part.train.T, np.int32))), shape=shape)
    model = LightFM(random_state=seed, **settings)
    model.fit(matrix, item_features=features, epochs=epochs, num_threads=threads)
    biases, vectors = model.get_item_representations(features)
    return model.user_embeddings[part.users()] @ vectors[part.items()].T + biases[part.items()]


def fit_lightfm_both(*given):
    return fit_lightfm(True, *given)


def fit_lightfm_features(*given):
    return fit_lightfm(False, *given)


def fit_foretold(part, users, items, settings, seed, threads):
    """The expected logarithm of an item's likes, for every user alike."""
    warm = np.unique(part.train[:, 1])
    table = item_table(items, "both")
    inputs = FeatureEncoder().fit(table.loc[warm]).transform(table)
    likes = np.bincount(part.train[:, 1], minlength=len(items))
    scores = RidgeCV(np.logspace(-2, 3, 11)).fit(inputs[warm], np.log1p(likes[warm])).predict(inputs[part.items()])
    return np.tile(scores, (len(part.users()), 1))


def fit_popularity(part, users, items, settings, seed, threads):
    likes = np.bincount(part.train[:, 1], minlength=len(items))
    return np.tile(likes[part.items()].astype(float), (len(part.users()), 1))


LIST, POPULARITY, DEFAULTS = "one list, foretold", "popularity", "skrec, defaults"
ITEMS = {  # name: (fit, ranges, metric that settings are chosen by)
    LIST: (fit_foretold, None, None),
    DEFAULTS: (fit_ours, None, None),
    "skrec, features": (fit_ours, OURS, "auc"),
    "skrec, ids + features": (fit_ours, OURS | {"item_embedding": [True]}, "auc"),
    "LightFM, features": (fit_lightfm_features, LIGHTFM, "auc"),
    "LightFM, ids + features": (fit_lightfm_both, LIGHTFM, "auc"),
}
USERS = {
    POPULARITY: (fit_popularity, None, None),
    DEFAULTS: (fit_ours_users, None, None),
    "skrec, chosen by AUC": (fit_ours_users, OURS_USERS, "auc"),
    "skrec, chosen by NDCG@20": (fit_ours_users, OURS_USERS, "ndcg"),
}
TASKS = {"items": (ITEMS, split_items), "users": (USERS, split_users)}


# --- judging


def judge(part, scores):
    """Return {metric: value of each of part.users()}."""
    users, items = part.users(), part.items()
    test = part.test[np.isin(part.test[:, 0], users) & np.isin(part.test[:, 1], items)]
    places = np.searchsorted(users, test[:, 0]), np.searchsorted(items, test[:, 1])
    liked = sparse.csr_array((np.ones(len(test), bool), places), shape=(len(users), len(items)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user may like none of the items that can be ranked
        return {"auc": user_roc_auc(liked, scores), "ndcg": ndcg_at_k(liked, scores, k=20, average=None)}


def search(task, splits, n_candidates, threads, only):
    """Return {contestant: [settings of each split]}."""
    contestants, split = TASKS[task]
    pairs, users, items = load()
    searched = {name: one for name, one in contestants.items() if one[1] is not None and name in (only or [name])}
    chosen = {name: [] for name in searched}
    for seed in range(splits):
        part, tried = validation(split(pairs, seed), seed), {}
        for name, (fit, ranges, metric) in searched.items():
            draws = list(ParameterSampler(ranges, n_candidates, random_state=0))
            key = fit, json.dumps(ranges)
            if key not in tried:  # two that differ only in the metric share the fits
                tried[key] = [judge(part, fit(part, users, items, given, 0, threads)) for given in draws]
            found = [float(np.nanmean(one[metric])) for one in tried[key]]
            best = int(np.argmax(found))
            chosen[name].append(draws[best])
            print(f"{task}, split {seed}, {name}: {metric} {found[best]:.4f} with {draws[best]}")
            print("  all: " + ", ".join(f"{value:.4f}" for value in found), flush=True)
    return chosen


def compare(task, stored, splits, threads):
    """Fit every contestant on every split, in turning order."""
    contestants, split = TASKS[task]
    pairs, users, items = load()
    per_user = {
        name: {metric: np.full((splits, len(users)), np.nan) for metric in ("auc", "ndcg")} for name in contestants
    }
    seconds = {name: [] for name in contestants}
    for name, (fit, ranges, _) in contestants.items():
        first = stored[name][0] if ranges is not None else {}
        fit(split(pairs, 0), users, items, first, 0, threads)  # compiles, loads libraries
    for seed in range(splits):
        part = split(pairs, seed)
        for name in list(contestants)[:: -1 if seed % 2 else 1]:
            fit, ranges, _ = contestants[name]
            settings = stored[name][seed] if ranges is not None else {}
            time, scores = common.stopwatch(fit, part, users, items, settings, seed, threads)
            seconds[name].append(time)
            for metric, values in judge(part, scores).items():
                per_user[name][metric][seed, part.users()] = values
    rows = []
    for name in contestants:
        row = {"contestant": name, "seconds": float(np.median(seconds[name]))}
        for metric, values in per_user[name].items():
            by_split = np.nanmean(values, axis=1)
            row[metric] = {"mean": float(by_split.mean()), "by_split": by_split.tolist()}
            for rival, theirs in per_user.items():
                if rival != name:
                    row[metric][f"to {rival}"] = paired(values, theirs[metric])
        rows.append(row)
    return rows


def paired(mine, theirs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user without a test positive in any split has no mean
        difference = np.nanmean(mine - theirs, axis=0)
    return compare_models(difference, np.zeros_like(difference), random_state=0)._asdict()


def show(task, rows):
    if task == "items":
        rivals, metrics = [name for name in ITEMS if name.startswith("LightFM")] + [LIST], ("auc",)
        title = "Cold items: average per-user AUC over the items that were taken out"
    else:
        rivals, metrics = [POPULARITY], ("auc", "ndcg")
        title = "Cold users: average per-user AUC and NDCG@20 over the whole catalogue, by age, gender and occupation"
    print(f"\n{title}\n")
    names = {"auc": "AUC", "ndcg": "NDCG@20"}
    header = ["contestant", "seconds"]
    for metric in metrics:
        header += [names[metric], "by split"] + [f"{names[metric]} less {rival}" for rival in rivals]
    table = []
    for row in rows:
        cells = [row["contestant"], f"{row['seconds']:.2f}"]
        for metric in metrics:
            cells += [f"{row[metric]['mean']:.4f}", " ".join(f"{value:.3f}" for value in row[metric]["by_split"])]
            cells += [difference(row[metric].get(f"to {rival}")) for rival in rivals]
        table.append(cells)
    common.print_table(header, table)


def difference(one):
    if one is None:
        return ""
    mark = "*" if one["low"] > 0 or one["high"] < 0 else " "
    return f"{one['difference']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]{mark}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=5, help="5 at most: the settings are chosen for each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--search", nargs="+", choices=list(TASKS), help="choose settings within the training parts")
    parser.add_argument("--candidates", type=int, default=32, help="with --search: draws for each contestant and split")
    parser.add_argument("--only", nargs="+", help="with --search: contestants to search for, by default all")
    parser.add_argument("--quick", action="store_true", help="does it run: one split, or two draws")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/cold_start.json")
    options = parser.parse_args()
    splits = 1 if options.quick else options.splits
    if options.search:
        stored = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
        for task in options.search:
            n_candidates = 2 if options.quick else options.candidates
            found = search(task, splits, n_candidates, options.threads, options.only)
            stored[task] = stored.get(task, {}) | found
        if not options.quick:
            SETTINGS.write_text(json.dumps(stored, indent=1) + "\n")
            print(f"Wrote {SETTINGS}")
        return
    stored = json.loads(SETTINGS.read_text())
    record = {"machine": common.machine(), "options": vars(options)}
    for task in options.tasks:
        record[task] = compare(task, stored[task], splits, options.threads)
        show(task, record[task])
    common.save("cold_start-quick" if options.quick else "cold_start", record, options.output)


if __name__ == "__main__":
    main()
