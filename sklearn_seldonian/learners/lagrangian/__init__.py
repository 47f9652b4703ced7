"""Training under constraints, with torch and skorch."""

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
from sklearn_seldonian.learners.lagrangian._processes import ALONE, launched_processes
from sklearn_seldonian.learners.lagrangian._tasks import (
    Classification,
    Regression,
    from_dict,
)

__all__ = [
    "ALONE",
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
    "launched_processes",
    "module_inputs",
    "probabilities",
    "to_inputs",
]
