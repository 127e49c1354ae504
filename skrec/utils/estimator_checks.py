"""Does a sampler of one's own keep what the samplers of this package promise? A suite of checks to run on it.

The counterpart of :mod:`sklearn.utils.estimator_checks` for what is given to an estimator as its ``sampler``. It trains
models, and is the one module of its folder that imports estimators.
"""

import inspect
import numbers
import pickle

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

__all__ = ["check_sampler", "parametrize_with_sampler_checks", "sampler_checks_generator"]

# A draw that follows its law fails a chi-square test at this level once in ten thousand times; seeds are fixed.
_LEVEL = 1e-4


def check_sampler(sampler):
    """Run all checks on a sampler and raise where it fails one.

    Parameters
    ----------
    sampler : sampler
        An instance of a subclass of :class:`skrec.samplers.BaseSampler`, with the parameters to check it with. It is
        cloned, never fitted itself, and must work for a catalogue of any size, with ids that count from 0.

    Returns
    -------
    list of str
        Names of the checks, all of which it has passed.

    Raises
    ------
    AssertionError
        When it fails a check, with what is wrong; or whatever its own code raises.

    See Also
    --------
    parametrize_with_sampler_checks : The checks as tests for pytest.

    Notes
    -----
    Takes some seconds for a sampler in Numba, nearly all of them for compiling.

    Examples
    --------
    >>> from skrec.samplers import UniformSampler
    >>> from skrec.utils.estimator_checks import check_sampler
    >>> passed = check_sampler(UniformSampler())
    >>> passed[:2]
    ['check_sampler_parameters', 'check_sampler_clone']
    """
    passed = []
    for given, check in sampler_checks_generator(sampler):
        check(given)
        passed.append(check.__name__)
    return passed


def sampler_checks_generator(sampler):
    """Yield the sampler with each of the checks, to run some or to run them one by one.

    Parameters
    ----------
    sampler : sampler
        As for :func:`check_sampler`.

    Yields
    ------
    sampler : sampler
        The sampler.
    check : callable
        ``check(sampler)`` raises where the sampler fails; ``check.__name__`` and its docstring tell what it is about.

    Examples
    --------
    >>> from skrec.samplers import PopularitySampler
    >>> from skrec.utils.estimator_checks import sampler_checks_generator
    >>> for sampler, check in sampler_checks_generator(PopularitySampler(alpha=0.5)):
    ...     if check.__name__ == "check_sampler_law":
    ...         check(sampler)
    """
    for check in _CHECKS:
        yield sampler, check


def parametrize_with_sampler_checks(samplers):
    """Make a pytest decorator that runs a test once for each sampler and check.

    Parameters
    ----------
    samplers : list of samplers
        As for :func:`check_sampler`.

    Returns
    -------
    pytest.MarkDecorator
        Parametrises the arguments ``sampler`` and ``check`` of a test.

    Examples
    --------
    >>> from skrec.samplers import UniformSampler
    >>> from skrec.utils.estimator_checks import parametrize_with_sampler_checks
    >>> @parametrize_with_sampler_checks([UniformSampler()])
    ... def test_my_samplers(sampler, check):
    ...     check(sampler)
    """
    import pytest

    return pytest.mark.parametrize(
        ("sampler", "check"),
        [
            pytest.param(given, check, id=f"{type(given).__name__}-{check.__name__}")
            for sampler in samplers
            for given, check in sampler_checks_generator(sampler)
        ],
    )


# --- what the checks share

_N_USERS, _N_ITEMS = 40, 30
_FULL, _LAST, _SHOWN, _NEW = 0, 1, 2, 3  # users with a row of their own


def _interactions():
    """Interactions of users by items, int8, with the rows that are easily forgotten."""
    seen = np.random.default_rng(0).choice([-1, 0, 0, 0, 0, 1, 1], (_N_USERS, _N_ITEMS))
    seen[_FULL] = 1  # has everything
    seen[_LAST] = 1
    seen[_LAST, 7] = 0  # has all but one
    seen[_SHOWN] = 0
    seen[_SHOWN, 3:9] = -1  # explicit negatives, no positive
    seen[_NEW] = 0
    return csr_array(seen.astype(np.int8))


