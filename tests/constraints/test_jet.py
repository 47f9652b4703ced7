"""Intervals with slopes contain the values and the slopes at every point of a box."""

import math

import numpy as np
import pytest

from sklearn_seldonian.constraints import Jet

LOW, HIGH = np.array([[0.2, 0.5], [0.3, 0.3]]), np.array([[0.4, 0.9], [0.3, 0.8]])

FUNCTIONS = {
    "sum": (lambda a, b: a + b, lambda a, b: (a + b, 1, 1)),
    "difference": (lambda a, b: a - b, lambda a, b: (a - b, 1, -1)),
    "negative": (lambda a, b: -a, lambda a, b: (-a, -1, 0)),
    "product": (lambda a, b: a * b, lambda a, b: (a * b, b, a)),
    "quotient": (lambda a, b: a / b, lambda a, b: (a / b, 1 / b, -a / b**2)),
    "exp": (lambda a, b: (a * b).exp(), lambda a, b: (e := math.exp(a * b), b * e, a * e)),
    "log": (lambda a, b: a.log(), lambda a, b: (math.log(a), 1 / a, 0)),
    "sqrt": (lambda a, b: b.sqrt(), lambda a, b: (b**0.5, 0, 0.5 * b**-0.5)),
    "square": (
        lambda a, b: (a - b) ** Jet.constant(2.0, LOW.shape),
        lambda a, b: ((a - b) ** 2, 2 * (a - b), -2 * (a - b)),
    ),
    "power": (
        lambda a, b: a ** Jet.constant(1.5, LOW.shape),
        lambda a, b: (a**1.5, 1.5 * a**0.5, 0),
    ),
    "abs": (
        lambda a, b: abs(a - b),
        lambda a, b: (abs(a - b), np.sign(a - b), -np.sign(a - b)),
    ),
    "max": (lambda a, b: a.maximum(b), lambda a, b: (max(a, b), a > b, b > a)),
    "min": (lambda a, b: a.minimum(b), lambda a, b: (min(a, b), a < b, b < a)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_contains_values_and_slopes(name):
    function, expected = FUNCTIONS[name]
    jet = function(*(Jet.coordinate(LOW, HIGH, j) for j in range(2)))
    rng = np.random.default_rng(0)
    for box in range(2):
        for point in rng.uniform(LOW[box], HIGH[box], (200, 2)):
            value, *slopes = expected(*point)
            assert jet.low[box] - 1e-12 <= value <= jet.high[box] + 1e-12
            assert (jet.slope_low[box] - 1e-12 <= slopes).all()
            assert (slopes <= jet.slope_high[box] + 1e-12).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_is_exact_at_a_point(name):
    function, expected = FUNCTIONS[name]
    jet = function(*(Jet.coordinate(LOW, LOW, j) for j in range(2)))
    value, *slopes = expected(*LOW[0])
    assert [jet.low[0], jet.high[0]] == pytest.approx([value, value])
    slopes = [float(slope) for slope in slopes]
    assert jet.slope_low[0].tolist() == pytest.approx(slopes)
    assert jet.slope_high[0].tolist() == pytest.approx(slopes)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: Jet.constant(1.0, (1, 1)) / x,
        lambda x: x.log(),
        lambda x: x.sqrt(),
        lambda x: x ** Jet.constant(0.5, (1, 1)),
    ],
)
def test_what_may_be_undefined_has_no_finite_end(function):
    with np.errstate(all="ignore"):
        across_zero = function(Jet.coordinate(np.array([[-1.0]]), np.array([[2.0]]), 0))
        above_zero = function(Jet.coordinate(np.array([[1.0]]), np.array([[2.0]]), 0))
    assert not np.isfinite(across_zero.high).any()
    assert not np.isfinite(across_zero.slopes).all()
    assert np.isfinite(above_zero.high).all()
    assert np.isfinite(above_zero.slopes).all()
