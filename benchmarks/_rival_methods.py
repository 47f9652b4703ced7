"""The methods that `rivals.py` compares: each trains on candidate rows and is tested once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from _population import Config, Floats, Integers, draw, population
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from sklearn_seldonian import (
    SafetyCertificate,
    SeldonianClassifier,
    SeldonianMetaClassifier,
    certify,
    probability_of_passing,
)
from sklearn_seldonian.metrics import constraint_values

DELTA, POWER = 0.05, 0.9
N_THRESHOLDS, N_THRESHOLDS_OF_GROUP = 40, 20
THRESHOLD_FOLDS, MIXTURE_FOLDS = 5, 3
# Shares of the limit that fairlearn and Cooper train for, the loosest first.
TIGHTER = (1.0, 0.8, 0.6, 0.4, 0.2, 0.05)
# Shares of each group that may be decided positive, and halvings in a search for the largest gap.
KNOWN_SHARES, KNOWN_HALVINGS = np.linspace(0, 1, 201), 10
COOPER_STEPS, COOPER_RATE, COOPER_MULTIPLIER_RATE = 500, 0.02, 0.1

Decide = Callable[[Floats], Floats]
Train = Callable[["Sample", Config, float], Decide]
DecideByGroup = Callable[["Sample"], Floats]


# -- rows ---------------------------------------------------------------------------------------


class Sample(NamedTuple):
    """Rows, and the 0/1 columns M and F of the groups they belong to."""

    X: Floats
    y: Integers
    groups: pd.DataFrame

    def take(self, rows: npt.NDArray[Any]) -> Sample:
        return Sample(self.X[rows], self.y[rows], self.groups.iloc[rows])


class Case(NamedTuple):
    """One draw: candidate rows, safety rows, the population, and a seed."""

    config: Config
    candidate: Sample
    safety: Sample
    everyone: Sample
    seed: int


def case_of(config: Config, m: int, trial: int, data: str) -> Case:
    """A draw of m rows. They are independent, so any half of them can be the candidate rows."""
    people = population(config.dataset, data)
    drawn = draw(config.dataset, m, trial, data)
    whole = Sample(people.X, people.y, people.groups)
    candidate, safety = (whole.take(rows) for rows in np.split(drawn.rows, [m // 2]))
    return Case(config, candidate, safety, whole, drawn.seed)


class Answer(NamedTuple):
    """The result of one fit.

    `positive` has the probability of a positive decision for each row of the population, 0 or 1 if
    decisions are not drawn. It is None if no model was returned. `passing` is the probability of
    passing that training predicted.
    """

    positive: Floats | None
    g_upper: float
    passing: float = math.nan


# -- ours ---------------------------------------------------------------------------------------


def ours_default(case: Case) -> Answer:
    return fitted(SeldonianClassifier(device="cpu"), case)


def ours_linear(case: Case) -> Answer:
    return fitted(SeldonianClassifier(module__hidden=(), device="cpu"), case)


def ours_trees(case: Case) -> Answer:
    trees = HistGradientBoostingClassifier(random_state=case.seed)
    return fitted(SeldonianMetaClassifier(trees), case)


def ours_default_at_even_odds(case: Case) -> Answer:
    return fitted(SeldonianClassifier(power=0.5, device="cpu"), case)


def ours_trees_at_even_odds(case: Case) -> Answer:
    trees = HistGradientBoostingClassifier(random_state=case.seed)
    return fitted(SeldonianMetaClassifier(trees, power=0.5), case)


def ours_default_by_group(case: Case) -> Answer:
    return fitted(SeldonianClassifier(device="cpu", group_thresholds=True), case)


def ours_linear_by_group(case: Case) -> Answer:
    model = SeldonianClassifier(module__hidden=(), device="cpu", group_thresholds=True)
    return fitted(model, case)


def ours_trees_by_group(case: Case) -> Answer:
    trees = HistGradientBoostingClassifier(random_state=case.seed)
    return fitted(SeldonianMetaClassifier(trees, group_thresholds=True), case)


def fitted(model: Any, case: Case) -> Answer:
    """The answer of one of our estimators, which test their model themselves."""
    parts = case.candidate, case.safety
    is_safety = np.repeat([False, True], [len(part.y) for part in parts])
    X, y = (np.concatenate([getattr(part, name) for part in parts]) for name in ("X", "y"))
    groups = pd.concat([part.groups for part in parts])
    model.set_params(constraints=case.config.text, delta=DELTA, random_state=case.seed)
    model.fit(X, y, sensitive_features=groups, safety_mask=is_safety)
    found = model.solution_found_
    everyone, positive = case.everyone, None
    if found:
        decisions = model.predict(everyone.X, sensitive_features=everyone.groups)
        positive = np.asarray(decisions, dtype=float)
    passing = predicted_passing(getattr(model, "history_", None))
    return Answer(positive, model.certificate_.results[0].g_upper, passing)


def predicted_passing(history: pd.DataFrame | None) -> float:
    """The predicted probability that all constraints pass, at the epoch that was kept."""
    if history is None or "kept" not in history:
        return math.nan
    kept = history[history["kept"].astype(bool)].filter(regex=r"^passing_\d+$")
    if kept.empty:
        return math.nan
    return max(0.0, float(1.0 - (1.0 - kept.iloc[-1]).sum()))


# -- rivals -------------------------------------------------------------------------------------


class Decided(ClassifierMixin, BaseEstimator):
    """A classifier that returns its only feature, which has decisions that were made before."""

    def fit(self, X: Any, y: Any) -> Decided:
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Floats) -> Integers:
        return X[:, 0].astype(np.int64)


def tested(positive: Floats, sample: Sample, case: Case) -> SafetyCertificate:
    """The test of decisions about a sample. Decisions that are not certain are drawn."""
    decisions = np.random.default_rng(case.seed).random((len(positive), 1)) < positive[:, None]
    return certify(
        Decided().fit(decisions, sample.y),
        decisions,
        sample.y,
        case.config.text,
        delta=DELTA,
        sensitive_features=sample.groups,
        random_state=case.seed,
    )


def answer(decide: Decide, case: Case) -> Answer:
    """The answer of the single test of a model on the safety rows."""
    return answer_by_group(lambda sample: decide(sample.X), case)


def answer_by_group(decide: DecideByGroup, case: Case) -> Answer:
    """The same for a model whose decisions depend on the group."""
    certificate = tested(decide(case.safety), case.safety, case)
    positive = decide(case.everyone) if certificate.passed else None
    return Answer(positive, certificate.results[0].g_upper)


def rehearsed(options: Sequence[Any], decisions: Callable[[Any], Floats], case: Case) -> Any:
    """The first option whose decisions pass on candidate rows, or the one with the lowest bound."""
    bounds = []
    for option in options:
        certificate = tested(decisions(option), case.candidate, case)
        if certificate.passed:
            return option
        bounds.append(certificate.results[0].g_upper)
    return options[int(np.argmin(bounds))]


def folds(n_splits: int, case: Case) -> StratifiedKFold:
    return StratifiedKFold(n_splits, shuffle=True, random_state=case.seed)


def logistic(case: Case) -> Answer:
    return with_threshold(LogisticRegression(max_iter=1000), case)


def trees(case: Case) -> Answer:
    return with_threshold(HistGradientBoostingClassifier(random_state=case.seed), case)


def with_threshold(model: Any, case: Case) -> Answer:
    """A fitted model with a decision threshold that is chosen by rehearsal on candidate rows."""
    X, y, _ = case.candidate
    cv = folds(THRESHOLD_FOLDS, case)
    scores = cross_val_predict(model, X, y, cv=cv, method="predict_proba")[:, 1]
    thresholds = np.append(0.5, np.quantile(scores, np.linspace(0, 1, N_THRESHOLDS)))
    accuracies = ((scores > thresholds[:, None]) == y).mean(axis=1)
    best_first = thresholds[np.argsort(-accuracies, kind="stable")]
    threshold = rehearsed(best_first, lambda t: (scores > t).astype(float), case)
    model.fit(X, y)
    return answer(lambda X: (model.predict_proba(X)[:, 1] > threshold).astype(float), case)


def logistic_by_group(case: Case) -> Answer:
    return with_thresholds_by_group(LogisticRegression(max_iter=1000), case)


def trees_by_group(case: Case) -> Answer:
    model = HistGradientBoostingClassifier(random_state=case.seed)
    return with_thresholds_by_group(model, case)


def with_thresholds_by_group(model: Any, case: Case) -> Answer:
    """As `with_threshold`, with one threshold for M and another for F; all pairs are rehearsed."""
    X, y, groups = case.candidate
    cv, male = folds(THRESHOLD_FOLDS, case), groups["M"].to_numpy() == 1
    scores = cross_val_predict(model, X, y, cv=cv, method="predict_proba")[:, 1]
    shares = np.linspace(0, 1, N_THRESHOLDS_OF_GROUP)
    of_men, of_women = (np.append(0.5, np.quantile(scores[own], shares)) for own in (male, ~male))
    right = [
        ((scores[own] > thresholds[:, None]) == y[own]).sum(axis=1)
        for own, thresholds in ((male, of_men), (~male, of_women))
    ]
    total = right[0][:, None] + right[1]
    best_first = np.unravel_index(np.argsort(-total, axis=None, kind="stable"), total.shape)
    pairs = [(of_men[i], of_women[j]) for i, j in zip(*best_first, strict=True)]

    def decisions(pair: tuple[float, float]) -> Floats:
        return np.asarray(scores > np.where(male, *pair), dtype=float)

    # A test takes long, and never passes if the estimate itself violates the constraint.
    keeping = [pair for pair in pairs if estimate(decisions(pair), case) <= 0]
    chosen = rehearsed(keeping or pairs[:1], decisions, case)
    model.fit(X, y)

    def positive(sample: Sample) -> Floats:
        threshold = np.where(sample.groups["M"] == 1, *chosen)
        return np.asarray(model.predict_proba(sample.X)[:, 1] > threshold, dtype=float)

    return answer_by_group(positive, case)


def trees_by_known_group(case: Case) -> Answer:
    """Trees with the two thresholds that are best on the population itself.

    They are the most accurate pair that passes the test with probability `POWER`. No method can
    know it, so it shows how much thresholds for these scores can reach.
    """
    model = HistGradientBoostingClassifier(random_state=case.seed)
    model.fit(case.candidate.X, case.candidate.y)
    everyone, male = case.everyone, case.everyone.groups["M"].to_numpy() == 1
    scores = model.predict_proba(everyone.X)[:, 1]
    thresholds, shares, right = [], [], []
    for own in (male, ~male):
        thresholds.append(np.quantile(scores[own], 1.0 - KNOWN_SHARES))
        decided = scores[own] > thresholds[-1][:, None]
        shares.append(decided.mean(axis=1))
        right.append((decided == everyone.y[own]).sum(axis=1))
    total, gaps = np.add.outer(*right), np.abs(np.subtract.outer(*shares))
    share_of = {"PR | [M]": float(male.mean()), "PR | [F]": float((~male).mean())}

    def best(gap: float) -> tuple[np.intp, ...]:
        """The positions of the most accurate pair whose shares differ by at most the gap."""
        return np.unravel_index(np.where(gaps <= gap, total, -1).argmax(), total.shape)

    def passes(gap: float) -> bool:
        rates = (own[k] for own, k in zip(shares, best(gap), strict=True))
        known = dict(zip(share_of, rates, strict=True))
        asked = case.config.text, known, len(case.safety.y), share_of, DELTA
        return probability_of_passing(*asked) >= POWER

    passing, failing = 0.0, case.config.limit
    for _ in range(KNOWN_HALVINGS):
        gap = (passing + failing) / 2
        passing, failing = (gap, failing) if passes(gap) else (passing, gap)
    chosen = [limits[k] for limits, k in zip(thresholds, best(passing), strict=True)]

    def positive(sample: Sample) -> Floats:
        threshold = np.where(sample.groups["M"] == 1, *chosen)
        return np.asarray(model.predict_proba(sample.X)[:, 1] > threshold, dtype=float)

    return answer_by_group(positive, case)


def estimate(positive: Floats, case: Case) -> float:
    """The constraint's g for decisions about the candidate rows."""
    X, y, groups = positive[:, None], case.candidate.y, case.candidate.groups
    model = Decided().fit(X, y)
    values = constraint_values(model, X, y, case.config.text, sensitive_features=groups)
    return float(values[0])


