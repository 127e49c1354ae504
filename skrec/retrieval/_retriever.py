"""The two-tower retriever."""

from contextlib import nullcontext
from numbers import Integral, Real

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from skrec._factors import FactorRecommender
from skrec.base import BaseRecommender, best_of
from skrec.losses import BPRLoss, CosineContrastiveLoss, HingeLoss, SoftmaxLoss
from skrec.retrieval._with_features import WithFeatures
from skrec.samplers import UniformSampler
from skrec.utils._ids import encode_ids
from skrec.utils._sklearn_compat import HasMethods, Interval, StrOptions, fit_context
from skrec.utils._validation import Interactions, check_interactions, merge_interactions

_LOSSES = {"softmax": SoftmaxLoss, "bpr": BPRLoss, "hinge": HingeLoss, "contrastive": CosineContrastiveLoss}
# What "auto" means for the temperature of a loss.
_TEMPERATURE = {"cosine": 0.17, "dot": 1.0, "gmf": 1.0}
# The whole catalogue is scored for each user of a step unless it is more than so many times the shared negatives: the
# products then cost more than the loss of what a sample does not show.
_EXACT_UP_TO = 4
# Epochs of the users' own embeddings in `fold_in`, beside a history and without one. A user of few rows soon fits these
# alone: on MovieLens 100K with the users' features, 20 epochs place a user of one row worse than no row would.
_FOLD_IN_EPOCHS = {True: 5, False: 10}


