"""Generate the large set: 20 million distinct (user, item) pairs of 200,000 users and 50,000 items.

    python benchmarks/make_large.py [--rows N]

An item of popularity rank r is drawn with probability proportional to (r + 20)^-0.9, a user with probability
proportional to a log-normal activity (sigma 1). Pairs drawn twice count once, which flattens the head as it does in
real logs: the most popular 1 % of the items end with 29 % of the rows. The rows are in random order. Written as
users.npy and items.npy (int32) to SKREC_BENCHMARK_CACHE, or to a folder of the system's temporary one.
"""

import argparse

import common
import numpy as np

N_USERS, N_ITEMS = 200_000, 50_000


def draw(probability, n, rng):
    """Return `n` indices with the given probabilities, by inversion."""
    edges = np.cumsum(probability)
    return np.searchsorted(edges, rng.random(n) * edges[-1], side="right").astype(np.int64)


def make_pairs(n_rows, seed=0):
    """Return users and items, both int32 of shape (n_rows,), no pair twice."""
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(sigma=1.0, size=N_USERS)
    popularity = (np.arange(N_ITEMS) + 20.0) ** -0.9
    popularity = popularity[rng.permutation(N_ITEMS)]  # so that ids say nothing of popularity
    keys = np.empty(0, dtype=np.int64)
    while len(keys) < n_rows:
        missing = int(1.3 * (n_rows - len(keys))) + 1000
        keys = np.unique(np.append(keys, draw(activity, missing, rng) * N_ITEMS + draw(popularity, missing, rng)))
    rng.shuffle(keys)
    users, items = np.divmod(keys[:n_rows], N_ITEMS)
    return users.astype(np.int32), items.astype(np.int32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    n_rows = parser.parse_args().rows
    seconds, (users, items) = common.stopwatch(make_pairs, n_rows)
    folder = common.large_folder()
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "users.npy", users)
    np.save(folder / "items.npy", items)
    counts = np.sort(np.bincount(items, minlength=N_ITEMS))[::-1]
    print(f"{n_rows:,} rows in {seconds:.0f} s, saved in {folder}")
    print(f"users seen {len(np.unique(users)):,}, items seen {np.count_nonzero(counts):,}")
    print(f"the most popular 1 % of the items hold {counts[: N_ITEMS // 100].sum() / n_rows:.1%} of the rows")


if __name__ == "__main__":
    main()
