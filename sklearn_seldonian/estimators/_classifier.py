"""The classifier that returns a model only with a certificate."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelEncoder
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite
from torch import nn

from sklearn_seldonian.data._arguments import aligned_probabilities, groups_for
from sklearn_seldonian.data._targets import Labels, column_of_labels, labels_given
from sklearn_seldonian.estimators._base import CertifiedEstimator
from sklearn_seldonian.estimators._docstrings import with_entries_of
from sklearn_seldonian.estimators._groups_seen import GroupsOnRequest, check_group_thresholds
from sklearn_seldonian.estimators._learner_parameters import LearnerParameters
from sklearn_seldonian.learners.lagrangian import probabilities


def _has_probabilities(estimator):
    fallback = getattr(estimator, "fallback_", None)
    if getattr(estimator, "solution_found_", True) or fallback is None:
        return True
    return hasattr(fallback, "predict_proba")


class CertifiedClassifier(GroupsOnRequest, ClassifierMixin, CertifiedEstimator):
    """The part of the classifiers that does not depend on the learner."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CertifiedEstimator._parameter_constraints,
        "decision": [StrOptions({"argmax", "sample"})],
        "group_thresholds": ["boolean"],
        "fallback": [HasMethods(["fit", "predict"]), StrOptions({"majority"}), None],
    }
    _constant_fallback = DummyClassifier(strategy="most_frequent")

    # -- parts that only classifiers have ------------------------------------------------

    def _promised(self):
        return {
            "decision": self.decision,
            "pos_label": repr(self.pos_label),
            "group_thresholds": self.group_thresholds,
        }

    def _check_specification(self):
        if self.group_thresholds:
            check_group_thresholds(self._specification_, self.decision)

    def _learn_targets(self, y):
        y = column_of_labels(y, self.missing)
        known = labels_given(y)
        assert_all_finite(known, input_name="y")
        self.classes_ = LabelEncoder().fit(known).classes_
        check_classification_targets(known)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes, but the data contains "
                f"only one class: {self.classes_[0]!r}. Give fit rows of every class."
            )
        targets = self._targets_of(self.classes_)
        return targets, *targets.check(y, self.missing)

    def _targets_of(self, classes):
        return Labels.of(classes, self.pos_label, self.decision, self.group_thresholds)

    @property
    def scale_(self):
        """The factor of the module's scores; 1 if decisions are not drawn."""
        return self._trained_net.adjustment_.scale

    @property
    def offsets_(self):
        """The offsets that are added to the module's scaled scores, one number per class."""
        if self._model.group_offsets is not None:
            raise AttributeError(
                "With group_thresholds=True each group has its own offsets. They are in "
                "group_offsets_."
            )
        return self._trained_net.adjustment_.offset_of_each(len(self.classes_))

    @property
    def group_offsets_(self):
        """The offsets that are added to the scores, a DataFrame with one row per group."""
        offsets = self._model.group_offsets
        if offsets is None:
            raise AttributeError(
                "With group_thresholds=False all rows have the same offsets. They are in offsets_."
            )
        return pd.DataFrame(offsets.offsets, index=offsets.names, columns=self.classes_)

    @property
    def probability_range_(self):
        """The lowest and the highest probabilities that the module's are clipped to."""
        adjustment = self._trained_net.adjustment_
        if not adjustment.low:
            return np.array([[0.0], [1.0]]).repeat(len(self.classes_), axis=1)
        return np.exp([adjustment.low, adjustment.high])

    # -- the model -----------------------------------------------------------------------

    def predict(self, X, sensitive_features=None):
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
        sensitive_features : Series, DataFrame or array-like of n_rows, default=None
            The columns that define the groups, if they are not in `X`. They are used only with
            ``group_thresholds=True``.

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels from `classes_`.

        Raises
        ------
        NoSolutionFoundError
            If no solution was found and there is no fallback.
        ValueError
            If the model was changed after it was certified. With ``group_thresholds=True``, also
            if a column is missing or a row is in a group without candidate rows.
        """
        if self._falls_back():
            return self.fallback_.predict(self._for_fallback(X))
        groups = groups_for(self, "predict_proba", sensitive_features)
        probabilities = self.predict_proba(X, **groups)
        if self._targets_.decision == "argmax":
            return self.classes_[probabilities.argmax(axis=1)]
        ends = self.net_.adjustment_.ends
        if ends is not None:  # a row with NaN too must be drawn from probabilities in the range
            probabilities[np.isnan(probabilities).any(axis=1)] = softmax(ends[0])
        thresholds = np.random.default_rng().random((len(probabilities), 1))
        drawn = (probabilities.cumsum(axis=1) < thresholds).sum(axis=1)
        return self.classes_[np.minimum(drawn, len(self.classes_) - 1)]

    @available_if(_has_probabilities)
    def predict_proba(self, X, sensitive_features=None):
        """Predict class probabilities, in the order of `classes_`.

        Parameters
        ----------
        X, sensitive_features
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Each row sums to 1.

        Raises
        ------
        NoSolutionFoundError, ValueError
            As in `predict`.
        """
        if self._falls_back():
            return self._fallback_probabilities(X)
        return probabilities(self._scores(X, sensitive_features))

    @available_if(_has_probabilities)
    def decision_function(self, X, sensitive_features=None):
        """Scores of the classes; the largest is predicted with ``decision="argmax"``.

        Parameters
        ----------
        X, sensitive_features
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_rows, n_classes), or (n_rows,) for two classes
            For two classes, the score of ``classes_[1]`` minus that of ``classes_[0]``.

        Raises
        ------
        NoSolutionFoundError, ValueError
            As in `predict`.
        """
        if self._falls_back():
            probabilities = self._fallback_probabilities(X)
            scores = np.log(np.clip(probabilities, np.finfo(float).tiny, None))
        else:
            scores = self._scores(X, sensitive_features).cpu().double().numpy()
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def score(self, X, y, sample_weight=None, sensitive_features=None):
        """The accuracy of `predict`.

        Parameters
        ----------
        X, sensitive_features
            As in `predict`.
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), default=None

        Returns
        -------
        float
            The weighted share of correct predictions, between 0 and 1.
        """
        predicted = self.predict(X, **groups_for(self, "predict", sensitive_features))
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _fallback_probabilities(self, X):
        """The fallback's probabilities in the order of `classes_`; 0 for classes it did not see."""
        given = self.fallback_.predict_proba(self._for_fallback(X))
        return aligned_probabilities(
            "The fallback", given, len(given), self.fallback_.classes_, self.classes_
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.decision == "sample"
        return tags


@with_entries_of(LearnerParameters)
class SeldonianClassifier(LearnerParameters, CertifiedClassifier):
    """Classifier trained under constraints and certified on rows it never saw.

    The probability that `fit` returns a model that violates any constraint is at most
    `delta`, for the decisions that `predict` makes, if the rows are independent draws
    from the population of interest and the safety rows influenced nothing before the
    test [1]_. If constraints have different deltas, the largest one counts. If the
    `guarantee` of the certificate is "asymptotic", this holds approximately.

    Parameters
    ----------
    module : torch.nn.Module class or instance, default=None
        The network. An instance is copied. None: a linear model, a
        `sklearn_seldonian.modules.AdditiveModel` and a network of two hidden layers are trained and
        compared on candidate rows, in this order. A later one is kept if it is more likely to pass,
        by more than 0.1. It is also kept if it is at least as likely to pass and its error is lower
        by more than half a standard error. The rule is stricter for models that are not predicted
        to pass; see the user guide. The additive model is left out if no feature has more than five
        distinct values, if there are fewer than ten candidate rows per knot or more than 1,000
        features, and for rows that are not vectors. With fewer than 200 candidate rows, or with a
        sampler as `preprocessor`, no rows are available for the comparison, and the linear model is
        used. Without constraints there is no comparison either, and the network is used.
    constraints : str, Constraint, or sequence of them, default=()
        What the model must satisfy, such as ``"ACC >= 0.95"`` or
        ``"abs(PR | [M] - PR | [F]) <= 0.1"``. Without constraints, all rows are used for training.
    {delta}
    {method}
    {missing}
    decision : {"argmax", "sample"}, default="argmax"
        Whether `predict` returns the most probable class, or draws a class from the
        probabilities. The certificate is about what `predict` returns.
    preprocessor : transformer, sampler or pipeline, default=None
        Cloned, fitted on candidate rows only, and part of the certified model. It may be one of
        imbalanced-learn's samplers, or a pipeline with samplers. A sampler changes the rows of the
        primary loss; constraints are evaluated on the original rows. None: `X` is used as it is.
    {measures}
    {safety_size}
    {power}
    {max_group_size}
    {max_weight}
    {registry}
    pos_label : label, default=None
        The positive class of a binary problem. None: ``classes_[1]``.
    group_thresholds : bool, default=False
        Whether each group has its own decision threshold. The groups are the combinations of the
        constraints' conditions that occur in the candidate rows. `predict` then needs the columns
        that these conditions name, and refuses rows of any other group. This treats people
        differently because of their group. If the group is a protected attribute, that is often
        illegal (disparate treatment), in lending and hiring for example: ask a lawyer first. With
        more than two classes, the offset of one class differs by group. With `measures` of your
        own, the thresholds of the groups are not moved.
    fallback : estimator or "majority", default=None
        The estimator that `predict` uses if no solution was found. It is fitted on the candidate
        rows as they were given, without `preprocessor`. Nothing about it is certified. "majority"
        predicts the most frequent class. None: `predict` raises `NoSolutionFoundError`.
    criterion : torch.nn.Module class or instance, default=torch.nn.CrossEntropyLoss
        The loss that is minimised (the primary objective).
    {optimizer}
    {lr}
    {max_epochs}
    {batch_size}
    {n_iter_no_change}
    {eval_batch_size}
    multiplier_init, multiplier_lr : float, default=0.0, 0.1
        The initial value of the Lagrange multipliers, and their learning rate: a violation of 1
        adds `multiplier_lr` to its multiplier in each batch.
    {device}
    {distributed}
    {callbacks}
    {random_state}
    {verbose}
    {**kwargs}

    Attributes
    ----------
    {solution_found_}
    {certificate_}
    {constraints_}
    classes_ : ndarray of shape (n_classes,)
    {n_features_in_}
    {feature_names_in_}
    {module_}
    scale_ : float
    offsets_ : ndarray of shape (n_classes,)
        The adjustment of the module's scores (logits, or logarithms of probabilities). It is
        chosen together with the epoch, among those predicted to pass. With ``decision="argmax"``
        the scale is 1, at most one class has an offset, and `predict` returns the class with the
        largest score plus offset. If the offset changes a decision, the probability of the new
        class is set slightly above the largest one, and the other probabilities do not change.
        With ``decision="sample"`` the scores are multiplied by the scale and the offsets are
        added, which brings the probabilities nearer to a constant. `offsets_` is not available
        with ``group_thresholds=True``.
    group_offsets_ : DataFrame of shape (n_groups, n_classes)
        The offsets of each group, only with ``group_thresholds=True``. The index says which
        conditions the rows of a group meet.
    probability_range_ : ndarray of shape (2, n_classes)
        With constraints and ``decision="sample"``, the lowest and the highest probability of each
        class on the candidate rows that epochs are evaluated on. The module's probabilities are
        clipped to this range before the adjustment, so that the range of the tested values is
        known before the test. Otherwise 0 and 1.
    {net_}
    {price_}
    preprocessor_ : transformer or None
        Fitted. A pipeline that ends in "passthrough" if `preprocessor` is a sampler.
    {fallback_}
    history_ : DataFrame
        One row per epoch, with these columns:

        - ``loss``, the mean training loss, and ``candidate_loss``, the loss on candidate data;
        - for constraint i, ``estimate_i``, the estimate on candidate data, and
          ``predicted_bound_i``, the predicted bound of the safety test, to first order for ratios.
          Both are in the constraint's own units, like `estimate` and `bound` of the certificate;
        - ``multiplier_i``, the Lagrange multiplier;
        - ``passing_i``, the predicted probability that constraint i passes the safety test;
        - ``kept``, whether the epoch was preferred to all earlier ones;
        - ``seconds``, the duration of the epoch;
        - ``module``, only if several models were compared: which of them was trained. The epochs of
          the kept one come last, and a remark of the certificate says why it was kept.

        Estimates, bounds and probabilities are computed with the epoch's best decision threshold,
        on the candidate data that epochs are evaluated on. For a network with few rows per
        parameter, these are held out from training; see the user guide.
    step_history_ : DataFrame
        One row per update of the multipliers. There are about twelve per epoch, but they are at
        least 8 and at most 32 batches apart. Empty without constraints. The columns are:

        - ``epoch`` and ``batch``, counted from 1, and ``progress``, the number of epochs done,
          with fractions;
        - ``loss``, the mean training loss of the batches since the last row;
        - ``estimate_i`` and ``predicted_bound_i`` as in `history_`, but for the current decisions
          of training, without a moved decision threshold;
        - ``multiplier_i``, the multiplier after the update;
        - ``module``, as in `history_`.

        In long fits some updates are left out, at least every second one, so that the table has at
        most about a million numbers.
    {n_iter_}
    {candidate_indices_, safety_indices_}

    References
    ----------
    .. [1] P. S. Thomas et al., "Preventing undesirable behavior of intelligent machines",
       Science 366, 2019.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn_seldonian import SeldonianClassifier
    >>> X, y = make_classification(2000, class_sep=2.0, random_state=0)
    >>> model = SeldonianClassifier(constraints="ACC >= 0.8", random_state=0).fit(X, y)
    >>> model.solution_found_
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CertifiedClassifier._parameter_constraints,
        **LearnerParameters._parameter_constraints,
    }

    def __init__(
        self,
        module=None,
        constraints=(),
        *,
        delta=0.05,
        method="auto",
        missing="error",
        decision="argmax",
        preprocessor=None,
        measures=(),
        safety_size=0.5,
        power=0.9,
        max_group_size=None,
        max_weight=None,
        registry=None,
        pos_label=None,
        group_thresholds=False,
        fallback=None,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=20,
        batch_size=None,
        n_iter_no_change=None,
        eval_batch_size=None,
        multiplier_init=0.0,
        multiplier_lr=0.1,
        device="auto",
        distributed=False,
        callbacks=None,
        random_state=None,
        verbose=0,
        **kwargs,
    ):
        self._keep_parameters(locals())
