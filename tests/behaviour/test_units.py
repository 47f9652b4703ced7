"""Dependent rows and weighted rows, in certificates and in training."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import t
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.tree import DecisionTreeClassifier

from sklearn_seldonian import (
    SafetyCertificate,
    SeldonianClassifier,
    SeldonianMetaClassifier,
    SeldonianMetaRegressor,
    SeldonianRegressor,
    certify,
)
from sklearn_seldonian.certification import safety_test, summarise
from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.data._targets import Labels
from sklearn_seldonian.data._units import INDEPENDENT, units_of
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

PARITY = "abs(PR | [sex == 'F'] - PR | [sex == 'M']) <= 0.2"
TEXTS = ("ACC >= 0.6", PARITY, "PR | [sex == 'F'] / PR | [sex == 'M'] <= 1.3", "F1 >= 0.6")


def people(n_people=150, seed=0):
    """Rows of people with one to six rows each, in any order: X, y, and their columns.

    A third of the people have random labels in every second row.
    """
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 7, n_people)
    person = np.repeat(np.arange(n_people), rows)[rng.permutation(rows.sum())]
    is_hard = (rng.random(n_people) < 1 / 3)[person]
    X = rng.normal(size=(len(person), 3))
    flipped = rng.random(len(person)) < np.where(is_hard, 0.5, 0.02)
    y = ((X[:, 0] > 0) ^ flipped).astype(int)
    sex = np.where(rng.random(n_people) < 0.5, "F", "M")[person]
    weight = rng.choice([0.5, 1.0, 2.0], len(person))
    return X, y, pd.DataFrame({"sex": sex, "person": person, "weight": weight})


MODEL = LogisticRegression().fit(*people(seed=9)[:2])


def certified(constraints, seed=0, **given):
    X, y, columns = people(seed=seed)
    asked = {"sensitive_features": columns[["sex"]], "random_state": 0}
    return certify(MODEL, X, y, constraints, **asked, **given)


# -- the function certify ----------------------------------------------------------------------


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("units", [("groups",), ("sample_weight",), ("groups", "sample_weight")])
@pytest.mark.thinned(5)
def test_what_belongs_together_is_certified_at_any_number_of_rows(text, units):
    columns = people()[2]
    given = {"groups": columns["person"], "sample_weight": columns["weight"]}
    certificate = certified(text, **{name: given[name] for name in units})
    (result,) = certificate.results
    assert result.guarantee == "finite-sample"
    assert result.method == "betting on units"
    assert not result.rates
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate
    assert result.method in certificate.explain(None)
    distance = result.bound - result.estimate
    assert 0.0 < (distance if result.operator == "<=" else -distance) < 0.6


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    ("most", "group_size", "weight"),
    [
        (
            {},
            "No group of the population has more than 1 row, the most among these rows.",
            "No row of the population has a sample_weight above 3, the largest given.",
        ),
        (
            {"max_group_size": 1, "max_weight": 3},
            "No group can have more than 1 row.",
            "No sample_weight can exceed 3.",
        ),
    ],
)
def test_groups_of_one_row_have_the_exact_result_and_their_assumptions(
    text, most, group_size, weight
):
    rows = np.arange(len(people()[1]))
    given = {"groups": rows, "sample_weight": np.full(len(rows), 3.0), **most}
    ones, without = certified(text, **given), certified(text)
    assert ones.results == without.results
    assert set(ones.assumptions) - set(without.assumptions) == {
        "Groups (groups=) are independent draws from a population of groups; rows within one may "
        "depend on each other in any way.",
        group_size,
        "Rates are those of the population that sample_weight makes of the one drawn from.",
        weight,
    }
    assert set(without.assumptions) - set(ones.assumptions) == {INDEPENDENT}
    assert SafetyCertificate.from_json(ones.to_json()) == ones
    assert ones.fingerprints["data"] != without.fingerprints["data"]


@pytest.mark.parametrize(
    ("given", "seen", "most"),
    [
        ({"groups": np.arange(30)}, "more than 1 row, the most", {"max_group_size": 50}),
        ({"sample_weight": np.ones(30)}, "above 1, the largest", {"max_weight": 50}),
    ],
    ids=["groups", "weights"],
)
def test_large_units_that_no_row_shows_are_excluded_by_an_assumption_or_count(given, seen, most):
    always = DummyClassifier(strategy="constant", constant=0).fit([[0], [0]], [0, 1])
    data = np.zeros((30, 1)), np.zeros(30, dtype=int), "ACC >= 0.9"
    certificate = certify(always, *data, **given)
    assert certificate.passed
    assert sum(seen in text for text in certificate.assumptions) == 1
    assert not certify(always, *data, **given, **most).passed


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_only_ratios_of_weights_matter(scale):
    columns = people()[2]
    weights = {"sample_weight": columns["weight"] * scale, "max_weight": 3.0 * scale}
    (result,) = certified("ACC >= 0.99", **weights).results
    (expected,) = certified("ACC >= 0.99", sample_weight=columns["weight"], max_weight=3.0).results
    assert result.bound == pytest.approx(expected.bound)
    assert result.reason == expected.reason == "the estimate itself violates the limit"


@pytest.mark.parametrize(
    "given",
    [
        {"groups": np.arange(300) % 2},
        {"groups": np.arange(300) % 3},
        {"sample_weight": np.r_[1e9, np.ones(299)]},
        {"sample_weight": np.arange(300) < 3},
    ],
    ids=["two groups", "three groups", "one heavy row", "three rows that count"],
)
@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
def test_a_few_units_are_trained_on_and_do_not_pass(given):
    X, y, _ = people()
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.6", max_epochs=2, random_state=1)
    assert not model.fit(X[:300], y[:300], **given).solution_found_


@pytest.mark.parametrize("name", ["groups", "sample_weight"])
def test_a_column_in_another_order_than_the_rows_is_refused(name):
    X, y, columns = people()
    X, y = pd.DataFrame(X), pd.Series(y)
    column = columns["person" if name == "groups" else "weight"].sample(frac=1, random_state=0)
    message = f"X and {name} have the same index in different orders"
    model = SeldonianClassifier(constraints="ACC >= 0.2", max_epochs=1, random_state=0)
    with pytest.raises(ValueError, match=message):
        certify(MODEL, X, y, "ACC >= 0.2", **{name: column})
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **{name: column})
    model.fit(X, y, **{name: column.loc[X.index]})
    with pytest.raises(ValueError, match=message):
        model.certify(X, y, **{name: column})


@pytest.mark.parametrize("decision", ["argmax", "sample"])
def test_the_order_of_rows_does_not_matter(decision):
    X, y, columns = people()
    order = np.random.default_rng(5).permutation(len(y))
    certificates = [
        certify(
            MODEL,
            X[at],
            y[at],
            "ACC >= 0.6",
            sensitive_features=columns.loc[at, ["sex"]],
            groups=columns["person"][at],
            sample_weight=columns["weight"][at],
            decision=decision,
            random_state=0,
        )
        for at in (np.arange(len(y)), order)
    ]
    one, other = certificates
    assert one.fingerprints == other.fingerprints
    assert one.results[0].bound == pytest.approx(other.results[0].bound, abs=1e-9)


def test_one_group_or_one_weight_more_is_another_data():
    columns = people()[2]
    prints = {certified("ACC >= 0.6", groups=columns["person"]).fingerprints["data"]}
    moved = columns["person"].where(columns.index > 0, 1000)
    prints.add(certified("ACC >= 0.6", groups=moved).fingerprints["data"])
    prints.add(certified("ACC >= 0.6", sample_weight=columns["weight"]).fingerprints["data"])
    prints.add(certified("ACC >= 0.6").fingerprints["data"])
    assert len(prints) == 4


def test_rates_are_those_of_the_weighted_population():
    X, y, columns = people()
    weight = columns["weight"].to_numpy()
    right = MODEL.predict(X) == y
    result = certified("ACC >= 0.6", sample_weight=weight).results[0]
    assert result.estimate == pytest.approx(np.average(right, weights=weight))
    assert result.rows == {"ACC": len(y)}
    scaled = certified("ACC >= 0.6", sample_weight=10 * weight).results[0]
    assert scaled.bound == pytest.approx(result.bound)
    wider = certified("ACC >= 0.6", sample_weight=weight, max_weight=8.0).results[0]
    assert wider.bound < result.bound


def test_importance_weights_certify_another_population():
    """Three quarters of 4,000 rows are F; in the population of interest three quarters are M."""
    rng = np.random.default_rng(0)
    female = rng.random(4000) < 0.75
    X = rng.normal(size=(4000, 3))
    y = np.where(rng.random(4000) < np.where(female, 0.95, 0.7), MODEL.predict(X), 0)
    asked = {"random_state": 0}
    weights = np.where(female, 0.25 / 0.75, 0.75 / 0.25)
    here = certify(MODEL, X, y, "ACC >= 0.9", **asked).results[0]
    there = certify(MODEL, X, y, "ACC >= 0.9", sample_weight=weights, max_weight=3, **asked)
    true_there = 0.25 * (1 - 0.05 / 2) + 0.75 * (1 - 0.3 / 2)
    assert here.passed
    assert not there.passed
    assert there.results[0].estimate == pytest.approx(true_there, abs=0.02)


def test_rows_alike_within_a_group_do_not_certify_too_often(whole):
    """A model whose errors are the same for all rows of a person, at the limit.

    A test of independent rows certifies it far too often.
    """
    rng, trials = np.random.default_rng(0), 400 if whole else 25
    sizes = np.arange(1, 21)
    shares = 1 / sizes / (1 / sizes).sum()
    errs = 0.05 + 0.3 * sizes / 20
    limit = 1 - (shares * sizes * errs).sum() / (shares * sizes).sum()
    passed = {"groups": 0, "rows": 0}
    for _ in range(trials):
        rows = rng.choice(sizes, 120, p=shares)
        person = np.repeat(np.arange(120), rows)
        wrong = (rng.random(120) < errs[rows - 1])[person]
        X = rng.normal(size=(len(person), 3))
        y = np.where(wrong, 1 - MODEL.predict(X), MODEL.predict(X))
        for name, groups in (("groups", person), ("rows", None)):
            given = {"groups": groups, "random_state": 0}
            passed[name] += certify(MODEL, X, y, f"ACC >= {limit}", **given).passed
    assert passed["groups"] <= 0.05 * trials + 4 * math.sqrt(0.05 * 0.95 * trials)
    assert passed["rows"] > 0.2 * trials


def test_asymptotic_errors_are_cluster_robust():
    X, y, columns = people()
    wrong = (MODEL.predict(X) != y).astype(float)
    groups = {"groups": columns["person"]}
    fitted = sm.OLS(wrong, np.ones(len(y))).fit(cov_type="cluster", cov_kwds=groups)
    n_people = columns["person"].nunique()
    bound = wrong.mean() + t(n_people - 1).ppf(0.95) * fitted.bse[0]
    found = certified("ERR <= 0.5", **groups, method="asymptotic").results[0]
    assert found.guarantee == "asymptotic"
    assert found.bound == pytest.approx(bound, abs=2e-4)  # statsmodels corrects by rows, too


@pytest.mark.parametrize("method", ["exact", "asymptotic", "ttest"])
def test_every_method_uses_units(method):
    asked = {"constraints": "ACC >= 0.6", "method": method}
    certificate = certified(**asked, groups=people()[2]["person"])
    assert certificate.results[0].bound < certified(**asked).results[0].bound


def test_sums_of_more_means_are_bounded_one_by_one():
    odds = (
        "abs(TPR | [sex == 'F'] - TPR | [sex == 'M'])"
        " + abs(FPR | [sex == 'F'] - FPR | [sex == 'M']) <= 0.9"
    )
    result = certified(odds, groups=people()[2]["person"]).results[0]
    assert result.method == "box of betting bounds"
    assert result.passed
    assert result.p_value <= 0.05


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"groups": [1, 2]}, "groups has 2 values"),
        ({"sample_weight": [1, 2]}, "sample_weight has 2 values"),
        ({"max_weight": 2.0}, "max_weight has no effect without sample_weight="),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        certified("ACC >= 0.6", **given)


# -- fit ---------------------------------------------------------------------------------------

ESTIMATORS = {
    "classifier": SeldonianClassifier(constraints=["ACC >= 0.6", PARITY.replace("0.2", "0.4")]),
    "drawn": SeldonianClassifier(constraints="Brier <= 0.9", decision="sample", max_epochs=5),
    "meta": SeldonianMetaClassifier(DecisionTreeClassifier(max_depth=3), "ACC >= 0.6"),
    "regressor": SeldonianRegressor(
        constraints="MSE <= 0.5", target_range=(0, 1), prediction_range=(0, 1), max_epochs=5
    ),
    "meta regressor": SeldonianMetaRegressor(
        LinearRegression(), "MSE <= 0.5", target_range=(0, 1), prediction_range=(0, 1)
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("units", [("groups",), ("sample_weight",), ("groups", "sample_weight")])
@pytest.mark.thinned(4)
def test_fit_keeps_groups_whole_and_certifies_them(name, units):
    X, y, columns = people(400)
    given = {"groups": columns["person"], "sample_weight": columns["weight"]}
    given = {key: given[key] for key in units}
    model = clone(ESTIMATORS[name]).set_params(random_state=0)
    model.fit(X, y, sensitive_features=columns[["sex"]], **given)
    assert model.solution_found_
    assert {r.method for r in model.certificate_.results} == {"betting on units"}
    if "groups" in units:
        person = columns["person"].to_numpy()
        assert not {*person[model.safety_indices_]} & {*person[model.candidate_indices_]}
    texts = json.loads(model.certificate_.to_json())["assumptions"]
    assert any("draws from a population of groups" in text for text in texts) == ("groups" in units)
    fresh_X, fresh_y, fresh = people(400, seed=3)
    given = {"groups": fresh["person"], "sample_weight": fresh["weight"]}
    again = model.certify(
        fresh_X, fresh_y, fresh[["sex"]], random_state=0, **{key: given[key] for key in units}
    )
    assert {r.method for r in again.results} == {"betting on units"}


def test_training_follows_the_weights():
    """Two kinds of rows with contradictory labels: the kind with the larger weight decides."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 2))
    first = rng.random(800) < 0.5
    y = ((X[:, 0] > 0) == first).astype(int)
    for heavy, sign in ((first, 1), (~first, -1)):
        model = SeldonianClassifier(random_state=0, max_epochs=10)
        model.fit(X, y, sample_weight=np.where(heavy, 1.0, 0.1))
        assert sign * np.corrcoef(model.predict_proba(X)[:, 1], X[:, 0])[0, 1] > 0.8


