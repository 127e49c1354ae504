"""Who takes part in bench_quality.py: how each is fitted, what is searched, and the ladder of epochs it climbs.

A contestant is a function of (pairs, shape, settings, epochs, threads, seed) that returns the seconds of its `fit` and
a float array of scores of shape `shape`. Ids in `pairs` are counted from 0. Making the matrix that a peer asks for is
not timed; reading the raw pairs and encoding ids is part of TripletMF's fit and is.
"""

import warnings

import common
import numpy as np
from scipy import sparse


def fit_skrec(pairs, shape, settings, epochs, threads, seed):
    from skrec import TripletMF, samplers

    settings = dict(settings)
    name, parameters = settings.pop("sampler", ("UniformSampler", {}))
    model = TripletMF(
        max_iter=epochs,
        sampler=getattr(samplers, name)(**parameters),
        n_jobs=threads,
        random_state=seed,
        **settings,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few epochs are the point here, TripletMF warns that they did not converge
        seconds, _ = common.stopwatch(model.fit, pairs)
    scores = np.full(shape, -np.inf)
    users, items = np.unique(pairs[:, 0]), np.unique(pairs[:, 1])
    grid = np.column_stack([np.repeat(users, len(items)), np.tile(items, len(users))])
    scores[np.ix_(users, items)] = model.predict(grid).reshape(len(users), len(items))
    return seconds, scores


def to_csr(pairs, shape):
    ones = np.ones(len(pairs), dtype=np.float32)
    matrix = sparse.csr_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=shape)
    matrix.sort_indices()
    return matrix


def fit_implicit(model, pairs, shape):
    seconds, _ = common.stopwatch(model.fit, to_csr(pairs, shape), show_progress=False)
    return seconds, model.user_factors @ model.item_factors.T


def fit_implicit_als(pairs, shape, settings, epochs, threads, seed):
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(iterations=epochs, num_threads=threads, random_state=seed, **settings)
    return fit_implicit(model, pairs, shape)


def fit_implicit_bpr(pairs, shape, settings, epochs, threads, seed):
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(iterations=epochs, num_threads=threads, random_state=seed, **settings)
    return fit_implicit(model, pairs, shape)


def fit_lightfm(loss, pairs, shape, settings, epochs, threads, seed):
    from lightfm import LightFM

    model = LightFM(loss=loss, random_state=seed, **settings)
    matrix = to_csr(pairs, shape).tocoo()
    seconds, _ = common.stopwatch(model.fit, matrix, epochs=epochs, num_threads=threads)
    return seconds, model.user_embeddings @ model.item_embeddings.T + model.item_biases


def fit_lightfm_warp(*args):
    return fit_lightfm("warp", *args)


def fit_lightfm_bpr(*args):
    return fit_lightfm("bpr", *args)


def cornac_dataset(pairs, shape):
    from cornac.data import Dataset

    ids = [{n: n for n in range(count)} for count in shape]
    return Dataset(*shape, *ids, (*np.ascontiguousarray(pairs.T), np.ones(len(pairs), dtype=np.float32)))


def fit_cornac_bpr(pairs, shape, settings, epochs, threads, seed):
    from cornac.models import BPR

    # A seed would hold Cornac to one thread.
    model = BPR(max_iter=epochs, num_threads=threads, seed=seed if threads == 1 else None, **settings)
    seconds, _ = common.stopwatch(model.fit, cornac_dataset(pairs, shape))
    return seconds, model.u_factors @ model.i_factors.T + model.i_biases


def fit_cornac_ease(pairs, shape, settings, epochs, threads, seed):
    from cornac.models import EASE

    model = EASE(posB=False, verbose=False, **settings)
    seconds, _ = common.stopwatch(model.fit, cornac_dataset(pairs, shape))
    return seconds, np.asarray(model.U @ model.B)


