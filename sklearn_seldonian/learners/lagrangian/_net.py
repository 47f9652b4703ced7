"""The skorch net that trains under constraints."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, ParamMapper
from skorch.exceptions import DeviceWarning
from skorch.utils import to_tensor
from torch import nn

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import Statistics
from sklearn_seldonian.constraints import Stratification
from sklearn_seldonian.learners.lagrangian._batches import (
    MIN_ROWS_PER_PASS,
    Batch,
    Batches,
    Inputs,
    Rows,
    ScoredRows,
    n_rows_a_pass,
)
from sklearn_seldonian.learners.lagrangian._callbacks import (
    check_callbacks,
    check_kinds,
    check_monitor,
    reads_batches,
)
from sklearn_seldonian.learners.lagrangian._checkpoints import (
    Candidate,
    Checkpoints,
    n_selection_rows,
)
from sklearn_seldonian.learners.lagrangian._devices import present_device
from sklearn_seldonian.learners.lagrangian._evaluation import CandidateEvaluator, observe
from sklearn_seldonian.learners.lagrangian._lagrangian import Lagrangian, StratifiedRows
from sklearn_seldonian.learners.lagrangian._outputs import UNADJUSTED
from sklearn_seldonian.learners.lagrangian._progress import ProgressLog, TrainingBar
from sklearn_seldonian.selection import ConstrainedProblem

# At the end of these epochs margins are calibrated on candidate rows: more often while rates
# still change much.
CALIBRATION_EPOCHS = frozenset(4**i for i in range(12))
# Adjustments of probabilities, which take several passes, are looked for after about so many
# epochs at most.
ADJUSTED_EPOCHS = 100
# Those of a batch of which skorch itself does nothing: where nothing else does either, the calls
# take a fiftieth of a small network's step.
BATCH_EVENTS = ("on_grad_computed", "on_batch_end")


class _EarlyStop(Exception):
    """A callback asked for the end of training."""


class LagrangianNet(NeuralNet):
    """A net whose loss is the Lagrangian of a `ConstrainedProblem`.

    Parameters beyond skorch's
    --------------------------
    problem : ConstrainedProblem
    task : Task
        What the module's outputs mean.
    multiplier_init, multiplier_lr : float
    evaluation_batch_size : int or None
        Rows a batch where no gradient is needed; None: `n_rows_a_pass`.
    n_iter_no_change : int or None
        Epochs without a better checkpoint after which training ends.

    Attributes
    ----------
    interrupted_ : bool
        Whether the user stopped training (Ctrl-C).
    kept_epoch_ : int or None
        The epoch (from 1) whose weights were kept; None where none was finite.
    task_ : Task
        With what the module's first outputs showed.
    dtype_ : torch.dtype
        Of the module's inputs.
    adjustment_ : Adjustment
        What is done to the scores of every row.
    """

    _skipped_events: frozenset[str] = frozenset()  # events of a batch
    _scores_batches = False  # whether a callback reads what batches recorded

    def __init__(
        self,
        module,
        *args,
        problem,
        task,
        multiplier_init,
        multiplier_lr,
        evaluation_batch_size,
        n_iter_no_change=None,
        **kwargs,
    ):
        super().__init__(module, *args, **kwargs)
        self.problem = problem
        self.task = task
        self.multiplier_init = multiplier_init
        self.multiplier_lr = multiplier_lr
        self.evaluation_batch_size = evaluation_batch_size
        self.n_iter_no_change = n_iter_no_change

    @property
    def _default_callbacks(self):
        seen = [("training_bar", TrainingBar()), ("print_log", ProgressLog())]
        return [("epoch_timer", EpochTimer()), *(seen if self.verbose else [])]

    # -- before training -----------------------------------------------------------------

    def initialize_callbacks(self):
        check_kinds(self.callbacks)
        return super().initialize_callbacks()

    def initialize_module(self):
        super().initialize_module()
        if isinstance(self.module_, torch.jit.ScriptModule):
            raise ValueError(
                "module is TorchScript (torch.jit.script or trace), whose copies cannot be "
                "trained; give the nn.Module that it was made from."
            )
        if not any(True for _ in self.module_.parameters()):
            raise ValueError(
                "The module has no parameters, so there is nothing to train. A model that is not "
                "trained can be tested: sklearn_seldonian.certify(model, X, y, constraints)."
            )
        if any(isinstance(part, nn.Conv2d) for part in self.module_.modules()):
            self.module_.to(memory_format=torch.channels_last)
        self.dtype_ = _precision(self.module_)
        return self

    def initialize_criterion(self):
        """As skorch's; its weights get the precision of the outputs."""
        super().initialize_criterion()
        self.criterion_.to(torch.promote_types(self.dtype_, torch.float32))
        return self

    def get_params_for_optimizer(self, prefix, named_parameters):
        args, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        can_fuse = "fused" in inspect.signature(self.optimizer).parameters
        # Fused momentum does not start where a parameter is frozen for some steps.
        changes = any(isinstance(callback, ParamMapper) for _, callback in self.callbacks_)
        if can_fuse and not changes and "foreach" not in kwargs:
            kwargs.setdefault("fused", True)
        return args, kwargs

    def fit_loop(self, X, y=None, epochs=None, resampled=None, **fit_params):
        """As skorch's; the primary loss is that of the rows `resampled`, where there are any.

        The constraints' gradient always comes from the rows `X`, whose strata are known.
        """
        rows = X.to(self.device)
        check_callbacks(self.callbacks_, self.problem.constraints)
        self.interrupted_, self.adjustment_ = False, UNADJUSTED
        self.task_ = self.task.with_output_kind(
            self._evaluate(rows.X[:32], gradient=True), self.criterion_
        )
        self._check_criterion(rows)
        self._check_rows_are_judged_alone(rows.X)
        n_held_out = 0
        if self.problem.atoms and resampled is None:  # a sampler has drawn from all rows
            n_held_out = n_selection_rows(len(rows), self.module_)
        trained, evaluated = _parted(rows, n_held_out)
        self._evaluator = CandidateEvaluator(
            self.problem, evaluated, self.criterion_, self.task_, resampled
        )
        self._lagrangian = Lagrangian(
            self.problem,
            self.task_,
            len(trained),
            self.multiplier_init,
            self.multiplier_lr,
            self.device,
            self.task_.violation_scale(self.problem, trained),
            len(Batches(trained, self.batch_size)),
        )
        if self.problem.atoms:
            trained = StratifiedRows(trained, self.problem, self.task_)
        self._checkpoints = Checkpoints(self.problem.power)
        self._skipped_events = frozenset(
            event for event in BATCH_EVENTS if not self._has_listener(event)
        )
        self._scores_batches = any(map(reads_batches, dict(self.callbacks_).values()))
        self._constraint_batches = None
        if resampled is not None:
            if self.problem.atoms:
                others = _endless(Batches(trained, self.batch_size))
                self._constraint_batches = self._lagrangian.constraint_batches(others)
            trained = resampled.to(self.device)
        try:
            self._train(trained, epochs, **fit_params)
        except KeyboardInterrupt:
            self._give_up()
        # Nothing of the rows or of the optimiser's state outlives training.
        del (
            self._lagrangian,
            self._checkpoints,
            self._evaluator,
            self._constraint_batches,
            self.optimizer_,
        )
        del self._skipped_events, self._scores_batches
        return self

    def fit(self, X, y=None, **fit_params):
        """As skorch's, which takes an interrupt before training for the end of training."""
        self.initialize()
        self.notify("on_train_begin", X=X, y=y)
        self.fit_loop(X, y, **fit_params)
        try:
            self.notify("on_train_end", X=X, y=y)
        except KeyboardInterrupt:
            self._give_up()
        return self

    def _train(self, rows, epochs, **fit_params):
        with suppress(_EarlyStop):
            super().fit_loop(rows, epochs=epochs, **fit_params)
        self._keep_best()

    def _give_up(self) -> None:
        """Note that the user stopped training: no weights are kept."""
        self.interrupted_, self.kept_epoch_ = True, None
        self._set_training(False)

    def _check_criterion(self, rows: Rows) -> None:
        """Refuse a criterion that makes no loss of the module's outputs and the targets.

        Raises
        ------
        ValueError
            If it fails, or returns more than one number.
        """
        name = type(self.criterion_).__name__
        scores = self.task_.scores(self._evaluate(rows.X[:32]))
        try:
            loss = self.task_.objective(self.criterion_, scores, rows.y[: len(scores)])
            problem = "" if loss.numel() == 1 else f"it returns shape {tuple(loss.shape)}"
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            problem = f"it fails with {type(error).__name__}: {error}"
        if problem:
            raise ValueError(
                f"criterion={name} does not make one loss of outputs of shape "
                f"{tuple(scores.shape)} and {rows.y.dtype} targets: {problem}. For classes use "
                "CrossEntropyLoss, for numbers MSELoss; a loss must have reduction='mean' or 'sum'."
            )

    def _check_rows_are_judged_alone(self, X: Inputs) -> None:
        """Refuse a module whose decision for a row is not a function of that row.

        Raises
        ------
        ValueError
            If some rows' outputs differ with the rows beside them, or from pass to pass.
        """
        half = min(len(X) // 2, MIN_ROWS_PER_PASS)
        if not half:
            return
        together, apart = self._evaluate(X[: 2 * half])[:half], self._evaluate(X[:half])
        finite = together[together.isfinite()].abs()
        scale = float(finite.max()) if len(finite) else 0.0
        if not torch.allclose(together, apart, 1e-3, 1e-3 * scale, equal_nan=True):
            raise ValueError(
                "The module gives the same row different outputs beside other rows or in another "
                "pass, so no certificate could hold for its decisions. BatchNorm with "
                "track_running_stats=False and dropout that stays on in eval mode do that."
            )

    def get_iterator(self, dataset, training=False):
        chosen = self.iterator_train is not torch.utils.data.DataLoader
        if chosen or self.get_params_for("iterator_train"):
            return super().get_iterator(dataset, training=training)
        return Batches(dataset, self.batch_size)

    # -- training ------------------------------------------------------------------------

    def notify(self, method_name, **cb_kwargs):
        """As skorch's; its `EarlyStopping` ends training, any other KeyboardInterrupt is Ctrl-C."""
        if method_name in self._skipped_events:
            return
        getattr(self, method_name)(self, **cb_kwargs)
        if method_name == "on_epoch_end":
            cb_kwargs["dataset_train"] = ScoredRows(cb_kwargs["dataset_train"])
        for name, callback in self.callbacks_:
            if method_name == "on_epoch_end":
                check_monitor(name, callback, self.history[-1])
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt as interrupt:
                if method_name == "on_epoch_end" and _has_lost_patience(callback, interrupt):
                    raise _EarlyStop from interrupt
                raise

    def _has_listener(self, event: str) -> bool:
        """Whether anything but skorch's own empty methods would be called."""
        listeners = [(self, NeuralNet), *((callback, Callback) for _, callback in self.callbacks_)]
        return any(
            getattr(getattr(listener, event), "__func__", None) is not getattr(base, event)
            for listener, base in listeners
        )

    def train_step_single(self, batch, **fit_params):
        if not self.module_.training:  # switching takes a tenth of a small network's step
            self._set_training(True)
        if self._constraint_batches is not None:
            return self._step_with_resampled_loss(
                batch, next(self._constraint_batches), **fit_params
            )
        X, (y, weights) = batch
        outputs = self.infer(X, **fit_params)
        y, scores = y.to(outputs.device), self._trainable_scores(outputs)
        loss = self.task_.objective(self.criterion_, scores, y)
        if self.problem.atoms:
            gradient = self._lagrangian.constraint_gradient(scores, y, weights)
            torch.autograd.backward([loss, gradient.entries], [None, gradient.gradient])
        else:
            loss.backward()
        return {"loss": loss.detach(), "y_pred": outputs}

    def _step_with_resampled_loss(self, batch, others, **fit_params):
        """One step: the loss of a resampled `batch` and the constraints' gradient of `others`."""
        (X, (y, _)), (other_X, (other_y, weights)) = batch, others
        outputs = self.infer(torch.cat([X, other_X]), **fit_params)
        y, scores = y.to(outputs.device), self._trainable_scores(outputs)
        loss = self.task_.objective(self.criterion_, scores[: len(y)], y)
        gradient = self._lagrangian.constraint_gradient(scores[len(y) :], other_y, weights)
        torch.autograd.backward([loss, gradient.entries], [None, gradient.gradient])
        return {"loss": loss.detach(), "y_pred": outputs[: len(y)]}

    def _trainable_scores(self, outputs: torch.Tensor) -> torch.Tensor:
        if not outputs.requires_grad:
            raise ValueError(
                "The module's outputs have no gradient, so there is nothing to train: no parameter "
                "has requires_grad, or forward detaches them. A model that is not trained can be "
                "tested: sklearn_seldonian.certify(model, X, y, constraints)."
            )
        return self.task_.scores(outputs)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """As skorch's, but the loss stays on the device until the epoch is over."""
        if iterator is None:
            return
        losses = []
        most = iterator.n_together if isinstance(iterator, Batches) else 1
        batches = iterator if isinstance(iterator, Batches) else _trainable(iterator)
        if self.problem.atoms and self._constraint_batches is None:
            batches = self._lagrangian.constraint_batches(batches, most)
        for batch in batches:
            shown = batch[0], batch[1][0]  # callbacks see inputs and targets
            self.notify("on_batch_begin", batch=shown, training=training)
            step = step_fn(batch, **fit_params)
            losses.append(step["loss"])
            if self.problem.atoms:
                self._lagrangian.batch_done()
            if self._scores_batches:
                self.history.record_batch(f"{prefix}_loss", step["loss"].item())
                self.history.record_batch(f"{prefix}_batch_size", len(shown[0]))
            self.notify("on_batch_end", batch=shown, training=training, **step)
        if not losses:
            raise ValueError(
                f"No batch is left to train on: with drop_last, {len(iterator.dataset)} rows are "
                "fewer than one batch. Choose a smaller batch_size, or leave drop_last out."
            )
        if self.problem.atoms:
            self._lagrangian.step()
        self.history.record("loss", torch.stack(losses).mean().item())

    # -- after each epoch ----------------------------------------------------------------

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Evaluate the epoch's weights, and keep them if they are the best so far."""
        super().on_epoch_end(net, dataset_train, dataset_valid, **kwargs)
        if not np.isfinite(self.history[-1, "loss"]):
            warn_user(
                "The loss became NaN or infinite: training stops, and the best weights from "
                "before are used. A smaller lr usually helps."
            )
            raise _EarlyStop
        if self.problem.atoms:
            self._evaluate_epoch()
        else:
            self._checkpoints.keep(len(self.history), self.module_)

    def _evaluate_epoch(self) -> None:
        """Predict the safety test of this epoch's weights, and keep the best weights."""
        epoch, evaluator = len(self.history), self._evaluator
        scores = torch.cat(list(self.scores(evaluator.rows.X)))
        if evaluator.forecast.needs_calibration and epoch in CALIBRATION_EPOCHS:
            evaluator.calibrate_margins(scores, evaluator.best(scores).adjustment)
            self._lagrangian.margins = evaluator.forecast.margins
        every = 1 if self.problem.deterministic else max(1, self.max_epochs // ADJUSTED_EPOCHS)
        best = evaluator.best(scores, shrunk=epoch % every == 0 or epoch == self.max_epochs)
        self._record_epoch(best)
        self.history.record("kept", self._checkpoints.offer(epoch, self.module_, best))
        waited = epoch - (self._checkpoints.epoch or 0)
        if self.n_iter_no_change is not None and waited >= self.n_iter_no_change:
            raise _EarlyStop

    def _record_epoch(self, candidate: Candidate) -> None:
        multipliers = self.problem.per_constraint(self._lagrangian.multipliers)
        estimates = self.problem.linearisation.estimates(candidate.means)
        for i, multiplier in enumerate(multipliers.tolist()):
            self.history.record(f"estimate_{i}", float(estimates[i]))
            self.history.record(f"predicted_bound_{i}", float(candidate.prediction.bounds[i]))
            self.history.record(f"multiplier_{i}", multiplier)
            self.history.record(f"passing_{i}", float(candidate.prediction.probabilities[i]))
        self.history.record("candidate_loss", candidate.loss)

    def observe(
        self,
        rows: Rows,
        stratification: Stratification,
    ) -> tuple[float, Statistics]:
        """Mean loss of `rows` and the statistics of what is predicted, for the safety test.

        Streams over batches in eval mode; `stratification` are those of the rows' cells.
        """
        scores = self.scores(rows.X)
        parts = rows, self.criterion_, self.task_, stratification, self.problem.values
        return observe(scores, *parts, self.adjustment_.ends, keep=True)

    def predict_test_outcome(self, rows: Rows, problem: ConstrainedProblem) -> Candidate:
        """What the safety test of `problem` would say of the model, from rows not trained on."""
        evaluator = CandidateEvaluator(problem, rows, self.criterion_, self.task_)
        scores = torch.cat(list(self._module_scores(rows.X)))
        if evaluator.forecast.needs_calibration:
            evaluator.calibrate_margins(scores, self.adjustment_)
        return evaluator.predict_test_outcome(scores, self.adjustment_)

    def infer(self, x, **fit_params):
        """As skorch's, in the module's precision; of several outputs the first.

        Outputs of less than single precision are made single: losses and sums are not taken in it.
        """
        x = to_tensor(x, device=self.device)
        outputs = super().infer(x.to(self.dtype_), **fit_params)
        if isinstance(outputs, tuple | list) and outputs:
            outputs = outputs[0]
        if not isinstance(outputs, torch.Tensor) or not outputs.is_floating_point():
            raise _unusable(outputs)
        return outputs.to(torch.promote_types(outputs.dtype, torch.float32))

    def forward_iter(self, X, training=False, device="cpu"):
        """The module's outputs, batch by batch, always in eval mode."""
        X = X.X if isinstance(X, Rows) else X
        inputs = X if isinstance(X, Inputs) else Inputs(torch.as_tensor(X))
        for outputs in self._outputs(inputs):
            yield outputs.to(device)

    def predict_proba(self, X):
        """Probabilities by the module's current weights, not adjusted; a regression's numbers.

        Scoring callbacks ask for it.
        """
        outputs = map(self.task_.scores, self.forward_iter(X))
        return np.concatenate([self.task_.answers(scores.detach()) for scores in outputs])

    def predict(self, X):
        """Positions of the most probable classes; a regression's numbers."""
        answers = self.predict_proba(X)
        return answers.argmax(axis=1) if answers.ndim == 2 else answers

    @property
    def classes_(self):
        """Positions of the classes, for scikit-learn's scorers."""
        if self.task.n_classes == 1:
            raise AttributeError("A regression has no classes.")
        return np.arange(self.task.n_classes)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier" if self.task.n_classes > 1 else "regressor"
        return tags

    def scores(self, X: Inputs) -> Iterator[torch.Tensor]:
        """Scores, as the task has them, adjusted, batch by batch, in eval mode."""
        return map(self.adjustment_.apply, self._module_scores(X))

    def _module_scores(self, X: Inputs) -> Iterator[torch.Tensor]:
        """What the module makes of the rows, before it is adjusted."""
        return map(self.task_.scores, self._outputs(X))

    def _outputs(self, X: Inputs) -> Iterator[torch.Tensor]:
        size = self.evaluation_batch_size or n_rows_a_pass(X)
        for start in range(0, len(X), size):
            yield self._evaluate(X[start : start + size])

    def _evaluate(self, batch: torch.Tensor, gradient: bool = False) -> torch.Tensor:
        """The module's outputs for one batch, in eval mode and, unless asked for, without gradient.

        In the module's own precision, so that what is tested and what is predicted round alike.
        """
        self._set_training(False)
        device, padded = torch.device(self.device).type, _padded(batch)
        with torch.set_grad_enabled(gradient), torch.autocast(device, enabled=False):
            outputs: torch.Tensor = self.infer(padded)
        if outputs.ndim == 0 or len(outputs) != len(padded):
            raise ValueError(
                f"The module returns outputs of shape {tuple(outputs.shape)} for {len(padded)} "
                "rows; it must return one row of outputs for each row of inputs."
            )
        # A view of a parameter, as a constant output may be, takes its gradient along.
        return outputs[: len(batch)] if gradient else outputs[: len(batch)].detach()

    def _keep_best(self) -> None:
        self.kept_epoch_ = self._checkpoints.epoch
        if self._checkpoints.best is not None:
            self.module_.load_state_dict(self._checkpoints.best)
            self.adjustment_ = self._checkpoints.adjustment
        self._set_training(False)

    def __getstate__(self):
        """As skorch's, with instances given as parameters only where they are in use.

        Else a pickle would hold them twice, and on the device that they were trained on.
        """
        state = super().__getstate__()
        for name in ("module", "criterion"):
            if isinstance(state[name], nn.Module):
                state[name] = type(state[name])
        return state

    def __setstate__(self, state):
        """As skorch's, which sees to missing CUDA alone, with any device that is not there."""
        trained_on = str(state["device"])
        device = present_device(trained_on)
        if device != trained_on:
            warn_user(
                f"Trained on {trained_on!r}, which is not there: loaded on {device!r}.",
                DeviceWarning,
            )
        with torch.inference_mode(False):  # whose tensors could not be watched or moved
            super().__setstate__({**state, "device": device})


def _has_lost_patience(callback: Callback, interrupt: KeyboardInterrupt) -> bool:
    """Whether `interrupt` is how skorch's `EarlyStopping` ends training, and not Ctrl-C in it."""
    *_, (frame, _) = traceback.walk_tb(interrupt.__traceback__)
    return (
        isinstance(callback, EarlyStopping)
        and frame.f_code is EarlyStopping.on_epoch_end.__code__
        and callback.misses_ == callback.patience
    )


def _parted(rows: Rows, n_held_out: int) -> tuple[Rows, Rows]:
    """Rows to train on and rows to evaluate on: the same if none are held out."""
    if not n_held_out:
        return rows, rows
    order = torch.randperm(len(rows)).to(rows.y.device)
    return rows.subset(order[n_held_out:]), rows.subset(order[:n_held_out])


def _trainable(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches without a last one of a single row, on which BatchNorm cannot train."""
    n_before = 0
    for batch in batches:
        n_rows = len(batch[0])
        if n_rows > 1 or n_before <= 1:
            yield batch
        n_before = n_rows


def _endless(batches: Batches) -> Iterator[Batch]:
    """The batches of one epoch after the other."""
    while True:
        yield from batches


def _precision(module: nn.Module) -> torch.dtype:
    """What the module computes in: the precision of its first floating-point parameter."""
    dtypes = (parameter.dtype for parameter in module.parameters())
    return next((dtype for dtype in dtypes if dtype.is_floating_point), torch.float32)


def _unusable(outputs: object) -> TypeError:
    """What is wrong with outputs that are not floating-point numbers."""
    found = type(outputs).__name__
    if isinstance(outputs, torch.Tensor):
        found = f"a tensor of {outputs.dtype}".replace("torch.", "")
    return TypeError(
        f"The module must return a floating-point tensor, or a tuple that starts with one; it "
        f"returns {found}."
    )


def _padded(X: torch.Tensor) -> torch.Tensor:
    """`X` with its last row repeated up to the fewest rows that a forward pass may have."""
    n_missing = MIN_ROWS_PER_PASS - len(X)
    return X if n_missing <= 0 else torch.cat([X, X[-1:].expand(n_missing, *X.shape[1:])])
