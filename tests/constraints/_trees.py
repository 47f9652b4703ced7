"""Constraints over one set of names, and their trees as text, for several test files."""

from sklearn_seldonian.constraints import And, Atom, Schema, bind, parse
from sklearn_seldonian.measures import RowMeasure

COST = RowMeasure("Cost", lambda y, prediction, probabilities: y, range=(0, 5))
SCHEMA = Schema(
    (0, 1),
    1,
    {
        "M": (0, 1),
        "F": (0, 1),
        "race": ("A", "B", "C"),
        "age": tuple(range(18, 80)),
        "many": tuple(range(19)),
    },
    measures=(COST,),
)


def resolved(text):
    return bind(parse(text), SCHEMA)


def drawn(tree):
    """The tree as text; an atom that is not in the constraint's units ends in a star."""
    if isinstance(tree, Atom):
        return f"{tree.expression}{'' if tree.in_units else ' *'}"
    parts = [drawn(child) for child in tree.children]
    implied = [drawn(atom) for atom in getattr(tree, "implied", ())]
    name = "AND" if isinstance(tree, And) else "OR"
    return f"{name}({', '.join(parts)}{' | ' + ', '.join(implied) if implied else ''})"


def close(text):
    """Numbers with twelve digits, so that rounding does not show."""
    words = text.replace(")", " )").replace(",", " ,").replace("(", "( ").split()
    return " ".join(f"{float(w):.12g}" if w.removeprefix("-")[:1].isdigit() else w for w in words)


def mean_of(text):
    (only,) = resolved(f"{text} <= 0").estimands
    return only
