import numpy as np
import pytest


@pytest.fixture
def rows():
    """Rows with three numbers, and labels that the second number predicts."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    return X, (X[:, 1] + rng.standard_normal(200) > 0).astype(int)
