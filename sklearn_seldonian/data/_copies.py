"""A remark on rows that were copied before the split, which invalidates a certificate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing

from sklearn_seldonian.data._digests import blocks_of
from sklearn_seldonian.data._row_sketch import Hashes, bits_of, row_hashes
from sklearn_seldonian.data._split import LabelledRows

# Limits on the rows compared on each side of the split, and on the values read for it.
MAX_ROWS_COMPARED = 5000
MAX_VALUES_COMPARED = 2**20
# The remark is made from this number and this share of copies among the compared safety rows on.
MIN_COPIES = 20
MIN_SHARE = 0.05
# A column counts as continuous if it has at least this number of different values per row.
MIN_VALUES_PER_ROW = 1 / 3


def remark_on_copies(candidate: LabelledRows, safety: LabelledRows) -> str | None:
    """A sentence about safety rows that are exact copies of candidate rows; None without copies.

    There is no remark on discrete data, whose rows agree by chance. Rows in which all continuous
    columns are missing or zero are not counted, for the same reason. For large data, a sample of
    the rows is compared.
    """
    if issparse(candidate.X):
        return None
    trained, tested = _sample(candidate), _sample(safety)
    is_copy = np.isin(_labelled_hashes(*tested), _labelled_hashes(*trained))
    is_copy &= _have_own_values(tested[0])
    is_suspicious = is_copy.sum() >= MIN_COPIES and is_copy.mean() >= MIN_SHARE
    if not is_suspicious or not _have_own_values(trained[0]).any():
        return None
    return (
        f"{is_copy.mean():.0%} of the compared safety rows are exact copies of candidate rows, in "
        "data that are not discrete. Rows that were copied before the split, for example by a "
        "resampler before the estimator, are not independent, so the certificate proves nothing "
        "about new rows. Resample inside the estimator, with preprocessor=."
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


def _have_own_values(X: Any) -> NDArray[np.bool_]:
    """Which rows have a value in a continuous column that is neither missing nor zero."""
    found: Any = False
    for block in blocks_of(X):
        bits = bits_of(block)
        is_value = np.nan_to_num(block) != 0 if block.ndim == 2 else np.full(bits.shape, True)
        least = MIN_VALUES_PER_ROW * len(bits)
        continuous = [len(np.unique(column)) >= least for column in bits.T]
        found = found | is_value[:, continuous].any(axis=1)
    return np.asarray(found)
