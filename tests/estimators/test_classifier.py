"""The classifier: what `fit` does, its attributes, and its predictions."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from torch import nn

from sklearn_seldonian import (
    NoSolutionFoundError,
    NoSolutionFoundWarning,
    SafetyCertificate,
    SeldonianClassifier,
)
from sklearn_seldonian.metrics import solution_found
from sklearn_seldonian.modules import MLP, ConvNet

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
    return SeldonianClassifier(
        constraints=constraints,
        random_state=0,
        **{"module": MLP, "max_epochs": 6, **params},
    ).fit(*blobs)


@pytest.fixture
def unsolved(blobs):
    """An estimator in the state No Solution Found."""
    with pytest.warns(NoSolutionFoundWarning):
        return fitted(blobs, "ACC >= 0.99")


class TestSolution:
    def test_fitted_attributes(self, blobs):
        model = fitted(blobs, max_epochs=20)
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

    def test_string_labels_and_positive_class(self, blobs, groups):
        X, y = blobs
        names = np.where(y == 1, "good", "bad")
        model = SeldonianClassifier(MLP, constraints="TPR >= 0.6", pos_label="bad", random_state=0)
        model.fit(X, names)
        (result,) = model.certificate_.results
        rows = model.safety_indices_
        bad = names[rows] == "bad"
        assert result.estimate == pytest.approx((model.predict(X[rows])[bad] == "bad").mean())

    def test_multiclass(self):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 3, size=900)
        X = rng.normal(size=(900, 2)) + 3 * np.eye(3)[y][:, :2]
        model = SeldonianClassifier(MLP, constraints="TPR_[2] >= 0.5", random_state=0).fit(X, y)
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
        text = unsolved.certificate_.explain(None)
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
        assert str(error.value) == unsolved.certificate_.explain(None)
        for method in (unsolved.predict_proba, unsolved.decision_function):
            with pytest.raises(NoSolutionFoundError):
                method(X)
        with pytest.raises(NoSolutionFoundError):
            unsolved.certify(X, y)

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

    def test_fallback_without_some_class_gets_zero_probability(self, blobs):
        X, y = blobs
        frozen = FrozenEstimator(LogisticRegression().fit(X, y))
        three = np.where(np.arange(1000) < 30, 2, y)
        with pytest.warns(NoSolutionFoundWarning):
            model = fitted((X, three), "ACC >= 0.99", fallback=frozen)
        probabilities = model.predict_proba(X)
        assert probabilities.shape == (1000, 3)
        assert (probabilities[:, 2] == 0).all()

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
        model = fitted(
            blobs, "PR <= 0.3", module=module(), criterion=criterion, max_epochs=1, power=0.99
        )
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
        model = fitted(blobs, "PR <= 0.6", decision="sample", module__hidden=(), max_epochs=20)
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
        """Otherwise some rows could have probabilities outside the range over which the mean is
        bounded.
        """
        X, _ = blobs
        model = fitted(blobs, "PR >= 0.65", decision="sample", max_epochs=3)
        assert model.solution_found_
        lost = np.full((4000, 3), 3e38, dtype=np.float32) * np.array([1, -1, 1], dtype=np.float32)
        assert np.isnan(model.predict_proba(lost)).all()
        usual = model.predict_proba(X)[:, 1]
        assert usual.min() > 0.1  # so that the first class for all rows would be noticed
        share = np.mean(model.predict(lost) == model.classes_[1])
        assert usual.min() - 0.04 < share < usual.max() + 0.04

    def test_modules_of_double_precision_draw_too(self, blobs):
        class Double(nn.Linear):
            def forward(self, X):
                return super().forward(X).double()

        model = fitted(blobs, "PR <= 0.45", decision="sample", module=Double(3, 2))
        assert model.solution_found_

    def test_decisions_that_are_not_drawn_are_not_clipped(self, blobs):
        assert fitted(blobs).probability_range_.tolist() == [[0.0, 0.0], [1.0, 1.0]]


class TestEcosystem:
    def test_preprocessor_takes_frames_of_text(self, blobs):
        from sklearn.compose import make_column_transformer
        from sklearn.preprocessing import OneHotEncoder

        X, y = blobs
        frame = pd.DataFrame({"a": X[:, 0], "sign": np.where(X[:, 1] > 0, "+", "-")})
        encoder = make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["sign"]), remainder="passthrough"
        )
        model = SeldonianClassifier(
            MLP, constraints='ACC | [sign == "+"] >= 0.6', preprocessor=encoder, random_state=0
        ).fit(frame, y)
        assert model.solution_found_
        assert list(model.feature_names_in_) == ["a", "sign"]
        assert model.predict(frame).shape == (1000,)

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
        SeldonianClassifier(MLP, constraints="ACC >= 0.7", max_epochs=2, random_state=0).fit(
            data, y
        )
        for data in (X, mapped, X.astype(np.float64))
    ]
    assert len({model.certificate_ for model in models}) == 1
