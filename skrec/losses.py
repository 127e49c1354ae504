"""Losses of a pair of scores, as objects whose parameters a search can tune."""

import numpy as np
from sklearn.base import BaseEstimator

__all__ = ["BPRLoss", "BaseLoss", "HingeLoss", "LogisticLoss", "WARPLoss"]


class BaseLoss(BaseEstimator):
    """Base of losses l(s_pos, s_neg) of the scores of a positive and of a negative item of one user.

    A subclass returns from ``_make_state()`` a module-level :class:`typing.NamedTuple` for which
    :func:`skrec.samplers.register_loss` has registered the function.
    """

    def _make_state(self):
        raise NotImplementedError(f"{type(self).__name__} must return its kernel state from _make_state().")

    def __call__(self, s_pos, s_neg):
        """Return the loss of each pair of scores.

        Parameters
        ----------
        s_pos, s_neg : array-like of shape (n,)
            Scores of the positive and of the negative items.

        Returns
        -------
        ndarray of shape (n,), float64
        """
        return self._evaluate(s_pos, s_neg)[:, 0]

    def gradient(self, s_pos, s_neg):
        """Return the derivatives of the loss with respect to both scores.

        Parameters
        ----------
        s_pos, s_neg : array-like of shape (n,)
            Scores of the positive and of the negative items.

        Returns
        -------
        d_pos, d_neg : ndarray of shape (n,), float64
        """
        values = self._evaluate(s_pos, s_neg)
        return values[:, 1], values[:, 2]

    def _evaluate(self, s_pos, s_neg):
        from skrec._kernels._losses import loss_grad_many

        s_pos, s_neg = np.broadcast_arrays(np.asarray(s_pos, np.float64), np.asarray(s_neg, np.float64))
        out = np.empty((s_pos.size, 3))
        loss_grad_many(self._make_state(), s_pos.ravel().copy(), s_neg.ravel().copy(), out)
        return out


class HingeLoss(BaseLoss):
    """Triplet hinge: ``max(0, margin - (s_pos - s_neg))``.

    Parameters
    ----------
    margin : float, default=0.6
        How far a positive must be ahead, in units of the score. Cosine scores lie in [-1, 1], and on MovieLens 0.5 to
        0.7 ranks best; with 1 nearly every pair keeps a gradient. For dot products the
        vectors' lengths adapt to any margin.

    References
    ----------
    Weinberger and Saul, "Distance metric learning for large margin nearest neighbor classification", JMLR 10, 2009, eq.
    11 (there on squared distances).

    Examples
    --------
    >>> from skrec.losses import HingeLoss
    >>> HingeLoss(margin=0.5)([0.75, 2.0], [0.5, 0.0])
    array([0.25, 0.  ])
    """

    def __init__(self, margin=0.6):
        self.margin = margin

    def _make_state(self):
        from skrec._kernels._losses import HINGE, LossState

        return LossState(HINGE, float(self.margin))


class WARPLoss(HingeLoss):
    """Hinge on the first violator, weighted by the rank that finding it took: WARP.

    The weight comes from the draw, so that this loss needs :class:`~skrec.samplers.WARPSampler`, which is its default
    sampler.

    Parameters
    ----------
    margin : float, default=0.6
        How far a positive must be ahead, in units of the score.

    References
    ----------
    Weston, Bengio and Usunier, "WSABIE: scaling up to large vocabulary image annotation", IJCAI 2011, section 3.

    Examples
    --------
    >>> from skrec import TripletMF
    >>> from skrec.losses import WARPLoss
    >>> TripletMF(loss=WARPLoss(margin=0.5)).loss
    WARPLoss(margin=0.5)
    """


class BPRLoss(BaseLoss):
    """Bayesian personalised ranking: ``log(1 + exp(-(s_pos - s_neg)))``.

    References
    ----------
    Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009, section 4.1 (BPR-OPT, without
    its prior: that is the estimator's ``l2``).

    Examples
    --------
    >>> from skrec.losses import BPRLoss
    >>> BPRLoss()([0.0], [0.0]).round(4)
    array([0.6931])
    """

    def _make_state(self):
        from skrec._kernels._losses import BPR, LossState

        return LossState(BPR, 0.0)


class LogisticLoss(BaseLoss):
    """Logistic loss of both scores by themselves: ``log(1 + exp(-s_pos)) + log(1 + exp(s_neg))``.

    Binary cross-entropy with one sampled negative a positive. Unlike the others it depends on the level of the scores,
    not only on their difference, so that item biases matter more.

    References
    ----------
    Mikolov et al., "Distributed representations of words and phrases and their compositionality", NIPS 2013, eq. 4 with
    k = 1.

    Examples
    --------
    >>> from skrec.losses import LogisticLoss
    >>> LogisticLoss()([0.0], [0.0]).round(4)
    array([1.3863])
    """

    def _make_state(self):
        from skrec._kernels._losses import LOGISTIC, LossState

        return LossState(LOGISTIC, 0.0)