def _training_pairs(n_users=1500, n_items=400, n_positives=100):
    """Enough pairs for an epoch to be cut into four blocks."""
    rng = np.random.default_rng(0)
    items = np.argpartition(rng.random((n_users, n_items)), n_positives, axis=1)[:, :n_positives]
    return np.column_stack([np.repeat(np.arange(n_users), n_positives), items.ravel()])


def _few_pairs():
    """Pairs to train on at once; every item from 0 on occurs."""
    rng = np.random.default_rng(1)
    users, items = np.repeat(np.arange(30), 6), rng.integers(0, 25, 180)
    items[:25] = np.arange(25)
    return np.unique(np.column_stack([users, items]), axis=0)


def _model(sampler, **parameters):
    from skrec.matrix_factorization import TripletMF

    parameters = {"n_components": 4, "max_iter": 2, "random_state": 0, **parameters}
    return TripletMF(sampler=clone(sampler), **parameters)


def _learnt(model):
    return model.user_factors_.tobytes() + model.item_factors_.tobytes()


def _fitted(sampler):
    return clone(sampler).fit(_interactions())


def _draws(fitted, n_samples=20, **arguments):
    return fitted.sample(np.arange(_N_USERS), n_samples, **{"random_state": 0, **arguments})


def _excluded_bits(fitted):
    """Bits of what may not be drawn; explicit negatives may where one of the parts is there to draw them."""
    from skrec.samplers import ExplicitSampler

    parts = getattr(fitted, "_parts", [fitted])
    shown = any(isinstance(part, ExplicitSampler) for part in parts)
    return fitted._excludes & 1 if shown else fitted._excludes


def _name(sampler):
    return type(sampler).__name__


# --- the checks


def check_sampler_parameters(sampler):
    """Check that the constructor keeps its arguments as they are, and does nothing else."""
    given = sampler.get_params(deep=False)
    made = type(sampler)(**given)
    for name, value in given.items():
        assert getattr(made, name) is value, (
            f"{_name(sampler)}.__init__ must set self.{name} to the argument itself; check and convert in fit."
        )
    extra = set(vars(made)) - set(given)
    assert not extra, f"{_name(sampler)}.__init__ sets {sorted(extra)}, which are no parameters: set them in fit."
    expected = set(inspect.signature(type(sampler).__init__).parameters) - {"self", "args", "kwargs"}
    assert set(given) == expected, f"get_params gives {sorted(given)}, __init__ takes {sorted(expected)}."
    assert repr(made.set_params(**given)) == repr(sampler), "set_params with the same values changes the sampler."


def check_sampler_clone(sampler):
    """Check that a clone of a fitted sampler has its parameters and nothing fitted."""
    fitted = _fitted(sampler)
    again = clone(fitted)
    assert repr(again) == repr(sampler), "A clone has other parameters."
    try:
        again.sample([0])
    except NotFittedError:
        return
    raise AssertionError("A clone draws without having been fitted.")


def check_sampler_fit(sampler):
    """Check that fit returns the sampler, leaves the interactions and the parameters alone, and can be repeated."""
    own, seen = clone(sampler), _interactions()
    before, parameters = seen.copy(), repr(own)
    assert own.fit(seen) is own, "fit must return self."
    assert own.n_features_in_ == _N_ITEMS and own.matrix_.shape == (_N_USERS, _N_ITEMS)
    assert (seen != before).nnz == 0, "fit writes into the interactions."
    assert repr(own) == parameters, "fit changes a parameter."
    first = _draws(own)
    np.testing.assert_array_equal(_draws(own.fit(seen)), first, "Fitted twice, it draws something else.")


