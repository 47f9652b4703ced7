"""What every Seldonian estimator does: train on candidate rows, test once on safety rows."""

from __future__ import annotations

import inspect
import logging
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from sklearn_seldonian._keywords import refuse_keywords, refuse_unknown_keywords
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import BOUNDS, _requests
from sklearn_seldonian.data import _arrays, _groups, _split
from sklearn_seldonian.data._row_sketch import RowSketch, note_rows, row_hashes
from sklearn_seldonian.data._rows import LabelledRows
from sklearn_seldonian.estimators import _fitting, _parameters, _persistence, _safety
from sklearn_seldonian.estimators._html import as_html
from sklearn_seldonian.estimators._reuse import recorded
from sklearn_seldonian.estimators._specification import Promise
from sklearn_seldonian.exceptions import NoSolutionFoundError, NoSolutionFoundWarning
from sklearn_seldonian.learners.lagrangian import module_inputs

__all__ = ["CertifiedEstimator"]

logger = logging.getLogger("sklearn_seldonian")

FIT_ARGUMENTS = ("X", "y", "sensitive_features", "safety_mask")


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
        "safety_batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "multiplier_init": [Interval(Real, 0, None, closed="left")],
        "multiplier_lr": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # What was tested, in all fits; see `recorded`.
    _record = frozenset()
    # Of X without a preprocessor; None where it is not known, as after `load_params`.
    _n_dimensions = None
    # By what a change of the certified model shows; see `check_model`.
    _seal = None
    # The rows of `fit`, to know them again; None where they are not known.
    _fitted_to = None

    # -- parameters ----------------------------------------------------------------------

    def get_params(self, deep=True):
        """As scikit-learn's, with the double-underscore names that were given."""
        params = super().get_params(deep=deep)
        params.update(self._keywords())
        return params

    def set_params(self, **params):
        """As scikit-learn's; names such as ``module__hidden`` need not exist yet."""
        for name in [n for n in params if n.partition("__")[0] in _parameters.NESTED and "__" in n]:
            setattr(self, name, params.pop(name))
        given = {name: params.pop(name) for name in self._keywords() if name in params}
        vars(self).update(given)
        return super().set_params(**params)

    @property
    def partial_fit(self):
        """Not there: training cannot be continued."""
        raise AttributeError(f"There is no partial_fit: {_parameters.NO_CONTINUED_TRAINING}")

    @classmethod
    def _get_param_names(cls):
        """As scikit-learn's; with those that a subclass hands on to its base by **kwargs."""
        names = set()
        for owner in cls.__mro__:
            if "__init__" in vars(owner):
                named, takes_more = _named_parameters(owner.__init__)
                names.update(named)
                if not takes_more:
                    break
        return sorted(names)

    def _keywords(self, prefix=""):
        """What was given beyond the signature, by name, where that begins with `prefix`."""
        if not _named_parameters(type(self).__init__)[1]:
            return {}
        known = self._get_param_names()
        return {
            name: value
            for name, value in vars(self).items()
            if name not in known
            and not name.startswith("_")
            and not name.endswith("_")
            and name.startswith(prefix)
        }

    def __sklearn_is_fitted__(self):
        return hasattr(self, "certificate_")

    # -- fit -----------------------------------------------------------------------------

    # What it does not take is refused inside: nothing may come before its first statement.
    def fit(self, X, y=None, sensitive_features=None, safety_mask=None, **others):
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
        **others
            None. A keyword of another estimator is refused, with what to write instead.

        Returns
        -------
        self
            With ``solution_found_`` saying whether a model was certified; if not, a
            `NoSolutionFoundWarning` is given.
        """
        vars(self).pop("certificate_", None)  # in one step, the first: the verdict is gone
        self.__dict__ = _persistence.without_fit(self)
        refuse_keywords(others, "fit", FIT_ARGUMENTS, self)
        model = _persistence.working_copy(self)
        rows = model._begin(X, y, sensitive_features)
        _requests.warn_of_large_delta(model._promise.deltas)
        hashes = row_hashes(rows.given)
        rng = check_random_state(model.random_state)
        candidate, safety = model._part(rows, safety_mask, rng)
        model._bind(candidate, rows)
        _requests.check_ranges(model._promise.resolved, model.bound, model._range_remedy)
        obstacle = _fitting.train(model, candidate, len(safety.y), rng)
        order_seed, mask_given = _requests.drawn_seed(rng), safety_mask is not None
        certificate = _safety.judgement(model, candidate, safety, obstacle, order_seed, mask_given)
        model._remember(hashes)
        model._conclude(recorded(self, certificate, rows, hashes), candidate)
        self.__dict__ = {**vars(model), "_record": self._record}
        return self

    # -- the steps of fit ------------------------------------------------------------------
    # They run on a copy that nobody holds before it is complete: what ends a fit, at whatever
    # line, leaves the estimator unfitted. A search takes the steps apart: it trains and foresees
    # on parts of the candidate rows, and only what it has chosen comes to a judgement.

    def _begin(self, X, y, sensitive_features):
        """Check parameters and rows."""
        self._fix_promise()
        X, y = _arrays.as_arrays(X, y)
        return self._check_training_rows(X, y, sensitive_features)

    def _fix_promise(self):
        """Check parameters, and keep those that the certificate and `predict` rest on."""
        _parameters.check_module(self.module)
        self._validate_params()
        _parameters.check_instances(preprocessor=self.preprocessor, fallback=self.fallback)
        _fitting.check_keywords(self)
        self._promise = Promise.of(self)
        if self._promise.constraints:
            _parameters.check_own_decisions(self)

    def _check_training_rows(self, X, y, sensitive_features):
        (given,) = indexable(X)
        _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
        if self.preprocessor is None:
            _arrays.check_kinds(X)
            X, y = validate_data(self, X, y, allow_nd=True, ensure_all_finite=False)
            _arrays.check_finite(X, names=self._names_of_features())
            self._n_dimensions = X.ndim
        else:
            rows = _arrays.rows_to_preprocess(X)
            X, y = validate_data(self, rows, y, skip_check_array=True)
            check_consistent_length(X, y)
        y, targets = self._learn_targets(y)
        columns = _groups.column_values(self._promise.columns, given, sensitive_features, len(y))
        return LabelledRows(X, y, targets, columns, given)

    def _part(self, rows, safety_mask, rng):
        """The candidate and the safety rows."""
        n_rows = len(rows.y)
        _groups.check_same_order(X=rows.given, safety_mask=safety_mask)
        self.candidate_indices_, self.safety_indices_ = (
            _split.split_rows(n_rows, self.safety_size, safety_mask, rng)
            if self._promise.constraints
            else (np.arange(n_rows), np.arange(0))
        )
        return rows.take(self.candidate_indices_), rows.take(self.safety_indices_)

    def _bind(self, candidate, rows):
        """Give the constraints' names a meaning, from candidate rows.

        Of the other `rows` only the levels there are count, for what can be named at all.
        """
        elsewhere = _groups.levels_elsewhere(self._promise.constraints, rows.columns)
        schema = self._schema(candidate.columns, elsewhere)
        self._promise = self._promise.bound_to(candidate.columns, schema)

    def _remember(self, hashes):
        """Keep what it takes to know the rows again that have these `hashes`."""
        self._fitted_to = RowSketch.of(hashes, self.candidate_indices_, self.safety_indices_)

    def _conclude(self, certificate, candidate):
        """Announce the verdict and keep the certificate; without a solution, fit the fallback."""
        if certificate is not None:
            logger.info(certificate.verdict)
            if self.verbose:
                print(certificate.verdict)
            if not certificate.passed:
                self.fallback_ = _parameters.fitted_fallback(
                    self.fallback, candidate.as_given(), candidate.y, self._constant_fallback
                )
                warn_user(certificate.explain(), NoSolutionFoundWarning)
        self.certificate_ = certificate
        if self.solution_found_:
            _persistence.check_model(self)

    # -- the safety test, again ----------------------------------------------------------

    @refuse_unknown_keywords
    def certify(self, X, y=None, sensitive_features=None, *, random_state=None):
        """Test the same constraints on fresh rows.

        Parameters
        ----------
        X, y, sensitive_features
            Rows that neither `fit` nor any other choice has seen, as `fit` takes them.
        random_state : int, RandomState or None, default=None
            As of `sklearn_seldonian.certify`.

        Returns
        -------
        SafetyCertificate

        Raises
        ------
        NoSolutionFoundError
            If there is no model.
        ValueError
            If there are no constraints, `y` holds what `fit` would refuse or did not see, or the
            model was changed after it was certified.
        """
        self._check_certified()
        order_seed = _requests.order_seed(random_state)
        X, y = _arrays.as_arrays(X, y)
        _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
        if not self._promise.constraints:
            raise ValueError("There is nothing to certify: the estimator has no constraints.")
        if self._promise.resolved is None:
            raise ValueError(
                "What certify needs of the rows of fit is not among the loaded parameters; use "
                "sklearn_seldonian.certify(estimator, X, y, constraints)."
            )
        y, targets = self._check_targets(y)
        columns = _groups.column_values(self._promise.columns, X, sensitive_features, len(y))
        missing = sorted(self._promise.columns - set(columns))
        if missing:
            raise ValueError(f"The constraints name columns that are not here: {missing}.")
        for constraint in self._promise.resolved:
            _groups.check_fresh_columns(constraint.conditions, columns)
        given, X = X, self._checked(X)
        check_consistent_length(X, y)
        rows = LabelledRows(X, y, targets, columns, given)
        certificate = _safety.safety_test(
            self, rows, _safety.origin_of(self, self.certificate_), order_seed
        )
        return recorded(self, certificate, rows, row_hashes(given), fitted_to=self._fitted_to)

    # -- the model -----------------------------------------------------------------------

    @property
    def constraints_(self):
        """The constraints that `fit` was given, parsed."""
        check_is_fitted(self)
        return self._promise.constraints

    @property
    def solution_found_(self):
        """Whether there is a model that passed; without constraints, whether there is one."""
        check_is_fitted(self)
        certificate = self.certificate_
        return not self._promise.constraints if certificate is None else certificate.passed

    @property
    def module_(self):
        """The fitted torch module."""
        return self._trained_net.module_

    @property
    def _trained_net(self):
        check_is_fitted(self)
        if not hasattr(self, "net_"):
            raise AttributeError(f"No model was trained. {self.certificate_.explain()}")
        return self.net_

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
        _persistence.check_model(self)

    def _checked(self, X):
        X, _ = _arrays.as_arrays(X)
        note_rows(type(self).__name__, self._fitted_to, X)
        if self.preprocessor_ is None:
            _arrays.check_kinds(X)
            X = validate_data(self, X, reset=False, allow_nd=True, ensure_all_finite=False)
            _arrays.check_finite(X, names=self._names_of_features())
            if self._n_dimensions not in (None, X.ndim):
                raise ValueError(
                    f"X has {X.ndim} dimensions, but {type(self).__name__} was fitted to "
                    f"{self._n_dimensions}: give it rows of the same shape."
                )
            return X
        rows = _arrays.rows_to_preprocess(X, getattr(self, "n_features_in_", None))
        return validate_data(self, rows, reset=False, skip_check_array=True)

    def _for_fallback(self, X):
        """The rows as the fallback takes them, refused where a model would refuse them."""
        X, _ = _arrays.as_arrays(X)
        module_inputs(self.preprocessor_, self._checked(X))
        return X

    def _names_of_features(self):
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else names.tolist()

    def _scores(self, X):
        _persistence.check_model(self)
        inputs = module_inputs(self.preprocessor_, self._checked(X))
        return torch.cat(list(self.net_.scores(inputs)))

    def _html_repr(self):
        return as_html(self)

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
            If there is a preprocessor, which is not made of weights, or if the model was
            changed after it was certified.
        """
        self._check_certified()
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
            If the file holds other constraints, or is of another module, than the estimator
            has; if its weights do not fit the module or are not those that were certified; if
            it has no certificate that passed; or if the estimator is fitted and has another
            certificate. It is left unchanged.
        """
        loaded = vars(_persistence.loaded(self, path))
        same_model = getattr(self, "certificate_", None) is not None
        fitted_to = self._fitted_to if same_model else None
        self.__dict__ = {**loaded, **_persistence.without_fit(self), "_fitted_to": fitted_to}
        return self

    def __getstate__(self):
        return _persistence.packed(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(_persistence.unpacked(state))
        if hasattr(self, "net_"):
            _persistence.check_model(self)


def _named_parameters(function):
    """Names of the parameters that can be given by name, and whether any other can be, too."""
    parameters = inspect.signature(function).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [p.name for p in parameters if p.kind in named and p.name != "self"]
    return names, any(p.kind is p.VAR_KEYWORD for p in parameters)
