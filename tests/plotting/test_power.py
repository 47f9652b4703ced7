"""Figures show the numbers that they are made of."""

import matplotlib.pyplot
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import SeldonianClassifier, certify, required_safety_rows
from sklearn_seldonian.exceptions import NoSolutionFoundWarning
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.plotting import (
    CertificateDisplay,
    PowerDisplay,
)
from tests.plotting._texts import texts_of


class TestPower:
    @pytest.fixture
    def model(self, blobs, groups):
        model = SeldonianClassifier(
            MLP,
            constraints=["ACC >= 0.75", "min(TPR, by=race) >= 0.3", "LogLoss <= 0.9"],
            random_state=0,
            max_epochs=4,
        )
        with pytest.warns(UserWarning, match="LogLoss"):
            return model.fit(*blobs, sensitive_features=groups)

    def test_rates_of_a_certificate_foretell_its_power(self, model):
        result, by_race, _ = model.certificate_.results
        rows = required_safety_rows("ACC >= 0.75", result.rates, power=0.8)
        display = PowerDisplay.from_estimator(model, n_rows=[10, rows, 100_000])
        assert list(display.probabilities) == ["ACC >= 0.75", "min(TPR, by=race) >= 0.3"]
        low, at, high = display.probabilities["ACC >= 0.75"]
        assert low < 0.2
        assert at == pytest.approx(0.8, abs=0.03)
        assert high == 1.0
        assert (np.diff(display.probabilities[by_race.constraint]) >= 0).all()

    def test_a_line_for_each_constraint(self, model):
        display = PowerDisplay([10, 100], {"$a$": np.array([0.1, 0.9]), "b": np.ones(2)}, 50)
        display.plot().figure_.draw_without_rendering()
        first, second, tested = display.ax_.lines
        assert first.get_ydata().tolist() == [0.1, 0.9]
        assert first.get_linestyle() != second.get_linestyle()
        assert tested.get_xdata()[0] == 50
        assert texts_of(display.ax_.get_legend()) == ["$a$", "b", "50 rows were tested"]

    def test_of_many_constraints_those_that_take_most_rows_are_named(self):
        probabilities = {f"c{i}": np.array([0.5 - 0.01 * i, 1.0]) for i in range(12)}
        display = PowerDisplay([10, 100], probabilities, n_safety=50).plot()
        labels = texts_of(display.ax_.get_legend())
        grey, *named, tested = labels
        assert grey == "5 others, which need fewer rows"
        assert named == [f"c{i}" for i in range(5, 12)]
        assert tested == "50 rows were tested"
        lines = display.ax_.lines[:12]
        assert {line.get_color() for line in lines[:5]} == {"0.8"}
        assert len({(line.get_color(), line.get_marker()) for line in lines[5:]}) == 7

    def test_the_legend_covers_no_line(self):
        probabilities = {f"c{i}": np.linspace(0, 1, 9) for i in range(20)}
        display = PowerDisplay(np.geomspace(10, 1000, 9), probabilities).plot()
        display.figure_.draw_without_rendering()
        legend = display.ax_.get_legend().get_window_extent()
        assert legend.y1 < display.ax_.get_window_extent().y0
        assert legend.y0 >= 0

    def test_on_given_axes(self):
        _, ax = matplotlib.pyplot.subplots()
        display = PowerDisplay([10, 100], {"a": np.array([0.1, 0.9])}).plot(ax)
        assert display.ax_ is ax
        assert texts_of(ax.get_legend()) == ["a"]

    def test_labels_of_many_classes(self):
        X = np.repeat(np.eye(3), 40, axis=0)
        y = np.repeat(["ant", "bee", "cat"], 40)
        model = LogisticRegression().fit(X, y)
        certificate = certify(model, X, y, 'CM_["ant", "bee"] <= 0.1')
        display = PowerDisplay.from_certificate(certificate, [5, 500])
        assert display.probabilities['CM_["ant", "bee"] <= 0.1'].round(1).tolist() == [0.0, 1.0]

    def test_nothing_to_foretell(self, blobs):
        model = SeldonianClassifier(
            MLP, constraints="ACC >= 0.6", decision="sample", random_state=0, max_epochs=2
        ).fit(*blobs)
        with pytest.raises(ValueError, match="none of the constraints is about rates of decisions"):
            PowerDisplay.from_estimator(model)
        with pytest.raises(ValueError, match="The estimator was fitted without constraints"):
            PowerDisplay.from_estimator(SeldonianClassifier(max_epochs=1).fit(*blobs))


def test_certificates_of_failed_fits_have_pictures(blobs):
    with pytest.warns(NoSolutionFoundWarning):
        model = SeldonianClassifier(MLP, constraints="ACC >= 1.5").fit(*blobs)
    display = CertificateDisplay.from_estimator(model)
    assert display.axes_[0].get_title(loc="right") == "not tested"
