"""Are constraints certified as often as possible, and falsely with probability at most delta?

Three tables, all seeded:

* validity: how often a constraint is certified by each method at delta 0.05, although it holds only
  with equality. With several constraints, one of them holds with equality. "auto" must be at most
  delta. The columns "asymptotic" and "ttest" show by how much these exceed delta on small samples;
* power: how often a constraint that holds is certified;
* speed: CPU seconds on one core of this machine.

    python benchmarks/certificates.py [--quick] [--part validity|power|speed]

It ends in assertions of the requirements of all rows. The error of a share is one binomial standard
error. A requirement is missed if the share differs from it by more than three standard errors.
"""

from __future__ import annotations

import argparse
import cProfile
import math
import pstats
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_seldonian import certify
from sklearn_seldonian.certification import Evidence, Sample, Statistics, passes, safety_test
from sklearn_seldonian.constraints import (
    And,
    Atom,
    ColumnIs,
    Comparison,
    Condition,
    Or,
    ResolvedConstraint,
    Schema,
    Stratification,
    Tree,
    bind,
    distinct_conditions,
    parse,
)

Floats = npt.NDArray[np.float64]
Groups = Mapping[str, tuple[int, Sequence[float]]]

DELTA = 0.05
METHODS = ("auto", "asymptotic", "ttest")
TWO = Schema((0, 1), 1, {"M": (0, 1), "F": (0, 1), "race": ("A", "B", "C")})
THREE = Schema((0, 1, 2), None, {})
MF = frozenset({frozenset({"M", "F"})})
PARITY = "abs(PR | [M] - PR | [F]) <= 0.1"
LONG = "min(TPR, by=level) >= 0.1", "max(abs(PR - 0.3), by=level) <= 0.9"
# By number of levels, the largest allowed number of seconds.
MAX_SECONDS = {1000: 1.0, 10_000: 5.0}
# Expressions whose limit is missed by the bound only, with numbers of levels and of rows per level,
# and the largest allowed number of seconds; None: there is no requirement.
GAP = "max(PR, by=level) - min(PR, by=level)"
MISSED: list[tuple[str, int, int, float | None]] = [
    ("max(FPR, by=level)", 1000, 100, 1.0),
    ("max(FPR, by=level)", 10_000, 100, 5.0),
    ("max(abs(PR - 0.3), by=level)", 5000, 100, 5.0),
    ("max(0.5*FPR + 0.5*FNR, by=level)", 1000, 100, None),
    (GAP, 18, 400, None),  # the most levels whose pairs are tested
    (GAP, 19, 400, None),
    (GAP, 1000, 100, None),
]
GAP_RATES = (0.3, 0.32, 0.1, 0.13)
GAPS = "abs(FNR | [M] - FNR | [F]) + abs(FPR | [M] - FPR | [F]) <= 0.35"


class Row(NamedTuple):
    """One result and its requirement, if there is one."""

    case: str
    value: float
    error: float = 0.0
    at_least: float | None = None
    at_most: float | None = None

    def holds(self) -> bool:
        room = 3.0 * self.error
        low = self.at_least is None or self.value >= self.at_least - room
        return low and (self.at_most is None or self.value <= self.at_most + room)

    def __str__(self) -> str:
        low = "" if self.at_least is None else f">= {self.at_least:g}"
        high = "" if self.at_most is None else f"<= {self.at_most:g}"
        mark = "" if self.holds() else "  <-- NOT MET"
        return f"{self.case:74} {self.value:8.4f} +- {self.error:.4f}  {low}{high}{mark}"


def share(case: str, hits: int, trials: int, **required: float) -> Row:
    p = hits / trials
    expected = required.get("at_most", required.get("at_least", p))
    return Row(case, p, math.sqrt(expected * (1.0 - expected) / trials), **required)


# -- verdicts over tables of counts -----------------------------------------------------------


