"""Populations that are known in full, constraints on them, and the best possible models."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import OptimizeResult, minimize
from scipy.special import expit

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DATA = "../shared/data"


# -- populations ------------------------------------------------------------------------------


class Population(NamedTuple):
    """Features (n, d), labels 0 or 1, and the 0/1 columns M and F."""

    name: str
    X: Floats
    y: Integers
    groups: pd.DataFrame


class Draw(NamedTuple):
    """Rows of a population, drawn with replacement, and a seed for the fit to them."""

    rows: Integers
    seed: int


def draw(dataset: str, m: int, trial: int, data: str = DATA) -> Draw:
    """The same m rows for every constraint and decision."""
    size = len(population(dataset, data).y)
    rng = np.random.default_rng([zlib.crc32(dataset.encode()), m, trial])
    return Draw(rng.integers(size, size=m), int(rng.integers(2**31)))


@cache
def population(dataset: str, data: str = DATA) -> Population:
    """The whole of a dataset; `data` is the folder that holds it."""
    if dataset == "synthetic":
        return synthetic()
    if dataset == "adult":
        return adult(data)
    frame = pd.read_csv(Path(data) / dataset / f"{dataset}.csv").astype(float)
    groups = frame[["M", "F"]].astype(int)
    label = {"gpa": "GPA", "german": "credit_rating"}[dataset]
    X = frame.drop(columns=["M", "F", label]).to_numpy()
    if dataset == "gpa":
        y = frame[label] >= 3.0
        X = (X - X.mean(axis=0)) / X.std(axis=0)
    else:  # as shipped: numbers standardised, categories one-hot
        y = frame[label] == 1
    return Population(dataset, X, y.to_numpy(dtype=np.int64), groups)


def adult(data: str = DATA) -> Population:
    """Census rows with features other than the sex. Unknown values are a separate category."""
    frame = pd.read_csv(Path(data) / "adult" / "adult.csv.gz")
    male = (frame["sex"] == "Male").astype(int)
    features = frame.drop(columns=["sex", "income"])
    numbers = features.select_dtypes("number")
    categories = pd.get_dummies(features.drop(columns=numbers.columns), dtype=float)
    X = pd.concat([(numbers - numbers.mean()) / numbers.std(ddof=0), categories], axis=1)
    y = frame["income"].to_numpy(dtype=np.int64)
    return Population("adult", X.to_numpy(dtype=float), y, pd.DataFrame({"M": male, "F": 1 - male}))


def synthetic(n_rows: int = 100_000, shift: float = 1.1) -> Population:
    """Labels of a logistic model, in which the first feature favours group M.

    The `shift` makes the mean probabilities of the groups differ by 0.2.
    """
    rng = np.random.default_rng(20191122)
    male = rng.integers(0, 2, n_rows)
    X = rng.normal(size=(n_rows, 5))
    X[:, 0] += shift * (male - 0.5)
    y = rng.random(n_rows) < expit(X @ np.array([1.0, 0.7, -0.5, 0.3, 0.0]))
    return Population("synthetic", X, y.astype(np.int64), pd.DataFrame({"M": male, "F": 1 - male}))


# -- constraints ------------------------------------------------------------------------------

TEXTS = {
    "DP": "abs((PR | [M]) - (PR | [F])) <= {}",
    "DI": "min((PR | [M]) / (PR | [F]), (PR | [F]) / (PR | [M])) >= {}",
    "EO": "abs((FNR | [M]) - (FNR | [F])) + abs((FPR | [M]) - (FPR | [F])) <= {}",
    "PE": "abs((FPR | [M]) - (FPR | [F])) <= {}",
    "EOpp": "abs((FNR | [M]) - (FNR | [F])) <= {}",
    "PPV": "PPV >= {}",
}


class Config(NamedTuple):
    """One constraint on one dataset, named as in the Engine's table."""

    dataset: str
    family: str
    limit: float

    @property
    def name(self) -> str:
        return f"{self.dataset}_{self.family}_{self.limit:g}"

    @property
    def text(self) -> str:
        return TEXTS[self.family].format(self.limit)


CONFIGS = {
    config.name: config
    for config in (
        Config("gpa", "DP", 0.2),
        Config("gpa", "DP", 0.1),
        Config("gpa", "DP", 0.05),
        Config("gpa", "DP", 0.03),  # the last two bind mean probabilities at the optimum
        Config("gpa", "DP", 0.02),
        Config("gpa", "DI", 0.8),
        Config("gpa", "EO", 0.35),
        Config("gpa", "PE", 0.2),
        Config("gpa", "EOpp", 0.2),
        Config("german", "DI", 0.8),
        Config("german", "DI", 0.9),
        Config("synthetic", "DP", 0.1),
    )
}
# In addition to those above, all of which `solution_rate.py` fits.
ADULT_CONFIGS = {
    config.name: config for config in (Config("adult", "DP", 0.1), Config("adult", "PPV", 0.75))
}
# Constraints for which decisions that depend on the group may be better.
RATE_CONFIGS = {
    config.name: config
    for config in (
        Config("gpa", "EOpp", 0.1),
        Config("gpa", "EO", 0.2),
        Config("adult", "EOpp", 0.1),
    )
}


