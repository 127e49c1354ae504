"""DeepTriplet beside the same model in Keras: average per-user AUC on MovieLens 100K and seconds of the fit.

    python benchmarks/bench_deep_triplet.py [--quick] [--threads 1] [--seeds 3]
    python benchmarks/bench_deep_triplet.py --search 40

The `ua` split; pairs rated 4 or more are positives, the user's training positives are left out of the ranking. Keras is
the triplet notebook's deep match model: embeddings of 32 and 64, dropout of 0.1 on the two concatenated, a hidden layer
of 128, dropout, an output with ReLU, hinge of margin 1, Adam, batches of 64, one uniform negative, 20 epochs. It is
skipped, and said to be, where Keras is not installed (`peers/setup.py --keras`). DeepTriplet is fitted with its
defaults, with the notebook's settings as far as its parameters reach, and not at all (max_iter=0); the contestants
alternate, and the ratio of the times is taken within each round.

No setting has seen ua.test: `--search` draws settings and judges them on five positives of each user of ua.base, as the
split has taken ten ratings from each.
"""

import argparse
import importlib.util
import json
import os
import statistics

import common  # first: it limits BLAS
import numpy as np
from sklearn.model_selection import ParameterSampler

from skrec import DeepTriplet, PopularityRecommender

SHAPE = (943, 1682)
NOTEBOOK = {
    "output_activation": "relu",
    "n_negatives": 1,
    "n_hard_negatives": None,
    "dropout": 0.1,
    "history_weight": 0.0,
    "learning_rate": 1e-3,
    "l2": 0.0,
    "batch_size": 64,
    "max_iter": 20,
}
SEARCHED = {
    "history_weight": [0.0, 0.7, 1.0],
    "history_dropout": [0.3, 0.5],
    "n_negatives": [5, 10, 20],
    "n_hard_negatives": [None, 2, 5],
    "dropout": [0.0, 0.1, 0.2],
    "learning_rate": [0.01, 0.015, 0.02, 0.03, 0.04, 0.06],
    "l2": [1e-6, 1e-5, 3e-5, 1e-4],
    "batch_size": [512, 1024, 2048],
    "max_iter": [8, 12, 16],
    "loss": ["hinge", "hinge", "bpr"],
}
TARGET_AUC, TARGET_RATIO = 0.930, 0.1


def load_positives(name):
    pairs, rating = common.load_ml_100k(name)
    return pairs[rating >= 4]


def fit_deep(settings):
    """Return a contestant: a function of training pairs, seed and threads that returns seconds and AUC's scores."""

    def fit(pairs, seed, threads):
        model = DeepTriplet(random_state=seed, n_jobs=threads, **settings)
        seconds, _ = common.stopwatch(model.fit, pairs)
        return seconds, spread_scores(model)

    return fit


def spread_scores(model):
    """Return the scores of all users (rows) and items; items that nobody liked in training come last.

    But not by an untrained model, which does not know of it either: they get scores of its other items.
    """
    own = model._score_users(np.arange(len(model.user_ids_)))
    scores = np.full(SHAPE, -np.inf, np.float32)
    if getattr(model, "n_iter_", 1) == 0:
        scores[:] = np.random.default_rng(0).choice(own.ravel(), SHAPE)
    scores[np.ix_(model.user_ids_, model.item_ids_)] = own
    return scores


def fit_keras(pairs, seed, threads, epochs=20):
    """Fit the notebook's deep model in Keras; the negatives of an epoch are drawn before it."""
    import keras
    from keras import layers, ops

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    user_table, item_table = layers.Embedding(SHAPE[0], 32), layers.Embedding(SHAPE[1], 64)
    stack = [
        layers.Dropout(0.1),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.1),
        layers.Dense(1, activation="relu"),
    ]

    def score(user, item):
        out = layers.Concatenate()([user_table(user), item_table(item)])
        for layer in stack:
            out = layer(out)
        return out

    user, positive, negative = (keras.Input((), dtype="int32") for _ in range(3))
    margin = ops.maximum(score(user, negative) - score(user, positive) + 1.0, 0.0)
    model = keras.Model([user, positive, negative], margin)
    model.compile(optimizer="adam", loss=lambda _, value: ops.mean(value))

    def fit():
        for _ in range(epochs):
            drawn = rng.integers(SHAPE[1], size=len(pairs), dtype=np.int32)
            model.fit([pairs[:, 0], pairs[:, 1], drawn], np.zeros(len(pairs)), batch_size=64, shuffle=True, verbose=0)

    seconds, _ = common.stopwatch(fit)
    match = keras.Model([user, positive], score(user, positive))
    cells = np.indices(SHAPE, dtype=np.int32).reshape(2, -1)
    scores = match.predict([cells[0], cells[1]], batch_size=1 << 15, verbose=0).reshape(SHAPE)
    seen = np.zeros(SHAPE[1], dtype=bool)
    seen[pairs[:, 1]] = True
    return seconds, np.where(seen, scores, -np.inf)