class Verdicts:
    """Verdicts of `passes`. Verdicts on atoms are stored by the counts that they depend on."""

    def __init__(self, constraint: ResolvedConstraint, method: str) -> None:
        self.constraint, self.method = constraint, method
        self.seen: dict[object, bool] = {}
        self.checked = 0

    def __call__(self, statistics: Statistics) -> bool:
        evidence = statistics.evidence(self.constraint.estimands, MF)
        verdict = self._holds(self.constraint.tree, evidence, DELTA, statistics)
        if self.checked < 20:
            self.checked += 1
            whole = passes(self.constraint.tree, evidence, DELTA, self.method)
            assert verdict == whole, self.constraint.source.text
        return verdict

    def _holds(self, tree: Tree, evidence: Evidence, delta: float, table: Statistics) -> bool:
        match tree:
            case And(children=children):
                return all(self._holds(child, evidence, delta, table) for child in children)
            case Or(children=children):
                part = delta / len(children)
                return any(self._holds(child, evidence, part, table) for child in children)
            case Atom():
                key = self._key(tree, evidence, table), delta
                if key not in self.seen:
                    self.seen[key] = passes(tree, evidence, delta, self.method)
                return self.seen[key]

    def _key(self, atom: Atom, evidence: Evidence, table: Statistics) -> object:
        """Everything that the atom's test depends on. Atoms of the same form share verdicts."""
        samples = tuple(evidence.samples[mean][:2] for mean in atom.estimands)
        alike = atom.linear and len(atom.estimands) <= 2 and all(_alone(m) for m in atom.estimands)
        if alike and atom.linear:
            return atom.linear.weights, atom.linear.constant, samples
        whole = table.confusion.tobytes() if self.method == "asymptotic" else b""
        return str(atom.expression), samples, whole


def _alone(mean: Any) -> bool:
    """Whether the mean is about one group, so that it shares no row with other groups' means."""
    return len(mean.conditions) == 1


def member(condition: Condition, group: str) -> bool:
    match condition:
        case ColumnIs(column=column, value=value):
            return (column == group) == value
        case Comparison(literal=literal):
            return literal == group
    raise ValueError(condition)


def samples_of(
    texts: Sequence[str], groups: Groups, schema: Schema, trials: int, seed: int
) -> tuple[list[ResolvedConstraint], list[Statistics]]:
    """The constraints, and the statistics of `trials` samples of the groups."""
    constraints = [bind(parse(text), schema) for text in texts]
    means = list(dict.fromkeys(mean for c in constraints for mean in c.estimands))
    conditions = tuple(distinct_conditions(means))
    membership = np.array([[member(c, g) for c in conditions] for g in groups], dtype=bool)
    rng, k = np.random.default_rng(seed), len(schema.classes)
    draws = [rng.multinomial(n, probabilities, trials) for n, probabilities in groups.values()]
    tables = np.stack(draws, axis=1).reshape(trials, len(groups), k, k).astype(float)
    stratification = Stratification.single(conditions, membership)
    return constraints, [Statistics(t, stratification, deterministic=True) for t in tables]


def hits_of(constraints: Sequence[ResolvedConstraint], data: list[Statistics], method: str) -> int:
    """The number of samples in which all the constraints pass."""
    verdicts = [Verdicts(constraint, method) for constraint in constraints]
    return sum(all(passes(statistics) for passes in verdicts) for statistics in data)


def group(n: int, tpr: float, fpr: float, positive: float = 0.5) -> tuple[int, list[float]]:
    """n rows with the probabilities of (label, prediction) 00, 01, 10, 11."""
    negative = 1.0 - positive
    return n, [negative * (1 - fpr), negative * fpr, positive * (1 - tpr), positive * tpr]


def at_f1(n: int, f1: float, share: float) -> tuple[int, list[float]]:
    """n rows with this F1 and precision and recall alike, all but `share` true negatives."""
    positive = share / (2.0 - f1)
    return group(n, f1, min(1.0, positive * (1.0 - f1) / (1.0 - positive)), positive)


# -- validity ---------------------------------------------------------------------------------

