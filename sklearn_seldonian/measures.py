"""What each measure means.

A *rate* is the share of some kind of decision among some kind of rows. With K classes
a row falls into one of K x K squares (its label y, its prediction ŷ), and every rate is
two K x K tables over them: `mask`, the squares that count at all, and `value`, those
of them that count as a success. The tables serve hard decisions (count rows) and soft
ones (put each row's probability of class j into square (y, j)) alike.

An *average* is the mean of a number that each row has, a `RowMeasure`, among the rows
of some labels. Regression has one label, which all rows share.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ALIASES",
    "CLASSIFICATION_VALUES",
    "RATES",
    "REGRESSION_VALUES",
    "Average",
    "Rate",
    "RateDefinition",
    "RowMeasure",
    "error_range",
    "row_values",
]

Table = NDArray[np.bool_]
Array = NDArray[np.float64]
Range = tuple[float, float]

ANY_NUMBER: Range = (-math.inf, math.inf)


# -- rates -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rate:
    """The share of `value` squares among `mask` squares; both row-major K x K.

    Rates with the same tables are equal, whatever they are called. Given how many rows
    fall into the mask's squares, the successes among them are binomial: rows are
    independent draws, and each of those that fall there succeeds with the same
    probability, the rate. That holds for masks over predictions too (PPV): which rows
    are predicted positive is known before their labels are looked at.
    """

    n_classes: int
    mask_bytes: bytes = field(repr=False)
    value_bytes: bytes = field(repr=False)
    name: str = field(compare=False)

    @classmethod
    def from_tables(cls, name: str, mask: Table, value: Table) -> Rate:
        return cls(len(mask), mask.tobytes(), (mask & value).tobytes(), name)

    @property
    def mask(self) -> Table:
        return self._table(self.mask_bytes)

    @property
    def value(self) -> Table:
        return self._table(self.value_bytes)

    @property
    def range(self) -> Range:
        return 0.0, 1.0

    def canonical(self, complement_name: str) -> Rate:
        """This rate or its complement: a rate and its complement are one variable.

        It is the one with fewer success squares; of two with equally many (binary PR and
        NR, ACC and ERR), the one whose successes include the last square of the mask.
        """
        complement = Rate.from_tables(complement_name, self.mask, self.mask & ~self.value)
        last = np.flatnonzero(self.mask)[-1]
        return min(self, complement, key=lambda rate: (rate.value.sum(), not rate.value.flat[last]))

    @property
    def conditions_on_prediction(self) -> bool:
        """Whether which rows count depends on what the model predicts."""
        return bool((self.mask != self.mask[:, :1]).any())

    def _table(self, content: bytes) -> Table:
        return np.frombuffer(content, dtype=np.bool_).reshape(self.n_classes, self.n_classes)


class RateDefinition(NamedTuple):
    """How a measure's name becomes a rate.

    `tables` takes the label y and prediction ŷ of every square (two K x K integer
    arrays) and the class positions, and returns (mask, value). `complement` names
    the measure that is one minus this one.
    """

    n_indices: int
    tables: Callable[..., tuple[NDArray[np.bool_], NDArray[np.bool_]]]
    complement: str

    def rate(self, name: str, n_classes: int, indices: tuple[int, ...]) -> Rate:
        label, prediction = np.indices((n_classes, n_classes))
        mask, value = self.tables(label, prediction, *indices)
        return Rate.from_tables(name, mask, value)


def _everywhere(y: NDArray[np.int_]) -> Table:
    return np.ones(y.shape, dtype=np.bool_)


RATES: Mapping[str, RateDefinition] = MappingProxyType(
    {
        "ACC": RateDefinition(0, lambda y, p: (_everywhere(y), y == p), complement="ERR"),
        "ERR": RateDefinition(0, lambda y, p: (_everywhere(y), y != p), complement="ACC"),
        "PR": RateDefinition(1, lambda y, p, k: (_everywhere(y), p == k), complement="NR"),
        "NR": RateDefinition(1, lambda y, p, k: (_everywhere(y), p != k), complement="PR"),
        "TPR": RateDefinition(1, lambda y, p, k: (y == k, p == k), complement="FNR"),
        "FNR": RateDefinition(1, lambda y, p, k: (y == k, p != k), complement="TPR"),
        "FPR": RateDefinition(1, lambda y, p, k: (y != k, p == k), complement="TNR"),
        "TNR": RateDefinition(1, lambda y, p, k: (y != k, p != k), complement="FPR"),
        "PPV": RateDefinition(1, lambda y, p, k: (p == k, y == k), complement="FDR"),
        "FDR": RateDefinition(1, lambda y, p, k: (p == k, y != k), complement="PPV"),
        "NPV": RateDefinition(1, lambda y, p, k: (p != k, y != k), complement="FOR"),
        "FOR": RateDefinition(1, lambda y, p, k: (p != k, y == k), complement="NPV"),
        # The share of true positives among all rows that are positive or decided so. F1 is
        # a function of it alone: 2 s / (1 + s).
        "Jaccard": RateDefinition(
            1,
            lambda y, p, k: ((y == k) | (p == k), (y == k) & (p == k)),
            complement="1 - Jaccard",
        ),
        "CM": RateDefinition(2, lambda y, p, i, j: (y == i, p == j), complement="1 - CM"),
    }
)

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "Precision": "PPV",
        "MSE": "Mean_Squared_Error",
        "MAE": "Mean_Absolute_Error",
        "ME": "Mean_Error",
    }
)


# -- averages ----------------------------------------------------------------------------


@dataclass(frozen=True)
class RowMeasure:
    """A measure that is the mean of a number each row has.

    Parameters
    ----------
    name : str
        What constraints call it: letters, digits and underscores, no digit first.
    value : callable
        ``value(y, prediction, probabilities)``, from arrays over rows to an array of one
        number a row. In classification `y` and `prediction` are positions in ``classes_``
        (integers) and `probabilities` has shape (n_rows, n_classes); in regression they are
        numbers and `probabilities` is None. It must not depend on other rows. Where
        `predict` draws its labels (``decision="sample"``) it is called with each class as
        the prediction of all rows, and weighted with that class's probability.
    range : tuple of float, default=(-inf, inf)
        The least and the greatest number that `value` can return. Without two finite
        ends there is no finite-sample bound.
    rows : tuple of class labels, default=None
        The labels of the rows that count. None: all.
    surrogate : callable, default=None
        ``surrogate(probabilities, y)`` in torch, differentiable, for training; `y` are
        positions. None: the expected `value` of a prediction drawn from the probabilities.
        In regression ``surrogate(predictions, y)``; None: the slope of `value` itself, between
        predictions a twentieth of the target's standard deviation below and above.

    Raises
    ------
    ValueError
        If `name` is not one word or `range` is not ordered.

    Examples
    --------
    The mean cost of a decision, where missing a positive costs five times as much as a
    false alarm:

    >>> import numpy as np
    >>> COST = np.array([[0.0, 1.0], [5.0, 0.0]])
    >>> def cost(y, prediction, probabilities):
    ...     return COST[y, prediction]
    >>> measure = RowMeasure("Cost", cost, range=(0, 5))

    Given as ``measures=[measure]``, constraints may say ``"Cost <= 0.4"`` or
    ``"max(Cost, by=sex) - min(Cost, by=sex) <= 0.1"``.
    """

    name: str
    value: Callable[[Any, Any, Any], Any]
    range: Range = ANY_NUMBER
    rows: tuple[object, ...] | None = None
    surrogate: Callable[[Any, Any], Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[^\W\d]\w*", self.name):
            raise ValueError(
                f"A measure's name is one word that does not start with a digit, not {self.name!r}."
            )
        low, high = self.range
        object.__setattr__(self, "range", (float(low), float(high)))
        if self.rows is not None:
            object.__setattr__(self, "rows", tuple(self.rows))
        if not low < high:
            raise ValueError(
                f"The range of measure {self.name!r} must be (low, high) with low < high, "
                f"not {self.range!r}."
            )


@dataclass(frozen=True)
class Average:
    """The mean of a row measure over rows of some labels.

    `labels` says for each of the K classes whether its rows count. `range` is what the
    mean can be.
    """

    measure: RowMeasure
    labels: tuple[bool, ...]
    range: Range

    @property
    def name(self) -> str:
        return self.measure.name

    @property
    def n_classes(self) -> int:
        return len(self.labels)

    @property
    def mask(self) -> Table:
        """The squares (label, prediction) whose rows count."""
        return np.repeat(np.array(self.labels)[:, None], self.n_classes, axis=1)

    @property
    def conditions_on_prediction(self) -> bool:
        return False


def row_values(
    measures: Sequence[RowMeasure],
    y: NDArray[Any],
    prediction: NDArray[Any] | None,
    probabilities: Array | None,
) -> Array:
    """The number that each measure gives each row: shape (n_rows, n_measures).

    Without a `prediction` it is drawn from the `probabilities`, and the number is its
    expectation.

    Raises
    ------
    ValueError
        If a measure gives something else than one number a row, or one outside its range.
    """
    y, prediction, probabilities = map(_read_only, (y, prediction, probabilities))
    values = np.empty((len(y), len(measures)))
    for column, measure in enumerate(measures):
        if prediction is not None:
            values[:, column] = _checked(measure, measure.value(y, prediction, probabilities), y)
            continue
        assert probabilities is not None
        values[:, column] = sum(
            share * _checked(measure, measure.value(y, np.full(len(y), k), probabilities), y)
            for k, share in enumerate(probabilities.T)
        )
    return values


def _read_only(values: Any) -> Any:
    """A view that a measure of the user's cannot write to."""
    if values is None:
        return None
    view = np.asarray(values).view()
    view.flags.writeable = False
    return view


