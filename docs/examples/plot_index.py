"""
=====================================================
How much recall an approximate index gives for speed
=====================================================

Once a model is trained, serving it means finding the items whose vectors score highest with a user's.
:class:`~skrec.retrieval.ExactIndex` scores all, :class:`~skrec.retrieval.ApproximateIndex` walks a graph of neighbours.
This example measures what the graph costs in recall, for vectors of a trained model and for random ones.
"""

# %%
# Vectors of a model, and vectors of none
# ---------------------------------------

import matplotlib.pyplot as plt
import numpy as np

from skrec import TripletMF
from skrec.datasets import make_interactions
from skrec.retrieval import ApproximateIndex, ExactIndex, RetrievalRecallDisplay

X, y = make_interactions(n_users=2000, n_items=20_000, n_interactions=300_000, random_state=0, return_X_y=True)
model = TripletMF(n_components=32, max_iter=60, early_stopping=True, random_state=0).fit(X, y)
rng = np.random.default_rng(0)
vectors = {
    "TripletMF": (model.item_factors_, model.user_factors_[:500]),
    "random directions": (rng.normal(size=(20_000, 32)), rng.normal(size=(500, 32))),
}

# %%
# Recall against speed
# --------------------
# Each point is one value of `expansion_search`. Trained vectors lie together in some directions and leave others empty;
# a graph finds its way among them with few steps. Random directions are the hardest that there are. So measure with
# your own vectors, and with queries as they will be asked. With 20,000 items exact search is still fast; its time grows
# with the number of items, that of the graph hardly does.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, (name, (items, queries)) in zip(axes, vectors.items(), strict=True):
    index = ApproximateIndex(metric="cosine", expansion_add=64).fit(items)
    RetrievalRecallDisplay.from_estimator(index, queries, k=10, values=[10, 20, 40, 80, 160], ax=ax)
    ax.set_title(name)

# %%
# Items that a user has already
# -----------------------------
# Lists to exclude, one for each query, are what `interactions_` holds. The index takes more from the graph where a user
# has seen more: ten items are left for everybody.

codes, scores = (
    ApproximateIndex(metric="cosine", expansion_add=64)
    .fit(model.item_factors_)
    .query(model.user_factors_[:500], k=10, exclude=model.interactions_[:500])
)
print("places left free:", int((codes < 0).sum()))
print(
    "seen items recommended:", int(model.interactions_[np.repeat(np.arange(500), 10), codes.ravel()].astype(bool).sum())
)

# %%
# The other end of the list
# -------------------------
# The items that score lowest are the nearest of the negated vector.

codes, scores = ExactIndex(metric="cosine").fit(model.item_factors_).query(model.user_factors_[:2], k=3, furthest=True)
print(model.item_ids_[codes])
print(scores.round(2))
plt.show()
