"""MovieLens 1M, as GroupLens publishes it and in the split that the literature on collaborative filtering uses."""

import numpy as np

from skrec.datasets._bundle import bundle, check_option, read_item_lists
from skrec.datasets._remote import RemoteFolder, fetch_files

_FOLDER = RemoteFolder(
    name="ml-1m",
    url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
    archive_sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    files={
        "ratings.dat": "506d64ca44484487c11dc2d9a28de5c54948213e6b96285e298afe28d6ea4e0f",
        "users.dat": "1dc3a95300cb19f7c10e027daf29b8cdf1d908dab65b5edfb45950aa389a10a3",
        "movies.dat": "0140fc2356357c1a851d0f52e893a1e4d3696df632c4141cea8d5bc3d621f0b9",
    },
)

_M1_FOLDER = RemoteFolder(
    name="ml-1m-m1",
    url="https://raw.githubusercontent.com/reczoo/RecZoo/5c82e48ded7439d54bcd837f490c3fc58c4742d4/data/ml-1m",
    files={
        "train.txt": "f088986b22f14f17136f9c4ef6f1269201f83dfb9ce259f1fd4ed46d72a92599",
        "test.txt": "7ca364f7f9321417b521745833b12719a2feb13253bccece2c04d5afe9fc3e15",
    },
)

_DESCR = """\
MovieLens 1M
------------
1,000,209 ratings, 1 to 5, of films by 6,040 users, each with at least 20, from 2000 to 2003.
data: user_id, item_id, timestamp (seconds since 1970). target: the rating.

Harper and Konstan (2015). The MovieLens Datasets: History and Context. ACM TiiS 5(4), 19. doi:10.1145/2827872
For research only, with acknowledgement, and not to be redistributed: see https://grouplens.org/datasets/movielens/1m/
"""

_M1_DESCR = """\
MovieLens 1M, split m1
----------------------
895,699 positives of 6,022 users with 3,043 items: 796,244 to train and 99,455 to test, no pair in both.
data: user_id, item_id, both from 0 and not GroupLens's ids. target: 1.

The split of LCFN (Yu and Qin 2020, arXiv:2006.15516), UltraGCN (Mao et al. 2021, arXiv:2110.15114) and BARS.
The licence of MovieLens 1M applies: for research only, and not to be redistributed.
"""

_AGE = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56+"}
_OCCUPATION = (
    "other or not specified",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)


def fetch_movielens_1m(*, return_X_y=False, as_frame=True, data_home=None, download_if_missing=True, n_retries=3):
    """Load the MovieLens 1M ratings, from this machine or from GroupLens.

    1,000,209 ratings, from 1 to 5, of 3,706 films by 6,040 users, each with at least 20 ratings, from 2000 to 2003.

    Parameters
    ----------
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
        data : DataFrame or array of shape (1000209, 3) with columns user_id, item_id, timestamp (seconds since 1970)
            A row per rating, sorted by user.
        target : Series or array of int64
            The rating.
        user_features : DataFrame of shape (6040, 4) indexed by user_id
            ``gender`` (F or M), ``age`` (ordered categorical of ranges), ``occupation``, ``zip_code`` (str).
        item_features : DataFrame of shape (3883, 2) indexed by item_id
            ``title`` and ``genres`` (tuple of str), also of films that nobody rated.
        DESCR : str
            What the data set is, and its licence.
    (X, y) : tuple
        ``data`` and ``target``, if `return_X_y` is True.

    Raises
    ------
    ValueError
        When a file in ``SKREC_DATA_HOME`` is not the published one.
    OSError
        When the files are not on this machine and may not be, or cannot be, downloaded.
    ImportError
        When a download needs pooch and it is not installed.

    Notes
    -----
    Licence: for research only, not for commercial use, with acknowledgement in publications, and not to be
    redistributed without permission of GroupLens.

    References
    ----------
    Harper and Konstan (2015). The MovieLens Datasets: History and Context. ACM Transactions on Interactive Intelligent
    Systems 5(4), article 19. https://doi.org/10.1145/2827872

    Examples
    --------
    >>> from skrec.datasets import fetch_movielens_1m
    >>> X, y = fetch_movielens_1m(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (1000209, 3)
    """
    ratings, users, items = fetch_files(
        _FOLDER,
        ["ratings.dat", "users.dat", "movies.dat"],
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
    )
    return bundle(
        _read_double_colons(ratings, ["user_id", "item_id", "rating", "timestamp"]),
        "rating",
        as_frame=as_frame,
        return_X_y=return_X_y,
        user_features=_read_users(users),
        item_features=_read_items(items),
        DESCR=_DESCR,
    )


