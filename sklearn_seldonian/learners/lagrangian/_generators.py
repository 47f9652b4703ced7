"""Torch's process-wide state while a net is made or trained: put back after, one fit at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def gradients() -> Iterator[None]:
    """Gradients are recorded, whatever mode the caller has put torch into."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def own_random_numbers(device: str, seed: int) -> Iterator[None]:
    """Torch's generators of the CPU and of `device` start from `seed`, and are put back after.

    All threads of a process draw from them, so that one at a time may.
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
    """A forked process lacks the thread that may have held the lock."""
    globals()["_drawing"] = threading.RLock()


_drawing = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
