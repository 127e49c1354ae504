"""The parameters and inputs of two towers, as they are kept between calls."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from skrec._holdout import kinds_and_weights, select_entries
from skrec._layers import Parameter, copy_layers, make_layers, make_parameter, take_parameter
from skrec.retrieval._engine import Entries
from skrec.retrieval._side import Bag, Side, as_bag_matrix
from skrec.utils._threads import blas_threads
from skrec.utils._validation import Interactions

# Weights of the tables at the start: small beside what training makes of them.
_SCALE = 0.1
# Users of an item's audience that a step uses at most.
_MOST_OF_AUDIENCE = 32
# What "auto" means for the weight of audiences, where items have at most so many positives on average. Items of more
# are known by their own embeddings: on MovieLens 1M (262) audiences cost quality and double the time.
_AUDIENCE_WEIGHT, _AUDIENCE_UP_TO = 1.0, 50
TABLES = (
    "user_table",
    "item_table",
    "history_table",
    "audience_table",
    "user_input_table",
    "item_input_table",
    "component_table",
)


class Towers(NamedTuple):
    """Two towers; an input that is not there is None."""

    user_table: Parameter | None
    item_table: Parameter | None
    history_table: Parameter | None
    audience_table: Parameter | None
    user_input_table: Parameter | None
    item_input_table: Parameter | None
    component_table: Parameter | None  # what the weights of generalised products are beyond 1
    user_layers: list  # of (weights, offsets)
    item_layers: list
    history: csr_array | None  # (n_users, n_items) float32
    audience: csr_array | None  # (n_items, n_users) float32
    user_inputs: csr_array | None  # (n_users, n_inputs) float32
    item_inputs: csr_array | None
    user_encoder: object
    item_encoder: object
    shape: tuple  # (n_users, n_items)
    seed: int
    epoch: int

    def sides(self, estimator, *, users_only=False):
        """Return the two towers to compute with. `users_only`: nothing but the users' own embeddings is stepped."""
        options = {"normalised": estimator.similarity == "cosine", "l2": estimator.l2}
        fixed = not users_only
        users = [
            (self.user_table, None, 0.0, True),
            (self.history_table, self.history, estimator.history_dropout, fixed),
            (self.user_input_table, self.user_inputs, 0.0, fixed),
        ]
        items = [
            (self.item_table, None, 0.0, fixed),
            (self.audience_table, self.audience, estimator.audience_dropout, fixed, _MOST_OF_AUDIENCE),
            (self.item_input_table, self.item_inputs, 0.0, fixed),
        ]
        n_users, n_items = self.shape
        return (
            Side(
                n_users,
                [Bag(*bag) for bag in users if bag[0] is not None],
                self.user_layers,
                trains=fixed,
                component_table=self.component_table,
                **options,
            ),
            Side(
                n_items, [Bag(*bag) for bag in items if bag[0] is not None], self.item_layers, trains=fixed, **options
            ),
        )

    def embed(self, estimator):
        """Return the vectors of all users and of all items.

        Own embeddings that no step has changed count as zeros, and a row without any other input gets a vector of
        zeros: nothing is known of it, and where training began says nothing.
        """
        own = ("user_table", "item_table", "audience_table")
        known = self._replace(**{name: _stepped(getattr(self, name)) for name in own})
        vectors = []
        # The bits of a product may depend on how many threads it is cut for.
        with blas_threads(1):
            for side in known.sides(estimator):
                done = side.forward()
                if side.layers:
                    done.output[~done.activations[0].any(axis=1)] = 0.0
                vectors.append(done.output)
        return vectors

    def parameters(self):
        """Return all parameters."""
        tables = [getattr(self, name) for name in TABLES]
        layers = [parameter for layer in [*self.user_layers, *self.item_layers] for parameter in layer]
        return [parameter for parameter in [*tables, *layers] if parameter is not None]

    def weights(self, side):
        """Return the weights of a side, "user" or "item", by the names that `TwoTowerRetriever` documents."""
        tables = {
            "embedding": _stepped(getattr(self, f"{side}_table")),
            "history": self.history_table if side == "user" else None,
            "audience": _stepped(self.audience_table) if side == "item" else None,
            "features": getattr(self, f"{side}_input_table"),
        }
        layers = [(weights.weights, offsets.weights[0]) for weights, offsets in getattr(self, f"{side}_layers")]
        arrays = {name: table.weights for name, table in tables.items() if table is not None}
        if side == "user" and self.component_table is not None:
            arrays["components"] = 1 + self.component_table.weights[0]
        return arrays | {"layers": layers}

    def with_history(self, matrix, estimator):
        """Return towers that share these parameters, with the positives of `matrix` as histories and audiences."""
        towers = self
        if self.history_table is not None:
            towers = towers._replace(history=make_history(matrix, estimator.history_weight))
        if self.audience_table is not None:
            towers = towers._replace(audience=make_audience(matrix, _audience_weight(estimator, matrix, self)))
        return towers

    def copy(self):
        """Return towers with parameters of their own, which training does not change."""
        tables = {name: take_parameter(getattr(self, name)) for name in TABLES if getattr(self, name) is not None}
        return self._replace(
            **tables, user_layers=copy_layers(self.user_layers), item_layers=copy_layers(self.item_layers)
        )


