"""Files of weights without pickle, and the facts about the model that such a file holds."""

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
from sklearn_seldonian.modules import MLP, AdditiveModel, module_of_sizes

Path = str | PathLike[str]
Promise = Mapping[str, Any]
Labels = NDArray[Any]

# The entry of a file's metadata that holds everything except the weights.
ENTRY = "sklearn_seldonian"
SIZES = ("module__n_features", "module__n_outputs", "module__hidden", "module__knots")
# How the certificate of a search states the share of delta of one test among several.
HOLM = re.compile(r"tested at delta / (\d+)\.")


@dataclass(frozen=True)
class Facts:
    """The facts in a file of weights.

    Parameters
    ----------
    promise : mapping
        Constraints and parameters of the model, as `in_words` returns them.
    certificate : str or None
        The certificate as JSON.
    n_features_in : int
    feature_names_in : list of str or None
    classes : list or None
        The type of the class labels, and the labels.
    sizes : mapping of str to int or list of int
        Parameters of the module that depend on the data, and the sizes of the hidden layers.
    task : mapping
        The meaning of the module's outputs.
    adjustment : list
        The adjustment of these outputs.
    digests : mapping of str to str
        Digests of all other facts.
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
    """Constraints and parameters for a file of weights, as JSON can hold them.

    They are saved because the same weights lead to other decisions with other parameters.

    Parameters
    ----------
    specification : Specification
    promised : mapping of str to object
        The parameters that decisions depend on in addition to the constraints, of JSON's types.
    module : mapping of str to object
        The module and its keywords.
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
    """A parameter as a text that is the same in every process."""
    if inspect.isclass(value) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    prefix = f"{type(value).__module__}." if isinstance(value, nn.Module) else ""
    return prefix + re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def write(path: Path, model: TrainedNet, of_estimator: Mapping[str, Any]) -> None:
    """Write the weights of a model, and the facts that are needed to predict with them.

    `of_estimator` has the facts that only the estimator knows.

    Raises
    ------
    ValueError
        If the model has a preprocessor.
    """
    if model.preprocessor is not None:
        name = type(model.preprocessor).__name__
        raise ValueError(
            f"predict needs the preprocessor {name}, and save_params can write weights only. "
            "Pickle the estimator (joblib.dump), or make the preprocessing the module's first "
            "layer."
        )
    net, labels = model.net, getattr(model.targets, "classes", None)
    facts = {
        **of_estimator,
        "classes": None if labels is None else [labels.dtype.str, labels.tolist()],
        "sizes": {name: _listed(getattr(net, name)) for name in SIZES if hasattr(net, name)},
        "task": asdict(net.task_),
        "adjustment": net.adjustment_.to_list(),
    }
    metadata = {ENTRY: json.dumps({**facts, "digests": _digests(facts)})}
    with draft_of(path) as draft:
        safetensors.torch.save_model(net.module_, str(draft), metadata=metadata)


def _listed(size: Any) -> Any:
    """A parameter of the module with lists instead of arrays."""
    return size.tolist() if hasattr(size, "tolist") else size


def _digests(facts: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each fact and of each field of the certificate, by name."""
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

    `promise` has the constraints and parameters of the estimator that reads the file, as
    `in_words` returns them.

    Raises
    ------
    ValueError
        If `write` did not write the file, if it has other constraints or parameters, or if its
        model was not certified.
    """
    facts = _facts(path)
    if facts.promise != promise:
        raise ValueError(
            f"The model in {path} was fitted with other parameters than this estimator has. The "
            f"file says {facts.promise}, the estimator {promise}. Give the estimator the "
            "parameters in the file."
        )
    labels, certificate = _labels(facts), _certificate(path, facts)
    if promise["constraints"] and not (certificate and certificate.passed):
        raise ValueError(
            f"{path} has no certificate that passed, so its model is not certified. Save a model "
            "whose fit found a solution."
        )
    tested = []
    if certificate is not None:
        check_labels([] if labels is None else labels.tolist(), certificate)
        tested = [str(parse(result.constraint)) for result in certificate.results]
    if tested != promise["constraints"]:
        raise _refusal("certificate.results", "has other constraints than the estimator")
    _check_digests(facts)
    for name, agrees in _agreements(facts, certificate, labels):
        if not agrees:
            raise _refusal(name, "contradicts the estimator or the rest of the file")
    return facts, certificate, labels


def _facts(path: Path) -> Facts:
    """The facts in a file of weights."""
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{path} is not a safetensors file: {error}. Give a file that save_params wrote."
        ) from error
    if ENTRY not in metadata:
        raise ValueError(
            f"{path} was not written by save_params: it has weights, but no facts about a model. "
            "Give a file that save_params wrote."
        )
    try:
        return Facts(**json.loads(metadata[ENTRY]))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"The entry {ENTRY!r} of {path} is not JSON as save_params writes it: {error}. Save "
            "the model again with save_params."
        ) from error


