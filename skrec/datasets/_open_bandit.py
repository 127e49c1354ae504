"""The Open Bandit Dataset, in the sample that its authors publish beside their code."""

import numpy as np

from skrec.datasets._bundle import bundle, check_option
from skrec.datasets._remote import RemoteFolder, fetch_files

_POLICIES = ("random", "bts")
_CAMPAIGNS = ("men", "women")

_FOLDER = RemoteFolder(
    name="obd",
    url="https://raw.githubusercontent.com/st-tech/zr-obp/8cbd5fa4558b7ad2ba4781546d6604e4cc3e07c4/obp/dataset/obd",
    files={
        "random/men.csv": "ede6d08c6877f99cd3770f7d09e26c738e6aa6de4445ccccfb1356ba5d06b1eb",
        "random/men_item_context.csv": "6d855c2b7e917d0448d71bbe62c023147495882c0fdc8c41e86fef86abf9fe09",
        "random/women.csv": "e65f3bd3beb17664fa69cc129bf7bf852a775f8ffa630506e505fc905315bb34",
        "random/women_item_context.csv": "b1ca4905f97703d196004f2ad4552c1e90c2afad8b50688d333b0d2dc0b33147",
        "bts/men.csv": "db6d1f7ed2d591ba521533e45286d4c1fba7fe57a8ad2e80342210335f43c527",
        "bts/men_item_context.csv": "3b411ed6b0471316321a6b93f4f756bb25888eac6218cd71d0b603d41d85732d",
        "bts/women.csv": "e5d1b49a39b608585a2f3014a3f54970430cd37a495c1b73fceb85cdf428a5b8",
        "bts/women_item_context.csv": "a56295bad066a558eb783055afd9279f5f4e209a4776eafc22151c53f0ac89d4",
    },
    # Here both files of a pair lie in one folder; the publisher has a folder for each pair.
    addresses={
        f"{policy}/{campaign}{there}.csv": f"{policy}/{campaign}/{here}.csv"
        for policy in _POLICIES
        for campaign in _CAMPAIGNS
        for there, here in (("", campaign), ("_item_context", "item_context"))
    },
)

_DESCR = """\
Open Bandit Dataset, sample: policy {policy}, campaign {campaign}
-----------------------------------------------------------------
10,000 impressions of {n_items} fashion items on ZOZOTOWN, from 24 to 30 November 2019, {n_clicks} of them clicked.
data: segment, item_id, position (1 to 3: left, centre, right), timestamp, user_feature_0 to user_feature_3.
target: 1 for a click. propensity: the probability with which the policy chose the item for the position.
user_item_affinity: a column an item, from the user's earlier clicks. item_features: a number and three hashed labels.

Saito, Aihara, Matsutani and Narita (2021). Open Bandit Dataset and Pipeline: Towards Realistic and Reproducible
Off-Policy Evaluation. arXiv:2008.07146. From https://github.com/st-tech/zr-obp, under the Apache License 2.0.
"""


def fetch_open_bandit(
    *,
    policy="random",
    campaign="men",
    return_X_y=False,
    as_frame=True,
    data_home=None,
    download_if_missing=True,
    n_retries=3,
):
    """Load impressions with click, position and propensity: the small sample of the Open Bandit Dataset.

    A shop showed three items at a time, chosen in one part of the traffic at random and in another by Bernoulli
    Thompson sampling, and logged with each the probability with which it was chosen. 10,000 impressions for each policy
    and campaign, and 46 to 69 clicks in them: differences below a third are noise.

    Parameters
    ----------
    policy : {"random", "bts"}, default="random"
        Which policy chose the items: all alike at random, or Bernoulli Thompson sampling.
    campaign : {"men", "women"}, default="men"
        Which items: 34 for men, or 46 for women.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        Whether data and target are a pandas DataFrame and Series, or arrays, of which that of data holds objects.
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
            Columns segment, item_id, position, timestamp, user_feature_0, user_feature_1, user_feature_2 and
            user_feature_3. A row per impression, in order of time. Users are not told apart: `segment` names the
            combination of the four features, each by the first four letters of its hash. ``position`` is 1, 2 or 3;
            ``timestamp`` is in UTC.
        target : Series or array of int64
            1 for a click, 0 for none.
        propensity : ndarray of shape (10000,), float64
            Probability with which the policy chose the item for the position.
        item_features : DataFrame of shape (n_items, 4) indexed by item_id
            ``item_feature_0``, a number, and three hashed labels. The labels were hashed for each policy anew.
        user_item_affinity : ndarray of shape (10000, n_items), float64
            Affinity of the user with each item, from the user's earlier clicks; column i is item i. Nearly all are 0.
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

    See Also
    --------
    skrec.metrics.ips_value : What another policy would have earned.

    Notes
    -----
    The whole data set has 26 million impressions; its site, https://research.zozo.com/data.html, has no file with a
    fixed address that could be checked here.

    Licence: the repository that holds the sample is under the Apache License 2.0.

    References
    ----------
    Saito, Aihara, Matsutani and Narita (2021). Open Bandit Dataset and Pipeline: Towards Realistic and Reproducible
    Off-Policy Evaluation. NeurIPS Datasets and Benchmarks. https://arxiv.org/abs/2008.07146

    Examples
    --------
    >>> from skrec.datasets import fetch_open_bandit
    >>> log = fetch_open_bandit(policy="bts", campaign="women")  # doctest: +SKIP
    >>> log.data.shape, int(log.target.sum())  # doctest: +SKIP
    ((10000, 8), 46)
    """
    import pandas as pd

    check_option("policy", policy, _POLICIES)
    check_option("campaign", campaign, _CAMPAIGNS)
    impressions, items = fetch_files(
        _FOLDER,
        [f"{policy}/{campaign}.csv", f"{policy}/{campaign}_item_context.csv"],
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
    )
    log = pd.read_csv(impressions, index_col=0)
    item_features = pd.read_csv(items, index_col=0).set_index("item_id")
    labels = [f"user_feature_{k}" for k in range(4)]
    first, *others = (log[label].str[:4] for label in labels)
    segment = first.str.cat(others, sep="-")
    frame = pd.DataFrame(
        {
            "segment": segment,
            "item_id": log["item_id"],
            "position": log["position"],
            "timestamp": pd.to_datetime(log["timestamp"], utc=True),
            **log[labels].astype("category"),
            "click": log["click"],
        }
    )
    return bundle(
        frame,
        "click",
        as_frame=as_frame,
        return_X_y=return_X_y,
        propensity=log["propensity_score"].to_numpy(),
        item_features=item_features,
        user_item_affinity=np.column_stack([log[f"user-item_affinity_{item}"] for item in item_features.index]),
        DESCR=_DESCR.format(policy=policy, campaign=campaign, n_items=len(item_features), n_clicks=log["click"].sum()),
    )
