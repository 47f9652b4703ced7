"""Recomputation of bounds and verdict from the records in a certificate."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from sklearn_seldonian import certify, collect
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.certification._comparison import is_close
from sklearn_seldonian.certification._json import digests_of
from sklearn_seldonian.measures import RowMeasure
from tests.certification._certificates import (
    CHOSEN,
    COST,
    DATA,
    FITTED,
    PASSED,
    UNTESTED,
    Given,
    Y,
    certified,
    fitted,
    forged,
)
from tests.certification._fixed import Fixed
from tests.certification.test_json import CERTIFICATES

# The tests of these certificates use the numbers of each row.
BY_ROWS = {"own measure", "probabilities", "calibration", "drawn decisions", "numbers"}
BY_ROWS |= {"fit of numbers"}


@pytest.mark.parametrize("kind", CERTIFICATES)
@pytest.mark.thinned(3)
def test_a_certificate_follows_from_its_own_statistics(kind):
    certificate = CERTIFICATES[kind]()
    again = certificate.recompute()
    assert again.same
    assert not again.differences
    assert again.complete == (kind not in BY_ROWS)
    assert again.certificate.passed == certificate.passed
    for one, other in zip(again.certificate.results, certificate.results, strict=True):
        assert is_close(vars(one), vars(other))


def test_counts_in_the_document_give_the_bound_by_an_independent_formula():
    """Clopper and Pearson's lower bound, as the quantile of a beta distribution."""
    content = json.loads(PASSED.to_json())
    (table,) = content["statistics"]["tables"]
    counts = [(y == p, n) for cell in table["cells"] for y, p, n in cell["sums"]]
    right, n = sum(n for is_right, n in counts if is_right), sum(n for _, n in counts)
    assert n == content["n_safety"] == 200
    assert content["results"][0]["estimate"] == pytest.approx(right / n)
    expected = beta.ppf(0.05, right, n - right + 1)
    assert content["results"][0]["bound"] == pytest.approx(expected, rel=1e-9)


def test_values_that_need_the_rows_are_named_and_others_recomputed():
    certificate = certified(["Cost <= 0.9", "ACC >= 0.8"])
    again = certificate.recompute()
    assert not again.complete
    (text,) = again.not_recomputed
    assert text.startswith(
        "results[0], bound, g_upper, p_value, reason, rows_needed ('Cost <= 0.9')"
    )
    assert "digest" in again.explain(None)
    wrong = replace(certificate.results[0], estimate=0.2, g=-0.7)
    changed = replace(certificate, results=(wrong, certificate.results[1]))
    named = [text.partition(" ")[0] for text in changed.recompute().differences]
    assert named == ["results[0].g", "results[0].estimate"]
    assert not changed.recompute().same


def test_a_certificate_without_statistics_cannot_be_recomputed():
    bare = replace(PASSED, statistics=None, specification=None)
    again = bare.recompute()
    assert again.same
    assert not again.complete
    assert "no statistics" in again.explain(None)
    assert "nothing can be recomputed" in bare.explain(None)
    assert "nothing can be recomputed" not in PASSED.explain(None)


def test_what_was_not_tested_has_nothing_to_recompute():
    assert UNTESTED.statistics is None
    assert UNTESTED.recompute().complete
    other = replace(UNTESTED, results=(replace(UNTESTED.results[0], delta=0.2),))
    assert other.recompute().differences[0].startswith("results[0].delta is 0.2")


def changed(certificate, path, value):
    """A document with another value, and with digests computed anew."""
    content = json.loads(forged(certificate, path, value))
    content["digests"] = digests_of(content)
    return json.dumps(content)