def check_sampler_input_forms(sampler):
    """Check that dense and sparse interactions of any type are the same to it."""
    seen = _interactions()
    expected = _draws(clone(sampler).fit(seen))
    for given in (seen.toarray().astype(float) * 2.5, seen.astype(np.float32)):
        np.testing.assert_array_equal(_draws(clone(sampler).fit(given)), expected)


def check_sampler_pickle(sampler):
    """Check that a pickled sampler draws the same, before and after it is fitted."""
    fitted = _fitted(sampler)
    expected = _draws(fitted)
    np.testing.assert_array_equal(_draws(pickle.loads(pickle.dumps(fitted))), expected)
    np.testing.assert_array_equal(_draws(pickle.loads(pickle.dumps(clone(sampler))).fit(_interactions())), expected)


def check_sampler_codes(sampler):
    """Check that draws are codes of items, or -1, one for each user and sample."""
    fitted = _fitted(sampler)
    for users in (np.arange(_N_USERS), [5], []):
        drawn = fitted.sample(users, 7, random_state=0)
        assert drawn.shape == (len(users), 7) and drawn.dtype.kind == "i"
        assert drawn.size == 0 or (drawn.min() >= -1 and drawn.max() < _N_ITEMS), "Draws must be item codes or -1."


def check_sampler_exclusion(sampler):
    """Check that what it excludes is never drawn: the users' positives or explicit negatives, as its parameters say."""
    fitted, seen = _fitted(sampler), _interactions().toarray()
    bits = _excluded_bits(fitted)
    excluded = ((bits & 1) > 0) & (seen > 0) | ((bits & 2) > 0) & (seen < 0)
    drawn = _draws(fitted, 200)
    users, columns = np.nonzero(drawn >= 0)
    hits = excluded[users, drawn[users, columns]]
    assert not hits.any(), f"{hits.sum()} of {drawn.size} draws are items that it excludes."


def check_sampler_user_with_every_item(sampler):
    """Check that a user for whom nothing is left gets -1, and training ends."""
    fitted = _fitted(sampler)
    if fitted._excludes & 1:
        drawn = fitted.sample([_FULL], 50, random_state=0)
        assert (drawn == -1).all(), "A user with every item has no negative: the draw must be -1."
    X = np.column_stack([np.repeat(np.arange(4), 6), np.tile(np.arange(6), 4)])
    model = _model(sampler).fit(X)
    if fitted._excludes & 1:
        assert model.loss_curve_ == [0.0, 0.0], "There was no negative to learn from, but something was learnt."


def check_sampler_one_item_left(sampler):
    """Check that a user with all items but one gets that one, or none."""
    fitted = _fitted(sampler)
    if fitted._excludes & 1:
        drawn = set(fitted.sample([_LAST], 50, random_state=0).ravel().tolist())
        assert drawn <= {7, -1}, f"Only item 7 was left. Drawn: {sorted(drawn)}."


def check_sampler_users_without_positives(sampler):
    """Check that users with explicit negatives alone, or with nothing, do no harm, nor does a catalogue of one item."""
    fitted = _fitted(sampler)
    drawn = fitted.sample([_SHOWN, _NEW], 50, random_state=0)
    assert drawn.min() >= -1 and drawn.max() < _N_ITEMS
    single = clone(sampler).fit(csr_array(np.array([[1], [0], [-1]], np.int8)))
    assert set(single.sample([0, 1, 2], 5, random_state=0).ravel().tolist()) <= {0, -1}


def check_sampler_seed(sampler):
    """Check that the seed alone decides the draws: numpy's global generator is neither read nor advanced."""
    fitted = _fitted(sampler)
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(1)  # noqa: NPY002
        first, position = _draws(fitted), np.random.get_state()  # noqa: NPY002
        np.random.seed(2)  # noqa: NPY002
        np.testing.assert_array_equal(_draws(fitted), first, "Draws depend on numpy's global generator.")
        np.random.seed(1)  # noqa: NPY002
        fresh = np.random.get_state()  # noqa: NPY002
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert fresh[2] == position[2] and (fresh[1] == position[1]).all(), "Draws advance numpy's global generator."


