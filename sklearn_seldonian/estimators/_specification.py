"""What is promised of a model, as one value that nothing changes after `fit`."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from sklearn_seldonian.certification import _requests
from sklearn_seldonian.constraints import (
    Constraint,
    ResolvedConstraint,
    assign_cells,
    bind,
    columns_of,
    parse_all,
)
from sklearn_seldonian.data import _groups
from sklearn_seldonian.modules import module_or_default

__all__ = ["Promise"]


@dataclass(frozen=True)
class Promise:
    """What `fit` set out to certify, whatever the parameters are set to later.

    Parameters
    ----------
    constraints : tuple of Constraint
    deltas : tuple of float
        One for each constraint.
    bound : str
    of_predictions : mapping
        What `predict` does that is promised too, by the parameter's name: the decision of a
        classifier, the ranges of a regressor.
    module : mapping of str to str
        Which module has the weights, in words: the same weights decide otherwise in another.
    resolved : tuple of ResolvedConstraint or None
        The constraints with the meaning that candidate rows give their names; None before
        those are seen.
    levels : mapping of tuple of Grouping to frozenset of tuple
        What candidate rows have in the columns that each quantifier ranges over.
    exclusive : frozenset
        Pairs of columns that no candidate row has both of.
    """

    constraints: tuple[Constraint, ...]
    deltas: tuple[float, ...]
    bound: str
    of_predictions: Mapping[str, Any]
    module: Mapping[str, str]
    resolved: tuple[ResolvedConstraint, ...] | None = None
    levels: Mapping[Any, frozenset[Any]] = field(default_factory=dict)
    exclusive: frozenset[frozenset[str]] = frozenset()

    @classmethod
    def of(cls, estimator):
        """What an estimator with these parameters is going to promise."""
        constraints = parse_all(estimator.constraints)
        module = {"module": module_or_default(estimator.module), **estimator._keywords("module")}
        return cls(
            constraints,
            _requests.check_deltas(estimator.delta, len(constraints)),
            estimator.bound,
            estimator._promises(),
            {name: _in_words(value) for name, value in module.items()},
        )

    def bound_to(self, columns, schema):
        """With the meaning that `columns` and `schema` of candidate rows give to names."""
        return replace(
            self,
            resolved=tuple(bind(constraint, schema) for constraint in self.constraints),
            levels=_groups.quantified_levels(self.constraints, columns),
        )

    @property
    def columns(self):
        """Names of the columns that the constraints need."""
        return {name for constraint in self.constraints for name in columns_of(constraint)}

    @property
    def parts(self):
        """Each resolved constraint with its delta."""
        return tuple(zip(self.resolved, self.deltas, strict=True))

    def cells(self, columns, n_rows):
        """The cells of some rows."""
        return assign_cells(columns, [c.conditions for c in self.resolved], n_rows)

    def in_words(self):
        """What a file of weights says that it is about."""
        words = {
            "constraints": [str(constraint) for constraint in self.constraints],
            "delta": self.deltas,
            **self.of_predictions,
            **self.module,
        }
        return json.loads(json.dumps(words))


def _in_words(value):
    """A parameter as text that is the same in every process."""
    if inspect.isclass(value) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    prefix = f"{type(value).__module__}." if isinstance(value, nn.Module) else ""
    return prefix + re.sub(r" at 0x[0-9a-f]+", "", repr(value))
