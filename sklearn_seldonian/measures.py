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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
    """The share of `numerator` entries among `denominator` entries; both row-major K x K.

    Rates with the same entries are equal, whatever they are called. Given how many rows
    fall into the denominator's entries, the successes among them are binomial: rows are
    independent draws, and each of those that fall there succeeds with the same
    probability, the rate. That holds for masks over predictions too (PPV): which rows
    are predicted positive is known before their labels are looked at.
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
        bits = np.frombuffer(content, dtype=np.uint8)
        entries = np.unpackbits(bits, count=self.n_classes**2).view(np.bool_)
        return entries.reshape(self.n_classes, self.n_classes)


class RateDefinition(NamedTuple):
    """How a measure's name becomes a rate.

    `denominator` and `numerator` take the label y and prediction p of every entry (two K x K
    integer arrays) and the class positions, and say which entries count and which of them
    succeed. Where `is_complement`, the others of them succeed. `complement` names the measure that
    is one minus this one. `words` say in a report what the rate is.
    """

    n_indices: int
    denominator: Callable[..., Entries]
    numerator: Callable[..., Entries]
    is_complement: bool
    complement: str
    words: str

    @property
    def counts_all_rows(self) -> bool:
        """Whether every row counts, whatever its label and prediction."""
        return bool(self.rate("", 2, (0, 1)[: self.n_indices]).denominator.all())

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
    "ACC": "share of rows given their own label",
    "ERR": "share of rows given another label than their own",
    "PR": "share of rows given the label",
    "NR": "share of rows not given the label",
    "TPR": "share given the label among rows that have it",
    "FNR": "share not given the label among rows that have it",
    "FPR": "share given the label among rows that do not have it",
    "TNR": "share not given the label among rows that do not have it",
    "PPV": "share that have the label among rows given it",
    "FDR": "share that do not have the label among rows given it",
    "NPV": "share that do not have the label among rows not given it",
    "FOR": "share that have the label among rows not given it",
    "Jaccard": "share that both have the label and are given it among rows with either",
    "CM": "share given the second label among rows that have the first",
}
# A rate, its complement, the number of their indices, entries that count and entries that succeed.
_PAIRS: Sequence[tuple[str, str, int, Callable[..., Entries], Callable[..., Entries]]] = (
    ("ACC", "ERR", 0, lambda y, p: y >= 0, lambda y, p: y == p),
    ("PR", "NR", 1, lambda y, p, k: y >= 0, lambda y, p, k: p == k),
    ("TPR", "FNR", 1, lambda y, p, k: y == k, lambda y, p, k: p == k),
    ("FPR", "TNR", 1, lambda y, p, k: y != k, lambda y, p, k: p == k),
    ("PPV", "FDR", 1, lambda y, p, k: p == k, lambda y, p, k: y == k),
    ("NPV", "FOR", 1, lambda y, p, k: p != k, lambda y, p, k: y != k),
    # The share of true positives among all rows that are positive or decided so, of which y == p
    # holds where both are k. F1 is a function of it alone: 2 s / (1 + s).
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
        What constraints call it: letters, digits and underscores, no digit first.
    value : callable
        ``value(y, prediction, probabilities)``, from arrays over rows to an array of one
        number per row. In classification `y` and `prediction` are positions in ``classes_``
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
    name : str
    formula : callable
        ``formula(y, output, xp, *indices)``, from arrays over rows to one number per row. It uses
        what numpy and torch have in common; `xp` is the one that `y` and `output` are of.
    output : {"prediction", "probabilities", "log_probabilities"}
        The output of a model that `formula` takes.
    words : str
        What the mean is, for a report.
    range_of : callable
        From a `Schema` to the range of the mean.
    n_indices : int, default=0
        How many classes a constraint names as the measure's indices.
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
        """One number per row, in `xp`."""
        return self.formula(y, output, xp, *self.indices)

    def _in_numpy(self, y: Any, prediction: Any, probabilities: Any) -> Any:
        output = prediction if self.output == "prediction" else probabilities
        if self.output == "log_probabilities":
            with np.errstate(divide="ignore"):
                output = np.log(probabilities)
        return self.of_output(y, output, np)


@dataclass(frozen=True)
class Expectation:
    """The mean of a row measure over rows of some labels.

    `labels` says for each of the K classes whether its rows count. `range` is what the
    mean can be. `name` is what constraints call it, its indices included.
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
        If a measure gives something else than one number per row, or one outside its range.
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
    """Pairs of a probability per row and the decision that has it."""
    if prediction is not None:
        yield 1.0, prediction
        return
    for k, share in enumerate(probabilities.T):
        yield share, np.full(len(share), k)


def _read_only(values: Any) -> Any:
    """A view that a user's measure cannot write to."""
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
    """The probability of class k, less whether the label is k."""
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
        "mean probability of the label less the share of rows that have it",
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
