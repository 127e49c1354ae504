"""Losses of a pair of scores, and of all scores of a user, as objects whose parameters a search can tune."""

import numpy as np
from sklearn.base import BaseEstimator

from skrec.utils._validation import check_parameter, is_integer, is_real

__all__ = [
    "BPRLoss",
    "BaseBlockLoss",
    "BaseLoss",
    "BilateralSoftmaxLoss",
    "CosineContrastiveLoss",
    "HingeLoss",
    "LogisticLoss",
    "PairwiseSoftmaxLoss",
    "SoftmaxAtKLoss",
    "SoftmaxLoss",
    "WARPLoss",
]


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


class _MarginLoss(BaseLoss):
    def __init__(self, margin=0.6):
        self.margin = margin

    def _make_state(self):
        from skrec._kernels._losses import HINGE, LossState

        return LossState(HINGE, float(self.margin))


class HingeLoss(_MarginLoss):
    """Triplet hinge: ``max(0, margin - (s_pos - s_neg))``.

    In :class:`~skrec.TwoTowerRetriever` the mean over a user's negatives, for each positive: the group-wise loss, which
    with one positive and one negative is the triplet's.

    Parameters
    ----------
    margin : float, default=0.6
        How far a positive must be ahead, in units of the score. Cosine scores lie in [-1, 1], and on MovieLens 0.5 to
        0.7 ranks best; with 1 nearly every pair keeps a gradient. For dot products the
        vectors' lengths adapt to any margin.

    References
    ----------
    Weinberger and Saul, "Distance metric learning for large margin nearest neighbor classification", JMLR 10, 2009, eq.
    11 (there on squared distances). Zhu et al., "GDNS", WWW 2022 (groups of positives and negatives; there the sum over
    pairs).

    Examples
    --------
    >>> from skrec.losses import HingeLoss
    >>> HingeLoss(margin=0.5)([0.75, 2.0], [0.5, 0.0])
    array([0.25, 0.  ])
    """

    def _make_block_state(self, temperature):
        from skrec._kernels._block import HINGE, BlockLossState

        check_parameter(self, "margin", is_real(self.margin, 0), "a finite number of at least 0")
        return BlockLossState(HINGE, 1.0, float(self.margin), 0.0, 0)


class WARPLoss(_MarginLoss):
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

    In :class:`~skrec.TwoTowerRetriever` the mean over a user's negatives, for each positive.

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

    def _make_block_state(self, temperature):
        from skrec._kernels._block import BPR, BlockLossState

        return BlockLossState(BPR, 1.0, 0.0, 0.0, 0)


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


class BaseBlockLoss(BaseEstimator):
    """Base of losses of all scores of a user: positives against negatives.

    :class:`~skrec.TwoTowerRetriever` adds them up over users. A subclass returns the state that kernels know it by from
    ``_make_block_state(temperature)``; `temperature` is the number that stands for "auto".
    """

    def _make_block_state(self, temperature):
        raise NotImplementedError(f"{type(self).__name__} must return its kernel state from _make_block_state().")

    def __call__(self, s_pos, s_neg):
        """Return the loss of a user's scores, the sum over the positives.

        Parameters
        ----------
        s_pos : array-like of shape (n_pos,)
            Scores of the positives.
        s_neg : array-like of shape (n_neg,)
            Scores of the negatives, every one of which is compared with every positive. ``temperature="auto"`` is 1
            here.

        Returns
        -------
        float
            Computed from float32 scores, as in training.
        """
        return self._evaluate(s_pos, s_neg)[0]

    def gradient(self, s_pos, s_neg):
        """Return the derivatives of the loss with respect to all scores.

        Parameters
        ----------
        s_pos, s_neg : array-like of shape (n_pos,) and (n_neg,)
            Scores of the positives and of the negatives.

        Returns
        -------
        d_pos, d_neg : ndarray of shape (n_pos,) and (n_neg,), float32
        """
        return self._evaluate(s_pos, s_neg)[1:]

    def _evaluate(self, s_pos, s_neg):
        from skrec._kernels._block import evaluate_row

        s_pos, s_neg = (np.array(scores, np.float32, ndmin=1) for scores in (s_pos, s_neg))
        scratch = np.empty(len(s_pos) + 2 * len(s_neg), np.float32)
        loss = evaluate_row(self._make_block_state(1.0), s_neg, s_pos, np.ones_like(s_pos), scratch)
        return float(loss), s_pos, s_neg


class _TemperedLoss(BaseBlockLoss):
    def _tempered(self, code, temperature, first=0.0, second=0.0, activation=0):
        from skrec._kernels._block import BlockLossState

        own = self.temperature
        given = isinstance(own, str) and own == "auto" or is_real(own, 0) and own > 0
        check_parameter(self, "temperature", given, '"auto" or a finite number above 0')
        number = temperature if isinstance(own, str) else own
        return BlockLossState(code, float(number), float(first), float(second), int(activation))


