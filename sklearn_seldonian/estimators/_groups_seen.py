"""Decisions that see which group a row is in: what they are given, and what is refused."""

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
    """For estimators whose methods take sensitive features, which only some models look at.

    With scikit-learn's metadata routing, they get them where that is requested, as by
    ``set_predict_request(sensitive_features=True)``. Otherwise nothing is asked for, and nothing
    is refused.
    """

    __metadata_request__predict: ClassVar[dict[str, bool]] = {"sensitive_features": False}
    __metadata_request__predict_proba: ClassVar[dict[str, bool]] = {"sensitive_features": False}
    __metadata_request__decision_function: ClassVar[dict[str, bool]] = {"sensitive_features": False}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"sensitive_features": False}


def check_group_thresholds(specification: Specification, decision: str) -> None:
    """Refuse thresholds of groups where there are no groups, or no thresholds.

    Raises
    ------
    ValueError
        If decisions are drawn, no constraint has a condition, or rows may have no group.
    """
    if decision == "sample":
        raise ValueError(
            "group_thresholds=True is for decision='argmax': with decision='sample' labels are "
            "drawn from probabilities, and there is no threshold."
        )
    if specification.missing == "exclude":
        raise ValueError(
            "group_thresholds=True decides by the group of a row, and missing='exclude' is for "
            "rows whose group is not recorded, which have no threshold: leave out one of them."
        )
    if not specification.columns:
        raise ValueError(
            'group_thresholds=True needs a constraint that names groups, as \'TPR | [sex == "F"] '
            ">= 0.8' does. Leave it out, or name the groups."
        )


def cells_seen(offsets: GroupOffsets | None, X: Any, sensitive_features: Any) -> Cells | None:
    """The cells of the rows of `X` that a model with these `offsets` tells apart; None if none.

    Raises
    ------
    ValueError
        If a column is missing or would mean something else than in `fit`, or if rows are in no
        group of the candidate rows, for which no offset was chosen.
    """
    if offsets is None:
        return None
    n_rows = _num_samples(X)
    _groups.check_same_order(X=X, sensitive_features=sensitive_features)
    columns = _groups.column_values(set(offsets.columns), X, sensitive_features, n_rows)
    missing = [name for name in offsets.columns if name not in columns]
    if missing:
        raise ValueError(
            f"Decisions use the columns {offsets.columns}, since group_thresholds=True, and "
            f"{missing} are neither in sensitive_features nor in X: give them as "
            "predict(X, sensitive_features=...). In a pipeline, request them by "
            "set_predict_request(sensitive_features=True)."
        )
    _groups.check_fresh_columns(offsets.conditions, columns)
    cells = offsets.cells_of(columns, n_rows)
    unknown = offsets.unknown(cells)
    if unknown:
        raise ValueError(
            f"Some rows are in a group that no candidate row is in ({'; '.join(unknown)}), so that "
            f"they have no threshold. The groups are: {'; '.join(offsets.names)}."
        )
    return cells


def with_groups(estimator: Any, sensitive_features: Any) -> Any:
    """The fitted estimator, asked about rows with these sensitive features by all who have X."""
    return estimator if sensitive_features is None else _WithGroups(estimator, sensitive_features)


class _WithGroups(FrozenEstimator):
    """A fitted estimator that needs not be given the sensitive features of the rows."""

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
