"""The parameters of all estimators, and skorch's double-underscore names beyond them."""

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
    """Parameters of a torch module and its training, and what trains by them.

    Constructor keywords beyond the signature are plain attributes that appear in `get_params` and
    can be cloned and searched over. The entries below become part of subclasses' docstrings.

    Parameters
    ----------
    delta : float or sequence of float, default=0.05
        Accepted probability of being handed a model that violates a constraint; one
        number, or one for each constraint. It is a probability of error: the confidence level
        is 1 - delta, and values from 0.5 on are warned of.
    method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        How bounds are computed. "auto": with a finite-sample guarantee wherever measures
        have finite ranges, else asymptotic, with a warning. "exact": never asymptotic.
        "asymptotic" and "ttest": normal approximations, for comparison.
    missing : {"error", "exclude"}, default="error"
        What to do with rows that have no value in a column that constraints name. "error": refuse
        them. "exclude": they train like all others, but meet no condition on it, be it
        ``sex == "F"``, ``sex != "F"`` or ``not F``. The certificate says how many of the tested
        rows they are, and that it is about groups as far as they are recorded.
    measures : sequence of RowMeasure, default=()
        The user's own measures, which constraints may name.
    safety_size : float in (0, 1) or int, default=0.5
        Share or number of rows held out for the safety test; of groups where `fit` is given those.
    power : float in (0, 1), default=0.9
        Predicted probability of passing that training aims for.
    max_group_size : int, default=None
        How many rows one of the `groups` of `fit` can have at most, known beforehand. None: the
        most that one has among the rows given, which becomes an assumption of the certificate.
    max_weight : float, default=None
        What no `sample_weight` can exceed, known beforehand. None: the largest that was given,
        which becomes an assumption of the certificate.
    registry : path, default=None
        A file in which every test is recorded, by clones, other processes and colleagues who name
        it too: a second test of the same rows is warned of and noted in the certificate. It is made
        where there is none. None: the estimator remembers its own tests alone.
    optimizer : torch.optim.Optimizer class, default=torch.optim.Adam
    lr : float, default=0.01
        The learning rate at the start. It falls to zero along half a cosine, unless `callbacks`
        hold a `skorch.callbacks.LRScheduler`, or ``callbacks__falling_rate`` is None.
    max_epochs : int, default=20
    batch_size : int, default=None
        None: as many rows as make 20 batches an epoch, from 16 to 128.
    n_iter_no_change : int or None, default=None
        Stop training under constraints after this many epochs without a better checkpoint. None:
        after `max_epochs`.
    eval_batch_size : int, default=None
        Rows per batch wherever no gradient is needed. None: as many as have 2**18 features, from
        64 to 1,024, which a processor's cache can hold.
    device : str, default="auto"
        A torch device; "auto": "cuda" if there, else "mps", else "cpu".
    distributed : bool, default=False
        Train one model in all processes that `torchrun` or `accelerate launch` started, each on a
        device of its own. Each process calls `fit` with the same rows, which are shared out batch
        by batch, and gets the same model with the same certificate. Takes accelerate.
    callbacks : list of skorch callbacks, default=None
    random_state : int, RandomState instance or None, default=None
    verbose : int, default=0
        1 prints a table with one row per epoch, about the constraint least likely to pass, and
        at the end the verdict and the certificate's remarks. 2 prints a row for each constraint.
        On a terminal, fits that take longer than a few seconds have a bar. All else is logged to
        "sklearn_seldonian".
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
    net_ : skorch.NeuralNet
    price_ : Price or None
        What it cost on candidate rows to keep another epoch than the most accurate one, or to move
        its decision threshold: a `sklearn_seldonian.learners.Price`, whose text is one of the
        certificate's remarks. None where neither was done, and after `load_params`.
    fallback_ : estimator or None
    n_iter_ : int
        Epochs run.
    candidate_indices_, safety_indices_ : ndarray of int
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
        """Keep what a constructor was given: its `locals()`, unchanged."""
        given = dict(given)
        keywords = given.pop("kwargs")
        del given["self"]
        self.__dict__.update(given, **keywords)

    def get_params(self, deep=True):
        """As scikit-learn's, with the double-underscore names that were given."""
        return super().get_params(deep=deep) | self._keywords()

    def set_params(self, **params):
        """As scikit-learn's; names such as ``module__hidden`` need not exist yet."""
        for name in list(params):
            prefix, nested, _ = name.partition("__")
            if nested and prefix in PREFIXES:
                setattr(self, name, params.pop(name))
        return super().set_params(**params)

    @classmethod
    def _get_param_names(cls):
        """As scikit-learn's; with those that a subclass hands on to its base by **kwargs."""
        names = set()
        for owner in cls.__mro__:
            if "__init__" in vars(owner):
                named, takes_more = _named_parameters(vars(owner)["__init__"])
                names.update(named)
                if not takes_more:
                    break
        return sorted(names)

    def _keywords(self, prefix=""):
        """What was given beyond the signature, by name, where that begins with `prefix`."""
        if not _named_parameters(type(self).__init__)[1]:
            return {}
        known = self._get_param_names()
        return {
            name: value
            for name, value in vars(self).items()
            if name not in known and name.startswith(prefix) and name.strip("_") == name
        }

    def _check_parameters(self):
        """Refuse what no fit can take."""
        _parameters.check_module(self.module)
        self._validate_params()
        _parameters.check_instances(preprocessor=self.preprocessor, fallback=self.fallback)
        parts = self.module, self.optimizer, self.criterion, self.callbacks, self.verbose
        _parameters.check_keywords(self._keywords(), self._get_param_names(), *parts)
        own_iterator = sorted(self._keywords("iterator_train"))
        if self.distributed and own_iterator:
            raise ValueError(
                f"distributed=True shares out the rows itself: leave {own_iterator[0]} out."
            )

    def _learner(self):
        """What trains, by the parameters."""
        settings = {name: getattr(self, name) for name in SETTINGS} | self._keywords()
        return LagrangianLearner(
            self.module, self.preprocessor, self.device, settings, processes=self._processes
        )

    @property
    def _processes(self):
        """Those that train together."""
        return launched_processes(self.device) if self.distributed else ALONE

    @property
    def _takes_rows(self):
        """What rows go through before the module."""
        return self.preprocessor

    def _promised_model(self):
        """What the weights in a file are of."""
        return {"module": module_or_default(self.module), **self._keywords("module")}


@lru_cache
def _named_parameters(function):
    """Names of the parameters that can be given by name, and whether any other can be, too."""
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind in BY_NAME and p.name != "self"]
    return names, any(p.kind is p.VAR_KEYWORD for p in parameters)
