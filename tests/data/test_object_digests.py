"""Objects with the same content have one digest: in copies, pickles and other processes."""

import copy
import functools
import os
import pickle
import subprocess
import sys
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.data._object_digests import (
    MAX_ENTRIES,
    MAX_NUMBERS,
    lasting_digest,
    object_digest,
    quick_summary,
    type_digest,
)
from sklearn_seldonian.modules import MLP

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 3)).astype(np.float32)
Y = (X[:, 0] + 0.5 * RNG.standard_normal(120) > 0).astype(np.int64)
TABLE = pd.DataFrame(X, columns=list("abc")).assign(city=["Rome", "Oslo", None] * 40)


class Means(TransformerMixin, BaseEstimator):
    """Has a Series as an attribute."""

    def fit(self, X, y=None):
        self.means_ = X.mean(numeric_only=True)
        return self

    def transform(self, X):
        return X[self.means_.index] - self.means_


def fitted(name):
    """A small fitted object of each kind, always the same."""
    torch.manual_seed(0)
    forest = RandomForestClassifier(3, random_state=0)
    encode = ColumnTransformer(
        [("scaled", StandardScaler(), ["a"]), ("levels", OneHotEncoder(), ["city"])]
    )
    objects = {
        "linear": lambda: LogisticRegression().fit(X, Y),
        "forest": lambda: forest.fit(X, Y),
        "boosted": lambda: GradientBoostingClassifier(n_estimators=3, random_state=0).fit(X, Y),
        "histogram": lambda: HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(X, Y),
        "tree of rows": lambda: KNeighborsClassifier(algorithm="kd_tree").fit(X, Y),
        "sparse": lambda: KNeighborsClassifier().fit(csr_array(np.maximum(X, 0)), Y),
        "calibrated": lambda: CalibratedClassifierCV(GaussianNB(), cv=2).fit(X, Y),
        "vote": lambda: VotingClassifier([("nb", GaussianNB()), ("rf", forest)]).fit(X, Y),
        "columns": lambda: encode.fit(TABLE, Y),
        "series": lambda: Means().fit(TABLE),
        "function": lambda: make_pipeline(FunctionTransformer(np.abs), GaussianNB()).fit(X, Y),
        "partial": lambda: FunctionTransformer(functools.partial(np.clip, a_min=0, a_max=1)),
        "set": lambda: FunctionTransformer(kw_args={"names": {"b", "a", "c", "d"}}),
        "net": lambda: NeuralNetClassifier(
            MLP, module__n_features=3, module__n_outputs=2, max_epochs=1, verbose=0
        ).fit(X, Y),
        "module": lambda: MLP(3, 2),
        "seldonian": lambda: SeldonianClassifier(
            MLP, constraints="ACC >= 0", max_epochs=1, random_state=0
        ).fit(X, Y),
    }
    return objects[name]()


NAMES = ["linear", "forest", "boosted", "histogram", "calibrated", "vote", "columns", "series"]
NAMES += ["function", "partial", "set", "net", "module"]
RARE = ["tree of rows", "sparse", "seldonian"]


def ask(model):
    method = getattr(model, "predict", getattr(model, "transform", None))
    if method is None:
        model(torch.from_numpy(X))
    else:
        method(TABLE if hasattr(model, "feature_names_in_") or isinstance(model, Means) else X)


@pytest.mark.parametrize("name", [*NAMES, *RARE])
def test_copies_have_the_digest_and_keep_it_when_they_are_used(name, tmp_path):
    model = fitted(name)
    digest = object_digest(model)
    assert len(digest) == 32
    copies = [model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    joblib.dump(model, tmp_path / "model")
    copies += [joblib.load(tmp_path / "model", mmap_mode=mode) for mode in ("r", None)]
    assert [object_digest(one) for one in copies] == [digest] * 5
    if name not in ("partial", "set"):
        ask(copies[-1])
    quick_summary(copies[-1])
    assert object_digest(copies[-1]) == digest
    assert lasting_digest(model, lambda m: None) == digest


@pytest.mark.parametrize("name", NAMES)
def test_what_was_made_in_the_same_way_has_the_same_digest(name):
    assert object_digest(fitted(name)) == object_digest(fitted(name))


SCRIPT = """
from tests.data.test_object_digests import NAMES, fitted, object_digest
print(*(object_digest(fitted(name)) for name in NAMES))
"""


@pytest.mark.slow
def test_other_processes_find_the_same_digests():
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True
        )
        assert run.stdout.split() == [object_digest(fitted(name)) for name in NAMES], run.stderr


