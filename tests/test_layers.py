"""Imports point downwards only: the table of the design, read off the import statements."""

import ast
from pathlib import Path

import pytest

import sklearn_seldonian

ROOT = Path(sklearn_seldonian.__file__).parent
LAYERS = {
    "exceptions": 0,
    "_interval": 0,
    "_dual": 0,
    "_files": 0,
    "_palette": 0,
    "_text": 0,
    "_version": 0,
    "_warnings": 0,
    "datasets": 0,
    "constraints": 1,
    "bounds": 1,
    "measures": 1,
    "modules": 1,
    "certification": 2,
    "training": 2,
    "_arguments": 3,
    "_base": 3,
    "_callers": 3,
    "_checks": 3,
    "_columns": 3,
    "_digests": 3,
    "_display": 3,
    "_fitting": 3,
    "_inputs": 3,
    "_keywords": 3,
    "_persistence": 3,
    "_preprocess": 3,
    "_promise": 3,
    "_row_sketch": 3,
    "_rows": 3,
    "_safety": 3,
    "_saved": 3,
    "_certify": 3,
    "_record": 3,
    "classifier": 3,
    "regressor": 3,
    "metrics": 3,
    "": 3,
    "model_selection": 4,
    "plotting": 4,
    "experiments": 4,
}
# What a layer may not import at its top level, to stay light.
FORBIDDEN = {
    "constraints": {"torch", "skorch", "sklearn", "scipy"},
    "bounds": {"torch", "skorch", "sklearn", "pandas", "lark"},
    "certification": {"torch", "skorch", "sklearn", "matplotlib"},
    "plotting": {"matplotlib"},
    "experiments": {"matplotlib", "fairlearn", "dask", "distributed"},
}


def part_of(path):
    """The entry of LAYERS that a file belongs to."""
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imported(path, *, top_level=False):
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path):
    own = LAYERS[part_of(path)]
    for name in imported(path):
        if name.partition(".")[0] == "sklearn_seldonian":
            parts = name.split(".")
            other = parts[1] if len(parts) > 1 else ""
            if other in ("", "_version") and LAYERS[part_of(path)] < 3:
                pytest.fail(f"{path.name} imports from the package's own public door")
            assert LAYERS[other] <= own, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_light_layers_stay_light(path):
    forbidden = FORBIDDEN.get(part_of(path), set())
    found = {name.partition(".")[0] for name in imported(path, top_level=True)}
    assert not found & forbidden
