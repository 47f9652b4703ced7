"""Incomes of the 1994 census of the United States."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pandas as pd

from sklearn_seldonian.datasets._bunch import as_asked

_DESCRIPTION = """\
Adult census income (USA, 1994)

48,842 people in the order of the source: its 32,561 training rows, then its 16,281 test
rows. The target is 1 if the income was above 50,000 dollars a year, and 0 otherwise.

Numbers: age, fnlwgt (how many people of the population the row stands for),
education_num (the level of education, 1 to 16), capital_gain, capital_loss,
hours_per_week. Strings: workclass, education, marital_status, occupation, relationship,
native_country. Sensitive features: sex and race. workclass, occupation and
native_country have missing values (2,799, 2,809 and 857 rows).

Source: B. Becker and R. Kohavi, "Adult", UCI Machine Learning Repository, 1996,
https://doi.org/10.24432/C5XW20. Licence: Creative Commons Attribution 4.0 International
(CC BY 4.0). Changes: the two files are one, columns have names, the target is 0 or 1,
and "?" is a missing value.
"""


def load_adult(*, as_frame: bool = True, return_X_y: bool = False) -> Any:
    """Load the Adult census income data (classification, with strings and missing values).

    Parameters
    ----------
    as_frame : bool, default=True
        Return pandas objects. Otherwise the data are an array of objects, since they hold
        numbers and strings.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With `data` (48842, 12), `target` (48842,), `sensitive_features` (a DataFrame with the
        columns sex and race), `feature_names`, `target_names`, `DESCR`, and `frame` (all of
        them in one DataFrame, None unless `as_frame`). Missing values are NaN.

    Notes
    -----
    B. Becker and R. Kohavi, "Adult", UCI Machine Learning Repository, 1996,
    https://doi.org/10.24432/C5XW20, licensed under CC BY 4.0.

    Examples
    --------
    >>> from sklearn_seldonian.datasets import load_adult
    >>> adult = load_adult()
    >>> adult.data.shape
    (48842, 12)
    >>> adult.target.groupby(adult.sensitive_features["sex"]).mean().round(3).to_dict()
    {'Female': 0.109, 'Male': 0.304}
    """
    path = files(__package__) / "adult.csv.bz2"
    with path.open("rb") as stream:
        frame = pd.read_csv(stream, compression="bz2", na_values="?")
    groups = frame[["sex", "race"]]
    features = frame.drop(columns=["sex", "race", "income"])
    y = frame["income"]
    target_names = ["income <= 50K", "income > 50K"]
    asked = {"as_frame": as_frame, "return_X_y": return_X_y}
    return as_asked(features, groups, y, target_names, _DESCRIPTION, **asked)
