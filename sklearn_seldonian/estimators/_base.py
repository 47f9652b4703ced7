"""What every Seldonian estimator does: train on candidate rows, test once on safety rows."""

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
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification import _requests
from sklearn_seldonian.certification._certifier import Origin, run_safety_test
from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.data import _arrays, _groups
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
    "With distributed=True every process must call fit with the same rows and parameters, and "
    "these differ. Give each of them all rows: they share them out among themselves."
)


@dataclass(frozen=True)
class Setup:
    """What one model is to be trained and tested on.

    Parameters
    ----------
    rows : LabelledRows
        All that `fit` was given.
    split : Split
    problem : Problem
    rng : RandomState
        What training draws from.
    """

    rows: LabelledRows
    split: Split
    problem: Problem
    rng: np.random.RandomState

    @property
    def told(self):
        """What beside X was given."""
        rows = self.rows
        return rows.targets, rows.columns, rows.units, self.split.safety_indices

    @property
    def safety_mask(self):
        """Which rows are for the safety test."""
        mask = np.zeros(len(self.rows.y), dtype=bool)
        mask[self.split.safety_indices] = True
        return mask

    def warn(self):
        """Warn of a delta, or of constraints, that the user may not have meant."""
        specification = self.problem.specification
        _requests.warn_of_large_delta(specification.source.deltas)
        _requests.check_ranges(specification, self.problem.targets.range_remedy)


