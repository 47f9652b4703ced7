"""Training on candidate rows: the preprocessor, and the skorch net of an estimator's parameters."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import os
import threading
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader

from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import (
    Statistics,
    exclusive_columns,
    rows_even_perfection_needs,
    tabulate,
)
from sklearn_seldonian.constraints import distinct_means
from sklearn_seldonian.data import _preprocess
from sklearn_seldonian.estimators import _parameters
from sklearn_seldonian.estimators._callers import fitted_among_others
from sklearn_seldonian.learners.lagrangian import (
    LagrangianNet,
    Rows,
    module_inputs,
    tensors_of,
    to_inputs,
)
from sklearn_seldonian.modules import MLP, module_or_default
from sklearn_seldonian.selection import ConstrainedProblem

__all__ = ["check_keywords", "initialized_net", "predict_test_outcome", "train"]

logger = logging.getLogger("sklearn_seldonian")


# -- training ----------------------------------------------------------------------------


def train(estimator, candidate, n_safety, rng):
    """Fit preprocessor and net; what stands in the way of a safety test, if anything."""
    seed = int(rng.randint(np.iinfo(np.int32).max))
    device = _parameters.resolve_device(estimator.device)
    X, resampled = _fit_preprocessor(estimator, candidate)
    impossible = [c.source.text for c in estimator._promise.resolved if c.is_impossible]
    if impossible:
        return f"no model can satisfy {', '.join(map(repr, impossible))}; nothing was trained"
    cells = estimator._promise.cells(candidate.columns, len(candidate.y))
    unseen = _groups_without_rows(estimator._promise.resolved, cells)
    if unseen:
        return f"no candidate row has {', '.join(unseen)}; nothing was trained"
    estimator._promise = dataclasses.replace(
        estimator._promise, exclusive=exclusive_columns(cells.families)
    )
    task, rows = estimator._task(candidate), tensors_of(candidate, X, cells.codes)
    labels = task.labels(rows.y).numpy()
    if task.hard:  # the mean of probabilities of a narrow range takes hardly any
        _warn_of_few_rows(estimator._promise, labels, cells, task.n_labels, n_safety)
    problem = _problem(estimator, cells.families, task, n_safety)
    logger.info("Training on %d rows; %d are kept for the test.", len(X), n_safety)
    with _gradients(), _own_random_numbers(device, seed):
        net = _make_net(estimator, _sizes(estimator, X, task.n_labels), problem, task, device)
        estimator.net_ = net.fit(rows, resampled=resampled)
    estimator.history_ = _history_frame(net.history)
    estimator.n_iter_ = len(estimator.history_)
    logger.info("Epoch %s of %d is kept.", net.kept_epoch_, estimator.n_iter_)
    if net.interrupted_:
        if fitted_among_others():
            raise KeyboardInterrupt
        return "training was interrupted"
    if net.kept_epoch_ is None and not problem.constraints:
        raise ValueError(
            "Training gave no finite weights: the loss was NaN or infinite from the first epoch "
            "on. Lower lr, scale the features, or look for a NaN in the module's outputs."
        )
    return "" if net.kept_epoch_ else "training gave no finite weights"


def predict_test_outcome(estimator, rows, n_safety):
    """What a test on `n_safety` rows would say, from candidate `rows` not trained on."""
    X = module_inputs(estimator.preprocessor_, rows.X, rows.index)
    cells = estimator._promise.cells(rows.columns, len(rows.y))
    problem = _problem(estimator, cells.families, estimator.net_.task_, n_safety)
    return estimator.net_.predict_test_outcome(tensors_of(rows, X, cells.codes), problem)


def _problem(estimator, families, task, n_safety):
    promise = estimator._promise
    return ConstrainedProblem(
        promise.resolved,
        promise.deltas,
        families,
        task.n_labels,
        n_safety,
        estimator.power,
        hard=task.hard,
        bound=promise.bound,
        exclusive=promise.exclusive,
    )


def _fit_preprocessor(estimator, candidate):
    """The module's inputs for candidate rows; rows to train on instead, or None."""
    estimator.preprocessor_ = None
    if estimator.preprocessor is None:
        return to_inputs(candidate.X, candidate.index), None
    fitted = _preprocess.fit_preprocessor(estimator.preprocessor, candidate.inputs(), candidate.y)
    estimator.preprocessor_, X, resampled = fitted
    return to_inputs(X), resampled and _resampled_rows(estimator, *resampled)


def _resampled_rows(estimator, X, y):
    """Rows to train on that a sampler drew or made up; their cells are never looked at."""
    _, targets = estimator._check_targets(y)
    cells = torch.zeros(len(targets), dtype=torch.int64)
    return Rows(to_inputs(X), torch.from_numpy(targets), cells)


def _groups_without_rows(constraints, cells):
    """The groups that constraints are about and no row is in, in words."""
    codes, families = cells
    has_rows = np.zeros(families.n_cells, dtype=bool)
    has_rows[families.patterns[np.unique(codes)]] = True
    found = []
    for mean in distinct_means(constraints):
        family = families.family_of(mean.conditions)
        inside = families.inside(mean.conditions, family)
        if not has_rows[families.spans[family]][inside].any():
            found.append(" and ".join(sorted(map(str, mean.conditions))))
    return dict.fromkeys(found)


