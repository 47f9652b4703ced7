"""The numbers that README and manual quote are those of the results."""

from __future__ import annotations

import pandas as pd
import pytest
import tables

needs_shared = pytest.mark.skipif(not tables.ENGINE.exists(), reason="shared data are not here")
OURS = ("argmax_", "sample_")


@pytest.mark.parametrize("path", tables.TEXTS, ids=lambda path: path.name)
def test_text_agrees_with_the_tables(path):
    assert tables.complaints(path.read_text()) == []


@pytest.mark.parametrize("name", ["README.md", "RESULTS.md", "promise.md", "training.md"])
def test_figures_are_marked(name):
    (path,) = (path for path in tables.TEXTS if path.name == name)
    assert tables.MARKER.findall(path.read_text())


def test_the_engine_table_has_our_results():
    table = tables.read("engine").set_index(["config", "m"])
    for decision, violation, kind in (("argmax", "g_hard", "hard"), ("sample", "g_soft", "soft")):
        names = {f"{decision}_violations": f"{decision}_{kind}_violations"}
        ours = tables.ours(decision, violation).rename(columns=names)
        known = table.dropna(subset=[f"{decision}_fits"])
        assert len(known) > 40
        pd.testing.assert_frame_equal(
            known[ours.columns], ours.loc[known.index], check_dtype=False, atol=1e-4
        )


@needs_shared
def test_the_engine_table_is_computed():
    computed = tables.computed_engine_table().astype(float).reset_index()
    pd.testing.assert_frame_equal(tables.read("engine"), computed, check_dtype=False, atol=1e-4)


@pytest.mark.parametrize("path", sorted(tables.FOLDER.iterdir()), ids=lambda path: path.name)
def test_each_table_names_its_source(path):
    assert path.read_text().startswith(("# From: ", "# Computed by: ", "# Measured "))


TABLE = "<!-- table: misuse -->\n" + "\n".join(tables.misuse())
SENTENCE = "<!-- numbers: argmax_solutions argmax_fits -->\n2,515 solutions in 2,572 fits."


@pytest.mark.parametrize("text", [TABLE, SENTENCE, f"{TABLE}\n\nOther words.\n\n{SENTENCE}\n"])
def test_what_is_right_has_no_complaint(text):
    assert tables.complaints(text) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TABLE.replace("0.13", "0.14"), "table 'misuse' is not that of the results"),
        (TABLE.rpartition("\n")[0], "table 'misuse' is not that of the results"),
        (TABLE.replace("table: misuse", "table: mishap"), "there is no table 'mishap'"),
        (SENTENCE.replace("2,515", "2,451"), "argmax_solutions is 2,515, which the text does not"),
        (SENTENCE.replace("2,572", "12,572"), "argmax_fits is 2,572, which the text does not say"),
        (SENTENCE.replace("2,572", "2,572.5"), "argmax_fits is 2,572, which the text does not say"),
        (SENTENCE.replace("_fits", "_tries"), "there is no number 'argmax_tries'"),
        (SENTENCE.replace("2,515", "\n\n2,515"), "argmax_solutions is 2,515"),
    ],
)
def test_what_is_wrong_has_one(text, complaint):
    found = tables.complaints(text)
    assert found
    assert complaint in found[0]


def test_only_tables_are_updated():
    text = f"Before.\n\n{TABLE.replace('0.13', '0.14')}\n\n{SENTENCE}\n"
    assert tables.with_tables(text) == f"Before.\n\n{TABLE}\n\n{SENTENCE}\n"
