"""
=================================
From a log to recommendations
=================================

The whole way in one page: split a log of interactions, search over samplers of negatives, see how good the best model
is beside what it has to beat, and recommend. The data are generated, so that the best possible ranking is known too.
"""

# %%
# A log
# -----
# One interaction a row: user, item, time. Every row is a positive.

from skrec.datasets import make_interactions

data = make_interactions(2000, 800, 80_000, random_state=0)
X, y = data.data, data.target
X.head()

# %%
# The last three positives of each user are for the end; nothing before it looks at them.

from skrec.model_selection import LeaveLastOut

train, test = next(LeaveLastOut(n=3, time="timestamp").split(X, y))
X_train, y_train, X_test, y_test = X.iloc[train], y.iloc[train], X.iloc[test], y.iloc[test]

# %%
# A search
# --------
# A model learns from each positive beside a negative that a sampler draws. The sampler is a parameter like the number
# of components, so :class:`~sklearn.model_selection.GridSearchCV` chooses it. It scores candidates by the average
# per-user ROC AUC on what each user did last *within* the training rows.

from sklearn.model_selection import GridSearchCV

from skrec import TripletMF
from skrec.samplers import PopularitySampler, UniformSampler, WARPSampler

search = GridSearchCV(
    TripletMF(random_state=0),
    {"sampler": [UniformSampler(), PopularitySampler(), WARPSampler()], "n_components": [4, 16, 64]},
    cv=LeaveLastOut(time="timestamp"),
)
search.fit(X_train, y_train)

# %%
# Four components are too few. From sixteen on, the sampler makes more of a difference than the size.

import matplotlib.pyplot as plt
import pandas as pd

results = pd.DataFrame(search.cv_results_)
results["sampler"] = results["param_sampler"].map(lambda sampler: type(sampler).__name__)
scores = results.pivot(index="param_n_components", columns="sampler", values="mean_test_score")

fig, ax = plt.subplots(layout="constrained")
scores.plot(ax=ax, marker="o", logx=True, xlabel="components", ylabel="AUC, validation")
ax.set_xticks(scores.index, scores.index)
ax.minorticks_off()

# %%
# How good is it?
# ---------------
# Beside it: a model that was never trained, whose AUC is a half; the list that is the same for everybody; and, since
# the data are generated, the law that made them, how often an item is shown times the chance that the user likes it,
# which no model can know better.

import numpy as np
from scipy.sparse import csr_array

from skrec import PopularityRecommender
from skrec.metrics import average_user_roc_auc


def as_matrix(X):
    return csr_array((np.ones(len(X), dtype=np.int8), (X["user_id"], X["item_id"])), shape=(2000, 800))


best = search.best_estimator_
truth = data.true_preference.matrix() * data.item_popularity
auc = {
    "never trained": TripletMF(max_iter=0, random_state=0).fit(X_train, y_train).score(X_test, y_test),
    "popularity": PopularityRecommender().fit(X_train, y_train).score(X_test, y_test),
    "best of the search": best.score(X_test, y_test),
    "planted truth": average_user_roc_auc(as_matrix(X_test), truth, exclude=as_matrix(X_train)),
}
pd.Series(auc, name="AUC, test").to_frame().round(3)

# %%
# How sure is that? The metric of each user gives an interval, and a paired comparison with popularity, in which users
# who are hard to please for any model cancel.

from skrec.metrics import bootstrap_interval, compare_models, ranking_metrics

per_user = ranking_metrics(best, X_test, y_test, metrics="auc").per_user["auc"]
popularity = PopularityRecommender().fit(X_train, y_train)
per_user_popularity = ranking_metrics(popularity, X_test, y_test, metrics="auc").per_user["auc"]
print(bootstrap_interval(per_user, random_state=0))
print(compare_models(per_user, per_user_popularity, random_state=0))

# %%
# Recommendations
# ---------------
# Ids in, ids out. Items that a user has a training row with are left out.

users = [3, 141, 592]
items, scores = best.recommend(users, n_recommendations=5)
liked = data.true_preference.matrix(users=users)
recommended = data.item_features.loc[items.ravel()].assign(
    user_id=np.repeat(users, 5), score=scores.ravel(), planted_chance=np.take_along_axis(liked, items, axis=1).ravel()
)
recommended.round(2)

# %%
# The last column is what a real log never tells: the chance that the user likes the item. The average over all items is
# much lower.

pd.Series(liked.mean(axis=1), index=pd.Index(users, name="user_id"), name="planted_chance").to_frame().round(2)