def _labels(facts: Facts) -> Labels | None:
    """The class labels as in `classes_`; None for a regression."""
    if facts.classes is None:
        if "n_classes" in facts.task:
            raise _refusal("task", "is a classification, and the file has no class labels")
        return None
    try:
        dtype, listed = facts.classes
        return np.array(listed, dtype=dtype, ndmin=1)
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal("classes", f"is not a type and a list of labels ({error})") from error


def _certificate(path: Path, facts: Facts) -> Certificate | None:
    if facts.certificate is None:
        return None
    try:
        found: Certificate = from_text(facts.certificate, Certificate)
        return found
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"The certificate in {path} cannot be read: {error}. Save the model again with "
            "save_params."
        ) from error


def _agreements(
    facts: Facts, certificate: Certificate | None, labels: Labels | None
) -> Iterator[tuple[str, bool]]:
    """Entries of the file, and whether each agrees with the other entries and the estimator."""
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
        f"The entry {name!r} of the file {what}, so the file does not hold the model that its "
        "certificate is about. Save the model again with save_params."
    )


def load_net(path: Path, facts: Facts, learner: LagrangianLearner) -> LagrangianNet:
    """A net of the learner with the weights in a file, whose facts have to be checked before."""
    module = module_of_sizes(learner.module, facts.sizes)
    if module in (MLP, AdditiveModel):
        _check_sizes(path, module, facts.sizes, learner.settings)
    weights = safetensors.torch.load_file(str(path))
    with torch.inference_mode(False):
        net = learner.initialized(facts.sizes, from_dict(facts.task))
        precisions = {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()}
        if len(precisions) == 1:  # independently of torch's present default
            (net.dtype_,) = precisions
            net.module_.to(net.dtype_)
        try:
            safetensors.torch.load_model(net.module_, str(path))
        except RuntimeError as error:
            raise ValueError(
                f"The weights in {path} do not fit the module: {error}. Give the estimator the "
                "module that the model was fitted with."
            ) from error
    del net.optimizer_
    net.module_.eval()
    net.task_, net.adjustment_ = net.task, Adjustment.from_list(facts.adjustment)
    return net


def _check_sizes(
    path: Path, module: type[nn.Module], sizes: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """Refuse sizes of a module that the weights do not have, before memory is allocated."""
    nested = {name.partition("__")[::2]: value for name, value in {**sizes, **settings}.items()}
    keywords = {name: value for (part, name), value in nested.items() if part == "module"}
    try:
        with torch.device("meta"):  # tensors on this device have a shape, but no memory
            weights = module(**keywords).state_dict()
        shapes = {name: list(tensor.shape) for name, tensor in weights.items()}
    except (OverflowError, RuntimeError, TypeError, ValueError) as error:
        raise _refusal("sizes", f"does not make a module ({error})") from error
    with safetensors.safe_open(str(path), framework="pt") as file:
        found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    if found != shapes:
        raise ValueError(
            f"The weights in {path} do not fit the module: the entry 'sizes' of the file says "
            f"{sizes}, and its weights have other shapes. Save the model again with save_params."
        )
