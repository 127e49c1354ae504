"""
====================
Features of an item
====================

A new film has no history, only a year, a country and genres. :class:`~skrec.preprocessing.FeatureEncoder` makes a
sparse matrix of such a table as it is. This example looks at the matrix, and places items by it that nobody has met.
"""

# %%
# From a table to inputs
# ----------------------
# Generated items have a category, one to three genres and a price. The planted taste depends on them, by
# ``feature_share``. The price has a long tail, so its logarithm is what the encoder gets.

import matplotlib.pyplot as plt
import numpy as np

from skrec.datasets import make_interactions
from skrec.preprocessing import FeatureEncoder


def logarithm_of_price(table):
    return table.assign(price=np.log(table["price"]))


data = make_interactions(1000, 500, 40_000, feature_share=0.8, random_state=0)
table = logarithm_of_price(data.item_features)
table.head()

# %%
# Every column is read as what it looks like: a category is a one, a list of n genres n entries of 1 / sqrt(n), and a
# number is standardised. So each column weighs about alike.

encoder = FeatureEncoder()
inputs = encoder.fit_transform(table)

fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
shown = ax.imshow(inputs[:15].toarray(), cmap="RdBu_r", vmin=-2, vmax=2, aspect="auto")
ax.set_xticks(range(inputs.shape[1]), encoder.get_feature_names_out(), rotation=60, ha="right")
ax.set(ylabel="item", title="The inputs of the first items")
fig.colorbar(shown)

# %%
# Items that nobody has met
# -------------------------
# A fifth of the items is taken out of the log. A model of the others gives each a vector, and a ridge regression
# learns to tell an item's vector by its features. It then places the items that were taken out, and their ranking by
# each user is compared with what the user did. :class:`~sklearn.pipeline.Pipeline` takes the encoder like any other
# transformer.

from scipy.sparse import csr_array
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from skrec import TripletMF
from skrec.metrics import average_user_roc_auc

COLUMNS = {"all features": ["category", "genres", "price"], "category": ["category"], "genres": ["genres"]}


def scores_of_new_items(feature_share):
    data = make_interactions(1000, 500, 40_000, feature_share=feature_share, random_state=0)
    table = logarithm_of_price(data.item_features)
    X = data.data
    new = X["item_id"] % 5 == 0
    model = TripletMF(n_components=16, max_iter=30, similarity="dot", random_state=0).fit(X[~new])

    users, new_items = model.user_ids_, np.unique(X.loc[new, "item_id"])
    kept = X[new & X["user_id"].isin(users)]
    places = np.searchsorted(users, kept["user_id"]), np.searchsorted(new_items, kept["item_id"])
    held_out = csr_array((np.ones(len(kept), dtype=bool), places), shape=(len(users), len(new_items)))

    found = []
    for columns in COLUMNS.values():
        place = make_pipeline(FeatureEncoder(), Ridge(1.0))
        place.fit(table.loc[model.item_ids_, columns], model.item_factors_)
        vectors = place.predict(table.loc[new_items, columns])
        found.append(average_user_roc_auc(held_out, model.user_factors_ @ vectors.T))
    return found


shares = [0.0, 0.25, 0.5, 0.75, 1.0]
fig, ax = plt.subplots(layout="constrained")
ax.plot(shares, [scores_of_new_items(share) for share in shares], "o-", label=list(COLUMNS))
ax.axhline(0.5, color="gray", linestyle="--", label="chance")
ax.set(xlabel="share of taste that features explain", ylabel="AUC over new items")
ax.legend()

# %%
# Where features say nothing, a new item cannot be placed; the more they explain, the better it is, and the more columns
# the better. The :ref:`user guide <features>` tells what becomes of each kind of column.

plt.show()
