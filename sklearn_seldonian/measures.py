"""The measures of the constraint language and their definitions.

A *rate* is the share of some kind of decision among some kind of rows. With K classes, a row
belongs to one of the K x K entries of a confusion matrix (its label y, its prediction ŷ). Every
rate has two sets of entries: `denominator`, the entries that count, and `numerator`, the entries
among them that are successes. Both work for deterministic decisions (rows are counted) and for
drawn decisions (each row adds its probability of class j to entry (y, j)).

An *expectation* is the mean of one number per row, a `RowMeasure`, over the rows with some labels.
Regression has one label, which all rows share.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn_seldonian.constraints import Schema

__all__ = ["RowMeasure"]

Entries = NDArray[np.bool_]
Array = NDArray[np.float64]
Range = tuple[float, float]
Output = Literal["prediction", "probabilities", "log_probabilities"]

ANY_NUMBER: Range = (-math.inf, math.inf)


# -- rates -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rate:
    """The share of `numerator` entries among `denominator` entries; both are K x K, row-major.

    Rates with the same entries are equal, also if names differ. Given the number of rows in the
    denominator's entries, the successes among them are binomial: rows are independent draws, and
    each of these rows succeeds with the same probability, the rate. This also holds for rates that
    condition on the prediction (PPV), because predictions do not depend on the labels.
    """

    n_classes: int
    denominator_bits: bytes = field(repr=False)
    numerator_bits: bytes = field(repr=False)
    name: str = field(compare=False)

    @classmethod
    def from_entries(cls, name: str, denominator: Entries, numerator: Entries) -> Rate:
        successes = denominator & numerator
        bits = np.packbits(denominator).tobytes(), np.packbits(successes).tobytes()
        return cls(len(denominator), *bits, name)

    @property
    def denominator(self) -> Entries:
        return self._entries(self.denominator_bits)

    @property
    def numerator(self) -> Entries:
        return self._entries(self.numerator_bits)

    @property
    def range(self) -> Range:
        return 0.0, 1.0

    def canonical(self, complement_name: str) -> Rate:
        """This rate or its complement, so that both are represented by one variable.

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
        """Whether it depends on the model's prediction which rows count."""
        return _varies_along_predictions(self.denominator_bits, self.n_classes)

    @property
    def uses_labels(self) -> bool:
        """Whether the label of a row matters for whether it counts, or is a success."""
        parts = self.denominator, self.numerator
        return any(bool((part != part[:1]).any()) for part in parts)

    def _entries(self, content: bytes) -> Entries:
        return _entries(content, self.n_classes)


def _entries(content: bytes, n_classes: int) -> Entries:
    bits = np.frombuffer(content, dtype=np.uint8)
    entries = np.unpackbits(bits, count=n_classes**2).view(np.bool_)
    return entries.reshape(n_classes, n_classes)


@lru_cache(maxsize=1024)
def _varies_along_predictions(content: bytes, n_classes: int) -> bool:
    entries = _entries(content, n_classes)
    return bool((entries != entries[:, :1]).any())


class RateDefinition(NamedTuple):
    """The definition of a rate by its name.

    `denominator` and `numerator` are called with the label y and the prediction p of every entry
    (two K x K integer arrays) and the class positions. They return which entries count, and which
    of them are successes; if `is_complement`, the other entries are successes. `complement` is the
    name of the measure that is one minus this one. `words` describe the rate in a report.
    """

    n_indices: int
    denominator: Callable[..., Entries]
    numerator: Callable[..., Entries]
    is_complement: bool
    complement: str
    words: str

    @property
    def counts_all_rows(self) -> bool:
        """Whether every row counts, for any label and prediction."""
        return bool(self._of_two_classes.denominator.all())

    @property
    def uses_labels(self) -> bool:
        """Whether labels matter, and not only predictions."""
        return self._of_two_classes.uses_labels

    @property
    def _of_two_classes(self) -> Rate:
        return self.rate("", 2, (0, 1)[: self.n_indices])

    def rate(self, name: str, n_classes: int, indices: tuple[int, ...]) -> Rate:
        label, prediction = _positions(n_classes)
        denominator = self.denominator(label, prediction, *indices)
        numerator = self.numerator(label, prediction, *indices)
        return Rate.from_entries(name, denominator, ~numerator if self.is_complement else numerator)


@lru_cache(maxsize=8)
def _positions(n_classes: int) -> NDArray[np.intp]:
    """The label and the prediction of every entry."""
    return np.indices((n_classes, n_classes))


