"""iALS against its objective, written out densely, and against exact solutions in float64."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skrec import ImplicitALS, PopularityRecommender
from skrec.baselines import _als_solver
from skrec.baselines._als_solver import ALSSolver, weigh_pairs
from skrec.metrics import ranking_metrics
from skrec.utils._ids import encode_ids
from skrec.utils._validation import check_interactions

KNOWN_100K = {"recall@20": 0.396, "ndcg@20": 0.311}


def planted(n_users=60, n_items=25, density=0.3, seed=0):
    rng = np.random.default_rng(seed)
    matrix = rng.random((n_users, n_items)) < density
    matrix[np.arange(n_items), np.arange(n_items)] = True
    return np.argwhere(matrix)


def placed(model, rows, y=None, *, users, **fit_params):
    """Vectors of users that a copy of the model has placed by rows."""
    model = copy.deepcopy(model).fold_in(rows, y, **fit_params)
    return model.user_factors_[encode_ids(np.array(users), model.user_ids_)]


def integer_weights(X, seed=2):
    return np.random.default_rng(seed).integers(1, 5, size=len(X))


def dense_weights(X, sample_weight=None, shape=(60, 25)):
    """Weights of the positives, of mean one over the pairs."""
    weight = np.zeros(shape)
    np.add.at(weight, tuple(X.T), 1.0 if sample_weight is None else sample_weight)
    return weight / weight[weight > 0].mean()


def objective(P, Q, weight, alpha, l2):
    """The formula of the documentation, divided by the number of positives."""
    P, Q = P.astype(np.float64), Q.astype(np.float64)
    n_users, n_items = weight.shape
    scores = P @ Q.T
    penalty_u, penalty_i = l2 * (weight.sum(axis=1) + alpha * n_items), l2 * (weight.sum(axis=0) + alpha * n_users)
    cost = (weight * (1 - scores) ** 2).sum() + alpha * (scores**2).sum()
    cost += penalty_u @ (P**2).sum(axis=1) + penalty_i @ (Q**2).sum(axis=1)
    return cost / np.count_nonzero(weight)


def gradients(P, Q, weight, alpha, l2):
    P, Q = P.astype(np.float64), Q.astype(np.float64)
    n_users, n_items = weight.shape
    scores = P @ Q.T
    slope = alpha * scores - weight * (1 - scores)
    penalty_u, penalty_i = l2 * (weight.sum(axis=1) + alpha * n_items), l2 * (weight.sum(axis=0) + alpha * n_users)
    return slope @ Q + penalty_u[:, None] * P, slope.T @ P + penalty_i[:, None] * Q


def exact_rows(fixed, weight, alpha, l2):
    """Solve one side's systems by elimination."""
    gram = alpha * fixed.T @ fixed
    penalty = l2 * (weight.sum(axis=1) + alpha * weight.shape[1])
    identity = np.eye(fixed.shape[1])
    return np.stack(
        [
            np.linalg.solve(gram + fixed.T @ (c[:, None] * fixed) + lam * identity, fixed.T @ c)
            for c, lam in zip(weight, penalty, strict=True)
        ]
    )


def solver_of(X, sample_weight=None, n_components=6, alpha=0.2, l2=0.05, n_jobs=None):
    interactions = check_interactions(ImplicitALS(), X, None, sample_weight)
    positives, _ = weigh_pairs(interactions.matrix, interactions.weight)
    rng = np.random.default_rng(0)
    tables = [0.1 * rng.standard_normal((n, n_components), dtype=np.float32) for n in positives.shape]
    return ALSSolver(positives, *tables, alpha=alpha, l2=l2, n_jobs=n_jobs)


every_weighting = pytest.mark.parametrize("weighted", [False, True], ids=["ones", "weights"])


