import pytest
import torch

from sklearn_seldonian.modules import MLP, AdditiveModel, ConvNet


@pytest.mark.parametrize(
    ("hidden", "n_parameters"), [((), 9 * 2 + 2), ((5,), 9 * 5 + 5 + 5 * 2 + 2)]
)
def test_mlp_sizes(hidden, n_parameters):
    module = MLP(9, 2, hidden=hidden)
    assert sum(p.numel() for p in module.parameters()) == n_parameters
    assert module(torch.zeros(4, 3, 3)).shape == (4, 2)


def test_mlp_dropout():
    kinds = [type(layer).__name__ for layer in MLP(3, 2, hidden=(4, 4), dropout=0.2).layers]
    assert kinds.count("Dropout") == 2


def test_an_additive_model_is_linear_in_features_and_hinge_functions():
    module = AdditiveModel(2, 1, [[1, 0.5, 0.25, 2.0], [0, -1.0, 0.0, 1.0]])
    with torch.no_grad():
        module.layer.weight.copy_(torch.tensor([[1.0, 10.0, 100.0, 1000.0]]))
        module.layer.bias.fill_(0.125)
    X = torch.tensor([[0.0, 0.0], [0.0, 2.5], [-3.0, 0.5], [1.0, 0.0]])
    # 100 max(0, b - 0.5) / 2 less 12.5, and 1000 max(0, a + 1), for features a and b
    expected = [0 + 0 - 12.5 + 1000, 25 + 100 - 12.5 + 1000, -3 + 5 - 12.5, 1 - 12.5 + 2000]
    assert module(X)[:, 0].tolist() == [value + 0.125 for value in expected]


@pytest.mark.parametrize(
    "knot", [[2, 0, 0, 1], [-1, 0, 0, 1], [0.5, 0, 0, 1], [0, 0, 0, 0], [0, 0, float("nan"), 1]]
)
def test_an_additive_model_refuses_impossible_knots(knot):
    with pytest.raises(ValueError, match="one of the 2 features, counted from 0"):
        AdditiveModel(2, 1, [[0, 0, 0, 1], knot])


def test_weights_of_an_additive_model_include_its_knots():
    first, second = (AdditiveModel(2, 1, [[1, knot, 0.0, 1.0]]) for knot in (0.5, 0.6))
    second.layer.load_state_dict(first.layer.state_dict())
    assert not torch.equal(first(torch.ones(1, 2)), second(torch.ones(1, 2)))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(torch.ones(1, 2)), second(torch.ones(1, 2)))


def test_convnet_is_the_tutorials():
    kinds = [type(layer).__name__ for layer in ConvNet(softmax=True).layers]
    assert kinds == [
        *("Conv2d", "ReLU", "MaxPool2d") * 2,
        "Flatten",
        "Linear",
        "Softmax",
    ]
    assert ConvNet().layers[-2].in_features == 1568
    assert torch.allclose(ConvNet(softmax=True)(torch.rand(3, 784)).sum(1), torch.ones(3))
