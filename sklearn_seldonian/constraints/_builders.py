"""The constraints of the literature by their names.

Each function writes a constraint's text and parses it, so that what an auditor reads and
what is certified are the same. The text of any of them is a starting point for one's own.

Groups are named by a column, ``"sex"``: every pair of its levels is compared; by a list of
columns, ``["sex", "race"]``: every pair of combinations of their levels is compared, as
``by=(sex, race)`` says; or by a tuple of two columns of bool or 0/1, ``("M", "F")``: the two
groups of rows where these are 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set, Sized
from numbers import Real
from typing import Any

import numpy as np

from sklearn_seldonian._text import short
from sklearn_seldonian.constraints._nodes import (
    Binary,
    Call,
    ColumnIs,
    Constraint,
    Grouping,
    Literal,
    Measure,
    Node,
    Number,
    Quantified,
)
from sklearn_seldonian.constraints._parse import parse

Groups = str | list[str] | tuple[str, str]


def accuracy(minimum: float, *, by: str | list[str] | None = None) -> Constraint:
    """The share of rows that are classified correctly is at least `minimum`.

    ``P(ŷ = y) >= minimum``.

    Parameters
    ----------
    minimum : float
        Between 0 and 1.
    by : str or list of str, optional
        Name of a column: the constraint then holds at each of its levels. Names of several columns:
        it holds at each combination of their levels.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        Where `minimum` is not between 0 and 1.

    Examples
    --------
    >>> accuracy(0.95)
    Constraint('ACC >= 0.95')
    >>> accuracy(0.9, by="sex")
    Constraint('min(ACC, by=sex) >= 0.9')
    """
    return _limited("ACC", ">=", _share("minimum", minimum), by)


def precision(minimum: float, *, by: str | list[str] | None = None) -> Constraint:
    """The share of correct ones among the rows decided positive is at least `minimum`.

    ``P(y = 1 | ŷ = 1) >= minimum``, also called positive predictive value.

    Parameters
    ----------
    minimum : float
        Between 0 and 1.
    by : str or list of str, optional
        As in `accuracy`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        Where `minimum` is not between 0 and 1.

    Examples
    --------
    >>> precision(0.8)
    Constraint('PPV >= 0.8')
    """
    return _limited("PPV", ">=", _share("minimum", minimum), by)


def true_positive_rate(minimum: float, *, by: str | list[str] | None = None) -> Constraint:
    """The share of positive rows that are decided positive is at least `minimum`.

    ``P(ŷ = 1 | y = 1) >= minimum``, also called recall or sensitivity.

    Parameters
    ----------
    minimum : float
        Between 0 and 1.
    by : str or list of str, optional
        As in `accuracy`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        Where `minimum` is not between 0 and 1.

    Examples
    --------
    >>> true_positive_rate(0.7, by="race")
    Constraint('min(TPR, by=race) >= 0.7')
    """
    return _limited("TPR", ">=", _share("minimum", minimum), by)


def false_positive_rate(maximum: float, *, by: str | list[str] | None = None) -> Constraint:
    """The share of negative rows that are decided positive is at most `maximum`.

    ``P(ŷ = 1 | y = 0) <= maximum``.

    Parameters
    ----------
    maximum : float
        Between 0 and 1.
    by : str or list of str, optional
        As in `accuracy`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        Where `maximum` is not between 0 and 1.

    Examples
    --------
    >>> false_positive_rate(0.1)
    Constraint('FPR <= 0.1')
    >>> false_positive_rate(0.1, by="race")
    Constraint('max(FPR, by=race) <= 0.1')
    """
    return _limited("FPR", "<=", _share("maximum", maximum), by)


def demographic_parity(
    groups: Groups, limit: float, *, levels: Sequence[Literal] = ()
) -> Constraint:
    """Groups are decided positive at rates at most `limit` apart.

    ``|P(ŷ = 1 | a) - P(ŷ = 1 | b)| <= limit`` for all groups a, b. Statistical parity up to a
    bias in [1]_.

    Parameters
    ----------
    groups : str, list of str, or tuple of two str
        A column; columns whose combinations of levels are the groups; or two columns of
        bool or 0/1.
    limit : float
        Between 0 and 1.
    levels : sequence, optional
        The levels of the column to compare; all that occur by default.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        Where `limit` is not between 0 and 1, or `groups` and `levels` do not name at least
        two groups.

    References
    ----------
    .. [1] C. Dwork, M. Hardt, T. Pitassi, O. Reingold, R. Zemel. "Fairness through
       awareness." Innovations in Theoretical Computer Science, 2012.

    Examples
    --------
    >>> demographic_parity("sex", 0.1)
    Constraint('max(PR, by=sex) - min(PR, by=sex) <= 0.1')
    >>> demographic_parity(("M", "F"), 0.1)
    Constraint('abs(PR | [M] - PR | [F]) <= 0.1')
    >>> demographic_parity("race", 0.1, levels=["A", "B"])
    Constraint('max(PR, by=race in ("A", "B")) - min(PR, by=race in ("A", "B")) <= 0.1')
    """
    return _parsed(_gap("PR", groups, levels), "<=", _share("limit", limit))


def equal_opportunity(
    groups: Groups, limit: float, *, levels: Sequence[Literal] = ()
) -> Constraint:
    """Groups have true positive rates at most `limit` apart.

    ``|P(ŷ = 1 | y = 1, a) - P(ŷ = 1 | y = 1, b)| <= limit`` for all groups a, b. In [1]_
    with limit 0.

    Parameters
    ----------
    groups, limit, levels
        As in `demographic_parity`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        As in `demographic_parity`.

    References
    ----------
    .. [1] M. Hardt, E. Price, N. Srebro. "Equality of opportunity in supervised learning."
       Advances in Neural Information Processing Systems 29, 2016.

    Examples
    --------
    >>> equal_opportunity("sex", 0.1)
    Constraint('max(TPR, by=sex) - min(TPR, by=sex) <= 0.1')
    >>> equal_opportunity(["sex", "race"], 0.1)
    Constraint('max(TPR, by=(sex, race)) - min(TPR, by=(sex, race)) <= 0.1')
    """
    return _parsed(_gap("TPR", groups, levels), "<=", _share("limit", limit))


def predictive_equality(
    groups: Groups, limit: float, *, levels: Sequence[Literal] = ()
) -> Constraint:
    """Groups have false positive rates at most `limit` apart.

    ``|P(ŷ = 1 | y = 0, a) - P(ŷ = 1 | y = 0, b)| <= limit`` for all groups a, b. In [1]_
    with limit 0.

    Parameters
    ----------
    groups, limit, levels
        As in `demographic_parity`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        As in `demographic_parity`.

    References
    ----------
    .. [1] S. Corbett-Davies, E. Pierson, A. Feller, S. Goel, A. Huq. "Algorithmic decision
       making and the cost of fairness." KDD, 2017.

    Examples
    --------
    >>> predictive_equality(("M", "F"), 0.05)
    Constraint('abs(FPR | [M] - FPR | [F]) <= 0.05')
    """
    return _parsed(_gap("FPR", groups, levels), "<=", _share("limit", limit))


def equalized_odds(groups: Groups, limit: float, *, levels: Sequence[Literal] = ()) -> Constraint:
    """Groups have true positive rates and false positive rates at most `limit` apart.

    Both `equal_opportunity` and `predictive_equality`: the larger of the two gaps is at most
    `limit`. In [1]_ with limit 0.

    Parameters
    ----------
    groups, limit, levels
        As in `demographic_parity`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        As in `demographic_parity`.

    References
    ----------
    .. [1] M. Hardt, E. Price, N. Srebro. "Equality of opportunity in supervised learning."
       Advances in Neural Information Processing Systems 29, 2016.

    Examples
    --------
    >>> print(equalized_odds(("M", "F"), 0.1))
    max(abs(TPR | [M] - TPR | [F]), abs(FPR | [M] - FPR | [F])) <= 0.1
    >>> print(equalized_odds("sex", 0.1))
    max(max(TPR, by=sex) - min(TPR, by=sex), max(FPR, by=sex) - min(FPR, by=sex)) <= 0.1
    """
    gaps = (_gap("TPR", groups, levels), _gap("FPR", groups, levels))
    return _parsed(Call("max", gaps), "<=", _share("limit", limit))


def predictive_parity(
    groups: Groups, limit: float, *, levels: Sequence[Literal] = ()
) -> Constraint:
    """A positive decision is right about as often in every group: within `limit`.

    ``|P(y = 1 | ŷ = 1, a) - P(y = 1 | ŷ = 1, b)| <= limit`` for all groups a, b. In [1]_
    with limit 0, for every threshold of a score.

    Parameters
    ----------
    groups, limit, levels
        As in `demographic_parity`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        As in `demographic_parity`.

    References
    ----------
    .. [1] A. Chouldechova. "Fair prediction with disparate impact: a study of bias in
       recidivism prediction instruments." Big Data 5(2), 2017.

    Examples
    --------
    >>> predictive_parity("race", 0.1)
    Constraint('max(PPV, by=race) - min(PPV, by=race) <= 0.1')
    """
    return _parsed(_gap("PPV", groups, levels), "<=", _share("limit", limit))


def disparate_impact(groups: Groups, ratio: float, *, levels: Sequence[Literal] = ()) -> Constraint:
    """The lowest rate of positive decisions is at least `ratio` times the highest.

    ``P(ŷ = 1 | a) >= ratio * P(ŷ = 1 | b)`` for all groups a, b. With ratio 0.8 it is the
    four-fifths rule of the US Equal Employment Opportunity Commission [1]_.

    Parameters
    ----------
    groups, levels
        As in `demographic_parity`.
    ratio : float
        Between 0 and 1; 1 asks for equal rates.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        Where `ratio` is not between 0 and 1, or `groups` and `levels` do not name at least
        two groups.

    References
    ----------
    .. [1] M. Feldman, S. A. Friedler, J. Moeller, C. Scheidegger, S. Venkatasubramanian.
       "Certifying and removing disparate impact." KDD, 2015.

    Examples
    --------
    >>> disparate_impact("sex", 0.8)
    Constraint('min(PR, by=sex) >= 0.8 * max(PR, by=sex)')
    >>> disparate_impact(("M", "F"), 0.8)
    Constraint('min(PR | [M], PR | [F]) >= 0.8 * max(PR | [M], PR | [F])')
    """
    lowest, highest = _extreme("min", "PR", groups, levels), _extreme("max", "PR", groups, levels)
    return _parsed(lowest, ">=", Binary("*", _share("ratio", ratio), highest))


def _limited(measure: str, operator: str, limit: Number, by: str | list[str] | None) -> Constraint:
    """Keep to the limit everywhere, or in every group."""
    worst = "min" if operator == ">=" else "max"
    bounded = Measure(measure) if by is None else _extreme(worst, measure, by, ())
    return _parsed(bounded, operator, limit)


def _gap(measure: str, groups: Groups, levels: Sequence[Literal]) -> Node:
    """The largest distance of `measure` between two groups."""
    if isinstance(groups, str | list):
        highest, lowest = (_extreme(f, measure, groups, levels) for f in ("max", "min"))
        return Binary("-", highest, lowest)
    return Call("abs", (Binary("-", *_pair(measure, groups, levels)),))


def _extreme(function: str, measure: str, groups: Groups, levels: Sequence[Literal]) -> Node:
    """The highest or lowest value of `measure` in any group."""
    if not isinstance(groups, str | list):
        return Call(function, _pair(measure, groups, levels))
    columns = [groups] if isinstance(groups, str) else groups
    if not columns or len(set(map(str, columns))) < len(columns):
        raise ValueError(f"groups must be one or more different columns; got {short(columns)}.")
    if not all(isinstance(name, str) and name for name in columns):
        raise ValueError(f"groups must be names of columns; got {short(columns)}.")
    chosen = _levels(levels, columns)
    return Quantified(function, Measure(measure), tuple(Grouping(c, chosen) for c in columns))


def _levels(levels: Any, columns: list[str]) -> tuple[Literal, ...]:
    """Those of one column that are to be compared; none where all are."""
    is_list = isinstance(levels, Iterable) and not isinstance(levels, str | Set | Mapping)
    chosen = tuple(levels) if is_list else (levels,)
    wanted = f"levels must list two or more levels of {columns[0]!r}"
    if len(chosen) == 1:
        raise ValueError(f"{wanted}; got {short(levels)}.")
    if not all(map(_is_level, chosen)) or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"{wanted}, each once: texts, finite numbers, True or False; got {short(levels)}."
        )
    if chosen and len(columns) > 1:
        raise ValueError(f"levels are those of one column; groups are {len(columns)}.")
    return chosen


def _is_level(value: object) -> bool:
    if isinstance(value, Real | np.bool_):
        return math.isfinite(float(value))
    return isinstance(value, str)


def _pair(measure: str, groups: tuple[str, str], levels: Sequence[Literal]) -> tuple[Node, Node]:
    is_pair = isinstance(groups, tuple) and len(groups) == 2
    if not is_pair or not all(isinstance(n, str) for n in groups) or groups[0] == groups[1]:
        raise ValueError(
            "groups must be one column, a list of columns, or a tuple of two different columns; "
            f"got {short(groups)}."
        )
    if not isinstance(levels, Sized) or len(levels):
        raise ValueError(f"levels are those of one column; groups are two: {groups!r}.")
    first, second = (Measure(measure, conditions=(ColumnIs(name),)) for name in groups)
    return first, second


def _share(name: str, value: float) -> Number:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number between 0 and 1; got {short(value)}.")
    return Number(float(value))


def _parsed(left: Node, operator: str, right: Node) -> Constraint:
    return parse(str(Constraint(left, operator, right)))
