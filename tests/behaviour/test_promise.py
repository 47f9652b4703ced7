"""The conditions of the guarantee: safety rows are not used before the test, decisions are those
of `predict`, and false certificates are rare.
"""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binom, binomtest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from sklearn_seldonian import NoSolutionFoundWarning, SeldonianClassifier, certify
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.modules import MLP

PARITY = "abs(PR | [M] - PR | [F]) <= 0.3"


def weights_of(model):
    return [p.detach().numpy() for p in model.module_.state_dict().values()]


def same_training(one, other):
    columns = [c for c in one.history_.columns if c != "seconds"]
    return (
        all(np.array_equal(a, b) for a, b in zip(weights_of(one), weights_of(other), strict=True))
        and one.history_[columns].equals(other.history_[columns])
        and np.array_equal(one.safety_indices_, other.safety_indices_)
    )


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.parametrize("decision", ["argmax", "sample"])
def test_garbage_over_the_safety_rows_changes_only_the_certificate(blobs, groups, decision):
    X, y = blobs
    model = SeldonianClassifier(
        MLP, [PARITY, "ACC >= 0.7"], decision=decision, max_epochs=5, random_state=0
    )
    model.fit(X, y, sensitive_features=groups)

    rng = np.random.default_rng(7)
    safety = model.safety_indices_
    X2, y2, groups2 = X.copy(), y.copy(), groups.copy()
    X2[safety] = 1e3 * rng.normal(size=(len(safety), 3))
    y2[safety] = rng.integers(0, 2, size=len(safety))
    groups2.loc[safety, "M"] = rng.integers(0, 2, size=len(safety))
    groups2.loc[safety, "F"] = 1 - groups2.loc[safety, "M"]
    poisoned = SeldonianClassifier(**model.get_params())
    poisoned.fit(X2, y2, sensitive_features=groups2)

    assert same_training(model, poisoned)
    assert model.certificate_.results != poisoned.certificate_.results
    assert (
        model.certificate_.fingerprints["weights"] == poisoned.certificate_.fingerprints["weights"]
    )
    assert model.certificate_.fingerprints["data"] != poisoned.certificate_.fingerprints["data"]
    assert not poisoned.solution_found_


def test_garbage_over_candidate_rows_does_change_training(blobs, groups):
    """A check that the test above can fail."""
    X, y = blobs
    model = SeldonianClassifier(MLP, constraints=PARITY, max_epochs=5, random_state=0)
    model.fit(X, y, sensitive_features=groups)
    X2 = X.copy()
    X2[model.candidate_indices_[0]] += 5.0
    other = SeldonianClassifier(**model.get_params()).fit(X2, y, sensitive_features=groups)
    assert not same_training(model, other)


def test_same_seed_same_weights_same_certificate(blobs, groups):
    fits = [
        SeldonianClassifier(MLP, constraints=PARITY, max_epochs=5, random_state=3).fit(
            *blobs, sensitive_features=groups
        )
        for _ in range(2)
    ]
    assert same_training(*fits)
    assert fits[0].certificate_ == fits[1].certificate_
    other = SeldonianClassifier(MLP, constraints=PARITY, max_epochs=5, random_state=4).fit(
        *blobs, sensitive_features=groups
    )
    assert not same_training(fits[0], other)


def test_global_random_states_are_left_alone(blobs):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    SeldonianClassifier(MLP, constraints="ACC >= 0.7", random_state=0, max_epochs=2).fit(*blobs)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


class NaNForSome(nn.Module):
    """Separates the classes well, but returns NaN if the first input is above `threshold`."""

    def __init__(self, threshold):
        super().__init__()
        self.layer, self.threshold = nn.Linear(3, 2), threshold

    def forward(self, X):
        scores = self.layer(X)
        silent = (X[:, :1] > self.threshold) & torch.tensor(not self.training)
        return torch.where(silent, torch.nan, scores)


