"""A retriever alone, and with a ranker behind it: NDCG@10 on MovieLens 100K and 1M, differences with intervals.

    python benchmarks/bench_two_stages.py [--data ml-100k ml-1m] [--seeds 3] [--quick]
    python benchmarks/bench_two_stages.py --search [--data ml-100k ml-1m]

The retriever is ImplicitALS as chosen for each data set by bench_als.py. Behind it stand rankers that see its score and
counts alone, further recommenders' scores (EASE, a two-tower retriever and, on ML-1M, a wider ImplicitALS), on ML-100K
features of users and films, and all of these. All rankers of a data set learn from one set of rows:
RetrieveThenRank is fitted once a seed, with a panel of rankers, on five folds and 50 negatives of each user and fold.

ML-100K is the `ua` split, ratings of 4 and 5 liked, the others explicit negatives, of which the retriever makes nothing
and the rankers learn. ML-1M is the m1 split: ids of positives and nothing else. Lists leave out what the user has a
training row with. NDCG@10 is over users with a test positive, and the difference to the retriever that was fitted on
all training rows is paired, with its 95 % bootstrap interval; the other recommenders stand in the table too, as what
they bring to the ranker might be had from them alone.

`--search` does the same within the training rows, the test rows unseen: each seed holds another random tenth out. The
ranker with the highest NDCG@10 over all of these is written to two_stages_settings.json, and the comparison marks it.
"""

import argparse
import json
from pathlib import Path

import common
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrec import EASERecommender, ImplicitALS, RetrieveThenRank, TwoTowerRetriever
from skrec.metrics import compare_models

SETTINGS = Path(__file__).resolve().parent / "two_stages_settings.json"
K = 10
OWN = ["retriever_score", "retriever_rank", "item_popularity", "user_activity"]


class Panel(ClassifierMixin, BaseEstimator):
    """Rankers that are fitted on the same rows; the active one predicts."""

    def __init__(self, rankers, active=None):
        self.rankers = rankers
        self.active = active

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.fitted_, self.seconds_ = {}, {}
        for name, ranker in self.rankers.items():
            self.seconds_[name], self.fitted_[name] = common.stopwatch(clone(ranker).fit, X, y)
        self.n_rows_ = len(y)
        return self

    def predict_proba(self, X):
        return self.fitted_[self.active].predict_proba(X)


def trees(columns):
    model = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=150, max_leaf_nodes=8, min_samples_leaf=100, random_state=0
    )
    return make_pipeline(make_column_transformer(("passthrough", columns)), model)


def logistic(columns):
    return make_pipeline(
        make_column_transformer(("passthrough", [name for name in columns if name != "retriever_rank"])),
        SimpleImputer(),
        StandardScaler(),
        LogisticRegression(),
    )


# --- data


def ml_100k():
    """Return training rows, liked or not, test rows that are liked, tables of features, and the parts."""
    from skrec.datasets import fetch_movielens_100k

    X, rating = common.load_ml_100k()
    test, test_rating = common.load_ml_100k("ua.test")
    bunch = fetch_movielens_100k(split="ua", subset="train")
    users = bunch.user_features[["age"]].assign(is_female=bunch.user_features["gender"].eq("F"))
    users = users.join(_flags(bunch.user_features["occupation"].astype(object)))
    films = _flags(bunch.item_features["genres"].explode())
    films = films.assign(year=bunch.item_features["release_date"].dt.year)
    users.index -= 1
    films.index -= 1
    tables = {"user_features": users, "item_features": films}
    retriever = ImplicitALS(**_als_settings("ml-100k"))
    scorers = [("ease", EASERecommender(200.0)), ("towers", TwoTowerRetriever(64))]
    scores, features = ["ease_score", "towers_score"], [*users.columns, *films.columns]
    rankers = {
        "own score and counts, trees": trees(OWN),
        "+ EASE, trees": trees(OWN + scores[:1]),
        "+ EASE + towers, logistic": logistic(OWN + scores),
        "+ EASE + towers, trees": trees(OWN + scores),
        "+ features, trees": trees(OWN + features),
        "+ EASE + towers + features, logistic": logistic(OWN + scores + features),
        "+ EASE + towers + features, trees": trees(OWN + scores + features),
    }
    return (X, rating >= 4), test[test_rating >= 4], tables, retriever, scorers, rankers


def ml_1m():
    X, test = common.load_ml_1m(), common.load_ml_1m("test.txt")
    retriever = ImplicitALS(**_als_settings("ml-1m-m1"))
    wide = clone(retriever).set_params(n_components=256)
    scorers = [("ease", EASERecommender(300.0)), ("towers", TwoTowerRetriever(128)), ("wide", wide)]
    scores = ["ease_score", "towers_score", "wide_score"]
    rankers = {
        "own score and counts, trees": trees(OWN),
        "+ EASE, logistic": logistic([*OWN, "ease_score"]),
        "+ EASE + towers, logistic": logistic([*OWN, *scores[:2]]),
        "+ EASE + towers + wide, logistic": logistic([*OWN, *scores]),
        "+ EASE + towers + wide, trees": trees([*OWN, *scores]),
    }
    return (X, None), test, {}, retriever, scorers, rankers


