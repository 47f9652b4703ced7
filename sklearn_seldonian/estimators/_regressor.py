"""The regressor that returns a model only with a certificate."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from sklearn.base import RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.utils._param_validation import HasMethods, StrOptions
from torch import nn

from sklearn_seldonian.data._targets import Numbers, check_range, labels_given
from sklearn_seldonian.estimators._base import CertifiedEstimator
from sklearn_seldonian.estimators._docstrings import with_entries_of
from sklearn_seldonian.estimators._learner_parameters import LearnerParameters


class CertifiedRegressor(RegressorMixin, CertifiedEstimator):
    """The part of the regressors that does not depend on the learner."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CertifiedEstimator._parameter_constraints,
        "prediction_range": ["array-like", None],
        "target_range": ["array-like", None],
        "fallback": [StrOptions({"mean"}), HasMethods(["fit", "predict"]), None],
    }
    _constant_fallback = DummyRegressor(strategy="mean")

    # -- parts that only regressors have -------------------------------------------------

    def _promised(self):
        return {
            name: check_range(name, getattr(self, name))
            for name in ("prediction_range", "target_range")
        }

    def _learn_targets(self, y):
        targets = self._targets_of(None)
        y, learned = targets.check(y, self.missing)
        labels_given(y)
        return targets, y, learned

    def _targets_of(self, classes):
        return Numbers(**self._promised())

    @property
    def target_mean_(self):
        """The prediction for an output of zero."""
        return self._trained_net.task_.centre

    @property
    def target_scale_(self):
        """The factor from the module's outputs to predictions."""
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
            Numbers in the target's units.

        Raises
        ------
        NoSolutionFoundError
            If no solution was found and there is no fallback.
        ValueError
            If the model was changed after it was certified.
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
    test [1]_. With `prediction_range` and `target_range` this holds for any number of rows.
    Without them errors can have any size, and it holds approximately.

    Parameters
    ----------
    module : torch.nn.Module class or instance, default=None
        The network, with one output per row. An instance is copied. It learns the standardised
        target; see Notes. None: a linear model, an additive model or a network, chosen by their
        loss as in `SeldonianClassifier`.
    constraints : str, Constraint, or sequence of them, default=()
        What the model must satisfy, such as ``"MSE <= 0.8"`` or
        ``"abs((Mean_Error | [M]) - (Mean_Error | [F])) <= 0.1"``. Without constraints, all rows
        are used for training.
    {delta}
    {method}
    {missing}
    prediction_range : (low, high), default=None
        The range that predictions are clipped to, in the target's units. None: predictions are
        not clipped.
    target_range : (low, high), default=None
        The range of the targets in the population. It must be known beforehand, for example that a
        grade is between 0 and 4, and not be read off the rows. Rows outside are refused. None:
        targets can be any number.
    preprocessor : transformer, default=None
        Cloned, fitted on candidate rows only, and part of the certified model. None: `X` is used
        as it is.
    {measures}
    {safety_size}
    {power}
    {max_group_size}
    {max_weight}
    {registry}
    fallback : estimator or "mean", default=None
        The estimator that `predict` uses if no solution was found. It is fitted on the candidate
        rows as they were given, without `preprocessor`. "mean" predicts the mean of the candidate
        rows' targets. Nothing about it is certified. None: `predict` raises
        `NoSolutionFoundError`.
    criterion : torch.nn.Module class or instance, default=torch.nn.MSELoss
        The loss that is minimised (the primary objective), applied to the standardised target.
    {optimizer}
    {lr}
    {max_epochs}
    {batch_size}
    {n_iter_no_change}
    {eval_batch_size}
    multiplier_init, multiplier_lr : float, default=0.0, 0.01
        The initial value of the Lagrange multipliers, and their learning rate: a violation of 1
        adds `multiplier_lr` to its multiplier in each batch. The unit of violations is a quarter
        of the standard deviation that the measure has if the mean target is predicted.
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
        One row per epoch, as in `SeldonianClassifier`. Losses are the criterion in the target's
        units.
    step_history_ : DataFrame
        One row per update of the multipliers, as in `SeldonianClassifier`.
    {n_iter_}
    {candidate_indices_, safety_indices_}

    Notes
    -----
    `predict` returns ``target_mean_ + target_scale_ * output``, clipped to `prediction_range`.
    Targets of any size can therefore be learned with one learning rate. The training loss compares
    the output, which is not clipped, with the standardised target. The constraints, the loss in
    the certificate and the choice of the epoch use what `predict` returns.

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
