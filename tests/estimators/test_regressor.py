"""The regressor: targets in their range, certified errors, and safety rows not read before the
test.
"""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SeldonianRegressor,
    certify,
)
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.modules import MLP

GAP = "abs((Mean_Error | [M]) - (Mean_Error | [F])) <= 0.6"
RANGES = {"prediction_range": (0, 4), "target_range": (0, 4)}
approximate = pytest.mark.filterwarnings("ignore:.* is tested by a normal approximation")


@pytest.fixture
def grades(groups):
    """A target from 0 to 4 that a line predicts to within half a unit; men get 0.3 more."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3))
    y = 2 + 0.6 * X[:, 0] + 0.3 * (groups["M"].to_numpy() - 0.5) + 0.3 * rng.normal(size=1000)
    return X, np.clip(y, 0, 4)


def fitted(grades, constraints="MAE <= 0.6", groups=None, **params):
    model = SeldonianRegressor(
        constraints=constraints,
        random_state=0,
        **{"module": MLP, "max_epochs": 6, **RANGES, **params},
    )
    return model.fit(*grades, sensitive_features=groups)


# -- attributes after fit ------------------------------------------------------------------


def test_fitted_attributes(grades):
    model = fitted(grades, max_epochs=20)
    y = grades[1][model.candidate_indices_]
    assert model.solution_found_
    assert model.certificate_.guarantee == "finite-sample"
    assert model.target_mean_ == pytest.approx(y.mean())
    assert model.target_scale_ == pytest.approx(y.std())
    assert model.n_iter_ == len(model.history_) == 20
    assert model.history_["kept"].any()
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("MSE <= 0.6", lambda e, m: (e**2).mean()),
        ("Mean_Absolute_Error <= 0.6", lambda e, m: np.abs(e).mean()),
        ("ME >= -0.5", lambda e, m: e.mean()),
        (GAP, lambda e, m: abs(e[m == 1].mean() - e[m == 0].mean())),
        ("max(MAE, by=M) <= 0.7", lambda e, m: max(np.abs(e[m == k]).mean() for k in (0, 1))),
        (
            "MSE | [M] / MSE | [F] <= 3",
            lambda e, m: (e[m == 1] ** 2).mean() / (e[m == 0] ** 2).mean(),
        ),
    ],
)
@pytest.mark.thinned(2)
def test_what_is_certified_is_what_predict_returns(grades, groups, text, value):
    X, y = grades
    model = fitted(grades, text, groups, module__hidden=())
    rows = model.safety_indices_
    errors = model.predict(X[rows]) - y[rows]
    (result,) = model.certificate_.results
    assert model.solution_found_
    assert result.guarantee == "finite-sample"
    assert result.estimate == pytest.approx(value(errors, groups["M"].to_numpy()[rows]), abs=1e-12)
    assert model.certificate_.loss == pytest.approx((errors**2).mean())
    kept = model.history_.set_index("epoch").loc[model.net_.kept_epoch_]
    rows = model.candidate_indices_
    # This is the loss of copies that were not trained on the rows. It is a little larger than the
    # loss of the model itself.
    own = ((model.predict(X[rows]) - y[rows]) ** 2).mean()
    assert own * (1 - 1e-9) <= kept["candidate_loss"] < 1.1 * own


@approximate
def test_predictions_are_clipped_to_their_range(grades):
    X, _ = grades
    wide, narrow = (fitted(grades, prediction_range=ends) for ends in (None, (1.8, 2.1)))
    assert wide.predict(100 * X).max() > 4
    predictions = narrow.predict(X)
    assert predictions.min() == 1.8
    assert predictions.max() == 2.1
    rows = narrow.safety_indices_
    errors = np.abs(predictions - grades[1])[rows]
    assert narrow.certificate_.results[0].estimate == pytest.approx(errors.mean())


@pytest.mark.parametrize("missing", ["prediction_range", "target_range"])
def test_without_both_ranges_the_certificate_is_asymptotic(grades, missing):
    remedy = r"no finite range\. (For a finite-sample test: g|G)ive both prediction_range and"
    with pytest.warns(UserWarning, match=remedy):
        model = fitted(grades, **{missing: None})
    assert model.certificate_.guarantee == "asymptotic"
    assert "Asymptotic: at least one bound" in model.certificate_.explain(None)
    with pytest.raises(ValueError, match=remedy):
        fitted(grades, method="exact", **{missing: None})


def test_the_target_range_is_among_the_assumptions(grades):
    assumptions = fitted(grades, max_epochs=2).certificate_.assumptions
    assert "The target is never outside [0, 4]; that of no row seen is." in assumptions
    assert "The predictions are those of predict." in assumptions
    model = fitted(grades, "0 <= 1", target_range=None, max_epochs=2)
    assert not any("The target" in text for text in model.certificate_.assumptions)


@pytest.mark.parametrize("part", ["candidate_indices_", "safety_indices_"])
def test_a_target_outside_its_range_is_refused(grades, part):
    X, y = grades
    model = fitted(grades, max_epochs=2)
    row = getattr(model, part)[0]
    y[row] = 4.0
    clone(model).fit(X, y)
    y[row] = 4.01
    with pytest.raises(ValueError, match=r"y contains 4\.01, which is outside target_range=\(0,"):
        clone(model).fit(X, y)
    with pytest.raises(ValueError, match=r"y contains 4\.01, which is outside"):
        model.certify(X, y)


@pytest.mark.parametrize("name", ["prediction_range", "target_range"])
@pytest.mark.parametrize("ends", [(4, 0), (1, 1), (0, 1, 2), (0, np.nan)])
def test_a_range_is_two_numbers_in_order(grades, name, ends):
    with pytest.raises(ValueError, match=rf"{name} must be \(low, high\) with low < high"):
        fitted(grades, **{name: ends})


def test_measures_of_classification_are_unknown(grades):
    with pytest.raises(ConstraintNameError, match="'ACC' is a measure of classification"):
        fitted(grades, "ACC >= 0.5")


def test_without_constraints_all_rows_train(grades):
    X, y = grades
    model = fitted(grades, ())
    assert model.certificate_ is None
    assert len(model.candidate_indices_) == 1000
    assert model.score(X, y) == pytest.approx(LinearRegression().fit(X, y).score(X, y), abs=0.05)


def test_a_constraint_on_nothing(grades):
    assert fitted(grades, "0 <= 1").certificate_.results[0].guarantee == "exact"


def test_certify_on_fresh_rows(grades):
    X, y = grades
    model = fitted((X[:600], y[:600]))
    (result,) = model.certify(X[600:], y[600:]).results
    assert result.estimate == pytest.approx(np.abs(model.predict(X[600:]) - y[600:]).mean())


def test_pickle(grades):
    model = fitted(grades)
    loaded = pickle.loads(pickle.dumps(model))
    assert np.array_equal(loaded.predict(grades[0]), model.predict(grades[0]))
    X, y = grades
    first = loaded.certify(X + 0.01, y)
    assert model.certify(X + 0.01, y, random_state=first.order_seed) == first


# -- no solution ---------------------------------------------------------------------------


@pytest.mark.parametrize("fallback", [None, "mean", LinearRegression()], ids=str)
@pytest.mark.thinned(2)
def test_no_solution(grades, fallback):
    X, y = grades
    with pytest.warns(NoSolutionFoundWarning):
        model = fitted(grades, "MAE <= 0.1", fallback=fallback, max_epochs=5)
    assert not model.solution_found_
    assert "the estimate itself violates the limit" in model.certificate_.explain(None)
    if fallback is None:
        with pytest.raises(NoSolutionFoundError):
            model.predict(X)
    elif fallback == "mean":
        assert set(model.predict(X)) == {y[model.candidate_indices_].mean()}
    else:
        rows = model.candidate_indices_
        expected = LinearRegression().fit(X[rows], y[rows]).predict(X)
        assert np.array_equal(model.predict(X), expected)


def test_frozen_fallback_is_used_as_it_is(grades):
    frozen = FrozenEstimator(LinearRegression().fit(*grades))
    with pytest.warns(NoSolutionFoundWarning):
        model = fitted(grades, "MAE <= 0.1", fallback=frozen)
    assert model.fallback_ is frozen


def test_other_words_are_refused_as_fallback(grades):
    with pytest.raises(ValueError, match="'fallback' parameter of SeldonianRegressor"):
        fitted(grades, fallback="majority")


def test_what_is_impossible_is_not_trained_for_and_not_said_to_be_approximate(grades):
    with pytest.warns(NoSolutionFoundWarning, match="no model can satisfy 'MSE <= -1'"):
        model = SeldonianRegressor(MLP, constraints="MSE <= -1").fit(*grades)
    assert not hasattr(model, "net_")


class NaNForSome(nn.Module):
    """Returns NaN if the first input is above 9."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, X):
        return torch.where(X[:, :1] > 9, torch.nan, self.layer(X))


