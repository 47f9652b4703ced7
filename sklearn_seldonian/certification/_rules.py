"""What is true of every certificate: which of its fields follow from which."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from sklearn_seldonian.certification._fields import (
    GUARANTEES,
    UNTOUCHED,
    CertificateFields,
    ConstraintResult,
)
from sklearn_seldonian.certification._methods import BETTING, CLOPPER_PEARSON, EXACT_TWO_RATE_TEST
from sklearn_seldonian.certification._results import Units, units_of
from sklearn_seldonian.constraints import (
    Binary,
    Constraint,
    Node,
    Number,
    constant_value,
    parse,
    walk,
)
from sklearn_seldonian.constraints._nodes import Call, Measure, Negative, Quantified, quoted_name
from sklearn_seldonian.measures import ALIASES, CLASSIFICATION_VALUES, RATES, REGRESSION_VALUES

# What each method promises; a result's method is one of them, or several joined by " + ".
GUARANTEE_OF = {
    "arithmetic": "exact",
    CLOPPER_PEARSON: "exact",
    EXACT_TWO_RATE_TEST: "exact",
    "joint Chernoff bound": "finite-sample",
    BETTING: "finite-sample",
    "box of Clopper-Pearson bounds": "finite-sample",
    "box of Chernoff-Hoeffding bounds": "finite-sample",
    "box of Clopper-Pearson and Chernoff-Hoeffding bounds": "finite-sample",
    "score test": "asymptotic",
    "delta method": "asymptotic",
    "box of Student t bounds": "asymptotic",
    "none": "none",
    UNTOUCHED: "none",
}

OF_COUNTS = {CLOPPER_PEARSON, EXACT_TWO_RATE_TEST}
# Measures that each row counts for.
OF_ALL_ROWS = {
    *(name for name, definition in RATES.items() if definition.counts_all_rows),
    *CLASSIFICATION_VALUES,
    *REGRESSION_VALUES,
}
ROUNDING = 1e-9


class Rule(NamedTuple):
    """A statement about `field` that is true of every certificate, or of every result."""

    field: str
    words: str
    holds: Callable[[Any], bool]


def check(certificate: CertificateFields) -> None:
    """Refuse a certificate whose fields contradict each other.

    Raises
    ------
    ValueError
        With the name of a field that cannot be true beside the others.
    """
    for i, result in enumerate(certificate.results):
        _hold(RESULT_RULES, result, f"results[{i}].")
    _hold(CERTIFICATE_RULES, certificate, "")


def _hold(rules: Sequence[Rule], value: Any, where: str) -> None:
    for rule in rules:
        if not rule.holds(value):
            given = getattr(value, rule.field)
            raise ValueError(f"{where}{rule.field} {rule.words}: it is {given!r:.200}.")


@lru_cache
def parsed(text: str) -> Constraint:
    """The constraint that a text says."""
    return parse(text)


# -- one result ----------------------------------------------------------------------------


def _units(result: ConstraintResult) -> Units:
    return units_of(parsed(result.constraint))


def _methods(result: ConstraintResult) -> set[str]:
    return set(result.method.split(" + "))


def _weakest(result: ConstraintResult) -> str:
    return min((GUARANTEE_OF[name] for name in _methods(result)), key=GUARANTEES.index)


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _is_untouched(result: ConstraintResult) -> bool:
    return result.method == UNTOUCHED


def _says_nothing(result: ConstraintResult) -> bool:
    """Whether there is only what a test that was not run leaves."""
    nothing = not result.rows and not result.rates and result.rows_needed is None
    return nothing and math.isnan(result.g) and result.g_upper == math.inf and result.p_value == 1


class _Named(NamedTuple):
    """A measure in a constraint's text, of some rows or of each group `by` some columns."""

    measure: Measure
    by: tuple[str, ...] = ()

    @property
    def of_rows(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Which rows it is over."""
        return frozenset(map(str, self.measure.conditions)), self.by

    def is_complement(self, name: str) -> bool | None:
        """Whether a name in `rows` is of one minus this measure; None where it is of neither."""
        head, _, tail = name.partition(" | [")
        own = ALIASES.get(self.measure.name, self.measure.name)
        own = "Jaccard" if own == "F1" else own
        subscript = str(Measure("", self.measure.indices)) if self.measure.indices else ""
        called = ALIASES.get(head.removesuffix(subscript), head.removesuffix(subscript))
        if not head.endswith(subscript) or not self._is_over(tail.removesuffix("]")):
            return None
        if own in RATES and called == RATES[own].complement:
            return True
        return False if called == own else None

    def _is_over(self, conditions: str) -> bool:
        own, by = self.of_rows
        if not by:
            return conditions == ", ".join(sorted(own))
        return all(part in conditions for part in (*own, *(f"{quoted_name(c)} == " for c in by)))

    def names_in(self, result: ConstraintResult) -> list[str]:
        """The names in `rows` that are of this measure."""
        return [name for name in result.rows if self.is_complement(name) is not None]


def _named(node: Node) -> list[_Named]:
    """The measures in a constraint."""
    nodes = list(walk(node))
    groups = [n for n in nodes if isinstance(n, Quantified)]
    inside = {id(group.measure) for group in groups}
    alone = [n for n in nodes if isinstance(n, Measure) and id(n) not in inside]
    of_groups = (_Named(g.measure, tuple(one.column for one in g.by)) for g in groups)
    return [*map(_Named, alone), *of_groups]


def _has_rows_of_its_measures(result: ConstraintResult) -> bool:
    """Whether `rows` is about the measures of the constraint, and about no others.

    With two classes two measures of the same rows may be one, as TPR of the one and TNR of the
    other, so it is enough that one of them is there.
    """
    named = _named(parsed(result.constraint))
    found = [(one.of_rows, name) for one in named for name in one.names_in(result)]
    if _is_untouched(result):
        return True
    return {of_rows for of_rows, _ in found} == {one.of_rows for one in named} and {
        name for _, name in found
    } == result.rows.keys()


def _are_counts(result: ConstraintResult) -> bool:
    """Whether each rate is a count of rows, divided by their number."""
    hits = [rate * result.rows.get(name, 0) for name, rate in result.rates.items()]
    known = all(result.rows.get(name, 0) > 0 for name in result.rates)
    return known and all(abs(hit - round(hit)) <= 1e-6 for hit in hits)


def _has_its_counts(result: ConstraintResult) -> bool:
    """Whether a test of counts has rates for all that it is over."""
    return not _methods(result) & OF_COUNTS or result.rates.keys() == result.rows.keys()


def _follows_from_rates(result: ConstraintResult) -> bool:
    """Whether g is what the rates give, where those are all that it is made of."""
    constraint = parsed(result.constraint)
    all_there = all(one.names_in(result) for one in _named(constraint))
    if not result.rates or result.rates.keys() != result.rows.keys() or not all_there:
        return True
    g = constant_value(_with_rates(constraint.g, result))
    return g is None or _same(g, result.g) or abs(g - result.g) <= ROUNDING * max(1.0, abs(g))


def _with_rates(node: Node, result: ConstraintResult) -> Node:
    """The expression with the rates that were seen in place of measures."""
    match node:
        case Measure():
            return _numbers(_Named(node), result)[0]
        case Quantified(function=function, measure=measure, by=by):
            numbers = _numbers(_Named(measure, tuple(one.column for one in by)), result)
            if function != "mean":
                return Call(function, numbers)
            return Binary("/", Call("sum", numbers), Number(float(len(numbers))))
        case Negative(operand=operand):
            return Negative(_with_rates(operand, result))
        case Binary(left=left, right=right):
            return replace(node, left=_with_rates(left, result), right=_with_rates(right, result))
        case Call(arguments=arguments):
            return replace(node, arguments=tuple(_with_rates(each, result) for each in arguments))
    return node


def _numbers(named: _Named, result: ConstraintResult) -> tuple[Number, ...]:
    """What was seen of one measure, in each group."""
    rates = (
        1.0 - result.rates[name] if named.is_complement(name) else result.rates[name]
        for name in named.names_in(result)
    )
    is_f1 = named.measure.name == "F1"  # which is counted as the Jaccard index
    return tuple(Number(2.0 - 2.0 / (1.0 + rate) if is_f1 else rate) for rate in rates)


RESULT_RULES = (
    Rule("operator", "is not the constraint's", lambda r: r.operator == _units(r).operator),
    Rule("limit", "is not the constraint's", lambda r: r.limit == _units(r).limit),
    Rule("estimate", "does not follow from g", lambda r: _same(r.estimate, _units(r).value(r.g))),
    Rule("bound", "does not follow from g_upper", lambda r: r.bound == _units(r).value(r.g_upper)),
    Rule(
        "p_value",
        "must be at most delta where g_upper is at most 0, and above delta otherwise",
        lambda r: (r.p_value <= r.delta) == r.passed,
    ),
    Rule("g", "is a violation, and g_upper is none", lambda r: not (r.passed and r.g > ROUNDING)),
    Rule("guarantee", "is not that of the method", lambda r: r.guarantee == _weakest(r)),
    Rule("guarantee", "proves nothing", lambda r: not r.passed or r.guarantee != "none"),
    Rule(
        "reason",
        "must be empty where the constraint passed, and say why where it did not",
        lambda r: bool(r.reason) != r.passed,
    ),
    Rule(
        "rows_needed",
        "must be null unless the constraint did not pass and its estimate meets the limit",
        lambda r: r.rows_needed is None or not (r.passed or r.g > 0),
    ),
    Rule(
        "method",
        "says that no test was run, and other fields have results",
        lambda r: not _is_untouched(r) or _says_nothing(r),
    ),
    Rule("rows", "are not of the constraint's measures", _has_rows_of_its_measures),
    Rule("rates", "are not counts divided by rows", _are_counts),
    Rule("rates", "must be there for all counts that were tested", _has_its_counts),
    Rule("g", "does not follow from the rates", _follows_from_rates),
)


# -- the whole certificate -------------------------------------------------------------------


def _rows(certificate: CertificateFields) -> Iterable[tuple[ConstraintResult, str, int]]:
    return ((r, name, n) for r in certificate.results for name, n in r.rows.items())


def _counts_all_rows(certificate: CertificateFields) -> bool:
    """Whether measures of all rows are over all of them, where a constraint has passed."""
    return all(
        n == certificate.n_safety
        for result, name, n in _rows(certificate)
        if result.passed and ALIASES.get(name, name).partition("_[")[0] in OF_ALL_ROWS
    )


def _agree(certificate: CertificateFields) -> bool:
    """Whether results with the same measure say the same of it."""
    said: dict[str, Any] = {}
    return all(
        said.setdefault(name, (n, r.rates.get(name))) == (n, r.rates.get(name))
        for r, name, n in _rows(certificate)
    )


def _parameter(certificate: CertificateFields, name: str) -> list[Any]:
    """One parameter, or several, as values; empty where Python does not write them as such."""
    try:
        given = ast.literal_eval(certificate.parameters.get(name, "[]"))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _has_given_constraints(certificate: CertificateFields) -> bool:
    given = _parameter(certificate, "constraints")
    texts = [result.constraint for result in certificate.results]
    return given in ([], texts) or not all(isinstance(text, str) for text in given)


def _has_given_deltas(certificate: CertificateFields) -> bool:
    """Whether each delta is the one that was given, or the same whole share of it in a search."""
    given, tested = _parameter(certificate, "delta"), [r.delta for r in certificate.results]
    if not given or not all(isinstance(delta, float) for delta in given):
        return True
    deltas = given * len(tested) if len(given) == 1 else given
    if len(deltas) != len(tested):
        return False
    models = max(1, round(deltas[0] / tested[0])) if certificate.procedure.endswith(".fit") else 1
    pairs = zip(deltas, tested, strict=True)
    return all(math.isclose(delta / models, own, rel_tol=1e-12) for delta, own in pairs)


def _has_given_class(certificate: CertificateFields) -> bool:
    """Whether the positive class is the one that was given, or the second where none was."""
    given = _parameter(certificate, "pos_label")
    if not given or len(certificate.classes) != 2:
        return True
    return certificate.positive == (certificate.classes[1] if given == [None] else str(given[0]))


def _has_given_bound(certificate: CertificateFields) -> bool:
    """Whether the guarantees are those of the kind of bound that was asked for."""
    unfit = {
        ("exact",): {"asymptotic"},
        ("asymptotic",): {"finite-sample"},
        ("ttest",): {"finite-sample"},
    }.get(tuple(_parameter(certificate, "method")), set())
    return not unfit & {result.guarantee for result in certificate.results}


def _is_complete(certificate: CertificateFields) -> bool:
    """Whether a test that says by which versions it was run has assumptions and data as well."""
    described = bool(certificate.versions) and certificate.tested
    return not described or bool(certificate.assumptions and certificate.fingerprints)


def _has_its_order(certificate: CertificateFields) -> bool:
    """Whether a test of rows one after another says in which order it looked at them."""
    bets = any(BETTING in _methods(result) for result in certificate.results)
    return certificate.order_seed is not None or not bets


CERTIFICATE_RULES = (
    Rule(
        "n_safety",
        "is less than the rows of a measure",
        lambda c: all(n <= c.n_safety for _, _, n in _rows(c)),
    ),
    Rule("n_safety", "is not how many rows a measure of all rows is over", _counts_all_rows),
    Rule("results", "differ in what they say of one measure", _agree),
    Rule(
        "results",
        "must all be of tests that were run, or all of tests that were not",
        lambda c: len(set(map(_is_untouched, c.results))) == 1,
    ),
    Rule(
        "loss",
        "is not known where no test was run, nor to the function certify, and must be null",
        lambda c: math.isnan(c.loss) or (c.tested and c.procedure != "certify"),
    ),
    Rule(
        "n_candidate",
        "must be 0 for the function certify, and at least 1 for an estimator's fit and certify",
        lambda c: not c.procedure or (c.n_candidate > 0) == (c.procedure != "certify"),
    ),
    Rule("procedure", "is missing", lambda c: bool(c.procedure) or not c.versions),
    Rule("classes", "must differ from each other", lambda c: len(set(c.classes)) == len(c.classes)),
    Rule(
        "positive",
        "must be one of two classes, and null where there are not two",
        lambda c: c.positive in c.classes if len(c.classes) == 2 else c.positive is None,
    ),
    Rule("assumptions", "or fingerprints are missing", _is_complete),
    Rule("order_seed", "is missing, and betting needs one", _has_its_order),
    Rule("parameters", "have other constraints than the results", _has_given_constraints),
    Rule("parameters", "have another delta than the results", _has_given_deltas),
    Rule("positive", "is not the class that the parameters say", _has_given_class),
    Rule("parameters", "have a bound with another guarantee than the results", _has_given_bound),
)
