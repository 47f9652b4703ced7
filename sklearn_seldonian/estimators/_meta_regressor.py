"""Any regressor with scikit-learn's API, under constraints."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import is_classifier
from sklearn.utils._param_validation import HasMethods

from sklearn_seldonian.estimators._docstrings import with_entries_of
from sklearn_seldonian.estimators._learner_parameters import LearnerParameters
from sklearn_seldonian.estimators._regressor import CertifiedRegressor
from sklearn_seldonian.estimators._stacked import StackedEstimator


@with_entries_of(LearnerParameters)
class SeldonianMetaRegressor(StackedEstimator, CertifiedRegressor):
    """Any regressor under constraints, certified on rows it never saw.

    The regressor is fitted to the candidate rows. Its predictions, together with the features that
    it uses, are the features of a linear model. The linear model is trained under the constraints,
    as in `SeldonianRegressor`. The regressor's predictions of the candidate rows come from copies
    that were fitted without these rows, because predictions of rows that a regressor was fitted to
    are too good [1]_. The certificate promises the same as that of `SeldonianRegressor`.

    Parameters
    ----------
    estimator : regressor
        For example a `HistGradientBoostingRegressor`, or a pipeline that ends in one. It is
        cloned. A `sklearn.frozen.FrozenEstimator` is not fitted again, and only a shift and a
        scale of its predictions are chosen: it must not have been fitted to any of the rows of
        `fit`.
    constraints : str, Constraint, or sequence of them, default=()
        As in `SeldonianRegressor`.
    {delta}
    {method}
    {missing}
    prediction_range, target_range : (low, high), default=None
        As in `SeldonianRegressor`.
    preprocessor : transformer or pipeline, default=None
        Makes features from rows, for the regressor and for the linear model. It is cloned and
        fitted on candidate rows only. None: both get the rows as they are. Sparse rows are used by
        the regressor alone.
    {measures}
    {safety_size}
    {power}
    {max_group_size}
    {max_weight}
    {registry}
    fallback : estimator or "mean", default=None
        As in `SeldonianRegressor`.
    cv : int, default=5
        The number of folds in which candidate rows get their predictions. The regressor is fitted
        once more per fold.
    {random_state}
    {verbose}

    Attributes
    ----------
    {solution_found_}
    {certificate_}
    {constraints_}
    estimator_ : regressor
        Fitted to all candidate rows.
    {n_features_in_}
    {feature_names_in_}
    module_ : torch.nn.Module
        The linear model of standardised predictions and features.
    target_mean_, target_scale_ : float
        Mean and standard deviation of the candidate rows' targets.
    {net_}
    {fallback_}
    history_ : DataFrame
        One row per epoch of the linear model, as in `SeldonianRegressor`.
    step_history_ : DataFrame
        One row per update of its multipliers, as in `SeldonianClassifier`.
    {n_iter_}
    {candidate_indices_, safety_indices_}

    See Also
    --------
    SeldonianMetaClassifier : The same for classes. Its Notes describe the linear model's features.

    References
    ----------
    .. [1] D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from sklearn_seldonian import SeldonianMetaRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(2000, 2))
    >>> y = X[:, 0] * X[:, 1] + 0.2 * rng.uniform(-1, 1, size=2000)
    >>> model = SeldonianMetaRegressor(
    ...     RandomForestRegressor(10, max_depth=4, random_state=0),
    ...     "MAE <= 0.2",
    ...     prediction_range=(0, 1),
    ...     target_range=(-0.2, 1.2),
    ...     random_state=0,
    ... ).fit(X, y)
    >>> model.solution_found_, model.certificate_.guarantee
    (True, 'finite-sample')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CertifiedRegressor._parameter_constraints,
        **StackedEstimator._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict"])],
    }
    _example = "HistGradientBoostingRegressor(), 'MAE <= 0.5'"

    def __init__(
        self,
        estimator,
        constraints=(),
        *,
        delta=0.05,
        method="auto",
        missing="error",
        prediction_range=None,
        target_range=None,
        preprocessor=None,
        measures=(),
        safety_size=0.5,
        power=0.9,
        max_group_size=None,
        max_weight=None,
        registry=None,
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
        self.prediction_range = prediction_range
        self.target_range = target_range
        self.preprocessor = preprocessor
        self.measures = measures
        self.safety_size = safety_size
        self.power = power
        self.max_group_size = max_group_size
        self.max_weight = max_weight
        self.registry = registry
        self.fallback = fallback
        self.cv = cv
        self.random_state = random_state
        self.verbose = verbose

    def _check_kind(self):
        """Refuse a classifier, and say what to use instead."""
        if is_classifier(self.estimator):
            raise ValueError(
                f"{type(self.estimator).__name__} is a classifier, and SeldonianMetaRegressor "
                "needs a regressor: use SeldonianMetaClassifier, or give a regressor."
            )
