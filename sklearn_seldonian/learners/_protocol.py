"""The seam between estimators and learners: a problem in, a trained model or a reason out."""

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
    """What a model is trained for.

    Parameters
    ----------
    specification : BoundSpecification
    targets : Labels or Numbers
    n_safety : int
        Number of rows that the model will be tested on.
    power : float in (0, 1)
        Probability of passing that training aims for.
    practised : BoundSpecification or None, default=None
        What training aims for, where the model is tested for other populations. None: what it is
        tested for.
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
        """The problem with the meaning that candidate rows give to the constraints' names.

        The safety rows only add the levels that constraints may name. Which alternative of an OR
        is tested will be chosen by candidate rows.
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
        """The problem that training has: without ORs of which candidate rows choose, if another."""
        return self if self.practised is None else replace(self, specification=self.practised)

    def tested(self, outcome: Trained) -> Problem:
        """The same with the alternatives that were chosen when the model was trained."""
        choices = outcome.choices if self.practised is None else None
        return replace(self, specification=self.specification.with_choices(choices))


def _expected_rows(split: Split) -> int:
    """How many safety rows to expect, from how many units there are and the candidate rows alone.

    How many rows the units that are tested really have may go with what is tested.
    """
    if split.safety.units is None or split.candidate.units is None:
        return len(split.safety.y)
    a_unit = len(split.candidate.y) / split.candidate.units.n_units
    return max(1, round(split.safety.units.n_units * a_unit))


class History(NamedTuple):
    """How training went.

    Attributes
    ----------
    epochs : DataFrame
        One row per epoch.
    steps : DataFrame
        One row per multiplier update that was recorded.
    """

    epochs: pd.DataFrame
    steps: pd.DataFrame


@dataclass(frozen=True)
class Trained:
    """A model to be tested.

    Parameters
    ----------
    model : Answers
        For a search it also has ``predict_test_outcome(problem, rows)``: what the safety test would
        say of the model, from rows that it was not trained on.
    history : History
    remark : str, default=""
        What the model was chosen from, and why, in sentences.
    choices : tuple of Choice or None, default=None
        For each constraint, which alternatives are to be tested. They are a function of candidate
        rows alone. None: all alternatives are tested, at shares of delta.
    """

    model: Any
    history: History
    remark: str = ""
    choices: tuple[Choice, ...] | None = None
    interrupted: ClassVar[bool] = False


@dataclass(frozen=True)
class NotTrained:
    """No model to be tested, and why.

    Parameters
    ----------
    reason : str
    preprocessor : transformer or None
        Fitted to the candidate rows.
    interrupted : bool, default=False
        Whether the user stopped training.
    model : Answers or None
        As far as it came.
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
        """Train on candidate `rows`; what is drawn comes from `rng`."""
