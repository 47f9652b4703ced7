"""The skorch net that trains under constraints."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, ParamMapper
from torch import nn
from torch.nn.parameter import is_lazy

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.learners._price import Price
from sklearn_seldonian.learners.lagrangian._batches import (
    Batch,
    Batches,
    Inputs,
    Rows,
    ScoredRows,
    parted,
    trainable,
)
from sklearn_seldonian.learners.lagrangian._callbacks import (
    changes_weights,
    check_callbacks,
    check_monitor,
    falling_rate,
    has_lost_patience,
    reads_batches,
)
from sklearn_seldonian.learners.lagrangian._checkpoints import MIN_HELD_OUT, n_selection_rows
from sklearn_seldonian.learners.lagrangian._checks import (
    check_criterion,
    check_rows_are_independent,
    check_trainable,
)
from sklearn_seldonian.learners.lagrangian._comparison import Evaluated
from sklearn_seldonian.learners.lagrangian._cross_fitting import (
    N_FOLDS,
    N_LEARNERS,
    LayerCopies,
    balanced_folds,
    can_replace,
    linear_layer,
    losses_in_copies,
    needs_cross_fitting,
    weights_of,
)
from sklearn_seldonian.learners.lagrangian._epochs import Epochs
from sklearn_seldonian.learners.lagrangian._evaluation import CandidateEvaluator
from sklearn_seldonian.learners.lagrangian._lagrangian import Lagrangian, RowStrata
from sklearn_seldonian.learners.lagrangian._observation import truth_table
from sklearn_seldonian.learners.lagrangian._outputs import UNADJUSTED
from sklearn_seldonian.learners.lagrangian._predicting import PredictingNet
from sklearn_seldonian.learners.lagrangian._processes import ALONE, Processes
from sklearn_seldonian.learners.lagrangian._progress import Heartbeat, ProgressLog, TrainingBar
from sklearn_seldonian.learners.lagrangian._steps import StepHistory
from sklearn_seldonian.learners.lagrangian._tasks import Task
from sklearn_seldonian.selection import Linearised

# Attributes that are deleted after training, because they hold the rows or the optimizer's state.
OF_TRAINING = (
    *(
        "_constraint_batches",
        "_copies",
        "_epochs",
        "_example",
        "_held_out",
        "_labelled",
        "_lagrangian",
        "_n_losses",
        "_strata",
    ),
    "optimizer_",
)


# The number of rows on which the module and the criterion are tried before training.
N_CHECKED = 32


class _EarlyStop(Exception):
    """Raised to end training early."""


class LagrangianNet(PredictingNet):
    """A net whose loss is the Lagrangian of a `ConstrainedProblem`.

    Parameters beyond skorch's
    --------------------------
    problem : ConstrainedProblem
    task : Task
        The meaning of the module's outputs.
    multiplier_init, multiplier_lr : float
    eval_batch_size : int or None
        Rows per batch if no gradient is needed. None: the number of `n_rows_a_pass`.
    n_iter_no_change : int or None
        Training ends after this many epochs without a better checkpoint.
    processes : Processes
        The processes that train this net together.

    Attributes
    ----------
    interrupted_ : bool
        Whether the user stopped training (Ctrl-C).
    steps_ : StepHistory
        The history of multiplier updates. The learner removes it after reading it.
    kept_epoch_ : int or None
        The epoch (from 1) whose weights were kept. None if no epoch had finite weights.
    task_, dtype_, adjustment_
        As in `PredictingNet`.
    price_ : Price or None
        The cost of keeping this epoch and adjustment.
    evaluated_ : Evaluated or None
        The kept epoch, with the rows it was evaluated on. The learner removes it after reading it.
    """

    price_: Price | None = None
    _lagrangian: Any = None
    _copies: Any = None
    _example: Any = None

    def __init__(
        self,
        module: Any,
        *args: Any,
        problem: Any,
        task: Task,
        multiplier_init: float,
        multiplier_lr: float,
        eval_batch_size: int | None,
        n_iter_no_change: int | None = None,
        processes: Processes = ALONE,
        **kwargs: Any,
    ) -> None:
        super().__init__(module, *args, **kwargs)
        self.problem = problem
        self.task = task
        self.multiplier_init = multiplier_init
        self.multiplier_lr = multiplier_lr
        self.eval_batch_size = eval_batch_size
        self.n_iter_no_change = n_iter_no_change
        self.processes = processes

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        seen = [("training_bar", TrainingBar()), ("print_log", ProgressLog())]
        ours = [("epoch_timer", EpochTimer()), *falling_rate(self.callbacks)]
        ours.append(("heartbeat", Heartbeat()))
        return [*ours, *(seen if self.verbose else [])]

    # -- before training -----------------------------------------------------------------

    def initialize_optimizer(self) -> LagrangianNet:
        """As in skorch, with copies of a linear layer that have the options of the layer."""
        named = [*self.get_all_learnable_params()]
        if any(is_lazy(parameter) for _, parameter in named) and self._example is not None:
            self._evaluate(self._example)
        if self._lagrangian is None:  # otherwise training has begun
            self._copies = self._new_copies(parameter for _, parameter in named)
        if self._copies is not None:
            pairs = zip(weights_of(self._copies.layer), self._copies.parameters, strict=True)
            copy_of = dict(pairs)
            named += [(name, copy_of[own]) for name, own in named if own in copy_of]
        args, kwargs = self.get_params_for_optimizer("optimizer", named)
        self.optimizer_ = self.optimizer(*args, **kwargs)
        return self

    def _new_copies(self, trained: Iterable[nn.Parameter]) -> LayerCopies | None:
        """Copies of a linear layer, if nothing but the optimizer changes its weights in training.

        An optimizer that has one state for all weights would train the module in another way.
        """
        layer = linear_layer(self.module_, trained)
        if layer is None or not self.problem or not self.problem.atoms:
            return None
        changed = any(changes_weights(callback) for _, callback in self.callbacks_)
        shared = isinstance(self.optimizer, type) and issubclass(self.optimizer, torch.optim.LBFGS)
        return None if changed or shared else LayerCopies(layer)

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Iterable[tuple[str, nn.Parameter]]
    ) -> tuple[Any, dict[str, Any]]:
        args, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        can_fuse = "fused" in inspect.signature(self.optimizer).parameters
        # Fused momentum does not start if a parameter is frozen for some steps.
        changes = any(isinstance(callback, ParamMapper) for _, callback in self.callbacks_)
        if can_fuse and not changes and "foreach" not in kwargs:
            kwargs.setdefault("fused", True)
        return args, kwargs

    def fit(self, X: Rows, y: None = None, resampled: Rows | None = None) -> LagrangianNet:
        """Train. Unlike in skorch's `fit`, an interrupt before the first epoch is raised again.

        If there are `resampled` rows, the primary loss is computed on them. The constraints'
        gradient is always computed on the rows `X`, whose strata are known.
        """
        self._example = X.X[:2]
        self.initialize()
        self.processes.agree(self.module_)
        self.notify("on_train_begin", X=X, y=y)
        self.fit_loop(X, resampled=resampled)
        try:
            self.notify("on_train_end", X=X, y=y)
        except KeyboardInterrupt:
            self._give_up()
        return self

    def fit_loop(self, X: Rows, resampled: Rows | None = None) -> None:
        """Check the module, train it with skorch, and keep the weights of the best epoch."""
        rows = X.to(self.device)
        check_callbacks(self.callbacks_, self.problem.constraints)
        self.steps_ = StepHistory(len(self.problem.constraints))
        self.interrupted_, self.adjustment_ = False, UNADJUSTED
        outputs = self._evaluate(rows.X[:N_CHECKED], gradient=True)
        self.task_ = self.task.with_output_kind(outputs, self.criterion_)
        scores = self.task_.scores(outputs.detach())
        check_criterion(self.criterion_, self.task_, scores, rows.y[: len(scores)])
        check_rows_are_independent(self._evaluate, rows.X)
        trained = self._prepare(rows, resampled)
        self.processes.draw_apart()
        try:
            with suppress(_EarlyStop):
                super().fit_loop(trained)
                if not self.max_epochs:  # nothing is trained, and only the decision is chosen
                    self.history.new_epoch()
                    self.history.record("epoch", 1)
                    self._evaluate_epoch()
            self._keep_best()
        except KeyboardInterrupt:
            self._give_up()
        for name in OF_TRAINING:
            delattr(self, name)
        self.processes = ALONE

    def _prepare(self, rows: Rows, resampled: Rows | None) -> Rows:
        """Prepare training; return the rows to draw batches of the primary loss from."""
        n_held_out, copies = 0, self._copies
        self._copies, self._n_losses = None, 0.0
        if self.problem.atoms and resampled is None:  # a sampler has used all rows
            table = truth_table(self.problem, self.task_, rows)
            n_labelled = len(rows.labelled)
            n_smallest = min(self.problem.n_smallest_group(table), n_labelled)
            if copies is not None and self._are_usable(copies, rows):
                if needs_cross_fitting(copies.layer, len(rows), n_smallest):
                    self._copies = copies
            elif n_labelled >= 2 * MIN_HELD_OUT:
                n_held_out = n_selection_rows(len(rows), n_smallest, self.module_)
        trained, evaluated, self._held_out = parted(rows, n_held_out)
        evaluator = CandidateEvaluator(
            self.problem, evaluated, self.criterion_, self.task_, resampled
        )
        self._lagrangian = Lagrangian(
            self.problem,
            self.task_,
            len(trained),
            self.multiplier_init,
            self.multiplier_lr,
            self.device,
            self.task_.violation_scale(self.problem, trained.labelled),
            len(Batches(trained.labelled, self.batch_size, self.processes)),
            self.processes,
        )
        self._epochs = Epochs(evaluator, self._lagrangian, self.max_epochs, self.n_iter_no_change)
        self._constraint_batches = self._labelled = None
        if resampled is None and trained.has_label is not None:
            resampled, self._labelled = trained.labelled, trained.has_label.nonzero()[:, 0]
        self._strata = RowStrata(trained, self.problem, self.task_)
        if self._copies is not None:
            self._copies.divide(balanced_folds(self._strata[:], trained.units))
            self._n_losses = self._seen_losses(trained.labelled)
        if resampled is None:
            return trained
        if self.problem.atoms:
            epochs = itertools.repeat(Batches(trained, self.batch_size, self.processes))
            endless = itertools.chain.from_iterable(epochs)
            self._constraint_batches = self._lagrangian.constraint_batches(endless, self._strata)
        return resampled.to(self.device)

    def _are_usable(self, copies: LayerCopies, rows: Rows) -> bool:
        """Whether the module can return the outputs of `copies`, which get its weights."""
        copies.start()
        X = rows.X[:N_FOLDS]
        return can_replace(copies, self.module_, lambda: self.infer(X))

    def _seen_losses(self, rows: Rows) -> float:
        """The number of `losses_in_copies`, from the first rows."""
        with torch.no_grad():
            scores = self.task_.scores(self.infer(rows.X[:N_CHECKED]))
            objective = partial(self.task_.objective, self.criterion_)
            return losses_in_copies(objective, scores, rows.y[:N_CHECKED])

    def _give_up(self) -> None:
        """Record that the user stopped training. No weights are kept.

        If there are other processes, which would wait for this one, the error is raised.
        """
        if self.processes.n > 1:
            raise KeyboardInterrupt
        self.interrupted_ = True
        self.kept_epoch_: int | None = None
        self.evaluated_: Evaluated | None = None
        self._set_training(False)

    def _keep_best(self) -> None:
        epochs, kept = self._epochs, self._epochs.checkpoints
        self.kept_epoch_ = kept.epoch
        if kept.best is not None:
            self.module_.load_state_dict(kept.best)
        self.adjustment_, self.price_ = kept.adjustment, epochs.price()
        self.evaluated_ = kept.evaluated and Evaluated(
            *kept.evaluated, self._held_out, epochs.evaluator
        )
        self._set_training(False)

    def get_iterator(self, dataset: Rows, training: bool = False) -> Iterable[Batch]:
        chosen = self.iterator_train is not torch.utils.data.DataLoader
        if chosen or self.get_params_for("iterator_train"):
            loader: Iterable[Batch] = super().get_iterator(dataset, training=training)
            return loader
        return Batches(dataset, self.batch_size, self.processes)

    # -- training ------------------------------------------------------------------------

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """As in skorch, but the end of training by `EarlyStopping` is told apart from Ctrl-C."""
        if method_name != "on_epoch_end":
            super().notify(method_name, **cb_kwargs)
            return
        self.on_epoch_end(self, **cb_kwargs)
        cb_kwargs["dataset_train"] = ScoredRows(cb_kwargs["dataset_train"])
        for name, callback in self.callbacks_:
            check_monitor(name, callback, self.history[-1])
            try:
                callback.on_epoch_end(self, **cb_kwargs)
            except KeyboardInterrupt as interrupt:
                if has_lost_patience(callback, interrupt):
                    raise _EarlyStop from interrupt
                raise

    def train_step_single(self, batch: Any) -> dict[str, torch.Tensor]:
        """As in skorch, with the constraints' part of the loss.

        If the primary loss is computed on resampled rows, or on those that have a label, the
        constraints' part is computed on a batch of the candidate rows themselves.
        """
        if not self.module_.training:  # calling train() takes a tenth of a small network's step
            self._set_training(True)
        X, (y, rows) = batch
        others = y, rows
        if self._constraint_batches is not None:
            other_X, others = next(self._constraint_batches)
            X = torch.cat([X, other_X])
        outputs, scores = self._outputs_and_scores(X, rows, others[1])
        y, constrained = y.to(outputs.device), scores
        if self._constraint_batches is not None:
            # The module's scores come first, then those of each copy, all for the same rows.
            of_each = scores.reshape(-1, len(X), *scores.shape[1:])
            parts = of_each.split([len(y), len(others[0])], dim=1)  # type: ignore[no-untyped-call]
            scores, constrained = (part.flatten(0, 1) for part in parts)
            outputs = outputs[: len(y)]
        loss, of_all, scores = self._losses(scores, y)
        roots, gradients = [of_all], list[torch.Tensor | None]([None])
        if self.problem.atoms:
            entries, gradient = self._lagrangian.constraint_gradient(constrained, *others)
            roots.append(entries)
            gradients.append(gradient)
        torch.autograd.backward(roots, gradients)
        self._gather_gradients(len(y))
        shown = self.task_.shown_loss(self.criterion_, loss.detach(), scores.detach(), y)
        return {"loss": shown, "y_pred": outputs}

    def _outputs_and_scores(
        self, X: torch.Tensor, rows: Any, weights: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The module's outputs, and its scores with those of the copies after them."""
        if self._copies is None:
            outputs = self.infer(X)
            check_trainable(outputs)
            return outputs, self.task_.scores(outputs)
        with self._copies.watched():
            outputs = self.infer(X)
        check_trainable(outputs)
        positions = weights.rows
        if self._labelled is not None:
            positions = torch.cat([self._labelled[rows], positions])
        copied = self._copies.learned(outputs, positions, lambda: self.infer(X))
        return outputs, torch.cat([self.task_.scores(each) for each in (outputs, copied)])

    def _losses(
        self, scores: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The module's primary loss, the same with those of the copies, and its own scores."""
        if self._copies is None:
            loss = self.task_.objective(self.criterion_, scores, y)
            return loss, loss, scores
        scores, copied = scores.split([len(y), N_LEARNERS * len(y)])  # type: ignore[no-untyped-call]
        loss = self.task_.objective(self.criterion_, scores, y)
        of_copies = self.task_.objective(self.criterion_, copied, torch.cat([y] * N_LEARNERS))
        return loss, loss + self._n_losses * of_copies, scores

    def _gather_gradients(self, n_rows: int) -> None:
        """Average the gradients of all processes, each of `n_rows` in this process."""
        copies = []
        if self._copies is not None:
            copies = self._copies.parameters
            self._copies.divide_gradients()
        if self.processes.n > 1:
            learned = (parameter for _, parameter in self.get_all_learnable_params())
            self.processes.add_gradients([*learned, *copies], n_rows)

    def run_single_epoch(self, iterator: Any, training: bool, prefix: str, step_fn: Any) -> None:
        """As in skorch, but the loss stays on the device until the end of the epoch."""
        if iterator is None:
            return
        losses = []
        scores_batches = any(reads_batches(callback) for _, callback in self.callbacks_)
        most = iterator.n_together if isinstance(iterator, Batches) else 1
        batches: Any = iterator if isinstance(iterator, Batches) else trainable(iterator)
        if self.problem.atoms and self._constraint_batches is None:
            batches = self._lagrangian.constraint_batches(batches, self._strata, most)
        for batch in batches:
            shown = batch[0], batch[1][0]  # callbacks get inputs and targets
            self.notify("on_batch_begin", batch=shown, training=training)
            step = step_fn(batch)
            losses.append(step["loss"])
            if self.problem.atoms:
                self.steps_.add_loss(step["loss"])
                self._record_step(self._lagrangian.batch_done(), len(losses))
            if scores_batches:
                self.history.record_batch(f"{prefix}_loss", step["loss"].item())
                self.history.record_batch(f"{prefix}_batch_size", len(shown[0]))
            self.notify("on_batch_end", batch=shown, training=training, **step)
        if not losses:
            raise ValueError(
                f"There is no batch to train on: {len(iterator.dataset)} rows are fewer than one "
                "batch, and drop_last leaves them out. Choose a smaller batch_size, or leave "
                "drop_last out."
            )
        if self.problem.atoms:
            self._record_step(self._lagrangian.step(), len(losses))
            self.steps_.end_epoch(len(self.history), len(losses))
        self.processes.average_buffers(self.module_)
        loss = self.processes.summed(torch.stack(losses).mean()) / self.processes.n
        self.history.record("loss", loss.item())

    def _record_step(self, near: Linearised | None, batch: int) -> None:
        """Record a multiplier update, if there was one and it is due."""
        if near is None or not self.steps_.is_due():
            return
        # The update has just waited for the device, so reading the loss takes no extra time.
        total = self.processes.summed(self.steps_.pending_loss).item() / self.processes.n
        self.steps_.add(len(self.history), batch, total, *self._epochs.of_update(near))

    # -- after each epoch ----------------------------------------------------------------

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Evaluate the epoch's weights, and keep them if they are the best so far."""
        if not np.isfinite(self.history[-1, "loss"]):
            warn_user(
                "The loss became NaN or infinite, so training stopped, and the best weights so far "
                "are used. Lower lr, or scale the features."
            )
            raise _EarlyStop
        self._evaluate_epoch()

    def _evaluate_epoch(self) -> None:
        """Predict the safety test of this epoch's weights, and keep the best weights."""
        epochs, epoch = self._epochs, len(self.history)
        if not self.problem.atoms:
            epochs.checkpoints.keep(epoch, self.module_)
            return
        scores = self._scores_to_evaluate()
        result = self.processes.from_first(lambda: epochs.evaluated(epoch, self.module_, scores))
        self._lagrangian.margins = result.margins
        for key, value in result.record.items():
            self.history.record(key, value)
        if result.is_last:
            raise _EarlyStop

    def _scores_to_evaluate(self) -> torch.Tensor:
        """The scores of the rows that epochs are evaluated on.

        They come from cross-fitted copies if there are copies, otherwise from the module itself.
        Each process computes the scores of its part of the rows.
        """
        X = self._epochs.evaluator.rows.X
        own = self.processes.part(torch.arange(len(X), device=X.values.device))
        if self.processes.n == 1:
            return self._unseen_scores(X, own)
        scores = self._unseen_scores(X.subset(own), own)
        of_all = scores.new_zeros(len(X), *scores.shape[1:])
        of_all[own.to(scores.device)] = scores
        return self.processes.summed(of_all)

    def _unseen_scores(self, X: Inputs, positions: torch.Tensor) -> torch.Tensor:
        """The scores of the rows `X`, which have these positions among all rows."""
        if self._copies is None:
            return torch.cat(list(self.scores(X)))
        parts = []
        for rows in self._passes(X):
            with self._copies.unseen(positions[rows]):
                parts.append(self.task_.scores(self._evaluate(X[rows])))
        return torch.cat(parts)