CELL = "statistics.tables.0.cells.0"
OF_STATISTICS = [
    (
        PASSED,
        f"{CELL}.sums",
        [[0, 0, 41], [0, 1, 5], [1, 0, 8], [1, 1, 47]],
        "statistics.tables have",
    ),
    (PASSED, f"{CELL}.sums", [[0, 0, 41], [0, 1, 5], [1, 0, 7], [1, 1, 47]], "results[0].rates is"),
    (
        PASSED,
        f"{CELL}.sums",
        [[0, 0, 40.5], [0, 1, 4.5], [1, 0, 8], [1, 1, 47]],
        "statistics.tables must have counts",
    ),
    (PASSED, f"{CELL}.sums", [[0, 0, 200], [0, 2, 0]], "statistics.tables, sums must be in"),
    (PASSED, f"{CELL}.sums", [[0, 0, 100], [0, 0, 100]], "statistics.tables, sums must be in"),
    (PASSED, "statistics.tables.0.cells.1.groups", [2], "statistics.tables[0].cells are in groups"),
    (PASSED, f"{CELL}.counts", [[0, 0, 200]], "statistics.tables, counts must be in"),
    (PASSED, "statistics.tables.0.columns", ["M"], "statistics.tables are not of the columns"),
    (PASSED, "statistics.tables.0.groups", ["F", "age"], "statistics.tables[0].groups are not"),
    (PASSED, "statistics.tables.0.cells", [], "statistics.tables[0].cells must be in"),
    (PASSED, "statistics.n_invalid", 1, "statistics.tables have 200 rows"),
    (PASSED, "statistics.values", "0" * 32, "order_seed must be given if and only if"),
    (PASSED, "order_seed", 3, "order_seed must be given if and only if"),
    (PASSED, "statistics.score_ends", [[0.0], [1.0]], "statistics.score_ends must be"),
    (PASSED, "specification.constraints.0", "ACC >= 0.7", "results[0].constraint is"),
    (PASSED, "specification.constraints", ["ACC >= 0.8"], "specification.constraints, deltas"),
    (PASSED, "specification.constraints.0", "ACC >=", "specification gives the constraints no"),
    (PASSED, "specification.deltas.0", 0.06, "results[0].delta is"),
    (PASSED, "specification.deltas.0", 0.0, "specification.deltas must be"),
    (PASSED, "specification.n_tests", 2, "results[0].delta is"),
    (PASSED, "specification.n_tests", 0, "specification.n_tests must be"),
    (PASSED, "specification.method", "ttest", "specification.method is 'ttest', but the par"),
    (PASSED, "specification.missing", "exclude", "specification.missing is"),
    (PASSED, "specification.decision", "sample", "specification.decision is"),
    (PASSED, "specification.decision", None, "specification.decision must be"),
    (PASSED, "specification.target_range", [1.0, 0.0], "specification.ranges must be"),
    (PASSED, "specification.mutually_exclusive_columns", [], "results[1]"),
    (PASSED, "specification.mutually_exclusive_columns.0.0", "age", "results[1]"),
    (PASSED, "specification.levels", {"race": ["A"]}, "specification.levels must be"),
    (
        PASSED,
        "specification.combinations",
        [{"columns": ["M", "F"], "levels": []}],
        "specification.comb",
    ),
    (PASSED, "specification.choices.0", [0], "specification.choices must have 0"),
    (
        PASSED,
        "assumptions",
        ["The rows are independent draws from the population of interest."],
        "assumptions do not include",
    ),
    (CHOSEN, "specification.choices.0", None, "results[0]"),
    (CHOSEN, "specification.choices.0", [7], "specification.choices names"),
    (FITTED, "specification.constraints.0", "ACC >= 0.1", "results[0].constraint is"),
    (UNTESTED, "specification.deltas.0", 0.2, "results[0].delta is"),
    (
        UNTESTED,
        "statistics",
        json.loads(PASSED.to_json())["statistics"],
        "statistics must be null if no test was run",
    ),
]


@pytest.mark.parametrize(
    ("certificate", "path", "value", "message"),
    OF_STATISTICS,
    ids=[f"{path}={value!r}"[:70] for _, path, value, _ in OF_STATISTICS],
)
def test_statistics_that_contradict_the_certificate_are_refused(certificate, path, value, message):
    SafetyCertificate.from_json(certificate.to_json())
    with pytest.raises(ValueError) as found:  # noqa: PT011
        SafetyCertificate.from_json(changed(certificate, path, value))
    assert str(found.value).startswith(message)