def start_towers(interactions, inputs, encoders, estimator, seed, old, places=(None, None), *, learning=True):
    """Return new towers, or copies of `old` ones with rows for the ids of `interactions`.

    Parameters
    ----------
    interactions : Interactions
    inputs : (csr_array or None, csr_array or None)
        Encoded features of users and of items.
    encoders : (transformer or None, transformer or None)
    estimator : TwoTowerRetriever
        Or an object with the same parameters, whose `n_components` may be a pair, of users and of items.
    seed : int
    old : Towers or None
    places : (ndarray of shape (n_users,), ndarray of shape (n_items,))
        Where each user and each item stands in the `old` towers; -1 where it does not.
    learning : bool
        Whether items are to be trained. If not, their audiences stay those of the `old` towers.

    Raises
    ------
    ValueError
        When a parameter of the estimator no longer fits the old towers.
    """
    n_users, n_items = interactions.matrix.shape
    n_components = estimator.n_components
    widths = n_components if isinstance(n_components, tuple) else (n_components, n_components)
    rng = np.random.default_rng([seed, 2, n_users, n_items] if old is not None else [seed, 2])
    audience_weight = _audience_weight(estimator, interactions.matrix, old)
    n_inputs = [None if matrix is None else matrix.shape[1] for matrix in inputs]
    wanted = {
        "user_table": (n_users if estimator.user_embedding else None, widths[0], places[0]),
        "item_table": (n_items if estimator.item_embedding else None, widths[1], places[1]),
        "history_table": (n_items if estimator.history_weight > 0 else None, widths[0], places[1]),
        "audience_table": (n_users if audience_weight > 0 else None, widths[1], places[0]),
        "user_input_table": (n_inputs[0], widths[0], None),
        "item_input_table": (n_inputs[1], widths[1], None),
        "component_table": (1 if estimator.similarity == "gmf" else None, widths[0], None),
    }
    tables = {}
    for name, (n, width, rows) in wanted.items():
        before = None if old is None else getattr(old, name)
        if old is not None and (
            (n is None) != (before is None) or (n is not None and before.weights.shape[1] != width)
        ):
            raise ValueError(
                "n_components, user_embedding, item_embedding, history_weight, audience_weight or similarity is not "
                "what the towers were made with: set it back, or fit anew with warm_start=False."
            )
        if n is None:
            tables[name] = None
        else:
            spread = 0.0 if name == "component_table" else _SCALE
            tables[name] = make_parameter(n, width, spread, rng) if before is None else _grow(before, rows, rng)
    if old is None:
        hidden = tuple(estimator.hidden_layers)
        layers = [make_layers([width, *hidden, width] if hidden else [], rng) for width in widths]
    else:
        layers = [copy_layers(old.user_layers), copy_layers(old.item_layers)]
        widths = tuple(weights.weights.shape[1] for weights, _ in layers[0][:-1])
        if widths != tuple(estimator.hidden_layers):
            raise ValueError(
                f"hidden_layers={estimator.hidden_layers} is not what the towers were made with, {widths}: set it "
                "back, or fit anew with warm_start=False."
            )
    audience = None
    if audience_weight > 0 and not learning:
        audience = as_bag_matrix(known_rows(known_rows(old.audience, places[1]).T.tocsr(), places[0]).T)
    elif audience_weight > 0:
        audience = make_audience(interactions.matrix, audience_weight)
    return Towers(
        **tables,
        audience=audience,
        user_layers=layers[0],
        item_layers=layers[1],
        history=make_history(interactions.matrix, estimator.history_weight) if estimator.history_weight > 0 else None,
        user_inputs=None if inputs[0] is None else as_bag_matrix(inputs[0]),
        item_inputs=None if inputs[1] is None else as_bag_matrix(inputs[1]),
        user_encoder=encoders[0],
        item_encoder=encoders[1],
        shape=(n_users, n_items),
        seed=seed,
        epoch=0 if old is None else old.epoch,
    )


