"""The check that a model is the one that its certificate is about."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.certification._provenance import versions
from sklearn_seldonian.data._object_digests import quick_summary
from sklearn_seldonian.learners.lagrangian import TrainedNet


class Seal(NamedTuple):
    """The state of a model at its last check, to notice at little cost that it may have changed.

    Some objects are recognised by their address in memory. `held` keeps references to them, so
    that no other object can get the same address.
    """

    shown: tuple[Any, ...]
    held: list[Any]


def check_model(
    model: TrainedNet,
    certificate: SafetyCertificate | None,
    classes: list[Any],
    seal: Seal | None,
) -> Seal | None:
    """Refuse a model that is not the one that the certificate is about.

    Weights and preprocessor are digested only if something may have changed since the last check.
    For weights, that is seen from torch's count of the writes to a tensor, which does not include
    writes to its ``.data``. For a preprocessor, see `quick_summary`.

    Parameters
    ----------
    model : TrainedNet
    certificate : SafetyCertificate or None
    classes : list
        The class labels that `predict` returns.
    seal : Seal or None
        What the last check returned. None: everything is digested.

    Returns
    -------
    Seal or None
        None where there is no certificate.

    Raises
    ------
    ValueError
        If the weights, the adjustment of the scores, the preprocessor or the class labels are not
        those of the certificate.
    """
    if certificate is None:
        return None
    net = model.net
    tensors = itertools.chain(net.module_.parameters(), net.module_.buffers())
    written = [(tensor.data_ptr(), _times_written(tensor)) for tensor in tensors]
    preprocessor, held = quick_summary(model.preprocessor)
    shown = certificate, classes, net.task_, net.adjustment_, written, preprocessor
    if seal is not None and shown == seal.shown:
        return seal
    if certificate.passed or certificate.fingerprints:
        weights, certified = model.fingerprint(), certificate.fingerprints.get("weights")
        if weights != certified:
            raise ValueError(
                f"The weights (fingerprint {weights}) are not those that the certificate is about "
                f"(fingerprint {certified}), so nothing is certified about them. Restore the model "
                "that was certified, or fit again."
            )
        _check_preprocessor(model, certificate)
        check_labels(classes, certificate)
    return Seal(shown, held)


def _check_preprocessor(model: TrainedNet, certificate: SafetyCertificate) -> None:
    if model.has_preprocessor(certificate.fingerprints.get("preprocessor")):
        return
    then, now = certificate.versions, versions()
    others = [f"{name} {then[name]}" for name in then if then[name] != now.get(name)]
    since = f" The certified one was fitted with {', '.join(others)}." * bool(others)
    raise ValueError(
        f"The fitted preprocessor, a {type(model.preprocessor).__name__}, is not the one that the "
        f"certificate is about, so nothing is certified about the decisions.{since} Restore the "
        "model that was certified, or fit again."
    )


def check_labels(classes: Iterable[Any], certificate: SafetyCertificate) -> None:
    """Refuse class labels that are not those of the certificate."""
    names = tuple(map(str, classes))
    if names != certificate.classes:
        raise ValueError(
            f"The class labels {names} are not those that the certificate is about: its classes "
            f"are {certificate.classes}. Restore the model that was certified, or fit again."
        )


def _times_written(tensor: Any) -> object:
    """The number of writes to a tensor. torch does not count them for inference tensors."""
    return object() if tensor.is_inference() else tensor._version
