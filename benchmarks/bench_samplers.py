"""Time of a training step with each sampler, beside that with uniform negatives and the scores that it must compute.

    python benchmarks/bench_samplers.py [--rounds 5] [--epochs 8] [--data ml-1m-m1] [--only NAME ...] [--quick]

One thread, 64 components, the defaults of TripletMF; samplers alternate in turning order within each round. An epoch's
time is that of a fit of EPOCHS epochs less that of one with `max_iter=0`, so that partitioning, sorting, the test for
known positives and what a sampler does before an epoch are inside. A ratio is that of one round, to uniform in the same
round; the table shows the medians. "ns a score" is the time above uniform for each score beyond its own two: samplers
differ in what they compute, not only in how fast.
"""

import argparse
import time
import warnings

import common
import numpy as np

from skrec import TripletMF, samplers

N_COMPONENTS = 64
UNIFORM = "UniformSampler()"

# Name: sampler, the scores that a step computes beyond its own two (given the fitted model), and the most that it may
# cost in uniform steps. A sampler more is a line more.
CONTESTANTS = {
    "UniformSampler()": (samplers.UniformSampler(), lambda model: 0, None),
    "PopularitySampler()": (samplers.PopularitySampler(), lambda model: 0, 3),
    "DynamicSampler()": (samplers.DynamicSampler(), lambda model: 5, 3),
    "WARPSampler()": (samplers.WARPSampler(), lambda model: np.nan, 3),  # as many as it looks at
    "AdaptiveOversamplingSampler()": (samplers.AdaptiveOversamplingSampler(), lambda model: 0, 3),
    "HardnessAdaptiveSampler()": (samplers.HardnessAdaptiveSampler(), lambda model: 5, 3),
    "CurriculumSampler()": (samplers.CurriculumSampler(), lambda model: np.nan, 3),  # grows with the epochs
    "RankBandSampler()": (
        samplers.RankBandSampler(),
        lambda model: min(1024, len(model.item_ids_)) * len(model.user_ids_) / model.interactions_.nnz,
        3,
    ),
    "VarianceSampler()": (samplers.VarianceSampler(), lambda model: 8 + 5 * remembered(model), 5),
    "GainSampler()": (samplers.GainSampler(), lambda model: 5 * remembered(model), 5),
    "DynamicSampler(8)": (samplers.DynamicSampler(8), lambda model: 8, None),  # what VarianceSampler scores in a draw
}


def remembered(model):
    """Remembered items, and positives that they are compared with, for each positive."""
    n_users, n_positives = model.interactions_.shape[0], model.interactions_.nnz
    return (len(model.sampler_.memory_) + 8 * n_users) / n_positives


def load(data):
    if data == "ml-1m-m1":
        return common.load_ml_1m()
    pairs, rating = common.load_ml_100k()
    return pairs[rating >= 4]


def measure(sampler, pairs, epochs):
    """Nanoseconds of a step."""

    def fit(max_iter):
        start = time.perf_counter()
        TripletMF(N_COMPONENTS, sampler=sampler, max_iter=max_iter, random_state=0, n_jobs=1).fit(pairs)
        return time.perf_counter() - start

    preparation = fit(0)
    return common.less_preparation(fit(epochs), preparation) / epochs / len(pairs) * 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=["ml-100k", "ml-1m-m1"], default="ml-1m-m1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8, help="more than 5, so that the histories are full")
    parser.add_argument("--only", nargs="+", choices=list(CONTESTANTS), metavar="NAME", help="beside uniform")
    parser.add_argument("--quick", action="store_true", help="does it run: one round of two epochs on ml-100k")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/samplers.json")
    options = parser.parse_args()
    if options.quick:
        options.data, options.rounds, options.epochs = "ml-100k", 1, 2
    warnings.filterwarnings("ignore", module="skrec")
    pairs = load(options.data)
    chosen = {n: c for n, c in CONTESTANTS.items() if options.only is None or n in {UNIFORM, *options.only}}
    scores = {}
    for name, (sampler, n_scores, _) in chosen.items():  # compiles, and tells what is scored
        model = TripletMF(N_COMPONENTS, sampler=sampler, max_iter=6, random_state=0).fit(pairs)
        scores[name] = float(n_scores(model))
    runs = {name: lambda s=sampler: measure(s, pairs, options.epochs) for name, (sampler, _, _) in chosen.items()}
    times = common.alternate(runs, options.rounds)
    rows, record = [], {"machine": common.machine(), "options": vars(options), "samplers": {}}
    uniform = np.array(times[UNIFORM])
    for name, (_, _, most) in chosen.items():
        ratio = common.spread(np.array(times[name]) / uniform)
        step = common.spread(times[name])
        above = np.median(np.array(times[name]) - uniform)
        record["samplers"][name] = {"ns_a_step": step, "ratio": ratio, "scores": scores[name], "most": most}
        rows.append(
            (
                name,
                f"{step['median']:.0f}",
                f"{ratio['median']:.2f}",
                f"{ratio['min']:.2f}",
                f"{ratio['max']:.2f}",
                "" if np.isnan(scores[name]) else f"{scores[name]:.1f}",
                f"{above / scores[name]:.1f}" if scores[name] > 0 else "",
                most or "",
                "" if most is None else "yes" if ratio["median"] <= most else "NO",
            )
        )
    print(f"\n{options.data}, {len(pairs):,} positives, {N_COMPONENTS} components, one thread\n")
    header = "sampler", "ns a step", "to uniform", "lowest", "highest", "scores beyond its own", "ns a score", "at most"
    common.print_table((*header, "met"), rows)
    print(f"\nMachine: {record['machine']}")
    common.save("samplers-quick" if options.quick else "samplers", record, options.output)


if __name__ == "__main__":
    main()
