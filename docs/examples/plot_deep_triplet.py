"""
=============================
A network that matches a pair
=============================

:class:`~skrec.DeepTriplet` puts the vectors of user and item side by side and lets hidden layers decide how well they
match. Here it learns from ids, with and without each user's history and features, beside a product of vectors and
popularity. The page :ref:`deep_triplet` says when to use it.
"""

# %%
# Data
# ----
# Generated interactions, whose tastes show in the features of users and items. The last item of each user is the test.

import matplotlib.pyplot as plt
import pandas as pd

from skrec import DeepTriplet, PopularityRecommender, TripletMF
from skrec.datasets import make_interactions
from skrec.model_selection import LeaveLastOut

data = make_interactions(600, 400, 12_000, feature_share=0.8, random_state=0)
X, y = data.data, data.target
train, test = next(LeaveLastOut(time="timestamp").split(X, y))
X_train, X_test = X.iloc[train], X.iloc[test]
tables = {"user_features": data.user_features, "item_features": data.item_features}

# %%
# Contestants
# -----------
# The score is the average over users of the AUC: how often the item held out is ranked above one that the user has not
# seen.

deep = DeepTriplet(batch_size=128, random_state=0)
fitted = {
    "popularity": PopularityRecommender().fit(X_train),
    "TripletMF": TripletMF(random_state=0).fit(X_train),
    "deep, ids alone": DeepTriplet(batch_size=128, history_weight=0, random_state=0).fit(X_train),
    "deep, history": deep.fit(X_train),
}
aucs = {name: model.score(X_test) for name, model in fitted.items()}
informed = DeepTriplet(batch_size=128, random_state=0).fit(X_train, **tables)
aucs["deep, history, features"] = informed.score(X_test, **tables)
pd.Series(aucs, name="AUC").round(3).to_frame()

# %%
# Learning
# --------
# One loss value an epoch; the learning rate falls to 0 over `max_iter` epochs, so that the last ones settle.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for name, model in [*list(fitted.items())[2:], ("deep, history, features", informed)]:
    axes[0].plot(range(1, model.n_iter_ + 1), model.loss_curve_, label=name)
axes[0].set(xlabel="epoch", ylabel="hinge loss of the negatives kept")
axes[0].legend()
axes[1].barh(list(aucs)[::-1], list(aucs.values())[::-1], color="C0")
axes[1].set(xlim=(0.5, 1), xlabel="average per-user AUC")
plt.show()

# %%
# Somebody new
# ------------
# A user who was never seen is known by features alone:

newcomer = data.user_features.iloc[:1].rename(index={data.user_features.index[0]: 9001})
ids, scores = informed.recommend([9001], 5, user_features=newcomer)
pd.DataFrame({"item": ids[0], "score": scores[0].round(2)})

# %%
# What was learnt, for use elsewhere: the layers as arrays.

[(weights.shape, offsets.shape) for weights, offsets in informed.layers_]
