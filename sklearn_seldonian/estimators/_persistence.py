"""Life after fit: weights in a file without pickle, and pickles without a number for each row."""

from __future__ import annotations

import inspect
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn

from sklearn_seldonian._files import draft_of
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.estimators import _saved
from sklearn_seldonian.learners.lagrangian import Adjustment, from_dict
from sklearn_seldonian.modules import module_or_default

# -- weights without pickle --------------------------------------------------------------


def in_words(specification, promised, module, keywords):
    """What a file of weights says that it is about: the same weights decide otherwise elsewhere.

    Parameters
    ----------
    specification : Specification
    promised : mapping of str to object
        Parameters that decisions rest on beside the constraints.
    module : class, instance or None
    keywords : mapping of str to object
        Of the module.
    """
    parts = {"module": module_or_default(module), **keywords}
    words = {
        "constraints": [str(constraint) for constraint in specification.constraints],
        "delta": specification.deltas,
        **promised,
        **{name: _parameter_in_words(value) for name, value in parts.items()},
    }
    return json.loads(json.dumps(words))


def _parameter_in_words(value):
    """A parameter as text that is the same in every process."""
    if inspect.isclass(value) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    prefix = f"{type(value).__module__}." if isinstance(value, nn.Module) else ""
    return prefix + re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def labels_in_words(classes):
    """Class labels and their type; None for a regression."""
    return None if classes is None else [classes.dtype.str, classes.tolist()]


def write(path, model, facts):
    """Write the weights of a model, and the facts that make it predict again.

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
    net = model.net
    facts = {
        **facts,
        "sizes": {name: getattr(net, name) for name in _saved.SIZES if hasattr(net, name)},
        "task": asdict(net.task_),
        "adjustment": net.adjustment_,
    }
    facts["digests"] = _saved.digests(facts)
    metadata = {_saved.ENTRY: json.dumps(facts)}
    with draft_of(path) as draft:
        safetensors.torch.save_model(net.module_, str(draft), metadata=metadata)


@dataclass(frozen=True)
class Asked:
    """What an estimator expects of a file.

    Parameters
    ----------
    specification : Specification
    promises : mapping
        As `in_words` returns them.
    procedure : str
        What its certificates come from.
    parameters, module_keywords : mapping of str to object
    """

    specification: Any
    promises: Mapping[str, Any]
    procedure: str
    parameters: Mapping[str, Any]
    module_keywords: Mapping[str, Any]


@dataclass(frozen=True)
class SavedModel:
    """What is in a file beside the weights, checked but for its digests."""

    facts: Mapping[str, Any]
    certificate: SafetyCertificate | None

    @property
    def classes(self):
        """The labels as in `classes_`; None for a regression."""
        return _saved.labels(self.facts["classes"])

    def load_into(self, learner, path):
        """A net of the learner's with the weights in the file at `path`."""
        with torch.inference_mode(False):
            net = learner.initialized(self.facts["sizes"], from_dict(self.facts["task"]))
            _load(net, path)
        net.task_ = net.task
        scale, *of_classes = self.facts["adjustment"]
        net.adjustment_ = Adjustment(scale, *map(tuple, of_classes))
        return net

    def check_digests(self):
        """Refuse facts that were changed after they were written; the last of the checks."""
        _saved.check_digests(self.facts)


def read(path, asked):
    """What is in the file at `path` beside the weights.

    Raises
    ------
    ValueError
        If the file is not one that `write` wrote, is about something else than is `asked` for, or
        holds no model that was certified.
    """
    facts = _saved.read(path)
    if asked.promises != facts["promise"]:
        raise ValueError(
            f"{path} is about {facts['promise']}, this estimator about {asked.promises}."
        )
    if asked.parameters["preprocessor"] is not None:
        raise ValueError(f"{path} holds a model without preprocessor, and the estimator has one.")
    text = facts["certificate"]
    certificate = None if text is None else _certificate(path, text)
    if asked.specification.constraints and not (certificate and certificate.passed):
        raise ValueError(f"{path} has no certificate that passed: nothing is known of its weights.")
    _saved.check_shapes(asked.parameters["module"], asked.module_keywords, path, facts["sizes"])
    _saved.check_against(asked, facts, certificate)
    return SavedModel(facts, certificate)


