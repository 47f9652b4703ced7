"""One trial: draw rows, fit an estimator to them, evaluate its decisions on the population."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
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

# A constraint that is met with equality may exceed its limit by this much, by rounding.
ROUNDING = 1e-9
MAX_ERROR_CHARACTERS = 10_000  # so that the table and its files stay readable


PROTOCOLS = ("resample", "holdout")

Row = dict[str, Any]


class Trial(NamedTuple):
    """One fit: the estimator's name, the sample size, and the number of the trial."""

    estimator: str
    sample_size: int
    trial: int


class Data(NamedTuple):
    """Rows to fit to or to evaluate on, and their sensitive features."""

    X: Any
    y: Any
    sensitive_features: Any

    def rows(self, index: NDArray[np.int64]) -> Data:
        """The rows at these positions."""
        return Data(*(None if part is None else _safe_indexing(part, index) for part in self))


@dataclass(frozen=True)
class Criteria:
    """The constraints and metrics that estimators are trained for and evaluated by.

    Attributes
    ----------
    constraints : tuple of Constraint
    measures, pos_label
        They define names in the constraints.
    metrics : mapping of str to scorer
    classes : ndarray or None
        All labels of the population, sorted. None for regressions.
    protocol : str
        A key of `PROTOCOLS`.
    random_state : int
        The number that the seeds of all trials are computed from.
    """

    constraints: tuple[Constraint, ...]
    measures: tuple[Any, ...]
    pos_label: Any
    metrics: Mapping[str, Callable[..., float]]
    classes: NDArray[Any] | None
    protocol: str
    random_state: int


def run_trial(trial: Trial, estimator: Any, data: Data, criteria: Criteria) -> Row:
    """The row that `trial` adds to the table.

    An error is recorded in the row and does not end the experiment. Values of the constraints are
    computed first, so that an error in a metric does not prevent them.
    """
    # All estimators get the same seeds.
    key = (trial.sample_size, trial.trial)
    rows_seed, fit_seed = np.random.SeedSequence(criteria.random_state, spawn_key=key).spawn(2)
    rng = np.random.default_rng(rows_seed)
    sample, population = _drawn(data, trial.sample_size, criteria.protocol, rng)
    start = time.perf_counter()
    seconds, evaluated, error = np.nan, _no_scores(criteria), ""
    try:
        model = prepared(estimator, criteria.constraints, np.random.default_rng(fit_seed))
        _fit(model, sample)
        seconds = time.perf_counter() - start
        # Estimators that cannot refuse to return a model always find a solution.
        found = bool(getattr(innermost(model), "solution_found_", True))
        if found:
            model = OnPopulation(
                model, population.X, population.sensitive_features, criteria.classes
            )
            evaluated.update(values_of(model, population, criteria, "g", "argmax"))
    except Exception as problem:
        found, error = False, _in_words(problem)
    if found:
        scores, error = _scores(model, population, criteria)
        evaluated.update(scores)
    return {
        **trial._asdict(),
        "solution_found": found,
        "failure": bool(
            any(evaluated[f"g_{i}"] > ROUNDING for i in range(len(criteria.constraints)))
        ),
        "seconds": round(seconds, 4),
        "error": error,
        **evaluated,
    }


def _drawn(
    data: Data, sample_size: int, protocol: str, rng: np.random.Generator
) -> tuple[Data, Data]:
    """The rows to fit to, and the rows that represent the population."""
    n_rows = len(data.y)
    if protocol == "resample":
        return data.rows(rng.integers(n_rows, size=sample_size)), data
    order = rng.permutation(n_rows)
    return data.rows(order[:sample_size]), data.rows(order[sample_size:])


# -- fitting --------------------------------------------------------------------------------------


def prepared(estimator: Any, constraints: Sequence[Constraint], rng: np.random.Generator) -> Any:
    """A seeded clone, in which Seldonian parts without constraints get the given ones.

    Every part with parameters `constraints` and `delta`, at any depth, is a Seldonian part.
    """
    model = clone(estimator)
    params = model.get_params(deep=True)
    for owner in _seldonian_parts(params):
        own = params[f"{owner}constraints"]
        if not isinstance(own, Constraint) and len(own) == 0:
            model.set_params(**{f"{owner}constraints": constraints})
    for name in seed_names(params):
        model.set_params(**{name: int(rng.integers(2**31))})
    return model


def deltas_of(estimator: Any) -> list[float]:
    """The deltas of an estimator's Seldonian parts."""
    params = estimator.get_params(deep=True)
    deltas = [x for owner in _seldonian_parts(params) for x in np.ravel(params[f"{owner}delta"])]
    return [float(delta) for delta in deltas if isinstance(delta, Real)]