def test_a_bound_that_no_rule_but_the_statistics_refutes():
    """Bound, g_upper and p-value agree with each other, but not with the counts."""
    content = json.loads(PASSED.to_json())
    content["results"][0].update(bound=0.85, g_upper=0.8 - 0.85, p_value=0.001)
    content["digests"] = digests_of(content)
    with pytest.raises(ValueError, match=r"^results\[0\]\.g_upper is -0.04.*statistics give"):
        SafetyCertificate.from_json(json.dumps(content))


# -- other versions and other machines ---------------------------------------------------------


def of_version(content, version):
    content["versions"]["sklearn-seldonian"] = version
    content["digests"] = digests_of(content)
    return json.dumps(content)


def test_another_version_may_have_another_bound_and_other_words():
    content = json.loads(PASSED.to_json())
    content["results"][0].update(bound=0.81, g_upper=0.8 - 0.81, p_value=0.03)
    read = SafetyCertificate.from_json(of_version(content, "7.1"))
    named = {text.partition(" ")[0] for text in read.recompute().differences}
    assert named == {"results[0].bound", "results[0].g_upper", "results[0].p_value"}


def test_another_version_has_no_other_verdict_and_no_other_counts():
    content = json.loads(PASSED.to_json())
    fails = {"bound": 0.79, "g_upper": 0.8 - 0.79, "p_value": 0.06, "reason": "so few rows"}
    content["results"][0].update(fails)
    with pytest.raises(ValueError, match=r"^results\[0\]\.passed is False, but the statistics"):
        SafetyCertificate.from_json(of_version(content, "7.1"))
    content = json.loads(PASSED.to_json())
    content["statistics"]["n_invalid"] = 1
    with pytest.raises(ValueError, match=r"^statistics\.tables have 200 rows"):
        SafetyCertificate.from_json(of_version(content, "7.1"))


# -- every method ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["auto", "asymptotic", "ttest"])
@pytest.mark.parametrize(
    "constraints", ["FPR <= 0.15", "max(PR, by=race) - min(PR, by=race) <= .05"]
)
def test_failed_constraints_are_recomputed_with_their_reasons(method, constraints):
    certificate = certified(constraints, method=method)
    assert not certificate.passed
    again = certificate.recompute()
    assert again.same
    assert again.complete
    assert again.certificate == certificate


@pytest.mark.parametrize("decision", ["argmax", "sample"])
def test_normal_approximations_follow_from_sums_of_products(decision):
    certificate = certified(
        ["LogLoss <= 0.9", "PR | [M] - PR | [F] <= 0.3"], method="asymptotic", decision=decision
    )
    assert certificate.statistics.has_products
    again = certificate.recompute()
    assert again.same
    assert again.complete


def test_a_share_of_delta_is_kept():
    half = replace(fitted().certificate_)
    assert half.specification.n_tests == 1
    searched = CERTIFICATES["search"]()
    assert searched.specification.n_tests in (1, 2)
    delta = searched.specification.deltas[0] * (1 / searched.specification.n_tests)
    assert searched.results[0].delta == delta


def test_rows_without_finite_outputs_are_kept_as_a_number():
    data = DATA.assign(p=DATA["p"].where(np.arange(len(Y)) > 0))
    model = Given().fit()
    certificate = certify(model, data, Y, "Brier <= 0.9")
    assert certificate.statistics.n_invalid == 1
    assert not certificate.passed
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate


