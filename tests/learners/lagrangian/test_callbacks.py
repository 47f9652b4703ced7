"""skorch's callbacks without a validation set: they work, or `fit` raises an error that says why
not.
"""

from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss
from skorch import callbacks
from skorch.callbacks import Checkpoint, EarlyStopping, LRScheduler

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.modules import MLP

each_goal = pytest.mark.parametrize("constraints", [(), "ACC >= 0.5"], ids=["free", "certified"])


class Writer:
    """A substitute for TensorBoard's SummaryWriter."""

    written: ClassVar = set()  # callbacks are copied

    def add_scalar(self, tag, **kwargs):
        self.written.add(tag)

    def close(self):
        """There is nothing to close."""


class RecordsOwn(callbacks.Callback):
    def on_epoch_end(self, net, **kwargs):
        net.history.record("own", 1.0)


def fitted(blobs, *given, constraints="ACC >= 0.5", **params):
    params = {"max_epochs": 4, "random_state": 0, **params}
    model = SeldonianClassifier(
        constraints=constraints, callbacks=list(given), **{"module": MLP, **params}
    )
    return model.fit(*blobs)


def accuracy_of(net, X, y):
    return accuracy_score(y, net.predict(X))


class TestScoring:
    @each_goal
    @pytest.mark.parametrize("use_caching", [True, False])
    @pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc", accuracy_of])
    @pytest.mark.thinned(4)
    def test_of_epochs(self, blobs, scoring, use_caching, constraints):
        callback = callbacks.EpochScoring(
            scoring, on_train=True, use_caching=use_caching, lower_is_better=False, name="seen"
        )
        history = fitted(blobs, callback, constraints=constraints).history_
        assert np.isfinite(history.seen).all()
        assert history.seen_best.iloc[0]

    def test_values_are_those_of_the_epochs_weights(self, blobs):
        given = [
            callbacks.EpochScoring(scoring, on_train=True, use_caching=False)
            for scoring in ("accuracy", "neg_log_loss")
        ]
        model = fitted(blobs, *given, constraints=())
        probabilities = model.predict_proba(blobs[0])
        last = model.history_.iloc[-1]
        assert last.accuracy == accuracy_score(blobs[1], probabilities.argmax(axis=1))
        assert last.neg_log_loss == pytest.approx(-log_loss(blobs[1], probabilities))

    @each_goal
    @pytest.mark.parametrize("use_caching", [True, False])
    @pytest.mark.thinned(2)
    def test_of_batches(self, blobs, use_caching, constraints):
        callback = callbacks.BatchScoring("accuracy", on_train=True, use_caching=use_caching)
        history = fitted(blobs, callback, constraints=constraints).history_
        assert history.accuracy.between(0.5, 1).all()

    @each_goal
    def test_passed_through(self, blobs, constraints):
        callback = callbacks.PassthroughScoring("train_loss", on_train=True)
        stop = callbacks.EarlyStopping(monitor="train_loss")
        history = fitted(blobs, callback, stop, constraints=constraints).history_
        assert history.train_loss.to_numpy() == pytest.approx(history.loss.to_numpy(), rel=0.1)

    @pytest.mark.parametrize("use_caching", [True, False])
    def test_of_a_regression(self, blobs, use_caching):
        X, y = blobs
        callback = callbacks.EpochScoring("r2", on_train=True, use_caching=use_caching)
        model = SeldonianRegressor(callbacks=[callback], max_epochs=3).fit(X, 100.0 + 5 * y)
        assert model.history_.r2.iloc[-1] > 0
        if not use_caching:
            assert model.history_.r2.iloc[-1] == pytest.approx(model.score(X, 100.0 + 5 * y))

    @each_goal
    @pytest.mark.parametrize(
        "callback",
        [
            callbacks.EpochScoring("accuracy"),
            callbacks.EpochScoring("accuracy", use_caching=False),
            callbacks.BatchScoring("accuracy"),
            callbacks.PassthroughScoring("loss"),
        ],
        ids=range(4),
    )
    def test_of_a_validation_set(self, blobs, callback, constraints):
        with pytest.raises(ValueError, match=r"training has none.*on_train=True"):
            fitted(blobs, callback, constraints=constraints)


