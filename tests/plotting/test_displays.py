"""Pictures show the numbers they were made of."""

import matplotlib.pyplot
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import SeldonianClassifier, certify, required_safety_rows
from sklearn_seldonian.exceptions import NoSolutionFoundWarning
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.plotting import (
    CertificateDisplay,
    PowerDisplay,
    TradeoffDisplay,
    TrainingDisplay,
)

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    matplotlib.pyplot.close("all")


def texts_of(legend):
    return [text.get_text() for text in legend.get_texts()]


class TestTraining:
    def test_four_panels_show_the_history(self, blobs):
        model = SeldonianClassifier(
            MLP, constraints=["ACC >= 0.6", "PR <= 0.4"], random_state=0, max_epochs=4
        ).fit(*blobs)
        display = TrainingDisplay.from_estimator(model)
        assert len(display.figure_.axes) == 4
        history = model.history_
        loss, multipliers, bounds, lagrangian = display.axes_
        assert loss.lines[0].get_ydata().tolist() == history["candidate_loss"].tolist()
        assert multipliers.lines[1].get_ydata().tolist() == history["multiplier_1"].tolist()
        assert bounds.lines[0].get_ydata().tolist() == history["predicted_bound_0"].tolist()
        both = sum(history[f"multiplier_{i}"] * history[f"predicted_bound_{i}"] for i in (0, 1))
        expected = (history["candidate_loss"] + both).to_numpy()
        assert lagrangian.lines[0].get_ydata() == pytest.approx(expected)
        (legend,) = display.figure_.legends
        kept = model.net_.kept_epoch_
        assert texts_of(legend) == ["ACC >= 0.6", "PR <= 0.4", *model.price_.in_short]
        assert [line.get_xdata()[0] for line in multipliers.lines[-2:]] == [
            kept,
            model.price_.epoch_without,
        ]

    def test_where_nothing_was_paid_one_epoch_is_marked(self, blobs):
        model = SeldonianClassifier(
            constraints="Brier <= 0.9", random_state=0, max_epochs=2, module__hidden=()
        ).fit(*blobs)
        display = TrainingDisplay.from_estimator(model)
        assert model.price_ is None
        kept = f"epoch {model.net_.kept_epoch_}, which is kept"
        assert texts_of(display.figure_.legends[0]) == ["Brier <= 0.9", kept]
        assert len(display.axes_[1].lines) == 2

    def test_of_many_constraints_the_hardest_are_named(self):
        epochs = np.arange(1, 4)
        history = pd.DataFrame({"epoch": epochs, "candidate_loss": 1.0 / epochs})
        for i in range(12):
            history[f"multiplier_{i}"] = i / 10
            history[f"predicted_bound_{i}"] = -0.1
            history[f"passing_{i}"] = 0.5 if i in (2, 11) else 0.9 + i / 1000
        texts = [f"PR | [group == {i}] <= 0.5" for i in range(12)]
        display = TrainingDisplay(history, texts, kept_epoch=2).plot()
        labels = texts_of(display.figure_.legends[0])
        assert labels[:7] == [texts[i] for i in (0, 1, 2, 3, 4, 5, 11)]
        assert labels[7:] == ["5 others, likelier to pass", "epoch 2, which is kept"]
        lines = display.axes_[2].lines[:12]
        looks = {(lines[i].get_color(), lines[i].get_marker()) for i in (0, 1, 2, 3, 4, 5, 11)}
        assert len(looks) == 7
        assert {lines[i].get_color() for i in (6, 7, 8, 9, 10)} == {"0.8"}

    def test_series_differ_in_grey_print(self, blobs):
        constraints = ["ACC >= 0.7", "PR <= 0.9", "TPR >= 0.5"]
        model = SeldonianClassifier(MLP, constraints=constraints, random_state=0, max_epochs=2)
        lines = TrainingDisplay.from_estimator(model.fit(*blobs)).axes_[1].lines[:3]
        assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == 3

    def test_rewritten_constraints_are_marked(self, blobs, groups):
        constraints = ["ACC >= 0.6", "PR | [M] / PR | [F] >= 0.5"]
        model = SeldonianClassifier(MLP, constraints=constraints, random_state=0, max_epochs=2)
        model.fit(*blobs, sensitive_features=groups)
        legend = TrainingDisplay.from_estimator(model).figure_.legends[0]
        assert texts_of(legend)[:2] == ["ACC >= 0.6", "PR | [M] / PR | [F] >= 0.5 *"]
        assert legend.get_title().get_text() == "* bound on a rewritten form: its sign counts"

    def history(self, n_epochs, bound):
        """Constraint 0 has no bound and no multiplier; that of constraint 1 is `bound`."""
        return pd.DataFrame(
            {
                "epoch": np.arange(1, n_epochs + 1),
                "candidate_loss": 0.5,
                "multiplier_0": 0.0,
                "predicted_bound_0": np.inf,
                "passing_0": 0.0,
                "multiplier_1": 2.0,
                "predicted_bound_1": bound,
                "passing_1": 1.0,
            }
        )

    @pytest.mark.parametrize(("bound", "expected"), [(0.1, 0.7), (-0.1, 0.3), (np.inf, np.inf)])
    def test_infinite_bounds_cost_what_their_multipliers_say(self, bound, expected):
        display = TrainingDisplay(self.history(3, bound), ["a", "b"], kept_epoch=1).plot()
        display.figure_.draw_without_rendering()
        assert display.axes_[3].lines[0].get_ydata() == pytest.approx([expected] * 3)
        without = ", without a bound"
        labels = ["a" + without, "b" + without * (bound == np.inf), "epoch 1, which is kept"]
        assert texts_of(display.figure_.legends[0]) == labels

    def test_a_single_epoch_is_seen(self):
        display = TrainingDisplay(self.history(1, 0.1), ["a", "b"], kept_epoch=1).plot()
        for ax in display.axes_:
            assert all(line.get_marker() != "None" for line in ax.lines[:1])
            assert [tick for tick in ax.get_xticks() if tick != round(tick)] == []

    def test_nothing_to_show_without_constraints(self, blobs):
        with pytest.raises(ValueError, match="no constrained training"):
            TrainingDisplay.from_estimator(SeldonianClassifier(max_epochs=1).fit(*blobs))


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
        assert texts_of(display.ax_.get_legend()) == ["$a$", "b", "50 rows, as tested"]

    def test_of_many_constraints_those_that_take_most_rows_are_named(self):
        probabilities = {f"c{i}": np.array([0.5 - 0.01 * i, 1.0]) for i in range(12)}
        display = PowerDisplay([10, 100], probabilities, n_safety=50).plot()
        labels = texts_of(display.ax_.get_legend())
        grey, *named, tested = labels
        assert grey == "5 others, which take fewer rows"
        assert named == [f"c{i}" for i in range(5, 12)]
        assert tested == "50 rows, as tested"
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
        with pytest.raises(ValueError, match="none of the constraints is over rates of decisions"):
            PowerDisplay.from_estimator(model)
        with pytest.raises(ValueError, match="The estimator was fitted without constraints"):
            PowerDisplay.from_estimator(SeldonianClassifier(max_epochs=1).fit(*blobs))


def test_certificates_of_failed_fits_have_pictures(blobs):
    with pytest.warns(NoSolutionFoundWarning):
        model = SeldonianClassifier(MLP, constraints="ACC >= 1.5").fit(*blobs)
    display = CertificateDisplay.from_estimator(model)
    assert display.axes_[0].get_title(loc="right") == "not tested"


class TestDisplaysAreDrawn:
    """As scikit-learn's: the constructors that take results draw them."""

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
