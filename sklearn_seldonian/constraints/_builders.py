"""The constraints of the literature, as functions.

Each function writes the text of a constraint and parses it, so the text that an auditor reads is
the text that is certified. You can start your own constraint from the text of any of them.

There are three ways to name groups. A column, ``"sex"``: every pair of its levels is compared. A
list of columns, ``["sex", "race"]``: every pair of combinations of their levels is compared, as
with ``by=(sex, race)``. A tuple of two columns of bool or 0/1, ``("M", "F")``: the two groups of
rows in which these are 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from sklearn_seldonian.constraints._builder_arguments import groupings, pair_of_groups, share
from sklearn_seldonian.constraints._nodes import (
    Binary,
    Call,
    Constraint,
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
    by : str or list of str, default=None
        Name of a column: the constraint must hold at each of its levels. Names of several columns:
        it must hold at each combination of their levels. None: it must hold for all rows
        together.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        If `minimum` is not between 0 and 1.

    Examples
    --------
    >>> accuracy(0.95)
    Constraint('ACC >= 0.95')
    >>> accuracy(0.9, by="sex")
    Constraint('min(ACC, by=sex) >= 0.9')
    """
    return _limited(Measure("ACC"), ">=", share("minimum", minimum), by)


def balanced_accuracy(minimum: float, *, by: str | list[str] | None = None) -> Constraint:
    """The mean recall of the classes is at least `minimum`.

    ``(P(ŷ = 1 | y = 1) + P(ŷ = 0 | y = 0)) / 2 >= minimum`` for two classes.

    Parameters
    ----------
    minimum, by
        As in `accuracy`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        As in `accuracy`.

    Examples
    --------
    >>> balanced_accuracy(0.8, by="sex")
    Constraint('min(BACC, by=sex) >= 0.8')
    """
    return _limited(Measure("BACC"), ">=", share("minimum", minimum), by)


def precision(minimum: float, *, by: str | list[str] | None = None) -> Constraint:
    """The share of true positives among the rows that are predicted positive is at least `minimum`.

    ``P(y = 1 | ŷ = 1) >= minimum``, also called positive predictive value.

    Parameters
    ----------
    minimum, by
        As in `accuracy`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        As in `accuracy`.

    Examples
    --------
    >>> precision(0.8)
    Constraint('PPV >= 0.8')
    """
    return _limited(Measure("PPV"), ">=", share("minimum", minimum), by)


def true_positive_rate(minimum: float, *, by: str | list[str] | None = None) -> Constraint:
    """The share of positive rows that are predicted positive is at least `minimum`.

    ``P(ŷ = 1 | y = 1) >= minimum``, also called recall or sensitivity.

    Parameters
    ----------
    minimum, by
        As in `accuracy`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        As in `accuracy`.

    Examples
    --------
    >>> true_positive_rate(0.7, by="race")
    Constraint('min(TPR, by=race) >= 0.7')
    """
    return _limited(Measure("TPR"), ">=", share("minimum", minimum), by)


def false_positive_rate(maximum: float, *, by: str | list[str] | None = None) -> Constraint:
    """The share of negative rows that are predicted positive is at most `maximum`.

    ``P(ŷ = 1 | y = 0) <= maximum``.

    Parameters
    ----------
    maximum : float
        Between 0 and 1.
    by : str or list of str, default=None
        As in `accuracy`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        If `maximum` is not between 0 and 1.

    Examples
    --------
    >>> false_positive_rate(0.1)
    Constraint('FPR <= 0.1')
    >>> false_positive_rate(0.1, by="race")
    Constraint('max(FPR, by=race) <= 0.1')
    """
    return _limited(Measure("FPR"), "<=", share("maximum", maximum), by)


def calibration_error(maximum: float, *, by: str | list[str] | None = None) -> Constraint:
    """The mean predicted probability differs from the share of positive rows by at most `maximum`.

    ``|E[p] - P(y = 1)| <= maximum``, also called calibration in the large.

    Parameters
    ----------
    maximum, by
        As in `false_positive_rate`.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        As in `false_positive_rate`.

    Examples
    --------
    >>> calibration_error(0.05, by="sex")
    Constraint('max(abs(Calibration_Error), by=sex) <= 0.05')
    """
    distance = Call("abs", (Measure("Calibration_Error"),))
    return _limited(distance, "<=", share("maximum", maximum), by)


