"""The pages that are notebooks run from top to bottom, and show their outputs."""

from __future__ import annotations

import re

import jupytext
import pytest
from nbclient import NotebookClient

from tests.test_docs import NOTEBOOKS

# The text that each page prints, in order, and the number of its cells with a display or figure.
EXPECTED = {
    "audit_a_certificate.md": (
        (
            r"Bounds and verdict follow from the statistics",
            r"Verified: ",
            r"Refused: results\[1\]\.limit",
            r"Refused: results\[0\]\.bound",
            r"Safety test passed",
            r"'model': False, 'data': True, 'statistics': False, 'verdict': False",
            r"FPR .* <= 0\.15: VIOLATED, proved after (6,5|[7-9],\d|1[01],\d)\d\d rows",
        ),
        3,
    ),
    "certify_with_fairlearn.md": (
        (
            r"selection rate +0\.09\d",
            r"Not certified",
            r"selection rate +0\.1\d\d",
            r"Safety test passed",
            r"selection rate +0\.0\d\d",
        ),
        5,
    ),
    "start_here.md": (
        (
            r"Safety test passed",
            r"accuracy +men +women +gap\nheld out +0\.8\d+ +0\.\d+ +0\.\d+ +0\.1\d",
            r"Safety test passed",
            r"accuracy +men +women +gap\nheld out +0\.8\d+ +0\.\d+ +0\.\d+ +0\.0\d",
            r"<Verification: the same>",
            r"No Solution Found",
            r"No Solution Found",
        ),
        10,
    ),
}
DISPLAYS = {"text/html", "image/svg+xml", "image/png"}


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts_of(output):
    """The text of an output."""
    return output["text"] if output["output_type"] == "stream" else output["data"]["text/plain"]


def test_every_notebook_has_its_expectations():
    assert set(EXPECTED) == {page.name for page in NOTEBOOKS}


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.name)
def test_reads_as_a_notebook(page):
    notebook = jupytext.read(page)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert len(code_cells(notebook)) > 5
    for cell in code_cells(notebook):
        assert not re.search(r"^.{80,}$", cell.source, re.M)  # as wide as the page
    *_, last = notebook.cells
    assert f"{{nb-download}}`{page.stem}.ipynb`" in last.source
    assert f"jupytext --to ipynb docs/{page.name}" in last.source


@pytest.mark.slow
@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.name)
def test_notebook(page, tmp_path):
    notebook = jupytext.read(page)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()  # raises the error of a cell
    printed, n_displays = [], 0
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.get("name") == "stderr":  # an expected warning is left out of the page
                assert "remove-stderr" in cell.metadata["tags"], output["text"]
                continue
            printed.append(texts_of(output))
            shown = DISPLAYS.intersection(output.get("data", ()))
            n_displays += bool(shown)
            if shown - {"text/html"}:  # a figure, which the page describes in words
                assert cell.metadata["mystnb"]["image"]["alt"]
    patterns, n_expected = EXPECTED[page.name]
    assert re.search(".*".join(f"(?:{pattern})" for pattern in patterns), "\n".join(printed), re.S)
    assert n_displays == n_expected
