"""Imports point downwards only: the layers of the design, checked from the import statements."""

import ast
import graphlib
from pathlib import Path

import pytest

import sklearn_seldonian

ROOT = Path(sklearn_seldonian.__file__).parent
LAYERS = {
    "exceptions": 0,
    "measures": 0,
    "datasets": 0,
    "_files": 0,
    "_keywords": 0,
    "_palette": 0,
    "_text": 0,
    "_version": 0,
    "_warnings": 0,
    "constraints": 1,
    "bounds": 1,
    "data": 2,
    "certification": 2,
    "selection": 3,
    "modules": 4,
    "learners": 4,
    "estimators": 5,
    "metrics": 6,
    "model_selection": 6,
    "": 6,
    "plotting": 7,
    "_command_line": 8,
    "__main__": 8,
    "experiments": 7,
    "monitoring": 7,
}
# Modules that a layer may not import at its top level, to be fast to import.
FORBIDDEN = {
    "measures": {"torch", "skorch", "sklearn", "scipy", "pandas"},
    "constraints": {"torch", "skorch", "sklearn", "scipy"},
    "bounds": {"torch", "skorch", "sklearn", "pandas", "lark"},
    "certification": {"torch", "skorch", "matplotlib"},
    "data": {"torch", "skorch", "matplotlib"},
    "selection": {"torch", "skorch", "sklearn", "pandas", "matplotlib"},
    "plotting": {"matplotlib"},
    "experiments": {"matplotlib", "fairlearn", "dask", "distributed"},
    "monitoring": {"torch", "skorch", "matplotlib"},
}


def part_of(path):
    """The entry of LAYERS that a file belongs to."""
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imported(path, *, top_level=False):
    """The modules that a file imports, as dotted names, without those that only types need."""
    tree = ast.parse(path.read_text())
    nodes = list(tree.body if top_level else ast.walk(tree))
    for_types = {
        inner
        for node in nodes
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in nodes:
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            files = [name for name in inside if file_of(name) is not None]
            yield from files if len(files) == len(inside) else [*files, node.module]


def file_of(name):
    """The file of a module of this package; None for anything else."""
    first, *parts = name.split(".")
    if first != ROOT.name:
        return None
    path = ROOT.joinpath(*parts)
    found = path / "__init__.py", path.with_suffix(".py")
    return next((file for file in found if file.is_file()), None)


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path):
    own = LAYERS[part_of(path)]
    for name in imported(path):
        if name.partition(".")[0] == "sklearn_seldonian":
            parts = name.split(".")
            other = parts[1] if len(parts) > 1 else ""
            if other == "" and own < LAYERS[""]:
                pytest.fail(f"{path.name} imports from the package's own public door")
            assert LAYERS[other] <= own, f"{path.name} imports {name}"


def test_no_file_imports_itself_in_a_circle():
    graph = {
        path: {file_of(name) for name in imported(path) if file_of(name) is not None}
        for path in FILES
    }
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
    assert len(order) == len(FILES)


def test_circular_imports_and_imports_for_types_are_distinguished(tmp_path):
    path = tmp_path / "file.py"
    text = "from sklearn_seldonian.constraints import {name}\n"
    path.write_text(text.format(name="_tree, _split"))
    assert list(imported(path)) == [f"{ROOT.name}.constraints.{n}" for n in ("_tree", "_split")]
    path.write_text(text.format(name="fold"))
    assert list(imported(path)) == [f"{ROOT.name}.constraints"]
    path.write_text("if TYPE_CHECKING:\n    " + text.format(name="fold"))
    assert list(imported(path)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_light_layers_stay_light(path):
    forbidden = FORBIDDEN.get(part_of(path), set())
    found = {name.partition(".")[0] for name in imported(path, top_level=True)}
    assert not found & forbidden
