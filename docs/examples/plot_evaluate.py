"""
================================
Is this model better, and where?
================================

Three models on one log: what each scores by several metrics, how sure the figures are, whether the best is really
better than the next, and for which items.
"""

# %%
# Held out: the last of each user
# -------------------------------
# The log is generated. A power law decides what users are shown and their taste what they like, so that popularity
# explains a part of it. Of each user, :class:`~skrec.model_selection.LeaveLastOut` holds out the latest positives.

from skrec import EASERecommender, PopularityRecommender, TripletMF
from skrec.datasets import make_interactions
from skrec.model_selection import LeaveLastOut

X, y = make_interactions(1500, 600, 60_000, return_X_y=True, random_state=0)
train, test = next(LeaveLastOut(time="timestamp", n=3).split(X, y))
models = {
    "popularity": PopularityRecommender(),
    "EASE": EASERecommender(),
    "TripletMF": TripletMF(n_components=16, random_state=0),
}
for model in models.values():
    model.fit(X.iloc[train], y.iloc[train])

# %%
# Many metrics, one pass
# ----------------------
# :func:`~skrec.metrics.ranking_metrics` ranks every item but the user's training positives, once, and reads all
# metrics off that ranking. The last three columns are not about being right: which share of the catalogue is
# recommended to somebody, how little known it is (in bits), and how unequally the items are recommended.

import pandas as pd

from skrec.metrics import ranking_metrics

metrics = ["auc", "recall@10", "ndcg@10", "mrr@10", "coverage@10", "novelty@10", "gini@10"]
reports = {name: ranking_metrics(model, X.iloc[test], y.iloc[test], metrics=metrics) for name, model in models.items()}
pd.DataFrame({name: report.scores for name, report in reports.items()}).T.round(3)

# %%
# How sure are these figures?
# ---------------------------
# A report also holds the value of each user. Other users of the same kind would have given other means: the bootstrap
# says how far off, with 95 % confidence.

import matplotlib.pyplot as plt

from skrec.metrics import bootstrap_interval

fig, axes = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
for ax, metric in zip(axes, ["auc", "ndcg@10"], strict=True):
    for place, report in enumerate(reports.values()):
        estimate, low, high = bootstrap_interval(report.per_user[metric], random_state=0)
        ax.errorbar(estimate, place, xerr=[[estimate - low], [high - estimate]], fmt="o", capsize=4)
    ax.set(title=metric, yticks=range(len(reports)), yticklabels=reports, ylim=(len(reports) - 0.5, -0.5))

# %%
# Is one better than the other?
# -----------------------------
# Intervals that overlap do not answer that: most of their width is the difference between easy and hard users, and
# those are the same for both models. :func:`~skrec.metrics.compare_models` looks at the difference on each user. Mind
# that two metrics can disagree about the sign: AUC looks at the whole ranking, NDCG at the first ten places.

from skrec.metrics import compare_models

for metric in ["auc", "ndcg@10"]:
    result = compare_models(reports["TripletMF"].per_user[metric], reports["EASE"].per_user[metric], random_state=0)
    print(
        f"{metric}: TripletMF - EASE = {result.difference:+.4f} [{result.low:+.4f}, {result.high:+.4f}], "
        f"p = {result.p_value:.4f}, {result.n_users} users"
    )

# %%
# Where does a model earn its score?
# ----------------------------------
# Popularity alone gets the popular positives right and the rare ones wrong. The AUC of the positives in the most
# popular items, which together hold a third of the training positives, in the next third, and in the tail, shows what
# a personal model adds.

parts = ["auc_head", "auc_middle", "auc_tail"]
by_part = {name: ranking_metrics(m, X.iloc[test], y.iloc[test], metrics=parts).scores for name, m in models.items()}
fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
pd.DataFrame(by_part).plot.bar(ax=ax, rot=0, legend=False, ylabel="average per-user ROC AUC")
ax.axhline(0.5, color="k", linewidth=1, linestyle=":")
ax.set_xticklabels(["head", "middle", "tail"])
fig.legend(loc="outside upper center", ncols=3)

# %%
# Choosing by one metric, watching others
# ---------------------------------------
# A scorer of several metrics computes them all from one pass; `refit` names the one that picks the model. The search
# sees the training rows only, so that the figures above stay honest for its winner.

from sklearn.model_selection import GridSearchCV

from skrec.metrics import make_ranking_scorer

search = GridSearchCV(
    EASERecommender(),
    {"l2": [100.0, 1000.0, 10000.0]},
    cv=LeaveLastOut(time="timestamp"),
    scoring=make_ranking_scorer(["auc", "ndcg@10", "novelty@10"]),
    refit="ndcg@10",
).fit(X.iloc[train], y.iloc[train])
columns = ["param_l2", "mean_test_auc", "mean_test_ndcg@10", "mean_test_novelty@10"]
pd.DataFrame(search.cv_results_)[columns].round(3)
