"""The interface between estimators and learners: a problem in, a trained model or a reason out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import pandas as pd

from sklearn_seldonian.certification._specification import BoundSpecification, Specification
from sklearn_seldonian.constraints import Choice
from sklearn_seldonian.data._split import LabelledRows, Split
from sklearn_seldonian.data._targets import Targets
from sklearn_seldonian.learners._practice import practice_specification


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
    practised : BoundSpecification or None, default=None
        The specification for training, if the model is tested for other populations. None: the
        same as for the test.
    """

    specification: BoundSpecification
    targets: Targets
    n_safety: int
    power: float
    practised: BoundSpecification | None = None

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

        The safety rows only add levels that constraints may name. The tested alternative of an OR
        will be chosen on candidate rows.
        """
        columns, n_rows = split.candidate.columns, len(split.candidate.y)
        bound, cells = specification.bound_to(
            columns, n_rows, targets, measures, named=split.columns
        )
        n_safety, practised = _expected_rows(split), None
        if split.candidate.units is not None and split.candidate.units.shift is not None:
            practised = practice_specification(bound, cells, split.candidate)
        return cls(bound.opened(), targets, n_safety, power, practised)

    def in_practice(self) -> Problem:
        """The problem for training, with the `practised` specification if there is one."""
        return self if self.practised is None else replace(self, specification=self.practised)

    def tested(self, outcome: Trained) -> Problem:
        """The problem with the alternatives that were chosen when the model was trained."""
        choices = outcome.choices if self.practised is None else None
        return replace(self, specification=self.specification.with_choices(choices))


def _expected_rows(split: Split) -> int:
    """The expected number of safety rows, from the number of units and the candidate rows alone.

    The actual number is not used, because the sizes of units may depend on what is tested.
    """
    if split.safety.units is None or split.candidate.units is None:
        return len(split.safety.y)
    a_unit = len(split.candidate.y) / split.candidate.units.n_units
    return max(1, round(split.safety.units.n_units * a_unit))


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
