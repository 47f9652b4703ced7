"""One trial: draw rows, fit an estimator to them, judge its decisions on the population."""

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

# What is left of a constraint that is met with equality, after rounding.
ROUNDING = 1e-9
MAX_ERROR_CHARACTERS = 10_000  # characters, so that the table stays readable, and its files as well


PROTOCOLS = ("resample", "holdout")

Row = dict[str, Any]


class Trial(NamedTuple):
    """A fit: which estimator, to how many rows, for which time."""

    estimator: str
    sample_size: int
    trial: int


class Data(NamedTuple):
    """Rows to fit to or to judge by, and the groups that they belong to."""

    X: Any
    y: Any
    sensitive_features: Any

    def rows(self, index: NDArray[np.int64]) -> Data:
        """The rows at these positions."""
        return Data(*(None if part is None else _safe_indexing(part, index) for part in self))


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
    metrics: Mapping[str, Callable[..., float]]
    classes: NDArray[Any] | None
    protocol: str
    random_state: int


def run_trial(trial: Trial, estimator: Any, data: Data, criteria: Criteria) -> Row:
    """The row that `trial` adds to the table.

    Whatever fails is written down in the row, so that it costs one trial only. Values of the
    constraints come first, so that no estimator escapes judgement by a score that fails.
    """
    # The same seeds for every estimator.
    key = (trial.sample_size, trial.trial)
    rows_seed, fit_seed = np.random.SeedSequence(criteria.random_state, spawn_key=key).spawn(2)
    rng = np.random.default_rng(rows_seed)
    sample, population = _drawn(data, trial.sample_size, criteria.protocol, rng)
    start = time.perf_counter()
    seconds, judged, error = np.nan, _no_scores(criteria), ""
    try:
        model = prepared(estimator, criteria.constraints, np.random.default_rng(fit_seed))
        _fit(model, sample)
        seconds = time.perf_counter() - start
        # Estimators that cannot refuse always return a model.
        found = bool(getattr(innermost(model), "solution_found_", True))
        if found:
            model = OnPopulation(
                model, population.X, population.sensitive_features, criteria.classes
            )
            judged.update(values_of(model, population, criteria, "g", "argmax"))
    except Exception as problem:
        found, error = False, _in_words(problem)
    if found:
        scores, error = _scores(model, population, criteria)
        judged.update(scores)
    return {
        **trial._asdict(),
        "solution_found": found,
        "failure": bool(any(judged[f"g_{i}"] > ROUNDING for i in range(len(criteria.constraints)))),
        "seconds": round(seconds, 4),
        "error": error,
        **judged,
    }


def _drawn(
    data: Data, sample_size: int, protocol: str, rng: np.random.Generator
) -> tuple[Data, Data]:
    """The rows to fit to, and those that stand for the population."""
    n_rows = len(data.y)
    if protocol == "resample":
        return data.rows(rng.integers(n_rows, size=sample_size)), data
    order = rng.permutation(n_rows)
    return data.rows(order[:sample_size]), data.rows(order[sample_size:])


# -- fitting --------------------------------------------------------------------------------------


def prepared(estimator: Any, constraints: Sequence[Constraint], rng: np.random.Generator) -> Any:
    """A clone whose Seldonian parts without constraints have the given ones, and seeded.

    Seldonian is what has both a `constraints` and a `delta`, wherever it is inside.
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
    """What stands before the names of the parameters of each Seldonian part."""
    owners = (name.removesuffix("constraints") for name in params if _last(name) == "constraints")
    return [owner for owner in owners if f"{owner}delta" in params]


def seed_names(params: Iterable[str]) -> list[str]:
    """The parameters that every trial sets anew."""
    return sorted(name for name in params if _last(name) == "random_state")


def _last(name: str) -> str:
    return name.rpartition("__")[2]


def _fit(model: Any, sample: Data) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoSolutionFoundWarning)
        warnings.filterwarnings("ignore", "With .* safety rows, no model can pass")
        warnings.filterwarnings("ignore", LARGE_DELTA_WARNING)  # given once for all trials
        # Rows drawn with replacement from the population are copies, and independent.
        warnings.filterwarnings("ignore", ".* exact copies of candidate rows")
        model.fit(sample.X, sample.y, **groups_for(model, "fit", sample.sensitive_features))
    # Ctrl-C ends the experiment, also where a Seldonian estimator caught it: nothing is known of
    # this trial.
    if getattr(getattr(innermost(model), "net_", None), "interrupted_", False):
        raise KeyboardInterrupt


# -- judging --------------------------------------------------------------------------------------


def _has_probabilities(judged: Any) -> bool:
    return hasattr(judged.estimator, "predict_proba")


class OnPopulation(FrozenEstimator):
    """A fitted estimator whose answers for one population are computed once, for all who ask.

    So constraints and metrics speak of the same decisions where those are drawn at random.
    Every class of the population is one of its `classes_`, whatever the rows it was fitted to.
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
        return True  # also where there was nothing to learn, as for a rule

    def predict(self, X: Any) -> NDArray[Any]:
        """What the estimator predicts for `X`."""
        return self._answer("predict", X)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities in the order of `classes_`; 0 for a class that the estimator never saw."""
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
    judged: Any, data: Data, criteria: Criteria, name: str, decision: str
) -> dict[str, float]:
    """The constraints' values on the rows, under their columns' names."""
    values = constraint_values(
        judged,
        data.X,
        data.y,
        criteria.constraints,
        sensitive_features=data.sensitive_features,
        decision=decision,
        pos_label=criteria.pos_label,
        measures=criteria.measures,
    )
    return {f"{name}_{i}": float(value) for i, value in enumerate(values)}


def _scores(judged: Any, population: Data, criteria: Criteria) -> tuple[dict[str, float], str]:
    """What stands beside the values over decisions, and what went wrong with it."""

    def score(metric: Callable[..., float], name: str) -> dict[str, float]:
        return {name: float(metric(judged, population.X, population.y))}

    calls = {name: partial(score, metric, name) for name, metric in criteria.metrics.items()}
    if _has_probabilities(judged):
        calls["g_soft"] = partial(values_of, judged, population, criteria, "g_soft", "sample")
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
    """The scores of a trial without a model, and the order of everybody's."""
    each = range(len(criteria.constraints))
    names = (*(f"g_{i}" for i in each), *(f"g_soft_{i}" for i in each), *criteria.metrics)
    return dict.fromkeys(names, np.nan)
