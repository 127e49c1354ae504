"""Matrix factorisation trained on (user, positive, negative) triplets."""

import copy
from contextlib import nullcontext
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state

from skrec._factors import FactorRecommender
from skrec.base import BaseRecommender
from skrec.exceptions import DivergenceError
from skrec.losses import BPRLoss, HingeLoss, LogisticLoss, WARPLoss
from skrec.samplers import UniformSampler, WARPSampler
from skrec.samplers._mixed import Mixture
from skrec.utils._ids import encode_ids
from skrec.utils._sklearn_compat import HasMethods, Interval, StrOptions, fit_context
from skrec.utils._validation import check_interactions, merge_interactions

_LOSSES = {"hinge": HingeLoss, "bpr": BPRLoss, "warp": WARPLoss, "logistic": LogisticLoss}


class TripletMF(CallbackSupportMixin, FactorRecommender):
    """Matrix factorisation trained on triplets of a user, a positive item and a sampled negative item.

    Parameters
    ----------
    n_components : int, default=64
        Length of the vector of each user and item.
    similarity : {"cosine", "dot", "gmf"}, default="cosine"
        Score of user u and item i: the cosine of their vectors; their dot product; or ``sum(w * p_u * q_i)`` with
        weights w learnt (generalised matrix factorisation).
    loss : {"hinge", "bpr", "warp", "logistic"} or loss object, default="hinge"
        What a triplet costs, see :mod:`skrec.losses`. Pass an object to set or tune its parameters: ``loss__margin``.
    sampler : sampler or None, default=None
        Where negatives come from, see :mod:`skrec.samplers`. None: :class:`~skrec.samplers.UniformSampler`, for
        ``loss="warp"`` :class:`~skrec.samplers.WARPSampler`.
    positive_sampler : positive sampler or None, default=None
        Which positives an epoch trains on, or with what weight:
        :class:`~skrec.samplers.PopularityDownSampler` or :class:`~skrec.samplers.InversePropensityWeighter`. None: all,
        alike.
    optimizer : {"adagrad", "adam", "sgd"}, default="adagrad"
        AdaGrad and Adam keep one or two numbers beside each number of a vector, and steps of rows that a triplet does
        not contain are not made (lazy).
    learning_rate : float, default=0.2
        Step size.
    l2 : float, default=0.0
        Penalty ``l2 / 2 * ||v||**2`` on each vector of a triplet, and on its item biases, at every step (a triplet
        without a gradient is no step). For GMF also
        on how far the component weights are from 1, without which their scale and that of the vectors would be one too
        many.
    item_bias : bool, default=False
        Whether to learn a number that is added to each score of an item. (A bias of a user would not change any
        ranking.)
    max_iter : int, default=60
        Epochs: every positive is drawn a negative once in each. 0 leaves the model untrained.
    early_stopping : bool, default=False
        Whether to hold out a share of each user's positives, and stop when the average per-user ROC AUC on them has not
        improved by `tol` for `n_iter_no_change` epochs. The best epoch's model is kept.
    validation_fraction : float, default=0.1
        Share of each user's positives held out for early stopping.
    n_iter_no_change : int, default=5
        Epochs without improvement after which to stop early.
    tol : float, default=1e-4
        Least improvement of the AUC that counts.
    warm_start : bool, default=False
        Whether `fit` goes on from the vectors of the last `fit` for ids that it knew, with the seed of the first.
    user, item : int or str, default=0 and 1
        Position or name of the columns of user and item ids.
    on_unknown : {"popular", "error"}, default="popular"
        What to do with ids that were not in the training rows, see `predict`.
    n_jobs : int or None, default=None
        Threads, of which training uses the largest power of two that is not above. None is 1 unless in a
        :func:`joblib.parallel_config` context, -1 all processors. Does not change the result, by a bit.
    random_state : int, RandomState instance or None, default=None
        Seeds the start vectors, the order of training and the sampler.
    verbose : int, default=0
        1 prints a line an epoch.

    Attributes
    ----------
    user_factors_ : ndarray of shape (n_users, n_components), float32
        Vectors of the users, in the order of `user_ids_`. Of length 1 for cosine; times the component weights for GMF;
        so that a score is always a dot product, plus the item's bias.
    item_factors_ : ndarray of shape (n_items, n_components), float32
        Vectors of the items, in the order of `item_ids_`. Of length 1 for cosine.
    item_biases_ : ndarray of shape (n_items,), float32
        Biases; zeros without `item_bias`.
    component_weights_ : ndarray of shape (n_components,), float32
        Weights of GMF; ones otherwise.
    user_ids_, item_ids_ : ndarray
        Ids of the rows of the factors.
    interactions_ : csr_array of shape (n_users, n_items), int8
        Training pairs: 1 positive, -1 explicit negative.
    item_popularity_ : ndarray of shape (n_items,), int64
        Positives of each item.
    loss_curve_ : list of float
        Mean loss of each epoch, over its steps; without the l2 penalty.
    zero_gradient_share_ : list of float
        Share of each epoch's triplets that cost nothing and so taught nothing: how hard the sampler is, beside the
        loss.
    validation_scores_ : list of float
        AUC on the held-out positives after each epoch; only with `early_stopping`.
    sampler_ : sampler
        Fitted clone of `sampler`.
    positive_sampler_ : positive sampler or None
        Fitted clone of `positive_sampler`.
    loss_ : loss object
        Loss that was used.
    n_iter_ : int
        Epochs run by the last call of `fit` or since, by `partial_fit`.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of `X`, where it had any.

    Raises
    ------
    DivergenceError
        When loss or vectors leave the finite numbers: lower `learning_rate`. The estimator is as it was before.

    Warns
    -----
    ConvergenceWarning
        When `early_stopping` has not stopped before `max_iter`.

    See Also
    --------
    skrec.EASERecommender : Closed-form item-to-item model; no seeds, no epochs.
    skrec.PopularityRecommender : The baseline to beat.

    Notes
    -----
    *What is learnt from.* Rows with ``y > 0`` (all rows where `y` is None) are positives. Rows with ``y <= 0`` are
    explicit negatives: never positives; drawn as negatives only by :class:`~skrec.samplers.ExplicitSampler`, or by
    samplers told to with ``exclude_explicit=False``. A `sample_weight` multiplies the gradient of each triplet of the
    row's pair; rows of weight 0 are as good as absent.

    *How.* Each epoch deals the items into random blocks and sorts the interactions by user group and block; negatives
    come from the block of their positive. Chunks that share no user and no item are trained on at the same time,
    without locks, so that the result depends on data and seed alone. Within a triplet all three rows take their steps
    from the values before it. Time of an epoch: O(n_positives * n_components), memory 4 bytes a number and interaction.

    The component weights of GMF belong to all users; each group trains a copy of its own for a round, then they are
    averaged.

    References
    ----------
    Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009. He et al., "Neural
    collaborative filtering", WWW 2017, section 3.2 (GMF).

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.datasets import make_interactions
    >>> X, y = make_interactions(return_X_y=True, random_state=0)
    >>> model = TripletMF(n_components=16, random_state=0).fit(X, y)
    >>> ids, scores = model.recommend([3, 7], n_recommendations=5)
    >>> ids.shape
    (2, 5)
    """

    _parameter_constraints: dict = {
        **BaseRecommender._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "similarity": [StrOptions({"cosine", "dot", "gmf"})],
        "loss": [StrOptions(set(_LOSSES)), HasMethods(["_make_state"])],
        "sampler": [HasMethods(["fit", "_make_state"]), None],
        "positive_sampler": [HasMethods(["fit", "_kept", "_weight"]), None],
        "optimizer": [StrOptions({"adagrad", "adam", "sgd"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "item_bias": ["boolean"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=64,
        *,
        similarity="cosine",
        loss="hinge",
        sampler=None,
        positive_sampler=None,
        optimizer="adagrad",
        learning_rate=0.2,
        l2=0.0,
        item_bias=False,
        max_iter=60,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=1e-4,
        warm_start=False,
        user=0,
        item=1,
        on_unknown="popular",
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.similarity = similarity
        self.loss = loss
        self.sampler = sampler
        self.positive_sampler = positive_sampler
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.l2 = l2
        self.item_bias = item_bias
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.user = user
        self.item = item
        self.on_unknown = on_unknown
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context
    @with_callbacks
    def fit(self, X, y=None, sample_weight=None):
        """Learn the vectors from interactions.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            One interaction a row, with a column of user ids and one of item ids; other columns are not used.
        y : array-like of shape (n_rows,), default=None
            Above 0: positive. 0 and below, or False: explicit negative. None: every row is a positive.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, 0 or more.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        from skrec.matrix_factorization._parameters import start_parameters

        interactions = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item)
        going_on = self.warm_start and hasattr(self, "_seed")
        seed = self._seed if going_on else int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        parameters = start_parameters(
            self, interactions.user_ids, interactions.item_ids, seed, self if going_on else None
        )
        self._train(
            X,
            y,
            interactions,
            interactions,
            parameters,
            seed,
            max_iter=self.max_iter,
            early_stopping=self.early_stopping and self.max_iter > 0,
        )
        return self

    @fit_context
    @with_callbacks
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train one epoch on more interactions. New users and items get vectors of their own.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`. Earlier positives are not trained on again, and remain known: they are not drawn as negatives.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        from skrec.matrix_factorization._parameters import start_parameters

        first = not hasattr(self, "_seed")
        new = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item, reset=first)
        if first:
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            merged, batch, parameters = new, new, start_parameters(self, new.user_ids, new.item_ids, seed)
        else:
            seed = self._seed
            merged, batch = merge_interactions(self._stored_interactions(), new)
            parameters = start_parameters(self, merged.user_ids, merged.item_ids, seed, old=self)
        self._train(X, y, merged, batch, parameters, seed, max_iter=1, going_on=not first)
        return self

    def _train(self, X, y, interactions, batch, parameters, seed, *, max_iter, going_on=False, early_stopping=False):
        """Train `parameters` on the entries of `batch`, then set the fitted attributes."""
        from skrec._epochs import FitTask, run_epochs, store_curves
        from skrec._holdout import hold_out, kinds_and_weights, scale_weights
        from skrec.matrix_factorization._engine import TripletEngine

        loss = self._resolve_loss()
        training, validation = interactions.matrix, None
        if early_stopping:
            validation = hold_out(training, interactions.weight, self.validation_fraction, seed)
            training, kinds, weights = validation.training, validation.training.data, validation.weight
        else:
            kinds, weights = kinds_and_weights(training, batch.matrix, batch.weight)
        ids = {"user_ids": interactions.user_ids, "item_ids": interactions.item_ids}
        sampler = self._resolve_sampler(loss).fit(training, **ids)
        if (going_on or self.warm_start) and hasattr(self, "sampler_"):
            sampler._carry_over(
                self.sampler_,
                encode_ids(interactions.user_ids, self.user_ids_),
                encode_ids(self.item_ids_, interactions.item_ids),
            )
        positives = None if self.positive_sampler is None else clone(self.positive_sampler).fit(training)
        engine = TripletEngine(
            training,
            kinds,
            weights if positives is None else scale_weights(weights, training, positives._weight()),
            parameters.model,
            parameters.optimizer,
            sampler,
            loss,
            seed=seed,
            epoch=getattr(self, "_epoch", 0) if going_on or self.warm_start else 0,
            n_jobs=self.n_jobs,
            kept=None if positives is None else positives._kept(),
        )
        past = self if going_on else None
        losses, zeros = [*getattr(past, "loss_curve_", [])], [*getattr(past, "zero_gradient_share_", [])]

        def attributes():
            # Copies: training goes on, and a callback may keep the model of an epoch.
            learnt = {name: value.copy() for name, value in parameters.fitted().items()}
            curves = {"loss_curve_": losses.copy(), "zero_gradient_share_": zeros.copy(), "n_iter_": len(losses)}
            # The matrix that the sampler was fitted on is not changed by training; all else of it may be.
            drawn_by = {"sampler_": copy.deepcopy(sampler, {id(training): training}), "loss_": loss}
            drawn_by["_parameters"] = None  # those of an earlier fit are not this epoch's
            return {**self._interaction_attributes(interactions), **learnt, **curves, **drawn_by}

        def run(epoch):
            statistics = engine.run_epoch(pool)
            self._check_finite(statistics, parameters, epoch)
            losses.append(statistics.loss)
            zeros.append(statistics.zero_gradient_share)
            return f"loss {losses[-1]:.4f}, zero-gradient triplets {zeros[-1]:.1%}"

        judge = None if validation is None else lambda: validation.auc(*parameters.scoring())
        task = FitTask(self, X, y, max_iter)
        with task.whole():
            with engine.threads() or nullcontext() as pool:
                aucs, best = run_epochs(self, task, max_iter, run, attributes, judge=judge, keep=parameters.copy)
            parameters = (best or parameters).finish()
            self._store_interactions(interactions)
            for name, value in parameters.fitted().items():
                setattr(self, name, value)
            self._parameters = parameters
            self._seed, self._epoch = seed, engine.epoch
            self.loss_, self.sampler_, self.positive_sampler_ = loss, sampler, positives
            self.zero_gradient_share_ = zeros
            store_curves(self, losses, aucs if early_stopping else None, going_on=going_on)

    def _resolve_loss(self):
        if isinstance(self.loss, str):
            return _LOSSES[self.loss]()
        loss = clone(self.loss)
        margin = getattr(loss, "margin", 0.0)
        if not isinstance(margin, Real) or not np.isfinite(margin) or margin < 0:
            raise ValueError(
                f"The 'margin' of {type(loss).__name__} must be a finite number of at least 0. Got {margin!r} instead."
            )
        return loss

    def _resolve_sampler(self, loss):
        if self.sampler is None:
            return WARPSampler() if isinstance(loss, WARPLoss) else UniformSampler()
        sampler = clone(self.sampler)
        if isinstance(loss, WARPLoss) and not _has_warp(sampler):
            raise ValueError(
                f"loss={self.loss!r} weights a step by the rank that WARPSampler estimates: sampler must be None, a "
                f"WARPSampler or a mixture with one. Got {sampler!r} instead."
            )
        return sampler

    def _check_finite(self, statistics, parameters, epoch):
        model = parameters.model
        with np.errstate(over="ignore", invalid="ignore"):  # what they would warn of is what is looked for
            total = model.U.sum() + model.V.sum() + model.bias.sum() + model.w.sum() + statistics.loss
        # An inverse norm of 0 belongs to a vector too long for float32, whose cosines would all be 0.
        vanished = model.cosine and (model.u_scale.min() == 0.0 or model.v_scale.min() == 0.0)
        if vanished or not np.isfinite(total):
            raise DivergenceError(
                f"{type(self).__name__} diverged in epoch {epoch + 1} with learning_rate={self.learning_rate}: its "
                "loss or vectors are no longer finite. Lower learning_rate (or raise l2)."
            )

    def _score_users(self, user_codes):
        scores = super()._score_users(user_codes)
        if self.item_bias:
            scores += self.item_biases_
        return scores

    def _score_pairs(self, user_codes, item_codes):
        scores = super()._score_pairs(user_codes, item_codes)
        scores += self.item_biases_[item_codes]
        return scores

    def _kernel_model(self):
        """Return the parameters as samplers see them; of a model that a callback was given, those of its products."""
        if self._parameters is not None:
            return self._parameters.model
        from skrec.matrix_factorization._parameters import product_model

        return product_model(self.user_factors_, self.item_factors_, self.item_biases_)


def _has_warp(sampler):
    if isinstance(sampler, Mixture):
        return any(_has_warp(part) for _, part, _ in sampler._given())
    return isinstance(sampler, WARPSampler)
