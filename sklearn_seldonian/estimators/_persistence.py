"""Life after fit: weights in a file without pickle, and pickles without a number for each row."""

from __future__ import annotations

import itertools
import json

import numpy as np
import safetensors.torch
import torch
from sklearn.base import clone

from sklearn_seldonian._files import draft_of
from sklearn_seldonian.certification import SafetyCertificate, _provenance
from sklearn_seldonian.data._columns import without_tensor
from sklearn_seldonian.estimators import _fitting, _saved
from sklearn_seldonian.learners.lagrangian import Adjustment, as_facts, task_from

__all__ = [
    "check_model",
    "fingerprint",
    "loaded",
    "packed",
    "unpacked",
    "without_fit",
    "working_copy",
    "write",
]

# What a fit leaves beside the attributes whose names end in an underscore.
PRIVATE = ("_fitted_to", "_n_dimensions", "_promise", "_seal")


# -- all or nothing ----------------------------------------------------------------------


def without_fit(estimator):
    """The attributes of `estimator` but those that a fit left."""
    return {name: value for name, value in vars(estimator).items() if not _is_of_a_fit(name)}


def working_copy(estimator):
    """Another estimator with the same attributes, not copied themselves, for one fit."""
    copied = object.__new__(type(estimator))
    copied.__dict__ = dict(vars(estimator))
    return copied


def _is_of_a_fit(name):
    if name.startswith("_"):
        return name in PRIVATE
    return name.endswith("_") and "__" not in name


# -- weights without pickle --------------------------------------------------------------


def write(path, estimator):
    """Write the weights of a fitted `estimator`, and the facts that make it predict again.

    Raises
    ------
    ValueError
        If it has a preprocessor.
    """
    if estimator.preprocessor_ is not None:
        name = type(estimator.preprocessor_).__name__
        raise ValueError(
            f"save_params writes the module alone, and predict needs {name} as well, which is "
            "not made of weights. Pickle the estimator (joblib.dump), or make the "
            "preprocessing the module's first layer."
        )
    net, certificate = estimator.net_, estimator.certificate_
    classes = getattr(estimator, "classes_", None)
    names = getattr(estimator, "feature_names_in_", None)
    facts = {
        "promise": estimator._promise.in_words(),
        "certificate": certificate and certificate.to_json(),
        "sizes": {name: getattr(net, name) for name in _saved.SIZES if hasattr(net, name)},
        "task": as_facts(net.task_),
        "adjustment": net.adjustment_,
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": None if names is None else names.tolist(),
        "classes": None if classes is None else [classes.dtype.str, classes.tolist()],
    }
    facts["digests"] = _saved.digests(facts)
    metadata = {_saved.ENTRY: json.dumps(facts)}
    with draft_of(path) as draft:
        safetensors.torch.save_model(net.module_, str(draft), metadata=metadata)


def loaded(estimator, path):
    """A clone of `estimator` with the model in `path`.

    Raises
    ------
    ValueError
        If the file is not one that `write` wrote, was changed, is about something else, holds
        weights that do not fit the module or are not certified, or another model than the
        estimator's.
    """
    facts = _saved.read(path)
    model = clone(estimator)
    model._fix_promise()
    promise = model._promise.in_words()
    if promise != facts["promise"]:
        raise ValueError(f"{path} is about {facts['promise']}, this estimator about {promise}.")
    if model.preprocessor is not None:
        raise ValueError(f"{path} holds a model without preprocessor, and the estimator has one.")
    text = facts["certificate"]
    certificate = None if text is None else _certificate(path, text)
    if model._promise.constraints and not (certificate and certificate.passed):
        raise ValueError(f"{path} has no certificate that passed: nothing is known of its weights.")
    _saved.check_shapes(model, path, facts["sizes"])
    _saved.check_against(model, facts, certificate)
    with torch.inference_mode(False):
        net = _fitting.initialized_net(model, facts["sizes"], task_from(facts["task"]))
        vars(model).update(_fitted_attributes(net, path, facts, certificate))
    if getattr(estimator, "certificate_", certificate) != certificate:
        raise ValueError(
            f"{path} holds another model than the one that this estimator's certificate is "
            "about; load it into sklearn.base.clone(estimator)."
        )
    check_model(model)
    _saved.check_digests(facts)
    return model


