"""Knots of additive models are quantiles of the distinct values of each feature."""

import numpy as np
import pytest
import torch

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.learners.lagrangian._batches import Inputs
from sklearn_seldonian.learners.lagrangian._knots import (
    DEVIATION,
    MAX_FEATURES,
    knots_of,
    knots_to_compare,
)
from sklearn_seldonian.modules import AdditiveModel


def inputs(values):
    return Inputs(torch.as_tensor(values, dtype=torch.float32))


def knots(values):
    return np.array(knots_of(inputs(values))).reshape(-1, 4)


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
    seen = []
    model.layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(torch.as_tensor(values, dtype=torch.float32))
    hinges = seen[0][:, 2:].numpy()
    np.testing.assert_allclose(hinges.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(hinges.std(axis=0), DEVIATION, rtol=1e-4)


@pytest.mark.parametrize(
    ("values", "n_knots"),
    [
        (np.tile(np.arange(6.0), 10)[:, None], 4),
        (np.tile(np.arange(5.0), 10)[:, None], 0),  # too few distinct values
        (np.c_[np.arange(9.0), np.arange(9.0) % 2], 4),
        (np.c_[np.arange(80.0), np.full(80, np.nan), np.full(80, np.inf)], 4),
        (np.arange(40.0).reshape(10, 2, 2), 16),  # images
    ],
)
def test_features_with_several_finite_values_have_knots(values, n_knots):
    assert len(knots(values)) == n_knots


@pytest.mark.parametrize(
    ("values", "n_labelled", "n_knots"),
    [
        (np.arange(50.0)[:, None], 40, 4),
        (np.arange(50.0)[:, None], 39, 0),  # fewer than ten labelled rows per knot
        (np.tile(np.arange(90.0)[:, None], (1, 2)), 80, 8),
        (np.tile(np.arange(90.0)[:, None], (1, 2)), 79, 0),
        (np.arange(400.0).reshape(100, 2, 2), 1000, 0),  # images
        (np.zeros((100, MAX_FEATURES)) + np.arange(100.0)[:, None] ** 0.5, 10**6, 4 * MAX_FEATURES),
        (np.zeros((100, MAX_FEATURES + 1)) + np.arange(100.0)[:, None], 10**6, 0),
    ],
)
def test_an_additive_model_is_compared_if_rows_are_enough(values, n_labelled, n_knots):
    assert len(knots_to_compare(inputs(values), n_labelled)) == n_knots


def test_sorted_rows_have_the_same_knots_as_shuffled_ones():
    values = np.sort(np.random.default_rng(0).normal(size=20_000))
    shuffled = np.random.default_rng(1).permutation(values)
    np.testing.assert_allclose(
        knots(values[:, None])[:, 1], knots(shuffled[:, None])[:, 1], atol=0.2
    )
    np.testing.assert_allclose(knots(values[:, None])[:, 1].mean(), 0.0, atol=0.1)


@pytest.mark.parametrize("given", [None, [[0, 0.5, 0, 1]], np.array([[0, 0.5, 0, 1]])])
def test_an_additive_model_of_few_rows_is_saved_with_its_knots(given, tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 3))
    params = {} if given is None else {"module__knots": given}
    params |= {"module": AdditiveModel, "constraints": "ACC >= 0.1"}
    model = SeldonianClassifier(random_state=0, **params).fit(X, (X[:, 0] > 0).astype(int))
    assert len(model.module_.positions) == (12 if given is None else 1)
    model.save_params(tmp_path / "weights")
    loaded = SeldonianClassifier(**params).load_params(tmp_path / "weights")
    assert np.array_equal(loaded.decision_function(X), model.decision_function(X))


def test_an_additive_model_without_knots_is_linear():
    X = np.random.default_rng(0).integers(0, 3, size=(300, 2)).astype(float)
    model = SeldonianClassifier(module=AdditiveModel, constraints="ACC >= 0.1", random_state=0)
    model.fit(X, (X[:, 0] > 0).astype(int))
    assert model.module_.layer.in_features == 2
    assert model.score(X, (X[:, 0] > 0).astype(int)) > 0.9