def threshold_optimizer(case: Case) -> Answer:
    """fairlearn's group thresholds on a logistic model. Random decisions are drawn once."""
    from fairlearn.postprocessing import ThresholdOptimizer

    X, y, groups = case.candidate
    parity = {
        "DP": "demographic_parity",
        "DI": "demographic_parity",
        "EOpp": "true_positive_rate_parity",
        "PE": "false_positive_rate_parity",
        "EO": "equalized_odds",
    }[case.config.family]
    optimizer = ThresholdOptimizer(
        estimator=LogisticRegression(max_iter=1000),
        constraints=parity,
        predict_method="predict_proba",
    ).fit(X, y, sensitive_features=groups["M"])

    def positive(sample: Sample) -> Floats:
        drawn = optimizer._pmf_predict(sample.X, sensitive_features=sample.groups["M"])
        return np.asarray(drawn[:, 1], dtype=float)

    return answer_by_group(positive, case)


def fairlearn(case: Case) -> Answer:
    return answer(mixture(case.candidate, case.config, share=1.0), case)


def fairlearn_rehearsed(case: Case) -> Answer:
    return with_rehearsed_share(mixture, case)


def cooper_rehearsed(case: Case) -> Answer:
    return with_rehearsed_share(constrained, case)


def with_rehearsed_share(train: Train, case: Case) -> Answer:
    """A model trained for a share of the limit: the loosest that passes the rehearsal."""
    X, y, _ = case.candidate

    def out_of_fold(share: float) -> Floats:
        positive = np.empty(len(y))
        for rows, rest in folds(MIXTURE_FOLDS, case).split(X, y):
            positive[rest] = train(case.candidate.take(rows), case.config, share)(X[rest])
        return positive

    share = rehearsed(TIGHTER, out_of_fold, case)
    return answer(train(case.candidate, case.config, share), case)


