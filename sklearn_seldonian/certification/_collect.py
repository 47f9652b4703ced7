"""The public function that collects the statistics of a part of the safety rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sklearn_seldonian._keywords import refuse_unknown_keywords
from sklearn_seldonian.certification._certify_parameters import CertifyParameters
from sklearn_seldonian.certification._safety_statistics import SafetyStatistics
from sklearn_seldonian.certification._tables import collected
from sklearn_seldonian.constraints import Constraint


@refuse_unknown_keywords
def collect(
    estimator: Any,
    X: Any,
    y: Any,
    constraints: str | Constraint | Iterable[str | Constraint],
    *,
    delta: Any = 0.05,
    sensitive_features: Any = None,
    method: str = "auto",
    decision: str = "argmax",
    pos_label: Any = None,
    measures: Any = (),
    target_range: Any = None,
    prediction_range: Any = None,
    missing: str = "error",
) -> SafetyStatistics:
    """Collect the statistics that a certificate needs from one part of the safety rows.

    Use it for rows that are not in one place, or do not fit into memory. Add the statistics of all
    parts; their certificate is the one that `certify` gives for all rows at once. For a pyarrow
    dataset or a dask DataFrame, `certify` itself works part by part.

    Parameters
    ----------
    estimator, X, y, constraints, delta, sensitive_features, method, decision, pos_label, measures,\
    target_range, prediction_range, missing
        As in `certify`. Only the rows may differ between parts.

    Returns
    -------
    SafetyStatistics
        Add the statistics of all parts with ``+`` or `sum`, then call ``certify()``.

    Raises
    ------
    ValueError, TypeError
        As in `certify`. A level that a constraint names may be missing in a part.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_seldonian import certify, collect
    >>> X, y = make_classification(3000, class_sep=2.0, random_state=0)
    >>> model = LogisticRegression().fit(X[:1000], y[:1000])
    >>> parts = [slice(1000, 2000), slice(2000, 3000)]
    >>> total = sum(collect(model, X[part], y[part], "ACC >= 0.8") for part in parts)
    >>> total
    <SafetyStatistics of 2,000 rows>
    >>> whole = certify(model, X[1000:], y[1000:], "ACC >= 0.8", random_state=0)
    >>> total.certify(random_state=0) == whole
    True
    """
    parameters = CertifyParameters(
        estimator=estimator,
        constraints=constraints,
        delta=delta,
        method=method,
        decision=decision,
        pos_label=pos_label,
        measures=measures,
        target_range=target_range,
        prediction_range=prediction_range,
        missing=missing,
    )
    return collected(parameters, X, y, sensitive_features)
