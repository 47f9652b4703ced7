"""Differences between devices: their precision, and which are available."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Types of devices without float64.
SINGLE_PRECISION = frozenset({"mps"})


def dtype_on(device: str | torch.device, dtype: torch.dtype) -> torch.dtype:
    """`dtype`, or the nearest type that `device` has."""
    is_single = torch.device(device).type in SINGLE_PRECISION
    return torch.float32 if is_single and dtype is torch.float64 else dtype


def on_device(values: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    """`values` on `device`, in the nearest type that it has."""
    return values.to(dtype_on(device, values.dtype)).to(device)


def present_device(device: str) -> str:
    """`device`, or the device that replaces it if it is not available."""
    kind, index = torch.device(device).type, torch.device(device).index
    if kind == "cuda" and torch.cuda.is_available():
        return device if (index or 0) < torch.cuda.device_count() else "cuda"
    is_absent = kind == "cuda" or (kind == "mps" and not torch.backends.mps.is_available())
    return "cpu" if is_absent else device


def resolve_device(device: str) -> str:
    """A torch device string for the `device` parameter.

    Raises
    ------
    ValueError
        If the device is not available.
    """
    present = _devices()
    if device == "auto":
        return present[0]
    try:
        kind, index = torch.device(device).type, torch.device(device).index
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"Unknown device {device!r}. Give one of {', '.join(present)}, or device='auto'."
        ) from error
    is_there = any(name.partition(":")[0] == kind for name in present)
    if kind == "cuda":
        is_there = (index or 0) < torch.cuda.device_count()
    if not is_there:
        raise ValueError(
            f"Device {device!r} is not available here. Give one of {', '.join(present)}, or "
            "device='auto'."
        )
    return str(device)


def _devices() -> list[str]:
    """The devices of this machine, the fastest first."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cuda", *cuda[1:]] * bool(cuda) + mps + ["cpu"]


@contextmanager
def gradients() -> Iterator[None]:
    """Record gradients, also if the caller has disabled them in torch."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def own_random_numbers(device: str, seed: int) -> Iterator[None]:
    """Seed torch's generators of the CPU and of `device` with `seed`, and restore them afterwards.

    All threads of a process share these generators, so only one thread at a time may enter.
    """
    cuda = [torch.device(device)] if device.startswith("cuda") else []
    with _drawing, torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        for each in cuda:
            with torch.cuda.device(each):
                torch.cuda.manual_seed(seed)
        if not device.startswith("mps"):
            yield
            return
        before = torch.mps.get_rng_state()
        torch.mps.manual_seed(seed)
        try:
            yield
        finally:
            torch.mps.set_rng_state(before)


def _renew_lock() -> None:
    """Replace the lock in a forked process, where the thread that held it does not exist."""
    globals()["_drawing"] = threading.RLock()


_drawing = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