def mixture(sample: Sample, config: Config, share: float) -> Decide:
    """fairlearn's mixture of logistic models, trained for a share of the limit."""
    from fairlearn.reductions import DemographicParity, ExponentiatedGradient

    bound = (
        {"ratio_bound": 1.0 - share * (1.0 - config.limit)}
        if config.family == "DI"
        else {"difference_bound": share * config.limit}
    )
    base = LogisticRegression(max_iter=1000)
    reduction = ExponentiatedGradient(base, DemographicParity(**bound))
    reduction.fit(sample.X, sample.y, sensitive_features=sample.groups["M"])
    weights, models = reduction.weights_, reduction.predictors_

    def positive(X: Floats) -> Floats:
        votes = [w * models[i].predict(X) for i, w in weights.items() if w > 0]
        return np.clip(np.sum(votes, axis=0), 0.0, 1.0)

    return positive


def constrained(sample: Sample, config: Config, share: float) -> Decide:
    """A logistic model trained by Cooper for a share of the limit.

    The multipliers follow the rates of decisions. The weights follow the mean probabilities, which
    have a gradient (proxy constraints).
    """
    import cooper

    X, y = (torch.as_tensor(rows, dtype=torch.float32) for rows in sample[:2])
    male = torch.as_tensor(sample.groups["M"].to_numpy() == 1)
    model = torch.nn.Linear(X.shape[1], 1)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)

    class Problem(cooper.ConstrainedMinimizationProblem):
        def __init__(self) -> None:
            super().__init__()
            multiplier = cooper.multipliers.DenseMultiplier(num_constraints=2)
            self.limits = cooper.Constraint(
                constraint_type=cooper.ConstraintType.INEQUALITY, multiplier=multiplier
            )

        def compute_cmp_state(self) -> cooper.CMPState:
            scores = model(X)[:, 0]
            soft, hard = (
                excesses(positive, y, male, config, share)
                for positive in (torch.sigmoid(scores), (scores > 0).float())
            )
            state = cooper.ConstraintState(violation=soft, strict_violation=hard)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, y)
            return cooper.CMPState(loss=loss, observed_constraints={self.limits: state})

    problem = Problem()
    primal = torch.optim.Adam(model.parameters(), lr=COOPER_RATE)
    dual = torch.optim.SGD(problem.dual_parameters(), lr=COOPER_MULTIPLIER_RATE, maximize=True)
    optimizer = cooper.optim.SimultaneousOptimizer(
        cmp=problem, primal_optimizers=primal, dual_optimizers=dual
    )
    for _ in range(COOPER_STEPS):
        optimizer.roll()

    def positive(X: Floats) -> Floats:
        with torch.no_grad():
            scores = model(torch.as_tensor(X, dtype=torch.float32))[:, 0]
        return (scores > 0).double().numpy()

    return positive