def scaler(**parameters):
    return StandardScaler(**parameters).fit(X)


def with_one(values, at, value):
    values = copy.deepcopy(values)
    values[at] = value
    return values


def times(factor):
    return FunctionTransformer(lambda X: factor * X)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (scaler(), StandardScaler().fit(X + 1)),
        (scaler(), scaler(with_mean=False)),
        (scaler(), StandardScaler()),
        (times(2), times(3)),
        (FunctionTransformer(lambda X: X + 1), FunctionTransformer(lambda X: X - 1)),
        (FunctionTransformer(np.abs), FunctionTransformer(np.exp)),
        (functools.partial(max, 1), functools.partial(max, 2)),
        (X, with_one(X, (3, 1), 7.0)),
        (X, X.astype(np.float64)),
        (X, X.T.copy()),
        (X, X.reshape(-1)),
        (TABLE, with_one(TABLE, "a", 0.0)),
        (TABLE, TABLE.rename(columns={"a": "d"})),
        (TABLE["a"], TABLE["a"].rename("d")),
        (csr_array(X), csr_array(X + 1)),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        (["a", "b"], ["b", "a"]),
        (["ab"], ["a", "b"]),
        ([1], (1,)),
        ([1], ["1"]),
        ([1], [True]),
        ([None], ["None"]),
        ({1, 2}, {1, 3}),
        (10**5000, 10**5000 + 1),
        (GaussianNB, LogisticRegression),
        (np.dtype("f4"), np.dtype("f8")),
    ],
    ids=range(27),
)
def test_what_differs_has_another_digest(one, other):
    assert object_digest(one) != object_digest(other)
    assert object_digest(one) == object_digest(copy.deepcopy(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (scaler(), scaler()),
        (
            RandomForestClassifier(2, random_state=0, n_jobs=1).fit(X, Y),
            RandomForestClassifier(2, random_state=0, n_jobs=2, verbose=0).fit(X, Y),
        ),
        (MLP(3, 2).train(), None),
        (dict(a=1, b=2), dict(b=2, a=1)),
        ({"a", "b"}, {"b", "a"}),
        (float("nan"), np.nan),
        (times(2), times(2)),
        (np.asfortranarray(X), X),
        (X[::2], X[::2].copy()),
        ([X, X], [X, X.copy()]),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 3], mask=[0, 1])),
    ],
    ids=range(12),
)
def test_what_answers_alike_has_the_same_digest(one, other):
    if other is None:
        other = copy.deepcopy(one).eval()
    assert object_digest(one) == object_digest(other)


class Counting(TransformerMixin, BaseEstimator):
    """Counts how often it was used."""

    def fit(self, X, y=None):
        self.n_asked_ = 0
        return self

    def transform(self, X):
        self.n_asked_ += 1
        return X


class Forgetful(Counting):
    """Loses a part when it is pickled."""

    def transform(self, X):
        return X

    def __getstate__(self):
        return {name: part for name, part in super().__getstate__().items() if name != "n_asked_"}


class Choosy(Counting):
    """Refuses small numbers of rows."""

    def transform(self, X):
        raise ValueError("too few")


@pytest.mark.parametrize("unstable", [Counting(), Choosy()])
def test_objects_that_change_with_use_have_no_lasting_digest(unstable):
    unstable.fit(X)
    assert object_digest(unstable) is not None
    assert lasting_digest(unstable, lambda model: model.transform(X)) is None


