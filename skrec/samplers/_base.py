"""What every sampler has: fit, a kernel state, a law, and a public draw."""

import copy

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skrec.utils._validation import check_parameter, kernel_array


class BaseSampler(BaseEstimator):
    """Base of samplers of negatives.

    A sampler is given to an estimator as its ``sampler`` and fitted by it on the matrix of training interactions. There
    are two ways to write one of your own:

    - **plain Python**: subclass and define ``draw_block(users, positives, rng)``, which returns one item code for each
      of the positives (arrays of codes; `rng` is a :class:`numpy.random.Generator`; -1 where there is no negative). It
      is called for about 65,536 positives at a time; an item that the user has been seen with is replaced by a uniform
      draw.
    - **Numba**: define a module-level :class:`typing.NamedTuple` whose first field is ``excludes``, register its draw
      with :func:`skrec.samplers.register_draw`, and return an instance of it from ``_make_state(partition, loss)``.

    Attributes
    ----------
    n_features_in_ : int
        Number of items.
    matrix_ : csr_array of shape (n_users, n_items), int8
        Interactions that it was fitted on: above 0 positives, below 0 explicit negatives.
    """

    # Most blocks of items that the law can be kept in; None: any number.
    _max_blocks: int | None = None
    # Numbers of candidates that a draw holds at once.
    _scratch_size = 0
    # Whether what is drawn depends on the vectors of the model in training.
    _reads_model = False

    def fit(self, X, y=None, *, user_ids=None, item_ids=None):
        """Learn the tables that the draws need.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_users, n_items)
            Interactions: above 0 a positive, below 0 an explicit negative, 0 unobserved.
        y : Ignored
            Not used, present for API consistency.
        user_ids, item_ids : array-like of shape (n_users,) and (n_items,), default=None
            Ids of the rows and columns, for samplers whose parameters name users or items. An estimator gives its own.
            None: rows and columns are their own ids, 0, 1, 2, ...

        Returns
        -------
        self : object
            Fitted sampler.
        """
        self._check_parameters()
        if not (isinstance(X, csr_array) and X.dtype == np.int8):
            X = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32])
            X = csr_array(X)
            X.data = np.sign(X.data)
            X = X.astype(np.int8)
            X.sum_duplicates()
            X.eliminate_zeros()
        self.n_features_in_ = X.shape[1]
        self.matrix_ = X
        user_ids = np.arange(X.shape[0]) if user_ids is None else user_ids
        item_ids = np.arange(X.shape[1]) if item_ids is None else item_ids
        self._fit_ids(X, user_ids, item_ids)
        return self

    def _check_parameters(self):
        """Raise where a parameter is not allowed."""
        for name in ("exclude_positives", "exclude_explicit"):
            check_parameter(self, name, isinstance(getattr(self, name, True), (bool, np.bool_)), "a bool")

    def _fit_ids(self, matrix, user_ids, item_ids):
        """Learn what the draws need; samplers whose parameters name users or items read the ids."""
        self._fit_tables(matrix)

    def _fit_tables(self, matrix):
        """Learn from the int8 matrix what the draws need."""

    def _begin_epoch(self, model, epoch, rng, partition, run):
        """Prepare an epoch, before :meth:`_make_state`: refresh what depends on the model.

        Sets attributes, and does not write into arrays that `fit` has made unless :meth:`_as_sampled` copies them.

        Parameters
        ----------
        model : Model
            Parameters in training, to read.
        epoch : int
            How many epochs have been trained, those of earlier `partial_fit` calls included.
        rng : numpy.random.Generator
            Depends on the estimator's seed and on the epoch alone.
        partition : Partition
            How users and items are cut in this epoch.
        run : callable
            ``run(function, arguments)`` calls the function with each argument, on the threads of the fit. What is done
            must not depend on their number: work on ``range(n_groups)`` of the partition's user groups, or on all.
        """

    @property
    def _excludes(self):
        """Bits of what may not be drawn: 1 the positives, 2 the explicit negatives."""
        return int(getattr(self, "exclude_positives", True)) + 2 * int(getattr(self, "exclude_explicit", True))

    def draw_block(self, users, positives, rng):
        """Draw one negative for each positive, in plain Python.

        Parameters
        ----------
        users, positives : ndarray of shape (n,), int32
            Codes of the users and of their positive items.
        rng : numpy.random.Generator
            Source of randomness, seeded by the estimator.

        Returns
        -------
        ndarray of shape (n,)
            Item codes; -1 where there is no negative.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither draw_block nor _make_state.")

    def _make_state(self, partition, loss):
        """Return the kernel state for one epoch; that of a plain Python sampler is filled by :meth:`_refill`."""
        from skrec._kernels._sampling import BlockState

        return BlockState(self._excludes, np.zeros(1, np.int32), np.zeros(1, np.int64))

    def _draw_shared(self, n, block, rng):
        """Draw the negatives that a block of users shares.

        Parameters
        ----------
        n : int
            Number of draws, at most.
        block : BlockPositives
            What the block is trained on.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of int
            Item codes, of which some may be equal.
        """
        raise ValueError(
            f"Negatives of {type(self).__name__} cannot be shared by a block of users; use UniformSampler, "
            "PopularitySampler, InBatchSampler or a MixedSampler of them."
        )

    def _expected_counts(self, codes, n, block):
        """Return how often each of the distinct `codes` was to be drawn; None: their logits are not corrected."""
        raise NotImplementedError

    def _hit_shift(self, codes, times, block):
        """Return what is added to each candidate's logit for users who have it as a positive; NEVER: not a negative."""
        from skrec._kernels._block import NEVER

        return np.full(len(codes), NEVER if self._excludes & 1 else 0.0, np.float32)

    def _as_sampled(self, model, rng, partition):
        """Return the sampler that :meth:`sample` draws from: a copy that has seen the model."""
        sampler = copy.copy(self)
        sampler._begin_epoch(model, getattr(self, "epoch_", 0), rng, partition, run_in_turn)
        return sampler

    def _carry_over(self, old, users, items):
        """Take over what a sampler that was trained with before has learnt, for training that goes on.

        `users` (n_users,) holds the old code of each user, `items` (n_old_items,) the new code of each old item; -1
        where there is none. Arrays of `old` are left alone.
        """

    @property
    def _in_python(self):
        return type(self)._make_state is BaseSampler._make_state

    def _refill(self, state, users, positives, rng, cursor):
        """Return the state for the next block of positives; `cursor` (1,) int64 counts them."""
        if not self._in_python:
            return state
        drawn = np.asarray(self.draw_block(users, positives, rng))
        if drawn.shape != users.shape or drawn.dtype.kind not in "iu":
            raise ValueError(
                f"{type(self).__name__}.draw_block must return one integer item code for each of the {len(users)} "
                f"positives. Got an array of shape {drawn.shape} and type {drawn.dtype}."
            )
        if len(drawn) and (drawn.min() < -1 or drawn.max() >= self.n_features_in_):
            raise ValueError(
                f"{type(self).__name__}.draw_block must return item codes from 0 to {self.n_features_in_ - 1}, or -1 "
                f"for none. Got values from {drawn.min()} to {drawn.max()}."
            )
        return state._replace(negatives=kernel_array(drawn, np.int32), cursor=cursor)

    def sample(self, users, n_samples=1, *, recommender=None, loss=None, random_state=None):
        """Draw negatives outside of training, to look at them or to test the law.

        Parameters
        ----------
        users : array-like of shape (n_users,)
            Codes (rows of the matrix that the sampler was fitted on). The positive of each draw is one of the user's at
            random.
        n_samples : int, default=1
            Draws for each user.
        recommender : fitted TripletMF, default=None
            Model whose scores samplers of hard negatives compare; None: all scores are 0.
        loss : BaseLoss, default=None
            Loss whose margin :class:`WARPSampler` looks for violators of; None: a hinge with its default margin.
        random_state : int, RandomState instance or None, default=None
            Seed.

        Returns
        -------
        ndarray of shape (n_users, n_samples), int32
            Item codes; -1 where the user has no negative.
        """
        return self._sample_beside(users, n_samples, recommender=recommender, loss=loss, random_state=random_state)[1]

    def _sample_beside(self, users, n_samples=1, *, recommender=None, loss=None, random_state=None):
        """Do as :meth:`sample`; return the users' positives too, int32 of shape (n_users,), -1 for none."""
        from skrec._kernels._partition import make_partition
        from skrec._kernels._rng import seed_states
        from skrec._kernels._sampling import make_scratch, sample_many, zero_model
        from skrec.losses import HingeLoss

        check_is_fitted(self)
        users = kernel_array(np.atleast_1d(users), np.int32)
        n_users, n_items = self.matrix_.shape
        if users.size and (users.min() < 0 or users.max() >= n_users):
            raise ValueError(
                f"users must be codes from 0 to {n_users - 1}. Got values from {users.min()} to {users.max()}."
            )
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        rng = seed_states(seed, 1)[0]
        indptr = kernel_array(self.matrix_.indptr, np.int64)
        partition = make_partition(indptr, n_items, 1, 1)
        positives = self._random_positives(users, np.random.default_rng(seed))
        model = zero_model(n_users, n_items) if recommender is None else recommender._kernel_model()
        if (len(model.U), len(model.V)) != (n_users, n_items):
            raise ValueError(
                f"recommender must have been fitted on the {n_users} users and {n_items} items of the sampler. Got "
                f"one of {len(model.U)} users and {len(model.V)} items."
            )
        sampler = self._as_sampled(model, np.random.default_rng([seed, 1]), partition)
        state = sampler._make_state(partition, loss if loss is not None else HingeLoss())
        scratch = make_scratch(1, n_items, self._scratch_size)
        seen = indptr, kernel_array(self.matrix_.indices, np.int32), kernel_array(self.matrix_.data, np.int8)
        out = np.empty((n_samples, len(users)), np.int32)
        for k in range(n_samples):
            state = sampler._refill(state, users, positives, np.random.default_rng([seed, k]), np.zeros(1, np.int64))
            sample_many(state, users, positives, *seen, partition.items, model, scratch, rng, out[k])
        return positives, out.T.copy()

    def _random_positives(self, users, rng):
        """One of each user's positives, -1 for a user without any."""
        liked = self.matrix_.data > 0
        bounds = np.append(0, np.cumsum(liked))[self.matrix_.indptr]
        first, n_own = bounds[users], bounds[users + 1] - bounds[users]
        place = first + (rng.random(len(users)) * n_own).astype(np.int64)
        return np.where(n_own > 0, np.append(self.matrix_.indices[liked], -1)[place], -1).astype(np.int32)

    def sampling_probability(self, items, users=None):
        """Return the probability that one draw gives each item.

        Parameters
        ----------
        items : array-like of shape (n,)
            Item codes.
        users : array-like of shape (n,), default=None
            User codes: the law after exclusion of what the user has been seen with. None: the law before exclusion.

        Returns
        -------
        ndarray of shape (n,), float64
        """
        check_is_fitted(self)
        if self._law() is None:
            raise ValueError(
                f"{type(self).__name__} has no fixed law: what it draws depends on the model or on the user."
            )
        items = np.asarray(items, dtype=np.int64)
        if users is None:
            return self._law()[items]
        users = np.asarray(users, dtype=np.int64)
        excluded = self._excluded()
        hit = np.asarray(excluded[users, items]).ravel() > 0
        return np.where(hit, 0.0, self._admitted_law(items, users, excluded))

    def _admitted_law(self, items, users, excluded):
        """Probability of each item of a draw that is repeated while it hits the user's row of `excluded`."""
        law = self._law()
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(law[items] / (1.0 - (excluded @ law)[users]))

    def _excluded(self):
        """Matrix of ones where the user's draws may not fall."""
        excluded = self.matrix_.astype(np.float64)
        bits = self._excludes
        excluded.data = np.where(excluded.data > 0, bits & 1, bits >> 1).astype(np.float64)
        return excluded

    def _law(self):
        """Probability of each item before exclusion, (n_items,) float64; None where there is no such law."""
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def run_in_turn(function, arguments):
    """Call the function with each argument: what a sampler is given in place of threads."""
    for argument in arguments:
        function(argument)
