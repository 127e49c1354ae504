"""Metrics of the first k places: known answers, plain loops, and the rules for users who have nothing to find."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import ndcg_score

import skrec.metrics as m

AT_K = {
    "precision": m.precision_at_k,
    "recall": m.recall_at_k,
    "hit_rate": m.hit_rate_at_k,
    "ndcg": m.ndcg_at_k,
    "map": m.map_at_k,
    "mrr": m.mrr_at_k,
}


def make_problem(seed, n_users=30, n_items=40, n_levels=None):
    rng = np.random.default_rng(seed)
    y_true = (rng.random((n_users, n_items)) < rng.choice([0.02, 0.1, 0.6], size=(n_users, 1))).astype(int)
    y_score = rng.normal(size=y_true.shape) if n_levels is None else rng.integers(n_levels, size=y_true.shape)
    return y_true, y_score.astype(np.float32), rng.random(y_true.shape) < 0.3


def reference(kind, y_true, y_score, exclude, k):
    """One user at a time, straight from the definitions."""
    values = []
    for true, score, out in zip(y_true > 0, y_score, exclude, strict=True):
        candidates = np.flatnonzero(~out)
        ranking = candidates[np.argsort(-score[candidates], kind="stable")]
        hits = true[ranking[:k]]
        places = 1 + np.flatnonzero(hits)
        n_positives = true[candidates].sum()
        gain = np.sum(1 / np.log2(places + 1))
        ideal = np.sum(1 / np.log2(np.arange(1, min(k, n_positives) + 1) + 1))
        if n_positives == 0:
            values.append(np.nan)
            continue
        values.append(
            {
                "precision": len(places) / k,
                "recall": len(places) / n_positives,
                "hit_rate": float(len(places) > 0),
                "ndcg": gain / ideal,
                "map": np.sum(np.arange(1, len(places) + 1) / places) / min(k, n_positives),
                "mrr": 1 / places[0] if len(places) else 0.0,
            }[kind]
        )
    return np.array(values)


@pytest.mark.parametrize("kind", AT_K)
@pytest.mark.parametrize("k", [1, 5, 39, 100])
@pytest.mark.parametrize("n_levels", [3, None])
def test_equals_the_definition_user_by_user(kind, k, n_levels):
    y_true, y_score, exclude = make_problem(0, n_levels=n_levels)
    found = AT_K[kind](y_true, y_score, k=k, exclude=exclude, average=None)
    expected = reference(kind, y_true, y_score, exclude, k)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert AT_K[kind](y_true, y_score, k=k, exclude=exclude) == pytest.approx(np.nanmean(expected))


def test_ndcg_equals_scikit_learn_without_ties():
    y_true, y_score, _ = make_problem(1)
    some = y_true.any(axis=1)
    expected = ndcg_score(y_true[some], y_score[some], k=10, ignore_ties=True)
    assert m.ndcg_at_k(y_true, y_score, k=10) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("precision", 2 / 4),
        ("recall", 2 / 3),
        ("hit_rate", 1.0),
        ("ndcg", (1 / np.log2(3) + 1 / np.log2(5)) / (1 + 1 / np.log2(3) + 1 / np.log2(4))),
        ("map", (1 / 2 + 2 / 4) / 3),
        ("mrr", 1 / 2),
    ],
)
def test_hits_in_places_two_and_four_of_three_positives(kind, expected):
    y_true, y_score = [[0, 1, 0, 1, 0, 1]], [[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]]
    assert AT_K[kind](y_true, y_score, k=4) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", set(AT_K) - {"precision", "recall"})
def test_list_of_nothing_but_hits_is_worth_one_however_many_positives(kind):
    assert AT_K[kind]([[1, 1, 1, 1, 0]], [[5.0, 4.0, 3.0, 2.0, 1.0]], k=2) == 1.0


def test_recall_divides_by_all_positives_and_precision_by_k():
    y_true, y_score = [[1, 1, 1, 1, 0]], [[5.0, 4.0, 3.0, 2.0, 1.0]]
    assert m.recall_at_k(y_true, y_score, k=2) == 0.5
    assert m.precision_at_k(y_true, y_score, k=10) == 0.4


def test_values_of_positives_do_not_matter_and_explicit_negatives_are_no_hits():
    y_score = [[3.0, 2.0, 1.0]]
    assert m.ndcg_at_k([[5, -1, 2]], y_score, k=3) == m.ndcg_at_k([[1, 0, 1]], y_score, k=3)


def test_equal_scores_rank_by_column():
    assert m.mrr_at_k([[0, 0, 1]], np.zeros((1, 3)), k=3) == 1 / 3


def test_excluded_items_take_no_place():
    assert m.mrr_at_k([[0, 1]], [[2.0, 1.0]], k=1) == 0.0
    assert m.mrr_at_k([[0, 1]], [[2.0, 1.0]], k=1, exclude=[[1, 0]]) == 1.0


@pytest.mark.parametrize("kind", AT_K)
def test_users_without_positives_do_not_enter(kind):
    y_true, y_score = csr_array([[1, 0], [0, 0]]), [[2.0, 1.0]] * 2
    np.testing.assert_array_equal(AT_K[kind](y_true, y_score, k=1, average=None), [1.0, np.nan])
    assert AT_K[kind](y_true, y_score, k=1) == 1.0
    with pytest.warns(UndefinedMetricWarning, match=rf"{kind}@1 is undefined .* no user has a positive"):
        assert np.isnan(AT_K[kind](y_true, y_score, k=1, exclude=[[1, 0], [0, 0]]))


def test_coverage_counts_the_items_that_somebody_is_shown():
    y_score = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 3.0, 2.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
    assert m.coverage_at_k(y_score, k=1) == 0.5
    assert m.coverage_at_k(y_score, k=2) == 0.75
    assert m.coverage_at_k(y_score, k=1, exclude=[[1, 0, 0, 0], [0] * 4, [0] * 4]) == 0.75


def test_gini_is_zero_when_all_are_shown_alike_and_near_one_for_a_single_item():
    assert m.gini_at_k(np.eye(5), k=1) == 0.0
    assert m.gini_at_k(np.eye(5), k=5) == 0.0
    everybody_the_same = np.tile(np.arange(100.0), (20, 1))
    assert m.gini_at_k(everybody_the_same, k=1) == pytest.approx(0.99)


def test_gini_is_the_mean_difference_over_twice_the_mean():
    _, y_score, _ = make_problem(2)
    counts = np.bincount(np.argsort(-y_score, axis=1)[:, :7].ravel(), minlength=40)
    expected = np.abs(counts[:, np.newaxis] - counts).mean() / (2 * counts.mean())
    assert m.gini_at_k(y_score, k=7) == pytest.approx(expected, rel=1e-12)


def test_novelty_is_a_bit_for_each_halving_of_popularity():
    popularity = [8, 4, 2, 1, 1, 0]
    lists = np.eye(6)
    np.testing.assert_allclose(
        m.novelty_at_k(lists, popularity, k=1, average=None), [1.0, 2.0, 3.0, 4.0, 4.0, 4.0], rtol=1e-12
    )
    assert m.novelty_at_k(lists, popularity, k=1) == pytest.approx(3.0)


def test_popularity_share_is_the_share_of_places_that_the_head_takes():
    popularity = [10, 9, 6, 5, 0]
    y_score = [[5.0, 4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]]
    np.testing.assert_array_equal(m.popularity_share_at_k(y_score, popularity, k=2, average=None), [0.5, 0.0])
    assert m.popularity_share_at_k(y_score, popularity, k=2) == 0.25


@pytest.mark.wants_jit
def test_popularity_share_is_a_third_when_items_are_shown_as_often_as_they_occur():
    rng = np.random.default_rng(0)
    popularity = rng.zipf(1.6, size=500).clip(max=300)
    shown = rng.choice(500, p=popularity / popularity.sum(), size=20_000)
    y_score = csr_array((np.ones(20_000), (np.arange(20_000), shown)), shape=(20_000, 500)).toarray()
    assert m.popularity_share_at_k(y_score, popularity, k=1) == pytest.approx(1 / 3, abs=0.02)


def test_short_lists_are_averaged_over_what_they_hold():
    popularity = [4, 4]
    assert m.novelty_at_k([[1.0, 2.0]], popularity, k=5) == 1.0
    exclude = [[1, 1], [1, 0]]
    np.testing.assert_array_equal(
        m.novelty_at_k([[1.0, 2.0]] * 2, popularity, k=5, exclude=exclude, average=None), [np.nan, 1.0]
    )


def test_nobody_with_a_candidate_is_undefined():
    everything = [[1, 1]]
    with pytest.warns(UndefinedMetricWarning, match="novelty@3 is undefined .* no user has a candidate"):
        assert np.isnan(m.novelty_at_k([[1.0, 2.0]], [1, 1], k=3, exclude=everything))
    with pytest.warns(UndefinedMetricWarning, match="gini@3 is undefined"):
        assert np.isnan(m.gini_at_k([[1.0, 2.0]], k=3, exclude=everything))


@pytest.mark.parametrize("k", [0, -1, 2.0, True, "10", None])
@pytest.mark.parametrize("function", [m.ndcg_at_k, m.recall_at_k])
def test_bad_k_is_named(function, k):
    with pytest.raises(ValueError, match=rf"k={k!r} must be an integer of at least 1"):
        function([[1, 0]], [[1.0, 0.0]], k=k)


def test_other_bad_input_is_named():
    with pytest.raises(ValueError, match="average='mean' must be one of 'user', None"):
        m.ndcg_at_k([[1, 0]], [[1.0, 0.0]], average="mean")
    with pytest.raises(ValueError, match=r"y_score must be an array of shape \(n_users, n_items\), got shape \(2,\)"):
        m.coverage_at_k([1.0, 0.0])
    with pytest.raises(ValueError, match="item_popularity must have one number for each of the 2 items"):
        m.novelty_at_k([[1.0, 0.0]], [1])


@pytest.mark.wants_jit
@pytest.mark.parametrize("n_jobs", [2, 3])
def test_threads_change_nothing(n_jobs):
    rng = np.random.default_rng(3)
    y_true, y_score = rng.random((900, 60)) < 0.1, rng.normal(size=(900, 60)).astype(np.float32)
    popularity = rng.integers(1, 50, size=60)
    for function, arguments in [
        (m.ndcg_at_k, (y_true, y_score)),
        (m.novelty_at_k, (y_score, popularity)),
        (m.coverage_at_k, (y_score,)),
        (m.gini_at_k, (y_score,)),
    ]:
        assert function(*arguments, k=3, n_jobs=n_jobs) == function(*arguments, k=3)