def test_bounds_on_units_are_predicted():
    """Training predicts wider bounds if rows are dependent, as they are."""
    X, y, columns = people(600)
    wider = []
    for groups in (columns["person"], None):
        model = SeldonianClassifier(constraints="ACC >= 0.6", random_state=0)
        model.fit(X, y, groups=groups)
        (result,) = model.certificate_.results
        kept = model.history_[model.history_["kept"]].iloc[-1]
        predicted = kept["predicted_bound_0"] - kept["estimate_0"]
        wider.append([predicted, result.bound - result.estimate])
    predicted, found = np.divide(*wider)
    assert found > 1.1
    assert predicted == pytest.approx(found, rel=0.4)


def test_a_search_keeps_groups_in_one_fold():
    X, y, columns = people(300)
    model = SeldonianClassifier(constraints="ACC >= 0.55", max_epochs=3, random_state=0)
    given = {"groups": columns["person"], "sample_weight": columns["weight"]}
    for cv in (2, GroupKFold(3)):
        search = SeldonianSearchCV(model, {"lr": [1e-3, 1e-2]}, cv=cv, random_state=0)
        search.fit(X, y, **given)
        person = columns["person"].to_numpy()
        best = search.best_estimator_
        assert not {*person[best.safety_indices_]} & {*person[best.candidate_indices_]}
        assert best.certificate_.results[0].method == "betting on units"
        assert search.n_splits_ == (cv if isinstance(cv, int) else 3)


