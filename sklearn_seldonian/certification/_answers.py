"""A model's answers for some rows, which are all that a safety test uses of the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from sklearn_seldonian.certification._requests import check_choice
from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.certification._summarise import summarise, summarise_predictions
from sklearn_seldonian.constraints import Cells
from sklearn_seldonian.data import _arguments
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._targets import DECISIONS, Labels, Numbers, Targets, check_range
from sklearn_seldonian.measures import RowMeasure

Measures = tuple[RowMeasure, ...]


@dataclass(frozen=True)
class Observation:
    """The behaviour of a model on some rows, as far as constraints need it.

    Parameters
    ----------
    statistics : Statistics
    loss : float, default=nan
        Mean of the primary objective; NaN if there is none.
    answers : mapping of str to ndarray of shape (n_rows, ...)
        The answers themselves, if a certificate identifies the model by them.
    fingerprints : mapping of str to str
        Further digests that identify the model.
    assumptions : tuple of str
        Further assumptions of a certificate, in sentences.
    """

    statistics: Statistics
    loss: float = math.nan
    answers: Mapping[str, Any] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()


class Answers(Protocol):
    """The interface of all models that can be tested."""

    @property
    def targets(self) -> Targets:
        """What the model predicts: labels or numbers."""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """The assumptions of a certificate of these answers, in sentences."""

    def observe(self, rows: LabelledRows, cells: Cells, measures: Measures) -> Observation:
        """The behaviour of the model on `rows` in `cells`, with the values of `measures`."""

    def unknown_groups(self, cells: Cells) -> list[str]:
        """Groups of rows in these cells that the model has no decision rule for, in words."""

    def remarks(self, statistics: Statistics) -> tuple[str, ...]:
        """Further facts about the model, in sentences."""


# -- fitted estimators of scikit-learn's kind ----------------------------------------------


def answers_of(
    estimator: Any,
    decision: str = "argmax",
    pos_label: Any = None,
    target_range: Any = None,
    prediction_range: Any = None,
    sensitive_features: Any = None,
) -> ClassifierAnswers | RegressorAnswers:
    """The answers of a fitted classifier or regressor.

    Raises
    ------
    ValueError
        If it is neither a classifier nor a regressor, or if a parameter does not apply to it.
    """
    _arguments.check_predictor(estimator)
    if is_classifier(estimator):
        _refuse("a classifier", target_range=target_range, prediction_range=prediction_range)
        check_choice("decision", decision, tuple(DECISIONS))
        classes = _arguments.check_classes(estimator)
        labels = Labels.of(classes, pos_label, decision)
        return ClassifierAnswers(estimator, labels, sensitive_features)
    if is_regressor(estimator):
        decided = None if decision == "argmax" else decision
        _refuse("a regressor", decision=decided, pos_label=pos_label)
        targets = check_range("target_range", target_range)
        predictions = check_range("prediction_range", prediction_range)
        numbers = Numbers(targets, predictions, clipped=False)
        return RegressorAnswers(estimator, numbers, sensitive_features)
    name = type(estimator).__name__
    raise ValueError(
        f"{name} is neither a classifier nor a regressor, and certify tests only these. Give a "
        "fitted estimator with the tags of one."
    )


def _refuse(kind: str, **given: Any) -> None:
    """Refuse parameters that do not apply to this kind of estimator."""
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise ValueError(f"{named[0]} does not apply to {kind}. Leave it out.")


@dataclass(frozen=True)
class _EstimatorAnswers:
    """A fitted estimator, whose answers come from its public methods.

    Parameters
    ----------
    estimator : classifier or regressor
    targets : Labels or Numbers
    sensitive_features : array-like or None
        Passed to the methods that have this parameter.
    """

    estimator: Any
    targets: Any
    sensitive_features: Any

    @property
    def name(self) -> str:
        is_frozen = isinstance(self.estimator, FrozenEstimator)
        return type(self.estimator.estimator if is_frozen else self.estimator).__name__

    @property
    def assumptions(self) -> tuple[str, ...]:
        texts = list(self.targets.assumptions)
        if get_tags(self.estimator).non_deterministic:
            texts.append("Predict draws at random, anew for every row.")
        if _arguments.groups_for(self.estimator, "predict", self.sensitive_features):
            texts.append("Predict is given the sensitive features, as in this test.")
        return tuple(texts)

    def unknown_groups(self, cells: Cells) -> list[str]:
        return []

    def remarks(self, statistics: Statistics) -> tuple[str, ...]:
        return ()

    def predictions(self, X: Any, n_rows: int) -> Any:
        return _arguments.one_value_a_row(f"{self.name}.predict", self.ask("predict", X), n_rows)

    def ask(self, method: str, X: Any) -> Any:
        """What a method returns for the rows; its errors become a `ValueError` with its name."""
        try:
            groups = _arguments.groups_for(self.estimator, method, self.sensitive_features)
            return getattr(self.estimator, method)(X, **groups)
        except (ArithmeticError, AttributeError, LookupError) as error:
            if isinstance(error, ValueError | TypeError):
                raise
            raise ValueError(
                f"{self.name}.{method} failed on these rows: {type(error).__name__}: {error}"
            ) from error


class ClassifierAnswers(_EstimatorAnswers):
    """The decisions of a fitted classifier, or its probabilities if decisions are drawn."""

    def observe(self, rows: LabelledRows, cells: Cells, measures: Measures) -> Observation:
        deterministic = self.targets.decision == "argmax"
        decided, probabilities = self._decisions(
            rows, with_probabilities=not deterministic or bool(measures)
        )
        statistics = summarise(
            cells.codes,
            rows.targets,
            probabilities,
            cells.stratification,
            measures,
            deterministic=deterministic,
            keep=True,
            decisions=decided,
            units=rows.units,
        )
        answers = {"decisions": decided} if deterministic else {"probabilities": probabilities}
        return Observation(statistics, answers=answers)

    def _decisions(self, rows: LabelledRows, *, with_probabilities: bool) -> tuple[Any, Any]:
        """Positions of the predicted labels and probabilities; NaN for labels that are not a class.

        If probabilities are not needed, they are 0.
        """
        classes, n_rows = self.targets.classes, len(rows.y)
        predicted = self.predictions(rows.inputs(), n_rows)
        positions = _arguments.label_positions(f"{self.name}.predict", predicted, classes)
        known = (positions >= 0)[:, None]
        positions = np.maximum(positions, 0)
        if not with_probabilities:
            return positions, np.broadcast_to(np.where(known, 0.0, np.nan), (n_rows, len(classes)))
        if not hasattr(self.estimator, "predict_proba"):
            raise ValueError(
                f"{self.name} has no predict_proba, which drawn decisions and averages over "
                "probabilities need. Give a classifier with probabilities, or use rates of "
                'decisions with decision="argmax".'
            )
        given = self.ask("predict_proba", rows.inputs())
        probabilities = _arguments.aligned_probabilities(self.name, given, n_rows, classes, classes)
        proper = ((probabilities >= 0) & (probabilities <= 1 + 1e-6)).all(axis=1)
        proper &= np.abs(probabilities.sum(axis=1) - 1) <= 1e-4
        return positions, np.where(known & proper[:, None], probabilities, np.nan)


class RegressorAnswers(_EstimatorAnswers):
    """The predictions of a fitted regressor."""

    def observe(self, rows: LabelledRows, cells: Cells, measures: Measures) -> Observation:
        name = f"{self.name}.predict"
        predicted = _arguments.as_numbers(name, self.predictions(rows.inputs(), len(rows.y)))
        low, high = self.targets.prediction_range
        outside = predicted[(predicted < low) | (predicted > high)]
        if len(outside):
            raise ValueError(
                f"{name} returned {outside[0]:g}, which is outside prediction_range=({low:g}, "
                f"{high:g}). Clip the predictions, or widen the range to all possible predictions."
            )
        asked = cells.codes, rows.targets, predicted, cells.stratification, measures
        statistics = summarise_predictions(*asked, keep=True, units=rows.units)
        return Observation(statistics, answers={"predictions": predicted})
