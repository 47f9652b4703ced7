"""The preprocessor, which is fitted on the candidate data and may contain a sampler."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, check_array

from sklearn_seldonian.data._arrays import check_finite, check_kinds
from sklearn_seldonian.data._columns import is_table, of_table

# The number of rows on which a fitted preprocessor is tried before training.
N_CHECKED = 32


class Preprocessed(NamedTuple):
    """The output of a fitted preprocessor for the rows that it was fitted on.

    Attributes
    ----------
    transformer : transformer
        The fitted transformer, without its sampler.
    X : ndarray
        One row per given row.
    resampled : tuple of (ndarray, ndarray) or None
        Rows and labels to train on instead, if the preprocessor is or contains a sampler.
    """

    transformer: Any
    X: Any
    resampled: tuple[Any, Any] | None = None


def fit_preprocessor(
    preprocessor: Any, X: Any, y: Any, sparse: bool = False, groups: Any = None
) -> Preprocessed:
    """Fit a clone of `preprocessor` to some rows and their labels.

    Its output may be sparse if `sparse` is True. It is given `groups` if it has this parameter.

    Raises
    ------
    TypeError, ValueError
        If its output is not one row of numbers per row, or not a function of that row.
    """
    fitted = _fitted(preprocessor, X, y, sparse, groups)
    _check_rows_are_independent(fitted.transformer, X, sparse)
    return fitted


def _fitted(preprocessor: Any, X: Any, y: Any, sparse: bool, groups: Any) -> Preprocessed:
    """A clone of `preprocessor` fitted to the rows, and its output for them."""
    transformer = clone(preprocessor)
    steps = getattr(transformer, "steps", [("sampler", transformer)])
    if any(hasattr(step, "fit_resample") for _, step in steps):
        return _fit_sampler(steps, getattr(transformer, "memory", None), X, y)
    if hasattr(transformer, "fit_transform"):
        takes = "groups" in inspect.signature(transformer.fit_transform).parameters
        returned = transformer.fit_transform(X, y, **({"groups": groups} if takes else {}))
    else:
        returned = transformer.fit(X, y).transform(X)
    return Preprocessed(transformer, _checked(returned, X, transformer, sparse))


def _fit_sampler(steps: Sequence[tuple[str, Any]], memory: Any, X: Any, y: Any) -> Preprocessed:
    """Fit steps that include a sampler of imbalanced-learn."""
    from imblearn.pipeline import Pipeline

    received = _Received()
    transformer = Pipeline([*steps, ("received", received)], memory=memory).fit(X, y)
    transformer.set_params(received="passthrough")
    resampled = check_array(received.X_, allow_nd=True), received.y_
    return Preprocessed(transformer, transformed(transformer, X), resampled)


class _Received(BaseEstimator):  # type: ignore[misc]
    """The last step of a pipeline, which stores the rows that it is fitted to."""

    def fit(self, X: Any, y: Any) -> _Received:
        self.X_, self.y_ = X, y
        return self


def transformed(transformer: Any, X: Any, sparse: bool = False) -> Any:
    """The output of a fitted transformer for X, as an array with one row per row of X.

    It may be sparse if `sparse` is True.
    """
    return _checked(transformer.transform(X), X, transformer, sparse)


def _check_rows_are_independent(transformer: Any, X: Any, sparse: bool) -> None:
    """Refuse a transformer whose output for a row is not a function of that row."""
    half = min(_num_samples(X), N_CHECKED) // 2
    if not half:
        return
    parts = (_safe_indexing(X, np.arange(n)) for n in (2 * half, half))
    together, apart = (
        np.asarray(_dense(transformed(transformer, part, sparse))[:half], dtype=float)
        for part in parts
    )
    sizes = 1e-3 * (np.abs(together).max(axis=0, initial=0.0) + np.abs(together))
    if together.shape != apart.shape or (np.abs(together - apart) > sizes).any():
        name = type(getattr(transformer, "estimator", transformer)).__name__
        raise ValueError(
            f"The output of {name} for a row changes with the other rows that it gets, or from one "
            "call to the next, so decisions cannot be certified. A possible cause is a "
            "FunctionTransformer that subtracts a mean over the rows it gets: use StandardScaler, "
            "which learns the mean in fit."
        )


def _dense(returned: Any) -> Any:
    """An array, also if the output is sparse."""
    is_sparse: bool = issparse(returned)
    return returned.toarray() if is_sparse else returned


def _checked(returned: Any, X: Any, transformer: Any, sparse: bool) -> Any:
    """The output of a preprocessor for X, as an array with one row per row of X."""
    is_sparse: bool = issparse(returned)
    if is_sparse and not sparse:
        raise TypeError(
            "The preprocessor returned a sparse matrix, but modules need dense rows. Use "
            "OneHotEncoder(sparse_output=False), ColumnTransformer(..., sparse_threshold=0), or "
            "TruncatedSVD."
        )
    subject = f"The output of the preprocessor {type(transformer).__name__}"
    remedy = "Add an imputer to its steps, or correct the step that creates these values."
    check_kinds(returned, subject, remedy)
    names = _output_names(returned, transformer)
    returned = check_array(returned, accept_sparse=sparse, allow_nd=True, ensure_all_finite=False)
    check_finite(returned.data if is_sparse else returned, subject, names, remedy)
    if _num_samples(returned) != _num_samples(X):
        raise ValueError(
            f"The preprocessor returned {_num_samples(returned)} rows for {_num_samples(X)} rows, "
            "so labels and groups no longer match. Use a preprocessor that keeps the rows, or a "
            "sampler of imbalanced-learn."
        )
    return returned


def _output_names(transformed: Any, transformer: Any) -> list[str] | None:
    """The names of the columns that a preprocessor returned, if they have any."""
    if is_table(transformed):
        return [name for name, _ in of_table(transformed)]
    try:
        return list(transformer.get_feature_names_out())
    except (AttributeError, NotFittedError, TypeError, ValueError):
        return None
