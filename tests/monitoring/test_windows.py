"""Windows divide delta, add up, and record when violations are proved."""

import itertools
import math

import pytest

from sklearn_seldonian.bounds import RateStream
from sklearn_seldonian.monitoring._windows import (
    Window,
    check_share,
    check_windows,
    share_of_window,
)
from tests.monitoring._people import specification


@pytest.mark.parametrize("windows", [1, 4, "unlimited"])
def test_all_windows_together_spend_delta(windows):
    n = windows if isinstance(windows, int) else 100_000
    shares = [share_of_window(windows, position) for position in range(n)]
    assert math.fsum(shares) == pytest.approx(1.0, abs=2e-5)
    assert math.fsum(shares) <= 1.0
    assert all(one >= other for one, other in itertools.pairwise(shares))


@pytest.mark.parametrize("windows", [0, -1, True, 1.5, 10**400, "many", None])
def test_wrong_numbers_of_windows_are_refused(windows):
    with pytest.raises(ValueError, match="windows must be a whole number from 1 to 1,000,000"):
        check_windows(windows)


@pytest.mark.parametrize(
    ("windows", "position", "delta"),
    [(1, 0, 1e-310), (1, 0, 5e-324), (10, 0, 1e-307), ("unlimited", 99, 1e-305)],
)
def test_a_share_of_delta_that_is_no_exact_number_is_refused(windows, position, delta):
    with pytest.raises(
        ValueError, match=f"delta={delta:g} is too small: the share of window {position + 1}"
    ):
        check_share(windows, position, [0.05, delta])
    check_share(windows, position, [0.05, 1e-300])


def test_a_copy_goes_its_own_way():
    spec = specification("PR <= 0.3")
    seen = window(spec, 60, 100)
    other = seen.copied()
    assert other == seen
    other.add(dict.fromkeys(spec.estimands, RateStream(0, 1)))
    other.look(spec, 1.0)
    other.note_point(spec, 1.0)
    assert (seen.violated_at, seen.points) == ([None], [])
    assert next(iter(seen.streams.values())) == RateStream(60, 100)


def window(spec, successes, trials):
    found = Window.empty("window 1", spec)
    found.add(dict.fromkeys(spec.estimands, RateStream(successes, trials)))
    found.n_rows = trials
    return found


def test_a_violation_stays_proved_when_later_rows_are_good():
    spec = specification("PR <= 0.3")
    seen = window(spec, 60, 100)
    seen.look(spec, 1.0)
    assert seen.violated_at == [100]
    seen.add(dict.fromkeys(spec.estimands, RateStream(0, 900)))
    seen.n_rows += 900
    seen.look(spec, 1.0)
    assert seen.violated_at == [100]
    assert seen.certified(spec, 1.0) == [False]
    alone = window(spec, 60, 1000)
    assert alone.certified(spec, 1.0) == [True]


def test_a_smaller_share_needs_more():
    spec = specification("PR <= 0.3")
    verdicts = []
    for share in (1.0, 0.001):
        seen = window(spec, 45, 100)
        seen.look(spec, share)
        verdicts.append(seen.violated_at[0])
    assert verdicts == [100, None]


def test_joined_windows_prove_what_all_rows_prove():
    spec = specification("PR <= 0.3")
    parts = [window(spec, 19, 50), window(spec, 22, 50)]
    for part in parts:
        part.look(spec, 1.0)
    whole = parts[0].joined(parts[1], spec, 1.0)
    assert [part.violated_at for part in parts] == [[None], [None]]
    assert whole.n_rows == 100
    assert next(iter(whole.streams.values())) == RateStream(41, 100)
    proved = window(spec, 60, 100)
    proved.look(spec, 1.0)
    assert proved.violated_at == [100]
    assert proved.joined(window(spec, 0, 900), spec, 1.0).violated_at == [None]


def test_points_are_few():
    spec = specification("PR <= 0.3")
    seen = Window.empty("window 1", spec)
    for _ in range(2000):
        seen.add(dict.fromkeys(spec.estimands, RateStream(0, 1)))
        seen.n_rows += 1
        seen.note_point(spec, 1.0)
    assert len(seen.points) < 70
    assert [p.n_rows for p in seen.points][:5] == [1, 2, 3, 4, 5]
    assert seen.points[-1].n_rows > 1800
