"""Rates of decisions from the distribution of the scores, if counts are imprecise."""

import numpy as np
import pytest
from scipy.stats import norm

from sklearn_seldonian.constraints import Stratification
from sklearn_seldonian.selection._smoothing import Binormal, Strata
from tests.selection._shifts import cells, rows, shifted


def test_smoothing_uses_the_cells_with_any_lookup():
    rng = np.random.default_rng(3)
    scores, labels, codes, _ = rows(2, n=500)
    codes = rng.integers(0, 16, 500)
    cell_of_code = np.array([[code % 4, 4 + code // 4] for code in range(16)])
    # With empty cells there are too many combinations for one lookup.
    joint, apart = (
        Stratification(
            (), (frozenset("a"), frozenset("b")), np.zeros((n_cells, 0), bool), cell_of_code
        )
        for n_cells in (8, 40)
    )
    assert (joint.joint.cell_of_code.shape[1], apart.joint.cell_of_code.shape[1]) == (1, 2)
    one, other = (
        shifted(scores, labels, codes, stratification, 20) for stratification in (joint, apart)
    )
    np.testing.assert_array_equal(one.tables, other.tables[:, :8])
    np.testing.assert_allclose(one.smoothed, other.smoothed[:, :8], rtol=1e-9)
    assert 0 < one.weight == pytest.approx(other.weight)


def grouped_scores(seed, n=400, shape=lambda normal: normal):
    """Scores of two classes, about normal in each of four groups (cell, label)."""
    rng = np.random.default_rng(seed)
    codes, labels = rng.integers(0, 2, (2, n))
    margins = shape(rng.normal(size=n) + 0.5 * codes + 0.8 * labels)
    return np.stack([np.zeros(n), margins], axis=1), labels, codes


@pytest.mark.parametrize("shape", [lambda normal: normal, np.exp], ids=["normal", "lognormal"])
@pytest.mark.thinned(2)
def test_smoothing_estimates_rates_better_than_counts(shape):
    margins = grouped_scores(99, 200_000, shape)
    errors = []
    for seed in range(30):
        _, offsets, tables, smoothed, weight = shifted(
            *grouped_scores(seed, shape=shape), cells(2), 32
        )
        assert 0 < weight <= 1
        np.testing.assert_allclose(smoothed.sum(axis=3), tables.sum(axis=3))
        chosen = offsets[[4, 16, 28]]
        truth = [
            [margins[0][(margins[2] == c) & (margins[1] == y), 1] + o > 0 for o in chosen]
            for c in (0, 1)
            for y in (0, 1)
        ]
        true = np.array([[decided.mean() for decided in group] for group in truth]).T
        both = [t[[4, 16, 28], ..., 1] / t[[4, 16, 28]].sum(axis=3) for t in (tables, smoothed)]
        errors.append([np.mean((found.reshape(3, 4) - true) ** 2) for found in both])
    counted, smooth = np.mean(errors, axis=0)
    assert smooth < 0.8 * counted


def test_scores_of_another_shape_are_counted():
    rng = np.random.default_rng(0)
    labels, codes = rng.integers(0, 2, (2, 20_000))
    # Group 1 lies between the halves of group 0, so means do not distinguish them.
    margins = np.where(codes == 1, 0.3 * rng.normal(size=20_000), rng.choice([-3.0, 3.0], 20_000))
    scores = np.stack([np.zeros(20_000), margins], axis=1)
    _, _, tables, smoothed, weight = shifted(scores, labels, codes, cells(2), 32)
    assert weight < 0.01
    np.testing.assert_allclose(smoothed, tables, atol=0.01 * 5000)


def strata(codes, labels, cell_of_code):
    """Rows of two classes by the cells of their codes."""
    families = tuple(frozenset({name}) for name in "ab"[: cell_of_code.shape[1]])
    n_cells = cell_of_code.max() + 1
    joint = Stratification((), families, np.zeros((n_cells, 0), bool), cell_of_code).joint
    return Strata(joint, joint.cell_of_code[codes], labels, 2)


def test_rows_are_summed_in_all_of_their_cells():
    codes, labels = np.array([0, 1, 1, 3, 3, 3]), np.array([0, 0, 1, 1, 1, 0])
    cell_of_code = np.array([[0, 2], [0, 3], [1, 2], [1, 3]])
    found = strata(codes, labels, cell_of_code)
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    # (cell, label); no row has code 2
    assert found.sums(values).tolist() == [[3, 4], [32, 24], [1, 0], [34, 28]]
    counts = found.counts(np.array([0, 2, 2, 1, 2, 2]), 3)
    assert counts.tolist() == [
        [[1, 0, 1], [0, 0, 1]],
        [[0, 0, 1], [0, 1, 1]],
        [[1, 0, 0], [0, 0, 0]],
        [[0, 0, 2], [0, 1, 2]],
    ]
    some = found.subset(np.array([0, 3, 5]))
    assert some.sums(values[[0, 3, 5]]).tolist() == [[1, 0], [32, 8], [1, 0], [32, 8]]


def binormal(n, shift, chosen, off=0):
    """The model of two groups of n rows each, whose scores differ by `shift`, and its tables.

    The scores are quantiles, so that nothing is random. `off` of the decisions are moved from the
    first group to the second.
    """
    quantiles = norm.ppf((np.arange(n) + 0.5) / n)
    scores, codes = np.concatenate([quantiles, quantiles + shift]), np.repeat([0, 1], n)
    order = (-scores).argsort(kind="stable")
    ranks = np.empty(2 * n)
    ranks[order] = np.arange(1, 2 * n + 1)
    decided = ranks <= np.array(chosen)[:, None]
    positive = np.stack([(decided & (codes == code)).sum(axis=1) for code in (0, 1)], axis=1)
    positive += [-off, off]
    tables = np.zeros((len(chosen), 2, 2, 2))
    tables[:, :, 0] = np.stack([n - positive, positive], axis=-1)
    rows_of = strata(codes, np.zeros(2 * n, int), np.array([[0], [1]]))
    return Binormal.fit(tables, ranks, rows_of), tables


def test_one_group_has_the_scores_of_all():
    """Its mean is 0, and its standard deviation that of normal quantiles."""
    model, _ = binormal(500, 0.0, [0, 100, 500, 1000])
    np.testing.assert_allclose(model.means, 0.0, atol=0.01)
    quantiles = norm.ppf((np.arange(1000) + 0.5) / 1000)
    assert model.spread == pytest.approx(np.sqrt((quantiles**2).sum() / 998), rel=1e-3)
    assert model.rows.tolist() == [[500, 0], [500, 0]]


@pytest.mark.parametrize("shift", [0.3, 1.0])
def test_rates_of_normal_scores_are_those_of_their_distributions(shift):
    model, tables = binormal(2000, shift, [400, 1200, 2000, 3000])
    assert model.weight > 0.9
    expected = tables[:, :, 0, 1] / 2000
    np.testing.assert_allclose(model.smoothed(tables)[:, :, 0, 1] / 2000, expected, atol=0.01)
    # A few of the counts determine the others.
    wrong = tables.copy()
    wrong[:, 0, 0] += [[50, -50]]
    wrong[:, 1, 0] -= [[50, -50]]
    found = model._replace(weight=1.0).smoothed(wrong)
    np.testing.assert_allclose(found, model._replace(weight=1.0).smoothed(tables), atol=1e-9)


def test_the_weight_is_between_the_model_and_the_counts():
    model, tables = binormal(200, 1.0, [50, 150])
    at = [model._replace(weight=weight).smoothed(tables) for weight in (0.0, 0.25, 1.0)]
    np.testing.assert_array_equal(at[0], tables)
    np.testing.assert_allclose(at[1], 0.75 * at[0] + 0.25 * at[2])
    assert not np.allclose(at[0], at[2], atol=0.1)
    for smoothed in at:
        np.testing.assert_allclose(smoothed.sum(axis=3), tables.sum(axis=3))


def test_decisions_that_are_constant_stay_so():
    model, tables = binormal(50, 1.0, [0, 30, 100])
    smoothed = model.smoothed(tables)
    np.testing.assert_array_equal(smoothed[[0, 2]], tables[[0, 2]])
    assert (smoothed[1, :, 0] > 0).all()


def test_counts_that_contradict_the_model_weigh_more():
    weights = [binormal(1000, 1.0, [1000], off)[0].weight for off in (0, 20, 40, 160)]
    assert weights[0] == 1.0
    assert (np.diff(weights) < 0).all()
    assert weights[-1] < 0.02