class Truth(NamedTuple):
    """A constraint on a whole population: ``forms @ p <= limit`` for positive probabilities p.

    `forms` has a row per linear inequality. It is written without the package under test, so that
    the package's reading of a constraint is checked too.
    """

    forms: Floats
    limit: float

    def g(self, p: npt.ArrayLike) -> float:
        """The value of g, above zero if the constraint is violated. 0/0 counts as satisfied."""
        return float((self.forms @ np.asarray(p, dtype=float)).max() - self.limit)


@cache
def truth(config: Config, data: str = DATA) -> Truth:
    """The constraint's inequalities. A ratio A/B >= c becomes c B - A <= 0.

    A precision is such a ratio: c for each positive decision, minus the true ones among them.
    """
    people = population(config.dataset, data)
    positive, everyone = people.y == 1, np.ones(len(people.y), dtype=bool)
    if config.family == "DI":
        male, female = _rates(people, everyone)
        c = config.limit
        return Truth(np.array([c * female - male, c * male - female]), 0.0)
    if config.family == "PPV":
        return Truth((config.limit - people.y)[None, :] / len(people.y), 0.0)
    if config.family == "EO":
        tpr, fpr = _gap(people, positive), _gap(people, ~positive)
        return Truth(np.array([tpr + fpr, tpr - fpr, fpr - tpr, -tpr - fpr]), config.limit)
    counted = {"DP": everyone, "PE": ~positive, "EOpp": positive}[config.family]
    gap = _gap(people, counted)
    return Truth(np.array([gap, -gap]), config.limit)


def _rates(people: Population, counted: npt.NDArray[np.bool_]) -> Floats:
    """Weights of the rows in the rate of M and in that of F, among rows `counted`."""
    weights = people.groups[["M", "F"]].to_numpy(dtype=float).T * counted
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _gap(people: Population, counted: npt.NDArray[np.bool_]) -> Floats:
    male, female = _rates(people, counted)
    return np.asarray(male - female)


# -- the best possible model ------------------------------------------------------------------


class Optimum(NamedTuple):
    """The logistic model with the lowest log-loss on the population under the soft constraint.

    `accuracy` is the best accuracy with a shifted threshold under the hard constraint. `g_hard` is
    the value at the threshold without a shift. `free_*` are for the model without the constraint.
    """

    log_loss: float
    accuracy: float
    g_soft: float
    g_hard: float
    free_log_loss: float
    free_accuracy: float
    free_g_soft: float
    free_g_hard: float


def population_optimum(config: Config, data: str = DATA, n_starts: int = 4) -> Optimum:
    """Sequential quadratic programming from zero, the free optimum, and random points."""
    people, limits = population(config.dataset, data), truth(config, data)
    X = np.column_stack([np.ones(len(people.y)), people.X])
    nothing = np.zeros(X.shape[1])
    free = least_loss(X, people.y, None, nothing)
    rng = np.random.default_rng(0)
    starts = [nothing, free.x, *rng.normal(scale=0.3, size=(n_starts - 2, X.shape[1]))]
    found = [least_loss(X, people.y, limits, start) for start in starts]
    feasible = [r for r in found if r.success and limits.g(expit(X @ r.x)) <= 1e-6]
    assert feasible, f"no start led to a feasible point of {config.name}"
    best = min(feasible, key=lambda result: float(result.fun))
    scores, free_scores = X @ best.x, X @ free.x
    return Optimum(
        log_loss=float(best.fun),
        accuracy=best_shifted_accuracy(scores, people.y, limits),
        g_soft=limits.g(expit(scores)),
        g_hard=limits.g(scores > 0),
        free_log_loss=float(free.fun),
        free_accuracy=float(((free_scores > 0) == people.y).mean()),
        free_g_soft=limits.g(expit(free_scores)),
        free_g_hard=limits.g(free_scores > 0),
    )


def least_loss(X: Floats, y: Integers, limits: Truth | None, start: Floats) -> OptimizeResult:
    """The lowest mean log-loss of logistic models, under the `limits` if there are any."""

    def loss(theta: Floats) -> tuple[float, Floats]:
        scores = X @ theta
        value = (np.logaddexp(0.0, scores) - y * scores).mean()
        return float(value), X.T @ (expit(scores) - y) / len(y)

    def room(theta: Floats) -> Floats:
        assert limits is not None
        return np.asarray(limits.limit - limits.forms @ expit(X @ theta))

    def room_slopes(theta: Floats) -> Floats:
        assert limits is not None
        p = expit(X @ theta)
        return np.asarray(-(limits.forms * (p * (1.0 - p))) @ X)

    constraints = [{"type": "ineq", "fun": room, "jac": room_slopes}] if limits else []
    return minimize(
        loss,
        start,
        jac=True,
        method="SLSQP",
        constraints=constraints,
        options={"maxiter": 1000, "ftol": 1e-10},
    )


def best_shifted_accuracy(scores: Floats, y: Integers, limits: Truth) -> float:
    """The best accuracy of ``scores > t`` over all t whose decisions satisfy the limits."""
    order = np.argsort(-scores)
    sums = np.cumsum(limits.forms[:, order], axis=1)
    g = np.append(0.0, sums.max(axis=0)) - limits.limit
    right = (y == 0).sum() + np.append(0, np.cumsum(2 * y[order] - 1))
    between = np.append(True, np.append(np.diff(scores[order]) < 0, True))
    return float(right[between & (g <= 1e-12)].max() / len(y))