def test_tools_of_scikit_learn_that_weight_rows():
    X, y, columns = people(200)
    model = SeldonianClassifier(max_epochs=3, random_state=0)
    boosted = AdaBoostClassifier(model, n_estimators=3, random_state=0).fit(X, y)
    assert boosted.score(X, y) > 0.7
    with_weights = {"sample_weight": columns["weight"].to_numpy()}
    assert cross_validate(model, X, y, params=with_weights, cv=2)["test_score"].min() > 0.7


def test_a_group_larger_than_the_largest_is_refused():
    X, y, columns = people(100)
    model = SeldonianClassifier(constraints="ACC >= 0.6", max_group_size=5, max_weight=2.0)
    with pytest.raises(ValueError, match="max_group_size=5 must be a whole number"):
        model.fit(X, y, groups=columns["person"], sample_weight=columns["weight"])


def test_complements_of_probabilities_that_are_known_to_be_small():
    """A ratio of complements of two rates, whose probabilities are known to be at most .6."""
    n, text = 1000, "(NR | [race == 'A']) / (NR | [race == 'B']) <= {}"
    race = np.tile(["A", "B"], n // 2)
    p = np.where(race == "A", 0.5, 0.2)
    units = units_of(np.arange(n) // 4 * 2 + np.arange(n) % 2, None, n)
    targets = Labels.of(np.array([0, 1]), 1, "sample")
    for limit, passes in ((0.45, False), (0.6, False), (0.66, True)):
        specification = Specification(parse_all(text.format(limit)), (0.05,), "auto")
        columns = {"race": race}
        bound, cells = specification.bound_to(columns, n, targets, (), named=columns)
        seen = summarise(
            cells.codes,
            np.zeros(n, dtype=np.int64),
            np.stack([1 - p, p], axis=1),
            cells.stratification,
            deterministic=False,
            units=units,
        )
        # The score of class 1 is at most log(.6 / .4) above that of class 0, and may be far below
        # it.
        seen = replace(seen, ends=((math.log(0.4 / 0.6), -12.0), (12.0, 0.0))).in_drawn_order(0)
        (constraint,) = bound.constraints
        verdict = safety_test(constraint.tree, seen.evidence(constraint.estimands), 0.05)
        assert verdict.method == "betting on units"
        assert verdict.passed == passes  # the ratio is .5 / .8
