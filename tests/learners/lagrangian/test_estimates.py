"""Estimates in the history are in units of the constraint, however it is tested."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_seldonian.constraints import Families, Schema, bind, parse
from sklearn_seldonian.learners.lagrangian import ConstrainedProblem


@pytest.mark.parametrize(
    ("text", "g"),
    [
        ("F1 >= 0.7", 0.7 - 2 * 40 / (2 * 40 + 10 + 20)),
        ("PR / FPR <= 2", 0.5 / (10 / 40) - 2),
        ("max(-PR, ERR - 0.9) <= 0", -0.5),
        ("abs(PR - 0.4) <= 0.3", -0.2),
    ],
)
def test_estimates(text, g):
    resolved = bind(parse(text), Schema((0, 1), 1))
    problem = ConstrainedProblem([resolved], [0.05], Families.single(), 2, 100, 0.95)
    near = problem.linearise(np.array([[[30.0, 10.0], [20.0, 40.0]]]))
    assert problem.estimates(near.means)[0] == pytest.approx(g)
