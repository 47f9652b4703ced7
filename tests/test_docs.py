"""The Python in the documentation runs, and the reference has everything that is public."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

import sklearn_seldonian

DOCS = Path(__file__).parents[1] / "docs"

# Modules of which everything is public to users, not only to other modules.
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


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_page(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(str(page), module_relative=False, optionflags=flags)
    assert result.attempted > 0
    assert result.failed == 0


def listed():
    """Names in the API reference, with the module they are of."""
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


def test_reference_has_the_front_door():
    public = set(sklearn_seldonian.__all__) - {"__version__"}
    assert {f"sklearn_seldonian.{name}" for name in public} <= listed()


def test_every_page_is_in_a_section():
    sections = ("index", "guide", "background", "coming_from")
    listed = {
        name for section in sections for name in (DOCS / f"{section}.rst").read_text().split()
    }
    assert {page.stem for page in DOCS.glob("*.md")} <= listed
