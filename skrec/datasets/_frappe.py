"""Frappe, the log of used apps with its context, in the split of the neural factorization machine's repository."""

import numpy as np
from sklearn.utils import Bunch

from skrec.datasets._bundle import check_option
from skrec.datasets._remote import RemoteFolder, fetch_files

_FOLDER = RemoteFolder(
    name="frappe",
    url="https://raw.githubusercontent.com/hexiangnan/neural_factorization_machine/ca2a5d11b929816aa44c6e470e795af144608507/data/frappe",
    files={
        "frappe.validation.libfm": "fdf4be563a7dd9b15f7a6e8b32671e90e6e7a2a2bd3af4e10bf13c5ad7e76e9e",
        "frappe.test.libfm": "a2ebaef3a9af8e55f8bb0d08bc4923965e42e43760ebd7635ac2f8c5db99e097",
    },
)

# The fields in the order in which a line has them, and how many values each has: a value's number in the file is its
# own, from 0, plus the values of all fields before.
_N_VALUES = {
    "user": 957,
    "item": 4082,
    "daytime": 7,
    "weekday": 7,
    "isweekend": 2,
    "homework": 3,
    "cost": 2,
    "weather": 9,
    "country": 80,
    "city": 233,
}

_DESCR = """\
Frappe
------
Who used which app in which context: 86,582 of the 288,609 rows of 957 users and 4,082 apps, namely the validation rows
(57,722) and the test rows (28,860) of the published split. One row in three is a use; the other two were drawn for it.
data: user, item, daytime, weekday, isweekend, homework, cost, weather, country, city, all categorical, each from 0: the
published split holds numbers, not names. target: 1 for a use, 0 for a drawn row.

Baltrunas, Church, Karatzoglou and Oliver (2015). Frappe: Understanding the Usage and Perception of Mobile App
Recommendations In-The-Wild. arXiv:1505.03014. The split is that of He and Chua (2017),
https://github.com/hexiangnan/neural_factorization_machine. For research, with acknowledgement; not to be redistributed,
nor used commercially, nor to find out who the users are.
"""


def fetch_frappe(
    *, subset="all", return_X_y=False, as_frame=True, data_home=None, download_if_missing=True, n_retries=3
):
    """Load who used which app in which context, in the split of the neural factorization machine's repository.

    86,582 rows of user, app and eight columns of context: the 57,722 validation and the 28,860 test rows. A third are
    uses. The others, two for each use, were drawn: the user and context of a use with another app.

    Parameters
    ----------
    subset : {"all", "validation", "test"}, default="all"
        Which rows; "all" is validation followed by test.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        Whether data and target are a pandas DataFrame and Series, or arrays of int64.
    data_home : str or path-like, default=None
        Folder for downloads, by default ``~/skrec_data``. The folder that the environment variable ``SKREC_DATA_HOME``
        names is searched before it, and never written to.
    download_if_missing : bool, default=True
        Whether to download what is on this machine in neither folder. Needs pooch:
        ``pip install skrec-learn[datasets]``.
    n_retries : int, default=3
        How often to try again after a failed download or a wrong checksum.

    Returns
    -------
    data : Bunch
        data : DataFrame or array
            Columns user, item, daytime, weekday, isweekend, homework, cost, weather, country and city. A row per use or
            drawn row, in the publisher's order, which means nothing: there are no times. The columns of a frame are of
            dtype category, with the same categories in every subset: the integers from 0 below 957, 4082, 7, 7, 2, 3,
            2, 9, 80 and 233. Which of them is Monday, rain or France is not published with the split; 1 in isweekend
            goes with five values of weekday, and so does not seem to mean the weekend.
        target : Series or array of int64
            1 for a use, 0 for a drawn row.
        DESCR : str
            What the data set is, and its licence.
    (X, y) : tuple
        ``data`` and ``target``, if `return_X_y` is True.

    Raises
    ------
    ValueError
        When a parameter is not one of its values, or a file in ``SKREC_DATA_HOME`` is not the published one.
    OSError
        When the files are not on this machine and may not be, or cannot be, downloaded.
    ImportError
        When a download needs pooch and it is not installed.

    Notes
    -----
    The published training rows (202,027) are not read. Figures learned on the validation rows are therefore below
    published ones, which the training rows stand behind.

    Because the rows of 0 were drawn, a predicted probability is that of a use among one use and two drawn apps, not
    that of a user who sees the app. They were drawn from all apps alike, so that an app's popularity tells much.

    Licence: for research, with acknowledgement; not to be redistributed, nor used commercially, nor to find out who the
    users are.

    References
    ----------
    Baltrunas, Church, Karatzoglou and Oliver (2015). Frappe: Understanding the Usage and Perception of Mobile App
    Recommendations In-The-Wild. https://arxiv.org/abs/1505.03014

    He and Chua (2017). Neural Factorization Machines for Sparse Predictive Analytics. SIGIR.
    https://arxiv.org/abs/1708.05027

    Examples
    --------
    >>> from skrec.datasets import fetch_frappe
    >>> X, y = fetch_frappe(subset="test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape, y.mean().round(2)  # doctest: +SKIP
    ((28860, 10), 0.33)
    """
    check_option("subset", subset, ("all", "validation", "test"))
    parts = ["validation", "test"] if subset == "all" else [subset]
    paths = fetch_files(
        _FOLDER,
        [f"frappe.{part}.libfm" for part in parts],
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
    )
    X, y = (np.concatenate(arrays) for arrays in zip(*map(_read, paths), strict=True))
    if as_frame:
        import pandas as pd

        X = pd.DataFrame(
            {
                name: pd.Categorical.from_codes(values, categories=range(n_values))
                for values, (name, n_values) in zip(X.T, _N_VALUES.items(), strict=True)
            }
        )
        y = pd.Series(y, name="used")
    return (X, y) if return_X_y else Bunch(data=X, target=y, DESCR=_DESCR)


def _read(path):
    """Read lines of a label, 1 or -1, and ``number:1`` for each field in order."""
    numbers = np.array(path.read_text().replace(":1 ", " ").replace(":1\n", " ").split(), dtype=np.int64)
    numbers = numbers.reshape(-1, 1 + len(_N_VALUES))
    first = np.cumsum([0, *_N_VALUES.values()])[:-1]
    return numbers[:, 1:] - first, (numbers[:, 0] > 0).astype(np.int64)
