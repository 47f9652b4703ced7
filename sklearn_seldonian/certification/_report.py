"""A certificate as HTML: a summary for notebooks, and a report that an auditor can keep.

Texts of the user's are escaped by the templates; only the picture goes in as it is, whose
texts matplotlib has escaped.
"""

from __future__ import annotations

import ast
import io
import math
import shlex
import warnings
from collections.abc import Sequence
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
from sklearn_seldonian.certification._sentences import sentence
from sklearn_seldonian.measures import ALIASES, DEFINITIONS

if TYPE_CHECKING:
    from sklearn_seldonian.certification._certificate import SafetyCertificate
    from sklearn_seldonian.certification._fields import ConstraintResult

# What one picture has: more cannot be read, and takes minutes to draw.
MAX_PICTURED, MAX_RATES = 20, 40


def report(certificate: SafetyCertificate) -> str:
    """The whole certificate as one HTML document that needs nothing from elsewhere."""
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
        picture=Markup(_picture(shown)) if shown else "",
        **_how_to_verify(certificate),
    )


def _how_to_verify(certificate: SafetyCertificate) -> dict[str, Any]:
    """What a reader writes: the names of files that the command line knew, or what they are of."""
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
    """A value as Python writes it; the text where it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def summary(certificate: SafetyCertificate) -> str:
    """Verdict and a table with one row a constraint, as a piece of HTML."""
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
    """What a template writes: of the user's texts, only what is seen."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _number(value: float, digits: str = ".4f") -> str:
    """A number to read; a dash where there is none."""
    return format(value, digits) if math.isfinite(value) else "–"


def _in_words(estimand: str) -> str:
    """What the mean is, in words."""
    measure, _, conditions = estimand.partition(" | ")
    name = measure.partition("[")[0].removesuffix("_")
    definition = DEFINITIONS.get(ALIASES.get(name, name))
    words = definition.words if definition else "the mean of a measure of the user's own"
    return f"{words}, where {conditions[1:-1]}" if conditions else words


def _nearest_to_failing(results: Sequence[ConstraintResult]) -> list[ConstraintResult]:
    """The results with the least room, failed ones first, as many as a picture has; in order."""
    by_room = sorted(range(len(results)), key=lambda i: -results[i].p_value / results[i].delta)
    return [results[i] for i in sorted(by_room[:MAX_PICTURED])]


def _lowest_and_highest(rates: Sequence[GroupRate]) -> list[GroupRate]:
    """The lowest and the highest rates, as many as a picture has, in order."""
    by_rate, half = sorted(range(len(rates)), key=lambda i: rates[i].rate), MAX_RATES // 2
    chosen = {*by_rate[:half], *by_rate[-half:]}
    return [rates[i] for i in sorted(chosen)]


def _picture(results: Sequence[ConstraintResult]) -> str:
    """A picture of results as an SVG element with texts as text; "" without matplotlib."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        return ""
    display = CertificateDisplay(results, _lowest_and_highest(group_rates(results)))
    drawn = io.StringIO()
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "certificate"}),
        warnings.catch_warnings(),
    ):
        # Texts stay texts, in whatever font the reader has.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=display.size, layout="constrained")
        display.plot(display.axes_of(figure))
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(drawn, format="svg", metadata=nothing)
    svg = drawn.getvalue()
    return svg[svg.index("<svg") :]
