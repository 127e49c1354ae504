import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from skrec.datasets import make_interactions


def _auc_of_last_row(X, score):
    """Average per-user ROC AUC of each user's last row against the items without a row; ``score`` sees the rest."""
    held_out = X.groupby("user_id").tail(1)
    rest = X.drop(held_out.index)
    seen = np.zeros((300, 200), dtype=bool)
    seen[rest["user_id"], rest["item_id"]] = True
    scores = score(seen)
    users, items = held_out["user_id"].to_numpy(), held_out["item_id"].to_numpy()
    negative = ~seen[users]
    negative[np.arange(users.size), items] = False
    own = scores[users, items][:, None]
    wins = (scores[users] < own) + 0.5 * (scores[users] == own)
    return np.mean((wins * negative).sum(axis=1) / negative.sum(axis=1))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_personal_model_clearly_beats_popularity_and_stays_below_the_truth(seed):
    data = make_interactions(random_state=seed)

    def popularity(seen):
        return np.tile(seen.sum(axis=0), (len(seen), 1))

    def low_rank(seen):
        U, s, V = np.linalg.svd(seen.astype(float), full_matrices=False)
        return (U[:, :5] * s[:5]) @ V[:5]

    def truth(seen):
        return data.true_preference.matrix() * data.item_popularity

    by_popularity, by_model, by_truth = (_auc_of_last_row(data.data, f) for f in (popularity, low_rank, truth))
    assert by_popularity < 0.78
    assert by_model > by_popularity + 0.1
    assert by_truth > by_model + 0.01


def test_the_default_is_a_log_of_distinct_positives_in_order_of_time():
    X, y = make_interactions(random_state=0, return_X_y=True)
    assert X.columns.tolist() == ["user_id", "item_id", "timestamp"]
    assert X.shape == (6000, 3)
    assert (X.dtypes == np.int64).all()
    assert (y == 1).all()
    assert y.index.equals(X.index)
    assert not X.duplicated(["user_id", "item_id"]).any()
    assert X["timestamp"].is_monotonic_increasing
    assert set(X["user_id"]) == set(range(300))
    assert X["item_id"].between(0, 199).all()


@pytest.mark.parametrize("options", [{}, {"negative_fraction": 0.3}, {"n_positions": 4}])
def test_the_seed_fixes_everything_and_the_lean_form_holds_the_same(options):
    first, second = (make_interactions(random_state=3, **options) for _ in range(2))
    lean = make_interactions(random_state=3, as_frame=False, **options)
    other = make_interactions(random_state=4, **options)
    pd.testing.assert_frame_equal(first.data, second.data)
    pd.testing.assert_frame_equal(first.item_features, second.item_features)
    assert lean.data.dtype == np.int32
    assert lean.target.dtype == np.int8
    np.testing.assert_array_equal(first.data, lean.data)
    np.testing.assert_array_equal(first.target, lean.target)
    assert not first.data["item_id"].equals(other.data["item_id"])


def test_popularity_follows_the_power_law():
    # Nothing personal and few rows a user, so that drawing without replacement hardly bends the law.
    data = make_interactions(
        20_000, 1000, 100_000, signal=0.0, intercept=20.0, popularity_exponent=0.5, activity_spread=0.0, random_state=0
    )
    share = np.sort(data.item_popularity)[::-1]
    np.testing.assert_allclose(share / share[0], np.arange(1, 1001) ** -0.5)
    assert share.sum() == pytest.approx(1)
    count = np.bincount(data.data["item_id"], minlength=1000)
    by_rank = count[np.argsort(-data.item_popularity)]
    slope = np.polyfit(np.log(np.arange(1, 1001)), np.log(by_rank), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.02)


def test_activity_is_log_normal_and_every_user_has_two_rows():
    X, _ = make_interactions(20_000, 2000, 1_000_000, activity_spread=0.5, random_state=0, return_X_y=True)
    count = X["user_id"].value_counts()
    assert count.size == 20_000
    assert np.log(count).std() == pytest.approx(0.5, abs=0.02)
    few, _ = make_interactions(100, 50, 210, activity_spread=3.0, random_state=0, return_X_y=True)
    assert few["user_id"].value_counts().min() == 2


def test_positives_are_drawn_by_popularity_times_preference():
    # One row a user: its law is known in closed form, here summed over users.
    data = make_interactions(30_000, 20, 30_000, random_state=0)
    weight = data.true_preference.matrix().astype(float) * data.item_popularity
    expected = (weight / weight.sum(axis=1, keepdims=True)).sum(axis=0)
    count = np.bincount(data.data["item_id"], minlength=20)
    assert ((count - expected) ** 2 / expected).sum() < 43.8  # the 0.1 % tail of chi-square with 19 degrees


