"""The bounds hold after every row: by enumeration, by simulation and by independent formulas."""

import itertools
import math

import numpy as np
import pytest

from sklearn_seldonian.bounds import (
    MeanStream,
    RateStream,
    divided_between_edges,
    time_uniform_lower,
    time_uniform_sum_lower,
)
from sklearn_seldonian.bounds._streams import EDGES

DELTA = 0.05


def capital(stream, limit):
    return float(np.exp(stream.log_capital(np.array([limit]))[0]))


@pytest.mark.parametrize(
    "stream", [RateStream(12, 80), MeanStream(divided_between_edges(np.full(50, 0.2)))]
)
def test_the_bound_is_where_the_capital_is_the_inverse_of_delta(stream):
    lower = time_uniform_lower(stream, DELTA)
    assert capital(stream, lower) >= 1 / DELTA
    assert capital(stream, lower + 1e-6) < 1 / DELTA
    assert time_uniform_lower(stream, 0.01) < lower < stream.mean


@pytest.mark.parametrize(
    "stream", [RateStream(0, 0), MeanStream(np.zeros(len(EDGES)))], ids=["rate", "mean"]
)
def test_without_rows_nothing_is_known(stream):
    assert time_uniform_lower(stream, DELTA) == 0
    assert time_uniform_sum_lower([stream, stream], [1.0, -2.0], DELTA) == -2
    assert math.isnan(stream.mean)


def test_the_sum_of_one_is_the_bound_of_one():
    stream = RateStream(30, 100)
    upper = 1 - time_uniform_lower(stream.flipped, DELTA)
    assert time_uniform_sum_lower([stream], [-2.0], DELTA) == pytest.approx(-2 * upper, abs=1e-9)


def grid_search(streams, factors):
    """The smallest sum of two limits, on a grid, that the mean of three capitals does not refute.

    A quarter of the capital is bet on each stream alone, and half on both.
    """
    points = np.linspace(0.0005, 0.9995, 1000)
    sided = [s if f > 0 else s.flipped for s, f in zip(streams, factors, strict=True)]
    one, other = (np.exp(np.minimum(s.log_capital(points), 300.0)) for s in sided)
    mean = one[:, None] / 4 + other / 4 + one[:, None] * other / 2
    signed = [f * (points if f > 0 else 1 - points) for f in factors]
    return np.add.outer(*signed)[mean < 1 / DELTA].min()


@pytest.mark.parametrize("factors", [(1.0, -1.0), (-0.8, 1.0), (1.0, 1.0), (-2.0, -1.0)])
@pytest.mark.parametrize(
    "streams",
    [
        (RateStream(150, 300), RateStream(90, 300)),
        (RateStream(40, 50), RateStream(200, 2000)),
        (RateStream(0, 40), RateStream(40, 40)),
        (MeanStream(divided_between_edges(np.linspace(0.1, 0.4, 200))), RateStream(60, 100)),
    ],
)
def test_sums_are_near_a_search_over_all_pairs_and_never_above(streams, factors):
    found, searched = time_uniform_sum_lower(streams, factors, DELTA), grid_search(streams, factors)
    assert found <= searched + 1e-9
    assert found == pytest.approx(searched, abs=0.005)


def test_a_sum_is_sharper_than_bounds_on_each():
    streams, share = (RateStream(150, 300), RateStream(90, 300)), DELTA / 2
    together = time_uniform_sum_lower(streams, [1.0, -1.0], DELTA)
    upper = 1 - time_uniform_lower(streams[1].flipped, share)
    assert together > time_uniform_lower(streams[0], share) - upper + 0.01


def share_of_union(streams, factors):
    """The distance from estimate to bound, relative to a union of bounds at delta / 2 each."""
    sided = [s if f > 0 else s.flipped for s, f in zip(streams, factors, strict=True)]
    signs = [min(f, 0.0) for f in factors]
    union = sum(
        abs(f) * time_uniform_lower(s, DELTA / 2) for f, s in zip(factors, sided, strict=True)
    )
    estimate = sum(f * s.mean for f, s in zip(factors, streams, strict=True))
    found = time_uniform_sum_lower(streams, factors, DELTA)
    return (estimate - found) / (estimate - union - sum(signs))


