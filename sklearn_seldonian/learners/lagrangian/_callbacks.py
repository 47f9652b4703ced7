"""Callbacks of training: the learning rate, and checks of skorch's callbacks before training."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    ParamMapper,
    PassthroughScoring,
    ProgressBar,
)
from torch.optim.lr_scheduler import ReduceLROnPlateau

from sklearn_seldonian.constraints import ResolvedConstraint
from sklearn_seldonian.learners.lagrangian._steps import EACH_OF_STEP

Named = tuple[str, Callback]
SCORING = (EpochScoring, BatchScoring, PassthroughScoring)
# The entries of every epoch's record, those with constraints, and the prefixes of those per
# constraint, before its number.
ALWAYS = ("loss",)
CONSTRAINED = ("candidate_loss", "kept")
EACH_CONSTRAINT = (*EACH_OF_STEP, "passing_")
# The entries that skorch's own nets record.
ELSEWHERE = ("valid_loss", "valid_acc", "train_loss")


class FallingRate(Callback):  # type: ignore[misc]  # skorch has no types
    """Lowers the learning rate to zero along half a cosine, so that training converges [1]_.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "SGDR: Stochastic gradient descent with warm restarts",
       International Conference on Learning Representations, 2017.
    """

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.rates_ = [group["lr"] for group in net.optimizer_.param_groups]

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        share = (1.0 + math.cos(math.pi * (len(net.history) - 1) / net.max_epochs)) / 2.0
        for group, rate in zip(net.optimizer_.param_groups, self.rates_, strict=True):
            group["lr"] = rate * share


def falling_rate(callbacks: Iterable[Any] | None) -> list[Named]:
    """The schedule of learning rates with its name, unless `callbacks` has a schedule."""
    given = (each[-1] if isinstance(each, tuple | list) else each for each in callbacks or ())
    kinds = (each if isinstance(each, type) else type(each) for each in given)
    if any(issubclass(kind, LRScheduler) for kind in kinds):
        return []
    return [("falling_rate", FallingRate())]


def check_callbacks(callbacks: Sequence[Named], constraints: Sequence[ResolvedConstraint]) -> None:
    """Refuse callbacks that cannot work here.

    Raises
    ------
    ValueError
        If one scores a validation set, monitors a score that is not recorded, or loads weights.
    """
    for name, callback in callbacks:
        if isinstance(callback, SCORING) and not callback.on_train:
            raise ValueError(
                f"The callback {name!r} scores a validation set, and training has none: all "
                "candidate rows are used for training, and safety rows for the test alone. Give it "
                "on_train=True."
            )
        if constraints and getattr(callback, "load_best", False):
            raise ValueError(
                f"The callback {name!r} has load_best=True, which would replace the weights of the "
                "epoch that was chosen for the constraints. Leave load_best out."
            )
    offered = [*ALWAYS, *CONSTRAINED * bool(constraints)]
    offered += [f"{key}{i}" for key in EACH_CONSTRAINT for i in range(len(constraints))]
    scores = _scores(callback for _, callback in callbacks)
    known = {"epoch", "dur", *offered, *scores}
    all_known = all(type(c).__module__.startswith(("skorch.", __package__)) for _, c in callbacks)
    for name, callback in callbacks:
        monitor = _monitor(callback)
        missing = monitor not in known
        if monitor and missing and (all_known or monitor.removesuffix("_best") in ELSEWHERE):
            raise _unrecorded(name, monitor, [*offered, *scores])


def check_monitor(name: str, callback: Callback, epoch: Mapping[str, Any]) -> None:
    """Refuse a callback whose monitored key was not recorded in the `epoch` before it runs."""
    monitor = _monitor(callback)
    if monitor and monitor not in epoch:
        raise _unrecorded(name, monitor, [key for key in epoch if key != "batches"])


def reads_batches(callback: Callback) -> bool:
    """Whether the callback reads the recorded losses or sizes of batches."""
    by_batch = isinstance(callback, LRScheduler) and callback.step_every == "batch"
    return by_batch or isinstance(callback, (*SCORING, ProgressBar))


def changes_weights(callback: Callback) -> bool:
    """Whether the callback freezes or sets weights, or changes their gradients."""
    of_gradients = type(callback).on_grad_computed is not Callback.on_grad_computed
    return of_gradients or isinstance(callback, ParamMapper)


def has_lost_patience(callback: Callback, interrupt: KeyboardInterrupt) -> bool:
    """Whether skorch's `EarlyStopping` raised `interrupt` to end training, rather than Ctrl-C."""
    *_, (frame, _) = traceback.walk_tb(interrupt.__traceback__)
    return (
        isinstance(callback, EarlyStopping)
        and frame.f_code is EarlyStopping.on_epoch_end.__code__
        and callback.misses_ == callback.patience
    )


def _unrecorded(name: str, monitor: str, offered: Sequence[str]) -> ValueError:
    reason = "training has no validation set" if "valid" in monitor else "no epoch records it"
    return ValueError(
        f"The callback {name!r} monitors {monitor!r}, and {reason}. Set its monitor to one of "
        f"{', '.join(map(repr, offered))}, or put a scoring callback with on_train=True and that "
        "name before it. To stop when no epoch is better, you can use n_iter_no_change instead."
    )


def _monitor(callback: Callback) -> str:
    """The key of an epoch's record that the callback monitors; empty if there is none."""
    if not isinstance(callback, LRScheduler | Checkpoint | EarlyStopping):
        return ""
    if isinstance(callback, LRScheduler):
        by_epoch = callback.step_every == "epoch"
        if not by_epoch or callback.policy not in ("ReduceLROnPlateau", ReduceLROnPlateau):
            return ""
    return callback.monitor if isinstance(callback.monitor, str) else ""


def _scores(callbacks: Iterable[Callback]) -> list[str]:
    """The keys that scoring callbacks and events record."""
    found = []
    for callback in callbacks:
        if isinstance(callback, SCORING):
            score = getattr(callback, "name_", callback.name)
            found += [score, f"{score}_best"]
        event = getattr(callback, "event_name", None)
        found += [event] * isinstance(event, str)
    return found