def _checked(measure: RowMeasure, given: Any, y: NDArray[Any]) -> Array:
    values = np.asarray(given, dtype=np.float64)
    if values.shape != y.shape:
        raise ValueError(
            f"Measure {measure.name!r} must return one number for each of {len(y)} rows; it "
            f"returned an array of shape {values.shape}."
        )
    low, high = measure.range
    outside = values[(values < low) | (values > high)]
    if len(outside):
        raise ValueError(
            f"Measure {measure.name!r} gave {outside[0]:g}, which is outside its range "
            f"({low:g}, {high:g})."
        )
    return values


def _log_loss(y: NDArray[np.int64], _prediction: object, probabilities: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(probabilities[np.arange(len(y)), y]))


def _brier(y: NDArray[np.int64], _prediction: object, probabilities: Array) -> Array:
    """Squared distance to the label; halved for two classes, as in scikit-learn."""
    squares = ((probabilities - np.eye(probabilities.shape[1])[y]) ** 2).sum(axis=1)
    return np.asarray(squares / 2 if probabilities.shape[1] == 2 else squares)


CLASSIFICATION_VALUES: Mapping[str, RowMeasure] = MappingProxyType(
    {
        "LogLoss": RowMeasure("LogLoss", _log_loss, range=(0.0, math.inf)),
        "Brier": RowMeasure("Brier", _brier, range=(0.0, 2.0)),
    }
)


def _error(y: Array, prediction: Array, _probabilities: object) -> Array:
    return prediction - y


def _absolute_error(y: Array, prediction: Array, _probabilities: object) -> Array:
    return np.abs(prediction - y)


def _squared_error(y: Array, prediction: Array, _probabilities: object) -> Array:
    return np.square(prediction - y)


REGRESSION_VALUES: Mapping[str, RowMeasure] = MappingProxyType(
    {
        "Mean_Error": RowMeasure("Mean_Error", _error),
        "Mean_Absolute_Error": RowMeasure(
            "Mean_Absolute_Error", _absolute_error, range=(0.0, math.inf)
        ),
        "Mean_Squared_Error": RowMeasure(
            "Mean_Squared_Error", _squared_error, range=(0.0, math.inf)
        ),
    }
)


def error_range(name: str, targets: Range, predictions: Range) -> Range:
    """What a mean of regression errors can be, given what targets and predictions can be."""
    low, high = predictions[0] - targets[1], predictions[1] - targets[0]
    if name == "Mean_Error":
        return low, high
    largest = max(abs(low), abs(high))
    return 0.0, largest**2 if name == "Mean_Squared_Error" else largest
