"""
=========================================
Clicks and impressions: learn click rates
=========================================

An advertiser's log is a table: so many impressions of this ad on that page, so many clicks. Which ad should a page
show, and what share of the impressions will be clicked? There are three ways to give such counts to a classifier. Two
of them are the same, and the third, a label made by a threshold, loses most of what the table holds. The data are
generated, so that we know the true click rates. The page :ref:`impressions` has the theory.
"""

# %%
# Data
# ----
# Each of 80 ads has been on each of 100 pages, mostly for a few impressions and sometimes for thousands. How often it
# is clicked depends on the ad, on the page, and on how well the two go together.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.calibration import CalibrationDisplay

from skrec import CTRRanker
from skrec.datasets import make_interactions
from skrec.metrics import calibration_bins, expected_calibration_error, smoothed_rates

n_pages, n_ads = 100, 80
rng = np.random.default_rng(0)
world = make_interactions(n_pages, n_ads, n_pages, intercept=-3.5, signal=0.8, random_state=0)
log_odds = logit(world.true_preference.matrix().astype(np.float64))
true_rate = expit(log_odds + rng.normal(0, 0.5, n_ads) + rng.normal(0, 0.3, (n_pages, 1))).ravel()

page, ad = np.divmod(np.arange(n_pages * n_ads), n_ads)
log = pd.DataFrame({"page": page, "ad": ad, "impressions": np.ceil(rng.lognormal(3.5, 1.5, page.size)).astype(int)})
log["clicks"] = rng.binomial(log["impressions"], true_rate)
X = log[["page", "ad"]]
print(log.sample(5, random_state=0).to_string(index=False))
print(f"{log['clicks'].sum():,} clicks in {log['impressions'].sum():,} impressions")

# %%
# Three ways to use the counts
# ----------------------------
# *Shares*: ``y`` is clicks over impressions, and the impressions are the weights. *Rows*: one for each impression,
# clicked or not. *A label by a threshold*: 1 where the rate is above that of the whole log, with the impressions as
# weights, because that is what a classifier seems to want.

# Few different rows of many impressions each: small steps and hardly a penalty.
ranker = CTRRanker(optimizer="adam", learning_rate=0.005, l2=1e-5, early_stopping=True, max_iter=100, random_state=0)
rate = log["clicks"] / log["impressions"]
shares = ranker.fit(X, rate, sample_weight=log["impressions"]).predict_proba(X)[:, 1]

every_impression = X.loc[X.index.repeat(log["impressions"])]
nth = log.groupby(["page", "ad"]).ngroup().repeat(log["impressions"]).groupby(level=0).cumcount()
clicked = (nth < log["clicks"].repeat(log["impressions"])).astype(int)
rows = ranker.fit(every_impression, clicked).predict_proba(X)[:, 1]

overall = log["clicks"].sum() / log["impressions"].sum()
label = (rate > overall).astype(int)
thresholded = ranker.fit(X, label, sample_weight=log["impressions"]).predict_proba(X)[:, 1]

print(f"largest difference of shares and rows: {np.abs(shares - rows).max():.1e}")
print(f"rows to read: {len(X):,} with shares, {len(every_impression):,} with a row for each impression")

# %%
# The first two are one likelihood, and here one result: shares are the way to go, because they are fewer.
#
# What the threshold loses
# ------------------------
# The label cannot tell twice the rate of the log from ten times, and for an ad with few impressions it is a matter of
# luck. What comes out is the chance to be above the threshold, which is no click rate. We judge by what the choice of
# an ad for each page would earn, and by fresh impressions of every ad on every page.


def earned(score):
    """Mean true click rate of the ad with the highest score of each page, in percent."""
    best = score.reshape(n_pages, n_ads).argmax(axis=1)
    return 100 * true_rate.reshape(n_pages, n_ads)[np.arange(n_pages), best].mean()


def correlation(score):
    """Mean rank correlation with the true rates of a page's ads."""
    by_page = [pd.DataFrame(table.reshape(n_pages, n_ads)) for table in (score, true_rate)]
    return by_page[0].corrwith(by_page[1], axis=1, method="spearman").mean()


fresh_impressions = np.full(len(X), 50)
fresh = rng.binomial(fresh_impressions, true_rate) / fresh_impressions
scores = {
    "truth": true_rate,
    "shares": shares,
    "label at the overall rate": thresholded,
}
for times in (2, 4):
    label = (rate > times * overall).astype(int)
    model = ranker.fit(X, label, sample_weight=log["impressions"])
    scores[f"label at {times} times the rate"] = model.predict_proba(X)[:, 1]
