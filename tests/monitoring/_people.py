"""Rows of people with two sexes and three races, and specifications about them."""

import numpy as np
import pandas as pd

from sklearn_seldonian.monitoring._specification import MonitorSpecification

DEFAULTS = {
    "classes": (0, 1),
    "pos_label": None,
    "levels": {"race": ["A", "B", "C"]},
    "mutually_exclusive": (),
    "measures": (),
    "target_range": None,
    "prediction_range": None,
    "missing": "error",
}


def specification(constraints, delta=0.05, **parameters):
    return MonitorSpecification.of(constraints, delta, **{**DEFAULTS, **parameters})


def people(n, seed=0, right=0.75):
    """Decisions, labels and columns of n people; decisions are correct with this probability."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, n)
    y_pred = np.where(rng.random(n) < right, y_true, 1 - y_true)
    columns = pd.DataFrame(
        {
            "sex": rng.choice(["M", "F"], n),
            "race": rng.choice(list("ABC"), n),
            "age": rng.integers(18, 80, n),
        }
    )
    columns["M"], columns["F"] = 1 * (columns["sex"] == "M"), 1 * (columns["sex"] == "F")
    return y_pred, y_true, columns
