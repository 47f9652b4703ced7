"""What estimators share that train any classifier or regressor of scikit-learn's kind."""

from __future__ import annotations

import inspect
from numbers import Integral
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils._param_validation import Interval

from sklearn_seldonian._text import short
from sklearn_seldonian.constraints import Constraint
from sklearn_seldonian.estimators import _parameters
from sklearn_seldonian.learners.stacking import StackingLearner

_NO_FILE_OF_WEIGHTS = (
    "save_params and load_params are about files of weights, and predict needs the estimator as "
    "well, which is not made of weights: pickle it, as by joblib.dump."
)


class StackedEstimator(BaseEstimator):
    """What trains, and what rows go through before it.

    A subclass says in `_check_kind` which estimators it cannot use, and in `_example` how it is
    written.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "cv": [Interval(Integral, 2, None, closed="left")],
    }
    _example: ClassVar[str]

    @property
    def estimator_(self):
        """The estimator, fitted to all candidate rows."""
        return self._model.preprocessor.estimator_

    def _check_parameters(self):
        """Refuse what no fit can take."""
        name = type(self).__name__
        if isinstance(self.estimator, str | Constraint):
            raise TypeError(
                f"The first parameter is estimator, and {short(self.estimator)} is a constraint: "
                f"write {name}({self._example})."
            )
        kind = self.estimator if inspect.isclass(self.estimator) else type(self.estimator)
        if issubclass(kind, torch.nn.Module):
            raise TypeError(
                f"estimator is a torch module, {kind.__name__}: use {name.replace('Meta', '')}, "
                "which trains modules themselves."
            )
        _parameters.check_instances(
            estimator=self.estimator, preprocessor=self.preprocessor, fallback=self.fallback
        )
        self._check_kind()
        self._validate_params()

    def _learner(self):
        """What trains, by the parameters."""
        return StackingLearner(self.estimator, self.preprocessor, self.cv, self.verbose)

    @property
    def _takes_rows(self):
        """What rows go through before the linear model."""
        return self.estimator

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.preprocessor is None:
            taken = get_tags(self.estimator).input_tags
            tags.input_tags.sparse, tags.input_tags.allow_nan = taken.sparse, taken.allow_nan
        return tags

    def _promised_model(self):
        """No file of weights is written of an estimator that is not made of weights."""
        return {}

    def save_params(self, path):
        """Not there: an estimator of any kind is not made of weights. Pickle this one."""
        raise ValueError(_NO_FILE_OF_WEIGHTS)

    def load_params(self, path):
        """Not there, as `save_params`."""
        raise ValueError(_NO_FILE_OF_WEIGHTS)
