"""The conditional value at risk: its text, its value, and the limits that are refused."""

import numpy as np
import pytest

from sklearn_seldonian.certification import summarise_predictions
from sklearn_seldonian.certification._sentences import sentence
from sklearn_seldonian.constraints import (
    And,
    Atom,
    Linear,
    Or,
    Schema,
    Stratification,
    atoms_of,
    bind,
    distinct_values,
    estimate,
    parse,
)
from sklearn_seldonian.constraints._tails import limit_on_least
from sklearn_seldonian.exceptions import ConstraintNameError, ConstraintSyntaxError
from sklearn_seldonian.measures import N_THRESHOLDS, RowMeasure

RANGES = {"target_range": (0, 4), "prediction_range": (0, 4)}
COLUMNS = {"M": (0, 1), "F": (0, 1), "g": ("a", "b")}
NUMBERS = Schema((), None, levels=COLUMNS, **RANGES)
CLASSES = Schema((0, 1), 1, levels=COLUMNS)


def atoms(text, schema=NUMBERS):
    return [str(atom.expression) for atom in atoms_of(bind(parse(text), schema).tree)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CVaR(MSE,.9)<=1", "CVaR(MSE, 0.9) <= 1"),
        ("CVaR(MSE | [M], 0.9) <= 1", "CVaR(MSE, 0.9) | [M] <= 1"),
        ("CVaR(MSE, 0.9) | [M, not F] <= 1", "CVaR(MSE, 0.9) | [M, not F] <= 1"),
        ("CVaR(Calibration_Error_[1], 0.75)", "CVaR(Calibration_Error_[1], 0.75) <= 0"),
    ],
)
def test_text(text, expected):
    assert str(parse(text)) == expected
    assert parse(expected) == parse(text)


def test_another_level_is_another_measure():
    assert parse("CVaR(MSE, 0.9) <= 1") != parse("CVaR(MSE, 0.8) <= 1")
    assert parse("CVaR(MSE, 0.9) <= 1") != parse("MSE <= 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CVaR <= 1", "'CVaR' is a function. Write CVaR(...)."),
        ("CVaR(MSE) <= 1", "CVaR takes a measure and a level, as in 'CVaR(MSE, 0.9)'."),
        ("CVaR(2 * MSE, 0.9) <= 1", "CVaR takes a measure and a level, as in 'CVaR(MSE, 0.9)'."),
        ("CVaR(CVaR(MSE, 0.9), 0.9)", "CVaR takes a measure and a level, as in 'CVaR(MSE, 0.9)'."),
        ("CVaR(MSE, 1) <= 1", "The level of CVaR must be a number between 0 and 1; got 1."),
        ("CVaR(MSE, 0) <= 1", "The level of CVaR must be a number between 0 and 1; got 0."),
        ("CVaR(MSE, 1 - 0.1)", "The level of CVaR must be a number between 0 and 1; got 1 - 0.1."),
        (
            "CVaR(MSE, 0.99999999999999999999999)",
            "The level of CVaR must be a number between 0 and 1; got 0.99999999999999999999999.",
        ),
        ("CVaR(MSE, 0.9, by=g) <= 1", "Only max, min and mean take by=; CVaR does not."),
        ("cvar(MSE, 0.9) <= 1", "There is no function 'cvar'; write CVaR(MSE, 0.9)."),
        (
            "CVaR(MSE | [M], 0.9) | [F]",
            "A measure can have one list of conditions, as in 'PR | [M, F]'.",
        ),
    ],
)
def test_text_that_is_refused(text, message):
    with pytest.raises(ConstraintSyntaxError) as error:
        parse(text)
    assert str(error.value).startswith(message)


def test_the_name_is_taken():
    with pytest.raises(ValueError, match="The name 'CVaR' is already taken"):
        Schema((), None, measures=[RowMeasure("CVaR", lambda y, p, _: y, range=(0, 1))])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CVaR(MSE, 0.9) <= 1", ["CVaR(MSE, 0.9) - 1"]),
        ("2 >= CVaR(MSE, 0.9) | [M]", ["CVaR(MSE, 0.9) | [M] - 2"]),
        ("sqrt(CVaR(MSE, 0.9)) <= 2", ["CVaR(MSE, 0.9) - 4"]),
        (
            "max(CVaR(MSE, 0.9), by=g) <= 1",
            ['CVaR(MSE, 0.9) | [g == "a"] - 1', 'CVaR(MSE, 0.9) | [g == "b"] - 1'],
        ),
    ],
)
def test_atoms(text, expected):
    assert atoms(text) == expected


def test_the_tree():
    assert isinstance(bind(parse("CVaR(MSE, 0.9) <= 1"), NUMBERS).tree, Atom)
    assert isinstance(bind(parse("max(CVaR(MSE, 0.9), by=g) <= 1"), NUMBERS).tree, And)
    assert isinstance(bind(parse("min(CVaR(MSE, 0.9), MSE) <= 1"), NUMBERS).tree, Or)


@pytest.mark.parametrize(
    "text",
    [
        "CVaR(MSE, 0.9) >= 1",
        "CVaR(MSE, 0.9) >= -1",
        "min(CVaR(MSE, 0.9), by=g) >= 1",
        "abs(CVaR(ME, 0.9)) <= 1",
        "CVaR(MSE, 0.9) | [M] - CVaR(MSE, 0.9) | [F] <= 0.1",
        "max(CVaR(MSE, 0.9), by=g) - min(CVaR(MSE, 0.9), by=g) <= 0.1",
        "CVaR(MSE, 0.9) | [M] / CVaR(MSE, 0.9) | [F] <= 1.2",
        "MSE - CVaR(MSE, 0.9) <= 0",
        "1 / CVaR(MSE, 0.9) <= 3",
        "CVaR(MSE, 0.9) * MSE <= 3",
    ],
)
def test_limits_that_need_a_lower_bound_are_refused(text):
    with pytest.raises(ConstraintNameError, match="only upper bounds on a CVaR are available"):
        bind(parse(text), NUMBERS)


