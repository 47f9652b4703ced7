"""Constraints as sentences, for readers who do not know the constraint language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sklearn_seldonian.constraints._nodes import (
    Binary,
    Call,
    ColumnIs,
    Condition,
    Constraint,
    Grouping,
    Measure,
    Negative,
    Node,
    Number,
    Quantified,
    is_rate,
    walk,
)
from sklearn_seldonian.constraints._parse import parse
from sklearn_seldonian.measures import ALIASES, COMPOSITES, DEFINITIONS

# A sentence with more characters is harder to read than the constraint itself.
MAX_CHARACTERS = 400
_EXTREMES = {"max": "the largest", "min": "the smallest"}
_COMPOSITES = {
    "F1": "the F1 score of the label",
    "BACC": "the balanced accuracy (the mean of two shares: of the rows with the label, the share "
    "predicted to have it, and of the other rows, the share predicted not to have it)",
}


def sentence(text: str, positive: str | None = None) -> str:
    """A constraint as a sentence; "" if no sentence is easier to read than the constraint.

    Parameters
    ----------
    text : str
        The constraint.
    positive : str or None, default=None
        The label that measures without a subscript are about.

    Examples
    --------
    >>> from sklearn_seldonian.certification._sentences import sentence
    >>> sentence("ACC >= 0.9")
    'The share of rows predicted correctly must be at least 0.9.'
    """
    try:
        words = _sentence(parse(text).as_ratio, positive)
    except (ValueError, LookupError):
        return ""
    return words[0].upper() + words[1:] if len(words) <= MAX_CHARACTERS else ""


def _sentence(constraint: Constraint, positive: str | None) -> str:
    is_most = constraint.operator == "<="
    left, right = constraint.left, constraint.right
    if isinstance(left, Number):
        left, right, is_most = right, left, not is_most
    is_number = isinstance(right, Number | Negative) and not _has_measure(right)
    limit = f"at {'most' if is_most else 'least'} {_noun(right, positive)}"
    match left:
        case Binary("-", Quantified("max", one, by), Quantified("min", other, also)) if (
            is_most and is_number and one == other and by == also
        ):
            found = f"{_noun(one, positive)} must differ by {limit} between any two {_groups(by)}"
        case Binary("/", Quantified("min", one, by), Quantified("max", other, also)) if (
            not is_most and is_number and one == other and by == also and is_rate(one)
        ):
            found = (
                f"{_noun(one, positive)} must be, in each of the {_groups(by)}, {limit} times what "
                "it is in any other group"
            )
        case Binary("/", one, other) if is_number and is_rate(other):
            found = f"{_noun(one, positive)} must be {limit} times {_noun(other, positive)}"
        case Quantified("max" | "min" as function, expression, by) if is_number:
            where = "each" if (function == "max") == is_most else "one"
            found = f"{_noun(expression, positive)} must be {limit} in {where} of the {_groups(by)}"
        case _:
            found = f"{_noun(left, positive)} must be {limit}"
    return found.removesuffix(",") + "."


def _groups(by: Sequence[Grouping]) -> str:
    return f"groups of {' and '.join(map(str, by))}"


def _gap(left: Node, right: Node, positive: str | None) -> str:
    """The distance between two expressions, in words."""
    if isinstance(left, Measure) and isinstance(right, Measure):
        bare = [replace(each, conditions=()) for each in (left, right)]
        if bare[0] == bare[1] and left != right:
            one, other = (_rows(each.conditions) for each in (left, right))
            return f"the gap in {_noun(bare[0], positive)} between {one} and {other}"
    return f"the gap between {_part(left, positive)} and {_part(right, positive)}"


def _rows(conditions: Sequence[Condition]) -> str:
    return f"rows where {_conditions(conditions)}" if conditions else "all rows"


def conditions_of(estimand: str) -> str:
    """The conditions of an estimand's name in words; "" if it has none.

    A name that is not in the constraint language has its conditions unchanged.

    Examples
    --------
    >>> from sklearn_seldonian.certification._sentences import conditions_of
    >>> conditions_of("PR | [not F, age >= 40]")
    'F is 0 and age >= 40'
    """
    try:
        node = parse(f"{estimand} <= 0").left
    except ValueError:
        return estimand.partition(" | ")[2][1:-1]
    return _conditions(node.conditions) if isinstance(node, Measure) else ""


def _conditions(conditions: Sequence[Condition]) -> str:
    """Conditions as text; a bare 0/1 column reads "F is 1"."""
    texts = []
    for condition in conditions:
        text = str(condition)
        if isinstance(condition, ColumnIs):
            text = f"{condition.column} is {'1' if condition.value else '0'}"
        texts.append(text)
    return " and ".join(texts)


def _noun(node: Node, positive: str | None) -> str:
    """An expression in words.

    Raises
    ------
    LookupError
        If there are no words for it.
    """
    match node:
        case Number():
            return str(node)
        case Negative(operand):
            return f"minus {_part(operand, positive)}"
        case Measure():
            return _measure(node, positive)
        case Binary(operator, left, right) if operator in _JOINING:
            return _JOINING[operator].format(_part(left, positive), _part(right, positive))
        case Call("abs", (Binary("-", left, right),)):
            return _gap(left, right, positive)
        case Call("abs", (operand,)):
            return f"the absolute value of {_part(operand, positive)}"
        case Call("max" | "min" as function, arguments):
            listed = (_noun(argument, positive).removesuffix(",") for argument in arguments)
            return f"{_EXTREMES[function]} of ({'; '.join(listed)})"
        case Quantified(function, expression, by):
            value = f"{_EXTREMES[function]} value" if function in _EXTREMES else "the mean"
            return f"{value}, over the {_groups(by)}, of {_part(expression, positive)}"
    raise LookupError(f"There are no words for {node}.")


def _part(node: Node, positive: str | None) -> str:
    """A part of an expression in words that cannot be misread as several parts.

    Raises
    ------
    LookupError
        If it is an operation itself, because words have no brackets.
    """
    if isinstance(node, Binary | Negative | Quantified):
        raise LookupError(f"There are no words for {node} inside an expression.")
    return _noun(node, positive)


def _has_measure(node: Node) -> bool:
    return any(isinstance(each, Measure) for each in walk(node))


_JOINING = {
    "+": "the sum of {} and of {}",
    "-": "{} minus {}",
    "*": "{} times {}",
    "/": "{} divided by {}",
}


def _measure(measure: Measure, positive: str | None) -> str:
    name = ALIASES.get(measure.name, measure.name)
    if name in COMPOSITES:
        words = _COMPOSITES[name]
    elif name in DEFINITIONS:
        words = f"the {DEFINITIONS[name].words}"
    else:
        words = f"the mean of {measure.name}"
    if measure.level is not None:
        share = float(100 * (1 - measure.level.fraction))
        words = f"{words} over the {share:.6g}% of rows with the largest values"
    words = with_labels(words, [str(index) for index in measure.indices], positive)
    return f"{words}, where {_conditions(measure.conditions)}," if measure.conditions else words


def with_labels(words: str, labels: Sequence[str], positive: str | None) -> str:
    """The words of a measure with the labels that it is about.

    Parameters
    ----------
    words : str
    labels : sequence of str
        Those in the measure's subscript.
    positive : str or None
        The label that a measure without a subscript is about.
    """
    if len(labels) == 2:
        words = words.replace("the second label", f"the label “{labels[1]}”")
        return words.replace("the first", f"the label “{labels[0]}”")
    label = labels[0] if labels else positive
    return words if label is None else words.replace("the label", f"the label “{label}”", 1)
