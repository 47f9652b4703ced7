"""What a certificate keeps about its test, so that the test can be run again from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sklearn_seldonian.certification._fields import Value

Level = bool | int | float | str
Numbers = tuple[float, ...]
# Positions, followed by a number; whole numbers are stored as integers.
Entry = tuple[int | float, ...]
# Sums of products are kept if they are at most this many numbers.
MAX_PRODUCTS = 20_000


@dataclass(frozen=True, eq=False)
class Combinations(Value):
    """The combinations of levels that occur in columns that a quantifier ranges over together.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns.
    levels : tuple of tuple
        One tuple per combination, with its levels in the order of `columns`.
    """

    columns: tuple[str, ...]
    levels: tuple[tuple[Level, ...], ...]


@dataclass(frozen=True, eq=False)
class MeasureRecord(Value):
    """A user-defined measure, without the function that computes it.

    Attributes
    ----------
    name : str
        The name of the measure in constraints.
    range : tuple of float
        The smallest and the largest value that a row can have.
    labels : tuple of str or None
        The labels of the rows that count. None: all rows count.
    """

    name: str
    range: Numbers
    labels: tuple[str, ...] | None


@dataclass(frozen=True, eq=False)
class ShiftRecord(Value):
    """The populations that the certificate is about, if the shares of a column's levels may shift.

    Attributes
    ----------
    column : str
        Name of the column.
    levels : tuple
        All levels that the column may have.
    low, high : tuple of float
        The smallest and the largest share of each level, in the order of `levels`.
    """

    column: str
    levels: tuple[Level, ...]
    low: Numbers
    high: Numbers


@dataclass(frozen=True, eq=False)
class SpecificationRecord(Value):
    """What was tested, with everything that gives the constraints their meaning.

    Attributes
    ----------
    constraints : tuple of str
        The constraints as the user wrote them.
    deltas : tuple of float
        The delta of each constraint, as the user gave it.
    n_tests : int
        The whole number that each delta was divided by because several models were tested.
    method : {"auto", "exact", "asymptotic", "ttest"}
        Which methods of testing were allowed.
    missing : {"error", "exclude"}
        What was done with rows that have no label, or no value in a column that a constraint names.
    decision : {"argmax", "sample"} or None
        Whether the label that `predict` returns was tested, or labels drawn from the probabilities.
        None for regression.
    levels : mapping of str to tuple
        The levels of each column that quantifiers range over.
    combinations : tuple of Combinations
        The combinations of levels of columns that quantifiers range over together.
    orders : mapping of str to tuple
        The categories of each column that is compared by order, in ascending order.
    measures : tuple of MeasureRecord
        The user-defined measures that constraints name.
    target_range, prediction_range : tuple of float
        The smallest and the largest target and prediction of a regression, in the unit of the
        target.
    mutually_exclusive_columns : tuple of tuple of str
        Pairs of 0/1 columns that were assumed never to be both 1.
    choices : tuple of (tuple of int or None)
        For each constraint whose alternatives the candidate data chose: the position of the
        alternative that was tested, for each OR of the constraint, parents first. None: all
        alternatives were tested, each at its share of delta.
    shift : ShiftRecord or None
        The populations that the certificate is about. None: the population that the rows are drawn
        from.
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
    """Sums over the rows that belong to the same groups.

    Attributes
    ----------
    groups : tuple of int
        Positions of these groups in the `groups` of the table.
    sums : tuple of (label, column, sum)
        Position of the label, position of the column, and the sum of the column over the rows with
        this label. The first columns are the classes: they count decisions, or sum probabilities or
        weights. The other columns are the measures of rows. Sums of zero are left out.
    counts : tuple of (label, column, sum)
        If rows have weights: the sums of the class columns without the weights.
    products : tuple of (label, factor, column, sum)
        If a normal approximation needs them: sums over rows of the product of two columns.
    """

    groups: tuple[int, ...]
    sums: tuple[Entry, ...]
    counts: tuple[Entry, ...] = ()
    products: tuple[Entry, ...] = ()


@dataclass(frozen=True, eq=False)
class TableRecord(Value):
    """All rows, divided into cells by the groups that they belong to.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns that define the groups.
    groups : tuple of str
        The condition of each group, as a constraint writes it.
    cells : tuple of CellRecord
        The cells that have rows.
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
        Number of rows whose outputs were NaN or infinite. They are not in any table.
    tables : tuple of TableRecord
        One table per set of columns that constraints name together. Each table contains all rows.
    has_products : bool
        Whether the cells have sums of products.
    score_ends : tuple of tuple of float, or None
        The lowest and the highest score that each class can have. None: not known.
    largest_unit : float or None
        An upper limit on the sum of the weights in one unit of rows. None: each row is a unit with
        weight 1.
    values : str or None
        A digest of the numbers of each row, independent of their order, if a test used one row (or
        unit of rows) after another. None: the tests used only the sums above.
    """

    n_invalid: int
    tables: tuple[TableRecord, ...]
    has_products: bool
    score_ends: tuple[Numbers, ...] | None
    largest_unit: float | None
    values: str | None
