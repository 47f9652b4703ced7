"""The shared part of the estimators that train any classifier or regressor of scikit-learn."""

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
    "save_params and load_params are for files of weights, and predict needs the estimator as "
    "well, which cannot be saved as weights. Pickle the whole, for example with joblib.dump."
)


class StackedEstimator(BaseEstimator):
    """The learner, and the transformation of rows before it.

    In a subclass, `_check_kind` refuses estimators that it cannot use, and `_example` is an
    example of its arguments.
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
        """Refuse parameters with which no fit is possible."""
        name = type(self).__name__
        if isinstance(self.estimator, str | Constraint):
            raise TypeError(
                "Constraints were given as the first parameter, which is estimator: "
                f"{short(self.estimator)}. Write {name}({self._example})."
            )
        kind = self.estimator if inspect.isclass(self.estimator) else type(self.estimator)
        if issubclass(kind, torch.nn.Module):
            raise TypeError(
                f"The estimator is a torch module, {kind.__name__}, and {name} takes estimators of "
                f"scikit-learn. Use {name.replace('Meta', '')}, which trains modules."
            )
        _parameters.check_instances(
            estimator=self.estimator, preprocessor=self.preprocessor, fallback=self.fallback
        )
        self._check_kind()
        self._validate_params()

    def _learner(self):
        """The learner with these parameters."""
        return StackingLearner(self.estimator, self.preprocessor, self.cv, self.verbose)

    @property
    def _takes_rows(self):
        """What transforms rows before the linear model."""
        return self.estimator

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.preprocessor is None:
            taken = get_tags(self.estimator).input_tags
            tags.input_tags.sparse, tags.input_tags.allow_nan = taken.sparse, taken.allow_nan
        return tags

    def _promised_model(self):
        """Not used, since the estimator cannot be saved as weights."""
        return {}

    def save_params(self, path):
        """Not available: the estimator cannot be saved as weights. Pickle it instead."""
        raise ValueError(_NO_FILE_OF_WEIGHTS)

    def load_params(self, path):
        """Not available, like `save_params`."""
        raise ValueError(_NO_FILE_OF_WEIGHTS)