_WORDS = {
    "ACC": "share of rows predicted correctly",
    "ERR": "share of rows predicted wrongly",
    "PR": "share of rows predicted to have the label",
    "NR": "share of rows not predicted to have the label",
    "TPR": "share predicted to have the label among rows that have it",
    "FNR": "share not predicted to have the label among rows that have it",
    "FPR": "share predicted to have the label among rows that do not have it",
    "TNR": "share not predicted to have the label among rows that do not have it",
    "PPV": "share that have the label among rows predicted to have it",
    "FDR": "share that do not have the label among rows predicted to have it",
    "NPV": "share that do not have the label among rows not predicted to have it",
    "FOR": "share that have the label among rows not predicted to have it",
    "Jaccard": "share that both have the label and are predicted to have it among rows with either",
    "CM": "share predicted to have the second label among rows that have the first",
}
# Each rate with its complement, the number of indices, the entries that count, and the successes.
_PAIRS: Sequence[tuple[str, str, int, Callable[..., Entries], Callable[..., Entries]]] = (
    ("ACC", "ERR", 0, lambda y, p: y >= 0, lambda y, p: y == p),
    ("PR", "NR", 1, lambda y, p, k: y >= 0, lambda y, p, k: p == k),
    ("TPR", "FNR", 1, lambda y, p, k: y == k, lambda y, p, k: p == k),
    ("FPR", "TNR", 1, lambda y, p, k: y != k, lambda y, p, k: p == k),
    ("PPV", "FDR", 1, lambda y, p, k: p == k, lambda y, p, k: y == k),
    ("NPV", "FOR", 1, lambda y, p, k: p != k, lambda y, p, k: y != k),
    # The share of true positives among all rows that are positive or predicted positive; among
    # these, y == p holds only if both are k. F1 is a function of it: 2 s / (1 + s).
    ("Jaccard", "1 - Jaccard", 1, lambda y, p, k: (y == k) | (p == k), lambda y, p, k: y == p),
    ("CM", "1 - CM", 2, lambda y, p, i, j: y == i, lambda y, p, i, j: p == j),
)


def _definitions() -> Iterator[tuple[str, RateDefinition]]:
    for name, other, n_indices, denominator, numerator in _PAIRS:
        entries = n_indices, denominator, numerator
        yield name, RateDefinition(*entries, False, other, _WORDS[name])
        if other in _WORDS:
            yield other, RateDefinition(*entries, True, name, _WORDS[other])


RATES: Mapping[str, RateDefinition] = MappingProxyType(dict(_definitions()))
# Measures that are functions of rates, with the rates that two classes need.
COMPOSITES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"F1": ("Jaccard",), "BACC": ("TPR", "TNR")}
)
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "Precision": "PPV",
        "MSE": "Mean_Squared_Error",
        "MAE": "Mean_Absolute_Error",
        "ME": "Mean_Error",
    }
)


# -- expectations ------------------------------------------------------------------------