def check_sampler_threads(sampler):
    """Check that the same seed trains the same model, to the bit, for any n_jobs, and another seed another."""
    X = _training_pairs()
    one = _learnt(_model(sampler, n_jobs=1).fit(X))
    for n_jobs in (2, 4):
        assert _learnt(_model(sampler, n_jobs=n_jobs).fit(X)) == one, f"n_jobs={n_jobs} trains another model."
    assert _learnt(_model(sampler, n_jobs=1).fit(X)) == one, "The same seed trains another model."
    assert _learnt(_model(sampler, random_state=1).fit(X)) != one, "Another seed trains the same model."


def check_sampler_law(sampler):
    """Check that where it states a law, it adds up to one, is 0 for what is excluded, and is followed (chi-square)."""
    from scipy.stats import chisquare

    fitted, seen = _fitted(sampler), _interactions().toarray()
    items = np.arange(_N_ITEMS)
    try:
        law = fitted.sampling_probability(items)
    except ValueError as error:
        assert "no fixed law" in str(error), "A sampler without a law must say so: 'no fixed law'."
        return
    np.testing.assert_allclose(law.sum(), 1.0, err_msg="The law before exclusion does not add up to one.")
    n, bits = 4000, _excluded_bits(fitted)
    for user in (_LAST, _NEW, 10, 20):
        law = fitted.sampling_probability(items, users=np.full(_N_ITEMS, user))
        np.testing.assert_allclose(law.sum(), 1.0, err_msg=f"The law of user {user} does not add up to one.")
        excluded = ((bits & 1) > 0) & (seen[user] > 0) | ((bits & 2) > 0) & (seen[user] < 0)
        assert not law[excluded].any(), "The law gives excluded items a probability."
        counts = np.bincount(fitted.sample([user], n, random_state=0)[0], minlength=_N_ITEMS)
        expected = n * law
        rare = expected < 5
        grouped = [np.append(x[~rare], x[rare].sum()) for x in (counts, expected)]
        some = grouped[1] > 0
        assert not grouped[0][~some].any(), "Items of probability 0 are drawn."
        if some.sum() > 1:
            p = chisquare(grouped[0][some], grouped[1][some]).pvalue
            assert p > _LEVEL, f"Draws for user {user} do not follow sampling_probability: p = {p:.1e}."


def check_sampler_mixture(sampler):
    """Check that in a MixedSampler it draws beside another one, and excludes what both exclude."""
    from skrec.samplers import MixedSampler, UniformSampler

    mixed = MixedSampler([("easy", UniformSampler(), 0.5), ("own", clone(sampler), 0.5)])
    fitted, seen = mixed.fit(_interactions()), _interactions().toarray()
    drawn = _draws(fitted, 100)
    assert drawn.min() >= -1 and drawn.max() < _N_ITEMS
    users, columns = np.nonzero(drawn >= 0)
    assert not (seen[users, drawn[users, columns]] > 0).any(), "Positives are drawn."
    assert (drawn[_LAST] == 7).all(), "One item was left, and the other sampler of the mixture could have drawn it."


def check_sampler_bad_parameters(sampler):
    """Check that a value that cannot be right is refused by fit, in words that name the parameter."""

    class Nonsense:
        def __repr__(self):
            return "nonsense"

    for name in sampler.get_params(deep=False):
        bad = clone(sampler)
        setattr(bad, name, Nonsense())
        try:
            bad.fit(_interactions())
        except (TypeError, ValueError) as error:
            assert name in str(error), f"fit refuses {name}=nonsense without naming {name!r}: {error}"
        else:
            raise AssertionError(
                f"fit takes {name}=nonsense: refuse what is not allowed in _check_parameters, naming the parameter."
            )