def demographic_parity(
    groups: Groups, limit: float, *, levels: Sequence[Literal] = ()
) -> Constraint:
    """The rates of positive decisions of any two groups differ by at most `limit`.

    ``|P(ŷ = 1 | a) - P(ŷ = 1 | b)| <= limit`` for all groups a, b. In [1]_ it is called statistical
    parity up to a bias.

    Parameters
    ----------
    groups : str, list of str, or tuple of two str
        A column; or a list of columns whose combinations of levels are the groups; or two columns
        of bool or 0/1.
    limit : float
        Between 0 and 1.
    levels : sequence, default=()
        The levels of the column to compare. Empty: all levels that occur.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        If `limit` is not between 0 and 1, or `groups` and `levels` do not name at least two groups.

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
    return _parsed(_gap("PR", groups, levels), "<=", share("limit", limit))


def equal_opportunity(
    groups: Groups, limit: float, *, levels: Sequence[Literal] = ()
) -> Constraint:
    """The true positive rates of any two groups differ by at most `limit`.

    ``|P(ŷ = 1 | y = 1, a) - P(ŷ = 1 | y = 1, b)| <= limit`` for all groups a, b. The definition in
    [1]_ has limit 0.

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
    return _parsed(_gap("TPR", groups, levels), "<=", share("limit", limit))


def predictive_equality(
    groups: Groups, limit: float, *, levels: Sequence[Literal] = ()
) -> Constraint:
    """The false positive rates of any two groups differ by at most `limit`.

    ``|P(ŷ = 1 | y = 0, a) - P(ŷ = 1 | y = 0, b)| <= limit`` for all groups a, b. The definition in
    [1]_ has limit 0.

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
    return _parsed(_gap("FPR", groups, levels), "<=", share("limit", limit))


def equalized_odds(groups: Groups, limit: float, *, levels: Sequence[Literal] = ()) -> Constraint:
    """True and false positive rates of any two groups differ by at most `limit`.

    This is `equal_opportunity` and `predictive_equality` together: the larger of the two gaps is at
    most `limit`. The definition in [1]_ has limit 0.

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
    return _parsed(Call("max", gaps), "<=", share("limit", limit))


def predictive_parity(
    groups: Groups, limit: float, *, levels: Sequence[Literal] = ()
) -> Constraint:
    """The precisions of any two groups differ by at most `limit`.

    ``|P(y = 1 | ŷ = 1, a) - P(y = 1 | ŷ = 1, b)| <= limit`` for all groups a, b. The definition in
    [1]_ has limit 0 and holds for every threshold of a score.

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
    return _parsed(_gap("PPV", groups, levels), "<=", share("limit", limit))


def disparate_impact(groups: Groups, ratio: float, *, levels: Sequence[Literal] = ()) -> Constraint:
    """The lowest rate of positive decisions is at least `ratio` times the highest.

    ``P(ŷ = 1 | a) >= ratio * P(ŷ = 1 | b)`` for all groups a, b. With ratio 0.8 it is the
    four-fifths rule of the US Equal Employment Opportunity Commission [1]_.

    Parameters
    ----------
    groups, levels
        As in `demographic_parity`.
    ratio : float
        Between 0 and 1; 1 requires equal rates.

    Returns
    -------
    constraint : Constraint

    Raises
    ------
    ValueError
        If `ratio` is not between 0 and 1, or `groups` and `levels` do not name at least two groups.

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
    return _parsed(lowest, ">=", Binary("*", share("ratio", ratio), highest))


def _limited(bounded: Node, operator: str, limit: Number, by: str | list[str] | None) -> Constraint:
    """The constraint that the limit holds for all rows, or in every group."""
    if by is not None:
        bounded = Quantified("min" if operator == ">=" else "max", bounded, groupings(by, ()))
    return _parsed(bounded, operator, limit)


def _gap(measure: str, groups: Groups, levels: Sequence[Literal]) -> Node:
    """The largest difference of `measure` between two groups."""
    if isinstance(groups, str | list):
        highest, lowest = (_extreme(f, measure, groups, levels) for f in ("max", "min"))
        return Binary("-", highest, lowest)
    return Call("abs", (Binary("-", *pair_of_groups(measure, groups, levels)),))


def _extreme(function: str, measure: str, groups: Groups, levels: Sequence[Literal]) -> Node:
    """The highest or lowest value of `measure` in any group."""
    if not isinstance(groups, str | list):
        return Call(function, pair_of_groups(measure, groups, levels))
    return Quantified(function, Measure(measure), groupings(groups, levels))


def _parsed(left: Node, operator: str, right: Node) -> Constraint:
    return parse(str(Constraint(left, operator, right)))
