"""The two ways to start the commands from a shell."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-m", "sklearn_seldonian"], [Path(sys.executable).with_name("seldonian")]],
)
def test_from_a_shell(command):
    """Both ways to start it; argparse ends with 2 as well."""
    plan = [*command, "plan", "--constraint", "ACC >= 0.9", "--rate", "ACC=0.9"]
    done = subprocess.run(plan, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (1, "")
    done = subprocess.run([*command, "plan"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "--constraint" in done.stderr
