"""The base of every Seldonian estimator: train on candidate rows, test once on safety rows."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state, indexable
from sklearn.utils.validation import check_consistent_length

from sklearn_seldonian._keywords import refuse_keywords, refuse_unknown_keywords
from sklearn_seldonian.certification import _requests
from sklearn_seldonian.certification._certifier import Origin, run_safety_test
from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.constraints import parse_all
from sklearn_seldonian.data import _arrays, _groups, _targets
from sklearn_seldonian.data._row_sketch import row_hashes
from sklearn_seldonian.data._shift import check_has_column, shift_of
from sklearn_seldonian.data._split import LabelledRows, split_rows
from sklearn_seldonian.data._units import units_of
from sklearn_seldonian.estimators import _parameters, _saved
from sklearn_seldonian.estimators._model import CertifiedModel
from sklearn_seldonian.estimators._reuse import reuse_of
from sklearn_seldonian.estimators._setup import Setup
from sklearn_seldonian.learners import Problem, certify_outcome

FIT_ARGUMENTS = ("X", "y", "sensitive_features", "safety_mask", "groups", "sample_weight", "shift")
UNLIKE = (
    "The processes called fit with different rows or parameters. With distributed=True every "
    "process must call fit with the same ones. Give all rows to each process: the processes divide "
    "the rows of each batch among themselves."
)


class CertifiedEstimator(CertifiedModel):
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

    @property
    def partial_fit(self):
        """Not available: training cannot be continued."""
        raise AttributeError(f"There is no partial_fit: {_parameters.NO_CONTINUED_TRAINING}")

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
        outcome = setup.train(model._learner(), setup.split.candidate)
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

    def _check_specification(self):
        """Refuse constraints that cannot be combined with the other parameters."""

    def _validate(self, X, y, sensitive_features, groups, sample_weight):
        """The rows that `fit` was given, checked."""
        X, y = _arrays.as_arrays(X, y)
        (given,) = indexable(X)
        of_rows = {"groups": groups, "sample_weight": sample_weight}
        _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features, **of_rows)
        gaps = _targets.has_gaps(y)  # `_learn_targets` refuses them unless `missing` allows them
        X, checked = self._checked(X, self._takes_rows, y=np.zeros(len(y)) if gaps else y)
        y = y if gaps else checked
        if self._takes_rows is None:
            self._n_dimensions_ = X.ndim
        check_consistent_length(X, y)
        self._targets_, y, learned = self._learn_targets(y)
        columns = self._columns(given, sensitive_features, y)
        sampling = self._sampling(groups, sample_weight, columns, len(y))
        return LabelledRows(X, y, learned, columns, given, sampling=sampling)

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

    def _sampling(self, groups, sample_weight, columns, n_rows):
        """What is drawn independently from the population; None if nothing was said of it."""
        most, shift = (self.max_group_size, self.max_weight), self._shift_
        check_has_column(shift, columns)
        moved = None if shift is None else (shift, columns[shift.column])
        return units_of(groups, sample_weight, n_rows, *most, shift=moved)

    def _columns(self, X, sensitive_features, y):
        """The columns that constraints may name. Those that they do name are checked."""
        wanted = self._specification_.columns | ({self._shift_.column} if self._shift_ else set())
        missing = self._specification_.missing
        return _groups.columns_with_label(wanted, X, sensitive_features, y, missing)

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
        of_rows = {"groups": groups, "sample_weight": sample_weight}
        _groups.check_same_order(X=X, y=y, sensitive_features=sensitive_features, **of_rows)
        rows = self._fresh_rows(X, y, sensitive_features)
        sampling = self._sampling(groups, sample_weight, rows.columns, len(rows.y))
        rows = dataclasses.replace(rows, sampling=sampling)
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
        bound, shift = self._bound_specification_, self._shift_
        columns = self._columns_tested(bound, shift, X, sensitive_features, y)
        for constraint in bound.constraints:
            _groups.check_fresh_columns(constraint.conditions, columns)
        checked = self._inputs(X)
        check_consistent_length(checked, y)
        return LabelledRows(checked, y, learned, columns, X)
