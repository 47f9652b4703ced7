"""The figure of the cost of a limit shows the numbers that it is made of."""

import numpy as np
import pandas as pd
import pytest

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.plotting import TradeoffDisplay
from tests.plotting._texts import texts_of


class TestTradeoff:
    def test_clones_are_fitted_over_the_limits(self, blobs):
        model = SeldonianClassifier(
            MLP, constraints=["ACC >= 0.5", "0.3 >= FPR"], random_state=0, max_epochs=3
        )
        with pytest.warns(UserWarning, match="no model can pass '0.0001 >= FPR'"):
            display = TradeoffDisplay.from_estimator(model, *blobs, [0.0001, 0.3], position=1)
        assert display.results["limit"].tolist() == [0.0001, 0.3]
        assert display.results["solution_found"].tolist() == [False, True]
        assert (display.constraint, display.operator) == ("0.3 >= FPR", "<=")
        alone = model.fit(*blobs).certificate_
        second = display.results.iloc[1]
        assert second["loss"] == alone.loss
        X, y = (each[model.safety_indices_] for each in blobs)
        assert second["score"] == (model.predict(X) == y).mean()
        assert np.isnan(display.results["score"][0])
        assert second["bound"] == alone.results[1].bound
        assert model.constraints == ["ACC >= 0.5", "0.3 >= FPR"]

    @pytest.mark.parametrize(
        ("constraint", "far_away", "limit"),
        [
            ("abs(PR | [M] - PR | [F]) <= 0.3", "abs(PR | [M] - PR | [F]) <= 1000", 0.3),
            ("-5 <= PR", "PR >= -5000", -5.0),
        ],
    )
    def test_without_the_limit_the_rest_is_the_same(
        self, blobs, groups, constraint, far_away, limit
    ):
        settings = {"random_state": 0, "max_epochs": 3, "module__hidden": ()}
        model = SeldonianClassifier(MLP, constraints=constraint, **settings)
        display = TradeoffDisplay.from_estimator(model, *blobs, [limit], sensitive_features=groups)
        free = SeldonianClassifier(MLP, constraints=far_away, **settings)
        free.fit(*blobs, sensitive_features=groups)
        X, y = (each[free.safety_indices_] for each in blobs)
        assert display.unlimited == (free.predict(X) == y).mean()
        assert display.score_name == "Accuracy"

    def test_a_limit_that_cannot_be_met_with_another(self, blobs):
        model = SeldonianClassifier(
            MLP, constraints=["ACC >= 1.5", "FPR <= 0.3"], random_state=0, max_epochs=1
        )
        display = TradeoffDisplay.from_estimator(model, *blobs, [0.3], position=1)
        assert np.isnan(display.unlimited)
        above, _ = display.axes_
        assert texts_of(above.get_legend()) == ["no solution found"]
        assert not above.lines[0].get_xdata().size

    def test_numbers_have_another_score(self, blobs):
        X, _ = blobs
        y = X[:, 0] + 0.1 * X[:, 1]
        model = SeldonianRegressor(
            MLP,
            constraints="MAE <= 4",
            prediction_range=(-6, 8),
            target_range=(-6, 8),
            random_state=0,
        )
        display = TradeoffDisplay.from_estimator(model, X, y, [4.0])
        rows = model.fit(X, y).safety_indices_
        assert display.unlimited == pytest.approx(model.score(X[rows], y[rows]), abs=0.05)
        assert display.axes_[0].get_ylabel() == "R² on the safety rows"

    def test_drawn_from_results(self):
        results = pd.DataFrame(
            {
                "limit": [0.2, 0.1, 0.05],
                "solution_found": [True, True, False],
                "score": [0.9, 0.8, np.nan],
                "estimate": [0.1, 0.05, 0.04],
                "bound": [0.15, 0.09, np.inf],
            }
        )
        display = TradeoffDisplay(results, "FPR <= $x$", unlimited=0.92).plot()
        display.figure_.draw_without_rendering()
        above, beneath = display.axes_
        certified, uncertified = above.collections
        assert certified.get_offsets().tolist() == [[0.1, 0.8], [0.2, 0.9]]
        assert uncertified.get_offsets().tolist() == [[0.05, 0.0]]
        _, unlimited = above.lines
        assert unlimited.get_ydata() == [0.92, 0.92]
        assert texts_of(above.get_legend()) == [
            *("certified", "no solution found", "without this limit: 0.920")
        ]
        estimate, bound, limit = beneath.lines
        assert estimate.get_ydata().tolist() == [0.04, 0.05, 0.1]
        assert bound.get_ydata().tolist()[1:] == [0.09, 0.15]
        assert limit.get_ydata().tolist() == [0.05, 0.1, 0.2]
        assert above.get_title(loc="left") == "FPR <= $x$"

    def results(self, **columns):
        known = {"limit": [0.1, 0.2], "solution_found": True, "score": [0.5, 0.4]}
        return pd.DataFrame({**known, "estimate": 0.1, "bound": 0.15, **columns})

    def test_limits_without_a_solution_are_marked_at_the_foot(self):
        results = self.results(solution_found=[False, True], score=[np.nan, 0.4])
        above, _ = TradeoffDisplay(results).plot().axes_
        *_, foot = above.collections
        assert foot.get_offsets().tolist() == [[0.1, 0.0]]
        assert foot.get_offset_transform() == above.get_xaxis_transform()
        assert texts_of(above.get_legend()) == ["certified", "no solution found"]

    def test_the_legend_names_only_what_is_there(self):
        above, _ = TradeoffDisplay(self.results()).plot().axes_
        assert texts_of(above.get_legend()) == ["certified"]
        assert len(above.collections) == 1

    @pytest.mark.parametrize("operator", ["<=", ">="])
    @pytest.mark.parametrize("n_limits", [1, 2])
    def test_the_side_that_violates_is_shaded(self, operator, n_limits):
        display = TradeoffDisplay(self.results()[:n_limits], operator=operator).plot()
        _, ax = display.axes_
        (shade,) = ax.collections
        low, high = ax.get_ylim()
        start, end = ax.get_xlim()
        corners = shade.get_paths()[0].vertices
        for x in (start, end):
            edges = set(corners[np.isclose(corners[:, 0], x)][:, 1].round(9))
            assert edges == {round(x, 9), round(high if operator == "<=" else low, 9)}

    def test_a_constraint_without_a_limit(self, blobs):
        model = SeldonianClassifier(MLP, constraints="FPR <= FNR")
        with pytest.raises(ValueError, match="Neither side of FPR <= FNR is a number"):
            TradeoffDisplay.from_estimator(model, *blobs, [0.1])

    @pytest.mark.parametrize("by_group", [False, True])
    def test_scores_are_of_decisions_that_see_what_they_need(self, blobs, groups, by_group):
        model = SeldonianClassifier(
            constraints="abs(PR | [M] - PR | [F]) <= 0.5",
            module__hidden=(),
            max_epochs=2,
            group_thresholds=by_group,
            random_state=0,
        )
        display = TradeoffDisplay.from_estimator(model, *blobs, [0.5], sensitive_features=groups)
        model.fit(*blobs, sensitive_features=groups)
        X, y = (each[model.safety_indices_] for each in blobs)
        seen = groups.iloc[model.safety_indices_]
        assert display.results["score"][0] == (model.predict(X, seen) == y).mean()


@pytest.mark.parametrize("gap", [np.nan, None])
def test_rows_without_a_label_are_not_scored(gap):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = (X[:, 0] + rng.normal(size=400) > 0).astype(int).astype(object if gap is None else float)
    y[::5] = gap
    model = SeldonianClassifier(
        constraints="FPR <= 0.5", module__hidden=(), missing="exclude", random_state=0, max_epochs=3
    )
    results = TradeoffDisplay.from_estimator(model, X, y, [0.5]).results
    assert results["score"].between(0.5, 1).all()
