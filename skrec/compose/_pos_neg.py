"""Two retrievers, of what users like and of what they do not, and one ranking from both."""

import copy
import warnings
from numbers import Real

import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.utils import check_random_state, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrec.base import BaseRecommender
from skrec.compose._calibration import CALIBRATORS
from skrec.exceptions import NoNegativesWarning
from skrec.utils._ids import encode_ids
from skrec.utils._sklearn_compat import HasMethods, Interval, StrOptions, check_sample_weight, fit_context, take_rows
from skrec.utils._validation import check_feedback, check_interactions, check_pairs, merge_interactions

# Unobserved pairs that each held-out pair is told from when a calibration is learnt.
_N_REFERENCES = 4
_KINDS = ("positive", "negative")


class PosNegRetriever(BaseRecommender):
    r"""Fuse a retriever fitted on positives with one fitted on explicit negatives.

    The score of a user and an item is :math:`f(s^+) - w \, g(s^-)`: what the retriever of likes says, less a penalty
    for what the retriever of dislikes says. The two know nothing of each other, so `calibration` makes their scores
    comparable, and `weight` says how much a dislike costs.

    Parameters
    ----------
    positive : recommender or None, default=None
        Fitted on the rows with ``y > 0``. None: :class:`~skrec.TripletMF` with its defaults.
    negative : recommender or None, default=None
        Fitted on the rows with ``y <= 0``, as its positives. None: another clone of `positive`.
    calibration : {"zscore", "rank", "platt", "isotonic"} or None, default="zscore"
        What f and g are. Of these, only the learnt ones look at more than one user at a time, and only they train the
        two retrievers twice.

        - "zscore": deviation from the mean of the user's scores over the catalogue, in standard deviations.
        - "rank": 1 for the user's best item, 0 for the worst, in equal steps. Not touched by how a model spaces its
          scores; needs far smaller weights, from 0.005, as a step is a whole place at the top of a list too.
        - "platt" and "isotonic": log-odds that a pair is one of the model's own kind rather than an unobserved one,
          by a sigmoid or by a non-decreasing map, learnt from pairs held out of a first training; see Notes.
        - None: scores as they are, for models whose scores already are log-odds.
    weight : float, default=0.2
        How much the penalty counts, at least 0. With 0 the ranking is that of `positive`. Read whenever scores are
        made, so that it may be changed without another fit.
    validation_fraction : float, default=0.2
        Share of the pairs of each kind that a learnt calibration holds out. Not used by the others.
    user, item : int or str, default=0 and 1
        Position or name of the columns of user and item ids; also for the two retrievers, whose own `user` and `item`
        do not count.
    on_unknown : {"popular", "error"}, default="popular"
        What to do with ids that were not in the training rows, see `predict`.
    random_state : int, RandomState instance or None, default=None
        Seeds what is held out, and a retriever whose own `random_state` is None.

    Attributes
    ----------
    positive_ : recommender
        Fitted on the positives. ``positive_.recommend(users)`` lists what is nearest to what the users like.
    negative_ : recommender or None
        Fitted on the explicit negatives; None where there were none. ``negative_.recommend(users)`` lists what is
        nearest to what they do not like, and `furthest` what is furthest from it.
    positive_calibrator_, negative_calibrator_ : object
        f and g, which ``transform`` an array of scores, a row a user.
    user_ids_, item_ids_ : ndarray
        Ids of the rows of either kind.
    interactions_ : csr_array of shape (n_users, n_items), int8
        Training pairs: 1 positive, -1 explicit negative.
    item_popularity_ : ndarray of shape (n_items,), int64
        Positives of each item.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of `X`, where it had any.

    Warns
    -----
    NoNegativesWarning
        When no row of `fit`, or of the first `partial_fit`, is an explicit negative. The ranking is then that of
        `positive`.

    See Also
    --------
    skrec.TripletMF : With ``sampler=MixedSampler([("unobserved", UniformSampler(), 0.9), ("explicit",
        ExplicitSampler(), 0.1)])``, one model that learns from both kinds of rows. On MovieLens 100K it does better
        than two fused ones, see :ref:`fusion`: try it first.

    Notes
    -----
    *Rows.* A pair that has rows of both kinds is a positive, and none of its rows reaches `negative`. `sample_weight`
    is handed to both retrievers; other arguments of `fit` too, whole, or where they ask for them if metadata routing
    is enabled.

    *Ids that one of the two does not know.* A user without explicit negatives has no penalty. An item that nobody
    disliked gets the user's mean penalty: that it is not among the dislikes is no sign of quality, most such items
    are only rare. A user without positives is scored by popularity, less the penalty. An item without positives gets
    the user's lowest f.

    *Why raw scores cannot be subtracted.* Two models trained apart have scores of different spread and zero. What the
    difference should be is known: with :math:`f = \log p(i \mid u, \text{liked})` and :math:`g = \log p(i \mid u,
    \text{disliked})`, each up to a number for the user, :math:`f - g` is by Bayes' rule the log-odds that the user
    likes an item that is met. The learnt calibrations aim at these. Each held-out pair of a model's kind is told from
    unobserved pairs of the same user, the items drawn uniformly: the log-odds of this are :math:`\log p(i \mid u,
    \text{kind})` against the same reference for f and for g, which cancels in the difference. (Telling likes from
    dislikes by either model would not do: both would then say the same thing, once more each.) `weight` = 1 is then
    the ranking of what is liked *once met*, less is closer to what is liked *and* met, which is what held-out
    positives show.

    *What is learnt when.* For "platt" and "isotonic", `fit` trains the retrievers without the held-out pairs, learns
    the maps, and trains them again on all rows. `partial_fit` keeps the maps that it began with. Isotonic maps need a
    thousand pairs or more; where they are flat, a slope of a hundredth of a log-odd per standard deviation keeps the
    order.

    *Retrievers.* Any :class:`~skrec.base.BaseRecommender` will do: whole rows of scores are read from it, not lists.
    `score`, `predict` and `recommend` rank the whole catalogue; to re-rank the positive model's first 200 only, give
    ``recommend(users, candidates=model.positive_.recommend(users, 200)[0])``.

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines", 1999. B. Zadrozny and C. Elkan, "Transforming
    classifier scores into accurate multiclass probability estimates", KDD 2002 (isotonic regression).

    Examples
    --------
    >>> from skrec import EASERecommender, PosNegRetriever
    >>> from skrec.datasets import make_interactions
    >>> X, y = make_interactions(negative_fraction=0.3, return_X_y=True, random_state=0)
    >>> model = PosNegRetriever(EASERecommender(l2=50.0), weight=0.3).fit(X, y)
    >>> ids, scores = model.recommend([3, 7], n_recommendations=5)
    >>> ids.shape
    (2, 5)
    >>> model.set_params(negative=EASERecommender(), negative__l2=200.0).fit(X, y).negative_.l2
    200.0
    """

    _parameter_constraints: dict = {
        **BaseRecommender._parameter_constraints,
        "positive": [HasMethods(["fit", "_score_block"]), None],
        "negative": [HasMethods(["fit", "_score_block"]), None],
        "calibration": [StrOptions({name for name in CALIBRATORS if name}), None],
        "weight": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        positive=None,
        negative=None,
        *,
        calibration="zscore",
        weight=0.2,
        validation_fraction=0.2,
        user=0,
        item=1,
        on_unknown="popular",
        random_state=None,
    ):
        self.positive = positive
        self.negative = negative
        self.calibration = calibration
        self.weight = weight
        self.validation_fraction = validation_fraction
        self.user = user
        self.item = item
        self.on_unknown = on_unknown
        self.random_state = random_state

    @fit_context
    def fit(self, X, y=None, sample_weight=None, **fit_params):
        """Fit the two retrievers, each on the rows of its kind, and what makes their scores comparable.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            One interaction a row. The retrievers get whole rows.
        y : array-like of shape (n_rows,), default=None
            Above 0: positive. 0 and below, or False: explicit negative. None: every row is a positive.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, 0 or more.
        **fit_params : dict
            Arguments for the `fit` of the retrievers, such as tables of features; optional.

        Returns
        -------
        self : PosNegRetriever

        Raises
        ------
        ValueError
            When `calibration` is learnt and a kind has too few rows to hold any out.
        """
        merged = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item)
        parts, seed = self._new_parts()
        rows = _Rows(self, X, y, sample_weight, merged)
        return self._fit_parts(parts, rows, merged, seed, "fit", self._route("fit", fit_params))

    @available_if(lambda self: all(hasattr(self._part(kind), "partial_fit") for kind in _KINDS))
    @fit_context
    def partial_fit(self, X, y=None, sample_weight=None, **fit_params):
        """Let each retriever learn from more rows of its kind, by its own `partial_fit`.

        Parameters
        ----------
        X, y, sample_weight, **fit_params
            As in `fit`; users and items may be new. A row of a pair that is a positive already is one too.

        Returns
        -------
        self : PosNegRetriever
        """
        routed = self._route("partial_fit", fit_params)
        first = not hasattr(self, "positive_")
        new = check_interactions(self, X, y, sample_weight, user=self.user, item=self.item, reset=first)
        merged = new if first else merge_interactions(self._stored_interactions(), new)[0]
        rows = _Rows(self, X, y, sample_weight, merged)
        fresh, seed = self._new_parts()
        if first:
            return self._fit_parts(fresh, rows, merged, seed, "partial_fit", routed)

        # A fitted retriever never writes into its arrays, so a shallow copy of it can learn while it stays as it was.
        parts = {"positive": copy.copy(self.positive_), "negative": copy.copy(self.negative_) or fresh["negative"]}
        calibrators = {kind: getattr(self, f"{kind}_calibrator_") for kind in _KINDS}
        if self.negative_ is None:  # the first dislikes have yet to come, or are here
            calibrators["negative"] = late = type(calibrators["negative"])()
            self._learn_calibrators({"negative": late}, fresh, rows, merged, seed, "partial_fit", routed)
        for kind, part in parts.items():
            rows.train(part, kind, "partial_fit", routed[kind])
        return self._store(merged, parts, calibrators)

    def _fit_parts(self, parts, rows, merged, seed, method, routed):
        if not rows.of("negative").any():
            warnings.warn(
                "y holds no explicit negative (no row with y <= 0), so the ranking is that of the positive retriever.",
                NoNegativesWarning,
                stacklevel=5,
            )
        calibrators = {kind: CALIBRATORS[self.calibration]() for kind in _KINDS}
        self._learn_calibrators(calibrators, parts, rows, merged, seed, method, routed)
        for kind, part in parts.items():
            rows.train(part, kind, method, routed[kind])
        return self._store(merged, parts, calibrators)

    def _learn_calibrators(self, calibrators, parts, rows, merged, seed, method, routed):
        """Fit the maps that are learnt, on pairs that clones of `parts` are trained without."""
        for number, (kind, calibrator) in enumerate(calibrators.items()):
            own = rows.of(kind)
            if not calibrator.is_learnt or not own.any():
                continue
            rng = np.random.default_rng([seed, number])
            pairs = np.unique(rows.keys[own])
            held = _hold_out(pairs, len(merged.item_ids), self.validation_fraction, rng)
            if not len(held):
                raise self._too_few(kind, len(pairs))
            part = clone(parts[kind])
            rows.train(part, kind, method, routed[kind], without=held)
            users, items, is_own = _with_references(held, merged.matrix, rng)
            users = encode_ids(merged.user_ids[users], part.user_ids_)
            items = encode_ids(merged.item_ids[items], part.item_ids_)
            known = (users >= 0) & (items >= 0)
            if len(np.unique(is_own[known])) < 2:
                raise self._too_few(kind, len(pairs))
            calibrator.fit(part._score_pairs(users[known], items[known]), is_own[known])

    def _too_few(self, kind, n_pairs):
        return ValueError(
            f"calibration={self.calibration!r} learns from a share of {self.validation_fraction} of the pairs of each "
            f"kind, held out, and unobserved pairs of the same users; {n_pairs} {kind} pair(s) are too few. "
            "calibration='zscore' and calibration='rank' need none."
        )

    def _store(self, merged, parts, calibrators):
        self._store_interactions(merged)
        self._places = {}
        for kind, part in parts.items():
            if not hasattr(part, "item_ids_"):
                part = None
            else:
                users, items = encode_ids(merged.user_ids, part.user_ids_), encode_ids(merged.item_ids, part.item_ids_)
                self._places[kind] = users, items
            setattr(self, f"{kind}_", part)
            setattr(self, f"{kind}_calibrator_", calibrators[kind])
        return self

    def _part(self, kind):
        """Return the retriever to clone."""
        if kind == "negative" and self.negative is not None:
            return self.negative
        if self.positive is not None:
            return self.positive
        from skrec.matrix_factorization import TripletMF

        return TripletMF()

    def _new_parts(self):
        """Clone the retrievers, with the columns and seeds that they are to use; also return a seed of our own."""
        rng = check_random_state(self.random_state)
        seeds = rng.randint(np.iinfo(np.int32).max, size=3).tolist()
        parts = {}
        for kind, seed in zip(_KINDS, seeds, strict=False):
            part = parts[kind] = clone(self._part(kind))
            given = part.get_params()
            settings = {name: getattr(self, name) for name in ("user", "item") if name in given}
            settings |= {
                name: seed
                for name, value in given.items()
                if name.rpartition("__")[2] == "random_state" and value is None
            }
            part.set_params(**settings)
        return parts, seeds[2]

    def _route(self, method, params):
        """Arguments of the `method` of each retriever."""
        if not sklearn.get_config()["enable_metadata_routing"]:
            return dict.fromkeys(_KINDS, params)
        routed = process_routing(self, method, **params)
        return {kind: getattr(routed[kind], method) for kind in _KINDS}

    def get_metadata_routing(self):
        """Return who asks for which arguments of `fit` and `partial_fit`.

        Returns
        -------
        MetadataRouter
            `sample_weight` is this estimator's own request, and handed on to both retrievers. All other arguments are
            requests of theirs.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        for kind in _KINDS:
            mapping = MethodMapping()
            for method in ("fit", "partial_fit"):
                mapping.add(caller=method, callee=method)
            router.add(**{kind: self._part(kind)}, method_mapping=mapping)
        return router

    def _score_users(self, user_codes):
        scores = self._calibrated("positive", user_codes, np.min)
        if self.weight > 0 and self.negative_ is not None:
            known = self._places["negative"][0][user_codes] >= 0
            scores[known] -= self.weight * self._calibrated("negative", user_codes[known], np.mean)
        return scores.astype(np.float32)

    def _calibrated(self, kind, user_codes, fill):
        """Calibrated scores of one retriever over the whole catalogue; `fill` gives a user's score of unknown items."""
        part, calibrator = getattr(self, f"{kind}_"), getattr(self, f"{kind}_calibrator_")
        users, items = self._places[kind]
        block = calibrator.transform(part._score_block(users[user_codes]))
        scores = block[:, items]
        scores[:, items < 0] = fill(block, axis=1, keepdims=True)
        return scores

    def furthest(self, users, n_recommendations=10, *, exclude_seen=True, candidates=None, exclude=None):
        """List the items that the retriever of dislikes scores lowest for each user.

        Furthest from what is disliked is not liked: a model of dislikes puts lowest what never occurs beside them,
        which is as a rule rare or of another kind, wanted or not. Use the list to see what the model of dislikes has
        learnt, or to choose among `candidates` that are good on other grounds; to recommend, use `recommend`.

        Parameters
        ----------
        users, n_recommendations, exclude_seen, candidates, exclude
            As in `recommend`. Users without explicit negatives count as unknown ones.

        Returns
        -------
        ids : ndarray of shape (n_users, n_recommendations)
            Item ids, furthest first; filled as by `recommend`. Items that nobody dislikes have no place in that model,
            and are not listed.
        scores : ndarray of shape (n_users, n_recommendations), float32
            The retriever's scores times -1; -inf beside filled places.

        Raises
        ------
        ValueError
            When there were no explicit negatives, or an id is unknown and ``on_unknown="error"``.
        """
        check_is_fitted(self)
        if self.negative_ is None:
            raise ValueError("furthest needs explicit negatives, and no training row had y <= 0.")
        if self.on_unknown == "error":
            encode_ids(users, self.negative_.user_ids_, "users", allow_unknown=False)
        view = _Furthest()
        vars(view).update(vars(self))
        return view.recommend(
            users, n_recommendations, exclude_seen=exclude_seen, candidates=candidates, exclude=exclude
        )


