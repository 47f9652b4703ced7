"""The part of the skorch net that predicts: outputs, their precision, and the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.exceptions import DeviceWarning
from skorch.utils import to_tensor
from torch import nn

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.learners.lagrangian._batches import Inputs, Rows, n_rows_a_pass, padded
from sklearn_seldonian.learners.lagrangian._checks import (
    check_module,
    check_one_a_row,
    check_outputs,
)
from sklearn_seldonian.learners.lagrangian._devices import present_device
from sklearn_seldonian.learners.lagrangian._outputs import Adjustment
from sklearn_seldonian.learners.lagrangian._tasks import Task


class PredictingNet(NeuralNet):  # type: ignore[misc]  # skorch has no types
    """A net whose outputs have a task's meaning. A subclass trains it.

    Attributes
    ----------
    task : Task
        The meaning of the module's outputs.
    eval_batch_size : int or None
        Rows per batch if no gradient is needed. None: the number of `n_rows_a_pass`.
    task_ : Task
        The task, with the kind of the module's first outputs.
    dtype_ : torch.dtype
        The type of the module's inputs.
    adjustment_ : Adjustment
        The adjustment of every row's scores.
    """

    task: Task
    eval_batch_size: int | None
    task_: Task
    adjustment_: Adjustment

    def initialize_module(self) -> Self:
        """As in skorch, in the memory format and the precision that the module computes in."""
        super().initialize_module()
        check_module(self.module_)
        if any(isinstance(part, nn.Conv2d) for part in self.module_.modules()):
            self.module_.to(memory_format=torch.channels_last)
        # The module computes in the precision of its first floating-point parameter.
        dtypes = (parameter.dtype for parameter in self.module_.parameters())
        self.dtype_ = next((dtype for dtype in dtypes if dtype.is_floating_point), torch.float32)
        return self

    def initialize_criterion(self) -> Self:
        """As in skorch, but the criterion's weights get the precision of the outputs."""
        super().initialize_criterion()
        self.criterion_.to(torch.promote_types(self.dtype_, torch.float32))
        return self

    def infer(self, x: Any, **fit_params: Any) -> torch.Tensor:
        """The first of the module's outputs, computed in the module's precision.

        Outputs below single precision become single precision, because losses and sums need it.
        """
        x = to_tensor(x, device=self.device)
        outputs = check_outputs(super().infer(x.to(self.dtype_), **fit_params))
        return outputs.to(torch.promote_types(outputs.dtype, torch.float32))

    def forward_iter(
        self, X: Any, training: bool = False, device: str = "cpu"
    ) -> Iterator[torch.Tensor]:
        """The module's outputs, batch by batch, always in eval mode."""
        X = X.X if isinstance(X, Rows) else X
        inputs = X if isinstance(X, Inputs) else Inputs(torch.as_tensor(X))
        for outputs in self._outputs(inputs):
            yield outputs.to(device)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities by the module's current weights, without adjustment, or predicted numbers.

        Scoring callbacks use it.
        """
        scores = map(self.task_.scores, self.forward_iter(X))
        return np.concatenate([self.task_.answers(batch.detach()) for batch in scores])

    def predict(self, X: Any) -> NDArray[Any]:
        """Positions of the most probable classes, or predicted numbers."""
        answers = self.predict_proba(X)
        return answers.argmax(axis=1) if answers.ndim == 2 else answers

    @property
    def classes_(self) -> NDArray[np.int64]:
        """Positions of the classes, for scikit-learn's scorers."""
        if self.task.n_classes == 1:
            raise AttributeError("A regression has no classes.")
        return np.arange(self.task.n_classes)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier" if self.task.n_classes > 1 else "regressor"
        return tags

    def scores(self, X: Inputs, groups: Any = None) -> Iterator[torch.Tensor]:
        """The task's scores, adjusted, batch by batch, in eval mode."""
        return self.adjustment_.apply_to_each(self.unadjusted_scores(X), groups)

    def unadjusted_scores(self, X: Inputs) -> Iterator[torch.Tensor]:
        """The task's scores without adjustment, batch by batch, in eval mode."""
        return map(self.task_.scores, self._outputs(X))

    def _outputs(self, X: Inputs) -> Iterator[torch.Tensor]:
        return (self._evaluate(X[rows]) for rows in self._passes(X))

    def _passes(self, X: Inputs) -> Iterator[slice]:
        """The rows that pass through the module together."""
        size = self.eval_batch_size or n_rows_a_pass(X)
        return (slice(start, start + size) for start in range(0, len(X), size))

    def _evaluate(self, batch: torch.Tensor, gradient: bool = False) -> torch.Tensor:
        """The module's outputs for one batch, in eval mode, without gradient by default.

        They are computed in the module's own precision, so that test and prediction round alike.
        """
        self._set_training(False)
        device, filled = torch.device(self.device).type, padded(batch)
        with torch.set_grad_enabled(gradient), torch.autocast(device, enabled=False):
            outputs: torch.Tensor = self.infer(filled)
        check_one_a_row(outputs, len(filled))
        # A constant output may be a view of a parameter, which keeps the parameter's gradient.
        return outputs[: len(batch)] if gradient else outputs[: len(batch)].detach()

    def to_device(self, device: str) -> None:
        """Compute on `device` from now on."""
        self.device = device
        self.module_.to(device)
        self.criterion_.to(device)

    def __getstate__(self) -> dict[str, Any]:
        """As in skorch, without the instances that were given as parameters.

        A pickle would otherwise contain them twice, on the device that they were trained on.
        """
        state: dict[str, Any] = super().__getstate__()
        for name in ("module", "criterion"):
            if isinstance(state[name], nn.Module):
                state[name] = type(state[name])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As in skorch, which replaces only a missing CUDA device. Here any device is replaced."""
        trained_on = str(state["device"])
        device = present_device(trained_on)
        if device != trained_on:
            warn_user(
                f"The model was trained on {trained_on!r}, which is not available here. It was "
                f"loaded on {device!r}.",
                DeviceWarning,
            )
        with torch.inference_mode(False):  # inference tensors could not be checked or moved
            super().__setstate__({**state, "device": device})
