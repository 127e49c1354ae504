"""What explicit negatives are worth to a retriever: MovieLens 100K, `ua` split, 4 and more liked, 2 and less disliked.

    python benchmarks/bench_fusion.py [--seeds 5] [--quick]
    python benchmarks/bench_fusion.py --search [--candidates 8]

Ratings of 3 are left out. Contestants: a TripletMF of the likes alone; one TripletMF of likes, explicit negatives and
unobserved items (a MixedSampler with an ExplicitSampler), by the logistic loss and by the hinge; and PosNegRetriever
with each calibration. All rank the items without a training row of the user, as `recommend` does, an item that no row
of the training set holds last. Of held-out likes: NDCG@20, Recall@20 and average per-user AUC; of held-out dislikes:
the share that is in the first 20 places, and the mean place, 0 being the first and 1 the last; and the AUC of a user's
held-out likes against the same user's dislikes.

To avoid dislikes is easy for who may lose likes, so every contestant is tuned twice: for the NDCG of the likes alone
(A), and for the fewest dislikes in the first 20 places among the settings that keep 95 % of the best NDCG of the model
of likes (B). `--search` chooses on a random tenth of ua.base, ua.test unseen, with as many draws of settings for each
contestant: for PosNegRetriever these are settings of the retriever of dislikes, that of likes being the first
contestant's best; the weight is chosen from a list for each draw, as the share of explicit negatives is for one model.
The choices are in fusion_settings.json, which the comparison reads.

Intervals are paired: the mean over users of the difference to the model of likes, and to the one model by the hinge
tuned by the same rule; each user's value is the mean over the seeds, and the percentile bootstrap is over users.
"""

import argparse
import json
from pathlib import Path

import common
import numpy as np
from scipy.sparse import csr_array
from sklearn.model_selection import ParameterSampler

from skrec import PosNegRetriever, TripletMF
from skrec.losses import HingeLoss
from skrec.metrics import compare_models, ndcg_at_k, recall_at_k, user_roc_auc
from skrec.samplers import DynamicSampler, ExplicitSampler, MixedSampler, UniformSampler

SETTINGS = Path(__file__).resolve().parent / "fusion_settings.json"
SHAPE = (943, 1682)
GRID = np.indices(SHAPE, dtype=np.int32).reshape(2, -1).T
KEPT = 0.95
LIKES, ONE, FURTHEST = "likes only", "one model, hinge", "furthest from dislikes"
CALIBRATIONS = ("none", "zscore", "rank", "platt", "isotonic")
METRICS = {  # and whether more is better
    "ndcg@20": True,
    "recall@20": True,
    "auc": True,
    "dislikes in 20": False,
    "dislike place": True,
    "like v. dislike": True,
}

# Settings drawn for every TripletMF. The logistic loss has no margin.
SPACE = {
    "n_components": [32, 64, 128],
    "learning_rate": [0.05, 0.1, 0.2, 0.4],
    "max_iter": [15, 30, 60],
    "margin": [0.3, 0.5, 0.7, 0.9],
    "n_candidates": [1, 2, 4],  # of a DynamicSampler; 1 is uniform
    "similarity": ["cosine"],
}
LOGISTIC = SPACE | {"margin": [None], "similarity": ["dot"], "l2": [0.0, 0.003, 0.01, 0.03], "item_bias": [False, True]}
SHARES = (0.05, 0.1, 0.2, 0.4)
WEIGHTS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


# --- data and metrics


def load(name):
    """Return pairs with a like or a dislike, and whether it is a like."""
    pairs, rating = common.load_ml_100k(name)
    kept = rating != 3
    return pairs[kept], rating[kept] >= 4


def validation_data():
    pairs, liked = load("ua.base")
    held = np.random.default_rng(0).random(len(pairs)) < 0.1
    return (pairs[~held], liked[~held]), (pairs[held], liked[held])


