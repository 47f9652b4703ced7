"""Fits in threads give the results of one thread, and leave the process unchanged."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from joblib import Parallel, cpu_count, delayed
from sklearn.base import clone
from skorch.callbacks import Callback
from threadpoolctl import threadpool_info
from torch import nn

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.model_selection import SeldonianSearchCV


def network():
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 2))


class Network(nn.Module):
    """Draws its weights, and the units to drop, from torch's global generator."""

    def __init__(self):
        super().__init__()
        self.layers = network()

    def forward(self, X):
        return self.layers(X)


def classifier(**params):
    return SeldonianClassifier(
        Network, "ACC >= 0.1", **{"max_epochs": 2, "random_state": 0, **params}
    )


ESTIMATORS = {
    "classifier": classifier,
    "regressor": lambda: SeldonianRegressor(max_epochs=2, random_state=0),
    "search": lambda: SeldonianSearchCV(
        classifier(random_state=None), {"lr": [0.01]}, cv=2, random_state=0
    ),
    "loader": lambda: classifier(iterator_train__shuffle=True),
}


def weights(estimator):
    model = getattr(estimator, "best_estimator_", estimator)
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).tolist()


def in_a_pool(fit, estimators):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(fit, estimators))


def by_joblib(fit, estimators):
    return Parallel(n_jobs=4, backend="threading")(delayed(fit)(each) for each in estimators)


def global_state():
    return (
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
    )


@pytest.mark.parametrize("run", [in_a_pool, by_joblib])
@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
@pytest.mark.thinned(3)
def test_fits_in_threads_are_those_of_one_thread(blobs, make, run):
    X, y = (part[:300] for part in blobs)
    expected = weights(make().fit(X, y))
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = global_state()
    fitted = run(lambda estimator: estimator.fit(X, y), [make() for _ in range(8)])
    assert all(weights(estimator) == expected for estimator in fitted)
    assert global_state() == before


def test_loading_in_threads_draws_no_random_numbers(blobs, tmp_path):
    model = classifier().fit(*blobs)
    model.save_params(tmp_path / "weights")
    before = global_state()
    loaded = in_a_pool(lambda _: clone(model).load_params(tmp_path / "weights"), range(8))
    assert all(weights(each) == weights(model) for each in loaded)
    assert global_state() == before


class FitsAnother(Callback):
    def on_epoch_end(self, net, **kwargs):
        self.inner_ = classifier().fit(*self.data)


def test_a_fit_inside_a_fit_does_not_wait_for_it(blobs):
    """The inner fit also leaves the random numbers of the outer fit unchanged."""
    callback = FitsAnother()
    FitsAnother.data = blobs
    model = classifier(callbacks=[callback]).fit(*blobs)
    assert weights(model) == weights(classifier().fit(*blobs))


@pytest.mark.parametrize("seed", [0, 1])
def test_other_generators_are_not_seeded(blobs, seed, monkeypatch):
    """torch.manual_seed would seed the generators of all devices."""
    monkeypatch.setattr(torch, "manual_seed", None)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", None)
    classifier(random_state=seed).fit(*blobs)


def threads_used(estimator, X, y):
    """The number of threads that torch and BLAS may use, as a score."""
    blas = [pool["num_threads"] for pool in threadpool_info()]
    return max(torch.get_num_threads(), *blas)


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [2, 3])
def test_processes_share_the_cores(blobs, n_jobs, monkeypatch):
    """Together, the processes have no more threads than there are cores, or one each."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    X, y = (part[:300] for part in blobs)
    search = SeldonianSearchCV(
        classifier(max_epochs=1), {"lr": [0.01]}, cv=2, scoring=threads_used, n_jobs=n_jobs
    )
    search.fit(X, y)
    assert search.cv_results_["mean_test_score"][0] <= max(1, cpu_count() // n_jobs)
