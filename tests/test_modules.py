import pytest
import torch

from sklearn_seldonian.modules import MLP, ConvNet


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
