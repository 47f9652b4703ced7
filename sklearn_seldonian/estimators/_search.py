"""A search for settings that does not use the safety rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import (
    GroupKFold,
    ParameterGrid,
    ParameterSampler,
    StratifiedGroupKFold,
    check_cv,
)
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from sklearn_seldonian._keywords import refuse_keywords
from sklearn_seldonian._warnings import each_warning_once
from sklearn_seldonian.certification import SafetyCertificate, _requests
from sklearn_seldonian.certification._multiplicity import (
    fixed_sequence,
    fixed_sequence_in_words,
    holm,
    holm_in_words,
)
from sklearn_seldonian.data import _arrays
from sklearn_seldonian.data._row_sketch import row_hashes
from sklearn_seldonian.estimators._all_or_nothing import AllOrNothing
from sklearn_seldonian.estimators._base import FIT_ARGUMENTS, CertifiedEstimator
from sklearn_seldonian.estimators._groups_seen import GroupsOnRequest, with_groups
from sklearn_seldonian.estimators._parameters import COUNT
from sklearn_seldonian.estimators._reuse import reuse_of
from sklearn_seldonian.estimators._trials import Trial, refitted, run_trial, set_up
from sklearn_seldonian.learners import certify_outcome
from sklearn_seldonian.selection import selection_key

# These parameters define what is promised or how rows are split. A search must not change them.
DECISIONS = {"decision", "group_thresholds", "pos_label", "prediction_range", "target_range"}
PROMISES = DECISIONS | {"constraints", "delta", "measures", "method", "safety_size"}


@dataclass(frozen=True)
class FinalTest:
    """One safety test of a search.

    Attributes
    ----------
    index : int
        The index of the setting in ``cv_results_["params"]``.
    share : int
        Each constraint was tested at delta / share.
    certificate : SafetyCertificate
        The result of the test.
    """

    index: int
    share: int
    certificate: SafetyCertificate


def _method_of_best(name):
    """A method of the best estimator, available if that, or before `fit` `estimator`, has it."""

    def is_there(search):
        getattr(getattr(search, "best_estimator_", search.estimator), name)
        return True

    def method(self, X, sensitive_features=None):
        """The method of `best_estimator_`."""
        check_is_fitted(self)
        return getattr(with_groups(self.best_estimator_, sensitive_features), name)(X)

    method.__name__ = name
    return available_if(is_there)(method)


def _attribute_of_best(name, doc):
    """An attribute of the best estimator, available after `fit` only."""

    def attribute(search):
        check_is_fitted(search)
        return getattr(search.best_estimator_, name)

    return property(attribute, doc=doc)


class SeldonianSearchCV(GroupsOnRequest, AllOrNothing, MetaEstimatorMixin, BaseEstimator):
    """Tune a Seldonian estimator by cross-validation inside its candidate rows.

    Rows are split once, as `estimator` would split them. Settings are compared by
    cross-validation inside the candidate rows, by the rule that also chooses the epoch: among the
    settings predicted to pass the safety test, the one with the lowest error is best. If none is
    predicted to pass, the one with the largest probability of passing is best. The best setting is
    refitted to all candidate rows and tested on the safety rows, which were not used before. The
    certificate therefore promises the same as that of a single `fit`, for any number of settings.

    Parameters
    ----------
    estimator : SeldonianClassifier or SeldonianRegressor
        Give preprocessing as its ``preprocessor``. A pipeline is refused.
    parameters : dict or list of dicts
        The values to try for each parameter, as in scikit-learn's searches: lists if all
        combinations are compared, lists or distributions if `n_iter` settings are drawn. Names can
        have any depth, such as ``module__hidden``. Parameters that define the promise or the split
        are refused: constraints, delta, method, decision, group_thresholds, measures, pos_label,
        prediction_range, target_range and safety_size.
    n_iter : int, default=None
        The number of settings to draw at random. None: compare all combinations.
    test : {"best", "fixed-sequence", "holm"}, default="best"
        Which models are tested on the safety rows. "best": the best setting alone.
        "fixed-sequence" and "holm" test the `n_candidates` best settings, so that another one may
        pass if the best one fails, with the same joint promise [1]_ [2]_. "fixed-sequence" tests
        each at the full delta, the most likely to pass first, up to the first failure. "holm"
        tests all of them, starting at delta / `n_candidates`. Of the models that pass, the one
        that is best on candidate rows is kept.
    n_candidates : int, default=3
        The number of settings that "fixed-sequence" and "holm" may test.
    scoring : str or callable, default=None
        A scorer, where higher is better. Among settings predicted to pass, the one with the
        highest score is best. None: the one with the lowest error.
    cv : int, splitter or iterable, default=5
        Folds of the candidate rows, as in scikit-learn's searches.
    n_jobs : int, default=None
        The number of trainings that run at the same time.
    random_state : int, RandomState instance or None, default=None
        The source of the drawn settings, and of the split and the trainings if `estimator` has
        no `random_state` of its own.

    Attributes
    ----------
    best_estimator_ : estimator
        Refitted to all candidate rows, with its certificate.
    best_params_ : dict
        The setting of `best_estimator_`.
    best_index_ : int
        Its index in ``cv_results_["params"]``.
    cv_results_ : dict of arrays
        One entry per setting: ``params``, ``param_...``, ``mean_test_passing`` (the predicted
        probability of passing), ``mean_test_error``, ``mean_test_loss``, ``rank_test_score``
        (1 for the best) and ``mean_fit_time`` (in seconds). With `scoring` also
        ``mean_test_score``. The values of single folds are in ``split0_test_...`` and so on.
    tested_ : tuple of FinalTest
        The tests on the safety rows, in their order. Empty if there are no constraints.
    n_splits_ : int
        The number of folds.
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

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "parameters": [dict, list],
        "n_iter": [COUNT, None],
        "test": [StrOptions({"best", "fixed-sequence", "holm"})],
        "n_candidates": [COUNT],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
    # Digests of the tests of all fits; see `reuse_of`.
    _tests_run: frozenset[tuple[str, str]] = frozenset()

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
        """Search inside the candidate rows, refit, and run the safety test on the safety rows.

        Parameters
        ----------
        X, y, sensitive_features, safety_mask, groups, sample_weight, shift
            As in `estimator.fit`. All rows of a group are in the same fold. A splitter given as
            `cv` gets the groups.
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
            If `estimator` is a pipeline, if `parameters` would change what is promised, or as in
            `estimator.fit`.

        Warns
        -----
        NoSolutionFoundWarning
            If no model was certified.
        """
        # The first statement of `fit` removes the old certificate, so no interrupt can keep it.
        self.__dict__.pop("best_estimator_", None)
        self.__dict__ = self._without_fit()
        refuse_keywords(others, "fit", FIT_ARGUMENTS, self)
        search = self._working_copy()
        # In a context of its own, nothing stays behind even if the search is interrupted.
        setup, best, certificate = copy_context().run(
            search._search, (X, y, sensitive_features, safety_mask, groups, sample_weight, shift)
        )
        hashes, tests = row_hashes(setup.rows.given), [test.certificate for test in search.tested_]
        known = self._tests_run, type(self).__name__, setup.rows, hashes
        reuse = reuse_of(tests, *known, registry=self.estimator.registry)
        self._tests_run = search._tests_run = best.model._tests_run = reuse.tests_run
        best.model._store(best.outcome, setup, reuse.with_notes(certificate), hashes)
        search.best_estimator_ = best.model
        self.__dict__ = search.__dict__
        return self

    def _search(self, data):
        """Compare the settings and test the best; return the kept model and its certificate."""
        with each_warning_once():
            setup, finalists = self._finalists(data)
            return setup, *self._tested(finalists, setup)

    def _finalists(self, data):
        """Compare the settings, and refit the best ones to all candidate rows."""
        self._validate_params()
        if not isinstance(self.estimator, CertifiedEstimator):
            raise TypeError(
                f"SeldonianSearchCV got a {type(self.estimator).__name__}, and it needs a "
                "Seldonian estimator: steps of a pipeline would be fitted to the safety rows. Give "
                "the Seldonian estimator itself, with the preprocessing as its preprocessor=."
            )
        if getattr(self.estimator, "distributed", False):
            raise ValueError(
                "The estimator has distributed=True, which trains one model in all processes, and "
                "a search trains many models. Leave it out, and train models in parallel with "
                "n_jobs."
            )
        rng = check_random_state(self.random_state)
        settings = self._settings(rng)
        estimator = clone(self.estimator)
        if estimator.random_state is None:  # so that all copies make the same split
            estimator.set_params(random_state=rng.randint(np.iinfo(np.int32).max))
        # A Dataset is read once, since a second pass may return its rows in another order.
        X, y, sensitive_features, safety_mask, *of_units = data
        X, y = _arrays.as_arrays(X, y)
        _, setup = set_up(estimator, {}, (X, y, sensitive_features, safety_mask, *of_units))
        if setup.rows.has_label is not None:
            raise ValueError(
                "y has missing labels, and a search compares settings by their errors on all rows. "
                "Leave those rows out, or fit the estimator without a search."
            )
        setup.problem.warn()
        data = X, y, sensitive_features, setup.safety_mask, *of_units
        self._compare(estimator, settings, data, setup.split.candidate)
        chosen = self._chosen(bool(setup.problem.specification.constraints))
        finalists = Parallel(n_jobs=self.n_jobs)(
            delayed(refitted)(estimator, settings[index], data, index) for index in chosen
        )
        return setup, finalists

    def _settings(self, rng):
        """The settings to compare: dicts of parameters."""
        groups = [self.parameters] if isinstance(self.parameters, Mapping) else self.parameters
        promised = sorted(PROMISES & {name for group in groups for name in group})
        if promised:
            raise ValueError(
                f"parameters has {promised[0]!r}, which defines what is promised or on which rows. "
                "A search would choose the value that promises least. Set it on the estimator, and "
                "compare its values with cross_validate."
            )
        if self.n_iter is None:
            return list(ParameterGrid(self.parameters))
        return list(ParameterSampler(self.parameters, self.n_iter, random_state=rng))

    def _compare(self, estimator, settings, data, candidate):
        """Compare the settings on the candidate rows, and store the results in `cv_results_`."""
        folds = self._folds(candidate, is_classifier(estimator))
        self.n_splits_ = len(folds)
        trials = Parallel(n_jobs=self.n_jobs)(
            delayed(run_trial)(estimator, setting, data, fold, self.scoring)
            for setting in settings
            for fold in folds
        )
        by_fold = np.array(trials).reshape(len(settings), len(folds), -1)
        means = [Trial(*values) for values in by_fold.mean(axis=1).tolist()]
        power, shown = self.estimator.power, ["passing", "error", "loss"]
        keys: list[tuple[float, ...]]
        keys = [selection_key(mean.passing, mean.error, mean.loss, power) for mean in means]
        if self.scoring is not None:
            shown.append("score")
            keys = [(key[0], mean.score) for key, mean in zip(keys, means, strict=True)]
        self.cv_results_ = {"params": settings, **_parameter_columns(settings)}
        for i, name in enumerate(Trial._fields):
            if name in shown:
                columns = {
                    f"split{k}_test_{name}": fold for k, fold in enumerate(by_fold[..., i].T)
                }
                columns[f"mean_test_{name}"] = by_fold[..., i].mean(axis=1)
                self.cv_results_ |= columns
        ranks = [1 + sum(key > own for key in keys) for own in keys]
        seconds = np.array([mean.seconds for mean in means])
        self.cv_results_ |= {"mean_fit_time": seconds, "rank_test_score": np.array(ranks)}

    def _folds(self, rows, classifier):
        """Positions of the training rows and of the held-out rows; units are not divided."""
        cv, groups = check_cv(self.cv, rows.y, classifier=classifier), None
        if rows.units is not None:
            groups = rows.units.positions
            if isinstance(self.cv, Integral):
                cv = (StratifiedGroupKFold if classifier else GroupKFold)(self.cv)
        splits = cv.split(np.zeros((len(rows.y), 1)), rows.y, groups)
        return [tuple(map(np.sort, fold)) for fold in splits]

    # -- the safety test -----------------------------------------------------------------

    def _chosen(self, is_tested):
        """The settings to refit, in the order of their tests."""
        single = self.test == "best" or not is_tested
        ranks = self.cv_results_["rank_test_score"]
        chosen = np.argsort(ranks, kind="stable")[: 1 if single else self.n_candidates]
        if self.test == "fixed-sequence":
            passing = self.cv_results_["mean_test_passing"][chosen]
            chosen = chosen[np.argsort(-passing, kind="stable")]
        return chosen.tolist()

    def _tested(self, finalists, setup):
        """Test the finalists; return the one to keep and its certificate."""
        n, order_seed, tests = len(finalists), _requests.drawn_seed(setup.rng), {}

        def passes(i, share=1):
            origin, outcome = finalists[i].model._origin, finalists[i].outcome
            certificate = tests[i, share] = certify_outcome(
                outcome, setup.problem, setup.split, origin, order_seed, 1 / share
            )
            return certificate is None or certificate.passed

        if self.test == "holm":
            certified = holm(n, passes)
        else:
            certified = dict.fromkeys(fixed_sequence(n, passes), 1)
        ranks = self.cv_results_["rank_test_score"]
        kept = min(certified, key=lambda i: ranks[finalists[i].index], default=0)
        # If nothing is certified, this is the last test of the first finalist, which failed.
        share = certified.get(kept) or max(share for i, share in tests if i == kept)
        self.tested_ = tuple(
            FinalTest(finalists[i].index, share, certificate)
            for (i, share), certificate in tests.items()
            if certificate is not None
        )
        best, certificate = finalists[kept], tests[kept, share]
        self.best_index_ = best.index
        self.best_params_ = self.cv_results_["params"][best.index]
        if certificate is not None:
            assumptions = (*certificate.assumptions, self._design(n, share))
            certificate = dataclasses.replace(certificate, assumptions=assumptions)
        return best, certificate

    def _design(self, n, share):
        """How many models were compared and tested, in words."""
        compared = (
            f"{len(self.cv_results_['params'])} settings were compared by cross-validation inside "
            "the candidate rows"
        )
        if n == 1:
            return f"{compared}, and one model was tested."
        if self.test == "fixed-sequence":
            words = fixed_sequence_in_words(n, len(self.tested_), "candidate rows")
        else:
            words = holm_in_words(n, share)
        return f"{compared}; {words}"

    # -- the model -----------------------------------------------------------------------

    def __sklearn_is_fitted__(self):
        return hasattr(self, "best_estimator_")

    predict = _method_of_best("predict")
    predict_proba = _method_of_best("predict_proba")
    decision_function = _method_of_best("decision_function")

    def score(self, X, y, sensitive_features=None):
        """The score by `scoring`, or without it the score of `best_estimator_`.

        Parameters
        ----------
        X, y, sensitive_features
            As in the `score` of `best_estimator_`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        best = with_groups(self.best_estimator_, sensitive_features)
        return check_scoring(best, self.scoring)(best, X, y)

    @property
    def group_thresholds(self):
        """Whether decisions depend on the group."""
        return getattr(self.estimator, "group_thresholds", False)

    solution_found_ = _attribute_of_best("solution_found_", "Whether a model was certified.")
    certificate_ = _attribute_of_best(
        "certificate_", "The result of the safety test. None if there are no constraints."
    )
    classes_ = _attribute_of_best("classes_", "Class labels.")
    n_features_in_ = _attribute_of_best("n_features_in_", "Number of features seen by `fit`.")
    feature_names_in_ = _attribute_of_best(
        "feature_names_in_", "Names of the features, if X was a DataFrame."
    )

    def __sklearn_tags__(self):
        return get_tags(self.estimator)


def _parameter_columns(settings):
    """One masked array per parameter, as in scikit-learn's searches."""
    columns = {}
    for name in sorted({name for setting in settings for name in setting}):
        column = np.ma.array(np.empty(len(settings), dtype=object), mask=True)
        for i, setting in enumerate(settings):
            if name in setting:
                column[i] = setting[name]
        columns[f"param_{name}"] = column
    return columns
