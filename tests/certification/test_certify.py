"""`certify` refuses what it cannot certify, and its certificates are false with probability at
most delta.
"""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_seldonian import (
    ConstraintSyntaxError,
    certify,
    required_safety_rows,
)
from tests.certification._fixed import Fixed


def scores(positive):
    """A binary classifier with these probabilities of the positive class."""
    positive = np.asarray(positive, dtype=float)
    return Fixed((positive > 0.5).astype(int), np.column_stack([1 - positive, positive]))


def certified(model, y, constraints, **others):
    return certify(model, np.zeros((len(y), 1)), y, constraints, **others)


EVERY_METHOD = pytest.mark.parametrize("method", ["auto", "exact", "asymptotic", "ttest"])
EITHER_DECISION = pytest.mark.parametrize("decision", ["argmax", "sample"])
HALF_POSITIVE = np.tile([0, 1], 100)


# -- certificates that would be false ----------------------------------------------------------


@EVERY_METHOD
@EITHER_DECISION
def test_class_0_almost_surely_is_not_class_0_rarely(method, decision):
    model = scores(np.full(200, 0.0001))
    certificate = certified(model, HALF_POSITIVE, "PR_[0] <= 0.5", method=method, decision=decision)
    assert not certificate.passed
    (result,) = certificate.results
    assert result.g > 0
    assert result.reason == "the estimate itself violates the limit"


@EVERY_METHOD
@EITHER_DECISION
def test_a_limit_of_zero_needs_more_than_zero_observed_errors(method, decision):
    model = scores(HALF_POSITIVE)
    certificate = certified(
        model, HALF_POSITIVE, "max(FPR, FNR) <= 0", method=method, decision=decision
    )
    assert not certificate.passed


@EVERY_METHOD
@EITHER_DECISION
def test_five_identical_saturated_scores_do_not_prove_a_rate_below_a_thousandth(method, decision):
    model, y = scores(np.zeros(5)), [0, 1, 0, 1, 0]
    (result,) = certified(model, y, "PR <= 0.001", method=method, decision=decision).results
    assert not result.passed
    assert result.estimate == 0.0
    assert result.bound > 0.2


@EVERY_METHOD
@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("1000000000000.5 - PR - 1000000000000 <= 0", "0.5 - PR <= 0"),
        ("10000000000000000.5 - PR <= 10000000000000000", "0.5 - PR <= 0"),
        ("(PR + 1e17) - 1e17 >= 0.5", "0.5 - PR <= 0"),
        ("1e16 * PR - 1e16 * PR + 0.5 <= 0", "0.5 <= 0"),
        ("(PR + 1e17) * FPR - 1e17 * FPR <= 0.01", None),
        ("log(1e15 + 0.5) - log(PR + 1e15) <= 0", None),
        ("exp(50) - 5184705528587072464087 + 0.5 - PR <= 0", None),
    ],
)
def test_numbers_that_cancel_prove_nothing(method, text, plain):
    decided = np.repeat([0, 1], 6)
    model = Fixed(decided, np.eye(2)[decided])
    y = np.tile([0, 1], 6)
    result = certified(model, y, text, method=method).results[0]
    assert not result.passed
    if plain is not None:
        expected = certified(model, y, plain, method=method).results[0]
        assert result.p_value == pytest.approx(expected.p_value)
        assert result.g_upper == pytest.approx(expected.g_upper)


def test_decisions_are_certified_and_not_mean_scores():
    model = scores(np.where(np.arange(2000) % 10, 0.51, 0.01))
    y = np.tile([0, 1], 1000)
    (result,) = certified(model, y, "PR <= 0.5").results
    assert not result.passed
    assert result.estimate == 0.9
    # If `predict` draws its labels, 46% of the returned labels are positive.
    (drawn,) = certified(model, y, "PR <= 0.5", decision="sample").results
    assert drawn.passed
    assert drawn.estimate == pytest.approx(0.46)
    (above,) = certified(model, y, "PR <= 0.455", decision="sample").results
    assert not above.passed


# -- hard results are plain counting ------------------------------------------------------------

