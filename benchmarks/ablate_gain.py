"""What GainSampler's source leaves open, decided on held-out positives: NDCG@20 and how often the drawn are liked.

    python benchmarks/ablate_gain.py [--data ml-100k ml-1m-m1] [--seeds 2] [--epochs 30] [--quick]

The source gives H (how high a user ranks an item among the positives) and G (its smoothed relative drop). It does not
say which items G compares, how one is chosen by it, nor the constants. Every row is a rule, trained with the defaults
of TripletMF but for the epochs:

- softmax of x: in proportion to exp(sharpness * x). argmax of 8: the largest x of 8 entries of the memory at random.
- GainSampler: softmax of H * G with its defaults, but for what is in brackets. (Of H / 2: the same with G kept at 1/2.)
- top half: only entries whose H is in the upper half of the user's memory.

A tenth of the training positives is held out: NDCG@20 ranks all items but the other positives. "lift of liked" is how
much more likely a draw of the last epoch is to hit a held-out positive than a uniform one: below 1, the rule avoids
false negatives; at equal H of the drawn, a lower one is better. The test sets are not read.
"""

import argparse
import statistics
import warnings

import common
import numpy as np

from skrec import TripletMF
from skrec.samplers import DynamicSampler, GainSampler, UniformSampler


def ranks(values, starts):
    """Rank of each place in its user's memory, 0 the largest, and the size of that memory."""
    sizes = np.diff(np.append(starts, len(values)))
    users = np.repeat(np.arange(len(starts)), sizes)
    order = np.lexsort((-values, users))
    rank = np.empty(len(values), np.int64)
    rank[order] = np.arange(len(values)) - np.repeat(starts, sizes)
    return rank, np.repeat(sizes, sizes)


def softmax(values, starts, sharpness):
    sizes = np.diff(np.append(starts, len(values)))
    return np.exp(sharpness * (values - np.repeat(np.maximum.reduceat(values, starts), sizes)))


def argmax(values, starts, n=8):
    """Mass of the largest of n places drawn at random with replacement."""
    rank, size = ranks(values, starts)
    return ((1 - rank / size) ** n - (1 - (rank + 1) / size) ** n) / (1 - (1 - 1 / size) ** n)


def upper(preference, starts, share):
    rank, size = ranks(preference, starts)
    return rank < np.maximum(1, share * size)


RULES = {
    "softmax of G, 10": lambda h, g, s: softmax(g, s, 10),
    "argmax of 8 by G": lambda h, g, s: argmax(g, s),
    "top half, softmax of G, 10": lambda h, g, s: softmax(g, s, 10) * upper(h, s, 0.5),
    "top half, argmax of 8 by G": lambda h, g, s: argmax(np.where(upper(h, s, 0.5), g, 0), s),
    "top quarter, alike": lambda h, g, s: upper(h, s, 0.25).astype(float),
    "top quarter, softmax of G, 10": lambda h, g, s: softmax(g, s, 10) * upper(h, s, 0.25),
    "top eighth, softmax of G, 10": lambda h, g, s: softmax(g, s, 10) * upper(h, s, 0.125),
    "softmax of H / 2, 30": lambda h, g, s: softmax(h / 2, s, 30),
    "argmax of 8 by HG": lambda h, g, s: argmax(h * g, s),
    "argmax of 8 by H": lambda h, g, s: argmax(h, s),
}


class RuleSampler(GainSampler):
    """GainSampler with another rule of choice."""

    def __init__(self, rule="softmax of G, 10", smoothing=0.5, epsilon=0.1, temperature=np.inf, new_ratio=8.0):
        super().__init__(smoothing=smoothing, epsilon=epsilon, temperature=temperature, new_ratio=new_ratio)
        self.rule = rule

    def _weigh(self, preference, gain, starts):
        return RULES[self.rule](preference, gain, starts)


