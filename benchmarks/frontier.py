"""How good is the best rule that the safety test passes, and the best that candidate rows show?

For parity constraints that bind, linear rules ``x @ theta > t`` are searched for the highest
accuracy, and the lowest log-loss of probabilities that agree with the decisions, among those
that pass the test with probability `power`: once where the population is known, once where the
gap between the groups is known from the candidate rows alone, as `fit` knows it. What
`solution_rate.py` finds is to be read beside this.

    python benchmarks/frontier.py [--power 0.95] [--sizes 1000 2000 4000 16000 32000]

Numbers of passing rows are taken for normal: with a true gap d and standard errors s of the gap
in the safety rows and c in the candidate rows, the test passes where the gap seen is within
``limit - 1.645 s`` of zero, and d differs from the gap that candidates show by c.

It asserts that where the population is known the search finds at least the accuracy of the best
thresholds of the constrained optimum, found otherwise: .613, .643, .647 and .648 for GPA under
parity .1 at m = 1,000, 2,000, 4,000 and 16,000 and power .9.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from _population import CONFIGS, Config, Population, population, truth
from scipy.optimize import minimize
from scipy.stats import norm

SAFETY_SHARE, DELTA = 0.6, 0.05
NAMES = ("gpa_DP_0.1", "gpa_DP_0.05", "gpa_DP_0.03", "gpa_DP_0.02", "synthetic_DP_0.1")
KNOWN = {1000: 0.613, 2000: 0.643, 4000: 0.647, 16000: 0.648}
# Decisions are smoothed by these shares of the scores' spread, ever less.
SMOOTHING, STEPS_EACH = (0.15, 0.06, 0.03), 200


class Rows(NamedTuple):
    """How many rows of each group (male, female) a gap is counted in."""

    safety: np.ndarray
    candidate: np.ndarray | None

    def room(self, rates, power: float):
        """By how much a gap must stay below its limit; `rates` of both groups may be tensors."""
        safety = self._error(rates, self.safety)
        both = safety
        if self.candidate is not None:
            both = (safety**2 + self._error(rates, self.candidate) ** 2) ** 0.5
        return norm.ppf(1 - DELTA) * safety + norm.ppf(power) * both

    @staticmethod
    def _error(rates, rows: np.ndarray):
        return (sum(p * (1 - p) / n for p, n in zip(rates, rows, strict=True)) + 1e-12) ** 0.5


class Rule(NamedTuple):
    """The rule of the highest accuracy along one direction, and the lowest log-loss along it."""

    accuracy: float
    positive: float
    log_loss: float


def best_rule(config: Config, rows: Rows, power: float, goal: str) -> Rule:
    """Over two starts, the best that gradient steps with a multiplier find."""
    people = population(config.dataset)
    X = np.column_stack([np.ones(len(people.y)), people.X])
    free = minimize(_log_loss, np.zeros(X.shape[1]), (X, people.y), jac=True).x
    rng = np.random.default_rng(0)
    starts = [free, *rng.normal(scale=0.3, size=(1, X.shape[1]))]
    found = [
        rule
        for start in starts
        if (rule := _along(_search(config, X, start, rows, power, goal), config, rows, power))
    ]
    if not found:
        return Rule(np.nan, np.nan, np.nan)
    key = (lambda r: -r.accuracy) if goal == "accuracy" else (lambda r: r.log_loss)
    return min(found, key=key)


def _log_loss(theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    scores = X @ theta
    p = 1 / (1 + np.exp(-scores))
    return float((np.logaddexp(0, scores) - y * scores).mean()), X.T @ (p - y) / len(y)


def _search(
    config: Config, X: np.ndarray, start: np.ndarray, rows: Rows, power: float, goal: str
) -> np.ndarray:
    """Scores of the rows: the augmented Lagrangian of smoothed decisions."""
    people = population(config.dataset)
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
            excess = (rates[0] - rates[1]).abs() + rows.room(rates, power) - config.limit
            loss = _goal(goal, scores, chosen, y)
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


def _along(scores: np.ndarray, config: Config, rows: Rows, power: float) -> Rule | None:
    """The best thresholds of these scores, by the decisions themselves."""
    people, order = population(config.dataset), np.argsort(-scores)
    rates = _rates(people, order)
    kept = np.flatnonzero(np.abs(rates[0] - rates[1]) + rows.room(rates, power) <= config.limit)
    if not len(kept):
        return None
    right = ((people.y == 0).sum() + np.cumsum(2 * people.y[order] - 1)) / len(order)
    best = kept[right[kept].argmax()]
    losses = _agreeing_losses(scores, people.y, order)
    return Rule(float(right[best]), float((best + 1) / len(order)), float(losses[kept].min()))


def _rates(people: Population, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positive rates of both groups where the first 1, 2, ... rows are decided for."""
    male = people.groups["M"].to_numpy()[order] == 1
    return np.cumsum(male) / male.sum(), np.cumsum(~male) / (~male).sum()


def _agreeing_losses(scores: np.ndarray, y: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Log-loss of calibrated scores where the first 1, 2, ... rows must have at least a half."""

    def loss(line: np.ndarray) -> float:
        logits = line[0] * scores + line[1]
        return float((np.logaddexp(0, logits) - y * logits).mean())

    slope, intercept = minimize(loss, [1.0, 0.0], method="Nelder-Mead").x
    logits = (slope * scores + intercept)[order]
    own = np.logaddexp(0, logits) - y[order] * logits
    if_positive, if_negative = (
        np.where(logits > 0, own, np.log(2)),
        np.where(logits < 0, own, np.log(2)),
    )
    return (np.cumsum(if_positive) + if_negative.sum() - np.cumsum(if_negative)) / len(y)


def main(options: argparse.Namespace) -> None:
    found = []
    for name in options.constraints:
        config = CONFIGS[name]
        assert truth(config).limit == config.limit
        male = population(config.dataset).groups["M"].mean()
        groups = np.array([male, 1 - male])
        for m in options.sizes:
            for known in (True, False):
                safety, candidate = SAFETY_SHARE * m * groups, (1 - SAFETY_SHARE) * m * groups
                rows = Rows(safety, None if known else candidate)
                accurate = best_rule(config, rows, options.power, "accuracy")
                likely = best_rule(config, rows, options.power, "log-loss")
                gap = "population" if known else "candidates"
                row = (name, m, gap, accurate.accuracy, accurate.positive, likely.log_loss)
                found.append(row)
                print(*row, flush=True)
    columns = ["constraint", "m", "gap known from", "accuracy", "share positive", "log-loss"]
    print(pd.DataFrame(found, columns=columns).round(4).to_string(index=False))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--power", type=float, default=0.95)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 2000, 4000, 16000, 32000])
    parser.add_argument("--constraints", nargs="+", default=list(NAMES))
    main(parser.parse_args())
