"""Matrix factorisation of implicit feedback by alternating least squares."""

from numbers import Integral, Real

import numpy as np
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skrec._factors import FactorRecommender
from skrec.base import BaseRecommender
from skrec.utils._sklearn_compat import Interval, fit_context
from skrec.utils._validation import check_interactions, encode_ids, merge_interactions

# Standard deviation of a start vector's length.
_SPREAD = 0.1
# What the score of an explicit negative is lowered by where it counts as an exposure too: the way from 1 to -1.
_VERDICT = np.float32(2.0)


class ImplicitALS(CallbackSupportMixin, FactorRecommender):
    r"""Factorise the matrix of who interacted with what, by alternating least squares (iALS).

    Scores of positives are pulled to 1 and those of *all* pairs, with a small weight, to 0. No negatives are sampled:
    each half of an epoch solves for one side's vectors with the other side's held, a ridge regression a row. Fast,
    with little to tune, and on implicit feedback a baseline that many later models fail to beat.

    Parameters
    ----------
    n_components : int, default=256
        Length of the vector of each user and item. More is better, up to a point that is the further the larger the
        catalogue: 64 lose 2 % of the NDCG@20 of 256 on MovieLens 1M and 20 % on Amazon Beauty.
    unobserved_weight : float, default=12.0
        Weight of the pull of all pairs to 0, in total and as a multiple of that of the positives. It therefore means
        the same for any density of the data. Lower values learn the popular items better, higher ones the rest; worth
        a search from 4 to 64.
    l2 : float, default=0.6
        Penalty on the squared vectors, in units of the share of noise in data of this size, see Notes. Worth a search
        from 0.3 to 1: too large a value loses all but popularity.
    exposure_weight : float, default=0.0
        What an explicit negative weighs as an *exposure*, beside 1 of a positive. At 0 it counts like a pair that does
        not occur. Above 0 its score is pulled to 1 as well: what people come across and judge tells of what they look
        for, whatever the verdict. The verdict is kept apart from the vectors: the score of that very pair is lowered
        by 2, which puts it last. Worth a try at 0.3 where negatives are people's own judgements, such as low ratings;
        leave it at 0 where they are what a recommender had shown, or the model learns from that what to show.
    max_iter : int, default=16
        Epochs: in each, item vectors and then user vectors are solved for. 0 leaves the model untrained.
    warm_start : bool, default=False
        Whether `fit` goes on from the vectors of the last `fit` for ids that it knew, with the seed of the first.
    user, item : int or str, default=0 and 1
        Position or name of the column of `X` that holds user ids and item ids.
    on_unknown : {"popular", "error"}, default="popular"
        Score users who were not in the training rows by popularity, or raise. To place them, see `fold_in`.
    n_jobs : int or None, default=None
        Threads. None is 1 unless in a :func:`joblib.parallel_config` context, -1 all processors. Does not change the
        result, by a bit.
    random_state : int, RandomState instance or None, default=None
        Seeds the start vectors. Nothing else is random.
    verbose : int, default=0
        1 prints a line an epoch.

    Attributes
    ----------
    user_factors_ : ndarray of shape (n_users, n_components), float32
        Vectors of the users, in the order of `user_ids_`. A score is the dot product of a user's and an item's, but
        for explicit negatives with an `exposure_weight`.
    item_factors_ : ndarray of shape (n_items, n_components), float32
        Vectors of the items, in the order of `item_ids_`. Components are their principal axes: orthogonal over the
        items, the longest first.
    alpha_ : float
        Weight of each pair in the pull to 0, where a positive has 1: :math:`\alpha` below.
    l2_ : float
        :math:`\lambda` below.
    loss_curve_ : list of float
        Objective after each epoch, divided by the weight of the pairs of S: by the number of positives, but for
        exposures.
    n_iter_ : int
        Epochs run by the last call of `fit` or since, by `partial_fit`.
    user_ids_, item_ids_ : ndarray
        Ids of the rows of the factors.
    interactions_ : csr_array of shape (n_users, n_items), int8
        The training rows: 1 positive, -1 explicit negative.
    item_popularity_ : ndarray of shape (n_items,), int64
        Number of users who have a positive with each item.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of `X`, where it had any.

    See Also
    --------
    EASERecommender : Closed-form model of items by items; for catalogues of up to some ten thousand items.
    TripletMF : Factors trained on sampled negatives and ranking losses.

    Notes
    -----
    The objective is, over the pairs S of a user and an item with a positive,

    .. math:: \sum_{(u, i) \in S} c_{ui} (1 - p_u \cdot q_i)^2 + \alpha \sum_{u, i} (p_u \cdot q_i)^2
        + \lambda \Big(\sum_u n_u \|p_u\|^2 + \sum_i n_i \|q_i\|^2\Big)

    with :math:`n_u = \sum_{i \in S_u} c_{ui} + \alpha m` the weight of all of a user's pairs, likewise
    :math:`n_i = \sum_{u \in S_i} c_{ui} + \alpha n`, for n users and m items: the frequency-scaled penalty of [1]_,
    with its exponent 1. The weights c are 1, or the summed `sample_weight` of the pair's rows divided by its mean
    over the pairs, so that the scale of the weights does not matter. :math:`\alpha` and :math:`\lambda` are those of
    [1]_, and follow from the parameters so that these keep their meaning from one data set to the next:

    .. math:: \alpha = \text{unobserved_weight} \cdot \frac{|S|}{n m}, \qquad
        \lambda = \frac{\text{l2}}{1 + \text{unobserved_weight}} \cdot \frac{\tau}{1 + \tau}, \qquad
        \tau = \sqrt{n / |S|} + \sqrt{m / |S|}.

    Without its structure, the matrix of positives would be its mean plus noise, and :math:`\tau` is how long the
    longest singular vector of the noise is beside that of the mean. A :math:`\lambda` of :math:`\tau / (1 +
    \text{unobserved_weight})` removes all that noise could explain, one of :math:`1 / (1 + \text{unobserved_weight})`
    the mean too. With the defaults, :math:`\alpha` is 0.52 on MovieLens 1M and 0.008 on Amazon Beauty, :math:`\lambda`
    0.006 and 0.018. For a grid in the terms of [1]_, invert the formulas.

    Positives are the rows with ``y > 0``. Explicit negatives count like pairs that do not occur; they still are items
    that the user has seen. With an `exposure_weight` they are pairs of S too, of that weight; \|S\| above stays the
    number of positives. That rated items tell of taste whatever the rating is what SVD++ [4]_ rests on.

    *How.* Before each half of an epoch, both tables are turned to the principal axes of the side that is held. The
    systems of the other side's rows are then diagonal but for the row's own positives, and two conjugate gradient
    steps with the diagonal as preconditioner, from the row's last value, lower the objective as fast as exact
    solutions do. Time of an epoch: O(\|S\| n_components + (n + m) n_components² + n_components³), memory
    5 bytes a positive beside the factors and the rows, 16 with weights.

    References
    ----------
    .. [1] S. Rendle, W. Krichene, L. Zhang and Y. Koren, "Revisiting the Performance of iALS on Item Recommendation
       Benchmarks", RecSys 2022. :arxiv:`2110.14037`
    .. [2] Y. Hu, Y. Koren and C. Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008.
    .. [3] G. Takács, I. Pilászy and D. Tikk, "Applications of the Conjugate Gradient Method for Implicit Feedback
       Collaborative Filtering", RecSys 2011.
    .. [4] Y. Koren, "Factorization Meets the Neighborhood: a Multifaceted Collaborative Filtering Model", KDD 2008.

    Examples
    --------
    >>> from skrec import ImplicitALS
    >>> X = [["ann", "tea"], ["ann", "jam"], ["bob", "tea"], ["bob", "jam"], ["eve", "tea"], ["joe", "rye"]]
    >>> model = ImplicitALS(n_components=2, random_state=0).fit(X)
    >>> ids, scores = model.recommend(["eve"], n_recommendations=2)
    >>> ids
    array([['jam', 'rye']], dtype=object)

    Somebody new, without training anything again:

    >>> model.fold_in([["zoe", "jam"]]).recommend(["zoe"], n_recommendations=2)[0]
    array([['tea', 'rye']], dtype=object)
    """

    _parameter_constraints: dict = {
        **BaseRecommender._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "unobserved_weight": [Interval(Real, 0, None, closed="neither")],
        "l2": [Interval(Real, 0, None, closed="neither")],
        "exposure_weight": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=256,
        *,
        unobserved_weight=12.0,
        l2=0.6,
        exposure_weight=0.0,
        max_iter=16,
        warm_start=False,
        user=0,
        item=1,
        on_unknown="popular",
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.unobserved_weight = unobserved_weight
        self.l2 = l2
        self.exposure_weight = exposure_weight
        self.max_iter = max_iter
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
            Weights of the rows, 0 or more; those of a pair's rows are added up.

        Returns
        -------
        self : ImplicitALS
            Fitted estimator.
        """
        interactions = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item)
        going_on = self.warm_start and hasattr(self, "_seed")
        self._train(X, y, interactions, self if going_on else None, max_iter=self.max_iter)
        return self

    @fit_context
    @with_callbacks
    def partial_fit(self, X, y=None, sample_weight=None):
        """Add rows and train one epoch on all rows so far. New users and items get vectors of their own.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        self : ImplicitALS
            Fitted estimator.
        """
        first = not hasattr(self, "_seed")
        batch = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item, reset=first)
        interactions = batch if first else merge_interactions(self._stored_interactions(), batch)[0]
        old = None if first else self
        self._train(X, y, interactions, old, max_iter=1, past=old)
        return self

    def _train(self, X, y, interactions, old, *, max_iter, past=None):
        """Train on `interactions`, from the vectors of `old`; the curve goes on where that of `past` ended."""
        from skrec._epochs import FitTask, run_epochs
        from skrec.baselines._als_solver import ALSSolver, weigh_pairs

        if old is None:
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        else:
            seed = old._seed
        user_factors, item_factors = self._start_factors(interactions, seed, old)
        exposure_weight = float(self.exposure_weight)
        pairs, mean_weight = weigh_pairs(interactions.matrix, interactions.weight, exposure_weight)
        n_users, n_items = pairs.shape
        n_positives = int((interactions.matrix.data > 0).sum())
        alpha = self.unobserved_weight * n_positives / (n_users * n_items)
        noise = np.sqrt(n_users / n_positives) + np.sqrt(n_items / n_positives)
        l2 = float(self.l2 * noise / (1 + noise) / (1 + self.unobserved_weight))
        losses = [*getattr(past, "loss_curve_", [])]

        def attributes():
            return {
                **self._interaction_attributes(interactions),
                "user_factors_": user_factors,
                "item_factors_": item_factors,
                "alpha_": alpha,
                "l2_": l2,
                "loss_curve_": losses,
                "n_iter_": len(losses),
                "_item_energy": energy,
                "_mean_weight": mean_weight,
                "_exposure_weight": exposure_weight,
                "_seed": seed,
            }

        def copied_attributes():
            # Training goes on, and a callback may keep the model of an epoch.
            kept = {name: value.copy() for name, value in attributes().items() if name.endswith("factors_")}
            return {**attributes(), **kept, "loss_curve_": losses.copy()}

        def run(epoch):
            nonlocal energy
            loss, energy = solver.run_epoch()
            self._check_finite(loss)
            losses.append(loss)
            return f"loss {loss:.4f}"

        task = FitTask(self, X, y, max_iter)
        with task.whole():
            with ALSSolver(pairs, user_factors, item_factors, alpha=alpha, l2=l2, n_jobs=self.n_jobs) as solver:
                energy = solver.align("item")
                run_epochs(self, task, max_iter, run, copied_attributes)
            for name, value in attributes().items():
                setattr(self, name, value)

    def _start_factors(self, interactions, seed, old):
        """Draw small vectors for all ids; put those that `old` knows in place of theirs."""
        known = 0 if old is None else len(old.user_ids_) + len(old.item_ids_)
        rng = np.random.default_rng([seed, known])
        tables = []
        for side in ("user", "item"):
            ids = getattr(interactions, f"{side}_ids")
            table = rng.standard_normal((len(ids), self.n_components), dtype=np.float32)
            table *= np.float32(_SPREAD / np.sqrt(self.n_components))
            if old is not None:
                before = getattr(old, f"{side}_factors_")
                if before.shape[1] != self.n_components:
                    raise ValueError(
                        f"n_components={self.n_components} must be what it was in the first fit ({before.shape[1]}) to "
                        "go on from it; set warm_start=False or make a new estimator."
                    )
                codes = encode_ids(ids, getattr(old, f"{side}_ids_"))
                table[codes >= 0] = before[codes[codes >= 0]]
            tables.append(table)
        return tables

    def _score_users(self, user_codes):
        scores = super()._score_users(user_codes)
        if self._exposure_weight:
            known = self.interactions_[user_codes].tocoo()
            disliked = known.data < 0
            scores[known.row[disliked], known.col[disliked]] -= _VERDICT
        return scores

    def _score_pairs(self, user_codes, item_codes):
        scores = super()._score_pairs(user_codes, item_codes)
        if self._exposure_weight and len(scores):
            scores[np.asarray(self.interactions_[user_codes, item_codes]).ravel() < 0] -= _VERDICT
        return scores

    def _check_finite(self, loss):
        if not np.isfinite(loss):
            raise ValueError(
                f"The systems of equations have no solution in float32 with l2={self.l2} and unobserved_weight="
                f"{self.unobserved_weight}: bring them nearer to their defaults, or sample_weight nearer to 1."
            )

    @fit_context
    def fold_in(self, X, y=None, sample_weight=None):
        """Place users by their interactions, the items' vectors as they are: one exact solution for each.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`: rows of new users, or further rows of known ones, who are placed again. Items that are not in
            the training rows are refused: nothing is known of them.

        Returns
        -------
        self : ImplicitALS
            The estimator, which then knows the users. The vector of one without a positive is zeros; an
            exposure that weighs something counts as one here.

        Raises
        ------
        ValueError
            When an item is unknown.
        """
        from skrec._holdout import select_entries
        from skrec.baselines._als_solver import Positives, penalties, place_rows, weigh_pairs

        check_is_fitted(self)
        new = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item, reset=False)
        self._refuse_new_items(new.item_ids)
        merged, batch = merge_interactions(self._stored_interactions(), new)
        placed = np.repeat(np.diff(batch.matrix.indptr) > 0, np.diff(merged.matrix.indptr))
        users = np.flatnonzero(np.diff(batch.matrix.indptr))
        rows = select_entries(merged.matrix, placed)[users]
        weight = None if merged.weight is None else merged.weight[placed]
        positives = Positives.of(weigh_pairs(rows, weight, self._exposure_weight, self._mean_weight)[0])
        penalty = penalties(positives, len(self.item_ids_), alpha=self.alpha_, l2=self.l2_)
        factors = np.zeros((len(merged.user_ids), self.item_factors_.shape[1]), np.float32)
        factors[: len(self.user_factors_)] = self.user_factors_
        factors[users] = place_rows(positives, self.item_factors_, self._item_energy, penalty)
        self._store_interactions(merged)
        self.user_factors_ = factors
        return self
