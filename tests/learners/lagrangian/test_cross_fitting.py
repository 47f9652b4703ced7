"""Linear modules are evaluated by copies that were not trained on the evaluated rows."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from torch import nn

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.constraints import Schema, Stratification, bind, parse
from sklearn_seldonian.learners.lagrangian._batches import Inputs, Rows
from sklearn_seldonian.learners.lagrangian._cross_fitting import (
    MAX_NUMBERS,
    N_FOLDS,
    CrossFitting,
    inputs_of,
    linear_layer,
    needs_cross_fitting,
)
from sklearn_seldonian.learners.lagrangian._lagrangian import Lagrangian, StratifiedRows
from sklearn_seldonian.learners.lagrangian._tasks import Classification
from sklearn_seldonian.modules import MLP, AdditiveModel
from sklearn_seldonian.selection import ConstrainedProblem


def frozen_then_linear():
    first = nn.Linear(3, 4).requires_grad_(False)
    return nn.Sequential(nn.Sequential(nn.Tanh()), first, nn.ReLU())


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.factor = nn.Linear(3, 2), nn.Parameter(torch.ones(1))

    def forward(self, X):
        return self.factor * self.layer(X)


@pytest.mark.parametrize(
    ("module", "is_linear"),
    [
        (MLP(3, 2, hidden=()), True),
        (nn.Linear(3, 2, bias=False), True),
        (nn.Sequential(nn.Flatten(), nn.Linear(3, 1), nn.Sigmoid()), True),
        (nn.Sequential(nn.BatchNorm1d(3, affine=False), nn.Linear(3, 2)), True),
        (AdditiveModel(3, 2, [[0, 0.5, 0, 1]]), True),
        (MLP(3, 2, hidden=(4,)), False),
        (frozen_then_linear(), False),
        (Scaled(), False),
        (nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2)), False),
    ],
)
def test_linear_is_what_trains_one_linear_layer(module, is_linear):
    layer = linear_layer(module)
    assert (layer is not None) == is_linear
    if is_linear:
        assert isinstance(layer, nn.Linear)


@pytest.mark.parametrize(
    ("n_inputs", "n_rows", "n_smallest", "expected"),
    [
        (20, 5000, 999, True),
        (20, 5000, 1000, False),  # with fifty rows per input, estimates are accurate
        (20, N_FOLDS - 1, 2, False),
        (20, N_FOLDS, 2, True),
        (2**14, MAX_NUMBERS // 2**14, 10, True),
        (2**14, MAX_NUMBERS // 2**14 + 1, 10, False),
    ],
)
def test_few_rows_of_the_smallest_group_flatter(n_inputs, n_rows, n_smallest, expected):
    layer = nn.Linear(n_inputs, 1, device="meta")
    assert needs_cross_fitting(layer, n_rows, n_smallest) == expected


def test_inputs_of_a_layer_are_what_comes_before_it():
    module = nn.Sequential(nn.Linear(3, 4).requires_grad_(False), nn.ReLU(), nn.Linear(4, 2))
    X = torch.randn(10, 3)
    batches = (module(torch.cat([part, part[-1:]]))[: len(part)] for part in X.split(4))
    torch.testing.assert_close(inputs_of(module[2], batches), module[:2](X))
    assert not module[2]._forward_pre_hooks


def cross_fitting(X, y, rate=0.5, lr=0.1, batch_size=50, optimizer=torch.optim.Adam):
    """Copies of a linear module of two classes, with an active constraint."""
    schema = Schema((0, 1), 1, {})
    constraint = bind(parse(f"TPR >= {rate}"), schema)
    strata = Stratification.single()
    problem = ConstrainedProblem([constraint], [0.05], strata, 2, len(y), 0.9)
    rows = Rows(Inputs(X), y, torch.zeros(len(y), dtype=torch.int64))
    task = Classification(2)
    lagrangian = Lagrangian(problem, task, len(y), 0.0, 0.01, "cpu")
    stratified = StratifiedRows(rows, problem, task)
    layer = nn.Linear(X.shape[1], 2)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    judged_by = stratified, lagrangian, task, nn.CrossEntropyLoss(), batch_size
    return CrossFitting(layer, X, *judged_by, lambda parameters: optimizer(parameters, lr=lr))


@pytest.fixture
def rows():
    random = torch.Generator().manual_seed(1)
    X = torch.randn(200, 4, generator=random)
    y = (X[:, 0] + torch.randn(200, generator=random) > 0).long()
    return X, y


def test_a_row_is_scored_without_its_own_label(rows):
    X, y = rows
    scores = []
    for label in (0, 1):
        y[17] = label
        judged = cross_fitting(X, y)
        judged._folds = torch.arange(200) % N_FOLDS  # for any label of the row
        for _ in range(3):
            judged.train_epoch([0.1])
        scores.append(judged.scores())
    torch.testing.assert_close(scores[0][17], scores[1][17], rtol=0, atol=0)
    assert (scores[0] != scores[1]).any(dim=1)[torch.arange(200) % N_FOLDS != 17 % N_FOLDS].all()


def test_folds_have_equal_parts_of_each_stratum(rows):
    X, y = rows
    folds = cross_fitting(X, y)._folds
    for label in (0, 1):
        counts = torch.bincount(folds[y == label], minlength=N_FOLDS)
        assert counts.max() - counts.min() <= 1


def test_copies_become_what_training_on_the_other_folds_gives(rows):
    X, y = rows
    judged = cross_fitting(X, y, lr=0.05, batch_size=200)
    for rate in (0.05,) * 200 + (0.005,) * 100:
        judged.train_epoch([rate])
    scores, folds = judged.scores(), judged._folds.numpy()
    found = (scores[:, 1] - scores[:, 0]).numpy()
    for fold in range(N_FOLDS):
        others = folds != fold
        reference = LogisticRegression(C=1e6).fit(X[others].numpy(), y[others].numpy())
        expected = reference.decision_function(X[~others].numpy())
        np.testing.assert_allclose(found[~others], expected, atol=0.02)


def test_a_learning_rate_of_zero_changes_nothing(rows):
    judged = cross_fitting(*rows)
    before = judged.scores()
    judged.train_epoch([0.0])
    torch.testing.assert_close(judged.scores(), before, rtol=0, atol=0)


def test_estimates_for_a_rare_class_hold_in_the_population():
    """90 positives per half for 80 features.

    On its own rows, the module's rate seems .14 better.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((53_000, 80)).astype(np.float32)
    y = (rng.random(len(X)) < expit(0.9 * X[:, :5].sum(axis=1) - 4.4)).astype(int)
    model = SeldonianClassifier(
        constraints=["TPR >= 0.3", "FPR <= 0.3"],
        module__hidden=(),
        fallback="majority",
        random_state=0,
    ).fit(X[:3000], y[:3000])
    seen = model.history_[model.history_.kept.astype(bool)].iloc[-1]
    (scores,) = [torch.cat(list(model.net_.scores(Inputs(torch.from_numpy(X[3000:])))))]
    true = (scores.argmax(dim=1).numpy() == 1)[y[3000:] == 1].mean()
    assert abs(seen.estimate_0 - true) <= 0.08
