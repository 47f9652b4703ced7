import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, ttest_1samp

from sklearn_seldonian.experiments import summarise_results


def table(found, g, g_soft=None, metrics=None):
    """Trials of one estimator at one size."""
    found = np.array(found, dtype=bool)
    g = np.array(g, dtype=float)
    return pd.DataFrame(
        {
            "estimator": "a",
            "sample_size": 100,
            "trial": range(len(found)),
            "solution_found": found,
            "failure": found & (g > 0),
            "seconds": 0.1,
            "error": "",
            "g_0": g,
            "g_soft_0": g if g_soft is None else g_soft,
            "accuracy": np.linspace(0.5, 0.6, len(found)) if metrics is None else metrics,
        }
    )


def exact(hits, n, level):
    """Clopper-Pearson's interval by quantiles of the beta distribution."""
    tail = (1 - level) / 2
    low = beta.ppf(tail, hits, n - hits + 1) if hits else 0.0
    high = beta.ppf(1 - tail, hits + 1, n - hits) if hits < n else 1.0
    return low, high


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize(("n_found", "n_failed"), [(10, 0), (10, 10), (6, 2), (0, 0)])
def test_rates_are_over_all_trials_with_exact_intervals(n_found, n_failed, level):
    found = np.arange(10) < n_found
    g = np.where(np.arange(10) < n_failed, 0.1, np.where(found, -0.1, np.nan))
    summary = summarise_results(table(found, g), confidence_level=level)
    (point,) = summary.to_dict("records")
    assert (point["trials"], point["solutions"], point["failures"]) == (10, n_found, n_failed)
    for name, hits in [("solution_rate", n_found), ("failure_rate", n_failed)]:
        assert point[name] == hits / 10
        found_ends = point[f"{name}_low"], point[f"{name}_high"]
        assert found_ends == pytest.approx(exact(hits, 10, level))


def test_performance_is_of_solutions():
    accuracy = np.array([0.6, 0.7, 0.75, np.nan])
    results = table([1, 1, 1, 0], [-1, -1, -1, np.nan], metrics=accuracy)
    (point,) = summarise_results(results).to_dict("records")
    interval = ttest_1samp(accuracy[:3], 0).confidence_interval(0.95)
    assert point["performance"] == pytest.approx(accuracy[:3].mean())
    assert point["performance_low"] == pytest.approx(interval.low)
    assert point["performance_high"] == pytest.approx(interval.high)


@pytest.mark.parametrize(("found", "mean"), [([1, 0], 0.5), ([0, 0], math.nan)])
def test_performance_of_one_solution_or_none_has_no_interval(found, mean):
    (point,) = summarise_results(table(found, [-1, -1])).to_dict("records")
    assert point["performance"] == pytest.approx(mean, nan_ok=True)
    assert math.isnan(point["performance_low"])
    assert math.isnan(point["performance_high"])


@pytest.mark.parametrize(
    ("g_soft", "failures"),
    [([0.1, -0.1, np.nan], 1), ([-0.1, 1e-12, np.nan], 0), ([np.nan] * 3, math.nan)],
)
def test_soft_failures(g_soft, failures):
    results = table([1, 1, 0], [0.1, 0.1, np.nan], g_soft)
    assert summarise_results(results)["failures"].tolist() == [2]
    (point,) = summarise_results(results, violation="soft").to_dict("records")
    assert point["failures"] == pytest.approx(failures, nan_ok=True)
    assert point["failure_rate"] == pytest.approx(failures / 3, nan_ok=True)
    assert math.isnan(point["failure_rate_low"]) == math.isnan(failures)


def test_one_row_an_estimator_and_size():
    first = table([1, 1], [-1, 1])
    results = pd.concat([first, first.assign(sample_size=9), first.assign(estimator="B")])
    points = summarise_results(results)[["estimator", "sample_size", "trials"]]
    assert points.to_numpy().tolist() == [["a", 100, 2], ["a", 9, 2], ["B", 100, 2]]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"metric": "recall"}, "metric must be one of 'accuracy', got 'recall'"),
        ({"metric": "seconds"}, "metric must be one of 'accuracy', got 'seconds'"),
        ({"violation": "firm"}, "violation must be 'hard' or 'soft', got 'firm'"),
        ({"confidence_level": 1.0}, "confidence_level must be strictly between 0 and 1, got 1.0"),
        ({"confidence_level": 0.0}, "confidence_level must be strictly between 0 and 1, got 0.0"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        summarise_results(table([1], [0]), **parameters)


@pytest.mark.parametrize("given", [None, pd.DataFrame({"estimator": ["a"]}), 3])
def test_other_tables_are_refused(given):
    with pytest.raises(ValueError, match="must be the table that run_experiment or load_results"):
        summarise_results(given)
