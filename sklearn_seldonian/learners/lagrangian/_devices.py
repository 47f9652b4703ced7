"""What differs between devices: precision, and whether they are there."""

from __future__ import annotations

import torch

# Kinds of devices that have no float64.
SINGLE_PRECISION = frozenset({"mps"})


def dtype_on(device: str | torch.device, dtype: torch.dtype) -> torch.dtype:
    """`dtype`, or the nearest that there is on `device`."""
    is_single = torch.device(device).type in SINGLE_PRECISION
    return torch.float32 if is_single and dtype is torch.float64 else dtype


def on_device(values: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    """`values` on `device`, as precise as they can be there."""
    return values.to(dtype_on(device, values.dtype)).to(device)


def present_device(device: str) -> str:
    """`device`, or what takes its place where it is not there."""
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
        If the device is not there.
    """
    present = _devices()
    if device == "auto":
        return present[0]
    try:
        kind, index = torch.device(device).type, torch.device(device).index
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"Unknown device {device!r}; there are {', '.join(present)}.") from error
    is_there = any(name.partition(":")[0] == kind for name in present)
    if kind == "cuda":
        is_there = (index or 0) < torch.cuda.device_count()
    if not is_there:
        raise ValueError(f"Device {device!r} is not there; there are {', '.join(present)}.")
    return str(device)


def _devices() -> list[str]:
    """The devices of this machine, the fastest first."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cuda", *cuda[1:]] * bool(cuda) + mps + ["cpu"]
