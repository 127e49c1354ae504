"""Data that the tests of factorisations share."""

import numpy as np
import pytest

from skrec.datasets import make_interactions
from skrec.model_selection import LeaveLastOut


@pytest.fixture(scope="session")
def planted():
    """Interactions whose truth is known, with each user's last one held out."""
    data = make_interactions(n_users=400, n_items=150, n_interactions=16_000, random_state=0)
    data.train, data.test = next(LeaveLastOut(time="timestamp").split(data.data, data.target))
    return data


@pytest.fixture(scope="session")
def large():
    """Enough rows for an epoch to be cut into eight blocks, as int32 pairs with a fifth of explicit negatives."""
    data = make_interactions(
        n_users=4000, n_items=600, n_interactions=560_000, negative_fraction=0.2, as_frame=False, random_state=0
    )
    return np.ascontiguousarray(data.data[:, :2]), data.target
