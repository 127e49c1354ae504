"""Lists of rejected items, and bands of ranks: of a fitted recommender, and of the model in training."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from skrec import EASERecommender, PopularityRecommender, TripletMF
from skrec._kernels._sampling import zero_model
from skrec.datasets import make_interactions
from skrec.samplers import MixedSampler, RankBandSampler, RejectedSampler, UniformSampler

N_USERS, N_ITEMS = 20, 30


def interactions():
    rng = np.random.default_rng(0)
    matrix = (rng.random((N_USERS, N_ITEMS)) < 0.2).astype(int)
    matrix[:, 0] = 1
    return matrix


def pairs(matrix):
    return np.column_stack(np.nonzero(matrix))


def test_items_of_the_users_list_are_drawn_alike_and_nothing_else():
    rejected = [[0, 3], [0, 4], [0, 9], [2, 5]]
    sampler = RejectedSampler(rejected).fit(np.zeros((3, 10)))
    drawn = sampler.sample([0, 1, 2], 3000, random_state=0)
    assert set(drawn[1]) == {-1} and set(drawn[2]) == {5}
    counts = np.bincount(drawn[0], minlength=10)
    assert counts[[3, 4, 9]].sum() == 3000 and chisquare(counts[[3, 4, 9]]).pvalue > 1e-3


def test_what_the_user_has_come_to_like_is_not_drawn_though_it_was_rejected_once():
    seen = np.zeros((2, 6), int)
    seen[0, [1, 2]] = [1, -1]
    rejected = [[0, 1], [0, 2], [0, 3], [1, 1]]
    assert set(RejectedSampler(rejected).fit(seen).sample([0], 300, random_state=0)[0]) == {3}
    assert set(RejectedSampler(rejected, exclude_explicit=False).fit(seen).sample([0], 300)[0]) == {2, 3}
    seen[0, :4] = 1
    assert set(RejectedSampler(rejected).fit(seen).sample([0], 20)[0]) == {-1}


@pytest.mark.parametrize("n_left", [1, pytest.param(3, marks=pytest.mark.wants_jit)])
def test_a_long_list_of_which_little_is_left_is_drawn_from_alike(n_left):
    seen = np.ones((1, 500), int)
    seen[0, :n_left] = 0
    sampler = RejectedSampler(np.column_stack([np.zeros(500, int), np.arange(500)])).fit(seen)
    counts = np.bincount(sampler.sample([0], 1500, random_state=0)[0], minlength=500)
    assert counts[:n_left].sum() == 1500
    assert n_left == 1 or chisquare(counts[:n_left]).pvalue > 1e-3


def test_pairs_are_ids_and_those_that_training_does_not_know_are_left_out():
    X = pd.DataFrame({"user": list("aabbcc"), "item": ["x", "y", "x", "z", "y", "w"]})
    rejected = pd.DataFrame({"who": ["a", "a", "b", "stranger", "c"], "what": ["z", "nothing", "w", "z", "x"]})
    model = TripletMF(n_components=2, max_iter=2, sampler=RejectedSampler(rejected), user="user", item="item")
    sampler = model.fit(X).sampler_
    users, items = list(model.user_ids_), list(model.item_ids_)
    for user, item in ("a", "z"), ("b", "w"), ("c", "x"):
        assert set(sampler.sample([users.index(user)], 20)[0]) == {items.index(item)}


def test_pairs_of_integers_beside_text_stay_what_they_are():
    sampler = RejectedSampler([[1, "x"], [0, "z"]])
    sampler.fit(np.zeros((2, 2)), user_ids=np.array([0, 1]), item_ids=np.array(["x", "z"]))
    assert sampler.sample([0, 1], 1).tolist() == [[1], [0]]


def test_over_the_blocks_of_an_epoch_all_items_of_a_list_are_as_likely():
    # Each epoch deals the items anew; an item's share does not depend on how many of the list are in its block.
    from skrec._kernels._partition import deal_items, make_partition
    from skrec._kernels._rng import seed_states
    from skrec._kernels._sampling import Pool, draw

    n, listed, rngs = 64, np.arange(5, 29), seed_states(0, 1)
    sampler = RejectedSampler(np.column_stack([np.zeros(24, int), listed])).fit(np.zeros((1, n)))
    n_blocks = sampler._max_blocks
    assert n_blocks == 6
    partition = make_partition(np.array([0, 0]), n, 1, n_blocks)
    mark, none = np.zeros(n, np.int32), np.zeros(1, np.int32)
    drawn = []
    for _ in range(1000):
        deal_items(partition, rngs[0])
        state = sampler._make_state(partition, None)
        for b in range(n_blocks):
            start, stop = partition.item_starts[b], partition.item_starts[b + 1]
            pool = Pool(partition.items, start, stop - start, mark, 1, 0, none, 0, none, none.astype(np.float32))
            position, _ = draw(state, 0, -1, np.float32(0), pool, None, rngs[0])
            if position >= 0:
                assert position < stop - start
                drawn.append(partition.items[start + position])
    counts = np.bincount(drawn, minlength=n)
    assert counts[listed].sum() == len(drawn) > 0.98 * 1000 * n_blocks
    assert chisquare(counts[listed]).pvalue > 1e-3


@pytest.mark.parametrize("frozen", [False, True])
def test_a_recommenders_band_of_ranks_is_what_it_lists_there(frozen):
    matrix = interactions()
    X = pairs(matrix)
    ease = EASERecommender().fit(X)
    given = FrozenEstimator(ease) if frozen else EASERecommender()
    sampler = RejectedSampler(given, first=3, last=6).fit(matrix)
    ids, _ = ease.recommend(np.arange(N_USERS), 6)
    for user, row in enumerate(sampler.sample(np.arange(N_USERS), 200, random_state=0)):
        assert set(row) == set(ids[user, 2:6])
    assert not frozen or not hasattr(given.estimator, "matrix_")


def test_few_are_kept_of_a_wide_band_in_even_steps():
    matrix = interactions()
    ids, _ = EASERecommender().fit(pairs(matrix)).recommend([0], 17)
    sampler = RejectedSampler(EASERecommender(), first=1, last=17, n_kept=3).fit(matrix)
    assert set(sampler.sample([0], 100, random_state=0)[0]) == set(ids[0, [0, 8, 16]])


def test_a_recommender_may_know_other_users_and_items_and_name_its_columns():
    X, y = make_interactions(n_users=100, n_items=40, n_interactions=900, return_X_y=True, random_state=0)
    earlier = PopularityRecommender(user="user_id", item="item_id").fit(X.iloc[:300], y[:300])
    for given in (FrozenEstimator(earlier), PopularityRecommender(user="user_id", item="item_id")):
        model = TripletMF(n_components=2, max_iter=1, sampler=RejectedSampler(given, 5, 20), random_state=0)
        sampler = model.fit(X.iloc[200:], y[200:]).sampler_
        known = np.isin(model.user_ids_, earlier.user_ids_)
        drawn = sampler.sample(np.arange(len(known)), 5, random_state=0)
        assert (drawn[known] >= 0).mean() > 0.9
        assert not isinstance(given, FrozenEstimator) or (drawn[~known] == -1).all()


@pytest.mark.wants_jit
def test_in_a_mixture_those_without_a_list_get_easy_negatives_and_others_by_the_ratio():
    matrix = np.zeros((2, 50), int)
    mixed = MixedSampler([("easy", UniformSampler(), 100), ("hard", RejectedSampler([[0, 7]]), 1)])
    for share in (1, 50):
        drawn = mixed.set_params(hard_share=share).fit(matrix).sample([0, 1], 20_000, random_state=0)
        expected = share / (100 + share) + 100 / (100 + share) / 50
        assert (drawn[0] == 7).mean() == pytest.approx(expected, rel=0.1)
        assert (drawn[1] == 7).mean() == pytest.approx(0.02, abs=0.004)


def test_a_search_goes_over_the_ratio_of_easy_to_hard():
    matrix = interactions()
    X = pairs(matrix)
    mixed = MixedSampler([("easy", UniformSampler(), 1.0), ("hard", RankBandSampler(first=2, last=10), 1.0)])
    search = GridSearchCV(
        TripletMF(n_components=4, max_iter=2, sampler=mixed, random_state=0),
        {"sampler__hard_share": [0.0, 0.01, 1.0]},
        cv=[(np.arange(len(X)), np.arange(0, len(X), 3))],
        scoring=lambda model, X, y=None: model.loss_curve_[-1],
        error_score="raise",
    ).fit(X)
    assert len(set(search.cv_results_["mean_test_score"])) == 3
    assert mixed.get_params()["hard_share"] == 1.0


def test_shares_must_not_share_a_name_with_a_sampler():
    with pytest.raises(ValueError, match="[Nn]ames"):
        MixedSampler([("hard", UniformSampler(), 1), ("hard_share", UniformSampler(), 1)]).fit(interactions())


# --- the band of the model in training


def ranked(scores, seen=None):
    """A model with these scores of (1, n_items), as far as samplers look."""
    model = zero_model(len(scores), scores.shape[1])._replace(
        U=np.eye(len(scores), dtype=np.float32),
        V=np.ascontiguousarray(scores.T, dtype=np.float32),
        w=np.ones(len(scores), np.float32),
    )
    return SimpleNamespace(_kernel_model=lambda: model)


def test_every_draw_has_a_rank_in_the_band_and_all_of_the_band_comes_up():
    scores = np.random.default_rng(0).standard_normal((3, 200))
    sampler = RankBandSampler(first=11, last=30, n_kept=20, n_scored=200).fit(np.zeros((3, 200)))
    drawn = sampler.sample(np.arange(3), 2000, recommender=ranked(scores), random_state=0)
    order = np.argsort(-scores, axis=1)
    for user in range(3):
        counts = np.bincount(drawn[user], minlength=200)[order[user]]
        assert counts[10:30].sum() == 2000 and chisquare(counts[10:30]).pvalue > 1e-3


def test_what_may_not_be_drawn_has_no_rank():
    scores = np.arange(20.0)[None]
    seen = np.zeros((1, 20), int)
    seen[0, [19, 17]] = [1, -1]
    sampler = RankBandSampler(first=1, last=2).fit(seen)
    assert set(sampler.sample([0], 100, recommender=ranked(scores))[0]) == {18, 16}
    admitting = RankBandSampler(first=1, last=2, exclude_explicit=False).fit(seen)
    assert set(admitting.sample([0], 100, recommender=ranked(scores))[0]) == {18, 17}
    seen[0, 1:] = 1
    assert set(RankBandSampler(first=2, last=5).fit(seen).sample([0], 9, recommender=ranked(scores))[0]) == {-1}


def test_a_band_of_the_whole_catalogue_is_uniform():
    scores = np.random.default_rng(0).standard_normal((1, 25))
    sampler = RankBandSampler(first=1, last=25, n_kept=25).fit(np.zeros((1, 25)))
    drawn = sampler.sample([0], 5000, recommender=ranked(scores), random_state=0)
    assert chisquare(np.bincount(drawn[0], minlength=25)).pvalue > 1e-3


@pytest.mark.wants_jit
def test_of_a_wide_band_all_items_are_as_likely_over_the_epochs():
    scores = np.random.default_rng(0).standard_normal((1, 60))
    sampler = RankBandSampler(first=1, last=30, n_kept=5).fit(np.zeros((1, 60)))
    drawn = [sampler.sample([0], 2, recommender=ranked(scores), random_state=seed)[0] for seed in range(1500)]
    counts = np.bincount(np.ravel(drawn), minlength=60)[np.argsort(-scores[0])]
    assert counts[30:].sum() == 0
    assert (np.abs(counts[:30] - 100) < 5 * np.sqrt(100 * 1.5)).all()


def test_with_fewer_items_scored_ranks_are_right_on_average():
    n, scores = 1000, np.random.default_rng(0).standard_normal((1, 1000))
    rank = np.empty(n)
    rank[np.argsort(-scores[0])] = np.arange(1, n + 1)
    sampler = RankBandSampler(first=101, last=300, n_scored=200).fit(np.zeros((1, n)))
    drawn = [sampler.sample([0], 10, recommender=ranked(scores), random_state=seed)[0] for seed in range(100)]
    ranks = rank[np.ravel(drawn)]
    spread = n / 200 * np.sqrt(300 * 200 / n)
    assert ranks.mean() == pytest.approx(200, abs=10)
    assert ranks.min() > 101 - 3 * spread and ranks.max() < 300 + 3 * spread


def test_cosine_bias_and_component_weights_count_for_the_ranks():
    rng = np.random.default_rng(0)
    X = np.unique(np.column_stack([rng.integers(0, 40, 900), rng.integers(0, 60, 900)]), axis=0)
    for given in ({"similarity": "cosine", "item_bias": True}, {"similarity": "gmf"}, {"similarity": "dot"}):
        model = TripletMF(n_components=6, max_iter=5, random_state=0, **given).fit(X)
        scores = model.user_factors_ @ model.item_factors_.T + model.item_biases_
        scores[model.interactions_.toarray() > 0] = -np.inf
        band = np.argsort(-scores, axis=1)[:, 2:7]
        sampler = RankBandSampler(first=3, last=7).fit(model.interactions_)
        drawn = sampler.sample(np.arange(len(scores)), 60, recommender=model, random_state=0)
        for user in range(len(scores)):
            assert set(drawn[user]) == set(band[user])


def test_the_band_moves_with_the_model():
    X = pairs(interactions())
    model = TripletMF(n_components=4, max_iter=1, sampler=RankBandSampler(first=2, last=4), random_state=0)
    first = model.fit(X).sampler_._items.copy()
    assert not np.array_equal(model.partial_fit(X).sampler_._items, first)


@pytest.mark.parametrize(
    ("sampler", "name", "allowed"),
    [
        (RejectedSampler([[0, 1]], first=0), "first", "an int of at least 1"),
        (RejectedSampler([[0, 1]], first=5, last=4), "last", "an int of at least first=5"),
        (RejectedSampler([[0, 1]], n_kept=0), "n_kept", "an int of at least 1"),
        (RejectedSampler([]), "rejected", "pairs of user and item ids"),
        (RejectedSampler([1, 2, 3]), "rejected", "pairs of user and item ids"),
        (RejectedSampler([[1, 2, 3]]), "rejected", "pairs of user and item ids"),
        (RejectedSampler(None), "rejected", "pairs of user and item ids"),
        (RankBandSampler(last=3), "last", "an int of at least first=101"),
        (RankBandSampler(n_scored=0.5), "n_scored", "an int of at least 1"),
    ],
)
def test_bad_parameters_are_refused(sampler, name, allowed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=f"'{name}' parameter of {type(sampler).__name__} must be {allowed}"):
            sampler.fit(interactions())
