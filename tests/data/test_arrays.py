"""Arrays, frames, tensors and Datasets are accepted, and copies across the split are noticed."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from PIL import Image
from scipy.sparse import csr_array
from sklearn.model_selection import cross_val_score
from skorch.helper import SliceDataset
from torch import nn
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.data._arrays import as_arrays
from sklearn_seldonian.learners.lagrangian import to_inputs
from sklearn_seldonian.modules import MLP, ConvNet

DATA = "../shared/data"


def fitted(X, y=None, constraints="ACC >= 0.6", **params):
    params = {"max_epochs": 3, "random_state": 0, **params}
    return SeldonianClassifier(constraints=constraints, **{"module": MLP, **params}).fit(X, y)


@pytest.fixture
def counts(blobs):
    """The blobs as whole numbers from 0 to 9, which every type represents exactly."""
    X, y = blobs
    return np.clip(2 * X + 4, 0, 9).astype(np.uint8), y


class Pairs(Dataset):
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


class Stream(IterableDataset):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)


CONTAINERS = {
    "float32": lambda X: X.astype(np.float32),
    "float64": lambda X: X.astype(np.float64),
    "float16": lambda X: X.astype(np.float16),
    "int8": lambda X: X.astype(np.int8),
    "int64": lambda X: X.astype(np.int64),
    "object": lambda X: X.astype(object),
    "lists": lambda X: X.tolist(),
    "Fortran order": lambda X: np.asfortranarray(X, dtype=np.float32),
    "nullable frame": lambda X: pd.DataFrame(X).convert_dtypes(),
    "tensor": torch.from_numpy,
    "tensor of float64": lambda X: torch.from_numpy(X).double(),
    "tensor of bfloat16": lambda X: torch.from_numpy(X).bfloat16(),
    "tensor with gradient": lambda X: torch.from_numpy(X).float().requires_grad_(),
}


class TestArrays:
    @pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
    @pytest.mark.thinned(4)
    def test_the_container_makes_no_difference(self, counts, container):
        X, y = counts
        expected = fitted(X, y)
        model = fitted(container(X), y)
        assert np.array_equal(model.predict(container(X)), expected.predict(X))
        assert model.certificate_.results == expected.certificate_.results
        one, other = model.certificate_, expected.certificate_
        assert one.fingerprints["weights"] == other.fingerprints["weights"]

    def test_bits(self, blobs):
        X, y = blobs
        model = fitted(X > 0.8, y)
        assert np.array_equal(model.predict(X > 0.8), fitted(np.uint8(X > 0.8), y).predict(X > 0.8))

    @pytest.mark.parametrize("shape", [(3, 1), (1, 3, 1), (1, 1, 1, 3)], ids=str)
    def test_any_number_of_dimensions(self, counts, shape):
        X, y = counts
        images = X.reshape(len(X), *shape)
        assert np.array_equal(fitted(images, y).predict(images), fitted(X, y).predict(X))

    def test_sparse_rows_are_refused(self, counts):
        X, y = counts
        with pytest.raises(TypeError, match="Sparse data was passed"):
            fitted(csr_array(X), y)

    def test_columns_must_be_those_of_fit(self, blobs):
        X, y = blobs
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        model = fitted(frame, y)
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(frame[["b", "a", "c"]])
        with pytest.raises(ValueError, match="X has 2 features, but SeldonianClassifier"):
            fitted(X, y).predict(X[:, :2])

    @pytest.mark.parametrize(
        "labels",
        [
            lambda y: np.where(y == 1, "yes", "no"),
            lambda y: np.where(y == 1, "yes", "no").astype(object),
            lambda y: pd.Series(np.where(y == 1, "yes", "no"), dtype="category"),
            lambda y: np.where(y == 1, 7, -3),
            lambda y: y == 1,
            lambda y: torch.from_numpy(y),
            lambda y: torch.from_numpy(y).float().requires_grad_(),
            lambda y: y.tolist(),
        ],
        ids=["text", "objects", "category", "integers", "bits", "tensor", "floats", "list"],
    )
    @pytest.mark.thinned(3)
    def test_labels(self, counts, labels):
        X, y = counts
        model = fitted(X, labels(y))
        assert np.array_equal(model.predict(X) == model.classes_[1], fitted(X, y).predict(X) == 1)
        assert set(model.predict(X)) <= set(as_arrays(X, labels(y))[1])

    def test_columns_for_conditions_and_the_split_as_tensors(self, counts, groups):
        X, y = counts
        mask = np.arange(1000) % 2 == 0
        model = SeldonianClassifier(
            MLP, constraints="PR | [sensitive_feature_0] <= 0.9", max_epochs=2, random_state=0
        ).fit(
            X,
            y,
            sensitive_features=torch.tensor(groups["M"].to_numpy()),
            safety_mask=torch.from_numpy(mask),
        )
        (result,) = model.certificate_.results
        assert result.rows == {"PR | [sensitive_feature_0]": groups["M"][mask].sum()}


class TestDatasets:
    @pytest.mark.parametrize(
        "make",
        [
            lambda X, y: TensorDataset(torch.from_numpy(X), torch.from_numpy(y)),
            lambda X, y: Subset(
                TensorDataset(torch.from_numpy(X), torch.from_numpy(y)), range(1000)
            ),
            lambda X, y: Pairs(list(zip(X, y, strict=True))),
            lambda X, y: Stream(list(zip(X, y, strict=True))),
        ],
        ids=["TensorDataset", "Subset", "own", "stream"],
    )
    def test_labels_are_read_from_it(self, counts, make):
        X, y = counts
        model, expected = fitted(make(X, y)), fitted(X, y)
        assert model.certificate_ == expected.certificate_
        assert np.array_equal(model.predict(make(X, y)), expected.predict(X))
        assert np.array_equal(model.predict_proba(Pairs(X)), expected.predict_proba(X))
        again = model.certify(make(X + 1, y)).results
        assert again == expected.certify(X + 1, y).results

    def test_given_labels_count_more(self, counts):
        X, y = counts
        names = np.where(y == 1, "yes", "no")
        model = fitted(Pairs(list(zip(X, y, strict=True))), names)
        assert model.classes_.tolist() == ["no", "yes"]

    def test_slices_of_a_dataset_are_validated(self, counts):
        """skorch's way to pass a Dataset to scikit-learn's validators."""
        X, y = counts
        rows = SliceDataset(TensorDataset(torch.from_numpy(X), torch.from_numpy(y)))
        model = SeldonianClassifier(MLP, constraints="ACC >= 0.6", random_state=0, max_epochs=3)
        scores = cross_val_score(model, rows, y, cv=2)
        assert np.array_equal(scores, cross_val_score(model, X, y, cv=2))
        assert np.array_equal(fitted(rows, y).predict(rows), fitted(X, y).predict(X))

    def test_reading_draws_no_random_numbers(self, counts):
        state = torch.get_rng_state()
        as_arrays(Pairs(list(zip(*counts, strict=True))))
        assert torch.equal(state, torch.get_rng_state())

    def test_images_have_their_channels_first(self):
        pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
        colours, labels = as_arrays(Pairs([(Image.fromarray(pixels), "a")] * 4))
        assert colours.shape == (4, 3, 2, 3)
        assert np.array_equal(colours[0], pixels.transpose(2, 0, 1))
        assert labels.tolist() == ["a"] * 4
        greys, _ = as_arrays(Pairs([Image.fromarray(pixels[..., 0])]))
        assert greys.shape == (1, 1, 2, 3)
        assert greys.dtype == np.uint8

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([], "The Dataset has no rows."),
            ([(np.zeros(2), 0, "F")], r"got \(ndarray, int, str\)"),
            ([({"pixels": np.zeros(2)}, 0)], r"got \(dict, int\)"),
            (
                [(np.zeros(2), 0), (np.zeros(3), 1)],
                r"one shape, but have, for example, \(2,\) and \(3,\)\. Bring them to one size",
            ),
            ([np.zeros(2)] * 4, "requires y to be passed"),
        ],
    )
    def test_what_cannot_be_read_is_said(self, rows, message):
        with pytest.raises(ValueError, match=message):
            fitted(Pairs(rows))

    @pytest.mark.parametrize("transform", [None, ToTensor()], ids=["images", "tensors"])
    def test_mnist_as_torchvision_gives_it(self, transform):
        digits = MNIST(DATA, train=False, download=False, transform=transform)
        rows = Subset(digits, range(600))
        model = fitted(rows, constraints="ACC >= 0.2", module=ConvNet, max_epochs=1, lr=2e-3)
        labels = digits.targets[:600].numpy()
        assert model.solution_found_
        assert model.predict(rows).shape == (600,)
        tested = model.safety_indices_
        assert model.certificate_.results[0].estimate == pytest.approx(
            (model.predict(rows)[tested] == labels[tested]).mean()
        )


@pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
class TestClassesOnOneSide:
    """Class "c" has rows on one side of the split only."""

    @pytest.fixture
    def rows(self, blobs):
        X, y = blobs
        labels = np.array(["a", "b"])[y].astype(object)
        labels[::10] = "c"
        return X, labels.astype(str)

    def on_side(self, rows, constraint, safety):
        X, y = rows
        mask = np.arange(1000) % 3 == 0
        mask[y == "c"] = safety
        model = SeldonianClassifier(MLP, constraints=constraint, max_epochs=5, random_state=0)
        return model.fit(X, y, safety_mask=mask)

    @pytest.mark.parametrize("safety", [True, False], ids=["safety", "candidate"])
    def test_what_is_certified_is_true_of_the_tested_rows(self, rows, safety):
        X, y = rows
        model = self.on_side(rows, "ERR <= 0.7", safety)
        tested = model.safety_indices_
        assert model.classes_.tolist() == ["a", "b", "c"]
        assert model.solution_found_
        assert model.predict_proba(X).shape == (1000, 3)
        assert model.certificate_.results[0].estimate == pytest.approx(
            (model.predict(X[tested]) != y[tested]).mean()
        )

    def test_a_class_that_no_safety_row_has_is_no_solution(self, rows):
        model = self.on_side(rows, "FNR_['c'] <= 0.99", safety=False)
        assert not model.solution_found_
        assert 'no rows for FNR_["c"] among the safety rows' in model.certificate_.explain(None)

    def test_a_class_without_candidate_rows_is_tested_by_its_safety_rows(self, rows):
        model = self.on_side(rows, "TPR_['c'] >= 0.2", safety=True)
        (result,) = model.certificate_.results
        assert result.rows == {'TPR_["c"]': 100}
        assert not model.solution_found_


LABELS = {
    "bool": (lambda y: pd.Series(y).astype(bool), [False, True]),
    "category": (lambda y: pd.Series(np.where(y, "yes", "no"), dtype="category"), ["no", "yes"]),
    "string": (lambda y: pd.Series(np.where(y, "yes", "no"), dtype="string"), ["no", "yes"]),
    "nullable": (lambda y: pd.Series(y).astype("Int64"), [0, 1]),
    "tensor": (torch.from_numpy, [0, 1]),
    "list": (lambda y: np.where(y, "yes", "no").tolist(), ["no", "yes"]),
    "frame": (lambda y: pd.DataFrame({"y": y}), [0, 1]),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize(("convert", "classes"), LABELS.values(), ids=LABELS)
@pytest.mark.thinned(3)
def test_labels_of_any_kind(blobs, convert, classes):
    X, y = blobs
    model, expected = fitted(X, convert(y)), fitted(X, y)
    assert model.classes_.tolist() == classes
    positions = np.searchsorted(model.classes_, model.predict(X))
    assert np.array_equal(positions, expected.predict(X))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            np.array(["a", None] * 500, dtype=object),
            "y contains 500 missing labels. Leave those rows out",
        ),
        (["a", float("nan")] * 500, "y contains 500 missing labels. Leave those rows out"),
        (["a", None] * 500, "y contains 500 missing labels. Leave those rows out"),
        (
            np.array(["a", float("nan")] * 500),
            "y contains 500 missing labels. Leave those rows out",
        ),
        ([1.0, float("nan")] * 500, "y contains 500 missing labels. Leave those rows out"),
        (np.ma.array([0, 1] * 500, mask=[0, 1] * 500), "Input y contains masked values"),
        (
            pd.Series(["a", None] * 500, dtype="category"),
            "y contains 500 missing labels. Leave those rows out",
        ),
        (pl.Series(["a", None] * 500), "y contains 500 missing labels. Leave those rows out"),
        (pa.array(["a", None] * 500), "y contains 500 missing labels. Leave those rows out"),
        (np.array(["a", 1] * 500, dtype=object), "uniformly strings or numbers"),
        (np.array([b"a", b"b"] * 500), "represented as bytes is not supported"),
    ],
)
def test_labels_that_are_not_of_one_kind(blobs, labels, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fitted(blobs[0], labels)


@pytest.mark.parametrize("answer", ["fit", "predict"])
def test_what_float32_cannot_hold_is_refused(blobs, answer):
    X, y = blobs
    huge = X.copy()
    huge[7] = 1e300
    with pytest.raises(ValueError, match="too large for float32, the type that modules compute in"):
        fitted(huge, y) if answer == "fit" else fitted(X, y).predict(huge)
    assert torch.isfinite(to_inputs(np.full((2, 3), 3e38)).values).all()


class HalfPrecision(nn.Module):
    """Computes in a type that numpy does not have."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2, dtype=torch.bfloat16)

    def forward(self, X):
        return self.layer(X.bfloat16()).float()


def test_modules_of_any_precision(blobs):
    X, y = blobs
    model = fitted(X, y, "ACC >= 0.5", module=HalfPrecision, optimizer=torch.optim.SGD, lr=0.1)
    assert model.solution_found_
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_rows_of_another_number_of_dimensions_are_refused(blobs):
    X, y = blobs
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.1", max_epochs=2, random_state=0).fit(
        X, y
    )
    with pytest.raises(ValueError, match="X has 3 dimensions, but SeldonianClassifier was fitted"):
        model.predict(np.zeros((2, 3, 2)))
