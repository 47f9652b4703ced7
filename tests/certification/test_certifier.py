"""The safety test, for all kinds of answers and all sources of the constraints' meaning."""

import numpy as np
import pytest
from scipy.stats import binomtest

from sklearn_seldonian.certification import summarise
from sklearn_seldonian.certification._answers import Observation
from sklearn_seldonian.certification._certifier import (
    Origin,
    run_safety_test,
    untested_certificate,
)
from sklearn_seldonian.certification._method import EXACT_TWO_RATE_TEST
from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._targets import Labels

N = 200
Y = np.tile([0, 1], N // 2)
DECIDED = np.where(np.arange(N) < 20, 1 - Y, Y)  # wrong in 20 of 200 rows
MALE = np.arange(N) // 2 % 2
COLUMNS = {
    "M": MALE,
    "F": 1 - MALE,
    "race": np.array(["A", "B"], dtype=object)[MALE],
    "age": np.arange(N),
}
ORIGIN = Origin("Mine.fit", {"delta": "0.05"}, ("0", "1"), "1", 50)


class Told:
    """A model with given decisions."""

    targets = Labels.of(np.array([0, 1]), None, "argmax")
    assumptions = ("The model is mine.",)

    def __init__(self, decided=DECIDED, *, drawn=False):
        self.decided, self.drawn = decided, drawn

    def observe(self, rows, cells, measures):
        statistics = summarise(
            cells.codes,
            rows.targets,
            np.eye(2)[self.decided] * 0.8 + 0.1 if self.drawn else np.eye(2)[self.decided],
            cells.stratification,
            measures,
            deterministic=not self.drawn,
            keep=True,
        )
        answers = {"decisions": self.decided}
        return Observation(statistics, 0.25, answers, {"weights": "0123"})

    def unknown_groups(self, cells):
        return []

    def remarks(self, statistics):
        return (f"It answered for {statistics.n_rows} rows.",)


class BlindToSome(Told):
    def unknown_groups(self, cells):
        return ["M, not F"]


class NotAsked(Told):
    def observe(self, rows, cells, measures):
        raise AssertionError("The rows were looked at.")


def specified(*texts, deltas=(0.05,), columns=COLUMNS):
    """Constraints with the meaning that they have for some rows."""
    constraints = parse_all(list(texts))
    asked = Specification(constraints, deltas, "auto")
    n_rows = len(next(iter(columns.values())))
    return asked.bound_to(columns, n_rows, Told.targets, (), named=columns)[0]


def certificate_of(specification, model=None, *, columns=COLUMNS, order_seed=7, **others):
    rows = LabelledRows(np.zeros((N, 1)), Y, Y, columns)
    return run_safety_test(specification, model or Told(), rows, ORIGIN, order_seed, **others)


# -- tested constraints ----------------------------------------------------------------------------


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_each_constraint_is_tested_with_its_share_of_its_delta(share):
    certificate = certificate_of(
        specified("ACC >= 0.8", "FPR <= 0.2", deltas=(0.05, 0.1)), share=share
    )
    accuracy, fpr = certificate.results
    assert (accuracy.delta, fpr.delta) == (0.05 * share, 0.1 * share)
    at = [binomtest(180, 200).proportion_ci(1 - 2 * 0.05 * share, "exact").low]
    at.append(binomtest(10, 100).proportion_ci(1 - 2 * 0.1 * share, "exact").high)
    assert [accuracy.estimate, fpr.estimate] == pytest.approx([0.9, 0.1])
    assert [accuracy.bound, fpr.bound] == pytest.approx(at, abs=1e-6)


def test_a_certificate_has_the_statements_of_the_model_and_its_origin():
    certificate = certificate_of(specified("ACC >= 0.8"))
    assert certificate.passed
    assert certificate.tested
    assert certificate.loss == 0.25
    assert certificate.n_safety == N
    assert certificate.remarks == ("It answered for 200 rows.",)
    assert {name: getattr(certificate, name) for name in vars(ORIGIN)} == vars(ORIGIN)
    assert "scikit-learn" in certificate.versions


def test_the_model_is_identified_by_its_answers_and_its_own_digests():
    one, same, other = (
        certificate_of(specified("ACC >= 0.8"), Told(decided)).fingerprints
        for decided in (DECIDED, DECIDED.copy(), 1 - DECIDED)
    )
    assert one == same
    assert set(one) == {"data", "data: y", "decisions", "weights"}
    assert one["weights"] == "0123"
    assert other["data"] == one["data"]
    assert other["decisions"] != one["decisions"]


def test_the_data_are_known_by_the_columns_that_constraints_name():
    changed = {**COLUMNS, "age": COLUMNS["age"] + 1}
    for text, is_named in (("PR | [M] <= 0.9", False), ("PR | [age > 9] <= 0.9", True)):
        specification = specified(text)
        one, other = (
            certificate_of(specification, columns=c).fingerprints for c in (COLUMNS, changed)
        )
        assert (one["data"] != other["data"]) is is_named


def test_the_order_of_rows_is_drawn_where_a_test_depends_on_it():
    specification = specified("PR <= 0.9")
    assert certificate_of(specification).order_seed is None
    assert certificate_of(specification, Told(drawn=True)).order_seed == 7
    first, again, other = (
        certificate_of(specification, Told(drawn=True), order_seed=seed).results
        for seed in (7, 7, 8)
    )
    assert first == again != other


# -- assumptions -----------------------------------------------------------------------------------

CHOSEN = "Which rows were kept for the safety test did not depend on outcomes."


@pytest.mark.parametrize("mask_given", [True, False])
def test_rows_that_somebody_chose_are_an_assumption(mask_given):
    certificate = certificate_of(specified("ACC >= 0.8"), mask_given=mask_given)
    assert (CHOSEN in certificate.assumptions) is mask_given
    assert "The model is mine." in certificate.assumptions


@pytest.mark.parametrize("bound_by", ["candidate", "tested"])
def test_levels_are_those_of_the_rows_that_gave_the_constraints_their_meaning(bound_by):
    certificate = certificate_of(specified("max(PR, by=race) <= 0.9"), bound_by=bound_by)
    said = f"Column race has no levels but 'A', 'B', those of the {bound_by} rows."
    assert said in certificate.assumptions


EXCLUSIVE = "Columns F and M are never both 1; no row seen has both."


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("safe", [True, False])
def test_columns_exclude_each_other_where_no_row_of_either_kind_has_both(bound, safe):
    overlapping = {**COLUMNS, "F": np.where(np.arange(N) < 4, 1, 1 - MALE)}
    specification = specified(
        "PR | [M] - PR | [F] <= 0.3", columns=COLUMNS if bound else overlapping
    )
    certificate = certificate_of(specification, columns=COLUMNS if safe else overlapping)
    assert (EXCLUSIVE in certificate.assumptions) is (bound and safe)
    exact = certificate.results[0].method == EXACT_TWO_RATE_TEST
    assert exact is (bound and safe)


# -- untested constraints --------------------------------------------------------------------------


@pytest.mark.parametrize("bound_by", ["candidate", "tested"])
def test_rows_of_a_level_that_constraints_do_not_know_are_not_tested(bound_by):
    race = COLUMNS["race"].copy()
    race[5] = "C"
    certificate = certificate_of(
        specified("max(PR, by=race) <= 0.9", "ACC >= 0.5", deltas=(0.05, 0.1)),
        NotAsked(),
        columns={**COLUMNS, "race": race},
        bound_by=bound_by,
    )
    assert not certificate.passed
    assert not certificate.tested
    assert [result.reason for result in certificate.results] == [
        f"the tested rows include a group that no {bound_by} row has: race == 'C'"
    ] * 2


def test_a_level_that_no_tested_row_has_does_not_stop_the_test():
    race = np.where(MALE == 1, "A", COLUMNS["race"]).astype(object)
    certificate = certificate_of(
        specified("max(PR, by=race) <= 0.9"), columns={**COLUMNS, "race": race}
    )
    assert not certificate.passed
    assert certificate.tested
    assert certificate.results[0].reason == 'no rows for PR | [race == "B"] among the safety rows'


def test_an_untested_certificate_passes_nothing_and_has_a_reason():
    specification = specified("ACC >= 0.8", "FPR <= 0.2", deltas=(0.05, 0.1))
    certificate = untested_certificate(specification, "there was no time", 30, ORIGIN)
    assert not certificate.passed
    assert not certificate.tested
    assert [result.constraint for result in certificate.results] == ["ACC >= 0.8", "FPR <= 0.2"]
    assert [result.delta for result in certificate.results] == [0.05, 0.1]
    assert {result.reason for result in certificate.results} == {"there was no time"}
    assert certificate.n_safety == 30
    assert np.isnan(certificate.loss)
    assert certificate.fingerprints == {}
    assert {name: getattr(certificate, name) for name in vars(ORIGIN)} == vars(ORIGIN)


# -- origin ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("positive", "name"), [(None, None), (0, "no"), (1, "yes")])
def test_an_origin_is_written_as_python_writes_it(positive, name):
    given = {"method": "auto", "delta": 0.05, "pos_label": None}
    origin = Origin.of("certify", given, np.array(["no", "yes"]), positive)
    assert origin == Origin(
        procedure="certify",
        parameters={"delta": "0.05", "method": "'auto'", "pos_label": "None"},
        classes=("no", "yes"),
        positive=name,
        n_candidate=0,
    )
    assert list(origin.parameters) == ["delta", "method", "pos_label"]


def test_rows_of_groups_that_nothing_is_decided_about_end_untested():
    certificate = certificate_of(specified("ACC >= 0.8"), BlindToSome())
    assert not certificate.passed
    assert not certificate.tested
    (result,) = certificate.results
    assert result.reason == "the tested rows include a group that no candidate row has: M, not F"