class SoftmaxLoss(_TemperedLoss):
    r"""Softmax cross-entropy of each positive against all negatives of its user (SSM, InfoNCE).

    .. math:: L = \sum_{i} \Big( -\frac{s_i}{\tau} + \log \Big( [e^{s_i / \tau}] + \sum_j e^{s_j / \tau} \Big) \Big)

    A user's other positives do not compete with a positive.

    Parameters
    ----------
    temperature : float or "auto", default="auto"
        :math:`\tau`, in units of the score: low, and the few highest negatives take all of the gradient. Cosine scores
        want 0.05 to 0.3, more for dense data. "auto" leaves it to the estimator.
    include_positive : bool, default=True
        Whether the positive is in its own denominator. False is the decoupled form (SL), which pulls every positive
        alike, however far ahead it is.

    Notes
    -----
    Scores of shared negatives are corrected for the law that they were drawn by, see
    :class:`~skrec.samplers.InBatchSampler`.

    References
    ----------
    Wu et al., "On the effectiveness of sampled softmax loss for item recommendation", TOIS 2024, eq. 5. Yeh et al.,
    "Decoupled contrastive learning", ECCV 2022.

    Examples
    --------
    >>> from skrec.losses import SoftmaxLoss
    >>> loss = SoftmaxLoss(temperature=0.5)
    >>> round(loss([1.0], [0.0, 0.5]), 4)
    0.4076
    >>> d_pos, d_neg = loss.gradient([1.0], [0.0, 0.5])
    >>> d_neg.round(3)
    array([0.18 , 0.489], dtype=float32)
    """

    def __init__(self, temperature="auto", include_positive=True):
        self.temperature = temperature
        self.include_positive = include_positive

    def _make_block_state(self, temperature):
        from skrec._kernels._block import SOFTMAX

        good = isinstance(self.include_positive, (bool, np.bool_))
        check_parameter(self, "include_positive", good, "a bool")
        return self._tempered(SOFTMAX, temperature, self.include_positive)


class BilateralSoftmaxLoss(_TemperedLoss):
    r"""Softmax on both sides: log-mean-exp over a user's negatives and over its positives (BSL).

    .. math:: L = \frac{n}{\tau_2} \Big( \tau_2 \log \frac{1}{m} \sum_j e^{s_j / \tau_2}
              - \tau_1 \log \frac{1}{n} \sum_i e^{s_i / \tau_1} \Big)

    for n positives and m negatives. Positives that score low weigh little, so that false ones do little harm: the lower
    :math:`\tau_1`, the less.

    Parameters
    ----------
    temperature : float or "auto", default="auto"
        :math:`\tau_2`, of the negatives. "auto" leaves it to the estimator.
    positive_temperature : float, default=1.0
        :math:`\tau_1`, of the positives. `numpy.inf` weighs them alike: the decoupled softmax loss less log m each.

    Notes
    -----
    The paper's loss of two temperatures, times the constant :math:`n / \tau_2`, which makes it comparable with
    :class:`SoftmaxLoss`. The paper's code averages over the positives of a user that are in a batch; a user of one has
    :math:`-s/\tau_2` and no use for :math:`\tau_1`. Weights of rows weigh the mean over positives. Another form
    called BSL has one temperature and a power of the sum over negatives. It is not offered: it changes with the level
    of the scores.

    References
    ----------
    Wu et al., "BSL: understanding and improving softmax loss for recommendation", ICDE 2024, arXiv:2312.12882.

    Examples
    --------
    >>> from skrec.losses import BilateralSoftmaxLoss
    >>> loss = BilateralSoftmaxLoss(temperature=0.2, positive_temperature=0.5)
    >>> loss.gradient([0.9, 0.1], [0.0])[0].round(2)
    array([-8.32, -1.68], dtype=float32)
    """

    def __init__(self, temperature="auto", positive_temperature=1.0):
        self.temperature = temperature
        self.positive_temperature = positive_temperature

    def _make_block_state(self, temperature):
        from skrec._kernels._block import BILATERAL

        own = self.positive_temperature
        good = isinstance(own, float) and own == np.inf or is_real(own, 0) and own > 0
        check_parameter(self, "positive_temperature", good, "a number above 0, or infinity")
        return self._tempered(BILATERAL, temperature, own)