def _certificate(path, text):
    """The certificate in a file; `from_json` checks it for itself."""
    try:
        return SafetyCertificate.from_json(text)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"The certificate in {path} cannot be read: {error}") from error


def _fitted_attributes(net, path, facts, certificate):
    """What an estimator has after `fit`; the initialised `net` gets the weights in `path`."""
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
    net.task_ = net.task
    scale, *of_classes = facts["adjustment"]
    net.adjustment_ = Adjustment(scale, *map(tuple, of_classes))
    fitted = {
        "net_": net,
        "preprocessor_": None,
        "certificate_": certificate,
        "n_features_in_": facts["n_features_in"],
    }
    if facts["feature_names_in"] is not None:
        fitted["feature_names_in_"] = np.array(facts["feature_names_in"], dtype=object)
    if facts["classes"] is not None:
        fitted["classes_"] = _saved.labels(facts["classes"])
    return fitted


# -- is it the model that was certified? --------------------------------------------------


def check_model(estimator):
    """Refuse a model that is not the one that the estimator's certificate is about.

    Weights are digested only where something may have changed since the last time: torch
    counts what is written to a tensor, unless it is written to its ``.data``.

    Raises
    ------
    ValueError
        If weights, what is done to their scores, or class labels are others.
    """
    seal = _seal(estimator)
    if seal == estimator._seal:
        return
    certificate = estimator.certificate_
    tested = certificate is not None and (certificate.passed or certificate.fingerprints)
    if tested:
        _check_fingerprint(estimator.net_, certificate.fingerprints.get("weights"))
        classes = tuple(map(str, _classes(estimator)))
        if classes != certificate.classes:
            raise ValueError(
                f"The class labels {classes} are not those that the certificate is about, "
                f"{certificate.classes}."
            )
    estimator._seal = seal


def _check_fingerprint(net, certified):
    found = fingerprint(net)
    if found != certified:
        raise ValueError(
            f"The weights (fingerprint {found}) are not those that the certificate is about "
            f"(fingerprint {certified}): nothing is known about them."
        )


def _seal(estimator):
    """By what it shows, at no cost, that something may have changed."""
    net = estimator.net_
    tensors = itertools.chain(net.module_.parameters(), net.module_.buffers())
    written = tuple((tensor.data_ptr(), _version(tensor)) for tensor in tensors)
    return estimator.certificate_, _classes(estimator), net.task_, net.adjustment_, written


def _version(tensor):
    """How often a tensor was written to; torch does not count it in one made for inference."""
    return object() if tensor.is_inference() else tensor._version


def _classes(estimator):
    return tuple(getattr(estimator, "classes_", np.array([])).tolist())


def fingerprint(net):
    """A digest of the module's weights and of what else the model is made of."""
    weights = map(without_tensor, net.module_.state_dict().values())
    return _provenance.fingerprint(*weights, *net.task_.beside(net.adjustment_))


# -- pickles -----------------------------------------------------------------------------


def packed(state):
    """A fitted estimator's state with the split as one bit a row."""
    state = dict(state)
    state.pop("_seal", None)  # of tensors in this process
    if "safety_indices_" in state:
        safety = state.pop("safety_indices_")
        is_safety = np.zeros(len(safety) + len(state.pop("candidate_indices_")), dtype=bool)
        is_safety[safety] = True
        state["_split"] = len(is_safety), np.packbits(is_safety)
    return state


def unpacked(state):
    """The state that `packed` was given."""
    state = dict(state)
    if "_split" in state:
        n_rows, bits = state.pop("_split")
        is_safety = np.unpackbits(bits, count=n_rows).astype(bool)
        state["candidate_indices_"] = np.flatnonzero(~is_safety)
        state["safety_indices_"] = np.flatnonzero(is_safety)
    return state