@pytest.mark.parametrize("constraint", ["ACC >= 0.1", "max(FPR, FNR) <= 0.99", "ERR <= 0.9"])
def test_nan_outputs_never_pass(blobs, constraint):
    X, y = blobs
    candidate = np.arange(1000) < 500
    X[:500, 0] = np.minimum(X[:500, 0], 3.0)
    X[990, 0] = 10.0
    model = SeldonianClassifier(
        NaNForSome, constraint, module__threshold=9.0, random_state=0, max_epochs=3
    )
    with pytest.warns(NoSolutionFoundWarning):
        model.fit(X, y, safety_mask=~candidate)
    (result,) = model.certificate_.results
    assert result.reason == "the outputs for 1 of 500 safety rows are NaN or infinite"
    assert result.g_upper == np.inf
    assert result.p_value == 1.0


def test_loss_that_diverges_is_no_solution(blobs):
    with (
        pytest.warns(UserWarning, match="so training stopped"),
        pytest.warns(NoSolutionFoundWarning, match="did not lead to finite weights"),
    ):
        model = SeldonianClassifier(
            MLP, constraints="ACC >= 0.5", optimizer=torch.optim.SGD, lr=1e30, random_state=0
        ).fit(*blobs)
    assert not model.solution_found_


@pytest.mark.parametrize("threshold", [-100.0, 0.0])
def test_nan_for_candidate_rows_is_no_solution(blobs, threshold):
    model = SeldonianClassifier(
        NaNForSome, "ACC >= 0.1", module__threshold=threshold, random_state=0, max_epochs=2
    )
    with pytest.warns(NoSolutionFoundWarning):
        model.fit(*blobs)
    assert not model.solution_found_


def test_group_without_safety_rows_is_no_solution(blobs, groups):
    mask = (groups["race"] != "C").to_numpy() & (np.arange(1000) % 2 == 0)
    model = SeldonianClassifier(MLP, constraints='PR | [race == "C"] <= 0.99', random_state=0)
    with pytest.warns(NoSolutionFoundWarning, match="no rows"):
        model.fit(*blobs, sensitive_features=groups, safety_mask=mask)
    assert model.certificate_.results[0].g_upper > 0


class Fixed(nn.Module):
    """Predicts class 1 if the only input is positive; there is nothing to learn."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, X):
        return torch.cat([-X, X], dim=1) + 0 * self.unused


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.parametrize("true_accuracy", [0.75, 0.8])
def test_promise_holds_in_simulation(true_accuracy, whole):
    """A classifier of known accuracy gets a false certificate with probability at most delta."""
    rng = np.random.default_rng(0)
    n_trials, delta = 400 if whole else 40, 0.1
    certified = 0
    mask = np.arange(160) >= 10
    for _ in range(n_trials):
        y = rng.integers(0, 2, size=160)
        right = rng.random(160) < true_accuracy
        X = np.where(right, 2 * y - 1, 1 - 2 * y)[:, None].astype(float)
        y[0], y[1] = 0, 1
        model = SeldonianClassifier(
            Fixed, "ACC >= 0.8", delta=delta, max_epochs=1, random_state=0
        ).fit(X, y, safety_mask=mask)
        certified += model.solution_found_
    assert binomtest(certified, n_trials, delta, alternative="greater").pvalue > 0.01
    if true_accuracy == 0.8:
        fewest = next(k for k in range(151) if binom.sf(k - 1, 150, 0.8) <= delta)
        exact = binom.sf(fewest - 1, 150, 0.8)
        assert binomtest(certified, n_trials, exact).pvalue > 0.01


# -- cases found by adversarial reading ----------------------------------------------------


def test_precision_and_an_average_are_not_treated_as_one_mean_over_rows():
    """PPV of one group minus a loss of the other. PPV is a ratio, and no model is below -0.5."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2))
    y = (X[:, 0] + 0.4 * rng.normal(size=4000) > 0.9).astype(int)
    group = pd.DataFrame({"g": rng.choice(["M", "F"], size=4000)})
    text = "PPV | [g == 'M'] - Brier | [g == 'F'] <= -0.5"
    model = SeldonianClassifier(MLP, constraints=text, max_epochs=4, random_state=0)
    with pytest.warns(NoSolutionFoundWarning):
        model.fit(X, y, sensitive_features=group)
    (result,) = model.certificate_.results
    assert result.method.startswith("box")
    assert result.bound > result.estimate


