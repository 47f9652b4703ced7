"""Verification of a certificate with the model and the rows that it is about."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn_seldonian._text import listed, short, wrapped
from sklearn_seldonian.certification._certify import certify
from sklearn_seldonian.certification._comparison import as_differences, differences_of, is_close
from sklearn_seldonian.certification._record import (
    SpecificationRecord,
    StatisticsRecord,
    TableRecord,
)
from sklearn_seldonian.certification._rules import parameter
from sklearn_seldonian.data import _arguments
from sklearn_seldonian.measures import ANY_NUMBER

if TYPE_CHECKING:
    from sklearn_seldonian.certification._certificate import SafetyCertificate

# Fingerprints of a model's answers, which depend on the rows as well.
OF_ANSWERS = {"decisions", "probabilities", "predictions"}
OF_NUMBERS = {"probabilities", "predictions"}
# The prefix of the fingerprints of parts of the data.
PART = "data: "
OTHER_ORDER = (
    "if only the last digits differ, the rows may be in another order, or the machine may be "
    "another one: give the rows in the order in which they were tested"
)
# The mean loss is computed in single precision.
LOSS_DIGITS = 1e-4
# Assumptions about events before the test, or about other rows, which a repeated test cannot give.
NOT_REPEATED = re.compile(
    r"Not met: .*|"
    r"(\d+ settings were compared by cross-validation inside the candidate rows(; |(?=, and one)))?"
    r"(, and one model was tested\.|"
    r"\d+ models were to be tested at the full delta each, in an order fixed by (candidate rows|"
    r"the order that they were given in), up to the first failure\. Tested: \d+\.|"
    r"\d+ models were tested by Holm's method, which keeps to delta for all of them together\. The "
    r"bounds above are this model's, tested at delta / \d+\.)|"
    r"Which rows were kept for the safety test did not depend on outcomes\.|"
    r"No group of the population has more than \d+ rows?, the most among these rows\.|"
    r"No row of the population has a sample_weight above [-+.\de]+, the largest given\."
)
MAX_LISTED = 20
# The name of a sum of a table, its groups, and the positions of its label and columns.
Place = tuple[str, tuple[str, ...], tuple[Any, ...]]


@dataclass(frozen=True)
class Agreement:
    """Whether one part of a certificate is the same when its test is run again.

    Attributes
    ----------
    same : bool or None
        None if it is not known.
    differences : tuple of str
        What differs, or why it is not known.
    """

    same: bool | None
    differences: tuple[str, ...] = ()

    @classmethod
    def of(cls, differences: Iterable[str]) -> Agreement:
        """The agreement with these differences; the same if there are none."""
        found = tuple(differences)
        return cls(not found, found)


@dataclass(frozen=True)
class Verification:
    """The result of running a certificate's test again with a model and rows.

    Attributes
    ----------
    model, data, statistics, verdict : Agreement
        Whether each part is the same, and what differs. The model is identified by its weights, or
        by its answers for these rows. The data are identified by a fingerprint of X, y and the
        columns that constraints name, including weights and groups. The verdict comprises every
        field of every result, the loss, the seed of the order and the assumptions.
    """

    model: Agreement
    data: Agreement
    statistics: Agreement
    verdict: Agreement

    @property
    def parts(self) -> Mapping[str, Agreement]:
        """The four agreements by name."""
        names = "model", "data", "statistics", "verdict"
        return {name: getattr(self, name) for name in names}

    @property
    def same(self) -> bool:
        """Whether all four parts are the same."""
        return all(part.same is True for part in self.parts.values())

    def explain(self, width: int | None = 80) -> str:
        """The verification in plain text.

        Parameters
        ----------
        width : int, default=80
            The most characters per line. None: lines are not broken.

        Returns
        -------
        str
            One line per part, followed by at most 20 differences.
        """
        lines = [
            "Verified: model, data, statistics and verdict agree with the certificate."
            if self.same
            else "Not verified: the repeated test does not give this certificate."
        ]
        words = {True: "the same", False: "not the same", None: "not known"}
        for name, part in self.parts.items():
            lines.append(f"{name}: {words[part.same]}")
            lines += [f"  - {text}" for text in part.differences[:MAX_LISTED]]
            left_out = len(part.differences) - MAX_LISTED
            lines += [f"  - and {left_out} more"] * (left_out > 0)
        return wrapped("\n".join(lines), width)

    def __repr__(self) -> str:
        differing = [name for name, part in self.parts.items() if part.same is not True]
        outcome = f"not the same: {', '.join(differing)}" if differing else "the same"
        return f"<Verification: {outcome}>"


def verified(
    certificate: SafetyCertificate, estimator: Any, rows: Mapping[str, Any], measures: Any
) -> Verification:
    """As `SafetyCertificate.verify`; `rows` has the arguments with one value per row."""
    if not certificate.tested:
        raise ValueError(
            "No test used any rows for this certificate, and it certifies nothing, so there is "
            "nothing to verify."
        )
    with warnings.catch_warnings():  # the certificate contains what the warnings say
        warnings.simplefilter("ignore")
        if certificate.procedure == "certify":
            again = _certified_again(certificate, estimator, rows, measures)
        else:
            again = _fitted(certificate, estimator)._tested_again(certificate, **rows)
    return compared(certificate, again)


def compared(certificate: SafetyCertificate, again: SafetyCertificate) -> Verification:
    """The differences between two certificates of the same test."""
    data = Agreement.of(_differing_data(certificate, again))
    return Verification(
        _model(certificate, again, data),
        data,
        _statistics(certificate, again),
        Agreement.of(_differing_verdict(certificate, again)),
    )


# -- the test again --------------------------------------------------------------------------


def _fitted(certificate: SafetyCertificate, estimator: Any) -> Any:
    """The Seldonian estimator that a certificate of its `fit` or `certify` is about."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if isinstance(estimator, type) or not hasattr(estimator, "_tested_again"):
        found = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        raise TypeError(
            f"The certificate is of {certificate.procedure}, so estimator must be that fitted "
            f"estimator; got {found}. Give the estimator itself, and rows in the form that its fit "
            "takes. If it is the last step of a pipeline, give that step and the output of the "
            "steps before it."
        )
    return estimator


