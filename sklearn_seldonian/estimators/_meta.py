"""Any classifier of scikit-learn's kind under constraints."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import is_classifier
from sklearn.utils._param_validation import HasMethods

from sklearn_seldonian.estimators._classifier import CertifiedClassifier
from sklearn_seldonian.estimators._docstrings import with_entries_of
from sklearn_seldonian.estimators._learner_parameters import LearnerParameters
from sklearn_seldonian.estimators._stacked import StackedEstimator


@with_entries_of(LearnerParameters)
class SeldonianMetaClassifier(StackedEstimator, CertifiedClassifier):
    """Any classifier with probabilities, under constraints and certified on rows it never saw.

    The classifier is fitted to the candidate rows, and its scores become features of a linear
    model, beside the features that it gets itself. The linear model is trained under the
    constraints, and a threshold is chosen for it, as in `SeldonianClassifier`. So that the scores
    do not flatter, those of the candidate rows come from copies of the classifier that were fitted
    without them [1]_. The promise is that of `SeldonianClassifier`.

    Parameters
    ----------
    estimator : classifier with `predict_proba`
        Such as a `HistGradientBoostingClassifier`, or a pipeline that ends in one. It is cloned. A
        `sklearn.frozen.FrozenEstimator` is asked as it is, and only the decision is chosen: its
        own training must have seen none of the rows of `fit`.
    constraints : str, Constraint, or sequence of them, default=()
        As in `SeldonianClassifier`.
    {delta}
    {method}
    {missing}
    decision : {"argmax", "sample"}, default="argmax"
        As in `SeldonianClassifier`.
    preprocessor : transformer or pipeline, default=None
        What makes features of rows, cloned and fitted on candidate rows only. The classifier gets
        these features, and the linear model too. None: both get the rows as they are. Sparse
        rows are for the classifier alone.
    {measures}
    {safety_size}
    {power}
    {max_group_size}
    {max_weight}
    {registry}
    pos_label : label, default=None
        The positive class of a binary problem; None: ``classes_[1]``.
    group_thresholds : bool, default=False
        As in `SeldonianClassifier`: whether each group has a threshold of its own, which is often
        not allowed.
    fallback : estimator or "majority", default=None
        As in `SeldonianClassifier`.
    cv : int, default=5
        In how many folds candidate rows get their scores: the classifier is fitted once more for
        each of them.
    {random_state}
    {verbose}

    Attributes
    ----------
    {solution_found_}
    {certificate_}
    {constraints_}
    classes_ : ndarray of shape (n_classes,)
    estimator_ : classifier
        Fitted to all candidate rows.
    {n_features_in_}
    {feature_names_in_}
    module_ : torch.nn.Module
        The linear model of scores and features.
    scale_ : float
    offsets_ : ndarray of shape (n_classes,)
        As of `SeldonianClassifier`, of the linear model's scores.
    group_offsets_ : DataFrame of shape (n_groups, n_classes)
        As of `SeldonianClassifier`.
    {net_}
    {price_}
    {fallback_}
    history_ : DataFrame
        One row per epoch of the linear model, as of `SeldonianClassifier`.
    step_history_ : DataFrame
        One row per update of its multipliers, as of `SeldonianClassifier`.
    {n_iter_}
    {candidate_indices_, safety_indices_}

    Notes
    -----
    Numbers are standardised for the linear model, where they are missing their mean is taken, and
    other columns of tables (pandas, polars, Arrow) are one-hot encoded. Sparse matrices, texts and
    tables of more than 1,000 columns are left to the classifier: the linear model then has its
    scores alone.

    References
    ----------
    .. [1] D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_seldonian import SeldonianMetaClassifier
    >>> X, y = make_classification(2000, class_sep=2.0, random_state=0)
    >>> forest = RandomForestClassifier(20, random_state=0)
    >>> model = SeldonianMetaClassifier(forest, "ACC >= 0.8", random_state=0).fit(X, y)
    >>> model.solution_found_
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CertifiedClassifier._parameter_constraints,
        **StackedEstimator._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict_proba"])],
    }
    _example = "HistGradientBoostingClassifier(), 'ACC >= 0.9'"

    def __init__(
        self,
        estimator,
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
        cv=5,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.constraints = constraints
        self.delta = delta
        self.method = method
        self.missing = missing
        self.decision = decision
        self.preprocessor = preprocessor
        self.measures = measures
        self.safety_size = safety_size
        self.power = power
        self.max_group_size = max_group_size
        self.max_weight = max_weight
        self.registry = registry
        self.pos_label = pos_label
        self.group_thresholds = group_thresholds
        self.fallback = fallback
        self.cv = cv
        self.random_state = random_state
        self.verbose = verbose

    def _check_kind(self):
        """Refuse what has no probabilities, with what to give instead."""
        if is_classifier(self.estimator) and not hasattr(self.estimator, "predict_proba"):
            raise ValueError(
                f"{type(self.estimator).__name__} has no predict_proba, and what is trained under "
                "the constraints are its probabilities: give CalibratedClassifierCV(estimator) of "
                "sklearn.calibration."
            )
