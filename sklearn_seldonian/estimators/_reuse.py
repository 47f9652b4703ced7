"""What a certificate must own up to: rows that were tested before, or that chose the settings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import ARITHMETIC
from sklearn_seldonian.certification._provenance import fingerprint, given_to_fit
from sklearn_seldonian.data._row_sketch import row_hashes
from sklearn_seldonian.estimators._callers import fitted_inside_search
from sklearn_seldonian.exceptions import SafetyDataReusedWarning

SEARCHED = (
    "A search outside the estimator, such as GridSearchCV, chose the settings by results "
    "on the same rows, those of this safety test among them. Certify the model on fresh rows, or "
    "search with SeldonianSearchCV."
)


@dataclass(frozen=True)
class Reuse:
    """What speaks against a certificate.

    Parameters
    ----------
    tests_run : frozenset
        Digests of all tests that the estimator has run, this one included.
    notes : tuple of str
        Assumptions that are not met.
    warning : str, default=""
        What the user is warned of.
    """

    tests_run: frozenset[tuple[str, str]]
    notes: tuple[str, ...] = ()
    warning: str = ""

    def told_of(self, certificate):
        """The certificate with the notes, after the warning."""
        if self.warning:
            warn_user(self.warning, SafetyDataReusedWarning)
        if not self.notes:
            return certificate
        unmet = (f"Not met: {note}" for note in self.notes)
        return dataclasses.replace(certificate, assumptions=(*certificate.assumptions, *unmet))


def reuse_of(certificate, tests_run, name, rows, hashes, tests=None, fitted_to=None):
    """What speaks against the certificate of a test that an estimator ran.

    An estimator remembers its tests, from fit to fit but not in clones. A test that is
    repeated to the letter (the same constraints, deltas, rows, order and weights) is no second
    chance and not counted.

    Parameters
    ----------
    certificate : SafetyCertificate or None
    tests_run : frozenset
        What the estimator remembers.
    name : str
        Of the estimator's class.
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
    Reuse
        Without notes where nothing was tested, or there is nothing to test.
    """
    done = [c for c in tests or (certificate,) if c is not None and _has_looked_at_rows(c)]
    if not done:
        return Reuse(tests_run)
    data, test = _digest(rows.y, hashes), fingerprint(*map(_what_was_tested, done))
    before = {t for d, t in tests_run if d == data and t != test}
    share = 0.0 if fitted_to is None else fitted_to.share_of(hashes)
    warning = _tested_before(len(before)) if before else share and given_to_fit(name, share)
    searched = [SEARCHED] if fitted_inside_search() else []
    notes = (*searched, *[warning] * bool(warning))
    return Reuse(tests_run | {(data, test)}, notes, warning or "")


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