scores["clicks / impressions"] = rate.to_numpy()
summary = pd.DataFrame(
    {
        "clicks per 100 impressions": {name: earned(score) for name, score in scores.items()},
        "rank correlation": {name: correlation(score) for name, score in scores.items()},
        "calibration error": {
            name: expected_calibration_error(fresh, score, sample_weight=fresh_impressions)
            for name, score in scores.items()
        },
    }
)
print(f"a random ad earns {100 * true_rate.mean():.1f} clicks per 100 impressions")
print(summary.round(3).to_string())

fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
for ax, column in zip(axes, ["clicks per 100 impressions", "rank correlation"], strict=True):
    ax.barh(summary.index, summary[column], color=["gray", "tab:blue", *3 * ["tab:orange"], "tab:green"])
    ax.set(xlabel=column)
axes[0].set(title="What each page's chosen ad earns")
axes[1].set(title="Order of a page's ads")
axes[0].invert_yaxis()
plt.show()

# %%
# Calibrated click rates
# ----------------------
# Are ads with a predicted rate of 5 % clicked five times in a hundred? :func:`~skrec.metrics.calibration_bins` compares
# predictions with rates of the fresh impressions, with intervals, and scikit-learn's
# :class:`~sklearn.calibration.CalibrationDisplay` draws them. The label's model is far off the diagonal: its numbers
# are not click rates. Raw rates are, on average, and are worthless at the ends, where luck has put them.

fig, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
for ax, name in zip(axes, ["shares", "label at the overall rate", "clicks / impressions"], strict=True):
    score = scores[name]
    bins = calibration_bins(fresh, score, sample_weight=fresh_impressions)
    CalibrationDisplay(bins.prob_true, bins.prob_pred, score).plot(ax=ax, name=name)
    ax.errorbar(bins.prob_pred, bins.prob_true, [bins.prob_true - bins.low, bins.high - bins.prob_true], fmt="none")
    limit = 1.1 * max(bins.prob_pred.max(), bins.high.max())
    error = expected_calibration_error(fresh, score, sample_weight=fresh_impressions)
    ax.set(xlim=(0, limit), ylim=(0, limit), xlabel="predicted click rate", ylabel="rate of fresh impressions")
    ax.set_title(f"{name}: error {error:.3f}")
    ax.get_legend().remove()
plt.show()

# %%
# How sure is a rate?
# -------------------
# An ad with no click in ten impressions is not an ad that nobody clicks. :func:`~skrec.metrics.smoothed_rates` draws
# rates of few impressions to the common one, by as much as the counts of all ads say is right, and gives intervals.
# Here are ads of one page, those with the fewest impressions first.

rates = smoothed_rates(log["clicks"], log["impressions"])
a, b = rates.prior
print(f"prior: a = {a:.2f}, b = {b:.1f}, as if each ad came with {a + b:.0f} impressions")
print(f"intervals of 95 % hold {np.mean((rates.low <= true_rate) & (true_rate <= rates.high)):.1%} of the true rates")

shown = log[log["page"] == 2].sort_values("impressions").iloc[::3]
k = shown.index
fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
place = np.arange(len(k))
ax.errorbar(
    place, rates.rate[k], [rates.rate[k] - rates.low[k], rates.high[k] - rates.rate[k]], fmt="o", label="smoothed"
)
ax.plot(place, rate[k], "x", color="tab:green", label="clicks / impressions")
ax.plot(place, true_rate[k], "_", color="black", markersize=12, markeredgewidth=2, label="truth")
ax.plot(place, shares[k], ".", color="tab:orange", label="CTRRanker")
ax.axhline(overall, color="gray", linewidth=0.8, linestyle=":")
ax.set_xticks(place, [f"{n:,}" for n in shown["impressions"]], rotation=90)
ax.set(xlabel="impressions of the ad", ylabel="click rate")
ax.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
plt.show()

# %%
# The smoothed rates know nothing but the counts of one ad on one page. The ranker has learned from the ad's other pages
# and the page's other ads, and is nearer to the truth.

for name, estimate in {"clicks / impressions": rate, "smoothed": rates.rate, "CTRRanker": shares}.items():
    print(f"{name:21} mean distance to the true rate {np.mean(np.abs(estimate - true_rate)):.4f}")
