from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import settings

# `make test` uses the short profile. Every other run of the tests uses the whole one.
settings.register_profile("whole", max_examples=600, deadline=None, derandomize=True)
settings.register_profile("short", settings.get_profile("whole"), max_examples=60)
settings.load_profile("whole")

torch.set_num_threads(1)  # small networks are faster with one thread


@pytest.fixture(autouse=True)
def seeded():
    """With random_state=None, each run of a test draws the same numbers."""
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


@pytest.fixture
def blobs():
    """Two classes that a line separates nine times in ten: (X, y) of 1,000 rows."""
    return two_blobs()


def two_blobs():
    """The same, for fixtures of a whole module."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=1000)
    X = rng.normal(size=(1000, 3)) + 1.6 * y[:, None] * np.array([1.0, 0.5, 0.0])
    return X, y


@pytest.fixture
def groups():
    """Sensitive features for 1,000 rows: 0/1 columns M and F, a text and a number column."""
    rng = np.random.default_rng(1)
    male = rng.integers(0, 2, size=1000)
    return pd.DataFrame(
        {
            "M": male,
            "F": 1 - male,
            "race": rng.choice(["A", "B", "C"], size=1000),
            "age": rng.integers(18, 80, size=1000),
        }
    )


@pytest.fixture(params=["short", pytest.param("whole", marks=pytest.mark.slow)])
def whole(request):
    """Whether to simulate or enumerate everything, including what `make test` leaves out."""
    return request.param == "whole"


@pytest.hookimpl(tryfirst=True)  # before slow tests are left out
def pytest_collection_modifyitems(items):
    """In a test marked ``thinned(n)``, every n-th case is quick, and the others are slow."""
    n_cases = Counter()
    for item in items:
        thinned = item.get_closest_marker("thinned")
        if thinned is not None and item.get_closest_marker("slow") is None:
            test, every = item.nodeid.partition("[")[0], thinned.args[0]
            if n_cases[test] % every:
                item.add_marker(pytest.mark.slow)
            n_cases[test] += 1