def test_nan_never_passes(grades):
    X, y = grades
    X[990, 0] = 10.0
    model = SeldonianRegressor(NaNForSome, "MAE <= 4", max_epochs=2, **RANGES)
    with pytest.warns(NoSolutionFoundWarning, match="1 of 500 safety rows are NaN or infinite"):
        model.fit(X, y, safety_mask=np.arange(1000) >= 500)
    assert model.certificate_.results[0].g_upper == np.inf


# -- training --------------------------------------------------------------------------------


def test_training_meets_a_constraint_that_plain_training_violates(grades, groups):
    X, y = grades
    men = groups["M"].to_numpy() == 1
    X[:, 1] = men + 0.1 * X[:, 1]  # this identifies men
    gap = "abs((Mean_Error | [M]) - (Mean_Error | [F])) <= 0.25"
    plain = LinearRegression().fit(X[:, :1], y)
    errors = plain.predict(X[:, :1]) - y
    assert abs(errors[men].mean() - errors[~men].mean()) > 0.25
    model = SeldonianRegressor(
        constraints=gap, module__hidden=(), random_state=1, max_epochs=30, **RANGES
    ).fit(X, y, sensitive_features=groups)
    assert model.solution_found_


@approximate
@pytest.mark.parametrize(("unit", "start"), [(1e4, 0.0), (1e-4, 0.0), (1.0, 1e5)])
@pytest.mark.thinned(2)
def test_training_does_not_depend_on_the_unit_of_the_target(grades, groups, unit, start):
    X, y = grades
    plain, other = (
        SeldonianRegressor(
            MLP,
            constraints=[
                f"abs((Mean_Error | [M]) - (Mean_Error | [F])) <= {0.45 * u}",
                f"MSE <= {0.5 * u**2}",
                f"MAE <= {0.5 * u}",
            ],
            multiplier_init=0.5,
            multiplier_lr=0.01,
            random_state=0,
            max_epochs=5,
        ).fit(X, target, sensitive_features=groups)
        for u, target in ((1.0, y), (unit, start + unit * y))
    )
    assert (plain.history_[[f"multiplier_{i}" for i in range(3)]] > 0).any().all()
    np.testing.assert_allclose(other.predict(X), start + unit * plain.predict(X), rtol=1e-4)
    np.testing.assert_allclose(other.history_["loss"], unit**2 * plain.history_["loss"], rtol=1e-3)


