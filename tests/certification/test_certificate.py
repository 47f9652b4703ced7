import json
from dataclasses import replace

import numpy as np
import pytest

from sklearn_seldonian.certification import (
    SafetyCertificate,
    Statistics,
    certify_constraint,
    minimum_rows,
    untested,
)
from sklearn_seldonian.constraints import Schema, Stratification, bind, parse

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"<b>": (0, 1)})


def statistics(n_true_positive=80, n_false_negative=20, n_invalid=0):
    """100 positive rows in one cell."""
    table = np.array([[[0.0, 0.0], [n_false_negative, n_true_positive]]])
    return Statistics(table, Stratification.single(), deterministic=True, n_invalid=n_invalid)


def result(text, **counts):
    return certify_constraint(bind(parse(text), SCHEMA), statistics(**counts), 0.05)


def certificate(*results):
    return SafetyCertificate(
        results=results,
        loss=0.5,
        n_candidate=10,
        n_safety=100,
        assumptions=("Rows are rows.",),
        procedure="SeldonianClassifier.fit",
        parameters={"delta": "0.05"},
        classes=("0", "1"),
        positive="1",
    )


@pytest.mark.parametrize(
    ("text", "operator", "estimate", "limit"),
    [
        ("TPR >= 0.7", ">=", 0.8, 0.7),
        ("0.7 <= TPR", ">=", 0.8, 0.7),
        ("FNR <= 0.3", "<=", 0.2, 0.3),
        ("0.3 >= FNR", "<=", 0.2, 0.3),
        ("FNR - 0.3", "<=", -0.1, 0.0),
        ("FNR <= TPR / 2", "<=", -0.2, 0.0),
        ("2 * FNR <= 0.2 + 0.4", "<=", 0.4, 0.6),
    ],
)
def test_results_speak_in_the_users_units(text, operator, estimate, limit):
    found = result(text)
    assert found.operator == operator
    assert found.estimate == pytest.approx(estimate)
    assert found.limit == pytest.approx(limit)
    on_the_safe_side = found.bound <= limit if operator == "<=" else found.bound >= limit
    assert found.passed == (found.g_upper <= 0) == on_the_safe_side


@pytest.mark.parametrize(
    ("text", "counts", "reason"),
    [
        ("TPR >= 0.7", {}, ""),
        ("TPR >= 0.9", {}, "the estimate itself violates the limit"),
        ("TPR >= 0.79", {}, "the estimate meets the limit, but not by enough"),
        ("FPR <= 0.9", {}, "no rows for FPR among the safety rows"),
        ("TPR >= 0.7", {"n_invalid": 1}, "the outputs for 1 of 101 safety rows are NaN"),
        ("log(TPR - 2) <= 0", {}, "its value on the safety rows is undefined"),
    ],
)
def test_reasons(text, counts, reason):
    found = result(text, **counts)
    assert found.reason.startswith(reason)
    assert found.passed == (reason == "")


def test_rates_seen_on_rows_are_kept():
    assert result("FNR <= 0.3 * PPV").rates == {"FNR": 0.2, "PPV": 1.0}
    assert result("FPR <= 0.3").rates == {}


def test_joint_verdict():
    good, bad = result("TPR >= 0.7"), result("TPR >= 0.9")
    assert certificate(good).passed
    assert not certificate(good, bad).passed
    assert not certificate().passed


@pytest.mark.parametrize(
    ("n_candidate", "line"),
    [(50, "Tested on 100 safety rows; fitted to 50 others."), (0, "Tested on 100 safety rows.")],
)
def test_rows_are_reported_if_they_are_known(n_candidate, line):
    found = replace(certificate(result("TPR >= 0.7")), n_candidate=n_candidate)
    assert line in found.explain(None).splitlines()


def test_rows_that_no_test_used_are_not_called_tested():
    resolved = bind(parse("TPR >= 0.7"), SCHEMA)
    stopped = certificate(untested(resolved, 0.05, "training was interrupted"))
    line = "100 safety rows were not touched; 50 others were for training."
    assert line in replace(stopped, n_candidate=50).explain(None).splitlines()
    assert "100 safety rows were not touched." in replace(stopped, n_candidate=0)._repr_html_()
    assert not stopped.tested
    assert certificate(result("TPR >= 0.7")).tested
    assert certificate(result("FPR <= 0.9")).tested  # only the test finds no rows
    assert "Tested on 100 safety rows" in certificate(result("FPR <= 0.9"))._repr_html_()


@pytest.mark.parametrize(
    ("assumptions", "lines"),
    [((), []), (("one", "two"), ["Assumptions:", "  - one", "  - two"])],
)
def test_assumptions_are_listed_where_there_are_any(assumptions, lines):
    found = replace(certificate(result("TPR >= 0.7")), assumptions=assumptions)
    *_, bounds = found.explain(None).partition("bounds hold together may be lower.")
    assert bounds.splitlines()[1:] == lines


