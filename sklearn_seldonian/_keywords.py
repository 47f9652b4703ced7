"""Advice on keywords that users know from other estimators."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# For each name used here, the names that other libraries use for it.
_CALLED_ELSEWHERE = {
    "batch_size": "batch minibatch_size",
    "constraints": "constraint fairness_constraints",
    "criterion": "loss loss_fn",
    "groups": "clusters groups",
    "delta": "alpha confidence confidence_level significance",
    "lr": "eta learning_rate learning_rate_init",
    "max_epochs": "epochs iterations max_iter n_epochs n_iter num_epochs",
    "module": "model net",
    "module__hidden": "hidden hidden_layer_sizes",
    "n_iter_no_change": "early_stopping patience",
    "optimizer": "optim",
    "optimizer__weight_decay": "l2 weight_decay",
    "preprocessor": "preprocessing scaler transformer",
    "random_state": "seed",
    "sample_weight": "sample_weight sample_weights weights",
    "shift": "shift",
    "safety_mask": "mask safety_mask",
    "safety_size": "test_size validation_fraction",
    "sensitive_features": "group protected_attribute protected_attributes protected_features "
    "sensitive sensitive_attribute sensitive_attributes sensitive_feature sensitive_features",
}
SYNONYMS = {word: name for name, words in _CALLED_ELSEWHERE.items() for word in words.split()}
_IS_A_PARAMETER = "is a parameter of the estimator. Give it when you create the estimator."
# Keywords without a counterpart here, and what to do instead.
_ADVICE_ON_SEVERAL = {
    "class_weight class_weights pos_weight": (
        "For class weights in the loss, write criterion__weight=torch.tensor([...]), with one "
        "number per class. To weight rows in the constraints as well, give fit sample_weight=."
    ),
    "cv n_jobs param_grid scoring": (
        "fit trains one model. For a search by cross-validation use "
        "sklearn_seldonian.model_selection.SeldonianSearchCV, which has cv= and n_jobs=."
    ),
    "eval_set train_split validation_data validation_split X_test X_val y_val": (
        "fit reserves rows for the safety test by itself. Set their number with safety_size=, or "
        "choose them with safety_mask=."
    ),
    "fit_params": "Give arguments of fit by name, as in fit(X, y, sensitive_features=groups).",
    "threshold": (
        "fit chooses the decision threshold together with the model; see offsets_. For your own "
        "threshold use scikit-learn's FixedThresholdClassifier, and certify it on fresh rows."
    ),
    "tol": "Training ends after max_epochs, or after n_iter_no_change epochs without progress.",
}
ADVICE = {word: text for words, text in _ADVICE_ON_SEVERAL.items() for word in words.split()}


def advice_on(name: str, known: Iterable[str], parameters: Collection[str] = ()) -> str:
    """Advice on what to write instead of the keyword `name`, given the `known` ones.

    The user may also have meant one of the `parameters` of the estimator.
    """
    if name in parameters:
        return f"{name} {_IS_A_PARAMETER}"
    if name in ADVICE:
        return ADVICE[name]
    nearest = difflib.get_close_matches(name, known, n=1)
    wanted = SYNONYMS.get(name.lower(), nearest[0] if nearest else None)
    if wanted is None:
        return f"Its keywords are {', '.join(known)}."
    if wanted in known or "__" in wanted:
        return f"Did you mean {wanted!r}?"
    if wanted in ("sensitive_features", "safety_mask", "groups", "sample_weight", "shift"):
        return f"{wanted} is an argument of fit, not a parameter of the estimator."
    return f"{wanted} {_IS_A_PARAMETER}"


def refuse_unknown_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, with errors that give advice on keywords that it does not have."""
    known = [name for name in inspect.signature(function).parameters if name != "self"]

    @wraps(function)
    def checked(*given: P.args, **keywords: P.kwargs) -> R:
        unknown = [name for name in keywords if name not in known]
        refuse_keywords(unknown, function.__name__, known, *given[:1])
        return function(*given, **keywords)

    return checked


def refuse_keywords(
    unknown: Iterable[str], function: str, known: Iterable[str], owner: object = None
) -> None:
    """Refuse keywords that `function` does not have; `owner` is the estimator of the method."""
    parameters: Collection[str] = getattr(owner, "_get_param_names", list)()
    for name in unknown:
        raise TypeError(
            f"{function} has no parameter {name!r}. {advice_on(name, known, parameters)}"
        )