@pytest.mark.parametrize("criterion", [nn.L1Loss, nn.HuberLoss(delta=0.5)], ids=str)
@pytest.mark.thinned(2)
def test_other_criteria(grades, criterion):
    assert fitted(grades, criterion=criterion).score(*grades) > 0.5


@pytest.mark.parametrize(
    "module", [nn.Linear(3, 1), nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))], ids=["2d", "1d"]
)
def test_one_output_a_row(grades, module):
    assert fitted(grades, module=module, max_epochs=15, lr=0.05).score(*grades) > 0.5


def test_several_outputs_a_row_are_refused(grades):
    with pytest.raises(ValueError, match="For a regression it must return one number per row"):
        fitted(grades, module=nn.Linear(3, 2))


def far_off(y, prediction, probabilities):
    assert probabilities is None
    return np.abs(prediction - y) > 0.5


@pytest.mark.parametrize(
    "surrogate", [None, lambda prediction, y: torch.sigmoid(10 * ((prediction - y).abs() - 0.5))]
)
def test_a_measure_of_the_users_own(grades, surrogate):
    measure = RowMeasure("Far", far_off, range=(0, 1), surrogate=surrogate)
    params = {"measures": [measure], "prediction_range": None, "target_range": None}
    model = fitted(grades, "Far <= 0.3", **params)
    rows = model.safety_indices_
    off = far_off(grades[1][rows], model.predict(grades[0][rows]), None)
    (result,) = model.certificate_.results
    assert model.solution_found_
    assert result.method == "betting"
    assert result.estimate == pytest.approx(off.mean())


