"""Rules that every certificate satisfies: which of its fields follow from which."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sklearn_seldonian.certification._fields import (
    GUARANTEES,
    UNTOUCHED,
    ConstraintResult,
)
from sklearn_seldonian.certification._method import (
    BETTING,
    CLOPPER_PEARSON,
    EXACT_TWO_RATE_TEST,
    GUARANTEE_OF,
    INVERSE_NORMAL,
    ON_UNITS,
    PART_RATIO,
)
from sklearn_seldonian.certification._results import Units, units_of
from sklearn_seldonian.certification._row_names import measured_in, names_in, with_rates
from sklearn_seldonian.constraints import LABEL, Constraint, constant_value, parse, walk
from sklearn_seldonian.measures import ALIASES, CLASSIFICATION_VALUES, RATES, REGRESSION_VALUES

if TYPE_CHECKING:
    from sklearn_seldonian.certification._certificate import SafetyCertificate

IN_AN_ORDER = {BETTING, *ON_UNITS}
OF_COUNTS = {CLOPPER_PEARSON, EXACT_TWO_RATE_TEST, PART_RATIO, INVERSE_NORMAL}
# Measures in which every row counts.
OF_DECISIONS = {name for name, definition in RATES.items() if not definition.uses_labels}
OF_ALL_ROWS = {
    *(name for name, definition in RATES.items() if definition.counts_all_rows),
    *CLASSIFICATION_VALUES,
    *REGRESSION_VALUES,
}
# Functions that can make an OR. Even powers are included: they are inverted by an absolute value.
WITH_ALTERNATIVES = {"min", "max", "abs", "**", "pow"}
# The assumptions about limits that were given, as patterns.
LIMITS = {
    "max_weight": r"No sample_weight can exceed (.+)\.",
    "max_group_size": r"No group can have more than (.+) rows?\.",
}
ROUNDING = 1e-9


class Rule(NamedTuple):
    """A statement about `field` that holds for every certificate, or for every result."""

    field: str
    words: str
    holds: Callable[[Any], bool]


def check(certificate: SafetyCertificate) -> None:
    """Refuse a certificate whose fields contradict each other.

    Raises
    ------
    ValueError
        If a field cannot be true together with the others. The message names it.
    """
    for i, result in enumerate(certificate.results):
        _hold(RESULT_RULES, result, f"results[{i}].")
    _hold(CERTIFICATE_RULES, certificate, "")


def _hold(rules: Sequence[Rule], value: Any, where: str) -> None:
    for rule in rules:
        if not rule.holds(value):
            given = getattr(value, rule.field)
            raise ValueError(f"{where}{rule.field} {rule.words}; the document has {given!r:.200}.")


def _all_match(pattern: str, *texts: str) -> bool:
    return all(re.fullmatch(pattern, text) for text in texts)


# -- one result ----------------------------------------------------------------------------


@lru_cache
def _parsed(text: str) -> Constraint:
    """The constraint that a text writes."""
    return parse(text)


def _is_constraint(result: ConstraintResult) -> bool:
    try:
        return isinstance(_parsed(result.constraint), Constraint)
    except ValueError:
        return False


def _units(result: ConstraintResult) -> Units:
    return units_of(_parsed(result.constraint))


def _methods(result: ConstraintResult) -> set[str]:
    return set(result.method.split(" + "))


def _weakest(result: ConstraintResult) -> str:
    return min((GUARANTEE_OF[name] for name in _methods(result)), key=GUARANTEES.index)


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _is_untouched(result: ConstraintResult) -> bool:
    return result.method == UNTOUCHED


def _says_nothing(result: ConstraintResult) -> bool:
    """Whether the fields are those of a test that was not run."""
    nothing = not result.rows and not result.rates and result.rows_needed is None
    return nothing and math.isnan(result.g) and result.g_upper == math.inf and result.p_value == 1


def _are_counts(result: ConstraintResult) -> bool:
    """Whether each rate is a count of rows, divided by their number."""
    hits = [rate * result.rows.get(name, 0) for name, rate in result.rates.items()]
    known = all(result.rows.get(name, 0) > 0 for name in result.rates)
    return known and all(abs(hit - round(hit)) <= 1e-6 for hit in hits)


def _has_its_counts(result: ConstraintResult) -> bool:
    """Whether a test of counts has a rate for each of its estimands."""
    methods = _methods(result)
    if methods <= OF_COUNTS and not result.chosen:
        return result.rates.keys() == result.rows.keys()
    return bool(result.rates) or not methods & OF_COUNTS


def _has_alternatives(result: ConstraintResult) -> bool:
    """Whether a constraint can have alternatives."""
    nodes = walk(_parsed(result.constraint))
    return any(
        getattr(node, "function", getattr(node, "operator", "")) in WITH_ALTERNATIVES
        for node in nodes
    )


def _has_rows_of_its_measures(result: ConstraintResult) -> bool:
    """Whether `rows` names the measures of the constraint, and no others.

    With two classes, two measures of the same rows can be the same rate, such as TPR of one class
    and TNR of the other. One of their names is enough.
    """
    if _is_untouched(result):
        return True
    measured, names = measured_in(_parsed(result.constraint)), names_in(result.rows)
    found = [(each.rows, each.named(names)) for each in measured]
    with_names = {rows for rows, texts in found if texts}
    named = {text for _, texts in found for text in texts}
    return with_names == {each.rows for each in measured} and named == result.rows.keys()


def _follows_from_rates(result: ConstraintResult) -> bool:
    """Whether g follows from the rates, if it depends on rates only."""
    if not result.rates or result.rates.keys() != result.rows.keys():
        return True
    expression = with_rates(_parsed(result.constraint), result.rates)
    g = None if expression is None else constant_value(expression)
    return g is None or _same(g, result.g) or abs(g - result.g) <= ROUNDING * max(1.0, abs(g))


RESULT_RULES = (
    Rule("constraint", "must be a constraint in the language", _is_constraint),
    Rule("operator", "is not that of the constraint", lambda r: r.operator == _units(r).operator),
    Rule("limit", "is not that of the constraint", lambda r: r.limit == _units(r).limit),
    Rule("estimate", "does not follow from g", lambda r: _same(r.estimate, _units(r).value(r.g))),
    Rule("bound", "does not follow from g_upper", lambda r: r.bound == _units(r).value(r.g_upper)),
    Rule("delta", "must be strictly between 0 and 1", lambda r: 0 < r.delta < 1),
    Rule(
        "p_value",
        "must be from 0 to 1, at most delta where g_upper is at most 0, and above delta otherwise",
        lambda r: 0 <= r.p_value <= 1 and (r.p_value <= r.delta) == r.passed,
    ),
    Rule("g", "is above 0, but g_upper is not", lambda r: not (r.passed and r.g > ROUNDING)),
    Rule("method", "must be a known method", lambda r: GUARANTEE_OF.keys() >= _methods(r)),
    Rule("guarantee", "is not that of the method", lambda r: r.guarantee == _weakest(r)),
    Rule(
        "guarantee",
        "must not be none for a passed constraint",
        lambda r: not r.passed or r.guarantee != "none",
    ),
    Rule(
        "reason",
        "must be empty if the constraint passed, and give the reason otherwise",
        lambda r: bool(r.reason) != r.passed,
    ),
    Rule(
        "rows_needed",
        "must be null or at least 1, and null if the constraint passed or g is above 0",
        lambda r: r.rows_needed is None or (r.rows_needed > 0 and not (r.passed or r.g > 0)),
    ),
    Rule(
        "method",
        "says that no test was run, but other fields have results",
        lambda r: not _is_untouched(r) or _says_nothing(r),
    ),
    Rule(
        "chosen",
        "must be empty if no test was run or the constraint has no alternatives",
        lambda r: not r.chosen or (_has_alternatives(r) and not _is_untouched(r)),
    ),
    Rule("rows", "are not those of the constraint's measures", _has_rows_of_its_measures),
    Rule("rates", "are not counts divided by rows", _are_counts),
    Rule("rates", "must have an entry for each tested rate", _has_its_counts),
    Rule("g", "does not follow from the rates", _follows_from_rates),
)


# -- the whole certificate -------------------------------------------------------------------


def _rows(certificate: SafetyCertificate) -> Iterable[tuple[ConstraintResult, str, int]]:
    return ((r, name, n) for r in certificate.results for name, n in r.rows.items())


def _counts_all_rows(certificate: SafetyCertificate) -> bool:
    """Whether measures over all rows have all rows, in constraints that passed.

    If rows may lack labels, measures of decisions have all rows, and those that use labels fewer.
    """
    seen = certificate.statistics
    may_lack = seen is not None and any(LABEL in table.columns for table in seen.tables)
    of_all = OF_DECISIONS if may_lack else OF_ALL_ROWS
    return all(
        n == certificate.n_safety
        for result, name, n in _rows(certificate)
        if result.passed and ALIASES.get(name, name).partition("_[")[0] in of_all
    )


def _agree(certificate: SafetyCertificate) -> bool:
    """Whether results with the same measure give it the same rows and rate."""
    said = {(name, n, r.rates.get(name)) for r, name, n in _rows(certificate)}
    return len(said) == len({name for name, _, _ in said})


def parameter(certificate: SafetyCertificate, name: str) -> list[Any]:
    """One parameter, or several, as values; empty if its text is not a Python literal."""
    try:
        given = ast.literal_eval(certificate.parameters.get(name, "[]"))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _has_given_constraints(certificate: SafetyCertificate) -> bool:
    given = parameter(certificate, "constraints")
    texts = [result.constraint for result in certificate.results]
    return given in ([], texts) or not all(isinstance(text, str) for text in given)


def _has_given_deltas(certificate: SafetyCertificate) -> bool:
    """Whether each delta is the given one, or the given one divided by a whole number."""
    given, tested = parameter(certificate, "delta"), [r.delta for r in certificate.results]
    if not given or not all(isinstance(delta, float) for delta in given):
        return True
    deltas = given * len(tested) if len(given) == 1 else given
    if len(deltas) != len(tested) or not all(map(math.isfinite, deltas)):
        return False
    # The divisor is in the specification and is checked there.
    is_divided = certificate.procedure.endswith(".fit") or certificate.specification is not None
    models = max(1, round(deltas[0] / tested[0])) if is_divided else 1
    pairs = zip(deltas, tested, strict=True)
    return all(math.isclose(delta / models, own, rel_tol=1e-12) for delta, own in pairs)


def _has_given_class(certificate: SafetyCertificate) -> bool:
    """Whether the positive class is the given one, or the second if none was given."""
    given = parameter(certificate, "pos_label")
    if not given or len(certificate.classes) != 2:
        return True
    positive = certificate.positive or ""
    return positive == certificate.classes[1] if given == [None] else _is_label(positive, given[0])


def _is_label(text: str, given: Any) -> bool:
    """Whether the class with this text was given, possibly as an equal number of another type."""
    if text == str(given):
        return True
    try:
        return isinstance(given, int | float) and bool(ast.literal_eval(text) == given)
    except (ValueError, SyntaxError):
        return False


def _has_given_limits(certificate: SafetyCertificate) -> bool:
    """Whether the given limits on weights and sizes of groups are those in the assumptions."""
    seen = certificate.statistics
    for name, pattern in LIMITS.items():
        given = [limit for limit in parameter(certificate, name) if limit is not None]
        said = [m[1] for text in certificate.assumptions if (m := re.fullmatch(pattern, text))]
        if not all(type(limit) in (int, float) and 0 < limit < math.inf for limit in given):
            return False
        has_units = seen is not None and seen.largest_unit is not None
        if (has_units or said) and said != [_limit_in_words(name, limit) for limit in given]:
            return False
    return True


def _has_given_method(certificate: SafetyCertificate) -> bool:
    """Whether the guarantees are possible with the given method."""
    unfit = {"exact": "asymptotic", "asymptotic": "finite-sample", "ttest": "finite-sample"}
    given = {unfit.get(str(method)) for method in parameter(certificate, "method")}
    return not given & {result.guarantee for result in certificate.results}


def _is_complete(certificate: SafetyCertificate) -> bool:
    """Whether a test with versions has assumptions and fingerprints as well."""
    described = bool(certificate.versions) and certificate.tested
    return not described or bool(certificate.assumptions and certificate.fingerprints)


def _has_its_order(certificate: SafetyCertificate) -> bool:
    """Whether a test that uses rows one after another has the seed of their order."""
    bets = any(IN_AN_ORDER & _methods(result) for result in certificate.results)
    return certificate.order_seed is not None or not bets


def _limit_in_words(name: str, limit: float) -> str:
    is_whole = name == "max_group_size" and limit == int(limit)
    return str(int(limit)) if is_whole else f"{limit:g}"


CERTIFICATE_RULES = (
    Rule(
        "procedure",
        'must end in ".fit" or ".certify", or be "certify" or empty',
        lambda c: _all_match(r"(\w+\.(fit|certify)|certify)?", c.procedure),
    ),
    Rule(
        "fingerprints",
        "must be hexadecimal digests",
        lambda c: _all_match("[0-9a-f]{32}", *c.fingerprints.values()),
    ),
    Rule(
        "created_at",
        "must be a time in UTC, such as 2026-01-31T12:00:00Z",
        lambda c: _all_match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)?", c.created_at),
    ),
    Rule("order_seed", "must be at most 2**32 - 1", lambda c: (c.order_seed or 0) < 2**32),
    Rule(
        "n_safety",
        "is less than the rows of a measure",
        lambda c: all(n <= c.n_safety for _, _, n in _rows(c)),
    ),
    Rule("n_safety", "is not the number of rows of a measure over all rows", _counts_all_rows),
    Rule("results", "give the same measure different rows or rates", _agree),
    Rule(
        "results",
        "must all be of tests that were run, or all of tests that were not",
        lambda c: len(set(map(_is_untouched, c.results))) == 1,
    ),
    Rule(
        "loss",
        "must be null if no test was run, and for the function certify",
        lambda c: math.isnan(c.loss) or (c.tested and c.procedure != "certify"),
    ),
    Rule(
        "n_candidate",
        "must be 0 for the function certify, and at least 1 for an estimator's fit and certify",
        lambda c: not c.procedure or (c.n_candidate > 0) == (c.procedure != "certify"),
    ),
    Rule(
        "results",
        "have chosen alternatives, but the function certify has no candidate data to choose by",
        lambda c: c.procedure != "certify" or not any(r.chosen for r in c.results),
    ),
    Rule("estimator", "is missing", lambda c: bool(c.estimator) or c.specification is None),
    Rule(
        "estimator",
        "is not the one whose procedure was called",
        lambda c: not c.estimator or c.procedure.partition(".")[0] in ("certify", "", c.estimator),
    ),
    Rule(
        "statistics",
        "must be null if no test was run",
        lambda c: c.tested or c.statistics is None,
    ),
    Rule(
        "statistics",
        "must be present if and only if there is a specification, for tests that were run",
        lambda c: not c.tested or (c.statistics is None) == (c.specification is None),
    ),
    Rule("procedure", "is missing", lambda c: bool(c.procedure) or not c.versions),
    Rule("classes", "must differ from each other", lambda c: len(set(c.classes)) == len(c.classes)),
    Rule(
        "positive",
        "must be one of two classes, and null if there are not two",
        lambda c: c.positive in c.classes if len(c.classes) == 2 else c.positive is None,
    ),
    Rule("assumptions", "or fingerprints are missing", _is_complete),
    Rule("order_seed", "is missing, and betting needs one", _has_its_order),
    Rule("parameters", "have different constraints from the results", _has_given_constraints),
    Rule("parameters", "have a different delta from the results", _has_given_deltas),
    Rule("positive", "is not the class in the parameters", _has_given_class),
    Rule("parameters", "have a method with another guarantee", _has_given_method),
    Rule(
        "parameters",
        "have a max_weight or max_group_size that the assumptions do not say",
        _has_given_limits,
    ),
)
