"""Limits on the ratio of a group's rate and the rate of all rows."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multinomial

from sklearn_seldonian import certify
from sklearn_seldonian.bounds import part_ratio_test
from sklearn_seldonian.certification import Evidence, Sample
from sklearn_seldonian.certification._method import INVERSE_NORMAL, PART_RATIO
from sklearn_seldonian.certification._methods import MAX_ROWS_OF_PART_TEST, method_for
from sklearn_seldonian.certification._part_ratio import part_ratio
from sklearn_seldonian.constraints import Schema, atoms_of, bind, parse
from tests.certification.test_function_of_rates import Decided

SCHEMA = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1), "race": ("A", "B")})
GROUP, ALL = "PR | [M]", "PR"
# Events and rows, of the group and of all.
COUNTS = {GROUP: (30, 50), ALL: (85, 130)}


def atom_of(text):
    return next(iter(atoms_of(bind(parse(text), SCHEMA).tree)))


def evidence_of(atom, counts):
    """The evidence with these events and rows; the labels are those of `PR`."""
    own = {m: counts[GROUP if m.conditions else ALL] for m in atom.estimands}
    return Evidence({m: Sample(k, n, n) for m, (k, n) in own.items()})


def verdict(text, counts, delta=0.05):
    atom = atom_of(text)
    method = method_for(atom, evidence_of(atom, counts))
    assert method.name == PART_RATIO
    return method.upper(delta) <= 0.0, method.p_value(delta)


@pytest.mark.parametrize(
    ("text", "part_on_top", "complemented"),
    [
        ("PR | [M] / PR <= {}", True, False),
        ("PR / PR | [M] <= {}", False, False),
        ("PR | [M] / PR >= 1 / {}", False, False),
        ("PR | [M] <= {} * PR", True, False),
        ("PR / PR | [M] >= 1 / {}", True, False),
        ("(1 - PR | [M]) / (1 - PR) <= {}", True, True),
        ("(1 - PR) / (1 - PR | [M]) <= {}", False, True),
    ],
)
def test_the_limit_is_on_the_ratio_in_the_constraint(text, part_on_top, complemented):
    (k, m), (whole, n) = COUNTS.values()
    counts, sizes = (k, whole - k), (m, n - m)
    if complemented:
        counts = tuple(size - count for count, size in zip(counts, sizes, strict=True))
    upper = part_ratio_test(counts, sizes, 0.05, part_on_top=part_on_top).upper
    for factor, expected in ((0.999, False), (1.001, True)):
        passed, p_value = verdict(text.format(upper * factor), COUNTS)
        assert passed == expected
        assert (p_value <= 0.05) == expected


@pytest.mark.parametrize(
    "text",
    [
        "PR | [M] / PR | [not M] <= 1.2",
        "PR | [M] / PR | [race == 'A'] <= 1.2",
        "TPR | [M] / PPV <= 1.2",
        "PR | [M] - PR <= 0.1",
        "(1 - PR | [M]) / PR <= 2",
        "PR | [M] * PR <= 0.5",
    ],
)
def test_other_limits_are_not_on_a_part_and_the_whole(text):
    atom = atom_of(text)
    assert part_ratio(atom, evidence_of(atom, COUNTS)) is None


def test_drawn_decisions_are_not_counts():
    atom = atom_of("PR | [M] / PR <= 1.2")
    samples = evidence_of(atom, COUNTS).samples
    assert part_ratio(atom, Evidence(samples, deterministic=False)) is None


def test_more_rows_are_left_to_the_inverse_normal_method():
    atom = atom_of("PR | [M] / PR >= 0.8")
    for n, name in (
        (MAX_ROWS_OF_PART_TEST, PART_RATIO),
        (MAX_ROWS_OF_PART_TEST + 1, INVERSE_NORMAL),
    ):
        counts = {GROUP: (200, 400), ALL: (500, n)}
        assert method_for(atom, evidence_of(atom, counts)).name == name


@pytest.mark.parametrize("text", ["PR | [M] / PR >= 0.85", "PR | [M] / PR <= 1.18"])
def test_passing_tables_are_approximately_those_that_pass(text):
    atom = atom_of(text)
    rng = np.random.default_rng(0)
    # events and other rows of the group, and of the rest
    drawn = multinomial(130, [0.27, 0.11, 0.43, 0.19]).rvs(250, random_state=rng)
    drawn = drawn[(drawn[:, 0] + drawn[:, 1]) == 50]
    order = [bool(m.conditions) for m in atom.estimands]
    whole = drawn[:, 0] + drawn[:, 2]
    tables = np.stack([drawn[:, 0] if own else whole for own in order], axis=1).astype(float)
    passing = method_for(atom, evidence_of(atom, COUNTS)).passing_tables(tables, 0.05)
    expected = [
        verdict(text, {GROUP: (int(k), 50), ALL: (int(t), 130)})[0]
        for k, t in zip(drawn[:, 0], whole, strict=True)
    ]
    assert 0.2 < np.mean(expected) < 0.8
    assert np.sum(passing != expected) <= 1


def test_the_fast_bound_is_near():
    atom = atom_of("PR | [M] / PR >= 0.75")
    ratio = part_ratio(atom, evidence_of(atom, COUNTS))
    test = ratio.test(0.05)
    assert test.approximate_upper == pytest.approx(test.upper, rel=0.01)


def test_a_certificate_gives_the_tightest_limit_and_is_verified():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    decided = np.where(rng.random(400) < 0.85, y, 1 - y).astype(float)[:, None]
    frame = pd.DataFrame({"M": rng.integers(0, 2, 400)})
    model = Decided().fit(decided, y)
    constraint = "TPR | [M] / TPR >= 0.8"
    certificate = certify(model, decided, y, constraint, sensitive_features=frame)
    (result,) = certificate.results
    assert (result.method, result.guarantee, result.passed) == (PART_RATIO, "exact", True)
    positive, men = y == 1, (y == 1) & (frame["M"] == 1)
    k, m = int(decided[men].sum()), int(men.sum())
    counts, sizes = (k, int(decided[positive].sum()) - k), (m, int(positive.sum()) - m)
    upper = part_ratio_test(counts, sizes, 0.05, part_on_top=False).upper
    assert result.g_upper == pytest.approx(0.8 - 1.0 / upper, abs=3e-4)
    assert certificate.recompute()
    assert certificate.verify(model, decided, y, sensitive_features=frame)
    assert "exact part-to-whole test (exact)" in certificate.explain(None)
