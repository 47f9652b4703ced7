"""An experiment on a dask.distributed cluster of two processes."""

import os

import joblib
import pandas as pd
import pytest
from dask.distributed import Client, LocalCluster
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian.experiments import run_experiment


def process(model, X, y):
    """A metric: the number of the process that evaluates."""
    return os.getpid()


@pytest.mark.slow
def test_trials_run_on_the_cluster(blobs, groups, tmp_path):
    def run(**options):
        return run_experiment(
            {"logistic": LogisticRegression(), "random": DummyClassifier(strategy="uniform")},
            *blobs,
            "abs(PR | [M] - PR | [F]) <= 0.1",
            sensitive_features=groups,
            sample_sizes=[50, 400],
            n_trials=4,
            metrics=["accuracy", process],
            **options,
        )

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        workers = set(client.run(os.getpid).values())
        with joblib.parallel_config(backend="dask"):
            there = run(results=tmp_path)
    here = run()
    assert set(there["process"]) <= workers
    assert set(here["process"]) == {os.getpid()}
    assert set(there["error"]) == {""}
    others = ["seconds", "process"]
    pd.testing.assert_frame_equal(
        there.drop(columns=others), here.drop(columns=others), check_exact=True
    )
