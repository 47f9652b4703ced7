import numpy as np
import pytest

from tests.learners._problems import GROUPS, rows_of


@pytest.fixture
def rows():
    """Eight rows of three groups."""
    return rows_of(np.random.default_rng(0).normal(size=(8, 2)), GROUPS)
