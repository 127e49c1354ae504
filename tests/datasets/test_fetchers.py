"""The fetchers: on small files in the publishers' formats everywhere, and on the real files where they are."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from skrec.datasets import (
    _amazon_beauty,
    _frappe,
    _lastfm,
    _movielens_1m,
    _movielens_100k,
    _open_bandit,
    fetch_amazon_beauty,
    fetch_frappe,
    fetch_lastfm,
    fetch_movielens_1m,
    fetch_movielens_1m_m1,
    fetch_movielens_100k,
    fetch_open_bandit,
)

_RATINGS = "1\t10\t5\t881250949\n1\t20\t2\t881250950\n2\t10\t4\t881250951\n"
_ML_100K = {
    "u.data": _RATINGS,
    "ua.base": _RATINGS.splitlines(keepends=True)[0] + _RATINGS.splitlines(keepends=True)[2],
    "ua.test": _RATINGS.splitlines(keepends=True)[1],
    "u.user": "1|24|M|technician|01002\n2|53|F|other|T8H1N\n",
    "u.genre": "unknown|0\nAction|1\nFilm-Noir|2\n\n",
    "u.item": "10|Misérables, Les (1995)|01-Jan-1995||http://imdb/10|0|1|1\n20|unknown||||1|0|0\n",
}
_ML_1M = {
    "ratings.dat": "1::10::5::978300760\n2::20::3::978302109\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::02460-1234\n",
    "movies.dat": "10::Face/Off: Again::(1997)::Action|Sci-Fi\n".replace("::(", " (") + "20::Café (1990)::Drama\n",
}
_M1 = {"train.txt": "0 3 1\n1 2\n", "test.txt": "0 2\n1 0 1 \n"}
_LASTFM = {"data1.txt": "1\t3\t13883\n2\t1\t12\n", "test1.txt": "1\t1\t7\n", "trustnetwork.txt": "1\t2\n2\t1\n"}
_BEAUTY = {"Beauty.txt": "1 3 1 2\n2 3 4\n", "Beauty_item2attributes.json": '{"1": [5, 6], "3": [7], "4": [5]}'}
_FRAPPE = {
    "frappe.validation.libfm": "1 266:1 1244:1 5042:1 5049:1 5054:1 5055:1 5058:1 5062:1 5074:1 5149:1\n"
    "-1 0:1 957:1 5039:1 5046:1 5053:1 5055:1 5058:1 5060:1 5069:1 5149:1\n",
    "frappe.test.libfm": "-1 956:1 5038:1 5045:1 5052:1 5054:1 5057:1 5059:1 5068:1 5148:1 5381:1\n",
}
_OPEN_BANDIT = {
    "bts/women.csv": ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,"
    "user_feature_3,user-item_affinity_0,user-item_affinity_1\n"
    "0,2019-11-24 00:01:03.979311+00:00,1,2,0,0.25,cef33,2d03d,c2e4f,c39b0,0.0,3.0\n"
    "1,2019-11-24 00:01:45.406608+00:00,0,3,1,0.75,cef33,f1c2d,7bc94,9bde5,0.0,0.0",
    "bts/women_item_context.csv": ",item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3\n"
    "0,0,-0.5,c82,f88,8ea\n1,1,0.25,a74,f88,8ea",
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Put small files in SKREC_DATA_HOME and have their checksums expected."""
    monkeypatch.setenv("SKREC_DATA_HOME", str(tmp_path))

    def put(module, content, folder="_FOLDER"):
        remote = getattr(module, folder)
        sums = {}
        for name, text in content.items():
            data = text.encode("latin-1")
            (tmp_path / remote.name / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / remote.name / name).write_bytes(data)
            sums[name] = hashlib.sha256(data).hexdigest()
        monkeypatch.setattr(module, folder, remote._replace(files=sums))

    return put


def test_movielens_100k_is_read_with_features_indexed_by_id(small):
    small(_movielens_100k, _ML_100K)
    data = fetch_movielens_100k()
    assert data.data.to_dict("list") == {
        "user_id": [1, 1, 2],
        "item_id": [10, 20, 10],
        "timestamp": [881250949, 881250950, 881250951],
    }
    assert data.target.tolist() == [5, 2, 4]
    assert data.target.name == "rating"
    assert data.user_features.loc[2].tolist() == [53, "F", "other", "T8H1N"]
    assert data.user_features.loc[1, "zip_code"] == "01002"
    film = data.item_features.loc[10]
    assert film["title"] == "Misérables, Les (1995)"
    assert film["release_date"] == pd.Timestamp("1995-01-01")
    assert film["genres"] == ("Action", "Film-Noir")
    assert data.item_features["release_date"].isna().tolist() == [False, True]
    assert "research" in data.DESCR


