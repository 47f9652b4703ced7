"""Decisions that depend on a row's group: the columns that they need, and the checks of these."""

from __future__ import annotations

from functools import update_wrapper
from typing import Any, ClassVar

from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import _num_samples

from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import Cells
from sklearn_seldonian.data import _groups
from sklearn_seldonian.data._arguments import groups_for
from sklearn_seldonian.selection import GroupOffsets

METHODS = ("predict", "predict_proba", "decision_function", "score")


class GroupsOnRequest:
    """For estimators whose methods take sensitive features, which only some models use.

    With scikit-learn's metadata routing, a method gets them if that was requested, as by
    ``set_predict_request(sensitive_features=True)``. By default they are not requested, and
    passing them is not an error.
    """

    __metadata_request__predict: ClassVar[dict[str, bool]] = {"sensitive_features": False}
    __metadata_request__predict_proba: ClassVar[dict[str, bool]] = {"sensitive_features": False}
    __metadata_request__decision_function: ClassVar[dict[str, bool]] = {"sensitive_features": False}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"sensitive_features": False}


def check_group_thresholds(specification: Specification, decision: str) -> None:
    """Refuse group thresholds if there are no groups or no thresholds.

    Raises
    ------
    ValueError
        If decisions are drawn, if no constraint has a condition, or if rows may have no group.
    """
    if decision == "sample":
        raise ValueError(
            "group_thresholds=True was given with decision='sample', which draws labels from "
            "probabilities and has no threshold: leave one of the two out."
        )
    if specification.missing == "exclude":
        raise ValueError(
            "Both group_thresholds=True and missing='exclude' were given. The first needs the "
            "group of every row, and the second is for rows whose group is not recorded: leave one "
            "of the two out."
        )
    if not specification.columns:
        raise ValueError(
            "group_thresholds=True was given, and no constraint names a group. Leave it out, or "
            "give a constraint that names groups, such as 'TPR | [sex == \"F\"] >= 0.8'."
        )


def cells_seen(offsets: GroupOffsets | None, X: Any, sensitive_features: Any) -> Cells | None:
    """The cells of the rows of `X`, by which `offsets` differ; None if there are no `offsets`.

    Raises
    ------
    ValueError
        If a column is missing or has another type of values than in `fit`, or if a row is in a
        group without candidate rows, for which no offset was chosen.
    """
    if offsets is None:
        return None
    n_rows = _num_samples(X)
    _groups.check_same_order(X=X, sensitive_features=sensitive_features)
    columns = _groups.column_values(set(offsets.columns), X, sensitive_features, n_rows)
    missing = [name for name in offsets.columns if name not in columns]
    if missing:
        raise ValueError(
            f"The columns {missing} are neither in sensitive_features nor in X. The model was "
            f"fitted with group_thresholds=True, and its decisions use the columns "
            f"{offsets.columns}. Give them as predict(X, sensitive_features=...). In a pipeline, "
            "request them by set_predict_request(sensitive_features=True)."
        )
    _groups.check_fresh_columns(offsets.conditions, columns)
    cells = offsets.cells_of(columns, n_rows)
    unknown = offsets.unknown(cells)
    if unknown:
        raise ValueError(
            f"Some rows are in a group without candidate rows ({'; '.join(unknown)}), for which "
            f"fit chose no threshold. Leave these rows out, or fit again with rows of that group. "
            f"The groups with a threshold are: {'; '.join(offsets.names)}."
        )
    return cells


def with_groups(estimator: Any, sensitive_features: Any) -> Any:
    """The fitted estimator, whose methods then need X alone and add these sensitive features."""
    return estimator if sensitive_features is None else _WithGroups(estimator, sensitive_features)


class _WithGroups(FrozenEstimator):
    """A fitted estimator whose methods add the sensitive features themselves."""

    def __init__(self, estimator: Any, sensitive_features: Any) -> None:
        super().__init__(estimator)
        self.sensitive_features = sensitive_features

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.estimator, name)
        if name not in METHODS:
            return found

        def method(*args: Any) -> Any:
            return found(*args, **groups_for(self.estimator, name, self.sensitive_features))

        return update_wrapper(method, found)
