"""What every Seldonian estimator does: train on candidate rows, test once on safety rows."""

from __future__ import annotations

import inspect
import logging
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from sklearn_seldonian._keywords import refuse_keywords, refuse_unknown_keywords
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import METHODS, _requests
from sklearn_seldonian.certification._certifier import Origin, run_safety_test
from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.data import _arrays, _groups
from sklearn_seldonian.data._row_sketch import RowSketch, note_rows, row_hashes
from sklearn_seldonian.data._rows import LabelledRows
from sklearn_seldonian.data._split import split_rows
from sklearn_seldonian.estimators import _parameters, _persistence
from sklearn_seldonian.estimators._all_or_nothing import AllOrNothing
from sklearn_seldonian.estimators._callers import end_if_interrupted
from sklearn_seldonian.estimators._html import as_html
from sklearn_seldonian.estimators._reuse import reuse_of
from sklearn_seldonian.exceptions import NoSolutionFoundError, NoSolutionFoundWarning
from sklearn_seldonian.learners import NotTrained, Problem, certify_outcome
from sklearn_seldonian.learners.lagrangian import LagrangianLearner, TrainedNet, module_inputs
from sklearn_seldonian.learners.lagrangian._keywords import (
    PREFIXES,
    accepted_keywords,
    check_iterator,
)

logger = logging.getLogger("sklearn_seldonian")

FIT_ARGUMENTS = ("X", "y", "sensitive_features", "safety_mask")


