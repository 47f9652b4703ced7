import json

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.certification import SafetyCertificate
from sklearn_seldonian.learners.lagrangian import ALONE
from sklearn_seldonian.learners.lagrangian._batches import Batches, Rows
from sklearn_seldonian.learners.lagrangian._processes import Processes
from sklearn_seldonian.model_selection import SeldonianSearchCV
from tests.learners.lagrangian._launch import on_digits, on_gpa, started, told


def test_alone_nothing_changes():
    values, layer = torch.arange(5.0), nn.Linear(2, 1)
    layer(torch.ones(3, 2)).sum().backward()
    gradient = layer.weight.grad.clone()
    ALONE.add_gradients(layer.parameters(), 3)
    ALONE.agree(layer)
    ALONE.average_buffers(layer)
    ALONE.check_same(object(), "never said")
    assert torch.equal(layer.weight.grad, gradient)
    for method in (ALONE.tensor_of_first, ALONE.summed, ALONE.part):
        assert method(values) is values
    assert ALONE.from_first(lambda: 3) == 3
    rng = np.random.RandomState(0)
    assert ALONE.random_numbers(rng) is rng


@pytest.mark.parametrize(("n_rows", "n"), [(12, 3), (13, 3), (14, 3), (2, 2)])
def test_parts_are_all_values_once(n_rows, n):
    values = torch.arange(n_rows)
    parts = [Processes(rank, n).part(values) for rank in range(n)]
    assert torch.equal(torch.cat(parts), values)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


class OneOfTwo(Processes):
    """One of two processes, whose order is known without communication."""

    def tensor_of_first(self, values):
        return torch.arange(len(values))


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "expected"),
    [(8, 4, [4, 4]), (11, 4, [4, 4]), (12, 4, [4, 4, 4]), (10, 6, [6, 4]), (4, 8, [4])],
)
def test_batches_are_divided_and_too_small_remainders_left_out(n_rows, batch_size, expected):
    rows = Rows(torch.arange(n_rows)[:, None], torch.arange(n_rows), torch.zeros(n_rows))
    of_each = [list(Batches(rows, batch_size, OneOfTwo(rank, 2))) for rank in range(2)]
    sizes = [sum(len(X) for X, _ in parts) for parts in zip(*of_each, strict=True)]
    assert sizes == expected
    seen = torch.cat([X[:, 0] for batches in of_each for X, _ in batches])
    assert sorted(seen.tolist()) == list(range(sum(expected)))
    assert all(len(X) >= 2 for batches in of_each for X, _ in batches)


@pytest.mark.parametrize(("n_rows", "batch_size"), [(100, 3), (3, 100)])
def test_batches_that_cannot_be_shared_are_refused(n_rows, batch_size):
    rows = Rows(torch.zeros(n_rows, 1), torch.zeros(n_rows), torch.zeros(n_rows))
    with pytest.raises(ValueError, match="2 processes cannot divide a batch of 3 rows"):
        Batches(rows, batch_size, Processes(0, 2))


def outputs(name):
    processes = started(name)
    return [(process.communicate(timeout=300), process.returncode) for process in processes]


@pytest.fixture(scope="module")
def fits():
    printed = []
    for (out, err), status in outputs("fits"):
        assert status == 0, err
        printed.append(json.loads(out.splitlines()[-1]))
    return printed


@pytest.mark.parametrize("name", ["classifier", "regressor", "unsettled"])
def test_all_processes_have_the_same_model_and_certificate(fits, name):
    first, second = (fit[name] for fit in fits)
    assert first == second


@pytest.mark.parametrize(("name", "fit"), [("classifier", on_digits), ("regressor", on_gpa)])
def test_training_together_gives_what_one_process_gives(fits, name, fit):
    alone, together = told(fit(False)), fits[0][name]
    np.testing.assert_allclose(together["loss"], alone["loss"], rtol=1e-3)
    np.testing.assert_allclose(together["weights"], alone["weights"], atol=1e-3)
    bounds = [
        [result.bound for result in SafetyCertificate.from_json(each["certificate"]).results]
        for each in (together, alone)
    ]
    np.testing.assert_allclose(*bounds, rtol=0.01)


def test_what_cannot_be_shared_is_refused_everywhere(fits):
    for fit in fits:
        assert "process must call fit with the same ones" in fit["other rows"]
        assert "2 processes cannot divide a batch of 3 rows" in fit["small batches"]


@pytest.mark.parametrize(
    "name", ["killed_in_training", pytest.param("killed_after_the_test", marks=pytest.mark.slow)]
)
def test_a_process_that_is_killed_ends_the_run_without_a_certificate(name):
    ((out, err), status), (_, killed) = outputs(name)
    assert killed < 0
    assert "no model and no certificate" in out
    assert status == 0, err


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"iterator_train__num_workers": 1}, "was given together with distributed=True"),
        ({"distributed": 2}, "must be an instance of 'bool'"),
    ],
)
def test_what_does_not_go_with_it_is_refused(parameters, message):
    model = SeldonianClassifier(**{"distributed": True, **parameters})
    with pytest.raises(ValueError, match=message):
        model.fit(np.zeros((10, 1)), np.arange(10) % 2)


def test_a_search_refuses_it():
    search = SeldonianSearchCV(SeldonianClassifier(distributed=True), {"lr": [0.1]})
    with pytest.raises(ValueError, match="train models in parallel with n_jobs"):
        search.fit(np.zeros((10, 1)), np.arange(10) % 2)


def test_without_a_launch_it_is_one_process():
    X, y = np.eye(40)[:, :2], np.arange(40) % 2
    model = SeldonianClassifier(distributed=True, max_epochs=1, random_state=0).fit(X, y)
    alone = SeldonianClassifier(max_epochs=1, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), alone.predict_proba(X))
