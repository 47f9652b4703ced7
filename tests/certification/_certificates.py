"""Certificates of every kind, and documents in which one field was changed."""

import json
import warnings

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from sklearn_seldonian import SeldonianClassifier, certify
from sklearn_seldonian.measures import RowMeasure
from sklearn_seldonian.modules import MLP

RNG = np.random.default_rng(0)
N = 200
Y = RNG.integers(0, 2, N)
P = np.where(RNG.random(N) < 0.9, (0.5 + Y) / 2, (1.5 - Y) / 2).clip(0.01, 0.99).round(3)
DATA = pd.DataFrame(
    {
        "p": P,
        "M": np.arange(N) % 2,
        "F": 1 - np.arange(N) % 2,
        "race": np.array(["A", "B", "C"])[np.arange(N) % 3],
        "age": RNG.integers(20, 60, N),
    }
)
COST = RowMeasure("Cost", lambda y, decided, _: 2.0 * (y != decided), range=(0, 2))


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose probabilities are the column p."""

    def __init__(self, classes=(0, 1)):
        self.classes = classes

    def fit(self, X=None, y=None):
        self.classes_ = np.array(self.classes)
        return self

    def predict_proba(self, X):
        return np.c_[1 - X["p"], X["p"]]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class GivenNumbers(RegressorMixin, BaseEstimator):
    """A regressor whose predictions are the column p."""

    def fit(self, X=None, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return X["p"].to_numpy()


def certified(constraints, rows=slice(None), **options):
    labels = np.array(options.pop("classes", (0, 1)))
    model = Given(labels.tolist()).fit()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return certify(model, DATA[rows], labels[Y][rows], constraints, measures=[COST], **options)


def certified_numbers(constraints, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return certify(GivenNumbers().fit(), DATA, Y, constraints, **options)


def fitted(**options):
    given = {"constraints": "ACC >= 0.6", "max_epochs": 2, "random_state": 0, "device": "cpu"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SeldonianClassifier(MLP, **{**given, **options}).fit(P[:, None], Y)


PASSED = certified(["ACC >= 0.8", "abs(PR | [M] - PR | [F]) <= 0.3"], delta=[0.05, 0.1])
FAILED = certified(["ACC >= 0.86", "PR <= 0.1"])
UNTESTED = fitted(constraints="ACC >= 90").certificate_
FITTED = fitted().certificate_
CHOSEN = fitted(constraints="min(FPR, FNR) <= 0.9").certificate_
TWO_CLASSES = certified("PR <= 0.9", classes=("no", "yes"))
NORMAL = certified("LogLoss <= 0.9")


def forged(certificate, path, value):
    """The document of a certificate with another value at a path, such as "results.0.delta"."""
    document = json.loads(certificate.to_json())
    *owners, name = path.split(".")
    place = document
    for owner in owners:
        place = place[int(owner)] if owner.isdigit() else place[owner]
    if isinstance(place, list):
        place[int(name)] = value
    else:
        assert place[name] != value or type(place[name]) is not type(value)
        place[name] = value
    return json.dumps(document)
