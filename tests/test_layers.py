"""The layers of the design, checked from the sources: imports, private attributes, and tests."""

import ast
import graphlib
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

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


# -- private attributes of estimators ----------------------------------------------------------

# Lower layers cannot import estimators. They ask any object for these two.
HOOKS = {"_tested_again", "_decided_by"}


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def defined_in(path):
    """The private names that the classes of a file define: of methods, of the class, of self."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ClassDef(body=body):
                for part in body:
                    match part:
                        case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                            yield name
                        case ast.Assign(targets=targets):
                            yield from (t.id for t in targets if isinstance(t, ast.Name))
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name


def used_in(path):
    """The attributes of other objects than self that a file uses, also by their text."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name):
                yield name
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr" | "setattr" | "delattr"),
                args=[_, ast.Constant(value=str() as name), *_],
            ):
                yield name


OF_ESTIMATORS = {
    name
    for path in FILES
    if part_of(path) == "estimators"
    for name in defined_in(path)
    if is_private(name) and not hasattr(BaseEstimator, name)
}


def private_of_estimators(path):
    """The private attributes of estimators that a file uses and does not define itself."""
    return set(used_in(path)) & OF_ESTIMATORS - set(defined_in(path)) - HOOKS


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if part_of(path) != "estimators"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_private_attributes_of_estimators_are_used_by_estimators_alone(path):
    assert private_of_estimators(path) == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("model._model.module_", {"_model"}),
        ("search.best_estimator_._specification_", {"_specification_"}),
        ("fitted(rows)._targets_of(y)", {"_targets_of"}),
        ("estimator._model = None", {"_model"}),
        ("hasattr(estimator, '_model')", {"_model"}),
        ("getattr(estimator, '_fitted_to_', None)", {"_fitted_to_"}),
        ("class Own:\n    def run(self):\n        return self._model", set()),
        ("class Own:\n    def __init__(self):\n        self._model = 1\nOwn()._model", set()),
        ("model.certificate_, row._replace(a=1), model._get_param_names()", set()),
        ("hasattr(estimator, '_tested_again')", set()),
    ],
)
def test_uses_of_private_attributes_are_found(tmp_path, text, found):
    path = tmp_path / "file.py"
    path.write_text(text)
    assert private_of_estimators(path) == found


# -- the tests ---------------------------------------------------------------------------------

TESTS = Path(__file__).parent


def mirror_of(path):
    """The file with the tests of a module: those of ``a/_b.py`` are in ``a/test_b.py``."""
    name = path.stem.strip("_")
    return TESTS / path.relative_to(ROOT).parent / f"test_{name}.py"


def test_every_module_has_its_tests_in_a_file_of_its_name():
    modules = [path for path in FILES if path.stem not in ("__init__", "_version")]
    missing = [str(path.relative_to(ROOT)) for path in modules if not mirror_of(path).is_file()]
    assert missing == []
    assert not mirror_of(ROOT / "bounds" / "_unknown.py").is_file()
    assert mirror_of(ROOT / "bounds" / "_box.py") == TESTS / "bounds" / "test_box.py"
    assert mirror_of(ROOT / "__main__.py") == TESTS / "test_main.py"
