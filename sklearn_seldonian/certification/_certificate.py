"""The outcome of a safety test, as a value that can be stored, read, drawn and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from sklearn_seldonian._files import write_whole
from sklearn_seldonian._palette import on_one_line
from sklearn_seldonian._text import wrapped
from sklearn_seldonian.certification._display import CertificateDisplay
from sklearn_seldonian.certification._fields import GUARANTEES, UNTOUCHED, ConstraintResult, Value
from sklearn_seldonian.certification._json import from_document, to_text
from sklearn_seldonian.certification._recompute import Recomputation, recomputed
from sklearn_seldonian.certification._record import SpecificationRecord, StatisticsRecord
from sklearn_seldonian.certification._report import report, summary

if TYPE_CHECKING:
    from sklearn_seldonian.certification._verify import Verification


@dataclass(frozen=True, eq=False, repr=False)
class SafetyCertificate(Value):
    """What was certified, on what evidence, under which assumptions.

    Two certificates are equal if all their fields except `created_at` are equal; NaN equals NaN.

    Attributes
    ----------
    results : tuple of ConstraintResult
        One per constraint. Each bound holds on its own, at confidence level 1 - delta. The
        probability that all bounds hold together may be lower. If all constraints passed, the
        statement that all of them hold has confidence level 1 - max(delta), because all of them had
        to pass.
    loss : float
        Mean of the primary loss over the safety rows; NaN if there is no primary loss. The mean
        squared error of a regressor is in the squared unit of the target.
    n_candidate, n_safety : int
        Number of rows that the model was fitted to, and number of rows that it was tested on.
    assumptions : tuple of str
        The assumptions that the confidence levels rest on, in sentences.
    remarks : tuple of str
        Further facts about the model, in sentences.
    procedure : str
        The function or method that was called, such as "SeldonianClassifier.fit" or "certify".
    parameters : mapping of str to str
        The arguments of that call, each written as in Python.
    classes : tuple of str
        The class labels, in the order of the model's outputs.
    positive : str or None
        The positive class if there are two classes.
    versions : mapping of str to str
        The versions of Python and of the packages involved.
    fingerprints : mapping of str to str
        Digests of the safety "data" (X, y and the columns that constraints name), of its y and of
        each column alone, and of the model. They do not depend on the order of the rows or on their
        container. The model is identified by its "weights". In a certificate from the function
        `certify`, it is identified by its answers for these rows: "decisions", "probabilities" or
        "predictions".
    order_seed : int or None
        The seed of the order in which a test used the rows one after another. The same rows in
        any order, tested with this seed, give the same certificate. None if the tests used counts
        only.
    estimator : str
        The name of the model's class.
    created_at : str
        When the test was run, in UTC. Comparisons ignore it.
    specification : SpecificationRecord or None
        What was tested, with everything that gives the constraints their meaning.
    statistics : StatisticsRecord or None
        What the verdict rests on: counts and sums over the safety rows, and digests of values. None
        if no test used the rows, and in documents of version 1.
    """

    results: tuple[ConstraintResult, ...]
    loss: float
    n_candidate: int
    n_safety: int
    assumptions: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    procedure: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    positive: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    order_seed: int | None = None
    estimator: str = ""
    created_at: str = field(default="", compare=False)
    specification: SpecificationRecord | None = None
    statistics: StatisticsRecord | None = None

    @property
    def passed(self) -> bool:
        """Whether there is at least one constraint, and every constraint is certified."""
        return bool(self.results) and all(result.passed for result in self.results)

    @property
    def tested(self) -> bool:
        """Whether any test used the safety rows. If not, they can still be used for a test."""
        return any(result.method != UNTOUCHED for result in self.results)

    @property
    def guarantee(self) -> str:
        """The weakest guarantee of any result: "exact", "finite-sample", "asymptotic" or "none"."""
        kinds = [result.guarantee for result in self.results]
        return min(kinds, key=GUARANTEES.index, default="none")

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        n_passed = sum(result.passed for result in self.results)
        if self.passed:
            several = f"all {n_passed} constraints are" if n_passed > 1 else "the constraint is"
            return f"Safety test passed: {several} certified."
        outcome = "No Solution Found" if self.procedure.endswith(".fit") else "Not certified"
        return f"{outcome}: {n_passed} of {len(self.results)} constraints passed."

    def __repr__(self) -> str:
        return f"<SafetyCertificate: {self.verdict} {self.n_safety:,} safety rows>"

    @property
    def rows_that_named(self) -> str:
        """Which rows gave the names in the constraints their meaning: "tested" or "candidate"."""
        return "tested" if self.procedure == "certify" else "candidate"

    @property
    def rows_in_words(self) -> str:
        """How many rows the model was fitted to and tested on, in one sentence."""
        rows, others = f"{self.n_safety:,} safety rows", f"{self.n_candidate:,} others"
        if self.tested:
            return f"Tested on {rows}{f'; fitted to {others}' if self.n_candidate else ''}."
        return (
            f"{rows} were not touched{f'; {others} were for training' if self.n_candidate else ''}."
        )

    def explain(self, width: int | None = 80) -> str:
        """The whole certificate in plain text.

        Parameters
        ----------
        width : int, default=80
            The most characters per line. None: lines are not broken.

        Returns
        -------
        str
        """
        parts = [self.verdict, *(result.explain(None) for result in self.results)]
        parts.append(self.rows_in_words)
        if self.guarantee == "asymptotic":
            parts.append(
                "Asymptotic: at least one bound rests on a normal approximation, which can be "
                "inaccurate for small samples and long tails."
            )
        parts += map(on_one_line, self.remarks)
        if self.tested and self.statistics is None:
            parts.append("The certificate has no statistics, so nothing can be recomputed from it.")
        parts.append(
            "Each bound holds on its own, at its own confidence level. The probability that all "
            "bounds hold together may be lower."
        )
        if self.order_seed is not None:
            parts.append(f"The rows were tested in an order drawn from the seed {self.order_seed}.")
        if self.assumptions:
            parts += ["Assumptions:", *(f"  - {on_one_line(text)}" for text in self.assumptions)]
        return wrapped("\n".join(parts), width)

    def to_frame(self) -> pd.DataFrame:
        """The results as a table.

        Returns
        -------
        DataFrame
            One row per constraint. The columns are the attributes of `ConstraintResult`, and
            `passed`.
        """
        rows = [{**asdict(result), "passed": result.passed} for result in self.results]
        return pd.DataFrame(rows)

    @overload
    def to_json(self) -> str: ...

    @overload
    def to_json(self, path: str | PathLike[str]) -> None: ...

    def to_json(self, path: str | PathLike[str] | None = None) -> str | None:
        """A JSON document that `from_json` reads back to an equal certificate.

        The document is strict JSON: NaN is written as null, and infinite numbers as the strings
        "Infinity" and "-Infinity". Its JSON Schema is ``certificate.schema.json`` in the folder of
        `sklearn_seldonian.certification`.

        Parameters
        ----------
        path : str or path-like, default=None
            The file to write. An existing file is replaced when the new one is complete. None:
            return the document as text.

        Returns
        -------
        str or None
            The document; None if it was written to a file.
        """
        text = to_text(self)
        if path is None:
            return text
        write_whole(path, text + "\n")
        return None

    @classmethod
    def from_json(cls, document: str | PathLike[str]) -> SafetyCertificate:
        """Read the certificate that `to_json` wrote.

        Every field is checked on its own and against the others, and the tests are run again from
        the statistics in the document, as `recompute` does. A document that passes these checks can
        still be forged: it is not signed, and it does not contain the data. Use `verify` to compare
        it with the model and the rows.

        Documents of all versions of the format can be read. Documents of version 1 have no
        statistics, so their bounds and verdict cannot be recomputed.

        Parameters
        ----------
        document : str or path-like
            The text of the document, or the path of its file.

        Returns
        -------
        SafetyCertificate

        Raises
        ------
        ValueError
            If it is not such a document, or if fields contradict each other or the statistics. The
            message names the field.
        OSError
            If there is no such file.
        """
        found: SafetyCertificate = from_document(document, cls)
        return found

    def recompute(self) -> Recomputation:
        """Run the tests again from the statistics that the certificate contains.

        Some tests use one number per row, one row after another. The certificate has only a digest
        of these numbers. So the bounds of such tests are not recomputed, and the result says so.
        `verify` recomputes them from the rows.

        Returns
        -------
        Recomputation
            The results that follow from the statistics, and what in the certificate differs from
            them.

        Raises
        ------
        ValueError
            If specification and statistics contradict each other, so that a test cannot be run.
        """
        return recomputed(self)

    def verify(
        self,
        estimator: Any,
        X: Any,
        y: Any = None,
        sensitive_features: Any = None,
        *,
        groups: Any = None,
        sample_weight: Any = None,
        measures: Any = (),
    ) -> Verification:
        """Run the same test again with the model and the rows of the certificate.

        This repeats a test whose result is known, so it does not count as another test of the rows.

        Parameters
        ----------
        estimator : estimator
            The model of the certificate. For a certificate of the function `certify`, this is the
            fitted estimator that was tested. For a certificate of a Seldonian estimator's `fit` or
            `certify`, it is that fitted estimator, or the search that found it.
        X, y, sensitive_features, groups, sample_weight
            The rows that were tested, in any order, in the form that `fit` or `certify` took. For a
            certificate of `fit`, you may instead give all rows that `fit` was given, in the same
            order, because the estimator stores which of them were tested. An estimator whose
            weights were loaded by `load_params` does not store this.
        measures : sequence of RowMeasure, default=()
            Your own measures, for a certificate of the function `certify`.

        Returns
        -------
        Verification
            Whether model, data, statistics and verdict are the same, and what differs.

        Raises
        ------
        ValueError
            If no test used any rows, or if the same test cannot be run with this model and these
            rows.
        TypeError
            If the certificate is of a Seldonian estimator, and `estimator` is not one.

        Notes
        -----
        If decisions were tested, the result does not depend on the order of the rows, on whether
        they are in a frame or an array, or on the types of equal numbers. If probabilities or
        predicted numbers were tested, give the rows in the order of the test. In another order,
        these numbers may differ in their last digits.

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_seldonian import certify
        >>> X, y = make_classification(2000, class_sep=2.0, random_state=0)
        >>> model = LogisticRegression().fit(X[:1000], y[:1000])
        >>> certificate = certify(model, X[1000:], y[1000:], "ACC >= 0.8")
        >>> certificate.verify(model, X[:999:-1], y[:999:-1])
        <Verification: the same>
        >>> other = LogisticRegression(C=1e-5).fit(X[:1000], y[:1000])
        >>> certificate.verify(other, X[1000:], y[1000:])
        <Verification: not the same: model, statistics, verdict>
        """
        # _verify imports this module, so it is imported only when it is needed.
        verified = import_module("sklearn_seldonian.certification._verify").verified
        rows = {
            "X": X,
            "y": y,
            "sensitive_features": sensitive_features,
            "groups": groups,
            "sample_weight": sample_weight,
        }
        found: Verification = verified(self, estimator, rows, measures)
        return found

    def plot(self) -> CertificateDisplay:
        """Draw how far each bound is from its limit; needs matplotlib.

        Returns
        -------
        CertificateDisplay
            The display of `sklearn_seldonian.plotting`, drawn in a new figure.
        """
        return CertificateDisplay.from_certificate(self)

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write a report as one HTML file that contains everything in the certificate.

        The report starts with what a reader needs for a decision: the verdict, the model, the rows,
        the risk, each constraint as a sentence with its result, rates of groups, and the
        assumptions to be signed. Next is how to verify the certificate, and everything else is in
        an appendix. The file loads nothing from the network. With more than 20 constraints, the
        first part and the picture show the 20 that are closest to failing. Without matplotlib there
        is no picture. An existing file is replaced when the new one is complete.

        Parameters
        ----------
        path : str or path-like
            The file to write.
        """
        write_whole(path, report(self))

    def _repr_html_(self) -> str:
        return summary(self)
