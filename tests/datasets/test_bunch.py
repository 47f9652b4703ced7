"""A data set in each of the forms of scikit-learn's loaders."""

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian.datasets._bunch import as_asked

FEATURES = pd.DataFrame({"age": [20, 30], "city": ["Rome", "Oslo"]})
GROUPS = pd.DataFrame({"sex": ["M", "F"]})
Y = pd.Series([0, 1], name="hired")


def asked(**form):
    return as_asked(FEATURES, GROUPS, Y, ["no", "yes"], "Two people.", **form)


@pytest.mark.parametrize("as_frame", [True, False])
def test_a_bunch_has_the_data_and_their_description(as_frame):
    bunch = asked(as_frame=as_frame, return_X_y=False)
    assert isinstance(bunch.data, pd.DataFrame if as_frame else np.ndarray)
    assert isinstance(bunch.target, pd.Series if as_frame else np.ndarray)
    np.testing.assert_array_equal(bunch.data, FEATURES)
    np.testing.assert_array_equal(bunch.target, Y)
    assert bunch.sensitive_features is GROUPS
    assert bunch.feature_names == ["age", "city"]
    assert (bunch.target_names, bunch.DESCR) == (["no", "yes"], "Two people.")


def test_the_frame_has_all_columns_and_arrays_have_none():
    frame = asked(as_frame=True, return_X_y=False).frame
    pd.testing.assert_frame_equal(frame, FEATURES.assign(sex=["M", "F"], hired=[0, 1]))
    assert asked(as_frame=False, return_X_y=False).frame is None


def test_a_tuple_is_data_and_target():
    X, y = asked(as_frame=True, return_X_y=True)
    assert X is FEATURES
    assert y is Y
    X, y = asked(as_frame=False, return_X_y=True)
    assert (type(X), type(y)) == (np.ndarray, np.ndarray)
    assert X.tolist() == [[20, "Rome"], [30, "Oslo"]]
    assert y.tolist() == [0, 1]
