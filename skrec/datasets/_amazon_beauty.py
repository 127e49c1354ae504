"""Amazon Beauty, as the sequences of S3-Rec's repository."""

import json

import numpy as np

from skrec.datasets._bundle import bundle, read_item_lists
from skrec.datasets._remote import RemoteFolder, fetch_files

_FOLDER = RemoteFolder(
    name="amazon-beauty",
    url="https://raw.githubusercontent.com/aHuiWang/CIKM2020-S3Rec/49a890dcb516c9ed3126564495234ea74d5cd566/data",
    files={
        "Beauty.txt": "226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8",
        "Beauty_item2attributes.json": "129e40f67486f6877eff0f5318cfa8530ee8ac23d8b0d1de04e1bb7a2ba0b2d4",
    },
)

_DESCR = """\
Amazon Beauty
-------------
198,502 purchases reviewed by 22,363 users among 12,101 products; every user and product has at least five.
data: user_id, item_id, both from 1, and order, the place in the user's sequence from 0. target: 1.

Reviews collected by McAuley, Targett, Shi and van den Hengel (2015); sequences and attributes prepared for S3-Rec
(Zhou et al. 2020, arXiv:2008.07873), https://github.com/aHuiWang/CIKM2020-S3Rec. For research.
"""


def fetch_amazon_beauty(*, return_X_y=False, as_frame=True, data_home=None, download_if_missing=True, n_retries=3):
    """Load the sequences of Beauty products that users of Amazon reviewed.

    198,502 rows of 22,363 users and 12,101 products; every user and every product has at least five.

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
        data : DataFrame or array of shape (198502, 3) with columns user_id, item_id (both from 1) and order
            A row per product reviewed. ``order`` is the place in the user's sequence, from 0: it tells earlier from
            later within a user, as ``LeaveLastOut(time="order")`` needs it, and says nothing between users.
        target : Series or array of int64
            1 everywhere.
        item_features : DataFrame of shape (12101, 1) indexed by item_id
            ``attributes``: a tuple of int, the codes of categories and brand; empty where none is known.
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
    Licence: none is stated by the publishers, who ask for their papers to be cited. Use it for research.

    References
    ----------
    McAuley, Targett, Shi and van den Hengel (2015). Image-based Recommendations on Styles and Substitutes. SIGIR.
    https://arxiv.org/abs/1506.04757

    Zhou, Wang, Zhao, Zhu, Wang, Zhang, Wang and Wen (2020). S3-Rec: Self-Supervised Learning for Sequential
    Recommendation with Mutual Information Maximization. CIKM. https://arxiv.org/abs/2008.07873

    Examples
    --------
    >>> from skrec.datasets import fetch_amazon_beauty
    >>> X, y = fetch_amazon_beauty(return_X_y=True)  # doctest: +SKIP
    >>> X["user_id"].nunique()  # doctest: +SKIP
    22363
    """
    sequences, attributes = fetch_files(
        _FOLDER,
        ["Beauty.txt", "Beauty_item2attributes.json"],
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
    )
    frame = read_item_lists([sequences])
    frame.insert(2, "order", frame.groupby("user_id").cumcount())
    return bundle(
        frame,
        "positive",
        as_frame=as_frame,
        return_X_y=return_X_y,
        item_features=_read_attributes(attributes, np.unique(frame["item_id"])),
        DESCR=_DESCR,
    )


def _read_attributes(path, item_ids):
    import pandas as pd

    known = json.loads(path.read_text())
    attributes = [tuple(known.get(str(item), ())) for item in item_ids]
    return pd.DataFrame({"attributes": attributes}, index=pd.Index(item_ids, name="item_id"))
