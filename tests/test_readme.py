"""The README's code runs, and its commands name what exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.S))
def test_code(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "True" in capsys.readouterr().out


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^    make ([\w-]+)", README, re.M)
    assert {"test", "test-all"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M)
    for script in re.findall(r"python (\S+\.py)", README):
        assert (ROOT / script).exists()
