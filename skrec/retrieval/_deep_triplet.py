"""The deep triplet model."""

from contextlib import nullcontext
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import check_is_fitted

from skrec.base import BaseRecommender
from skrec.losses import BPRLoss, HingeLoss, LogisticLoss, WARPLoss
from skrec.retrieval._with_features import WithFeatures
from skrec.samplers import UniformSampler
from skrec.utils._sklearn_compat import HasMethods, Interval, StrOptions, fit_context
from skrec.utils._validation import check_interactions, merge_interactions

_LOSSES = {"hinge": lambda: HingeLoss(margin=1.0), "bpr": BPRLoss, "logistic": LogisticLoss}


class DeepTriplet(CallbackSupportMixin, WithFeatures, BaseRecommender):
    r"""Deep match model trained on triplets of a user, a positive item and sampled negative items.

    The vectors of a user and of an item, of different lengths, are concatenated and go through layers whose last one
    puts out the score. A vector is the id's own embedding, plus the embeddings of its features where it has any, and of
    the items of a user's history.

    Parameters
    ----------
    n_user_components, n_item_components : int, default=32 and 64
        Lengths of the vectors of users and of items.
    hidden_layers : tuple of int, default=(128,)
        Widths of the hidden layers, one or more, with ReLU after each.
    output_activation : {"linear", "relu"}, default="linear"
        What stands after the last layer. With "relu" a pair whose score has fallen to 0 has no gradient any more.
    loss : {"hinge", "bpr", "logistic"} or loss object, default="hinge"
        What a pair of scores costs, see :mod:`skrec.losses`. "hinge" has a margin of 1 here. Pass an object to set or
        tune its parameters: ``loss__margin``.
    sampler : sampler or None, default=None
        Where negatives come from, see :mod:`skrec.samplers`; not those that look at the vectors of the model in
        training: `n_hard_negatives` takes their place. None: :class:`~skrec.samplers.UniformSampler`.
    n_negatives : int, default=10
        Negatives drawn for each positive in each epoch. The loss is the mean over them.
    n_hard_negatives : int or None, default=5
        Keep only so many of them, those of the highest scores. None: all.
    dropout : float, default=0.0
        Share of the numbers of the vectors, and of each hidden layer, that are set to 0 in a step; see Notes.
    history_weight : float, default=0.7
        Weight of the sum of further embeddings of the items of a user's history over the root of their number, which is
        added to the user's vector; 0: none.
    history_dropout : float, default=0.3
        Share of a user's history that is left out in each step, so that a positive does not only predict itself.
    user_encoder, item_encoder : transformer or None, default=None
        Turns a table of features into a matrix of numbers; cloned and fitted. None:
        :class:`~skrec.preprocessing.FeatureEncoder` with its defaults.
    learning_rate : float, default=0.03
        Step size of Adam, which falls linearly to 0 over `max_iter` epochs. In `partial_fit` it stays.
    l2 : float, default=1e-4
        Added to a gradient, times the weights: of the layers, and of the embeddings that a step contains.
    batch_size : int, default=1024
        Positives of a step. Fewer make more steps of an epoch: on small data take a tenth of it, or more epochs.
    max_iter : int, default=10
        Epochs: every positive is trained on once in each. 0 leaves the model untrained.
    early_stopping : bool, default=False
        Whether to hold out `validation_fraction` of each user's positives and to stop when their average per-user ROC
        AUC has not risen by `tol` for `n_iter_no_change` epochs. The best epoch's model is kept.
    validation_fraction : float, default=0.1
        Share to hold out.
    n_iter_no_change : int, default=5
        Patience of early stopping, in epochs.
    tol : float, default=1e-4
        Rise of the AUC that counts.
    warm_start : bool, default=False
        Whether `fit` goes on from the parameters of the last fit.
    user, item : int or str, default=0 and 1
        Position or name of the column of `X` that holds user ids and item ids.
    on_unknown : {"popular", "error"}, default="popular"
        What to do with users who are neither in the training rows nor in the table of features: rank by popularity, or
        raise.
    n_jobs : int or None, default=None
        Threads; None is 1 and -1 is all cores. The result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed. The same seed and data give the same bits.
    verbose : int, default=0
        Above 0: print a line an epoch.

    Attributes
    ----------
    user_factors_ : ndarray of shape (n_users, n_user_components), float32
        Vectors of the users, history and features included.
    item_factors_ : ndarray of shape (n_items, n_item_components), float32
        Vectors of the items.
    layers_ : list of (ndarray of shape (n_in, n_out), ndarray of shape (n_out,))
        Weights and offsets of the layers, first to last.
    user_ids_, item_ids_ : ndarray
        Ids of the training rows.
    user_encoder_, item_encoder_ : transformer
        Fitted encoders, where features were given.
    loss_curve_ : list of float
        Mean loss of each epoch.
    validation_scores_ : list of float
        Validation AUC of each epoch, with early stopping.
    n_iter_ : int
        Number of epochs trained.
    loss_, sampler_ : object
        The loss and the fitted sampler.
    interactions_ : csr_array of shape (n_users, n_items), int8
        The training rows: 1 positive, -1 explicit negative.
    item_popularity_ : ndarray of shape (n_items,), int64
        Number of users who have a positive with each item.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where `X` has any.

    Raises
    ------
    DivergenceError
        When loss or weights leave the finite numbers: lower `learning_rate`. The estimator is as it was before.

    Warns
    -----
    ConvergenceWarning
        When `early_stopping` has not stopped before `max_iter`.

    See Also
    --------
    TripletMF : The same triplets, scored by a product: faster, and samplers that look at the model.
    TwoTowerRetriever : Layers on each side, a product between: its lists can be served from an index.

    Notes
    -----
    With vectors p of the user and q of the item, one hidden layer and without dropout the score is

    .. math:: s_{ui} = w^\top \max(0,\; A^\top p_u + B^\top q_i + b) + c,

    in which :math:`A^\top p_u + b` and :math:`B^\top q_i` are computed once for each user and item. A pair costs an
    addition, a maximum and a product for each hidden number, in training too; with more layers the products of the
    second one are of all pairs. For this, dropout is drawn for each user and item of a step rather than for each pair,
    and in the first hidden layer for each user.

    An id whose embedding was never trained, as one that only has features, stands with the mean of the others'
    embeddings.

    The defaults were chosen on five positives, or a tenth, of each user of MovieLens 100K, held out of ``ua.base``; the
    guide gives the settings of the notebook that the model comes from.

    References
    ----------
    Rendle et al., "Neural collaborative filtering vs. matrix factorization revisited", RecSys 2020, on what layers over
    a concatenation learn, and what a product does better.

    Examples
    --------
    >>> from skrec import DeepTriplet
    >>> from skrec.datasets import make_interactions
    >>> X, y = make_interactions(return_X_y=True, random_state=0)
    >>> model = DeepTriplet(max_iter=5, random_state=0).fit(X, y)
    >>> ids, scores = model.recommend([3, 7], n_recommendations=5)
    >>> ids.shape
    (2, 5)
    """

    _parameter_constraints: dict = {
        **BaseRecommender._parameter_constraints,
        "n_user_components": [Interval(Integral, 1, None, closed="left")],
        "n_item_components": [Interval(Integral, 1, None, closed="left")],
        "hidden_layers": ["array-like"],
        "output_activation": [StrOptions({"linear", "relu"})],
        "loss": [StrOptions(set(_LOSSES)), HasMethods(["_make_state"])],
        "sampler": [HasMethods(["fit", "_make_state"]), None],
        "n_negatives": [Interval(Integral, 1, None, closed="left")],
        "n_hard_negatives": [Interval(Integral, 1, None, closed="left"), None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "history_weight": [Interval(Real, 0, None, closed="left")],
        "history_dropout": [Interval(Real, 0, 1, closed="left")],
        "user_encoder": [HasMethods(["fit", "transform"]), None],
        "item_encoder": [HasMethods(["fit", "transform"]), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
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
        n_user_components=32,
        n_item_components=64,
        *,
        hidden_layers=(128,),
        output_activation="linear",
        loss="hinge",
        sampler=None,
        n_negatives=10,
        n_hard_negatives=5,
        dropout=0.0,
        history_weight=0.7,
        history_dropout=0.3,
        user_encoder=None,
        item_encoder=None,
        learning_rate=0.03,
        l2=1e-4,
        batch_size=1024,
        max_iter=10,
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
        self.n_user_components = n_user_components
        self.n_item_components = n_item_components
        self.hidden_layers = hidden_layers
        self.output_activation = output_activation
        self.loss = loss
        self.sampler = sampler
        self.n_negatives = n_negatives
        self.n_hard_negatives = n_hard_negatives
        self.dropout = dropout
        self.history_weight = history_weight
        self.history_dropout = history_dropout
        self.user_encoder = user_encoder
        self.item_encoder = item_encoder
        self.learning_rate = learning_rate
        self.l2 = l2
        self.batch_size = batch_size
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
    def fit(self, X, y=None, sample_weight=None, *, user_features=None, item_features=None):
        """Learn embeddings and layers from interactions and features.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            One interaction a row, with a column of user ids and one of item ids; other columns are not used.
        y : array-like of shape (n_rows,), default=None
            Above 0: positive. 0 and below, or False: explicit negative. None: every row is a positive.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, 0 or more.
        user_features, item_features : frame, default=None
            Features of users and items, a row for each: by the index of a pandas frame, or by the column that is named
            like the ids' column of `X`, or by the first one. Rows of other ids are not used; an id without a row has no
            features.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        interactions = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item)
        old = self if self.warm_start and hasattr(self, "_match") else None
        match = self._start(interactions, old, user_features, item_features)
        early_stopping = self.early_stopping and self.max_iter > 0
        self._train(X, y, interactions, interactions, match, self.max_iter, early_stopping=early_stopping)
        return self

    @fit_context
    @with_callbacks
    def partial_fit(self, X, y=None, sample_weight=None, *, user_features=None, item_features=None):
        """Train one epoch on more interactions. New users and items get embeddings of their own.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`. Earlier positives are not trained on again, and remain known: they are not drawn as negatives.
        user_features, item_features : frame, default=None
            Features of the users and items of `X`; ids that have no row keep the features that they had.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        first = not hasattr(self, "_match")
        new = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item, reset=first)
        merged, batch = (new, new) if first else merge_interactions(self._stored_interactions(), new)
        match = self._start(merged, None if first else self, user_features, item_features)
        self._train(X, y, merged, batch, match, 1, going_on=not first, decay=False)
        return self

    @property
    def _towers(self):
        return self._match.towers

    def _settings(self):
        from skrec.retrieval._deep_engine import Settings

        hidden_layers = tuple(self.hidden_layers)
        if not hidden_layers:
            raise ValueError(
                "hidden_layers=() leaves nothing between the vectors and the score, which is then a number of the user "
                "plus a number of the item, and the same ranking for all: give one width or more."
            )
        components = self.n_user_components, self.n_item_components
        history = self.history_weight, self.history_dropout
        return Settings(components, hidden_layers, self.l2, self.output_activation == "relu", *history)

    def _start(self, interactions, old, user_features, item_features, *, learning=True):
        """Return a model for the ids of `interactions`: a new one, or that of a fitted estimator, grown."""
        from skrec.retrieval._deep_engine import start_match

        settings = self._settings()
        towers = self._start_towers(interactions, old, user_features, item_features, settings, learning)
        return start_match(towers, settings, None if old is None else old._match)

    def _train(self, X, y, interactions, batch, match, max_iter, *, going_on=False, early_stopping=False, decay=True):
        """Train `match` on the entries of `batch`, then set the fitted attributes."""
        from skrec._epochs import FitTask, run_epochs, step_sizes, store_curves
        from skrec._holdout import hold_out, kinds_and_weights
        from skrec.retrieval._deep_engine import MatchEngine
        from skrec.utils._threads import blas_threads

        settings, loss = self._settings(), self._resolve_loss()
        matrix, validation = interactions.matrix, None
        if early_stopping:
            validation = hold_out(matrix, interactions.weight, self.validation_fraction, match.towers.seed)
            matrix, kinds, weights = validation.training, validation.training.data, validation.weight
            match = match.with_history(matrix, settings)
        else:
            kinds, weights = kinds_and_weights(matrix, batch.matrix, batch.weight)
        engine = MatchEngine(
            matrix,
            kinds,
            weights,
            match,
            settings,
            self._fit_sampler(matrix, interactions),
            loss,
            n_negatives=self.n_negatives,
            n_hard=self.n_hard_negatives or 0,
            dropout=self.dropout,
            batch_size=self.batch_size,
            seed=match.towers.seed,
            n_jobs=self.n_jobs,
        )
        losses = [*getattr(self, "loss_curve_", [])] if going_on else []
        n_steps, first_epoch = engine.n_steps(), match.towers.epoch

        def attributes():
            # Copies: training goes on, and a callback may keep the model of an epoch.
            learnt = self._learnt(match.copy(), settings)
            return {
                **self._interaction_attributes(interactions),
                **learnt,
                "loss_curve_": losses.copy(),
                "n_iter_": len(losses),
            }

        def run(epoch):
            nonlocal match
            rate = step_sizes(self.learning_rate, epoch, max_iter if decay else None, n_steps)
            with np.errstate(over="ignore", invalid="ignore"):
                losses.append(engine.run_epoch(first_epoch + epoch, rate, pool))
            self._check_finite(losses[-1], match.parameters(), epoch)
            match = match._replace(towers=match.towers._replace(epoch=first_epoch + epoch + 1))
            return f"loss {losses[-1]:.4f}"

        judge = None if validation is None else lambda: validation.auc_of(match.scorer(settings).users)
        task = FitTask(self, X, y, max_iter)
        with task.whole():
            with blas_threads(1), engine.threads() or nullcontext() as pool:
                aucs, best = run_epochs(self, task, max_iter, run, attributes, judge=judge, keep=lambda: match.copy())
            if early_stopping:
                # All that was given is history when recommending.
                match = (best or match).with_history(interactions.matrix, settings)
            self._store(interactions, match, settings)
            self.loss_, self.sampler_ = loss, engine.sampler
            store_curves(self, losses, aucs if early_stopping else None, going_on=going_on)

    def _resolve_loss(self):
        loss = _LOSSES[self.loss]() if isinstance(self.loss, str) else clone(self.loss)
        if isinstance(loss, WARPLoss):
            raise ValueError(
                f"loss={self.loss!r} weights a step by a rank that WARPSampler estimates from vectors, which are not "
                "what DeepTriplet ranks by: use HingeLoss and n_hard_negatives."
            )
        margin = getattr(loss, "margin", 0.0)
        if not isinstance(margin, Real) or not np.isfinite(margin) or margin < 0:
            raise ValueError(
                f"The 'margin' of {type(loss).__name__} must be a finite number of at least 0. Got {margin!r} instead."
            )
        return loss

    def _fit_sampler(self, matrix, interactions):
        sampler = UniformSampler() if self.sampler is None else clone(self.sampler)
        sampler.fit(matrix, user_ids=interactions.user_ids, item_ids=interactions.item_ids)
        if getattr(sampler, "_reads_model", False):
            raise ValueError(
                f"sampler={self.sampler!r} compares items by the vectors of the model in training, and the scores of "
                "DeepTriplet are no products of vectors: draw n_negatives with UniformSampler, PopularitySampler, "
                "ExplicitSampler, RejectedSampler, a sampler of your own or a mixture of them, and keep the hardest "
                "with n_hard_negatives."
            )
        return sampler

    def _learnt(self, match, settings):
        """Names and values of the fitted attributes that come from the parameters."""
        scorer = match.scorer(settings)
        return {
            "_match": match,
            "_scorer": scorer,
            "_seed": match.towers.seed,
            "user_factors_": scorer.user_vectors,
            "item_factors_": scorer.item_vectors,
            "layers_": [(weights.weights, offsets.weights[0]) for weights, offsets in match.layers],
        }

    def _store(self, interactions, match, settings):
        """Set the fitted attributes that depend on the parameters."""
        with np.errstate(over="ignore", invalid="ignore"):
            learnt = self._learnt(match, settings)
        scorer = learnt["_scorer"]
        if not (np.isfinite(scorer.a).all() and np.isfinite(scorer.c).all()):
            raise self._divergence("users' or items' vectors", "the last epoch")
        self._store_interactions(interactions)
        for name, value in learnt.items():
            setattr(self, name, value)
        self._store_encoders(match.towers)

    def _restored(self, interactions, match, new_items):
        self._store(interactions, match, self._settings())

    def recommend(
        self,
        users,
        n_recommendations=10,
        *,
        exclude_seen=True,
        candidates=None,
        exclude=None,
        user_features=None,
        item_features=None,
    ):
        """List the items with the highest scores for each user.

        Parameters
        ----------
        users, n_recommendations, exclude_seen, candidates, exclude
            As in :meth:`TripletMF.recommend`.
        user_features, item_features : frame, default=None
            Features of users and items that were not in the training rows. The items become candidates.

        Returns
        -------
        ids : ndarray of shape (n_users, n_recommendations)
            Item ids, best first, filled as by other recommenders.
        scores : ndarray of shape (n_users, n_recommendations), float32
            Their scores; -inf beside filled places.
        """
        check_is_fitted(self)
        model = self._with(user_features, item_features)
        options = {"exclude_seen": exclude_seen, "candidates": candidates, "exclude": exclude}
        return super(DeepTriplet, model).recommend(users, n_recommendations, **options)

    def _score_users(self, user_codes):
        return self._scorer.users(user_codes)

    def _score_pairs(self, user_codes, item_codes):
        return self._scorer.pairs(user_codes, item_codes)

    def _item_vectors(self):
        return self.item_factors_
