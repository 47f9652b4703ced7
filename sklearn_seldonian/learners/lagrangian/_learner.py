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

from sklearn_seldonian.constraints import HAS_LABEL
from sklearn_seldonian.data._preprocess import fit_preprocessor, transformed
from sklearn_seldonian.data._split import LabelledRows
from sklearn_seldonian.data._targets import Labels, Targets
from sklearn_seldonian.learners._failure_reasons import failure_reason, warn_of_few_rows
from sklearn_seldonian.learners._protocol import History, NotTrained, Problem, Trained
from sklearn_seldonian.learners.lagrangian._batches import (
    Inputs,
    Rows,
    default_batch_size,
    tensors_of,
    to_inputs,
)
from sklearn_seldonian.learners.lagrangian._comparison import preferred, with_article
from sklearn_seldonian.learners.lagrangian._devices import (
    gradients,
    own_random_numbers,
    resolve_device,
)
from sklearn_seldonian.learners.lagrangian._knots import knots_of, knots_to_compare
from sklearn_seldonian.learners.lagrangian._model import TrainedNet, constrained_problem
from sklearn_seldonian.learners.lagrangian._net import LagrangianNet
from sklearn_seldonian.learners.lagrangian._processes import ALONE, Processes
from sklearn_seldonian.learners.lagrangian._tasks import Classification, Regression, Task
from sklearn_seldonian.modules import MLP, AdditiveModel, module_of_sizes, module_or_default
from sklearn_seldonian.selection import ConstrainedProblem

logger = logging.getLogger("sklearn_seldonian")

# The estimators' parameters that are passed to the net.
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
# The models that are compared if no module is given, the simplest first.
LINEAR, ADDITIVE, NETWORK = "linear model", "additive model", "network"
# With fewer labelled candidate rows, only the linear model is trained.
MIN_COMPARED = 200
# By rounding, the standard deviation of equal targets of size one can be this large.
ROUNDING = 1e-12


