"""Certificates as arguments: on their own, or inside a fitted estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn_seldonian.certification._certificate import SafetyCertificate


def check_fitted(estimator: Any) -> None:
    """Refuse what is not a fitted Seldonian estimator.

    Raises
    ------
    TypeError
        If it is not a Seldonian estimator.
    NotFittedError
        If it has not been fitted.
    """
    from sklearn.utils.validation import check_is_fitted

    if isinstance(estimator, type) or not hasattr(type(estimator), "solution_found_"):
        found = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        raise TypeError(
            f"estimator must be a fitted Seldonian estimator, which has a certificate_; got "
            f"{found}. For another model, sklearn_seldonian.certify returns a certificate."
        )
    check_is_fitted(estimator)


def certificate_of(estimator: Any) -> SafetyCertificate:
    """The certificate of a fitted Seldonian estimator.

    Raises
    ------
    TypeError, NotFittedError
        As in `check_fitted`.
    ValueError
        If it was fitted without constraints.
    """
    check_fitted(estimator)
    certificate: SafetyCertificate | None = estimator.certificate_
    if certificate is None:
        raise ValueError(
            "The estimator was fitted without constraints, so it has no certificate. Fit it with "
            "constraints."
        )
    return certificate


def check_certificate(certificate: Any) -> None:
    """Refuse what is not a certificate with results.

    Raises
    ------
    TypeError
        If it is not a certificate.
    ValueError
        If it has no results.
    """
    if not isinstance(getattr(certificate, "results", None), tuple):
        raise TypeError(
            f"certificate must be a SafetyCertificate; got {type(certificate).__name__}. The "
            "certificate of a fitted estimator is its certificate_."
        )
    if not certificate.results:
        raise ValueError("The certificate has no results, so there is nothing to show.")
