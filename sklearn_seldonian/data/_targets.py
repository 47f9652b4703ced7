"""The targets of a model: labels or numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import assert_all_finite, column_or_1d

from sklearn_seldonian._text import listed, short
from sklearn_seldonian.data import _arguments, _columns
from sklearn_seldonian.measures import ANY_NUMBER, Range

DECISIONS = {
    "argmax": "The decisions are those of predict.",
    "sample": "The decisions are drawn from predict_proba, anew each time.",
}


@dataclass(frozen=True, eq=False)
class Labels:
    """Class labels.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    positive : int or None
        Position of the positive class if there are two classes, otherwise None.
    decision : {"argmax", "sample"}, default="argmax"
        Whether the most probable class is predicted, or a class is drawn.
    by_group : bool, default=False
        Whether decisions depend on the group of a row.
    """

    classes: np.ndarray
    positive: int | None
    decision: str = "argmax"
    by_group: bool = False

    range_remedy: ClassVar[str] = "Give its measure a range"

    @classmethod
    def of(
        cls, classes: NDArray[Any], pos_label: Any, decision: str, by_group: bool = False
    ) -> Labels:
        """The labels with the positive class given by its label; None: the second of two."""
        return cls(classes, positive_class(classes.tolist(), pos_label), decision, by_group)

    @property
    def schema(self) -> dict[str, Any]:
        """What constraints may name."""
        return {"classes": tuple(self.classes.tolist()), "positive": self.positive}

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What a certificate of such answers rests on, in sentences."""
        return (DECISIONS[self.decision],)

    def check(self, y: Any, missing: str = "error") -> tuple[Any, Any]:
        """The labels `y` as an array, and their positions among the classes; 0 without a label."""
        y = column_of_labels(y, missing)
        positions = _arguments.label_positions("y", y, self.classes)
        positions[_columns.are_missing(y)] = 0
        unknown = _columns.series(y[positions < 0])
        if len(unknown):
            raise ValueError(
                f"y contains labels that the model does not know: {listed(unknown.unique())}. It "
                f"knows {listed(self.classes)}."
            )
        return y, positions