def judge(scores, train, test):
    return common.ranking_quality(scores, common.pair_mask(train, SHAPE), common.pair_mask(test, SHAPE))


def compare(options):
    train, test = load_positives("ua.base"), load_positives("ua.test")
    fit_deep({"max_iter": 1})(train, 0, options.threads)  # compiles
    contestants = {
        "DeepTriplet": fit_deep({}),
        "DeepTriplet, notebook's settings": fit_deep(NOTEBOOK),
        "DeepTriplet, untrained": fit_deep({"max_iter": 0}),
    }
    if importlib.util.find_spec("keras") is None:
        print("Keras is not installed (benchmarks/peers/setup.py PATH --keras): only DeepTriplet is measured.\n")
    else:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
        tf.config.threading.set_inter_op_parallelism_threads(options.threads)
        contestants["Keras"] = lambda *given: fit_keras(*given, epochs=1 if options.quick else 20)
    popularity = PopularityRecommender().fit(train)
    results = {"popularity": [{"seconds": 0.0, **judge(spread_scores(popularity), train, test)}]}
    for seed in range(options.seeds):
        order = list(contestants)[:: -1 if seed % 2 else 1]
        for name in order:
            seconds, scores = contestants[name](train, seed, options.threads)
            results.setdefault(name, []).append({"seconds": seconds, **judge(scores, train, test)})

    def middle(name, key):
        return statistics.median(result[key] for result in results[name])

    rows = [[name, *(f"{middle(name, key):.4f}" for key in ("auc", "recall", "ndcg"))] for name in results]
    for row in rows:
        row.append(f"{middle(row[0], 'seconds'):.2f}")
    common.print_table(["model", "AUC", "Recall@20", "NDCG@20", "seconds"], rows)
    auc = middle("DeepTriplet", "auc")
    print(f"\ntarget: AUC of at least {TARGET_AUC}: {'met' if auc >= TARGET_AUC else 'MISSED'} ({auc:.4f})")
    ratio = None
    if "Keras" in results:
        pairs = zip(results["DeepTriplet"], results["Keras"], strict=True)
        ratio = statistics.median(own["seconds"] / other["seconds"] for own, other in pairs)
        verdict = "met" if ratio <= TARGET_RATIO else "MISSED"
        print(f"target: at most {TARGET_RATIO} of Keras's time: {verdict} ({ratio:.3f})")
    return {"results": results, "auc": auc, "ratio": ratio}


def search(options):
    """Judge random settings on five positives of each user of ua.base (of fewer, all but one)."""
    pairs = load_positives("ua.base")
    order = np.lexsort((np.random.default_rng(0).random(len(pairs)), pairs[:, 0]))
    counts = np.bincount(pairs[:, 0], minlength=SHAPE[0])
    place = np.arange(len(pairs)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = np.zeros(len(pairs), bool)
    held[order[place < np.repeat(np.minimum(5, np.maximum(counts - 1, 0)), counts)]] = True
    tried = []
    for settings in ParameterSampler(SEARCHED, options.search, random_state=options.seeds):
        seconds, scores = fit_deep(settings)(pairs[~held], 0, options.threads)
        tried.append({"auc": judge(scores, pairs[~held], pairs[held])["auc"], "seconds": seconds, "settings": settings})
        print(json.dumps(tried[-1]), flush=True)
    tried.sort(key=lambda one: -one["auc"])
    print(f"\nbest: {tried[0]}")
    return {"tried": tried}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one epoch of Keras: the ratio means nothing")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--search", type=int, help="draws of settings to try instead of comparing")
    parser.add_argument("--output", help="where the record goes")
    options = parser.parse_args()
    results = search(options) if options.search else compare(options)
    name = "deep_triplet_search" if options.search else "deep_triplet-quick" if options.quick else "deep_triplet"
    common.save(name, {"machine": common.machine(), "threads": options.threads, **results}, options.output)


if __name__ == "__main__":
    main()
