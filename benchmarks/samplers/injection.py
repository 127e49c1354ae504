"""Which samplers take liked items for negatives? Some training positives are hidden, and found again among the drawn.

    python benchmarks/samplers/injection.py [--data ml-100k] [--seeds 5] [--share 0.2] [--epochs 30] [--quick]
        [--similarity cosine] [--loss hinge] [--learning-rate 0.2]

A share of each user's training positives is hidden: to the model they are items like any other unobserved one. Every
draw of the training is counted.

- hardness: share of uniform items that score lower than the drawn one at the moment of the draw, mean over the draws.
  0.5 is a uniform draw, 1 always the best.
- lift: how much more often hidden positives were drawn than by uniform draws. 1 is by chance.
- to dynamic: the lift over that of DynamicSampler at the same hardness, read off a curve through several numbers of
  candidates (log lift, linear between the points) of the same seed; with a 95 % t interval over the seeds. Below 1, the
  sampler avoids false negatives better than its hardness would let expect.
- all items: memories that hold every unobserved item, which tells what the limits on memory and time do.
- NDCG@20 on the test positives, ranking neither training nor hidden positives; and what the false negatives cost: NDCG
  of a fit in which the same positives are hidden but never drawn, less that NDCG, paired by seed.
"""

import argparse
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common  # noqa: E402
import numpy as np  # noqa: E402
from recorded import RecordedSampler  # noqa: E402
from scipy.stats import t as student  # noqa: E402

from skrec import TripletMF  # noqa: E402
from skrec.samplers import DynamicSampler, GainSampler, UniformSampler, VarianceSampler  # noqa: E402

CURVE = {f"dynamic, {n}": DynamicSampler(n) for n in (2, 3, 5, 8, 12, 20)}
JUDGED = {
    "variance, alpha=0": VarianceSampler(alpha=0),
    "variance, alpha=1": VarianceSampler(alpha=1),
    "variance": VarianceSampler(),
    "variance, alpha=20": VarianceSampler(alpha=20),
    "variance, alpha=100": VarianceSampler(alpha=100),
    "gain, H alone": GainSampler(smoothing=1.0),
    "gain": GainSampler(),
    "gain, smoothing=0": GainSampler(smoothing=0.0),
    "gain, sharpness=60": GainSampler(sharpness=60.0),
}


class AllVariance(VarianceSampler):
    """Everything unobserved is remembered: what limits on memory and time cost."""

    def _count_places(self, n_positives):
        return np.full(len(n_positives), self.n_features_in_)


class AllGain(GainSampler):
    """The same."""

    _count_places = AllVariance._count_places


JUDGED |= {
    "variance, alpha=0, all items": AllVariance(alpha=0),
    "variance, all items": AllVariance(),
    "gain, all items": AllGain(),
}
WITH_COST = ("uniform", "dynamic, 5", "dynamic, 8", "variance", "gain")


def load(data):
    """Training and test positives."""
    if data == "ml-1m-m1":
        return common.load_ml_1m(), common.load_ml_1m("test.txt")
    parts = (common.load_ml_100k(name) for name in ("ua.base", "ua.test"))
    train, test = (pairs[rating >= 4] for pairs, rating in parts)
    return train, test[np.isin(test[:, 1], train[:, 1])]


def hide(train, share, seed):
    """Whether each positive is hidden; items and users keep one positive at least."""
    rng = np.random.default_rng([seed, 7])
    order = rng.permutation(len(train))
    shown = np.zeros(len(train), bool)
    for column in (0, 1):
        shown[order[np.unique(train[order, column], return_index=True)[1]]] = True
    return ~shown & (rng.random(len(train)) < share)


def quality(model, train, test, hidden, shape):
    scores = np.full(shape, -np.inf, np.float32)
    rows = model.user_factors_ @ model.item_factors_.T + model.item_biases_
    scores[np.ix_(model.user_ids_, model.item_ids_)] = rows
    masked = common.pair_mask(np.concatenate([train, hidden]), shape)
    return common.ranking_quality(scores, masked, common.pair_mask(test, shape))["ndcg"]