@every_weighting
def test_no_half_of_an_epoch_raises_the_objective_and_each_says_what_it_is(weighted):
    X = planted()
    sample_weight = integer_weights(X) if weighted else None
    weight = dense_weights(X, sample_weight)
    solver = solver_of(X, sample_weight)
    tables = solver.tables["user"], solver.tables["item"]
    before = objective(*tables, weight, 0.2, 0.05)
    with solver:
        for _ in range(10):
            for sides in (("item", "user"), ("user", "item")):
                reported, _ = solver.improve(*sides)
                after = objective(*tables, weight, 0.2, 0.05)
                assert reported / solver.total == pytest.approx(after, rel=1e-5)
                assert after <= before * (1 + 1e-6)
                before = after


@every_weighting
def test_halves_of_many_steps_are_the_exact_solutions(weighted, monkeypatch):
    monkeypatch.setattr(_als_solver, "_STEPS", 50)
    X = planted()
    sample_weight = integer_weights(X) if weighted else None
    weight = dense_weights(X, sample_weight)
    solver = solver_of(X, sample_weight)
    P = solver.tables["user"].astype(np.float64)
    with solver:
        for _ in range(4):
            solver.run_epoch()
            Q = exact_rows(P, weight.T, 0.2, 0.05)
            P = exact_rows(Q, weight, 0.2, 0.05)
            np.testing.assert_allclose(solver.tables["user"] @ solver.tables["item"].T, P @ Q.T, atol=2e-5)


def test_two_steps_end_where_exact_solutions_do(monkeypatch):
    X = planted()
    fit = {"n_components": 6, "l2": 0.2, "max_iter": 300, "random_state": 0}
    two = ImplicitALS(**fit).fit(X)
    monkeypatch.setattr(_als_solver, "_STEPS", 50)
    assert two.loss_curve_[-1] == pytest.approx(ImplicitALS(**fit).fit(X).loss_curve_[-1], rel=1e-4)


@every_weighting
def test_the_gradient_of_the_objective_vanishes_at_the_solution(weighted):
    X = planted()
    sample_weight = integer_weights(X) if weighted else None
    weight = dense_weights(X, sample_weight)
    model = ImplicitALS(n_components=4, l2=0.2, max_iter=1000, random_state=0).fit(X, sample_weight=sample_weight)
    parameters = model.user_factors_, model.item_factors_, weight, model.alpha_, model.l2_
    assert model.loss_curve_[-1] == pytest.approx(objective(*parameters), rel=1e-5)
    assert np.linalg.norm(model.user_factors_, axis=1).min() > 0.05  # not the solution that is all zeros
    for gradient in gradients(*parameters):
        assert np.abs(gradient).max() < 1e-4


def test_a_rank_that_suffices_finds_the_minimum_over_all_matrices():
    """With equal counts the penalty is a nuclear norm, and the minimum of rank one is known."""
    X = np.argwhere(np.kron(np.eye(3), np.ones((8, 5))))  # three blocks: each user likes the 5 items of a block of 3
    model = ImplicitALS(n_components=3, l2=0.4, max_iter=100, random_state=0).fit(X)
    # Each block is a matrix of ones times s, with singular value s * sqrt(40); the penalty on p and q with product s is
    # 2 * lambda * sqrt(n_u * n_i) * sqrt(40) * s.
    n_u, n_i = 5 + model.alpha_ * 15, 8 + model.alpha_ * 24
    s = (40 - model.l2_ * np.sqrt(n_u * n_i * 40)) / (40 * (1 + model.alpha_))
    blocks = np.kron(np.eye(3), np.full((8, 5), s))
    assert 0.1 < s < 0.9
    np.testing.assert_allclose(model.user_factors_ @ model.item_factors_.T, blocks, atol=1e-4)


def test_weights_of_rows_are_repeated_rows():
    X = planted()
    times = integer_weights(X)
    fit = {"n_components": 6, "random_state": 0}
    weighted = ImplicitALS(**fit).fit(X, sample_weight=times)
    repeated = ImplicitALS(**fit).fit(np.repeat(X, times, axis=0))
    np.testing.assert_array_equal(weighted.user_factors_, repeated.user_factors_)
    plain = ImplicitALS(**fit).fit(X)
    assert np.abs(weighted.predict(X) - plain.predict(X)).max() > 0.01


