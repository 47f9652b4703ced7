"""One trial: draw rows, fit an estimator to them, judge its decisions on the population."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import available_if

from sklearn_seldonian._palette import visible
from sklearn_seldonian.certification._requests import LARGE_DELTA_WARNING
from sklearn_seldonian.constraints import Constraint
from sklearn_seldonian.data._arguments import groups_for
from sklearn_seldonian.exceptions import NoSolutionFoundWarning
from sklearn_seldonian.metrics import constraint_values, innermost

# What is left of a constraint that is met with equality, after rounding.
ROUNDING = 1e-9
MAX_ERROR_CHARACTERS = 10_000  # characters, so that the table stays readable, and its files as well


# -- protocols: the rows to fit, and those of the population (None: all) -------------------------


def _resample(n_rows, sample_size, rng):
    return rng.integers(n_rows, size=sample_size), None


def _holdout(n_rows, sample_size, rng):
    order = rng.permutation(n_rows)
    return order[:sample_size], order[sample_size:]


PROTOCOLS: dict[str, Callable] = {"resample": _resample, "holdout": _holdout}


# -- what a trial is ------------------------------------------------------------------------------


class Trial(NamedTuple):
    """A fit: which estimator, to how many rows, for which time."""

    estimator: str
    sample_size: int
    trial: int


@dataclass(frozen=True)
class Criteria:
    """What estimators are trained for and judged by, the same for all of them.

    Attributes
    ----------
    constraints : tuple of Constraint
    measures, pos_label
        What the constraints' names mean.
    metrics : mapping of str to scorer
    classes : ndarray or None
        All labels of the population, sorted; None where numbers are predicted.
    protocol : str
        A key of `PROTOCOLS`.
    random_state : int
        What the seeds of all trials are made from.
    """

    constraints: tuple[Constraint, ...]
    measures: tuple[Any, ...]
    pos_label: Any
    metrics: Mapping[str, Callable]
    classes: np.ndarray | None
    protocol: str
    random_state: int


def run_trial(trial, estimator, X, y, sensitive_features, criteria):
    """The row that `trial` adds to the table, as a dict.

    Whatever fails is written down in the row, so that it costs one trial only. Nobody escapes
    judgement by a score that it cannot be given: values of the constraints come first.
    """
    rows_seed, fit_seed = _seeds(criteria.random_state, trial)
    draw = PROTOCOLS[criteria.protocol]
    drawn, held = draw(len(y), trial.sample_size, np.random.default_rng(rows_seed))
    sample = _rows(drawn, X, y, sensitive_features)
    population = _rows(held, X, y, sensitive_features)
    start = time.perf_counter()
    seconds, judged, error = np.nan, _no_scores(criteria), ""
    try:
        model = prepared(estimator, criteria.constraints, np.random.default_rng(fit_seed))
        _fit(model, *sample)
        seconds = time.perf_counter() - start
        found = _found(model)
        if found:
            model = OnPopulation(model, population[0], population[2], criteria.classes)
            judged.update(_values(model, *population, criteria, "g", "argmax"))
    except Exception as problem:
        found, error = False, _in_words(problem)
    if found:
        scores, error = _scores(model, *population, criteria)
        judged.update(scores)
    return {
        **trial._asdict(),
        "solution_found": found,
        "failure": bool(any(judged[f"g_{i}"] > ROUNDING for i in range(len(criteria.constraints)))),
        "seconds": round(seconds, 4),
        "error": error,
        **judged,
    }


def _seeds(random_state, trial):
    """Seeds of the draw and of the fit, the same for every estimator."""
    return np.random.SeedSequence(random_state, spawn_key=(trial.sample_size, trial.trial)).spawn(2)


def _rows(index, *tables):
    if index is None:
        return tables
    return tuple(None if table is None else _safe_indexing(table, index) for table in tables)


# -- fitting --------------------------------------------------------------------------------------


def prepared(estimator, constraints, rng):
    """A clone whose Seldonian parts without constraints have the given ones, and seeded.

    Seldonian is what has both a `constraints` and a `delta`, wherever it is inside.
    """
    model = clone(estimator)
    params = model.get_params(deep=True)
    for owner in _seldonian_parts(params):
        if _is_empty(params[f"{owner}constraints"]):
            model.set_params(**{f"{owner}constraints": constraints})
    for name in seed_names(params):
        model.set_params(**{name: int(rng.integers(2**31))})
    return model


def deltas_of(estimator):
    """The deltas of an estimator's Seldonian parts."""
    params = estimator.get_params(deep=True)
    deltas = [x for owner in _seldonian_parts(params) for x in np.ravel(params[f"{owner}delta"])]
    return [delta for delta in deltas if isinstance(delta, Real)]


