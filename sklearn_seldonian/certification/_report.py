"""A certificate as HTML: a summary for notebooks, and a report that an auditor can keep.

The templates escape all texts of the user. The picture is inserted unchanged, because matplotlib
has escaped its texts.
"""

from __future__ import annotations

import ast
import io
import math
import shlex
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sklearn_seldonian._files import PICKLES
from sklearn_seldonian._palette import visible
from sklearn_seldonian.certification._display import (
    CertificateDisplay,
    GroupRate,
    group_rates,
)
from sklearn_seldonian.certification._sentences import conditions_of, sentence, with_labels
from sklearn_seldonian.measures import ALIASES, DEFINITIONS

if TYPE_CHECKING:
    from sklearn_seldonian.certification._certificate import SafetyCertificate
    from sklearn_seldonian.certification._fields import ConstraintResult

# The most constraints and rates that are drawn. More are unreadable and take minutes to draw.
MAX_PICTURED, MAX_RATES = 20, 40
# The most constraints and rates in one picture, so that a page of paper has room for it.
CONSTRAINTS_PER_PICTURE, RATES_BESIDE_CONSTRAINTS = 7, 10


def report(certificate: SafetyCertificate) -> str:
    """The whole certificate as one HTML document without external resources."""
    template = _environment().get_template("report.html")
    shown, rates = _nearest_to_failing(certificate.results), group_rates(certificate.results)
    estimands = {name: n for result in certificate.results for name, n in result.rows.items()}
    few = len(estimands) <= MAX_RATES
    of_extremes = {rate.name for rate in _lowest_and_highest(rates)}
    return template.render(
        certificate=certificate,
        deltas=[result.delta for result in certificate.results],
        shown=shown,
        estimands=estimands,
        rates_shown={name: n for name, n in estimands.items() if few or name in of_extremes},
        rates={rate.name: rate for rate in rates},
        pictures=_pictures(shown),
        **_how_to_verify(certificate),
    )


def _how_to_verify(certificate: SafetyCertificate) -> dict[str, Any]:
    """The command that verifies it, with the file names that are known, or placeholders."""
    known = {
        name: _literal(certificate.parameters[name])
        for name in ("document", "model", "data")
        if name in certificate.parameters
    }
    document = known.get("document", "certificate.json")
    files = document, known.get("model", "MODEL"), known.get("data", "DATA")
    has_columns = any("| [" in name for result in certificate.results for name in result.rows)
    of_units = {
        name: option
        for name, option in (("groups", "--groups"), ("sample_weight", "--weights"))
        if f"data: column {name}=" in certificate.fingerprints
    }
    options = ["--trust-pickle"] * (Path(str(files[1])).suffix in PICKLES)
    if "target" not in certificate.parameters:
        named = ["--target", *["--sensitive"] * has_columns, *of_units.values()]
        options += [word for option in named for word in (option, "COLUMN")]
    return {
        "of_units": list(of_units),
        "command": shlex.join((*map(str, files), *options)),
        "document": document,
        "has_columns": has_columns,
    }


def _literal(text: str) -> Any:
    """The Python value that a text writes; the text itself if it is not one."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def summary(certificate: SafetyCertificate) -> str:
    """Verdict and a table with one row per constraint, as an HTML fragment."""
    return _environment().get_template("summary.html").render(certificate=certificate)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["in_words"] = _in_words
    environment.filters["sentence"] = sentence
    return environment


def _finalized(value: Any) -> Any:
    """A value as a template writes it; invisible characters in texts are made visible."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _number(value: float, digits: str = ".4f") -> str:
    """A number for display; a dash if it is not finite."""
    return format(value, digits) if math.isfinite(value) else "–"


def _in_words(estimand: str, positive: str | None) -> str:
    """What an estimand is, in words, where `positive` is the label of measures without one."""
    measure = estimand.partition(" | ")[0]
    name, _, subscript = measure.partition("[")
    name = name.removesuffix("_")
    definition = DEFINITIONS.get(ALIASES.get(name, name))
    words = definition.words if definition else "the mean of a user-defined measure"
    labels = [label.strip("'\"") for label in subscript.removesuffix("]").split(", ") if label]
    words, conditions = with_labels(words, labels, positive), conditions_of(estimand)
    return f"{words}, where {conditions}" if conditions else words


def _nearest_to_failing(results: Sequence[ConstraintResult]) -> list[ConstraintResult]:
    """The results closest to failing, failed ones first, limited to a picture's size; in order."""
    by_room = sorted(range(len(results)), key=lambda i: -results[i].p_value / results[i].delta)
    return [results[i] for i in sorted(by_room[:MAX_PICTURED])]


def _lowest_and_highest(rates: Sequence[GroupRate]) -> list[GroupRate]:
    """The lowest and the highest rates, limited to a picture's size, in order."""
    by_rate, half = sorted(range(len(rates)), key=lambda i: rates[i].rate), MAX_RATES // 2
    chosen = {*by_rate[:half], *by_rate[-half:]}
    return [rates[i] for i in sorted(chosen)]


def _pictures(results: Sequence[ConstraintResult]) -> list[Markup]:
    """Pictures of the results as SVG elements; none without matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return []
    return [Markup(_picture(*part)) for part in _parts(results)]


def _parts(
    results: Sequence[ConstraintResult],
) -> Iterator[tuple[Sequence[ConstraintResult], Sequence[GroupRate]]]:
    """The results and rates of each picture: all in one, or equal parts, and then the rates."""
    rates = _lowest_and_highest(group_rates(results))
    if len(results) <= CONSTRAINTS_PER_PICTURE and len(rates) <= RATES_BESIDE_CONSTRAINTS:
        yield from [(results, rates)] if results else []
        return
    size = math.ceil(len(results) / math.ceil(len(results) / CONSTRAINTS_PER_PICTURE))
    for start in range(0, len(results), size):
        yield results[start : start + size], ()
    if rates:
        yield (), rates


def _picture(results: Sequence[ConstraintResult], rates: Sequence[GroupRate]) -> str:
    """A picture of results and rates as an SVG element."""
    import matplotlib
    from matplotlib.figure import Figure

    display = CertificateDisplay(results, rates)
    drawn = io.StringIO()
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "certificate"}),
        warnings.catch_warnings(),
    ):
        # Texts are kept as text and shown in the reader's font.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=display.size, layout="constrained")
        display.plot(display.axes_of(figure))
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(drawn, format="svg", metadata=nothing)
    svg = drawn.getvalue()
    return svg[svg.index("<svg") :]
