"""Weights in a file without pickle, and what else the file says of the model."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_seldonian._files import draft_of
from sklearn_seldonian.certification import SafetyCertificate as Certificate
from sklearn_seldonian.certification._json import from_text
from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import parse
from sklearn_seldonian.estimators._seal import check_labels
from sklearn_seldonian.learners.lagrangian import (
    Adjustment,
    LagrangianLearner,
    LagrangianNet,
    TrainedNet,
    from_dict,
)
from sklearn_seldonian.modules import MLP, module_or_default

Path = str | PathLike[str]
Promise = Mapping[str, Any]
Labels = NDArray[Any]

# The entry of a file's metadata that holds all that is not weights.
ENTRY = "sklearn_seldonian"
SIZES = ("module__n_features", "module__n_outputs", "module__hidden")
# What a search says of a test that was one of several.
HOLM = re.compile(r"tested at delta / (\d+)\.")


@dataclass(frozen=True)
class Facts:
    """What a file says beside its weights.

    Parameters
    ----------
    promise : mapping
        What the model is about, as `in_words` says it.
    certificate : str or None
    n_features_in : int
    feature_names_in : list of str or None
    classes : list or None
        The type of the class labels, and the labels.
    sizes : mapping of str to int or list of int
        Parameters of the module that the data dictated, and the layers that were chosen.
    task : mapping
        What the module's outputs mean.
    adjustment : list
        What is done to them.
    digests : mapping of str to str
        Of all others.
    """

    promise: Promise
    certificate: str | None
    n_features_in: int
    feature_names_in: list[str] | None
    classes: list[Any] | None
    sizes: Mapping[str, Any]
    task: Mapping[str, Any]
    adjustment: list[Any]
    digests: Mapping[str, str]


# -- writing -----------------------------------------------------------------------------


def in_words(
    specification: Specification, promised: Mapping[str, object], module: Mapping[str, object]
) -> Promise:
    """What a file of weights says that it is about: the same weights decide otherwise elsewhere.

    Parameters
    ----------
    specification : Specification
    promised : mapping of str to object
        Parameters that decisions rest on beside the constraints; JSON can be made of them.
    module : mapping of str to object
        The module, and its keywords.
    """
    words = {
        "constraints": [str(constraint) for constraint in specification.constraints],
        "delta": specification.deltas,
        "method": specification.method,
        "missing": specification.missing,
        **promised,
        **{name: _parameter_in_words(value) for name, value in module.items()},
    }
    plain: Promise = json.loads(json.dumps(words))
    return plain


def _parameter_in_words(value: Any) -> str:
    """A parameter as text that is the same in every process."""
    if inspect.isclass(value) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    prefix = f"{type(value).__module__}." if isinstance(value, nn.Module) else ""
    return prefix + re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def write(path: Path, model: TrainedNet, of_estimator: Mapping[str, Any]) -> None:
    """Write the weights of a model, and the facts that make it predict again.

    `of_estimator` are those facts that the model does not know itself.

    Raises
    ------
    ValueError
        If it has a preprocessor.
    """
    if model.preprocessor is not None:
        name = type(model.preprocessor).__name__
        raise ValueError(
            f"save_params writes the module alone, and predict needs {name} as well, which is "
            "not made of weights. Pickle the estimator (joblib.dump), or make the "
            "preprocessing the module's first layer."
        )
    net, labels = model.net, getattr(model.targets, "classes", None)
    facts = {
        **of_estimator,
        "classes": None if labels is None else [labels.dtype.str, labels.tolist()],
        "sizes": {name: getattr(net, name) for name in SIZES if hasattr(net, name)},
        "task": asdict(net.task_),
        "adjustment": net.adjustment_.to_list(),
    }
    metadata = {ENTRY: json.dumps({**facts, "digests": _digests(facts)})}
    with draft_of(path) as draft:
        safetensors.torch.save_model(net.module_, str(draft), metadata=metadata)


def _digests(facts: Mapping[str, Any]) -> dict[str, str]:
    """A digest of each fact by its name, and of each field of the certificate."""
    parts = {name: value for name, value in facts.items() if name != "digests"}
    if parts["certificate"] is not None:
        content = json.loads(parts.pop("certificate"))
        for i, result in enumerate(content.pop("results")):
            parts |= {f"certificate.results[{i}].{name}": value for name, value in result.items()}
        parts |= {f"certificate.{name}": value for name, value in content.items()}
    return {name: _digest(value) for name, value in parts.items()}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


# -- reading -----------------------------------------------------------------------------


def read(path: Path, promise: Promise) -> tuple[Facts, Certificate | None, Labels | None]:
    """The facts in a file of weights, its certificate, and the class labels of a classifier.

    `promise` is what the estimator that reads it is about, as `in_words` says it.

    Raises
    ------
    ValueError
        If the file is not one that `write` wrote, is about something else, or holds no model that
        was certified.
    """
    facts = _facts(path)
    if facts.promise != promise:
        raise ValueError(
            f"{path} is about {facts.promise}, this estimator about {promise}: give it the "
            "parameters of the model in the file."
        )
    labels, certificate = _labels(facts), _certificate(path, facts)
    if promise["constraints"] and not (certificate and certificate.passed):
        raise ValueError(f"{path} has no certificate that passed: nothing is known of its weights.")
    tested = []
    if certificate is not None:
        check_labels([] if labels is None else labels.tolist(), certificate)
        tested = [str(parse(result.constraint)) for result in certificate.results]
    if tested != promise["constraints"]:
        raise _refusal("certificate.results", "is of other constraints than the estimator has")
    _check_digests(facts)
    for name, agrees in _agreements(facts, certificate, labels):
        if not agrees:
            raise _refusal(name, "contradicts the estimator or the rest of the file")
    return facts, certificate, labels


def _facts(path: Path) -> Facts:
    """What a file says beside its weights."""
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if ENTRY not in metadata:
        raise ValueError(f"{path} was not written by save_params: it says nothing about a model.")
    try:
        return Facts(**json.loads(metadata[ENTRY]))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"What {path} says about its weights is not JSON as save_params writes it: {error}"
        ) from error


def _labels(facts: Facts) -> Labels | None:
    """The class labels as they are in `classes_`; None for a regression."""
    if facts.classes is None:
        if "n_classes" in facts.task:
            raise _refusal("task", "is a classification, and there are no class labels")
        return None
    try:
        dtype, listed = facts.classes
        return np.array(listed, dtype=dtype, ndmin=1)
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal("classes", f"is not a type and labels ({error})") from error


def _certificate(path: Path, facts: Facts) -> Certificate | None:
    if facts.certificate is None:
        return None
    try:
        found: Certificate = from_text(facts.certificate, Certificate)
        return found
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"The certificate in {path} cannot be read: {error}") from error


def _agreements(
    facts: Facts, certificate: Certificate | None, labels: Labels | None
) -> Iterator[tuple[str, bool]]:
    """Entries of the file, and whether each is what others and the estimator say."""
    promise, n, names = facts.promise, facts.n_features_in, facts.feature_names_in
    if labels is None:
        kind, expected = {"centre", "scale"}, {"range": promise.get("prediction_range")}
    else:
        decided = promise["decision"] == "argmax"
        kind, expected = {"kind"}, {"n_classes": len(labels), "deterministic": decided}
        yield "classes", len(labels) > 1 and labels.tolist() == (facts.classes or [[]])[-1]
    task = facts.task if isinstance(facts.task, dict) else {}
    yield "task", set(task) == kind | set(expected) and expected.items() <= task.items()
    yield "n_features_in", type(n) is int and n > 0
    yield "feature_names_in", names is None or len(set(names)) == len(names) == n
    if certificate is None:
        return
    yield "certificate.procedure", certificate.procedure == f"{promise['estimator']}.fit"
    for name in {"method", "missing", "decision", "group_thresholds"} & set(promise):
        yield "certificate.parameters", certificate.parameters.get(name) == repr(promise[name])
    shares = [int(k) for text in certificate.assumptions for k in HOLM.findall(text)] or [1]
    for i, (result, delta) in enumerate(zip(certificate.results, promise["delta"], strict=True)):
        is_promised = math.isclose(result.delta, delta / shares[0], rel_tol=1e-9)
        yield f"certificate.results[{i}].delta", is_promised


def _check_digests(facts: Facts) -> None:
    """Refuse facts that were changed after they were written."""
    written = facts.digests if isinstance(facts.digests, dict) else {}
    found = _digests(vars(facts))
    for name in sorted({*found, *written}):
        if found.get(name) != written.get(name):
            raise _refusal(name, "was changed after the file was written")


def _refusal(name: str, what: str) -> ValueError:
    return ValueError(
        f"The entry {name!r} of the file {what}: its weights, as the file describes them, are not "
        "those that the certificate is about. Save the model again with save_params."
    )


def load_net(path: Path, facts: Facts, learner: LagrangianLearner) -> LagrangianNet:
    """A net of the learner's with the weights in a file whose facts were checked."""
    if module_or_default(learner.module) is MLP:
        _check_sizes(path, facts.sizes, learner.settings)
    weights = safetensors.torch.load_file(str(path))
    with torch.inference_mode(False):
        net = learner.initialized(facts.sizes, from_dict(facts.task))
        precisions = {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()}
        if len(precisions) == 1:  # whatever torch's default is now
            (net.dtype_,) = precisions
            net.module_.to(net.dtype_)
        try:
            safetensors.torch.load_model(net.module_, str(path))
        except RuntimeError as error:
            raise ValueError(f"The weights in {path} do not fit the module: {error}") from error
    del net.optimizer_
    net.module_.eval()
    net.task_, net.adjustment_ = net.task, Adjustment.from_list(facts.adjustment)
    return net


def _check_sizes(path: Path, sizes: Mapping[str, int], settings: Mapping[str, Any]) -> None:
    """Refuse sizes of an MLP that the weights do not have, before memory is taken for them."""
    nested = {name.partition("__")[::2]: value for name, value in {**sizes, **settings}.items()}
    keywords = {name: value for (part, name), value in nested.items() if part == "module"}
    try:
        with torch.device("meta"):  # tensors there have a shape and no memory
            module = MLP(**keywords).state_dict()
        shapes = {name: list(tensor.shape) for name, tensor in module.items()}
    except (RuntimeError, TypeError, ValueError) as error:
        raise _refusal("sizes", f"makes no module ({error})") from error
    with safetensors.safe_open(str(path), framework="pt") as file:
        found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    if found != shapes:
        raise ValueError(
            f"The weights in {path} do not fit the module: the entry 'sizes' of the file says "
            f"{sizes}, and its weights have other shapes."
        )
