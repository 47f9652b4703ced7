"""The examples run as a user would run them, on a reduced setting."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
MNIST = Path(__file__).parent.parent.parent / "shared" / "data"


def run(name, *arguments, folder):
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("softmax", [False, True])
def test_digits(tmp_path, softmax):
    arguments = ["--dataset", "digits", *["--softmax"] * softmax]
    printed = run("mnist.py", *arguments, folder=tmp_path)
    assert "Passed the safety test: True" in printed
    assert "certified to be at least" in printed
    assert "Cross-entropy on the safety rows" in printed
    assert (tmp_path / "digits.png").stat().st_size > 10_000


def test_gpa(tmp_path):
    printed = run("gpa_fairness.py", "--epochs", "5", folder=tmp_path)
    assert "Safety test passed" in printed
    assert (tmp_path / "gpa.png").stat().st_size > 10_000


def test_gpa_regression(tmp_path):
    printed = run("gpa_regression.py", "--epochs", "2", folder=tmp_path)
    assert "Safety test passed" in printed
    assert "method: betting (finite-sample)" in printed
    assert (tmp_path / "gpa_regression.png").stat().st_size > 10_000


@pytest.mark.skipif(not MNIST.exists(), reason="MNIST is not on this machine")
def test_mnist(tmp_path):
    printed = run("mnist.py", "--root", str(MNIST), "--epochs", "1", folder=tmp_path)
    assert "Passed the safety test: True" in printed
