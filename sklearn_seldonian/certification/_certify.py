"""Certificates for any fitted classifier or regressor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from sklearn_seldonian._keywords import refuse_unknown_keywords
from sklearn_seldonian.certification import _requests
from sklearn_seldonian.certification._asked import Asked
from sklearn_seldonian.certification._certificate import SafetyCertificate
from sklearn_seldonian.certification._certifier import run_safety_test
from sklearn_seldonian.certification._provenance import other_rows
from sklearn_seldonian.certification._registry import recorded
from sklearn_seldonian.certification._safety_statistics import labelled_rows
from sklearn_seldonian.certification._specification import BoundSpecification, Specification
from sklearn_seldonian.certification._tables import collected, is_dataset
from sklearn_seldonian.constraints import Cells, Constraint
from sklearn_seldonian.data._row_sketch import rows_of_predictions
from sklearn_seldonian.data._shift import Shift, check_has_column, shift_of
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._targets import Targets
from sklearn_seldonian.data._units import units_of


@refuse_unknown_keywords
def certify(
    estimator: Any,
    X: Any,
    y: Any,
    constraints: str | Constraint | Iterable[str | Constraint],
    *,
    delta: Any = 0.05,
    sensitive_features: Any = None,
    method: str = "auto",
    decision: str = "argmax",
    pos_label: Any = None,
    measures: Any = (),
    target_range: Any = None,
    prediction_range: Any = None,
    missing: str = "error",
    groups: Any = None,
    max_group_size: Any = None,
    sample_weight: Any = None,
    max_weight: Any = None,
    shift: Any = None,
    registry: Any = None,
    random_state: Any = None,
) -> SafetyCertificate:
    """Test a fitted classifier or regressor against constraints on data it has not seen.

    Parameters
    ----------
    estimator : classifier or regressor
        Any fitted scikit-learn estimator or pipeline; it is not changed.
    X : array-like of shape (n_rows, ...)
        Whatever `estimator` predicts from. With a name as `y`, a table with all columns: a pyarrow
        Dataset, the path of a Parquet file or folder, a dask DataFrame, which are read part by
        part, or a table in memory.
    y : array-like of shape (n_rows,), or str
        Labels that `estimator` knows, or numbers; or the column of `X` that holds them. Then the
        estimator predicts from the columns of its ``feature_names_in_``, or from all that are
        neither label nor sensitive feature if it has none.
    constraints : str, Constraint, or sequence of them
    delta : float or sequence of float, default=0.05
        Accepted probability of certifying a constraint that is violated; one number, or
        one for each constraint. It is a probability of error: the confidence level is
        1 - delta, and values from 0.5 on are warned of.
    sensitive_features : Series, DataFrame or array-like of n_rows, default=None
        Columns for the constraints' conditions, or their names where `y` is one. Columns of `X`
        count too where it is a DataFrame. They are given to a ``predict`` that takes them.
    method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        As in `SeldonianClassifier`.
    decision : {"argmax", "sample"}, default="argmax"
        "argmax": the labels that ``estimator.predict`` returns are certified. "sample":
        labels drawn from ``estimator.predict_proba``.
    pos_label : label, default=None
        The positive class of a binary problem; None: the second of ``classes_``.
    measures : sequence of RowMeasure, default=()
        The user's own measures.
    target_range, prediction_range : (low, high), default=None
        Of a regressor: between which numbers every target and every prediction lies, known
        beforehand and not read off the rows. With both there is a finite-sample test of
        errors. None: any number.
    missing : {"error", "exclude"}, default="error"
        What to do with rows that have no value in a column that constraints name. "error": refuse
        them. "exclude": they meet no condition on it, be it ``sex == "F"``, ``sex != "F"`` or
        ``not F``, and count where there is no such condition. The certificate then says how many
        they are, and that it is about groups as far as they are recorded.
    groups : array-like of shape (n_rows,), default=None
        Rows with the same value belong together, such as those of one person, school or day. They
        may depend on each other in any way; what is drawn independently are the groups. None: the
        rows themselves.
    max_group_size : int, default=None
        How many rows a group can have at most, known beforehand. None: the most that one has here,
        which becomes an assumption of the certificate.
    sample_weight : array-like of shape (n_rows,), default=None
        How much each row counts, at least 0: survey weights, or how much likelier the row is in
        the population of interest than here. The certificate is about the weighted population.
    max_weight : float, default=None
        What no weight can exceed, known beforehand. None: the largest weight here, which becomes
        an assumption of the certificate.
    shift : mapping of a column to the shares of its levels, default=None
        The populations to certify for, as in ``{"race": {"A": (0.2, 0.4), "B": (0.6, 0.8)}}``:
        all in which each level has a share in its range, while the rows within a level stay what
        they are. A share may be one number. All levels are named. The column is one of
        `sensitive_features` or `X`. None: the population that the rows are drawn from.
    registry : path, default=None
        A file in which tests are recorded, as in `SeldonianClassifier`. Other tests of the same
        rows that are on record are warned of, and noted in the certificate. None: nothing is
        recorded.
    random_state : int, RandomState or None, default=None
        What decides the order in which rows are looked at where a test looks at them one after
        another (drawn decisions, errors, your own measures). None draws an order anew, which
        the certificate keeps as its ``order_seed``; give that to repeat the test. The order
        that the rows are given in does not matter. delta is the probability of error over
        the draw of the rows and of this seed: do not choose a seed for its result, and do not
        test the same rows again in other orders until they pass.

    Returns
    -------
    SafetyCertificate

    Raises
    ------
    ValueError
        If there are no constraints, `y` holds labels that `estimator` does not know, a target
        or prediction is outside its range, or a parameter is out of range.
    TypeError
        If something is of another kind than it must be, such as a class for an estimator.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_seldonian import certify
    >>> X, y = make_classification(2000, class_sep=2.0, random_state=0)
    >>> model = LogisticRegression().fit(X[:1000], y[:1000])
    >>> certify(model, X[1000:], y[1000:], "ACC >= 0.8").passed
    True
    """
    asked = Asked(
        estimator=estimator,
        constraints=constraints,
        delta=delta,
        method=method,
        decision=decision,
        pos_label=pos_label,
        measures=measures,
        target_range=target_range,
        prediction_range=prediction_range,
        missing=missing,
        of_rows={"max_group_size": max_group_size, "max_weight": max_weight, "shift": shift},
    )
    specification = asked.specification
    if isinstance(y, str) or is_dataset(X):
        _refuse_of_tables(
            groups=groups, sample_weight=sample_weight, shift=shift, registry=registry
        )
        return collected(asked, X, y, sensitive_features).certify(random_state=random_state)
    order_seed = _requests.order_seed(random_state)
    _requests.warn_of_large_delta(specification.deltas)
    answers = asked.answers(sensitive_features)
    targets = answers.targets
    populations = shift_of(shift)
    given_rows = X, y, measures, sensitive_features, populations
    rows, bound, cells = bound_rows(specification, targets, *given_rows)
    moved = None if populations is None else (populations, rows.columns[populations.column])
    most = max_group_size, max_weight
    units = units_of(groups, sample_weight, len(rows.y), *most, shift=moved)
    rows = dataclasses.replace(rows, units=units)
    origin = asked.origin(targets)
    with rows_of_predictions() as sightings:
        certificate = run_safety_test(
            bound, answers, rows, origin, order_seed, cells=cells, bound_by="tested"
        )
    _requests.check_ranges(bound, targets.range_remedy)
    assumptions = (*certificate.assumptions, other_rows(sightings))
    certificate = dataclasses.replace(certificate, assumptions=assumptions)
    return certificate if registry is None else recorded(registry, certificate, X, rows.y)


def _refuse_of_tables(**given: Any) -> None:
    """Refuse what needs all rows at once."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{name}= needs all rows in memory at once: give them as a frame or an array."
            )


def bound_rows(
    specification: Specification,
    targets: Targets,
    X: Any,
    y: Any,
    measures: Any,
    sensitive_features: Any,
    shift: Shift | None = None,
) -> tuple[LabelledRows, BoundSpecification, Cells]:
    """Rows that any estimator takes, and the meaning that they give to a specification."""
    more = () if shift is None else (shift.column,)
    rows = labelled_rows(specification, targets, X, y, sensitive_features, more)
    columns = rows.columns
    check_has_column(shift, columns)
    bound, cells = specification.bound_to(columns, len(rows.y), targets, measures, named=columns)
    return rows, bound, cells
