"""Tables of fits that grow row by row, so that a later run continues where one stopped."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd

Job = TypeVar("Job", bound=tuple[Any, ...])


def append(path: Path, row: NamedTuple) -> None:
    """Add a row to a CSV file; the first row comes after a header with the names of its fields.

    A row is added by a single write, so that no reader sees half of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), path.open("xb", buffering=0) as table:
        table.write(_line(row._fields))
    with path.open("ab", buffering=0) as table:
        table.write(_line(row))


def read(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    """The table; it has no rows if there is no file."""
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=list(columns))


def lacking(table: pd.DataFrame, keys: Iterable[str], asked: Iterable[Job]) -> list[Job]:
    """Those jobs of which the table has no row. The entries of a job are in the columns `keys`."""
    done = set(table[list(keys)].itertuples(index=False, name=None))
    return [job for job in asked if tuple(job) not in done]


def _line(cells: Iterable[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
