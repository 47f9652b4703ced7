"""Run estimators on samples of a population, many times per sample size."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from inspect import isroutine
from numbers import Integral
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import get_scorer
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from sklearn_seldonian import __version__
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification._requests import warn_of_large_delta
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.experiments._summary import VALUE
from sklearn_seldonian.experiments._table import FIXED, ResultsFolder, to_frame, trial_of
from sklearn_seldonian.experiments._trial import (
    PROTOCOLS,
    Criteria,
    Data,
    Trial,
    deltas_of,
    run_trial,
    seed_names,
    values_of,
)
from sklearn_seldonian.measures import RowMeasure

DEFAULT_METRICS = {True: ("accuracy",), False: ("r2", "neg_mean_squared_error")}


def run_experiment(
    estimators: Mapping[str, Any],
    X: Any,
    y: Any,
    constraints: Any,
    *,
    sensitive_features: Any = None,
    sample_sizes: Sequence[int],
    n_trials: int,
    protocol: str = "resample",
    metrics: Any = None,
    measures: Sequence[RowMeasure] = (),
    pos_label: Any = None,
    n_jobs: int | None = None,
    random_state: int = 0,
    results: str | os.PathLike[str] | None = None,
    verbose: int = 1,
) -> pd.DataFrame:
    """Fit estimators to samples of many sizes, and evaluate all of them on the population.

    For each sample size and trial one sample is drawn, the same for all estimators. Each estimator
    is fitted to it, and its model is scored on the population, which is `X` and `y` themselves.
    All methods are evaluated by the decisions that ``predict`` returns there: a trial is a failure
    if a model was returned and the value of any constraint on these decisions is above its limit.
    If decisions are drawn at random (``decision="sample"``, randomised baselines), they are drawn
    once, and constraints and metrics are computed from that draw. The constraints' values for mean
    probabilities are in separate columns (``g_soft_0``, ...), for methods that promise something
    about these.

    Parameters
    ----------
    estimators : mapping of str to estimator
        Any scikit-learn estimators, all classifiers or all regressors, by name. They are cloned,
        and every `random_state` is set for each trial. A Seldonian estimator without constraints
        gets those of the experiment. One with its own constraints keeps them, but is evaluated by
        those of the experiment. `sensitive_features` are passed to estimators whose `fit` or
        `predict` has this parameter or requests it by metadata routing. For fairlearn see
        `FairlearnClassifier`. A random classifier is ``DummyClassifier(strategy="uniform")``.
    X : array-like of shape (n_rows, ...)
        The features of the population.
    y : array-like of shape (n_rows,)
        The labels or numbers of the population.
    constraints : str, Constraint, or sequence of them
        The constraints that models are evaluated by.
    sensitive_features : Series, DataFrame or array-like of n_rows, default=None
        Columns that the constraints' conditions name.
    sample_sizes : sequence of int
        The numbers of rows to fit to.
    n_trials : int
        The number of trials per sample size.
    protocol : {"resample", "holdout"}, default="resample"
        "resample": the sample is drawn with replacement from all rows, and all rows are the
        population, so that scores are exact. "holdout": the sample is drawn without replacement,
        and the other rows represent the population. Values near a limit may then be on either side
        of it by chance.
    metrics : str, callable, sequence or mapping of them, default=None
        Names of scikit-learn's scorers, or callables ``(model, X, y)``, evaluated on the
        population. None: accuracy for classifiers, r2 and mean squared error for regressors.
    measures : sequence of RowMeasure, default=()
        Measures of your own that the experiment's constraints name.
    pos_label : label, default=None
        The positive class of the experiment's constraints. None: the second of two classes.
    n_jobs : int, default=None
        The number of trials that run at the same time, as in joblib. Trials run in processes, not
        in threads, because torch has one generator per process. With
        ``joblib.parallel_config(backend="dask")`` they run on a dask.distributed cluster.
    random_state : int, default=0
        The sample and the seeds of a trial depend on this number, the sample size and the number
        of the trial alone.
    results : path, default=None
        A folder, to which each trial is written as a CSV file when it ends. Trials that are in the
        folder are not run again. An experiment that was interrupted therefore continues where it
        stopped, and one with more sizes, trials or estimators runs only the new trials. None:
        nothing is written.
    verbose : int, default=1
        1 shows a progress bar if the output is a terminal.

    Returns
    -------
    DataFrame
        One row per trial, with these columns:

        - ``estimator``, ``sample_size`` and ``trial`` (counted from 0);
        - ``solution_found``, which is always True for estimators that cannot refuse;
        - ``failure``, whether a model was returned that violates a constraint;
        - ``seconds`` of fitting, and the text of an ``error``, if there was one;
        - ``g_0``, ... and ``g_soft_0``, ..., the constraints' values for decisions and for
          probabilities; a constraint is violated if its value is above zero;
        - one column per metric.

        Values are NaN if there is no model. A value of 0/0, such as a rate in a group without
        rows, is NaN too and counts as satisfied.

    Raises
    ------
    ValueError
        If a parameter is out of range, if a constraint names something that is not in the data, or
        if `results` has trials that were run with other settings.

    Warns
    -----
    UserWarning
        If the `delta` of an estimator is 0.5 or more.
    UserWarning
        If trials ended in an error. They are in the table with the text of the error. A trial
        without values of the constraints counts as a trial without solution. Metrics or
        probabilities that could not be computed are NaN, and do not change ``solution_found`` and
        ``failure``.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_seldonian.datasets import load_gpa
    >>> from sklearn_seldonian.experiments import run_experiment
    >>> gpa = load_gpa(as_frame=True)
    >>> results = run_experiment(
    ...     {
    ...         "logistic": LogisticRegression(max_iter=1000),
    ...         "random": DummyClassifier(strategy="uniform"),
    ...     },
    ...     gpa.data,
    ...     gpa.target,
    ...     "abs(PR | [M] - PR | [F]) <= 0.1",
    ...     sensitive_features=gpa.sensitive_features,
    ...     sample_sizes=[1000],
    ...     n_trials=2,
    ... )
    >>> results.groupby("estimator")["failure"].mean().to_dict()
    {'logistic': 1.0, 'random': 0.0}
    """
    sizes, (n_trials,) = _counts("sample_sizes", sample_sizes), _counts("n_trials", [n_trials])
    indexable(X, y, sensitive_features)
    y = np.asarray(y)
    _check_protocol(protocol, sizes, len(y))
    classifies = _all_classify(estimators)
    criteria = Criteria(
        parse_all(constraints),
        tuple(measures),
        pos_label,
        _scorers(DEFAULT_METRICS[classifies] if metrics is None else metrics),
        np.unique(y) if classifies else None,
        protocol,
        _checked_seed(random_state),
    )
    data = Data(X, y, sensitive_features)
    # Evaluating a model that learns nothing shows errors at once that every trial would have.
    dummy = DummyClassifier() if classifies else DummyRegressor()
    values_of(dummy.fit(X, y), data, criteria, "g", "argmax")
    warn_of_large_delta([delta for each in estimators.values() for delta in deltas_of(each)])

    trials = [Trial(name, m, i) for i in range(n_trials) for m in sizes for name in estimators]
    folder, rows = None, []
    if results is not None:
        folder = ResultsFolder(results)
        folder.open(_settings(estimators, data, criteria))
        rows = folder.rows(trials)
    done = {trial_of(row) for row in rows}
    calls = (
        delayed(run_trial)(trial, estimators[trial.estimator], data, criteria)
        for trial in trials
        if trial not in done
    )
    new = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(calls)
    quiet = None if verbose else True  # None: no bar if there is no terminal
    for row in tqdm(new, "Trials", len(trials), initial=len(done), disable=quiet):
        rows.append(row)
        if folder:
            folder.add(row)
    table = to_frame(rows, list(estimators))
    _warn_of_errors(table)
    return table


# -- parameters -----------------------------------------------------------------------------------


def _counts(name: str, values: Any) -> list[int]:
    """The values as positive whole numbers, without repetitions. There must be at least one."""
    counts = list(values) if isinstance(values, Iterable) else []
    if not counts or not all(isinstance(n, Integral) and int(n) > 0 for n in counts):
        raise ValueError(f"{name} must be positive whole numbers, got {values!r}.")
    return list(dict.fromkeys(int(n) for n in counts))


def _checked_seed(random_state: Any) -> int:
    if not isinstance(random_state, Integral) or int(random_state) < 0:
        raise ValueError(
            "random_state must be a whole number from 0 on, from which the seeds of all trials are "
            f"computed, got {random_state!r}."
        )
    return int(random_state)


def _check_protocol(protocol: str, sample_sizes: Sequence[int], n_rows: int) -> None:
    if protocol not in PROTOCOLS:
        known = ", ".join(map(repr, PROTOCOLS))
        raise ValueError(f"protocol must be one of {known}, got {protocol!r}.")
    if protocol == "holdout" and max(sample_sizes) >= n_rows:
        raise ValueError(
            f"sample_sizes has {max(sample_sizes)}. With protocol='holdout' it must be below the "
            f"number of rows, which is {n_rows}, so that rows are left to evaluate models on."
        )


def _all_classify(estimators: Any) -> bool:
    """Whether all estimators are classifiers rather than all regressors."""
    if not isinstance(estimators, Mapping) or not estimators:
        raise ValueError(
            "estimators must map at least one name to an estimator, as in "
            "{'logistic': LogisticRegression()}."
        )
    if not all(isinstance(name, str) for name in estimators):
        raise ValueError(f"The names of estimators must be texts, got {list(estimators)!r}.")
    for kind in (is_classifier, is_regressor):
        if all(map(kind, estimators.values())):
            return kind is is_classifier
    others = [n for n, e in estimators.items() if not (is_classifier(e) or is_regressor(e))]
    if others:
        raise ValueError(
            f"These estimators are neither classifiers nor regressors: "
            f"{', '.join(map(repr, others))}. Wrap fairlearn's methods in FairlearnClassifier."
        )
    raise ValueError(
        "estimators has both classifiers and regressors: give classifiers only, or regressors only."
    )


def _scorers(metrics: Any) -> dict[str, Callable[..., float]]:
    """Scorers by name."""
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if not isinstance(metrics, Mapping):
        metrics = {m if isinstance(m, str) else m.__name__: m for m in metrics}
    taken = [name for name in metrics if name in FIXED or VALUE.fullmatch(name)]
    if taken:
        raise ValueError(
            f"A metric is named {taken[0]!r}, which is the name of another column of the table: "
            "give it another name."
        )
    return {name: get_scorer(metric) for name, metric in metrics.items()}


# -- the settings of trials -----------------------------------------------------------------------


def _settings(
    estimators: Mapping[str, Any], data: Data, criteria: Criteria
) -> dict[str, dict[str, Any]]:
    """Everything that a trial's row depends on except its estimator's name and size, as texts."""
    shared = {
        "version of sklearn-seldonian": __version__,
        **vars(criteria),
        "constraints": [str(constraint) for constraint in criteria.constraints],
        **{f"fingerprint of {name}": joblib.hash(part) for name, part in data._asdict().items()},
    }
    del shared["classes"]  # part of the data
    own = {}
    for name, estimator in estimators.items():
        params = estimator.get_params()
        fixed = {key: params[key] for key in sorted(params.keys() - set(seed_names(params)))}
        own[name] = {"class": type(estimator).__name__, **_described(fixed)}
    return {"shared": _described(shared), "estimators": own}


def _described(values: Mapping[str, Any]) -> dict[str, str]:
    """Each value as a text that is the same in every process."""
    with np.printoptions(threshold=sys.maxsize):
        return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    """The value's repr. An address in it is replaced by a hash of the content, if possible."""
    text, n_addresses = re.subn(r" at 0x[0-9A-Fa-f]+", "", repr(value))
    if not n_addresses or isroutine(value):
        return text
    with suppress(Exception):  # objects that cannot be pickled raise errors of many types
        return f"{text} with content {joblib.hash(value)}"
    return text


def _warn_of_errors(table: pd.DataFrame) -> None:
    failed = table.loc[table["error"] != "", "error"]
    if len(failed):
        warn_user(
            f"{len(failed)} of {len(table)} trials ended in an error. They count as trials without "
            "solution, unless only a metric or probabilities could not be computed. First error: "
            f"{failed.iloc[0]}"
        )