F1 = "2 * PPV * TPR / (PPV + TPR)"
ALL = "all"
CASES: dict[str, tuple[list[str], Groups, Schema]] = {
    "PPV >= .8, n = 60": (["PPV >= 0.8"], {ALL: group(60, 0.8, 0.2)}, TWO),
    "PPV >= .95, n = 150": (["PPV >= 0.95"], {ALL: group(150, 0.95, 0.05)}, TWO),
    "F1 >= .8, n = 60": (["F1 >= 0.8"], {ALL: group(60, 0.8, 0.2)}, TWO),
    "F1 >= .96, n = 60": (["F1 >= 0.96"], {ALL: at_f1(60, 0.96, 0.98)}, TWO),
    "F1 >= .8 written out, n = 60": ([f"{F1} >= 0.8"], {ALL: group(60, 0.8, 0.2)}, TWO),
    "F1 >= .96 written out, n = 60": ([f"{F1} >= 0.96"], {ALL: at_f1(60, 0.96, 0.98)}, TWO),
    "min(PR|[M], PR|[F]) <= .2, both at .2, n = 40, 60": (
        ["min(PR | [M], PR | [F]) <= 0.2"],
        {"M": group(40, 0.2, 0.2), "F": group(60, 0.2, 0.2)},
        TWO,
    ),
    "min(PR|[M], PR|[F]) <= .05, at .05 and .3, n = 150, 60": (
        ["min(PR | [M], PR | [F]) <= 0.05"],
        {"M": group(150, 0.05, 0.05), "F": group(60, 0.3, 0.3)},
        TWO,
    ),
    "max FPR - min FPR <= .1 by 3 races, n = 40": (
        ["max(FPR, by=race) - min(FPR, by=race) <= 0.1"],
        {r: group(40, 0.0, q, 0.0) for r, q in zip("ABC", (0.1, 0.2, 0.15), strict=True)},
        TWO,
    ),
    "max FPR - min FPR <= .1 by 3 races, rates 0, .1, .05, n = 100": (
        ["max(FPR, by=race) - min(FPR, by=race) <= 0.1"],
        {r: group(100, 0.0, q, 0.0) for r, q in zip("ABC", (0.0, 0.1, 0.05), strict=True)},
        TWO,
    ),
    "PR_[0] - PR_[1] <= .1, 3 classes of the same 60 rows": (
        ["PR_[0] - PR_[1] <= 0.1"],
        {ALL: (60, np.outer([0.4, 0.3, 0.3], [0.4, 0.3, 0.3]).ravel().tolist())},
        THREE,
    ),
    "PPV - FPR >= .6, of the same 150 rows": (
        ["PPV - FPR >= 0.6"],
        {ALL: group(150, 0.8, 0.2)},
        TWO,
    ),
    "product of two rates <= .25, n = 60 each": (
        ["PR | [M] * PR | [F] <= 0.25"],
        {"M": group(60, 0.5, 0.5), "F": group(60, 0.5, 0.5)},
        TWO,
    ),
    "product of two rates <= .01, n = 40 each": (
        ["PR | [M] * PR | [F] <= 0.01"],
        {"M": group(40, 0.1, 0.1), "F": group(40, 0.1, 0.1)},
        TWO,
    ),
    "four constraints, one on its limit, n = 200": (
        ["ACC >= 0.5", "TPR >= 0.5", "PPV >= 0.5", "FPR <= 0.05"],
        {ALL: group(200, 0.98, 0.05)},
        TWO,
    ),
    "four constraints, all on their limits, n = 150": (
        ["ACC >= 0.9", "TPR >= 0.9", "PPV >= 0.9", "FPR <= 0.1"],
        {ALL: group(150, 0.9, 0.1)},
        TWO,
    ),
    "parity .25 and accuracy, parity on its limit, n = 60 per group": (
        ["abs(PR | [M] - PR | [F]) <= 0.25", "ACC >= 0.5"],
        {"M": group(60, 0.9, 0.1), "F": group(60, 0.9, 0.1, 0.8125)},
        TWO,
    ),
    # The delta method's worst limit and rates at n = 60 found by enumeration: .1787.
    "F1 >= .977 written out, n = 60": ([f"{F1} >= 0.977"], {ALL: at_f1(60, 0.977, 1.0)}, TWO),
}


def validity(quick: bool) -> Iterator[Row]:
    trials = 2_000 if quick else 20_000
    for seed, (case, (texts, groups, schema)) in enumerate(CASES.items()):
        constraints, data = samples_of(texts, groups, schema, trials, seed)
        for method in METHODS:
            required = {"at_most": DELTA} if method == "auto" else {}
            hits = hits_of(constraints, data, method)
            yield share(f"{case}: {method}", hits, trials, **required)
    yield from soft_validity(300 if quick else 3_000)


SCORES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "beta(3, 7)": lambda rng, n: rng.beta(3, 7, n),
    "sorted beta(3, 7)": lambda rng, n: np.sort(rng.beta(3, 7, n)),
    "two points, 0 and 1": lambda rng, n: (rng.random(n) < 0.3) * 1.0,
    "two points, 0 and 1, sorted": lambda rng, n: np.sort((rng.random(n) < 0.3) * 1.0),
}


def soft_validity(trials: int) -> Iterator[Row]:
    """Drawn decisions of two groups of 200 whose mean scores differ by exactly .1."""
    parity = bind(parse("PR | [M] - PR | [F] <= 0.1"), TWO)
    for seed, (name, draw) in enumerate(SCORES.items()):
        rng = np.random.default_rng(100 + seed)
        # A tenth of the range is added to the first group's mean: .9 x + .1 has mean .37.
        pairs = [(0.9 * draw(rng, 200) + 0.1, 0.9 * draw(rng, 200)) for _ in range(trials)]
        for method in METHODS:
            hits = sum(passes(parity.tree, drawn(parity, p), DELTA, method) for p in pairs)
            required = {"at_most": DELTA} if method == "auto" else {}
            case = f"soft parity .1, {name}, 200 per group: {method}"
            yield share(case, hits, trials, **required)


