"""The figure of training shows the numbers that it is made of."""

import io

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.plotting import TrainingDisplay
from tests.plotting._texts import texts_of

TWO = ["PR <= 0.5", "FPR <= 0.5"]
TWELVE = [f"PR | [group == {i}] <= 0.5" for i in range(12)]


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
        excess = 0.6 - history["predicted_bound_0"], history["predicted_bound_1"] - 0.4
        for i in (0, 1):
            assert bounds.lines[i].get_ydata() == pytest.approx(excess[i].to_numpy())
        both = sum(history[f"multiplier_{i}"] * excess[i] for i in (0, 1))
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
        kept = f"epoch {model.net_.kept_epoch_} (kept)"
        assert texts_of(display.figure_.legends[0]) == ["Brier <= 0.9", kept]
        assert len(display.axes_[1].lines) == 2

    def test_of_many_constraints_the_hardest_are_named(self):
        display = TrainingDisplay(self.twelve(), TWELVE, kept_epoch=2).plot()
        labels = texts_of(display.figure_.legends[0])
        assert labels[:7] == [TWELVE[i] for i in (0, 1, 2, 3, 4, 5, 11)]
        assert labels[7:] == ["5 others, more likely to pass", "epoch 2 (kept)"]
        lines = display.axes_[2].lines[:12]
        looks = {(lines[i].get_color(), lines[i].get_marker()) for i in (0, 1, 2, 3, 4, 5, 11)}
        assert len(looks) == 7
        assert {lines[i].get_color() for i in (6, 7, 8, 9, 10)} == {"0.8"}

    def test_series_differ_in_grey_print(self, blobs):
        constraints = ["ACC >= 0.7", "PR <= 0.9", "TPR >= 0.5"]
        model = SeldonianClassifier(MLP, constraints=constraints, random_state=0, max_epochs=2)
        lines = TrainingDisplay.from_estimator(model.fit(*blobs)).axes_[1].lines[:3]
        assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == 3

    def test_a_ratio_is_drawn_in_its_own_units(self, blobs, groups):
        model = SeldonianClassifier(
            MLP, constraints="PR | [M] / PR | [F] >= 0.5", random_state=0, max_epochs=2
        ).fit(*blobs, sensitive_features=groups)
        display = TrainingDisplay.from_estimator(model)
        drawn = display.axes_[2].lines[0].get_ydata()
        assert drawn == pytest.approx(0.5 - model.history_["predicted_bound_0"].to_numpy())
        assert texts_of(display.figure_.legends[0])[0] == "PR | [M] / PR | [F] >= 0.5"

    @pytest.mark.parametrize("module", [MLP, None], ids=["alone", "compared"])
    def test_steps_of_the_model_that_is_kept(self, blobs, module):
        model = SeldonianClassifier(
            module, constraints=["ACC >= 0.6", "PR <= 0.7"], random_state=0, max_epochs=4
        ).fit(*blobs)
        display = TrainingDisplay.from_estimator(model, resolution="step")
        steps = model.step_history_
        if module is None:
            steps = steps[steps["module"] == model.history_["module"].iloc[-1]]
        loss, multipliers, bounds, _ = (ax.lines[0] for ax in display.axes_)
        assert loss.get_ydata().tolist() == steps["loss"].tolist()
        assert loss.get_xdata().tolist() == steps["progress"].tolist()
        assert bounds.get_ydata() == pytest.approx(0.6 - steps["predicted_bound_0"].to_numpy())
        assert multipliers.get_ydata().tolist() == steps["multiplier_0"].tolist()

    def test_the_loss_is_named(self, blobs):
        X, y = blobs
        model = SeldonianRegressor(
            MLP, constraints="MAE <= 1", prediction_range=(0, 1), target_range=(0, 1), max_epochs=2
        ).fit(X, y)
        names = [
            TrainingDisplay.from_estimator(model, resolution=resolution).axes_[0].get_ylabel()
            for resolution in ("epoch", "step")
        ]
        assert names == ["MSELoss, candidate data", "MSELoss, training batches"]

    def test_the_worst_constraints_alone(self):
        display = TrainingDisplay(self.twelve(), TWELVE, kept_epoch=2, worst=5).plot()
        (legend,) = display.figure_.legends
        assert texts_of(legend)[:5] == [TWELVE[i] for i in (0, 1, 2, 3, 11)]
        hidden = "not drawn: 7 constraints that are more likely to pass"
        assert legend.get_title().get_text() == hidden
        assert len(display.axes_[1].lines) == 5 + 1
        everything = TrainingDisplay(self.twelve(), TWELVE, kept_epoch=2).plot()
        lagrangians = [each.axes_[3].lines[0].get_ydata() for each in (display, everything)]
        np.testing.assert_array_equal(*lagrangians)

    def test_steps_alone_are_ordered_by_their_last_bounds(self):
        columns = {"progress": [0.5, 1.0], "loss": [2.0, 1.0]}
        for i, bound in enumerate((0.1, 0.7, 0.3)):
            columns |= {f"predicted_bound_{i}": [0.9, bound], f"multiplier_{i}": [0.0, 0.0]}
        texts = ["PR <= 0.2", "ACC >= 0.65", "FPR <= 0.2"]
        display = TrainingDisplay(pd.DataFrame(columns), texts, 1, resolution="step", worst=1)
        assert texts_of(display.plot().figure_.legends[0])[0] == "FPR <= 0.2"

    @pytest.mark.parametrize("resolution", ["epoch", "step"])
    def test_csv(self, blobs, resolution, tmp_path):
        model = SeldonianClassifier(
            MLP, constraints=["ACC >= 0.6", "PR <= 0.6"], random_state=0, max_epochs=3
        ).fit(*blobs)
        display = TrainingDisplay.from_estimator(model, resolution=resolution)
        display.to_csv(tmp_path / "training.csv")
        table = pd.read_csv(tmp_path / "training.csv")
        pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(display.to_csv())), table)
        history = model.step_history_ if resolution == "step" else model.history_
        assert [*table] == [
            *("epoch", "CrossEntropyLoss", "Lagrangian"),
            *("estimate: ACC >= 0.6", "predicted bound: ACC >= 0.6", "multiplier: ACC >= 0.6"),
            *("estimate: PR <= 0.6", "predicted bound: PR <= 0.6", "multiplier: PR <= 0.6"),
        ]
        for name in ("estimate", "multiplier"):
            np.testing.assert_allclose(table[f"{name}: PR <= 0.6"], history[f"{name}_1"])
        drawn = display.axes_[3].lines[0]
        np.testing.assert_allclose(table["Lagrangian"], drawn.get_ydata())
        np.testing.assert_allclose(table["epoch"], drawn.get_xdata())

    def test_another_resolution(self, blobs):
        model = SeldonianClassifier(MLP, constraints="ACC >= 0.6", random_state=0, max_epochs=1)
        with pytest.raises(ValueError, match='resolution must be "epoch" or "step", got \'day\''):
            TrainingDisplay.from_estimator(model.fit(*blobs), resolution="day")

    def twelve(self):
        """Three epochs of twelve constraints; the third and the last are farthest beyond their
        limits.
        """
        epochs = np.arange(1, 4)
        history = pd.DataFrame({"epoch": epochs, "candidate_loss": 1.0 / epochs})
        for i in range(12):
            history[f"multiplier_{i}"] = i / 10
            history[f"predicted_bound_{i}"] = 0.4
            history[f"passing_{i}"] = 0.5 if i in (2, 11) else 0.9 + i / 1000
        return history

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
                "predicted_bound_1": 0.5 + bound,
                "passing_1": 1.0,
            }
        )

    @pytest.mark.parametrize(("bound", "expected"), [(0.1, 0.7), (-0.1, 0.3), (np.inf, np.inf)])
    def test_infinite_bounds_count_by_their_multipliers(self, bound, expected):
        display = TrainingDisplay(self.history(3, bound), TWO, kept_epoch=1).plot()
        display.figure_.draw_without_rendering()
        assert display.axes_[3].lines[0].get_ydata() == pytest.approx([expected] * 3)
        without = ", without a bound"
        labels = [
            TWO[0] + without,
            TWO[1] + without * (bound == np.inf),
            "epoch 1 (kept)",
        ]
        assert texts_of(display.figure_.legends[0]) == labels

    def test_a_single_epoch_is_visible(self):
        display = TrainingDisplay(self.history(1, 0.1), TWO, kept_epoch=1).plot()
        for ax in display.axes_:
            assert all(line.get_marker() != "None" for line in ax.lines[:1])
            assert [tick for tick in ax.get_xticks() if tick != round(tick)] == []

    def test_nothing_to_show_without_constraints(self, blobs):
        with pytest.raises(ValueError, match="There is no training to show"):
            TrainingDisplay.from_estimator(SeldonianClassifier(max_epochs=1).fit(*blobs))