@dataclass(frozen=True)
class RowMeasure:
    """A measure that is the mean of one number per row.

    Parameters
    ----------
    name : str
        The name in constraints: letters, digits and underscores, not starting with a digit.
    value : callable
        ``value(y, prediction, probabilities)``, which takes arrays over rows and returns an array
        of one number per row. In classification, `y` and `prediction` are positions in ``classes_``
        (integers), and `probabilities` has shape (n_rows, n_classes). In regression, `y` and
        `prediction` are numbers in the unit of the target, and `probabilities` is None. The number
        of a row must not depend on other rows. If `predict` draws its labels
        (``decision="sample"``), `value` is called with each class as the prediction of all rows,
        and weighted with that class's probability.
    range : tuple of float, default=(-inf, inf)
        The smallest and the largest number that `value` can return. Without two finite ends there
        is no finite-sample bound.
    rows : tuple of class labels, default=None
        The labels of the rows that count. None: all rows count.
    surrogate : callable, default=None
        A differentiable torch function for training. In classification it is
        ``surrogate(probabilities, y)``, and `y` are positions. None: the expected `value` of a
        prediction drawn from the probabilities. In regression it is ``surrogate(predictions, y)``.
        None: the slope of `value` itself, between predictions a twentieth of the target's standard
        deviation below and above.

    Raises
    ------
    ValueError
        If `name` is not one word or `range` is not ordered.

    Examples
    --------
    The mean cost of a decision, if a missed positive costs five times as much as a false alarm:

    >>> import numpy as np
    >>> COST = np.array([[0.0, 1.0], [5.0, 0.0]])
    >>> def cost(y, prediction, probabilities):
    ...     return COST[y, prediction]
    >>> measure = RowMeasure("Cost", cost, range=(0, 5))

    With ``measures=[measure]``, you can write constraints such as ``"Cost <= 0.4"`` or ``"max(Cost,
    by=sex) - min(Cost, by=sex) <= 0.1"``.
    """

    name: str
    value: Callable[[Any, Any, Any], Any]
    range: Range = ANY_NUMBER
    rows: tuple[object, ...] | None = None
    surrogate: Callable[[Any, Any], Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[^\W\d]\w*", self.name):
            raise ValueError(
                f"A measure's name must be one word that does not start with a digit, got "
                f"{self.name!r}."
            )
        low, high = self.range
        object.__setattr__(self, "range", (float(low), float(high)))
        if self.rows is not None:
            object.__setattr__(self, "rows", tuple(self.rows))
        if not low < high:
            raise ValueError(
                f"The range of measure {self.name!r} must be (low, high) with low < high, "
                f"got {self.range!r}."
            )

    def range_for(self, schema: Schema) -> Range:
        """The range of the mean, given the classes, targets and predictions in `schema`."""
        return self.range


@dataclass(frozen=True)
class BuiltInMeasure(RowMeasure):
    """A built-in row measure of the constraint language.

    The safety test computes it in numpy and training computes it in torch, by the same formula.

    Parameters
    ----------
    name : str
    formula : callable
        ``formula(y, output, xp, *indices)``, which takes arrays over rows and returns one number
        per row. It uses functions that numpy and torch have in common; `xp` is the module of `y`
        and `output`.
    output : {"prediction", "probabilities", "log_probabilities"}
        The output of the model that `formula` takes.
    words : str
        A description of the mean for a report.
    range_of : callable
        Takes a `Schema` and returns the range of the mean.
    n_indices : int, default=0
        The number of classes that a constraint gives as indices of the measure.
    indices : tuple of int, default=()
        The positions of these classes.
    """

    value: Callable[[Any, Any, Any], Any] = field(init=False, repr=False, compare=False)
    range: Range = field(default=ANY_NUMBER, init=False, repr=False)
    rows: tuple[object, ...] | None = field(default=None, init=False, repr=False)
    surrogate: Callable[[Any, Any], Any] | None = field(default=None, init=False, repr=False)
    formula: Callable[[Any, Any, Any], Any]
    output: Output
    words: str
    range_of: Callable[[Schema], Range]
    n_indices: int = 0
    indices: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "value", self._in_numpy)

    def range_for(self, schema: Schema) -> Range:
        return self.range_of(schema)

    def of_output(self, y: Any, output: Any, xp: Any) -> Any:
        """One number per row, as an array of `xp`."""
        return self.formula(y, output, xp, *self.indices)

    def _in_numpy(self, y: Any, prediction: Any, probabilities: Any) -> Any:
        output = prediction if self.output == "prediction" else probabilities
        if self.output == "log_probabilities":
            with np.errstate(divide="ignore"):
                output = np.log(probabilities)
        return self.of_output(y, output, np)


@dataclass(frozen=True)
class Expectation:
    """The mean of a row measure over rows with some labels.

    `labels` says for each of the K classes whether its rows count. `range` has the smallest and the
    largest possible mean. `name` is the name in constraints, with indices.
    """

    measure: RowMeasure
    labels: tuple[bool, ...]
    range: Range
    name: str = field(compare=False)

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

    @property
    def uses_labels(self) -> bool:
        """Always True: the function of a measure takes labels, and may use them."""
        return True


# -- values above a threshold ------------------------------------------------------------

# The number of thresholds of `thresholds`.
N_THRESHOLDS = 32


def thresholds(range_: Range) -> list[float]:
    """Thresholds from the lower end of a finite range on, closer together near both ends."""
    low, high = range_
    steps = (position / N_THRESHOLDS for position in range(N_THRESHOLDS))
    return [low + (high - low) * (3.0 - 2.0 * step) * step * step for step in steps]


def excess(measure: RowMeasure, threshold: float) -> RowMeasure:
    """The measure of a row's value above a threshold, and of zero for values below it."""
    if isinstance(measure, BuiltInMeasure):
        return replace(measure, formula=_Excess(measure.formula, threshold))
    surrogate = measure.surrogate and _Excess(measure.surrogate, threshold)
    above = _CheckedExcess(measure, threshold)
    return RowMeasure(measure.name, above, rows=measure.rows, surrogate=surrogate)


@dataclass(frozen=True)
class _Excess:
    """A function of numpy or torch arrays, minus a threshold, where that is above zero."""

    function: Callable[..., Any]
    threshold: float

    def __call__(self, *arguments: Any) -> Any:
        return (self.function(*arguments) - self.threshold).clip(0.0)


@dataclass(frozen=True)
class _CheckedExcess:
    """The excess of a measure whose values are checked first."""

    measure: RowMeasure
    threshold: float

    def __call__(self, y: Any, prediction: Any, probabilities: Any) -> Array:
        given = self.measure.value(y, prediction, probabilities)
        return (_checked(self.measure, given, y) - self.threshold).clip(0.0)