class ChangesInCopies(Counting):
    """Changes when a copy is used, because it stores its memory address."""

    def fit(self, X, y=None):
        self.place_ = id(self)
        return self

    def transform(self, X):
        self.place_ = id(self)
        return X


def test_objects_whose_copies_change_with_use_have_no_lasting_digest():
    model = ChangesInCopies().fit(X)
    model.transform(X)
    assert object_digest(pickle.loads(pickle.dumps(model))) == object_digest(model)
    assert lasting_digest(model, lambda one: one.transform(X)) is None


@pytest.mark.parametrize("stop_words", [None, "english", ["the"]])
def test_copies_of_vectorisers_may_be_used(stop_words):
    texts = ["the good film", "the bad film", "the film"]
    model = TfidfVectorizer(stop_words=stop_words).fit(texts)
    digest = lasting_digest(model, lambda one: one.transform(texts))
    assert digest == object_digest(model)
    model._stop_words_id += 1  # as in another process
    model.transform(texts)
    assert object_digest(model) == digest


def test_what_pickle_leaves_out_is_no_part_of_it():
    model = Forgetful().fit(X)
    assert lasting_digest(model, lambda m: m.transform(X)) == object_digest(
        pickle.loads(pickle.dumps(model))
    )


def test_what_no_pickle_holds_has_no_digest():
    assert object_digest(FunctionTransformer(kw_args={"lock": threading.Lock()})) is None
    assert lasting_digest([threading.Lock()], print) is None
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert object_digest(deep) is None


def test_a_nameless_function_needs_no_pickle():
    model = times(2).fit(X)
    assert lasting_digest(model, lambda m: m.transform(X)) == object_digest(model)


def test_what_holds_itself_has_a_digest():
    one = [1]
    one.append(one)
    assert object_digest(one) == object_digest(copy.deepcopy(one))


def test_of_a_type_there_is_a_digest_that_no_object_has():
    assert type_digest(scaler()) == type_digest(StandardScaler()) != object_digest(scaler())
    assert type_digest(scaler()) != type_digest(GaussianNB())


# -- quick summaries ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_nothing_shows_where_nothing_changes(name):
    model = fitted(name)
    if name not in ("partial", "set"):
        ask(model)
    shown, _ = quick_summary(model)
    if name not in ("partial", "set"):
        ask(model)
    assert quick_summary(model)[0] == shown


def write(array):
    array[...] = 0


@pytest.mark.parametrize(
    ("made", "change"),
    [
        (scaler, lambda m: write(m.mean_)),
        (scaler, lambda m: m.fit(X + 1)),
        (scaler, lambda m: m.set_params(with_mean=False)),
        (lambda: fitted("forest"), lambda m: m.fit(X, Y)),
        (lambda: fitted("forest"), lambda m: m.estimators_[1].fit(X, Y)),
        (lambda: fitted("forest"), lambda m: m.estimators_.reverse()),
        (lambda: fitted("boosted"), lambda m: m.estimators_[0, 0].fit(X, Y)),
        (lambda: fitted("columns"), lambda m: write(m.named_transformers_["scaled"].mean_)),
        (
            lambda: fitted("columns"),
            lambda m: write(m.named_transformers_["levels"].categories_[0]),
        ),
        (lambda: fitted("module"), lambda m: torch.nn.init.zeros_(m.layers[1].weight)),
        (lambda: list(range(1000)), lambda m: m.append(1)),
        (lambda: [[] for _ in range(MAX_ENTRIES + 1)], lambda m: m.insert(3, m.pop())),
        (lambda: {str(i): [] for i in range(30_000)}, lambda m: m.popitem()),
        (lambda: np.ones(100 * MAX_NUMBERS), write),
    ],
    ids=range(14),
)
def test_changes_show(made, change):
    model = made()
    shown, held = quick_summary(model)
    change(model)
    assert quick_summary(model)[0] != shown
    assert held


def test_a_quick_summary_is_short():
    rows = np.ones(10_000_000)
    shown, _ = quick_summary([[rows] * 10, list(range(100_000)), [[[]] * 200 for _ in range(200)]])
    assert len(shown) < 45_000