class TestMonitors:
    @each_goal
    @pytest.mark.parametrize(
        ("callback", "monitor"),
        [
            (callbacks.EarlyStopping(), "valid_loss"),
            (callbacks.EarlyStopping(monitor="valid_acc"), "valid_acc"),
            (callbacks.EarlyStopping(monitor="train_loss"), "train_loss"),
            (callbacks.Checkpoint(dirname=""), "valid_loss_best"),
            (callbacks.LRScheduler("ReduceLROnPlateau"), "train_loss"),
            (callbacks.LRScheduler("ReduceLROnPlateau", monitor="valid_loss"), "valid_loss"),
        ],
        ids=range(6),
    )
    def test_of_what_is_not_recorded(self, blobs, callback, monitor, constraints):
        epochs = []

        class Counts(callbacks.Callback):
            def on_epoch_begin(self, net, **kwargs):
                epochs.append(net)

        message = f"monitors '{monitor}', and .*Set its monitor to one of 'loss'"
        with pytest.raises(ValueError, match=message):
            fitted(blobs, Counts(), callback, constraints=constraints)
        assert not epochs

    @each_goal
    def test_of_a_misspelt_name(self, blobs, constraints):
        with pytest.raises(ValueError, match="monitors 'lsos', and no epoch records it"):
            fitted(blobs, callbacks.EarlyStopping(monitor="lsos"), constraints=constraints)

    def test_the_message_has_the_recorded_values(self, blobs):
        with pytest.raises(ValueError, match="'candidate_loss', 'kept', 'estimate_0'"):
            fitted(blobs, callbacks.EarlyStopping())

    @pytest.mark.parametrize("monitor", ["loss", "candidate_loss", "passing_0", "multiplier_0"])
    def test_of_what_epochs_record(self, blobs, monitor):
        fitted(
            blobs,
            callbacks.EarlyStopping(monitor=monitor),
            callbacks.LRScheduler("ReduceLROnPlateau", monitor=monitor),
        )

    def test_of_what_another_callback_records(self, blobs):
        fitted(blobs, RecordsOwn(), callbacks.EarlyStopping(monitor="own", patience=9))
        score = callbacks.EpochScoring("accuracy", on_train=True, name="valid_acc")
        fitted(blobs, score, callbacks.EarlyStopping(monitor="valid_acc", patience=9))

    def test_before_it_is_recorded(self, blobs):
        with pytest.raises(ValueError, match="monitors 'own', and no epoch records it"):
            fitted(blobs, callbacks.EarlyStopping(monitor="own"), RecordsOwn())


class TestOthers:
    @each_goal
    def test_all_at_once(self, blobs, constraints, tmp_path):
        model = fitted(
            blobs,
            callbacks.Checkpoint(monitor=None, dirname=str(tmp_path / "each")),
            callbacks.TrainEndCheckpoint(dirname=str(tmp_path / "last")),
            callbacks.LRScheduler("CyclicLR", base_lr=0.001, max_lr=0.1, step_every="batch"),
            callbacks.GradientNormClipping(1.0),
            callbacks.Freezer("layers.1.weight"),
            callbacks.Unfreezer("layers.1.weight", at=2),
            callbacks.Initializer("*.bias", fn=torch.nn.init.zeros_),
            callbacks.PrintLog(sink=str),
            callbacks.TensorBoard(Writer()),
            constraints=constraints,
            optimizer=torch.optim.SGD,
        )
        assert len(model.history_) == 4
        assert model.history_.event_cp.all()
        assert "Loss" in {tag.split("/")[0].capitalize() for tag in Writer.written}

    def test_checkpoints_of_the_best_epochs(self, blobs, tmp_path):
        model = fitted(blobs, callbacks.Checkpoint(monitor="kept", dirname=str(tmp_path)))
        assert model.history_.event_cp.equals(model.history_.kept)

    def test_the_shape_of_the_inputs_sizes_a_module(self, blobs):
        setter = callbacks.InputShapeSetter(param_name="n_features")
        assert fitted(blobs, setter).module_.layers[1].in_features == 3

    def test_batches_hold_inputs_and_targets(self, blobs):
        seen = []

        class Looks(callbacks.Callback):
            def on_batch_end(self, net, batch, y_pred, **kwargs):
                X, y = batch
                seen.append((tuple(X.shape), tuple(y.shape), tuple(y_pred.shape)))

        fitted(blobs, Looks())
        assert seen[0] == ((25, 3), (25,), (25, 2))


class TestWhatIsRefused:
    def test_a_class_and_a_pair_are_callbacks(self, blobs):
        given = RecordsOwn, ("mine", RecordsOwn())
        assert (fitted(blobs, *given, max_epochs=1).history_.own == 1.0).all()

    def test_weights_that_a_callback_would_load(self, blobs):
        stop = callbacks.EarlyStopping(monitor="loss", load_best=True)
        with pytest.raises(
            ValueError, match="would replace the weights of the epoch that was chosen"
        ):
            fitted(blobs, stop)
        assert fitted(blobs, stop, constraints=(), max_epochs=2).n_iter_ == 2


def unfitted(module=MLP, **params):
    params = {"constraints": "ACC >= 0.1", "max_epochs": 2, "random_state": 0, **params}
    return SeldonianClassifier(module, **params)


def test_callbacks_that_skorch_brings(blobs, tmp_path):
    """The learning rate follows the schedule, checkpoints are written, and training stops early."""
    callbacks = [
        ("schedule", LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.1)),
        ("checkpoint", Checkpoint(monitor=None, dirname=tmp_path, f_optimizer=None)),
        ("stop", EarlyStopping(monitor="loss", patience=2, threshold=0.5)),
    ]
    model = unfitted(callbacks=callbacks, max_epochs=9).fit(*blobs)
    assert model.solution_found_
    assert 2 <= model.n_iter_ < 9
    assert model.history_["event_lr"].tolist() == pytest.approx(
        [0.01 * 0.1**epoch for epoch in range(model.n_iter_)]
    )
    assert (tmp_path / "params.pt").exists()
