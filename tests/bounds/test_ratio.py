import math
from itertools import product

import numpy as np
import pytest
from certificates_bounds import ratio_coverage

from sklearn_seldonian.bounds import rate_ratio_certified, rate_ratio_upper, two_rate_p_value
from sklearn_seldonian.bounds._score import score_statistic


@pytest.mark.parametrize("delta", [0.05, 0.2])
@pytest.mark.parametrize("trials", [(3, 3), pytest.param((4, 5), marks=pytest.mark.slow)])
@pytest.mark.thinned(2)
def test_no_bound_is_below_the_true_ratio_more_often_than_delta(trials, delta):
    """Summed over all tables. `benchmarks/certificates_bounds.py` has sizes up to 12."""
    assert ratio_coverage(trials, delta) <= delta


@pytest.mark.parametrize(
    ("successes", "trials", "delta", "edge"),
    [((1, 4), (5, 5), 0.2, 1 / 1.4658), ((70, 75), (200, 200), 0.05, 1.1633)],
)
def test_the_bound_is_the_edge_of_the_limits_that_are_all_rejected(successes, trials, delta, edge):
    bound = rate_ratio_upper(successes, trials, delta)
    assert bound == pytest.approx(edge, rel=1e-3)
    for limit in bound * np.geomspace(1.0001, 20, 60):
        assert two_rate_p_value(successes, trials, (1.0, -limit), 0.0, delta) <= delta
    just_below = (bound * (1 - share) for share in (0.0005, 0.002, 0.004))
    p_values = [two_rate_p_value(successes, trials, (1, -r), 0.0, delta) for r in just_below]
    assert max(p_values) > delta


def test_limits_that_pass_beyond_one_that_fails_do_not_count():
    """The p-value is not monotone: 1 / 1.6 is rejected, but 1 / 1.48, which is larger, is not."""
    table = (1, 4), (5, 5)
    assert two_rate_p_value(*table, (1, -1 / 1.6), 0.0, 0.2) <= 0.2
    assert two_rate_p_value(*table, (1, -1 / 1.48), 0.0, 0.2) > 0.2
    assert not rate_ratio_certified(*table, 1 / 1.6, 0.2)


@pytest.mark.parametrize("limit", [0.0, 0.2, 0.68, 0.683, 1.0, 1.25, 40.0, math.inf])
def test_verdict_and_bound_agree(limit, whole):
    for table in list(product(range(6), range(4)))[:: 1 if whole else 5]:
        bound = rate_ratio_upper(table, (5, 3), 0.2)
        assert rate_ratio_certified(table, (5, 3), limit, 0.2) == (bound <= limit), table


def test_the_score_statistic_decreases_with_the_ratio():
    limits = np.geomspace(0.05, 20, 60)
    for x1, x2 in product(range(8), range(1, 6)):
        table = np.array([float(x1)]), np.array([float(5 - x2)])
        found = [float(score_statistic(*table, (7.0, 5.0), (1.0, r), r)[0]) for r in limits]
        assert np.all(np.diff(found) < 1e-9), (x1, x2)


@pytest.mark.parametrize(
    ("successes", "trials"),
    [((0, 0), (5, 5)), ((3, 0), (5, 5)), ((0, 3), (0, 5)), ((math.nan, 3), (5, 5))],
)
def test_nothing_is_known_without_events_of_the_second_rate(successes, trials):
    assert rate_ratio_upper(successes, trials, 0.05) == math.inf
    assert not rate_ratio_certified(successes, trials, 100.0, 0.05)


def test_no_events_at_all_of_the_first_rate():
    assert 0 < rate_ratio_upper((0, 50), (50, 50), 0.05) < 0.1
    assert 0 < rate_ratio_upper((0, 30_000), (40_000, 40_000), 0.05) < 0.001


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="exactly two rates"):
        rate_ratio_upper([1], [2], 0.05)
    with pytest.raises(ValueError, match="must be between 0 and"):
        rate_ratio_upper([3, 1], [2, 2], 0.05)
    with pytest.raises(ValueError, match="delta="):
        rate_ratio_upper([1, 1], [2, 2], 0.0)
