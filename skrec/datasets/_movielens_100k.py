"""MovieLens 100K."""

from skrec.datasets._bundle import bundle, check_option
from skrec.datasets._remote import RemoteFolder, fetch_files

_FOLDER = RemoteFolder(
    name="ml-100k",
    url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
    archive_sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    files={
        "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
        "u.genre": "4befebdfeb3547a5cc69d937e35b45ffe55a38d75a1748889617015801387f15",
        "u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
        "u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
        "ua.base": "67b5bcdb380c29f85d56a012ecd88612ae020f30a6730d117a334ee8203b91f2",
        "ua.test": "d0497e202417720f57a184ec8c66be2d1afa4ff41bb53787c57b28d6bf79bc42",
        "ub.base": "237254d253b6ad7de84f919d041055428646254f34ed8f562703c899430cd881",
        "ub.test": "d54a72d05730d5892062734b2bec73e976f9b713d18c828a18b968d6cce442da",
    },
)

_DESCR = """\
MovieLens 100K
--------------
100,000 ratings, 1 to 5, of 1,682 films by 943 users, each with at least 20, from 1997 and 1998.
data: user_id, item_id, timestamp (seconds since 1970). target: the rating.

Harper and Konstan (2015). The MovieLens Datasets: History and Context. ACM TiiS 5(4), 19. doi:10.1145/2827872
For research only, with acknowledgement, and not to be redistributed: see https://grouplens.org/datasets/movielens/100k/
"""


def fetch_movielens_100k(
    *,
    split=None,
    subset="all",
    return_X_y=False,
    as_frame=True,
    data_home=None,
    download_if_missing=True,
    n_retries=3,
):
    """Load the MovieLens 100K ratings, from this machine or from GroupLens.

    100,000 ratings, from 1 to 5, of 1,682 films by 943 users, each with at least 20 ratings, from September 1997 to
    April 1998.

    Parameters
    ----------
    split : {None, "ua", "ub"}, default=None
        One of the official splits, whose tests hold exactly ten ratings of each user and share none; None for the
        ratings as a whole.
    subset : {"all", "train", "test"}, default="all"
        Which rows. "train" and "test" need a `split`; "all" of a split is train followed by test.
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
        data : DataFrame or array with columns user_id, item_id, timestamp (seconds since 1970)
            A row per rating, in the publisher's order, which is not the order of time.
        target : Series or array of int64
            The rating.
        user_features : DataFrame of shape (943, 4) indexed by user_id
            ``age`` (years), ``gender`` (F or M), ``occupation``, ``zip_code`` (str).
        item_features : DataFrame of shape (1682, 4) indexed by item_id
            ``title``, ``release_date`` (NaT for the film "unknown"), ``genres`` (tuple of str), ``imdb_url``.
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
    Licence: for research only, not for commercial use, with acknowledgement in publications, and not to be
    redistributed without permission of GroupLens. Ratings of 4 and more are commonly taken for positives.

    References
    ----------
    Harper and Konstan (2015). The MovieLens Datasets: History and Context. ACM Transactions on Interactive Intelligent
    Systems 5(4), article 19. https://doi.org/10.1145/2827872

    Examples
    --------
    >>> from skrec.datasets import fetch_movielens_100k
    >>> X, y = fetch_movielens_100k(split="ua", subset="train", return_X_y=True)  # doctest: +SKIP
    >>> X.shape, int((y >= 4).sum())  # doctest: +SKIP
    ((90570, 3), 49906)
    """
    check_option("split", split, (None, "ua", "ub"))
    check_option("subset", subset, ("all", "train", "test"))
    if split is None and subset != "all":
        raise ValueError(f"subset={subset!r} needs split='ua' or split='ub'; got split=None.")
    parts = {"all": ("base", "test"), "train": ("base",), "test": ("test",)}[subset]
    names = ["u.data"] if split is None else [f"{split}.{part}" for part in parts]
    *ratings, users, items, genres = fetch_files(
        _FOLDER,
        [*names, "u.user", "u.item", "u.genre"],
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
    )
    return bundle(
        _read_ratings(ratings),
        "rating",
        as_frame=as_frame,
        return_X_y=return_X_y,
        user_features=_read_users(users),
        item_features=_read_items(items, genres),
        DESCR=_DESCR,
    )


def _read_ratings(paths):
    import pandas as pd

    names = ["user_id", "item_id", "rating", "timestamp"]
    return pd.concat([pd.read_csv(path, sep="\t", names=names) for path in paths], ignore_index=True)


def _read_users(path):
    import pandas as pd

    names = ["user_id", "age", "gender", "occupation", "zip_code"]
    users = pd.read_csv(path, sep="|", names=names, index_col="user_id", dtype={"zip_code": str})
    return users.astype({"gender": "category", "occupation": "category"})


def _read_items(path, genre_path):
    import pandas as pd

    genres = [line.split("|")[0] for line in genre_path.read_text().splitlines() if line]
    names = ["item_id", "title", "release_date", "video_release_date", "imdb_url", *genres]
    items = pd.read_csv(path, sep="|", names=names, index_col="item_id", encoding="latin-1")
    has_genre = items[genres].to_numpy(dtype=bool)
    return pd.DataFrame(
        {
            "title": items["title"],
            "release_date": pd.to_datetime(items["release_date"], format="%d-%b-%Y"),
            "genres": [tuple(g for g, has in zip(genres, row, strict=True) if has) for row in has_genre],
            "imdb_url": items["imdb_url"],
        }
    )
