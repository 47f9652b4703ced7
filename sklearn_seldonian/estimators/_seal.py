"""Whether a model is the one that its certificate is about."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.certification._provenance import versions
from sklearn_seldonian.data._object_digests import glance
from sklearn_seldonian.learners.lagrangian import TrainedNet


class Seal(NamedTuple):
    """By what it shows, at little cost, that a model may have changed.

    `held` keeps what is known by its place in memory from being replaced there.
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

    Weights and preprocessor are digested only where something may have changed since the last
    time: torch counts what is written to a tensor, unless it is written to its ``.data``, and
    `glance` says what it notices of a preprocessor.

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
        If weights, what is done to their scores, the preprocessor, or class labels are others.
    """
    if certificate is None:
        return None
    net = model.net
    tensors = itertools.chain(net.module_.parameters(), net.module_.buffers())
    written = [(tensor.data_ptr(), _times_written(tensor)) for tensor in tensors]
    preprocessor, held = glance(model.preprocessor)
    shown = certificate, classes, net.task_, net.adjustment_, written, preprocessor
    if seal is not None and shown == seal.shown:
        return seal
    if certificate.passed or certificate.fingerprints:
        weights, certified = model.fingerprint(), certificate.fingerprints.get("weights")
        if weights != certified:
            raise ValueError(
                f"The weights (fingerprint {weights}) are not those that the certificate is about "
                f"(fingerprint {certified}): nothing is known about them."
            )
        _check_preprocessor(model, certificate)
        check_labels(classes, certificate)
    return Seal(shown, held)


def _check_preprocessor(model: TrainedNet, certificate: SafetyCertificate) -> None:
    if model.has_preprocessor(certificate.fingerprints.get("preprocessor")):
        return
    then, now = certificate.versions, versions()
    others = [f"{name} {then[name]}" for name in then if then[name] != now.get(name)]
    since = f" It was tested with {', '.join(others)}." * bool(others)
    raise ValueError(
        f"The fitted {type(model.preprocessor).__name__} that rows go through is not the one that "
        f"the certificate is about: nothing is known about decisions that rest on it.{since}"
    )


def check_labels(classes: Iterable[Any], certificate: SafetyCertificate) -> None:
    """Refuse class labels that are not those of the certificate."""
    names = tuple(map(str, classes))
    if names != certificate.classes:
        raise ValueError(
            f"The class labels {names} are not those that the certificate is about: its classes "
            f"are {certificate.classes}."
        )


def _times_written(tensor: Any) -> object:
    """How often a tensor was written to; torch does not count it in one made for inference."""
    return object() if tensor.is_inference() else tensor._version
