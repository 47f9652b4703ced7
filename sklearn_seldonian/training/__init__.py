"""Training under constraints; torch and skorch."""

from sklearn_seldonian.training._batches import Batches, Inputs, Rows
from sklearn_seldonian.training._net import LagrangianNet
from sklearn_seldonian.training._outputs import Adjustment, probabilities
from sklearn_seldonian.training._problem import ConstrainedProblem
from sklearn_seldonian.training._selection import standing
from sklearn_seldonian.training._tasks import Classification, Regression, Task, as_facts, task_from

__all__ = [
    "Adjustment",
    "Batches",
    "Classification",
    "ConstrainedProblem",
    "Inputs",
    "LagrangianNet",
    "Regression",
    "Rows",
    "Task",
    "as_facts",
    "probabilities",
    "standing",
    "task_from",
]
