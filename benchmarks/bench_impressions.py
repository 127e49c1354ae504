"""Click rates and values of policies from impressions, against the truth that is known: generated logs, Open Bandit.

    python benchmarks/bench_impressions.py [--seeds 5] [--quick]

Four parts:

items       Rates of 100 items from a log of slates (make_interactions), where the user looks at position p with
            probability 1/p: clicks over impressions; the mean of click over examination probability (IPS); and clicks
            over expected examinations, smoothed. The truth is the mean planted probability of a like in the item's
            rows.
ads         Rates of each ad on each page, from counts by position, where better ads mostly stand higher and few of the
            pairs have many impressions. Clicks over impressions, smoothed or not, with and without the probabilities of
            examination; and CTRRanker by page and ad without position, with it (position=), and with the expected
            examinations as weights; its settings are its defaults, with early stopping. The truth is the planted
            probability. Then fresh impressions, ten of each pair, all at the first position.
policies    What a better policy earns, from 500 logs of a worse one each: bias, spread and coverage of IPS, SNIPS and
            doubly robust estimates with (normal) intervals of 95 %.
open bandit Per campaign: clicks of the last two days beside what the rates of the first five days say; the mean click
            rate of each policy beside its estimate from the log of the other, the difference in standard errors of it:
            both have about 46 clicks. Effective rows say which estimate to believe.

Coverage is the share of intervals of 95 % that hold the truth.
"""

import argparse

import common
import numpy as np
from scipy.special import expit, logit
from scipy.stats import beta, spearmanr

from skrec import CTRRanker
from skrec.datasets import fetch_open_bandit, make_interactions
from skrec.metrics import (
    calibration_bins,
    doubly_robust_value,
    expected_calibration_error,
    ips_value,
    smoothed_rates,
    snips_value,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="see that it runs; the figures mean nothing")
    parser.add_argument("--output", help="path of the JSON record")
    options = parser.parse_args()
    seeds = range(1 if options.quick else options.seeds)
    record = {
        "machine": common.machine(),
        "items": items(seeds, options.quick),
        "ads": ads(seeds, options.quick),
        "policies": policies(20 if options.quick else 500),
        "open bandit": open_bandit(200 if options.quick else 5000),
    }
    common.save("impressions", record, options.output)


def report(title, results):
    """Print {contestant: {figure: value}}, with the figures as columns."""
    print(f"\n{title}\n")
    columns = list(next(iter(results.values())))
    rows = [[name, *(text(values[column]) for column in columns)] for name, values in results.items()]
    common.print_table(["", *columns], rows)
    return results