@pytest.mark.parametrize("scale", [1e-20, 0.3, 7.0, 1e20])
def test_the_scale_of_the_weights_does_not_matter(scale):
    X = planted()
    times = integer_weights(X)
    fit = {"n_components": 6, "random_state": 0}
    plain = ImplicitALS(**fit).fit(X, sample_weight=times)
    scaled = ImplicitALS(**fit).fit(X, sample_weight=times * scale)
    np.testing.assert_allclose(scaled.predict(X), plain.predict(X), atol=1e-5)
    new = [[-1, 3], [-1, 7], [-2, 3]]
    weight = np.array([1.0, 3.0, 2.0])
    expected = placed(plain, new, users=[-1, -2], sample_weight=weight)
    np.testing.assert_allclose(placed(scaled, new, users=[-1, -2], sample_weight=weight * scale), expected, atol=1e-5)


def test_equal_weights_are_no_weights():
    X = planted()
    plain = ImplicitALS(n_components=6, random_state=0).fit(X)
    equal = ImplicitALS(n_components=6, random_state=0).fit(X, sample_weight=np.full(len(X), 2.5))
    np.testing.assert_array_equal(equal.user_factors_, plain.user_factors_)


def test_explicit_negatives_are_unobserved_but_seen():
    X = planted()
    negative = np.argwhere(dense_weights(X) == 0)[:40]
    y = np.repeat([1, 0], [len(X), len(negative)])
    plain = ImplicitALS(n_components=6, random_state=0).fit(X)
    model = ImplicitALS(n_components=6, random_state=0).fit(np.vstack([X, negative]), y)
    np.testing.assert_array_equal(model.user_factors_, plain.user_factors_)
    user, item = negative[0]
    assert item in plain.recommend([user], 25)[0]
    assert item not in model.recommend([user], 25)[0]
    weighted = ImplicitALS(n_components=6, random_state=0).fit(
        np.vstack([X, negative]), y, sample_weight=np.where(y == 1, 1.0, 9.0)
    )
    np.testing.assert_array_equal(weighted.user_factors_, plain.user_factors_)


def with_negatives():
    """Positives and explicit negatives, and which are which."""
    X = planted()
    negative = np.argwhere(dense_weights(X) == 0)[::9]
    return np.vstack([X, negative]), np.repeat([1, 0], [len(X), len(negative)])


@pytest.mark.parametrize("weighted", [False, True])
def test_exposures_are_positives_of_their_weight(weighted):
    X, y = with_negatives()
    weight = integer_weights(X) if weighted else np.ones(len(X))
    model = ImplicitALS(6, exposure_weight=0.4, random_state=0).fit(X, y, sample_weight=weight if weighted else None)
    # All rows as positives, their weights of the mean that the positives have, and the same two constants.
    weight = np.where(y == 1, weight, 0.4 * weight)
    scale = weight[y == 1].mean() / weight.mean()
    alpha, l2 = model.alpha_ * scale, model.l2_
    unobserved = alpha * 60 * 25 / len(X)
    noise = np.sqrt(60 / len(X)) + np.sqrt(25 / len(X))
    other = ImplicitALS(6, unobserved_weight=unobserved, l2=l2 * (1 + noise) / noise * (1 + unobserved), random_state=0)
    other.fit(X, sample_weight=weight)
    assert other.alpha_ == pytest.approx(alpha) and other.l2_ == pytest.approx(l2)
    np.testing.assert_allclose(
        model.user_factors_ @ model.item_factors_.T, other.user_factors_ @ other.item_factors_.T, atol=1e-4
    )


