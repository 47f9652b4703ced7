"""The regressor that hands out a model only with a certificate."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from sklearn.base import RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.utils._param_validation import HasMethods, StrOptions
from torch import nn

from sklearn_seldonian.data._targets import Numbers, check_range
from sklearn_seldonian.estimators._base import CertifiedEstimator
from sklearn_seldonian.estimators._docstrings import with_entries_of
from sklearn_seldonian.estimators._learner_parameters import LearnerParameters


class CertifiedRegressor(RegressorMixin, CertifiedEstimator):
    """All that does not depend on what is trained."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CertifiedEstimator._parameter_constraints,
        "prediction_range": ["array-like", None],
        "target_range": ["array-like", None],
        "fallback": [StrOptions({"mean"}), HasMethods(["fit", "predict"]), None],
    }
    _constant_fallback = DummyRegressor(strategy="mean")

    # -- what is particular to numbers ---------------------------------------------------

    def _promised(self):
        return {
            name: check_range(name, getattr(self, name))
            for name in ("prediction_range", "target_range")
        }

    def _learn_targets(self, y):
        targets = self._targets_of(None)
        return targets, *targets.check(y)

    def _targets_of(self, classes):
        return Numbers(**self._promised())

    @property
    def target_mean_(self):
        """What an output of zero predicts."""
        return self._trained_net.task_.centre

    @property
    def target_scale_(self):
        """How much a prediction rises where the output rises by one."""
        return self._trained_net.task_.scale

    # -- the model -----------------------------------------------------------------------

    def predict(self, X):
        """Predict numbers.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)

        Returns
        -------
        ndarray of shape (n_rows,)

        Raises
        ------
        NoSolutionFoundError
            If no solution was found and there is no fallback.
        """
        if self._falls_back():
            return self.fallback_.predict(self._for_fallback(X))
        return self.net_.task_.predictions(self._scores(X).cpu()).numpy()


@with_entries_of(LearnerParameters)
class SeldonianRegressor(LearnerParameters, CertifiedRegressor):
    """Regressor trained under constraints and certified on rows it never saw.

    The probability that `fit` returns a model that violates any constraint is at most
    `delta`, for the numbers that `predict` returns, if the rows are independent draws
    from the population of interest and the safety rows influenced nothing before the
    test [1]_. With `prediction_range` and `target_range` that holds for any number of rows;
    without them errors can be of any size, and it holds approximately.

    Parameters
    ----------
    module : torch.nn.Module class or instance, default=None
        The network, with one output a row. None: a linear model or a network, as in
        `SeldonianClassifier`, by their loss. An instance is copied. What it learns is the
        standardised target: see Notes.
    constraints : str, Constraint, or sequence of them, default=()
        What the model must satisfy, such as ``"MSE <= 0.8"`` or
        ``"abs((Mean_Error | [M]) - (Mean_Error | [F])) <= 0.1"``. With none, all rows train.
    {delta}
    {method}
    {missing}
    prediction_range : (low, high), default=None
        Predictions are clipped to it. None: they are not.
    target_range : (low, high), default=None
        Between which numbers every target lies, in the population: known beforehand, as
        that a grade is from 0 to 4, and not read off the rows. Rows outside are refused.
        None: any number.
    preprocessor : transformer, default=None
        Cloned, fitted on candidate rows only, and part of the certified model.
    {measures}
    {safety_size}
    {power}
    {max_group_size}
    {max_weight}
    {registry}
    fallback : estimator or "mean", default=None
        What `predict` uses where no solution was found: "mean" is the mean of the candidate
        rows' targets. Nothing about it is certified. None: `predict` raises
        `NoSolutionFoundError`.
    criterion : torch.nn.Module class or instance, default=torch.nn.MSELoss
        The primary objective; training minimises that of the standardised target.
    {optimizer}
    {lr}
    {max_epochs}
    {batch_size}
    {n_iter_no_change}
    {eval_batch_size}
    multiplier_init, multiplier_lr : float, default=0.0, 0.01
        Start of the Lagrange multipliers, and what a violation of one adds to its
        multiplier in one batch; violations are in quarters of the measure's standard
        deviation, as it is where the mean target is predicted.
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
    {n_features_in_}
    {feature_names_in_}
    {module_}
    target_mean_, target_scale_ : float
        Mean and standard deviation of the candidate rows' targets.
    {net_}
    {price_}
    preprocessor_ : transformer or None
    {fallback_}
    history_ : DataFrame
        One row per epoch, as of `SeldonianClassifier`. Losses are the criterion in the target's
        units.
    step_history_ : DataFrame
        One row per update of the multipliers, as of `SeldonianClassifier`.
    {n_iter_}
    {candidate_indices_, safety_indices_}

    Notes
    -----
    `predict` returns ``target_mean_ + target_scale_ * output``, clipped to `prediction_range`, so
    that targets of any size can be learned with one learning rate. The training loss compares
    the output with the standardised target, not clipped; constraints, the loss in the
    certificate and the choice of the epoch look at what `predict` returns.

    References
    ----------
    .. [1] P. S. Thomas et al., "Preventing undesirable behavior of intelligent machines",
       Science 366, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seldonian import SeldonianRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(2000, 2))
    >>> y = X[:, 0] + 0.2 * rng.uniform(-1, 1, size=2000)
    >>> model = SeldonianRegressor(
    ...     constraints="MAE <= 0.2",
    ...     prediction_range=(0, 1),
    ...     target_range=(-0.2, 1.2),
    ...     random_state=0,
    ... ).fit(X, y)
    >>> model.solution_found_, model.certificate_.guarantee
    (True, 'finite-sample')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CertifiedRegressor._parameter_constraints,
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
        criterion=nn.MSELoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=20,
        batch_size=None,
        n_iter_no_change=None,
        eval_batch_size=None,
        multiplier_init=0.0,
        multiplier_lr=0.01,
        device="auto",
        distributed=False,
        callbacks=None,
        random_state=None,
        verbose=0,
        **kwargs,
    ):
        self._keep_parameters(locals())
