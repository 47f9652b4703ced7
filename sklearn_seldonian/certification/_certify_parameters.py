"""The parameters of `certify` and `collect`, without the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sklearn_seldonian.certification import _requests
from sklearn_seldonian.certification._answers import answers_of
from sklearn_seldonian.certification._certifier import Origin
from sklearn_seldonian.certification._methods import METHODS
from sklearn_seldonian.certification._specification import MISSING, Specification
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.data._arguments import number
from sklearn_seldonian.data._object_digests import object_digest
from sklearn_seldonian.data._targets import Labels, Targets


@dataclass(frozen=True)
class CertifyParameters:
    """An estimator and the parameters of `certify`; `of_rows` has those that concern rows."""

    estimator: Any
    constraints: Any
    delta: Any
    method: Any
    decision: Any
    pos_label: Any
    measures: Any
    target_range: Any
    prediction_range: Any
    missing: Any
    of_rows: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def specification(self) -> Specification:
        """The constraints, with a delta for each.

        Raises
        ------
        ValueError
            If there are no constraints, or a parameter is out of range.
        """
        constraints = parse_all(self.constraints)
        if not constraints:
            raise ValueError(
                "No constraints were given, so there is nothing to certify. Give at least one, "
                "such as 'ACC >= 0.9'."
            )
        _requests.check_choice("method", self.method, METHODS)
        _requests.check_choice("missing", self.missing, MISSING)
        deltas = _requests.check_deltas(self.delta, len(constraints))
        return Specification(constraints, deltas, self.method, self.missing)

    @cached_property
    def model(self) -> str | None:
        """A digest of the estimator; None if it cannot be computed."""
        return object_digest(self.estimator)

    def answers(self, sensitive_features: Any) -> Any:
        """The answers of the estimator, which may use the sensitive features."""
        ranges = self.target_range, self.prediction_range
        return answers_of(
            self.estimator, self.decision, self.pos_label, *ranges, sensitive_features
        )

    def origin(self, targets: Targets) -> Origin:
        """The origin of a certificate of this test."""
        given = {"target_range": self.target_range, "prediction_range": self.prediction_range}
        if isinstance(targets, Labels):
            given = {"decision": self.decision, "pos_label": self.pos_label}
        constraints = self.specification.constraints
        given.update(
            estimator=self.estimator,
            constraints=[constraint.text or str(constraint) for constraint in constraints],
            delta=self.delta,
            method=self.method,
            measures=self.measures,
            missing=self.missing,
            **{name: _plain(value) for name, value in self.of_rows.items() if value is not None},
        )
        schema, name = targets.schema, type(self.estimator).__name__
        return Origin.of("certify", given, schema["classes"], schema["positive"], name)


def _plain(value: Any) -> Any:
    """A number as a Python number, for the text of the certificate; a mapping is unchanged."""
    if type(value) in (int, float) or isinstance(value, Mapping):
        return value
    return number("A limit", value)
