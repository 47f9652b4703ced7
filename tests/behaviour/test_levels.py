"""Groups that only some rows have: the assumptions about them, and the tests that fail."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor, certify
from sklearn_seldonian.exceptions import ConstraintNameError
from sklearn_seldonian.metrics import constraint_values
from sklearn_seldonian.modules import MLP

NO_SOLUTION = pytest.mark.filterwarnings("ignore::sklearn_seldonian.NoSolutionFoundWarning")
IMPOSSIBLE = pytest.mark.filterwarnings("ignore:With .* safety rows, no model can pass")


@pytest.fixture
def model(blobs):
    return LogisticRegression().fit(*blobs)


def assumed(certificate):
    return [text for text in certificate.assumptions if "levels but" in text]


@pytest.mark.parametrize(
    ("constraint", "sentences"),
    [
        ("ACC >= 0.5", []),
        ('PR | [race == "A"] <= 0.9', []),
        ("PR | [M] - PR | [not M] <= 0.9", []),
        ('max(FPR, by=race in ("A", "B")) <= 0.9', []),
        ('max(FPR, by=(race in ("A", "B"), M in (0, 1))) <= 0.9', []),
        ("max(FPR, by=race) <= 0.9", ["Column race has no levels but 'A', 'B', 'C'"]),
        ("max(FPR, by=M) <= 0.9", ["Column M has no levels but 0, 1"]),
        (
            "max(FPR, by=race) - min(FPR, by=race) + max(FPR, by=M) <= 2",
            ["Column M has no levels but 0, 1", "Column race has no levels but 'A', 'B', 'C'"],
        ),
        (
            'max(FPR, by=(race in ("A", "B"), M)) <= 0.9',
            [
                'Columns race in ("A", "B") and M have no combinations of levels but (\'A\', 0), '
                "('A', 1), ('B', 0), ('B', 1)"
            ],
        ),
    ],
)
@pytest.mark.thinned(4)
def test_levels_read_off_rows_are_an_assumption(blobs, groups, model, constraint, sentences):
    certificate = certify(model, *blobs, constraint, sensitive_features=groups)
    assert assumed(certificate) == [f"{text}, those of the tested rows." for text in sentences]
    own = SeldonianClassifier(MLP, constraints=constraint, max_epochs=1, random_state=0)
    own.fit(*blobs, sensitive_features=groups)
    found = assumed(own.certificate_)
    assert found == [f"{text}, those of the candidate rows." for text in sentences]


@pytest.mark.parametrize(
    ("constraint", "group"),
    [
        ('max(FPR, by=race in ("A", "B", "C", "D")) <= 0.99', 'race == "D"'),
        ('max(FPR, by=race in ("D",)) <= 0.99', 'race == "D"'),
        ('mean(FPR, by=race in ("A", "D")) <= 0.99', 'race == "D"'),
        ('max(FPR, by=(race in ("A", "D"), M)) <= 0.99', 'M == 0, race == "D"'),
        ('max(FPR, by=(M, race in ("A", "D"))) <= 0.99', 'M == 1, race == "D"'),
        ("max(FPR, by=(M in (0, 1), F in (0, 1))) <= 0.99", "F == 1, M == 1"),
        ("max(FPR, by=age in (30, 200)) <= 0.99", "age == 200"),
        ('max(FPR, by=category in ("A", "D")) <= 0.99', 'category == "D"'),
    ],
)
@NO_SOLUTION
@IMPOSSIBLE
@pytest.mark.thinned(3)
def test_named_levels_that_are_missing_fail_closed(blobs, groups, model, constraint, group):
    groups = groups.assign(category=groups["race"].astype("category"))
    certificate = certify(model, *blobs, constraint, sensitive_features=groups)
    assert not certificate.passed
    (result,) = certificate.results
    assert result.rows[f"FPR | [{group}]"] == 0
    assert "no rows for FPR" in certificate.explain(None)
    assert np.isnan(constraint_values(model, *blobs, constraint, sensitive_features=groups)).all()
    own = SeldonianClassifier(MLP, constraints=constraint, max_epochs=1, random_state=0)
    own.fit(*blobs, sensitive_features=groups)
    assert not own.solution_found_
    assert "no candidate row has" in own.certificate_.explain(None)


def test_named_levels_of_another_kind_are_mistakes(blobs, groups, model):
    for by in ('age in ("30",)', "race in (1, 2)"):
        with pytest.raises(ConstraintNameError, match="never equals"):
            certify(model, *blobs, f"max(FPR, by={by}) <= 0.9", sensitive_features=groups)


def rare(groups):
    """Groups of which some values occur only in rows 0 to 299."""
    first = np.arange(1000) < 300
    return groups.assign(
        race=np.where(first, "D", groups["race"]),
        one=first.astype(int),
        flag=first,
        age=np.where(first, 90, groups["age"]),
        score=np.where(first, np.float32(0.1), np.float32(0.2)),
        level=pd.Categorical(np.where(first, "high", "low"), ["low", "high"], ordered=True),
        kind=pd.Categorical(np.where(first, "x", "y")),
    )


ONLY_THERE = [
    'PR | [race == "D"] <= 0.99',
    'PR | [race == "D", M] <= 0.99',
    'PR | [race in ("D", "E")] <= 0.99',
    'PR | [race in ("D",)] <= 0.99',
    'PR | [race > "C"] <= 0.99',
    "PR | [one] <= 0.99",
    "PR | [flag] <= 0.99",
    "PR | [one == 1] <= 0.99",
    "PR | [age >= 90] <= 0.99",
    "PR | [age == 90] <= 0.99",
    "PR | [score == 0.1] <= 0.99",
    "PR | [score < 0.15] <= 0.99",
    'PR | [level >= "high"] <= 0.99',
    'PR | [level == "high"] <= 0.99',
    'PR | [kind == "x"] <= 0.99',
    'PR | [kind != "y"] <= 0.99',
    "max(PR, by=race) <= 0.99",
    "max(PR, by=one) <= 0.99",
    "max(PR, by=(race, M)) <= 0.99",
    'max(PR, by=race in ("A", "D")) <= 0.99',
    'max(PR, by=(race in ("A", "D"), M)) <= 0.99',
    'min(PR | [race == "D"], PR | [race == "A"]) <= 0.99',
    'PR | [race == "D"] / PR >= 0.01',
    "max(PR, by=level) <= 0.99",
]


@NO_SOLUTION
@IMPOSSIBLE
@pytest.mark.parametrize("constraint", ONLY_THERE)
@pytest.mark.thinned(4)
def test_a_group_that_only_safety_rows_have_is_no_solution(blobs, groups, constraint):
    groups = rare(groups)
    groups.loc[299, "race"] = "E"
    mask = np.arange(1000) < 400
    model = SeldonianClassifier(MLP, constraints=constraint, max_epochs=1, random_state=0)
    model.fit(*blobs, sensitive_features=groups, safety_mask=mask)
    assert not model.solution_found_
    assert "no candidate row has" in model.certificate_.explain(None)


@NO_SOLUTION
@pytest.mark.parametrize("constraint", ONLY_THERE)
@pytest.mark.thinned(4)
def test_a_group_that_only_candidate_rows_have_is_no_solution(blobs, groups, constraint):
    groups = rare(groups)
    groups.loc[299, "race"] = "E"
    mask = np.arange(1000) >= 400
    model = SeldonianClassifier(MLP, constraints=constraint, max_epochs=1, random_state=0)
    model.fit(*blobs, sensitive_features=groups, safety_mask=mask)
    assert not model.solution_found_ or "min(" in constraint
    if "min(" not in constraint:
        assert "among the safety rows" in model.certificate_.explain(None)


@NO_SOLUTION
@IMPOSSIBLE
def test_it_is_so_for_every_seed(blobs, groups):
    """The only row of the group is a safety row or a candidate row, depending on the seed."""
    groups.loc[0, "race"] = "D"
    for seed in range(6):
        for constraint in ('PR | [race == "D"] <= 0.9', "max(PR, by=race) <= 0.99"):
            model = SeldonianClassifier(
                MLP, constraints=constraint, max_epochs=1, random_state=seed
            )
            model.fit(*blobs, sensitive_features=groups)
            assert not model.solution_found_


@NO_SOLUTION
def test_a_regressor_records_this_too(blobs, groups):
    X, _ = blobs
    model = SeldonianRegressor(
        MLP,
        constraints='MAE | [race == "D"] <= 2',
        max_epochs=1,
        random_state=0,
        target_range=(-9, 9),
        prediction_range=(-9, 9),
    )
    model.fit(X, X[:, 0], sensitive_features=rare(groups), safety_mask=np.arange(1000) < 400)
    assert 'no candidate row has race == "D"' in model.certificate_.explain(None)


@NO_SOLUTION
@pytest.mark.parametrize("by", ["(race, M)", '(race in ("A", "B"), M)', '(M, race in ("A", "B"))'])
def test_a_combination_that_only_safety_rows_have(blobs, groups, by):
    """Every level is known, and one combination of two levels is new."""
    is_new = (groups["race"] == "A") & (groups["M"] == 1)
    mask = is_new.to_numpy() | (np.arange(1000) % 2 == 0)
    model = SeldonianClassifier(MLP, constraints=f"max(PR, by={by}) <= 0.99", max_epochs=1)
    model.fit(*blobs, sensitive_features=groups, safety_mask=mask)
    assert not model.solution_found_
    text = model.certificate_.explain(None)
    assert "the tested rows include a group that no candidate row has" in text
    assert "race == 'A'" in text
    assert "M == 1" in text


@pytest.mark.parametrize("condition", ['race == "Z"', 'race in ("A", "Z")', "M == 7"])
def test_what_no_row_has_is_a_mistake(blobs, groups, condition):
    with pytest.raises(ConstraintNameError, match="never equals"):
        SeldonianClassifier(MLP, constraints=f"PR | [{condition}] <= 0.9").fit(
            *blobs, sensitive_features=groups
        )


def test_a_bare_column_is_0_or_1_in_all_rows(blobs, groups):
    groups.loc[0, "M"] = 2
    model = SeldonianClassifier(MLP, constraints="PR | [not M] <= 0.9")
    with pytest.raises(ConstraintNameError, match="it is not bool or 0/1"):
        model.fit(*blobs, sensitive_features=groups, safety_mask=np.arange(1000) < 400)
