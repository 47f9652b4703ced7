"""Names from other libraries are refused, and the message has the name to use instead."""

import inspect

import pytest
from sklearn.utils.validation import has_fit_parameter

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor, certify
from sklearn_seldonian.model_selection import SeldonianSearchCV
from sklearn_seldonian.modules import MLP

PARAMETERS = [
    ("epochs", "Did you mean 'max_epochs'?"),
    ("n_epochs", "Did you mean 'max_epochs'?"),
    ("max_iter", "Did you mean 'max_epochs'?"),
    ("learning_rate", "Did you mean 'lr'?"),
    ("batch", "Did you mean 'batch_size'?"),
    ("seed", "Did you mean 'random_state'?"),
    ("constraint", "Did you mean 'constraints'?"),
    ("test_size", "Did you mean 'safety_size'?"),
    ("patience", "Did you mean 'n_iter_no_change'?"),
    ("hidden_layer_sizes", "Did you mean 'module__hidden'?"),
    ("weight_decay", "Did you mean 'optimizer__weight_decay'?"),
    ("class_weight", "write criterion__weight=torch.tensor([...])"),
    ("threshold", "fit chooses the decision threshold together with the model"),
    ("n_jobs", "SeldonianSearchCV, which has cv= and n_jobs="),
    ("cv", "SeldonianSearchCV, which has cv= and n_jobs="),
    ("sensitive_features", "sensitive_features is an argument of fit"),
    ("safety_mask", "safety_mask is an argument of fit"),
    ("groups", "groups is an argument of fit"),
    ("sample_weight", "sample_weight is an argument of fit"),
    ("shift", "shift is an argument of fit"),
]


@pytest.mark.parametrize("estimator", [SeldonianClassifier, SeldonianRegressor])
@pytest.mark.parametrize(("name", "advice"), PARAMETERS)
def test_parameters_of_other_libraries(blobs, estimator, name, advice):
    with pytest.raises(ValueError, match="Unknown parameter") as error:
        estimator(constraints=(), **{name: None}).fit(*blobs)
    assert advice in str(error.value)
    assert "CertifiedEstimator" not in str(error.value)


ARGUMENTS = [
    ("weights", "Did you mean 'sample_weight'?"),
    ("clusters", "Did you mean 'groups'?"),
    ("class_weight", "write criterion__weight=torch.tensor([...])"),
    ("eval_set", "fit reserves rows for the safety test"),
    ("fit_params", "Give arguments of fit by name"),
    ("sensitive_feature", "Did you mean 'sensitive_features'?"),
    ("protected_attributes", "Did you mean 'sensitive_features'?"),
    ("epochs", "max_epochs is a parameter of the estimator"),
    ("nonsense", "sensitive_features"),
]


@pytest.mark.parametrize("call", ["fit", "certify", "search", "function"])
@pytest.mark.parametrize(("name", "advice"), ARGUMENTS)
def test_arguments_of_other_libraries(blobs, call, name, advice):
    model = SeldonianClassifier(MLP, constraints="ACC >= 0.1")
    calls = {
        "fit": model.fit,
        "certify": model.certify,
        "search": SeldonianSearchCV(model, {"lr": [0.01]}).fit,
        "function": lambda X, y, **given: certify(model, X, y, "ACC >= 0.1", **given),
    }
    with pytest.raises(TypeError, match=f"has no parameter '{name}'") as error:
        calls[call](*blobs, **{name: None})
    assert advice in str(error.value)
    assert "CertifiedEstimator" not in str(error.value)


def test_a_parameter_given_to_fit(blobs):
    with pytest.raises(
        TypeError, match=r"fit has no parameter 'constraints'\. constraints is a parameter"
    ):
        SeldonianClassifier().fit(*blobs, constraints="ACC >= 0.5")


def test_signatures_stay_what_they_are():
    assert list(inspect.signature(certify).parameters)[:4] == ["estimator", "X", "y", "constraints"]
    assert has_fit_parameter(SeldonianClassifier(), "sensitive_features")
    assert has_fit_parameter(SeldonianClassifier(), "sample_weight")