def fetch_movielens_1m_m1(
    *, subset="all", return_X_y=False, as_frame=True, data_home=None, download_if_missing=True, n_retries=3
):
    """Load the split 'm1' of MovieLens 1M, on which much of the literature reports recall and NDCG at 20.

    895,699 positives of 6,022 users with 3,043 items, 796,244 of them to train and 99,455 to test.

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
        Which rows; "all" is train followed by test.
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
        data : DataFrame or array with columns user_id (0 to 6021) and item_id (0 to 3042)
            A row per positive, each part sorted by user. The ids are not those of GroupLens, and there are no times.
        target : Series or array of int64
            1 everywhere.
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
    Licence: that of MovieLens 1M, see `fetch_movielens_1m`. Every user has rows in both parts, and every item of the
    test has rows to train on.

    References
    ----------
    Yu and Qin (2020). Graph Convolutional Network for Recommendation with Low-pass Collaborative Filters. ICML.
    https://arxiv.org/abs/2006.15516

    Mao, Zhu, Xiao, Lu, Wang and He (2021). UltraGCN: Ultra Simplification of Graph Convolutional Networks for
    Recommendation. CIKM. https://arxiv.org/abs/2110.15114

    Examples
    --------
    >>> from skrec.datasets import fetch_movielens_1m_m1
    >>> X, y = fetch_movielens_1m_m1(subset="train", return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (796244, 2)
    """
    check_option("subset", subset, ("all", "train", "test"))
    names = ["train.txt", "test.txt"] if subset == "all" else [f"{subset}.txt"]
    paths = fetch_files(
        _M1_FOLDER, names, data_home=data_home, download_if_missing=download_if_missing, n_retries=n_retries
    )
    return bundle(read_item_lists(paths), "positive", as_frame=as_frame, return_X_y=return_X_y, DESCR=_M1_DESCR)


def _read_double_colons(path, names, dtype=None):
    """Read fields separated by ``::``: as single colons with an empty column between, for the fast parser's sake."""
    import pandas as pd

    return pd.read_csv(path, sep=":", header=None, usecols=range(0, 2 * len(names), 2), dtype=dtype).set_axis(
        names, axis=1
    )


def _read_users(path):
    import pandas as pd

    names = ["user_id", "gender", "age", "occupation", "zip_code"]
    users = _read_double_colons(path, names, dtype={8: str}).set_index("user_id")
    users["gender"] = users["gender"].astype("category")
    users["age"] = pd.Categorical(users["age"].map(_AGE), categories=list(_AGE.values()), ordered=True)
    users["occupation"] = pd.Categorical.from_codes(users["occupation"], categories=list(_OCCUPATION))
    return users


def _read_items(path):
    import pandas as pd

    # A title may hold a colon, so that these few lines are split one by one.
    rows = [line.split("::") for line in path.read_text(encoding="latin-1").splitlines()]
    ids, titles, genres = zip(*rows, strict=True)
    index = pd.Index(np.array(ids, dtype=np.int64), name="item_id")
    return pd.DataFrame({"title": titles, "genres": [tuple(g.split("|")) for g in genres]}, index=index)
