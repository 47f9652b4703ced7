"""Tests of the same rows are found by a file that records them."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import SafetyDataReusedWarning, SeldonianMetaClassifier, certify
from sklearn_seldonian.certification._registry import RowsTested, n_earlier_tests
from sklearn_seldonian.data._row_sketch import row_hashes
from sklearn_seldonian.model_selection import SeldonianSearchCV


@pytest.fixture
def registry(tmp_path):
    return tmp_path / "tests.sqlite"


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1200, 2))
    return X, (X[:, 0] + 0.5 * rng.standard_normal(1200) > 0).astype(int)


def rows_tested(hashes, test):
    return RowsTested(f"data {hashes.sum()}", test, hashes, "certify", "passed")


@pytest.mark.parametrize(
    ("rows_before", "test", "n_before"),
    [
        (slice(0, 500), "a", 0),  # exactly the same test
        (slice(0, 500), "b", 1),
        (slice(0, 400), "b", 1),  # a part of the rows
        (slice(100, 900), "b", 1),  # some of these rows, and others
        (slice(500, 1000), "b", 0),
    ],
)
def test_tests_of_rows_that_others_saw(registry, rows_before, test, n_before):
    hashes = row_hashes(np.random.default_rng(0).random((1000, 3)))
    assert n_earlier_tests(registry, rows_tested(hashes[rows_before], test)) == 0
    assert n_earlier_tests(registry, rows_tested(hashes[:500], "a")) == n_before
    assert n_earlier_tests(registry, rows_tested(hashes[:500], "c")) == 1 + n_before


def test_the_order_of_rows_does_not_matter_and_their_labels_do(registry, rows):
    X, y = rows
    model = LogisticRegression().fit(X[:100], y[:100])
    certify(model, X, y, "ACC >= 0.5", registry=registry)
    with pytest.warns(SafetyDataReusedWarning, match="once before as the registry has it"):
        second = certify(model, X[::-1], y[::-1], "ACC >= 0.6", registry=registry)
    assert any("Not met: Rows of these data" in text for text in second.assumptions)
    third = certify(model, X, 1 - y, "ACC >= 0", registry=registry)
    assert not any("Not met" in text for text in third.assumptions)


def test_without_a_registry_nothing_is_written(tmp_path, rows, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X, y = rows
    model = LogisticRegression().fit(X[:100], y[:100])
    for limit in (0.5, 0.6):
        certify(model, X, y, f"ACC >= {limit}")
    assert list(tmp_path.iterdir()) == []


def test_tests_by_clones_and_functions_are_counted_together(registry, rows):
    X, y = rows
    model = SeldonianMetaClassifier(
        LogisticRegression(), "ACC >= 0.7", registry=registry, random_state=0
    ).fit(X[:800], y[:800])
    assert model.solution_found_
    same = clone(model).fit(X[:800], y[:800])
    assert not any("Not met" in text for text in same.certificate_.assumptions)
    other = clone(model).set_params(random_state=1)
    with pytest.warns(SafetyDataReusedWarning, match="once before as the registry has it"):
        other.fit(X[:800], y[:800])
    assert any("registry" in text for text in other.certificate_.assumptions)
    fresh = X[800:], y[800:]
    model.certify(*fresh)
    with pytest.warns(SafetyDataReusedWarning, match="once before as the registry has it"):
        certify(other, *fresh, "ACC >= 0.75", registry=registry)


def test_a_search_records_its_test(registry, rows):
    X, y = rows
    model = SeldonianMetaClassifier(
        LogisticRegression(), "ACC >= 0.7", registry=registry, random_state=0
    )
    search = SeldonianSearchCV(model, {"estimator__C": [0.1, 1.0]}, cv=2).fit(X, y)
    assert search.solution_found_
    with pytest.warns(SafetyDataReusedWarning, match="once before as the registry has it"):
        model.set_params(random_state=1).fit(X, y)


def test_tests_of_several_threads_are_all_recorded(registry):
    hashes = row_hashes(np.random.default_rng(0).random((300, 3)))
    with ThreadPoolExecutor(4) as pool:
        known = list(
            pool.map(lambda i: n_earlier_tests(registry, rows_tested(hashes, str(i))), range(20))
        )
    assert sorted(known) == list(range(20))


PROGRAM = """
import sys
import numpy as np
from sklearn_seldonian.certification._registry import RowsTested, n_earlier_tests
hashes = np.arange(300, dtype=np.uint64) * np.uint64(2**40 + 7)
for i in range(10):
    print(n_earlier_tests(sys.argv[1], RowsTested("data", sys.argv[2] + str(i), hashes, "p", "v")))
"""


def test_tests_of_two_processes_are_all_recorded(registry):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(registry), name], stdout=subprocess.PIPE, text=True
        )
        for name in "ab"
    ]
    printed = [process.communicate(timeout=120)[0].split() for process in processes]
    assert sorted(map(int, [*printed[0], *printed[1]])) == list(range(20))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"method": "exact"}, {"method": "asymptotic"}),
        ({"pos_label": 1}, {"pos_label": 0}),
        ({"method": "asymptotic"}, {"method": "ttest"}),
    ],
)
def test_the_same_rows_with_another_method_or_class_are_tested_again(registry, rows, one, other):
    X, y = rows
    model = LogisticRegression().fit(X[:100], y[:100])
    given = X[:50], y[:50], "TPR >= 0.8"
    certify(model, *given, registry=registry, random_state=1, **one)
    certify(model, *given, registry=registry, random_state=1, **one)
    with pytest.warns(SafetyDataReusedWarning, match="once before as the registry has it"):
        certify(model, *given, registry=registry, random_state=1, **other)


@pytest.mark.parametrize("name", ["", 3, []])
def test_what_is_no_path_is_refused(rows, name):
    X, y = rows
    with pytest.raises((ValueError, TypeError), match="registry"):
        certify(LogisticRegression().fit(X, y), X, y, "ACC >= 0.5", registry=name)


@pytest.mark.parametrize(
    "make", [lambda path: path.write_text("no database"), lambda path: path.mkdir()]
)
def test_what_is_no_registry_certifies_nothing(registry, rows, make):
    make(registry)
    X, y = rows
    model = LogisticRegression().fit(X[:100], y[:100])
    with pytest.raises(ValueError, match="is not a registry of tests"):
        certify(model, X, y, "ACC >= 0.5", registry=registry)
    estimator = SeldonianMetaClassifier(LogisticRegression(), "ACC >= 0.5", registry=registry)
    with pytest.raises(ValueError, match="is not a registry of tests"):
        estimator.fit(X, y)
    assert not hasattr(estimator, "certificate_")


def test_a_database_of_something_else_is_refused(registry):
    with sqlite3.connect(registry) as connection:
        connection.execute("CREATE TABLE tests (name TEXT)")
    connection.close()
    with pytest.raises(ValueError, match="is not a registry of tests"):
        n_earlier_tests(registry, rows_tested(np.arange(9, dtype=np.uint64), "a"))


def test_a_table_is_refused(registry, rows):
    X, y = rows
    model = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match="registry= needs all rows in memory"):
        certify(model, np.column_stack([X, y]), "y", "ACC >= 0.5", registry=registry)