def test_the_message_shows_the_place():
    with pytest.raises(ConstraintNameError) as error:
        bind(parse("CVaR(MSE, 0.9) >= 1"), NUMBERS)
    assert str(error.value) == (
        "This constraint needs a lower bound on 'CVaR(MSE, 0.9)', and only upper bounds on a CVaR "
        "are available. Write an upper limit on each CVaR, as in 'CVaR(MSE, 0.9) <= 2'.\n"
        "    CVaR(MSE, 0.9) >= 1\n    ^^^^^^^^^^^^^^"
    )


@pytest.mark.parametrize(
    ("text", "schema", "message"),
    [
        ("CVaR(Typo, 0.9) <= 1", NUMBERS, "Unknown measure 'Typo'"),
        ("CVaR(MSE, 0.9) <= 1", CLASSES, "'MSE' is a measure of regression"),
        ("CVaR(TPR, 0.9) <= 1", CLASSES, "'TPR' is a rate, and CVaR needs a measure with one"),
        ("CVaR(BACC, 0.9) <= 1", CLASSES, "'BACC' is a rate, and CVaR needs a measure with one"),
        ("CVaR(LogLoss, 0.9) <= 1", CLASSES, r"no finite range, .* Write CVaR\(Brier, 0.9\)\."),
        (
            "CVaR(MSE, 0.9) <= 1",
            Schema((), None),
            "'MSE' has no finite range, so that no bound on its CVaR exists. Give target_range= "
            "and prediction_range=",
        ),
        (
            "CVaR(Cost, 0.9) <= 1",
            Schema((0, 1), 1, measures=[RowMeasure("Cost", lambda y, p, _: p)]),
            "'Cost' has no finite range, .* Give the measure a finite range=",
        ),
    ],
)
def test_names_that_are_refused(text, schema, message):
    with pytest.raises(ConstraintNameError, match=message):
        bind(parse(text), schema)


def test_equal_texts_have_equal_estimands():
    one, other = (bind(parse("CVaR(MSE, 0.9) <= 1"), NUMBERS) for _ in range(2))
    assert one.estimands == other.estimands
    assert len(one.estimands) == N_THRESHOLDS
    # Two levels use the same means.
    assert bind(parse("CVaR(MSE, 0.8) <= 1"), NUMBERS).estimands == one.estimands


def test_the_limit_as_the_smallest_of_several_means():
    (atom,) = atoms_of(bind(parse("2 * CVaR(ME, 0.75) + 1 <= 4"), NUMBERS).tree)
    found = limit_on_least(atom)
    assert (found.weight, found.constant) == (2.0, -3.0)
    assert [mean.estimand for mean in found.means] == list(atom.estimands)
    assert {mean.weight for mean in found.means} == {4.0}
    assert found.means[0].constant == -4.0
    assert sorted(mean.constant for mean in found.means) == [m.constant for m in found.means]
    assert found.at(found.means[0]).linear == Linear((8.0,), -11.0)


def test_other_atoms_are_not_limits_on_one_cvar():
    for text in ("MSE <= 1", "CVaR(MSE, 0.9) + MSE <= 1", "CVaR(MSE, 0.9) + CVaR(MSE, 0.8) <= 1"):
        (atom,) = atoms_of(bind(parse(text), NUMBERS).tree)
        assert limit_on_least(atom) is None


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["MSE", "ME", "MAE"])
def test_the_estimate_is_at_most_a_step_above_the_mean_of_the_largest_values(name, level):
    rng = np.random.default_rng(0)
    y, prediction = rng.uniform(0, 4, 1000), rng.beta(2, 2, 1000) * 4
    constraint = bind(parse(f"CVaR({name}, {level}) <= 0"), NUMBERS)
    values = distinct_values(constraint.estimands)
    codes, every = np.zeros(1000, dtype=np.int32), Stratification.single()
    seen = summarise_predictions(codes, y, prediction, every, values)
    known = {mean: seen.rate(mean).estimate for mean in constraint.estimands}
    loss = {"MSE": (prediction - y) ** 2, "ME": prediction - y, "MAE": abs(prediction - y)}[name]
    largest = np.sort(loss)[round(level * 1000) :].mean()
    step = 1.5 / N_THRESHOLDS * np.ptp({"MSE": (0, 16), "ME": (-4, 4), "MAE": (0, 4)}[name])
    assert largest - 1e-9 <= estimate(constraint.g, known) <= largest + level * step


def test_a_violation_is_never_proved():
    constraint = bind(parse("CVaR(MSE, 0.9) <= 1"), NUMBERS)
    assert constraint.has_tail
    (atom,) = atoms_of(constraint.opposite)
    assert (atom.estimands, atom.linear.constant) == ((), 1.0)  # 1 <= 0
    assert not bind(parse("MSE <= 1"), NUMBERS).has_tail


def test_words():
    assert sentence("CVaR(MSE, 0.9) | [M] <= 2") == (
        "The mean squared error over the 10% of rows with the largest values, where M is 1, must "
        "be at most 2."
    )
    assert sentence("CVaR(Cost, 0.75) <= 2") == (
        "The mean of Cost over the 25% of rows with the largest values must be at most 2."
    )
