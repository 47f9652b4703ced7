"""What is asked of an estimator: the scores of classes, or a number."""

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

# Probabilities are taken for no nearer to 0 or 1, so that their logarithms are bounded.
LEAST = 1e-4


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Log-odds of two classes, else log-probabilities.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The labels that scores are of; a classifier may lack some of them.
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
        logs: Array = np.log(np.clip(probabilities, LEAST, 1.0 - LEAST))
        return logs[:, 1:] - logs[:, :1] if logs.shape[1] == 2 else logs

    def folds(self, y: NDArray[Any], n_folds: int, seed: int, groups: Any = None) -> Folds:
        """Positions of rows to fit to, and of the others, for each fold; groups are kept whole.

        Raises
        ------
        ValueError
            If there are not two classes of which some rows stay when others are left out.
        """
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2:
            raise ValueError(
                f"All candidate rows have the label {labels.tolist()[0]!r}, and the classifier "
                "needs two classes to be fitted to. Leave rows of each class out of safety_mask, "
                "or give fit more rows."
            )
        if (counts > 1).sum() < 2:
            raise ValueError(
                "Among the candidate rows there must be two of at least 2 classes, so that the "
                f"classifier can be fitted without some of them; the classes have {counts.tolist()}"
                " rows. Give fit more rows, or a smaller safety_size."
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
    """Predictions, standardised as the targets are.

    Parameters
    ----------
    centre, scale : float
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
        """Positions of rows to fit to, and of the others, for each fold; groups are kept whole.

        Raises
        ------
        ValueError
            If there are not two rows.
        """
        if len(y) < 2:
            raise ValueError(
                "There must be two candidate rows, so that the regressor can be fitted without one "
                f"of them, and there are n_samples={len(y)}. Give fit more rows, or a smaller "
                "safety_size."
            )
        kind, most = (KFold, len(y)) if groups is None else (GroupKFold, _several(groups))
        folds = kind(min(n_folds, most), shuffle=True, random_state=seed)
        return list(folds.split(np.zeros(len(y)), y, groups))


def _several(groups: NDArray[np.int64]) -> int:
    """How many groups there are.

    Raises
    ------
    ValueError
        If there are not two, so that none can be left out.
    """
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            "All candidate rows are of one group (groups=), and the estimator must be fitted "
            "without some group. Give fit more groups, or a smaller safety_size."
        )
    return n_groups


Scores = ClassScores | NumberScores