def judge(scores, train, test):
    """Return {metric: value of each user}, nan for those who do not enter."""
    seen = matrix(train[0])
    likes, dislikes = matrix(test[0][test[1]]), matrix(test[0][~test[1]])
    neither = csr_array(np.ones(SHAPE, dtype=np.int8) - (likes + dislikes).toarray())
    return {
        "ndcg@20": ndcg_at_k(likes, scores, k=20, exclude=seen, average=None),
        "recall@20": recall_at_k(likes, scores, k=20, exclude=seen, average=None),
        "auc": user_roc_auc(likes, scores, exclude=seen),
        "dislikes in 20": recall_at_k(dislikes, scores, k=20, exclude=seen, average=None),
        "dislike place": 1 - user_roc_auc(dislikes, scores, exclude=seen),
        "like v. dislike": user_roc_auc(likes, scores, exclude=neither),
    }


def matrix(pairs):
    return csr_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=SHAPE)


def scores_of(model, train):
    """Scores of all pairs; items without a training row last."""
    scores = model.predict(GRID).reshape(SHAPE)
    return np.where(np.isin(np.arange(SHAPE[1]), train[0][:, 1]), scores, scores.min() - 1)


def means(values):
    return {name: float(np.nanmean(value)) for name, value in values.items()}


# --- contestants


def triplet_mf(settings, share=0.0, seed=0):
    """One TripletMF; `share` of its negatives are explicit ones."""
    settings = dict(settings)
    margin, n_candidates = settings.pop("margin"), settings.pop("n_candidates")
    model = TripletMF(loss="logistic" if margin is None else "hinge", random_state=seed).set_params(**settings)
    if margin is not None:
        model.set_params(loss=HingeLoss(margin=margin))
    unobserved = UniformSampler() if n_candidates == 1 else DynamicSampler(n_candidates=n_candidates)
    mixed = [("unobserved", unobserved, 1 - share), ("explicit", ExplicitSampler(), share)]
    return model.set_params(sampler=MixedSampler(mixed) if share else unobserved)


def pos_neg(calibration, positive, negative, weight, seed=0):
    return PosNegRetriever(
        triplet_mf(positive, seed=seed),  # the very model of likes that it is compared with
        triplet_mf(negative, seed=seed + 1000),
        calibration=None if calibration == "none" else calibration,
        weight=weight,
        random_state=seed,
    )


def fit(name, settings, train, seed):
    """Fit a contestant and return its scores."""
    if name == LIKES:
        pairs, liked = train
        model = triplet_mf(settings["model"], seed=seed).fit(pairs[liked])
    elif name.startswith("one model"):
        model = triplet_mf(settings["model"], settings["share"], seed).fit(*train)
    else:
        _, _, calibration = name.partition(", ")
        model = pos_neg(calibration, settings["positive"], settings["negative"], settings["weight"], seed).fit(*train)
    return scores_of(model, train)


# --- choosing settings


def choose(tried, least):
    """Return the best of [(settings, means)] by rule A and by rule B."""
    best = max(tried, key=lambda one: one[1]["ndcg@20"])
    enough = [one for one in tried if one[1]["ndcg@20"] >= least] or [best]
    return {"A": best, "B": min(enough, key=lambda one: one[1]["dislikes in 20"])}


def search(n_candidates):
    train, test = validation_data()
    chosen = {}

    def draws(space, seed):
        return list(ParameterSampler(space, n_candidates, random_state=seed))

    def keep(name, tried, least=None):
        found = choose(tried, least if least is not None else max(m["ndcg@20"] for _, m in tried) * KEPT)
        chosen[name] = {rule: settings for rule, (settings, _) in found.items()}
        for rule, (settings, mean) in found.items():
            figures = ", ".join(f"{metric} {value:.4f}" for metric, value in mean.items())
            print(f"{name}, {rule} of {len(tried)}: {settings}\n  {figures}", flush=True)
        return found

    tried = []
    for settings in draws(SPACE, 0):
        tried.append(({"model": settings}, means(judge(fit(LIKES, {"model": settings}, train, 0), train, test))))
    found = keep(LIKES, tried)
    positive, least = found["A"][0]["model"], KEPT * found["A"][1]["ndcg@20"]

    for name, space in (("one model, logistic", LOGISTIC), (ONE, SPACE)):
        tried = []
        for settings in draws(space, 1):
            for share in SHARES:
                given = {"model": settings, "share": share}
                tried.append((given, means(judge(fit(name, given, train, 0), train, test))))
        keep(name, tried, least)

    tried = {calibration: [] for calibration in CALIBRATIONS}
    for negative in draws(SPACE, 2):
        for calibration in CALIBRATIONS:
            model = pos_neg(calibration, positive, negative, 0.0).fit(*train)
            for weight in WEIGHTS:
                given = {"positive": positive, "negative": negative, "weight": weight}
                scores = scores_of(model.set_params(weight=weight), train)
                tried[calibration].append((given, means(judge(scores, train, test))))
    for calibration in CALIBRATIONS:
        keep(f"fused, {calibration}", tried[calibration], least)
    return chosen


