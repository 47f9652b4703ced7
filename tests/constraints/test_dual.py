"""A dual number has the value and the slope of an expression."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sklearn_seldonian.constraints import exact_dual
from sklearn_seldonian.constraints._dual import Dual
from tests.constraints._trees import resolved

X, Y = 0.3, 0.7
NOTHING = np.zeros(2)
x, y = Dual(X, np.array([1.0, 0.0])), Dual(Y, np.array([0.0, 1.0]))
three = Dual(3.0, NOTHING)

FUNCTIONS = {
    "sum": (lambda x, y: x + y, lambda x, y: x + y),
    "difference": (lambda x, y: x - y, lambda x, y: x - y),
    "product": (lambda x, y: x * y, lambda x, y: x * y),
    "quotient": (lambda x, y: x / y, lambda x, y: x / y),
    "power": (lambda x, y: x**y, lambda x, y: x**y),
    "constant power": (lambda x, y: x**three, lambda x, y: x**3),
    "exp": (lambda x, y: x.exp(), lambda x, y: math.exp(x)),
    "log": (lambda x, y: y.log(), lambda x, y: math.log(y)),
    "sqrt": (lambda x, y: x.sqrt(), lambda x, y: math.sqrt(x)),
    "abs below zero": (lambda x, y: abs(x - y), lambda x, y: abs(x - y)),
    "abs above zero": (lambda x, y: abs(y - x), lambda x, y: abs(y - x)),
    "minimum": (lambda x, y: y.minimum(x), min),
    "maximum": (lambda x, y: x.maximum(y), max),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_and_slope(name):
    on_duals, on_numbers = FUNCTIONS[name]
    dual, step = on_duals(x, y), 1e-6
    slopes = [
        (on_numbers(X + step, Y) - on_numbers(X - step, Y)) / (2 * step),
        (on_numbers(X, Y + step) - on_numbers(X, Y - step)) / (2 * step),
    ]
    assert dual.value == on_numbers(X, Y)
    np.testing.assert_allclose(dual.gradient, slopes, atol=1e-8)


def number(value):
    return Dual(value, np.zeros(0))


@pytest.mark.parametrize(
    ("dual", "value"),
    [
        (number(0.0) / number(0.0), math.nan),
        (number(1.0) / number(0.0), math.inf),
        (number(-1.0) / number(0.0), -math.inf),
        (number(math.nan) / number(0.0), math.nan),
        (number(0.0).log(), -math.inf),
        (number(-1.0).log(), math.nan),
        (number(0.0).sqrt(), 0.0),
        (number(-1.0).sqrt(), math.nan),
        (number(800.0).exp(), math.inf),
        (number(-math.inf).exp(), 0.0),
        (number(0.0) ** number(0.5), 0.0),
        (number(0.0) ** number(0.0), 1.0),
        (number(0.0) ** number(-1.0), math.inf),
        (number(-0.5) ** number(0.5), math.nan),
        (number(-0.5) ** number(3.0), -0.125),
        (number(1e200) ** number(2.0), math.inf),
        (number(-1e200) ** number(3.0), -math.inf),
        (number(math.nan).minimum(number(1.0)), math.nan),
        (number(1.0).minimum(number(math.nan)), math.nan),
        (number(math.nan).maximum(number(1.0)), math.nan),
        (number(1.0).maximum(number(math.nan)), math.nan),
        (abs(number(math.nan)), math.nan),
    ],
)
def test_where_a_function_ends(dual, value):
    assert dual.value == pytest.approx(value, nan_ok=True)


def test_a_root_has_a_value_where_it_has_no_slope():
    root = Dual(0.0, np.array([1.0])) ** Dual(0.5, np.array([0.0]))
    assert root.value == 0.0
    assert not np.isfinite(root.gradient).any()


def test_exact_slopes_where_floats_cancel():
    constraint = resolved("(PR + 1e17) * FPR - 1e17 * FPR <= 0.01")
    values = {mean: {"PR": 0.5, "FPR": 0.25}[str(mean)] for mean in constraint.estimands}
    point = exact_dual(constraint.g, values)
    slopes = dict(zip(map(str, values), point.gradient, strict=True))
    assert point.value == pytest.approx(0.125 - 0.01)
    assert slopes == {"PR": 0.25, "FPR": 0.5}
