"""Sampling units: which rows belong together, and the weight of each row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_seldonian._text import short
from sklearn_seldonian.data import _arguments
from sklearn_seldonian.data._shift import Shift

Array = NDArray[np.float64]
INDEPENDENT = "The rows are independent draws from the population of interest."


@dataclass(frozen=True, eq=False)
class SamplingUnits:
    """The independent draws from the population: groups of rows, or weighted rows.

    Parameters
    ----------
    positions : ndarray of int, shape (n_rows,)
        The unit of each row.
    weights : ndarray of shape (n_rows,)
    largest : float or None
        An upper limit on the sum of the weights in one unit. None: each row is a unit, and all have
        the same weight.
    assumptions : tuple of str
        The assumptions behind it, in sentences.
    columns : mapping of str to ndarray of shape (n_rows,)
        The columns that the user gave, by argument.
    shift : Shift or None
        The populations that the test is about, if they differ from the one that is drawn from.
    levels : ndarray of int, shape (n_rows,)
        The position of each row's level in the shift's column; 0 without a shift.
    """

    positions: NDArray[np.int64]
    weights: Array
    largest: float | None
    assumptions: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    shift: Shift | None
    levels: NDArray[np.int64]

    @property
    def are_rows(self) -> bool:
        """Whether each row is a unit, all count the same, and nothing shifts."""
        return self.largest is None and self.shift is None

    def take(self, index: Any) -> SamplingUnits:
        """The units of some of the rows."""
        columns = {name: values[index] for name, values in self.columns.items()}
        positions, weights, levels = self.positions[index], self.weights[index], self.levels[index]
        return replace(self, positions=positions, weights=weights, columns=columns, levels=levels)

    @property
    def n_units(self) -> int:
        """The number of units among these rows."""
        return len(np.unique(self.positions))

    def copies(self, rng: np.random.RandomState) -> NDArray[np.intp] | None:
        """Positions of as many rows, each row repeated in proportion to its weight.

        Systematic sampling keeps each row's number of copies within one of its expectation. None if
        all weights are equal.
        """
        if not np.ptp(self.weights):
            return None
        total = np.cumsum(self.weights)
        ends = np.floor(total * (len(total) / total[-1]) + rng.random_sample())
        n_copies = np.diff(ends, prepend=0.0).astype(np.intp)
        return np.repeat(np.arange(len(total)), n_copies)

    def copied(self, index: NDArray[np.intp]) -> SamplingUnits:
        """The units of `copies` of rows, which all have the same weight."""
        positions = self.positions[index]
        scale = len(index) / self.weights.sum()
        most = float(np.bincount(np.unique(positions, return_inverse=True)[1]).max())
        largest = max(scale * (self.largest or 1.0), most)
        return replace(self.take(index), weights=np.ones(len(index)), largest=largest)

    def drawn(
        self, n_rows: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.intp], SamplingUnits]:
        """Positions of about `n_rows` rows in units drawn with replacement, and their units."""
        _, units, sizes = np.unique(self.positions, return_inverse=True, return_counts=True)
        n_units = max(1, round(n_rows * len(sizes) / len(units)))
        chosen = rng.integers(len(sizes), size=n_units)
        members, starts = np.argsort(units, kind="stable"), np.cumsum(sizes) - sizes
        of_chosen = sizes[chosen]
        within = np.arange(of_chosen.sum()) - np.repeat(np.cumsum(of_chosen) - of_chosen, of_chosen)
        index = members[np.repeat(starts[chosen], of_chosen) + within]
        return index, replace(self.take(index), positions=np.repeat(np.arange(n_units), of_chosen))


def units_of(
    groups: Any,
    sample_weight: Any,
    n_rows: int,
    max_group_size: int | None = None,
    max_weight: float | None = None,
    shift: tuple[Shift, Any] | None = None,
) -> SamplingUnits | None:
    """The units of some rows; None without groups, weights and shift.

    Parameters
    ----------
    groups : array-like of shape (n_rows,) or None
        Rows with the same value belong to the same unit.
    sample_weight : array-like of shape (n_rows,) or None
        Nonnegative weights, not all 0.
    n_rows : int
    max_group_size, max_weight : number or None
        The largest number of rows of a unit, and the largest weight of a row, in the population.
        None: the largest among these rows, which becomes an assumption.
    shift : tuple of Shift and array of shape (n_rows,), or None
        The populations that the test is about, and the values of the column whose shares shift.

    Raises
    ------
    ValueError
        If an argument has the wrong number of rows, a missing or negative value, or values above
        the given limits.
    """
    columns = dict[str, NDArray[Any]]()
    of_weights: tuple[str, ...] = ()
    of_groups: tuple[str, ...] = ()
    of_shift: tuple[str, ...] = ()
    weights, heaviest, positions, most = np.ones(n_rows), 1.0, np.arange(n_rows), 1
    if sample_weight is None:
        refuse_alone("sample_weight", max_weight=max_weight)
    else:
        weights, heaviest, of_weights = _weights(sample_weight, n_rows, max_weight)
        columns["sample_weight="] = weights
    if groups is None:
        refuse_alone("groups", max_group_size=max_group_size)
    else:
        values = _arguments.one_value_a_row("groups", groups, n_rows)
        positions, most, of_groups = _positions(values, max_group_size)
        columns["groups="] = values
    if groups is None and sample_weight is None and shift is None:
        return None
    largest: float | None = heaviest * most
    if most == 1 and (weights == heaviest).all():  # rows that all count the same
        weights, largest = np.ones(n_rows), None
    elif shift is not None:
        raise ValueError(
            "shift= cannot be combined with groups= or sample_weight=, because the shares of "
            "levels would not be defined: of groups or of rows, before weighting or after. Leave "
            "one of them out."
        )
    levels = np.zeros(n_rows, dtype=np.int64)
    if shift is not None:
        of_shift = (shift[0].in_words,)
        columns["shift="], levels = np.asarray(shift[1]), shift[0].positions(shift[1])
    drawn = of_groups or (INDEPENDENT,)
    assumed = (*drawn, *of_weights, *of_shift)
    meant = None if shift is None else shift[0]
    return SamplingUnits(positions, weights, largest, assumed, columns, meant, levels)


def refuse_alone(without: str, **most: Any) -> None:
    """Refuse an upper limit without the argument that it limits."""
    for name, value in most.items():
        if value is not None:
            raise ValueError(
                f"{name} has no effect without {without}=. Give both, or leave out {name}."
            )


def _weights(
    given: Any, n_rows: int, max_weight: float | None
) -> tuple[Array, float, tuple[str, ...]]:
    """The weights, their upper limit, and the assumptions behind it."""
    values = _arguments.one_value_a_row("sample_weight", given, n_rows)
    weights = _arguments.as_numbers("sample_weight", values)
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not np.isfinite(total) or (weights < 0).any():
        raise ValueError(
            "sample_weight must contain finite numbers that are at least 0, with a finite sum."
        )
    if not weights.any():
        raise ValueError(
            "sample_weight is zero for all rows, so no row counts. Give positive weights."
        )
    seen = float(weights.max())
    population = "Rates are those of the population that sample_weight makes of the one drawn from."
    if max_weight is None:
        most = f"No row of the population has a sample_weight above {seen:g}, the largest given."
        return weights, seen, (population, most)
    largest = _arguments.number("max_weight", max_weight)
    if not seen <= largest < np.inf:
        raise ValueError(
            f"max_weight={max_weight!r} must be finite, and at least the largest weight, {seen:g}."
        )
    return weights, largest, (population, f"No sample_weight can exceed {largest:g}.")


def _positions(
    values: NDArray[Any], max_group_size: int | None
) -> tuple[NDArray[np.int64], int, tuple[str, ...]]:
    """The group of each row, the largest possible size of a group, and the assumptions."""
    if pd.isna(values).any():
        raise ValueError(
            "groups must not contain missing values. Give each such row its own group."
        )
    try:
        positions = pd.factorize(values)[0].astype(np.int64)
    except TypeError:
        raise TypeError(f"groups must contain numbers or texts, got {short(values)}.") from None
    seen = int(np.bincount(positions).max(initial=0))
    drawn = (
        "Groups (groups=) are independent draws from a population of groups; rows within one may "
        "depend on each other in any way."
    )
    if max_group_size is None:
        most = f"No group of the population has more than {_rows(seen)}, the most among these rows."
        return positions, seen, (drawn, most)
    largest = _arguments.number("max_group_size", max_group_size)
    if not seen <= largest < np.inf or largest != int(largest):
        raise ValueError(
            f"max_group_size={max_group_size!r} must be a whole number, and at least {seen}, the "
            "number of rows of the largest group."
        )
    return positions, int(largest), (drawn, f"No group can have more than {_rows(int(largest))}.")


def _rows(n_rows: int) -> str:
    return f"{n_rows} row{'' if n_rows == 1 else 's'}"