GENERATOR = np.random.default_rng(3)
X = GENERATOR.normal(size=(1200, 3))
SEX = pd.Series(np.where(GENERATOR.random(1200) < 0.45, "M", "F"), name="sex")
Y = (X @ [1.0, -1.0, 0.5] + 0.3 * (SEX == "M") + GENERATOR.logistic(size=1200) > 0).astype(int)
TRAIN, TEST = slice(0, 500), slice(500, 1200)
MODELS = [
    LogisticRegression(),
    make_pipeline(StandardScaler(), LogisticRegression()),
    DecisionTreeClassifier(max_depth=3),
    GaussianNB(),
    LinearSVC(),
]
COUNTS = {
    "ACC >= 0.5": lambda y, p, m: (p == y, slice(None)),
    "PR <= 0.9": lambda y, p, m: (p == 1, slice(None)),
    "TPR >= 0.5": lambda y, p, m: (p == 1, y == 1),
    "FPR <= 0.5": lambda y, p, m: (p == 1, y == 0),
    "PPV >= 0.5": lambda y, p, m: (y == 1, p == 1),
    "NPV >= 0.5": lambda y, p, m: (y == 0, p == 0),
    'FNR | [sex == "M"] <= 0.5': lambda y, p, m: (p == 0, (y == 1) & m),
    'PR_[0] | [sex == "F"] <= 0.9': lambda y, p, m: (p == 0, ~m),
    "CM_[0,1] <= 0.5": lambda y, p, m: (p == 1, y == 0),
}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("names", [np.array([0, 1]), np.array(["no", "yes"])], ids=["int", "str"])
def test_hard_results_are_those_of_numpy(model, names):
    model = model.fit(X[TRAIN], names[Y[TRAIN]])
    y, sex = names[Y[TEST]], SEX[TEST].reset_index(drop=True)
    certificate = certify(model, X[TEST], y, list(COUNTS), sensitive_features=sex)
    predicted = (model.predict(X[TEST]) == names[1]).astype(int)
    assert certificate.n_safety == 700
    for (text, count), result in zip(COUNTS.items(), certificate.results, strict=True):
        event, among = count(Y[TEST], predicted, (sex == "M").to_numpy())
        k, n = int(event[among].sum()), len(event[among])
        interval = binomtest(k, n).proportion_ci(0.9, "exact")
        assert list(result.rows.values()) == [n], text
        assert result.estimate == pytest.approx(k / n), text
        bound = interval.high if "<=" in text else interval.low
        assert result.bound == pytest.approx(bound, abs=1e-6), text
        assert result.passed == (bound <= result.limit if "<=" in text else bound >= result.limit)


def test_hard_estimates_of_combinations_are_those_of_numpy():
    model = LogisticRegression().fit(X[TRAIN], Y[TRAIN])
    groups = pd.DataFrame({"M": SEX[TEST] == "M", "F": SEX[TEST] == "F"})
    y, p, m = Y[TEST], model.predict(X[TEST]), groups["M"].to_numpy()
    male, female = p[m].mean(), p[~m].mean()
    tp, wrong = ((p == 1) & (y == 1)).sum(), (p != y).sum()
    expected = {
        "abs(PR | [M] - PR | [F]) <= 0.2": abs(male - female),
        "min(PR | [M] / PR | [F], PR | [F] / PR | [M]) >= 0.5": min(male / female, female / male),
        "F1 >= 0.5": 2 * tp / (2 * tp + wrong),
        "FPR * FNR <= 0.5": p[y == 0].mean() * (1 - p[y == 1].mean()),
        "PPV + TPR >= 1": y[p == 1].mean() + p[y == 1].mean(),
    }
    certificate = certify(model, X[TEST], y, list(expected), sensitive_features=groups)
    for result, value in zip(certificate.results, expected.values(), strict=True):
        assert result.estimate == pytest.approx(value), result.constraint


def test_three_classes_are_counted_like_two():
    y3 = (X[:, 0] > 0.5).astype(int) + (X[:, 0] > -0.5)
    model = make_pipeline(StandardScaler(), GaussianNB()).fit(X[TRAIN], y3[TRAIN])
    p, y = model.predict(X[TEST]), y3[TEST]
    texts = ["PR_[0] - PR_[1] <= 0.5", "CM_[2,1] <= 0.5", "TPR_[1] >= 0.5"]
    expected = [(p == 0).mean() - (p == 1).mean(), (p[y == 2] == 1).mean(), (p[y == 1] == 1).mean()]
    results = certify(model, X[TEST], y, texts).results
    assert [r.estimate for r in results] == pytest.approx(expected)


