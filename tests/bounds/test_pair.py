"""Two rates with a limit on their combination: their positive form, and the edge of a set of
tables.
"""

import numpy as np
import pytest
from scipy.stats import beta, binom

from sklearn_seldonian.bounds._pair import (
    BOX_SHARE,
    SLACK_SHARE,
    bound_p_value,
    lower_set,
    pair_of,
    search_edge,
)
from sklearn_seldonian.bounds._worst_case import LowerSet

PARITY, MIRRORED = (1.0, -1.0), (-1.0, 1.0)
each_combination = pytest.mark.parametrize(
    "weights", [PARITY, MIRRORED, (0.8, -1.0), (0.3, 1.7), (-0.7, -1.3)]
)
each_table = pytest.mark.parametrize(
    ("counts", "trials"),
    [((3, 5), (30, 40)), ((5, 3), (40, 30)), ((0, 12), (12, 12)), ((1, 0), (1, 9))],
)


@each_combination
@each_table
def test_the_combination_stays_what_it_was(counts, trials, weights):
    pair = pair_of(counts, trials, weights, 0.05)
    asked = sum(a * k / n for a, k, n in zip(weights, counts, trials, strict=True))
    assert pair.offset + pair.estimate == pytest.approx(asked)
    assert pair.trials == tuple(sorted(trials))
    assert pair.swapped == (trials[0] > trials[1])
    assert min(pair.weights) > 0
    given = weights[::-1] if pair.swapped else weights
    assert pair.weights == tuple(abs(a) for a in given)
    most = sum(a for a in weights if a > 0)
    assert pair.estimate <= pair.largest <= most - pair.offset + 1e-12


@each_combination
@each_table
def test_the_box_is_made_of_exact_intervals(counts, trials, weights):
    pair = pair_of(counts, trials, weights, 0.05)
    tail = BOX_SHARE * 0.05 / 4
    for k, n, low, high in zip(pair.counts, pair.trials, pair.low, pair.high, strict=True):
        assert low == pytest.approx(beta.ppf(tail, k, n - k + 1) if k else 0.0, rel=1e-6)
        assert high == pytest.approx(beta.isf(tail, k + 1, n - k) if k < n else 1.0, rel=1e-6)
        assert k == 0 or binom.sf(k - 1, n, low) <= tail * (1 + 1e-9)
        assert k == n or binom.cdf(k, n, high) <= tail * (1 + 1e-9)


@each_combination
@pytest.mark.parametrize(
    ("counts", "trials"), [((3, 5), (30, 40)), ((5, 3), (40, 30)), ((1, 11), (12, 12))]
)
def test_a_line_has_all_rates_of_the_box_on_the_limit(counts, trials, weights):
    pair = pair_of(counts, trials, weights, 0.05)
    a1, a2 = pair.weights
    for share in (0.01, 0.3, 0.99):
        limit = pair.estimate + share * (pair.largest - pair.estimate)
        line = pair.line(limit)
        assert line.first < line.last
        p2 = np.linspace(pair.low[1], pair.high[1], 2001)
        p1 = (limit - a2 * p2) / a1
        in_box = (p1 >= pair.low[0]) & (p1 <= pair.high[0])
        on_line = (p2 >= line.first) & (p2 <= line.last)
        assert (in_box != on_line).sum() <= 2  # the points at an end
        ends = np.array([line.first, line.last])
        assert a1 * line.p1(ends) + a2 * ends == pytest.approx([limit, limit])


def unread(line):
    raise AssertionError("no tables are needed")


def test_p_values_that_no_tables_are_needed_for():
    pair = pair_of((3, 5), (30, 40), PARITY, 0.05)
    assert bound_p_value(pair, pair.estimate, unread) == 1.0
    assert bound_p_value(pair, pair.estimate - 0.1, unread) == 1.0
    assert bound_p_value(pair, pair.largest, unread) == BOX_SHARE * 0.05
    assert bound_p_value(pair, pair.largest + 0.1, unread) == BOX_SHARE * 0.05
    for limit in (np.nextafter(pair.estimate, 9), np.nextafter(pair.largest, -9)):
        with pytest.raises(AssertionError, match="no tables"):
            bound_p_value(pair, limit, unread)