def run(sampler, train, test, hidden, epochs, seed, settings, never_drawn=False):
    """Hardness, lift and NDCG of one fit; NDCG alone where the hidden are never drawn."""
    shape = tuple(np.concatenate([train, test, hidden]).max(axis=0) + 1)
    given = sampler if never_drawn else RecordedSampler(sampler, hidden)
    model = TripletMF(sampler=given, max_iter=epochs, random_state=seed, **settings)
    if never_drawn:  # as explicit negatives, they are neither trained on nor drawn
        known = np.concatenate([train, hidden])
        model.fit(known, np.arange(len(known)) < len(train))
        return quality(model, train, test, hidden, shape)
    model.fit(train)
    return model.sampler_.hardness_, model.sampler_.lift_, quality(model, train, test, hidden, shape)


def interval(values):
    """Mean and half the width of the 95 % interval."""
    values = np.asarray(values)
    if len(values) < 2:
        return values.mean(), np.nan
    return values.mean(), student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=["ml-100k", "ml-1m-m1"], default="ml-100k")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.2, help="of the training positives to hide")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--similarity", default="cosine")
    parser.add_argument("--loss", default="hinge")
    parser.add_argument("--learning-rate", type=float, default=0.2)
    parser.add_argument("--quick", action="store_true", help="does it run: one seed, six epochs")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/injection.json")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.epochs = 1, 6
    warnings.filterwarnings("ignore", module="skrec")
    settings = {k: vars(options)[k] for k in ("similarity", "loss", "learning_rate")}
    pairs, test = load(options.data)
    contestants = {"uniform": UniformSampler()} | CURVE | JUDGED
    results = {name: [] for name in contestants}
    for seed in range(options.seeds):
        at = hide(pairs, options.share, seed)
        train, hidden = pairs[~at], pairs[at]
        for name, sampler in contestants.items():
            arguments = sampler, train, test, hidden, options.epochs, seed, settings
            hardness, lift, ndcg = run(*arguments)
            spared = run(*arguments, never_drawn=True) if name in WITH_COST else np.nan
            results[name].append({"hardness": hardness, "lift": lift, "ndcg": ndcg, "cost": spared - ndcg})
        points = [results[name][seed] for name in ("uniform", *CURVE)]
        points.sort(key=lambda point: point["hardness"])
        x, y = [point["hardness"] for point in points], np.log([point["lift"] for point in points])
        for name in JUDGED:
            own = results[name][seed]
            inside = x[0] <= own["hardness"] <= x[-1]
            own["to_dynamic"] = float(np.log(own["lift"]) - np.interp(own["hardness"], x, y)) if inside else np.nan
        print(f"seed {seed} done", flush=True)
    rows = []
    for name, runs in results.items():
        mean = {k: interval([run[k] for run in runs]) for k in ("hardness", "lift", "ndcg", "cost")}
        ratio, verdict = "", ""
        if name in JUDGED:
            centre, half = interval([run["to_dynamic"] for run in runs])
            low, high = centre - half, centre + half
            ratio = f"{np.exp(centre):.3f} ({np.exp(low):.3f} to {np.exp(high):.3f})"
            verdict = "less often" if high < 0 else "more often" if low > 0 else "no difference"
            if np.isnan(centre):
                ratio = "outside the curve"
            verdict = "" if np.isnan(half) else verdict
        rows.append(
            (
                name,
                f"{mean['hardness'][0]:.3f}",
                f"{mean['lift'][0]:.2f} ± {mean['lift'][1]:.2f}",
                ratio,
                verdict,
                f"{mean['ndcg'][0]:.4f} ± {mean['ndcg'][1]:.4f}",
                f"{mean['cost'][0]:+.4f} ± {mean['cost'][1]:.4f}" if name in WITH_COST else "",
            )
        )
    print(
        f"\n{options.data}, {len(pairs):,} positives, {options.share:.0%} hidden, {options.seeds} seeds, {settings}\n"
    )
    header = "sampler", "hardness", "lift", "to dynamic at its hardness", "hidden are drawn"
    common.print_table((*header, "NDCG@20", "cost of false negatives"), rows)
    record = {"machine": common.machine(), "options": vars(options), "results": results}
    common.save("injection-quick" if options.quick else "injection", record, options.output)


if __name__ == "__main__":
    main()
