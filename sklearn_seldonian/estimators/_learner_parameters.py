"""The parameters of all estimators, and skorch's double-underscore names in addition to them."""

from __future__ import annotations

import inspect
from functools import lru_cache
from numbers import Real
from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from sklearn_seldonian.estimators import _parameters
from sklearn_seldonian.estimators._parameters import COUNT, POSITIVE
from sklearn_seldonian.learners.lagrangian import ALONE, LagrangianLearner, launched_processes
from sklearn_seldonian.learners.lagrangian._keywords import PREFIXES
from sklearn_seldonian.learners.lagrangian._learner import SETTINGS
from sklearn_seldonian.modules import module_or_default

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class LearnerParameters(BaseEstimator):
    """The parameters of a torch module and of its training, and the learner that uses them.

    Constructor keywords that are not in the signature are plain attributes. They appear in
    `get_params` and can be cloned and searched over. The entries below become part of the
    subclasses' docstrings.

    Parameters
    ----------
    delta : float or sequence of float, default=0.05
        The accepted probability that `fit` returns a model that violates a constraint, one
        number or one per constraint. It is a probability of error: the confidence level is
        1 - delta. Values of 0.5 and above give a warning.
    method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        How bounds are computed. "auto": with a finite-sample guarantee wherever the measures
        have finite ranges, otherwise with an asymptotic one and a warning. "exact": only with a
        finite-sample guarantee. "asymptotic" and "ttest": by normal approximations, for
        comparison.
    missing : {"error", "exclude"}, default="error"
        What to do with rows that have no value in a column that constraints name. "error": refuse
        them. "exclude": use them in training like all others, and let them meet no condition on
        that column, whether it is ``sex == "F"``, ``sex != "F"`` or ``not F``. The certificate
        says how many of the tested rows these are, and that it is about groups as far as they are
        recorded. A label in `y` may be missing too. Such a row counts in constraints on decisions
        alone, such as ``PR``. It has no part in the loss or in measures that use labels.
    measures : sequence of RowMeasure, default=()
        Measures of your own, which constraints may name.
    safety_size : float in (0, 1) or int, default=0.5
        Share or number of rows held out for the safety test. If `fit` is given `groups`, the share
        or number of groups.
    power : float in (0, 1), default=0.9
        The predicted probability of passing the safety test that training aims for.
    max_group_size : int, default=None
        The largest number of rows that one of the `groups` of `fit` can have, known beforehand.
        None: the largest number among the rows given, which becomes an assumption of the
        certificate.
    max_weight : float, default=None
        The largest value that a `sample_weight` can have, known beforehand. None: the largest
        among the rows given, which becomes an assumption of the certificate.
    registry : path, default=None
        A file in which every test is recorded. Clones, other processes and colleagues can use the
        same file. A second test of the same rows then gives a warning, and the certificate
        mentions it. The file is created if it does not exist. None: the estimator remembers only
        its own tests.
    optimizer : torch.optim.Optimizer class, default=torch.optim.Adam
        The optimizer of the module's weights.
    lr : float, default=0.01
        The learning rate at the start. It falls to zero along half a cosine, unless `callbacks`
        has a `skorch.callbacks.LRScheduler` or ``callbacks__falling_rate`` is None.
    max_epochs : int, default=20
        The number of epochs, or the largest number with `n_iter_no_change`.
    batch_size : int, default=None
        Rows per training batch. None: so many that an epoch has 20 batches, but at least 8 and
        at most 256.
    n_iter_no_change : int or None, default=None
        Stop training under constraints after this many epochs without a better checkpoint. None:
        train for `max_epochs`.
    eval_batch_size : int, default=None
        Rows per batch wherever no gradient is needed. None: so many that a batch has 2**18
        features, which fits a processor's cache, but at least 64 and at most 1,024.
    device : str, default="auto"
        A torch device. "auto": "cuda" if available, otherwise "mps", otherwise "cpu".
    distributed : bool, default=False
        Train one model in all processes that `torchrun` or `accelerate launch` started, each on
        its own device. Each process calls `fit` with the same rows. The processes divide the rows
        of each batch among themselves, and all get the same model and certificate. This needs
        the package accelerate.
    callbacks : list of skorch callbacks, default=None
        Callbacks in addition to those of the estimator.
    random_state : int, RandomState instance or None, default=None
        Seeds the split and the training. An int makes `fit` reproducible.
    verbose : int, default=0
        1 prints a table with one row per epoch, about the constraint least likely to pass, and
        at the end the verdict and the certificate's remarks. 2 prints a row per constraint.
        On a terminal, fits that take longer than a few seconds show a progress bar. Everything
        else is logged to the logger "sklearn_seldonian".
    **kwargs
        skorch's double-underscore names, such as ``module__hidden``, ``optimizer__weight_decay``,
        ``iterator_train__num_workers`` and ``callbacks__...``.

    Attributes
    ----------
    solution_found_ : bool
        Whether a model passed the safety test. True if there are no constraints.
    certificate_ : SafetyCertificate or None
        The result of the safety test. None if there are no constraints.
    constraints_ : tuple of Constraint
        The parsed constraints.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only if X is a DataFrame.
    module_ : torch.nn.Module
        The trained module, with the weights of the kept epoch.
    net_ : skorch.NeuralNet
        The net that trained it.
    price_ : Price or None
        The cost of the constraints on candidate rows, if a different epoch than the most accurate
        one was kept or its decision threshold was moved: a `sklearn_seldonian.learners.Price`,
        whose text is one of the certificate's remarks. Otherwise, and after `load_params`, None.
    fallback_ : estimator or None
        The fitted fallback, if no solution was found.
    n_iter_ : int
        The number of epochs run.
    candidate_indices_, safety_indices_ : ndarray of int
        Positions of the candidate rows and of the safety rows among the rows of `fit`, ascending.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "module": [callable, None],
        "criterion": [callable],
        "optimizer": [callable],
        "callbacks": [list, None],
        "lr": [POSITIVE],
        "max_epochs": [COUNT],
        "batch_size": [COUNT, None],
        "n_iter_no_change": [COUNT, None],
        "eval_batch_size": [COUNT, None],
        "distributed": ["boolean"],
        "multiplier_init": [Interval(Real, 0, None, closed="left")],
        "multiplier_lr": [POSITIVE],
    }

    def _keep_parameters(self, given):
        """Store the arguments of a constructor, given as its `locals()`, unchanged."""
        given = dict(given)
        keywords = given.pop("kwargs")
        del given["self"]
        self.__dict__.update(given, **keywords)

    def get_params(self, deep=True):
        """As in scikit-learn, with the double-underscore names that were given."""
        return super().get_params(deep=deep) | self._keywords()

    def set_params(self, **params):
        """As in scikit-learn, but names such as ``module__hidden`` may be new."""
        for name in list(params):
            prefix, nested, _ = name.partition("__")
            if nested and prefix in PREFIXES:
                setattr(self, name, params.pop(name))
        return super().set_params(**params)

    @classmethod
    def _get_param_names(cls):
        """As in scikit-learn, with the names that a subclass passes to its base by **kwargs."""
        names = set()
        for owner in cls.__mro__:
            if "__init__" in vars(owner):
                named, takes_more = _named_parameters(vars(owner)["__init__"])
                names.update(named)
                if not takes_more:
                    break
        return sorted(names)

    def _keywords(self, prefix=""):
        """The keywords that are not in the signature and whose names begin with `prefix`."""
        if not _named_parameters(type(self).__init__)[1]:
            return {}
        known = self._get_param_names()
        return {
            name: value
            for name, value in vars(self).items()
            if name not in known and name.startswith(prefix) and name.strip("_") == name
        }

    def _check_parameters(self):
        """Refuse parameters with which no fit is possible."""
        _parameters.check_module(self.module)
        self._validate_params()
        _parameters.check_instances(preprocessor=self.preprocessor, fallback=self.fallback)
        parts = self.module, self.optimizer, self.criterion, self.callbacks, self.verbose
        _parameters.check_keywords(self._keywords(), self._get_param_names(), *parts)
        own_iterator = sorted(self._keywords("iterator_train"))
        if self.distributed and own_iterator:
            raise ValueError(
                f"{own_iterator[0]} was given together with distributed=True, which needs an "
                f"iterator of its own to divide the rows among processes: leave one of them out."
            )

    def _learner(self):
        """The learner with these parameters."""
        settings = {name: getattr(self, name) for name in SETTINGS} | self._keywords()
        return LagrangianLearner(
            self.module, self.preprocessor, self.device, settings, processes=self._processes
        )

    @property
    def _processes(self):
        """The processes that train together."""
        return launched_processes(self.device) if self.distributed else ALONE

    @property
    def _takes_rows(self):
        """What transforms rows before the module."""
        return self.preprocessor

    def _promised_model(self):
        """The module whose weights are saved, in words."""
        return {"module": module_or_default(self.module), **self._keywords("module")}


@lru_cache
def _named_parameters(function):
    """Names of the parameters that can be given by name, and whether any other name is accepted."""
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind in BY_NAME and p.name != "self"]
    return names, any(p.kind is p.VAR_KEYWORD for p in parameters)