def test_nothing_given_is_changed():
    model = LogisticRegression().fit(X[TRAIN], Y[TRAIN])
    before = model.coef_.copy()
    X2, y2, sex2 = X[TEST].copy(), Y[TEST].copy(), SEX[TEST].copy()
    for array in (X2, y2):
        array.flags.writeable = False
    certify(model, X2, y2, 'PR | [sex == "M"] <= 0.9', sensitive_features=sex2)
    np.testing.assert_array_equal(model.coef_, before)
    pd.testing.assert_series_equal(sex2, SEX[TEST])


# -- bad input ----------------------------------------------------------------------------------

RIGHT = scores(HALF_POSITIVE)
REFUSED = [
    ({"constraints": ()}, "No constraints were given, so there is nothing to certify."),
    ({"constraints": []}, "No constraints were given, so there is nothing to certify."),
    (
        {"method": "hoeffding"},
        "method must be one of 'auto', 'exact', 'asymptotic', 'ttest', got 'hoeffding'.",
    ),
    ({"decision": "soft"}, "decision must be one of 'argmax', 'sample', got 'soft'."),
    ({"delta": 0}, "delta must be strictly between 0 and 1, got 0."),
    ({"delta": 1.0}, "delta must be strictly between 0 and 1, got 1.0."),
    ({"delta": -0.1}, "delta must be strictly between 0 and 1, got -0.1."),
    ({"delta": math.nan}, "delta must be strictly between 0 and 1, got nan."),
    (
        {"delta": [0.05, 0.1]},
        "delta must be one number, or one per constraint (here 1); got 2 numbers.",
    ),
    ({"y": HALF_POSITIVE + 1}, "y contains labels that the model does not know: 2. It knows 0, 1."),
    (
        {"y": HALF_POSITIVE.astype(str)},
        "y contains labels that the model does not know: '0', '1'. It knows 0, 1.",
    ),
    (
        {"y": np.where(HALF_POSITIVE, math.nan, 0)},
        'y contains 100 missing labels. Leave those rows out, or give missing="exclude", with '
        "which they count in measures that do not use labels.",
    ),
    (
        {"X": np.zeros((200, 1)), "y": HALF_POSITIVE[:-1]},
        "X has 200 rows, y has 199 rows. They must have the same number of rows.",
    ),
    (
        {"constraints": "PR | [M] <= 1", "sensitive_features": pd.DataFrame({"M": [0, 1]})},
        "sensitive_features has 2 rows, but X has 200.",
    ),
    (
        {
            "constraints": "PR | [M] <= 1",
            "sensitive_features": pd.DataFrame({"M": [math.nan] * 3 + [1] * 197}),
        },
        "Column 'M' of sensitive_features has 3 missing values, so the group of those rows is not "
        "known.",
    ),
    (
        {"constraints": "PR | [M] <= 1", "sensitive_features": {"M": HALF_POSITIVE}},
        "sensitive_features must be a Series, DataFrame or array, not a dict",
    ),
    ({"pos_label": 3}, "pos_label=3 is not a class. The classes are [0, 1]."),
    (
        {"constraints": "LogLoss <= 1", "method": "exact"},
        "'LogLoss <= 1' has no finite-sample test, because LogLoss has no finite range.",
    ),
    ({"constraints": "PR | [M] <= 1"}, "Unknown column 'M'"),
    ({"constraints": "ACCC >= 1"}, "Unknown measure 'ACCC'; did you mean 'ACC'?"),
]


@pytest.mark.parametrize(
    ("given", "message"), REFUSED, ids=lambda value: value[:50] if isinstance(value, str) else ""
)
def test_bad_input_is_refused(given, message):
    usual = {"estimator": RIGHT, "X": np.zeros((200, 1)), "y": HALF_POSITIVE}
    with pytest.raises(ValueError) as error:  # noqa: PT011
        certify(**{**usual, "constraints": "ACC >= 0.5", **given})
    assert message in str(error.value)