def text(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def average(of_seeds):
    """Mean over the seeds of {contestant: {figure: value}}."""
    first = of_seeds[0]
    return {
        name: {figure: float(np.mean([one[name][figure] for one in of_seeds])) for figure in figures}
        for name, figures in first.items()
    }


# --- items


def items(seeds, quick):
    results = average([items_once(seed, 20_000 if quick else 150_000) for seed in seeds])
    return report("Items: rates from a log of slates with position bias", results)


def items_once(seed, n_rows):
    log = make_interactions(
        n_users=max(n_rows // 50, 1000),
        n_items=100,
        n_interactions=n_rows,
        n_positions=8,
        intercept=-2.5,
        signal=1.5,
        random_state=seed,
    )
    item, click = log.data["item_id"].to_numpy(), log.target.to_numpy()
    looked = log.examination_probability

    def total(values=None):
        return np.bincount(item, values, minlength=100)

    n, k, examinations = total(), total(click), total(looked)
    truth = total(log.like_probability) / n
    share = k / n
    ips = total(click / looked) / n
    ips_error = np.sqrt(total((click / looked) ** 2) / n - ips**2) / np.sqrt(n)
    smoothed = smoothed_rates(k, examinations)
    contestants = {
        "clicks / impressions": (share, *jeffreys(k, n)),
        "mean of click / examination (IPS)": (ips, ips - 1.96 * ips_error, ips + 1.96 * ips_error),
        "clicks / examinations, smoothed": (smoothed.rate, smoothed.low, smoothed.high),
    }
    return {name: recovery(truth, n, *estimate) for name, estimate in contestants.items()}


def jeffreys(k, n):
    """Interval of a rate on its own."""
    return beta.ppf(0.025, k + 0.5, n - k + 0.5), beta.ppf(0.975, k + 0.5, n - k + 0.5)


def recovery(truth, weight, rate, low=None, high=None):
    """How far estimated rates are from the true ones."""
    figures = {
        "estimated / true": float(np.average(rate, weights=weight) / np.average(truth, weights=weight)),
        "relative error": float(np.average(np.abs(rate / truth - 1), weights=weight)),
        "rank correlation": float(spearmanr(rate, truth).statistic),
    }
    if low is not None:
        figures["coverage"] = float(np.mean((low <= truth) & (truth <= high)))
    return figures


# --- ads


def ads(seeds, quick):
    pairs, fresh = zip(*(ads_once(seed, *((40, 20) if quick else (200, 60))) for seed in seeds), strict=True)
    return {
        "pairs": report("Ads: rates of each page and ad", average(pairs)),
        "fresh": report("Ads: fresh impressions, all at the first position", average(fresh)),
    }


def counts_by_position(seed, n_pages, n_ads, n_positions=6):
    """Impressions and clicks of each page, ad and position; better ads stand higher."""
    world = make_interactions(n_pages, n_ads, n_pages * 2, intercept=-3.5, signal=0.7, random_state=seed)
    rng = np.random.default_rng(seed)
    # Some ads are better, and some pages are read more closely, apart from what suits what.
    log_odds = logit(world.true_preference.matrix().astype(np.float64))
    truth = expit(log_odds + rng.normal(0, 0.7, n_ads) + rng.normal(0, 0.3, n_pages)[:, None]).ravel()
    pair = np.arange(truth.size)
    impressions = np.ceil(rng.lognormal(4.0, 1.5, truth.size)).astype(np.int64)
    # Ads stand where a policy that is often wrong takes them to belong; the first place is the most frequent.
    goodness = np.argsort(np.argsort(-np.log(truth) + rng.normal(0, 1.5, truth.size))) / truth.size
    distance = np.abs(np.arange(n_positions) - (n_positions - 1) * goodness[:, None] ** 3)
    share = np.exp(-distance)
    by_position = rng.multinomial(impressions, share / share.sum(axis=1, keepdims=True))
    looked = 1.0 / np.arange(1, n_positions + 1)
    clicks = rng.binomial(by_position, truth[:, None] * looked)
    return pair, truth, by_position, clicks, looked, rng


def ads_once(seed, n_pages, n_ads):
    pair, truth, n, k, looked, rng = counts_by_position(seed, n_pages, n_ads)
    impressions, clicks, examinations = n.sum(axis=1), k.sum(axis=1), n @ looked
    ids = np.column_stack(np.divmod(pair, n_ads))

    raw = clicks / impressions
    smoothed = smoothed_rates(clicks, impressions)
    # A pair of one impression low down has less than one expected examination, and may have a click.
    looked_at = smoothed_rates(clicks, np.maximum(examinations, clicks))
    estimates = {
        "clicks / impressions": (raw, *jeffreys(clicks, impressions)),
        "clicks / impressions, smoothed": (smoothed.rate, smoothed.low, smoothed.high),
        "clicks / examinations, smoothed": (looked_at.rate, looked_at.low, looked_at.high),
    }

    row, place = np.nonzero(n)
    weight = n[row, place]
    share = k[row, place] / weight
    counted = np.column_stack([ids[row], place + 1])
    at_first = np.column_stack([ids, np.ones(len(ids), dtype=np.int64)])
    # Few different rows of many impressions each: small steps and hardly a penalty.
    settings = {"optimizer": "adam", "learning_rate": 0.005, "l2": 1e-5}
    settings |= {"max_iter": 100, "early_stopping": True, "random_state": seed}
    without = CTRRanker(**settings).fit(counted[:, :2], share, sample_weight=weight)
    with_position = CTRRanker(position=2, **settings).fit(counted, share, sample_weight=weight)
    if with_position.position_ != 1:
        raise SystemExit(f"Predictions are for position {with_position.position_}, the truth is that of the first.")
    examined = np.maximum(examinations, clicks)
    weighted = CTRRanker(**settings).fit(ids, clicks / examined, sample_weight=examined)
    predictions = {
        "CTRRanker without position": without.predict_proba(ids)[:, 1],
        "CTRRanker(position=)": with_position.predict_proba(at_first)[:, 1],
        "CTRRanker, examinations as weights": weighted.predict_proba(ids)[:, 1],
    }

    nothing = {"coverage": float("nan")}
    of_pairs = {name: recovery(truth, impressions, *estimate) for name, estimate in estimates.items()}
    of_pairs |= {name: recovery(truth, impressions, rate) | nothing for name, rate in predictions.items()}

    fresh_n = np.full(len(truth), 10)
    fresh = rng.binomial(fresh_n, truth) / fresh_n
    of_fresh = {}
    rates = {name: estimate[0] for name, estimate in estimates.items()} | predictions
    for name, rate in rates.items():
        bins = calibration_bins(fresh, rate, sample_weight=fresh_n)
        of_fresh[name] = {
            "calibration error": expected_calibration_error(fresh, rate, sample_weight=fresh_n),
            "calibration error / click rate": float(
                expected_calibration_error(fresh, rate, sample_weight=fresh_n) / np.mean(fresh)
            ),
            "bins of 10 whose interval holds the prediction": float(
                np.mean((bins.low <= bins.prob_pred) & (bins.prob_pred <= bins.high))
            ),
        }
    return of_pairs, of_fresh


# --- policies


def policies(n_logs):
    results = {}
    for n_rows in (1000, 10_000):
        results |= {f"{name}, {n_rows:,} rows": found for name, found in policies_of_size(n_logs, n_rows).items()}
    return report(f"Policies: {n_logs} logs each", results)


def policies_of_size(n_logs, n_rows, n_contexts=20, n_items=10):
    rng = np.random.default_rng(0)
    click = rng.beta(1, 12, (n_contexts, n_items))
    logging = 0.5 / n_items + 0.5 * rng.dirichlet(np.full(n_items, 1.0), n_contexts)
    judged = 0.2 / n_items + 0.8 * np.eye(n_items)[click.argmax(axis=1)]
    truth = float(np.mean(np.sum(judged * click, axis=1)))
    logged = float(np.mean(np.sum(logging * click, axis=1)))
    found = {"IPS": [], "IPS, weights at most 5": [], "SNIPS": [], "doubly robust": []}
    for _ in range(n_logs):
        context = rng.integers(n_contexts, size=n_rows)
        item = (rng.random((n_rows, 1)) > logging.cumsum(axis=1)[context][:, :-1]).sum(axis=1)
        reward = rng.random(n_rows) < click[context, item]
        log = reward, logging[context, item], judged[context, item]
        quick = {"interval": "normal"}
        # Each half is predicted by the rates of the other.
        half = np.arange(n_rows) % 2
        predicted_reward, predicted_value = np.empty(n_rows), np.empty(n_rows)
        for h in (0, 1):
            rates = cell_rates(context, item, reward, half != h, click.shape)
            mine = half == h
            predicted_reward[mine] = rates[context[mine], item[mine]]
            predicted_value[mine] = np.sum(judged * rates, axis=1)[context[mine]]
        found["IPS"].append(ips_value(*log, **quick))
        found["IPS, weights at most 5"].append(ips_value(*log, max_weight=5, **quick))
        found["SNIPS"].append(snips_value(*log, **quick))
        found["doubly robust"].append(
            doubly_robust_value(*log, predicted_reward=predicted_reward, predicted_value=predicted_value, **quick)
        )
    results = {}
    for name, values in found.items():
        estimate, low, high, size, _ = np.array(values).T
        results[name] = {
            "true value": truth,
            "of the log": logged,
            "mean estimate": float(estimate.mean()),
            "spread": float(estimate.std()),
            "coverage": float(np.mean((low <= truth) & (truth <= high))),
            "effective rows": float(size.mean()),
        }
    return results


def cell_rates(context, item, reward, kept, shape):
    """Smoothed click rate of each context and item of the rows kept."""
    cell = context[kept] * shape[1] + item[kept]
    n = np.bincount(cell, minlength=shape[0] * shape[1])
    return smoothed_rates(np.bincount(cell, reward[kept], minlength=n.size), n).rate.reshape(shape)


# --- Open Bandit


def open_bandit(n_resamples):
    forecasts, values = {}, {}
    for campaign in ("men", "women"):
        logs = {policy: fetch_open_bandit(policy=policy, campaign=campaign) for policy in ("random", "bts")}
        forecasts |= {f"{campaign}, {policy}": forecast(log) for policy, log in logs.items()}
        values |= across(campaign, logs, n_resamples)
    return {
        "forecasts": report("Open Bandit: clicks of the last two days, from the rates of the first five", forecasts),
        "values": report("Open Bandit: click rates in percent of each policy, from the log of the other", values),
    }


def forecast(log):
    """Clicks expected on later days by the smoothed rates of items on earlier ones, beside the clicks seen."""
    item, click = log.data["item_id"].to_numpy(), log.target.to_numpy()
    n_items = len(log.item_features)
    is_early = (log.data["timestamp"] < "2019-11-29").to_numpy()
    counts = [
        np.bincount(item[kept], values, minlength=n_items)
        for kept, values in ((is_early, click[is_early]), (is_early, None), (~is_early, None))
    ]
    clicks, shown, later = counts
    rates = smoothed_rates(clicks, shown)
    rng = np.random.default_rng(0)
    # What the rates may be, and then the clicks by chance.
    a, b = rates.prior
    drawn = rng.binomial(later, rng.beta(a + clicks, b + shown - clicks, (10_000, n_items)))
    low, high = np.quantile(drawn.sum(axis=1), [0.025, 0.975])
    seen = int(click[~is_early].sum())
    return {
        "impressions": int(later.sum()),
        "expected": float(rates.rate @ later),
        "interval": f"{low:.0f} to {high:.0f}",
        "clicks": seen,
        "within": bool(low <= seen <= high),
        "a + b of the rates": float(a + b),
    }


def across(campaign, logs, n_resamples):
    """Estimate the click rate of each policy from the log of the other."""
    n_items = len(logs["random"].item_features)
    places = {policy: frequencies(log, n_items) for policy, log in logs.items()}
    # The probabilities of random choice are known; those of Thompson sampling, which moved from day to day, only as the
    # share of each item at each position in its own log.
    judged = {"random": np.full((3, n_items), 1 / n_items), "bts": places["bts"]}
    results = {}
    for log_policy, policy in (("bts", "random"), ("random", "bts")):
        log, other = logs[log_policy], logs[policy]
        item, place = log.data["item_id"].to_numpy(), log.data["position"].to_numpy() - 1
        reward = log.target.to_numpy()
        rows = reward, log.propensity, judged[policy][place, item]
        part = np.arange(len(reward)) % 2
        predicted_reward, predicted_value = np.empty(len(reward)), np.empty(len(reward))
        for h in (0, 1):
            kept, mine = part != h, part == h
            n = np.bincount(item[kept], minlength=n_items)
            rates = smoothed_rates(np.bincount(item[kept], reward[kept], minlength=n_items), n).rate
            predicted_reward[mine] = rates[item[mine]]
            predicted_value[mine] = (judged[policy] @ rates)[place[mine]]
        options = {"n_resamples": n_resamples, "random_state": 0}
        seen = ips_value(other.target, other.propensity, other.propensity, **options)
        estimates = {
            "IPS": ips_value(*rows, **options),
            "SNIPS": snips_value(*rows, **options),
            "SNIPS, weights at most 10": snips_value(*rows, max_weight=10, **options),
            "doubly robust": doubly_robust_value(
                *rows, predicted_reward=predicted_reward, predicted_value=predicted_value, **options
            ),
        }
        for name, found in estimates.items():
            results[f"{campaign}, {policy} by {name}"] = {
                "estimate": percent(found),
                "in its own log": percent(seen),
                "difference / its error": 1.96 * (found.estimate - seen.estimate) / np.hypot(half(found), half(seen)),
                "effective rows": float(found.effective_sample_size),
                "mean weight": float(found.mean_weight),
            }
    return results


def half(value):
    """Half of the width of an interval."""
    return (value.high - value.low) / 2


def percent(value):
    return f"{100 * value.estimate:.2f} [{100 * value.low:.2f}, {100 * value.high:.2f}]"


def frequencies(log, n_items):
    """Share of each item among the rows of each position."""
    place, item = log.data["position"].to_numpy() - 1, log.data["item_id"].to_numpy()
    counts = np.bincount(place * n_items + item, minlength=3 * n_items).reshape(3, n_items)
    return counts / counts.sum(axis=1, keepdims=True)


if __name__ == "__main__":
    main()
