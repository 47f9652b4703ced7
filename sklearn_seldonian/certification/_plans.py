"""The number of rows that a safety test needs, and the probability of passing it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sklearn_seldonian._keywords import refuse_unknown_keywords
from sklearn_seldonian.certification import _requests
from sklearn_seldonian.certification._plan_arguments import plan_of
from sklearn_seldonian.certification._planning import DRAWS_FOR_ROWS
from sklearn_seldonian.measures import RowMeasure

ROUNDING = 1e-12
# Tests of groups and weights need this many times the rows that the design effect says.
UNITS_COST = 1.3


@refuse_unknown_keywords
def required_safety_rows(
    constraint: Any,
    rates: Any,
    group_shares: Mapping[str, float] | None = None,
    delta: Any = 0.05,
    power: float = 0.9,
    method: str = "auto",
    *,
    standard_deviations: Mapping[str, float] | None = None,
    classes: Sequence[Any] | None = (0, 1),
    pos_label: Any = None,
    measures: Sequence[RowMeasure] = (),
    target_range: tuple[float, float] | None = None,
    prediction_range: tuple[float, float] | None = None,
    design_effect: float = 1.0,
) -> int | None:
    """The number of safety rows that a model needs to pass the safety test.

    Parameters
    ----------
    constraint : str, Constraint, or sequence of them
        Constraints such as ``"abs(PR | [M] - PR | [F]) <= 0.1"``. Several constraints must all
        pass.
    rates : mapping of str to float
        The rates and averages that you expect of the model, keyed by the text of the measure, as
        in ``{"PR | [M]": 0.4, "PR | [F]": 0.42}``. Rates are in [0, 1]. The groups of a quantifier
        such as ``max(TPR, by=race)`` are those that the keys name, as in ``'TPR | [race == "A"]'``,
        or those that the constraint lists with ``by=race in ("A", "B")``.
    group_shares : mapping of str to float, default=None
        The share of the safety rows that each measure is over, in [0, 1], with the same keys. A
        measure that is left out is over all rows; None: all measures are. Two 0/1 columns whose
        shares sum to at most 1 are assumed never to be both 1.
    delta : float or sequence of float in (0, 1), default=0.05
        Accepted probability of certifying a violated constraint: one number, or one per
        constraint.
    power : float in (0, 1), default=0.9
        The probability of passing that you want.
    method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        As in `SeldonianClassifier`.
    standard_deviations : mapping of str to float, default=None
        For averages of one number per row (``Brier``, ``MSE``, your own measures): the standard
        deviation of these numbers, with the same keys as `rates`. For rates of drawn decisions
        (``decision="sample"``): the standard deviation of the rows' probabilities.
    classes : sequence, default=(0, 1)
        The class labels. None: the model predicts numbers.
    pos_label : label, default=None
        The positive class if there are two classes. None: the second one.
    measures : sequence of RowMeasure, default=()
        Measures of your own that constraints name.
    target_range, prediction_range : pair of float, default=None
        The smallest and the largest possible target and prediction, if numbers are predicted.
    design_effect : float >= 1, default=1.0
        The factor by which `groups` or `sample_weight` raise the variance of a rate [1]_. For
        groups of m rows with correlation r within groups it is ``1 + (m - 1) * r``, so m if all
        rows of a group are alike. For weights it is the mean of their squares divided by the square
        of their mean.

    Returns
    -------
    int or None
        For one limit on one rate: the smallest number of rows whose `probability_of_passing` is at
        least `power`. Counts are whole, so a few rows more can have a slightly smaller probability.
        For all other constraints the number is accurate to about two parts in a hundred, or four if
        it is simulated, or ten for ratios of averages and for averages of rare events. None if no
        number suffices, because the rates themselves violate a constraint or meet it exactly, or if
        the number is above 100 million.

    Raises
    ------
    ValueError
        If a rate or a standard deviation is missing or impossible, a share is not between 0 and 1,
        `delta` or `power` is not strictly between 0 and 1, or a constraint has a ``CVaR``, a
        measure of drawn decisions that conditions on the prediction, such as ``PPV``, or an average
        that is combined with a measure of rows that may be the same, as in ``Brier | [M] - Brier``.

    Notes
    -----
    Alternatives, as in ``min(FPR, FNR) <= 0.1``, share delta here, as they do in `certify`. `fit`
    tests only the alternative that is most likely to pass according to the candidate data. To plan
    a `fit`, give only that alternative.

    Numbers are taken to have a beta distribution over their range, or a gamma or a normal
    distribution if the range is not finite. With few rows, the result also depends on the shape of
    the distribution, mostly on how often numbers are near the end of the range. Different averages,
    and averages and rates, are taken as independent, although their rows may be the same.

    With a `design_effect` above 1, the result is the number for independent rows, times the effect,
    times 1.3 for the test of groups or weights. This is a rule of thumb. In simulations of one rate
    and of differences, with 100 groups or more, a share of .89 to .96 passed for a power of .9.
    Fewer than 100 groups need more rows than the result.

    References
    ----------
    .. [1] L. Kish, "Survey Sampling", Wiley, 1965, sections 5.4 and 11.7.

    Examples
    --------
    >>> from sklearn_seldonian import required_safety_rows
    >>> required_safety_rows("ACC >= 0.9", {"ACC": 0.93})
    748
    >>> shares = {"PR | [M]": 0.5, "PR | [F]": 0.5}
    >>> gap = "abs(PR | [M] - PR | [F]) <= 0.1"
    >>> 1500 < required_safety_rows(gap, {"PR | [M]": 0.4, "PR | [F]": 0.43}, shares) < 2000
    True

    The Brier score is an average, here of numbers with a standard deviation of 0.2:

    >>> spread = {"Brier": 0.2}
    >>> n = required_safety_rows("Brier <= 0.2", {"Brier": 0.17}, standard_deviations=spread)
    >>> 450 < n < 550
    True
    """
    power = _requests.check_probability("power", power)
    expected = rates, group_shares, standard_deviations
    targets = classes, pos_label, target_range, prediction_range
    plan = plan_of(constraint, expected, delta, method, measures, targets)
    n_rows = replace(plan, n_draws=DRAWS_FOR_ROWS).sufficient_rows(power)
    rows_a_row = _rows_for_an_independent_one(design_effect)
    return None if n_rows is None else math.ceil(n_rows * rows_a_row - ROUNDING)


@refuse_unknown_keywords
def probability_of_passing(
    constraint: Any,
    rates: Any,
    n_rows: int,
    group_shares: Mapping[str, float] | None = None,
    delta: Any = 0.05,
    method: str = "auto",
    *,
    standard_deviations: Mapping[str, float] | None = None,
    classes: Sequence[Any] | None = (0, 1),
    pos_label: Any = None,
    measures: Sequence[RowMeasure] = (),
    target_range: tuple[float, float] | None = None,
    prediction_range: tuple[float, float] | None = None,
    design_effect: float = 1.0,
) -> float:
    """The probability that a model passes the safety test with a given number of rows.

    Parameters
    ----------
    constraint, rates, group_shares, delta, method
        As in `required_safety_rows`.
    n_rows : int
        Number of safety rows.
    standard_deviations, classes, pos_label, measures, target_range, prediction_range
        As in `required_safety_rows`.
    design_effect : float >= 1, default=1.0
        As in `required_safety_rows`, with the same limitations.

    Returns
    -------
    float
        The probability that all constraints pass, in [0, 1]. For a limit on one rate it is the
        binomial probability of the counts that the test accepts. Otherwise it is the share of
        simulated samples that pass. Its standard error is at most .008 for rates, or .016 if each
        sample has to be tested on its own. For averages it is about .02, and for ratios of averages
        .03.

    Raises
    ------
    ValueError
        As for `required_safety_rows`, or if `n_rows` is not a nonnegative whole number.

    Notes
    -----
    Each rate is taken to be over ``n_rows * share`` rows, rounded down. With several rates, if the
    smallest group has fewer than 100 rows, the result is averaged over its random size. Rates over
    different rows are independent. Rates that share rows vary together as in the most even
    distribution (largest entropy) of conditions, labels and decisions that has these rates and
    shares. If there is no such distribution, the rates are taken as independent. For averages and
    alternatives see `required_safety_rows`.

    Examples
    --------
    >>> from sklearn_seldonian import probability_of_passing
    >>> round(probability_of_passing("ACC >= 0.9", {"ACC": 0.93}, 748), 3)
    0.903
    """
    n_rows = _requests.check_count("n_rows", n_rows)
    expected = rates, group_shares, standard_deviations
    targets = classes, pos_label, target_range, prediction_range
    plan = plan_of(constraint, expected, delta, method, measures, targets)
    return plan.passing_probability(int(n_rows / _rows_for_an_independent_one(design_effect)))


def _rows_for_an_independent_one(design_effect: float) -> float:
    """How many rows in groups or with weights replace one independent row in a test."""
    effect = _requests.check_factor("design_effect", design_effect)
    return effect * UNITS_COST if effect > 1.0 else 1.0
