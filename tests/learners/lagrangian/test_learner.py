"""The learner fits preprocessor and net to candidate rows, or returns why there is no model."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_seldonian import NoSolutionFoundWarning, SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.modules import MLP


def fitted(blobs, constraints="ACC >= 0.7", **params):
    return SeldonianClassifier(
        constraints=constraints, random_state=0, **{"module": MLP, **params}
    ).fit(*blobs)


class Returning(nn.Module):
    """A linear layer, and a function of its outputs."""

    def __init__(self, change, n_outputs=2):
        super().__init__()
        self.layer, self.change = nn.Linear(3, n_outputs), change

    def forward(self, X):
        return self.change(self.layer(X))


def test_default_module_fits_the_data(blobs):
    model = fitted(blobs, criterion=nn.BCEWithLogitsLoss, module__hidden=(8,))
    shapes = [tuple(p.shape) for p in model.module_.parameters()]
    assert shapes == [(8, 3), (8,), (1, 8), (1,)]


def test_preprocessor_sees_candidate_rows_only(blobs):
    X, _ = blobs
    scaler = StandardScaler()
    model = fitted(blobs, preprocessor=scaler)
    assert not hasattr(scaler, "mean_")
    expected = X[model.candidate_indices_].mean(axis=0)
    assert np.allclose(model.preprocessor_.mean_, expected)


def test_callbacks_run_and_are_copied(blobs):
    from skorch.callbacks import EarlyStopping, LRScheduler

    stopper = EarlyStopping(monitor="candidate_loss", patience=1, threshold=1.0)
    model = fitted(blobs, callbacks=[stopper, LRScheduler()])
    assert model.n_iter_ < 20
    assert model.solution_found_
    assert stopper.misses_ == 0


def test_interrupt_leaves_the_safety_rows_alone(blobs):
    class Interrupt(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.calls = nn.Linear(3, 2), 0

        def forward(self, X):
            self.calls += 1
            if self.calls > 60:
                raise KeyboardInterrupt
            return self.layer(X)

    with pytest.warns(NoSolutionFoundWarning, match="interrupted"):
        model = fitted(blobs, module=Interrupt)
    assert not model.solution_found_
    assert len(model.history_) > 0
    assert model.certificate_.results[0].guarantee == "none"


@pytest.mark.parametrize("estimator", [SeldonianClassifier, SeldonianRegressor])
@pytest.mark.filterwarnings("ignore:The loss became NaN")
@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
def test_outputs_without_a_number_leave_no_model(blobs, estimator):
    n_outputs = 2 if estimator is SeldonianClassifier else 1
    module = Returning(lambda o: o * float("nan"), n_outputs)
    with pytest.raises(ValueError, match="Training did not lead to finite weights"):
        estimator(module, max_epochs=2).fit(*blobs)
    constraint = "ACC >= 0.5" if n_outputs == 2 else "MSE >= 0"
    model = estimator(module, constraints=constraint, max_epochs=2).fit(*blobs)
    assert not model.solution_found_
    assert "did not lead to finite weights" in model.certificate_.explain(None)
