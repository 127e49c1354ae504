"""
==========================
Interactions made to order
==========================

:func:`~skrec.datasets.make_interactions` makes a log whose truth is known: what each user likes, how often each item
is shown, and how often each position of a page is looked at. So it can be checked what a model learned, and what a
log does to those who read it naively.
"""

# %%
# The long tail
# -------------
# Items are shown by a power law. What users do with them follows it, bent by taste (some items please more users
# than others) and by the rule that a user has one row with an item at most: the head saturates.

import matplotlib.pyplot as plt
import numpy as np

from skrec.datasets import make_interactions

fig, ax = plt.subplots(layout="constrained")
for exponent in (0.0, 0.5, 1.0):
    data = make_interactions(2000, 1000, 60_000, popularity_exponent=exponent, random_state=0)
    count = np.sort(np.bincount(data.data["item_id"], minlength=1000))[::-1]
    (line,) = ax.plot(np.arange(1, 1001), count, label=f"popularity_exponent={exponent}")
    planted = np.sort(data.item_popularity)[::-1] * len(data.data)
    ax.plot(np.arange(1, 1001), planted, "--", color=line.get_color(), linewidth=1)
ax.set(xscale="log", yscale="log", xlabel="rank of the item", ylabel="rows", ylim=(1, 10_000))
ax.set_title("Rows (solid) and what is shown (dashed)")
ax.legend()

# %%
# Position bias
# -------------
# With ``n_positions`` each row is an item shown at a position of a page. Here items come at random positions, so
# users like all positions alike; they look at position p with probability 1 / p, and click what they look at and
# like. Among the rows without a click the overlooked ones are likes in disguise, more of them the further down the
# page.

data = make_interactions(3000, 500, 90_000, n_positions=10, intercept=-1.0, random_state=0)
position = data.data["position"]
rows = data.data.assign(click=data.target == 1, liked=data.liked, disguised=data.liked & (data.target == 0))
by_position = rows.groupby("position")[["liked", "click", "disguised"]].mean()

fig, ax = plt.subplots(layout="constrained")
ax.plot(by_position["liked"], "o-", label="liked")
ax.plot(by_position["click"], "o-", label="clicked")
ax.plot(by_position["disguised"], "o-", label="liked, and not clicked")
ax.plot(by_position.index, by_position["liked"].mean() / by_position.index, "k:", label="liked / position")
ax.set(xlabel="position", ylabel="share of the items shown", ylim=(0, None))
ax.legend()

# %%
# Recovered and planted
# ---------------------
# A log of likes is all that a model sees. A truncated singular value decomposition of it, with as many components
# as there are planted factors and one for popularity, is compared with the planted preference: items that the user
# has no row with are sorted by the model's score, and their place (1 is best) averaged over bands of the true
# probability of a like.

from scipy.sparse import csr_array
from scipy.stats import rankdata
from sklearn.decomposition import TruncatedSVD

data = make_interactions(1000, 400, 40_000, n_factors=4, random_state=0)
users, items = data.data["user_id"].to_numpy(), data.data["item_id"].to_numpy()
log = csr_array((np.ones(len(users)), (users, items)), shape=(1000, 400))
svd = TruncatedSVD(n_components=5, random_state=0)
recovered = svd.fit_transform(log) @ svd.components_
popularity = np.tile(log.sum(axis=0), (1000, 1))

unseen = log.toarray() == 0
truth = data.true_preference.matrix()
band = np.digitize(truth, np.linspace(0, 1, 11)[1:-1])
fig, ax = plt.subplots(layout="constrained")
for name, score in {"SVD": recovered, "popularity": popularity, "planted": truth}.items():
    place = rankdata(np.where(unseen, score, np.nan), axis=1, nan_policy="omit") / unseen.sum(axis=1, keepdims=True)
    ax.plot(np.arange(0.05, 1, 0.1), [place[unseen & (band == b)].mean() for b in range(10)], "o-", label=name)
ax.set(xlabel="planted probability of a like", ylabel="mean place among unseen items", ylim=(0.4, 1))
ax.legend()
plt.show()

# %%
# The decomposition finds most of what was planted. Popularity knows only that some items please more users than
# others.