def _certified_again(
    certificate: SafetyCertificate, estimator: Any, rows: Mapping[str, Any], measures: Any
) -> SafetyCertificate:
    """Call the function `certify` again with the parameters in a certificate."""
    given = _given_parameters(certificate, estimator)
    most = {
        "max_group_size": _largest_group(rows["groups"]),
        "max_weight": _largest(rows["sample_weight"]),
    }
    for name, seen in most.items():
        # If the rows or the limit are others, the comparison of data and statistics shows it.
        if seen is None or (given[name] is not None and seen > given[name]):
            del given[name]
    again: SafetyCertificate = certify(
        estimator,
        constraints=[result.constraint for result in certificate.results],
        delta=[result.delta for result in certificate.results],
        measures=measures,
        random_state=certificate.order_seed or 0,
        **rows,
        **given,
    )
    return again


def _largest_group(groups: Any) -> float | None:
    """How many rows the largest group has; None without groups."""
    if groups is None:
        return None
    n_rows = _arguments.check_same_length(groups=groups)
    counts = Counter(_arguments.one_value_a_row("groups", groups, n_rows).tolist())
    return float(max(counts.values(), default=0))


def _largest(sample_weight: Any) -> float | None:
    """The largest weight; None without weights."""
    if sample_weight is None:
        return None
    n_rows = _arguments.check_same_length(sample_weight=sample_weight)
    values = _arguments.one_value_a_row("sample_weight", sample_weight, n_rows)
    return float(_arguments.as_numbers("sample_weight", values).max(initial=0.0))


def _given_parameters(certificate: SafetyCertificate, estimator: Any) -> dict[str, Any]:
    """The parameters of `certify` that do not depend on the rows."""
    known = {name: _literal(certificate, name) for name in ("max_group_size", "max_weight")}
    for name, default in (("method", "auto"), ("missing", "error")):
        known[name] = _literal(certificate, name) or default
    record = certificate.specification
    if certificate.classes:
        known["decision"] = _literal(certificate, "decision") or "argmax"
        known["pos_label"] = _positive_label(certificate, estimator)
    else:
        known |= {
            name: _literal(certificate, name) for name in ("target_range", "prediction_range")
        }
    if record is not None:
        known.update(_of_record(record, bool(certificate.classes)))
    return known


