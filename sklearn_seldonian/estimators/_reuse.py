"""What a certificate must own up to: rows that were tested before, or that chose the settings."""

from __future__ import annotations

import dataclasses

import numpy as np

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import ARITHMETIC
from sklearn_seldonian.certification._provenance import fingerprint, given_to_fit
from sklearn_seldonian.data._row_sketch import row_hashes
from sklearn_seldonian.estimators._callers import fitted_inside_search
from sklearn_seldonian.exceptions import SafetyDataReusedWarning

__all__ = ["recorded"]

SEARCHED = (
    "A search outside the estimator, such as GridSearchCV, chose the settings by results "
    "on the same rows, those of this safety test among them. Certify the model on fresh rows, or "
    "search with SeldonianSearchCV."
)


def recorded(estimator, certificate, rows, hashes, tests=None, fitted_to=None):
    """The certificate of a test that `estimator` ran, with what speaks against it.

    The estimator remembers its tests, from fit to fit but not in clones. A test that is
    repeated to the letter (the same constraints, deltas, rows, order and weights) is no second
    chance and not counted.

    Parameters
    ----------
    estimator : estimator
    certificate : SafetyCertificate or None
    rows : LabelledRows
        All rows that `fit` was given: another split of them would test some of them again.
    hashes : ndarray of uint64
        Of these rows.
    tests : sequence of SafetyCertificate, default=None
        All that one procedure tested, where it allows for several tests; None: `certificate`.
    fitted_to : RowSketch, default=None
        The rows that the model was fitted to, which are not to be tested.

    Returns
    -------
    SafetyCertificate or None
        The same where nothing speaks against it, nothing was tested, or there is nothing to
        test.
    """
    done = [c for c in tests or (certificate,) if c is not None and _has_looked_at_rows(c)]
    if not done:
        return certificate
    data, test = _digest(rows.y, hashes), fingerprint(*map(_what_was_tested, done))
    before = {t for d, t in estimator._record if d == data and t != test}
    estimator._record |= {(data, test)}
    notes = [SEARCHED] if fitted_inside_search() else []
    share = 0.0 if fitted_to is None else fitted_to.share_of(hashes)
    if before or share:
        note = (
            _tested_before(len(before)) if before else given_to_fit(type(estimator).__name__, share)
        )
        notes.append(note)
        warn_user(note, SafetyDataReusedWarning)
    unmet = (f"Not met: {note}" for note in notes)
    return dataclasses.replace(certificate, assumptions=(*certificate.assumptions, *unmet))


def _has_looked_at_rows(certificate):
    """Whether a verdict depends on the rows, as none does that arithmetic settles."""
    methods = {result.method for result in certificate.results}
    return bool(certificate.fingerprints) and methods != {ARITHMETIC}


def _tested_before(n):
    times = "once" if n == 1 else f"{n} times"
    return (
        f"Rows of these data were tested {times} before by this estimator. Trying until one "
        "test passes lets a violated constraint pass with a probability above delta. Certify "
        "the model on fresh rows, or compare settings with SeldonianSearchCV."
    )


def _what_was_tested(certificate):
    promises = (f"{result.constraint} {result.delta}" for result in certificate.results)
    return [*promises, *certificate.fingerprints.values(), certificate.order_seed]


def _digest(y, hashes):
    """What is the same in two fits to the same rows, in whatever order and split."""
    labelled = hashes + np.uint64(3) * row_hashes(y)  # 3: rows and labels must not cancel
    return fingerprint(np.sort(labelled))
