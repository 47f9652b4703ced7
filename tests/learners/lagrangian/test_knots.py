"""Knots of additive models are quantiles of the distinct values of each feature."""

import numpy as np
import pytest
import torch

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.learners.lagrangian._batches import Inputs
from sklearn_seldonian.learners.lagrangian._knots import DEVIATION, MAX_FEATURES, knots_of
from sklearn_seldonian.modules import AdditiveModel


def knots(values):
    return np.array(knots_of(Inputs(torch.as_tensor(values, dtype=torch.float32)))).reshape(-1, 4)


def test_knots_divide_the_distinct_values_equally():
    values = np.repeat(np.arange(11.0), [90, *[1] * 10])  # most rows have the value 0
    found = knots(values[:, None])
    np.testing.assert_allclose(found[:, 1], [2, 4, 6, 8])
    np.testing.assert_array_equal(found[:, 0], 0)


def test_hinge_functions_are_standardised_to_the_same_deviation():
    values = np.random.default_rng(0).gamma(1.0, 50.0, size=(400, 2))
    found = knots(values)
    assert found[:, 0].tolist() == [0.0] * 4 + [1.0] * 4
    model = AdditiveModel(2, 3, found.tolist())
    inputs = []
    model.layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    model(torch.as_tensor(values, dtype=torch.float32))
    hinges = inputs[0][:, 2:].numpy()
    np.testing.assert_allclose(hinges.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(hinges.std(axis=0), DEVIATION, rtol=1e-4)


@pytest.mark.parametrize(
    ("values", "n_knots"),
    [
        (np.tile(np.arange(6.0), 10)[:, None], 4),
        (np.tile(np.arange(5.0), 10)[:, None], 0),  # too few distinct values
        (np.arange(40.0)[:, None], 4),
        (np.arange(39.0)[:, None], 0),  # fewer than ten rows per knot
        (np.c_[np.arange(40.0), np.arange(40.0) % 2], 4),
        (np.c_[np.arange(80.0), np.full(80, np.nan), np.full(80, np.inf)], 4),
        (np.tile(np.arange(40.0)[:, None], (1, 2)), 0),
        (np.zeros((40, 2, 2)), 0),  # images
        (np.tile(np.arange(2000.0)[:, None], (1, MAX_FEATURES + 1)), 0),
    ],
)
def test_too_few_rows_or_values_have_no_knots(values, n_knots):
    assert len(knots(values)) == n_knots


def test_sorted_rows_have_the_same_knots_as_shuffled_ones():
    values = np.sort(np.random.default_rng(0).normal(size=20_000))
    shuffled = np.random.default_rng(1).permutation(values)
    np.testing.assert_allclose(
        knots(values[:, None])[:, 1], knots(shuffled[:, None])[:, 1], atol=0.2
    )
    np.testing.assert_allclose(knots(values[:, None])[:, 1].mean(), 0.0, atol=0.1)


def test_an_additive_model_without_knots_is_linear():
    X = np.random.default_rng(0).integers(0, 3, size=(300, 2)).astype(float)
    model = SeldonianClassifier(module=AdditiveModel, constraints="ACC >= 0.1", random_state=0)
    model.fit(X, (X[:, 0] > 0).astype(int))
    assert model.module_.layer.in_features == 2
    assert model.score(X, (X[:, 0] > 0).astype(int)) > 0.9
