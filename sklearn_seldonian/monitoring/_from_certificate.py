"""The parameters of a monitor, from a certificate."""

from __future__ import annotations

import ast
import re
from typing import Any

from sklearn_seldonian._text import short
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.constraints import (
    Comparison,
    columns_of,
    named_levels,
    parse,
    parse_all,
    quantifiers_of,
    walk,
)
from sklearn_seldonian.data._units import INDEPENDENT
from sklearn_seldonian.measures import ANY_NUMBER

EXCLUSIVE = re.compile(r"Columns (.+) and (.+) are never both 1; no row seen has both\.")


def parameters_of(certificate: Any) -> dict[str, Any]:
    """The parameters of a monitor of the certified constraints.

    Raises
    ------
    TypeError
        If it is not a certificate.
    ValueError
        If it has no results, or is about a population that a stream of rows is not drawn from.
    """
    if not isinstance(certificate, SafetyCertificate):
        raise TypeError(
            f"certificate must be a SafetyCertificate, got {short(certificate)}. A fitted "
            "estimator has it as certificate_, and SafetyCertificate.from_json reads it from a "
            "file."
        )
    if not certificate.results:
        raise ValueError(
            "The certificate has no results, so there is nothing to monitor. Give the constraints "
            "themselves: SafetyMonitor(constraints, ...)."
        )
    _check_population(certificate)
    texts = [result.constraint for result in certificate.results]
    is_regression = not certificate.classes
    classes = None if is_regression else tuple(map(label_of, certificate.classes))
    positive = certificate.positive
    return {
        "constraints": texts,
        "delta": [result.delta for result in certificate.results],
        "classes": classes,
        "pos_label": None if positive is None else label_of(positive),
        "levels": _levels(certificate, texts),
        "mutually_exclusive": _exclusive(certificate, texts),
        "missing": _given(certificate, "missing") or "error",
        "target_range": _range(certificate, "target_range") if is_regression else None,
        "prediction_range": _range(certificate, "prediction_range") if is_regression else None,
    }


def label_of(text: str) -> Any:
    """The label with this text: a number, True or False, or the text itself."""
    try:
        label = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return label if isinstance(label, int | float) and str(label) == text else text


def _check_population(certificate: SafetyCertificate) -> None:
    """Refuse certificates about other populations than that of the rows as they are drawn."""
    weighted = any("sample_weight" in text for text in certificate.assumptions)
    drawn = INDEPENDENT in certificate.assumptions or not certificate.assumptions
    if weighted or not drawn or "shift" in certificate.parameters:
        raise ValueError(
            "The certificate is about groups of rows, weighted rows or shifted populations "
            "(groups=, sample_weight= or shift=), and a monitor needs rows that are independent "
            "draws and count once. To monitor the constraints for such rows, write "
            "SafetyMonitor(constraints, ...)."
        )


def _given(certificate: SafetyCertificate, name: str) -> Any:
    """A parameter of the certificate; None if it cannot be read."""
    try:
        return ast.literal_eval(certificate.parameters.get(name, "None"))
    except (ValueError, SyntaxError):
        return None


def _range(certificate: SafetyCertificate, name: str) -> Any:
    """A range that the specification has, or, in documents of version 1, the parameters."""
    if certificate.specification is None:
        return _given(certificate, name)
    ends = tuple(getattr(certificate.specification, name))
    return None if ends == ANY_NUMBER else ends


def _levels(certificate: SafetyCertificate, texts: list[str]) -> dict[str, list[Any]]:
    """The levels that quantifiers ranged over, from the names of the tested means."""
    constraints = parse_all(texts)
    ranged = {g.column for by in quantifiers_of(constraints) for g in by if not g.levels}
    found: dict[str, list[Any]] = {column: [] for column in sorted(ranged)}
    names = [name for result in certificate.results for name in result.rows] if ranged else []
    for node in (node for name in names for node in walk(parse(f"{name} <= 0"))):
        if isinstance(node, Comparison) and node.operator == "==" and node.column in found:
            found[node.column].append(node.literal)
    for column, literals in named_levels(constraints).items():
        if column in found:
            found[column].extend(literals)
    return {column: list(dict.fromkeys(levels)) for column, levels in found.items() if levels}


def _exclusive(certificate: SafetyCertificate, texts: list[str]) -> list[tuple[str, str]]:
    """The pairs of columns that the certificate assumes never to be both 1."""
    named = {column for constraint in parse_all(texts) for column in columns_of(constraint)}
    found = [EXCLUSIVE.fullmatch(text) for text in certificate.assumptions]
    pairs = [(match[1], match[2]) for match in found if match]
    return [pair for pair in pairs if named.issuperset(pair)]
