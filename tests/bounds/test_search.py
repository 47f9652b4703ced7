"""The smallest number from which a condition holds, from any starting point."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from sklearn_seldonian.bounds._search import halve, smallest_certified


@pytest.mark.parametrize("edge", [0.0, 1e-9, 0.3, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("halvings", [0, 1, 10, 50])
def test_halving_ends_where_the_condition_holds_and_near_the_edge(edge, halvings):
    found = halve(lambda value: value >= edge, 0.0, 1.0, halvings)
    assert edge <= found <= edge + 0.5**halvings


def test_the_number_of_halvings_is_the_given_one():
    asked = []
    assert halve(lambda value: asked.append(value) or False, -2.0, 6.0, 3) == 6.0
    assert asked == [2.0, 4.0, 5.0]
    asked.clear()
    assert halve(lambda value: not asked.append(value), -2.0, 6.0, 3) == -1.0
    assert asked == [2.0, 0.0, -1.0]


@pytest.mark.parametrize("edge", [-7.25, -1e-300, 1e-12, 0.1 + 0.2, 1.0, 12345.678])
@pytest.mark.parametrize("estimate", [-100.0, 0.0, 0.5, 3e4])
@pytest.mark.parametrize("width", [1e-6, 1.0])
def test_the_first_float_that_is_certified_is_found_from_both_sides(edge, estimate, width):
    found = smallest_certified(lambda c: 0.01 if c >= edge else 0.9, estimate, width, 0.05)
    assert found == edge


@pytest.mark.parametrize("delta", [0.01, 0.05, 0.5, 0.9])
def test_the_bound_of_a_normal_mean_is_its_quantile(delta):
    found = smallest_certified(lambda c: norm.sf((c - 3.0) / 0.2), 3.0, 0.2, delta)
    assert found == pytest.approx(3.0 + 0.2 * norm.isf(delta), rel=1e-12)
    assert norm.sf((found - 3.0) / 0.2) <= delta


@pytest.mark.parametrize("ulps", [(1,), (4,), (8,), (2, 3, 5), (8, 12, 20)])
def test_the_bound_lies_above_floats_that_rounding_keeps_from_being_certified(ulps):
    edge = 0.7
    step = math.ulp(edge)
    uncertified = {edge + k * step for k in ulps}

    def p_value(c):
        return 0.9 if c < edge or c in uncertified else 0.01

    found = smallest_certified(p_value, 0.5, 0.1, 0.05)
    assert found == edge + (max(ulps) + 1) * step
    assert np.nextafter(found, 0.0) in uncertified
