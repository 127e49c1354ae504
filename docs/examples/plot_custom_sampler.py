"""
======================
A sampler of one's own
======================

A sampler is a class with one method. This example writes one that draws negatives from the category of the positive, in
plain Python, and tunes its parameter in a search. How to write one in Numba: :ref:`custom_samplers`.
"""

# %%
# Negatives of the same category
# ------------------------------
# A user who liked one film is offered other films: a model for that shelf should tell films apart, and need not tell
# films from books. ``draw_block`` gets the codes of some ten thousand users and their positives at a time, and returns
# one item code for each. Codes count the sorted ids. What a user has been seen with need not be avoided: such draws are
# replaced by uniform ones.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from skrec import TripletMF
from skrec.datasets import make_interactions
from skrec.metrics import make_ranking_scorer
from skrec.model_selection import LeaveLastOut
from skrec.samplers import BaseSampler


class SameCategorySampler(BaseSampler):
    """An item of the positive's category with probability `share`, else any item."""

    def __init__(self, category, share=0.5):
        self.category = category
        self.share = share

    def draw_block(self, users, positives, rng):
        order = np.argsort(self.category, kind="stable")
        size = np.bincount(self.category)
        start = np.cumsum(size) - size
        own = self.category[positives]
        same = order[start[own] + rng.integers(size[own])]
        anything = rng.integers(self.n_features_in_, size=len(positives))
        return np.where(rng.random(len(positives)) < self.share, same, anything)


# %%
# The search
# ----------
# A sampler is an estimator, so its parameters are tuned as ``sampler__share``.

data = make_interactions(n_users=500, n_items=300, n_interactions=20_000, random_state=0)
items = np.unique(data.data["item_id"])
category = data.item_features.loc[items, "category"].cat.codes.to_numpy().astype(np.intp)

search = GridSearchCV(
    TripletMF(n_components=16, max_iter=30, sampler=SameCategorySampler(category), random_state=0),
    {"sampler__share": [0.0, 0.25, 0.5, 0.75, 1.0]},
    cv=LeaveLastOut(time="timestamp"),
    scoring=make_ranking_scorer(["auc", "ndcg@10"]),
    refit="ndcg@10",
).fit(data.data, data.target)

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for ax, metric in zip(axes, ["auc", "ndcg@10"], strict=True):
    ax.plot(search.cv_results_["param_sampler__share"], search.cv_results_[f"mean_test_{metric}"], "o-")
    ax.set(xlabel="share of negatives from the positive's category", ylabel=metric)

# %%
# Negatives from the same shelf are harder than others. As with any hard negatives the top of the list gains first, and
# too many of them cost the rest of the ranking. The differences are small: ask
# :func:`~skrec.metrics.compare_models` before believing in one.

plt.show()
