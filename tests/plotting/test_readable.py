"""In the pictures no text covers another, is cut off, or is too pale."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sklearn_seldonian.certification import CertificateDisplay
from sklearn_seldonian.certification._display import group_rates
from sklearn_seldonian.monitoring import MonitorDisplay, SafetyMonitor
from sklearn_seldonian.plotting import PowerDisplay, TradeoffDisplay, TrainingDisplay
from tests._figures import assert_readable, cut_off, overlaps, pale
from tests.certification.test_display import RESULT

GROUPS = [f'[race == "African-American", sex == "Female", age >= {i}]' for i in range(60)]
CONSTRAINTS = [f"abs(TPR | {group} - TPR) <= 0.1" for group in GROUPS]
N_EPOCHS = 20


@pytest.mark.parametrize(
    ("n_constraints", "resolution", "bound"),
    [(1, "epoch", -2.0), (5, "step", 0.7), (12, "step", -0.3), (60, "epoch", 0.1)],
)
def test_training(n_constraints, resolution, bound):
    steps = np.arange(1, N_EPOCHS + 1)
    history = {"progress": steps, "epoch": steps, "loss": 1 / steps, "candidate_loss": 1 / steps}
    for i in range(n_constraints):
        history |= {f"multiplier_{i}": 12_345.6 / steps, f"predicted_bound_{i}": bound + 1 / steps}
    display = TrainingDisplay(
        pd.DataFrame(history), CONSTRAINTS[:n_constraints], N_EPOCHS, resolution=resolution
    ).plot()
    assert_readable(display.figure_)
    low, high = display.axes_[2].get_ylim()
    assert low < 0 < high


@pytest.mark.parametrize("n_constraints", [1, 5, 60])
def test_power(n_constraints):
    sizes = np.geomspace(150, 60_000, 16)
    passing = {name: np.linspace(0, 1, 16) for name in CONSTRAINTS[:n_constraints]}
    assert_readable(PowerDisplay(sizes, passing, 3_000).plot().figure_)


@pytest.mark.parametrize("score", [0.9, 0.50001])
def test_tradeoff(score):
    limits = np.array([0.1, 0.15, 0.2])
    results = {"limit": limits, "solution_found": [False, True, True]}
    results |= {"score": [np.nan, 0.5, score], "estimate": 0.1, "bound": limits}
    display = TradeoffDisplay(pd.DataFrame(results), CONSTRAINTS[0], unlimited=0.9).plot()
    assert_readable(display.figure_)
    low, high = display.axes_[0].get_ylim()
    assert high - low >= 0.02


@pytest.mark.parametrize("n_constraints", [1, 12])
def test_certificate(n_constraints):
    names = [f"TPR | {group}" for group in GROUPS[:n_constraints]]
    result = replace(
        RESULT,
        bound=0.62,
        g_upper=0.02,
        p_value=0.1,
        method="score test",
        guarantee="asymptotic",
        rows={name: 1_234_567 for name in names},
        rates={name: 0.5 for name in names},
        reason="too few rows",
    )
    results = [replace(result, constraint=text) for text in CONSTRAINTS[:n_constraints]]
    display = CertificateDisplay(results, group_rates(results)).plot()
    assert_readable(display.figure_)
    labels = [label.get_text() for label in display.axes_[-1].get_yticklabels()]
    assert len(set(labels)) == n_constraints


def test_monitor():
    decisions, labels = np.repeat([1, 0, 0], 40_000), np.ones(120_000)
    columns = [f"a group of people with a very long name {i}" for i in range(3)]
    limits = zip(columns, (0.9, 0.9, 0.1), strict=True)
    monitor = SafetyMonitor([f"TPR | [`{column}`] >= {limit}" for column, limit in limits])
    for part in np.array_split(np.arange(120_000), 20):
        groups = pd.DataFrame(np.ones((len(part), 3), dtype=int), columns=columns)
        monitor = monitor.update(decisions[part], labels[part], groups)
    display = MonitorDisplay.from_monitor(monitor)
    assert display.axes_[0].get_title("right").startswith("violated: proved after ")
    assert display.axes_[2].get_title("right") == "holds: proved"
    (legend,) = display.figure_.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["estimate", "between the bounds", "limit", "violates it"]
    assert_readable(display.figure_)


def test_what_cannot_be_read_is_noticed():
    figure = Figure(figsize=(4, 3))
    ax = figure.subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    ax.text(0.3, 0.5, "one")
    ax.text(0.32, 0.5, "two")
    ax.text(0.9, 0.8, "a text that ends outside")
    ax.text(0.1, 0.1, "pale", color="0.6")
    assert overlaps(figure) == [("one", "two")]
    assert cut_off(figure) == ["a text that ends outside"]
    assert pale(figure) == ["pale"]
