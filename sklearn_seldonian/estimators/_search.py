"""A search for settings that leaves the safety rows alone."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, ParameterSampler, check_cv
from sklearn.utils import _safe_indexing, check_random_state, get_tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from sklearn_seldonian._keywords import refuse_keywords
from sklearn_seldonian._warnings import each_warning_once
from sklearn_seldonian.certification import SafetyCertificate, _requests, fixed_sequence, holm
from sklearn_seldonian.data import _arrays
from sklearn_seldonian.data._row_sketch import row_hashes
from sklearn_seldonian.data._rows import LabelledRows
from sklearn_seldonian.data._split import Split, split_rows
from sklearn_seldonian.estimators._all_or_nothing import AllOrNothing
from sklearn_seldonian.estimators._base import FIT_ARGUMENTS, CertifiedEstimator
from sklearn_seldonian.estimators._callers import end_if_interrupted
from sklearn_seldonian.estimators._reuse import Reuse, reuse_of
from sklearn_seldonian.learners import NotTrained, Problem, Trained, certify_outcome
from sklearn_seldonian.selection import selection_key

# What these say is promised is the user's to choose, and rows are split once.
PROMISES = frozenset(
    {
        "method",
        "constraints",
        "decision",
        "delta",
        "measures",
        "pos_label",
        "prediction_range",
        "safety_size",
        "target_range",
    }
)


class FinalTest(NamedTuple):
    """One model that was tested, and how.

    Attributes
    ----------
    index : int
        Of the setting in ``cv_results_["params"]``.
    share : int
        Each constraint was tested at delta / share.
    certificate : SafetyCertificate
    """

    index: int
    share: int
    certificate: SafetyCertificate


class _Data(NamedTuple):
    """What `fit` was given; once the rows are split, the mask says how."""

    X: Any
    y: Any
    sensitive_features: Any
    safety_mask: Any


class _Begun(NamedTuple):
    """A model bound to the candidate rows, and what it is to be trained and tested on."""

    model: CertifiedEstimator
    rows: LabelledRows
    split: Split
    problem: Problem
    rng: np.random.RandomState

    @property
    def safety_mask(self):
        """Which rows are for the safety test."""
        mask = np.zeros(len(self.rows.y), dtype=bool)
        mask[self.split.safety_indices] = True
        return mask


class _Finalist(NamedTuple):
    """A model, and what came of its training on all candidate rows."""

    index: int
    model: CertifiedEstimator
    problem: Problem
    outcome: Trained | NotTrained


class _Finished(NamedTuple):
    """What a search ends in."""

    best: _Finalist
    split: Split
    certificate: SafetyCertificate | None
    reuse: Reuse
    hashes: np.ndarray


class _Trial(NamedTuple):
    """What became of one setting on one fold; infinite where there was no model."""

    passing: float = -np.inf
    error: float = np.inf
    loss: float = np.inf
    score: float = -np.inf
    seconds: float = 0.0


def _delegates(attribute):
    """Whether the best estimator, or before `fit` the one given, has `attribute`."""

    def check(search):
        getattr(getattr(search, "best_estimator_", search.estimator), attribute)
        return True

    return check


class SeldonianSearchCV(AllOrNothing, MetaEstimatorMixin, BaseEstimator):
    """Tune a Seldonian estimator by cross-validation inside its candidate rows.

    Rows are split once, as `estimator` would. Each setting is judged by cross-validation
    inside the candidate rows, by the rule that also decides which epoch is kept: the least
    error among those predicted to pass a safety test on as many rows as there are, else the
    likeliest to pass. What is chosen is refitted to all candidate rows, and the safety rows
    are tested. They influence nothing before, so that the certificate promises what that of
    a single `fit` does, however many settings were compared.

    Parameters
    ----------
    estimator : SeldonianClassifier or SeldonianRegressor
        Preprocessing belongs inside, as its ``preprocessor``; a pipeline is refused.
    parameters : dict or list of dicts
        Values to try for each parameter, as for scikit-learn's searches: lists for every
        combination, lists or distributions where `n_iter` are drawn. Names of any depth, such
        as ``module__hidden``. What is promised is not to be searched over: constraints,
        delta, method, decision, measures, pos_label, and safety_size.
    n_iter : int, default=None
        How many settings to draw at random; None: every combination.
    test : {"best", "fixed-sequence", "holm"}, default="best"
        What is tested on the safety rows. "best": the best setting alone. The others test the
        `n_candidates` best settings, so that one which happens to fail is not the end, at
        the same joint promise [1]_ [2]_. "fixed-sequence": each at the full delta, the
        likeliest to pass first, up to the first failure. "holm": all of them, at delta /
        `n_candidates` first. Kept is the best certified one, by what candidate rows said.
    n_candidates : int, default=3
        How many settings "fixed-sequence" and "holm" may test.
    scoring : str or callable, default=None
        A scorer, higher is better, in place of the error to choose by among settings
        predicted to pass.
    cv : int, splitter or iterable, default=5
        Folds of the candidate rows, as for scikit-learn's searches. Indices count candidate
        rows.
    n_jobs : int, default=None
        Trainings at the same time.
    random_state : int, RandomState instance or None, default=None
        Draws settings, and seeds the split and the trainings where `estimator` has no
        `random_state` of its own.

    Attributes
    ----------
    best_estimator_ : estimator
        Refitted to all candidate rows, with its certificate.
    best_params_ : dict
    best_index_ : int
    cv_results_ : dict of arrays
        One entry a setting: ``params``, ``param_...``, ``mean_test_passing`` (predicted
        probability of passing), ``mean_test_error``, ``mean_test_loss``, with `scoring`
        ``mean_test_score``, each also fold by fold as ``split0_test_...``;
        ``rank_test_score`` and ``mean_fit_time``.
    tested_ : tuple of FinalTest
        What met the safety rows, in that order; empty without constraints.
    n_splits_ : int
    solution_found_, certificate_, classes_, n_features_in_, feature_names_in_
        Those of ``best_estimator_``.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
       Journal of Statistics 6, 1979.
    .. [2] A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan and L. Lei, "Learn then
       test: calibrating predictive algorithms to achieve risk control", arXiv:2110.01052, 2021.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn_seldonian import SeldonianClassifier
    >>> from sklearn_seldonian.model_selection import SeldonianSearchCV
    >>> X, y = make_classification(1000, class_sep=2.0, random_state=0)
    >>> model = SeldonianClassifier(constraints="ACC >= 0.8", max_epochs=5, random_state=0)
    >>> search = SeldonianSearchCV(model, {"lr": [1e-5, 1e-2]}, cv=2).fit(X, y)
    >>> search.best_params_, search.solution_found_
    ({'lr': 0.01}, True)
    """

    _parameter_constraints: ClassVar = {
        "parameters": [dict, list],
        "n_iter": [Interval(Integral, 1, None, closed="left"), None],
        "test": [StrOptions({"best", "fixed-sequence", "holm"})],
        "n_candidates": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
    # What was tested, in all fits; see `recorded`.
    _tests_run = frozenset()

    def __init__(
        self,
        estimator,
        parameters,
        *,
        n_iter=None,
        test="best",
        n_candidates=3,
        scoring=None,
        cv=5,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.parameters = parameters
        self.n_iter = n_iter
        self.test = test
        self.n_candidates = n_candidates
        self.scoring = scoring
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state

    # -- fit -----------------------------------------------------------------------------

    def fit(self, X, y=None, sensitive_features=None, safety_mask=None, **others):
        """Search inside the candidate rows, refit, and run the safety test on the others.

        Parameters
        ----------
        X, y, sensitive_features, safety_mask
            As `estimator` takes them.
        **others
            None. A keyword of another estimator is refused, with what to write instead.

        Returns
        -------
        self
            With ``solution_found_`` saying whether a model was certified; if not, a
            `NoSolutionFoundWarning` is given.
        """
        vars(self).pop("best_estimator_", None)  # in one step, the first: the verdict is gone
        self.__dict__ = self._without_fit()
        refuse_keywords(others, "fit", FIT_ARGUMENTS, self)
        search = self._working_copy()
        with each_warning_once():
            finished = search._search(_Data(X, y, sensitive_features, safety_mask))
            self._tests_run = finished.reuse.tests_run
            search._store(finished)
        self.__dict__ = {**vars(search), "_tests_run": self._tests_run}
        return self

    def _search(self, data):
        """Compare the settings, and test the best of them."""
        self._validate_params()
        _check_estimator(self.estimator)
        rng = check_random_state(self.random_state)
        settings = self._settings(rng)
        estimator = _seeded(self.estimator, rng)
        # A Dataset is read once: another pass may bring its rows in another order.
        X, y = _arrays.as_arrays(data.X, data.y)
        data = data._replace(X=X, y=y)
        first = _begun(estimator, {}, data)
        _requests.warn_of_large_delta(first.problem.specification.source.deltas)
        _requests.check_ranges(first.problem.specification, first.problem.targets.range_remedy)
        data = data._replace(safety_mask=first.safety_mask)
        trials = self._trials(estimator, settings, data, first.split.candidate)
        ranks = self._compare(settings, trials)

        chosen = self._chosen(ranks, bool(first.problem.specification.constraints))
        finalists = Parallel(n_jobs=self.n_jobs)(
            delayed(_refitted)(estimator, settings[index], data, index) for index in chosen
        )
        best, certificate = self._tested(finalists, ranks, first)
        self.best_index_, self.best_params_ = best.index, settings[best.index]
        hashes = row_hashes(first.rows.given)
        tests = [tested.certificate for tested in self.tested_]
        name = type(self).__name__
        reuse = reuse_of(certificate, self._tests_run, name, first.rows, hashes, tests)
        return _Finished(best, first.split, certificate, reuse, hashes)

    def _store(self, finished):
        """Keep the best estimator, with its certificate."""
        best, certificate = finished.best, finished.reuse.told_of(finished.certificate)
        best.model._tests_run = finished.reuse.tests_run
        best.model._store(best.outcome, finished.split, certificate, finished.hashes)
        self.best_estimator_ = best.model

    def _settings(self, rng):
        """The settings to compare: dicts of parameters."""
        groups = [self.parameters] if isinstance(self.parameters, Mapping) else self.parameters
        promised = sorted(PROMISES & {name for group in groups for name in group})
        if promised:
            raise ValueError(
                f"{promised[0]!r} says what is promised, on which rows, and a search would prefer "
                "what promises least: set it on the estimator, and compare with cross_validate."
            )
        if self.n_iter is None:
            return list(ParameterGrid(self.parameters))
        return list(ParameterSampler(self.parameters, self.n_iter, random_state=rng))

    def _trials(self, estimator, settings, data, candidate):
        """What became of each setting on each fold: (n_settings, n_splits, fields of _Trial)."""
        y = candidate.y
        cv = check_cv(self.cv, y, classifier=is_classifier(estimator))
        folds = [tuple(map(np.sort, fold)) for fold in cv.split(np.zeros((len(y), 1)), y)]
        self.n_splits_ = len(folds)
        run = delayed(_trial)
        trials = Parallel(n_jobs=self.n_jobs)(
            run(estimator, setting, data, fold, self.scoring)
            for setting in settings
            for fold in folds
        )
        return np.array(trials).reshape(len(settings), len(folds), -1)

    def _compare(self, settings, trials):
        """Fill `cv_results_`; the positions of the settings, the best first."""
        power, standings = self.estimator.power, []
        for mean in (_Trial(*row) for row in trials.mean(axis=1)):
            by_rule = selection_key(mean.passing, mean.error, mean.loss, power)
            standings.append(by_rule if self.scoring is None else (by_rule[0], mean.score))
        ranks = [1 + sum(other > own for other in standings) for own in standings]
        self.cv_results_ = {
            "params": settings,
            **_parameter_columns(settings),
            **_trial_columns(trials, with_score=self.scoring is not None),
            "rank_test_score": np.array(ranks),
        }
        return np.array(ranks)

    # -- the safety test -----------------------------------------------------------------

    def _chosen(self, ranks, is_tested):
        """Which settings to refit, in the order they are tested in."""
        single = self.test == "best" or not is_tested
        chosen = np.argsort(ranks, kind="stable")[: 1 if single else self.n_candidates]
        if self.test == "fixed-sequence":
            passing = self.cv_results_["mean_test_passing"][chosen]
            chosen = chosen[np.argsort(-passing, kind="stable")]
        return chosen.tolist()

    def _tested(self, finalists, ranks, first):
        """Test the finalists; which to keep, and its certificate."""
        tests, n, order_seed = [], len(finalists), _requests.drawn_seed(first.rng)

        def passes(position, share=1):
            index, model, problem, outcome = finalists[position]
            certificate = certify_outcome(
                outcome, problem, first.split, model._origin, order_seed, 1 / share
            )
            tests.append(FinalTest(index, share, certificate))
            return certificate is None or certificate.passed

        certified = (
            holm(n, passes) if self.test == "holm" else dict.fromkeys(fixed_sequence(n, passes), 1)
        )
        kept = min(certified, key=lambda i: ranks[finalists[i].index], default=0)
        index = finalists[kept].index
        # Where nothing is certified, the test that failed.
        *_, test = (
            t for t in tests if t.index == index and t.share == certified.get(kept, t.share)
        )
        self.tested_ = tuple(t for t in tests if t.certificate is not None)
        if test.certificate is None:
            return finalists[kept], None
        design = self._design(len(ranks), finalists, test.share)
        assumptions = (*test.certificate.assumptions, design)
        return finalists[kept], dataclasses.replace(test.certificate, assumptions=assumptions)

    def _design(self, n_settings, finalists, share):
        """How many models were compared and tested, in words."""
        n = len(finalists)
        compared = (
            f"{n_settings} settings were compared by cross-validation inside the candidate rows"
        )
        if n == 1:
            return f"{compared}, and one model was tested."
        if self.test == "fixed-sequence":
            n_tested = len(self.tested_)
            return (
                f"{compared}; {n} models were to be tested at the full delta each, in an order "
                f"fixed by candidate rows, up to the first failure. Tested: {n_tested}."
            )
        return (
            f"{compared}; {n} models were tested by Holm's method, which keeps to delta for all of "
            f"them together. The bounds above are this model's, tested at delta / {share}."
        )

    # -- the model -----------------------------------------------------------------------

    def __sklearn_is_fitted__(self):
        return hasattr(self, "best_estimator_")

    @available_if(_delegates("predict"))
    def predict(self, X):
        """As the best estimator's."""
        check_is_fitted(self)
        return self.best_estimator_.predict(X)

    @available_if(_delegates("predict_proba"))
    def predict_proba(self, X):
        """As the best estimator's."""
        check_is_fitted(self)
        return self.best_estimator_.predict_proba(X)

    @available_if(_delegates("decision_function"))
    def decision_function(self, X):
        """As the best estimator's."""
        check_is_fitted(self)
        return self.best_estimator_.decision_function(X)

    def score(self, X, y):
        """The score by `scoring`, or as the best estimator's."""
        check_is_fitted(self)
        return check_scoring(self.best_estimator_, self.scoring)(self.best_estimator_, X, y)

    @property
    def solution_found_(self):
        """Whether a model was certified."""
        return self._best.solution_found_

    @property
    def certificate_(self):
        """The certificate of the best estimator; None without constraints."""
        return self._best.certificate_

    @property
    def classes_(self):
        """Class labels."""
        return self._best.classes_

    @property
    def n_features_in_(self):
        """Number of features seen by `fit`."""
        return self._best.n_features_in_

    @property
    def feature_names_in_(self):
        """Names of features seen by `fit`, where X was a DataFrame."""
        return self._best.feature_names_in_

    @property
    def _best(self):
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(f"{type(self).__name__} has this attribute after fit only.")
        return self.best_estimator_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator)
        tags.estimator_type = own.estimator_type
        tags.classifier_tags = copy.deepcopy(own.classifier_tags)
        tags.regressor_tags = copy.deepcopy(own.regressor_tags)
        tags.input_tags = copy.deepcopy(own.input_tags)
        tags.non_deterministic = own.non_deterministic
        return tags


