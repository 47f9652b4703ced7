"""The statements of a certificate about the rows, the software and its assumptions."""

import platform
from importlib.metadata import version

import numpy as np
import pytest

import sklearn_seldonian
from sklearn_seldonian import SafetyDataReusedWarning
from sklearn_seldonian.certification._provenance import (
    assumptions,
    fingerprint,
    fingerprints_of,
    given_to_fit,
    other_rows,
    row_sums,
    versions,
)
from sklearn_seldonian.data._row_sketch import Sighting

MASK = "Which rows were kept for the safety test did not depend on outcomes."
OTHER = "The model was fitted to other rows, and chosen by other rows."
FRESH = (
    "What a model does on rows that it was fitted to or chosen by proves nothing about new rows. "
    "Certify it on fresh rows."
)


@pytest.mark.parametrize(
    ("of_the_model", "pairs", "mask_given", "added"),
    [
        ((), (), False, []),
        (("One.", "Two."), (), False, ["One.", "Two."]),
        (("One.",), (), True, ["One.", MASK]),
        (
            ("One.",),
            ("ZA", "MF"),
            True,
            [
                "One.",
                MASK,
                "Columns A and Z are never both 1; no row seen has both.",
                "Columns F and M are never both 1; no row seen has both.",
            ],
        ),
    ],
)
def test_what_is_assumed_is_said_after_what_always_is(of_the_model, pairs, mask_given, added):
    always = list(assumptions((), frozenset()))
    assert len(always) == 2
    assert "independent draws" in always[0]
    assert "influenced nothing before the test" in always[1]
    found = assumptions(of_the_model, frozenset(map(frozenset, pairs)), mask_given)
    assert list(found) == [*always, *added]


def test_versions_are_those_that_are_installed():
    found = versions()
    assert found.pop("sklearn-seldonian") == sklearn_seldonian.__version__
    assert found.pop("python") == platform.python_version()
    packages = {"torch", "skorch", "scikit-learn", "scipy", "numpy", "pandas"}
    assert found == {package: version(package) for package in packages}


# -- fingerprints ----------------------------------------------------------------------------------

NUMBERS = np.array([[1.0, 2.0], [3.0, 4.0]])


def row_fingerprints(X, y, columns, **answers):
    return fingerprints_of(row_sums(X, y, columns, **answers), columns)


@pytest.mark.parametrize(
    "other",
    [NUMBERS[::-1], NUMBERS[:, ::-1], NUMBERS.ravel(), NUMBERS.astype(np.float32), NUMBERS + 1e-12],
    ids=["order of rows", "order of columns", "shape", "type", "a digit"],
)
def test_fingerprints_of_arrays_differ_with_content_shape_and_type(other):
    assert fingerprint(NUMBERS) == fingerprint(np.asfortranarray(NUMBERS))
    assert fingerprint(other) != fingerprint(NUMBERS)
    assert fingerprint(NUMBERS, other) != fingerprint(other, NUMBERS)


def test_each_kind_of_answer_has_a_fingerprint_of_its_own():
    y, columns = np.array([0, 1]), {"M": np.array([1, 0])}
    alone = row_fingerprints(NUMBERS, y, columns)
    found = row_fingerprints(NUMBERS, y, columns, decisions=y, scores=np.array([0.25, 0.75]))
    assert set(alone) == {"data", "data: y", "data: column M"}
    assert found == {**alone, "decisions": found["decisions"], "scores": found["scores"]}
    assert len(set(found.values())) == 4  # y and M have the same values


def test_parts_of_the_data_have_fingerprints_of_their_own():
    y, columns = np.array([0, 1, 1]), {"M": np.array([1, 0, 0])}
    X = np.arange(6.0).reshape(3, 2)
    own = row_fingerprints(X, y, columns)
    others = {
        "data: y": row_fingerprints(X, np.array([0, 0, 1]), columns),
        "data: column M": row_fingerprints(X, y, {"M": np.array([1, 1, 0])}),
        "": row_fingerprints(X[::-1], y, columns),
    }
    for name, found in others.items():
        assert {key for key in own if found[key] != own[key]} == {"data", name} - {""}


@pytest.mark.parametrize(("by", "is_known"), [(1e-12, True), (1e-4, False)])
def test_answers_that_differ_in_their_last_digits_are_the_same(by, is_known):
    y, scores = np.array([0, 1]), np.array([0.25, 0.7])
    one, other = (row_fingerprints(NUMBERS, y, {}, scores=s) for s in (scores, scores + by))
    assert (one["scores"] == other["scores"]) is is_known


def test_answers_belong_to_their_rows():
    y, scores = np.array([0, 1]), np.array([0.25, 0.7])
    one = row_fingerprints(NUMBERS, y, {}, scores=scores)
    turned = row_fingerprints(NUMBERS[::-1], y[::-1], {}, scores=scores[::-1])
    mixed = row_fingerprints(NUMBERS, y, {}, scores=scores[::-1])
    assert one == turned
    assert one["data"] == mixed["data"]
    assert one["scores"] != mixed["scores"]


# -- rows that the model was fitted to -------------------------------------------------------------


@pytest.mark.parametrize(
    ("sightings", "added"),
    [
        ([], ""),
        ([Sighting("Mine", 0.0)], ""),
        (
            [Sighting("Mine", None)],
            " This was not checked: the file that Mine loaded has no record of rows.",
        ),
        (
            [Sighting("Mine", 0.0), Sighting("A", None), Sighting("B", None)],
            " This was not checked: the file that A loaded has no record of rows.",
        ),
    ],
)
def test_without_a_record_of_training_rows_new_rows_are_assumed(sightings, added):
    assert other_rows(sightings) == OTHER + added


@pytest.mark.parametrize(
    ("sightings", "rows"),
    [
        ([Sighting("Mine", 1.0)], "These rows were given to Mine.fit."),
        ([Sighting("Mine", 0.254)], "25% of these rows were given to Mine.fit."),
        (
            [Sighting("A", 0.1), Sighting("B", 0.5), Sighting("C", None), Sighting("D", 0.2)],
            "50% of these rows were given to B.fit.",
        ),
    ],
)
def test_rows_that_a_model_was_fitted_to_are_warned_of(sightings, rows):
    with pytest.warns(SafetyDataReusedWarning) as given:
        found = other_rows(sightings)
    assert found == f"Not met: {rows} {FRESH}"
    assert [str(warning.message) for warning in given] == [f"{rows} {FRESH}"]
    seen = max(sightings, key=lambda sighting: sighting.share or 0)
    assert given_to_fit(*seen) == f"{rows} {FRESH}"
