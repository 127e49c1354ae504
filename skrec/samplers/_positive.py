"""Which positives an epoch trains on, and with what weight: the other side of a triplet."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from skrec.utils._validation import check_parameter, count_positives, is_real


class BasePositiveSampler(BaseEstimator):
    """Base of what is given to an estimator as its ``positive_sampler``: a law by item, learnt from the popularity."""

    def fit(self, X, y=None):
        """Learn the law from the interactions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_users, n_items)
            Interactions: above 0 a positive, below 0 an explicit negative, 0 unobserved.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : object
            Fitted positive sampler.
        """
        self._check_parameters()
        X = validate_data(self, X, accept_sparse="csr", dtype=[np.int8, np.float64, np.float32])
        counts = np.asarray((X > 0).sum(axis=0)).ravel() if not hasattr(X, "indices") else count_positives(X)
        self._fit_counts(counts / max(counts.max(initial=0), 1))
        return self

    def _check_parameters(self):
        """Raise where a parameter is not allowed."""

    def _fit_counts(self, popularity):
        """Learn from the items' positives, as shares of those of the most popular item."""

    def _kept(self):
        """Share of each item's positives that an epoch trains on, (n_items,) float64; None: all."""
        return None

    def _weight(self):
        """Weight of each item's positives, (n_items,) float64; None: one."""
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class PopularityDownSampler(BasePositiveSampler):
    """Leave out a part of the positives of popular items, chosen anew in each epoch: word2vec's rule.

    Parameters
    ----------
    top_kept : float, default=0.3
        Share of the positives of the most popular item that an epoch trains on, above 0 and up to 1, where nothing is
        left out. Values from 0.2 to 0.5 are usual.

    Attributes
    ----------
    kept_ : ndarray of shape (n_items,), float64
        Share of each item's positives that an epoch trains on.
    n_features_in_ : int
        Number of items.

    See Also
    --------
    InversePropensityWeighter : Weights instead, so that every positive is trained on.

    Notes
    -----
    A positive of an item of frequency f is kept with probability ``min(1, sqrt(t / f))``, the form of the paper (the
    code that came with it has ``sqrt(t / f) + t / f``, which keeps a little more). The paper gives t in absolute terms,
    for words; here it is set by `top_kept`: ``t = top_kept ** 2 * max(f)``, so that items up to ``top_kept ** 2`` of
    the popularity of the most popular one keep everything.

    What is left out of an epoch is still known: it is not drawn as a negative. It depends on data and seed alone. An
    epoch gets shorter by what is left out: compare at equal numbers of steps, not of epochs.

    Less weight on the head of the catalogue is also what :class:`PopularitySampler` gives, from the side of the
    negatives: together they can over-correct.

    References
    ----------
    Mikolov et al., "Distributed representations of words and phrases and their compositionality", NIPS 2013, section
    2.3.

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.samplers import PopularityDownSampler
    >>> seen = np.zeros((100, 3))
    >>> seen[:, 0], seen[:25, 1], seen[:4, 2] = 1, 1, 1
    >>> PopularityDownSampler(top_kept=0.3).fit(seen).kept_
    array([0.3, 0.6, 1. ])
    """

    def __init__(self, top_kept=0.3):
        self.top_kept = top_kept

    def _check_parameters(self):
        allowed = is_real(self.top_kept, 0) and 0 < self.top_kept <= 1
        check_parameter(self, "top_kept", allowed, "a number above 0 and up to 1")

    def _fit_counts(self, popularity):
        with np.errstate(divide="ignore"):
            self.kept_ = np.minimum(self.top_kept / np.sqrt(popularity), 1.0)

    def _kept(self):
        return self.kept_


class InversePropensityWeighter(BasePositiveSampler):
    """Weigh the positives of rare items up, by the inverse of the propensity that they are seen at all.

    Parameters
    ----------
    eta : float, default=0.5
        The propensity is ``(count / largest count) ** eta``. 0 weighs all alike.
    clip : float, default=0.1
        Least propensity, above 0 and up to 1: no positive weighs more than ``1 / clip`` times one of the most popular
        item.

    Attributes
    ----------
    propensity_ : ndarray of shape (n_items,), float64
        Propensity of each item.
    weight_ : ndarray of shape (n_items,), float64
        Weight of each item's positives: the inverse of the propensity over its mean over all positives, so that a
        learning rate means the same with and without.
    n_features_in_ : int
        Number of items.

    See Also
    --------
    PopularityDownSampler : Leaves positives out instead, which is faster.

    Notes
    -----
    Weights and left-out positives can have the same expectation; weights vary less from epoch to epoch. A weight
    multiplies the gradient of the triplet, and `sample_weight` where there is one. Plain SGD then takes longer steps
    for rare items, and AdaGrad and Adam, which divide by the size of the gradients that a row has seen, much undo that
    for the items' own vectors: what remains is the users' side. Negatives are unobserved, so that their part of the
    paper's loss has no propensity.

    As :class:`PopularityDownSampler`, it corrects in the same direction as :class:`PopularitySampler` does.

    References
    ----------
    Saito et al., "Unbiased recommender learning from missing-not-at-random implicit feedback", WSDM 2020, section 3
    and 4.2 (eta = 0.5).

    Examples
    --------
    >>> import numpy as np
    >>> from skrec.samplers import InversePropensityWeighter
    >>> seen = np.zeros((100, 3))
    >>> seen[:, 0], seen[:25, 1], seen[:1, 2] = 1, 1, 1
    >>> weighter = InversePropensityWeighter(clip=0.2).fit(seen)
    >>> weighter.propensity_
    array([1. , 0.5, 0.2])
    >>> (weighter.weight_ / weighter.weight_[0]).round(3)
    array([1., 2., 5.])
    """

    def __init__(self, eta=0.5, clip=0.1):
        self.eta = eta
        self.clip = clip

    def _check_parameters(self):
        check_parameter(self, "eta", is_real(self.eta, 0), "a finite number of at least 0")
        check_parameter(self, "clip", is_real(self.clip, 0) and 0 < self.clip <= 1, "a number above 0 and up to 1")

    def _fit_counts(self, popularity):
        self.propensity_ = np.maximum(popularity**self.eta, self.clip)
        inverse = 1.0 / self.propensity_
        total = popularity.sum()
        self.weight_ = inverse * (total / (popularity @ inverse)) if total else np.ones_like(inverse)

    def _weight(self):
        return self.weight_
