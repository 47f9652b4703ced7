"""Available devices, their differences, and the random numbers of each."""

import os
import threading

import pytest
import torch

from sklearn_seldonian.learners.lagrangian import _devices
from sklearn_seldonian.learners.lagrangian._devices import resolve_device


@pytest.mark.parametrize(
    ("device", "dtype"), [("mps", torch.float32), ("cuda:1", torch.float64), ("cpu", torch.float64)]
)
def test_targets_are_as_precise_as_the_device_allows(device, dtype):
    assert _devices.dtype_on(device, torch.float64) is dtype
    assert _devices.dtype_on(device, torch.int64) is torch.int64


@pytest.fixture
def machine(monkeypatch):
    """Pretend to have this many CUDA devices, and Apple's."""

    def pretend(n_cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_cuda)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n_cuda > 0)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("there", "device", "resolved"),
    [
        ({"n_cuda": 2, "mps": True}, "auto", "cuda"),
        ({"mps": True}, "auto", "mps"),
        ({}, "auto", "cpu"),
        ({"n_cuda": 2}, "cuda:1", "cuda:1"),
        ({"n_cuda": 2}, torch.device("cuda", 0), "cuda:0"),
        ({"n_cuda": 1}, "cpu", "cpu"),
    ],
)
def test_devices_that_are_there(machine, there, device, resolved):
    machine(**there)
    assert resolve_device(device) == resolved


@pytest.mark.parametrize(
    ("there", "device", "message"),
    [
        ({"n_cuda": 2}, "cuda:2", "Give one of cuda, cuda:1, cpu"),
        ({"n_cuda": 1}, "mps", "Give one of cuda, cpu"),
        ({"mps": True}, "cuda", "Give one of mps, cpu"),
        ({}, "meta", "Give one of cpu"),
    ],
)
def test_devices_that_are_not(machine, there, device, message):
    machine(**there)
    with pytest.raises(ValueError, match=message):
        resolve_device(device)


@pytest.mark.parametrize(
    ("there", "trained_on", "loaded_on"),
    [
        ({}, "cuda", "cpu"),
        ({"n_cuda": 1}, "cuda:3", "cuda"),
        ({"n_cuda": 4}, "cuda:3", "cuda:3"),
        ({"n_cuda": 1}, "mps", "cpu"),
        ({"mps": True}, "mps", "mps"),
        ({"mps": True}, "cuda", "cpu"),
        ({"n_cuda": 1}, "cpu", "cpu"),
    ],
)
def test_what_takes_the_place_of_a_device(machine, there, trained_on, loaded_on):
    machine(**there)
    assert _devices.present_device(trained_on) == loaded_on


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no fork")
def test_a_forked_process_has_a_lock_of_its_own():
    held, before = threading.Event(), _devices._drawing
    done = threading.Event()

    def hold():
        with before:
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    try:
        _devices._renew_lock()
        assert _devices._drawing.acquire(timeout=0.1)
        _devices._drawing.release()
    finally:
        done.set()
        thread.join()
