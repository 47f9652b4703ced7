"""Certificates as JSON documents, which are checked field by field when they are read.

Anyone can edit such a document, but its content must at least be possible. Every field has a type,
rules say which fields follow from which, and the tests are run again from the statistics in the
document.
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

# Version 1: results and assumptions in words. 2: also the statistics to run the tests again from.
VERSION = 2
# Fields of a certificate that are missing in documents of version 1.
SINCE_2 = ("estimator", "created_at", "specification", "statistics")


# -- writing -----------------------------------------------------------------------------


def to_text(certificate: SafetyCertificate) -> str:
    """The document of a certificate."""
    content = {"schema_version": VERSION, **_plain(asdict(certificate))}
    return "".join(_written({**content, "digests": digests_of(content)}))


def digests_of(content: dict[str, Any]) -> dict[str, str]:
    """A digest of each field of a document, independent of the order of names and of spaces."""
    return {name: _digest(value) for name, value in content.items() if name != "digests"}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    """The same with NaN and infinite numbers replaced by JSON values."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _written(value: Any, indent: str = "\n") -> Iterator[str]:
    """The text of a value, one field per line; a list of numbers takes one line."""
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
    """Whether a value is a number or nested lists of numbers."""
    if isinstance(value, list):
        return all(map(_are_numbers, value))
    return isinstance(value, int | float)


# -- reading -----------------------------------------------------------------------------


def from_document(document: str | PathLike[str], kind: type[SafetyCertificate]) -> Any:
    """Read a document as a certificate of the class `kind`.

    Parameters
    ----------
    document : str or path-like
        The text of the document, or the path of its file.
    kind : type

    Raises
    ------
    ValueError
        If `to_text` cannot have written it. The message names the field.
    """
    return from_text(_text_of(document), kind)


def from_text(text: str, kind: type[SafetyCertificate]) -> Any:
    """As `from_document`, for a text that is never interpreted as a path."""
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
            "A certificate is read from a JSON text or the path of a file, not from "
            f"{type(document).__name__}."
        )
    if isinstance(document, str) and not _is_path(document):
        return document
    with open(document, "rb") as file:
        content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{os.fspath(document)} is not a text in UTF-8 ({error}). Give the JSON document that "
            "to_json wrote."
        ) from error


def _is_path(text: str) -> bool:
    """Whether a text is a path, because it cannot be a document."""
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
        raise ValueError(f"the field {twice[0]!r} occurs twice.")
    return dict(pairs)


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(
            f"{text:.20} is not a JSON number, or too large. Write null for NaN, and a string for "
            "an infinite number."
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
            "A digest of each other field: BLAKE2b of 8 bytes, of the field as JSON with sorted "
            "names and without spaces. Digests detect accidental changes, not forgeries."
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
