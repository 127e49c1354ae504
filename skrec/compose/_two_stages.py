"""Two stages: candidates from a retriever, their order from a ranker."""

import copy
import warnings
from numbers import Integral

import numpy as np
import sklearn
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, check_random_state, check_scalar
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skrec.base import BaseRecommender
from skrec.compose._candidates import RETRIEVER, FirstStage, Pairs, best_unseen
from skrec.compose._job import Job, is_in, pair_keys, select
from skrec.exceptions import NoRankerWarning
from skrec.utils._ids import encode_ids
from skrec.utils._sklearn_compat import HasMethods, Interval, fit_context
from skrec.utils._validation import Interactions, merge_interactions

__all__ = ["RetrieveThenRank"]

_TABLES = ("user_features", "item_features")
# Scores of a block of users against the catalogue.
_BLOCK = 1 << 22
# The ranker's scores are at least the smallest normal float32, and those of items that are no candidates below 0.
_LEAST = np.finfo(np.float32).tiny


class RetrieveThenRank(BaseRecommender):
    r"""Find candidates with a retriever, and put them in order with a classifier.

    The retriever scores the whole catalogue for a user; a ranker, which may be slow and may look at anything, then
    orders the best of it. What the ranker learns from are candidates of retrievers that have *not* been fitted on its
    rows: to a retriever, the rows that it was fitted on look far better than any candidate that it will ever find.

    Read more in the :ref:`User Guide <two_stages>`.

    Parameters
    ----------
    retriever : recommender or None, default=None
        Gives the candidates. None: :class:`~skrec.ImplicitALS` with its defaults.
    ranker : classifier or None, default=None
        Orders them: any classifier of scikit-learn's kind, a pipeline too, that takes a frame and has `predict_proba`
        or `decision_function`. See Notes for the columns. A `user` and `item` among its parameters are set to the names
        of the columns of ids. None: gradient boosted trees on the columns of numbers and categories, without the ids.
    scorers : list of (str, recommender) tuples or None, default=None
        Further recommenders, fitted like the retriever. They bring no candidates; the score of the one called "ease" is
        the ranker's column ``ease_score``.
    n_candidates : int, default=100
        Length of the retriever's lists, in training and in `recommend`. The latter follows later changes.
    cv : int, splitter or iterable of (train, test), default=5
        How rows are held out of the retriever to train the ranker on. An int deals each user's positives, and explicit
        negatives, over so many folds, each of which is one more fit of the retriever. A splitter, as
        ``LeaveLastOut(n=5, time="timestamp")``, gives its own, one or several.
    n_negatives : int or None, default=None
        Of the candidates of a user and a fold that are not among the user's rows, so many random ones are rows of
        the ranker. None: all.
    explicit_negatives : bool, default=True
        Whether held-out explicit negatives are rows of the ranker, candidates or not. False leaves them out altogether.
    missed_positives : bool, default=False
        Whether held-out positives that the retriever did not find are rows of the ranker. It will not meet such items.
    user, item : int or str, default=0 and 1
        Position or name of the columns of user and item ids; also for the retriever and scorers, whose own `user` and
        `item` do not count.
    on_unknown : {"popular", "error"}, default="popular"
        What to do with ids that were not in the training rows, see `predict`.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds, what is drawn, and the retriever, scorers and ranker where their own `random_state` is None.

    Attributes
    ----------
    retriever_ : recommender
        Fitted on all rows.
    ranker_ : classifier or None
        Fitted; None where there was nothing to learn from.
    scorers_ : list of (str, recommender) tuples
        Fitted on all rows.
    user_ids_, item_ids_ : ndarray
        Ids of the training rows.
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
    NoRankerWarning
        When the ranker has nothing to learn from, because no user has two positives for example.

    See Also
    --------
    skrec.CTRRanker : A ranker of users, items and features, by factorisation machines.
    skrec.samplers.RejectedSampler : Takes what `rejected` returns.

    Notes
    -----
    *Columns.* The ranker gets a pandas frame: the user's id and the item's, under the names that they have in `X`, or
    "user" and "item"; the columns of `user_features` and `item_features`; and

    ====================  ==========================================================================================
    ``retriever_score``   the score less the mean of the user's scores of items not seen, in their standard deviations
    ``retriever_rank``    1 for the item that the retriever puts first among those not seen
    ``<name>_score``      as ``retriever_score``, by one of the `scorers`
    ``item_popularity``   logarithm of 1 + positives of the item, less that of the items' mean
    ``user_activity``     logarithm of 1 + positives of the user, less that of the users' mean
    ====================  ==========================================================================================

    They are made so that what the ranker learns of retrievers of a part of the rows holds for the one of all rows: a
    retriever's raw scores grow with the rows that it has seen, and counts do.

    *Rows.* Of each fold: held-out positives among the candidates, labelled 1; the other candidates, 0; and the fold's
    explicit negatives, 0. The candidates leave out what the fold's retriever was fitted on. So no row of the ranker
    was ever a row of the retriever that scored it. A user with a single positive is never held out. A pair with rows on
    both sides of a splitter's fold is taken for seen.

    *One score.* A candidate's is the ranker's probability; where two are equal, the retriever decides by one bit. The
    score of any other item is -r / n_items for place r in the retriever's order, and therefore lower. An item that the
    user was seen with takes no candidate's place; it is scored as a candidate where the retriever prefers it to the
    last one. Negatives are a choice of candidates, so that the probability is one *among what is retrieved*.

    *Cost.* ``cv + 1`` fits of the retriever and each scorer, and one fit of the ranker on up to
    ``cv * n_users * n_candidates`` rows; `n_negatives` makes them fewer.

    References
    ----------
    P. Covington, J. Adams and E. Sargin, "Deep neural networks for YouTube recommendations", RecSys 2016: the two
    stages. D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992: why the second stage learns from
    predictions of rows that the first one was not fitted on.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrec import EASERecommender, RetrieveThenRank
    >>> from skrec.datasets import make_interactions
    >>> X, y = make_interactions(negative_fraction=0.3, return_X_y=True, random_state=0)
    >>> columns = ["retriever_score", "item_popularity"]
    >>> ranker = make_pipeline(make_column_transformer(("passthrough", columns)), LogisticRegression())
    >>> model = RetrieveThenRank(EASERecommender(l2=50.0), ranker, n_candidates=30, random_state=0).fit(X, y)
    >>> ids, scores, retriever_scores = model.recommend([3, 7], 5, return_retriever_scores=True)
    >>> ids.shape, retriever_scores.shape
    ((2, 5), (2, 5))

    What the ranker learnt from:

    >>> data = model.make_ranking_data(X, y)
    >>> data.data.columns.tolist()
    ['user_id', 'item_id', 'retriever_score', 'retriever_rank', 'item_popularity', 'user_activity']
    """

    _parameter_constraints: dict = {
        **BaseRecommender._parameter_constraints,
        "retriever": [HasMethods(["fit", "_score_block"]), None],
        "ranker": [HasMethods(["fit", "predict_proba"]), HasMethods(["fit", "decision_function"]), None],
        "scorers": [list, None],
        "n_candidates": [Interval(Integral, 1, None, closed="left")],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split"]), "array-like"],
        "n_negatives": [Interval(Integral, 1, None, closed="left"), None],
        "explicit_negatives": ["boolean"],
        "missed_positives": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        retriever=None,
        ranker=None,
        *,
        scorers=None,
        n_candidates=100,
        cv=5,
        n_negatives=None,
        explicit_negatives=True,
        missed_positives=False,
        user=0,
        item=1,
        on_unknown="popular",
        random_state=None,
    ):
        self.retriever = retriever
        self.ranker = ranker
        self.scorers = scorers
        self.n_candidates = n_candidates
        self.cv = cv
        self.n_negatives = n_negatives
        self.explicit_negatives = explicit_negatives
        self.missed_positives = missed_positives
        self.user = user
        self.item = item
        self.on_unknown = on_unknown
        self.random_state = random_state

    @fit_context
    def fit(self, X, y=None, sample_weight=None, *, user_features=None, item_features=None, **fit_params):
        """Fit the ranker on candidates of retrievers that have not seen its rows, then the retriever on all rows.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            One interaction a row. The retriever gets whole rows.
        y : array-like of shape (n_rows,), default=None
            Above 0: positive. 0 and below, or False: explicit negative. None: every row is a positive.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows, 0 or more. The ranker is given them too, where its `fit` takes weights; a candidate
            that is no row has their mean.
        user_features, item_features : frame, default=None
            Features of users and items, a row for each id, as in :meth:`TwoTowerRetriever.fit`. They become columns
            of the ranker's, and are handed to the retriever and scorers whose `fit` takes them (with metadata routing
            enabled: which ask for them).
        **fit_params : dict
            Further arguments for the `fit` of the retriever and scorers.

        Returns
        -------
        self : RetrieveThenRank

        Warns
        -----
        NoRankerWarning
            When there is nothing that the ranker could learn from. The ranking is then that of the retriever.
        """
        tables = {"user_features": user_features, "item_features": item_features}
        job = Job(self, X, y, sample_weight, tables, fit_params)
        parts, ranker, rng = self._new_parts()
        ranker = self._fit_ranker(ranker, self._cross_data(job, parts, rng), "fit")
        for name, part in parts.items():
            job.train(part, name)
        return self._store(job.merged, parts, ranker, job.tables, job.given)

    @available_if(lambda self: all(hasattr(part, "partial_fit") for part in self._parts().values()))
    @fit_context
    def partial_fit(self, X, y=None, sample_weight=None, *, user_features=None, item_features=None, **fit_params):
        """Let the ranker learn from new rows, and then the retriever.

        The new rows are held-out ones to the retriever as it is: where the ranker has a `partial_fit`, it learns from
        them and the retriever's candidates first. Any other ranker stays what it was.

        Parameters
        ----------
        X, y, sample_weight, user_features, item_features, **fit_params
            As in `fit`; users and items may be new. Tables need only have ids that are new or have new features.

        Returns
        -------
        self : RetrieveThenRank
        """
        tables = {"user_features": user_features, "item_features": item_features}
        if not hasattr(self, "retriever_"):
            return self.fit(X, y, sample_weight, **tables, **fit_params)
        job = Job(self, X, y, sample_weight, tables, fit_params, method="partial_fit")
        old, rng = self.interactions_, np.random.default_rng([self._seed, self.interactions_.nnz])
        shape = job.merged.matrix.shape
        old = csr_array((old.data, old.indices, np.pad(old.indptr, (0, shape[0] - old.shape[0]), mode="edge")), shape)
        ranker = self.ranker_
        if hasattr(self._ranker(), "partial_fit"):
            stage = FirstStage(self._stage.parts, old, job.merged.user_ids, job.merged.item_ids)
            is_new = ~is_in(pair_keys(job.batch.matrix), pair_keys(old))
            held = select(job.batch.matrix, is_new)
            data = self._gather(list(self._ranking_rows(stage, held, job.tables, rng)), job.merged)
            if data is not None:
                fresh = ranker is None
                ranker = self._new_parts()[1] if fresh else copy.deepcopy(ranker)
                ranker = self._fit_ranker(ranker, data, "partial_fit", **({"classes": [0, 1]} if fresh else {}))
        # A fitted recommender never writes into its arrays, so a shallow copy of it can learn while it stays as it was.
        parts = {name: copy.copy(part) for name, part in self._stage.parts.items()}
        for name, part in parts.items():
            job.train(part, name)
        return self._store(job.merged, parts, ranker, job.tables, self._given)

    def make_ranking_data(self, X, y=None, sample_weight=None, *, user_features=None, item_features=None, **fit_params):
        """Make the rows that `fit` trains the ranker on, to look at or to choose a ranker by.

        Parameters
        ----------
        X, y, sample_weight, user_features, item_features, **fit_params
            As in `fit`. The estimator is not changed.

        Returns
        -------
        Bunch or None
            None where there would be no row. Else

            data : DataFrame of shape (n_pairs, n_columns)
                User id, item id, features, scores and counts, as the ranker sees them.
            target : ndarray of shape (n_pairs,), int64
                1: a held-out positive. 0: an explicit negative, or a candidate that was not wanted.
            sample_weight : ndarray of shape (n_pairs,), or None
                Weights of the pairs, where rows had any.
            fold : ndarray of shape (n_pairs,), int64
                Number of the fold whose retriever had not seen the pair.
        """
        tables = {"user_features": user_features, "item_features": item_features}
        model = clone(self)
        model._validate_params()
        parts, _, rng = model._new_parts()
        return model._cross_data(Job(model, X, y, sample_weight, tables, fit_params), parts, rng)

    # --- the rows that the ranker learns from

    def _cross_data(self, job, parts, rng):
        """Fit clones of the first stage fold by fold, and gather what they make of what they have not seen."""
        merged, pieces = job.merged, []
        for fold, (trained, held) in enumerate(self._folds(job, rng)):
            fitted = {name: clone(part) for name, part in parts.items()}
            for name, part in fitted.items():
                job.train(part, name, only=trained)
            stage = FirstStage(fitted, select(merged.matrix, trained), merged.user_ids, merged.item_ids)
            pieces += (
                (*piece, fold) for piece in self._ranking_rows(stage, select(merged.matrix, held), job.tables, rng)
            )
        return self._gather(pieces, merged)

    def _folds(self, job, rng):
        """Yield which entries of the matrix are trained on and which are held out; bool of shape (nnz,) each."""
        matrix = job.merged.matrix
        if isinstance(self.cv, Integral):
            users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
            liked = matrix.data > 0
            n_liked = np.bincount(users, weights=liked, minlength=matrix.shape[0])
            # Dealt like cards, positives and negatives each user by user. Who has a single positive keeps all.
            order = np.lexsort((rng.random(matrix.nnz), users, ~liked))
            order = order[n_liked[users[order]] > 1]
            fold_of = np.full(matrix.nnz, -1)
            fold_of[order] = np.arange(len(order)) % self.cv
            for fold in range(self.cv):
                held = fold_of == fold
                if held[liked].any():
                    yield ~held, held
            return
        for train, test in check_cv(self.cv).split(job.X, job.y):
            trained, held = job.entries_of(train), job.entries_of(test)
            # A pair with rows on both sides has been seen.
            held &= ~trained
            if trained[matrix.data > 0].any() and held[matrix.data > 0].any():
                yield trained, held

    def _ranking_rows(self, stage, held, tables, rng):
        """Yield, for blocks of users, frames of held-out pairs and candidates, their labels and codes.

        Parameters
        ----------
        stage : FirstStage
            Fitted without `held`.
        held : csr_array of shape (n_users, n_items), int8
            What is held out.
        tables : Tables
        rng : numpy.random.Generator

        Yields
        ------
        frame : pandas.DataFrame of shape (n_pairs, n_columns)
        labels, user_codes, item_codes : ndarray of shape (n_pairs,)
        """
        involved = np.flatnonzero(np.diff(held.indptr))
        involved = involved[stage.knows(involved)]
        for batch in self._batches_of(len(involved), held.shape[1]):
            users = involved[batch]
            scores = stage.scores(users)
            own = held[users]
            given = Pairs(np.repeat(np.arange(len(users)), np.diff(own.indptr)), own.indices)
            label = np.zeros(scores.shape, dtype=np.int8)
            label[given] = own.data
            # An explicit negative that is left out is no candidate either: nothing is known of it.
            hidden = stage.seen(users)
            if not self.explicit_negatives:
                rows, items = np.nonzero(label < 0)
                hidden = Pairs(np.append(hidden.rows, rows), np.append(hidden.items, items))
            found = best_unseen(scores, hidden, self.n_candidates)
            found = Pairs(*(part[(label > 0).any(axis=1)[found.rows]] for part in found))
            if self.n_negatives is not None:
                found = self._thinned(found, label[found] == 0, rng)
            chosen = np.zeros(scores.shape, dtype=bool)
            chosen[found] = True
            extra = self.missed_positives * (own.data > 0) | self.explicit_negatives * (own.data < 0)
            extra = extra.astype(bool) & np.isfinite(scores[given])
            chosen[given.rows[extra], given.items[extra]] = True
            pairs = Pairs(*np.nonzero(chosen))
            if len(pairs.rows):
                frame = stage.describe(users, pairs, scores, tables)
                yield frame, (label[pairs] > 0).astype(np.int64), users[pairs.rows], pairs.items

    def _thinned(self, found, is_unobserved, rng):
        """Keep `n_negatives` random ones of each user's candidates that are unobserved, and all others."""
        rows = found.rows[is_unobserved]
        order = np.lexsort((rng.random(len(rows)), rows))
        keep = np.empty(len(rows), dtype=bool)
        keep[order] = np.arange(len(rows)) - np.searchsorted(rows, rows) < self.n_negatives
        kept = ~is_unobserved
        kept[is_unobserved] = keep
        return Pairs(found.rows[kept], found.items[kept])

    @staticmethod
    def _gather(pieces, merged):
        """Make one of the frames of all blocks and folds, with weights where rows have any."""
        import pandas as pd

        if not pieces:
            return None
        frames, labels, users, items, *folds = zip(*pieces, strict=True)
        sizes = [len(frame) for frame in frames]
        weight = None
        if merged.weight is not None:
            known = pair_keys(merged.matrix)
            keys = np.concatenate(users).astype(np.int64) * merged.matrix.shape[1] + np.concatenate(items)
            at = np.searchsorted(known, keys).clip(max=len(known) - 1)
            weight = np.where(known[at] == keys, merged.weight[at], merged.weight.mean())
        return Bunch(
            data=pd.concat(frames, ignore_index=True),
            target=np.concatenate(labels),
            sample_weight=weight,
            fold=np.repeat(folds[0] if folds else [0] * len(sizes), sizes),
        )

    def _fit_ranker(self, ranker, data, method, **params):
        """Fit or train a ranker, and return it; None where it has nothing to learn from."""
        if method == "fit" and (data is None or len(np.unique(data.target)) < 2):
            warnings.warn(
                "The ranker has nothing to learn from, so the ranking is that of the retriever. It needs users with "
                "two positives or more, one of which their retriever finds, and items that they have no row with.",
                NoRankerWarning,
                stacklevel=4,
            )
            return None
        if data.sample_weight is not None:
            step = ranker.steps[-1] if isinstance(ranker, Pipeline) else (None, ranker)
            if has_fit_parameter(step[1], "sample_weight"):
                routing = sklearn.get_config()["enable_metadata_routing"]
                if routing and step[0] is not None:  # the weights are ours to give, and this is our clone
                    step[1].set_fit_request(sample_weight=True)
                prefix = "" if routing or step[0] is None else f"{step[0]}__"
                params[f"{prefix}sample_weight"] = data.sample_weight
        return getattr(ranker, method)(data.data, data.target, **params)

    # --- the parts

    def _parts(self):
        """Return the recommenders to clone, by name."""
        retriever = self.retriever
        if retriever is None:
            from skrec.baselines import ImplicitALS

            retriever = ImplicitALS()
        return {RETRIEVER: retriever, **dict(self.scorers or ())}

    def _ranker(self):
        """Return the ranker to clone."""
        if self.ranker is not None:
            return self.ranker
        from skrec.compose._default_ranker import default_ranker

        return default_ranker(self._names())

    def _new_parts(self):
        """Clone the recommenders and the ranker, with the columns and seeds that they are to use; also return ours."""
        names = [RETRIEVER, *(name for name, _ in self.scorers or ())]
        if len(set(names)) < len(names):
            raise ValueError(f"scorers must have names of their own, and not {RETRIEVER!r}: got {names[1:]}.")
        rng = check_random_state(self.random_state)
        models = [clone(part) for part in (*self._parts().values(), self._ranker())]
        for model in models:
            seed = int(rng.randint(np.iinfo(np.int32).max))
            given = model.get_params()
            is_ranker = model is models[-1]
            settings = {
                key: name
                for key, name in zip(
                    ("user", "item"), self._names() if is_ranker else (self.user, self.item), strict=True
                )
                if key in given
            }
            settings |= {
                key: seed for key, value in given.items() if key.rpartition("__")[2] == "random_state" and value is None
            }
            model.set_params(**settings)
        *parts, ranker = models
        self._seed = int(rng.randint(np.iinfo(np.int32).max))
        return dict(zip(names, parts, strict=True)), ranker, np.random.default_rng(self._seed)

    def _names(self):
        """Names of the ranker's columns of user ids and item ids."""
        known = getattr(self, "feature_names_in_", None)
        return tuple(
            key if isinstance(key, str) else name if known is None else known[key]
            for key, name in ((self.user, "user"), (self.item, "item"))
        )

    def get_metadata_routing(self):
        """Return who asks for which arguments of `fit` and `partial_fit`.

        Returns
        -------
        MetadataRouter
            `sample_weight`, `user_features` and `item_features` are this estimator's own requests; the weights are
            handed to all parts. The tables and all other arguments are requests of the retriever and the scorers.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = MethodMapping()
        for method in ("fit", "partial_fit"):
            mapping.add(caller=method, callee=method)
        return router.add(method_mapping=mapping, **self._parts())

    def _store(self, merged, parts, ranker, tables, given):
        self._store_interactions(merged)
        self._stage = FirstStage(parts, merged.matrix, merged.user_ids, merged.item_ids)
        self._tables, self._given = tables, given
        self.retriever_, self.ranker_ = parts[RETRIEVER], ranker
        self.scorers_ = [(name, part) for name, part in parts.items() if name != RETRIEVER]
        return self

    # --- ranking

    @staticmethod
    def _batches_of(n, n_items):
        from sklearn.utils import gen_batches

        return gen_batches(n, max(1, _BLOCK // n_items)) if n else ()

    def _score_users(self, user_codes):
        scores = self._stage.scores(user_codes)
        if self.ranker_ is None:
            return scores
        seen = self._stage.seen(user_codes)
        found = best_unseen(scores, seen, self.n_candidates)
        chosen = np.zeros(scores.shape, dtype=bool)
        chosen[found] = True
        # What was seen takes no candidate's place, and is ranked with the candidates where it is as good as the last.
        last = np.full(len(scores), np.inf, dtype=np.float32)
        np.minimum.at(last, found.rows, scores[found])
        last[np.isinf(last)] = -np.inf  # everything was seen
        chosen[seen] = scores[seen] >= last[seen.rows]
        ranks = np.empty(scores.shape, dtype=np.float32)
        np.put_along_axis(
            ranks,
            np.argsort(-scores, axis=1, kind="stable"),
            np.arange(1, scores.shape[1] + 1, dtype=np.float32)[None],
            axis=1,
        )
        total = -ranks / scores.shape[1]
        pairs = Pairs(*np.nonzero(chosen))
        total[pairs] = self._rank(user_codes, pairs, scores)
        return total

    def _rank(self, user_codes, pairs, scores):
        """Return the ranker's scores of candidates, above 0; where they are equal the retriever decides, by a bit."""
        if not len(pairs.rows):
            return np.empty(0, dtype=np.float32)
        frame = self._stage.describe(user_codes, pairs, scores, self._tables)
        if hasattr(self.ranker_, "predict_proba"):
            values = self.ranker_.predict_proba(frame)[:, 1]
        else:
            values = expit(self.ranker_.decision_function(frame))
        values = np.maximum(values.astype(np.float32), np.float32(_LEAST))
        order = np.lexsort((-scores[pairs], -values, pairs.rows))
        # As integers, the bits of positive floats are in the order of the floats, and neighbours differ by 1.
        bits = values[order].view(np.int32).astype(np.int64)
        step = np.arange(len(bits)) - (pairs.rows[order].astype(np.int64) << 40)
        bits = np.minimum.accumulate(bits + step) - step
        ranked = np.empty_like(values)
        ranked[order] = bits.astype(np.int32).view(np.float32)
        return ranked

    def _first_scores(self, user_codes):
        if self.ranker_ is None:
            return self._score_block(user_codes)
        known = user_codes >= 0
        block = np.empty((len(user_codes), len(self.item_ids_)), dtype=np.float32)
        block[~known] = self._score_unknown_user()
        if known.any():
            block[known] = self._stage.scores(user_codes[known])
        return block

    def _final_scores(self, user_codes, block, columns, n):
        known = np.flatnonzero(user_codes >= 0)
        if self.ranker_ is None or not len(known):
            return block
        allowed = block[known]
        if columns is not None:
            left_out = np.ones(block.shape[1], dtype=bool)
            left_out[columns] = False
            allowed[:, left_out] = -np.inf
        user_codes = user_codes[known]
        everything = Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
        ordered = best_unseen(allowed, everything, max(n, self.n_candidates))
        place = np.arange(len(ordered.rows)) - np.searchsorted(ordered.rows, ordered.rows)
        total = np.full(allowed.shape, -np.inf, dtype=np.float32)
        total[ordered] = -(place + 1) / np.float32(block.shape[1])
        chosen = np.zeros(allowed.shape, dtype=bool)
        found = place < self.n_candidates
        chosen[ordered.rows[found], ordered.items[found]] = True
        pairs = Pairs(*np.nonzero(chosen))
        total[pairs] = self._rank(user_codes, pairs, self._stage.scores(user_codes))
        block[known] = total
        return block

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
        return_retriever_scores=False,
    ):
        """List the candidates that the ranker prefers for each user.

        Parameters
        ----------
        users, n_recommendations, exclude_seen
            As in :meth:`TripletMF.recommend`.
        candidates, exclude : list of ids or list of lists of ids, default=None
            As in :meth:`TripletMF.recommend`. Of what they leave, and `exclude_seen`, the ranker orders the
            `n_candidates` that the retriever prefers.
        user_features, item_features : frame, default=None
            Newer features, and those of users and items that were not in the training rows, where the retriever takes
            such tables.
        return_retriever_scores : bool, default=False
            Whether to return what the retriever says of the listed items, too.

        Returns
        -------
        ids : ndarray of shape (n_users, n_recommendations)
            Item ids, best first, filled as by other recommenders.
        scores : ndarray of shape (n_users, n_recommendations), float32
            The ranker's probability; below 0 where more are asked for than there are candidates, see `predict`; -inf
            beside filled places.
        retriever_scores : ndarray of shape (n_users, n_recommendations), float32
            The retriever's score as it is, where asked for; -inf beside filled places.
        """
        model = self._with(user_features, item_features)
        options = {"exclude_seen": exclude_seen, "candidates": candidates, "exclude": exclude}
        ids, scores = super(RetrieveThenRank, model).recommend(users, n_recommendations, **options)
        if not return_retriever_scores:
            return ids, scores
        return ids, scores, model._retriever_scores(users, ids, scores > -np.inf)

    def _retriever_scores(self, users, ids, listed):
        """Return the retriever's scores of lists; -inf where they are filled up."""
        codes = encode_ids(users, self.user_ids_)
        items = np.zeros(ids.shape, dtype=np.int32)
        if listed.any():
            items[listed] = encode_ids(ids[listed], self.item_ids_)
        found = np.empty(ids.shape, dtype=np.float32)
        for batch in self._batches(len(codes)):
            found[batch] = np.take_along_axis(self._first_scores(codes[batch]), items[batch], axis=1)
        found[~listed] = -np.inf
        return found

    def predict(self, X, *, user_features=None, item_features=None):
        """Score pairs of a user and an item.

        Parameters
        ----------
        X : array-like or frame of shape (n_pairs, n_features_in_)
            One pair a row, in the columns that the estimator was fitted on.
        user_features, item_features : frame, default=None
            As in `recommend`.

        Returns
        -------
        ndarray of shape (n_pairs,), float32
            Of a candidate of the user: the ranker's probability, above 0. Of any other item: -r / n_items where r is
            its place in the retriever's order, hence below 0. Unknown users and items as by other recommenders.
        """
        return super(RetrieveThenRank, self._with(user_features, item_features)).predict(X)

    def score(self, X, y=None, sample_weight=None, *, user_features=None, item_features=None):
        """Average per-user ROC AUC on held-out rows, over the whole catalogue.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`TripletMF.score`.
        user_features, item_features : frame, default=None
            As in `recommend`.

        Returns
        -------
        float
            Between 0 and 1; 0.5 is chance. Items that are no candidates rank behind those that are, in the
            retriever's order.
        """
        model = self._with(user_features, item_features)
        return super(RetrieveThenRank, model).score(X, y, sample_weight)

    def rejected(self, users=None, n_kept=10, *, n_rejected=None):
        """List what the retriever found and the ranker put last, for a :class:`~skrec.samplers.RejectedSampler`.

        Parameters
        ----------
        users : array-like of shape (n_users,), default=None
            Ids of users that were trained on; None: all of them.
        n_kept : int, default=10
            How many of each user's candidates, the ranker's best, are not rejected.
        n_rejected : int, default=None
            At most so many of each user, the ranker's last; None: all others.

        Returns
        -------
        DataFrame of shape (n_pairs, 2)
            User id and item id of each rejected candidate: user by user, the one that the ranker likes least first.
            No item of the user's training rows is among them.
        """
        import pandas as pd

        check_is_fitted(self)
        check_scalar(n_kept, "n_kept", Integral, min_val=0)
        if n_rejected is not None:
            check_scalar(n_rejected, "n_rejected", Integral, min_val=1)
        codes = np.arange(len(self.user_ids_)) if users is None else encode_ids(users, self.user_ids_, "users")
        known = self.user_ids_[np.unique(codes[codes >= 0])]
        pairs = [self.user_ids_[:0]], [self.item_ids_[:0]]
        for batch in self._batches(len(known)):
            ids, scores = self.recommend(known[batch], self.n_candidates)
            ids, scores = ids[:, ::-1], scores[:, ::-1]  # the last first
            n_found = (scores > -np.inf).sum(axis=1, keepdims=True)
            place = np.arange(ids.shape[1]) - (ids.shape[1] - n_found)
            wanted = n_found - n_kept if n_rejected is None else np.minimum(n_found - n_kept, n_rejected)
            rows, places = np.nonzero((place >= 0) & (place < wanted))
            pairs[0].append(known[batch][rows])
            pairs[1].append(ids[rows, places])
        return pd.DataFrame(dict(zip(self._names(), map(np.concatenate, pairs), strict=True)))

    def _with(self, user_features, item_features):
        """Return this estimator, or one that also knows newer tables, and the ids that the retriever learns of them."""
        check_is_fitted(self)
        given = {"user_features": user_features, "item_features": item_features}
        given = {name: table for name, table in given.items() if table is not None}
        if not given:
            return self
        parts = {}
        for name, part in self._stage.parts.items():
            own = {key: given.get(key) for key in self._given[name]}
            parts[name] = part._with(**{**dict.fromkeys(_TABLES), **own}) if own and hasattr(part, "_with") else part
        nothing = csr_array((len(parts[RETRIEVER].user_ids_), len(parts[RETRIEVER].item_ids_)), dtype=np.int8)
        ids = Interactions(nothing, None, parts[RETRIEVER].user_ids_, parts[RETRIEVER].item_ids_)
        merged, _ = merge_interactions(self._stored_interactions(), ids)
        tables = tuple(given.get(name) for name in _TABLES)
        tables = self._tables.updated((merged.user_ids, merged.item_ids), tables, (self.user, self.item))
        return copy.copy(self)._store(merged, parts, self.ranker_, tables, self._given)
