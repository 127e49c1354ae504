"""A classifier of clicks: linear, factorisation machines and deep models over sparse rows."""

import warnings
from contextlib import nullcontext
from numbers import Integral, Real

import narwhals.stable.v2 as nw
import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from skrec.exceptions import DivergenceError
from skrec.preprocessing import FeatureEncoder
from skrec.preprocessing._columns import read_columns, values
from skrec.ranking._target import check_target, hold_out, log_loss, user_aucs
from skrec.utils._sklearn_compat import Interval, StrOptions, check_sample_weight, fit_context, take_rows
from skrec.utils._validation import column_name, locate_ids

_INTERACTIONS = ("linear", "fm", "ffm", "deepfm", "dcn")
# With early_stopping="auto", rows from which a share is held out; as in HistGradientBoostingClassifier.
_AUTO_STOPPING = 10_000
# With batch_size="auto": this many steps an epoch, of at least and at most so many rows.
_AUTO_STEPS, _AUTO_LEAST, _AUTO_MOST = 64, 32, 1024


class CTRRanker(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    r"""Classifier of rows of a user, an item, features and context: what is the chance of a click.

    Parameters
    ----------
    n_components : int, default=10
        Length of the embedding of each input; with ``interaction="ffm"``, of each input and column that it meets.
    interaction : {"linear", "fm", "ffm", "deepfm", "dcn"}, default="fm"
        What is added to the weights of a row's inputs. "linear": nothing, logistic regression. "fm": a dot product of
        embeddings for each pair of inputs (factorisation machine). "ffm": the same, with another embedding for each
        column that the other input may come from (field-aware). "deepfm": "fm" and a perceptron that reads the
        embeddings of all columns. "dcn": the perceptron and, beside it, the cross layers of DCN-v2.
    hidden_layers : tuple of int, default=(256, 128)
        Widths of the perceptron's ReLU layers, in "deepfm" and "dcn".
    n_cross_layers : int, default=2
        Cross layers of "dcn", each with a matrix as wide as all columns' embeddings together.
    dropout : float, default=0.2
        Share of the hidden activations that each step leaves out.
    optimizer : {"adagrad", "adam", "ftrl"}, default="adagrad"
        Of the inputs' weights and embeddings; dense layers have an Adam of their own. All are lazy: a step changes the
        inputs that occur in its batch, and no others, by a bit. Adam corrects the bias of its moments by the number of
        steps of each input. FTRL-proximal keeps weights at exactly 0 by `l1`; it is refused beside dense layers.
    learning_rate : float, default=0.1
        Step size; FTRL's alpha. Adam wants about 0.003. AdaGrad rises to it in ten steps: an input's first ones are as
        long as the rate, whatever the gradient, and noise would throw frequent inputs far off.
    dense_learning_rate : float, default=0.001
        Step size of the dense layers of "deepfm" and "dcn".
    l1 : float, default=0.0
        FTRL's first penalty; the other optimisers have none, and refuse it.
    l2 : float or dict, default=1e-4
        Half of it, times the squared weights of all inputs, is added to the mean loss; see Notes. FTRL's second
        penalty. A dict gives each column its own, by name or position: ``{"user_id": 1e-3, "hour": 0}``; columns that
        are not in it have none.
    batch_size : int or "auto", default="auto"
        Rows of a step. "auto": a 64th of the rows, at least 32 and at most 1024.
    max_iter : int, default=30
        Epochs.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out `validation_fraction` of the rows, and stop when `monitor` has not improved by `tol` for
        `n_iter_no_change` epochs. The best epoch's model is kept. "auto": where there are more than 10,000 rows.
    monitor : {"log_loss", "roc_auc"}, default="log_loss"
        What to watch on the rows held out.
    validation_fraction : float, default=0.1
        Share of the rows to hold out, of both classes alike.
    n_iter_no_change : int, default=3
        Patience of early stopping, in epochs.
    tol : float, default=1e-5
        Improvement that counts.
    negative_sampling_rate : float, default=1.0
        Share of the negative rows that each epoch trains on, drawn anew. Probabilities are corrected for it, exactly:
        the log-odds by its logarithm. Of rows that are shares, the negative part's weight is multiplied instead.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes. They change probabilities, and nothing corrects these.
    position : int, str or None, default=None
        Column of the place that an item was shown at. It is learnt from, and predictions are made as if every row had
        `position_`, the one that most of the weight had (the lowest of several).
    encoder : FeatureEncoder or None, default=None
        Turns columns into inputs; cloned and fitted. None: a :class:`~skrec.preprocessing.FeatureEncoder` with users,
        items and positions as categories, each of which has an input, however rare.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit.
    user, item : int or str, default=0 and 1
        Position or name of the columns of user and item ids.
    n_jobs : int or None, default=None
        Threads. None is 1 unless in a :func:`joblib.parallel_config` context, -1 all processors. Does not change the
        result, by a bit.
    random_state : int, RandomState instance or None, default=None
        Seeds start weights, order of training, and what is drawn and held out.
    verbose : int, default=0
        1 prints a line an epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The classes, the positive one last.
    encoder_ : FeatureEncoder
        Fitted encoder; its `fields_` says which column each input comes from.
    coef_ : ndarray of shape (n_inputs,), float32
        Weights of the inputs.
    intercept_ : float
        Log-odds that every row starts from.
    embeddings_ : ndarray of shape (n_inputs, n_components), float32
        Embeddings; (n_inputs, n_columns, n_components) with "ffm".
    position_ : object
        The position that predictions are made for; only with `position`.
    loss_curve_ : list of float
        Mean log loss of each epoch's rows, each batch's before its step.
    validation_scores_ : list of float
        The AUC, or the log loss times -1, of the rows held out; only with early stopping.
    n_iter_ : int
        Epochs run by the last `fit`, and by `partial_fit` since.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of `X`, where it had any.

    Raises
    ------
    DivergenceError
        When loss or weights leave the finite numbers: lower `learning_rate`. The estimator is as it was before.

    Warns
    -----
    ConvergenceWarning
        When early stopping has not stopped before `max_iter`.

    See Also
    --------
    skrec.TwoTowerRetriever : Finds what to rank, in the whole catalogue.

    Notes
    -----
    With inputs :math:`x` of a row the log-odds are

    .. math:: w_0 + \sum_i w_i x_i + \sum_{i < j} \langle v_i, v_j \rangle x_i x_j,

    which costs O(number of inputs of the row * n_components); with "ffm" the pairs are
    :math:`\langle v_{i, f(j)}, v_{j, f(i)} \rangle`, at a cost of the square of the number. The dense layers read
    :math:`e`, the sums :math:`\sum_i v_i x_i` over each column's inputs, one after the other; cross layers are
    :math:`e_{l+1} = e_0 \odot (W_l e_l + b_l) + e_l`. In "dcn" both networks add to the linear part.

    *Rows that are alike*, whatever their labels, are one row of their summed weights: the clicks among so many
    impressions. That is why the impressions of a log may be counted before, without any change in the result; a weight
    of 2 equals the row twice, and a weight of 0 its absence. An epoch goes over different rows: a log of few has short
    epochs.

    *The penalty* is one of the whole table, though a step changes the inputs of its batch alone: there an input pays
    `l2`, times its weights, over the chance that a batch holds it. A user of two rows is held back as by steps on the
    whole table, and more than a user of a thousand rows is. In `partial_fit` that chance is one within its batch of
    rows. AdaGrad steps to the minimum of penalty and linearised loss together (Duchi et al., eq. 4), so no penalty is
    too large for it. The dense layers have no penalty.

    *Categories that were not seen* in `fit` have no input, so the row is judged by the others; where
    ``encoder.min_frequency`` is above 1 they share one with the rare ones, and in hashed columns they have one that
    others may have too. `partial_fit` gives new categories that are frequent enough in its batch inputs of their own.

    References
    ----------
    Rendle, "Factorization machines", ICDM 2010. Juan et al., "Field-aware factorization machines for CTR prediction",
    RecSys 2016. Guo et al., "DeepFM: a factorization-machine based neural network for CTR prediction", IJCAI 2017.
    Wang et al., "DCN V2: improved deep and cross network", WWW 2021 (the parallel structure). Duchi et al., "Adaptive
    subgradient methods for online learning and stochastic optimization", JMLR 12, 2011 (AdaGrad). McMahan et al., "Ad
    click prediction: a view from the trenches", KDD 2013 (FTRL-proximal). He et al., "Practical lessons from predicting
    clicks on ads at Facebook", ADKDD 2014 (negative sampling).

    Examples
    --------
    >>> import numpy as np
    >>> from skrec import CTRRanker
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([rng.integers(0, 50, 2000), rng.integers(0, 20, 2000)])
    >>> y = (X[:, 0] + X[:, 1]) % 3 == 0
    >>> ranker = CTRRanker(random_state=0).fit(X, y)
    >>> ranker.predict_proba(X[:4]).shape
    (4, 2)
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "interaction": [StrOptions(set(_INTERACTIONS))],
        "hidden_layers": ["array-like"],
        "n_cross_layers": [Interval(Integral, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "optimizer": [StrOptions({"adam", "adagrad", "ftrl"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "dense_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "l1": [Interval(Real, 0, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left"), dict],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "monitor": [StrOptions({"log_loss", "roc_auc"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "negative_sampling_rate": [Interval(Real, 0, 1, closed="right")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "position": [Interval(Integral, 0, None, closed="left"), str, None],
        "encoder": [FeatureEncoder, None],
        "warm_start": ["boolean"],
        "user": [Interval(Integral, 0, None, closed="left"), str],
        "item": [Interval(Integral, 0, None, closed="left"), str],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=10,
        *,
        interaction="fm",
        hidden_layers=(256, 128),
        n_cross_layers=2,
        dropout=0.2,
        optimizer="adagrad",
        learning_rate=0.1,
        dense_learning_rate=0.001,
        l1=0.0,
        l2=1e-4,
        batch_size="auto",
        max_iter=30,
        early_stopping="auto",
        monitor="log_loss",
        validation_fraction=0.1,
        n_iter_no_change=3,
        tol=1e-5,
        negative_sampling_rate=1.0,
        class_weight=None,
        position=None,
        encoder=None,
        warm_start=False,
        user=0,
        item=1,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.interaction = interaction
        self.hidden_layers = hidden_layers
        self.n_cross_layers = n_cross_layers
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.dense_learning_rate = dense_learning_rate
        self.l1 = l1
        self.l2 = l2
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.monitor = monitor
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.negative_sampling_rate = negative_sampling_rate
        self.class_weight = class_weight
        self.position = position
        self.encoder = encoder
        self.warm_start = warm_start
        self.user = user
        self.item = item
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context
    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Learn from rows.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            One impression a row: a column of user ids, one of item ids, and any others, which the encoder reads.
        y : array-like of shape (n_rows,)
            Two classes, of which the greater is the positive one. Or shares of clicks in impressions, between 0 and 1,
            with the impressions as `sample_weight`.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, 0 or more.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        going_on = self.warm_start and hasattr(self, "_model")
        self._train(X, y, sample_weight, None, old=self if going_on else None, max_iter=self.max_iter)
        return self

    @fit_context
    @with_callbacks
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Go once over more rows. New categories get inputs of their own.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (2,), default=None
            Both classes; needed in the first call where `y` holds one of them only.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        old = self if hasattr(self, "_model") else None
        self._train(X, y, sample_weight, classes, old=old, max_iter=1, stream=True)
        return self

    def _train(self, X, y, sample_weight, classes, *, old, max_iter, stream=False):
        from skrec._epochs import FitTask, run_epochs, store_curves
        from skrec.ranking._engine import PointwiseEngine
        from skrec.ranking._rows import distinct_rows
        from skrec.utils._threads import blas_threads

        if self.l1 > 0 and self.optimizer != "ftrl":
            raise ValueError(f"l1={self.l1!r} needs optimizer='ftrl'; {self.optimizer!r} has no such penalty.")
        if not all(isinstance(width, Integral) and width >= 1 for width in self.hidden_layers):
            raise ValueError(f"hidden_layers={self.hidden_layers!r} must hold the widths of layers, integers above 0.")
        if self.optimizer == "ftrl" and self.interaction in ("deepfm", "dcn"):
            raise ValueError(
                f"optimizer='ftrl' is for sparse inputs, and interaction={self.interaction!r} has dense layers: use "
                "'adam' or 'adagrad'."
            )
        going_on = stream and old is not None
        n_rows, places = self._check_rows(X, reset=not going_on)
        if n_rows == 0:
            raise ValueError(f"Found array with 0 sample(s) while a minimum of 1 is required by {type(self).__name__}.")
        if sample_weight is not None:
            sample_weight = check_sample_weight(
                sample_weight, np.empty(n_rows), ensure_non_negative=True, dtype=np.float64
            )
        known = self.classes_ if going_on else classes
        shares, classes = check_target(self, y, n_rows, sample_weight, known)
        if sample_weight is not None and not sample_weight.all():
            kept = np.flatnonzero(sample_weight)
            X, shares, sample_weight = take_rows(X, kept), shares[kept], sample_weight[kept]
        clicks, others = self._weigh(shares, sample_weight, classes)
        if known is None and not (clicks.any() and others.any()):
            raise ValueError(
                f"y holds one class only, {classes[-1 if clicks.any() else 0]!r}, in the rows whose weight is above "
                "zero: a classifier needs rows of both."
            )

        seed = old._seed if old is not None else int(check_random_state(self.random_state).randint(2**31 - 1))
        encoder, sources = self._fit_encoder(X, sample_weight, old, places)
        rows = self._encode(encoder, X)
        position = self._reference(X, clicks + others) if old is None else getattr(old, "position_", None)
        order, group = distinct_rows(rows)
        clicks = np.bincount(group, clicks, minlength=len(order))
        others = np.bincount(group, others, minlength=len(order))
        del group
        shape = self._shape(encoder)
        l2 = self._l2_of_inputs(encoder)
        base_rate = clicks.sum() / (clicks.sum() + self.negative_sampling_rate * others.sum())
        model = self._start(shape, sources, old, seed, base_rate, l2)

        training, validation = np.arange(len(order)), None
        if self._stops_early(len(order)) and max_iter and not stream:
            training, validation = hold_out(clicks, others, self.validation_fraction, seed)
        past = old if going_on else None
        losses = [*getattr(past, "loss_curve_", [])]

        def attributes():
            return {
                **self._learnt(classes, encoder, model.copy(), shape, seed, position),
                "loss_curve_": losses.copy(),
                "n_iter_": len(losses),
            }

        batch_size = self._rows_of_a_batch(len(training))
        engine = PointwiseEngine(
            model,
            shape,
            optimizer=self.optimizer,
            rate=self.learning_rate,
            dense_rate=self.dense_learning_rate,
            l1=self.l1,
            l2=self._l2_of_steps(l2, rows, order[training], batch_size),
            dropout=self.dropout,
            n_jobs=self.n_jobs,
        )
        first = 0 if old is None else old._epoch

        def run(epoch):
            rng = np.random.default_rng([seed, 2, first + epoch])
            some, targets, weights = self._draw(training, clicks, others, rng)
            total = engine.run_epoch(rows, order[some], targets, weights, batch_size, rng, pool)
            losses.append(total / weights.sum(dtype=np.float64))
            self._check_finite(losses[-1], model, epoch)
            return f"loss {losses[-1]:.4f}"

        def validate():
            logits = engine.decision(rows, order[validation], pool) + self._shift()
            return self._validate(logits, clicks[validation], others[validation])

        judging = {} if validation is None else {"judge": validate, "keep": model.copy, "measure": self.monitor}
        task = FitTask(self, X, y, max_iter)
        with task.whole():
            with blas_threads(1), engine.threads() or nullcontext() as pool:
                scores, best = run_epochs(self, task, max_iter, run, attributes, **judging)
            for name, value in self._learnt(classes, encoder, best or model, shape, seed, position).items():
                setattr(self, name, value)
            self._epoch = first + len(losses) - len(getattr(past, "loss_curve_", []))
            store_curves(self, losses, scores if judging else None, going_on=going_on)

    def decision_function(self, X):
        """Return the log-odds of the positive class.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            The columns of `fit`.

        Returns
        -------
        ndarray of shape (n_rows,), float64
        """
        from skrec.ranking._engine import PointwiseEngine
        from skrec.utils._threads import blas_threads

        check_is_fitted(self)
        self._check_rows(X, reset=False)
        rows = self._encode(self.encoder_, X, neutral=True)
        engine = PointwiseEngine(self._model, self._model_shape, n_jobs=self.n_jobs)
        with blas_threads(1), engine.threads() or nullcontext() as pool:
            return engine.decision(rows, pool=pool).astype(np.float64) + self._shift()

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            The columns of `fit`.

        Returns
        -------
        ndarray of shape (n_rows, 2), float64
            In the order of `classes_`.
        """
        positive = expit(self.decision_function(X))
        return np.column_stack([1.0 - positive, positive])

    def predict(self, X):
        """Return the likelier class.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            The columns of `fit`.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        return self.classes_[(self.decision_function(X) > 0).astype(np.intp)]

    def score(self, X, y, sample_weight=None):
        """Average per-user ROC AUC over the rows.

        For each user, the chance that a row of the positive class scores above one of the other, ties counting half;
        then the mean over the users who have rows of both. Rows without a user are left out.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            The columns of `fit`.
        y : array-like of shape (n_rows,)
            As in `fit`. A row that is a share counts as both classes.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows within their user; users all count alike.

        Returns
        -------
        float
            Between 0 and 1; 0.5 is chance. Where no user has rows of both classes, the ROC AUC of all rows as if of one
            user; where the rows are all of one class, nan.

        Warns
        -----
        UndefinedMetricWarning
            In both of these cases.
        """
        check_is_fitted(self)
        n_rows, (user, _) = self._check_rows(X, reset=False)
        if sample_weight is not None:
            sample_weight = check_sample_weight(
                sample_weight, np.empty(n_rows), ensure_non_negative=True, dtype=np.float64
            )
        shares, _ = check_target(self, y, n_rows, sample_weight, self.classes_)
        weights = np.ones(n_rows) if sample_weight is None else sample_weight
        scores = self.decision_function(X)
        users = values(read_columns(self, X, reset=False)[user], self._id_name("user")).codes
        clicks, others = weights * shares, weights * (1 - shares)
        known = users >= 0
        found = user_aucs(users[known], scores[known], clicks[known], others[known])
        defined = found[~np.isnan(found)]
        if len(defined):
            return float(defined.mean())
        pooled = float(user_aucs(np.zeros_like(users), scores, clicks, others)[0])
        warnings.warn(
            "No user has rows of both classes, so that no user has an AUC; the score is "
            + ("nan, as all rows are of one class." if np.isnan(pooled) else "the ROC AUC of all rows."),
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return pooled

    @property
    def coef_(self):
        """Linear weight of each input, ndarray of shape (n_inputs,), float32."""
        check_is_fitted(self)
        return self._model.inputs.weights[:, 0]

    @property
    def intercept_(self):
        """Log-odds that every row starts from, before the correction for `negative_sampling_rate`."""
        check_is_fitted(self)
        return float(self._model.intercept.weights[0, 0])

    @property
    def embeddings_(self):
        """Embedding of each input, (n_inputs, n_components); (n_inputs, n_fields, n_components) for "ffm"."""
        check_is_fitted(self)
        weights = self._model.inputs.weights[:, 1:]
        return (
            weights.reshape(len(weights), -1, self._model_shape.n_components) if self.interaction == "ffm" else weights
        )

    def _shift(self):
        """Return what corrects log-odds learnt from a share of the negatives."""
        return np.log(self.negative_sampling_rate)

    def _check_rows(self, X, *, reset):
        """Check that `X` is made of rows; return how many, and where the columns of users and items are."""
        columns = read_columns(self, X, reset=reset)
        if reset and len(columns) < 2:
            raise ValueError(
                f"Found array with {len(columns)} feature(s) while a minimum of 2 is required by "
                f"{type(self).__name__}: a column of users and one of items."
            )
        places = locate_ids(self.user, self.item, getattr(self, "feature_names_in_", None), len(columns))
        for place, parameter in zip(places, ("user", "item"), strict=True):
            _refuse_infinite_ids(columns[place], self._id_name(parameter))
        return len(columns[0]), places

    def _fit_encoder(self, X, sample_weight, old, places):
        """Return the encoder, and where each of its inputs was in that of `old`."""
        if old is not None:
            return old.encoder_._grown(X)
        if self.encoder is not None:
            encoder = clone(self.encoder)
        else:
            position = [] if self.position is None else [self._locate(self.position, "position")]
            encoder = FeatureEncoder(categorical=[*places, *position], min_frequency=1)
        return encoder._fit(X, sample_weight), None

    def _encode(self, encoder, X, *, neutral=False):
        """Turn `X` into the engine's rows; `neutral`: with the position that predictions are for."""
        from skrec.ranking._rows import gather_rows, repeat_row

        place = encoder._locate(self.position, "position") if neutral and self.position is not None else None

        def blocks():
            for at, block in enumerate(encoder._blocks(X)):
                if at != place:
                    yield block
                    continue
                reference = np.fromiter([self.position_], dtype=object, count=1)
                yield repeat_row(encoder._columns[at].encode(reference, "position_"), block.shape[0])

        return gather_rows(blocks())

    def _reference(self, X, weights):
        """Return the position that most of the weight has, the lowest of several; None without a `position`."""
        if self.position is None:
            return None
        place = self._locate(self.position, "position")
        found = values(read_columns(self, X, reset=False)[place], f"The position column (position={self.position!r})")
        present = found.codes >= 0
        if not present.any():
            raise ValueError(f"position={self.position!r} is a column without a value.")
        mass = np.bincount(found.codes[present], weights[present])
        best = found.distinct[mass == mass.max()]
        try:
            return min(best)
        except TypeError:
            return best[0]

    def _locate(self, key, parameter):
        """Position of a column that is named by position or by name."""
        names = getattr(self, "feature_names_in_", None)
        if isinstance(key, str) and (names is None or key not in names):
            has = "X is an array" if names is None else f"X has the columns {names.tolist()}"
            raise ValueError(f"{parameter} names the column {key!r}, but {has}.")
        if not isinstance(key, str) and not (isinstance(key, Integral) and 0 <= key < self.n_features_in_):
            raise ValueError(f"{parameter} names the column {key!r}, but X has columns 0 to {self.n_features_in_ - 1}.")
        return names.tolist().index(key) if isinstance(key, str) else int(key)

    def _id_name(self, parameter):
        return column_name(parameter, getattr(self, parameter))

    def _weigh(self, shares, sample_weight, classes):
        """Return the weights of both classes in each row, class weights included."""
        weights = np.ones(len(shares)) if sample_weight is None else sample_weight
        clicks, others = weights * shares, weights * (1 - shares)
        if self.class_weight is None or len(classes) < 2:
            return clicks, others
        if self.class_weight == "balanced":
            total = weights.sum()
            factors = [total / (2 * part.sum()) if part.any() else 0.0 for part in (others, clicks)]
        else:
            factors = compute_class_weight(self.class_weight, classes=classes, y=classes)
            if not np.isfinite(factors).all() or min(factors) < 0 or max(factors) == 0:
                raise ValueError(f"class_weight={self.class_weight!r} must hold numbers of at least 0, not all 0.")
        return clicks * factors[1], others * factors[0]

    def _shape(self, encoder):
        from skrec.ranking._engine import Shape

        shape = Shape(self.interaction, int(self.n_components), self.n_features_in_, encoder.fields_)
        if not shape.deep:
            return shape
        layers = self.n_cross_layers if self.interaction == "dcn" else 0
        return shape._replace(hidden_layers=tuple(map(int, self.hidden_layers)), n_cross_layers=int(layers))

    def _l2_of_inputs(self, encoder):
        """Return the penalty of each input, float32 of shape (n_inputs,)."""
        given = self.l2 if isinstance(self.l2, dict) else {}
        by_column = np.full(self.n_features_in_, 0.0 if isinstance(self.l2, dict) else self.l2, np.float32)
        for key, value in given.items():
            if not isinstance(value, Real) or not np.isfinite(value) or value < 0:
                raise ValueError(f"l2[{key!r}]={value!r} must be a number of at least 0.")
            by_column[self._locate(key, "l2")] = value
        return by_column[encoder.fields_]

    def _l2_of_steps(self, l2, rows, training, batch_size):
        """Return the penalty of each input as the steps want it: FTRL's as it is, AdaGrad's for sums over a batch."""
        from skrec.ranking._engine import divide_penalty

        if self.optimizer == "ftrl":
            return l2
        divided = divide_penalty(l2, rows, training, batch_size)
        return divided * np.float32(min(batch_size, len(training))) if self.optimizer == "adagrad" else divided

    def _start(self, shape, sources, old, seed, base_rate, l2):
        """Return an untrained model, or that of a fitted estimator, grown."""
        from skrec.ranking._engine import prepare_ftrl, start_model

        n_known = 0 if old is None else len(old._model.inputs.weights)
        model = start_model(shape, np.random.default_rng([seed, 0, n_known]))
        if old is None:
            if 0 < base_rate < 1:  # else the first batch of a stream holds one class, which tells of no rate
                model.intercept.weights[:] = np.log(base_rate) - np.log1p(-base_rate)
        else:
            before = old._model_shape
            if before._replace(field_of=None) != shape._replace(field_of=None):
                raise ValueError(
                    "interaction, n_components, hidden_layers, n_cross_layers and the columns of X must be what they "
                    f"were in the first fit to go on from it: {before._replace(field_of=None)} then, "
                    f"{shape._replace(field_of=None)} now. Set warm_start=False or make a new estimator."
                )
            known = sources >= 0
            same = old._optimizer == self.optimizer
            for into, out_of in zip(model.inputs, old._model.inputs, strict=True):
                if same or into is model.inputs.weights:
                    into[known] = out_of[sources[known]]
            for parameter, known_parameter in zip(model.dense(), old._model.dense(), strict=True):
                remembers = same or parameter is not model.intercept  # the layers have an Adam of their own
                for into, out_of in zip(parameter, known_parameter, strict=True):
                    if remembers or into is parameter.weights:
                        into[:] = out_of
        if self.optimizer == "ftrl":
            prepare_ftrl(model.inputs, self.learning_rate, l2)
            prepare_ftrl(model.intercept, self.learning_rate, np.zeros(1, np.float32))
        return model

    def _learnt(self, classes, encoder, model, shape, seed, position):
        """Names and values of the fitted attributes that say what was learnt."""
        learnt = {
            "classes_": classes,
            "encoder_": encoder,
            "_model": model,
            "_model_shape": shape,
            "_seed": seed,
            "_optimizer": self.optimizer,
        }
        return learnt if position is None else {**learnt, "position_": position}

    def _stops_early(self, n_rows):
        return n_rows > _AUTO_STOPPING if self.early_stopping == "auto" else self.early_stopping

    def _rows_of_a_batch(self, n_rows):
        if self.batch_size != "auto":
            return self.batch_size
        return int(np.clip(n_rows // _AUTO_STEPS, _AUTO_LEAST, _AUTO_MOST))

    def _draw(self, training, clicks, others, rng):
        """Return an epoch's rows in random order, their targets and weights: all clicks, and a share of the others."""
        rate = self.negative_sampling_rate
        if rate < 1.0:
            training = training[(clicks[training] > 0) | (rng.random(len(training)) < rate)]
        training = rng.permutation(training)
        positive, negative = clicks[training], others[training]
        if rate < 1.0:
            negative = np.where(positive > 0, negative * rate, negative)
        weights = positive + negative
        return training, (positive / weights).astype(np.float32), weights.astype(np.float32)

    def _validate(self, logits, clicks, others):
        """Return what early stopping wants to rise."""
        if self.monitor == "log_loss":
            return -float(log_loss(logits, clicks, others))
        return float(user_aucs(np.zeros(len(logits), np.int32), logits, clicks, others)[0])

    def _check_finite(self, loss, model, epoch):
        with np.errstate(over="ignore", invalid="ignore"):  # what they would warn of is what is looked for
            total = loss + sum(parameter.weights.sum() for parameter in [model.inputs, *model.dense()])
        if not np.isfinite(total):
            raise DivergenceError(
                f"{type(self).__name__} diverged in epoch {epoch + 1} with learning_rate={self.learning_rate}: its "
                "loss or weights are no longer finite. Lower learning_rate or dense_learning_rate (or raise l2)."
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags


def _refuse_infinite_ids(column, name):
    """Refuse infinite ids; missing ones have an input of their own, as in any other column."""
    if isinstance(column, nw.Series):
        column = column.to_numpy() if column.dtype.is_float() else np.empty(0)
    if column.dtype.kind == "O":
        infinite = np.array([isinstance(cell, float) and np.isinf(cell) for cell in column], dtype=bool)
    else:
        infinite = np.isinf(column) if column.dtype.kind == "f" else np.zeros(0, bool)
    if infinite.any():
        raise ValueError(f"{name} holds an infinite id (inf) in row {int(infinite.argmax())}: inf is not an id.")
