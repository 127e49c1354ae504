"""Time to quality on MovieLens 100K (`ua` split, rating >= 4): AUC, Recall@20, NDCG@20 and seconds of fit.

    python benchmarks/bench_quality.py [--quick] [--threads 2] [--seeds 5] [--keras]
    python benchmarks/bench_quality.py --search peers skrec [--candidates 60]

Every contestant is fitted on the 49,906 pairs rated 4 or more in ua.base, at a ladder of epochs, each rung a new fit
from nothing. Each ranks every item that the user did not like in training; an item that nobody liked in training is
ranked last by all of them. For each rung of each peer the first table gives quality and seconds, and the second the
time of the first rung of TripletMF that reaches the peer's AUC on ua.test, medians over the seeds, and the ratio.

No setting has seen ua.test. `--search` fits on a random nine tenths of the pairs of ua.base and looks at the rest, with
as many random draws from the ranges of each peer as TripletMF gets. A peer keeps the draw with the highest AUC and the
one that came within 0.003 of it in the shortest time; TripletMF, for each rung of each of these, the draw that reached
that rung's AUC in the shortest time. They are in quality_settings.json, which the comparison reads.
"""

import argparse
import json
import statistics
from pathlib import Path

import common
import numpy as np
from quality_contestants import KERAS, PEERS, SKREC
from sklearn.model_selection import ParameterSampler

SETTINGS = Path(__file__).resolve().parent / "quality_settings.json"
SHAPE = (943, 1682)
NEAR = 0.003  # a peer's fast settings come so close to the AUC of its best


def load_positives(name):
    pairs, rating = common.load_ml_100k(name)
    return pairs[rating >= 4]


def judge(contestant, settings, epochs, train, test, threads, seed):
    """Fit once; return seconds and quality."""
    seconds, scores = contestant[0](train, SHAPE, settings, epochs, threads, seed)
    seen = np.zeros(SHAPE[1], dtype=bool)
    seen[train[:, 1]] = True
    scores = np.where(seen, scores, -np.inf)
    return {"seconds": seconds} | common.ranking_quality(
        scores, common.pair_mask(train, SHAPE), common.pair_mask(test, SHAPE)
    )


def climb(contestants, train, test, threads, seeds, quick=False):
    """Return {name: {epochs: [result of each seed]}} for {name: (contestant, settings)}, alternating within a seed."""
    ladders = {name: {} for name in contestants}
    for seed in range(seeds):
        order = list(contestants) if seed % 2 == 0 else list(contestants)[::-1]
        for name in order:
            contestant, settings = contestants[name]
            for epochs in contestant[1][:2] if quick else contestant[1]:
                result = judge(contestant, settings, epochs, train, test, threads, seed)
                ladders[name].setdefault(epochs, []).append(result)
    return ladders


def medians(results):
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def seconds_to(ladder, auc, seeds):
    """Median over the seeds of the fit seconds of the first rung that reaches `auc`; None when most seeds never do."""
    times = []
    for seed in range(seeds):
        reached = [results[seed]["seconds"] for results in ladder.values() if results[seed]["auc"] >= auc]
        times.append(reached[0] if reached else np.inf)
    time = statistics.median(times)
    return None if np.isinf(time) else time


def draw_settings(space, n):
    """Draw `n` distinct settings at random, or all of them where there are no more."""
    size = int(np.prod([len(values) for values in space.values()]))
    return list(ParameterSampler(space, min(n, size), random_state=0))


def load_settings():
    return json.loads(SETTINGS.read_text())


def store_settings(settings):
    SETTINGS.write_text(json.dumps(settings, indent=1) + "\n")
    print(f"Wrote {SETTINGS}")


def validation_data():
    """A random nine tenths of the positives of ua.base, and the rest to judge on."""
    pairs = load_positives("ua.base")
    held_out = np.random.default_rng(0).random(len(pairs)) < 0.1
    return pairs[~held_out], pairs[held_out]


def best_auc(ladder):
    return max(result["auc"] for results in ladder.values() for result in results)


def with_settings(peers, stored):
    """Return {name and kind of settings: (peer, settings)}."""
    return {f"{name}, {kind}": (peers[name], settings) for name in peers for kind, settings in stored[name].items()}


def search_peers(peers, threads, n_candidates):
    """Take for each peer the settings of the highest validation AUC on any rung, and the fastest to come near it."""
    stored = load_settings()
    for name, peer in peers.items():
        candidates = draw_settings(peer[2], n_candidates)
        tried = climb({n: (peer, settings) for n, settings in enumerate(candidates)}, *validation_data(), threads, 1)
        best = max(tried, key=lambda n: best_auc(tried[n]))
        times = {n: seconds_to(tried[n], best_auc(tried[best]) - NEAR, 1) or np.inf for n in tried}
        fast = min(times, key=times.get)
        stored["peers"][name] = {"best": candidates[best]} | ({"fast": candidates[fast]} if fast != best else {})
        for kind, n in {"best": best, "fast": fast}.items():
            rungs = ", ".join(f"{e}: {r[0]['auc']:.4f} in {r[0]['seconds']:.2f} s" for e, r in tried[n].items())
            print(f"{name}, {kind} of {len(candidates)}: {candidates[n]}\n  {rungs}", flush=True)
    store_settings(stored)


