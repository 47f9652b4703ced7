"""Certificates as JSON documents; what is read is checked field by field.

A document that anyone can edit proves little, but what it says must at least be possible: every
field has a type, and rules say which fields follow from which.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from sklearn_seldonian.certification._fields import ConstraintResult
from sklearn_seldonian.certification._rules import check

if TYPE_CHECKING:
    from sklearn_seldonian.certification._certificate import SafetyCertificate

INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}
MAX_COUNT = 2**53  # beyond it not every whole number is a float


# -- writing -----------------------------------------------------------------------------


def to_text(certificate: SafetyCertificate) -> str:
    """The document of a certificate."""
    return json.dumps(_plain(asdict(certificate)), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    """The same without numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


# -- reading -----------------------------------------------------------------------------


def from_text(text: str, kind: type[SafetyCertificate]) -> SafetyCertificate:
    """The certificate of a document, as one of the class `kind`.

    Raises
    ------
    ValueError
        If it is not one that `to_text` wrote. The message names the field.
    """
    content = _read_fields(kind, _document(text), "")
    content["results"] = tuple(
        ConstraintResult(**_read_fields(ConstraintResult, each, f"results[{i}]."))
        for i, each in enumerate(content["results"])
    )
    certificate = kind(**content)
    check(certificate)
    return certificate


def _document(text: str) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_each_once, parse_constant=_finite, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not the JSON document of a certificate: {error}") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [name for name, n in Counter(name for name, _ in pairs).items() if n > 1]
    if twice:
        raise ValueError(f"the field {twice[0]!r} is there twice.")
    return dict(pairs)


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(
            f"{text:.20} is not JSON, or too large; write null, or a string for an infinite number."
        )
    return float(text)


def _read_fields(kind: type, content: Any, where: str) -> dict[str, Any]:
    """The value of every field, each of its type."""
    if not isinstance(content, dict):
        raise ValueError(f"{where.removesuffix('.') or 'A certificate'} must be a JSON object.")
    types = _types(kind)
    for problem, wrong in (
        ("unknown", content.keys() - types.keys()),
        ("missing", types.keys() - content.keys()),
    ):
        if wrong:
            raise ValueError(f"{where}{min(wrong)} is {problem} in a certificate's JSON document.")
    return {name: _read(f"{where}{name}", value, types[name]) for name, value in content.items()}


_types = lru_cache(get_type_hints)


class _Type(NamedTuple):
    """A field's type in JSON: in words, and as a function that is true of its values."""

    words: str
    holds: Callable[[Any], bool]


def _read(name: str, given: Any, annotation: Any) -> Any:
    """The value of the field `name`."""
    words, holds = TYPES[annotation]
    value = _number(given) if annotation is float else given
    if not holds(value):
        raise ValueError(f"{name} must be {words}, got {given!r:.200}.")
    return value


def _number(given: Any) -> Any:
    """A float, where a number is written; otherwise what was given."""
    if given is None:
        return math.nan
    if isinstance(given, str):
        return INFINITIES.get(given, given)
    return float(given) if type(given) is int and abs(given) < sys.float_info.max else given


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _mapping_to(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(holds, value.values()))


TYPES: Mapping[Any, _Type] = {
    float: _Type('a number, "Infinity", "-Infinity" or null', lambda v: isinstance(v, float)),
    int: _Type("a whole number from 0 to 2**53", _is_count),
    str: _Type("a string", _is_text),
    int | None: _Type("a whole number from 0 on, or null", lambda v: v is None or _is_count(v)),
    str | None: _Type("a string or null", lambda v: v is None or _is_text(v)),
    tuple[str, ...]: _Type(
        "a list of strings", lambda v: isinstance(v, list) and all(map(_is_text, v))
    ),
    tuple[ConstraintResult, ...]: _Type(
        "a list with at least one result", lambda v: isinstance(v, list) and v != []
    ),
    Mapping[str, str]: _Type("an object with strings", _mapping_to(_is_text)),
    Mapping[str, int]: _Type("an object with whole numbers from 0 on", _mapping_to(_is_count)),
    Mapping[str, float]: _Type("an object with numbers from 0 to 1", _mapping_to(_is_share)),
}
