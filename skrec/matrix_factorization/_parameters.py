"""Parameters of a factorisation and the memory of its optimiser: started, carried over, copied, read out."""

from typing import NamedTuple

import numpy as np

from skrec._kernels._sampling import Model
from skrec._kernels._updates import ADAGRAD, ADAM, SGD, Optimizer
from skrec.utils._cache_lines import aligned_empty
from skrec.utils._ids import encode_ids

_CODES = {"sgd": SGD, "adagrad": ADAGRAD, "adam": ADAM}
# AdaGrad's sums of squares start here: small beside one gradient, so that the first steps are about learning_rate long.
_ADAGRAD_START = 1e-2


# Fields that have a row an item, or none.
_MODEL_ITEMS = "V", "bias", "v_scale"
_OPTIMIZER_ITEMS = "V1", "V2", "v_steps", "bias1", "bias2"


class Parameters(NamedTuple):
    """What training changes."""

    model: Model
    optimizer: Optimizer
    u_norm: np.ndarray | None = None  # lengths that the vectors of a finished cosine model had in training
    v_norm: np.ndarray | None = None

    def copy(self):
        """Return a copy that further training leaves alone."""
        return Parameters(
            *(
                type(part)(*(value.copy() if isinstance(value, np.ndarray) else value for value in part))
                for part in (self.model, self.optimizer)
            )
        )

    def scoring(self):
        """Return user factors, item factors and item biases whose dot products and sums are the scores."""
        model = self.model
        if model.cosine and self.u_norm is None:
            return model.U * model.u_scale[:, None], model.V * model.v_scale[:, None], model.bias
        return model.U * model.w if model.weighted else model.U, model.V, model.bias

    def finish(self):
        """Make the vectors of a cosine model unit vectors, in place, and keep their norms; return the parameters.

        So that a fitted model holds each factor table once: :meth:`scoring` then copies nothing but the users of GMF.
        """
        model = self.model
        if not model.cosine:
            return self
        u_norm, v_norm = 1.0 / model.u_scale, 1.0 / model.v_scale
        model.U[:] *= model.u_scale[:, None]
        model.V[:] *= model.v_scale[:, None]
        unit = model._replace(u_scale=np.ones_like(u_norm), v_scale=np.ones_like(v_norm))
        return self._replace(model=unit, u_norm=u_norm, v_norm=v_norm)

    def fitted(self):
        """Return the fitted attributes of the estimator."""
        users, items, biases = self.scoring()
        return {
            "user_factors_": users,
            "item_factors_": items,
            "item_biases_": biases,
            "component_weights_": self.model.w,
        }


