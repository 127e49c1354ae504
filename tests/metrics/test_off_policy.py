"""Values of policies from logs: known answers, and the truth of a generated world."""

import numpy as np
import pytest

from skrec.metrics import doubly_robust_value, ips_value, snips_value

_ESTIMATORS = {
    "ips": ips_value,
    "snips": snips_value,
    "dr": lambda *args, **options: doubly_robust_value(
        *args,
        **{"predicted_reward": np.full(len(args[0]), 0.1), "predicted_value": np.full(len(args[0]), 0.1), **options},
    ),
}


class _World:
    """Contexts with known click probabilities, a logging policy, and another policy to judge."""

    def __init__(self, n_contexts=6, n_items=8, seed=0):
        rng = np.random.default_rng(seed)
        self.click = rng.beta(1, 9, (n_contexts, n_items))
        # No item is rare: where a few rows have most of the weight, intervals are too narrow, as is documented.
        self.logging = 0.5 / n_items + 0.5 * rng.dirichlet(np.full(n_items, 2.0), n_contexts)
        best = np.eye(n_items)[self.click.argmax(axis=1)]
        self.policy = 0.3 / n_items + 0.7 * best
        self.value = float(np.mean(np.sum(self.policy * self.click, axis=1)))
        self.guess = np.clip(self.click + rng.normal(0, 0.03, self.click.shape), 0, 1)

    def log(self, n_rows, rng):
        context = rng.integers(len(self.click), size=n_rows)
        edges = self.logging.cumsum(axis=1)[context]
        item = np.minimum((rng.random((n_rows, 1)) > edges).sum(axis=1), self.click.shape[1] - 1)
        reward = rng.random(n_rows) < self.click[context, item]
        return context, item, reward, self.logging[context, item], self.policy[context, item]

    def predictions(self, context, item):
        value = np.sum(self.policy * self.guess, axis=1)
        return {"predicted_reward": self.guess[context, item], "predicted_value": value[context]}


@pytest.fixture(scope="module")
def world():
    return _World()


@pytest.mark.parametrize("interval", ["bootstrap", "normal"])
@pytest.mark.parametrize("name", _ESTIMATORS)
def test_the_value_of_the_logging_policy_is_the_mean_reward(world, name, interval):
    _, _, reward, propensity, _ = world.log(3000, np.random.default_rng(0))
    found = _ESTIMATORS[name](reward, propensity, propensity, interval=interval, n_resamples=500, random_state=0)
    error = reward.std() / np.sqrt(3000)
    assert found.estimate == pytest.approx(reward.mean(), abs=1e-12)
    assert (found.low, found.high) == pytest.approx(
        (found.estimate - 1.96 * error, found.estimate + 1.96 * error), abs=0.002
    )
    assert found.effective_sample_size == pytest.approx(3000)
    assert found.mean_weight == 1


def test_formulas_are_those_of_the_papers(world):
    context, item, reward, propensity, policy = world.log(500, np.random.default_rng(1))
    weight = policy / propensity
    predictions = world.predictions(context, item)
    assert ips_value(reward, propensity, policy).estimate == pytest.approx(np.mean(weight * reward))
    assert snips_value(reward, propensity, policy).estimate == pytest.approx(np.average(reward, weights=weight))
    residual = reward - predictions["predicted_reward"]
    assert doubly_robust_value(reward, propensity, policy, **predictions).estimate == pytest.approx(
        np.mean(predictions["predicted_value"] + weight * residual)
    )
    found = ips_value(reward, propensity, policy)
    assert found.effective_sample_size == pytest.approx(weight.sum() ** 2 / np.sum(weight**2))
    assert found.mean_weight == pytest.approx(weight.mean())


def test_doubly_robust_with_predictions_of_zero_is_ips(world):
    _, _, reward, propensity, policy = world.log(500, np.random.default_rng(2))
    nothing = {"predicted_reward": np.zeros(500), "predicted_value": np.zeros(500)}
    found = doubly_robust_value(reward, propensity, policy, random_state=0, **nothing)
    assert found == ips_value(reward, propensity, policy, random_state=0)


@pytest.mark.parametrize("name", _ESTIMATORS)
@pytest.mark.parametrize("interval", ["bootstrap", "normal"])
def test_the_truth_is_found_and_intervals_hold_it_as_often_as_they_say(world, name, interval):
    rng = np.random.default_rng(3)
    found = []
    for _ in range(200):
        context, item, *log = world.log(1500, rng)
        options = world.predictions(context, item) if name == "dr" else {}
        found.append(_ESTIMATORS[name](*log, interval=interval, n_resamples=200, random_state=0, **options))
    estimate, low, high, _, mean_weight = np.array(found).T
    assert estimate.mean() == pytest.approx(world.value, abs=4 * estimate.std() / np.sqrt(200))
    # 190 of 200 but for chance, and a little fewer: the standard error is estimated from skewed terms.
    assert 0.90 <= np.mean((low <= world.value) & (world.value <= high)) <= 0.99
    assert mean_weight.mean() == pytest.approx(1, abs=4 * mean_weight.std() / np.sqrt(200))


