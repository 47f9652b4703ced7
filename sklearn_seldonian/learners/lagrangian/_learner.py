"""The learner of torch modules: batched Lagrangian optimisation on the candidate rows."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from sklearn_seldonian.data._preprocess import fit_preprocessor
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._targets import Labels, Targets
from sklearn_seldonian.learners._failure_reasons import failure_reason, warn_of_few_rows
from sklearn_seldonian.learners._protocol import NotTrained, Problem, Trained
from sklearn_seldonian.learners.lagrangian._batches import Inputs, Rows, tensors_of, to_inputs
from sklearn_seldonian.learners.lagrangian._devices import (
    gradients,
    own_random_numbers,
    resolve_device,
)
from sklearn_seldonian.learners.lagrangian._model import TrainedNet, constrained_problem
from sklearn_seldonian.learners.lagrangian._net import LagrangianNet
from sklearn_seldonian.learners.lagrangian._tasks import Classification, Regression, Task
from sklearn_seldonian.modules import MLP, module_or_default
from sklearn_seldonian.selection import ConstrainedProblem

logger = logging.getLogger("sklearn_seldonian")

# Parameters of the estimators that are the net's own.
SETTINGS = (
    "criterion",
    "optimizer",
    "lr",
    "max_epochs",
    "batch_size",
    "n_iter_no_change",
    "eval_batch_size",
    "multiplier_init",
    "multiplier_lr",
    "callbacks",
    "verbose",
)
# Equal targets of size one may seem to vary by so much.
ROUNDING = 1e-12


@dataclass(frozen=True)
class LagrangianLearner:
    """Trains a torch module; the parameters are those of the estimators.

    Parameters
    ----------
    module, preprocessor, device
        As in `SeldonianClassifier`.
    settings : mapping of str to object
        The estimator's parameters named in `SETTINGS`, and skorch's double-underscore names.
    sized : tuple of classes, default=(MLP,)
        Modules that take `n_features` and `n_outputs`.
    """

    module: Any
    preprocessor: Any
    device: str
    settings: Mapping[str, Any]
    sized: tuple[type, ...] = (MLP,)

    def train(
        self, problem: Problem, rows: LabelledRows, rng: np.random.RandomState
    ) -> Trained | NotTrained:
        """Fit preprocessor and net to candidate `rows`."""
        seed = int(rng.randint(np.iinfo(np.int32).max))
        device = resolve_device(self.device)
        preprocessor, X, resampled = self._prepare(rows, problem.targets)
        specification = problem.specification
        cells = specification.cells(rows.columns, len(rows.y))
        reason = failure_reason(specification, cells)
        if reason:
            return NotTrained(reason, preprocessor)
        task, tensors = task_of(problem.targets, rows.y), tensors_of(rows, X, cells.codes)
        labels = task.labels(tensors.y).numpy()
        if task.deterministic:  # the mean of probabilities of a narrow range takes hardly any
            warn_of_few_rows(specification, labels, cells, task.n_classes, problem.n_safety)
        constrained = constrained_problem(problem, cells, task)
        logger.info("Training on %d rows; %d are kept for the test.", len(rows.y), problem.n_safety)
        with gradients(), own_random_numbers(device, seed):
            net = self._net(self._sizes(X, task.n_classes), constrained, task, device)
            net.fit(tensors, resampled=resampled)
        return self._outcome(TrainedNet(net, preprocessor, problem.targets))

    def initialized(self, sizes: Mapping[str, int], task: Task) -> LagrangianNet:
        """A net that has not been trained, with a module of these `sizes`."""
        device = resolve_device(self.device)
        with own_random_numbers(device, seed=0):
            net = self._net(sizes, None, task, device)
            net.initialize()
        return net

    def _outcome(self, model: TrainedNet) -> Trained | NotTrained:
        net, history = model.net, _history_frame(model.net.history)
        logger.info("Epoch %s of %d is kept.", net.kept_epoch_, len(history))
        if net.kept_epoch_:
            return Trained(model, history)
        reason = "training gave no finite weights"
        if net.interrupted_:
            reason = "training was interrupted"
        elif not net.problem.constraints:
            raise ValueError(
                "Training gave no finite weights: the loss was NaN or infinite from the first "
                "epoch on. Lower lr, scale the features, or look for a NaN in the module's outputs."
            )
        return NotTrained(reason, model.preprocessor, net.interrupted_, model, history)

    def _prepare(self, rows: LabelledRows, targets: Targets) -> tuple[Any, Inputs, Rows | None]:
        """The fitted preprocessor, the module's inputs, and rows to train on instead, if any."""
        if self.preprocessor is None:
            return None, to_inputs(rows.X, rows.index), None
        fitted = fit_preprocessor(self.preprocessor, rows.inputs(), rows.y)
        resampled = None
        if fitted.resampled:
            X, y = fitted.resampled
            _, learned = targets.check(y)
            cells = torch.zeros(len(learned), dtype=torch.int64)  # never looked at
            resampled = Rows(to_inputs(X), torch.from_numpy(learned), cells)
        return fitted.transformer, to_inputs(fitted.X), resampled

    def _net(
        self,
        sizes: Mapping[str, int],
        problem: ConstrainedProblem | None,
        task: Task,
        device: str,
    ) -> LagrangianNet:
        settings = {**sizes, **self.settings}
        if any(name.startswith("iterator_train__") for name in settings):
            settings.setdefault("iterator_train__shuffle", True)
        for name in ("criterion", "callbacks"):  # training changes them
            settings[name] = copy.deepcopy(settings[name])
        return LagrangianNet(
            copy.deepcopy(module_or_default(self.module)),
            problem=problem,
            task=task,
            train_split=None,
            device=device,
            **settings,
        )

    def _sizes(self, X: Inputs, n_classes: int) -> dict[str, int]:
        """The sizes that the data dictate, for modules that have them."""
        if module_or_default(self.module) not in self.sized:
            return {}
        criterion = self.settings["criterion"]
        one_logit = nn.BCEWithLogitsLoss in (criterion, type(criterion))
        n_outputs = 1 if one_logit else n_classes
        n_features = math.prod(X.shape[1:])
        return {"module__n_features": n_features, "module__n_outputs": n_outputs}


def task_of(targets: Targets, y: Any) -> Task:
    """What outputs of a module mean for these targets, of which candidate rows have `y`."""
    if isinstance(targets, Labels):
        return Classification(len(targets.classes), deterministic=targets.decision == "argmax")
    mean, scale = float(y.mean()), float(y.std())
    varies = scale > ROUNDING * abs(mean)
    return Regression(mean, scale if varies else 1.0, targets.prediction_range)


def _history_frame(history: Any) -> pd.DataFrame:
    """The net's history with one row per epoch, without the batches."""
    frame = pd.DataFrame([{k: v for k, v in row.items() if k != "batches"} for row in history])
    return frame.rename(columns={"dur": "seconds"})