def _seldonian_parts(params):
    """What stands before the names of the parameters of each Seldonian part."""
    owners = (name.removesuffix("constraints") for name in params if _last(name) == "constraints")
    return [owner for owner in owners if f"{owner}delta" in params]


def seed_names(params):
    """The parameters that every trial sets anew."""
    return sorted(name for name in params if _last(name) == "random_state")


def _last(name):
    return name.rpartition("__")[2]


def _is_empty(constraints):
    return not isinstance(constraints, Constraint) and len(constraints) == 0


def _fit(model, X, y, sensitive_features):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        warnings.filterwarnings("ignore", "With .* safety rows, no model can pass")
        warnings.filterwarnings("ignore", LARGE_DELTA_WARNING)  # given once for all trials
        # Rows drawn with replacement from the population are copies, and independent.
        warnings.filterwarnings("ignore", ".* exact copies of candidate rows")
        model.fit(X, y, **groups_for(model, "fit", sensitive_features))
    if _was_interrupted(model):  # Ctrl-C ends the experiment; nothing is known of this trial
        raise KeyboardInterrupt


def _was_interrupted(model):
    """Whether a Seldonian estimator caught an interrupt and ended its training."""
    return getattr(getattr(innermost(model), "net_", None), "interrupted_", False)


def _found(model):
    """Whether a model was returned; estimators that cannot refuse always return one."""
    return bool(getattr(innermost(model), "solution_found_", True))


# -- judging --------------------------------------------------------------------------------------


def _has_probabilities(judged):
    return hasattr(judged.estimator, "predict_proba")


class OnPopulation(FrozenEstimator):
    """A fitted estimator whose answers for one population are computed once, for all who ask.

    So constraints and metrics speak of the same decisions where those are drawn at random.
    Every class of the population is one of its `classes_`, whatever the rows it was fitted to.
    """

    def __init__(self, estimator, X, sensitive_features=None, classes=None):
        super().__init__(estimator)
        self.X = X
        self.sensitive_features = sensitive_features
        self._known = {}
        if classes is not None:
            self.classes_ = classes

    def __sklearn_is_fitted__(self):
        return True  # also where there was nothing to learn, as for a rule

    def predict(self, X):
        """What the estimator predicts for `X`."""
        return self._answer("predict", X)

    @available_if(_has_probabilities)
    def predict_proba(self, X):
        """Probabilities in the order of `classes_`; 0 for a class that the estimator never saw."""
        given = self._answer("predict_proba", X)
        aligned = np.zeros((len(given), len(self.classes_)))
        aligned[:, np.searchsorted(self.classes_, self.estimator.classes_)] = given
        return aligned

    def _answer(self, method, X):
        ask = getattr(self.estimator, method)
        if X is not self.X:
            return ask(X)
        if method not in self._known:
            groups = groups_for(self.estimator, method, self.sensitive_features)
            self._known[method] = ask(X, **groups)
        return self._known[method]


def _values(judged, X, y, sensitive_features, criteria, name, decision):
    """The constraints' values on the population, under their columns' names."""
    values = constraint_values(
        judged,
        X,
        y,
        criteria.constraints,
        sensitive_features=sensitive_features,
        decision=decision,
        pos_label=criteria.pos_label,
        measures=criteria.measures,
    )
    return {f"{name}_{i}": float(value) for i, value in enumerate(values)}


def _scores(judged, X, y, sensitive_features, criteria):
    """What stands beside the values over decisions, and what went wrong with it."""

    def soft_values(judged, X, y):
        return _values(judged, X, y, sensitive_features, criteria, "g_soft", "sample")

    soft = {"g_soft": soft_values} if _has_probabilities(judged) else {}
    scores, errors = {}, []
    for name, score in {**criteria.metrics, **soft}.items():
        try:
            found = score(judged, X, y)
            scores.update(found if score is soft_values else {name: float(found)})
        except Exception as problem:
            errors.append(f"{name}: {_in_words(problem)}")
    return scores, "; ".join(errors)


def _in_words(problem):
    return visible(f"{type(problem).__name__}: {problem}")[:MAX_ERROR_CHARACTERS]


def _no_scores(criteria):
    """The scores of a trial without a model, and the order of everybody's."""
    each = range(len(criteria.constraints))
    names = (*(f"g_{i}" for i in each), *(f"g_soft_{i}" for i in each), *criteria.metrics)
    return dict.fromkeys(names, np.nan)
