"""The ranker of those who name none."""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline


class _NotIds:
    """Chooses the columns of numbers, flags and categories that are not ids; a class, so that it can be pickled."""

    def __init__(self, ids):
        self.ids = ids

    def __call__(self, frame):
        return frame.select_dtypes(["number", "bool", "category"]).columns.difference(self.ids, sort=False).tolist()


def default_ranker(ids):
    """Return gradient boosted trees, set for the many rows and few positives that candidates make."""
    choose = ColumnTransformer([("columns", "passthrough", _NotIds(ids))], verbose_feature_names_out=False)
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=150, max_leaf_nodes=8, min_samples_leaf=100, categorical_features="from_dtype"
    )
    return Pipeline([("columns", choose.set_output(transform="pandas")), ("trees", trees)])
