"""A record of the tests that were run, in a file that processes and people share.

Testing the same rows until a test passes makes passing too likely. An estimator remembers its own
tests. Clones, other processes and colleagues learn about each other's tests only from such a file.
It is an SQLite database, so simultaneous writes of two processes follow each other.
"""

from __future__ import annotations

import dataclasses
import io
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from sklearn_seldonian._text import short
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification._certificate import SafetyCertificate
from sklearn_seldonian.certification._method import ARITHMETIC
from sklearn_seldonian.certification._provenance import fingerprint
from sklearn_seldonian.data._arrays import as_arrays
from sklearn_seldonian.data._row_sketch import Hashes, RowSketch, row_hashes
from sklearn_seldonian.exceptions import SafetyDataReusedWarning

Path = str | os.PathLike[str]
SECONDS_TO_WAIT = 60.0
TABLE = """
CREATE TABLE IF NOT EXISTS tests (
    data TEXT NOT NULL, test TEXT NOT NULL, procedure TEXT NOT NULL, verdict TEXT NOT NULL,
    time TEXT NOT NULL, n_rows TEXT NOT NULL, sum TEXT NOT NULL, smallest BLOB NOT NULL,
    repeated REAL NOT NULL, PRIMARY KEY (data, test)
)
"""


class RowsTested(NamedTuple):
    """Some labelled rows, and the test that was run on them.

    Attributes
    ----------
    data, test : str
        Digests of the rows and of the test's result. Tests with the same constraints, deltas,
        methods, rows, order and weights have the same digests.
    hashes : ndarray of uint64, shape (n_rows,)
        One hash per row with its label.
    procedure, verdict : str
        As the certificate has them.
    """

    data: str
    test: str
    hashes: Hashes
    procedure: str
    verdict: str

    @classmethod
    def of(
        cls, certificates: Iterable[SafetyCertificate | None], hashes: Hashes, y: np.ndarray
    ) -> RowsTested | None:
        """The test that `certificates` describe, on rows with these `hashes` and labels.

        None if nothing was tested.
        """
        done = [each for each in certificates if each is not None and _depends_on_rows(each)]
        if not done:
            return None
        labelled = hashes + np.uint64(3) * row_hashes(y)  # 3: rows and labels must not cancel
        data, test = fingerprint(np.sort(labelled)), fingerprint(*map(_what_was_tested, done))
        return cls(data, test, labelled, done[0].procedure, done[0].verdict)


def n_earlier_tests(registry: Path, tested: RowsTested) -> int:
    """Enter a test into a registry, and count the earlier tests that saw some of its rows.

    Parameters
    ----------
    registry : path
        The file; it is created if there is none.
    tested : RowsTested

    Raises
    ------
    ValueError
        If the file is not a registry or cannot be written. Without a record nothing is certified.
    """
    with _opened(registry) as connection:
        found = connection.execute(
            "SELECT data, n_rows, sum, smallest, repeated FROM tests WHERE test != ?",
            (tested.test,),
        ).fetchall()
        sketch = RowSketch.of(tested.hashes)
        ((n_rows, total),) = sketch.parts
        connection.execute(
            "INSERT OR IGNORE INTO tests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(tested.data, tested.test, tested.procedure, tested.verdict),
                datetime.now(UTC).isoformat(timespec="seconds"),
                *(str(n_rows), str(total), _written(sketch.smallest), sketch.repeated),
            ),
        )
    return sum(
        data == tested.data
        or RowSketch(frozenset([(int(n_rows), int(total))]), _read(smallest), repeated).share_of(
            tested.hashes
        )
        > 0
        for data, n_rows, total, smallest, repeated in found
    )


@contextmanager
def _opened(registry: Path) -> Iterator[sqlite3.Connection]:
    """The database in one transaction, during which no other process writes."""
    if not isinstance(registry, str | os.PathLike):
        raise TypeError(f"registry must be the path of a file, got {short(registry)}.")
    try:
        with closing(
            sqlite3.connect(
                os.path.abspath(registry), timeout=SECONDS_TO_WAIT, isolation_level=None
            )
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(TABLE)
            yield connection
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise ValueError(
            f"registry={os.fspath(registry)!r} is not a registry of tests that can be read and "
            f"written ({error}). Give the path of a registry, or of a file that does not exist yet."
        ) from error


def with_reuse_warnings(
    registry: Path, certificates: Mapping[str, SafetyCertificate], X: Any, y: Any
) -> dict[str, SafetyCertificate]:
    """Enter the certificates of one call; if the rows were tested before, they say so."""
    labels = as_arrays(None, y)[1]
    tested = RowsTested.of(certificates.values(), row_hashes(X), labels)
    n_before = 0 if tested is None else n_earlier_tests(registry, tested)
    if not n_before:
        return dict(certificates)
    note = earlier_tests_in_words(n_before, on_record=True)
    warn_user(note, SafetyDataReusedWarning)
    return {
        name: dataclasses.replace(each, assumptions=(*each.assumptions, f"Not met: {note}"))
        for name, each in certificates.items()
    }


def earlier_tests_in_words(n: int, on_record: bool) -> str:
    """The note for rows that were tested `n` times before, by this estimator or on record."""
    times, by = "once" if n == 1 else f"{n} times", "by this estimator"
    if on_record:
        by = "as the registry has it"
    return (
        f"Rows of these data were tested {times} before {by}. Trying until one test passes lets a "
        "violated constraint pass with a probability above delta. Certify the model on fresh rows, "
        "or compare settings with SeldonianSearchCV."
    )


def _written(hashes: Hashes) -> bytes:
    stream = io.BytesIO()
    np.save(stream, hashes, allow_pickle=False)
    return stream.getvalue()


def _read(content: bytes) -> Hashes:
    hashes: Hashes = np.load(io.BytesIO(content), allow_pickle=False)
    return hashes


def _depends_on_rows(certificate: SafetyCertificate) -> bool:
    """Whether a verdict depends on the rows; results of arithmetic alone do not."""
    methods = {result.method for result in certificate.results}
    return bool(certificate.fingerprints) and methods != {ARITHMETIC}


def _what_was_tested(certificate: SafetyCertificate) -> list[object]:
    """What identifies a test: its results, which show methods and measures, its rows and order."""
    results = map(repr, certificate.results)
    return [*results, *certificate.fingerprints.values(), certificate.order_seed]
