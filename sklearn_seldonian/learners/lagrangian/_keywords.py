"""skorch's double-underscore names: which are accepted, and which values are refused."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from sklearn_seldonian.learners.lagrangian._callbacks import falling_rate
from sklearn_seldonian.modules import module_or_default

# The prefixes of the names.
PREFIXES = ("module", "optimizer", "criterion", "iterator_train", "callbacks")


def accepted_keywords(
    module: Any, optimizer: Any, criterion: Any, callbacks: Any, verbose: int
) -> dict[str, list[str] | None]:
    """The names that each part accepts. None: any name."""
    of_optimizer = _accepted_names(optimizer)
    of_loader = _accepted_names(DataLoader) or []
    return {
        "module": _accepted_names(module_or_default(module)),
        "optimizer": of_optimizer and [*of_optimizer, "param_groups"],  # a name of skorch
        "criterion": _accepted_names(criterion),
        "iterator_train": [name for name in of_loader if name != "dataset"],
        "callbacks": _callback_names(callbacks, verbose),
    }


_BY_POSITION = (
    "is not possible: it selects rows by their position among the training rows, and these are "
    "not all rows of fit, because safety rows and rows to evaluate epochs on are held out. Weight "
    "the classes with criterion__weight, or give a sampler of imbalanced-learn as preprocessor."
)
_REFUSED = {
    "iterator_train__sampler": _BY_POSITION,
    "iterator_train__batch_sampler": _BY_POSITION,
    "iterator_train__collate_fn": (
        "is not possible, because it would have to keep the groups of the rows. Change inputs in "
        "the module's forward, or with preprocessor."
    ),
}


def check_iterator(keywords: Mapping[str, Any]) -> None:
    """Refuse options of the iterator over training rows that cannot work here."""
    for name, reason in _REFUSED.items():
        if keywords.get(name) is not None:
            raise ValueError(f"{name} {reason}")
    if keywords.get("iterator_train__batch_size", 1) is None:
        raise ValueError(
            "iterator_train__batch_size=None gives single rows instead of batches. Use "
            "batch_size=1."
        )


def _accepted_names(factory: Any) -> list[str] | None:
    """The parameter names that a class or function accepts; None if it accepts any.

    For an instance they are those of its class, which is called again if parameters are given.
    """
    is_instance = isinstance(factory, nn.Module)
    parameters = inspect.signature(type(factory) if is_instance else factory).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return list(parameters)


def _callback_names(callbacks: Any, verbose: int) -> list[str]:
    """The names that skorch gives the callbacks: the user's names, or those of their classes.

    Raises
    ------
    TypeError
        If one is neither a skorch callback nor a pair of a name and a callback.
    """
    names = []
    for given in callbacks or ():
        named = isinstance(given, tuple | list) and len(given) == 2 and isinstance(given[0], str)
        callback = given[1] if named else given
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, Callback):
            raise TypeError(
                f"callbacks has the element {callback!r}. It must be a list of skorch callbacks, "
                "or of pairs (name, callback)."
            )
        names.append(given[0] if named else kind.__name__)
    ours = [name for name, _ in falling_rate(callbacks)]
    names = ["epoch_timer", *ours, *["print_log"] * bool(verbose), *names]
    numbered = (f"{name}_{names[:i].count(name) + 1}" for i, name in enumerate(names))
    return [n if names.count(n) == 1 else other for n, other in zip(names, numbered, strict=True)]