def _of_record(record: SpecificationRecord, is_classifier: bool) -> dict[str, Any]:
    known: dict[str, Any] = {"method": record.method, "missing": record.missing}
    if is_classifier:
        known["decision"] = record.decision
    else:
        for name in ("target_range", "prediction_range"):
            given = tuple(getattr(record, name))
            known[name] = None if given == ANY_NUMBER else given
    if record.shift is not None:
        shares = zip(record.shift.low, record.shift.high, strict=True)
        known["shift"] = {record.shift.column: dict(zip(record.shift.levels, shares, strict=True))}
    return known


def _literal(certificate: SafetyCertificate, name: str) -> Any:
    """A parameter as a value; None if it was not given, or is not a plain value."""
    if name not in certificate.parameters:
        return None
    found = parameter(certificate, name)
    several = name.endswith("range") and len(found) == 2
    return tuple(found) if several else found[0] if found else None


def _positive_label(certificate: SafetyCertificate, estimator: Any) -> Any:
    """The positive class of a certificate, as a label of the estimator."""
    labels = getattr(estimator, "classes_", ())
    named = {str(label): label for label in getattr(labels, "tolist", lambda: labels)()}
    return named.get(certificate.positive or "")


# -- differences -----------------------------------------------------------------------------


def _differing_data(certificate: SafetyCertificate, again: SafetyCertificate) -> Iterator[str]:
    if certificate.n_safety != again.n_safety:
        yield f"there are {again.n_safety:,} rows, but {certificate.n_safety:,} were tested"
    was, found = certificate.fingerprints, again.fingerprints
    if "data" not in was:
        yield "the certificate has no fingerprint of its rows"
    elif was["data"] != found.get("data"):
        yield (
            f"the fingerprint of the rows is {found.get('data')}, but {was['data']} in the "
            f"certificate: {_where_data_differ(was, found)}"
        )
    elif (
        certificate.specification is not None
    ):  # documents of version 1 have no fingerprints of parts
        for name in sorted(n for n in was.keys() | found.keys() if n.startswith(PART)):
            if was.get(name) != found.get(name):
                part = name.removeprefix(PART)
                yield (
                    f"the fingerprint of {part} is {found.get(name)}, but {was.get(name)} in the "
                    "certificate"
                )


