"""Data that the tests of TwoTowerRetriever share."""

import numpy as np
import pytest

from skrec.datasets import make_interactions
from skrec.model_selection import LeaveLastOut


@pytest.fixture(scope="session")
def planted():
    """Interactions whose truth is known, with each user's last one held out."""
    data = make_interactions(n_users=400, n_items=150, n_interactions=12_000, random_state=0)
    data.train, data.test = next(LeaveLastOut(time="timestamp").split(data.data, data.target))
    return data


@pytest.fixture(scope="session")
def rows(planted):
    """The rows of `planted` as an array of pairs."""
    return np.ascontiguousarray(planted.data[["user_id", "item_id"]].to_numpy())


@pytest.fixture(scope="session")
def rated():
    """Rows of which two in five are explicit negatives: pairs and targets."""
    data = make_interactions(negative_fraction=0.4, random_state=0)
    return data.data[["user_id", "item_id"]].to_numpy(), data.target.to_numpy()