def row_values(
    measures: Sequence[RowMeasure],
    y: NDArray[Any],
    prediction: NDArray[Any] | None,
    probabilities: Array | None,
) -> Array:
    """The number that each measure gives each row, of shape (n_rows, n_measures).

    Without a `prediction`, predictions are drawn from the `probabilities`, and the number is the
    expectation over the draw.

    Raises
    ------
    ValueError
        If a measure does not return one number per row, or returns a number outside its range.
    """
    y, prediction, probabilities = map(_read_only, (y, prediction, probabilities))
    values = np.empty((len(y), len(measures)))
    for column, measure in enumerate(measures):
        values[:, column] = sum(
            share * _checked(measure, measure.value(y, decision, probabilities), y)
            for share, decision in _decisions(prediction, probabilities)
        )
    return values


def _decisions(prediction: Any, probabilities: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs of a decision per row and its probability, probability first."""
    if prediction is not None:
        yield 1.0, prediction
        return
    for k, share in enumerate(probabilities.T):
        yield share, np.full(len(share), k)


def _read_only(values: Any) -> Any:
    """A view that a user-defined measure cannot write to."""
    if values is None:
        return None
    view = np.asarray(values).view()
    view.flags.writeable = False
    return view


def _checked(measure: RowMeasure, given: Any, y: NDArray[Any]) -> Array:
    values = np.asarray(given, dtype=np.float64)
    if values.shape != y.shape:
        raise ValueError(
            f"Measure {measure.name!r} must return one number for each of the {len(y)} rows; it "
            f"returned an array of shape {values.shape}."
        )
    low, high = measure.range
    outside = values[(values < low) | (values > high)]
    if len(outside):
        raise ValueError(
            f"Measure {measure.name!r} returned {outside[0]:g}, which is outside its range "
            f"({low:g}, {high:g}). Correct the measure, or widen its range."
        )
    return values


# -- the row measures of the language ----------------------------------------------------


def _log_loss(y: Any, log_probabilities: Any, xp: Any) -> Any:
    return -log_probabilities[xp.arange(len(y)), y]


def _loss_range(schema: Schema) -> Range:
    return 0.0, math.inf


def _brier(y: Any, probabilities: Any, xp: Any) -> Any:
    """Squared distance to the label; halved for two classes, as in scikit-learn."""
    label = xp.zeros_like(probabilities)
    label[xp.arange(len(y)), y] = 1.0
    squares = ((probabilities - label) ** 2).sum(axis=1)
    return squares / 2 if probabilities.shape[1] == 2 else squares


def _brier_range(schema: Schema) -> Range:
    return 0.0, 1.0 if schema.n_classes == 2 else 2.0


def _calibration_error(y: Any, probabilities: Any, xp: Any, k: int) -> Any:
    """The probability of class k, minus 1 if the label is k."""
    return xp.where(y == k, probabilities[:, k] - 1.0, probabilities[:, k])


def _calibration_range(schema: Schema) -> Range:
    return -1.0, 1.0


def _error(y: Any, prediction: Any, xp: Any) -> Any:
    return prediction - y


def _error_range(schema: Schema) -> Range:
    targets, predictions = schema.target_range, schema.prediction_range
    return predictions[0] - targets[1], predictions[1] - targets[0]


def _absolute_error(y: Any, prediction: Any, xp: Any) -> Any:
    return xp.abs(prediction - y)


def _absolute_range(schema: Schema) -> Range:
    low, high = _error_range(schema)
    return 0.0, max(abs(low), abs(high))


def _squared_error(y: Any, prediction: Any, xp: Any) -> Any:
    return xp.square(prediction - y)


def _squared_range(schema: Schema) -> Range:
    return 0.0, _absolute_range(schema)[1] ** 2


def _by_name(*definitions: tuple[Any, ...]) -> Mapping[str, BuiltInMeasure]:
    return MappingProxyType({given[0]: BuiltInMeasure(*given) for given in definitions})


CLASSIFICATION_VALUES = _by_name(
    ("LogLoss", _log_loss, "log_probabilities", "mean logarithmic loss", _loss_range),
    ("Brier", _brier, "probabilities", "mean squared error of the probabilities", _brier_range),
    (
        "Calibration_Error",
        _calibration_error,
        "probabilities",
        "mean probability of the label minus the share of rows that have it",
        _calibration_range,
        1,
    ),
)
REGRESSION_VALUES = _by_name(
    ("Mean_Error", _error, "prediction", "mean of prediction minus target", _error_range),
    ("Mean_Absolute_Error", _absolute_error, "prediction", "mean absolute error", _absolute_range),
    ("Mean_Squared_Error", _squared_error, "prediction", "mean squared error", _squared_range),
)
DEFINITIONS: Mapping[str, RateDefinition | BuiltInMeasure] = MappingProxyType(
    {**RATES, **CLASSIFICATION_VALUES, **REGRESSION_VALUES}
)