def _grow(parameter, rows, rng):
    """Return a copy of some rows of a parameter (None: all), with new ones where `rows` is -1."""
    taken = take_parameter(parameter, rows)
    new = np.flatnonzero(rows < 0) if rows is not None else ()
    if len(new):
        fresh = make_parameter(len(new), taken.weights.shape[1], _SCALE, rng)
        for array, values in zip(taken, fresh, strict=True):
            array[new] = values
    return taken


def _stepped(parameter):
    """Return a parameter whose rows that were never stepped hold zeros."""
    if parameter is None or parameter.counts.all():
        return parameter
    return parameter._replace(weights=np.where(parameter.counts[:, None] > 0, parameter.weights, np.float32(0)))


def known_rows(matrix, rows):
    """Return a csr_array of some rows of another, without entries where `rows` is -1."""
    kept = np.flatnonzero(rows >= 0)
    lengths = np.zeros(len(rows), np.int64)
    lengths[kept] = np.diff(matrix.indptr)[rows[kept]]
    part = matrix[rows[kept]]
    return csr_array((part.data, part.indices, np.append(0, np.cumsum(lengths))), shape=(len(rows), matrix.shape[1]))


def make_history(matrix, weight):
    """Return each user's positives, of value ``weight / sqrt(number of them)``."""
    liked = matrix.data > 0
    indptr = np.append(0, np.cumsum(liked))[matrix.indptr].astype(np.int64)
    lengths = np.diff(indptr)
    values = np.repeat(weight / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
    return as_bag_matrix(csr_array((values, matrix.indices[liked].astype(np.int32), indptr), shape=matrix.shape))


def _audience_weight(estimator, matrix, old):
    """Return the weight of audiences; what "auto" means is decided by the first towers' interactions."""
    if estimator.audience_weight != "auto":
        return estimator.audience_weight
    if old is not None:
        return 0.0 if old.audience_table is None else _AUDIENCE_WEIGHT
    small = np.count_nonzero(matrix.data > 0) <= _AUDIENCE_UP_TO * matrix.shape[1]
    return _AUDIENCE_WEIGHT if small else 0.0


def make_audience(matrix, weight):
    """Return the users who have each item as a positive, of value ``weight / sqrt(number of them)``."""
    return make_history(matrix.T.tocsr(), weight)


def make_entries(matrix, weight, batch):
    """Return what the engine trains on: the positives of `batch`, among all interactions."""
    from skrec._kernels._partition import TRAIN

    if batch.matrix is matrix:
        return Entries(matrix, weight, matrix.data > 0)
    kinds, weights = kinds_and_weights(matrix, batch.matrix, batch.weight)
    return Entries(matrix, weights, kinds == TRAIN)


def interactions_of(interactions, users):
    """Return the interactions of some users alone, in the same codes."""
    rows = np.zeros(interactions.matrix.shape[0], bool)
    rows[users] = True
    kept = np.repeat(rows, np.diff(interactions.matrix.indptr))
    weight = None if interactions.weight is None else interactions.weight[kept]
    return Interactions(select_entries(interactions.matrix, kept), weight, *interactions[2:])
