"""What every Seldonian estimator does: train on candidate rows, test once on safety rows."""

from __future__ import annotations

import copy
import math
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)
from torch import nn

from sklearn_seldonian import _checks
from sklearn_seldonian.certification import (
    BOUNDS,
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
    bind,
    columns_of,
    distinct_means,
    parse_all,
)
from sklearn_seldonian.exceptions import NoSolutionFoundError, NoSolutionFoundWarning
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.training import ConstrainedProblem, LagrangianNet
from sklearn_seldonian.training import Rows as TensorRows

__all__ = ["CertifiedEstimator", "LabelledRows"]


class LabelledRows(NamedTuple):
    """Rows as `fit` sees them: inputs, what the user calls y, what the net learns, columns.

    The net learns the positions of labels in classes_, or numbers. The inputs are the rows of
    X at `index` (None: all), which are not read before their time.
    """

    X: Any
    y: np.ndarray
    targets: np.ndarray
    columns: dict[str, np.ndarray]
    index: np.ndarray | None = None

    def take(self, index):
        """The rows at `index`, which is ascending; these must be all that X has."""
        if len(index) == len(self.y):
            return self
        columns = {name: values[index] for name, values in self.columns.items()}
        return LabelledRows(self.X, self.y[index], self.targets[index], columns, index)

    def inputs(self):
        return self.X if self.index is None else _safe_indexing(self.X, self.index)


