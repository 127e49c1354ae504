"""
====================================
Likes and dislikes, one model or two
====================================

Ratings of one star, skips and thumbs down say what a user does not want. Here a retriever of likes gets a second one
beside it, of dislikes (:class:`~skrec.PosNegRetriever`), and is compared with single models that learn from both.
The data are generated, so that we also know how likely a user is to like what is listed. The page :ref:`fusion` has
the theory.
"""

# %%
# Data
# ----
# Half of the rows are dislikes. A fifth of the rows is held out.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from skrec import ImplicitALS, PosNegRetriever, TripletMF
from skrec.datasets import make_interactions
from skrec.metrics import ranking_metrics
from skrec.samplers import ExplicitSampler, MixedSampler, UniformSampler

log = make_interactions(
    n_users=600, n_items=400, n_interactions=40_000, negative_fraction=0.5, popularity_exponent=0.6, random_state=0
)
X, y = log.data[["user_id", "item_id"]].to_numpy(), log.target.to_numpy()
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
users = np.unique(X_train[:, 0])


def probability_of_a_like(ids):
    """Mean planted probability of a like in each user's list."""
    pairs = np.column_stack([np.repeat(users, ids.shape[1]), ids.ravel()])
    return log.true_preference.predict(pairs).reshape(ids.shape).mean(axis=1)


def judge(model):
    """Share of held-out dislikes in the first 20 places, NDCG@20 of held-out likes, probability of a like."""
    dislikes = ranking_metrics(model, X_test[y_test <= 0], metrics="recall@20").scores["recall@20"]
    likes = ranking_metrics(model, X_test[y_test > 0], metrics="ndcg@20").scores["ndcg@20"]
    return dislikes, likes, probability_of_a_like(model.recommend(users, 20)[0]).mean()


# %%
# Two models
# ----------
# The weight says what a dislike costs. It is no part of the training, so that it may be changed afterwards.

part = TripletMF(n_components=16, max_iter=30)
fused, curves = {}, {}
for calibration in ["zscore", "platt", "rank"]:
    model = PosNegRetriever(part, calibration=calibration, random_state=0).fit(X_train, y_train)
    curves[f"two models, {calibration}"] = [judge(model.set_params(weight=w)) for w in [0.0, 0.05, 0.1, 0.2, 0.3, 0.5]]
    fused[calibration] = model

# %%
# One model
# ---------
# The same model of users and items, with a growing share of its negatives drawn from the user's dislikes, the others
# from unobserved items.

curves["one model"] = []
for share in [0.0, 0.05, 0.1, 0.2, 0.4, 0.6]:
    mixed = [("unobserved", UniformSampler(), 1 - share), ("explicit", ExplicitSampler(), share)]
    one = TripletMF(n_components=16, max_iter=30, sampler=MixedSampler(mixed), random_state=0)
    curves["one model"].append(judge(one.fit(X_train, y_train)))

# %%
# Dislikes as exposures
# ---------------------
# Or the other way round: what a user has met, liked or not, tells what they look for. The vectors learn from likes and,
# with a growing weight, from dislikes too.

curves["exposures"] = []
for weight in [0.0, 0.03, 0.1, 0.2, 0.3, 0.5]:
    exposed = ImplicitALS(16, exposure_weight=weight, random_state=0)
    curves["exposures"].append(judge(exposed.fit(X_train, y_train)))

# %%
# The price of avoiding dislikes
# ------------------------------
# Up and to the left is better. Along a curve the weight grows, or the share of explicit negatives. Negatives lead to
# the left, exposures to the right.

fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for (name, points), marker in zip(curves.items(), "os^Dv", strict=True):
    dislikes, likes, probability = np.transpose(points)
    color = {"one model": "black", "exposures": "0.6"}.get(name)
    axes[0].plot(dislikes, likes, marker=marker, label=name, color=color)
    axes[1].plot(dislikes, probability, marker=marker, color=color)
for ax in axes:
    ax.set_xlabel("share of held-out dislikes in the first 20 places")
axes[0].set_ylabel("NDCG@20 of held-out likes")
axes[1].set_ylabel("probability of a like, first 20 places")
axes[0].legend(frameon=False, loc="lower right")

# %%
# A small weight takes a fifth of the dislikes out of the lists for a few per cent of the NDCG. Part of that price is
# not real: held-out likes are items that were both met and liked, and popular items are met more often. The probability
# of a like, which no log shows, *rises* with a small weight, and falls only with a large one.
#
# Ranks need far smaller weights than other scores. They know how many items lie between two, and not how little, so
# that at the top of a list a penalty of 0.05 is worth up to 20 places. And the single model is not behind the two, at
# half of the cost: always try it.
#
# Exposures with a small weight find more of the held-out likes than any other model here, and more dislikes too: they
# tell what a user will meet. The probability of a like falls from the first step. Whether the NDCG of a log is what you
# want to raise is the question to ask before.

# %%
# Furthest from the dislikes
# --------------------------
# Why not simply list what is furthest from all that the user dislikes? Because the model of dislikes puts lowest what
# it has hardly met: rare items, liked or not.

model = fused["zscore"]
lists = {
    "likes only": model.set_params(weight=0.0).recommend(users, 20)[0],
    "fused": model.set_params(weight=0.2).recommend(users, 20)[0],
    "furthest from dislikes": model.furthest(users, 20)[0],
}
relative_popularity = log.item_popularity / log.item_popularity.mean()

fig, axes = plt.subplots(1, 2, figsize=(10, 3), sharey=True, layout="constrained")
for place, ids in enumerate(lists.values()):
    for ax, values in zip(axes, (probability_of_a_like(ids), relative_popularity[ids].mean(axis=1)), strict=True):
        ax.boxplot(values, positions=[place], widths=0.6, orientation="horizontal", showfliers=False)
axes[0].set_yticks(range(len(lists)), list(lists))
axes[0].invert_yaxis()
axes[0].set(xlabel="mean probability of a like, each user's list", xlim=(0, 1))
axes[1].axvline(1, color="0.7", linewidth=1)
axes[1].set_xlabel("mean popularity, that of all items being 1")
plt.show()