def drawn(constraint: ResolvedConstraint, scores: Sequence[Floats]) -> Evidence:
    """Evidence of drawn decisions: one array of probabilities for each mean."""
    values = dict(zip(constraint.estimands, scores, strict=True))
    n_rows = sum(map(len, scores))

    def variance(means: Sequence[Any], slopes: Sequence[float]) -> float:
        each = zip(means, slopes, strict=True)
        return sum(s**2 * values[m].var(ddof=1) * n_rows / len(values[m]) for m, s in each)

    return Evidence(
        {m: Sample(float(v.sum()), len(v), len(v)) for m, v in values.items()},
        deterministic=False,
        mutually_exclusive_columns=MF,
        n_rows=n_rows,
        variance=variance,
        row_values=lambda mean, weight, constant: weight * values[mean] + constant,
    )


# -- power ------------------------------------------------------------------------------------


def power(quick: bool) -> Iterator[Row]:
    scale = 4 if quick else 1
    for n, least, trials in ((200, 0.27, 3000), (400, 0.77, 2000), (800, 0.98, 1000)):
        equal = {"M": group(n, 0.4, 0.4), "F": group(n, 0.4, 0.4)}
        yield certified(f"parity .1 at .4/.4, {n} per group", PARITY, equal, trials // scale, least)
    for (low, high), n, least in (((0.05, 0.1), 100, 0.80), ((0.2, 0.25), 200, 0.84)):
        # n rows behind each of the four rates; both gaps are .05.
        gaps = {"M": group(2 * n, 1 - low, low), "F": group(2 * n, 1 - high, high)}
        case = f"sum of gaps <= .35, rates {low}-{high}, about {n} rows each"
        yield certified(case, GAPS, gaps, 400 // scale, least)
    parity = bind(parse("abs(PR | [M] - PR | [F]) <= 0.05"), TWO)
    rng, trials = np.random.default_rng(7), 2000 // scale
    pairs = [(rng.beta(4, 5, 300), rng.beta(4, 5, 300)) for _ in range(trials)]
    hits = sum(passes(parity.tree, drawn(parity, pair), DELTA) for pair in pairs)
    yield share("soft parity .05, beta(4, 5), 300 per group", hits, trials, at_least=0.80)


def certified(case: str, text: str, groups: Groups, trials: int, least: float) -> Row:
    constraints, data = samples_of([text], groups, TWO, trials, seed=11)
    return share(case, hits_of(constraints, data, "auto"), trials, at_least=least)


# -- speed ------------------------------------------------------------------------------------


class Given(ClassifierMixin, BaseEstimator):
    """Predicts its first column."""

    def fit(self, X: Any, y: Any) -> Given:
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Any) -> Any:
        return X[:, 0]


def speed(quick: bool) -> Iterator[Row]:
    parity = bind(parse(PARITY), TWO)
    n = 35_000
    for name, k in (("near the limit", 16_950), ("far from it", 14_500)):
        pair = zip(parity.estimands, (k, 14_000), strict=True)
        evidence = Evidence(
            {m: Sample(x, n, n) for m, x in pair}, mutually_exclusive_columns=MF, n_rows=2 * n
        )
        verdict = fastest(lambda e=evidence: passes(parity.tree, e, DELTA))
        bound = fastest(lambda e=evidence: safety_test(parity.tree, e, DELTA))
        yield Row(f"parity, 35,000 per group, {name}: verdict (s)", verdict, at_most=0.05)
        yield Row(f"parity, 35,000 per group, {name}: bound (s)", bound, at_most=2.0)
    yield sum_of_gaps(5000)
    yield from many_levels(100_000 if quick else 1_000_000)
    yield from missed_limits(quick)
    yield from many_constraints(100_000 if quick else 1_000_000)


def sum_of_gaps(n: int) -> Row:
    """A sum of gaps of four rates, with n rows per rate."""
    gaps = bind(parse(GAPS), TWO)
    samples = {
        m: Sample(round(n * k), n, n) for m, k in zip(gaps.estimands, GAP_RATES, strict=True)
    }
    taken = seconds(
        lambda: safety_test(
            gaps.tree, Evidence(samples, mutually_exclusive_columns=MF, n_rows=4 * n), DELTA
        )
    )
    return Row(f"sum of four rates of {n:,} rows: verdict and bound (s)", taken, at_most=0.5)


def many_levels(n: int) -> Iterator[Row]:
    """Quantifiers over many levels with at least 10 rows each."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    X, model = np.where(rng.random(n) < 0.8, y, 1 - y)[:, None], Given().fit(None, None)
    for n_levels, most in MAX_SECONDS.items():
        frame = pd.DataFrame({"level": rng.integers(0, n_levels, n)})
        for text in LONG:
            taken = fastest(lambda t=text, f=frame: certify(model, X, y, t, sensitive_features=f))
            yield Row(f"{text}, {n_levels:,} levels, {n:,} rows (s)", taken, at_most=most)


def missed_limits(quick: bool) -> Iterator[Row]:
    """Quantifiers that fail, so that the number of rows they need is planned as well."""
    for expression, n_levels, n_each, most in MISSED:
        if quick and n_levels > 1000:
            continue
        rng, n = np.random.default_rng(0), n_levels * n_each
        y = rng.integers(0, 2, n)
        X, model = np.where(rng.random(n) < 0.8, y, 1 - y)[:, None], Given().fit(None, None)
        frame = pd.DataFrame({"level": np.arange(n) % n_levels})

        def certified(limit: float, given: Any = (model, X, y, expression, frame)) -> Any:
            *data, text, features = given
            text = f"{text} <= {limit:.6f}"
            return certify(*data, text, sensitive_features=features).results[0]

        easy = certified(0.69)
        limit = (easy.estimate + easy.bound) / 2.0
        assert not certified(limit).passed
        taken = fastest(lambda limit=limit, call=certified: call(limit))
        case = f"{expression} fails, {n_levels:,} levels of {n_each} rows (s)"
        yield Row(case, taken, at_most=most)


def fastest(call: Callable[[], object]) -> float:
    return min(seconds(call) for _ in range(3))


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def many_constraints(n: int) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    X = np.where(rng.random(n) < 0.8, y, 1 - y)[:, None]
    male = rng.integers(0, 2, n)
    columns = {"M": male, "F": 1 - male, "race": rng.choice(list("ABCDE"), n)}
    model, frame = Given().fit(None, None), pd.DataFrame(columns)
    kinds = {
        "accuracy": [f"ACC >= {0.5 + 0.02 * i:.2f}" for i in range(10)],
        "parity": [f"abs(PR|[M] - PR|[F]) <= {0.02 + 0.02 * i:.2f}" for i in range(10)],
        "opportunity": [f"abs(TPR|[M] - TPR|[F]) <= {0.02 + 0.02 * i:.2f}" for i in range(10)],
        "ratio": [
            f"min(PR|[M] / PR|[F], PR|[F] / PR|[M]) >= {0.5 + 0.04 * i:.2f}" for i in range(10)
        ],
        "quantified": [
            f"max(FPR, by=race) - min(FPR, by=race) <= {0.02 + 0.02 * i:.2f}" for i in range(10)
        ],
    }
    for kind, texts in kinds.items():
        taken = seconds(lambda t=texts: certify(model, X, y, t, sensitive_features=frame))
        yield Row(f"10 {kind} constraints, {n:,} rows (s)", taken)
    texts = [text for kind in kinds.values() for text in kind]
    taken = seconds(lambda: certify(model, X, y, texts, sensitive_features=frame))
    row = Row(f"50 constraints, {n:,} rows, one certify (s)", taken, at_most=2.0)
    yield row
    if not row.holds():
        show_profile(lambda: certify(model, X, y, texts, sensitive_features=frame))


def show_profile(call: Callable[[], object]) -> None:
    profile = cProfile.Profile()
    profile.runcall(call)
    pstats.Stats(profile).sort_stats("tottime").print_stats(8)
    pstats.Stats(profile).sort_stats("cumulative").print_stats("sklearn_seldonian", 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer trials and rows")
    parts = {"validity": validity, "power": power, "speed": speed}
    parser.add_argument("--part", choices=parts, action="append", help="only this table")
    options = parser.parse_args()
    rows: list[Row] = []
    for name in options.part or parts:
        start = time.perf_counter()
        print(f"\n{name}", flush=True)
        for row in parts[name](options.quick):
            rows.append(row)
            print(row, flush=True)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
    missed = [row.case for row in rows if not row.holds()]
    assert not missed, missed
    print(f"\n{len(rows)} findings, every requirement met.")


if __name__ == "__main__":
    main()
