"""skorch's double-underscore names: what may stand behind them, and what cannot be asked."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.utils.data import DataLoader

from sklearn_seldonian.modules import module_or_default

# What the names may begin with.
PREFIXES = ("module", "optimizer", "criterion", "iterator_train", "callbacks")


def accepted_keywords(
    module: Any, optimizer: Any, criterion: Any, callbacks: Any, verbose: int
) -> dict[str, list[str] | None]:
    """The names that each part takes; None: any."""
    of_optimizer = _accepted_names(optimizer)
    of_loader = _accepted_names(DataLoader)
    assert of_loader is not None
    return {
        "module": _accepted_names(module_or_default(module)),
        "optimizer": of_optimizer and [*of_optimizer, "param_groups"],  # skorch's own name
        "criterion": _accepted_names(criterion),
        "iterator_train": [name for name in of_loader if name != "dataset"],
        "callbacks": _callback_names(callbacks, verbose),
    }


def check_iterator(keywords: Mapping[str, Any]) -> None:
    """Refuse what cannot be asked of the iterator over the rows that train."""
    prefix = "iterator_train__"
    given = {
        name.removeprefix(prefix): value
        for name, value in keywords.items()
        if name.startswith(prefix)
    }
    for name in ("sampler", "batch_sampler"):
        if given.get(name) is not None:
            raise ValueError(
                f"iterator_train__{name} names rows by their position, and those that train are "
                "only some of the rows of fit: safety rows, and rows to judge epochs on, are set "
                "aside. Weigh the classes with criterion__weight, or draw rows with a sampler of "
                "imbalanced-learn as preprocessor."
            )
    if given.get("collate_fn") is not None:
        raise ValueError(
            "iterator_train__collate_fn would have to keep the groups that rows come with. "
            "Change inputs in the module's forward, or with preprocessor."
        )
    if given.get("batch_size", 1) is None:
        raise ValueError(
            "iterator_train__batch_size=None gives single rows instead of batches; use "
            "batch_size=1."
        )


def _accepted_names(factory: Any) -> list[str] | None:
    """The parameter names that a class or function takes; None where it takes any.

    An instance is made anew from its class where it is given parameters.
    """
    is_instance = isinstance(factory, nn.Module)
    parameters = inspect.signature(type(factory) if is_instance else factory).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return list(parameters)


def _callback_names(callbacks: Any, verbose: int) -> list[str]:
    """The names by which skorch knows the callbacks: those given, else of their classes."""
    found = [("epoch_timer", None), *[("print_log", None)] * bool(verbose), *(callbacks or [])]
    names = [_callback_name(callback) for callback in found]
    count = {name: names.count(name) for name in names}
    seen = {name: itertools.count(1) for name in names}
    return [name if count[name] == 1 else f"{name}_{next(seen[name])}" for name in names]


def _callback_name(callback: Any) -> str:
    if isinstance(callback, tuple | list):
        return str(callback[0])
    return callback.__name__ if inspect.isclass(callback) else type(callback).__name__
