"""What to do instead of a keyword that people know from other estimators."""

from __future__ import annotations

import difflib
import inspect
from functools import wraps

# The same thing by its name here.
SYNONYMS = {
    "alpha": "delta",
    "batch": "batch_size",
    "confidence": "delta",
    "confidence_level": "delta",
    "constraint": "constraints",
    "early_stopping": "n_iter_no_change",
    "epochs": "max_epochs",
    "eta": "lr",
    "fairness_constraints": "constraints",
    "group": "sensitive_features",
    "hidden": "module__hidden",
    "hidden_layer_sizes": "module__hidden",
    "iterations": "max_epochs",
    "l2": "optimizer__weight_decay",
    "learning_rate": "lr",
    "learning_rate_init": "lr",
    "loss": "criterion",
    "loss_fn": "criterion",
    "mask": "safety_mask",
    "max_iter": "max_epochs",
    "minibatch_size": "batch_size",
    "model": "module",
    "n_epochs": "max_epochs",
    "n_iter": "max_epochs",
    "net": "module",
    "num_epochs": "max_epochs",
    "optim": "optimizer",
    "patience": "n_iter_no_change",
    "preprocessing": "preprocessor",
    "protected_attribute": "sensitive_features",
    "protected_attributes": "sensitive_features",
    "protected_features": "sensitive_features",
    "safety_mask": "safety_mask",
    "scaler": "preprocessor",
    "seed": "random_state",
    "sensitive": "sensitive_features",
    "sensitive_attribute": "sensitive_features",
    "sensitive_attributes": "sensitive_features",
    "sensitive_feature": "sensitive_features",
    "sensitive_features": "sensitive_features",
    "significance": "delta",
    "test_size": "safety_size",
    "transformer": "preprocessor",
    "validation_fraction": "safety_size",
    "weight_decay": "optimizer__weight_decay",
}
_WEIGHTS = (
    "Rows have no weights: a certificate is about the population that the rows come from, and "
    "each counts once. Draw the rows by their weights beforehand. To weight the loss alone, give "
    "a Seldonian estimator a sampler of imbalanced-learn as preprocessor=."
)
_CROSS_VALIDATION = (
    "fit trains one model. Search by cross-validation with "
    "sklearn_seldonian.model_selection.SeldonianSearchCV, which takes cv= and n_jobs=."
)
_EVALUATION = (
    "fit keeps rows apart by itself, for the safety test: say how many by safety_size=, or "
    "which by safety_mask=."
)
_GROUPS = (
    "Rows that belong together cannot be declared: a certificate takes rows for independent draws. "
    "Columns that constraints name are given by sensitive_features=; safety_mask= of fit says "
    "which rows are tested."
)
_SHIFT = (
    "A certificate is about the population that the tested rows are drawn from. For another one, "
    "certify the model on rows of that population."
)
_THRESHOLD = (
    "fit chooses the threshold together with the model; see offsets_. For a threshold of your own "
    "use scikit-learn's FixedThresholdClassifier, and certify that on fresh rows."
)
_CLASS_WEIGHTS = (
    "For weights of the classes in the loss write criterion__weight=torch.tensor([...]), one "
    "number per class. Constraints count every row once."
)
# What there is no name for here, and what to do instead.
ADVICE = {
    "class_weight": _CLASS_WEIGHTS,
    "class_weights": _CLASS_WEIGHTS,
    "cv": _CROSS_VALIDATION,
    "eval_set": _EVALUATION,
    "fit_params": "Write arguments of fit by name, as in fit(X, y, sensitive_features=groups).",
    "groups": _GROUPS,
    "n_jobs": _CROSS_VALIDATION,
    "param_grid": _CROSS_VALIDATION,
    "pos_weight": _CLASS_WEIGHTS,
    "sample_weight": _WEIGHTS,
    "sample_weights": _WEIGHTS,
    "scoring": _CROSS_VALIDATION,
    "shift": _SHIFT,
    "threshold": _THRESHOLD,
    "tol": "Training ends after max_epochs, or after n_iter_no_change epochs without progress.",
    "train_split": _EVALUATION,
    "validation_data": _EVALUATION,
    "validation_split": _EVALUATION,
    "weights": _WEIGHTS,
    "X_test": _EVALUATION,
    "X_val": _EVALUATION,
    "y_val": _EVALUATION,
}


def advice_on(name, known):
    """What to write instead of the keyword `name`, where those `known` are taken."""
    if name in ADVICE:
        return ADVICE[name]
    nearest = difflib.get_close_matches(name, known, n=1)
    wanted = SYNONYMS.get(name.lower(), nearest[0] if nearest else None)
    if wanted is None:
        return f"There are {', '.join(known)}."
    if wanted in known or "__" in wanted:
        return f"Did you mean {wanted!r}?"
    if wanted in ("sensitive_features", "safety_mask"):
        return f"{wanted} is an argument of fit, not a parameter of the estimator."
    return f"{wanted} is a parameter of the estimator: give it where the estimator is made."


def refuse_unknown_keywords(function):
    """`function`, with errors that say what to do instead of a keyword that it does not take."""
    known = [name for name in inspect.signature(function).parameters if name != "self"]

    @wraps(function)
    def checked(*given, **keywords):
        unknown = [name for name in keywords if name not in known]
        refuse_keywords(unknown, function.__name__, known, *given[:1])
        return function(*given, **keywords)

    return checked


def refuse_keywords(unknown, function, known, owner=None):
    """Refuse keywords that the `function` of an estimator, or of none, does not take."""
    for name in unknown:
        raise TypeError(f"{function} takes no {name!r}. {_with_parameters(name, known, owner)}")


def _with_parameters(name, known, owner):
    """As `advice_on`, where a parameter of the estimator may have been meant."""
    if name in getattr(owner, "_get_param_names", list)():
        return f"{name} is a parameter of the estimator: give it where the estimator is made."
    return advice_on(name, known)
