"""Whether at least one of several alternatives always holds.

``max(ERR, ACC) >= 0.5`` is ``ERR >= 0.5`` or ``ACC >= 0.5``. One of the two always holds, because
ACC is one minus ERR. This follows from arithmetic and needs no test.

The alternatives ``h_1 <= 0``, ..., ``h_k <= 0`` leave nothing out if and only if no point has all
``h_i > 0``. If each h is a weighted sum of means plus a constant, these points are the solutions of
strict linear inequalities in the box of the means' ranges. Fourier-Motzkin elimination [1]_ decides
whether there is a solution. It uses fractions, so there is no rounding. Alternatives that are not
linear are left out, and the means are taken to vary freely. Both can only add points. So if the
answer is that nothing is left out, it is correct.

References
----------
.. [1] A. Schrijver, "Theory of Linear and Integer Programming", Wiley, 1986, section 12.2.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

from sklearn_seldonian.constraints._nodes import Node
from sklearn_seldonian.constraints._resolve import Estimand
from sklearn_seldonian.constraints._sums import NOTHING, terms_of
from sklearn_seldonian.constraints._tree import Atom

# With more inequalities than this, the answer is "not known".
MAX_INEQUALITIES = 2000


class _Inequality(NamedTuple):
    """``sum(weights * means) + constant > 0``, or ``>= 0`` if it is not strict."""

    weights: frozenset[tuple[Node, Fraction]]
    constant: Fraction
    is_strict: bool


def leave_nothing_out(alternatives: Iterable[Atom]) -> bool:
    """Whether one of them is at most zero for all values of the means; False if not known."""
    atoms = [atom for atom in alternatives if atom.linear is not None]
    means = dict.fromkeys(mean for atom in atoms for mean in atom.estimands)
    inequalities = {_violated(atom) for atom in atoms}
    inequalities.update(bound for mean in means for bound in _bounds(mean))
    for mean in means:
        below, others, above = _by_sign(mean, inequalities)
        if len(others) + len(below) * len(above) > MAX_INEQUALITIES:
            return False
        pairs = itertools.product(above, below)
        inequalities = others | {_combined(mean, low, high) for low, high in pairs}
    return any(each.constant < 0 or (each.is_strict and not each.constant) for each in inequalities)


def _violated(atom: Atom) -> _Inequality:
    """The inequality that a linear atom is above zero."""
    terms = terms_of(atom.expression)
    assert terms is not None
    constant = terms.pop(None, NOTHING)
    weights = frozenset((mean, weight.low) for mean, weight in terms.items() if mean is not None)
    return _Inequality(weights, constant.low, True)


def _bounds(mean: Estimand) -> Iterator[_Inequality]:
    """The inequalities that a mean is in its range."""
    for sign, end in zip((1, -1), mean.quantity.range, strict=True):
        if math.isfinite(end):
            weights = frozenset({(mean, Fraction(sign))})
            yield _Inequality(weights, -sign * Fraction(end), False)


def _by_sign(mean: Estimand, inequalities: Iterable[_Inequality]) -> tuple[set[_Inequality], ...]:
    """The inequalities in which the weight of a mean is negative, zero and positive."""
    parts: tuple[set[_Inequality], ...] = set(), set(), set()
    for each in inequalities:
        weight = dict(each.weights).get(mean, 0)
        parts[(weight > 0) - (weight < 0) + 1].add(each)
    return parts


def _combined(mean: Estimand, one: _Inequality, other: _Inequality) -> _Inequality:
    """The combination of two inequalities that eliminates a mean with different signs."""
    factor, scale = (1 / abs(dict(each.weights)[mean]) for each in (one, other))
    total: dict[Node, Fraction] = {}
    for each, by in ((one, factor), (other, scale)):
        for node, weight in each.weights:
            total[node] = total.get(node, Fraction(0)) + by * weight
    weights = frozenset((node, weight) for node, weight in total.items() if weight)
    constant = factor * one.constant + scale * other.constant
    return _Inequality(weights, constant, one.is_strict or other.is_strict)
