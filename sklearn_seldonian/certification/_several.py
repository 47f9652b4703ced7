"""Tests of several models on the same rows, with one promise for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from sklearn_seldonian._text import short
from sklearn_seldonian.certification import _requests
from sklearn_seldonian.certification._certificate import SafetyCertificate
from sklearn_seldonian.certification._multiplicity import (
    fixed_sequence,
    fixed_sequence_in_words,
    holm,
    holm_in_words,
)

MULTIPLE = ("fixed-sequence", "holm")


class ModelTest(NamedTuple):
    """The safety test of one model on some rows.

    Attributes
    ----------
    certificate : function of float
        From a share of each delta to the certificate of the test.
    untested : function of str
        From a reason to the certificate of a model that was not tested.
    """

    certificate: Callable[[float], SafetyCertificate]
    untested: Callable[[str], SafetyCertificate]


def check_multiple(estimator: object, multiple: object) -> None:
    """Refuse several models without `multiple`, and `multiple` for one model.

    Raises
    ------
    ValueError
    """
    if not isinstance(estimator, Mapping):
        if multiple is not None:
            raise ValueError(
                f"multiple={short(multiple)} is for several models, but estimator is one model. "
                "Give a dict of models by name, or leave out multiple."
            )
        return
    if not estimator or not all(isinstance(name, str) for name in estimator):
        raise ValueError(
            "A dict of several models must have at least one model, and all names must be strings."
        )
    if multiple is None:
        raise ValueError(
            "Several models were given, and multiple does not say how to test them. Give "
            'multiple="fixed-sequence" to test them in the order of the dict up to the first '
            'that fails, or multiple="holm" to test all of them.'
        )
    _requests.check_choice("multiple", multiple, MULTIPLE)


def certificates_of(
    models: Mapping[str, Callable[[], ModelTest]], multiple: str
) -> dict[str, SafetyCertificate]:
    """The certificate of each model, with one promise for all.

    Parameters
    ----------
    models : mapping of str to function
        By name, a function that returns the test of a model. It is called only when needed.
    multiple : {"fixed-sequence", "holm"}

    Returns
    -------
    dict of str to SafetyCertificate
        The models that passed are certified together, as in `fixed_sequence` and `holm`. A model
        that was not reached has a certificate that says so.
    """
    names, test_of = list(models), cache(lambda name: models[name]())

    @cache
    def tested(name: str, k: int) -> SafetyCertificate:
        return test_of(name).certificate(1.0 / k)

    if multiple == "holm":
        certified = holm(len(names), lambda i, k: tested(names[i], k).passed)
        k_of_others = len(names) - len(certified) or 1
        levels = {name: certified.get(i, k_of_others) for i, name in enumerate(names)}
        return {
            name: _noted(_at(tested, name, k, i in certified), holm_in_words(len(names), k))
            for i, (name, k) in enumerate(levels.items())
        }
    n_passed = len(fixed_sequence(len(names), lambda i: tested(names[i], 1).passed))
    n_tested = min(n_passed + 1, len(names))
    words = fixed_sequence_in_words(len(names), n_tested, "the order that they were given in")
    found = {name: _noted(tested(name, 1), words) for name in names[:n_tested]}
    for name in names[n_tested:]:
        reason = f"{names[n_tested - 1]!r}, which comes before it, was not certified"
        found[name] = _noted(test_of(name).untested(reason), words)
    return found


def _at(
    tested: Callable[[str, int], SafetyCertificate], name: str, k: int, is_certified: bool
) -> SafetyCertificate:
    """The certificate at delta / k, or at the largest share at which a model fails."""
    while not is_certified and k > 1 and tested(name, k).passed:
        k -= 1
    return tested(name, k)


def _noted(certificate: SafetyCertificate, words: str) -> SafetyCertificate:
    return dataclasses.replace(certificate, assumptions=(*certificate.assumptions, words))
