"""A test of one atom, and what each kind of test promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_seldonian.certification._edges import Edge
from sklearn_seldonian.certification._fields import UNTOUCHED

ARITHMETIC = "arithmetic"
CLOPPER_PEARSON = "Clopper-Pearson"
EXACT_TWO_RATE_TEST = "exact unconditional test"
INVERSE_NORMAL = "inverse normal combination"
JOINT_CHERNOFF = "joint Chernoff bound"
BETTING = "betting"
BETTING_ON_UNITS = "betting on units"
BOX_ON_UNITS = "box of betting bounds"
SCORE_TEST = "score test"
# Of what units of rows add up to, not of rows one by one.
ON_UNITS = (BETTING_ON_UNITS, BOX_ON_UNITS)
# What each method promises; a result's method is one of them, or several joined by " + ".
GUARANTEE_OF = {
    ARITHMETIC: "exact",
    CLOPPER_PEARSON: "exact",
    EXACT_TWO_RATE_TEST: "exact",
    INVERSE_NORMAL: "finite-sample",
    JOINT_CHERNOFF: "finite-sample",
    BETTING: "finite-sample",
    BETTING_ON_UNITS: "finite-sample",
    BOX_ON_UNITS: "finite-sample",
    "box of Clopper-Pearson bounds": "finite-sample",
    "box of Chernoff-Hoeffding bounds": "finite-sample",
    "box of Clopper-Pearson and Chernoff-Hoeffding bounds": "finite-sample",
    SCORE_TEST: "asymptotic",
    "delta method": "asymptotic",
    "box of Student t bounds": "asymptotic",
    "none": "none",
    UNTOUCHED: "none",
}


@dataclass(frozen=True)
class Method:
    """A test of ``h <= 0`` for one atom on given evidence.

    Attributes
    ----------
    name : str
    upper : callable
        From a delta to an upper bound on h that is wrong with at most that probability.
    p_value : callable
        From the delta that a test is tuned to, to its p-value against ``h > 0``.
    is_below : callable, default=None
        ``is_below(limit, delta)``: whether ``upper(delta) <= limit``, where there is a
        faster way to tell. None: by comparing.
    reason : str
        Why there is no bound; empty where there is one.
    acceptance_region : callable, default=None
        From a delta to the edge of the counts that pass where each rate has as many rows as in
        the evidence, as `edge_of_rates` returns it. None: the test is not of one or two
        independent rates, and which results pass is only known by running it.
    passing_tables : callable, default=None
        ``passing_tables(tables, delta)``: which of many tables, one a row, of as many rows as in
        the evidence pass. None: as for `acceptance_region`.
    approximate_upper : callable, default=None
        As `upper`, in milliseconds and about as high. None: `upper` itself is as fast.
    """

    name: str
    upper: Callable[[float], float]
    p_value: Callable[[float], float]
    is_below: Callable[[float, float], bool] | None = None
    reason: str = ""
    acceptance_region: Callable[[float], Edge] | None = None
    passing_tables: Callable[[NDArray[np.float64], float], NDArray[np.bool_]] | None = None
    approximate_upper: Callable[[float], float] | None = None

    @property
    def guarantee(self) -> str:
        """The kind of promise: "exact", "finite-sample", "asymptotic" or "none"."""
        return GUARANTEE_OF[self.name]

    def at_most(self, limit: float, delta: float) -> bool:
        """Whether the upper bound is at most `limit`."""
        if self.is_below is not None:
            return self.is_below(limit, delta)
        return self.upper(delta) <= limit