def _certificate(path, text):
    """The certificate in a file; `from_json` checks it for itself."""
    try:
        return SafetyCertificate.from_json(text)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"The certificate in {path} cannot be read: {error}") from error


def _load(net, path):
    """Give an initialised net the weights in a file, and make it ready to answer."""
    precisions = {
        tensor.dtype
        for tensor in safetensors.torch.load_file(str(path)).values()
        if tensor.is_floating_point()
    }
    if len(precisions) == 1:  # whatever torch's default is now
        (net.dtype_,) = precisions
        net.module_.to(net.dtype_)
    try:
        safetensors.torch.load_model(net.module_, str(path))
    except RuntimeError as error:
        raise ValueError(f"The weights in {path} do not fit the module: {error}") from error
    del net.optimizer_
    net.module_.eval()


# -- is it the model that was certified? --------------------------------------------------


def check_model(model, certificate, classes, seal):
    """Refuse a model that is not the one that the certificate is about.

    Weights are digested only where something may have changed since the last time: torch
    counts what is written to a tensor, unless it is written to its ``.data``.

    Parameters
    ----------
    model : TrainedNet
    certificate : SafetyCertificate or None
    classes : sequence
        The class labels that `predict` returns.
    seal : tuple or None
        What the last check returned.

    Returns
    -------
    tuple
        By what it shows, at no cost, that something may have changed.

    Raises
    ------
    ValueError
        If weights, what is done to their scores, or class labels are others.
    """
    classes = tuple(np.asarray(classes).tolist())
    found = _seal(model.net, certificate, classes)
    if found == seal:
        return seal
    if certificate is not None and (certificate.passed or certificate.fingerprints):
        _check_fingerprint(model.fingerprint(), certificate.fingerprints.get("weights"))
        names = tuple(map(str, classes))
        if names != certificate.classes:
            raise ValueError(
                f"The class labels {names} are not those that the certificate is about, "
                f"{certificate.classes}."
            )
    return found


def _check_fingerprint(found, certified):
    if found != certified:
        raise ValueError(
            f"The weights (fingerprint {found}) are not those that the certificate is about "
            f"(fingerprint {certified}): nothing is known about them."
        )


def _seal(net, certificate, classes):
    tensors = itertools.chain(net.module_.parameters(), net.module_.buffers())
    written = tuple((tensor.data_ptr(), _version(tensor)) for tensor in tensors)
    return certificate, classes, net.task_, net.adjustment_, written


def _version(tensor):
    """How often a tensor was written to; torch does not count it in one made for inference."""
    return object() if tensor.is_inference() else tensor._version


# -- pickles -----------------------------------------------------------------------------


def compact_state(state):
    """A fitted estimator's state with the split as one bit a row."""
    state = dict(state)
    state.pop("_seal", None)  # of tensors in this process
    if "safety_indices_" in state:
        safety = state.pop("safety_indices_")
        is_safety = np.zeros(len(safety) + len(state.pop("candidate_indices_")), dtype=bool)
        is_safety[safety] = True
        state["_split"] = len(is_safety), np.packbits(is_safety)
    return state


def expand_state(state):
    """The state that `compact_state` was given."""
    state = dict(state)
    if "_split" in state:
        n_rows, bits = state.pop("_split")
        is_safety = np.unpackbits(bits, count=n_rows).astype(bool)
        state["candidate_indices_"] = np.flatnonzero(~is_safety)
        state["safety_indices_"] = np.flatnonzero(is_safety)
    return state
