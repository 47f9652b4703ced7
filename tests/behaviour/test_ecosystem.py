"""Other packages: fairlearn's metrics, scikit-learn's ensembles and skorch's callbacks."""

import math

import numpy as np
import pytest
import torch
from fairlearn.metrics import (
    MetricFrame,
    count,
    false_negative_rate,
    false_positive_rate,
    mean_prediction,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, precision_score, zero_one_loss
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import resample
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, EpochScoring, LRScheduler

from sklearn_seldonian import (
    SafetyDataReusedWarning,
    SeldonianClassifier,
    SeldonianRegressor,
    certify,
)
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.metrics import bound_margin, solution_found
from sklearn_seldonian.modules import MLP


def negative_predictive_value(y_true, y_pred):
    return precision_score(y_true, y_pred, pos_label=0)


# Each measure, with the name that it has in other packages.
SHARED = {
    "PR": selection_rate,
    "NR": lambda y_true, y_pred: 1 - mean_prediction(y_true, y_pred),
    "TPR": true_positive_rate,
    "FNR": false_negative_rate,
    "FPR": false_positive_rate,
    "TNR": true_negative_rate,
    "ACC": accuracy_score,
    "ERR": zero_one_loss,
    "PPV": precision_score,
    "Precision": precision_score,
    "NPV": negative_predictive_value,
    "F1": f1_score,
}
GROUPS = ("M", "F")


@pytest.fixture(scope="module")
def gpa():
    """A model of 4,000 rows of the GPA data, certified for every shared measure and group."""
    data = load_gpa(as_frame=True)
    rows = np.random.default_rng(0).permutation(len(data.target))[:4000]
    X, y, groups = (data[name].iloc[rows] for name in ("data", "target", "sensitive_features"))
    model = SeldonianClassifier(
        MLP,
        constraints=[f"{name} | [{group}] <= 2" for name in SHARED for group in GROUPS],
        preprocessor=StandardScaler(),
        max_epochs=2,
        random_state=0,
    )
    return model.fit(X, y, sensitive_features=groups), X, y, groups


class TestFairlearn:
    @staticmethod
    def frame(model, X, y, groups):
        metrics = {**SHARED, "count": count}
        sex = groups["M"].map({1: "M", 0: "F"})
        return MetricFrame(
            metrics=metrics, y_true=y, y_pred=model.predict(X), sensitive_features=sex
        )

    def test_estimates_by_group_are_those_of_metric_frame(self, gpa):
        model, X, y, groups = gpa
        safety = model.safety_indices_
        frame = self.frame(model, X.iloc[safety], y.iloc[safety], groups.iloc[safety])
        results = {result.constraint: result for result in model.certificate_.results}
        assert 0 < frame.overall["PR"] < 1
        for name in SHARED:
            for group in GROUPS:
                result = results[f"{name} | [{group}] <= 2"]
                assert result.estimate == pytest.approx(frame.by_group.loc[group, name]), name
        for group in GROUPS:
            rows = results[f"ACC | [{group}] <= 2"].rows
            assert set(rows.values()) == {frame.by_group.loc[group, "count"]}

    def test_differences_and_ratios_are_those_of_metric_frame(self, gpa):
        model, X, y, groups = gpa
        frame = self.frame(model, X, y, groups)
        names = ["PR", "TPR", "FPR", "ACC", "ERR"]
        gaps = [f"abs({name} | [M] - {name} | [F]) <= 1" for name in names]
        ratios = [
            f"min({name} | [M] / {name} | [F], {name} | [F] / {name} | [M]) >= 0" for name in names
        ]
        with pytest.warns(SafetyDataReusedWarning):
            certificate = certify(model, X, y, gaps + ratios, sensitive_features=groups)
        estimates = [result.estimate for result in certificate.results]
        assert estimates[:5] == pytest.approx(frame.difference()[names].tolist())
        assert estimates[5:] == pytest.approx(frame.ratio()[names].tolist())

    def test_overall_estimates_are_those_of_metric_frame(self, gpa):
        model, X, y, groups = gpa
        frame = self.frame(model, X, y, groups)
        with pytest.warns(SafetyDataReusedWarning):
            certificate = certify(model, X, y, [f"{name} <= 2" for name in SHARED])
        estimates = [result.estimate for result in certificate.results]
        assert estimates == pytest.approx([frame.overall[name] for name in SHARED])


class TestInspection:
    def test_permutation_importance(self, blobs):
        X, y = blobs
        model = SeldonianClassifier(MLP, constraints="ACC >= 0.65", random_state=0).fit(X, y)
        importances = permutation_importance(model, X, y, n_repeats=3, random_state=0)
        first, second, none = importances.importances_mean
        assert first > second > abs(none)

    @pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
    def test_partial_dependence(self, blobs, method):
        X, y = blobs
        model = SeldonianClassifier(MLP, constraints="ACC >= 0.65", random_state=0).fit(X, y)
        found = partial_dependence(
            model, X, [0], kind="average", response_method=method, grid_resolution=5
        )
        assert found["average"].shape == (1, 5)
        assert (np.diff(found["average"][0]) > 0).all()


# -- ensembles: the certificate covers the inner estimator alone --------------------------------


def certified():
    return SeldonianClassifier(MLP, constraints="ACC >= 0.65", random_state=0, max_epochs=5)


def test_stacking(blobs):
    X, y = blobs
    stack = StackingClassifier([("safe", certified()), ("other", LogisticRegression())], cv=2)
    stack.fit(X, y)
    assert stack.named_estimators_["safe"].solution_found_
    assert stack.score(X, y) > 0.7


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_voting(blobs, voting):
    X, y = blobs
    names = np.array(["no", "yes"])[y]
    vote = VotingClassifier([("safe", certified()), ("other", LogisticRegression())], voting=voting)
    vote.fit(X, names)
    inner = vote.named_estimators_["safe"]
    assert inner.solution_found_
    assert inner.classes_.tolist() == [0, 1]  # positions, because members do not get the names
    assert vote.score(X, names) > 0.7


def test_calibration(blobs):
    X, y = blobs
    calibrated = CalibratedClassifierCV(certified(), cv=2).fit(X, y)
    assert all(each.estimator.solution_found_ for each in calibrated.calibrated_classifiers_)
    assert calibrated.score(X, y) > 0.7


def test_calibration_of_a_frozen_model_moves_its_decisions(blobs):
    """Why the certificate does not hold after calibration, and how to certify the calibrated
    model.
    """
    X, y = blobs
    model = certified().fit(X[:500], y[:500])
    others = np.arange(500, 750)
    others = others[(y[others] == 1) | (others % 5 == 0)]  # positives are more common in these rows
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(X[others], y[others])
    assert (calibrated.predict(X) != model.predict(X)).mean() > 0.05
    assert certify(calibrated, X[750:], y[750:], "ACC >= 0.5").n_safety == 250


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda: FixedThresholdClassifier(certified(), threshold=0.9),
        lambda: TunedThresholdClassifierCV(certified(), cv=2),
        lambda: OneVsRestClassifier(certified()),
    ],
    ids=["fixed threshold", "tuned threshold", "one against the rest"],
)
def test_decisions_of_a_wrapper_do_not_read_as_certified(blobs, wrapped):
    X, y = blobs
    wrapper = wrapped().fit(X, y)
    assert wrapper.score(X, y) > 0.5
    assert not hasattr(wrapper, "solution_found_")
    for scorer in (solution_found, bound_margin):
        with pytest.raises(TypeError, match="must be a fitted Seldonian estimator"):
            scorer(wrapper)


