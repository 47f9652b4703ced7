"""Any regressor of scikit-learn's kind under constraints."""

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

    The regressor is fitted to the candidate rows, and its predictions become a feature of a linear
    model, beside the features that it gets itself. The linear model is trained under the
    constraints, as in `SeldonianRegressor`. So that the predictions do not flatter, those of the
    candidate rows come from copies of the regressor that were fitted without them [1]_. The promise
    is that of `SeldonianRegressor`.

    Parameters
    ----------
    estimator : regressor
        Such as a `HistGradientBoostingRegressor`, or a pipeline that ends in one. It is cloned. A
        `sklearn.frozen.FrozenEstimator` is asked as it is, and only a shift and a scale of its
        predictions are chosen: its own training must have seen none of the rows of `fit`.
    constraints : str, Constraint, or sequence of them, default=()
        As in `SeldonianRegressor`.
    {delta}
    {method}
    {missing}
    prediction_range, target_range : (low, high), default=None
        As in `SeldonianRegressor`.
    preprocessor : transformer or pipeline, default=None
        What makes features of rows, cloned and fitted on candidate rows only. The regressor gets
        these features, and the linear model too. None: both get the rows as they are. Sparse
        rows are for the regressor alone.
    {measures}
    {safety_size}
    {power}
    {max_group_size}
    {max_weight}
    {registry}
    fallback : estimator or "mean", default=None
        As in `SeldonianRegressor`.
    cv : int, default=5
        In how many folds candidate rows get their predictions: the regressor is fitted once more
        for each of them.
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
        One row per epoch of the linear model, as of `SeldonianRegressor`.
    step_history_ : DataFrame
        One row per update of its multipliers, as of `SeldonianClassifier`.
    {n_iter_}
    {candidate_indices_, safety_indices_}

    See Also
    --------
    SeldonianMetaClassifier : The same for classes; its Notes say what the linear model gets.

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
        """Refuse a classifier, with what to use instead."""
        if is_classifier(self.estimator):
            raise ValueError(
                f"{type(self.estimator).__name__} is a classifier: use SeldonianMetaClassifier, or "
                "give a regressor."
            )
