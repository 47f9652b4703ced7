"""Rows with invalid values, for several test files."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from sklearn_seldonian import certify

N, HUGE = 40, 10**400
Y = np.tile([0, 1], N // 2)
X = np.random.default_rng(0).normal(size=(N, 2)) + 3.0 * (2 * Y - 1)[:, None]
WORDS = np.where(Y == 1, "yes", "no").astype(object)
REGRESSOR = LinearRegression().fit(X, Y.astype(float))


def changed(values, value, at=3):
    values = np.array(values, dtype=object)
    values[at] = value
    return values


def with_na():
    values = pd.array(Y, dtype="Int64")
    values[3] = pd.NA
    return values


def refused(*given, **others):
    with pytest.raises((TypeError, ValueError)) as caught:
        certify(*given, **others)
    own = "sklearn_seldonian" in str(caught.traceback[-1].path)
    assert own or isinstance(caught.value, NotFittedError)
    return str(caught.value)
