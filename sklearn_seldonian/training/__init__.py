"""Training under constraints; torch and skorch."""

from sklearn_seldonian.training._batches import Batches, Inputs, Rows
from sklearn_seldonian.training._net import LagrangianNet
from sklearn_seldonian.training._outputs import probabilities
from sklearn_seldonian.training._problem import ConstrainedProblem
from sklearn_seldonian.training._tasks import Classification, Regression, Task

__all__ = [
    "Batches",
    "Classification",
    "ConstrainedProblem",
    "Inputs",
    "LagrangianNet",
    "Regression",
    "Rows",
    "Task",
    "probabilities",
]
