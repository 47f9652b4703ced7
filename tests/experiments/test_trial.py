import math

import numpy as np
import pytest
import sklearn
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.constraints import parse, parse_all
from sklearn_seldonian.experiments import FairlearnClassifier
from sklearn_seldonian.experiments._trial import (
    Criteria,
    Data,
    OnPopulation,
    Trial,
    prepared,
    run_trial,
)
from sklearn_seldonian.metrics import constraint_values

GAP = "abs(PR | [M] - PR | [F]) <= 0.1"


class Spy(DummyClassifier):
    """Records the arguments of its methods, and predicts at random."""

    def __init__(self, *, strategy="uniform", random_state=None, seen=None):
        super().__init__(strategy=strategy, random_state=random_state)
        self.seen = seen

    def __sklearn_clone__(self):
        return Spy(random_state=self.random_state, seen=self.seen)

    def fit(self, X, y, sensitive_features=None):
        self.seen.append(("fit", X, y, sensitive_features))
        return super().fit(X, y)

    def predict(self, X, sensitive_features=None):
        self.seen.append(("predict", X, None, sensitive_features))
        return super().predict(X)


class Broken(DummyClassifier):
    """Raises in one of its methods."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def fit(self, X, y):
        if self.at == "fit":
            raise OverflowError("too much")
        return super().fit(X, y)

    def predict(self, X):
        raise OverflowError("too much")


class BrokenProbabilities(DummyClassifier):
    """Has predict_proba, which raises."""

    def __init__(self):
        super().__init__(strategy="constant", constant=1)

    def predict_proba(self, X):
        raise OverflowError("too much")


def criteria(*constraints, protocol="resample", **metrics):
    return Criteria(parse_all(constraints), (), None, metrics, np.array([0, 1]), protocol, 0)


def column(name):
    """A metric: the mean of one column of the evaluated rows."""
    return lambda model, X, y: X[:, name].mean()


class TestDraws:
    def fitted_to(self, name, size, number, blobs, groups, protocol="resample"):
        seen = []
        _, y = blobs
        rows = np.arange(len(y))[:, None]
        judge = criteria("PR <= 0.9", protocol=protocol)
        run_trial(Trial(name, size, number), Spy(seen=seen), Data(rows, y, groups), judge)
        return [(X[:, 0], labels, frame) for _, X, labels, frame in seen]

    def test_are_shared_by_estimators_and_differ_by_trial(self, blobs, groups):
        one, other = (self.fitted_to(name, 300, 0, blobs, groups)[0] for name in "ab")
        assert (one[0] == other[0]).all()
        assert (one[0] != self.fitted_to("a", 300, 1, blobs, groups)[0][0]).any()
        assert len(one[0]) == 300

    def test_rows_labels_and_groups_stay_together(self, blobs, groups):
        (rows, labels, frame), _ = self.fitted_to("a", 300, 0, blobs, groups)
        assert (labels == blobs[1][rows]).all()
        assert frame.equals(groups.iloc[rows])

    def test_resample_repeats_rows_and_evaluates_on_all(self, blobs, groups):
        (rows, *_), (judged, *_) = self.fitted_to("a", 900, 0, blobs, groups)
        assert 500 < len(set(rows)) < 650  # 1 - exp(-0.9) of 1,000
        assert (judged == np.arange(1000)).all()

    def test_holdout_evaluates_on_the_others(self, blobs, groups):
        (rows, *_), (judged, *_) = self.fitted_to("a", 900, 0, blobs, groups, "holdout")
        assert sorted([*rows, *judged]) == list(range(1000))


OWN = parse("ACC >= 0.9")


class TestPrepared:
    @pytest.mark.parametrize(
        ("estimator", "owner"),
        [
            (SeldonianClassifier(), ""),
            (make_pipeline(StandardScaler(), SeldonianClassifier()), "seldonianclassifier__"),
            (GridSearchCV(SeldonianClassifier(), {"lr": [0.1]}), "estimator__"),
        ],
    )
    @pytest.mark.parametrize("own", [(), [], OWN, "ACC >= 0.9", [OWN]])
    def test_constraints_go_where_there_are_none(self, estimator, owner, own):
        estimator.set_params(**{f"{owner}constraints": own})
        given = parse_all(GAP)
        model = prepared(estimator, given, np.random.default_rng(0))
        expected = own if own else given
        assert model.get_params()[f"{owner}constraints"] == expected
        assert estimator.get_params()[f"{owner}constraints"] == own

    def test_constraints_of_other_libraries_are_theirs(self):
        inner = ExponentiatedGradient(LogisticRegression(), DemographicParity())
        model = prepared(FairlearnClassifier(inner), parse_all(GAP), np.random.default_rng(0))
        assert isinstance(model.estimator.constraints, DemographicParity)

    def test_every_seed_is_set(self):
        search = GridSearchCV(RandomForestClassifier(), {"max_depth": [1]})
        nested = FairlearnClassifier(search, random_state=3)
        one, same, other = (prepared(nested, (), np.random.default_rng(s)) for s in (0, 0, 1))
        seeds = [
            (m.random_state, m.get_params()["estimator__estimator__random_state"])
            for m in (one, same, other)
        ]
        assert seeds[0] == seeds[1]
        assert not {*seeds[0]} & {*seeds[2]}
        assert nested.random_state == 3


def trial_of(estimator, blobs, groups, judge, size=400):
    return run_trial(Trial("a", size, 0), estimator, Data(*blobs, groups), judge)


class TestJudging:
    def test_by_decisions_with_probabilities_as_well(self, blobs, groups):
        X, y = blobs
        row = trial_of(LogisticRegression(), blobs, groups, criteria(GAP, "PR <= 0.4"))
        seed, _ = np.random.SeedSequence(0, spawn_key=(400, 0)).spawn(2)
        drawn = np.random.default_rng(seed).integers(1000, size=400)
        model = LogisticRegression().fit(X[drawn], y[drawn])
        male = (groups["M"] == 1).to_numpy()
        for name, positive in [("g", model.predict(X)), ("g_soft", model.predict_proba(X)[:, 1])]:
            gap = abs(positive[male].mean() - positive[~male].mean()) - 0.1
            assert row[f"{name}_0"] == pytest.approx(gap)
            assert row[f"{name}_1"] == pytest.approx(positive.mean() - 0.4)
        assert row["solution_found"]
        assert row["failure"]
        assert row["error"] == ""

    @pytest.mark.parametrize(
        ("constant", "text", "fails"),
        [
            (1, "PR <= 0.99", True),
            (1, "PR <= 1", False),
            (0, "PR <= 0", False),
            (0, "PPV >= 0.9", False),  # 0/0
            (0, "TPR >= 0.1", True),
        ],
    )
    def test_a_failure_is_a_value_above_zero(self, blobs, groups, constant, text, fails):
        model = DummyClassifier(strategy="constant", constant=constant)
        assert trial_of(model, blobs, groups, criteria(text))["failure"] is fails

    def test_rounding_is_no_failure(self, blobs, groups):
        constraint = f"PR >= {1 + 1e-12}"
        model = DummyClassifier(strategy="constant", constant=1)
        assert not trial_of(model, blobs, groups, criteria(constraint))["failure"]

    def test_metrics_and_constraints_see_one_draw(self, blobs, groups):
        judge = criteria("PR <= 0.4", rate=lambda model, X, y: model.predict(X).mean())
        row = trial_of(DummyClassifier(strategy="uniform"), blobs, groups, judge)
        assert row["rate"] - 0.4 == pytest.approx(row["g_0"])
        assert row["g_soft_0"] == pytest.approx(0.1)

    def test_no_solution_has_no_scores(self, blobs, groups):
        judge = criteria("ACC >= 0.999", size=column(0))
        model = SeldonianClassifier(max_epochs=1, fallback="majority")
        row = trial_of(model, blobs, groups, judge)
        assert row["solution_found"] is False
        assert row["failure"] is False
        assert row["error"] == ""
        assert np.isnan([row["g_0"], row["g_soft_0"], row["size"]]).all()

    @pytest.mark.parametrize("at", ["fit", "predict"])
    def test_errors_are_written_down(self, blobs, groups, at):
        row = trial_of(Broken(at), blobs, groups, criteria("PR <= 0.9", size=column(0)))
        failed = {"fit": "", "predict": "ValueError: Broken.predict failed on these rows: "}[at]
        assert row["error"] == f"{failed}OverflowError: too much"
        assert row["solution_found"] is row["failure"] is False
        assert np.isnan(row["size"])

    @pytest.mark.parametrize(("constant", "fails"), [(1, True), (0, False)])
    def test_a_trial_without_a_score_is_a_failure(self, blobs, groups, constant, fails):
        def broken(model, X, y):
            raise OverflowError("too much")

        judge = criteria("PR <= 0.9", broken=broken, rows=lambda model, X, y: len(X))
        model = DummyClassifier(strategy="constant", constant=constant)
        row = trial_of(model, blobs, groups, judge)
        assert row["error"] == "broken: OverflowError: too much"
        assert (row["solution_found"], row["failure"]) == (True, fails)
        assert row["g_0"] == row["g_soft_0"] == pytest.approx(constant - 0.9)
        assert (math.isnan(row["broken"]), row["rows"]) == (True, 1000)

    def test_decisions_are_evaluated_without_probabilities(self, blobs, groups):
        row = trial_of(BrokenProbabilities(), blobs, groups, criteria("PR <= 0.9"))
        assert row["error"] == (
            "g_soft: ValueError: BrokenProbabilities.predict_proba failed on these rows: "
            "OverflowError: too much"
        )
        assert (row["solution_found"], row["failure"]) == (True, True)
        assert (row["g_0"], math.isnan(row["g_soft_0"])) == (pytest.approx(0.1), True)

    def test_a_sample_of_one_class_is_evaluated_on_all(self, groups):
        y = np.zeros(1000, dtype=int)
        y[:100] = 1
        judge = criteria("TPR >= 0.5")
        row = trial_of(DummyClassifier(), (np.zeros((1000, 1)), y), groups, judge, size=1)
        assert row["g_0"] == pytest.approx(0.5)
        assert row["g_soft_0"] == pytest.approx(0.5)


class Constant(RegressorMixin, BaseEstimator):
    """Learns nothing."""

    def __init__(self, value=0.0, n_values=None):
        self.value = value
        self.n_values = n_values

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.full(self.n_values or len(X), self.value)


class TestRegressors:
    @pytest.mark.parametrize(
        ("model", "found", "fails", "g"),
        [
            (Constant(0.5), True, False, 0.25 - 0.26),
            (Constant(1.0), True, True, 0.5 - 0.26),
            (Constant(math.nan), True, True, math.inf),  # without a score there is no success
            (Constant(math.inf), True, True, math.inf),
            (Constant(0.5, n_values=3), False, False, math.nan),
        ],
    )
    def test_are_evaluated_by_their_predictions(self, blobs, groups, model, found, fails, g):
        X, _ = blobs
        y = np.tile([0, 1.0], 500)
        judge = Criteria(parse_all("MSE <= 0.26"), (), None, {}, None, "resample", 0)
        row = run_trial(Trial("a", 50, 0), model, Data(X, y, groups), judge)
        assert (row["solution_found"], row["failure"]) == (found, fails)
        assert row["g_0"] == pytest.approx(g, nan_ok=True)
        assert math.isnan(row["g_soft_0"])


class TestSensitiveFeatures:
    def test_reach_fit_and_predict(self, blobs, groups):
        seen = []
        trial_of(Spy(seen=seen), blobs, groups, criteria("PR <= 0.9"))
        (_, _, _, fitted), (_, _, _, predicted) = seen
        assert len(fitted) == 400
        assert predicted is groups

    def test_reach_pipelines_that_ask_for_them(self, blobs, groups):
        with sklearn.config_context(enable_metadata_routing=True):
            last = SeldonianClassifier(max_epochs=2).set_fit_request(sensitive_features=True)
            pipeline = make_pipeline(StandardScaler(), last)
            row = trial_of(pipeline, blobs, groups, criteria("abs(PR | [M] - PR | [F]) <= 0.5"))
        assert row["error"] == ""
        assert row["solution_found"]

    def test_none_are_passed_where_there_are_none(self, blobs):
        seen = []
        trial_of(Spy(seen=seen), blobs, None, criteria("PR <= 0.9"))
        assert [groups for *_, groups in seen] == [None, None]


class TestOnPopulation:
    def test_answers_are_computed_once(self, blobs):
        X, y = blobs
        seen = []
        judged = OnPopulation(Spy(seen=seen).fit(X, y), X, classes=np.array([0, 1]))
        assert judged.predict(X) is judged.predict(X)
        assert [method for method, *_ in seen] == ["fit", "predict"]
        assert len(judged.predict(X[:5])) == 5

    def test_probabilities_of_unseen_classes_are_zero(self, blobs):
        X, _ = blobs
        model = DummyClassifier().fit(X, np.full(1000, 2))
        judged = OnPopulation(model, X, classes=np.array([0, 2, 3]))
        assert judged.predict_proba(X)[0].tolist() == [0.0, 1.0, 0.0]
        assert constraint_values(judged, X, np.full(1000, 3), "ACC >= 0.5")[0] == 0.5

    def test_no_probabilities_where_the_estimator_has_none(self, blobs):
        judged = OnPopulation(FairlearnClassifier(None), blobs[0])
        assert not hasattr(judged, "predict_proba")