class _Furthest(PosNegRetriever):
    """A fitted PosNegRetriever seen from the other end: its dislikes, turned around."""

    def _score_users(self, user_codes):
        users, items = self._places["negative"]
        scores = np.empty((len(user_codes), len(items)), dtype=np.float32)
        known = users[user_codes] >= 0
        block = -self.negative_._score_block(users[user_codes[known]])[:, items]
        block[:, items < 0] = -np.inf
        scores[known] = block
        scores[~known] = self._score_unknown_user()
        return scores


class _Rows:
    """The rows of a call, told apart by what they are to the two retrievers."""

    def __init__(self, estimator, X, y, sample_weight, merged):
        self.X, self.y = indexable(X, y)
        users, items = check_pairs(
            estimator,
            X,
            user=estimator.user,
            item=estimator.item,
            user_ids=merged.user_ids,
            item_ids=merged.item_ids,
        )
        self.keys = users * np.int64(len(merged.item_ids)) + items
        self._positive = np.ones(len(users), dtype=bool) if y is None else check_feedback(y, len(users))
        self.sample_weight = None if sample_weight is None else check_sample_weight(sample_weight, users)
        counts = np.ones(len(users), dtype=bool) if sample_weight is None else self.sample_weight > 0
        liked = _keys(merged.matrix, merged.matrix.data > 0)
        self._kinds = {
            "positive": self._positive & counts,
            "negative": ~self._positive & counts & ~_is_in(self.keys, liked),
        }

    def of(self, kind):
        """Which rows are of a kind; bool of shape (n_rows,)."""
        return self._kinds[kind]

    def train(self, part, kind, method, params, without=None):
        """Call `method` of a retriever on the rows of its kind, if there are any; `without` some pairs, by key."""
        chosen = self.of(kind)
        if without is not None:
            chosen = chosen & ~np.isin(self.keys, without)
        chosen = np.flatnonzero(chosen)
        if not len(chosen):
            return
        if self.sample_weight is not None:
            params = {**params, "sample_weight": self.sample_weight[chosen]}
        # The retriever of dislikes is told nothing but positives; that of likes may use how positive they are.
        y = None if self.y is None or kind == "negative" else take_rows(self.y, chosen)
        getattr(part, method)(take_rows(self.X, chosen), y, **params)


