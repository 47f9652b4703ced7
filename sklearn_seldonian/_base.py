"""What every Seldonian estimator does: train on candidate rows, test once on safety rows."""

from __future__ import annotations

import copy
import math
import warnings
from html import escape
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils import _safe_indexing, estimator_html_repr
from sklearn.utils.validation import validate_data
from torch import nn

from sklearn_seldonian import _checks, _inputs, _persistence, _preprocess
from sklearn_seldonian.certification import (
    SafetyCertificate,
    Statistics,
    certify_constraint,
    exclusive_columns,
    rows_even_perfection_needs,
    tabulate,
    untested,
)
from sklearn_seldonian.constraints import (
    assign_cells,
    columns_of,
    distinct_means,
    parse_all,
)
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.training import ConstrainedProblem, LagrangianNet
from sklearn_seldonian.training import Rows as TensorRows

__all__ = ["CertifiedEstimator", "LabelledRows"]


class LabelledRows(NamedTuple):
    """Rows as `fit` sees them: inputs, labels, positions of the labels in classes_, columns.

    The inputs are the rows of X at `index` (None: all), which are not read before their time.
    """

    X: Any
    y: np.ndarray
    labels: np.ndarray
    columns: dict[str, np.ndarray]
    index: np.ndarray | None = None

    def take(self, index):
        """The rows at `index`, which is ascending; these must be all that X has."""
        if len(index) == len(self.y):
            return self
        columns = {name: values[index] for name, values in self.columns.items()}
        return LabelledRows(self.X, self.y[index], self.labels[index], columns, index)

    def inputs(self):
        return self.X if self.index is None else _safe_indexing(self.X, self.index)


