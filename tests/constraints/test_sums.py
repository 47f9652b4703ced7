"""Weighted sums whose weights and constants agree with exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from sklearn_seldonian.constraints import Estimand, Or, atoms_of, estimate, interval
from sklearn_seldonian.constraints._interval import Interval
from sklearn_seldonian.constraints._sums import NOTHING, ONE, Weight, range_of, terms_of
from tests.constraints._trees import close, drawn, mean_of, resolved

CANCELLING = [
    ("1000000000000.5 - PR - 1000000000000 <= 0", "-PR + 0.5"),
    ("10000000000000000.5 - PR - 10000000000000000 <= 0", "-PR + 0.5"),
    ("1000000000000.1 - PR <= 1000000000000", "-PR + 0.1"),
    ("(PR + 1e17) - 1e17 <= 0.3", "PR - 0.3"),
    ("1e16 * PR - 1e16 * PR + 0.5 <= 0", "0.5"),
    ("(1e16 + 1) * PR - 1e16 * PR <= 0.5", "PR - 0.5"),
    ("1e308 * 10 - 1e308 * 10 + 0.5 - PR <= 0", "-PR + 0.5"),
    ("2 ** 200 - 2 ** 200 + 0.5 - PR <= 0", "-PR + 0.5"),
    ("0.1 * PR + 0.2 * PR - 0.3 * PR <= 0", "0"),
    ("0.1 + 0.2 - 0.3 + PR <= 0.5", "PR - 0.5"),
    ("PR * 1e200 * 1e-200 <= 0.5", "PR - 0.5"),
    ("PR / 1e-300 <= 5e299", f"{'1' + '0' * 300} * PR - {'5' + '0' * 299}"),
    ("PR * FPR + 1e17 - 1e17 <= 0.1", "PR * FPR - 0.1"),
    ("abs(PR + 1e17 - 1e17 - 0.5) <= 0.1", "AND(PR - 0.6, -PR + 0.4)"),
    ("pi - pi + 0.5 - PR <= 0", "-PR + 0.5"),
    ("log(PR + 1e17 - 1e17) <= log(0.5)", "PR - 0.5 *"),
]


@pytest.mark.parametrize(("text", "tree"), CANCELLING, ids=[text for text, _ in CANCELLING])
def test_numbers_that_cancel_leave_what_was_written(text, tree):
    assert close(drawn(resolved(text).tree)) == close(tree)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("exp(50) - 5184705528587072464087 + 0.5 - PR <= 0", 0.5),
        ("log(PR + 1e15) <= log(1e15 + 0.2)", 0.5),
        ("sqrt(PR + 1e17) <= sqrt(1e17)", 0.5),
        ("PR + 1e16 * pi - 31415926535897932.38 <= 0.5", 0.9),
        ("(PR + 1e17) ** 0.5 <= 1e17 ** 0.5", 0.5),
        ("(PR + 1e17) * PR - 1e17 * PR <= 0.01", 0.5),
        ("exp(PR) >= 1 + 1e-20", 0.0),
        ("9 ** 9 ** 9 ** 9 - PR <= 0", 0.5),
        ("PR * (1e308 * 10) - PR * (1e308 * 10) + 0.5 <= 0", 0.5),
        ("(PR + 1e-20) / 1e-20 <= 2", 1e-3),
    ],
)
def test_constraints_violated_within_rounding_are_not_satisfied(text, rate):
    tree = resolved(text).tree
    point = Interval.point(rate)
    for atom in atoms_of(tree):
        assert not interval(atom.expression, dict.fromkeys(atom.estimands, point)).high <= 0


def _random_sum(rng):
    """A sum of rates and numbers that nearly cancel: its text, its weights, its constant."""
    exact = {"PR": Fraction(0), "FPR": Fraction(0), "": Fraction(0)}
    parts = []
    for _ in range(rng.integers(2, 9)):
        name = rng.choice(list(exact))
        number = f"{rng.choice([1, 3, 7])}{'0' * rng.integers(0, 19)}.{rng.integers(0, 1000)}"
        sign = int(rng.choice([1, -1]))
        for again in (1, -1) if rng.random() < 0.6 else (1,):
            change = str(rng.integers(0, 3)) if again < 0 else "0"
            exact[name] += sign * again * (Fraction(number) + Fraction(change) / 8)
            factor = f"({number} + {change} / 8)"
            parts.append((sign * again, factor + (f" * {name}" if name else "")))
    order = rng.permutation(len(parts))
    text = " ".join(f"{'-+'[parts[i][0] > 0]} {parts[i][1]}" for i in order)
    return f"0 {text} <= 0", exact


@pytest.mark.parametrize("seed", range(60))
def test_linear_forms_are_those_of_exact_arithmetic(seed):
    text, exact = _random_sum(np.random.default_rng(seed))
    constraint = resolved(text)
    constant = exact.pop("")
    (atom,) = atoms_of(constraint.tree)
    wanted = {name: float(weight) for name, weight in exact.items() if weight}
    if constraint.tree == atom:
        assert dict(zip(map(str, atom.estimands), atom.linear.weights, strict=True)) == wanted
        assert atom.linear.constant == float(constant)
    else:  # no test is needed
        assert constant + sum(weight for weight in exact.values() if weight > 0) <= 0
    tenth = Fraction(0.1)
    values = dict.fromkeys(constraint.estimands, 0.1)
    assert estimate(constraint.g, values) == float(constant + tenth * sum(exact.values()))


def test_ranges():
    assert range_of(mean_of("PR")) == Interval(0, 1)
    assert range_of(mean_of("Cost")) == Interval(0, 5)
    assert range_of(mean_of("LogLoss")) == Interval(0, math.inf)
    assert isinstance(mean_of("PR"), Estimand)
    assert isinstance(resolved("min(PR, FPR) <= 0.1").tree, Or)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2 * PR - 3 * FPR + 1 <= 0", -2, 3),
        ("abs(PR - FPR) <= 0.5", -0.5, 0.5),
        ("PR * Cost <= 1", -1, 4),
        ("max(PR, 2 * FPR) <= 0", 0, 2),
        ("1 / (1 + PR) <= 0", 0.5, 1),
        ("exp(LogLoss) <= 0", 1, math.inf),
    ],
)
def test_a_range_has_all_that_the_means_allow(text, low, high):
    found = range_of(resolved(text).g)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.low <= low
    assert found.high >= high


# -- weights ---------------------------------------------------------------------------------


def weight(low, high=None):
    return Weight(Fraction(low), Fraction(low if high is None else high))


@pytest.mark.parametrize(
    ("one", "other", "product"),
    [
        (weight(2), weight("1/3"), weight("2/3")),
        (weight(1, 2), weight(3, 4), weight(3, 8)),
        (weight(-1, 2), weight(3, 4), weight(-4, 8)),
        (weight(-1, 2), weight(-3), weight(-6, 3)),
        (weight(-2, -1), weight(-4, -3), weight(3, 8)),
        (weight(-1, 2), weight(-3, 5), weight(-6, 10)),
        (NOTHING, weight(1, 2), NOTHING),
        (ONE, weight(1, 2), weight(1, 2)),
    ],
)
def test_a_product_has_all_products(one, other, product):
    assert one.times(other) == product
    assert other.times(one) == product


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        (weight(1), weight(3), weight("1/3")),
        (weight(1, 2), weight(2, 4), weight("1/4", 1)),
        (weight(1, 2), weight(-4, -2), weight(-1, "-1/4")),
        (weight(-1, 2), weight(1, 4), weight(-1, 2)),
        (ONE, NOTHING, None),
        (ONE, weight(-1, 1), None),
        (ONE, weight(0, 1), None),
        (ONE, weight(-1, 0), None),
    ],
)
def test_a_ratio_has_all_ratios_where_the_sign_is_known(one, other, ratio):
    assert one.over(other) == ratio


def test_sums_of_weights():
    assert weight(1, 2) + weight(-4, "1/2") == weight(-3, "5/2")
    assert -weight(1, 2) == weight(-2, -1)
    assert weight("1/3").exact == Fraction(1, 3)
    assert weight(1, 2).exact is None


def test_an_interval_of_floats_contains_the_weight():
    for one in (weight("1/3"), weight("-1/3", "1/3"), weight("0.1", "0.3"), weight(2)):
        ends = one.interval
        assert Fraction(ends.low) <= one.low
        assert one.high <= Fraction(ends.high)
        assert ends.high - ends.low <= float(one.high - one.low) + 1e-15
    assert Weight.between(Interval(0.5, 2.0)) == weight("1/2", 2)
    assert Weight.between(Interval(0.5, math.inf)) is None


@pytest.mark.parametrize(
    ("one", "is_moderate"),
    [
        (NOTHING, True),
        (weight(Fraction(2) ** 999), True),
        (weight(-(Fraction(2) ** 1000)), False),
        (weight(Fraction(2) ** -999), True),
        (weight(Fraction(2) ** -1000), False),
        (weight(0, Fraction(2) ** -1000), False),
        (weight(0, 1), True),
    ],
    ids=range(7),
)
def test_moderate_weights_are_zero_or_near_a_float(one, is_moderate):
    assert one.is_moderate is is_moderate


TERMS = [
    ("PR <= 0.3", {"PR": 1, "": "-0.3"}),
    ("NR <= 0.3", {"PR": -1, "": "0.7"}),
    ("PR >= 0.3", {"PR": -1, "": "0.3"}),
    ("0.1 * PR + 0.2 * PR - FPR / 3 <= 0.3", {"PR": "0.3", "FPR": "-1/3", "": "-0.3"}),
    ("2 * (PR - 0.1 * (FPR - 1)) <= 1", {"PR": 2, "FPR": "-0.2", "": "-0.8"}),
    ("PR - FPR - PR <= 1", {"FPR": -1, "": -1}),
    ("PR - PR <= 1", {"": -1}),
    ("PR * FPR - 2 * (PR * FPR) + PR <= 1", {"PR * FPR": -1, "PR": 1, "": -1}),
    ("abs(PR - FPR) / 4 <= 1", {"abs(PR - FPR)": "1/4", "": -1}),
    ("max(PR, by=M in (1,)) <= 1", {"PR | [M == 1]": 1, "": -1}),
    ("PR / FPR <= 1", {"PR / FPR": 1, "": -1}),
]


@pytest.mark.parametrize(("text", "terms"), TERMS, ids=[text for text, _ in TERMS])
def test_terms_of_a_sum_and_their_exact_weights(text, terms):
    found = {str(term or ""): one for term, one in terms_of(resolved(text).g).items()}
    assert found == {name: weight(number) for name, number in terms.items()}


def test_an_irrational_weight_lies_between_two_numbers():
    terms = terms_of(resolved("pi * PR <= 1").g)
    low, high = terms[mean_of("PR")]
    digits = Fraction("3.14159265358979323846264338327950288")
    assert low < digits < high
    assert high - low < 2e-15


@pytest.mark.parametrize("factor", ["2 ** 2000", "2 ** -2000", "exp(1000)"])
def test_there_are_no_terms_where_no_float_is_near_a_weight(factor):
    assert terms_of(resolved(f"{factor} * PR <= 1").g) is None
    assert terms_of(resolved(f"PR * {factor} - FPR <= 1").g) is None
