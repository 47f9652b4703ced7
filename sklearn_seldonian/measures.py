"""What each measure means.

A *rate* is the share of some kind of decision among some kind of rows. With K classes
a row falls into one of the K x K entries of a confusion matrix (its label y, its prediction ŷ).
Every rate is two sets of entries: `denominator`, the entries that count at all, and `numerator`,
those of them that count as a success. They serve deterministic decisions (count rows) and drawn
ones (add each row's probability of class j to entry (y, j)) alike.

An *expectation* is the mean of a number that each row has, a `RowMeasure`, among the rows
of some labels. Regression has one label, which all rows share.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn_seldonian.constraints import Schema

__all__ = [
    "ALIASES",
    "CLASSIFICATION_VALUES",
    "DEFINITIONS",
    "RATES",
    "REGRESSION_VALUES",
    "BuiltInMeasure",
    "Expectation",
    "Rate",
    "RateDefinition",
    "RowMeasure",
    "row_values",
]

Entries = NDArray[np.bool_]
Array = NDArray[np.float64]
Range = tuple[float, float]
Output = Literal["prediction", "probabilities", "log_probabilities"]

ANY_NUMBER: Range = (-math.inf, math.inf)


# -- rates -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rate:
    """The share of `numerator` entries among `denominator` entries; both row-major K x K.

    Rates with the same entries are equal, whatever they are called. Given how many rows
    fall into the denominator's entries, the successes among them are binomial: rows are
    independent draws, and each of those that fall there succeeds with the same
    probability, the rate. That holds for masks over predictions too (PPV): which rows
    are predicted positive is known before their labels are looked at.
    """

    n_classes: int
    denominator_bytes: bytes = field(repr=False)
    numerator_bytes: bytes = field(repr=False)
    name: str = field(compare=False)

    @classmethod
    def from_entries(cls, name: str, denominator: Entries, numerator: Entries) -> Rate:
        return cls(
            len(denominator), denominator.tobytes(), (denominator & numerator).tobytes(), name
        )

    @property
    def denominator(self) -> Entries:
        return self._entries(self.denominator_bytes)

    @property
    def numerator(self) -> Entries:
        return self._entries(self.numerator_bytes)

    @property
    def range(self) -> Range:
        return 0.0, 1.0

    def canonical(self, complement_name: str) -> Rate:
        """This rate or its complement: a rate and its complement are one variable.

        It is the one with fewer success entries; of two with equally many (binary PR and
        NR, ACC and ERR), the one whose successes include the last entry of the denominator.
        """
        complement = Rate.from_entries(
            complement_name, self.denominator, self.denominator & ~self.numerator
        )
        last = np.flatnonzero(self.denominator)[-1]
        return min(
            self, complement, key=lambda rate: (rate.numerator.sum(), not rate.numerator.flat[last])
        )

    @property
    def conditions_on_prediction(self) -> bool:
        """Whether which rows count depends on what the model predicts."""
        return bool((self.denominator != self.denominator[:, :1]).any())

    def _entries(self, content: bytes) -> Entries:
        return np.frombuffer(content, dtype=np.bool_).reshape(self.n_classes, self.n_classes)


class RateDefinition(NamedTuple):
    """How a measure's name becomes a rate.

    `entries` takes the label y and prediction ŷ of every entry (two K x K integer
    arrays) and the class positions, and returns (denominator, numerator). `complement` names
    the measure that is one minus this one. `words` say in a report what the rate is.
    """

    n_indices: int
    entries: Callable[..., tuple[NDArray[np.bool_], NDArray[np.bool_]]]
    complement: str
    words: str

    @property
    def counts_all_rows(self) -> bool:
        """Whether every row counts, whatever its label and prediction."""
        return bool(self.rate("", 2, (0, 1)[: self.n_indices]).denominator.all())

    def rate(self, name: str, n_classes: int, indices: tuple[int, ...]) -> Rate:
        label, prediction = np.indices((n_classes, n_classes))
        denominator, numerator = self.entries(label, prediction, *indices)
        return Rate.from_entries(name, denominator, numerator)


def _everywhere(y: NDArray[np.int_]) -> Entries:
    return np.ones(y.shape, dtype=np.bool_)


RATES: Mapping[str, RateDefinition] = MappingProxyType(
    {
        "ACC": RateDefinition(
            0,
            lambda y, p: (_everywhere(y), y == p),
            complement="ERR",
            words="share of rows given their own label",
        ),
        "ERR": RateDefinition(
            0,
            lambda y, p: (_everywhere(y), y != p),
            complement="ACC",
            words="share of rows given another label than their own",
        ),
        "PR": RateDefinition(
            1,
            lambda y, p, k: (_everywhere(y), p == k),
            complement="NR",
            words="share of rows given the label",
        ),
        "NR": RateDefinition(
            1,
            lambda y, p, k: (_everywhere(y), p != k),
            complement="PR",
            words="share of rows not given the label",
        ),
        "TPR": RateDefinition(
            1,
            lambda y, p, k: (y == k, p == k),
            complement="FNR",
            words="share given the label among rows that have it",
        ),
        "FNR": RateDefinition(
            1,
            lambda y, p, k: (y == k, p != k),
            complement="TPR",
            words="share not given the label among rows that have it",
        ),
        "FPR": RateDefinition(
            1,
            lambda y, p, k: (y != k, p == k),
            complement="TNR",
            words="share given the label among rows that do not have it",
        ),
        "TNR": RateDefinition(
            1,
            lambda y, p, k: (y != k, p != k),
            complement="FPR",
            words="share not given the label among rows that do not have it",
        ),
        "PPV": RateDefinition(
            1,
            lambda y, p, k: (p == k, y == k),
            complement="FDR",
            words="share that have the label among rows given it",
        ),
        "FDR": RateDefinition(
            1,
            lambda y, p, k: (p == k, y != k),
            complement="PPV",
            words="share that do not have the label among rows given it",
        ),
        "NPV": RateDefinition(
            1,
            lambda y, p, k: (p != k, y != k),
            complement="FOR",
            words="share that do not have the label among rows not given it",
        ),
        "FOR": RateDefinition(
            1,
            lambda y, p, k: (p != k, y == k),
            complement="NPV",
            words="share that have the label among rows not given it",
        ),
        # The share of true positives among all rows that are positive or decided so. F1 is
        # a function of it alone: 2 s / (1 + s).
        "Jaccard": RateDefinition(
            1,
            lambda y, p, k: ((y == k) | (p == k), (y == k) & (p == k)),
            complement="1 - Jaccard",
            words="share that both have the label and are given it among rows with either",
        ),
        "CM": RateDefinition(
            2,
            lambda y, p, i, j: (y == i, p == j),
            complement="1 - CM",
            words="share given the second label among rows that have the first",
        ),
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

    def range_for(self, schema: Schema) -> Range:
        """What the mean can be, given the classes of `schema` and its targets and predictions."""
        return self.range


@dataclass(frozen=True)
class BuiltInMeasure(RowMeasure):
    """A row measure of the constraint language itself.

    The safety test computes it in numpy and training in torch, both by its one formula.

    Parameters
    ----------
    name, range, rows
        As in `RowMeasure`.
    formula : callable
        ``formula(y, output, xp)``, from arrays over rows to one number a row. It uses what
        numpy and torch have in common; `xp` is the one that `y` and `output` are of.
    output : {"prediction", "probabilities", "log_probabilities"}
        The output of a model that `formula` takes.
    words : str
        What the mean is, for a report.
    range_of : callable, default=None
        From a `Schema` to the range of the mean. None: `range`, whatever the schema.
    """

    value: Callable[[Any, Any, Any], Any] = field(init=False, repr=False, compare=False)
    formula: Callable[[Any, Any, Any], Any] = field(kw_only=True)
    output: Output = field(kw_only=True)
    words: str = field(kw_only=True)
    range_of: Callable[[Schema], Range] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "value", self._in_numpy)

    def range_for(self, schema: Schema) -> Range:
        return self.range_of(schema) if self.range_of else self.range

    def _in_numpy(self, y: Any, prediction: Any, probabilities: Any) -> Any:
        output = prediction if self.output == "prediction" else probabilities
        if self.output == "log_probabilities":
            with np.errstate(divide="ignore"):
                output = np.log(probabilities)
        return self.formula(y, output, np)


@dataclass(frozen=True)
class Expectation:
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
    def denominator(self) -> Entries:
        """The entries (label, prediction) whose rows count."""
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


# -- the averages of the language ----------------------------------------------------------


def _log_loss(y: Any, log_probabilities: Any, xp: Any) -> Any:
    return -log_probabilities[xp.arange(len(y)), y]


def _brier(y: Any, probabilities: Any, xp: Any) -> Any:
    """Squared distance to the label; halved for two classes, as in scikit-learn."""
    label = xp.zeros_like(probabilities)
    label[xp.arange(len(y)), y] = 1.0
    squares = ((probabilities - label) ** 2).sum(axis=1)
    return squares / 2 if probabilities.shape[1] == 2 else squares


def _brier_range(schema: Schema) -> Range:
    return 0.0, 1.0 if schema.n_classes == 2 else 2.0


def _error(y: Any, prediction: Any, xp: Any) -> Any:
    return prediction - y


def _error_range(schema: Schema) -> Range:
    targets, predictions = schema.target_range, schema.prediction_range
    return predictions[0] - targets[1], predictions[1] - targets[0]


def _absolute_error(y: Any, prediction: Any, xp: Any) -> Any:
    return xp.abs(prediction - y)


def _absolute_error_range(schema: Schema) -> Range:
    low, high = _error_range(schema)
    return 0.0, max(abs(low), abs(high))


def _squared_error(y: Any, prediction: Any, xp: Any) -> Any:
    return xp.square(prediction - y)


def _squared_error_range(schema: Schema) -> Range:
    return 0.0, _absolute_error_range(schema)[1] ** 2


def _by_name(*measures: BuiltInMeasure) -> Mapping[str, BuiltInMeasure]:
    return MappingProxyType({measure.name: measure for measure in measures})


CLASSIFICATION_VALUES = _by_name(
    BuiltInMeasure(
        "LogLoss",
        range=(0.0, math.inf),
        formula=_log_loss,
        output="log_probabilities",
        words="mean logarithmic loss",
    ),
    BuiltInMeasure(
        "Brier",
        range=(0.0, 2.0),
        formula=_brier,
        output="probabilities",
        words="mean squared error of the probabilities",
        range_of=_brier_range,
    ),
)
REGRESSION_VALUES = _by_name(
    BuiltInMeasure(
        "Mean_Error",
        formula=_error,
        output="prediction",
        words="mean of prediction minus target",
        range_of=_error_range,
    ),
    BuiltInMeasure(
        "Mean_Absolute_Error",
        range=(0.0, math.inf),
        formula=_absolute_error,
        output="prediction",
        words="mean absolute error",
        range_of=_absolute_error_range,
    ),
    BuiltInMeasure(
        "Mean_Squared_Error",
        range=(0.0, math.inf),
        formula=_squared_error,
        output="prediction",
        words="mean squared error",
        range_of=_squared_error_range,
    ),
)
DEFINITIONS: Mapping[str, RateDefinition | BuiltInMeasure] = MappingProxyType(
    {**RATES, **CLASSIFICATION_VALUES, **REGRESSION_VALUES}
)
