"""The learner of torch modules: batched Lagrangian optimisation on the candidate rows."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from sklearn_seldonian.data._preprocess import fit_preprocessor
from sklearn_seldonian.data._rows import LabelledRows
from sklearn_seldonian.data._targets import Labels, Targets
from sklearn_seldonian.learners._failure_reasons import failure_reason, warn_of_few_rows
from sklearn_seldonian.learners._protocol import NotTrained, Problem, Trained
from sklearn_seldonian.learners.lagrangian._batches import Inputs, Rows
from sklearn_seldonian.learners.lagrangian._devices import resolve_device
from sklearn_seldonian.learners.lagrangian._generators import gradients, own_random_numbers
from sklearn_seldonian.learners.lagrangian._inputs import tensors_of, to_inputs
from sklearn_seldonian.learners.lagrangian._model import TrainedNet, constrained_problem
from sklearn_seldonian.learners.lagrangian._net import LagrangianNet
from sklearn_seldonian.learners.lagrangian._tasks import Classification, Regression, Task
from sklearn_seldonian.modules import MLP, module_or_default
from sklearn_seldonian.selection import ConstrainedProblem

logger = logging.getLogger("sklearn_seldonian")

# Equal targets of size one may seem to vary by so much.
ROUNDING = 1e-12


class _Prepared(NamedTuple):
    """Candidate rows as the module takes them; rows to train on instead, or None."""

    preprocessor: Any
    X: Inputs
    resampled: Rows | None


@dataclass(frozen=True)
class LagrangianLearner:
    """Trains a torch module; the parameters are those of the estimators.

    Parameters
    ----------
    module, preprocessor, criterion, optimizer, lr, max_epochs, batch_size, n_iter_no_change
    eval_batch_size, multiplier_init, multiplier_lr, device, callbacks, verbose
        As in `SeldonianClassifier`.
    keywords : mapping of str to object
        skorch's double-underscore names.
    """

    module: Any
    preprocessor: Any
    criterion: Any
    optimizer: Any
    lr: float
    max_epochs: int
    batch_size: int
    n_iter_no_change: int | None
    eval_batch_size: int | None
    multiplier_init: float
    multiplier_lr: float
    device: str
    callbacks: Any
    verbose: int
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def train(
        self, problem: Problem, rows: LabelledRows, rng: np.random.RandomState
    ) -> Trained | NotTrained:
        """Fit preprocessor and net to candidate `rows`."""
        seed = int(rng.randint(np.iinfo(np.int32).max))
        device = resolve_device(self.device)
        prepared = self._prepare(rows, problem.targets)
        specification = problem.specification
        cells = specification.cells(rows.columns, len(rows.y))
        reason = failure_reason(specification, cells)
        if reason:
            return NotTrained(reason, prepared.preprocessor)
        task, tensors = _task(problem.targets, rows.y), tensors_of(rows, prepared.X, cells.codes)
        labels = task.labels(tensors.y).numpy()
        if task.deterministic:  # the mean of probabilities of a narrow range takes hardly any
            warn_of_few_rows(specification, labels, cells, task.n_classes, problem.n_safety)
        constrained = constrained_problem(problem, cells, task)
        logger.info("Training on %d rows; %d are kept for the test.", len(rows.y), problem.n_safety)
        with gradients(), own_random_numbers(device, seed):
            net = self._net(self._sizes(prepared.X, task.n_classes), constrained, task, device)
            net.fit(tensors, resampled=prepared.resampled)
        return self._outcome(TrainedNet(net, prepared.preprocessor, problem.targets))

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
        if net.interrupted_:
            reason = "training was interrupted"
            return NotTrained(reason, model.preprocessor, True, model, history)
        if not net.problem.constraints:
            raise ValueError(
                "Training gave no finite weights: the loss was NaN or infinite from the first "
                "epoch on. Lower lr, scale the features, or look for a NaN in the module's outputs."
            )
        reason = "training gave no finite weights"
        return NotTrained(reason, model.preprocessor, False, model, history)

    def _prepare(self, rows: LabelledRows, targets: Targets) -> _Prepared:
        if self.preprocessor is None:
            return _Prepared(None, to_inputs(rows.X, rows.index), None)
        fitted = fit_preprocessor(self.preprocessor, rows.inputs(), rows.y)
        resampled = None
        if fitted.resampled:
            X, y = fitted.resampled
            _, learned = targets.check(y)
            cells = torch.zeros(len(learned), dtype=torch.int64)  # never looked at
            resampled = Rows(to_inputs(X), torch.from_numpy(learned), cells)
        return _Prepared(fitted.transformer, to_inputs(fitted.X), resampled)

    def _net(
        self,
        sizes: Mapping[str, int],
        problem: ConstrainedProblem | None,
        task: Task,
        device: str,
    ) -> LagrangianNet:
        nested = dict(self.keywords)
        if any(name.startswith("iterator_train__") for name in nested):
            nested.setdefault("iterator_train__shuffle", True)
        return LagrangianNet(
            copy.deepcopy(module_or_default(self.module)),
            problem=problem,
            task=task,
            multiplier_init=self.multiplier_init,
            multiplier_lr=self.multiplier_lr,
            evaluation_batch_size=self.eval_batch_size,
            n_iter_no_change=self.n_iter_no_change,
            criterion=copy.deepcopy(self.criterion),
            optimizer=self.optimizer,
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            train_split=None,
            callbacks=copy.deepcopy(self.callbacks),
            device=device,
            verbose=self.verbose,
            **{**sizes, **nested},
        )

    def _sizes(self, X: Inputs, n_classes: int) -> dict[str, int]:
        """For an MLP the sizes that the data dictate."""
        if module_or_default(self.module) is not MLP:
            return {}
        one_logit = nn.BCEWithLogitsLoss in (self.criterion, type(self.criterion))
        n_outputs = 1 if one_logit else n_classes
        n_features = math.prod(X.shape[1:])
        return {"module__n_features": n_features, "module__n_outputs": n_outputs}


def _task(targets: Targets, y: Any) -> Task:
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