class CertifiedEstimator(BaseEstimator):
    """All that does not depend on what is predicted.

    A subclass says what is particular to its targets: what they are (`_learn_targets`,
    `_check_targets`), what constraints may say of them (`_schema`), what outputs mean
    (`_task`), what the model is beside its module (`_beside_the_module`), and what the
    certificate says of it (`_assumptions`, `_remarks`). What the word for a constant
    fallback stands for is `_constant_fallback`; `_range_remedy` is the advice to who asks for
    a finite-sample test and has named a measure that has none.

    Constructor keywords beyond the signature are skorch's double-underscore names: plain
    attributes that appear in `get_params` and can be cloned and searched over.
    """

    _parameter_constraints: ClassVar = {
        "delta": [Interval(Real, 0, 1, closed="neither"), "array-like"],
        "bound": [StrOptions(set(BOUNDS))],
        "safety_size": [
            Interval(Real, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "power": [Interval(Real, 0, 1, closed="neither")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "safety_batch_size": [Interval(Integral, 1, None, closed="left")],
        "multiplier_init": [Interval(Real, 0, None, closed="left")],
        "multiplier_lr": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

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

    # -- fit -----------------------------------------------------------------------------

    def fit(self, X, y, sensitive_features=None, safety_mask=None):
        """Train on candidate rows, then run the safety test once on the others.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
            Finite numbers, or whatever `preprocessor` takes.
        y : array-like of shape (n_rows,)
            Class labels, at least two different ones; a regressor's are numbers.
        sensitive_features : Series, DataFrame or array-like of n_rows, default=None
            Columns for the constraints' conditions; the model never sees them.
        safety_mask : bool array of shape (n_rows,), default=None
            Which rows are for the safety test; must not depend on outcomes. None: drawn at
            random.

        Returns
        -------
        self
            With ``solution_found_`` saying whether a model was certified; if not, a
            `NoSolutionFoundWarning` is given.
        """
        self._forget_fit()
        self._validate_params()
        self._check_keywords()
        self.constraints_ = parse_all(self.constraints)
        self._deltas = _checks.check_deltas(self.delta, len(self.constraints_))
        rows = self._check_training_rows(X, y, sensitive_features)
        rng = check_random_state(self.random_state)
        self.candidate_indices_, self.safety_indices_ = self._split(len(rows.y), safety_mask, rng)
        candidate, safety = rows.take(self.candidate_indices_), rows.take(self.safety_indices_)
        self._resolved = self._bind(candidate)
        _checks.check_ranges(self._resolved, self.bound, self._range_remedy)

        obstacle = self._train(candidate, len(safety.y), rng)
        self.certificate_ = None
        if self.constraints_:
            self.certificate_ = (
                self._untested(obstacle)
                if obstacle
                else self._test(safety, mask_given=safety_mask is not None)
            )
        found = self.certificate_ is None or self.certificate_.passed
        if not found:
            self.fallback_ = _checks.fitted_fallback(
                self.fallback, candidate, self._constant_fallback
            )
            warnings.warn(self.certificate_.explain(), NoSolutionFoundWarning, stacklevel=2)
        self.solution_found_ = found  # last: without it the estimator is not fitted
        return self

    def _check_training_rows(self, X, y, sensitive_features):
        columns_from = X
        _checks.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
        if self.preprocessor is None:
            X, y = validate_data(self, X, y, allow_nd=True)
        else:
            X, y = validate_data(self, X, y, skip_check_array=True)
            check_consistent_length(X, y)
        y, targets = self._learn_targets(y)
        columns = _checks.column_values(self._wanted(), columns_from, sensitive_features, len(y))
        return LabelledRows(X, y, targets, columns)

    def _bind(self, candidate):
        self._levels = _checks.quantified_levels(self.constraints_, candidate.columns)
        schema = self._schema(candidate.columns)
        return tuple(bind(constraint, schema) for constraint in self.constraints_)

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
        X = self._fit_preprocessor(candidate)
        cells = self._cells(candidate.columns, len(candidate.y))
        self._exclusive = exclusive_columns(cells.families)
        task, rows = self._task(candidate), _tensors(X, candidate.targets, cells)
        self._warn_of_few_rows(task.labels(rows.y).numpy(), cells, task.n_labels, n_safety)
        problem = ConstrainedProblem(
            self._resolved,
            self._deltas,
            cells.families,
            task.n_labels,
            n_safety,
            self.power,
            hard=task.hard,
            bound=self.bound,
            exclusive=self._exclusive,
        )
        cuda = [torch.device(device)] if device.startswith("cuda") else []
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(seed)
            self.net_ = self._make_net(X, problem, task, device)
            self.net_.fit(rows)
        self.history_ = _history_frame(self.net_.history)
        self.n_iter_ = len(self.history_)
        if self.net_.interrupted_:
            if _checks.interrupted_in_search():
                raise KeyboardInterrupt
            return "training was interrupted"
        return "" if self.net_.kept_epoch_ else "training gave no finite weights"

    def _fit_preprocessor(self, candidate):
        if self.preprocessor is None:
            self.preprocessor_ = None
            return _checks.to_inputs(candidate.X, candidate.index)
        self.preprocessor_ = clone(self.preprocessor)
        X = self.preprocessor_.fit_transform(candidate.inputs(), candidate.y)
        return _checks.to_inputs(_checks.check_preprocessed(X, len(candidate.y)))

    def _cells(self, columns, n_rows):
        return assign_cells(columns, [c.conditions for c in self._resolved], n_rows)

    def _warn_of_few_rows(self, labels, cells, n_labels, n_safety):
        """Say so where even the best conceivable safety rows could not pass."""
        codes, families = cells
        counts = tabulate(codes, labels, labels, families, n_labels)
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

    def _make_net(self, X, problem, task, device):
        module, sizes = self._sized_module(X, task.n_labels)
        nested = {name: getattr(self, name) for name in self._keywords()}
        if any(name.startswith("iterator_train__") for name in nested):
            nested.setdefault("iterator_train__shuffle", True)
        return LagrangianNet(
            copy.deepcopy(module),
            problem=problem,
            task=task,
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
        factories = {
            "module": MLP if self.module is None else self.module,
            "optimizer": self.optimizer,
            "criterion": self.criterion,
            "iterator_train": torch.utils.data.DataLoader,
        }
        _checks.check_keywords(self, factories)

    def _sized_module(self, X, n_labels):
        """The module, and for an MLP the sizes that the data dictate."""
        module = MLP if self.module is None else self.module
        if module is not MLP:
            return module, {}
        one_logit = nn.BCEWithLogitsLoss in (self.criterion, type(self.criterion))
        n_outputs = 1 if one_logit else n_labels
        n_features = math.prod(X.shape[1:])
        return module, {"module__n_features": n_features, "module__n_outputs": n_outputs}

    # -- the safety test -----------------------------------------------------------------

    def _test(self, rows, mask_given=False):
        """Run the safety test on `rows`, which nothing was fitted to."""
        unseen = _checks.unseen_levels(self.constraints_, self._levels, rows.columns)
        if unseen:
            return self._untested(f"the tested rows have {unseen}, which no candidate row has")
        X = self._preprocessed(rows.X, rows.index)
        cells = self._cells(rows.columns, len(rows.y))
        exclusive = self._exclusive & exclusive_columns(cells.families)
        loss, statistics = self.net_.observe(
            _tensors(X, rows.targets, cells),
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
            assumptions=_checks.assumptions(self._assumptions(), exclusive, mask_given),
            remarks=self._remarks(statistics),
            versions=_checks.versions(),
            fingerprints={
                "data": _checks.fingerprint(X, rows.y, *rows.columns.values()),
                "weights": _checks.fingerprint(self.module_, *self._beside_the_module()),
            },
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
        if self.preprocessor is None:
            return validate_data(self, X, reset=False, allow_nd=True)
        return validate_data(self, X, reset=False, skip_check_array=True)

    def _preprocessed(self, X, index=None):
        """What the module gets of the rows of X at `index` (None: all)."""
        if self.preprocessor_ is None:
            return _checks.to_inputs(X, index)
        X = X if index is None else _safe_indexing(X, index)
        transformed = self.preprocessor_.transform(X)
        return _checks.to_inputs(_checks.check_preprocessed(transformed, _num_samples(X)))

    # -- the safety test, again ----------------------------------------------------------

    def certify(self, X, y, sensitive_features=None):
        """Test the same constraints on fresh rows.

        Parameters
        ----------
        X, y, sensitive_features
            Rows that neither `fit` nor any other choice has seen, as `fit` takes them.

        Returns
        -------
        SafetyCertificate

        Raises
        ------
        NoSolutionFoundError
            If there is no model.
        ValueError
            If there are no constraints, or `y` holds what `fit` would refuse or did not see.
        """
        self._check_certified()
        _checks.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
        if not self.constraints_:
            raise ValueError("There is nothing to certify: the estimator has no constraints.")
        y, targets = self._check_targets(y)
        columns = _checks.column_values(self._wanted(), X, sensitive_features, len(y))
        missing = sorted(self._wanted() - set(columns))
        if missing:
            raise ValueError(f"The constraints name columns that are not here: {missing}.")
        X = self._checked(X)
        check_consistent_length(X, y)
        return self._test(LabelledRows(X, y, targets, columns))

    # -- the model -----------------------------------------------------------------------

    def _falls_back(self):
        """Whether the fallback answers; raises where there is neither model nor fallback."""
        if self.solution_found_:
            return False
        if self.fallback_ is None:
            self._check_certified()
        return True

    def _check_certified(self):
        check_is_fitted(self)
        if not self.solution_found_:
            raise NoSolutionFoundError(self.certificate_.explain())

    def _scores(self, X):
        inputs = self._preprocessed(self._checked(X))
        return torch.cat(list(self.net_.scores(inputs)))

    @property
    def module_(self):
        """The fitted torch module."""
        return self.net_.module_


def _tensors(X, targets, cells):
    """Inputs, class positions or numbers, and cells as tensors."""
    return TensorRows(X, torch.from_numpy(targets), torch.from_numpy(cells.codes))


def _history_frame(history):
    """The net's history with one row an epoch, without the batches."""
    frame = pd.DataFrame([{k: v for k, v in row.items() if k != "batches"} for row in history])
    return frame.rename(columns={"dur": "seconds"})
