"""Entrance exam scores and the grades that followed."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pandas as pd

from sklearn_seldonian.datasets._bunch import as_asked

_DESCRIPTION = """\
Students of UFRGS (Brazil): entrance exams, gender, and later grades

43,303 students. Nine entrance exam scores (Physics, Biology, History,
Second_Language, Geography, Literature, Portuguese_and_Essay, Math, Chemistry), two
0/1 gender columns M and F, and the grade point average (0 to 4) of the first three
semesters. The classification target is GPA >= 3.0. No values are missing.

Source: B. Castro da Silva, "UFRGS Entrance Exam and GPA Data", Harvard Dataverse, 2019.
Used in P. S. Thomas et al., "Preventing undesirable behavior of intelligent machines",
Science 366, 2019.
"""


def load_gpa(*, target: str = "class", as_frame: bool = False, return_X_y: bool = False) -> Any:
    """Load the entrance exam and GPA data (classification or regression).

    Parameters
    ----------
    target : {"class", "gpa"}, default="class"
        The target: whether the GPA is at least 3.0 (0 or 1), or the GPA itself (0 to 4).
    as_frame : bool, default=False
        Whether `data` and `target` are pandas objects.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With `data` of shape (43303, 9), `target` of shape (43303,), `sensitive_features` (a
        DataFrame with the 0/1 columns M and F), `feature_names`, `target_names`, `DESCR`, and
        `frame` (all columns in one DataFrame, None unless `as_frame`).

    Raises
    ------
    ValueError
        If `target` is neither "class" nor "gpa".

    Examples
    --------
    >>> from sklearn_seldonian.datasets import load_gpa
    >>> gpa = load_gpa(as_frame=True)
    >>> gpa.data.shape
    (43303, 9)
    >>> gpa.sensitive_features.sum().to_dict()
    {'M': 22335, 'F': 20968}
    """
    if target not in ("class", "gpa"):
        raise ValueError(f"target must be 'class' or 'gpa', got {target!r}.")
    path = files(__package__) / "gpa.csv.gz"
    with path.open("rb") as stream:
        frame = pd.read_csv(stream, compression="gzip")
    groups = frame[["M", "F"]]
    scores = frame.drop(columns=["M", "F", "GPA"])
    y = frame["GPA"] if target == "gpa" else (frame["GPA"] >= 3.0).astype("int64").rename("class")
    target_names = ["GPA"] if target == "gpa" else ["GPA < 3.0", "GPA >= 3.0"]
    asked = {"as_frame": as_frame, "return_X_y": return_X_y}
    return as_asked(scores, groups, y, target_names, _DESCRIPTION, **asked)
