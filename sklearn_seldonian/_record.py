"""What a certificate must own up to: rows that were tested before, or that chose the settings."""

from __future__ import annotations

import dataclasses

import numpy as np

from sklearn_seldonian._callers import fitted_inside_search
from sklearn_seldonian._checks import fingerprint
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.exceptions import SafetyDataReusedWarning

__all__ = ["recorded"]

# So many rows, and all labels, tell one set of data from another.
ROWS_DIGESTED = 1000
SEARCHED = (
    "A search outside the estimator, such as GridSearchCV, chose the settings by results "
    "on the same rows, those of this safety test among them. Certify the model on fresh rows, or "
    "search with SeldonianSearchCV."
)


def recorded(estimator, certificate, rows, tests=None):
    """The certificate of a test that `estimator` ran, with what speaks against it.

    The estimator remembers its tests, from fit to fit but not in clones. A test that is
    repeated to the letter (the same constraints, deltas, rows and weights) is no second chance
    and not counted.

    Parameters
    ----------
    estimator : estimator
    certificate : SafetyCertificate or None
    rows : LabelledRows
        All rows that `fit` was given: another split of them would test some of them again.
    tests : sequence of SafetyCertificate, default=None
        All that one procedure tested, where it allows for several tests; None: `certificate`.

    Returns
    -------
    SafetyCertificate or None
        The same where nothing speaks against it, nothing was tested, or there is nothing to
        test.
    """
    done = [c for c in tests or (certificate,) if c is not None and c.fingerprints]
    if not done:
        return certificate
    data, test = _digest(rows), fingerprint(*map(_what_was_tested, done))
    before = {t for d, t in estimator._record if d == data and t != test}
    estimator._record |= {(data, test)}
    notes = [SEARCHED] if fitted_inside_search() else []
    if before:
        notes.append(_tested_before(len(before)))
        warn_user(notes[-1], SafetyDataReusedWarning)
    unmet = (f"Not met: {note}" for note in notes)
    return dataclasses.replace(certificate, assumptions=(*certificate.assumptions, *unmet))


def _tested_before(n):
    times = "once" if n == 1 else f"{n} times"
    return (
        f"Rows of these data were tested {times} before by this estimator. Trying until one "
        "test passes lets a violated constraint pass with a probability above delta. Certify "
        "the model on fresh rows, or compare settings with SeldonianSearchCV."
    )


def _what_was_tested(certificate):
    promises = (f"{result.constraint} {result.delta}" for result in certificate.results)
    return [*promises, *certificate.fingerprints.values()]


def _digest(rows):
    """What is the same in two fits to the same rows, whatever the split."""
    n_rows = len(rows.y)
    some = np.unique(np.linspace(0, n_rows - 1, min(n_rows, ROWS_DIGESTED)).astype(int))
    return fingerprint(rows.y, rows.take(some).inputs())
