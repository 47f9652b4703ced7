"""The certified model that `fit` stores, and what the estimator does with it later."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_seldonian._palette import on_one_line
from sklearn_seldonian._text import wrapped
from sklearn_seldonian._warnings import warn_user
from sklearn_seldonian.certification._specification import Specification
from sklearn_seldonian.data import _arrays
from sklearn_seldonian.data._row_sketch import RowSketch, note_rows
from sklearn_seldonian.data._shift import Shift
from sklearn_seldonian.estimators import _html, _parameters
from sklearn_seldonian.estimators._all_or_nothing import AllOrNothing
from sklearn_seldonian.estimators._groups_seen import cells_seen
from sklearn_seldonian.estimators._saved_weights import SavedWeights
from sklearn_seldonian.estimators._seal import check_model
from sklearn_seldonian.estimators._verified import RepeatedTests
from sklearn_seldonian.exceptions import NoSolutionFoundError, NoSolutionFoundWarning
from sklearn_seldonian.learners import NotTrained, Trained
from sklearn_seldonian.learners.lagrangian import ALONE, TrainedNet, module_inputs

logger = logging.getLogger("sklearn_seldonian")


class CertifiedModel(AllOrNothing, SavedWeights, RepeatedTests, BaseEstimator):
    """The part of the estimators that holds the model of a fit and its certificate."""

    # The constraints, bound to the candidate rows. This and the next two are None where they are
    # not known, as after `load_params`.
    _bound_specification_: Any = None
    # The number of dimensions of X, if there is no preprocessor.
    _n_dimensions_: int | None = None
    # A sketch of the rows of `fit`, by which they are recognised later.
    _fitted_to_ = None
    # The populations to certify for, if they are not the one that the rows are drawn from.
    _shift_: Shift | None = None
    # The state by which a change of the certified model is noticed; see `check_model`.
    _seal_ = None

    @property
    def _processes(self):
        """The processes that train together."""
        return ALONE

    def __sklearn_is_fitted__(self):
        return hasattr(self, "certificate_")

    # -- what fit stores -----------------------------------------------------------------

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

    # -- the certificate and the model ---------------------------------------------------

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

    # -- rows to predict -----------------------------------------------------------------

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

    # -- copies and display --------------------------------------------------------------

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
