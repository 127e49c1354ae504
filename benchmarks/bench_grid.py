"""A search over samplers, losses and sizes that sees only ua.base, and what its choice scores on ua.test.

    python benchmarks/bench_grid.py [--seeds 3] [--jobs 2]

MovieLens 100K, split ua, ratings of 4 and 5 are positives, the others explicit negatives. The search is scikit-learn's
GridSearchCV with the default score (average per-user ROC AUC) over the folds of UserKFold; its choice is fitted on all
of ua.base and scored on ua.test, where each user's items that are not training positives are ranked. The target is
0.940; TripletMF with its defaults is printed beside it, with a target of 0.930.
"""

import argparse
import time
import warnings

import common  # noqa: F401  (holds BLAS to one thread before numpy is loaded)
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skrec import PopularityRecommender, TripletMF
from skrec.datasets import fetch_movielens_100k
from skrec.losses import HingeLoss
from skrec.model_selection import UserKFold
from skrec.samplers import DynamicSampler, PopularitySampler, UniformSampler

SAMPLERS = [
    UniformSampler(),
    PopularitySampler(alpha=0.25),
    PopularitySampler(alpha=0.5),
    DynamicSampler(n_candidates=2),
]
GRID = [
    {
        "similarity": ["cosine"],
        "loss": [HingeLoss(margin=margin) for margin in (0.5, 0.6, 0.7)],
        "sampler": SAMPLERS,
        "n_components": [64, 128],
        "max_iter": [60, 150],
    },
    {
        "similarity": ["dot"],
        "loss": ["bpr"],
        "optimizer": ["sgd"],
        "learning_rate": [0.02],
        "l2": [0.006, 0.012],
        "sampler": SAMPLERS,
        "n_components": [64, 128],
        "max_iter": [150],
    },
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    X, y = fetch_movielens_100k(split="ua", subset="train", return_X_y=True)
    X_test, y_test = fetch_movielens_100k(split="ua", subset="test", return_X_y=True)
    y, y_test = y >= 4, y_test >= 4
    print(f"popularity: {PopularityRecommender().fit(X, y).score(X_test, y_test):.4f}")
    chosen, defaults = [], []
    for seed in range(arguments.seeds):
        TripletMF(max_iter=1).fit(X, y)  # compiles
        start = time.perf_counter()
        model = TripletMF(random_state=seed).fit(X, y)
        print(f"seed {seed}: defaults fitted in {time.perf_counter() - start:.2f} s")
        defaults.append(model.score(X_test, y_test))
        start = time.perf_counter()
        search = GridSearchCV(
            TripletMF(random_state=seed), GRID, cv=UserKFold(n_splits=5, random_state=seed), n_jobs=arguments.jobs
        ).fit(X, y)
        seconds = time.perf_counter() - start
        chosen.append(search.score(X_test, y_test))
        fits = len(search.cv_results_["params"]) * 5
        print(
            f"seed {seed}: {fits} fits in {seconds:.0f} s; validation {search.best_score_:.4f}, test {chosen[-1]:.4f} "
            f"with {search.best_params_}; defaults, test {defaults[-1]:.4f}"
        )
    for name, scores, target in (("chosen", chosen, 0.940), ("defaults", defaults, 0.930)):
        verdict = "reached" if min(scores) >= target else "MISSED"
        print(f"{name}: mean {np.mean(scores):.4f}, least {min(scores):.4f}; target {target:.3f} {verdict}")


if __name__ == "__main__":
    main()
