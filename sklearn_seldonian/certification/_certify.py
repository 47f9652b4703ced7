"""Certificates for any fitted classifier or regressor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import partial
from typing import Any

from sklearn_seldonian._keywords import refuse_unknown_keywords
from sklearn_seldonian._warnings import each_warning_once
from sklearn_seldonian.certification import _requests
from sklearn_seldonian.certification._asked import Asked
from sklearn_seldonian.certification._certificate import SafetyCertificate
from sklearn_seldonian.certification._certifier import safety_test_at, untested_certificate
from sklearn_seldonian.certification._provenance import other_rows
from sklearn_seldonian.certification._registry import recorded
from sklearn_seldonian.certification._safety_statistics import labelled_rows
from sklearn_seldonian.certification._several import ModelTest, certificates_of, check_multiple
from sklearn_seldonian.certification._specification import BoundSpecification, Specification
from sklearn_seldonian.certification._tables import collected, is_dataset
from sklearn_seldonian.constraints import Cells, Constraint
from sklearn_seldonian.data._row_sketch import rows_of_predictions
from sklearn_seldonian.data._shift import Shift, check_has_column, shift_of
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._targets import Targets
from sklearn_seldonian.data._units import refuse_alone, units_of


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
    multiple: Any = None,
    random_state: Any = None,
) -> Any:
    """Test a fitted classifier or regressor against constraints on data it has not seen.

    Parameters
    ----------
    estimator : classifier or regressor, or dict of them
        Any fitted scikit-learn estimator or pipeline; it is not changed. Several by their names,
        which `multiple` says how to test.
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
    multiple : {"fixed-sequence", "holm"}, default=None
        How several models are tested on the same rows, so that the probability that any model is
        certified that violates a constraint is at most delta [1]_. "fixed-sequence": each at the
        full delta, in the order of the dict, up to the first that fails. "holm": all of them, at
        delta / number of models first, and at larger shares as models pass. Models and order must
        not depend on the rows. For thresholds of one fitted model, give
        ``{str(t): FixedThresholdClassifier(FrozenEstimator(model), threshold=t)}``.
    random_state : int, RandomState or None, default=None
        What decides the order in which rows are looked at where a test looks at them one after
        another (drawn decisions, errors, your own measures). None draws an order anew, which
        the certificate keeps as its ``order_seed``; give that to repeat the test. The order
        that the rows are given in does not matter. delta is the probability of error over
        the draw of the rows and of this seed: do not choose a seed for its result, and do not
        test the same rows again in other orders until they pass.

    Returns
    -------
    SafetyCertificate, or dict of str to SafetyCertificate
        Of several models each has its certificate, one that was not reached too. Whichever of those
        that passed is taken, by whatever rule, the promise is that of a single test.

    Raises
    ------
    ValueError
        If there are no constraints, `y` holds labels that `estimator` does not know, a target
        or prediction is outside its range, or a parameter is out of range.
    TypeError
        If something is of another kind than it must be, such as a class for an estimator.

    References
    ----------
    .. [1] A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan and L. Lei, "Learn then test:
       calibrating predictive algorithms to achieve risk control", arXiv:2110.01052, 2021.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_seldonian import certify
    >>> X, y = make_classification(2000, class_sep=2.0, random_state=0)
    >>> model = LogisticRegression().fit(X[:1000], y[:1000])
    >>> certify(model, X[1000:], y[1000:], "ACC >= 0.8").passed
    True
    >>> models = {"strong": model, "weak": LogisticRegression(C=1e-6).fit(X[:1000], y[:1000])}
    >>> found = certify(models, X[1000:], y[1000:], "ACC >= 0.9", multiple="holm")
    >>> [name for name, certificate in found.items() if certificate.passed]
    ['strong']
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
    order_seed = _requests.order_seed(random_state)
    _requests.warn_of_large_delta(asked.specification.deltas)
    check_multiple(estimator, multiple)
    of_units = {"groups": groups, "sample_weight": sample_weight, "shift": shift}
    is_read = isinstance(y, str) or is_dataset(X)
    if is_read:
        _refuse_of_tables(**of_units, registry=registry)
        refuse_alone("groups", max_group_size=max_group_size)
        refuse_alone("sample_weight", max_weight=max_weight)
    given = X, y, sensitive_features

    def test_of(model: Any) -> ModelTest:
        of_model = dataclasses.replace(asked, estimator=model)
        if not is_read:
            return _test_in_memory(of_model, *given, order_seed, **of_units)
        statistics = collected(of_model, *given)
        return ModelTest(partial(statistics.certificate, order_seed), statistics.untested)

    if multiple is None:
        certificates = {"": test_of(estimator).certificate(1.0)}
    else:
        tests = {name: partial(test_of, model) for name, model in estimator.items()}
        with each_warning_once():
            certificates = certificates_of(tests, multiple)
    if registry is not None:
        certificates = recorded(registry, certificates, X, y)
    return certificates[""] if multiple is None else certificates


def _test_in_memory(
    asked: Asked,
    X: Any,
    y: Any,
    sensitive_features: Any,
    order_seed: int,
    *,
    groups: Any,
    sample_weight: Any,
    shift: Any,
) -> ModelTest:
    """The test of a model on rows that are all in memory."""
    answers = asked.answers(sensitive_features)
    targets, populations = answers.targets, shift_of(shift)
    given_rows = X, y, asked.measures, sensitive_features, populations
    rows, bound, cells = bound_rows(asked.specification, targets, *given_rows)
    moved = None if populations is None else (populations, rows.columns[populations.column])
    most = asked.of_rows["max_group_size"], asked.of_rows["max_weight"]
    units = units_of(groups, sample_weight, len(rows.y), *most, shift=moved)
    rows, origin = dataclasses.replace(rows, units=units), asked.origin(targets)
    with rows_of_predictions() as sightings:
        test = safety_test_at(
            bound, answers, rows, origin, order_seed, cells=cells, bound_by="tested"
        )
    _requests.check_ranges(bound, targets.range_remedy)
    of_the_model = other_rows(sightings)

    def certificate(share: float) -> SafetyCertificate:
        tested = test(share)
        return dataclasses.replace(tested, assumptions=(*tested.assumptions, of_the_model))

    def untested(reason: str) -> SafetyCertificate:
        return untested_certificate(bound, reason, len(rows.y), origin)

    return ModelTest(certificate, untested)


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
