"""Counts of the same rows are consistent, and impossible counts are found."""

import numpy as np
import pytest

from sklearn_seldonian.bounds import RateStream
from sklearn_seldonian.monitoring._consistency import check_counts, relations_of
from sklearn_seldonian.monitoring._rows import counted, rows_of
from tests.monitoring._people import people, specification

SPECIFICATIONS = {
    "binary": (
        ["ACC >= 0.5", "abs(TPR - FPR) <= 0.5", "PR | [M] - PR | [F] <= 0.2", "PPV >= 0.1"],
        {"mutually_exclusive": [("M", "F")]},
    ),
    "no label": (["PR <= 0.5", "min(PR, by=race) >= 0.1"], {}),
    "groups": (
        ["min(TPR, by=race) >= 0.2", "TPR | [age < 30] - TPR | [age >= 30] <= 0.3", "PR <= 0.9"],
        {},
    ),
}


def streams_of(spec, rows, labelled):
    """The streams of rows of which some labels are known."""
    every = counted(spec, rows, of_labels=False)
    return {**every, **counted(spec, rows.taken(labelled), of_labels=True)}


@pytest.mark.parametrize("name", SPECIFICATIONS)
@pytest.mark.parametrize("seed", range(20))
def test_counts_of_rows_pass(name, seed):
    constraints, parameters = SPECIFICATIONS[name]
    spec = specification(constraints, **parameters)
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 40))
    rows = rows_of(spec, *people(n, seed, right=rng.random()))
    labelled = rng.random(n) < rng.random()
    streams = streams_of(spec, rows, labelled)
    n_waiting = int((~labelled).sum()) if spec.waiting_for_labels else 0
    check_counts("window", relations_of(spec), streams, n, n_waiting)
    check_counts("window", relations_of(spec), streams, n, 0)  # rows without a label have no id


def changed(name, which, stream):
    """Counts of 30 rows with labels, one of them changed."""
    constraints, parameters = SPECIFICATIONS[name]
    spec = specification(constraints, **parameters)
    rows = rows_of(spec, *people(30))
    streams = streams_of(spec, rows, np.ones(30, dtype=bool))
    (mean,) = [mean for mean in streams if str(mean) == which]
    before = streams[mean]
    streams[mean] = RateStream(*stream(before.successes, before.trials))
    return relations_of(spec), streams


@pytest.mark.parametrize(
    ("name", "which", "stream", "message"),
    [
        ("no label", "PR", lambda s, n: (s, n - 1), "and 29 rows of PR"),
        ("no label", "PR", lambda s, n: (1, n), "all of which are among the 1 successes of PR"),
        ("no label", "PR", lambda s, n: (n, n), "among the 0 failures of PR"),
        ("binary", "ACC", lambda s, n: (s, n + 1), "and 31 rows of ACC"),
        ("binary", "TPR", lambda s, n: (s, n + 1), "which have no row in common, and only 30 rows"),
        ("binary", "PR | [M]", lambda s, n: (s, n + 1), "no row in common, and only 30 rows"),
        ("binary", "PPV", lambda s, n: (s - 1, n), "these counts are impossible"),
        ("groups", "PR", lambda s, n: (0, n), "all of which are among the 0 successes of PR"),
        ("groups", "TPR | [age < 30]", lambda s, n: (s, 30), "among the 13 failures of PR"),
    ],
)
def test_counts_that_no_rows_have_are_refused(name, which, stream, message):
    relations, streams = changed(name, which, stream)
    with pytest.raises(ValueError, match=message):
        check_counts("window", relations, streams, 30, 0)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"A": (0, 10), "B": (0, 10), "C": (0, 10)}, "are all among (the )?20 rows"),
        ({"A": (6, 6), "B": (6, 6), "C": (0, 0)}, "are all among the 10 successes of PR"),
        ({"A": (0, 6), "B": (0, 6), "C": (4, 4)}, "are all among the 10 failures of PR"),
        ({"A": (3, 7), "B": (3, 7), "C": (4, 6)}, None),
    ],
)
def test_groups_that_are_together_more_than_there_are_rows_are_refused(counts, message):
    """Each group, and each pair of groups, has at most as many rows as there are."""
    spec = specification(["max(PR, by=race) <= 0.9", "PR <= 0.9"], levels={"race": list("ABC")})
    found = {f'PR | [race == "{name}"]': RateStream(*own) for name, own in counts.items()}
    found["PR"] = RateStream(10, 20)
    streams = {mean: found[str(mean)] for mean in spec.estimands}
    given = "window", relations_of(spec), streams, 20, 0
    if message is None:
        check_counts(*given)
        return
    with pytest.raises(ValueError, match=message):
        check_counts(*given)


def test_more_rows_do_not_wait_than_came():
    relations, streams = changed("no label", "PR", lambda s, n: (s, n))
    check_counts("window", relations, streams, 30, 30)
    with pytest.raises(ValueError, match="window has n_rows=30, but 31 of its rows wait"):
        check_counts("window", relations, streams, 30, 31)