@dataclass(frozen=True)
class Numbers:
    """Numbers, the targets of a regression.

    Parameters
    ----------
    target_range, prediction_range : tuple of float
        The smallest and the largest possible target and prediction.
    clipped : bool, default=True
        Whether predictions are clipped to their range. Otherwise the range is an assumption.
    """

    target_range: tuple[float, float]
    prediction_range: tuple[float, float]
    clipped: bool = True

    by_group: ClassVar[bool] = False
    range_remedy: ClassVar[str] = (
        "Give both prediction_range and target_range, or give your own measure a range"
    )

    @property
    def schema(self) -> dict[str, Any]:
        """What constraints may name."""
        return {
            "classes": (),
            "positive": None,
            "target_range": self.target_range,
            "prediction_range": self.prediction_range,
        }

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What a certificate of such answers rests on, in sentences."""
        promised = {"target": self.target_range}
        if not self.clipped:
            promised["prediction"] = self.prediction_range
        return "The predictions are those of predict.", *(
            f"The {name} is never outside [{low:g}, {high:g}]; that of no row seen is."
            for name, (low, high) in promised.items()
            if (low, high) != ANY_NUMBER
        )

    def check(self, y: Any, missing: str = "error") -> tuple[Any, Any]:
        """The numbers `y` as an array, and the same with the smallest for missing ones."""
        y = check_numbers(y, self.target_range, missing)
        is_missing = np.isnan(y)
        if not is_missing.any():
            return y, y
        return y, np.where(is_missing, 0.0 if is_missing.all() else np.nanmin(y), y)


Targets = Labels | Numbers


def targets_of(classes: Any, pos_label: Any, target_range: Any, prediction_range: Any) -> Targets:
    """The targets: some labels, or numbers if `classes` is None."""
    ranges = {"target_range": target_range, "prediction_range": prediction_range}
    if classes is None:
        if pos_label is not None:
            raise ValueError(
                "pos_label was given with classes=None, which is for predicted numbers: leave one "
                "of the two out."
            )
        target, prediction = (check_range(name, given) for name, given in ranges.items())
        return Numbers(target, prediction, clipped=False)
    given = [name for name, value in ranges.items() if value is not None]
    if given:
        raise ValueError(
            f"{given[0]} was given, which is for predicted numbers. Add classes=None, or leave it "
            "out."
        )
    return Labels.of(_check_labels(classes), pos_label, "argmax")


def _check_labels(classes: Any) -> NDArray[Any]:
    """The labels, which must be at least two different ones."""
    if isinstance(classes, str | bytes | Mapping) or not isinstance(classes, Iterable):
        raise TypeError(f"classes must list the labels, such as (0, 1), got {short(classes)}.")
    labels = [c.item() if isinstance(c, np.generic) else c for c in classes]
    wrong = [label for label in labels if not isinstance(label, str | int | float | bool)]
    if wrong or any(label != label for label in labels):
        raise ValueError(f"classes must be texts or numbers, got {short(classes)}.")
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError(f"classes must be two or more different labels, got {short(classes)}.")
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array


def check_range(name: str, value: Any) -> Range:
    """A range (low, high); None means any number."""
    if value is None:
        return ANY_NUMBER
    ends = _arguments.numbers(name, value)
    if ends.shape != (2,) or not ends[0] < ends[1]:
        raise ValueError(f"{name} must be (low, high) with low < high, got {value!r}.")
    return tuple(ends.tolist())


def positive_class(labels: list[Any], pos_label: Any) -> int | None:
    """Position of the positive class; None if there are not two classes."""
    if pos_label is not None and (np.ndim(pos_label) or pos_label not in labels):
        raise ValueError(f"pos_label={short(pos_label)} is not a class. The classes are {labels}.")
    if len(labels) != 2:
        return None
    return 1 if pos_label is None else labels.index(pos_label)


def column_of_labels(y: Any, missing: str = "error") -> NDArray[Any]:
    """Labels as an array. Missing ones are refused, or become None or NaN."""
    labels: NDArray[Any] = column_or_1d(y, warn=True)
    is_missing = _columns.are_missing(labels)
    _refuse_missing(is_missing, f"y contains {is_missing.sum()} missing labels", missing)
    if is_missing.any() and labels.dtype.kind != "f":
        labels = labels.astype(object)
        labels[is_missing] = None
    return labels


def has_gaps(y: Any) -> bool:
    """Whether `y`, which was not checked, is one column with missing values."""
    values = np.asarray(y)
    return bool(values.ndim and _columns.are_missing(values).any())


def labels_given(y: NDArray[Any]) -> NDArray[Any]:
    """The labels or numbers without missing ones, in the type that they have alone.

    Raises
    ------
    ValueError
        If all are missing.
    """
    is_missing = _columns.are_missing(y)
    if not is_missing.any():
        return y
    if is_missing.all():
        raise ValueError("No row to train on has a label. Give fit rows that have one.")
    return np.asarray(pd.Series(y[~is_missing]).infer_objects())


def _refuse_missing(is_missing: NDArray[np.bool_], problem: str, missing: str) -> None:
    """Refuse targets that are missing, unless `missing` says what becomes of such rows."""
    if is_missing.any() and missing == "error":
        raise ValueError(
            f'{problem}. Leave those rows out, or give missing="exclude", with which they count in '
            "measures that do not use labels."
        )


def check_numbers(y: Any, target_range: Range, missing: str = "error") -> NDArray[np.float64]:
    """The targets of a regression, checked against their range; missing ones become NaN.

    Raises
    ------
    ValueError
        If a target is not a finite number, or is outside `target_range`, or is missing although
        `missing` is "error".
    """
    y = column_or_1d(y, warn=True)
    if _columns.holds_dates(_columns.series(y)):
        raise ValueError(
            "y contains dates or durations, but a regression needs numbers. Give, for example, the "
            "days since a date."
        )
    is_missing = pd.isna(y)
    _refuse_missing(is_missing, "Input y contains NaN", missing)
    numbers = _arguments.as_numbers("y", y)
    assert_all_finite(numbers[~is_missing], input_name="y")
    low, high = target_range
    outside = numbers[(numbers < low) | (numbers > high)]
    if len(outside):
        raise ValueError(
            f"y contains {outside[0]:g}, which is outside target_range=({low:g}, {high:g}). The "
            "range must contain every possible target. Widen it."
        )
    return numbers