def rate(p, n):
    return RateStream(round(p * n), n)


def mean_of_numbers(p, n):
    """Any number of rows, in equal steps from 0 to 2 p."""
    return MeanStream(divided_between_edges(np.linspace(0.0, 2 * p, 100)) * (n / 100))


@pytest.mark.parametrize("n", [10**3, 10**5, 10**7, 10**9])
@pytest.mark.parametrize(
    ("stream", "p", "factors"),
    [
        (rate, (0.3, 0.3), (1.0, -1.0)),
        (rate, (0.05, 0.02), (1.0, -1.0)),
        (rate, (0.3, 0.375), (1.0, -0.8)),
        (rate, (0.3, 0.375), (-1.0, 0.8)),
        (mean_of_numbers, (0.3, 0.3), (1.0, -1.0)),
        (mean_of_numbers, (0.1, 0.125), (1.0, -0.8)),
    ],
)
def test_streams_of_equal_sizes_beat_a_union_at_any_number_of_rows(stream, p, factors, n):
    assert 0.6 < share_of_union([stream(each, n) for each in p], factors) < 0.895


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("stream", [rate, mean_of_numbers])
@pytest.mark.parametrize(
    ("sizes", "most"),
    [
        ((10**4, 10**3), 0.86),
        ((10**4, 100), 0.96),
        ((10**5, 1000), 0.98),
        ((10**6, 1000), 1.04),
        ((10**7, 300), 1.07),
        ((10**9, 300), 1.075),
    ],
)
def test_streams_of_unequal_sizes_are_about_as_good_as_a_union(stream, sizes, most, flipped):
    factors = (-1.0, 1.0) if flipped else (1.0, -1.0)
    assert share_of_union([stream(0.3, n) for n in sizes], factors) < most


@pytest.mark.parametrize("rates", [(0.0, 0.0), (0.001, 0.0), (0.3, 0.0), (1.0, 0.3)])
@pytest.mark.parametrize("sizes", [(300, 300), (10**6, 300), (0, 300), (10**8, 1)])
def test_a_sum_is_never_below_a_union_of_the_capitals_it_bets(rates, sizes):
    one, other = (rate(p, n) for p, n in zip(rates, sizes, strict=True))
    union = time_uniform_lower(one, DELTA / 4) - (1 - time_uniform_lower(other.flipped, DELTA / 4))
    assert time_uniform_sum_lower([one, other], [1.0, -1.0], DELTA) >= union - 1e-11


def test_the_distance_of_a_sum_shrinks_as_rows_come():
    found = [
        time_uniform_sum_lower([rate(0.3, n), rate(0.3, n)], [1.0, -1.0], DELTA)
        for n in np.geomspace(100, 1e10, 17).round(-2).astype(int).tolist()
    ]
    assert (np.diff(found) > 0).all()
    assert -1e-4 < found[-1] < 0


@pytest.mark.parametrize(
    ("n", "is_above"), [(10**5, False), (10**6, True), (10**7, True), (10**8, True)]
)
def test_a_small_gap_is_proved_with_enough_rows_and_stays_proved(n, is_above):
    gap = time_uniform_sum_lower([rate(0.305, n), rate(0.3, n)], [1.0, -1.0], DELTA)
    assert (gap > 0) == is_above
    assert gap < 0.005


def refuted_by_sum(sums, row, limits, factors):
    """Whether each pair of counts, after `row` rows of each group, refutes that the means are
    `limits`.
    """
    truth = sum(f * m for f, m in zip(factors, limits, strict=True))
    streams = [RateStream(k, row) for k in sums]
    return time_uniform_sum_lower(streams, factors, 0.6) > truth


@pytest.mark.parametrize(("limits", "factors"), [((0.3, 0.3), (1, -1)), ((0.4, 0.1), (1, 1))])
def test_a_true_sum_is_refuted_at_any_row_with_probability_delta(limits, factors):
    """By enumeration of the counts of both groups, with one row of each group at a time."""
    alive, refuted = {(0, 0): 1.0}, 0.0
    for row in range(1, 10):
        after = {}
        for (k, m), q in alive.items():
            for x, y in itertools.product((0, 1), repeat=2):
                odds = [p if z else 1 - p for p, z in zip(limits, (x, y), strict=True)]
                after[k + x, m + y] = after.get((k + x, m + y), 0.0) + q * math.prod(odds)
        alarms = {sums for sums in after if refuted_by_sum(sums, row, limits, factors)}
        refuted += sum(after[sums] for sums in alarms)
        alive = {sums: q for sums, q in after.items() if sums not in alarms}
    assert 0.6 / 50 < refuted <= 0.6