def contestants():
    samplers = {"uniform": UniformSampler(), "dynamic, 5": DynamicSampler()}
    samplers |= {rule: RuleSampler(rule) for rule in RULES}
    samplers |= {f"GainSampler({name})": GainSampler(**value) for name, value in CONSTANTS.items()}
    return samplers


CONSTANTS = {
    "": {},
    "sharpness=10": {"sharpness": 10.0},
    "sharpness=100": {"sharpness": 100.0},
    "epsilon=0.01": {"epsilon": 0.01},
    "epsilon=1": {"epsilon": 1.0},
    "smoothing=0": {"smoothing": 0.0},
    "smoothing=0.9": {"smoothing": 0.9},
    "temperature=0.2, new_ratio=1": {"temperature": 0.2, "new_ratio": 1.0},
}


def load(data):
    if data == "ml-100k":
        pairs, rating = common.load_ml_100k()
        pairs = pairs[rating >= 4]
    else:
        pairs = common.load_ml_1m()
    held_out = np.random.default_rng(0).random(len(pairs)) < 0.1
    return pairs[~held_out], pairs[held_out]


def look_at_draws(sampler, liked):
    """How much likelier than a uniform draw a draw of the last epoch was to hit one of the `liked`."""
    users = np.repeat(np.arange(len(sampler._bounds) - 1), np.diff(sampler._bounds))
    mass = np.where(sampler.memory_ >= 0, sampler._values, 0).astype(np.float64)
    mass /= np.maximum(np.add.reduceat(mass, sampler._bounds[:-1])[users], 1e-12)
    unobserved = sampler.matrix_.shape[1] - np.diff(sampler.matrix_.indptr)
    return mass[liked[users, sampler.memory_]].sum() / (liked.sum(axis=1) / unobserved).sum()


def judge(sampler, train, test, epochs, seed):
    model = TripletMF(sampler=sampler, max_iter=epochs, random_state=seed, n_jobs=-1).fit(train)
    shape = tuple(np.concatenate([train, test]).max(axis=0) + 1)
    scores = np.full(shape, -np.inf, np.float32)
    scores[np.ix_(model.user_ids_, model.item_ids_)] = model.user_factors_ @ model.item_factors_.T
    liked = common.pair_mask(test, shape)
    quality = common.ranking_quality(scores, common.pair_mask(train, shape), liked)
    quality["zero"] = model.zero_gradient_share_[-1]
    if isinstance(sampler, GainSampler):
        quality["lift"] = look_at_draws(model.sampler_, liked[np.ix_(model.user_ids_, model.item_ids_)])
    return quality


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=["ml-100k", "ml-1m-m1"], default=["ml-100k", "ml-1m-m1"])
    parser.add_argument("--seeds", type=int, default=None, help="by default 3 on ml-100k, 1 on ml-1m-m1")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="does it run: two epochs, one seed")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="skrec")
    for data in options.data:
        train, test = load(data)
        seeds = options.seeds or (3 if data == "ml-100k" else 1)
        rows = []
        for name, sampler in contestants().items():
            epochs, n = (2, 1) if options.quick else (options.epochs, seeds)
            runs = [judge(sampler, train, test, epochs, seed) for seed in range(n)]
            ndcg = [run["ndcg"] for run in runs]
            rows.append(
                (
                    name,
                    f"{statistics.mean(ndcg):.4f}",
                    f"{statistics.stdev(ndcg):.4f}" if n > 1 else "",
                    *(f"{statistics.mean(run[k] for run in runs):.4f}" for k in ("auc", "zero")),
                    f"{statistics.mean(run['lift'] for run in runs):.2f}" if "lift" in runs[0] else "",
                )
            )
        print(f"\n{data}, {len(train):,} positives, {seeds} seed(s)\n")
        common.print_table(
            ("rule", "NDCG@20", "deviation", "AUC", "share of triplets without loss", "lift of liked"), rows
        )


if __name__ == "__main__":
    main()
