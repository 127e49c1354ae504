"""A callback that writes down, epoch by epoch, what a sampler draws."""

import numpy as np
from scipy.sparse import csr_array
from sklearn.callback import ScoringMonitor

# Positives of a user over which a preference is averaged, and the constants of GainSampler's gain, for other samplers.
_N_POSITIVES = 8
_SMOOTHING, _EPSILON = 0.5, 0.1
# Random items among which an unobserved one is looked for.
_TRIES = 20


class SamplerMonitor(ScoringMonitor):
    """Callback that records how hard the negatives of a `TripletMF` are in each epoch, and how many are false.

    Give it to an estimator with ``set_callbacks``. After each epoch it draws anew from the sampler, with the model as
    it then is; the training is not changed. The logs are those of scikit-learn's
    :class:`~sklearn.callback.ScoringMonitor`, whose `get_logs` it has; :class:`SamplerDiagnosticsDisplay` draws them.

    Parameters
    ----------
    held_out : array-like or frame of shape (n_pairs, n_columns), default=None
        Positives that are not in the training rows, such as those of a test fold, in the columns of `X`: as negatives
        they would be false. Pairs with ids that the estimator does not know are left out. None: what needs them is not
        recorded.
    n_draws : int, default=8
        Draws for each user and epoch.
    max_users : int, default=1000
        Most users that are looked at, chosen at random, those with held-out items first.
    random_state : int, default=0
        Seed of the draws.

    Notes
    -----
    Each epoch has a row in the log, with the columns

    - ``score_gap``: mean score of the positive less that of the drawn negative;
    - ``zero_gradient_share``: share of the epoch's triplets that cost nothing, as counted in training;
    - ``popularity_percentile``: mean share of the items that are less popular than a drawn one (half of those alike);
      about 0.5 for uniform draws of a user who has seen little;

    and, where `held_out` is given,

    - ``false_negative_rate``: share of the draws that hit a held-out positive, of users who have one, and
      ``chance_rate``: what it would be for uniform draws;
    - ``expectation_false``, ``expectation_true``: mean of H, the probability that an item ranks above one of the user's
      positives (the mean of ``sigmoid(s_uj - s_ui)`` over up to 8 of them), over held-out positives and over as many
      unobserved items of the same users;
    - ``gain_false``, ``gain_true``: mean of G, the smoothed relative drop of H from epoch to epoch, with the constants
      of a :class:`~skrec.samplers.GainSampler` if the sampler is one, else those that it has by default.

    The idea behind GainSampler is that H of true negatives falls and that of false ones rises, so that G tells them
    apart.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.datasets import make_interactions
    >>> from skrec.inspection import SamplerMonitor
    >>> X, _ = make_interactions(return_X_y=True, random_state=0)
    >>> monitor = SamplerMonitor(held_out=X[::5])
    >>> model = TripletMF(n_components=8, max_iter=3, random_state=0).set_callbacks(monitor)
    >>> model = model.fit(X.drop(X.index[::5]))
    >>> log = monitor.get_logs().data_as_pandas
    >>> len(log), "false_negative_rate" in log
    (3, True)
    """

    def __init__(self, *, held_out=None, n_draws=8, max_users=1000, random_state=0):
        self.held_out = held_out
        self.n_draws = n_draws
        self.max_users = max_users
        self.random_state = random_state
        self._past = {}  # of each fit in progress: what is looked at, and H and G of the last epoch
        super().__init__(scoring=_as_measured)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Record an epoch; scikit-learn calls it.

        Parameters
        ----------
        estimator : estimator
            In training.
        context : callback context
            Says which task of the fit has ended.
        fitted_estimator : estimator, default=None
            The model of the epoch.

        Returns
        -------
        None
            It does not ask to stop.
        """
        if context.task_name != "epoch":
            self._past.pop(estimator, None)
        elif fitted_estimator is not None:
            if context.task_id == 0 or estimator not in self._past:
                self._past[estimator] = _Watched(self, fitted_estimator)
            values = self._past[estimator].measure(fitted_estimator, context.task_id)
            super().on_fit_task_end(estimator, context, X=values, y=values, fitted_estimator=fitted_estimator)

    def teardown(self, estimator, context):
        """Forget a fit; scikit-learn calls it.

        Parameters
        ----------
        estimator : estimator
            Which was in training.
        context : callback context
            Of the fit.

        Returns
        -------
        None
        """
        self._past.pop(estimator, None)
        super().teardown(estimator, context)

    def __getstate__(self):
        return {**super().__getstate__(), "_past": {}}


def _as_measured(estimator, values, _):
    """Score of the monitor: what it has measured."""
    return values


class _Watched:
    """What is looked at during one fit."""

    def __init__(self, monitor, model):
        if not (hasattr(model, "sampler_") and hasattr(model, "_kernel_model")):
            raise TypeError(
                f"SamplerMonitor watches the sampler of a TripletMF; {type(model).__name__} draws no triplets."
            )
        self.n_draws, self.seed = monitor.n_draws, monitor.random_state
        rng = np.random.default_rng([self.seed, 0])
        n_users = len(model.user_ids_)
        self.held_out = None if monitor.held_out is None else _encode(monitor.held_out, model)
        wanted = np.zeros(n_users, bool)
        if self.held_out is not None:
            wanted[np.diff(self.held_out.indptr) > 0] = True
        liked = np.bincount((model.interactions_ > 0).nonzero()[0], minlength=n_users) > 0
        order = np.lexsort((rng.random(n_users), ~wanted))
        self.users = np.sort(order[liked[order]][: monitor.max_users]).astype(np.int32)
        popularity = np.sort(model.item_popularity_)
        sides = (np.searchsorted(popularity, model.item_popularity_, side=side) for side in ("left", "right"))
        self.percentile = sum(sides) / (2 * len(popularity))
        self.pairs = None if self.held_out is None else self._choose_pairs(model, rng)
        self.expectation = self.gain = None

    def _choose_pairs(self, model, rng):
        """Return users (n,), and a held-out and an unobserved item (2, n) of each."""
        held_out = self.held_out[self.users]
        users = np.repeat(self.users, np.diff(held_out.indptr))
        items = rng.integers(len(model.item_ids_), size=(_TRIES, len(users)))
        free = ~(_contains(model.interactions_, users, items) | _contains(self.held_out, users, items))
        chosen = items[free.argmax(axis=0), np.arange(len(users))]
        kept = free.any(axis=0)
        return users[kept], np.stack([held_out.indices[kept], chosen[kept]])

    def measure(self, model, epoch):
        """Return the row of an epoch."""
        users = np.repeat(self.users, self.n_draws)  # each draw has a positive of its own
        positives, drawn = model.sampler_._sample_beside(
            users, recommender=model, loss=model.loss_, random_state=_seed(self.seed, epoch)
        )
        drawn = drawn.ravel()
        kept = (drawn >= 0) & (positives >= 0)
        users, positives, drawn = users[kept], positives[kept], drawn[kept]
        gap = model._score_pairs(users, positives) - model._score_pairs(users, drawn)
        values = {
            "score_gap": _mean(gap),
            "zero_gradient_share": float(model.zero_gradient_share_[-1]),
            "popularity_percentile": _mean(self.percentile[drawn]),
        }
        if self.held_out is None:
            return values
        n_held_out = np.diff(self.held_out.indptr)
        at = n_held_out[users] > 0
        hits = _contains(self.held_out, users[at], drawn[at])
        n_unobserved = len(model.item_ids_) - np.diff(model.interactions_.indptr)
        values["false_negative_rate"] = _mean(hits)
        values["chance_rate"] = _mean(n_held_out[users[at]] / np.maximum(n_unobserved[users[at]], 1))
        return {**values, **self._follow(model)}

    def _follow(self, model):
        """H and G of the false and the true negatives that are followed."""
        users, items = self.pairs
        expectation = np.stack([_expectation(model, users, own) for own in items])
        if self.expectation is None:
            self.gain = np.full(expectation.shape, 0.5)
        else:
            smoothing = getattr(model.sampler_, "smoothing", _SMOOTHING)
            epsilon = getattr(model.sampler_, "epsilon", _EPSILON)
            drop = (self.expectation - expectation) / np.maximum(expectation + epsilon, 1e-12)
            self.gain = smoothing * self.gain + (1 - smoothing) / (1 + np.exp(-drop))
        self.expectation = expectation
        return {
            f"{what}_{which}": _mean(rows)
            for what, both in (("expectation", expectation), ("gain", self.gain))
            for which, rows in zip(("false", "true"), both, strict=True)
        }


def _encode(held_out, model):
    """Matrix of the held-out pairs that the model knows and that are not among its interactions."""
    users, items = model._pair_codes(held_out)
    known = (users >= 0) & (items >= 0)
    users, items = users[known], items[known]
    new = ~_contains(model.interactions_, users, items)
    matrix = csr_array((np.ones(new.sum(), np.int8), (users[new], items[new])), shape=model.interactions_.shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _contains(matrix, rows, columns):
    """Whether a csr matrix has an entry at each place."""
    n_columns = matrix.shape[1]
    entries = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * n_columns + matrix.indices
    return np.isin(rows.astype(np.int64) * n_columns + columns, entries)


def _expectation(model, users, items):
    """H of each pair: mean over up to 8 positives of the user, spread evenly over them."""
    liked = csr_array(model.interactions_ > 0)
    first, n = liked.indptr[users], np.diff(liked.indptr)[users]
    own, total = model._score_pairs(users, items), np.zeros(len(users))
    taken = np.minimum(n, _N_POSITIVES)
    for k in range(_N_POSITIVES):
        some = taken > k
        places = first[some] + k * n[some] // taken[some]
        difference = own[some] - model._score_pairs(users[some], liked.indices[places])
        total[some] += 1 / (1 + np.exp(-difference.astype(np.float64)))
    return total / np.maximum(taken, 1)


def _seed(seed, epoch):
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0] >> 1)


def _mean(values):
    return float(np.mean(values)) if len(values) else float("nan")
