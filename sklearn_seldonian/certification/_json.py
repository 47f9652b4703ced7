"""Certificates as JSON documents; what is read is checked field by field.

A document that anyone can edit proves little, but what it says must at least be possible: every
field has a kind, and rules say which fields follow from which.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, NamedTuple, TypeVar

from sklearn_seldonian.certification._fields import (
    GUARANTEES,
    CertificateFields,
    ConstraintResult,
)
from sklearn_seldonian.certification._rules import GUARANTEE_OF, check, parsed
from sklearn_seldonian.constraints import Constraint

Certificate = TypeVar("Certificate", bound=CertificateFields)
INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}


# -- writing -----------------------------------------------------------------------------


def to_text(certificate: CertificateFields) -> str:
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


def from_text(text: str, kind: type[Certificate]) -> Certificate:
    """The certificate of a document, as one of the class `kind`.

    Raises
    ------
    ValueError
        If it is not one that `to_text` wrote. The message names the field.
    """
    content = _read_fields(kind, _document(text), CERTIFICATE_FIELDS, "")
    content["results"] = tuple(
        ConstraintResult(**_read_fields(ConstraintResult, each, RESULT_FIELDS, f"results[{i}]."))
        for i, each in enumerate(content["results"])
    )
    certificate = kind(**content)
    check(certificate)
    return certificate


def _document(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_each_once,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not the JSON document of a certificate: {error}") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"the field {twice[0]!r} is there twice.")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; write null, or a string for an infinite number.")


def _finite(text: str) -> float:
    if math.isinf(float(text)):
        raise ValueError(f"{text:.20} is too large for a number.")
    return float(text)


def _read_fields(
    kind: type, content: Any, kinds: Mapping[str, _Kind], where: str
) -> dict[str, Any]:
    """The value of every field, each of its kind."""
    if not isinstance(content, dict):
        raise ValueError(f"{where.removesuffix('.') or 'A certificate'} must be a JSON object.")
    names = {field.name for field in fields(kind)}
    for problem, wrong in (
        ("unknown", content.keys() - names),
        ("missing", names - content.keys()),
    ):
        if wrong:
            raise ValueError(f"{where}{min(wrong)} is {problem} in a certificate's JSON document.")
    return {name: kinds[name].read(f"{where}{name}", value) for name, value in content.items()}


class _Kind(NamedTuple):
    """What the value of a field must be: in words, and as a function that is true of it."""

    words: str
    holds: Callable[[Any], bool]
    is_number: bool = False

    def read(self, name: str, given: Any) -> Any:
        """The value of the field `name`."""
        value = _number(given) if self.is_number else given
        if not self.holds(value):
            raise ValueError(f"{name} must be {self.words}, got {given!r:.200}.")
        return value


def _number(given: Any) -> Any:
    """A float, where a number is written; otherwise what was given."""
    if given is None:
        return math.nan
    if isinstance(given, str):
        return INFINITIES.get(given, given)
    return float(given) if type(given) is int and abs(given) < sys.float_info.max else given


def _is_float(value: Any) -> bool:
    return isinstance(value, float)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _each(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _mapping_to(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(holds, value.values()))


def _optional(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


def _is_constraint(value: Any) -> bool:
    try:
        return _is_text(value) and isinstance(parsed(value), Constraint)
    except ValueError:
        return False


TEXT = _Kind("a string", _is_text)
TEXTS = _Kind("a list of strings", _each(_is_text))
NAMED_TEXTS = _Kind("an object with strings", _mapping_to(_is_text))
COUNT = _Kind("a whole number from 0 on", _is_count)
NUMBER = _Kind('a number, "Infinity" or "-Infinity"', lambda x: _is_float(x) and x == x, True)
NUMBER_OR_NULL = _Kind('a number, "Infinity", "-Infinity" or null', _is_float, True)
CERTIFICATE_FIELDS = {
    "results": _Kind("a list with at least one result", lambda v: isinstance(v, list) and v != []),
    "loss": NUMBER_OR_NULL,
    "n_candidate": COUNT,
    "n_safety": COUNT,
    "assumptions": TEXTS,
    "remarks": TEXTS,
    "procedure": _Kind(
        'a name that ends in ".fit" or ".certify", "certify" or empty',
        lambda v: _is_text(v) and re.fullmatch(r"(\w+\.(fit|certify)|certify)?", v) is not None,
    ),
    "parameters": NAMED_TEXTS,
    "classes": TEXTS,
    "positive": _Kind("a string or null", _optional(_is_text)),
    "versions": NAMED_TEXTS,
    "fingerprints": _Kind(
        "an object with hexadecimal digests",
        _mapping_to(lambda v: _is_text(v) and re.fullmatch("[0-9a-f]{32}", v) is not None),
    ),
    "order_seed": _Kind(
        "a whole number from 0 to 2**32 - 1, or null",
        _optional(lambda v: _is_count(v) and v < 2**32),
    ),
}
RESULT_FIELDS = {
    "constraint": _Kind("a constraint in the language", _is_constraint),
    "operator": _Kind('"<=" or ">="', lambda v: v in ("<=", ">=")),
    "estimate": NUMBER_OR_NULL,
    "bound": NUMBER,
    "limit": NUMBER,
    "g": NUMBER_OR_NULL,
    "g_upper": NUMBER,
    "p_value": _Kind("a number from 0 to 1", _is_share, True),
    "delta": _Kind("strictly between 0 and 1", lambda v: _is_share(v) and 0 < v < 1, True),
    "method": _Kind(
        "a method that there is",
        lambda v: _is_text(v) and GUARANTEE_OF.keys() >= set(v.split(" + ")),
    ),
    "guarantee": _Kind(f"one of {', '.join(GUARANTEES)}", lambda v: v in GUARANTEES),
    "rows": _Kind("an object with whole numbers from 0 on", _mapping_to(_is_count)),
    "rates": _Kind("an object with numbers from 0 to 1", _mapping_to(_is_share)),
    "reason": TEXT,
    "rows_needed": _Kind(
        "a whole number from 1 on, or null", _optional(lambda v: _is_count(v) and v > 0)
    ),
}
