"""
=========================================
What each sampler of negatives is good at
=========================================

:class:`~skrec.TripletMF` learns by comparing an item that a user liked with one that a sampler draws. Which items these
are decides what the model gets good at. This example trains one model with several samplers of :mod:`skrec.samplers`
and looks at three things: how many triplets still teach something, the average per-user ROC AUC, and what the first ten
recommendations are worth.
"""

# %%
# Data and samplers
# -----------------
# Generated interactions with power-law popularity; each user's last positive is held out.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.base import clone

from skrec import TripletMF
from skrec.datasets import make_interactions
from skrec.metrics import ranking_metrics
from skrec.model_selection import LeaveLastOut
from skrec.samplers import DynamicSampler, MixedSampler, PopularitySampler, UniformSampler, WARPSampler

X, y = make_interactions(n_users=1000, n_items=500, n_interactions=50_000, return_X_y=True, random_state=0)
train, test = next(LeaveLastOut(time="timestamp").split(X, y))

samplers = {
    "uniform": UniformSampler(),
    "popularity^0.75": PopularitySampler(alpha=0.75),
    "hardest of 5": DynamicSampler(n_candidates=5),
    "half and half": MixedSampler([("easy", UniformSampler(), 0.5), ("hard", DynamicSampler(n_candidates=5), 0.5)]),
    "WARP": WARPSampler(),
}

# %%
# One model, five samplers
# ------------------------
# The sampler is a parameter like any other, so a search would do the same with
# ``{"sampler": list(samplers.values())}``.

model = TripletMF(n_components=32, max_iter=30, random_state=0)
metrics = ["auc", "auc_tail", "ndcg@10", "popularity_share@10"]
models, rows = {}, {}
for name, sampler in samplers.items():
    models[name] = clone(model).set_params(sampler=sampler).fit(X.iloc[train], y.iloc[train])
    rows[name] = ranking_metrics(models[name], X.iloc[test], y.iloc[test], metrics=metrics).scores
table = pd.DataFrame(rows).T
table.round(3)

# %%
# No sampler wins everywhere:
#
# - *Uniform* negatives are what the AUC itself compares with, and do well by it.
# - *Popular* negatives push popular items down: the tail gains (``auc_tail``), the first ten lose.
# - *Hard* negatives are the items at the top of the user's list, and that is where they help (``ndcg@10``). Further
#   down they teach little, and the AUC may fall.
# - A *mixture* of easy and hard ones keeps most of both.

fig, axes = plt.subplots(1, 3, figsize=(10, 3), sharey=True, layout="constrained")
for ax, metric in zip(axes, ["auc", "auc_tail", "ndcg@10"], strict=True):
    ax.plot(table[metric], table.index, "o")
    ax.set_title(metric)
    ax.margins(0.15)
    ax.grid(axis="y", color="0.9")
axes[0].invert_yaxis()

# %%
# How hard are the negatives?
# ---------------------------
# With the hinge loss a triplet that is ranked well enough has no gradient. ``zero_gradient_share_`` records the share
# of such triplets in each epoch. Uniform negatives soon waste half of the steps; hard ones keep most of them at work,
# which is not the same as learning more. :class:`~skrec.samplers.WARPSampler` looks for an item that costs
# something, and skips the positive where it finds none, so that its share is always 0.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, fitted in models.items():
    ax.plot(range(1, fitted.n_iter_ + 1), fitted.zero_gradient_share_, label=name)
ax.set(xlabel="epoch", ylabel="share of triplets without a gradient", ylim=(-0.02, None))
fig.legend(loc="outside right center", frameon=False)
plt.show()