def test_a_transformed_target_is_certified_in_its_own_unit(blobs):
    X, _ = blobs
    y = np.exp(X[:, 0].clip(-2, 3))
    inner = SeldonianRegressor(
        MLP,
        constraints="MAE <= 0.5",
        prediction_range=(-2, 3),
        target_range=(-2, 3),
        max_epochs=5,
        random_state=0,
    )
    model = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp, check_inverse=False)
    inner = model.fit(X, y).regressor_
    assert inner.solution_found_
    errors = np.abs(inner.predict(X) - np.log(y))[inner.safety_indices_]
    assert inner.certificate_.results[0].estimate == pytest.approx(errors.mean())


def test_bootstrap_samples_are_noticed(blobs):
    """Rows that were drawn with replacement before the split are on both sides of it."""
    X, y = resample(*blobs, random_state=0)
    with pytest.warns(UserWarning, match="compared safety rows are exact copies"):
        model = certified().fit(X, y)
    assert "the certificate proves nothing about new rows" in model.certificate_.explain(None)


def test_bagging_weights_rows_and_does_not_copy_them(blobs):
    bagged = BaggingClassifier(certified(), n_estimators=1, random_state=0).fit(*blobs)
    (inner,) = bagged.estimators_
    (result,) = inner.certificate_.results
    assert result.method == "betting on units"
    assert "sample_weight" in " ".join(inner.certificate_.assumptions)


