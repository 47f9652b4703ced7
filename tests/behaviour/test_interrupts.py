"""A fit that is interrupted at any line leaves no model that claims to be certified."""

import _thread
import random
import signal

import numpy as np
import pytest
from interrupts import FIRST_LINE, SCENARIOS, first_and_last, lines_of, outcomes
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from sklearn_seldonian import NoSolutionFoundWarning, SeldonianClassifier
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

quick = pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")


SLOW = {"classifier, again", "regressor", "search", "holm, again", "GridSearchCV"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SCENARIOS],
)
@pytest.mark.thinned(2)
def test_a_call_that_is_ended_at_any_line_leaves_nothing_or_all(name):
    """Lines drawn at random, the first one, and the last one, at which the fit is stored."""
    seen = lines_of(name)
    drawn = random.Random(name).sample(first_and_last(seen), 2)
    chosen = {FIRST_LINE, *drawn, len(seen) - 1, len(seen)}
    found = outcomes(name, sorted(number for number in chosen if number >= FIRST_LINE))
    assert found["complete"] + found["unfitted"] >= 3


# -- Ctrl-C --------------------------------------------------------------------------------

EVENTS = [
    "on_train_begin",
    "on_epoch_begin",
    "on_batch_begin",
    "on_grad_computed",
    "on_batch_end",
    "on_epoch_end",
    "on_train_end",
]


class CtrlC(Callback):
    """Raises KeyboardInterrupt at an event, as the interpreter does after Ctrl-C."""

    def __init__(self, event, how="raised"):
        self.event, self.how = event, how

    def __getattribute__(self, name):
        if name != "event" and name.startswith("on_") and name == self.event:
            return self.press
        return super().__getattribute__(name)

    def press(self, net, **kwargs):
        if self.how == "raised":
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)


def classifier(*callbacks, **params):
    defaults = {"constraints": "ACC >= 0.6", "max_epochs": 2, "random_state": 0}
    return SeldonianClassifier(callbacks=list(callbacks), **{"module": MLP, **defaults, **params})


@pytest.fixture(autouse=True)
def interruptible():
    """The processes of a parallel run ignore Ctrl-C. In this test they do not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("how", ["raised", "signal"])
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.thinned(3)
def test_ctrl_c_in_a_callback(blobs, event, how):
    model = classifier().fit(*blobs)
    model.set_params(callbacks=[CtrlC(event, how)])
    if event == "on_train_begin":
        with pytest.raises(KeyboardInterrupt):
            model.fit(*blobs)
        with pytest.raises(NotFittedError):
            model.predict(blobs[0])
        return
    with pytest.warns(NoSolutionFoundWarning, match="training was interrupted"):
        model.fit(*blobs)
    assert not model.solution_found_
    assert not model.certificate_.tested
    assert model.net_.interrupted_
    assert len(model.history_) == (2 if event == "on_train_end" else 1)


def test_ctrl_c_while_the_best_weights_are_put_back(blobs, monkeypatch):
    class Linear(nn.Linear):
        def load_state_dict(self, *args, **kwargs):
            raise KeyboardInterrupt

    model = classifier(module=Linear, module__in_features=3, module__out_features=2)
    with pytest.warns(NoSolutionFoundWarning, match="training was interrupted"):
        model.fit(*blobs)
    assert not model.certificate_.tested
    assert len(model.history_) == 2


class Stops(nn.Linear):
    """Raises at the first forward pass of training, or of the passes before training."""

    def __init__(self, training):
        super().__init__(3, 2)
        self.stops_in_training = training

    def forward(self, X):
        if self.training == self.stops_in_training:
            raise KeyboardInterrupt
        return super().forward(X)


def test_ctrl_c_before_training(blobs):
    model = classifier(module=Stops, module__training=False)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*blobs)
    assert not hasattr(model, "certificate_")


def test_rows_of_an_interrupted_fit_are_unspent(blobs):
    model = classifier(module=Stops, module__training=True)
    with pytest.warns(NoSolutionFoundWarning, match="interrupted"):
        model.fit(*blobs)
    model.set_params(module=None, random_state=1)
    del model.module__training
    assert "Not met" not in model.fit(*blobs).certificate_.explain(None)


@pytest.mark.parametrize(
    "event", ["on_train_begin", "on_batch_end", "on_epoch_end", "on_train_end"]
)
@pytest.mark.parametrize(
    "around",
    [
        lambda model: SeldonianSearchCV(model, {"lr": [0.01]}, cv=2),
        lambda model: GridSearchCV(model, {"lr": [0.01]}, cv=2),
        lambda model: GridSearchCV(make_pipeline(StandardScaler(), model), {}, cv=2),
        OneVsRestClassifier,
    ],
    ids=["own search", "grid search", "pipeline in a grid search", "one vs rest"],
)
@pytest.mark.thinned(3)
def test_ctrl_c_ends_all_fits(blobs, around, event):
    with pytest.raises(KeyboardInterrupt):
        around(classifier(CtrlC(event), constraints="ACC >= 0.1")).fit(*blobs)


def test_ctrl_c_ends_a_validation(blobs):
    with pytest.raises(KeyboardInterrupt):
        cross_val_score(classifier(CtrlC("on_epoch_end")), *blobs, cv=2)


def test_a_pipeline_is_one_fit(blobs):
    model = make_pipeline(StandardScaler(), classifier(CtrlC("on_epoch_end")))
    with pytest.warns(NoSolutionFoundWarning, match="interrupted"):
        model.fit(*blobs)


# -- the end of training by skorch's EarlyStopping ---------------------------------------------


class Talkative(EarlyStopping):
    """Ctrl-C is pressed during its forward pass."""

    def on_epoch_end(self, net, **kwargs):
        self.patience = 1
        self._calc_new_threshold = self._pressed
        super().on_epoch_end(net, **kwargs)

    def _pressed(self, score):
        self.misses_ = self.patience
        _thread.interrupt_main()
        return np.inf


def test_early_stopping_is_no_interrupt(blobs):
    stop = EarlyStopping(monitor="loss", patience=1, threshold=0.9, sink=str)
    model = classifier(stop, max_epochs=20).fit(*blobs)
    assert model.n_iter_ < 20
    assert model.solution_found_
    search = SeldonianSearchCV(classifier(stop, max_epochs=20), {"lr": [0.01]}, cv=2).fit(*blobs)
    assert search.best_estimator_.n_iter_ < 20


def test_ctrl_c_in_early_stopping_is_one(blobs):
    with pytest.warns(NoSolutionFoundWarning, match="interrupted"):
        classifier(Talkative(monitor="loss")).fit(*blobs)


# -- refits that fail ------------------------------------------------------------------------


@quick
def test_a_verdict_that_is_an_error_leaves_no_fit_but_is_remembered(blobs):
    """With warnings as errors, the safety rows have been read nevertheless."""
    X, y = blobs
    model = classifier(constraints="ACC >= 0.99")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn_seldonian.estimators._model.warn_user", _raise)
        with pytest.raises(NoSolutionFoundWarning):
            model.fit(X, y)
    assert not hasattr(model, "certificate_")
    model.set_params(random_state=1, constraints="ACC >= 0.6")
    with pytest.warns(UserWarning, match="were tested once before"):
        model.fit(X, y)


def _raise(message, category=UserWarning, **_):
    raise category(message)
