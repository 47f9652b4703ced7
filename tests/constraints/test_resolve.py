"""The meaning of names: values compared with numpy, and errors for unknown names."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, f1_score, log_loss

from sklearn_seldonian.certification import summarise, summarise_predictions
from sklearn_seldonian.constraints import (
    Schema,
    assign_cells,
    bind,
    distinct_estimands,
    distinct_values,
    estimate,
    parse,
)
from sklearn_seldonian.measures import RowMeasure

N = 400
COST = np.array([[0.0, 1.0], [5.0, 0.0]])


def cost(y, prediction, probabilities):
    return COST[y, prediction]


def missed(y, prediction, probabilities):
    return (prediction != y).astype(float)


COSTS = RowMeasure("Cost", cost, range=(0, 5))
MISSED_CATS = RowMeasure("Missed_cats", missed, range=(0, 1), rows=("cat",))


class Rows:
    """Random rows of a classification with K classes."""

    def __init__(self, classes, seed):
        rng = np.random.default_rng(seed)
        self.classes, k = classes, len(classes)
        self.y = rng.integers(0, k, N)
        self.p = rng.dirichlet(np.ones(k), N)
        self.yhat = self.p.argmax(axis=1)
        self.frame = pd.DataFrame(
            {
                "M": rng.integers(0, 2, N),
                "R1": rng.random(N) < 0.5,
                "sex": rng.choice(["F", "M"], N),
                "race": rng.choice(["A", "B", "C"], N),
                "age": rng.integers(18, 80, N),
                "native country": rng.choice(["X", "Y"], N),
            }
        )
        self.frame["F"] = 1 - self.frame["M"]
        self.columns = {name: self.frame[name].to_numpy() for name in self.frame}

    def schema(self, constraint, measures=()):
        positive = 1 if len(self.classes) == 2 else None
        return Schema.from_columns(
            self.columns, [constraint], self.classes, positive, measures=measures
        )

    def evaluate(self, text, *, deterministic=True, measures=()):
        constraint = parse(text)
        resolved = bind(constraint, self.schema(constraint, measures))
        means = distinct_estimands([resolved])
        codes, stratification = assign_cells(self.columns, [resolved.conditions], N)
        statistics = summarise(
            codes,
            self.y,
            self.p,
            stratification,
            distinct_values(means),
            deterministic=deterministic,
        )
        return estimate(resolved.g, {m: statistics.rate(m).estimate for m in resolved.estimands})


BINARY = Rows((0, 1), seed=0)
MULTI = Rows(("ant", "cat", "dog"), seed=1)


def by_hand(rows, group=None):
    """PR, TPR, FPR, ... of class 1 among the rows of a group, computed with numpy alone."""
    inside = np.ones(N, dtype=bool) if group is None else np.asarray(group, dtype=bool)
    y, yhat = rows.y[inside] == 1, rows.yhat[inside] == 1
    return {
        "PR": yhat.mean(),
        "NR": (~yhat).mean(),
        "TPR": yhat[y].mean(),
        "FNR": (~yhat)[y].mean(),
        "FPR": yhat[~y].mean(),
        "TNR": (~yhat)[~y].mean(),
        "PPV": y[yhat].mean(),
        "FDR": (~y)[yhat].mean(),
        "NPV": (~y)[~yhat].mean(),
        "FOR": y[~yhat].mean(),
        "ACC": (rows.y == rows.yhat)[inside].mean(),
        "ERR": (rows.y != rows.yhat)[inside].mean(),
        "BACC": balanced_accuracy_score(rows.y[inside], rows.yhat[inside]),
        "F1": f1_score(y, yhat),
        "Precision": y[yhat].mean(),
        "Jaccard": (y & yhat).sum() / (y | yhat).sum(),
    }


@pytest.mark.parametrize("name", by_hand(BINARY))
def test_binary_measures(name):
    assert BINARY.evaluate(f"{name} <= 0") == pytest.approx(by_hand(BINARY)[name], abs=1e-12)
    young = BINARY.frame.age < 40
    got = BINARY.evaluate(f"{name} | [age < 40] <= 0")
    assert got == pytest.approx(by_hand(BINARY, young)[name], abs=1e-12)


@pytest.mark.parametrize("name", by_hand(MULTI))
@pytest.mark.parametrize("index", ["_[1]", '_["cat"]', "[1]"])
def test_multiclass_measures(name, index):
    text = f"{name}{'' if name in ('ACC', 'ERR', 'BACC') else index} | [M] <= 0"
    expected = by_hand(MULTI, MULTI.frame.M == 1)[name]
    assert MULTI.evaluate(text) == pytest.approx(expected, abs=1e-12)


def test_confusion_matrix():
    for i, j in np.ndindex(3, 3):
        expected = (MULTI.yhat[MULTI.y == i] == j).mean()
        assert MULTI.evaluate(f"CM_[{i},{j}] <= 0") == pytest.approx(expected)
    expected = (BINARY.yhat[BINARY.y == 1] == 0).mean()
    assert BINARY.evaluate('CM_["1", "0"] <= 0') == pytest.approx(expected)


@pytest.mark.parametrize("rows", [BINARY, MULTI], ids=["binary", "multiclass"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_losses(rows, deterministic):
    assert rows.evaluate("LogLoss <= 0", deterministic=deterministic) == pytest.approx(
        log_loss(rows.y, rows.p)
    )
    expected = brier_score_loss(rows.y, rows.p[:, 1] if rows is BINARY else rows.p)
    assert rows.evaluate("Brier <= 0", deterministic=deterministic) == pytest.approx(expected)


@pytest.mark.parametrize("deterministic", [True, False])
def test_calibration_error(deterministic):
    def evaluate(rows, text):
        return rows.evaluate(f"{text} <= 0", deterministic=deterministic)

    error = BINARY.p[:, 1] - BINARY.y
    assert evaluate(BINARY, "Calibration_Error") == pytest.approx(error.mean())
    assert evaluate(BINARY, "Calibration_Error_[0]") == pytest.approx(-error.mean())
    expected = error[BINARY.frame.M == 1].mean()
    assert evaluate(BINARY, "Calibration_Error | [M]") == pytest.approx(expected)
    of_cats = MULTI.p[:, 1] - (MULTI.y == 1)
    assert evaluate(MULTI, 'Calibration_Error_["cat"]') == pytest.approx(of_cats.mean())
    by_race = [abs(of_cats[MULTI.frame.race == race].mean()) for race in "ABC"]
    text = 'max(abs(Calibration_Error_["cat"]), by=race)'
    assert evaluate(MULTI, text) == pytest.approx(max(by_race))


def test_own_measures():
    costs = COST[BINARY.y, BINARY.yhat]
    old = BINARY.frame.age >= 40
    assert BINARY.evaluate("Cost <= 0", measures=[COSTS]) == pytest.approx(costs.mean())
    got = BINARY.evaluate("Cost | [age >= 40] - Cost | [age < 40] <= 0", measures=[COSTS])
    assert got == pytest.approx(costs[old].mean() - costs[~old].mean())
    expected = (MULTI.yhat != MULTI.y)[MULTI.y == 1].mean()
    got = MULTI.evaluate("Missed_cats <= 0", measures=[MISSED_CATS])
    assert got == pytest.approx(expected)


def test_own_measures_of_drawn_decisions_are_expectations():
    expected = sum(BINARY.p[:, k] * COST[BINARY.y, k] for k in (0, 1)).mean()
    got = BINARY.evaluate("Cost <= 0", deterministic=False, measures=[COSTS])
    assert got == pytest.approx(expected)


SOFT = {
    "PR": lambda y, p: p.mean(),
    "TPR": lambda y, p: p[y].mean(),
    "TNR": lambda y, p: (1 - p)[~y].mean(),
    "ACC": lambda y, p: np.where(y, p, 1 - p).mean(),
    "PPV": lambda y, p: p[y].sum() / p.sum(),
    "NPV": lambda y, p: (1 - p)[~y].sum() / (1 - p).sum(),
    "F1": lambda y, p: 2 * p[y].sum() / (p.sum() + y.sum()),
    "BACC": lambda y, p: (p[y].mean() + (1 - p)[~y].mean()) / 2,
}


@pytest.mark.parametrize("name", SOFT)
def test_soft_values(name):
    expected = SOFT[name](BINARY.y == 1, BINARY.p[:, 1])
    assert BINARY.evaluate(f"{name} <= 0", deterministic=False) == pytest.approx(expected)


def _of(name, group=None):
    return by_hand(BINARY, group)[name]


f = BINARY.frame
MEN, WOMEN = f.M == 1, f.F == 1
RACES = [f.race == level for level in "ABC"]
CROSSED = [race & (f.sex == sex) for race in RACES for sex in "FM"]

ISSUE = [
    ("ACC >= 0.95", lambda: 0.95 - _of("ACC")),
    ("ACC - 0.95", lambda: _of("ACC") - 0.95),
    (
        "abs((PR | [M]) - (PR | [F])) - 0.2 <= 0",
        lambda: abs(_of("PR", MEN) - _of("PR", WOMEN)) - 0.2,
    ),
    ("abs(PR|[M] - PR|[F]) <= 0.2", lambda: abs(_of("PR", MEN) - _of("PR", WOMEN)) - 0.2),
    (
        "0.8 - min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) <= 0",
        lambda: 0.8 - min(_of("PR", MEN) / _of("PR", WOMEN), _of("PR", WOMEN) / _of("PR", MEN)),
    ),
    (
        "abs((FNR | [M]) - (FNR | [F])) + abs((FPR | [M]) - (FPR | [F])) - 0.35 <= 0",
        lambda: (
            abs(_of("FNR", MEN) - _of("FNR", WOMEN))
            + abs(_of("FPR", MEN) - _of("FPR", WOMEN))
            - 0.35
        ),
    ),
    (
        "max((PR|[M])-(PR|[F]), (PR|[F])-(PR|[M])) <= 0.1",
        lambda: abs(_of("PR", MEN) - _of("PR", WOMEN)) - 0.1,
    ),
    ("PR - PR <= 0", lambda: 0.0),
    ("PR_[0] <= 0.5", lambda: (BINARY.yhat == 0).mean() - 0.5),
    ("CM_[0,1] <= 0.02", lambda: _of("FPR") - 0.02),
    ("(FPR | [F,R1]) <= 0.2", lambda: _of("FPR", WOMEN & f.R1) - 0.2),
    (
        'FPR | [sex == "F", age >= 40] <= 0.2',
        lambda: _of("FPR", (f.sex == "F") & (f.age >= 40)) - 0.2,
    ),
    ("PR | [not M] <= 0.5", lambda: _of("PR", WOMEN) - 0.5),
    (
        'ERR | [race in ("A", "B")] <= 0.3',
        lambda: _of("ERR", f.race.isin(["A", "B"])) - 0.3,
    ),
    (
        'PPV | [`native country` == "X"] >= 0.6',
        lambda: 0.6 - _of("PPV", f["native country"] == "X"),
    ),
    ("2*PPV*TPR/(PPV+TPR) >= 0.5", lambda: 0.5 - _of("F1")),
    ("log(ERR) <= -2", lambda: np.log(_of("ERR")) + 2),
    ("ERR ** 2 <= 0.01", lambda: _of("ERR") ** 2 - 0.01),
    (
        "max(FPR, by=race) - min(FPR, by=race) <= 0.1",
        lambda: np.ptp([_of("FPR", race) for race in RACES]) - 0.1,
    ),
    (
        "min(TPR, by=(race, sex)) >= 0.8 * max(TPR, by=(race, sex))",
        lambda: 0.8 - min(_of("TPR", g) for g in CROSSED) / max(_of("TPR", g) for g in CROSSED),
    ),
    ("mean(TPR, by=race) >= 0.5", lambda: 0.5 - np.mean([_of("TPR", r) for r in RACES])),
    (
        "min(0.5*TPR + 0.5*TNR, by=race) >= 0.6",
        lambda: 0.6 - min(_of("BACC", race) for race in RACES),
    ),
    (
        "max(abs(PR - 0.3), by=race) <= 0.1",
        lambda: max(abs(_of("PR", race) - 0.3) for race in RACES) - 0.1,
    ),
    (
        "mean(abs(PR - PR | [race == 'A']), by=(race, sex)) <= 0.1",
        lambda: (
            np.mean(
                [
                    abs(_of("PR", race & (f.sex == sex)) - _of("PR", RACES[0] & (f.sex == sex)))
                    for race in RACES
                    for sex in "FM"
                ]
            )
            - 0.1
        ),
    ),
    (
        "min(F1 / (1 + ERR | [M]), by=race in ('A', 'C')) >= 0.2",
        lambda: 0.2 - min(_of("F1", race) / (1 + _of("ERR", race & MEN)) for race in RACES[::2]),
    ),
    (
        "max(max(FPR, FNR), by=race) <= 0.2",
        lambda: max(_of(name, race) for name in ("FPR", "FNR") for race in RACES) - 0.2,
    ),
    ("max(PR, NR) <= 0.9", lambda: max(_of("PR"), _of("NR")) - 0.9),
    ("min(PR|[M], PR|[F]) >= 0.1", lambda: 0.1 - min(_of("PR", MEN), _of("PR", WOMEN))),
    (
        'max(FPR, by=race in ("A", "B")) <= 0.2',
        lambda: max(_of("FPR", race) for race in RACES[:2]) - 0.2,
    ),
    ("F1 >= 0.7", lambda: 0.7 - _of("F1")),
    ("-PR <= -1e-2", lambda: 0.01 - _of("PR")),
]


@pytest.mark.parametrize(("text", "expected"), ISSUE, ids=[text for text, _ in ISSUE])
def test_values_of_the_definition(text, expected):
    assert BINARY.evaluate(text) == pytest.approx(expected(), abs=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('CM_["cat","dog"] <= 0.02', lambda r: (r.yhat[r.y == 1] == 2).mean() - 0.02),
        ('TPR_["dog"] >= 0.9', lambda r: 0.9 - (r.yhat[r.y == 2] == 2).mean()),
        ("PR_[0] <= 0.5", lambda r: (r.yhat == 0).mean() - 0.5),
        ("PR_[0] - PR_[1] <= 0.5", lambda r: (r.yhat == 0).mean() - (r.yhat == 1).mean() - 0.5),
    ],
)
def test_values_of_the_definition_with_several_classes(text, expected):
    assert MULTI.evaluate(text) == pytest.approx(expected(MULTI))


# -- regression ----------------------------------------------------------------------------


def test_regression():
    rng = np.random.default_rng(0)
    y, prediction, men = rng.random(50) * 4, rng.random(50) * 4, rng.random(50) < 0.5
    columns = {"M": men, "F": ~men}
    error = prediction - y

    def evaluate(text):
        constraint = parse(text)
        schema = Schema.from_columns(
            columns, [constraint], (), None, target_range=(0, 4), prediction_range=(0, 4)
        )
        resolved = bind(constraint, schema)
        codes, stratification = assign_cells(columns, [resolved.conditions], 50)
        values = distinct_values(resolved.estimands)
        statistics = summarise_predictions(codes, y, prediction, stratification, values)
        ranges = [mean.quantity.range for mean in resolved.estimands]
        return estimate(
            resolved.g, {m: statistics.rate(m).estimate for m in resolved.estimands}
        ), ranges

    value, ranges = evaluate("Mean_Squared_Error - 2.0 <= 0")
    assert value == pytest.approx((error**2).mean() - 2)
    assert ranges == [(0, 16)]
    value, ranges = evaluate("abs((Mean_Error|[M]) - (Mean_Error|[F])) <= 0.1")
    assert value == pytest.approx(abs(error[men].mean() - error[~men].mean()) - 0.1)
    assert ranges == [(-4, 4)] * 2
    value, ranges = evaluate("MAE + ME - MSE <= 0")
    assert value == pytest.approx((np.abs(error) + error - error**2).mean())
    assert ranges == [(0, 4), (-4, 4), (0, 16)]


# -- one variable for equal estimands -------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["mean(PR, by=sex in ('M',)) - PR | [sex == 'M']", "PR + NR - 1", "ACC + ERR - 1",
     "TPR + FNR - 1", "CM_[1,1] - TPR", "CM_[1,0] - FNR", "PPV - Precision",
     "PPV + FDR - 1", "NPV + FOR - 1", "F1 - 2 * Jaccard / (1 + Jaccard)"],
)  # fmt: skip
def test_the_same_rate_is_one_variable(text):
    constraint = parse(text)
    means = bind(constraint, BINARY.schema(constraint)).estimands
    assert len(means) == 1


def test_order_of_conditions_does_not_matter():
    constraint = parse("PR | [M, R1] - PR | [R1, M] <= 0")
    assert len(bind(constraint, BINARY.schema(constraint)).estimands) == 1


def test_combinations_that_no_row_has_are_left_out():
    columns = {"a": np.array([0, 0, 1]), "b": np.array(["x", "y", "x"])}
    constraint = parse("max(PR, by=(a, b)) <= 0.5")
    schema = Schema.from_columns(columns, [constraint], (0, 1), 1)
    names = [str(mean) for mean in bind(constraint, schema).estimands]
    assert names == [
        'PR | [a == 0, b == "x"]',
        'PR | [a == 0, b == "y"]',
        'PR | [a == 1, b == "x"]',
    ]


def test_a_level_named_twice_counts_once():
    constraint = parse('mean(PR, by=race in ("A", "A")) <= 0.5')
    assert BINARY.evaluate("mean(PR, by=race in ('A', 'A')) <= 0") == pytest.approx(
        by_hand(BINARY, RACES[0])["PR"]
    )
    assert len(bind(constraint, BINARY.schema(constraint)).estimands) == 1


@pytest.mark.parametrize(
    "values",
    [
        np.array([True, False]),
        np.array([0, 1, 5]),
        np.array([0.1, 2.5e-7, -3.0], dtype=np.float64),
        np.array([0.1, 2.5], dtype=np.float32),
        np.array([1, 300], dtype=np.uint16),
        np.array(["a", 'say "hi"', "back\\slash", "naïve"]),
        np.array([np.str_("a"), np.str_("b")], dtype=object),
        np.array([np.int64(3), np.bool_(True)], dtype=object),
        np.array([1, "a", 2.5], dtype=object),
        pd.Series(["x", "y"], dtype="category").to_numpy(),
        pd.Series(["x", "y"], dtype="string").to_numpy(),
        pd.Series([1, 2], dtype="Int64").to_numpy(),
    ],
    ids=lambda values: f"{values.dtype}-{len(values)}-{values[0]}",
)
def test_levels_print_and_parse_back(values):
    constraint = parse("max(PR, by=group) <= 0.5")
    schema = Schema.from_columns({"group": values}, [constraint], (0, 1), 1)
    means = bind(constraint, schema).estimands
    assert len(means) == len(values)
    for mean in means:
        again = parse(f"{mean} <= 0.5")
        assert bind(again, schema).estimands == (mean,)


def test_a_mean_has_the_hash_of_its_process():
    """The cached hash is not pickled, because texts have other hashes in another process."""
    schema = Schema(classes=(0, 1), positive=1, levels={"M": (0, 1)})
    (one,), (other,) = (bind(parse("TPR | [M] <= 0.2"), schema).estimands for _ in range(2))
    assert one == other
    assert hash(one) == hash(other) == hash(one)
    assert "_hash" in vars(one)
    copied = pickle.loads(pickle.dumps(one))
    assert "_hash" not in vars(copied)
    assert copied == one
    assert hash(copied) == hash(one)
