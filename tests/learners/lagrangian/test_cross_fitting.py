"""Linear modules are evaluated by copies that were not trained on the evaluated rows."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from skorch import callbacks
from torch import nn
from torch.utils.checkpoint import checkpoint

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.learners.lagrangian import _net
from sklearn_seldonian.learners.lagrangian._batches import Inputs
from sklearn_seldonian.learners.lagrangian._checkpoints import n_selection_rows
from sklearn_seldonian.learners.lagrangian._cross_fitting import (
    N_FOLDS,
    N_LEARNERS,
    LayerCopies,
    balanced_folds,
    can_replace,
    linear_layer,
    losses_in_copies,
    needs_cross_fitting,
)
from sklearn_seldonian.learners.lagrangian._net import LagrangianNet
from sklearn_seldonian.modules import MLP, AdditiveModel


def frozen(*others):
    return nn.Sequential(nn.Tanh(), nn.Linear(3, 4).requires_grad_(False), nn.ReLU(), *others)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.factor = nn.Linear(3, 2), nn.Parameter(torch.ones(1))

    def forward(self, X):
        return self.factor * self.layer(X)


class OtherLinear(nn.Linear):
    def forward(self, X):
        return nn.functional.linear(X, self.weight * torch.tensor([0.0, 0.0, 1.0]), self.bias)


@pytest.mark.parametrize(
    ("module", "is_linear"),
    [
        (MLP(3, 2, hidden=()), True),
        (nn.Linear(3, 2, bias=False), True),
        (nn.Sequential(nn.Flatten(), nn.Linear(3, 1), nn.Sigmoid()), True),
        (nn.Sequential(nn.BatchNorm1d(3, affine=False), nn.Linear(3, 2)), True),
        (AdditiveModel(3, 2, [[0, 0.5, 0, 1]]), True),
        (MLP(3, 2, hidden=(4,)), False),
        (frozen(nn.Linear(4, 2)), True),
        (frozen(nn.Linear(4, 2), nn.Linear(2, 2)), False),
        (frozen(), False),
        (Scaled(), False),
        (nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2)), False),
        (nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), False),
        (nn.LazyLinear(2), False),
        (OtherLinear(3, 2), False),
    ],
)
def test_linear_is_what_trains_one_linear_layer(module, is_linear):
    layer = linear_layer(module, module.parameters())
    assert (layer is not None) == is_linear
    if is_linear:
        assert isinstance(layer, nn.Linear)
        assert layer.weight.requires_grad


@pytest.mark.parametrize(
    ("n_inputs", "n_rows", "n_smallest", "expected"),
    [
        (20, 5000, 999, True),
        (20, 5000, 1000, False),  # with fifty rows per input, estimates are accurate
        (20, N_FOLDS - 1, 2, False),
        (20, N_FOLDS, 2, True),
    ],
)
def test_few_rows_of_the_smallest_group_flatter(n_inputs, n_rows, n_smallest, expected):
    layer = nn.Linear(n_inputs, 1, device="meta")
    assert needs_cross_fitting(layer, n_rows, n_smallest) == expected


# -- folds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_joint", [None, 1, 2])
def test_folds_have_equal_parts_of_each_stratum(n_joint):
    strata = torch.arange(203) % 3
    given = strata if n_joint is None else strata[:, None].expand(-1, n_joint)
    folds = balanced_folds(given, units=None)
    for stratum in range(3):
        counts = torch.bincount(folds[strata == stratum], minlength=N_FOLDS)
        assert counts.max() - counts.min() <= 1


def test_all_rows_of_a_unit_are_in_one_fold():
    positions = np.repeat(np.arange(40), 5)
    folds = balanced_folds(torch.arange(200) % 2, SimpleNamespace(positions=positions))
    assert (folds.view(40, 5) == folds.view(40, 5)[:, :1]).all()
    assert set(folds.tolist()) == set(range(N_FOLDS))


# -- outputs ---------------------------------------------------------------------------------------


def different_copies(layer, n_rows):
    """Copies with different weights, the fold of each row, and each copy as a layer."""
    copies, folds = LayerCopies(layer), torch.arange(n_rows) * 3 % N_FOLDS
    copies.divide(folds)
    layers = []
    with torch.no_grad():
        for values in copies.parameters:
            values.copy_(torch.randn(values.shape))
    for k in range(N_FOLDS):
        alone = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
        for own, values in zip(alone.parameters(), copies.parameters, strict=True):
            own.data = values.data.tensor_split(N_FOLDS)[k]
        layers.append(alone)
    return copies, folds, layers


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 3), (7, 4, 3)])
@pytest.mark.parametrize("after", [[], [nn.Softmax(-1)], [nn.Flatten()]])
def test_a_row_is_learned_by_all_copies_but_that_of_its_fold(bias, shape, after):
    layer, X = nn.Linear(3, 2, bias=bias), torch.randn(shape)
    module, rest = nn.Sequential(nn.Tanh(), layer, *after), nn.Sequential(*after)
    copies, folds, layers = different_copies(layer, len(X))
    rows = torch.tensor([2, 0, 5, 6])

    def by_copy(k, row):
        return rest(layers[int(k) % N_FOLDS](torch.tanh(X[row : row + 1])))

    with copies.watched():
        outputs = module(X[rows])
    seen = copies.learned(outputs, rows, lambda: module(X[rows]))
    learning = seen.view(N_LEARNERS, len(rows), *seen.shape[1:])
    for i, row in enumerate(rows):
        expected = [by_copy(folds[row] + k, row) for k in range(1, N_FOLDS)]
        torch.testing.assert_close(learning[:, i], torch.cat(expected))
    padded = torch.cat([X[rows], X[rows[-1:]]])
    with copies.unseen(rows):
        unseen = module(padded)
    expected = [by_copy(folds[row], row) for row in [*rows, rows[-1]]]
    torch.testing.assert_close(unseen, torch.cat(expected))
    torch.testing.assert_close(module(X)[rows], outputs)  # the layer's own outputs again


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, X):
        return X + self.layer(X)


class OfFixedSize(Residual):
    def forward(self, X):
        return self.layer(input=X).view(len(X), -1)


class Unused(Residual):
    """Its layer's weights are used without calling the layer."""

    def forward(self, X):
        return nn.functional.linear(X, self.layer.weight)