def test_negatives_are_shown_and_disliked():
    data = make_interactions(negative_fraction=0.4, random_state=0)
    assert set(data.target) == {0, 1}
    assert (data.target == 0).sum() == 2400
    assert not data.data.duplicated(["user_id", "item_id"]).any()
    preference = data.true_preference.predict(data.data)
    negative = (data.target == 0).to_numpy()
    assert preference[negative].mean() < 0.1
    assert preference[~negative].mean() > 0.5
    popularity = data.item_popularity[data.data["item_id"]]
    assert popularity[negative].mean() > 1.5 * data.item_popularity.mean()


def test_clicks_fall_with_position_and_likes_do_not():
    data = make_interactions(2000, 300, 60_000, n_positions=5, intercept=0.0, position_bias=1.0, random_state=0)
    assert data.data.columns.tolist() == ["user_id", "item_id", "timestamp", "position"]
    position = data.data["position"].to_numpy()
    assert set(position) == {1, 2, 3, 4, 5}
    np.testing.assert_array_equal(data.target, data.liked & data.examined)
    likes = np.array([data.liked[position == p].mean() for p in range(1, 6)])
    looks = np.array([data.examined[position == p].mean() for p in range(1, 6)])
    np.testing.assert_allclose(likes, likes.mean(), atol=0.02)
    np.testing.assert_allclose(looks, 1 / np.arange(1, 6), atol=0.02)


def test_probabilities_of_impressions_are_planted_and_come_true():
    data = make_interactions(2000, 300, 60_000, n_positions=5, intercept=0.0, position_bias=0.7, random_state=1)
    np.testing.assert_array_equal(data.like_probability, data.true_preference.predict(data.data))
    np.testing.assert_allclose(data.examination_probability, data.data["position"] ** -0.7)
    click = data.like_probability * data.examination_probability
    for band in np.array_split(np.argsort(click), 8):
        assert abs(data.target.to_numpy()[band].mean() - click[band].mean()) < 4 * 0.5 / np.sqrt(len(band))
    assert "like_probability" not in make_interactions(random_state=0)


def test_without_position_bias_a_click_is_a_like():
    data = make_interactions(n_positions=5, position_bias=0.0, random_state=0)
    assert data.examined.all()
    np.testing.assert_array_equal(data.target, data.liked)