def search_skrec(peers, threads, n_candidates):
    """Take for each rung of each peer our settings that reach its validation AUC first, or that come closest."""
    stored = load_settings()
    data = validation_data()
    rungs = climb(with_settings(peers, stored["peers"]), *data, threads, 1)
    candidates = draw_settings(SKREC[2], n_candidates)
    tried = {}
    for n, settings in enumerate(candidates):
        judge(SKREC, settings, 1, *data, threads, 0)  # another sampler may be another kernel to compile
        tried |= climb({n: (SKREC, settings)}, *data, threads, 1)
        print(f"{n}: best AUC {best_auc(tried[n]):.4f} with {settings}", flush=True)
    stored["skrec"], stored["chosen"] = {}, {}
    for name, ladder in rungs.items():
        for epochs, (result,) in ladder.items():
            times = {n: seconds_to(tried[n], result["auc"], 1) for n in tried}
            reached = {n: time for n, time in times.items() if time is not None}
            chosen = min(reached, key=reached.get) if reached else max(tried, key=lambda n: best_auc(tried[n]))
            stored["skrec"][f"setting {chosen}"] = candidates[chosen]
            stored["chosen"][f"{name}, {epochs}"] = f"setting {chosen}"
    store_settings(stored)


def compare(peers, options):
    """Climb all ladders on ua.base and judge on ua.test."""
    stored = load_settings()
    data = load_positives("ua.base"), load_positives("ua.test")
    rivals = with_settings(peers, stored["peers"])
    contestants = dict(rivals)
    for name, settings in stored["skrec"].items():
        contestants[f"skrec {name}"] = SKREC, settings
    for contestant, settings in contestants.values():
        judge(contestant, settings, 1, *data, options.threads, 0)  # compiles, loads libraries, starts threads
    ladders = climb(contestants, *data, options.threads, options.seeds, options.quick)

    rows, ratios = [], []
    for name, ladder in ladders.items():
        for epochs, results in ladder.items():
            row = {"contestant": name, "epochs": epochs, "settings": contestants[name][1]} | medians(results)
            rows.append(row | {"by_seed": results})
            if name in rivals:
                setting = stored["chosen"].get(f"{name}, {epochs}")
                time = seconds_to(ladders[f"skrec {setting}"], row["auc"], options.seeds) if setting else None
                ratios.append(
                    {
                        "peer": name,
                        "epochs": epochs,
                        "auc": row["auc"],
                        "peer_seconds": row["seconds"],
                        "skrec_setting": setting,
                        "skrec_seconds": time,
                        "ratio": None if time is None else row["seconds"] / time,
                    }
                )
    return rows, ratios


def show(rows, ratios):
    common.print_table(
        ("contestant", "epochs", "AUC", "Recall@20", "NDCG@20", "fit s"),
        [
            (r["contestant"], r["epochs"], *(f"{r[k]:.4f}" for k in ("auc", "recall", "ndcg")), f"{r['seconds']:.3f}")
            for r in rows
        ],
    )
    print()
    common.print_table(
        ("peer", "epochs", "its AUC", "its s", "TripletMF with", "reaches it in s", "times faster"),
        [
            (
                r["peer"],
                r["epochs"],
                f"{r['auc']:.4f}",
                f"{r['peer_seconds']:.3f}",
                r["skrec_setting"] or "not searched yet",
                "never" if r["skrec_seconds"] is None else f"{r['skrec_seconds']:.3f}",
                "" if r["ratio"] is None else f"{r['ratio']:.2f}",
            )
            for r in ratios
        ],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="for every contestant")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--keras", action="store_true", help="the triplet notebook's model too (about a minute a seed)")
    parser.add_argument(
        "--search", nargs="+", choices=["peers", "skrec"], help="choose settings on a share of ua.base, ua.test unseen"
    )
    parser.add_argument("--candidates", type=int, default=60, help="with --search: settings drawn for each contestant")
    parser.add_argument("--quick", action="store_true", help="does it run: one seed, two rungs")
    parser.add_argument("--output", help="JSON file, by default benchmarks/results/quality.json")
    options = parser.parse_args()
    peers = PEERS | KERAS if options.keras else PEERS
    if options.search:
        for side in options.search:
            side = search_peers if side == "peers" else search_skrec
            side(peers, options.threads, 2 if options.quick else options.candidates)
        return
    if options.quick:
        options.seeds = 1
    record = {"machine": common.machine(), "options": vars(options)}
    record["quality"], record["time_to_quality"] = compare(peers, options)
    show(record["quality"], record["time_to_quality"])
    common.save("quality-quick" if options.quick else "quality", record, options.output)


if __name__ == "__main__":
    main()
