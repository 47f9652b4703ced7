"""Solution rates, failure rates and performance of trials, with confidence intervals."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest, t

from sklearn_seldonian.experiments._table import FIXED
from sklearn_seldonian.experiments._trial import ROUNDING

# Names of the columns with the constraints' values.
VALUE = re.compile(r"g_(soft_)?\d+")


def summarise_results(
    results: pd.DataFrame,
    *,
    metric: str | None = None,
    violation: str = "hard",
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """The solution rate, failure rate and performance of each estimator at each sample size.

    Both rates are shares of all trials of a size. The failure rate is the share of trials in which
    a model was returned that violates a constraint. ``delta`` promises an upper bound on it.
    Trials that ended in an error before decisions could be evaluated count as trials without
    solution.

    Parameters
    ----------
    results : DataFrame
        The table that `run_experiment` or `load_results` returned.
    metric : str, default=None
        The metric to use as the performance. None: the first one in the table.
    violation : {"hard", "soft"}, default="hard"
        Whether failures are violations by decisions ("hard") or by mean probabilities ("soft").
        With "soft", the failure rate of estimators without ``predict_proba`` is NaN.
    confidence_level : float in (0, 1), default=0.95
        The confidence level of the intervals.

    Returns
    -------
    DataFrame
        One row per estimator and sample size. ``trials``, ``solutions`` and ``failures`` are
        numbers of trials. ``solution_rate`` and ``failure_rate`` have exact Clopper-Pearson
        intervals (``..._low``, ``..._high``). ``performance`` is the mean of the metric over the
        solutions, with Student's interval.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn_seldonian.experiments import run_experiment, summarise_results
    >>> X, y = make_classification(random_state=0)
    >>> results = run_experiment(
    ...     {"all positive": DummyClassifier(strategy="constant", constant=1)}, X, y, "PR <= 0.6",
    ...     sample_sizes=[50], n_trials=10,
    ... )
    >>> summary = summarise_results(results).round(3)
    >>> summary[["failure_rate", "failure_rate_low", "performance"]].values.tolist()
    [[1.0, 0.692, 0.5]]
    """
    missing = FIXED.keys() - set(getattr(results, "columns", ()))
    if missing:
        raise ValueError(
            f"results has no columns {', '.join(sorted(missing))}. It must be the table that "
            "run_experiment or load_results returns."
        )
    if violation not in ("hard", "soft"):
        raise ValueError(f"violation must be 'hard' or 'soft', got {violation!r}.")
    if not 0 < confidence_level < 1:
        raise ValueError(
            f"confidence_level must be strictly between 0 and 1, got {confidence_level!r}."
        )
    failed = results["failure"] if violation == "hard" else _soft_failures(results)
    performance = results[_checked_metric(results, metric)]
    trials = results.assign(failed=failed.astype(float), performance=performance)
    return pd.DataFrame(
        {"estimator": name, "sample_size": size, **_point(group, confidence_level)}
        for (name, size), group in trials.groupby(["estimator", "sample_size"], sort=False)
    )


def metrics_of(results: pd.DataFrame) -> list[str]:
    """The metrics in a table of trials."""
    return [name for name in map(str, results) if name not in FIXED and not VALUE.fullmatch(name)]


def _checked_metric(results: pd.DataFrame, metric: str | None) -> str:
    known = metrics_of(results)
    if metric is None and known:
        return known[0]
    if metric not in known:
        raise ValueError(f"metric must be one of {', '.join(map(repr, known))}, got {metric!r}.")
    return metric


def _soft_failures(results: pd.DataFrame) -> pd.Series[float]:
    """1 if a returned model violates a constraint by its probabilities, NaN if this is unknown."""
    soft = results[[name for name in map(str, results) if name.startswith("g_soft_")]]
    violated = (soft > ROUNDING).any(axis=1).astype(float)
    unknown = results["solution_found"] & soft.isna().all(axis=1)
    return violated.mask(unknown)


def _point(trials: pd.DataFrame, level: float) -> dict[str, float]:
    """The summary of one estimator at one size."""
    n_trials, found = len(trials), trials["solution_found"]
    failures = trials["failed"].sum(skipna=False)
    return {
        "trials": n_trials,
        "solutions": int(found.sum()),
        "failures": failures,
        **_rate("solution_rate", found.sum(), n_trials, level),
        **_rate("failure_rate", failures, n_trials, level),
        **_mean("performance", trials.loc[found, "performance"].to_numpy(), level),
    }


def _rate(name: str, hits: float, n_trials: int, level: float) -> dict[str, float]:
    if np.isnan(hits):
        return _interval(name, math.nan, math.nan, math.nan)
    exact = binomtest(int(hits), n_trials).proportion_ci(level, method="exact")
    return _interval(name, hits / n_trials, exact.low, exact.high)


def _mean(name: str, values: NDArray[np.float64], level: float) -> dict[str, float]:
    n, mean, half = len(values), math.nan, math.nan
    if n:
        mean = values.mean()
    if n > 1:
        half = t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / math.sqrt(n)
    return _interval(name, mean, mean - half, mean + half)


def _interval(name: str, value: float, low: float, high: float) -> dict[str, float]:
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