def test_json_round_trip():
    before = certificate(result("TPR >= 0.7"), result("FNR <= 0.1"))
    assert SafetyCertificate.from_json(before.to_json()) == before
    assert json.loads(before.to_json())["n_safety"] == 100


def test_frame():
    frame = certificate(result("TPR >= 0.7"), result("FNR <= 0.1")).to_frame()
    assert frame["constraint"].tolist() == ["TPR >= 0.7", "FNR <= 0.1"]
    assert frame["passed"].tolist() == [True, False]


def test_explanation_names_what_counts():
    text = certificate(result("TPR >= 0.9")).explain(None)
    for part in ("No Solution Found: 0 of 1", "TPR >= 0.9", "estimate 0.8000", "limit 0.9", "100"):
        assert part in text
    assert "hold together may be lower" in text
    assert "Rows are rows." in text


def test_html_is_escaped():
    constraint = bind(parse("TPR | [`<b>`] >= 0.9"), SCHEMA)
    html = certificate(untested(constraint, 0.05, "<i>"))._repr_html_()
    assert "<i>" not in html
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_untested_does_not_pass():
    found = untested(bind(parse("TPR >= 0.7"), SCHEMA), 0.05, "there was no time")
    assert not found.passed
    assert "TPR >= 0.7: NOT tested" in found.explain(None)
    assert "there was no time" in certificate(found).explain(None)


@pytest.mark.parametrize(
    ("text", "n_safety", "needed"),
    [
        ("ACC >= 0.95", 58, 59),  # 0.95 ** 59 is the first power below 0.05
        ("ACC >= 0.95", 59, None),
        ("ERR <= 0.05", 10, 59),
        ("max(ERR, PR) <= 0.05", 10, 59),
        ("min(ERR, PR) <= 0.05", 10, 72),  # half of delta each: 0.95 ** 72 <= 0.025
        ("TPR >= 0.95", 10, 118),  # half the rows are positive
    ],
)
def test_rows_that_even_a_perfect_model_needs(text, n_safety, needed):
    constraint = bind(parse(text), SCHEMA)
    shares = {mean: 0.5 if "TPR" in str(mean) else 1.0 for mean in constraint.estimands}
    assert minimum_rows(constraint.tree, 0.05, shares, n_safety) == needed


NASTY = "a\x1b[2J\0\x9b\r\nb\tc\u202e\u2028\u200b\ufeff\ud800"


def test_texts_of_the_users_stay_on_their_line_and_in_sight(tmp_path):
    nasty = replace(
        result("TPR >= 0.9"), constraint=NASTY, reason=NASTY, rows={NASTY: 10}, rates={NASTY: 0.5}
    )
    made = replace(
        certificate(nasty, replace(nasty, guarantee="none")),
        assumptions=(NASTY,),
        remarks=(NASTY,),
        classes=(NASTY, "1"),
        versions={NASTY: NASTY},
    )
    plain = certificate(result("TPR >= 0.9"), untested(bind(parse("TPR >= 0.9"), SCHEMA), 0.05, ""))
    texts = [made.explain(None), repr(made), repr(nasty), made._repr_html_()]
    made.to_html(tmp_path / "report.html")
    texts.append((tmp_path / "report.html").read_bytes().decode())
    for text in texts:
        assert not [c for c in text if not c.isprintable() and c not in "\n \r\t\xa0"]
        text.encode()
    assert len(made.explain(None).splitlines()) == len(plain.explain(None).splitlines()) + 1
    assert r"a\x1b[2J\x00\x9b b c\u202e" in made.explain(None)


@pytest.mark.parametrize(
    ("procedure", "outcome"),
    [
        ("SeldonianClassifier.fit", "No Solution Found"),
        ("Mine.fit", "No Solution Found"),
        ("certify", "Not certified"),
        ("SeldonianRegressor.certify", "Not certified"),
        ("", "Not certified"),
    ],
)
def test_only_a_fit_searches_for_a_solution(procedure, outcome):
    failed = replace(certificate(result("TPR >= 0.9")), procedure=procedure)
    assert failed.verdict == f"{outcome}: 0 of 1 constraints passed."
    passed = replace(certificate(result("TPR >= 0.7")), procedure=procedure)
    assert passed.verdict == "Safety test passed: the constraint is certified."


def test_a_terminal_shows_whole_words():
    found = replace(certificate(result("TPR >= 0.9")), assumptions=("so many words " * 20,))
    lines = found.explain().splitlines()
    assert max(map(len, lines)) <= 80 < max(map(len, found.explain(None).splitlines()))
    assert found.explain().split() == found.explain(None).split()
    assert found.results[0].explain(50).split() == found.results[0].explain(None).split()
    assert max(map(len, found.results[0].explain(50).splitlines())) <= 50
