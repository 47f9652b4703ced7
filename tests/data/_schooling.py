"""A column whose levels have an order, for several test files."""

import pandas as pd

LEVELS = ["low", "mid", "high"]


def ordered(values, categories=LEVELS):
    return pd.Series(pd.Categorical(values, categories, ordered=True), name="edu")
