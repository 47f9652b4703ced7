"""Modules of all kinds: their outputs, their truth values, and modules that cannot be trained."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seldonian import SeldonianClassifier

each_goal = pytest.mark.parametrize("constraints", [(), "ACC >= 0.5"], ids=["free", "certified"])


@pytest.fixture(autouse=True)
def same_modules():
    """Modules in these tests always have the same initial weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def classifier(module, **params):
    params = {"constraints": "ACC >= 0.5", "lr": 0.1, "max_epochs": 15, "random_state": 0, **params}
    return SeldonianClassifier(module, **params)


class Returning(nn.Module):
    """A linear layer, and a function of its outputs."""

    def __init__(self, change, n_outputs=2):
        super().__init__()
        self.layer, self.change = nn.Linear(3, n_outputs), change

    def forward(self, X):
        return self.change(self.layer(X))


class WithLength(nn.Linear):
    def __len__(self):
        return 0


class WithoutTruth(nn.Linear):
    def __bool__(self):
        raise TypeError("no truth value")


class EmptyCriterion(nn.CrossEntropyLoss):
    def __len__(self):
        return 0


class TestTruthValues:
    @pytest.mark.parametrize("kind", [WithLength, WithoutTruth, nn.Linear])
    @pytest.mark.thinned(2)
    def test_an_instance_is_accepted_with_any_truth_value(self, blobs, kind):
        model = classifier(kind(3, 2), criterion=EmptyCriterion()).fit(*blobs)
        assert isinstance(model.module_, kind)
        assert model.certificate_.parameters["module"] == repr(kind(3, 2))

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_compiled(self, blobs):
        module = torch.compile(nn.Linear(3, 2), backend="eager")
        model = classifier(module).fit(*blobs)
        assert type(model.module_).__name__ == "OptimizedModule"
        assert model.score(*blobs) > 0.7


class TestOutputs:
    @each_goal
    @pytest.mark.parametrize(
        ("criterion", "change", "n_outputs"),
        [
            (nn.NLLLoss, lambda o: o.softmax(dim=1), 2),
            (nn.CrossEntropyLoss, lambda o: o.log_softmax(dim=1), 2),
            (nn.BCELoss, torch.sigmoid, 1),
            (nn.BCELoss(), lambda o: o.sigmoid().squeeze(1), 1),
            (nn.BCELoss, lambda o: (100 * o).sigmoid(), 1),  # exactly 0 and 1
            (nn.BCEWithLogitsLoss, lambda o: o[:, 0], 2),
        ],
        ids=range(6),
    )
    @pytest.mark.parametrize("decision", ["argmax", "sample"])
    @pytest.mark.thinned(5)
    def test_criteria_get_what_they_take(
        self, blobs, criterion, change, n_outputs, constraints, decision
    ):
        module = Returning(change, n_outputs)
        model = classifier(
            module, criterion=criterion, constraints=constraints, decision=decision
        ).fit(*blobs)
        probabilities = model.predict_proba(blobs[0])
        assert np.allclose(probabilities.sum(axis=1), 1)
        assert (probabilities.argmax(axis=1) == blobs[1]).mean() > 0.7
        assert np.isfinite(model.history_.loss).all()

    def test_probabilities_of_a_sigmoid_are_those_of_predict_proba(self, blobs):
        model = classifier(nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), criterion=nn.BCELoss)
        model.set_params(constraints=()).fit(*blobs)
        outputs = model.module_(torch.from_numpy(blobs[0]).float()).detach().numpy()
        assert np.allclose(model.predict_proba(blobs[0])[:, 1:], outputs, atol=1e-5)

    @each_goal
    @pytest.mark.parametrize("change", [torch.sigmoid, lambda o: o.sigmoid()[:, 0], torch.tanh])
    @pytest.mark.thinned(4)
    def test_a_sigmoid_under_a_criterion_of_logits_is_noticed(self, blobs, change, constraints):
        model = classifier(
            Returning(change, 1), criterion=nn.BCEWithLogitsLoss, constraints=constraints
        )
        if change is torch.tanh:
            model.fit(*blobs)
        else:
            with pytest.warns(UserWarning, match="Leave out the final Sigmoid"):
                model.fit(*blobs)
        assert model.score(*blobs) > 0.7

    @pytest.mark.parametrize(
        ("criterion", "change", "n_outputs", "message"),
        [
            (nn.BCELoss, lambda o: 9 * o, 1, "outside \\[0, 1\\], .*End it in a Sigmoid"),
            (nn.BCELoss, torch.sigmoid, 2, "BCELoss needs two classes and one output per row"),
            (nn.NLLLoss, lambda o: o.log_softmax(dim=1), 2, "must return probabilities"),
        ],
    )
    def test_what_a_criterion_does_not_take(self, blobs, criterion, change, n_outputs, message):
        with pytest.raises(ValueError, match=message):
            classifier(Returning(change, n_outputs), criterion=criterion).fit(*blobs)


class SameForAll(nn.Module):
    """Its outputs are a view of its only parameter."""

    def __init__(self):
        super().__init__()
        self.scores = nn.Parameter(torch.tensor([2.0, -2.0]))

    def forward(self, X):
        return self.scores.expand(len(X), 2)


def test_outputs_may_be_views_of_parameters():
    y = np.tile([0, 0, 1], 60)
    X = np.zeros((180, 1))
    model = SeldonianClassifier(SameForAll, constraints="ACC >= 0.4", max_epochs=2, random_state=0)
    assert model.fit(X, y).solution_found_
    assert model.predict(X).tolist() == [0] * 180
