"""Data sets in the forms of scikit-learn's loaders."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.utils import Bunch


def as_asked(
    features: pd.DataFrame,
    groups: pd.DataFrame,
    y: pd.Series,
    target_names: list[str],
    description: str,
    *,
    as_frame: bool,
    return_X_y: bool,
) -> Any:
    """A Bunch, or ``(data, target)`` with `return_X_y`; of frames with `as_frame`."""
    data, target = (features, y) if as_frame else (features.to_numpy(), y.to_numpy())
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        sensitive_features=groups,
        frame=pd.concat([features, groups, y], axis=1) if as_frame else None,
        feature_names=list(features.columns),
        target_names=target_names,
        DESCR=description,
    )
