"""Checks of a module and a criterion before training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from sklearn_seldonian.learners.lagrangian._batches import MIN_ROWS_PER_PASS, Inputs
from sklearn_seldonian.learners.lagrangian._tasks import Task


def check_module(module: nn.Module) -> None:
    """Refuse a module that cannot be trained."""
    if isinstance(module, torch.jit.ScriptModule):
        raise ValueError(
            "The module is TorchScript (torch.jit.script or trace), whose copies cannot be "
            "trained. Give the nn.Module that it was made from."
        )
    if not any(True for _ in module.parameters()):
        raise ValueError(
            "The module has no parameters, so there is nothing to train. To test a model that is "
            "not trained, use sklearn_seldonian.certify(model, X, y, constraints)."
        )


def check_criterion(
    criterion: nn.Module, task: Task, scores: torch.Tensor, y: torch.Tensor
) -> None:
    """Refuse a criterion that cannot compute a loss from a module's scores and the targets.

    Raises
    ------
    ValueError
        If it raises an error, or returns more than one number.
    """
    try:
        loss = task.objective(criterion, scores, y)
        problem = "" if loss.numel() == 1 else f"it returns shape {tuple(loss.shape)}"
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        problem = f"it raises {type(error).__name__}: {error}"
    if problem:
        raise ValueError(
            f"criterion={type(criterion).__name__} cannot compute a loss, one number, from outputs "
            f"of shape {tuple(scores.shape)} and {y.dtype} targets: {problem}. Use "
            "CrossEntropyLoss for classes or MSELoss for numbers, with reduction='mean' or 'sum'."
        )


def check_rows_are_independent(
    outputs_of: Callable[[torch.Tensor], torch.Tensor], X: Inputs
) -> None:
    """Refuse a module whose output for a row is not a function of that row.

    Raises
    ------
    ValueError
        If outputs of some rows depend on the other rows of the batch, or change between passes.
    """
    half = min(len(X) // 2, MIN_ROWS_PER_PASS)
    if not half:
        return
    together, apart = outputs_of(X[: 2 * half])[:half], outputs_of(X[:half])
    finite = together[together.isfinite()].abs()
    scale = float(finite.max()) if len(finite) else 0.0
    if not torch.allclose(together, apart, 1e-3, 1e-3 * scale, equal_nan=True):
        raise ValueError(
            "The module's output for a row changes with the other rows of the batch, or from one "
            "pass to the next, so its decisions cannot be certified. Possible causes are BatchNorm "
            "with track_running_stats=False, and dropout that stays on in eval mode: change these."
        )


def check_outputs(outputs: object) -> torch.Tensor:
    """The outputs, or the first of several outputs, which must be floating-point numbers."""
    if isinstance(outputs, tuple | list) and outputs:
        outputs = outputs[0]
    if isinstance(outputs, torch.Tensor) and outputs.is_floating_point():
        return outputs
    found = type(outputs).__name__
    if isinstance(outputs, torch.Tensor):
        found = f"a tensor of {outputs.dtype}".replace("torch.", "")
    raise TypeError(
        f"The module returns {found}. It must return a floating-point tensor, or a tuple that "
        "starts with one."
    )


def check_one_a_row(outputs: torch.Tensor, n_rows: int) -> None:
    """Refuse outputs whose number is not that of the rows."""
    if outputs.ndim == 0 or len(outputs) != n_rows:
        raise ValueError(
            f"The module returns outputs of shape {tuple(outputs.shape)} for {n_rows} rows. It "
            "must return one row of outputs per row of inputs."
        )


def check_trainable(outputs: torch.Tensor) -> None:
    """Refuse outputs without a gradient."""
    if not outputs.requires_grad:
        raise ValueError(
            "The module's outputs have no gradient, so there is nothing to train: no parameter "
            "has requires_grad, or forward detaches the outputs. To test a model that is not "
            "trained, use sklearn_seldonian.certify(model, X, y, constraints)."
        )