# -- models --------------------------------------------------------------------------------


def _check_estimator(estimator):
    """Refuse what is not a Seldonian estimator itself."""
    if not isinstance(estimator, CertifiedEstimator):
        raise TypeError(
            f"SeldonianSearchCV tunes a Seldonian estimator, not a {type(estimator).__name__}: "
            "steps in front of it would see the safety rows. Give it your preprocessing as "
            "preprocessor=."
        )


def _seeded(estimator, rng):
    """A copy of the estimator with a seed, so that all its copies split alike."""
    estimator = clone(estimator)
    if estimator.random_state is None:
        estimator.set_params(random_state=rng.randint(np.iinfo(np.int32).max))
    return estimator


def _begun(estimator, setting, data):
    """A model with one setting, bound to all candidate rows."""
    model = clone(estimator).set_params(**clone(setting, safe=False))
    rows = model._validate(data.X, data.y, data.sensitive_features)
    rng = check_random_state(model.random_state)
    split = split_rows(rows, model._n_held_out, data.safety_mask, rng)
    problem = Problem.of(model._specification, model._targets, model.measures, split, model.power)
    model._bound_specification = problem.specification
    return _Begun(model, rows, split, problem, rng)


def _trial(estimator, setting, data, fold, scoring):
    """Train one setting on one fold of the candidate rows, and judge it by the others."""
    started = time.perf_counter()
    begun = _begun(estimator, setting, data)
    learning, held_out = (begun.split.candidate_indices[part] for part in fold)
    learned = begun.rows.take(learning)
    outcome = begun.model._learner().train(begun.problem, learned, begun.rng)
    end_if_interrupted(outcome.interrupted)
    seconds = time.perf_counter() - started
    if isinstance(outcome, NotTrained):
        return _Trial(seconds=seconds)
    predicted = outcome.model.predict_test_outcome(begun.problem, begun.rows.take(held_out))
    passing, error = float(predicted.prediction.feasibility_score), float(predicted.error)
    score = np.nan
    if scoring is not None:
        model = begun.model._without_test(outcome)
        X, y = _safe_indexing(data.X, held_out), _safe_indexing(data.y, held_out)
        score = check_scoring(model, scoring)(model, X, y)
    return _Trial(passing, error, predicted.loss, score, seconds)


