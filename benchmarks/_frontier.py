"""The best linear rules that pass a safety test, found on a population that is known in full.

The gap between groups is taken as normally distributed. Let its standard errors be s in the safety
rows and c in the candidate rows. The test passes if the estimated gap is within ``limit - 1.645 s``
of zero, and the true gap differs from the gap in the candidate rows by an error of size c.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from _population import DATA, Config, Population, least_loss, population
from scipy.stats import norm

SAFETY_SHARE, DELTA = 0.6, 0.05
# Decisions are smoothed by these shares of the scores' spread, one after the other.
SMOOTHING, STEPS_EACH = (0.15, 0.06, 0.03), 200


class Rows(NamedTuple):
    """The numbers of rows of each group (male, female) that a gap is estimated from."""

    safety: np.ndarray
    candidate: np.ndarray | None

    def errors(self, rates):
        """Standard errors of the gap in the safety rows, and of its error including candidates."""
        safety = self._error(rates, self.safety)
        if self.candidate is None:
            return safety, safety
        return safety, (safety**2 + self._error(rates, self.candidate) ** 2) ** 0.5

    @staticmethod
    def _error(rates, rows: np.ndarray):
        return (sum(p * (1 - p) / n for p, n in zip(rates, rows, strict=True)) + 1e-12) ** 0.5

    def room(self, rates, power: float):
        """How far below its limit a gap of about zero must be. Rates may be tensors."""
        safety, both = self.errors(rates)
        return norm.ppf(1 - DELTA) * safety + norm.ppf((1 + power) / 2) * both

    def passing(self, rates, limit: float) -> np.ndarray:
        """The probability of passing."""
        safety, both = self.errors(rates)
        within, gap = limit - norm.ppf(1 - DELTA) * safety, rates[0] - rates[1]
        probability = norm.cdf((within - gap) / both) - norm.cdf((-within - gap) / both)
        return np.maximum(probability, 0.0)


class Rule(NamedTuple):
    """A rule that passes: its accuracy, share of positive decisions, and log-loss.

    The loss is that of calibrated scores. If they contradict the decision, they are set to a half.
    """

    accuracy: float
    positive: float
    log_loss: float


class Search(NamedTuple):
    """A search among rules whose gap is within the limit and that pass with a given probability."""

    people: Population
    limit: float
    rows: Rows
    power: float
    goal: str


def best_rule(
    config: Config,
    m: int,
    power: float,
    *,
    known: bool,
    goal: str = "accuracy",
    data: str = DATA,
) -> Rule:
    """The best linear rule that a fit to m rows could return, by accuracy or by log-loss.

    The gap between the groups is `known`, or estimated on the candidate rows. NaN if the search
    finds no rule that passes with probability `power`.
    """
    people = population(config.dataset, data)
    male = people.groups["M"].mean()
    groups = np.array([male, 1 - male])
    rows = Rows(SAFETY_SHARE * m * groups, None if known else (1 - SAFETY_SHARE) * m * groups)
    search = Search(people, config.limit, rows, power, goal)
    X = np.column_stack([np.ones(len(people.y)), people.X])
    free = least_loss(X, people.y, None, np.zeros(X.shape[1])).x
    rng = np.random.default_rng(0)
    starts = [free, *rng.normal(scale=0.3, size=(1, X.shape[1]))]
    found = [
        rule for start in starts if (rule := _along(_scores(X, start, search), search)) is not None
    ]
    if not found:
        return Rule(np.nan, np.nan, np.nan)
    key = (lambda r: -r.accuracy) if goal == "accuracy" else (lambda r: r.log_loss)
    return min(found, key=key)


def _scores(X: np.ndarray, start: np.ndarray, search: Search) -> np.ndarray:
    """Scores of the rows: the augmented Lagrangian of smoothed decisions."""
    people = search.people
    features, y = torch.from_numpy(X).float(), torch.from_numpy(people.y).float()
    male = torch.from_numpy(people.groups["M"].to_numpy() == 1)
    theta = torch.tensor(start, dtype=torch.float32, requires_grad=True)
    threshold = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([theta, threshold], lr=0.02)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, STEPS_EACH * len(SMOOTHING))
    multiplier, weight = 0.0, 50.0
    for smoothing in SMOOTHING:
        for step in range(STEPS_EACH):
            scores = features @ theta
            chosen = torch.sigmoid((scores - threshold) / (smoothing * scores.detach().std()))
            rates = chosen[male].mean(), chosen[~male].mean()
            excess = (rates[0] - rates[1]).abs() + search.rows.room(rates, search.power)
            excess = excess - search.limit
            loss = _goal(search.goal, scores, chosen, y)
            pushed = torch.clamp(excess + multiplier / weight, min=0.0)
            optimizer.zero_grad()
            (loss + weight / 2 * pushed.square().sum()).backward()
            optimizer.step()
            schedule.step()
            if step % 20 == 19:
                multiplier = max(0.0, multiplier + weight * float(excess.detach()))
        weight *= 4
    return X @ theta.detach().double().numpy()


def _goal(goal: str, scores: torch.Tensor, chosen: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Smoothed error, or the log-loss of probabilities on the decision's side of a half."""
    if goal == "accuracy":
        return (chosen * (1 - y) + (1 - chosen) * y).mean()
    own = torch.nn.functional.binary_cross_entropy_with_logits(scores, y, reduction="none")
    if_positive = torch.where(scores > 0, own, np.log(2.0))
    if_negative = torch.where(scores < 0, own, np.log(2.0))
    return (chosen * if_positive + (1 - chosen) * if_negative).mean()


def _along(scores: np.ndarray, search: Search) -> Rule | None:
    """The best threshold of these scores, by the decisions themselves."""
    people, order = search.people, np.argsort(-scores)
    passing = search.rows.passing(_rates(people, order), search.limit)
    kept = np.flatnonzero(passing >= search.power)
    if not len(kept):
        return None
    right = ((people.y == 0).sum() + np.cumsum(2 * people.y[order] - 1)) / len(order)
    losses = _agreeing_losses(scores, people.y, order)
    best = kept[(right if search.goal == "accuracy" else -losses)[kept].argmax()]
    return Rule(float(right[best]), float((best + 1) / len(order)), float(losses[best]))


def _rates(people: Population, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positive rates of both groups if the first 1, 2, ... rows are decided positively."""
    male = people.groups["M"].to_numpy()[order] == 1
    return np.cumsum(male) / male.sum(), np.cumsum(~male) / (~male).sum()


def _agreeing_losses(scores: np.ndarray, y: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Log-loss of calibrated scores if the first 1, 2, ... rows must have at least a half."""
    line = np.column_stack([np.ones(len(y)), scores])
    logits = (line @ least_loss(line, y, None, np.array([0.0, 1.0])).x)[order]
    own = np.logaddexp(0, logits) - y[order] * logits
    if_positive, if_negative = (
        np.where(logits > 0, own, np.log(2)),
        np.where(logits < 0, own, np.log(2)),
    )
    return (np.cumsum(if_positive) + if_negative.sum() - np.cumsum(if_negative)) / len(y)
