"""Certificates as JSON documents; what is read is checked field by field.

A document that anyone can edit proves little, but what it says must at least be possible: every
field has a type, rules say which fields follow from which, and the tests are run again from the
statistics in the document.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from os import PathLike
from typing import TYPE_CHECKING, Any

from sklearn_seldonian.certification._recompute import contradiction, recomputed
from sklearn_seldonian.certification._rules import check
from sklearn_seldonian.certification._types import fields_of, kind_of, read_fields

if TYPE_CHECKING:
    from sklearn_seldonian.certification._certificate import SafetyCertificate

# 1: results and what they rest on in words. 2: also what the tests can be run again from.
VERSION = 2
# Fields of a certificate that documents of version 1 do not have.
SINCE_2 = ("estimator", "created_at", "specification", "statistics")


# -- writing -----------------------------------------------------------------------------


def to_text(certificate: SafetyCertificate) -> str:
    """The document of a certificate."""
    content = {"schema_version": VERSION, **_plain(asdict(certificate))}
    return "".join(_written({**content, "digests": digests_of(content)}))


def digests_of(content: dict[str, Any]) -> dict[str, str]:
    """A digest of each field of a document, whatever the order of what is in it and its spaces."""
    return {name: _digest(value) for name, value in content.items() if name != "digests"}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    """The same without numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _written(value: Any, indent: str = "\n") -> Iterator[str]:
    """The text of a value, one field a line, but lists of numbers and objects of such on one."""
    deeper = indent + "  "
    if isinstance(value, dict) and not all(map(_is_list_of_numbers, value.values())):
        for i, (name, entry) in enumerate(value.items()):
            yield f"{',' if i else '{'}{deeper}{json.dumps(name)}: "
            yield from _written(entry, deeper)
        yield indent + "}"
    elif isinstance(value, list) and value and not _are_numbers(value):
        for i, entry in enumerate(value):
            yield f"{',' if i else '['}{deeper}"
            yield from _written(entry, deeper)
        yield indent + "]"
    else:
        yield json.dumps(value, allow_nan=False)


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list) and _are_numbers(value)


def _are_numbers(value: Any) -> bool:
    """Whether it is a number, or lists of numbers."""
    if isinstance(value, list):
        return all(map(_are_numbers, value))
    return isinstance(value, int | float)


# -- reading -----------------------------------------------------------------------------


def from_document(document: str | PathLike[str], kind: type[SafetyCertificate]) -> Any:
    """The certificate of a document, as one of the class `kind`.

    Parameters
    ----------
    document : str or path-like
        Its text, or the path of a file with it.
    kind : type

    Raises
    ------
    ValueError
        If it is not one that `to_text` wrote. The message names the field.
    """
    return from_text(_text_of(document), kind)


def from_text(text: str, kind: type[SafetyCertificate]) -> Any:
    """As `from_document`, of a text that is never taken for a path."""
    content = _parsed(text)
    if not isinstance(content, dict):
        raise ValueError("A certificate must be a JSON object.")
    digests = _digests_of_known_version(content)
    fields = {name: value for name, value in content.items() if name not in NOT_FIELDS}
    optional = SINCE_2 if digests is None else ()
    certificate = kind(**read_fields(kind, fields, "", optional))
    check(certificate)
    contradicted = contradiction(recomputed(certificate), certificate)
    if contradicted:
        raise ValueError(f"{contradicted}.")
    if digests is not None:
        _check_digests(digests, digests_of(content))
    return certificate


def _check_digests(written: dict[str, str], found: dict[str, str]) -> None:
    """Refuse what was changed after it was written."""
    for name in sorted({*found, *written}):
        if found.get(name) != written.get(name):
            raise ValueError(f"{name} was changed after the document was written.")


NOT_FIELDS = ("schema_version", "digests")


def _digests_of_known_version(content: dict[str, Any]) -> dict[str, str] | None:
    """The digests in a document of the current version, None for one of version 1.

    Raises
    ------
    ValueError
        If it is of another version, or has no digests.
    """
    version = content.get("schema_version", 1)
    if type(version) is not int or version not in (1, VERSION):
        raise ValueError(
            f"schema_version must be 1 or {VERSION}, got {version!r:.200}. Documents of later "
            "versions need a later version of sklearn-seldonian."
        )
    if version == 1:
        later = sorted({*NOT_FIELDS, *SINCE_2} & content.keys())
        if later:
            raise ValueError(f"{later[0]} is unknown in a certificate's document of version 1.")
        return None
    if "digests" not in content:
        raise ValueError("digests is missing in a certificate's JSON document.")
    digests: dict[str, str] = kind_of(Mapping[str, str]).read("digests", content["digests"])
    return digests


def _text_of(document: str | PathLike[str]) -> str:
    """The text of a document, which may be in a file."""
    if not isinstance(document, str | PathLike):
        raise TypeError(
            f"A certificate is read from a JSON text or the path of a file, not from "
            f"{type(document).__name__}."
        )
    if isinstance(document, str) and not _is_path(document):
        return document
    with open(document, "rb") as file:
        content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{os.fspath(document)} is not a text in UTF-8: {error}") from error


def _is_path(text: str) -> bool:
    """Whether a text is that of a path, since it cannot be that of a document."""
    if text.lstrip()[:1] in ("{", "[", '"', "") or "\n" in text:
        return False
    return os.path.isfile(text) or text.endswith(".json")


def _parsed(text: str) -> Any:
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


# -- the schema ----------------------------------------------------------------------------


def schema(kind: type[SafetyCertificate]) -> dict[str, Any]:
    """The JSON Schema of documents of certificates of the class `kind`."""
    own, definitions = fields_of(kind)
    version = {"const": VERSION, "description": "The version of this format."}
    digests = {
        "type": "object",
        "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "description": (
            "A digest of each other field: BLAKE2b of 8 bytes, of the field as JSON with names "
            "sorted and without spaces. They find accidents, not forgeries."
        ),
    }
    properties = {"schema_version": version, **own["properties"], "digests": digests}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://sklearn-seldonian.github.io/certificate.schema.json",
        "title": "Safety certificate of sklearn-seldonian",
        **own,
        "properties": properties,
        "required": list(properties),
        "$defs": definitions,
    }