def test_a_malformed_constraint_shows_its_place():
    with pytest.raises(ConstraintSyntaxError, match=r"\^"):
        certified(RIGHT, HALF_POSITIVE, "ACC >= ")


@pytest.mark.parametrize("text", ["ACC >= 0.5", "TPR >= 0.5", "PPV >= 0.5"])
def test_no_rows_at_all_pass_nothing(text):
    certificate = certified(Fixed([], np.zeros((0, 2))), np.zeros(0, dtype=int), text)
    assert not certificate.passed
    assert certificate.results[0].reason.startswith("no rows for ")


@pytest.mark.parametrize(
    "text",
    ["PR | [M] <= 0.3", "abs(PR | [M] - PR) <= 0.3", "PR | [M] / PR >= 0.5", "ACC | [not M] >= 0"],
)
def test_no_rows_at_all_pass_nothing_about_a_column(text):
    empty = np.zeros(0, dtype=int)
    certificate = certified(
        Fixed([], np.zeros((0, 2))), empty, text, sensitive_features=pd.DataFrame({"M": empty})
    )
    assert not certificate.passed
    assert certificate.results[0].bound in (-math.inf, math.inf)
    assert certificate.results[0].rows_needed is None
    assert certificate.results[0].reason.startswith("no rows for ")


# -- rows that would have sufficed --------------------------------------------------------------


def right_in(k, n):
    """A classifier that is correct in k of n rows, and the labels."""
    y = np.arange(n) % 2
    return Fixed(np.where(np.arange(n) < k, y, 1 - y)), y


def test_a_failed_constraint_has_the_number_of_sufficient_rows():
    model, y = right_in(93, 100)
    (result,) = certified(model, y, "ACC >= 0.9").results
    assert not result.passed
    assert result.rows_needed == required_safety_rows("ACC >= 0.9", {"ACC": 0.93})
    assert result.reason == "the estimate meets the limit, but not by enough for so few safety rows"
    assert (
        "; if the estimate were the true value, it would pass with probability 0.9 on about "
        f"{result.rows_needed:,} fresh safety rows"
    ) in result.explain(None)
    model, y = right_in(round(0.93 * 2 * result.rows_needed), 2 * result.rows_needed)
    assert certified(model, y, "ACC >= 0.9").passed


def test_no_amount_of_rows_saves_an_estimate_that_violates():
    model, y = right_in(80, 100)
    (result,) = certified(model, y, "ACC >= 0.9").results
    assert result.rows_needed is None
    assert (
        "why not: the estimate itself violates the limit; if the estimate were the true value, no "
        "number of rows would suffice (the measure with the fewest rows is ACC: 100)"
    ) in result.explain(None)


def test_a_passed_constraint_has_no_number_of_sufficient_rows():
    model, y = right_in(990, 1000)
    (result,) = certified(model, y, "ACC >= 0.9").results
    assert result.passed
    assert result.rows_needed is None
    assert "sufficed" not in result.explain(None)


# -- false certificates are at most delta ------------------------------------------------------


SOFT = {
    "two points": lambda rng, n: np.where(rng.random(n) < 0.3, 1.0, 0.0),
    "beta": lambda rng, n: rng.beta(3, 7, n),
    "sorted": lambda rng, n: np.sort(rng.beta(3, 7, n)),
    "falling": lambda rng, n: -np.sort(-rng.beta(3, 7, n)),
}


@pytest.mark.parametrize("draw", SOFT.values(), ids=SOFT)
@pytest.mark.thinned(2)
def test_drawn_decisions_on_the_limit_pass_at_most_delta_of_the_time(draw, whole):
    """With sorted rows in their given order, .94 would pass. `test_betting` has 20,000 trials."""
    rng, n_trials, n = np.random.default_rng(1), 100 if whole else 30, 60
    y = np.zeros(n, dtype=int)
    wrong = sum(
        certified(scores(draw(rng, n)), y, "PR <= 0.3", decision="sample", delta=0.1).passed
        for _ in range(n_trials)
    )
    assert wrong / n_trials <= 0.1 + 3 * math.sqrt(0.09 / n_trials)