@dataclass(frozen=True)
class LagrangianLearner:
    """Trains a torch module.

    Parameters
    ----------
    module, preprocessor, device
        As in `SeldonianClassifier`.
    settings : mapping of str to object
        The estimator's parameters named in `SETTINGS`, and skorch's double-underscore names.
    sized : tuple of classes, default=(MLP, AdditiveModel)
        Modules with the parameters `n_features` and `n_outputs`.
    processes : Processes, default=ALONE
        The processes that train the model together. The first one prints.
    """

    module: Any
    preprocessor: Any
    device: str
    settings: Mapping[str, Any]
    sized: tuple[type, ...] = (MLP, AdditiveModel)
    processes: Processes = ALONE

    def train(
        self, problem: Problem, rows: LabelledRows, rng: np.random.RandomState
    ) -> Trained | NotTrained:
        """Fit preprocessor and net to candidate `rows`."""
        seed = int(rng.randint(np.iinfo(np.int32).max))
        rows, problem = rows.by_weight(rng), problem.for_training()
        device = self._device
        preprocessor, X, resampled = self._prepare(rows, problem.targets)
        specification = problem.specification
        # Errors and smoothed rates need cells that rows with and without a label do not share.
        also = () if rows.has_label is None else (HAS_LABEL,)
        cells = specification.cells(rows.columns, len(rows.y), also)
        reason = failure_reason(specification, cells)
        if reason:
            return NotTrained(reason, preprocessor)
        n_labelled = len(rows.labelled().y)
        task = task_of(problem.targets, rows.labelled().y)
        tensors = tensors_of(rows, X, cells.codes)
        labels = task.labels(tensors.y).numpy()
        if task.deterministic:  # a mean of probabilities with a narrow range needs very few rows
            warn_of_few_rows(specification, labels, cells, task.n_classes, problem.n_safety)
        constrained = constrained_problem(problem, cells, task)
        n_safety = problem.n_safety
        logger.info("Training on %d rows; %d are held out for the test.", len(rows.y), n_safety)
        n_compared = n_labelled if resampled is None else 0
        nets = {}
        for name, own in self._candidates(constrained, X, n_compared).items():
            if name and self.settings["verbose"] and not self.processes.rank:
                print(f"Training {with_article(name)}.")
            with gradients(), own_random_numbers(device, seed):
                net = self._net(own, constrained, task, device, n_labelled)
                nets[name] = net.fit(tensors, resampled=resampled)
            if net.interrupted_:
                break
        outcome = self.processes.from_first(lambda: self._outcome(nets, preprocessor, problem))
        if outcome.model is not None:
            outcome.model.net.to_device(device)
        return outcome

    def initialized(self, sizes: Mapping[str, Any], task: Task) -> LagrangianNet:
        """A net that has not been trained, with a module of these `sizes`."""
        device = self._device
        own = {"module": module_of_sizes(self.module, sizes), **sizes}
        with own_random_numbers(device, seed=0):
            net = self._net(own, None, task, device, n_rows=0)
            net.initialize()
        return net

    @property
    def _device(self) -> str:
        return self.processes.device if self.processes.n > 1 else resolve_device(self.device)

    def _candidates(
        self, problem: ConstrainedProblem, X: Inputs, n_compared: int
    ) -> Mapping[str, Mapping[str, Any]]:
        """The module with its sizes, or the models to compare if none is given, by name.

        If there are few rows to compare them on, `n_compared`, only a linear model is trained.
        """
        n_classes = problem.shape[1]
        is_given = self.module is not None or any(s.startswith("module__") for s in self.settings)
        if is_given or not problem.atoms:
            return {"": self._sized(module_or_default(self.module), X, n_classes)}
        sizes = self._sizes(X, n_classes)
        linear = {"module": MLP, "module__hidden": (), **sizes}
        if n_compared < MIN_COMPARED:
            return {"": linear}
        found = {LINEAR: linear}
        if knots := knots_to_compare(X, n_compared):
            found[ADDITIVE] = {"module": AdditiveModel, "module__knots": knots, **sizes}
        return found | {NETWORK: {"module": MLP, "module__hidden": (64, 64), **sizes}}

    def _outcome(
        self, nets: Mapping[str, LagrangianNet], preprocessor: Any, problem: Problem
    ) -> Trained | NotTrained:
        """The outcome of training the nets, of which the last may have been interrupted."""
        evaluated = {name: net.__dict__.pop("evaluated_") for name, net in nets.items()}
        steps = {name: net.__dict__.pop("steps_").frame() for name, net in nets.items()}
        kept, remark = preferred(evaluated, problem.power)
        if any(net.interrupted_ for net in nets.values()):
            kept = [*nets][-1]
        net = nets[kept]
        model = TrainedNet(net, preprocessor, problem.targets)
        epochs = {name: _epochs(net) for name, net in nets.items()}
        histories = History(_in_order(epochs, kept), _in_order(steps, kept))
        if remark:
            logger.info(remark)
        logger.info("Epoch %s of %d was kept.", net.kept_epoch_, len(net.history))
        if net.kept_epoch_:
            kept_one = evaluated[kept]
            choices = () if kept_one is None else kept_one.candidate.choices
            return Trained(model, histories, remark, choices)
        reason = "training did not lead to finite weights"
        if net.interrupted_:
            reason = "training was interrupted"
        elif not net.problem.constraints:
            raise ValueError(
                "Training did not lead to finite weights: the loss was NaN or infinite from the "
                "first epoch on. Lower lr, scale the features, or look for a NaN in the module's "
                "outputs."
            )
        return NotTrained(reason, model.preprocessor, net.interrupted_, model, histories)

    def _prepare(self, rows: LabelledRows, targets: Targets) -> tuple[Any, Inputs, Rows | None]:
        """The fitted preprocessor, the module's inputs, and resampled training rows, if any."""
        if self.preprocessor is None:
            return None, to_inputs(rows.X, rows.index), None
        known, has_label = rows.labelled(), rows.has_label
        groups = None if known.units is None else known.units.positions
        fitted = self.processes.from_first(
            lambda: fit_preprocessor(self.preprocessor, known.inputs(), known.y, groups=groups)
        )
        if has_label is not None:
            if fitted.resampled:
                raise ValueError(
                    "A sampler was given as preprocessor=, and y has missing labels. A sampler "
                    "needs the label of every row: leave those rows out, or leave the sampler out."
                )
            others = rows.take(np.flatnonzero(~has_label)).inputs()
            X = np.empty((len(has_label), *fitted.X.shape[1:]), fitted.X.dtype)
            X[has_label], X[~has_label] = fitted.X, transformed(fitted.transformer, others)
            return fitted.transformer, to_inputs(X), None
        resampled = None
        if fitted.resampled:
            X, y = fitted.resampled
            _, learned = targets.check(y)
            cells = torch.zeros(len(learned), dtype=torch.int64)  # not used
            resampled = Rows(to_inputs(X), torch.from_numpy(learned), cells)
        return fitted.transformer, to_inputs(fitted.X), resampled

    def _net(
        self,
        own: Mapping[str, Any],
        problem: ConstrainedProblem | None,
        task: Task,
        device: str,
        n_rows: int,
    ) -> LagrangianNet:
        """A net with its `own` module and sizes, and with the settings of all nets."""
        settings = {**own, **self.settings}
        if settings["batch_size"] is None:
            settings["batch_size"] = default_batch_size(n_rows)
        if any(name.startswith("iterator_train__") for name in settings):
            settings.setdefault("iterator_train__shuffle", True)
        if self.processes.rank:
            settings["verbose"] = 0
        for name in ("criterion", "callbacks"):  # copied, because training changes them
            settings[name] = copy.deepcopy(settings[name])
        return LagrangianNet(
            copy.deepcopy(settings.pop("module")),
            problem=problem,
            task=task,
            train_split=None,
            device=device,
            processes=self.processes,
            **settings,
        )

    def _sized(self, module: Any, X: Inputs, n_classes: int) -> dict[str, Any]:
        """The module, with its parameters that depend on the data if it is one of `sized`."""
        if module not in self.sized:
            return {"module": module}
        own = {"module": module, **self._sizes(X, n_classes)}
        if module is AdditiveModel and "module__knots" not in self.settings:
            own["module__knots"] = knots_of(X)
        return own

    def _sizes(self, X: Inputs, n_classes: int) -> dict[str, int]:
        """The numbers of features and outputs of a module."""
        criterion = self.settings["criterion"]
        one_logit = nn.BCEWithLogitsLoss in (criterion, type(criterion))
        n_outputs = 1 if one_logit else n_classes
        return {"module__n_features": math.prod(X.shape[1:]), "module__n_outputs": n_outputs}


def task_of(targets: Targets, y: Any) -> Task:
    """The task for these targets; `y` are the targets of the candidate rows."""
    if isinstance(targets, Labels):
        return Classification(len(targets.classes), deterministic=targets.decision == "argmax")
    mean, scale = float(y.mean()), float(y.std())
    varies = scale > ROUNDING * abs(mean)
    return Regression(mean, scale if varies else 1.0, targets.prediction_range)


def _epochs(net: LagrangianNet) -> pd.DataFrame:
    """The net's history with one row per epoch, without the batches."""
    epochs = [{k: v for k, v in row.items() if k != "batches"} for row in net.history]
    return pd.DataFrame(epochs).rename(columns={"dur": "seconds"})


def _in_order(frames: Mapping[str, pd.DataFrame], kept: str) -> pd.DataFrame:
    """The nets' rows, with those of the kept net at the end."""
    ordered = sorted(frames, key=lambda name: name == kept)
    if len(frames) > 1:
        for name, frame in frames.items():
            frame.insert(0, "module", name)
    return pd.concat([frames[name] for name in ordered], ignore_index=True)