def test_gpa():
    gpa = load_gpa(target="gpa", as_frame=True)
    rows = np.random.default_rng(0).permutation(len(gpa.data))[:10_000]
    X, y, groups = (part.iloc[rows] for part in (gpa.data, gpa.target, gpa.sensitive_features))
    model = SeldonianRegressor(
        MLP,
        constraints="abs((Mean_Error|[M]) - (Mean_Error|[F])) <= 0.1",
        preprocessor=StandardScaler(),
        random_state=0,
        **RANGES,
    ).fit(X, y, sensitive_features=groups)
    assert model.solution_found_
    assert model.certificate_.results[0].method == "betting"


# -- the promise -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
def test_garbage_over_the_safety_rows_changes_only_the_certificate(grades, groups):
    X, y = grades
    model = fitted(grades, [GAP, "MSE <= 0.5"], groups, max_epochs=5)
    rng = np.random.default_rng(7)
    safety = model.safety_indices_
    X2, y2, groups2 = X.copy(), y.copy(), groups.copy()
    X2[safety] = 1e3 * rng.normal(size=(len(safety), 3))
    y2[safety] = rng.uniform(0, 4, size=len(safety))
    groups2.loc[safety, "M"] = rng.integers(0, 2, size=len(safety))
    groups2.loc[safety, "F"] = 1 - groups2.loc[safety, "M"]
    poisoned = clone(model).fit(X2, y2, sensitive_features=groups2)
    columns = model.history_.columns.drop("seconds")
    assert poisoned.history_[columns].equals(model.history_[columns])
    digests = [m.certificate_.fingerprints for m in (model, poisoned)]
    assert digests[0]["weights"] == digests[1]["weights"]
    assert digests[0]["data"] != digests[1]["data"]
    assert not poisoned.solution_found_


class Constant(RegressorMixin, BaseEstimator):
    """A fitted regressor that predicts the same number for all rows."""

    def __init__(self, number=0.0):
        self.number = number

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return np.full(len(X), self.number)


@pytest.mark.parametrize(
    ("text", "share"),
    [("MAE <= 0.1", 0.1), ("ME >= -0.1", 0.1), ("(ME | [M]) - (ME | [F]) <= 0.5", 0.5)],
)
@pytest.mark.thinned(2)
def test_the_promise_holds_in_simulation(text, share, whole):
    """A share of the errors is one, and this share is the limit. At most delta are certified."""
    rng = np.random.default_rng(0)
    n_trials, n_rows, delta = 150 if whole else 40, 120, 0.1
    groups = pd.DataFrame({"M": np.arange(n_rows) % 2, "F": 1 - np.arange(n_rows) % 2})

    def is_certified(share):
        y = rng.random(n_rows) < share
        y &= (groups["F"] == 1) | ("|" not in text)
        return certify(
            Constant(0.0),
            np.zeros((n_rows, 1)),
            y.astype(float),
            text,
            delta=delta,
            sensitive_features=groups,
            target_range=(0, 1),
            prediction_range=(0, 1),
        ).passed

    certified = sum(is_certified(share) for _ in range(n_trials))
    assert binomtest(certified, n_trials, delta, alternative="greater").pvalue > 0.01
    assert is_certified(0.0)


