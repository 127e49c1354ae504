"""Per-user ROC AUC: what scikit-learn gives user by user, and the rules for what it does not define."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.sparse import coo_array, csc_matrix, csr_array
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import roc_auc_score

from skrec.metrics import auc_by_popularity, average_user_roc_auc, user_roc_auc


def sklearn_user_auc(is_positive, is_negative, y_score):
    """Area under the curve of each user by scikit-learn, nan for one-class users."""
    aucs = np.full(len(y_score), np.nan)
    for u, (positive, negative) in enumerate(zip(is_positive, is_negative, strict=True)):
        if positive.any() and negative.any():
            candidates = positive | negative
            aucs[u] = roc_auc_score(positive[candidates], y_score[u, candidates])
    return aucs


def make_problem(seed, n_users=40, n_items=300, n_levels=30, dtype=np.float64):
    """Users with 0 to nearly all items positive, scores with ties, exclusions that overlap with positives."""
    rng = np.random.default_rng(seed)
    share = rng.choice([0.0, 0.01, 0.1, 0.5, 0.99], size=(n_users, 1))
    y_true = (rng.random((n_users, n_items)) < share).astype(int)
    y_true[(y_true == 0) & (rng.random(y_true.shape) < 0.1)] = -1
    exclude = rng.random(y_true.shape) < 0.2
    scores = rng.integers(n_levels, size=y_true.shape) if n_levels else rng.normal(size=y_true.shape)
    return y_true, scores.astype(dtype), exclude


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_levels", [1, 2, 30, None])
@pytest.mark.parametrize("negatives", ["unobserved", "explicit"])
def test_equals_scikit_learn_user_by_user(negatives, n_levels, dtype):
    y_true, y_score, exclude = make_problem(0, n_levels=n_levels, dtype=dtype)
    is_negative = ~exclude & ((y_true < 0) if negatives == "explicit" else (y_true <= 0))
    expected = sklearn_user_auc((y_true > 0) & ~exclude, is_negative, y_score)
    found = user_roc_auc(y_true, y_score, exclude=exclude, negatives=negatives)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    average = average_user_roc_auc(y_true, y_score, exclude=exclude, negatives=negatives)
    assert average == pytest.approx(np.nanmean(expected), abs=1e-12)


@settings(max_examples=60)
@given(
    data=st.data(),
    y_true=arrays(np.int8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=25), elements=st.integers(-1, 1)),
)
def test_equals_scikit_learn_on_any_small_matrix(data, y_true):
    y_score = data.draw(arrays(np.float32, y_true.shape, elements=st.sampled_from([-1.5, 0.0, 1e-7, 2.0, 3e30])))
    found = user_roc_auc(y_true, y_score)
    np.testing.assert_allclose(found, sklearn_user_auc(y_true > 0, y_true <= 0, y_score), rtol=0, atol=1e-12)


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 5)), min_size=1, max_size=80))
def test_long_form_equals_scikit_learn_group_by_group(rows):
    users, y_true, y_score = (np.array(column) for column in zip(*rows, strict=True))
    own = np.unique(users)[:, np.newaxis] == users
    expected = sklearn_user_auc(own & y_true, own & ~y_true, np.broadcast_to(y_score, own.shape).astype(float))
    np.testing.assert_allclose(user_roc_auc(y_true, y_score, users=users), expected, rtol=0, atol=1e-12)


def test_long_form_takes_many_rows_of_few_users_in_any_order():
    rng = np.random.default_rng(3)
    users, y_true = rng.integers(4, size=5000), rng.random(5000) < 0.4
    y_score = rng.integers(50, size=5000).astype(np.float32)
    found = user_roc_auc(np.where(y_true, 3.0, -1.0), y_score, users=users)
    expected = [roc_auc_score(y_true[users == u], y_score[users == u]) for u in range(4)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_scores_that_differ_only_in_float64_are_no_ties():
    assert average_user_roc_auc([[1, 0]], np.array([[1.0 + 1e-12, 1.0]])) == 1.0


def test_all_scores_equal_give_a_half():
    y_true, y_score, _ = make_problem(1)
    assert average_user_roc_auc(y_true, np.zeros_like(y_score)) == 0.5


def test_reversing_the_scores_gives_the_complement():
    y_true, y_score, exclude = make_problem(2)
    there, back = (user_roc_auc(y_true, sign * y_score, exclude=exclude) for sign in (1, -1))
    np.testing.assert_allclose(there + back, np.where(np.isnan(there), np.nan, 1.0), atol=1e-12)


def test_infinite_scores_are_the_extremes():
    assert average_user_roc_auc([[1, 0, 0, 1]], [[np.inf, -np.inf, 0.0, -np.inf]]) == pytest.approx((2 + 0.5) / 4)


@pytest.mark.parametrize("container", [np.asarray, csr_array, csc_matrix, coo_array, lambda m: m.tolist()])
def test_any_container_of_labels_gives_the_same(container):
    y_true, y_score, exclude = make_problem(4)
    expected = user_roc_auc(y_true, y_score, exclude=exclude)
    found = user_roc_auc(container(y_true), y_score, exclude=container(exclude.astype(int)))
    np.testing.assert_array_equal(found, expected)


def test_stored_zero_is_an_explicit_negative_in_a_sparse_matrix_only():
    stored = csr_array((np.array([1.0, 0.0]), ([0, 0], [0, 1])), shape=(1, 3))
    y_score = np.array([[1.0, 0.0, 2.0]])
    assert average_user_roc_auc(stored, y_score, negatives="explicit") == 1.0
    assert average_user_roc_auc(stored, y_score) == 0.5
    with pytest.warns(UndefinedMetricWarning):
        average_user_roc_auc(stored.toarray(), y_score, negatives="explicit")


def test_repeated_entries_of_a_sparse_matrix_count_once():
    repeated = coo_array((np.ones(3), ([0, 0, 0], [0, 0, 2])), shape=(1, 4))
    y_score = np.array([[2.0, 1.0, 0.0, 1.0]])
    assert average_user_roc_auc(repeated, y_score, exclude=repeated * 0) == 0.5
    excluded_twice = coo_array((np.ones(2), ([0, 0], [1, 1])), shape=(1, 4))
    assert average_user_roc_auc(repeated, y_score, exclude=excluded_twice, weight="pairs") == 0.5


def test_excluded_positive_does_not_count():
    assert average_user_roc_auc([[1, 1, 0]], [[2.0, 0.0, 1.0]], exclude=[[0, 1, 0]]) == 1.0


def test_explicit_negatives_are_negatives_among_the_unobserved():
    assert average_user_roc_auc([[1, -1, 0]], [[1.0, 2.0, 0.0]]) == 0.5


def test_weights_average_users_pairs_or_positives():
    y_true = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]])
    y_score = np.array([[2.0, 0.0, 1.0, 1.0], [3.0, 2.0, 1.0, 0.0], [1.0, 2.0, 3.0, 4.0]])
    assert average_user_roc_auc(y_true, y_score) == (0.5 + 1) / 2
    assert average_user_roc_auc(y_true, y_score, weight="positives") == pytest.approx((2 * 0.5 + 1) / 3)
    assert average_user_roc_auc(y_true, y_score, weight="pairs") == pytest.approx((4 * 0.5 + 3 * 1) / 7)


def test_one_class_users_do_not_enter():
    y_true = np.array([[1, 0], [0, 0], [1, 1]])
    y_score = np.array([[1.0, 0.0]] * 3)
    assert average_user_roc_auc(y_true, y_score) == 1.0
    np.testing.assert_array_equal(user_roc_auc(y_true, y_score), [1.0, np.nan, np.nan])


@pytest.mark.parametrize("weight", ["user", "positives", "pairs"])
def test_nan_and_a_warning_when_no_user_qualifies(weight):
    with pytest.warns(UndefinedMetricWarning, match="no user has both a positive and a negative"):
        assert np.isnan(average_user_roc_auc([[1, 1], [0, 0]], [[1.0, 2.0]] * 2, weight=weight))


def test_no_users_and_no_items_are_undefined():
    for shape in ((0, 3), (3, 0), (0, 0)):
        with pytest.warns(UndefinedMetricWarning):
            assert np.isnan(average_user_roc_auc(csr_array(shape), np.empty(shape)))
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(average_user_roc_auc([], [], users=[]))


@pytest.mark.wants_jit
@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_callable_and_threads_give_the_same_numbers(n_jobs):
    y_true, y_score, exclude = make_problem(5, n_users=1000, n_items=50)
    expected = user_roc_auc(y_true, y_score, exclude=exclude)
    asked = []

    def scores(start, stop):
        asked.append((start, stop))
        return y_score[start:stop]

    np.testing.assert_array_equal(user_roc_auc(y_true, scores, exclude=exclude, n_jobs=n_jobs), expected)
    assert sorted(asked) == [(0, 256), (256, 512), (512, 768), (768, 1000)]


def test_input_is_left_unchanged_and_may_be_read_only():
    y_true, y_score, exclude = make_problem(6, dtype=np.float32)
    frozen = [a.copy() for a in (y_true, y_score, exclude)]
    for array in frozen:
        array.setflags(write=False)
    np.testing.assert_array_equal(
        user_roc_auc(frozen[0], frozen[1], exclude=frozen[2]), user_roc_auc(y_true, y_score, exclude=exclude)
    )
    matrix = csr_array(y_true)
    before = matrix.copy()
    user_roc_auc(matrix, y_score, exclude=matrix)
    assert (matrix != before).nnz == 0


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_layout_of_the_input_compiles_nothing_anew():
    from skrec._kernels._ranking import _judge_rows

    y_true, y_score, exclude = make_problem(8, dtype=np.float32)
    average_user_roc_auc(y_true, y_score)
    compiled = len(_judge_rows.signatures)
    y_score.setflags(write=False)
    average_user_roc_auc(y_true, y_score, exclude=exclude, negatives="explicit")
    average_user_roc_auc(y_true, np.asfortranarray(y_score), n_jobs=2)
    average_user_roc_auc(y_true[:, ::2], y_score[:, ::2])
    auc_by_popularity(csr_array(y_true), y_score, np.arange(y_true.shape[1]))
    assert len(_judge_rows.signatures) == compiled


def test_buckets_by_popularity_weigh_up_to_the_whole():
    y_true, y_score, exclude = make_problem(7)
    popularity = np.random.default_rng(7).zipf(1.5, size=y_true.shape[1]).clip(max=1000)
    buckets = auc_by_popularity(y_true, y_score, popularity, n_buckets=4, exclude=exclude)
    kept = (y_true > 0) & ~exclude
    assert buckets.n_positives.sum() == kept.sum()
    assert buckets.n_items.sum() == y_true.shape[1]
    for b in range(4):
        inside = (popularity >= buckets.min_popularity[b]) & (popularity <= buckets.max_popularity[b])
        expected = sklearn_user_auc(kept & inside, (y_true <= 0) & ~exclude, y_score)
        assert buckets.auc[b] == pytest.approx(np.nanmean(expected), abs=1e-12)
        assert buckets.n_users[b] == np.sum(~np.isnan(expected))


def test_buckets_hold_like_shares_of_positives_and_equal_items_together():
    popularity = np.array([30, 10, 10, 10, 5, 5, 5, 5, 5, 5, 0])
    buckets = auc_by_popularity(csr_array((1, 11)), np.zeros((1, 11)), popularity, n_buckets=3)
    np.testing.assert_array_equal(buckets.n_items, [1, 3, 7])
    np.testing.assert_array_equal(buckets.min_popularity, [30, 10, 0])
    np.testing.assert_array_equal(buckets.n_positives, [0, 0, 0])
    assert np.isnan(buckets.auc).all()


def test_empty_bucket_is_nan():
    buckets = auc_by_popularity([[1, 0]], [[1.0, 0.0]], [3, 3], n_buckets=3)
    np.testing.assert_array_equal(buckets.n_items, [0, 2, 0])
    np.testing.assert_array_equal(buckets.auc, [np.nan, 1.0, np.nan])
    np.testing.assert_array_equal(buckets.max_popularity, [np.nan, 3, np.nan])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([[1, 0]], [[1.0, 2.0, 3.0]]), {}, r"y_score must have the shape of y_true, \(1, 2\), got \(1, 3\)"),
        (([[1, 0]], [[1.0, np.nan]]), {}, r"The scores of user 0 contain NaN"),
        (([[1, np.nan]], [[1.0, 2.0]]), {}, "y_true contains NaN"),
        (([["a", "b"]], [[1.0, 2.0]]), {}, "y_true must hold numbers or booleans"),
        (([[1, 0]], [["a", "b"]]), {}, "y_score must hold numbers"),
        (([1, 0], [1.0, 2.0]), {}, r"shape \(2,\). For one row a \(user, item\) pair, give users="),
        (
            ([[1, 0]], [[1.0, 2.0]]),
            {"exclude": [[1]]},
            r"exclude must have the shape of y_true, \(1, 2\), got \(1, 1\)",
        ),
        (([[1, 0]], [[1.0, 2.0]]), {"weight": "item"}, "weight='item' must be one of 'user', 'positives', 'pairs'"),
        (([[1, 0]], [[1.0, 2.0]]), {"negatives": 1}, "negatives=1 must be one of 'unobserved', 'explicit'"),
        (([[1, 0]], lambda start, stop: np.zeros((1, 3))), {}, r"shape \(1, 3\) where \(1, 2\) was asked for"),
        (([1, 0], [1.0, 2.0]), {"users": [1, 1], "exclude": [[1]]}, "exclude is not None, but users is given"),
        (([1, 0], [1.0, np.nan]), {"users": [1, 1]}, "y_score contains NaN"),
        (([1, 0, 1], [1.0, 2.0, 3.0]), {"users": [1, 1]}, "inconsistent numbers of samples"),
        (([1, 0], [1.0, 2.0]), {"users": [1, None]}, "users holds a missing id"),
    ],
)
def test_bad_input_is_named(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        average_user_roc_auc(*arguments, **options)


def test_sparse_scores_are_refused():
    with pytest.raises(TypeError, match="y_score is sparse: every candidate needs a score"):
        average_user_roc_auc([[1, 0]], csr_array([[1.0, 0.0]]))


@pytest.mark.parametrize(
    ("popularity", "n_buckets", "message"),
    [
        ([1], 2, "item_popularity must have one number for each of the 2 items"),
        ([1, -1], 2, "item_popularity must hold finite numbers of at least 0"),
        ([0, 0], 2, "item_popularity is 0 for every item"),
        ([1, 2], 0, "n_buckets=0 must be an integer of at least 1"),
        ([1, 2], True, "n_buckets=True must be an integer of at least 1"),
    ],
)
def test_bad_popularity_is_named(popularity, n_buckets, message):
    with pytest.raises(ValueError, match=message):
        auc_by_popularity([[1, 0]], [[1.0, 0.0]], popularity, n_buckets=n_buckets)