class Twice(Residual):
    def forward(self, X):
        return self.layer(self.layer(X))


class Cosine(Residual):
    def forward(self, X):
        return self.layer(X) / self.layer.weight.norm(dim=1)


class Tied(Residual):
    def forward(self, X):
        return self.layer(nn.functional.linear(X, self.layer.weight))


class StepsFirst(Residual):
    """The first dimension of the layer's inputs is not that of the rows."""

    def forward(self, X):
        return self.layer(X.expand(N_FOLDS + 2, -1, -1)).mean(dim=0)


class Recomputed(Residual):
    def forward(self, X):
        return torch.sigmoid(checkpoint(self.layer, X, use_reentrant=False))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (MLP(3, 2, hidden=()), True),
        (AdditiveModel(3, 2, [[0, 0.5, 0, 1]]), True),
        (nn.Sequential(nn.Linear(3, 1), nn.Sigmoid(), nn.Flatten(0)), True),
        (nn.Sequential(nn.Linear(3, 2), nn.LogSoftmax(1)), True),
        (nn.Sequential(nn.BatchNorm1d(3, affine=False), nn.Linear(3, 2)), True),
        (Residual(), True),
        (OfFixedSize(), True),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, affine=False)), False),
        (Unused(), False),
        (Twice(), False),
        (Cosine(), False),
        (Tied(), False),
        (StepsFirst(), False),
        (Recomputed(), False),
    ],
)
def test_copies_can_replace_a_layer_that_is_called_once(module, expected):
    copies, X = LayerCopies(linear_layer(module, module.parameters())), torch.randn(N_FOLDS, 3)
    module.eval()
    assert can_replace(copies, module, lambda: module(X)) == expected
    assert not copies.layer._forward_hooks
    assert not copies.calls


# -- training --------------------------------------------------------------------------------------


@pytest.fixture
def rows():
    random = np.random.default_rng(1)
    X = random.standard_normal((200, 5)).astype(np.float32)
    return X, (X[:, 0] + random.standard_normal(200) > 0).astype(int)