class TwoTowerRetriever(CallbackSupportMixin, WithFeatures, FactorRecommender):
    r"""Retriever of two towers: vectors of users and of items, from ids, histories and features, trained by softmax.

    A user's vector is the sum of the user's own embedding, the mean embedding of the user's history and the embeddings
    of the user's features; an item's likewise, without a history. Hidden layers may follow. The score is the cosine of
    the two vectors. Training goes through blocks of users: each positive of a user competes with the whole catalogue,
    or with items drawn for the block.

    Parameters
    ----------
    n_components : int, default=256
        Length of the vectors.
    similarity : {"cosine", "dot", "gmf"}, default="cosine"
        Score of a user and an item: the cosine of their vectors; their dot product; or ``sum(w * p_u * q_i)`` with
        weights w learnt (generalised matrix factorisation). The default temperature of the losses suits cosines.
    loss : {"softmax", "bpr", "hinge", "contrastive"} or loss object, default="softmax"
        What a user's scores cost, see :mod:`skrec.losses`. Over a block, "bpr" and "hinge" compare every positive of a
        user with every negative: the group-wise losses.
    sampler : sampler or None, default=None
        Where the negatives that a block shares come from: :class:`~skrec.samplers.UniformSampler`,
        :class:`~skrec.samplers.PopularitySampler`, :class:`~skrec.samplers.InBatchSampler` or a
        :class:`~skrec.samplers.MixedSampler` of them. Softmax losses correct for its law. None: the whole catalogue
        where that costs at most 4 times as much as the sample, else uniform ones.
    n_negatives : int, default=2048
        Negatives that are drawn for a block, where a sampler is used.
    n_hard_negatives : int or None, default=None
        Keep only so many of a user's negatives, those of the highest logits. None: all.
    explicit_negative_weight : float, default=1.0
        Weight of the user's explicit negatives beside items that were not seen: 0 leaves them out, 1 makes no
        difference, more pushes them down. Softmax losses only; the others know 0 and not 0.
    user_embedding, item_embedding : bool, default=True
        Whether users and items have embeddings of their own. False: only their features (and history) tell them apart.
    history_weight : float, default=0.7
        Weight of the sum of the embeddings of the items of a user's history over the root of their number; 0: none.
    history_dropout : float, default=0.3
        Share of a user's history that is left out in each step, so that a positive does not only predict itself.
    audience_weight : "auto" or float, default=0.0
        Weight of the sum of the embeddings of an item's audience, the users who have it as a positive, over the root of
        their number; 0: none. These are not the users' own embeddings. "auto": 1 where items have at most 50 positives
        on average, else 0.
    audience_dropout : float, default=0.3
        Share of an item's audience that is left out in each step; of large audiences all but 32 users are.
    hidden_layers : tuple of int, default=()
        Widths of ReLU layers of each tower; a linear one to `n_components` follows. Without any the tower is the sum.
    user_encoder, item_encoder : transformer or None, default=None
        Turns a table of features into a matrix of numbers; cloned and fitted. None:
        :class:`~skrec.preprocessing.FeatureEncoder` with its defaults.
    learning_rate : float, default=0.05
        Step size of Adam, which falls linearly to 0 over `max_iter` epochs. In `partial_fit` it stays.
    l2 : float, default=0.0
        Added to a gradient, times the weights, for each row that is stepped. The component weights of GMF are pulled
        to 1.
    batch_size : int, default=128
        Users of a block.
    max_iter : int, default=30
        Epochs. In each, every user with a positive is in one block.
    early_stopping : bool, default=False
        Whether to hold out `validation_fraction` of each user's positives and to stop when their average per-user ROC
        AUC has not risen by `tol` for `n_iter_no_change` epochs. The best vectors are kept.
    validation_fraction : float, default=0.1
        Share to hold out.
    n_iter_no_change : int, default=5
        Patience of early stopping, in epochs.
    tol : float, default=1e-4
        Rise of the AUC that counts.
    index : index or None, default=None
        Finds the items in `recommend`, as :class:`~skrec.retrieval.ApproximateIndex`; cloned, and fitted on the items'
        vectors. None: all items are scored.
    warm_start : bool, default=False
        Whether `fit` goes on from the vectors of the last fit.
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
    user_factors_ : ndarray of shape (n_users, n_components), float32
        Output of the users' tower, of length 1 with ``similarity="cosine"``, times the component weights with
        ``"gmf"``: a score is always a dot product.
    item_factors_ : ndarray of shape (n_items, n_components), float32
        Output of the items' tower.
    user_ids_, item_ids_ : ndarray
        Ids of the training rows.
    user_encoder_, item_encoder_ : transformer
        Fitted encoders, where features were given.
    user_tower_, item_tower_ : dict
        The weights that vectors are made of, as arrays: ``"embedding"`` (n_ids, n_components), ``"history"`` (n_items,
        n_components), ``"audience"`` (n_users, n_components) and ``"features"`` (n_inputs, n_components), those that
        the tower has, and ``"layers"``, a list of weights and offsets; for users of GMF ``"components"``
        (n_components,), the weights w. The guide on serving computes a vector from them.
    engine_ : {"exact", "sampled"}
        Whether positives competed with the whole catalogue or with a sample.
    loss_curve_ : list of float
        Mean loss of each epoch.
    validation_scores_ : list of float
        Validation AUC of each epoch, with early stopping.
    n_iter_ : int
        Number of epochs trained.
    loss_, sampler_, index_ : object
        The loss, the fitted sampler (None where ``engine_ == "exact"``) and the fitted index (None without one).
    interactions_ : csr_array of shape (n_users, n_items), int8
        The training rows: 1 positive, -1 explicit negative.
    item_popularity_ : ndarray of shape (n_items,), int64
        Number of users who have a positive with each item.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where `X` has any.

    See Also
    --------
    TripletMF : One triplet at a time, with samplers of hard negatives.

    Notes
    -----
    With :math:`z_{ui} = \cos(p_u, q_i) / \tau` the default loss is, over the positives :math:`S_u` of a user,

    .. math:: L_u = \frac{1}{\sqrt{|S_u|}} \sum_{i \in S_u}
              \Big( \log \big( e^{z_{ui}} + \sum_{j \notin S_u} e^{z_{uj}} \big) - z_{ui} \Big).

    The root lies between counting each positive alike and each user alike; powers from 0.3 to 0.7 are as good. A
    sample estimates the sum over j without bias, each item weighted by the inverse of how often it was to be drawn; the
    positive needs no correction, as it is always there. On MovieLens 1M it matters, in falling order, that the user has
    a history, that a user's other positives do not compete, and the temperature.

    Adam keeps two numbers beside each weight, and steps only the rows of a block, each with a count of its own.

    References
    ----------
    Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019. Wu et al.,
    "On the effectiveness of sampled softmax loss for item recommendation", TOIS 2024. Khrylchenko et al., "Correcting
    the logQ correction", RecSys 2025. Mao et al., "SimpleX", CIKM 2021 (the history).

    Examples
    --------
    >>> from skrec import TwoTowerRetriever
    >>> from skrec.datasets import make_interactions
    >>> X, y = make_interactions(return_X_y=True, random_state=0)
    >>> model = TwoTowerRetriever(n_components=16, max_iter=5, random_state=0).fit(X, y)
    >>> ids, scores = model.recommend([3, 7], n_recommendations=5)
    >>> ids.shape
    (2, 5)
    """

    _parameter_constraints: dict = {
        **BaseRecommender._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "similarity": [StrOptions({"cosine", "dot", "gmf"})],
        "loss": [StrOptions(set(_LOSSES)), HasMethods(["_make_block_state"])],
        "sampler": [HasMethods(["fit", "_draw_shared"]), None],
        "n_negatives": [Interval(Integral, 1, None, closed="left")],
        "n_hard_negatives": [Interval(Integral, 1, None, closed="left"), None],
        "explicit_negative_weight": [Interval(Real, 0, None, closed="left")],
        "user_embedding": ["boolean"],
        "item_embedding": ["boolean"],
        "history_weight": [Interval(Real, 0, None, closed="left")],
        "history_dropout": [Interval(Real, 0, 1, closed="left")],
        "audience_weight": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "audience_dropout": [Interval(Real, 0, 1, closed="left")],
        "hidden_layers": ["array-like"],
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
        "index": [HasMethods(["fit", "query"]), None],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=256,
        *,
        similarity="cosine",
        loss="softmax",
        sampler=None,
        n_negatives=2048,
        n_hard_negatives=None,
        explicit_negative_weight=1.0,
        user_embedding=True,
        item_embedding=True,
        history_weight=0.7,
        history_dropout=0.3,
        audience_weight=0.0,
        audience_dropout=0.3,
        hidden_layers=(),
        user_encoder=None,
        item_encoder=None,
        learning_rate=0.05,
        l2=0.0,
        batch_size=128,
        max_iter=30,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=1e-4,
        index=None,
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
        self.n_negatives = n_negatives
        self.n_hard_negatives = n_hard_negatives
        self.explicit_negative_weight = explicit_negative_weight
        self.user_embedding = user_embedding
        self.item_embedding = item_embedding
        self.history_weight = history_weight
        self.history_dropout = history_dropout
        self.audience_weight = audience_weight
        self.audience_dropout = audience_dropout
        self.hidden_layers = hidden_layers
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
        self.index = index
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
        """Learn the towers from interactions and features.

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
        old = self if self.warm_start and hasattr(self, "_towers") else None
        towers = self._start(interactions, old, user_features, item_features)
        self._train(X, y, interactions, interactions, towers, self.max_iter, early_stopping=self.early_stopping)
        return self

    @fit_context
    @with_callbacks
    def partial_fit(self, X, y=None, sample_weight=None, *, user_features=None, item_features=None):
        """Train one epoch on the users of more interactions, on these alone. New users and items get rows of their own.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`. Earlier positives are not trained on again; they stay in the users' histories and out of their
            negatives.
        user_features, item_features : frame, default=None
            Features of the users and items of `X`; ids that have no row keep the features that they had.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        first = not hasattr(self, "_towers")
        new = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item, reset=first)
        merged, batch = (new, new) if first else merge_interactions(self._stored_interactions(), new)
        towers = self._start(merged, None if first else self, user_features, item_features)
        self._train(X, y, merged, batch, towers, 1, going_on=not first, decay=False)
        return self

    @fit_context
    def fold_in(self, X, y=None, sample_weight=None, *, user_features=None):
        """Place users by their interactions, without training anything but their own embeddings.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`: rows of new users, or further rows of known ones, who are placed again. Items that are not in
            the training rows are refused: nothing is known of them.
        user_features : frame, default=None
            Features of the new users.

        Returns
        -------
        self : object
            The estimator, which then knows the users.

        Raises
        ------
        ValueError
            When an item is unknown.
        """
        from skrec.retrieval._towers import interactions_of

        check_is_fitted(self)
        new = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item, reset=False)
        self._refuse_new_items(new.item_ids)
        merged, batch = merge_interactions(self._stored_interactions(), new)
        towers = self._start(merged, self, user_features, None, learning=False)
        placed = interactions_of(merged, np.flatnonzero(np.diff(batch.matrix.indptr)))
        if self.user_embedding:
            n_epochs = _FOLD_IN_EPOCHS[self.history_weight > 0]
            _, towers, _ = self._optimise(
                towers, merged, placed, self.loss_, self.sampler_, n_epochs, [], users_only=True
            )
        self._store(merged, towers, index=self.index_)
        return self

    def _start(self, interactions, old, user_features, item_features, *, learning=True):
        return self._start_towers(interactions, old, user_features, item_features, self, learning)

    def _train(self, X, y, interactions, batch, towers, max_iter, *, going_on=False, early_stopping=False, decay=True):
        from skrec._epochs import FitTask, store_curves

        loss, sampler = self._resolve(interactions)
        early_stopping = early_stopping and max_iter > 0
        losses = [*getattr(self, "loss_curve_", [])] if going_on else []
        task = FitTask(self, X, y, max_iter)
        with task.whole():
            aucs, towers, sampler = self._optimise(
                towers,
                interactions,
                batch,
                loss,
                sampler,
                max_iter,
                losses,
                task=task,
                early_stopping=early_stopping,
                decay=decay,
            )
            self._store(interactions, towers)
            self.loss_, self.sampler_ = loss, sampler
            self.engine_ = "exact" if sampler is None else "sampled"
            store_curves(self, losses, aucs if early_stopping else None, going_on=going_on)

    def _optimise(
        self,
        towers,
        interactions,
        batch,
        loss,
        sampler,
        max_iter,
        losses,
        *,
        task=None,
        early_stopping=False,
        users_only=False,
        decay=True,
    ):
        """Train towers in place on `batch`, with `losses` growing.

        Return the validation AUCs, the towers to keep and the fitted sampler.
        """
        from skrec._epochs import run_epochs, step_sizes
        from skrec._holdout import hold_out
        from skrec.retrieval._engine import BlockEngine
        from skrec.retrieval._towers import make_entries
        from skrec.utils._threads import blas_threads

        validation = None
        matrix, weight, trained = interactions.matrix, interactions.weight, batch
        if early_stopping:
            validation = hold_out(matrix, weight, self.validation_fraction, towers.seed)
            matrix, weight = validation.training, validation.weight
            trained = Interactions(matrix, weight, *interactions[2:])
            towers = towers.with_history(matrix, self)
        if sampler is not None:
            sampler = clone(sampler).fit(matrix)
        entries = make_entries(matrix, weight, trained)
        users, items = towers.sides(self, users_only=users_only)
        engine = BlockEngine(
            entries,
            users,
            items,
            loss._make_block_state(_TEMPERATURE[self.similarity]),
            sampler=sampler,
            n_negatives=self.n_negatives,
            n_hard=self.n_hard_negatives or 0,
            explicit_weight=self.explicit_negative_weight,
            block_size=self.batch_size,
            seed=towers.seed,
            n_jobs=self.n_jobs,
            train_items=not users_only,
        )
        n_steps, first_epoch = engine.n_steps(), towers.epoch

        def attributes():
            user_factors, item_factors = towers.embed(self)
            return {
                **self._interaction_attributes(interactions),
                "user_factors_": user_factors,
                "item_factors_": item_factors,
                "index_": None,
                "loss_curve_": losses.copy(),
                "n_iter_": len(losses),
            }

        def run(epoch):
            nonlocal towers
            rate = step_sizes(self.learning_rate, epoch, max_iter if decay else None, n_steps)
            with np.errstate(over="ignore", invalid="ignore"):
                losses.append(engine.run_epoch(first_epoch + epoch, rate, pool))
            self._check_finite(losses[-1], towers.parameters(), epoch)
            towers = towers._replace(epoch=first_epoch + epoch + 1)
            return f"loss {losses[-1]:.4f}"

        def judge():
            user_factors, item_factors = towers.embed(self)
            return validation.auc(user_factors, item_factors, np.zeros(len(item_factors), np.float32))

        judging = {"judge": judge, "keep": lambda: towers.copy()} if early_stopping else {}
        with blas_threads(1), engine.threads() or nullcontext() as pool:
            aucs, best = run_epochs(self, task, max_iter, run, attributes, depth=7, **judging)
        if validation is not None:
            # All that was given is history when recommending.
            towers = (best or towers).with_history(interactions.matrix, self)
        return aucs, towers, sampler

    def _resolve(self, interactions):
        """Return the loss and the sampler, None for the whole catalogue."""
        loss = _LOSSES[self.loss]() if isinstance(self.loss, str) else clone(self.loss)
        if self.sampler is not None or len(interactions.item_ids) <= _EXACT_UP_TO * self.n_negatives:
            return loss, self.sampler
        return loss, UniformSampler()

    def _store(self, interactions, towers, index=None):
        """Set the fitted attributes that depend on the towers; `index` holds the items' vectors already."""
        user_factors, item_factors = towers.embed(self)
        if not (np.isfinite(user_factors).all() and np.isfinite(item_factors).all()):
            raise self._divergence("users' or items' vectors", "the last epoch")
        self._store_interactions(interactions)
        self._towers, self._seed = towers, towers.seed
        self.user_factors_, self.item_factors_ = user_factors, item_factors
        self._store_encoders(towers)
        if index is None and self.index is not None:
            index = clone(self.index).fit(item_factors)
        self.index_ = index

    @property
    def user_tower_(self):
        check_is_fitted(self)
        return self._towers.weights("user")

    @property
    def item_tower_(self):
        check_is_fitted(self)
        return self._towers.weights("item")

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
        model = self._with(user_features, item_features)
        options = {"exclude_seen": exclude_seen, "candidates": candidates, "exclude": exclude}
        if model.index_ is None or candidates is not None:
            return super(TwoTowerRetriever, model).recommend(users, n_recommendations, **options)
        return model._recommend_by_index(users, n_recommendations, exclude_seen, exclude)

    def _restored(self, interactions, towers, new_items):
        self._store(interactions, towers, index=None if new_items else self.index_)

    def _recommend_by_index(self, users, n_recommendations, exclude_seen, exclude):
        from skrec.retrieval._towers import known_rows

        check_scalar(n_recommendations, "n_recommendations", Integral, min_val=1)
        codes = encode_ids(users, self.user_ids_, "users", allow_unknown=self.on_unknown != "error")
        unwanted = self._item_lists(exclude, "exclude", len(codes), allow_unknown=True)
        shape = (len(codes), len(self.item_ids_))
        hidden = csr_array(shape, dtype=bool)
        if isinstance(unwanted, np.ndarray):
            row = np.unique(unwanted)
            indptr = np.arange(len(codes) + 1) * len(row)
            hidden = csr_array((np.ones(indptr[-1], bool), np.tile(row, len(codes)), indptr), shape=shape)
        elif unwanted is not None:
            hidden = unwanted
        if exclude_seen:
            hidden = hidden + known_rows(self.interactions_, codes).astype(bool)
        has_vector = self._has_vector(codes)
        by_vector, rest = np.flatnonzero(has_vector), np.flatnonzero(~has_vector)
        items = np.empty((len(codes), n_recommendations), dtype=np.int32)
        scores = np.empty((len(codes), n_recommendations), dtype=np.float32)
        if len(by_vector):
            queries = self.user_factors_[codes[by_vector]]
            found = self.index_.query(queries, n_recommendations, exclude=hidden[by_vector])
            items[by_vector], scores[by_vector] = found
        for batch in self._batches(len(rest)):
            block = np.repeat(self._score_unknown_user()[None], len(rest[batch]), axis=0)
            block[hidden[rest[batch]].nonzero()] = -np.inf
            items[rest[batch]], scores[rest[batch]] = best_of(block, n_recommendations)
        return self._item_labels(items), scores

    def _has_vector(self, codes):
        """Whether there is anything to score each user by; -1 is an unknown one."""
        known = codes >= 0
        known[known] = self.user_factors_[codes[known]].any(axis=1)
        return known

    def _score_users(self, user_codes):
        scores = super()._score_users(user_codes)
        silent = ~self._has_vector(user_codes)
        if silent.any():
            scores[silent] = self._score_unknown_user()
        return scores

    def _score_pairs(self, user_codes, item_codes):
        scores = super()._score_pairs(user_codes, item_codes)
        silent = ~self._has_vector(user_codes)
        if silent.any():
            scores[silent] = self._score_unknown_user()[item_codes[silent]]
        return scores
