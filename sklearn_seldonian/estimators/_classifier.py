"""The classifier that hands out a model only with a certificate."""

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
from sklearn_seldonian.data._targets import Labels, column_of_labels
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
    """All that does not depend on what is trained."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CertifiedEstimator._parameter_constraints,
        "decision": [StrOptions({"argmax", "sample"})],
        "group_thresholds": ["boolean"],
        "fallback": [HasMethods(["fit", "predict"]), StrOptions({"majority"}), None],
    }
    _constant_fallback = DummyClassifier(strategy="most_frequent")

    # -- what is particular to classes ---------------------------------------------------

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
        y = column_of_labels(y)
        assert_all_finite(y, input_name="y")
        encoder = LabelEncoder().fit(y)
        check_classification_targets(y)
        self.classes_, labels = encoder.classes_, encoder.transform(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes; the data contains "
                f"only one class: {self.classes_[0]!r}"
            )
        return self._targets_of(self.classes_), y, labels.astype(np.int64, copy=False)

    def _targets_of(self, classes):
        return Labels.of(classes, self.pos_label, self.decision, self.group_thresholds)

    @property
    def scale_(self):
        """What the module's scores are multiplied by; 1 where decisions are not drawn."""
        return self._trained_net.adjustment_.scale

    @property
    def offsets_(self):
        """What is added to the module's scaled scores to decide, one number a class."""
        if self._model.group_offsets is not None:
            raise AttributeError("Each group has offsets of its own: see group_offsets_.")
        return self._trained_net.adjustment_.offset_of_each(len(self.classes_))

    @property
    def group_offsets_(self):
        """What is added to the scores of each group to decide, a DataFrame: a row for each."""
        offsets = self._model.group_offsets
        if offsets is None:
            raise AttributeError("All rows have the same offsets: see offsets_.")
        return pd.DataFrame(offsets.offsets, index=offsets.names, columns=self.classes_)

    @property
    def probability_range_(self):
        """The probabilities that the module's are clipped to: lowest, highest."""
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
            The columns that tell groups apart, where they are not in `X`. They are looked at with
            ``group_thresholds=True`` only.

        Returns
        -------
        ndarray of shape (n_rows,)

        Raises
        ------
        NoSolutionFoundError
            If no solution was found and there is no fallback.
        ValueError
            If decisions need a column that is missing, or a row is in a group that no candidate
            row was in.
        """
        if self._falls_back():
            return self.fallback_.predict(self._for_fallback(X))
        groups = groups_for(self, "predict_proba", sensitive_features)
        probabilities = self.predict_proba(X, **groups)
        if self._targets_.decision == "argmax":
            return self.classes_[probabilities.argmax(axis=1)]
        ends = self.net_.adjustment_.ends
        if ends is not None:  # of a row without a number too what is drawn must keep to the range
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
        """
        if self._falls_back():
            return self._fallback_probabilities(X)
        return probabilities(self._scores(X, sensitive_features))

    @available_if(_has_probabilities)
    def decision_function(self, X, sensitive_features=None):
        """Scores whose largest is the predicted class; for two classes their difference.

        Parameters
        ----------
        X, sensitive_features
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_rows,) for two classes, else (n_rows, n_classes)
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
        """
        predicted = self.predict(X, **groups_for(self, "predict", sensitive_features))
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _fallback_probabilities(self, X):
        """The fallback's probabilities in the order of `classes_`; classes unknown to it get 0."""
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
    test [1]_.

    Parameters
    ----------
    module : torch.nn.Module class or instance, default=None
        The network. None: the better of a linear model and a network of two hidden layers, both a
        `sklearn_seldonian.modules.MLP`, by the rule that chooses epochs. The network must err less
        on candidate rows by more than half a standard error. With fewer than 200 candidate rows,
        or a sampler as `preprocessor`, no rows tell which is better, and None is the linear
        model. Without constraints no rows are judged, and None is the network. An instance is
        copied.
    constraints : str, Constraint, or sequence of them, default=()
        What the model must satisfy, such as ``"ACC >= 0.95"`` or
        ``"abs(PR | [M] - PR | [F]) <= 0.1"``. With none, all rows train.
    {delta}
    {method}
    {missing}
    decision : {"argmax", "sample"}, default="argmax"
        Whether `predict` returns the most probable class, or draws a class from the
        probabilities. What is certified is what `predict` does.
    preprocessor : transformer, sampler or pipeline, default=None
        Cloned, fitted on candidate rows only, and part of the certified model. One of
        imbalanced-learn's samplers, or a pipeline with some, changes the rows of the primary
        loss; constraints are held to the real rows.
    {measures}
    {safety_size}
    {power}
    {max_group_size}
    {max_weight}
    {registry}
    pos_label : label, default=None
        The positive class of a binary problem; None: ``classes_[1]``.
    group_thresholds : bool, default=False
        Whether each group has a decision threshold of its own. The groups are the combinations of
        the constraints' conditions that candidate rows meet. `predict` then needs the columns that
        these conditions name, and refuses rows of any other group. It treats people differently
        because of their group. Where the group is a protected attribute, that is often against
        the law (disparate treatment), in lending and hiring for example: ask a lawyer first. Of
        more than two classes one is chosen whose offset differs by group. Measures of your own
        leave all thresholds where they are.
    fallback : estimator or "majority", default=None
        What `predict` uses where no solution was found, fitted on candidate rows as they were
        given, without `preprocessor`. Nothing about it is certified.
        None: `predict` raises `NoSolutionFoundError`.
    criterion : torch.nn.Module class or instance, default=torch.nn.CrossEntropyLoss
        The primary objective.
    {optimizer}
    {lr}
    {max_epochs}
    {batch_size}
    {n_iter_no_change}
    {eval_batch_size}
    multiplier_init, multiplier_lr : float, default=0.0, 0.1
        Start of the Lagrange multipliers, and what a violation of one adds to its
        multiplier in one batch.
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
        How the module's scores (logits, or logarithms of probabilities) are changed. They are
        chosen together with the epoch, among those predicted to pass. With ``decision="argmax"``
        the scale is 1, one class may have an offset, and `predict` returns the class with the
        largest score plus offset. Where the offset changes a decision, that class gets a
        probability a little above the largest; all others stay the module's. With
        ``decision="sample"`` scores are multiplied by the scale, and offsets are added, which
        brings probabilities nearer to a constant. Not there with ``group_thresholds=True``.
    group_offsets_ : DataFrame of shape (n_groups, n_classes)
        With ``group_thresholds=True``, the offsets of each group in their place. The index says
        which conditions the rows of a group meet.
    probability_range_ : ndarray of shape (2, n_classes)
        The lowest and the highest that the module gave each class on the candidate rows that
        epochs are judged on. Under constraints with ``decision="sample"`` it is clipped to them
        before anything else is done, so that the test knows the range of what it averages; else
        they are 0 and 1.
    {net_}
    {price_}
    preprocessor_ : transformer or None
        Fitted; a pipeline ending in "passthrough" where `preprocessor` samples.
    {fallback_}
    history_ : DataFrame
        One row per epoch. ``loss`` is the mean training loss and ``candidate_loss`` the loss on
        candidate data. For constraint i, ``estimate_i`` and ``predicted_bound_i`` are in the
        constraint's own units, as `estimate` and `bound` of the certificate: the estimate on
        candidate data, and the bound that the safety test is expected to give. A ratio's bound
        is predicted to first order. ``multiplier_i`` is the multiplier, and ``passing_i`` the
        predicted probability of passing. All are with the epoch's best decision threshold, on
        the candidate data that epochs are judged on. Of a network with many rows these are held
        out from training, see the user guide. ``kept`` says where an epoch was the best so far.
        ``seconds`` is how long it took. Where a linear model and a network were compared,
        ``module`` says which of them an epoch is of. The one that was kept comes last; a remark
        of the certificate says why.
    step_history_ : DataFrame
        One row per update of the multipliers, some twelve per epoch; none without constraints.
        ``epoch`` and ``batch`` count from 1, and ``progress`` is the number of epochs done, with
        fractions. ``loss`` is the mean training loss of the batches since the row before.
        ``estimate_i`` and ``predicted_bound_i`` are as in `history_`, but of the decisions that
        training has just seen, without a decision threshold that is moved. ``multiplier_i`` is
        the multiplier after the update. ``module`` is as in `history_`. In long fits every second
        update is left out, or more, so that the table has at most about a million numbers.
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