@pytest.fixture
def last_scores(monkeypatch):
    """Trains a model of candidate rows, and returns the scores that evaluate its last epoch.

    The fold of a row does not depend on its label.
    """
    folds = np.arange(200) % N_FOLDS
    monkeypatch.setattr(_net, "balanced_folds", lambda strata, units: torch.from_numpy(folds))
    evaluated = LagrangianNet._scores_to_evaluate

    def scores(X, y, module=nn.Linear, **settings):
        order, seen = [], []

        def kept(net):
            trained = net._epochs.evaluator.rows.X[:].numpy()
            order[:] = np.argsort(trained[:, 0])[np.argsort(np.argsort(X[:, 0]))]
            np.testing.assert_array_equal(trained[order], X)
            seen.append(evaluated(net))
            return seen[-1]

        monkeypatch.setattr(LagrangianNet, "_scores_to_evaluate", kept)
        safety = np.zeros(2 * len(X), dtype=bool)
        safety[len(X) :] = True
        settings = {"constraints": "PR <= 0.99", "random_state": 0, "device": "cpu"} | settings
        if module is nn.Linear:
            settings = {"module__in_features": X.shape[1], "module__out_features": 2} | settings
        both = np.concatenate([X, X + 0.01]), np.concatenate([y, y])
        SeldonianClassifier(module, **settings).fit(*both, safety_mask=safety)
        return seen[-1].numpy()[order], folds[order]

    return scores


def test_a_row_is_scored_without_its_own_label(rows, last_scores):
    X, y = rows
    found = []
    for label in (0, 1):
        y[17] = label
        scores, folds = last_scores(X, y, max_epochs=3)
        found.append(scores)
    change = np.abs(found[0] - found[1]).max(axis=1)
    assert change[17] < 1e-6  # rounding
    assert (change[folds != folds[17]] > 1e-5).all()


def log_odds_without_a_fold(X, y, folds, known):
    """The reference: logistic regressions without each fold, fitted to the known labels."""
    expected = np.empty(len(X))
    for fold in range(N_FOLDS):
        learned = (folds != fold) & known
        reference = LogisticRegression(C=1e6).fit(X[learned], y[learned])
        expected[folds == fold] = reference.decision_function(X[folds == fold])
    return expected


class Sum(nn.Module):
    """A criterion that is a sum, without saying so."""

    def forward(self, scores, y):
        return nn.functional.cross_entropy(scores, y, reduction="sum")


class Sigmoid(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 1)

    def forward(self, X):
        return torch.sigmoid(self.layer(X)).squeeze(1)


@pytest.mark.parametrize(
    ("module", "settings"),
    [
        (nn.Linear, {}),
        (nn.Linear, {"criterion__reduction": "sum"}),
        (nn.Linear, {"criterion": Sum}),
        (Sigmoid, {"criterion": nn.BCELoss}),
        (nn.Sequential(nn.Linear(5, 2), nn.Softmax(1)), {"criterion": nn.NLLLoss}),
    ],
)
def test_copies_become_what_training_on_the_other_folds_gives(rows, last_scores, module, settings):
    X, y = rows
    settings = {"lr": 0.05, "batch_size": 200, "max_epochs": 300} | settings
    scores, folds = last_scores(X, y, module, **settings)
    expected = log_odds_without_a_fold(X, y, folds, known=np.ones(200, dtype=bool))
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], expected, atol=0.03)


def test_rows_without_a_label_are_scored_by_copies_that_learn_from_the_others(rows, last_scores):
    X, y = rows
    known = np.arange(200) % 4 != 3
    settings = {"constraints": "PR <= 0.99", "missing": "exclude"}
    settings |= {"lr": 0.05, "batch_size": 200, "max_epochs": 300}
    scores, folds = last_scores(X, np.where(known, y, np.nan), **settings)
    expected = log_odds_without_a_fold(X, y, folds, known)
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], expected, atol=0.03)


@pytest.mark.parametrize("of_sum", [{"criterion__reduction": "sum"}, {"criterion": Sum}])
def test_a_sum_over_a_batch_trains_as_a_mean_with_a_larger_rate(rows, last_scores, of_sum):
    X, y = rows
    settings = {"optimizer": torch.optim.SGD, "batch_size": 40, "max_epochs": 4}
    means, _ = last_scores(X, y, lr=0.4, **settings)
    sums, _ = last_scores(X, y, lr=0.01, **settings, **of_sum)
    np.testing.assert_allclose(means, sums, atol=1e-5)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (nn.CrossEntropyLoss(), N_LEARNERS),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0])), N_LEARNERS),
        (nn.CrossEntropyLoss(reduction="sum"), 1),
        (Sum(), 1),
        (lambda scores, y: scores.sum() * 0, N_LEARNERS),  # nothing is known
        (lambda scores, y: scores.sum() * np.inf, N_LEARNERS),
        (lambda scores, y: scores.sum() * np.nan, N_LEARNERS),
    ],
)
def test_whether_a_criterion_is_a_mean_is_seen_from_its_values(objective, expected):
    scores, y = torch.randn(9, 2), torch.arange(9) % 2
    assert losses_in_copies(objective, scores, y) == pytest.approx(expected, rel=1e-5)


