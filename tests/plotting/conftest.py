"""Figures are drawn without a screen, and closed after each test."""

import matplotlib.pyplot
import pytest

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    matplotlib.pyplot.close("all")
