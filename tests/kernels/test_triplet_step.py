"""One step of the triplet engine, against a few lines of numpy and finite differences."""

import numpy as np
import pytest

from skrec._kernels._losses import BPR, HINGE, LOGISTIC, LossState
from skrec._kernels._partition import KNOWN, TRAIN, fill_words, make_partition
from skrec._kernels._rng import seed_states
from skrec._kernels._sampling import Model, UniformState, WARPState, make_scratch
from skrec._kernels._triplet import LOSS, STEPS, WEIGHT, ZERO, Chunks, _round_and_group, train_chunks
from skrec._kernels._updates import ADAGRAD, ADAM, SGD, Optimizer

N_USERS, N_ITEMS, K = 3, 5, 4
# User 1 has seen every item but 0, and only item 2 is trained on: the triplet is (1, 2, 0).
USER, POSITIVE, NEGATIVE = 1, 2, 0
ROW_ITEMS = np.array([1, 2, 3, 4], np.int32)
ROW_KINDS = np.array([KNOWN, TRAIN, KNOWN, KNOWN], np.int8)
SIMILARITIES = ["cosine", "dot", "gmf"]
OPTIMIZERS = {"sgd": SGD, "adagrad": ADAGRAD, "adam": ADAM}


def make_model(similarity, biased=False, seed=0):
    rng = np.random.default_rng(seed)
    U, V = (rng.normal(size=(n, K)).astype(np.float32) for n in (N_USERS, N_ITEMS))
    cosine = similarity == "cosine"
    w = rng.uniform(0.5, 2.0, K).astype(np.float32) if similarity == "gmf" else np.ones(K, np.float32)
    bias = rng.normal(size=N_ITEMS).astype(np.float32) if biased else np.zeros(N_ITEMS, np.float32)
    scales = [(1 / np.linalg.norm(table, axis=1)).astype(np.float32) for table in (U, V)]
    return Model(U, V, w, bias, *scales, cosine, biased, weighted=similarity == "gmf")


def make_optimizer(name, learning_rate=0.1, l2=0.0, seed=1):
    """An optimizer whose memory is not empty, as in the middle of a training."""
    rng = np.random.default_rng(seed)
    memory = {
        field: rng.uniform(0.5, 1.0, shape).astype(np.float32)
        for field, shape in [("U1", (N_USERS, K)), ("U2", (N_USERS, K)), ("V1", (N_ITEMS, K)), ("V2", (N_ITEMS, K))]
    }
    biases = {field: rng.uniform(0.5, 1.0, N_ITEMS).astype(np.float32) for field in ("bias1", "bias2")}
    steps = {"u_steps": np.full(N_USERS, 3, np.int32), "v_steps": np.arange(N_ITEMS, dtype=np.int32)}
    return Optimizer(OPTIMIZERS[name], learning_rate, l2, **memory, **steps, **biases)


def copied(state):
    return type(state)(*(value.copy() if isinstance(value, np.ndarray) else value for value in state))


def train(model, optimizer, loss, *, weight=None, sampler=None, kinds=ROW_KINDS, n_epochs=1):
    """Run the kernel over the one user's row; return the statistics. `model` and `optimizer` change in place."""
    indptr = np.array([0, 0, 4, 4])
    weights = np.empty(0, np.float32) if weight is None else np.full(4, weight, np.float32)
    partition = make_partition(indptr, N_ITEMS, 1, 1)
    last_user, stops = np.empty(1, np.int32), np.zeros(1, np.int64)
    words = np.empty(len(ROW_ITEMS) + 1, np.int32)
    word_weights = np.empty(len(words) if len(weights) else 0, np.float32)
    fill_words(partition, 0, indptr, ROW_ITEMS, kinds, weights, last_user, stops, words, word_weights)
    drawn = np.empty((1, len(words)), np.int32)
    starts, drawn_weights = np.zeros((1, 1), np.int64), np.empty(drawn.shape, np.float32)
    chunks = Chunks(words, word_weights, starts, stops.reshape(1, 1), drawn, drawn_weights, ahead=1)
    stats, group_w = np.zeros((1, 8)), model.w[None].copy()
    for epoch in range(n_epochs):
        train_chunks(
            chunks,
            (0, 1),
            (0, 1),
            partition.items,
            partition.item_starts,
            model,
            group_w,
            optimizer,
            UniformState(3) if sampler is None else sampler,
            loss,
            make_scratch(1, N_ITEMS, K),
            seed_states(epoch, 1),
            stats,
        )
    model.w[:] = group_w[0]
    return stats[0]


