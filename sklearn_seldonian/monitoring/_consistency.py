"""A check that the counts of a window are possible counts of the same rows."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sklearn_seldonian.bounds import RateStream
from sklearn_seldonian.constraints import Estimand, are_exclusive
from sklearn_seldonian.measures import Rate
from sklearn_seldonian.monitoring._proofs import Stream
from sklearn_seldonian.monitoring._specification import MonitorSpecification


class Kind(NamedTuple):
    """Rows of one kind, whose number is known from a mean.

    Attributes
    ----------
    mean : Estimand
    part : {"rows", "successes", "failures"}
        The part of the mean's rows.
    entries : int
        One bit per pair of label and prediction that such a row can have.
    is_every : bool
        Whether every row is of this kind.
    waits : bool
        Whether a row counts only when its label is known.
    """

    mean: Estimand
    part: str
    entries: int
    is_every: bool
    waits: bool

    def __str__(self) -> str:
        return f"{self.part} of {self.mean}"


class Relations(NamedTuple):
    """Relations between the numbers of rows of kinds, by position, which hold for any rows."""

    kinds: tuple[Kind, ...]
    nested: tuple[tuple[int, int], ...]
    apart: tuple[tuple[int, int], ...]


def relations_of(specification: MonitorSpecification) -> Relations:
    """The kinds of rows that are included in others, and those that have no row in common."""
    waiting = specification.waiting_for_labels
    kinds = [kind for mean in specification.estimands for kind in _kinds(mean, mean in waiting)]
    means = specification.estimands
    without_common_rows = {
        (one, other)
        for one, other in itertools.product(means, means)
        if _exclude_each_other(one, other, specification)
    }
    numbered = list(enumerate(kinds))
    nested = [
        (i, j)
        for (i, one), (j, other) in itertools.permutations(numbered, 2)
        if _is_within(one, other)
    ]
    apart = [
        (i, j)
        for (i, one), (j, other) in itertools.combinations(numbered, 2)
        if not one.entries & other.entries or (one.mean, other.mean) in without_common_rows
    ]
    return Relations(tuple(kinds), tuple(nested), tuple(apart))


def _kinds(mean: Estimand, waits: bool) -> list[Kind]:
    denominator = mean.quantity.denominator
    parts = {"rows": denominator}
    if isinstance(mean.quantity, Rate):
        numerator = mean.quantity.numerator
        parts |= {"successes": numerator, "failures": denominator & ~numerator}
    return [
        Kind(
            mean,
            part,
            int.from_bytes(np.packbits(entries).tobytes()),
            bool(entries.all()) and not mean.conditions,
            waits,
        )
        for part, entries in parts.items()
    ]


def _is_within(one: Kind, other: Kind) -> bool:
    """Whether each row that counts as `one` also counts as `other`."""
    if other.waits and not one.waits:
        return False
    return not one.entries & ~other.entries and one.mean.conditions >= other.mean.conditions


def _exclude_each_other(
    one: Estimand, other: Estimand, specification: MonitorSpecification
) -> bool:
    pairs = itertools.product(one.conditions, other.conditions)
    return any(are_exclusive(a, b, specification.mutually_exclusive_columns) for a, b in pairs)


def check_counts(
    where: str,
    relations: Relations,
    streams: Mapping[Estimand, Stream],
    n_rows: int,
    n_waiting: int,
) -> None:
    """Refuse impossible counts.

    Parameters
    ----------
    where : str
        The name of the window in messages.
    relations : Relations
    streams : mapping of Estimand to stream
    n_rows, n_waiting : int
        The number of rows of the window, and how many of them wait for labels.

    Raises
    ------
    ValueError
        If a mean that counts every row counts more or fewer. If a kind has more rows than a kind
        that includes it. If kinds without a common row have more rows together than there are, or
        than a kind that includes them all. Some impossible counts are not found.
    """
    if n_waiting > n_rows:
        raise ValueError(
            f"{where} has n_rows={n_rows}, but {n_waiting} of its rows wait for labels, which is "
            "impossible."
        )
    kinds = relations.kinds
    counts = [_count(kind, streams[kind.mean]) for kind in kinds]
    for kind, count in zip(kinds, counts, strict=True):
        most = n_rows - n_waiting if kind.waits else n_rows
        if count > most or (kind.is_every and not kind.waits and count < n_rows):
            raise ValueError(
                f"{where} has n_rows={n_rows}, of which {n_waiting} wait for labels, and {count} "
                f"{kind}: these counts are impossible."
            )
    for i, j in relations.nested:
        if counts[i] > counts[j]:
            raise ValueError(
                f"{where} has {counts[i]} {kinds[i]}, all of which are among the {counts[j]} "
                f"{kinds[j]}: these counts are impossible."
            )
    for i, j in relations.apart:
        most = n_rows - n_waiting if kinds[i].waits and kinds[j].waits else n_rows
        if counts[i] + counts[j] > most:
            raise ValueError(
                f"{where} has {counts[i]} {kinds[i]} and {counts[j]} {kinds[j]}, which have no row "
                f"in common, and only {most} rows that count: these counts are impossible."
            )
    _check_parts(where, relations, counts, n_rows)


def _check_parts(where: str, relations: Relations, counts: Sequence[int], n_rows: int) -> None:
    """Refuse kinds without a common row that have more rows together than a kind around them.

    The largest kind is taken first, and then each that has no row in common with those taken.
    """
    kinds, apart = relations.kinds, set(relations.apart)
    inside: dict[int, list[int]] = defaultdict(list)
    for i, j in relations.nested:
        inside[j].append(i)
    wholes = [(counts[j], f"the {counts[j]} {kinds[j]}", own) for j, own in inside.items()]
    for most, words, own in [*wholes, (n_rows, f"{n_rows} rows", [*range(len(kinds))])]:
        taken: list[int] = []
        for i in sorted(own, key=lambda i: -counts[i]):
            if all((min(i, other), max(i, other)) in apart for other in taken):
                taken.append(i)
        if sum(counts[i] for i in taken) > most:
            raise ValueError(
                f"{where} has {', '.join(f'{counts[i]} {kinds[i]}' for i in taken)}, which have no "
                f"row in common and are all among {words}: these counts are impossible."
            )


def _count(kind: Kind, stream: Stream) -> int:
    if not isinstance(stream, RateStream):
        return int(stream.n)
    failures = stream.trials - stream.successes
    return {"rows": stream.trials, "successes": stream.successes, "failures": failures}[kind.part]
