"""What a file of weights says beside them, held against the estimator that loads it."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re

import numpy as np
import safetensors
import torch

from sklearn_seldonian.certification import units_of
from sklearn_seldonian.constraints import parse
from sklearn_seldonian.data._targets import positive_class
from sklearn_seldonian.learners.lagrangian import Adjustment, from_dict
from sklearn_seldonian.modules import MLP

# The entry of a file's metadata that holds all that is not weights.
ENTRY = "sklearn_seldonian"
FACTS = (
    "adjustment",
    "certificate",
    "classes",
    "digests",
    "feature_names_in",
    "n_features_in",
    "promise",
    "sizes",
    "task",
)
SIZES = ("module__n_features", "module__n_outputs")
TASKS = {"classes": {"kind", "deterministic", "n_classes"}, "numbers": {"centre", "scale", "range"}}
# Rates of these names are over all rows where they have no condition.
# Parameters that say what is promised, beside constraints and deltas.
PROMISED = ("method", "decision", "pos_label", "prediction_range", "target_range")
OVER_ALL_ROWS = ("ACC", "ERR", "NR", "PR")
HOLM = re.compile(r"tested at delta / (\d+)\.")


def read(path):
    """The facts beside the weights in a file.

    Raises
    ------
    ValueError
        If it is not one that `save_params` wrote.
    """
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if ENTRY not in metadata:
        raise ValueError(f"{path} was not written by save_params: it says nothing about a model.")
    try:
        facts = json.loads(metadata[ENTRY])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"What {path} says about its weights is not JSON: {error}") from error
    names = set(facts) if isinstance(facts, dict) else set()
    for name in sorted(names ^ set(FACTS)):
        raise _refusal(name, "is missing" if name in FACTS else "is unknown")
    return facts


def digests(facts):
    """By its name a digest of each fact, and of each field of the certificate, but of digests."""
    parts = {name: value for name, value in facts.items() if name != "digests"}
    if parts["certificate"] is not None:
        content = json.loads(parts.pop("certificate"))
        for i, result in enumerate(content.pop("results")):
            parts |= {f"certificate.results[{i}].{name}": value for name, value in result.items()}
        parts |= {f"certificate.{name}": value for name, value in content.items()}
    return {name: _digest(value) for name, value in parts.items()}


def _digest(value):
    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def check_digests(facts):
    """Refuse facts that were changed after they were written; the last of the checks."""
    found, written = digests(facts), facts["digests"]
    names = {*found, *(written if isinstance(written, dict) else ())}
    for name in sorted(names):
        if not isinstance(written, dict) or found.get(name) != written.get(name):
            raise _refusal(name, "was changed after the file was written")


def _refusal(name, what):
    return ValueError(
        f"The entry {name!r} of the file {what}: nothing is known about its weights. Save the "
        "model again with save_params."
    )


# -- facts and the estimator -------------------------------------------------------------


def check_against(asked, facts, certificate):
    """Refuse facts and a certificate that contradict each other or what is asked for.

    Raises
    ------
    ValueError
        That names the entry.
    """
    _check_inputs(facts)
    _check_task(facts["task"], facts["classes"], asked.promises)
    classes = labels(facts["classes"])
    _check_adjustment(facts["adjustment"], facts["task"].get("n_classes"))
    if certificate is None:
        return
    if certificate.procedure != asked.procedure:
        what = f"is {certificate.procedure!r}, not {asked.procedure!r}"
        raise _refusal("certificate.procedure", what)
    for name in filter(asked.parameters.__contains__, PROMISED):
        value = repr(asked.parameters[name])
        if certificate.parameters.get(name) != value:
            raise _refusal("certificate.parameters", f"have not {name}={value}")
    listed = [] if classes is None else classes.tolist()
    if listed and tuple(map(str, listed)) == certificate.classes:  # others are refused later
        positive = positive_class(listed, asked.parameters["pos_label"])
        if certificate.positive != (None if positive is None else str(listed[positive])):
            raise _refusal("certificate.positive", f"is {certificate.positive!r}")
    _check_results(asked.specification, certificate)


def _check_results(specification, certificate):
    shares = [int(n) for text in certificate.assumptions for n in HOLM.findall(text)]
    share = shares[0] if shares else 1
    if len(certificate.results) != len(specification.constraints):
        raise _refusal("certificate.results", f"has {len(certificate.results)} tests")
    for i, (result, constraint, delta) in enumerate(
        zip(certificate.results, specification.constraints, specification.deltas, strict=True)
    ):
        units = units_of(constraint)
        expected = {"operator": units.operator, "limit": units.limit, "delta": delta / share}
        if str(parse(result.constraint)) != str(constraint):
            expected["constraint"] = str(constraint)
        if math.isfinite(result.g_upper):
            expected["bound"] = units.value(result.g_upper)
        if math.isfinite(result.g):
            expected["estimate"] = units.value(result.g)
        for name, value in expected.items():
            if not _agree(getattr(result, name), value):
                what = f"is {getattr(result, name)!r}, where the estimator has {value!r}"
                raise _refusal(f"certificate.results[{i}].{name}", what)
        _check_rows(result.rows, certificate.n_safety, i)


def _check_rows(rows, n_safety, i):
    for name, n in rows.items():
        if n > n_safety or (name in OVER_ALL_ROWS and n != n_safety):
            what = f"is {n_safety}, and results[{i}] has {n} rows for {name}"
            raise _refusal("certificate.n_safety", what)


def _agree(one, other):
    if isinstance(other, str):
        return one == other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def _check_inputs(facts):
    n, names = facts["n_features_in"], facts["feature_names_in"]
    if not _is_count(n):
        raise _refusal("n_features_in", f"is {n!r}, not a number of features")
    is_named = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if names is not None and not (is_named and len(set(names)) == len(names) == n):
        raise _refusal("feature_names_in", f"has not one name for each of {n} features")


def _check_task(task, classes, promised):
    kind = "numbers" if classes is None else "classes"
    if not isinstance(task, dict) or set(task) != TASKS[kind]:
        raise _refusal("task", f"is not that of a model of {kind}")
    if kind == "classes":
        n_classes = len(labels(classes))
        if task["n_classes"] != n_classes:
            raise _refusal("task", f"has n_classes={task['n_classes']!r} for {n_classes} classes")
        expected = {"deterministic": promised.get("decision") == "argmax"}
    else:
        _check_numbers("task", [task["centre"], task["scale"]])
        expected = {"range": list(promised.get("prediction_range", ()))}
    for name, value in expected.items():
        if task[name] != value:
            raise _refusal("task", f"has {name}={task[name]!r}, where the estimator has {value!r}")
    try:
        from_dict(task)
    except (TypeError, ValueError) as error:
        raise _refusal("task", f"is not one ({error})") from error


def _check_adjustment(adjustment, n_classes):
    if not isinstance(adjustment, list) or not 2 <= len(adjustment) <= len(Adjustment._fields):
        raise _refusal("adjustment", "is not a scale and three lists")
    scale, *lists = adjustment
    for values in lists:
        if not isinstance(values, list) or len(values) not in (0, n_classes):
            raise _refusal("adjustment", f"has not one number for each of {n_classes} classes")
        _check_numbers("adjustment", values)
    _check_numbers("adjustment", [scale])


def _check_numbers(name, values):
    for value in values:
        if type(value) not in (int, float) or math.isnan(value):
            raise _refusal(name, f"has {value!r}, which is not a number")


def labels(classes):
    """The class labels as they are in `classes_`; None for a regression."""
    if classes is None:
        return None
    try:
        dtype, listed = classes
        values = np.array(listed, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal("classes", f"is not a type and labels ({error})") from error
    same = values.tolist() == listed and list(map(type, values.tolist())) == list(map(type, listed))
    if not same or values.ndim != 1 or len(values) < 2:
        raise _refusal("classes", f"says that {listed!r} are labels of the type {dtype!r}")
    return values


# -- sizes, before anything is allocated -------------------------------------------------


def check_shapes(module, given, path, sizes):
    """Refuse `sizes` of a module that are not those of the weights in the file.

    `given` are the module's keywords.
    """
    is_mlp = module is None or module is MLP
    if not isinstance(sizes, dict) or set(sizes) != (
        set(SIZES) if is_mlp else set(SIZES) & set(given)
    ):
        raise _refusal("sizes", "is not what the estimator's module takes")
    for name, size in sizes.items():
        if not _is_count(size) or given.get(name, size) != size:
            raise _refusal("sizes", f"has {name}={size!r}")
    if is_mlp and _shapes_in(path) != _shapes_of_mlp({**sizes, **given}):
        raise ValueError(
            f"The weights in {path} do not fit the module: the entry 'sizes' of the file says "
            f"{sizes}, and its weights have other shapes."
        )


def _shapes_in(path):
    with safetensors.safe_open(str(path), framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def _shapes_of_mlp(keywords):
    """The shapes that an MLP's weights have; None where no memory could hold them."""
    parameters = {name.removeprefix("module__"): value for name, value in keywords.items()}
    try:
        with torch.device("meta"):
            module = MLP(**parameters)
    except (OverflowError, RuntimeError, TypeError):
        return None
    tensors = itertools.chain(module.named_parameters(), module.named_buffers())
    return {name: tuple(tensor.shape) for name, tensor in tensors}


def _is_count(value):
    return type(value) is int and value > 0
