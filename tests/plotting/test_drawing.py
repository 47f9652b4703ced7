"""Figures show the numbers that they are made of."""

import matplotlib.pyplot
import pytest

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.plotting import (
    CertificateDisplay,
    PowerDisplay,
    TradeoffDisplay,
    TrainingDisplay,
)


class TestDisplaysAreDrawn:
    """As in scikit-learn, the constructors that take results draw them."""

    @pytest.fixture
    def model(self, blobs):
        return SeldonianClassifier(
            MLP, constraints="ACC >= 0.6", max_epochs=2, random_state=0, device="cpu"
        ).fit(*blobs)

    def test_of_training(self, model):
        display = TrainingDisplay.from_estimator(model)
        assert len(display.axes_) == 4
        assert len(display.figure_.axes) == 4
        _, axes = matplotlib.pyplot.subplots(4)
        assert TrainingDisplay.from_estimator(model, axes=axes).axes_ is axes

    def test_of_certificates(self, model):
        display = CertificateDisplay.from_estimator(model)
        assert len(display.axes_) == 2
        assert display.axes_[0].get_title(loc="left") == "ACC >= 0.6"
        figure, axes = matplotlib.pyplot.subplots(2)
        for again in (
            CertificateDisplay.from_estimator(model, axes=axes),
            CertificateDisplay.from_certificate(model.certificate_, axes=axes),
        ):
            assert again.figure_ is figure
            assert again.axes_ == list(axes)

    def test_of_power(self, model):
        assert PowerDisplay.from_estimator(model, n_rows=[10, 100]).ax_.lines
        figure, ax = matplotlib.pyplot.subplots()
        for display in (
            PowerDisplay.from_estimator(model, n_rows=[10, 100], ax=ax),
            PowerDisplay.from_certificate(model.certificate_, n_rows=[10, 100], ax=ax),
        ):
            assert display.ax_ is ax
            assert display.figure_ is figure

    def test_of_trade_offs(self, model, blobs):
        figure, axes = matplotlib.pyplot.subplots(2)
        display = TradeoffDisplay.from_estimator(model, *blobs, [0.5, 0.6], axes=axes)
        assert display.figure_ is figure
        assert len(TradeoffDisplay.from_estimator(model, *blobs, [0.5]).axes_) == 2

    def test_a_report_opens_no_figure(self, model, tmp_path):
        model.certificate_.to_html(tmp_path / "report.html")
        assert matplotlib.pyplot.get_fignums() == []
