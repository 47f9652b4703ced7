"""Communication of processes that train one model together.

Every process has all rows and runs the same program. The processes divide the rows of every batch
and of every evaluation among themselves, and add up gradients and counts. The first process
chooses the model, tests it, and sends the results to the others.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import joblib
import numpy as np
import torch
from torch import distributed, nn

from sklearn_seldonian.learners.lagrangian._devices import on_device, resolve_device

Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """This process among those that train one model together.

    If the process is alone, each method returns its argument.

    Parameters
    ----------
    rank : int, default=0
        The number of this process, 0 for the first.
    n : int, default=1
        The number of processes.
    device : str, default="cpu"
        The torch device that this process trains on, from which values are sent.
    """

    rank: int = 0
    n: int = 1
    device: str = "cpu"

    def from_first(self, function: Callable[[], Value]) -> Value:
        """The value that `function` returns in the first process. Others do not call it.

        If it raises an error there, every process raises it.
        """
        if self.n == 1:
            return function()
        value, raised, sent = None, None, [b""]
        if not self.rank:
            try:
                value = function()
            except Exception as error:
                raised = error
            sent = [pickle.dumps((value, raised))]
        with _all_there():
            distributed.broadcast_object_list(sent, device=torch.device(self.device))
        if self.rank:
            value, raised = pickle.loads(sent[0])
        if raised is not None:
            raise raised
        return value  # type: ignore[return-value]

    def random_numbers(self, rng: np.random.RandomState) -> np.random.RandomState:
        """A generator that is the same in every process, seeded by `rng` of the first."""
        if self.n > 1:
            state = self.from_first(rng.get_state)
            rng = np.random.RandomState()
            rng.set_state(state)
        return rng

    def tensor_of_first(self, values: torch.Tensor) -> torch.Tensor:
        """The first process's `values`, which have the same shape everywhere."""
        if self.n == 1:
            return values
        sent = values.to(self.device, copy=True)
        with _all_there():
            distributed.broadcast(sent, src=0)
        return sent.to(values.device)

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of all processes' `values`, which have the same shape everywhere."""
        if self.n == 1:
            return values
        sent = on_device(values, self.device).clone()
        with _all_there():
            distributed.all_reduce(sent)
        return sent.to(values.device, values.dtype)

    def part(self, values: torch.Tensor) -> torch.Tensor:
        """This process's part of `values`, which are the same in all processes."""
        return values if self.n == 1 else values.tensor_split(self.n)[self.rank]

    def add_gradients(self, parameters: Iterable[nn.Parameter], n_rows: int) -> None:
        """Replace each gradient, a mean over this process's `n_rows`, by the mean over all rows."""
        if self.n == 1:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
        flat = torch.cat([gradient.ravel() for gradient in gradients])
        total = self.summed(torch.cat([flat, flat.new_ones(1)]) * n_rows)
        mean, sizes = total[:-1] / total[-1], [gradient.numel() for gradient in gradients]
        for gradient, of_all in zip(gradients, torch.split(mean, sizes), strict=True):
            gradient.copy_(of_all.view_as(gradient))

    def agree(self, module: nn.Module) -> None:
        """Copy the first process's parameters and buffers to all processes."""
        if self.n == 1:
            return
        with torch.no_grad():
            for tensor in module.state_dict().values():
                tensor.copy_(self.tensor_of_first(tensor))

    def average_buffers(self, module: nn.Module) -> None:
        """Replace running statistics by their means over all processes."""
        if self.n == 1:
            return
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.copy_(self.summed(buffer) / self.n)

    def draw_apart(self) -> None:
        """Seed torch differently in every process."""
        if self.rank:
            torch.manual_seed(torch.initial_seed() + self.rank)

    def check_same(self, value: Any, problem: str) -> None:
        """Wait for all processes, and refuse a `value` that is not the same in all of them.

        Raises
        ------
        ValueError
            With the message `problem`, in every process.
        """
        if self.n == 1:
            return
        digests: list[Any] = [None] * self.n
        with _all_there():
            distributed.all_gather_object(digests, joblib.hash(value))
        if len(set(digests)) > 1:
            raise ValueError(problem)


ALONE = Processes()


def launched_processes(device: str) -> Processes:
    """The processes that `torchrun` or `accelerate launch` started, or this one alone.

    Parameters
    ----------
    device : str
        The estimators' parameter. "auto": each process has its own device.

    Raises
    ------
    ImportError
        If accelerate is not installed.
    """
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ImportError(
            "distributed=True needs the package accelerate, which is not installed. Install it "
            "with pip install 'sklearn-seldonian[distributed]'."
        ) from error
    state = PartialState(cpu=resolve_device(device) == "cpu")
    if state.num_processes != int(os.environ.get("WORLD_SIZE", "1")):
        raise RuntimeError(
            f"{os.environ['WORLD_SIZE']} processes were launched, but accelerate was set up before "
            f"for {state.num_processes}. On CPUs, set it up with Accelerator(cpu=True)."
        )
    if state.num_processes == 1:
        return Processes(device=resolve_device(device))
    own = "cpu" if state.device.type == "cpu" else str(state.device)
    if device not in ("auto", own, torch.device(own).type):
        raise ValueError(
            f"device={device!r} was given, but the device of this process is {own!r}. With "
            'distributed=True, leave device="auto", or write "cpu".'
        )
    return Processes(state.process_index, state.num_processes, own)


@contextmanager
def _all_there() -> Iterator[None]:
    """Raise an error with an explanation if another process has ended."""
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(
            "Another of the processes that train together has ended or does not respond, so there "
            "is no model and no certificate. Look for the cause in the output of that process."
        ) from error
