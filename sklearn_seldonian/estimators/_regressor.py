"""The regressor that hands out a model only with a certificate."""

from __future__ import annotations

from typing import ClassVar

import torch
from sklearn.base import RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_seldonian.data._targets import Numbers, check_range
from sklearn_seldonian.estimators._base import CertifiedEstimator


class SeldonianRegressor(RegressorMixin, CertifiedEstimator):
    """Regressor trained under constraints and certified on rows it never saw.

    The probability that `fit` returns a model that violates any constraint is at most
    `delta`, for the numbers that `predict` returns, if the rows are independent draws
    from the population of interest and the safety rows influenced nothing before the
    test [1]_. With `prediction_range` and `target_range` that holds for any number of rows;
    without them errors can be of any size, and it holds approximately.

    Parameters
    ----------
    module : torch.nn.Module class or instance, default=None
        The network, with one output a row. None: a `sklearn_seldonian.modules.MLP` sized from
        the data. An instance is copied. What it learns is the standardised target: see Notes.
    constraints : str, Constraint, or sequence of them, default=()
        What the model must satisfy, such as ``"MSE <= 0.8"`` or
        ``"abs((Mean_Error | [M]) - (Mean_Error | [F])) <= 0.1"``. With none, all rows train.
    delta : float or sequence of float, default=0.05
        Accepted probability of being handed a model that violates a constraint; one
        number, or one for each constraint. It is a probability of error: the confidence level
        is 1 - delta, and values from 0.5 on are warned of.
    method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        How bounds are computed. "auto": with a finite-sample guarantee wherever measures
        have finite ranges, else asymptotic, with a warning. "exact": never asymptotic.
        "asymptotic" and "ttest": normal approximations, for comparison.
    prediction_range : (low, high), default=None
        Predictions are clipped to it. None: they are not.
    target_range : (low, high), default=None
        Between which numbers every target lies, in the population: known beforehand, as
        that a grade is from 0 to 4, and not read off the rows. Rows outside are refused.
        None: any number.
    preprocessor : transformer, default=None
        Cloned, fitted on candidate rows only, and part of the certified model.
    measures : sequence of RowMeasure, default=()
        The user's own measures, which constraints may name.
    safety_size : float in (0, 1) or int, default=0.5
        Share or number of rows held out for the safety test.
    power : float in (0, 1), default=0.9
        Predicted probability of passing that training aims for.
    fallback : estimator or "mean", default=None
        What `predict` uses where no solution was found: "mean" is the mean of the candidate
        rows' targets. Nothing about it is certified. None: `predict` raises
        `NoSolutionFoundError`.
    criterion : torch.nn.Module class or instance, default=torch.nn.MSELoss
        The primary objective; training minimises that of the standardised target.
    optimizer : torch.optim.Optimizer class, default=torch.optim.Adam
    lr : float, default=0.01
    max_epochs, batch_size : int, default=20, 128
    n_iter_no_change : int or None, default=None
        Training under constraints ends after so many epochs in which nothing better was
        found to keep; None: after `max_epochs`.
    eval_batch_size : int, default=None
        Rows a batch wherever no gradient is needed. None: as many as have 2**18 features, from
        64 to 1,024, which a processor's cache can hold.
    multiplier_init, multiplier_lr : float, default=0.0, 0.01
        Start of the Lagrange multipliers, and what a violation of one adds to its
        multiplier in one batch; violations are in quarters of the measure's standard
        deviation, as it is where the mean target is predicted.
    device : str, default="auto"
        A torch device; "auto": "cuda" if there, else "mps", else "cpu".
    callbacks : list of skorch callbacks, default=None
    random_state : int, RandomState instance or None, default=None
    verbose : int, default=0
        1 prints a table with one row an epoch, about the constraint least likely to pass, and
        the verdict in one line; 2 a row for each constraint. On a terminal, fits that take
        longer than a few seconds have a bar. All else is logged to "sklearn_seldonian".
    **kwargs
        skorch's double-underscore names: ``module__hidden``, ``optimizer__weight_decay``,
        ``iterator_train__num_workers``, ``callbacks__...``.

    Attributes
    ----------
    solution_found_ : bool
    certificate_ : SafetyCertificate or None
        None without constraints.
    constraints_ : tuple of Constraint
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X is a DataFrame.
    module_ : torch.nn.Module
    target_mean_, target_scale_ : float
        Mean and standard deviation of the candidate rows' targets.
    net_ : skorch.NeuralNet
    preprocessor_ : transformer or None
    fallback_ : estimator or None
    history_ : DataFrame
        One row an epoch: mean training loss (``loss``), which compares the module's outputs
        with standardised targets, so that its unit is not the target's; for constraint i the
        value of g, which is above zero where the constraint is violated (``estimate_i``; the
        certificate's `estimate` is in the constraint's own units instead), the expected upper
        bound on g (``predicted_bound_i``), ``multiplier_i``, and the probability of passing
        (``passing_i``), all on the candidate rows that it is judged on (of many a network those
        that it did not train on, see the user guide), and ``candidate_loss``, the criterion in
        the target's units; ``kept`` where it was the best so far; ``seconds``.
    n_iter_ : int
        Epochs run.
    candidate_indices_, safety_indices_ : ndarray of int

    Notes
    -----
    Predicted is ``target_mean_ + target_scale_ * output``, clipped to `prediction_range`, so
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

    _parameter_constraints: ClassVar = {
        **CertifiedEstimator._parameter_constraints,
        "prediction_range": ["array-like", None],
        "target_range": ["array-like", None],
        "fallback": [StrOptions({"mean"}), HasMethods(["fit", "predict"]), None],
    }
    _constant_fallback = DummyRegressor(strategy="mean")

    def __init__(
        self,
        module=None,
        constraints=(),
        *,
        delta=0.05,
        method="auto",
        prediction_range=None,
        target_range=None,
        preprocessor=None,
        measures=(),
        safety_size=0.5,
        power=0.9,
        fallback=None,
        criterion=nn.MSELoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=20,
        batch_size=128,
        n_iter_no_change=None,
        eval_batch_size=None,
        multiplier_init=0.0,
        multiplier_lr=0.01,
        device="auto",
        callbacks=None,
        random_state=None,
        verbose=0,
        **kwargs,
    ):
        self.module = module
        self.constraints = constraints
        self.delta = delta
        self.method = method
        self.prediction_range = prediction_range
        self.target_range = target_range
        self.preprocessor = preprocessor
        self.measures = measures
        self.safety_size = safety_size
        self.power = power
        self.fallback = fallback
        self.criterion = criterion
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.n_iter_no_change = n_iter_no_change
        self.eval_batch_size = eval_batch_size
        self.multiplier_init = multiplier_init
        self.multiplier_lr = multiplier_lr
        self.device = device
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose
        vars(self).update(kwargs)

    # -- what is particular to numbers ---------------------------------------------------

    def _promised(self):
        return {
            name: check_range(name, getattr(self, name))
            for name in ("prediction_range", "target_range")
        }

    def _learn_targets(self, y):
        targets = Numbers(**self._promised())
        return targets, *targets.check(y)

    def _saved_targets(self, classes):
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
        check_is_fitted(self)
        if self._falls_back():
            return self.fallback_.predict(self._for_fallback(X))
        return self.net_.task_.predictions(self._scores(X).cpu()).numpy()