def test_movielens_100k_subsets_are_those_of_the_split(small):
    small(_movielens_100k, _ML_100K)
    train, test, both = (fetch_movielens_100k(split="ua", subset=s).target.tolist() for s in ("train", "test", "all"))
    assert (train, test, both) == ([5, 4], [2], [5, 4, 2])


def test_movielens_1m_is_read_with_features_indexed_by_id(small):
    small(_movielens_1m, _ML_1M)
    data = fetch_movielens_1m()
    assert data.data.to_numpy().tolist() == [[1, 10, 978300760], [2, 20, 978302109]]
    assert data.data.columns.tolist() == ["user_id", "item_id", "timestamp"]
    assert data.target.tolist() == [5, 3]
    assert data.user_features.loc[1].tolist() == ["F", "under 18", "K-12 student", "48067"]
    assert data.user_features.loc[2].tolist() == ["M", "56+", "self-employed", "02460-1234"]
    assert data.user_features["age"].cat.ordered
    assert data.item_features.loc[10].tolist() == ["Face/Off: Again (1997)", ("Action", "Sci-Fi")]
    assert data.item_features.loc[20, "title"] == "Café (1990)"


def test_movielens_1m_m1_is_read_from_a_line_a_user(small):
    small(_movielens_1m, _M1, "_M1_FOLDER")
    assert fetch_movielens_1m_m1(subset="train").data.to_numpy().tolist() == [[0, 3], [0, 1], [1, 2]]
    assert fetch_movielens_1m_m1(subset="test").data.to_numpy().tolist() == [[0, 2], [1, 0], [1, 1]]
    both = fetch_movielens_1m_m1()
    assert both.data.shape == (6, 2)
    assert (both.target == 1).all()


def test_lastfm_is_read_with_plays_and_friends(small):
    small(_lastfm, _LASTFM)
    data = fetch_lastfm()
    assert data.data.to_numpy().tolist() == [[1, 3], [2, 1], [1, 1]]
    assert data.target.tolist() == [13883, 12, 7]
    assert data.trust.to_numpy().tolist() == [[1, 2], [2, 1]]
    assert fetch_lastfm(subset="train").target.tolist() == [13883, 12]
    assert fetch_lastfm(subset="test").target.tolist() == [7]


def test_amazon_beauty_keeps_the_order_of_each_sequence(small):
    small(_amazon_beauty, _BEAUTY)
    data = fetch_amazon_beauty()
    assert data.data.columns.tolist() == ["user_id", "item_id", "order"]
    assert data.data.to_numpy().tolist() == [[1, 3, 0], [1, 1, 1], [1, 2, 2], [2, 3, 0], [2, 4, 1]]
    assert data.item_features["attributes"].to_dict() == {1: (5, 6), 2: (), 3: (7,), 4: (5,)}


def test_frappe_is_decoded_to_a_column_a_field(small):
    small(_frappe, _FRAPPE)
    data = fetch_frappe()
    fields = "user item daytime weekday isweekend homework cost weather country city"
    assert data.data.columns.tolist() == fields.split()
    assert data.data.to_numpy().tolist() == [
        [266, 287, 3, 3, 1, 0, 0, 2, 5, 0],
        [0] * 10,
        [956, 4081, 6, 6, 1, 2, 1, 8, 79, 232],
    ]
    assert data.target.tolist() == [1, 0, 0]
    assert [column.cat.categories.size for _, column in data.data.items()] == [957, 4082, 7, 7, 2, 3, 2, 9, 80, 233]
    X, y = fetch_frappe(subset="test", return_X_y=True, as_frame=False)
    assert X.dtype == y.dtype == np.int64
    assert X.tolist() == [[956, 4081, 6, 6, 1, 2, 1, 8, 79, 232]]
    assert fetch_frappe(subset="validation").data.dtypes.equals(data.data.dtypes)
    with pytest.raises(ValueError, match="subset must be one of 'all', 'validation', 'test'; got 'train'"):
        fetch_frappe(subset="train")


