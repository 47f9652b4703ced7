"""Certificates for any fitted classifier or regressor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import partial
from typing import Any

from sklearn_seldonian._keywords import refuse_unknown_keywords
from sklearn_seldonian._warnings import each_warning_once
from sklearn_seldonian.certification import _requests
from sklearn_seldonian.certification._certificate import SafetyCertificate
from sklearn_seldonian.certification._certifier import safety_test_at, untested_certificate
from sklearn_seldonian.certification._certify_parameters import CertifyParameters
from sklearn_seldonian.certification._provenance import other_rows
from sklearn_seldonian.certification._registry import with_reuse_warnings
from sklearn_seldonian.certification._safety_statistics import labelled_rows
from sklearn_seldonian.certification._several import ModelTest, certificates_of, check_multiple
from sklearn_seldonian.certification._specification import BoundSpecification, Specification
from sklearn_seldonian.certification._tables import collected, is_dataset
from sklearn_seldonian.constraints import Cells, Constraint
from sklearn_seldonian.data._groups import check_same_order
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
    """Test a fitted classifier or regressor against constraints, on rows that it was not fitted to.

    Parameters
    ----------
    estimator : classifier or regressor, or dict of them
        Any fitted scikit-learn estimator or pipeline; it is not changed. To test several models,
        give a dict of them by name, and `multiple`.
    X : array-like of shape (n_rows, ...)
        What `estimator` predicts from. If `y` is the name of a column, X is a table with all
        columns: a pyarrow Dataset, the path of a Parquet file or folder, or a dask DataFrame, which
        are read part by part, or a table in memory.
    y : array-like of shape (n_rows,), or str
        Labels that `estimator` knows, or numbers; or the name of the column of `X` that holds them.
        If it is a name, the estimator predicts from the columns of its ``feature_names_in_``. An
        estimator without names predicts from all columns that are neither label nor sensitive
        feature.
    constraints : str, Constraint, or sequence of them
        What to certify, such as ``"abs(PR | [M] - PR | [F]) <= 0.1"``.
    delta : float or sequence of float in (0, 1), default=0.05
        Largest accepted probability of certifying a constraint that is violated: one number, or one
        per constraint. It is a probability of error, and the confidence level is 1 - delta. Values
        of 0.5 and above give a warning.
    sensitive_features : Series, DataFrame or array-like of n_rows, default=None
        Columns for the conditions of the constraints, or their names if `y` is a name. Columns of
        `X` can be named in conditions too if `X` is a DataFrame. A ``predict`` method with this
        parameter is given the columns.
    method : {"auto", "exact", "asymptotic", "ttest"}, default="auto"
        As in `SeldonianClassifier`.
    decision : {"argmax", "sample"}, default="argmax"
        What is certified of a classifier. "argmax": the labels that ``estimator.predict`` returns.
        "sample": labels drawn from ``estimator.predict_proba``.
    pos_label : label, default=None
        The positive class of a binary problem; None: the second of ``classes_``.
    measures : sequence of RowMeasure, default=()
        Your own measures, which constraints can then name.
    target_range, prediction_range : (low, high), default=None
        For a regressor: the interval that contains every target, and the interval that contains
        every prediction, in the unit of the target. They must be known beforehand, not read off the
        rows. With both there is a finite-sample test of errors. None: any number is possible.
    missing : {"error", "exclude"}, default="error"
        What to do with rows that have no value in a column that constraints name. "error": refuse
        them. "exclude": such a row meets no condition on that column, neither ``sex == "F"`` nor
        ``sex != "F"`` nor ``not F``. It counts where there is no such condition. The certificate
        then says how many such rows there are, and that it covers groups as far as they are
        recorded. A label in `y` may be missing too: such a row counts in measures of decisions
        alone, such as ``PR``, and in no measure that uses labels.
    groups : array-like of shape (n_rows,), default=None
        Rows with the same value belong together, such as the rows of one person, school or day.
        They may depend on each other in any way, but the groups must be independent draws. None:
        each row is an independent draw.
    max_group_size : int, default=None
        The largest number of rows that a group can have, known beforehand. None: the largest number
        in these data, which becomes an assumption of the certificate.
    sample_weight : array-like of shape (n_rows,), default=None
        Nonnegative weight of each row: a survey weight, or how much more likely the row is in the
        population of interest than in these data. The certificate is about the weighted population.
    max_weight : float, default=None
        The largest weight that a row can have, known beforehand. None: the largest weight in these
        data, which becomes an assumption of the certificate.
    shift : mapping of a column to the shares of its levels, default=None
        The populations to certify for, as in ``{"race": {"A": (0.2, 0.4), "B": (0.6, 0.8)}}``.
        These are all populations in which the share of each level is in its range, and in which the
        distribution within each level is the same as in the population of these rows. A share may
        be one number instead of a range. All levels must be named. The column is one of
        `sensitive_features` or `X`. None: the population that the rows are drawn from.
    registry : path, default=None
        A file in which tests are recorded, as in `SeldonianClassifier`. If other tests of the same
        rows are on record, there is a warning, and the certificate says so. None: nothing is
        recorded.
    multiple : {"fixed-sequence", "holm"}, default=None
        How several models are tested on the same rows. With both methods, the probability of
        certifying any model that violates a constraint is at most delta [1]_. "fixed-sequence":
        each model is tested at the full delta, in the order of the dict, up to the first that
        fails. "holm": all models are tested, first at delta divided by their number, and at larger
        shares as models pass. The models and their order must not depend on the rows. For
        thresholds of one fitted model, give
        ``{str(t): FixedThresholdClassifier(FrozenEstimator(model), threshold=t)}``.
    random_state : int, RandomState or None, default=None
        The seed of the order in which a test uses the rows one after another (drawn decisions,
        ``Brier``, ``Calibration_Error``, regression errors, your own measures, rows with groups or
        weights). None draws a new order. The certificate keeps the seed as ``order_seed``, with
        which the test can be repeated. The order in which the rows are given does not matter. delta
        is the probability of error over the draw of the rows and of this seed. So do not choose a
        seed for its result, and do not test the same rows again in other orders until they pass.

    Returns
    -------
    SafetyCertificate, or dict of str to SafetyCertificate
        One certificate. For several models, one certificate per model, including models that were
        not reached. You may choose among the models that passed by any rule. The probability that
        any model that violates a constraint passes is at most delta, as for one model.

    Raises
    ------
    ValueError
        If there are no constraints, if `y` has labels that `estimator` does not know, if a target
        or prediction is outside its range, or if a parameter is out of range.
    TypeError
        If an argument has the wrong type, such as a class instead of an estimator.

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
    parameters = CertifyParameters(
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
    _requests.warn_of_large_delta(parameters.specification.deltas)
    check_multiple(estimator, multiple)
    of_units = {"groups": groups, "sample_weight": sample_weight, "shift": shift}
    is_read = isinstance(y, str) or is_dataset(X)
    if is_read:
        _refuse_of_tables(**of_units, registry=registry)
        refuse_alone("groups", max_group_size=max_group_size)
        refuse_alone("sample_weight", max_weight=max_weight)
    given = X, y, sensitive_features

    def test_of(model: Any) -> ModelTest:
        of_model = dataclasses.replace(parameters, estimator=model)
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
        certificates = with_reuse_warnings(registry, certificates, X, y)
    return certificates[""] if multiple is None else certificates


def _test_in_memory(
    parameters: CertifyParameters,
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
    check_same_order(
        X=X, y=y, sensitive_features=sensitive_features, groups=groups, sample_weight=sample_weight
    )
    answers = parameters.answers(sensitive_features)
    targets, populations = answers.targets, shift_of(shift)
    given_rows = X, y, parameters.measures, sensitive_features, populations
    rows, bound, cells = bound_rows(parameters.specification, targets, *given_rows)
    moved = None if populations is None else (populations, rows.columns[populations.column])
    most = parameters.of_rows["max_group_size"], parameters.of_rows["max_weight"]
    sampling = units_of(groups, sample_weight, len(rows.y), *most, shift=moved)
    rows, origin = dataclasses.replace(rows, sampling=sampling), parameters.origin(targets)
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
    """Refuse arguments that need all rows in memory."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{name}= needs all rows in memory, and a table is read part by part. Give X as a "
                "frame or an array, and y as an array."
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
    """Labelled rows, and the specification with the meaning that they give to its names."""
    more = () if shift is None else (shift.column,)
    rows = labelled_rows(specification, targets, X, y, sensitive_features, more)
    columns = rows.columns
    check_has_column(shift, columns)
    bound, cells = specification.bound_to(columns, len(rows.y), targets, measures, named=columns)
    return rows, bound, cells