class Temperature(nn.Module):
    """A criterion that is trained too."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, scores, y):
        return nn.functional.cross_entropy(self.factor * scores, y)


class AtThird(callbacks.Callback):
    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            net.set_params(criterion__label_smoothing=0.1)


@pytest.mark.parametrize(
    ("module", "has_copies", "settings"),
    [
        (nn.Linear(5, 2), True, {}),
        (nn.Linear(5, 2), True, {"callbacks": [("again", AtThird())]}),
        (nn.Sequential(nn.Linear(5, 2), nn.LogSoftmax(1)), True, {"batch_size": 1}),
        (nn.Sequential(nn.Linear(5, 2), nn.BatchNorm1d(2, affine=False)), False, {}),
        (nn.Linear(5, 2), False, {"criterion": Temperature}),
        (nn.Linear(5, 2), False, {"optimizer": torch.optim.LBFGS, "lr": 0.1}),
        (nn.Linear(5, 2), False, {"callbacks": [("c", callbacks.GradientNormClipping(0.1))]}),
        (nn.Linear(5, 2), False, {"callbacks": [("c", callbacks.Freezer("weight"))]}),
    ],
)
def test_copies_do_not_change_how_the_module_is_trained(
    rows, monkeypatch, module, has_copies, settings
):
    settings = {"constraints": "ACC >= 0.3", "max_epochs": 5, "random_state": 0} | settings
    monkeypatch.setattr(_net, "n_selection_rows", lambda *_: 0)
    divided = []
    monkeypatch.setattr(
        LayerCopies, "divide_gradients", lambda copies: divided.append(copies.parameters)
    )
    with_copies = SeldonianClassifier(module, **settings).fit(*rows).history_["loss"]
    assert bool(divided) == has_copies
    monkeypatch.setattr(_net, "linear_layer", lambda *_: None)
    without = SeldonianClassifier(module, **settings).fit(*rows).history_["loss"]
    np.testing.assert_array_equal(with_copies, without)


def test_copies_have_the_options_of_their_layer(rows):
    groups = []

    class Recording(torch.optim.Adam):
        def __init__(self, parameters, **options):
            parameters = list(parameters)
            groups.extend(parameters)
            super().__init__(parameters, **options)

    SeldonianClassifier(
        MLP,
        constraints="ACC >= 0.5",
        module__hidden=(),
        optimizer=Recording,
        optimizer__param_groups=[("*bias", {"weight_decay": 1.0})],
        max_epochs=1,
        random_state=0,
    ).fit(*rows)
    sizes = [sorted(each.numel() for each in group["params"]) for group in groups]
    assert sizes == [[2, 2 * N_FOLDS], [10, 10 * N_FOLDS]]


class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.LazyLinear(2)

    def forward(self, X):
        return self.layer(X)


class Normalised(Lazy):
    def __init__(self):
        super().__init__()
        self.layer = nn.utils.parametrizations.weight_norm(nn.Linear(30, 2))


@pytest.mark.parametrize(("module", "expected"), [(Lazy, []), (Normalised, [200])])
def test_modules_without_copies_are_evaluated_on_held_out_rows(module, expected, monkeypatch):
    held_out = []

    def spied(*arguments):
        held_out.append(n_selection_rows(*arguments))
        return held_out[-1]

    monkeypatch.setattr(_net, "n_selection_rows", spied)
    random = np.random.default_rng(2)
    X = random.standard_normal((800, 30)).astype(np.float32)
    y = (X[:, 0] + random.standard_normal(800) > 0).astype(int)
    model = SeldonianClassifier(module, constraints="ACC >= 0.4", max_epochs=3, random_state=0)
    assert model.fit(X, y).solution_found_
    assert held_out == expected


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


class Squeezed(nn.Module):
    """Its output for a single row has no dimension."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 1), nn.Sigmoid())

    def forward(self, X):
        return self.layers(X).squeeze()


def test_batches_of_one_row_may_lose_their_dimension(rows):
    model = SeldonianClassifier(
        Squeezed, criterion=nn.BCELoss, constraints="ACC >= 0.3", batch_size=1, max_epochs=1
    )
    assert len(model.fit(*rows).history_) == 1
