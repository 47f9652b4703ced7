"""Any classifier with scikit-learn's API, under constraints."""

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

    The classifier is fitted to the candidate rows. Its scores, together with the features that it
    uses, are the features of a linear model. The linear model is trained under the constraints,
    and its threshold is chosen, as in `SeldonianClassifier`. The classifier's scores of the
    candidate rows come from copies that were fitted without these rows, because scores of rows
    that a classifier was fitted to are too good [1]_. The certificate promises the same as that of
    `SeldonianClassifier`.

    Parameters
    ----------
    estimator : classifier with `predict_proba`
        For example a `HistGradientBoostingClassifier`, or a pipeline that ends in one. It is
        cloned. A `sklearn.frozen.FrozenEstimator` is not fitted again, and only the decision is
        chosen: it must not have been fitted to any of the rows of `fit`.
    constraints : str, Constraint, or sequence of them, default=()
        As in `SeldonianClassifier`.
    {delta}
    {method}
    {missing}
    decision : {"argmax", "sample"}, default="argmax"
        As in `SeldonianClassifier`.
    preprocessor : transformer or pipeline, default=None
        Makes features from rows, for the classifier and for the linear model. It is cloned and
        fitted on candidate rows only. None: both get the rows as they are. Sparse rows are used by
        the classifier alone.
    {measures}
    {safety_size}
    {power}
    {max_group_size}
    {max_weight}
    {registry}
    pos_label : label, default=None
        The positive class of a binary problem. None: ``classes_[1]``.
    group_thresholds : bool, default=False
        Whether each group has its own decision threshold, which is often illegal. As in
        `SeldonianClassifier`.
    fallback : estimator or "majority", default=None
        As in `SeldonianClassifier`.
    cv : int, default=5
        The number of folds in which candidate rows get their scores. The classifier is fitted once
        more per fold.
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
        The adjustment of the linear model's scores, as in `SeldonianClassifier`.
    group_offsets_ : DataFrame of shape (n_groups, n_classes)
        As in `SeldonianClassifier`.
    {net_}
    {price_}
    {fallback_}
    history_ : DataFrame
        One row per epoch of the linear model, as in `SeldonianClassifier`.
    step_history_ : DataFrame
        One row per update of its multipliers, as in `SeldonianClassifier`.
    {n_iter_}
    {candidate_indices_, safety_indices_}

    Notes
    -----
    For the linear model, numbers are standardised, missing numbers are replaced by the column's
    mean, and other columns of tables (pandas, polars, Arrow) are one-hot encoded. Sparse matrices,
    texts and tables of more than 1,000 columns are used by the classifier alone: the scores are
    then the only features of the linear model.

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
        """Refuse a classifier without probabilities, and say what to give instead."""
        if is_classifier(self.estimator) and not hasattr(self.estimator, "predict_proba"):
            raise ValueError(
                f"{type(self.estimator).__name__} has no predict_proba, and training needs its "
                "probabilities. Give CalibratedClassifierCV(estimator) of "
                "sklearn.calibration."
            )
