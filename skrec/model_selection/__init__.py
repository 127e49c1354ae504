"""Splitters of interactions, for any `cv` of scikit-learn, and a check for the splits of others."""

from skrec.model_selection._audit import CheckedSplit, SplitReport, check_split
from skrec.model_selection._cold import ColdItemKFold, ColdUserKFold
from skrec.model_selection._global_time import GlobalTimeSplit
from skrec.model_selection._leave_last_out import LeaveLastOut
from skrec.model_selection._user_kfold import UserKFold

__all__ = [
    "CheckedSplit",
    "ColdItemKFold",
    "ColdUserKFold",
    "GlobalTimeSplit",
    "LeaveLastOut",
    "SplitReport",
    "UserKFold",
    "check_split",
]
