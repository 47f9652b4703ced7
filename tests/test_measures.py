"""Row measures refuse invalid definitions, and built-in measures are complete."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error

from sklearn_seldonian.certification._report import _in_words
from sklearn_seldonian.certification._rules import OF_ALL_ROWS
from sklearn_seldonian.constraints import (
    Schema,
    Stratification,
    bind,
    distinct_values,
    estimate,
    parse,
)
from sklearn_seldonian.learners.lagrangian import Classification, Regression
from sklearn_seldonian.learners.lagrangian._tasks import summarised
from sklearn_seldonian.measures import (
    ALIASES,
    CLASSIFICATION_VALUES,
    DEFINITIONS,
    N_THRESHOLDS,
    RATES,
    REGRESSION_VALUES,
    RowMeasure,
    excess,
    row_values,
    thresholds,
)

Y = np.array([0, 1, 1])
P = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]])


def error(y, prediction, probabilities):
    return (y != prediction).astype(float)


@pytest.mark.parametrize("name", ["1st", "two words", "", "a-b", 3, None])
def test_names(name):
    with pytest.raises(ValueError, match="A measure's name must be one word"):
        RowMeasure(name, error)


@pytest.mark.parametrize("range_", [(1, 0), (1, 1), (math.nan, 1)])
def test_ranges(range_):
    with pytest.raises(ValueError, match="must be \\(low, high\\) with low < high"):
        RowMeasure("Error", error, range=range_)


def test_names_may_be_of_any_alphabet():
    assert RowMeasure("Größe", error).name == "Größe"


def test_lists_become_tuples():
    measure = RowMeasure("Error", error, range=[0, 1], rows=["a"])
    assert hash(measure) == hash(RowMeasure("Error", error, range=(0, 1), rows=("a",)))


@pytest.mark.parametrize(
    "measure",
    [
        RowMeasure("Error", error, range=(0, 1)),
        *CLASSIFICATION_VALUES.values(),
        *REGRESSION_VALUES.values(),
    ],
    ids=lambda measure: measure.name,
)
def test_copies_are_equal(measure):
    assert copy.deepcopy(measure) == pickle.loads(pickle.dumps(measure)) == measure
    assert hash(copy.deepcopy(measure)) == hash(measure)


def test_values():
    measure = RowMeasure("Error", error, range=(0, 1))
    decided = row_values([measure], Y, P.argmax(axis=1), P)
    np.testing.assert_array_equal(decided, [[0.0], [0.0], [1.0]])
    drawn = row_values([measure], Y, None, P)
    np.testing.assert_allclose(drawn, [[0.1], [0.4], [0.7]])
    assert row_values([], Y, None, P).shape == (3, 0)


def test_values_outside_the_range():
    measure = RowMeasure("Error", lambda y, p, _: 2 * error(y, p, _), range=(0, 1))
    with pytest.raises(
        ValueError, match=r"'Error' returned 2, which is outside its range \(0, 1\)"
    ):
        row_values([measure], Y, P.argmax(axis=1), P)


def test_values_of_the_wrong_shape():
    measure = RowMeasure("Error", lambda y, p, _: 0.5)
    with pytest.raises(ValueError, match="must return one number for each of the 3 rows"):
        row_values([measure], Y, P.argmax(axis=1), P)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Mean_Error", (-3, 4)), ("Mean_Absolute_Error", (0, 4)), ("Mean_Squared_Error", (0, 16))],
)
def test_ranges_of_errors(name, expected):
    measure = REGRESSION_VALUES[name]
    given = Schema((), None, target_range=(0, 4), prediction_range=(1, 4))
    assert measure.range_for(given) == expected
    open_ended = Schema((), None, target_range=(0, math.inf), prediction_range=(1, 4))
    assert math.isinf(measure.range_for(open_ended)[name != "Mean_Error"])


@pytest.mark.parametrize(("n_classes", "expected"), [(2, (0, 1)), (3, (0, 2))])
def test_range_of_the_brier_score(n_classes, expected):
    schema = Schema(tuple(range(n_classes)), 1)
    assert CLASSIFICATION_VALUES["Brier"].range_for(schema) == expected


def test_the_range_of_a_users_own_measure_is_the_one_given():
    measure = RowMeasure("Error", error, range=(0, 1))
    assert measure.range_for(Schema((0, 1), 1)) == (0, 1)


@pytest.mark.parametrize("name", RATES)
def test_what_rates_condition_on(name):
    definition = RATES[name]
    rate = definition.rate(name, 3, (1, 2)[: definition.n_indices])
    assert rate.conditions_on_prediction == (name in {"PPV", "FDR", "NPV", "FOR", "Jaccard"})
    assert not (rate.numerator & ~rate.denominator).any()


# -- every measure of the language, in all that a measure goes through ---------------------------

N = 300
rng = np.random.default_rng(0)
LABELS = rng.integers(0, 3, N)
SCORES = rng.normal(size=(N, 3))
TARGETS, OUTPUTS = rng.uniform(0, 4, N), rng.uniform(0, 4, (N, 1))
CLASSES = Schema((0, 1, 2), None)
NUMBERS = Schema((), None, target_range=(0, 4), prediction_range=(0, 4))
MANUAL = (Path(__file__).parents[1] / "docs" / "language.md").read_text()
# Class 1 against the rest: labels or targets y, decisions or predictions d, probabilities p.
EXPECTED = {
    "ACC": lambda y, d, p: (d == y).mean(),
    "ERR": lambda y, d, p: (d != y).mean(),
    "PR": lambda y, d, p: (d == 1).mean(),
    "NR": lambda y, d, p: (d != 1).mean(),
    "TPR": lambda y, d, p: (d == 1)[y == 1].mean(),
    "FNR": lambda y, d, p: (d != 1)[y == 1].mean(),
    "FPR": lambda y, d, p: (d == 1)[y != 1].mean(),
    "TNR": lambda y, d, p: (d != 1)[y != 1].mean(),
    "PPV": lambda y, d, p: (y == 1)[d == 1].mean(),
    "FDR": lambda y, d, p: (y != 1)[d == 1].mean(),
    "NPV": lambda y, d, p: (y != 1)[d != 1].mean(),
    "FOR": lambda y, d, p: (y == 1)[d != 1].mean(),
    "Jaccard": lambda y, d, p: ((y == 1) & (d == 1))[(y == 1) | (d == 1)].mean(),
    "CM": lambda y, d, p: (d == 2)[y == 1].mean(),
    "LogLoss": lambda y, d, p: log_loss(y, p),
    "Brier": lambda y, d, p: ((p - np.eye(3)[y]) ** 2).sum(axis=1).mean(),
    "Calibration_Error": lambda y, d, p: (p[:, 1] - (y == 1)).mean(),
    "Mean_Error": lambda y, d, p: (d - y).mean(),
    "Mean_Absolute_Error": lambda y, d, p: mean_absolute_error(y, d),
    "Mean_Squared_Error": lambda y, d, p: mean_squared_error(y, d),
}


def bound(name):
    """A constraint on the measure alone, bound to three classes or to numbers."""
    index = {0: "", 1: "_[1]", 2: "_[1, 2]"}[getattr(DEFINITIONS[name], "n_indices", 0)]
    schema = NUMBERS if name in REGRESSION_VALUES else CLASSES
    return bind(parse(f"{name}{index} <= 0"), schema)


def model_of(name):
    """The task, scores and targets, decisions and probabilities of the measure."""
    if name in REGRESSION_VALUES:
        task, scores, y = Regression(range=(0.0, 4.0)), torch.tensor(OUTPUTS), TARGETS
        return task, scores, y, task.answers(scores), None
    task, scores = Classification(3), torch.tensor(SCORES)
    p = task.answers(scores)
    return task, scores, LABELS, p.argmax(axis=1), p


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_estimate_of_every_measure(name):
    constraint = bound(name)
    (mean,) = constraint.estimands
    task, scores, y, decisions, p = model_of(name)
    codes, values = np.zeros(N, dtype=np.int32), distinct_values([mean])
    statistics = summarised(task, scores, y, codes, Stratification.single(), values)
    value = estimate(constraint.g, {mean: statistics.rate(mean).estimate})
    assert value == pytest.approx(EXPECTED[name](y, decisions, p))


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_words_of_every_measure(name):
    (mean,) = bound(name).estimands
    others = {DEFINITIONS[other].words for other in DEFINITIONS if other != name}
    assert mean.label.partition("_[")[0] == name
    assert _in_words(name, None) == DEFINITIONS[name].words
    assert DEFINITIONS[name].words not in others
    assert f"`{name}" in MANUAL


@pytest.mark.parametrize("name", DEFINITIONS)
def test_which_measures_count_all_rows(name):
    (mean,) = bound(name).estimands
    assert (name in OF_ALL_ROWS) == mean.quantity.denominator.all()


@pytest.mark.parametrize("name", [*CLASSIFICATION_VALUES, *REGRESSION_VALUES])
def test_training_has_the_values_of_the_test(name):
    task, scores, y, decisions, p = model_of(name)
    (mean,) = bound(name).estimands
    measures = (mean.quantity.measure,)
    expected = row_values(measures, y, decisions, p)
    scores.requires_grad_()
    soft = task.soft_values(measures, scores, torch.tensor(y))
    hard = task.decision_values(measures, scores.detach(), torch.tensor(y))
    np.testing.assert_allclose(soft.detach(), expected, rtol=1e-12)
    np.testing.assert_allclose(hard, expected, rtol=1e-12)
    soft.sum().backward()
    assert scores.grad.isfinite().all()
    assert (scores.grad != 0).any()


@pytest.mark.parametrize("name", [*CLASSIFICATION_VALUES, *REGRESSION_VALUES])
def test_values_are_in_the_range_of_the_mean(name):
    _, _, y, decisions, p = model_of(name)
    (mean,) = bound(name).estimands
    values = row_values((mean.quantity.measure,), y, decisions, p)
    low, high = mean.quantity.range
    assert low <= values.min()
    assert values.max() <= high
    assert math.isfinite(high) == (name != "LogLoss")


def test_the_loss_of_a_label_that_was_ruled_out():
    loss = (CLASSIFICATION_VALUES["LogLoss"],)
    assert row_values(loss, np.array([1]), np.array([0]), np.array([[1.0, 0.0]])) == math.inf
    scores = torch.tensor([[300.0, 0.0]], requires_grad=True)
    soft = Classification(2).soft_values(loss, scores, torch.tensor([1]))
    soft.sum().backward()
    assert soft.item() == 300.0
    assert scores.grad.tolist() == [[1.0, -1.0]]


# -- values above a threshold --------------------------------------------------------------------


@pytest.mark.parametrize("range_", [(0.0, 1.0), (-4.0, 4.0), (0.0, 1e-3)])
def test_thresholds(range_):
    found, (low, high) = np.array(thresholds(range_)), range_
    assert len(found) == N_THRESHOLDS
    assert found[0] == low
    gaps = np.diff(found, append=high)
    assert (gaps > 0).all()
    assert gaps.max() <= 1.5 / N_THRESHOLDS * (high - low) * (1 + 1e-9)


def soft_error(probabilities, y):
    return 1.0 - probabilities[torch.arange(len(y)), y]


@pytest.mark.parametrize(
    "measure",
    [
        RowMeasure("Error", error, range=(0, 1)),
        RowMeasure("Error", error, range=(0, 1), rows=(1,), surrogate=soft_error),
        CLASSIFICATION_VALUES["Brier"],
        REGRESSION_VALUES["Mean_Squared_Error"],
    ],
)
def test_values_above_a_threshold(measure):
    above = excess(measure, 0.3)
    assert copy.deepcopy(above) == pickle.loads(pickle.dumps(above)) == above
    assert hash(excess(measure, 0.3)) == hash(above)
    assert excess(measure, 0.3) == above != excess(measure, 0.4)
    assert (above.name, above.rows) == (measure.name, measure.rows)
    task, scores, y, decisions, p = model_of(measure.name)
    values = row_values([measure], y, decisions, p)
    np.testing.assert_allclose(
        row_values([above], y, decisions, p), np.maximum(values - 0.3, 0.0), atol=1e-12
    )
    soft = [task.soft_values([one], scores, torch.tensor(y)) for one in (measure, above)]
    if measure.surrogate is not None or measure.name != "Error":
        np.testing.assert_allclose(soft[1], soft[0].sub(0.3).clip(0.0), atol=1e-12)
    else:  # the expectation over the prediction, which is right or wrong
        np.testing.assert_allclose(soft[1], 0.7 * soft[0], atol=1e-12)


def test_a_measure_is_checked_before_the_threshold():
    measure = RowMeasure("Error", lambda y, p, _: -error(y, p, _), range=(0, 1))
    with pytest.raises(ValueError, match=r"'Error' returned -1, which is outside its range"):
        row_values([excess(measure, 0.5)], Y, P.argmax(axis=1), P)


def test_aliases_are_of_measures():
    assert DEFINITIONS.keys() >= set(ALIASES.values())
