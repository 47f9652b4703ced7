"""Outputs of a net: in its precision, in batches of any size, and on the device that is there."""

import copy
import pickle

import numpy as np
import pytest
import torch
from skorch.exceptions import DeviceWarning
from torch import nn

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.learners.lagrangian import Adjustment, Classification, Inputs, Regression
from sklearn_seldonian.learners.lagrangian._outputs import UNADJUSTED
from sklearn_seldonian.learners.lagrangian._predicting import PredictingNet
from sklearn_seldonian.modules import MLP

PARITY = "abs(PR | [M] - PR | [F]) <= 0.3"


N_SAFETY = 500  # of the blobs; one batch of that size has all safety rows


def certified_in_batches(blobs, groups, rows_a_batch, decision="argmax"):
    """Results of a mean, a ratio and a difference; with drawn decisions also of a loss."""
    loss = ["Brier <= 0.3"] if decision == "sample" else []
    model = SeldonianClassifier(
        MLP,
        constraints=["ACC >= 0.6", "PPV >= 0.6", PARITY, *loss],
        max_epochs=2,
        random_state=0,
        eval_batch_size=rows_a_batch,
        decision=decision,
    ).fit(*blobs, sensitive_features=groups)
    assert len(model.safety_indices_) == N_SAFETY
    return model.certificate_.results


@pytest.mark.parametrize("rows_a_batch", [1, 7, 1000])
@pytest.mark.thinned(2)
def test_eval_batch_size_changes_nothing(blobs, groups, rows_a_batch):
    one = certified_in_batches(blobs, groups, N_SAFETY)
    assert certified_in_batches(blobs, groups, rows_a_batch) == one


@pytest.mark.parametrize("rows_a_batch", [1, 7, 1000])
@pytest.mark.thinned(2)
def test_eval_batch_size_changes_drawn_decisions_by_rounding(blobs, groups, rows_a_batch):
    whole = certified_in_batches(blobs, groups, N_SAFETY, decision="sample")
    parts = certified_in_batches(blobs, groups, rows_a_batch, decision="sample")
    for one, other in zip(whole, parts, strict=True):
        assert (one.passed, one.rows, one.reason) == (other.passed, other.rows, other.reason)
        for name in ("estimate", "bound", "g", "g_upper", "p_value"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), rel=0, abs=1e-6)


# -- a net that was not trained ----------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)


def net_of(module=None, task=None, criterion=nn.CrossEntropyLoss, eval_batch_size=None):
    torch.manual_seed(0)
    net = PredictingNet(module or nn.Linear(3, 2), criterion=criterion)
    net.task, net.eval_batch_size = task or Classification(2), eval_batch_size
    net.initialize()
    net.task_, net.adjustment_ = net.task, UNADJUSTED
    return net


class Recording(nn.Linear):
    """A layer that records the numbers of rows that it gets, and its mode."""

    def __init__(self):
        super().__init__(3, 2)
        self.seen = []

    def forward(self, X):
        self.seen.append((len(X), self.training))
        return super().forward(X)


@pytest.mark.parametrize(
    ("eval_batch_size", "seen"),
    # with fewer than 64 rows, the last one is repeated, so that rounding is the same
    [(None, [100]), (1000, [100]), (70, [70, 64]), (50, [64, 64])],
)
def test_outputs_are_computed_in_batches_in_eval_mode(eval_batch_size, seen):
    net = net_of(Recording(), eval_batch_size=eval_batch_size)
    net.module_.seen.clear()
    found = torch.cat(list(net.unadjusted_scores(Inputs(torch.from_numpy(X)))))
    expected = nn.functional.linear(torch.from_numpy(X), net.module_.weight, net.module_.bias)
    torch.testing.assert_close(found, expected.detach())
    assert net.module_.seen == [(n, False) for n in seen]
    assert not found.requires_grad


def test_probabilities_are_those_of_the_weights_without_adjustment():
    net = net_of()
    net.adjustment_ = Adjustment(1.0, (0.0, 5.0))
    outputs = torch.cat(list(net.forward_iter(X)))
    probabilities = torch.softmax(outputs, dim=1).numpy()
    np.testing.assert_allclose(net.predict_proba(X), probabilities, rtol=1e-6)
    np.testing.assert_array_equal(net.predict(X), probabilities.argmax(axis=1))
    adjusted = torch.cat(list(net.scores(Inputs(torch.from_numpy(X)))))
    assert (adjusted.argmax(dim=1) == 1).sum() > probabilities.argmax(axis=1).sum()


def test_a_regression_predicts_numbers_and_has_no_classes():
    net = net_of(nn.Linear(3, 1), Regression(10.0, 2.0), nn.MSELoss)
    outputs = torch.cat(list(net.forward_iter(X)))[:, 0].numpy()
    np.testing.assert_allclose(net.predict(X), 10.0 + 2.0 * outputs, rtol=1e-6)
    assert not hasattr(net, "classes_")
    assert net.__sklearn_tags__().estimator_type == "regressor"
    assert net_of().classes_.tolist() == [0, 1]
    assert net_of().__sklearn_tags__().estimator_type == "classifier"


@pytest.mark.parametrize(
    ("dtype", "of_outputs"),
    [
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.bfloat16, torch.float32),
    ],
)
def test_the_module_computes_in_its_own_precision(dtype, of_outputs):
    net = net_of(nn.Linear(3, 2).to(dtype), criterion=nn.CrossEntropyLoss(torch.ones(2)))
    assert net.dtype_ is dtype
    assert net.infer(X[:5]).dtype is of_outputs
    assert net.criterion_.weight.dtype is of_outputs


def test_images_are_computed_with_their_channels_last():
    net = net_of(nn.Sequential(nn.Conv2d(3, 2, 2), nn.Flatten()))
    assert net.module_[0].weight.is_contiguous(memory_format=torch.channels_last)


# -- copies ------------------------------------------------------------------------------------


def test_copies_predict_alike_and_do_not_contain_the_module_twice():
    net = net_of(nn.Linear(3, 2))
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))
    assert isinstance(net.module, nn.Linear)
    assert pickle.loads(pickle.dumps(net)).module is nn.Linear


def test_a_device_that_is_not_there_is_replaced(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    net = net_of(MLP(3, 2))
    monkeypatch.setattr(net, "device", "cuda:1")
    pickled = pickle.dumps(net)
    with pytest.warns(DeviceWarning, match="trained on 'cuda:1', which is not available here"):
        loaded = pickle.loads(pickled)
    assert loaded.device == "cpu"
    net.to_device("cpu")
    np.testing.assert_array_equal(loaded.predict_proba(X), net.predict_proba(X))
