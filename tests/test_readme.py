"""The README's code runs and prints the shown output, and its commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.mark.parametrize(
    ("code", "shown"), re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.S)
)
def test_code_prints_what_is_shown(code, shown, capsys):
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "True" in printed
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
    # Between versions of torch, training differs in the last digits.
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (printed, shown)]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.03)


def test_all_code_is_run():
    assert README.count("```python\n") == len(re.findall(r"```\n\n```text\n", README)) == 2


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^    make ([\w-]+)", README, re.M)
    assert {"test", "test-all"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M)
    for script in re.findall(r"python\s+(\S+\.py)", README):
        assert (ROOT / script).exists()
