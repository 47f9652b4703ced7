"""The types of a certificate's fields: how they are read from JSON, and their JSON Schema.

Both follow from the annotations of the classes, which are the only place where a field is declared.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from sklearn_seldonian.certification._fields import ConstraintResult, Value

INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}
MAX_COUNT = 2**53  # the largest whole number up to which all are floats
Schema = dict[str, Any]


class Kind(NamedTuple):
    """A field's type: its description, the function that reads its values, and its schema.

    ``read(name, given)`` returns the value of the field `name`, or raises a `ValueError`.
    """

    words: str
    read: Callable[[str, Any], Any]
    schema: Schema


def read_fields(
    kind: type, content: Any, where: str, optional: Iterable[str] = ()
) -> dict[str, Any]:
    """Read the value of every field of a dataclass, and check its type.

    Parameters
    ----------
    kind : type
    content : object
        The content of the document.
    where : str
        The prefix of field names in messages.
    optional : iterable of str
        Fields that may be missing.
    """
    if not isinstance(content, dict):
        raise ValueError(f"{where.removesuffix('.') or 'A certificate'} must be a JSON object.")
    hints = _hints(kind)
    for problem, wrong in (
        ("unknown", content.keys() - hints.keys()),
        ("missing", hints.keys() - content.keys() - set(optional)),
    ):
        if wrong:
            raise ValueError(f"{where}{min(wrong)} is {problem} in a certificate's JSON document.")
    return {
        name: kind_of(hints[name]).read(f"{where}{name}", value) for name, value in content.items()
    }


def fields_of(kind: type) -> tuple[Schema, dict[str, Schema]]:
    """The schema of a dataclass, and the schemas of all classes in its fields, by name."""
    definitions, waiting = dict[str, Schema](), [kind]
    while waiting:
        one = waiting.pop()
        definitions[one.__name__] = _of_record(one)
        inside = {found for hint in _hints(one).values() for found in _records_in(hint)}
        waiting.extend(found for found in inside if found.__name__ not in definitions)
    own = definitions.pop(kind.__name__)
    return own, dict(sorted(definitions.items()))


def _of_record(kind: type) -> Schema:
    """The schema of one dataclass."""
    described = _descriptions(kind)
    properties = {
        name: {"description": described[name], **kind_of(hint).schema}
        for name, hint in _hints(kind).items()
    }
    return {
        "description": (inspect.getdoc(kind) or "").partition("\n")[0],
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _descriptions(kind: type) -> dict[str, str]:
    """The description of each attribute in the docstring of a class, on one line."""
    _, _, text = (inspect.getdoc(kind) or "").partition("Attributes\n----------\n")
    found = dict[str, str]()
    for entry in re.split(r"\n(?=\S)", text):
        head, _, body = entry.partition("\n")
        names, _, of_type = head.partition(" : ")
        words = " ".join(body.split()) or f"{of_type[:1].upper()}{of_type[1:]}."
        found.update({name.strip(): words for name in names.split(",")})
    return found


def _records_in(hint: Any) -> Iterable[type]:
    if isinstance(hint, type) and issubclass(hint, Value):
        return [hint]
    return [found for part in get_args(hint) for found in _records_in(part)]


_hints = lru_cache(get_type_hints)


# -- one kind after another ------------------------------------------------------------------


@lru_cache
def kind_of(hint: Any) -> Kind:
    """The kind of values that an annotation declares."""
    if hint in PLAIN:
        return PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, Value):
        return _record(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is tuple and parts[1:] == (Ellipsis,):
        return _list(parts[0], at_least=1 if parts[0] is ConstraintResult else 0)
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return _mapping(parts[1])
    if origin in (types.UnionType, Union) and len(parts) == 2 and type(None) in parts:
        return _optional(next(part for part in parts if part is not type(None)))
    raise TypeError(f"No JSON is known for {hint}.")


def _plain(words: str, holds: Callable[[Any], bool], schema: Schema, change: Any = None) -> Kind:
    """Values that are used as they are, or after `change`."""

    def read(name: str, given: Any) -> Any:
        value = given if change is None else change(given)
        if not holds(value):
            raise ValueError(f"{name} must be {words}, got {given!r:.200}.")
        return value

    return Kind(words, read, schema)


def _record(kind: type) -> Kind:
    def read(name: str, given: Any) -> Any:
        return kind(**read_fields(kind, given, f"{name}."))

    return Kind(f"a {kind.__name__}", read, {"$ref": f"#/$defs/{kind.__name__}"})


def _list(of: Any, at_least: int = 0) -> Kind:
    inner = kind_of(of)
    words = f"a list{' with at least one entry' if at_least else ''}, each {inner.words}"

    def read(name: str, given: Any) -> Any:
        if not isinstance(given, list) or len(given) < at_least:
            raise ValueError(f"{name} must be {words}, got {given!r:.200}.")
        return tuple(inner.read(f"{name}[{i}]", entry) for i, entry in enumerate(given))

    least = {"minItems": at_least} if at_least else {}
    return Kind(words, read, {"type": "array", "items": inner.schema, **least})


def _mapping(of: Any) -> Kind:
    inner = SHARE if of is float else kind_of(of)
    words = f"an object, each of its entries {inner.words}"

    def read(name: str, given: Any) -> Any:
        if not isinstance(given, dict):
            raise ValueError(f"{name} must be {words}, got {given!r:.200}.")
        return {key: inner.read(f"{name}.{key}", entry) for key, entry in given.items()}

    return Kind(words, read, {"type": "object", "additionalProperties": inner.schema})


def _optional(of: Any) -> Kind:
    inner = kind_of(of)

    def read(name: str, given: Any) -> Any:
        return None if given is None else inner.read(name, given)

    return Kind(f"{inner.words}, or null", read, {"anyOf": [inner.schema, {"type": "null"}]})


# -- plain values ----------------------------------------------------------------------------


def _number(given: Any) -> Any:
    """A float, if a number was given; otherwise the value itself."""
    if type(given) is int and abs(given) < sys.float_info.max:
        return float(given)
    return _as_written(given)


def _as_written(given: Any) -> Any:
    """A number of the given type, with null as NaN; otherwise the value itself."""
    if given is None:
        return math.nan
    return INFINITIES.get(given, given) if isinstance(given, str) else given


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= MAX_COUNT)


NUMBER_WORDS = 'a number, "Infinity", "-Infinity" or null'
NUMBER_SCHEMA = {"anyOf": [{"type": ["number", "null"]}, {"enum": ["Infinity", "-Infinity"]}]}
COUNT_SCHEMA = {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}
SHARE = _plain("a number from 0 to 1", _is_share, {"type": "number", "minimum": 0, "maximum": 1})
PLAIN: dict[Any, Kind] = {
    float: _plain(NUMBER_WORDS, lambda v: isinstance(v, float), NUMBER_SCHEMA, _number),
    int | float: _plain(NUMBER_WORDS, _is_number, NUMBER_SCHEMA, _as_written),
    int: _plain("a whole number from 0 to 2**53", _is_count, COUNT_SCHEMA),
    bool: _plain("true or false", lambda v: isinstance(v, bool), {"type": "boolean"}),
    str: _plain("a string", lambda v: isinstance(v, str), {"type": "string"}),
    bool | int | float | str: _plain(
        "a number, a string, true or false",
        lambda v: isinstance(v, bool | int | float | str),
        {"type": ["number", "string", "boolean"]},
    ),
}
