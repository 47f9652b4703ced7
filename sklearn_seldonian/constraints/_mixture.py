"""Estimands as mixtures over the levels of a column, in several populations at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sklearn_seldonian.constraints._nodes import (
    Binary,
    Call,
    Condition,
    Node,
    Number,
    operands,
    with_operands,
)
from sklearn_seldonian.constraints._resolve import Estimand, means_of
from sklearn_seldonian.constraints._resolved import ResolvedConstraint
from sklearn_seldonian.constraints._split import split

# For each population, the share of each level among the rows of an estimand.
Mixtures = Sequence[Mapping[Condition, float]]


def in_populations(
    constraint: ResolvedConstraint, mixtures_of: Callable[[Estimand], Mixtures | None]
) -> ResolvedConstraint:
    """The constraint that `constraint` holds in every one of some populations.

    Parameters
    ----------
    constraint : ResolvedConstraint
    mixtures_of : callable
        Returns the mixture of an estimand in each population; None if it is the same in all.
    """
    mixtures = {mean: mixtures_of(mean) for mean in constraint.estimands}
    shifted = {mean: found for mean, found in mixtures.items() if found is not None}
    if not shifted:
        return constraint
    n_populations = len(next(iter(shifted.values())))
    each = [
        _with(constraint.g, {mean: _mixed(mean, found[i]) for mean, found in shifted.items()})
        for i in range(n_populations)
    ]
    g = each[0] if n_populations == 1 else Call("max", tuple(each))
    return ResolvedConstraint(constraint.source, g, split(g), means_of(g))


def _with(node: Node, new: Mapping[Estimand, Node]) -> Node:
    if isinstance(node, Estimand):
        return new.get(node, node)
    from_operands = [_with(operand, new) for operand in operands(node)]
    return with_operands(node, from_operands)


def _mixed(mean: Estimand, shares: Mapping[Condition, float]) -> Node:
    """The sum over levels of each level's share times its own mean."""
    terms = [
        Binary("*", Number(share), replace(mean, conditions=mean.conditions | {level}))
        for level, share in shares.items()
        if share
    ]
    total: Node = terms[0]
    for term in terms[1:]:
        total = Binary("+", total, term)
    return total
