"""The package without torch: certificates of other models, their verification, and monitoring."""

import subprocess
import sys

import pytest

import sklearn_seldonian

WITHOUT = """
import sys


class Missing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "skorch"):
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, Missing)  # not None in sys.modules, by which scipy takes torch for loaded
"""
USES = {
    "selection": """
from sklearn_seldonian import selection

print("forecast_for" in selection.__all__)
""",
    "a plan from a shell": """
from sklearn_seldonian._command_line import main

print(main(["plan", "--constraint", "ACC >= 0.9", "--rate", "ACC=0.93"]) == 0)
""",
    "a certificate and a monitor": """
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn_seldonian import certify
from sklearn_seldonian.monitoring import SafetyMonitor

X, y = make_classification(2000, class_sep=2.0, random_state=0)
model = LogisticRegression().fit(X[:1000], y[:1000])
certificate = certify(model, X[1000:], y[1000:], "ACC >= 0.8")
monitor = SafetyMonitor.from_certificate(certificate)
monitor.update(model.predict(X[1000:]), y[1000:])
print(certificate.passed, certificate.verify(model, X[1000:], y[1000:]).same)
print(certificate.recompute().same, monitor.n_rows_ == 1000)
""",
}


@pytest.mark.parametrize("script", USES.values(), ids=USES)
def test_these_uses_do_not_need_torch(script):
    command = [sys.executable, "-c", WITHOUT + script]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "True" in found.stdout
    assert "False" not in found.stdout


def test_estimators_need_torch():
    command = [sys.executable, "-c", WITHOUT + "from sklearn_seldonian import SeldonianClassifier"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError: torch" in found.stderr


def test_the_door_lists_estimators_and_refuses_other_names():
    assert set(sklearn_seldonian.__all__) <= set(dir(sklearn_seldonian))
    with pytest.raises(AttributeError, match="has no attribute 'SeldonianClasifier'"):
        _ = sklearn_seldonian.SeldonianClasifier


def test_public_modules_are_attributes_of_the_package():
    code = (
        "import pkgutil, sklearn_seldonian as package\n"
        "names = [m.name for m in pkgutil.iter_modules(package.__path__)]\n"
        "public = {n for n in names if not n.startswith('_')} - {'estimators'}\n"
        "print(len([getattr(package, name).__name__ for name in public]) > 10)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.stdout.strip() == "True", found.stderr
