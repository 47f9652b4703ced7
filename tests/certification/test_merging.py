"""Statistics of parts with separate cells add up to those of all rows."""

import numpy as np
import pytest

from sklearn_seldonian.certification import summarise
from sklearn_seldonian.certification._merging import (
    join,
    merged,
    with_ordered_codes,
    without_rows,
)
from sklearn_seldonian.constraints import (
    ColumnIs,
    Comparison,
    Schema,
    assign_cells,
    bind,
    distinct_conditions,
    distinct_estimands,
    parse,
)

RNG = np.random.default_rng(0)
N = 300
COLUMNS = {
    "race": np.sort(RNG.choice(["A", "B", "C", "D"], N)),  # the parts have different levels
    "M": RNG.integers(0, 2, N),
    "age": RNG.integers(18, 90, N),
}
LABELS, DECISIONS = RNG.integers(0, 2, (2, N))
PROBABILITIES = RNG.dirichlet((1, 1), N)
TEXTS = ["max(PR, by=race) <= 0.5", "TPR | [M] - TPR | [not M] <= 0.1", "ACC | [age >= 40] >= 0.5"]


def resolved(columns):
    constraints = [parse(text) for text in TEXTS]
    schema = Schema.from_columns(columns, constraints, (0, 1), 1)
    return [bind(constraint, schema) for constraint in constraints]


def statistics(rows, *, soft=False):
    """Statistics of some rows, with the conditions that these rows alone give."""
    columns = {name: values[rows] for name, values in COLUMNS.items()}
    n_rows = len(LABELS[rows])
    cells = assign_cells(columns, [c.conditions for c in resolved(columns)], n_rows)
    outputs = PROBABILITIES if soft else np.eye(2)[DECISIONS]
    return summarise(
        cells.codes,
        LABELS[rows],
        outputs[rows],
        cells.stratification,
        deterministic=not soft,
        keep=True,
    )


CUTS = {
    "halves": [slice(0, 150), slice(150, N)],
    "a level in each": [slice(0, 80), slice(80, 160), slice(160, 230), slice(230, N)],
    "single rows": [slice(0, 1), slice(1, 2), slice(2, N)],
    "the same levels": [slice(0, N, 2), slice(1, N, 2)],
}
ESTIMANDS = distinct_estimands(resolved(COLUMNS))


@pytest.mark.parametrize("soft", [False, True], ids=["decisions", "probabilities"])
@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
def test_parts_have_the_samples_of_the_whole(cuts, soft):
    whole = statistics(slice(None), soft=soft)
    parts = [statistics(rows, soft=soft) for rows in cuts]
    for order in (parts, parts[::-1]):
        total = order[0]
        for part in order[1:]:
            total = merged(total, part)
        for one, other in ((total.rate(m), whole.rate(m)) for m in ESTIMANDS):
            assert tuple(one) == pytest.approx(tuple(other), rel=1e-12)
        assert total.n_rows == N
        for constraint in resolved(COLUMNS):
            own = constraint.estimands
            variances = [
                found.evidence(own).influence_variance(own, range(1, 1 + len(own)))
                for found in (whole, total, without_rows(total))
            ]
            assert variances == pytest.approx([variances[0]] * 3, rel=1e-9)


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
def test_kept_rows_come_in_the_order_of_the_whole(cuts):
    conditions = distinct_conditions(ESTIMANDS)
    whole = statistics(slice(None), soft=True).in_drawn_order(7)
    parts = [statistics(rows, soft=True) for rows in cuts[::-1]]
    total = parts[0]
    for part in parts[1:]:
        total = merged(total, part)
    total = with_ordered_codes(total, conditions).in_drawn_order(7)
    for one, other in zip(total.kept, whole.kept, strict=True):
        np.testing.assert_array_equal(one, other)
    for estimand in ESTIMANDS:
        found = [s.evidence([estimand]).row_values(estimand, 1.0, -0.5) for s in (total, whole)]
        np.testing.assert_array_equal(*found)


def test_sums_alone_keep_all_counts_and_no_rows():
    whole = statistics(slice(None))
    alone = without_rows(whole)
    assert alone.kept is None
    np.testing.assert_array_equal(alone.confusion, whole.confusion)
    assert [alone.rate(m) for m in ESTIMANDS] == [whole.rate(m) for m in ESTIMANDS]
    assert alone.n_rows == N
    sizes = [span.stop - span.start for span in whole.stratification.spans]
    assert len(alone.stratification.cell_of_code) == max(sizes)
    assert alone.stratification.spans == whole.stratification.spans


def test_conditions_that_several_levels_meet_must_be_known_to_both():
    ages = {"age": COLUMNS["age"]}
    of_one, of_other = (
        assign_cells(ages, [[condition]], N).stratification
        for condition in (Comparison("age", ">=", 40), Comparison("age", ">=", 50))
    )
    with pytest.raises(ValueError, match=r"lack the condition 'age >= [45]0'"):
        join(of_one, of_other)
    bare = assign_cells({"M": COLUMNS["M"]}, [[ColumnIs("M")]], N).stratification
    other = assign_cells({"M": COLUMNS["M"]}, [[ColumnIs("M", False)]], N).stratification
    with pytest.raises(ValueError, match="lack the condition"):
        join(bare, other)


def test_statistics_of_other_constraints_do_not_add_up():
    one = statistics(slice(None))
    cells = assign_cells({"M": COLUMNS["M"]}, [[ColumnIs("M")]], N)
    other = summarise(cells.codes, LABELS, np.eye(2)[DECISIONS], cells.stratification)
    with pytest.raises(ValueError, match="so they cannot be added"):
        merged(one, other)
