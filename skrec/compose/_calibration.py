"""Maps that make the scores of two models comparable. None of them turns the order of a user's scores around."""

import numpy as np
from scipy.special import logit
from scipy.stats import rankdata

from skrec.utils._sklearn_compat import fit_sigmoid

# Log-odds for each standard deviation of the scores that a learnt map rises at least. It parts what a plateau of an
# isotonic map would tie, and decides nothing else.
_LEAST_SLOPE = 0.01


class RawScore:
    """The scores as they are."""

    is_learnt = False

    def transform(self, block):
        """Return the scores of some users (n_users, n_items) as float64 that may be written to."""
        return block.astype(np.float64)


class ZScore:
    """Deviation from the mean of the user's scores, in their standard deviations; 0 where all are equal."""

    is_learnt = False

    def transform(self, block):
        """Map the scores of some users (n_users, n_items); float64 of the same shape."""
        block = block.astype(np.float64)
        equal = np.ptp(block, axis=1) == 0
        block -= block.mean(axis=1, keepdims=True)
        deviation = block.std(axis=1, keepdims=True)
        deviation[equal] = 1.0
        block /= deviation
        block[equal] = 0.0
        return block


class Rank:
    """Place in the user's ranking, from 1 for the best to 0 for the worst; equal scores share their mean place."""

    is_learnt = False

    def transform(self, block):
        """Map the scores of some users (n_users, n_items); float64 of the same shape."""
        places = rankdata(block, axis=1) - 1
        return places / max(block.shape[1] - 1, 1)


class Platt:
    """Log-odds by a sigmoid, fitted with Platt's smoothed targets.

    Attributes
    ----------
    slope_, intercept_ : float
        Log-odds of a score s: ``slope_ * s + intercept_``.
    """

    is_learnt = True

    def fit(self, scores, is_own):
        """Learn to tell the model's own held-out pairs from other pairs.

        Parameters
        ----------
        scores : ndarray of shape (n_pairs,)
        is_own : ndarray of shape (n_pairs,), bool

        Returns
        -------
        self : Platt
        """
        slope, intercept = fit_sigmoid(scores.astype(np.float64), is_own)
        least = _LEAST_SLOPE / _deviation(scores)
        if slope < least:
            # The scores do not tell the pairs apart: the best flat map, all but flat.
            n_own = np.count_nonzero(is_own)
            slope = least
            intercept = np.log((n_own + 1) / (len(scores) - n_own + 1)) - slope * scores.mean(dtype=np.float64)
        self.slope_, self.intercept_ = float(slope), float(intercept)
        return self

    def transform(self, block):
        """Map scores of any shape to log-odds, float64."""
        return self.slope_ * block.astype(np.float64) + self.intercept_


class Isotonic:
    """Log-odds by the non-decreasing map that fits best.

    Attributes
    ----------
    regression_ : IsotonicRegression
        Map of scores to probabilities.
    """

    is_learnt = True

    def fit(self, scores, is_own):
        """Learn to tell the model's own held-out pairs from other pairs.

        Parameters
        ----------
        scores : ndarray of shape (n_pairs,)
        is_own : ndarray of shape (n_pairs,), bool

        Returns
        -------
        self : Isotonic
        """
        from sklearn.isotonic import IsotonicRegression

        scores = scores.astype(np.float64)
        self.regression_ = IsotonicRegression(out_of_bounds="clip").fit(scores, is_own.astype(np.float64))
        # A share of 0 or 1 among n pairs is not a certainty.
        self._bounds = 1 / (len(scores) + 2), (len(scores) + 1) / (len(scores) + 2)
        self._least_slope, self._mean = _LEAST_SLOPE / _deviation(scores), float(scores.mean())
        return self

    def transform(self, block):
        """Map scores of any shape to log-odds, float64."""
        scores = block.astype(np.float64)
        probability = self.regression_.predict(scores.ravel()).reshape(scores.shape)
        return logit(probability.clip(*self._bounds)) + self._least_slope * (scores - self._mean)


def _deviation(scores):
    """Return the standard deviation; 1 where there is none."""
    return float(scores.std(dtype=np.float64)) or 1.0


CALIBRATORS = {None: RawScore, "zscore": ZScore, "rank": Rank, "platt": Platt, "isotonic": Isotonic}
