"""What ``python -m skrec demo`` does: the main job of the package on generated data, told step by step."""

import time
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from sklearn.model_selection import GridSearchCV

from skrec import PopularityRecommender, TripletMF, __version__
from skrec.datasets import make_interactions
from skrec.metrics import bootstrap_interval, compare_models, ranking_metrics, user_roc_auc
from skrec.model_selection import LeaveLastOut
from skrec.samplers import PopularitySampler, UniformSampler, WARPSampler

N_USERS, N_ITEMS, N_INTERACTIONS = 2000, 800, 80_000
N_TEST = 3  # positives of each user that are held out
GRID = {"sampler": [UniformSampler(), PopularitySampler(alpha=0.75), WARPSampler()], "n_components": [4, 16, 64]}
USERS_SHOWN = [3, 141, 592]


class Split(NamedTuple):
    """Rows to learn from and rows to be judged on."""

    X_train: object
    y_train: object
    X_test: object
    y_test: object


def run(*, plot="skrec-demo.png", seed=0):
    """Run the demonstration and print what it finds.

    Parameters
    ----------
    plot : str or path-like, default="skrec-demo.png"
        File for the figure. Without matplotlib there is none.
    seed : int, default=0
        Seed of the data and of the models.
    """
    start = time.perf_counter()
    print(f"skrec {__version__}: from a log of interactions to recommendations, on generated data (seed {seed})")
    data = make_interactions(N_USERS, N_ITEMS, N_INTERACTIONS, random_state=seed)
    split = _split(data)
    search = _search(split, seed)
    aucs = _evaluate(search.best_estimator_, data, split, seed)
    _recommend(search.best_estimator_, data)
    _plot(search, aucs, plot)
    print(
        f"\nDone in {time.perf_counter() - start:.0f} s. The first run on a machine compiles; later ones find the code."
    )


def _split(data):
    X, y = data.data, data.target
    train, test = next(LeaveLastOut(n=N_TEST, time="timestamp").split(X, y))
    _say("Data", f"{len(X):,} positives of {N_USERS:,} users with {N_ITEMS:,} items, each with a time")
    _say("Split", f"{len(test):,} rows to test on, the last {N_TEST} of each user, and {len(train):,} to learn from")
    return Split(X.iloc[train], y.iloc[train], X.iloc[test], y.iloc[test])


def _search(split, seed):
    search = GridSearchCV(TripletMF(random_state=seed), GRID, cv=LeaveLastOut(time="timestamp"))
    search.fit(split.X_train, split.y_train)
    results = search.cv_results_
    _say("Search", "by average per-user ROC AUC on each user's last positive before those held out")
    print(f"  {'sampler':<30}{'components':>12}{'AUC':>9}{'fit':>9}")
    rows = zip(results["params"], results["mean_test_score"], results["mean_fit_time"], strict=True)
    for k, (parameters, auc, seconds) in enumerate(rows):
        best = "  best" if k == search.best_index_ else ""
        print(f"  {parameters['sampler']!r:<30}{parameters['n_components']:>12}{auc:>9.3f}{seconds:>7.1f} s{best}")
    return search


def _evaluate(best, data, split, seed):
    """AUC of each test user, for the best model and what to compare it with."""
    untrained = TripletMF(max_iter=0, random_state=seed).fit(split.X_train, split.y_train)
    popularity = PopularityRecommender().fit(split.X_train, split.y_train)
    aucs = {
        name: ranking_metrics(model, split.X_test, split.y_test, metrics="auc").per_user["auc"]
        for name, model in {"never trained": untrained, "popularity": popularity, "best of the search": best}.items()
    }
    aucs["planted truth"] = _auc_of_truth(data, split)
    _say("Test", "average per-user ROC AUC, with a 95 % interval; 0.5 is chance, the planted truth the ceiling")
    for name, auc in aucs.items():
        estimate, low, high = bootstrap_interval(auc, n_resamples=2000, random_state=seed)
        print(f"  {name:<30}{estimate:>9.3f}   [{low:.3f}, {high:.3f}]")
    gain = compare_models(aucs["best of the search"], aucs["popularity"], n_resamples=2000, random_state=seed)
    print(f"  best - popularity, user by user {gain.difference:>+7.3f}   [{gain.low:.3f}, {gain.high:.3f}]")
    return aucs


def _auc_of_truth(data, split):
    """AUC of the law that drew the log: how often an item is shown, times the chance that the user likes it."""

    def scores(start, stop):
        return data.true_preference.matrix(users=np.arange(start, stop)) * data.item_popularity

    auc = user_roc_auc(_matrix(split.X_test), scores, exclude=_matrix(split.X_train))
    return auc[~np.isnan(auc)]


def _matrix(X):
    pairs = X["user_id"].to_numpy(), X["item_id"].to_numpy()
    return csr_array((np.ones(len(X), dtype=np.int8), pairs), shape=(N_USERS, N_ITEMS))


def _recommend(best, data):
    ids, _ = best.recommend(USERS_SHOWN, n_recommendations=5)
    liked = data.true_preference.matrix(users=USERS_SHOWN)
    average = liked.mean(axis=1)
    _say("Recommend", "five items that the user has no row with, and the planted chance that the user likes each")
    for user, items, chance, base in zip(USERS_SHOWN, ids, liked, average, strict=True):
        print(f"  user {user}, who likes {base:.0%} of all items")
        for item in items:
            print(f"    {_title(data.item_features.loc[item], item):<44}{chance[item]:>5.0%}")


def _title(features, item):
    return f"{features['category']} {item} ({', '.join(features['genres'])})"


def _plot(search, aucs, path):
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        _say("Figure", 'none: matplotlib is not installed (pip install "skrec-learn[demo]")')
        return
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    results = search.cv_results_
    for sampler in GRID["sampler"]:
        auc = results["mean_test_score"][[candidate is sampler for candidate in results["param_sampler"]]]
        left.plot(range(len(auc)), auc, "o-", label=type(sampler).__name__)
    left.set_xticks(range(len(GRID["n_components"])), GRID["n_components"])
    left.set(title="Search", xlabel="components", ylabel="average per-user ROC AUC, validation")
    left.legend()
    for name, auc in aucs.items():
        right.ecdf(auc, label=f"{name}, mean {auc.mean():.3f}")
    right.set(title="Test", xlabel="ROC AUC of a user", ylabel="share of users at or below", xlim=(0, 1))
    right.legend(loc="upper left", fontsize="small")
    fig.savefig(path, dpi=120)
    plt.close(fig)
    _say("Figure", f"written to {path}")


def _say(step, what):
    print(f"\n{step}: {what}")
