"""The safety test's outcome as a value that can be kept, read, drawn and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from sklearn_seldonian._files import write_whole
from sklearn_seldonian._palette import on_one_line
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

    Two certificates are equal where they say the same; NaN equals NaN.

    Attributes
    ----------
    results : tuple of ConstraintResult
        One for each constraint. Each bound holds with confidence 1 - delta on its own;
        they are not simultaneous. That all constraints hold has confidence
        1 - max(delta) nonetheless, since all of them must pass.
    loss : float
        Mean of the primary objective over the safety rows; NaN where there is none.
    n_candidate, n_safety : int
        Rows the model was fitted to, and rows it was tested on.
    assumptions : tuple of str
        What the confidence rests on, in words.
    remarks : tuple of str
        What else to know about the model, in words.
    procedure : str
        What was called: "SeldonianClassifier.fit", or "certify".
    parameters : mapping of str to str
        What it was called with, as Python would write it.
    classes : tuple of str
        The class labels, in the order of the model's outputs.
    positive : str or None
        The positive class where there are two.
    versions : mapping of str to str
        Of the packages involved.
    fingerprints : mapping of str to str
        Digests of the safety "data" (X, y and the columns that constraints name, whatever the
        order of rows and the container), of its y and of each column alone, and of the model: its
        "weights", or, from the function `certify`, what it answers for these rows: "decisions",
        "probabilities" or "predictions".
    order_seed : int or None
        What the order was drawn from in which a test looked at the rows one after another: the
        same rows in any order, tested with this seed, give the same certificate. None where
        only counts were looked at.
    estimator : str
        The name of the model's class.
    created_at : str
        When the test was run, in UTC. It does not count in comparisons.
    specification : SpecificationRecord or None
        What was tested, with all that gives the constraints their meaning.
    statistics : StatisticsRecord or None
        What the verdict rests on: counts and sums over the safety rows, and digests of values.
        None where no test looked at the rows, or, as in documents of version 1, nothing was kept.
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
        """The joint verdict: every constraint is certified, and there is one."""
        return bool(self.results) and all(result.passed for result in self.results)

    @property
    def tested(self) -> bool:
        """Whether any test looked at the safety rows; if not, they are as good as fresh."""
        return any(result.method != UNTOUCHED for result in self.results)

    @property
    def guarantee(self) -> str:
        """The weakest of the results': "exact", "finite-sample", "asymptotic" or "none"."""
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
        """Which rows gave the constraints' names their meaning, in one word."""
        return "tested" if self.procedure == "certify" else "candidate"

    @property
    def rows_in_words(self) -> str:
        """What was done with which rows, in one sentence."""
        rows, others = f"{self.n_safety:,} safety rows", f"{self.n_candidate:,} others"
        if self.tested:
            return f"Tested on {rows}{f'; fitted to {others}' if self.n_candidate else ''}."
        return (
            f"{rows} were not touched{f'; {others} were for training' if self.n_candidate else ''}."
        )

    def explain(self) -> str:
        """The whole certificate in plain text."""
        parts = [self.verdict, *(result.explain() for result in self.results)]
        parts.append(self.rows_in_words)
        if self.guarantee == "asymptotic":
            parts.append(
                "Asymptotic: at least one bound rests on a normal approximation, which may fail "
                "for small samples and long tails."
            )
        parts += map(on_one_line, self.remarks)
        if self.tested and self.statistics is None:
            parts.append(
                "The certificate has no statistics, so that nothing can be recomputed from it."
            )
        parts.append("Each bound holds with its confidence on its own; they are not simultaneous.")
        if self.order_seed is not None:
            parts.append(f"The rows were tested in an order drawn from the seed {self.order_seed}.")
        if self.assumptions:
            parts += ["Assumptions:", *(f"  - {on_one_line(text)}" for text in self.assumptions)]
        return "\n".join(parts)

    def to_frame(self) -> pd.DataFrame:
        """One row a constraint, one column an attribute of `ConstraintResult` and `passed`."""
        rows = [{**asdict(result), "passed": result.passed} for result in self.results]
        return pd.DataFrame(rows)

    @overload
    def to_json(self) -> str: ...

    @overload
    def to_json(self, path: str | PathLike[str]) -> None: ...

    def to_json(self, path: str | PathLike[str] | None = None) -> str | None:
        """A JSON document that `from_json` reads back to an equal certificate.

        It is JSON for strict readers too: NaN is written as null, and infinite numbers as the
        strings "Infinity" and "-Infinity". ``certificate.schema.json``, in the folder of
        `sklearn_seldonian.certification`, is its JSON Schema.

        Parameters
        ----------
        path : str or path-like, default=None
            The file to write. One that is there already is replaced once the new one is complete.

        Returns
        -------
        str or None
            The document; None where it was written to a file.
        """
        text = to_text(self)
        if path is None:
            return text
        write_whole(path, text + "\n")
        return None

    @classmethod
    def from_json(cls, document: str | PathLike[str]) -> SafetyCertificate:
        """The certificate that `to_json` wrote.

        Every field is checked for itself and against the others, and the tests are run again from
        the statistics in the document, as by `recompute`. A document that passes may still be made
        up: nothing in it is signed, and the data are not in it. `verify` compares it with the model
        and the rows.

        Documents of all versions are read. Those of version 1 have no statistics, so that bounds
        and verdict cannot be recomputed from them.

        Parameters
        ----------
        document : str or path-like
            The document, or the path of its file.

        Returns
        -------
        SafetyCertificate

        Raises
        ------
        ValueError
            If it is not such a document, or fields contradict each other or the statistics. The
            message names the field.
        OSError
            If there is no such file.
        """
        found: SafetyCertificate = from_document(document, cls)
        return found

    def recompute(self) -> Recomputation:
        """Run the tests again from the statistics in the certificate itself.

        Where a test looked at numbers of each row, one after another, there is only a digest of
        them: the bound is then not recomputed, and the answer says so. `verify` does it from the
        rows.

        Returns
        -------
        Recomputation

        Raises
        ------
        ValueError
            If specification and statistics contradict each other, so that no test can be run.
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
        """Run the same test again with the model and the rows that the certificate is about.

        It is the same question asked again, which does not count as another test of the rows.

        Parameters
        ----------
        estimator : estimator
            That the certificate is of: any fitted estimator for one of the function `certify`, the
            fitted Seldonian estimator (or its search) for one of its `fit` or `certify`.
        X, y, sensitive_features, groups, sample_weight
            The rows that were tested, in any order, as the procedure takes them. For a certificate
            of `fit` it may be all rows that `fit` was given, in the same order: the estimator knows
            which of them were tested, unless it was loaded by `load_params`.
        measures : sequence of RowMeasure, default=()
            The user's own, for a certificate of the function `certify`.

        Returns
        -------
        Verification
            Whether model, data, statistics and verdict are the same, and what differs.

        Raises
        ------
        ValueError
            If no test looked at any rows, or the same test cannot be run with these.
        TypeError
            If the certificate is of a Seldonian estimator, and `estimator` is none.

        Notes
        -----
        Neither the order of rows nor frames or arrays nor the types of equal numbers matter to
        decisions. Probabilities and predicted numbers may get other last digits where rows come in
        another order: where these were tested, give the rows in the order of the test.

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
        # A verification makes a certificate, whose module it needs: it is looked up when asked for.
        verified = import_module("sklearn_seldonian.certification._verify").verified
        rows = X, y, sensitive_features, groups, sample_weight
        found: Verification = verified(self, estimator, *rows, measures)
        return found

    def plot(self) -> CertificateDisplay:
        """Draw how far each bound is from its limit, as `plotting.CertificateDisplay` does."""
        return CertificateDisplay.from_certificate(self)

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write a report to the file `path`: all there is to keep, in one file.

        At the top it has what a reader decides by: the verdict, the model, the rows, the risk, each
        constraint as a sentence with its result, rates of groups, and the assumptions to be signed,
        then how to verify it, and in an appendix everything else. It needs nothing from elsewhere.
        Of more than 20 constraints, those with the least room are at the top and in the picture;
        without matplotlib there is no picture. A file that is there already is replaced once the
        new one is complete.

        Parameters
        ----------
        path : str or path-like
        """
        write_whole(path, report(self))

    def _repr_html_(self) -> str:
        return summary(self)
