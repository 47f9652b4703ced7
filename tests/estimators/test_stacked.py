"""What the estimators for any classifier and any regressor share."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_seldonian import SeldonianMetaClassifier, SeldonianMetaRegressor
from sklearn_seldonian.constraints import parse
from sklearn_seldonian.modules import MLP

CLASSIFIER = SeldonianMetaClassifier(LogisticRegression(), cv=2, random_state=0)
REGRESSOR = SeldonianMetaRegressor(LinearRegression(), cv=2, random_state=0)


@pytest.fixture(scope="module", params=[CLASSIFIER, REGRESSOR], ids=["classifier", "regressor"])
def model(request):
    """A model that was fitted to 60 rows, with its rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = (X[:, 0] > 0).astype(int)
    return request.param.fit(X, y), X, y


def test_its_estimator_was_fitted_to_all_candidate_rows(model):
    fitted, X, y = model
    rows = fitted.candidate_indices_
    expected = type(fitted.estimator)().fit(X[rows], y[rows])
    np.testing.assert_array_equal(fitted.estimator_.coef_, expected.coef_)
    assert not hasattr(fitted.estimator, "coef_")


@pytest.mark.parametrize("method", ["save_params", "load_params"])
def test_weights_alone_are_not_saved(model, method, tmp_path):
    with pytest.raises(ValueError, match="Pickle the whole"):
        getattr(model[0], method)(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("estimator", "sparse", "gaps"),
    [
        (SeldonianMetaClassifier(LogisticRegression()), True, False),
        (SeldonianMetaClassifier(HistGradientBoostingClassifier()), False, True),
        (SeldonianMetaRegressor(LinearRegression()), True, False),
        (SeldonianMetaRegressor(HistGradientBoostingRegressor()), False, True),
    ],
)
def test_it_takes_the_rows_that_its_estimator_takes(estimator, sparse, gaps):
    tags = estimator.__sklearn_tags__().input_tags
    assert (tags.sparse, tags.allow_nan) == (sparse, gaps)
    # A preprocessor takes the rows first, and its tags are not asked.
    usual = type(estimator)(MLP(2, 2), preprocessor=StandardScaler()).__sklearn_tags__().input_tags
    tags = estimator.set_params(preprocessor=StandardScaler()).__sklearn_tags__().input_tags
    assert (tags.sparse, tags.allow_nan) == (usual.sparse, usual.allow_nan)


# -- mistakes ------------------------------------------------------------------------------------

FIRST = "Constraints were given as the first parameter, which is estimator: "


@pytest.mark.parametrize(
    ("kind", "estimator", "parameters", "error", "message"),
    [
        (
            SeldonianMetaClassifier,
            DecisionTreeClassifier,
            {},
            TypeError,
            r"Write DecisionTreeClassifier\(\)",
        ),
        (
            SeldonianMetaRegressor,
            DecisionTreeRegressor,
            {},
            TypeError,
            r"Write DecisionTreeRegressor\(\)",
        ),
        (SeldonianMetaClassifier, "ACC >= 0.9", {}, TypeError, FIRST),
        (SeldonianMetaClassifier, parse("ACC >= 0.9"), {}, TypeError, FIRST),
        (
            SeldonianMetaRegressor,
            "MAE <= 0.9",
            {},
            TypeError,
            rf"{FIRST}'MAE <= 0.9'\. Write SeldonianMetaRegressor\(HistGradient",
        ),
        (SeldonianMetaClassifier, MLP(2, 2), {}, TypeError, "Use SeldonianClassifier, which"),
        (SeldonianMetaClassifier, MLP, {}, TypeError, "Use SeldonianClassifier, which"),
        (SeldonianMetaRegressor, MLP(2, 2), {}, TypeError, "Use SeldonianRegressor, which"),
        (SeldonianMetaClassifier, DecisionTreeClassifier(), {"cv": 1}, ValueError, "cv"),
        (SeldonianMetaRegressor, DecisionTreeRegressor(), {"cv": 1}, ValueError, "cv"),
        (
            SeldonianMetaClassifier,
            DecisionTreeClassifier(),
            {"fallback": LogisticRegression},
            TypeError,
            "LogisticRegression",
        ),
        (
            SeldonianMetaRegressor,
            DecisionTreeRegressor(),
            {"fallback": LinearRegression},
            TypeError,
            "LinearRegression",
        ),
        (
            SeldonianMetaRegressor,
            DecisionTreeRegressor(),
            {"preprocessor": StandardScaler},
            TypeError,
            r"preprocessor must be an estimator.* Write StandardScaler\(\)",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(blobs, kind, estimator, parameters, error, message):
    with pytest.raises(error, match=message):
        kind(estimator, "ACC >= 0.5", **parameters).fit(*blobs)