class CertifiedEstimator(AllOrNothing, SavedWeights, RepeatedTests, BaseEstimator):
    """All that does not depend on what is predicted, nor on what is trained.

    A subclass says what is particular to its targets: what they are (`_learn_targets` and
    `_targets_of`), and which parameters `predict` and the certificate rest on beside the
    constraints (`_promised`). `_constant_fallback` is the estimator that ``fallback="majority"``
    or "mean" stands for. Another says what trains (`_learner`), what the weights in a file are of
    (`_promised_model`), and what rows go through before it, None where it takes numbers
    (`_takes_rows`).
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = _parameters.SHARED
    # What was tested, in all fits; see `reuse_of`.
    _tests_run: frozenset[tuple[str, str]] = frozenset()
    # The constraints with the meaning that candidate rows gave them. This and the next two are
    # None where they are not known, as after `load_params`.
    _bound_specification_: Any = None
    # The dimensions of X without a preprocessor.
    _n_dimensions_: int | None = None
    # The rows of `fit`, to know them again.
    _fitted_to_ = None
    # The populations that are meant, where it is not the one that rows are drawn from.
    _shift_ = None
    # By what a change of the certified model shows; see `check_model`.
    _seal_ = None

    @property
    def partial_fit(self):
        """Not there: training cannot be continued."""
        raise AttributeError(f"There is no partial_fit: {_parameters.NO_CONTINUED_TRAINING}")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "certificate_")

    # -- fit -----------------------------------------------------------------------------

    # What it does not take is refused inside: nothing may come before its first statement.
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
        groups : array-like of shape (n_rows,), default=None
            Rows with the same value belong together, such as those of one person, school or day,
            and may depend on each other in any way. They are all tested, or none of them is. What
            is drawn independently from the population are the groups. None: the rows.
        sample_weight : array-like of shape (n_rows,), default=None
            How much each row counts, at least 0, in training and in the test: the certificate is
            about the weighted population. Training draws rows by their weights.
        shift : mapping of a column to the shares of its levels, default=None
            The populations to train and certify for, as of `sklearn_seldonian.certify`.
        **others
            None. A keyword of another estimator is refused, with what to write instead.

        Returns
        -------
        self
            With ``solution_found_`` saying whether a model was certified; if not, a
            `NoSolutionFoundWarning` is given.
        """
        self.__dict__.pop("certificate_", None)  # in one step, the first: the verdict is gone
        self.__dict__ = self._without_fit()
        refuse_keywords(others, "fit", FIT_ARGUMENTS, self)
        model = self._working_copy()
        setup = model._set_up(X, y, sensitive_features, safety_mask, groups, sample_weight, shift)
        setup.warn()
        hashes = row_hashes(setup.rows.given)
        processes = model._processes
        processes.check_same((hashes, *setup.told, model._promises_), UNLIKE)
        outcome = model._train(setup, setup.split.candidate)
        certificate = processes.from_first(
            lambda: certify_outcome(
                outcome, setup.problem, setup.split, model._origin, _requests.drawn_seed(setup.rng)
            )
        )
        processes.check_same(repr(certificate), UNLIKE)  # all are there
        name = type(self).__name__
        known = self._tests_run, name, setup.rows, hashes
        reuse = reuse_of([certificate], *known, registry=self.registry)
        self._tests_run = model._tests_run = reuse.tests_run
        model._store(outcome, setup, reuse.told_of(certificate), hashes)
        self.__dict__ = model.__dict__
        return self

    # -- the steps of fit ------------------------------------------------------------------
    # They run on a copy that nobody holds before it is complete: what ends a fit, at whatever
    # line, leaves the estimator unfitted. A search takes the same steps.

    def _set_up(self, X, y, sensitive_features, safety_mask, groups, sample_weight, shift):
        """Check parameters and rows, split the rows, and give the constraints their meaning."""
        self._specify()
        self._shift_ = shift_of(shift)
        if self._shift_ is not None and getattr(self, "group_thresholds", False):
            raise ValueError("group_thresholds=True and shift= do not go together: leave one out.")
        rows = self._validate(X, y, sensitive_features, groups, sample_weight)
        rng = self._processes.random_numbers(check_random_state(self.random_state))
        safety_size = self.safety_size if self._specification_.constraints else 0
        split = split_rows(rows, safety_size, safety_mask, rng)
        problem = Problem.of(self._specification_, self._targets_, self.measures, split, self.power)
        self._bound_specification_ = problem.specification
        return Setup(rows, split, problem, rng)

    def _specify(self):
        """Check parameters, and keep those that the certificate and `predict` rest on."""
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
        """Those that train together."""
        return ALONE

    def _check_specification(self):
        """Refuse constraints that do not go with the other parameters."""

    def _validate(self, X, y, sensitive_features, groups, sample_weight):
        """Check rows."""
        X, y = _arrays.as_arrays(X, y)
        (given,) = indexable(X)
        _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
        X, y = self._checked(X, self._takes_rows, y=y)
        if self._takes_rows is None:
            self._n_dimensions_ = X.ndim
        check_consistent_length(X, y)
        self._targets_, y, learned = self._learn_targets(y)
        columns = self._columns(given, sensitive_features, y)
        units = self._units(groups, sample_weight, columns, len(y))
        return LabelledRows(X, y, learned, columns, given, units=units)

    def _units(self, groups, sample_weight, columns, n_rows):
        """What is drawn independently from the population, where that is not each row."""
        most, shift = (self.max_group_size, self.max_weight), self._shift_
        check_has_column(shift, columns)
        moved = None if shift is None else (shift, columns[shift.column])
        return units_of(groups, sample_weight, n_rows, *most, shift=moved)

    def _checked(self, X, preprocessor, **targets):
        """The rows as the model takes them; with `targets`, those of `fit` and the targets."""
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
        """The columns that constraints may name, those that they do name checked."""
        wanted = self._specification_.columns | ({self._shift_.column} if self._shift_ else set())
        missing = self._specification_.missing
        return _groups.column_values(wanted, X, sensitive_features, len(y), missing)

    def _train(self, setup, rows):
        """What comes of training on some of the candidate rows."""
        outcome = self._learner().train(setup.problem, rows, setup.rng)
        end_if_interrupted(outcome.interrupted)
        return outcome

    @property
    def _origin(self):
        """What a certificate of `fit` says of where it comes from."""
        schema, parameters = self._targets_.schema, self.get_params(deep=False)
        if self._shift_ is not None:
            parameters["shift"] = self._shift_
        name = type(self).__name__
        return Origin.of(
            f"{name}.fit", parameters, schema["classes"], schema["positive"], estimator=name
        )

    def _store(self, outcome, setup, certificate, hashes):
        """Keep what came of a fit, and announce the verdict.

        `hashes` of the rows of `fit` are what it takes to know them again. Without a solution the
        fallback is fitted.
        """
        split = setup.split
        self._split_ = len(setup.rows.y), np.packbits(setup.safety_mask)  # which pickles keep small
        self._fitted_to_ = RowSketch.of(hashes, split.candidate_indices, split.safety_indices)
        self._keep_model(outcome)
        if certificate is not None:
            logger.info(certificate.verdict)
            if self.verbose and not self._processes.rank:
                print("\n".join(map(on_one_line, (certificate.verdict, *certificate.remarks))))
            if not certificate.passed:
                candidate = split.candidate
                self.fallback_ = _parameters.fitted_fallback(
                    self.fallback, candidate.as_given(), candidate.y, self._constant_fallback
                )
                warn_user(certificate.explain(), NoSolutionFoundWarning)
        self.certificate_ = certificate
        if self.solution_found_:
            self._check_model()

    def _keep_model(self, outcome):
        """Keep what was trained, as far as it came."""
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
        """A copy with what was trained that answers without a certificate, to be scored."""
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
        self._seal_ = None  # fresh rows are worth a digest of all
        self._check_certified()
        order_seed = _requests.order_seed(random_state)
        X, y = _arrays.as_arrays(X, y)
        _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features)
        rows = self._fresh_rows(X, y, sensitive_features)
        units = self._units(groups, sample_weight, rows.columns, len(rows.y))
        rows = dataclasses.replace(rows, units=units)
        of_fit = self.certificate_  # parameters may have been set since
        name = type(self).__name__
        told = of_fit.parameters, of_fit.classes, of_fit.positive, of_fit.n_candidate
        origin = Origin(f"{name}.certify", *told, estimator=name)
        certificate = run_safety_test(
            self._bound_specification_, self._model, rows, origin, order_seed
        )
        hashes = row_hashes(X)
        known = self._tests_run, name, rows, hashes, self._fitted_to_
        reuse = reuse_of([certificate], *known, registry=self.registry)
        self._tests_run = reuse.tests_run
        return reuse.told_of(certificate)

    def _fresh_rows(self, X, y, sensitive_features):
        """Check rows that `fit` has not seen."""
        if not self._specification_.constraints:
            raise ValueError("There is nothing to certify: the estimator has no constraints.")
        if self._bound_specification_ is None:
            raise ValueError(
                "What certify needs of the rows of fit is not among the loaded parameters; use "
                "sklearn_seldonian.certify(estimator, X, y, constraints)."
            )
        y, learned = self._targets_.check(y)
        columns = self._columns(X, sensitive_features, y)
        missing = sorted(self._specification_.columns - set(columns))
        if missing:
            raise ValueError(f"The constraints name columns that are not here: {missing}.")
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
        """Whether there is a model that passed; without constraints, whether there is one."""
        constraints, certificate = self.constraints_, self.certificate_
        return not constraints if certificate is None else certificate.passed

    @property
    def candidate_indices_(self):
        """Positions of the rows that trained, ascending."""
        return np.flatnonzero(~self._is_safety)

    @property
    def safety_indices_(self):
        """Positions of the rows that were tested, ascending."""
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
        """What it cost to choose the model for its constraints; None where nothing was changed."""
        return self._model.price

    @property
    def _trained_net(self):
        check_is_fitted(self)
        if not hasattr(self, "net_"):
            raise AttributeError(f"No model was trained. {self.certificate_.explain()}")
        return self.net_

    @property
    def _model(self):
        """What answers."""
        return TrainedNet(self._trained_net, self.preprocessor_, self._targets_)

    @property
    def _decided_by(self):
        """What decides the answers, for digests of models that hold this one."""
        names = ("net_", "preprocessor_", "classes_", "certificate_", "fallback_")
        return [(name, getattr(self, name, None)) for name in names]

    def _check_model(self):
        """Refuse a model that is not the one that the certificate is about."""
        classes = np.asarray(getattr(self, "classes_", ())).tolist()
        self._seal_ = check_model(self._model, self.certificate_, classes, self._seal_)

    def _check_certified(self):
        if not self.solution_found_:
            raise NoSolutionFoundError(self.certificate_.explain())
        self._check_model()

    def _falls_back(self):
        """Whether the fallback answers; raises where there is neither model nor fallback."""
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
                f"{self._n_dimensions_}: give it rows of the same shape."
            )
        return X

    def _for_fallback(self, X):
        """The rows as the fallback takes them, refused where a model would refuse them."""
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
