"""Every wrong input raises an error that says what is wrong, why, and what is allowed."""

import numpy as np
import pytest
from torch import nn

from sklearn_seldonian import ConstraintSyntaxError, SeldonianClassifier
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.modules import MLP

PARAMETERS = [
    ({"delta": 0.0}, "delta"),
    ({"delta": 1.5}, "delta"),
    ({"delta": [0.05, 0.05]}, "delta must be one number, or one per constraint (here 1)"),
    ({"delta": [1.0]}, "delta must be strictly between 0 and 1"),
    ({"delta": float("nan")}, "delta"),
    ({"safety_size": 0.0}, "safety_size"),
    ({"safety_size": 1000}, "candidate and safety data need at least one row each"),
    ({"power": 1.0}, "power"),
    ({"method": "magic"}, "method"),
    ({"decision": "mean"}, "decision"),
    ({"max_epochs": 0}, "max_epochs"),
    ({"n_iter_no_change": 0}, "n_iter_no_change"),
    ({"pos_label": "x"}, "pos_label='x' is not a class. The classes are [0, 1]."),
    ({"max_epoch": 3}, "Unknown parameter 'max_epoch'. Did you mean 'max_epochs'?"),
    ({"modul__hidden": (3,)}, "Unknown parameter 'modul__hidden'. Did you mean 'module__hidden'?"),
    ({"module__hiden": (3,)}, "Did you mean 'module__hidden'?"),
    ({"optimizer__weigth_decay": 1}, "Did you mean 'optimizer__weight_decay'?"),
    ({"iterator_train__num_worker": 1}, "Did you mean 'iterator_train__num_workers'?"),
    (
        {"train_split": None},
        "Unknown parameter 'train_split'. fit reserves rows for the safety test",
    ),
    ({"device": "abacus"}, "Unknown device 'abacus'. Give one of"),
    ({"module": nn.Sequential(nn.Linear(3, 5))}, "With 2 classes it must return"),
    ({"module": nn.Linear(3, 2), "criterion": nn.BCEWithLogitsLoss}, "one output per row"),
]


@pytest.mark.parametrize(
    ("params", "message"),
    PARAMETERS,
    ids=lambda p: " ".join(p) if isinstance(p, dict) else "",
)
def test_parameters(blobs, params, message):
    model = SeldonianClassifier(**{"module": MLP, "constraints": "ACC >= 0.6", **params})
    with pytest.raises(ValueError) as error:  # noqa: PT011
        model.fit(*blobs)
    assert message in str(error.value)


CONSTRAINTS = [
    ("ACC >= ", ConstraintSyntaxError, "the constraint ends here"),
    ("ACCC >= 0.9", ConstraintNameError, "Unknown measure 'ACCC'; did you mean 'ACC'?"),
    ("PR | [X] <= 0.2", ConstraintNameError, "Unknown column 'X'"),
    ("PR | [race] <= 0.2", ConstraintNameError, "because it is not bool or 0/1"),
    ('PR | [race == "Z"] <= 0.2', ConstraintNameError, "never equals 'Z'"),
]


@pytest.mark.parametrize(("text", "error", "message"), CONSTRAINTS)
def test_constraints(blobs, groups, text, error, message):
    model = SeldonianClassifier(MLP, constraints=text)
    with pytest.raises(error) as caught:
        model.fit(*blobs, sensitive_features=groups)
    assert message in str(caught.value)
    assert "^" in str(caught.value)


def with_nan(frame):
    frame = frame.astype({"M": float})
    frame.loc[[3, 5], "M"] = np.nan
    return frame


SENSITIVE = [
    (lambda g: g[:10], "sensitive_features has 10 rows, but X has 1000"),
    (lambda g: np.empty(0), "sensitive_features has 0 rows, but X has 1000"),
    (lambda g: g.to_dict(), "not a dict"),
    (with_nan, "Column 'M' of sensitive_features has 2 missing values"),
    (lambda g: np.zeros((1000, 2, 2)), "1 or 2 dimensions"),
    (lambda g: None, "Unknown column 'M'"),
]


@pytest.mark.parametrize(("change", "message"), SENSITIVE)
def test_sensitive_features(blobs, groups, change, message):
    model = SeldonianClassifier(MLP, constraints="PR | [M] <= 0.9")
    with pytest.raises(ValueError) as error:  # noqa: PT011
        model.fit(*blobs, sensitive_features=change(groups))
    assert message in str(error.value)


def test_unnamed_sensitive_features_get_numbers(blobs, groups):
    constraint = "PR | [sensitive_feature_1] <= 0.99"
    model = SeldonianClassifier(MLP, constraints=constraint, max_epochs=1, random_state=0)
    model.fit(*blobs, sensitive_features=groups[["M", "F"]].to_numpy())
    (result,) = model.certificate_.results
    assert result.rows == {"PR | [sensitive_feature_1]": groups["F"][model.safety_indices_].sum()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (np.where(X > 3, np.nan, X), y), "NaN"),
        (lambda X, y: (np.where(X > 3, np.inf, X), y), "infinity"),
        (lambda X, y: (X[:-1], y), "inconsistent numbers of samples"),
        (lambda X, y: (X, np.zeros(1000)), "only one class"),
        (lambda X, y: (X, X[:, 0]), "Unknown label type"),
    ],
)
def test_data(blobs, change, message):
    X, y = change(*blobs)
    with pytest.raises(ValueError, match=message):
        SeldonianClassifier(MLP, constraints="ACC >= 0.6").fit(X, y)


def test_nothing_of_the_callers_is_modified(blobs, groups):
    X, y = blobs
    module = nn.Linear(3, 2)
    nn.init.zeros_(module.weight)  # independent of the state of torch's generator
    nn.init.zeros_(module.bias)
    arguments = (X.copy(), y.copy(), groups.copy(), module.weight.detach().clone())
    SeldonianClassifier(module, "PR | [M] <= 0.99", max_epochs=1, random_state=0).fit(
        X, y, sensitive_features=groups
    )
    assert np.array_equal(arguments[0], X)
    assert np.array_equal(arguments[1], y)
    assert arguments[2].equals(groups)
    assert bool((arguments[3] == module.weight).all())
