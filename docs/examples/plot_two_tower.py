"""
==================================
Two towers: what moves the ranking
==================================

:class:`~skrec.TwoTowerRetriever` trains vectors of users and items against the whole catalogue, or against a sample of
it. This example looks at three things that decide how good it becomes: the temperature, the length of training, and
where the negatives come from. At the end it looks at where the items have come to lie.
"""

# %%
# The data are generated from a preference that is known, half of which the features of users and items explain. The
# last positive of each user is held out.

import matplotlib.pyplot as plt
import numpy as np

from skrec import TwoTowerRetriever
from skrec.datasets import make_interactions
from skrec.losses import SoftmaxLoss
from skrec.metrics import ranking_metrics
from skrec.model_selection import LeaveLastOut
from skrec.samplers import InBatchSampler, UniformSampler

data = make_interactions(1500, 800, 60_000, feature_share=0.5, random_state=0)
X, y = data.data, data.target
train, test = next(LeaveLastOut(time="timestamp").split(X, y))


def judge(**parameters):
    model = TwoTowerRetriever(n_components=32, random_state=0, n_jobs=2).set_params(**parameters)
    model.fit(X.iloc[train], y.iloc[train])
    return ranking_metrics(model, X.iloc[test], y.iloc[test], metrics=["auc", "ndcg@20"]).scores


# %%
# Temperature
# -----------
# A low temperature looks at the nearest negatives only, a high one at all alike. The top of the list, which NDCG
# judges, wants a lower one than the whole order does, which the AUC judges. It is the first parameter to tune.

temperatures = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0]
found = [judge(loss=SoftmaxLoss(temperature=t)) for t in temperatures]

fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for metric, color, label, axis in (("auc", "C0", "AUC", ax), ("ndcg@20", "C1", "NDCG@20", ax.twinx())):
    values = [one[metric] for one in found]
    axis.plot(temperatures, values, "o-", color=color)
    axis.plot(temperatures[np.argmax(values)], max(values), "o", color=color, markersize=11, markerfacecolor="none")
    axis.set_ylabel(label, color=color)
    axis.tick_params(axis="y", colors=color)
ax.set(xscale="log", xlabel="temperature", title="The best of each metric is circled")
ax.set_xticks(temperatures, temperatures)
ax.minorticks_off()

# %%
# Length of training
# ------------------
# Early stopping holds out a tenth of each user's positives. Here it waits for as long as there are epochs, to show all
# of the curve; the vectors of the best epoch are kept.

import warnings

from sklearn.exceptions import ConvergenceWarning

from skrec.inspection import TrainingCurveDisplay

model = TwoTowerRetriever(
    n_components=32,
    loss=SoftmaxLoss(temperature=0.3),
    learning_rate=0.02,
    early_stopping=True,
    n_iter_no_change=40,
    max_iter=40,
    n_jobs=2,
    random_state=0,
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # it says that training never stopped by itself
    model.fit(X.iloc[train], y.iloc[train])
TrainingCurveDisplay.from_estimator(model)

# %%
# Negatives
# ---------
# A large catalogue cannot be scored as a whole for every user of a step. A sample that the users of a block share does
# nearly as well. The users' own positives, as in most implementations of two towers, need the correction for
# popularity: without it, what everybody likes is what everybody is pushed away from.

numbers = [25, 50, 100, 200, 400]
samplers = {
    "uniform": UniformSampler(),
    "in-batch, corrected": InBatchSampler(),
    "in-batch, not corrected": InBatchSampler(logq_correction=False),
}
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, sampler in samplers.items():
    ax.plot(numbers, [judge(sampler=sampler, n_negatives=n)["ndcg@20"] for n in numbers], "o-", label=name)
ax.axhline(judge()["ndcg@20"], color="gray", linestyle="--", label=f"all {len(model.item_ids_)} items")
ax.set(xscale="log", xlabel="negatives of a block", ylabel="NDCG@20")
ax.set_xticks(numbers, numbers)
ax.minorticks_off()
ax.legend()

# %%
# Where the items lie
# -------------------
# An item's vector is the sum of its own embedding and those of its features. Without the former, items of a category
# draw together; with it, they go where their users are.

from skrec.inspection import EmbeddingMapDisplay

fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
category = data.item_features["category"]
for ax, own in zip(axes, (True, False), strict=True):
    model = TwoTowerRetriever(n_components=32, item_embedding=own, n_jobs=2, random_state=0)
    model.fit(X.iloc[train], y.iloc[train], item_features=data.item_features)
    name = "ids and features" if own else "features alone"
    EmbeddingMapDisplay.from_estimator(model, labels=category, name=name, ax=ax, s=12)

# %%
# The :ref:`user guide <two_tower>` goes through all parameters, in the order in which to tune them.

plt.show()
