"""Certificates for all populations in which the shares of a column's levels are in given ranges."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from sklearn_seldonian import (
    NoSolutionFoundWarning,
    SafetyCertificate,
    SeldonianClassifier,
    SeldonianMetaClassifier,
    SeldonianRegressor,
    certify,
)
from sklearn_seldonian.model_selection import SeldonianSearchCV

LEVELS = np.array(["A", "B", "C"])
SHARES = np.array([0.5, 0.3, 0.2])
ERRORS = np.array([0.05, 0.1, 0.3])
SHIFT = {"race": {"A": (0.2, 0.5), "B": (0.3, 0.4), "C": (0.1, 0.4)}}
WORST = np.array([0.2, 0.4, 0.4])  # the corner with the most errors
PARITY = "abs(TPR | [sex == 'F'] - TPR | [sex == 'M']) <= 0.2"


def rows(n_rows, seed=0, shares=SHARES):
    """Rows whose labels are wrong with a probability that depends on race: X, y, and their
    columns.
    """
    rng = np.random.default_rng(seed)
    race = rng.choice(3, n_rows, p=shares)
    X = rng.normal(size=(n_rows, 2))
    y = (X[:, 0] > 0) ^ (rng.random(n_rows) < ERRORS[race])
    sex = rng.choice(["F", "M"], n_rows)
    return X, y.astype(int), pd.DataFrame({"sex": sex, "race": LEVELS[race]})


class Sign(LogisticRegression):
    """Decides by the sign of the first feature."""

    def predict(self, X):
        return (X[:, 0] > 0).astype(int)


MODEL = Sign().fit(*rows(100)[:2])


def certified(constraints, n_rows=3000, seed=0, shift=SHIFT, **given):
    X, y, columns = rows(n_rows, seed)
    asked = {"sensitive_features": columns, "random_state": 0, "shift": shift}
    return certify(MODEL, X, y, constraints, **asked, **given)


def test_the_worst_population_is_certified():
    certificate = certified("ACC >= 0.8")
    (result,) = certificate.results
    assert result.estimate == pytest.approx(1 - WORST @ ERRORS, abs=0.03)
    assert result.bound < result.estimate < certified("ACC >= 0.8", shift=None).results[0].estimate
    assert result.guarantee == "finite-sample"
    assert "every population in which the levels of 'race'" in " ".join(certificate.assumptions)
    assert "'C' 0.1 to 0.4" in certificate.explain(None)
    assert SafetyCertificate.from_json(certificate.to_json()) == certificate


def test_what_passes_here_may_fail_elsewhere():
    limit = 1 - SHARES @ ERRORS - 0.04
    assert certified(f"ACC >= {limit:.3f}", shift=None).passed
    assert not certified(f"ACC >= {limit:.3f}").passed


@pytest.mark.parametrize("text", ["ACC | [race == 'A'] >= 0.9", "max(TPR, by=race) <= 0.99"])
def test_rates_within_a_level_stay_what_they_are(text):
    moved, here = certified(text).results[0], certified(text, shift=None).results[0]
    assert moved == here


TEXTS = [PARITY, "F1 >= 0.6", "TPR * TNR >= 0.5", "PR | [sex == 'F'] / PR | [sex == 'M'] <= 1.3"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("method", ["auto", "asymptotic", "ttest"])
@pytest.mark.thinned(5)
def test_every_kind_of_constraint(text, method):
    shift = {"race": {"A": (0.3, 0.5), "B": 0.3, "C": (0.2, 0.4)}}
    (result,) = certified(text, 1500, shift=shift, method=method).results
    assert result.passed
    assert not result.rates


def test_the_population_drawn_from_is_one_of_those():
    """With the shares of the rows, the estimate is that of the rows, and bounds are close."""
    columns = rows(3000)[2]
    shares = columns["race"].value_counts(normalize=True).to_dict()
    (moved,) = certified("ACC >= 0.6", shift={"race": shares}).results
    (here,) = certified("ACC >= 0.6", shift=None).results
    assert moved.estimate == pytest.approx(here.estimate)
    assert here.bound - 0.01 < moved.bound < here.bound + 0.001


@pytest.mark.parametrize("text", ["ACC >= {}", "TPR >= {}"])
def test_no_more_errors_than_delta_in_the_worst_population(text, whole):
    trials = 400 if whole else 20
    limit = 1 - WORST @ ERRORS
    passed = sum(
        certified(text.format(limit), 300, seed).passed for seed in range(1000, 1000 + trials)
    )
    assert passed <= 0.05 * trials + 4 * math.sqrt(0.05 * 0.95 * trials)


def test_a_gap_that_another_population_has(whole):
    """The TPR of one sex depends on the shares of races.

    It is at the limit for the worst shares.
    """
    trials, failed = 100 if whole else 3, 0
    shift = {"race": {"A": (0.2, 0.8), "B": (0.2, 0.8)}}
    # P(hit): F, A .9; F, B .5; M .8. With a share q of B the gap is .8 - (.9 - .4 q).
    limit = 0.8 - (0.9 - 0.4 * 0.8)
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        female, is_b = rng.random(600) < 0.5, rng.random(600) < 0.3
        hit = rng.random(600) < np.where(female, np.where(is_b, 0.5, 0.9), 0.8)
        X = np.where(hit, 1.0, -1.0)[:, None] * np.ones(2)
        columns = pd.DataFrame(
            {"sex": np.where(female, "F", "M"), "race": np.where(is_b, "B", "A")}
        )
        text = f"TPR | [sex == 'M'] - TPR | [sex == 'F'] <= {limit}"
        certificate = certify(
            MODEL, X, np.ones(600, int), text, sensitive_features=columns, shift=shift
        )
        failed += not certificate.passed
    assert failed >= 0.95 * trials - 4 * math.sqrt(0.05 * 0.95 * trials)


def test_a_level_without_rows_is_not_certified():
    shift = {"race": {"A": (0.2, 0.5), "B": (0.3, 0.4), "C": (0.1, 0.4), "D": (0.0, 0.1)}}
    certificate = certified("ACC >= 0.5", shift=shift)
    assert not certificate.passed
    assert "gives race == 'D' a share, and no tested row has it" in certificate.explain(None)
    shift["race"]["D"] = 0.0
    assert certified("ACC >= 0.5", shift=shift).passed


@pytest.mark.parametrize(
    "given", [{"groups": np.arange(300) // 2}, {"sample_weight": [1, 2, 3] * 100}]
)
def test_groups_and_weights_do_not_go_with_a_shift(given):
    """Shares of groups are not shares of rows, and weights change shares."""
    with pytest.raises(
        ValueError, match="shift= cannot be combined with groups= or sample_weight="
    ):
        certified("ACC >= 0.7", 300, **given)
    alike = {"groups": np.arange(300), "sample_weight": np.full(300, 2.0)}
    assert certified("ACC >= 0.7", 300, **alike).results == certified("ACC >= 0.7", 300).results


def test_a_mean_within_a_level_without_a_share():
    """A mean of all rows, and one of a level with fewer rows than there are blocks."""
    X, y, columns = rows(600)
    columns.loc[:4, "race"] = "D"
    shift = {"race": {"A": (0.2, 0.5), "B": (0.3, 0.4), "C": (0.1, 0.4), "D": 0.0}}
    text = "ACC | [race == 'D'] - ACC <= 0.9"
    certificate = certify(MODEL, X, y, text, sensitive_features=columns, shift=shift)
    assert not certificate.passed


def test_what_is_refused():
    with pytest.raises(ValueError, match="gives no share to race == 'C'"):
        certified("ACC >= 0.5", shift={"race": {"A": 0.5, "B": 0.5}})
    with pytest.raises(ValueError, match="shift names the column 'age'"):
        certified("ACC >= 0.5", shift={"age": {"A": 0.5, "B": 0.5}})


# -- fit ---------------------------------------------------------------------------------------

ESTIMATORS = {
    "classifier": SeldonianClassifier(constraints=["ACC >= 0.7", "TPR >= 0.5"], max_epochs=5),
    "meta": SeldonianMetaClassifier(DecisionTreeClassifier(max_depth=2), "ACC >= 0.7"),
    "regressor": SeldonianRegressor(
        constraints="MSE <= 0.4", target_range=(0, 1), prediction_range=(0, 1), max_epochs=5
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
def test_fit_certifies_for_the_populations(name):
    X, y, columns = rows(3000)
    model = ESTIMATORS[name].set_params(random_state=0).fit(X, y, columns, shift=SHIFT)
    certificate = model.certificate_
    assert {r.method for r in certificate.results} == {"betting on units"}
    assert "every population" in " ".join(certificate.assumptions)
    assert "C" in certificate.parameters["shift"]
    again = model.certify(*rows(3000, seed=5), random_state=0)
    assert "every population" in " ".join(again.assumptions)


def test_training_aims_at_the_worst_population():
    """Training aims at the populations, not at the rows: a lower threshold finds more of race C."""
    X, y, columns = rows(4000)
    aims = []
    for shift in (None, SHIFT):
        model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0, max_epochs=5)
        history = model.fit(X, y, columns, shift=shift).history_
        aims.append(history["estimate_0"].iloc[-1])
    here, worst = aims
    assert here - worst == pytest.approx((WORST - SHARES) @ ERRORS, abs=0.03)


def test_a_search_uses_the_populations():
    X, y, columns = rows(2000)
    model = SeldonianClassifier(constraints="ACC >= 0.7", max_epochs=3, random_state=0)
    search = SeldonianSearchCV(model, {"lr": [1e-3, 1e-2]}, cv=2, random_state=0)
    search.fit(X, y, columns, shift=SHIFT)
    assert "every population" in " ".join(search.certificate_.assumptions)


def test_alternatives_share_delta_under_a_shift():
    X, y, columns = rows(3000)
    model = SeldonianClassifier(constraints="min(FPR, FNR) <= 0.4", max_epochs=3, random_state=0)
    (result,) = model.fit(X, y, columns, shift=SHIFT).certificate_.results
    assert not result.chosen
    assert result.passed


def test_fit_refuses_thresholds_of_groups_with_a_shift():
    X, y, columns = rows(400)
    model = SeldonianClassifier(constraints=PARITY, group_thresholds=True)
    with pytest.raises(ValueError, match="group_thresholds=True and shift= were given"):
        model.fit(X, y, columns, shift=SHIFT)


def test_a_shift_without_a_solution():
    X, y, columns = rows(400)
    model = SeldonianClassifier(constraints="ACC >= 0.95", max_epochs=2, random_state=0)
    with pytest.warns(NoSolutionFoundWarning):
        model.fit(X, y, columns, shift=SHIFT)
