"""An interval contains all values of its expression."""

from __future__ import annotations

import math
import operator
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_seldonian.constraints._interval import WHOLE_LINE, Interval

INF = math.inf


@pytest.mark.parametrize(
    ("result", "low", "high"),
    [
        (Interval(1, 2) + Interval(3, 5), 4, 7),
        (Interval(1, 2) - Interval(3, 5), -4, -1),
        (Interval(-INF, 2) + Interval(1, INF), -INF, INF),
        (Interval(INF, INF) - Interval(INF, INF), -INF, INF),
        (Interval(-1, 2) * Interval(3, 5), -5, 10),
        (Interval(0, 1) * WHOLE_LINE, -INF, INF),
        (Interval(0, 0) * WHOLE_LINE, 0, 0),
        (Interval(1, 2) / Interval(2, 4), 0.25, 1),
        (Interval(1, 2) / Interval(0, 4), 0.25, INF),
        (Interval(1, 2) / Interval(-4, 0), -INF, -0.25),
        (Interval(1, 2) / Interval(-1, 1), -INF, INF),
        (Interval(1, 2) / Interval(0, 0), -INF, INF),
        (Interval(0, 1) / Interval(0, 1), 0, INF),
        (Interval(1, 2) / Interval(1, INF), 0, 2),
        (abs(Interval(-3, 2)), 0, 3),
        (abs(Interval(-3, -2)), 2, 3),
        (abs(Interval(2, 3)), 2, 3),
        (-Interval(1, 2), -2, -1),
        (Interval(0, 1).log(), -INF, 0),
        (Interval(-0.1, 1).log(), -INF, INF),
        (Interval(math.nan, 1).log(), -INF, INF),
        (Interval(0, 4).sqrt(), 0, 2),
        (Interval(-1, 4).sqrt(), -INF, INF),
        (Interval(-INF, 1000).exp(), 0, INF),
        (Interval(-2, 3) ** Interval.point(2), 0, 9),
        (Interval(-2, 3) ** Interval.point(3), -8, 27),
        (Interval(-2, 3) ** Interval.point(0), 1, 1),
        (Interval(2, 4) ** Interval.point(-1), 0.25, 0.5),
        (Interval(0, 2) ** Interval.point(-2), 0.25, INF),
        (Interval(-1, 2) ** Interval.point(-1), -INF, INF),
        (Interval(-1, 2) ** Interval.point(0.5), -INF, INF),
        (Interval(0, 4) ** Interval.point(0.5), 0, 2),
        (Interval(0, 1) ** Interval(0, 1), 0, 1),
        (Interval(1e200, 1e300) ** Interval.point(2), sys.float_info.max, INF),
        (Interval(-1e300, 1) ** Interval.point(3), -INF, 1),
        (Interval(0, 1) ** Interval.point(1e300), 0, 1),
        (Interval(1, 3).minimum(Interval(2, 2.5)), 1, 2.5),
        (Interval(1, 3).maximum(Interval(2, 2.5)), 2, 3),
    ],
)
def test_table(result, low, high):
    assert (result.low, result.high) == (pytest.approx(low), pytest.approx(high))


numbers = st.floats(-5, 5)
OPERATIONS = {
    "add": (operator.add, Interval.__add__),
    "subtract": (operator.sub, Interval.__sub__),
    "multiply": (operator.mul, Interval.__mul__),
    "divide": (operator.truediv, Interval.__truediv__),
    "power": (operator.pow, Interval.__pow__),
    "minimum": (min, Interval.minimum),
    "maximum": (max, Interval.maximum),
    "exp": (lambda x, y: math.exp(x), lambda x, y: x.exp()),
    "log": (lambda x, y: math.log(x), lambda x, y: x.log()),
    "sqrt": (lambda x, y: math.sqrt(x), lambda x, y: x.sqrt()),
    "abs": (lambda x, y: abs(x), lambda x, y: abs(x)),
}


@pytest.mark.parametrize("name", OPERATIONS)
@given(
    x=st.tuples(numbers, numbers, st.floats(0, 1)), y=st.tuples(numbers, numbers, st.floats(0, 1))
)
@pytest.mark.thinned(2)
def test_contains_what_is_inside(name, x, y):
    on_numbers, on_intervals = OPERATIONS[name]
    (a, whole_a), (b, whole_b) = _inside(*x), _inside(*y)
    try:
        value = on_numbers(a, b)
    except (ValueError, ZeroDivisionError, OverflowError):
        return
    if isinstance(value, complex):
        return
    answer = on_intervals(whole_a, whole_b)
    slack = 1e-12 * max(1.0, abs(value)) if math.isfinite(value) else 0.0
    assert answer.low - slack <= value <= answer.high + slack


def _inside(one, other, share):
    low, high = min(one, other), max(one, other)
    return min(max(low + share * (high - low), low), high), Interval(low, high)