def _seldonian_parts(params: Mapping[str, Any]) -> list[str]:
    """The prefixes of the parameters' names of each Seldonian part."""
    owners = (name.removesuffix("constraints") for name in params if _last(name) == "constraints")
    return [owner for owner in owners if f"{owner}delta" in params]


def seed_names(params: Iterable[str]) -> list[str]:
    """The names of the parameters that every trial sets to a new seed."""
    return sorted(name for name in params if _last(name) == "random_state")


def _last(name: str) -> str:
    return name.rpartition("__")[2]


def _fit(model: Any, sample: Data) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        warnings.filterwarnings("ignore", "With .* safety rows, no model can pass")
        warnings.filterwarnings("ignore", LARGE_DELTA_WARNING)  # is given once for all trials
        # Rows drawn with replacement from the population may be copies, but are independent.
        warnings.filterwarnings("ignore", ".* exact copies of candidate rows")
        model.fit(sample.X, sample.y, **groups_for(model, "fit", sample.sensitive_features))
    # Ctrl-C ends the experiment, also if a Seldonian estimator caught it. There is no result of
    # this trial.
    if getattr(getattr(innermost(model), "net_", None), "interrupted_", False):
        raise KeyboardInterrupt


# -- evaluation -----------------------------------------------------------------------------------


def _has_probabilities(evaluated: Any) -> bool:
    return hasattr(evaluated.estimator, "predict_proba")


class OnPopulation(FrozenEstimator):
    """A fitted estimator whose predictions for one population are computed once.

    Constraints and metrics therefore use the same decisions, even if these are drawn at random.
    Every class of the population is in `classes_`, also those without rows in the sample.
    """

    def __init__(
        self, estimator: Any, X: Any, sensitive_features: Any = None, classes: Any = None
    ) -> None:
        super().__init__(estimator)
        self.X = X
        self.sensitive_features = sensitive_features
        self._known: dict[str, NDArray[Any]] = {}
        if classes is not None:
            self.classes_ = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True  # also if there was nothing to fit, as for a fixed rule

    def predict(self, X: Any) -> NDArray[Any]:
        """The estimator's predictions for `X`."""
        return self._answer("predict", X)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities in the order of `classes_`; 0 for classes that it was not fitted to."""
        given = self._answer("predict_proba", X)
        aligned = np.zeros((len(given), len(self.classes_)))
        aligned[:, np.searchsorted(self.classes_, self.estimator.classes_)] = given
        return aligned

    def _answer(self, method: str, X: Any) -> NDArray[Any]:
        ask: Callable[..., NDArray[Any]] = getattr(self.estimator, method)
        if X is not self.X:
            return ask(X)
        if method not in self._known:
            groups = groups_for(self.estimator, method, self.sensitive_features)
            self._known[method] = ask(X, **groups)
        return self._known[method]


def values_of(
    evaluated: Any, data: Data, criteria: Criteria, name: str, decision: str
) -> dict[str, float]:
    """The constraints' values on the rows, by the names of their columns."""
    values = constraint_values(
        evaluated,
        data.X,
        data.y,
        criteria.constraints,
        sensitive_features=data.sensitive_features,
        decision=decision,
        pos_label=criteria.pos_label,
        measures=criteria.measures,
    )
    return {f"{name}_{i}": float(value) for i, value in enumerate(values)}


def _scores(evaluated: Any, population: Data, criteria: Criteria) -> tuple[dict[str, float], str]:
    """Values for probabilities and metrics, and the errors in computing them."""

    def score(metric: Callable[..., float], name: str) -> dict[str, float]:
        return {name: float(metric(evaluated, population.X, population.y))}

    calls = {name: partial(score, metric, name) for name, metric in criteria.metrics.items()}
    if _has_probabilities(evaluated):
        calls["g_soft"] = partial(values_of, evaluated, population, criteria, "g_soft", "sample")
    scores, errors = {}, []
    for name, call in calls.items():
        try:
            scores.update(call())
        except Exception as problem:
            errors.append(f"{name}: {_in_words(problem)}")
    return scores, "; ".join(errors)


def _in_words(problem: Exception) -> str:
    return visible(f"{type(problem).__name__}: {problem}")[:MAX_ERROR_CHARACTERS]


def _no_scores(criteria: Criteria) -> dict[str, float]:
    """The scores of a trial without a model, in the order of the table's columns."""
    each = range(len(criteria.constraints))
    names = (*(f"g_{i}" for i in each), *(f"g_soft_{i}" for i in each), *criteria.metrics)
    return dict.fromkeys(names, np.nan)
