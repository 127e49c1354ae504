"""CTRRanker: what counts mean, what steps leave alone, what is refused, and how it works within scikit-learn."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning, NotFittedError, UndefinedMetricWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold

from skrec import CTRRanker
from skrec.exceptions import DivergenceError
from skrec.metrics import average_user_roc_auc
from skrec.preprocessing import FeatureEncoder

INTERACTIONS = ["linear", "fm", "ffm", "deepfm", "dcn"]
every_interaction = pytest.mark.parametrize("interaction", INTERACTIONS)


def quick(**parameters):
    return CTRRanker(
        **{
            "n_components": 4,
            "hidden_layers": (8,),
            "max_iter": 3,
            "random_state": 0,
            "learning_rate": 0.1,
            **parameters,
        }
    )


@pytest.fixture(scope="module")
def data():
    """Rows with a column of each kind; who clicks what depends on the parities of user and item."""
    rng = np.random.default_rng(0)
    n = 600
    user, item = rng.integers(0, 30, n), rng.integers(0, 20, n)
    frame = pd.DataFrame(
        {
            "user": [f"u{u}" for u in user],
            "item": item,
            "age": np.where(user % 7 == 0, np.nan, user * 1.5),
            "genres": [["drama", "war", "crime"][: 1 + i % 3] for i in item],
            "place": rng.integers(1, 5, n),
        }
    )
    chance = 1 / (1 + np.exp(-(2.0 * np.where((user + item) % 2 == 0, 1, -1) - 0.5 * frame["place"])))
    return frame, (rng.random(n) < chance).astype(int)


def same(one, other, X):
    np.testing.assert_array_equal(one.decision_function(X), other.decision_function(X))


# --- what counts and weights mean


@every_interaction
def test_clicks_over_impressions_equal_the_rows_that_they_count(interaction, data):
    X, _ = data
    X = X[:80]
    rng = np.random.default_rng(1)
    impressions = rng.integers(1, 9, len(X))
    clicks = rng.binomial(impressions, 0.3)
    rows = X.loc[X.index.repeat(impressions)]
    labels = np.concatenate([np.arange(n) < k for n, k in zip(impressions, clicks, strict=True)]).astype(int)
    shuffled = rng.permutation(len(rows))
    one = quick(interaction=interaction).fit(X, clicks / impressions, sample_weight=impressions)
    other = quick(interaction=interaction).fit(rows.iloc[shuffled], labels[shuffled])
    np.testing.assert_allclose(one.decision_function(X), other.decision_function(X), rtol=1e-6, atol=1e-6)
    assert one.classes_.tolist() == [0, 1]
    # Products of the dense layers may differ in the last bit from row to row, so that ties are not quite ties.
    close = 0.01 if interaction in ("deepfm", "dcn") else 1e-9
    found = one.score(X, clicks / impressions, sample_weight=impressions)
    assert found == pytest.approx(other.score(rows, labels), abs=close)


@every_interaction
def test_weight_zero_is_absence_and_weight_two_is_twice(interaction, data):
    X, y = data
    weights = np.random.default_rng(1).integers(0, 3, len(X))
    repeated = np.repeat(np.arange(len(X)), weights)
    model = quick(interaction=interaction)
    weighted = clone(model).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(
        weighted.decision_function(X), clone(model).fit(X.iloc[repeated], y[repeated]).decision_function(X), atol=1e-6
    )
    # Only how large weights are beside each other matters.
    scaled = clone(model).fit(X, y, sample_weight=weights * 8.0)
    np.testing.assert_allclose(scaled.decision_function(X), weighted.decision_function(X), atol=1e-5)


def test_weights_also_count_where_no_rows_are_alike(data):
    X, y = data
    X = X.assign(noise=np.random.default_rng(0).normal(size=len(X)))
    model = quick(batch_size=1000, max_iter=20)
    weights = np.random.default_rng(1).integers(0, 3, len(X))
    repeated = np.repeat(np.arange(len(X)), weights)
    weighted = clone(model).fit(X, y, sample_weight=weights).decision_function(X)
    np.testing.assert_allclose(
        weighted, clone(model).fit(X.iloc[repeated], y[repeated]).decision_function(X), atol=1e-5
    )
    assert np.abs(weighted - clone(model).fit(X, y).decision_function(X)).max() > 0.01


def test_the_order_of_rows_does_not_matter(data):
    X, y = data
    order = np.random.default_rng(3).permutation(len(X))
    for interaction in INTERACTIONS:
        model = quick(interaction=interaction)
        one, other = clone(model).fit(X, y), clone(model).fit(X.iloc[order], y[order])
        np.testing.assert_allclose(one.decision_function(X), other.decision_function(X), atol=1e-6)


def test_without_steps_the_probability_is_the_rate_of_clicks(data):
    X, _ = data
    clicks, impressions = np.r_[10, np.zeros(99)], np.full(100, 10.0)
    model = quick(interaction="linear", max_iter=0).fit(X[:100], clicks / impressions, sample_weight=impressions)
    np.testing.assert_allclose(model.decision_function(X), np.log(0.01 / 0.99), rtol=1e-6)
    assert model.intercept_ == pytest.approx(-4.595, abs=1e-3)


def test_down_sampling_is_corrected_exactly(data):
    X, _ = data
    # Half of a down-sampled log are clicks where one in a hundred and one was.
    shares = np.full(len(X), 1 / 101)
    model = quick(max_iter=0, negative_sampling_rate=0.01, interaction="linear")
    model.fit(X, shares, sample_weight=np.ones(len(X)))
    assert model.intercept_ == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 0.00990099, rtol=1e-6)


def test_down_sampled_rows_still_give_the_rate_of_all(data):
    X, y = data
    model = quick(negative_sampling_rate=0.3, max_iter=30, interaction="linear", l2=0).fit(X, y)
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), abs=0.04)
    assert quick(negative_sampling_rate=0.3).fit(X, y).loss_curve_ != quick().fit(X, y).loss_curve_


def test_class_weights_weigh_the_rows_of_a_class(data):
    X, y = data
    X = X[["user", "item", "genres"]]  # the means of numbers depend on the weights of the rows
    by_class = quick(class_weight={0: 1, 1: 3}).fit(X, y)
    by_row = quick().fit(X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
    np.testing.assert_allclose(by_class.decision_function(X), by_row.decision_function(X), atol=1e-6)
    balanced = quick(class_weight="balanced", max_iter=0, interaction="linear").fit(X, y)
    np.testing.assert_allclose(balanced.predict_proba(X), 0.5, atol=1e-6)


# --- optimisers


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "ftrl"])
@pytest.mark.parametrize("interaction", ["fm", "ffm", "deepfm"])
def test_inputs_that_a_batch_lacks_keep_every_bit(optimizer, interaction, data):
    if optimizer == "ftrl" and interaction == "deepfm":
        pytest.skip("refused")
    X, y = data
    model = quick(interaction=interaction, optimizer=optimizer, l2=0.1).fit(X, y)
    names = model.encoder_.get_feature_names_out()
    before = [array.copy() for array in model._model.inputs]
    few = X[X["user"].isin(["u1", "u2"])]
    model.partial_fit(few, y[few.index])
    assert model.encoder_.get_feature_names_out().tolist() == names.tolist()
    absent = np.array([name.startswith("user=") and name not in ("user=u1", "user=u2") for name in names])
    for old, new in zip(before, model._model.inputs, strict=True):
        np.testing.assert_array_equal(new[absent], old[absent])
    present = np.isin(names, ["user=u1", "user=u2"])
    assert (model._model.inputs.weights[present] != before[0][present]).any(axis=1).all()


@pytest.mark.parametrize("interaction", ["linear", "fm", "ffm"])
def test_a_huge_penalty_of_ftrl_gives_exact_zeros(interaction, data):
    X, y = data
    model = quick(interaction=interaction, optimizer="ftrl", learning_rate=0.1, l1=1e6).fit(X, y)
    assert not model.coef_.any() and not model.embeddings_.any()
    assert quick(interaction=interaction, optimizer="ftrl", learning_rate=0.1).fit(X, y).coef_.any()
    some = quick(interaction=interaction, optimizer="ftrl", learning_rate=0.1, l1=2.0).fit(X, y).coef_
    assert 0 < (some == 0).mean() < 1


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "ftrl"])
def test_every_optimiser_learns(optimizer, data):
    X, y = data
    rate = {"adam": 0.02, "adagrad": 0.2, "ftrl": 0.2}[optimizer]
    model = quick(optimizer=optimizer, learning_rate=rate, max_iter=30).fit(X, y)
    assert model.loss_curve_[-1] < 0.75 * model.loss_curve_[0]


def test_each_column_may_have_a_penalty_of_its_own(data):
    X, y = data
    model = quick(l2={"user": 3.0, 1: 0.0}, max_iter=20).fit(X, y)
    free = quick(l2=0.0, max_iter=20).fit(X, y)
    users, items = model.encoder_.fields_ == 0, model.encoder_.fields_ == 1
    assert np.abs(model.coef_[users]).mean() < 0.2 * np.abs(free.coef_[users]).mean()
    assert np.abs(model.coef_[items]).mean() > 0.5 * np.abs(free.coef_[items]).mean()


# --- prediction


@every_interaction
def test_outputs_belong_together(interaction, data):
    X, y = data
    model = quick(interaction=interaction).fit(X, np.where(y == 1, "yes", "no"))
    logits, chances = model.decision_function(X), model.predict_proba(X)
    assert model.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(np.log(chances[:, 1] / chances[:, 0]), logits, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(model.predict(X) == "yes", logits > 0)
    one_by_one = np.concatenate([model.decision_function(X[r : r + 1]) for r in range(5)])
    np.testing.assert_allclose(one_by_one, logits[:5], rtol=1e-5)


@every_interaction
def test_parities_are_learnt_where_pairs_count(interaction, data):
    X, y = data
    model = quick(interaction=interaction, max_iter=30, dropout=0.0).fit(X[:500], y[:500])
    assert (roc_auc_score(y[500:], model.decision_function(X[500:])) > 0.64) is (interaction != "linear")


def test_position_is_learnt_and_neutralised(data):
    X, y = data
    model = quick(position="place", max_iter=30).fit(X, y)
    expected = X["place"].value_counts()
    assert model.position_ == min(expected.index[expected == expected.max()])
    for value in (1, 4, 99):
        same(model, model, X)
        np.testing.assert_array_equal(model.decision_function(X.assign(place=value)), model.decision_function(X))
    places = model.encoder_.fields_ == 4
    effect = model.coef_[places]
    assert model.encoder_.kinds_[4] == "categorical"
    assert effect[0] > effect[3]
    seeing = quick(encoder=FeatureEncoder(categorical=["user", "item", "place"], min_frequency=1), max_iter=30).fit(
        X, y
    )
    np.testing.assert_allclose(
        model.decision_function(X), seeing.decision_function(X.assign(place=model.position_)), rtol=1e-6
    )


def test_score_is_the_average_auc_of_users(data):
    X, y = data
    model = quick().fit(X, y)
    expected = average_user_roc_auc(y, model.decision_function(X), users=X["user"])
    assert model.score(X, y) == pytest.approx(expected)
    weights = np.random.default_rng(0).integers(1, 4, len(X))
    aucs = [
        roc_auc_score(y[rows], model.decision_function(X)[rows], sample_weight=weights[rows])
        for rows in X.groupby("user").indices.values()
        if len(set(y[rows])) == 2
    ]
    assert model.score(X, y, sample_weight=weights) == pytest.approx(np.mean(aucs))


def test_score_without_a_user_of_both_classes_is_that_of_all_rows(data):
    X, y = data
    model = quick().fit(X, y)
    alone = X.drop_duplicates("user")
    with pytest.warns(UndefinedMetricWarning, match="the ROC AUC of all rows"):
        found = model.score(alone, y[alone.index])
    assert found == pytest.approx(roc_auc_score(y[alone.index], model.decision_function(alone)))
    with pytest.warns(UndefinedMetricWarning, match="all rows are of one class"):
        assert np.isnan(model.score(X, np.ones(len(X))))


# --- columns


def test_frames_of_any_kind_and_arrays_are_read_alike(data):
    X, y = data
    columns = ["user", "item", "age", "place"]
    expected = quick().fit(X[columns], y)
    polars = pl.DataFrame({name: X[name].to_list() for name in columns}).with_columns(pl.col("age").fill_nan(None))
    same(quick().fit(polars, y), quick().fit(polars, y), polars)
    np.testing.assert_array_equal(
        quick().fit(polars, y).decision_function(polars), expected.decision_function(X[columns])
    )
    array = X[columns].to_numpy(dtype=object)
    np.testing.assert_array_equal(
        quick().fit(array, y).decision_function(array), expected.decision_function(X[columns])
    )


def test_users_and_items_may_be_any_columns(data):
    X, y = data
    expected = quick().fit(X[["user", "item"]], y)
    swapped = X[["item", "user"]]
    model = quick(user="user", item="item").fit(swapped, y)
    assert model.score(swapped, y) == pytest.approx(expected.score(X[["user", "item"]], y), abs=0.05)
    assert model.encoder_.kinds_ == ["categorical", "categorical"]


def test_hashed_and_missing_ids_are_categories_like_others(data):
    X, y = data
    X = X[["user", "item"]].astype(object)
    X.loc[::9, "user"] = None
    model = quick().fit(X, y)
    assert "user:missing" in model.encoder_.get_feature_names_out()
    known = X["user"].notna()
    assert model.score(X, y) == pytest.approx(model.score(X[known], y[known]))
    hashed = quick(encoder=FeatureEncoder(hashed=["user", "item"], n_buckets=64)).fit(X, y)
    new = pd.DataFrame({"user": ["nobody"], "item": [10**6]}, dtype=object)
    assert np.isfinite(hashed.decision_function(new)).all()


def test_unknown_categories_leave_the_judgement_to_the_others(data):
    X, y = data
    model = quick(interaction="linear", max_iter=20).fit(X[["user", "item"]], y)
    new = pd.DataFrame({"user": ["nobody"], "item": [3]})
    names = model.encoder_.get_feature_names_out().tolist()
    np.testing.assert_allclose(
        model.decision_function(new), model.intercept_ + model.coef_[names.index("item=3")], rtol=1e-6
    )


# --- streams and continuation


@every_interaction
def test_a_stream_grows_the_model(interaction, data):
    X, y = data
    model = quick(interaction=interaction)
    for start in range(0, 600, 100):
        model.partial_fit(X[start : start + 100], y[start : start + 100], classes=[0, 1])
    assert len(model.loss_curve_) == model.n_iter_ == 6
    assert set(model.encoder_.categories_[0]) == set(X["user"])
    before = model.coef_.copy()
    names = model.encoder_.get_feature_names_out().tolist()
    more = X[:4].assign(user=["new", "new", "newer", "newer"], age=[np.nan, 1.0, 2.0, 3.0])
    model.partial_fit(more, [1, 1, 1, 1])
    grown = model.encoder_.get_feature_names_out().tolist()
    assert set(grown) - set(names) == {"user=new", "user=newer"}
    untouched = [name for name in names if name.startswith("user=")]
    np.testing.assert_array_equal(
        model.coef_[[grown.index(name) for name in untouched]], before[[names.index(name) for name in untouched]]
    )


def test_a_stream_of_many_passes_learns_what_a_fit_does(data):
    X, y = data
    model = quick()
    for _ in range(30):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.9


def test_the_first_batch_may_hold_one_class_if_both_are_named(data):
    X, y = data
    with pytest.raises(ValueError, match="one class"):
        quick().partial_fit(X[:3], [1, 1, 1])
    model = quick().partial_fit(X[:3], [1, 1, 1], classes=[0, 1])
    assert np.isfinite(model.decision_function(X)).all()
    with pytest.raises(ValueError, match="not one of the classes"):
        model.partial_fit(X[:3], [2, 1, 1])


@every_interaction
def test_warm_start_goes_on(interaction, data):
    X, y = data
    model = quick(interaction=interaction, warm_start=True, dropout=0.0).fit(X, y)
    first = model.loss_curve_[-1]
    assert model.fit(X, y).loss_curve_[0] < first
    with pytest.raises(ValueError, match="warm_start=False"):
        model.set_params(n_components=5, interaction="fm").fit(X, y)


def test_a_warm_start_with_another_optimiser_forgets_what_the_other_remembered_of_the_inputs_alone(data):
    X, y = data
    model = quick(interaction="deepfm", warm_start=True, optimizer="adagrad").fit(X, y)
    before = model._model
    model.set_params(optimizer="adam", max_iter=0).fit(X, y)
    after = model._model
    assert not after.inputs.second.any() and not after.intercept.second.any()
    np.testing.assert_array_equal(after.inputs.weights, before.inputs.weights)
    for layer, old_layer in zip(after.layers, before.layers, strict=True):
        for parameter, old in zip(layer, old_layer, strict=True):
            np.testing.assert_array_equal(parameter.second, old.second)
            assert old.second.any()


# --- early stopping


@pytest.mark.parametrize("monitor", ["log_loss", "roc_auc"])
def test_early_stopping_keeps_the_best_epoch(monitor, data):
    X, y = data
    model = quick(early_stopping=True, monitor=monitor, max_iter=200, learning_rate=0.1, validation_fraction=0.3)
    model.fit(X, y)
    best = int(np.argmax(model.validation_scores_))
    assert model.n_iter_ == best + 1 + model.n_iter_no_change < 200
    shorter = clone(model).set_params(max_iter=best + 1)
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        shorter.fit(X, y)
    same(shorter, model, X)


def test_early_stopping_is_automatic_beyond_ten_thousand_rows():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 200, 12_000), rng.integers(0, 200, 12_000)])
    y = rng.random(12_000) < 0.5
    assert hasattr(quick(max_iter=60, learning_rate=0.05).fit(X, y), "validation_scores_")
    assert not hasattr(quick().fit(X[:500], y[:500]), "validation_scores_")


# --- the same bits


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_the_number_of_threads_changes_no_bit(interaction):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 50, (4000, 4))
    y = rng.random(4000) < 0.4
    model = CTRRanker(32, interaction=interaction, batch_size=2000, max_iter=2, hidden_layers=(16,), random_state=0)
    one, two = clone(model).fit(X, y), clone(model).set_params(n_jobs=2).fit(X, y)
    same(one, two, X)
    for old, new in zip(one._model.dense(), two._model.dense(), strict=True):
        np.testing.assert_array_equal(old.weights, new.weights)


@every_interaction
def test_pickles_and_clones_are_the_same(interaction, data):
    X, y = data
    model = quick(interaction=interaction, position="place").fit(X, y)
    same(pickle.loads(pickle.dumps(model)), model, X)
    same(clone(model).fit(X, y), model, X)
    assert not hasattr(clone(model), "classes_")


# --- within scikit-learn


def test_calibration_with_folds_of_users(data):
    X, y = data
    folds = list(GroupKFold(3).split(X, y, groups=X["user"]))
    model = CalibratedClassifierCV(quick(), method="sigmoid", cv=folds).fit(X, y)
    assert model.predict_proba(X).shape == (len(X), 2)
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), abs=0.03)


def test_a_search_over_interactions(data):
    X, y = data
    search = GridSearchCV(quick(max_iter=20, dropout=0.0), {"interaction": ["linear", "fm"]}, cv=2).fit(X, y)
    assert search.best_params_ == {"interaction": "fm"}
    assert 0.5 < search.best_score_ <= 1


# --- what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"l1": 1.0}, "l1=1.0 needs optimizer='ftrl'"),
        ({"optimizer": "ftrl", "interaction": "dcn"}, "has dense layers"),
        ({"hidden_layers": (0,), "interaction": "dcn"}, "widths of layers"),
        ({"l2": {"nothing": 1.0}}, "l2 names the column 'nothing'"),
        ({"l2": {"user": -1.0}}, "must be a number of at least 0"),
        ({"position": "nothing"}, "position names the column 'nothing'"),
        ({"user": "nothing"}, "user='nothing' is not a column of X"),
        ({"item": 0}, "are the same column"),
        ({"negative_sampling_rate": 0.0}, "negative_sampling_rate"),
        ({"class_weight": {0: -1, 1: 1}}, "class_weight"),
        ({"interaction": "pnn"}, "interaction"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(change, message, data):
    with pytest.raises(ValueError, match=message):
        quick(**change).fit(*data)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_rows_are_refused_and_change_nothing(method, data):
    X, y = data
    infinite = X.assign(age=np.inf)
    cases = [
        (X[:0], y[:0], None, "0 sample"),
        (X[["user"]], y, None, "feature"),
        (infinite, y, None, "infinity"),
        (X.assign(item=np.inf), y, None, "infinite id"),
        (X, None, None, "requires y"),
        (X, y[:5], None, "inconsistent"),
        (X, np.where(y == 1, np.nan, 0.0), None, "NaN"),
        (X, np.arange(len(X)) % 3, None, "Only binary|not one of the classes"),
        (X, np.linspace(0, 1, len(X)), None, "Unknown label type: continuous"),
        (X, np.linspace(0, 2, len(X)), np.ones(len(X)), "Unknown label type: continuous"),
        (X, y, np.zeros(len(X)), "at least one non-zero"),
        (X, y, -np.ones(len(X)), "[Nn]egative"),
        (X, y, np.full(len(X), np.nan), "NaN"),
    ]
    for model in (quick(), quick().fit(X, y)):
        before = vars(model).copy()
        for rows, labels, weights, message in cases:
            with pytest.raises(ValueError, match=message):
                getattr(model, method)(rows, labels, sample_weight=weights)
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[name] is value for name, value in before.items())
    with pytest.raises(ValueError, match="one class"):
        quick().fit(X, np.ones(len(X)))


def test_an_unfitted_ranker_says_so(data):
    X, y = data
    for call in (quick().predict, quick().predict_proba, quick().decision_function, lambda X: quick().score(X, y)):
        with pytest.raises(NotFittedError):
            call(X)


def test_divergence_names_the_parameter_and_leaves_the_model(data):
    X, y = data
    model = quick().fit(X, y)
    before = model.coef_
    with pytest.raises(DivergenceError, match="Lower learning_rate"):
        model.set_params(learning_rate=1e30).fit(X, y)
    assert model.coef_ is before or np.shares_memory(model.coef_, before)
