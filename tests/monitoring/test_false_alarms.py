"""A constraint that holds is ever reported as violated with probability at most delta.

Short streams are enumerated and tested after every row. Long streams are simulated.
The long form is `benchmarks/monitoring.py`.
"""

from functools import cache, lru_cache

import numpy as np
import pytest

from sklearn_seldonian.bounds import MeanStream, RateStream, divided_between_edges
from sklearn_seldonian.monitoring import SafetyMonitor
from sklearn_seldonian.monitoring._proofs import Evidence, is_certified, is_violated
from tests.monitoring._people import specification

# A large delta, so that few rows can prove something.
DELTA = 0.3
GAP = "PR | [sex == 'M'] - PR | [sex == 'F'] <= 0.1"
RATIO = "PR | [sex == 'F'] / PR | [sex == 'M'] >= 0.8"


@lru_cache(maxsize=8)
def verdicts(text, delta=DELTA):
    """Whether counts of men and women prove a violation (0), or that the constraint holds (1)."""
    spec = specification(text, levels=None)
    (constraint,) = spec.constraints

    @cache
    def of_counts(men, women, which):
        counts = {'sex == "M"': RateStream(*men), 'sex == "F"': RateStream(*women)}
        streams = {m: counts[str(next(iter(m.conditions)))] for m in constraint.estimands}
        evidence = Evidence(streams, delta, frozenset())
        return (is_violated, is_certified)[which](constraint, evidence)

    return of_counts


def ever(of_counts, which, order, rates):
    """The probability that something is ever proved on rows of the sexes in this `order`."""
    alive, proved, seen = {(0, 0): 1.0}, 0.0, [0, 0]
    for sex in order:
        seen[sex] += 1
        after = {}
        for counts, q in alive.items():
            for x, share in ((0, 1 - rates[sex]), (1, rates[sex])):
                new = tuple(k + x * (i == sex) for i, k in enumerate(counts))
                after[new] = after.get(new, 0.0) + q * share
        pairs = {c: tuple(zip(c, seen, strict=True)) for c in after}
        ended = {c for c, pair in pairs.items() if of_counts(*pair, which)}
        proved += sum(after[c] for c in ended)
        alive = {c: q for c, q in after.items() if c not in ended}
    return proved


ORDERS = {"in turn": [0, 1] * 7, "one after the other": [0] * 7 + [1] * 7}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("text", "at_limit"),
    [(GAP, [(0.1, 0.0), (0.55, 0.45), (1.0, 0.9)]), (RATIO, [(0.3, 0.24), (1.0, 0.8)])],
)
def test_every_short_stream_of_two_groups_adds_up(text, at_limit, order):
    of_counts = verdicts(text)
    for rates in at_limit:
        for which in (0, 1):
            assert ever(of_counts, which, ORDERS[order], rates) <= DELTA
    assert ever(of_counts, 0, ORDERS[order], (0.95, 0.05)) > 0.8
    reached = ever(verdicts(GAP), 1, ORDERS[order], (0.0, 1.0))
    assert reached > 0.8


def drawn_looks(n):
    """The numbers of rows after which a stream of n rows is evaluated, mostly at its beginning."""
    return np.unique(np.geomspace(5, n, 40).astype(int))


@pytest.mark.parametrize(
    ("n_streams", "most"), [(15, 5), pytest.param(400, 58, marks=pytest.mark.slow)]
)
def test_long_streams_at_the_limit_seldom_alarm(n_streams, most):
    """At .1, more alarms among this many streams at the limit have a probability below .003."""
    rng, n, alarms = np.random.default_rng(0), 20_000, 0
    of_counts = verdicts(GAP, 0.1)
    for _ in range(n_streams):
        rows = rng.random((2, n)) < np.array([[0.4], [0.3]])
        counts = np.cumsum(rows, axis=1)
        looks = ([(int(k[i - 1]), int(i)) for k in counts] for i in drawn_looks(n))
        alarms += any(of_counts(*pair, 0) for pair in looks)
    assert alarms <= most


@pytest.mark.parametrize("violating", [False, True])
def test_long_streams_of_numbers_at_the_limit_seldom_alarm(violating):
    spec = specification(
        "MAE <= 0.2", classes=None, levels=None, target_range=(0, 1), prediction_range=(0, 1)
    )
    (constraint,), (mean,) = spec.constraints, spec.estimands
    rng, n, alarms = np.random.default_rng(0), 20_000, 0
    for _ in range(40):
        # Skewed errors with a mean of .2 or .22.
        errors = rng.beta(0.5, 2.0 if not violating else 0.5 / 0.22 - 0.5, n)
        ends = drawn_looks(n)
        parts = [divided_between_edges(part) for part in np.split(errors, ends)[:-1]]
        streams = (MeanStream(weights) for weights in np.cumsum(parts, axis=0))
        alarms += any(
            is_violated(constraint, Evidence({mean: s}, 0.1, frozenset())) for s in streams
        )
    assert alarms > 35 if violating else alarms <= 9


def test_alarms_in_all_windows_together_are_seldom():
    """Restarted after each 250 rows; at .3 more than 22 of 40 streams have probability .0003."""
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(40):
        monitor = SafetyMonitor("PR <= 0.3", 0.3, windows="unlimited")
        for window in range(4):
            if window:
                monitor.restart()
            for _ in range(5):
                monitor.update(1 * (rng.random(50) < 0.3))
        alarms += monitor.to_frame()["violated"].any()
    assert alarms <= 22


def test_a_rate_that_varies_below_its_limit_is_safe_from_alarms():
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(40):
        monitor, rates = SafetyMonitor("PR <= 0.3", 0.1), np.array([0.3, 0.05, 0.3, 0.2])
        for day in range(20):
            monitor.update(1 * (rng.random(100) < rates[day % 4]))
        alarms += int(monitor.violated_[0])
    assert alarms <= 9
