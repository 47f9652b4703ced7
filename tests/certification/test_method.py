"""The guarantee of each method, and whether its bound is within a limit."""

import pytest

from sklearn_seldonian.certification._fields import GUARANTEES
from sklearn_seldonian.certification._method import BETTING, CLOPPER_PEARSON, GUARANTEE_OF, Method


def never(*_):
    raise AssertionError("the bound need not be computed")


@pytest.mark.parametrize(
    ("name", "guarantee"),
    [(CLOPPER_PEARSON, "exact"), (BETTING, "finite-sample"), ("delta method", "asymptotic")],
)
def test_the_guarantee_of_a_test_follows_from_its_name(name, guarantee):
    assert Method(name, never, never).guarantee == guarantee


def test_every_promise_is_one_that_there_is():
    assert set(GUARANTEE_OF.values()) == set(GUARANTEES)


@pytest.mark.parametrize(("limit", "kept"), [(0.29, False), (0.3, True), (1.0, True)])
def test_a_limit_is_kept_where_the_bound_is_at_most_the_limit(limit, kept):
    assert Method(BETTING, lambda delta: 0.3, never).at_most(limit, 0.05) is kept


def test_a_faster_way_to_decide_is_used():
    method = Method(BETTING, never, never, lambda limit, delta: limit > 2 * delta)
    assert [method.at_most(limit, 0.1) for limit in (0.1, 0.3)] == [False, True]