def test_a_slate_is_one_user_at_one_time_with_positions_from_one():
    X = make_interactions(n_positions=7, random_state=0).data
    slate = (X["position"] == 1).cumsum()
    assert (X.groupby(slate)[["user_id", "timestamp"]].nunique() == 1).all(axis=None)
    assert (X.groupby(slate)["position"].diff().dropna() == 1).all()
    per_user = X.groupby("user_id")["position"].agg(["size", lambda p: (p == 1).sum()]).to_numpy()
    np.testing.assert_array_equal(per_user[:, 1], -(-per_user[:, 0] // 7))


def test_likes_of_impressions_come_true_as_often_as_planted():
    data = make_interactions(2000, 300, 60_000, n_positions=5, random_state=0)
    preference = data.true_preference.predict(data.data)
    band = np.digitize(preference, [0.2, 0.4, 0.6, 0.8])
    for b in range(5):
        error = data.liked[band == b].mean() - preference[band == b].mean()
        assert abs(error) < 4 * 0.5 / np.sqrt((band == b).sum())  # four standard errors at most


def test_pairs_and_table_of_the_truth_agree():
    data = make_interactions(random_state=0)
    truth, X = data.true_preference, data.data
    table = truth.matrix()
    np.testing.assert_allclose(truth.predict(X), table[X["user_id"], X["item_id"]], rtol=1e-5)
    np.testing.assert_allclose(truth.predict(X.to_numpy()), truth.predict(X))
    np.testing.assert_allclose(truth.matrix([5, 2], [7, 1, 0]), table[[5, 2]][:, [7, 1, 0]], rtol=1e-5)
    np.testing.assert_allclose(table, expit(truth.intercept + truth.user_factors @ truth.item_factors.T), rtol=1e-5)


def test_signal_and_intercept_are_the_spread_and_mean_of_the_log_odds():
    truth = make_interactions(1000, 800, 6000, signal=2.5, intercept=-1.5, random_state=0).true_preference
    log_odds = truth.intercept + truth.user_factors @ truth.item_factors.T
    assert log_odds.mean() == pytest.approx(-1.5, abs=1e-3)
    assert log_odds.std() == pytest.approx(2.5, rel=0.1)


def test_without_signal_every_pair_has_the_same_preference():
    table = make_interactions(signal=0.0, random_state=0).true_preference.matrix()
    np.testing.assert_allclose(table, expit(-4.0), rtol=1e-6)


@pytest.mark.parametrize(("feature_share", "low", "high"), [(1.0, 0.99, 1.0), (0.5, 0.4, 0.65), (0.0, 0.0, 0.1)])
def test_features_explain_their_share_of_the_factors(feature_share, low, high):
    data = make_interactions(2000, 1000, 6000, feature_share=feature_share, random_state=0)
    items = data.item_features
    genres = items["genres"].map(lambda names: {name: 1 / len(names) for name in names}).tolist()
    columns = [pd.get_dummies(items["category"]), pd.DataFrame(genres).fillna(0), np.log(items["price"])]
    design = np.column_stack([np.ones(len(items)), *columns]).astype(float)
    factors = data.true_preference.item_factors
    residual = factors - design @ np.linalg.lstsq(design, factors, rcond=None)[0]
    assert low <= 1 - residual.var() / factors.var() <= high


def test_features_have_a_row_for_each_id_and_all_three_kinds():
    data = make_interactions(30, 40, 60, random_state=0)
    assert data.user_features.index.name == "user_id"
    assert data.item_features.index.name == "item_id"
    assert data.user_features.index.tolist() == list(range(30))
    assert data.item_features.index.tolist() == list(range(40))
    assert isinstance(data.user_features["country"].dtype, pd.CategoricalDtype)
    assert isinstance(data.item_features["category"].dtype, pd.CategoricalDtype)
    assert data.item_features["genres"].map(lambda g: isinstance(g, tuple) and len(set(g)) == len(g)).all()
    assert set(data.item_features["genres"].map(len)) == {1, 2, 3}
    assert (data.item_features["price"] > 0).all()
    assert data.user_features["age"].between(13, 90).all()


@pytest.mark.parametrize(
    "sizes", [(1, 1, 1), (1, 2, 1), (5, 1, 5), (1, 10, 5), (300, 20, 3000), (1000, 2000, 1000), (3, 3000, 4500)]
)
@pytest.mark.parametrize("options", [{}, {"negative_fraction": 0.5}, {"n_positions": 3}])
def test_the_smallest_and_the_fullest_sizes_are_drawn(sizes, options):
    data = make_interactions(*sizes, random_state=0, **options)
    assert len(data.data) == len(data.target) == sizes[2]
    assert not data.data.duplicated(["user_id", "item_id"]).any()
    assert data.data["user_id"].nunique() == sizes[0]


def test_large_sizes_do_not_need_a_table_of_users_by_items():
    data = make_interactions(20_000, 50_000, 100_000, as_frame=False, random_state=0)  # a table would have 10^9 cells
    keys = data.data[:, 0].astype(np.int64) * 50_000 + data.data[:, 1]
    assert np.unique(keys).size == 100_000


def test_the_bunch_can_be_pickled():
    data = make_interactions(random_state=0)
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(again.true_preference.matrix(), data.true_preference.matrix())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n_users", 0, "n_users must be between 1 and 2147483647; got 0"),
        ("n_items", -3, "n_items must be between 1"),
        ("n_interactions", 299, r"n_interactions must be between n_users \(300\)"),
        ("n_interactions", 30_001, "and 30000, rows with half of the n_items"),
        ("n_factors", 0, "n_factors must be between 1 and 1024; got 0"),
        ("signal", -1.0, r"signal must be between 0 and 100; got -1\.0"),
        ("signal", float("nan"), "signal must be between 0 and 100; got nan"),
        ("intercept", float("inf"), "intercept must be between -20 and 20; got inf"),
        ("feature_share", 1.5, r"feature_share must be between 0 and 1; got 1\.5"),
        ("popularity_exponent", -0.1, "popularity_exponent must be between 0 and 10"),
        ("activity_spread", -0.1, "activity_spread must be between 0 and 10"),
        ("negative_fraction", 1.0, r"negative_fraction must be between 0 and 0\.99; got 1\.0"),
        ("n_positions", 0, "n_positions must be between 1"),
        ("position_bias", -1, "position_bias must be between 0 and 10; got -1"),
    ],
)
def test_a_parameter_out_of_range_is_named_with_its_value_and_its_range(name, value, message):
    with pytest.raises(ValueError, match=message):
        make_interactions(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n_users", 10.0, r"n_users must be an int; got 10\.0 of type float"),
        ("n_items", "20", "n_items must be an int; got '20' of type str"),
        ("n_factors", True, "n_factors must be an int; got True of type bool"),
        ("signal", None, "signal must be a number; got None of type NoneType"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_named_with_its_value(name, value, message):
    with pytest.raises(TypeError, match=message):
        make_interactions(**{name: value})