def test_the_verdict_on_an_exposure_is_kept_apart():
    X, y = with_negatives()
    model = ImplicitALS(6, exposure_weight=0.4, random_state=0).fit(X, y)
    products = model.user_factors_ @ model.item_factors_.T
    expected = products.copy()
    expected[tuple(X[y == 0].T)] -= 2.0
    pairs = np.indices((60, 25)).reshape(2, -1).T
    np.testing.assert_allclose(model.predict(pairs), expected.ravel(), atol=1e-6)
    ids, scores = model.recommend(np.arange(60), 25, exclude_seen=False)
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1), atol=1e-6)
    for user, item in X[y == 0]:
        assert item in ids[user, -10:]
    assert model.predict([[999, 3]]) > 0  # of an unknown user there is no verdict
    plain = ImplicitALS(6, random_state=0).fit(X, y)
    np.testing.assert_allclose(plain.predict(pairs), (plain.user_factors_ @ plain.item_factors_.T).ravel(), atol=1e-6)


def test_fold_in_weighs_exposures_as_fit_does():
    X, y = with_negatives()
    model = ImplicitALS(4, l2=0.2, exposure_weight=0.4, max_iter=300, random_state=0).fit(X, y)
    factors = placed(model, X + [1000, 0], y, users=model.user_ids_ + 1000)
    np.testing.assert_allclose(factors, model.user_factors_, atol=1e-3)
    folded = copy.deepcopy(model).fold_in([[-5, 3], [-5, 8]], [1, 0])
    assert folded.predict([[-5, 8]]) < folded.predict([[-5, 3]]) - 1


@pytest.mark.parametrize("n_jobs", [2, 4])
def test_threads_do_not_change_a_bit(n_jobs, monkeypatch):
    monkeypatch.setattr(_als_solver, "_CHUNK", 100)
    monkeypatch.setattr(_als_solver, "_PIECE", 7)
    X = planted(n_users=300, n_items=80)
    one = ImplicitALS(n_components=12, random_state=0).fit(X)
    many = ImplicitALS(n_components=12, random_state=0, n_jobs=n_jobs).fit(X)
    np.testing.assert_array_equal(many.user_factors_, one.user_factors_)
    np.testing.assert_array_equal(many.item_factors_, one.item_factors_)
    assert many.loss_curve_ == one.loss_curve_


def test_the_cut_of_the_work_shows_only_in_rounding(monkeypatch):
    X = planted()
    whole = ImplicitALS(n_components=6, random_state=0).fit(X)
    monkeypatch.setattr(_als_solver, "_CHUNK", 50)
    monkeypatch.setattr(_als_solver, "_PIECE", 7)
    cut = ImplicitALS(n_components=6, random_state=0).fit(X)
    np.testing.assert_allclose(cut.predict(X), whole.predict(X), atol=1e-4)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60), st.integers(1, 300))
