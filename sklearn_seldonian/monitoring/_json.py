"""The state of a monitor as a JSON document. When it is read, each field is checked."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from sklearn_seldonian.bounds import MeanStream, RateStream
from sklearn_seldonian.bounds._streams import N_EDGES
from sklearn_seldonian.certification._json import digests_of
from sklearn_seldonian.constraints import Estimand
from sklearn_seldonian.data._targets import Labels
from sklearn_seldonian.measures import Rate, RowMeasure
from sklearn_seldonian.monitoring._consistency import check_counts, relations_of
from sklearn_seldonian.monitoring._late import RowId, WaitingRow, by_window
from sklearn_seldonian.monitoring._proofs import Stream
from sklearn_seldonian.monitoring._rows import counted
from sklearn_seldonian.monitoring._specification import MonitorSpecification
from sklearn_seldonian.monitoring._windows import Point, Window

KIND, VERSION = "sklearn_seldonian.monitor", 1
FIELDS = ("kind", "version", "parameters", "measures", "streams", "windows", "waiting", "digests")
# The parameters that are written. Measures are functions, of which only a description is written.
PARAMETERS = (
    "constraints",
    "delta",
    "classes",
    "pos_label",
    "levels",
    "mutually_exclusive",
    "target_range",
    "prediction_range",
    "missing",
    "late_labels",
    "windows",
)
OF_WINDOW = ("name", "n_rows", "violated_at", "means", "points")
MAX_COUNT = 2**53  # above it some whole numbers are not floats
# Sums of weights may differ from whole numbers by this much, relatively, because of rounding.
ROUNDING = 1e-6
INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}


# -- writing -----------------------------------------------------------------------------


def to_text(
    parameters: Mapping[str, Any],
    specification: MonitorSpecification,
    windows: Sequence[Window],
    waiting: Mapping[RowId, WaitingRow],
    streams: Iterable[str],
) -> str:
    """The document of a monitor."""
    content = {
        "kind": KIND,
        "version": VERSION,
        "parameters": {name: _parameter(name, parameters[name]) for name in PARAMETERS},
        "measures": describe(specification.measures),
        "streams": sorted(streams),
        "windows": [_window(window) for window in windows],
        "waiting": [[one, *row] for one, row in waiting.items()],
    }
    return json.dumps({**content, "digests": digests_of(content)}, indent=1, allow_nan=False)


def _parameter(name: str, value: Any) -> Any:
    """The value of a parameter, in which ends of ranges may be infinite."""
    return [number(end) for end in value] if value and name.endswith("_range") else value


def describe(measures: Sequence[RowMeasure]) -> list[dict[str, Any]]:
    """The description of measures in a document: their names, ranges and rows."""
    return [
        {
            "name": m.name,
            "range": [number(end) for end in m.range],
            "rows": None if m.rows is None else list(m.rows),
        }
        for m in measures
    ]


def _window(window: Window) -> dict[str, Any]:
    return {
        "name": window.name,
        "n_rows": window.n_rows,
        "violated_at": window.violated_at,
        "means": {str(mean): _stream(stream) for mean, stream in window.streams.items()},
        "points": [
            [p.n_rows, *([number(v) for v in part] for part in p[1:])] for p in window.points
        ],
    }


def _stream(stream: Stream) -> dict[str, Any]:
    if isinstance(stream, RateStream):
        return {"successes": stream.successes, "trials": stream.trials}
    return {"weights": stream.weights.tolist()}


def number(value: float) -> float | str | None:
    """A number in strict JSON, where infinite ones are texts and NaN is null."""
    if math.isfinite(value):
        return float(value)
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


# -- reading -----------------------------------------------------------------------------


def document_of(text: str) -> dict[str, Any]:
    """The fields of a document. Its windows and waiting rows are not checked yet.

    Raises
    ------
    ValueError
        If it is not the document of a monitor, or was changed. The message names the field.
    """
    try:
        document = json.loads(text, object_pairs_hook=_each_once, parse_constant=_refuse_constant)
        digests = digests_of(document) if isinstance(document, dict) else {}
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"This is not the JSON document of a monitor: {error}") from error
    _check_fields("The document", document, FIELDS)
    is_version = type(document["version"]) is int and document["version"] == VERSION
    if document["kind"] != KIND or not is_version:
        raise ValueError(
            f"kind and version must be {KIND!r} and {VERSION}, got {document['kind']!r:.80} and "
            f"{document['version']!r:.80}."
        )
    written = document["digests"]
    _check_fields("digests", written, tuple(digests))
    for name, digest in digests.items():
        if written[name] != digest:
            raise ValueError(
                f"The field {name!r} was changed after the document was written. Give the document "
                "as to_json wrote it."
            )
    _check_fields("parameters", document["parameters"], PARAMETERS)
    return dict(document)


def parameters_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in a document, in the form that a monitor takes and checks."""
    found = dict(given)
    for name in ("target_range", "prediction_range"):
        ends = given[name]
        if isinstance(ends, list):
            found[name] = tuple(_float(name, end) for end in ends)
    return {**found, "levels": None if given["levels"] == {} else given["levels"]}