def parameters_of(model):
    """The triplet's parameters in float64: U[u], V[i], V[j], the two biases, w."""
    values = model.U[USER], model.V[POSITIVE], model.V[NEGATIVE], model.bias[[POSITIVE, NEGATIVE]], model.w
    return [value.astype(np.float64) for value in values]


def objective(parameters, model, loss, l2=0.0):
    """Loss and penalty of the triplet, by numpy."""
    x, p, n, bias, w = parameters
    s_pos, s_neg = (w * x * p).sum(), (w * x * n).sum()
    if model.cosine:
        s_pos /= np.linalg.norm(x) * np.linalg.norm(p)
        s_neg /= np.linalg.norm(x) * np.linalg.norm(n)
    if model.biased:
        s_pos, s_neg = s_pos + bias[0], s_neg + bias[1]
    value = {
        HINGE: max(0.0, loss.margin - s_pos + s_neg),
        BPR: np.log1p(np.exp(s_neg - s_pos)),
        LOGISTIC: np.log1p(np.exp(-s_pos)) + np.log1p(np.exp(s_neg)),
    }[loss.code]
    penalised = [x, p, n, bias] if model.biased else [x, p, n]
    return value + l2 / 2 * sum((part**2).sum() for part in penalised)


def numeric_gradient(model, loss, l2=0.0, step=1e-6):
    """Central differences of the objective in each of the triplet's parameters."""
    parameters = parameters_of(model)
    gradients = [np.zeros_like(part) for part in parameters]
    for part, gradient in zip(parameters, gradients, strict=True):
        for k in range(len(part)):
            at = part[k]
            part[k] = at + step
            up = objective(parameters, model, loss, l2)
            part[k] = at - step
            gradient[k] = (up - objective(parameters, model, loss, l2)) / (2 * step)
            part[k] = at
    return gradients


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("loss", [LossState(HINGE, 4.0), LossState(BPR, 0.0), LossState(LOGISTIC, 0.0)])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_plain_step_goes_down_the_gradient_of_loss_and_penalty(similarity, loss, l2, biased):
    model = make_model(similarity, biased)
    before, gradients = parameters_of(model), numeric_gradient(model, loss, l2)
    value = objective(before, model, loss)
    stats = train(model, make_optimizer("sgd", learning_rate=0.5, l2=l2), loss)
    assert stats[STEPS] == 1 and stats[ZERO] == 0 and stats[WEIGHT] == 1
    assert stats[LOSS] == pytest.approx(value, rel=1e-5)
    for name, old, new, gradient in zip(
        ["user", "positive", "negative", "biases"], before[:4], parameters_of(model)[:4], gradients[:4], strict=True
    ):
        np.testing.assert_allclose(old - new, 0.5 * gradient, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_takes_its_published_step(name, similarity, biased):
    rate, l2, loss = 0.1, 0.01, LossState(BPR, 0.0)
    model, optimizer = make_model(similarity, biased), make_optimizer(name, rate, l2)
    before, gradients = parameters_of(model)[:4], numeric_gradient(model, loss, l2)[:4]
    places = [("U", USER), ("V", POSITIVE), ("V", NEGATIVE), ("bias", [POSITIVE, NEGATIVE])]
    first = [np.float64(getattr(optimizer, table + "1")[row]) for table, row in places]
    second = [np.float64(getattr(optimizer, table + "2")[row]) for table, row in places]
    steps = [optimizer.u_steps[USER], optimizer.v_steps[POSITIVE], optimizer.v_steps[NEGATIVE]]
    steps.append(np.array(steps[1:]))
    train(model, optimizer, loss)
    after = parameters_of(model)[:4]
    for part in range(4 if biased else 3):
        x, g, m, v, t = before[part], gradients[part], first[part], second[part], np.float64(steps[part]) + 1
        if name == "sgd":
            expected = x - rate * g
        elif name == "adagrad":
            expected = x - rate * g / np.sqrt(m + g**2)
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            expected = x - rate * (m / (1 - 0.9**t)) / np.sqrt(v / (1 - 0.999**t))
        np.testing.assert_allclose(after[part], expected, atol=1e-5)


def test_adam_keeps_its_moments_from_step_to_step():
    rate, loss = 0.1, LossState(LOGISTIC, 0.0)
    model, optimizer = make_model("dot"), make_optimizer("adam", rate)
    for field in ("U1", "U2", "V1", "V2"):
        getattr(optimizer, field)[:] = 0
    optimizer.u_steps[:] = optimizer.v_steps[:] = 0
    x, m, v = parameters_of(model)[0], 0.0, 0.0
    for t in range(1, 4):
        g = numeric_gradient(model, loss)[0]
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        x -= rate * (m / (1 - 0.9**t)) / np.sqrt(v / (1 - 0.999**t))
        train(model, optimizer, loss)
        np.testing.assert_allclose(model.U[USER], x, atol=1e-4)
    assert optimizer.u_steps.tolist() == [0, 3, 0]
    assert optimizer.v_steps.tolist() == [3, 0, 3, 0, 0]


def test_a_cosine_step_is_orthogonal_to_its_row():
    model = make_model("cosine")
    before = parameters_of(model)[:3]
    train(model, make_optimizer("sgd", learning_rate=1.0), LossState(BPR, 0.0))
    for old, new in zip(before, parameters_of(model)[:3], strict=True):
        step = new - old
        assert np.linalg.norm(step) > 1e-3
        assert abs(step @ old) < 1e-5 * np.linalg.norm(step) * np.linalg.norm(old) + 1e-6


def test_a_cosine_step_keeps_the_inverse_norms():
    model = make_model("cosine")
    train(model, make_optimizer("sgd", learning_rate=1.0, l2=0.1), LossState(BPR, 0.0), n_epochs=5)
    np.testing.assert_allclose(model.u_scale, 1 / np.linalg.norm(model.U, axis=1), rtol=1e-5)
    np.testing.assert_allclose(model.v_scale, 1 / np.linalg.norm(model.V, axis=1), rtol=1e-5)


def test_the_component_weights_of_gmf_step_with_the_rows_and_are_pulled_to_one():
    rate, l2, loss = 0.5, 0.3, LossState(BPR, 0.0)
    model = make_model("gmf")
    x, p, n, _, w = parameters_of(model)
    expected = w - rate * (numeric_gradient(model, loss)[4] + l2 * (w - 1))
    d = -1 / (1 + np.exp((w * x * (p - n)).sum()))
    train(model, make_optimizer("sgd", rate, l2), loss)
    np.testing.assert_allclose(model.w, expected, atol=1e-5)
    np.testing.assert_allclose(model.U[USER], x - rate * (d * w * (p - n) + l2 * x), atol=1e-5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_weight_multiplies_the_gradient_and_the_loss(similarity):
    loss, weight = LossState(BPR, 0.0), 2.5
    once, weighted = make_model(similarity, biased=True), make_model(similarity, biased=True)
    start = parameters_of(once)
    plain = train(once, make_optimizer("sgd"), loss)
    stats = train(weighted, make_optimizer("sgd"), loss, weight=weight)
    assert stats[LOSS] == pytest.approx(weight * plain[LOSS], rel=1e-6)
    assert stats[WEIGHT] == weight and stats[STEPS] == 1
    for old, one, more in zip(start[:4], parameters_of(once), parameters_of(weighted), strict=False):
        np.testing.assert_allclose(more - old, weight * (one - old), atol=2e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_outside_the_triplets_keep_their_bits(name):
    model, optimizer = make_model("cosine", biased=True), make_optimizer(name, l2=0.1)
    old_model, old_optimizer = copied(model), copied(optimizer)
    train(model, optimizer, LossState(BPR, 0.0), n_epochs=3)
    assert not np.array_equal(model.U, old_model.U)
    users, items = [0, 2], [1, 3, 4]
    for field in ("U", "u_scale"):
        np.testing.assert_array_equal(getattr(model, field)[users], getattr(old_model, field)[users])
    for field in ("V", "v_scale", "bias"):
        np.testing.assert_array_equal(getattr(model, field)[items], getattr(old_model, field)[items])
    for field in ("U1", "U2", "u_steps"):
        np.testing.assert_array_equal(getattr(optimizer, field)[users], getattr(old_optimizer, field)[users])
    for field in ("V1", "V2", "v_steps", "bias1", "bias2"):
        np.testing.assert_array_equal(getattr(optimizer, field)[items], getattr(old_optimizer, field)[items])


def assert_unchanged(model, optimizer, old_model, old_optimizer):
    for new, old in [*zip(model, old_model, strict=True), *zip(optimizer, old_optimizer, strict=True)]:
        np.testing.assert_array_equal(new, old)


def test_a_pair_beyond_the_margin_counts_as_a_zero_gradient_and_changes_nothing():
    model, optimizer = make_model("dot"), make_optimizer("adam", l2=0.1)
    model.V[POSITIVE] = 10 * model.U[USER]
    model.V[NEGATIVE] = -model.U[USER]
    old = copied(model), copied(optimizer)
    stats = train(model, optimizer, LossState(HINGE, 1.0))
    assert (stats[STEPS], stats[ZERO], stats[LOSS]) == (1, 1, 0)
    assert_unchanged(model, optimizer, *old)


def test_warp_without_a_violator_takes_no_step():
    model, optimizer = make_model("dot", biased=True), make_optimizer("adagrad", l2=0.1)
    model.bias[POSITIVE] = 100
    old = copied(model), copied(optimizer)
    stats = train(model, optimizer, LossState(HINGE, 1.0), sampler=WARPState(3, 1.0, np.linspace(0, 1, 11)))
    assert not stats.any()
    assert_unchanged(model, optimizer, *old)


def test_warp_weighs_the_step_by_the_rank_weight_of_its_draw():
    loss, rank_weight = LossState(HINGE, 1.0), np.array([0.0, 0.25])
    # Everything violates, but the single try is used up where it hits a known item.
    for seed in range(3):
        model = make_model("dot", biased=True, seed=seed)
        model.bias[POSITIVE] = -100
        start = parameters_of(model)
        stats = train(model, make_optimizer("sgd"), loss, sampler=WARPState(3, 1.0, rank_weight), n_epochs=20)
        assert 0 < stats[STEPS] < 20
        assert stats[WEIGHT] == pytest.approx(0.25 * stats[STEPS])
        moved = start[3][0] - parameters_of(model)[3][0]
        assert moved == pytest.approx(-0.1 * 0.25 * stats[STEPS], rel=1e-3)


def test_known_positives_are_neither_trained_on_nor_drawn():
    model, optimizer = make_model("dot"), make_optimizer("sgd")
    old = copied(model), copied(optimizer)
    stats = train(model, optimizer, LossState(BPR, 0.0), kinds=np.full(4, KNOWN, np.int8))
    assert not stats.any()
    assert_unchanged(model, optimizer, *old)
    # Every draw of the one trained positive is the one item that is not known.
    stats = train(model, optimizer, LossState(BPR, 0.0), n_epochs=20)
    assert stats[STEPS] == 20
    np.testing.assert_array_equal(model.V[[1, 3, 4]], old[0].V[[1, 3, 4]])


def test_a_positive_is_no_negative_of_itself():
    # Where positives are admitted a draw may hit the positive itself: it is skipped, not pushed away.
    model, loss = make_model("dot", biased=True), LossState(LOGISTIC, 0.0)
    stats = train(model, make_optimizer("sgd", learning_rate=1e-3), loss, sampler=UniformState(0), n_epochs=200)
    assert stats[STEPS] == pytest.approx(200 * (N_ITEMS - 1) / N_ITEMS, abs=25)
    assert stats[STEPS] < 200


@pytest.mark.parametrize("n", [1, 2, 8, 32])
def test_turns_reach_every_chunk_and_keep_the_rounds_of_each_group_and_block(n):
    turns = [_round_and_group(turn, n) for turn in range(n * n)]
    assert sorted(turns) == [(r, g) for r in range(n) for g in range(n)]
    for shared in (lambda r, g: g, lambda r, g: g ^ r):
        for one in range(n):
            assert [r for r, g in turns if shared(r, g) == one] == list(range(n))


def test_a_single_round_goes_through_its_groups():
    assert [_round_and_group(turn, 1) for turn in range(5)] == [(0, g) for g in range(5)]
