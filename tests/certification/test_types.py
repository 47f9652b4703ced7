"""Fields are read from JSON by their annotations, and the schema agrees with them."""

import math
from collections.abc import Mapping
from typing import get_type_hints

import pytest

from sklearn_seldonian.certification import ConstraintResult, SafetyCertificate
from sklearn_seldonian.certification._record import CellRecord, Level, StatisticsRecord
from sklearn_seldonian.certification._types import fields_of, kind_of, read_fields

READ = [
    (float, 3, 3.0),
    (float, 0.5, 0.5),
    (float, "Infinity", math.inf),
    (float, "-Infinity", -math.inf),
    (int, 0, 0),
    (int | float, 3, 3),
    (int | float, 3.5, 3.5),
    (str, "text", "text"),
    (str | None, None, None),
    (int | None, 7, 7),
    (float | None, None, None),
    (float | None, 2, 2.0),
    (bool, True, True),
    (Level, True, True),
    (Level, "A", "A"),
    (Level, 1, 1),
    (tuple[str, ...], ["a", "b"], ("a", "b")),
    (tuple[str, ...], [], ()),
    (tuple[tuple[int, ...] | None, ...], [None, [1, 2]], (None, (1, 2))),
    (Mapping[str, int], {"a": 1}, {"a": 1}),
    (Mapping[str, float], {"a": 0.5}, {"a": 0.5}),
    (Mapping[str, tuple[Level, ...]], {"a": [1, "x"]}, {"a": (1, "x")}),
]


@pytest.mark.parametrize(("hint", "given", "value"), READ, ids=lambda v: f"{v}"[:40])
def test_what_is_of_the_type_is_read(hint, given, value):
    found = kind_of(hint).read("field", given)
    assert found == value
    assert type(found) is type(value)


def test_null_is_not_a_number_where_a_number_must_be():
    assert math.isnan(kind_of(float).read("field", None))
    assert math.isnan(kind_of(int | float).read("field", None))


REFUSED = [
    (float, "many", "field must be a number"),
    (float, True, "field must be a number"),
    (float, 10**400, "field must be a number"),
    (int, 1.0, "field must be a whole number"),
    (int, -1, "field must be a whole number"),
    (int, True, "field must be a whole number"),
    (int, 2**53 + 1, "field must be a whole number"),
    (int | float, True, "field must be a number"),
    (int | float, 2**60, "field must be a number"),
    (str, None, "field must be a string"),
    (str | None, 1, "field must be a string"),
    (bool, 1, "field must be true or false"),
    (Level, None, "field must be a number, a string"),
    (tuple[str, ...], "ab", "field must be a list"),
    (tuple[str, ...], ["a", 1], r"field\[1\] must be a string"),
    (tuple[tuple[int, ...], ...], [[1], [1, -2]], r"field\[1\]\[1\] must be a whole number"),
    (tuple[ConstraintResult, ...], [], "field must be a list with at least one entry"),
    (Mapping[str, int], [], "field must be an object"),
    (Mapping[str, int], {"a": 0.5}, r"field\.a must be a whole number"),
    (Mapping[str, float], {"a": 1.5}, r"field\.a must be a number from 0 to 1"),
    (CellRecord, [], "field must be a JSON object"),
    (CellRecord, {}, r"field\.counts is missing"),
    (CellRecord | None, {"more": 1}, r"field\.more is unknown"),
]


@pytest.mark.parametrize(("hint", "given", "message"), REFUSED, ids=lambda v: f"{v}"[:40])
def test_what_is_of_another_type_is_refused_with_its_place(hint, given, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        kind_of(hint).read("field", given)


def test_an_annotation_that_json_does_not_have_is_an_error():
    with pytest.raises(TypeError, match="No JSON is known for"):
        kind_of(complex)


def test_fields_that_may_be_missing():
    given = {"groups": [], "sums": []}
    assert read_fields(CellRecord, given, "", ("counts", "products")) == {"groups": (), "sums": ()}
    with pytest.raises(ValueError, match="counts is missing"):
        read_fields(CellRecord, given, "", ("products",))


@pytest.mark.parametrize("kind", [SafetyCertificate, ConstraintResult, StatisticsRecord])
def test_the_schema_describes_every_field(kind):
    own, definitions = fields_of(kind)
    assert list(own["properties"]) == own["required"] == list(get_type_hints(kind))
    assert own["additionalProperties"] is False
    for schema in (own, *definitions.values()):
        assert schema["description"].endswith((".", "?"))
        for name, entry in schema["properties"].items():
            assert " " in entry["description"], name


def test_the_schema_refers_to_what_it_defines():
    own, definitions = fields_of(SafetyCertificate)
    text = f"{own} {definitions}"
    assert definitions.keys() >= {"ConstraintResult", "StatisticsRecord", "TableRecord"}
    for name in definitions:
        assert f"#/$defs/{name}" in text
    assert text.count("#/$defs/") >= len(definitions)