def streams_of(given: Any, windows: Sequence[Window]) -> frozenset[str]:
    """The names of the streams of rows in a document."""
    is_list = isinstance(given, list) and all(isinstance(one, str) and one for one in given)
    if not is_list or len(set(given)) < len(given):
        _wrong("streams", "a list of different texts", given)
    if bool(given) != any(window.n_rows for window in windows):
        _wrong("streams", "empty without rows, and only then", given)
    return frozenset(given)


def windows_of(given: Any, specification: MonitorSpecification) -> list[Window]:
    """The windows in a document."""
    if not isinstance(given, list) or not given:
        _wrong("windows", "a list with at least one window", given)
    return [_read_window(f"windows[{i}]", each, specification) for i, each in enumerate(given)]


def _read_window(where: str, given: Any, specification: MonitorSpecification) -> Window:
    _check_fields(where, given, OF_WINDOW)
    if not isinstance(given["name"], str):
        _wrong(f"{where}.name", "a text", given["name"])
    n_rows = _count(f"{where}.n_rows", given["n_rows"])
    names = {str(mean): mean for mean in specification.estimands}
    _check_fields(f"{where}.means", given["means"], names)
    streams = {
        mean: _read_stream(f"{where}.means[{name!r}]", given["means"][name], mean, n_rows)
        for name, mean in names.items()
    }
    n_constraints = len(specification.constraints)
    violated = given["violated_at"]
    if not isinstance(violated, list) or len(violated) != n_constraints:
        _wrong(f"{where}.violated_at", f"a list of {n_constraints} entries", violated)
    for i, at in enumerate(violated):
        if at is not None and not 1 <= _count(f"{where}.violated_at[{i}]", at) <= n_rows:
            _wrong(f"{where}.violated_at[{i}]", f"from 1 to n_rows={n_rows}, or null", at)
    points = given["points"]
    if not isinstance(points, list):
        _wrong(f"{where}.points", "a list", points)
    read = [_read_point(f"{where}.points[{i}]", p, n_constraints) for i, p in enumerate(points)]
    rows = [0, *(point.n_rows for point in read)]
    grow = all(one < other for one, other in itertools.pairwise(rows))
    if not grow or rows[-1] > n_rows:
        _wrong(f"{where}.points", f"of growing numbers of rows up to n_rows={n_rows}", rows[1:])
    return Window(given["name"], streams, list(violated), n_rows, read)


def _read_stream(where: str, given: Any, mean: Estimand, n_rows: int) -> Stream:
    if isinstance(mean.quantity, Rate):
        _check_fields(where, given, ("successes", "trials"))
        successes = _count(f"{where}.successes", given["successes"])
        trials = _count(f"{where}.trials", given["trials"])
        if not successes <= trials <= n_rows:
            _wrong(where, f"with successes <= trials <= n_rows={n_rows}", given)
        return RateStream(successes, trials)
    _check_fields(where, given, ("weights",))
    weights = given["weights"]
    fits = isinstance(weights, list) and len(weights) == N_EDGES
    if not fits or not all(_is_number(w) and w >= 0.0 for w in weights):
        _wrong(f"{where}.weights", f"a list of {N_EDGES} numbers from 0 on", weights)
    total = math.fsum(weights)
    if abs(total - round(total)) > ROUNDING * max(1.0, total) or round(total) > n_rows:
        _wrong(f"{where}.weights", f"with a whole sum of at most n_rows={n_rows}", total)
    return MeanStream(np.array(weights, dtype=np.float64))


def _read_point(where: str, given: Any, n_constraints: int) -> Point:
    if not isinstance(given, list) or len(given) != 4:
        _wrong(where, "a list of rows, estimates, lower and upper bounds", given)
    n_rows, *parts = given
    columns = []
    for name, part in zip(("estimates", "lower bounds", "upper bounds"), parts, strict=True):
        if not isinstance(part, list) or len(part) != n_constraints:
            _wrong(where, f"with {n_constraints} {name}", part)
        columns.append(tuple(_float(where, value) for value in part))
    return Point(_count(where, n_rows), *columns)


