"""Atoms as limits on a ratio of two means, or on an expression without its constant."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

from sklearn_seldonian.certification._evidence import Evidence
from sklearn_seldonian.constraints import Atom, Binary, Node, Number
from sklearn_seldonian.measures import Rate

# A constant below this share of the weights is a rounding error.
ROUNDING = 1e-12


class Ratio(NamedTuple):
    """An atom with ``h = weight * (a - limit * b)`` for two means a and b.

    Attributes
    ----------
    order : pair of int
        The positions of a and b among the atom's estimands.
    complemented : pair of bool
        For each estimand, whether its complement counts.
    limit : float
    weight : float > 0
    """

    order: tuple[int, int]
    complemented: tuple[bool, bool]
    limit: float
    weight: float


def ratio_of_two(atom: Atom) -> Ratio | None:
    """The atom as a bound on the ratio of two means, or of complements of rates."""
    linear = atom.linear
    if linear is None or len(atom.estimands) != 2:
        return None
    may_be = [(False, True) if isinstance(m.quantity, Rate) else (False,) for m in atom.estimands]
    for first, second in itertools.product(*may_be):
        w1, w2 = linear.weights
        constant = linear.constant + w1 * first + w2 * second
        weights = (-w1 if first else w1), (-w2 if second else w2)
        if abs(constant) <= ROUNDING * max(abs(w1), abs(w2)) and min(weights) < 0.0 < max(weights):
            top = int(weights[1] > 0.0)
            limit = -weights[1 - top] / weights[top]
            return Ratio((top, 1 - top), (first, second), limit, weights[top])
    return None


def approximate_excess(atom: Atom, ratio: Ratio, upper: float, evidence: Evidence) -> float:
    """About the bound on h that a bound on the ratio implies.

    A bound on the ratio is not one on h, which also depends on b. Training needs one nevertheless,
    and gets the one for which b is its estimate.
    """
    _, bottom = ratio.order
    estimate = evidence.samples[atom.estimands[bottom]].estimate
    denominator = 1.0 - estimate if ratio.complemented[bottom] else estimate
    return ratio.weight * (upper - ratio.limit) * denominator if denominator > 0.0 else math.inf


def quotient(atom: Atom, ratio: Ratio) -> Node:
    """The quotient of two rates, or of their complements, that `ratio` limits."""

    def part(position: int) -> Node:
        estimand = atom.estimands[position]
        return Binary("-", Number(1.0), estimand) if ratio.complemented[position] else estimand

    return Binary("/", *map(part, ratio.order))


def varying_part(expression: Node) -> tuple[Node, float]:
    """The varying part u of an expression ``u - c <= 0``, and the limit c on it."""
    match expression:
        case Binary("+" | "-" as sign, inner, Number() as number):
            varying, limit = varying_part(inner)
            return varying, limit + (number.value if sign == "-" else -number.value)
    return expression, 0.0
