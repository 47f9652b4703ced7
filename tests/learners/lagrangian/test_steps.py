"""The history of multiplier updates is complete, or thinned evenly."""

import numpy as np
import pytest
import torch
from sklearn.tree import DecisionTreeClassifier

from sklearn_seldonian import SeldonianClassifier, SeldonianMetaClassifier, SeldonianRegressor
from sklearn_seldonian.learners.lagrangian import _steps
from sklearn_seldonian.learners.lagrangian._steps import StepHistory
from sklearn_seldonian.modules import MLP

ZEROS = np.zeros(1)


def recorded(n_updates, n_batches=2, n_constraints=1):
    """A history of updates after this many batches each; the loss of batch i is i."""
    history = StepHistory(n_constraints)
    for update in range(n_updates):
        for batch in range(update * n_batches, (update + 1) * n_batches):
            history.add_loss(torch.tensor(float(batch)))
        if history.is_due():
            loss = history.pending_loss.item()
            history.add(1, (update + 1) * n_batches, loss, *[np.full(n_constraints, update)] * 3)
    return history


def test_every_update_is_a_row():
    history = recorded(3)
    history.end_epoch(1, 8)
    frame = history.frame()
    assert frame["batch"].tolist() == [2, 4, 6]
    assert frame["progress"].tolist() == [0.25, 0.5, 0.75]
    assert frame["loss"].tolist() == [0.5, 2.5, 4.5]
    assert frame["multiplier_0"].tolist() == [0, 1, 2]
    assert [*frame] == [
        *("epoch", "batch", "progress", "loss"),
        *("estimate_0", "predicted_bound_0", "multiplier_0"),
    ]


@pytest.mark.parametrize("n_updates", [63, 64, 65, 200, 1000])
def test_memory_is_bounded_and_losses_are_kept(n_updates, monkeypatch):
    monkeypatch.setattr(_steps, "MAX_NUMBERS", 0)
    history = recorded(n_updates)
    steps, frame = history.steps, history.frame()
    assert 32 <= len(steps) <= 64
    apart = np.diff([0, *frame["batch"]])
    assert len(set(apart)) == 1
    n_batches = sum(step.n_batches for step in steps)
    assert n_batches == frame["batch"].iloc[-1]
    assert sum(step.total_loss for step in steps) == sum(range(n_batches))


def test_a_small_remainder_of_an_epoch_counts_for_the_next_step():
    history = recorded(1, n_batches=8)
    history.add_loss(torch.tensor(100.0))
    assert not history.is_due()
    for _ in range(7):
        history.add_loss(torch.tensor(4.0))
    assert history.is_due()
    history.add(2, 7, history.pending_loss.item(), ZEROS, ZEROS, ZEROS)
    assert [step.n_batches for step in history.steps] == [8, 8]
    assert history.frame()["loss"].tolist() == [3.5, 16.0]


def test_an_epoch_that_was_broken_off_is_drawn_as_long_as_the_others():
    history = StepHistory(1)
    for epoch, batch in ((1, 10), (2, 5)):
        history.add_loss(torch.tensor(1.0))
        history.add(epoch, batch, 1.0, ZEROS, ZEROS, ZEROS)
        if epoch == 1:
            history.end_epoch(1, 10)
    assert history.frame()["progress"].tolist() == [1.0, 1.5]


def test_many_constraints_keep_fewer_steps():
    assert len(recorded(400, n_constraints=5000).steps) <= 66


class TestFits:
    def test_the_last_multipliers_are_those_of_the_epoch(self, blobs):
        model = SeldonianClassifier(
            constraints=["ACC >= 0.7", "PR <= 0.6"],
            module__hidden=(),
            random_state=0,
            max_epochs=4,
        ).fit(*blobs)
        steps, epochs = model.step_history_, model.history_
        ends = steps.groupby("epoch").last()
        for i in (0, 1):
            np.testing.assert_array_equal(ends[f"multiplier_{i}"], epochs[f"multiplier_{i}"])
        assert steps["progress"].is_monotonic_increasing
        assert steps["progress"].iloc[-1] == 4.0
        # Steps have different numbers of batches, so that the means differ a little.
        means = steps.groupby("epoch")["loss"].mean()
        np.testing.assert_allclose(means, epochs["loss"], rtol=0.1)

    def test_steps_are_of_training_rows_in_the_constraints_units(self, blobs):
        model = SeldonianClassifier(
            MLP, constraints="ACC >= 0.7", random_state=0, max_epochs=4
        ).fit(*blobs)
        last = model.step_history_.iloc[-1]
        assert last["estimate_0"] == pytest.approx(model.certificate_.results[0].estimate, abs=0.1)
        assert last["predicted_bound_0"] < last["estimate_0"]

    def test_of_two_models_that_which_is_kept_is_last(self, blobs):
        model = SeldonianClassifier(constraints="ACC >= 0.7", random_state=0, max_epochs=2)
        model.fit(*blobs)
        if "module" in model.history_:
            assert [*dict.fromkeys(model.step_history_["module"])] == [
                *dict.fromkeys(model.history_["module"])
            ]
        assert len(model.step_history_) > 0

    def test_without_constraints_nothing_is_updated(self, blobs):
        model = SeldonianClassifier(MLP, max_epochs=2, random_state=0).fit(*blobs)
        assert len(model.step_history_) == 0

    def test_of_any_model_and_of_numbers(self, blobs, groups):
        X, y = blobs
        tree = DecisionTreeClassifier(max_depth=3, random_state=0)
        meta = SeldonianMetaClassifier(tree, "ACC >= 0.7", random_state=0).fit(X, y)
        assert len(meta.step_history_) > 0
        numbers = SeldonianRegressor(
            MLP,
            constraints="MAE <= 9",
            prediction_range=(0, 10),
            target_range=(0, 10),
            random_state=0,
            max_epochs=2,
        ).fit(X, 4.0 + 3.0 * y)
        steps = numbers.step_history_
        np.testing.assert_allclose(
            steps.groupby("epoch")["loss"].mean(), numbers.history_["loss"], rtol=0.3
        )
