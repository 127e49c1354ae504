"""What all fetchers share: options, a common format, the form of the result."""

import numpy as np
from sklearn.utils import Bunch


def check_option(name, value, allowed):
    """Raise when a parameter is not one of the allowed values."""
    if not any(value is option or value == option for option in allowed):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {value!r}.")


def bundle(frame, target, *, as_frame, return_X_y, **rest):
    """Take the target out of a frame of interactions.

    Parameters
    ----------
    frame : DataFrame
        A row an interaction, the target among the columns.
    target : str
        Name of the target's column.
    as_frame, return_X_y : bool
        As in the fetchers.
    **rest : dict
        The other entries of the Bunch.

    Returns
    -------
    data : Bunch or (X, y)
        As the fetchers return it.
    """
    X, y = frame.drop(columns=target), frame[target]
    if not as_frame:
        X, y = X.to_numpy(), y.to_numpy()
    return (X, y) if return_X_y else Bunch(data=X, target=y, **rest)


def read_item_lists(paths):
    """Read lines of a user and the user's items, all positive, in the order of the files."""
    import pandas as pd

    lines = [np.array(line.split(), dtype=np.int64) for path in paths for line in path.read_text().splitlines()]
    users = np.repeat([line[0] for line in lines], [line.size - 1 for line in lines])
    return pd.DataFrame({"user_id": users, "item_id": np.concatenate([line[1:] for line in lines]), "positive": 1})
