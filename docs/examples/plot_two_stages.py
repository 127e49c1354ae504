"""
=============================
A retriever, then a ranker
=============================

Films on MovieLens 100K: ratings of 4 and 5 are liked, the others explicit negatives. A retriever of ids finds a hundred
candidates, and a ranker that also sees ages, genres and the score of a second model orders them
(:class:`~skrec.RetrieveThenRank`). Where ``SKREC_DATA_HOME`` names no folder with the data set, generated data take its
place. The page :ref:`two_stages` has the reasons.
"""

# %%
# Data
# ----

import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skrec import EASERecommender, ImplicitALS, RetrieveThenRank
from skrec.datasets import fetch_movielens_100k, make_interactions
from skrec.metrics import compare_models

if os.path.isdir(os.path.join(os.environ.get("SKREC_DATA_HOME", ""), "ml-100k")):
    films = fetch_movielens_100k(split="ua", subset="train", download_if_missing=False)
    X_train, y_train = films.data, films.target >= 4
    X_test, y_test = fetch_movielens_100k(split="ua", subset="test", return_X_y=True, download_if_missing=False)
    y_test = y_test >= 4
    genres = pd.get_dummies(films.item_features["genres"].explode()).groupby(level=0).max().astype(np.int8)
    tables = {
        "user_features": films.user_features[["age", "gender", "occupation"]],
        "item_features": genres.assign(year=films.item_features["release_date"].dt.year),
    }
else:
    X, y = make_interactions(800, 600, 50_000, negative_fraction=0.4, return_X_y=True, random_state=0)
    test = np.random.default_rng(0).random(len(X)) < 0.1
    (X_train, y_train), (X_test, y_test) = (X[~test], y[~test] > 0), (X[test], y[test] > 0)
    tables = {}

# %%
# Two stages
# ----------
# The ranker by default is made of gradient boosted trees, and looks at all columns of numbers and categories but the
# ids. It learns from candidates of retrievers that were fitted without its rows, five of them.

model = RetrieveThenRank(
    ImplicitALS(n_components=64), scorers=[("ease", EASERecommender(200.0))], n_negatives=50, random_state=0
)
model.fit(X_train, y_train, **tables)

# %%
# End to end, ids in and ids out, with both scores:

users = np.intersect1d(X_test["user_id"][y_test], model.user_ids_)
ids, scores, retriever_scores = model.recommend(users[:1], 5, return_retriever_scores=True)
pd.DataFrame({"item": ids[0], "ranker": scores[0], "retriever": retriever_scores[0]})

# %%
# What it is worth
# ----------------
# NDCG@10 of the films that users like in the test rows, and the difference to the retriever on the same users.

liked = X_test[y_test].groupby("user_id")["item_id"].agg(set)
discounts = 1 / np.log2(np.arange(2, 12))


def ndcg(recommender):
    lists = recommender.recommend(users, 10)[0]
    hits = np.array([[item in liked[user] for item in row] for user, row in zip(users, lists, strict=True)])
    best = np.array([discounts[: len(liked[user])].sum() for user in users])
    return hits @ discounts / best


ease = dict(model.scorers_)["ease"]
base, gains = ndcg(model.retriever_), {}
for name, recommender in {"EASE alone": ease, "two stages": model}.items():
    gains[name] = gain = compare_models(ndcg(recommender), base, random_state=0)
    print(f"{name}: {base.mean():.4f} {gain.difference:+.4f}, 95 % {gain.low:+.4f} to {gain.high:+.4f}")

# %%
# Where were the films, in the retriever's list, that the ranker puts into the first ten places? Nearly all within the
# first twenty: it has learnt to trust the retriever, and moves items by a few places.

lists = model.retriever_.recommend(users, model.n_candidates)[0]
chosen = model.recommend(users, 10)[0]
places = np.array([np.flatnonzero(row == item)[0] + 1 for row, top in zip(lists, chosen, strict=True) for item in top])

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for place, gain in enumerate(gains.values()):
    axes[0].errorbar(
        place, gain.difference, [[gain.difference - gain.low], [gain.high - gain.difference]], fmt="o", capsize=5
    )
axes[0].axhline(0, color="0.7", zorder=0)
axes[0].set(xticks=range(len(gains)), xticklabels=list(gains), xlim=(-0.6, 1.6), ylabel="NDCG@10 above the retriever")
axes[1].hist(places, bins=np.arange(0.5, 41.5, 2), color="C0")
axes[1].set(xlabel="place in the retriever's list", ylabel="items in first ten places")
plt.show()

# %%
# The loop
# --------
# What the retriever found and the ranker put last, for a :class:`~skrec.samplers.RejectedSampler`.

model.rejected(users[:1], n_kept=20, n_rejected=3)