def waiting_of(
    given: Any, specification: MonitorSpecification, n_windows: int, *, in_order: bool
) -> dict[RowId, WaitingRow]:
    """The rows in a document that wait for their labels."""
    if not isinstance(given, list):
        _wrong("waiting", "a list", given)
    if given and not specification.waiting_for_labels:
        _wrong("waiting", "empty, as no constraint needs labels", given)
    found: dict[RowId, WaitingRow] = {}
    for i, row in enumerate(given):
        where = f"waiting[{i}]"
        if not isinstance(row, list) or len(row) != 5:
            _wrong(where, "a list of id, window, prediction, conditions and label", row)
        one, window, prediction, holding, label = row
        if isinstance(one, bool) or not isinstance(one, int | str) or one in found:
            _wrong(where, "with an id of its own, a whole number or a text", one)
        if _count(where, window) >= n_windows:
            _wrong(where, f"with a window below {n_windows}", window)
        n_conditions = len(specification.conditions)
        is_list = isinstance(holding, list) and len(holding) == n_conditions
        if not is_list or not all(isinstance(h, bool) for h in holding):
            _wrong(where, f"with {n_conditions} times true or false", holding)
        prediction = _answer(where, "prediction_range", prediction, specification)
        if label is not None:
            label = _answer(where, "target_range", label, specification)
        if label is not None and not (in_order and found):
            _wrong(where, "without a label, as none would hold it up", label)
        found[one] = WaitingRow(window, prediction, tuple(holding), label)
    return found


def _answer(
    where: str, of_range: str, value: Any, specification: MonitorSpecification
) -> int | float:
    """The position of a class, or a number."""
    targets = specification.targets
    if isinstance(targets, Labels):
        if type(value) is not int or not 0 <= value < len(targets.classes):
            _wrong(where, f"with positions below {len(targets.classes)}", value)
        return value
    low, high = getattr(targets, of_range)
    if not _is_number(value) or not low <= value <= high:
        _wrong(where, f"with numbers, and inside {of_range}=({low:g}, {high:g})", value)
    return float(value)


def check_rows(
    specification: MonitorSpecification,
    windows: Sequence[Window],
    waiting: Mapping[RowId, WaitingRow],
) -> None:
    """Refuse impossible counts, and waiting rows that could never be counted.

    Raises
    ------
    ValueError
        The message names the field.
    """
    relations, of_window = relations_of(specification), Counter(r.window for r in waiting.values())
    for i, window in enumerate(windows):
        counts = window.streams, window.n_rows, of_window[i]
        check_counts(f"windows[{i}]", relations, *counts)
    with_labels = (row for row in waiting.values() if row.label is not None)
    try:
        for rows in by_window(with_labels).values():
            counted(specification, rows, of_labels=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"waiting has a row that cannot be counted: {error}") from error


def check_measures(given: Any, measures: Sequence[RowMeasure]) -> None:
    """Refuse measures that do not agree with their description in the document.

    Raises
    ------
    ValueError
        The message describes the measures to give.
    """
    if given != json.loads(json.dumps(describe(measures))):
        raise ValueError(
            f"The monitor was made with measures={given!r:.300}. Give from_json measures= with the "
            "same names, ranges and rows, in this order."
        )


# -- fields ------------------------------------------------------------------------------


def _check_fields(where: str, given: Any, names: Sequence[str] | Mapping[str, Any]) -> None:
    if not isinstance(given, dict):
        raise ValueError(f"{where} must be a JSON object, got {given!r:.80}.")
    unknown, missing = set(given) - set(names), set(names) - set(given)
    if unknown or missing:
        what = f"{min(unknown)!r}, which is unknown" if unknown else f"no {min(missing)!r}"
        raise ValueError(f"{where} has {what}. It must have {', '.join(names)}.")


def _count(where: str, given: Any) -> int:
    if type(given) is not int or not 0 <= given <= MAX_COUNT:
        _wrong(where, "a whole number from 0 to 2**53", given)
    return int(given)


def _float(where: str, given: Any) -> float:
    if given is None:
        return math.nan
    if isinstance(given, str) and given in INFINITIES:
        return INFINITIES[given]
    if not _is_number(given):
        _wrong(where, 'made of numbers, "Infinity", "-Infinity" or null', given)
    return float(given)


def _is_number(value: Any) -> bool:
    if type(value) is int:
        return abs(value) <= MAX_COUNT
    return type(value) is float and math.isfinite(value)


def _wrong(where: str, expected: str, given: Any) -> NoReturn:
    raise ValueError(f"{where} must be {expected}, got {given!r:.120}.")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [name for name, n in Counter(name for name, _ in pairs).items() if n > 1]
    if twice:
        raise ValueError(f"the field {twice[0]!r} occurs twice.")
    return dict(pairs)


def _refuse_constant(text: str) -> Callable[[], None]:
    raise ValueError(f"{text:.20} is not JSON.")
