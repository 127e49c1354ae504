"""Last.fm, in the split of LightGCN's repository."""

from skrec.datasets._bundle import bundle, check_option
from skrec.datasets._remote import RemoteFolder, fetch_files

_FOLDER = RemoteFolder(
    name="lastfm",
    url="https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/947ca2b3b1d2d3545b114145710cb06c4e57b3d2/data/lastfm",
    files={
        "data1.txt": "c82af3228cbbda2f55a39244de09ed93292894f1d0d9f1908ebb57e27598fded",
        "test1.txt": "de4417c0e6123284ce59a0934bcf5288ec1ec8774a18a1eef453c9952dfa48f9",
        "trustnetwork.txt": "5b5bd7cbe4d22f3cd333dbfc7ec4b995cb2bdb28d95b0e9c5fc5607079f7b69e",
    },
)

_DESCR = """\
Last.fm
-------
52,668 pairs of 1,880 users and 4,489 artists with the number of plays: 42,135 to train and 10,533 to test.
data: user_id, item_id, both from 1. target: the number of plays. trust: the friends of 1,892 users.

Collected for HetRec 2011 (Cantador, Brusilovsky and Kuflik 2011) from https://www.last.fm; the selection and split are
those of LightGCN's repository, https://github.com/gusye1234/LightGCN-PyTorch. For research, not for commercial use.
"""


def fetch_lastfm(
    *, subset="all", return_X_y=False, as_frame=True, data_home=None, download_if_missing=True, n_retries=3
):
    """Load who listened to which artist on Last.fm, in the split of LightGCN's repository.

    52,668 pairs of 1,880 users and 4,489 artists with the number of plays, 42,135 of them to train and 10,533 to test,
    and the users' friends.

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
        data : DataFrame or array with columns user_id and item_id, both from 1
            A row per pair, in the publisher's order, which means nothing: there are no times.
        target : Series or array of int64
            How often the user played the artist, at least once.
        trust : DataFrame with columns user_id and friend_id
            A row per direction of a friendship, of all 1,892 users: 12 of them have no pair in ``data``.
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
    Licence: the data of Last.fm, collected for HetRec 2011, are for non-commercial use.

    References
    ----------
    Cantador, Brusilovsky and Kuflik (2011). 2nd Workshop on Information Heterogeneity and Fusion in Recommender Systems
    (HetRec 2011). RecSys. https://grouplens.org/datasets/hetrec-2011/

    He, Deng, Wang, Li, Zhang and Wang (2020). LightGCN: Simplifying and Powering Graph Convolution Network for
    Recommendation. SIGIR. https://arxiv.org/abs/2002.02126

    Examples
    --------
    >>> from skrec.datasets import fetch_lastfm
    >>> X, y = fetch_lastfm(subset="train", return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (42135, 2)
    """
    import pandas as pd

    check_option("subset", subset, ("all", "train", "test"))
    names = {"all": ["data1.txt", "test1.txt"], "train": ["data1.txt"], "test": ["test1.txt"]}[subset]
    *pairs, trust = fetch_files(
        _FOLDER,
        [*names, "trustnetwork.txt"],
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
    )
    columns = ["user_id", "item_id", "n_plays"]
    return bundle(
        pd.concat([pd.read_csv(path, sep="\t", names=columns) for path in pairs], ignore_index=True),
        "n_plays",
        as_frame=as_frame,
        return_X_y=return_X_y,
        trust=pd.read_csv(trust, sep="\t", names=["user_id", "friend_id"]),
        DESCR=_DESCR,
    )
