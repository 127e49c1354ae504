"""The parameters and inputs of two towers, as they are kept between calls."""

import copy
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from skrec.matrix_factorization._holdout import kinds_and_weights
from skrec.retrieval._engine import Entries
from skrec.retrieval._side import Bag, Parameter, Side, as_bag_matrix, make_parameter
from skrec.utils._validation import Interactions

# Weights of the tables at the start: small beside what training makes of them.
_SCALE = 0.1


class Towers(NamedTuple):
    """Two towers; an input that is not there is None."""

    user_table: Parameter | None
    item_table: Parameter | None
    history_table: Parameter | None
    user_input_table: Parameter | None
    item_input_table: Parameter | None
    user_layers: list  # of (weights, offsets)
    item_layers: list
    history: csr_array | None  # (n_users, n_items) float32
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
        items = [(self.item_table, None, 0.0, fixed), (self.item_input_table, self.item_inputs, 0.0, fixed)]
        n_users, n_items = self.shape
        return (
            Side(
                n_users, [Bag(*bag) for bag in users if bag[0] is not None], self.user_layers, trains=fixed, **options
            ),
            Side(
                n_items, [Bag(*bag) for bag in items if bag[0] is not None], self.item_layers, trains=fixed, **options
            ),
        )

    def embed(self, estimator):
        """Return the vectors of all users and of all items."""
        return [side.forward(np.arange(side.n_rows, dtype=np.int32)).output for side in self.sides(estimator)]

    def parameters(self):
        """Return all parameters."""
        tables = [
            self.user_table,
            self.item_table,
            self.history_table,
            self.user_input_table,
            self.item_input_table,
        ]
        layers = [parameter for layer in [*self.user_layers, *self.item_layers] for parameter in layer]
        return [parameter for parameter in [*tables, *layers] if parameter is not None]

    def with_history(self, matrix, weight, estimator):
        """Return towers that share these parameters, with the positives of `matrix` as the users' histories."""
        if self.history_table is None:
            return self
        return self._replace(history=make_history(matrix, estimator.history_weight))

    def without_new(self, n_users, n_items):
        """Return the towers with the own embeddings of users and items from these numbers on set to 0."""
        for parameter, n in ((self.user_table, n_users), (self.item_table, n_items), (self.history_table, n_items)):
            if parameter is not None:
                parameter.weights[n:] = 0.0
        return self


def start_towers(interactions, inputs, encoders, estimator, seed, old):
    """Return new towers, or copies of `old` ones grown to the ids of `interactions`.

    Parameters
    ----------
    interactions : Interactions
    inputs : (csr_array or None, csr_array or None)
        Encoded features of users and of items.
    encoders : (transformer or None, transformer or None)
    estimator : TwoTowerRetriever
    seed : int
    old : Towers or None

    Raises
    ------
    ValueError
        When a parameter of the estimator no longer fits the old towers.
    """
    width, (n_users, n_items) = estimator.n_components, interactions.matrix.shape
    rng = np.random.default_rng([seed, 2, n_users, n_items] if old is not None else [seed, 2])
    n_inputs = [None if matrix is None else matrix.shape[1] for matrix in inputs]
    wanted = {
        "user_table": n_users if estimator.user_embedding else None,
        "item_table": n_items if estimator.item_embedding else None,
        "history_table": n_items if estimator.history_weight > 0 else None,
        "user_input_table": n_inputs[0],
        "item_input_table": n_inputs[1],
    }
    tables = {}
    for name, n in wanted.items():
        before = None if old is None else getattr(old, name)
        if old is not None and (
            (n is None) != (before is None) or (n is not None and before.weights.shape[1] != width)
        ):
            raise ValueError(
                "n_components, user_embedding, item_embedding or history_weight is not what the towers were made with: "
                "set it back, or fit anew with warm_start=False."
            )
        tables[name] = None if n is None else _grow(before, n, width, rng)
    if old is None:
        layers = [_make_layers(width, tuple(estimator.hidden_layers), rng) for _ in range(2)]
    else:
        layers = copy.deepcopy([old.user_layers, old.item_layers])
        widths = tuple(weights.weights.shape[1] for weights, _ in layers[0][:-1])
        if widths != tuple(estimator.hidden_layers):
            raise ValueError(
                f"hidden_layers={estimator.hidden_layers} is not what the towers were made with, {widths}: set it back, "
                "or fit anew with warm_start=False."
            )
    return Towers(
        **tables,
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


def _grow(parameter, n, width, rng):
    """Return a copy of a parameter with new rows added, or a new one."""
    if parameter is None:
        return make_parameter(n, width, _SCALE, rng)
    more = make_parameter(n - len(parameter.weights), width, _SCALE, rng)
    return Parameter(*(np.concatenate(pair) for pair in zip(parameter, more, strict=True)))


def _make_layers(width, hidden, rng):
    """Return dense layers from `width` through `hidden` back to `width`, He's scale; none without hidden ones."""
    widths = [width, *hidden, width] if hidden else []
    layers = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True) if hidden else ():
        layers.append((make_parameter(n_in, n_out, np.sqrt(2 / n_in), rng), make_parameter(1, n_out, 0.0, rng)))
    return layers


def make_history(matrix, weight):
    """Return each user's positives, of value ``weight / sqrt(number of them)``."""
    liked = matrix.data > 0
    indptr = np.append(0, np.cumsum(liked))[matrix.indptr].astype(np.int64)
    lengths = np.diff(indptr)
    values = np.repeat(weight / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
    return as_bag_matrix(csr_array((values, matrix.indices[liked].astype(np.int32), indptr), shape=matrix.shape))


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
    lengths = np.diff(interactions.matrix.indptr)
    kept = np.repeat(rows, lengths)
    matrix = interactions.matrix
    indptr = np.append(0, np.cumsum(np.where(rows, lengths, 0)))
    part = csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)
    weight = None if interactions.weight is None else interactions.weight[kept]
    return Interactions(part, weight, interactions.user_ids, interactions.item_ids)
