"""How many ends of intervals must hold, so that the upper end of an expression holds."""

from __future__ import annotations

from sklearn_seldonian.constraints._evaluate import interval, is_constant
from sklearn_seldonian.constraints._interval import WHOLE_LINE
from sklearn_seldonian.constraints._nodes import Binary, Call, Negative, Node, operands
from sklearn_seldonian.constraints._resolve import Estimand


def n_ends(node: Node, *, upper: bool = True) -> int:
    """The number of ends of the estimands' intervals that one end of `node` needs.

    Whatever the true values of the estimands are, there are so many ends, which depend on these
    values only, with this property: if these ends hold, the upper end that `interval` computes for
    `node` is at least the true value (with ``upper=False``, the lower end is at most the true
    value). Other ends may be wrong.

    The proof is by induction over the operations. The upper end of a sum holds if those of all
    terms hold. The upper end of ``max(a, b)`` holds if that of the operand that is truly larger
    holds, because the computed one is at least as large. The upper end of ``abs(a)`` holds if the
    upper end of a positive `a` holds, or the lower end of a negative one. A product or quotient
    needs all ends of its operands, unless one of them is a constant whose sign is certain.

    Examples
    --------
    >>> from sklearn_seldonian.constraints import Schema, bind, parse
    >>> text = "max(PR, by=g) - min(PR, by=g) <= 0.1"
    >>> schema = Schema((0, 1), 1, {"g": tuple(range(30))})
    >>> n_ends(bind(parse(text), schema).g)
    2
    """
    match node:
        case Estimand():
            return 1
        case Negative(operand):
            return n_ends(operand, upper=not upper)
        case Binary("-", left, right):
            return n_ends(left, upper=upper) + n_ends(right, upper=not upper)
        case Binary("*" | "/" as name, left, right):
            return _of_product(name, left, right, upper)
        case Binary("+") | Call("sum" | "exp" | "log" | "sqrt"):
            return sum(n_ends(operand, upper=upper) for operand in operands(node))
        case Call("max" | "min" | "least" as name):
            of_operands = [n_ends(operand, upper=upper) for operand in operands(node)]
            return max(of_operands) if (name == "max") == upper else sum(of_operands)
        case Call("abs", (operand,)) if upper:
            return max(n_ends(operand), n_ends(operand, upper=False))
    return _of_both(*operands(node))


def _of_product(name: str, left: Node, right: Node, upper: bool) -> int:
    """The same for a product or quotient."""
    for factor, other in [(right, left)] + [(left, right)] * (name == "*"):
        sign = interval(factor, {}) if is_constant(factor) else WHOLE_LINE
        if sign.low >= 0 or sign.high <= 0:
            return n_ends(other, upper=upper == (sign.low >= 0))
    return _of_both(left, right)


def _of_both(*nodes: Node) -> int:
    """The number of ends that both ends of all `nodes` need."""
    return sum(n_ends(node) + n_ends(node, upper=False) for node in nodes)