@pytest.mark.parametrize("limit", [0.3, 0.45, 0.6])
def test_a_p_value_is_the_largest_probability_on_the_line_and_the_part_of_the_box(limit):
    """Without events, the p-value is a product of powers."""
    pair = pair_of((1, 1), (6, 9), (1.0, 1.0), 0.05)
    highest = np.array([0, *[-1] * 6])
    found = bound_p_value(pair, limit, lambda line: LowerSet(pair.trials, 0, highest, 1e-14))
    line = pair.line(limit)
    p2 = np.linspace(line.first, line.last, 10_001)
    expected = BOX_SHARE * 0.05 + ((1 - line.p1(p2)) ** 6 * (1 - p2) ** 9).max()
    assert expected - 1e-12 <= found <= expected + 1.2 * SLACK_SHARE * 0.05


@pytest.mark.parametrize(("highest", "expected"), [(9, 1.0), (-1, BOX_SHARE * 0.05)])
def test_all_tables_are_certain_and_none_cost_the_box(highest, expected):
    pair = pair_of((1, 1), (6, 9), (1.0, 1.0), 0.05)
    tables = LowerSet(pair.trials, 0, np.full(7, highest), 1e-20)
    found = bound_p_value(pair, 0.5, lambda line: tables)
    assert expected <= found <= min(1.0, expected + 1.2 * SLACK_SHARE * 0.05)


@pytest.mark.parametrize(
    ("found", "hull"),
    [
        ([9, 7, 7, 3, 0, -1, -1], [9, 7, 7, 3, 0, -1, -1]),
        ([5, 7, 2, 3, 0, -1, -1], [7, 7, 3, 3, 0, -1, -1]),
        ([4.9, 4.1, 2.0, 1.5, 1.0, 0.9, -0.1], [4, 4, 2, 1, 1, 0, -1]),
        ([np.nan, 4, np.nan, 2, np.nan, np.nan, np.nan], [4, 4, 2, 2, -1, -1, -1]),
    ],
)
def test_a_lower_set_holds_what_is_found_and_all_tables_below(found, hull):
    pair = pair_of((1, 1), (6, 9), (1.0, 1.0), 0.05)
    windows = []

    def highest(x1, first, last):
        windows.append((x1.tolist(), first, last))
        return np.array(found, dtype=float)

    tables = lower_set(pair, pair.line(0.5), highest)
    assert windows == [(list(range(7)), 0, 9)]  # such small samples are used as a whole
    assert (tables.trials, tables.start) == ((6, 9), 0)
    assert tables.highest.tolist() == hull


def test_counts_that_matter_are_all_but_improbable_ones():
    pair = pair_of((300, 450), (3000, 4000), (1.0, 1.0), 0.05)
    line, windows = pair.line(0.25), []

    def highest(x1, first, last):
        windows.append((x1[0], x1[-1], first, last))
        return np.full(x1.shape, float(last))

    tail = lower_set(pair, line, highest).tail
    (first1, last1, first2, last2) = windows[0]
    assert tail < 1e-11
    assert last1 - first1 < 1500
    for p2 in np.linspace(line.first, line.last, 20):
        for first, last, n, p in (
            (first1, last1, 3000, float(line.p1(np.array(p2)))),
            (first2, last2, 4000, p2),
        ):
            assert binom.cdf(first - 1, n, p) <= tail
            assert binom.sf(last, n, p) <= tail


EDGES = {
    "linear": lambda x1, x2: x2 - (17.3 - 0.8 * x1),
    "cubic": lambda x1, x2: x2**3 - (12.0 + x1) ** 2,
    "steps": lambda x1, x2: np.where(x2 > 20 - x1, 1.0, -1.0),
    "on the edge": lambda x1, x2: x2 - (15.0 - x1),
    "all": lambda x1, x2: np.ones_like(x1 + x2),
    "none": lambda x1, x2: -np.ones_like(x1 + x2),
    "unknown": lambda x1, x2: np.full_like(x1 + x2, np.nan),
    "unknown below": lambda x1, x2: np.where(x2 < 9, np.nan, x2 - 14.5 + 0 * x1),
}


@pytest.mark.parametrize("aim", [np.nan, np.inf, -np.inf, 0.0, 12.0, 1e9])
@pytest.mark.parametrize(("first", "last"), [(0, 25), (7, 16), (9, 9)])
@pytest.mark.parametrize("beyond", EDGES.values(), ids=EDGES)
def test_the_edge_is_the_last_table_that_is_not_beyond_it(beyond, first, last, aim):
    x1, x2 = np.arange(13.0), np.arange(first, last + 1.0)
    inside = ~(beyond(x1[:, None], x2) > 0)
    expected = first - 1 + inside.sum(axis=1)
    np.testing.assert_array_equal(search_edge(beyond, x1, first, last, aim), expected)
