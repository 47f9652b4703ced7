"""The AND/OR tree of atoms is equivalent to the constraint."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sklearn_seldonian.constraints import (
    And,
    Atom,
    Schema,
    are_independent,
    atoms_of,
    bind,
    estimate,
    independent,
    interval,
    parse,
)
from sklearn_seldonian.constraints._interval import Interval
from sklearn_seldonian.constraints._split import TRUE
from tests.constraints._trees import close, drawn, mean_of, resolved

M, F = "PR | [M]", "PR | [F]"

TREES = [
    ("ACC >= 0.95", "-ACC + 0.95"),
    ("PR <= 0.5", "PR - 0.5"),
    ("NR <= 0.5", "-PR + 0.5"),
    ("2 * PR / 4 - 1 <= PR", "AND(0 | -0.5 * PR - 1)"),
    ("PR - PR <= 0", "0"),
    ("PR - PR >= 0.1", "0.1"),
    ("0.1 * PR + 0.2 * PR <= 0.3 * PR", "0"),
    ("abs(PR|[M] - PR|[F]) <= 0.2", f"AND({M} - {F} - 0.2, -{M} + {F} - 0.2)"),
    ("abs(PR|[M] - PR|[F]) >= 0.2", f"OR(-{M} + {F} + 0.2, {M} - {F} + 0.2)"),
    ("max(PR|[M], PR|[F]) <= 0.2", f"AND({M} - 0.2, {F} - 0.2)"),
    ("max(PR|[M], PR|[F]) >= 0.2", f"OR(-{M} + 0.2, -{F} + 0.2)"),
    ("min(PR|[M], PR|[F]) <= 0.2", f"OR({M} - 0.2, {F} - 0.2)"),
    ("min(PR|[M], PR|[F]) >= 0.2", f"AND(-{M} + 0.2, -{F} + 0.2)"),
    ("max(PR, PR, PR) <= 0.2", "PR - 0.2"),
    # quantifiers over expressions, and composites
    ("BACC >= 0.8", "-0.5 * TPR + 0.5 * FPR + 0.3"),
    (
        'max(abs(PR - 0.3), by=race in ("A", "B")) <= 0.1',
        'AND(PR | [race == "A"] - 0.4, -PR | [race == "A"] + 0.2, '
        'PR | [race == "B"] - 0.4, -PR | [race == "B"] + 0.2)',
    ),
    (
        'min(PR / PR | [race == "A"], by=race in ("A", "B")) >= 0.8',
        'AND(0.8 * PR | [race == "A"] - PR | [race == "B"] * | -0.2 * PR | [race == "A"] *)',
    ),
    # ratios
    ("PR|[M] / PR|[F] >= 0.8", f"0.8 * {F} - {M} *"),
    # the same ratio, written as a product
    ("PR|[M] >= 0.8 * PR|[F]", f"0.8 * {F} - {M} *"),
    ("PR|[F] * 0.8 <= PR|[M]", f"0.8 * {F} - {M} *"),
    ("PR|[M] >= 0.8 * PR|[F] - 0.1", f"0.8 * {F} - {M} - 0.1"),
    ("PR|[M] >= 0 * PR|[F]", f"AND(0 | -{M})"),
    ("PR|[M] / PR|[F] <= 1.25", f"{M} - 1.25 * {F} *"),
    (
        "0.8 - min((PR|[M])/(PR|[F]), (PR|[F])/(PR|[M])) <= 0",
        f"AND(0.8 * {F} - {M} *, 0.8 * {M} - {F} *)",
    ),
    (
        "min(PR|[M], PR|[F]) / max(PR|[M], PR|[F]) >= 0.8",
        f"AND(0.8 * {M} - {F} *, 0.8 * {F} - {M} * | -0.2 * {M} *, -0.2 * {F} *)",
    ),
    ("abs(PR|[M] / PR|[F] - 1) <= 0.2", f"AND({M} - 1.2 * {F} *, 0.8 * {F} - {M} *)"),
    ("PR / (PR + FPR) >= 0.5", "-0.5 * PR + 0.5 * FPR *"),
    ("PR / -FPR <= -2", "2 * FPR - PR *"),
    ("1 - 2 / (1 + PR) <= -0.5", "1.5 * PR - 0.5 *"),
    ("F1 >= 0.7", "-1.3 * Jaccard + 0.7 *"),
    # functions around the varying part
    ("log(ERR) <= -2", f"-ACC + {1 - math.exp(-2):.15g} *"),
    ("ERR ** 2 <= 0.01", "-ACC + 0.9 *"),
    ("pow(ERR, 0.5) <= 0.1", "-ACC + 0.99 *"),
    ("sqrt(ERR) <= 0.1", "-ACC + 0.99 *"),
    ("exp(ERR) <= e", "AND(0 | -ACC *)"),
    ("ERR ** -1 >= 5", "-ACC + 0.8 *"),
    ("sqrt(abs(PR|[M] - PR|[F])) <= .3", f"AND({M} - {F} - 0.09 *, -{M} + {F} - 0.09 *)"),
    ("1 / abs(PR|[M] - PR|[F]) >= 5", f"AND(5 * {M} - 5 * {F} - 1 *, -5 * {M} + 5 * {F} - 1 *)"),
    ("(PR|[M] - PR|[F]) ** 2 <= 0.01", f"AND({M} - {F} - 0.1 *, -{M} + {F} - 0.1 *)"),
    ("(PR|[M] - PR|[F]) ** 3 <= 0.008", f"{M} - {F} - 0.2 *"),
    # always satisfied
    ("-.2 * TPR <= 0", "AND(0 | -0.2 * TPR)"),
    ("max(-PR, PR - 0.5) <= 0", "AND(PR - 0.5 | -PR)"),
    # delta is split over alternatives that some limit allows, for any limit
    ("min(PR + 0.1, FPR - 0.2) <= 0", "OR(PR + 0.1, FPR - 0.2)"),
    ("min(0.1, FPR - 0.2) <= 0", "FPR - 0.2"),
    ("0.3 - abs(PR) <= 0", "-PR + 0.3"),
    ("0.3 - abs(-PR) <= 0", "-PR + 0.3"),
    ("min(-PR, FPR - 0.2) <= 0", "AND(0 | -PR)"),
    (
        'min(TPR, by=race in ("A", "B")) >= 0.8 * max(TPR, by=race in ("A", "B"))',
        'AND(0.8 * TPR | [race == "A"] - TPR | [race == "B"] *, '
        '0.8 * TPR | [race == "B"] - TPR | [race == "A"] * | '
        '-0.2 * TPR | [race == "A"] *, -0.2 * TPR | [race == "B"] *)',
    ),
    # not changed by splitting
    ("sqrt(PR - 0.5) <= 0.1", "sqrt(PR - 0.5) - 0.1"),
    ("sqrt(PR) + sqrt(FPR) <= 0.1", "sqrt(PR) + sqrt(FPR) - 0.1"),
    ("PR * FPR <= 0.1", "PR * FPR - 0.1"),
    ("PR / (FPR - 0.5) <= 0.1", "PR / (FPR - 0.5) - 0.1"),
    ("PR|[M] * abs(PR - 0.5) <= .1", f"AND({M} * (PR - 0.5) - 0.1, {M} * -(PR - 0.5) - 0.1)"),
    ("(PR - 0.5) * abs(FPR - 0.5) <= .1", "(PR - 0.5) * abs(FPR - 0.5) - 0.1"),
    ("log(PR / 0) <= 1", "log(PR / 0) - 1"),
]


@pytest.mark.parametrize(("text", "tree"), TREES, ids=[text for text, _ in TREES])
def test_trees(text, tree):
    assert close(drawn(resolved(text).tree)) == close(tree)


def test_a_maximum_over_many_levels_is_one_atom():
    tree = resolved("max(FPR, by=many) - min(FPR, by=many) <= 0.1").tree
    assert isinstance(tree, Atom)
    assert tree.linear is None
    assert len(atoms_of(resolved("max(FPR, by=many) <= 0.1").tree)) == 19


@pytest.mark.parametrize(
    ("text", "n_levels", "n_atoms"),
    [
        ("min(TPR, by=x) >= 0.5", 300, 300),
        ("max(abs(PR - 0.3), by=x) <= 0.1", 200, 400),
        ("min(BACC, by=x) >= 0.5", 300, 300),
        ("min(TPR, by=x) >= 0.5", 2001, 2001),
        ("min(TPR, by=x) >= 0.5", 10_001, 1),
        ("max(PR, by=x) - min(PR, by=x) <= 0.1", 15, 210),
        ("max(PR, by=x) - min(PR, by=x) <= 0.1", 16, 240),
        ("max(PR, by=x) - min(PR, by=x) <= 0.1", 18, 306),
        ("max(PR, by=x) - min(PR, by=x) <= 0.1", 19, 1),
        ("max(PR, by=x) - min(PR, by=x) <= 0.1", 300, 1),
    ],
)
def test_many_levels_are_taken_apart_where_each_is_an_atom(text, n_levels, n_atoms):
    schema = Schema((0, 1), 1, {"x": tuple(range(n_levels))})
    assert len(atoms_of(bind(parse(text), schema).tree)) == n_atoms


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("PR <= 1", "AND(0 | PR - 1)"),
        ("1e300 * PR <= 1e300", "AND(0 | 1e+300 * PR - 1e+300)"),
        ("PR <= 0.9999999999999999", "PR - 0.9999999999999999"),
        ("0.1 * PR <= 0.1", "AND(0 | 0.1 * PR - 0.1)"),
        ("0.1 * TPR + 0.2 * FPR <= 0.3", "AND(0 | 0.1 * TPR + 0.2 * FPR - 0.3)"),
        ("0.1 * TPR + 0.2 * FPR <= 0.2999999999999999",
         "0.1 * TPR + 0.2 * FPR - 0.2999999999999999"),
    ],
)  # fmt: skip
def test_constraints_that_always_hold_are_recognised_exactly(text, tree):
    assert drawn(resolved(text).tree) == tree


# -- zero by zero --------------------------------------------------------------------------


def satisfied(tree, values):
    if isinstance(tree, Atom):
        return estimate(tree.expression, values) <= 0
    fold = all if isinstance(tree, And) else any
    return fold(satisfied(child, values) for child in tree.children)


@pytest.mark.parametrize(
    ("text", "men", "women", "expected"),
    [
        ("PR|[M] / PR|[F] >= 0.8", 0.0, 0.0, True),
        ("PR|[M] / PR|[F] <= 0.8", 0.0, 0.0, True),
        ("PR|[M] / PR|[F] >= 0.8", 0.1, 0.0, True),
        ("PR|[M] / PR|[F] <= 0.8", 0.1, 0.0, False),
        ("PR|[M] / PR|[F] >= 0.8", 0.0, 0.1, False),
        ("0.8 - min(PR|[M] / PR|[F], PR|[F] / PR|[M]) <= 0", 0.0, 0.0, True),
        ("0.8 - min(PR|[M] / PR|[F], PR|[F] / PR|[M]) <= 0", 0.1, 0.0, False),
        ("0.8 - min(PR|[M] / PR|[F], PR|[F] / PR|[M]) <= 0", 0.0, 0.1, False),
        ("PR|[M] / PR|[F] + PR|[F] / PR|[M] <= 3", 0.0, 0.0, False),
    ],
)
def test_division_by_zero(text, men, women, expected):
    constraint = resolved(text)
    by_name = {M: men, F: women}
    values = {mean: by_name[str(mean)] for mean in constraint.estimands}
    assert satisfied(constraint.tree, values) is expected


# -- against direct evaluation -------------------------------------------------------------

MEANS = [
    next(iter(resolved(f"{name} <= 0").estimands))
    for name in ("PR | [M]", "PR | [F]", "ERR", "Cost")
]
LEAVES = ["PR | [M]", "PR | [F]", "ERR", "Cost", "0.5", "2", "0.1", "1", "F1"]
DIFFERENCE = "(PR | [M] - PR | [F])"


def _combine(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        *[pair.map(lambda p, o=o: f"({p[0]} {o} {p[1]})") for o in "+-*/"],
        *[pair.map(lambda p, f=f: f"{f}({p[0]}, {p[1]})") for f in ("max", "min")],
        *[inner.map(lambda e, f=f: f"{f}({e})") for f in ("abs", "sqrt", "log", "exp")],
        inner.map(lambda e: f"-{e}"),
        st.tuples(inner, st.sampled_from(["2", "3", "0.5", "-1", "-2"])).map(
            lambda p: f"({p[0]} ** {p[1]})"
        ),
    )


expressions = st.recursive(st.sampled_from(LEAVES), _combine, max_leaves=6)
constraints = st.tuples(
    expressions, st.sampled_from(["<=", ">="]), st.sampled_from(["0.3", "0", "-0.5", "1", "2"])
).map(" ".join)
points = st.tuples(*[st.floats(0.001, 0.999)] * 3, st.floats(0.001, 4.999))


@given(constraints, points)
@example(f"sqrt(abs{DIFFERENCE}) <= .3", (0.5, 0.55, 0.1, 1.0))
@example(f"sqrt(abs{DIFFERENCE}) <= .3", (0.5, 0.65, 0.1, 1.0))
@example(f"1 / abs{DIFFERENCE} >= 5", (0.5, 0.65, 0.1, 1.0))
@example(f"1 / abs{DIFFERENCE} >= 5", (0.5, 0.5, 0.1, 1.0))
@example(f"1 / abs{DIFFERENCE} >= 5", (0.2, 0.5, 0.1, 1.0))
@example(f"log(abs{DIFFERENCE}) <= -2", (0.5, 0.6, 0.1, 1.0))
@example(f"log(abs{DIFFERENCE}) <= -2", (0.5, 0.5, 0.1, 1.0))
@example(f"log(abs{DIFFERENCE}) <= -2", (0.2, 0.5, 0.1, 1.0))
@example(f"{DIFFERENCE} ** 2 <= 0.01", (0.2, 0.5, 0.1, 1.0))
@example(f"{DIFFERENCE} ** -2 >= 0.01", (0.2, 0.5, 0.1, 1.0))
def test_tree_and_direct_evaluation_agree(text, point):
    constraint = resolved(text)
    values = dict(zip(MEANS, point, strict=True))
    values = {mean: values.get(mean, 0.3) for mean in constraint.estimands}
    g = estimate(constraint.g, values)
    edges = [estimate(atom.expression, values) for atom in atoms_of(constraint.tree)]
    assume(math.isfinite(g))
    assume(not any(math.isnan(edge) for edge in edges))
    # If g or an atom is within rounding of its limit, either answer is correct.
    assume(abs(g) > 1e-7 and all(abs(edge) > 1e-7 or edge == 0 for edge in edges))
    assert satisfied(constraint.tree, values) == (g <= 0)


@given(constraints, points, points, st.tuples(*[st.floats(0, 1)] * 4))
def test_intervals_contain_direct_values(text, one, other, shares):
    constraint = resolved(text)
    box, values = {}, {}
    for mean, a, b, share in zip(MEANS, one, other, shares, strict=True):
        low, high = min(a, b), max(a, b)
        box[mean] = Interval(low, high)
        values[mean] = min(max(low + share * (high - low), low), high)
    for mean in constraint.estimands:
        box.setdefault(mean, Interval(0.2, 0.4))
        values.setdefault(mean, 0.3)
    for expression in (constraint.g, *(atom.expression for atom in atoms_of(constraint.tree))):
        direct, answer = estimate(expression, values), interval(expression, box)
        if math.isfinite(direct):
            slack = 1e-9 * max(1.0, abs(direct))
            assert answer.low - slack <= direct <= answer.high + slack


@given(constraints, points, st.sampled_from([-0.2, 0.1, 1.0]))
def test_margins_shift_the_limit(text, point, margin):
    constraint = resolved(text)
    values = dict(zip(MEANS, point, strict=True))
    values = {mean: values.get(mean, 0.3) for mean in constraint.estimands}
    g, tree = estimate(constraint.g, values), constraint.with_margin(margin)
    edges = [estimate(atom.expression, values) for atom in atoms_of(tree)]
    assume(math.isfinite(g) and abs(g - margin) > 1e-7)
    assume(all(abs(edge) > 1e-7 or edge == 0 for edge in edges))
    assert satisfied(tree, values) == (g <= margin)


@given(constraints, points)
def test_atoms_in_units_add_up_to_g(text, point):
    constraint = resolved(text)
    assume(constraint.in_units)
    values = dict(zip(MEANS, point, strict=True))
    values = {mean: values.get(mean, 0.3) for mean in constraint.estimands}
    g = estimate(constraint.g, values)
    assume(math.isfinite(g))
    got = _value(constraint.tree, values)
    if constraint.tree != And((TRUE,), getattr(constraint.tree, "implied", ())):
        assert got == pytest.approx(g, rel=1e-9, abs=1e-9) or got >= g


def _value(tree, values):
    if isinstance(tree, Atom):
        return estimate(tree.expression, values)
    parts = [_value(child, values) for child in (*tree.children, *getattr(tree, "implied", ()))]
    return max(parts) if isinstance(tree, And) else min(parts)


@given(constraints)
def test_linear_form_is_the_expression(text):
    for atom in atoms_of(resolved(text).tree):
        if atom.linear is None:
            continue
        assert all(atom.linear.weights)
        point = dict.fromkeys(atom.estimands, 0.25)
        total = 0.25 * sum(atom.linear.weights) + atom.linear.constant
        assert estimate(atom.expression, point) == pytest.approx(total)


# -- independence --------------------------------------------------------------------------

INDEPENDENT = [
    ("PR | [M]", "PR | [not M]", True),
    ("PR | [M]", "PR | [M]", False),
    ("PR | [M]", "PR | [F]", False),
    ("PR | [M]", "PR", False),
    ("PR_[0]", "PR_[1]", False),
    ("TPR", "FPR", True),
    ("TPR", "PR", False),
    ("PPV", "FPR", False),
    ("PPV", "NPV", True),
    ("PPV", "TPR", False),
    ("F1", "TNR", False),
    ("CM_[0,1]", "CM_[1,1]", True),
    ("TPR | [M]", "FPR | [F]", True),
    ("PR | [race == 'A']", "PR | [race == 'B']", True),
    ("PR | [race == 'A']", "PR | [race != 'A']", True),
    ("PR | [race == 'A']", "PR | [race != 'B']", False),
    ("PR | [race != 'A']", "PR | [race != 'B']", False),
    ("PR | [race in ('A', 'B')]", "PR | [race == 'C']", True),
    ("PR | [race in ('A', 'B')]", "PR | [race in ('B', 'C')]", False),
    ("PR | [race == 'A', M]", "PR | [M, race == 'B']", True),
    ("PR | [age < 40]", "PR | [age >= 40]", True),
    ("PR | [age <= 40]", "PR | [age >= 40]", False),
    ("PR | [age < 40]", "PR | [age > 40]", True),
    ("PR | [age <= 40]", "PR | [age > 40]", True),
    ("PR | [age > 40]", "PR | [age < 30]", True),
    ("PR | [age > 30]", "PR | [age < 40]", False),
    ("PR | [age == 40]", "PR | [age < 40]", True),
    ("PR | [age == 40]", "PR | [age <= 40]", False),
    ("PR | [age in (18, 19)]", "PR | [age > 19]", True),
    ("PR | [age < 40]", "PR | [M]", False),
    ("PR | [race < 'B']", "PR | [race >= 'B']", False),
    ("PR | [race == 'A']", "PR | [race >= 'B']", True),
    ("PR | [M == 1]", "PR | [not M]", True),
    ("PR | [M]", "PR | [M == 0]", True),
    ("Cost", "PR", False),
    ("Cost | [M]", "PR | [not M]", True),
    ("Brier | [M]", "LogLoss | [M]", False),
]


@pytest.mark.parametrize(("one", "other", "expected"), INDEPENDENT)
def test_independence_is_read_from_the_text(one, other, expected):
    assert independent(mean_of(one), mean_of(other)) is expected
    assert independent(mean_of(other), mean_of(one)) is expected


@pytest.mark.parametrize(("one", "other", "expected"), INDEPENDENT)
@pytest.mark.parametrize("others", [[], ["PR | [race == 'C']"], ["FPR | [race == 'A']"]])
def test_several_are_independent_if_all_pairs_are(one, other, expected, others):
    estimands = [mean_of(text) for text in (one, other, *others)]
    pairs = itertools.combinations(estimands, 2)
    assert are_independent(estimands) is all(independent(*pair) for pair in pairs)
    if not others:
        assert are_independent(estimands) is expected


def test_columns_declared_exclusive():
    mutually_exclusive_columns = frozenset({frozenset({"M", "F"})})
    assert independent(mean_of("PR | [M]"), mean_of("PR | [F]"), mutually_exclusive_columns)
    assert not independent(
        mean_of("PR | [not M]"), mean_of("PR | [not F]"), mutually_exclusive_columns
    )
    assert not independent(
        mean_of("PR | [M]"), mean_of("PR | [M, age > 40]"), mutually_exclusive_columns
    )
    atom, _ = atoms_of(resolved("abs(PR|[M] - PR|[F]) <= 0.2").tree)
    assert atom.has_independent_estimands(mutually_exclusive_columns)
    assert not atom.has_independent_estimands()
