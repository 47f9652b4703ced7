"""An estimator's features as numbers, for a linear model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import check_array

from sklearn_seldonian.data._columns import is_table, of_table

# With more columns than this, the linear model has the scores alone.
MAX_COLUMNS = 1000
# Levels with fewer rows than this share one column.
MIN_LEVEL_ROWS = 10


def numbers_of(X: Any) -> Any:
    """A transformer that makes numbers from the columns of X; None if there are no usable columns.

    Numbers are standardised, except for columns with two values, where a rare value would become
    too large. Missing and infinite numbers are replaced by the mean. Other columns of tables are
    one-hot encoded.
    """
    if not (0 < X.shape[1] <= MAX_COLUMNS if isinstance(X, pd.DataFrame) else _is_matrix(X)):
        return None
    columns = pd.DataFrame(X)
    are_numbers = [_are_numbers(columns.iloc[:, i]) for i in range(columns.shape[1])]
    several = [are and columns.iloc[:, i].nunique() > 2 for i, are in enumerate(are_numbers)]
    two = np.array(are_numbers) & ~np.array(several)
    finite = make_pipeline(FunctionTransformer(_finite), SimpleImputer(keep_empty_features=True))
    levels = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=MIN_LEVEL_ROWS, sparse_output=False
    )
    return make_column_transformer(
        (make_pipeline(finite, StandardScaler()), np.flatnonzero(several)),
        (finite, np.flatnonzero(two)),
        (
            make_pipeline(FunctionTransformer(_words), levels),
            np.flatnonzero(~np.array(are_numbers)),
        ),
    )


def as_frame(X: Any) -> Any:
    """A table of any library as a pandas DataFrame; anything else unchanged."""
    if isinstance(X, pd.DataFrame) or not is_table(X):
        return X
    return pd.DataFrame(dict(of_table(X))).infer_objects()


def _are_numbers(column: pd.Series) -> bool:
    of_numbers = column.to_frame().select_dtypes(["number", "bool"], exclude=["timedelta"])
    return of_numbers.shape[1] == 1


def _is_matrix(X: Any) -> bool:
    """Whether X is a dense matrix of numbers with few enough columns."""
    if issparse(X) or getattr(X, "ndim", 2) != 2:
        return False
    try:
        values = np.asarray(X)
    except ValueError:  # lists of different lengths
        return False
    return values.dtype.kind in "biuf" and values.ndim == 2 and values.shape[1] <= MAX_COLUMNS


def _finite(X: Any) -> NDArray[np.float64]:
    """X with NaN in place of everything that is not a finite number."""
    values = check_array(X, dtype=np.float64, ensure_all_finite=False)
    return np.where(np.isfinite(values), values, np.nan)


def _words(X: pd.DataFrame) -> pd.DataFrame:
    """Each cell as text: an encoder sorts levels, and values of mixed types cannot be sorted."""
    return X.astype(object).map(str)