# --- comparing


def compare(settings, n_seeds):
    train, test = load("ua.base"), load("ua.test")
    contestants = {(name, rule): one for name, rules in settings.items() for rule, one in rules.items()}
    contestants = {key: one for key, one in contestants.items() if key != (LIKES, "B")}
    values = {key: [] for key in [*contestants, (FURTHEST, "")]}
    for seed in range(n_seeds):
        for (name, rule), given in contestants.items():
            values[name, rule].append(judge(fit(name, given, train, seed), train, test))
        # The retriever of dislikes turned around, as `PosNegRetriever.furthest` lists it.
        negative = triplet_mf(settings["fused, zscore"]["B"]["negative"], seed=seed + 1000).fit(train[0][~train[1]])
        values[FURTHEST, ""].append(judge(scores_of(_Negated(negative), train), train, test))
    per_user = {
        key: {metric: np.mean([one[metric] for one in seeds], axis=0) for metric in METRICS}
        for key, seeds in values.items()
    }
    rows = []
    for key, mine in per_user.items():
        row = {"contestant": key[0], "rule": key[1]}
        for metric in METRICS:
            by_seed = [float(np.nanmean(one[metric])) for one in values[key]]
            row[metric] = {"mean": float(np.mean(by_seed)), "by_seed": by_seed}
            for rival in {(LIKES, "A"), (ONE, key[1])} & per_user.keys() - {key}:
                result = compare_models(mine[metric], per_user[rival][metric], random_state=0)
                row[metric][f"to {rival[0]}"] = result._asdict()
        rows.append(row)
    return rows


class _Negated:
    def __init__(self, model):
        self.model = model

    def predict(self, X):
        scores = -self.model.predict(X)
        # An item that nobody dislikes has no place in the model.
        scores[~np.isin(X[:, 1], self.model.item_ids_)] = -2
        return scores


def show(rows):
    common.print_table(
        ("contestant", "tuned", *METRICS),
        [(row["contestant"], row["rule"], *(f"{row[metric]['mean']:.4f}" for metric in METRICS)) for row in rows],
    )
    for rival in (f"to {LIKES}", f"to {ONE}"):
        print(f"\nDifference {rival}, with its 95 % interval (* where that leaves 0 out):\n")
        common.print_table(
            ("contestant", "tuned", *METRICS),
            [
                (row["contestant"], row["rule"], *(difference(row[metric][rival]) for metric in METRICS))
                for row in rows
                if rival in row["auc"]
            ],
        )


def difference(one):
    mark = "*" if one["low"] > 0 or one["high"] < 0 else " "
    return f"{one['difference']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]{mark}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--search", action="store_true", help="choose settings on a share of ua.base, ua.test unseen")
    parser.add_argument("--candidates", type=int, default=8, help="with --search: settings drawn for each contestant")
    parser.add_argument("--quick", action="store_true", help="does it run: one seed, or two draws")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/fusion.json")
    options = parser.parse_args()
    if options.search:
        chosen = search(2 if options.quick else options.candidates)
        if not options.quick:
            SETTINGS.write_text(json.dumps(chosen, indent=1) + "\n")
            print(f"Wrote {SETTINGS}")
        return
    rows = compare(json.loads(SETTINGS.read_text()), 1 if options.quick else options.seeds)
    show(rows)
    record = {"machine": common.machine(), "options": vars(options), "rows": rows}
    common.save("fusion-quick" if options.quick else "fusion", record, options.output)


if __name__ == "__main__":
    main()