def test_chunks_hold_every_row_once(lengths, size):
    indptr = np.append(0, np.cumsum(lengths)).astype(np.int64)
    positives = _als_solver.Positives(indptr, np.zeros(indptr[-1], np.int32), np.empty(0, np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_als_solver, "_CHUNK", size)
        bounds = positives.chunks()
    assert bounds[0] == 0 and bounds[-1] == len(lengths)
    assert (np.diff(bounds) > 0).all()


def test_components_are_the_principal_axes_of_the_items_in_order():
    model = ImplicitALS(n_components=6, l2=0.1, random_state=0).fit(planted())
    gram = model.item_factors_.T @ model.item_factors_
    lengths = np.diag(gram)
    assert (np.diff(lengths) <= 0).all() and lengths[0] > 2 * lengths[-1]
    np.testing.assert_allclose(gram, np.diag(lengths), atol=1e-5 * lengths[0])


def test_defaults_follow_the_density_and_the_noise():
    X = planted()
    model = ImplicitALS(n_components=4, unobserved_weight=5.0, l2=0.7, random_state=0).fit(X)
    assert model.alpha_ == pytest.approx(5 * len(X) / (60 * 25))
    noise = (60 / len(X)) ** 0.5 + (25 / len(X)) ** 0.5
    assert model.l2_ == pytest.approx(0.7 * noise / (1 + noise) / 6)


def test_a_penalty_beyond_the_noise_leaves_popularity():
    """Independent coin flips have no structure but their mean: one component, with like scores, is what is left."""
    X = planted(n_users=300, n_items=200, density=0.2)
    noise = (300 / len(X)) ** 0.5 + (200 / len(X)) ** 0.5
    model = ImplicitALS(n_components=10, l2=1.2 * (1 + noise), random_state=0).fit(X)
    lengths = np.linalg.norm(model.item_factors_, axis=0)
    assert lengths[0] > 0.5
    assert lengths[1] < 0.02 * lengths[0]
    weak = ImplicitALS(n_components=10, l2=0.6 * (1 + noise), random_state=0).fit(X)
    lengths = np.linalg.norm(weak.item_factors_, axis=0)
    assert lengths[1] > 0.1 * lengths[0]


@every_weighting
def test_fold_in_is_the_exact_solution(weighted):
    X = planted()
    model = ImplicitALS(n_components=6, l2=0.2, random_state=0).fit(X)
    new = np.array([[-1, 3], [-1, 7], [-1, 12], [-2, 24], [-3, 0], [-3, 24]])
    weight = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 0.5]) if weighted else None
    factors = placed(model, new, users=[-3, -2, -1], sample_weight=weight)
    rows = np.zeros((3, 25))
    rows[3 + new[:, 0], new[:, 1]] = 1.0 if weight is None else weight
    expected = exact_rows(model.item_factors_.astype(np.float64), rows, model.alpha_, model.l2_)
    np.testing.assert_allclose(factors, expected, atol=1e-5)


def test_fold_in_of_training_rows_gives_the_trained_vectors():
    X = planted()
    weight = integer_weights(X)
    model = ImplicitALS(n_components=4, l2=0.2, max_iter=300, random_state=0).fit(X, sample_weight=weight)
    users = model.user_ids_ + 1000
    factors = placed(model, X + [1000, 0], users=users, sample_weight=weight)
    np.testing.assert_allclose(factors, model.user_factors_, atol=1e-3)


def test_fold_in_places_a_known_user_by_all_rows_and_leaves_the_others():
    X = planted()
    model = ImplicitALS(n_components=6, random_state=0).fit(X)
    before, items = model.user_factors_, model.item_factors_
    new = next(item for item in range(25) if item not in X[X[:, 0] == 7, 1])
    own = np.vstack([X[X[:, 0] == 7], [[7, new]]])
    expected = placed(model, [[-1, item] for item in own[:, 1]], users=[-1])
    assert model.fold_in([[7, new]]) is model
    np.testing.assert_array_equal(model.user_factors_[7], expected[0])
    np.testing.assert_array_equal(np.delete(model.user_factors_, 7, 0), np.delete(before, 7, 0))
    assert model.item_factors_ is items
    assert new not in model.recommend([7], 10)[0]


def test_fold_in_leaves_out_negatives():
    model = ImplicitALS(n_components=6, random_state=0).fit(planted())
    expected = placed(model, [[-1, 3], [-1, 7]], users=[-1])
    factors = placed(model, [[-1, 3], [-1, 7], [-1, 8], [-3, 4]], [1, 1, 0, 0], users=[-1, -3])
    np.testing.assert_array_equal(factors[0], expected[0])
    assert not factors[1].any()


def test_fold_in_refuses_unknown_items_and_changes_nothing():
    model = ImplicitALS(n_components=6, random_state=0).fit(planted())
    before = vars(model).copy()
    with pytest.raises(ValueError, match=r"X holds 1 item\(s\) that the estimator was not fitted on: 999"):
        model.fold_in([[-1, 3], [-2, 999]])
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[key] is value for key, value in before.items())


