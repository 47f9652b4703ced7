"""How the documentation is built: `make docs`. Nothing is fetched from outside."""

from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

from sklearn_seldonian import __version__

ROOT = Path(__file__).resolve().parent.parent

project = "sklearn-seldonian"
author = "the sklearn-seldonian developers"
copyright = author
release = version = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "auto_examples/*.ipynb"]  # which the gallery offers for download
default_role = "code"

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
myst_heading_anchors = 3

# Pages with a jupytext header are notebooks, which the build runs. What they print to the standard
# error, such as an unexpected warning, is a warning of the build.
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 1200  # seconds per cell, also on a machine that does other work
nb_output_stderr = "warn"

has_german_credit = (ROOT.parent / "shared" / "data" / "german").exists()
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # Without its data an example is shown, and not run.
    "filename_pattern": r"\.py" if has_german_credit else r"/(?!german_credit)\w+\.py",
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": (),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-seldonian"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
}
html_sidebars = {"start_here": []}


def setup(app):
    """Formulae as MathML, which browsers draw without a script from elsewhere."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.connect("doctree-read", end_examples_with_text)


def end_examples_with_text(app, doctree):
    """Leave out the empty line after an example, which doctest needs and readers do not."""
    for example in doctree.findall(nodes.literal_block):
        if example.astext().startswith(">>>"):
            example.rawsource = example.astext().rstrip()
            example[:] = [nodes.Text(example.rawsource)]


def visit_math(translator, node):
    is_block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=is_block)
    translator.body.append(f'<div class="formula">{formula}</div>' if is_block else formula)
    raise nodes.SkipNode
