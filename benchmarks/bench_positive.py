"""Popular and rare items on MovieLens 100K (`ua` split, rating >= 4): corrections from both sides of a triplet.

    python benchmarks/bench_positive.py [--seeds 5] [--epochs 60] [--quick]

Each row is TripletMF with its defaults but for where negatives come from and which positives are trained on, with what
weight. The columns are the average per-user ROC AUC of all positives of ua.test, and of those in the buckets of
popularity (skrec.metrics.auc_by_popularity with three buckets, each with a third of the training positives): head,
middle, tail. Items that nobody liked in training are not ranked. Down-sampled epochs are shorter; their number is
raised so that all rows take about as many steps. Means over the seeds, and the standard deviation of the whole.
"""

import argparse

import common
import numpy as np
from sklearn.base import clone

from skrec import TripletMF
from skrec.metrics import auc_by_popularity, average_user_roc_auc
from skrec.samplers import InversePropensityWeighter, PopularityDownSampler, PopularitySampler, UniformSampler

NEGATIVES = {"uniform": UniformSampler(), "count^0.75": PopularitySampler(alpha=0.75)}
POSITIVES = {
    "all": None,
    "down-sampled": PopularityDownSampler(top_kept=0.3),
    "weighed": InversePropensityWeighter(eta=0.5, clip=0.1),
}


def load_positives(name):
    pairs, rating = common.load_ml_100k(name)
    return pairs[rating >= 4]


def judge(model, train, test):
    """Return the AUC of all positives, then of those in the head, the middle and the tail."""
    model.fit(train)
    test = test[np.isin(test[:, 0], model.user_ids_) & np.isin(test[:, 1], model.item_ids_)]
    shape = len(model.user_ids_), len(model.item_ids_)
    y_true = np.zeros(shape, dtype=np.int8)
    y_true[np.searchsorted(model.user_ids_, test[:, 0]), np.searchsorted(model.item_ids_, test[:, 1])] = 1
    scores = model.user_factors_ @ model.item_factors_.T
    exclude = model.interactions_
    buckets = auc_by_popularity(y_true, scores, model.item_popularity_, n_buckets=3, exclude=exclude).auc
    return [average_user_roc_auc(y_true, scores, exclude=exclude), *buckets]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="one seed and two epochs, to see that it runs")
    arguments = parser.parse_args()
    seeds, epochs = (1, 2) if arguments.quick else (arguments.seeds, arguments.epochs)
    train, test = load_positives("ua.base"), load_positives("ua.test")
    counts = np.bincount(train[:, 1])
    results = {}
    for seed in range(seeds):
        for n, negatives in NEGATIVES.items():
            for p, positives in POSITIVES.items():
                own_epochs = epochs
                if isinstance(positives, PopularityDownSampler):
                    kept = np.minimum(positives.top_kept * np.sqrt(counts.max() / np.maximum(counts, 1)), 1.0)
                    own_epochs = round(epochs * counts.sum() / (counts @ kept))
                model = TripletMF(
                    sampler=clone(negatives), positive_sampler=positives, max_iter=own_epochs, random_state=seed
                )
                results.setdefault((n, p), []).append(judge(model, train, test))
    rows = []
    for (n, p), values in results.items():
        mean, deviation = np.mean(values, axis=0), np.std(values, axis=0)
        rows.append([n, p, f"{mean[0]:.4f} ± {deviation[0]:.4f}", *(f"{value:.4f}" for value in mean[1:])])
    common.print_table(["negatives", "positives", "AUC", "head", "middle", "tail"], rows)
    record = {"epochs": epochs, "seeds": seeds, "results": {" / ".join(key): value for key, value in results.items()}}
    common.save("positive", record)


if __name__ == "__main__":
    main()