def start_parameters(estimator, user_ids, item_ids, seed, old=None):
    """Allocate parameters, drawn from `seed`; rows of ids that `old` knows go on from there.

    Parameters
    ----------
    estimator : TripletMF
        Its constructor parameters say what is needed.
    user_ids, item_ids : ndarray
        Ids of the rows.
    seed : int
        Seed.
    old : TripletMF, default=None
        Fitted estimator to go on from.

    Returns
    -------
    parameters : Parameters
        New arrays throughout.
    """
    n_users, n_items, n_components = len(user_ids), len(item_ids), estimator.n_components
    # Vectors of length about 1: for the cosine that is what a step is measured against. Scores of dot and gmf start
    # small instead.
    cosine = estimator.similarity == "cosine"
    spread = (1.0 if cosine else 0.1) / np.sqrt(n_components)
    known = 0 if old is None else len(old.user_ids_) + len(old.item_ids_)
    rng = np.random.default_rng([seed, 0, known])
    U, V = (aligned_empty((n, n_components), np.float32) for n in (n_users, n_items))
    for table in (U, V):
        rng.standard_normal(dtype=np.float32, out=table)
        table *= np.float32(spread)
    code = _CODES[estimator.optimizer]

    def memory(shape, used, start=0.0):
        table = aligned_empty(shape if used else (0,) * len(shape), np.float32)
        table[:] = start
        return table

    begin = _ADAGRAD_START if code == ADAGRAD else 0.0
    optimizer = Optimizer(
        code,
        float(estimator.learning_rate),
        float(estimator.l2),
        U1=memory(U.shape, code != SGD, begin),
        V1=memory(V.shape, code != SGD, begin),
        U2=memory(U.shape, code == ADAM),
        V2=memory(V.shape, code == ADAM),
        u_steps=np.zeros(n_users if code == ADAM else 0, np.int32),
        v_steps=np.zeros(n_items if code == ADAM else 0, np.int32),
        bias1=memory((n_items,), code != SGD and estimator.item_bias, begin),
        bias2=memory((n_items,), code == ADAM and estimator.item_bias),
    )
    model = Model(
        U,
        V,
        w=np.ones(n_components, np.float32),
        bias=np.zeros(n_items, np.float32),
        u_scale=np.ones(n_users if cosine else 0, np.float32),
        v_scale=np.ones(n_items if cosine else 0, np.float32),
        cosine=cosine,
        biased=bool(estimator.item_bias),
        weighted=estimator.similarity == "gmf",
    )
    if old is not None:
        _carry_over(Parameters(model, optimizer), old, user_ids, item_ids)
    if cosine:
        model.u_scale[:] = 1.0 / np.maximum(np.linalg.norm(U, axis=1), 1e-12)
        model.v_scale[:] = 1.0 / np.maximum(np.linalg.norm(V, axis=1), 1e-12)
    return Parameters(model, optimizer)


def item_tables(model, optimizer):
    """Return the arrays that have a row an item, each of shape (n_items, n) and four bytes a number."""
    tables = [getattr(model, name) for name in _MODEL_ITEMS] + [getattr(optimizer, name) for name in _OPTIMIZER_ITEMS]
    return [table.reshape(len(table), -1) for table in tables if len(table)]


def product_model(user_factors, item_factors, item_biases):
    """Return a model whose scores are the products of some vectors, plus biases."""
    nothing = np.empty(0, np.float32)
    return Model(
        user_factors,
        item_factors,
        w=np.ones(user_factors.shape[1], np.float32),
        bias=item_biases,
        u_scale=nothing,
        v_scale=nothing,
        cosine=False,
        biased=bool(item_biases.any()),
        weighted=False,
    )


def _carry_over(new, old, user_ids, item_ids):
    """Copy what `old` has learnt about the ids that it knows."""
    before = old._parameters
    if before.model.U.shape[1] != new.model.U.shape[1] or before.model.cosine != new.model.cosine:
        raise ValueError(
            f"n_components={new.model.U.shape[1]} and similarity must be what they were in the first fit (n_components="
            f"{before.model.U.shape[1]}) to go on from it; set warm_start=False or make a new estimator."
        )
    users, items = encode_ids(user_ids, old.user_ids_), encode_ids(item_ids, old.item_ids_)
    new.model.w[:] = before.model.w
    pairs = [(new.model.U, before.model.U, users), (new.model.V, before.model.V, items)]
    pairs += [(new.model.bias, before.model.bias, items)]
    for name, codes in [("U1", users), ("U2", users), ("u_steps", users)] + [
        (name, items) for name in _OPTIMIZER_ITEMS
    ]:
        pairs.append((getattr(new.optimizer, name), getattr(before.optimizer, name), codes))
    same_optimizer = before.optimizer.code == new.optimizer.code
    for place, (into, out_of, codes) in enumerate(pairs):
        if place >= 3 and not same_optimizer or not (len(into) and len(out_of)):
            continue
        known = codes >= 0
        into[known] = out_of[codes[known]]
    if new.model.cosine:
        for table, norm, codes in (new.model.U, before.u_norm, users), (new.model.V, before.v_norm, items):
            known = codes >= 0
            table[known] *= norm[codes[known], None]
