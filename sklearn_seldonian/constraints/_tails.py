"""The conditional value at risk in atoms, where only upper limits on it can be certified."""

from __future__ import annotations

from typing import NamedTuple

from sklearn_seldonian.constraints._nodes import (
    CVAR,
    Binary,
    Constraint,
    Node,
    Number,
    operands,
)
from sklearn_seldonian.constraints._resolve import Estimand, Least
from sklearn_seldonian.constraints._sums import NOTHING, Weight, terms_of
from sklearn_seldonian.constraints._tree import (
    And,
    Atom,
    Linear,
    Tree,
    atoms_of,
    subtrees,
)
from sklearn_seldonian.exceptions import ConstraintNameError


class ShiftedMean(NamedTuple):
    """``weight * estimand + constant`` with a positive weight."""

    estimand: Estimand
    weight: float
    constant: float


class LimitOnLeast(NamedTuple):
    """The atom ``weight * least + constant <= 0`` with a positive weight.

    `least` is the smallest of several means over the same rows.
    """

    weight: float
    constant: float
    means: tuple[ShiftedMean, ...]

    def at(self, mean: ShiftedMean) -> Atom:
        """The limit on one of the means, which implies the limit on the smallest."""
        slope = self.weight * mean.weight
        constant = self.weight * mean.constant + self.constant
        product = Binary("*", Number(slope), mean.estimand)
        operator = "+" if constant >= 0.0 else "-"
        expression = Binary(operator, product, Number(abs(constant)))
        return Atom(expression, (mean.estimand,), Linear((slope,), constant))


def limit_on_least(atom: Atom) -> LimitOnLeast | None:
    """The atom as a limit on one conditional value at risk; None if it has other terms."""
    terms = dict(terms_of(atom.expression) or {})
    constant = terms.pop(None, NOTHING)
    if len(terms) != 1:
        return None
    ((node, weight),) = terms.items()
    if not isinstance(node, Least) or weight.exact is None or constant.exact is None:
        return None
    means = [_shifted_mean(argument) for argument in node.arguments]
    found = tuple(mean for mean in means if mean is not None)
    if weight.exact <= 0 or len(found) < len(means):
        return None
    return LimitOnLeast(float(weight.exact), float(constant.exact), found)


def _shifted_mean(node: Node) -> ShiftedMean | None:
    terms = dict(terms_of(node) or {})
    constant = terms.pop(None, NOTHING)
    match list(terms.items()):
        case [(Estimand() as mean, Weight() as weight)] if weight.low > 0:
            return ShiftedMean(mean, float(weight.low), float(constant.low))
    return None


def has_tail(node: Node) -> bool:
    """Whether a resolved expression contains a conditional value at risk."""
    return bool(_tails_in(node))


def _tails_in(node: Node) -> list[Least]:
    if isinstance(node, Least):
        return [node]
    return [least for operand in operands(node) for least in _tails_in(operand)]


def refuse_lower_limits(constraint: Constraint, tree: Tree) -> None:
    """Refuse a constraint that needs a lower bound on a conditional value at risk.

    Raises
    ------
    ConstraintNameError
    """
    ands = (part for part in subtrees(tree) if isinstance(part, And))
    for part in (tree, *(implied for each in ands for implied in each.implied)):
        for atom in atoms_of(part):
            for node, weight in (terms_of(atom.expression) or {atom.expression: NOTHING}).items():
                tails = [] if node is None else _tails_in(node)
                if tails and not (isinstance(node, Least) and weight.low > 0):
                    span = tails[0].span
                    raise ConstraintNameError(
                        f"This constraint needs a lower bound on '{tails[0]}', and only upper "
                        f"bounds on a {CVAR} are available. Write an upper limit on each {CVAR}, "
                        f"as in 'CVaR(MSE, 0.9) <= 2'.",
                        constraint.text or str(constraint),
                        span.start,
                        span.end,
                    )
