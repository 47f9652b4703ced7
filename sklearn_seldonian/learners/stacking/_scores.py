"""The scores of an estimator: log-odds or log-probabilities of classes, or a number."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from sklearn_seldonian.data._arguments import aligned_probabilities, as_numbers, one_value_a_row

Array = NDArray[np.float64]
Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]

# Probabilities are clipped to this distance from 0 and 1, so that their logarithms are bounded.
MIN_PROBABILITY = 1e-4


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Log-odds for two classes, log-probabilities for more.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The labels that get a score. A classifier may lack some of them.
    """

    classes: NDArray[Any]

    @property
    def n_columns(self) -> int:
        return 1 if len(self.classes) == 2 else len(self.classes)

    def of(self, fitted: Any, X: Any) -> Array:
        """The scores of rows: shape (n_rows, n_columns)."""
        given = fitted.predict_proba(X)
        probabilities = aligned_probabilities(
            "The classifier", given, len(given), fitted.classes_, self.classes
        )
        logs: Array = np.log(np.clip(probabilities, MIN_PROBABILITY, 1.0 - MIN_PROBABILITY))
        return logs[:, 1:] - logs[:, :1] if logs.shape[1] == 2 else logs

    def folds(self, y: NDArray[Any], n_folds: int, seed: int, groups: Any = None) -> Folds:
        """Positions of the rows to fit to and of the others, per fold; groups are not divided.

        Raises
        ------
        ValueError
            If fewer than two classes have at least two rows.
        """
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2:
            raise ValueError(
                f"All candidate rows have the label {labels.tolist()[0]!r}, and the classifier can "
                "only be fitted to rows of two classes. Leave rows of each class out of "
                "safety_mask, or give fit more rows."
            )
        if (counts > 1).sum() < 2:
            raise ValueError(
                f"The classes have {counts.tolist()} candidate rows. At least 2 classes need two "
                "candidate rows each, so that the classifier can be fitted without some of them. "
                "Give fit more rows, or a smaller safety_size."
            )
        largest = int(counts.max())
        kind, most = StratifiedKFold, largest
        if groups is not None:
            kind, most = StratifiedGroupKFold, _several(groups)
        folds = kind(min(n_folds, most), shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class")
            return list(folds.split(np.zeros(len(y)), y, groups))


@dataclass(frozen=True)
class NumberScores:
    """Predictions, standardised like the targets.

    Parameters
    ----------
    centre, scale : float
        A prediction's score is its difference from `centre`, divided by `scale`.
    """

    centre: float
    scale: float
    n_columns: ClassVar[int] = 1

    def of(self, fitted: Any, X: Any) -> Array:
        """The scores of rows: shape (n_rows, 1)."""
        predicted = fitted.predict(X)
        numbers = as_numbers(
            "The regressor's predictions",
            one_value_a_row("The regressor's predictions", predicted, len(predicted)),
        )
        return ((numbers - self.centre) / self.scale)[:, None]

    def folds(self, y: NDArray[Any], n_folds: int, seed: int, groups: Any = None) -> Folds:
        """Positions of the rows to fit to and of the others, per fold; groups are not divided.

        Raises
        ------
        ValueError
            If there are fewer than two rows.
        """
        if len(y) < 2:
            raise ValueError(
                f"There are n_samples={len(y)} candidate rows, and at least two are needed, so "
                "that the regressor can be fitted without one. Give fit more rows, or a smaller "
                "safety_size."
            )
        kind, most = (KFold, len(y)) if groups is None else (GroupKFold, _several(groups))
        folds = kind(min(n_folds, most), shuffle=True, random_state=seed)
        return list(folds.split(np.zeros(len(y)), y, groups))


def _several(groups: NDArray[np.int64]) -> int:
    """The number of groups.

    Raises
    ------
    ValueError
        If there are fewer than two, so that none can be left out.
    """
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            "All candidate rows are in one group of groups=, and at least two groups are needed, "
            "so that the estimator can be fitted without one of them. Give fit more groups, or a "
            "smaller safety_size."
        )
    return n_groups


Scores = ClassScores | NumberScores
