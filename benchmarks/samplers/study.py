"""What each sampler of negatives buys: for the same number of steps, and for the same time.

    python benchmarks/samplers/study.py [--pieces timing main srns explicit] [--data ml-100k lastfm ml-1m-m1] [--quick]
    python benchmarks/samplers/study.py --summary

Every run is a line of RAW (benchmarks/results/study.jsonl), and one that is there is not run again, so that the study
can be stopped at any time. `--summary` writes what the documentation shows, benchmarks/samplers/results/study.json,
from whatever has run; rows of it whose runs are not in RAW stay.

- main: 32 components, triplets with each sampler and groups (every positive of a user against every negative) with each
  source of shared negatives; GMF and cosine, BPR and hinge. `steps`: every contestant has seen each positive at most
  EPOCHS times. `seconds`: every contestant has had at most the time of 2 EPOCHS epochs with uniform triplets. Learning
  rate, l2 and the epoch to stop after, within the budget, are those with the highest NDCG@20 on a tenth of the training
  positives, for each data set, similarity, loss and sampler (triplets of GMF: settings from what is best for uniform
  and for dynamic sampling); then five fits on all of the training rows with other
  seeds, judged on the test rows: NDCG@20, Recall@20 and the AUC of all positives and of those of popular (head),
  middling and rare (tail) items. Groups use another optimiser (Adam over blocks of users, a rate that falls to 0) than
  triplets do (AdaGrad); both are the defaults of their estimators.
- timing: CPU seconds of an epoch with each sampler over one with uniform triplets, alternating, median of the rounds.
- srns: the protocol of that paper on the rows of m1: one positive of each user left out at random to test and one to
  validate, each ranked among 100 unobserved items; GMF of 32 components with BPR. The published gain of SRNS over
  uniform sampling is 9.6 % of NDCG@1.
- explicit: ratings below 4, or up to 2, of MovieLens 100K as explicit negatives: known and left alone, drawn like any
  item, or drawn more often. Only items that the user has not rated in training are ranked.
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common  # noqa: E402
import numpy as np  # noqa: E402
from injection import hide, interval  # noqa: E402

from skrec import EASERecommender, TripletMF, TwoTowerRetriever  # noqa: E402
from skrec.metrics import ranking_metrics  # noqa: E402
from skrec.samplers import (  # noqa: E402
    AdaptiveOversamplingSampler,
    CurriculumSampler,
    DynamicSampler,
    ExplicitSampler,
    GainSampler,
    HardnessAdaptiveSampler,
    InBatchSampler,
    MixedSampler,
    PopularitySampler,
    RankBandSampler,
    RejectedSampler,
    UniformSampler,
    VarianceSampler,
    WARPSampler,
)

RAW = common.RESULTS / "study.jsonl"
SUMMARY = Path(__file__).resolve().parent / "results" / "study.json"
N_COMPONENTS = 32
EPOCHS = {"ml-100k": 30, "lastfm": 30, "ml-1m-m1": 10}
METRICS = ["ndcg@20", "recall@20", "auc", "auc_head", "auc_middle", "auc_tail"]
FIRST = METRICS[0]
N_SEEDS = 5


def mixed(hard, easy_share=1):
    return MixedSampler([("easy", UniformSampler(), easy_share), ("hard", hard, 1)])


TRIPLETS = {
    "uniform": UniformSampler(),
    "popularity^0.25": PopularitySampler(alpha=0.25),
    "popularity^0.75": PopularitySampler(alpha=0.75),
    "dynamic, 5": DynamicSampler(5),
    "dynamic, 20": DynamicSampler(20),
    "dynamic, 5 of 20": DynamicSampler(20, top_m=5),
    "WARP": WARPSampler(),
    "AOBPR": AdaptiveOversamplingSampler(),
    "AHNS": HardnessAdaptiveSampler(),
    "variance (SRNS)": VarianceSampler(),
    "gain (after GDNS)": GainSampler(),
    "uniform:dynamic, 20 1:1": mixed(DynamicSampler(20)),
    "uniform:ranks 101-500 1:1": mixed(RankBandSampler()),
    "uniform:ranks 101-500 100:1": mixed(RankBandSampler(), 100),
    "uniform:rejected by EASE 1:1": mixed(RejectedSampler(EASERecommender())),
    "curriculum, ranks 101-500": CurriculumSampler(hard=RankBandSampler(), n_easy=10),
}
# Over a block of users: where its shared negatives come from, and how many of the highest scored ones are kept.
GROUPS = {
    "all": {},
    "hardest 20 of all": {"n_hard_negatives": 20},
    "200 uniform": {"sampler": UniformSampler(), "n_negatives": 200},
    "200 by popularity^0.75": {"sampler": PopularitySampler(alpha=0.75), "n_negatives": 200},
    "in batch": {"sampler": InBatchSampler(), "n_negatives": 200},
    "hardest 20 of 200 uniform": {"sampler": UniformSampler(), "n_negatives": 200, "n_hard_negatives": 20},
}
FAMILIES = [("cosine", "hinge"), ("gmf", "bpr"), ("gmf", "hinge"), ("cosine", "bpr")]
# What learning rate and l2 are chosen from.
RATES = {"cosine": [0.1, 0.2, 0.4], "gmf": [0.1, 0.2], "groups": [0.02, 0.05, 0.1]}
PENALTIES = {("triplets", "gmf"): [0.03, 0.1], ("groups", "gmf"): [0.001]}
# Where there is an l2 to choose these do, and the others choose among what these have chosen.
GUIDES = {("triplets", "gmf"): ["uniform", "dynamic, 5"]}
# Users of a block: small, where there are few users, so that an epoch has steps enough.
BLOCK = {"ml-100k": 32, "lastfm": 32, "ml-1m-m1": 128}


# --- the record


def _with_epochs(result):
    """Epochs, the keys of a curve, as the numbers that they were before they were stored."""
    if isinstance(result, dict):
        return {int(k) if k.isdecimal() else k: _with_epochs(v) for k, v in result.items()}
    return result


class Record:
    """Lines of a file, by their keys."""

    def __init__(self, path):
        self.path = path
        self.lines = {}
        if path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                self.lines[tuple(entry["key"])] = entry
                entry["result"] = _with_epochs(entry["result"])

    def get(self, key, function, *arguments, **keywords):
        """Return what is recorded for the key; if nothing is, what the function returns, which is recorded."""
        if key not in self.lines:
            self.lines[key] = entry = {"key": list(key), "result": function(*arguments, **keywords)}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a") as file:
                file.write(json.dumps(entry) + "\n")
            print(time.strftime("%H:%M:%S"), *key, flush=True)
        return self.lines[key]["result"]


# --- data and fits


def load(data):
    """Training and test positives, of items that are in the former."""
    if data == "ml-100k":
        train, test = (pairs[rating >= 4] for pairs, rating in map(common.load_ml_100k, ("ua.base", "ua.test")))
    elif data == "ml-1m-m1":
        train, test = common.load_ml_1m(), common.load_ml_1m("test.txt")
    else:
        names = (common.data_home() / "lastfm" / name for name in ("data1.txt", "test1.txt"))
        train, test = (np.loadtxt(name, dtype=np.int32, usecols=(0, 1)) for name in names)
    return train, test[np.isin(test[:, 1], train[:, 1])]


class Watch:
    """A callback that judges the model after some epochs."""

    def __init__(self, epochs, judge):
        self.epochs, self.judge, self.scores = epochs, judge, {}

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch" and context.task_id + 1 in self.epochs:
            self.scores[context.task_id + 1] = self.judge(fitted_estimator)

    def teardown(self, estimator, context):
        pass


def judged_on(test, metrics=METRICS):
    return lambda model: ranking_metrics(model, test, metrics=metrics).scores


def triplet_curve(rows, epochs, judge, seed, **settings):
    """Scores of a TripletMF after each of some epochs of one fit."""
    watch = Watch(epochs, judge)
    model = TripletMF(N_COMPONENTS, max_iter=max(epochs), random_state=seed, n_jobs=1, **settings)
    model.set_callbacks(watch).fit(*rows)
    return watch.scores


def group_curve(rows, epochs, judge, seed, **settings):
    """Scores of group-wise fits of some numbers of epochs: their rate falls to 0, so that each is a fit of its own."""
    return {n: judge(group_model(n, seed, **settings).fit(*rows)) for n in epochs}


def group_model(epochs, seed, **settings):
    return TwoTowerRetriever(N_COMPONENTS, history_weight=0.0, max_iter=epochs, random_state=seed, n_jobs=1, **settings)


def settings_of(data, kind, similarity, loss, name):
    own = {**GROUPS[name], "batch_size": BLOCK[data]} if kind == "groups" else {"sampler": TRIPLETS[name]}
    return {"similarity": similarity, "loss": loss, **own}


def grid(kind, similarity):
    """Settings to choose from on validation positives."""
    rates = RATES["groups" if kind == "groups" else similarity]
    penalties = PENALTIES.get((kind, similarity), [0.0])
    return [{"learning_rate": rate, "l2": l2} for rate in rates for l2 in penalties]


def checkpoints(most):
    """Epochs after which triplets are judged, up to `most`."""
    return sorted({max(1, round(most * share)) for share in (0.17, 0.33, 0.5, 0.75, 1.0)})


def best_within(curves, budget):
    """The settings, by their place, and the epoch with the highest validation score within a budget of epochs."""
    candidates = [
        (scores[FIRST], place, epoch)
        for place, curve in enumerate(curves)
        for epoch, scores in curve.items()
        if epoch <= budget
    ]
    return max(candidates)[1:]


# --- pieces


def time_epochs(record, data, train, rounds, only):
    """CPU time of an epoch of every contestant over that of a uniform triplet epoch."""
    contestants = {("triplets", name): ("cosine", "hinge", name) for name in TRIPLETS}
    for loss in ("hinge", "bpr"):
        contestants |= {("groups", f"{loss}, {name}"): ("cosine", loss, name) for name in GROUPS}

    def seconds(kind, key, n):
        settings = settings_of(data, kind, *key)
        model = group_model(n, 0, **settings) if kind == "groups" else None
        model = model or TripletMF(N_COMPONENTS, max_iter=n, random_state=0, n_jobs=1, **settings)
        start = time.thread_time()
        model.fit(train)
        return time.thread_time() - start

    def ratio(kind, key):
        seconds(kind, key, 1)  # compiles
        ratios, uniform = [], ("cosine", "hinge", "uniform")
        more, less = (6, 2) if kind == "triplets" else (3, 1)
        for _ in range(rounds):
            base = (seconds("triplets", uniform, 12) - seconds("triplets", uniform, 2)) / 10
            own = (seconds(kind, key, more) - seconds(kind, key, less)) / (more - less)
            ratios.append(own / base)
        return {"ratio": float(np.median(ratios)), "ratios": ratios}

    for (kind, name), key in contestants.items():
        if key[2] in (only or key):
            record.get(("timing", data, kind, name), ratio, kind, key)


def ratio_of(record, data, kind, loss, name):
    name = f"{loss}, {name}" if kind == "groups" else name
    return max(record.lines["timing", data, kind, name]["result"]["ratio"], 1.0 if kind == "triplets" else 0.01)


def compare(record, data, kind, families, names, seeds):
    train, test = load(data)
    at = hide(train, 0.1, 0)
    fitting, validation = train[~at], train[at]
    steps = EPOCHS[data]
    for similarity, loss in families:
        guides = GUIDES.get((kind, similarity), [])
        guided = []  # settings that the guides have chosen
        for name in [*guides, *(name for name in names if name not in guides)]:
            ratio = ratio_of(record, data, kind, loss, name)
            seconds = max(1, int(2 * steps / ratio))  # epochs that fit into the time; the same for all is 2 * steps
            budgets = {"steps": steps, "seconds": min(seconds, 2 * steps)}
            curve = triplet_curve if kind == "triplets" else group_curve
            if kind == "triplets":
                epochs = sorted({*checkpoints(steps), *checkpoints(budgets["seconds"])})
            else:
                epochs = sorted(set(budgets.values()))
            settings = settings_of(data, kind, similarity, loss, name)
            choices = guided if guides and name not in guides else grid(kind, similarity)
            curves = []
            for choice in choices:
                key = ("validation", data, kind, similarity, loss, name, *choice.values())
                judge = judged_on(validation, [FIRST])
                curves.append(record.get(key, curve, (fitting,), epochs, judge, 0, **settings, **choice))
            if name in guides:
                best = choices[best_within(curves, steps)[0]]
                guided += [] if best in guided else [best]
            chosen = {budget: best_within(curves, most) for budget, most in budgets.items()}
            for seed in range(seeds):
                key = ("test", data, kind, similarity, loss, name, seed)
                record.get(key, tested, curve, train, test, chosen, choices, seed, settings)


def tested(curve, train, test, chosen, choices, seed, settings):
    """Scores within each budget, at the settings and the epoch chosen for it."""
    scores = {}
    for place in {place for place, _ in chosen.values()}:
        wanted = sorted({epoch for own, epoch in chosen.values() if own == place})
        found = curve((train,), wanted, judged_on(test), seed, **settings, **choices[place])
        for budget, (own, epoch) in chosen.items():
            if own == place:
                scores[budget] = {**found[epoch], "epoch": epoch, **choices[place]}
    return scores


# Of GMF on the rows of m1; chosen on the first split's validation items, the epoch on those of each split.
SRNS_GRID = [{"learning_rate": 0.1, "l2": l2} for l2 in (0.01, 0.03)]
SRNS = {
    "uniform": UniformSampler(),
    "variance (SRNS)": VarianceSampler(),
    "variance (SRNS), alpha=0": VarianceSampler(alpha=0),
    "dynamic, 5": DynamicSampler(5),
}


def leave_one_out(pairs, seed):
    """Split off two positives of each user who has more, with 100 unobserved items each; return rows and both lists."""
    rng = np.random.default_rng([seed, 11])
    order = np.lexsort((rng.random(len(pairs)), pairs[:, 0]))
    pairs = pairs[order]
    first = np.flatnonzero(np.append(True, pairs[1:, 0] != pairs[:-1, 0]))
    first = first[np.diff(np.append(first, len(pairs))) > 2]
    rest = np.delete(pairs, np.concatenate([first, first + 1]), axis=0)
    seen = common.pair_mask(pairs, pairs.max(axis=0) + 1)
    lists = []
    for places in (first, first + 1):
        users, items = pairs[places].T
        candidates = np.empty((len(users), 101), np.int32)
        candidates[:, 0] = items
        for row, user in enumerate(users):
            candidates[row, 1:] = rng.choice(np.flatnonzero(~seen[user]), 100, replace=False)
        lists.append((users, candidates))
    return rest, *lists


def judged_on_list(users, candidates):
    """NDCG@1 and @3 and Recall@3 of the first candidate of each user among the others."""

    def judge(model):
        pairs = np.column_stack([np.repeat(users, candidates.shape[1]), candidates.ravel()])
        scores = model.predict(pairs).reshape(candidates.shape)
        place = (scores[:, 1:] >= scores[:, :1]).sum(axis=1)
        gain = 1 / np.log2(place + 2)
        return {
            "ndcg@1": float((place == 0).mean()),
            "ndcg@3": float(np.where(place < 3, gain, 0).mean()),
            "recall@3": float((place < 3).mean()),
        }

    return judge


def compare_srns(record, data, epochs, seeds, only):
    pairs = np.concatenate(load(data))
    for seed in range(seeds):
        rest, test, validation = leave_one_out(pairs, seed)
        test, validation = judged_on_list(*test), judged_on_list(*validation)

        def judge(model, test=test, validation=validation):
            return {**test(model), "validation": validation(model)["ndcg@1"]}

        for name, sampler in ((n, s) for n, s in SRNS.items() if n in (only or SRNS)):
            for choice in SRNS_GRID:
                if seed and choice != chosen_srns(record, data, name):
                    continue
                key = ("srns", data, name, *choice.values(), seed)
                settings = {"similarity": "gmf", "loss": "bpr", "sampler": sampler, **choice}
                record.get(key, triplet_curve, (rest,), epochs, judge, seed, **settings)


def chosen_srns(record, data, name):
    curves = [record.lines["srns", data, name, *choice.values(), 0]["result"] for choice in SRNS_GRID]
    best = [max(scores["validation"] for scores in curve.values()) for curve in curves]
    return SRNS_GRID[int(np.argmax(best))]


def explicit_contestants():
    """Name: which ratings are explicit negatives (below a bound), and the sampler."""
    contestants = {"positives alone": (None, UniformSampler())}
    for bound, what in ((3, "2 and less"), (4, "3 and less")):
        contestants[f"{what}: never drawn"] = bound, UniformSampler()
        for share in (0.1, 0.3, 1.0):
            sampler = MixedSampler([("any", UniformSampler(), 1.0), ("disliked", ExplicitSampler(), share)])
            contestants[f"{what}: drawn, uniform:explicit 1:{share:g}"] = bound, sampler
        contestants[f"{what}: drawn alone"] = bound, ExplicitSampler()
    return contestants


def compare_explicit(record, seeds):
    (pairs, rating), (test_pairs, test_rating) = map(common.load_ml_100k, ("ua.base", "ua.test"))
    shape = (943, 1682)
    liked = rating >= 4
    at = np.zeros(len(pairs), bool)
    at[np.flatnonzero(liked)] = hide(pairs[liked], 0.1, 0)
    tests = test_pairs[test_rating >= 4]

    def judged(relevant, shown):
        masked, wanted = common.pair_mask(shown, shape), common.pair_mask(relevant, shape)

        def judge(model):
            scores = np.full(shape, -np.inf, np.float32)
            known = model.user_factors_ @ model.item_factors_.T + model.item_biases_
            scores[np.ix_(model.user_ids_, model.item_ids_)] = known
            found = common.ranking_quality(scores, masked, wanted)
            return {"ndcg@20": found["ndcg"], "recall@20": found["recall"], "auc": found["auc"]}

        return judge

    epochs = [10, 20, 30]
    similarity, loss = FAMILIES[0]
    choices = grid("triplets", similarity)
    for name, (bound, sampler) in explicit_contestants().items():
        kept = liked | (rating < bound) if bound is not None else liked
        settings = {"similarity": similarity, "loss": loss, "sampler": sampler}
        rows, judge = (pairs[kept & ~at], liked[kept & ~at].astype(int)), judged(pairs[at], pairs[~at])
        curves = []
        for choice in choices:
            key = ("explicit validation", similarity, loss, name, *choice.values())
            curves.append(record.get(key, triplet_curve, rows, epochs, judge, 0, **settings, **choice))
        place, epoch = best_within(curves, max(epochs))
        rows, judge = (pairs[kept], liked[kept].astype(int)), judged(tests, pairs)
        for seed in range(seeds):
            key = ("explicit", similarity, loss, name, seed)
            record.get(key, triplet_curve, rows, [epoch], judge, seed, **settings, **choices[place])


# --- summary


def describe(runs, baseline, metrics):
    """Mean and half of the 95 % interval of each metric, and of its difference to the baseline, paired by seed."""
    out = {}
    for metric in metrics:
        out[metric] = [round(float(x), 5) for x in interval([run[metric] for run in runs.values()])]
        seeds = [seed for seed in runs if seed in baseline]
        if seeds:
            differences = [runs[seed][metric] - baseline[seed][metric] for seed in seeds]
            out[f"{metric} to uniform"] = [round(float(x), 5) for x in interval(differences)]
    return {**out, "seeds": len(runs)}


IDENTITY = ("data", "kind", "similarity", "loss", "name", "budget")


def keep_other_rows(summary):
    """Put the rows of the stored summary that nothing in this one replaces before its own."""
    if not SUMMARY.exists():
        return
    stored = json.loads(SUMMARY.read_text())
    for part, rows in summary.items():
        if isinstance(rows, list):
            own = {tuple(map(row.get, IDENTITY)) for row in rows}
            rows[:0] = [row for row in stored[part] if tuple(map(row.get, IDENTITY)) not in own]


def summarise(record):
    summary = {"machine": common.machine(), "epochs": EPOCHS, "timing": [], "main": [], "srns": [], "explicit": []}
    groups = {}
    for key, entry in record.lines.items():
        result = entry["result"]
        if key[0] == "timing":
            row = dict(zip(("data", "kind", "name"), key[1:], strict=True))
            summary["timing"].append({**row, "ratio": round(result["ratio"], 3)})
        elif key[0] == "test":
            for budget, scores in result.items():
                groups.setdefault((*key[1:6], budget), {})[key[6]] = scores
        elif key[0] == "explicit":
            groups.setdefault(key[:4], {})[key[4]] = next(iter(result.values()))
    for key, runs in groups.items():
        if key[0] == "explicit":
            baseline = groups.get((*key[:3], "positives alone"), {})
            row = dict(zip(("similarity", "loss", "name"), key[1:], strict=True))
            summary["explicit"].append({**row, **describe(runs, baseline, ["ndcg@20", "recall@20", "auc"])})
            continue
        data, _, similarity, loss, _, budget = key
        baseline = groups.get((data, "triplets", similarity, loss, "uniform", budget), {})
        row = dict(zip(("data", "kind", "similarity", "loss", "name", "budget"), key, strict=True))
        one = next(iter(runs.values()))
        row |= {"epoch": one["epoch"], "learning_rate": one["learning_rate"], "l2": one["l2"]}
        summary["main"].append({**row, **describe(runs, baseline, METRICS)})
    summary["srns"] = summarise_srns(record)
    keep_other_rows(summary)
    SUMMARY.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, part)) + "\n ]"
        if isinstance(part, list)
        else f' "{name}": {json.dumps(part)}'
        for name, part in summary.items()
    ]
    SUMMARY.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"Saved to {SUMMARY}")
    return summary


def summarise_srns(record):
    """Test scores at the epoch of the highest validation score, and their ratios to uniform, paired by split."""
    rows, runs = [], {}
    for key, entry in record.lines.items():
        if key[0] == "srns":
            data, name, *choice, seed = key[1:]
            complete = all(("srns", data, name, *c.values(), 0) in record.lines for c in SRNS_GRID)
            if complete and list(chosen_srns(record, data, name).values()) == choice:
                epoch, scores = max(entry["result"].items(), key=lambda item: item[1]["validation"])
                runs.setdefault((data, name), {})[seed] = {**scores, "epoch": epoch}
    for (data, name), own in runs.items():
        baseline = runs.get((data, "uniform"), {})
        row = {"data": data, "name": name, **describe(own, baseline, ["ndcg@1", "ndcg@3", "recall@3"])}
        ratios = [own[seed]["ndcg@1"] / baseline[seed]["ndcg@1"] - 1 for seed in own if seed in baseline]
        if ratios:
            row["relative gain of ndcg@1"] = [round(float(x), 5) for x in interval(ratios)]
        rows.append(row | {"epochs": [own[seed]["epoch"] for seed in own]})
    return rows


def print_summary(summary):
    for data, budget in dict.fromkeys((row["data"], row["budget"]) for row in summary["main"]):
        print(f"\n{data}, same {budget}\n")
        rows = [row for row in summary["main"] if (row["data"], row["budget"]) == (data, budget)]
        common.print_table(
            ("similarity, loss", "kind", "negatives", "NDCG@20", "to uniform", "AUC", "tail", "epochs", "seeds"),
            [
                (
                    f"{row['similarity']}, {row['loss']}",
                    row["kind"],
                    row["name"],
                    "{:.4f} ± {:.4f}".format(*row[FIRST]),
                    "{:+.4f} ± {:.4f}".format(*row.get(f"{FIRST} to uniform", (np.nan, np.nan))),
                    f"{row['auc'][0]:.4f}",
                    f"{row['auc_tail'][0]:.4f}",
                    row["epoch"],
                    row["seeds"],
                )
                for row in rows
            ],
        )
    for part in ("srns", "explicit", "timing"):
        print(f"\n{part}")
        for row in summary[part]:
            print(row)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pieces = ["timing", "main", "srns", "explicit"]
    parser.add_argument("--pieces", nargs="+", choices=pieces, default=pieces)
    parser.add_argument("--data", nargs="+", choices=list(EPOCHS), default=list(EPOCHS))
    parser.add_argument("--kinds", nargs="+", choices=["triplets", "groups"], default=["triplets", "groups"])
    families = {f"{similarity}-{loss}": (similarity, loss) for similarity, loss in FAMILIES}
    parser.add_argument("--families", nargs="+", choices=list(families), default=list(families))
    parser.add_argument("--only", nargs="+", help="contestants of timing, main and srns")
    parser.add_argument("--seeds", type=int, default=N_SEEDS)
    parser.add_argument("--rounds", type=int, default=3, help="of the timing")
    parser.add_argument("--summary", action="store_true", help="run nothing, write the summary")
    parser.add_argument("--quick", action="store_true", help="does it run: few contestants, epochs and one seed")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="skrec")
    record = Record(RAW)
    if options.summary:
        print_summary(summarise(record))
        return
    if options.quick:
        global SUMMARY
        record = Record(common.RESULTS / "study-quick.jsonl")
        record.path.unlink(missing_ok=True)
        record.lines.clear()
        SUMMARY = common.RESULTS / "study-quick.json"
        options.data, options.seeds, options.rounds = ["ml-100k"], 1, 1
        options.families = options.families[:1]
        EPOCHS["ml-100k"] = 3
        for contestants, kept in ((TRIPLETS, 3), (GROUPS, 1), (SRNS, 2)):
            for name in list(contestants)[kept:]:
                del contestants[name]
    for piece in options.pieces:
        for data in options.data if piece in ("timing", "main") else ():
            if piece == "timing":
                time_epochs(record, data, load(data)[0], options.rounds, options.only)
                continue
            for kind in options.kinds:
                names = [n for n in (TRIPLETS if kind == "triplets" else GROUPS) if n in (options.only or [n])]
                compare(record, data, kind, [families[f] for f in options.families], names, options.seeds)
        if piece == "srns":
            on = "ml-100k" if options.quick else "ml-1m-m1"
            compare_srns(record, on, [2, 3] if options.quick else [5, 10, 15, 20, 30], options.seeds, options.only)
        elif piece == "explicit":
            compare_explicit(record, options.seeds)
    if options.quick:
        print_summary(summarise(record))


if __name__ == "__main__":
    main()
