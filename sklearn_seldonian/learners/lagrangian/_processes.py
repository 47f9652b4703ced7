"""Processes that train one model together: what they tell each other.

Every process has all rows and runs the same program. They share out the rows of every batch and of
every evaluation, and add up gradients and counts. The first process chooses, tests, and tells the
others.
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

    Alone, each method gives back what it is given.

    Parameters
    ----------
    rank : int, default=0
        Which of them this process is; the first is 0.
    n : int, default=1
        How many they are.
    device : str, default="cpu"
        A torch device for what is sent: the one that this process trains on.
    """

    rank: int = 0
    n: int = 1
    device: str = "cpu"

    def from_first(self, function: Callable[[], Value]) -> Value:
        """What `function` returns in the first process; elsewhere it is not called.

        What it raises there is raised everywhere.
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
        """A generator that draws in every process what `rng` draws in the first."""
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
        """This process's part of `values`, which are the same everywhere."""
        return values if self.n == 1 else values.tensor_split(self.n)[self.rank]

    def add_gradients(self, parameters: Iterable[nn.Parameter], n_rows: int) -> None:
        """Make each gradient, a mean over this process's `n_rows`, the mean over all rows."""
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
        """Give every process the first one's parameters and buffers."""
        if self.n == 1:
            return
        with torch.no_grad():
            for tensor in module.state_dict().values():
                tensor.copy_(self.tensor_of_first(tensor))

    def average_buffers(self, module: nn.Module) -> None:
        """Make running statistics the means of all processes'."""
        if self.n == 1:
            return
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.copy_(self.summed(buffer) / self.n)

    def draw_apart(self) -> None:
        """Let torch draw other random numbers here than in the first process."""
        if self.rank:
            torch.manual_seed(torch.initial_seed() + self.rank)

    def check_same(self, value: Any, problem: str) -> None:
        """Wait for all processes, and refuse a `value` that is not the same everywhere.

        Raises
        ------
        ValueError
            With `problem`, in every process.
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
    """Those that `torchrun` or `accelerate launch` started; this one alone where neither did.

    Parameters
    ----------
    device : str
        As the estimators have it. "auto": each process has a device of its own.

    Raises
    ------
    ImportError
        If accelerate is not installed.
    """
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ImportError(
            "distributed=True needs accelerate: pip install 'sklearn-seldonian[distributed]'."
        ) from error
    state = PartialState(cpu=resolve_device(device) == "cpu")
    if state.num_processes != int(os.environ.get("WORLD_SIZE", "1")):
        raise RuntimeError(
            f"{os.environ['WORLD_SIZE']} processes were launched, and accelerate, which was set up "
            f"before, knows of {state.num_processes}: on CPUs write Accelerator(cpu=True)."
        )
    if state.num_processes == 1:
        return Processes(device=resolve_device(device))
    own = "cpu" if state.device.type == "cpu" else str(state.device)
    if device not in ("auto", own, torch.device(own).type):
        raise ValueError(
            f"device={device!r}, but the device of this process is {own!r}: with distributed=True "
            'leave device="auto", or write "cpu".'
        )
    return Processes(state.process_index, state.num_processes, own)


@contextmanager
def _all_there() -> Iterator[None]:
    """Say in words that another process has ended."""
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(
            "Another of the processes that train together has ended or does not answer, so there "
            "is no model and no certificate. What ended it is in its own output."
        ) from error