def log_capitals(limit, n):
    """Log capitals against a limit, after 0 to n rows (first axis) with 0 to n successes."""
    found = np.full((n + 1, n + 1), -np.inf)
    for rows in range(n + 1):
        for k in range(rows + 1):
            found[rows, k] = RateStream(k, rows).log_capital(np.array([limit]))[0]
    return found


@pytest.mark.parametrize("order", ["in turn", "one after the other", "four to one"])
@pytest.mark.parametrize("limits", [(0.3, 0.7), (0.02, 0.5)])
def test_the_mean_of_products_is_ever_large_with_probability_delta(limits, order):
    """All streams of 100 rows, tested after each row, by the counts of both groups.

    The mean of the capitals at the true rates ever reaches 1 / delta with probability at most
    delta. For some counts, it is also checked that the bound does not refute anything else.
    """
    n, delta = 50, 0.3
    turns = {"in turn": [0, 1] * n, "one after the other": [0] * n + [1] * n}
    turns["four to one"] = ([0] * 4 + [1]) * 12 + [1] * 38
    logs = [log_capitals(limit, n) for limit in limits]
    alive, seen, ever = np.zeros((n + 1, n + 1)), [0, 0], 0.0
    alive[0, 0] = 1.0
    rng = np.random.default_rng(0)
    for step, group in enumerate(turns[order]):
        seen[group] += 1
        moved = np.roll(alive, 1, axis=group)
        alive = limits[group] * moved + (1 - limits[group]) * alive
        one, other = (np.exp(own[rows]) for own, rows in zip(logs, seen, strict=True))
        mean = one[:, None] / 4 + other / 4 + one[:, None] * other / 2
        is_large = mean >= 1 / delta
        ever += alive[is_large].sum()
        alive[is_large] = 0.0
        if step % 20 == 0:
            for _ in range(5):
                counts = [int(rng.integers(rows + 1)) for rows in seen]
                streams = [RateStream(k, rows) for k, rows in zip(counts, seen, strict=True)]
                bound = time_uniform_sum_lower(streams, [1.0, 1.0], delta)
                assert bound <= sum(limits) or is_large[tuple(counts)]
    assert alive.sum() + ever == pytest.approx(1.0)
    assert delta / 20 < ever <= delta


def test_more_than_two_streams_are_bounded_together():
    streams = [rate(p, 2000) for p in (0.5, 0.3, 0.4, 0.2)]
    together = time_uniform_sum_lower(streams, [1.0, -1.0, 1.0, -1.0], DELTA)
    apart = sum(
        sign * (time_uniform_lower(s, DELTA / 4) if sign > 0 else 1 - of_flipped)
        for s, sign in zip(streams, (1, -1, 1, -1), strict=True)
        for of_flipped in [time_uniform_lower(s.flipped, DELTA / 4)]
    )
    assert apart + 0.05 < together < 0.4


def test_streams_of_disjoint_rows_add_up():
    assert RateStream(1, 3) + RateStream(2, 5) == RateStream(3, 8)
    rows = np.random.default_rng(0).random(100)
    parts = [MeanStream(divided_between_edges(part)) for part in (rows[:30], rows[30:])]
    whole = MeanStream(divided_between_edges(rows))
    assert ((parts[0] + parts[1]).weights == whole.weights).all()


@pytest.mark.parametrize("given", [([], []), ([RateStream(1, 2)], [0.0]), ([RateStream(1, 2)], [])])
def test_sums_of_nothing_are_refused(given):
    with pytest.raises(ValueError, match="factors must have one nonzero number per stream"):
        time_uniform_sum_lower(*given, DELTA)


def test_impossible_counts_and_deltas_are_refused():
    with pytest.raises(ValueError, match="must be between 0 and trials"):
        RateStream(3, 2)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        time_uniform_lower(RateStream(1, 2), 1.0)