def test_open_bandit_has_clicks_and_propensities_and_names_the_segments_of_users(small):
    small(_open_bandit, _OPEN_BANDIT)
    log = fetch_open_bandit(policy="bts", campaign="women")
    assert log.data["segment"].tolist() == ["cef3-2d03-c2e4-c39b", "cef3-f1c2-7bc9-9bde"]
    assert log.data[["item_id", "position"]].to_numpy().tolist() == [[1, 2], [0, 3]]
    assert log.data["timestamp"][0] == pd.Timestamp("2019-11-24 00:01:03.979311", tz="UTC")
    assert log.data.columns[4:].tolist() == [f"user_feature_{k}" for k in range(4)]
    assert log.target.tolist() == [0, 1]
    assert log.propensity.tolist() == [0.25, 0.75]
    assert log.user_item_affinity.tolist() == [[0, 3], [0, 0]]
    assert log.item_features["item_feature_0"].to_dict() == {0: -0.5, 1: 0.25}
    assert log.item_features["item_feature_1"].tolist() == ["c82", "a74"]
    assert "policy bts, campaign women" in log.DESCR
    assert "1 of them clicked" in log.DESCR
    X, y = fetch_open_bandit(policy="bts", campaign="women", return_X_y=True, as_frame=False)
    assert (X.shape, y.tolist()) == ((2, 8), [0, 1])


@pytest.mark.parametrize(("name", "allowed"), [("policy", "'random', 'bts'"), ("campaign", "'men', 'women'")])
def test_an_unknown_part_of_open_bandit_is_named(name, allowed):
    with pytest.raises(ValueError, match=f"{name} must be one of {allowed}; got 'all'"):
        fetch_open_bandit(**{name: "all"})


@pytest.mark.parametrize("as_frame", [True, False])
def test_data_and_target_come_alone_and_as_arrays_when_asked(small, as_frame):
    small(_movielens_100k, _ML_100K)
    X, y = fetch_movielens_100k(return_X_y=True, as_frame=as_frame)
    assert isinstance(X, pd.DataFrame if as_frame else np.ndarray)
    assert isinstance(y, pd.Series if as_frame else np.ndarray)
    assert X.shape == (3, 3)
    assert y.dtype == np.int64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "u1"}, "split must be one of None, 'ua', 'ub'; got 'u1'"),
        ({"split": "ua", "subset": "valid"}, "subset must be one of 'all', 'train', 'test'; got 'valid'"),
        ({"subset": "train"}, "subset='train' needs split='ua' or split='ub'; got split=None"),
    ],
)
def test_an_unknown_part_of_movielens_100k_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        fetch_movielens_100k(**options)


@pytest.mark.parametrize("fetch", [fetch_movielens_1m_m1, fetch_lastfm])
def test_an_unknown_subset_is_named(fetch):
    with pytest.raises(ValueError, match="subset must be one of 'all', 'train', 'test'; got None"):
        fetch(subset=None)


def _need(data_home, folder):
    if not (data_home / folder).is_dir():
        pytest.skip(f"SKREC_DATA_HOME has no folder {folder}")


@pytest.mark.data
def test_movielens_100k_has_the_published_counts(data_home):
    _need(data_home, "ml-100k")
    data = fetch_movielens_100k()
    assert data.data.shape == (100_000, 3)
    assert data.data.nunique()[["user_id", "item_id"]].tolist() == [943, 1682]
    assert data.user_features.shape == (943, 4)
    assert data.item_features.shape == (1682, 4)
    assert set(data.data["item_id"]) == set(data.item_features.index)
    assert data.item_features["release_date"].isna().sum() == 1


@pytest.mark.data
def test_movielens_100k_ua_has_the_known_positives(data_home):
    _need(data_home, "ml-100k")
    train, test = (fetch_movielens_100k(split="ua", subset=s) for s in ("train", "test"))
    assert len(train.data) == 90_570
    assert (train.target >= 4).sum() == 49_906
    assert (test.target >= 4).sum() == 5_469
    assert test.data["user_id"][test.target >= 4].nunique() == 934
    everything = fetch_movielens_100k().data.to_numpy()
    both = np.concatenate([train.data, test.data])
    np.testing.assert_array_equal(both[np.lexsort(both.T)], everything[np.lexsort(everything.T)])


