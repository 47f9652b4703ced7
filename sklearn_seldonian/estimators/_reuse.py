"""Reuse of rows that a certificate must mention: earlier tests, or a choice of the settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.certification._provenance import given_to_fit
from sklearn_seldonian.certification._registry import (
    Path,
    RowsTested,
    earlier_tests_in_words,
    n_earlier_tests,
)
from sklearn_seldonian.data._row_sketch import RowSketch
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.estimators._callers import BOOSTERS, SEARCHES, fitted_inside
from sklearn_seldonian.exceptions import SafetyDataReusedWarning

TestsRun = frozenset[tuple[str, str]]

SEARCHED = (
    "A search outside the estimator, such as GridSearchCV, chose the settings by results on the "
    "same rows, including those of this safety test. Certify the model on fresh rows, or search "
    "with SeldonianSearchCV."
)
BOOSTED = (
    "A boosting ensemble, such as AdaBoostClassifier, chose which rows count more by the errors of "
    "models that were trained on the same rows, including those of this safety test. Certify the "
    "ensemble on fresh rows."
)


@dataclass(frozen=True)
class Reuse:
    """Earlier uses of the tested rows, which weaken a certificate.

    Parameters
    ----------
    tests_run : frozenset
        Digests of all tests that the estimator has run, including this one.
    notes : tuple of str
        Assumptions that are not met.
    warning : str, default=""
        The text of the warning to the user, "" for none.
    """

    tests_run: TestsRun
    notes: tuple[str, ...] = ()
    warning: str = ""

    def with_notes(self, certificate: SafetyCertificate | None) -> SafetyCertificate | None:
        """The certificate with the notes among its assumptions; this also gives the `warning`."""
        if self.warning:
            warn_user(self.warning, SafetyDataReusedWarning)
        if certificate is None or not self.notes:
            return certificate
        unmet = (f"Not met: {note}" for note in self.notes)
        return dataclasses.replace(certificate, assumptions=(*certificate.assumptions, *unmet))


def reuse_of(
    tests: Iterable[SafetyCertificate | None],
    tests_run: TestsRun,
    name: str,
    rows: LabelledRows,
    hashes: np.ndarray,
    fitted_to: RowSketch | None = None,
    registry: Path | None = None,
) -> Reuse:
    """Earlier uses of the rows that one procedure of an estimator tested.

    An estimator remembers its tests from fit to fit, but clones do not. A registry remembers all
    tests that were recorded in it. An exact repetition of a test (the same constraints, deltas,
    rows, order and weights) gives no second chance to pass and is not counted.

    Parameters
    ----------
    tests : iterable of SafetyCertificate or None
        The certificates of all tests of the procedure.
    tests_run : frozenset
        The tests that the estimator remembers.
    name : str
        The name of the estimator's class.
    rows : LabelledRows
        All rows that `fit` was given, since another split would test some of them again.
    hashes : ndarray of uint64
        The hashes of these rows.
    fitted_to : RowSketch, default=None
        The rows that the model was fitted to, which must not be tested.
    registry : path, default=None
        A file in which tests of all estimators are recorded.

    Returns
    -------
    Reuse
        Without notes if nothing was tested or if the rows were not used before.
    """
    tested = RowsTested.of(tests, hashes, rows.y)
    if tested is None:
        return Reuse(tests_run)
    data, test = tested.data, tested.test
    n_before = sum(seen == data and other != test for seen, other in tests_run)
    n_on_record = 0 if registry is None else n_earlier_tests(registry, tested)
    warning = ""
    if n_before or n_on_record:
        warning = earlier_tests_in_words(max(n_before, n_on_record), n_on_record > n_before)
    elif fitted_to is not None and (share := fitted_to.share_of(hashes)):
        warning = given_to_fit(name, share)
    outside = {SEARCHED: SEARCHES, BOOSTED: BOOSTERS}
    notes = [note for note, kinds in outside.items() if fitted_inside(kinds)]
    notes += [warning] * bool(warning)
    return Reuse(tests_run | {(data, test)}, tuple(notes), warning)
