"""Rows in several parts, and the statistics that are collected from each, for several files."""

from sklearn_seldonian import collect
from tests.certification._people import FEATURES, GROUPS, people

ROWS = people(3000, 1).sort_values("race", ignore_index=True)  # no part has all levels
CUTS = [slice(0, 1700), slice(1700, 1701), slice(1701, 3000)]
CONSTRAINTS = [
    "abs(PR | [sex == 'F'] - PR | [sex == 'M']) <= 0.1",
    "max(TPR, by=race) - min(TPR, by=race) <= 0.5",
    "ACC | [age >= 40] >= 0.5",
    "max(PR, by=(race, sex)) <= 0.9",
    "PR | [race == 'D'] <= 0.9",
]


def parts(model, label, constraints, options, rows=ROWS, cuts=CUTS):
    return [
        collect(
            model,
            part[FEATURES],
            part[label],
            constraints,
            sensitive_features=part[GROUPS],
            **options,
        )
        for part in (rows.iloc[cut] for cut in cuts)
    ]
