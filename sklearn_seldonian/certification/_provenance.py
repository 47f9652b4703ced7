"""What a certificate says about its origin and its assumptions."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian._version import __version__
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.constraints import ExclusiveColumns
from sklearn_seldonian.data._digests import RowSum, blocks_of, row_digests
from sklearn_seldonian.data._row_sketch import Sighting, row_hashes
from sklearn_seldonian.data._units import INDEPENDENT
from sklearn_seldonian.exceptions import SafetyDataReusedWarning

_UNSEEN = (
    "The safety rows influenced nothing before the test: no preprocessing, selection of "
    "features, resampling or search outside the estimator has seen them, and they are tested "
    "for the first time.",
)


def assumptions(
    of_the_model: Iterable[str],
    mutually_exclusive_columns: ExclusiveColumns,
    mask_given: bool = False,
    of_units: Iterable[str] = (),
) -> tuple[str, ...]:
    """The assumptions of a certificate, in sentences.

    Parameters
    ----------
    of_the_model : iterable of str
        Sentences about what the model predicts.
    mutually_exclusive_columns : frozenset of frozenset of str
    mask_given : bool, default=False
        Whether the user chose which rows to test.
    of_units : iterable of str, default=()
        Sentences about what is drawn from the population, if it is not one row after another.
    """
    mask = "Which rows were kept for the safety test did not depend on outcomes."
    pairs = sorted(" and ".join(sorted(pair)) for pair in mutually_exclusive_columns)
    return (
        *(of_units or [INDEPENDENT]),
        *_UNSEEN,
        *of_the_model,
        *[mask] * mask_given,
        *(f"Columns {pair} are never both 1; no row seen has both." for pair in pairs),
    )


_installed = cache(version)  # cached, because each call searches the file system


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of the packages that a test uses."""
    packages = ("torch", "skorch", "scikit-learn", "scipy", "numpy", "pandas")
    return {
        "sklearn-seldonian": __version__,
        "python": platform.python_version(),
        **{package: _installed(package) for package in packages},
    }


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fingerprint(*parts: Any) -> str:
    """A digest of arrays, or of rows in the given order."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        for values in _contents(part):
            digest.update(f"{values.dtype} {values.shape}".encode())
            if values.dtype.kind in "biuf":
                digest.update(np.ascontiguousarray(values).data)
            else:
                digest.update(repr(values.tolist()).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _contents(part: Any) -> list[NDArray[Any]]:
    try:
        return [np.asarray(part)]
    except ValueError:  # rows of different shapes
        return [row_digests(blocks_of(part))]


def row_sums(
    X: Any, y: NDArray[Any], columns: Mapping[str, Any], **answers: NDArray[Any]
) -> dict[str, RowSum]:
    """Sums of row hashes, for any order of the rows: of the data, its parts and a model's answers.

    Parameters
    ----------
    X : array-like of any kind
    y : ndarray of shape (n_rows,)
    columns : mapping of str to array
        The columns that constraints name.
    **answers : ndarray of shape (n_rows, ...)
        The answers, by kind. Rows are hashed together with their answers, and numbers as float32,
        because the order of rows can change their last digits.

    Returns
    -------
    dict of str to RowSum
        The parts of the data, y and each column, have sums of their own as well. Their names begin
        with "data: ".
    """
    named = {"data: y": y, **{f"data: column {name}": own for name, own in columns.items()}}
    parts = {name: blocks_of(values) for name, values in named.items()}
    data = [*blocks_of(X), *(block for blocks in parts.values() for block in blocks)]
    sums = RowSum.of(data, {name: row_hashes(values) for name, values in answers.items()})
    for name, blocks in parts.items():
        sums |= RowSum.of(blocks, {}, name)
    return sums


def fingerprints_of(sums: Mapping[str, RowSum], columns: Iterable[str]) -> dict[str, str]:
    """The fingerprints of rows from their sums; `columns` are those that constraints name."""
    kind = " ".join(map(repr, columns)).encode()
    return {name: of_rows.fingerprint(kind) for name, of_rows in sums.items()}


# -- rows that the model was fitted to ---------------------------------------------


def other_rows(sightings: Sequence[Sighting]) -> str:
    """The assumption that a model was fitted to other rows, or a note that it is not met.

    Parameters
    ----------
    sightings : sequence of Sighting
        For the Seldonian estimators that the model is or contains.
    """
    known = [(sighting.share, sighting.name) for sighting in sightings if sighting.share]
    if known:
        share, name = max(known, key=lambda pair: pair[0])
        note = given_to_fit(name, share)
        warn_user(note, SafetyDataReusedWarning)
        return f"Not met: {note}"
    loaded = [sighting.name for sighting in sightings if sighting.share is None]
    stated = "The model was fitted to other rows, and chosen by other rows."
    if not loaded:
        return stated
    return f"{stated} This was not checked: the file that {loaded[0]} loaded has no record of rows."


def given_to_fit(name: str, share: float) -> str:
    """The note for tested rows of which a `share` was given to the model's fit."""
    rows = "These rows were" if share == 1 else f"{share:.0%} of these rows were"
    return (
        f"{rows} given to {name}.fit. What a model does on rows that it was fitted to or chosen by "
        "proves nothing about new rows. Certify it on fresh rows."
    )
