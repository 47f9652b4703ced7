import numpy as np
import pytest

from tests.data._schooling import LEVELS


@pytest.fixture(scope="module")
def schooling():
    """Rows whose decisions depend on their level of schooling, and these levels."""
    rng = np.random.default_rng(0)
    level = np.array(LEVELS)[rng.integers(0, 3, 1500)]
    y = np.where(level == "high", 1, rng.integers(0, 2, 1500))
    return 3.0 * (2 * y - 1)[:, None] + rng.normal(size=(1500, 2)), y, level