def test_snips_and_doubly_robust_vary_less_than_ips(world):
    rng = np.random.default_rng(4)
    spread = {name: [] for name in _ESTIMATORS}
    for _ in range(200):
        context, item, *log = world.log(1000, rng)
        for name, function in _ESTIMATORS.items():
            options = world.predictions(context, item) if name == "dr" else {}
            spread[name].append(function(*log, interval="normal", **options).estimate)
    spread = {name: np.std(values) for name, values in spread.items()}
    assert spread["snips"] < 0.97 * spread["ips"]
    assert spread["dr"] < 0.97 * spread["ips"]


def test_doubly_robust_is_right_with_wrong_propensities_and_a_right_model(world):
    context, item, reward, propensity, policy = world.log(40_000, np.random.default_rng(5))
    wrong = np.clip(propensity * 1.5, 0, 1)
    right = {
        "predicted_reward": world.click[context, item],
        "predicted_value": np.sum(world.policy * world.click, axis=1)[context],
    }
    found = doubly_robust_value(reward, wrong, policy, interval="normal", **right)
    assert found.low < world.value < found.high
    assert ips_value(reward, wrong, policy, interval="normal").high < world.value


def test_clipping_lowers_the_variance_and_the_estimate(world):
    _, _, *log = world.log(2000, np.random.default_rng(6))
    free, clipped = ips_value(*log, interval="normal"), ips_value(*log, max_weight=2, interval="normal")
    weight = log[2] / log[1]
    assert weight.max() > 2
    assert clipped.estimate == pytest.approx(np.mean(np.minimum(weight, 2) * log[0]))
    assert clipped.estimate < free.estimate
    assert clipped.high - clipped.low < free.high - free.low
    assert clipped.effective_sample_size > free.effective_sample_size
    assert clipped.mean_weight == free.mean_weight
    assert ips_value(*log, max_weight=1e9, random_state=0) == ips_value(*log, random_state=0)


def test_snips_does_not_move_with_a_constant_and_stays_within_the_rewards(world):
    _, _, reward, propensity, policy = world.log(300, np.random.default_rng(7))
    found = snips_value(reward, propensity, policy).estimate
    assert snips_value(reward + 5.0, propensity, policy).estimate == pytest.approx(found + 5)
    assert snips_value(np.ones(300), propensity, policy).estimate == pytest.approx(1)


@pytest.mark.parametrize("name", _ESTIMATORS)
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (1, 0.0, "propensity must be above 0 and at most 1; got 0.0 in row 2"),
        (1, -0.1, "propensity must be above 0 and at most 1; got -0.1 in row 2"),
        (1, 1.5, "propensity must be above 0 and at most 1; got 1.5 in row 2"),
        (1, np.nan, "propensity must be finite; got nan in row 2"),
        (2, 1.2, "policy must be a probability, within 0 and 1; got 1.2 in row 2"),
        (2, -0.2, "policy must be a probability, within 0 and 1; got -0.2 in row 2"),
        (2, np.nan, "policy must be finite; got nan in row 2"),
        (0, np.nan, "reward must be finite; got nan in row 2"),
        (0, np.inf, "reward must be finite; got inf in row 2"),
    ],
)
def test_a_wrong_row_is_named(name, column, value, message):
    log = [np.array([0.0, 1, 0]), np.full(3, 0.5), np.full(3, 0.5)]
    log[column][2] = value
    with pytest.raises(ValueError, match=message):
        _ESTIMATORS[name](*log)


@pytest.mark.parametrize("name", _ESTIMATORS)
@pytest.mark.parametrize(
    ("log", "options", "message"),
    [
        (([0, 1], [0.5], [0.5, 0.5]), {}, "propensity must have one entry a row, as many as reward, 2; got 1"),
        (([0, 1], [0.5, 0.5], [[0.5], [0.5]]), {}, r"policy must be numbers, one a row; got shape \(2, 1\)"),
        (([0, 1], [0.5, 0.5], [0, 0]), {}, "policy is 0 in every row"),
        (([0, 1], [0.5, 0.5], [1, 0]), {"max_weight": 0}, "max_weight=0 must be a number above 0, or None"),
        (([0, 1], [0.5, 0.5], [1, 0]), {"interval": "exact"}, "interval='exact' must be one of 'bootstrap', 'normal'"),
        (([0, 1], [0.5, 0.5], [1, 0]), {"confidence_level": 1}, "confidence_level=1 must be a number between 0 and 1"),
        (([0, 1], [0.5, 0.5], [1, 0]), {"n_resamples": 0}, "n_resamples=0 must be an integer of at least 1"),
    ],
)
def test_a_wrong_argument_is_named(name, log, options, message):
    with pytest.raises(ValueError, match=message):
        _ESTIMATORS[name](*log, **options)


def test_predictions_of_another_length_are_named():
    with pytest.raises(ValueError, match="predicted_value must have one entry a row, as many as reward, 2; got 3"):
        doubly_robust_value([0, 1], [0.5, 0.5], [1, 0], predicted_reward=[0, 0], predicted_value=[0, 0, 0])
