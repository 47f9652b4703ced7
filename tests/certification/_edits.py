"""Single edits of a certificate's document, drawn at random."""

import copy
import json

from sklearn_seldonian.certification._json import digests_of

TEXTS = ("", "certify", "ACC >= 0.5", "exact", "0", "Infinity", "sex")
NUMBERS = (0, 1, -1, 2, 0.5, 1e-9, 200)


def places_in(value, path=()):
    """The paths of all values in a document that can be edited, including containers."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places_in(entry, (*path, key))


def edited(content, rng):
    """The document with one edit, and the path of the edit.

    The digests are computed anew, as a forger would do.
    """
    content = copy.deepcopy(content)
    paths = [path for path in places_in(content) if path[0] != "digests"]
    path = paths[rng.integers(len(paths))]
    *owners, name = path
    owner = content
    for step in owners:
        owner = owner[step]
    _edit(owner, name, rng)
    content["digests"] = digests_of(content)
    return content, path


def _edit(owner, name, rng):
    """Change, remove or double one entry of a list or an object."""
    kind = rng.integers(10)
    if kind == 0:
        del owner[name]
    elif kind == 1 and isinstance(owner, list):
        owner.insert(int(rng.integers(len(owner) + 1)), copy.deepcopy(owner[name]))
    elif kind == 2 and isinstance(owner, dict):
        owner[_other_text(name, rng)] = owner.pop(name)
    else:
        owner[name] = _other(owner[name], rng)


def _other(value, rng):
    """Another value, mostly of the same kind."""
    if rng.integers(10) == 0:
        return [None, True, 3, "text", [], {}][rng.integers(6)]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return [value + 1, value - 1, value * 2, -value, value + 0.5][rng.integers(5)]
    if isinstance(value, float):
        changed = value * (1 + rng.normal()), value + rng.normal(), -value, round(value, 2)
        return [*changed, *NUMBERS][rng.integers(len(changed) + len(NUMBERS))]
    if isinstance(value, str):
        return _other_text(value, rng)
    if isinstance(value, list):
        return value[::-1] if rng.integers(2) else value[1:]
    if isinstance(value, dict):
        names = list(value)
        return {name: value[name] for name in names[1:]}
    return NUMBERS[rng.integers(len(NUMBERS))] if rng.integers(2) else "text"


def _other_text(text, rng):
    """A text with one character changed, removed or added, or another text."""
    at = int(rng.integers(len(text) + 1))
    return [
        text[:at] + "x" + text[at:],
        text[:at] + text[at + 1 :],
        text[:at] + str(rng.integers(10)) + text[at + 1 :],
        TEXTS[rng.integers(len(TEXTS))],
    ][rng.integers(4)]


def document_of(certificate):
    return json.loads(certificate.to_json())