def excesses(
    positive: torch.Tensor, y: torch.Tensor, male: torch.Tensor, config: Config, share: float
) -> torch.Tensor:
    """By how much each of two bounds is exceeded; at share 1 they are the constraint's limit."""
    of_men, of_women = positive[male].mean(), positive[~male].mean()
    if config.family == "DP":
        bound = share * config.limit
        return torch.stack([of_men - of_women - bound, of_women - of_men - bound])
    bound = 1.0 - share * (1.0 - config.limit)
    if config.family == "DI":
        return torch.stack([bound * of_men - of_women, bound * of_women - of_men])
    precision = bound * positive.mean() - (positive * y).mean()
    return torch.stack([precision, precision])


OURS: dict[str, Callable[[Case], Answer]] = {
    "ours, default": ours_default,
    "ours, linear": ours_linear,
    "ours, trees": ours_trees,
}
OURS_AT_EVEN_ODDS: dict[str, Callable[[Case], Answer]] = {
    "ours, default, power .5": ours_default_at_even_odds,
    "ours, trees, power .5": ours_trees_at_even_odds,
}
OURS_BY_GROUP: dict[str, Callable[[Case], Answer]] = {
    "ours, default, by group": ours_default_by_group,
    "ours, linear, by group": ours_linear_by_group,
    "ours, trees, by group": ours_trees_by_group,
}
RIVALS: dict[str, Callable[[Case], Answer]] = {
    "logistic": logistic,
    "trees": trees,
    "fairlearn": fairlearn,
    "fairlearn, rehearsed": fairlearn_rehearsed,
    "cooper, rehearsed": cooper_rehearsed,
}
RIVALS_BY_GROUP: dict[str, Callable[[Case], Answer]] = {
    "logistic, by group": logistic_by_group,
    "trees, by group": trees_by_group,
    "fairlearn, by group": threshold_optimizer,
}
KNOWN: dict[str, Callable[[Case], Answer]] = {"trees, by known group": trees_by_known_group}
BLIND = OURS | RIVALS
BY_GROUP = OURS_BY_GROUP | RIVALS_BY_GROUP | KNOWN
METHODS = BLIND | OURS_AT_EVEN_ODDS | BY_GROUP


def enters(method: str, config: Config) -> bool:
    """Whether a method can train for the constraint."""
    if method in KNOWN:
        return config.family in ("DP", "DI")
    without_groups = config.family == "PPV"
    return not (without_groups and (method.startswith("fairlearn") or method in BY_GROUP))
