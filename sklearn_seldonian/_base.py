"""What every Seldonian estimator does: train on candidate rows, test once on safety rows."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from html import escape
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils import _safe_indexing, check_random_state, estimator_html_repr, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data
from torch import nn

from sklearn_seldonian import _checks, _inputs, _persistence, _preprocess
from sklearn_seldonian._record import recorded
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
from sklearn_seldonian.training import ConstrainedProblem, LagrangianNet, task_from
from sklearn_seldonian.training import Rows as TensorRows

__all__ = ["CertifiedEstimator", "LabelledRows"]

logger = logging.getLogger(__name__)

# Where estimators are fitted many times over, so that Ctrl-C must end more than one fit.
MODEL_SELECTION = ("sklearn.model_selection", "sklearn_seldonian.model_selection")


class LabelledRows(NamedTuple):
    """Rows as `fit` sees them: inputs, what the user calls y, what the net learns, columns.

    The net learns the positions of labels in classes_, or numbers. The inputs are the rows of
    X at `index` (None: all), which are not read before their time; `given` is X unchecked.
    """

    X: Any
    y: np.ndarray
    targets: np.ndarray
    columns: dict[str, np.ndarray]
    given: Any = None
    index: np.ndarray | None = None

    def take(self, index):
        """The rows at `index`, which is ascending; these must be all that X has."""
        if len(index) == len(self.y):
            return self
        columns = {name: values[index] for name, values in self.columns.items()}
        return LabelledRows(self.X, self.y[index], self.targets[index], columns, self.given, index)

    def inputs(self):
        return self.X if self.index is None else _safe_indexing(self.X, self.index)

    def as_given(self):
        """The rows as the user gave them."""
        return self.given if self.index is None else _safe_indexing(self.given, self.index)


class CertifiedEstimator(BaseEstimator):
    """All that does not depend on what is predicted.

    A subclass says what is particular to its targets: what they are (`_learn_targets`,
    `_check_targets`), what constraints may say of them (`_schema`), what outputs mean
    (`_task`), which parameters `predict` and the certificate rest on beside the constraints
    (`_promises`), and what the certificate says of the model
    (`_assumptions`, `_remarks`). What the word for a constant
    fallback stands for is `_constant_fallback`; `_range_remedy` is the advice to who asks for
    a finite-sample test and has named a measure that has none.

    Constructor keywords beyond the signature are skorch's double-underscore names: plain
    attributes that appear in `get_params` and can be cloned and searched over.
    """

    _parameter_constraints: ClassVar = {
        "module": [callable, None],
        "preprocessor": [HasMethods("fit"), None],
        "criterion": [callable],
        "optimizer": [callable],
        "callbacks": [list, None],
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

    # What was tested, in all fits; see `recorded`.
    _record = frozenset()

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

    # -- fit -----------------------------------------------------------------------------

    def fit(self, X, y=None, sensitive_features=None, safety_mask=None):
        """Train on candidate rows, then run the safety test once on the others.

        Parameters
        ----------
        X : array-like, tensor or torch Dataset, of shape (n_rows, ...)
            Finite numbers, or whatever `preprocessor` takes. A Dataset is read once.
        y : array-like of shape (n_rows,), default=None
            Class labels, at least two different ones; a regressor's are numbers. None: those
            of the Dataset.
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
        rows = self._begin(X, y, sensitive_features)
        rng = check_random_state(self.random_state)
        candidate, safety = self._part(rows, safety_mask, rng)
        self._bind(candidate)
        _checks.check_ranges(self._resolved, self.bound, self._range_remedy)
        obstacle = self._train(candidate, len(safety.y), rng)
        certificate = self._judgement(candidate, safety, obstacle, safety_mask is not None)
        self._conclude(recorded(self, certificate, rows), candidate)
        return self

    # -- the steps of fit ------------------------------------------------------------------
    # A search takes them apart: it trains and foresees on parts of the candidate rows, and
    # only what it has chosen comes to a judgement.

    def _begin(self, X, y, sensitive_features):
        """Forget earlier fits; check parameters and rows."""
        self._forget_fit()
        self._fix_promise()
        X, y = _inputs.as_arrays(X, y)
        return self._check_training_rows(X, y, sensitive_features)

    def _fix_promise(self):
        """Check parameters, and keep those that the certificate and `predict` rest on."""
        self._validate_params()
        self._check_keywords()
        self._promised = self._promises()
        self.constraints_ = parse_all(self.constraints)
        self._deltas = _checks.check_deltas(self.delta, len(self.constraints_))

    def _check_training_rows(self, X, y, sensitive_features):
        (given,) = indexable(X)
        _checks.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
        if self.preprocessor is None:
            X, y = validate_data(self, X, y, allow_nd=True)
        else:
            X, y = validate_data(self, X, y, skip_check_array=True)
            check_consistent_length(X, y)
        y, targets = self._learn_targets(y)
        columns = _checks.column_values(self._wanted(), given, sensitive_features, len(y))
        return LabelledRows(X, y, targets, columns, given)

    def _wanted(self):
        """The columns that the constraints name."""
        return {name for constraint in self.constraints_ for name in columns_of(constraint)}

    def _part(self, rows, safety_mask, rng):
        """The candidate and the safety rows."""
        n_rows = len(rows.y)
        self.candidate_indices_, self.safety_indices_ = (
            _checks.split_rows(n_rows, self.safety_size, safety_mask, rng)
            if self.constraints_
            else (np.arange(n_rows), np.arange(0))
        )
        return rows.take(self.candidate_indices_), rows.take(self.safety_indices_)

    def _bind(self, candidate):
        """Give the constraints' names a meaning, from candidate rows."""
        self._levels = _checks.quantified_levels(self.constraints_, candidate.columns)
        schema = self._schema(candidate.columns)
        self._resolved = tuple(bind(constraint, schema) for constraint in self.constraints_)

    def _judgement(self, candidate, safety, obstacle, mask_given=False, share=1.0):
        """The certificate of the trained model, passed or not; None without constraints."""
        if not self.constraints_:
            return None
        if obstacle:
            return self._untested(obstacle, len(safety.y))
        return self._test(safety, mask_given, share, candidate=candidate)

    def _conclude(self, certificate, candidate):
        """Keep the certificate and announce it; without a solution, fit the fallback."""
        self.certificate_ = certificate
        found = certificate is None or certificate.passed
        if certificate is not None:
            self._announce_verdict()
        if not found:
            self.fallback_ = _checks.fitted_fallback(
                self.fallback, candidate.as_given(), candidate.y, self._constant_fallback
            )
            warnings.warn(certificate.explain(), NoSolutionFoundWarning, stacklevel=3)
        self.solution_found_ = found  # last: without it the estimator is not fitted

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
        task, rows = self._task(candidate), _tensors(X, candidate.targets, cells)
        self._warn_of_few_rows(task.labels(rows.y).numpy(), cells, task.n_labels, n_safety)
        problem = self._problem(cells.families, task, n_safety)
        logger.info("Training on %d rows; %d are kept for the test.", len(X), n_safety)
        with torch.random.fork_rng(devices=_generators(device)):
            torch.manual_seed(seed)
            self.net_ = self._make_net(self._sizes(X, task.n_labels), problem, task, device)
            self.net_.fit(rows, resampled=resampled)
        self.history_ = _history_frame(self.net_.history)
        self.n_iter_ = len(self.history_)
        logger.info("Epoch %s of %d is kept.", self.net_.kept_epoch_, self.n_iter_)
        if self.net_.interrupted_:
            if _checks.nearest_caller(*MODEL_SELECTION):
                raise KeyboardInterrupt
            return "training was interrupted"
        return "" if self.net_.kept_epoch_ else "training gave no finite weights"

    def _problem(self, families, task, n_safety):
        return ConstrainedProblem(
            self._resolved,
            self._deltas,
            families,
            task.n_labels,
            n_safety,
            self.power,
            hard=task.hard,
            bound=self.bound,
            exclusive=self._exclusive,
        )

    def _fit_preprocessor(self, candidate):
        """The module's inputs for candidate rows; rows to train on instead, or None."""
        self.preprocessor_ = None
        if self.preprocessor is None:
            return _inputs.to_inputs(candidate.X, candidate.index), None
        fitted = _preprocess.fit_preprocessor(self.preprocessor, candidate.inputs(), candidate.y)
        self.preprocessor_, X, resampled = fitted
        return _inputs.to_inputs(X), resampled and self._resampled_rows(*resampled)

    def _resampled_rows(self, X, y):
        """Rows to train on that a sampler drew or made up; their cells are never looked at."""
        _, targets = self._check_targets(y)
        cells = torch.zeros(len(targets), dtype=torch.int64)
        return TensorRows(_inputs.to_inputs(X), torch.from_numpy(targets), cells)

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

    def _make_net(self, sizes, problem, task, device):
        module = MLP if self.module is None else self.module
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
        optimizer = _checks.accepted_names(self.optimizer)
        accepted = {
            "module": _checks.accepted_names(self.module or MLP),
            "optimizer": optimizer and [*optimizer, "param_groups"],  # skorch's own name
            "criterion": _checks.accepted_names(self.criterion),
            "iterator_train": _checks.accepted_names(torch.utils.data.DataLoader),
            "callbacks": _checks.callback_names(self.callbacks, self.verbose),
        }
        _checks.check_keywords(self, accepted)

    def _sizes(self, X, n_labels):
        """For an MLP the sizes that the data dictate."""
        if self.module is not None and self.module is not MLP:
            return {}
        one_logit = nn.BCEWithLogitsLoss in (self.criterion, type(self.criterion))
        n_outputs = 1 if one_logit else n_labels
        n_features = math.prod(X.shape[1:])
        return {"module__n_features": n_features, "module__n_outputs": n_outputs}

    def _foreseen(self, rows, n_safety):
        """What a test on `n_safety` rows would say, from candidate `rows` not trained on."""
        X = self._preprocessed(rows.X, rows.index)
        cells = self._cells(rows.columns, len(rows.y))
        problem = self._problem(cells.families, self.net_.task_, n_safety)
        return self.net_.foreseen(_tensors(X, rows.targets, cells), problem)

    # -- the safety test -----------------------------------------------------------------

    def _test(self, rows, mask_given=False, share=1.0, method="fit", candidate=None):
        """Run the safety test on `rows`, which nothing was fitted to, at a share of each delta.

        The `candidate` rows, where they are here, are looked at for copies.
        """
        unseen = _checks.unseen_levels(self.constraints_, self._levels, rows.columns)
        if unseen:
            obstacle = f"the tested rows have {unseen}, which no candidate row has"
            return self._untested(obstacle, len(rows.y), method)
        X = self._preprocessed(rows.X, rows.index)
        cells = self._cells(rows.columns, len(rows.y))
        exclusive = self._exclusive & exclusive_columns(cells.families)
        loss, statistics = self.net_.observe(
            _tensors(X, rows.targets, cells),
            cells.families,
        )
        return SafetyCertificate(
            results=tuple(
                certify_constraint(constraint, statistics, share * delta, self.bound, exclusive)
                for constraint, delta in zip(self._resolved, self._deltas, strict=True)
            ),
            loss=loss,
            n_candidate=len(self.candidate_indices_),
            n_safety=len(rows.y),
            assumptions=_checks.assumptions(self._assumptions(), exclusive, mask_given),
            remarks=(*self._remarks(statistics), *_remarks_on_copies(candidate, rows)),
            **self._origin(method),
            fingerprints={
                "data": _checks.fingerprint(X, rows.y, *rows.columns.values()),
                "weights": _persistence.fingerprint(self.net_),
            },
        )

    def _announce_verdict(self):
        logger.info(self.certificate_.verdict)
        if self.verbose:
            print(self.certificate_.verdict)

    def _untested(self, obstacle, n_rows, method="fit"):
        return SafetyCertificate(
            results=tuple(
                untested(constraint, delta, obstacle)
                for constraint, delta in zip(self._resolved, self._deltas, strict=True)
            ),
            loss=math.nan,
            n_candidate=len(self.candidate_indices_),
            n_safety=n_rows,
            **self._origin(method),
        )

    def _origin(self, method):
        """What a certificate says of where it comes from."""
        classes = getattr(self, "classes_", np.array([])).tolist()
        positive = _checks.positive_class(classes, self.pos_label) if classes else None
        return {
            "procedure": f"{type(self).__name__}.{method}",
            "parameters": _checks.as_written(self.get_params(deep=False)),
            **_checks.labels_in_words(classes, positive),
            "versions": _checks.versions(),
        }

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

    # -- the safety test, again ----------------------------------------------------------

    def certify(self, X, y=None, sensitive_features=None):
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
        X, y = _inputs.as_arrays(X, y)
        _checks.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
        if not self.constraints_:
            raise ValueError("There is nothing to certify: the estimator has no constraints.")
        if self._resolved is None:
            raise ValueError(
                "What certify needs of the rows of fit is not among the loaded parameters; use "
                "sklearn_seldonian.certify(estimator, X, y, constraints)."
            )
        y, targets = self._check_targets(y)
        columns = _checks.column_values(self._wanted(), X, sensitive_features, len(y))
        missing = sorted(self._wanted() - set(columns))
        if missing:
            raise ValueError(f"The constraints name columns that are not here: {missing}.")
        given, X = X, self._checked(X)
        check_consistent_length(X, y)
        rows = LabelledRows(X, y, targets, columns, given)
        return recorded(self, self._test(rows, method="certify"), rows)

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
        loaded._fix_promise()
        loaded._resolved = None
        promise = _persistence.promise(loaded)
        if promise != facts["promise"]:
            raise ValueError(f"{path} is about {facts['promise']}, this estimator about {promise}.")
        device = _checks.resolve_device(loaded.device)
        with torch.random.fork_rng(devices=_generators(device)):
            task = task_from(facts["task"])
            net = loaded._make_net(facts["sizes"], None, task, device).initialize()
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
            _persistence.check_weights(certificate, self.net_)


def _tensors(X, targets, cells):
    """Inputs, class positions or numbers, and cells as tensors."""
    return TensorRows(X, torch.from_numpy(targets), torch.from_numpy(cells.codes))


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