DATA = {"ml-100k": ml_100k, "ml-1m": ml_1m}


def _flags(values):
    """One column of 0 and 1 for each distinct value, a row for each distinct label."""
    import pandas as pd

    return pd.get_dummies(values).groupby(level=0).max().astype(np.int8)


def _als_settings(name):
    stored = json.loads((Path(__file__).resolve().parent / "als_settings.json").read_text())
    return stored["defaults"][name]


def validation(train, seed):
    X, y = train
    held = np.random.default_rng(seed).random(len(X)) < 0.1
    liked = np.ones(len(X), dtype=bool) if y is None else y
    return (X[~held], None if y is None else y[~held]), X[held & liked]


# --- comparing


def ndcg(model, test):
    """NDCG@10 of each user who has a test positive and was trained on."""
    users = np.intersect1d(test[:, 0], model.user_ids_)
    n_ids = max(test.max(), model.item_ids_.max()) + 2
    wanted = np.unique(test[:, 0] * np.int64(n_ids) + test[:, 1])
    n_wanted = np.bincount(wanted // n_ids, minlength=users.max() + 1)[users]
    ids, _ = model.recommend(users, K)
    hits = np.isin(users[:, None] * np.int64(n_ids) + ids, wanted) & (ids >= 0)
    discounts = 1 / np.log2(np.arange(2, K + 2))
    return hits @ discounts / np.append(0, np.cumsum(discounts))[np.minimum(n_wanted, K)]


def compare(name, options):
    rows, test, tables, retriever, scorers, rankers = DATA[name]()
    values, seconds = {}, {}
    for seed in range(options.seeds):
        train, test = validation(rows, seed) if options.search else (rows, test)
        panel = Panel(rankers)
        model = RetrieveThenRank(retriever, panel, scorers=scorers, cv=options.folds, n_negatives=50, random_state=seed)
        seconds["all"], _ = common.stopwatch(model.fit, *train, **tables)
        print(f"{name}, seed {seed}: {seconds['all']:.0f} s, {model.ranker_.n_rows_:,} rows", flush=True)
        for part, fitted in [("retriever", model.retriever_), *model.scorers_]:
            values.setdefault(part if part == "retriever" else f"{part} alone", []).append(ndcg(fitted, test))
        for ranker in rankers:
            model.ranker_.active = ranker
            values.setdefault(ranker, []).append(ndcg(model, test))
            seconds[ranker] = model.ranker_.seconds_[ranker]
    join = np.concatenate if options.search else lambda seeds: np.mean(seeds, axis=0)
    means = {contestant: join(seeds) for contestant, seeds in values.items()}
    rows = []
    for contestant, mine in means.items():
        difference = compare_models(mine, means["retriever"], random_state=0)
        row = {"data": name, "contestant": contestant, "ndcg": float(mine.mean()), **difference._asdict()}
        rows.append(row | {"ranker_seconds": seconds.get(contestant)})
    return rows


def show(rows, chosen):
    common.print_table(
        ("data", "contestant", f"NDCG@{K}", "to the retriever", "95 % interval", "ranker, s"),
        [
            (
                row["data"],
                row["contestant"] + " *" * (chosen.get(row["data"]) == row["contestant"]),
                f"{row['ndcg']:.4f}",
                *(
                    ("", "")
                    if row["contestant"] == "retriever"
                    else (f"{row['difference']:+.4f}", f"[{row['low']:+.4f}, {row['high']:+.4f}]")
                ),
                "" if row["ranker_seconds"] is None else f"{row['ranker_seconds']:.1f}",
            )
            for row in rows
        ],
    )
    print("* chosen on a share of the training rows")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5, help="folds of the ranker's rows")
    parser.add_argument("--search", action="store_true", help="choose on a share of the training rows, test unseen")
    parser.add_argument("--quick", action="store_true", help="does it run: ML-100K, two folds")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/two-stages.json")
    options = parser.parse_args()
    if options.quick:
        options.data, options.seeds, options.folds = ["ml-100k"], 1, 2
    chosen = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
    rows = []
    for name in options.data:
        mine = compare(name, options)
        if options.search:
            ranked = [row for row in mine if row["ranker_seconds"] is not None]
            chosen[name] = max(ranked, key=lambda row: row["ndcg"])["contestant"]
        rows += mine
        show(mine, chosen)
    if options.search and not options.quick:
        SETTINGS.write_text(json.dumps(chosen, indent=1) + "\n")
        print(f"Wrote {SETTINGS}")
        return
    record = {"machine": common.machine(), "options": vars(options), "rows": rows}
    common.save("two-stages-quick" if options.quick else "two-stages", record, options.output)


if __name__ == "__main__":
    main()
