"""The base of every Seldonian estimator: train on candidate rows, test once on safety rows."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, estimator_html_repr, indexable
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from sklearn_seldonian._keywords import refuse_keywords, refuse_unknown_keywords
from sklearn_seldonian._palette import on_one_line
from sklearn_seldonian._text import wrapped
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import _requests
from sklearn_seldonian.certification._certifier import Origin, run_safety_test
from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.data import _arrays, _groups, _targets
from sklearn_seldonian.data._row_sketch import RowSketch, note_rows, row_hashes
from sklearn_seldonian.data._shift import check_has_column, shift_of
from sklearn_seldonian.data._split import LabelledRows, Split, split_rows
from sklearn_seldonian.data._units import units_of
from sklearn_seldonian.estimators import _html, _parameters, _saved
from sklearn_seldonian.estimators._all_or_nothing import AllOrNothing
from sklearn_seldonian.estimators._callers import end_if_interrupted
from sklearn_seldonian.estimators._groups_seen import cells_seen
from sklearn_seldonian.estimators._reuse import reuse_of
from sklearn_seldonian.estimators._saved_weights import SavedWeights
from sklearn_seldonian.estimators._seal import check_model
from sklearn_seldonian.estimators._verified import RepeatedTests
from sklearn_seldonian.exceptions import NoSolutionFoundError, NoSolutionFoundWarning
from sklearn_seldonian.learners import NotTrained, Problem, Trained, certify_outcome
from sklearn_seldonian.learners.lagrangian import ALONE, TrainedNet, module_inputs

logger = logging.getLogger("sklearn_seldonian")

FIT_ARGUMENTS = ("X", "y", "sensitive_features", "safety_mask", "groups", "sample_weight", "shift")
UNLIKE = (
    "The processes called fit with different rows or parameters. With distributed=True every "
    "process must call fit with the same ones. Give all rows to each process: the processes divide "
    "the rows of each batch among themselves."
)


@dataclass(frozen=True)
class Setup:
    """The rows, the split and the problem that one model is trained and tested on.

    Parameters
    ----------
    rows : LabelledRows
        All rows that `fit` was given.
    split : Split
    problem : Problem
    rng : RandomState
        The source of random numbers in training.
    """

    rows: LabelledRows
    split: Split
    problem: Problem
    rng: np.random.RandomState

    @property
    def other_arguments(self):
        """The arguments of `fit` besides X."""
        rows = self.rows
        return rows.targets, rows.columns, rows.units, self.split.safety_indices

    @property
    def safety_mask(self):
        """Which rows are for the safety test."""
        mask = np.zeros(len(self.rows.y), dtype=bool)
        mask[self.split.safety_indices] = True
        return mask


class CertifiedEstimator(AllOrNothing, SavedWeights, RepeatedTests, BaseEstimator):
    """The part of the estimators that depends neither on the targets nor on the learner.

    One subclass defines what is particular to its targets: `_learn_targets` and `_targets_of`
    describe them, and `_promised` returns the parameters that `predict` and the certificate depend
    on in addition to the constraints. `_constant_fallback` is the estimator that
    ``fallback="majority"`` or "mean" stands for. Another subclass defines what is particular to the
    learner: `_learner` returns it, `_promised_model` describes the module whose weights are saved,
    and `_takes_rows` is what transforms rows before the module, None if the module takes numbers.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = _parameters.SHARED
    # Digests of the tests of all fits; see `reuse_of`.
    _tests_run: frozenset[tuple[str, str]] = frozenset()
    # The constraints, bound to the candidate rows. This and the next two are None where they are
    # not known, as after `load_params`.
    _bound_specification_: Any = None
    # The number of dimensions of X, if there is no preprocessor.
    _n_dimensions_: int | None = None
    # A sketch of the rows of `fit`, by which they are recognised later.
    _fitted_to_ = None
    # The populations to certify for, if they are not the one that the rows are drawn from.
    _shift_ = None
    # The state by which a change of the certified model is noticed; see `check_model`.
    _seal_ = None

    @property
    def partial_fit(self):
        """Not available: training cannot be continued."""
        raise AttributeError(f"There is no partial_fit: {_parameters.NO_CONTINUED_TRAINING}")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "certificate_")

    # -- fit -----------------------------------------------------------------------------

    # Unknown keywords are refused inside: nothing may run before the first statement of `fit`.
    def fit(
        self,
        X,
        y=None,
        sensitive_features=None,
        safety_mask=None,
        groups=None,
        sample_weight=None,
        shift=None,
        **others,
    ):
        """Train on candidate rows, then run the safety test once on the safety rows.

        Parameters
        ----------
        X : array-like, tensor or torch Dataset, of shape (n_rows, ...)
            Finite numbers, or rows that `preprocessor` accepts. A Dataset is read once.
        y : array-like of shape (n_rows,), default=None
            Class labels, with at least two different ones, or the numbers to predict for a
            regressor. With ``missing="exclude"`` some may be missing. None: the targets in the
            Dataset.
        sensitive_features : Series, DataFrame or array-like of n_rows, default=None
            Columns that the constraints' conditions name. The model is not trained on them.
        safety_mask : bool array of shape (n_rows,), default=None
            True for the rows of the safety test. The choice must not depend on outcomes. None:
            `safety_size` rows are drawn at random.
        groups : array-like of shape (n_rows,), default=None
            Rows with the same value form a group, such as the rows of one person, school or day.
            Rows of a group may depend on each other in any way; the groups have to be independent
            draws from the population. Either all rows of a group are tested or none. None: each
            row is a group of its own.
        sample_weight : array-like of shape (n_rows,), default=None
            The weight of each row in training and in the test, at least 0. The certificate is
            then about the weighted population. Training draws rows by their weights. None: all
            rows count the same.
        shift : mapping of a column to the shares of its levels, default=None
            The populations to train and certify for, as in `sklearn_seldonian.certify`. None: the
            population that the rows are drawn from.
        **others
            Not used. A keyword of another estimator is refused; the message says what to write
            instead.

        Returns
        -------
        self
            ``solution_found_`` says whether a model was certified.

        Raises
        ------
        TypeError, ValueError
            If parameters or rows are not as described here. The message says which.

        Warns
        -----
        NoSolutionFoundWarning
            If no model was certified.
        SafetyDataReusedWarning
            If the safety rows were tested before.
        """
        # The first statement of `fit` removes the old certificate, so no interrupt can keep it.
        self.__dict__.pop("certificate_", None)
        self.__dict__ = self._without_fit()
        refuse_keywords(others, "fit", FIT_ARGUMENTS, self)
        model = self._working_copy()
        setup = model._set_up(X, y, sensitive_features, safety_mask, groups, sample_weight, shift)
        setup.problem.warn()
        hashes = row_hashes(setup.rows.given)
        processes = model._processes
        processes.check_same((hashes, *setup.other_arguments, model._promises_), UNLIKE)
        outcome = model._train(setup, setup.split.candidate)
        certificate = processes.from_first(
            lambda: certify_outcome(
                outcome, setup.problem, setup.split, model._origin, _requests.drawn_seed(setup.rng)
            )
        )
        processes.check_same(repr(certificate), UNLIKE)  # also waits for all processes
        name = type(self).__name__
        known = self._tests_run, name, setup.rows, hashes
        reuse = reuse_of([certificate], *known, registry=self.registry)
        self._tests_run = model._tests_run = reuse.tests_run
        model._store(outcome, setup, reuse.with_notes(certificate), hashes)
        self.__dict__ = model.__dict__
        return self

    # -- the steps of fit ------------------------------------------------------------------
    # They run on a copy of the estimator, so that a fit that is interrupted at any line leaves the
    # estimator itself unfitted. A search has the same steps.

    def _set_up(self, X, y, sensitive_features, safety_mask, groups, sample_weight, shift):
        """Check parameters and rows, split the rows, and bind the constraints to them."""
        self._specify()
        self._shift_ = shift_of(shift)
        if self._shift_ is not None and getattr(self, "group_thresholds", False):
            raise ValueError(
                "Both group_thresholds=True and shift= were given, and they cannot be combined: "
                "leave one out."
            )
        rows = self._validate(X, y, sensitive_features, groups, sample_weight)
        self._check_labels(rows)
        rng = self._processes.random_numbers(check_random_state(self.random_state))
        safety_size = self.safety_size if self._specification_.constraints else 0
        split = split_rows(rows, safety_size, safety_mask, rng)
        problem = Problem.of(self._specification_, self._targets_, self.measures, split, self.power)
        self._bound_specification_ = problem.specification
        return Setup(rows, split, problem, rng)

    def _specify(self):
        """Check parameters, and keep those that the certificate and `predict` depend on."""
        self._check_parameters()
        constraints = parse_all(self.constraints)
        if constraints:
            _parameters.check_own_decisions(type(self))
        deltas = _requests.check_deltas(self.delta, len(constraints))
        self._specification_ = Specification(constraints, deltas, self.method, self.missing)
        self._check_specification()
        promised = {"estimator": type(self).__name__, **self._promised()}
        model = self._promised_model()
        self._promises_ = _saved.in_words(self._specification_, promised, model)

    @property
    def _processes(self):
        """The processes that train together."""
        return ALONE

    def _check_specification(self):
        """Refuse constraints that cannot be combined with the other parameters."""

    def _validate(self, X, y, sensitive_features, groups, sample_weight):
        """The rows that `fit` was given, checked."""
        X, y = _arrays.as_arrays(X, y)
        (given,) = indexable(X)
        _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
        gaps = _targets.has_gaps(y)  # `_learn_targets` refuses them unless `missing` allows them
        X, checked = self._checked(X, self._takes_rows, y=np.zeros(len(y)) if gaps else y)
        y = y if gaps else checked
        if self._takes_rows is None:
            self._n_dimensions_ = X.ndim
        check_consistent_length(X, y)
        self._targets_, y, learned = self._learn_targets(y)
        columns = self._columns(given, sensitive_features, y)
        units = self._units(groups, sample_weight, columns, len(y))
        return LabelledRows(X, y, learned, columns, given, units=units)

    def _check_labels(self, rows):
        """Refuse rows without a label where training cannot use them."""
        if rows.has_label is None:
            return
        others = {"shift=": self._shift_ is not None, "distributed=True": self._processes.n > 1}
        for name, is_given in others.items():
            if is_given:
                raise ValueError(
                    f"{name} was given, and y has missing labels. In fit the two cannot be "
                    f"combined: leave {name} out, or leave those rows out."
                )

    def _units(self, groups, sample_weight, columns, n_rows):
        """The units that are drawn independently from the population; None if these are rows."""
        most, shift = (self.max_group_size, self.max_weight), self._shift_
        check_has_column(shift, columns)
        moved = None if shift is None else (shift, columns[shift.column])
        return units_of(groups, sample_weight, n_rows, *most, shift=moved)

    def _checked(self, X, preprocessor, **targets):
        """The rows as the model takes them; in `fit`, which gives `targets`, these as well."""
        options = {"reset": bool(targets), **targets}
        _arrays.check_names(X)
        if preprocessor is not None:
            rows = _arrays.rows_to_preprocess(X, getattr(self, "n_features_in_", None))
            return validate_data(self, rows, skip_check_array=True, **options)
        _arrays.check_kinds(X)
        checked = validate_data(self, X, allow_nd=True, ensure_all_finite=False, **options)
        _arrays.check_finite(checked[0] if targets else checked, names=self._feature_names())
        return checked

    def _feature_names(self):
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else names.tolist()

    def _columns(self, X, sensitive_features, y):
        """The columns that constraints may name. Those that they do name are checked."""
        wanted = self._specification_.columns | ({self._shift_.column} if self._shift_ else set())
        missing = self._specification_.missing
        columns = _groups.column_values(wanted, X, sensitive_features, len(y), missing)
        return _groups.with_label_column(columns, y, missing)

    def _train(self, setup, rows):
        """The outcome of training on some of the candidate rows."""
        outcome = self._learner().train(setup.problem, rows, setup.rng)
        end_if_interrupted(outcome.interrupted)
        return outcome

    @property
    def _origin(self):
        """The origin that a certificate of `fit` states."""
        schema, parameters = self._targets_.schema, self.get_params(deep=False)
        if self._shift_ is not None:
            parameters["shift"] = self._shift_
        name = type(self).__name__
        return Origin.of(
            f"{name}.fit", parameters, schema["classes"], schema["positive"], estimator=name
        )

    def _store(self, outcome, setup, certificate, hashes):
        """Store the outcome of a fit, and announce the verdict.

        The rows of `fit` are recognised later by their `hashes`. If no solution was found, the
        fallback is fitted.
        """
        split = setup.split
        self._split_ = len(setup.rows.y), np.packbits(setup.safety_mask)  # small in a pickle
        self._fitted_to_ = RowSketch.of(hashes, split.candidate_indices, split.safety_indices)
        self._keep_model(outcome)
        if certificate is not None:
            logger.info(certificate.verdict)
            if self.verbose and not self._processes.rank:
                lines = map(on_one_line, (certificate.verdict, *certificate.remarks))
                print(wrapped("\n".join(lines)))
            if not certificate.passed:
                candidate = split.candidate.labelled()
                self.fallback_ = _parameters.fitted_fallback(
                    self.fallback, candidate.as_given(), candidate.y, self._constant_fallback
                )
                warn_user(certificate.explain(width=None), NoSolutionFoundWarning)
        self.certificate_ = certificate
        if self.solution_found_:
            self._check_model()

    def _keep_model(self, outcome):
        """Store the trained model, or the parts of it that training produced."""
        model, history = outcome.model, outcome.history
        if isinstance(outcome, Trained):
            chosen = self._bound_specification_.with_choices(outcome.choices)
            self._bound_specification_ = chosen
        is_partial = isinstance(outcome, NotTrained)
        self.preprocessor_ = outcome.preprocessor if is_partial else model.preprocessor
        if model is not None:
            self.net_, (self.history_, self.step_history_) = model.net, history
            self.n_iter_ = len(model.net.history)

    def _without_test(self, outcome):
        """A copy with the trained model that predicts without a certificate, for scoring."""
        model = self._working_copy()
        model._specification_ = Specification((), (), self.method)
        model._keep_model(outcome)
        model.certificate_ = None
        return model

    # -- the safety test, again ----------------------------------------------------------

    @refuse_unknown_keywords
    def certify(
        self,
        X,
        y=None,
        sensitive_features=None,
        *,
        groups=None,
        sample_weight=None,
        random_state=None,
    ):
        """Test the same constraints on fresh rows.

        Parameters
        ----------
        X, y, sensitive_features, groups, sample_weight
            As in `fit`. Neither `fit` nor any other choice about the model may have used these
            rows.
        random_state : int, RandomState or None, default=None
            As in `sklearn_seldonian.certify`.

        Returns
        -------
        SafetyCertificate

        Raises
        ------
        NoSolutionFoundError
            If there is no model.
        ValueError
            If there are no constraints, if `y` has a value that `fit` would refuse or a label that
            it did not see, or if the model was changed after it was certified.
        """
        self._seal_ = None  # before a new certificate the whole model is digested
        self._check_certified()
        order_seed = _requests.order_seed(random_state)
        X, y = _arrays.as_arrays(X, y)
        _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
        rows = self._fresh_rows(X, y, sensitive_features)
        units = self._units(groups, sample_weight, rows.columns, len(rows.y))
        rows = dataclasses.replace(rows, units=units)
        of_fit = self.certificate_  # parameters may have been changed since
        name = type(self).__name__
        of_the_model = of_fit.parameters, of_fit.classes, of_fit.positive, of_fit.n_candidate
        origin = Origin(f"{name}.certify", *of_the_model, estimator=name)
        certificate = run_safety_test(
            self._bound_specification_, self._model, rows, origin, order_seed
        )
        hashes = row_hashes(X)
        known = self._tests_run, name, rows, hashes, self._fitted_to_
        reuse = reuse_of([certificate], *known, registry=self.registry)
        self._tests_run = reuse.tests_run
        return reuse.with_notes(certificate)

    def _fresh_rows(self, X, y, sensitive_features):
        """Check rows that `fit` has not seen."""
        if not self._specification_.constraints:
            raise ValueError(
                "The estimator has no constraints, so there is nothing to certify. Fit it with "
                "constraints, or use sklearn_seldonian.certify(estimator, X, y, constraints)."
            )
        if self._bound_specification_ is None:
            raise ValueError(
                "The method certify needs facts about the rows of fit, and a file of save_params "
                "does not hold them. Use sklearn_seldonian.certify(estimator, X, y, constraints)."
            )
        y, learned = self._targets_.check(y, self._specification_.missing)
        columns = self._columns(X, sensitive_features, y)
        missing = sorted(self._specification_.columns - set(columns))
        if missing:
            raise ValueError(
                f"The constraints name columns that were not given: {missing}. Give them in "
                "sensitive_features."
            )
        for constraint in self._bound_specification_.constraints:
            _groups.check_fresh_columns(constraint.conditions, columns)
        checked = self._inputs(X)
        check_consistent_length(checked, y)
        return LabelledRows(checked, y, learned, columns, X)

    # -- the model -----------------------------------------------------------------------

    @property
    def constraints_(self):
        """The constraints that `fit` was given, parsed."""
        check_is_fitted(self)
        return self._specification_.constraints

    @property
    def solution_found_(self):
        """Whether a model passed the safety test. True if there are no constraints."""
        constraints, certificate = self.constraints_, self.certificate_
        return not constraints if certificate is None else certificate.passed

    @property
    def candidate_indices_(self):
        """Positions of the candidate rows, ascending."""
        return np.flatnonzero(~self._is_safety)

    @property
    def safety_indices_(self):
        """Positions of the safety rows, ascending."""
        return np.flatnonzero(self._is_safety)

    @property
    def _is_safety(self):
        n_rows, bits = self._split_
        return np.unpackbits(bits, count=n_rows).astype(bool)

    @property
    def module_(self):
        """The fitted torch module."""
        return self._trained_net.module_

    @property
    def price_(self):
        """What the constraints cost in the choice of the model; None if they changed nothing."""
        return self._model.price

    @property
    def _trained_net(self):
        check_is_fitted(self)
        if not hasattr(self, "net_"):
            raise AttributeError(f"No model was trained. {self.certificate_.explain(width=None)}")
        return self.net_

    @property
    def _model(self):
        """The model that predicts."""
        return TrainedNet(self._trained_net, self.preprocessor_, self._targets_)

    @property
    def _decided_by(self):
        """What predictions depend on, for digests of models that contain this one."""
        names = ("net_", "preprocessor_", "classes_", "certificate_", "fallback_")
        return [(name, getattr(self, name, None)) for name in names]

    def _check_model(self):
        """Refuse a model that is not the one that the certificate is about."""
        classes = np.asarray(getattr(self, "classes_", ())).tolist()
        self._seal_ = check_model(self._model, self.certificate_, classes, self._seal_)

    def _check_certified(self):
        if not self.solution_found_:
            raise NoSolutionFoundError(self.certificate_.explain(width=None))
        self._check_model()

    def _falls_back(self):
        """Whether the fallback predicts. Raises if there is neither a model nor a fallback."""
        if self.solution_found_:
            return False
        if self.fallback_ is None:
            self._check_certified()
        return True

    def _inputs(self, X):
        """The rows as `fit` would take them."""
        X, _ = _arrays.as_arrays(X)
        note_rows(type(self).__name__, self._fitted_to_, X)
        X = self._checked(X, self.preprocessor_)
        if self._n_dimensions_ is not None and self._n_dimensions_ != X.ndim:
            raise ValueError(
                f"X has {X.ndim} dimensions, but {type(self).__name__} was fitted to "
                f"{self._n_dimensions_} dimensions. Give it rows of the same shape."
            )
        return X

    def _for_fallback(self, X):
        """The rows as the fallback takes them. Rows that a model would refuse are refused."""
        X, _ = _arrays.as_arrays(X)
        module_inputs(self.preprocessor_, self._inputs(X))
        return X

    def _scores(self, X, sensitive_features=None):
        self._check_model()
        X, _ = _arrays.as_arrays(X)
        inputs, model = self._inputs(X), self._model
        return model.scores(inputs, cells_seen(model.group_offsets, X, sensitive_features))

    def _html_repr(self):
        status = _html.before_fit(self.constraints)
        if hasattr(self, "certificate_"):
            falls_back = getattr(self, "fallback_", None) is not None
            status = _html.after_fit(self.certificate_, falls_back)
        return _html.with_status(status, estimator_html_repr(self))

    def __getstate__(self):
        return {**super().__getstate__(), "_seal_": None}  # copies are other objects

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "net_"):
            self._check_model()