def test_fold_in_works_before_any_epoch_and_from_memory_that_may_not_be_written():
    model = ImplicitALS(n_components=6, max_iter=0, random_state=0).fit(planted())
    assert model.loss_curve_ == [] and model.n_iter_ == 0
    model.item_factors_.setflags(write=False)
    factors = model.fold_in([[-1, 3], [-1, 7]]).user_factors_[-1:]
    rows = np.zeros((1, 25))
    rows[0, [3, 7]] = 1
    expected = exact_rows(model.item_factors_.astype(np.float64), rows, model.alpha_, model.l2_)
    np.testing.assert_allclose(factors, expected, atol=1e-5)


def test_batches_end_where_a_fit_on_all_rows_does():
    X = planted()
    order = np.random.default_rng(1).permutation(len(X))
    fit = {"n_components": 3, "l2": 0.2, "random_state": 0}
    whole = ImplicitALS(max_iter=300, **fit).fit(X)
    parts = ImplicitALS(**fit).partial_fit(X[order[:200]]).partial_fit(X[order[200:]])
    parts.set_params(warm_start=True, max_iter=300).fit(X)
    assert parts.loss_curve_[-1] == pytest.approx(whole.loss_curve_[-1], rel=2e-3)


def test_partial_fit_is_one_epoch_on_all_rows_so_far():
    X = planted()
    fit = {"n_components": 6, "random_state": 0}
    one = ImplicitALS(max_iter=1, **fit).fit(X)
    part = ImplicitALS(**fit).partial_fit(X)
    np.testing.assert_array_equal(part.user_factors_, one.user_factors_)
    part.partial_fit(np.array([[1000, 3], [1000, 500], [2, 500]]))
    assert part.n_iter_ == len(part.loss_curve_) == 2
    assert part.user_ids_[-1] == 1000 and part.item_ids_[-1] == 500
    assert part.interactions_.nnz == len(X) + 3
    assert np.linalg.norm(part.user_factors_[-1]) > 0 and np.linalg.norm(part.item_factors_[-1]) > 0
    assert part.user_factors_.shape == (61, 6)


def test_warm_start_goes_on_where_the_last_fit_ended():
    X = planted()
    fit = {"n_components": 6, "random_state": 0}
    whole = ImplicitALS(max_iter=20, **fit).fit(X)
    model = ImplicitALS(max_iter=10, warm_start=True, **fit).fit(X)
    first = model.loss_curve_
    model.fit(X)
    np.testing.assert_allclose(first + model.loss_curve_, whole.loss_curve_, rtol=1e-5)
    factors = model.user_factors_
    with pytest.raises(ValueError, match=r"n_components=7 must be what it was in the first fit \(6\)"):
        model.set_params(n_components=7).fit(X)
    assert model.user_factors_ is factors


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"n_components": 0}, "'n_components' parameter of ImplicitALS must be an int"),
        ({"exposure_weight": -0.1}, "'exposure_weight' parameter of ImplicitALS must be a float"),
        ({"unobserved_weight": 0.0}, "'unobserved_weight' parameter of ImplicitALS must be a float"),
        ({"l2": -1.0}, "'l2' parameter of ImplicitALS must be a float"),
        ({"max_iter": -1}, "'max_iter' parameter of ImplicitALS must be an int"),
        ({"unobserved_weight": 1e300}, r"no solution in float32 with l2=0.6 and unobserved_weight=1e\+300"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_parameters_are_named_and_change_nothing(parameters, match):
    model = ImplicitALS(n_components=4, random_state=0).fit(planted())
    factors = model.user_factors_
    with pytest.raises(ValueError, match=match):
        model.set_params(**parameters).fit(planted())
    assert model.user_factors_ is factors


def test_transform_names_both_vectors_of_each_row():
    X = planted()
    model = ImplicitALS(n_components=2, random_state=0).fit(X)
    features = model.transform([[5, 3], [5, -1], [-1, 3]])
    np.testing.assert_array_equal(features[0], np.append(model.user_factors_[5], model.item_factors_[3]))
    assert not features[1, 2:].any() and not features[2, :2].any()
    names = ["implicitals_user0", "implicitals_user1", "implicitals_item0", "implicitals_item1"]
    assert model.get_feature_names_out().tolist() == names


class Witness:
    """Keeps what it is handed, and asks to stop after the third epoch."""

    def __init__(self):
        self.models = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name != "epoch":
            return False
        self.models.append(fitted_estimator)
        return context.task_id == 2

    def teardown(self, estimator, context):
        pass


def test_callbacks_get_the_model_of_each_epoch_and_may_stop():
    X = planted()
    witness = Witness()
    model = ImplicitALS(n_components=4, max_iter=9, random_state=0).set_callbacks(witness).fit(X)
    assert model.n_iter_ == len(witness.models) == 3
    for epoch, seen in enumerate(witness.models):
        expected = ImplicitALS(n_components=4, max_iter=epoch + 1, random_state=0).fit(X)
        np.testing.assert_array_equal(seen.predict(X), expected.predict(X))
        np.testing.assert_array_equal(placed(seen, [[-1, 3]], users=[-1]), placed(expected, [[-1, 3]], users=[-1]))


def test_verbose_says_where_the_objective_is(capsys):
    ImplicitALS(n_components=4, max_iter=2, verbose=1, random_state=0).fit(planted())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("[ImplicitALS] epoch 2/2: loss 0.")


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 9), st.floats(0.1, 50.0), st.floats(0.01, 2.0))
def test_any_small_world_has_finite_factors_and_a_falling_curve(seed, n_components, unobserved_weight, l2):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, [1 + seed % 13, 1 + seed % 7], size=(1 + seed % 40, 2))
    model = ImplicitALS(n_components, unobserved_weight=unobserved_weight, l2=l2, random_state=seed).fit(X)
    assert np.isfinite(model.user_factors_).all() and np.isfinite(model.item_factors_).all()
    assert (np.diff(model.loss_curve_) <= 1e-5).all()


