"""The test of a certificate, run again from the statistics in the certificate.

Counts and sums give the same bounds again. If a test used one row after another, the certificate
has only a digest of the rows. Then only the fields that follow from sums are compared: estimates,
rates, and the numbers of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from sklearn_seldonian._text import short, wrapped
from sklearn_seldonian._version import __version__
from sklearn_seldonian.certification._comparison import differences_of
from sklearn_seldonian.certification._evidence import exclusive_columns
from sklearn_seldonian.certification._fields import ConstraintResult
from sklearn_seldonian.certification._from_records import bound_specification, statistics_of
from sklearn_seldonian.certification._levels import levels_in_words
from sklearn_seldonian.certification._results import certify_by_sums, untested
from sklearn_seldonian.certification._specification import BoundSpecification
from sklearn_seldonian.certification._statistics import Statistics
from sklearn_seldonian.data._targets import DECISIONS

if TYPE_CHECKING:
    from sklearn_seldonian.certification._certificate import SafetyCertificate

# Fields of a result that may differ in another version of the package, with the same verdict:
# bounds may be sharper, and texts may have other words.
OF_THE_VERSION = ("bound", "g_upper", "p_value", "method", "guarantee", "reason", "rows_needed")


@dataclass(frozen=True)
class Recomputation:
    """The result of running a certificate's tests again from its own statistics.

    Attributes
    ----------
    certificate : SafetyCertificate
        The certificate that follows from the statistics, with every field recomputed that can be.
    differences : tuple of str
        Contents of the certificate that do not follow from its statistics. Each starts with the
        name of the field.
    not_recomputed : tuple of str
        Fields that cannot be recomputed, and why.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_seldonian import certify
    >>> X, y = make_classification(2000, class_sep=2.0, random_state=0)
    >>> model = LogisticRegression().fit(X[:1000], y[:1000])
    >>> again = certify(model, X[1000:], y[1000:], "ACC >= 0.8").recompute()
    >>> again.same, again.complete
    (True, True)
    """

    certificate: SafetyCertificate
    differences: tuple[str, ...] = ()
    not_recomputed: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether all recomputed fields agree with the certificate."""
        return not self.differences

    @property
    def complete(self) -> bool:
        """Whether everything was recomputed."""
        return not self.not_recomputed

    def explain(self, width: int | None = 80) -> str:
        """The recomputation in plain text.

        Parameters
        ----------
        width : int, default=80
            The most characters per line. None: lines are not broken.

        Returns
        -------
        str
            Whether the certificate follows from its statistics, and what was not recomputed.
        """
        if self.differences:
            lines = ["The certificate does not follow from its own statistics:"]
            lines += [f"  - {text}" for text in self.differences]
        elif self.complete:
            lines = ["Bounds and verdict follow from the statistics in the certificate."]
        else:
            lines = ["Nothing in the certificate contradicts its own statistics."]
        if self.not_recomputed:
            lines.append("Not recomputed, because the rows are needed (use verify):")
            lines += [f"  - {text}" for text in self.not_recomputed]
        return wrapped("\n".join(lines), width)


def recomputed(certificate: SafetyCertificate) -> Recomputation:
    """Run the tests of a certificate again from its statistics.

    Raises
    ------
    RecordError
        If statistics or specification contradict themselves or each other.
    """
    record, seen = certificate.specification, certificate.statistics
    if record is None or (seen is None and certificate.tested):
        is_lacking = certificate.tested
        return Recomputation(certificate, (), (WITHOUT_STATISTICS,) if is_lacking else ())
    bound = bound_specification(record, certificate)
    if seen is None:
        return _untested_again(certificate, bound)
    statistics = statistics_of(seen, bound, certificate)
    mutually_exclusive_columns = bound.mutually_exclusive_columns
    tested = [
        certify_by_sums(constraint, statistics, delta, record.method, mutually_exclusive_columns)
        for constraint, delta in bound.parts
    ]
    others = tuple(_disagreements(certificate, bound, statistics))
    again = _compared(certificate, tested)
    missing = tuple(_missing(certificate.results, tested))
    differences = (*again.differences, *others)
    return replace(again, differences=differences, not_recomputed=missing)


def _untested_again(certificate: SafetyCertificate, bound: BoundSpecification) -> Recomputation:
    """The recomputation for constraints that were not tested."""
    tested = []
    for given, (constraint, delta) in zip(certificate.results, bound.parts, strict=True):
        found = untested(constraint, delta, given.reason)
        tested.append({field.name: getattr(found, field.name) for field in fields(found)})
    return _compared(certificate, tested)


def _compared(certificate: SafetyCertificate, tested: Sequence[Mapping[str, Any]]) -> Recomputation:
    """The certificate with recomputed results, and its differences from them."""
    results, differences = [], list[str]()
    for i, (given, found) in enumerate(zip(certificate.results, tested, strict=True)):
        differences += [f"results[{i}].{text}" for text in differences_of(given, found)]
        results.append(replace(given, **found))
    return Recomputation(replace(certificate, results=tuple(results)), tuple(differences))


WITHOUT_STATISTICS = (
    "Everything: the certificate has no statistics. Documents of version 1 have none, and neither "
    "do certificates with an infinite number among the levels of a column."
)


def _missing(
    results: Sequence[ConstraintResult], tested: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    for i, (given, found) in enumerate(zip(results, tested, strict=True)):
        names = [field.name for field in fields(given) if field.name not in found]
        if names:
            yield (
                f"results[{i}], {', '.join(names)} ({short(given.constraint)}): the test used one "
                "number per row, and the certificate has only a digest of these numbers"
            )


def contradiction(again: Recomputation, certificate: SafetyCertificate) -> str:
    """Why a certificate contradicts its own statistics; empty if it does not.

    Another version of the package may have other bounds and other words, but not another verdict.
    """
    if certificate.versions.get("sklearn-seldonian") == __version__:
        return next(iter(again.differences), "")
    fields = {text: text.partition(" ")[0].rpartition(".")[2] for text in again.differences}
    free = {*OF_THE_VERSION, "assumptions"}
    return next((text for text, field in fields.items() if field not in free), "")


# -- agreement with other fields -----------------------------------------------------------


def _disagreements(
    certificate: SafetyCertificate, bound: BoundSpecification, statistics: Statistics
) -> Iterator[str]:
    """Contents of a certificate that disagree with its specification and statistics."""
    record, seen = certificate.specification, certificate.statistics
    assert record is not None
    assert seen is not None
    mutually_exclusive_columns = bound.mutually_exclusive_columns
    if not mutually_exclusive_columns <= exclusive_columns(statistics.stratification):
        yield "specification.mutually_exclusive_columns name columns that are both 1 in some rows"
    if (seen.values is None) != (certificate.order_seed is None):
        yield "order_seed must be given if and only if the test used rows one after another"
    followed = {
        *(
            f"Columns {one} and {other} are never both 1; no row seen has both."
            for one, other in record.mutually_exclusive_columns
        ),
        *([DECISIONS[record.decision]] if record.decision else []),
        *levels_in_words(bound.levels, certificate.rows_that_named),
    }
    for text in sorted(followed - set(certificate.assumptions)):
        yield f"assumptions do not include: {text}"