def _refitted(estimator, setting, data, index):
    """One setting, trained on all candidate rows."""
    begun = _begun(estimator, setting, data)
    outcome = begun.model._learner().train(begun.problem, begun.split.candidate, begun.rng)
    end_if_interrupted(outcome.interrupted)
    return _Finalist(index, begun.model, begun.problem, outcome)


def _parameter_columns(settings):
    """One masked array a parameter, as in scikit-learn's searches."""
    columns = {}
    for name in sorted({name for setting in settings for name in setting}):
        column = np.ma.masked_all(len(settings), dtype=object)
        for i, setting in enumerate(settings):
            if name in setting:
                column[i] = setting[name]
        columns[f"param_{name}"] = column
    return columns


def _trial_columns(trials, with_score):
    """Each field of the trials fold by fold, and its mean: `trials` as `_trials` gives them."""
    columns = {}
    for i, name in enumerate(_Trial._fields):
        if name == "seconds" or (name == "score" and not with_score):
            continue
        columns |= {f"split{k}_test_{name}": fold for k, fold in enumerate(trials[..., i].T)}
        columns[f"mean_test_{name}"] = trials[..., i].mean(axis=1)
    columns["mean_fit_time"] = trials[..., _Trial._fields.index("seconds")].mean(axis=1)
    return columns
