"""What several processes run in the tests of training together; `started` starts them.

    python -m tests.learners.lagrangian._launch NAME

Each process has its rank and the way to the first one in its environment, as `torchrun` has it. It
prints what `NAME` returns.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from skorch.callbacks import Callback
from torch import nn

from sklearn_seldonian import SafetyCertificate, SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.datasets import load_gpa

N_PROCESSES = 2


def started(name):
    """The processes that run `name` together."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    way = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(N_PROCESSES)}
    return [
        subprocess.Popen(
            [sys.executable, "-m", __name__, name],
            env={**os.environ, **way, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(N_PROCESSES)
    ]


class Unsettled(nn.Module):
    """A network with everything that could differ between processes: dropout and running
    statistics.
    """

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)
        )

    def forward(self, X):
        return self.layers(X)


class Killed(Callback):
    """Ends the second process in the second epoch, like a machine that fails."""

    def on_batch_end(self, net, **kwargs):
        if os.environ["RANK"] == "1" and len(net.history) > 1:
            os.kill(os.getpid(), signal.SIGKILL)


def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32) / 16, y


def on_digits(distributed, **parameters):
    settings = {"batch_size": 60, "max_epochs": 5, "random_state": 0, **parameters}
    model = SeldonianClassifier(constraints="ACC >= 0.8", distributed=distributed, **settings)
    return model.fit(*digits())


def told(model):
    """The results that must be the same in all processes."""
    weights = torch.cat([tensor.double().ravel() for tensor in model.module_.state_dict().values()])
    return {
        "certificate": model.certificate_.to_json(),
        "weights": weights.tolist(),
        "loss": model.history_["loss"].tolist(),
    }


def on_gpa(distributed):
    gpa = load_gpa(target="gpa")
    model = SeldonianRegressor(
        constraints="abs((ME | [M]) - (ME | [F])) <= 0.5",
        prediction_range=(0, 4),
        target_range=(0, 4),
        distributed=distributed,
        max_epochs=2,
        random_state=0,
    )
    return model.fit(gpa.data[:4000], gpa.target[:4000], gpa.sensitive_features[:4000])


def refusal(function, *args, **parameters):
    try:
        function(*args, **parameters)
    except ValueError as error:
        return str(error)
    return "nothing was refused"


def other_rows():
    X, y = digits()
    keep = slice(None) if os.environ["RANK"] == "0" else slice(0, 1700)
    SeldonianClassifier(distributed=True, max_epochs=1).fit(X[keep], y[keep])


def fits():
    unseeded = on_digits(True, module=Unsettled, random_state=None)
    return {
        "classifier": told(on_digits(True)),
        "regressor": told(on_gpa(True)),
        "unsettled": told(unseeded),
        "passes": bool(unseeded.solution_found_),
        "other rows": refusal(other_rows),
        "small batches": refusal(on_digits, True, batch_size=3),
    }


def killed_in_training():
    return end_of(callbacks=[Killed()])


def killed_after_the_test():
    """The second process ends when it has the certificate, before `fit` compares certificates."""
    if os.environ["RANK"] == "1":
        SafetyCertificate.__repr__ = lambda self: os.kill(os.getpid(), signal.SIGKILL)
    return end_of(max_epochs=1)


def end_of(**parameters):
    try:
        on_digits(True, **parameters)
    except RuntimeError as error:
        return str(error)
    return "a certificate"


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()), flush=True)
    if sys.argv[1].startswith("killed"):
        # When Python ends, gloo sometimes aborts a process whose group is broken ("terminate called
        # without an active exception").
        os._exit(0)
