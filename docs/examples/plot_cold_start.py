"""
===================================
Items and users nobody knows as yet
===================================

A new item has features and no interactions; a new user has a few interactions, or not even these.
:class:`~skrec.TwoTowerRetriever` places both without training again. How well, depends on what features tell, and on
what training had them do.
"""

# %%
# New items
# ---------
# A tenth of the items is taken out of a generated log, whose planted taste depends on the features by `feature_share`.
# The new items are then ranked among themselves for each user, by their features. In training, the known items have
# embeddings of their own beside, or nothing but features.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skrec import PopularityRecommender, TwoTowerRetriever
from skrec.datasets import make_interactions
from skrec.exceptions import ColdStartWarning
from skrec.metrics import average_user_roc_auc


def generate(feature_share):
    """Return rows of interactions, and the tables of users and items; prices have a long tail, so their logarithm."""
    data = make_interactions(1000, 500, 40_000, feature_share=feature_share, random_state=0)
    items = data.item_features.assign(price=np.log(data.item_features["price"]))
    return data.data[["user_id", "item_id"]], data.user_features, items


def auc_of_new_items(feature_share, **parameters):
    X, _, items = generate(feature_share)
    new, fresh = X["item_id"] % 10 == 0, items[items.index % 10 == 0]
    model = TwoTowerRetriever(n_components=32, n_jobs=2, random_state=0).set_params(**parameters)
    model.fit(X[~new], item_features=items)
    pairs = pd.MultiIndex.from_product([model.user_ids_, fresh.index], names=["user_id", "item_id"])
    liked = pairs.isin(pd.MultiIndex.from_frame(X[new]))
    pairs = pairs.to_frame(index=False)
    return average_user_roc_auc(liked, model.predict(pairs, item_features=fresh), users=pairs["user_id"])


shares = [0.0, 0.25, 0.5, 0.75, 1.0]
kinds = {
    "ids and features": {},
    "features alone": {"item_embedding": False},
}
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, parameters in kinds.items():
    ax.plot(shares, [auc_of_new_items(share, **parameters) for share in shares], "o-", label=name)
ax.axhline(0.5, color="gray", linestyle="--", label="chance")
ax.set(xlabel="share of taste that features explain", ylabel="AUC among new items", ylim=(0.45, None))
ax.legend()

# %%
# The more of a taste the features explain, the better a new item is placed. Embeddings of the items' own may take from
# the features what these could have learnt. Here that is no loss; on MovieLens 100K it is.
#
# New users
# ---------
# A fifth of the users is taken out. They come back with their country and age, and with a few of their interactions,
# which `fold_in` puts into their history; the rest of their interactions is what is to be found. Without any, there is
# only popularity, and what the features say.

X, users, _ = generate(0.5)
late = X["user_id"] % 5 == 0
X_late = X[late].sample(frac=1, random_state=0)
rest = X_late.groupby("user_id").tail(10)
X_late = X_late.drop(rest.index)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ColdStartWarning)  # that nobody knows them is the point
    popularity = PopularityRecommender().fit(X[~late]).score(rest)


def auc_of_new_users(n_rows, user_features):
    if n_rows == 0 and user_features is None:
        return popularity
    model = TwoTowerRetriever(n_components=32, n_jobs=2, random_state=0).fit(X[~late], user_features=user_features)
    if n_rows == 0:
        return model.score(rest, user_features=user_features)
    return model.fold_in(X_late.groupby("user_id").head(n_rows), user_features=user_features).score(rest)


numbers = np.array([0, 1, 2, 4, 8, 16])
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, table in (("interactions and features", users), ("interactions", None)):
    ax.plot(range(len(numbers)), [auc_of_new_users(n, table) for n in numbers], "o-", label=name)
ax.axhline(popularity, color="gray", linestyle="--", label="popularity")
ax.set_xticks(range(len(numbers)), numbers)
ax.set(xlabel="interactions of a new user", ylabel="AUC of the others")
ax.legend()

# %%
# A user of whom nothing is known gets the popular items. The features tell much about somebody without interactions,
# and little about one with many. One single interaction is taken too seriously: the towers were trained on users with
# dozens.
#
# A list with new items in it
# ---------------------------
# Tables that go to `recommend` make their items candidates.

X, users, items = generate(0.75)
new = X["item_id"] % 10 == 0
model = TwoTowerRetriever(n_components=32, random_state=0).fit(X[~new], item_features=items)
ids, scores = model.recommend([3], 8, item_features=items)
listed = items.loc[ids[0]].assign(score=scores[0].round(3), new=ids[0] % 10 == 0)
print(listed.to_string())

# %%
# The :ref:`user guide <cold_start>` has what this is worth on MovieLens 100K, beside another library.

plt.show()
