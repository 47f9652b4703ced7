"""Rows of people with groups, and models that were fitted to other people."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression

FEATURES, GROUPS = ["a", "b", "c"], ["sex", "race", "age"]


def people(n_rows, seed):
    """Independent rows with features, a label, an outcome, and groups. Race D is rare."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=FEATURES)
    frame["label"] = np.where(frame.a + rng.normal(size=n_rows) > 0, "yes", "no")
    frame["outcome"] = np.clip(frame.a + rng.normal(size=n_rows), -3, 3)
    frame["sex"] = rng.choice(["F", "M"], n_rows)
    frame["race"] = rng.choice(list("ABCD"), n_rows, p=[0.5, 0.3, 0.18, 0.02])
    frame["age"] = rng.integers(18, 90, n_rows)
    return frame


OTHERS = people(500, 0)
CLASSIFIER = LogisticRegression().fit(OTHERS[FEATURES], OTHERS["label"])
REGRESSOR = LinearRegression().fit(OTHERS[FEATURES], OTHERS["outcome"])