def _warn_of_few_rows(promise, labels, cells, n_labels, n_safety):
    """Say so where even the best conceivable safety rows could not pass."""
    codes, families = cells
    counts = tabulate(codes, labels, labels, families, n_labels)
    seen = Statistics(counts, families, hard=True)
    shares = seen.shares(distinct_means(promise.resolved))
    for constraint, delta in promise.parts:
        tree = constraint.tree
        needed = rows_even_perfection_needs(
            tree, delta, shares, n_safety, promise.bound, promise.exclusive
        )
        if needed is not None:
            warn_user(
                f"With {n_safety} safety rows, no model can pass {constraint.source.text!r} at "
                f"delta={delta}: even a perfect one needs about {needed}."
                f"{_smallest_group(constraint.means, shares, n_safety)}",
                subject=f"few safety rows for {constraint.source.text}",
            )


def _smallest_group(means, shares, n_safety):
    """Which group has the fewest safety rows, and what can be done about it."""
    rarest = min(means, key=shares.get)
    if not rarest.conditions:
        return ""
    columns = ", ".join(sorted({condition.column for condition in rarest.conditions}))
    return (
        f" The smallest group is that of {rarest}, with about {int(n_safety * shares[rarest])} "
        f"safety rows. Leave it out, as with by={columns} in (...), or merge it with another level "
        f"of {columns}, or collect more rows of it."
    )


def _history_frame(history):
    """The net's history with one row an epoch, without the batches."""
    frame = pd.DataFrame([{k: v for k, v in row.items() if k != "batches"} for row in history])
    return frame.rename(columns={"dur": "seconds"})


# -- the net -----------------------------------------------------------------------------


def check_keywords(estimator):
    """Refuse keyword names that nothing takes."""
    optimizer = _parameters.accepted_names(estimator.optimizer)
    accepted = {
        "module": _parameters.accepted_names(module_or_default(estimator.module)),
        "optimizer": optimizer and [*optimizer, "param_groups"],  # skorch's own name
        "criterion": _parameters.accepted_names(estimator.criterion),
        "iterator_train": [n for n in _parameters.accepted_names(DataLoader) if n != "dataset"],
        "callbacks": _parameters.callback_names(estimator.callbacks, estimator.verbose),
    }
    _parameters.check_keywords(estimator, accepted)
    _check_iterator(estimator._keywords("iterator_train__"))


def _check_iterator(options):
    """Refuse what cannot be asked of the iterator over the rows that train."""
    given = {name.removeprefix("iterator_train__"): value for name, value in options.items()}
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


def initialized_net(estimator, sizes, task):
    """A net that has not been trained, with a module of these `sizes`."""
    device = _parameters.resolve_device(estimator.device)
    with _own_random_numbers(device, seed=0):
        return _make_net(estimator, sizes, None, task, device).initialize()


def _make_net(estimator, sizes, problem, task, device):
    nested = estimator._keywords()
    if any(name.startswith("iterator_train__") for name in nested):
        nested.setdefault("iterator_train__shuffle", True)
    return LagrangianNet(
        copy.deepcopy(module_or_default(estimator.module)),
        problem=problem,
        task=task,
        multiplier_init=estimator.multiplier_init,
        multiplier_lr=estimator.multiplier_lr,
        evaluation_batch_size=estimator.safety_batch_size,
        n_iter_no_change=estimator.n_iter_no_change,
        criterion=copy.deepcopy(estimator.criterion),
        optimizer=estimator.optimizer,
        lr=estimator.lr,
        max_epochs=estimator.max_epochs,
        batch_size=estimator.batch_size,
        train_split=None,
        callbacks=copy.deepcopy(estimator.callbacks),
        device=device,
        verbose=estimator.verbose,
        **{**sizes, **nested},
    )


def _sizes(estimator, X, n_labels):
    """For an MLP the sizes that the data dictate."""
    if module_or_default(estimator.module) is not MLP:
        return {}
    one_logit = nn.BCEWithLogitsLoss in (estimator.criterion, type(estimator.criterion))
    n_outputs = 1 if one_logit else n_labels
    n_features = math.prod(X.shape[1:])
    return {"module__n_features": n_features, "module__n_outputs": n_outputs}


@contextmanager
def _gradients():
    """Gradients are recorded, whatever mode the caller has put torch into."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def _own_random_numbers(device, seed):
    """Torch's generators of the CPU and of `device` start from `seed`, and are put back after.

    All threads of a process draw from them, so that one at a time may.
    """
    cuda = [torch.device(device)] if device.startswith("cuda") else []
    with _drawing, torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        for each in cuda:
            with torch.cuda.device(each):
                torch.cuda.manual_seed(seed)
        if not device.startswith("mps"):
            yield
            return
        before = torch.mps.get_rng_state()
        torch.mps.manual_seed(seed)
        try:
            yield
        finally:
            torch.mps.set_rng_state(before)


def _renew_lock():
    """A forked process lacks the thread that may have held the lock."""
    globals()["_drawing"] = threading.RLock()


_drawing = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