# -- skorch's callbacks --------------------------------------------------------------------------


class TestCallbacks:
    @staticmethod
    def fit(blobs, callback, constraints="ACC >= 0.65", **params):
        model = SeldonianClassifier(
            constraints=constraints,
            module__hidden=(),
            random_state=0,
            callbacks=[callback],
            **params,
        )
        return model.fit(*blobs)

    @pytest.mark.parametrize("constraints", [(), "ACC >= 0.65"])
    def test_learning_rate_schedule(self, blobs, constraints):
        schedule = LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.1)
        model = self.fit(blobs, schedule, constraints, max_epochs=6, lr=0.1)
        rates = model.history_["event_lr"].tolist()
        assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])

    @pytest.mark.parametrize("constraints", [(), "ACC >= 0.65"])
    @pytest.mark.parametrize("event", ["on_batch_begin", "on_batch_end", "on_grad_computed"])
    @pytest.mark.parametrize("by_class", [True, False])
    @pytest.mark.thinned(3)
    def test_what_listens_to_batches_hears_each(self, blobs, event, constraints, by_class):
        heard = []

        def listen(self, net=None, **kwargs):
            heard.append(kwargs["training"])

        if by_class:
            callback = type("Listener", (Callback,), {event: listen})()
        else:
            callback = Callback()
            setattr(callback, event, listen)
        model = self.fit(blobs, callback, constraints, max_epochs=2, batch_size=64)
        n_rows = model.certificate_.n_candidate if constraints else len(blobs[1])
        assert heard == [True] * (2 * math.ceil(n_rows / 64))

    @pytest.mark.parametrize("constraints", [(), "ACC >= 0.65"])
    def test_early_stopping_by_the_training_loss(self, blobs, constraints):
        stop = EarlyStopping(monitor="loss", patience=3, threshold=0.5, sink=lambda *_: None)
        model = self.fit(blobs, stop, constraints, max_epochs=20)
        assert 3 <= model.n_iter_ < 20
        assert model.solution_found_

    def test_early_stopping_by_the_loss_on_candidate_rows(self, blobs):
        stop = EarlyStopping(
            monitor="candidate_loss", patience=3, threshold=0.5, sink=lambda *_: None
        )
        assert self.fit(blobs, stop, max_epochs=20).n_iter_ < 20

    def test_a_loss_that_is_not_there_is_named(self, blobs):
        with pytest.raises(
            ValueError, match="monitors 'valid_loss', and training has no validation set"
        ):
            self.fit(blobs, EarlyStopping(), max_epochs=2)

    def test_checkpoints_of_the_epochs_that_are_kept(self, blobs, tmp_path):
        saved = Checkpoint(monitor="kept", dirname=tmp_path, f_optimizer=None, f_history=None)
        model = self.fit(blobs, saved, max_epochs=5)
        weights = torch.load(tmp_path / "params.pt", weights_only=True)
        for name, kept in model.module_.state_dict().items():
            assert torch.equal(weights[name], kept)

    def test_names_of_callbacks_are_parameters(self, blobs):
        stop = ("stop", EarlyStopping(monitor="loss", threshold=0.5, sink=lambda *_: None))
        model = self.fit(blobs, stop, max_epochs=20, callbacks__stop__patience=2)
        assert model.n_iter_ < 6

    def test_scoring_the_training_rows(self, blobs):
        def accuracy(net, rows, y):
            chosen = torch.cat(list(net.scores(rows.X))).argmax(dim=1)
            return float((chosen == rows.y).float().mean())

        scoring = EpochScoring(accuracy, name="accuracy", on_train=True, use_caching=False)
        assert self.fit(blobs, scoring, max_epochs=3).history_["accuracy"].between(0.4, 1).all()