@pytest.mark.data
def test_movielens_100k_ua_and_ub_test_ten_ratings_a_user_and_share_none(data_home):
    _need(data_home, "ml-100k")
    ua, ub = (fetch_movielens_100k(split=s, subset="test").data for s in ("ua", "ub"))
    assert set(ua["user_id"].value_counts()) == set(ub["user_id"].value_counts()) == {10}
    assert ua.merge(ub, on=["user_id", "item_id"]).empty


@pytest.mark.data
def test_movielens_1m_has_the_published_counts(data_home):
    _need(data_home, "ml-1m")
    data = fetch_movielens_1m()
    assert data.data.shape == (1_000_209, 3)
    assert data.data.nunique()[["user_id", "item_id"]].tolist() == [6040, 3706]
    assert data.user_features.shape == (6040, 4)
    assert data.item_features.shape == (3883, 2)


@pytest.mark.data
def test_movielens_1m_m1_has_the_published_counts_and_no_pair_in_both_parts(data_home):
    _need(data_home, "ml-1m-m1")
    train, test = (fetch_movielens_1m_m1(subset=s).data for s in ("train", "test"))
    assert (len(train), len(test)) == (796_244, 99_455)
    both = pd.concat([train, test])
    assert both.nunique().tolist() == [6022, 3043]
    assert not both.duplicated().any()


@pytest.mark.data
def test_lastfm_has_the_published_counts(data_home):
    _need(data_home, "lastfm")
    data = fetch_lastfm()
    assert (len(fetch_lastfm(subset="train").data), len(fetch_lastfm(subset="test").data)) == (42_135, 10_533)
    assert not data.data.duplicated().any()
    assert data.data["item_id"].nunique() == 4489
    assert data.data["user_id"].nunique() == 1880
    assert len(set(data.data["user_id"]) | set(data.trust["user_id"])) == 1892
    assert (data.target >= 1).all()


@pytest.mark.data
def test_amazon_beauty_has_the_published_counts(data_home):
    _need(data_home, "amazon-beauty")
    data = fetch_amazon_beauty()
    assert len(data.data) == 198_502
    assert data.data.nunique()[["user_id", "item_id"]].tolist() == [22_363, 12_101]
    assert data.data["user_id"].value_counts().min() == data.data["item_id"].value_counts().min() == 5
    assert data.item_features.shape == (12_101, 1)


@pytest.mark.data
def test_frappe_has_the_published_counts_and_a_third_of_uses(data_home):
    _need(data_home, "frappe")
    data = fetch_frappe()
    assert data.data.shape == (86_582, 10)
    assert [int(fetch_frappe(subset=s).target.sum()) for s in ("validation", "test")] == [19_063, 9_536]
    assert not data.data.isna().any().any()
    # What a number means is not published, but fields must agree: all but one weekday is of the weekend or not.
    n_kinds = data.data.astype(int).groupby("weekday")["isweekend"].nunique()
    assert n_kinds.tolist() == [1, 1, 1, 1, 1, 1, 2]


@pytest.mark.data
@pytest.mark.parametrize(
    ("policy", "campaign", "n_items", "n_clicks", "least", "greatest"),
    [
        ("random", "men", 34, 46, 1 / 34, 1 / 34),
        ("random", "women", 46, 46, 1 / 46, 1 / 46),
        ("bts", "men", 34, 69, 0.000165, 0.72529),
        ("bts", "women", 46, 46, 1e-06, 0.9628),
    ],
)
def test_open_bandit_has_the_known_clicks_and_propensities(
    data_home, policy, campaign, n_items, n_clicks, least, greatest
):
    _need(data_home, "obd")
    log = fetch_open_bandit(policy=policy, campaign=campaign)
    assert log.data.shape == (10_000, 8)
    assert log.target.sum() == n_clicks
    assert (log.propensity.min(), log.propensity.max()) == pytest.approx((least, greatest))
    assert set(log.data["item_id"]) == set(log.item_features.index) == set(range(n_items))
    assert set(log.data["position"]) == {1, 2, 3}
    assert log.user_item_affinity.shape == (10_000, n_items)
    assert log.data["timestamp"].is_monotonic_increasing
    # No two combinations of features share a name.
    assert log.data["segment"].nunique() == len(log.data[[f"user_feature_{k}" for k in range(4)]].drop_duplicates())
