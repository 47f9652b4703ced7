"""The result of one test: an immutable value, and the paragraph that explains it."""

import json
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from sklearn_seldonian.certification import ConstraintResult, SafetyCertificate

RESULT = ConstraintResult(
    constraint="ACC >= 0.8",
    operator=">=",
    estimate=0.9,
    bound=0.8581,
    limit=0.8,
    g=-0.1,
    g_upper=-0.0581,
    p_value=0.0001,
    delta=0.05,
    method="Clopper-Pearson",
    guarantee="exact",
    rows={"ACC": 1200, "TPR": 50},
    rates={"ACC": 0.9, "TPR": 0.5},
    reason="",
)
MISSED = replace(RESULT, constraint="PR <= 0.1", operator="<=", estimate=0.3, bound=0.36, limit=0.1)
MISSED = replace(MISSED, g=0.2, g_upper=0.26, p_value=1.0, reason="violated")
UNTESTED = replace(MISSED, guarantee="none", reason="there was no time", rows={})


def certified(*results):
    return SafetyCertificate(
        results=results,
        loss=math.nan,
        n_candidate=0,
        n_safety=200,
        procedure="certify",
        parameters={"delta": "0.05"},
    )


@pytest.mark.parametrize(
    ("g_upper", "passed"),
    [
        (-math.inf, True),
        (-1e-9, True),
        (0.0, True),
        (1e-9, False),
        (math.inf, False),
        (math.nan, False),
    ],
)
def test_only_a_bound_at_or_below_zero_passes(g_upper, passed):
    assert replace(RESULT, g_upper=g_upper).passed is passed


# -- in words --------------------------------------------------------------------------------------


def test_what_passed_is_explained_by_its_numbers():
    assert RESULT.explain(None) == (
        "ACC >= 0.8: passed\n"
        "  estimate 0.9000, at least 0.8581 at confidence level 0.95, limit 0.8\n"
        "  safety rows: 1,200 for ACC, 50 for TPR\n"
        "  method: Clopper-Pearson (exact)"
    )


def test_the_alternatives_that_were_chosen_are_named():
    lines = replace(RESULT, chosen=("ACC >= 0.8", "TPR <=\n0.1")).explain(None).splitlines()
    assert lines[-3:] == [
        "  method: Clopper-Pearson (exact)",
        "  tested alternative: ACC >= 0.8, chosen by the candidate data",
        "  tested alternative: TPR <= 0.1, chosen by the candidate data",
    ]


def test_what_did_not_pass_is_explained_with_the_reason():
    assert replace(MISSED, delta=0.01, rows={}).explain(None) == (
        "PR <= 0.1: NOT passed\n"
        "  estimate 0.3000, at most 0.3600 at confidence level 0.99, limit 0.1\n"
        "  safety rows: none needed\n"
        "  method: Clopper-Pearson (exact)\n"
        "  why not: violated; if the estimate were the true value, no number of rows would suffice"
    )


def test_an_untested_result_has_no_numbers():
    assert UNTESTED.explain(None) == "PR <= 0.1: NOT tested\n  why not: there was no time"


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        (
            {"g": -0.1, "rows_needed": 1234},
            "  why not: violated; if the estimate were the true value, it would pass with "
            "probability 0.9 on about 1,234 fresh safety rows",
        ),
        ({"g": -0.1}, "  why not: violated"),
        ({"g": 0.0}, "  why not: violated"),
        ({"g": math.nan}, "  why not: violated"),
        (
            {"g": 0.1},
            "  why not: violated; if the estimate were the true value, no number of rows would "
            "suffice (the measure with the fewest rows is TPR: 50)",
        ),
    ],
)
def test_a_remedy_is_named_where_one_is_known(changes, ending):
    assert replace(MISSED, **changes).explain(None).splitlines()[-1] == ending


def test_a_constraint_over_several_lines_is_one_line():
    spread = replace(RESULT, constraint="\n  TPR\n    >= 0.7\n")
    assert spread.explain(None).startswith("TPR >= 0.7: passed\n  estimate")
    assert "'TPR >= 0.7'" in repr(spread)


# -- values ----------------------------------------------------------------------------------------


class TestValues:
    def test_equal_where_the_same_is_said(self):
        one, other = certified(RESULT), certified(replace(RESULT))
        assert one == other
        assert len({one, other}) == 1
        assert replace(one, loss=0.5) != one
        assert replace(one, loss=float("nan")) == one
        assert one != "ACC >= 0.8"
        result = one.results[0]
        assert replace(result, rows=dict(reversed(result.rows.items()))) == result
        assert replace(result, rows={"ACC": 199}) != result

    def test_nothing_can_be_changed(self):
        certificate = certified(RESULT)
        given = {"ACC": 200}
        result = replace(certificate.results[0], rows=given)
        given["ACC"] = 7
        assert result.rows == {"ACC": 200}
        for mapping in (result.rows, result.rates, certificate.parameters):
            for change in (
                lambda m: m.update(ACC=1),
                lambda m: m.pop("ACC", None),
                lambda m: m.clear(),
                lambda m: m.setdefault("b", 1),
                lambda m: m.popitem(),
                lambda m: m.__setitem__("a", 1),
                lambda m: m.__delitem__(next(iter(m))),
                lambda m: m.__ior__({"a": 1}),
            ):
                with pytest.raises(TypeError, match="cannot be changed"):
                    change(mapping)
        assert {**result.rows} == {"ACC": 200}

    def test_lists_and_numbers_of_numpy(self):
        result = replace(RESULT, p_value=np.float64(0.01))
        made = SafetyCertificate([result], np.float32(0.5), np.int64(3), 200, ["a"])
        assert made == SafetyCertificate((result,), 0.5, 3, 200, ("a",))
        assert hash(made) == hash(SafetyCertificate((result,), 0.5, 3, 200, ("a",)))
        assert json.loads(made.to_json())["n_candidate"] == 3

    def test_repr_is_short(self):
        certificate = certified(RESULT, MISSED)
        assert repr(certificate) == (
            "<SafetyCertificate: Not certified: 1 of 2 constraints passed. 200 safety rows>"
        )
        text = repr(certificate.results[0])
        assert text.startswith("<ConstraintResult of 'ACC >= 0.8': passed, estimate 0.")
        assert len(text) < 120
        long = replace(certificate.results[0], constraint="PR <= 0." + "1" * 500)
        assert len(repr(long)) < 160

    def test_copies_can_be_changed_and_those_of_pickle_cannot(self):
        copied = pickle.loads(pickle.dumps(RESULT))
        assert copied == RESULT
        assert hash(copied) == hash(RESULT)
        with pytest.raises(TypeError, match=r"Use dict\(\.\.\.\) for a copy"):
            copied.rows["ACC"] = 7
        rows = dict(RESULT.rows)
        rows["ACC"] = 7
        assert RESULT.rows["ACC"] == 1200

    def test_what_is_inside_of_what_is_given_cannot_be_changed_either(self):
        inner = {"b": [1, 2]}
        held = replace(RESULT, rows={"a": inner}).rows
        inner["b"].append(3)
        assert held == {"a": {"b": (1, 2)}}
        with pytest.raises(TypeError, match="cannot be changed"):
            held["a"].clear()

    def test_results_of_other_kinds_are_not_equal(self):
        assert certified(RESULT) != RESULT
        assert MISSED != RESULT
        assert replace(RESULT, g=math.nan) == replace(RESULT, g=float("nan"))
        assert replace(RESULT, g=math.nan) != RESULT
