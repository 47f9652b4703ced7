"""Rules that hold for every certificate: a document that breaks one is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.certification._rules import check
from tests.certification._certificates import (
    CHOSEN,
    FAILED,
    FITTED,
    NORMAL,
    PASSED,
    TWO_CLASSES,
    UNTESTED,
    certified,
    forged,
)

# The certificate, the field and its new value, and the field that the message names.
FORGERIES = [
    (PASSED, "results.0.constraint", "ACC >= 0.99", "operator|limit"),
    (PASSED, "results.0.constraint", "ACC <= 0.8", "operator"),
    (PASSED, "results.0.constraint", "PR >= 0.8", "rows"),
    (PASSED, "results.0.constraint", "ACC | [M] >= 0.8", "rows"),
    (PASSED, "results.1.constraint", "abs(PR | [M] - PR | [race]) <= 0.3", "rows"),
    (PASSED, "results.1.constraint", "PR | [M] - PR | [F] <= 0.3", "g|parameters"),
    (PASSED, "results.0.constraint", "ACC", "operator"),
    (PASSED, "results.0.constraint", "no words of ours", "constraint"),
    (PASSED, "results.0.constraint", "", "constraint"),
    (PASSED, "results.0.operator", "<=", "operator"),
    (PASSED, "results.0.operator", "==", "operator"),
    (PASSED, "results.0.estimate", 0.99, "estimate"),
    (PASSED, "results.0.estimate", None, "estimate"),
    (PASSED, "results.0.bound", 0.95, "bound"),
    (PASSED, "results.0.bound", "Infinity", "bound"),
    (PASSED, "results.0.bound", None, "bound"),
    (PASSED, "results.0.limit", 0.9, "limit"),
    (PASSED, "results.0.g", -0.5, "estimate"),
    (PASSED, "results.0.g_upper", -0.5, "bound"),
    (PASSED, "results.0.g_upper", 0.5, "bound"),
    (FAILED, "results.0.g_upper", -1, "bound"),
    (PASSED, "results.0.p_value", 7, "p_value"),
    (PASSED, "results.0.p_value", 0.5, "p_value"),
    (PASSED, "results.0.p_value", -0.1, "p_value"),
    (FAILED, "results.0.p_value", 0.001, "p_value"),
    (PASSED, "results.0.delta", -3, "delta"),
    (PASSED, "results.0.delta", 0, "delta"),
    (PASSED, "results.0.delta", 1, "delta"),
    (PASSED, "results.0.delta", 1e-6, "p_value|delta|parameters"),
    (PASSED, "results.0.delta", 0.06, "parameters"),
    (PASSED, "results.1.delta", 0.05, "parameters"),
    (PASSED, "results.0.method", "prayer", "method"),
    (PASSED, "results.0.method", "Clopper-Pearson + prayer", "method"),
    (PASSED, "results.0.method", "score test", "guarantee"),
    (PASSED, "results.0.method", "none", "guarantee"),
    (PASSED, "results.0.guarantee", "divine", "guarantee"),
    (PASSED, "results.0.guarantee", "finite-sample", "guarantee"),
    (PASSED, "results.0.rows", {"ACC": 10**9}, "n_safety|rates"),
    (PASSED, "results.0.rows", {"ACC": 150}, "n_safety|rates"),
    (PASSED, "results.0.rows", {"TPR": 200}, "rows"),
    (PASSED, "results.0.rows", {"ACC": 200, "TPR": 100}, "rows"),
    (PASSED, "results.0.rows", {}, "rows"),
    (PASSED, "results.0.rates", {"ACC": 0.9001}, "rates"),
    (PASSED, "results.0.rates", {"ACC": 0.5}, "g"),
    (PASSED, "results.0.rates", {"TPR": 0.5}, "rates"),
    (PASSED, "results.0.rates", {}, "rates"),
    (PASSED, "results.0.reason", "there were few rows", "reason"),
    (FAILED, "results.0.reason", "", "reason"),
    (PASSED, "results.0.rows_needed", 100, "rows_needed"),
    (FAILED, "results.0.rows_needed", 0, "rows_needed"),
    (FAILED, "results.1.rows_needed", 500, "rows_needed"),
    (UNTESTED, "results.0.method", "Clopper-Pearson", "guarantee"),
    (UNTESTED, "results.0.rows", {"ACC": 40}, "method"),
    (UNTESTED, "results.0.g_upper", -1.0, "bound"),
    (UNTESTED, "results.0.p_value", 0.5, "method"),
    (PASSED, "results.0.chosen", ["ACC >= 0.8"], "chosen"),
    (PASSED, "results.1.chosen", ["PR | [M] <= 0.3"], "results|chosen"),
    (PASSED, "results.1.chosen", "PR | [M] <= 0.3", "chosen"),
    (FITTED, "results.0.chosen", ["ACC >= 0.6"], "chosen"),
    (UNTESTED, "results.0.chosen", ["ACC >= 0.5"], "chosen"),
    (CHOSEN, "results.0.constraint", "FPR <= 0.9", "chosen|rows"),
    (CHOSEN, "results.0.rates", {}, "rates"),
    (CHOSEN, "procedure", "certify", "results|loss|n_candidate"),
    (UNTESTED, "loss", 0.1, "loss"),
    (PASSED, "loss", 0.1, "loss"),
    (PASSED, "n_candidate", 500, "n_candidate"),
    (FITTED, "n_candidate", 0, "n_candidate"),
    (PASSED, "n_safety", 100, "n_safety"),
    (PASSED, "n_safety", 10**9, "n_safety"),
    (PASSED, "assumptions", [], "assumptions"),
    (PASSED, "procedure", "an oracle", "procedure"),
    (PASSED, "procedure", "", "procedure"),
    (PASSED, "procedure", "SeldonianClassifier.fit", "n_candidate"),
    (FITTED, "procedure", "certify", "loss|n_candidate"),
    (PASSED, "parameters.delta", "0.01", "parameters"),
    (PASSED, "parameters.constraints", "['ACC >= 0.99', 'PR <= 1']", "parameters"),
    (FITTED, "parameters.constraints", "'ACC >= 0.99'", "parameters"),
    (FITTED, "parameters.delta", "0.001", "parameters"),
    (FITTED, "parameters.delta", "1e999", "parameters"),
    (TWO_CLASSES, "classes", ["no"], "positive"),
    (TWO_CLASSES, "classes", ["no", "no"], "classes"),
    (TWO_CLASSES, "positive", "maybe", "positive"),
    (TWO_CLASSES, "positive", None, "positive"),
    (TWO_CLASSES, "positive", "no", "positive"),
    (TWO_CLASSES, "parameters.pos_label", "'no'", "positive"),
    (TWO_CLASSES, "classes", ["no", "sometimes"], "positive"),
    (NORMAL, "parameters.method", "'exact'", "parameters"),
    (PASSED, "fingerprints", {"data": "no digest"}, "fingerprints"),
    (PASSED, "fingerprints", {}, "assumptions"),
]


GROUPED = certified("max(abs(BACC - 0.5), by=race) <= 0.5")
FORGERIES += [
    (GROUPED, "results.0.constraint", "max(abs(BACC - 0.6), by=race) <= 0.5", "g"),
    (GROUPED, "results.0.constraint", "max(abs(BACC - 0.5), by=M) <= 0.5", "rows"),
    (GROUPED, "results.0.constraint", "max(abs(ACC - 0.5), by=race) <= 0.5", "rows"),
    (GROUPED, "results.0.constraint", "max(abs(BACC - 0.5 * PR), by=race) <= 0.5", "parameters"),
    (GROUPED, "results.0.rates", dict.fromkeys(GROUPED.results[0].rows, 1.0), "g"),
]


@pytest.mark.parametrize(
    ("certificate", "path", "value", "named"),
    FORGERIES,
    ids=[f"{path}={value!r}"[:60] for _, path, value, _ in FORGERIES],
)
def test_a_forgery_is_refused_with_the_fields_name(certificate, path, value, named):
    SafetyCertificate.from_json(certificate.to_json())
    with pytest.raises(ValueError, match=rf"^(results\[\d\]\.)?({named})(?!\w)"):
        SafetyCertificate.from_json(forged(certificate, path, value))


def test_the_forged_certificates_are_of_all_kinds():
    assert PASSED.passed
    assert FAILED.results[0].rows_needed is not None
    assert FAILED.results[1].rows_needed is None
    assert not UNTESTED.tested
    assert FITTED.passed
    assert CHOSEN.results[0].chosen in (("FPR <= 0.9",), ("FNR <= 0.9",))


@pytest.mark.parametrize("text", ["max(FPR, Cost / 2) <= 0.9", "min(FPR, Cost / 2) <= 0.9"])
def test_rates_with_other_means_are_read_back(text):
    """Other means have rows and no rate."""
    certificate = certified(text)
    assert certificate.passed
    assert certificate.results[0].rates.keys() == {"FPR"}
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate
    with pytest.raises(ValueError, match=r"results\[0\]\.rates"):
        SafetyCertificate.from_json(forged(certificate, "results.0.rates", {}))


def test_swapped_constraints_are_refused():
    certificate = certified(["PR | [M] <= 0.9", "PR | [F] <= 0.9"])
    document = json.loads(certificate.to_json())
    one, other = document["results"]
    one["constraint"], other["constraint"] = other["constraint"], one["constraint"]
    with pytest.raises(ValueError, match="rows"):
        SafetyCertificate.from_json(json.dumps(document))


def test_results_that_disagree_are_refused():
    certificate = certified(["PR | [M] <= 0.9", "PR | [M] >= 0.1"])
    document = json.loads(certificate.to_json())
    document["results"][1]["rows"] = {"PR | [M]": 50}
    document["results"][1]["rates"] = {"PR | [M]": 0.5}
    with pytest.raises(ValueError, match=r"results"):
        SafetyCertificate.from_json(json.dumps(document))


def with_result(certificate, **changed):
    first, *others = certificate.results
    return replace(certificate, results=(replace(first, **changed), *others))


@pytest.mark.parametrize(("g", "rate"), [(-0.05, 0.85), (0.0, 0.8)])
def test_an_estimate_that_meets_the_limit_may_have_passed(g, rate):
    check(with_result(PASSED, g=g, estimate=0.8 - g, rates={"ACC": rate}))


@pytest.mark.parametrize(("g", "rate"), [(0.005, 0.795), (0.05, 0.75)])
def test_an_estimate_that_violates_has_not_passed(g, rate):
    with pytest.raises(ValueError, match=r"^results\[0\]\.g is above 0, but g_upper is not"):
        check(with_result(PASSED, g=g, estimate=0.8 - g, rates={"ACC": rate}))


def test_what_has_no_guarantee_has_not_passed():
    with pytest.raises(
        ValueError,
        match=r"^results\[0\]\.guarantee must not be none for a passed constraint; "
        r"the document has 'none'",
    ):
        check(with_result(PASSED, method="none", guarantee="none"))


ROWS_OF_2 = {"groups": np.arange(200) // 2, "max_group_size": 3}
WEIGHED = {"sample_weight": np.arange(200) % 3 + 1.0, "max_weight": 4.0}


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        *((WEIGHED, "max_weight", v) for v in ("4.5", "1", "-1", "'x'", "1j", "True", "inf")),
        *((WEIGHED, "max_weight", v) for v in ("1e999", "(1, 2)", "None", "", "((((")),
        *((ROWS_OF_2, "max_group_size", v) for v in ("4", "2.5", "1", "0", "'x'", "None", "nan")),
        *((ROWS_OF_2, "max_weight", v) for v in ("-1", "'x'", "5")),
        ({}, "max_weight", "-1"),
    ],
)
def test_limits_that_the_assumptions_do_not_say_are_refused(options, name, value):
    certificate = certified("ACC >= 0.6", **options)
    parameters = {**certificate.parameters, name: value}
    with pytest.raises(ValueError, match="parameters have a max_weight or max_group_size"):
        check(replace(certificate, parameters=parameters))
    given = options.get(name)
    if given is not None:
        check(replace(certificate, parameters={**parameters, name: repr(float(given))}))


@pytest.mark.parametrize("positive", [1, 1.0, True, np.int64(1)])
@pytest.mark.parametrize("classes", [(0, 1), (0.0, 1.0), (False, True)])
def test_the_positive_class_may_be_written_as_an_equal_number(positive, classes):
    certificate = certified("PR <= 0.9", classes=classes, pos_label=positive)
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate
    if not isinstance(positive, np.integer):  # repr(np.int64(1)) is not a plain value
        parameters = {**certificate.parameters, "pos_label": "0"}
        with pytest.raises(ValueError, match="positive is not the class"):
            check(replace(certificate, parameters=parameters))


@pytest.mark.parametrize("certificate", [PASSED, FAILED, FITTED])
def test_all_results_are_tested_or_none_is(certificate):
    check(replace(certificate, results=(*certificate.results, *certificate.results), parameters={}))
    check(replace(UNTESTED, results=UNTESTED.results * 2, parameters={}))
    mixed = replace(certificate, results=(*certificate.results, *UNTESTED.results))
    with pytest.raises(ValueError, match=r"^results must all be of tests that were run, or all of"):
        check(mixed)


def test_seeds_of_an_order_are_below_two_to_the_32nd():
    check(replace(PASSED, order_seed=2**32 - 1))
    with pytest.raises(
        ValueError, match=r"^order_seed must be at most 2\*\*32 - 1; the document has 42949"
    ):
        check(replace(PASSED, order_seed=2**32))


def test_rows_that_were_bet_on_one_by_one_had_an_order():
    bet = certified("Cost <= 0.9")
    assert bet.results[0].method == "betting"
    check(bet)
    with pytest.raises(ValueError, match=r"^order_seed is missing, and betting needs one"):
        check(replace(bet, order_seed=None))