class OneTrial(nn.Module):
    """There is nothing to learn: the output is the input."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, X):
        return X + 0 * self.unused


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
def test_the_promise_of_fit_holds_in_simulation(whole):
    """The true MAE is the limit, 0.25: predictions are clipped to 1, and the target is 0 or 2."""
    rng = np.random.default_rng(0)
    n_trials, delta = 80 if whole else 20, 0.1
    mask = np.arange(160) >= 10
    certified = 0
    for _ in range(n_trials):
        y = np.where(rng.random(160) < 0.25, rng.choice([0.0, 2.0], size=160), 1.0)
        model = SeldonianRegressor(
            OneTrial, "MAE <= 0.25", delta=delta, max_epochs=1, random_state=0,
            prediction_range=(0.999999, 1), target_range=(0, 2),
        )  # fmt: skip
        certified += model.fit(y[:, None], y, safety_mask=mask).solution_found_
    assert binomtest(certified, n_trials, delta, alternative="greater").pvalue > 0.01


# -- certify, for any regressor ---------------------------------------------------------------


class TestCertify:
    def test_the_estimate_is_that_of_the_predictions(self, grades, groups):
        X, y = grades
        model = LinearRegression().fit(X[:500], y[:500])
        with pytest.warns(UserWarning, match="give both prediction_range and target_range"):
            certificate = certify(
                model, X[500:], y[500:], "MAE | [M] <= 0.5", sensitive_features=groups[500:]
            )
        errors = np.abs(model.predict(X[500:]) - y[500:])
        men = groups["M"].to_numpy()[500:] == 1
        assert certificate.passed
        assert certificate.guarantee == "asymptotic"
        assert certificate.results[0].estimate == pytest.approx(errors[men].mean())

    def test_ranges_make_it_finite_sample(self, grades):
        certificate = certify(Constant(2.0), *grades, "MAE <= 1", **RANGES)
        assert certificate.guarantee == "finite-sample"
        says = "The prediction is never outside [0, 4]; that of no row seen is."
        assert says in certificate.assumptions

    def test_a_prediction_outside_its_range_is_refused(self, grades):
        assert certify(Constant(4.0), *grades, "MAE <= 4", **RANGES).passed
        with pytest.raises(ValueError, match=r"Constant.predict returned 4\.5, which is outside"):
            certify(Constant(4.5), *grades, "MAE <= 5", **RANGES)

    def test_a_target_outside_its_range_is_refused(self, grades):
        with pytest.raises(ValueError, match=r"outside target_range=\(0, 1\)"):
            certify(Constant(1.0), *grades, "MAE <= 4", target_range=(0, 1))

    def test_nan_never_passes(self, grades):
        certificate = certify(Constant(np.nan), *grades, "MAE <= 4", **RANGES)
        assert "1000 of 1000 safety rows are NaN or infinite" in certificate.explain(None)
        assert not certificate.passed

    @pytest.mark.parametrize("given", [{"decision": "sample"}, {"pos_label": 1}])
    def test_parameters_of_classifiers_are_refused(self, grades, given):
        with pytest.raises(ValueError, match="does not apply to a regressor"):
            certify(Constant(2.0), *grades, "MAE <= 1", **given)

    def test_parameters_of_regressors_are_refused(self, blobs):
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression().fit(*blobs)
        with pytest.raises(ValueError, match="target_range does not apply to a classifier"):
            certify(model, *blobs, "ACC >= 0.5", target_range=(0, 1))

    def test_what_is_neither_is_refused(self, grades):
        scaler = StandardScaler().fit(grades[0])
        with pytest.raises(ValueError, match="StandardScaler is neither"):
            certify(scaler, *grades, "MAE <= 1")