def _where_data_differ(was: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Which parts of the data differ, in words."""
    names = [name for name in (*was, *found) if name.startswith(PART)]
    others = [n for n in dict.fromkeys(names) if was.get(n) != found.get(n)]
    if others:
        return f"values differ in {', '.join(name.removeprefix(PART) for name in others)}"
    if not names:
        return "values differ in X, y or a column that constraints name"
    parts = ", ".join(name.removeprefix(PART) for name in dict.fromkeys(names))
    return f"values differ in X, or rows are combined differently; {parts} have the same values"


def _model(certificate: SafetyCertificate, again: SafetyCertificate, data: Agreement) -> Agreement:
    """Whether the model is the same, by all fields of the certificate about it."""
    differences = []
    if certificate.estimator and certificate.estimator != again.estimator:
        differences.append(f"it is a {again.estimator}, but was a {certificate.estimator}")
    for name in ("classes", "positive"):
        was, found = getattr(certificate, name), getattr(again, name)
        if was != found:
            differences.append(f"{name}: {short(found)}, but {short(was)} in the certificate")
    if certificate.n_candidate != again.n_candidate:
        differences.append(
            f"it was fitted to {again.n_candidate:,} rows, but n_candidate is "
            f"{certificate.n_candidate:,} in the certificate"
        )
    prints = {
        name: (again.fingerprints.get(name), certificate.fingerprints.get(name))
        for name in sorted(certificate.fingerprints.keys() | again.fingerprints.keys())
        if name != "data" and not name.startswith(PART)
    }
    if not prints.keys() & certificate.fingerprints.keys():
        differences.append("the certificate has no fingerprint of the model")
    untold = [n for n, (found, was) in prints.items() if found != was and n in OF_ANSWERS]
    if untold and data.same is not True and not differences:
        text = f"it is identified by its {untold[0]} for the tested rows, but these rows differ"
        return Agreement(None, (text,))
    differences += [
        f"{name}: the fingerprint is {found}, but {was} in the certificate"
        for name, (found, was) in prints.items()
        if found != was
    ]
    if prints.keys() & OF_NUMBERS and differences:
        differences.append(OTHER_ORDER)
    return Agreement.of(differences)


def _statistics(certificate: SafetyCertificate, again: SafetyCertificate) -> Agreement:
    was, found = certificate.statistics, again.statistics
    if was is None or found is None:
        return Agreement(
            None if was is found or was is None else False, ("the certificate has no statistics",)
        )
    differences = list(_differing_sums(was, found, certificate.classes))
    for name in ("n_invalid", "has_products", "score_ends", "largest_unit"):
        if not is_close(getattr(was, name), getattr(found, name)):
            values = short(getattr(found, name)), short(getattr(was, name))
            differences.append("{}: {}, but {} in the certificate".format(name, *values))
    if was.values is not None and was.values != found.values:
        differences.append(
            f"values: the digest of the rows' numbers is {found.values}, but {was.values} in the "
            "certificate"
        )
    differences += [
        f"specification.{name}: does not follow from the model and the rows"
        for name in as_differences(certificate.specification, again.specification)
        if name not in ("deltas", "n_tests", "constraints")
    ]
    return Agreement.of(differences)


def _differing_sums(
    was: StatisticsRecord, found: StatisticsRecord, classes: Sequence[str]
) -> Iterator[str]:
    """Sums that differ from those in the certificate, in words."""
    before, now = ({table.columns: table for table in each.tables} for each in (was, found))
    if before.keys() != now.keys():
        yield f"tables are of the columns {listed(now)}, but of {listed(before)} in the certificate"
    for columns in sorted(before.keys() & now.keys()):
        one, other = _by_place(before[columns]), _by_place(now[columns])
        for place in sorted(one.keys() | other.keys(), key=str):
            new, old = other.get(place, 0), one.get(place, 0)
            if not is_close(new, old):
                words = _in_words(place, classes)
                yield f"{words}: {new:.10g}, but {old:.10g} in the certificate"


def _by_place(table: TableRecord) -> dict[Place, float]:
    """All sums of a table, by their places."""
    return {
        (name, tuple(table.groups[at] for at in cell.groups), tuple(place)): value
        for cell in table.cells
        for name in ("sums", "counts", "products")
        for *place, value in getattr(cell, name)
    }


def _in_words(place: Place, classes: Sequence[str]) -> str:
    """A description of a sum of a table."""
    name, groups, (label, *columns) = place

    def column(at: int) -> str:
        if at < max(1, len(classes)):
            return f"decision {classes[at]}" if classes else "any number"
        return f"measure {at - max(1, len(classes)) + 1}"

    of_label = f" with label {classes[label]}" if label < len(classes) else ""
    where = f" in {' and '.join(f'[{group}]' for group in groups)}" if groups else ""
    return f"{name} of {' times '.join(map(column, columns))}, over rows{of_label}{where}"


def _differing_verdict(certificate: SafetyCertificate, again: SafetyCertificate) -> Iterator[str]:
    yield from _differing_results(certificate, again)
    one, other = certificate.loss, again.loss
    if not (math.isnan(one) and math.isnan(other)) and not math.isclose(
        one, other, rel_tol=LOSS_DIGITS
    ):
        yield f"loss is {one:g}, but the test gives {other:g}"
    if certificate.order_seed is not None and certificate.order_seed != again.order_seed:
        yield f"order_seed is {certificate.order_seed}, but the test does not depend on an order"
    yield from _differing_assumptions(certificate, again)


def _differing_results(certificate: SafetyCertificate, again: SafetyCertificate) -> Iterator[str]:
    if len(certificate.results) != len(again.results):
        yield f"there are {len(again.results)} constraints, but {len(certificate.results)} results"
    pairs = zip(certificate.results, again.results, strict=False)
    for i, (was, found) in enumerate(pairs):
        for text in differences_of(was, vars(found)):
            yield f"results[{i}].{text.replace('the statistics give', 'the test gives')}"


def _differing_assumptions(
    certificate: SafetyCertificate, again: SafetyCertificate
) -> Iterator[str]:
    for text in again.assumptions:
        if text not in certificate.assumptions:
            yield f"assumptions do not include: {text}"
    for text in certificate.assumptions:
        if text not in again.assumptions and not NOT_REPEATED.fullmatch(text):
            yield f"assumptions include one that does not follow from the test: {text}"