def fit_keras(pairs, shape, settings, epochs, threads, seed):
    """Fit the triplet notebook's model: cosine of two embeddings, hinge of margin 1, Adam, fresh negatives an epoch."""
    import keras
    from keras import ops

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    regularizer = keras.regularizers.L2(settings["l2"])
    users, items = (
        keras.layers.Embedding(n, settings["n_components"], embeddings_regularizer=regularizer) for n in shape
    )

    def unit(vectors):
        return vectors / ops.maximum(ops.norm(vectors, axis=-1, keepdims=True), 1e-7)

    inputs = [keras.Input((), dtype="int32") for _ in range(3)]
    user, positive, negative = (unit(table(ids)) for table, ids in zip((users, items, items), inputs, strict=True))
    margin = ops.maximum(ops.sum(user * (negative - positive), axis=-1) + 1.0, 0.0)
    model = keras.Model(inputs, margin)
    model.compile(optimizer="adam", loss=lambda _, value: ops.mean(value))

    def fit():
        for _ in range(epochs):
            triplets = [pairs[:, 0], pairs[:, 1], rng.integers(shape[1], size=len(pairs), dtype=np.int32)]
            model.fit(triplets, np.zeros(len(pairs)), batch_size=settings["batch_size"], shuffle=True, verbose=0)

    seconds, _ = common.stopwatch(fit)
    tables = [layer.embeddings.numpy() for layer in (users, items)]
    tables = [table / np.linalg.norm(table, axis=1, keepdims=True) for table in tables]
    return seconds, tables[0] @ tables[1].T


# name: (fit, rungs of the ladder of epochs, what --search draws from)
PEERS = {
    "implicit als": (
        fit_implicit_als,
        (1, 2, 3, 5, 8, 15, 30),
        {"factors": [16, 32, 64, 128], "regularization": [3.0, 8.0, 15.0, 30.0, 60.0], "alpha": [0.5, 1.0, 2.0, 5.0]},
    ),
    "lightfm warp": (
        fit_lightfm_warp,
        (1, 2, 3, 5, 10, 20, 30),
        {
            "no_components": [16, 32, 64],
            "learning_rate": [0.02, 0.05, 0.1],
            "max_sampled": [10, 30, 50],
            "item_alpha": [0.0, 1e-6, 1e-5],
            "user_alpha": [0.0, 1e-6, 1e-5],
        },
    ),
    "cornac bpr": (
        fit_cornac_bpr,
        (20, 50, 100, 200, 400),
        {
            "k": [32, 64, 128],
            "learning_rate": [0.01, 0.02, 0.05, 0.1],
            "lambda_reg": [0.001, 0.003, 0.01, 0.02, 0.04],
        },
    ),
    "cornac ease": (fit_cornac_ease, (1,), {"lamb": [100, 200, 300, 500, 700, 1000, 2000, 3000, 5000, 10000]}),
    "implicit bpr": (
        fit_implicit_bpr,
        (50, 100, 200, 400, 800),
        {
            "factors": [32, 64, 128],
            "learning_rate": [0.01, 0.02, 0.05, 0.1],
            "regularization": [0.01, 0.03, 0.06, 0.1],
        },
    ),
    "lightfm bpr": (
        fit_lightfm_bpr,
        (2, 5, 10, 20, 40),
        {
            "no_components": [16, 32, 64],
            "learning_rate": [0.02, 0.05, 0.1],
            "item_alpha": [0.0, 1e-6, 1e-5, 1e-4],
            "user_alpha": [0.0, 1e-6, 1e-5, 1e-4],
        },
    ),
}

# The notebook's own settings; there is nothing to search.
KERAS = {"keras notebook": (fit_keras, (5, 10), {"n_components": [64], "l2": [1e-6], "batch_size": [64]})}

SKREC = (
    fit_skrec,
    (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120),
    {
        "n_components": [16, 32, 64],
        "similarity": ["cosine", "dot"],
        "loss": ["hinge", "bpr"],
        "sampler": [
            ["UniformSampler", {}],
            ["PopularitySampler", {"alpha": 0.25}],
            ["PopularitySampler", {"alpha": 0.5}],
            ["WARPSampler", {"max_sampled": 10}],
            ["DynamicSampler", {"n_candidates": 3, "top_m": 1}],
            ["DynamicSampler", {"n_candidates": 8, "top_m": 2}],
        ],
        "learning_rate": [0.05, 0.1, 0.2, 0.5, 1.0],
        "l2": [0.0, 1e-6, 1e-5, 1e-4, 1e-3],
        "item_bias": [False, True],
    },
)
