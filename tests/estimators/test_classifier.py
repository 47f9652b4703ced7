"""The estimator's contract: what fit does, what it leaves behind, what predict answers."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SafetyCertificate,
    SeldonianClassifier,
)
from sklearn_seldonian.exceptions import SafetyDataReusedWarning
from sklearn_seldonian.metrics import solution_found
from sklearn_seldonian.modules import MLP, ConvNet

PARITY = "abs(PR | [M] - PR | [F]) <= 0.3"


each_kind_of_output = pytest.mark.parametrize(
    ("criterion", "module"),
    [
        (nn.CrossEntropyLoss, lambda: nn.Linear(3, 2)),
        (nn.NLLLoss, lambda: nn.Sequential(nn.Linear(3, 2), nn.Softmax(dim=1))),
        (nn.BCEWithLogitsLoss, lambda: nn.Linear(3, 1)),
    ],
    ids=["logits", "probabilities", "binary logit"],
)


def fitted(blobs, constraints="ACC >= 0.7", **params):
    return SeldonianClassifier(constraints=constraints, random_state=0, **params).fit(*blobs)


@pytest.fixture
def unsolved(blobs):
    """An estimator in the state No Solution Found."""
    with pytest.warns(NoSolutionFoundWarning):
        return fitted(blobs, "ACC >= 0.99")


class TestSolution:
    def test_fitted_attributes(self, blobs):
        model = fitted(blobs)
        assert model.solution_found_
        assert isinstance(model.certificate_, SafetyCertificate)
        assert model.certificate_.passed
        assert model.n_iter_ == len(model.history_) == 20
        assert [str(c) for c in model.constraints_] == ["ACC >= 0.7"]
        assert len(model.candidate_indices_) == len(model.safety_indices_) == 500
        assert not set(model.candidate_indices_) & set(model.safety_indices_)
        assert isinstance(model.module_, MLP)
        columns = {"epoch", "loss", "estimate_0", "predicted_bound_0", "multiplier_0", "passing_0"}
        assert columns | {"seconds", "kept"} <= set(model.history_.columns)

    def test_certificate_is_about_what_predict_returns(self, blobs):
        X, y = blobs
        model = fitted(blobs)
        (result,) = model.certificate_.results
        rows = model.safety_indices_
        assert result.estimate == pytest.approx((model.predict(X[rows]) == y[rows]).mean())
        assert result.bound < result.estimate
        assert result.rows == {"ACC": 500}

    def test_candidate_rows_get_predictions_of_the_kept_epoch(self, blobs):
        X, y = blobs
        model = fitted(blobs, module__hidden=())  # judged on all of them
        rows = model.candidate_indices_
        kept = model.history_.set_index("epoch").loc[model.net_.kept_epoch_]
        accuracy = (model.predict(X[rows]) == y[rows]).mean()
        assert 0.7 - kept["estimate_0"] == pytest.approx(accuracy)

    def test_without_constraints_all_rows_train(self, blobs):
        model = fitted(blobs, ())
        assert model.solution_found_
        assert model.certificate_ is None
        assert len(model.candidate_indices_) == 1000
        assert len(model.safety_indices_) == 0

    def test_several_constraints_with_a_delta_each(self, blobs, groups):
        model = SeldonianClassifier(
            constraints=["ACC >= 0.7", PARITY], delta=[0.05, 0.1], random_state=0
        ).fit(*blobs, sensitive_features=groups)
        assert model.solution_found_
        assert [r.delta for r in model.certificate_.results] == [0.05, 0.1]

    def test_safety_mask(self, blobs):
        mask = np.arange(1000) % 4 == 0
        model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0)
        model.fit(*blobs, safety_mask=mask)
        assert np.array_equal(model.safety_indices_, np.flatnonzero(mask))

    @pytest.mark.parametrize(("size", "rows"), [(0.2, 200), (300, 300)])
    def test_safety_size(self, blobs, size, rows):
        assert len(fitted(blobs, safety_size=size).safety_indices_) == rows

    def test_string_labels_and_positive_class(self, blobs, groups):
        X, y = blobs
        names = np.where(y == 1, "good", "bad")
        model = SeldonianClassifier(constraints="TPR >= 0.6", pos_label="bad", random_state=0)
        model.fit(X, names)
        (result,) = model.certificate_.results
        rows = model.safety_indices_
        bad = names[rows] == "bad"
        assert result.estimate == pytest.approx((model.predict(X[rows])[bad] == "bad").mean())

    def test_conditions_on_columns_of_a_frame(self, blobs, groups):
        X, y = blobs
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        model = SeldonianClassifier(constraints="ACC | [a > 0] >= 0.6", random_state=0)
        model.fit(frame, y)
        rows = model.safety_indices_
        rows = rows[X[rows, 0] > 0]
        (result,) = model.certificate_.results
        assert result.rows == {"ACC | [a > 0]": len(rows)}
        assert result.estimate == pytest.approx((model.predict(frame.loc[rows]) == y[rows]).mean())

    def test_certify_on_fresh_rows(self, blobs):
        X, y = blobs
        model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0).fit(X[:600], y[:600])
        certificate = model.certify(X[600:], y[600:])
        assert certificate.n_safety == 400
        (result,) = certificate.results
        assert result.estimate == pytest.approx(model.score(X[600:], y[600:]))

    def test_certificate_says_where_it_comes_from(self, blobs):
        X, y = blobs
        model = SeldonianClassifier(constraints="TPR >= 0.5", pos_label=0, random_state=3)
        model.fit(X[:600], y[:600])
        tested, fresh = model.certificate_, model.certify(X[600:], y[600:])
        assert tested.procedure == "SeldonianClassifier.fit"
        assert fresh.procedure == "SeldonianClassifier.certify"
        assert tested.parameters["random_state"] == "3"
        assert tested.parameters["constraints"] == "'TPR >= 0.5'"
        assert tested.parameters.keys() == model.get_params(deep=False).keys()
        assert (tested.classes, tested.positive) == (("0", "1"), "0")

    def test_multiclass(self):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 3, size=900)
        X = rng.normal(size=(900, 2)) + 3 * np.eye(3)[y][:, :2]
        model = SeldonianClassifier(constraints="TPR_[2] >= 0.5", random_state=0).fit(X, y)
        assert model.predict_proba(X).shape == (900, 3)
        assert model.decision_function(X).shape == (900, 3)
        assert model.solution_found_

    def test_decision_sample_certifies_mean_probabilities(self, blobs):
        X, y = blobs
        model = fitted(blobs, "ACC >= 0.6", decision="sample")
        rows = model.safety_indices_
        probabilities = model.predict_proba(X[rows])[np.arange(500), y[rows]]
        (result,) = model.certificate_.results
        assert result.estimate == pytest.approx(probabilities.mean())
        assert model.__sklearn_tags__().non_deterministic
        draws = np.array([model.predict(X[:1])[0] for _ in range(400)])
        expected = model.predict_proba(X[:1])[0, 1]
        assert abs(draws.mean() - expected) < 4 * np.sqrt(0.25 / 400)


class TestNoSolution:
    def test_state_and_explanation(self, unsolved):
        assert not unsolved.solution_found_
        text = unsolved.certificate_.explain()
        (result,) = unsolved.certificate_.results
        assert "No Solution Found" in text
        assert "ACC >= 0.99: NOT passed" in text
        assert f"estimate {result.estimate:.4f}, at least {result.bound:.4f}" in text
        assert "limit 0.99" in text
        assert "500 for ACC" in text
        assert "the estimate itself violates the limit" in text

    def test_predict_raises_the_explanation(self, unsolved, blobs):
        X, y = blobs
        with pytest.raises(NoSolutionFoundError) as error:
            unsolved.predict(X)
        assert str(error.value) == unsolved.certificate_.explain()
        for method in (unsolved.predict_proba, unsolved.decision_function):
            with pytest.raises(NoSolutionFoundError):
                method(X)
        with pytest.raises(NoSolutionFoundError):
            unsolved.certify(X, y)

    def test_impossible_limit_is_refused_before_training(self, blobs):
        with pytest.warns(NoSolutionFoundWarning):
            model = fitted(blobs, "ACC >= 1.5")
        assert "no model can satisfy 'ACC >= 1.5'" in model.certificate_.explain()
        assert not hasattr(model, "net_")

    def test_too_few_safety_rows_are_noticed_before_training(self, blobs):
        with (
            pytest.warns(NoSolutionFoundWarning),
            pytest.warns(UserWarning, match="even a perfect one needs about 29956"),
        ):
            model = fitted(blobs, "ACC >= 0.9999")
        assert "limit 0.9999" in model.certificate_.explain()

    @pytest.mark.parametrize(
        "fallback", [LogisticRegression(), "majority"], ids=["estimator", "majority"]
    )
    def test_fallback_predicts_and_is_not_certified(self, blobs, fallback):
        X, y = blobs
        with pytest.warns(NoSolutionFoundWarning):
            model = fitted(blobs, "ACC >= 0.99", fallback=fallback)
        rows = model.candidate_indices_
        assert not model.solution_found_
        assert not model.certificate_.passed
        assert model.predict(X).shape == (1000,)
        assert np.array_equal(model.predict_proba(X).argmax(1), model.predict(X))
        if fallback != "majority":
            expected = clone(fallback).fit(X[rows], y[rows])
            assert np.array_equal(model.predict(X), expected.predict(X))

    def test_frozen_fallback_is_used_as_it_is(self, blobs):
        X, y = blobs
        frozen = FrozenEstimator(LogisticRegression().fit(X[:50], y[:50]))
        with pytest.warns(NoSolutionFoundWarning):
            model = fitted(blobs, "ACC >= 0.99", fallback=frozen)
        assert model.fallback_ is frozen

    def test_fallback_without_some_class_gets_zero_probability(self, blobs):
        X, y = blobs
        frozen = FrozenEstimator(LogisticRegression().fit(X, y))
        three = np.where(np.arange(1000) < 30, 2, y)
        with pytest.warns(NoSolutionFoundWarning):
            model = fitted((X, three), "ACC >= 0.99", fallback=frozen)
        probabilities = model.predict_proba(X)
        assert probabilities.shape == (1000, 3)
        assert (probabilities[:, 2] == 0).all()

    def test_interrupt_leaves_the_safety_rows_alone(self, blobs):
        class Interrupt(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer, self.calls = nn.Linear(3, 2), 0

            def forward(self, X):
                self.calls += 1
                if self.calls > 20:
                    raise KeyboardInterrupt
                return self.layer(X)

        with pytest.warns(NoSolutionFoundWarning, match="interrupted"):
            model = fitted(blobs, module=Interrupt)
        assert not model.solution_found_
        assert len(model.history_) > 0
        assert model.certificate_.results[0].guarantee == "none"

    def test_scorer(self, blobs, unsolved):
        assert solution_found(unsolved, None, None) == 0.0
        assert solution_found(fitted(blobs), None, None) == 1.0


class TestModules:
    @pytest.mark.parametrize("softmax", [False, True])
    def test_convnet_with_and_without_softmax(self, softmax):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 2, size=400)
        X = rng.normal(size=(400, 1, 8, 8)).astype(np.float32) + y[:, None, None, None]
        params = {"module__image_size": 8, "module__softmax": softmax, "module__n_outputs": 2}
        model = SeldonianClassifier(
            ConvNet, "ACC >= 0.8", max_epochs=3, random_state=0, lr=1e-2, **params
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, y)
        texts = [str(w.message) for w in caught]
        assert any("returns probabilities" in text for text in texts) == softmax
        assert model.solution_found_
        probabilities = model.predict_proba(X)
        assert np.allclose(probabilities.sum(axis=1), 1.0)
        rows = model.safety_indices_
        assert model.certificate_.results[0].estimate == pytest.approx(
            model.score(X[rows], y[rows])
        )

    @each_kind_of_output
    def test_criteria_and_their_outputs(self, blobs, criterion, module):
        X, _ = blobs
        torch.manual_seed(0)
        module = module()
        before = [p.clone() for p in module.parameters()]
        model = fitted(blobs, module=module, criterion=criterion)
        assert model.solution_found_
        assert np.array_equal(model.decision_function(X) > 0, model.predict(X) == 1)
        assert np.array_equal(model.predict_proba(X)[:, 1] > 0.5, model.predict(X) == 1)
        assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))

    @each_kind_of_output
    def test_offsets_move_decisions_and_the_probabilities_that_contradict_them(
        self, blobs, criterion, module
    ):
        X, _ = blobs
        torch.manual_seed(0)
        model = fitted(blobs, "PR <= 0.3", module=module(), criterion=criterion, max_epochs=3)
        assert model.solution_found_
        assert model.offsets_[0] == 0 > model.offsets_[1]
        assert model.scale_ == 1
        outputs = model.module_(torch.from_numpy(X.astype(np.float32))).detach().double().numpy()
        odds = {
            nn.CrossEntropyLoss: lambda z: np.exp(z[:, 1] - z[:, 0]),
            nn.NLLLoss: lambda p: p[:, 1] / p[:, 0],
            nn.BCEWithLogitsLoss: lambda z: np.exp(z[:, 0]),
        }[criterion](outputs)
        decided, found = model.predict(X) == 1, model.predict_proba(X)[:, 1]
        assert np.array_equal(decided, odds * np.exp(model.offsets_[1]) > 1)
        assert np.array_equal(decided, found > 0.5)
        other = decided != (odds > 1)
        most = 0.01 * abs(model.offsets_[1])
        assert found[~other] == pytest.approx((odds / (1 + odds))[~other], abs=most)
        assert other.any()
        assert (np.abs(found[other] - 0.5) < most).all()

    def test_drawn_decisions_have_no_offsets(self, blobs):
        model = fitted(blobs, "PR <= 0.6", decision="sample", module__hidden=())
        assert model.offsets_.tolist() == [0.0, 0.0]

    @pytest.mark.parametrize("constraints", ["PR <= 0.6", "PR <= 0.45"])
    def test_drawn_decisions_keep_to_a_range_that_is_known_beforehand(self, blobs, constraints):
        X, _ = blobs
        model = fitted(blobs, constraints, decision="sample", module__hidden=())
        assert model.solution_found_
        candidate = X[model.candidate_indices_]
        raw = model.module_(torch.from_numpy(candidate.astype(np.float32))).softmax(dim=1)
        seen = np.stack([end.values.detach() for end in (raw.min(dim=0), raw.max(dim=0))])
        assert model.probability_range_ == pytest.approx(seen, abs=1e-6)
        wild, usual = (model.predict_proba(rows)[:, 1] for rows in (1000 * X, candidate))
        assert wild.min() == pytest.approx(usual.min(), abs=1e-6)
        assert wild.max() == pytest.approx(usual.max(), abs=1e-6)

    def test_what_is_drawn_of_rows_without_a_number_keeps_to_the_range(self, blobs):
        """Else a share of rows that no safety row shows would be outside what was averaged."""
        X, _ = blobs
        model = fitted(blobs, "PR >= 0.6", decision="sample")
        assert model.solution_found_
        lost = np.full((4000, 3), 3e38, dtype=np.float32) * np.array([1, -1, 1], dtype=np.float32)
        assert np.isnan(model.predict_proba(lost)).all()
        usual = model.predict_proba(X)[:, 1]
        assert usual.min() > 0.1  # so that the first class for all of them would be noticed
        share = np.mean(model.predict(lost) == model.classes_[1])
        assert usual.min() - 0.04 < share < usual.max() + 0.04

    def test_modules_of_double_precision_draw_too(self, blobs):
        class Double(nn.Linear):
            def forward(self, X):
                return super().forward(X).double()

        model = fitted(blobs, "PR <= 0.45", decision="sample", module=Double(3, 2))
        assert model.solution_found_

    def test_no_model_is_said_to_need_rows_that_probabilities_do_not(self, blobs):
        X, y = blobs
        mask = np.arange(len(y)) < 6
        model = SeldonianClassifier(
            constraints="PR <= 0.7", decision="sample", max_epochs=2, random_state=0
        ).fit(X, y, safety_mask=mask)
        assert model.solution_found_

    def test_decisions_that_are_not_drawn_are_not_clipped(self, blobs):
        assert fitted(blobs).probability_range_.tolist() == [[0.0, 0.0], [1.0, 1.0]]

    def test_a_constant_prediction_is_the_last_resort_and_said_so(self, blobs):
        X, y = blobs
        model = fitted((np.zeros_like(X), y), "PR <= 0.3", max_epochs=2)
        remark = "The model gave every safety row the label 0"
        assert model.solution_found_
        assert remark in model.certificate_.explain()
        assert SafetyCertificate.from_json(model.certificate_.to_json()) == model.certificate_
        assert fitted(blobs, "PR <= 0.9").certificate_.remarks == ()

    def test_default_module_fits_the_data(self, blobs):
        model = fitted(blobs, criterion=nn.BCEWithLogitsLoss, module__hidden=(8,))
        shapes = [tuple(p.shape) for p in model.module_.parameters()]
        assert shapes == [(8, 3), (8,), (1, 8), (1,)]

    def test_training_ends_when_nothing_better_was_found_for_long(self, blobs):
        model = fitted(blobs, max_epochs=90, n_iter_no_change=5)
        assert model.n_iter_ == model.net_.kept_epoch_ + 5 < 90
        whole = fitted(blobs, max_epochs=model.n_iter_)
        assert whole.net_.kept_epoch_ == model.net_.kept_epoch_
        assert whole.certificate_.fingerprints == model.certificate_.fingerprints
        assert fitted(blobs, (), max_epochs=9, n_iter_no_change=2).n_iter_ == 9

    @pytest.mark.parametrize(
        "layer", [nn.Dropout(0.5), nn.BatchNorm1d(16)], ids=["dropout", "batch norm"]
    )
    def test_same_certificate_twice(self, blobs, layer):
        X, y = blobs
        module = nn.Sequential(nn.Linear(3, 16), layer, nn.ReLU(), nn.Linear(16, 2))
        model = fitted(blobs, module=module)
        rows = model.safety_indices_
        with pytest.warns(SafetyDataReusedWarning, match="were given to SeldonianClassifier.fit"):
            again = model.certify(X[rows], y[rows])
        assert again.results == model.certificate_.results
        assert again.fingerprints == model.certificate_.fingerprints

    @pytest.mark.parametrize("rows_a_batch", [1, 7, 1000])
    def test_eval_batch_size_changes_nothing(self, blobs, groups, rows_a_batch):
        one = certified_in_batches(blobs, groups, N_SAFETY)
        assert certified_in_batches(blobs, groups, rows_a_batch) == one

    @pytest.mark.parametrize("rows_a_batch", [1, 7, 1000])
    def test_eval_batch_size_changes_drawn_decisions_by_rounding(self, blobs, groups, rows_a_batch):
        whole = certified_in_batches(blobs, groups, N_SAFETY, decision="sample")
        parts = certified_in_batches(blobs, groups, rows_a_batch, decision="sample")
        for one, other in zip(whole, parts, strict=True):
            assert (one.passed, one.rows, one.reason) == (other.passed, other.rows, other.reason)
            for name in ("estimate", "bound", "g", "g_upper", "p_value"):
                assert getattr(other, name) == pytest.approx(getattr(one, name), rel=0, abs=1e-6)


N_SAFETY = 500  # of the blobs: one batch of that size holds all safety rows


def certified_in_batches(blobs, groups, rows_a_batch, decision="argmax"):
    """Results of a mean, a ratio and a difference; of drawn decisions a loss as well."""
    loss = ["Brier <= 0.3"] if decision == "sample" else []
    model = SeldonianClassifier(
        constraints=["ACC >= 0.6", "PPV >= 0.6", PARITY, *loss],
        max_epochs=2,
        random_state=0,
        eval_batch_size=rows_a_batch,
        decision=decision,
    ).fit(*blobs, sensitive_features=groups)
    assert len(model.safety_indices_) == N_SAFETY
    return model.certificate_.results


class TestEcosystem:
    def test_double_underscore_names(self):
        model = SeldonianClassifier(module__hidden=(4,), optimizer__weight_decay=0.1)
        assert model.get_params()["module__hidden"] == (4,)
        copy = clone(model).set_params(module__hidden=(5,), iterator_train__num_workers=0)
        assert copy.get_params()["module__hidden"] == (5,)
        assert copy.get_params()["optimizer__weight_decay"] == 0.1
        assert copy.get_params()["iterator_train__num_workers"] == 0
        assert model.get_params()["module__hidden"] == (4,)

    def test_names_reach_their_targets(self, blobs):
        params = {"optimizer__weight_decay": 0.25, "module__hidden": (4,)}
        weights = torch.tensor([1.0, 2.0])
        model = fitted(blobs, criterion__weight=weights, iterator_train__drop_last=True, **params)
        assert model.module_.layers[1].out_features == 4
        assert torch.equal(model.net_.criterion_.weight, weights)

    def test_nested_estimators(self):
        model = SeldonianClassifier(preprocessor=StandardScaler(), fallback=LogisticRegression())
        model.set_params(preprocessor__with_mean=False, fallback__C=2.0)
        assert model.preprocessor.with_mean is False
        assert model.fallback.C == 2.0

    def test_preprocessor_sees_candidate_rows_only(self, blobs):
        X, _ = blobs
        scaler = StandardScaler()
        model = fitted(blobs, preprocessor=scaler)
        assert not hasattr(scaler, "mean_")
        expected = X[model.candidate_indices_].mean(axis=0)
        assert np.allclose(model.preprocessor_.mean_, expected)

    def test_preprocessor_takes_frames_of_text(self, blobs):
        from sklearn.compose import make_column_transformer
        from sklearn.preprocessing import OneHotEncoder

        X, y = blobs
        frame = pd.DataFrame({"a": X[:, 0], "sign": np.where(X[:, 1] > 0, "+", "-")})
        encoder = make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["sign"]), remainder="passthrough"
        )
        model = SeldonianClassifier(
            constraints='ACC | [sign == "+"] >= 0.6', preprocessor=encoder, random_state=0
        ).fit(frame, y)
        assert model.solution_found_
        assert list(model.feature_names_in_) == ["a", "sign"]
        assert model.predict(frame).shape == (1000,)

    def test_callbacks_run_and_are_copied(self, blobs):
        from skorch.callbacks import EarlyStopping, LRScheduler

        stopper = EarlyStopping(monitor="candidate_loss", patience=1, threshold=1.0)
        model = fitted(blobs, callbacks=[stopper, LRScheduler()])
        assert model.n_iter_ < 20
        assert model.solution_found_
        assert stopper.misses_ == 0

    def test_verbose_prints_a_table(self, blobs, capsys):
        fitted(blobs, verbose=1, max_epochs=2)
        assert "predicted bound" in capsys.readouterr().out

    def test_images_of_bytes(self, blobs):
        X, y = blobs
        pixels = np.clip(128 + 30 * X, 0, 255).astype(np.uint8)
        assert fitted((pixels, y), "ACC >= 0.6", lr=1e-3).predict(pixels).shape == (1000,)


# -- the caller's memory -------------------------------------------------------------------


class _WritesToItsInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, X):
        return self.layer(X.mul_(2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("writeable", [True, False])
def test_the_inputs_of_the_caller_are_not_modified(dtype, writeable):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 9, (400, 4)).astype(dtype)
    y = (X[:, 0] > 4).astype(int)
    before = X.copy()
    X.flags.writeable = writeable
    model = SeldonianClassifier(_WritesToItsInputs, "ACC >= 0.01", max_epochs=2, random_state=0)
    model.fit(X, y).predict(X)
    np.testing.assert_array_equal(X, before)


def test_a_memory_map_and_an_array_give_the_same_model(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 4), dtype=np.float32)
    y = (X[:, 0] > 0).astype(int)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    models = [
        SeldonianClassifier(constraints="ACC >= 0.7", max_epochs=2, random_state=0).fit(data, y)
        for data in (X, mapped, X.astype(np.float64))
    ]
    assert len({model.certificate_.to_json() for model in models}) == 1


class TestRemarksOnConstantDecisions:
    """The reason for one label for all rows is the one that training had."""

    def test_predicted_to_pass(self, blobs):
        X, y = blobs
        model = fitted((np.zeros_like(X), y), "PR <= 0.3", max_epochs=2)
        (remark,) = model.certificate_.remarks
        assert model.history_["passing_0"].max() >= model.power
        assert remark.endswith(
            "Among the epochs and decision thresholds predicted to pass, none had a lower error on "
            "the candidate rows."
        )

    def test_not_predicted_to_pass(self, blobs):
        X, y = blobs
        with pytest.warns(NoSolutionFoundWarning):
            model = fitted((np.zeros_like(X), y), ["PR <= 0.3", "TPR >= 0.9"], max_epochs=2)
        assert model.history_[["passing_0", "passing_1"]].min(axis=1).max() < 0.1
        (remark,) = model.certificate_.remarks
        assert remark.endswith(
            "No epoch was predicted to pass with probability 0.9, so the one likeliest to pass was "
            "kept."
        )

    def test_nothing_was_fitted_where_nothing_was_trained(self, blobs):
        with pytest.warns(NoSolutionFoundWarning, match="nothing was trained"):
            model = fitted(blobs, "ACC >= 90")
        text = model.certificate_.explain()
        assert "fitted to" not in text
        assert "500 safety rows were not touched; 500 others were for training." in text
        assert "fitted to" not in model.certificate_._repr_html_()
