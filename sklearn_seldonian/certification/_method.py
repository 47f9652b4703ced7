"""The test of one atom, and the guarantee of each kind of test."""

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
PART_RATIO = "exact part-to-whole test"
INVERSE_NORMAL = "inverse normal combination"
JOINT_CHERNOFF = "joint Chernoff bound"
BETTING = "betting"
BETTING_ON_UNITS = "betting on units"
BOX_ON_UNITS = "box of betting bounds"
SCORE_TEST = "score test"
# Methods that test totals of units of rows instead of single rows.
ON_UNITS = (BETTING_ON_UNITS, BOX_ON_UNITS)
# The guarantee of each method. A result's method is one of them, or several joined by " + ".
GUARANTEE_OF = {
    ARITHMETIC: "exact",
    CLOPPER_PEARSON: "exact",
    EXACT_TWO_RATE_TEST: "exact",
    PART_RATIO: "exact",
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
        ``upper(delta)``: an upper bound on h that is wrong with probability at most delta.
    p_value : callable
        ``p_value(delta)``: the p-value against ``h > 0`` of the test that is tuned to delta.
    is_below : callable, default=None
        ``is_below(limit, delta)``: a faster way to decide whether ``upper(delta) <= limit``. None:
        the bound is computed and compared.
    reason : str
        Why there is no bound; empty if there is one.
    acceptance_region : callable, default=None
        ``acceptance_region(delta)``: the edge of the passing counts, as `edge_of_rates` returns it,
        if each rate has as many rows as in the evidence. None: the test is not of one or two
        independent rates, and which counts pass is only known by running it.
    passing_tables : callable, default=None
        ``passing_tables(tables, delta)``: which of many tables pass. Each row is one table, with as
        many rows of data as in the evidence. None: as for `acceptance_region`.
    approximate_upper : callable, default=None
        ``approximate_upper(delta)``: about `upper(delta)`, within milliseconds. None: `upper`
        itself is fast.
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
        """The kind of guarantee: "exact", "finite-sample", "asymptotic" or "none"."""
        return GUARANTEE_OF[self.name]

    def at_most(self, limit: float, delta: float) -> bool:
        """Whether the upper bound is at most `limit`."""
        if self.is_below is not None:
            return self.is_below(limit, delta)
        return self.upper(delta) <= limit
