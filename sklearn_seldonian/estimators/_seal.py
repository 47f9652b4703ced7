"""Whether a model is the one that its certificate is about."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.learners.lagrangian import TrainedNet

Seal = tuple[Any, ...]


def check_model(
    model: TrainedNet,
    certificate: SafetyCertificate | None,
    classes: list[Any],
    seal: Seal | None,
) -> Seal:
    """Refuse a model that is not the one that the certificate is about.

    Weights are digested only where something may have changed since the last time: torch
    counts what is written to a tensor, unless it is written to its ``.data``.

    Parameters
    ----------
    model : TrainedNet
    certificate : SafetyCertificate or None
    classes : list
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
    net = model.net
    tensors = itertools.chain(net.module_.parameters(), net.module_.buffers())
    written = [(tensor.data_ptr(), _times_written(tensor)) for tensor in tensors]
    found = certificate, classes, net.task_, net.adjustment_, written
    if found == seal:
        return found
    if certificate is not None and (certificate.passed or certificate.fingerprints):
        weights, certified = model.fingerprint(), certificate.fingerprints.get("weights")
        if weights != certified:
            raise ValueError(
                f"The weights (fingerprint {weights}) are not those that the certificate is about "
                f"(fingerprint {certified}): nothing is known about them."
            )
        check_labels(classes, certificate)
    return found


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
