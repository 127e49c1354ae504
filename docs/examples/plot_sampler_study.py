"""
========================================
Which samplers of negatives are worth it
========================================

What the user guide says of samplers (:ref:`sampler_study`) rests on ``benchmarks/samplers/study.py``. This example
draws the results that were stored with it, and then looks at one claim from close by: that the *gain* of an item
tells a hard negative from a false one.
"""

# %%
# The same steps, and the same time
# ---------------------------------
# NDCG@20 on the test rows, less that of uniform negatives with the same similarity, loss and budget: mean over seeds
# and its 95 % interval. *Steps*: each positive is seen equally often. *Seconds*: everybody has the time of as many
# uniform epochs, so that a sampler that costs four times as much sees each positive a quarter as often.

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

root = next(path for path in [Path.cwd(), *Path.cwd().parents] if (path / "benchmarks" / "samplers").is_dir())
study = json.loads((root / "benchmarks" / "samplers" / "results" / "study.json").read_text())
table = pd.DataFrame(study["main"])
table = table[table["seeds"] > 1]  # what has no interval is not drawn
table["label"] = table["name"].where(table["kind"] == "triplets", "group: " + table["name"])
titles = {"ml-100k": "MovieLens 100K", "lastfm": "Last.fm", "ml-1m-m1": "MovieLens 1M (m1)"}


def draw(similarity, loss, metric="ndcg@20"):
    """One panel for each data set."""
    chosen = table[(table["similarity"] == similarity) & (table["loss"] == loss)]
    data = [name for name in titles if name in set(chosen["data"])]
    labels = list(dict.fromkeys(chosen["label"]))
    places = {label: place for place, label in enumerate(labels)}
    fig, axes = plt.subplots(
        1, len(data), figsize=(3.2 * len(data) + 2.5, 0.27 * len(labels) + 1.2), sharey=True, layout="constrained"
    )
    for ax, name in zip([axes] if len(data) == 1 else axes, data, strict=True):
        for shift, budget in ((-0.15, "steps"), (0.15, "seconds")):
            rows = chosen[(chosen["data"] == name) & (chosen["budget"] == budget)]
            centre, half = zip(*rows[f"{metric} to uniform"], strict=True)
            y = [places[label] + shift for label in rows["label"]]
            ax.errorbar(centre, y, xerr=half, fmt="o", markersize=4, label=f"same {budget}")
        ax.axvline(0, color="0.6", linewidth=1)
        ax.grid(axis="x", color="0.92")
        ax.set(title=titles[name], xlabel=f"{metric} over uniform")
    ax.set_yticks(range(len(labels)), labels)
    ax.invert_yaxis()
    fig.legend(*ax.get_legend_handles_labels(), fontsize="small", loc="outside upper left", ncols=2)
    return fig


fig = draw("cosine", "hinge")

# %%
# The same for generalised matrix factorisation with BPR, the kind of model that the papers start from.

fig = draw("gmf", "bpr")

# %%
# With the hinge instead.

fig = draw("gmf", "hinge")

# %%
# Cosines with BPR: a cosine is at most 1, so that BPR never stops to push what is ranked well already. Uniform
# negatives are at their weakest here, and hard ones make up for nearly all of it.

fig = draw("cosine", "bpr")

# %%
# For which items?
# ----------------
# AUC of the test positives of popular, middling and rare items, each bucket with a third of the training positives.
# Popular negatives push popular items down: whether the rare ones gain by it depends on the data.

popular = table[(table["similarity"] == "cosine") & (table["loss"] == "hinge") & (table["budget"] == "steps")]
colours = {"uniform": "C0", "popularity^0.25": "C1", "popularity^0.75": "C2", "dynamic, 5": "C3"}
popular = popular[popular["name"].isin(colours)]
data = [name for name in titles if name in set(popular["data"])]
buckets = ["auc_head", "auc_middle", "auc_tail"]
fig, axes = plt.subplots(1, len(data), figsize=(3.2 * len(data), 3), sharey=True, layout="constrained", squeeze=False)
for ax, name in zip(axes[0], data, strict=True):
    for _, row in popular[popular["data"] == name].iterrows():
        values = [row[bucket][0] for bucket in buckets]
        ax.plot(["head", "middle", "tail"], values, "o-", color=colours[row["name"]], label=row["name"])
    ax.set_title(titles[name])
axes[0, 0].set_ylabel("AUC")
axes[0, 0].legend(fontsize="small")

# %%
# Does the gain tell hard negatives from false ones?
# --------------------------------------------------
# H is how likely an item ranks above a user's positives, G its smoothed relative drop from epoch to epoch. GDNS rests
# on the idea that H of true negatives falls and that of false ones, which are pulled up by what is like them, rises.
# :class:`~skrec.inspection.SamplerDiagnosticsDisplay` trains a model and follows both: a fifth of the positives are
# held out, so that as negatives they are false.

from skrec import TripletMF
from skrec.datasets import make_interactions
from skrec.inspection import SamplerDiagnosticsDisplay
from skrec.samplers import DynamicSampler, GainSampler, UniformSampler

X, _ = make_interactions(n_users=600, n_items=400, n_interactions=30_000, return_X_y=True, random_state=0)
train, held_out = X.drop(X.index[::5]), X[::5]
axes = None
for name, sampler in {"uniform": UniformSampler(), "dynamic": DynamicSampler(), "gain": GainSampler()}.items():
    model = TripletMF(n_components=16, sampler=sampler, max_iter=15, random_state=0)
    display = SamplerDiagnosticsDisplay.from_estimator(model, train, held_out=held_out, name=name, ax=axes)
    axes = display.axes_

# %%
# H is far apart from the first epoch on, but both kinds of negatives move alike once the first epochs are over, so
# that G is about a half for all. What G could tell, it could tell only while little is known. Hard negatives of
# either sampler are held-out positives much more often than by chance.

plt.show()
