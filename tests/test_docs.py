"""The Python in the documentation runs, and the reference lists all public names."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

import sklearn_seldonian

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MANUAL = sorted(DOCS.glob("*.md"))
# The cells of these pages are run by the documentation's build and by test_notebooks.py. They have
# no doctests.
NOTEBOOKS = [page for page in MANUAL if page.read_text().startswith("---\njupytext:")]

# In these modules everything is public to users, not only to other modules.
DOCUMENTED = (
    "bounds",
    "datasets",
    "experiments",
    "metrics",
    "model_selection",
    "modules",
    "monitoring",
    "plotting",
)


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: page.name)
def test_page(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(str(page), module_relative=False, optionflags=flags)
    assert (result.attempted > 0) is (page not in NOTEBOOKS)
    assert result.failed == 0


def listed():
    """The names in the API reference, with their modules."""
    module, names = "", set()
    for line in (DOCS / "api.rst").read_text().splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.split()[-1]
        elif re.fullmatch(r"   [\w.]+", line):
            names.add(f"{module}.{line.strip()}")
    return names


@pytest.mark.parametrize("name", DOCUMENTED)
def test_reference_is_complete(name):
    module = importlib.import_module(f"sklearn_seldonian.{name}")
    assert {f"{module.__name__}.{public}" for public in module.__all__} <= listed()


def test_reference_has_the_public_names():
    public = set(sklearn_seldonian.__all__) - {"__version__"}
    assert {f"sklearn_seldonian.{name}" for name in public} <= listed()


# The pages that list other pages.
SECTIONS = ("index", "guide", "background", "coming_from", "reference")


def test_every_page_is_in_a_section():
    texts = [(DOCS / f"{section}.rst").read_text() for section in SECTIONS]
    assert {page.stem for page in MANUAL} <= {name for text in texts for name in text.split()}


FRONT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
PAGES = [*MANUAL, *(ROOT / name for name in FRONT)]


def anchors(page):
    """The anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"\[(.+?)\]\(.+?\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)", text):
        goal = (page.parent / target) if target else page
        assert goal.exists(), target
        assert not anchor or anchor in anchors(goal), f"{target}#{anchor}"
