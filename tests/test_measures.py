"""Row measures refuse what they cannot mean; rates know what they condition on."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

from sklearn_seldonian.measures import RATES, RowMeasure, error_range, row_values

Y = np.array([0, 1, 1])
P = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]])


def error(y, prediction, probabilities):
    return (y != prediction).astype(float)


@pytest.mark.parametrize("name", ["1st", "two words", "", "a-b", 3, None])
def test_names(name):
    with pytest.raises(ValueError, match="A measure's name is one word"):
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


def test_copies_are_equal():
    measure = RowMeasure("Error", error, range=(0, 1))
    assert copy.deepcopy(measure) == pickle.loads(pickle.dumps(measure)) == measure


def test_values():
    measure = RowMeasure("Error", error, range=(0, 1))
    decided = row_values([measure], Y, P.argmax(axis=1), P)
    np.testing.assert_array_equal(decided, [[0.0], [0.0], [1.0]])
    drawn = row_values([measure], Y, None, P)
    np.testing.assert_allclose(drawn, [[0.1], [0.4], [0.7]])
    assert row_values([], Y, None, P).shape == (3, 0)


def test_values_outside_the_range():
    measure = RowMeasure("Error", lambda y, p, _: 2 * error(y, p, _), range=(0, 1))
    with pytest.raises(ValueError, match=r"'Error' gave 2, which is outside its range \(0, 1\)"):
        row_values([measure], Y, P.argmax(axis=1), P)


def test_values_of_the_wrong_shape():
    measure = RowMeasure("Error", lambda y, p, _: 0.5)
    with pytest.raises(ValueError, match="must return one number for each of 3 rows"):
        row_values([measure], Y, P.argmax(axis=1), P)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Mean_Error", (-3, 4)), ("Mean_Absolute_Error", (0, 4)), ("Mean_Squared_Error", (0, 16))],
)
def test_ranges_of_errors(name, expected):
    assert error_range(name, targets=(0, 4), predictions=(1, 4)) == expected
    assert math.isinf(error_range(name, (0, math.inf), (1, 4))[name != "Mean_Error"])


@pytest.mark.parametrize("name", RATES)
def test_what_rates_condition_on(name):
    definition = RATES[name]
    rate = definition.rate(name, 3, (1, 2)[: definition.n_indices])
    assert rate.conditions_on_prediction == (name in {"PPV", "FDR", "NPV", "FOR", "Jaccard"})
    assert not (rate.value & ~rate.mask).any()
