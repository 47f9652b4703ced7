"""The value of an expression."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sklearn_seldonian.constraints import (
    Schema,
    bind,
    constant_value,
    dual,
    estimate,
    interval,
    parse,
)
from sklearn_seldonian.constraints._interval import Interval

SCHEMA = Schema((0, 1), 1, {"race": ("A", "B", "C")})


def bound(text):
    return bind(parse(text), SCHEMA)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 4 / 2", 5.0),
        ("2 ** 3 ** 2", 512.0),
        ("-2 ** 2", -4.0),
        ("pow(2, 3) + sqrt(4) + abs(-1) + exp(0) + log(e)", 13.0),
        ("min(3, 1, 2) + max(3, 1, 2) + pi", 4.0 + math.pi),
        ("0 / 0", math.nan),
        ("1 / 0", math.inf),
        ("log(-1)", math.nan),
        ("exp(1000)", math.inf),
        ("max(0 / 0, 1)", math.nan),
        ("PR", None),
        ("1 + PR", None),
    ],
)
def test_constants(text, value):
    assert constant_value(bound(text).g) == (
        value if value is None else pytest.approx(value, nan_ok=True)
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("PR * FPR", 0.08),
        ("max(PR, FPR) - min(PR, FPR)", 0.2),
        ("PR ** 2 / FPR", 0.04 / 0.4),
        ("NR", 0.8),
    ],
)
def test_estimates_and_slopes(text, value):
    g = bound(f"{text} <= 0").g
    rates = {"PR": 0.2, "FPR": 0.4}
    means = {mean: rates[str(mean)] for mean in bound(f"{text} <= 0").estimands}
    assert estimate(g, means) == pytest.approx(value)
    point = dual(g, means)
    assert point.value == pytest.approx(value)
    for i, mean in enumerate(means):
        moved = {**means, mean: means[mean] + 1e-6}
        assert point.gradient[i] == pytest.approx((estimate(g, moved) - value) / 1e-6, abs=1e-4)


def test_means_of_quantifiers():
    constraint = bound("mean(PR, by=race) <= 0")
    values = dict(zip(constraint.estimands, (0.1, 0.2, 0.6), strict=True))
    assert estimate(constraint.g, values) == pytest.approx(0.3)
    box = {mean: Interval(value, value + 0.1) for mean, value in values.items()}
    assert interval(constraint.g, box).high == pytest.approx(0.4)


@pytest.mark.parametrize("text", ["log(PR)", "exp(1e6 * PR) * FPR", "sqrt(PR) / PR", "PR ** -1"])
def test_undefined_slopes_are_silent(text):
    constraint = bound(f"{text} <= 0")
    point = dual(constraint.g, dict.fromkeys(constraint.estimands, 0.0))
    assert not np.isfinite(point.value) or point.gradient.shape
    high = dual(constraint.g, dict.fromkeys(constraint.estimands, 1.0))
    assert not math.isnan(high.value)