class CertifiedEstimator(AllOrNothing, BaseEstimator):
    """All that does not depend on what is predicted.

    A subclass says what is particular to its targets: what they are (`_learn_targets`), and which
    parameters `predict` and the certificate rest on beside the constraints (`_promised`).
    `_constant_fallback` is the estimator that ``fallback="majority"`` or "mean" stands for.

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
        "method": [StrOptions(set(METHODS))],
        "safety_size": [
            Interval(Real, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "power": [Interval(Real, 0, 1, closed="neither")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "eval_batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "multiplier_init": [Interval(Real, 0, None, closed="left")],
        "multiplier_lr": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _left_by_fit = frozenset(
        {
            "_bound_specification",
            "_fitted_to",
            "_n_dimensions",
            "_promises",
            "_seal",
            "_specification",
            "_targets",
        }
    )
    # What was tested, in all fits; see `reuse_of`.
    _tests_run = frozenset()
    # What was asked for; with the meaning that candidate rows gave it (None after `load_params`).
    _specification = None
    _bound_specification = None
    # What is predicted: Labels or Numbers.
    _targets = None
    # Of X without a preprocessor; None where it is not known, as after `load_params`.
    _n_dimensions = None
    # By what a change of the certified model shows; see `_persistence.check_model`.
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
        for name in [n for n in params if n.partition("__")[0] in PREFIXES and "__" in n]:
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
        self.__dict__ = self._without_fit()
        refuse_keywords(others, "fit", FIT_ARGUMENTS, self)
        model = self._working_copy()
        rows = model._validate(X, y, sensitive_features)
        _requests.warn_of_large_delta(model._specification.deltas)
        hashes = row_hashes(rows.given)
        rng = check_random_state(model.random_state)
        split = split_rows(rows, model._n_held_out, safety_mask, rng)
        problem = Problem.of(
            model._specification, model._targets, model.measures, split, model.power
        )
        model._bound_specification = problem.specification
        _requests.check_ranges(problem.specification, model._targets.range_remedy)
        outcome = model._learner().train(problem, split.candidate, rng)
        end_if_interrupted(outcome.interrupted)
        order_seed = _requests.drawn_seed(rng)
        certificate = certify_outcome(outcome, problem, split, model._origin, order_seed)
        reuse = reuse_of(certificate, self._tests_run, type(self).__name__, rows, hashes)
        self._tests_run = reuse.tests_run
        model._store(outcome, split, reuse.told_of(certificate), hashes)
        self.__dict__ = {**vars(model), "_tests_run": self._tests_run}
        return self

    # -- the steps of fit ------------------------------------------------------------------
    # They run on a copy that nobody holds before it is complete: what ends a fit, at whatever
    # line, leaves the estimator unfitted. A search takes the same steps.

    def _validate(self, X, y, sensitive_features):
        """Check parameters and rows."""
        self._specify()
        X, y = _arrays.as_arrays(X, y)
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
        self._targets, y, learned = self._learn_targets(y)
        wanted = self._specification.columns
        columns = _groups.column_values(wanted, given, sensitive_features, len(y))
        return LabelledRows(X, y, learned, columns, given)

    def _specify(self):
        """Check parameters, and keep those that the certificate and `predict` rest on."""
        _parameters.check_module(self.module)
        self._validate_params()
        _parameters.check_instances(preprocessor=self.preprocessor, fallback=self.fallback)
        parts = self.module, self.optimizer, self.criterion, self.callbacks, self.verbose
        keywords = self._keywords()
        _parameters.check_keywords(keywords, self._get_param_names(), accepted_keywords(*parts))
        check_iterator(keywords)
        constraints = parse_all(self.constraints)
        deltas = _requests.check_deltas(self.delta, len(constraints))
        self._specification = Specification(constraints, deltas, self.method)
        self._promises = _persistence.in_words(
            self._specification, self._promised(), self.module, self._keywords("module")
        )
        if constraints:
            _parameters.check_own_decisions(type(self))

    @property
    def _n_held_out(self):
        """The share or number of safety rows: none without constraints."""
        return self.safety_size if self._specification.constraints else 0

    def _learner(self):
        """What trains, by the parameters."""
        names = (
            "criterion",
            "optimizer",
            "lr",
            "max_epochs",
            "batch_size",
            "n_iter_no_change",
            "eval_batch_size",
            "multiplier_init",
            "multiplier_lr",
            "callbacks",
            "verbose",
        )
        settings = {name: getattr(self, name) for name in names}
        return LagrangianLearner(
            self.module, self.preprocessor, self.device, {**settings, **self._keywords()}
        )

    @property
    def _origin(self):
        """What a certificate of `fit` says of where it comes from."""
        schema = self._targets.schema
        return Origin.of(
            f"{type(self).__name__}.fit",
            self.get_params(deep=False),
            schema["classes"],
            schema["positive"],
        )

    def _store(self, outcome, split, certificate, hashes):
        """Keep what came of a fit, and announce the verdict.

        `hashes` of the rows of `fit` are what it takes to know them again. Without a solution the
        fallback is fitted.
        """
        self.candidate_indices_ = split.candidate_indices
        self.safety_indices_ = split.safety_indices
        self._fitted_to = RowSketch.of(hashes, split.candidate_indices, split.safety_indices)
        self._keep_model(outcome)
        if certificate is not None:
            logger.info(certificate.verdict)
            if self.verbose:
                print(certificate.verdict)
            if not certificate.passed:
                candidate = split.candidate
                self.fallback_ = _parameters.fitted_fallback(
                    self.fallback, candidate.as_given(), candidate.y, self._constant_fallback
                )
                warn_user(certificate.explain(), NoSolutionFoundWarning)
        self.certificate_ = certificate
        if self.solution_found_:
            self._check_model()

    def _without_test(self, outcome):
        """A copy with what was trained that answers without a certificate, to be scored."""
        model = self._working_copy()
        model._specification = Specification((), (), self.method)
        model._keep_model(outcome)
        model.certificate_ = None
        return model

    def _keep_model(self, outcome):
        """Keep what was trained, as far as it came."""
        model, history = outcome.model, outcome.history
        is_partial = isinstance(outcome, NotTrained)
        self.preprocessor_ = outcome.preprocessor if is_partial else model.preprocessor
        if model is not None:
            self.net_, self.history_, self.n_iter_ = model.net, history, len(history)

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
        if not self._specification.constraints:
            raise ValueError("There is nothing to certify: the estimator has no constraints.")
        specification = self._bound_specification
        if specification is None:
            raise ValueError(
                "What certify needs of the rows of fit is not among the loaded parameters; use "
                "sklearn_seldonian.certify(estimator, X, y, constraints)."
            )
        y, learned = self._targets.check(y)
        wanted = self._specification.columns
        columns = _groups.column_values(wanted, X, sensitive_features, len(y))
        missing = sorted(wanted - set(columns))
        if missing:
            raise ValueError(f"The constraints name columns that are not here: {missing}.")
        for constraint in specification.constraints:
            _groups.check_fresh_columns(constraint.conditions, columns)
        given, X = X, self._checked(X)
        check_consistent_length(X, y)
        rows = LabelledRows(X, y, learned, columns, given)
        of_fit = self.certificate_  # parameters may have been set since
        origin = Origin(
            f"{type(self).__name__}.certify",
            of_fit.parameters,
            of_fit.classes,
            of_fit.positive,
            of_fit.n_candidate,
        )
        certificate = run_safety_test(specification, self._model, rows, origin, order_seed)
        reuse = reuse_of(
            certificate,
            self._tests_run,
            type(self).__name__,
            rows,
            row_hashes(given),
            fitted_to=self._fitted_to,
        )
        self._tests_run = reuse.tests_run
        return reuse.told_of(certificate)

    # -- the model -----------------------------------------------------------------------

    @property
    def constraints_(self):
        """The constraints that `fit` was given, parsed."""
        check_is_fitted(self)
        return self._specification.constraints

    @property
    def solution_found_(self):
        """Whether there is a model that passed; without constraints, whether there is one."""
        check_is_fitted(self)
        certificate = self.certificate_
        return not self._specification.constraints if certificate is None else certificate.passed

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

    @property
    def _model(self):
        """What answers."""
        return TrainedNet(self._trained_net, self.preprocessor_, self._targets)

    def _check_model(self):
        """Refuse a model that is not the one that the certificate is about."""
        model, classes = self._model, getattr(self, "classes_", ())
        self._seal = _persistence.check_model(model, self.certificate_, classes, self._seal)

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
        self._check_model()

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
        self._check_model()
        return self._model.scores(self._checked(X))

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
        names = getattr(self, "feature_names_in_", None)
        facts = {
            "promise": self._promises,
            "certificate": self.certificate_ and self.certificate_.to_json(),
            "n_features_in": self.n_features_in_,
            "feature_names_in": None if names is None else names.tolist(),
            "classes": _persistence.labels_in_words(getattr(self, "classes_", None)),
        }
        _persistence.write(path, self._model, facts)

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
        same_model = getattr(self, "certificate_", None) is not None
        fitted_to = self._fitted_to if same_model else None
        loaded = vars(self._loaded(path))
        self.__dict__ = {**loaded, **self._without_fit(), "_fitted_to": fitted_to}
        return self

    def _loaded(self, path):
        """A clone with the model in a file."""
        model = clone(self)
        model._specify()
        asked = _persistence.Asked(
            model._specification,
            model._promises,
            f"{type(self).__name__}.fit",
            model.get_params(deep=False),
            model._keywords("module__"),
        )
        file = _persistence.read(path, asked)
        model._targets = model._saved_targets(file.classes)
        net = file.load_into(model._learner(), path)
        model._keep_loaded(net, file)
        if getattr(self, "certificate_", file.certificate) != file.certificate:
            raise ValueError(
                f"{path} holds another model than the one that this estimator's certificate is "
                "about; load it into sklearn.base.clone(estimator)."
            )
        model._check_model()
        file.check_digests()
        return model

    def _keep_loaded(self, net, file):
        self.net_, self.preprocessor_, self.certificate_ = net, None, file.certificate
        self.n_features_in_ = file.facts["n_features_in"]
        if file.facts["feature_names_in"] is not None:
            self.feature_names_in_ = np.array(file.facts["feature_names_in"], dtype=object)
        if file.classes is not None:
            self.classes_ = file.classes

    def __getstate__(self):
        return _persistence.compact_state(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(_persistence.expand_state(state))
        if hasattr(self, "net_"):
            self._check_model()


def _named_parameters(function):
    """Names of the parameters that can be given by name, and whether any other can be, too."""
    parameters = inspect.signature(function).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [p.name for p in parameters if p.kind in named and p.name != "self"]
    return names, any(p.kind is p.VAR_KEYWORD for p in parameters)
