"""Training under constraints; torch and skorch."""

from sklearn_seldonian.learners.lagrangian._batches import (
    Batches,
    Inputs,
    Rows,
    module_inputs,
    to_inputs,
)
from sklearn_seldonian.learners.lagrangian._learner import LagrangianLearner
from sklearn_seldonian.learners.lagrangian._model import TrainedNet
from sklearn_seldonian.learners.lagrangian._net import LagrangianNet
from sklearn_seldonian.learners.lagrangian._outputs import Adjustment, probabilities
from sklearn_seldonian.learners.lagrangian._tasks import (
    Classification,
    Regression,
    from_dict,
)

__all__ = [
    "Adjustment",
    "Batches",
    "Classification",
    "Inputs",
    "LagrangianLearner",
    "LagrangianNet",
    "Regression",
    "Rows",
    "TrainedNet",
    "from_dict",
    "module_inputs",
    "probabilities",
    "to_inputs",
]
