"""What a certificate keeps of its test, so that the test can be run again from the certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sklearn_seldonian.certification._fields import Value

Level = bool | int | float | str
Numbers = tuple[float, ...]
# Positions, and a number last, whole numbers as such.
Entry = tuple[int | float, ...]
# Sums of products are kept while they are at most so many numbers.
MAX_PRODUCTS = 20_000


@dataclass(frozen=True, eq=False)
class Combinations(Value):
    """For columns that a quantifier ranges over together: the combinations of levels that occur.

    Attributes
    ----------
    columns : tuple of str
        Their names.
    levels : tuple of tuple
        One for each combination, in the order of `columns`.
    """

    columns: tuple[str, ...]
    levels: tuple[tuple[Level, ...], ...]


@dataclass(frozen=True, eq=False)
class MeasureRecord(Value):
    """A measure of the user's own, but for what it computes.

    Attributes
    ----------
    name : str
        What constraints call it.
    range : tuple of float
        The least and the greatest number that a row can have.
    labels : tuple of str or None
        Of the rows that count. None: all.
    """

    name: str
    range: Numbers
    labels: tuple[str, ...] | None


@dataclass(frozen=True, eq=False)
class ShiftRecord(Value):
    """The populations that are meant, where it is not the one that the rows are drawn from.

    Attributes
    ----------
    column : str
        Its name.
    levels : tuple
        All that it may hold.
    low, high : tuple of float
        Between which numbers the share of each level lies.
    """

    column: str
    levels: tuple[Level, ...]
    low: Numbers
    high: Numbers


@dataclass(frozen=True, eq=False)
class SpecificationRecord(Value):
    """What was tested, with all that gives the constraints their meaning.

    Attributes
    ----------
    constraints : tuple of str
        As they were written.
    deltas : tuple of float
        Of each constraint, as it was asked for.
    n_tests : int
        The whole number that each delta was divided by, since so many models were tested.
    method : {"auto", "exact", "asymptotic", "ttest"}
        Which tests were allowed.
    missing : {"error", "exclude"}
        What was done with rows that have no value in a column that is named.
    decision : {"argmax", "sample"} or None
        Whether the label that `predict` returns was tested, or labels drawn from the probabilities;
        None where numbers are predicted.
    levels : mapping of str to tuple
        Of the columns that quantifiers range over.
    combinations : tuple of Combinations
        Of columns that quantifiers range over together.
    orders : mapping of str to tuple
        The categories, in ascending order, of columns that are compared by their order.
    measures : tuple of MeasureRecord
        The user's own that constraints name.
    target_range, prediction_range : tuple of float
        Between which numbers targets and predictions of a regression lie.
    mutually_exclusive_columns : tuple of tuple of str
        Pairs of 0/1 columns that were taken never to be both 1.
    choices : tuple of (tuple of int or None)
        For each constraint, which alternative of each of its ORs was tested, parents first, where
        candidate rows had chosen it. None: all were tested, each at its share of delta.
    shift : ShiftRecord or None
        The populations that are meant; None: the one that the rows are drawn from.
    """

    constraints: tuple[str, ...]
    deltas: Numbers
    n_tests: int
    method: str
    missing: str
    decision: str | None
    levels: Mapping[str, tuple[Level, ...]]
    combinations: tuple[Combinations, ...]
    orders: Mapping[str, tuple[Level, ...]]
    measures: tuple[MeasureRecord, ...]
    target_range: Numbers
    prediction_range: Numbers
    mutually_exclusive_columns: tuple[tuple[str, ...], ...]
    choices: tuple[tuple[int, ...] | None, ...]
    shift: ShiftRecord | None


@dataclass(frozen=True, eq=False)
class CellRecord(Value):
    """Sums over the rows that are in the same groups.

    Attributes
    ----------
    groups : tuple of int
        Positions of the groups that they are in, among those of the table.
    sums : tuple of (label, column, sum)
        Positions of the label and of the column, and the sum over the rows with this label.
        The columns are first the classes, where decisions are counted (or probabilities and
        weights are added up), then the measures of rows. Sums of zero are left out.
    counts : tuple of (label, column, sum)
        Where rows have weights: the sums without them, of the columns that are classes.
    products : tuple of (label, factor, column, sum)
        Where a normal approximation needs them: sums of products of two columns of a row.
    """

    groups: tuple[int, ...]
    sums: tuple[Entry, ...]
    counts: tuple[Entry, ...] = ()
    products: tuple[Entry, ...] = ()


@dataclass(frozen=True, eq=False)
class TableRecord(Value):
    """All rows, divided into cells by the groups that they are in.

    Attributes
    ----------
    columns : tuple of str
        Those that the groups are made by.
    groups : tuple of str
        The conditions of each group, as constraints write them.
    cells : tuple of CellRecord
        Those that have rows.
    """

    columns: tuple[str, ...]
    groups: tuple[str, ...]
    cells: tuple[CellRecord, ...]


@dataclass(frozen=True, eq=False)
class StatisticsRecord(Value):
    """The statistics of the safety rows that the verdict rests on.

    Attributes
    ----------
    n_invalid : int
        Rows whose outputs were NaN or infinite, which are in no table.
    tables : tuple of TableRecord
        One for each set of columns that constraints name together. All rows are in each of them.
    has_products : bool
        Whether cells have their sums of products.
    score_ends : tuple of tuple of float, or None
        The lowest and the highest score that each class can have, where that is known.
    largest_unit : float or None
        What the weights of no unit of rows add up to more than. None: each row is a unit, and
        counts once.
    values : str or None
        A digest of the numbers of each row, in any order, where a test looked at one row (or unit
        of rows) after another. None: the sums above are all that the test looked at.
    """

    n_invalid: int
    tables: tuple[TableRecord, ...]
    has_products: bool
    score_ends: tuple[Numbers, ...] | None
    largest_unit: float | None
    values: str | None
