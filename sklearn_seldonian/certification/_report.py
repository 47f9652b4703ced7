"""A certificate as HTML: a summary for notebooks, and a report that an auditor can keep.

Texts of the user's are escaped by the templates; only the picture goes in as it is, whose
texts matplotlib has escaped.
"""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sklearn_seldonian._palette import visible
from sklearn_seldonian.certification._display import CertificateDisplay, group_rates
from sklearn_seldonian.measures import ALIASES, DEFINITIONS

if TYPE_CHECKING:
    from sklearn_seldonian.certification._certificate import SafetyCertificate


def report(certificate: SafetyCertificate) -> str:
    """The whole certificate as one HTML document that needs nothing from elsewhere."""
    template = _environment().get_template("report.html")
    return template.render(
        certificate=certificate,
        deltas=[result.delta for result in certificate.results],
        estimands={name: n for result in certificate.results for name, n in result.rows.items()},
        rates={rate.name: rate for rate in group_rates(certificate.results)},
        picture=Markup(_picture(certificate)) if certificate.results else "",
    )


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


def _picture(certificate: SafetyCertificate) -> str:
    """The certificate's picture as an SVG element with texts as text; "" without matplotlib."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        return ""
    display = CertificateDisplay(certificate.results, group_rates(certificate.results))
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
