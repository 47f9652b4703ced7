"""Predictions of the safety test compared with closed forms and with the test itself."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm

from sklearn_seldonian.certification import (
    PassingRegions,
    Statistics,
    exclusive_columns,
    is_minimum,
    passing_region,
    passing_region_of_share,
    safety_test,
    summarise,
)
from sklearn_seldonian.selection import (
    ConstrainedProblem,
    Forecast,
    Prediction,
    forecast_for,
)
from tests.selection._problems import problem_and_table, problems

GAP = "abs(PR | [M] - PR | [F]) <= 0.1"


def seen_in(problem, table):
    """The statistics of rows; `table` counts their decisions."""
    return Statistics(table, problem.stratification, deterministic=True)


def predicted(problem, table, n_rows=2000):
    """The prediction by the normal approximation."""
    return Forecast(problem, n_rows).predict(seen_in(problem, table))


@pytest.mark.parametrize(
    ("bounds", "probabilities", "together", "score"),
    [
        ([-0.1, -0.2], [0.95, 0.97], 0.92, 0.92),
        ([0.1, -0.2], [0.4, 0.97], 0.37, 0.37),
        ([0.1, 0.2], [0.4, 0.5], 0.0, -0.3),
        ([0.1, -0.2], [0.0, 0.9], 0.0, -0.1),
    ],
)
def test_score_is_the_probability_or_how_far_bounds_are_off(bounds, probabilities, together, score):
    one = Prediction(np.array(bounds), np.array(probabilities))
    assert one.pass_probability == pytest.approx(together)
    assert one.feasibility_score == pytest.approx(score)
    several = Prediction(np.array([bounds] * 3), np.array([probabilities] * 3))
    np.testing.assert_allclose(several.feasibility_score, [score] * 3)


def test_predicted_probability_of_passing():
    problem, table = problem_and_table(["PR <= 0.5"])
    near, n = problem.linearisation.at(table), round(table.sum())
    prediction = predicted(problem, table, n)
    test, candidate = near.standard_errors(500)[0], near.standard_errors(n)[0]
    bound = near.values[0] + norm.ppf(0.95) * test
    assert prediction.bounds[0] == pytest.approx(bound)
    assert prediction.probabilities[0] == pytest.approx(
        norm.cdf(-bound / np.hypot(test, candidate))
    )


def test_and_of_probabilities_is_at_least_bonferronis_bound():
    both = predicted(*problem_and_table([GAP])).probabilities[0]
    sides = "PR | [M] - PR | [F] <= 0.1", "PR | [F] - PR | [M] <= 0.1"
    single = [predicted(*problem_and_table([text])).probabilities[0] for text in sides]
    assert both == pytest.approx(max(0.0, 1 - sum(1 - p for p in single)))


def test_a_rate_without_rows_is_not_predicted_to_pass():
    problem, table = problem_and_table(["PR | [M] <= 0.9", "ACC >= 0.1"])
    table[problem.stratification.membership[:, 0]] = 0
    near = problem.linearisation.at(table)
    assert np.isnan(near.values[0])
    assert all(np.isfinite(each.of_atoms).all() for each in near.influence)
    prediction = predicted(problem, table, 1000)
    assert prediction.probabilities[0] == 0.0
    assert prediction.bounds[0] == np.inf
    assert prediction.probabilities[1] > 0.99


def test_what_is_always_true_passes_for_sure():
    prediction = predicted(*problem_and_table(["0 * PR <= 1", "0 * PR >= 1"]))
    assert prediction.probabilities.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("valued", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_families_predict_as_all_conditions_together_do(n_classes, valued, deterministic):
    found, calibrated = [], []
    for problem, codes, y, scores in problems(n_classes, valued, deterministic):
        of_rows = y, softmax(scores, axis=1), problem.stratification, problem.values
        seen = summarise(codes, *of_rows, deterministic=deterministic, keep=True)
        forecast = Forecast(problem, 600)
        found.append(forecast.predict(seen))
        calibrated.append(forecast.calibrated_on([seen]).predict(seen))
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9)
    for mine, other in zip(*calibrated, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-9)


# -- which forecast --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "deterministic", "method", "has_regions", "needs_calibration"),
    [
        ("PR <= 0.5", True, "auto", True, False),
        (GAP, True, "auto", True, False),
        (GAP, True, "asymptotic", True, False),
        (GAP, True, "ttest", False, True),
        (GAP, False, "auto", False, True),
        ("PR | [M] * PR | [F] <= 0.4", True, "auto", False, True),
        ("max(PR, PPV) <= 0.5", True, "auto", True, False),
        ("PPV <= 0.5", True, "ttest", False, True),
        ("Jaccard >= 0.3", True, "auto", False, True),  # its two kinds of rows share labels
        ("PPV | [M] - PPV | [F] <= 0.1", True, "auto", False, True),
        ("max(PR, PPV | [M] * PR) <= 0.5", True, "auto", True, True),
    ],
)
def test_rates_of_decisions_are_forecast_from_their_regions(
    text, deterministic, method, has_regions, needs_calibration
):
    asked, table = problem_and_table([text])
    stratification = asked.stratification
    mutually_exclusive_columns = exclusive_columns(stratification)
    parts = (
        asked.constraints,
        [0.05],
        stratification,
        2,
        500,
        0.9,
        deterministic,
        method,
        mutually_exclusive_columns,
    )
    forecast = forecast_for(ConstrainedProblem(*parts), table)
    assert bool(forecast.regions) == has_regions
    assert forecast.needs_calibration == needs_calibration


def test_no_constraints_need_no_calibration():
    assert not forecast_for(*problem_and_table([])).needs_calibration


def test_regions_replace_the_normal_approximation_and_leave_its_bounds():
    problem, table = problem_and_table(["PR <= 0.52", "PPV | [M] * PR <= 0.55"])
    seen, forecast = seen_in(problem, table), forecast_for(problem, table)
    normal, found = predicted(problem, table), forecast.predict(seen)
    np.testing.assert_array_equal(found.bounds, normal.bounds)
    assert found.probabilities[1] == normal.probabilities[1]
    rate = table[..., 1].sum() / table.sum()
    region = passing_region(problem.atoms[0], [2000], [500], 0.05)
    expected = PassingRegions([region]).probabilities(np.full((1, 2), rate))
    assert found.probabilities[0] == pytest.approx(expected[0])
    assert found.probabilities[0] != normal.probabilities[0]
    better_known = forecast.predict(seen, weight=1.0)
    assert better_known.probabilities[0] != found.probabilities[0]


@pytest.mark.parametrize(
    ("text", "decision", "bad"),
    [("PPV >= 0.5", 1, 0), ("PPV <= 0.5", 1, 1), ("NPV >= 0.4", 0, 1), ("FDR <= 0.5", 1, 0)],
)
def test_a_rate_of_random_size_is_forecast_from_its_two_kinds_of_rows(text, decision, bad):
    """Few rows of the label `bad` must get the decision."""
    problem, table = problem_and_table([text])
    labels = [bad, 1 - bad]
    rows, decided = table.sum(axis=(0, 2))[labels], table.sum(axis=0)[labels, decision]
    atom, tested = problem.atoms[0], problem.n_safety * rows / table.sum()
    given = (kinds[::-1] if is_minimum(atom) else kinds for kinds in (rows, tested))
    region = passing_region_of_share(atom, *given, 0.05)
    expected = PassingRegions([region]).probabilities((decided / rows)[None])
    found = forecast_for(problem, table).predict(seen_in(problem, table))
    assert found.probabilities[0] == pytest.approx(expected[0])
    assert 0.01 < expected[0] < 0.99 or text != "PPV >= 0.5"


@pytest.mark.parametrize("texts", [["PR <= 0.55"], ["PR <= 0.55", "PPV >= 0.5"], ["PR <= 0.01"]])
def test_scores_of_several_models_are_those_of_each(texts):
    problem, table = problem_and_table(texts)
    moved = np.linspace(-0.9, 0.9, 7)[:, None, None] * table[..., 0]
    tables = np.stack([table[..., 0] + moved, table[..., 1] - moved], axis=-1).clip(0)
    forecast = forecast_for(problem, table)
    scores = forecast.feasibility_scores(seen_in(problem, tables))
    expected = [float(forecast.predict(seen_in(problem, one)).feasibility_score) for one in tables]
    passing = np.array(expected) > 0
    np.testing.assert_allclose(scores[passing], np.array(expected)[passing])
    assert (scores[~passing] < 0).all()
    if not passing.any():
        np.testing.assert_allclose(scores, expected)


def test_calibration_makes_bounds_as_wide_as_the_tests():
    problem, table = problem_and_table(["PR | [M] * PR | [F] <= 0.4"])
    seen = seen_in(problem, table / 4)
    forecast = forecast_for(problem, table)
    before, after = (f.predict(seen).bounds[0] for f in (forecast, forecast.calibrated_on([seen])))
    assert before < after
    (constraint,) = problem.constraints
    exact = safety_test(constraint.tree, seen.evidence(constraint.estimands), 0.05).g_upper
    # The bound has fewer cells.
    assert after == pytest.approx(exact, abs=0.02)


# -- alternatives of which one will be tested ------------------------------------------------------

EITHER = ["min(PR | [M], PR | [F]) <= 0.53", "max(ACC, TPR) >= 0.55"]
APART = [
    ["PR | [M] <= 0.53", "ACC >= 0.55"],
    ["PR | [F] <= 0.53", "ACC >= 0.55"],
    ["PR | [M] <= 0.53", "TPR >= 0.55"],
    ["PR | [F] <= 0.53", "TPR >= 0.55"],
]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_predicted_is_predicted_of_what_will_be_tested(seed):
    problem, table = problem_and_table(EITHER, seed=seed, is_open=True)
    forecast, seen = forecast_for(problem, table), seen_in(problem, table)
    prediction, choices = forecast.predict(seen), forecast.choices(seen)
    alone = [problem_and_table(texts, seed=seed) for texts in APART]
    each = np.array([forecast_for(*one).predict(seen_in(*one)).probabilities for one in alone])
    np.testing.assert_allclose(prediction.probabilities, each.max(axis=0), rtol=1e-9)
    tested = [c.with_choice(one) for c, one in zip(problem.constraints, choices, strict=True)]
    likeliest = each.argmax(axis=0)
    assert tested[0].chosen_alternatives == (APART[likeliest[0]][0],)
    assert tested[1].chosen_alternatives == (APART[likeliest[1]][1],)
    shared = forecast_for(*problem_and_table(EITHER, seed=seed))
    assert (shared.predict(seen).probabilities < prediction.probabilities).all()


def test_without_alternatives_nothing_is_chosen():
    problem, table = problem_and_table(["PR <= 0.5", GAP], is_open=True)
    assert forecast_for(problem, table).choices(seen_in(problem, table)) == ((), ())
    shared, table = problem_and_table(EITHER)
    assert forecast_for(shared, table).choices(seen_in(shared, table)) == ((), ())
