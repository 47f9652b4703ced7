"""The package without matplotlib: what works, and messages that say how to install it."""

import builtins
import sys

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from sklearn_seldonian import SeldonianClassifier, certify
from sklearn_seldonian.experiments import plot_experiment, run_experiment
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.plotting import (
    CertificateDisplay,
    PowerDisplay,
    TradeoffDisplay,
    TrainingDisplay,
)


@pytest.fixture
def model(blobs):
    return SeldonianClassifier(
        MLP, constraints="ACC >= 0.6", max_epochs=2, random_state=0, device="cpu"
    ).fit(*blobs)


@pytest.fixture
def no_matplotlib(monkeypatch):
    """Importing any part of matplotlib fails."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    ordinary = builtins.__import__

    def refusing(name, *args, **kwargs):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return ordinary(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refusing)


@pytest.mark.usefixtures("no_matplotlib")
def test_the_report_comes_without_pictures(model, tmp_path):
    path = tmp_path / "report.html"
    model.certificate_.to_html(path)
    page = path.read_text(encoding="utf-8")
    assert "Safety test passed" in page
    assert "<svg" not in page
    assert "<figure" not in page
    assert "Safety test passed" in model.certificate_._repr_html_()


DRAWINGS = {
    "certificate.plot": lambda model, X, y: model.certificate_.plot(),
    "CertificateDisplay": lambda model, X, y: CertificateDisplay.from_estimator(model),
    "TrainingDisplay": lambda model, X, y: TrainingDisplay.from_estimator(model),
    "PowerDisplay": lambda model, X, y: PowerDisplay.from_estimator(model, n_rows=[10]),
    "TradeoffDisplay": lambda model, X, y: TradeoffDisplay.from_estimator(model, X, y, [0.6]),
    "plot_experiment": lambda model, X, y: plot_experiment(
        run_experiment(
            {"dummy": DummyClassifier()}, X, y, "PR <= 1", sample_sizes=[20], n_trials=1, verbose=0
        )
    ),
}


@pytest.mark.usefixtures("no_matplotlib")
@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS.keys())
@pytest.mark.thinned(2)
def test_pictures_name_the_extra(model, blobs, draw):
    with pytest.raises(ImportError, match=r"pip install 'sklearn-seldonian\[plot\]'"):
        draw(model, *blobs)


@pytest.mark.usefixtures("no_matplotlib")
def test_a_certificate_that_failed_is_written_as_well(tmp_path):
    model = DummyClassifier().fit([[0.0]] * 4, [0, 0, 1, 1])
    certificate = certify(model, np.zeros((9, 1)), [0] * 9, "PR >= 0.5")
    certificate.to_html(tmp_path / "report.html")
    assert "Not certified" in (tmp_path / "report.html").read_text(encoding="utf-8")