NAN = DATA.assign(p=np.nan)
CERTAIN = DATA.assign(p=np.where(np.arange(len(Y)) == 0, 1.0 - Y, DATA["p"]))
TEXTS = np.array(['a "b", c', "d\\e", "f|g] \n"])[np.arange(len(Y)) % 3]
ODD_NAMES = DATA.rename(columns={"race": 'my "race" | `x`, y'}).assign(s=TEXTS)
THREE = np.arange(len(Y)) % 3
LABELS = (np.arange(len(Y)) + (np.arange(len(Y)) % 5 == 0)) % 3
OF_THREE = Fixed(np.array(["a", "b", "c"])[THREE], np.eye(3)[THREE], classes=("a", "b", "c"))
TENS = Fixed(10 * THREE, np.eye(3)[THREE], classes=(0, 10, 20))
HIT = RowMeasure("Hit", lambda y, decided, _: 1.0 * (y == decided), range=(0, 1), rows=(10,))
ODD = {
    "no finite output": (Given().fit(), NAN, Y, "Brier <= 0.9", {}),
    "no finite output in groups": (Given().fit(), NAN, Y, "max(Brier, by=race) <= 0.9", {}),
    "an infinite loss": (Given().fit(), CERTAIN, Y, "LogLoss <= 0.9", {"method": "asymptotic"}),
    "names with quotes": (
        Given().fit(),
        ODD_NAMES,
        Y,
        [
            'max(PR, by=`my "race" | \\`x\\`, y`) <= 0.99',
            "max(PR, by=s) <= 0.99",
            'PR | [s == "a \\"b\\", c"] <= 0.99',
        ],
        {},
    ),
    "a level that no row has": (
        Given().fit(),
        DATA,
        Y,
        'max(PR, by=race in ("A", "Z")) <= 0.99',
        {},
    ),
    "truth values": (
        Given().fit(),
        DATA.assign(b=DATA["M"] == 1),
        Y,
        ["max(PR, by=b) <= 0.99", "PR | [b] <= 0.99", "PR | [not b] <= 0.99"],
        {},
    ),
    "numbers as levels": (
        Given().fit(),
        DATA.assign(b=DATA["M"] * 0.5),
        Y,
        ["max(PR, by=b) <= 0.99", "PR | [b == 0.5] <= 0.99"],
        {},
    ),
    "several conditions": (
        Given().fit(),
        DATA,
        Y,
        ["PR | [age >= 30, age < 50, race in ('A', 'B')] <= 0.99", "PR | [age != 30] <= 0.9"],
        {},
    ),
    "three classes": (
        OF_THREE,
        DATA,
        np.array(["a", "b", "c"])[LABELS],
        ["PR_['a'] <= 0.9", "max(TPR_['b'], by=race) >= 0", "BACC >= 0.1", "F1_['c'] >= 0.1"],
        {},
    ),
    "labels that are no positions": (
        TENS,
        DATA,
        10 * LABELS,
        ["PR_['10'] <= 0.9", "ACC >= 0.2"],
        {},
    ),
}


@pytest.mark.parametrize(("model", "data", "y", "constraints", "options"), ODD.values(), ids=ODD)
@pytest.mark.filterwarnings("ignore:.* is tested by a normal approximation")
def test_rows_of_any_kind(model, data, y, constraints, options):
    certificate = certify(model, data, y, constraints, **options)
    again = certificate.recompute()
    assert again.same
    assert again.complete
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate


def test_a_measure_of_rows_with_one_label():
    certificate = certify(TENS, DATA, 10 * LABELS, "Hit >= 0.2", measures=[HIT])
    assert certificate.specification.measures[0].labels == ("10",)
    again = certificate.recompute()
    assert again.same
    assert again.certificate.results[0].rows == {"Hit": int((LABELS == 1).sum())}


def test_parts_lead_to_statistics_that_are_read():
    asked = {"constraints": ["max(PR, by=(race, M)) <= 0.99", "Cost <= 1.9"], "measures": [COST]}
    cuts = [slice(start, start + 50) for start in range(0, len(Y), 50)]
    total = sum(collect(Given().fit(), DATA[cut], Y[cut], **asked) for cut in cuts)
    certificate = total.certify(random_state=0)
    assert certificate == certify(Given().fit(), DATA, Y, random_state=0, **asked)
    assert certificate.recompute().same
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate
