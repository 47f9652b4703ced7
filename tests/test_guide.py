"""The tables and figures of the user guide agree with the package."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from figures import guide

import sklearn_seldonian
from sklearn_seldonian import exceptions
from sklearn_seldonian.constraints import Schema, atoms_of, bind, parse

DOCS = Path(__file__).parents[1] / "docs"
SCHEMA = Schema(
    classes=(0, 1),
    positive=1,
    levels={
        "M": (0, 1),
        "F": (0, 1),
        "sex": ("F", "M"),
        "race": ("A", "B", "C"),
        "age": tuple(range(18, 90)),
        "native country": ("X", "Y"),
    },
)
# For each constraint of the tables of `constraints.md`, in order: the numbers of means and atoms.
SIZES = [
    *[(1, 1), (1, 1), (1, 1), (1, 1), (1, 2), (1, 1), (1, 1), (2, 2)],  # all rows
    *[(1, 1), (1, 1)],  # one group
    *[(6, 6), (6, 3), (3, 6), (3, 6), (3, 1)],  # every group
    *[(2, 2), (3, 6), (2, 2), (2, 2), (4, 4), (4, 4), (2, 2)],  # gaps
    *[(2, 2), (3, 6), (3, 2)],  # ratios
]


def table(page, *header):
    """The rows of the tables of a page that have this header, as lists of cells."""
    found, is_inside = [], False
    for line in (DOCS / page).read_text().splitlines():
        is_row = line.startswith("|")
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if is_inside and is_row and not set(line) <= set("|- "):
            found.append(cells)
        is_inside = is_row and (is_inside or cells == list(header))
    return found


def code(cell):
    """The first code in a cell, or None."""
    found = re.search(r"(`+)(?P<text>.+?)\1(?!`)", cell)
    return found["text"] if found else None


def resolved(text):
    return bind(parse(text), SCHEMA)


def test_constraints_of_the_guide():
    texts = [code(cell) for _, cell in table("constraints.md", "you want", "you write")]
    tested = [(len(r.estimands), len(atoms_of(r.tree))) for r in map(resolved, texts)]
    assert tested == SIZES


@pytest.mark.parametrize(("cell", "words"), table("constraints.md", "you write", "it holds if"))
def test_alternatives_of_the_guide(cell, words):
    tree = resolved(code(cell)).tree
    is_enough = " or " in words
    assert type(tree).__name__ == ("Or" if is_enough else "And")


@pytest.mark.parametrize(("wrong", "right"), table("language.md", "you wrote", "write"))
def test_corrections_of_the_reference(wrong, right):
    with pytest.raises((exceptions.ConstraintSyntaxError, exceptions.ConstraintNameError)):
        resolved(code(wrong))
    written = code(right)
    if written.startswith("["):
        for text in ast.literal_eval(written):
            resolved(text)
    elif "<=" in written or ">=" in written:
        resolved(written)


def texts_of_the_package():
    """Every string in the source, with "…" for the parts that are filled in."""
    found = set()
    for path in Path(sklearn_seldonian.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", "…") for part in node.values)
                found.add("".join(part if isinstance(part, str) else "…" for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_reasons_of_the_guide():
    reasons = [cell.strip('"') for cell, _ in table("no_solution_found.md", "reason", "what to do")]
    assert len(reasons) == 18
    assert set(reasons) - texts_of_the_package() == set()


def test_all_reasons_of_failed_tests_are_in_the_guide():
    """The reasons that `_ConstraintTest.reason` and `failure_reason` return, in words."""
    reasons = {cell.strip('"') for cell, _ in table("no_solution_found.md", "reason", "what to do")}
    package = Path(sklearn_seldonian.__file__).parent
    functions = {
        package / "certification" / "_results.py": "reason",
        package / "certification" / "_methods.py": "_failure_reason",
        package / "learners" / "_failure_reasons.py": "failure_reason",
    }
    for path, name in functions.items():
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and function.name == name:
                returned = [
                    node.value
                    for node in ast.walk(function)
                    if isinstance(node, ast.Return)
                    and isinstance(node.value, ast.JoinedStr | ast.Constant)
                ]
                assert returned
                assert {in_words(node) for node in returned} - {""} <= reasons


def in_words(node):
    if isinstance(node, ast.Constant):
        return node.value
    return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)


# -- figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", guide.FIGURES)
def test_every_figure_is_shown_with_words(name):
    shown = [
        words
        for page in DOCS.glob("*.md")
        for words in re.findall(rf"!\[([^\]]*)\]\(_static/{name}\)", page.read_text())
    ]
    assert shown
    assert all(len(words) > 40 for words in shown)
