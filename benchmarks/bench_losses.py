"""TwoTowerRetriever with each loss over a block, and with each source of shared negatives: MovieLens 100K and Last.fm.

    python benchmarks/bench_losses.py [--data ml-100k lastfm] [--seeds 3] [--quick]

A fifth of the positives (of 4 stars and more; of Last.fm, all) is held out at random; items are ranked but for the
other four fifths. 64 components, all else is the estimator's default. Losses are compared over the whole catalogue,
samplers with the default loss and 500 negatives a block. The seconds are the median of a fit, on one thread.
"""

import argparse
import statistics

import common
import numpy as np
from sklearn.model_selection import train_test_split

from skrec import TwoTowerRetriever
from skrec.datasets import fetch_lastfm
from skrec.losses import (
    BilateralSoftmaxLoss,
    BPRLoss,
    CosineContrastiveLoss,
    HingeLoss,
    PairwiseSoftmaxLoss,
    SoftmaxAtKLoss,
    SoftmaxLoss,
)
from skrec.metrics import ranking_metrics
from skrec.samplers import InBatchSampler, MixedSampler, PopularitySampler, UniformSampler

LOSSES = [
    SoftmaxLoss(),
    SoftmaxLoss(include_positive=False),
    BilateralSoftmaxLoss(),
    SoftmaxAtKLoss(),
    PairwiseSoftmaxLoss(),
    PairwiseSoftmaxLoss(activation="tanh"),
    PairwiseSoftmaxLoss(activation="arctan"),
    CosineContrastiveLoss(),
    HingeLoss(),
    BPRLoss(),
]
SAMPLERS = {
    "uniform": UniformSampler(),
    "by popularity": PopularitySampler(),
    "in batch": InBatchSampler(),
    "in batch, streaming": InBatchSampler(frequency="streaming"),
    "in batch, hits kept": InBatchSampler(remove_accidental_hits=False),
    "in batch, uncorrected": InBatchSampler(logq_correction=False),
    "half in batch, half uniform": MixedSampler([("batch", InBatchSampler(), 1), ("any", UniformSampler(), 1)]),
}
N_COMPONENTS, N_NEGATIVES = 64, 500
METRICS = ["auc", "ndcg@20", "recall@20"]


def load(data):
    if data == "ml-100k":
        pairs, rating = common.load_ml_100k()
        pairs = pairs[rating >= 4]
    else:
        X, _ = fetch_lastfm(return_X_y=True, as_frame=False)
        pairs = np.asarray(X)[:, :2]
    return train_test_split(pairs, test_size=0.2, random_state=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=["ml-100k", "lastfm"], default=["ml-100k", "lastfm"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="does it run: two epochs, one seed")
    options = parser.parse_args()
    seeds, epochs = (1, {"max_iter": 2}) if options.quick else (options.seeds, {})
    contestants = {repr(loss): {"loss": loss} for loss in LOSSES}
    contestants |= {name: {"sampler": sampler, "n_negatives": N_NEGATIVES} for name, sampler in SAMPLERS.items()}
    for data in options.data:
        train, test = load(data)
        print(f"\n{data}\n{'':46}{'AUC':>8}{'NDCG@20':>9}{'Recall@20':>11}{'seconds':>9}")
        rounds = {name: [] for name in contestants}
        for seed in range(seeds):
            for name, parameters in contestants.items():
                model = TwoTowerRetriever(N_COMPONENTS, random_state=seed, **epochs, **parameters)
                seconds, model = common.stopwatch(model.fit, train)
                scores = ranking_metrics(model, test, metrics=METRICS).scores
                rounds[name].append([scores[metric] for metric in METRICS] + [seconds])
        for name, results in rounds.items():
            auc, ndcg, recall, _ = np.mean(results, axis=0)
            seconds = statistics.median(result[3] for result in results)
            print(f"{name:46}{auc:8.4f}{ndcg:9.4f}{recall:11.4f}{seconds:9.1f}")


if __name__ == "__main__":
    main()
