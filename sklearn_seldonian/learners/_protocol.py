"""The interface between estimators and learners: a problem in, a trained model or a reason out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import pandas as pd

from sklearn_seldonian.certification._requests import check_ranges, warn_of_large_delta
from sklearn_seldonian.certification._specification import BoundSpecification, Specification
from sklearn_seldonian.constraints import Choice
from sklearn_seldonian.data._split import LabelledRows, Split
from sklearn_seldonian.data._targets import Targets
from sklearn_seldonian.learners._training_specification import training_specification_of


@dataclass(frozen=True)
class Problem:
    """The constraints and the test that a model is trained for.

    Parameters
    ----------
    specification : BoundSpecification
    targets : Labels or Numbers
    n_safety : int
        The number of rows that the model will be tested on.
    power : float in (0, 1)
        The probability of passing that training aims for.
    training_specification : BoundSpecification or None, default=None
        The specification for training, if the model is tested for several populations. None: the
        same as for the test.
    """

    specification: BoundSpecification
    targets: Targets
    n_safety: int
    power: float
    training_specification: BoundSpecification | None = None

    @classmethod
    def of(
        cls,
        specification: Specification,
        targets: Targets,
        measures: Any,
        split: Split,
        power: float,
    ) -> Problem:
        """The problem, with constraints bound to the candidate rows.

        Levels that occur only in the safety rows may be named by constraints; nothing else is taken
        from the safety rows. The alternative of an OR that is tested will be chosen on candidate
        rows.
        """
        columns, n_rows = split.candidate.columns, len(split.candidate.y)
        bound, cells = specification.bound_to(
            columns, n_rows, targets, measures, named=split.columns
        )
        n_safety, for_training = _expected_rows(split), None
        if split.candidate.units is not None and split.candidate.units.shift is not None:
            for_training = training_specification_of(bound, cells, split.candidate)
        return cls(bound.opened(), targets, n_safety, power, for_training)

    def warn(self) -> None:
        """Warn of a delta or of constraints that are probably not what the user meant."""
        warn_of_large_delta(self.specification.source.deltas)
        check_ranges(self.specification, self.targets.range_remedy)

    def for_training(self) -> Problem:
        """The problem with the `training_specification`, if there is one."""
        if self.training_specification is None:
            return self
        return replace(self, specification=self.training_specification)

    def tested(self, outcome: Trained) -> Problem:
        """The problem with the alternatives that were chosen when the model was trained."""
        choices = outcome.choices if self.training_specification is None else None
        return replace(self, specification=self.specification.with_choices(choices))


def _expected_rows(split: Split) -> int:
    """The expected number of safety rows, from their number of units and from candidate rows.

    The actual number is not used, because the sizes of units may depend on what is tested.
    """
    if split.safety.units is None or split.candidate.units is None:
        return len(split.safety.y)
    rows_per_unit = len(split.candidate.y) / split.candidate.units.n_units
    return max(1, round(split.safety.units.n_units * rows_per_unit))


class History(NamedTuple):
    """The history of training.

    Attributes
    ----------
    epochs : DataFrame
        One row per epoch.
    steps : DataFrame
        One row per recorded multiplier update.
    """

    epochs: pd.DataFrame
    steps: pd.DataFrame


@dataclass(frozen=True)
class Trained:
    """A model to be tested.

    Parameters
    ----------
    model : Answers
        For a search it also has ``predict_test_outcome(problem, rows)``, which predicts the result
        of the safety test from rows that the model was not trained on.
    history : History
    remark : str, default=""
        The models that this one was chosen from, and why it was chosen, in sentences.
    choices : tuple of Choice or None, default=None
        For each constraint, the alternatives to test. They must be a function of candidate rows
        alone. None: all alternatives are tested, at shares of delta.
    """

    model: Any
    history: History
    remark: str = ""
    choices: tuple[Choice, ...] | None = None
    interrupted: ClassVar[bool] = False


@dataclass(frozen=True)
class NotTrained:
    """The outcome of training if there is no model to test.

    Parameters
    ----------
    reason : str
        Why there is no model, as a clause without a full stop.
    preprocessor : transformer or None
        Fitted to the candidate rows.
    interrupted : bool, default=False
        Whether the user stopped training.
    model : Answers or None
        The model when training ended, if there was one.
    history : History or None
    """

    reason: str
    preprocessor: Any = None
    interrupted: bool = False
    model: Any = None
    history: History | None = None


class Learner(Protocol):
    """Trains a model under constraints."""

    def train(
        self, problem: Problem, rows: LabelledRows, rng: np.random.RandomState
    ) -> Trained | NotTrained:
        """Train on candidate `rows`. All random numbers come from `rng`."""
