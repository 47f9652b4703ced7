"""Training under constraints; torch and skorch."""

from sklearn_seldonian.training._batches import Batches, Inputs, Rows
from sklearn_seldonian.training._net import LagrangianNet
from sklearn_seldonian.training._outputs import Adjustment, OutputKind, probabilities
from sklearn_seldonian.training._problem import ConstrainedProblem

__all__ = [
    "Adjustment",
    "Batches",
    "ConstrainedProblem",
    "Inputs",
    "LagrangianNet",
    "OutputKind",
    "Rows",
    "probabilities",
]
