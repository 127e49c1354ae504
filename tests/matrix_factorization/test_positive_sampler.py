"""Which positives are trained on, and with what weight: known answers of the laws, and what training makes of them."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skrec import TripletMF
from skrec.samplers import BaseSampler, InversePropensityWeighter, PopularityDownSampler, UniformSampler

BOTH = [PopularityDownSampler(top_kept=0.3), InversePropensityWeighter(eta=0.7, clip=0.05)]
each = pytest.mark.parametrize("positives", BOTH, ids=lambda positives: type(positives).__name__)


class Recorder(UniformSampler):
    """Uniform, in plain Python; keeps the positives of each epoch."""

    def __init__(self, exclude_positives=True, exclude_explicit=True):
        super().__init__(exclude_positives, exclude_explicit)

    _make_state = BaseSampler._make_state

    def draw_block(self, users, positives, rng):
        self.asked_ = [*getattr(self, "asked_", []), (users.copy(), positives.copy())]
        return rng.integers(self.n_features_in_, size=len(users))


def columns(counts, n_users=400):
    """Interactions in which item i has ``counts[i]`` positives."""
    counts = np.asarray(counts)
    return (np.arange(n_users)[:, None] < counts).astype(np.int8)


def pairs(matrix):
    return np.column_stack(np.nonzero(matrix))


def test_items_up_to_the_threshold_are_always_kept_and_others_by_the_square_root():
    # t is 0.2^2 of the largest count: 16. A hundredth of its frequency's root is a tenth.
    kept = PopularityDownSampler(top_kept=0.2).fit(columns([400, 100, 64, 16, 10, 1, 0])).kept_
    np.testing.assert_allclose(kept, [0.2, 0.4, 0.5, 1, 1, 1, 1])
    counts = np.array([400, 4])  # f = 100 t
    assert PopularityDownSampler(top_kept=0.1).fit(columns(counts)).kept_.tolist() == pytest.approx([0.1, 1.0])


def test_only_positives_count_for_popularity():
    seen = columns([8, 2], 8)
    seen[2:, 1] = -1
    np.testing.assert_allclose(PopularityDownSampler(top_kept=0.5).fit(seen).kept_, [0.5, 1.0])
    np.testing.assert_allclose(InversePropensityWeighter().fit(csr_array(seen)).propensity_, [1.0, 0.5])


def test_propensities_are_powers_of_the_relative_popularity_and_clipped():
    fitted = InversePropensityWeighter(eta=0.5, clip=0.2).fit(columns([400, 100, 1, 0]))
    np.testing.assert_allclose(fitted.propensity_, [1, 0.5, 0.2, 0.2])


def test_weights_are_inverse_propensities_with_mean_one_over_the_positives():
    counts = np.array([400, 100, 25, 3])
    fitted = InversePropensityWeighter(eta=1.0, clip=0.01).fit(columns(counts))
    np.testing.assert_allclose(fitted.weight_ * fitted.propensity_, (fitted.weight_ * fitted.propensity_)[0])
    assert np.average(fitted.weight_, weights=counts) == pytest.approx(1.0)
    # Each item then has the same weight in sum, where nothing is clipped.
    np.testing.assert_allclose(counts[:3] * fitted.weight_[:3], 400 * fitted.weight_[0])


def test_the_weighted_loss_of_what_is_seen_is_in_expectation_that_of_what_is_liked():
    # Saito's identity: seen with probability propensity * relevance, weighed by 1 / propensity.
    counts = np.array([400, 200, 50])
    fitted = InversePropensityWeighter(eta=0.5, clip=1e-3).fit(columns(counts))
    relevance, cost = np.array([0.3, 0.1, 0.8]), np.array([1.0, 2.0, 3.0])
    seen = fitted.propensity_ * relevance
    np.testing.assert_allclose((seen / fitted.propensity_) @ cost, relevance @ cost)
    scale = fitted.weight_[0] * fitted.propensity_[0]
    assert (seen * fitted.weight_) @ cost == pytest.approx(scale * (relevance @ cost))


def planted(n_users=300, n_items=40):
    rng = np.random.default_rng(0)
    matrix = rng.random((n_users, n_items)) < np.linspace(0.9, 0.05, n_items)
    matrix[:, 0] = True  # every user is in the matrix
    return matrix


def test_each_epoch_trains_on_the_stated_share_of_each_items_positives():
    matrix, n_epochs = planted(), 60
    model = TripletMF(
        n_components=2,
        sampler=Recorder(),
        positive_sampler=PopularityDownSampler(top_kept=0.3),
        max_iter=n_epochs,
        random_state=0,
    ).fit(pairs(matrix))
    trained = sum(np.bincount(items, minlength=matrix.shape[1]) for _, items in model.sampler_.asked_)
    n = n_epochs * matrix.sum(axis=0)
    expected = model.positive_sampler_.kept_
    deviation = np.sqrt(np.maximum(expected * (1 - expected) / n, 1e-12))
    assert (np.abs(trained / n - expected) < 4 * deviation).all()
    np.testing.assert_array_equal(trained[expected == 1.0], n[expected == 1.0])


def test_epochs_leave_out_different_positives():
    matrix = planted()
    model = TripletMF(
        n_components=2, sampler=Recorder(), positive_sampler=PopularityDownSampler(), max_iter=2, random_state=0
    ).fit(pairs(matrix))
    first, second = ({*zip(*map(np.ndarray.tolist, asked), strict=True)} for asked in model.sampler_.asked_)
    assert first - second and second - first


def test_what_is_left_out_is_never_drawn_as_a_negative():
    # Two items, both liked by all: what is left out of an epoch would be the only negative there is.
    X = pairs(np.ones((50, 2)))
    model = TripletMF(n_components=2, positive_sampler=PopularityDownSampler(0.5), max_iter=3, random_state=0).fit(X)
    assert model.loss_curve_ == [0.0] * 3


def test_keeping_everything_or_weighing_all_alike_changes_no_bit():
    X = pairs(planted())
    plain = TripletMF(n_components=4, max_iter=3, random_state=0).fit(X)
    for positives in (PopularityDownSampler(top_kept=1.0), InversePropensityWeighter(eta=0.0)):
        same = TripletMF(n_components=4, max_iter=3, positive_sampler=positives, random_state=0).fit(X)
        if isinstance(positives, InversePropensityWeighter):  # weights of 1
            np.testing.assert_array_equal(same.item_factors_, plain.item_factors_)
        else:  # the most popular items alone are at 1.0
            kept = same.positive_sampler_.kept_
            np.testing.assert_array_equal(kept, np.ones(len(kept)))
            np.testing.assert_array_equal(same.item_factors_, plain.item_factors_)


def test_weights_of_items_multiply_sample_weight():
    X = pairs(planted())
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(X)).astype(np.float32)
    weighter = InversePropensityWeighter()
    given = {"n_components": 4, "max_iter": 3, "optimizer": "sgd", "learning_rate": 0.05, "random_state": 0}
    one = TripletMF(positive_sampler=weighter, **given).fit(X, sample_weight=weight)
    own = one.positive_sampler_.weight_.astype(np.float32)[np.searchsorted(one.item_ids_, X[:, 1])]
    two = TripletMF(**given).fit(X, sample_weight=weight * own)
    np.testing.assert_allclose(one.item_factors_, two.item_factors_, rtol=1e-4, atol=1e-5)


@each
@pytest.mark.parametrize("n_jobs", [2, 4])
def test_number_of_threads_changes_nothing(large, positives, n_jobs):
    fitted = [
        TripletMF(n_components=4, max_iter=2, positive_sampler=positives, n_jobs=n, random_state=3).fit(*large)
        for n in (1, n_jobs)
    ]
    assert fitted[0].user_factors_.tobytes() == fitted[1].user_factors_.tobytes()
    assert fitted[0].loss_curve_ == fitted[1].loss_curve_


@each
def test_training_goes_on_and_is_pickled(positives):
    X = pairs(planted())
    model = TripletMF(n_components=4, positive_sampler=positives, random_state=0).partial_fit(X[:800])
    again = pickle.loads(pickle.dumps(model))
    for each_model in (model, again):
        each_model.partial_fit(X[800:])
    np.testing.assert_array_equal(model.item_factors_, again.item_factors_)
    assert type(model.positive_sampler_) is type(positives)
    assert model.positive_sampler_ is not positives and not hasattr(positives, "n_features_in_")


def test_a_search_goes_over_the_parameters_of_a_positive_sampler():
    X = pairs(planted())
    search = GridSearchCV(
        TripletMF(n_components=4, max_iter=2, positive_sampler=PopularityDownSampler(), random_state=0),
        {"positive_sampler__top_kept": [0.2, 1.0]},
        cv=[(np.arange(len(X)), np.arange(0, len(X), 3))],
        scoring=lambda model, X, y=None: model.positive_sampler_.kept_.min(),
        error_score="raise",
    ).fit(X)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], [0.2, 1.0])


@each
def test_positive_samplers_are_cloned_and_repeat(positives):
    assert repr(clone(positives)) == repr(positives)
    with pytest.raises(ValueError, match="top_kept|clip"):
        clone(positives).set_params(**{"clip" if hasattr(positives, "clip") else "top_kept": 0.0}).fit(columns([2, 1]))


@pytest.mark.parametrize(
    ("positives", "name", "allowed"),
    [
        (PopularityDownSampler(top_kept=1.5), "top_kept", "above 0 and up to 1"),
        (PopularityDownSampler(top_kept="0.3"), "top_kept", "above 0 and up to 1"),
        (InversePropensityWeighter(eta=-1), "eta", "at least 0"),
        (InversePropensityWeighter(clip=np.nan), "clip", "above 0 and up to 1"),
    ],
)
def test_a_bad_parameter_is_named_by_the_fit_of_the_recommender(positives, name, allowed):
    with pytest.raises(ValueError, match=f"'{name}' parameter of {type(positives).__name__} must be") as caught:
        TripletMF(positive_sampler=positives).fit([[0, 0], [1, 1]])
    assert allowed in str(caught.value)


def test_what_is_no_positive_sampler_is_refused():
    with pytest.raises(ValueError, match="positive_sampler"):
        TripletMF(positive_sampler=UniformSampler()).fit([[0, 0], [1, 1]])
