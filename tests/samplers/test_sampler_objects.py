"""Samplers are estimators: parameters, clones, pickles, searches, errors."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import estimator_checks_generator

from skrec import TripletMF
from skrec.samplers import (
    DynamicSampler,
    ExplicitSampler,
    GainSampler,
    MixedSampler,
    PopularitySampler,
    UniformSampler,
    VarianceSampler,
    WARPSampler,
)

SIMPLE = [
    UniformSampler(),
    PopularitySampler(),
    DynamicSampler(),
    WARPSampler(),
    ExplicitSampler(),
    VarianceSampler(),
    GainSampler(),
]


def mixture():
    return MixedSampler([("easy", UniformSampler(), 0.5), ("hard", DynamicSampler(n_candidates=3), 0.5)])


SAMPLERS = [*SIMPLE, mixture()]
each_sampler = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)


def seen():
    matrix = np.random.default_rng(0).choice([-1, 0, 0, 0, 1], (30, 15))
    matrix[:, :2] = [1, -1]
    return matrix


@each_sampler
def test_samplers_pass_the_checks_of_scikit_learn_that_do_not_fit_it_on_labels(sampler):
    wanted = {
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_get_params_invariance",
        "check_set_params",
        "check_dict_unchanged",
        "check_estimators_pickle",
        "check_dont_overwrite_attributes",
        "check_estimators_overwrite_params",
        "check_fit2d_1sample",
        "check_fit_idempotent",
        "check_n_features_in",
        "check_estimators_nan_inf",
        "check_estimators_empty_data_messages",
        "check_estimator_sparse_array",
        "check_estimator_sparse_matrix",
    }
    ran = set()
    for estimator, check in estimator_checks_generator(clone(sampler)):
        name = check.func.__name__ if hasattr(check, "func") else check.__name__
        if name in wanted:
            check(estimator)
            ran.add(name)
    assert len(ran) > 12


@each_sampler
def test_a_clone_has_the_parameters_and_nothing_fitted(sampler):
    fitted = clone(sampler).fit(seen())
    again = clone(fitted)
    assert repr(again) == repr(sampler)
    assert not hasattr(again, "matrix_")
    with pytest.raises(NotFittedError):
        again.sample([0])


@each_sampler
def test_a_pickled_sampler_draws_the_same(sampler):
    fitted = clone(sampler).fit(seen())
    again = pickle.loads(pickle.dumps(fitted))
    users = np.arange(30)
    np.testing.assert_array_equal(again.sample(users, 3, random_state=0), fitted.sample(users, 3, random_state=0))


@each_sampler
def test_a_sampler_fits_sparse_rows_as_it_fits_dense_ones(sampler):
    users = np.arange(30)
    dense, sparse = clone(sampler).fit(seen()), clone(sampler).fit(csr_array(seen()))
    np.testing.assert_array_equal(dense.sample(users, 5, random_state=0), sparse.sample(users, 5, random_state=0))


@each_sampler
def test_a_sampler_has_a_repr_and_a_diagram(sampler):
    assert repr(sampler).startswith(type(sampler).__name__)
    assert type(sampler).__name__ in sampler._repr_html_()
    assert type(sampler).__name__ in TripletMF(sampler=sampler)._repr_html_()


@pytest.mark.parametrize("given", SIMPLE, ids=lambda sampler: type(sampler).__name__)
def test_each_class_has_a_state_type_of_its_own(given):
    from skrec._kernels._partition import make_partition
    from skrec._kernels._sampling import zero_model
    from skrec.losses import HingeLoss
    from skrec.samplers._base import run_in_turn

    partition = make_partition(csr_array(seen()).indptr.astype(np.int64), 15, 1, 1)

    def state_of(sampler):
        fitted = clone(sampler).fit(seen())
        fitted._begin_epoch(zero_model(30, 15), 0, np.random.default_rng(0), partition, run_in_turn)
        return fitted._make_state(partition, HingeLoss())

    assert len({type(state_of(sampler)) for sampler in SIMPLE}) == len(SIMPLE)
    state = state_of(given)
    assert state._fields[0] == "excludes"
    assert pickle.loads(pickle.dumps(type(state))) is type(state)  # at module level: what is compiled for it is cached


BAD = [
    (PopularitySampler(alpha=-1), "alpha", "a finite number of at least 0", "-1"),
    (PopularitySampler(alpha=np.nan), "alpha", "a finite number of at least 0", "nan"),
    (PopularitySampler(alpha="1"), "alpha", "a finite number of at least 0", "'1'"),
    (UniformSampler(exclude_positives=None), "exclude_positives", "a bool", "None"),
    (UniformSampler(exclude_explicit=1), "exclude_explicit", "a bool", "1"),
    (DynamicSampler(n_candidates=0), "n_candidates", "an int of at least 1", "0"),
    (DynamicSampler(n_candidates=2.0), "n_candidates", "an int of at least 1", "2.0"),
    (DynamicSampler(n_candidates=3, top_m=4), "top_m", "an int from 1 to n_candidates=3", "4"),
    (DynamicSampler(top_m=True), "top_m", "an int from 1 to n_candidates=5", "True"),
    (VarianceSampler(n_candidates=0), "n_candidates", "an int of at least 1", "0"),
    (VarianceSampler(alpha=-1), "alpha", "a finite number of at least 0", "-1"),
    (VarianceSampler(alpha=np.inf), "alpha", "a finite number of at least 0", "inf"),
    (VarianceSampler(warm_up=1.5), "warm_up", "an int of at least 0", "1.5"),
    (VarianceSampler(memory_size=0), "memory_size", "an int from 1 to 65535", "0"),
    (VarianceSampler(memory_size=1 << 16), "memory_size", "an int from 1 to 65535", "65536"),
    (VarianceSampler(new_ratio=-1), "new_ratio", "a finite number of at least 0", "-1"),
    (VarianceSampler(temperature=0), "temperature", "a number above 0, or inf", "0"),
    (GainSampler(temperature=np.nan), "temperature", "a number above 0, or inf", "nan"),
    (GainSampler(sharpness=-1), "sharpness", "a finite number of at least 0", "-1"),
    (GainSampler(smoothing=1.1), "smoothing", "a number from 0 to 1", "1.1"),
    (GainSampler(epsilon="0"), "epsilon", "a finite number of at least 0", "'0'"),
    (WARPSampler(max_sampled=0), "max_sampled", "an int of at least 1", "0"),
    (MixedSampler([]), "samplers", "a list of", "[]"),
    (MixedSampler(UniformSampler()), "samplers", "a list of", "UniformSampler()"),
    (MixedSampler([("a", UniformSampler())]), "samplers", "a list of", "[('a', UniformSampler())]"),
    (MixedSampler([("a", UniformSampler(), -1)]), "samplers", "share of at least 0", "-1"),
    (MixedSampler([("a", UniformSampler(), 0)]), "samplers", "one share above 0", "0"),
    (MixedSampler([("a", "uniform", 1)]), "samplers", "a list of", "uniform"),
]


@pytest.mark.parametrize(("sampler", "name", "allowed", "value"), BAD)
def test_a_bad_parameter_is_named_with_its_value_and_what_is_allowed(sampler, name, allowed, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of {type(sampler).__name__}") as caught:
        sampler.fit(seen())
    assert allowed in str(caught.value) and f"Got {value}" in str(caught.value) or value in str(caught.value)


def test_a_bad_parameter_is_named_by_the_fit_of_the_recommender():
    with pytest.raises(ValueError, match="'alpha' parameter of PopularitySampler"):
        TripletMF(sampler=PopularitySampler(alpha=-1)).fit(np.array([[0, 0], [1, 1]]))


@pytest.mark.parametrize("names", [("a", "a"), ("samplers", "b"), ("a__b", "b")])
def test_names_of_a_mixture_must_work_as_parameters(names):
    with pytest.raises(ValueError, match="[Nn]ames"):
        MixedSampler([(name, UniformSampler(), 1) for name in names]).fit(seen())


def test_parameters_of_a_mixture_carry_the_names_of_its_samplers():
    mixed = mixture()
    parameters = mixed.get_params()
    assert parameters["hard__n_candidates"] == 3
    assert parameters["easy"] is mixed.samplers[0][1]
    assert set(mixed.get_params(deep=False)) == {"samplers"}
    mixed.set_params(hard__n_candidates=7, easy__exclude_explicit=False)
    assert mixed.samplers[1][1].n_candidates == 7
    assert mixed.samplers[0][1].exclude_explicit is False


def test_a_sampler_of_a_mixture_is_replaced_by_name_and_set_in_one_call():
    mixed = mixture()
    given = mixed.samplers
    mixed.set_params(easy=PopularitySampler(), easy__alpha=0.5)
    assert isinstance(mixed.samplers[0][1], PopularitySampler) and mixed.samplers[0][1].alpha == 0.5
    assert [share for _, _, share in mixed.samplers] == [0.5, 0.5]
    assert isinstance(given[0][1], UniformSampler)  # the list that was given is left alone


def test_an_unknown_name_in_a_mixture_is_an_error():
    with pytest.raises(ValueError, match="Invalid parameter"):
        mixture().set_params(medium__alpha=1)


def test_fitting_a_mixture_leaves_the_given_samplers_unfitted():
    mixed = mixture().fit(seen())
    assert not hasattr(mixed.samplers[0][1], "matrix_")
    assert hasattr(mixed.samplers_[0][1], "matrix_")


def test_a_clone_of_a_mixture_shares_no_sampler():
    mixed = mixture()
    again = clone(mixed)
    again.set_params(hard__n_candidates=9)
    assert mixed.samplers[1][1].n_candidates == 3


def test_a_search_goes_over_the_parameters_of_a_sampler_in_a_mixture():
    rng = np.random.default_rng(0)
    X = np.unique(np.column_stack([rng.integers(0, 10, 150), rng.integers(0, 25, 150)]), axis=0)
    search = GridSearchCV(
        TripletMF(n_components=4, max_iter=2, sampler=mixture(), random_state=0),
        {"sampler__hard__n_candidates": [1, 20], "sampler__easy": [UniformSampler(), PopularitySampler()]},
        cv=[(np.arange(0, len(X)), np.arange(0, len(X), 3))],
        scoring=lambda model, X, y=None: -model.loss_curve_[-1],
        error_score="raise",
    ).fit(X)
    losses = search.cv_results_["mean_test_score"]
    assert len(losses) == 4 and len(set(losses)) == 4
    best = search.best_estimator_
    assert best.sampler_.samplers_[1][1].n_candidates == search.best_params_["sampler__hard__n_candidates"]
