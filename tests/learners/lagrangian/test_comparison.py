"""Without a module, the best of several models is kept, with a reason."""

import numpy as np
import pytest
import torch
from imblearn.under_sampling import RandomUnderSampler
from torch import nn

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.learners.lagrangian._checkpoints import Candidate
from sklearn_seldonian.learners.lagrangian._comparison import Evaluated, preferred
from sklearn_seldonian.modules import MLP, AdditiveModel
from sklearn_seldonian.selection import Prediction

N = 400
HELD_OUT = torch.arange(N)[N // 2 :]


class Costs:
    """An evaluator for which the cost of a row is its score."""

    cost_in_words = "error"

    def __init__(self, n_rows):
        self.labelled = torch.arange(n_rows)

    def costs(self, scores, adjustment, parts):
        return [float(scores[part].mean()) for part in parts]


def evaluated(score, cost=0.0, spread=0.0, positions=None):
    """A net with this probability of passing, and a cost whose parts differ by this much."""
    passing = Prediction(np.array([max(-score, 0.0)]), np.array([max(score, 0.0)]))
    n_rows = N if positions is None else len(positions)
    parts = torch.arange(n_rows) * 20 // n_rows % 2  # neighbouring parts of 20 differ
    scores = cost + spread * (parts.double() - 0.5)
    return Evaluated(
        Candidate(np.zeros(1), passing, cost, cost), scores[:, None], positions, Costs(n_rows)
    )


@pytest.mark.parametrize(
    ("simple", "other", "kept", "why"),
    [
        ((0.95, 0.3), (0.92, 0.3), "line", "the line and the curve have the same error"),
        ((0.95, 0.3), (0.92, 0.28), "curve", "is lower than that of the line by 0.02 ("),
        ((0.95, 0.3), (0.92, 0.32), "line", "is higher than that of the line by 0.02 ("),
        # If costs of parts differ by .4, their standard deviation is .205, and that of their mean
        # .0459.
        ((0.95, 0.3), (0.92, 0.28, 0.4), "line", "by 0.02 (standard error 0.046)"),
        ((0.95, 0.3), (0.92, 0.27, 0.4), "curve", "by 0.03 (standard error 0.046)"),
        ((0.95, 0.3), (0.89, 0.1), "line", "the line has a higher predicted probability of"),
        ((0.79, 0.1), (0.95, 0.3), "curve", "the curve has a higher predicted probability of"),
        ((0.81, 0.1), (0.95, 0.3), "line", "of the line by 0.2"),  # more likely by .09
        ((0.81, 0.3), (0.95, 0.1), "curve", "is lower than that of the line by 0.2"),
        # Neither is predicted to pass. Held-out rows are a weaker evidence than all rows.
        ((0.2, 0.1), (0.31, 0.3), "curve", "the curve has a higher predicted probability of"),
        ((0.2, 0.1), (0.29, 0.3), "line", "of the line by 0.2"),  # more likely by .09
        ((0.2, 0.1), (0.51, 0.3, 0, HELD_OUT), "curve", "the curve has a higher predicted"),
        ((0.2, 0.1), (0.49, 0.3, 0, HELD_OUT), "line", "of the line by 0.2"),
        ((0.2, 0.3), (0.29, 0.22, 0.4), "line", "by 0.08 (standard error 0.046)"),
        ((0.2, 0.3), (0.29, 0.2, 0.4), "curve", "by 0.1 (standard error 0.046)"),
        ((-0.6, 0.1), (-0.2, 0.3), "curve", "the curve has a higher predicted probability of"),
        ((0.5012, 0.3), (0.5078, 0.2), "curve", "is lower than that of the line by 0.1"),
        (None, (0.1, 0.5), "curve", "of the line did not lead to finite weights"),
        ((0.1, 0.5), None, "line", "of the curve did not lead to finite weights"),
        (None, None, "curve", "did not lead to finite weights"),
    ],
)
def test_the_simple_one_is_kept_unless_another_is_clearly_better(simple, other, kept, why):
    nets = {"line": simple and evaluated(*simple), "curve": other and evaluated(*other)}
    name, remark = preferred(nets, power=0.9)
    assert name == kept
    assert remark.startswith("A line and a curve were trained and compared on the same ")
    assert f" The {kept} was kept: " in remark
    assert why in remark


def test_both_are_compared_on_common_evaluation_rows():
    simple = evaluated(0.95)
    simple.scores[: N // 2] += 1.0  # is bad at rows that the other one was trained on
    other = evaluated(0.95, cost=0.1, positions=HELD_OUT)
    assert preferred({"line": simple, "curve": other}, power=0.9)[0] == "line"
    simple.scores[N // 2 :] += 0.2
    assert preferred({"line": simple, "curve": other}, power=0.9)[0] == "curve"


@pytest.mark.parametrize(
    ("costs", "kept", "reasons"),
    [
        (
            (0.3, 0.2, 0.25),
            "arc",
            ["arc is lower than that of the line by 0.1 ", "; the error of the curve is higher"],
        ),
        ((0.3, 0.25, 0.2), "curve", ["the error of the curve is lower than that of the arc by"]),
        ((0.2, 0.3, 0.25), "line", ["the error of the curve is higher than that of the line by"]),
    ],
)
def test_each_of_three_is_compared_with_the_best_before_it(costs, kept, reasons):
    nets = {
        name: evaluated(0.95, cost)
        for name, cost in zip(("line", "arc", "curve"), costs, strict=True)
    }
    name, remark = preferred(nets, power=0.9)
    assert name == kept
    assert remark.startswith("A line, an arc and a curve were trained and compared on the same ")
    assert f" The {kept} was kept: the error of the arc is " in remark
    assert all(reason in remark for reason in reasons)


def test_one_net_is_compared_with_nothing():
    assert preferred({"": evaluated(0.5)}, power=0.9) == ("", "")
    assert preferred({"": None}, power=0.9) == ("", "")


def rows(kind, n_rows=2000):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n_rows, 4))
    margins = {
        "sum": X[:, 0] + X[:, 1],
        "bend": 2 * (np.abs(X) - 0.8).sum(axis=1),
        "product": 3 * X[:, 0] * X[:, 1],
    }
    margin = margins[kind]
    return X, (margin + rng.logistic(size=n_rows) > 0).astype(int)


def fitted(kind, constraints="ACC >= 0.55", **params):
    return SeldonianClassifier(constraints=constraints, random_state=0, **params).fit(*rows(kind))


def n_linear_layers(model):
    return sum(isinstance(part, nn.Linear) for part in model.module_.modules())


@pytest.fixture(scope="module")
def line():
    return fitted("sum")


@pytest.fixture(scope="module")
def arc():
    return fitted("bend")


@pytest.fixture(scope="module")
def curve():
    return fitted("product")


def test_the_default_is_linear_where_no_network_is_better(line):
    assert line.solution_found_
    assert n_linear_layers(line) == 1
    assert "The linear model was kept" in line.certificate_.explain(None)


def test_the_default_is_additive_where_features_have_bends(arc):
    assert arc.solution_found_
    assert isinstance(arc.module_, AdditiveModel)
    assert "The additive model was kept" in arc.certificate_.explain(None)


def test_the_default_is_a_network_where_it_is_better(curve):
    assert curve.solution_found_
    assert n_linear_layers(curve) == 3
    assert "The network was kept" in curve.certificate_.explain(None)


KEPT = [("line", "linear model"), ("arc", "additive model"), ("curve", "network")]


@pytest.mark.parametrize(("name", "kept"), KEPT)
def test_history_has_all_and_ends_with_the_kept_one(name, kept, request):
    model = request.getfixturevalue(name)
    assert set(model.history_["module"]) == {"linear model", "additive model", "network"}
    of_kept = model.history_.tail(model.n_iter_)
    assert set(of_kept["module"]) == {kept}
    assert of_kept["epoch"].tolist() == list(range(1, 21))
    best = of_kept[of_kept["kept"]].iloc[-1]
    assert best["epoch"] == model.net_.kept_epoch_


@pytest.mark.parametrize(
    "params",
    [
        {"module": MLP},
        {"module": AdditiveModel},
        {"module__hidden": (4,)},
        {"module__dropout": 0.1},
        {"constraints": ()},
    ],
    ids=str,
)
def test_nothing_is_compared_with_a_module_or_without_constraints(params):
    model = fitted("sum", **{"max_epochs": 2, **params})
    assert "module" not in model.history_
    assert len(model.history_) == model.n_iter_ == 2
    assert isinstance(model.module_, params.get("module", MLP))
    assert n_linear_layers(model) > 1 or "module" in params
    if model.certificate_ is not None:
        assert "were trained" not in model.certificate_.explain(None)


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.parametrize(
    ("n_rows", "preprocessor"),
    [(398, None), (2000, RandomUnderSampler(random_state=0))],
    ids=["few rows", "sampler"],
)
def test_no_network_is_evaluated_on_its_training_rows(n_rows, preprocessor):
    model = SeldonianClassifier(
        constraints="ACC >= 0.55", preprocessor=preprocessor, max_epochs=2, random_state=0
    ).fit(*rows("product", n_rows))
    assert n_linear_layers(model) == 1
    assert "module" not in model.history_


def test_each_is_what_it_is_alone(line, arc, curve):
    alone = (
        fitted("sum", module__hidden=()),
        fitted("bend", module=AdditiveModel),
        fitted("product", module=MLP),
    )
    for model, other in zip((line, arc, curve), alone, strict=True):
        X = rows("sum")[0]
        assert np.array_equal(model.decision_function(X), other.decision_function(X))


def test_drawn_decisions_and_numbers_are_compared_by_their_loss():
    drawn = fitted("product", "ACC >= 0.3", decision="sample")
    assert "the loss of the network is lower than that of the" in drawn.certificate_.explain(None)
    X, _ = rows("product")
    numbers = SeldonianRegressor(
        constraints="MAE <= 4", prediction_range=(-4, 4), target_range=(-4, 4), random_state=0
    )
    numbers.fit(X, np.clip(X[:, 0] * X[:, 1], -4, 4))
    assert "the loss of the network is lower than that of the" in numbers.certificate_.explain(None)
    assert n_linear_layers(numbers) == 3


@pytest.mark.parametrize("name", ["line", "arc", "curve"])
def test_weights_are_saved_and_loaded_with_their_layers(name, request, tmp_path):
    model, X = request.getfixturevalue(name), rows("sum")[0]
    model.save_params(tmp_path / "weights")
    loaded = SeldonianClassifier(constraints="ACC >= 0.55").load_params(tmp_path / "weights")
    assert np.array_equal(loaded.decision_function(X), model.decision_function(X))


def test_training_prints_what_it_trains(capsys):
    fitted("sum", verbose=1, max_epochs=1)
    printed = capsys.readouterr().out
    trained = [line for line in printed.splitlines() if line.startswith("Training a")]
    assert trained == [
        "Training a linear model.",
        "Training an additive model.",
        "Training a network.",
    ]
