"""Which rows belong together, and how much each of them counts."""

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
    """What is drawn independently from the population: groups of rows, or weighted rows.

    Parameters
    ----------
    positions : ndarray of int, shape (n_rows,)
        The unit of each row.
    weights : ndarray of shape (n_rows,)
    largest : float or None
        What the weights of no unit add up to more than. None where each row is a unit and all count
        the same.
    assumptions : tuple of str
        What that rests on, in sentences.
    columns : mapping of str to ndarray of shape (n_rows,)
        What the user gave, by the arguments.
    shift : Shift or None
        Which populations are meant, where it is not the one that is drawn from.
    levels : ndarray of int, shape (n_rows,)
        The position of each row's level of the shift's column; 0 without a shift.
    """

    positions: NDArray[np.int64]
    weights: Array
    largest: float | None
    assumptions: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    shift: Shift | None
    levels: NDArray[np.int64]

    def take(self, index: Any) -> SamplingUnits:
        """Of some of the rows."""
        columns = {name: values[index] for name, values in self.columns.items()}
        positions, weights, levels = self.positions[index], self.weights[index], self.levels[index]
        return replace(self, positions=positions, weights=weights, columns=columns, levels=levels)

    @property
    def n_units(self) -> int:
        """How many units there are among these rows."""
        return len(np.unique(self.positions))

    def copies(self, rng: np.random.RandomState) -> NDArray[np.intp] | None:
        """As many positions of rows as there are rows, each as often as its weight has it.

        By systematic sampling, so that a row's number of copies is off its expectation by less
        than one. None where all weights are the same.
        """
        if not np.ptp(self.weights):
            return None
        total = np.cumsum(self.weights)
        ends = np.floor(total * (len(total) / total[-1]) + rng.random_sample())
        n_copies = np.diff(ends, prepend=0.0).astype(np.intp)
        return np.repeat(np.arange(len(total)), n_copies)

    def copied(self, index: NDArray[np.intp]) -> SamplingUnits:
        """Of `copies` of rows, which all count the same."""
        positions = self.positions[index]
        scale = len(index) / self.weights.sum()
        most = float(np.bincount(np.unique(positions, return_inverse=True)[1]).max())
        largest = max(scale * (self.largest or 1.0), most)
        return replace(self.take(index), weights=np.ones(len(index)), largest=largest)

    def drawn(
        self, n_rows: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.intp], SamplingUnits]:
        """Positions of about `n_rows` rows of units drawn with replacement, and their units."""
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
    """The units of some rows; None where each row is one, all count the same, and nothing shifts.

    Parameters
    ----------
    groups : array-like of shape (n_rows,) or None
        Rows with the same value belong together.
    sample_weight : array-like of shape (n_rows,) or None
        At least 0, and not all 0.
    n_rows : int
    max_group_size, max_weight : number or None
        What no unit of the population has more rows than, and no row more weight. None: the most
        seen among these rows, which is then an assumption.
    shift : tuple of Shift and array of shape (n_rows,), or None
        The populations that are meant, and the values of the column that they are about.

    Raises
    ------
    ValueError
        If they have another number of rows, a missing or negative value, or more than the most.
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
    largest: float | None = heaviest * most
    if most == 1 and (weights == heaviest).all():  # rows that all count the same
        if shift is None:
            return None
        weights, largest, of_groups, of_weights = np.ones(n_rows), None, (), ()
    elif shift is not None:
        raise ValueError(
            "shift= does not go with groups= or sample_weight=: of which shares it would be, those "
            "of groups or rows, before weights or after, is not settled. Leave one of them out."
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
    """Refuse a largest size of what is not given."""
    for name, value in most.items():
        if value is not None:
            raise ValueError(f"{name} says nothing without {without}=: give both, or none of them.")


def _weights(
    given: Any, n_rows: int, max_weight: float | None
) -> tuple[Array, float, tuple[str, ...]]:
    """The weights, what none can exceed, and what that rests on."""
    values = _arguments.one_value_a_row("sample_weight", given, n_rows)
    weights = _arguments.as_numbers("sample_weight", values)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("sample_weight must hold finite numbers that are at least 0.")
    if not weights.any():
        raise ValueError("sample_weight must not be zero for all rows: there is nothing to count.")
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
    """The group of each row, how many rows none can exceed, and what that rests on."""
    if pd.isna(values).any():
        raise ValueError("groups must not hold missing values: give each such row its own group.")
    try:
        positions = pd.factorize(values)[0].astype(np.int64)
    except TypeError:
        raise TypeError(f"groups must hold numbers or texts, got {short(values)}.") from None
    seen = int(np.bincount(positions).max(initial=0))
    drawn = (
        "Groups (groups=) are independent draws from a population of groups; rows within one may "
        "depend on each other in any way."
    )
    if max_group_size is None:
        most = f"No group of the population has more than {seen} rows, the most among these rows."
        return positions, seen, (drawn, most)
    largest = _arguments.number("max_group_size", max_group_size)
    if not seen <= largest < np.inf or largest != int(largest):
        raise ValueError(
            f"max_group_size={max_group_size!r} must be a whole number of rows, and at least the "
            f"{seen} of the largest group."
        )
    return positions, int(largest), (drawn, f"No group can have more than {int(largest)} rows.")