@pytest.mark.data
def test_movielens_100k_is_ranked_as_well_as_by_the_known_run(data_home):
    train, test = (np.loadtxt(data_home / "ml-100k" / f"ua.{part}", dtype=np.int64) for part in ("base", "test"))
    liked, held_out = train[train[:, 2] >= 4, :2], test[test[:, 2] >= 4, :2]
    model = ImplicitALS(random_state=0).fit(liked)
    found = ranking_metrics(model, held_out, metrics=["recall@20", "ndcg@20"]).scores
    for name, value in KNOWN_100K.items():
        assert found[name] == pytest.approx(value, abs=0.004), name
    baseline = ranking_metrics(PopularityRecommender().fit(liked), held_out, metrics=["ndcg@20"]).scores
    assert found["ndcg@20"] > 1.5 * baseline["ndcg@20"]
    rows, judged = (train[:, :2], train[:, 2] >= 4), (test[:, :2], test[:, 2] >= 4)
    assert ImplicitALS(random_state=0).fit(*rows).score(*judged) == pytest.approx(0.932, abs=0.003)  # EASE 0.927
    exposed = ImplicitALS(64, exposure_weight=0.3, random_state=0).fit(*rows)
    assert exposed.score(*judged) > 0.948  # the two towers reach 0.942, with searched settings


def read_lists(path):
    rows = [np.array(line.split(), dtype=np.int64) for line in path.read_text().splitlines()]
    return np.vstack([np.column_stack([np.full(len(row) - 1, row[0]), row[1:]]) for row in rows if len(row) > 1])


@pytest.mark.data
def test_movielens_1m_is_ranked_better_than_by_published_graph_models(data_home):
    train, test = (read_lists(data_home / "ml-1m-m1" / f"{part}.txt") for part in ("train", "test"))
    found = ranking_metrics(ImplicitALS(random_state=0).fit(train), test, metrics=["recall@20", "ndcg@20"]).scores
    assert found["recall@20"] == pytest.approx(0.2828, abs=0.0015)  # the best published 0.2809, LightGCN 0.2576
    assert found["ndcg@20"] == pytest.approx(0.2703, abs=0.0015)  # the best published 0.2681, LightGCN 0.2427
