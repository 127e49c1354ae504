"""Popularity counts, in whatever order and however often the rows come."""

import numpy as np
import pytest

from skrec import PopularityRecommender

X = np.array([[0, 10], [1, 10], [2, 10], [0, 20], [1, 20], [2, 30], [3, 40]])
Y = np.array([1, 1, 1, 1, 1, 1, 0])


def test_scores_are_counts_of_positives():
    model = PopularityRecommender().fit(X, Y)
    np.testing.assert_array_equal(model.item_ids_, [10, 20, 30, 40])
    np.testing.assert_array_equal(model.item_scores_, [3, 2, 1, 0])
    np.testing.assert_array_equal(model.predict(X), [3, 3, 3, 2, 2, 1, 0])


def test_weights_are_summed_while_popularity_counts_users():
    model = PopularityRecommender().fit(X, Y, sample_weight=[0.5, 0.25, 0.25, 2, 3, 4, 9])
    np.testing.assert_array_equal(model.item_scores_, [1, 5, 4, 0])
    np.testing.assert_array_equal(model.item_popularity_, [3, 2, 1, 0])


def test_everyone_gets_the_same_scores_known_or_not():
    model = PopularityRecommender().fit(X, Y)
    ids, scores = model.recommend([0, 99, 3], 3, exclude_seen=False)
    np.testing.assert_array_equal(ids, [[10, 20, 30]] * 3)
    np.testing.assert_array_equal(scores, [[3, 2, 1]] * 3)
    np.testing.assert_array_equal(model.predict([[0, 20], [99, 20]]), [2, 2])


def test_batches_give_the_counts_of_all_rows():
    whole = PopularityRecommender().fit(X, Y)
    parts = PopularityRecommender()
    for rows in (slice(4, 7), slice(0, 2), slice(2, 4)):
        parts.partial_fit(X[rows], Y[rows])
    pairs = np.array([[u, i] for u in range(4) for i in (10, 20, 30, 40)])
    np.testing.assert_array_equal(parts.predict(pairs), whole.predict(pairs))
    np.testing.assert_array_equal(np.sort(parts.item_ids_), whole.item_ids_)


def test_ties_are_listed_in_the_order_of_items():
    model = PopularityRecommender().fit([[0, 3], [0, 1], [0, 2], [1, 9]])
    ids, _ = model.recommend([7], 4)
    np.testing.assert_array_equal(ids, [[1, 2, 3, 9]])


def test_an_unknown_user_may_be_refused():
    model = PopularityRecommender(on_unknown="error").fit(X, Y)
    with pytest.raises(ValueError, match=r"users holds 2 id\(s\) that the estimator was not fitted on: 77, 99"):
        model.recommend([99, 0, 77, 99])
