"""
============================
What each splitter holds out
============================

The score of a recommender depends on what was held out as much as on the model. Each panel shows the same small log: a
line is a user's history, a mark an interaction. The splitters of :mod:`skrec.model_selection` answer different
questions:

- will the model find what its users liked, at any time? :class:`~skrec.model_selection.UserKFold`
- will it find what each user likes next? :class:`~skrec.model_selection.LeaveLastOut`
- how would it have fared if deployed on a given day? :class:`~skrec.model_selection.GlobalTimeSplit`
- what does it do with new users, or new items? :class:`~skrec.model_selection.ColdUserKFold`,
  :class:`~skrec.model_selection.ColdItemKFold`
"""

# %%
# A log
# -----
# Eight users who arrive one after the other, sorted by user as logs often are. About a quarter of the interactions are
# explicit negatives: ``y <= 0``.

import numpy as np
import pandas as pd

rng = np.random.default_rng(3)
histories = []
for user in range(8):
    days = np.sort(rng.uniform(6 * user, 100, size=rng.integers(6, 14)))
    histories.append(pd.DataFrame({"user": user, "item": rng.choice(20, len(days), replace=False), "day": days}))
X = pd.concat(histories, ignore_index=True)
y = np.where(rng.random(len(X)) < 0.75, 1, 0)
X.head()

# %%
# One fold of each
# ----------------
# Filled marks are positives and crosses explicit negatives. What
# :class:`~skrec.model_selection.LeaveLastOut` tests on begins at a positive: a cross behind it belongs to the future of
# that user and is not trained on.

import matplotlib.pyplot as plt
from sklearn.model_selection import KFold

from skrec.model_selection import ColdItemKFold, ColdUserKFold, GlobalTimeSplit, LeaveLastOut, UserKFold

COLORS = {"train": "tab:blue", "test": "tab:orange", "unused": "lightgrey"}


def plot_fold(ax, title, train, test):
    """Draw each interaction of the log in the color of its part."""
    part = np.full(len(X), "unused")
    part[train] = "train"
    part[test] = "test"
    for name, color in COLORS.items():
        for sign, marker in ((1, "o"), (0, "x")):
            rows = (part == name) & (y == sign)
            ax.scatter(X["day"][rows], X["user"][rows], c=color, marker=marker, s=28, linewidths=1.5)
    ax.hlines(np.arange(8), 0, 100, color="0.9", zorder=0)
    ax.set(title=title, xlim=(-2, 102), yticks=range(8))
    ax.title.set_fontsize(10)


def add_legend(fig):
    """Say once what the colors mean."""
    handles = [plt.Line2D([], [], color=color, marker="o", linestyle="", label=name) for name, color in COLORS.items()]
    fig.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)


splitters = [
    UserKFold(5, random_state=0),
    LeaveLastOut(time="day"),
    GlobalTimeSplit(time="day"),
    ColdUserKFold(4, random_state=0),
    ColdItemKFold(4, random_state=0),
    KFold(4),
]
fig, axes = plt.subplots(3, 2, figsize=(9, 9), sharex=True, sharey=True, layout="constrained")
for ax, cv in zip(axes.flat, splitters, strict=True):
    plot_fold(ax, type(cv).__name__, *next(cv.split(X, y)))
for ax in axes[-1]:
    ax.set_xlabel("day")
for ax in axes[:, 0]:
    ax.set_ylabel("user")
add_legend(fig)

# %%
# The last panel is the trap: a plain :class:`~sklearn.model_selection.KFold` cuts a log that is sorted by user into
# blocks of users. :class:`~skrec.model_selection.CheckedSplit` yields the same folds and says what is wrong with them.

import warnings

from skrec.model_selection import CheckedSplit

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    next(CheckedSplit(KFold(4), time="day").split(X, y))
for warning in caught:
    print(f"{warning.category.__name__}: {warning.message}")

# %%
# Several folds along time
# ------------------------
# With ``n_splits``, the two splitters that know time yield folds that move towards the present. Each one trains only on
# what had happened by then.

fig, axes = plt.subplots(3, 2, figsize=(9, 9), sharex=True, sharey=True, layout="constrained")
splitters = [LeaveLastOut(n_splits=3, time="day"), GlobalTimeSplit(0.15, n_splits=3, time="day")]
for column, cv in zip(axes.T, splitters, strict=True):
    for fold, (ax, (train, test)) in enumerate(zip(column, cv.split(X, y), strict=True)):
        plot_fold(ax, f"{type(cv).__name__}, fold {fold}", train, test)
for ax in axes[-1]:
    ax.set_xlabel("day")
for ax in axes[:, 0]:
    ax.set_ylabel("user")
add_legend(fig)
plt.show()
