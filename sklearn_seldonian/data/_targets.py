"""The targets of a model: labels or numbers."""

from __future__ import annotations

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

    def check(self, y: Any) -> tuple[Any, Any]:
        """The labels `y` as an array, and their positions among the classes."""
        y = column_of_labels(y)
        positions = _arguments.label_positions("y", y, self.classes)
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

    def check(self, y: Any) -> tuple[Any, Any]:
        """The numbers `y` as an array, twice: as given, and as the model learns them."""
        y = check_numbers(y, self.target_range)
        return y, y


Targets = Labels | Numbers


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


def column_of_labels(y: Any) -> NDArray[Any]:
    """Labels as an array without missing ones, which numpy writes as "nan" among texts."""
    labels: NDArray[Any] = column_or_1d(y, warn=True)
    is_missing = labels == "nan" if labels.dtype.kind == "U" else pd.isna(labels)
    if is_missing.any():
        raise ValueError(f"y contains {is_missing.sum()} missing labels. Leave those rows out.")
    return labels


def check_numbers(y: Any, target_range: Range) -> NDArray[np.float64]:
    """The targets of a regression, checked against their range.

    Raises
    ------
    ValueError
        If a target is not a finite number, or is outside `target_range`.
    """
    y = column_or_1d(y, warn=True)
    if _columns.holds_dates(_columns.series(y)):
        raise ValueError(
            "y contains dates or durations, but a regression needs numbers. Give, for example, the "
            "days since a date."
        )
    if pd.isna(y).any():
        raise ValueError("Input y contains NaN. Leave those rows out.")
    numbers = _arguments.as_numbers("y", y)
    assert_all_finite(numbers, input_name="y")
    low, high = target_range
    outside = numbers[(numbers < low) | (numbers > high)]
    if len(outside):
        raise ValueError(
            f"y contains {outside[0]:g}, which is outside target_range=({low:g}, {high:g}). The "
            "range must contain every possible target. Widen it."
        )
    return numbers