class CertifiedEstimator(BaseEstimator):
    """The parts of `fit` that do not depend on what is predicted.

    Constructor keywords beyond the signature are skorch's double-underscore names: plain
    attributes that appear in `get_params` and can be cloned and searched over.
    """

    # -- parameters ----------------------------------------------------------------------

    def get_params(self, deep=True):
        """As scikit-learn's, with the double-underscore names that were given."""
        params = super().get_params(deep=deep)
        params.update((name, getattr(self, name)) for name in self._keywords())
        return params

    def set_params(self, **params):
        """As scikit-learn's; names such as ``module__hidden`` need not exist yet."""
        for name in [n for n in params if n.partition("__")[0] in _checks.NESTED and "__" in n]:
            setattr(self, name, params.pop(name))
        given = {name: params.pop(name) for name in self._keywords() if name in params}
        vars(self).update(given)
        return super().set_params(**params)

    @property
    def partial_fit(self):
        """Not there: training cannot be continued."""
        raise AttributeError(f"There is no partial_fit: {_checks.NO_CONTINUED_TRAINING}")

    def _keywords(self):
        known = self._get_param_names()
        return [
            name
            for name in vars(self)
            if name not in known and not name.startswith("_") and not name.endswith("_")
        ]

    def _forget_fit(self):
        """Drop what an earlier fit left, so that nothing of it outlives a fit that fails."""
        for name in [n for n in vars(self) if n.endswith("_") and n.isidentifier()]:
            if not name.startswith("_") and "__" not in name:
                delattr(self, name)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "solution_found_")

    def _wanted(self):
        """The columns that the constraints name."""
        return {name for constraint in self.constraints_ for name in columns_of(constraint)}

    def _split(self, n_rows, safety_mask, rng):
        if not self.constraints_:
            return np.arange(n_rows), np.arange(0)
        return _checks.split_rows(n_rows, self.safety_size, safety_mask, rng)

    # -- training ------------------------------------------------------------------------

    def _train(self, candidate, n_safety, rng):
        """Fit preprocessor and net; what stands in the way of a safety test, if anything."""
        seed = int(rng.randint(np.iinfo(np.int32).max))
        device = _checks.resolve_device(self.device)
        impossible = [c.source.text for c in self._resolved if c.is_impossible]
        if impossible:
            return f"no model can satisfy {', '.join(map(repr, impossible))}; nothing was trained"
        X, resampled = self._fit_preprocessor(candidate)
        cells = self._cells(candidate.columns, len(candidate.y))
        self._exclusive = exclusive_columns(cells.families)
        self._warn_of_few_rows(candidate, cells, n_safety)
        problem = ConstrainedProblem(
            self._resolved,
            self._deltas,
            cells.families,
            len(self.classes_),
            n_safety,
            self.power,
            hard=self.decision == "argmax",
            bound=self.bound,
            exclusive=self._exclusive,
        )
        with torch.random.fork_rng(devices=_generators(device)):
            torch.manual_seed(seed)
            self.net_ = self._make_net(self._sizes(X), problem, device)
            self.net_.fit(_tensors(X, candidate.labels, cells), resampled=resampled)
        self.history_ = _history_frame(self.net_.history)
        self.n_iter_ = len(self.history_)
        if self.net_.interrupted_:
            if _checks.interrupted_in_search():
                raise KeyboardInterrupt
            return "training was interrupted"
        return "" if self.net_.kept_epoch_ else "training gave no finite weights"

    def _fit_preprocessor(self, candidate):
        """The module's inputs for candidate rows; rows to train on instead, or None."""
        self.preprocessor_ = None
        if self.preprocessor is None:
            return _inputs.to_inputs(candidate.X, candidate.index), None
        fitted = _preprocess.fit_preprocessor(self.preprocessor, candidate.inputs(), candidate.y)
        self.preprocessor_, X, resampled = fitted
        return _inputs.to_inputs(X), resampled and self._resampled_rows(*resampled)

    def _cells(self, columns, n_rows):
        return assign_cells(columns, [c.conditions for c in self._resolved], n_rows)

    def _warn_of_few_rows(self, candidate, cells, n_safety):
        """Say so where even the best conceivable safety rows could not pass."""
        codes, families = cells
        counts = tabulate(codes, candidate.labels, candidate.labels, families, len(self.classes_))
        seen = Statistics(counts, families, hard=True)
        shares = seen.shares(distinct_means(self._resolved))
        for constraint, delta in zip(self._resolved, self._deltas, strict=True):
            tree = constraint.tree
            needed = rows_even_perfection_needs(tree, delta, shares, n_safety, self.bound)
            if needed is not None:
                warnings.warn(
                    f"With {n_safety} safety rows, no model can pass {constraint.source.text!r} at "
                    f"delta={delta}: even a perfect one needs about {needed}.",
                    UserWarning,
                    stacklevel=4,
                )

    def _make_net(self, sizes, problem, device):
        module = MLP if self.module is None else self.module
        nested = {name: getattr(self, name) for name in self._keywords()}
        if any(name.startswith("iterator_train__") for name in nested):
            nested.setdefault("iterator_train__shuffle", True)
        return LagrangianNet(
            copy.deepcopy(module),
            problem=problem,
            multiplier_init=self.multiplier_init,
            multiplier_lr=self.multiplier_lr,
            evaluation_batch_size=self.safety_batch_size,
            n_iter_no_change=self.n_iter_no_change,
            criterion=copy.deepcopy(self.criterion),
            optimizer=self.optimizer,
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            train_split=None,
            callbacks=copy.deepcopy(self.callbacks),
            device=device,
            verbose=self.verbose,
            **{**sizes, **nested},
        )

    def _check_keywords(self):
        optimizer = _checks.accepted_names(self.optimizer)
        accepted = {
            "module": _checks.accepted_names(self.module or MLP),
            "optimizer": optimizer and [*optimizer, "param_groups"],  # skorch's own name
            "criterion": _checks.accepted_names(self.criterion),
            "iterator_train": _checks.accepted_names(torch.utils.data.DataLoader),
            "callbacks": _checks.callback_names(self.callbacks, self.verbose),
        }
        _checks.check_keywords(self, accepted)

    def _sizes(self, X):
        """For an MLP the sizes that the data dictate."""
        if self.module is not None and self.module is not MLP:
            return {}
        one_logit = nn.BCEWithLogitsLoss in (self.criterion, type(self.criterion))
        n_outputs = 1 if one_logit else len(self.classes_)
        n_features = math.prod(X.shape[1:])
        return {"module__n_features": n_features, "module__n_outputs": n_outputs}

    # -- the safety test -----------------------------------------------------------------

    def _test(self, rows, mask_given=False, candidate=None):
        """Run the safety test on `rows`, which nothing was fitted to; `candidate` rows, if here."""
        unseen = _checks.unseen_levels(self.constraints_, self._levels, rows.columns)
        if unseen:
            return self._untested(f"the tested rows have {unseen}, which no candidate row has")
        X = self._preprocessed(rows.X, rows.index)
        cells = self._cells(rows.columns, len(rows.y))
        exclusive = self._exclusive & exclusive_columns(cells.families)
        loss, statistics = self.net_.observe(
            _tensors(X, rows.labels, cells),
            cells.families,
        )
        return SafetyCertificate(
            results=tuple(
                certify_constraint(constraint, statistics, delta, self.bound, exclusive)
                for constraint, delta in zip(self._resolved, self._deltas, strict=True)
            ),
            loss=loss,
            n_candidate=len(self.candidate_indices_),
            n_safety=len(rows.y),
            assumptions=_checks.assumptions(self._decision, exclusive, mask_given),
            remarks=(*self._remarks(statistics), *_remarks_on_copies(candidate, rows)),
            versions=_checks.versions(),
            fingerprints={
                "data": _checks.fingerprint(X, rows.y, *rows.columns.values()),
                "weights": _persistence.fingerprint(self.net_, self._n_classes()),
            },
        )

    def _remarks(self, statistics):
        """Whether all tested rows got the same label."""
        given = np.flatnonzero(statistics.table[..., : len(self.classes_)].sum(axis=(0, 1)))
        if self._decision != "argmax" or len(given) != 1:
            return ()
        label = self.classes_.tolist()[given[0]]
        return (
            f"The model gave every safety row the label {label!r}: no other decisions were more "
            "accurate among those predicted to pass.",
        )

    def _untested(self, obstacle):
        return SafetyCertificate(
            results=tuple(
                untested(constraint, delta, obstacle)
                for constraint, delta in zip(self._resolved, self._deltas, strict=True)
            ),
            loss=math.nan,
            n_candidate=len(self.candidate_indices_),
            n_safety=len(self.safety_indices_),
            versions=_checks.versions(),
        )

    def _checked(self, X):
        X, _ = _inputs.as_arrays(X)
        if self.preprocessor is None:
            return validate_data(self, X, reset=False, allow_nd=True)
        return validate_data(self, X, reset=False, skip_check_array=True)

    def _preprocessed(self, X, index=None):
        """What the module gets of the rows of X at `index` (None: all)."""
        if self.preprocessor_ is None:
            return _inputs.to_inputs(X, index)
        X = X if index is None else _safe_indexing(X, index)
        return _inputs.to_inputs(_preprocess.transform(self.preprocessor_, X))

    @property
    def module_(self):
        """The fitted torch module."""
        return self.net_.module_

    @property
    def scale_(self):
        """What the module's scores are multiplied by."""
        return self.net_.adjustment_.scale

    @property
    def offsets_(self):
        """What is added to the module's scaled scores, one number a class."""
        return _persistence.offsets(self.net_, self._n_classes())

    def _n_classes(self):
        return len(getattr(self, "classes_", ()))

    # -- display -------------------------------------------------------------------------

    def _html_repr(self):
        """As scikit-learn's, below a line that says whether a model is certified."""
        return f"<div><p>{escape(self._status())}</p>{estimator_html_repr(self)}</div>"

    def _status(self):
        """Whether there is a model, whether it is certified, and for what."""
        several = isinstance(self.constraints, list | tuple)
        constraints = "; ".join(map(str, self.constraints if several else [self.constraints]))
        if not hasattr(self, "solution_found_"):
            return f"Not fitted. Constraints: {constraints or 'none'}"
        if self.certificate_ is None:
            return "Fitted without constraints: nothing is certified."
        tested = "; ".join(result.constraint for result in self.certificate_.results)
        if self.solution_found_:
            return f"Certified: {tested}"
        answer = "predict uses the fallback" if self.fallback_ is not None else "predict raises"
        return f"Not certified: no solution found, {answer}. Constraints: {tested}"

    # -- life after fit ------------------------------------------------------------------

    def save_params(self, path):
        """Write the weights and the certificate to a safetensors file, without pickle.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        NoSolutionFoundError
            If there is no model.
        ValueError
            If there is a preprocessor, which is not made of weights.
        """
        self._check_certified()
        if self.preprocessor_ is not None:
            name = type(self.preprocessor_).__name__
            raise ValueError(
                f"save_params writes the module alone, and predict needs {name} as well, which is "
                "not made of weights. Pickle the estimator (joblib.dump), or make the "
                "preprocessing the module's first layer."
            )
        _persistence.write(path, self)

    def load_params(self, path):
        """Become the model that `save_params` wrote, with its certificate.

        The parameters must be those that it was fitted with. What concerns the rows of `fit`
        (`history_`, `candidate_indices_`, ...) is not in the file, and neither is what the
        method `certify` needs: use the function `sklearn_seldonian.certify`.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the file holds other constraints than the estimator has, weights that do not
            fit its module or are not those that were certified, or if the estimator is fitted
            and has another certificate. It is left unchanged.
        """
        facts = _persistence.read_facts(path)
        loaded = clone(self)
        loaded._validate_params()
        loaded._check_keywords()
        loaded._decision = loaded.decision
        loaded.constraints_ = parse_all(loaded.constraints)
        loaded._deltas = _checks.check_deltas(loaded.delta, len(loaded.constraints_))
        loaded._resolved = None
        promise = _persistence.promise(loaded)
        if promise != facts["promise"]:
            raise ValueError(f"{path} is about {facts['promise']}, this estimator about {promise}.")
        device = _checks.resolve_device(loaded.device)
        with torch.random.fork_rng(devices=_generators(device)):
            net = loaded._make_net(facts["sizes"], None, device).initialize()
        vars(loaded).update(_persistence.fitted_attributes(net, path, facts))
        if getattr(self, "certificate_", loaded.certificate_) != loaded.certificate_:
            raise ValueError(
                f"{path} holds another model than the one that this estimator's certificate is "
                "about; load it into sklearn.base.clone(estimator)."
            )
        loaded.solution_found_ = True
        self._forget_fit()
        own = {*self._get_param_names(), *self._keywords()}
        vars(self).update({n: value for n, value in vars(loaded).items() if n not in own})
        return self

    def __getstate__(self):
        return _persistence.packed(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(_persistence.unpacked(state))
        if hasattr(self, "net_"):
            certificate = getattr(self, "certificate_", None)
            _persistence.check_weights(certificate, self.net_, self._n_classes())


def _tensors(X, labels, cells):
    """Inputs, class positions and cells as tensors."""
    return TensorRows(
        X,
        torch.from_numpy(labels.astype(np.int64, copy=False)),
        torch.from_numpy(cells.codes),
    )


def _remarks_on_copies(candidate, tested):
    """What is said of tested rows that copy candidate rows, warned of as well."""
    remark = candidate and _inputs.remark_on_copies(candidate, tested)
    if remark:
        warnings.warn(remark, UserWarning, stacklevel=4)
    return (remark,) if remark else ()


def _generators(device):
    """The device whose random numbers are used besides the CPU's, if it has its own."""
    return [torch.device(device)] if device.startswith("cuda") else []


def _history_frame(history):
    """The net's history with one row an epoch, without the batches."""
    frame = pd.DataFrame([{k: v for k, v in row.items() if k != "batches"} for row in history])
    return frame.rename(columns={"dur": "seconds"})
