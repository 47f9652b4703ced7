"""A remark on rows that were copied before the split, which makes a certificate worthless."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing

from sklearn_seldonian.data._digests import blocks_of
from sklearn_seldonian.data._row_sketch import Hashes, bits_of, row_hashes
from sklearn_seldonian.data._split import LabelledRows

# Limits on the rows compared on each side of the split, and on the numbers read for that.
MAX_ROWS_COMPARED = 5000
MAX_VALUES_COMPARED = 2**20
# Users are told of at least this number, and this share, of copies among compared safety rows.
MIN_COPIES = 20
MIN_SHARE = 0.05
# A column of continuous data has at least this number of different values per row.
MIN_VALUES_PER_ROW = 1 / 3


def remark_on_copies(candidate: LabelledRows, safety: LabelledRows) -> str | None:
    """A sentence on safety rows that are exact copies of candidate rows; None where there is none.

    Rows of discrete data agree by chance, so they are not remarked on. Large data are judged by a
    sample of their rows.
    """
    if issparse(candidate.X):
        return None
    trained, tested = _sample(candidate), _sample(safety)
    is_copy = np.isin(_labelled_hashes(*tested), _labelled_hashes(*trained))
    is_suspicious = is_copy.sum() >= MIN_COPIES and is_copy.mean() >= MIN_SHARE
    if not is_suspicious or not all(_is_continuous(X) for X, _ in (trained, tested)):
        return None
    return (
        f"{is_copy.mean():.0%} of the safety rows compared are exact copies of candidate rows, in "
        "data that are not discrete. Rows that were copied before the split, as by a resampler in "
        "front of the estimator, are not independent, and the certificate proves nothing about "
        "new rows; resample inside, with preprocessor=."
    )


def _sample(rows: LabelledRows) -> tuple[Any, Any]:
    """Inputs and labels of some of the rows."""
    n_columns = int(np.prod(getattr(rows.X, "shape", ())[1:]))
    n_rows = min(len(rows.y), MAX_ROWS_COMPARED, max(1, MAX_VALUES_COMPARED // (n_columns + 1)))
    chosen = np.sort(np.random.default_rng(0).permutation(len(rows.y))[:n_rows])
    index = chosen if rows.index is None else rows.index[chosen]
    return _safe_indexing(rows.X, index), rows.y[chosen]


def _labelled_hashes(X: Any, y: Any) -> Hashes:
    return row_hashes(X) + np.uint64(3) * row_hashes(y)  # 3: rows and labels must not cancel


def _is_continuous(X: Any) -> bool:
    """Whether a column of the rows has many different values."""
    columns = [column for block in blocks_of(X) for column in bits_of(block).T]
    return any(len(np.unique(column)) >= MIN_VALUES_PER_ROW * len(column) for column in columns)
