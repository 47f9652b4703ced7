"""Statistics of parts add up if they are of the same test, as far as memory allows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklearn_seldonian import SafetyDataReusedWarning, SeldonianClassifier, certify, collect
from sklearn_seldonian.certification import _safety_statistics
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.modules import MLP
from tests.certification._parts import CONSTRAINTS, ROWS, parts
from tests.certification._people import CLASSIFIER, FEATURES, GROUPS, people


@pytest.mark.parametrize(
    "other",
    [
        {"constraints": CONSTRAINTS[:2]},
        {"constraints": CONSTRAINTS, "delta": 0.1},
        {"constraints": CONSTRAINTS, "method": "exact"},
        {"constraints": CONSTRAINTS, "decision": "sample"},
        {"constraints": CONSTRAINTS, "model": clone(CLASSIFIER).fit([[0.0]] * 2, ["no", "yes"])},
    ],
    ids=["constraints", "delta", "method", "decision", "estimator"],
)
def test_statistics_of_another_test_do_not_add_up(other):
    options = dict(other)
    model = options.pop("model", CLASSIFIER)
    X = np.zeros((4, 1)) if model is not CLASSIFIER else ROWS[FEATURES][:4]
    rows = X, ROWS["label"][:4], options.pop("constraints")
    found = collect(model, *rows, sensitive_features=ROWS[GROUPS][:4], **options)
    (one,) = parts(CLASSIFIER, "label", CONSTRAINTS, {}, cuts=[slice(4, 50)])
    with pytest.raises(ValueError, match="Statistics of different tests cannot be added"):
        one + found
    with pytest.raises(TypeError):
        one + 1


def test_levels_are_looked_up_in_all_parts():
    cases = CLASSIFIER, "label"
    never = parts(*cases, "PR | [race == 'Z'] <= 0.5", {})
    with pytest.raises(ConstraintNameError, match="never equals 'Z' in these rows"):
        sum(never).certify()
    named = sum(parts(*cases, "max(PR, by=race in ('A', 'Z')) <= 0.5", {})).certify()
    assert not named.passed
    assert "no rows" in named.results[0].reason
    assert all("has no levels but" not in text for text in named.assumptions)
    whole = sum(parts(*cases, "max(PR, by=race) <= 0.7", {})).certify()
    assert any("'A', 'B', 'C', 'D', those of the tested rows" in text for text in whole.assumptions)


def test_an_order_of_categories_must_be_that_of_all_parts():
    ages = pd.cut(ROWS["age"], [0, 40, 60, 99], labels=["young", "middle", "old"])
    rows = ROWS.assign(age=ages)
    text = "PR | [age >= 'middle'] <= 0.9"
    one, other = parts(CLASSIFIER, "label", text, {}, rows=rows, cuts=[slice(0, 9), slice(9, 3000)])
    whole = certify(
        CLASSIFIER, rows[FEATURES], rows["label"], text, sensitive_features=rows[GROUPS]
    )
    assert (one + other).certify() == whole
    reordered = rows.assign(age=ages.cat.reorder_categories(["old", "middle", "young"]))
    (turned,) = parts(CLASSIFIER, "label", text, {}, rows=reordered, cuts=[slice(9, 3000)])
    with pytest.raises(ValueError, match="categories of column 'age' differ between the parts"):
        one + turned


def test_rows_are_kept_as_far_as_memory_allows(monkeypatch):
    (one,) = parts(CLASSIFIER, "label", "PR <= 0.9", {"decision": "sample"}, cuts=[slice(0, 100)])
    n_bytes = sum(part.nbytes for part in one.statistics.kept)
    monkeypatch.setattr(_safety_statistics, "MAX_KEPT_BYTES", 2 * n_bytes)
    assert (one + one).n_rows == 200
    with pytest.raises(ValueError, match="Draw at most 200 of the rows"):
        one + one + one
    (sums,) = parts(
        CLASSIFIER,
        "label",
        "PR <= 0.9",
        {"decision": "sample", "method": "asymptotic"},
        cuts=[slice(0, 300)],
    )
    assert sums.statistics.kept is None


# -- rows that a Seldonian model was fitted to -----------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    model = SeldonianClassifier(MLP, max_epochs=1, random_state=0)
    return model.fit(ROWS[FEATURES], ROWS["label"])


@pytest.mark.parametrize("wrap", [lambda model: model, FrozenEstimator])
def test_rows_of_fit_are_warned_of(fitted, wrap):
    total = sum(parts(wrap(fitted), "label", "ACC >= 0.5", {}))
    with pytest.warns(SafetyDataReusedWarning, match="given to SeldonianClassifier"):
        certificate = total.certify()
    assert certificate.assumptions[-1].startswith("Not met: ")


def test_other_rows_are_not_warned_of(fitted):
    others = people(2000, 5)
    total = sum(parts(fitted, "label", "ACC >= 0.5", {}, rows=others, cuts=[slice(0, 900)]))
    assert "fitted to other rows" in total.certify().assumptions[-1]


def test_the_share_of_rows_of_fit_is_that_of_all_parts(fitted):
    mixed = pd.concat([ROWS.iloc[:1000], people(3000, 6)], ignore_index=True)
    cuts = [slice(0, 1000), slice(1000, 4000)]
    total = sum(parts(fitted, "label", "ACC >= 0.5", {}, rows=mixed, cuts=cuts))
    assert total.sightings["SeldonianClassifier"].share == pytest.approx(0.25, abs=0.01)