def _keys(matrix, chosen):
    """Return ``user * n_items + item`` of the chosen entries of a matrix, ascending."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    return (rows * matrix.shape[1] + matrix.indices)[chosen]


def _is_in(keys, ordered):
    """Whether each key is among some in ascending order."""
    if not len(ordered):
        return np.zeros(len(keys), dtype=bool)
    return ordered[np.searchsorted(ordered, keys).clip(max=len(ordered) - 1)] == keys


def _hold_out(pairs, n_items, fraction, rng):
    """Draw a share of the pairs of a kind, of each user all but one at most: a user without any could not be scored."""
    pairs = rng.permutation(pairs)
    _, kept = np.unique(pairs // n_items, return_index=True)
    return np.delete(pairs, kept)[: round(fraction * len(pairs))]


def _with_references(held, matrix, rng):
    """Add to the held-out pairs some of the same users with items drawn uniformly among those without a row.

    Parameters
    ----------
    held : ndarray of shape (n_held,), int64
        ``user * n_items + item`` of each pair.
    matrix : csr_array of shape (n_users, n_items)
        All interactions.
    rng : numpy.random.Generator

    Returns
    -------
    users, items : ndarray of shape (n_pairs,), int64
    is_own : ndarray of shape (n_pairs,), bool
        True for the held-out pairs.
    """
    n_items = matrix.shape[1]
    users = np.repeat(held // n_items, _N_REFERENCES)
    references = users * n_items + rng.integers(n_items, size=len(users))
    # Leaving a draw that has a row out, instead of drawing again, keeps it uniform over the rest.
    references = references[~_is_in(references, _keys(matrix, slice(None)))]
    both = np.concatenate([held, references])
    return both // n_items, both % n_items, np.arange(len(both)) < len(held)