def check_sampler_search(sampler):
    """Check that a search sets its parameters, and its best model has a fitted sampler with them."""
    simple = (numbers.Real, str, type(None))
    values = {key: value for key, value in sampler.get_params().items() if isinstance(value, simple)}
    X = _few_pairs()
    search = GridSearchCV(
        _model(sampler),
        {"max_iter": [1, 2], **{f"sampler__{key}": [value] for key, value in values.items()}},
        cv=[(np.arange(len(X)), np.arange(0, len(X), 3))],
        scoring=lambda model, X, y=None: model.n_iter_,
        error_score="raise",
    ).fit(X)
    found = search.best_estimator_.sampler_.get_params()
    assert search.best_params_["max_iter"] == 2
    assert {key: found[key] for key in values} == values, "A search does not set the parameters."


def check_sampler_partial_fit(sampler):
    """Check that training goes on with new users and items, and goes on the same after a pickle."""
    X = _few_pairs()
    model = _model(sampler).partial_fit(X[X[:, 1] < 20])
    again = pickle.loads(pickle.dumps(model))
    first, second = (_learnt(one.partial_fit(X)) for one in (model, again))
    assert first == second, "Training goes on differently after a pickle."
    assert model.sampler_.n_features_in_ == len(model.item_ids_) == 25


def check_sampler_trained_draws(sampler):
    """Check that it draws by the scores of a trained model, as it does with none: valid codes, nothing excluded."""
    model = _model(sampler).fit(_few_pairs())
    seen = model.interactions_.toarray()
    drawn = model.sampler_.sample(np.arange(len(seen)), 30, recommender=model, random_state=0)
    np.testing.assert_array_equal(
        model.sampler_.sample(np.arange(len(seen)), 30, recommender=model, random_state=0),
        drawn,
        "To look at the draws changes them.",
    )
    assert drawn.min() >= -1 and drawn.max() < seen.shape[1]
    if model.sampler_._excludes & 1:
        users, columns = np.nonzero(drawn >= 0)
        assert not (seen[users, drawn[users, columns]] > 0).any(), "Positives are drawn."


def check_sampler_reads_model(sampler):
    """Check that what is registered with ``reads_model=False`` draws the same by any model."""
    from skrec._kernels._partition import make_partition
    from skrec._kernels._rng import seed_states
    from skrec._kernels._sampling import make_scratch, reads_model, sample_many, zero_model
    from skrec.losses import HingeLoss

    fitted = _fitted(sampler)
    if fitted._in_python:
        return
    matrix, model = fitted.matrix_, zero_model(_N_USERS, _N_ITEMS)
    indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    partition = make_partition(indptr, _N_ITEMS, 1, 1)
    state = fitted._as_sampled(model, np.random.default_rng(0), partition)._make_state(partition, HingeLoss())
    if reads_model(state):
        return
    users = np.repeat(np.flatnonzero(np.diff(indptr)), 50).astype(np.int32)
    drawn = []
    for scores in (0.0, np.random.default_rng(0).normal(size=(_N_ITEMS, 1))):
        model.U[:], model.V[:] = 1.0, scores
        scratch = make_scratch(1, _N_ITEMS, fitted._scratch_size)
        drawn.append(np.empty(len(users), np.int32))
        seen = indptr, indices, matrix.data.astype(np.int8)
        positives = indices[indptr[users]]
        sample_many(state, users, positives, *seen, partition.items, model, scratch, seed_states(0, 1)[0], drawn[-1])
    assert (drawn[0] == drawn[1]).all(), "It is registered with reads_model=False, and draws differ by the model."


_CHECKS = (
    check_sampler_parameters,
    check_sampler_clone,
    check_sampler_fit,
    check_sampler_input_forms,
    check_sampler_bad_parameters,
    check_sampler_pickle,
    check_sampler_codes,
    check_sampler_exclusion,
    check_sampler_user_with_every_item,
    check_sampler_one_item_left,
    check_sampler_users_without_positives,
    check_sampler_seed,
    check_sampler_law,
    check_sampler_threads,
    check_sampler_mixture,
    check_sampler_search,
    check_sampler_partial_fit,
    check_sampler_trained_draws,
    check_sampler_reads_model,
)
