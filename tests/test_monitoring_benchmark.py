"""The benchmark of monitors: its boundaries agree with the literature, and it can fail."""

import monitoring
import numpy as np
import pytest
from monitoring import (
    CASES,
    alarm_counts,
    alarms_of_a_mean,
    alarms_of_a_rate,
    alarms_of_a_sum,
    alarms_of_windows,
    by_beta_binomial,
    by_monitor,
    by_normal_mixture,
    log_beta_binomial,
    log_normal_mixture,
    rows_of_one_test,
    rows_proved,
)

from sklearn_seldonian.bounds import RateStream


def test_boundaries_are_those_of_the_authors():
    """Values of the tests of their package confseq, with s = 10 and v = v_opt = 100."""
    assert log_normal_mixture(10, 100, 100, 0.05) == pytest.approx(-0.06502391, abs=1e-7)
    # g = .2, h = .8: 625 rows against a rate of .2, ten successes more than expected.
    assert log_beta_binomial(135, 625, 0.2, 100, 0.05) == pytest.approx(-0.07134019, abs=1e-7)


def test_alarm_counts_are_the_fewest_that_prove_it():
    fewest = alarm_counts(0.3, 0.05, 40)
    assert (np.diff(fewest) >= 0).all()
    for rows in (5, 20, 40):
        k = int(fewest[rows - 1])
        refuted = [
            RateStream(j, rows).log_capital(np.array([0.3]))[0] >= np.log(20)
            for j in range(k - 1, min(k, rows) + 1)
        ]
        assert refuted == [False, True][: len(refuted)]


def test_few_streams_alarm_at_the_limit_and_all_beyond_it():
    assert alarms_of_a_rate(0.3, 500, 40, 0) <= 6
    assert alarms_of_windows(0.3, 2000, 20, 0) <= 4
    assert alarms_of_a_sum((0.4, 0.3), (1, -1), 300, 5, 0) <= 2
    assert alarms_of_a_mean(lambda rng, n: rng.random(n), 0.5, 500, 20, 0) <= 4
    assert alarms_of_a_mean(lambda rng, n: rng.random(n), 0.3, 500, 20, 0) == 20


@pytest.mark.parametrize("case", CASES[:1], ids=lambda case: case.name)
def test_each_way_proves_a_gross_violation(case):
    once = rows_of_one_test(case)
    assert 5 < once < 40
    for proves in (by_monitor(case), by_beta_binomial(case, 40), by_normal_mixture(case, 40)):
        median, tenth = rows_proved(case, proves, 10, 300)
        assert median <= tenth < 300


def test_a_share_of_alarms_above_delta_fails(monkeypatch):
    monkeypatch.setattr(monitoring, "alarms_of_a_rate", lambda *_: 30)
    with pytest.raises(AssertionError, match=r"rate \.02"):
        monitoring.report_alarms(200, 40)
