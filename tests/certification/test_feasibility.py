"""Numbers of safety rows with which no decisions could pass, compared with all tables of a few
rows.
"""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.certification import (
    Evidence,
    Sample,
    minimum_rows,
    passes,
)
from sklearn_seldonian.constraints import Schema, bind, parse
from sklearn_seldonian.exceptions import NoSolutionFoundWarning
from tests.certification._rows import DATA

SCHEMA = Schema((0, 1), 1, {"race": ("A", "B", "C")})
TWO = 'by=race in ("A", "B")'
GAP = f"max(FPR, {TWO}) - min(FPR, {TWO}) <= {{}}"
RATIO = f"min(FPR, {TWO}) / max(FPR, {TWO}) >= {{}}"


def resolved(text):
    return bind(parse(text), SCHEMA)


def needed(text, trials, delta=0.05, method="auto"):
    constraint = resolved(text)
    n_rows = sum(trials)
    shares = {m: n / n_rows for m, n in zip(constraint.estimands, trials, strict=True)}
    return minimum_rows(constraint.tree, delta, shares, n_rows, method)


def some_table_passes(text, trials, delta=0.05):
    constraint = resolved(text)
    for table in itertools.product(*(range(n + 1) for n in trials)):
        samples = {
            m: Sample(k, n, n) for m, k, n in zip(constraint.estimands, table, trials, strict=True)
        }
        if passes(constraint.tree, Evidence(samples, n_rows=sum(trials)), delta):
            return True
    return False


@pytest.mark.parametrize(
    ("text", "trials", "delta"),
    [
        (GAP.format(0.2), (12, 3), 0.05),
        (GAP.format(0.6), (12, 3), 0.05),
        (GAP.format(0.7), (9, 2), 0.2),
        (GAP.format(0.5), (6, 6), 0.1),
        (GAP.format(0.3), (15, 7), 0.2),
        (GAP.format(0.35), (15, 7), 0.2),
        (RATIO.format(0.5), (10, 2), 0.05),
        (RATIO.format(0.3), (10, 4), 0.1),
        (RATIO.format(0.2), (12, 4), 0.2),
    ],
)
@pytest.mark.thinned(2)
def test_what_is_called_hopeless_is(text, trials, delta):
    rows = needed(text, trials, delta)
    if rows is not None:
        assert not some_table_passes(text, trials, delta)
        assert rows > sum(trials)


def test_feasible_and_infeasible_cases_occur():
    assert needed(GAP.format(0.2), (12, 3)) is not None
    assert needed(GAP.format(0.5), (12, 12)) is None
    assert needed(RATIO.format(0.5), (10, 2)) is not None
    assert needed(RATIO.format(0.5), (40, 20)) is None


def test_a_rare_group_makes_a_gap_hopeless():
    # With 5 rows, constant decisions prove that the rate is at most 1 - 0.05 ** (1 / 5) = .451.
    rows = needed(GAP.format(0.2), (900, 5))
    trials = (int(rows * 900 / 905), int(rows * 5 / 905))
    samples = zip(resolved(GAP.format(0.2)).estimands, trials, strict=True)
    evidence = Evidence({m: Sample(0, n, n) for m, n in samples}, n_rows=rows)
    assert passes(resolved(GAP.format(0.2)).tree, evidence, 0.05)
    assert needed(GAP.format(0.2), (900, 20)) is None
    assert needed(GAP.format(0.5), (900, 6)) is None


def test_one_rare_group_among_several_is_enough():
    text = "max(FPR, by=race) - min(FPR, by=race) <= 0.2"
    assert needed(text, (200, 4, 100)) > 304
    assert needed(text, (200, 40, 100)) is None


@pytest.mark.parametrize("method", ["asymptotic", "ttest"])
def test_feasibility_is_not_decided_for_inexact_tests(method):
    assert needed(GAP.format(0.2), (12, 3), method=method) is None


def test_feasibility_is_not_decided_for_rates_over_predictions():
    # The number of rows that PPV counts depends on the decisions.
    assert needed(GAP.format(0.2).replace("FPR", "PPV"), (12, 3)) is None


def test_fewest_rows_that_could_pass():
    resolved = DATA.bind("F1 >= 0.9")
    shares = DATA.statistics("F1 >= 0.9").shares(resolved.estimands)
    assert list(shares.values()) == [1.0]
    # All n of n: the lower bound 0.05 ** (1 / n) must reach c / (2 - c).
    fewest = math.ceil(math.log(0.05) / math.log(0.9 / 1.1))
    assert minimum_rows(resolved.tree, 0.05, shares, 5) == fewest
    cost, unbounded = DATA.bind("Cost <= 1"), DATA.bind("Unbounded <= 1")
    assert minimum_rows(cost.tree, 0.05, {cost.estimands[0]: 1.0}, 1) > 1
    assert minimum_rows(unbounded.tree, 0.05, {unbounded.estimands[0]: 1.0}, 1) is None


def test_fit_names_the_group_and_the_ways_out():
    rng = np.random.default_rng(0)
    race = pd.Series(np.repeat(["A", "B"], [600, 8]), name="race")
    y = np.r_[rng.integers(0, 2, 600), np.zeros(8, int)]
    X = rng.normal(size=(608, 2)) + y[:, None]
    model = SeldonianClassifier(
        constraints="max(FPR, by=race) - min(FPR, by=race) <= 0.2",
        max_epochs=1,
        module__hidden=(),
        random_state=0,
    )
    mask = np.arange(608) % 2 == 0
    with (
        pytest.warns(NoSolutionFoundWarning),
        pytest.warns(
            UserWarning,
            match=r"no model can pass .*: even a model without errors needs about \d+"
            r" safety rows\. FPR \| \[race == \"B\"\] is over the fewest safety rows, about 4\. "
            r"Leave this group out, as with by=race in \(\.\.\.\), merge it with another level of "
            r"race",
        ),
    ):
        model.fit(X, y, sensitive_features=race, safety_mask=mask)
