"""Life after fit: weights in a file without pickle, and pickles without a number for each row."""

from __future__ import annotations

import json

import numpy as np
import safetensors
import safetensors.torch

from sklearn_seldonian import _checks
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.training import Adjustment, as_facts

__all__ = [
    "check_weights",
    "fingerprint",
    "fitted_attributes",
    "packed",
    "promise",
    "read_facts",
    "unpacked",
    "write",
]

# The entry of a file's metadata that holds all that is not weights.
ENTRY = "sklearn_seldonian"
SIZES = ("module__n_features", "module__n_outputs")


# -- weights without pickle --------------------------------------------------------------


def write(path, estimator):
    """Write the weights of a fitted `estimator`, and the facts that make it predict again."""
    net, certificate = estimator.net_, estimator.certificate_
    classes = getattr(estimator, "classes_", None)
    names = getattr(estimator, "feature_names_in_", None)
    facts = {
        "promise": promise(estimator),
        "certificate": certificate and certificate.to_json(),
        "sizes": {name: getattr(net, name) for name in SIZES if hasattr(net, name)},
        "task": as_facts(net.task_),
        "adjustment": net.adjustment_,
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": None if names is None else names.tolist(),
        "classes": None if classes is None else [classes.dtype.str, classes.tolist()],
    }
    safetensors.torch.save_model(net.module_, str(path), metadata={ENTRY: json.dumps(facts)})


def promise(estimator):
    """What a fitted estimator's certificate is about, in words that can be compared."""
    words = {
        "constraints": [str(constraint) for constraint in estimator.constraints_],
        "delta": estimator._deltas,
        **estimator._promised,
    }
    return json.loads(json.dumps(words))


def read_facts(path):
    """The facts that `write` put beside the weights.

    Raises
    ------
    ValueError
        If the file is not one that `write` wrote.
    """
    with safetensors.safe_open(str(path), framework="pt") as file:
        metadata = file.metadata() or {}
    if ENTRY not in metadata:
        raise ValueError(f"{path} was not written by save_params: it says nothing about a model.")
    return json.loads(metadata[ENTRY])


def fitted_attributes(net, path, facts):
    """What an estimator with the weights in `path` and these `facts` has after `fit`.

    `net` is initialised, and gets the weights.

    Raises
    ------
    ValueError
        If the weights do not fit the module, or are not those that were certified.
    """
    try:
        safetensors.torch.load_model(net.module_, str(path))
    except RuntimeError as error:
        raise ValueError(f"The weights in {path} do not fit the module: {error}") from error
    del net.optimizer_
    net.module_.eval()
    net.task_ = net.task
    scale, offsets = facts["adjustment"]
    net.adjustment_ = Adjustment(scale, tuple(offsets))
    text = facts["certificate"]
    certificate = SafetyCertificate.from_json(text) if text else None
    fitted = {
        "net_": net,
        "preprocessor_": None,
        "certificate_": certificate,
        "n_features_in_": facts["n_features_in"],
    }
    if facts["feature_names_in"] is not None:
        fitted["feature_names_in_"] = np.array(facts["feature_names_in"], dtype=object)
    if facts["classes"] is not None:
        dtype, classes = facts["classes"]
        fitted["classes_"] = np.array(classes, dtype=dtype)
    check_weights(certificate, net)
    return fitted


def check_weights(certificate, net):
    """Refuse weights that are not those the certificate is about."""
    if certificate is None or "weights" not in certificate.fingerprints:
        return
    found = fingerprint(net)
    if found != certificate.fingerprints["weights"]:
        raise ValueError(
            f"The weights (fingerprint {found}) are not those that the certificate is about "
            f"(fingerprint {certificate.fingerprints['weights']}): nothing is known about them."
        )


def fingerprint(net):
    """A digest of the module's weights and of what else the model is made of."""
    return _checks.fingerprint(net.module_, *net.task_.beside(net.adjustment_))


# -- pickles -----------------------------------------------------------------------------


def packed(state):
    """A fitted estimator's state with the split as one bit a row."""
    state = dict(state)
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
