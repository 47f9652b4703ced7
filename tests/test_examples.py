"""The examples run as a user would run them, and are pages of the gallery."""

import functools
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor

EXAMPLES = Path(__file__).parent.parent / "examples"
DATA = Path(__file__).parent.parent.parent / "shared" / "data"

# The text that each example prints, and its figure.
EXPECTED = {
    "distributed.py": (r"1 process\(es\)\nSafety test passed", "distributed.png"),
    "frozen_model.py": (r"certified model: yes from 0\.5\d\d", "frozen_model.png"),
    "gpa_fairness.py": (r"equalized odds +0\.\d{3} +0\.\d{3} failed +0\.\d{3} passed", "gpa.png"),
    "gpa_regression.py": (r"method: betting \(finite-sample\)", "gpa_regression.png"),
    "monitoring.py": (r"quarter 3 +abs.* 0\.[23]\d+ +\d{4} +False", "monitoring.png"),
    "own_measure.py": (r"Cost <= 0\.5: passed", "own_measure.png"),
    "random_forest.py": (r"2 of 3 constraints passed", "random_forest.png"),
    "unknown_groups.py": (
        r"Column sex has no value in 15,\d{3} of the 21,652",
        "unknown_groups.png",
    ),
    "search.py": (r"9 settings were compared by cross-validation", "search.png"),
}


def completed(name, *arguments, folder, launcher=(), **environment):
    command = [sys.executable, *launcher, str(EXAMPLES / name), *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def run(name, *arguments, folder, launcher=(), **environment):
    done = completed(name, *arguments, folder=folder, launcher=launcher, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def run_short(monkeypatch, tmp_path, capsys):
    """Runs an example in this process, with few epochs in each fit, and returns what it prints."""

    def run(name, *arguments, max_epochs=3, **environment):
        for estimator in (SeldonianClassifier, SeldonianRegressor):
            monkeypatch.setattr(estimator, "fit", shortened(estimator.fit, max_epochs))
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        monkeypatch.chdir(tmp_path)
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        plt.close("all")
        return capsys.readouterr().out

    return run


def shortened(fit, max_epochs):
    @functools.wraps(fit)
    def with_few_epochs(self, *args, **kwargs):
        self.set_params(max_epochs=min(self.max_epochs, max_epochs))
        return fit(self, *args, **kwargs)

    return with_few_epochs


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_reads_top_to_bottom(path):
    text = path.read_text()
    question, underline = re.match(r'"""\n(.+)\n(=+)\n\n', text).groups()
    assert question.endswith("?")
    assert len(underline) == len(question)
    cells = text.split("\n# %%\n")
    assert len(cells) > 3
    assert all(line.startswith("# ") for line in cells[-1].splitlines())
    assert text.count(".savefig(") == 1
    assert not re.search(r"__(doc|file)__", text)  # a page of the gallery does not have these


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_example(name, tmp_path):
    printed, picture = EXPECTED[name]
    assert re.search(printed, run(name, folder=tmp_path))
    assert (tmp_path / picture).stat().st_size > 10_000


@pytest.mark.slow
def test_two_processes_print_what_one_does(tmp_path):
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    printed = run("distributed.py", folder=tmp_path, launcher=launcher)
    assert printed.count("2 process(es)\nSafety test passed") == 1
    assert (tmp_path / "distributed.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", EXPECTED)
def test_example_in_short(name, tmp_path, run_short):
    printed, picture = EXPECTED[name]
    # The few rows of this example need many epochs, which are fast.
    max_epochs = 1000 if name == "own_measure.py" else 3
    assert re.search(printed, run_short(name, max_epochs=max_epochs))
    assert (tmp_path / picture).stat().st_size > 10_000


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
@pytest.mark.filterwarnings("ignore:The module returns probabilities, and CrossEntropyLoss")
@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.thinned(2)
def test_digits_in_short(tmp_path, softmax, run_short):
    printed = run_short("mnist.py", "--dataset", "digits", *["--softmax"] * softmax)
    assert "Passed the safety test: False" in printed  # after three epochs
    assert "certified to be at least" in printed
    assert (tmp_path / "digits.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("softmax", [False, True])
def test_digits(tmp_path, softmax):
    arguments = ["--dataset", "digits", *["--softmax"] * softmax]
    printed = run("mnist.py", *arguments, folder=tmp_path)
    assert "Passed the safety test: True" in printed
    assert "certified to be at least" in printed
    assert "Cross-entropy on the safety rows" in printed
    assert (tmp_path / "digits.png").stat().st_size > 10_000


@pytest.mark.slow
def test_three_plots(tmp_path, run_short):
    printed = run_short("three_plots.py", TRIALS="1")
    table = [line.rsplit(maxsplit=5) for line in printed.splitlines()[1:]]
    failures = {(name.strip(), int(size)): float(failed) for name, size, _, _, failed, _ in table}
    assert len(failures) == 12
    assert failures["Logistic regression", 1000] == 1
    assert failures["Seldonian, linear", 1000] == 0
    assert (tmp_path / "three_plots.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "MNIST").exists(), reason="MNIST is not on this machine")
def test_mnist(tmp_path):
    # After one epoch the accuracy is .950 or .953, depending on the number of threads. This is at
    # the limit of the test.
    printed = run("mnist.py", "--root", str(DATA), "--epochs", "2", folder=tmp_path)
    assert "Passed the safety test: True" in printed


@pytest.mark.skipif(not (DATA / "german").exists(), reason="German credit is not on this machine")
@pytest.mark.parametrize("max_epochs", [10, pytest.param(1000, marks=pytest.mark.slow)])
def test_german_credit(tmp_path, run_short, max_epochs):
    folder = str(DATA / "german")
    printed = run_short("german_credit.py", max_epochs=max_epochs, GERMAN_CREDIT=folder)
    assert "Safety test passed" in printed
    assert (tmp_path / "german_credit.png").stat().st_size > 10_000


def test_the_error_names_the_folder(tmp_path, run_short):
    with pytest.raises(SystemExit, match=f"there is no {tmp_path / 'german.csv'}") as ended:
        run_short("german_credit.py", GERMAN_CREDIT=str(tmp_path))
    assert "GERMAN_CREDIT" in str(ended.value)


@pytest.mark.slow
def test_boosted_trees_keep_their_accuracy_under_the_constraint(tmp_path, run_short):
    printed = run_short("boosted_trees.py")
    figures = re.findall(r"^(\w+) +accuracy (.*), gap between men and women (.*)$", printed, re.M)
    (_, free, free_gap), (_, constrained, gap) = figures
    assert float(free_gap) > 0.15
    assert float(gap) <= 0.1
    assert float(constrained) > float(free) - 0.02
    assert (tmp_path / "boosted_trees.png").stat().st_size > 10_000
