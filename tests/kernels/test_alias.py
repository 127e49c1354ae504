"""Alias tables hold their law exactly, block by block."""

import numpy as np
import pytest

from skrec._kernels._partition import deal_items, make_partition
from skrec._kernels._rng import seed_states
from skrec._kernels._sampling import build_alias, build_block_aliases


def alias_table(mass):
    mass = np.asarray(mass, np.float64)
    prob, alias = np.empty(len(mass)), np.empty(len(mass), np.int32)
    build_alias(mass, 0, len(mass), prob, alias, np.empty(len(mass), np.int32))
    return prob, alias


def law_of(prob, alias):
    """Law of a draw: a cell at random, then itself or its alias."""
    law = prob.copy()
    np.add.at(law, alias, 1.0 - prob)
    return law / len(prob)


@pytest.mark.parametrize(
    "mass",
    [
        np.random.default_rng(0).random(100),
        np.random.default_rng(1).pareto(0.5, 200),
        1.0 / np.arange(1, 50) ** 2,
        [0.0, 0.0, 3.0, 0.0],
        [1e-300, 1e-300, 2e-300],
    ],
    ids=["flat", "heavy tail", "zipf", "one item", "tiny"],
)
def test_table_holds_the_law_exactly(mass):
    prob, alias = alias_table(mass)
    assert prob.min() >= 0.0 and prob.max() <= 1.0
    assert alias.min() >= 0 and alias.max() < len(prob)
    np.testing.assert_allclose(law_of(prob, alias), np.asarray(mass) / np.sum(mass), atol=1e-12, rtol=0)


def test_equal_masses_never_use_the_alias():
    prob, _ = alias_table(np.full(7, 0.3))
    np.testing.assert_array_equal(prob, 1.0)


def test_counts_1_and_16_to_the_power_of_three_quarters_have_odds_1_to_8():
    prob, alias = alias_table(np.array([1.0, 16.0]) ** 0.75)
    np.testing.assert_allclose(law_of(prob, alias), [1 / 9, 8 / 9], atol=1e-12)


def test_one_item_is_always_drawn():
    prob, alias = alias_table([0.2])
    np.testing.assert_array_equal(law_of(prob, alias), [1.0])


def test_without_mass_the_law_is_uniform():
    prob, alias = alias_table(np.zeros(5))
    np.testing.assert_array_equal(law_of(prob, alias), 0.2)


def test_each_block_holds_its_part_of_the_law_renormalised():
    n_items, n_blocks = 23, 4
    mass = np.random.default_rng(2).pareto(1.0, n_items)
    partition = make_partition(np.array([0, 0]), n_items, 1, n_blocks)
    deal_items(partition, seed_states(0, 1)[0])
    mass[partition.items[partition.item_starts[1] : partition.item_starts[2]]] = 0.0
    prob, alias = np.empty(n_items), np.empty(n_items, np.int32)
    build_block_aliases(mass, partition, np.empty(n_items), np.empty(n_items, np.int32), prob, alias)
    for b in range(n_blocks):
        block = slice(partition.item_starts[b], partition.item_starts[b + 1])
        own = mass[partition.items[block]]
        expected = own / own.sum() if b != 1 else np.full(len(own), 1 / len(own))
        np.testing.assert_allclose(law_of(prob[block], alias[block]), expected, atol=1e-12, rtol=0)