class SoftmaxAtKLoss(_TemperedLoss):
    r"""Softmax loss that weighs a positive by how near the user's top k it is (SL@K), for NDCG at k.

    .. math:: L = \sum_i \sigma \Big( \frac{s_i - \beta}{\tau_w} \Big) \log \sum_j e^{(s_j - s_i) / \tau}

    where :math:`\beta` is the k-th highest of the user's scores.

    Parameters
    ----------
    temperature : float or "auto", default="auto"
        :math:`\tau`. "auto" leaves it to the estimator.
    weight_temperature : float, default=1.0
        :math:`\tau_w`, in units of the score. The higher, the more alike are the weights.
    k : int, default=20
        Length of the list.

    Notes
    -----
    :math:`\beta` is taken afresh from the positives and negatives at hand; the authors' code takes it every 5 to 20
    epochs. With shared negatives it is the k-th of the sample, as theirs is. The weight is not differentiated. In the
    authors' code it is, which adds a term that pulls a positive down while its loss is above 0. With fewer than k
    scores :math:`\beta` is the lowest.

    References
    ----------
    Yang et al., "Breaking the top-K barrier: advancing top-K ranking metrics optimization in recommender systems", KDD
    2025.

    Examples
    --------
    >>> from skrec.losses import SoftmaxAtKLoss
    >>> loss = SoftmaxAtKLoss(temperature=1.0, weight_temperature=0.1, k=1)
    >>> d_pos, _ = loss.gradient([0.5, 0.0], [0.0, 0.0])
    >>> d_pos.round(3)
    array([-0.5  , -0.007], dtype=float32)
    """

    def __init__(self, temperature="auto", weight_temperature=1.0, k=20):
        self.temperature = temperature
        self.weight_temperature = weight_temperature
        self.k = k

    def _make_block_state(self, temperature):
        from skrec._kernels._block import SOFTMAX_AT_K

        good = is_real(self.weight_temperature, 0) and self.weight_temperature > 0
        check_parameter(self, "weight_temperature", good, "a finite number above 0")
        check_parameter(self, "k", is_integer(self.k, 1), "an integer of at least 1")
        return self._tempered(SOFTMAX_AT_K, temperature, self.weight_temperature, self.k)


class PairwiseSoftmaxLoss(_TemperedLoss):
    r"""Softmax loss with a bounded activation in place of the exponential (PSL).

    .. math:: L = \sum_i \log \sum_j \sigma(s_j - s_i)^{1 / \tau}

    Differences of scores beyond the activation's range have no gradient, where those of the softmax take nearly all of
    it.

    Parameters
    ----------
    temperature : float or "auto", default="auto"
        :math:`\tau`, of the order of the softmax loss's, or half. "auto" leaves it to the estimator.
    activation : {"relu", "tanh", "arctan"}, default="relu"
        :math:`\sigma(d)`: max(0, d + 1), tanh(d) + 1, or arctan(d) + 1 where that is positive. Made for cosines, whose
        differences are at most 2.

    Notes
    -----
    Scores of shared negatives are not corrected for the law that they were drawn by.

    References
    ----------
    Yang et al., "PSL: rethinking and improving softmax loss from pairwise perspective for recommendation", NeurIPS
    2024.

    Examples
    --------
    >>> from skrec.losses import PairwiseSoftmaxLoss
    >>> PairwiseSoftmaxLoss(temperature=0.5).gradient([0.5], [-0.8, 0.0, 0.5])[1].round(3)
    array([0. , 0.8, 1.6], dtype=float32)
    """

    def __init__(self, temperature="auto", activation="relu"):
        self.temperature = temperature
        self.activation = activation

    def _make_block_state(self, temperature):
        from skrec._kernels._block import ARCTAN, PAIRWISE_SOFTMAX, RELU, TANH

        codes = {"relu": RELU, "tanh": TANH, "arctan": ARCTAN}
        good = isinstance(self.activation, str) and self.activation in codes
        check_parameter(self, "activation", good, "one of 'relu', 'tanh' and 'arctan'")
        return self._tempered(PAIRWISE_SOFTMAX, temperature, activation=codes[self.activation])


class CosineContrastiveLoss(BaseBlockLoss):
    r"""Cosine contrastive loss (CCL): a pull on positives, a push on negatives that score above a margin.

    .. math:: L = \sum_i \Big( \max(0, 1 - s_i) + \frac{w}{m} \sum_{j=1}^{m} \max(0, s_j - \text{margin}) \Big)

    Parameters
    ----------
    margin : float, default=0.6
        Score that a negative may have without being pushed.
    negative_weight : float, default=10.0
        w, the weight of the mean over negatives beside the positive. Of a whole catalogue few are above the margin; the
        paper's weights, 100 and more, are for other data and a thousand negatives or so.

    Notes
    -----
    Scores of shared negatives are not corrected for the law that they were drawn by.

    References
    ----------
    Mao et al., "SimpleX: a simple and strong baseline for collaborative filtering", CIKM 2021, eq. 1.

    Examples
    --------
    >>> from skrec.losses import CosineContrastiveLoss
    >>> loss = CosineContrastiveLoss(margin=0.5, negative_weight=10.0)
    >>> round(loss([0.75], [0.625, 0.25]), 3)
    0.875
    >>> loss.gradient([0.75], [0.625, 0.25])[1]
    array([5., 0.], dtype=float32)
    """

    def __init__(self, margin=0.6, negative_weight=10.0):
        self.margin = margin
        self.negative_weight = negative_weight

    def _make_block_state(self, temperature):
        from skrec._kernels._block import CONTRASTIVE, BlockLossState

        good = is_real(self.margin, -np.inf) and -1 <= self.margin < 1
        check_parameter(self, "margin", good, "a number from -1 to below 1")
        good = is_real(self.negative_weight, 0)
        check_parameter(self, "negative_weight", good, "a finite number of at least 0")
        return BlockLossState(CONTRASTIVE, 1.0, float(self.margin), float(self.negative_weight), 0)