def test_a_preprocessor_that_drops_rows_is_refused(blobs):
    X, y = blobs
    dropping = FunctionTransformer(lambda X: X[: len(X) - 1])
    with pytest.raises(ValueError, match="returned 499 rows for 500 rows"):
        SeldonianClassifier(MLP, constraints="ACC >= 0.7", preprocessor=dropping).fit(X, y)


@pytest.mark.parametrize("labels", [(1.0, 2.0), ("1", "2"), (1, 2)])
def test_an_index_that_could_be_a_label_is_refused(blobs, labels):
    X, y = blobs
    with pytest.raises(ConstraintNameError, match="could be a position or a label"):
        SeldonianClassifier(MLP, constraints="PR_[1] <= 0.5").fit(X, np.array(labels)[y])


class Backwards(ClassifierMixin, BaseEstimator):
    """Always predicts the true label; its classes are not sorted."""

    classes_ = np.array(["b", "a", "c"])

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return X[:, 0]


def test_certify_reads_classes_in_any_order():
    rng = np.random.default_rng(0)
    y = rng.choice(["a", "b", "c"], size=600)
    wrong = np.where(y == "a", "b", np.where(y == "b", "a", "c"))
    right, swapped = (
        certify(Backwards(), predicted[:, None], y, "ACC >= 0.6") for predicted in (y, wrong)
    )
    assert right.results[0].estimate == 1.0
    assert swapped.results[0].estimate == pytest.approx((wrong == y).mean())
    assert not swapped.passed


def test_what_predict_does_is_fixed_by_fit(blobs):
    X, _ = blobs
    model = SeldonianClassifier(
        MLP, constraints="ACC >= 0.6", decision="sample", random_state=0, max_epochs=3
    ).fit(*blobs)
    model.set_params(decision="argmax")
    drawn = [model.predict(X) for _ in range(2)]
    assert not np.array_equal(*drawn)


def test_a_level_only_safety_rows_have_is_no_solution(blobs, groups):
    mask = np.arange(1000) % 2 == 0
    groups.loc[mask & (groups["age"] > 60), "race"] = "Q"
    model = SeldonianClassifier(MLP, constraints="max(PR, by=race) <= 0.99", random_state=0)
    with pytest.warns(NoSolutionFoundWarning, match="no candidate row has: race == 'Q'"):
        model.fit(*blobs, sensitive_features=groups, safety_mask=mask)


def test_a_measure_cannot_write_to_what_is_tested(blobs):
    def cheat(y, prediction, probabilities):
        prediction[:] = y
        return np.ones(len(y))

    measure = RowMeasure("Cheat", cheat, range=(0, 2))
    model = SeldonianClassifier(MLP, constraints=["ACC >= 0.7", "Cheat <= 1.5"], measures=[measure])
    with pytest.raises((ValueError, RuntimeError)):
        model.fit(*blobs)


class Careless(Backwards):
    """Returns its input as probabilities."""

    classes_ = np.array([0, 1])

    def predict(self, X):
        return X.argmax(axis=1)

    def predict_proba(self, X):
        return X


def test_rows_that_are_no_probabilities_never_pass():
    probabilities = np.r_[np.tile([0.1, 0.1], (250, 1)), np.tile([0.9, 0.0], (250, 1))]
    y = np.tile([0, 1], 250)
    assert not certify(Careless(), probabilities, y, "PR <= 0.2", decision="sample").passed
    proper = np.tile([0.9, 0.1], (500, 1))
    assert certify(Careless(), proper, y, "PR <= 0.2", decision="sample").passed


class Short(Careless):
    def predict(self, X):
        return super().predict(X)[1:]


def test_as_many_labels_as_rows_are_expected():
    X = np.tile([0.9, 0.1], (50, 1))
    with pytest.raises(ValueError, match=r"Short\.predict has 49 values for 50 rows"):
        certify(Short(), X, np.tile([0, 1], 25), "PR <= 0.9")
